"""`torchvision.transforms.v2`: the transforms under their newer names, on samples of any structure.

A sample is an image, or tuples, lists and dictionaries with one: Pillow images and, if there are none, the first tensor
are transformed, the rest (labels) passes through.
"""

from __future__ import annotations

from typing import Any

import torchish as torch
from torchish import nn
from torchish._runner import missing_attribute
from torchish.vision._optional import is_pil
from torchish.vision.transforms import autoaugment as _autoaugment
from torchish.vision.transforms import functional
from torchish.vision.transforms import functional as _F
from torchish.vision.transforms import transforms as _v1
from torchish.vision.transforms.autoaugment import AutoAugmentPolicy  # noqa: F401
from torchish.vision.transforms.functional import InterpolationMode  # noqa: F401
from torchish.vision.transforms.v2._mixing import CutMix, MixUp  # noqa: F401
from torchish.vision.transforms.v2._samples import Transform, leaves_of, rebuilt


def _newer(cls: Any) -> Any:
    """The v2 form of a class: on samples."""

    def transform(self: Any, inpt: Any, params: dict[str, Any]) -> Any:
        return cls.forward(self, inpt) if hasattr(cls, "forward") else cls.__call__(self, inpt)

    body = {"__doc__": cls.__doc__, "transform": transform, "forward": Transform.forward, "__module__": "torchvision.transforms.v2"}
    return type(cls.__name__, (Transform, cls), body)


for _name in _v1.__all__:
    if _name not in ("Compose", "InterpolationMode", "Lambda", "RandomApply", "RandomChoice", "RandomOrder", "RandomTransforms"):
        _cls = getattr(_v1, _name)
        if issubclass(_cls, nn.Module):
            globals()[_name] = _newer(_cls)
for _name in ("AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix"):
    globals()[_name] = _newer(getattr(_autoaugment, _name))


class _OfArrays(Transform):
    """A transform that also takes NumPy arrays for images."""

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = [self.transform(x, {}) for x in leaves_of(sample)]
        return rebuilt(sample, iter(leaves))


def _is_array(x: Any) -> bool:
    return type(x).__module__ == "numpy" and type(x).__name__ == "ndarray"


class ToTensor(_OfArrays):
    """As v1's ToTensor; ToImage and ToDtype(torch.float32, scale=True) are the newer way."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return _F.to_tensor(inpt) if is_pil(inpt) or _is_array(inpt) else inpt


class PILToTensor(_OfArrays):
    """Pillow images as tensors (C, H, W) of the same values."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return _F.pil_to_tensor(inpt) if is_pil(inpt) else inpt


class ToImage(_OfArrays):
    """Pillow images and arrays (H, W, C) as tensors (C, H, W) of the same values."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if is_pil(inpt):
            return _F.pil_to_tensor(inpt)
        if _is_array(inpt):
            return torch.from_numpy(inpt if inpt.ndim == 3 else inpt[:, :, None]).permute(2, 0, 1).contiguous()
        return inpt


class ToPILImage(Transform):
    """Tensors (C, H, W) as Pillow images."""

    def __init__(self, mode: str | None = None):
        super().__init__()
        self.mode = mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return inpt if is_pil(inpt) else _F.to_pil_image(inpt, self.mode)


class ToDtype(Transform):
    """Tensors in another dtype; with `scale`, their values to that dtype's range."""

    def __init__(self, dtype: Any, scale: bool = False):
        super().__init__()
        self.dtype, self.scale = dtype, scale

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not isinstance(inpt, torch.Tensor):
            return inpt
        return _F.convert_image_dtype(inpt, self.dtype) if self.scale else inpt.to(self.dtype)


class Identity(Transform):
    """Nothing."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return inpt


class Lambda(Transform):
    """A function of every part of a sample that is of one of `types`."""

    def __init__(self, lambd: Any, *types: type):
        super().__init__()
        self.lambd, self.types = lambd, types or (object,)

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = [self.lambd(x) if isinstance(x, self.types) else x for x in leaves_of(sample)]
        return rebuilt(sample, iter(leaves))


class Compose(Transform):
    """One transform after another."""

    def __init__(self, transforms: Any):
        super().__init__()
        if not isinstance(transforms, tuple | list):
            raise TypeError("Argument transforms should be a sequence of callables")
        if not transforms:
            raise ValueError("Pass at least one transform")
        self.transforms = transforms

    def forward(self, *inputs: Any) -> Any:
        sample: Any = inputs
        for t in self.transforms:
            out = t(*sample)
            sample = out if len(inputs) > 1 else (out,)
        return sample if len(inputs) > 1 else sample[0]

    def extra_repr(self) -> str:
        return "\n".join(f"    {t}" for t in self.transforms)


class RandomApply(Compose):
    """All of the transforms with probability `p`, none otherwise."""

    def __init__(self, transforms: Any, p: float = 0.5):
        super().__init__(transforms)
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        if torch.rand(1).item() >= self.p:
            return inputs if len(inputs) > 1 else inputs[0]
        return super().forward(*inputs)


class RandomChoice(Compose):
    """One of the transforms, drawn with weights `p`."""

    def __init__(self, transforms: Any, p: list[float] | None = None):
        super().__init__(transforms)
        if p is not None and len(p) != len(transforms):
            raise ValueError(f"Length of p doesn't match the number of transforms: {len(p)} != {len(transforms)}")
        weights = p or [1] * len(transforms)
        self.p = [w / sum(weights) for w in weights]

    def forward(self, *inputs: Any) -> Any:
        return self.transforms[int(torch.multinomial(torch.tensor(self.p), 1))](*inputs)


class RandomOrder(Compose):
    """All of the transforms in random order."""

    def forward(self, *inputs: Any) -> Any:
        sample: Any = inputs
        for i in torch.randperm(len(self.transforms)).tolist():
            out = self.transforms[i](*sample)
            sample = out if len(inputs) > 1 else (out,)
        return sample if len(inputs) > 1 else sample[0]


def __getattr__(name: str):
    raise missing_attribute(__name__, name)


__all__ = [n for n in dir() if not n.startswith("_") and isinstance(globals()[n], type)] + ["functional"]
