"""Differences, integrals and covariances of sampled functions."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchish import _dtypes as dt
from torchish.ops.apart import apart
from torchish.ops.declare import broadcast_shapes, op
from torchish.ops.dims import wrap_dim
from torchish.ops.folds import total
from torchish.ops.precision import widen
from torchish.ops.running import running


def _slice(x, start, stop, d):
    return lax.slice_in_dim(x, start, stop, axis=d)


def _floating(x):
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(dt._default.np)


def _joined(*arrays):
    """Arrays in their common dtype."""
    common = dt.result_type([(dt.FROM_NP[np.dtype(a.dtype)], 2 if a.ndim else 1) for a in arrays]).np
    return [a.astype(common) for a in arrays]


@op("diff(Tensor input, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None)", saves=(), layout="one",
    grad=lambda spec, flat: "SubBackward0" if spec.statics[0] else "CopyBackwards")  # fmt: skip
def diff(input, prepend, append, n, dim):
    """The n-th differences of neighbours along a dimension (of truth values: where they change)."""
    if input.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    if not n and prepend is None and append is None:
        return input  # (whatever the dimension)
    d = wrap_dim(dim, input.ndim)
    for ends in (prepend, append):
        if ends is None:
            continue
        if ends.ndim != input.ndim:
            raise RuntimeError("diff expects prepend or append to be the same dimension as input")
        for i in range(input.ndim):
            if i != d and ends.shape[i] != input.shape[i]:
                raise RuntimeError(
                    "diff expects the shape of tensor to prepend or append to match that of input except along the "
                    f"differencing dimension; input.size({i}) = {input.shape[i]}, but got tensor.size({i}) "
                    f"= {ends.shape[i]}"
                )
    if not n:
        return input
    parts = [p for p in (prepend, input, append) if p is not None]
    x = jnp.concatenate(_joined(*parts), d) if len(parts) > 1 else input
    for _ in range(min(n, x.shape[d])):
        a, b = _slice(x, 1, x.shape[d], d), _slice(x, 0, x.shape[d] - 1, d)
        x = a ^ b if x.dtype == np.bool_ else a - b
    return x


# --- integrals ---------------------------------------------------------------------------------------------


def _check_not_bool(name, *arrays):
    if any(a.dtype == np.bool_ for a in arrays):
        which = "`x` or `y`" if len(arrays) > 1 else "`y`"
        raise RuntimeError(f"{name}: received a bool input for {which}, but bool is not supported")


def _widths(y, x, d, name: str):
    """The distances of the sample points `x`, ready to broadcast with pairs of `y` along `d`."""
    if x.ndim == 1:
        if x.shape[0] != y.shape[d]:
            raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
        shape = [1] * y.ndim
        shape[d] = x.shape[0]
        x = x.reshape(shape)
    elif x.ndim < y.ndim:
        x = x.reshape((1,) * (y.ndim - x.ndim) + x.shape)
    return _slice(x, 1, x.shape[d], d) - _slice(x, 0, x.shape[d] - 1, d)


def _areas(y, x, d, name: str):
    """Twice the area of each trapezium."""
    y, x = _joined(y, x)
    widths, pairs = _widths(y, x, d, name), _pairs(y, d)
    broadcast_shapes([pairs.shape, widths.shape])  # its error
    return widths * pairs


def _pairs(y, d):
    return _slice(y, 1, y.shape[d], d) + _slice(y, 0, y.shape[d] - 1, d)


def _wide(x):
    """What sums run over: int64 for integers, though their terms wrap around."""
    return widen(x) if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(np.int64)


def _summed(x):
    return x.dtype if jnp.issubdtype(x.dtype, jnp.inexact) else np.dtype(np.int64)


def _without(shape, d):
    return shape[:d] + shape[d + 1 :]


def _declare_trapezoid(name: str) -> None:
    @op(f"{name}(Tensor y, Tensor x, *, int dim=-1)", method=False, out=False, grad="DivBackward0")
    def over_points(y, x, dim):
        d = wrap_dim(dim, y.ndim)
        if not y.ndim:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        if y.shape[d] == 0:
            return jnp.zeros(_without(y.shape, d), _floating(y).dtype)
        _check_not_bool("trapezoid", y, x)
        areas = _areas(y, x, d, "trapezoid")
        return _floating(total(apart(_wide(areas)), d).astype(_summed(areas))) / 2

    @op(f"{name}(Tensor y, *, Number dx=1, int dim=-1)", method=False, out=False, saves=(), grad="MulBackward1")
    def equidistant(y, dx, dim):
        d = wrap_dim(dim, y.ndim)
        if not y.ndim:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        if y.shape[d] == 0:
            return jnp.zeros(_without(y.shape, d), y.dtype)
        _check_not_bool("trapezoid", y)
        area = _floating(total(_wide(y), d))
        ends = (
            lax.index_in_dim(y, 0, d, keepdims=False) + lax.index_in_dim(y, y.shape[d] - 1, d, keepdims=False)
        ).astype(area.dtype)
        area = (area - ends * 0.5) * dx.astype(area.dtype)
        return area.astype(_floating(y).dtype)

    for f in (over_points, equidistant):
        f.__doc__ = "The integral along a dimension by the trapezoidal rule."


_declare_trapezoid("trapezoid")
_declare_trapezoid("trapz")


@op("cumulative_trapezoid(Tensor y, Tensor x, *, int dim=-1)", method=False, out=False, grad="DivBackward0")
def cumulative_trapezoid(y, x, dim):
    """The running integral along a dimension by the trapezoidal rule."""
    d = wrap_dim(dim, y.ndim)
    _check_not_bool("cumulative_trapezoid", y, x)
    areas = _areas(y, x, d, "cumulative_trapezoid")
    return _floating(running("sum", apart(areas).astype(_summed(areas)), d)) / 2


@op(
    "cumulative_trapezoid(Tensor y, *, Number dx=1, int dim=-1)",
    method=False,
    out=False,
    saves=(),
    grad="CumsumBackward0",
)
def cumulative_trapezoid_dx(y, dx, dim):
    d = wrap_dim(dim, y.ndim)
    _check_not_bool("cumulative_trapezoid", y)
    if not y.ndim:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    if not y.shape[d]:
        return _floating(y)
    pairs = _floating(_pairs(y, d))
    return running("sum", apart((dx / 2).astype(pairs.dtype) * pairs), d)


# --- gradients ---------------------------------------------------------------------------------------------


@op(
    "_gradient(Tensor input, Number spacing, int dim, int edge_order)",
    method=False,
    function=False,
    saves=(),
    grad="CatBackward0",
)
def uniform_gradient(input, spacing, dim, edge_order):
    """The derivative along a dimension at equidistant points: central inside, one-sided at the ends."""
    x, n = input, input.shape[dim]

    def at(i):
        return _slice(x, i, i + 1, dim)

    if edge_order == 1:
        first, last = at(1) - at(0), at(n - 1) - at(n - 2)
    else:
        first = -1.5 * at(0) + 2 * at(1) - 0.5 * at(2)
        last = 1.5 * at(n - 1) - 2 * at(n - 2) + 0.5 * at(n - 3)
    inside = (_slice(x, 2, n, dim) - _slice(x, 0, n - 2, dim)) / 2
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        first, inside, last = (v.astype(dt._default.np) for v in (first, inside, last))
    whole = jnp.concatenate([first, inside, last], dim)
    return whole / spacing.astype(whole.dtype)


@op(
    "_gradient_at(Tensor input, Tensor points, int dim, int edge_order)",
    method=False,
    function=False,
    saves={"points": ("input", "points"), "input": ("points",)},
    grad="CatBackward0",
)
def gradient_at(input, points, dim, edge_order):
    """The derivative along a dimension at the given 1-d points, to second order inside."""
    n = input.shape[dim]
    h = _floating(jnp.diff(points))
    shape = [1] * input.ndim
    shape[dim] = -1

    def part(start, stop):
        return _slice(input, start, stop, dim)

    def row(v):
        return jnp.reshape(v, shape)

    h1, h2 = h[:-1], h[1:]
    inside = (
        row(-h2 / (h1 * (h1 + h2))) * part(0, n - 2)
        + row((h2 - h1) / (h1 * h2)) * part(1, n - 1)
        + row(h1 / (h2 * (h1 + h2))) * part(2, n)
    )
    if edge_order == 1:
        first = (part(1, 2) - part(0, 1)) / h[0]
        last = (part(n - 1, n) - part(n - 2, n - 1)) / h[-1]
    else:
        a, b = h[0], h[1]
        first = (
            -(2 * a + b) / (a * (a + b)) * part(0, 1) + (a + b) / (a * b) * part(1, 2) - a / (b * (a + b)) * part(2, 3)
        )
        a, b = h[-2], h[-1]
        last = (
            b / (a * (a + b)) * part(n - 3, n - 2) - (a + b) / (a * b) * part(n - 2, n - 1)
            + (2 * b + a) / (b * (a + b)) * part(n - 1, n)
        )  # fmt: skip
    return jnp.concatenate([first, inside, last], dim)
