"""Names of the gradient functions of gradients: the last operations of PyTorch's derivative formulas."""
import torch
import torch.nn.functional as F

torch.manual_seed(0)
x0 = torch.rand(3, 3) * 0.5 + 0.2
A = torch.rand(3, 3) + torch.eye(3)
idx = torch.tensor([0, 1, 2])
fs = dict(
    rsub=lambda x: A - x, rsub1=lambda x: 1 - x, mul=lambda x: x * A, mul2=lambda x: x * 2, sq=lambda x: x * x, div=lambda x: x / A,
    div2=lambda x: x / 2, rdiv=lambda x: A / x, rdiv1=lambda x: 1 / x, neg=lambda x: -x, pow2=lambda x: x ** 2, pow3=lambda x: x ** 3,
    pow1=lambda x: x ** 1, powt=lambda x: x ** A, rpow=lambda x: 2 ** x, rpowt=lambda x: A ** x, exp=torch.exp, exp2=torch.exp2,
    expm1=torch.expm1, log=torch.log, log2=torch.log2, log10=torch.log10, log1p=torch.log1p, sqrt=torch.sqrt, rsqrt=torch.rsqrt,
    recip=torch.reciprocal, square=torch.square, sin=torch.sin, cos=torch.cos, tan=torch.tan, asin=torch.asin, acos=torch.acos,
    atan=torch.atan, sinh=torch.sinh, cosh=torch.cosh, tanh=torch.tanh, asinh=torch.asinh, acosh=lambda x: torch.acosh(x + 1),
    atanh=torch.atanh, erf=torch.erf, erfc=torch.erfc, erfinv=torch.erfinv, lgamma=torch.lgamma, digamma=torch.digamma,
    sigmoid=torch.sigmoid, logit=torch.logit, sinc=torch.sinc, abs=torch.abs, clamp=lambda x: x.clamp(.3, .5),
    cmin=lambda x: x.clamp_min(.3), relu=torch.relu, maxt=lambda x: torch.maximum(x, A * .5), mint=lambda x: torch.minimum(x, A),
    nan=torch.nan_to_num, atan2=lambda x: torch.atan2(x, A), hypot=lambda x: torch.hypot(x, A), lerp=lambda x: torch.lerp(x, A, .3),
    addcmul=lambda x: torch.addcmul(A, x, A), addcdiv=lambda x: torch.addcdiv(A, A, x), xlogy=lambda x: torch.xlogy(x, x),
    logaddexp=lambda x: torch.logaddexp(x, A), sum=lambda x: x.sum() * x.sum(), sum0=lambda x: x.sum(0), mean=lambda x: x.mean() ** 2,
    mean1=lambda x: x.mean(1), prod=torch.prod, prod1=lambda x: x.prod(1), var=torch.var, var1=lambda x: x.var(1), std=torch.std,
    norm=torch.norm, norm1=lambda x: x.norm(p=1), normd=lambda x: x.norm(dim=1), vnorm=torch.linalg.vector_norm,
    lse=lambda x: x.logsumexp(1), max=lambda x: x.max() ** 2, maxd=lambda x: x.max(1)[0], amax=lambda x: x.amax(1),
    median=torch.median, sort=lambda x: x.sort(1)[0], topk=lambda x: x.topk(2)[0], cumsum=lambda x: x.cumsum(0),
    cumprod=lambda x: x.cumprod(1), lcse=lambda x: x.logcumsumexp(0), mm=lambda x: x @ A, mm2=lambda x: A @ x, mmt=lambda x: x @ A.t(),
    mmself=lambda x: x @ x, mv=lambda x: x @ A[0], mv2=lambda x: A @ x[0], dot=lambda x: x[0] @ A[0], bmm=lambda x: x[None] @ A[None],
    bmm2=lambda x: A[None] @ x[None], addmm=lambda x: torch.addmm(A, x, A), baddbmm=lambda x: torch.baddbmm(A[None], x[None], A[None]),
    outer=lambda x: torch.outer(x[0], x[1]), lin=lambda x: F.linear(x, A), linb=lambda x: F.linear(x, A, A[0]),
    linw=lambda x: F.linear(A, x), linwb=lambda x: F.linear(A, x, A[0]), linbias=lambda x: F.linear(A, A, x[0]),
    lin3=lambda x: F.linear(x[None], A, A[0]), linw3=lambda x: F.linear(A[None], x, A[0]), inv=torch.inverse, det=torch.det,
    solve=lambda x: torch.linalg.solve(A, x), chol=lambda x: torch.linalg.cholesky(x @ x.T + torch.eye(3)),
    trace=lambda x: x.trace() ** 2, view=lambda x: x.view(9), reshape=lambda x: x.t().reshape(9), t_=lambda x: x.t(),
    tr=lambda x: x.transpose(0, 1), perm=lambda x: x.permute(1, 0), unsq=lambda x: x.unsqueeze(0), sq0=lambda x: x[None].squeeze(0),
    expd=lambda x: x.expand(2, 3, 3), rep=lambda x: x.repeat(2, 1), flat=lambda x: x.flatten(), sel=lambda x: x[0], sl=lambda x: x[1:],
    idx_=lambda x: x[idx], msk=lambda x: x[x > .4], cat=lambda x: torch.cat([x, A]), stack=lambda x: torch.stack([x, A]),
    chunk=lambda x: x.chunk(3)[0], split=lambda x: x.split(2)[0], gather=lambda x: x.gather(1, idx[None]),
    isel=lambda x: x.index_select(0, idx), scat=lambda x: x.scatter(0, idx[None], 1.), where=lambda x: torch.where(A > .5, x, A),
    mfill=lambda x: x.masked_fill(A > .5, 0), tril=torch.tril, triu=torch.triu, diag=torch.diag, diagv=lambda x: torch.diag(x[0]),
    flip=lambda x: x.flip(0), roll=lambda x: x.roll(1, 0), pad=lambda x: F.pad(x, (1, 1)), unfold=lambda x: x.unfold(0, 2, 1),
    contig=lambda x: x.t().contiguous(), dbl=lambda x: x.double(), diagn=lambda x: x.diagonal(),
    asst=lambda x: x.as_strided((2, 2), (1, 1)), softmax=lambda x: x.softmax(1), lsm=lambda x: x.log_softmax(1), gelu=F.gelu,
    gelut=lambda x: F.gelu(x, approximate='tanh'), silu=F.silu, mish=F.mish, elu=F.elu, selu=F.selu, celu=F.celu, lrelu=F.leaky_relu,
    prelu=lambda x: F.prelu(x, A[0, :1]), softplus=F.softplus, lsig=F.logsigmoid, htanh=F.hardtanh, hsw=F.hardswish,
    hsig=F.hardsigmoid, relu6=F.relu6, glu=lambda x: F.glu(x[:, :2]), sshr=F.softshrink, hshr=F.hardshrink, ssgn=F.softsign,
    tshr=F.tanhshrink, thr=lambda x: F.threshold(x, .3, 0.), ln=lambda x: F.layer_norm(x, (3,)),
    lnw=lambda x: F.layer_norm(x, (3,), A[0], A[1]), bn=lambda x: F.batch_norm(x, None, None, training=True),
    gn=lambda x: F.group_norm(x[None], 3), inorm=lambda x: F.instance_norm(x[None]), mse=lambda x: F.mse_loss(x, A),
    l1=lambda x: F.l1_loss(x, A), sl1=lambda x: F.smooth_l1_loss(x, A), huber=lambda x: F.huber_loss(x, A),
    ce=lambda x: F.cross_entropy(x, idx), nll=lambda x: F.nll_loss(x, idx), bce=lambda x: F.binary_cross_entropy(x, A / 2),
    bcel=lambda x: F.binary_cross_entropy_with_logits(x, A / 2), kl=lambda x: F.kl_div(x, A), sml=lambda x: F.soft_margin_loss(x, A),
    nrm=lambda x: F.normalize(x), conv1=lambda x: F.conv1d(x[None], A[None]), conv2=lambda x: F.conv2d(x[None, None], A[None, None]),
    conv2w=lambda x: F.conv2d(A[None, None], x[None, None]), convt=lambda x: F.conv_transpose2d(x[None, None], A[None, None]),
    avgp=lambda x: F.avg_pool2d(x[None], 2), maxp=lambda x: F.max_pool2d(x[None], 2), aavg=lambda x: F.adaptive_avg_pool2d(x[None], 2),
    interp=lambda x: F.interpolate(x[None, None], scale_factor=2), bil=lambda x: F.interpolate(x[None, None], scale_factor=2.,
    mode='bilinear'), emb=lambda x: F.embedding(idx, x), drop=lambda x: F.dropout(x, .5),
    sdpa=lambda x: F.scaled_dot_product_attention(x[None, None], A[None, None], A[None, None]), cdist=lambda x: torch.cdist(x, A),
)
for n, f in fs.items():
    x = x0.clone().requires_grad_()
    y = f(x)
    w = (torch.rand(y.shape) + 0.1).to(y.dtype).requires_grad_()
    (g,) = torch.autograd.grad(y, x, w, create_graph=True)
    print(n, y.grad_fn.name(), "->", g.grad_fn.name() if g.grad_fn else None, g.shape)
