"""Sums and extremes along axes, right and fast on XLA's CPU backend; small sums in PyTorch's order.

jaxlib 0.10.2 leaves reductions of 2^12 floats and more to YNNPACK there, which loses nan in extremes and is slow where few values
are taken together far apart or many times: float32, milliseconds there / here (PyTorch):

    (16, 62500) along its columns 4.3 / 0.15 (0.04)    (256, 30000) 19 / 4.9 (1.9)    (300000, 3) along its rows 0.79 / 0.14 (0.1)

It knows a reduction by what joins two values; one that looks for nan first is none of those that it takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_FAR = 1 << 16  # bytes between values that are taken together
_FEW = 8  # values that are taken together, side by side
_LARGE = 1 << 12  # elements
_BLOCK = 16  # rows, or sums of rows, that PyTorch adds up first
_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


def _axes(x: Any, axes: Any) -> tuple[int, ...]:
    return tuple(range(x.ndim)) if axes is None else tuple([a % x.ndim for a in np.atleast_1d(axes)])


def _slow(x: Any, axes: tuple[int, ...]) -> bool:
    """Whether YNNPACK takes long."""
    if jax.default_backend() != "cpu" or x.size < _LARGE or x.dtype not in _DTYPES or not axes:
        return False
    last = max(axes)
    if last < x.ndim - 1:
        return math.prod(x.shape[last + 1 :]) * x.dtype.itemsize >= _FAR
    return math.prod(x.shape[a] for a in axes) <= _FEW


def _reduced(x: Any, start: float, join: Callable, axes: tuple[int, ...], keepdims: bool) -> Any:
    # of constants XLA would compute it while it compiles, in seconds
    value = lax.reduce(x, lax.optimization_barrier(np.asarray(start, x.dtype)), join, axes)
    return jnp.expand_dims(value, axes) if keepdims else value


def total(x: Any, axes: Any = None, keepdims: bool = False) -> Any:
    """The sum over axes (default: all), in the dtype of `x`."""
    axes = _axes(x, axes)
    ordered = _ordered(x, axes)
    if not ordered and not _slow(x, axes):
        return jnp.sum(x, axes, keepdims=keepdims, dtype=x.dtype)

    @jax.custom_jvp
    def value(x: Any) -> Any:
        if ordered:
            before, after = x.shape[: min(axes)], x.shape[max(axes) + 1 :]
            made = _in_order(x.reshape(math.prod(before), -1, math.prod(after)))
            return made.reshape(*before, *(1,) * (len(axes) if keepdims else 0), *after)
        return _reduced(x, 0, lambda a, b: jnp.where(a != a, a, a + b), axes, keepdims)

    value.defjvp(lambda primals, tangents: (value(*primals), jnp.sum(tangents[0], axes, keepdims=keepdims)))
    return value(x)


def _ordered(x: Any, axes: tuple[int, ...]) -> bool:
    """Whether a sum is that of a small array, along neighbouring axes."""
    first = min(axes, default=0)
    along = 1 < math.prod(x.shape[a] for a in axes) and sorted(axes) == list(range(first, first + len(axes)))
    full = jnp.issubdtype(x.dtype, jnp.inexact) and x.dtype.itemsize >= 4
    return along and 0 < x.size < _LARGE and full and jax.default_backend() == "cpu"


def _in_order(x: Any) -> Any:
    """The sum along the second axis of (before, n, after) in the order of PyTorch's CPU kernel, so that what is printed is the same.

    It works on vectors of 32 bytes: along the sum, where that is how numbers lie in memory, or on four of them side by side. Fewer numbers
    than a vector has are four, too.
    """
    _, n, after = x.shape
    lanes = 32 // x.dtype.itemsize
    if after > 1:
        side_by_side = after - after % (4 * lanes if after >= lanes else 4)
        parts = [_in_blocks(x[..., :side_by_side])] if side_by_side else []
        if side_by_side < after:
            parts.append(_four_at_a_time(x[..., side_by_side:]))
        return jnp.concatenate(parts, -1)
    x = x[..., 0]
    if n < lanes:
        return _four_at_a_time(x[..., None])[:, 0]
    whole = n - n % lanes
    if 0 < n // (4 * lanes) < _BLOCK:
        return _at_once(x, lanes)
    vector = _four_at_a_time(x[:, :whole].reshape(len(x), -1, lanes))
    return reduce(jnp.add, [*(x[:, i] for i in range(whole, n)), *(vector[:, i] for i in range(lanes))])


def _at_once(x: Any, lanes: int) -> Any:
    """The same for few numbers side by side: sums of rows of four vectors beside what is left over, for which XLA would compute the
    numbers once more.
    """
    count, n = x.shape
    rows, extra = divmod(n // lanes, 4)
    width = 4 * lanes
    x = jnp.pad(x, ((0, 0), (0, 2 * rows * width - n))).reshape(count, 2, rows, width)
    sums, left = jnp.moveaxis(jnp.sum(x, 2), 1, 0)
    four = [sums[:, i : i + lanes] for i in range(0, width, lanes)]
    whole = [left[:, i : i + lanes] for i in range(0, extra * lanes, lanes)]
    vector = reduce(jnp.add, [four[0], *whole, *four[1:]])
    return reduce(jnp.add, [*(left[:, extra * lanes + i] for i in range(n % lanes)), *(vector[:, i] for i in range(lanes))])


def _four_at_a_time(rows: Any) -> Any:
    """The sum along the second axis, in four sums of every fourth row, with the rows left over in the first."""
    count, n, width = rows.shape
    whole = n - n % 4
    left = [rows[:, i] for i in range(whole, n)]
    if not whole:
        return reduce(jnp.add, left)
    four = _in_blocks(rows[:, :whole].reshape(count, -1, 4 * width)).reshape(count, 4, width)
    return reduce(jnp.add, [four[:, 0], *left, *(four[:, i] for i in range(1, 4))])


def _in_blocks(rows: Any) -> Any:
    """The sum along the second axis: sums of 16 rows, sums of 16 of these, and so on; what is left over on each level is added up last."""
    count, n, width = rows.shape
    whole = n - n % _BLOCK
    left = [jnp.sum(rows[:, whole:], 1)] if whole < n else []
    blocks = jnp.sum(rows[:, :whole].reshape(count, whole // _BLOCK, _BLOCK, width), 2)
    sums = [blocks[:, i] for i in range(whole // _BLOCK)]
    while sums:
        whole = len(sums) - len(sums) % _BLOCK
        if whole < len(sums):
            left.append(reduce(jnp.add, sums[whole:]))
        sums = [reduce(jnp.add, sums[i : i + _BLOCK]) for i in range(0, whole, _BLOCK)]
    return reduce(jnp.add, left)


def _extreme(extremum: Callable, beats: Callable, worst: float) -> Callable:
    """The extreme of values without gradients, nan where there is one."""

    def extreme(x: Any, axes: Any = None, keepdims: bool = False) -> Any:
        axes = _axes(x, axes)
        if _slow(x, axes):
            return _reduced(x, worst, lambda a, b: jnp.where((a != a) | beats(a, b), a, b), axes, keepdims)
        value = extremum(x, axes, keepdims=keepdims)
        if jax.default_backend() != "cpu" or x.size < _LARGE or not jnp.issubdtype(x.dtype, jnp.floating):
            return value

        def with_nan() -> Any:
            return jnp.where(jnp.isnan(x).any(axes, keepdims=keepdims), jnp.nan, value)

        # the sum is nan where there is one, or infinities of both signs, and takes a third of the time of looking for it
        return lax.cond(jnp.isnan(jnp.sum(x)), with_nan, lambda: value)

    return extreme


greatest: Callable = _extreme(jnp.max, jnp.greater_equal, -math.inf)
least: Callable = _extreme(jnp.min, jnp.less_equal, math.inf)

__all__ = ["greatest", "least", "total"]
