"""The training workloads written by hand in Flax, Optax and one `jax.jit`: `NAME()` builds one and returns its step.

Layouts are Flax's own (images as N, H, W, C). A step ends with the loss on the host.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

Step = Callable[[], Any]


def _training(net: nn.Module, tx: optax.GradientTransformation, inputs: np.ndarray, classes: int = 10) -> Step:
    """One jitted update of parameters, batch statistics and optimizer state, with their buffers donated."""
    data, labels = jnp.asarray(inputs), jnp.asarray(np.random.default_rng(1).integers(0, classes, len(inputs)))
    variables = net.init(jax.random.key(0), data)
    params, stats = variables["params"], variables.get("batch_stats", {})
    held = [(params, stats, tx.init(params))]

    @functools.partial(jax.jit, donate_argnums=0)
    def update(state, inputs, labels):
        params, stats, opt = state

        def loss_of(p):
            logits, changed = net.apply({"params": p, "batch_stats": stats}, inputs, mutable=["batch_stats"])
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), changed

        (loss, changed), grads = jax.value_and_grad(loss_of, has_aux=True)(params)
        updates, opt = tx.update(grads, opt, params)
        return (optax.apply_updates(params, updates), changed.get("batch_stats", {}), opt), loss

    def step():
        held[0], loss = update(held[0], data, labels)
        return float(loss)

    return step


def _normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


class LeNet(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.max_pool(nn.relu(nn.Conv(6, (5, 5), padding="VALID")(x)), (2, 2), (2, 2))
        x = nn.max_pool(nn.relu(nn.Conv(16, (5, 5), padding="VALID")(x)), (2, 2), (2, 2))
        x = x.reshape(x.shape[0], -1)
        return nn.Dense(10)(nn.relu(nn.Dense(84)(nn.relu(nn.Dense(120)(x)))))


class MLP(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(10)(nn.relu(nn.Dense(512)(nn.relu(nn.Dense(512)(x)))))


class EncoderLayer(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.LayerNorm(epsilon=1e-5)(x + nn.MultiHeadDotProductAttention(4)(x, x))
        return nn.LayerNorm(epsilon=1e-5)(x + nn.Dense(128)(nn.relu(nn.Dense(512)(x))))


class Transformer(nn.Module):
    @nn.compact
    def __call__(self, tokens):
        position = self.param("position", nn.initializers.normal(0.02), (1, 64, 128))
        x = nn.Embed(1000, 128)(tokens) + position
        for _ in range(2):
            x = EncoderLayer()(x)
        return nn.Dense(10)(x.mean(1))


class LSTM(nn.Module):
    @nn.compact
    def __call__(self, x):
        for _ in range(2):
            x = nn.RNN(nn.OptimizedLSTMCell(128))(x)
        return nn.Dense(10)(x[:, -1])


class Block(nn.Module):
    width: int
    stride: int

    @nn.compact
    def __call__(self, x):
        norm = functools.partial(nn.BatchNorm, use_running_average=False, momentum=0.9, epsilon=1e-5)
        conv = functools.partial(nn.Conv, use_bias=False)
        s = (self.stride, self.stride)
        y = nn.relu(norm()(conv(self.width, (3, 3), s, [(1, 1), (1, 1)])(x)))
        y = norm()(conv(self.width, (3, 3), 1, [(1, 1), (1, 1)])(y))
        if x.shape != y.shape:
            x = norm()(conv(self.width, (1, 1), s, "VALID")(x))
        return nn.relu(x + y)


class ResNet18(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Conv(64, (3, 3), 1, [(1, 1), (1, 1)], use_bias=False)(x)
        x = nn.relu(nn.BatchNorm(use_running_average=False, momentum=0.9, epsilon=1e-5)(x))
        for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
            x = Block(width, 1)(Block(width, stride)(x))
        return nn.Dense(10)(x.mean((1, 2)))


def lenet(batch: int) -> Step:
    """LeNet on 32x32x3 images, SGD with momentum."""
    return _training(LeNet(), optax.sgd(0.001, momentum=0.9), _normal(batch, 32, 32, 3))


def mlp(batch: int) -> Step:
    """784-512-512-10 with ReLU, SGD with momentum."""
    return _training(MLP(), optax.sgd(0.01, momentum=0.9), _normal(batch, 784))


def transformer() -> Step:
    """The Transformer encoder, AdamW."""
    return _training(Transformer(), optax.adamw(1e-3, weight_decay=0.01), np.random.default_rng(0).integers(0, 1000, (16, 64)))


def lstm() -> Step:
    """The LSTM classifier, Adam."""
    return _training(LSTM(), optax.adam(1e-3), _normal(32, 32, 64))


def resnet18() -> Step:
    """ResNet-18 with a 3x3 stem, SGD with momentum."""
    return _training(ResNet18(), optax.sgd(0.01, momentum=0.9), _normal(16, 32, 32, 3))


def regression() -> Step:
    """200 updates of a line, written with `jax.value_and_grad`; the last loss is read."""
    x = jnp.linspace(1, 100, 100)
    y = x + 10 * jnp.asarray(_normal(100))
    held = [(jnp.asarray(0.3), jnp.asarray(0.6))]

    @jax.jit
    def update(w, x, y):
        loss, g = jax.value_and_grad(lambda w: jnp.mean((w[0] * x + w[1] - y) ** 2))(w)
        return tuple(p - 0.0001 * d for p, d in zip(w, g, strict=True)), loss

    def step():
        for _ in range(200):
            held[0], loss = update(held[0], x, y)
        return float(loss)

    return step


def small_sum() -> Step:
    """`(x + y).sum()` on 3x3 arrays, jitted, read."""
    x, y = jnp.asarray(_normal(3, 3)), jnp.ones((3, 3))
    f = jax.jit(lambda x, y: (x + y).sum())
    return lambda: float(f(x, y))
