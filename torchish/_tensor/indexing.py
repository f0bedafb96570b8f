"""`x[index]` and `x[index] = value`, in all of PyTorch's forms.

Integers, slices, None and Ellipsis are a chain of views; what remains are index tensors, for one gather or scatter.
A mask is turned into positions by reading it, except where a value is assigned that does not depend on how many
elements the mask picks: then the assignment is a select between two arrays, and nothing is read.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish._dtypes import NUMBER_KINDS
from torchish._tensor.apply import apply, apply_inplace, transforms
from torchish._tensor.creation import from_host, tensor
from torchish._tensor.data import triggered, warn_of_real_part
from torchish._tensor.dispatch import composite
from torchish._tensor.errors import type_name
from torchish._tensor.geometry import view_strides
from torchish._tensor.layout import in_order_of, permuted_strides
from torchish._tensor.positions import in_range
from torchish._tensor.refusals import check_leaf
from torchish._tensor.storage import contiguous_strides
from torchish._tensor.tensor import Tensor
from torchish._tensor.views import alias, expand, select, slice_bounds, slice_dim, unsqueeze, view
from torchish.engine.expr import CPU, TRACED
from torchish.ops import fill as ops
from torchish.ops import index as ix
from torchish.ops.declare import broadcast_shapes

Indices = dict[int, Tensor]  # index tensors by dimension of the (already sliced) tensor; a mask covers several

_INVALID = "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got {})"
_NO_SEQUENCE = (
    "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in pytorch 2.9; use "
    "x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as tensor index, x[torch.tensor(seq)], "
    "which will result either in an error or a different result"
)
_BATCHED_MASK = (
    "vmap: We do not support batching operators that can support dynamic shape. Attempting to batch over indexing with a boolean mask."
)
_UINT8 = "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead." + triggered(
    "aten/src/ATen/native/IndexingUtils.h:37"
)


# --- reading -----------------------------------------------------------------------------------------------


def getitem(self: Tensor, index: Any) -> Tensor:
    """`self[index]`: a view for basic indices, a copy when index tensors take part."""
    kind = type(index)
    if kind is int:
        return select_at(self, 0, index, 0)
    if kind is slice:
        return slice_at(self, 0, index, True)
    if index is None:
        return unsqueeze(self, 0)
    if index is Ellipsis:
        return alias(self)
    if isinstance(index, (int, np.integer)) and kind is not bool:
        return select_at(self, 0, int(index), 0)
    seen, indices = apply_tuple(self, as_tuple(index))
    if not indices:
        return alias(self) if seen is self else seen
    return take_tensors(seen, indices)


def select_at(t: Tensor, dim: int, i: int, place: int) -> Tensor:
    """Index `i` of a dimension; `place` is its position in the index, for the error."""
    shape = t._aval.shape
    if not shape:
        if i == 0 and dim == 0:
            raise IndexError(
                "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to "
                "convert a "
                "0-dim tensor to a number"
            )
        raise IndexError(f"index {i} is out of bounds for dimension {place} with size 0")
    n = shape[dim]
    if not -n <= i < n:
        if not -(2**63) <= i < 2**63:
            raise ValueError("Overflow when unpacking long long")
        raise IndexError(f"index {i} is out of bounds for dimension {place} with size {n}")
    return select(t, dim, i)


def slice_at(t: Tensor, dim: int, s: slice, always: bool) -> Tensor:
    """A slice of a dimension; the tensor itself when it takes all of it, unless `always`."""
    step = 1 if s.step is None else _slice_part(s.step)
    if step == 0:
        raise ValueError("slice step cannot be zero")
    if step < 0:
        raise ValueError("step must be greater than zero")
    start = None if s.start is None else _slice_part(s.start)
    stop = None if s.stop is None else _slice_part(s.stop)
    shape = t._aval.shape
    if not shape:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    n = shape[dim]
    whole = not start and (stop is None or stop >= n)
    start, length = slice_bounds(n, start, stop, step)
    if whole and step == 1 and not always:
        return t
    return slice_dim(t, dim, start, length, step)


def _slice_part(x: Any) -> int:
    if type(x) is int:
        return x
    try:
        return operator.index(x)
    except TypeError:
        raise TypeError("slice indices must be integers or None or have an __index__ method") from None


def as_tuple(index: Any) -> tuple:
    """An index as a tuple of indices: sequences that hold sequences, slices or None count as tuples, as in old
    NumPy."""
    if isinstance(index, tuple):
        return tuple(index)
    if isinstance(index, (Tensor, np.ndarray, np.generic)) or not _is_sequence(index):
        return (index,)
    n = len(index)
    if n < 32:
        for x in index:
            basic = x is None or x is Ellipsis
            if basic or isinstance(x, (Tensor, slice)) or _is_sequence(x):
                where = triggered(f"torch/csrc/autograd/python_variable_indexing.cpp:{359 if basic else 349}")
                warnings.warn(_NO_SEQUENCE + where, stacklevel=3)
                return tuple(index)
    return (index,)


def _is_sequence(x: Any) -> bool:
    if isinstance(x, (list, tuple, str, bytes, range, np.ndarray)):
        return True
    return not isinstance(x, (dict, set, frozenset)) and hasattr(x, "__getitem__") and hasattr(x, "__len__")


def apply_tuple(t: Tensor, index: tuple) -> tuple[Tensor, Indices]:
    """The basic part of an index applied as views; the index tensors that remain, by dimension."""
    entries = [from_sequence(x) if type(x) in _SEQUENCES or _needs_tensor(x) else x for x in index]
    specified = 0
    for x in entries:
        if isinstance(x, Tensor):
            specified += x._aval.ndim if x._aval.torch_dtype in (dt.bool_, dt.uint8) else 1
        elif x is not None and x is not Ellipsis and x is not True and x is not False:
            specified += 1
    ndim = t._aval.ndim
    if specified > ndim:
        raise IndexError(f"too many indices for tensor of dimension {ndim}")
    indices: Indices = {}
    seen, dim = t, 0
    for place, x in enumerate(entries):
        if x is None:
            seen = unsqueeze(seen, dim)
            dim += 1
        elif x is Ellipsis:
            dim += ndim - specified
        elif type(x) is slice:
            seen = slice_at(seen, dim, x, False)
            dim += 1
        elif isinstance(x, Tensor):
            a = x._aval
            if a.ndim or a.category > 1 or a.device is TRACED:
                if a.ndim == 0 and a.category == 0:
                    raise IndexError("a traced boolean cannot be an index: its value decides a shape")
                indices[dim] = x
                dim += x._aval.ndim if a.torch_dtype in (dt.bool_, dt.uint8) else 1
            elif a.torch_dtype in (dt.bool_, dt.uint8):
                seen = unsqueeze(seen, dim)
                indices[dim] = _bool_index(bool(x.item()))
                dim += 1
            else:
                seen = select_at(seen, dim, int(x.item()), place)
        elif x is True or x is False:
            seen = unsqueeze(seen, dim)
            indices[dim] = _bool_index(x)
            dim += 1
        elif isinstance(x, (int, np.integer)):
            seen = select_at(seen, dim, int(x), place)
        elif isinstance(x, slice):
            raise TypeError(_INVALID.format(type_name(x)))
        else:
            if not hasattr(x, "__index__") or isinstance(x, np.bool_):
                raise IndexError(_INVALID.format(type_name(x)))
            seen = select_at(seen, dim, operator.index(x), place)
    return seen, indices


_SEQUENCES = frozenset({list, tuple, str, bytes, range, np.ndarray})


def _needs_tensor(x: Any) -> bool:
    """Whether an index entry of an uncommon type is a sequence."""
    if x is None or x is Ellipsis or isinstance(x, (int, slice, Tensor, np.generic, float)):
        return False
    return _is_sequence(x)


def _bool_index(value: bool) -> Tensor:
    return from_host(np.zeros((1 if value else 0,), np.int64))


def from_sequence(x: Any) -> Tensor:
    """A sequence as an index tensor: a mask when it is boolean, else int64."""
    if isinstance(x, np.ndarray):
        array = x if x.dtype.kind == "b" or x.dtype == np.uint8 else x.astype(np.int64)
        return from_host(np.array(array))
    if isinstance(x, range):
        return from_host(np.array(x, np.int64))
    if isinstance(x, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(x).__name__}'")
    if not isinstance(x, (list, tuple)):
        x = list(x)
    if type(x) is list and x and all(type(i) is int for i in x):
        try:
            return from_host(np.array(x, np.int64))
        except OverflowError:
            raise RuntimeError("Overflow when unpacking long long") from None
    made = tensor(x)
    if made._aval.torch_dtype in (dt.bool_, dt.uint8):
        return made
    return made.to(dt.int64)


# --- index tensors -------------------------------------------------------------------------------------------


def take_tensors(t: Tensor, indices: Indices) -> Tensor:
    """`t` at index tensors: their broadcast shape replaces the indexed dimensions."""
    listed = as_positions(t, indices)
    check_in_range(t, listed)
    return index_op(t, listed)


def index_op(t: Tensor, listed: tuple) -> Tensor:
    tensors = tuple([x for x in listed if x is not None])
    made = apply(ix.index.spec(("T", tuple([x is not None for x in listed])), ()), (t, *tensors))
    if t._strides is not None or any(x._strides is not None for x in tensors):
        strides = _result_strides(t, listed, made._aval.shape)
        if strides is not None:
            made._strides = made._storage.strides = strides
    return made


def as_positions(t: Tensor, indices: Indices) -> tuple[Tensor | None, ...]:
    """One integer tensor (or None) per leading dimension: masks become the positions of what they pick."""
    shape = t._aval.shape
    listed: list[Tensor | None] = []
    for dim in sorted(indices):
        x = indices[dim]
        listed.extend([None] * (dim - len(listed)))
        d = x._aval.torch_dtype
        if d is dt.bool_ or d is dt.uint8:
            check_mask(x, shape, dim)
            if x._aval.device == TRACED:
                transforms().refuse_batched(x, _BATCHED_MASK)
            mask = x._host()
            where = np.nonzero(mask) if mask.ndim else np.nonzero(mask.reshape(1))
            listed.extend([from_host(p, x._aval.device) for p in where])
        elif d is dt.int64 or d is dt.int32:
            listed.append(x)
        else:
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    if len(listed) > len(shape):
        raise IndexError(f"too many indices for tensor of dimension {len(shape)} (got {len(listed)})")
    shapes = [x._aval.shape for x in listed if x is not None]
    if any(s != shapes[0] for s in shapes):
        try:
            broadcast_shapes(shapes)
        except RuntimeError:
            text = ", ".join(str(list(s)) for s in shapes)
            raise IndexError(
                f"shape mismatch: indexing tensors could not be broadcast together with shapes {text}"
            ) from None
    if t._aval.device != CPU:
        device = t._aval.device
        listed = [x if x is None or x._aval.device != CPU or device is TRACED else x.to(device) for x in listed]
    return tuple(listed)


def check_mask(mask: Tensor, shape: tuple[int, ...], dim: int) -> None:
    """The mask must have the sizes of the dimensions that it covers."""
    if mask._aval.torch_dtype is dt.uint8:
        warnings.warn(_UINT8, stacklevel=5)
    for j, n in enumerate(mask._aval.shape):
        if dim + j >= len(shape) or n != shape[dim + j]:
            raise IndexError(
                f"The shape of the mask {list(mask._aval.shape)} at index {j} does not match the shape of the "
                "indexed tensor "
                f"{list(shape)} at index {dim + j}"
            )


def check_in_range(t: Tensor, listed: tuple) -> None:
    """Every position must be in [-n, n) of its dimension; PyTorch counts the index tensors in the message."""
    shape = t._aval.shape
    given = [(x, shape[dim]) for dim, x in enumerate(listed) if x is not None]
    numbers = range(len(given))
    if any(n == 0 for _, n in given) and _result_size(given):
        raise IndexError("index is out of bounds for dimension with size 0")
    if 0 in _result_shape(t, listed):
        return
    bad = [j for j in numbers if given[j][0]._aval.device == CPU and given[j][0]._aval.size and not in_range(*given[j])]
    if not bad:
        return
    # the first element in order; of several indices of that element, the first
    whole = broadcast_shapes([x._aval.shape for x, _ in given])
    first = None
    for j in bad:
        x, n = given[j]
        values = np.broadcast_to(x._host(), whole).reshape(-1)
        at = int(((values < -n) | (values >= n)).argmax())
        if first is None or at < first[0]:
            first = (at, j, int(values[at]), n)
    assert first is not None
    raise IndexError(f"index {first[2]} is out of bounds for dimension {first[1]} with size {first[3]}")


def _result_size(given: list) -> int:
    n = 1
    for s in broadcast_shapes([x._aval.shape for x, _ in given]):
        n *= s
    return n


def _result_strides(t: Tensor, listed: tuple, shape: tuple[int, ...]):
    """The memory order that PyTorch's iterator gives the result, from the strides of the tensor and the indices."""
    tensors = [x for x in listed if x is not None]
    whole = broadcast_shapes([x._aval.shape for x in tensors])
    given = [d for d, x in enumerate(listed) if x is not None]
    s = t.stride()
    adjacent = given[-1] - given[0] + 1 == len(given)
    before = list(range(given[0])) if adjacent else []
    after = [d for d in range(len(s)) if d not in given and d not in before]
    source = [s[d] for d in before] + [0] * len(whole) + [s[d] for d in after]
    operands = [source]
    index_strides = [_expanded_strides(x, whole) for x in tensors]
    if any(k != index_strides[0] for k in index_strides):
        index_strides = [contiguous_strides(whole)]
    full = (1,) * len(before) + whole + (1,) * len(after)
    for k in index_strides:
        wide = view_strides(whole, k, full) or contiguous_strides(full)
        operands.append([0 if n == 1 != m else w for w, n, m in zip(wide, full, shape, strict=True)])
    return permuted_strides(shape, operands)


