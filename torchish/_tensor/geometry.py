"""Shapes and strides of views, and the views that lead from one geometry to another over the same memory."""

from __future__ import annotations

from collections.abc import Sequence

from torchish._tensor.storage import contiguous_strides
from torchish._tensor.tensor import Tensor, ViewStep
from torchish.ops import views as v

Shape = tuple[int, ...]


def strided_steps(geometry: tuple, size: Shape, stride: Shape, start: int, target) -> tuple[ViewStep, ...]:
    """The views that lead from a tensor to any geometry, of any dtype, over its memory.

    `geometry` is the tensor's (shape, strides, offset, dtype); `start` counts elements of dtype `target`.
    """
    shape, strides, offset, dtype = geometry
    if dtype == target:
        return (ViewStep(v.as_strided.spec(("T",), (shape, strides, size, stride, start - offset))),)
    n = memory_span(shape, strides)
    steps = [ViewStep(v.as_strided.spec(("T",), (shape, strides, (n,), (1,), 0)))]
    ratio = dtype.itemsize / target.itemsize
    n, offset = int(n * ratio), int(offset * ratio)
    if dtype.kind == "c" and ratio == 2:
        steps += [ViewStep(v.view_as_real.spec(("T",), ())), ViewStep(v.view.spec(("T",), ((n,),)))]
    elif target.kind == "c" and ratio == 0.5:
        steps += [ViewStep(v.view.spec(("T",), ((n, 2),))), ViewStep(v.view_as_complex.spec(("T",), ()))]
    else:
        steps.append(ViewStep(v.view_dtype.spec(("T",), (target,))))
    steps.append(ViewStep(v.as_strided.spec(("T",), ((n,), (1,), size, stride, start - offset))))
    return tuple(steps)


def root_steps(t: Tensor, size: Shape, stride: Shape, start: int) -> tuple[ViewStep, ...]:
    """The views that lead from the root of the storage of `t` to a geometry over its memory, in the dtype of `t`."""
    st = t._storage
    steps = strided_steps((st.shape, st.root_strides(), 0, st.expr.aval.dtype), size, stride, start, t._aval.dtype)
    return steps + conjugations(t._chain)


def conjugations(steps: tuple[ViewStep, ...]) -> tuple[ViewStep, ...]:
    """What remains of the conjugations among some views: one, or none."""
    return (ViewStep(v.conj.spec(("T",), ())),) if sum(s.spec.name == "conj" for s in steps) % 2 else ()


def memory_span(shape: Shape, strides: Shape) -> int:
    """How many elements of memory a strided array reaches over."""
    return 0 if 0 in shape else 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))


def infer_size(size: Sequence[int], numel: int) -> Shape:
    """Replace one -1 in a requested shape; RuntimeError with PyTorch's messages when it does not fit."""
    unknown, product = None, 1
    for i, s in enumerate(size):
        if s == -1:
            if unknown is not None:
                raise RuntimeError("only one dimension can be inferred")
            unknown = i
        elif s < 0:
            raise RuntimeError(f"invalid shape dimension {s} at index {i} of shape {list(size)}")
        else:
            product *= s
    if unknown is not None:
        if product == 0:
            if numel == 0:
                raise RuntimeError(
                    f"cannot reshape tensor of 0 elements into shape {list(size)} because the unspecified dimension size "
                    "-1 can be any value and is ambiguous"
                )
        elif numel % product == 0:
            return tuple(numel // product if s == -1 else s for s in size)
    elif product == numel:
        return tuple(size)
    raise RuntimeError(f"shape '{list(size)}' is invalid for input of size {numel}")


def view_strides(old_shape: Shape, old_strides: Shape, new_shape: Shape) -> Shape | None:
    """Strides that show memory in a new shape, or None when no strides can."""
    if 0 in old_shape:
        return old_strides if old_shape == new_shape else contiguous_strides(new_shape)
    if not old_shape:
        return (1,) * len(new_shape)
    out = [0] * len(new_shape)
    view_d = len(new_shape) - 1
    chunk_base = old_strides[-1]
    tensor_numel = view_numel = 1
    for d in range(len(old_shape) - 1, -1, -1):
        tensor_numel *= old_shape[d]
        if d == 0 or (old_shape[d - 1] != 1 and old_strides[d - 1] != tensor_numel * chunk_base):
            while view_d >= 0 and (view_numel < tensor_numel or new_shape[view_d] == 1):
                out[view_d] = view_numel * chunk_base
                view_numel *= new_shape[view_d]
                view_d -= 1
            if view_numel != tensor_numel:
                return None
            if d > 0:
                chunk_base = old_strides[d - 1]
                tensor_numel = view_numel = 1
    return tuple(out) if view_d == -1 else None


def without(t: Shape, i: int) -> Shape:
    return t[:i] + t[i + 1 :]
