"""Each operation rounds its result as PyTorch does, though neighbours are computed in one loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch as pytorch

import torchish
from torchish.engine import disk_cache, drafts, program

DTYPES = ("float32", "float64")


@pytest.fixture(autouse=True, params=["draft", "care"])
def compiled(request, monkeypatch):
    """Drafts, as all small programs are at first, and what they become."""
    if request.param == "care":
        monkeypatch.setattr(drafts, "ENABLED", False)
        program.CACHE.clear()
        program._ALIKE.clear()


def polynomial(torch, x, y, z):
    r = x
    for _ in range(8):
        r = r * y + z
    return r


def through_views(torch, x, y, z):
    p = x * y
    return p.t()[::2] + z.t()[::2], -p + z, torch.cat([p, z]) - 3 * torch.cat([z, x]), torch.where(x > 0, p, z * y) + z


def sums(torch, x, y, z):
    return (x * y).sum(0), (x * y).sum(1), ((x - y) ** 2).mean(), (x / 3).sum()


def gradients(torch, x, y, z):
    leaves = [v.clone().requires_grad_() for v in (x, y)]
    loss = ((leaves[0] * leaves[1] + z) * leaves[0] - leaves[1] * y / 3).sum()
    loss.backward()
    return loss, *[v.grad for v in leaves]


def motion(torch, x, y, z):
    for _ in range(10):
        y = y + (-0.3 * x - 0.1 * y) * 0.01
        x = x + y * 0.01
    return x, y, 0.5 * (x * x + y * y)


PROGRAMS = {
    "sum": lambda torch, x, y, z: x * y + z,
    "difference": lambda torch, x, y, z: z - x * y,
    "two products": lambda torch, x, y, z: 2 * x * y - 3 * z * y,
    "square": lambda torch, x, y, z: x**2 + y.square() - z**3,
    "kept": lambda torch, x, y, z: ((p := x * y), (q := p + z), q - p),
    "matrices of one product": lambda torch, x, y, z: (torch.nn.functional.linear(x[:, :1], y[:3, :1], z[0, :3]), x[:, :1] @ y[:1] + z),
    "in place": lambda torch, x, y, z: x.mul_(y).add_(z).sub_(y * y),
    "one kernel": lambda torch, x, y, z: (x.add(y, alpha=0.3), torch.addcmul(x, y, z, value=0.7), torch.lerp(x, y, 0.3)),
} | {f.__name__: f for f in (polynomial, through_views, sums, gradients, motion)}


def results(torch, f, arrays) -> list[np.ndarray]:
    made = f(torch, *[torch.from_numpy(a.copy()) for a in arrays])
    return [v.detach().numpy() for v in (made if isinstance(made, tuple) else (made,))]


def draw(dtype: str, *shape: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    drawn = [rng.standard_normal((2, *shape)) for _ in range(3)]
    return [(a + 1j * b).astype(dtype) if dtype.startswith("complex") else a.astype(dtype) for a, b in drawn]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_are_pytorchs_to_the_last_bit(name, dtype):
    arrays = draw(dtype, 20, 32)
    for want, got in zip(results(pytorch, PROGRAMS[name], arrays), results(torchish, PROGRAMS[name], arrays), strict=True):
        np.testing.assert_array_equal(got, want)


# Operations without transcendental functions, matrix products and long sums.
EXACT = [c.strip() for c in """
x + y; x - y; x * y; x / y; 1 / x; x / 3; 3 / x; x.abs(); x.clamp(-0.5, 0.7); x.clamp(y, z); x.relu(); F.leaky_relu(x, 0.3); F.hardtanh(x);
F.hardswish(x * 3); F.hardsigmoid(x * 3); F.threshold(x, 0.1, 2.0); F.prelu(x, y[0, :1]); F.relu6(x * 4); F.softshrink(x); F.softsign(x);
torch.lerp(x, y, 0.3); torch.lerp(x, y, z); torch.addcmul(x, y, z, value=0.3); torch.addcdiv(x, y, z, value=0.3); x.add(y, alpha=0.3);
torch.rsub(x, y, alpha=0.3); x.square(); x**2; x**3; x**-1; x.remainder(y); x.fmod(y); x.round(decimals=2); x.round(decimals=-1); x.frac();
torch.maximum(x, y); x.diff(); x.sum(); x.sum(0); x.sum(1); x.mean(); x.mean(0); x.nansum(1); x.nanmean(0); x.cumsum(0); x.cumsum(1);
x.cumprod(1); x.amax(1); x.median(); torch.trace(x[:9, :9]); torch.cross(x[:, :3], y[:, :3], dim=1); torch.trapezoid(x);
F.mse_loss(x, y); F.mse_loss(x, y, reduction="sum"); F.l1_loss(x, y);
F.smooth_l1_loss(x, y); F.smooth_l1_loss(x, y, beta=0.3); F.huber_loss(x * 3, y); F.margin_ranking_loss(x, y, z.sign());
F.avg_pool1d(x[None], 3); F.avg_pool2d(x[None], 2); F.adaptive_avg_pool1d(x[None], 5); F.embedding_bag(torch.tensor([[0, 1, 2]]), x);
F.mse_loss(x, x + 0 * y);
x + y[0]; x * y[0]; y[:, :1] / x; x.mean(1, keepdim=True) * y; x.expand(3, 20, 32) * 2; torch.where(x > 0, y[0], z)
""".split(";")]  # fmt: skip


def value_and_gradients(torch, code: str, arrays) -> list[np.ndarray]:
    x, y, z = leaves = [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]
    made = eval(code, {"torch": torch, "F": torch.nn.functional}, {"x": x, "y": y, "z": z})
    made.backward(torch.arange(made.numel(), dtype=made.dtype).reshape(made.shape).mul(0.37).remainder(3.0) - 1)
    return [v.detach().numpy() for v in (made, *[v.grad for v in leaves]) if v is not None]


WIDE = ["x.var()", "x.var(0)", "x.var(1, correction=0)", "x.std(1)", "torch.std_mean(x)[0]"]  # summed up in float64


@pytest.mark.parametrize(("code", "dtype"), [(code, d) for d in DTYPES for code in EXACT] + [(code, "float32") for code in WIDE])
def test_operations_and_gradients_are_pytorchs_to_the_last_bit(code, dtype):
    arrays = draw(dtype, 20, 32)
    for want, got in zip(value_and_gradients(pytorch, code, arrays), value_and_gradients(torchish, code, arrays), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_products(dtype):
    arrays = draw(dtype, 16, 32)
    f = PROGRAMS["two products"]
    np.testing.assert_array_equal(*results(torchish, f, arrays), *results(pytorch, f, arrays))
    z = torchish.from_numpy(arrays[0])
    assert not (z * z.conj()).imag.any()


# Gradients that begin as one number, and sums of them over several broadcast dimensions.
LOSSES = [c.strip() for c in """
(x.mean(1) * 0.37).sum(); (x / 3 * 0.37).sum(); (1 / x / 3 * 0.37).sum(); (x**3 * 0.37).sum(); (x * y[:1, :1].reshape(1) * z.detach()).sum()
""".split(";")]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("code", LOSSES)
def test_gradients_of_scalars_are_pytorchs_to_the_last_bit(code, dtype):
    def run(torch):
        leaves = [torch.from_numpy(a.copy()).requires_grad_() for a in draw(dtype, 16, 24)]
        eval(code, {}, dict(zip("xyz", leaves, strict=True))).backward()
        return [v.grad.numpy() for v in leaves if v.grad is not None]

    for want, got in zip(run(pytorch), run(torchish), strict=True):
        np.testing.assert_array_equal(got, want)


def test_products_of_wider_floats_are_rounded_before_they_are_narrowed():
    arrays = draw("float32", 20, 32)
    want, got = (results(t, lambda t, x, y, z: (x.double() * y.double()).float() + z, arrays) for t in (pytorch, torchish))
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("shape", [(7,), (64, 3), (3, 4, 40), (300,)])
def test_small_complex_sums(dtype, shape):
    x = draw(dtype, *shape)[0]
    for dim in (None, 0, -1):
        np.testing.assert_array_equal(torchish.from_numpy(x).sum(dim).numpy(), pytorch.from_numpy(x).sum(dim).numpy())


def test_captured_and_loaded_programs():
    arrays = draw("float32", 7, 11)
    f = PROGRAMS["two products"]
    (want,) = results(pytorch, f, arrays)
    step = torchish.compile(lambda x, y, z: f(torchish, x, y, z), fullgraph=True)
    for _ in range(2):
        np.testing.assert_array_equal(step(*[torchish.from_numpy(a) for a in arrays]).numpy(), want)
    results(torchish, f, arrays)
    loaded = program.STATS.loaded
    program.CACHE.clear()
    (got,) = results(torchish, f, arrays)
    np.testing.assert_array_equal(got, want)
    assert program.STATS.loaded == loaded + disk_cache.ENABLED


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_value_is_the_same_in_all_loops(dtype):
    rng = np.random.default_rng(0)
    for n in range(3, 9):
        x, w, b = (torchish.from_numpy(rng.standard_normal(s).astype(dtype)) for s in ((n * 40, 64), 64, 64))
        product = x * w
        u = product + b
        assert (u == u.amax(-1, keepdim=True)).any(-1).all()
        assert not (x * x - x.clone() * x.clone()).any()
        del product
