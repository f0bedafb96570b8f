"""`torch.ops.aten`: the functions under the names of PyTorch's operator library, with overloads as attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchish._tensor.dispatch import make_function, overloads_of
from torchish._tensor.tensor import Tensor

_PREFIXES = (("linalg_", "linalg"), ("special_", "special"), ("fft_", "fft"))


class OpPacket:
    """One operator: call it, or an overload of it (`add.Tensor`): the arguments choose, whichever is named."""

    def __init__(self, name: str, function: Callable):
        self.__name__ = name
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if "self" in kwargs:
            kwargs["input"] = kwargs.pop("self")
        return self._function(*args, **kwargs)

    def __getattr__(self, overload: str) -> OpPacket:
        if overload.startswith("__"):
            raise AttributeError(overload)
        return self

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='aten.{self.__name__}')>"


class Aten:
    """The namespace; a name is looked up in torch, torch.nn.functional, the declarations and Tensor, in that order."""

    def __getattr__(self, name: str) -> OpPacket:
        import torchish
        import torchish.nn.functional

        for prefix, space in _PREFIXES:
            if name.startswith(prefix) and (f := getattr(getattr(torchish, space), name.removeprefix(prefix), None)) is not None:
                break
        else:
            f = vars(torchish).get(name) or vars(torchish.nn.functional).get(name)
            if f is None and (found := overloads_of(name)):
                f = make_function(name, found)
            f = f or getattr(Tensor, name, None)
        if not callable(f):
            raise AttributeError(f"'_OpNamespace' 'aten' object has no attribute '{name}'")
        made = self.__dict__[name] = OpPacket(name, f)
        return made


ATEN = Aten()
