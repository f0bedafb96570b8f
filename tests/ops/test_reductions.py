"""Reductions, sorting, searching and statistics: what PyTorch's sample inputs do not cover.

Ties, nan, signed zeros, gradients of both orders, argument forms, gradient functions, warnings and errors.
"""

import re
import warnings

import numpy as np
import pytest
import torch

import torchish

NAN, INF = float("nan"), float("inf")


def outcome(lib, f, *arrays, grad=True):
    """What `f(lib, *tensors)` gives: values, strides, names and warnings, or the error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tensors = [lib.tensor(a, requires_grad=grad and np.asarray(a).dtype.kind == "f") for a in arrays]
        try:
            got = f(lib, *tensors)
        except Exception as error:
            return type(error).__name__, re.sub(r"\s+", " ", str(error)), []
        parts = []
        for t in got if isinstance(got, (tuple, list)) else [got]:
            name = t.grad_fn.name() if t.grad_fn is not None else None
            parts.append((str(t.dtype), tuple(t.shape), name, t.detach().numpy()))
        texts = [re.sub(r" \(Triggered.*", "", str(w.message)) for w in caught]
    return type(got).__name__, parts, texts


def agree(f, *arrays, grad=True, tol=1e-6):
    want, have = outcome(torch, f, *arrays, grad=grad), outcome(torchish, f, *arrays, grad=grad)
    assert have[0] == want[0], (have, want)
    assert have[2] == want[2]
    if isinstance(want[1], str):
        assert have[1] == want[1]
        return
    assert len(have[1]) == len(want[1])
    for h, w in zip(have[1], want[1], strict=True):
        assert h[:3] == w[:3]
        np.testing.assert_allclose(h[3], w[3], rtol=tol, atol=tol)


def gradients(lib, f, x, order):
    """First, or first and second, gradients of a fixed linear form of `f`'s results."""
    t = lib.tensor(x, requires_grad=True)
    got = f(lib, t)
    total = 0
    for part in got if isinstance(got, (tuple, list)) else [got]:
        if part.requires_grad:
            weights = lib.tensor(np.cos(np.arange(part.numel(), dtype=np.float64)).reshape(tuple(part.shape)))
            total = total + (part * weights).sum()
    (g,) = lib.autograd.grad(total, t, create_graph=order > 1)
    if order == 1:
        return g.detach().numpy()
    if not g.requires_grad:  # linear
        return np.zeros_like(x)
    (h,) = lib.autograd.grad((g * g).sum(), t, allow_unused=True)
    return np.zeros_like(x) if h is None else h.detach().numpy(force=True)


SMOOTH = np.array([[0.3, -1.2, 2.0, 0.7], [1.5, 0.1, -0.4, 2.2], [-0.6, 0.9, 1.1, -2.5]])
TIED = np.array([[1.0, 3.0, 3.0, 0.0], [0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0]])
ZEROS = np.zeros((2, 3))

