"""Searches whose result's shape depends on the values: nonzero, unique and what is built on them.

The positions are found on the host (the shape must be known there); values that carry gradients are then picked by
an operation.
"""

from __future__ import annotations

import functools

import numpy as np

from torchish import _dtypes as dt
from torchish._tensor.apply import refuse_dynamic
from torchish._tensor.creation import from_host
from torchish._tensor.data import triggered, warn_once
from torchish._tensor.dispatch import call, composite
from torchish._tensor.storage import contiguous_strides
from torchish._tensor.tensor import Tensor
from torchish.engine.expr import Expr
from torchish.ops import search as s
from torchish.ops import sort as sorting
from torchish.ops.dims import wrap_dim
from torchish.ops.precision import BOOL, INTEGERS, REAL, require_kernel


def _indices(array: np.ndarray, like: Tensor) -> Tensor:
    return from_host(np.asarray(array, np.int64, order="C"), like._aval.device)


def _warn_of_copies(values: list, names: dict[str, int]) -> None:
    """PyTorch's warning about tensors that it makes contiguous first; `names`: which value each argument has."""
    for name, shown, line in (("input", "input value", 32), ("sorted_sequence", "boundary", 38), ("boundaries", "boundary", 38),
                              ("sorter", "sorter", 44)):  # fmt: skip
        t = values[names[name]] if name in names else None
        if isinstance(t, Tensor) and not t.is_contiguous():  # type: ignore[attr-defined]
            warn_once(
                f"torch.searchsorted(): {shown} tensor is non-contiguous, this will lower the performance due to extra data copy when "
                f"converting non-contiguous tensor to contiguous, please use contiguous {shown} tensor if possible. This message will "
                "only appear once per program." + triggered(f"aten/src/ATen/native/BucketizationUtils.h:{line}")
            )


for _op in (s.searchsorted, s.bucketize):
    _op.refine = functools.partial(_warn_of_copies, names={p.name: i for i, p in enumerate(_op.schema.params)})


@composite("msort(Tensor input)", out=True)
def msort(input):
    """Sorted along the first dimension."""
    return call(sorting.sort, input, 0)[0]


def _declare_quantile(name: str) -> None:
    @composite(
        f"{name}(Tensor input, Tensor|Number q, int? dim=None, bool keepdim=False, *, str interpolation='linear')",
        out=True,
    )
    def quantile(input, q, dim, keepdim, *, interpolation):
        if isinstance(q, Tensor):
            if q.dim() > 1:
                raise RuntimeError("quantile() q must be a scalar or 1D tensor")
            if q.dtype is not input.dtype and input.is_floating_point():
                raise RuntimeError("quantile() q tensor must be same dtype as the input tensor")
            values = q._host() if q._aval.device not in ("traced", "meta") else np.zeros(())
            if not ((values >= 0) & (values <= 1)).all():
                raise RuntimeError("quantile() q values must be in the range [0, 1]")
        elif not 0 <= q <= 1:
            raise RuntimeError(f"quantile() q must be in the range [0, 1] but got {q:g}")
        moving = isinstance(q, Tensor) and q._needs() and interpolation == "linear"  # a gradient goes to the probability
        if isinstance(q, Tensor) and not moving:
            q = q.detach()
        made = call(sorting.QUANTILES[name, moving], input, q, dim, keepdim, interpolation=interpolation)
        if isinstance(q, Tensor) and q._aval.ndim:  # the probabilities are last in memory
            *strides, last = contiguous_strides((*made._aval.shape[1:], made._aval.shape[0]))
            made._strides = made._storage.strides = (last, *strides)
        return made

    quantile.__doc__ = f"The {name} of all elements or along a dimension at probabilities q in [0, 1]."


_declare_quantile("quantile")
_declare_quantile("nanquantile")


# --- nonzero -----------------------------------------------------------------------------------------------


def _coordinates(input: Tensor) -> np.ndarray:
    array = input._host()
    return np.argwhere(array != 0) if array.ndim else np.zeros((int(array != 0), 0), np.int64)


