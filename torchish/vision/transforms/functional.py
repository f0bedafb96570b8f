"""Transforms as functions, of Pillow images and tensors (…, C, H, W)."""

from __future__ import annotations

import enum
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

import torchish as torch
from torchish._tensor.creation import from_host
from torchish._tensor.tensor import Tensor
from torchish.vision._optional import is_pil, pil
from torchish.vision.transforms import _geometry, _tensor


class InterpolationMode(enum.Enum):
    """How values between pixels are found; all for Pillow images, the first, second, third and fourth for tensors."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


_PILLOW_FILTERS = {"nearest": 0, "nearest-exact": 0, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5, "lanczos": 1}
_BY_NUMBER = {
    0: InterpolationMode.NEAREST,
    2: InterpolationMode.BILINEAR,
    3: InterpolationMode.BICUBIC,
    4: InterpolationMode.BOX,
    5: InterpolationMode.HAMMING,
    1: InterpolationMode.LANCZOS,
}
pil_modes_mapping = {mode: _PILLOW_FILTERS[mode.value] for mode in InterpolationMode}


def _mode(interpolation: Any) -> InterpolationMode:
    if isinstance(interpolation, str):
        return InterpolationMode(interpolation.lower())
    if isinstance(interpolation, int):
        return _BY_NUMBER[interpolation]
    if not isinstance(interpolation, InterpolationMode):
        raise TypeError("Argument interpolation should be a InterpolationMode or a corresponding Pillow integer constant")
    return interpolation


def _is_tensor(image: Any) -> bool:
    """Whether it is a tensor (or a Pillow image). TypeError for anything else."""
    if isinstance(image, Tensor):
        _tensor.check(image)
        return True
    if not is_pil(image):
        raise TypeError(f"Unexpected type {type(image)}")
    return False


# Sizes ------------------------------------------------------------------------------------------------------------------


def get_dimensions(img: Any) -> list[int]:
    """Channels, height and width."""
    if _is_tensor(img):
        return [1 if img.ndim == 2 else img.shape[-3], img.shape[-2], img.shape[-1]]
    return [len(img.getbands()), img.height, img.width]


def get_image_size(img: Any) -> list[int]:
    """Width and height."""
    _, h, w = get_dimensions(img)
    return [w, h]


def get_image_num_channels(img: Any) -> int:
    return get_dimensions(img)[0]


# Between kinds of images ------------------------------------------------------------------------------------------------


def _pillow_array(pic: Any) -> np.ndarray:
    """The values (C, H, W) of a Pillow image."""
    kinds = {"I": np.int32, "I;16": np.uint16, "F": np.float32}
    a = np.array(pic, kinds.get(pic.mode, np.uint8))
    if pic.mode == "1":
        a = 255 * a
    return a[None] if a.ndim == 2 else np.ascontiguousarray(a.transpose(2, 0, 1))


def to_tensor(pic: Any) -> Tensor:
    """A Pillow image or an array (H, W, C) as a tensor (C, H, W); of bytes, between 0 and 1 in the default dtype."""
    if not (is_pil(pic) or isinstance(pic, np.ndarray)):
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    if isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        a = np.ascontiguousarray((pic[:, :, None] if pic.ndim == 2 else pic).transpose(2, 0, 1))
    else:
        a = _pillow_array(pic)
    if a.dtype != np.uint8:
        return from_host(a.copy())
    d = torch.get_default_dtype().np
    return from_host(a.astype(d) / d.type(255))


def pil_to_tensor(pic: Any) -> Tensor:
    """A Pillow image as a tensor (C, H, W) of the same values."""
    if not is_pil(pic):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    a = np.array(pic, copy=True)
    return from_host(a[None] if a.ndim == 2 else np.ascontiguousarray(a.transpose(2, 0, 1)))


def convert_image_dtype(image: Tensor, dtype: Any = torch.float32) -> Tensor:
    """The image in another dtype, its values scaled to that dtype's range."""
    if not isinstance(image, Tensor):
        raise TypeError("Input img should be Tensor Image")
    return _tensor.convert_dtype(image, dtype)


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A tensor (C, H, W) or array (H, W, C) as a Pillow image; floating point between 0 and 1.

    Raises:
        TypeError: neither, or of a dtype that Pillow has not.
        ValueError: another number of dimensions or channels.
    """
    if isinstance(pic, Tensor):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        a = pic.detach().cpu().numpy()
        if a.ndim == 2:
            a = a[None]
        if a.shape[0] > 4:
            raise ValueError(f"pic should not have > 4 channels. Got {a.shape[0]} channels.")
        if a.dtype.kind == "f" and mode != "F":
            with np.errstate(invalid="ignore"):
                a = (a * a.dtype.type(255)).astype(np.int32).astype(np.uint8)
        a = a.transpose(1, 2, 0)
    elif isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        a = pic[:, :, None] if pic.ndim == 2 else pic
        if a.shape[-1] > 4:
            raise ValueError(f"pic should not have > 4 channels. Got {a.shape[-1]} channels.")
    else:
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")

    channels = a.shape[2]
    if channels == 1:
        a = a[:, :, 0]
        expected = {"uint8": "L", "int16": "I;16", "uint16": "I;16", "int32": "I", "float32": "F"}.get(str(a.dtype))
        if mode is not None and mode != expected:
            raise ValueError(f"Incorrect mode ({mode}) supplied for input type {a.dtype.type}. Should be {expected}")
        mode = expected
    else:
        permitted = {2: ["LA"], 3: ["RGB", "YCbCr", "HSV"], 4: ["RGBA", "CMYK", "RGBX"]}[channels]
        if mode is not None and mode not in permitted:
            raise ValueError(f"Only modes {permitted} are supported for {channels}D inputs")
        mode = mode or (permitted[0] if a.dtype == np.uint8 else None)
    if mode is None:
        raise TypeError(f"Input type {a.dtype} is not supported")
    image = pil()
    a = np.ascontiguousarray(a)
    if mode in ("YCbCr", "HSV", "CMYK", "RGBX"):
        return image.frombytes(mode, (a.shape[1], a.shape[0]), a.tobytes())
    return image.fromarray(a.astype(np.uint16) if mode == "I;16" else a)


def normalize(tensor: Tensor, mean: Any, std: Any, inplace: bool = False) -> Tensor:
    """(tensor - mean) / std for each channel. TypeError for integers."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
    return _tensor.normalize(tensor, mean, std, inplace)