DIFFERENTIABLE = {
    "sum": lambda L, x: x.sum(),
    "sum_dims": lambda L, x: x.sum((0, 1), keepdim=True),
    "nansum": lambda L, x: x.nansum(1),
    "mean": lambda L, x: x.mean(-1),
    "prod": lambda L, x: x.prod(),
    "prod_dim": lambda L, x: x.prod(1),
    "max": lambda L, x: x.max(),
    "max_dim": lambda L, x: x.max(1),
    "min_dim": lambda L, x: x.min(0, keepdim=True),
    "amax": lambda L, x: x.amax((0, 1)),
    "amin": lambda L, x: x.amin(1),
    "aminmax": lambda L, x: L.aminmax(x, dim=1),
    "median": lambda L, x: x.median(),
    "median_dim": lambda L, x: x.median(1),
    "nanmedian": lambda L, x: x.nanmedian(1, True),
    "mode": lambda L, x: x.mode(1),
    "sort": lambda L, x: L.sort(x, stable=True, dim=1, descending=True),
    "topk": lambda L, x: L.sort(x, stable=True)[0][..., -2:],
    "std": lambda L, x: x.std(1),
    "var": lambda L, x: x.var((0, 1), correction=0),
    "std_mean": lambda L, x: L.std_mean(x, 1),
    "var_mean": lambda L, x: L.var_mean(x),
    "norm": lambda L, x: x.norm(),
    "norm1": lambda L, x: x.norm(1, 1),
    "norm3": lambda L, x: x.norm(3, 1),
    "norm1.5": lambda L, x: x.norm(1.5, 1),
    "norm.5": lambda L, x: x.norm(0.5, 0),
    "norm_inf": lambda L, x: x.norm(INF, 1),
    "norm_minus_inf": lambda L, x: x.norm(-INF, 1),
    "softmax": lambda L, x: x.softmax(1),
    "log_softmax": lambda L, x: x.log_softmax(0),
    "logsumexp": lambda L, x: x.logsumexp(1),
    "cumsum": lambda L, x: x.cumsum(1),
    "cumprod": lambda L, x: x.cumprod(1),
    "cummax": lambda L, x: x.cummax(1),
    "cummin": lambda L, x: x.cummin(0),
    "logcumsumexp": lambda L, x: x.logcumsumexp(1),
    "renorm": lambda L, x: x.renorm(2, 0, 1.0),
    "dist": lambda L, x: L.dist(x, x * 0.5, 3),
    "quantile": lambda L, x: L.quantile(x, 0.4, 1),
    "diff": lambda L, x: x.diff(n=2),
    "gradient": lambda L, x: L.gradient(x, spacing=0.5),
    "trapezoid": lambda L, x: L.trapezoid(x, dx=0.5),
    "cov": lambda L, x: x.cov(),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@pytest.mark.parametrize("data", ["smooth", "tied", "zeros"])
def test_values_and_gradients(name, data):
    x = {"smooth": SMOOTH, "tied": TIED, "zeros": ZEROS}[data]
    f = DIFFERENTIABLE[name]
    agree(f, x)
    for order in (1, 2):
        if order == 2 and data != "smooth":
            continue  # PyTorch's second derivatives at ties and zeros are no contract
        want, have = gradients(torch, f, x, order), gradients(torchish, f, x, order)
        np.testing.assert_allclose(have, want, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    "name", ["max", "max_dim", "amax", "aminmax", "median", "std", "norm", "norm_inf", "norm3", "cummax", "prod_dim"]
)
@pytest.mark.parametrize("data", ["tied", "zeros"])
def test_jax_differentiates_by_the_same_conventions(name, data):
    """Under `jax.grad` the pure functions themselves are differentiated: ties and zeros must come out as in PyTorch."""
    import jax

    x = {"tied": TIED, "zeros": ZEROS}[data]
    f = DIFFERENTIABLE[name]

    def total(t):
        got = f(torchish, t)
        parts = [p for p in (got if isinstance(got, (tuple, list)) else [got]) if p.is_floating_point()]
        return sum((p * torchish.tensor(np.cos(np.arange(p.numel())).reshape(tuple(p.shape)))).sum() for p in parts)

    with jax.enable_x64(True):
        leaves, tree = jax.tree_util.tree_flatten(torchish.tensor(x))
        have = jax.grad(lambda v: jax.tree_util.tree_leaves(total(jax.tree_util.tree_unflatten(tree, [v])))[0])(
            leaves[0]
        )
    np.testing.assert_allclose(np.asarray(have), gradients(torch, f, x, 1), rtol=1e-7, atol=1e-9)


WITH_NAN = np.array([[1.0, NAN, 0.0, NAN, -0.0], [2.0, 2.0, -INF, INF, 1.0]])


@pytest.mark.parametrize(
    "f",
    [
        lambda L, x: L.sort(x, stable=True),
        lambda L, x: L.sort(x, stable=True, descending=True),
        lambda L, x: x.max(1),
        lambda L, x: x.min(1),
        lambda L, x: x.argmax(1),
        lambda L, x: x.argmin(),
        lambda L, x: x.median(1),
        lambda L, x: x.nanmedian(1),
        lambda L, x: x.nanmedian(),
        lambda L, x: x.kthvalue(3, 1)[0],
        lambda L, x: x.cummax(1),
        lambda L, x: x.cummin(1),
        lambda L, x: x.topk(3, largest=False)[0],
        lambda L, x: x.topk(3)[0],
        lambda L, x: x.logsumexp(1),
        lambda L, x: x.logcumsumexp(1),
        lambda L, x: x.nansum(1),
        lambda L, x: x.nanmean(1),
        lambda L, x: L.aminmax(x, dim=0),
        lambda L, x: L.quantile(x, 0.5, 1),
        lambda L, x: L.nanquantile(x[:, :2], 0.5, 1),
        lambda L, x: x[:2, :5].unique(return_inverse=True, return_counts=True),
        lambda L, x: x.unique_consecutive(),
        lambda L, x: L.count_nonzero(x, 1),
        lambda L, x: x.all(1),
        lambda L, x: L.searchsorted(L.tensor([0.0, 1.0, NAN]).double(), x),
        lambda L, x: L.isin(x, L.tensor([NAN, 0.0])),
        lambda L, x: x.amax(1),
        lambda L, x: x.amin(),
        lambda L, x: x.mode(1)[0],
        lambda L, x: L.linalg.vector_norm(x, INF, 1),
        lambda L, x: L.linalg.vector_norm(x, -INF),
        lambda L, x: L.cdist(x[:20], x[:2], p=INF),
        lambda L, x: L.nn.functional.pdist(x[:20], INF),
    ],
)
@pytest.mark.parametrize("copies", [1, 40], ids=["small", "large"])
def test_nan_and_infinity(f, copies):
    """On large arrays too, where XLA's own maximum on CPU leaves nan out."""
    agree(f, np.tile(WITH_NAN, (copies**2, copies // 4 or 1)), grad=False)


@pytest.mark.parametrize("name", ["all", "sum", "prod", "argmax", "max", "median", "sort", "cumsum", "unique", "mode"])
@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int32, np.float16])
def test_dtypes(name, dtype):
    agree(lambda L, x: getattr(L, name)(x), np.array([3, 0, 2, 0, 1, 2], dtype), grad=False)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int64", "uint64"])
@pytest.mark.parametrize("limits", [(0, 2), (-128, 128), (-(2**63), 2**63 - 1)], ids=["close", "bytes", "far apart"])
@pytest.mark.parametrize("asked", [{}, {"return_inverse": True}, {"return_counts": True}])
def test_unique_integers(dtype, limits, asked):
    numbers = np.random.RandomState(0).randint(*limits, (20, 30)).astype(dtype)
    agree(lambda L, x: L.unique(x, **asked), numbers, grad=False)


@pytest.mark.parametrize("size", [(0,), (0, 3)])
@pytest.mark.parametrize(
    "call",
    [
        "x.sum()",
        "x.sum(0)",
        "x.mean()",
        "x.prod(0)",
        "x.max()",
        "x.max(0)",
        "x.argmax()",
        "x.argmin(0)",
        "x.amax()",
        "x.amin(0)",
        "L.aminmax(x)",
        "L.aminmax(x, dim=0)",
        "x.median()",
        "x.median(0)",
        "x.mode(0)",
        "x.std()",
        "x.var(0)",
        "x.sort()[0]",
        "x.topk(1)",
        "x.kthvalue(1)",
        "x.cumsum(0)",
        "x.cummax(0)",
        "x.logsumexp(0)",
        "x.softmax(0)",
        "x.norm()",
        "x.norm(INF)",
        "x.norm(-1, 0)",
        "x.all()",
        "x.any(0)",
        "x.unique()",
        "x.unique(dim=0)",
        "x.nonzero()",
        "L.histc(x, 3)",
        "L.quantile(x, 0.5)",
        "x.diff()",
        "L.trapezoid(x)",
        "L.bincount(x.long())",
        "x.logcumsumexp(0)",
        "L.std_mean(x)",
        "x.count_nonzero(0)",
    ],
)
def test_empty(call, size):
    agree(lambda L, x: eval(call, {"L": L, "x": x, "INF": INF}), np.zeros(size), grad=False)


@pytest.mark.parametrize(
    "call",
    [
        "x.sum(2)",
        "x.sum((0, 0))",
        "x.max(-3)",
        "x.mean(dtype=L.int64)",
        "L.arange(3).mean()",
        "L.arange(3).std()",
        "x.topk(9)",
        "x.kthvalue(0)",
        "L.quantile(x, 1.5)",
        "L.quantile(x, L.tensor([2.0]).double())",
        "L.quantile(x, 0.5, interpolation='x')",
        "x.norm(p='x')",
        "x.renorm(0, 0, 1)",
        "L.linalg.vector_norm(L.arange(3))",
        "L.histc(x, 0)",
        "L.histc(x, 3, 2, 1)",
        "L.bincount(L.tensor([-1]))",
        "L.bincount(x)",
        "L.searchsorted(L.zeros(2, 3), L.zeros(1))",
        "L.bucketize(x, x)",
        "L.cov(L.zeros(2, 2, 2))",
        "L.cov(x, fweights=L.ones(4))",
        "L.gradient(x, edge_order=3)",
        "L.gradient(x, spacing=[1.0])",
        "x.diff(n=-1)",
        "L.unique(L.zeros(3, 0), dim=0)",
        "x.argmax(5)",
        "x.bool().argmax()",
        "L.zeros(2, dtype=L.complex64).max()",
        "L.zeros(2, dtype=L.complex64).sort()",
        "L.zeros(2, dtype=L.bool).topk(1)",
        "x.cumsum(2)",
        "x.softmax(2)",
        "L.arange(3).softmax(0)",
        "L.histogram(x, 0)",
        "L.histogramdd(x, [2, 2])",
    ],
)
def test_errors(call):
    agree(lambda L, x: eval(call, {"L": L, "x": x}), SMOOTH, grad=False)


def test_warnings_point_at_the_caller():
    with pytest.warns(UserWarning, match="degrees of freedom is <= 0") as caught:
        torchish.tensor([1.0]).std()
    assert caught[0].filename == __file__


def test_unique_is_not_differentiable():
    x = torchish.tensor([1.0, 1.0, 2.0], requires_grad=True)
    assert x.unique().grad_fn.name() == "Unique2Backward0"
    with pytest.raises(RuntimeError, match="the derivative for '_unique2' is not implemented"):
        x.unique().sum().backward()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
def test_order_on_random_rows(dtype):
    """Stable sorting, selection and medians, with many ties."""
    x = np.round(np.random.default_rng(5).standard_normal((37, 41)) * 3)
    x = np.abs(x).astype(dtype) if dtype == "uint8" else x.astype(dtype)
    agree(lambda L, t: L.sort(t, stable=True, dim=0), x, grad=False)
    agree(lambda L, t: L.sort(t, stable=True, dim=1, descending=True), x, grad=False)
    agree(lambda L, t: t.median(0), x, grad=False)
    for k in (3, 12):
        agree(lambda L, t, k=k: t.topk(k, 1)[0], x, grad=False)
        agree(lambda L, t, k=k: t.topk(k, 0, largest=False)[0], x, grad=False)
        agree(lambda L, t, k=k: t.kthvalue(k, 1)[0], x, grad=False)


def test_float64_sort_orders_low_bits():
    x = 1.0 + np.random.default_rng(0).permutation(5000) * 2.0**-50
    x = np.concatenate([x, -x])
    values, order = torchish.tensor(x).sort()
    np.testing.assert_array_equal(values.numpy(), np.sort(x))
    np.testing.assert_array_equal(order.numpy(), np.argsort(x, kind="stable"))


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool", "bfloat16", "float64"])
def test_equal_elements_go_where_pytorch_puts_them(dtype):
    x = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 5, (3, 40))
    calls = {
        "sort": lambda t: t.sort(1, descending=True),
        "argsort": lambda t: t.t().argsort(0),
        "stable": lambda t: t.sort(dim=1, stable=True),
        "mode": lambda t: t.mode(1),
        "kthvalue": lambda t: t.kthvalue(20, 1),
        "topk": lambda t: t.topk(19, 1),
        "topk, smallest": lambda t: t.topk(5, 1, largest=False),
        "topk, unordered": lambda t: t.topk(7, 1, sorted=False),
    }
    for name, call in calls.items():
        if dtype == "float64" and name in ("sort", "argsort", "kthvalue", "topk", "topk, smallest"):
            continue  # floats keep their order
        if dtype == "bool" and name[:4] in ("topk", "kthv"):
            continue
        results = [call(lib.tensor(x).to(getattr(lib, dtype))) for lib in (torch, torchish)]
        want, have = (r if isinstance(r, tuple) else (r,) for r in results)
        for w, h in zip(want, have, strict=True):
            assert h.tolist() == w.tolist(), name


@pytest.mark.parametrize("dtype", ["bool", "int64", "complex64"])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "cummax", "cummin", "corrcoef"])
def test_dtypes_of_nothing(name, dtype):
    """Kernels that do not know a dtype are not asked about tensors without elements."""
    kinds = []
    for t in (torch, torchish):
        try:
            got = getattr(t, name)(t.zeros(0, 3, dtype=getattr(t, dtype)), *() if name == "corrcoef" else (0,))
            kinds.append([(tuple(x.shape), str(x.dtype)) for x in (got if isinstance(got, tuple) else [got])])
        except Exception as error:
            kinds.append((type(error).__name__, str(error)))
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int16", "complex64"])
@pytest.mark.parametrize("shape", [(70, 129), (5001,), (3, 4000), (9000, 1), (20, 30, 50)])
def test_running_values_of_many(shape, dtype):
    """Sums are PyTorch's to the last bit: it adds one value after the other."""
    made = np.random.default_rng(0).standard_normal(shape)
    x = (made * 3).astype(dtype) if dtype[0] == "i" else (1 + made / 50).astype(dtype)
    want, have = torch.tensor(x), torchish.tensor(x)
    for d in range(len(shape)):
        assert np.array_equal(have.cumsum(d).numpy(), want.cumsum(d).numpy()) or dtype == "complex64"
        for f in ("cumsum", "cumprod"):
            np.testing.assert_allclose(getattr(have, f)(d).numpy(), getattr(want, f)(d).numpy(), rtol=1e-5)
        if dtype != "complex64":
            for f in ("cummax", "cummin"):
                for a, b in zip(getattr(have, f)(d), getattr(want, f)(d), strict=True):
                    assert np.array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("name", ["cumsum_", "cumprod_"])