def _expanded_strides(x: Tensor, shape: tuple[int, ...]) -> tuple[int, ...]:
    own, s = x._aval.shape, x.stride()
    pad = len(shape) - len(own)
    return (0,) * pad + tuple(0 if own[i] == 1 and shape[pad + i] != 1 else s[i] for i in range(len(own)))


# --- writing -------------------------------------------------------------------------------------------------


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """`self[index] = value`, the value broadcast and converted."""
    if index is False:
        return  # nothing is selected, and PyTorch checks nothing
    value = assignable(self, value)
    kind = type(index)
    if kind is int:
        return assign(select_at(self, 0, index, 0), value)
    if kind is slice:
        return assign(slice_at(self, 0, index, False), value)
    if index is Ellipsis:
        return assign(self, value)
    if index is None or index is True:
        return assign(unsqueeze(self, 0), value)
    if isinstance(index, (int, np.integer)):
        return assign(select_at(self, 0, int(index), 0), value)
    seen, indices = apply_tuple(self, as_tuple(index))
    if not indices:
        return assign(seen, value)
    if isinstance(value, Tensor):
        value = _without_leading_ones(value)
    put_tensors(seen, indices, value, False)
    return None


def assignable(t: Tensor, value: Any):
    """A value for assignment: a tensor, or a Python number that fits the dtype of `t`."""
    if isinstance(value, Tensor):
        if value._aval.category == 3:
            warn_of_real_part(value._aval, t._aval.torch_dtype)
        return value
    kind = type(value)
    if kind is float or kind is int or kind is bool or kind is complex:
        return _storable(value, t._aval.torch_dtype)
    if isinstance(value, (bool, int, float, complex)) and not isinstance(value, np.bool_):
        plain: Any = next(k for k in (bool, int, float, complex) if isinstance(value, k))
        return _storable(plain(value), t._aval.torch_dtype)
    if isinstance(value, np.integer):
        return _storable(int(value), t._aval.torch_dtype)
    if hasattr(value, "__jax_array__") or type(value).__module__.startswith("jax"):
        return tensor(value)
    raise TypeError(f"can't assign a {type_name_of(value)} to a torch.{dt.LEGACY_NAMES[t._aval.torch_dtype]}")


