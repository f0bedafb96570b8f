"""Operators of one's own (`torch.library`), in both libraries."""

import itertools
import re
from typing import List, Optional, Tuple  # noqa: UP035

import numpy as np
import pytest
import torch

import torchish

LIBRARIES = [pytest.param(torch, id="pytorch"), pytest.param(torchish, id="torchish")]
_numbers = itertools.count()


@pytest.fixture(params=LIBRARIES)
def lib(request):
    return request.param


def _name() -> str:
    return f"torchish_tests::op{next(_numbers)}"


def _op(lib, schema, fn, mutates_args=(), **options):
    return lib.library.custom_op(_name(), fn, mutates_args=mutates_args, schema=schema, **options)


def _numpy_sin(lib, calls=None):
    """The tutorial's operator: a kernel in NumPy, with its gradient."""

    def kernel(x):
        if calls is not None:
            calls.append(tuple(x.shape))
        return lib.from_numpy(np.sin(x.numpy()))

    op = _op(lib, "(Tensor x) -> Tensor", kernel)

    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    op.register_autograd(lambda ctx, grad: grad * ctx.saved_tensors[0].cos(), setup_context=setup_context)
    op.register_fake(lib.empty_like)
    return op


def test_an_operator_is_called_by_any_of_its_names(lib):
    op = _numpy_sin(lib)
    space, name = op._qualname.split("::")
    packet = getattr(getattr(lib.ops, space), name)
    x = lib.tensor([0.0, 1.0])
    for f in (op, packet, packet.default):
        assert f(x).tolist() == f(x=x).tolist() == pytest.approx([0.0, np.sin(1.0)])
    assert repr(op) == f"<CustomOpDef({space}::{name})>"
    assert repr(packet) == f"<OpOverloadPacket(op='{space}.{name}')>"
    assert repr(packet.default) == f"<OpOverload(op='{space}.{name}', overload='default')>"
    assert str(packet.default._schema) == f"{space}::{name}(Tensor x) -> Tensor"
    assert packet.overloads() == ["default"]
    with pytest.raises(AttributeError, match=f"'_OpNamespace' '{space}' object has no attribute 'no_such'"):
        getattr(lib.ops, space).no_such  # noqa: B018
    with pytest.raises(AttributeError, match=f"The underlying op of '{space}.{name}' has no overload name 'other'"):
        packet.other  # noqa: B018


def test_gradients(lib):
    op = _numpy_sin(lib)
    x = lib.tensor([0.0, 1.0], dtype=lib.float64, requires_grad=True)
    y = op(x)
    assert type(y.grad_fn).__name__ == f"GeneratedBackwardFor_{op._qualname.replace('::', '_')}_defaultBackward"
    y.sum().backward()
    assert x.grad.tolist() == pytest.approx([1.0, np.cos(1.0)])
    assert lib.autograd.gradcheck(op, (x,))
    assert not op(x.detach()).requires_grad
    assert set(lib.library.opcheck(op, (x,)).values()) == {"SUCCESS"}


def test_without_a_formula_backward_is_refused(lib):
    op = _op(lib, "(Tensor x) -> Tensor", lambda x: x * 2)
    y = op(lib.ones(2, requires_grad=True)).sum()
    name = op._qualname.replace("::", ".")
    with pytest.raises(RuntimeError, match=f"Trying to backward through {name}.default but no autograd formula was registered."):
        y.backward()


def test_lists_and_keyword_arguments_in_gradients(lib):
    op = _op(lib, "(Tensor[] x, Tensor w, *, int n=3) -> (Tensor[], Tensor)", lambda x, w, n=3: ([a * n for a in x], w * n))
    seen = []

    def setup_context(ctx, inputs, keyword_only_inputs, output):
        seen.append((len(inputs[0]), keyword_only_inputs, type(output), len(output[0])))
        ctx.n = keyword_only_inputs["n"]

    def backward(ctx, grads, grad):
        seen.append(ctx.needs_input_grad)
        return [g * ctx.n for g in grads], grad * ctx.n

    op.register_autograd(backward, setup_context=setup_context)
    a, b, w = lib.ones(2, requires_grad=True), lib.ones(2), lib.ones(1, requires_grad=True)
    results, v = op([a, b], w, n=5)
    (results[0].sum() + v.sum()).backward()
    assert a.grad.tolist() == [5.0, 5.0] and w.grad.tolist() == [5.0] and b.grad is None
    assert seen == [(2, {"n": 5}, tuple, 2), ([True, False], True)]
    op.register_autograd(lambda ctx, grads, grad: (grads[0], grad), setup_context=setup_context)
    with pytest.raises(RuntimeError, match="Expected the return from backward to be of the same structure as the inputs"):
        op([a, b], w)[1].sum().backward()