def _columns(rows: np.ndarray, like: Tensor) -> Tensor:
    """Coordinates as a tensor that lies in memory column by column, as PyTorch's does."""
    t = _indices(rows, like)
    n = len(rows)
    return Tensor._wrap(t._read(), (1, n)) if n != 1 else t


@composite("nonzero(Tensor input, *, bool as_tuple=False)", out=True)
def nonzero(input, *, as_tuple):
    """Positions of the elements that are not zero: (count, ndim), or one tensor per dimension."""
    if type(input._storage.expr) is not Expr:
        refuse_dynamic(input, "nonzero")
    if not as_tuple:
        return _columns(_coordinates(input), input)
    rows = _coordinates(input if input.ndim else input.reshape(1))
    return tuple(_indices(rows[:, i], input) for i in range(rows.shape[1]))


@composite("argwhere(Tensor input)")
def argwhere(input):
    """Positions of the elements that are not zero, (count, ndim)."""
    return _columns(_coordinates(input), input)


# --- unique ------------------------------------------------------------------------------------------------


_ORDERED = REAL | INTEGERS | BOOL | {"uint16", "uint32", "uint64"}


def _comparable(input: Tensor, name: str) -> np.ndarray:
    """The values in a dtype that NumPy sorts and compares; complex ones are refused by the kernel of this name."""
    require_kernel(name, input._aval, _ORDERED)
    array = input._host()
    return (
        array.astype(np.float32)
        if array.dtype.kind == "V" or array.dtype.name.startswith(("bfloat", "float8"))
        else array
    )


def _results(input: Tensor, op, first: np.ndarray, inverse, counts, dim, return_inverse, return_counts):
    """The output in PyTorch's form: the unique elements, and what was asked for besides."""
    if input._needs():
        values = call(op, input, _indices(first, input), dim)
    else:
        array = input._host()
        values = from_host(
            np.take(array.reshape(-1) if dim is None else array, first, 0 if dim is None else dim), input._aval.device
        )
    return _form(input, values, inverse, counts, dim, return_inverse, return_counts)


def _form(input: Tensor, values: Tensor, inverse, counts, dim, return_inverse, return_counts):
    if dim and values._aval.size:  # PyTorch stacks what it keeps and moves the dimension back
        shape = values._aval.shape
        strides = list(contiguous_strides((shape[dim], *shape[:dim], *shape[dim + 1 :])))
        strides.insert(dim, strides.pop(0))
        values._strides = values._storage.strides = tuple(strides)
    if not (return_inverse or return_counts):
        return values
    found = [values]
    if return_inverse:
        found.append(_indices(inverse, input))
    if return_counts:
        found.append(_indices(counts, input))
    return tuple(found)


