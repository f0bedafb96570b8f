"""Python data as arrays: what `torch.tensor` makes of numbers, nested sequences, NumPy arrays and tensors in lists."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish._tensor.tensor import Tensor
from torchish._tensor.warn import warn_user

_MAX_DIMS = 128
_NUMBERS = frozenset({bool, int, float, complex})


_warned: set[str] = set()
WARN_ALWAYS = [False]


def triggered(where: str) -> str:
    """The end of a warning from PyTorch's C++: the place that its wheels name."""
    return f" (Triggered internally at /__w/pytorch/pytorch/{where}.)"


def warn_once(text: str, *, ever: bool = False, like: str = "") -> None:
    """A warning that PyTorch gives once in a process, or with `set_warn_always(True)` each time (but once if that is `ever`).

    `like`: what warnings of different texts have in common of which only the first is given.
    """
    what = like or text
    if what not in _warned or (WARN_ALWAYS[0] and not ever):
        _warned.add(what)
        warn_user(text)


def warn_of_real_part(a: Any, d: dt.dtype) -> None:
    """Warn when values of aval `a` lose their imaginary parts in dtype `d`."""
    if a.category == 3 and d.category in (1, 2):
        warn_once("Casting complex values to real discards the imaginary part" + triggered("aten/src/ATen/native/Copy.cpp:307"))


def to_array(data: Any, dtype: dt.dtype | None) -> np.ndarray:
    """A fresh array of the given (or inferred) dtype; PyTorch's errors for data that is none."""
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    if isinstance(data, np.ndarray):
        return convert(np.asarray(checked_ndarray(data)), dtype or dt.from_np(data.dtype), copy=True)
    kind = type(data)
    if kind in _NUMBERS:
        return _from_plain(data, {kind}, dtype)
    if isinstance(data, range):
        return _from_plain(np.array(data, np.int64), {int}, dtype)
    if not is_sequence(data):
        if hasattr(data, "__array__") or hasattr(data, "__array_interface__"):
            if isinstance(data, np.generic):
                return convert(np.array(data), dtype or infer_dtype(data), copy=True)
            return to_array(np.asarray(data), dtype)
        return _stored(data, (), dtype or infer_dtype(data))
    if not isinstance(data, (list, tuple)):
        if hasattr(data, "__array__"):
            return to_array(np.asarray(data), dtype)
        data = list(data)
    kinds: set[type] = set()
    shape = _plain_shape(data, kinds)
    if shape is not None and kinds <= _NUMBERS:
        return _from_plain(data, kinds, dtype)
    shape = _sizes(data)
    d = dtype or infer_dtype(data)
    if np.ndarray in kinds and 0 not in shape:
        warn_once(
            "Creating a tensor from a list of numpy.ndarrays is extremely slow. Please consider converting the list "
            "to a single "
            "numpy.ndarray with numpy.array() before converting to a tensor." + triggered("torch/csrc/utils/tensor_new.cpp:252")
        )
        if all(isinstance(x, np.ndarray) and x.dtype == d.np and x.shape == data[0].shape for x in data):
            return np.stack(data)
    return _stored(data, shape, d)


def is_sequence(x: Any) -> bool:
    """Whether Python's C API would call `x` a sequence (tensors, dictionaries and sets are none)."""
    if isinstance(x, (list, tuple, str, bytes, bytearray, range, np.ndarray)):
        return True  # an array without dimensions too: its length is an error
    if isinstance(x, (dict, set, frozenset, Tensor, np.generic)):
        return False
    return hasattr(x, "__getitem__") and hasattr(x, "__len__")


def checked_ndarray(array: np.ndarray) -> np.ndarray:
    """The array itself when a tensor could share its memory; ValueError or TypeError otherwise."""
    if not array.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion between byte orders "
            "is currently not "
            "supported."
        )
    dt.from_np(array.dtype)
    if any(s % array.itemsize for s in array.strides):
        raise ValueError(
            "given numpy array strides not a multiple of the element byte size. Copy the numpy array to reallocate the memory."
        )
    if any(s < 0 for s in array.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are not "
            "currently "
            "supported. (You can probably work around this by making a copy of your array  with array.copy().) "
        )
    return array


# --- lists of plain numbers ------------------------------------------------------------------------------------


def _plain_shape(data: Any, kinds: set[type]) -> tuple[int, ...] | None:
    """The shape of regular nested lists, their leaves' types put into `kinds`; None when they are not regular."""
    n = len(data)
    if not n:
        kinds.add(float)
        return (0,)
    own = set(map(type, data))
    kinds |= own - {list, tuple}
    if not own & {list, tuple}:
        return (n,)
    if not own <= {list, tuple}:
        return None
    first = None
    for row in data:
        shape = _plain_shape(row, kinds)
        if shape is None or (first is not None and shape != first):
            return None
        first = shape
    return (n, *first) if first is not None else None


def _from_plain(data: Any, kinds: set[type], dtype: dt.dtype | None) -> np.ndarray:
    if complex in kinds:
        wide: Any = np.complex128
        inferred = dt.get_default_dtype().to_complex()
    elif float in kinds:
        wide, inferred = np.float64, dt.get_default_dtype()
    elif int in kinds:
        wide, inferred = np.int64, dt.int64
    else:
        wide, inferred = np.bool_, dt.bool_
    d = dtype or inferred
    if wide is np.int64 and d.category >= 2:
        wide = np.float64 if d.category == 2 else np.complex128
    if wide is np.int64 and d is dt.uint64:
        wide = np.uint64
    try:
        array = np.array(data, wide)
    except OverflowError:
        raise ValueError("Overflow when unpacking long long") from None
    if wide is np.complex128 and d.category in (1, 2):
        raise TypeError("must be real number, not complex")
    return convert(array, d, checked=True)


