"""LeNet-5 as the tutorials write it, in Flax."""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp


class LeNet(nn.Module):
    """Two 5x5 convolutions with 2x2 max pooling, then three dense layers.

    Takes images (N, in_channels, 32, 32), PyTorch's layout, and gives logits (N, classes). The layers are named as in
    the PyTorch tutorial (conv1, conv2, fc1, fc2, fc3), so weights carry over by name.
    """

    in_channels: int = 1
    classes: int = 10

    @nn.compact
    def __call__(self, images):
        x = jnp.moveaxis(images, 1, -1)  # Flax convolves (N, H, W, C)
        x = nn.max_pool(nn.relu(nn.Conv(6, (5, 5), padding="VALID", name="conv1")(x)), (2, 2), (2, 2))
        x = nn.max_pool(nn.relu(nn.Conv(16, (5, 5), padding="VALID", name="conv2")(x)), (2, 2), (2, 2))
        x = jnp.moveaxis(x, -1, 1).reshape(x.shape[0], -1)  # PyTorch flattens (C, H, W)
        x = nn.relu(nn.Dense(120, name="fc1")(x))
        x = nn.relu(nn.Dense(84, name="fc2")(x))
        return nn.Dense(self.classes, name="fc3")(x)