def _rows(array: np.ndarray, dim: int) -> np.ndarray:
    n = array.shape[dim]
    return np.moveaxis(array, dim, 0).reshape(n, array.size // n if n else 0)


def _check_dim(input: Tensor, dim: int) -> int:
    d = wrap_dim(dim, input.ndim, scalar=False)
    shape = input._aval.shape
    if 0 in shape:
        if shape[d]:
            raise RuntimeError("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied")
        if shape.count(0) > 1:
            raise RuntimeError("Number of zero sized dimensions is more than one, so unique cannot be applied ")
    return d


@composite("unique(Tensor input, bool sorted=True, bool return_inverse=False, bool return_counts=False, int? dim=None)")
def unique(input, sorted, return_inverse, return_counts, dim):
    """The different elements, sorted (or slices along `dim`), with inverse positions and counts where asked for."""
    if type(input._storage.expr) is not Expr:
        refuse_dynamic(input, "_unique2" if dim is None else "unique_dim")
    array = _comparable(input, "unique" if dim is None else "unique_dim")
    if dim is None and array.dtype.kind in "iub":
        values, inverse, counts = _unique_integers(array.reshape(-1), return_inverse)
        inverse = None if inverse is None else inverse.reshape(array.shape)
        return _form(input, from_host(values, input._aval.device), inverse, counts, dim, return_inverse, return_counts)
    if dim is None:
        _, first, inverse, counts = np.unique(
            array.reshape(-1), return_index=True, return_inverse=True, return_counts=True, equal_nan=False
        )
        inverse = inverse.reshape(array.shape)
        op = s.unique_values
    else:
        dim = _check_dim(input, dim)
        first, inverse, counts = _unique_rows(_rows(array, dim))
        op = s.unique_slices
    return _results(input, op, first, inverse, counts, dim, return_inverse, return_counts)


def _unique_integers(flat: np.ndarray, with_inverse: bool):
    """Different integers or booleans in order, inverse (if wanted) and counts: counted where they lie close together, which takes a tenth
    of the time of sorting them."""
    if not flat.size or int(flat.max()) - int(flat.min()) > 2 * flat.size + 65536:
        if with_inverse:
            return np.unique(flat, return_inverse=True, return_counts=True)
        values, counts = np.unique(flat, return_counts=True)
        return values, None, counts
    numbers = flat.view(np.uint8) if flat.dtype.kind == "b" else flat
    low = numbers.min()
    above = (numbers - low).view(f"u{numbers.itemsize}").astype(np.intp)  # differences of signed integers may wrap around
    counts = np.bincount(above)
    present = np.flatnonzero(counts)
    values = (present.astype(numbers.dtype) + low).astype(flat.dtype)
    return values, (np.cumsum(counts > 0) - 1)[above] if with_inverse else None, counts[present]


def _unique_rows(rows: np.ndarray):
    """First position, inverse and count of each different row, in lexicographic order."""
    order = np.lexsort(rows.T[::-1]) if rows.shape[1] else np.arange(len(rows))
    ordered = rows[order]
    new = np.ones(len(rows), bool)
    new[1:] = (ordered[1:] != ordered[:-1]).any(1)
    group = np.cumsum(new) - 1
    inverse = np.empty(len(rows), np.int64)
    inverse[order] = group
    return order[new], inverse, np.bincount(group, minlength=int(new.sum()))


@composite("unique_consecutive(Tensor input, bool return_inverse=False, bool return_counts=False, int? dim=None)")
def unique_consecutive(input, return_inverse, return_counts, dim):
    """The first of each run of equal elements (or slices along `dim`), with inverse positions and counts."""
    array = _comparable(input, "unique" if dim is None else "unique_dim")
    if dim is None:
        rows, shape = array.reshape(-1, 1), array.shape
    else:
        dim = _check_dim(input, dim)
        rows = _rows(array, dim)
        shape = (len(rows),)
    new = np.ones(len(rows), bool)
    new[1:] = (rows[1:] != rows[:-1]).any(1)
    first = np.flatnonzero(new)
    inverse = (np.cumsum(new) - 1).reshape(shape)
    counts = np.diff(np.append(first, len(rows)))
    return _results(input, s.consecutive_values, first, inverse, counts, dim, return_inverse, return_counts)


# --- counting ----------------------------------------------------------------------------------------------


@composite("bincount(Tensor input, Tensor? weights=None, int minlength=0)")
def bincount(input, weights, minlength):
    """How often each non-negative integer occurs, or the sum of its weights."""
    a = input._aval
    if a.category >= 2 or a.dtype == np.bool_:
        raise NotImplementedError(f"\"bincount_cpu\" not implemented for '{dt.SCALAR_TYPE_NAMES[a.torch_dtype]}'")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if a.ndim == 1 and a.size == 0:
        return call(s.bincount, input, None, minlength)
    array = input._host()
    if a.ndim != 1 or int(array.min()) < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is not None and (weights.ndim != 1 or weights.shape[0] != a.shape[0]):
        raise RuntimeError("weights should be 1-d and have the same length as input")
    return call(s.bincount, input, weights, max(minlength, int(array.max()) + 1))