_ARGUMENTS = "(Tensor[] x, SymInt n, float f=2.5, str? s=None, bool b=False, SymInt[]? ns=None, Tensor? t=None, *, Scalar k=1) -> int"
_CALLS = [
    "([x], 2)", "((x, x), 2, 3, 'a', True, (1, 2), x, k=1.5)", "([x], torch.tensor(2), torch.tensor(1.5), b=2)", "([x], True, True)",
    "(x, 2)", "([x, 3], 2)", "([x], 2.5)", "([x], 'a')", "([x], None)", "([x], 2, 'f')", "([x], 2, 2.0, 3)", "([x], 2, ns=[1.5])",
    "([x], 2, ns=3)", "([x], 2, t=3)", "([x], 2, k='a')", "([x], 2, k=torch.tensor(3))", "([x],)", "()",
    "([x], 2, 2.0, None, True, None, None, 1)", "([x], 2, 2.0, None, True, None, None, 1, 2)", "([], 1)",
]  # fmt: skip


@pytest.mark.parametrize("call", _CALLS)
def test_arguments_are_checked_by_the_schema(call):
    outcomes = []
    for lib in (torch, torchish):
        got = []
        op = _op(lib, _ARGUMENTS, lambda *args, got=got, **kwargs: got.append((args, kwargs)) or 7)
        try:
            result = eval(f"op{call}", {"op": op, "x": lib.arange(3.0), "torch": lib})
            (args, kwargs) = got[0]
            # what has its default value may be left out
            bound = dict(zip("x n f s b ns t".split(), args, strict=False), **kwargs)
            shown = {"f": 2.5, "s": None, "b": False, "ns": None, "t": None, "k": 1, **bound}
            outcomes.append((result, repr(sorted(shown.items()))))
        except RuntimeError as e:
            outcomes.append(re.sub(r"op\d+", "op", str(e)))
    assert outcomes[0] == outcomes[1]


def test_results_are_checked(lib):
    def pair(x):
        y = x + 1
        return y, y.view(-1)

    x = lib.ones(2)
    for schema, kernel in (("(Tensor x) -> Tensor", lambda x: x), ("(Tensor x) -> Tensor", lambda x: x[1:]),
                           ("(Tensor x) -> (Tensor, Tensor)", pair), ("(Tensor[] x) -> Tensor[]", lambda x: x)):  # fmt: skip
        with pytest.raises(RuntimeError, match=re.escape("The output of this custom operator (1) must not also be an input")):
            _op(lib, schema, kernel)([x] if "[]" in schema else x)
    with pytest.raises(RuntimeError, match="Unable to cast 3 to Tensor"):
        _op(lib, "(Tensor x) -> Tensor", lambda x: 3)(x)
    with pytest.raises(TypeError, match="Object of type 'Tensor' is not an instance of 'sequence'"):
        _op(lib, "(Tensor x) -> (Tensor, Tensor)", lambda x: x + 1)(x)
    with pytest.raises(RuntimeError, match="to return None but it returned something else instead"):
        _op(lib, "(Tensor x) -> ()", lambda x: x + 1)(x)
    assert isinstance(_op(lib, "(Tensor x) -> (Tensor, int)", lambda x: [x + 1, 3])(x), tuple)


def test_arguments_that_are_changed(lib):
    def kernel(x):
        n = x.numpy()
        np.sin(n, out=n)

    op = _op(lib, "(Tensor(a!) x) -> ()", kernel, mutates_args=("x",))
    x, w = lib.ones(3), lib.ones(3, requires_grad=True)
    product = w * x
    assert op(x) is None
    assert x._version == 1 and x.tolist() == pytest.approx([np.sin(1.0)] * 3)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product.sum().backward()
    with pytest.raises(RuntimeError, match="Cannot register autograd formula for non-functional operator"):
        op.register_autograd(lambda ctx, grad: grad)
    with pytest.raises(ValueError, match="Please make these consistent"):
        _op(lib, "(Tensor(a!) x) -> ()", kernel)


def test_kernels_of_devices(lib):
    op = _op(lib, "(Tensor x) -> Tensor", lambda x: x + 1)
    x = lib.zeros(1)

    @op.register_kernel("cpu")
    def _(x):
        return x + 100

    assert op(x).item() == 100
    with op.set_kernel_enabled("cpu", enabled=False):
        assert op(x).item() == 1
    assert op(x).item() == 100
    with pytest.raises(NotImplementedError, match="with arguments from the 'CPU' backend"):
        _op(lib, "(Tensor x) -> Tensor", lambda x: x + 1, device_types="cuda")(x)
    with pytest.raises(ValueError, match="Functions without tensor inputs are required to have"):
        _op(lib, "(int n) -> Tensor", lib.ones, device_types="cpu")


