"""Searching sorted sequences, membership, counting, and picking of elements found elsewhere."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchish import _dtypes as dt
from torchish.ops.declare import op, to_dtype
from torchish.ops.precision import type_name
from torchish.ops.rules import name_of

# --- sorted sequences --------------------------------------------------------------------------------------


def _common(*arrays) -> np.dtype:
    return dt.result_type([(dt.FROM_NP[np.dtype(a.dtype)], 2) for a in arrays]).np


def _search(sequence, values, right: bool):
    """Where each value goes in the sorted last dimension of `sequence` (same leading dimensions, or 1-d).

    A bisection in PyTorch's comparisons, which fixes what unsorted input and nan give.
    """
    n = sequence.shape[-1]
    if sequence.ndim == 1:

        def at(i):
            return jnp.take(sequence, i)
    else:

        def at(i):
            return jnp.take_along_axis(sequence, i, -1)

    low = jnp.zeros(values.shape, np.int64)
    if not n:
        return low
    high = jnp.full(values.shape, n, np.int64)

    def step(_, bounds):
        low, high = bounds
        mid = low + (high - low) // 2
        x = at(jnp.minimum(mid, n - 1))
        after = ~(x > values) if right else ~(x >= values)
        open_ = low < high
        return jnp.where(open_ & after, mid + 1, low), jnp.where(open_ & ~after, mid, high)

    return lax.fori_loop(0, n.bit_length(), step, (low, high))[0]


def _check_kernel(values, common) -> None:
    kind = dt.FROM_NP[np.dtype(common)]
    if values.dtype.kind == "c" and not values.ndim:  # a number, whatever it is compared with
        kind = kind.to_complex() if kind.category == 2 else dt.get_default_dtype().to_complex()
    if values.size and kind.category in (0, 3):
        raise NotImplementedError(f"\"searchsorted_out_cpu\" not implemented for '{name_of(kind)}'")


_SIDE = "*, bool out_int32=False, bool right=False"


@op(f"searchsorted(Tensor sorted_sequence, Tensor|Number input, {_SIDE}, str? side=None, Tensor? sorter=None)",
    differentiable=False, method=False)  # fmt: skip
def searchsorted(sorted_sequence, input, sorter, out_int32, right, side):
    """Positions at which values keep the innermost dimension of a sequence sorted."""
    sequence = sorted_sequence
    if side is not None:
        if side not in ("left", "right"):
            raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
        if right and side == "left":
            raise RuntimeError(
                "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True"
            )
        right = side == "right"
    if sequence.ndim == 0 and input.ndim:
        raise RuntimeError("torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension")
    if input.ndim == 0 and sequence.ndim != 1:
        raise RuntimeError(
            "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got "
            f"boundaries tensor dim({sequence.ndim}) and input value's dim({input.ndim}) numel({input.size})"
        )
    if sequence.ndim != 1 and sequence.shape[:-1] != input.shape[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of "
            "boundaries tensor "
            f"and input value tensor must match, but we got boundaries tensor {list(sequence.shape)} and "
            "input value tensor "
            f"{list(input.shape)}"
        )
    if sorter is not None:
        if sorter.shape != sequence.shape:
            raise RuntimeError(
                f"torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor "
                f"{list(sequence.shape)}and got sorter tensor {list(sorter.shape)}"
            )
        if sorter.dtype != np.int64:
            raise RuntimeError(
                "torch.searchsorted(): sorter must be a tensor of long dtype but got dtype "
                f"{type_name(sorter)}"
            )
        sequence = jnp.take_along_axis(sequence, sorter, -1)
    common = (
        _common(sequence, input)
        if input.ndim
        else sequence.dtype
        if sequence.dtype.kind in "fV"
        else _common(sequence, input)
    )
    _check_kernel(input, common)
    got = _search(sequence.astype(common), input.astype(common), right)
    return got.astype(np.int32) if out_int32 else got


@op(f"bucketize(Tensor|Number input, Tensor boundaries, {_SIDE})", differentiable=False, method=False)
def bucketize(input, boundaries, out_int32, right):
    """The index of the bucket of sorted `boundaries` in which each value lies."""
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    common = _common(boundaries, input)
    _check_kernel(input, common)
    got = _search(boundaries.astype(common), input.astype(common), right)
    return got.astype(np.int32) if out_int32 else got


# --- membership and counting -------------------------------------------------------------------------------


@op("isin(Tensor|Number elements, Tensor|Number test_elements, *, bool assume_unique=False, bool invert=False)",
    differentiable=False, method=False)  # fmt: skip
def isin(elements, test_elements, assume_unique, invert):
    """Whether each element occurs in `test_elements`."""
    for x in (elements, test_elements):
        if x.dtype == bool or jnp.issubdtype(x.dtype, jnp.complexfloating):
            raise RuntimeError(f"Unsupported input type encountered for isin(): {type_name(x)}")
    common = _common(elements, test_elements)
    tests = test_elements.astype(common).reshape(-1)
    x = elements.astype(common)
    if tests.size <= 64:  # a comparison with each; otherwise a search in the sorted tests
        found = jnp.any(x[..., None] == tests, -1) if tests.size else jnp.zeros(x.shape, bool)
    else:
        tests = jnp.sort(tests)
        found = jnp.take(tests, jnp.minimum(_search(tests, x, False), tests.size - 1)) == x
    return ~found if invert else found


@op("_bincount(Tensor input, Tensor? weights, int size)", method=False, function=False, differentiable=False)
def bincount(input, weights, size):
    if weights is None:
        return jnp.zeros((size,), np.int64).at[input].add(1)
    weights = weights if weights.dtype == np.float32 else to_dtype(weights, np.dtype(np.float64))
    return jnp.zeros((size,), weights.dtype).at[input].add(weights)


@op("nonzero_static(Tensor input, *, int size, int fill_value=-1)", differentiable=False)
def nonzero_static(input, size, fill_value):
    """The first `size` positions of elements that are not zero, padded with `fill_value`: (size, ndim)."""
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    if not input.ndim or not input.size:
        return jnp.full((size, input.ndim), fill_value, np.int64)
    hit = (input != 0).reshape(-1)
    flat = jnp.nonzero(hit, size=size, fill_value=-1)[0]
    at = jnp.stack(jnp.unravel_index(flat, input.shape), -1).astype(np.int64)
    return jnp.where(flat[:, None] < 0, fill_value, at)


# --- picking what a search on the host has found -----------------------------------------------------------


def _declare_pick(name: str, grad: str):
    @op(f"_{name}_pick(Tensor input, Tensor index, int? dim)", method=False, function=False, grad=grad)
    def pick(input, index, dim):
        return jnp.take(input.reshape(-1) if dim is None else input, index, 0 if dim is None else dim)

    @pick.backward
    def _(grad):
        raise NotImplementedError(f"the derivative for '{name}' is not implemented.")

    return pick


unique_values = _declare_pick("_unique2", "Unique2Backward0")
unique_slices = _declare_pick("unique_dim", "UniqueDimBackward0")
consecutive_values = _declare_pick("unique_consecutive", "UniqueConsecutiveBackward0")
