"""Normalizations. Statistics of 16-bit floats are kept in float32."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import lax

from torchish.ops.declare import op
from torchish.ops.precision import widen


def _norm(signature, **traits):
    return op(signature, method=False, function=False, out=False, **traits)


def _channels(v, ndim):
    """A vector over channels, ready to broadcast against (N, C, ...)."""
    return None if v is None else widen(v).reshape((1, -1) + (1,) * (ndim - 2))


def _affine(y, weight, bias):
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias


@_norm("batch_norm_train(Tensor input, Tensor? weight, Tensor? bias, float eps)", grad="NativeBatchNormBackward0",
       saves={"input": ("input", "weight"), "weight": ("input",)}, layout="normalized")  # fmt: skip
def batch_norm_train(input, weight, bias, eps):
    """Normalize (N, C, ...) by its own statistics; also the mean and the biased variance of each channel."""
    x = widen(input)
    axes = (0, *range(2, x.ndim))
    mean = x.mean(axes, keepdims=True)
    centered = x - mean
    var = jnp.square(centered).mean(axes, keepdims=True)
    y = centered * lax.rsqrt(var + eps)
    y = _affine(y, _channels(weight, x.ndim), _channels(bias, x.ndim))
    return y.astype(input.dtype), mean.reshape(-1), var.reshape(-1)


@batch_norm_train.backward
def _(grad, input, weight, eps, needs):
    x, g = widen(input), widen(grad[0])
    axes = (0, *range(2, x.ndim))
    mean = x.mean(axes, keepdims=True)
    centered = x - mean
    inverse = lax.rsqrt(jnp.square(centered).mean(axes, keepdims=True) + eps)
    normal = centered * inverse
    g_sum = g.sum(axes, keepdims=True)
    gn_sum = (g * normal).sum(axes, keepdims=True)
    gx = None
    if needs[0]:
        n = x.size // x.shape[1]
        gx = (g - g_sum / n - normal * (gn_sum / n)) * inverse
        if weight is not None:
            gx = gx * _channels(weight, x.ndim)
    return gx, gn_sum.reshape(-1), g_sum.reshape(-1)


@_norm(
    "batch_norm_eval(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean, Tensor running_var, float eps)",
    grad="NativeBatchNormBackward0",
    saves={"input": ("weight",), "weight": ("input",), "running_mean": ("weight",), "running_var": ("input", "weight")},
    layout="normalized",
)
def batch_norm_eval(input, weight, bias, running_mean, running_var, eps):
    """Normalize (N, C, ...) by given statistics."""
    x = widen(input)
    n = x.ndim
    scale = lax.rsqrt(_channels(running_var, n).astype(x.dtype) + eps)
    y = (x - lax.stop_gradient(_channels(running_mean, n).astype(x.dtype))) * lax.stop_gradient(scale)
    return _affine(y, _channels(weight, n), _channels(bias, n)).astype(input.dtype)


@_norm(
    "running_stats(Tensor running_mean, Tensor running_var, Tensor mean, Tensor var, Number momentum, int count)",
    differentiable=False,
)
def running_stats(running_mean, running_var, mean, var, momentum, count):
    """Running statistics moved towards a batch's mean and (made unbiased) variance of `count` values."""
    m = momentum.astype(mean.dtype)
    unbiased = var * (count / max(count - 1, 1))
    new_mean = (1 - m) * widen(running_mean) + m * mean
    new_var = (1 - m) * widen(running_var) + m * unbiased
    return new_mean.astype(running_mean.dtype), new_var.astype(running_var.dtype)


@_norm(
    "native_layer_norm(Tensor input, Tensor? weight, Tensor? bias, int dims, float eps)",
    grad="NativeLayerNormBackward0",
    saves={"input": ("input", "weight"), "weight": ("input",)},
)
def layer_norm(input, weight, bias, dims, eps):
    """Normalize over the last `dims` dimensions."""
    x = widen(input)
    axes = tuple(range(x.ndim - dims, x.ndim))
    centered = x - x.mean(axes, keepdims=True)
    y = centered * lax.rsqrt(jnp.square(centered).mean(axes, keepdims=True) + eps)
    return _affine(y, widen(weight), widen(bias)).astype(input.dtype)


