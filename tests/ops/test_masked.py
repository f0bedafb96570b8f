"""torch.masked, grouped products, hashes, sums to a size, small integers, and the operator library's names."""

import numpy as np
import pytest
import torch
import torch.masked

import torchish
import torchish.nn.functional


def outcome(lib, f):
    try:
        got = f(lib)
    except Exception as error:
        return type(error).__name__, " ".join(str(error).split())
    name = got.grad_fn.name() if got.grad_fn is not None else None
    return str(got.dtype), tuple(got.shape), name, got.detach().numpy()


def agree(f, tol=1e-6):
    have, want = outcome(torchish, f), outcome(torch, f)
    assert have[:3] == want[:3]
    if len(want) > 3:
        np.testing.assert_allclose(have[3], want[3], rtol=tol, atol=tol)


def values(lib, requires_grad=False):
    x = lib.tensor([[1.0, -2.0, 3.0], [4.0, 0.5, -6.0], [7.0, 8.0, 9.0]], requires_grad=requires_grad)
    return x, lib.tensor([[True, False, True], [False, False, True], [False, False, False]])


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("name", ["sum", "prod", "mean", "amax", "amin", "var", "std", "logsumexp", "norm", "median", "argmax", "argmin"])
def test_reductions(name, masked):
    def f(lib):
        x, mask = values(lib)
        first = (2.0, 1) if name == "norm" else (1,)
        return getattr(lib.masked, name)(x, *first, mask=mask if masked else None)

    agree(f)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin", "cumsum", "cumprod", "normalize"])
def test_normalizations(name):
    def f(lib):
        x, mask = values(lib, requires_grad=True)
        return getattr(lib.masked, name)(x, *((2.0, 0) if name == "normalize" else (0,)), mask=mask)

    agree(f)


def test_mask_errors():
    agree(lambda lib: lib.masked.sum(lib.ones(3), mask=lib.ones(2, 3, dtype=lib.bool)))
    agree(lambda lib: lib.masked.sum(lib.ones(3), (0, 0)))
    agree(lambda lib: lib.masked.mean(lib.ones(3, dtype=lib.int64)))


def grouped(lib, a, b, offs, kind="float32"):
    def make(shape):
        return lib.tensor(np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)).to(getattr(lib, kind))

    ends = None if offs is None else lib.tensor(offs, dtype=lib.int32)
    return lib.nn.functional.grouped_mm(make(a), make(b), offs=ends)


@pytest.mark.parametrize(
    "a, b, offs",
    [
        ((8, 16), (2, 16, 8), (3, 8)),
        ((2, 8, 16), (2, 16, 8), None),
        ((2, 8, 16), (16, 16), (7, 16)),
        ((8, 16), (16, 16), (7, 9)),
        ((8, 15), (2, 15, 8), (4, 8)),
        ((8, 16), (16, 32), None),
        ((8, 16), (3, 16, 8), (4, 8)),
        ((8, 16), (2, 12, 8), (4, 8)),
    ],
)
def test_grouped_products(a, b, offs):
    agree(lambda lib: grouped(lib, a, b, offs), 1e-5)
    agree(lambda lib: grouped(lib, a, b, offs, "float64"))


@pytest.mark.parametrize("kind", ["bool", "int8", "float32", "bfloat16", "complex64", "uint64"])
@pytest.mark.parametrize("args", [{}, {"dim": 1, "keepdim": True}, {"dim": 5}, {"mode": 1}])
def test_hash(kind, args):
    agree(lambda lib: lib.hash_tensor(lib.tensor([[1.5, 2.0], [3.0, 0.25]]).to(getattr(lib, kind)), **args))


@pytest.mark.parametrize("size", [(3, 3), (1, 3), (3,), (2, 3), (), (1,)])
def test_sum_to_size(size):
    agree(lambda lib: lib.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True).sum_to_size(size))


