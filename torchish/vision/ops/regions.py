"""Regions of interest cut out of feature maps, all of one size."""

from __future__ import annotations

import math
from typing import Any

import torchish as torch
from torchish import nn


def _rows(boxes: Any) -> Any:
    """Boxes as (K, 5), the first column the image's index, of such or of a list with each image's (L, 4)."""
    if isinstance(boxes, list | tuple):
        if any(b.size(1) != 4 for b in boxes):
            raise AssertionError("The shape of the tensor in the boxes list is not correct as List[Tensor[L, 4]]")
        return torch.cat([torch.cat([torch.full_like(b[:, :1], i), b], 1) for i, b in enumerate(boxes)], 0)
    if boxes.size(1) != 5:
        raise AssertionError("The boxes tensor shape is not correct as Tensor[K, 5]")
    return boxes


def _pair(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)


def _between(image: Any, y: Any, x: Any) -> Any:
    """The values (C, P, Q) of a map (C, H, W) at rows y (P,) and columns x (Q,); 0 well outside."""
    h, w = image.shape[-2:]
    for place, n, dim in ((y, h, -2), (x, w, -1)):
        inside = ((place >= -1.0) & (place <= n)).to(image.dtype)
        p = place.clamp(min=0, max=n - 1)
        low = p.floor()
        high = (low + 1).clamp(max=n - 1)
        shape = (-1, 1) if dim == -2 else (-1,)
        weight, inside = (p - low).reshape(shape), inside.reshape(shape)
        image = ((1 - weight) * image.index_select(dim, low.long()) + weight * image.index_select(dim, high.long())) * inside
    return image


def roi_align(
    input: Any, boxes: Any, output_size: Any, spatial_scale: float = 1.0, sampling_ratio: int = -1, aligned: bool = False
) -> Any:
    """Each box's mean values in a grid: input (N, C, H, W), boxes (K, 5) or a list, result (K, C, *output_size).

    `sampling_ratio` points along each side of a cell (as many as the cell has pixels when not positive), interpolated.
    Source: arXiv 1703.06870.
    """
    rois, (height, width) = _rows(boxes), _pair(output_size)
    if not len(rois):
        return input.new_zeros((0, input.shape[1], height, width))
    offset = 0.5 if aligned else 0.0
    out = []
    for roi in rois.detach().tolist():
        x1, y1, x2, y2 = (v * spatial_scale - offset for v in roi[1:])
        w, h = (x2 - x1, y2 - y1) if aligned else (max(x2 - x1, 1.0), max(y2 - y1, 1.0))
        places = []
        counts = []
        for start, length, cells in ((y1, h, height), (x1, w, width)):
            n = sampling_ratio if sampling_ratio > 0 else max(math.ceil(length / cells), 1)
            step = length / cells
            at = [start + c * step + (i + 0.5) * step / n for c in range(cells) for i in range(n)]
            places.append(torch.tensor(at, dtype=input.dtype, device=input.device))
            counts.append(n)
        values = _between(input[int(roi[0])], places[0], places[1])
        out.append(values.reshape(-1, height, counts[0], width, counts[1]).mean((2, 4)))
    return torch.stack(out)


def roi_pool(input: Any, boxes: Any, output_size: Any, spatial_scale: float = 1.0) -> Any:
    """Each box's greatest values in a grid: input (N, C, H, W), boxes (K, 5) or a list, result (K, C, *output_size)."""
    rois, (height, width) = _rows(boxes), _pair(output_size)
    if not len(rois):
        return input.new_zeros((0, input.shape[1], height, width))
    limits = input.shape[-2:]
    out = []
    for roi in rois.detach().tolist():
        x1, y1, x2, y2 = (math.floor(abs(v * spatial_scale) + 0.5) * (1 if v >= 0 else -1) for v in roi[1:])
        spans = []
        for start, length, cells, limit in ((y1, max(y2 - y1 + 1, 1), height, limits[0]), (x1, max(x2 - x1 + 1, 1), width, limits[1])):
            step = length / cells
            edges = [(math.floor(c * step) + start, math.ceil((c + 1) * step) + start) for c in range(cells)]
            spans.append([(min(max(a, 0), limit), min(max(b, 0), limit)) for a, b in edges])
        image = input[int(roi[0])]
        cells_of = [
            image[:, a:b, c:d].amax((-2, -1)) if b > a and d > c else image.new_zeros(image.shape[0])
            for a, b in spans[0]
            for c, d in spans[1]
        ]
        out.append(torch.stack(cells_of, -1).reshape(-1, height, width))
    return torch.stack(out)


class RoIAlign(nn.Module):
    """`roi_align` as a layer."""

    def __init__(self, output_size: Any, spatial_scale: float, sampling_ratio: int, aligned: bool = False):
        super().__init__()
        self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned = output_size, spatial_scale, sampling_ratio, aligned

    def forward(self, input: Any, rois: Any) -> Any:
        return roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)

    def __repr__(self) -> str:
        names = ("output_size", "spatial_scale", "sampling_ratio", "aligned")
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)}' for n in names)})"


class RoIPool(nn.Module):
    """`roi_pool` as a layer."""

    def __init__(self, output_size: Any, spatial_scale: float):
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale

    def forward(self, input: Any, rois: Any) -> Any:
        return roi_pool(input, rois, self.output_size, self.spatial_scale)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(output_size={self.output_size}, spatial_scale={self.spatial_scale})"
