"""Transforms of colours and values."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import torchish as torch
from torchish.vision import tv_tensors
from torchish.vision._optional import is_pil
from torchish.vision.transforms import _draw
from torchish.vision.transforms import transforms as _v1
from torchish.vision.transforms._checks import counted, size_pair
from torchish.vision.transforms.v2 import functional as F
from torchish.vision.transforms.v2._geometric import _two
from torchish.vision.transforms.v2._kernels import is_pure_tensor
from torchish.vision.transforms.v2._samples import Transform, WithChance, calling, has_any, is_array, query_chw


class Grayscale(Transform):
    """In shades of grey."""

    def __init__(self, num_output_channels: int = 1):
        super().__init__()
        self.num_output_channels = num_output_channels

    transform = calling(F.rgb_to_grayscale, "num_output_channels")


class RandomGrayscale(WithChance):
    """With probability `p` in shades of grey, in as many channels."""

    def __init__(self, p: float = 0.1):
        super().__init__(p)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"num_output_channels": query_chw(flat_inputs)[0]}

    transform = calling(F.rgb_to_grayscale)


class RGB(Transform):
    """In three channels."""

    transform = calling(F.grayscale_to_rgb)


_FACTORS = ("brightness", "contrast", "saturation", "hue")
_ADJUST = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)


class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue changed at random, in random order.

    A number x stands for factors from max(0, 1 - x) to 1 + x (of the hue: -x to x); a pair gives the bounds.
    """

    def __init__(self, brightness: Any = None, contrast: Any = None, saturation: Any = None, hue: Any = None):
        super().__init__()
        self.brightness, self.contrast = self._bounds(brightness, "brightness"), self._bounds(contrast, "contrast")
        self.saturation = self._bounds(saturation, "saturation")
        self.hue = self._bounds(hue, "hue", 0.0, (-0.5, 0.5))

    @staticmethod
    def _bounds(value: Any, name: str, center: float = 1.0, limits: tuple[float, float] = (0, math.inf)) -> Any:
        if value is None:
            return None
        if isinstance(value, int | float):
            if value < 0:
                raise ValueError(f"If {name} is a single number, it must be non negative.")
            low, top = center - value, center + value
            low = max(low, 0.0) if center else low
        elif isinstance(value, Sequence) and len(value) == 2:
            low, top = float(value[0]), float(value[1])
        else:
            raise TypeError(f"{name}={value} should be a single number or a sequence with length 2.")
        if not limits[0] <= low <= top <= limits[1]:
            raise ValueError(f"{name} values should be between {limits} and increasing, but got {[low, top]}.")
        return None if low == top == center else (float(low), float(top))

    get_params = staticmethod(_v1.ColorJitter.get_params)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        order = torch.randperm(4).tolist()
        factors = [None if b is None else _draw.uniform(*b) for b in (getattr(self, name) for name in _FACTORS)]
        return {"steps": [(_ADJUST[i], factors[i]) for i in order if factors[i] is not None]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        for adjust, factor in params["steps"]:
            inpt = self._call_kernel(adjust, inpt, factor)
        return inpt


class RandomChannelPermutation(Transform):
    """With its channels in random order."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"permutation": torch.randperm(query_chw(flat_inputs)[0])}

    transform = calling(F.permute_channels)


class RandomPhotometricDistort(Transform):
    """Each of brightness, contrast, saturation, hue and the channels' order changed with probability `p` (arXiv 1512.02325)."""

    def __init__(
        self,
        brightness: tuple[float, float] = (0.875, 1.125),
        contrast: tuple[float, float] = (0.5, 1.5),
        saturation: tuple[float, float] = (0.5, 1.5),
        hue: tuple[float, float] = (-0.05, 0.05),
        p: float = 0.5,
    ):
        super().__init__()
        self.brightness, self.contrast, self.hue, self.saturation, self.p = brightness, contrast, hue, saturation, p

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        channels = query_chw(flat_inputs)[0]
        brightness, contrast, saturation, hue = (
            _draw.uniform(*getattr(self, name)) if torch.rand(1) < self.p else None for name in _FACTORS
        )
        steps = [(_ADJUST[0], brightness), (_ADJUST[2], saturation), (_ADJUST[3], hue)]
        steps.insert(1 if bool(torch.rand(()) < 0.5) else 3, (_ADJUST[1], contrast))
        order = torch.randperm(channels) if torch.rand(1) < self.p else None
        return {"steps": [(f, x) for f, x in (*steps, (F.permute_channels, order)) if x is not None]}

    transform = ColorJitter.transform


class RandomEqualize(WithChance):
    """With probability `p` with shades about equally frequent."""

    transform = calling(F.equalize)


class RandomInvert(WithChance):
    """With probability `p` the negative."""

    transform = calling(F.invert)


class RandomAutocontrast(WithChance):
    """With probability `p` stretched from black to white."""

    transform = calling(F.autocontrast)


class RandomPosterize(WithChance):
    """With probability `p` with only the upper `bits` of each value."""

    def __init__(self, bits: int, p: float = 0.5):
        super().__init__(p)
        self.bits = bits

    transform = calling(F.posterize, "bits")


class RandomSolarize(WithChance):
    """With probability `p` with values from `threshold` on inverted."""

    def __init__(self, threshold: float, p: float = 0.5):
        super().__init__(p)
        self.threshold = threshold

    transform = calling(F.solarize, "threshold")


class RandomAdjustSharpness(WithChance):
    """With probability `p` blurred (factors below 1) or sharpened."""

    def __init__(self, sharpness_factor: float, p: float = 0.5):
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    transform = calling(F.adjust_sharpness, "sharpness_factor")


class GaussianBlur(Transform):
    """Blurred by a Gaussian, whose standard deviation is drawn from `sigma`."""

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)):
        super().__init__()
        self.kernel_size = size_pair(kernel_size, "Kernel size should be a tuple/list of two integers")
        if any(k <= 0 or k % 2 == 0 for k in self.kernel_size):
            raise ValueError("Kernel size value should be an odd and positive number.")
        self.sigma = _two(sigma, "sigma")
        if not 0.0 < self.sigma[0] <= self.sigma[1]:
            raise ValueError(f"sigma values should be positive and of the form (min, max). Got {self.sigma}")

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"sigma": [_draw.uniform(*self.sigma)] * 2}

    transform = calling(F.gaussian_blur, "kernel_size")


