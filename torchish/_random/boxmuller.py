"""PyTorch's float32 Box-Muller on blocks of 16 (``NormalFill16<float>``), bit for bit.

PyTorch fills large float tensors with the Cephes logarithm, sine and cosine of ``avx_mathfun.h``, compiled with
fused multiply-adds. Their last bits are not those of a correctly rounded function, so they are replayed here
step by step: a fused step is a product and a sum in double, where the product of two floats is exact, rounded to
float once. Other steps are plain float32 arithmetic.

There are two versions. In NumPy every step is a pass. The one for XLA has all steps in one loop, 4 instead of 18 ms a
million, and fuses where the processor can: it is for machines where its results are those of the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .compiled import Program
from .numerics import float32, float64, fma32

if TYPE_CHECKING:
    import jax

# Pairs to hand to box_muller at a time. Measured for a million normals: 32 ms at 4096, 23 ms at 8192, 19 ms at 16384,
# 17 ms at 32768, 18 ms at 65536.
PAIRS = 32768


def _floats(*values: float) -> list[float]:
    return [float(np.float32(v)) for v in values]


_LOG_P = _floats(
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)
_LOG_Q1, _LOG_Q2 = _floats(-2.12194440e-4, 0.693359375)
_SQRT_HALF_BITS = int(np.float32(0.707106781186547524).view(np.int32))
_FOUR_OVER_PI, _TWO_PI = _floats(1.27323954473516, 2 * np.pi)
_PIO4_HIGH = 0.78515625 + 2.4187564849853515625e-4  # the first two parts of pi/4: multiples of both are exact
_PIO4_LOW = _floats(3.77489497744594108e-8)[0]
# one row for the cosine, one for the sine
_WAVE_P = [
    np.array([_floats(c), _floats(s)])
    for c, s in (
        (2.443315711809948e-005, -1.9515295891e-4),
        (-1.388731625493765e-003, 8.3321608736e-3),
        (4.166664568298827e-002, -1.6666654611e-1),
    )
]
_WAVE_SHIFT = np.array([[-0.5], [1.0]])


def box_muller(draws: np.ndarray, out: np.ndarray, mean: float, std: float) -> None:
    """Uniforms to normals: columns j and j + 8 of ``out`` become radius(j) times the cosine and sine of angle(j + 8).

    draws: int32 of shape (n, 16), the 24-bit integers k of the uniforms k / 2**24. out: float32 of shape (n, 16).
    """
    mean, std = _floats(mean, std)
    if len(draws) == _BLOCKS and (program := _PROGRAM.get(draws.size)):
        out[:, :8], out[:, 8:] = program(draws, mean, std)
        return
    _box_muller(draws, out, mean, std)


def _box_muller(draws: np.ndarray, out: np.ndarray, mean: float, std: float) -> None:
    normals = _cos_sin(draws[:, 8:].ravel())
    normals *= _radius(draws[:, :8].ravel())
    if std == 1.0:
        normals += np.float32(mean)  # adding 0 turns -0 into 0, as the fused multiply-add does
    else:
        normals = fma32(normals, std, mean)
    for half, values in zip((out[:, :8], out[:, 8:]), normals, strict=True):
        half[...] = values.reshape(half.shape)


def _radius(k: np.ndarray) -> np.ndarray:
    """sqrt(-2 log(1 - k / 2**24)) as float32; ``k`` is overwritten."""
    np.subtract(1 << 24, k, out=k)
    scaled = k.astype(float32)
    bits = scaled.view(np.int32)
    # 2**24 (1 - k / 2**24) = m 2**e with m in [sqrt(1/2), sqrt(2)): x = m - 1 is the argument of the polynomial
    np.subtract(bits, _SQRT_HALF_BITS, out=k)
    k >>= 23
    exponent = k - 24.0
    k <<= 23
    bits -= k
    scaled -= np.float32(1)
    x32 = scaled
    x = x32.astype(float64)
    z32 = x32 * x32
    z = z32.astype(float64)

    y = x * _LOG_P[0]
    y += _LOG_P[1]
    y32 = y.astype(float32)
    for p in _LOG_P[2:]:
        np.copyto(y, y32)
        y *= x
        y += p
        np.copyto(y32, y, casting="same_kind")
    y32 *= x32
    np.copyto(y, y32)
    y *= z
    part = exponent * _LOG_Q1
    np.copyto(y32, part, casting="same_kind")
    y += y32
    np.copyto(y32, y, casting="same_kind")
    z32 *= np.float32(0.5)
    y32 -= z32
    x32 += y32
    exponent *= _LOG_Q2
    exponent += x32
    np.copyto(y32, exponent, casting="same_kind")
    y32 *= np.float32(-2)
    return np.sqrt(y32, out=y32)


def _cos_sin(k: np.ndarray) -> np.ndarray:
    """Cosine and sine of 2 pi k / 2**24, float32 of shape (2, n); ``k`` is overwritten."""
    theta = k.astype(float32)
    theta *= np.float32(_TWO_PI * 2.0**-24)
    # theta = octant pi/4 + x with an even octant and x in [-pi/4, pi/4]
    octant = k
    np.copyto(octant, theta * np.float32(_FOUR_OVER_PI), casting="unsafe")
    octant += 1
    octant &= ~1
    y = octant.astype(float64)
    x = y * -_PIO4_HIGH
    x += theta
    x32 = x.astype(float32)
    np.copyto(x, x32)
    y *= _PIO4_LOW
    x -= y
    np.copyto(x32, x, casting="same_kind")
    z32 = x32 * x32
    zx = np.empty((2, len(k)), float64)
    z = zx[0]
    np.copyto(z, z32)
    np.copyto(zx[1], x32)

    # cosine 1 - z/2 + z z p(z) and sine x + x z q(z)
    wide = z * _WAVE_P[0]
    wide += _WAVE_P[1]
    wave = wide.astype(float32)
    np.copyto(wide, wave)
    wide *= z
    wide += _WAVE_P[2]
    np.copyto(wave, wide, casting="same_kind")
    wave *= z32
    np.copyto(wide, wave)
    wide += _WAVE_SHIFT
    wide *= zx
    np.copyto(wave, wide, casting="same_kind")
    wave[0] += np.float32(1)

    # octants 2 and 6 swap the two; octants 2 and 4 negate the cosine, 4 and 6 the sine
    bits = wave.view(np.int32)
    swap = octant << 30
    swap >>= 31
    swap &= bits[0] ^ bits[1]
    bits ^= swap
    bits[1] ^= (octant & 4) << 29
    octant += 2
    octant &= 4
    octant <<= 29
    bits[0] ^= octant
    return wave


# --- for XLA ------------------------------------------------------------------------------------------------------


def _normals(draws: jax.Array, mean: jax.Array, std: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The two halves of `box_muller`'s columns."""
    return tuple(_fused(v * _jax_radius(draws[:, :8]), std, mean) for v in _jax_cos_sin(draws[:, 8:]))


