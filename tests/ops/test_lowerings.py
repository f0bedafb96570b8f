"""What large arrays on CPU are computed by: the lowerings chosen by measurement, against PyTorch."""

import numpy as np
import pytest
import torch

import torchish

RANDOM = np.random.default_rng(0)
MANY = 5000


def values(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def check(function, *arrays, tolerance=1e-5):
    """Values and gradients of `function(library, *tensors)` agree."""
    ours = [torchish.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    theirs = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    got, expected = function(torchish, *ours), function(torch, *theirs)
    pairs = [(got, expected)]
    if expected.requires_grad:
        weight = values(*expected.shape)
        (got * torchish.tensor(weight)).sum().backward()
        (expected * torch.tensor(weight)).sum().backward()
        pairs += [(a.grad, b.grad) for a, b in zip(ours, theirs, strict=True) if b.grad is not None]
    for a, b in pairs:
        assert str(a.dtype) == str(b.dtype)
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), tolerance, tolerance)


@pytest.mark.parametrize(
    ("name", "least", "ulps"),
    [("tanh", -10, 1.4), ("erf", -5, 1.1), ("expm1", -30, 1.5), ("log1p", -0.999, 1.7), ("sinh", -87, 3.1)],
)
def test_right_to_the_last_bits(name, least, ulps):
    """Distances from the true value in units of the last place, special values, and derivatives."""
    small = np.logspace(-30, -1, 5001)
    x = np.concatenate([np.linspace(least, 10, 20001), small, -small]).astype(np.float32)
    exact = getattr(torch, name)(torch.tensor(x).double()).numpy()
    got = getattr(torchish, name)(torchish.tensor(x)).numpy()
    assert (np.abs(got - exact) <= ulps * np.spacing(np.abs(exact).astype(np.float32))).all()
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 90.0, 88.7, -1.0, -90.0, 3e38], np.float32)
    np.testing.assert_array_max_ulp(
        getattr(torchish, name)(torchish.tensor(special)).numpy(), getattr(torch, name)(torch.tensor(special)).numpy(), 2
    )
    assert np.signbit(getattr(torchish, name)(torchish.tensor([-0.0])).numpy())
    check(lambda t, a: getattr(t, name)(a), x, tolerance=2e-6)


@pytest.mark.parametrize(("name", "most", "ulps"), [("cosh", 87, 2.7), ("erfinv", 1, 0.51), ("lgamma", 30, 1.3)])
def test_right_to_the_last_bits_between(name, most, ulps):
    x = np.linspace(-most, most, 20001).astype(np.float32)
    exact = getattr(torch, name)(torch.tensor(x).double()).numpy()
    got = getattr(torchish, name)(torchish.tensor(x)).numpy()
    finite = np.isfinite(exact)
    assert (np.abs(got[finite] - exact[finite]) <= ulps * np.spacing(np.abs(exact[finite]).astype(np.float32))).all()
    edges = np.array([0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 90.0], np.float32)
    np.testing.assert_array_equal(getattr(torchish, name)(torchish.tensor(edges)), getattr(torch, name)(torch.tensor(edges)))
    check(lambda t, a: getattr(t, name)(a), x[1:-1], tolerance=2e-6)


@pytest.mark.parametrize("name", ["sin", "cos", "tan", "asin", "acos", "atan"])
def test_elementary(name):
    x = np.tanh(values(MANY)) * np.float32(0.99) if name in ("asin", "acos") else values(MANY) * 20
    check(lambda t, a: getattr(t, name)(a), x, tolerance=2e-4 if name == "tan" else 3e-6)
    special = np.concatenate([np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 2, 3e38, 1e7], np.float32), x])
    with torch.no_grad():
        expected = getattr(torch, name)(torch.tensor(special)).numpy()
    got = getattr(torchish, name)(torchish.tensor(special)).numpy()
    np.testing.assert_allclose(got, expected, 3e-6, 3e-7)
    assert (np.signbit(got) == np.signbit(expected))[~np.isnan(expected)].all()


