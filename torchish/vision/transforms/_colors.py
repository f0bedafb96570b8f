"""Transforms of colours, sharpness and parts of the image."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import torchish as torch
from torchish import nn
from torchish._tensor.tensor import Tensor
from torchish.vision.transforms import _draw
from torchish.vision.transforms import functional as F


class ColorJitter(nn.Module):
    """Brightness, contrast, saturation and hue changed at random, in random order.

    A number x stands for factors from max(0, 1 - x) to 1 + x (of the hue: -x to x); a pair gives the bounds.
    """

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0):
        super().__init__()
        self.brightness = self._bounds(brightness, "brightness")
        self.contrast = self._bounds(contrast, "contrast")
        self.saturation = self._bounds(saturation, "saturation")
        self.hue = self._bounds(hue, "hue", 0, (-0.5, 0.5), clip=False)

    @staticmethod
    def _bounds(value: Any, name: str, center: float = 1, limits: tuple[float, float] = (0, math.inf), clip: bool = True) -> Any:
        if isinstance(value, numbers.Number):
            if value < 0:  # type: ignore[operator]
                raise ValueError(f"If {name} is a single number, it must be non negative.")
            pair = [center - float(value), center + float(value)]  # type: ignore[arg-type]
            if clip:
                pair[0] = max(pair[0], 0.0)
        elif isinstance(value, tuple | list) and len(value) == 2:
            pair = [float(value[0]), float(value[1])]
        else:
            raise TypeError(f"{name} should be a single number or a list/tuple with length 2.")
        if not limits[0] <= pair[0] <= pair[1] <= limits[1]:
            raise ValueError(f"{name} values should be between {limits}, but got {pair}.")
        return None if pair[0] == pair[1] == center else tuple(pair)

    @staticmethod
    def get_params(brightness: Any, contrast: Any, saturation: Any, hue: Any) -> tuple:
        """The order of the four, and the factor of each (None: left alone)."""
        order = torch.randperm(4)
        return order, *(None if b is None else _draw.uniform(b[0], b[1]) for b in (brightness, contrast, saturation, hue))

    def forward(self, img: Any) -> Any:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        adjust = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for i in order.tolist():
            if factors[i] is not None:
                img = adjust[i](img, factors[i])
        return img

    def __repr__(self) -> str:
        parts = ", ".join(f"{n}={getattr(self, n)}" for n in ("brightness", "contrast", "saturation", "hue"))
        return f"{type(self).__name__}({parts})"


class Grayscale(nn.Module):
    """The image in shades of grey."""

    def __init__(self, num_output_channels: int = 1):
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_output_channels={self.num_output_channels})"


class _WithChance(nn.Module):
    """A transform done with probability `p`; `names` are the further arguments, for the repr."""

    names: tuple[str, ...] = ()

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = p

    def _done(self, img: Any) -> Any:
        raise NotImplementedError

    def forward(self, img: Any) -> Any:
        return self._done(img) if _draw.chance(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}({','.join(f'{n}={getattr(self, n)}' for n in (*self.names, 'p'))})"


class RandomGrayscale(_WithChance):
    """The image or, with probability `p`, its shades of grey, in as many channels."""

    def __init__(self, p: float = 0.1):
        super().__init__(p)

    def _done(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, F.get_image_num_channels(img))


class RandomInvert(_WithChance):
    """The image or, with probability `p`, its negative."""

    def _done(self, img: Any) -> Any:
        return F.invert(img)


class RandomPosterize(_WithChance):
    """The image, with probability `p` with only the upper `bits` of each value."""

    names = ("bits",)

    def __init__(self, bits: int, p: float = 0.5):
        super().__init__(p)
        self.bits = bits

    def _done(self, img: Any) -> Any:
        return F.posterize(img, self.bits)


class RandomSolarize(_WithChance):
    """The image, with probability `p` with values from `threshold` on inverted."""

    names = ("threshold",)

    def __init__(self, threshold: float, p: float = 0.5):
        super().__init__(p)
        self.threshold = threshold

    def _done(self, img: Any) -> Any:
        return F.solarize(img, self.threshold)


class RandomAdjustSharpness(_WithChance):
    """The image, with probability `p` blurred (factors below 1) or sharpened."""

    names = ("sharpness_factor",)

    def __init__(self, sharpness_factor: float, p: float = 0.5):
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def _done(self, img: Any) -> Any:
        return F.adjust_sharpness(img, self.sharpness_factor)


class RandomAutocontrast(_WithChance):
    """The image, with probability `p` stretched from black to white."""

    def _done(self, img: Any) -> Any:
        return F.autocontrast(img)


class RandomEqualize(_WithChance):
    """The image, with probability `p` with shades about equally frequent."""

    def _done(self, img: Any) -> Any:
        return F.equalize(img)


class GaussianBlur(nn.Module):
    """The image blurred by a Gaussian, whose standard deviation is drawn from `sigma`."""

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)):
        super().__init__()
        size = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
        self.kernel_size = size * 2 if len(size) == 1 else size
        if any(k <= 0 or k % 2 == 0 for k in self.kernel_size):
            raise ValueError("Kernel size value should be an odd and positive number.")
        if isinstance(sigma, numbers.Number):
            if sigma <= 0:  # type: ignore[operator]
                raise ValueError("If sigma is a single number, it must be positive.")
            sigma = (sigma, sigma)
        elif not (isinstance(sigma, Sequence) and len(sigma) == 2 and 0.0 < sigma[0] <= sigma[1]):
            raise ValueError("sigma values should be positive and of the form (min, max).")
        self.sigma = sigma

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        return _draw.uniform(sigma_min, sigma_max)

    def forward(self, img: Any) -> Any:
        sigma = self.get_params(self.sigma[0], self.sigma[1])
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"


class RandomErasing(nn.Module):
    """A tensor, with probability `p` with a rectangle set to `value` ("random": noise). For use after ToTensor."""

    def __init__(
        self,
        p: float = 0.5,
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ):
        super().__init__()
        if not isinstance(value, numbers.Number | str | tuple | list):
            raise TypeError("Argument value should be either a number or str or a sequence")
        if isinstance(value, str) and value != "random":
            raise ValueError("If value is str, it should be 'random'")
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError("Scale should be between 0 and 1")
        if p < 0 or p > 1:
            raise ValueError("Random erasing probability should be between 0 and 1")
        self.p, self.scale, self.ratio, self.value, self.inplace = p, scale, ratio, value, inplace

    @staticmethod
    def get_params(img: Tensor, scale: Any, ratio: Any, value: list[float] | None = None) -> tuple:
        """Top, left, height, width and values; the whole image when ten draws did not fit."""
        return RandomErasing._place(img.shape[-3:], scale, ratio, value) or (0, 0, *img.shape[-2:], img)

    @staticmethod
    def _place(shape: Sequence[int], scale: Any, ratio: Any, value: list[float] | None) -> tuple | None:
        channels, height, width = shape
        for _ in range(10):
            area = height * width * _draw.uniform(scale[0], scale[1])
            aspect = _draw.ratio(ratio)
            h, w = int(round(math.sqrt(area * aspect))), int(round(math.sqrt(area / aspect)))
            if not (h < height and w < width):
                continue
            v = torch.empty([channels, h, w]).normal_() if value is None else torch.tensor(value)[:, None, None]
            top = _draw.integer(0, height - h + 1)
            return top, _draw.integer(0, width - w + 1), h, w, v
        return None

    def forward(self, img: Any) -> Any:
        if not _draw.chance(self.p):
            return img
        value: Any = self.value
        if isinstance(value, int | float):
            value = [float(value)]
        elif isinstance(value, str):
            value = None
        elif value is not None:
            value = [float(v) for v in value]
            if len(value) not in (1, img.shape[-3]):
                count = f"{img.shape[-3]} (number of input channels)"
                raise ValueError(f"If value is a sequence, it should have either a single value or {count}")
        top, left, h, w, v = self.get_params(img, self.scale, self.ratio, value)
        return F.erase(img, top, left, h, w, v, self.inplace)

    def __repr__(self) -> str:
        parts = ", ".join(f"{n}={getattr(self, n)}" for n in ("p", "scale", "ratio", "value", "inplace"))
        return f"{type(self).__name__}({parts})"
