"""GoogLeNet (arXiv 1409.4842), the first version of Inception."""

from __future__ import annotations

import warnings
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import torchish as torch
from torchish import nn
from torchish.nn import functional as F
from torchish.vision.models._weights import register_model
from torchish.vision.models.inception import (
    BasicConv2d,
    WithHeads,
    asked_to_initialize,
    built,
    from_minus_one_to_one,
    initialize_truncated,
)

GoogLeNetOutputs = namedtuple("GoogLeNetOutputs", ["logits", "aux_logits2", "aux_logits1"])
_GoogLeNetOutputs = GoogLeNetOutputs


class Inception(nn.Module):
    """Four branches beside each other; that of 5x5 has 3x3, as the published weights have."""

    def __init__(
        self,
        in_channels: int,
        ch1x1: int,
        ch3x3red: int,
        ch3x3: int,
        ch5x5red: int,
        ch5x5: int,
        pool_proj: int,
        conv_block: Callable[..., nn.Module] | None = None,
    ):
        super().__init__()
        block = conv_block or BasicConv2d
        self.branch1 = block(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(block(in_channels, ch3x3red, kernel_size=1), block(ch3x3red, ch3x3, kernel_size=3, padding=1))
        self.branch3 = nn.Sequential(block(in_channels, ch5x5red, kernel_size=1), block(ch5x5red, ch5x5, kernel_size=3, padding=1))
        pool = nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True)
        self.branch4 = nn.Sequential(pool, block(in_channels, pool_proj, kernel_size=1))

    def forward(self, x: Any) -> Any:
        return torch.cat([branch(x) for branch in self.children()], 1)


class InceptionAux(nn.Module):
    """Logits from the middle of the network, where only training looks."""

    def __init__(self, in_channels: int, num_classes: int, conv_block: Callable[..., nn.Module] | None = None, dropout: float = 0.7):
        super().__init__()
        self.conv = (conv_block or BasicConv2d)(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, x: Any) -> Any:
        x = torch.flatten(self.conv(F.adaptive_avg_pool2d(x, (4, 4))), 1)
        return self.fc2(self.dropout(F.relu(self.fc1(x), inplace=True)))


# In channels, then those of the branches.
_GOOGLENET = {
    "3a": (192, 64, 96, 128, 16, 32, 32), "3b": (256, 128, 128, 192, 32, 96, 64),
    "4a": (480, 192, 96, 208, 16, 48, 64), "4b": (512, 160, 112, 224, 24, 64, 64), "4c": (512, 128, 128, 256, 24, 64, 64),
    "4d": (512, 112, 144, 288, 32, 64, 64), "4e": (528, 256, 160, 320, 32, 128, 128),
    "5a": (832, 256, 160, 320, 32, 128, 128), "5b": (832, 384, 192, 384, 48, 128, 128),
}  # fmt: skip
# A head follows 4a, and one 4d.
_LAYERS = (
    "conv1", "maxpool1", "conv2", "conv3", "maxpool2", "inception3a", "inception3b", "maxpool3", "inception4a", "inception4b",
    "inception4c", "inception4d", "inception4e", "maxpool4", "inception5a", "inception5b", "avgpool",
)  # fmt: skip


class GoogLeNet(WithHeads):
    """Images (N, 3, H, W) to logits (N, num_classes); in training to those and the logits of two places in the middle."""

    _heads = ("aux1", "aux2")

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        init_weights: bool | None = None,
        blocks: list[Callable[..., nn.Module]] | None = None,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ):
        super().__init__()
        initialize = asked_to_initialize("GoogleNet", init_weights)
        if blocks is not None and len(blocks) != 3:
            raise ValueError(f"blocks length should be 3 instead of {len(blocks)}")
        conv, inception, aux = blocks or [BasicConv2d, Inception, InceptionAux]
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.conv1 = conv(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        for name, channels in _GOOGLENET.items():
            setattr(self, f"inception{name}", inception(*channels))
            if name in ("3b", "4e"):
                setattr(self, f"maxpool{name[0]}", nn.MaxPool2d(3 if name == "3b" else 2, stride=2, ceil_mode=True))
        self.aux1 = aux(512, num_classes, dropout=dropout_aux) if aux_logits else None
        self.aux2 = aux(528, num_classes, dropout=dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(1024, num_classes)
        if initialize:
            initialize_truncated(self, 0.01)

    def forward(self, x: Any) -> Any:
        if self.transform_input:
            x = from_minus_one_to_one(x)
        aux: list = []
        for names, head in ((_LAYERS[:9], self.aux1), (_LAYERS[9:12], self.aux2), (_LAYERS[12:], None)):
            for name in names:
                x = getattr(self, name)(x)
            aux.append(head(x) if self.training and head is not None else None)
        x = self.fc(self.dropout(torch.flatten(x, 1)))
        return GoogLeNetOutputs(x, aux[1], aux[0]) if self.training and self.aux_logits else x


@register_model()
def googlenet(*, _initialize: bool = True, **kwargs: Any) -> GoogLeNet:
    """GoogLeNet; with published weights without the heads in its middle, unless `aux_logits=True`."""
    model = built(GoogLeNet, False, _initialize, kwargs)
    if not _initialize and not model._without_heads:
        warnings.warn("auxiliary heads in the pretrained googlenet model are NOT pretrained, so make sure to train them", stacklevel=3)
    return model
