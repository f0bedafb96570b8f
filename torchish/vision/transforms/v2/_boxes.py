"""What geometry does to boxes and key points: host arrays in, host arrays and the new size of the image (height, width) out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from torchish.vision.transforms import _geometry
from torchish.vision.tv_tensors import BoundingBoxFormat, is_rotated_bounding_format

XYXY, XYWH, CXCYWH = BoundingBoxFormat.XYXY, BoundingBoxFormat.XYWH, BoundingBoxFormat.CXCYWH
Size = tuple[int, int]
Moved = tuple[np.ndarray, Size]


def _floating(a: np.ndarray) -> np.ndarray:
    return a if a.dtype.kind == "f" else a.astype(np.float32)


def converted(a: np.ndarray, old: BoundingBoxFormat, new: BoundingBoxFormat) -> np.ndarray:
    """Boxes (…, 4) in another format; whole numbers stay whole, as in torchvision.

    Raises:
        ValueError: one of the formats is of turned boxes, the other is not.
        NotImplementedError: both are of turned boxes.
    """
    if old == new:
        return a
    if is_rotated_bounding_format(old) != is_rotated_bounding_format(new):
        raise ValueError("Cannot convert between rotated and unrotated bounding boxes.")
    unturned(old)
    if old is CXCYWH and a.dtype.kind != "f":
        xyxy = _centered(a.astype(np.float32)).astype(a.dtype)
        return converted(xyxy, XYXY, new)
    if old is CXCYWH:
        return converted(_centered(a), XYXY, new)
    out = a.copy()
    first, second = out[..., :2], out[..., 2:]
    if old is not XYXY and new is not XYWH:
        second += first
    if old is XYXY:
        second -= first
    if new is CXCYWH:
        if old is XYWH:
            second -= first  # back to the size
        middle = 2 * first + second
        first[...] = middle / 2 if a.dtype.kind == "f" else middle // 2
    return out


def _centered(a: np.ndarray) -> np.ndarray:
    """The corners of boxes given by centre and size."""
    low = a[..., :2] - a[..., 2:] / 2
    return np.concatenate([low, low + a[..., 2:]], -1)


def unturned(format: BoundingBoxFormat) -> None:
    """NotImplementedError for formats of turned boxes."""
    if is_rotated_bounding_format(format):
        raise NotImplementedError(f"transforms of turned bounding boxes ({format.value}) are not implemented")


def clamped(a: np.ndarray, format: BoundingBoxFormat, canvas: Size, mode: str | None) -> np.ndarray:
    """Boxes cut off at the image's edges; with mode None as they are."""
    if mode is None:
        return a.copy()
    boxes = converted(_floating(a), format, XYXY).copy()
    boxes[..., 0::2] = boxes[..., 0::2].clip(0, canvas[1])
    boxes[..., 1::2] = boxes[..., 1::2].clip(0, canvas[0])
    return converted(boxes, XYXY, format).astype(a.dtype)


def valid(a: np.ndarray, format: BoundingBoxFormat, canvas: Size, min_size: float, min_area: float) -> np.ndarray:
    """Which boxes are inside the image and at least that wide, high and large."""
    boxes = converted(a, format, XYXY)
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    big = (wide >= min_size) & (high >= min_size) & (wide * high >= min_area)
    return big & (boxes >= 0).all(-1) & (boxes[:, 0::2] <= canvas[1]).all(-1) & (boxes[:, 1::2] <= canvas[0]).all(-1)


# Flips, crops, padding, resizing -----------------------------------------------------------------------------------------


def flipped(a: np.ndarray, format: BoundingBoxFormat, canvas: Size, axis: int) -> np.ndarray:
    """Boxes of the mirror image; `axis` 0 for left and right, 1 for up and down."""
    unturned(format)
    out, far = a.copy(), canvas[1 - axis]
    if format is XYXY:
        out[..., axis], out[..., axis + 2] = far - a[..., axis + 2], far - a[..., axis]
    else:
        out[..., axis] = far - a[..., axis] - (a[..., axis + 2] if format is XYWH else 0)
    return out


