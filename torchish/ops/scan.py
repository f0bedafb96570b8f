"""Cumulative sums, products, extrema and log-sums."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchish.ops.declare import op, to_dtype
from torchish.ops.dims import wrap_dim
from torchish.ops.order import positions
from torchish.ops.precision import type_name
from torchish.ops.reduce import is_complex, widened

# lax's scan, which needs log(n) passes over the array, what joins two elements, and what leaves the other one as it is
_SCANS: dict[str, tuple[Callable, Callable, Callable]] = {
    "sum": (lax.cumsum, jnp.add, lambda d: 0),
    "prod": (lax.cumprod, jnp.multiply, lambda d: 1),
    "max": (lax.cummax, jnp.maximum, lambda d: -jnp.inf if jnp.issubdtype(d, jnp.floating) else np.iinfo(d).min),
    "min": (lax.cummin, jnp.minimum, lambda d: jnp.inf if jnp.issubdtype(d, jnp.floating) else np.iinfo(d).max),
    "logsumexp": (lax.cumlogsumexp, jnp.logaddexp, lambda d: -jnp.inf),
}
_FEW = 4096


def _scan(kind: str, x: Any, d: int) -> Any:
    """The running sum (or product, ...) of `x` along an axis.

    On CPU one row after the other, vectors of a row at a time: for (1000, 1000) float32 along dimension 0 / 1 a cumsum
    takes 1.1 / 3.3 ms, lax.cumsum 8.1 / 11. An axis that is long for the array's size is cut into pieces that run side by side.
    """
    whole, join, neutral = _SCANS[kind]
    if x.size < _FEW or jax.default_backend() != "cpu":
        return whole(x, d)
    shape, n = x.shape, x.shape[d]
    before, after = math.prod(shape[:d]), math.prod(shape[d + 1 :])
    steps = min(n, max(32, math.isqrt(x.size)))
    pieces = -(-n // steps)
    start = jnp.asarray(neutral(x.dtype), x.dtype)
    rows = lax.pad(x.reshape(before, n, after), start, [(0, 0, 0), (0, pieces * steps - n, 0), (0, 0, 0)])
    rows = rows.reshape(before, pieces, steps, after).transpose(2, 0, 1, 3)

    def step(so_far, row):
        now = join(so_far, row)
        return now, now

    _, rows = lax.scan(step, jnp.full(rows.shape[1:], start), rows)
    if pieces > 1:
        totals = whole(rows[-1], 1)
        rows = join(rows, jnp.concatenate([jnp.full_like(totals[:, :1], start), totals[:, :-1]], 1))
    return rows.transpose(1, 2, 0, 3).reshape(before, pieces * steps, after)[:, :n].reshape(shape)


def _accumulate(kind, input, dim, dtype):
    d = wrap_dim(dim, input.ndim)
    if dtype is not None:
        x = to_dtype(input, dtype.np)
    else:
        x = input if jnp.issubdtype(input.dtype, jnp.inexact) else input.astype(np.int64)
    if not input.ndim or not input.size:
        return x
    if x.dtype == np.bool_:
        return _scan(kind, x.astype(np.int64), d) != 0
    return _scan(kind, widened(x), d).astype(x.dtype)


@op("cumsum(Tensor input, int dim, *, dtype? dtype=None)", saves=(), inplace=True)
def cumsum(input, dim, dtype):
    return _accumulate("sum", input, dim, dtype)


@op("cumprod(Tensor input, int dim, *, dtype? dtype=None)", inplace=True)
def cumprod(input, dim, dtype):
    return _accumulate("prod", input, dim, dtype)


def _extreme(input, dim, kind):
    if is_complex(input):
        raise NotImplementedError(f"\"cum{kind}_cpu\" not implemented for '{type_name(input)}'")
    d = wrap_dim(dim, input.ndim)
    if not input.ndim or not input.size:
        return input, jnp.zeros(input.shape, np.int64)
    x = lax.stop_gradient(input)
    x = x.astype(np.uint8) if x.dtype == np.bool_ else widened(x)
    best = _scan(kind, x, d)
    # The last position so far that attains the extremum; after a nan, that of the last nan.
    at = _scan("max", jnp.where((x == best) | (x != x), positions(x.shape, d), 0), d)
    return jnp.take_along_axis(input, at, d), at


@op("cummax(Tensor input, int dim)", returns="values indices")
def cummax(input, dim):
    return _extreme(input, dim, "max")


@op("cummin(Tensor input, int dim)", returns="values indices")
def cummin(input, dim):
    return _extreme(input, dim, "min")


def _scatter_back(grad, result, dim):
    g, at = grad[0], result[1]
    if not g.ndim or not g.size:
        return g
    index = jnp.indices(g.shape, sparse=True)
    d = wrap_dim(dim, g.ndim)
    return jnp.zeros_like(g).at[(*index[:d], at, *index[d + 1 :])].add(g)


@cummax.backward
def _(grad, result, dim):
    return _scatter_back(grad, result, dim)


@cummin.backward
def _(grad, result, dim):
    return _scatter_back(grad, result, dim)


@op("logcumsumexp(Tensor input, int dim)")
def logcumsumexp(input, dim):
    """log(cumsum(exp(x))) without overflow."""
    d = wrap_dim(dim, input.ndim)
    if not jnp.issubdtype(input.dtype, jnp.inexact):
        raise NotImplementedError(f"\"logcumsumexp_out_cpu\" not implemented for '{type_name(input)}'")
    if not input.ndim or not input.size:
        return input
    x = widened(input)
    if is_complex(x):
        return _complex_logcumsumexp(x, d)
    return _scan("logsumexp", x, d).astype(input.dtype)


def _complex_logcumsumexp(x, d: int):
    # One after the other, as PyTorch does: the imaginary part is not wrapped, so it depends on the order.
    rows = jnp.moveaxis(x, d, 0)

    def join(a, b):
        low = jnp.where(jnp.real(a) < jnp.real(b), a, b)
        high = jnp.where(jnp.real(a) < jnp.real(b), b, a)
        nothing = jnp.isneginf(jnp.real(high))
        gap = jnp.where(nothing, 0, low - jnp.where(nothing, 0, high))
        got = jnp.where(nothing, low, jnp.log1p(jnp.exp(gap)) + high)
        return got, got

    _, rest = lax.scan(join, rows[0], rows[1:])
    return jnp.moveaxis(jnp.concatenate([rows[:1], rest]), 0, d)
