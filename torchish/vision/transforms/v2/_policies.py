"""Policies of augmentation, drawn as torchvision draws those of v2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torchish as torch
from torchish.vision import tv_tensors
from torchish.vision._optional import is_pil
from torchish.vision.transforms import autoaugment as _v1
from torchish.vision.transforms.autoaugment import AutoAugmentPolicy
from torchish.vision.transforms.v2 import functional as F
from torchish.vision.transforms.v2._kernels import is_pure_tensor
from torchish.vision.transforms.v2._samples import Transform, check_fill, check_type, fill_for, leaves_of, rebuilt

_UNSUPPORTED = (tv_tensors.BoundingBoxes, tv_tensors.Mask, tv_tensors.KeyPoints)


class _Augment(Transform):
    """What the policies share: they take samples with one image or video."""

    def __init__(self, interpolation: Any, fill: Any):
        super().__init__()
        self.interpolation, self.fill, self._fill = interpolation, fill, check_fill(fill)

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = leaves_of(sample)
        found = []
        for i, (x, needs) in enumerate(zip(leaves, self._needs_transform_list(leaves), strict=True)):
            if needs and check_type(x, (tv_tensors.Image, is_pil, is_pure_tensor, tv_tensors.Video)):
                found.append(i)
            elif isinstance(x, _UNSUPPORTED):
                raise TypeError(f"Inputs of type {type(x).__name__} are not supported by {type(self).__name__}()")
        if not found:
            raise TypeError("Found no image in the sample.")
        if len(found) > 1:
            raise TypeError(
                f"Auto augment transformations are only properly defined for a single image or video, but found {len(found)}."
            )
        leaves[found[0]] = self._augmented(leaves[found[0]])
        return rebuilt(sample, iter(leaves))

    def _augmented(self, image: Any) -> Any:
        raise NotImplementedError

    def _applied(self, image: Any, name: str, magnitudes: Any, signed: bool, level: Callable[[int], int]) -> Any:
        """An operation of the magnitude at `level` of as many as it has, its sign drawn."""
        magnitude = 0.0
        if magnitudes is not None:
            magnitude = float(magnitudes[level(len(magnitudes))])
            if signed and torch.rand(()) <= 0.5:
                magnitude = -magnitude
        if name == "Solarize" and isinstance(image, torch.Tensor) and image.is_floating_point():
            magnitude /= 255.0  # of white
        return _v1._applied(image, name, magnitude, self.interpolation, fill_for(self._fill, image), F)

    def _one(self, image: Any, space: dict[str, tuple[Any, bool]], level: Callable[[int], int]) -> Any:
        name = list(space)[int(torch.randint(len(space), ()))]
        return self._applied(image, name, *space[name], level)


class AutoAugment(_Augment):
    """One of the pairs of operations of a published policy (arXiv 1805.09501)."""

    def __init__(self, policy: Any = AutoAugmentPolicy.IMAGENET, interpolation: Any = "nearest", fill: Any = None):
        super().__init__(interpolation, fill)
        if policy not in _v1._POLICIES:
            raise ValueError(f"The provided policy {policy} is not recognized.")
        self.policy, self._policies = policy, _v1._parsed(_v1._POLICIES[policy])

    def _augmented(self, image: Any) -> Any:
        height, width = F.get_size(image)
        space = _v1._pairs_space(height, width)
        for name, p, level in self._policies[int(torch.randint(len(self._policies), ()))]:
            if torch.rand(()) <= p:
                image = self._applied(image, name, *space[name], lambda n, level=level: level)  # type: ignore[misc]
        return image


class RandAugment(_Augment):
    """`num_ops` operations drawn at random, all of one magnitude (arXiv 1909.13719)."""

    def __init__(
        self, num_ops: int = 2, magnitude: int = 9, num_magnitude_bins: int = 31, interpolation: Any = "nearest", fill: Any = None
    ):
        super().__init__(interpolation, fill)
        if not isinstance(num_ops, int) or num_ops < 0:
            raise ValueError(f"num_ops should be a non-negative integer, but got {num_ops} instead.")
        self.num_ops, self.magnitude, self.num_magnitude_bins = num_ops, magnitude, num_magnitude_bins

    def _augmented(self, image: Any) -> Any:
        height, width = F.get_size(image)
        space = _v1._random_space(self.num_magnitude_bins, height, width)
        for _ in range(self.num_ops):
            image = self._one(image, space, lambda n: self.magnitude)
        return image


class TrivialAugmentWide(_Augment):
    """One operation of random magnitude (arXiv 2103.10158)."""

    def __init__(self, num_magnitude_bins: int = 31, interpolation: Any = "nearest", fill: Any = None):
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def _augmented(self, image: Any) -> Any:
        return self._one(image, _v1._wide_space(self.num_magnitude_bins), lambda n: int(torch.randint(n, ())))


class AugMix(_Augment):
    """A mixture of the image and of `mixture_width` chains of random operations on it (arXiv 1912.02781)."""

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: Any = "bilinear",
        fill: Any = None,
    ):
        super().__init__(interpolation, fill)
        if not 1 <= severity <= _v1._LEVELS:
            raise ValueError(f"The severity must be between [1, {_v1._LEVELS}]. Got {severity} instead.")
        self.severity, self.mixture_width, self.chain_depth = severity, mixture_width, chain_depth
        self.alpha, self.all_ops = alpha, all_ops

    def _chain(self, images: Any, space: dict[str, tuple[Any, bool]]) -> Any:
        for _ in range(self.chain_depth if self.chain_depth > 0 else int(torch.randint(low=1, high=4, size=(1,)))):
            images = self._one(images, space, lambda n: int(torch.randint(self.severity, ())))
        return images

    def _augmented(self, image: Any) -> Any:
        height, width = F.get_size(image)
        values = image if isinstance(image, torch.Tensor) else F.pil_to_tensor(image)
        space = _v1._mix_space(height, width, self.all_ops)
        dims = 5 if isinstance(image, tv_tensors.Video) else 4
        mix = _v1._mixed(values, dims, self.alpha, self.mixture_width, lambda images: self._chain(images, space))
        if is_pil(image):
            return F.to_pil_image(mix)
        return mix if is_pure_tensor(image) else tv_tensors.wrap(mix, like=image)


__all__ = ["AugMix", "AutoAugment", "RandAugment", "TrivialAugmentWide"]
