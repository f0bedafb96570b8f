"""`out=` where gradients are asked for, and of functions that are several operations: each has rules and a name of its own."""

import pytest
import torch

import torchish


def outcome(lib, text, **names):
    """What an expression of `t` gives (values, history), or its error; and what its backward pass gives."""
    try:
        r = eval(text, {"t": lib, "g": lambda *s: lib.ones(s or (3,), requires_grad=True), **names})
    except Exception as error:
        return type(error).__name__, str(error)
    r = r[0] if isinstance(r, tuple) else r
    found = [str(r.dtype).split(".")[-1], r.tolist(), r.requires_grad, r.is_leaf, type(r.grad_fn).__name__]
    if r.grad_fn is not None:
        try:
            r.sum().backward()
        except Exception as error:
            found.append(str(error))
    return found


def agree(text):
    assert outcome(torchish, text) == outcome(torch, text)


@pytest.mark.parametrize(
    "call",
    ["exp({})", "max({})", "max({}, g())", "true_divide({}, 2)", "square({})", "hstack(({}, {}))", "diff({})", "norm({})", "msort({})",
     "lt({}, 2)", "logical_not({})", "argmax({}, 0)", "histc({})", "softmax({}, 0)", "log_softmax({}, 0)", "heaviside({}, t.ones(3))",
     "floor_divide({}, 2)", "diag({})", "unsqueeze_copy({}, 0)", "conj_physical({})", "fft.fft({})", "fft.ifft({})", "fft.irfft({})",
     "linalg.eigh(t.eye(3) * {})", "linalg.vecdot({}, t.ones(3))", "linalg.det(t.eye(3) * {})"],
)  # fmt: skip
def test_history(call):
    """Refused under the name of the operation that would be recorded; left without a gradient, or not looked at."""
    made = eval("t." + call.format("t.ones(3)", "t.ones(3)"), {"t": torch, "g": lambda: torch.ones(3)})
    for x, requires in (("g()", False), ("t.ones(3)", True)):
        if isinstance(made, torch.Tensor):
            outs = f"t.ones({tuple(made.shape)}, dtype={str(made.dtype).replace('torch', 't')}){'.requires_grad_()' if requires else ''}"
            if not requires or made.is_floating_point() or made.is_complex():
                agree(f"t.{call.format(x, x)[:-1]}, out={outs})")
        else:
            agree(f"t.{call.format(x, x)[:-1]}, out=(t.ones(3), t.ones(3, 3)))")


@pytest.mark.parametrize("dtype", ["float64", "int64", "complex64", "bool"])
@pytest.mark.parametrize(
    ("call", "shape"),
    [("max(t.ones(3)", ()), ("min(t.ones(3), t.zeros(3)", (3,)), ("diff(t.ones(3)", (2,)), ("diff(t.ones(3), 0", (3,)),
     ("diag(t.ones(3)", (3, 3)), ("diag(t.ones(3, 3)", (3,)), ("matmul(t.ones(3), t.ones(3)", ()), ("vdot(t.ones(3), t.ones(3)", ()),
     ("matmul(t.ones(2, 3), t.ones(3)", (2,)), ("matmul(t.ones(3), t.ones(3, 2)", (2,)), ("matmul(t.ones(2, 3, 3), t.ones(3)", (2, 3)),
     ("matmul(t.ones(2, 3, 3), t.ones(2, 3, 3)", (2, 3, 3)), ("lerp(t.ones(3), t.ones(3), t.ones(3)", (3,)),
     ("lerp(t.ones(3), t.ones(3), 0.5", (3,)), ("float_power(t.ones(3), 2", (3,)),
     ("inner(t.ones(2, 3), t.ones(3)", (2,)), ("inner(t.ones(3), t.tensor(2.0)", (3,)), ("linalg.norm(t.ones(3)", ()),
     ("linalg.matrix_power(t.ones(2, 2), 1", (2, 2)), ("linalg.matrix_power(t.ones(2, 2), 3", (2, 2)),
     ("linalg.matrix_rank(t.ones(2, 2)", ()), ("fft.irfft(t.ones(3)", (4,)), ("fft.hfft2(t.ones(3, 3)", (3, 4))],
)  # fmt: skip
def test_dtypes_of_functions_that_are_several_operations(call, shape, dtype):
    agree(f"t.{call}, out=t.zeros({shape}, dtype=t.{dtype}))")


