"""Losses of detection: by how boxes overlap, and of scores."""

from __future__ import annotations

import math
from typing import Any

import torchish as torch


def _reduced(loss: Any, reduction: str) -> Any:
    if reduction == "none":
        return loss
    if reduction not in ("mean", "sum"):
        raise ValueError(f"Invalid Value for arg 'reduction': '{reduction} \n Supported reduction modes: 'none', 'mean', 'sum'")
    if reduction == "sum":
        return loss.sum()
    return loss.mean() if loss.numel() > 0 else 0.0 * loss.sum()


def _pair(boxes1: Any, boxes2: Any, eps: float) -> tuple[Any, Any, Any, Any]:
    """Overlap over union, the union, and the corners of the smallest boxes around both."""
    a, b = (x if x.dtype in (torch.float32, torch.float64) else x.float() for x in (boxes1, boxes2))
    low, high = torch.max(a[..., :2], b[..., :2]), torch.min(a[..., 2:], b[..., 2:])
    shared = (high - low).prod(-1)
    shared = torch.where((high > low).all(-1), shared, torch.zeros_like(shared))
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    around = torch.cat([torch.min(a[..., :2], b[..., :2]), torch.max(a[..., 2:], b[..., 2:])], -1)
    return shared / (union + eps), union, around, (a, b)


def generalized_box_iou_loss(boxes1: Any, boxes2: Any, reduction: str = "none", eps: float = 1e-7) -> Any:
    """1 less the overlap, more for the part of the box around both that neither covers (arXiv 1902.09630); of (N, 4) and (N, 4)."""
    iou, union, around, _ = _pair(boxes1, boxes2, eps)
    area = (around[..., 2:] - around[..., :2]).prod(-1)
    return _reduced(1 - (iou - (area - union) / (area + eps)), reduction)


def _distance(boxes1: Any, boxes2: Any, eps: float) -> tuple[Any, Any, Any]:
    iou, _, around, (a, b) = _pair(boxes1, boxes2, eps)
    diagonal = ((around[..., 2:] - around[..., :2]) ** 2).sum(-1) + eps
    apart = (((a[..., 2:] + a[..., :2]) / 2 - (b[..., :2] + b[..., 2:]) / 2) ** 2).sum(-1)
    return 1 - iou + apart / diagonal, iou, (a, b)


def distance_box_iou_loss(boxes1: Any, boxes2: Any, reduction: str = "none", eps: float = 1e-7) -> Any:
    """1 less the overlap, more for the distance of the centres (arXiv 1911.08287); of (N, 4) and (N, 4)."""
    return _reduced(_distance(boxes1, boxes2, eps)[0], reduction)


def _aspect(box: Any) -> Any:
    size = box[..., 2:] - box[..., :2]
    return torch.atan(size[..., 0] / size[..., 1])


def complete_box_iou_loss(boxes1: Any, boxes2: Any, reduction: str = "none", eps: float = 1e-7) -> Any:
    """`distance_box_iou_loss`, more for different aspects; of (N, 4) and (N, 4)."""
    loss, iou, (a, b) = _distance(boxes1, boxes2, 1e-7)
    v = (4 / math.pi**2) * (_aspect(b) - _aspect(a)) ** 2
    with torch.no_grad():
        alpha = v / (1 - iou + v + eps)
    return _reduced(loss + alpha * v, reduction)