def _storable(x, d: dt.dtype):
    """A number that `t[...] = x` may store in dtype `d`: as `fitting`, but half types go by way of float64."""
    if type(x) is int and not -(2**63) <= x < 2**63:
        raise ValueError("Overflow when unpacking long long")
    return fitting(x, dt.float64 if d.category == 2 and d.itemsize < 4 else d)


def type_name_of(value: Any) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__name__}" if kind.__module__ == "numpy" else kind.__name__


_LARGEST = {dt.float16: 65504.0, dt.bfloat16: 3.3895313892515355e38, dt.float32: 3.4028234663852886e38}
_LARGEST[dt.complex64] = _LARGEST[dt.float32]
_LARGEST |= {dt.float8_e4m3fn: 448.0, dt.float8_e5m2: 57344.0, dt.float8_e4m3fnuz: 240.0, dt.float8_e5m2fnuz: 57344.0}
_FINITE = {dt.float8_e4m3fn, dt.float8_e4m3fnuz, dt.float8_e5m2fnuz}


def fitting(x, d: dt.dtype):
    """The number itself when PyTorch lets dtype `d` hold it; RuntimeError or OverflowError otherwise."""
    if type(x) is int and not -(2**63) <= x < 2**63:
        if not 0 <= x < 2**64:
            raise OverflowError("int too big to convert" if x > 0 else "can't convert negative int to unsigned")
        if d.category != 1:
            x = float(x) if d.category else True  # programs take signed integers of 64 bits
    if type(x) is bool or d.category == 0:
        return x
    if type(x) is int and d.category > 1 and _LARGEST.get(d, 2.0**64) >= 2.0**64:
        return x
    if type(x) is complex and d.category != 3:
        if x.imag:
            raise RuntimeError(f"value cannot be converted to type {dt.source_name(d)} without overflow")
        x = x.real
    if d.category == 1:
        info = np.iinfo(d.np)
        low = info.min if d.is_signed else -int(info.max) if type(x) is int else 0  # negative integers wrap into unsigned types
        if not low <= x < int(info.max) + 1:  # what is behind a point is cut off; nan is not between
            raise RuntimeError(f"value cannot be converted to type {dt.source_name(d)} without overflow")
    elif d in _LARGEST and any(_LARGEST[d] < abs(part) and (part - part == 0 or d in _FINITE) for part in (x.real, x.imag)):
        raise RuntimeError(f"value cannot be converted to type {dt.source_name(d)} without overflow")
    return x


