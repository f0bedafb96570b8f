"""`torchvision.transforms.v2.functional`'s functions of boxes and key points alone."""

from __future__ import annotations

from typing import Any

import numpy as np

import torchish as torch
from torchish.vision import tv_tensors
from torchish.vision.transforms.v2 import _boxes
from torchish.vision.transforms.v2._kernels import is_pure_tensor, plain


def array_of(inpt: Any) -> np.ndarray:
    return np.asarray(plain(inpt).detach().cpu().numpy())


def convert_bounding_box_format(inpt: Any, old_format: Any = None, new_format: Any = None, inplace: bool = False) -> Any:
    """Boxes in `new_format`; of plain tensors, `old_format` says theirs."""
    if new_format is None:
        raise TypeError("convert_bounding_box_format() missing 1 required argument: 'new_format'")
    old, new = (tv_tensors.BoundingBoxFormat[f.upper()] if isinstance(f, str) else f for f in (old_format, new_format))
    if is_pure_tensor(inpt):
        if old is None:
            raise ValueError("For pure tensor inputs, `old_format` has to be passed.")
        return torch.from_numpy(_boxes.converted(array_of(inpt), old, new)).to(inpt.device)
    if not isinstance(inpt, tv_tensors.BoundingBoxes):
        raise TypeError(f"Input can either be a plain tensor or a bounding box tv_tensor, but got {type(inpt)} instead.")
    if old is not None:
        raise ValueError("For bounding box tv_tensor inputs, `old_format` must not be passed.")
    boxes = torch.from_numpy(_boxes.converted(array_of(inpt), inpt.format, new)).to(inpt.device)
    return tv_tensors.wrap(boxes, like=inpt, format=new)


def clamp_bounding_boxes(inpt: Any, format: Any = None, canvas_size: Any = None, clamping_mode: str | None = "auto") -> Any:
    """Boxes cut off at the image's edges; `format`, `canvas_size` and `clamping_mode` are those of plain tensors."""
    if clamping_mode not in ("soft", "hard", "auto", None):
        raise ValueError(f"clamping_mode must be soft, hard, auto or None, got {clamping_mode}")
    if is_pure_tensor(inpt):
        if format is None or canvas_size is None or clamping_mode == "auto":
            raise ValueError("For pure tensor inputs, `format`, `canvas_size` and `clamping_mode` have to be passed.")
        return torch.from_numpy(_boxes.clamped(array_of(inpt), format, canvas_size, clamping_mode)).to(inpt.device)
    if not isinstance(inpt, tv_tensors.BoundingBoxes):
        raise TypeError(f"Input can either be a plain tensor or a bounding box tv_tensor, but got {type(inpt)} instead.")
    if format is not None or canvas_size is not None:
        raise ValueError("For bounding box tv_tensor inputs, `format` and `canvas_size` must not be passed.")
    mode = inpt.clamping_mode if clamping_mode == "auto" else clamping_mode
    boxes = _boxes.clamped(array_of(inpt), inpt.format, inpt.canvas_size, mode)
    return tv_tensors.wrap(torch.from_numpy(boxes).to(inpt.device), like=inpt)


def clamp_keypoints(inpt: Any, canvas_size: Any = None) -> Any:
    """Key points moved into the image; `canvas_size` is that of plain tensors."""
    if is_pure_tensor(inpt) and canvas_size is None:
        raise ValueError("For pure tensor inputs, `canvas_size` has to be passed.")
    h, w = canvas_size or inpt.canvas_size
    a = array_of(inpt)
    points = torch.from_numpy(np.stack([a[..., 0].clip(0, w - 1), a[..., 1].clip(0, h - 1)], -1)).to(inpt.device)
    return points if is_pure_tensor(inpt) else tv_tensors.wrap(points, like=inpt)


def sanitize_bounding_boxes(
    bounding_boxes: Any, format: Any = None, canvas_size: Any = None, min_size: float = 1.0, min_area: float = 1.0
) -> tuple[Any, Any]:
    """The boxes that are inside the image and at least that large, and which those are (N,)."""
    if is_pure_tensor(bounding_boxes):
        if format is None or canvas_size is None:
            raise ValueError(
                f"format and canvas_size cannot be None if bounding_boxes is a pure tensor. Got format={format} and "
                f"canvas_size={canvas_size}.Set those to appropriate values or pass bounding_boxes as a tv_tensors.BoundingBoxes object."
            )
        format = tv_tensors.BoundingBoxFormat[format.upper()] if isinstance(format, str) else format
    else:
        if not isinstance(bounding_boxes, tv_tensors.BoundingBoxes):
            raise ValueError("bounding_boxes must be a tv_tensors.BoundingBoxes instance or a pure tensor.")
        if format is not None or canvas_size is not None:
            raise ValueError(
                "format and canvas_size must be None when bounding_boxes is a tv_tensors.BoundingBoxes instance. "
                f"Got format={format} and canvas_size={canvas_size}. Leave those to None or pass bounding_boxes as a pure tensor."
            )
        format, canvas_size = bounding_boxes.format, bounding_boxes.canvas_size
    valid = torch.from_numpy(_boxes.valid(array_of(bounding_boxes), format, canvas_size, min_size, min_area)).to(bounding_boxes.device)
    kept = bounding_boxes[valid]
    return (kept if is_pure_tensor(bounding_boxes) else tv_tensors.wrap(kept, like=bounding_boxes)), valid


def sanitize_keypoints(key_points: Any, canvas_size: Any = None) -> tuple[Any, Any]:
    """The key points (N, …, 2) that are inside the image, and which those are (N,); `canvas_size` is that of plain tensors."""
    if is_pure_tensor(key_points) and canvas_size is None:
        raise ValueError(
            "canvas_size cannot be None if key_points is a pure tensor. "
            "Set it to an appropriate value or pass key_points as a tv_tensors.KeyPoints object."
        )
    h, w = canvas_size or key_points.canvas_size
    a = array_of(key_points)
    inside: Any = ((a >= 0) & (a < np.array([w, h]))).all(-1)
    valid = torch.from_numpy(inside.reshape(len(inside), -1).all(1)).to(key_points.device)
    kept = key_points[valid]
    return (kept if is_pure_tensor(key_points) else tv_tensors.wrap(kept, like=key_points)), valid
