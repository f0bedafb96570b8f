"""Activations, further losses and functional forms, with their gradients."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(13)
p, t = torch.rand(3, 2, requires_grad=True), torch.rand(3, 2).round()
for loss in (
    nn.SmoothL1Loss(beta=0.5), nn.HuberLoss(delta=0.3), nn.KLDivLoss(reduction="batchmean"), nn.PoissonNLLLoss(), nn.SoftMarginLoss(), nn.HingeEmbeddingLoss(),
    nn.BCEWithLogitsLoss(pos_weight=torch.tensor([2.0, 3.0])),
):
    value = loss(p, t if not isinstance(loss, (nn.SoftMarginLoss, nn.HingeEmbeddingLoss)) else t * 2 - 1)
    print(type(loss).__name__, value, torch.autograd.grad(value.sum(), p)[0])
print(nn.MarginRankingLoss()(p[0], p[1], torch.ones(2)), nn.CosineEmbeddingLoss()(p, t, torch.ones(3)), nn.TripletMarginLoss()(p, t, p.flip(0)), F.gaussian_nll_loss(p, t, torch.ones(3, 2)))

x = torch.tensor([-3.0, -1.0, -0.2, 0.3, 1.0, 4.0], requires_grad=True)
for f in (
    F.relu, F.leaky_relu, F.elu, F.selu, F.gelu, F.silu, F.softplus, F.softsign, F.hardtanh, F.relu6, F.logsigmoid, F.tanhshrink, F.hardsigmoid, F.hardswish, F.mish, F.celu, torch.sigmoid,
    torch.tanh, F.softshrink, F.hardshrink,
):
    y = f(x)
    print(f.__name__, y, torch.autograd.grad(y.sum(), x)[0])
print(F.softmax(x, dim=0), F.log_softmax(x, dim=-1), F.softmin(x, 0), F.normalize(x, dim=0), F.threshold(x, 0.5, -7.0), F.glu(x), F.prelu(x, torch.tensor([0.3])))
print(F.one_hot(torch.tensor([0, 2]), num_classes=3), F.pad(torch.ones(1, 2), (1, 2)), F.pad(torch.ones(1, 2), (1, 1, 0, 1), value=5.0), F.cosine_similarity(p, t), F.pairwise_distance(p, t))
print(F.linear(p, torch.ones(4, 2), torch.zeros(4)).shape, F.embedding(torch.tensor([1, 0]), torch.arange(4.0).view(2, 2)), F.mse_loss(p, t), F.l1_loss(p, t), F.binary_cross_entropy(p, t))
print(F.dropout(torch.ones(10), p=0.3, training=False), F.layer_norm(p, (2,)), F.max_pool2d(torch.arange(16.0).view(1, 1, 4, 4), 2), F.avg_pool2d(torch.ones(1, 1, 4, 4), 2), F.max_pool1d(torch.arange(4.0).view(1, 4), 2))
print(F.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2)), F.conv1d(torch.arange(5.0).view(1, 1, 5), torch.tensor([[[1.0, -1.0]]])), F.unfold(torch.arange(9.0).view(1, 1, 3, 3), 2))
print(F.interpolate(torch.arange(4.0).view(1, 1, 2, 2), scale_factor=2), F.interpolate(torch.arange(4.0).view(1, 1, 2, 2), size=3, mode="bilinear", align_corners=True))

