"""Transforms that mix the images and labels of a batch: MixUp (arXiv 1710.09412) and CutMix (arXiv 1905.04899)."""

from __future__ import annotations

import math
from typing import Any

import torchish as torch
from torchish.vision import tv_tensors
from torchish.vision._optional import is_pil
from torchish.vision.transforms.v2._kernels import is_pure_tensor
from torchish.vision.transforms.v2._samples import Transform, has_any, labels_getter_of, leaves_of, query_size, rebuilt


class _Mix(Transform):
    """Each image of a batch (N, C, H, W) mixed with the one before it; labels (N,) or (N, num_classes) become shares of classes."""

    def __init__(self, *, alpha: float = 1.0, num_classes: int | None = None, labels_getter: Any = "default"):
        super().__init__()
        self.alpha, self.num_classes = float(alpha), num_classes
        self._dist = torch.distributions.Beta(torch.tensor([alpha]), torch.tensor([alpha]))
        self._labels_getter = labels_getter_of(labels_getter)

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = leaves_of(sample)
        if has_any(leaves, is_pil, tv_tensors.BoundingBoxes, tv_tensors.Mask, tv_tensors.KeyPoints):
            raise ValueError(f"{type(self).__name__}() does not support PIL images, bounding boxes, keypoints and masks.")
        labels = self._labels_getter(sample)
        self._check_labels(labels)
        needed = self._needs_transform_list(leaves)
        params = self.make_params([x for x, needs in zip(leaves, needed, strict=True) if needs])

        def mixed(x: Any, needs: bool) -> Any:
            if x is labels:
                return self._mixed_labels(x, params)
            if not needs or not (is_pure_tensor(x) or isinstance(x, tv_tensors.Image | tv_tensors.Video)):
                return x
            self._check_images(x, len(labels))
            out = self.transform(x, params)
            return out if is_pure_tensor(x) else tv_tensors.wrap(out, like=x)

        return rebuilt(sample, iter([mixed(x, needs) for x, needs in zip(leaves, needed, strict=True)]))

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
        dims = 5 if isinstance(images, tv_tensors.Video) else 4
        if images.ndim != dims:
            raise ValueError(f"Expected a batched input with {dims} dims, but got {images.ndim} dimensions instead.")
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
        height, width = query_size(flat_inputs)
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
