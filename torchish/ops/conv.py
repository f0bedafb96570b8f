"""Convolutions in 1, 2 and 3 dimensions, and their transposes."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from torchish.ops import lowering
from torchish.ops.declare import op
from torchish.ops.precision import c_type_name, type_name, type_text, widen


@op(
    "convolution(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, bool "
    "transposed, "
    "int[] output_padding, int groups)",
    method=False,
    out=False,
    saves={"input": ("weight",), "weight": ("input",)},
)
def convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """The convolution that conv1d to conv_transpose3d come to: input (N, C, *spatial), one static value per dimension.

    A padding pair per dimension, (low, high), is also taken: padding="same" with an even kernel needs it.
    """
    check(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups)
    x, w = widen(input), widen(weight)
    if transposed:
        y = lowering.conv_transpose(x, w, stride, pairs(padding), dilation, output_padding, groups)
    else:
        y = lowering.conv(x, w, stride, pairs(padding), dilation, groups)
    if bias is not None:
        y = y + widen(bias).reshape((-1,) + (1,) * len(stride))
    return y.astype(input.dtype)


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
    # (a dtype that differs from the bias is found first; one kernel takes any)
    if bias is not None and bias.dtype != input.dtype and not (transposed and n == 2):
        types = [c_type_name(x).replace("long long", "long int") for x in (input, bias)]
        raise RuntimeError(f"Input type ({types[0]}) and bias type ({types[1]}) should be the same")
    if k == n + 2 and min((*(p for pair in pairs(padding) for p in pair), 0)) < 0:
        raise RuntimeError("negative padding is not supported")
    if min((*output_padding, 0)) < 0:
        raise RuntimeError("negative output_padding is not supported")
    if min(stride) <= 0:
        raise RuntimeError("non-positive stride is not supported")
    if min(dilation) <= 0:
        spread = (1, *dilation) if n == 1 else tuple(dilation)
        names = zip(("depth", "height", "width")[3 - len(spread) :], spread, strict=True)
        what = ", but got " + (", ".join(f"dilation_{a}: {v}" for a, v in names) if transposed else str(list(spread)))
        raise RuntimeError("dilation should be greater than zero" + (what if min(dilation) == 0 else ""))
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
    if 0 in weight.shape[2:] and n < 3:
        height, width = (1, *weight.shape[2:])[-2:]
        raise RuntimeError(f"kernel size should be greater than zero, but got kernel_height: {height} kernel_width: {width}")
    if transposed:
        _check_transposed(input, weight, bias, stride, padding, dilation, output_padding, groups)
    else:
        _check_forward(input, weight, bias, stride, padding, dilation, groups)
    if 0 in input.shape[2:] and n < 3:
        shape = [*input.shape[:2], *(1,) * (n == 1), *input.shape[2:]]
        raise RuntimeError(f"Only zero batch or zero channel inputs are supported, but got input shape: {shape}")
    if input.dtype == jnp.bool_:
        kernel = f"slow_conv_transpose{max(n, 2)}d_out_cpu" if transposed else f"slow_conv{max(n, 2)}d_cpu"
        raise NotImplementedError(f"\"{kernel}\" not implemented for 'Bool'")
    if input.dtype != weight.dtype:
        if jnp.issubdtype(weight.dtype, jnp.complexfloating) or jnp.issubdtype(input.dtype, jnp.complexfloating):
            raise RuntimeError(
                f"Input type ({type_text(input)}) and weight type ({type_text(weight)}) should be the same or "
                "input "
                "should be a MKLDNN tensor and weight is a dense tensor"
            )
        raise RuntimeError(f"expected scalar type {type_name(input)} but found {type_name(weight)}")


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


def _check_transposed(input, weight, bias, stride, padding, dilation, output_padding, groups):
    n = len(stride)
    if input.shape[1] != weight.shape[0]:
        raise RuntimeError(
            f"Given transposed=1, weight of size {list(weight.shape)}, expected input{list(input.shape)} to have "
            f"{weight.shape[0]} channels, but got {input.shape[1]} channels instead"
        )
    _check_bias(bias, weight, weight.shape[1] * groups, "Given transposed=1, weight of size")
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
        raise RuntimeError(
            f"Given input size per channel: ({_x(input.shape[2:])}). Calculated output size per channel: ({_x(size)}). "
            "Output size is too small"
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