def check_value(input: Tensor, value: Tensor) -> None:
    """RuntimeError unless PyTorch lets the dtype of `input` hold the one number in `value`; looks at it where it may not."""
    a, v = input._aval, value._aval
    if v.device != TRACED and (v.category > max(a.category, 2) or a.category == 1 and v.dtype != a.dtype):
        fitting(value.item(), a.torch_dtype)


def assign(t: Tensor, value: Any) -> None:
    """Write a value into the whole of `t` (a view, usually)."""
    if not isinstance(value, Tensor):
        apply_inplace(ops.assign.spec(("T", NUMBER_KINDS[type(value)]), ()), (t, value))
        return
    if value._aval.shape == t._aval.shape:
        t.copy_(value)
    elif not value._aval.shape and value._aval.device == CPU:
        t.fill_(value)
    else:
        value = _without_leading_ones(value)
        if value._aval.shape != t._aval.shape:
            value = expand(value, t._aval.shape)
        t.copy_(value)


def _without_leading_ones(value: Tensor) -> Tensor:
    shape = value._aval.shape
    if not shape or shape[0] != 1:
        return value
    k = next((i for i, n in enumerate(shape) if n != 1), len(shape))
    return view(value, shape[k:])


def put_tensors(t: Tensor, indices: Indices, value: Any, accumulate: bool, *, inplace: bool = True) -> Tensor:
    """Write `value` at index tensors: `index_put_` (or its copying form)."""
    finish: Callable = apply_inplace if inplace else apply
    plain = not isinstance(value, Tensor)
    count = 1 if plain else value._aval.size
    if inplace:
        check_leaf(t, not plain and value._needs())
    if inplace and (dims := repeated_dims(t)):
        warn_of_repeats("index_put_", "tensor[indices] = tensor")
        return _put_once(t, dims, indices, value, accumulate)
    masks = [d for d, x in indices.items() if x._aval.torch_dtype in (dt.bool_, dt.uint8)]
    if len(indices) == 1 and masks and not accumulate:
        ((dim, mask),) = indices.items()
        check_mask(mask, t._aval.shape, dim)
        if count == 1 and mask._aval.torch_dtype is dt.uint8:
            raise RuntimeError("masked_fill_ only supports boolean masks, but got mask with dtype unsigned char")
        if mask._aval.torch_dtype is dt.bool_ and (count == 1 or _independent(t, mask, value, dim)):
            if not plain:
                if count == 1:
                    _check_number(t, value)
                    if t._aval.device != value._aval.device == CPU and t._aval.device is not TRACED:
                        value = value.to(t._aval.device)
                else:
                    _check_dtypes(t, value)
            spec = ix.mask_put.spec(("T", "T", "T" if not plain else NUMBER_KINDS[type(value)]), (dim,))
            return finish(spec, (t, mask, value))
    listed = as_positions(t, indices)
    _check_fit(t, listed, value)
    given = tuple([x for x in listed if x is not None])
    kinds = ("T", tuple([x is not None for x in listed]), "T" if not plain else NUMBER_KINDS[type(value)])
    return finish(ix.index_put.spec(kinds, (accumulate,)), (t, *given, value))