def test_operator_library():
    x = torchish.tensor([3.0, 4.0])
    assert torchish.ops.aten.linalg_vector_norm(x).item() == 5.0
    assert torchish.ops.aten.add.Tensor(x, x).tolist() == [6.0, 8.0]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        torchish.ops.aten.nothing  # noqa: B018


def test_narrow_and_roll_errors():
    agree(lambda lib: lib.ones(3).narrow(0, lib.tensor([1, 1]), 1))
    agree(lambda lib: lib.ones(3).narrow(0, lib.tensor(1), 1))
    agree(lambda lib: lib.narrow_copy(lib.ones(3), 3, 0, 1))
    agree(lambda lib: lib.roll(lib.tensor(1.0), 1, 0))


def test_small_integers():
    def f(lib, g):
        return g(lib, lib.tensor([200, 100, 90], dtype=lib.uint8))

    agree(lambda lib: f(lib, lambda lib, x: lib.trapezoid(x)))
    agree(lambda lib: f(lib, lambda lib, x: lib.cumulative_trapezoid(x, dx=2)))
    agree(lambda lib: f(lib, lambda lib, x: lib.cumulative_trapezoid(x, x)))
    agree(lambda lib: f(lib, lambda lib, x: lib.unravel_index(x, (20, 20))[1]))
    agree(lambda lib: f(lib, lambda lib, x: x[0].sum_to_size(())))


GRADIENTS = {
    "of data": lambda t, d, m, x: ((t.masked.as_masked_tensor(d, m) * 2).sum().backward(), d.grad)[1],
    "of data, twice": lambda t, d, m, x: [(t.masked.as_masked_tensor(d, m) * 2).sum().backward() for _ in "ab"] and d.grad,
    "of data, asked for": lambda t, d, m, x: t.autograd.grad((t.masked.as_masked_tensor(d, m) * 3).sum(), d)[0],
    "of data that is used without a mask afterwards": lambda t, d, m, x: (
        t.autograd.grad(t.masked.as_masked_tensor(d, m).sum(), d), d.sum().backward(), d.grad,
    )[2],
    "of a factor": lambda t, d, m, x: ((x * d).sum().backward(), d.grad)[1],
    "of a leaf that is broadcast": lambda t, d, m, x: t.autograd.grad((x.expand(3, 4) / d).sum(), d)[0],
    "of a leaf that is a number": lambda t, d, m, x: (
        y := t.tensor(2.0, requires_grad=True), t.autograd.grad(((x - 6).log() * y).sum(), y)[0],
    )[1],
    "of a masked tensor, asked for": lambda t, d, m, x: t.autograd.grad((x * x).sum(), x, create_graph=True)[0],
    "of a choice": lambda t, d, m, x: (
        t.where(m, t.log(t.masked.as_masked_tensor(d, m)), t.masked.as_masked_tensor(t.ones_like(d), ~m)).sum().backward(), d.grad,
    )[1],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", GRADIENTS)
def test_gradients_have_the_mask(what):
    def found(t):
        d, m = t.tensor([1.0, 2.0, 3.0, -1.0], requires_grad=True), t.tensor([True, False, True, True])
        g = GRADIENTS[what](t, d, m, t.masked.masked_tensor(d.detach() + 4, m, requires_grad=True))
        return type(g).__name__, g.requires_grad, str(g)

    assert found(torchish) == found(torch)


@pytest.mark.filterwarnings("ignore")
def test_hooks_get_masked_gradients():
    def seen(t):
        got = []
        x = t.masked.masked_tensor(t.tensor([1.0, 2.0]), t.tensor([True, False]), requires_grad=True)
        y = x * 2
        for z in (x, y):
            z.register_hook(lambda g: got.append((type(g).__name__, str(g))))
        y.register_hook(lambda g: g * 3)
        y.sum().backward()
        return got, str(x.grad)

    assert seen(torchish) == seen(torch)