class GaussianNoise(Transform):
    """With normal noise added."""

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True):
        super().__init__()
        self.mean, self.sigma, self.clip = mean, sigma, clip

    transform = calling(F.gaussian_noise, "mean", "sigma", "clip")


class JPEG(Transform):
    """As JPEG of a quality (1 to 100, or drawn between two) keeps it."""

    def __init__(self, quality: Any):
        super().__init__()
        if isinstance(quality, bool):
            raise TypeError("quality can't be bool")
        if isinstance(quality, int):
            quality = [quality, quality]
        else:
            counted(quality, "quality", (2,))
        if not (all(isinstance(q, int) for q in quality) and 1 <= quality[0] <= quality[1] <= 100):
            raise ValueError(f"quality must be an integer from 1 to 100, got {quality =}")
        self.quality = quality

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"quality": torch.randint(self.quality[0], self.quality[1] + 1, ()).item()}

    transform = calling(F.jpeg)


class _NoPillow(Transform):
    def check_inputs(self, flat_inputs: list[Any]) -> None:
        if has_any(flat_inputs, is_pil):
            raise TypeError(f"{type(self).__name__}() does not support PIL images.")


class Normalize(_NoPillow):
    """(image - mean) / std for each channel."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False):
        super().__init__()
        self.mean, self.std, self.inplace = list(mean), list(std), inplace

    transform = calling(F.normalize, "mean", "std", "inplace")


class LinearTransformation(_NoPillow):
    """A tensor (C, H, W), flattened, minus `mean_vector` (D,), times `transformation_matrix` (D, D): whitening, for example."""

    _transformed_types = (is_pure_tensor, tv_tensors.Image, tv_tensors.Video)

    def __init__(self, transformation_matrix: Any, mean_vector: Any):
        super().__init__()
        self._whole = [_v1.LinearTransformation(transformation_matrix, mean_vector)]
        self.transformation_matrix, self.mean_vector = transformation_matrix, mean_vector

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        out = self._whole[0](inpt)
        return out if is_pure_tensor(inpt) else tv_tensors.wrap(out, like=inpt)


class RandomErasing(WithChance):
    """With probability `p` with a rectangle set to `value` ("random": noise)."""

    def __init__(
        self, p: float = 0.5, scale: Any = (0.02, 0.33), ratio: Any = (0.3, 3.3), value: Any = 0.0, inplace: bool = False
    ):
        super().__init__(p)
        checked = _v1.RandomErasing(p, scale, ratio, value, inplace)
        if not isinstance(scale, Sequence):
            raise TypeError("Scale should be a sequence")
        if not isinstance(ratio, Sequence):
            raise TypeError("Ratio should be a sequence")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        self.scale, self.ratio = checked.scale, checked.ratio
        self.value = None if isinstance(value, str) else [float(v) for v in (value if isinstance(value, Sequence) else [value])]
        self.inplace = inplace

    get_params = staticmethod(_v1.RandomErasing.get_params)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        shape = query_chw(flat_inputs)
        if self.value is not None and len(self.value) not in (1, shape[0]):
            raise ValueError(f"If value is a sequence, it should have either a single value or {shape[0]} (number of inpt channels)")
        return {"place": _v1.RandomErasing._place(shape, self.scale, self.ratio, self.value)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if isinstance(inpt, tv_tensors.BoundingBoxes | tv_tensors.KeyPoints | tv_tensors.Mask):
            warnings.warn(
                f"{type(self).__name__}() is currently passing through inputs of type "
                f"tv_tensors.{type(inpt).__name__}. This will likely change in the future.",
                stacklevel=4,
            )
        place = params["place"]
        return inpt if place is None else self._call_kernel(F.erase, inpt, *place, inplace=self.inplace)


# Kinds ------------------------------------------------------------------------------------------------------------------


class ToTensor(Transform):
    """As v1's ToTensor; ToImage and ToDtype(torch.float32, scale=True) are the newer way."""

    _transformed_types = (is_pil, is_array)

    def __init__(self) -> None:
        warnings.warn(
            "The transform `ToTensor()` is deprecated and will be removed in a future release. "
            "Instead, please use `v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])`."
            "Output is equivalent up to float precision.",
            stacklevel=2,
        )
        super().__init__()

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.to_tensor(inpt)


