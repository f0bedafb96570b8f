"""Three networks, each written once for PyTorch and torchish, and once in Flax."""

from __future__ import annotations

import flax.linen as linen
import jax.numpy as jnp


def lenet(torch):
    nn, F = torch.nn, torch.nn.functional

    class LeNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
            self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
            x = F.max_pool2d(F.relu(self.conv2(x)), 2)
            return self.fc3(F.relu(self.fc2(F.relu(self.fc1(torch.flatten(x, 1))))))

    return LeNet()


WIDTHS = (4, 8, 12, 16)


def resnet18(torch, classes: int = 10):
    """ResNet-18 (arXiv:1512.03385), narrow, with the stem for small images."""
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self, n, width, stride):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(n, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
            self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
            self.shortcut = nn.Sequential()
            if stride != 1 or n != width:
                self.shortcut = nn.Sequential(nn.Conv2d(n, width, 1, stride, bias=False), nn.BatchNorm2d(width))

        def forward(self, x):
            y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
            return F.relu(y + self.shortcut(x))

    class ResNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, WIDTHS[0], 3, 1, 1, bias=False), nn.BatchNorm2d(WIDTHS[0]), nn.ReLU())
            blocks, n = [], WIDTHS[0]
            for i, width in enumerate(WIDTHS):
                blocks += [Block(n, width, 1 if i == 0 else 2), Block(width, width, 1)]
                n = width
            self.blocks, self.fc = nn.Sequential(*blocks), nn.Linear(n, classes)

        def forward(self, x):
            return self.fc(self.blocks(self.stem(x)).mean((2, 3)))

    return ResNet()


def transformer(torch, dropout: float = 0.0, classes: int = 5):
    """A classifier of token sequences: embedding, sinusoidal positions, two encoder layers, mean, linear."""
    nn = torch.nn

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(20, 16)
            angle = torch.arange(12.0)[:, None] / 10.0 ** torch.arange(0.0, 4.0, 0.5)
            self.register_buffer("positions", torch.cat([torch.sin(angle), torch.cos(angle)], 1))
            layer = nn.TransformerEncoderLayer(16, 2, 32, dropout, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = nn.Linear(16, classes)

        def forward(self, tokens):
            return self.head(self.encoder(self.embedding(tokens) + self.positions).mean(1))

    return Classifier()


# --- the same in Flax, in its own layout (N, H, W, C) and names ------------------------------------------------------


class Block(linen.Module):
    width: int
    stride: int

    @linen.compact
    def __call__(self, x, train: bool):
        def norm(y):
            return linen.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5)(y)

        s = (self.stride, self.stride)
        y = linen.relu(norm(linen.Conv(self.width, (3, 3), s, [(1, 1), (1, 1)], use_bias=False)(x)))
        y = norm(linen.Conv(self.width, (3, 3), 1, [(1, 1), (1, 1)], use_bias=False)(y))
        if x.shape != y.shape:
            x = norm(linen.Conv(self.width, (1, 1), s, "VALID", use_bias=False)(x))
        return linen.relu(x + y)


class ResNet18(linen.Module):
    classes: int = 10

    @linen.compact
    def __call__(self, x, train: bool = False):
        x = linen.Conv(WIDTHS[0], (3, 3), 1, [(1, 1), (1, 1)], use_bias=False)(x)
        x = linen.relu(linen.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5)(x))
        for i, width in enumerate(WIDTHS):
            x = Block(width, 1 if i == 0 else 2)(x, train)
            x = Block(width, 1)(x, train)
        return linen.Dense(self.classes)(x.mean((1, 2)))


class EncoderLayer(linen.Module):
    @linen.compact
    def __call__(self, x, train: bool):
        drop = linen.Dropout(0.1, deterministic=not train)
        x = linen.LayerNorm(epsilon=1e-5)(x + drop(linen.MultiHeadDotProductAttention(2)(x, x)))
        y = linen.Dense(16)(drop(linen.relu(linen.Dense(32)(x))))
        return linen.LayerNorm(epsilon=1e-5)(x + drop(y))


class Transformer(linen.Module):
    classes: int = 5

    @linen.compact
    def __call__(self, tokens, train: bool = False):
        angle = jnp.arange(12.0)[:, None] / 10.0 ** jnp.arange(0.0, 4.0, 0.5)
        x = linen.Embed(20, 16)(tokens) + jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], 1)
        for _ in range(2):
            x = EncoderLayer()(x, train)
        return linen.Dense(self.classes)(x.mean(1))
