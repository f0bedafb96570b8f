"""`torchvision.transforms`.

    transforms   the classes
    functional   the same as functions, of Pillow images and tensors
    autoaugment  policies
    v2           the names of `torchvision.transforms.v2`
"""

import importlib

from torchish._runner import missing_attribute
from torchish.vision.transforms import autoaugment, functional, transforms
from torchish.vision.transforms.autoaugment import AugMix, AutoAugment, AutoAugmentPolicy, RandAugment, TrivialAugmentWide
from torchish.vision.transforms.transforms import *  # noqa: F403
from torchish.vision.transforms.transforms import __all__ as _classes


def __getattr__(name: str):
    if name == "v2":
        return importlib.import_module(f"{__name__}.v2")
    raise missing_attribute(__name__, name)


__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide", *_classes]
__all__ += ["autoaugment", "functional", "transforms"]
