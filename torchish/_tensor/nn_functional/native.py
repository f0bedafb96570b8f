"""The functions below nn.functional that give back what they computed on the way: torch.native_*, torch.embedding_bag."""

from __future__ import annotations

import numpy as np

import torchish as torch
from torchish._tensor.creation import from_host
from torchish._tensor.dispatch import composite
from torchish._tensor.levels import without_derivative
from torchish._tensor.nn_functional import normalization as N
from torchish._tensor.nn_functional import sparse
from torchish._tensor.tensor import Tensor
from torchish.autograd.graph import GradFn, named


def _named(t: Tensor, name: str) -> Tensor:
    if t._grad_fn is not None:
        t._grad_fn.__class__ = named(name, GradFn)
    return t


def _moments(x: Tensor, dims: list[int], eps: float, dtype: torch.dtype, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The mean and the inverse of the standard deviation over `dims`."""
    wide = x.float() if x.dtype.itemsize < 4 else x
    return wide.mean(dims, keepdim=keepdim).to(dtype), (wide.var(dims, correction=0, keepdim=keepdim) + eps).rsqrt().to(dtype)


def _constant_moments(*args) -> tuple[Tensor, ...]:
    """The same, as what no derivative reaches."""
    with torch.no_grad():
        return tuple([without_derivative(m) for m in _moments(*args)])


@composite("native_layer_norm(Tensor input, int[] normalized_shape, Tensor? weight, Tensor? bias, float eps)", method=False)
def native_layer_norm(input, normalized_shape, weight, bias, eps):
    """layer_norm of (*, normalized_shape); the mean and the inverse standard deviation (*, 1, …) that it divided by."""
    out = N.layer_norm(input, normalized_shape, weight, bias, eps)
    dtype = next((p.dtype for p in (weight, bias) if p is not None), input.dtype)
    n = len(normalized_shape)
    return out, *_constant_moments(input, list(range(input.dim() - n, input.dim())), eps, dtype, True)


@composite("native_group_norm(Tensor input, Tensor? weight, Tensor? bias, int N, int C, int HxW, int group, float eps)", method=False)
def native_group_norm(input, weight, bias, batch, channels, pixels, group, eps):
    """group_norm of (N, C, *); the means and inverse standard deviations (N, group)."""
    out = N._group_norm(input, group, weight, bias, eps)
    dtype = next((p.dtype for p in (weight, bias) if p is not None), input.dtype)
    mean, rstd = _moments(input.reshape(batch, group, channels // group * pixels), [2], eps, dtype)
    return out, _named(mean, "NativeGroupNormBackward0"), _named(rstd, "NativeGroupNormBackward0")


@composite(
    "native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, "
    "float momentum, float eps)",
    method=False,
)
def native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps):
    """batch_norm of (N, C, *); in training the means and inverse standard deviations (C), otherwise two empty tensors."""
    out = N._batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)
    dtype = next((p.dtype for p in (weight, bias, running_mean) if p is not None), input.dtype)
    if not training:
        return out, torch.empty(0, dtype=dtype), torch.empty(0, dtype=dtype)
    return out, *_constant_moments(input.transpose(0, 1).flatten(1), [1], eps, dtype)


@composite("native_dropout(Tensor input, float p, bool? train)", method=False)
def native_dropout(input, p, train):
    """The input with each element zeroed with probability p and the others scaled by 1 / (1 - p); where they were kept."""
    if not input.numel() or not train:
        return _named(input * 1, "NativeDropoutBackward0"), torch.ones_like(input, dtype=torch.bool)
    mask = torch.empty_like(input, dtype=torch.bool).bernoulli_(1 - p)
    scale = 0.0 if p == 1 else 1 / (1 - p)
    return _named(input * (mask * scale).to(input.dtype), "NativeDropoutBackward0"), mask


_BAGS = (
    "embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, bool sparse=False, "
    "Tensor? per_sample_weights=None, bool include_last_offset=False, int? padding_idx=None)"
)


@composite(_BAGS, method=False)
def embedding_bag(weight, indices, offsets, scale_grad_by_freq, mode, is_sparse, per_sample_weights, include_last_offset, padding_idx):
    """The sums (mode 0), means (1) or maxima (2) of table rows over bags; each index's bag, the bags' sizes, the rows of the maxima.

    Sums without padding leave the last three empty or zero, as PyTorch's do.
    """
    name = ("sum", "mean", "max")[mode]
    out = sparse.embedding_bag(
        indices, weight, offsets, scale_grad_by_freq=scale_grad_by_freq, mode=name, sparse=is_sparse,
        per_sample_weights=per_sample_weights, include_last_offset=include_last_offset, padding_idx=padding_idx,
    )  # fmt: skip
    if mode == 0 and padding_idx is None:
        zeros = torch.zeros(offsets.shape, dtype=torch.int64)
        return out, torch.zeros(0, dtype=torch.int64), zeros, zeros.clone()
    count, bags = sparse._bags(offsets, indices, include_last_offset)
    rows, places = indices._host(), bags._host()
    kept = np.ones(rows.shape, bool) if padding_idx is None else rows != padding_idx % weight.shape[0]
    sizes = np.bincount(places[kept], minlength=count).astype(np.int64)
    maxima = sizes
    if mode == 2:
        maxima = np.zeros(out.shape, np.int64)
        values = weight.detach()._host()
        for bag in range(count):
            members = rows[(places == bag) & kept]
            if members.size:
                maxima[bag] = members[values[members].argmax(0)]
    return out, bags, from_host(sizes), from_host(maxima.copy())
