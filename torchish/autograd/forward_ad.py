"""`torch.autograd.forward_ad`: forward-mode differentiation with dual tensors.

    with forward_ad.dual_level():
        x = forward_ad.make_dual(primal, tangent)
        value, jvp = forward_ad.unpack_dual(f(x))
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torchish._pickling import reduce_fields
from torchish._tensor import levels as _crossing
from torchish._tensor.tensor import Tensor
from torchish.autograd.grad_mode import _Mode
from torchish.engine.levels import ACTIVE, Level

_current_level = -1
_ENTERED: list[Level] = []


def enter_dual_level() -> int:
    """Enter a forward level and return its number; RuntimeError when one is entered already."""
    global _current_level
    if _ENTERED:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    level = Level(imperative=True)
    _ENTERED.append(level)
    ACTIVE.stack.append(level)
    _current_level = len(_ENTERED) - 1
    return _current_level


def exit_dual_level(*, level: int | None = None) -> None:
    """Leave the level that was entered last: all its tangents are gone."""
    global _current_level
    if level is None:
        level = _current_level
    if level != _current_level:
        raise RuntimeError("Trying to exit a forward AD level that was not the last one that was created. This is not supported.")
    if level < 0:
        raise RuntimeError("Dual level must be a positive number.")
    mine = _ENTERED.pop()
    ACTIVE.stack.remove(mine)
    _crossing.close(mine)
    _current_level = level - 1


def check_tangent(primal: Tensor, tangent: Tensor) -> None:
    """Refuse a tangent that does not fit: ValueError for dtypes without derivatives, RuntimeError for another shape."""
    if not (primal.is_floating_point() or primal.is_complex()):
        raise ValueError(f"Expected primal to be floating point or complex, but got: {primal.dtype}")
    if not (tangent.is_floating_point() or tangent.is_complex()):
        raise ValueError(f"Expected tangent to be floating point or complex, but got: {tangent.dtype}")
    if primal._aval.shape != tangent._aval.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not supported. Tensor "
            f"is of size {list(primal.shape)} while the given forward gradient is of size {list(tangent.shape)}."
        )


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A tensor with the value of `tensor` and a tangent of the same shape and dtype.

    Raises RuntimeError outside of any level, ValueError for dtypes that are neither floating point nor complex.
    """
    if level is None:
        level = _current_level
    if level < 0:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    mine = _ENTERED[level]
    if unpack_dual(tangent, level=level).tangent is not None:
        raise RuntimeError(f"Setting a forward grad that itself has a forward gradient at the same level{level} is not supported.")
    if unpack_dual(tensor, level=level).tangent is not None:
        raise RuntimeError(
            f"Making a dual Tensor based on a Tensor that already has a forward gradient at the same level {level} is not supported."
        )
    check_tangent(tensor, tangent)
    made = _crossing.dual(mine, tensor, tangent)
    if tensor.stride() == tangent.stride():
        made.__dict__["_tangent"] = (mine, made._storage.expr, tangent)  # what `unpack_dual` gives back as long as nothing has changed
    return made


class UnpackedDualTensor(NamedTuple):
    """What `unpack_dual` returns: the value, and the tangent or None."""

    primal: Tensor
    tangent: Tensor | None


UnpackedDualTensor.__module__ = "torch.autograd.forward_ad"
UnpackedDualTensor.__reduce_ex__ = reduce_fields  # type: ignore[method-assign]


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """Value and tangent of a tensor (tangent None when it has none, or outside of any level)."""
    if level is None:
        level = _current_level
    if level < 0 or level >= len(_ENTERED):
        return UnpackedDualTensor(tensor, None)
    mine = _ENTERED[level]
    known: Any = tensor.__dict__.get("_tangent")
    tangent = _crossing.tangent_part(mine, tensor)
    if tangent is None:
        return UnpackedDualTensor(tensor, None)
    if known is not None and known[0] is mine and known[1] is tensor._storage.expr:
        tangent = known[2]
    return UnpackedDualTensor(_crossing.primal_part(mine, tensor), tangent)


class dual_level(_Mode):
    """A forward level for the length of a block. Context manager and decorator."""

    __module__ = "torch.autograd.forward_ad"

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *exc) -> None:
        exit_dual_level()


class _FwdGrad:
    enabled = True


def _is_fwd_grad_enabled() -> bool:
    return _FwdGrad.enabled


class _set_fwd_grad_enabled(_Mode):
    """Whether tangents are given to tensors (by `make_dual`)."""

    def __init__(self, mode: bool):
        self.prev, self.mode = _FwdGrad.enabled, mode
        _FwdGrad.enabled = mode

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc) -> None:
        _FwdGrad.enabled = self.prev

    def _clone(self):
        return type(self)(self.mode)


__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]
