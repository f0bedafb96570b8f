"""Activation functions. Gradients at kinks are PyTorch's: the branches say on which side a boundary lies.

Those at nan are the ones of PyTorch's loops over vectors, or of its loops over elements for what does not fill vectors.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from torchish.ops.declare import ARITH, op
from torchish.ops.elementary import erf, expm1, log1p, tanh
from torchish.ops.precision import quotient, widen
from torchish.ops.rules import left_over, partials


def _activation(signature, **traits):
    return op(signature, promote=ARITH, method=False, out=False, **traits)


def _hidden(signature, **traits):
    return _activation(signature, function=False, **traits)


@_hidden("leaky_relu(Tensor input, float negative_slope)", inplace_grad="LeakyReluBackward1")
def leaky_relu(input, negative_slope):
    return jnp.where(input > 0, input, input * negative_slope)


def _elu_slope(x, alpha, scale, input_scale):
    """nan is on the bent piece in vectors, else on the straight one; 0 is on the bent one, whose own derivative is 0 there."""
    straight = (x > 0) | (jnp.isnan(x) & left_over(x, 2))
    bent = jnp.exp(jnp.where(straight | (x == 0), 0, x) * input_scale) * (alpha * scale * input_scale)
    return jnp.where(straight, scale, bent)


@_hidden("elu(Tensor input, float alpha, float scale, float input_scale)", inplace_grad="EluBackward1")
def elu(input, alpha, scale, input_scale):
    @partials(lambda x, result: _elu_slope(x, alpha, scale, input_scale))
    def value(x):
        low = jnp.where(x > 0, 0, x)
        return jnp.where(x > 0, x * scale, expm1(low * input_scale) * (alpha * scale))

    return value(input)


@_hidden("celu(Tensor input, float alpha)", inplace_grad="CeluBackward1")
def celu(input, alpha):
    @partials(lambda x, result: _elu_slope(x, alpha, 1.0, 1 / alpha))
    def value(x):
        low = jnp.where(x > 0, 0, x)
        return jnp.where(x > 0, x, expm1(low / alpha) * alpha)

    return value(input)


def _inside(x, low, high):
    return ((x > low) & (x < high)) | (jnp.isnan(x) & left_over(x, 1))


@_hidden("hardtanh(Tensor input, float min_val, float max_val)")
def hardtanh(input, min_val, max_val):
    low, high = jnp.asarray(min_val, input.dtype), jnp.asarray(max_val, input.dtype)

    @partials(lambda x, result: _inside(x, min_val, max_val))
    def value(x):
        return jnp.where(x < low, low, jnp.where(x > high, high, x))  # (-0 stays where a bound is 0)

    return value(input)


@hardtanh.backward
def _(grad, input, min_val, max_val):
    return jnp.where(_inside(input, min_val, max_val), grad, 0)


@_hidden("gelu(Tensor input, str approximate)")
def gelu(input, approximate):
    if approximate == "tanh":
        return 0.5 * input * (1 + tanh(math.sqrt(2 / math.pi) * (input + 0.044715 * input**3)))
    return 0.5 * input * (1 + erf(input * math.sqrt(0.5)))


@gelu.backward
def _(grad, input, approximate):
    if approximate == "tanh":
        k = math.sqrt(2 / math.pi)
        t = tanh(k * (input + 0.044715 * input**3))
        return grad * (0.5 * (1 + t) + 0.5 * input * (1 - t * t) * k * (1 + 3 * 0.044715 * input**2))
    density = jnp.exp(-0.5 * input * input) / math.sqrt(2 * math.pi)
    return grad * (0.5 * (1 + erf(input * math.sqrt(0.5))) + input * density)


@_hidden("silu(Tensor input)")
def silu(input):
    return input * jax.nn.sigmoid(input)


@_hidden("mish(Tensor input)")
def mish(input):
    return input * tanh(jnp.logaddexp(input, 0))


@_hidden("softplus(Tensor input, float beta, float threshold)")
def softplus(input, beta, threshold):
    linear = input * beta > threshold
    return jnp.where(linear, input, log1p(jnp.exp(jnp.where(linear, 0, input * beta))) / beta)


@softplus.backward
def _(grad, input, beta, threshold):
    linear = input * beta > threshold
    z = jnp.exp(jnp.where(linear, 0, input * beta))
    return jnp.where(linear, grad, grad * z / (z + 1))


def _beyond(x, lambd):
    return (x < -lambd) | (x > lambd) | (jnp.isnan(x) & left_over(x, 1))


@_hidden("softshrink(Tensor input, float lambd)")
def softshrink(input, lambd):
    @partials(lambda x, result: _beyond(x, lambd))
    def value(x):
        between = jnp.where(jnp.isnan(x) | left_over(x, 1), x * 0, 0)  # 0, or nan for nan; vectors drop the sign
        return jnp.where(x > lambd, x - lambd, jnp.where(x < -lambd, x + lambd, between))

    return value(input)


@_hidden("hardshrink(Tensor input, float lambd)")
def hardshrink(input, lambd):
    @partials(lambda x, result: _beyond(x, lambd))
    def value(x):
        return jnp.where((x >= -lambd) & (x <= lambd), 0, x)

    return value(input)


@softshrink.backward
@hardshrink.backward
def _(grad, input, lambd):
    return jnp.where(_beyond(input, lambd), grad, 0)


@_hidden("hardsigmoid(Tensor input)")
def hardsigmoid(input):
    return _hardsigmoid(input)


@partials(lambda x, result: jnp.where((x > -3) & (x < 3), np.float32(1 / 6).item(), 0))  # PyTorch's constant; nan is on no piece
def _hardsigmoid(x):
    return quotient(jnp.clip(x + 3, 0, 6), x.dtype.type(6))


@_hidden("hardswish(Tensor input)")
def hardswish(input):
    return _hardswish(input)


def _hardswish_slope(x, result):
    inside = quotient(x, x.dtype.type(3)) + 0.5
    return jnp.where(x <= -3, 0, jnp.where((x >= 3) | (jnp.isnan(x) & left_over(x, 2)), 1, inside))


@partials(_hardswish_slope)
def _hardswish(x):
    # (x * 0 keeps the sign of zero, and makes nan of -inf)
    return jnp.where(x <= -3, x * 0, quotient(x * jnp.minimum(x + 3, 6), x.dtype.type(6)))


@_hidden("threshold(Tensor input, float threshold, float value)", inplace_grad="ThresholdBackward1")
def threshold(input, threshold, value):
    return jnp.where(input <= threshold, jnp.asarray(value, input.dtype), input)


@_hidden("log_sigmoid(Tensor input)", layout="contiguous")
def log_sigmoid(input):
    return jnp.minimum(input, 0) - log1p(jnp.exp(-jnp.abs(input)))


@log_sigmoid.backward
def _(grad, input):
    return grad * jax.nn.sigmoid(-input)


@_hidden("prelu(Tensor input, Tensor weight)", grad="PreluKernelBackward0")
def prelu(input, weight):
    return _prelu(input, weight)


# Tangents at 0 are those of the straight piece; gradients are the bent one's.
@partials(lambda x, weight, result: jnp.where(x >= 0, 1, weight), lambda x, weight, result: jnp.where(x >= 0, 0, x))
def _prelu(x, weight):
    return jnp.where(x > 0, x, weight * x)


@prelu.backward
def _(grad, input, weight):
    straight = input > 0
    return jnp.where(straight, grad, weight * grad), jnp.where(straight, 0, input * grad)


@_hidden(
    "rrelu(Tensor input, Tensor noise)", grad="RreluWithNoiseBackward0", inplace_grad="RreluWithNoiseBackward1", layout="contiguous"
)
def rrelu_with_noise(input, noise):
    return jnp.where(input > 0, input, input * noise)


@_hidden(
    "rrelu_eval(Tensor input, float slope)", grad="RreluWithNoiseBackward0", inplace_grad="RreluWithNoiseBackward1", layout="contiguous"
)
def rrelu_eval(input, slope):
    return jnp.where(input > 0, input, input * slope)


@op("glu(Tensor input, int dim)", method=False, function=False, out=False, layout="pointwise")
def glu(input, dim):
    a, b = jnp.split(widen(input), 2, dim)
    return (a * jax.nn.sigmoid(b)).astype(input.dtype)


@_hidden(
    "_dropout_apply(Tensor input, Tensor noise)", saves={"input": ("noise",), "noise": ("input",)}, grad="MulBackward0"
)
def dropout_apply(input, noise):
    return input * noise
