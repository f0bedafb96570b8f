"""Policies of augmentation: AutoAugment, RandAugment, TrivialAugment, AugMix."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Any

import numpy as np

import torchish as torch
from torchish import nn
from torchish.vision.transforms import _draw
from torchish.vision.transforms import functional as F
from torchish.vision.transforms.functional import InterpolationMode


class AutoAugmentPolicy(enum.Enum):
    """The data that a policy was found on."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


# Two operations each, with probability and magnitude (of 10), as published: arXiv 1805.09501, appendix.
_POLICIES = {
    AutoAugmentPolicy.IMAGENET: """
        Posterize .4 8 Rotate .6 9|Solarize .6 5 AutoContrast .6 -|Equalize .8 - Equalize .6 -|Posterize .6 7 Posterize .6 6
        Equalize .4 - Solarize .2 4|Equalize .4 - Rotate .8 8|Solarize .6 3 Equalize .6 -|Posterize .8 5 Equalize 1. -
        Rotate .2 3 Solarize .6 8|Equalize .6 - Posterize .4 6|Rotate .8 8 Color .4 0|Rotate .4 9 Equalize .6 -
        Equalize .0 - Equalize .8 -|Invert .6 - Equalize 1. -|Color .6 4 Contrast 1. 8|Rotate .8 8 Color 1. 2
        Color .8 8 Solarize .8 7|Sharpness .4 7 Invert .6 -|ShearX .6 5 Equalize 1. -|Color .4 0 Equalize .6 -
        Equalize .4 - Solarize .2 4|Solarize .6 5 AutoContrast .6 -|Invert .6 - Equalize 1. -|Color .6 4 Contrast 1. 8
        Equalize .8 - Equalize .6 -""",
    AutoAugmentPolicy.CIFAR10: """
        Invert .1 - Contrast .2 6|Rotate .7 2 TranslateX .3 9|Sharpness .8 1 Sharpness .9 3|ShearY .5 8 TranslateY .7 9
        AutoContrast .5 - Equalize .9 -|ShearY .2 7 Posterize .3 7|Color .4 3 Brightness .6 7|Sharpness .3 9 Brightness .7 9
        Equalize .6 - Equalize .5 -|Contrast .6 7 Sharpness .6 5|Color .7 7 TranslateX .5 8|Equalize .3 - AutoContrast .4 -
        TranslateY .4 3 Sharpness .2 6|Brightness .9 6 Color .2 8|Solarize .5 2 Invert .0 -|Equalize .2 - AutoContrast .6 -
        Equalize .2 - Equalize .6 -|Color .9 9 Equalize .6 -|AutoContrast .8 - Solarize .2 8|Brightness .1 3 Color .7 0
        Solarize .4 5 AutoContrast .9 -|TranslateY .9 9 TranslateY .7 9|AutoContrast .9 - Solarize .8 3
        Equalize .8 - Invert .1 -|TranslateY .7 9 AutoContrast .9 -""",
    AutoAugmentPolicy.SVHN: """
        ShearX .9 4 Invert .2 -|ShearY .9 8 Invert .7 -|Equalize .6 - Solarize .6 6|Invert .9 - Equalize .6 -
        Equalize .6 - Rotate .9 3|ShearX .9 4 AutoContrast .8 -|ShearY .9 8 Invert .4 -|ShearY .9 5 Solarize .2 6
        Invert .9 - AutoContrast .8 -|Equalize .6 - Rotate .9 3|ShearX .9 4 Solarize .3 3|ShearY .8 8 Invert .7 -
        Equalize .9 - TranslateY .6 6|Invert .9 - Equalize .6 -|Contrast .3 3 Rotate .8 4|Invert .8 - TranslateY .0 2
        ShearY .7 6 Solarize .4 8|Invert .6 - Rotate .8 4|ShearY .3 7 TranslateX .9 3|ShearX .1 6 Invert .6 -
        Solarize .7 2 TranslateY .6 7|ShearY .8 4 Invert .8 -|ShearX .7 9 TranslateY .8 3|ShearY .8 5 AutoContrast .7 -
        ShearX .7 2 Invert .1 -""",
}


def _parsed(text: str) -> list[list[tuple[str, float, int | None]]]:
    pairs = []
    for entry in text.replace("\n", "|").split("|"):
        w = entry.split()
        if w:
            pairs.append([(w[i], float(w[i + 1]), None if w[i + 2] == "-" else int(w[i + 2])) for i in (0, 3)])
    return pairs


_LEVELS = 10  # of AugMix's magnitudes
_COLORS = {"Brightness": "adjust_brightness", "Color": "adjust_saturation", "Contrast": "adjust_contrast", "Sharpness": "adjust_sharpness"}
_PLAIN = {"AutoContrast": "autocontrast", "Equalize": "equalize", "Invert": "invert"}


