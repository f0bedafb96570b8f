"""How convolutions are computed, by platform and shape: every choice that was measured is in this file.

Five ways, all linear in input and weight, so that each also serves, transposed, for the two gradients:

lax     `lax.conv_general_dilated`. On accelerators always.
padded  the same with output channels padded to a multiple of 8: XLA's CPU convolution vectorizes over them.
windows one matrix product of the kernel with all windows, a row for each place in them.
blocked one matrix product of windows with a banded (Toeplitz) matrix: a window is what `block` neighbouring output
        columns see, and the matrix holds the kernel once for each of them. It multiplies by
        (block + kernel width - 1) / kernel width as many numbers as it must, which XLA's fast matrix product repays.
images  for kernels of one place, a matrix product for each image, which has to be rearranged for none of them.

Milliseconds on CPU (jaxlib 0.10.2 without YNNPACK's convolutions, see `engine/compiling.py`; 2 cores, float32, freed memory kept;
forward / input gradient / weight gradient; medians of rounds):

                                   lax                 windows             blocked 2           blocked 4
  3->6     5x5 32x32   batch 512   49 / 69 / 15        28 / 22 / 42        15 / 32 / 34        9.1 / 13 / 15
  6->16    5x5 14x14   batch 512   4.1 / 15 / 3.7      10 / 9.7 / 11       5.5 / 12 / 7.2      5.7 / 5.9 / 7.2
  6->16    5x5 14x14   batch 64    0.6 / 2.1 / 0.4     0.5 / 1.0 / 0.9     0.4 / 0.6 / 0.7     0.6 / 0.7 / 0.9
  6->16    5x5 32x32   batch 512    - / - / 33          - / - / 80          - / - / 59          - / - / 45
  8->16    3x3 28x28   batch 64    2.0 / 2.7 / 1.8     2.9 / 2.3 / 5.6     3.2 / 2.6 / 4.8     2.7 / 2.7 / 3.8
  8->8     3x3 62x62   batch 8     1.1 / 1.0 / 1.3     1.4 / 0.9 / 2.1     1.8 / 1.9 / 3.4     1.4 / 1.5 / 1.9
  8->32    5x5 32x32   batch 16    1.7 / 4.5 / 2.6     3.0 / 2.8 / 4.0     2.9 / 3.0 / 4.3     3.6 / 3.0 / 4.1
  12->24   3x3 32x32   batch 16    2.5 / 2.7 / 2.7     2.4 / 2.1 / 3.3     3.4 / 3.2 / 3.7     3.1 / 2.9 / 3.9
  4->4     3x3 64x64   batch 32    4.8 / 4.8 / 3.5     3.0 / 1.9 / 5.9     4.5 / 5.5 / 4.8     1.7 / 3.5 / 2.1
  1->6     5x5 28x28   batch 64    2.6 / 3.8 / 0.7     0.7 / 0.8 / 1.5     0.7 / 0.7 / 0.6     0.4 / 0.6 / 0.4
  1->32    3x3 28x28   batch 64    1.6 / 2.6 / 1.1     0.6 / 1.7 / 1.2     0.7 / 1.1 / 1.1     1.0 / 0.9 / 1.1
  3->64    3x3 32x32   batch 16    2.2 / 5.7 / 3.1     1.0 / 1.4 / 2.6     0.8 / 2.1 / 2.6     1.0 / 1.4 / 3.8
  3->32    3x3 32x32   batch 128   6.8 / 23 / 19       4.1 / 7.7 / 11      4.4 / 6.8 / 9.2     4.0 / 6.5 / 7.2
  32->64   3x3 26x26   batch 64    10 / 11 / 13        15 / 14 / 19        14 / 16 / 26        18 / 19 / 22
  64->64   3x3 32x32   batch 16    9.6 / 8.8 / 15      18 / 11 / 17        12 / 14 / 21        16 / 16 / 19
  128->128 3x3 16x16   batch 16    7.4 / 6.5 / 9.6     11 / 8.8 / 15       16 / 11 / 15        13 / 15 / 17
  256->256 3x3 8x8     batch 16    6.7 / 6.5 / 6.8     7.8 / 7.4 / 7.8     9.3 / 11 / 15       17 / 15 / 23
  512->512 3x3 4x4     batch 16    13 / 12 / 13        10 / 11 / 9.0       16 / 17 / 34        25 / 27 / 59
  128->128 3x3 8x8     batch 4     1.1 / 0.7 / 0.74    0.7 / 0.8 / 0.63    0.9 / 1.5 / 1.9     1.6 / 1.3 / 2.5
  32->32   5x5 16x16   batch 16    1.4 / 1.3 / 1.7     2.6 / 2.1 / 3.0     1.8 / 2.3 / 3.6     2.1 / 2.9 / 3.5
  16->16   3x3 32x32   batch 4     0.3 / 0.3 / 0.72    0.4 / 0.4 / 0.53    0.4 / 0.6 / 0.80    0.4 / 0.4 / 0.71
  64->128  3x3 32x32/2 batch 16    6.1 / 4.8 / 4.8     5.0 / 7.6 / 5.9
  256->512 3x3 8x8/2   batch 16    4.3 / 7.3 / 6.2     6.2 / 6.5 / 5.9
  3->64    4x4 64x64/2 batch 32    3.0 / 7.6 / 9.7     2.2 / 4.9 / 5.6
  12->24   3x3 32x32/2 batch 64     - / - / 3.0         - / - / 2.2
  3->64    7x7 224/2   batch 4     9.8 / 26 / 15       9.7 / 15 / 14
  1->32    9 of 8000   batch 32    8.6 / 12 / 8.3      4.3 / 8.5 / 11
  4->16    9 of 8000   batch 32    9.5 / 18 / 6.9      11 / 7.5 / 17
  12->24   5 of 4000   batch 16    3.3 / 3.7 / 4.9     3.5 / 2.6 / 8.5
  2->32    80 of 8000/4 batch 32   4.7 / 27 / 9.7      11 / 18 / 15

Kernels of one place (forward / input gradient / weight gradient):

                                   lax                 windows             images
  32->32    1x1 62x62   batch 8    1.1 / 1.0 / 1.2     1.3 / 1.5 / 2.8     1.2 / 1.2 / 1.2
  64->256   1x1 56x56   batch 8    14 / 9.6 / 13       8.4 / 11 / 12       8.6 / 6.0 / 5.8
  64->64    1x1 128x128 batch 2    9.2 / 7.1 / 7.1     4.6 / 4.0 / 8.0     2.7 / 2.8 / 4.1
  16->16    1x1 28x28   batch 64   0.8 / 0.8 / 1.2     1.4 / 1.2 / 1.8     0.6 / 0.7 / 0.6
  256->1024 1x1 14x14   batch 4    3.8 / 2.8 / 3.1     3.0 / 3.1 / 2.7     2.6 / 3.1 / 2.5
  512->128  1x1 7x7     batch 32   1.5 / 1.8 / 1.9     1.8 / 1.8 / 2.4     2.9 / 4.4 / 3.4

Grouped convolutions are taken apart, since XLA's are slow on CPU: `taps` adds up shifted images times one number for each
channel, for one input channel a group; `split` is one convolution for each group. Milliseconds of CPU time on (8, 32, 62, 62), 3x3
(forward / input gradient / weight gradient):

  32 groups            lax 57 / 37 / 29     taps 2.0 / 3.2 / 11
  32 groups, stride 2  lax 17 / 111 / 6.2   taps 1.8 / 4.2 / 3.1
  4 groups             lax 42 / 42 / 600    split 9.9 / 12 / 10

In three dimensions: one convolution in two dimensions for each plane of the kernel; transposed convolutions are the transposes of
those (milliseconds, batch 4, stride 2):

  64->32   4x4x4 8x8x8                lax 1700          planes 14
  8->1     4x4x4 16x16x16             lax 1500          planes 3
  256->128 4x4x4 4x4x4                lax 40            planes 28

Of an image smaller than the kernel XLA makes the kernel, and the batch its channels (input gradients: of the gradient). So `windows`
there (milliseconds, forward / input gradient):

  512->512 3x3 2x2     batch 4     lax 118 / 85        windows 2.3 / 12
  512->512 3x3 2x2     batch 128   lax 2900 / 3500     windows 32 / 50
  128->128 5x5 4x4     batch 16    lax 56 / 57         windows 3.2 / 3.6
  128->128 7x7 4x4     batch 16    lax 120 / 72        windows 8.0 / 7.9
  100->512 4x4 1x1     batch 64    lax 52              windows 17 (transposed)

Strided convolutions with no more outputs than the kernel is wide are products of all windows with the kernel (`windows`): while it
simplifies the gradients of such convolutions, XLA ends the process ("Window dimensions do not match RHS shape").

Tried and left out: Winograd's products of 4x4 tiles (weight gradients up to a third faster than windows, but what is infinite or
very large in one place spoils its neighbours), a channels-last convolution between transposes (level with lax within the noise),
one block as wide as the image (twice as slow on 32x32), one product per kernel row, a convolution along the rows only.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

FEW_CHANNELS = 16  # input channels below which windows can pay
BLOCKED_CHANNELS = 8  # and blocks
FORWARD_MIN_COLUMNS = 20  # outputs this wide pay; 10 (6 channels) do not
WEIGHT_MAX_CHANNELS = 3  # weight gradients: of more channels blocks do not pay
WEIGHT_MIN_COLUMNS = 16  # 16 columns pay, 10 do only from MANY_ROWS on
WEIGHT_MIN_ROWS = 640  # batch x output height, for the weight gradient: batch 64 pays, batch 4 does not
MANY_ROWS = 4096
WINDOWS_MIN = 1 << 20  # elements of all windows: from here on they pay for few channels too, if they lie apart
WINDOWS_MAX = 1 << 22  # more are made for some images at a time: as fast, and several convolutions may be at it at once
BLOCKED_MAX = 1 << 26  # a bound on memory
IMAGE_MIN_PLACES = 196  # of smaller images, products of all at once
PADDED_MAX_CHANNELS = 32
MANY_CHANNELS, FEW_PLACES = 128, 512  # weight gradients: so many channels and so few places in all images pay
FEW_IMAGES = 4
SPLIT_MAX_GROUPS = 64  # programs grow with the number of groups
TAPS_MAX = 128


def choose(x, w, stride, padding, dilation, groups, part: str) -> str | int:
    """"lax", "padded", "windows" or the block for "blocked"; `part` is "output", or the argument whose gradient is meant."""
    # (a tensor on the CPU of a machine whose default is an accelerator also goes the accelerator's way)
    if len(stride) > 2 or groups != 1 or jax.default_backend() != "cpu" or 0 in x.shape or 0 in w.shape:
        return "lax"
    floating = jnp.issubdtype(x.dtype, jnp.floating)
    o, c, *kernel = w.shape
    sizes = _sizes([n + low + high for n, (low, high) in zip(x.shape[2:], padding, strict=True)], kernel, stride, dilation)
    if floating and part == "weight" and c >= FEW_CHANNELS and _short_sums(x, sizes, stride, dilation):
        return "windows"
    if floating and part != "weight" and _swapped(sizes if part == "input" else x.shape[2:], kernel):
        return "windows"
    if floating and len(kernel) == 2 and tuple(stride) == (1, 1) == tuple(dilation) and kernel[1] > 1 and c < FEW_CHANNELS:
        rows, columns = x.shape[0] * sizes[0], sizes[1]
        pays = {
            "output": c < BLOCKED_CHANNELS and columns >= FORWARD_MIN_COLUMNS,
            "input": c < BLOCKED_CHANNELS,
            "weight": c <= WEIGHT_MAX_CHANNELS
            and (rows >= MANY_ROWS or (columns >= WEIGHT_MIN_COLUMNS and rows >= WEIGHT_MIN_ROWS)),
        }
        if pays[part]:
            block = _block(columns, 4 if part == "input" or o < 16 else 2)
            if rows * -(-columns // block) * kernel[0] * c * (block + kernel[1] - 1) <= BLOCKED_MAX:
                return block
    if floating and c < FEW_CHANNELS:
        elements = c * math.prod(kernel) * x.shape[0] * math.prod(sizes)
        apart = len(kernel) == 2 and max(*stride, *dilation) > 1
        if (part == "weight" and apart and elements >= WINDOWS_MIN) or (part == "input" and not apart and elements <= BLOCKED_MAX):
            return "windows"
    if len(kernel) == 2 and o % 8 and o < PADDED_MAX_CHANNELS and part != "weight":
        return "padded"
    return "lax"


def _short_sums(x, sizes, stride, dilation) -> bool:
    """Whether the weight gradient of many channels adds up so few places that XLA's convolution loses, or its windows lie apart."""
    n, c = x.shape[:2]
    places = n * math.prod(sizes)
    return max(*stride, *dilation) > 1 or (places <= FEW_PLACES if c >= MANY_CHANNELS else n <= FEW_IMAGES and c < 2 * FEW_CHANNELS)


