"""Convolutions in 1, 2 and 3 dimensions, and their transposes."""

from __future__ import annotations

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from torchish import _dtypes as dt
from torchish.ops import lowering
from torchish.ops.declare import op
from torchish.ops.matmul import float32_precision
from torchish.ops.precision import (
    COMPLEX,
    INTEGERS,
    LONG,
    REAL,
    is_complex,
    is_half,
    require_kernel,
    stepwise,
    type_name,
    type_text,
    widen,
)


@op(
    "convolution(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, bool "
    "transposed, "
    "int[] output_padding, int groups)",
    method=False,
    out=False,
    saves={"input": ("weight",), "weight": ("input",)},
    layout="convolution",
)
def convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """The convolution that conv1d to conv_transpose3d come to: input (N, C, *spatial), one static value per dimension.

    A padding pair per dimension, (low, high), is also taken: padding="same" with an even kernel needs it.
    """
    check(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups)
    if 0 in input.shape[:2]:
        return _nothing(input, weight, stride, padding, dilation, transposed, output_padding, groups)
    x, w = widen(input), widen(weight)
    large = any(o >= s for o, s in zip(output_padding, stride, strict=True))
    if transposed and is_half(input.dtype) and (large or not with_onednn(input, weight, groups)):
        y = _added_up(x, w, stride, pairs(padding), dilation, output_padding, groups, stepwise(input.dtype))
    elif transposed:
        y = lowering.conv_transpose(x, w, stride, pairs(padding), dilation, output_padding, groups)
    else:
        y = lowering.conv(x, w, stride, pairs(padding), dilation, groups)
    if bias is not None:
        y = y + widen(bias).reshape((-1,) + (1,) * len(stride))
    return y.astype(input.dtype)


def _added_up(x, w, stride, padding, dilation, output_padding, groups, half):
    """A transposed convolution as PyTorch's own kernel makes it, which serves float16, and padding that oneDNN does not know.

    One place of the kernel after the other, its products with the whole input are added where they belong, and `half` rounds both
    the products and the sums.
    """
    n, size, kernel = x.shape[0], x.shape[2:], w.shape[2:]
    x = x.reshape(n, groups, -1, *size)
    w = jnp.moveaxis(w.reshape(groups, x.shape[2], w.shape[1], -1), -1, 0)
    full = transposed_size(size, kernel, stride, ((0, 0),) * len(size), dilation, output_padding)

    def add(out, place):
        at, weight = place
        products = half(jnp.einsum("ngi...,gio->ngo...", x, weight, precision=float32_precision()))
        spread = jax.lax.pad(products, np.zeros((), x.dtype), [(0, 0, 0)] * 3 + [(0, 0, s - 1) for s in stride])
        start = (0, 0, 0, *at)
        there = jax.lax.dynamic_slice(out, start, spread.shape)
        return jax.lax.dynamic_update_slice(out, half(there + spread), start), None

    places = np.indices(kernel).reshape(len(kernel), -1).T * np.asarray(dilation)
    out, _ = jax.lax.scan(add, jnp.zeros((n, groups, w.shape[-1], *full), x.dtype), (places, w))
    inner = [slice(low, k - high) for k, (low, high) in zip(full, padding, strict=True)]
    return out.reshape(n, -1, *full)[(slice(None), slice(None), *inner)]


@convolution.backward
def _(grad, input, weight, stride, padding, dilation, transposed, output_padding, groups, needs):
    x, w, g = widen(input), widen(weight), jnp.conj(widen(grad))
    pad = pairs(padding)
    gx = gw = gb = None
    if transposed and all(o < s for o, s in zip(output_padding, stride, strict=True)):
        # The transpose of a convolution with the same weight: that convolution, and its gradient with x and g exchanged.
        if needs[0]:
            gx = jnp.conj(lowering.conv(g, w, stride, pad, dilation, groups))
        if needs[1]:
            gw = jnp.conj(lowering.weight_gradient(g, w, x, stride, pad, dilation, groups))
    elif transposed:
        run = partial(lowering.conv_transpose, stride=stride, padding=pad, dilation=dilation, output_padding=output_padding, groups=groups)
        if needs[0]:
            gx = jnp.conj(jax.vjp(lambda x: run(x, w), x)[1](g)[0])
        if needs[1]:
            gw = jnp.conj(jax.vjp(lambda w: run(x, w), w)[1](g)[0])
    else:
        # Each gradient is the transpose of the lowering that is fastest for it; both are linear in what they transpose.
        if needs[0]:
            gx = jnp.conj(jax.vjp(lambda x: lowering.conv(x, w, stride, pad, dilation, groups, "input"), x)[1](g)[0])
        if needs[1]:
            gw = jnp.conj(lowering.weight_gradient(x, w, g, stride, pad, dilation, groups))
    if len(needs) > 2 and needs[2]:
        gb = jnp.conj(g).sum((0, *range(2, g.ndim)))
    return gx, gw, gb