def _check_fit(t: Tensor, listed: tuple, value: Any) -> tuple[int, ...]:
    """The shape at these positions; RuntimeError or IndexError unless they are there and `value` fits."""
    shape = _result_shape(t, listed)
    if isinstance(value, Tensor):
        if value._aval.shape != shape:
            try:
                fits = broadcast_shapes([shape, value._aval.shape]) == shape
            except RuntimeError:
                fits = False
            if not fits:
                raise RuntimeError(
                    f"shape mismatch: value tensor of shape {list(value._aval.shape)} cannot be broadcast to indexing result of "
                    f"shape {list(shape)}"
                )
        _check_dtypes(t, value)
    check_in_range(t, listed)
    return shape


def repeated_dims(t: Tensor) -> list[int]:
    """The dimensions along which a tensor shows the same memory again, as an expanded one does."""
    if t._strides is None:
        return []
    return [d for d, (s, n) in enumerate(zip(t.stride(), t._aval.shape, strict=True)) if s == 0 and n > 1]


def once(t: Tensor, dims: list[int]) -> Tensor:
    """A view of what repeats along `dims`, once."""
    for d in dims:
        t = slice_dim(t, d, 0, 1)
    return t


def warn_of_repeats(name: str, example: str) -> None:
    warnings.warn(
        f"Use of {name} on expanded tensors is deprecated. Please clone() the tensor before performing this operation. "
        f"This also applies to advanced indexing e.g. {example}",
        stacklevel=5,
    )


