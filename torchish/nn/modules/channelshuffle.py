"""Shuffling channels between groups."""

from __future__ import annotations

from torchish._tensor.tensor import Tensor
from torchish.nn import functional as F
from torchish.nn.modules.module import Module


class ChannelShuffle(Module):
    """Reorders the channels (g, C / g) of (N, C, *) as (C / g, g)."""

    __constants__ = ["groups"]

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