@pytest.mark.parametrize("own", ["bool", "int32", "uint8", "float32", "float16", "complex64"])
@pytest.mark.parametrize("asked", [None, "int32", "int64", "float32", "float64", "bfloat16"])
def test_running_in_place_keeps_the_dtype(name, own, asked):
    """What has another dtype than the tensor is refused, and integers wrap in their own."""
    seen = []
    for t in (torch, torchish):
        x = t.tensor([100, 100, 100]).to(getattr(t, own))
        try:
            getattr(x, name)(0, dtype=asked and getattr(t, asked))
            seen.append((str(x.dtype), x.tolist()))
        except Exception as error:
            seen.append((type(error).__name__, str(error), x.tolist()))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("scale", [1, 10, 1000])
def test_gradients_of_logcumsumexp_by_logarithms(dtype, scale):
    """They lose what PyTorch's lose: all of it, for many values in 16 bits."""
    rng = np.random.default_rng(0)
    x, g = scale * rng.standard_normal((20, 7)), rng.standard_normal((20, 7))
    x[3], g[5] = -INF, 0
    seen = []
    for t in (torch, torchish):
        kind = getattr(t, dtype)
        a = t.tensor(x).to(kind).requires_grad_()
        y = a.logcumsumexp(0)
        y.backward(t.tensor(g).to(kind))
        seen += [y.detach().double().numpy(), a.grad.double().numpy()]
    last, least = {"float64": (1e-9, 1e-300), "float32": (1e-5, 1e-37)}.get(dtype, (0, 0))
    np.testing.assert_allclose(seen[2], seen[0], last, least)
    np.testing.assert_allclose(seen[3], seen[1], last, least)


