"""Transforms that mix the images and labels of a batch: MixUp (arXiv 1710.09412) and CutMix (arXiv 1905.04899)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torchish as torch
from torchish.vision._optional import is_pil
from torchish.vision.transforms.v2._samples import Transform, leaves_of, rebuilt


def _labels(sample: Any) -> Any:
    """The labels of a sample: its second part, or a dictionary's entry named after labels (`label`, `labels`, …)."""
    if isinstance(sample, tuple | list) and len(sample) > 1 and isinstance(sample[1], torch.Tensor):
        return sample[1]
    named = sample[1] if isinstance(sample, tuple | list) and len(sample) > 1 else sample
    if isinstance(named, dict):
        for exactly in (True, False):
            for key, value in named.items():
                if isinstance(key, str) and (key.lower() in ("label", "labels") if exactly else "label" in key.lower()):
                    return value
    raise ValueError(
        "Could not infer where the labels are in the sample. Try passing a callable as the labels_getter parameter? "
        "If there are no labels in the sample by design, pass labels_getter=None."
    )


class _Mix(Transform):
    """Each image of a batch (N, C, H, W) mixed with the one before it; labels (N,) or (N, num_classes) become shares of classes."""

    def __init__(self, *, alpha: float = 1.0, num_classes: int | None = None, labels_getter: Any = "default"):
        super().__init__()
        self.alpha, self.num_classes = float(alpha), num_classes
        self._dist = torch.distributions.Beta(torch.tensor([alpha]), torch.tensor([alpha]))
        getters: dict[Any, Callable] = {"default": _labels, None: lambda sample: None}
        if labels_getter not in getters and not callable(labels_getter):
            raise ValueError(f"labels_getter should either be 'default', a callable, or None, but got {labels_getter}.")
        self._labels_getter: Callable = getters.get(labels_getter, labels_getter)

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = leaves_of(sample)
        if any(is_pil(x) for x in leaves):
            raise ValueError(f"{type(self).__name__}() does not support PIL images, bounding boxes, keypoints and masks.")
        labels = self._labels_getter(sample)
        self._check_labels(labels)
        first = next(i for i, x in enumerate(leaves) if isinstance(x, torch.Tensor) and x is not labels)
        self._check_images(leaves[first], len(labels))
        params = self.make_params([leaves[first]])
        leaves[first] = self.transform(leaves[first], params)
        return rebuilt(sample, iter([self._mixed_labels(x, params) if x is labels else x for x in leaves]))

    def _check_labels(self, labels: Any) -> None:
        if not isinstance(labels, torch.Tensor):
            raise ValueError(f"The labels must be a tensor, but got {type(labels)} instead.")
        if labels.ndim not in (1, 2):
            raise ValueError(
                "labels should be index based with shape (batch_size,) or probability based with shape (batch_size, num_classes), "
                f"but got a tensor of shape {labels.shape} instead."
            )
        if labels.ndim == 2 and self.num_classes is not None and labels.shape[-1] != self.num_classes:
            raise ValueError(
                "When passing 2D labels, the number of elements in last dimension must match num_classes: "
                f"{labels.shape[-1]} != {self.num_classes}. You can Leave num_classes to None."
            )
        if labels.ndim == 1 and self.num_classes is None:
            raise ValueError("num_classes must be passed if the labels are index-based (1D)")

    def _check_images(self, images: Any, n: int) -> None:
        if images.ndim != 4:
            raise ValueError(f"Expected a batched input with 4 dims, but got {images.ndim} dimensions instead.")
        if images.shape[0] != n:
            raise ValueError(
                "The batch size of the image or video does not match the batch size of the labels: "
                f"{images.shape[0]} != {n}."
            )

    def _mixed_labels(self, labels: Any, params: dict[str, Any]) -> Any:
        if labels.ndim == 1:
            labels = torch.nn.functional.one_hot(labels, num_classes=self.num_classes)
        return _blend(labels if labels.is_floating_point() else labels.float(), params["lam"])


def _blend(x: Any, lam: float) -> Any:
    return x.roll(1, 0).mul_(1.0 - lam).add_(x.mul(lam))


class MixUp(_Mix):
    """Images and labels averaged with those before them in the batch, with a weight drawn from Beta(alpha, alpha)."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"lam": float(self._dist.sample(()))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return _blend(inpt, params["lam"])


class CutMix(_Mix):
    """A box of each image replaced by that of the image before it; labels mixed by the box's share of the area."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        lam = float(self._dist.sample(()))
        height, width = flat_inputs[0].shape[-2:]
        x, y = int(torch.randint(width, size=(1,))), int(torch.randint(height, size=(1,)))
        half = 0.5 * math.sqrt(1.0 - lam)
        across, down = int(half * width), int(half * height)
        left, top, right, bottom = max(x - across, 0), max(y - down, 0), min(x + across, width), min(y + down, height)
        return {"box": (left, top, right, bottom), "lam": 1.0 - (right - left) * (bottom - top) / (width * height)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        left, top, right, bottom = params["box"]
        mixed = inpt.clone()
        mixed[..., top:bottom, left:right] = inpt.roll(1, 0)[..., top:bottom, left:right]
        return mixed
