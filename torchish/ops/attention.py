"""Attention as one operation."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import lax

from torchish.ops.declare import op
from torchish.ops.precision import widen


@op(
    "_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask, bool is_causal, float? scale)",
    method=False, function=False, out=False, grad="ScaledDotProductFlashAttentionForCpuBackward0",
)  # fmt: skip
def attention(query, key, value, attn_mask, is_causal, scale):
    """softmax(query key^T scale + mask) value for (N, heads, length, size)."""
    q, k, v = widen(query), widen(key), widen(value)
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    logits = jnp.matmul(q * scale, k.swapaxes(-1, -2), precision=lax.Precision.HIGHEST)
    if attn_mask is not None:
        if attn_mask.dtype == jnp.bool_:
            logits = jnp.where(attn_mask, logits, -jnp.inf)
        else:
            logits = logits + lax.stop_gradient(widen(attn_mask)).astype(logits.dtype)
    if is_causal:
        seen = jnp.arange(q.shape[-2])[:, None] >= jnp.arange(k.shape[-2])
        logits = jnp.where(seen, logits, -jnp.inf)
    top = lax.stop_gradient(logits.max(-1, keepdims=True))
    weights = jnp.exp(logits - jnp.where(top == -jnp.inf, 0, top))
    total = weights.sum(-1, keepdims=True)
    # a row that sees nothing gives zeros
    weights = weights / jnp.where(total == 0, 1, total)
    return jnp.matmul(weights, v, precision=lax.Precision.HIGHEST).astype(query.dtype)
