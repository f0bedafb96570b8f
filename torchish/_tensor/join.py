"""Joining and repeating tensors, where PyTorch composes it of other operations."""

from __future__ import annotations

import itertools

import numpy as np

from torchish import _dtypes as dt
from torchish._tensor import host
from torchish._tensor.apply import apply
from torchish._tensor.creation import from_host
from torchish._tensor.data import triggered, warn_once
from torchish._tensor.dispatch import call, composite, plain
from torchish._tensor.errors import not_a_tensor, plain_type_name
from torchish._tensor.layout import CONTIGUOUS
from torchish._tensor.size import Size
from torchish._tensor.tensor import Tensor
from torchish._tensor.views import expand, flatten, reshape, unsqueeze, view
from torchish.ops import index as ix
from torchish.ops import join, manipulate
from torchish.ops.declare import broadcast_shapes
from torchish.ops.dims import wrap_dim


def _not_empty(tensors: tuple, name: str) -> None:
    if not tensors:
        raise RuntimeError(f"{name} expects a non-empty TensorList")


@composite("cat(Tensor[] tensors, int dim=0)", method=False, out=True, aliases=("concat", "concatenate"))
def cat(tensors: tuple[Tensor, ...], dim: int) -> Tensor:
    """Join tensors along a dimension; the other sizes must agree (tensors of shape [0] are left out)."""
    if len(tensors) >= host.MANY and (made := host.joined(tensors, dim, np.concatenate)) is not None:
        return made
    return apply(join.cat.spec((len(tensors),), (dim,)), tensors)


@composite("stack(Tensor[] tensors, int dim=0)", method=False, out=True)
def stack(tensors: tuple[Tensor, ...], dim: int) -> Tensor:
    """Join tensors of one shape along a new dimension."""
    if len(tensors) >= host.MANY and (made := host.joined(tensors, dim, np.stack)) is not None:
        return made
    return apply(join.stack.spec((len(tensors),), (dim,)), tensors)


@composite("hstack(Tensor[] tensors)", method=False, out=True)
def hstack(tensors: tuple[Tensor, ...]) -> Tensor:
    """Join tensors column-wise (vectors end to end)."""
    _not_empty(tensors, "hstack")
    parts = [at_least_1d(t) for t in tensors]
    return cat(tuple(parts), 0 if parts[0]._aval.ndim == 1 else 1)


@composite("vstack(Tensor[] tensors)", method=False, out=True, aliases=("row_stack",))
def vstack(tensors: tuple[Tensor, ...]) -> Tensor:
    """Join tensors row-wise (vectors are rows)."""
    _not_empty(tensors, "vstack")
    return cat(tuple([at_least_2d(t) for t in tensors]), 0)


@composite("dstack(Tensor[] tensors)", method=False, out=True)
def dstack(tensors: tuple[Tensor, ...]) -> Tensor:
    """Join tensors along the third dimension."""
    _not_empty(tensors, "dstack")
    return cat(tuple([at_least_3d(t) for t in tensors]), 2)


@composite("column_stack(Tensor[] tensors)", method=False, out=True)
def column_stack(tensors: tuple[Tensor, ...]) -> Tensor:
    """Join tensors as columns (a vector is one column)."""
    _not_empty(tensors, "column_stack")
    return hstack(tuple(t if t._aval.ndim > 1 else reshape(t, (t._aval.size, 1)) for t in tensors))


def at_least_1d(t: Tensor) -> Tensor:
    return view(t, (1,)) if t._aval.ndim == 0 else t


def at_least_2d(t: Tensor) -> Tensor:
    n = t._aval.ndim
    return view(t, (1, 1)) if n == 0 else unsqueeze(t, 0) if n == 1 else t


def at_least_3d(t: Tensor) -> Tensor:
    n = t._aval.ndim
    if n == 0:
        return view(t, (1, 1, 1))
    if n == 1:
        return unsqueeze(unsqueeze(t, 0), -1)
    return unsqueeze(t, -1) if n == 2 else t


def tensors_or_sequence(args: tuple) -> tuple:
    """The tensors of `f(a, b)` and of `f([a, b])`; TypeError for what is no tensor."""
    tensors = tuple(args[0]) if len(args) == 1 and isinstance(args[0], (list, tuple)) else args
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            raise not_a_tensor(i, 0, t)
    return tensors