def _applied(img: Any, name: str, magnitude: float, interpolation: Any, fill: Any, F: Any = F) -> Any:
    """The operation of that name, by the functions of the module `F`."""
    if name == "Identity":
        return img
    if name in _PLAIN:
        return getattr(F, _PLAIN[name])(img)
    if name in _COLORS:
        return getattr(F, _COLORS[name])(img, 1.0 + magnitude)
    if name == "Rotate":
        return F.rotate(img, magnitude, interpolation, fill=fill)
    if name == "Posterize":
        return F.posterize(img, int(magnitude))
    if name == "Solarize":
        return F.solarize(img, magnitude)
    across = name.endswith("X")
    if name.startswith("Shear"):
        angle = math.degrees(math.atan(magnitude))
        return F.affine(img, 0.0, [0, 0], 1.0, [angle, 0.0] if across else [0.0, angle], interpolation, fill, [0, 0])
    move = [int(magnitude), 0] if across else [0, int(magnitude)]
    return F.affine(img, 0.0, move, 1.0, [0.0, 0.0], interpolation, fill)


def _space(
    bins: int, shear: float, moves: tuple[float, float], turn: float, color: float, bits: int, depth: int = 8
) -> dict[str, tuple[Any, bool]]:
    """The magnitudes of each operation (None: it has none), and whether they are of either sign."""

    def upto(top: float) -> np.ndarray:
        return torch.linspace(0.0, top, bins).numpy()

    space: dict[str, tuple[Any, bool]] = {"ShearX": (upto(shear), True), "ShearY": (upto(shear), True)}
    space |= {"TranslateX": (upto(moves[0]), True), "TranslateY": (upto(moves[1]), True), "Rotate": (upto(turn), True)}
    space |= {name: (upto(color), True) for name in ("Brightness", "Color", "Contrast", "Sharpness")}
    posterize = depth - np.rint(np.arange(bins, dtype=np.float32) / np.float32((bins - 1) / bits)).astype(int)
    space |= {"Posterize": (posterize, False), "Solarize": (torch.linspace(255.0, 0.0, bins).numpy(), False)}
    return space | {"AutoContrast": (None, False), "Equalize": (None, False)}


# What each policy draws from.


def _pairs_space(height: int, width: int) -> dict[str, tuple[Any, bool]]:
    return _space(10, 0.3, (150.0 / 331.0 * width, 150.0 / 331.0 * height), 30.0, 0.9, 4) | {"Invert": (None, False)}


def _random_space(bins: int, height: int, width: int) -> dict[str, tuple[Any, bool]]:
    moves = (150.0 / 331.0 * width, 150.0 / 331.0 * height)
    return {"Identity": (None, False)} | _space(bins, 0.3, moves, 30.0, 0.9, 4)


def _wide_space(bins: int) -> dict[str, tuple[Any, bool]]:
    return {"Identity": (None, False)} | _space(bins, 0.99, (32.0, 32.0), 135.0, 0.99, 6)


def _mix_space(height: int, width: int, all_ops: bool) -> dict[str, tuple[Any, bool]]:
    space = _space(_LEVELS, 0.3, (width / 3.0, height / 3.0), 30.0, 0.9, 4, 4)
    colors = {name: space.pop(name) for name in _COLORS}
    return space | colors if all_ops else space


def _mixed(values: Any, dims: int, alpha: float, width: int, chain: Callable[[Any], Any]) -> Any:
    """A mixture of `values` (with as many leading dimensions more as `dims` needs) and of what `width` calls of `chain` make of them."""

    def weights(n: int) -> Any:
        return torch.distributions.Dirichlet(torch.tensor([float(alpha)] * n).expand(len(batch), -1)).sample()

    batch = values.reshape([1] * max(dims - values.ndim, 0) + list(values.shape))
    each = [len(batch)] + [1] * (batch.ndim - 1)
    kept = weights(2)
    shares = weights(width) * kept[:, 1:]
    mix = kept[:, 0].reshape(each) * batch
    for i in range(width):
        mix.add_(shares[:, i].reshape(each) * chain(batch))
    return mix.reshape(values.shape).to(dtype=values.dtype)


class _Augment(nn.Module):
    """What the policies share: how pixels are interpolated and filled."""

    def __init__(self, interpolation: Any, fill: Any):
        super().__init__()
        self.interpolation, self.fill = F._mode(interpolation), fill

    def _fill(self, img: Any) -> Any:
        if isinstance(img, torch.Tensor) and self.fill is not None:
            channels = F.get_image_num_channels(img)
            return [float(self.fill)] * channels if isinstance(self.fill, int | float) else [float(f) for f in self.fill]
        return self.fill

    def _one(self, img: Any, space: dict[str, tuple[Any, bool]], level: Callable[[int], int], fill: Any) -> Any:
        """An operation drawn from the space, of the magnitude at `level` of as many as it has."""
        name = list(space)[_draw.integer(0, len(space))]
        magnitudes, signed = space[name]
        magnitude = 0.0 if magnitudes is None else float(magnitudes[level(len(magnitudes))])
        if signed and _draw.integer(0, 2):
            magnitude = -magnitude
        return _applied(img, name, magnitude, self.interpolation, fill)

    def _described(self, *names: str) -> str:
        parts = [f"{n}={getattr(self, n)}" for n in names]
        return f"{type(self).__name__}({', '.join([*parts, f'interpolation={self.interpolation}', f'fill={self.fill}'])})"