class PILToTensor(Transform):
    """Pillow images as tensors (C, H, W) of the same values."""

    _transformed_types = (is_pil,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.pil_to_tensor(inpt)


class ToImage(Transform):
    """Pillow images, arrays (H, W, C) and tensors as `tv_tensors.Image` (C, H, W) of the same values."""

    _transformed_types = (is_pure_tensor, is_pil, is_array)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.to_image(inpt)


class ToPILImage(Transform):
    """Tensors (C, H, W) and arrays (H, W, C) as Pillow images."""

    _transformed_types = (is_pure_tensor, tv_tensors.Image, is_array)

    def __init__(self, mode: str | None = None):
        super().__init__()
        self.mode = mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.to_pil_image(inpt, mode=self.mode)


class ToPureTensor(Transform):
    """Tensors that say what they hold as plain ones."""

    _transformed_types = (tv_tensors.TVTensor,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return inpt.as_subclass(torch.Tensor)


def _scalable(inpt: Any) -> bool:
    return is_pure_tensor(inpt) or isinstance(inpt, tv_tensors.Image | tv_tensors.Video)


class ToDtype(Transform):
    """Images (with a dictionary, parts of the types that are its keys) in another dtype; with `scale`, their values to its range."""

    _transformed_types = (torch.Tensor,)

    def __init__(self, dtype: Any, scale: bool = False):
        super().__init__()
        if not isinstance(dtype, dict | torch.dtype):
            raise ValueError(f"dtype must be a dict or a torch.dtype, got {type(dtype)} instead")
        if isinstance(dtype, dict) and torch.Tensor in dtype and (tv_tensors.Image in dtype or tv_tensors.Video in dtype):
            warnings.warn(
                "Got `dtype` values for `torch.Tensor` and either `tv_tensors.Image` or `tv_tensors.Video`. "
                "Note that a plain `torch.Tensor` will *not* be transformed by this (or any other transformation) "
                "in case a `tv_tensors.Image` or `tv_tensors.Video` is present in the input.",
                stacklevel=2,
            )
        self.dtype, self.scale = dtype, scale

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if isinstance(self.dtype, torch.dtype):
            return self._call_kernel(F.to_dtype, inpt, dtype=self.dtype, scale=self.scale) if _scalable(inpt) else inpt
        if type(inpt) not in self.dtype and "others" not in self.dtype:
            raise ValueError(
                f"No dtype was specified for type {type(inpt)}. "
                "If you only need to convert the dtype of images or videos, you can just pass e.g. dtype=torch.float32. "
                "If you're passing a dict as dtype, "
                'you can use "others" as a catch-all key '
                'e.g. dtype={tv_tensors.Mask: torch.int64, "others": None} to pass-through the rest of the inputs.'
            )
        dtype = self.dtype[type(inpt)] if type(inpt) in self.dtype else self.dtype["others"]
        if dtype is None:
            if self.scale and _scalable(inpt):
                warnings.warn(
                    "scale was set to True but no dtype was specified for images or videos: no scaling will be done.", stacklevel=4
                )
            return inpt
        return self._call_kernel(F.to_dtype, inpt, dtype=dtype, scale=self.scale)


class ConvertImageDtype(Transform):
    """Images in another dtype, their values scaled to its range."""

    def __init__(self, dtype: Any = torch.float32):
        super().__init__()
        self.dtype = dtype

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.to_dtype, inpt, dtype=self.dtype, scale=True)


class UniformTemporalSubsample(Transform):
    """`num_samples` images of a video (…, T, C, H, W), at equal distances."""

    _transformed_types = (torch.Tensor,)

    def __init__(self, num_samples: int):
        super().__init__()
        self.num_samples = num_samples

    transform = calling(F.uniform_temporal_subsample, "num_samples")


class Identity(Transform):
    """Nothing."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return inpt


class Lambda(Transform):
    """A function of every part of a sample that is of one of `types`."""

    _transformed_types = (object,)

    def __init__(self, lambd: Any, *types: type):
        super().__init__()
        self.lambd, self.types = lambd, types or self._transformed_types

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self.lambd(inpt) if isinstance(inpt, self.types) else inpt

    def extra_repr(self) -> str:
        name = getattr(self.lambd, "__name__", None)
        return ", ".join([*([name] if name else []), f"types={[t.__name__ for t in self.types]}"])


__all__ = [n for n, c in globals().items() if isinstance(c, type) and c.__module__ == __name__ and n[0] != "_"]
