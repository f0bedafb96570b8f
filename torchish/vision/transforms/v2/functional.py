"""`torchvision.transforms.v2.functional`: transforms of Pillow images, tensors, and tensors that say what they hold."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np

import torchish as torch
from torchish._runner import missing_attribute
from torchish.vision import tv_tensors
from torchish.vision._optional import is_pil, pil
from torchish.vision.transforms import _color, _geometry, _tensor
from torchish.vision.transforms import functional as _F
from torchish.vision.transforms.functional import InterpolationMode, pil_to_tensor, to_pil_image, to_tensor
from torchish.vision.transforms.v2 import _boxes
from torchish.vision.transforms.v2._kernels import function, is_pure_tensor, plain, register_kernel
from torchish.vision.transforms.v2._places import (
    array_of,
    clamp_bounding_boxes,
    clamp_keypoints,
    convert_bounding_box_format,
    sanitize_bounding_boxes,
    sanitize_keypoints,
)

_NEAREST = InterpolationMode.NEAREST
_BILINEAR = InterpolationMode.BILINEAR


def _mode(interpolation: Any) -> InterpolationMode:
    if isinstance(interpolation, str):
        names = [m.value for m in InterpolationMode]
        if interpolation not in names:
            raise ValueError(f"Invalid interpolation mode: '{interpolation}'. Supported string values are: {names}.")
    elif not isinstance(interpolation, int | InterpolationMode):
        raise ValueError(
            "Argument interpolation should be an `InterpolationMode` or a corresponding Pillow integer constant, "
            f"but got {interpolation}."
        )
    return _F._mode(interpolation)


# Sizes ------------------------------------------------------------------------------------------------------------------


def get_dimensions(inpt: Any) -> list[int]:
    """Channels, height and width."""
    return _F.get_dimensions(plain(inpt) if isinstance(inpt, torch.Tensor) else inpt)


def get_num_channels(inpt: Any) -> int:
    return get_dimensions(inpt)[0]


def get_size(inpt: Any) -> list[int]:
    """Height and width: of the image that boxes and key points are in."""
    if isinstance(inpt, tv_tensors.BoundingBoxes | tv_tensors.KeyPoints):
        return list(inpt.canvas_size)
    return get_dimensions(inpt)[1:]


def get_image_size(inpt: Any) -> list[int]:
    """Width and height."""
    return get_size(inpt)[::-1]


def get_num_frames(inpt: Any) -> int:
    return inpt.shape[-4]


get_image_num_channels = get_num_channels


# Geometry ---------------------------------------------------------------------------------------------------------------


def _flips(axis: int) -> dict[str, Any]:
    def points(t: Any) -> Any:
        a = array_of(t).copy()
        a[..., axis] = t.canvas_size[1 - axis] - 1 - a[..., axis]
        return a, {}

    return {"mask": True, "boxes": lambda t: (_boxes.flipped(array_of(t), t.format, t.canvas_size, axis), {}), "points": points}


@function(**_flips(0))
def horizontal_flip(inpt: Any) -> Any:
    """The mirror image, left and right exchanged."""
    return _F.hflip(inpt)


@function(**_flips(1))
def vertical_flip(inpt: Any) -> Any:
    """The image upside down."""
    return _F.vflip(inpt)


hflip, vflip = horizontal_flip, vertical_flip


def _resized(old: Any, size: Any, max_size: int | None) -> list[int]:
    """The height and width of an image of size `old` after resizing."""
    if size is None:  # the longer side is `max_size`
        h, w = old
        return [max_size, int(max_size * w / h)] if h >= w else [int(max_size * h / w), max_size]  # type: ignore[list-item, operator]
    size = [size] if isinstance(size, int) else size
    if max_size is not None and len(size) != 1:
        raise ValueError(
            "max_size should only be passed if size is None or specifies the length of the smaller edge, "
            "i.e. size should be an int or a sequence of length 1 in torchscript mode."
        )
    return _F._resized(old, size, max_size)


def _resize_places(t: Any, size: Any, interpolation: Any = None, max_size: int | None = None, antialias: Any = None) -> Any:
    height, width = _resized(t.canvas_size, size, max_size)
    new = (height, width)
    if isinstance(t, tv_tensors.BoundingBoxes):
        _boxes.unturned(t.format)
    return _boxes.scaled(array_of(t), t.canvas_size, new), {"canvas_size": new}


def _resize_mask(mask: Any, size: Any, interpolation: Any = _BILINEAR, max_size: int | None = None, antialias: Any = None) -> Any:
    mode = _mode(interpolation)
    exact = mode if mode is InterpolationMode.NEAREST_EXACT else _NEAREST
    return _tensor.resize(mask, _resized(mask.shape[-2:], size, max_size), exact.value, False)


@function(mask=_resize_mask, boxes=_resize_places, points=_resize_places)
def resize(inpt: Any, size: Any, interpolation: Any = _BILINEAR, max_size: int | None = None, antialias: bool | None = True) -> Any:
    """The image of `size` (height, width), or with its shorter side of that size; the longer at most `max_size`."""
    mode = _mode(interpolation)
    _, h, w = _F.get_dimensions(inpt)
    new = _resized((h, w), size, max_size)
    if is_pil(inpt):
        if antialias is False:
            warnings.warn("Anti-alias option is always applied for PIL Image input. Argument antialias is ignored.", stacklevel=4)
        return _F.resize(inpt, new, mode)
    if mode is InterpolationMode.LANCZOS and not antialias:
        raise ValueError("InterpolationMode.LANCZOS requires antialias=True")
    return _tensor.resize(inpt, new, mode.value, bool(antialias), whole=True)


def _pad_sides(padding: Any) -> list[int]:
    """Left, top, right, bottom."""
    if not isinstance(padding, int | tuple | list):
        raise TypeError(f"`padding` should be an integer or tuple or list of integers, but got {padding}")
    if not isinstance(padding, int) and len(padding) not in (1, 2, 4):
        raise ValueError(f"Padding must be an int or a 1, 2, or 4 element tuple or list. Found {len(padding)}")
    return _F._sides(padding)


def _pad_places(t: Any, padding: Any, fill: Any = None, padding_mode: str = "constant") -> Any:
    boxes = isinstance(t, tv_tensors.BoundingBoxes)
    if padding_mode != "constant":
        raise ValueError(
            f"Padding mode '{padding_mode}' is not supported with "
            + ("bounding boxes" if boxes else "KeyPoints (supported modes are constant)")
        )
    left, top, right, bottom = _pad_sides(padding)
    canvas = (t.canvas_size[0] + top + bottom, t.canvas_size[1] + left + right)
    return _shifted(t, left, top, canvas)


def _shifted(t: Any, right: int, down: int, canvas: tuple[int, int]) -> Any:
    """Boxes or points moved, in a new image of size `canvas`."""
    a = array_of(t)
    if isinstance(t, tv_tensors.BoundingBoxes):
        return _boxes.clamped(_boxes.shifted(a, t.format, right, down), t.format, canvas, t.clamping_mode), {"canvas_size": canvas}
    return a + np.array([right, down], a.dtype), {"canvas_size": canvas}


def _pad_mask(mask: Any, padding: Any, fill: Any = None, padding_mode: str = "constant") -> Any:
    if isinstance(fill, tuple | list):
        raise ValueError("Non-scalar fill value is not supported")
    return _F.pad(mask, padding, fill or 0, padding_mode)


@function(mask=_pad_mask, boxes=_pad_places, points=_pad_places)
def pad(inpt: Any, padding: Any, fill: Any = None, padding_mode: str = "constant") -> Any:
    """The image with `padding` (all sides; left/right and top/bottom; left, top, right, bottom) around it."""
    _pad_sides(padding)
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError(
            "`padding_mode` should be either `'constant'`, `'edge'`, `'reflect'` or `'symmetric'`, " f"but got `'{padding_mode}'`."
        )
    return _F.pad(inpt, padding, 0 if fill is None else fill, padding_mode)


def _crop_places(t: Any, top: int, left: int, height: int, width: int) -> Any:
    return _shifted(t, -left, -top, (height, width))


@function(mask=True, boxes=_crop_places, points=_crop_places)
def crop(inpt: Any, top: int, left: int, height: int, width: int) -> Any:
    """The rectangle of that size; what of it lies outside the image is 0."""
    return _F.crop(inpt, top, left, height, width)


def _center_places(t: Any, output_size: Any) -> Any:
    height, width = _F._height_width(output_size)
    h, w = t.canvas_size
    return _crop_places(t, int(round((h - height) / 2.0)), int(round((w - width) / 2.0)), height, width)


@function(mask=True, boxes=_center_places, points=_center_places)
def center_crop(inpt: Any, output_size: Any) -> Any:
    """The middle of the image, padded with 0 where it is smaller than `output_size`."""
    return _F.center_crop(inpt, output_size)


def _resized_crop_places(
    t: Any, top: int, left: int, height: int, width: int, size: Any, interpolation: Any = None, antialias: Any = None
) -> Any:
    return _resize_places(_rewrapped(t, _crop_places(t, top, left, height, width)), size)


def _rewrapped(t: Any, moved: Any) -> Any:
    return tv_tensors.wrap(torch.from_numpy(moved[0]), like=t, **moved[1])


def _resized_crop_mask(
    mask: Any, top: int, left: int, height: int, width: int, size: Any, interpolation: Any = None, antialias: Any = None
) -> Any:
    return _resize_mask(_F.crop(mask, top, left, height, width), size)


@function(mask=_resized_crop_mask, boxes=_resized_crop_places, points=_resized_crop_places)
def resized_crop(
    inpt: Any, top: int, left: int, height: int, width: int, size: Any, interpolation: Any = _BILINEAR, antialias: bool | None = True
) -> Any:
    """The rectangle, resized."""
    return resize(crop(inpt, top, left, height, width), size, interpolation, antialias=antialias)


@function
def five_crop(inpt: Any, size: Any) -> tuple:
    """Top left, top right, bottom left, bottom right, centre."""
    return _F.five_crop(inpt, size)


@function
def ten_crop(inpt: Any, size: Any, vertical_flip: bool = False) -> tuple:
    """`five_crop` of the image and of its mirror image."""
    return _F.ten_crop(inpt, size, vertical_flip)


def _check_sampled(mode: InterpolationMode) -> None:
    if mode not in (_NEAREST, _BILINEAR):
        raise ValueError(f"Interpolation mode '{mode.value}' is unsupported with Tensor input")


def _affine_places(t: Any, canvas_map: Any, expand: bool = False) -> Any:
    """Boxes or points under an affine map."""
    a = array_of(t)
    if isinstance(t, tv_tensors.BoundingBoxes):
        moved = _boxes.through_points(
            a, t.format, t.canvas_size, t.clamping_mode, lambda p: _boxes.affine_points(p, t.canvas_size, canvas_map, expand)
        )
    elif a.size == 0:
        moved = a, t.canvas_size
    else:
        points, canvas = _boxes.affine_points(_boxes._floating(a), t.canvas_size, canvas_map, expand)
        moved = points.astype(a.dtype), canvas
    return moved[0], {"canvas_size": moved[1]}


def _rotate_places(
    t: Any, angle: float, interpolation: Any = None, expand: bool = False, center: Any = None, fill: Any = None
) -> Any:
    return _affine_places(t, _boxes.affine_map(t.canvas_size, -angle, [0.0, 0.0], 1.0, [0.0, 0.0], center), expand)


def _rotate_mask(
    mask: Any, angle: float, interpolation: Any = None, expand: bool = False, center: Any = None, fill: Any = None
) -> Any:
    return _rotate(mask, angle, _NEAREST, expand, center, fill)


def _rotate(inpt: Any, angle: float, interpolation: Any, expand: bool, center: Any, fill: Any) -> Any:
    mode = _mode(interpolation)
    if is_pil(inpt):
        return _F.rotate(inpt, angle, mode, expand, center, fill)
    quarters, rest = divmod(angle % 360, 90)
    square = expand or inpt.shape[-1] == inpt.shape[-2]
    if center is None and rest == 0 and (quarters in (0, 2) or square):
        return torch.rot90(inpt, k=int(quarters), dims=(-2, -1)) if quarters else inpt.clone()
    _check_sampled(mode)
    return _F.rotate(inpt, angle, mode, expand, center, fill)


@function(mask=_rotate_mask, boxes=_rotate_places, points=_rotate_places)
def rotate(inpt: Any, angle: float, interpolation: Any = _NEAREST, expand: bool = False, center: Any = None, fill: Any = None) -> Any:
    """The image turned counter-clockwise by `angle` degrees about `center` (x, y), larger with `expand`."""
    return _rotate(inpt, angle, interpolation, expand, center, fill)


def _sheared(shear: Any) -> list[float]:
    if isinstance(shear, int | float):
        return [float(shear), 0.0]
    shear = list(shear) * (2 // len(shear)) if len(shear) in (1, 2) else shear
    if len(shear) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    return shear


def _affine_of_places(
    t: Any,
    angle: float,
    translate: Any,
    scale: float,
    shear: Any,
    interpolation: Any = None,
    fill: Any = None,
    center: Any = None,
) -> Any:
    return _affine_places(t, _boxes.affine_map(t.canvas_size, float(angle), translate, scale, _sheared(shear), center))


def _affine_mask(
    mask: Any, angle: float, translate: Any, scale: float, shear: Any, interpolation: Any = None, fill: Any = None, center: Any = None
) -> Any:
    return _F.affine(mask, angle, translate, scale, _sheared(shear), _NEAREST, fill, center)


@function(mask=_affine_mask, boxes=_affine_of_places, points=_affine_of_places)
def affine(
    inpt: Any,
    angle: float,
    translate: Any,
    scale: float,
    shear: Any,
    interpolation: Any = _NEAREST,
    fill: Any = None,
    center: Any = None,
) -> Any:
    """The image turned clockwise by `angle` degrees, moved, scaled and sheared about `center`."""
    mode = _mode(interpolation)
    if not is_pil(inpt):
        _check_sampled(mode)
    return _F.affine(inpt, angle, translate, scale, _sheared(shear), mode, fill, center)


def _coefficients(startpoints: Any, endpoints: Any, coefficients: Any) -> Any:
    if coefficients is not None:
        if startpoints is not None and endpoints is not None:
            raise ValueError("The startpoints/endpoints and the coefficients shouldn't be defined concurrently.")
        if len(coefficients) != 8:
            raise ValueError("Argument coefficients should have 8 float values")
        return coefficients
    if startpoints is None or endpoints is None:
        raise ValueError("Either the startpoints/endpoints or the coefficients must have non `None` values.")
    return _geometry.perspective_coefficients(startpoints, endpoints)


def _perspective_places(
    t: Any, startpoints: Any, endpoints: Any, interpolation: Any = None, fill: Any = None, coefficients: Any = None
) -> Any:
    c = _coefficients(startpoints, endpoints, coefficients)
    a = array_of(t)
    if isinstance(t, tv_tensors.BoundingBoxes):
        return _boxes.through_points(
            a, t.format, t.canvas_size, t.clamping_mode, lambda p: (_boxes.perspective_points(p, c), t.canvas_size)
        )[0], {}
    return _boxes.perspective_points(_boxes._floating(a), c).astype(a.dtype), {}


def _perspective(inpt: Any, coefficients: Any, mode: InterpolationMode, fill: Any) -> Any:
    if is_pil(inpt):
        return _F._perspective_image(inpt, coefficients, mode, fill)
    _check_sampled(mode)
    return _F._perspective_image(inpt, coefficients, mode, fill)


def _perspective_mask(
    mask: Any, startpoints: Any, endpoints: Any, interpolation: Any = None, fill: Any = None, coefficients: Any = None
) -> Any:
    return _perspective(mask, _coefficients(startpoints, endpoints, coefficients), _NEAREST, fill)


@function(mask=_perspective_mask, boxes=_perspective_places, points=_perspective_places)
def perspective(
    inpt: Any, startpoints: Any, endpoints: Any, interpolation: Any = _BILINEAR, fill: Any = None, coefficients: Any = None
) -> Any:
    """The image with its places `startpoints` (four, (x, y)) moved to `endpoints`; or by the perspective's eight `coefficients`."""
    return _perspective(inpt, _coefficients(startpoints, endpoints, coefficients), _mode(interpolation), fill)


