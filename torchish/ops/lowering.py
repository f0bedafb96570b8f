"""How convolutions are computed, by platform and shape: every choice that was measured is in this file.

Three ways, all linear in input and weight, so that each also serves, transposed, for the two gradients:

lax     `lax.conv_general_dilated`. On accelerators always.
padded  the same with output channels padded to a multiple of 8: XLA's CPU convolution vectorizes over them.
banded  one matrix product of rows with a banded (Toeplitz) matrix that holds the kernel once for each output column.
        It multiplies by width / kernel width as many zeros, which XLA's fast matrix product repays on small images.

Milliseconds on CPU (jaxlib 0.10.2, 2 cores, float32; forward / input gradient / weight gradient), least of many runs on
a busy machine, so to be compared within a line:

                                 lax                    padded                 banded
  3->6   5x5 on 32x32, batch 4   0.39 / 0.58 / 0.14     0.32 / 0.33 / 0.22     0.37 / 0.38 / 0.35
  3->6   5x5 on 32x32, batch 64  5.9 / 38 / 44          5.6 / 29 / 31          3.9 / 3.5 / 12
  3->6   5x5 on 32x32, batch 512 184 / 419 / 620        123 / 246 / 764        242 / 249 / 185
  6->16  5x5 on 14x14, batch 4   0.10 / 0.18 / 0.13     0.09 / 0.18 / 0.09     0.21 / 0.20 / 0.14
  6->16  5x5 on 14x14, batch 64  1.1 / 2.5 / 0.76       1.1 / 2.7 / 0.80       1.1 / 1.3 / 1.3
  6->16  5x5 on 14x14, batch 512 27 / 64 / 50           24 / 64 / 62           29 / 16 / 12
  1->32  3x3 on 28x28, batch 64  1.3 / 5.4 / 3.3        1.4 / 5.3 / 4.2        3.0 / 4.8 / 5.2
  32->64 3x3 on 26x26, batch 64  128 / 76 / 360         160 / 83 / 350         508 / 420 / 416
  64->64 3x3 on 56x56, batch 16  277 / 117 / 899        -                      3971 / 3204 / 2130

On a quiet machine, batch 512: first shape forward 34 (lax), 11.5 (padded), its weight gradient 141 (lax), 25 (banded).

Tried and left out: a channels-last convolution between transposes (level with lax within the noise), windows gathered
into columns (slower than banded at large batches), a weight gradient as one product per kernel place (level for 64
channels, 1.5 times faster for 128 and 512: not worth a fourth way).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

BANDED_MAX_WASTE = 7.0  # width / kernel width: 6.4 pays, 9.3 does not
BANDED_MAX_MATRIX = 1 << 18  # elements of the banded matrix: 80,640 and 67,200 pay, 3.8 million does not
BANDED_MIN_ROWS = 640  # batch x output height: batch 64 of the second shape pays, batch 4 does not
PADDED_MAX_CHANNELS = 32


def choose(x, w, stride, padding, dilation, groups, part: str) -> str:
    """ "lax", "padded" or "banded"; `part` is "output", or the argument ("input", "weight") whose gradient is meant."""
    # (a tensor on the CPU of a machine whose default is an accelerator also goes the accelerator's way)
    if len(stride) != 2 or groups != 1 or jax.default_backend() != "cpu" or 0 in x.shape or 0 in w.shape:
        return "lax"
    o, c, kh, kw = w.shape
    if tuple(stride) == (1, 1) == tuple(dilation) and jnp.issubdtype(x.dtype, jnp.floating):
        height = x.shape[2] + sum(padding[0]) - kh + 1
        width = x.shape[3] + sum(padding[1])
        small = kh * c * width * o * (width - kw + 1) <= BANDED_MAX_MATRIX and width <= BANDED_MAX_WASTE * kw
        if small and kw > 1 and x.shape[0] * height >= BANDED_MIN_ROWS:
            return "banded"
    if o % 8 and o < PADDED_MAX_CHANNELS and part != "weight":
        return "padded"
    return "lax"


def conv(x, w, stride, padding, dilation, groups, part="output"):
    """(N, C, *spatial) with weight (O, C / groups, *kernel); padding as (low, high) pairs."""
    way = choose(x, w, stride, padding, dilation, groups, part)
    if way == "banded":
        return _banded(x, w, padding)
    if way == "padded":
        o = w.shape[0]
        return _lax(x, jnp.pad(w, ((0, -o % 8), (0, 0), (0, 0), (0, 0))), stride, padding, dilation, groups)[:, :o]
    return _lax(x, w, stride, padding, dilation, groups)


def _lax(x, w, stride, padding, dilation, groups, lhs_dilation=None):
    spatial = "DHW"[3 - len(stride) :]
    return lax.conv_general_dilated(
        x, w, stride, padding, lhs_dilation, dilation, ("NC" + spatial, "OI" + spatial, "NC" + spatial), groups,
        precision=lax.Precision.HIGHEST,
    )  # fmt: skip


def _banded(x, w, padding):
    """A convolution of stride 1: rows (kernel rows, C, width) times a matrix (kernel rows, C, width) by (O, out "
    "width)."""
    x = jnp.pad(x, ((0, 0), (0, 0), *padding))
    b, c, height, width = x.shape
    o, _, kh, kw = w.shape
    rows, columns = height - kh + 1, width - kw + 1
    band = [jnp.pad(w, ((0, 0), (0, 0), (0, 0), (i, columns - 1 - i))) for i in range(columns)]
    matrix = jnp.stack(band, 1).transpose(3, 2, 4, 0, 1).reshape(kh * c * width, o * columns)
    x = x.transpose(0, 2, 1, 3)
    windows = jnp.stack([x[:, i : i + rows] for i in range(kh)], 2).reshape(b * rows, kh * c * width)
    y = jnp.matmul(windows, matrix, precision=lax.Precision.HIGHEST)
    return y.reshape(b, rows, o, columns).transpose(0, 2, 1, 3)


def conv_transpose(x, w, stride, padding, dilation, output_padding, groups, part="output"):
    """The transpose of `conv` in its input: weight (C, O / groups, *kernel)."""
    n = len(stride)
    c, o = w.shape[0], w.shape[1]
    kernel = w.shape[2:]
    w = w.reshape((groups, c // groups, o) + kernel).swapaxes(1, 2).reshape((groups * o, c // groups) + kernel)
    w = jnp.flip(w, range(2, 2 + n))
    pad = [
        (d * (k - 1) - low, d * (k - 1) - high + op)
        for k, (low, high), d, op in zip(kernel, padding, dilation, output_padding, strict=True)
    ]
    return _lax(x, w, (1,) * n, pad, dilation, groups, stride)
