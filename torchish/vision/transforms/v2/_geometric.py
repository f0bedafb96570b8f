"""Transforms of places."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torchish as torch
from torchish.vision import tv_tensors
from torchish.vision.transforms import _draw, _geometry
from torchish.vision.transforms import transforms as _v1
from torchish.vision.transforms._checks import angles, counted, size_pair
from torchish.vision.transforms.v2 import functional as F
from torchish.vision.transforms.v2._samples import Transform, WithChance, calling, check_fill, fill_for, has_any, query_size

_BOTH = "Please provide only two dimensions (h, w) for size."


def _two(value: Any, name: str) -> list[float]:
    """Two numbers, of one or two. TypeError or ValueError for anything else."""
    if isinstance(value, int | float):
        return [float(value)] * 2
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} should be a number or a sequence of numbers. Got {type(value)}")
    if len(value) not in (1, 2):
        raise ValueError(f"If {name} is a sequence its length should be 1 or 2. Got {len(value)}")
    for v in value:
        if not isinstance(v, int | float):
            raise ValueError(f"{name} should be a sequence of numbers. Got {type(v)}")
    return [float(v) for v in value] * (2 // len(value))


class RandomHorizontalFlip(WithChance):
    """The sample or, with probability `p`, its mirror image."""

    transform = calling(F.horizontal_flip)


class RandomVerticalFlip(WithChance):
    """The sample or, with probability `p`, upside down."""

    transform = calling(F.vertical_flip)


class Resize(Transform):
    """Of `size` (height, width), or with the shorter side of that size and the longer at most `max_size`."""

    def __init__(self, size: Any, interpolation: Any = "bilinear", max_size: int | None = None, antialias: bool | None = True):
        super().__init__()
        if isinstance(size, int):
            size = [size]
        elif isinstance(size, Sequence) and len(size) in (1, 2):
            size = list(size)
        elif size is not None:
            raise ValueError(f"size can be an integer, a sequence of one or two integers, or None, but got {size} instead.")
        elif not isinstance(max_size, int):
            raise ValueError(f"max_size must be an integer when size is None, but got {max_size} instead.")
        self.size, self.interpolation, self.max_size, self.antialias = size, interpolation, max_size, antialias

    transform = calling(F.resize, "size", "interpolation", "max_size", "antialias")


class _RandomSize(Transform):
    """What transforms to a random size share."""

    transform = calling(F.resize, "interpolation", "antialias")


class RandomResize(_RandomSize):
    """With a shorter side of at least `min_size` and less than `max_size`."""

    def __init__(self, min_size: int, max_size: int, interpolation: Any = "bilinear", antialias: bool | None = True):
        super().__init__()
        self.min_size, self.max_size, self.interpolation, self.antialias = min_size, max_size, interpolation, antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"size": [int(torch.randint(self.min_size, self.max_size, ()))]}


class RandomShortestSize(_RandomSize):
    """With one of the `min_size` as shorter side, and a longer of at most `max_size`."""

    def __init__(self, min_size: Any, max_size: int | None = None, interpolation: Any = "bilinear", antialias: bool | None = True):
        super().__init__()
        self.min_size, self.max_size = [min_size] if isinstance(min_size, int) else list(min_size), max_size
        self.interpolation, self.antialias = interpolation, antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        h, w = query_size(flat_inputs)
        r = self.min_size[int(torch.randint(len(self.min_size), ()))] / min(h, w)
        if self.max_size is not None:
            r = min(r, self.max_size / max(h, w))
        return {"size": (int(h * r), int(w * r))}


class ScaleJitter(_RandomSize):
    """Scaled by a random factor of `scale_range` from the size that fits `target_size`."""

    def __init__(
        self,
        target_size: tuple[int, int],
        scale_range: tuple[float, float] = (0.1, 2.0),
        interpolation: Any = "bilinear",
        antialias: bool | None = True,
    ):
        super().__init__()
        self.target_size, self.scale_range, self.interpolation, self.antialias = target_size, scale_range, interpolation, antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        h, w = query_size(flat_inputs)
        scale = self.scale_range[0] + torch.rand(1) * (self.scale_range[1] - self.scale_range[0])
        r = min(self.target_size[1] / h, self.target_size[0] / w) * scale
        return {"size": (int(h * r), int(w * r))}


class CenterCrop(Transform):
    """The middle, padded with 0 where the sample is smaller."""

    def __init__(self, size: Any):
        super().__init__()
        self.size = size_pair(size, _BOTH)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.center_crop, inpt, output_size=self.size)


class RandomResizedCrop(Transform):
    """A rectangle of random area (`scale`, of the image's) and aspect (`ratio`), resized to `size`."""

    def __init__(
        self,
        size: Any,
        scale: Any = (0.08, 1.0),
        ratio: Any = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = "bilinear",
        antialias: bool | None = True,
    ):
        super().__init__()
        self.size = size_pair(size, _BOTH)
        if not isinstance(scale, Sequence) or len(scale) != 2:
            raise TypeError("Scale should be a sequence of two floats.")
        if not isinstance(ratio, Sequence) or len(ratio) != 2:
            raise TypeError("Ratio should be a sequence of two floats.")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        self.scale, self.ratio, self.interpolation, self.antialias = scale, ratio, interpolation, antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        top, left, height, width = _v1.RandomResizedCrop._place(height, width, self.scale, self.ratio)
        return {"top": top, "left": left, "height": height, "width": width}

    transform = calling(F.resized_crop, "size", "interpolation", "antialias")


class _Crops(Transform):
    """What FiveCrop and TenCrop share."""

    def __init__(self, size: Any):
        super().__init__()
        self.size = size_pair(size, _BOTH)

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        if has_any(flat_inputs, tv_tensors.BoundingBoxes, tv_tensors.Mask):
            raise TypeError(f"BoundingBoxes'es and Mask's are not supported by {type(self).__name__}()")


class FiveCrop(_Crops):
    """The corners and the middle."""

    transform = calling(F.five_crop, "size")


class TenCrop(_Crops):
    """The corners and the middle, and those of the mirror image."""

    def __init__(self, size: Any, vertical_flip: bool = False):
        super().__init__(size)
        self.vertical_flip = vertical_flip

    transform = calling(F.ten_crop, "size", "vertical_flip")


def _check_padding(padding: Any) -> None:
    several = isinstance(padding, tuple | list)
    if not (isinstance(padding, int) or (several and len(padding) in (1, 2, 4) and all(isinstance(p, int) for p in padding))):
        raise ValueError(f"Padding must be an int or a 1, 2, or 4 element of tuple or list, got {padding}.")


def _check_padding_mode(mode: str) -> None:
    if mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")


class _Filling(Transform):
    """A transform that fills new places."""

    fill: Any
    _fill: dict

    def _fill_with(self, fill: Any) -> None:
        self.fill, self._fill = fill, check_fill(fill)


class Pad(_Filling):
    """With `padding` (all sides; left/right and top/bottom; left, top, right, bottom) around it."""

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant"):
        super().__init__()
        _check_padding(padding)
        _check_padding_mode(padding_mode)
        self.padding = padding if isinstance(padding, int) else list(padding)
        self._fill_with(fill)
        self.padding_mode = padding_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        fill = fill_for(self._fill, inpt)
        return self._call_kernel(F.pad, inpt, padding=self.padding, fill=fill, padding_mode=self.padding_mode)


class RandomZoomOut(WithChance, _Filling):
    """With probability `p` at a random place of a canvas 1 to 4 times (`side_range`) as wide and high."""

    def __init__(self, fill: Any = 0, side_range: Sequence[float] = (1.0, 4.0), p: float = 0.5):
        super().__init__(p)
        self._fill_with(fill)
        counted(side_range, "side_range", (2,))
        self.side_range = side_range
        if side_range[0] < 1.0 or side_range[0] > side_range[1]:
            raise ValueError(f"Invalid side range provided {side_range}.")

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        h, w = query_size(flat_inputs)
        r = self.side_range[0] + torch.rand(1) * (self.side_range[1] - self.side_range[0])
        width, height = int(w * r), int(h * r)
        r = torch.rand(2)
        left, top = int((width - w) * r[0]), int((height - h) * r[1])
        return {"padding": [left, top, width - (left + w), height - (top + h)]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.pad, inpt, **params, fill=fill_for(self._fill, inpt))


class RandomRotation(_Filling):
    """Turned by up to `degrees`."""

    def __init__(self, degrees: Any, interpolation: Any = "nearest", expand: bool = False, center: Any = None, fill: Any = 0):
        super().__init__()
        self.degrees = angles(degrees, "degrees")
        self.interpolation, self.expand = interpolation, expand
        self._fill_with(fill)
        if center is not None:
            counted(center, "center", (2,))
        self.center = center

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"angle": _draw.uniform(self.degrees[0], self.degrees[1])}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        how = {"interpolation": self.interpolation, "expand": self.expand, "center": self.center}
        return self._call_kernel(F.rotate, inpt, **params, **how, fill=fill_for(self._fill, inpt))