@layer_norm.backward
def _(grad, input, weight, dims, eps):
    x, g = widen(input), widen(grad)
    axes = tuple(range(x.ndim - dims, x.ndim))
    lead = tuple(range(x.ndim - dims))
    centered = x - x.mean(axes, keepdims=True)
    inverse = lax.rsqrt(jnp.square(centered).mean(axes, keepdims=True) + eps)
    normal = centered * inverse
    gw, gb = (g * normal).sum(lead), g.sum(lead)
    if weight is not None:
        g = g * widen(weight)
    gx = inverse * (g - g.mean(axes, keepdims=True) - normal * (g * normal).mean(axes, keepdims=True))
    return gx, gw, gb


@_norm(
    "native_group_norm(Tensor input, Tensor? weight, Tensor? bias, int groups, float eps)",
    grad="NativeGroupNormBackward0",
    saves={"input": ("input", "weight"), "weight": ("input",)},
    layout="windows",
)
def group_norm(input, weight, bias, groups, eps):
    """Normalize (N, C, ...) over each of `groups` groups of channels."""
    x = widen(input)
    n, c = x.shape[:2]
    g = x.reshape(n, groups, x.size // max(n * groups, 1))
    centered = g - g.mean(-1, keepdims=True)
    y = (centered * lax.rsqrt(jnp.square(centered).mean(-1, keepdims=True) + eps)).reshape(x.shape)
    return _affine(y, _channels(weight, x.ndim), _channels(bias, x.ndim)).astype(input.dtype)


@group_norm.backward
def _(grad, input, weight, groups, eps):
    """By way of what each channel's gradients, and their products with the normalized values, add up to."""
    x, g = widen(input), widen(grad)
    n, c = x.shape[:2]
    area = math.prod(x.shape[2:])
    count = max(c // groups * area, 1)
    x, g = (v.reshape(n, groups, c // groups, area) for v in (x, g))
    centered = x - x.mean((2, 3), keepdims=True)
    inverse = lax.rsqrt(jnp.square(centered).mean((2, 3), keepdims=True) + eps)
    g_sum = g.sum(3, keepdims=True)
    gn_sum = (g * centered).sum(3, keepdims=True) * inverse
    scale = jnp.ones((), x.dtype) if weight is None else widen(weight).reshape(1, groups, -1, 1)
    g_mean, gn_mean = ((scale * v).sum(2, keepdims=True) / count for v in (g_sum, gn_sum))
    gx = inverse * (scale * g - g_mean - centered * (inverse * gn_mean))
    return gx.reshape(grad.shape), gn_sum.sum(0).reshape(-1), g_sum.sum(0).reshape(-1)


@_norm("rms_norm_composed(Tensor input, Tensor? weight, int dims, float eps)", grad="MulBackward0")
def rms_norm(input, weight, dims, eps):
    """Divide by the root of the mean square over the last `dims` dimensions."""
    x = widen(input)
    axes = tuple(range(x.ndim - dims, x.ndim))
    scale = lax.rsqrt((x * x).mean(axes, keepdims=True) + eps)
    y = x * scale
    if weight is not None:
        # (PyTorch multiplies in the wider type, then rounds)
        y = y * widen(weight)
        return y.astype(jnp.promote_types(input.dtype, weight.dtype))
    return y.astype(input.dtype)


@_norm("cosine_similarity(Tensor x1, Tensor x2, int dim, float eps)", grad="SumBackward1")
def cosine_similarity(x1, x2, dim, eps):
    """The cosine of the angle between vectors along `dim`, norms being held at eps or more."""
    a, b = widen(x1), widen(x2)
    if not a.ndim:
        a, b = a.reshape(1), b.reshape(1)

    def unit(v):
        square = (v * jnp.conj(v)).real.sum(dim, keepdims=True)
        norm = jnp.sqrt(jnp.where(square == 0, 1, square))
        # the floor under the norm is for the value: the gradient is that of the norm itself, 0 at 0
        norm = jnp.where(square == 0, 0, norm)
        return v / (norm + lax.stop_gradient(jnp.maximum(norm, eps) - norm))

    return (unit(a) * unit(b)).sum(dim).astype(x1.dtype)


@_norm("weight_norm(Tensor v, Tensor g, int dim)", grad="WeightNormInterfaceBackward0")
def weight_norm(v, g, dim):
    """v in the norms g: each slice along `dim` divided by its own norm."""
    x = widen(v)
    norm = jnp.sqrt(jnp.square(x).sum([d for d in range(x.ndim) if d != dim], keepdims=True))
    return (x * (widen(g) / norm)).astype(v.dtype)
