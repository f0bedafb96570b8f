"""Methods that print as PyTorch's do when the call's parentheses are forgotten: `<built-in method item of Tensor …>`.

A Python function bound to a tensor prints the tensor instead. Binding through the descriptor here costs about half a
microsecond a call (0.6 against 0.1 µs for `numel()`), so only methods are listed that people print and that no inner loop
calls.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from torchish._tensor.tensor import Tensor

NAMES = (
    "argmax argmin bool cpu cuda data_ptr detach_ dim double element_size float half int is_complex is_conj is_contiguous "
    "is_floating_point is_signed item long max mean min ndimension nelement numel numpy requires_grad_ resize_ retain_grad "
    "set_ size std storage_offset stride tolist type var"
).split()


class BoundMethod(functools.partial):
    """A method of one tensor (a partial application: making and calling it is C code)."""

    __slots__ = ()

    @property
    def __self__(self):
        return self.args[0]

    @property
    def __name__(self) -> str:
        name = self.func.__name__
        return "type" if name == "type_" else name

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


def install() -> None:
    """Make the listed methods of `Tensor` print as built-in ones."""
    for name in NAMES:
        method = Tensor.__dict__.get(name)
        if callable(method):
            setattr(Tensor, name, BuiltInMethod(method))