@pytest.mark.parametrize("correction", [0, 1, 50])
@pytest.mark.parametrize("fweights", [None, [2, 1, 3]])
@pytest.mark.parametrize("aweights", [None, [0.3, 0.2, 0.9]])
def test_covariances_with_weights(correction, fweights, aweights):
    """Composed as in PyTorch: float32 weights of float64 data are summed in float32; too large a correction warns."""

    def f(t, x):
        a = aweights and t.tensor(aweights, dtype=t.float32, requires_grad=True)
        c = t.cov(x, correction=correction, fweights=fweights and t.tensor(fweights), aweights=a)
        div = c.grad_fn.next_functions[0][0]
        assert [div.name(), div.next_functions[0][0].name()] == ["DivBackward0", "MmBackward0"]
        grads = t.autograd.grad(c.cos().sum(), [x] if a is None else [x, a], create_graph=True)
        return (c, *[g.detach() for g in grads])

    agree(f, np.array([[1.0, 2, 4], [3, 1, 7]]), tol=1e-9 if aweights is None else 1e-5)


def test_correlations_in_steps():
    agree(lambda t, x: t.corrcoef(x), SMOOTH, tol=1e-12)
    agree(lambda t, x: t.corrcoef(t.complex(x, x.flip(0))), SMOOTH, tol=1e-12)
    agree(lambda t, x: t.corrcoef(x[0]), SMOOTH)