def _elastic_places(t: Any, displacement: Any, interpolation: Any = None, fill: Any = None) -> Any:
    by, a = array_of(displacement), array_of(t)
    if isinstance(t, tv_tensors.BoundingBoxes):
        return _boxes.through_points(
            a,
            t.format,
            t.canvas_size,
            t.clamping_mode,
            lambda p: (_boxes.displaced_points(p, by, t.canvas_size, a.dtype.kind == "f"), t.canvas_size),
        )[0], {}
    return _boxes.displaced_points(_boxes._floating(a), by, t.canvas_size, False).astype(a.dtype), {}


def _elastic_mask(mask: Any, displacement: Any, interpolation: Any = None, fill: Any = None) -> Any:
    return _F.elastic_transform(mask, displacement, _NEAREST, fill)


@function(mask=_elastic_mask, boxes=_elastic_places, points=_elastic_places)
def elastic(inpt: Any, displacement: Any, interpolation: Any = _BILINEAR, fill: Any = None) -> Any:
    """The image with each place showing what lies `displacement` (1, H, W, 2) from it, in halves of the image's size."""
    return _F.elastic_transform(inpt, displacement, _mode(interpolation), fill)


elastic_transform = elastic


# Colours ----------------------------------------------------------------------------------------------------------------


@function
def rgb_to_grayscale(inpt: Any, num_output_channels: int = 1) -> Any:
    """The image in shades of grey, in one channel or in three."""
    if num_output_channels not in (1, 3):
        raise ValueError(f"num_output_channels must be 1 or 3, got {num_output_channels}.")
    if is_pil(inpt):
        return _F.to_grayscale(inpt, num_output_channels)
    return _tensor.grayscale(inpt, num_output_channels, fused=True)


