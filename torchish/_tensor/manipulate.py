"""Rearranging tensors where views and copies take part: diagonals, padding, the `*_copy` and `*_scatter` forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish._dtypes import NUMBER_KINDS
from torchish._tensor import split
from torchish._tensor import views as v
from torchish._tensor.apply import apply, scatter_spec
from torchish._tensor.creation import from_host, like_strides
from torchish._tensor.dispatch import call, composite, takes
from torchish._tensor.indexing import fitting
from torchish._tensor.layout import CONTIGUOUS, in_order_of
from torchish._tensor.size import resolve
from torchish._tensor.storage import VersionCounter, contiguous_strides
from torchish._tensor.tensor import Tensor
from torchish.autograd.graph import GradFn, named
from torchish.ops import manipulate as ops
from torchish.ops.reduce import sum_, sum_dim

# --- diagonals -----------------------------------------------------------------------------------------------


@composite("diag(Tensor input, int diagonal=0)", out=True)
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A vector as the diagonal of a square matrix, or the diagonal of a matrix as a vector."""
    n = input._aval.ndim
    if n == 1:
        return call(ops.diag_embed, input, diagonal)
    if n == 2:
        return diagonal_copy(input, diagonal)
    raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {n}D")


@composite("diagflat(Tensor input, int offset=0)")
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The flattened tensor as the diagonal of a square matrix."""
    return call(ops.diag_embed, v.view(input.contiguous(), (-1,) if input._aval.size else (0,)), offset)


@composite("fill_diagonal_(Tensor input, Number fill_value, bool wrap=False)", function=False)
def fill_diagonal_(input: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Write a value on the diagonal (of a tall matrix again and again when `wrap`)."""
    shape = input._aval.shape
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and any(n != shape[0] for n in shape):
        raise RuntimeError("all dimensions of input must be of equal length")
    step = sum(input.stride())
    size = min(shape)
    main = v.as_strided(input, (size,), (step,), input._offset)
    main.fill_(fill_value)
    if wrap and len(shape) == 2 and shape[0] > shape[1] + 1:
        rows, columns = shape
        step0, step1 = input.stride()
        starts = range(columns + 1, rows, columns + 1)
        for r in starts:
            n = min(columns, rows - r)
            v.as_strided(input, (n,), (step0 + step1,), input._offset + r * step0).fill_(fill_value)
    return input


# --- copies of views ---------------------------------------------------------------------------------------


def copied(input: Tensor, look: Callable[[Tensor], Tensor], name: str | None = None) -> Tensor:
    """What a view shows, as a tensor of its own whose gradient function is the view's, named as a copy."""
    seen = look(input._alias())
    if len(seen._chain) == len(input._chain) and seen._aval.shape == input._aval.shape:
        return input.clone(memory_format=CONTIGUOUS)
    step = seen._chain[-1]
    made = apply(step.spec, (input, *step.dynamic))
    if made._grad_fn is not None:
        made._grad_fn.__class__ = named(name or f"{step.spec.op.grad_name}_copy", GradFn)
    return made


def _copy_form(signature: str, look: Callable, grad: Callable[..., str | None] = lambda *args: None) -> None:
    name = signature.partition("(")[0]

    def f(input, *args):
        return copied(input, lambda t: look(t, *args), grad(*args))

    f.__doc__ = f"`{name.removesuffix('_copy')}` with memory of its own."
    composite(signature, method=False, out=True)(f)


