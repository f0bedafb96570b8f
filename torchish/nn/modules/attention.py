"""Multi-head attention (arXiv:1706.03762)."""

from __future__ import annotations

import torchish as torch
from torchish._tensor.tensor import Tensor
from torchish._tensor.warn import warn_user
from torchish.nn import functional as F
from torchish.nn.init import constant_, xavier_normal_, xavier_uniform_
from torchish.nn.modules.linear import NonDynamicallyQuantizableLinear
from torchish.nn.modules.module import Module
from torchish.nn.modules.utils import new_parameter


def float_masks(padding: Tensor | None, padding_name: str, mask: Tensor | None, mask_name: str,
                dtype) -> tuple[Tensor | None, Tensor | None]:  # fmt: skip
    """Both masks as float tensors that are added to the scores: True becomes -inf."""
    if padding is not None and mask is not None and padding.dtype != mask.dtype:
        warn_user(f"Support for mismatched {padding_name} and {mask_name} is deprecated. Use same type for both instead.")

    def convert(m: Tensor | None, name: str) -> Tensor | None:
        if m is None or m.is_floating_point():
            return m
        if m.dtype != torch.bool:
            raise AssertionError(f"only bool and floating types of {name} are supported")
        return torch.zeros_like(m, dtype=dtype).masked_fill_(m, float("-inf"))

    return convert(padding, padding_name), convert(mask, mask_name)


class MultiheadAttention(Module):
    """Attention of queries to keys and values, in `num_heads` subspaces of `embed_dim`.

    Inputs are (L, N, E), (N, L, E) with `batch_first`, or (L, E). Returns the output and, with `need_weights`, the
    attention weights (N, L, S), averaged over heads unless `average_attn_weights=False`.
    """

    __module__ = "torch.nn.modules.activation"
    __constants__ = ["batch_first"]

    def __init__(self, embed_dim, num_heads, dropout=0.0, bias=True, add_bias_kv=False, add_zero_attn=False, kdim=None, vdim=None,
                 batch_first=False, device=None, dtype=None) -> None:  # fmt: skip
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and num_heads={num_heads} instead"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = kdim if kdim is not None else embed_dim
        self.vdim = vdim if vdim is not None else embed_dim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError("embed_dim must be divisible by num_heads")
        if self._qkv_same_embed_dim:
            self.in_proj_weight = new_parameter((3 * embed_dim, embed_dim), device, dtype)
            for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight"):
                self.register_parameter(name, None)
        else:
            self.q_proj_weight = new_parameter((embed_dim, embed_dim), device, dtype)
            self.k_proj_weight = new_parameter((embed_dim, self.kdim), device, dtype)
            self.v_proj_weight = new_parameter((embed_dim, self.vdim), device, dtype)
            self.register_parameter("in_proj_weight", None)
        if bias:
            self.in_proj_bias = new_parameter(3 * embed_dim, device, dtype)
        else:
            self.register_parameter("in_proj_bias", None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        if add_bias_kv:
            self.bias_k = new_parameter((1, 1, embed_dim), device, dtype)
            self.bias_v = new_parameter((1, 1, embed_dim), device, dtype)
        else:
            self.bias_k = self.bias_v = None  # type: ignore[assignment]
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        if self._qkv_same_embed_dim:
            xavier_uniform_(self.in_proj_weight)
        else:
            xavier_uniform_(self.q_proj_weight)
            xavier_uniform_(self.k_proj_weight)
            xavier_uniform_(self.v_proj_weight)
        if self.in_proj_bias is not None:
            constant_(self.in_proj_bias, 0.0)
            constant_(self.out_proj.bias, 0.0)
        if self.bias_k is not None:
            xavier_normal_(self.bias_k)
        if self.bias_v is not None:
            xavier_normal_(self.bias_v)

    def __setstate__(self, state):
        state.setdefault("_qkv_same_embed_dim", True)
        super().__setstate__(state)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None, need_weights: bool = True,
                attn_mask: Tensor | None = None, average_attn_weights: bool = True,
                is_causal: bool = False) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        key_padding_mask, attn_mask = float_masks(key_padding_mask, "key_padding_mask", attn_mask, "attn_mask", query.dtype)
        swap = self.batch_first and query.dim() == 3
        if swap:
            # the same tensors stay the same objects: self-attention projects them in one product
            same_kv, same_qk = key is value, query is key
            query_, key_ = query.transpose(1, 0), None
            key_ = query_ if same_qk else key.transpose(1, 0)
            value = key_ if same_kv else value.transpose(1, 0)
            query, key = query_, key_
        separate = {}
        if not self._qkv_same_embed_dim:
            separate = {
                "use_separate_proj_weight": True, "q_proj_weight": self.q_proj_weight, "k_proj_weight": self.k_proj_weight,
                "v_proj_weight": self.v_proj_weight,
            }  # fmt: skip
        output, weights = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias, self.bias_k, self.bias_v,
            self.add_zero_attn, self.dropout, self.out_proj.weight, self.out_proj.bias, training=self.training,
            key_padding_mask=key_padding_mask, need_weights=need_weights, attn_mask=attn_mask,
            average_attn_weights=average_attn_weights, is_causal=is_causal, **separate,
        )  # fmt: skip
        return (output.transpose(1, 0) if swap else output), weights

    def merge_masks(self, attn_mask: Tensor | None, key_padding_mask: Tensor | None, query: Tensor) -> tuple[Tensor | None, int | None]:
        """Both masks as one (N, heads, L, S), and its kind: 0 attention, 1 padding, 2 both."""
        kind, merged = None, None
        if key_padding_mask is not None:
            kind, merged = 1, key_padding_mask
        if attn_mask is not None:
            n, length, _ = query.shape
            kind = 2
            if attn_mask.dim() == 3:
                merged = attn_mask.view(n, -1, length, length)
            else:
                merged = attn_mask.view(1, 1, length, length).expand(n, self.num_heads, -1, -1)
            if key_padding_mask is not None:
                merged = merged + key_padding_mask.view(n, 1, 1, length).expand(-1, self.num_heads, -1, -1)
        return merged, kind
