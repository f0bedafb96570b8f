"""Views that only methods and attributes of tensors show: `x.T`, `x.real`, `x.size()`, and the in-place forms."""

from __future__ import annotations

from typing import Any

from torchish._tensor.apply import set_history
from torchish._tensor.data import triggered, warn_once
from torchish._tensor.dispatch import takes
from torchish._tensor.refusals import check_inplace
from torchish._tensor.tensor import Tensor, readonly
from torchish._tensor.views import (
    as_strided,
    conj,
    imag,
    permute,
    real,
    squeeze,
    squeeze_dim,
    squeeze_dims,
    t,
    transpose,
    unsqueeze,
)
from torchish.autograd.grad_mode import STATE
from torchish.autograd.graph import GradFn, named
from torchish.ops.dims import wrap_dim


def _transposed_property(name: str):
    def get(self: Tensor) -> Tensor:
        n = self._aval.ndim
        if n == 0 and name != "T":
            return self
        if name == "H" and n != 2:
            more = " For batches of matrices, consider using tensor.mH" if n > 2 else ""
            raise RuntimeError(f"tensor.{name} is only supported on matrices (2-D tensors). Got {n}-D tensor.{more}")
        if name in ("mT", "mH") and n < 2:
            raise RuntimeError(
                f"tensor.{name} is only supported on matrices or batches of matrices. Got {n}-D tensor."
            )
        if name == "T":
            if n == 2:
                made = t(self)
                if made._grad_fn is not None:
                    made._grad_fn.__class__ = named("PermuteBackward0", GradFn)
                return made
            _warn_of_reversal(n > 0)
            return permute(self, tuple(reversed(range(n))))
        out = transpose(self, -2, -1)
        return conj(out) if name in ("H", "mH") else out

    get.__name__ = name
    return readonly(get)


def _warn_of_reversal(dimensions: bool) -> None:
    warn_once(
        "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will throw an error in a future "
        "release. Consider `x.mT` to transpose batches of matrices or `x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the "
        "dimensions of a tensor." + triggered("aten/src/ATen/native/TensorShape.cpp:4314")
        if dimensions
        else "Tensor.T is deprecated on 0-D tensors. This function is the identity in these cases."
        + triggered("aten/src/ATen/native/TensorShape.cpp:4321")
    )


for _n in ("T", "H", "mT", "mH"):
    setattr(Tensor, _n, _transposed_property(_n))

Tensor.real = property(real, lambda self, value: real(self).copy_(value))  # type: ignore[attr-defined]
Tensor.imag = property(imag, lambda self, value: imag(self).copy_(value))  # type: ignore[attr-defined]


# --- in-place forms: the tensor itself gets the new geometry -------------------------------------------------


def _inplace(name: str, f, grad_name, *arguments: str):
    @takes(*[f"{name}(Tensor input{a})" for a in arguments])
    def method(self: Tensor, *args):
        check_inplace(self, STATE.enabled and self._needs(), name)
        seen = f(self, *args)
        base, grad_fn = self._base, seen._grad_fn
        step = seen._chain[-1] if len(seen._chain) > len(self._chain) else None
        self._chain, self._aval, self._strides, self._offset = seen._chain, seen._aval, seen._strides, seen._offset
        self._cached, self._stamp = seen._cached, seen._stamp
        if base is not None and step is not None:
            self._steps = (*self._steps, step)
        self._reshaped = True
        if grad_fn is not None:
            grad_fn.__class__ = named(grad_name if isinstance(grad_name, str) else grad_name(*args), GradFn)
            set_history(self, grad_fn, 0)
        self._vc.version += 1
        if STATE.enabled:
            self._attr_version = self._vc.version
        return self

    method.__name__ = method.__qualname__ = name
    setattr(Tensor, name, method)


_inplace(
    "squeeze_",
    lambda t, dim=None: squeeze(t) if dim is None else squeeze_dims(t, dim) if isinstance(dim, (tuple, list)) else squeeze_dim(t, dim),
    lambda dim=None: f"SqueezeBackward{3 if dim is None else 5 if isinstance(dim, (tuple, list)) else 4}",
    "", ", int dim", ", int[!] dim",
)  # fmt: skip
_inplace("unsqueeze_", unsqueeze, "UnsqueezeBackward1", ", int dim")
_inplace("transpose_", transpose, "TransposeBackward1", ", int dim0, int dim1")
_inplace("swapaxes_", transpose, "TransposeBackward1", ", int axis0, int axis1")
_inplace("swapdims_", transpose, "TransposeBackward1", ", int dim0, int dim1")
_inplace("t_", lambda x: t(x) if x.ndim <= 2 else _too_many(x), "TBackward1", "")
_inplace(
    "as_strided_",
    lambda t, size, stride, storage_offset=None: as_strided(t, tuple(size), tuple(stride), storage_offset),
    "AsStridedBackward1",
    ", int[!] size, int[!] stride, int? storage_offset=None",
)


def _too_many(x: Tensor):
    raise RuntimeError(f"t_() expects a tensor with <= 2 dimensions, but self is {x.ndim}D")


@takes("stride(Tensor input, int? dim=None)")
def stride_of(self: Tensor, dim: int | None) -> Any:
    """The stride of one dimension."""
    if dim is None:
        return self.stride()
    return self.stride()[wrap_dim(dim, self._aval.ndim, scalar=False)] if self._aval.ndim else _no_dims(dim)


_size_of = takes("size(Tensor input, int? dim=None)")(lambda self, dim: size(self, dim))


def size(self: Tensor, dim: int | None = None, *more: Any, **named: Any):
    """The shape, or the size of one dimension."""
    if more or named:
        return _size_of(self, dim, *more, **named) if more or dim is not None else _size_of(self, **named)
    if dim is None:
        return self.shape
    if type(dim) is not int:
        return _size_of(self, dim)
    return self._aval.shape[wrap_dim(dim, self._aval.ndim, scalar=False)] if self._aval.ndim else _no_dims(dim)


def _no_dims(dim):
    raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")


Tensor.size = size  # type: ignore[attr-defined]
