"""`torch.testing.make_tensor`: random tensors for tests, the same numbers as PyTorch's from the same seed."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import torchish as torch

_INEXACT = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128)


def _bounds(low, high, dtype, lowest, highest, default_low, default_high) -> tuple:
    """The interval to draw from, checked and clamped to what the dtype can hold; ValueError when nothing is left."""
    low = default_low if low is None else low
    high = default_high if high is None else high
    if any(isinstance(v, float) and math.isnan(v) for v in (low, high)):
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low=} and {high=}")
    if low == high and dtype in _INEXACT:
        warnings.warn(
            "Passing `low==high` to `torch.testing.make_tensor` for floating or complex types is deprecated since 2.1 and will be "
            "removed in 2.3. Use `torch.full(...)` instead.",
            FutureWarning,
            stacklevel=3,
        )
    elif low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    elif high < lowest or low >= highest:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), but {dtype} only supports [{lowest}, {highest})"
        )
    low, high = (min(max(v, lowest), highest) for v in (low, high))
    return (low, high) if dtype in _INEXACT else (math.ceil(low), math.ceil(high))


def make_tensor(
    *shape: Any, dtype: Any, device: Any, low: float | None = None, high: float | None = None, requires_grad: bool = False,
    noncontiguous: bool = False, exclude_zero: bool = False, memory_format: Any = None,
) -> Any:  # fmt: skip
    """A tensor of this shape with uniform values in [low, high): by default [-9, 9), [-9, 10) for integers, {False, True} for bool.

    `noncontiguous`: every second element of a larger one. `exclude_zero`: the smallest positive number in place of zeros. Raises
    ValueError for intervals that the dtype cannot hold, and for gradients of integers.
    """
    if len(shape) == 1 and isinstance(shape[0], Sequence):
        shape = tuple(shape[0])
    integral = dtype not in _INEXACT
    if noncontiguous and memory_format is not None:
        raise ValueError(
            f"The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got {noncontiguous=} and {memory_format=}"
        )
    if requires_grad and integral:
        raise ValueError(f"`requires_grad=True` is not supported for boolean and integral dtypes, but got {dtype=}")
    noncontiguous = noncontiguous and math.prod(shape) > 1
    if noncontiguous:
        shape = (*shape[:-1], 2 * shape[-1])
    if dtype is torch.bool:
        low, high = _bounds(low, high, dtype, 0, 2, 0, 2)
        made = torch.randint(low, high, shape, device=device, dtype=dtype)
    elif integral:
        info = torch.iinfo(dtype)
        low, high = _bounds(low, high, dtype, info.min, info.max + (dtype is not torch.int64), -9, 10)
        made = torch.randint(low, high, shape, device=device, dtype=dtype)
    else:
        limits = torch.finfo(dtype)
        low, high = _bounds(low, high, dtype, limits.min, limits.max, -9, 9)
        made = torch.empty(shape, device=device, dtype=dtype)
        part = torch.view_as_real(made) if dtype.is_complex else made
        if high - low >= torch.finfo(part.dtype).max:
            part.uniform_(low / 2, high / 2).mul_(2)
        else:
            part.uniform_(low, high)
    if noncontiguous:
        made = made[..., 1::2]
    elif memory_format is not None:
        made = made.clone(memory_format=memory_format)
    if exclude_zero:
        made[made == 0] = 1 if integral else torch.finfo(dtype).tiny
    if not integral:
        made.requires_grad = requires_grad
    return made


__all__ = ["make_tensor"]