def _block(columns: int, about: int) -> int:
    """A width near `about` that divides the columns, if there is one."""
    return next((b for b in (about, about + 1, about - 1) if b > 1 and columns % b == 0), about)


def conv(x, w, stride, padding, dilation, groups, part="output"):
    """(N, C, *spatial) with weight (O, C / groups, *kernel); padding as (low, high) pairs."""
    if _one_place(x, w, groups):
        return _images(x, w, stride, padding, groups)
    if groups > 1 and _apart(x, w, groups):
        if _one_channel(w):
            return _taps(x, w, stride, padding, dilation, groups)
        return _by_group(lambda x, w: conv(x, w, stride, padding, dilation, 1, part), x, w, groups)
    if groups == 1 and _few_windows(x, w, stride, padding, dilation):
        return _windows(x, w, stride, padding, dilation)
    if len(stride) == 3 and groups == 1 and _some_on_cpu(x, w):
        return _planes(x, w, stride, padding, dilation, part)
    way = choose(x, w, stride, padding, dilation, groups, part)
    if isinstance(way, int):
        return _blocked(x, w, padding, way)
    if way == "windows":
        return _windows(x, w, stride, padding, dilation)
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


def _one_channel(w) -> bool:
    """Whether each group has one input channel, and few enough places in its kernel to write them all out."""
    return w.shape[1] == 1 and w[0, 0].size <= TAPS_MAX