@pytest.mark.parametrize("name", ["atan2", "fmod", "remainder", "floor_divide"])
def test_elementary_of_two(name):
    edges = np.array([0.0, -0.0, np.inf, -np.inf, 1, -1, 3e30, 2.5], np.float32)
    a, b = (v.ravel() for v in np.meshgrid(edges, edges))
    for x, y in ((np.concatenate([a, values(MANY)]), np.concatenate([b, values(MANY)])), (np.round(values(MANY) * 50), values(MANY) + 9)):
        got = getattr(torchish, name)(torchish.tensor(x), torchish.tensor(y)).numpy()
        np.testing.assert_allclose(got, getattr(torch, name)(torch.tensor(x), torch.tensor(y)).numpy(), 1e-6, 1e-7)
    if name != "floor_divide":
        check(lambda t, u, v: getattr(t, name)(u, v), values(MANY), np.abs(values(MANY)) + 1, tolerance=1e-5)


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"])
@pytest.mark.parametrize(("shape", "dim"), [((70, 70), 0), ((70, 70), 1), ((MANY,), 0), ((3, 900, 2), 1)])
def test_scans(name, shape, dim):
    x = 1 + values(*shape) / 100 if name == "cumprod" else values(*shape)

    def run(t, a):
        got = getattr(t, name)(a, dim)
        return got[0] if name in ("cummax", "cummin") else got

    check(run, x, tolerance=1e-3)
    if name in ("cummax", "cummin"):
        x.flat[70] = np.nan
        expected = getattr(torch, name)(torch.tensor(x), dim)
        got = getattr(torchish, name)(torchish.tensor(x), dim)
        np.testing.assert_array_equal(got.indices.numpy(), expected.indices.numpy())
        np.testing.assert_array_equal(got.values.numpy(), expected.values.numpy())


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("spatial", "groups", "c", "o", "stride", "dilation"), [
    ((40,), 6, 6, 12, 1, 1), ((13, 12), 6, 6, 6, 2, 1), ((13, 12), 2, 6, 4, 1, 2), ((13, 12), 1, 3, 4, 2, 1), ((6, 5, 7), 1, 3, 4, 2, 1),
])  # fmt: skip
def test_convolutions(transposed, spatial, groups, c, o, stride, dilation):
    n = len(spatial)
    weight = values(c, o // groups, *(3,) * n) if transposed else values(o, c // groups, *(3,) * n)

    def run(t, x, w):
        f = getattr(t.nn.functional, f"conv{'_transpose' if transposed else ''}{n}d")
        if transposed:
            return f(x, w, None, stride, 1, stride - 1, groups, dilation)
        return f(x, w, None, stride, 1, dilation, groups)

    check(run, values(3, c, *spatial), weight, tolerance=1e-3)


@pytest.mark.parametrize("largest", [False, True])
def test_topk_of_many(largest):
    for x in (values(2, 6000), np.round(values(6000) * 2), RANDOM.permutation(8000).reshape(4000, 2)):
        dim = 0 if x.ndim == 2 and x.shape[1] == 2 else -1
        got = torchish.tensor(x).topk(40, dim, largest)
        expected = torch.tensor(x).topk(40, dim, largest)
        np.testing.assert_array_equal(got.values.numpy(), expected.values.numpy())
        np.testing.assert_array_equal(np.take_along_axis(x, got.indices.numpy(), dim), expected.values.numpy())
    check(lambda t, a: a.topk(30)[0], values(5000))


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grid_sample(mode):
    grid = np.tanh(values(2, 4, 3, 2)) * np.float32(1.2)
    for padding in ("zeros", "border", "reflection"):
        check(
            lambda t, a, g, padding=padding: t.nn.functional.grid_sample(a, g, mode, padding, align_corners=False),
            values(2, 3, 6, 5), grid, tolerance=1e-4,
        )  # fmt: skip
