"""Order: integer keys that sort as PyTorch sorts, and what is built on them (argsort, k-th and largest elements).

PyTorch puts nan above every number and lets -0.0 and 0.0 tie. A float becomes the integer whose order is that
order, so that ties are broken by position with integer arithmetic only. XLA's CPU sort is fast for one integer
operand and slow otherwise: for (1000, 1000) float32, 148 ms for `jnp.sort`, 180 ms with indices, 39 ms for 64-bit
integers that hold key and position (PyTorch 75 ms).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchish.ops.running import running


def sort_key(x, descending: bool = False):
    """An int32 or int64 array ordered as `x` is (in reverse when `descending`); nan is the largest value."""
    d = x.dtype
    if jnp.issubdtype(d, jnp.floating):
        wide = np.int64 if d == np.float64 else np.int32
        x = x if d == np.float64 else x.astype(np.float32)
        bits = lax.bitcast_convert_type(jnp.where(x == 0, jnp.zeros_like(x), x), wide)
        top = np.iinfo(wide).max
        key = jnp.where(jnp.isnan(x), top, jnp.where(bits < 0, bits ^ top, bits))
    elif d in (np.uint32, np.uint64):
        wide = np.int32 if d == np.uint32 else np.int64
        key = lax.bitcast_convert_type(x, wide) ^ np.iinfo(wide).min
    else:
        key = x.astype(np.int64 if d.itemsize == 8 else np.int32)
    return ~key if descending else key


def positions(shape: tuple[int, ...], axis: int, dtype=np.int64):
    """Each element's position along an axis."""
    return lax.broadcasted_iota(np.dtype(dtype), shape, axis)


def argsort(x, axis: int, descending: bool = False):
    """Positions that sort `x` along an axis, equal elements in their order; int64."""
    key = sort_key(x, descending)
    if key.dtype == np.int32:
        return _argsort32(key.astype(np.int64), axis)
    # Two stable passes of 32 bits: half the time of a sort with two operands.
    low = (key & 0xFFFFFFFF) ^ 0x80000000
    first = _argsort32((low << 32) >> 32, axis)
    high = jnp.take_along_axis(key >> 32, first, axis)
    return jnp.take_along_axis(first, _argsort32(high, axis), axis)


def _argsort32(key, axis: int):
    # int64 values of at most 32 bits: the position goes into the other half of the word
    packed = lax.sort((key << 32) | positions(key.shape, axis), dimension=axis, is_stable=True)
    return packed & 0xFFFFFFFF


def first_where(mask, axis: int):
    """Position of the first true element along an axis (the axis' length where there is none); the axis is kept."""
    n = mask.shape[axis]
    at = positions(mask.shape, axis, np.int32 if n < 1 << 31 else np.int64)
    return jnp.min(jnp.where(mask, at, n), axis, keepdims=True).astype(np.int64)


def kth_position(x, rank, axis: int):
    """Position of the element of 0-based `rank` in sorted order, ties by position; `rank` and result keep the axis.

    Radix bisection: a counting pass for each bit instead of a sort (1e6 float32: 6 ms against 75 ms).
    """
    key = sort_key(x)
    unsigned = np.uint32 if key.dtype == np.int32 else np.uint64
    bits = 32 if key.dtype == np.int32 else 64
    u = lax.bitcast_convert_type(key, unsigned) ^ unsigned(1 << (bits - 1))
    one = unsigned(1)
    shape = list(x.shape)
    shape[axis] = 1
    rank = jnp.broadcast_to(jnp.asarray(rank, np.int64), shape)

    def narrow(i, found):
        trial = found | (one << (unsigned(bits - 1) - i.astype(unsigned)))
        below = jnp.sum(u < trial, axis, keepdims=True, dtype=np.int64)
        return jnp.where(below <= rank, trial, found)

    kth = lax.fori_loop(0, bits, narrow, jnp.zeros(shape, unsigned))
    below = jnp.sum(u < kth, axis, keepdims=True, dtype=np.int64)
    equal = u == kth
    if x.shape[axis] == 1:
        return jnp.zeros(shape, np.int64)
    nth = running("sum", equal.astype(np.int32), axis)
    return first_where(equal & (nth == rank - below + 1), axis)


def smallest(x, k: int, axis: int, descending: bool = False):
    """Positions of the `k` first elements in sorted order, in that order; int64."""
    if x.dtype in _TOP_FLOATS and 0 < 8 * k <= x.shape[axis] and jax.default_backend() == "cpu":
        return _smallest_floats(x, k, axis, descending)
    if k > 8 and x.shape[axis] >= max(32 * k, 4096):
        return _smallest_of_many(x, k, axis, descending)
    if k > 8 or k == 0:  # a pass over 1e6 elements takes 1 ms, a sort 30 to 70 ms
        return lax.slice_in_dim(argsort(x, axis, descending), 0, k, axis=axis)
    key = sort_key(x, descending)
    where = positions(key.shape, axis)
    last = np.iinfo(key.dtype).max
    found: list = []
    low = at = None
    for _ in range(k):
        rest = True if low is None else (key > low) | ((key == low) & (where > at))
        low = jnp.min(key if rest is True else jnp.where(rest, key, last), axis, keepdims=True)
        at = first_where(rest & (key == low), axis)
        found.append(at)
    return jnp.concatenate(found, axis)


# XLA's kernel for the top of float32 rows: the first 1000 of 1e6 take 3.7 ms (PyTorch 3.4), by counting 23; 5 take 2.7, in 5 passes 10.
_TOP_FLOATS = (np.dtype(np.float32), np.dtype(np.float16), np.dtype(jnp.bfloat16))


def _smallest_floats(x, k: int, axis: int, descending: bool):
    x = lax.stop_gradient(jnp.moveaxis(x, axis, -1).astype(np.float32))
    # the kernel goes by the bits: one zero, and one nan, whose sign puts it above or below everything
    x = jnp.where(x == 0, np.float32(0), jnp.where(jnp.isnan(x), np.float32(np.nan), x))
    _, at = lax.top_k(x if descending else -x, k)
    return jnp.moveaxis(at.astype(np.int64), -1, axis)


def _smallest_of_many(x, k: int, axis: int, descending: bool):
    """`smallest` where a sort of all elements would be a waste: the k-th is found by counting, only k are sorted."""
    key = jnp.moveaxis(sort_key(x, descending), axis, -1)
    shape = key.shape
    key = key.reshape(-1, shape[-1])
    last = kth_position(key, k - 1, 1)
    bound = jnp.take_along_axis(key, last, 1)
    chosen = (key < bound) | ((key == bound) & (positions(key.shape, 1) <= last))
    counts = running("sum", chosen.astype(np.int32), 1)
    ranks = jnp.arange(1, k + 1, dtype=np.int32)
    at = jax.vmap(lambda row: jnp.searchsorted(row, ranks))(counts).astype(np.int64)
    order = argsort(jnp.take_along_axis(key, at, 1), 1)
    return jnp.moveaxis(jnp.take_along_axis(at, order, 1).reshape(*shape[:-1], k), -1, axis)