class AutoAugment(_Augment):
    """One of the pairs of operations of a published policy (arXiv 1805.09501)."""

    def __init__(self, policy: Any = AutoAugmentPolicy.IMAGENET, interpolation: Any = InterpolationMode.NEAREST, fill: Any = None):
        super().__init__(interpolation, fill)
        if policy not in _POLICIES:
            raise ValueError(f"The provided policy {policy} is not recognized.")
        self.policy, self.policies = policy, _parsed(_POLICIES[policy])

    @staticmethod
    def get_params(transform_num: int) -> tuple:
        """Which pair, and for each of the two the draw for its probability and for its sign."""
        return _draw.integer(0, transform_num), torch.rand((2,)), torch.randint(2, (2,))

    def forward(self, img: Any) -> Any:
        fill = self._fill(img)
        which, draws, signs = self.get_params(len(self.policies))
        _, height, width = F.get_dimensions(img)
        space = _pairs_space(height, width)
        for (name, p, level), draw, sign in zip(self.policies[which], draws.tolist(), signs.tolist(), strict=True):
            if draw <= float(np.float32(p)):
                magnitudes, signed = space[name]
                magnitude = float(magnitudes[level]) if level is not None else 0.0
                img = _applied(img, name, -magnitude if signed and sign == 0 else magnitude, self.interpolation, fill)
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(policy={self.policy}, fill={self.fill})"


class RandAugment(_Augment):
    """`num_ops` operations drawn at random, all of one magnitude (arXiv 1909.13719)."""

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ):
        super().__init__(interpolation, fill)
        self.num_ops, self.magnitude, self.num_magnitude_bins = num_ops, magnitude, num_magnitude_bins

    def forward(self, img: Any) -> Any:
        fill = self._fill(img)
        _, height, width = F.get_dimensions(img)
        space = _random_space(self.num_magnitude_bins, height, width)
        for _ in range(self.num_ops):
            img = self._one(img, space, lambda n: self.magnitude, fill)
        return img

    def __repr__(self) -> str:
        return self._described("num_ops", "magnitude", "num_magnitude_bins")


class TrivialAugmentWide(_Augment):
    """One operation of random magnitude (arXiv 2103.10158)."""

    def __init__(self, num_magnitude_bins: int = 31, interpolation: Any = InterpolationMode.NEAREST, fill: Any = None):
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def forward(self, img: Any) -> Any:
        fill = self._fill(img)
        return self._one(img, _wide_space(self.num_magnitude_bins), lambda n: _draw.integer(0, n), fill)

    def __repr__(self) -> str:
        return self._described("num_magnitude_bins")


class AugMix(_Augment):
    """A mixture of the image and of `mixture_width` chains of random operations on it (arXiv 1912.02781).

    `severity` (1 to 10) bounds the operations' magnitudes; a chain has `chain_depth` operations, 1 to 3 where that is not positive;
    `alpha` is the concentration of the weights; without `all_ops`, no operation that changes brightness, colour, contrast or sharpness.
    """

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = None,
    ):
        super().__init__(interpolation, fill)
        if not 1 <= severity <= _LEVELS:
            raise ValueError(f"The severity must be between [1, {_LEVELS}]. Got {severity} instead.")
        self.severity, self.mixture_width, self.chain_depth = severity, mixture_width, chain_depth
        self.alpha, self.all_ops = alpha, all_ops

    def _chain(self, images: Any, space: dict[str, tuple[Any, bool]], fill: Any) -> Any:
        depth = self.chain_depth if self.chain_depth > 0 else _draw.integer(1, 4)
        for _ in range(depth):
            images = self._one(images, space, lambda n: _draw.integer(0, self.severity), fill)
        return images

    def forward(self, orig_img: Any) -> Any:
        fill = self._fill(orig_img)
        _, height, width = F.get_dimensions(orig_img)
        img = orig_img if isinstance(orig_img, torch.Tensor) else F.pil_to_tensor(orig_img)
        space = _mix_space(height, width, self.all_ops)
        mix = _mixed(img, 4, self.alpha, self.mixture_width, lambda images: self._chain(images, space, fill))
        return mix if isinstance(orig_img, torch.Tensor) else F.to_pil_image(mix)

    def __repr__(self) -> str:
        return self._described("severity", "mixture_width", "chain_depth", "alpha", "all_ops")
