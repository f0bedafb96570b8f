"""Less usual relatives: combinations, windows, scatter with a reduction, strided views, bit views, statistics."""
import torch

torch.manual_seed(31)
x = torch.randn(3, 4)
v = torch.tensor([3.0, 1.0, 2.0, 5.0])

# creation
print(torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([3, 4])))
print(torch.combinations(torch.tensor([1, 2, 3])), torch.combinations(torch.arange(2), r=2, with_replacement=True))
print(torch.vander(torch.tensor([1, 2, 3])), torch.diag_embed(torch.ones(1, 2)), torch.polar(torch.ones(1), torch.zeros(1)), torch.range(1, 4, 1.5))
print(torch.hann_window(4), torch.hamming_window(4), torch.bartlett_window(5), torch.blackman_window(4), torch.heaviside(x[0], v))

# integers
print(torch.gcd(torch.tensor([12, 18]), torch.tensor([8, 12])), torch.lcm(torch.tensor([4, 6]), torch.tensor([6, 8])))

# scatter with a reduction, writes that return a new tensor
print(torch.zeros(4).scatter_reduce(0, torch.tensor([0, 1, 0, 3]), torch.tensor([1.0, 2.0, 3.0, 4.0]), reduce="sum"))
print(torch.ones(3).scatter_reduce_(0, torch.tensor([0, 1, 0]), torch.tensor([5.0, 2.0, 3.0]), reduce="amax", include_self=False))
print(torch.ones(3).index_reduce_(0, torch.tensor([0, 2, 0]), torch.tensor([2.0, 3.0, 4.0]), "prod"))
print(torch.select_scatter(torch.zeros(2, 2), torch.ones(2), 0, 1), torch.slice_scatter(torch.zeros(4), torch.ones(2), start=1, end=3))
print(torch.diagonal_scatter(torch.zeros(2, 2), torch.ones(2)), torch.tensor([1, 2, 3]).put(torch.tensor([0]), torch.tensor([9])))

# strided and sliding views, and writing through them
s = torch.as_strided(torch.arange(9.0), (2, 2), (1, 2), 1)
print(s, s.storage_offset(), torch.tile(torch.tensor([1, 2]), (2,)), torch.arange(6).view(2, 3).unfold(1, 2, 1))
base = torch.arange(6.0)
base.unfold(0, 2, 2)[1].mul_(10)
base.as_strided((3,), (2,)).add_(100)
print(base)
print(torch.tensor([1.0]).view(torch.int32), torch.tensor([1], dtype=torch.int32).view(torch.uint8), torch.tensor([[1, 2]], dtype=torch.int16).view(torch.int32))
a = torch.arange(4).reshape(2, 2)
print(torch.column_stack([a[:, 0], a]), torch.block_diag(a, torch.tensor([[7]])))
b = torch.zeros(3)
b.set_(torch.tensor([5.0, 6.0]))
print(b)

# statistics
print(torch.quantile(torch.arange(5.0), 0.5), torch.quantile(x, torch.tensor([0.25, 0.75]), dim=1), torch.nanquantile(v, 0.4))
print(torch.trapezoid(v, torch.tensor([0.0, 1.0, 3.0, 4.0])), torch.cumulative_trapezoid(v), torch.cdist(x[:2], x[1:] + 1), torch.pdist(x))
hist, edges = torch.histogram(v, 4)
print(hist, edges, torch.cov(x), torch.corrcoef(x), torch.renorm(x, 2, 0, 1.0))

# special functions
t = torch.tensor([0.2, 0.5, 1.5])
print(torch.erf(t), torch.erfc(t), torch.erfinv(t[:2]), torch.lgamma(t), torch.digamma(t), torch.special.expit(t), torch.special.logit(t[:2]), torch.special.xlogy(t, t), torch.special.i0(t))
print(torch.sinh(t), torch.cosh(t), torch.asinh(t), torch.acosh(t + 1), torch.atanh(t[:2]), torch.expm1(t), torch.log1p(t), torch.exp2(t), torch.log2(t), torch.log10(t), torch.sinc(t))
print(torch.hypot(t, t), torch.logaddexp(t, t), torch.logaddexp2(t, t), torch.copysign(t, -t), torch.frac(t), torch.deg2rad(t), torch.rad2deg(t), torch.nextafter(t, t + 1) > t, torch.ldexp(t, torch.tensor([1, 2, 3])), torch.signbit(-t))
print(torch.frexp(t), torch.fix(-t), torch.positive(t), torch.subtract(t, 1), torch.multiply(t, 2), torch.divide(t, 2), torch.negative(t), torch.absolute(-t), torch.float_power(t, 2), torch.rsub(t, 1))