class RandomAffine(_Filling):
    """Turned, moved (by a part of its size), scaled and sheared at random."""

    def __init__(
        self,
        degrees: Any,
        translate: Any = None,
        scale: Any = None,
        shear: Any = None,
        interpolation: Any = "nearest",
        fill: Any = 0,
        center: Any = None,
    ):
        super().__init__()
        checked = _v1.RandomAffine(degrees, translate, scale, shear, center=center)
        self.degrees, self.translate, self.scale, self.shear = checked.degrees, translate, scale, checked.shear
        self.interpolation = interpolation
        self._fill_with(fill)
        self.center = center

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        drawn = _v1.RandomAffine.get_params(self.degrees, self.translate, self.scale, self.shear, (width, height))
        return dict(zip(("angle", "translate", "scale", "shear"), drawn, strict=True))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        how = {"interpolation": self.interpolation, "center": self.center}
        return self._call_kernel(F.affine, inpt, **params, **how, fill=fill_for(self._fill, inpt))


class RandomCrop(_Filling):
    """A rectangle of `size` at a random place, of the sample with `padding` around it."""

    def __init__(
        self, size: Any, padding: Any = None, pad_if_needed: bool = False, fill: Any = 0, padding_mode: str = "constant"
    ):
        super().__init__()
        self.size = size_pair(size, _BOTH)
        if padding is not None:
            _check_padding(padding)
        if pad_if_needed or padding is not None:
            _check_padding_mode(padding_mode)
        left, top, right, bottom = F._pad_sides(padding) if padding else (0, 0, 0, 0)
        self.padding = [left, right, top, bottom] if padding else None
        self.pad_if_needed = pad_if_needed
        self._fill_with(fill)
        self.padding_mode = padding_mode

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        left, right, top, bottom = self.padding or (0, 0, 0, 0)
        h, w = query_size(flat_inputs)
        padded = [h + top + bottom, w + left + right]
        height, width = self.size
        if self.pad_if_needed:
            down, across = max(height - padded[0], 0), max(width - padded[1], 0)
            top, bottom, left, right = top + down, bottom + down, left + across, right + across
            padded = [padded[0] + 2 * down, padded[1] + 2 * across]
        if padded[0] < height or padded[1] < width:
            raise ValueError(
                f"Required crop size {(height, width)} is larger than "
                f"{'padded ' if self.padding is not None else ''}input image size {tuple(padded)}."
            )
        y = int(torch.randint(0, padded[0] - height + 1, size=())) if padded[0] > height else 0
        x = int(torch.randint(0, padded[1] - width + 1, size=())) if padded[1] > width else 0
        around = [left, top, right, bottom]
        place = {"top": y, "left": x, "height": height, "width": width}
        return {"padding": around if any(around) else None, "place": place if padded != [height, width] else None}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if params["padding"]:
            fill = fill_for(self._fill, inpt)
            inpt = self._call_kernel(F.pad, inpt, padding=params["padding"], fill=fill, padding_mode=self.padding_mode)
        return self._call_kernel(F.crop, inpt, **params["place"]) if params["place"] else inpt


