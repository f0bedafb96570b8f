"""Discrete Fourier transforms: complex to complex, real to complex, complex to real, by dimension lists.

Scaling is PyTorch's: mode 0 none, 1 by the square root of the number of points, 2 by the number of points.
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from torchish.ops.declare import op
from torchish.ops.precision import type_name

_hidden: dict[str, Any] = {"method": False, "function": False, "out": False, "saves": ()}


def _scaled(x, count: int, mode: int):
    if mode == 0:
        return x
    scale = 1 / math.sqrt(count) if mode == 1 else 1 / count
    return x * jnp.asarray(scale, jnp.finfo(x.dtype).dtype)


def _count(shape, dims) -> int:
    return math.prod(shape[d] for d in dims)


def _raw(x, dims, forward: bool):
    # XLA transforms up to three dimensions at a time.
    for i in range(0, len(dims), 3):
        f = jnp.fft.fftn if forward else jnp.fft.ifftn
        x = f(x, axes=dims[i : i + 3], norm="backward" if forward else "forward")
    return x


def _kind(x):
    if x.dtype not in (jnp.float32, jnp.float64, jnp.complex64, jnp.complex128):
        raise RuntimeError(f"Unsupported dtype {type_name(x)}")


@op("_fft_c2c(Tensor input, int[] dims, int normalization, bool forward)", grad="FftC2CBackward0", **_hidden)
def c2c(input, dims, normalization, forward):
    """The transform of complex numbers over `dims`."""
    return _scaled(_raw(input, dims, forward), _count(input.shape, dims), normalization)


@op("_fft_r2c(Tensor input, int[] dims, int normalization, bool onesided)", grad="FftR2CBackward0", **_hidden)
def r2c(input, dims, normalization, onesided):
    """The forward transform of real numbers over `dims`; only half of the last one when `onesided`."""
    _kind(input)
    if onesided:
        x = jnp.fft.rfft(input, axis=dims[-1])
        x = _raw(x, dims[:-1], True)
    else:
        x = _raw(input.astype(jnp.complex128 if input.dtype == jnp.float64 else jnp.complex64), dims, True)
    return _scaled(x, _count(input.shape, dims), normalization)


@op("_fft_c2r(Tensor input, int[] dims, int normalization, int last)", grad="FftC2RBackward0", **_hidden)
def c2r(input, dims, normalization, last):
    """The inverse transform over `dims` to real numbers, from half of the last one, which gets size `last`."""
    x = _raw(input, dims[:-1], False)
    x = jnp.fft.irfft(x, n=last, axis=dims[-1], norm="forward")
    return _scaled(x, _count(input.shape, dims[:-1]) * last, normalization)


@op("_fft_pad(Tensor input, int[] amounts)", grad="ConstantPadNdBackward0", **_hidden)
def pad(input, amounts):
    """Zeros added at the end of each dimension."""
    return jnp.pad(input, [(0, n) for n in amounts])


# --- short-time transforms ---------------------------------------------------------------------------------


@op("_frames(Tensor input, int size, int hop, int padding)", grad="AsStridedBackward0", **_hidden)
def frames(input, size, hop, padding):
    """Windows of `size` every `hop` samples of (batch, time), after padding both ends with zeros: (batch, count, size)."""
    if padding:
        input = jnp.pad(input, ((0, 0), (padding, padding)))
    count = 1 + (input.shape[1] - size) // hop
    index = hop * jnp.arange(count)[:, None] + jnp.arange(size)[None, :]
    return input[:, index]


@op("_overlap_add(Tensor input, int hop, int length)", grad="UnfoldBackwardBackward0", **_hidden)
def overlap_add(input, hop, length):
    """(batch, count, size) windows summed where they lay, every `hop` samples: (batch, length)."""
    count, size = input.shape[1:]
    index = hop * jnp.arange(count)[:, None] + jnp.arange(size)[None, :]
    return jnp.zeros((input.shape[0], length), input.dtype).at[:, index].add(input)