to_grayscale = rgb_to_grayscale


@function
def grayscale_to_rgb(inpt: Any) -> Any:
    """The image in three channels."""
    if is_pil(inpt):
        return inpt.convert(mode="RGB")
    return inpt if inpt.shape[-3] >= 3 else torch.cat([inpt] * 3, -3)


def _adjusted(inpt: Any, what: str, factor: float, enhancer: str) -> Any:
    if not is_pil(inpt) and inpt.shape[-3] not in (1, 3) and factor >= 0:
        raise TypeError(f"Input image tensor permitted channel values are 1 or 3, but found {inpt.shape[-3]}")
    return _color._adjusted(inpt, what, factor, enhancer, fused=True)


@function
def adjust_brightness(inpt: Any, brightness_factor: float) -> Any:
    """0 gives black, 1 the image, 2 twice as bright."""
    return _adjusted(inpt, "brightness", brightness_factor, "Brightness")


@function
def adjust_contrast(inpt: Any, contrast_factor: float) -> Any:
    """0 gives a plain grey, 1 the image."""
    return _adjusted(inpt, "contrast", contrast_factor, "Contrast")


@function
def adjust_saturation(inpt: Any, saturation_factor: float) -> Any:
    """0 gives shades of grey, 1 the image."""
    return _adjusted(inpt, "saturation", saturation_factor, "Color")


