"""`torch.library.opcheck`: whether an operator does what it says about itself."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torchish
from torchish._tensor.tensor import Tensor
from torchish.library._operators import OpOverload, OpOverloadPacket, tensors_of


class OpCheckError(Exception):
    """A check that failed."""


def _fresh(x: Any) -> Any:
    if isinstance(x, (list, tuple)):
        return type(x)(_fresh(v) for v in x)
    return x.detach().clone().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x


def _values(args: tuple, kwargs: dict) -> list[Tensor]:
    return tensors_of((*args, *kwargs.values()))


def _results(result: Any) -> list[Tensor]:
    return tensors_of(result if isinstance(result, tuple) else (result,))


def _schema(op: OpOverload, args: tuple, kwargs: dict) -> None:
    """Only arguments that the schema says are changed are."""
    bound, named = op._schema.bind(_fresh(args), {k: _fresh(v) for k, v in kwargs.items()})
    values = [tensors_of((v,)) for v in (*bound, *named.values())]
    before = [[t.detach().clone() for t in found] for found in values]
    op._call(bound, named)
    for a, found, old in zip(op._schema.arguments, values, before, strict=True):
        if not a.is_write and any(not torchish.allclose(t.detach(), o, equal_nan=True) for t, o in zip(found, old, strict=True)):
            raise RuntimeError(f"Argument {a.name} is not defined as mutable but was mutated")


def _autograd_registration(op: OpOverload, args: tuple, kwargs: dict) -> None:
    """Gradients are the operator's own, not those of what its kernel happens to do."""
    if any(t.requires_grad for t in _values(args, kwargs)) and not op.has_autograd and not op._schema.is_mutable:
        raise RuntimeError(
            f"{op}: the operator was called with tensors that require grad, and has no autograd formula. Please use "
            "torch.library.register_autograd to add one."
        )


def _faketensor(op: OpOverload, args: tuple, kwargs: dict) -> None:
    """The fake gives the shapes and dtypes that the kernel gives."""

    def meta(x: Any) -> Any:
        if isinstance(x, (list, tuple)):
            return type(x)(meta(v) for v in x)
        return x.detach().to("meta") if isinstance(x, Tensor) else x

    if not _values(args, kwargs):
        return
    with torchish.no_grad():
        fake = _results(op(*meta(args), **{k: meta(v) for k, v in kwargs.items()}))
        real = _results(op(*_fresh(args), **{k: _fresh(v) for k, v in kwargs.items()}))
    if len(fake) != len(real):
        raise RuntimeError(f"the fake gives {len(fake)} tensors, the kernel {len(real)}")
    for f, r in zip(fake, real, strict=True):
        for what, left, right in (("Shapes", tuple(f.shape), tuple(r.shape)), ("Dtypes", f.dtype, r.dtype)):
            if left != right:
                raise RuntimeError(f"{what} {left} and {right} are not equal!")


def _compiled(op: OpOverload, args: tuple, kwargs: dict, **tolerances: Any) -> None:
    """Results and gradients are the same under torch.compile."""
    if op.fake is None and op.isolated:
        raise op.refusal()

    def outcome(f: Callable) -> tuple[list, list]:
        fresh, named = _fresh(args), {k: _fresh(v) for k, v in kwargs.items()}
        with torchish.random.fork_rng():  # a kernel that draws gives both the same
            torchish.manual_seed(0)
            results = _results(f(*fresh, **named))
        inputs = [t for t in _values(fresh, named) if t.requires_grad]
        differentiable = [r for r in results if r.requires_grad]
        gradients: tuple = ()
        if inputs and differentiable and op.backward is not None:
            gradients = torchish.autograd.grad(differentiable, inputs, [torchish.ones_like(r) for r in differentiable], allow_unused=True)
        return [t.detach() for t in results], [t if t is None else t.detach() for t in gradients]

    compiled = torchish.compile(lambda *a, **k: op(*a, **k), fullgraph=True)
    for text, expected, got in zip(_DIFFERENT, outcome(op), outcome(compiled), strict=True):
        torchish.testing.assert_close(got, expected, msg=text, **tolerances)


_DIFFERENT = (
    "Outputs of the operator are different in eager-mode PyTorch vs AOTDispatcher tracing. This means the operator will have incorrect "
    "output underneath torch.compile. This could be because the operator's implementation not traceable.",
    "Gradients of the operator are different in eager-mode PyTorch vs AOTDispatcher. This means the operator will have incorrect "
    "gradients underneath torch.compile. This could be because the operator's backward is incorrectly registered or not traceable.",
)
_CHECKS: dict[str, Callable[[OpOverload, tuple, dict], None]] = {
    "test_schema": _schema, "test_autograd_registration": _autograd_registration, "test_faketensor": _faketensor,
    "test_aot_dispatch_static": _compiled, "test_aot_dispatch_dynamic": _compiled,
}  # fmt: skip
_DEFAULT = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic")


def opcheck(
    op: Any,
    args: tuple,
    kwargs: dict | None = None,
    *,
    test_utils: str | Sequence[str] = _DEFAULT,
    raise_exception: bool = True,
    atol: float | None = None,
    rtol: float | None = None,
) -> dict[str, Any]:
    """Run checks of an operator on arguments: {check: "SUCCESS" or its error}. OpCheckError for the first that fails, if asked for."""
    if (rtol is None) is not (atol is None):
        raise ValueError("opcheck(op, ...): if you specify one of rtol/atol, you must specify both")
    if isinstance(op, OpOverloadPacket):
        op = op.default
    op = getattr(op, "_opoverload", op)
    if not isinstance(op, OpOverload):
        raise ValueError(f"opcheck(op, ...): op must be instance of torch._ops.OpOverload, e.g. torch.ops.aten.sin.default, got {type(op)}")
    chosen = tuple(_CHECKS) if test_utils == "ALL" else (test_utils,) if isinstance(test_utils, str) else test_utils
    if not isinstance(chosen, (tuple, list)) or not set(chosen) <= set(_CHECKS):
        raise ValueError(f"opcheck(op, ..., test_utils={chosen}), expected test_utils to be subset of {tuple(_CHECKS)} but it was not")
    checks: dict[str, Callable] = dict(_CHECKS)
    if rtol and atol:
        compiled = functools.partial(_compiled, rtol=rtol, atol=atol)
        checks |= {name: compiled for name, check in _CHECKS.items() if check is _compiled}
    found: dict[str, Any] = {}
    for name in chosen:
        try:
            checks[name](op, tuple(args), kwargs or {})
            found[name] = "SUCCESS"
        except Exception as e:
            if raise_exception:
                raise OpCheckError(f"opcheck(op, ...): {name} failed with {e} (scroll up for stack trace)") from e
            found[name] = e
    return found
