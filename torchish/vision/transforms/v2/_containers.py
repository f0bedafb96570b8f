"""Transforms made of transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torchish as torch
from torchish import nn
from torchish.vision.transforms.v2._samples import Transform


class _Of(Transform):
    def __init__(self, transforms: Any):
        super().__init__()
        if not isinstance(transforms, Sequence | nn.ModuleList):
            raise TypeError("Argument transforms should be a sequence of callables" + self._or_list)
        if not transforms:
            raise ValueError("Pass at least one transform")
        self.transforms = transforms

    _or_list = ""

    def _through(self, transforms: Any, inputs: tuple) -> Any:
        several = len(inputs) > 1
        for t in transforms:
            out = t(*inputs)
            inputs = out if several else (out,)
        return inputs if several else inputs[0]


class Compose(_Of):
    """One transform after another."""

    def forward(self, *inputs: Any) -> Any:
        return self._through(self.transforms, inputs)

    def extra_repr(self) -> str:
        return "\n".join(f"    {t}" for t in self.transforms)


class RandomApply(_Of):
    """All of the transforms with probability `p`, none otherwise."""

    _or_list = " or a `nn.ModuleList`"

    def __init__(self, transforms: Any, p: float = 0.5):
        super().__init__(transforms)
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        return self._through(self.transforms if not bool(torch.rand(1) >= self.p) else (), inputs)

    extra_repr = Compose.extra_repr


class RandomChoice(_Of):
    """One of the transforms, drawn with weights `p`."""

    def __init__(self, transforms: Any, p: list[float] | None = None):
        super().__init__(transforms)
        if p is not None and len(p) != len(transforms):
            raise ValueError(f"Length of p doesn't match the number of transforms: {len(p)} != {len(transforms)}")
        weights = p or [1] * len(transforms)
        self.p = [w / sum(weights) for w in weights]

    def forward(self, *inputs: Any) -> Any:
        return self.transforms[int(torch.multinomial(torch.tensor(self.p), 1))](*inputs)


class RandomOrder(_Of):
    """All of the transforms in random order."""

    def forward(self, *inputs: Any) -> Any:
        return self._through([self.transforms[i] for i in torch.randperm(len(self.transforms)).tolist()], inputs)


__all__ = ["Compose", "RandomApply", "RandomChoice", "RandomOrder"]