# XLA's code generator fuses a product with the sum that follows it. Where PyTorch does not, or where there are two products to
# choose from, double keeps it from that; all other products here are followed by the sum they are to be fused with, or by none,
# or are exact.


def _fused(a, b, c):
    return (a.astype(float64) * b + c).astype(float32)


def _rounded(a, b):
    return (a.astype(float64) * b).astype(float32)


def _horner(x, coefficients: list[float]):
    y = np.float32(coefficients[0])
    for p in coefficients[1:]:
        y = y * x + np.float32(p)
    return y


def _jax_radius(k):
    """`_radius` in jax.numpy."""
    import jax.numpy as jnp

    scaled = ((1 << 24) - k).astype(float32)
    bits = scaled.view(np.int32)
    e = (bits - np.int32(_SQRT_HALF_BITS)) >> 23
    exponent = (e - 24).astype(float32)
    x = (bits - (e << 23)).view(float32) - np.float32(1)
    z = x * x
    y = _horner(x, _LOG_P) * x
    y = y * z + _rounded(exponent, _LOG_Q1)
    y = y - z * np.float32(0.5)
    return jnp.sqrt((exponent * np.float32(_LOG_Q2) + (x + y)) * np.float32(-2))


def _jax_cos_sin(k):
    """`_cos_sin` in jax.numpy."""
    import jax.numpy as jnp

    theta = _rounded(k.astype(float32), _TWO_PI * 2.0**-24)
    octant = ((theta * np.float32(_FOUR_OVER_PI)).astype(np.int32) + 1) & ~1
    y = octant.astype(float32)
    x = y * np.float32(-_PIO4_LOW) + _fused(y, -_PIO4_HIGH, theta)
    z = x * x
    cosine, sine = (_horner(z, [float(p[i, 0]) for p in _WAVE_P]) * z for i in (0, 1))
    cosine = _fused(cosine, z, z * -0.5) + np.float32(1)
    sine = sine * x + x
    swapped = (octant & 2) != 0
    cosine, sine = jnp.where(swapped, sine, cosine), jnp.where(swapped, cosine, sine)
    return (
        (cosine.view(np.int32) ^ (((octant + 2) & 4) << 29)).view(float32),
        (sine.view(np.int32) ^ ((octant & 4) << 29)).view(float32),
    )


_BLOCKS = PAIRS // 8  # of 16, in the pieces that the program is for


def _agrees(program) -> bool:
    draws = np.random.default_rng(0).integers(0, 1 << 24, (_BLOCKS, 16), np.int32)
    draws[0], draws[1] = 0, (1 << 24) - 1
    mean, std = _floats(0.3, 2.1)
    out = np.empty(draws.shape, float32)
    _box_muller(draws, out, mean, std)
    return np.array_equal(np.concatenate(program(draws, mean, std), 1).view(np.int32), out.view(np.int32))


# compiling takes as long as NumPy for 20 million or so, but is done once for all processes where programs are kept on disk
_PROGRAM = Program(_normals, (np.empty((_BLOCKS, 16), np.int32), 0.0, 1.0), 4_000_000, _agrees)