def convert(array: np.ndarray, d: dt.dtype, *, checked: bool = False, copy: bool = False) -> np.ndarray:
    """An array in dtype `d`; when `checked`, RuntimeError for numbers that do not fit."""
    if array.dtype == d.np:
        return array.copy() if copy else array
    with np.errstate(all="ignore"):
        if array.dtype.kind == "c" and d.category in (1, 2):
            array = array.real
        if d.category == 1 and array.dtype.kind in "fiu":
            if checked and array.size:
                _check_range(array, d)
            if array.dtype.kind == "f":
                return np.trunc(array).astype(np.int64).astype(d.np)
        if d.itemsize == 1 and d.category == 2:
            return dt.to_8_bits(np, array.astype(np.float32), d.np)
        return array.astype(d.np)


def _check_range(array: np.ndarray, d: dt.dtype) -> None:
    info = np.iinfo(d.np)
    low = info.min if d.is_signed else -int(info.max)  # negative numbers wrap into unsigned types
    with np.errstate(all="ignore"):
        small, great = array.min(), array.max()
    if not (math.isfinite(small) and math.isfinite(great)) or int(small) < low or int(great) > info.max:
        raise RuntimeError(f"value cannot be converted to type {d.name} without overflow")


# --- everything else -------------------------------------------------------------------------------------------


def infer_dtype(data: Any) -> dt.dtype:
    """The dtype that holds a number, or all elements of nested sequences."""
    kind = type(data)
    if kind is float:
        return dt.get_default_dtype()
    if kind is int:
        return dt.int64
    if kind is bool:
        return dt.bool_
    if isinstance(data, Tensor):
        return data._aval.torch_dtype
    if isinstance(data, (np.ndarray, np.generic)):
        return dt.from_np(data.dtype)
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    for plain, d in ((bool, dt.bool_), (int, dt.int64), (float, dt.get_default_dtype())):
        if isinstance(data, plain):
            return d
    if isinstance(data, complex):
        return dt.get_default_dtype().to_complex()
    if not is_sequence(data):
        if hasattr(data, "dtype"):
            return dt.from_np(data.dtype)
        raise RuntimeError(f"Could not infer dtype of {type(data).__name__}")
    best: dt.dtype | None = None
    for x in data:
        d = infer_dtype(x)
        best = d if best is None else dt.promote_types(best, d)
    return best or dt.get_default_dtype()


def _sizes(data: Any) -> tuple[int, ...]:
    sizes: list[int] = []
    while is_sequence(data):
        sizes.append(len(data))
        if len(sizes) > _MAX_DIMS:
            raise ValueError(f"too many dimensions '{type(data).__name__}'")
        if not len(data):
            break
        data = data[0]
    return tuple(sizes)


def _stored(data: Any, shape: tuple[int, ...], d: dt.dtype) -> np.ndarray:
    out = np.empty(shape, d.np)
    _store(out, (), data, shape, d)
    return out


def _store(out: np.ndarray, at: tuple[int, ...], data: Any, shape: tuple[int, ...], d: dt.dtype) -> None:
    depth = len(at)
    if depth == len(shape):
        out[at] = _element(data, d)
        return
    if not is_sequence(data) and not isinstance(data, Tensor):
        raise TypeError("not a sequence")
    if len(data) != shape[depth]:
        raise ValueError(f"expected sequence of length {shape[depth]} at dim {depth} (got {len(data)})")
    if isinstance(data, np.ndarray) and data.shape == shape[depth:] and data.dtype.kind in "biufc":
        out[at] = convert(data, d, checked=True)
        return
    for i, x in enumerate(data):
        _store(out, (*at, i), x, shape, d)


def _element(x: Any, d: dt.dtype) -> Any:
    if d.category == 0:
        return bool(x)
    if d.category == 3:
        return complex(x)
    if isinstance(x, complex) or isinstance(x, np.complexfloating):
        raise TypeError("must be real number, not complex")
    if d.category == 2:
        if not hasattr(x, "__float__") and not hasattr(x, "__index__"):
            raise TypeError(f"must be real number, not {type(x).__name__}")
        return convert(np.array(float(x)), d)
    if isinstance(x, (float, np.floating)):
        return convert(np.array(float(x)), d, checked=True)
    if not hasattr(x, "__index__"):
        if isinstance(x, (str, bytes)):
            raise TypeError(f"new(): invalid data type '{type(x).__name__}'")
        kind = ("numpy." if isinstance(x, np.generic) else "") + type(x).__name__
        raise TypeError(f"'{kind}' object cannot be interpreted as an integer")
    if isinstance(x, Tensor) and x._aval.size == 1 and x._aval.category == 2:
        return convert(np.array(float(x.item())), d, checked=True)
    n = x.__index__()
    if not -(2**63) <= n < 2**63 and d is not dt.uint64:
        raise ValueError("Overflow when unpacking long long")
    return convert(np.array(n), d, checked=True)
