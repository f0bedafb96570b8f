"""Python's operators on tensors."""

from __future__ import annotations

import numbers
from collections.abc import Callable

import numpy as np

from torchish._tensor import builtin_methods
from torchish._tensor.apply import apply
from torchish._tensor.errors import is_pytorchs
from torchish._tensor.pointwise import special_power
from torchish._tensor.tensor import Tensor

_OPERANDS = (Tensor, numbers.Number, np.generic)
_USUAL = frozenset((Tensor, float, int, bool))  # known without asking the abstract class

_UNKNOWN: list[Callable] = [{}.get]  # the plans of functions whose calls are not matched against signatures
_NO_KEYWORDS: dict = {}


def _binary(name: str, f: Callable, reflected: bool = False) -> None:
    """An operator over a function; `reflected`: with the operands changed round."""
    products = name in ("__matmul__", "__rmatmul__")
    compares = name in ("__eq__", "__ne__")  # which a look into a list does: there a tensor of PyTorch's is something else
    known = getattr(f, "_known", _UNKNOWN)

    def operator(self, other):
        if (plan := known[0]((type(other), type(self)) if reflected else (type(self), type(other)))) is not None:
            return plan((other, self) if reflected else (self, other), _NO_KEYWORDS)
        if products and not isinstance(other, (Tensor, np.ndarray)):
            return f(self, other) if is_pytorchs(type(other)) else NotImplemented
        if type(other) not in _USUAL and not isinstance(other, _OPERANDS):
            if not isinstance(other, np.ndarray):
                return f(self, other) if not compares and is_pytorchs(type(other)) else NotImplemented
            from torchish._tensor.creation import from_numpy

            other = from_numpy(other)
        return f(other, self) if reflected else f(self, other)

    operator.__name__ = name
    setattr(Tensor, name, operator)


def _inplace(name: str, method: str) -> None:
    def operator(self, other):
        if type(other) not in _USUAL and not isinstance(other, _OPERANDS):
            return getattr(self, method)(other) if is_pytorchs(type(other)) else NotImplemented
        return getattr(self, method)(other)

    operator.__name__ = name
    setattr(Tensor, name, operator)


FUNCTIONS: dict = {}

_ARITHMETIC = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "floordiv": "floor_divide", "mod": "remainder",
    "pow": "pow", "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift",
}  # fmt: skip
_COMMUTATIVE = ("add", "mul", "and", "or", "xor")  # PyTorch keeps the tensor first in these
_COMPARISON = ("eq", "ne", "lt", "le", "gt", "ge")


def _power(x: Tensor, exponent):
    """`x ** exponent`; the commonest exponents take a shorter way."""
    if type(exponent) in (int, float) and (spec := special_power(x, exponent)) is not None:
        return apply(spec, (x,))
    return FUNCTIONS["pow"](x, exponent)


def use_power() -> None:
    """Let `x ** y` be `torch.pow` always, which autocast has on a list."""
    _binary("__pow__", FUNCTIONS["pow"])


def _invert(self: Tensor) -> Tensor:
    if self._aval.category >= 2:
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
    return FUNCTIONS["bitwise_not"](self)


def _reversed(self: Tensor) -> Tensor:
    return FUNCTIONS["flip"](self, (0,)) if self._aval.ndim else self


def install(functions: dict) -> None:
    """Give `Tensor` its operators, over the functions of the torch namespace."""
    FUNCTIONS.update(functions)
    for python, torch in _ARITHMETIC.items():
        _binary(f"__{python}__", functions[torch])
        _binary(f"__r{python}__", functions[torch], reflected=python not in _COMMUTATIVE)
        _inplace(f"__i{python}__", torch + "_")
    # 3 - x and 1 / x are operations of their own, with gradient functions of their own
    _binary("__rsub__", functions["rsub"])
    mul, reciprocal = functions["mul"], functions["reciprocal"]
    _binary("__rtruediv__", lambda x, number: mul(reciprocal(x), number))
    _binary("__pow__", _power)
    for alias, name in (("__div__", "__truediv__"), ("__rdiv__", "__rtruediv__"), ("__idiv__", "__itruediv__")):
        setattr(Tensor, alias, getattr(Tensor, name))
    for name in _COMPARISON:
        _binary(f"__{name}__", functions[name])
    Tensor.__hash__ = lambda self: id(self)  # type: ignore[method-assign]
    Tensor.__reversed__ = _reversed  # type: ignore[attr-defined]
    Tensor.__neg__ = lambda self: FUNCTIONS["neg"](self)  # type: ignore[method-assign]
    Tensor.__pos__ = lambda self: FUNCTIONS["positive"](self)  # type: ignore[method-assign]
    Tensor.__abs__ = lambda self: FUNCTIONS["abs"](self)  # type: ignore[attr-defined]
    Tensor.__invert__ = _invert  # type: ignore[method-assign]
    del Tensor.__imatmul__  # type: ignore[attr-defined]
    builtin_methods.install()
