"""`out=`: which dtypes and memory it may have, what is left unchanged after an error, and the memory order of joined results."""

import numpy as np
import pytest
import torch

import torchish


def outcome(lib, f):
    """The values, dtypes and strides that `f(lib)` gives, or its error."""
    try:
        got = f(lib)
    except Exception as error:
        return type(error).__name__, " ".join(str(error).split())
    return [(str(t.dtype), tuple(t.shape), t.stride(), t.detach().numpy()) for t in (got if isinstance(got, (tuple, list)) else [got])]


def agree(f):
    have, want = outcome(torchish, f), outcome(torch, f)
    assert len(have) == len(want)
    for h, w in zip(have, want, strict=True):
        assert h[:3] == w[:3], (have, want)
        if len(w) == 4 and not isinstance(w, str):
            np.testing.assert_allclose(h[3], w[3], rtol=1e-6)
        else:
            assert h == w


UNARY = ("abs", "neg", "ceil", "sign", "exp", "sqrt", "signbit", "isposinf", "nan_to_num", "cumsum", "amax", "logsumexp", "softmax")


@pytest.mark.parametrize("dtype", ["int64", "float64", "bool"])
@pytest.mark.parametrize("name", UNARY)
def test_dtype_of_out(name, dtype):
    def f(lib):
        x = lib.tensor([[1.0, 2.0], [3.0, 4.0]])
        dims = (1,) if name in ("cumsum", "amax", "logsumexp", "softmax") else ()
        shape = (2,) if name in ("amax", "logsumexp") else (2, 2)
        out = lib.zeros(shape, dtype=getattr(lib, dtype))
        return getattr(lib, name)(x, *dims, out=out)

    agree(f)


@pytest.mark.parametrize(
    "f",
    [
        lambda lib, x, out: lib.mm(x, x, out=out),
        lambda lib, x, out: lib.gather(x, 1, lib.zeros(2, 2, dtype=lib.int64), out=out),
        lambda lib, x, out: lib.cat((x, x), out=out),
        lambda lib, x, out: lib.take(x, lib.zeros(2, dtype=lib.int64), out=out),
        lambda lib, x, out: lib.linalg.inv(x, out=out),
        lambda lib, x, out: lib.linalg.pinv(x, out=out),
        lambda lib, x, out: lib.add(x, x, out=out),
    ],
)
@pytest.mark.parametrize("dtype", ["int32", "float64"])
def test_text_of_each_operation(f, dtype):
    def run(lib):
        return f(lib, lib.tensor([[1.0, 2.0], [3.0, 5.0]]), lib.empty(0, dtype=getattr(lib, dtype)))

    agree(run)


@pytest.mark.parametrize("out", ["x", "3", "'a'", "(x,)", "(x, 3)", "(x, x, x)"])
@pytest.mark.parametrize(
    "call",
    [
        "max(x, 0", "sort(x", "topk(x, 2", "linalg.eig(x", "aminmax(x", "cummax(x, 0", "mean(x", "mean(x, 0", "any(x", "bmm(x, x",
        "pow(2, x", "bitwise_and(x > 1, x > 2", "special.xlog1py(x, x", "matrix_exp(x", "bincount(x", "select_scatter(x, x[0], 0, 0",
    ],
)  # fmt: skip
def test_out_of_another_kind(call, out):
    """Tensors where several are due, several where one is, other things, too many or few; functions that take none."""
    if (call, out) not in {("mean(x", "x"), ("mean(x, 0", "x"), ("any(x", "x"), ("pow(2, x", "x"), ("special.xlog1py(x, x", "x")}:
        agree(lambda t: eval(f"t.{call}, out={out})", {"t": t, "x": t.arange(9.0).reshape(3, 3)}))


@pytest.mark.parametrize("call", ["float(1)", "long(1, 2)", "half(q=1)", "bool(memory_format=3)", "int(memory_format=t.contiguous_format)"])
def test_casts_take_a_memory_format_only(call):
    agree(lambda t: eval(f"x.{call}", {"t": t, "x": t.arange(9.0).reshape(3, 3).t()}))


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("name", ["exp", "maximum", "cross", "index_select"])
def test_out_that_overlaps_an_input(name, offset):
    def f(lib):
        memory = lib.arange(1.0, 20.0)
        x, out = memory[:9].view(3, 3), memory[offset : offset + 9].view(3, 3)
        args = {"maximum": (x.clone(),), "cross": (x.clone(), 0), "index_select": (0, lib.tensor([0, 1, 2]))}.get(name, ())
        return getattr(lib, name)(x, *args, out=out)

    agree(f)


def test_repeated_places():
    agree(lambda lib: lib.add(lib.ones(3), 1, out=lib.zeros(1).expand(3)))
    agree(lambda lib: lib.ones(1).expand(3).add_(1))


def test_arguments_stay_after_an_error():
    x = torchish.tensor([[1.0, 2.0], [3.0, 4.0]])
    out = torchish.zeros(2, 2, dtype=torchish.int64)
    with pytest.raises(RuntimeError):
        torchish.mm(x, x, out=out)
    assert out.tolist() == [[0, 0], [0, 0]]
    assert out._version == 0
    assert x.tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize("dim", [0, 1, 2, 3])