def _one_place(x, w, groups: int) -> bool:
    """Whether a convolution is a matrix product of the kernel with each image."""
    depthwise = groups > 1 and w.shape[1] == 1
    return _some_on_cpu(x, w) and jnp.issubdtype(x.dtype, jnp.floating) and math.prod(w.shape[2:]) == 1 and not depthwise


def _some_on_cpu(x, w) -> bool:
    return jax.default_backend() == "cpu" and 0 not in x.shape + w.shape


def _apart(x, w, groups: int) -> bool:
    return _some_on_cpu(x, w) and (_one_channel(w) or groups <= SPLIT_MAX_GROUPS)


def _by_group(one, x, w, groups: int):
    """`one(x, w)` for the channels of each group."""
    pairs = zip(jnp.split(x, groups, 1), jnp.split(w, groups, 0), strict=True)
    return jnp.concatenate([one(a, b) for a, b in pairs], 1)


def _shifted(x, kernel, sizes, stride, dilation) -> list:
    """For each place in the kernel, what the windows have there: strided slices of the last dimensions."""
    return [
        x[(..., *(slice(i * d, i * d + (o - 1) * s + 1, s) for i, d, o, s in zip(place, dilation, sizes, stride, strict=True)))]
        for place in itertools.product(*map(range, kernel))
    ]


