"""DenseNet (arXiv 1608.06993)."""

from __future__ import annotations

import re
from typing import Any

import torchish as torch
from torchish import nn
from torchish.nn import functional as F
from torchish.utils.checkpoint import checkpoint
from torchish.vision.models._weights import register_model


class _DenseLayer(nn.Module):
    """All features so far to few channels, and a 3x3 convolution to `growth_rate` new ones."""

    def __init__(self, num_input_features: int, growth_rate: int, bn_size: int, drop_rate: float, memory_efficient: bool = False):
        super().__init__()
        between = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_input_features, between, kernel_size=1, stride=1, bias=False)
        self.norm2 = nn.BatchNorm2d(between)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(between, growth_rate, kernel_size=3, stride=1, padding=1, bias=False)
        self.drop_rate, self.memory_efficient = float(drop_rate), memory_efficient

    def bn_function(self, inputs: list) -> Any:
        return self.conv1(self.relu1(self.norm1(torch.cat(inputs, 1))))

    def forward(self, input: Any) -> Any:
        features = [input] if isinstance(input, torch.Tensor) else input
        if self.memory_efficient and any(f.requires_grad for f in features):
            x = checkpoint(lambda *f: self.bn_function(list(f)), *features, use_reentrant=False)
        else:
            x = self.bn_function(features)
        x = self.conv2(self.relu2(self.norm2(x)))
        return F.dropout(x, p=self.drop_rate, training=self.training) if self.drop_rate > 0 else x


class _DenseBlock(nn.ModuleDict):
    """Layers that each see what came in and what all before them have added."""

    def __init__(
        self, num_layers: int, num_input_features: int, bn_size: int, growth_rate: int, drop_rate: float, memory_efficient: bool = False
    ):
        super().__init__()
        for i in range(num_layers):
            layer = _DenseLayer(num_input_features + i * growth_rate, growth_rate, bn_size, drop_rate, memory_efficient)
            self.add_module(f"denselayer{i + 1}", layer)

    def forward(self, init_features: Any) -> Any:
        features = [init_features]
        for layer in self.values():
            features.append(layer(features))
        return torch.cat(features, 1)


class _Transition(nn.Sequential):
    """Half the channels, half the height and width."""

    def __init__(self, num_input_features: int, num_output_features: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input_features)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(num_input_features, num_output_features, kernel_size=1, stride=1, bias=False)
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)


class DenseNet(nn.Module):
    """Images (N, 3, H, W) to logits (N, num_classes); `memory_efficient` computes the joined features again in `backward`."""

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: tuple[int, ...] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
        memory_efficient: bool = False,
    ):
        super().__init__()
        features = nn.Sequential()
        features.add_module("conv0", nn.Conv2d(3, num_init_features, kernel_size=7, stride=2, padding=3, bias=False))
        features.add_module("norm0", nn.BatchNorm2d(num_init_features))
        features.add_module("relu0", nn.ReLU(inplace=True))
        features.add_module("pool0", nn.MaxPool2d(kernel_size=3, stride=2, padding=1))
        channels = num_init_features
        for i, layers in enumerate(block_config):
            if i:
                features.add_module(f"transition{i}", _Transition(channels, channels // 2))
                channels //= 2
            block = _DenseBlock(layers, channels, bn_size, growth_rate, drop_rate, memory_efficient)
            features.add_module(f"denseblock{i + 1}", block)
            channels += layers * growth_rate
        features.add_module("norm5", nn.BatchNorm2d(channels))
        self.features = features
        self.classifier = nn.Linear(channels, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight)
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)
            elif isinstance(m, nn.Linear):
                nn.init.constant_(m.bias, 0)

    def forward(self, x: Any) -> Any:
        x = F.relu(self.features(x), inplace=True)
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))

    def _load_published(self, state: dict[str, Any]) -> None:
        """Load the weights, whose file has names from before modules' names could hold no dots: `norm.1` for `norm1`."""
        self.load_state_dict({re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.(?=[12]\.)", r"\1", name): t for name, t in state.items()})


@register_model()
def densenet121(**kwargs: Any) -> DenseNet:
    """DenseNet of 121 layers."""
    return DenseNet(32, (6, 12, 24, 16), 64, **kwargs)


@register_model()
def densenet161(**kwargs: Any) -> DenseNet:
    """DenseNet of 161 layers, which grows by 48 channels a layer."""
    return DenseNet(48, (6, 12, 36, 24), 96, **kwargs)


@register_model()
def densenet169(**kwargs: Any) -> DenseNet:
    """DenseNet of 169 layers."""
    return DenseNet(32, (6, 12, 32, 32), 64, **kwargs)


@register_model()
def densenet201(**kwargs: Any) -> DenseNet:
    """DenseNet of 201 layers."""
    return DenseNet(32, (6, 12, 48, 32), 64, **kwargs)