def test_fakes_run_on_meta_tensors(lib):
    op = _op(lib, "(Tensor x) -> Tensor", lambda x: x.flatten() + 1)
    meta = lib.empty(2, 3, device="meta")
    with pytest.raises(RuntimeError, match="There was no fake impl registered for <CustomOpDef"):
        op(meta)
    lib.library.register_fake(op._qualname, lambda x: x.new_empty(x.numel()))
    assert op(meta).shape == (6,) and op(meta).device.type == "meta"
    with pytest.raises(RuntimeError, match="operator torchish_tests::no_such does not exist"):
        lib.library.register_fake("torchish_tests::no_such", lambda x: x)


def test_rules_for_vmap(lib):
    op = _numpy_sin(lib)
    seen = []

    def rule(info, in_dims, x):
        seen.append((info.batch_size, in_dims))
        return op(x), in_dims[0]

    op.register_vmap(rule)
    x = lib.arange(6.0).reshape(2, 3)
    assert lib.allclose(lib.vmap(op)(x), x.sin()) and seen == [(2, (0,))]
    assert lib.allclose(lib.vmap(op, in_dims=1)(x), x.T.sin())
    plain = _op(lib, "(Tensor x, Tensor y) -> (Tensor, Tensor)", lambda x, y: (x * y, y + 1))
    first, second = lib.vmap(plain, in_dims=(0, None))(x, lib.ones(3))
    assert lib.equal(first, x) and second.shape == (2, 3)


@pytest.mark.parametrize("fullgraph", [False, True])
def test_compiled_steps_run_the_kernel_each_time(fullgraph):
    calls, scale = [], [1.0]
    op = _numpy_sin(torchish, calls)
    plain = _op(torchish, "(Tensor x) -> Tensor", lambda x: x * scale[0])
    plain.register_autograd(lambda ctx, grad: grad * scale[0])
    w = torchish.ones(3, requires_grad=True)
    optimizer = torchish.optim.SGD([w], lr=0.1)

    @torchish.compile(fullgraph=fullgraph)
    def step(x):
        optimizer.zero_grad()
        loss = plain(op(w * x)).sum()
        loss.backward()
        optimizer.step()
        return loss.detach()

    expected = np.ones(3, dtype=np.float32)
    for i in range(12):
        scale[0] = float(i)
        loss = step(torchish.full((3,), 0.5))
        assert loss.item() == pytest.approx(i * np.sin(expected * 0.5).sum(), rel=1e-5, abs=1e-6)
        expected = expected - 0.1 * i * 0.5 * np.cos(expected * 0.5)
        assert w.tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    assert len(calls) == 12


def test_opcheck_finds_what_is_wrong(lib):
    def liar(x):
        x.add_(1)
        return x.clone()

    op = _op(lib, "(Tensor x) -> Tensor", liar)
    with pytest.raises(Exception, match="test_schema failed with Argument x is not defined as mutable but was mutated"):
        lib.library.opcheck(op, (lib.zeros(2),))
    found = lib.library.opcheck(op, (lib.zeros(2),), raise_exception=False)
    assert found["test_autograd_registration"] == "SUCCESS" and "no fake impl" in str(found["test_faketensor"])
    wrong = _op(lib, "(Tensor x) -> Tensor", lambda x: x + 1)
    wrong.register_fake(lambda x: x.new_empty(7))
    with pytest.raises(Exception, match="test_faketensor failed"):
        lib.library.opcheck(wrong, (lib.zeros(2),), test_utils="test_faketensor")
    for chosen in ("no_such", {"test_schema"}):
        with pytest.raises(ValueError, match="expected test_utils to be subset of"):
            lib.library.opcheck(op, (), test_utils=chosen)
    assert len(lib.library.opcheck(op, (lib.zeros(2),), test_utils="ALL", raise_exception=False)) == 5


def test_opcheck_compares_within_what_it_is_told(lib):
    calls = itertools.count()  # results of one call and the next differ by 1
    op = _op(lib, "(Tensor x) -> Tensor", lambda x: x + next(calls))
    op.register_fake(lib.empty_like)

    def check(**tolerances):
        return str(lib.library.opcheck(op, (lib.zeros(2),), test_utils="test_aot_dispatch_static", raise_exception=False, **tolerances))

    assert "Outputs of the operator are different in eager-mode PyTorch vs AOTDispatcher tracing. This means" in check()
    assert "SUCCESS" in check(atol=10, rtol=1e-3)
    for one in ("atol", "rtol"):
        with pytest.raises(ValueError, match="if you specify one of rtol/atol, you must specify both"):
            check(**{one: 1.0})