@function
def adjust_hue(inpt: Any, hue_factor: float) -> Any:
    """Colours turned by `hue_factor`, between -0.5 and 0.5, of the circle of hues."""
    return _F.adjust_hue(inpt, hue_factor)


@function
def adjust_gamma(inpt: Any, gamma: float, gain: float = 1) -> Any:
    """gain · image ** gamma."""
    return _F.adjust_gamma(inpt, gamma, gain)


@function
def adjust_sharpness(inpt: Any, sharpness_factor: float) -> Any:
    """0 gives a blurred image, 1 the image, 2 a sharper one."""
    return _adjusted(inpt, "sharpness", sharpness_factor, "Sharpness")


@function
def invert(inpt: Any) -> Any:
    """The negative."""
    return _F.invert(inpt)


def _in_bytes(work: Any, inpt: Any) -> Any:
    """What takes only bytes, of images in any dtype."""
    if is_pil(inpt) or inpt.dtype == torch.uint8:
        return work(inpt)
    return to_dtype(work(to_dtype(inpt, torch.uint8, scale=True)), inpt.dtype, scale=True)


@function
def posterize(inpt: Any, bits: int) -> Any:
    """Only the upper `bits` of each value; of floating point, as many levels as those are."""
    if not is_pil(inpt) and inpt.is_floating_point():
        levels = 1 << bits
        return inpt.mul(levels).floor().clamp(0, levels - 1).mul(1.0 / levels)
    return _F.posterize(inpt, bits)


