"""Continuous distributions got from one double uniform an element: exponential and Cauchy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .generator import MT19937Generator
from .numerics import FLOATING, cast, cpp_number, cpp_type_name, float32, fma64, numel, scalar_type_name
from .uniforms import uniforms64

_CONTINUOUS = (
    "{} distribution is a continuous probability distribution. dtype must be a floating point but you specified "
)


def exponential(
    generator: MT19937Generator, shape: Sequence[int], dtype: np.dtype = float32, lambd: float = 1.0
) -> np.ndarray:
    """``Tensor.exponential_(lambd)``: -log(1 - u) / lambd in double, cast to a floating dtype.

    Raises RuntimeError unless ``lambd > 0`` and the dtype is floating.
    """
    dtype, size = np.dtype(dtype), numel(shape)
    if not lambd > 0.0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={cpp_number(lambd)}")
    if size == 0:
        return np.empty(shape, dtype)
    if dtype not in FLOATING:
        raise RuntimeError(_CONTINUOUS.format("Exponential") + scalar_type_name(dtype))
    with generator.lock:
        out = uniforms64(generator, size)
    np.negative(out, out=out)
    np.log1p(out, out=out)
    out *= -1.0 / lambd
    return cast(out, dtype).reshape(shape)


def cauchy(
    generator: MT19937Generator,
    shape: Sequence[int],
    dtype: np.dtype = float32,
    median: float = 0.0,
    sigma: float = 1.0,
) -> np.ndarray:
    """``Tensor.cauchy_(median, sigma)``: median + sigma tan(pi (u - 1/2)) in double, cast to a floating dtype.

    Raises RuntimeError unless ``sigma > 0`` and the dtype is floating.
    """
    dtype, size = np.dtype(dtype), numel(shape)
    if not sigma > 0.0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={cpp_number(sigma)}")
    if dtype not in FLOATING:
        raise RuntimeError(_CONTINUOUS.format("Cauchy") + cpp_type_name(dtype))
    with generator.lock:
        out = uniforms64(generator, size)
    out -= 0.5
    out *= math.pi
    with np.errstate(over="ignore"):
        return cast(fma64(np.tan(out), sigma, median), dtype).reshape(shape)