def _at_least(name: str, f) -> None:
    def at_least(*tensors):
        if len(tensors) == 1 and isinstance(tensors[0], Tensor):
            return f(tensors[0])
        if len(tensors) == 1 and not isinstance(tensors[0], (list, tuple)):
            kind = plain_type_name(tensors[0])
            why = f"      didn't match because some of the arguments have invalid types: (!{kind}!)\n"
            raise TypeError(
                f"{name}() received an invalid combination of arguments - got ({kind}), but expected one of:\n"
                f" * (Tensor input)\n{why} * (tuple of Tensors tensors)\n{why}"
            )
        return tuple(f(t) for t in tensors_or_sequence(tensors))

    at_least.__name__ = at_least.__qualname__ = name
    at_least.__doc__ = f"The tensor (or a tuple of the tensors) with at least {name[8]} dimension(s)."
    plain(name)(at_least)


_at_least("atleast_1d", at_least_1d)
_at_least("atleast_2d", at_least_2d)
_at_least("atleast_3d", at_least_3d)


@plain("block_diag")
def block_diag(*tensors) -> Tensor:
    """Matrices put on the diagonal of one matrix (vectors are rows, scalars 1 by 1)."""
    tensors = tensors_or_sequence(tensors)
    if not tensors:
        return from_host(np.zeros((1, 0), dt.get_default_dtype().np))
    return apply(join.block_diag.spec((len(tensors),), ()), tuple(tensors))


# --- repeating -----------------------------------------------------------------------------------------------


@composite("repeat(Tensor input, int[]* repeats)", function=False)
def repeat(input: Tensor, repeats: tuple[int, ...]) -> Tensor:
    """The tensor repeated along each dimension (new ones in front)."""
    if len(repeats) < input._aval.ndim:
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    return apply(manipulate.repeat.spec(("T",), (repeats,)), (input,))


@composite("tile(Tensor input, int[]* dims)")
def tile(input: Tensor, dims: tuple[int, ...]) -> Tensor:
    """The tensor repeated along its last dimensions."""
    n = input._aval.ndim - len(dims)
    return repeat(input, (1,) * n + tuple(dims))


@composite("repeat_interleave(Tensor input, int repeats, int? dim=None, *, int? output_size=None)")
def repeat_interleave(input: Tensor, repeats: int, dim: int | None = None, *, output_size: int | None = None) -> Tensor:
    """Each element repeated `repeats` times along a dimension (none: of the flattened tensor)."""
    if dim is None:
        input, dim = flatten(input), 0
    dim = wrap_dim(dim, max(input._aval.ndim, 1))
    if repeats < 0:
        raise RuntimeError("Repeats must be non-negative")
    shape = input._aval.shape
    if not shape:
        raise IndexError(f"Dimension out of range (expected to be in range of [-1, 0], but got {dim + 1})")
    wide = expand(unsqueeze(input, dim + 1), (*shape[: dim + 1], repeats, *shape[dim + 1 :]))
    copied = wide.clone(memory_format=CONTIGUOUS)
    return view(copied, (*shape[:dim], shape[dim] * repeats, *shape[dim + 1 :]))


