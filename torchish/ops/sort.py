"""Sorting, the k-th and largest elements, medians, modes and quantiles."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchish.ops import introsort
from torchish.ops.declare import op, to_dtype
from torchish.ops.dims import wrap_dim
from torchish.ops.order import argsort as sorted_positions
from torchish.ops.order import first_where, kth_position, positions, smallest
from torchish.ops.precision import type_name
from torchish.ops.reduce import (
    attained,
    is_complex,
    is_float,
    one_hot_gradient,
    refuse_empty_dims,
    selected,
    shared_gradient,
)  # fmt: skip


def _order(x, d: int, descending: bool = False, stable: bool | None = False, rare: bool = True):
    """Positions that sort along an axis; equal elements go where PyTorch puts them, unless their order is to stay."""
    exact = not stable and introsort.replayed(x, d, 16, rare)
    return (introsort.argsort if exact else sorted_positions)(x, d, descending)


def _sorted(input, dim, descending, stable):
    if is_complex(input):
        raise RuntimeError(" Sort does not support complex dtypes on CPU")
    d = wrap_dim(dim, input.ndim)
    return selected(input, lambda x: _order(x, d, descending, stable), d, True)


def _scattered(grad, indices, shape, dim):
    """Gradients of picked elements put back in their places (each place is picked at most once)."""
    if not shape:
        return grad.reshape(())
    d = wrap_dim(dim, len(shape))
    index = list(jnp.indices(grad.shape, sparse=True))
    index[d] = indices
    return jnp.zeros(shape, grad.dtype).at[tuple(index)].set(grad, unique_indices=True)


@op("sort(Tensor input, int dim=-1, bool descending=False)", returns="values indices", selects=("result",), grad="SortBackward0",
    layout="copy")  # fmt: skip
def sort(input, dim, descending):
    """Sorted values and where they come from; nan is the largest value."""
    return _sorted(input, dim, descending, False)


@op(
    "sort(Tensor input, *, bool? stable, int dim=-1, bool descending=False)",
    returns="values indices",
    selects=("result",),
    grad="SortBackward1",
    layout="copy",
)
def stable_sort(input, stable, dim, descending):
    return _sorted(input, dim, descending, stable)


@sort.backward
@stable_sort.backward
def _(grad, result1, input_shape, dim):
    return _scattered(grad[0], result1, input_shape, dim)


def _argsort(input, dim, descending, stable=False):
    if is_complex(input):
        raise RuntimeError(" Sort does not support complex dtypes on CPU")
    d = wrap_dim(dim, input.ndim)
    return _order(input, d, descending, stable) if input.ndim else jnp.zeros((), np.int64)


@op("argsort(Tensor input, int dim=-1, bool descending=False)", differentiable=False, layout="copy", out=False)
def argsort(input, dim, descending):
    return _argsort(input, dim, descending)


@op("argsort(Tensor input, *, bool stable, int dim=-1, bool descending=False)", differentiable=False, layout="copy")
def stable_argsort(input, stable, dim, descending):
    return _argsort(input, dim, descending, stable)


@op("topk(Tensor input, int k, int dim=-1, bool largest=True, bool sorted=True)", returns="values indices", selects=("result",))
def topk(input, k, dim, largest, sorted):
    """The `k` largest (or smallest) elements along a dimension, in order, and their positions."""
    d = wrap_dim(dim, input.ndim)
    if not 0 <= k <= (input.shape[d] if input.ndim else 1):
        raise RuntimeError("selected index k out of range")
    if is_complex(input):
        raise RuntimeError(" topk does not support complex dtypes on CPU")
    if input.dtype == np.bool_:
        raise RuntimeError("topk does not support bool dtypes on CPU")
    if not input.ndim:
        return input, jnp.zeros((), np.int64)
    if 64 * k > input.shape[d] and introsort.replayed(input, d, 3, rare=sorted):
        return selected(input, lambda x: introsort.smallest(x, k, d, largest, sorted), d, True)
    return selected(input, lambda x: smallest(x, k, d, largest), d, True)


@topk.backward
def _(grad, result1, input_shape, dim):
    return _scattered(grad[0], result1, input_shape, dim)


def _pick_backward(o):
    @o.backward
    def _(grad, result1, input_shape, dim, keepdim):
        return one_hot_gradient(grad[0], result1, input_shape, dim, keepdim)

    return o


def _check_selectable(input, dim, name: str) -> int:
    if is_complex(input) and input.ndim:
        raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{type_name(input)}'")
    d = wrap_dim(dim, input.ndim)
    refuse_empty_dims(input, (d,), name)
    return d


@_pick_backward
@op("kthvalue(Tensor input, int k, int dim=-1, bool keepdim=False)", returns="values indices", selects=("result",))
def kthvalue(input, k, dim, keepdim):
    """The `k`-th smallest element along a dimension (counted from 1) and its position."""
    d = wrap_dim(dim, input.ndim)
    refuse_empty_dims(input, (d,), "kthvalue")
    if not 1 <= k <= (input.shape[d] if input.ndim else 1):
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {d}")
    if not input.ndim:
        return input, jnp.zeros((), np.int64)
    _check_selectable(input, dim, "kthvalue")
    if input.dtype == np.bool_ and input.ndim:
        raise NotImplementedError("\"kthvalue_cpu\" not implemented for 'Bool'")
    find = introsort.kth_position if introsort.replayed(input, d, 2) else kth_position
    return selected(input, lambda x: find(x, k - 1, d), d, keepdim)


# --- medians and modes -------------------------------------------------------------------------------------


def _median_position(x, d: int, ignore_nan: bool):
    """Position of the lower median of each row (its axis kept); the first nan where one counts."""
    n = x.shape[d]
    if not is_float(x):
        return kth_position(x, (n - 1) // 2, d)
    nan = jnp.isnan(x)
    if ignore_nan:
        count = jnp.sum(~nan, d, keepdims=True)
        return kth_position(x, jnp.maximum(count - 1, 0) // 2, d)
    return jnp.where(jnp.any(nan, d, keepdims=True), first_where(nan, d), kth_position(x, (n - 1) // 2, d))


def _declare_median(name: str, ignore_nan: bool) -> None:
    title = name.capitalize()

    @op(f"{name}(Tensor input)", out=False, grad=f"{title}Backward0", selects=("input", "result"))
    def full(input):
        flat = input.reshape(-1)
        if not flat.size:
            return to_dtype(jnp.full((), jnp.nan, np.float32), input.dtype)
        if is_complex(input) or input.dtype == np.bool_:
            raise NotImplementedError(f"\"median_cpu\" not implemented for '{type_name(input)}'")
        fixed = lax.stop_gradient(flat)
        value = fixed[_median_position(fixed, 0, ignore_nan)]
        return (attained(flat, value, (0,)) if is_float(input) else value)[0]

    @full.backward
    def _(grad, input, result):
        return shared_gradient(grad, input, result, tuple(range(input.ndim)), False)

    full.__doc__ = "The lower median of all elements" + (", nan left out." if ignore_nan else "; nan if there is one.")

    @_pick_backward
    @op(f"{name}(Tensor input, int dim, bool keepdim=False)", returns="values indices", grad=f"{title}Backward1", selects=("result",))
    def over_dim(input, dim, keepdim):
        d = wrap_dim(dim, input.ndim)
        refuse_empty_dims(input, (d,), "median")
        if is_complex(input) or input.dtype == np.bool_:
            raise NotImplementedError(f"\"median_out\" not implemented for '{type_name(input)}'")
        return selected(input, lambda x: _median_position(x, d, ignore_nan), d, keepdim)


_declare_median("median", False)
_declare_median("nanmedian", True)


@_pick_backward
@op("mode(Tensor input, int dim=-1, bool keepdim=False)", returns="values indices", selects=("result",))
def mode(input, dim, keepdim):
    """The most frequent element along a dimension (the smallest of several) and the position of the last of them when sorted."""
    d = wrap_dim(dim, input.ndim)
    if not input.ndim:
        return input, jnp.zeros((), np.int64)
    refuse_empty_dims(input, (d,), "mode")
    if is_complex(input) and input.size:
        raise NotImplementedError(f"\"mode_cpu\" not implemented for '{type_name(input)}'")

    def find(x):
        at = _order(x, d, rare=False)
        values = jnp.take_along_axis(x, at, d)  # each nan is another one
        where = positions(values.shape, d)
        start = lax.cummax(jnp.where((values != jnp.roll(values, 1, d)) | (where == 0), where, 0), d)
        last = jnp.argmax(where - start, d, keepdims=True)
        return jnp.take_along_axis(at, last, d)

    return selected(input, find, d, keepdim)


# --- quantiles ---------------------------------------------------------------------------------------------

_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(input, q, dim, keepdim, interpolation, ignore_nan):
    if not input.size:
        raise RuntimeError("quantile() input tensor must be non-empty")
    if q.ndim > 1:
        raise RuntimeError("quantile() q must be a scalar or 1D tensor")
    if input.dtype not in (np.float32, np.float64):
        raise RuntimeError("quantile() input tensor must be either float or double dtype")
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(
            f"quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}"
        )
    d = 0 if dim is None else wrap_dim(dim, input.ndim)
    x = input.reshape(-1) if dim is None or not input.ndim else input
    n = x.shape[d]
    rows = jnp.moveaxis(x, d, -1)
    rows = jnp.take_along_axis(rows, sorted_positions(lax.stop_gradient(rows), rows.ndim - 1), -1)
    nan = jnp.isnan(rows)
    if ignore_nan:
        last = jnp.maximum(jnp.sum(~nan, -1, keepdims=True) - 1, 0).astype(x.dtype)
        rank = q.reshape(-1) * last
    else:
        # a row with a nan has it at the end: every rank becomes that of the nan
        rank = jnp.where(jnp.any(nan, -1, keepdims=True), n - 1, q.reshape(-1) * (n - 1))
    if interpolation == "lower":
        rank = jnp.floor(rank)
    elif interpolation == "higher":
        rank = jnp.ceil(rank)
    elif interpolation == "nearest":
        rank = jnp.round(rank)
    below = jnp.floor(lax.stop_gradient(rank)).astype(np.int64)
    got = jnp.take_along_axis(rows, jnp.clip(below, 0, n - 1), -1)
    if interpolation in ("linear", "midpoint"):
        weight = jnp.full_like(rank, 0.5) if interpolation == "midpoint" else rank - below
        above = jnp.take_along_axis(rows, jnp.clip(jnp.ceil(lax.stop_gradient(rank)).astype(np.int64), 0, n - 1), -1)
        # lerp as PyTorch writes it, exact at both ends
        got = jnp.where(weight < 0.5, got + weight * (above - got), above - (above - got) * (1 - weight))
    got = jnp.moveaxis(got, -1, 0)  # q first, then the other dimensions
    if keepdim:
        shape = (1,) * input.ndim if dim is None else tuple(1 if i == d else s for i, s in enumerate(input.shape))
        got = got.reshape(got.shape[:1] + shape)
    return got[0] if q.ndim == 0 else got


def _declare_quantile(name: str, ignore_nan: bool) -> None:
    signature = "q, int? dim=None, bool keepdim=False, *, str interpolation='linear'"

    def quantile(input, q, dim, keepdim, interpolation):
        return _quantile(input, q.astype(input.dtype), dim, keepdim, interpolation, ignore_nan)

    for moving, selects in ((True, ()), (False, ("input", "q"))):
        declare = op(
            f"_{name}{'' if moving else '_fixed'}(Tensor input, Tensor|Number {signature})", method=False, function=False,
            selects=selects, grad="SqueezeBackward4",
        )  # fmt: skip
        QUANTILES[name, moving] = declare(quantile)


QUANTILES: dict = {}
_declare_quantile("quantile", False)
_declare_quantile("nanquantile", True)