def diagonal_copy(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    return copied(input, lambda t: v.diagonal(t, offset, dim1, dim2))


def _slice(t: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Tensor:
    if not t._aval.ndim:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    d = v.wrap_dim(dim, t._aval.ndim)
    begin, length = v.slice_bounds(t._aval.shape[d], start, end, step)
    return v.slice_dim(t, d, begin, length, step)


_copy_form("view_copy(Tensor input, int[!] size)", v.reshape)
_copy_form("view_copy(Tensor input, dtype dtype)", v.view_dtype)
_copy_form("expand_copy(Tensor input, int[!] size)", v.expand)
_copy_form("select_copy(Tensor input, int dim, int index)", v.select)
_copy_form("slice_copy(Tensor input, int dim=0, int? start=None, int? end=None, int step=1)", _slice)
_copy_form("diagonal_copy(Tensor input, int offset=0, int dim1=0, int dim2=1)", v.diagonal)
_copy_form("t_copy(Tensor input)", v.t)
_copy_form("permute_copy(Tensor input, int[] dims)", v.permute)
_copy_form("transpose_copy(Tensor input, int dim0, int dim1)", v.transpose)
_copy_form("unsqueeze_copy(Tensor input, int dim)", v.unsqueeze)
_copy_form("squeeze_copy(Tensor input)", v.squeeze, lambda: "SqueezeBackward0_copy")
_copy_form("squeeze_copy(Tensor input, int dim)", v.squeeze_dim, lambda dim: "SqueezeBackward1_copy")
_copy_form("squeeze_copy(Tensor input, int[] dim)", v.squeeze_dims, lambda dim: "SqueezeBackward2_copy")
_copy_form("alias_copy(Tensor input)", v.alias)
_copy_form("unfold_copy(Tensor input, int dimension, int size, int step)", v.unfold)
_copy_form("view_as_complex_copy(Tensor input)", v.view_as_complex)
def _narrowed(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    if dim >= input._aval.ndim > 0:
        raise RuntimeError(
            "Expected dim < static_cast<int64_t>(self_sizes.size()) to be true, but got false.  (Could this error message be "
            "improved?  If so, please report an enhancement request to PyTorch.)"
        )
    if length < 0:
        v.narrow(input, dim, start, 0)
        n = input._aval.shape[dim]
        raise RuntimeError(f"start ({start + n if start < 0 else start}) + length ({length}) exceeds dimension size ({n}).")
    return v.narrow(input, dim, start, length)


_copy_form("narrow_copy(Tensor input, int dim, int start, int length)", _narrowed, lambda *a: "NarrowCopyBackward0")
composite("narrow_copy(Tensor input, int dim, int start, int length)", function=False)(
    lambda input, dim, start, length: copied(input, lambda t: _narrowed(t, dim, start, length), "NarrowCopyBackward0")
)


@composite("detach_copy(Tensor input)", method=False)
def detach_copy(input: Tensor) -> Tensor:
    """A copy outside autograd."""
    return input.detach().clone()


@composite("as_strided_copy(Tensor input, int[] size, int[] stride, int? storage_offset=None)", method=False, out=True)
def as_strided_copy(input: Tensor, size: tuple, stride: tuple, storage_offset: int | None = None) -> Tensor:
    """`as_strided` with memory of its own."""
    if input._chain:
        return v.as_strided(input, size, stride, storage_offset).clone(memory_format=CONTIGUOUS)
    made = copied(input, lambda t: v.as_strided(t, size, stride, storage_offset))
    made._strides = made._storage.strides = None  # whatever those of the view are
    return made


def _copies(signature: str, look: Callable, grad: str) -> None:
    name = signature.partition("(")[0]

    def f(input, *args):
        out = []
        for part in look(input._alias(), *args):
            step = part._chain[-1]
            made = apply(step.spec, (input, *step.dynamic))
            if made._grad_fn is not None:
                made._grad_fn.__class__ = named(grad, GradFn)
            out.append(made)
        return tuple(out)

    f.__doc__ = f"`{name.removesuffix('_copy')}` with memory of its own."
    composite(signature, method=False, out=name in ("unbind_copy", "split_with_sizes_copy"))(f)


_copies("unbind_copy(Tensor input, int dim=0)", split.unbind, "UnbindBackward0_copy")
_copies("split_copy(Tensor input, int split_size, int dim=0)", split.split, "SplitBackward0_copy")
_copies(
    "split_with_sizes_copy(Tensor input, int[] split_sizes, int dim=0)",
    split.split_sections,
    "SplitWithSizesBackward0_copy",
)


def _unsafe(signature: str, look: Callable, grad: str) -> None:
    """Declare parts that share the memory of a tensor, of which autograd does not know that they do."""

    def f(input, *args):
        parts = look(input, *args)
        for part in parts:
            part._base, part._steps, part._creation, part._vc = None, (), None, VersionCounter()
            if part._grad_fn is not None:
                part._grad_fn.__class__ = named(grad, split.PartsFn)
        return parts

    f.__doc__ = "Parts that may be changed in place without changing what the gradient of the whole is made of."
    composite(signature)(f)


_unsafe("unsafe_split(Tensor input, int split_size, int dim=0)", split.split, "UnsafeSplitBackward0")
_unsafe("unsafe_split_with_sizes(Tensor input, int[] split_sizes, int dim=0)", split.split_sections, "UnsafeSplitWithSizesBackward0")
_unsafe("unsafe_chunk(Tensor input, int chunks, int dim=0)", split.chunk, "UnsafeSplitBackward0")


# --- writing into a copy -------------------------------------------------------------------------------------


def scattered(input: Tensor, src: Tensor, look: Callable[[Tensor], Tensor], grad: str) -> Tensor:
    """A copy of `input` with `src` written where a view looks."""
    seen = look(input._alias())
    if src._aval.shape != seen._aval.shape:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = "
            f"{list(seen.shape)}"
        )
    if src._aval.dtype != input._aval.dtype:
        src = src.to(input.dtype)
    step = seen._chain[-1]
    made = apply(scatter_spec(step.spec), (input, src, *step.dynamic))
    if made._grad_fn is not None:
        made._grad_fn.__class__ = named(grad, GradFn)
    return in_order_of(input, made)


@composite("select_scatter(Tensor input, Tensor src, int dim, int index)")
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy with `src` at one index of a dimension."""
    return scattered(input, src, lambda t: v.select(t, dim, index), "SelectScatterBackward0")


@composite("slice_scatter(Tensor input, Tensor src, int dim=0, int? start=None, int? end=None, int step=1)", out=True)
def slice_scatter(input: Tensor, src: Tensor, dim: int = 0, start=None, end=None, step: int = 1) -> Tensor:
    """A copy with `src` at a slice of a dimension."""
    return scattered(input, src, lambda t: _slice(t, dim, start, end, step), "SliceScatterBackward0")


@composite("diagonal_scatter(Tensor input, Tensor src, int offset=0, int dim1=0, int dim2=1)")
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy with `src` on a diagonal."""
    return scattered(input, src, lambda t: v.diagonal(t, offset, dim1, dim2), "DiagonalScatterBackward0")


@composite("as_strided_scatter(Tensor input, Tensor src, int[] size, int[] stride, int? storage_offset=None)")
def as_strided_scatter(
    input: Tensor, src: Tensor, size: tuple, stride: tuple, storage_offset: int | None = None
) -> Tensor:
    """A copy with `src` where `as_strided` looks."""
    offset = input._offset if storage_offset is None else storage_offset
    v.as_strided(input._alias(), size, stride, storage_offset)  # its errors
    if src._aval.shape != tuple(size):
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = "
            f"{list(size)}"
        )
    src = src if src._aval.dtype == input._aval.dtype else src.to(input.dtype)
    spec = ops.as_strided_scatter.spec(("T", "T"), (input.stride(), tuple(size), tuple(stride), offset - input._offset))
    return in_order_of(input, apply(spec, (input, src)))


@composite("rot90(Tensor input, int k=1, int[!] dims=(0, 1))")
def rot90(input: Tensor, k: int = 1, dims: tuple[int, ...] = (0, 1)) -> Tensor:
    """The plane of two dimensions turned by 90 degrees `k` times, from the first dimension towards the second."""
    n = input._aval.ndim
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if n < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {n}")
    a, b = (v.wrap_dim(d, n) for d in dims)
    if a == b:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    made = apply(ops.rot90.spec(("T",), (k % 4, (a, b))), (input,))
    # PyTorch flips a copy that keeps the memory order, and for odd turns swaps its dimensions
    strides = list(like_strides(input) or contiguous_strides(input._aval.shape))
    if k % 2:
        strides[a], strides[b] = strides[b], strides[a]
    if tuple(strides) != contiguous_strides(made._aval.shape):
        made._strides = made._storage.strides = tuple(strides)
    return made


# --- padding -------------------------------------------------------------------------------------------------


@composite("constant_pad_nd(Tensor input, int[] pad, Number value=0)", method=False)
def constant_pad_nd(input: Tensor, pad: tuple[int, ...], value: Any = 0) -> Tensor:
    """Padding with one value, last dimension first; negative widths crop."""
    fitting(value, input._aval.torch_dtype)
    if type(value) is float and input._aval.category == 1 and value.is_integer() and abs(value) < 2**53:
        value = int(value)  # which takes a sixth of the instructions to convert
    return apply(ops.constant_pad_nd.spec(("T", NUMBER_KINDS[type(value)]), (tuple(pad),)), (input, value))


@composite("nn.functional.pad(Tensor input, int[!] pad, str mode='constant', float? value=None)")
def pad(input: Tensor, pad: tuple[int, ...], mode: str = "constant", value: float | None = None) -> Tensor:
    """Padding of the last dimensions, the last first: with a value, reflected, replicated or circular."""
    n = input._aval.ndim
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) // 2 > n:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(pad)} "
            f"and input of dimension {n}"
        )
    if mode == "constant":
        return constant_pad_nd(input, pad, 0.0 if value is None else value)
    if value not in (None, 0.0):
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if (len(pad), n) not in ((2, 2), (2, 3), (4, 3), (4, 4), (6, 4), (6, 5)):
        raise NotImplementedError(
            f"Padding size {len(pad)} is not supported for {n}D input tensor.\nSupported combinations for "
            "non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )
    op = ops.pad_around if mode == "circular" else ops.pad_edges
    return apply(op.spec(("T",), (tuple(pad), mode)), (input,))


# --- positions -----------------------------------------------------------------------------------------------

_INDICES = "dtype dtype=None, any layout=None, device? device=None, bool? pin_memory=None"


def _tri_indices(name: str, lower: bool) -> None:
    def f(row, col, offset=0, *, dtype=None, layout=None, device=None, pin_memory=None):
        d = dtype or dt.int64
        for what, n in (("row", row), ("col", col)):
            if n < 0:
                raise RuntimeError(f"{what} must be non-negative, got{n}")
        if d not in (dt.int64, dt.int32):
            raise NotImplementedError(f"\"{name}\" not implemented for '{dt.SCALAR_TYPE_NAMES[d]}'")
        return from_host(ops.tri_indices(row, col, offset, lower).astype(d.np), resolve(device))

    f.__doc__ = f"The positions of the {'lower' if lower else 'upper'} triangle of a matrix, as rows of indices (2, n)."
    composite(f"{name}(int row, int col, int offset=0, *, {_INDICES})", method=False)(f)


_tri_indices("tril_indices", True)
_tri_indices("triu_indices", False)


@composite("unravel_index(Tensor indices, any shape)", method=False)
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Flat positions as one tensor of coordinates per dimension of `shape`."""
    if not isinstance(shape, (int, Sequence)):
        raise TypeError(f"expected 'shape' to be int or sequence of ints, but got {type(shape)}")
    if isinstance(shape, Sequence) and (wrong := next((s for s in shape if not isinstance(s, int)), None)) is not None:
        raise TypeError(f"expected 'shape' sequence to only contain ints, but got {type(wrong)}")
    if indices._aval.category != 1:
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    sizes = (int(shape),) if not isinstance(shape, Sequence) else tuple(int(s) for s in shape)
    if any(s < 0 for s in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {sizes}")
    steps = contiguous_strides(sizes) if sizes else (1,)
    device = indices._aval.device
    every = v.unsqueeze(indices, -1).floor_divide(from_host(np.asarray(steps, np.int64), device))
    return split.unbind(every.remainder(from_host(np.asarray(sizes, np.int64), device)), -1)


# --- element by element in Python ------------------------------------------------------------------------------


def _elementwise(self: Tensor, name: str, others: tuple, f: Callable) -> Tensor:
    if self._needs() or any(o._needs() for o in others):
        raise RuntimeError(f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead.")
    arrays = [np.broadcast_to(o._host(), self._aval.shape) for o in (self, *others)]
    out = np.empty(self._aval.shape, self._aval.dtype)
    for i in np.ndindex(*self._aval.shape):
        out[i] = f(*[a[i].item() for a in arrays])
    return self.copy_(from_host(out))


Tensor.apply_ = lambda self, callable: _elementwise(self, "apply_", (), callable)  # type: ignore[attr-defined]
@takes("map_(Tensor input, Tensor other, any callable)")
def map_(self: Tensor, other: Tensor, callable: Callable) -> Tensor:
    """`callable` of each element and the other tensor's, in place."""
    kinds = [dt.TYPE_TEXTS[t.dtype] for t in (self, other)]
    if kinds[0] != kinds[1]:
        raise TypeError(f"map_: expected {kinds[0]} for 'other' (got {kinds[1]})")
    return _elementwise(self, "map_", (other.expand(self._aval.shape),), callable)


Tensor.map_ = map_  # type: ignore[attr-defined]
Tensor.map2_ = lambda self, x, y, callable: _elementwise(self, "map2_", (x, y), callable)  # type: ignore[attr-defined]


# --- broadcasting undone -------------------------------------------------------------------------------------


@composite("sum_to_size(Tensor input, int[]* size)", function=False)
def sum_to_size(input: Tensor, size: Sequence[int]) -> Tensor:
    """The sum over the dimensions in which `size` would be broadcast to the tensor; RuntimeError when it would not."""
    shape, size = input._aval.shape, tuple(size)
    lead = len(shape) - len(size)
    if lead < 0 or any(n not in (1, m) for n, m in zip(size, shape[lead:], strict=True)):
        text = ", ".join(map(str, size)), ", ".join(map(str, shape))
        raise RuntimeError(f"size {{[{text[0]}]}} is not expandable to size {{[{text[1]}]}}.")
    if not size:
        return call(sum_, input)
    dims = [*range(lead), *(lead + i for i, n in enumerate(size) if n == 1 and shape[lead + i] != 1)]
    if dims:
        input = call(sum_dim, input, tuple(dims), True)
    return v.view(input, size) if lead else input
