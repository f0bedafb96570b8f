"""Methods that print as PyTorch's do when the call's parentheses are forgotten: `<built-in method item of Tensor …>`.

A Python function bound to a tensor prints the tensor instead. Binding through the descriptor here costs about half a
microsecond a call (0.6 against 0.1 µs for `numel()`), so only methods are listed that people print and that no inner loop
calls. They refuse arguments in PyTorch's words, too.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType

from torchish._tensor.dispatch import PLAIN, NoMatch, Overload, bind, call_composite
from torchish._tensor.errors import invalid_arguments
from torchish._tensor.tensor import Tensor
from torchish.ops.schema import parse

NAMES = (
    "argmax argmin bool cpu cuda data_ptr detach_ dim double element_size float half int is_complex is_conj is_contiguous "
    "get_device is_floating_point is_inference is_neg is_pinned is_signed item long max mean min ndimension "
    "nelement numel numpy pin_memory requires_grad_ resize_ retain_grad set_ size std storage_offset stride tolist type "
    "untyped_storage var"
).split()
# What those take that are Python functions here; a function of the tensor alone takes nothing.
_TAKES = {
    "cpu": "*, format? memory_format=None",
    "is_contiguous": "*, format? memory_format=None",
    "is_pinned": "device? device=None",
    "numpy": "*, bool force=False",
    "pin_memory": "device? device=None",
    "requires_grad_": "bool requires_grad=True",
    "type": "any? dtype=None, bool non_blocking=False",
}


class BoundMethod(functools.partial):
    """A method of one tensor (a partial application: making and calling it is C code)."""

    __slots__ = ()

    @property
    def __self__(self):
        return self.args[0]

    @property
    def __name__(self) -> str:
        return self.func.__name__

    def __repr__(self) -> str:
        t = self.args[0]
        return f"<built-in method {self.__name__} of {type(t).__name__} object at {hex(id(t))}>"


class BuiltInMethod:
    """What a tensor class holds for such a method."""

    __slots__ = ("function",)

    def __init__(self, function: Callable):
        self.function = function

    def __get__(self, tensor, cls=None):
        return self.function if tensor is None else BoundMethod(self.function, tensor)


def _taking(name: str, takes: str, method: Callable) -> Callable:
    """`method`, which refuses what is not in the signature."""
    schema = parse(f"{name}(Tensor input, {takes})")
    overload = Overload(schema, None, None, False)

    @functools.wraps(method)
    def call(tensor, *args, **kwargs):
        if not args and not kwargs:
            return method(tensor)
        try:
            values = bind(schema, (tensor, *args), kwargs, overload.converters)
        except NoMatch:
            raise invalid_arguments(name, [overload], (tensor, *args), kwargs, True) from None
        return call_composite(schema, method, values)

    return call


def _taking_nothing(name: str, method: Callable) -> Callable:
    @functools.wraps(method)
    def call(tensor, *args, **kwargs):
        if args or kwargs:
            what = "keyword arguments" if kwargs else f"arguments ({len(args)} given)"
            raise TypeError(f"TensorBase.{name}() takes no {what}")
        return method(tensor)

    return call


def _is_of_self(method: FunctionType) -> bool:
    code = method.__code__
    return (code.co_argcount, code.co_kwonlyargcount, code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)) == (1, 0, 0)


def install() -> None:
    """Make the listed methods of `Tensor` print as built-in ones, and all others name the class in Python's errors."""
    functions = {id(f) for f in PLAIN.values()}  # are called by other names too
    for name, method in list(vars(Tensor).items()):
        if not isinstance(method, FunctionType) or hasattr(method, "_overloads"):
            continue
        if id(method) not in functions and (name[0] != "_" or name.endswith("_")):
            method.__name__, method.__qualname__ = name, f"Tensor.{name}"
        if name in _TAKES:
            method = _taking(name, _TAKES[name], method)
        elif name in NAMES and _is_of_self(method):
            method = _taking_nothing(name, method)
        setattr(Tensor, name, method)
    for name in NAMES:
        method = Tensor.__dict__.get(name)
        if callable(method):
            setattr(Tensor, name, BuiltInMethod(method))
