"""Colours and sharpness, of Pillow images and tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchish._tensor.tensor import Tensor
from torchish.vision._optional import is_pil, pil
from torchish.vision.transforms import _tensor


def _is_tensor(img: Any) -> bool:
    if isinstance(img, Tensor):
        return True
    if not is_pil(img):
        raise TypeError(f"img should be PIL Image. Got {type(img)}")
    return False


def _enhanced(img: Any, kind: str, factor: float) -> Any:
    return getattr(pil("ImageEnhance"), kind)(img).enhance(factor)


def _adjusted(img: Any, what: str, factor: float, enhancer: str, fused: bool = False) -> Any:
    """A tensor by `_tensor`'s function of this name (`fused`: as v2), a picture by Pillow's enhancer."""
    if not _is_tensor(img):
        return _enhanced(img, enhancer, factor)
    if factor < 0:
        raise ValueError(f"{what}_factor ({factor}) is not non-negative.")
    return getattr(_tensor, what)(img, factor, fused)


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """0 gives black, 1 the image, 2 twice as bright."""
    return _adjusted(img, "brightness", brightness_factor, "Brightness")


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """0 gives a plain grey, 1 the image."""
    return _adjusted(img, "contrast", contrast_factor, "Contrast")


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """0 gives shades of grey, 1 the image."""
    return _adjusted(img, "saturation", saturation_factor, "Color")


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """0 gives a blurred image, 1 the image, 2 a sharper one."""
    return _adjusted(img, "sharpness", sharpness_factor, "Sharpness")


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """Colours turned by `hue_factor`, between -0.5 and 0.5, of the circle of hues."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    if _is_tensor(img):
        return _tensor.hue(img, hue_factor)
    if img.mode in ("L", "1", "I", "F"):
        return img
    h, s, v = img.convert("HSV").split()
    turned = (np.array(h, np.int32) + int(hue_factor * 255)) % 256
    return pil().merge("HSV", (pil().fromarray(turned.astype(np.uint8)), s, v)).convert(img.mode)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """gain · image ** gamma."""
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    if _is_tensor(img):
        return _tensor.gamma(img, gamma, gain)
    table = [int((255 + 1 - 1e-3) * gain * pow(i / 255.0, gamma)) for i in range(256)] * 3
    return img.convert("RGB").point(table).convert(img.mode)


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """A Pillow image in shades of grey, in one channel or in three."""
    if not is_pil(img):
        raise TypeError("Input should be PIL Image")
    gray = img.convert("L")
    if num_output_channels == 1:
        return gray
    if num_output_channels == 3:
        return pil().merge("RGB", (gray, gray, gray))
    raise ValueError("num_output_channels should be either 1 or 3")


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """The image in shades of grey, in one channel or in three."""
    if not _is_tensor(img):
        return to_grayscale(img, num_output_channels)
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    return _tensor.grayscale(img, num_output_channels)


def invert(img: Any) -> Any:
    return _tensor.invert(img) if _is_tensor(img) else pil("ImageOps").invert(img)


def posterize(img: Any, bits: int) -> Any:
    """Only the upper `bits` of each value."""
    if not 0 <= bits <= 8:
        raise ValueError(f"The number if bits should be between 0 and 8. Got {bits}")
    return _tensor.posterize(img, bits) if _is_tensor(img) else pil("ImageOps").posterize(img, bits)


def solarize(img: Any, threshold: float) -> Any:
    """Values from `threshold` on inverted."""
    return _tensor.solarize(img, threshold) if _is_tensor(img) else pil("ImageOps").solarize(img, threshold)


def autocontrast(img: Any) -> Any:
    """Each channel stretched from black to white."""
    return _tensor.autocontrast(img) if _is_tensor(img) else pil("ImageOps").autocontrast(img)


def equalize(img: Any) -> Any:
    """Each channel's shades made about equally frequent."""
    return _tensor.equalize(img) if _is_tensor(img) else pil("ImageOps").equalize(img)


def gaussian_blur(img: Any, kernel_size: Any, sigma: Any = None) -> Any:
    """The image blurred by a Gaussian; `kernel_size` and `sigma` are one number or those along x and y."""
    size = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size) * (2 // len(kernel_size))
    if any(k % 2 == 0 or k < 0 for k in size):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {size}")
    if sigma is None:
        sigma = [k * 0.15 + 0.35 for k in size]
    sigma = [float(sigma)] * 2 if isinstance(sigma, int | float) else list(sigma) * (2 // len(sigma))
    if any(s <= 0.0 for s in sigma):
        raise ValueError(f"sigma should have positive values. Got {sigma}")
    if _is_tensor(img):
        return _tensor.gaussian_blur(img, size, sigma)
    from torchish.vision.transforms.functional import pil_to_tensor, to_pil_image

    return to_pil_image(_tensor.gaussian_blur(pil_to_tensor(img), size, sigma), img.mode)


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Tensor:
    """The tensor with the rectangle at row `i` and column `j` set to `v`."""
    if not isinstance(img, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(img)}")
    return _tensor.erase(img, i, j, h, w, v, inplace)