def pairs(padding):
    """Padding as (low, high) pairs."""
    return tuple(p if isinstance(p, tuple) else (p, p) for p in padding)


def _x(values) -> str:
    return " x ".join(str(v) for v in values)


def check(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """Raise what PyTorch raises for arguments that do not fit together."""
    n = len(stride)
    k = weight.ndim
    # (functions that are not transposed look at the bias themselves)
    if bias is not None and bias.dtype != input.dtype and not transposed:
        types = [dt.cpp_name(dt.FROM_NP[x.dtype]) for x in (input, bias)]
        raise RuntimeError(f"Input type ({types[0]}) and bias type ({types[1]}) should be the same")
    if is_complex(input):
        _check_types(input, weight, bias)
    if k == n + 2 and min((*(p for pair in pairs(padding) for p in pair), 0)) < 0:
        raise RuntimeError("negative padding is not supported")
    if min((*output_padding, 0)) < 0:
        raise RuntimeError("negative output_padding is not supported")
    if min(stride) <= 0:
        raise RuntimeError("non-positive stride is not supported")
    if min(dilation) < 0:
        raise RuntimeError("dilation should be greater than zero")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if k != input.ndim:
        raise RuntimeError(
            f"Expected {k}-dimensional input for {k}-dimensional weight {list(weight.shape)}, but got "
            f"{input.ndim}-dimensional "
            f"input of size {list(input.shape)} instead"
        )
    if weight.shape[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size "
            f"{list(weight.shape)} instead"
        )
    if weight.shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of "
            "size "
            f"[{list(weight.shape)}] instead"
        )
    if transposed:
        _check_channels_transposed(input, weight, bias, groups)
    else:
        _check_forward(input, weight, bias, stride, padding, dilation, groups)
    if 0 in input.shape[:2]:
        return
    if not input.size:
        shape = [*input.shape[:2], *(1,) * (n == 1), *input.shape[2:]]
        raise RuntimeError(f"Only zero batch or zero channel inputs are supported, but got input shape: {shape}")
    _check_kernel(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups)


def _check_types(input, weight, bias, onednn=False):
    for name, x in (("weight", weight), ("bias", bias)):
        if x is not None and x.dtype != input.dtype:
            told = f" or input should be a MKLDNN tensor and {name} is a dense tensor" if onednn else ""
            raise RuntimeError(f"Input type ({type_text(input)}) and {name} type ({type_text(x)}) should be the same{told}")


def with_onednn(input, weight, groups) -> bool:
    """Whether PyTorch leaves a convolution of such arrays to oneDNN."""
    if input.dtype.name == "bfloat16":
        return True
    volume = math.prod(input.shape[:4])
    return input.dtype == np.float32 and (groups > 1 or min((1, *weight.shape[2:])[-2:]) > 3 or input.shape[0] > 1 or volume > 20480)


