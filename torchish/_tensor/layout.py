"""The memory order of results: strides as PyTorch chooses them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchish._tensor.storage import contiguous_strides
from torchish._tensor.tensor import Tensor
from torchish.engine.expr import Spec


class _Named:
    """What PyTorch shows as ``torch.NAME``."""

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"


class memory_format(_Named):
    """How dimensions are ordered in memory: ``contiguous_format``, ``channels_last``…"""

    __module__ = "torch"

    def __reduce__(self):
        return _format_by_name, (self.name,)


class layout(_Named):
    """How a tensor's elements are laid out; torchish has ``torch.strided``."""

    __module__ = "torch"


def _format_by_name(name):
    return MEMORY_FORMATS[name]


MEMORY_FORMATS = {n: memory_format(n) for n in ("contiguous_format", "preserve_format", "channels_last", "channels_last_3d")}
MEMORY_FORMATS["legacy_contiguous_format"] = CONTIGUOUS = MEMORY_FORMATS["contiguous_format"]
STRIDED = layout("strided")


def result_strides(spec: Spec, flat: tuple, out) -> tuple[int, ...] | None:
    """The memory order of a result, by its operation's layout; None when it is contiguous."""
    if spec.op.layout == "pointwise" or (spec.op.layout == "padded" and max(spec.statics[-1], default=0) <= 0):
        return pointwise_strides(flat[::-1] if spec.op.turned else flat, out)
    if spec.op.layout == "one":
        return pointwise_strides(flat, out) if not any(isinstance(x, Tensor) for x in flat[1:]) else None
    if spec.op.layout == "copy":
        strides = flat[0]._strides
        return copied_strides(out.shape, strides) if strides and len(strides) == len(out.shape) else None
    if spec.op.layout == "outer":
        return _outer_strides(flat, out)
    if spec.op.layout in _CHANNELS:
        with_channels = out.size and len(out.shape) in (4, 5)  # statistics, beside a result, have none
        return channels_last_strides(out.shape) if with_channels and _CHANNELS[spec.op.layout](flat, spec.statics) else None
    if not all(is_channels_last(x) for x in flat):
        return None
    if spec.op.layout == "cat":
        return channels_last_strides(out.shape)
    # stacked tensors are joined along the dimension, which is then split in two
    n = len(out.shape)
    dim = spec.statics[0] % n
    if dim == n - 1:
        return None
    count, size = out.shape[dim : dim + 2]
    strides = channels_last_strides((*out.shape[:dim], count * size, *out.shape[dim + 2 :]))
    return (*strides[:dim], strides[dim] * size, *strides[dim:])


def _outer_strides(flat: tuple, out) -> tuple[int, ...] | None:
    """The memory order of a matrix and an outer product: that of the matrix, or else of the vectors as columns and rows."""
    x, column, row = (t.stride() for t in flat[:3])
    own = [0] * (2 - len(x)) + [0 if n == 1 else s for n, s in zip(flat[0]._aval.shape, x, strict=True)]
    return permuted_strides(out.shape, [own, [*column, 0], [0, *row]])


