"""Reductions over some or all dimensions, sorting and searching, their return types."""
import torch

torch.manual_seed(4)
x = torch.randn(3, 4)
i = torch.tensor([[3, 1, 2], [3, 3, 0]])
print(x)
for name in ("sum", "mean", "prod", "std", "var", "amax", "amin", "max", "min", "median", "nanmedian", "norm", "logsumexp", "all", "any", "argmax", "argmin"):
    f = getattr(torch, name)
    print(name, f(x) if name != "logsumexp" else f(x, (0, 1)))
    print(f(x, dim=1))
    print(f(x, dim=0, keepdim=True) if name != "norm" else f(x, dim=0, keepdim=True, p=1))
print(x.sum((0, 1)), x.sum(dim=(0, 1), keepdim=True).shape, x.mean(-1), x.sum(1, dtype=torch.float64), i.sum(), i.sum(0), x.mean(dim=[0]))
print(x.std(unbiased=False), x.var(dim=1, correction=0), torch.std_mean(x, dim=1), torch.var_mean(x), torch.std(x, 0, True))
print(torch.max(x, torch.zeros(4)), torch.maximum(x, x.flip(0)), torch.min(i, dim=1), torch.minimum(i, torch.tensor(2)), torch.fmax(torch.tensor([float("nan"), 1.0]), torch.tensor([2.0, 0.0])))
m = x.max(dim=1)
print(m.values, m.indices, type(m).__name__, m[0] is m.values, len(m))
values, indices = x.min(1)
print(values, indices, torch.aminmax(x), torch.aminmax(x, dim=0, keepdim=True).max)
print(x.argmax(), x.argmax(dim=1, keepdim=True), torch.tensor([2, 2, 1]).argmax(), torch.tensor([True, False]).all(), i.bool().all(dim=1), torch.all(i > -1), torch.any(i > 5))
print(i.median(), torch.median(torch.tensor([4.0, 1.0, 3.0, 2.0])), torch.median(torch.tensor([[3, 1, 2], [5, 4, 0]]), dim=1), torch.mode(i), torch.mode(torch.tensor([1, 2, 2, 3, 3])), torch.mode(i, dim=0, keepdim=True))
print(torch.kthvalue(torch.tensor([4.0, 1.0, 3.0]), 2), torch.nanmean(torch.tensor([1.0, float("nan")])), torch.nansum(torch.tensor([1.0, float("nan")])))

# cumulative
v = torch.tensor([3.0, 1.0, 2.0, 5.0])
print(v.cumsum(0), torch.cumprod(v, 0), torch.cummax(v, 0), torch.cummin(v, dim=0), v.logcumsumexp(0), torch.diff(v), v.diff(n=2), torch.trapz(v), torch.cumsum(i, dim=1))

# sorting
print(torch.sort(v), v.sort(descending=True), torch.sort(i, dim=0), torch.argsort(v), v.argsort(descending=True), torch.sort(torch.tensor([2, 1, 2, 1]), stable=True))
print(torch.topk(v, 2), v.topk(3, largest=False), torch.topk(x, 2, dim=1), x.topk(1, 0).indices, torch.msort(i), torch.sort(torch.tensor([True, False])))

# unique
u = torch.tensor([3, 1, 2, 3, 1, 3])
print(torch.unique(u), u.unique(return_counts=True), torch.unique(u, return_inverse=True), torch.unique(u, return_inverse=True, return_counts=True))
print(torch.unique(torch.tensor([[1, 2], [1, 2], [0, 1]]), dim=0), torch.unique_consecutive(torch.tensor([1, 1, 2, 1])), torch.unique(u, sorted=True).shape, u.unique_consecutive(return_counts=True))

# norms and distances
print(x.norm(), x.norm(1), x.norm(float("inf")), x.norm(p=2, dim=0), torch.norm(x, dim=1, keepdim=True), torch.linalg.norm(x), torch.linalg.vector_norm(x, ord=3), x.norm("fro"))
print(torch.dist(x[0], x[1]), torch.dist(x[0], x[1], p=1), torch.cosine_similarity(x[:1], x[1:2]))

# counting
print(torch.histc(v, bins=4, min=0, max=8), torch.bincount(u), torch.bincount(u, weights=torch.ones(6) * 0.5), torch.bincount(u, minlength=6), torch.count_nonzero(i, dim=1))

# empty and scalar
print(torch.zeros(0).sum(), torch.zeros(0).prod(), torch.zeros(0).mean(), torch.zeros(0, 3).sum(0), torch.zeros(2, 0).sum(1), torch.tensor(5.0).max(), torch.tensor(5.0).sum(0), torch.zeros(0).all(), torch.zeros(0).any())
print(torch.tensor(2.0).std(), torch.tensor([float("nan"), 1.0]).max(), torch.tensor([float("nan"), 1.0]).sum(), torch.tensor([1.0, float("inf")]).mean())
print(torch.softmax(v, dim=0), v.log_softmax(0), torch.softmax(x, -1))