@function
def solarize(inpt: Any, threshold: float) -> Any:
    """Values from `threshold` on inverted."""
    if not is_pil(inpt) and threshold > _tensor.max_value(inpt.dtype):
        raise TypeError(f"Threshold should be less or equal the maximum value of the dtype, but got {threshold}")
    return _F.solarize(inpt, threshold)


@function
def autocontrast(inpt: Any) -> Any:
    """Each channel stretched from black to white."""
    return _F.autocontrast(inpt) if is_pil(inpt) else _tensor.autocontrast(inpt, divided=True)


@function
def equalize(inpt: Any) -> Any:
    """Each channel's shades made about equally frequent."""
    return _in_bytes(_F.equalize, inpt)


@function
def permute_channels(inpt: Any, permutation: Any) -> Any:
    """The image with its channels in another order."""
    order = [int(i) for i in permutation]
    image = pil_to_tensor(inpt) if is_pil(inpt) else inpt
    if len(order) != image.shape[-3]:
        raise ValueError(f"Length of permutation does not match number of channels: {len(order)} != {image.shape[-3]}")
    out = image.index_select(-3, torch.tensor(order, device=image.device))
    return to_pil_image(out) if is_pil(inpt) else out


# Values -----------------------------------------------------------------------------------------------------------------


@function
def gaussian_blur(inpt: Any, kernel_size: Any, sigma: Any = None) -> Any:
    """The image blurred by a Gaussian; `kernel_size` and `sigma` are one number or those along x and y."""
    if not isinstance(kernel_size, int) and len(kernel_size) != 2:
        raise ValueError(f"If kernel_size is a sequence its length should be 2. Got {len(kernel_size)}")
    return _F.gaussian_blur(inpt, kernel_size, sigma)


