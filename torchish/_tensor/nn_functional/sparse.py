"""Embedding functions and one_hot."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import torchish as torch
from torchish import _dtypes as dt
from torchish._tensor import host
from torchish._tensor.apply import write_inplace
from torchish._tensor.creation import from_host
from torchish._tensor.dispatch import composite
from torchish._tensor.nn_functional._call import ap, require
from torchish._tensor.tensor import Tensor
from torchish.engine.expr import emit
from torchish.ops import embedding as E


def known_indices(indices: Any) -> np.ndarray | None:
    """The values of a tensor of indices, if they are known already."""
    if not isinstance(indices, Tensor) or indices._chain:
        return None
    values = indices._read().value
    return values if type(values) is np.ndarray else None


def _check_indices(indices: Tensor, rows: int) -> None:
    """PyTorch's error for an index outside the table, when the indices are known already."""
    if not rows and indices._aval.size:
        raise RuntimeError("index_select(): self indexing axis dim should be positive")
    values = known_indices(indices)
    if values is not None and values.size and not (values.min() >= 0 and values.max() < rows):
        raise IndexError("index out of range in self")


def _check_bag_indices(values: np.ndarray | None, weight: Tensor, is_summed: bool) -> None:
    """RuntimeError for an index outside the table, where the indices are known; `is_summed`: by PyTorch's kernel for sums."""
    rows = weight._aval.shape[0]
    if values is None or not (wrong := np.flatnonzero((values < 0) | (values >= rows))).size:
        return
    at, value = wrong[0], values.reshape(-1)[wrong[0]]
    if is_summed and weight.dtype in (torch.float32, torch.float16, torch.bfloat16):
        raise RuntimeError(f"Index {at} of input takes value {value} which is not in the valid range [0, {rows})")
    raise RuntimeError(f"embedding_bag: Expected idx >= 0 && idx < num_embeddings but found idx to be {value}")


def _check_dtype(d: torch.dtype, taken: tuple[torch.dtype, ...], argument: str, function: str) -> None:
    """RuntimeError unless a dtype is among those that a function takes for an argument (its number and name)."""
    if d not in taken:
        names = ", ".join(dt.SCALAR_TYPE_NAMES[t] for t in taken)
        raise RuntimeError(
            f"Expected tensor for argument {argument} to have one of the following scalar types: {names}; but got "
            f"{dt.TYPE_TEXTS[d]} instead (while checking arguments for {function})"
        )


_INDEX_DTYPES = (torch.int64, torch.int32)
_BAG_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def renorm(weight: Tensor, indices: Tensor, values: np.ndarray | None, max_norm: float, norm_type: float) -> None:
    require("embedding_renorm_(Tensor input, Tensor indices, float max_norm, float norm_type)", weight, indices, max_norm, norm_type)
    n = weight._aval.ndim
    if n != 2:
        raise RuntimeError(
            f"Expected 2-dimensional tensor, but got {n}-dimensional tensor for argument #1 'self' (while checking arguments for "
            "embedding_renorm_)"
        )
    _check_dtype(indices.dtype, _INDEX_DTYPES, "#2 'indices'", "embedding_renorm_")
    rows = weight._aval.shape[0]
    if values is not None and (wrong := values[(values < -rows) | (values >= rows)]).size:
        raise IndexError(f"select(): index {wrong.min()} out of range for tensor of size {list(weight.shape)} at dimension 0")
    if indices._aval.size and weight._aval.category < 2:
        raise RuntimeError(
            f"norm(): input dtype should be either floating point or complex. Got {dt.SCALAR_TYPE_NAMES[weight.dtype]} instead."
        )
    spec = E.embedding_renorm.spec(("T", "T"), (float(max_norm), float(norm_type)))
    with torch.no_grad():
        write_inplace(weight, emit(spec, (weight._read(), indices._read())), None, False)


_EMBEDDING = "embedding(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False)"