# Geometry ---------------------------------------------------------------------------------------------------------------


def _resized(image_size: tuple[int, int], size: Sequence[int], max_size: int | None) -> list[int]:
    """Height and width after resizing an image of this height and width to `size`."""
    if len(size) == 2:
        return list(size)
    h, w = image_size
    short, long = (w, h) if w <= h else (h, w)
    new_short, new_long = size[0], int(size[0] * long / short)
    if max_size is not None:
        if max_size <= size[0]:
            raise ValueError(
                f"max_size = {max_size} must be strictly greater than the requested size for the smaller edge size = {list(size)}"
            )
        if new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return [new_long, new_short] if w <= h else [new_short, new_long]


def resize(
    img: Any,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """The image of `size` (height, width), or with its shorter side of that size; the longer at most `max_size`."""
    mode = _mode(interpolation)
    size = [size] if isinstance(size, int) else list(size)
    if len(size) not in (1, 2):
        raise ValueError(f"Size must be an int or a 1 or 2 element tuple/list, not a {len(size)} element tuple/list")
    if max_size is not None and len(size) != 1:
        raise ValueError(
            "max_size should only be passed if size specifies the length of the smaller edge, "
            "i.e. size should be an int or a sequence of length 1 in torchscript mode."
        )
    tensor = _is_tensor(img)
    _, h, w = get_dimensions(img)
    new = _resized((h, w), size, max_size)
    if [h, w] == new:
        return img
    if tensor:
        return _tensor.resize(img, new, mode.value, bool(antialias))
    return img.resize(tuple(new[::-1]), _PILLOW_FILTERS[mode.value])


def _sides(padding: Any) -> list[int]:
    """Left, top, right, bottom."""
    if isinstance(padding, numbers.Number):
        return [int(padding)] * 4  # type: ignore[call-overload]
    if not isinstance(padding, tuple | list):
        raise TypeError("Got inappropriate padding arg")
    if len(padding) not in (1, 2, 4):
        raise ValueError(f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple")
    return list(padding) * (4 // len(padding))


def pad(img: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    """The image with `padding` (all sides; left/right and top/bottom; left, top, right, bottom) around it."""
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    sides = _sides(padding)
    if _is_tensor(img):
        return _tensor.pad(img, sides, fill, padding_mode)
    if padding_mode == "constant":
        return pil("ImageOps").expand(img, border=tuple(sides), fill=_pillow_fill(img, fill))
    left, top, right, bottom = sides
    if min(sides) < 0:
        img = img.crop((-min(left, 0), -min(top, 0), img.width + min(right, 0), img.height + min(bottom, 0)))
    a = np.asarray(img)
    around = [(max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0))] + [(0, 0)] * (a.ndim - 2)
    out = pil().fromarray(np.pad(a, around, padding_mode))  # type: ignore[call-overload]
    if img.mode == "P":
        out.putpalette(img.getpalette())
    return out


def _pillow_fill(img: Any, fill: Any) -> Any:
    """`fill` as Pillow takes it: a number for one band, otherwise a tuple."""
    bands = len(img.getbands())
    fill = 0 if fill is None else fill
    if isinstance(fill, list | tuple):
        if len(fill) == 1:
            fill = fill[0]
        elif len(fill) != bands:
            raise ValueError(
                f"The number of elements in 'fill' does not match the number of channels of the image ({len(fill)} != {bands})"
            )
    if isinstance(fill, numbers.Number):
        whole = fill if img.mode == "F" else int(fill)  # type: ignore[call-overload]
        return whole if bands == 1 else (whole,) * bands
    return tuple(fill if img.mode == "F" else (int(f) for f in fill))


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """The rectangle of that size; what of it lies outside the image is 0."""
    if _is_tensor(img):
        return _tensor.crop(img, top, left, height, width)
    return img.crop((left, top, left + width, top + height))


def _height_width(size: Any) -> list[int]:
    if isinstance(size, numbers.Number):
        return [int(size)] * 2  # type: ignore[call-overload]
    return list(size) * 2 if len(size) == 1 else list(size)


def center_crop(img: Any, output_size: Any) -> Any:
    """The middle of the image, padded with 0 where it is smaller than `output_size`."""
    height, width = _height_width(output_size)
    _, h, w = get_dimensions(img)
    if width > w or height > h:
        around = [max(0, (width - w) // 2), max(0, (height - h) // 2), max(0, (width - w + 1) // 2), max(0, (height - h + 1) // 2)]
        img = pad(img, around, fill=0)
        _, h, w = get_dimensions(img)
        if (w, h) == (width, height):
            return img
    return crop(img, int(round((h - height) / 2.0)), int(round((w - width) / 2.0)), height, width)


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """The rectangle, resized."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def hflip(img: Any) -> Any:
    return _tensor.hflip(img) if _is_tensor(img) else img.transpose(0)  # Pillow's FLIP_LEFT_RIGHT


def vflip(img: Any) -> Any:
    return _tensor.vflip(img) if _is_tensor(img) else img.transpose(1)  # Pillow's FLIP_TOP_BOTTOM


def five_crop(img: Any, size: Any) -> tuple:
    """Top left, top right, bottom left, bottom right, centre."""
    height, width = _height_width(size)
    _, h, w = get_dimensions(img)
    if width > w or height > h:
        raise ValueError(f"Requested crop size {(height, width)} is bigger than input size {(h, w)}")
    corners = [(0, 0), (0, w - width), (h - height, 0), (h - height, w - width)]
    return (*(crop(img, top, left, height, width) for top, left in corners), center_crop(img, [height, width]))


def ten_crop(img: Any, size: Any, vertical_flip: bool = False) -> tuple:
    """`five_crop` of the image and of its mirror image."""
    return five_crop(img, size) + five_crop(vflip(img) if vertical_flip else hflip(img), size)


def _fill_of(img: Tensor, fill: Any) -> list[float] | None:
    if fill is None:
        return None
    return [float(f) for f in fill] if isinstance(fill, list | tuple) else [float(fill)]


def rotate(
    img: Any,
    angle: float,
    interpolation: Any = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Any:
    """The image turned counter-clockwise by `angle` degrees about `center` (x, y), larger with `expand`."""
    mode = _mode(interpolation)
    if not _is_tensor(img):
        return img.rotate(angle, _PILLOW_FILTERS[mode.value], expand, center, fillcolor=_pillow_fill(img, fill))
    _, h, w = get_dimensions(img)
    about = [0.0, 0.0] if center is None else [c - s * 0.5 for c, s in zip(center, (w, h), strict=True)]
    matrix = _geometry.inverse_affine_matrix(about, -angle, [0.0, 0.0], 1.0, [0.0, 0.0])
    size = _geometry.rotated_size(matrix, w, h) if expand else (w, h)
    return _tensor.sample(img, _geometry.affine_grid(matrix, (w, h), size), mode.value, _fill_of(img, fill))


def affine(
    img: Any,
    angle: float,
    translate: Sequence[int],
    scale: float,
    shear: Any,
    interpolation: Any = InterpolationMode.NEAREST,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Any:
    """The image turned clockwise by `angle` degrees, moved, scaled and sheared about `center`."""
    mode = _mode(interpolation)
    if scale <= 0.0:
        raise ValueError("Argument scale should be positive")
    shear = [float(shear), 0.0] if isinstance(shear, numbers.Number) else [*shear, 0.0][:2]  # type: ignore[arg-type]
    _, h, w = get_dimensions(img)
    if not _is_tensor(img):
        about = [w * 0.5, h * 0.5] if center is None else center
        matrix = _geometry.inverse_affine_matrix(about, angle, translate, scale, shear)
        return img.transform((w, h), 0, matrix, _PILLOW_FILTERS[mode.value], fillcolor=_pillow_fill(img, fill))
    about = [0.0, 0.0] if center is None else [c - s * 0.5 for c, s in zip(center, (w, h), strict=True)]
    matrix = _geometry.inverse_affine_matrix(about, angle, [float(t) for t in translate], scale, shear)
    return _tensor.sample(img, _geometry.affine_grid(matrix, (w, h), (w, h)), mode.value, _fill_of(img, fill))


def perspective(
    img: Any,
    startpoints: Sequence[Sequence[int]],
    endpoints: Sequence[Sequence[int]],
    interpolation: Any = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Any:
    """The image with its places `startpoints` (four, (x, y)) moved to `endpoints`."""
    return _perspective_image(img, _geometry.perspective_coefficients(startpoints, endpoints), _mode(interpolation), fill)


def _perspective_image(img: Any, coefficients: Sequence[float], mode: InterpolationMode, fill: Any) -> Any:
    _, h, w = get_dimensions(img)
    if not _is_tensor(img):
        return img.transform((w, h), 2, coefficients, _PILLOW_FILTERS[mode.value], fillcolor=_pillow_fill(img, fill))
    return _tensor.sample(img, _geometry.perspective_grid(coefficients, w, h), mode.value, _fill_of(img, fill))


def elastic_transform(img: Any, displacement: Tensor, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = None) -> Any:
    """The image with each place showing what lies `displacement` (1, H, W, 2) from it, in halves of the image's size."""
    mode = _mode(interpolation)
    if not isinstance(displacement, Tensor):
        raise TypeError("Argument displacement should be a Tensor")
    if not isinstance(img, Tensor) and not is_pil(img):
        raise TypeError(f"img should be PIL Image or Tensor. Got {type(img)}")
    image = img if isinstance(img, Tensor) else pil_to_tensor(img)
    shape = (1, *image.shape[-2:], 2)
    if displacement.shape != shape:
        raise ValueError(f"Argument displacement shape should be {torch.Size(shape)}, but given {displacement.shape}")
    out = _tensor.elastic(image, displacement, mode.value, _fill_of(image, fill))
    return out if isinstance(img, Tensor) else to_pil_image(out, mode=img.mode)


from torchish.vision.transforms._color import (  # noqa: E402
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    autocontrast,
    equalize,
    erase,
    gaussian_blur,
    invert,
    posterize,
    rgb_to_grayscale,
    solarize,
    to_grayscale,
)

__all__ = [
    "InterpolationMode",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "affine",
    "autocontrast",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "elastic_transform",
    "equalize",
    "erase",
    "five_crop",
    "gaussian_blur",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "hflip",
    "invert",
    "normalize",
    "pad",
    "perspective",
    "pil_modes_mapping",
    "pil_to_tensor",
    "posterize",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "solarize",
    "ten_crop",
    "to_grayscale",
    "to_pil_image",
    "to_tensor",
    "vflip",
]
