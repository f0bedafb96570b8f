"""`torch._foreach_*`: operations on lists of tensors, which optimizers and averages of weights are written with.

PyTorch runs each in few kernels. Here they are the operations on one tensor after the other: XLA joins those of a program anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torchish
from torchish._tensor.errors import plain_type_name
from torchish._tensor.tensor import Tensor

Tensors = Sequence[Tensor]

_UNARY = (
    "abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 neg reciprocal round rsqrt sigmoid "
    "sign sin sinh sqrt tan tanh trunc"
)
_BINARY = "add sub mul div maximum minimum clamp_max clamp_min pow"
_LIMITS = {"maximum": "clamp_min", "minimum": "clamp_max"}  # of a number


def _publish(name: str, function: Callable) -> None:
    function.__name__ = function.__qualname__ = name
    function.__module__ = "torch"
    globals()[name] = function


def _some(name: str, tensors: Any) -> None:
    if not isinstance(tensors, (list, tuple)):
        raise TypeError(f"{name}(): argument 'self' (position 1) must be tuple of Tensors, not {plain_type_name(tensors)}")
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {plain_type_name(t)}")
    if not tensors:
        raise RuntimeError("Tensor list must have at least one tensor.")


def _each(tensors: Tensors, value: Any) -> Sequence[Any]:
    """What goes with each tensor: the item of a list of tensors or numbers, or the one number or tensor that there is."""
    if isinstance(value, (list, tuple)):
        if len(value) != len(tensors):
            if value and isinstance(value[0], Tensor):
                raise RuntimeError(f"Tensor lists must have the same number of tensors, got {len(tensors)} and {len(value)}")
            raise RuntimeError("Tensor list must have same number of elements as scalar list.")
        return value
    if isinstance(value, Tensor) and value.dim():
        raise RuntimeError(f"scalar tensor expected to be 0 dim but it has {value.dim()} dimensions and {value.numel()} elements.")
    return [value] * len(tensors)


def _either(name: str, call: Callable[..., list[Tensor]]) -> None:
    """Publish `_foreach_name`, which gives a tuple, and `_foreach_name_`, which changes the tensors.

    `call(op, tensors, …)` gives the results of the operation `op` on each tensor and what goes with it.
    """
    of, in_place = f"_foreach_{name}", f"_foreach_{name}_"

    def function(self: Tensors, *args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
        _some(of, self)
        return tuple(call(lambda op, t, *rest, **more: getattr(torchish, op)(t, *rest, **more), self, *args, **kwargs))

    def change(op: str, t: Tensor, *rest: Any, **more: Any) -> Tensor:
        method = getattr(t, op + "_", None)
        return method(*rest, **more) if method is not None else t.copy_(getattr(torchish, op)(t, *rest, **more))

    def function_(self: Tensors, *args: Any, **kwargs: Any) -> Tensors:
        _some(in_place, self)
        for _ in call(change, self, *args, **kwargs):
            pass
        return self

    _publish(of, function)
    _publish(in_place, function_)


def _unary(name: str) -> Callable:
    return lambda op, tensors: [op(name, t) for t in tensors]


def _binary(name: str) -> Callable:
    def call(op: Callable, tensors: Tensors, *other: Any, **named: Any) -> list[Tensor]:
        alpha = named.pop("alpha", 1)
        values = [*other, *(named.pop(n) for n in ("other", "scalar", "scalars", "exponent") if n in named)]
        if named or len(values) != 1:
            raise TypeError(f"_foreach_{name}() received an invalid combination of arguments")
        (value,) = values
        found = []
        for t, v in zip(tensors, _each(tensors, value), strict=True):
            f = name if isinstance(v, Tensor) else _LIMITS.get(name, name)
            found.append(op(f, t, v) if alpha == 1 else op(f, t, v, alpha=alpha))
        return found

    return call


def _lerp(op: Callable, tensors: Tensors, tensors1: Tensors, *weights: Any, **named: Any) -> list[Tensor]:
    values = [*weights, *(named.pop(n) for n in ("weight", "weights") if n in named)]
    if named or len(values) != 1:
        raise TypeError("_foreach_lerp() received an invalid combination of arguments")
    (value,) = values
    return [op("lerp", t, end, w) for t, end, w in zip(tensors, _each(tensors, tensors1), _each(tensors, value), strict=True)]


def _three(name: str) -> Callable:
    def call(op: Callable, tensors: Tensors, tensor1: Tensors, tensor2: Tensors, value: Any = 1, scalars: Any = None) -> list[Tensor]:
        factors = value if scalars is None else scalars
        factors = _each(tensors, factors.tolist() if isinstance(factors, Tensor) else factors)
        rows = zip(tensors, _each(tensors, tensor1), _each(tensors, tensor2), factors, strict=True)
        return [op(name, t, a, b, value=v) for t, a, b, v in rows]

    return call


for _name in _UNARY.split():
    _either(_name, _unary(_name))
for _name in _BINARY.split():
    _either(_name, _binary(_name))
for _name in ("addcmul", "addcdiv"):
    _either(_name, _three(_name))
_either("lerp", _lerp)

_on_a_number = globals()["_foreach_pow"]


def _foreach_pow(self: Any, *args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
    if isinstance(self, (list, tuple)):
        return _on_a_number(self, *args, **kwargs)
    (exponents,) = args or kwargs.values()
    _some("_foreach_pow", exponents)
    return tuple([torchish.pow(self, t) for t in exponents])


def _foreach_clone(self: Tensors, *, memory_format: Any = None) -> tuple[Tensor, ...]:
    _some("_foreach_clone", self)
    return tuple([t.clone() if memory_format is None else t.clone(memory_format=memory_format) for t in self])


def _foreach_copy_(self: Tensors, src: Tensors, non_blocking: bool = False) -> Tensors:
    _some("_foreach_copy_", self)
    for t, s in zip(self, _each(self, src), strict=True):
        t.copy_(s, non_blocking)
    return self


def _foreach_zero_(self: Tensors) -> Tensors:
    _some("_foreach_zero_", self)
    for t in self:
        t.zero_()
    return self


def _foreach_norm(self: Tensors, ord: Any = 2, dtype: Any = None) -> tuple[Tensor, ...]:
    _some("_foreach_norm", self)
    return tuple([torchish.linalg.vector_norm(t, ord, dtype=dtype) for t in self])


def _foreach_powsum(self: Tensors, ord: Any = 2, dtype: Any = None) -> tuple[Tensor, ...]:
    _some("_foreach_powsum", self)
    return tuple([t.abs().pow(ord).sum(dtype=dtype) for t in self])


def _foreach_max(self: Tensors) -> tuple[Tensor, ...]:
    _some("_foreach_max", self)
    return tuple([t.max() for t in self])


def _foreach_mm(self: Tensors, mat2: Tensors) -> tuple[Tensor, ...]:
    _some("_foreach_mm", self)
    return tuple([t.mm(m) for t, m in zip(self, _each(self, mat2), strict=True)])


for _function in (_foreach_clone, _foreach_copy_, _foreach_max, _foreach_mm, _foreach_norm, _foreach_pow, _foreach_powsum, _foreach_zero_):
    _publish(_function.__name__, _function)
