"""Sampling of categories: ``torch.multinomial``."""

from __future__ import annotations

import numpy as np

from .continuous import exponential
from .generator import MT19937Generator
from .numerics import FLOATING, cast, float32, float64, scalar_type_name
from .uniforms import uniforms64

_MAX_CATEGORIES = 2**24


def multinomial(
    generator: MT19937Generator, weights: np.ndarray, num_samples: int, replacement: bool = False
) -> np.ndarray:
    """``torch.multinomial``: category numbers drawn in proportion to the weights of each row.

    weights: (categories,) or (rows, categories), floating, finite, not negative, need not sum to one.
    Returns int64 of shape (num_samples,) or (rows, num_samples).

    One sample, or several without replacement, are those categories with the largest weight / e, where each e is
    drawn from ``exponential_(1)`` in the weights' dtype; several with replacement look one double uniform each up
    in the cumulative weights. Raises RuntimeError for weights or a number of samples that make no sense.
    """
    _check(weights, num_samples, replacement)
    shape = (*weights.shape[:-1], num_samples)
    if 0 in shape:
        return np.empty(shape, np.int64)
    if replacement and num_samples > 1:
        _check_entries(weights)
        return _look_up(generator, weights, num_samples).reshape(shape)
    _check_weights(weights)
    race = _divide(weights, exponential(generator, weights.shape, weights.dtype))
    if num_samples == 1:
        return np.argmax(race, axis=-1, keepdims=True)
    return np.argsort(-race, axis=-1, kind="stable")[..., :num_samples]


def _look_up(generator: MT19937Generator, weights: np.ndarray, num_samples: int) -> np.ndarray:
    """``multinomial_with_replacement_apply``: sums in the weights' dtype, or in float for the 16-bit ones."""
    rows = np.atleast_2d(weights)
    out = np.empty((len(rows), num_samples), np.int64)
    with generator.lock:
        for row, chosen in zip(rows, out, strict=True):
            cumulative = np.cumsum(row, dtype=float64 if row.dtype == float64 else float32)
            np.divide(cumulative, cumulative[-1], out=cumulative)
            cumulative[-1] = 1
            chosen[:] = np.searchsorted(cumulative.astype(float64), uniforms64(generator, num_samples))
    return out


def _divide(weights: np.ndarray, waits: np.ndarray) -> np.ndarray:
    """weights / waits in their dtype (by way of float for the 16-bit ones), returned as float32 or float64."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        if weights.dtype.itemsize == 2:
            ratio = weights.astype(float32) / waits.astype(float32)
            return cast(ratio, weights.dtype).astype(float32)
        return weights / waits


def _check(weights: np.ndarray, num_samples: int, replacement: bool) -> None:
    if weights.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if weights.dtype not in FLOATING:
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got: {scalar_type_name(weights.dtype)}"
        )
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and num_samples > weights.shape[-1]:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    if weights.shape[-1] > _MAX_CATEGORIES:
        raise RuntimeError("number of categories cannot exceed 2^24")


def _check_entries(weights: np.ndarray) -> None:
    """What the kernel for several draws with replacement refuses, row by row."""
    for row in np.atleast_2d(weights):
        bad = row[~((row >= 0) & (row < np.inf))]
        if bad.size:
            what = "= infinity or NaN" if bad[0] >= 0 else "< 0"  # NaN fails the first comparison already
            raise RuntimeError(f"invalid multinomial distribution (encountering probability entry {what})")
        if not np.any(row > 0):
            raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")


def _check_weights(weights: np.ndarray) -> None:
    if weights.size == 0:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
        )
    if not np.all((weights >= 0) & (weights < np.inf)):  # NaN fails both
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if not np.all(np.any(weights > 0, axis=-1)):
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
