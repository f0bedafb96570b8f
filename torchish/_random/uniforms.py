"""Uniform draws: ``torch.rand`` and ``Tensor.uniform_`` (``at::native::templates::cpu::uniform_kernel``)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .generator import BULK, MT19937Generator
from .numerics import (
    FLOATING,
    LARGEST,
    REAL_OF_COMPLEX,
    cast,
    cpp_number,
    cpp_type_name,
    float32,
    float64,
    fma32,
    fma64,
    not_implemented,
    numel,
    scalar_type_name,
)

# Draws made at a time, so that they are used while in the cache. Measured for a million float32: 5.6 ms at 8192,
# 4.1 ms at 32768, 3.8 ms at 65536.
BLOCK = 65536

_LOW_24, _LOW_53 = np.uint64(2**24 - 1), np.uint64(2**53 - 1)


def rand(generator: MT19937Generator, shape: Sequence[int], dtype: np.dtype = float32) -> np.ndarray:
    """``torch.rand``: an array of that shape and dtype (floating or complex), uniform on [0, 1)."""
    if dtype == float32:  # spares a small draw, which takes 4 us, the 3 us of the general case
        with generator.lock:
            return uniforms32(generator, numel(shape)).reshape(shape)
    return uniform(generator, shape, dtype)


def uniform(
    generator: MT19937Generator,
    shape: Sequence[int],
    dtype: np.dtype = float32,
    low: float = 0.0,
    high: float = 1.0,
) -> np.ndarray:
    """``Tensor.uniform_(low, high)``: an array of that shape and dtype (floating or complex) on [low, high).

    One draw an element, two for float64; complex dtypes draw real part, then imaginary part, element by element.
    Raises RuntimeError for bounds the dtype cannot hold or that are out of order.
    """
    dtype, size = np.dtype(dtype), numel(shape)
    if dtype in REAL_OF_COMPLEX:
        real = REAL_OF_COMPLEX[dtype]
        if size == 0:
            return np.empty(shape, dtype)
        return uniform(generator, (*shape, 2), real, low, high).view(dtype).reshape(shape)
    _check(dtype, low, high)
    out = np.empty(size, dtype)
    step = BLOCK // 2 if dtype == float64 else BLOCK
    unit = (low, high) == (0.0, 1.0)
    # rounding on the way may reach the open end of the interval, which PyTorch then replaces by the other end
    inexact = not unit or dtype.itemsize == 2
    top, bottom = cast(np.array([high, low], float64), dtype) if inexact else (1.0, 0.0)
    with generator.lock:
        for start in range(0, size, step):
            part = out[start : start + step]
            part[...] = cast(_between(generator, len(part), dtype, low, high), dtype)
            if inexact:
                np.copyto(part, bottom, where=part == top)
    return out.reshape(shape)


def _between(generator: MT19937Generator, n: int, dtype: np.dtype, low: float, high: float) -> np.ndarray:
    """low + u (high - low), fused, in double for float64 and else in float."""
    if dtype == float64:
        out = uniforms64(generator, n)
        return out if (low, high) == (0.0, 1.0) else fma64(out, high - low, low)
    out = uniforms32(generator, n)
    if (low, high) == (0.0, 1.0):
        return out
    low32, high32 = np.float32(low), np.float32(high)
    return fma32(out, float(high32 - low32), float(low32))


def uniforms32(generator: MT19937Generator, n: int) -> np.ndarray:
    """``n`` floats in [0, 1), each the low 24 bits of a draw: ``uniform_real_distribution<float>``."""
    if n < BULK:  # in double throughout: wasteful for many, but the fewest steps
        return ((generator.random_wide(n) & _LOW_24) * 2.0**-24).astype(float32)
    out = np.empty(n, float32)
    for start in range(0, n, BLOCK):
        part = out[start : start + BLOCK]
        draws = generator.random(len(part))
        draws &= np.uint32(0xFFFFFF)
        part[...] = draws.view(np.int32)  # the signed conversion is one instruction, the unsigned one is not
        part *= np.float32(2.0**-24)
    return out


def uniforms64(generator: MT19937Generator, n: int) -> np.ndarray:
    """``n`` doubles in [0, 1), each the low 53 bits of a pair of draws: ``uniform_real_distribution<double>``."""
    if 2 * n < BULK:
        return (generator.random64(n) & _LOW_53) * 2.0**-53
    out = np.empty(n, float64)
    for start in range(0, n, BLOCK // 2):
        part = out[start : start + BLOCK // 2]
        draws = generator.random64(len(part))
        draws &= _LOW_53
        np.multiply(draws.view(np.int64), 2.0**-53, out=part)
    return out


def _check(dtype: np.dtype, low: float, high: float) -> None:
    if dtype not in FLOATING:
        raise not_implemented("check_uniform_bounds", dtype)
    if 0.0 <= low <= high <= 1.0:
        return
    limit = LARGEST[dtype]
    for name, value in (("from", low), ("to", high)):
        if not -limit <= value <= limit:
            raise RuntimeError(f"{name} is out of bounds for {cpp_type_name(dtype)}")
    if not low <= high:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={cpp_number(low)} > to={cpp_number(high)}"
        )
    if not high - low <= limit:
        raise RuntimeError(
            f"uniform_ expects to-from <= std::numeric_limits<{scalar_type_name(dtype)}>::max(), but found "
            f"to={cpp_number(high)} and from={cpp_number(low)} which result in to-from to exceed the limit"
        )
