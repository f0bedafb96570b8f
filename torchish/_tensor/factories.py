"""Tensors of one value, and the identity: `zeros`, `ones`, `empty`, `full`, their `_like` and `new_` forms, `eye`."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish._tensor.apply import cast_expr, set_history
from torchish._tensor.creation import check_size, filled, from_host, like_strides, tensor
from torchish._tensor.data import infer_dtype
from torchish._tensor.dispatch import composite
from torchish._tensor.indexing import fitting
from torchish._tensor.methods import format_strides
from torchish._tensor.out import refuse_history, resize
from torchish._tensor.out_rules import SEQUENCES
from torchish._tensor.refusals import refuse_repeats
from torchish._tensor.size import resolve
from torchish._tensor.storage import contiguous_strides
from torchish._tensor.tensor import Tensor
from torchish.engine.expr import CPU, TRACED, Expr

OPTIONS = "dtype? dtype=None, any layout=None, device? device=None, bool? pin_memory=False, bool? requires_grad=False"


def layout_is_strided(layout: Any) -> None:
    if layout is not None and str(layout) != "torch.strided":
        raise NotImplementedError(f"torchish tensors are strided; got layout {layout}")


def factory_dtype(dtype: dt.dtype | None, out: Tensor | None, default: dt.dtype | None = None) -> dt.dtype:
    """The dtype to make: that of `out` when it is given (RuntimeError when both are, and differ)."""
    if out is None:
        return dtype or default or dt.get_default_dtype()
    d = out._aval.torch_dtype
    if dtype is not None and dtype is not d:
        names = dt.SCALAR_TYPE_NAMES
        raise RuntimeError(f"dtype {names[dtype]} does not match dtype of out parameter ({names[d]})")
    return d


def into(name: str, out: Tensor | None, made: Tensor, *inputs: Any) -> Tensor:
    """Put a new tensor, made of `inputs`, into `out`, resized as needed (None: the tensor itself)."""
    if out is None:
        return made
    history = refuse_history(name, [x for x in inputs if isinstance(x, Tensor)], (out,), (made,))
    if out._aval.shape != made._aval.shape:
        resize(out, made._aval.shape)
    if name in SEQUENCES:
        refuse_repeats(out)
    out._write(cast_expr(made._read(), out._aval.dtype))
    out._vc.version += 1
    if history is not None and out._aval.category >= 2:
        set_history(out, history(out._aval), 0)
    return out


def device_like(t: Tensor) -> str:
    """Where to make a tensor like `t`: inside a transform, where its values come from."""
    where = t._aval.device
    return CPU if where is TRACED else where


def like_batches(t: Tensor, made: Tensor) -> Tensor:
    """A new tensor, once for each example where `t` is a batch."""
    e = t._storage.expr
    if type(e) is not Expr:
        from torchish._tensor.levels import spread_like

        spread_like(e, made)
    return made


def _with_format(size: tuple[int, ...], memory_format: Any):
    """Strides of a new tensor in a memory format (None: contiguous)."""
    if memory_format is None:
        return None
    if memory_format.name == "preserve_format":
        raise RuntimeError("unsupported memory format Preserve")
    meta = filled(size, 0.0, dt.float32, "meta")
    return format_strides(meta, memory_format)


def _filled_forms(name: str, value: float) -> None:
    formats = name == "empty"
    extra = ", format? memory_format=None" if formats else ""

    def new(
        size,
        *,
        out=None,
        dtype=None,
        layout=None,
        device=None,
        pin_memory=False,
        requires_grad=False,
        memory_format=None,
    ):
        layout_is_strided(layout)
        if name == "zeros" and any(s < 0 for s in size):
            raise RuntimeError("zeros: Dimension size must be non-negative.")
        size = check_size(size)
        d = factory_dtype(dtype, out)
        if out is not None and name == "empty":
            return out.resize_(size)
        made = filled(size, value, d, resolve(device), bool(requires_grad), _with_format(size, memory_format))
        return into(name, out, made)

    def like(input, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False, memory_format=None):
        layout_is_strided(layout)
        where = device_like(input) if device is None else resolve(device)
        strides = like_strides(input) if memory_format is None else format_strides(input, memory_format)
        return like_batches(input, filled(input._aval.shape, value, dtype or input.dtype, where, bool(requires_grad), strides))

    def new_like(self, size, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
        layout_is_strided(layout)
        where = device_like(self) if device is None else resolve(device)
        return like_batches(self, filled(check_size(size), value, dtype or self.dtype, where, bool(requires_grad)))

    what = {"zeros": "zeros", "ones": "ones", "empty": "unspecified values (zeros here)"}[name]
    new.__doc__ = f"A tensor of {what} with shape `size`."
    like.__doc__ = f"A tensor of {what} with the shape, dtype, device and memory order of `input`."
    new_like.__doc__ = f"A tensor of {what} with this tensor's dtype and device."
    composite(f"{name}(int[]* size, *, Tensor? out=None, {OPTIONS}{extra})", method=False)(new)
    composite(f"{name}_like(Tensor input, *, {OPTIONS}, format? memory_format=None)", method=False)(like)
    composite(f"new_{name}(Tensor input, int[]* size, *, {OPTIONS})", function=False)(new_like)


_filled_forms("zeros", 0.0)
_filled_forms("ones", 1.0)
_filled_forms("empty", 0.0)


@composite(f"full(int[!] size, Number fill_value, *, Tensor? out=None, {OPTIONS})", method=False)
def full(size, fill_value, *, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    """A tensor of `fill_value`s with shape `size`."""
    d = factory_dtype(dtype, out, infer_dtype(fill_value))
    value = fitting(fill_value, d)
    return into("full", out, filled(check_size(size), value, d, resolve(device), bool(requires_grad)))


@composite(f"full_like(Tensor input, Number fill_value, *, {OPTIONS}, format? memory_format=None)", method=False)
def full_like(
    input,
    fill_value,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    memory_format=None,
):
    """A tensor of `fill_value`s with the shape, dtype, device and memory order of `input`."""
    where = device_like(input) if device is None else resolve(device)
    d = dtype or input.dtype
    strides = like_strides(input) if memory_format is None else format_strides(input, memory_format)
    return like_batches(input, filled(input._aval.shape, fitting(fill_value, d), d, where, bool(requires_grad), strides))


@composite(f"new_full(Tensor input, int[!] size, Number fill_value, *, {OPTIONS})", function=False)
def new_full(input, size, fill_value, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    """A tensor of `fill_value`s with this tensor's dtype and device."""
    where = device_like(input) if device is None else resolve(device)
    d = dtype or input.dtype
    return like_batches(input, filled(check_size(size), fitting(fill_value, d), d, where, bool(requires_grad)))


