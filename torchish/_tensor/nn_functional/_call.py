"""Applying operations with little ceremony: what the functions of nn.functional are made of."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from torchish import _dtypes as dt
from torchish._tensor.apply import apply, apply_inplace
from torchish._tensor.dispatch import NoMatch, Overload, _NoHistory, bind
from torchish._tensor.errors import invalid_arguments, plain_type_name, refuse_pytorchs
from torchish._tensor.out import apply_out
from torchish._tensor.tensor import Tensor
from torchish.ops.declare import Op
from torchish.ops.schema import parse

_KINDS = {**dt.NUMBER_KINDS, type(None): "N"}


def ap(op: Op, statics: tuple, *inputs: Tensor | float | None) -> Any:
    """Apply an operation to its dynamic inputs in order (None for those left out), statics in order."""
    kinds = tuple([_KINDS.get(type(x), "T") for x in inputs])
    return apply(op.spec(kinds, statics), inputs if "N" not in kinds else tuple([x for x in inputs if x is not None]))


def ap_(op: Op, statics: tuple, *inputs: Tensor | float | None) -> Tensor:
    """Apply an operation and store the result in its first input."""
    kinds = tuple([_KINDS.get(type(x), "T") for x in inputs])
    return apply_inplace(op.spec(kinds, statics), tuple([x for x in inputs if x is not None]))


def into(name: str, out: Any, f: Callable, *args: Any, **kwargs: Any) -> Tensor:
    """What a function gives, put into the tensor given as `out=`; its history is not recorded."""
    with _NoHistory():
        result = f(*args, **kwargs)
    return apply_out(name, result, out, args)


def tensor_arg(name: str, argument: str, position: int, x: Any) -> None:
    """TypeError unless `x` is a tensor."""
    if not isinstance(x, Tensor):
        refuse_pytorchs(name, (x,))
        raise TypeError(f"{name}(): argument '{argument}' (position {position}) must be Tensor, not {plain_type_name(x)}")


@functools.cache
def _native(signature: str) -> Overload:
    return Overload(parse(signature), None, None, False)


_FITTING: set[tuple] = set()  # signatures with the types of values that fitted


def require(signature: str, *values: Any) -> None:
    """TypeError, as the native function of this signature gives it, unless the values fit."""
    require_one((signature,), *values)


def require_one(signatures: tuple[str, ...], *values: Any) -> None:
    """The same for a function of several signatures, of which the values are to fit one."""
    key = (signatures, *[type(v) if type(v) not in (tuple, list) else (type(v), *map(type, v)) for v in values])
    if key in _FITTING:
        return
    overloads = [_native(s) for s in signatures]
    for o in overloads:
        try:
            bind(o.schema, values, {}, o.converters)
        except NoMatch:
            continue
        # (whether a tensor fits as a number is not a matter of its type alone)
        if not any(isinstance(v, Tensor) and "Tensor" not in p.type for v, p in zip(values, o.schema.params, strict=False)):
            _FITTING.add(key)
        return
    raise invalid_arguments(overloads[0].schema.name, overloads, values, {}, False)


def number_arg(name: str, argument: str, position: int, x: Any) -> float:
    """A number, or the one of a 0-d tensor, as a float; TypeError for anything else."""
    if type(x) is float or type(x) is int:
        return float(x)
    if isinstance(x, Tensor) and x.dim() or not hasattr(x, "__float__") and not isinstance(x, complex):
        raise TypeError(f"{name}(): argument '{argument}' (position {position}) must be Number, not {plain_type_name(x)}")
    if isinstance(x, complex):
        raise RuntimeError("value cannot be converted to type double without overflow")
    return float(x)


def scalar_type(t: Tensor) -> str:
    """PyTorch's C++ name of a tensor's dtype: Float, Long…"""
    return dt.SCALAR_TYPE_NAMES[t._aval.torch_dtype]


def require_float(t: Tensor, kernel: str, *, complex_too: bool = False) -> None:
    """NotImplementedError, as a missing kernel gives it, unless the dtype is floating point."""
    c = t._aval.category
    if c != 2 and not (complex_too and c == 3):
        name = {"ComplexFloat": "ComplexFloat", "ComplexDouble": "ComplexDouble"}.get(scalar_type(t), scalar_type(t))
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{name}'")
