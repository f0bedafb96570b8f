"""conv1d to conv_transpose3d: PyTorch's argument forms over `torchish.ops.conv.convolution`."""

from __future__ import annotations

from typing import Any

from torchish._tensor.apply import apply
from torchish._tensor.data import triggered, warn_once
from torchish._tensor.dispatch import composite
from torchish._tensor.layout import CONTIGUOUS
from torchish._tensor.tensor import Tensor
from torchish._tensor.views import permute, squeeze_dim, unsqueeze
from torchish.ops.conv import convolution
from torchish.ops.precision import COMPLEX, INTEGERS, REAL, require_kernel

_SPECS: dict[tuple, object] = {}


def _expand(values: tuple, n: int, name: str, dims: int) -> tuple:
    """One value for each of the function's n dimensions; RuntimeError when the weight has another number of them."""
    if len(values) == 1:
        values = values * n
    if len(values) in (dims, 1):
        return values if len(values) == dims else values * dims
    raise RuntimeError(
        f"expected {name} to be a single integer value or a list of {dims} values to match the convolution dimensions, "
        f"but got {name}={list(values)}"
    )


def _spec(n, with_bias, stride, padding, dilation, groups, weight: Tensor, transposed=False, output_padding=(0,)):
    key = (n, with_bias, stride, padding, dilation, groups, transposed, output_padding, weight._aval.shape)
    made = _SPECS.get(key)
    if made is None:
        k = weight._aval.ndim - 2
        s = _expand(stride, n, "stride", k)
        d = _expand(dilation, n, "dilation", k)
        o = _expand(output_padding, n, "output_padding", k)
        if isinstance(padding, str):
            p = _string_padding(padding, s, d, weight._aval.shape[2:])
        else:
            p = _expand(padding, n, "padding", k)
        made = convolution.spec(("T", "T", "T" if with_bias else "N"), (s, p, d, transposed, o, groups))
        _SPECS[key] = made
    return made


def _string_padding(padding: str, stride: tuple, dilation: tuple, kernel: tuple) -> tuple:
    if padding == "valid":
        return (0,) * len(stride)
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if all(t % 2 == 0 for t in totals):
        return tuple(t // 2 for t in totals)
    warn_once(
        "Using padding='same' with even kernel lengths and odd dilation may require a zero-padded copy of the input be created"
        + triggered("aten/src/ATen/native/Convolution.cpp:1101")
    )
    return tuple((t // 2, t - t // 2) for t in totals)


def _convolve(name: str, n: int, input: Tensor, weight: Tensor, bias, stride, padding, dilation, groups, **more) -> Tensor:
    ndim = input._aval.ndim
    if weight._aval.ndim < 3 and ndim in (n + 1, n + 2):
        raise RuntimeError("weight should have at least three dimensions")
    if ndim == n + 1:
        _check_same(n, padding, input, weight)
        batched = unsqueeze(input, 0)
        spec = _spec(n, bias is not None, stride, padding, dilation, groups, weight, **more)
        return squeeze_dim(apply(spec, (batched, weight) if bias is None else (batched, weight, bias)), 0)
    if ndim != n + 2:
        raise RuntimeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input of size: {list(input.shape)}"
        )
    _check_same(n, padding, input, weight)
    spec = _spec(n, bias is not None, stride, padding, dilation, groups, weight, **more)
    return apply(spec, (input, weight) if bias is None else (input, weight, bias))


def _check_same(n: int, padding, input: Tensor, weight: Tensor) -> None:
    """With padding="same" the dimensions are looked at before stride and dilation."""
    k = weight._aval.ndim
    if padding == "same" and k != n + 2:
        size = list(input.shape) if input._aval.ndim == n + 2 else [1, *input.shape]
        raise RuntimeError(
            f"Expected {k}-dimensional input for {k}-dimensional weight{list(weight.shape)}, but got {n + 2}-dimensional input of size "
            f"{size} instead"
        )


def _declare(n: int) -> None:
    name = f"conv{n}d"
    head = f"{name}(Tensor input, Tensor weight, Tensor? bias=None, int[] stride=1"
    traits: dict[str, Any] = {"method": False, "aliases": (f"nn.functional.{name}",)}

    def conv(input, weight, bias, stride, padding, dilation, groups):
        return _convolve(name, n, input, weight, bias, _tuple(stride), _tuple(padding), _tuple(dilation), groups)

    conv.__doc__ = f"Convolution of (N, C, {n} spatial) or (C, {n} spatial) with weight (O, C / groups, {n} of kernel)."
    composite(f"{head}, int[] padding=0, int[] dilation=1, int groups=1)", **traits)(conv)
    composite(f'{head}, str padding="valid", int[] dilation=1, int groups=1)', **traits)(conv)

    transposed_name = f"conv_transpose{n}d"

    def conv_transpose(input, weight, bias, stride, padding, output_padding, groups, dilation):
        return _convolve(
            transposed_name, n, input, weight, bias, _tuple(stride), _tuple(padding), _tuple(dilation), groups,
            transposed=True, output_padding=_tuple(output_padding),
        )  # fmt: skip

    conv_transpose.__doc__ = f"Transposed convolution of (N, C, {n} spatial) with weight (C, O / groups, {n} of kernel)."
    composite(
        f"{transposed_name}(Tensor input, Tensor weight, Tensor? bias=None, int[] stride=1, int[] padding=0, "
        "int[] output_padding=0, int groups=1, int[] dilation=1)",
        method=False, aliases=(f"nn.functional.{transposed_name}",),
    )(conv_transpose)  # fmt: skip


def _tuple(x):
    return (x,) if isinstance(x, int) else x


for _n in (1, 2, 3):
    _declare(_n)


@composite("conv_tbc(Tensor input, Tensor weight, Tensor bias, int pad=0)", method=False, aliases=("nn.functional.conv_tbc",))
def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """1-d convolution of (time, batch, C) with weight (kernel, C, O)."""
    if input.dim() != 3:
        raise RuntimeError("Input must have 3 dims: time, batch, in_channel")
    if weight.dim() != 3:
        raise RuntimeError("Weight tensor must have 3 dims: kernel_width, in_channels, out_channels.")
    if bias.dim() != 1:
        raise RuntimeError("Bias must be 1-D")
    if input.size(2) != weight.size(1):
        raise RuntimeError("Input dim 2 (input channels) is not == dim 1 in the weight tensor")
    if weight.size(2) != bias.size(0):
        raise RuntimeError("Bias size must equal dim 2 in the weight tensor (output channels).")
    if input._aval.size:
        require_kernel("addmm_impl_cpu_", input._aval, REAL | COMPLEX | INTEGERS)
    x, w = permute(input, (1, 2, 0)), permute(weight, (2, 1, 0))
    return permute(_convolve("conv_tbc", 1, x, w, bias, (1,), (pad,), (1,), 1), (2, 0, 1)).clone(memory_format=CONTIGUOUS)
