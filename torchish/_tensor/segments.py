"""Reductions of consecutive runs of elements, and small things that PyTorch's tensors can be asked."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

import torchish as torch
from torchish import _dtypes as dt
from torchish._streams import Stream
from torchish._tensor.creation import from_host
from torchish._tensor.dispatch import composite
from torchish._tensor.tensor import Tensor
from torchish.autograd.graph import GradFn, named

_INITIAL = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "max": -np.inf, "min": np.inf}
_REDUCE = {"sum": "sum", "mean": "sum", "prod": "prod", "max": "amax", "min": "amin"}


def _lengths(data: Tensor, lengths: Tensor | None, offsets: Tensor | None, axis: int, unsafe: bool) -> np.ndarray:
    """How long the segments of each row are; RuntimeError unless they fill it."""
    given = lengths if offsets is None else offsets
    if given is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    if given._aval.category != 1:
        kernel = "lengths" if offsets is None else "offsets"
        raise NotImplementedError(f"\"_segment_reduce_{kernel}_cpu_kernel1\" not implemented for '{dt.SCALAR_TYPE_NAMES[given.dtype]}'")
    values = given._host()
    if offsets is not None:
        return np.diff(values, axis=-1)
    if not unsafe:
        if (values < 0).any():
            raise RuntimeError("lengths contains negative value!")
        if (values.sum(-1) != data.shape[axis]).any():
            raise RuntimeError(
                "segment_reduce(): Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1) when !unsafe."
            )
    return values


@composite(
    "segment_reduce(Tensor data, str reduce, *, Tensor? lengths=None, Tensor? indices=None, Tensor? offsets=None, int axis=0, "
    "bool unsafe=False, scalar? initial=None)",
    method=False,
)
def segment_reduce(data, reduce, *, lengths, indices, offsets, axis, unsafe, initial):
    """The sum, mean, product, maximum or minimum ("sum", "mean", "prod", "max", "min") of each segment along `axis`.

    The segments follow each other, with `lengths` (*, segments) or from `offsets` (*, segments + 1), * being the dimensions before
    `axis`. `initial` joins in every segment; what an empty one gives is 0, nan, 1, -inf or inf without it.
    """
    if reduce not in _INITIAL:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    axis %= max(data.dim(), 1)
    sizes = _lengths(data, lengths, offsets, axis, unsafe)
    if data._aval.category != 2:
        raise NotImplementedError(f"\"_segment_reduce_cpu\" not implemented for '{dt.SCALAR_TYPE_NAMES[data.dtype]}'")
    shape = (*data.shape[:axis], sizes.shape[-1], *data.shape[axis + 1 :])
    rows = sizes.reshape(-1, sizes.shape[-1])
    segments = np.stack([np.repeat(np.arange(rows.shape[1]), row) for row in rows]) if rows.size else np.zeros((len(rows), 0), np.int64)
    rest = (1,) * (data.dim() - axis - 1)
    used = segments.shape[1]
    where = from_host(segments.reshape(*sizes.shape[:-1], used, *rest)).expand(*data.shape[:axis], used, *data.shape[axis + 1 :])
    extreme = reduce in ("max", "min")
    start = data.new_full(shape, _INITIAL[reduce] if initial is None or extreme else initial)
    out = start.scatter_reduce(axis, where, data.narrow(axis, 0, used), _REDUCE[reduce])
    if reduce == "mean":
        counts = sizes if initial is None else np.maximum(sizes, 1)
        out = out / from_host(counts.reshape(*sizes.shape, *rest).astype(np.float64)).to(data.dtype)
    if extreme and initial is not None:  # of equal elements and `initial`, the elements get the gradient
        out = torch.where(out < initial if reduce == "max" else out > initial, start.new_full((), initial), out)
    return _named(out, "SegmentReduceBackward0")


def _named(t: Tensor, name: str) -> Tensor:
    if t._grad_fn is not None:
        t._grad_fn.__class__ = named(name, GradFn)
    return t


@composite("slice_inverse(Tensor input, Tensor src, int dim=0, int? start=None, int? end=None, int step=1)")
def slice_inverse(input, src, dim, start, end, step):
    """The memory of `input` in the shape and strides of `src`, of which it is a slice."""
    return _named(input.as_strided(src.shape, src.stride(), src.storage_offset()), "SliceInverseBackward0")


def record_stream(self: Tensor, stream: Stream) -> None:
    """Accepted on a GPU, where XLA knows until when the memory is needed; NotImplementedError on the CPU."""
    if not isinstance(stream, Stream):
        raise RuntimeError("unknown parameter type")
    if self.device.type == "cpu":
        raise NotImplementedError("Could not run 'aten::record_stream' with arguments from the 'CPU' backend.")


Tensor.record_stream = record_stream  # type: ignore[attr-defined]


class _GradientCast:
    """What keeps a leaf's gradient in a dtype of its own (None: in whichever it has)."""

    def __init__(self, dtype: dt.dtype | None):
        self.dtype = dtype

    def __call__(self, t: Tensor) -> None:
        if self.dtype is not None and t._grad is not None and t._grad.dtype is not self.dtype:
            t._grad = t._grad.detach().to(self.dtype)


def _grad_dtype(self: Tensor) -> dt.dtype | None:
    """The dtype of a leaf's gradients: its own, unless set; None lets them have any. RuntimeError if this is no leaf."""
    if not self.is_leaf:
        raise RuntimeError("grad_dtype can only be accessed on leaf tensors.")
    made = (self._post_accumulate or {}).get("grad_dtype")
    return self.dtype if made is None else made.dtype


def _set_grad_dtype(self: Tensor, dtype: Any) -> None:
    if not self.is_leaf:
        raise RuntimeError("grad_dtype can only be set on leaf tensors.")
    if self._post_accumulate is None:
        self._post_accumulate = {}
    self._post_accumulate["grad_dtype"] = _GradientCast(dtype)


def _no_deletion(self: Tensor) -> NoReturn:
    raise AttributeError("attribute 'grad_dtype' of 'torch._C.TensorBase' objects cannot be deleted")


Tensor.grad_dtype = property(_grad_dtype, _set_grad_dtype, _no_deletion, _grad_dtype.__doc__)  # type: ignore[attr-defined]
