"""Which place of the input each pixel of the output shows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def inverse_affine_matrix(
    center: Sequence[float], angle: float, translate: Sequence[float], scale: float, shear: Sequence[float], inverted: bool = True
) -> list[float]:
    """The two rows of T·C·R(angle)·Shear·scale·C⁻¹, or of its inverse: output places to input places. Degrees."""
    turn, sx, sy = (math.radians(v) for v in (angle, shear[0], shear[1]))
    (cx, cy), (tx, ty) = center, translate
    a, b = math.cos(turn - sy) / math.cos(sy), -math.cos(turn - sy) * math.tan(sx) / math.cos(sy) - math.sin(turn)
    c, d = math.sin(turn - sy) / math.cos(sy), -math.sin(turn - sy) * math.tan(sx) / math.cos(sy) + math.cos(turn)
    if inverted:  # the determinant of a b c d is 1
        m = [d / scale, -b / scale, 0.0, -c / scale, a / scale, 0.0]
        m[2] = m[0] * (-cx - tx) + m[1] * (-cy - ty) + cx
        m[5] = m[3] * (-cx - tx) + m[4] * (-cy - ty) + cy
        return m
    m = [a * scale, b * scale, 0.0, c * scale, d * scale, 0.0]
    m[2] = m[0] * -cx + m[1] * -cy + cx + tx
    m[5] = m[3] * -cx + m[4] * -cy + cy + ty
    return m


def affine_grid(matrix: Sequence[float], size: tuple[int, int], out: tuple[int, int]) -> np.ndarray:
    """grid_sample's coordinates (H, W, 2) in an image of `size` (width, height) for an output of `out`, about the centres."""
    w, h = size
    xs = np.linspace(-out[0] * 0.5 + 0.5, out[0] * 0.5 - 0.5, out[0], dtype=np.float32)
    ys = np.linspace(-out[1] * 0.5 + 0.5, out[1] * 0.5 - 0.5, out[1], dtype=np.float32)
    base = np.stack([*np.meshgrid(xs, ys), np.ones((out[1], out[0]), np.float32)], -1)
    theta = np.array(matrix, np.float32).reshape(2, 3).T / np.array([0.5 * w, 0.5 * h], np.float32)
    return base @ theta


def rotated_size(matrix: Sequence[float], w: int, h: int) -> tuple[int, int]:
    """The width and height that hold all of a turned image."""
    corners = np.array([[-0.5 * w, -0.5 * h, 1], [-0.5 * w, 0.5 * h, 1], [0.5 * w, 0.5 * h, 1], [0.5 * w, -0.5 * h, 1]], np.float32)
    places = corners @ np.array(matrix, np.float32).reshape(2, 3).T + np.array([w * 0.5, h * 0.5], np.float32)
    low, top = (np.trunc(v / 1e-4) * 1e-4 for v in (places.min(0), places.max(0)))
    width, height = np.ceil(top) - np.floor(low)
    return int(width), int(height)


def perspective_coefficients(start: Sequence[Sequence[int]], end: Sequence[Sequence[int]]) -> list[float]:
    """The eight numbers of the perspective that shows the corners `start` at `end`: output places to input places."""
    rows = []
    for (x, y), (u, v) in zip(end, start, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    return np.linalg.lstsq(np.array(rows, np.float64), np.array(start, np.float64).reshape(8), rcond=None)[0].astype(np.float32).tolist()


def perspective_grid(c: Sequence[float], w: int, h: int) -> np.ndarray:
    """grid_sample's coordinates (H, W, 2) of a perspective."""
    x, y = np.meshgrid(np.arange(w, dtype=np.float32) + 0.5, np.arange(h, dtype=np.float32) + 0.5)
    below = c[6] * x + c[7] * y + 1
    u, v = (c[0] * x + c[1] * y + c[2]) / below, (c[3] * x + c[4] * y + c[5]) / below
    return np.stack([u / (0.5 * w) - 1, v / (0.5 * h) - 1], -1).astype(np.float32)
