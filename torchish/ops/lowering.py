"""How convolutions are computed, by platform and shape: every choice that was measured is in this file."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax


def conv(x, w, stride, padding, dilation, groups, part="output"):
    """(N, C, *spatial) with weight (O, C / groups, *kernel). `part`: whose computation this is the transpose of."""
    n = len(stride)
    spatial = "DHW"[3 - n :]
    return lax.conv_general_dilated(
        x, w, stride, padding, rhs_dilation=dilation, feature_group_count=groups,
        dimension_numbers=("NC" + spatial, "OI" + spatial, "NC" + spatial), precision=lax.Precision.HIGHEST,
    )  # fmt: skip


def conv_transpose(x, w, stride, padding, dilation, output_padding, groups, part="output"):
    """The transpose of `conv` in its input: weight (C, O / groups, *kernel)."""
    n = len(stride)
    spatial = "DHW"[3 - n :]
    c, o = w.shape[0], w.shape[1]
    kernel = w.shape[2:]
    w = w.reshape((groups, c // groups, o) + kernel).swapaxes(1, 2).reshape((groups * o, c // groups) + kernel)
    w = jnp.flip(w, range(2, 2 + n))
    pad = [
        (d * (k - 1) - low, d * (k - 1) - high + op)
        for k, (low, high), d, op in zip(kernel, padding, dilation, output_padding, strict=True)
    ]
    return lax.conv_general_dilated(
        x, w, (1,) * n, pad, lhs_dilation=stride, rhs_dilation=dilation, feature_group_count=groups,
        dimension_numbers=("NC" + spatial, "OI" + spatial, "NC" + spatial), precision=lax.Precision.HIGHEST,
    )  # fmt: skip
