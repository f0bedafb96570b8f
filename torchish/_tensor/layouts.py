"""What PyTorch asks of a tensor's class, layout and place, where torchish has dense tensors only; small functional forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish._tensor.dispatch import call, composite, plain
from torchish._tensor.layout import memory_format
from torchish._tensor.methods import check_subclass
from torchish._tensor.tensor import Tensor
from torchish._tensor.views import alias
from torchish.autograd.graph import ANOMALY
from torchish.ops import norm as norm_ops


def as_subclass(self: Tensor, cls: type) -> Tensor:
    """The same data and history as an instance of `cls`, a subclass of Tensor; TypeError for other classes."""
    check_subclass(cls)
    from torchish._tensor.subclasses import DisableTorchFunction

    with DisableTorchFunction():
        made = alias(self)
    made.__class__ = cls
    return made


def dim_order(self: Tensor, *, ambiguity_check: bool | Sequence[memory_format] = False) -> tuple[int, ...]:
    """The dimensions from the outermost in memory to the innermost.

    RuntimeError with `ambiguity_check` when the strides leave a choice, unless exactly one of the memory formats given fits.
    """
    if not isinstance(ambiguity_check, bool) and not (
        isinstance(ambiguity_check, list) and all(isinstance(f, memory_format) for f in ambiguity_check)
    ):
        raise TypeError("The ambiguity_check argument must be a bool or a list of memory formats.")
    strides = self.stride()
    if ambiguity_check is not False:
        several = any(a == b for a, b in pairwise(strides)) or 1 in self.shape
        formats = [] if ambiguity_check is True else list(ambiguity_check)
        if several and sum(self.is_contiguous(memory_format=f) for f in formats) != 1:
            raise RuntimeError("The tensor does not have unique dim order, or cannot map to exact one of the given memory formats.")
    order = list(range(self.dim()))
    # insertion sort by falling stride; equal strides fall back on sizes, zeros and ones stay where they are
    for i in range(1, len(order)):
        j = i
        while j and _inner_first(self.shape, strides, order[j - 1], order[j]):
            order[j - 1], order[j] = order[j], order[j - 1]
            j -= 1
    return tuple(order)


def _inner_first(shape: Sequence[int], strides: Sequence[int], a: int, b: int) -> bool:
    """Whether dimension a, which stands before b, lies further inside."""
    if strides[a] == 0 or strides[b] == 0 or strides[a] == strides[b]:
        return False
    return strides[a] < strides[b]


def to_dense(self: Tensor, dtype: dt.dtype | None = None, *, masked_grad: bool | None = None) -> Tensor:
    """The tensor itself, which is dense (in another dtype when one is given)."""
    return self if dtype is None or dtype is self.dtype else self.to(dtype)


def module_load(self: Tensor, other: Tensor, assign: bool = False) -> Tensor:
    """What `load_state_dict` puts in the place of this tensor when parameters are swapped."""
    return other.detach() if assign else self.copy_(other).detach()


def const_data_ptr(self: Tensor) -> int:
    """`data_ptr`, for reading."""
    return self.data_ptr()


for _f in (as_subclass, dim_order, to_dense, module_load, const_data_ptr):
    setattr(Tensor, _f.__name__, _f)
Tensor.is_distributed = lambda self: False  # type: ignore[attr-defined]
Tensor.name = property(lambda self: None)  # type: ignore[attr-defined]
Tensor.volatile = property(lambda self: False)  # type: ignore[attr-defined]
Tensor.sparse_dim = lambda self: 0  # type: ignore[attr-defined]
Tensor.dense_dim = lambda self: self.dim()  # type: ignore[attr-defined]


# --- functions of the torch namespace that are methods elsewhere ---------------------------------------------


@plain("as_strided_")
def as_strided_(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """`Tensor.as_strided_`."""
    return input.as_strided_(size, stride, storage_offset)


@plain("detach_")
def detach_(input: Tensor) -> Tensor:
    """`Tensor.detach_`."""
    return input.detach_()


@plain("resize_as_")
def resize_as_(input: Tensor, the_template: Tensor, *, memory_format: memory_format | None = None) -> Tensor:
    """`Tensor.resize_as_`."""
    return input.resize_as_(the_template)


@plain("get_device")
def get_device(input: Tensor) -> int:
    """The index of the tensor's device; -1 on the CPU."""
    return input.get_device()


