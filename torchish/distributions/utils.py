"""Helpers of distributions: broadcasting of parameters, lazily computed properties, probabilities and logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from numbers import Number
from typing import Any

import torchish as torch
from torchish.overrides import is_tensor_like

__all__ = [
    "broadcast_all", "clamp_probs", "lazy_property", "logits_to_probs", "probs_to_logits", "tril_matrix_to_vec", "vec_to_tril_matrix",
]  # fmt: skip

euler_constant = 0.57721566490153286060


def broadcast_all(*values: Any) -> tuple:
    """The values as tensors of one shape. Numbers take the dtype and device of the first tensor; ValueError for others."""
    if not all(isinstance(v, Number) or is_tensor_like(v) for v in values):
        raise ValueError("Input arguments must all be instances of Number, torch.Tensor or objects implementing __torch_function__.")
    if any(isinstance(v, Number) for v in values):
        like = next((v for v in values if is_tensor_like(v)), None)
        options = {"dtype": torch.get_default_dtype()} if like is None else {"dtype": like.dtype, "device": like.device}
        values = tuple(torch.tensor(v, **options) if isinstance(v, Number) else v for v in values)
    return tuple(torch.broadcast_tensors(*values))


def standard_normal(shape: Sequence[int], like: Any) -> Any:
    """Standard normal numbers of a shape, in the dtype and on the device of `like`."""
    return torch.normal(torch.zeros(shape, dtype=like.dtype, device=like.device), torch.ones(shape, dtype=like.dtype, device=like.device))


def uniform_numbers(shape: Sequence[int], like: Any) -> Any:
    """Numbers of [0, 1) in a shape, in the dtype and on the device of `like`."""
    return torch.rand(shape, dtype=like.dtype, device=like.device)


def sum_rightmost(value: Any, dims: int) -> Any:
    """The sum over the last `dims` dimensions."""
    return value if dims == 0 else value.reshape(*value.shape[: value.dim() - dims], -1).sum(-1)


def logits_to_probs(logits: Any, is_binary: bool = False) -> Any:
    """Probabilities of logits: their sigmoid, or softmax along the last dimension."""
    return torch.sigmoid(logits) if is_binary else torch.nn.functional.softmax(logits, dim=-1)


def clamp_probs(probs: Any) -> Any:
    """Probabilities kept away from 0 and 1 by the machine epsilon of their dtype."""
    eps = torch.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Any, is_binary: bool = False) -> Any:
    """Logits of probabilities: log odds, or logarithms."""
    clamped = clamp_probs(probs)
    return torch.log(clamped) - torch.log1p(-clamped) if is_binary else torch.log(clamped)


class lazy_property:
    """A property that is computed at its first use and then is an attribute of the instance."""

    def __init__(self, wrapped: Callable) -> None:
        self.wrapped = wrapped
        update_wrapper(self, wrapped)  # type: ignore[arg-type]

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        with torch.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


def tril_matrix_to_vec(mat: Any, diag: int = 0) -> Any:
    """The entries of a D x D matrix on and below diagonal `diag`, row by row; ValueError where `diag` is none of it."""
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    rows, columns = torch.tril_indices(n, n, diag).unbind()
    return mat[..., rows, columns]


def vec_to_tril_matrix(vec: Any, diag: int = 0) -> Any:
    """The D x D matrix whose entries on and below diagonal `diag` are these, row by row, and else 0; ValueError for a wrong count."""
    count = vec.shape[-1]
    # n entries below a diagonal: count = D (D + 1 + 2 diag) / 2, less what a diagonal above the main one lacks
    exact = (-(1 + 2 * diag) + ((1 + 2 * diag) ** 2 + 8 * count + 4 * abs(diag) * (diag + 1)) ** 0.5) / 2
    n = round(exact)
    if abs(exact - n) > torch.finfo(vec.dtype).eps:
        wanted = "the lower triangular part of a square D x D matrix."
        raise ValueError(f"The size of last dimension is {count} which cannot be expressed as {wanted}")
    out = torch.zeros((*vec.shape[:-1], n, n), dtype=vec.dtype, device=vec.device)
    rows, columns = torch.tril_indices(n, n, diag).unbind()
    out[..., rows, columns] = vec
    return out
