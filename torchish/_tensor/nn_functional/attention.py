"""scaled_dot_product_attention and the forward function of MultiheadAttention."""

from __future__ import annotations

import math
import warnings

import torchish as torch
from torchish import _dtypes as dt
from torchish._tensor.dispatch import composite
from torchish._tensor.nn_functional._call import ap
from torchish._tensor.tensor import Tensor
from torchish.engine.expr import CPU
from torchish.ops.attention import attention
from torchish.ops.softmax import _safe_softmax


def _c_name(t: Tensor) -> str:
    return dt.cpp_name(t._aval.torch_dtype)


# The kernels that may be used. On the CPU PyTorch has "flash" and "math", which are XLA's choice here.
WANTED = dict.fromkeys(("flash", "mem_efficient", "math", "cudnn"), True)


@composite(
    "nn.functional.scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, "
    "float dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False)",
    method=False,
)
def scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, is_causal, *, scale, enable_gqa):
    """softmax(query key^T / sqrt(size) + mask) value, over (..., length, size)."""
    q, k, v = query._aval, key._aval, value._aval
    if not q.dtype == k.dtype == v.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{_c_name(query)} key.dtype: {_c_name(key)} and value.dtype: {_c_name(value)} instead."
        )
    if min(q.ndim, k.ndim, v.ndim) < 2:
        raise RuntimeError(
            f"Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: {q.ndim} key.dim: "
            f"{k.ndim} "
            f"and value.dim: {v.ndim} instead."
        )
    if attn_mask is not None:
        m = attn_mask._aval
        if m.dtype not in (bool, q.dtype) and m.torch_dtype is not torch.float32:
            raise RuntimeError(
                "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
                f"{_c_name(attn_mask)} and  query.dtype: {_c_name(query)} instead."
            )
    if enable_gqa and q.ndim >= 3 and k.shape[-3] != q.shape[-3]:
        if q.shape[-3] % k.shape[-3]:
            raise RuntimeError("Number of heads in key and value must divide the number of heads in query")
        key = key.repeat_interleave(q.shape[-3] // k.shape[-3], -3)
        value = value.repeat_interleave(q.shape[-3] // v.shape[-3], -3)
        k, v = key._aval, value._aval
    fused = (
        q.ndim == 4 and dropout_p == 0 and q.category == 2
        and q.shape[:2] == k.shape[:2] == v.shape[:2] and q.shape[-1] == k.shape[-1] == v.shape[-1]
        and k.shape[-2] == v.shape[-2] and 0 not in q.shape and 0 not in k.shape
        and not (attn_mask is not None and attn_mask._needs())
    )  # fmt: skip
    if not WANTED["math"] and q.device == CPU and q.size and k.size:
        if not WANTED["flash"]:
            raise RuntimeError(
                "No viable backend for scaled_dot_product_attention was found. This is likely due to turning off both the math kernel and "
                "the fused kernels."
            )
        if not fused or any(t.stride(-1) != 1 for t in (query, key, value)):
            raise RuntimeError("No available kernel.  Aborting execution.")
    if fused:
        return ap(attention, (bool(is_causal), scale), query, key, value, attn_mask)
    return _composed(query, key, value, attn_mask, dropout_p, is_causal, scale)


def _composed(query, key, value, mask, dropout_p, is_causal, scale):
    """The same from matrix products, where no fused kernel applies."""
    if is_causal:
        if mask is not None:
            raise RuntimeError("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
        mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril()
    if mask is not None and mask.dtype is torch.bool:
        mask = torch.zeros(mask.shape, dtype=query.dtype, device=query.device).masked_fill(~mask, -math.inf)
    root = math.sqrt(1 / math.sqrt(query.shape[-1]) if scale is None else abs(scale))
    first = query * (-root if scale is not None and scale < 0 else root)
    weights = torch.matmul(first, (key * root).transpose(-2, -1))
    if mask is not None:
        weights = ap(_safe_softmax, (-1, None), weights + mask)
    else:
        weights = weights.softmax(-1)
    if dropout_p > 0:
        from torchish._tensor.nn_functional.dropout import dropout

        weights = dropout(weights, dropout_p)
    return torch.matmul(weights, value)


# --- multi-head attention ----------------------------------------------------------------------------------


def _linear(x, w, b):
    return torch.nn.functional.linear(x, w, b)


def _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads) -> bool:
    """Whether the inputs are batched; AssertionError when their dimensions do not go together."""
    n = query.dim()
    if n not in (2, 3):
        raise AssertionError(f"query should be unbatched 2D or batched 3D tensor but received {n}-D query tensor")
    word = "batched (3-D)" if n == 3 else "unbatched (2-D)"
    if key.dim() != n or value.dim() != n:
        raise AssertionError(
            f"For {word} `query`, expected `key` and `value` to be {n}-D but found {key.dim()}-D and {value.dim()}-D tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.dim() != n - 1:
        raise AssertionError(
            f"For {word} `query`, expected `key_padding_mask` to be `None` or {n - 1}-D but found {key_padding_mask.dim()}-D tensor instead"
        )
    if attn_mask is not None:
        if attn_mask.dim() not in (2, 3):
            raise AssertionError(
                f"For {word} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.dim()}-D tensor instead"
            )
        if n == 2 and attn_mask.dim() == 3:
            expected = (num_heads, query.shape[0], key.shape[0])
            if attn_mask.shape != expected:
                raise AssertionError(f"Expected `attn_mask` shape to be {expected} but got {attn_mask.shape}")
    return n == 3


def _float_mask(mask, name, other, other_name, dtype, check_other=True):
    """A mask to add: booleans become -inf where true."""
    if mask is None:
        return None
    floating = mask.is_floating_point()
    if mask.dtype is not torch.bool and not floating:
        raise AssertionError(f"only bool and floating types of {name} are supported")
    if check_other and other is not None and mask.dtype is not other.dtype:
        warnings.warn(
            f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=3,
        )
    if floating:
        return mask
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(mask, -math.inf)


_canonical_mask = _float_mask


def _in_projection_packed(q, k, v, w, b=None):
    """Queries, keys and values from one weight (3 E, E), with as few products as the inputs' identity allows."""
    size = q.size(-1)
    if k is v and q is k:
        p = _linear(q, w, b)
        p = p.unflatten(-1, (3, size)).unsqueeze(0).transpose(0, -2).squeeze(-2).contiguous()
        return p[0], p[1], p[2]
    if k is v:
        w_q, w_kv = w.split([size, size * 2])
        b_q, b_kv = (None, None) if b is None else b.split([size, size * 2])
        p = _linear(k, w_kv, b_kv)
        p = p.unflatten(-1, (2, size)).unsqueeze(0).transpose(0, -2).squeeze(-2).contiguous()
        return _linear(q, w_q, b_q), p[0], p[1]
    biases = (None, None, None) if b is None else b.chunk(3)
    return tuple(_linear(x, wx, bx) for x, wx, bx in zip((q, k, v), w.chunk(3), biases, strict=True))


def _in_projection(inputs, weights, biases):
    """Queries, keys and values from a weight each."""
    e = inputs[0].size(-1)
    for name, x, w, b in zip(("query", "key", "value"), inputs, weights, biases, strict=True):
        if w.shape != (e, x.size(-1)):
            raise AssertionError(f"expecting {name} weights shape of {(e, x.size(-1))}, but got {w.shape}")
        if b is not None and b.shape != (e,):
            raise AssertionError(f"expecting {name} bias shape of {(e,)}, but got {b.shape}")
    return tuple(_linear(x, w, b) for x, w, b in zip(inputs, weights, biases, strict=True))


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention of (L, N, E) queries to (S, N, E) keys and values in `num_heads` heads: (output, weights or None)."""
    batched = _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        same_kv, same_qk = key is value, query is key
        query = query.unsqueeze(1)
        key = query if same_qk else key.unsqueeze(1)
        value = key if same_kv else value.unsqueeze(1)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    length, batch, embed = query.shape
    source = key.shape[0]
    key_padding_mask = _float_mask(key_padding_mask, "key_padding_mask", attn_mask, "attn_mask", query.dtype)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None
    else:
        attn_mask = _float_mask(attn_mask, "attn_mask", None, "", query.dtype, False)
        if key_padding_mask is not None:
            is_causal = False
    if embed != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {embed}")
    head = embed // num_heads
    if head * num_heads != embed:
        raise AssertionError(f"embed_dim {embed} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        if key.shape[:2] != value.shape[:2]:
            raise AssertionError(f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}")
        for name, w in (("q", q_proj_weight), ("k", k_proj_weight), ("v", v_proj_weight)):
            if w is None:
                raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
        biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
        q, k, v = _in_projection((query, key, value), (q_proj_weight, k_proj_weight, v_proj_weight), biases)
    else:
        if key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
        if in_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        q, k, v = _in_projection_packed(query, key, value, in_proj_weight, in_proj_bias)
    attn_mask = _mask_of_heads(attn_mask, length, source, batch * num_heads)
    pad = torch.nn.functional.pad
    if bias_k is not None and bias_v is not None:
        if static_k is not None:
            raise AssertionError("bias cannot be added to static key.")
        if static_v is not None:
            raise AssertionError("bias cannot be added to static value.")
        k = torch.cat([k, bias_k.repeat(1, batch, 1)])
        v = torch.cat([v, bias_v.repeat(1, batch, 1)])
        attn_mask = None if attn_mask is None else pad(attn_mask, (0, 1))
        key_padding_mask = None if key_padding_mask is None else pad(key_padding_mask, (0, 1))
    elif bias_k is not None:
        raise AssertionError("bias_k is set but bias_v is None")
    elif bias_v is not None:
        raise AssertionError("bias_v is set but bias_k is None")
    heads = batch * num_heads
    q = q.view(length, heads, head).transpose(0, 1)
    k = _split_heads("k", k, static_k, heads, head)
    v = _split_heads("v", v, static_v, heads, head)
    if add_zero_attn:
        k = torch.cat([k, torch.zeros((heads, 1, head), dtype=k.dtype, device=k.device)], dim=1)
        v = torch.cat([v, torch.zeros((heads, 1, head), dtype=v.dtype, device=v.device)], dim=1)
        attn_mask = None if attn_mask is None else pad(attn_mask, (0, 1))
        key_padding_mask = None if key_padding_mask is None else pad(key_padding_mask, (0, 1))
    source = k.size(1)
    if key_padding_mask is not None:
        if key_padding_mask.shape[0] != batch:
            raise AssertionError(f"Expected key_padded_mask.shape[0] to be {batch}, but got {key_padding_mask.shape[0]}")
        if key_padding_mask.shape[1] != source:
            raise AssertionError(f"Expected key_padded_mask.shape[1] to be {source}, but got {key_padding_mask.shape[1]}")
        spread = key_padding_mask.view(batch, 1, 1, source).expand(-1, num_heads, -1, -1).reshape(heads, 1, source)
        attn_mask = spread if attn_mask is None else attn_mask + spread
    if not training:
        dropout_p = 0.0
    if not need_weights:
        if attn_mask is not None:
            if attn_mask.size(0) == 1 and attn_mask.dim() == 3:
                attn_mask = attn_mask.unsqueeze(0)
            else:
                attn_mask = attn_mask.view(batch, num_heads, -1, source)
        q = q.view(batch, num_heads, length, head)
        k = k.view(batch, num_heads, source, head)
        v = v.view(batch, num_heads, source, head)
        out = scaled_dot_product_attention(q, k, v, attn_mask, dropout_p, is_causal, scale=None, enable_gqa=False)
        out = out.permute(2, 0, 1, 3).reshape(batch * length, embed)
        out = _linear(out, out_proj_weight, out_proj_bias)
        out = out.view(length, batch, out.size(1))
        return (out if batched else out.squeeze(1)), None
    scaled = q * math.sqrt(1.0 / float(head))
    if attn_mask is not None:
        weights = torch.baddbmm(attn_mask, scaled, k.transpose(-2, -1))
    else:
        weights = torch.bmm(scaled, k.transpose(-2, -1))
    weights = weights.softmax(-1)
    if dropout_p > 0.0:
        from torchish._tensor.nn_functional.dropout import dropout

        weights = dropout(weights, p=dropout_p)
    out = torch.bmm(weights, v).transpose(0, 1).reshape(length * batch, embed)
    out = _linear(out, out_proj_weight, out_proj_bias)
    out = out.view(length, batch, out.size(1))
    weights = weights.view(batch, num_heads, length, source)
    if average_attn_weights:
        weights = weights.mean(dim=1)
    if not batched:
        return out.squeeze(1), weights.squeeze(0)
    return out, weights


def _mask_of_heads(mask, length, source, heads):
    if mask is None:
        return None
    if mask.dim() == 2:
        if mask.shape != (length, source):
            raise RuntimeError(f"The shape of the 2D attn_mask is {mask.shape}, but should be {(length, source)}.")
        return mask.unsqueeze(0)
    if mask.dim() == 3:
        if mask.shape != (heads, length, source):
            raise RuntimeError(f"The shape of the 3D attn_mask is {mask.shape}, but should be {(heads, length, source)}.")
        return mask
    raise RuntimeError(f"attn_mask's dimension {mask.dim()} is not supported")


def _split_heads(name, x, static, heads, head):
    if static is None:
        return x.view(x.shape[0], heads, head).transpose(0, 1)
    if static.size(0) != heads:
        raise AssertionError(f"expecting static_{name}.size(0) of {heads}, but got {static.size(0)}")
    if static.size(2) != head:
        raise AssertionError(f"expecting static_{name}.size(2) of {head}, but got {static.size(2)}")
    return static