def _put_once(t: Tensor, dims: list[int], indices: Indices, value: Any, accumulate: bool) -> Tensor:
    """`put_tensors` into memory that `t` shows several times along `dims`: every position there is the first."""
    listed = as_positions(t, indices)
    shape = _check_fit(t, listed, value)
    masks = [x for x in indices.values() if x._aval.torch_dtype is dt.bool_]
    if len(indices) == len(masks) == 1 and not accumulate and (not isinstance(value, Tensor) or value._aval.size == 1):
        warn_of_repeats("masked_fill_", "tensor[mask] = scalar")
    given = {d: x for d, x in enumerate(listed) if x is not None}
    start, end = min(given), max(given)
    first = start if end - start + 1 == len(given) else 0
    added = max(x._aval.ndim for x in given.values()) - len(given)  # dimensions that the result has more than `t`
    for d in dims:
        if d in given:
            continue
        before = sum(g < d for g in given)
        place = d if d < first else d + added if d > end else d + len(given) + added - before
        if isinstance(value, Tensor) and accumulate:
            value = expand(value, shape).sum(place, keepdim=True)
        elif isinstance(value, Tensor):
            value = slice_dim(expand(value, shape), place, shape[place] - 1, 1)
        elif accumulate:
            value = value * shape[place]
        shape = (*shape[:place], 1, *shape[place + 1 :])
    firsts = {d: x * 0 if d in dims else x for d, x in given.items()}
    put_tensors(once(t, dims), firsts, value, accumulate)
    return t


