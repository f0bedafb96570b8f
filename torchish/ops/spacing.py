"""Numbers evenly apart, to the last bit as PyTorch's CPU kernels make them: on the host, for what they are constants of."""

from __future__ import annotations

from typing import Any

import numpy as np


def fma(a, b, c, t: np.dtype) -> np.ndarray:
    """a * b + c in float32 or float64, rounded once: PyTorch's kernels are compiled to fused multiply-adds."""
    if t == np.float32:
        return (np.multiply(a, b, dtype=np.float64) + np.asarray(c, np.float64)).astype(np.float32)
    a, b, c = (np.asarray(x, np.float64) for x in (a, b, c))
    with np.errstate(all="ignore"):
        p = a * b
        s = p + c
        v = s - p
        rounded = (p - (s - v)) + (c - v)  # what the sum lost
        (ah, al), (bh, bl) = _halves(a), _halves(b)
        lost = ((ah * bh - p) + ah * bl + al * bh) + al * bl  # what the product lost
        return np.where(np.isfinite(s) & np.isfinite(lost), s + (lost + rounded), s)


def _halves(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    t = x * 134217729.0
    high = t - (t - x)
    return high, x - high


def evenly(s: Any, e: Any, steps: int, t: np.dtype) -> np.ndarray:
    """`steps` (two or more) floats: the first half counts up from `s`, the second half down from `e`."""
    i = np.arange(steps)
    first_half, back = i < steps // 2, steps - 1 - i
    if t.itemsize >= 4:
        step = ((e - s) / t.type(steps - 1)).astype(t)
        up, down = fma(i.astype(t), step, s, t), fma(-back.astype(t), step, e, t)
        return np.where(first_half, up, down).astype(t)

    def half(x):  # 16-bit floats round after every operation
        return np.asarray(x, np.float32).astype(t).astype(np.float32)

    s, e = half(s), half(e)
    step = half(half(e - s) / half(steps - 1))
    return np.where(first_half, half(s + half(step * half(i))), half(e - half(step * half(back)))).astype(t)


def centres(size: int, align_corners: bool, t: np.dtype) -> np.ndarray:
    """The centres of `size` pixels across [-1, 1], rounded as PyTorch's `affine_grid` rounds them."""
    if size <= 1:
        return np.zeros(size, t)
    made = evenly(t.type(-1), t.type(1), size, t)
    return made if align_corners else (made * t.type(size - 1)).astype(t) / t.type(size)