@plain("is_distributed")
def is_distributed(input: Tensor) -> bool:
    """False: a tensor lives in one process."""
    return False


@composite("frobenius_norm(Tensor input, int[] dim, bool keepdim=False)", method=False, out=True)
def frobenius_norm(input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    """The 2-norm of the elements over `dim`; deprecated in favour of `torch.linalg.vector_norm`."""
    return input.norm(2, dim, keepdim)


@plain("norm_except_dim")
def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norm over all dimensions except `dim` (all, for -1), which keep their places with size 1."""
    if dim == -1:
        return v.norm(pow)
    if dim == 0:
        return v.contiguous().view(v.size(0), -1).norm(pow, 1).view(v.size(0), *[1] * (v.dim() - 1))
    if dim == v.dim() - 1:
        return v.contiguous().view(-1, v.size(-1)).norm(pow, 0).view(*[1] * (v.dim() - 1), v.size(-1))
    return norm_except_dim(v.transpose(0, dim), pow, 0).transpose(0, dim)


@plain("_weight_norm")
def weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """v with the norms g over all dimensions except `dim` (over all, for -1)."""
    if dim in (0, v.dim() - 1):
        return call(norm_ops.weight_norm, v.contiguous(), g.contiguous(), dim)
    return v * (g / norm_except_dim(v, 2, dim))


@plain("from_file")
def from_file(filename: str, shared: bool | None = None, size: int = 0, *, dtype: dt.dtype | None = None, **options: Any) -> Tensor:
    """A 1-d tensor of `size` elements over a file; when `shared`, writing to the tensor writes to the file."""
    from torchish._tensor.creation import from_numpy

    d = dt.get_default_dtype() if dtype is None else dtype
    if shared:  # the file is made as long as it must be
        with open(filename, "ab") as f:
            f.truncate(max(f.tell(), size * d.itemsize))
    if not size:
        return from_numpy(np.empty((0,), d.np))
    memory = np.memmap(filename, dtype=d.np, mode="r+" if shared else "c", shape=(size,))
    return from_numpy(np.asarray(memory))


@plain("set_anomaly_enabled")
def set_anomaly_enabled(enabled: bool, check_nan: bool = True) -> None:
    """Switch anomaly mode on or off."""
    ANOMALY.enabled, ANOMALY.check_nan = bool(enabled), bool(check_nan)


@plain("thread_safe_generator")
def thread_safe_generator() -> None:
    """None: only workers that are threads have a generator of their own."""


# --- control flow --------------------------------------------------------------------------------------------


@plain("cond")
def cond(pred: Any, true_fn: Callable, false_fn: Callable, operands: Any = ()) -> Any:
    """`true_fn(*operands)` or `false_fn(*operands)`, as `pred` (a bool or a tensor of one element) says."""
    if isinstance(pred, Tensor) and pred.numel() != 1 or not isinstance(pred, (Tensor, bool, int, float)):
        raise RuntimeError(f"Expected pred to be bool or single-element tensor, but got {pred}.")
    if not callable(true_fn) or not callable(false_fn):
        raise RuntimeError("Expect both branches to be callable.")
    return true_fn(*operands) if pred else false_fn(*operands)


@plain("while_loop")
def while_loop(cond_fn: Callable, body_fn: Callable, carried_inputs: Any) -> Any:
    """`carried_inputs` after `body_fn(*carried)` was applied as long as `cond_fn(*carried)` held."""
    if not callable(cond_fn) or not callable(body_fn):
        raise RuntimeError("Expect cond_fn and body_fn to be callable.")
    carried = tuple(carried_inputs)
    while cond_fn(*(carried if isinstance(carried, (tuple, list)) else (carried,))):
        carried = body_fn(*(carried if isinstance(carried, (tuple, list)) else (carried,)))
    return carried


# --- embeddings as the torch namespace has them --------------------------------------------------------------


@plain("embedding_renorm_")
def embedding_renorm_(input: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> Tensor:
    """Scale the rows of a table (V, D) at `indices` in place, so that none has a norm above `max_norm`."""
    from torchish._tensor.nn_functional.sparse import known_indices, renorm

    renorm(input, indices, known_indices(indices), max_norm, norm_type)
    return input
