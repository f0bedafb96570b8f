"""Running sums, products, extrema and log-sums along an axis."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def _lowest(d: np.dtype) -> Any:
    return -jnp.inf if jnp.issubdtype(d, jnp.inexact) else np.iinfo(d).min


def _highest(d: np.dtype) -> Any:
    return jnp.inf if jnp.issubdtype(d, jnp.inexact) else np.iinfo(d).max


@dataclass(frozen=True)
class _Scan:
    """How a running value is made: lax's function for it, which needs log(n) passes over the array; what joins two values; what
    leaves the other one as it is; whether PyTorch's CPU kernels accumulate in twice the precision.
    """

    whole: Callable
    join: Callable
    neutral: Callable
    wide: bool = False


_SCANS = {
    "sum": _Scan(lax.cumsum, jnp.add, lambda d: 0, wide=True),
    "prod": _Scan(lax.cumprod, jnp.multiply, lambda d: 1, wide=True),
    "max": _Scan(lax.cummax, jnp.maximum, _lowest),
    "min": _Scan(lax.cummin, jnp.minimum, _highest),
    "logsumexp": _Scan(lax.cumlogsumexp, jnp.logaddexp, _lowest, wide=True),
}
_WIDE = {np.dtype(np.float32): np.dtype(np.float64), np.dtype(np.complex64): np.dtype(np.complex128)}
_FEW = 4096  # elements: below, lax's function takes no longer
# Elements of a row that are read and written together: (1000, 1000) float32 along its rows takes 2.5 ms with 4, 2.3 with 8, 5.9 with
# 16, and 3.5 as a scan over the transposed array; lax.cumsum takes 11, PyTorch 1.0.
_BLOCK = 8


def running(kind: str, x: Any, d: int, own: Any = None) -> Any:
    """The running sum (or product, ...) of `x` along an axis, in the dtype of `x`; `own`: the dtype that `x` was widened from."""
    scan = _SCANS[kind]
    on_cpu = jax.default_backend() == "cpu"
    wide = _WIDE.get(x.dtype, x.dtype) if scan.wide and on_cpu and own in (None, x.dtype) else x.dtype
    in_order = kind in ("sum", "prod") and not jnp.issubdtype(x.dtype, jnp.complexfloating)  # PyTorch's, which the rounding shows
    if not on_cpu or not x.size or (x.size < _FEW and not in_order):
        return scan.whole(x.astype(wide), d).astype(x.dtype)

    def step(so_far: tuple, value: Any, at: Any) -> tuple:
        return (scan.join(so_far[0], value.astype(wide)),)

    def join(a: tuple, b: tuple) -> tuple:
        return (scan.join(a[0], b[0]),)

    n = x.shape[d]
    rows = math.prod(x.shape[d + 1 :]) == 1 and kind != "logsumexp" and not jnp.issubdtype(x.dtype, jnp.complexfloating)
    neutral = np.asarray(scan.neutral(wide), wide)
    if x.size < _FEW or (rows and (n > _steps(x, d) or (x.dtype.itemsize == 8 and n >= 16 * _BLOCK))):
        turned = jnp.moveaxis(x, d, -1)
        return jnp.moveaxis(_one_by_one(step, neutral, turned.reshape(-1, n)).reshape(turned.shape), -1, d)
    return _accumulated(step, join, x, (neutral,), (x.dtype,), d)[0]


def running_extreme(kind: str, x: Any, d: int) -> tuple[Any, Any]:
    """The running "max" or "min" of `x` along an axis, and the last position so far that attains it; of nan, once there was one."""
    beats = jnp.greater_equal if kind == "max" else jnp.less_equal

    def join(a: tuple, b: tuple) -> tuple:
        take = (b[0] != b[0]) | beats(b[0], a[0])
        return jnp.where(take, b[0], a[0]), jnp.where(take, b[1], a[1])

    def step(so_far: tuple, value: Any, at: Any) -> tuple:
        return join(so_far, (value, at))

    if x.size < _FEW or jax.default_backend() != "cpu":
        return lax.associative_scan(join, (x, lax.broadcasted_iota(np.dtype(np.int64), x.shape, d)), axis=d)
    neutral = (np.asarray(_SCANS[kind].neutral(x.dtype), x.dtype), np.zeros((), np.int64))
    return _accumulated(step, join, x, neutral, (x.dtype, np.dtype(np.int64)), d)


def _steps(x: Any, d: int) -> int:
    """How much of an axis is gone along at once."""
    return min(x.shape[d], max(32, math.isqrt(x.size)))


def _accumulated(step: Callable, join: Callable, x: Any, neutral: tuple, dtypes: tuple, d: int) -> tuple:
    """What `step(so far, value, position)` makes along an axis, one value after the other, side by side for all rows.

    An axis that is long for the array's size is cut into pieces: a first pass finds what each one comes to, and the second begins
    each piece with what those before it came to (`join`), so that no third pass has to put them together.
    """
    shape, n = x.shape, x.shape[d]
    before, after = math.prod(shape[:d]), math.prod(shape[d + 1 :])
    steps = _steps(x, d)
    pieces = -(-n // steps)
    if pieces * steps > n:
        x = lax.pad(x.reshape(before, n, after), neutral[0].astype(x.dtype), [(0, 0, 0), (0, pieces * steps - n, 0), (0, 0, 0)])
    lanes = before * pieces
    run = _by_rows if after > 1 else _by_columns
    x = x.reshape(lanes, steps) if after == 1 else x.reshape(lanes, steps, after).swapaxes(0, 1)
    place = (lanes,) if after == 1 else (lanes, after)
    first = (jnp.arange(lanes) % pieces * steps).reshape((lanes,) + (1,) * (len(place) - 1))
    start = tuple(jnp.full(place, v) for v in neutral)
    if pieces > 1:
        totals, _ = run(step, start, x, first, None)
        by_piece = tuple(t.reshape(before, pieces, *place[1:]).swapaxes(0, 1) for t in totals)
        nothing = tuple(jnp.full(t.shape[1:], v) for t, v in zip(by_piece, neutral, strict=True))
        _, earlier = lax.scan(lambda so_far, t: (join(so_far, t), so_far), nothing, by_piece)
        start = tuple(e.swapaxes(0, 1).reshape(place) for e in earlier)
    made = run(step, start, x, first, dtypes)[1]
    return tuple(m.reshape(before, pieces * steps, after)[:, :n].reshape(shape) for m in made)


def _by_rows(step: Callable, start: tuple, x: Any, first: Any, dtypes: tuple | None) -> tuple[tuple, tuple]:
    """Along the first axis of (steps, lanes, after): the end, and (unless `dtypes` is None) all values as (lanes, steps, after)."""

    def one(so_far: tuple, given: tuple) -> tuple:
        value, i = given
        now = step(so_far, value, first + i)
        return now, None if dtypes is None else tuple(v.astype(t) for v, t in zip(now, dtypes, strict=True))

    made: tuple | None
    end, made = lax.scan(one, start, (x, jnp.arange(x.shape[0])))
    return end, tuple(m.swapaxes(0, 1) for m in made or ())


def _one_by_one(step: Callable, neutral: Any, x: Any) -> Any:
    """The running values along the second axis of (lanes, steps), in the order of memory, a block at a time.

    XLA's CPU backend makes one function of loops that touch at most 1 KiB in each turn, and without arrays between them: (1000, 1000) int64
    takes 1.0 ms, and 1.5 as columns of all rows; (300, 3333) float32 1.5 against 4.2.
    """
    lanes, n = x.shape
    flat = x.reshape(-1)
    whole = n - n % _BLOCK

    def block(start: Any, at: Any, width: int, state: tuple) -> tuple:
        so_far, made = state
        part = lax.dynamic_slice(flat, (start + at,), (width,))
        values: list = []
        for k in range(width):
            so_far = step((so_far,), part[k], at + k)[0]
            values.append(so_far)
        return so_far, lax.dynamic_update_slice(made, jnp.stack(values).astype(x.dtype), (start + at,))

    def row(i: Any, made: Any) -> Any:
        state = jnp.asarray(neutral), made
        if whole:
            state = lax.fori_loop(0, whole // _BLOCK, lambda j, s: block(i * n, j * _BLOCK, _BLOCK, s), state)
        return (block(i * n, whole, n - whole, state) if whole < n else state)[1]

    return lax.fori_loop(0, lanes, row, jnp.zeros(x.size, x.dtype)).reshape(x.shape)


def _by_columns(step: Callable, start: tuple, x: Any, first: Any, dtypes: tuple | None) -> tuple[tuple, tuple]:
    """The same along the second axis of (lanes, steps), a block of columns at a time."""
    lanes, n = x.shape

    def block(at: Any, width: int, state: tuple[tuple, tuple]) -> tuple[tuple, tuple]:
        so_far, made = state
        part = lax.dynamic_slice(x, (0, at), (lanes, width))
        columns: list[tuple] = []
        for k in range(width):
            so_far = step(so_far, part[:, k], first + (at + k))
            columns.append(so_far)
        if dtypes is not None:
            blocks = [jnp.stack([c[j].astype(t) for c in columns], 1) for j, t in enumerate(dtypes)]
            made = tuple(lax.dynamic_update_slice(m, b, (0, at)) for m, b in zip(made, blocks, strict=True))
        return so_far, made

    state: tuple[tuple, tuple] = start, tuple(jnp.zeros(x.shape, t) for t in dtypes or ())
    whole = n - n % _BLOCK
    if whole:
        state = lax.fori_loop(0, whole // _BLOCK, lambda i, s: block(i * _BLOCK, _BLOCK, s), state)
    return block(whole, n - whole, state) if whole < n else state
