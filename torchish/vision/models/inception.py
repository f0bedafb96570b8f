"""Inception v3 (arXiv 1512.00567), and what it has in common with GoogLeNet."""

from __future__ import annotations

import warnings
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import torchish as torch
from torchish import nn
from torchish.nn import functional as F
from torchish.vision.models._weights import register_model

InceptionOutputs = namedtuple("InceptionOutputs", ["logits", "aux_logits"])
_InceptionOutputs = InceptionOutputs


class BasicConv2d(nn.Module):
    """A convolution, normalized, rectified."""

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Any) -> Any:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class _Mixed(nn.Module):
    """Branches beside each other, their channels joined.

    A branch is the layers `stem_1`, `stem_2`…; `stem_2a` and `stem_2b` stand beside each other. The last branch is of pooled values:
    of means, which `branch_pool` follows, or where there is no such layer of maxima, of half the height and width.
    """

    def __init__(self, in_channels: int, conv_block: Callable[..., nn.Module] | None, layers: dict[str, tuple]):
        super().__init__()
        made: dict[str, int] = {}  # the channels after each layer
        for name, (channels, kernel, *stride) in layers.items():
            stem, _, step = name.rpartition("_")
            before = made.get(f"{stem}_{int(step[0]) - 1}", in_channels) if step[0].isdigit() else in_channels
            shape: dict[str, Any] = {"kernel_size": kernel}
            if stride:
                shape["stride"] = stride[0]
            elif kernel != 1:
                shape["padding"] = tuple(k // 2 for k in kernel) if isinstance(kernel, tuple) else kernel // 2
            setattr(self, name, (conv_block or BasicConv2d)(before, channels, **shape))
            made[name] = channels

    def _forward(self, x: Any) -> list:
        branches: dict[str, list[list[str]]] = {}
        for name in self._modules:
            stem, _, step = name.rpartition("_")
            if not step[0].isdigit():
                branches[name] = [[name]]
            elif step.endswith("b"):
                branches[stem][-1].append(name)
            else:
                branches.setdefault(stem, []).append([name])
        outputs = []
        for stem, steps in branches.items():
            y = F.avg_pool2d(x, kernel_size=3, stride=1, padding=1) if stem == "branch_pool" else x
            for names in steps:
                beside = [getattr(self, name)(y) for name in names]
                y = beside[0] if len(beside) == 1 else torch.cat(beside, 1)
            outputs.append(y)
        if "branch_pool" not in branches:
            outputs.append(F.max_pool2d(x, kernel_size=3, stride=2))
        return outputs

    def forward(self, x: Any) -> Any:
        return torch.cat(self._forward(x), 1)


class InceptionA(_Mixed):
    """Squares of 3x3 and 5x5."""

    def __init__(self, in_channels: int, pool_features: int, conv_block: Callable[..., nn.Module] | None = None):
        super().__init__(in_channels, conv_block, {
            "branch1x1": (64, 1), "branch5x5_1": (48, 1), "branch5x5_2": (64, 5),
            "branch3x3dbl_1": (64, 1), "branch3x3dbl_2": (96, 3), "branch3x3dbl_3": (96, 3), "branch_pool": (pool_features, 1),
        })  # fmt: skip


class InceptionB(_Mixed):
    """From 35x35 to 17x17."""

    def __init__(self, in_channels: int, conv_block: Callable[..., nn.Module] | None = None):
        super().__init__(in_channels, conv_block, {
            "branch3x3": (384, 3, 2), "branch3x3dbl_1": (64, 1), "branch3x3dbl_2": (96, 3), "branch3x3dbl_3": (96, 3, 2),
        })  # fmt: skip


class InceptionC(_Mixed):
    """Rows and columns of 7."""

    def __init__(self, in_channels: int, channels_7x7: int, conv_block: Callable[..., nn.Module] | None = None):
        row, column = (1, 7), (7, 1)
        super().__init__(in_channels, conv_block, {
            "branch1x1": (192, 1),
            "branch7x7_1": (channels_7x7, 1), "branch7x7_2": (channels_7x7, row), "branch7x7_3": (192, column),
            "branch7x7dbl_1": (channels_7x7, 1), "branch7x7dbl_2": (channels_7x7, column), "branch7x7dbl_3": (channels_7x7, row),
            "branch7x7dbl_4": (channels_7x7, column), "branch7x7dbl_5": (192, row), "branch_pool": (192, 1),
        })  # fmt: skip


class InceptionD(_Mixed):
    """From 17x17 to 8x8."""

    def __init__(self, in_channels: int, conv_block: Callable[..., nn.Module] | None = None):
        super().__init__(in_channels, conv_block, {
            "branch3x3_1": (192, 1), "branch3x3_2": (320, 3, 2),
            "branch7x7x3_1": (192, 1), "branch7x7x3_2": (192, (1, 7)), "branch7x7x3_3": (192, (7, 1)), "branch7x7x3_4": (192, 3, 2),
        })  # fmt: skip


class InceptionE(_Mixed):
    """Rows and columns of 3 beside each other."""

    def __init__(self, in_channels: int, conv_block: Callable[..., nn.Module] | None = None):
        row, column = (1, 3), (3, 1)
        super().__init__(in_channels, conv_block, {
            "branch1x1": (320, 1), "branch3x3_1": (384, 1), "branch3x3_2a": (384, row), "branch3x3_2b": (384, column),
            "branch3x3dbl_1": (448, 1), "branch3x3dbl_2": (384, 3), "branch3x3dbl_3a": (384, row), "branch3x3dbl_3b": (384, column),
            "branch_pool": (192, 1),
        })  # fmt: skip


class InceptionAux(nn.Module):
    """Logits from the middle of the network, where only training looks."""

    def __init__(self, in_channels: int, num_classes: int, conv_block: Callable[..., nn.Module] | None = None):
        super().__init__()
        block = conv_block or BasicConv2d
        self.conv0 = block(in_channels, 128, kernel_size=1)
        self.conv1 = block(128, 768, kernel_size=5)
        self.conv1.stddev = 0.01
        self.fc = nn.Linear(768, num_classes)
        self.fc.stddev = 0.001

    def forward(self, x: Any) -> Any:
        x = self.conv1(self.conv0(F.avg_pool2d(x, kernel_size=5, stride=3)))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


def asked_to_initialize(model: str, init_weights: bool | None) -> bool:
    if init_weights is None:
        warnings.warn(
            f"The default weight initialization of {model} will be changed in future releases of "
            "torchvision. If you wish to keep the old behavior (which leads to long initialization times"
            " due to scipy/scipy#11299), please set init_weights=True.",
            FutureWarning,
            stacklevel=3,
        )
    return init_weights is None or init_weights


def initialize_truncated(model: nn.Module, std: float) -> None:
    for m in model.modules():
        if isinstance(m, nn.Conv2d | nn.Linear):
            nn.init.trunc_normal_(m.weight, mean=0.0, std=float(getattr(m, "stddev", std)), a=-2, b=2)
        elif isinstance(m, nn.BatchNorm2d):
            nn.init.constant_(m.weight, 1)
            nn.init.constant_(m.bias, 0)


def from_minus_one_to_one(x: Any) -> Any:
    """Images normalized by ImageNet's means and deviations, normalized by 0.5 and 0.5."""
    channels = ((0.229, 0.485), (0.224, 0.456), (0.225, 0.406))
    return torch.cat([x[:, i : i + 1] * (std / 0.5) + (mean - 0.5) / 0.5 for i, (std, mean) in enumerate(channels)], 1)


class WithHeads(nn.Module):
    """A network with more logits in its middle, which the published weights always have."""

    _heads: tuple[str, ...]
    _without_heads = False  # whether the heads are dropped once the published weights are there

    def _load_published(self, state: Any) -> None:
        self.load_state_dict(state)
        if self._without_heads:
            self.aux_logits = False
            for name in self._heads:
                setattr(self, name, None)


_BEFORE_HEAD = (
    "Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "maxpool2",
    "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e",
)  # fmt: skip
_AFTER_HEAD = ("Mixed_7a", "Mixed_7b", "Mixed_7c", "avgpool", "dropout")


class Inception3(WithHeads):
    """Images (N, 3, H, W), 299x299, to logits (N, num_classes); in training to those and the logits of the middle."""

    _heads = ("AuxLogits",)

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        inception_blocks: list[Callable[..., nn.Module]] | None = None,
        init_weights: bool | None = None,
        dropout: float = 0.5,
    ):
        super().__init__()
        blocks = inception_blocks or [BasicConv2d, InceptionA, InceptionB, InceptionC, InceptionD, InceptionE, InceptionAux]
        initialize = asked_to_initialize("inception_v3", init_weights)
        if len(blocks) != 7:
            raise ValueError(f"length of inception_blocks should be 7 instead of {len(blocks)}")
        conv, a, b, c, d, e, aux = blocks
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.Conv2d_1a_3x3 = conv(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = conv(32, 64, kernel_size=3, padding=1)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Conv2d_3b_1x1 = conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = conv(80, 192, kernel_size=3)
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Mixed_5b = a(192, pool_features=32)
        self.Mixed_5c = a(256, pool_features=64)
        self.Mixed_5d = a(288, pool_features=64)
        self.Mixed_6a = b(288)
        for name, channels in zip("bcde", (128, 160, 160, 192), strict=True):
            setattr(self, f"Mixed_6{name}", c(768, channels_7x7=channels))
        self.AuxLogits = aux(768, num_classes) if aux_logits else None
        self.Mixed_7a = d(768)
        self.Mixed_7b = e(1280)
        self.Mixed_7c = e(2048)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(2048, num_classes)
        if initialize:
            initialize_truncated(self, 0.1)

    def forward(self, x: Any) -> Any:
        if self.transform_input:
            x = from_minus_one_to_one(x)
        for name in _BEFORE_HEAD:
            x = getattr(self, name)(x)
        aux = self.AuxLogits(x) if self.training and self.AuxLogits is not None else None
        for name in _AFTER_HEAD:
            x = getattr(self, name)(x)
        x = self.fc(torch.flatten(x, 1))
        return InceptionOutputs(x, aux) if self.training and self.aux_logits else x


def built(network: type, heads_by_default: bool, from_random: bool, kwargs: dict[str, Any]) -> Any:
    """The network; for published weights with the heads that they have, and for the images that they were trained with."""
    if from_random:
        return network(**kwargs)
    wanted = kwargs.pop("aux_logits", heads_by_default)
    kwargs.setdefault("transform_input", True)
    if kwargs.setdefault("init_weights", False):
        raise ValueError("The parameter 'init_weights' expected value False but got True instead.")
    model = network(aux_logits=True, **kwargs)
    model._without_heads = not wanted
    return model


@register_model()
def inception_v3(*, _initialize: bool = True, **kwargs: Any) -> Inception3:
    """Inception v3, for images of 299x299."""
    return built(Inception3, True, _initialize, kwargs)


