"""Boxes (N, 4): corners x1, y1, x2, y2 unless said otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np

import torchish as torch
from torchish._tensor.creation import from_host


def nms(boxes: Any, scores: Any, iou_threshold: float) -> Any:
    """The indices of the boxes that no better one overlaps by more than `iou_threshold`, best first, int64."""
    b, s = (np.asarray(t.detach().cpu().numpy()) for t in (boxes, scores))
    if b.ndim != 2:
        raise RuntimeError(f"boxes should be a 2d tensor, got {b.ndim}D")
    if b.shape[1] != 4:
        raise RuntimeError(f"boxes should have 4 elements in dimension 1, got {b.shape[1]}")
    if s.ndim != 1:
        raise RuntimeError(f"scores should be a 1d tensor, got {s.ndim}D")
    if len(b) != len(s):
        raise RuntimeError(f"boxes and scores should have same number of elements in dimension 0, got {len(b)} and {len(s)}")
    area = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    order = np.argsort(-s, kind="stable")
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        low, high = np.maximum(b[best, :2], b[rest, :2]), np.minimum(b[best, 2:], b[rest, 2:])
        shared = np.maximum(high - low, 0).prod(1)
        order = rest[~(shared / (area[best] + area[rest] - shared) > iou_threshold)]
    return from_host(np.array(kept, np.int64)).to(boxes.device)


def batched_nms(boxes: Any, scores: Any, idxs: Any, iou_threshold: float) -> Any:
    """`nms` among the boxes of each category `idxs` (N,)."""
    if boxes.numel() == 0:
        return torch.empty((0,), dtype=torch.int64, device=boxes.device)
    apart = idxs.to(boxes.dtype) * (boxes.max() + 1)  # no two categories overlap
    return nms(boxes + apart[:, None], scores, iou_threshold)


def remove_small_boxes(boxes: Any, min_size: float) -> Any:
    """The indices of the boxes at least that wide and high."""
    wide, high = boxes[:, 2] - boxes[:, 0] >= min_size, boxes[:, 3] - boxes[:, 1] >= min_size
    return torch.where(wide & high)[0]


def clip_boxes_to_image(boxes: Any, size: tuple[int, int]) -> Any:
    """The boxes within an image of `size` (height, width)."""
    height, width = size
    x, y = boxes[..., 0::2].clamp(min=0, max=width), boxes[..., 1::2].clamp(min=0, max=height)
    return torch.stack((x, y), dim=boxes.dim()).reshape(boxes.shape)


_FORMATS = ("xyxy", "xywh", "cxcywh")


def box_convert(boxes: Any, in_fmt: str, out_fmt: str) -> Any:
    """From one to another of "xyxy" (corners), "xywh" (corner and size) and "cxcywh" (centre and size)."""
    if in_fmt not in _FORMATS or out_fmt not in _FORMATS:
        raise ValueError(f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt {out_fmt}")
    if in_fmt == out_fmt:
        return boxes.clone()
    a, b, c, d = boxes.unbind(-1)
    if in_fmt == "xywh":
        a, b, c, d = a, b, a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d
    if out_fmt == "xywh":
        a, b, c, d = a, b, c - a, d - b
    elif out_fmt == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    return torch.stack((a, b, c, d), dim=-1)


def _wide(t: Any) -> Any:
    """In a dtype whose products do not overflow."""
    if t.is_floating_point():
        return t if t.dtype in (torch.float32, torch.float64) else t.float()
    return t if t.dtype in (torch.int32, torch.int64) else t.int()


def box_area(boxes: Any, fmt: str = "xyxy") -> Any:
    """The areas (N,)."""
    boxes = _wide(boxes)
    if fmt != "xyxy":
        return boxes[..., 2] * boxes[..., 3]
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _shared(boxes1: Any, boxes2: Any) -> tuple[Any, Any]:
    low = torch.max(boxes1[:, None, :2], boxes2[:, :2])
    high = torch.min(boxes1[:, None, 2:], boxes2[:, 2:])
    size = _wide(high - low).clamp(min=0)
    shared = size[..., 0] * size[..., 1]
    return shared, box_area(boxes1)[:, None] + box_area(boxes2) - shared


def box_iou(boxes1: Any, boxes2: Any, fmt: str = "xyxy") -> Any:
    """Intersection over union of each of (N, 4) with each of (M, 4): (N, M)."""
    if fmt != "xyxy":
        boxes1, boxes2 = (box_convert(b, fmt, "xyxy") for b in (boxes1, boxes2))
    shared, union = _shared(boxes1, boxes2)
    return shared / union


def generalized_box_iou(boxes1: Any, boxes2: Any) -> Any:
    """box_iou less the part of the smallest box around both that neither covers (arXiv 1902.09630): (N, M)."""
    shared, union = _shared(boxes1, boxes2)
    size = _wide(torch.max(boxes1[:, None, 2:], boxes2[:, 2:]) - torch.min(boxes1[:, None, :2], boxes2[:, :2])).clamp(min=0)
    around = size[..., 0] * size[..., 1]
    return shared / union - (around - union) / around


def distance_box_iou(boxes1: Any, boxes2: Any, eps: float = 1e-7) -> Any:
    """box_iou less the squared distance of the centres, in diagonals of the box around both (arXiv 1911.08287): (N, M)."""
    boxes1, boxes2 = _wide(boxes1), _wide(boxes2)
    low, high = torch.min(boxes1[:, None, :2], boxes2[:, :2]), torch.max(boxes1[:, None, 2:], boxes2[:, 2:])
    diagonal = (_wide(high - low).clamp(min=0) ** 2).sum(-1) + eps
    middle1, middle2 = ((b[:, :2] + b[:, 2:]) / 2 for b in (boxes1, boxes2))
    return box_iou(boxes1, boxes2) - ((middle1[:, None] - middle2[None]) ** 2).sum(-1) / diagonal


def complete_box_iou(boxes1: Any, boxes2: Any, eps: float = 1e-7) -> Any:
    """`distance_box_iou`, less for different aspects: (N, M)."""
    boxes1, boxes2 = _wide(boxes1), _wide(boxes2)
    turn1, turn2 = (torch.atan((b[:, 2] - b[:, 0]) / (b[:, 3] - b[:, 1])) for b in (boxes1, boxes2))
    v = (4 / torch.pi**2) * (turn1[:, None] - turn2[None]) ** 2
    with torch.no_grad():
        alpha = v / (1 - box_iou(boxes1, boxes2) + v + eps)
    return distance_box_iou(boxes1, boxes2, eps) - alpha * v


def masks_to_boxes(masks: Any) -> Any:
    """The boxes (N, 4), float32, around what is set in masks (N, H, W)."""
    boxes = np.zeros((masks.shape[0], 4), np.float32)
    for i, mask in enumerate(masks.detach().cpu().numpy()):
        y, x = np.nonzero(mask)
        boxes[i] = x.min(), y.min(), x.max(), y.max()
    return from_host(boxes).to(masks.device)


def sigmoid_focal_loss(inputs: Any, targets: Any, alpha: float = 0.25, gamma: float = 2, reduction: str = "none") -> Any:
    """Cross-entropy of logits and 0/1 targets, less for what is easy (arXiv 1708.02002)."""
    if not (0 <= alpha <= 1) and alpha != -1:
        raise ValueError(f"Invalid alpha value: {alpha}. alpha must be in the range [0,1] or -1 for ignore.")
    p = torch.sigmoid(inputs)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    loss = loss * ((1 - (p * targets + (1 - p) * (1 - targets))) ** gamma)
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    if reduction == "none":
        return loss
    if reduction not in ("mean", "sum"):
        raise ValueError(f"Invalid Value for arg 'reduction': '{reduction} \n Supported reduction modes: 'none', 'mean', 'sum'")
    return loss.mean() if reduction == "mean" else loss.sum()
