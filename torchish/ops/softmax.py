"""Softmax, log-softmax and log-sum-exp."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchish import _dtypes as dt
from torchish.ops.declare import op, to_dtype
from torchish.ops.dims import wrap_dim, wrap_dims
from torchish.ops.precision import is_complex, widen
from torchish.ops.reduce import restored


def _prepare(input, dim, dtype, name: str):
    """The values to compute on (float32 for smaller floats), the axis, and the dtype of the result."""
    d = wrap_dim(dim, input.ndim)
    x = input if dtype is None else to_dtype(input, dtype.np)
    if not jnp.issubdtype(x.dtype, jnp.floating) and x.size:
        kernel = f"{name}_lastdim_kernel_impl" if d == max(input.ndim - 1, 0) else f"{name}_kernel_impl"
        raise NotImplementedError(
            f"\"{kernel}\" not implemented for '{dt.SCALAR_TYPE_NAMES[dt.FROM_NP[np.dtype(x.dtype)]]}'"
        )
    return widen(x), d, x.dtype


@op("softmax(Tensor input, int dim, dtype? dtype=None)", aliases=("special.softmax",))
def softmax(input, dim, dtype):
    """exp(x) / sum(exp(x)) along a dimension."""
    x, d, out = _prepare(input, dim, dtype, "softmax")
    if not x.size:
        return x.astype(out)
    return (jax.nn.softmax(x, d) if input.ndim else jnp.where(jnp.isfinite(x), jnp.ones_like(x), jnp.nan)).astype(out)


def _backward(grad, result, input_shape, dim):
    if not input_shape:
        return jnp.zeros_like(grad)
    g, y = widen(grad), widen(result)
    return y * (g - jnp.sum(g * y, dim, keepdims=True))


softmax.backward(_backward)


@op("_safe_softmax(Tensor input, int dim, dtype? dtype=None)", method=False, function=False)
def _safe_softmax(input, dim, dtype):
    """Softmax, with zeros where everything along the dimension is -inf, for queries that may see no key."""
    x, d, out = _prepare(input, dim, dtype, "softmax")
    values = softmax.body(input, dim, dtype)
    return jnp.where(jnp.all(jnp.isneginf(x), d, keepdims=True), 0, values).astype(out) if x.size else values


_safe_softmax.backward(_backward)


@op("log_softmax(Tensor input, int dim, dtype? dtype=None)", aliases=("special.log_softmax",))
def log_softmax(input, dim, dtype):
    """x - log(sum(exp(x))) along a dimension."""
    x, d, out = _prepare(input, dim, dtype, "log_softmax")
    if not x.size:
        return x.astype(out)
    return (jax.nn.log_softmax(x, d) if input.ndim else x - x).astype(out)


@log_softmax.backward
def _(grad, result, input_shape, dim):
    if not input_shape:
        return jnp.zeros_like(grad)
    g, y = widen(grad), widen(result)
    return g - jnp.exp(y) * jnp.sum(g, dim, keepdims=True)


@op("logsumexp(Tensor input, int[] dim, bool keepdim=False)", aliases=("special.logsumexp",))
def logsumexp(input, dim, keepdim):
    """log(sum(exp(x))) over dimensions, without overflow; integers become the default float dtype."""
    axes = wrap_dims(dim, input.ndim)
    if dim == () and input.ndim and not keepdim:
        raise RuntimeError(f"output with shape [] doesn't match the broadcast shape {[1] * input.ndim}")
    x = input if jnp.issubdtype(input.dtype, jnp.inexact) else input.astype(dt._default.np)
    wide = widen(x)
    if not wide.size:
        return jnp.log(jnp.sum(jnp.exp(wide), axes, keepdims=keepdim)).astype(x.dtype)
    top = jnp.max(jnp.real(wide), axes, keepdims=True)
    top = lax.stop_gradient(jnp.where(jnp.isinf(top), jnp.zeros_like(top), top))
    total = jnp.log(jnp.sum(jnp.exp(wide - top), axes, keepdims=True)) + top
    return (total if keepdim else jnp.squeeze(total, axes)).astype(x.dtype)


@logsumexp.backward
def _(grad, input, result, dim, keepdim):
    axes = wrap_dims(dim, input.ndim)
    g, y = (widen(restored(v, axes, keepdim, input.ndim)) for v in (grad, result))
    weight = jnp.exp(widen(input).astype(y.dtype) - y)
    return g * (jnp.conj(weight) if is_complex(weight) else weight)