@pytest.mark.parametrize("second", ["channels_last", "contiguous_format"])
def test_memory_order_of_joined_tensors(dim, second):
    def f(lib):
        a = lib.arange(120.0).view(2, 3, 4, 5).contiguous(memory_format=lib.channels_last)
        b = lib.ones(2, 3, 4, 5).contiguous(memory_format=getattr(lib, second))
        return lib.cat((a, b), dim), lib.stack((a, b), dim)

    agree(f)


@pytest.mark.parametrize("dtype", ["int64", "int32"])
@pytest.mark.parametrize("name", ["sum", "prod", "nansum", "cumsum", "cumprod"])
def test_sums_into_integers_have_no_gradient(name, dtype):
    def f(lib, **kwargs):
        return getattr(lib, name)(lib.tensor([1.5, 2.5], **kwargs), 0, dtype=getattr(lib, dtype))

    agree(f)
    agree(lambda lib: f(lib, requires_grad=True))


def test_second_derivatives_of_products():
    def gradients(lib, zero):
        x = lib.tensor([1.5, 0.5, -2.0], requires_grad=True, dtype=lib.float64)
        y = lib.tensor([2.0, zero, 3.0, 0.5], requires_grad=True, dtype=lib.float64)
        out = x.scatter_reduce(0, lib.tensor([0, 1, 0, 2]), y, "prod")
        first = lib.autograd.grad((out * lib.tensor([1.0, 2.0, 3.0])).sum(), (x, y), create_graph=True)
        second = lib.autograd.grad(sum((g * g).sum() for g in first), (x, y))
        return [t.detach().numpy() for t in (*first, *second)]

    for have, want in zip(gradients(torchish, 4.0), gradients(torch, 4.0), strict=True):
        np.testing.assert_allclose(have, want)


def test_second_derivatives_of_cholesky_solve():
    def gradients(lib):
        x = lib.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, dtype=lib.float64)
        factor = lib.tensor([[2.0, 0.7], [1.0, 3.0]], requires_grad=True, dtype=lib.float64)
        out = lib.cholesky_solve(x, factor)
        first = lib.autograd.grad((out * out).sum(), (x, factor), create_graph=True)
        second = lib.autograd.grad(sum((g * g).sum() for g in first), (x, factor))
        return [t.detach().numpy() for t in (*first, *second)]

    for have, want in zip(gradients(torchish), gradients(torch), strict=True):
        np.testing.assert_allclose(have, want)


@pytest.mark.parametrize("given", ["int64", "float64", None])
@pytest.mark.parametrize("out", ["int64", "float64", "bool"])
@pytest.mark.parametrize("name", ["sum", "prod", "cumsum", "cumprod", "mean"])
def test_sums_are_made_in_the_dtype_of_out(name, out, given):
    if (name, given) == ("mean", "int64"):
        return

    def f(lib):
        x, kept = lib.tensor([[0.5, 1.5], [2.7, -1.2]]), lib.zeros(0, dtype=getattr(lib, out))
        return getattr(lib, name)(x, 0, dtype=given and getattr(lib, given), out=kept)

    agree(f)


TRANSPOSED = {
    "add": lambda lib, x: (x, x),
    "exp": lambda lib, x: (x / 100,),
    "where": lambda lib, x: (x > 2, x, x),
    "nonzero": lambda lib, x: (x,),
    "linalg.qr": lambda lib, x: (x,),
    "sort": lambda lib, x: (x,),
    "frexp": lambda lib, x: (x,),
    "linalg.cholesky": lambda lib, x: (x @ x.t() + lib.eye(4, dtype=lib.float64),),
    "cholesky": lambda lib, x: (x @ x.t() + lib.eye(4, dtype=lib.float64),),
    "mvlgamma": lambda lib, x: (x + 2, 1),
    "unsqueeze_copy": lambda lib, x: (x, 0),
    "view_copy": lambda lib, x: (x, (12,)),
}


@pytest.mark.parametrize("size", [0, 7, 40])
@pytest.mark.parametrize("name", TRANSPOSED)
@pytest.mark.filterwarnings("ignore")
def test_memory_order_of_a_resized_out(name, size):
    """It is the result's own, in memory that was there or is new; what is written later goes through to it."""

    def f(lib):
        function = lib
        for part in name.split("."):
            function = getattr(function, part)
        args = TRANSPOSED[name](lib, (lib.arange(12.0, dtype=lib.float64) ** 2 % 11).reshape(3, 4).t())
        results = function(*args)
        outs = [lib.zeros(size, dtype=r.dtype) for r in (results if isinstance(results, tuple) else [results])]
        function(*args, out=tuple(outs) if isinstance(results, tuple) else outs[0])
        got = [o.abs() if name == "linalg.qr" else o for o in outs]
        outs[0][-1] *= 2
        return [*got, outs[0].as_strided((outs[0].numel(),), (1,)).abs()]

    agree(f)


@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("name", ["unique", "unique_consecutive"])
def test_memory_order_of_unique_slices(name, dim):
    x = np.random.RandomState(0).randint(0, 2, (2, 3, 2))
    agree(lambda lib: getattr(lib, name)(lib.tensor(x), dim=dim, return_inverse=True, return_counts=True))


@pytest.mark.parametrize("args", [(0, 0, -1), (0, -2, -1), (0, 5, -1), (1, 2, 3), (5, 0, 1), (0, -9, 1)])
def test_errors_of_narrow_copy(args):
    agree(lambda lib: lib.narrow_copy(lib.arange(12).reshape(3, 4), *args))