def shifted(a: np.ndarray, format: BoundingBoxFormat, right: int, down: int) -> np.ndarray:
    unturned(format)
    by = [right, down, right, down] if format is XYXY else [right, down, 0, 0]
    return a + np.array(by, a.dtype)


def scaled(a: np.ndarray, old: Size, new: Size) -> np.ndarray:
    """Boxes or points of a resized image."""
    across, down = new[1] / old[1], new[0] / old[0]
    return (a * np.array([across, down] * (a.shape[-1] // 2), np.float32)).astype(a.dtype)


# Affine maps, perspectives, displacements --------------------------------------------------------------------------------


def _corners(boxes: np.ndarray) -> np.ndarray:
    """The corners (N, 4, 2) of boxes in XYXY, from the top left clockwise."""
    return boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]


def _around(corners: np.ndarray) -> np.ndarray:
    return np.concatenate([corners.min(1), corners.max(1)], 1)


def affine_points(points: np.ndarray, canvas: Size, matrix_of: Any, expand: bool) -> Moved:
    """Places (…, 2) under a map; `matrix_of(inverted)` gives its six numbers about the corner of the image."""
    matrix = np.array(matrix_of(False), points.dtype).reshape(2, 3)

    def moved(p: np.ndarray) -> np.ndarray:
        return p @ matrix[:, :2].T + matrix[:, 2]

    out = moved(points)
    if expand:
        h, w = canvas
        out = out - moved(np.array([[0, 0], [0, h], [w, h], [w, 0]], points.dtype)).min(0)
        width, height = _geometry.rotated_size(matrix_of(True), w, h)
        canvas = (height, width)
    return out, canvas


def affine_map(canvas: Size, angle: float, translate: Any, scale: float, shear: Any, center: Any) -> Any:
    about = [canvas[1] * 0.5, canvas[0] * 0.5] if center is None else [float(c) for c in center]
    return lambda inverted: _geometry.inverse_affine_matrix(about, angle, translate, scale, shear, inverted)


def through_points(a: np.ndarray, format: BoundingBoxFormat, canvas: Size, mode: str | None, move: Any) -> Moved:
    """The boxes around where `move` (points (N, 4, 2) to points and the new size) puts the corners."""
    unturned(format)
    if a.size == 0:
        return a, canvas
    corners, canvas = move(_corners(converted(_floating(a), format, XYXY)))
    boxes = clamped(_around(corners).astype(np.float32 if a.dtype.kind != "f" else a.dtype), XYXY, canvas, mode)
    return converted(boxes, XYXY, format).astype(a.dtype), canvas


def perspective_points(points: np.ndarray, c: Sequence[float]) -> np.ndarray:
    """Places (…, 2) in the output of a perspective with coefficients `c` (output places to input places)."""
    det = c[0] * c[4] - c[1] * c[3]
    if det == 0:
        raise RuntimeError(
            f"Provided perspective_coeffs {list(c)} can not be inverted to transform bounding boxes. Denominator is zero, denom={det}"
        )
    inverse = np.linalg.inv(np.array([[c[0], c[1], c[2]], [c[3], c[4], c[5]], [c[6], c[7], 1.0]]))
    inverse = (inverse / inverse[2, 2]).astype(points.dtype)
    out = points @ inverse[:, :2].T + inverse[:, 2]
    return out[..., :2] / out[..., 2:]


def displaced_points(points: np.ndarray, displacement: np.ndarray, canvas: Size, up: bool) -> np.ndarray:
    """Places (…, 2) moved against the displacement (1, H, W, 2) there (that is about where the output shows them)."""
    h, w = canvas
    if displacement.shape != (1, h, w, 2):
        raise ValueError(f"Argument displacement shape should be {(1, h, w, 2)}, but given {tuple(displacement.shape)}")
    at = (np.ceil(points) if up else points).astype(np.int64)
    x, y = at[..., 0].clip(0, w - 1), at[..., 1].clip(0, h - 1)
    size = np.array([w, h], points.dtype)
    place = (2 * np.stack([x, y], -1) + 1) / size - 1 - displacement[0, y, x].astype(points.dtype)
    return ((place + 1) * (0.5 * size) - 0.5).astype(points.dtype)