class RandomPerspective(WithChance, _Filling):
    """With probability `p` seen at an angle."""

    def __init__(self, distortion_scale: float = 0.5, p: float = 0.5, interpolation: Any = "bilinear", fill: Any = 0):
        super().__init__(p)
        if not 0 <= distortion_scale <= 1:
            raise ValueError("Argument distortion_scale value should be between 0 and 1")
        self.distortion_scale, self.interpolation = distortion_scale, interpolation
        self._fill_with(fill)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        ends = _v1.RandomPerspective.get_params(width, height, self.distortion_scale)
        return {"coefficients": _geometry.perspective_coefficients(*ends)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        how = {"fill": fill_for(self._fill, inpt), "interpolation": self.interpolation, **params}
        return self._call_kernel(F.perspective, inpt, startpoints=None, endpoints=None, **how)


class ElasticTransform(_Filling):
    """Seen through moving water: displaced at random, `alpha` strongly and over distances of about `sigma`, in pixels."""

    def __init__(self, alpha: Any = 50.0, sigma: Any = 5.0, interpolation: Any = "bilinear", fill: Any = 0):
        super().__init__()
        self.alpha, self.sigma = _two(alpha, "alpha"), _two(sigma, "sigma")
        self.interpolation = interpolation
        self._fill_with(fill)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"displacement": _v1.ElasticTransform.get_params(self.alpha, self.sigma, query_size(flat_inputs))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.elastic, inpt, **params, fill=fill_for(self._fill, inpt), interpolation=self.interpolation)


for _name in ("RandomResizedCrop", "RandomRotation", "RandomAffine", "RandomCrop", "RandomPerspective", "ElasticTransform"):
    globals()[_name].get_params = staticmethod(getattr(_v1, _name).get_params)

__all__ = [n for n, c in globals().items() if isinstance(c, type) and c.__module__ == __name__ and n[0] != "_"]
