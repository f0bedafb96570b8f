"""Samples of any structure, and transforms of what is in them."""

from __future__ import annotations

import enum
from typing import Any

import torchish as torch
from torchish import nn
from torchish.vision._optional import is_pil


def leaves_of(sample: Any) -> list[Any]:
    """The parts of a sample in order."""
    if isinstance(sample, tuple | list):
        return [leaf for x in sample for leaf in leaves_of(x)]
    if isinstance(sample, dict):
        return [leaf for x in sample.values() for leaf in leaves_of(x)]
    return [sample]


def rebuilt(sample: Any, leaves: Any) -> Any:
    """A sample of the same structure with other parts, from an iterator."""
    if isinstance(sample, tuple) and hasattr(sample, "_fields"):
        return type(sample)(*[rebuilt(x, leaves) for x in sample])
    if isinstance(sample, tuple | list):
        return type(sample)(rebuilt(x, leaves) for x in sample)
    if isinstance(sample, dict):
        return type(sample)((k, rebuilt(x, leaves)) for k, x in sample.items())
    return next(leaves)


class Transform(nn.Module):
    """What is done to the images in a sample. Subclasses say what in `transform(image, params)`."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """What is drawn once for all images of a sample."""
        return {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        raise NotImplementedError

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = leaves_of(sample)
        images = [i for i, x in enumerate(leaves) if is_pil(x)]
        if not images:
            images = [i for i, x in enumerate(leaves) if isinstance(x, torch.Tensor)][:1]
        params = self.make_params([leaves[i] for i in images])
        for i in images:
            leaves[i] = self.transform(leaves[i], params)
        return rebuilt(sample, iter(leaves))

    def extra_repr(self) -> str:
        shown = (bool, int, float, str, tuple, list, enum.Enum)
        own = [(k, v) for k, v in self.__dict__.items() if not k.startswith("_") and k != "training"]
        return ", ".join(f"{k}={v}" for k, v in own if isinstance(v, shown))

    __repr__ = nn.Module.__repr__
