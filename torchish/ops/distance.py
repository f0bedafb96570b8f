"""Cross products and distances between vectors."""

from __future__ import annotations

import jax.numpy as jnp

from torchish.ops.declare import broadcast_shapes, op
from torchish.ops.dims import wrap_dim
from torchish.ops.folds import greatest
from torchish.ops.linalg_common import mm, mT
from torchish.ops.precision import FULL, require_kernel, type_name


@op(
    "linalg.cross(Tensor input, Tensor other, *, int dim=-1)", grad="LinalgCrossBackward0",
)  # fmt: skip
def cross(input, other, dim):
    """The cross products of vectors of three elements along `dim`."""
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    d = wrap_dim(dim, input.ndim, scalar=False)
    if input.shape[d] != 3 or other.shape[d] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[d]} and {other.shape[d]}"
        )
    shape = broadcast_shapes([input.shape, other.shape])
    if input.dtype != other.dtype:
        raise RuntimeError(f"expected scalar type {type_name(input)} but found {type_name(other)}")
    if input.dtype == jnp.bool_:
        raise NotImplementedError("\"cross\" not implemented for 'Bool'")
    a = jnp.moveaxis(jnp.broadcast_to(input, shape), d, 0)
    b = jnp.moveaxis(jnp.broadcast_to(other, shape), d, 0)
    return _cross(a, b, d)


def _cross(a, b, d: int):
    """The cross products of vectors along the first axis, along axis `d`."""
    return jnp.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]], d)


@cross.backward
def _(grad, input, other, dim):
    d = wrap_dim(dim, grad.ndim)
    g, a, b = (jnp.moveaxis(jnp.broadcast_to(v, grad.shape), d, 0) for v in (grad, jnp.conj(input), jnp.conj(other)))
    return _cross(b, g, d), _cross(g, a, d)


def _distance(difference, p: float):
    """The p-norm over the last dimension."""
    size = jnp.abs(difference)
    if p == 0:
        return jnp.sum(jnp.minimum(jnp.ceil(size), 1), -1, dtype=difference.dtype)  # nan counts as nan
    if p == 1:
        return jnp.sum(size, -1)
    if p == 2:
        return jnp.sqrt(jnp.sum(size * size, -1))
    if p == float("inf"):
        return greatest(size, -1) if size.shape[-1] else jnp.zeros(size.shape[:-1], size.dtype)
    return jnp.sum(size**p, -1) ** (1 / p)


def _distance_grad(grad, difference, distance, p: float):
    """PyTorch's gradient of the distances with respect to the differences: zero where a distance is zero."""
    g, dist = grad[..., None], distance[..., None]
    if p == 0:
        return jnp.zeros_like(difference)
    if p == 1:
        return g * jnp.sign(difference)
    zero = dist == 0
    if p == float("inf"):
        return g * jnp.sign(difference) * (jnp.abs(difference) == dist)
    if p == 2:
        return jnp.where(zero, 0, g * difference / jnp.where(zero, 1, dist))
    if p < 2:
        still = (difference == 0) | zero
        size = jnp.where(still, 1, jnp.abs(difference))
        return jnp.where(still, 0, jnp.sign(difference) * size ** (p - 1) * g / jnp.where(zero, 1, dist) ** (p - 1))
    size = jnp.abs(difference)
    return jnp.where(zero, 0, difference * size ** (p - 2) * g / jnp.where(zero, 1, dist) ** (p - 1))


@op("_cdist(Tensor x1, Tensor x2, float p)", grad="CdistBackward0", method=False, function=False, out=False)
def cdist(x1, x2, p):
    """All p-norm distances between the rows of two (batches of) matrices of the same batch."""
    difference = x1[..., :, None, :] - x2[..., None, :, :]
    if p == float("inf"):  # for once a nan counts for nothing
        difference = jnp.where(jnp.isnan(difference), 0, difference)
    return _distance(difference, p)


@cdist.backward
def _(grad, x1, x2, result, p):
    g = _distance_grad(grad, x1[..., :, None, :] - x2[..., None, :, :], result, p)
    return g.sum(-2), -g.sum(-3)


@op("_euclidean_dist(Tensor x1, Tensor x2)", grad="EuclideanDistBackward0", method=False, function=False, out=False)
def euclidean_dist(x1, x2):
    """The same for p = 2 by a matrix product: |x|^2 - 2 x y + |y|^2."""
    n1, n2 = jnp.sum(x1 * x1, -1, keepdims=True), jnp.sum(x2 * x2, -1, keepdims=True)
    left = jnp.concatenate([x1 * -2, n1, jnp.ones_like(n1)], -1)
    right = jnp.concatenate([x2, jnp.ones_like(n2), n2], -1)
    return jnp.sqrt(jnp.maximum(mm(left, mT(right)), 0))


@euclidean_dist.backward
def _(grad, x1, x2, result):
    zero = result == 0
    ratio = jnp.where(zero, 0, grad / jnp.where(zero, 1, result))
    return (
        x1 * ratio.sum(-1, keepdims=True) - mm(ratio, x2),
        x2 * ratio.sum(-2)[..., None] - mm(mT(ratio), x1),
    )


@op("pdist(Tensor input, float p=2.0)", aliases=("nn.functional.pdist",), method=False, out=False)
def pdist(input, p):
    """The p-norm distances between all pairs of rows of a matrix, i < j in row order."""
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if not jnp.issubdtype(input.dtype, jnp.floating):
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    require_kernel("pdist", input, FULL)
    i, j = jnp.triu_indices(input.shape[0], 1)
    return _distance(input[i] - input[j], p)


@pdist.backward
def _(grad, input, result, p):
    i, j = jnp.triu_indices(input.shape[0], 1)
    g = _distance_grad(grad, input[i] - input[j], result, p)
    return jnp.zeros_like(input).at[i].add(g).at[j].add(-g)
