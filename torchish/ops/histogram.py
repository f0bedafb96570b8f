"""Histograms."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from torchish.ops.declare import op
from torchish.ops.search import _search as insertion


@op("_histc(Tensor input, int bins, float min, float max)", method=False, function=False, differentiable=False)
def histc(input, bins, min, max):
    """Counts of the elements in equal bins of [min, max]; of their own range when both are equal."""
    x = input.reshape(-1)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        x = x.astype(np.float64)
    low, high = jnp.asarray(min, x.dtype), jnp.asarray(max, x.dtype)
    if min == max and x.size:
        low, high = jnp.min(x), jnp.max(x)
    if min == max:
        low, high = jnp.where(low == high, low - 1, low), jnp.where(low == high, high + 1, high)
    inside = (x >= low) & (x <= high)
    # 16-bit floats are rounded at each step
    at = jnp.minimum(((x - low) * jnp.asarray(bins, x.dtype) / (high - low)).astype(np.int64), bins - 1)
    counts = jnp.zeros((bins,), np.float64 if x.dtype == np.float64 else np.float32)
    return counts.at[jnp.where(inside, at, bins)].add(1, mode="drop").astype(input.dtype)


def _linspace(low, high, steps: int):
    """PyTorch's: counted from both ends, so that both are exact."""
    if steps == 1:
        return jnp.reshape(low, (1,))
    i = np.arange(steps)
    step = (high - low) / (steps - 1)
    return jnp.where(i < steps // 2, low + step * i, high - step * (steps - 1 - i)).astype(low.dtype)


@op("_bin_edges(Tensor input, int[] bins, any? range)", method=False, function=False, differentiable=False)
def bin_edges(input, bins, range):
    """For each column of an (n, d) array, the edges of its bins over `range` (d pairs) or its own range."""
    edges = []
    for i, n in enumerate(bins):
        if range is not None:
            low, high = (jnp.asarray(v, input.dtype) for v in range[2 * i : 2 * i + 2])
        elif input.shape[0]:
            low, high = jnp.min(input[:, i]), jnp.max(input[:, i])
        else:
            low = high = jnp.zeros((), input.dtype)
        flat = low == high
        low, high = jnp.where(flat, low - 0.5, low), jnp.where(flat, high + 0.5, high)
        edges.append(_linspace(low, high, n + 1))
    return tuple(edges)


@op(
    "_histogramdd(Tensor input, Tensor[] edges, Tensor? weight, bool density)",
    method=False,
    function=False,
    differentiable=False,
)
def histogramdd(input, edges, weight, density):
    """Weights of the rows of an (n, d) array in the cells between the edges; the last edge is inclusive."""
    shape = tuple(e.shape[0] - 1 for e in edges)
    flat = jnp.zeros(input.shape[:1], np.int64)
    inside = jnp.ones(input.shape[:1], bool)
    for i, e in enumerate(edges):
        x = input[:, i]
        inside &= (x >= e[0]) & (x <= e[-1])
        flat = flat * shape[i] + jnp.minimum(insertion(e, x, True) - 1, shape[i] - 1)
    cells = int(np.prod(shape))
    amount = jnp.ones(input.shape[:1], input.dtype) if weight is None else weight.reshape(-1).astype(input.dtype)
    hist = jnp.zeros((cells,), input.dtype).at[jnp.where(inside, flat, cells)].add(amount, mode="drop").reshape(shape)
    if density:
        hist = hist / jnp.sum(hist)
        for i, e in enumerate(edges):
            hist = hist / jnp.diff(e).reshape([-1 if j == i else 1 for j in range(len(edges))])
    return hist