def test_what_autocast_takes_for_a_device():
    def refused(lib, f, *args):
        with pytest.raises(Exception) as e:
            f(*args)
        return f"{type(e.value).__name__}: {e.value}"

    def run(lib):
        op = _op(lib, "(Tensor x) -> Tensor", lambda x: x.clone())
        by_name = lambda device: lib.library.register_autocast(op._qualname, device, lib.float16)  # noqa: E731
        by_op = lambda device: op.register_autocast(device, lib.float16)  # noqa: E731
        return [refused(lib, f, d) for f in (by_name, by_op, lib.amp.is_autocast_available) for d in ("meta", "nope", 3, None)
                if (f, d) != (lib.amp.is_autocast_available, "meta")]  # fmt: skip

    assert run(torchish) == run(torch)


def _functions(lib):
    T = lib.Tensor

    def a(x: T, y: "int" = 3, *, z: Optional[str] = "a") -> T: ...  # noqa: UP045
    def b(x: T, y: lib.dtype = lib.float32, d: lib.device = lib.device("cpu"), q: float = 1e-5, o: T | None = None) -> tuple[T, int]: ...  # noqa: B008
    def c(x: List[T], n: list[int], f: Optional[List[float]] = None) -> List[T]: ...  # noqa: UP006, UP045
    def d(x: T) -> None: ...
    def e(x) -> T: ...
    def f(x: T): ...
    def g(x: T, *a) -> T: ...
    def h(x: T, y: int = [1]) -> T: ...
    def i(x: T, n: int | float | bool) -> Tuple[T, T]: ...  # noqa: UP006
    def j(x: "no_such") -> T: ...  # noqa: F821

    return a, b, c, d, e, f, g, h, i, j


@pytest.mark.parametrize("mutates_args", [(), ("x",), "unknown", ("k",), "other"])
def test_infer_schema(mutates_args):
    outcomes = []
    for lib in (torch, torchish):
        outcomes.append([])
        for f in _functions(lib):
            try:
                outcomes[-1].append(lib.library.infer_schema(f, op_name="f", mutates_args=mutates_args))
            except ValueError as e:
                outcomes[-1].append(re.split(r"The valid types|\(name 'no_such'|\(NameError| Got func", str(e))[0])
    assert outcomes[0] == outcomes[1]


def test_libraries(lib):
    space = _name().replace("::", "_")
    library = lib.library.Library(space, "DEF")
    library.define("scale.Tensor(Tensor x, Tensor y) -> Tensor")
    library.define("scale.Scalar(Tensor x, Scalar y) -> Tensor")
    library.define("shift(Tensor x, float[] z=[1,2], str s='a', int[2] k=1, float e=1e-5, bool b=True) -> Tensor")
    ops = getattr(lib.ops, space)
    assert str(ops.shift.default._schema) == (
        f'{space}::shift(Tensor x, float[] z=[1., 2.], str s="a", int[2] k=1, float e=1.0000000000000001e-05, bool b=True) -> Tensor'
    )
    x = lib.ones(2, requires_grad=True)
    with pytest.raises(NotImplementedError, match="with arguments from the 'CPU' backend"):
        ops.shift(x)
    library.impl("scale.Tensor", lambda x, y: x + y, "CPU")
    library.impl("scale.Scalar", lambda x, y: x * y, "CompositeExplicitAutograd")
    assert ops.scale.overloads() == ["Tensor", "Scalar"]
    assert ops.scale(x, x).tolist() == [2.0, 2.0] and ops.scale(x, 5).tolist() == [5.0, 5.0]
    with pytest.raises(RuntimeError, match="failed to match any schema"):
        ops.scale(x, "s")
    with pytest.raises(RuntimeError, match="multiple times"):
        library.define("scale.Tensor(Tensor x, Tensor y) -> Tensor")
    with pytest.raises(RuntimeError, match="Only a single TORCH_LIBRARY can be used"):
        lib.library.Library(space, "DEF")

    lib.library.define(f"{space}::twice", "(Tensor x) -> Tensor")

    @lib.library.impl(f"{space}::twice", "cpu")
    def _(x):
        return x * 2

    assert ops.twice(x).tolist() == [2.0, 2.0]
    lib.library.register_autograd(f"{space}::twice", lambda ctx, grad: grad * 7)
    ops.twice(x).sum().backward()
    assert x.grad.tolist() == [7.0, 7.0]


def test_names_that_cannot_be_had():
    with pytest.raises(NotImplementedError, match="'pool' cannot be a namespace of operators"):
        torchish.library.custom_op("pool::op", lambda x: x, mutates_args=(), schema="(Tensor x) -> Tensor")
    with pytest.raises(AttributeError, match=re.escape("(torchish does not have it)")):
        torchish.library.triton_op  # noqa: B018
    with pytest.raises(NotImplementedError, match="dispatch key 'Autograd'"):
        torchish.library.Library("torchish_tests_keys", "FRAGMENT").impl("op", lambda x: x, "Autograd")