def _sizes(image, kernel, stride, dilation) -> list[int]:
    """How many windows an image of this size, padding included, has in each dimension."""
    return [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(image, kernel, stride, dilation, strict=True)]


def _taps(x, w, stride, padding, dilation, groups):
    """A convolution with one input channel a group."""
    kernel, many = w.shape[2:], w.shape[0] // groups
    x = jnp.pad(x, ((0, 0), (0, 0), *padding))
    sizes = _sizes(x.shape[2:], kernel, stride, dilation)
    factors = w.reshape(1, groups, many, -1, *(1,) * len(kernel))
    total: Any = None
    for i, part in enumerate(_shifted(x[:, :, None], kernel, sizes, stride, dilation)):
        part = part * factors[:, :, :, i]
        total = part if total is None else total + part
    return total.reshape(x.shape[0], w.shape[0], *sizes)


def _taps_weight_gradient(x, w, grad, stride, padding, dilation, groups):
    """The gradient of `_taps` for its weight: image by image, so that the long sums are sums of vectors."""
    kernel, many = w.shape[2:], w.shape[0] // groups
    x = jnp.pad(x, ((0, 0), (0, 0), *padding))[:, :, None]
    sizes = grad.shape[2:]
    grad = grad.reshape(grad.shape[0], groups, many, *sizes)

    def image(totals, pair):
        a, g = pair
        return [t + g * part for t, part in zip(totals, _shifted(a, kernel, sizes, stride, dilation), strict=True)], None

    zeros = [jnp.zeros(grad.shape[1:], grad.dtype)] * w[0, 0].size
    totals, _ = lax.scan(image, zeros, (x, grad))
    return jnp.stack([t.sum(tuple(range(2, t.ndim))) for t in totals], -1).reshape(w.shape)


