"""Reductions and normalizations under a mask: elements whose mask is False take no part.

The masked-out elements are replaced by the identity of the reduction, then the plain function runs. `mask` is a boolean
tensor that broadcasts to the input; None means that every element takes part. With every element of a slice masked out
the result is the identity (nan for mean, var, std and median, which have none).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torchish as torch
from torchish import Tensor
from torchish import dtype as Dtype

Dims = int | tuple[int, ...] | list[int] | None


def _dims(dim: Dims, ndim: int) -> tuple[int, ...]:
    """`dim` as sorted non-negative dimensions; IndexError out of range, RuntimeError for one given twice."""
    if dim is None or dim == ():
        return tuple(range(ndim))
    ndim = max(ndim, 1)
    dims: list[int] = []
    for d in (dim,) if isinstance(dim, int) else dim:
        if d in dims:
            raise RuntimeError(f"dim={d} appears multiple times in the list of dims")
        if not -ndim <= d < ndim:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {d})")
        dims.append(d % ndim)
    return tuple(sorted(dims))


def _extreme(x: Tensor, name: str, largest: bool) -> Any:
    """The number that changes no extremum of `x`; `name`: the operation that asks."""
    if x.is_floating_point():
        return torch.inf if largest else -torch.inf
    if x.dtype is torch.bool:
        raise NotImplementedError(f"identity of {name} on {x.dtype} input")
    info = torch.iinfo(x.dtype)
    return info.max if largest else info.min


def _lowest(name: str) -> Callable[[Tensor], Any]:
    return lambda x: _extreme(x, name, False)


def _highest(name: str) -> Callable[[Tensor], Any]:
    return lambda x: _extreme(x, name, True)


def _full_mask(x: Tensor, mask: Tensor) -> Tensor:
    """The mask in the shape of `x`, as bool; IndexError when it has more dimensions."""
    if mask.shape != x.shape:
        if mask.ndim > x.ndim:
            raise IndexError("_input_mask expected broadcastable mask (got mask dimensionality higher than of the input)")
        mask = torch.broadcast_to(mask.clone(), x.shape)
    return mask.to(dtype=torch.bool)


def _fill(x: Tensor, mask: Tensor | None, identity: Any) -> Tensor:
    """`x` with its masked-out elements replaced by the identity (a number, or a function of `x` that gives one)."""
    if mask is None:
        return x
    value = identity(x) if callable(identity) else identity
    return torch.where(_full_mask(x, mask), x, torch.tensor(value, dtype=x.dtype, device=x.device))


def _accumulator(x: Tensor) -> Dtype:
    """The dtype in which sums and products come: small integers become int64."""
    return torch.int64 if x.dtype in (torch.uint8, torch.bool, torch.int8, torch.int16, torch.int32) else x.dtype


def sum(input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Dtype | None = None,
        mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """Sum of the elements under the mask over `dim` (all when None)."""
    filled = _fill(input, mask, 0)
    return torch.sum(filled, _dims(dim, input.ndim), bool(keepdim), dtype=dtype or _accumulator(input))


def prod(input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Dtype | None = None,
         mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """Product of the elements under the mask over `dim` (all when None)."""
    result = _fill(input, mask, 1).to(dtype=dtype or _accumulator(input))
    for d in reversed(_dims(dim, input.ndim)):
        result = result.prod(dim=d, keepdim=bool(keepdim))
    return result


def cumsum(input: Tensor, dim: int, *, dtype: Dtype | None = None, mask: Tensor | None = None) -> Tensor:
    """Cumulative sum along `dim`, masked-out elements counting as 0."""
    dtype = dtype or input.dtype
    return torch.cumsum(_fill(input, mask, 0), _dims(dim, input.ndim)[0], dtype=dtype).to(dtype=dtype)


def cumprod(input: Tensor, dim: int, *, dtype: Dtype | None = None, mask: Tensor | None = None) -> Tensor:
    """Cumulative product along `dim`, masked-out elements counting as 1."""
    dtype = dtype or input.dtype
    return torch.cumprod(_fill(input, mask, 1), _dims(dim, input.ndim)[0], dtype=dtype).to(dtype=dtype)


def amax(input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Dtype | None = None,
         mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """Maximum of the elements under the mask over `dim`."""
    return torch.amax(_fill(input, mask, _lowest("amax")), _dims(dim, input.ndim), bool(keepdim)).to(dtype=dtype or input.dtype)


def amin(input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Dtype | None = None,
         mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """Minimum of the elements under the mask over `dim`."""
    return torch.amin(_fill(input, mask, _highest("amin")), _dims(dim, input.ndim), bool(keepdim)).to(dtype=dtype or input.dtype)


def argmax(input: Tensor, dim: int | None = None, *, keepdim: bool | None = False, dtype: Dtype | None = None,
           mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """Index of the maximum of the elements under the mask, in the dtype of the input unless `dtype` says otherwise."""
    return torch.argmax(_fill(input, mask, _lowest("argmax")), dim, bool(keepdim)).to(dtype=dtype or input.dtype)


def argmin(input: Tensor, dim: int | None = None, *, keepdim: bool | None = False, dtype: Dtype | None = None,
           mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """Index of the minimum of the elements under the mask, in the dtype of the input unless `dtype` says otherwise."""
    return torch.argmin(_fill(input, mask, _highest("argmin")), dim, bool(keepdim)).to(dtype=dtype or input.dtype)


def _count(input: Tensor, dim: Dims, keepdim: bool, mask: Tensor | None) -> Tensor:
    """How many elements take part in each slice over `dim`."""
    if mask is None:
        return sum(torch.ones(input.shape, dtype=torch.int64, device=input.device), dim, keepdim=keepdim)
    return _full_mask(input, mask).sum(dim=dim, keepdim=keepdim)


def mean(input: Tensor, dim: Dims = None, *, keepdim: bool | None = False, dtype: Dtype | None = None,
         mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """Mean of the elements under the mask over `dim`; ValueError for a dtype that is neither floating nor complex."""
    source = "Input" if dtype is None else "Optional"
    dtype = dtype or input.dtype
    if not (dtype.is_floating_point or dtype.is_complex):
        raise ValueError(
            f"mean(): Could not infer output dtype. {source} dtype must be either a floating point or complex dtype. Got: {dtype}"
        )
    return sum(input, dim, keepdim=keepdim, dtype=dtype, mask=mask) / _count(input, dim, bool(keepdim), mask)


def median(input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: Dtype | None = None, mask: Tensor | None = None) -> Tensor:
    """Median of the elements under the mask along `dim`; ValueError for a fully masked-out slice of integers."""
    exact = input.is_floating_point()
    filled = _fill(input if exact else input.to(dtype=torch.float), mask, torch.nan)
    result = torch.nanmedian(filled, _dims(dim, input.ndim)[0], keepdim).values
    if exact:
        return result
    if torch.isnan(result).any():
        raise ValueError("masked median expects no fully masked out rows if dtype is not floating point")
    return result.to(dtype=dtype or input.dtype)


def logsumexp(input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: Dtype | None = None,
              mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """Logarithm of the sum of exponentials of the elements under the mask over `dim`."""
    lowest = -torch.inf if input.is_complex() else _lowest("logsumexp")
    return torch.logsumexp(_fill(input, mask, lowest), _dims(dim, input.ndim), keepdim=keepdim).to(dtype=dtype or input.dtype)


def logaddexp(input: Tensor, other: Tensor, *, dtype: Dtype | None = None, input_mask: Tensor | None = None,
              other_mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """Elementwise log(exp(input) + exp(other)), each operand under its own mask."""
    lowest = _lowest("logaddexp")
    a, b = _fill(input, input_mask, lowest), _fill(other, other_mask, lowest)
    return torch.logaddexp(a, b).to(dtype=dtype or input.dtype)


def norm(input: Tensor, ord: float | None = 2.0, dim: Dims = None, *, keepdim: bool | None = False, dtype: Dtype | None = None,
         mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """Vector norm of order `ord` of the elements under the mask over `dim`."""
    filled = _fill(input, mask, torch.inf if ord == -torch.inf else 0)
    return torch.linalg.vector_norm(filled, ord, _dims(dim, input.ndim), bool(keepdim), dtype=dtype or input.dtype)


def _variance(input: Tensor, dim: Dims, unbiased: bool | None, correction: float | None, keepdim: bool | None, dtype: Dtype | None,
              mask: Tensor | None) -> Tensor:  # fmt: skip
    if unbiased is not None and correction is not None:
        raise AssertionError("Only one of unbiased and correction may be given")
    if correction is None:
        correction = 0.0 if unbiased is False else 1.0
    dtype = dtype or input.dtype
    if dtype is input.dtype and not (dtype.is_floating_point or dtype.is_complex):
        dtype = torch.float32
    compute = dtype if dtype.is_floating_point or dtype.is_complex else torch.float32
    count = _count(input, dim, True, mask)
    x = input - sum(input, dim, keepdim=True, dtype=dtype, mask=mask) / count
    total = sum(x * x.conj(), dim, keepdim=keepdim, dtype=compute, mask=mask)
    count = count.reshape(total.shape)
    if correction:
        count = count.to(compute.to_real()) - correction
        count = torch.maximum(count, count.new_zeros([]))
    return (total / count).to(dtype=dtype)


def var(input: Tensor, dim: Dims = None, unbiased: bool | None = None, *, correction: float | None = None,
        keepdim: bool | None = False, dtype: Dtype | None = None, mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """Variance of the elements under the mask over `dim`, with Bessel's correction unless told otherwise."""
    return _variance(input, dim, unbiased, correction, keepdim, dtype, mask)