def transformed_strides(strides: tuple[int, ...], dims: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The memory order of a Fourier transform over `dims`: these last, the others as they lie in the input's memory."""
    order = [*sorted((d for d in range(len(shape)) if d not in dims), key=lambda d: -strides[d]), *dims]
    found, n = [0] * len(shape), 1
    for d in reversed(order):
        found[d] = n
        n *= max(shape[d], 1)
    return tuple(found)


def _in_convolution(flat: tuple, statics: tuple) -> bool:
    """Whether a convolution's result has its channels last: PyTorch's functions for volumes do that in oneDNN only."""
    x, weight, groups = flat[0], flat[1], statics[-1]
    if not (is_channels_last(x) or is_channels_last(weight)):
        return False
    from torchish.ops.conv import with_onednn

    return x._aval.ndim == 4 or with_onednn(x._aval, weight._aval, groups)


# Operations whose results have the channels last where the operands have, and when.
_CHANNELS: dict[str, Callable[[tuple, tuple], Any]] = {
    "convolution": _in_convolution,
    "windows": lambda flat, statics: is_channels_last(flat[0]),
    "normalized": lambda flat, statics: is_channels_last(flat[0]) and not flat[0].is_contiguous(),
    "rolled": lambda flat, statics: statics[1] and is_channels_last(flat[0]),
    "padded": lambda flat, statics: is_channels_last(flat[0]),
    "planes": lambda flat, statics: flat[0]._aval.ndim == 4 and is_channels_last(flat[0]),
}


def is_channels_last(t: Tensor) -> bool:
    """Whether PyTorch would say that a 4-d or 5-d tensor has its channels last in memory."""
    shape, strides = t._aval.shape, t.stride()
    if len(shape) not in (4, 5) or strides[1] == 0:
        return False
    least = 0
    for d in (1, *range(len(shape) - 1, 1, -1), 0):
        if shape[d] == 0 or strides[d] < least or (d == 0 and least == strides[1]):
            return False
        least = strides[d] * max(shape[d], 1)
    return True


def channels_last_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of (batch, channels, *spatial) with the channels last in memory."""
    strides = [0] * len(shape)
    n = 1
    for d in (1, *range(len(shape) - 1, 1, -1), 0):
        strides[d] = n
        n *= max(shape[d], 1)
    return tuple(strides)


def pointwise_strides(flat: tuple, out) -> tuple[int, ...] | None:
    """The memory order of a pointwise result: that of its operands, as PyTorch's TensorIterator chooses it."""
    tensors = [x for x in flat if isinstance(x, Tensor)]
    shape = out.shape
    ndim = len(shape)
    if ndim < 2:
        return None
    if len(tensors) == len(flat) and all(x._aval.shape == shape and x.is_contiguous() for x in tensors):
        return None
    operand_strides = []
    for x in tensors:
        s = x.stride()
        pad = ndim - len(s)
        operand_strides.append([0] * pad + [0 if x._aval.shape[i] == 1 and shape[i + pad] != 1 else s[i] for i in range(len(s))])
    return permuted_strides(shape, operand_strides)


def permuted_strides(shape: tuple[int, ...], operand_strides: list) -> tuple[int, ...] | None:
    """Dense strides in the dimension order that best follows the operands'; None when that is contiguous."""
    ndim = len(shape)
    perm = list(range(ndim - 1, -1, -1))  # fastest first

    def should_swap(d0: int, d1: int) -> int:
        for s in operand_strides:
            s0, s1 = s[d0], s[d1]
            if s0 == 0 or s1 == 0:
                continue
            if s0 < s1:
                return -1
            if s0 > s1:
                return 1
            if shape[d0] > shape[d1]:
                return 1
        return 0

    for i in range(1, ndim):
        d1 = i
        for d0 in range(i - 1, -1, -1):
            c = should_swap(perm[d0], perm[d1])
            if c > 0:
                perm[d0], perm[d1] = perm[d1], perm[d0]
                d1 = d0
            elif c < 0:
                break
    strides = [0] * ndim
    n = 1
    for d in perm:
        strides[d] = n
        n *= max(shape[d], 1)
    result = tuple(strides)
    return None if result == contiguous_strides(shape) else result


def is_dense(t: Tensor) -> bool:
    """Whether the elements fill a stretch of memory without holes or repeats."""
    return fills_memory(t._aval.shape, t.stride())


def in_order_of(input: Tensor, made: Tensor) -> Tensor:
    """A result of the shape of `input`, in its memory order if that is dense."""
    if is_dense(input):
        made._strides = made._storage.strides = input._strides
    return made


def fills_memory(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    n = 1
    for s, size in sorted(zip(strides, shape, strict=True)):
        if size > 1:
            if s != n:
                return False
            n *= size
    return True


def copied_strides(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...] | None:
    """The strides of a copy that keeps the order of elements in memory (None: contiguous)."""
    return strides if fills_memory(shape, strides) else permuted_strides(shape, [list(strides)])
