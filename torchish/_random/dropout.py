"""The noise of dropout: every variant draws ``bernoulli_(1 - p)`` over the elements or the feature maps.

Source: ``_dropout_impl`` of PyTorch's ``Dropout.cpp``. With p = 0, p = 1 or outside training PyTorch draws nothing;
the caller, who then has nothing to multiply by, does not come here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .discrete import bernoulli_scalar
from .generator import MT19937Generator
from .numerics import cast, cpp_number, float32, float64

_ALPHA = 1.7580993408473766  # minus the limit of SELU at minus infinity


def check_dropout_probability(p: float) -> None:
    """Raises RuntimeError unless 0 <= p <= 1."""
    if not 0 <= p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {cpp_number(p)}")


def feature_noise_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """The noise shape of the feature variants: one value for each of shape[0] x shape[1] maps, ones after."""
    if len(shape) < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return (*shape[:2], *(1 for _ in shape[2:]))


def dropout_noise(generator: MT19937Generator, shape: Sequence[int], p: float, dtype: np.dtype = float32) -> np.ndarray:
    """What the input is multiplied by: 0 with probability p in (0, 1), else 1 / (1 - p), in that shape and dtype."""
    dtype = np.dtype(dtype)
    wide = _computed_in(dtype)
    kept = bernoulli_scalar(generator, shape, 1 - p, dtype).astype(wide)
    return cast(kept / np.asarray(1 - p, wide), dtype)


def alpha_dropout_noise(
    generator: MT19937Generator, shape: Sequence[int], p: float, dtype: np.dtype = float32
) -> tuple[np.ndarray, np.ndarray]:
    """``(factor, shift)`` for ``input * factor + shift``, which keeps the mean and variance of SELU activations."""
    dtype = np.dtype(dtype)
    wide = _computed_in(dtype)
    kept = bernoulli_scalar(generator, shape, 1 - p, dtype).astype(wide)
    a = 1.0 / math.sqrt((_ALPHA * _ALPHA * p + 1) * (1 - p))

    def rounded(values: np.ndarray) -> np.ndarray:
        return cast(values, dtype).astype(wide)

    # each step is rounded to the dtype; a number added is rounded to it first, a number multiplied by is not
    product = rounded((kept - np.asarray(1, wide)) * np.asarray(_ALPHA * a, wide))
    shift = product + rounded(np.asarray(_ALPHA * a * p, wide))
    return cast(kept * np.asarray(a, wide), dtype), cast(shift, dtype)


def _computed_in(dtype: np.dtype) -> np.dtype:
    return float64 if dtype == float64 else float32
