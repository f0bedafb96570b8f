"""Transforms for samples with boxes and key points."""

from __future__ import annotations

from typing import Any

import torchish as torch
from torchish.vision import tv_tensors
from torchish.vision._optional import is_pil
from torchish.vision.ops.boxes import box_iou
from torchish.vision.transforms.v2 import functional as F
from torchish.vision.transforms.v2._kernels import is_pure_tensor, plain
from torchish.vision.transforms.v2._samples import (
    Transform,
    get_bounding_boxes,
    get_keypoints,
    has_all,
    has_any,
    labels_getter_of,
    leaves_of,
    query_size,
    rebuilt,
)


class RandomIoUCrop(Transform):
    """A random rectangle that overlaps a box by a drawn amount (arXiv 1512.02325); boxes outside become zeros."""

    def __init__(
        self,
        min_scale: float = 0.3,
        max_scale: float = 1.0,
        min_aspect_ratio: float = 0.5,
        max_aspect_ratio: float = 2.0,
        sampler_options: list[float] | None = None,
        trials: int = 40,
    ):
        super().__init__()
        self.min_scale, self.max_scale = min_scale, max_scale
        self.min_aspect_ratio, self.max_aspect_ratio = min_aspect_ratio, max_aspect_ratio
        self.options = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0] if sampler_options is None else sampler_options
        self.trials = trials

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        if not (has_all(flat_inputs, tv_tensors.BoundingBoxes) and has_any(flat_inputs, is_pil, tv_tensors.Image, is_pure_tensor)):
            raise TypeError(
                f"{type(self).__name__}() requires input sample to contain tensor or PIL images "
                "and bounding boxes. Sample can also contain masks."
            )

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        h, w = query_size(flat_inputs)
        boxes = plain(F.convert_bounding_box_format(get_bounding_boxes(flat_inputs), new_format="XYXY"))
        while True:
            overlap = self.options[int(torch.randint(low=0, high=len(self.options), size=(1,)))]
            if overlap >= 1.0:  # as it is
                return {}
            for _ in range(self.trials):
                place = self._tried(h, w, boxes, overlap)
                if place is not None:
                    return place

    def _tried(self, h: int, w: int, boxes: Any, overlap: float) -> dict[str, Any] | None:
        r = self.min_scale + (self.max_scale - self.min_scale) * torch.rand(2)
        width, height = int(w * r[0]), int(h * r[1])
        if not self.min_aspect_ratio <= width / height <= self.max_aspect_ratio:
            return None
        r = torch.rand(2)
        left, top = int((w - width) * r[0]), int((h - height) * r[1])
        right, bottom = left + width, top + height
        if left == right or top == bottom:
            return None
        x, y = 0.5 * (boxes[..., 0] + boxes[..., 2]), 0.5 * (boxes[..., 1] + boxes[..., 3])
        inside = (left < x) & (x < right) & (top < y) & (y < bottom)
        if not inside.any():
            return None
        if box_iou(boxes[inside], torch.tensor([[left, top, right, bottom]], dtype=boxes.dtype)).max() < overlap:
            return None
        return {"top": top, "left": left, "height": height, "width": width, "is_within_crop_area": inside}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not params:
            return inpt
        place = {name: params[name] for name in ("top", "left", "height", "width")}
        out = self._call_kernel(F.crop, inpt, **place)
        if isinstance(out, tv_tensors.BoundingBoxes):
            out[~params["is_within_crop_area"]] = 0
        return out


class _Sanitize(Transform):
    """What the transforms that leave parts out share."""

    _labels_getter: Any

    def _valid(self, leaves: list[Any]) -> tuple[Any, Any]:
        """The boxes or points, and which are kept."""
        raise NotImplementedError

    _also: tuple[type, ...] = ()  # goes with them
    _counted = ""

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        labels = self._labels_getter(sample)
        found: Any = () if labels is None else labels if isinstance(labels, tuple | list) else (labels,)
        for one in found:
            if not isinstance(one, torch.Tensor):
                raise ValueError(f"The labels in the input to forward() must be a tensor or None, got {type(one)} instead.")
        leaves = leaves_of(sample)
        places, valid = self._valid(leaves)
        for one in found:
            if one.shape[0] != places.shape[0]:
                raise ValueError(
                    self._counted.format(shape=places.shape) + f"must match the number of labels.Found labels with shape={one.shape})."
                )

        def kept(x: Any) -> Any:
            if any(x is one for one in found):
                return x[valid]
            kinds: Any = (type(places), *self._also)
            goes = isinstance(x, kinds) and x.shape[0] == len(valid)
            return tv_tensors.wrap(x[valid], like=x) if goes else x

        return rebuilt(sample, iter([kept(x) for x in leaves]))


class SanitizeBoundingBoxes(_Sanitize):
    """Without boxes that are too small or outside the image, their labels and masks."""

    _also = (tv_tensors.Mask,)
    _counted = "Number of boxes (shape={shape}) and "

    def __init__(self, min_size: float = 1.0, min_area: float = 1.0, labels_getter: Any = "default"):
        super().__init__()
        if min_size < 1:
            raise ValueError(f"min_size must be >= 1, got {min_size}.")
        if min_area < 1:
            raise ValueError(f"min_area must be >= 1, got {min_area}.")
        self.min_size, self.min_area, self.labels_getter = min_size, min_area, labels_getter
        self._labels_getter = labels_getter_of(labels_getter)

    def _valid(self, leaves: list[Any]) -> tuple[Any, Any]:
        boxes = get_bounding_boxes(leaves)
        return boxes, F.sanitize_bounding_boxes(boxes, min_size=self.min_size, min_area=self.min_area)[1]


class SanitizeKeyPoints(_Sanitize):
    """Without key points outside the image, and their labels."""

    _counted = "Number of kepyoints (shape={shape}) "

    def __init__(self, labels_getter: Any = None):
        super().__init__()
        self.labels_getter, self._labels_getter = labels_getter, labels_getter_of(labels_getter)

    def _valid(self, leaves: list[Any]) -> tuple[Any, Any]:
        points = get_keypoints(leaves)
        return points, F.sanitize_keypoints(points)[1]


class ConvertBoundingBoxFormat(Transform):
    """Boxes in another format."""

    _transformed_types = (tv_tensors.BoundingBoxes,)

    def __init__(self, format: Any):
        super().__init__()
        self.format = format

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.convert_bounding_box_format(inpt, new_format=self.format)


class ClampBoundingBoxes(Transform):
    """Boxes cut off at the image's edges."""

    _transformed_types = (tv_tensors.BoundingBoxes,)

    def __init__(self, clamping_mode: str | None = "auto"):
        super().__init__()
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.clamp_bounding_boxes(inpt, clamping_mode=self.clamping_mode)


class ClampKeyPoints(Transform):
    """Key points moved into the image."""

    _transformed_types = (tv_tensors.KeyPoints,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.clamp_keypoints(inpt)


class SetClampingMode(Transform):
    """Boxes with another `clamping_mode` for the transforms that follow."""

    _transformed_types = (tv_tensors.BoundingBoxes,)

    def __init__(self, clamping_mode: str | None):
        super().__init__()
        if clamping_mode not in (None, "soft", "hard"):
            raise ValueError(f"clamping_mode must be soft, hard or None, got {clamping_mode}")
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        out = inpt.clone()
        out.clamping_mode = self.clamping_mode
        return out


__all__ = [n for n, c in globals().items() if isinstance(c, type) and c.__module__ == __name__ and n[0] != "_"]