@composite("repeat_interleave(Tensor input, Tensor repeats, int? dim=None, *, int? output_size=None)")
def repeat_interleave_each(
    input: Tensor, repeats: Tensor, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element repeated as often as `repeats` says."""
    if dim is None:
        input, dim = flatten(input), 0
    dim = wrap_dim(dim, max(input._aval.ndim, 1))
    n = input._aval.shape[dim] if input._aval.ndim else 1
    if repeats._aval.ndim == 0 or repeats._aval.shape == (1,):
        repeats = expand(repeats.reshape(1), (n,))
    elif repeats._aval.ndim != 1:
        raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
    elif repeats._aval.shape[0] != n:
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got repeats.size(0) = "
            f"{repeats._aval.shape[0]} and input.size({dim}) = {n}"
        )
    index = positions_repeated(repeats, output_size=output_size)
    return apply(ix.index_select.spec(("T", "T"), (dim,)), (input, index))


@composite("repeat_interleave(Tensor repeats, *, int? output_size=None)")
def positions_repeated(repeats: Tensor, *, output_size: int | None = None) -> Tensor:
    """0, 1, 2, …, each repeated as often as `repeats` says."""
    if repeats._aval.ndim != 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    d = repeats._aval.torch_dtype
    if d not in (dt.int64, dt.int32):
        raise NotImplementedError(f"\"repeat_interleave_cpu\" not implemented for '{dt.SCALAR_TYPE_NAMES[d]}'")
    counts = repeats._host()
    if (counts < 0).any():
        raise RuntimeError("repeats can not be negative")
    if output_size is not None and counts.sum() != output_size:
        raise RuntimeError("allocated size does not match required size")
    return from_host(np.repeat(np.arange(len(counts), dtype=counts.dtype), counts), repeats._aval.device)


# --- broadcasting --------------------------------------------------------------------------------------------


@plain("broadcast_tensors")
def broadcast_tensors(*tensors) -> tuple[Tensor, ...]:
    """The tensors expanded to their common shape: views, or the tensors themselves where they have it."""
    tensors = tensors_or_sequence(tensors)
    shape = broadcast_shapes([t._aval.shape for t in tensors])
    return tuple(t if t._aval.shape == shape else expand(t, shape) for t in tensors)


@plain("broadcast_shapes")
def broadcast_sizes(*shapes) -> Size:
    """The broadcast of several shapes (tuples or ints); RuntimeError when they do not agree."""
    sizes = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    n = max((len(s) for s in sizes), default=0)
    out = [1] * n
    for k, s in enumerate(sizes):
        if any(i < 0 for i in s):
            raise ValueError("Attempting to broadcast a dimension with negative length!")
        for i in range(-1, -1 - len(s), -1):
            if s[i] == 1 or s[i] == out[i]:
                continue
            if out[i] != 1:
                raise RuntimeError(
                    f"Attempting to broadcast a dimension of length {s[i]} at {i}! Mismatching argument at index {k} "
                    f"had {s}; "
                    f"but expected shape should be broadcastable to {out}"
                )
            out[i] = s[i]
    return Size(out)


@plain("meshgrid")
def meshgrid(*tensors, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Coordinate grids of several vectors, as views: 'ij' in the order given, 'xy' with the first two swapped."""
    tensors = tensors_or_sequence(tensors)
    _not_empty(tensors, "meshgrid")
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            raise not_a_tensor(i, 0, t)
        if t._aval.dtype != tensors[0]._aval.dtype:
            raise RuntimeError("meshgrid expects all tensors to have the same dtype")
    if indexing is None:
        text = "torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument."
        warn_once(text + triggered("aten/src/ATen/native/TensorShape.cpp:4215"))
        indexing = "ij"
    for t in tensors:
        if t._aval.ndim > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {t}")
        if t.device != tensors[0].device:
            raise RuntimeError("meshgrid expects all tensors to have the same device")
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    swap = indexing == "xy" and len(tensors) >= 2
    if swap:
        tensors = (tensors[1], tensors[0], *tensors[2:])
    shape = tuple(t._aval.size for t in tensors)
    grids = [
        expand(view(t, (1,) * i + (n,) + (1,) * (len(shape) - i - 1)), shape)
        for i, (t, n) in enumerate(zip(tensors, shape, strict=True))
    ]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


@plain("cartesian_prod")
def cartesian_prod(*tensors) -> Tensor:
    """All combinations of one element from each vector, as rows."""
    tensors = tensors_or_sequence(tensors)
    for t in tensors:
        if t._aval.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(t.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return call(join.stack, [flatten(g) for g in meshgrid(*tensors, indexing="ij")], 1)


@composite("combinations(Tensor input, int r=2, bool with_replacement=False)", method=False)
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All r-element subsets of a vector, as rows, in order."""
    if input._aval.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return from_host(np.zeros((0,), input._aval.dtype), input._aval.device)
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = np.array(list(choose(range(input._aval.shape[0]), r)), np.int64).reshape(-1, r)
    columns = [from_host(np.ascontiguousarray(rows[:, i]), input._aval.device) for i in range(r)]
    return call(join.stack, [apply(ix.take.spec(("T", "T"), ()), (input, c)) for c in columns], 1)
