"""Normal draws: ``randn``, ``Tensor.normal_``, ``torch.normal``, ``Tensor.log_normal_``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from .boxmuller import PAIRS, box_muller
from .generator import MT19937Generator
from .numerics import (
    FLOATING,
    REAL_OF_COMPLEX,
    cast,
    cpp_number,
    float32,
    float64,
    fma64,
    not_implemented,
    numel,
)
from .uniforms import uniforms64

# Pairs up to which the scalar loop (0.9 us a pair) is quicker than a dozen array operations.
_FEW_PAIRS = 16

# Doubles transformed at a time, a multiple of 16. Measured for a million: 38.5 ms at 8192, 35 ms at 16384 and more.
_BLOCK = 16384


def randn(generator: MT19937Generator, shape: Sequence[int], dtype: np.dtype = float32) -> np.ndarray:
    """``torch.randn``: an array of that shape and dtype (floating or complex) of standard normals."""
    return normal(generator, shape, dtype)


def normal(
    generator: MT19937Generator,
    shape: Sequence[int],
    dtype: np.dtype = float32,
    mean: float = 0.0,
    std: float = 1.0,
    contiguous: bool = True,
) -> np.ndarray:
    """``Tensor.normal_(mean, std)``: an array of that shape and dtype (floating or complex).

    16 elements or more come from Box-Muller on blocks of 16 (``normal_fill``); fewer, or any number when the
    tensor filled is not ``contiguous``, come in pairs computed in double, of which the unused half waits in the
    generator for the next such call. A complex element is two normals of standard deviation std / sqrt(2).
    Raises RuntimeError unless ``std >= 0``.
    """
    dtype, size = np.dtype(dtype), numel(shape)
    _check_std(std)
    if size == 0:
        return np.empty(shape, dtype)
    if dtype in REAL_OF_COMPLEX:
        parts = normal(generator, (*shape, 2), REAL_OF_COMPLEX[dtype], mean, std / math.sqrt(2), contiguous)
        return parts.view(dtype).reshape(shape)
    if dtype not in FLOATING:
        raise not_implemented("normal_kernel_cpu", dtype)
    with generator.lock:
        if size < 16 or not contiguous:
            out = cast(_affine(paired(generator, size), std, mean), dtype)
        elif dtype == float64:
            out = _fill64(generator, size, mean, std)
        else:
            out = _fill32(generator, size, mean, std, dtype)
    return out.reshape(shape)


def normal_from(generator: MT19937Generator, mean: np.ndarray | float, std: np.ndarray | float) -> np.ndarray:
    """``torch.normal(mean, std)`` where at least one of the two is an array.

    Two arrays broadcast. The result has the dtype of ``mean`` if that is an array, else of ``std``, and every step
    (draw, times std, plus mean) is rounded to it.
    Raises RuntimeError for a negative or complex ``std`` and for shapes that do not broadcast.
    """
    if not isinstance(std, np.ndarray):
        mean = np.asarray(mean)
        _check_std(std)
        return _add(normal(generator, mean.shape, mean.dtype, 0.0, std), mean)
    if std.dtype.kind == "c":
        raise RuntimeError("normal expects standard deviation to be non-complex")
    if not np.all(std >= 0):
        raise RuntimeError("normal expects all elements of std >= 0.0")
    if not isinstance(mean, np.ndarray):
        mean = np.full((), mean, std.dtype)
    out = normal(generator, _broadcast(mean.shape, std.shape), mean.dtype)
    return _add(_in_dtype(np.multiply, out, std), mean)


def log_normal(
    generator: MT19937Generator,
    shape: Sequence[int],
    dtype: np.dtype = float32,
    mean: float = 1.0,
    std: float = 2.0,
) -> np.ndarray:
    """``Tensor.log_normal_(mean, std)``: exp of paired normals in double, cast to a floating dtype.

    Raises RuntimeError unless ``std > 0``.
    """
    dtype, size = np.dtype(dtype), numel(shape)
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={cpp_number(std)}")
    if size == 0:
        return np.empty(shape, dtype)
    if dtype not in FLOATING:
        raise not_implemented("log_normal_cpu", dtype)
    with generator.lock:
        out = _affine(paired(generator, size), std, mean)
    with np.errstate(over="ignore"):
        return cast(np.exp(out), dtype).reshape(shape)


def paired(generator: MT19937Generator, n: int) -> np.ndarray:
    """``n`` standard normals as float64, n >= 1: ``at::normal_distribution<double>``.

    A pair takes two uniforms u1, u2: radius sqrt(-2 log(1 - u2)), angle 2 pi u1; its cosine half is returned first
    and its sine half next, by a later call if need be.
    """
    out = np.empty(n + 1, float64)
    waiting = generator.next_normal is not None
    if waiting:
        out[0] = generator.next_normal
        generator.next_normal = None
    pairs = (n - waiting + 1) // 2
    end = waiting + 2 * pairs
    if pairs <= _FEW_PAIRS:
        for i in range(waiting, end, 2):
            out[i], out[i + 1] = normal_pair(generator.uniform64(), generator.uniform64())
    else:
        uniforms = uniforms64(generator, 2 * pairs).reshape(pairs, 2)
        radius = np.sqrt(-2.0 * np.log1p(-uniforms[:, 1]))
        angle = (2.0 * math.pi) * uniforms[:, 0]
        np.multiply(radius, np.cos(angle), out=out[waiting:end:2])
        np.multiply(radius, np.sin(angle), out=out[waiting + 1 : end : 2])
    if end > n:
        generator.next_normal = float(out[n])
    return out[:n]


def normal_pair(u1: float, u2: float) -> tuple[float, float]:
    """Two independent standard normals from two uniforms on [0, 1)."""
    radius = math.sqrt(-2.0 * math.log1p(-u2))
    angle = (2.0 * math.pi) * u1
    return radius * math.cos(angle), radius * math.sin(angle)


def _affine(z: np.ndarray, std: float, mean: float) -> np.ndarray:
    return z if (std, mean) == (1.0, 0.0) else fma64(z, std, mean)


def _fill32(generator: MT19937Generator, size: int, mean: float, std: float, dtype: np.dtype) -> np.ndarray:
    """``normal_fill`` with float arithmetic, for float32 and the 16-bit dtypes.

    Whole blocks of 16 first; then, if elements are left over, the last 16 anew from 16 more draws. For float32
    PyTorch draws every element's uniform before it transforms blocks, the leftovers' in vain; for the 16-bit dtypes
    it draws block by block, and leftovers cost nothing.
    """
    out = np.empty(_rounded_up(size), float32)
    for part, wasted in _parts(out, size, 2 * PAIRS):
        draws = generator.random(len(part) + (wasted if dtype == float32 else 0))
        draws &= np.uint32(0xFFFFFF)
        draws = draws.view(np.int32)
        if len(draws) > len(part):
            draws = np.delete(draws, slice(len(part) - 16, -16))
        box_muller(draws.reshape(-1, 16), part.reshape(-1, 16), mean, std)
    return cast(_without_gap(out, size), dtype)


def _fill64(generator: MT19937Generator, size: int, mean: float, std: float) -> np.ndarray:
    """``normal_fill<double>``: the same blocks and leftovers as for float32."""
    out = np.empty(_rounded_up(size), float64)
    for part, wasted in _parts(out, size, _BLOCK):
        uniforms = uniforms64(generator, len(part) + wasted)
        if wasted:
            uniforms = np.delete(uniforms, slice(len(part) - 16, -16))
        u1, u2 = uniforms.reshape(-1, 2, 8).swapaxes(0, 1)
        radius = np.sqrt(-2.0 * np.log(1.0 - u1))
        angle = (2.0 * math.pi) * u2
        blocks = part.reshape(-1, 2, 8)
        blocks[:, 0] = fma64(radius * np.cos(angle), std, mean)
        blocks[:, 1] = fma64(radius * np.sin(angle), std, mean)
    return _without_gap(out, size)


def _rounded_up(size: int) -> int:
    return -(-size // 16) * 16


def _parts(out: np.ndarray, size: int, step: int) -> Iterator[tuple[np.ndarray, int]]:
    """Pieces of ``out``, whole blocks all, each with the number of leftovers to skip before its last block."""
    for start in range(0, len(out), step):
        last = start + step >= len(out)
        yield out[start : start + step], size % 16 if last else 0


def _without_gap(out: np.ndarray, size: int) -> np.ndarray:
    """Moves the last block to where it replaces the last 16 of ``size`` elements."""
    if size % 16:
        out[size - 16 : size] = out[-16:].copy()
    return out[:size]


def _check_std(std: float) -> None:
    if not std >= 0.0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {cpp_number(std)}")


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """``at::infer_size``, with its message."""
    ndim = max(len(a), len(b))
    wide_a, wide_b = (1,) * (ndim - len(a)) + a, (1,) * (ndim - len(b)) + b
    for dim in range(ndim - 1, -1, -1):
        if wide_a[dim] != wide_b[dim] and 1 not in (wide_a[dim], wide_b[dim]):
            raise RuntimeError(
                f"The size of tensor a ({wide_a[dim]}) must match the size of tensor b ({wide_b[dim]}) "
                f"at non-singleton dimension {dim}"
            )
    return tuple(q if p == 1 else p for p, q in zip(wide_a, wide_b, strict=True))


def _add(out: np.ndarray, mean: np.ndarray) -> np.ndarray:
    return _in_dtype(np.add, out, mean)


def _in_dtype(op: np.ufunc, out: np.ndarray, other: np.ndarray) -> np.ndarray:
    """An in-place operation on ``out``: computed in the wider dtype, rounded back.

    As in PyTorch, an integer, or an array without dimensions beside one with, does not widen a floating dtype.
    """
    weak = other.dtype.kind in "biu" or (other.ndim == 0 and out.ndim > 0)
    if weak and out.dtype.kind != "c":
        narrow = out.dtype in FLOATING and out.dtype.itemsize == 2
        wide = float32 if narrow else out.dtype
        return cast(op(out.astype(wide), other.astype(wide)), out.dtype)
    return cast(op(out, other), out.dtype)
