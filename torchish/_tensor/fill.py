"""`fill_`, `zero_`, `masked_fill` and the like: one value written to many places."""

from __future__ import annotations

from typing import Any

from torchish import _dtypes as dt
from torchish._dtypes import NUMBER_KINDS
from torchish._tensor.apply import apply, apply_inplace
from torchish._tensor.dispatch import composite
from torchish._tensor.indexing import check_value, fitting, once, repeated_dims, warn_of_repeats
from torchish._tensor.refusals import check_leaf
from torchish._tensor.tensor import Tensor
from torchish._tensor.views import expand
from torchish.engine.expr import CPU
from torchish.ops import fill as ops
from torchish.ops import index as ix
from torchish.ops.declare import broadcast_shapes


def value_kind(input: Tensor, value: Any, name: str) -> tuple[str, Any]:
    """A fill value as (kind, value): a number that the dtype holds, or a 0-d tensor on the tensor's device."""
    if not isinstance(value, Tensor):
        return NUMBER_KINDS[type(value)], fitting(value, input._aval.torch_dtype)
    if value._aval.ndim:
        what = "dimensions" if name == "fill_" else "dimension(s)"
        raise RuntimeError(
            f"{name} only supports {'0-dimension' if name == 'fill_' else 'a 0-dimensional'} value tensor"
            f"{' but' if name == 'fill_' else ', but'} got tensor with {value._aval.ndim} {what}."
        )
    if value._aval.device == CPU != input._aval.device and input._aval.device != "traced":
        value = value.to(input.device)
    return "T", value


@composite("fill_(Tensor input, Tensor|Number value)")
def fill_(input: Tensor, value: Any) -> Tensor:
    """Write one value everywhere."""
    kind, value = value_kind(input, value, "fill_")
    return apply_inplace(ops.fill_inplace.spec(("T", kind), ()), (input, value))


@composite("fill(Tensor input, Tensor|Number value)", method=False)
def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor like `input` with one value everywhere."""
    kind, value = value_kind(input, value, "fill_")
    return apply(ops.fill.spec(("T", kind), ()), (input, value))


@composite("zero_(Tensor input)")
def zero_(input: Tensor) -> Tensor:
    """Write zero everywhere."""
    return apply_inplace(ops.zero_inplace.spec(("T",), ()), (input,))


@composite("zero(Tensor input)", method=False, function=False)
def zero(input: Tensor) -> Tensor:
    return apply(ops.zero_inplace.spec(("T",), ()), (input,))


_C_TYPES = {
    "bool": "bool", "uint8": "unsigned char", "int8": "signed char", "int16": "short int", "int32": "int", "int64": "long int",
    "float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float", "float64": "double",
    "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
}  # fmt: skip


def _check_masked_fill(input: Tensor, mask: Tensor, value: Any) -> tuple[str, Any]:
    kind, value = value_kind(input, value, "masked_fill_")
    if mask._aval.torch_dtype is not dt.bool_:
        name = mask._aval.torch_dtype.name
        raise RuntimeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {_C_TYPES.get(name, name)}"
        )
    if kind == "T":
        check_value(input, value)
    return kind, value


@composite("masked_fill(Tensor input, Tensor mask, Tensor|Number value)")
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`input` with `value` where the mask is True (broadcast against each other)."""
    broadcast_shapes([mask._aval.shape, input._aval.shape])
    kind, value = _check_masked_fill(input, mask, value)
    filled = apply(ix.masked_fill.spec(("T", "T", kind), ()), (input, mask, value))
    filled._strides = filled._storage.strides = None  # PyTorch fills a contiguous copy
    return filled


@composite("masked_fill_(Tensor input, Tensor mask, Tensor|Number value)")
def masked_fill_(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Write `value` where the mask is True."""
    check_leaf(input, isinstance(value, Tensor) and value._needs())
    kind, value = _check_masked_fill(input, mask, value)
    shape = broadcast_shapes([mask._aval.shape, input._aval.shape])
    if shape != input._aval.shape:
        raise RuntimeError(f"output with shape {list(input.shape)} doesn't match the broadcast shape {list(shape)}")
    if dims := repeated_dims(input):
        warn_of_repeats("masked_fill_", "tensor[mask] = scalar")
        masked_fill_(once(input, dims), expand(mask, shape).any(tuple(dims), True), value)
        return input
    return apply_inplace(ix.masked_fill.spec(("T", "T", kind), ()), (input, mask, value))
