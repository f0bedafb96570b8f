"""Methods that print as PyTorch's do when the call's parentheses are forgotten: `<built-in method item of Tensor …>`.

A Python function bound to a tensor prints the tensor instead. Binding through the descriptor here costs 0.2 µs a call, so
only methods are listed that people print, and that no inner loop calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchish._tensor.tensor import Tensor

NAMES = (
    "argmax argmin bool cpu cuda data_ptr detach_ dim double element_size float half int is_complex is_conj is_contiguous "
    "is_floating_point is_signed item long max mean min ndimension nelement numel numpy requires_grad_ resize_ retain_grad "
    "set_ size std storage_offset stride tolist type var"
).split()


class BoundMethod:
    """A method of one tensor."""

    __slots__ = ("__func__", "__self__")

    def __init__(self, function: Callable, tensor: Any):
        self.__func__ = function
        self.__self__ = tensor

    def __call__(self, *args, **kwargs):
        return self.__func__(self.__self__, *args, **kwargs)

    @property
    def __name__(self) -> str:
        return self.__func__.__name__.rstrip("_") if self.__func__.__name__ == "type_" else self.__func__.__name__

    def __repr__(self) -> str:
        t = self.__self__
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
