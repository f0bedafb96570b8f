"""Sums and extremes along axes, right and fast on XLA's CPU backend.

jaxlib 0.10.2 leaves reductions of 2^12 floats and more to YNNPACK there, which loses nan in extremes and is slow where few values
are taken together far apart or many times: float32, milliseconds there / here (PyTorch):

    (16, 62500) along its columns 4.3 / 0.15 (0.04)    (256, 30000) 19 / 4.9 (1.9)    (300000, 3) along its rows 0.79 / 0.14 (0.1)

It knows a reduction by what joins two values; one that looks for nan first is none of those that it takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_FAR = 1 << 16  # bytes between values that are taken together
_FEW = 8  # values that are taken together, side by side
_LARGE = 1 << 12  # elements
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
    if not _slow(x, axes):
        return jnp.sum(x, axes, keepdims=keepdims, dtype=x.dtype)

    @jax.custom_jvp
    def value(x: Any) -> Any:
        return _reduced(x, 0, lambda a, b: jnp.where(a != a, a, a + b), axes, keepdims)

    value.defjvp(lambda primals, tangents: (value(*primals), jnp.sum(tangents[0], axes, keepdims=keepdims)))
    return value(x)


def _extreme(reduce: Callable, beats: Callable, worst: float) -> Callable:
    """The extreme of values without gradients, nan where there is one."""

    def extreme(x: Any, axes: Any = None, keepdims: bool = False) -> Any:
        axes = _axes(x, axes)
        if _slow(x, axes):
            return _reduced(x, worst, lambda a, b: jnp.where((a != a) | beats(a, b), a, b), axes, keepdims)
        value = reduce(x, axes, keepdims=keepdims)
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
