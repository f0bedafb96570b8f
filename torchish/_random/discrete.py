"""Discrete distributions of a fixed number of draws an element: integers, Bernoulli, geometric."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from .generator import MT19937Generator
from .numerics import (
    FLOATING,
    LARGEST,
    MANTISSA_BITS,
    bfloat16,
    cast,
    cpp_number,
    cpp_type_name,
    float16,
    float32,
    float64,
    int64,
    not_implemented,
    numel,
)
from .uniforms import BLOCK, uniforms32, uniforms64

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_INTEGERS = tuple(map(np.dtype, ("bool", "uint8", "int8", "int16", "int32", "int64")))
_UNSIGNED = tuple(map(np.dtype, ("uint16", "uint32", "uint64")))

# The bounds random_ accepts. All are int64, so those of uint64 end early.
_RANGES: dict[np.dtype, tuple[float, float]] = {d: (-LARGEST[d], LARGEST[d]) for d in FLOATING}
_RANGES |= {d: (np.iinfo(d).min, min(np.iinfo(d).max, _INT64_MAX)) for d in _INTEGERS[1:] + _UNSIGNED}
_RANGES[_INTEGERS[0]] = (0, 1)


def randint(
    generator: MT19937Generator, low: int, high: int, shape: Sequence[int], dtype: np.dtype = int64
) -> np.ndarray:
    """``torch.randint(low, high, shape)``: an array of that shape and dtype, uniform on the integers [low, high)."""
    return random_from(generator, shape, dtype, low, high)


def random_(generator: MT19937Generator, shape: Sequence[int], dtype: np.dtype = float32) -> np.ndarray:
    """``Tensor.random_()``: uniform on all non-negative integers of the dtype.

    For floating dtypes, on those up to 2**digits, which are exact. int64 and float64 take two draws an element,
    other dtypes one.
    """
    dtype, size = np.dtype(dtype), numel(shape)
    if size == 0:
        return np.empty(shape, dtype)
    if dtype not in FLOATING and dtype not in _INTEGERS:
        raise not_implemented("random_kernel_cpu", dtype)
    if dtype in FLOATING:
        count = 2 ** MANTISSA_BITS[dtype] + 1
    else:
        count = 2 if dtype.kind == "b" else int(np.iinfo(dtype).max) + 1
    with generator.lock:
        if dtype in (float64, int64):
            return cast(_modulo(generator.random64(size), count).view(int64), dtype).reshape(shape)
        return cast(_modulo(generator.random(size), count).astype(int64), dtype).reshape(shape)


def random_from(
    generator: MT19937Generator, shape: Sequence[int], dtype: np.dtype, low: int, high: int | None
) -> np.ndarray:
    """``Tensor.random_(low, high)``: uniform on the integers [low, high), modulo one draw an element.

    Two draws make an element's 64-bit number where the range has 2**28 integers or more. With ``high`` None the
    range ends with the largest integer of the dtype, or of those a floating dtype holds exactly.
    Raises RuntimeError for an empty range or one that the dtype does not hold, ValueError for bounds beyond int64;
    warns where the integers of the range are not all exact in a floating dtype.
    """
    dtype, size = np.dtype(dtype), numel(shape)
    for bound in (low, high):
        if bound is not None and not _INT64_MIN <= bound <= _INT64_MAX:
            raise ValueError("Overflow when unpacking long long")
    if high is None and low == _INT64_MIN:
        return _full_range(generator, shape, dtype, size)
    if high is None:
        low, last = _from_low(dtype, low)
    else:
        if low >= high:
            raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
        if dtype in FLOATING:
            low, high = _round_low(dtype, low), _round_high(dtype, high)
            if low >= high:
                raise RuntimeError(
                    "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got "
                    f"from={low} >= to={high}"
                )
        last = high - 1
    _check_range(dtype, low, last)
    if size == 0:
        return np.empty(shape, dtype)
    count = last - low + 1
    out = np.empty(size, dtype)
    with generator.lock:
        for start in range(0, size, BLOCK):
            part = out[start : start + BLOCK]
            draws = generator.random64(len(part)) if count >= 1 << 28 else generator.random(len(part))
            values = _modulo(draws, count).astype(int64)
            if low:
                values += low
            part[...] = cast(values, dtype)
    return out.reshape(shape)


def bernoulli(generator: MT19937Generator, p: np.ndarray, dtype: np.dtype | None = None) -> np.ndarray:
    """``torch.bernoulli(p)`` and ``Tensor.bernoulli_(p)`` with an array of floating probabilities.

    Returns an array of p's shape, of ``dtype`` or else of p's. An element takes two draws where p is float64, else
    one. Raises RuntimeError at the first p outside [0, 1].
    """
    dtype = np.dtype(p.dtype if dtype is None else dtype)
    if p.size == 0:
        return np.empty(p.shape, dtype)
    if dtype not in FLOATING and dtype not in _INTEGERS:
        raise not_implemented("bernoulli_tensor_cpu_self_", dtype)
    if p.dtype not in FLOATING:
        raise not_implemented("bernoulli_tensor_cpu_p_", p.dtype)
    flat = p.ravel() if p.dtype == float64 else p.ravel().astype(float32, copy=False)
    valid = (flat >= 0) & (flat <= 1)
    uniforms = uniforms64 if p.dtype == float64 else uniforms32
    with generator.lock:
        if not valid.all():
            uniforms(generator, int(np.argmin(valid)))  # PyTorch meets the element after it drew for those before
            raise RuntimeError(
                "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error message be improved?  "
                "If so, please report an enhancement request to PyTorch.)"
            )
        return (uniforms(generator, p.size) < flat).astype(dtype).reshape(p.shape)


def bernoulli_scalar(
    generator: MT19937Generator, shape: Sequence[int], p: float, dtype: np.dtype = float32
) -> np.ndarray:
    """``Tensor.bernoulli_(p)`` with a number p: an array of that shape and dtype, two draws an element.

    Raises RuntimeError unless 0 <= p <= 1.
    """
    dtype, size = np.dtype(dtype), numel(shape)
    if not 0.0 <= p <= 1.0:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={cpp_number(p)}")
    if size == 0:
        return np.empty(shape, dtype)
    if dtype not in FLOATING and dtype not in _INTEGERS:
        raise not_implemented("bernoulli_scalar_cpu_", dtype)
    out = np.empty(size, dtype)
    with generator.lock:
        for start in range(0, size, BLOCK):
            part = out[start : start + BLOCK]
            part[...] = uniforms64(generator, len(part)) < p
    return out.reshape(shape)


def geometric(generator: MT19937Generator, shape: Sequence[int], p: float, dtype: np.dtype = float32) -> np.ndarray:
    """``Tensor.geometric_(p)``: ceil(log(u) / log(1 - p)) in double, cast to any dtype but bool and complex.

    Raises RuntimeError unless 0 < p < 1.
    """
    dtype, size = np.dtype(dtype), numel(shape)
    if not 0.0 < p < 1.0:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={cpp_number(p)}")
    if size == 0:
        return np.empty(shape, dtype)
    if dtype not in FLOATING and (dtype not in _INTEGERS or dtype.kind == "b"):
        raise not_implemented("geometric_cpu", dtype)
    with generator.lock:
        out = uniforms64(generator, size)
    with np.errstate(divide="ignore", invalid="ignore"):
        out = np.ceil(np.log(out) / np.log1p(-p))
        if dtype.kind in "iu":
            out = out.astype(int64)  # and from there to fewer bits, as C++ does it
        return cast(out, dtype).reshape(shape)


def _modulo(draws: np.ndarray, count: int) -> np.ndarray:
    """``draws % count`` in place, for a count of the dtype. NumPy vectorises division by one number, not remainder."""
    divisor = draws.dtype.type(count)
    if count & (count - 1) == 0:
        draws &= draws.dtype.type(count - 1)
        return draws
    quotient = draws // divisor
    quotient *= divisor
    draws -= quotient
    return draws


def _full_range(generator: MT19937Generator, shape: Sequence[int], dtype: np.dtype, size: int) -> np.ndarray:
    """``random_(-2**63, None)``: all of int64."""
    if size == 0:
        return np.empty(shape, dtype)
    if dtype in _UNSIGNED or dtype in (float16, np.bool_) or dtype.kind == "c":
        raise not_implemented("random_full_64_bits_range_kernel_cpu", dtype)
    if dtype not in (int64, float64, float32, bfloat16):
        raise RuntimeError("random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16")
    with generator.lock:
        return cast(generator.random64(size).view(int64), dtype).reshape(shape)


def _from_low(dtype: np.dtype, low: int) -> tuple[int, int]:
    """First and last integer of ``random_(low, None)``."""
    if dtype in FLOATING:
        last = 2 ** MANTISSA_BITS[dtype]
        low = _round_low(dtype, low)
        if low >= last:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' casted to dtype, but got "
                f"from={low} > to_inc={last}"
            )
        return low, last
    if dtype.kind == "b":
        return low, 1
    if dtype not in _INTEGERS and dtype not in _UNSIGNED:
        raise RuntimeError("random_from_to_impl handles only integral, floating-point and boolean types")
    if dtype == np.uint64:  # static_cast<int64_t>(2**64 - 1), which _check_range then refuses
        return low, -1
    return low, int(np.iinfo(dtype).max)


def _through(dtype: np.dtype, value: int) -> int:
    """An int64 cast to a floating dtype and back; what does not fit becomes the smallest int64, as on x86."""
    floating = float(cast(np.array([value], int64), dtype)[0])
    return int(floating) if -(2.0**63) <= floating < 2.0**63 else _INT64_MIN


def _round_low(dtype: np.dtype, low: int) -> int:
    """``update_from``: the first integer from ``low`` on that casting to the dtype does not bring below it."""
    through = _through(dtype, low + 1)
    if through < low:
        return through + 2 ** max(0, abs(low + 1).bit_length() - MANTISSA_BITS[dtype])
    return low


def _round_high(dtype: np.dtype, high: int) -> int:
    """``update_to``: the last bound up to ``high`` that casting to the dtype does not reach from below."""
    through = _through(dtype, high - 1)
    if through >= high:
        return through - 2 ** max(0, abs(high - 1).bit_length() - MANTISSA_BITS[dtype])
    return high


def _check_range(dtype: np.dtype, low: int, last: int) -> None:
    """``check_from_to_in_range``."""
    if dtype not in _RANGES:
        raise RuntimeError("check_random_bounds handles only integral, floating-point and boolean types")
    smallest, largest = _RANGES[dtype]
    for name, value in (("from", low), ("to - 1", last)):
        if not smallest <= value <= largest:
            raise RuntimeError(f"{name} is out of bounds for {cpp_type_name(dtype)}")
    if dtype in FLOATING:
        digits = MANTISSA_BITS[dtype]
        for name, value in (("from", low), ("to - 1", last)):
            if abs(value) > 2**digits:
                warnings.warn(
                    f"{name} is out of bounds [-(2^{digits}), 2^{digits}]. Due to precision limitations "
                    f"{cpp_type_name(dtype)} can support discrete uniform distribution only within this range. This "
                    "warning will become an error in version 1.7 release, please fix the code in advance",
                    stacklevel=4,
                )
