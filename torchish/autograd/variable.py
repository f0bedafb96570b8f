"""`torch.autograd.Variable`: the old name of tensors that take gradients."""

from __future__ import annotations

import warnings
from typing import Any

import torchish as torch
from torchish._tensor.tensor import Tensor

_NAMES = ("data", "requires_grad", "volatile", "_grad_fn", "name")


class VariableMeta(type):
    """Every tensor is an instance of `Variable`."""

    __module__ = "torch.autograd.variable"

    def __instancecheck__(cls, other: Any) -> bool:
        return isinstance(other, Tensor)


class _LegacyVariableBase:
    __module__ = "torch._C"

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        given = dict(zip(_NAMES, args, strict=False))
        for name, value in kwargs.items():
            if name not in _NAMES:
                raise TypeError(f"'{name}' is an invalid keyword argument for this function")
            given[name] = value
        data = given.get("data")
        if given.get("volatile"):
            warnings.warn(
                "volatile was removed and now has no effect. Use `with torch.no_grad():` instead.", UserWarning, stacklevel=2
            )
        if data is not None and not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        made = torch.empty(0) if data is None else data.detach()
        return made._as_leaf() if given.get("requires_grad") else made


class Variable(_LegacyVariableBase, metaclass=VariableMeta):
    __module__ = "torch.autograd.variable"


__all__ = ["Variable", "VariableMeta"]