def weight_gradient(x, w, grad, stride, padding, dilation, groups):
    """The gradient of `conv` for its weight."""
    whole = _one_place(x, w, groups)
    if groups > 1 and not whole and _apart(x, w, groups):
        if _one_channel(w):
            return _taps_weight_gradient(x, w, grad, stride, padding, dilation, groups)
        each = zip(jnp.split(x, groups, 1), jnp.split(w, groups, 0), jnp.split(grad, groups, 1), strict=True)
        return jnp.concatenate([weight_gradient(*one, stride, padding, dilation, 1) for one in each])

    def product(x, grad):
        return jax.vjp(lambda w: conv(x, w, stride, padding, dilation, groups, "weight"), w)[1](grad)[0]

    in_windows = len(stride) == 3 or choose(x, w, stride, padding, dilation, groups, "weight") == "windows"
    images = _images_at_a_time(w, grad) if in_windows and not whole and groups == 1 and _some_on_cpu(x, w) else len(x)
    if images == len(x):
        return product(x, grad)
    rest = len(x) % images
    parts = [a[: len(x) - rest].reshape(-1, images, *a.shape[1:]) for a in (x, grad)]
    total = lax.scan(lambda total, part: (total + product(*part), None), jnp.zeros_like(w), parts)[0]
    return total + product(x[-rest:], grad[-rest:]) if rest else total