def _check_kernel(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """What the functions that compute a convolution of some elements refuse."""
    n = len(stride)
    if with_onednn(input, weight, groups):
        _check_types(input, weight, bias, onednn=True)
        if 0 in dilation and not transposed:
            raise RuntimeError("non-positive dilation is not supported")
    if 0 in weight.shape[2:]:
        height, width = (1, *weight.shape[2:])[-2:]
        if n < 3:
            raise RuntimeError(f"kernel size should be greater than zero, but got kernel_height: {height} kernel_width: {width}")
        raise RuntimeError(
            "non-empty 5D (n_output_plane x n_input_plane x kernel_depth x kernel_height x kernel_width) tensor expected for weight, "
            f"but got: {list(weight.shape)}"
            if transposed
            else f"kernel size should be greater than zero, but got: {_x(weight.shape[2:])} (TxHxW)"
        )
    if 0 in dilation:
        spread = (1, *dilation) if n == 1 else tuple(dilation)
        names = zip(("depth", "height", "width")[3 - len(spread) :], spread, strict=True)
        what = ", ".join(f"dilation_{a}: {v}" for a, v in names) if transposed else str(list(spread))
        raise RuntimeError(f"dilation should be greater than zero, but got {what}")
    if transposed:
        _check_transposed(input, weight, stride, padding, dilation, output_padding)
        require_kernel(f"slow_conv_transpose{max(n, 2)}d_out_cpu", input, REAL | COMPLEX | LONG)
    elif any(d != 1 for d in dilation):
        require_kernel("slow_conv_dilated<>", input, REAL | COMPLEX | LONG)
    elif input.dtype == jnp.bool_:
        if n == 3 and weight.dtype != input.dtype:
            raise RuntimeError(f"expected scalar type {type_name(input)} but found {type_name(weight)}")
        require_kernel("compute_columns3d" if n == 3 else "slow_conv2d_cpu", input, REAL | COMPLEX | INTEGERS)
    # (the bias of a transposed convolution in one or two dimensions may have any dtype)
    for x in (weight, bias if n == 3 else None):
        if x is not None and x.dtype != input.dtype:
            raise RuntimeError(f"expected scalar type {type_name(input)} but found {type_name(x)}")
    if bias is not None and is_complex(bias) and not is_complex(input):
        raise RuntimeError(f"result type {type_name(bias)} can't be cast to the desired output type {type_name(input)}")


def _nothing(input, weight, stride, padding, dilation, transposed, output_padding, groups):
    """The convolution of no batch or channel: PyTorch multiplies by the first weight, whatever its dtype, and sees to the shape."""
    if input.shape[1] and not weight.size:
        raise IndexError("select(): index 0 out of range for tensor of size [0] at dimension 0")
    sizes = input.shape[2:], weight.shape[2:], stride, pairs(padding), dilation
    size = transposed_size(*sizes, output_padding) if transposed else forward_size(*sizes)
    channels = (weight.shape[1] * groups if transposed else weight.shape[0]) if input.shape[1] else 0
    shape = [input.shape[0], channels, *(1,) * (len(stride) == 1), *size]
    for at, d in enumerate(shape):
        if d < 0:
            raise RuntimeError(f"invalid shape dimension {d} at index {at} of shape {shape}")
    kinds = [dt.FROM_NP[np.dtype(x.dtype)] for x in (input, weight)]
    return jnp.zeros((*shape[:2], *size), dt.result_type([(kinds[0], 2), (kinds[1], 1)]).np)


def _check_forward(input, weight, bias, stride, padding, dilation, groups):
    n = len(stride)
    if input.shape[1] != weight.shape[1] * groups:
        raise RuntimeError(
            f"Given groups={groups}, weight of size {list(weight.shape)}, expected input{list(input.shape)} to have "
            f"{weight.shape[1] * groups} channels, but got {input.shape[1]} channels instead"
        )
    _check_bias(bias, weight, weight.shape[0], "Given weight of size")
    padded = [s + low + high for s, (low, high) in zip(input.shape[2:], pairs(padding), strict=True)]
    kernel = [dilation[i] * (weight.shape[i + 2] - 1) + 1 for i in range(n)]
    if any(p < k for p, k in zip(padded, kernel, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({_x(padded)}). Kernel size: ({_x(kernel)}). "
            "Kernel size can't be greater than actual input size"
        )


def _check_channels_transposed(input, weight, bias, groups):
    if input.shape[1] != weight.shape[0]:
        raise RuntimeError(
            f"Given transposed=1, weight of size {list(weight.shape)}, expected input{list(input.shape)} to have "
            f"{weight.shape[0]} channels, but got {input.shape[1]} channels instead"
        )
    _check_bias(bias, weight, weight.shape[1] * groups, "Given transposed=1, weight of size")


def _check_transposed(input, weight, stride, padding, dilation, output_padding):
    n = len(stride)
    if any(o >= s and o >= d for o, s, d in zip(output_padding, stride, dilation, strict=True)):
        names = {1: ("height", "width"), 2: ("height", "width"), 3: ("depth", "height", "width")}[n]

        def show(what, values):
            values = (1, *values) if n == 1 and what != "output_padding" else (0, *values) if n == 1 else values
            return " ".join(f"{what}_{name}: {v}" for name, v in zip(names, values, strict=True))

        raise RuntimeError(
            "output padding must be smaller than either stride or dilation, but got "
            f"{show('output_padding', output_padding)} {show('stride', stride)} {show('dilation', dilation)}"
        )
    size = transposed_size(input.shape[2:], weight.shape[2:], stride, pairs(padding), dilation, output_padding)
    if min(size) < 1:
        given = input.shape[2:]
        if n == 1:  # it goes through two dimensions
            given, size = (1, *given), (1, *size)
        raise RuntimeError(
            f"Given input size per channel: ({_x(given)}). Calculated output size per channel: ({_x(size)}). "
            "Output size is too small"
        )


def forward_size(size, kernel, stride, padding, dilation):
    """The spatial size of a convolution's result."""
    return tuple(
        (n + low + high - d * (k - 1) - 1) // s + 1
        for n, k, s, (low, high), d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


def transposed_size(size, kernel, stride, padding, dilation, output_padding):
    """The spatial size of a transposed convolution's result."""
    return tuple(
        (n - 1) * s - low - high + d * (k - 1) + o + 1
        for n, k, s, (low, high), d, o in zip(size, kernel, stride, padding, dilation, output_padding, strict=True)
    )


def _check_bias(bias, weight, n, given):
    if bias is not None and bias.shape != (n,):
        raise RuntimeError(
            f"{given} {list(weight.shape)}, expected bias to be 1-dimensional with {n} elements, but got bias of size "
            f"{list(bias.shape)} instead"
        )
