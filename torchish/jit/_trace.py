"""`torch.jit.trace`: runs what it is given on the examples, as often as PyTorch does, and gives what computes the same.

PyTorch runs it once to record it, and to check the record it records it again and runs both records and the original. Nothing
is recorded here, but programs see how often they ran: in running statistics, and in the random numbers that follow.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

from torchish._tensor.tensor import Tensor
from torchish._tensor.warn import warn_user
from torchish.jit._modules import TopLevelTracedModule
from torchish.jit._state import ScriptFunction, running, say_deprecated
from torchish.nn import Module
from torchish.testing import assert_close


class TracerWarning(Warning):
    """A warning that two runs of what was traced differ."""


class TracingCheckError(Exception):
    """Records that differ; there are none here."""


for _made in (TracerWarning, TracingCheckError):
    _made.__module__ = "torch.jit._trace"


def _type_name(value: Any) -> str:
    """The type of an example, in TorchScript's words."""
    if isinstance(value, Tensor):
        return "Tensor"
    if isinstance(value, tuple):
        return f"Tuple[{', '.join(map(_type_name, value))}]"
    if isinstance(value, list) and value:
        return f"List[{_type_name(value[0])}]"
    if isinstance(value, dict) and value:
        key, held = next(iter(value.items()))
        return f"Dict[{_type_name(key)}, {_type_name(held)}]"
    return type(value).__name__


def _is_traceable(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_traceable, value))
    return all(map(_is_traceable, value.values())) if isinstance(value, dict) else isinstance(value, Tensor)


def _arguments(inputs: Any, kwargs: dict | None) -> tuple[tuple, dict]:
    if kwargs is not None:
        return (), kwargs
    args = (inputs,) if isinstance(inputs, (Tensor, dict)) else tuple(inputs)
    if not _is_traceable(args):
        raise RuntimeError(
            f"Type '{_type_name(args)}' cannot be traced. Only Tensors and (possibly nested) Lists, Dicts, and Tuples of Tensors can "
            "be traced"
        )
    return args, {}


def _copy(value: Any) -> Any:
    """An example as the check gets it: what it changes in place stays as it is."""
    if isinstance(value, Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, (tuple, list)):
        return type(value)(map(_copy, value)) if type(value) in (tuple, list) else value
    return {k: _copy(v) for k, v in value.items()} if isinstance(value, dict) else value


def _check_output(value: Any, strict: bool) -> None:
    if isinstance(value, dict):
        if strict:
            raise RuntimeError(
                "Encountering a dict at the output of the tracer might cause the trace to be incorrect, this is only valid if the "
                "container structure does not change based on the module's inputs. Consider using a constant container instead (e.g. "
                "for `list`, use a `tuple` instead. for `dict`, use a `NamedTuple` instead). If you absolutely need this and know the "
                "side effects, pass strict=False to trace() to allow this behavior."
            )
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        for v in value:
            _check_output(v, strict)
    elif not isinstance(value, Tensor):
        raise RuntimeError("Only tensors, lists, tuples of tensors, or dictionary of tensors can be output from traced functions")


def _record(f: Callable, args: tuple, kwargs: dict, strict: bool) -> None:
    with running(tracing=True):
        _check_output(f(*args, **kwargs), strict)


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return [t for v in (value.values() if isinstance(value, dict) else value) for t in _tensors(v)]


def _agree(record: Any, original: Any, tolerance: float) -> bool:
    """Whether both gave the same; a warning says what differs."""
    agree = True
    for i, (a, b) in enumerate(zip(_tensors(record), _tensors(original), strict=False)):
        try:
            assert_close(a.double(), b.double(), rtol=tolerance, atol=1e-5, equal_nan=True)
        except AssertionError as e:
            agree = False
            warn_user(
                f"Output nr {i + 1}. of the traced function does not match the corresponding output of the Python function. "
                f"Detailed error:\n{e}",
                TracerWarning,
            )
    return agree


def _check(f: Callable, args: tuple, kwargs: dict, strict: bool, tolerance: float) -> None:
    """The runs of PyTorch's check; those of records print nothing."""

    def replay() -> Any:
        with contextlib.redirect_stdout(io.StringIO()):
            return f(*_copy(args), **_copy(kwargs))

    _record(f, _copy(args), _copy(kwargs), strict)
    if _agree(replay(), f(*_copy(args), **_copy(kwargs)), tolerance):
        replay()


def function(f: Callable, inputs: Any, check: float | None, strict: bool, kwargs: dict | None) -> ScriptFunction:
    """`torch.jit.trace` of a function."""
    args, kwargs = _arguments(inputs, kwargs)
    _record(f, args, kwargs, strict)
    if check is not None:
        say_deprecated("trace", "switch to `torch.compile` or `torch.export`")
        _check(f, args, kwargs, strict, check)
    name = getattr(f, "__name__", type(f).__name__)
    return ScriptFunction(f, "_lambda" if name == "<lambda>" else name)


def module(mod: Any, inputs: Any, check: float | None, strict: bool, kwargs: dict | None) -> Module:
    """`torch.jit.trace` of methods of a module, by their names."""
    say_deprecated("trace_method", "switch to `torch.compile` or `torch.export`")
    if not isinstance(mod, Module):
        raise AttributeError("expected torch.nn.Module as the first argument")
    if not isinstance(inputs, dict):
        raise AttributeError("expected a dictionary of (method_name, input) pairs")
    made = TopLevelTracedModule(mod, {})
    for name, examples in inputs.items():
        f = mod if name == "forward" else getattr(mod, name)
        args, kw = _arguments(examples, kwargs)
        _record(f, args, kw, strict)
        if check is not None:
            say_deprecated("trace_method", "switch to `torch.compile` or `torch.export`")
            _check(f, args, kw, strict, check)
    return made
