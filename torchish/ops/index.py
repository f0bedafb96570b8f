"""Reading and writing by index tensors and masks.

Positions are checked where the call is made (`torchish._tensor.positions`): the functions here take them as given, a
negative one counting from the end where PyTorch allows it.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from torchish.ops.declare import op, to_dtype
from torchish.ops.precision import factor, widen

IN_BOUNDS = "promise_in_bounds"


def _key(indices) -> tuple:
    return tuple(slice(None) if i is None else i for i in indices)


def _accumulate(ref, values):
    # booleans accumulate by `or`
    return ref.max(values, mode=IN_BOUNDS) if values.dtype == jnp.bool_ else ref.add(values, mode=IN_BOUNDS)


@op(
    "_index(Tensor input, Tensor?[] indices)",
    out=False,
    method=False,
    function=False,
    saves=("indices",),
    indices=("indices",),
    grad="IndexBackward0",
)
def index(input, indices):
    return input.at[_key(indices)].get(mode=IN_BOUNDS)


@op(
    "_index_put(Tensor input, Tensor?[] indices, Tensor|Number values, bool accumulate)",
    out=False,
    method=False,
    function=False,
    grad="IndexPutBackward0",
    indices=("indices",),
)
def index_put(input, indices, values, accumulate):
    values = to_dtype(values, input.dtype)
    ref = input.at[_key(indices)]
    return _accumulate(ref, values) if accumulate else ref.set(values, mode=IN_BOUNDS)


@index_put.backward
def _(grad, indices, accumulate):
    where = grad.at[_key(indices)]
    return grad if accumulate else where.set(0, mode=IN_BOUNDS), None, where.get(mode=IN_BOUNDS)


@op(
    "_mask_put(Tensor input, Tensor mask, Tensor|Number values, int dim)",
    out=False,
    method=False,
    function=False,
    saves=("mask",),
    grad="IndexPutBackward0",
    indices=("mask",),
)
def mask_put(input, mask, values, dim):
    """`input[mask] = values` for values that do not depend on how many elements the mask picks."""
    after = input.ndim - dim - mask.ndim
    values = to_dtype(values, input.dtype)
    if values.ndim > after:
        lead = values.shape[: values.ndim - after - 1]
        values = values.reshape(lead + (1,) * mask.ndim + values.shape[values.ndim - after :])
    return jnp.where(mask.reshape(mask.shape + (1,) * after), values, input)


@op(
    "_masked_fill(Tensor input, Tensor mask, Tensor|Number value)",
    out=False,
    method=False,
    function=False,
    saves=("mask",),
    indices=("mask",),
    layout="pointwise",
    grad=lambda spec, flat: "MaskedFillBackward" + ("1" if spec.kinds[2] == "T" else "0"),
)
def masked_fill(input, mask, value):
    return jnp.where(mask, to_dtype(value, input.dtype), input)


@op(
    "_masked_scatter(Tensor input, Tensor mask, Tensor source)",
    out=False,
    method=False,
    function=False,
    saves=("mask",),
    grad="MaskedScatterBackward0",
    indices=("mask",),
)
def masked_scatter(input, mask, source):
    shape = jnp.broadcast_shapes(input.shape, mask.shape)
    input, mask = jnp.broadcast_to(input, shape), jnp.broadcast_to(mask, shape)
    if not source.size:
        return input
    order = jnp.cumsum(mask.reshape(-1)) - 1
    return jnp.where(mask, source.reshape(-1).at[order].get(mode="clip").reshape(shape), input)


def at_least_1d(x):
    return x.reshape(1) if x.ndim == 0 else x


def _along(dim: int, positions) -> tuple:
    return (slice(None),) * dim + (positions,)


@op(
    "_index_select(Tensor input, Tensor index, int dim)",
    out=False,
    method=False,
    function=False,
    saves=("index",),
    grad="IndexSelectBackward0",
    indices=("index",),
)
def index_select(input, index, dim):
    if input.ndim == 0:
        return input.reshape(1)[at_least_1d(index)].reshape(())
    return input.at[_along(dim, at_least_1d(index))].get(mode=IN_BOUNDS)


@index_select.backward
def _(grad, index, input_shape, dim):
    zeros = jnp.zeros(input_shape, grad.dtype)
    return _added(zeros, dim, index, grad), None


def _added(input, dim, index, source):
    """`input` with `source` added to its slices; where PyTorch scatters these, it rounds sums to 16 bits once."""
    sums = input
    if input.ndim > 1 and dim in (0, input.ndim - 1):
        sums, source = widen(sums), widen(source)
    return _accumulate(_rows(sums, dim, index), at_least_1d(source)).astype(input.dtype).reshape(input.shape)


def _rows(input, dim, index):
    return at_least_1d(input).at[_along(dim, at_least_1d(index))]


@op(
    "_index_add(Tensor input, Tensor index, Tensor source, Number alpha, int dim)",
    out=False,
    method=False,
    function=False,
    saves=("index",),
    grad="IndexAddBackward0",
    indices=("index",),
    passes=("input",),
)
def index_add(input, index, source, alpha, dim):
    return _added(input, dim, index, source * factor(alpha, input.dtype))


@op(
    "_index_copy(Tensor input, Tensor index, Tensor source, int dim)",
    out=False,
    method=False,
    function=False,
    grad="IndexCopyBackward0",
    indices=("index",),
)
def index_copy(input, index, source, dim):
    source = at_least_1d(source)
    return _rows(input, dim, index).set(source, mode=IN_BOUNDS).reshape(input.shape)


@index_copy.backward
def _(grad, index, dim):
    g = _rows(grad, dim, index).get(mode=IN_BOUNDS)
    return _rows(grad, dim, index).set(0, mode=IN_BOUNDS).reshape(grad.shape), None, g


@op(
    "_index_fill(Tensor input, Tensor index, Tensor|Number value, int dim)",
    out=False,
    method=False,
    function=False,
    indices=("index",),
    layout="copy",
    grad=lambda spec, flat: "IndexFillBackward" + ("1" if spec.kinds[2] == "T" else "0"),
)
def index_fill(input, index, value, dim):
    return _rows(input, dim, index).set(to_dtype(value, input.dtype), mode=IN_BOUNDS).reshape(input.shape)


@index_fill.backward
def _(grad, index, dim):
    filled = _rows(jnp.zeros(grad.shape, bool), dim, index).set(True, mode=IN_BOUNDS).reshape(grad.shape)
    return jnp.where(filled, 0, grad), None, jnp.where(filled, grad, 0).sum()


@op(
    "_take(Tensor input, Tensor index)",
    out=False,
    method=False,
    function=False,
    saves=("index",),
    grad="TakeBackward0",
    indices=("index",),
)
def take(input, index):
    return input.reshape(-1).at[index].get(mode=IN_BOUNDS)


@op(
    "_put(Tensor input, Tensor index, Tensor source, bool accumulate)",
    out=False,
    method=False,
    function=False,
    grad="PutBackward0",
    indices=("index",),
    layout="copy",
)
def put(input, index, source, accumulate):
    """`source` has the shape of `index`."""
    ref, values = input.reshape(-1).at[index.reshape(-1)], source.reshape(-1)
    made = _accumulate(ref, values) if accumulate else ref.set(values, mode=IN_BOUNDS)
    return made.reshape(input.shape)


@put.backward
def _(grad, index, accumulate):
    ref = grad.reshape(-1).at[index.reshape(-1)]
    g = grad if accumulate else ref.set(0, mode=IN_BOUNDS).reshape(grad.shape)
    return g, None, ref.get(mode=IN_BOUNDS).reshape(index.shape)


@op(
    "_gather(Tensor input, Tensor index, int dim)",
    out=False,
    method=False,
    function=False,
    saves=("index",),
    grad="GatherBackward0",
    indices=("index",),
)
def gather(input, index, dim):
    return gathered(input, index, dim)


@gather.backward
def _(grad, index, input_shape, dim):
    # JAX's own takes each row's additions as a batch of their own: 1e6 elements take twice as long
    wide = widen(grad)  # sums are rounded to 16 bits once
    g = at_least_1d(jnp.zeros(input_shape, wide.dtype))
    if index.size:
        g = g.at[grid(at_least_1d(index), dim)].add(at_least_1d(wide), mode=IN_BOUNDS)
    return g.astype(grad.dtype).reshape(input_shape), None


def gathered(input, index, dim):
    """The elements of `input` at `index` along `dim`; the other coordinates are the index's own."""
    if not index.size:
        return jnp.zeros(index.shape, input.dtype)
    shape, input, positions = index.shape, at_least_1d(input), at_least_1d(index)
    part = input[tuple(slice(None) if i == dim else slice(n) for i, n in enumerate(positions.shape))]
    return jnp.take_along_axis(part, positions, dim, mode=IN_BOUNDS).reshape(shape)


def grid(index, dim: int) -> tuple:
    """For each dimension, the coordinate that every element of `index` stands for: `index` itself along `dim`."""
    shape = index.shape
    axes = [np.arange(n).reshape((-1,) + (1,) * (len(shape) - i - 1)) for i, n in enumerate(shape)]
    return tuple(index if i == dim else jnp.asarray(a) for i, a in enumerate(axes))


@op(
    "_masked_select(Tensor input, Tensor index)",
    out=False,
    method=False,
    function=False,
    saves=("index",),
    grad="MaskedSelectBackward0",
    indices=("index",),
)
def masked_select(input, index):
    """What a mask picks, given as flat positions."""
    return input.reshape(-1).at[index].get(mode=IN_BOUNDS)


@op("_wrapped(Tensor input, int size)", out=False, method=False, function=False, differentiable=False)
def wrapped(input, size):
    """Positions taken modulo a size."""
    return input % size if size else input