@composite(_EMBEDDING, method=False)
def _look_up(weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False) -> Tensor:
    """Rows of weight (V, D) at integer indices; the row `padding_idx` gets no gradient."""
    if weight._aval.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    _check_dtype(indices.dtype, _INDEX_DTYPES, "#1 'indices'", "embedding")
    _check_indices(indices, weight._aval.shape[0])
    return ap(E.embedding, (padding_idx, scale_grad_by_freq, sparse), weight, indices)


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of a table (V, D) at integer indices of any shape."""
    plain = type(scale_grad_by_freq) is bool and type(sparse) is bool and (padding_idx is None or type(padding_idx) is int)
    if not (isinstance(input, Tensor) and isinstance(weight, Tensor) and plain):
        given = -1 if padding_idx is None else padding_idx
        require(_EMBEDDING, weight, input, given, scale_grad_by_freq, sparse)
    if padding_idx is None:
        padding_idx = -1
    elif padding_idx:
        rows = weight.size(0)
        if not -rows <= padding_idx < rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= rows
    if max_norm is not None:
        renorm(weight, input, known_indices(input), max_norm, norm_type)
    return _look_up(weight, input, padding_idx, scale_grad_by_freq, sparse)


_EMBEDDING_BAG = (
    "embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, bool sparse=False, "
    "Tensor? per_sample_weights=None, bool include_last_offset=False, int? padding_idx=None)"
)


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum of table rows over bags: the rows of a 2-d input, or what offsets cut a 1-d input
    into."""
    if weight.dtype is torch.int64 and input.is_floating_point():
        warnings.warn(
            "Argument order of nn.functional.embedding_bag was changed. Usage `embedding_bag(weight, input, ...)` is "
            "deprecated, and should now be `embedding_bag(input, weight, ...)`.",
            stacklevel=2,
        )
        weight, input = input, weight
    if per_sample_weights is not None and input.size() != per_sample_weights.size():
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then it must have the "
            "same shape "
            f"as the input ({input.shape})"
        )
    if weight.dim() != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.dim()}")
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
                "sequences. "
                f"However, found offsets of type {type(offsets)}"
            )
        count, each = input.shape
        if not each or input.dtype is torch.bool:
            torch.arange(0, input.numel(), each, dtype=input.dtype)  # where the bags begin: refused
        bags = torch.arange(count, device=input.device).repeat_interleave(each)
        known = known_indices(input)
        input = input.reshape(-1)
        if per_sample_weights is not None:
            per_sample_weights = per_sample_weights.reshape(-1)
    elif input.dim() == 1:
        if offsets is None:
            raise ValueError("offsets has to be a 1D Tensor but got None")
        if offsets.dim() != 1:
            raise ValueError("offsets has to be a 1D Tensor")
        each, known = 0, known_indices(input)
    else:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    if max_norm is not None:
        renorm(weight, input, known, max_norm, norm_type)
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' (got "
            f"mode='{mode}'). Please open a feature request on GitHub."
        )
    flags = type(scale_grad_by_freq) is type(sparse) is type(include_last_offset) is bool and type(padding_idx) in (int, type(None))
    if not (flags and all(t is None or isinstance(t, Tensor) for t in (weight, input, offsets, per_sample_weights))):
        places = input if offsets is None else offsets
        more = scale_grad_by_freq, 0, sparse, per_sample_weights, include_last_offset, padding_idx
        require(_EMBEDDING_BAG, weight, input, places, *more)
    indexed = input.dtype if offsets is None else torch.promote_types(input.dtype, offsets.dtype)
    _check_dtype(indexed, _INDEX_DTYPES, "#1 'indices'", "embedding_bag")
    _check_dtype(weight.dtype, _BAG_DTYPES, "#1 'weight'", "embedding_bag")
    if per_sample_weights is not None and per_sample_weights.dtype is not weight.dtype:
        kinds = [dt.TYPE_TEXTS[t.dtype] for t in (weight, per_sample_weights)]
        raise RuntimeError(
            "Expected tensor for argument #1 'weight' to have the same type as tensor for argument #1 'per_sample_weights'; but type "
            f"{kinds[0]} does not equal {kinds[1]} (while checking arguments for embedding_bag)"
        )
    if offsets is not None:
        count, bags = _bags(offsets, input, include_last_offset)
        if per_sample_weights is None and not scale_grad_by_freq:
            input, bags = _padded(input, bags, count)
    rows = weight._aval.shape[0]
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise RuntimeError(f"padding_idx must be within the number of embeddings, -{rows} through {rows - 1}, but got {padding_idx}")
    padding = -1 if padding_idx is None else padding_idx % rows
    _check_bag_indices(known, weight, padding_idx is None and mode != "max")
    statics = (count, each, ("sum", "mean", "max").index(mode), padding, bool(scale_grad_by_freq))
    return ap(E.embedding_bag, statics, weight, input, bags, per_sample_weights)


def _bags(offsets: Tensor, indices: Tensor, include_last_offset: bool) -> tuple[int, Tensor]:
    """How many bags there are, and the bag of each index."""
    count, n = offsets._aval.shape[0], indices._aval.shape[0]
    if include_last_offset:
        if not count:
            raise RuntimeError("include_last_offset: number of offset should be at least 1")
        count -= 1
    known = host.known(offsets, compute=host.known(indices) is not None)  # often a cumsum, and worth a program then: see `_padded`
    if known is not None and known.size:
        if known[0] != 0:
            raise RuntimeError(
                "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, got "
                f"{int(known[0])}\n[ torch.{dt.SCALAR_TYPE_NAMES[torch.promote_types(indices.dtype, offsets.dtype)]}Tensor{{}} ]"
            )
        if known[-1] > n:
            raise RuntimeError(f"offsets[-1] can not be greater than input's length {n} but got offsets[-1] of {known[-1]}")
        if (known[:count] < 0).any():
            raise IndexError("index out of range in self")
    if known is not None:
        return count, from_host(np.searchsorted(known[:count], np.arange(n), side="right") - 1)
    places = torch.arange(n, device=offsets.device)
    bags = torch.searchsorted(offsets[:count].to(torch.int64).contiguous(), places, right=True) - 1
    return count, bags


def _padded(indices: Tensor, bags: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Known indices and their bags, made longer by indices in no bag: a program then serves for batches of many lengths.

    Texts of all lengths, one after the other, would have a program compiled for every batch. At most an eighth is added.
    """
    n = bags._aval.shape[0]
    step = 1 << max(n.bit_length() - 4, 0)
    more = -n % step
    arrays = [host.known(t) for t in (indices, bags)] if more else [None]
    if any(a is None for a in arrays):
        return indices, bags
    return tuple(from_host(np.pad(a, (0, more), constant_values=v)) for a, v in zip(arrays, (0, count), strict=True))  # type: ignore[return-value,arg-type]


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """int64 one-hot vectors along a new last dimension; -1 classes: one more than the greatest."""
    if not isinstance(input, Tensor) or type(num_classes) is not int:
        require("one_hot(Tensor input, int num_classes=-1)", input, num_classes)
    if input.dtype is not torch.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if not input.numel():
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return torch.empty((*input.shape, num_classes), dtype=torch.int64, device=input.device)
    known = input._read().value
    if num_classes == -1 or type(known) is np.ndarray:
        values = input._host()
        if values.min() < 0:
            raise RuntimeError("Class values must be non-negative.")
        if num_classes == -1:
            num_classes = int(values.max()) + 1
        elif values.max() >= num_classes:
            raise RuntimeError("Class values must be smaller than num_classes.")
    return ap(E.one_hot, (num_classes,), input)