@pytest.mark.parametrize(
    "f",
    [
        lambda lib, x: x.max(),
        lambda lib, x: x.amin(1),
        lambda lib, x: x.median(),
        lambda lib, x: lib.aminmax(x, dim=1),
        lambda lib, x: lib.aminmax(x),
        lambda lib, x: x.mean(0),
        lambda lib, x: x / 41,
        lambda lib, x: x / x[:1],
        lambda lib, x: lib.addcdiv(x, x, x[:1]),
        lambda lib, x: lib.nn.functional.avg_pool1d(x, 3),
        lambda lib, x: lib.linalg.vector_norm(x, 1),
        lambda lib, x: lib.linalg.vector_norm(x, INF),
        lambda lib, x: lib.linalg.vector_norm(x, -INF),
    ],
)
def test_derivatives_beside_nan(f):
    """Gradients and tangents of what has a nan in it are nan where PyTorch's are, and numbers elsewhere."""
    found = []
    for lib in (torch, torchish):
        x = lib.tensor([[1.0, 2.0, 2.0], [NAN, 1.0, INF], [1.0, 3.0, 41.0]])
        tangents = lib.func.jvp(lambda x, lib=lib: f(lib, x), (x,), (lib.arange(1, 10.0).reshape(3, 3),))[1]
        parts = tangents if isinstance(tangents, tuple) else (tangents,)
        found.append(([t.numpy() for t in parts], gradients(lib, f, x.numpy(), 1)))
    (want_tangents, want), (have_tangents, have) = found
    np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-6)
    for h, w in zip(have_tangents, want_tangents, strict=True):
        np.testing.assert_allclose(h, w, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("f", [lambda x: x % 0, lambda x: x // 0, lambda x: x.fmod(0), lambda x: x.div(0, rounding_mode="trunc")])
def test_nothing_divided_by_zero(f):
    assert f(torchish.arange(0)).shape == f(torch.arange(0)).shape == (0,)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 3, 6, 8, 25, 31, 64, 130, 700])
def test_small_sums_are_those_of_pytorch_to_the_last_bit(n, dtype):
    """Their order is that of its kernels, along memory and across it."""
    numbers = np.random.RandomState(n)
    shapes = [((n,), None), ((3, n), 1), ((n, 2), (0, 1)), ((n, 5), 0), ((2, n, 2), 1), ((min(n, 300), 4), 0)]
    for shape, dims in [*shapes, ((n // 40 + 2, 37), 0), ((n // 40 + 2, 64), 0)]:
        x = numbers.randn(*shape).astype(dtype) * 10
        for name in ("sum", "mean"):
            theirs = getattr(torch.from_numpy(x), name)(dims)
            ours = getattr(torchish.tensor(x), name)(dims)
            np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