@function
def gaussian_noise(inpt: Any, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Any:
    """The image (floating point, or bytes as such between 0 and 1) with normal noise added."""
    if is_pil(inpt):
        raise ValueError("Gaussian Noise is not implemented for PIL images.")
    if sigma < 0:
        raise ValueError(f"sigma shouldn't be negative. Got {sigma}")
    if inpt.is_floating_point():
        out = inpt + (mean + torch.randn_like(inpt) * sigma)
        return out.clamp(0, 1) if clip else out
    if inpt.dtype != torch.uint8:
        raise ValueError(f"Input tensor is expected to be in uint8 or float dtype, got dtype={inpt.dtype}")
    noise = (mean * 255 + torch.randn_like(inpt, dtype=torch.float32) * (sigma * 255)).to(torch.int16)
    out = inpt + noise
    return (out.clamp(0, 255) if clip else out).to(torch.uint8)


@function
def normalize(inpt: Any, mean: Any, std: Any, inplace: bool = False) -> Any:
    """(image - mean) / std for each channel."""
    if is_pil(inpt):
        raise TypeError(f"Functional F.normalize supports inputs of type tensors, but got {type(inpt)} instead.")
    if not inpt.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {inpt.dtype}.")
    if inpt.ndim < 3:
        raise ValueError(f"Expected tensor to be a tensor image of size (..., C, H, W). Got {inpt.shape}.")
    if (std == 0) if isinstance(std, int | float) else (isinstance(std, tuple | list) and not all(std)):
        raise ValueError("std evaluated to zero, leading to division by zero.")
    return _F.normalize(inpt, mean, std, inplace)


def _to_dtype_plainly(t: Any, dtype: Any = torch.float32, scale: bool = False) -> Any:
    return array_of(t.to(dtype)), {}


@function(mask=lambda mask, dtype=torch.float32, scale=False: mask.to(dtype), boxes=_to_dtype_plainly, points=_to_dtype_plainly)
def to_dtype(inpt: Any, dtype: Any = torch.float32, scale: bool = False) -> Any:
    """The image in another dtype; with `scale`, its values to that dtype's range."""
    if inpt.dtype == dtype:
        return inpt
    if not scale:
        return inpt.to(dtype)
    return _tensor.convert_dtype(inpt, dtype, multiplied=True)


def convert_image_dtype(image: Any, dtype: Any = torch.float32) -> Any:
    """The image in another dtype, its values scaled to that dtype's range."""
    return to_dtype(image, dtype, scale=True)


def to_image(inpt: Any) -> Any:
    """A Pillow image, an array (H, W, C) or a tensor as `tv_tensors.Image` (C, H, W) of the same values."""
    if isinstance(inpt, np.ndarray):
        return tv_tensors.Image(torch.from_numpy(np.ascontiguousarray(np.atleast_3d(inpt).transpose(2, 0, 1))))
    if not (is_pil(inpt) or isinstance(inpt, torch.Tensor)):
        raise TypeError(f"Input can either be a pure Tensor, a numpy array, or a PIL image, but got {type(inpt)} instead.")
    return tv_tensors.Image(inpt)


@function
def erase(inpt: Any, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Any:
    """The image with the rectangle at row `i` and column `j` set to `v`."""
    if is_pil(inpt):
        return to_pil_image(_F.erase(pil_to_tensor(inpt), i, j, h, w, v), mode=inpt.mode)
    return _F.erase(inpt, i, j, h, w, v, inplace)


@function
def jpeg(image: Any, quality: int) -> Any:
    """The image as JPEG of this quality (1 to 100) keeps it; bytes."""
    if is_pil(image):
        file = io.BytesIO()
        image.save(file, format="JPEG", quality=quality)
        return pil().open(file).copy()
    from torchish.vision.io import decode_jpeg, encode_jpeg

    kept = [decode_jpeg(encode_jpeg(one, quality=quality)) for one in image.reshape(-1, *image.shape[-3:])]
    return torch.stack(kept).reshape(image.shape) if kept else image.clone()


@function
def uniform_temporal_subsample(inpt: Any, num_samples: int) -> Any:
    """`num_samples` images of a video (…, T, C, H, W), at equal distances."""
    places = torch.linspace(0, inpt.shape[-4] - 1, num_samples).long()
    return inpt.index_select(-4, places.to(inpt.device))


def __getattr__(name: str) -> Any:
    # The kernels of one kind: what they do to plain tensors is what the functions do.
    base, _, kind = name.rpartition("_")
    if kind in ("image", "video") and base in globals() and base != "to":
        return globals()[base]
    raise missing_attribute(__name__, name)


__all__ = [n for n, f in globals().items() if callable(f) and n[0] != "_" and f.__module__.startswith(("torchvision", __name__))]
__all__ += ["InterpolationMode", "clamp_bounding_boxes", "clamp_keypoints", "convert_bounding_box_format", "is_pure_tensor"]
__all__ += ["pil_to_tensor", "register_kernel", "sanitize_bounding_boxes", "sanitize_keypoints", "to_pil_image", "to_tensor"]
