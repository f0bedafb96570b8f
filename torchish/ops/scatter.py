"""Writing and reducing into positions along a dimension.

As in `ops.index`, positions are taken as given here; they were checked at the call.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from torchish.ops.declare import op, to_dtype
from torchish.ops.index import IN_BOUNDS, at_least_1d, gathered, grid
from torchish.ops.precision import widen


def _places(input, index, dim):
    """`input` as a reference at every position of `index`, both with at least one dimension."""
    return at_least_1d(input).at[grid(at_least_1d(index), dim)]


def _values(src, index, dtype):
    """The part of `src` that `index` covers (all of a number)."""
    src = to_dtype(src, dtype)
    if src.ndim == 0:
        return src
    return at_least_1d(src)[tuple(slice(n) for n in at_least_1d(index).shape)]


def _padded(g, shape, index):
    """The gradient of the covered part of `src` as that of all of it, which has this shape."""
    g = at_least_1d(g)
    return jnp.pad(g, [(0, n - k) for n, k in zip(shape or (1,), g.shape, strict=True)]).reshape(shape)


def _scatter_name(spec, flat) -> str:
    if spec.statics[1]:
        return "NotImplemented"
    return "ScatterBackward0" if spec.kinds[2] == "T" else "ScatterBackward1"


@op(
    "_scatter(Tensor input, Tensor index, Tensor|Number src, int dim, str? reduce)",
    out=False,
    method=False,
    function=False,
    saves=("index",),
    grad=_scatter_name,
    indices=("index",),
)
def scatter(input, index, src, dim, reduce):
    if not index.size:
        return input
    values = _values(src, index, input.dtype)
    ref = _places(input, index, dim)
    if reduce is None:
        made = ref.set(values, mode=IN_BOUNDS)
    elif reduce == "add":
        made = _add(ref, values)
    elif values.dtype == jnp.bool_:
        made = ref.min(values, mode=IN_BOUNDS)
    else:
        made = ref.multiply(values, mode=IN_BOUNDS)
    return made.reshape(input.shape)


@scatter.backward
def _(grad, index, shapes, dim):
    if not index.size:
        return grad, None, None
    g = _places(grad, index, dim).set(0, mode=IN_BOUNDS).reshape(grad.shape)
    shape = shapes["src"]
    return g, None, None if shape == () and index.ndim else _padded(gathered(grad, index, dim), shape, index)


def _add(ref, values):
    return ref.max(values, mode=IN_BOUNDS) if values.dtype == jnp.bool_ else ref.add(values, mode=IN_BOUNDS)


@op(
    "_scatter_add(Tensor input, Tensor index, Tensor src, int dim)",
    out=False,
    method=False,
    function=False,
    saves=("index",),
    grad="ScatterAddBackward0",
    indices=("index",),
    passes=("input",),
)
def scatter_add(input, index, src, dim):
    if not index.size:
        return input
    sums = _add(_places(widen(input), index, dim), widen(_values(src, index, input.dtype)))  # rounded to 16 bits once
    return sums.astype(input.dtype).reshape(input.shape)


# --- reductions ----------------------------------------------------------------------------------------------
#
# `places(x)` below is a reference to the positions in an array shaped like the input, `pick(x)` reads them: the same
# formulas serve `scatter_reduce` (element by element) and `index_reduce` (slice by slice).

_WORST: dict[str, Any] = {"amax": -jnp.inf, "amin": jnp.inf}


def _identity(reduce: str, dtype) -> Any:
    if reduce in ("sum", "mean"):
        return 0
    if reduce == "prod":
        return 1
    if dtype == jnp.bool_:
        return reduce == "amin"
    if jnp.issubdtype(dtype, jnp.integer):
        info = jnp.iinfo(dtype)
        return info.min if reduce == "amax" else info.max
    return _WORST[reduce]


def _divide(total, count):
    """Integers are divided rounding down, as PyTorch's means of integers are."""
    if jnp.issubdtype(total.dtype, jnp.integer):
        return total // count.astype(total.dtype)
    return total / count.astype(total.dtype)


def _counts(places, input, values, include_self: bool):
    """How many values each place reduces, at least 1."""
    start = jnp.ones if include_self else jnp.zeros
    n = places(start(input.shape, jnp.int64)).add(jnp.ones(values.shape, jnp.int64), mode=IN_BOUNDS)
    return jnp.maximum(n, 1)


def _product(places, start, values):
    """The product of `start` and the values at each place, with a derivative that is right where there are zeros."""

    @jax.custom_jvp
    def product(start, values):
        return places(start).multiply(values, mode=IN_BOUNDS)

    @product.defjvp
    def _(primals, tangents):
        s, v = primals
        ds, dv = tangents
        no_s, no_v = s == 0, v == 0
        one_s, one_v = jnp.where(no_s, jnp.ones_like(s), s), jnp.where(no_v, jnp.ones_like(v), v)
        zeros = places(no_s.astype(jnp.int64)).add(no_v.astype(jnp.int64), mode=IN_BOUNDS)
        relative = places(jnp.where(no_s, 0, ds / one_s)).add(jnp.where(no_v, 0, dv / one_v), mode=IN_BOUNDS)
        at_zero = places(jnp.where(no_s, ds, 0)).add(jnp.where(no_v, dv, 0), mode=IN_BOUNDS)
        p = product(s, v)
        return p, p * relative + jnp.where(zeros == 1, product(one_s, one_v) * at_zero, 0)

    return product(start, values)