def _independent(t: Tensor, mask: Tensor, value: Tensor, dim: int) -> bool:
    """Whether `value` broadcasts over what the mask picks, whatever their number is."""
    shape, given = t._aval.shape, value._aval.shape
    before, after = shape[:dim], shape[dim + mask._aval.ndim :]
    if len(given) > len(before) + 1 + len(after):
        return False
    if len(given) > len(after) and given[len(given) - len(after) - 1] != 1:
        return False
    full = (*before, 1, *after)
    padded = (1,) * (len(full) - len(given)) + given
    return all(v in (1, n) for v, n in zip(padded, full, strict=True))


def _result_shape(t: Tensor, listed: tuple) -> tuple[int, ...]:
    shape = t._aval.shape
    given = [d for d, x in enumerate(listed) if x is not None]
    whole = broadcast_shapes([listed[d]._aval.shape for d in given])
    rest = [d for d in range(len(shape)) if d not in given]
    first = given[0] if given[-1] - given[0] + 1 == len(given) else 0
    lead = [d for d in rest if d < first]
    return (*(shape[d] for d in lead), *whole, *(shape[d] for d in rest if d not in lead))


def _check_dtypes(t: Tensor, value: Tensor) -> None:
    a, b = t._aval.torch_dtype, value._aval.torch_dtype
    if a is not b:
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {dt.SCALAR_TYPE_NAMES[a]} for the "
            "destination and "
            f"{dt.SCALAR_TYPE_NAMES[b]} for the source."
        )


def _check_number(t: Tensor, value: Tensor) -> None:
    """A one-element tensor put through a mask counts as a number: its value must fit where its dtype may not."""
    if value._aval.category > max(t._aval.category, 2) and value._aval.device is not TRACED:
        fitting(value.item(), t._aval.torch_dtype)


# --- index_put as a function -----------------------------------------------------------------------------------


def _index_put(t: Tensor, indices: tuple, values: Tensor, accumulate: bool, inplace: bool) -> Tensor:
    given: Indices = {}
    dim = 0
    for x in indices:
        if x is not None:
            given[dim] = x
            dim += x._aval.ndim if x._aval.torch_dtype in (dt.bool_, dt.uint8) else 1
        else:
            dim += 1
    if dim > t._aval.ndim:
        raise IndexError(f"too many indices for tensor of dimension {t._aval.ndim} (got {dim})")
    if not given:
        raise ValueError("at least one index must be provided")
    made = put_tensors(t, given, values, accumulate, inplace=inplace)
    return made if inplace else in_order_of(t, made)


@composite("index_put(Tensor input, Tensor[] indices, Tensor values, bool accumulate=False)")
def index_put(input: Tensor, indices: tuple, values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of `input` with `values` at the index tensors (added when `accumulate`)."""
    return _index_put(input, indices, values, accumulate, False)


@composite("index_put_(Tensor input, Tensor[] indices, Tensor values, bool accumulate=False)")
def index_put_(input: Tensor, indices: tuple, values: Tensor, accumulate: bool = False) -> Tensor:
    """Write `values` at the index tensors (add them when `accumulate`)."""
    return _index_put(input, indices, values, accumulate, True)


def _delitem(self: Tensor, index: Any) -> None:
    raise TypeError("Tensor does not support deleting items")


Tensor.__getitem__ = getitem  # type: ignore[method-assign]
Tensor.__setitem__ = setitem  # type: ignore[method-assign]
Tensor.__delitem__ = _delitem  # type: ignore[attr-defined]