@composite(
    "new_tensor(Tensor input, any data, *, dtype? dtype=None, device? device=None, bool requires_grad=False, any "
    "layout=None, "
    "bool pin_memory=False)",
    function=False,
)
def new_tensor(input, data, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """A new leaf with a copy of `data`, in this tensor's dtype and device unless others are given."""
    if isinstance(data, Tensor):
        import warnings

        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than tensor.new_tensor(sourceTensor).",
            stacklevel=4,
        )
        made = data.detach().clone().to(device=device or input.device, dtype=dtype or input.dtype)
        return made.requires_grad_() if requires_grad else made
    return tensor(data, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


@composite(f"scalar_tensor(Number s, *, {OPTIONS})", method=False)
def scalar_tensor(s, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    """A 0-d tensor of the default float dtype (unless another is given)."""
    d = dtype or dt.get_default_dtype()
    checked = dt.float64 if d in (dt.float16, dt.bfloat16) else d  # by which PyTorch makes them
    return filled((), fitting(s, checked), d, resolve(device), bool(requires_grad))


def _strided(size, stride, dtype, where: str, requires_grad: bool) -> Tensor:
    if len(size) != len(stride):
        raise RuntimeError(
            f"dimensionality of sizes ({len(size)}) must match dimensionality of strides ({len(stride)})"
        )
    check_size(size)
    if any(s < 0 for s in stride):
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(size)} and strides={list(stride)}")
    if tuple(stride) == contiguous_strides(size):
        return filled(size, 0.0, dtype, where, requires_grad)
    span = 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) if 0 not in size else 0
    if span == int(np.prod(size)) and 0 not in stride:
        return filled(size, 0.0, dtype, where, requires_grad, tuple(stride))
    # overlapping or scattered memory: a view of a vector
    made = filled((span,), 0.0, dtype, where).as_strided(tuple(size), tuple(stride))
    made._base, made._steps = None, ()
    return made.requires_grad_() if requires_grad else made


@composite(f"empty_strided(int[] size, int[] stride, *, {OPTIONS})", method=False)
def empty_strided(size, stride, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    """A tensor of unspecified values with the given strides."""
    return _strided(size, stride, dtype or dt.get_default_dtype(), resolve(device), bool(requires_grad))


@composite(f"new_empty_strided(Tensor input, int[] size, int[] stride, *, {OPTIONS})", function=False)
def new_empty_strided(
    input, size, stride, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
):
    """A tensor of unspecified values with the given strides and this tensor's dtype and device."""
    where = device_like(input) if device is None else resolve(device)
    return like_batches(input, _strided(size, stride, dtype or input.dtype, where, bool(requires_grad)))


@composite(f"empty_permuted(int[] size, int[] physical_layout, *, {OPTIONS})", method=False)
def empty_permuted(
    size, physical_layout, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
):
    """A dense tensor of unspecified values whose dimensions lie in memory in the given order, outermost first."""
    n = len(size)
    if len(physical_layout) != n:
        raise RuntimeError(
            "Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = "
            f"{n} is not equal to len(physical_layout) = {len(physical_layout)}"
        )
    for d in physical_layout:
        if not 0 <= d < n:
            raise RuntimeError(
                f"Dimension out of range (expected to be between 0 and {n - 1}, but got {d} at index {physical_layout.index(d)}).  "
                "NB: negative dims not currently supported; file an issue if you want it."
            )
    if len(set(physical_layout)) != n:
        raise RuntimeError("Duplicate dim not allowed")
    strides, step = [0] * n, 1
    for d in reversed(physical_layout):
        strides[d] = step
        step *= max(size[d], 1)
    return _strided(size, tuple(strides), dtype or dt.get_default_dtype(), resolve(device), bool(requires_grad))


def _eye(n, m, out, dtype, device, requires_grad) -> Tensor:
    for name, k in (("n", n), ("m", m)):
        if k < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {k}")
    d = factory_dtype(dtype, out)
    return into("eye", out, from_host(np.eye(n, m).astype(d.np), resolve(device), bool(requires_grad)))


@composite(f"eye(int n, *, Tensor? out=None, {OPTIONS})", method=False)
def eye(n, *, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    """The identity matrix (n, n)."""
    return _eye(n, n, out, dtype, device, requires_grad)


@composite(f"eye(int n, int m, *, Tensor? out=None, {OPTIONS})", method=False)
def eye_rectangular(n, m, *, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    """A matrix (n, m) with ones on the diagonal."""
    return _eye(n, m, out, dtype, device, requires_grad)
