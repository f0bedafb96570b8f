"""Transforms of place and size."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import torchish as torch
from torchish import nn
from torchish.vision.transforms import _draw
from torchish.vision.transforms import functional as F
from torchish.vision.transforms._checks import angles, counted, size_pair
from torchish.vision.transforms.functional import InterpolationMode

_BOTH = "Please provide only two dimensions (h, w) for size."


class Resize(nn.Module):
    """The image of `size` (height, width), or with its shorter side of that size."""

    def __init__(
        self, size: Any, interpolation: Any = InterpolationMode.BILINEAR, max_size: int | None = None, antialias: bool | None = True
    ):
        super().__init__()
        if not isinstance(size, int | Sequence):
            raise TypeError(f"Size should be int or sequence. Got {type(size)}")
        if isinstance(size, Sequence) and len(size) not in (1, 2):
            raise ValueError("If size is a sequence, it should have 1 or 2 values")
        self.size, self.max_size, self.antialias = size, max_size, antialias
        self.interpolation = F._mode(interpolation)

    def forward(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        how = f"interpolation={self.interpolation.value}, max_size={self.max_size}, antialias={self.antialias}"
        return f"{type(self).__name__}(size={self.size}, {how})"


class CenterCrop(nn.Module):
    """The middle of the image."""

    def __init__(self, size: Any):
        super().__init__()
        self.size = size_pair(size, _BOTH)

    def forward(self, img: Any) -> Any:
        return F.center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class Pad(nn.Module):
    """The image with `padding` around it."""

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant"):
        super().__init__()
        if not isinstance(padding, numbers.Number | tuple | list):
            raise TypeError("Got inappropriate padding arg")
        if not isinstance(fill, numbers.Number | str | tuple | list):
            raise TypeError("Got inappropriate fill arg")
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
        if isinstance(padding, Sequence) and len(padding) not in (1, 2, 4):
            raise ValueError(f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple")
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def forward(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"


class RandomCrop(nn.Module):
    """A rectangle of `size` from anywhere in the image, after `padding`. ValueError when the image is smaller."""

    def __init__(self, size: Any, padding: Any = None, pad_if_needed: bool = False, fill: Any = 0, padding_mode: str = "constant"):
        super().__init__()
        self.size = tuple(size_pair(size, _BOTH))
        self.padding, self.pad_if_needed, self.fill, self.padding_mode = padding, pad_if_needed, fill, padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Top, left, height and width."""
        _, h, w = F.get_dimensions(img)
        height, width = output_size
        if h < height or w < width:
            raise ValueError(f"Required crop size {(height, width)} is larger than input image size {(h, w)}")
        if (w, h) == (width, height):
            return 0, 0, h, w
        top = _draw.integer(0, h - height + 1)
        return top, _draw.integer(0, w - width + 1), height, width

    def forward(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        _, h, w = F.get_dimensions(img)
        if self.pad_if_needed and w < self.size[1]:
            img = F.pad(img, [self.size[1] - w, 0], self.fill, self.padding_mode)
        if self.pad_if_needed and h < self.size[0]:
            img = F.pad(img, [0, self.size[0] - h], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


class RandomResizedCrop(nn.Module):
    """A rectangle of random area (`scale`, of the image's) and aspect (`ratio`), resized to `size`."""

    def __init__(
        self,
        size: Any,
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ):
        super().__init__()
        if not isinstance(scale, Sequence):
            raise TypeError("Scale should be a sequence")
        if not isinstance(ratio, Sequence):
            raise TypeError("Ratio should be a sequence")
        self.size = size_pair(size, _BOTH)
        self.scale, self.ratio, self.antialias = scale, ratio, antialias
        self.interpolation = F._mode(interpolation)

    @staticmethod
    def get_params(img: Any, scale: Any, ratio: Any) -> tuple[int, int, int, int]:
        """Top, left, height and width; the middle of the image when ten draws did not fit."""
        _, height, width = F.get_dimensions(img)
        return RandomResizedCrop._place(height, width, scale, ratio)

    @staticmethod
    def _place(height: int, width: int, scale: Any, ratio: Any) -> tuple[int, int, int, int]:
        for _ in range(10):
            area = height * width * _draw.uniform(scale[0], scale[1])
            aspect = _draw.ratio(ratio)
            w, h = int(round(math.sqrt(area * aspect))), int(round(math.sqrt(area / aspect)))
            if 0 < w <= width and 0 < h <= height:
                top = _draw.integer(0, height - h + 1)
                return top, _draw.integer(0, width - w + 1), h, w
        h, w = height, width
        if width / height < min(ratio):
            h = int(round(w / min(ratio)))
        elif width / height > max(ratio):
            w = int(round(h * max(ratio)))
        return (height - h) // 2, (width - w) // 2, h, w

    def forward(self, img: Any) -> Any:
        place = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *place, self.size, self.interpolation, self.antialias)

    def __repr__(self) -> str:
        scale, ratio = (tuple(round(v, 4) for v in pair) for pair in (self.scale, self.ratio))
        how = f"interpolation={self.interpolation.value}, antialias={self.antialias}"
        return f"{type(self).__name__}(size={self.size}, scale={scale}, ratio={ratio}, {how})"


class RandomHorizontalFlip(nn.Module):
    """The image or, with probability `p`, its mirror image."""

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return F.hflip(img) if _draw.chance(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomVerticalFlip(RandomHorizontalFlip):
    """The image or, with probability `p`, upside down."""

    def forward(self, img: Any) -> Any:
        return F.vflip(img) if _draw.chance(self.p) else img


def _fill_like(img: Any, fill: Any) -> Any:
    """`fill` for every channel of a tensor."""
    channels = F.get_image_num_channels(img)
    if F._is_tensor(img):
        return [float(fill)] * channels if isinstance(fill, int | float) else [float(f) for f in fill]
    return fill


class RandomRotation(nn.Module):
    """The image turned by up to `degrees`."""

    def __init__(
        self, degrees: Any, interpolation: Any = InterpolationMode.NEAREST, expand: bool = False, center: Any = None, fill: Any = 0
    ):
        super().__init__()
        self.degrees = angles(degrees, "degrees")
        if center is not None:
            counted(center, "center", (2,))
        self.center, self.expand = center, expand
        self.resample = self.interpolation = F._mode(interpolation)
        self.fill = 0 if fill is None else fill

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        return _draw.uniform(float(degrees[0]), float(degrees[1]))

    def forward(self, img: Any) -> Any:
        fill = _fill_like(img, self.fill)
        return F.rotate(img, self.get_params(self.degrees), self.interpolation, self.expand, self.center, fill)

    def __repr__(self) -> str:
        center = "" if self.center is None else f", center={self.center}"
        how = f"interpolation={self.interpolation.value}, expand={self.expand}{center}, fill={self.fill}"
        return f"{type(self).__name__}(degrees={self.degrees}, {how})"


class RandomAffine(nn.Module):
    """The image turned, moved (by a part of its size), scaled and sheared at random."""

    def __init__(
        self,
        degrees: Any,
        translate: Any = None,
        scale: Any = None,
        shear: Any = None,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Any = None,
    ):
        super().__init__()
        self.degrees = angles(degrees, "degrees")
        if translate is not None:
            counted(translate, "translate", (2,))
            if any(not 0.0 <= t <= 1.0 for t in translate):
                raise ValueError("translation values should be between 0 and 1")
        if scale is not None:
            counted(scale, "scale", (2,))
            if any(s <= 0 for s in scale):
                raise ValueError("scale values should be positive")
        self.shear = None if shear is None else angles(shear, "shear", (2, 4))
        if center is not None:
            counted(center, "center", (2,))
        self.translate, self.scale, self.center = translate, scale, center
        self.resample = self.interpolation = F._mode(interpolation)
        self.fill = 0 if fill is None else fill

    @staticmethod
    def get_params(degrees: Any, translate: Any, scale_ranges: Any, shears: Any, img_size: Any) -> tuple:
        """Angle, translation in pixels, scale and shear. `img_size` is width and height."""
        angle = _draw.uniform(float(degrees[0]), float(degrees[1]))
        moves = (0, 0)
        if translate is not None:
            reach = [float(t * n) for t, n in zip(translate, img_size, strict=True)]
            moves = (int(round(_draw.uniform(-reach[0], reach[0]))), int(round(_draw.uniform(-reach[1], reach[1]))))
        scale = 1.0 if scale_ranges is None else _draw.uniform(scale_ranges[0], scale_ranges[1])
        x = y = 0.0
        if shears is not None:
            x = _draw.uniform(shears[0], shears[1])
            if len(shears) == 4:
                y = _draw.uniform(shears[2], shears[3])
        return angle, moves, scale, (x, y)

    def forward(self, img: Any) -> Any:
        fill = _fill_like(img, self.fill)
        size = F.get_image_size(img)
        angle, moves, scale, shear = self.get_params(self.degrees, self.translate, self.scale, self.shear, size)
        return F.affine(img, angle, moves, scale, shear, self.interpolation, fill, self.center)

    def __repr__(self) -> str:
        text = f"degrees={self.degrees}"
        for name in ("translate", "scale", "shear"):
            if getattr(self, name) is not None:
                text += f", {name}={getattr(self, name)}"
        if self.interpolation is not InterpolationMode.NEAREST:
            text += f", interpolation={self.interpolation.value}"
        text += f", fill={self.fill}" if self.fill != 0 else ""
        text += f", center={self.center}" if self.center is not None else ""
        return f"{type(self).__name__}({text})"


class RandomPerspective(nn.Module):
    """The image, with probability `p`, seen at an angle."""

    def __init__(self, distortion_scale: float = 0.5, p: float = 0.5, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = 0):
        super().__init__()
        self.p, self.distortion_scale = p, distortion_scale
        self.interpolation = F._mode(interpolation)
        self.fill = 0 if fill is None else fill

    @staticmethod
    def get_params(width: int, height: int, distortion_scale: float) -> tuple[list[list[int]], list[list[int]]]:
        """The image's corners, from the top left clockwise, and where they go."""
        x, y = int(distortion_scale * (width // 2)), int(distortion_scale * (height // 2))
        left, right = (0, x + 1), (width - x - 1, width)
        top, bottom = (0, y + 1), (height - y - 1, height)
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        ends = [[_draw.integer(*across), _draw.integer(*down)] for across, down in corners]
        return [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], ends

    def forward(self, img: Any) -> Any:
        fill = _fill_like(img, self.fill)
        if not _draw.chance(self.p):
            return img
        width, height = F.get_image_size(img)
        start, end = self.get_params(width, height, self.distortion_scale)
        return F.perspective(img, start, end, self.interpolation, fill)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


def _pair_of_floats(value: Any, name: str) -> Any:
    if not isinstance(value, float | Sequence):
        raise TypeError(f"{name} should be float or a sequence of floats. Got {type(value)}")
    if isinstance(value, float):
        return [value, value]
    if len(value) != 2:
        raise ValueError(f"If {name} is a sequence its length should be 2. Got {len(value)}")
    for v in value:
        if not isinstance(v, float):
            raise TypeError(f"{name} should be a sequence of floats. Got {type(v)}")
    return value


class ElasticTransform(nn.Module):
    """The image seen through moving water: displaced at random, `alpha` strongly and over distances of about `sigma`, in pixels."""

    def __init__(self, alpha: Any = 50.0, sigma: Any = 5.0, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = 0):
        super().__init__()
        self.alpha, self.sigma = _pair_of_floats(alpha, "alpha"), _pair_of_floats(sigma, "sigma")
        self.interpolation = F._mode(interpolation)
        if not isinstance(fill, int | float | list | tuple):
            raise TypeError(f"fill should be int or float or a list or tuple of them. Got {type(fill)}")
        self.fill = [float(fill)] if isinstance(fill, int | float) else [float(f) for f in fill]

    @staticmethod
    def get_params(alpha: Sequence[float], sigma: Sequence[float], size: Sequence[int]) -> Any:
        """A random smooth displacement (1, H, W, 2) for images of `size` (height, width)."""
        parts = []
        for i, n in ((0, size[1]), (1, size[0])):
            d = torch.from_numpy(torch.rand(1, 1, *size).numpy() * 2 - 1)
            if sigma[i] > 0.0:
                k = int(8 * sigma[i] + 1)
                d = F.gaussian_blur(d, [k + (k % 2 == 0)] * 2, list(sigma))
            parts.append(d * alpha[i] / n)
        return torch.cat(parts, 1).permute(0, 2, 3, 1)

    def forward(self, tensor: Any) -> Any:
        _, height, width = F.get_dimensions(tensor)
        return F.elastic_transform(tensor, self.get_params(self.alpha, self.sigma, [height, width]), self.interpolation, self.fill)

    def __repr__(self) -> str:
        parts = ", ".join(f"{n}={getattr(self, n)}" for n in ("alpha", "sigma", "interpolation", "fill"))
        return f"{type(self).__name__}({parts})"


class FiveCrop(nn.Module):
    """The corners and the middle."""

    def __init__(self, size: Any):
        super().__init__()
        self.size = size_pair(size, _BOTH)

    def forward(self, img: Any) -> Any:
        return F.five_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class TenCrop(nn.Module):
    """The corners and the middle, and those of the mirror image."""

    def __init__(self, size: Any, vertical_flip: bool = False):
        super().__init__()
        self.size, self.vertical_flip = size_pair(size, _BOTH), vertical_flip

    def forward(self, img: Any) -> Any:
        return F.ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, vertical_flip={self.vertical_flip})"