@pytest.mark.parametrize("out", ["g()", "g(5)", "t.ones(1).expand(3)", "t.ones(3, dtype=t.bool)"])
@pytest.mark.parametrize(
    "call",
    ["arange(3.", "range(0, 2", "linspace(0, 1, 3", "linspace(0, 1, 1", "logspace(0, 1, 3", "zeros(3", "full((3,), 2.0", "empty(3"],
)
@pytest.mark.filterwarnings("ignore")
def test_sequences_and_constants(call, out):
    agree(f"t.{call}, out={out})")


@pytest.mark.parametrize("split", ["unsafe_chunk(y, 3)", "unsafe_split(y, 2, 1)", "unsafe_split_with_sizes(y, [1, 3], 1)"])
def test_unsafe_parts_share_memory_behind_the_back_of_autograd(split):
    def f(lib):
        x = lib.arange(12.0).view(3, 4).requires_grad_()
        y = x * 2
        parts = eval(f"t.{split}", {"t": lib, "y": y})
        with lib.no_grad():
            parts[0].fill_(7.0)
        (parts[0] * parts[1].sum()).sum().backward()
        marks = [(type(p.grad_fn).__name__, p.stride(), p.storage_offset(), p._version, p._is_view()) for p in parts]
        return y.tolist(), y._version, x.grad.tolist(), marks

    assert f(torchish) == f(torch)


@pytest.mark.parametrize("given", ["inputs", "out", "resized"])
@pytest.mark.parametrize(
    "call",
    ["quantile({v}, 0.5", "nanquantile({v}, t.tensor([0.1, 0.5])", "inner({v}, {v}", "tensordot({m}, {m}", "diff({v}, 0",
     "special.ndtr({v}", "linalg.norm({m}", "linalg.matrix_norm({m}, 1", "norm({m}, 'nuc'", "nuclear_norm({m}",
     "linalg.matrix_power({m}, 1", "linalg.matrix_power({m}, 2", "linalg.tensorinv(t.eye(3) * {m}, ind=1", "linalg.vecdot({m}, {v}",
     "linalg.vecdot({v}, {v}", "concat(({v}, {v})", "clip({v}, 0", "special.logsumexp({v}, 0", "chain_matmul({m}, {m}",
     "chain_matmul({m}", "linspace(0, {v}[0], 4", "fft.ihfftn({m}", "frobenius_norm({m}, [0, 1]"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_results_that_are_copied_in_take_their_history_along(call, given):
    made = eval(f"t.{call.format(v='t.ones(3)', m='t.ones(3, 3)')})", {"t": torch})
    v, m = ("t.ones(3)", "t.ones(3, 3)") if given == "out" else ("g()", "g(3, 3)")
    shape = tuple(made.shape) if given != "resized" else (7,)
    out = f"t.ones({shape}, dtype={str(made.dtype).replace('torch', 't')}){'.requires_grad_()' if given == 'out' else ''}"
    agree(f"t.{call.format(v=v, m=m)}, out={out})")


@pytest.mark.parametrize(
    "call",
    ["argsort(x", "det(x.diag()", "index_fill(x, 0, t.tensor([0]), 1.0", "special.softmax(x, 0", "median(x", "sum(x", "bernoulli(x, 0.5"],
)
def test_functions_without_out(call):
    agree(f"(lambda x: t.{call}, out=t.ones(3)))(t.ones(3))")