def std(input: Tensor, dim: Dims = None, unbiased: bool | None = None, *, correction: float | None = None,
        keepdim: bool | None = False, dtype: Dtype | None = None, mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """Standard deviation of the elements under the mask over `dim`, with Bessel's correction unless told otherwise."""
    return torch.sqrt(_variance(input, dim, unbiased, correction, keepdim, dtype, mask))


def softmax(input: Tensor, dim: int, *, dtype: Dtype | None = None, mask: Tensor | None = None) -> Tensor:
    """Softmax along `dim` of the elements under the mask; the others get 0."""
    return torch.nn.functional.softmax(_fill(input, mask, _lowest("amax")), _dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: Dtype | None = None, mask: Tensor | None = None) -> Tensor:
    """Logarithm of the softmax along `dim` of the elements under the mask."""
    return torch.nn.functional.log_softmax(_fill(input, mask, _lowest("amax")), _dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


def softmin(input: Tensor, dim: int, *, dtype: Dtype | None = None, mask: Tensor | None = None) -> Tensor:
    """Softmin along `dim` of the elements under the mask; the others get 0."""
    return torch.nn.functional.softmin(_fill(input, mask, _highest("amin")), _dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


def normalize(input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: Dtype | None = None,
              mask: Tensor | None = None) -> Tensor:  # fmt: skip
    """The elements under the mask divided by their norm of order `ord` along `dim` (at least `eps`)."""
    length = norm(input, ord, dim, keepdim=True, dtype=dtype or input.dtype, mask=mask)
    return _fill(input, mask, 0) / torch.maximum(length, length.new_full([], eps))