def _reduce(places, input, values, reduce: str, include_self: bool):
    dtype = input.dtype
    if dtype == jnp.bool_:
        reduce = {"sum": "amax", "mean": "amin", "prod": "amin"}.get(reduce, reduce)
    low = dtype in (jnp.float16, jnp.bfloat16)
    start, values = (input.astype(jnp.float32), values.astype(jnp.float32)) if low else (input, values)
    if not include_self:
        start = places(start).set(jnp.asarray(_identity(reduce, start.dtype), start.dtype), mode=IN_BOUNDS)
    ref = places(start)
    if reduce == "amax":
        made = ref.max(values, mode=IN_BOUNDS)
    elif reduce == "amin":
        made = ref.min(values, mode=IN_BOUNDS)
    elif reduce == "prod":
        made = _product(places, start, values)
    else:
        made = ref.add(values, mode=IN_BOUNDS)
        if reduce == "mean":
            made = _divide(made, _counts(places, input, values, include_self))
    return made.astype(dtype)


def _reduce_grads(places, pick, grad, input, values, result, reduce: str, include_self: bool):
    """PyTorch's gradients: of ties all get an equal share; a product's zeros are treated exactly."""

    def masked(g):
        return g if include_self else places(g).set(0, mode=IN_BOUNDS)

    if reduce == "sum":
        return masked(grad), pick(grad)
    if reduce == "mean":
        n = _counts(places, input, values, include_self).astype(grad.dtype)
        return masked(grad / n), pick(grad / n)
    if reduce == "prod":
        zero = values == 0
        start = input if include_self else places(input).set(1, mode=IN_BOUNDS)
        zeros = places(jnp.zeros(start.shape, jnp.int64)).add(zero.astype(jnp.int64), mode=IN_BOUNDS)
        only = zero & (pick(zeros) == 1)
        whole = _product(places, start, values)
        rest = _product(places, start, jnp.where(only, 1, values))
        g_self = _product(places, jnp.ones_like(start), values)
        g_src = jnp.where(only, pick(rest), pick(whole) / jnp.where(zero, 1, values))
        return masked(grad * jnp.conj(g_self)), pick(grad) * jnp.conj(g_src)
    # PyTorch counts the input among the ties also where it took no part, and finds no tie of nan
    at_self, at_src = input == result, values == pick(result)
    share = grad / places(at_self.astype(grad.dtype)).add(at_src.astype(grad.dtype), mode=IN_BOUNDS)
    shares = pick(share)
    return masked(jnp.where(at_self, share, 0 * share)), jnp.where(at_src, shares, 0 * shares)


@op(
    "_scatter_reduce(Tensor input, Tensor index, Tensor src, int dim, str reduce, bool include_self)",
    out=False,
    method=False,
    function=False,
    selects=lambda statics, avals: () if statics[1] == "prod" else ("input", "src", "result"),
    grad="ScatterReduceBackward0",
    indices=("index",),
)
def scatter_reduce(input, index, src, dim, reduce, include_self):
    if not index.size:
        return input
    position = grid(at_least_1d(index), dim)
    made = _reduce(lambda x: x.at[position], at_least_1d(input), _values(src, index, input.dtype), reduce, include_self)
    return made.reshape(input.shape)


@scatter_reduce.backward
def _(grad, input, index, src, result, dim, reduce, include_self):
    if not index.size:
        return grad, None, None
    position = grid(at_least_1d(index), dim)
    g_self, g_src = _reduce_grads(
        lambda x: x.at[position], lambda x: x.at[position].get(mode=IN_BOUNDS), at_least_1d(grad), at_least_1d(input),
        _values(src, index, input.dtype), at_least_1d(result), reduce, include_self,
    )  # fmt: skip
    return g_self.reshape(input.shape), None, _padded(g_src, src.shape, index)


@op(
    "_index_reduce(Tensor input, Tensor index, Tensor source, int dim, str reduce, bool include_self)",
    out=False,
    method=False,
    function=False,
    selects=lambda statics, avals: () if statics[1] == "prod" else ("input", "source", "result"),
    grad="IndexReduceBackward0",
    indices=("index",),
)
def index_reduce(input, index, source, dim, reduce, include_self):
    if not index.size:
        return input
    position = (slice(None),) * dim + (at_least_1d(index),)
    made = _reduce(lambda x: x.at[position], at_least_1d(input), at_least_1d(source), reduce, include_self)
    return made.reshape(input.shape)


@index_reduce.backward
def _(grad, input, index, source, result, dim, reduce, include_self):
    if not index.size:
        return grad, None, None
    position = (slice(None),) * dim + (at_least_1d(index),)
    g_self, g_src = _reduce_grads(
        lambda x: x.at[position], lambda x: x.at[position].get(mode=IN_BOUNDS), at_least_1d(grad), at_least_1d(input),
        at_least_1d(source), at_least_1d(result), reduce, include_self,
    )  # fmt: skip
    return g_self.reshape(input.shape), None, g_src.reshape(source.shape)