def _images_at_a_time(w, grad) -> int:
    """How many images' windows are made at once."""
    count = len(grad)
    most = max(1, WINDOWS_MAX // (w[0].size * math.prod(grad.shape[2:])))
    return -(-count // -(-count // most))


def _few_windows(x, w, stride, padding, dilation) -> bool:
    if not _some_on_cpu(x, w) or max(stride) == 1 or w[0, 0].size > TAPS_MAX:
        return False
    padded = [n + low + high for n, (low, high) in zip(x.shape[2:], padding, strict=True)]
    return any(n <= k for n, k in zip(_sizes(padded, w.shape[2:], stride, dilation), w.shape[2:], strict=True))


def _swapped(image, kernel) -> bool:
    """Whether XLA would take the image, which is the smaller, for the kernel."""
    return math.prod(image) < math.prod(kernel) <= TAPS_MAX


def _images(x, w, stride, padding, groups):
    """Products of the kernel, (O, C), with the images, (N, C, places), group by group."""
    x = jnp.pad(x, ((0, 0), (0, 0), *padding))[(..., *(slice(None, None, s) for s in stride))]
    n, c, *sizes = x.shape
    apart = (groups,) if groups > 1 else ()
    kernel, images = w.reshape(*apart, -1, c // groups), x.reshape(n, *apart, c // groups, -1)
    if images.shape[-1] >= IMAGE_MIN_PLACES:
        y = lax.map(lambda image: jnp.matmul(kernel, image, precision=lax.Precision.HIGHEST), images)
    else:
        y = jnp.einsum("...oc,n...cp->n...op", kernel, images, precision=lax.Precision.HIGHEST)
    return y.reshape(n, w.shape[0], *sizes)


def _windows(x, w, stride, padding, dilation):
    """A product of the kernel, (O, places * C), with the windows, (places * C, N * outputs)."""
    (o, _, *kernel), n = w.shape, x.shape[0]
    x = jnp.pad(x.swapaxes(0, 1), ((0, 0), (0, 0), *padding))
    sizes = _sizes(x.shape[2:], kernel, stride, dilation)
    windows = jnp.stack(_shifted(x, kernel, sizes, stride, dilation)).reshape(-1, n * math.prod(sizes))
    product = jnp.matmul(jnp.moveaxis(w, 1, -1).reshape(o, -1), windows, precision=lax.Precision.HIGHEST)
    return product.reshape(o, n, *sizes).swapaxes(0, 1)


def _planes(x, w, stride, padding, dilation, part):
    """A convolution in three dimensions as the sum of convolutions in two, the depth counted among the images."""
    x = jnp.pad(x, ((0, 0), (0, 0), padding[0], (0, 0), (0, 0)))
    n, depth = x.shape[0], (x.shape[2] - dilation[0] * (w.shape[2] - 1) - 1) // stride[0] + 1
    total: Any = None
    for k in range(w.shape[2]):
        first = k * dilation[0]
        images = x[:, :, first : first + (depth - 1) * stride[0] + 1 : stride[0]].swapaxes(1, 2)
        got = conv(images.reshape(n * depth, *images.shape[2:]), w[:, :, k], stride[1:], padding[1:], dilation[1:], 1, part)
        total = got if total is None else total + got
    return total.reshape(n, depth, *total.shape[1:]).swapaxes(1, 2)


def _blocked(x, w, padding, block):
    """A convolution of stride 1: windows (kernel rows, C, block + kernel width - 1) times a matrix of as many rows and
    (O, block) columns."""
    kh, kw = w.shape[2:]
    columns = x.shape[3] + sum(padding[1]) - kw + 1
    count = -(-columns // block)
    low, high = padding[1]
    x = jnp.pad(x, ((0, 0), (0, 0), padding[0], (low, high + count * block - columns)))
    b, c, height, _ = x.shape
    o, rows, width = w.shape[0], height - kh + 1, block + kw - 1
    # the kernel once per column of the block, each a place further on: rows of width + 1 read as rows of width
    band = jnp.broadcast_to(jnp.pad(w, ((0, 0), (0, 0), (0, 0), (0, block)))[:, :, :, None], (o, c, kh, block, width + 1))
    band = band.reshape(o, c, kh, block * (width + 1))[..., : block * width].reshape(o, c, kh, block, width)
    matrix = band.transpose(2, 1, 4, 0, 3).reshape(kh * c * width, o * block)
    x = x.transpose(0, 2, 1, 3)
    x = jnp.stack([x[..., i * block : i * block + width] for i in range(count)], 2)
    windows = jnp.stack([x[:, i : i + rows] for i in range(kh)], 3).reshape(b * rows * count, kh * c * width)
    y = jnp.matmul(windows, matrix, precision=lax.Precision.HIGHEST)
    return y.reshape(b, rows, count, o, block).transpose(0, 3, 1, 2, 4).reshape(b, o, rows, count * block)[..., :columns]


def conv_transpose(x, w, stride, padding, dilation, output_padding, groups, part="output"):
    """The transpose of `conv` in its input: weight (C, O / groups, *kernel)."""
    n = len(stride)
    c, o = w.shape[0], w.shape[1]
    kernel = w.shape[2:]
    if 1 < groups <= SPLIT_MAX_GROUPS and _some_on_cpu(x, w):
        return _by_group(lambda x, w: conv_transpose(x, w, stride, padding, dilation, output_padding, 1, part), x, w, groups)
    shape = tuple((size - 1) * s + d * (k - 1) + 1 for size, s, d, k in zip(x.shape[2:], stride, dilation, kernel, strict=True))
    image, none = jax.ShapeDtypeStruct((x.shape[0], o) + shape, x.dtype), ((0, 0),) * n
    in_windows = _few_windows(image, w, stride, none, dilation) or (n == 2 and _some_on_cpu(x, w) and _swapped(x.shape[2:], kernel))
    if groups == 1 and jnp.issubdtype(x.dtype, jnp.inexact) and (in_windows or (n == 3 and _some_on_cpu(x, w))):

        def forward(y):
            return _windows(y, w, stride, none, dilation) if in_windows else _planes(y, w, stride, none, dilation, "input")

        whole = jax.linear_transpose(forward, image)(x)[0]
        edges = [(-low, op - high, 0) for (low, high), op in zip(padding, output_padding, strict=True)]
        return lax.pad(whole, jnp.zeros((), x.dtype), [(0, 0, 0), (0, 0, 0), *edges])
    w = w.reshape((groups, c // groups, o) + kernel).swapaxes(1, 2).reshape((groups * o, c // groups) + kernel)
    w = jnp.flip(w, range(2, 2 + n))
    pad = [
        (d * (k - 1) - low, d * (k - 1) - high + op)
        for k, (low, high), d, op in zip(kernel, padding, dilation, output_padding, strict=True)
    ]
    return _lax(x, w, (1,) * n, pad, dilation, groups, stride)
