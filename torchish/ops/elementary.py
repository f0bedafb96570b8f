"""Elementary functions of float32 for XLA's CPU backend, as polynomials in float64.

XLA turns exp, log and tanh into vector instructions there, but calls the C library for each element of these. A
polynomial in float64 is right to an ulp of float32 without any care about rounding. Milliseconds for 1e6 elements
(jaxlib 0.10.2, one core of a busy machine; C library / here / PyTorch):

    sin 29 / 8.5 / 2.6     asin 95 / 24 / 1.9      atan2 182 / 32 / 24
    cos 42 / 11 / 1.6      acos 115 / 15 / 2.1     fmod 52 / 3.8 / 1.5
    tan 48 / 11 / 2.9      atan 68 / 3.2 / 21

XLA's own tanh, erf, expm1 and log1p are vectors too, but up to 4.5, 6.7, 5.6 and 2.5 ulp off (mean 0.72, 0.69, 0.67, 0.29; PyTorch's
0.5 to 1.0 and 0.22 to 0.25). Here they are 1.3, 1.0, 1.4 and 1.6 ulp off (0.27, 0.26, 0.23, 0.30), in float32, and take as long: 1.0 to
1.3 ms (erf: twice as long as XLA's, as long as PyTorch's). XLA's sinh and cosh are 24 ulp off (mean 5.8), here 3.0 (0.45; PyTorch's 1.0
and 0.23).

Other dtypes and other platforms get XLA's own functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchish.ops.rules import partials

# atan(u) / u in powers of u^2 on [0, 1], relative error 1.2e-11
_ATAN = (
    0.999999999989, -0.333333329517, 0.19999978337, -0.142852256253, 0.111053069079, -0.0904918011477, 0.0749526609112,
    -0.0602220521889, 0.0436467291335, -0.026006141722, 0.0114277296458, -0.00319546183462, 0.000419233938676,
)  # fmt: skip
# (sin(r) - r) / r^3 and (cos(r) - 1) / r^2 in powers of r^2
_SIN = tuple((-1) ** (k + 1) / math.factorial(2 * k + 3) for k in range(5))
_COS = tuple((-1) ** (k + 1) / math.factorial(2 * k + 2) for k in range(6))
# pi / 2 in three parts; the first two have 20 zero bits at their end, so that multiples of them up to 2^20 are exact
_HALF_PI = (1.5707963267341256, 6.077100506303966e-11, 2.022266248795951e-21)
# (tanh(x) - x) / x^3 in powers of x^2 for |x| < 0.625 (Cephes)
_TANH = (-3.33332819422e-1, 1.33314422036e-1, -5.37397155531e-2, 2.06390887954e-2, -5.70498872745e-3)
# erf(x) / x - 1 in powers of x^2 for |x| <= 0.928, and (log(erfc(x)) + x) / x in powers of x above (N. Juffa)
_ERF = (1.28379166e-1, -3.76125336e-1, 1.12819925e-1, -2.67681349e-2, 4.99119423e-3, -5.96761703e-4)
_LOG_ERFC = (-1.28717512e-1, -6.34846687e-1, -1.06777877e-1, 2.42546219e-2, -3.88396438e-3, 3.83197126e-4, -1.72853470e-5)
# (exp(r) - 1 - r) / r^2 in powers of r, and log(2) in two parts (Cephes)
_EXPM1 = (0.5, 1.6666665459e-1, 4.1665795894e-2, 8.3334519073e-3, 1.3981999507e-3, 1.9875691500e-4)
_LOG_2 = (0.693359375, -2.12194440e-4)
# lgamma(z) - ((z - 1/2) log(z) - z + log(2 pi) / 2) times z, in powers of 1 / z^2; and sin(pi f) / f in powers of f^2
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
_SIN_PI = tuple((-1) ** k * math.pi ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(11))
_MANY = 4096
_MANY_TURNS = 1e6  # arguments up to here are reduced exactly enough


def applies(*arrays: Any, least: int = _MANY) -> bool:
    """Whether the functions of this module are meant for these arrays (small ones are not worth the compilation)."""
    return jax.default_backend() == "cpu" and max(x.size for x in arrays) >= least and all(x.dtype == np.float32 for x in arrays)


def _polynomial(coefficients: tuple[float, ...], z: Any) -> Any:
    total: Any = coefficients[-1]
    for c in coefficients[-2::-1]:
        total = total * z + c
    return total


def _wide(x: Any) -> Any:
    return x.astype(np.float64)


def _atan_of_ratio(y: Any, x: Any) -> Any:
    """atan(y / x) in [0, pi / 2] for y, x >= 0 that are not both 0 or both infinite."""
    swapped = y > x
    u = jnp.where(swapped, x, y) / jnp.where(swapped, y, x)
    angle = u * _polynomial(_ATAN, u * u)
    return jnp.where(swapped, math.pi / 2 - angle, angle)


def _atan(x: Any) -> Any:
    a = _wide(x)
    return jnp.copysign(_atan_of_ratio(jnp.abs(a), 1.0), a).astype(np.float32)


def _atan2(y: Any, x: Any) -> Any:
    a, b = jnp.abs(_wide(y)), jnp.abs(_wide(x))
    equal = a == b  # 0 / 0 and inf / inf are directions too
    angle = _atan_of_ratio(jnp.where(equal, 1.0, a), jnp.where(equal, 1.0, b))
    angle = jnp.where(equal & (a == 0), 0.0, angle)
    angle = jnp.where(jnp.signbit(x), math.pi - angle, angle)
    return jnp.copysign(angle, _wide(y)).astype(np.float32)


def _asin(x: Any) -> Any:
    a = jnp.abs(_wide(x))
    return jnp.copysign(_atan_of_ratio(a, jnp.sqrt((1 - a) * (1 + a))), _wide(x)).astype(np.float32)


def _acos(x: Any) -> Any:
    a = _wide(x)
    return (2 * _atan_of_ratio(jnp.sqrt(1 - a), jnp.sqrt(1 + a))).astype(np.float32)


def _reduced(x: Any) -> tuple[Any, Any]:
    """The multiple of pi / 2 next to x, and what remains, in [-pi / 4, pi / 4]."""
    a = _wide(x)
    k = jnp.round(a * (2 / math.pi))
    rest = a
    for part in _HALF_PI:
        rest = rest - k * part
    return k.astype(np.int32), jnp.where(k == 0, a, rest)  # -0 - (-0) would be 0


def _sin_cos(r: Any) -> tuple[Any, Any]:
    z = r * r
    return r * (1 + z * _polynomial(_SIN, z)), 1 + z * _polynomial(_COS, z)  # a product keeps the sign of -0


def _sin(x: Any) -> Any:
    k, r = _reduced(x)
    s, c = _sin_cos(r)
    got = jnp.where(k & 1 == 0, s, c)
    return jnp.where(k & 2 == 0, got, -got).astype(np.float32)


def _cos(x: Any) -> Any:
    k, r = _reduced(x)
    s, c = _sin_cos(r)
    got = jnp.where(k & 1 == 0, c, s)
    return jnp.where((k + 1) & 2 == 0, got, -got).astype(np.float32)


def _tan(x: Any) -> Any:
    k, r = _reduced(x)
    s, c = _sin_cos(r)
    even = k & 1 == 0
    return (jnp.where(even, s, -c) / jnp.where(even, c, s)).astype(np.float32)


def _tanh(x: Any) -> Any:
    a = jnp.abs(x)
    z = x * x
    small = a + a * (z * _polynomial(_TANH, z))
    return jnp.where(a < 4e-4, x, jnp.copysign(jnp.where(a < 0.625, small, 1 - 2 / (jnp.exp(a + a) + 1)), x))  # -0 and subnormals stay


def _erf(x: Any) -> Any:
    a = jnp.abs(x)
    z = x * x
    # Juffa's order: the two highest pairs by z
    high = (_LOG_ERFC[6] * a + _LOG_ERFC[5]) * z + (_LOG_ERFC[4] * a + _LOG_ERFC[3])
    far = 1 - jnp.exp((((high * a + _LOG_ERFC[2]) * a + _LOG_ERFC[1]) * a + _LOG_ERFC[0]) * a - a)
    return jnp.where(a > 0.927734375, jnp.copysign(far, x), x * _polynomial(_ERF, z) + x)


def _expm1(x: Any) -> Any:
    """2^k (e^r - 1) + (2^k - 1), with x = k log(2) + r; half of it first, so that 2^k is finite."""
    k = jnp.clip(jnp.round(x * np.float32(1 / math.log(2))), -30, 128)
    r = (x - k * _LOG_2[0]) - k * _LOG_2[1]
    half = lax.bitcast_convert_type((k.astype(np.int32) + 126) << 23, np.float32)
    got = (half * (r + r * r * _polynomial(_EXPM1, r)) + (half - 0.5)) * 2
    got = jnp.where(x < -20, -1, jnp.where(x > 90, np.inf, got))
    return jnp.where((jnp.abs(x) < 1e-7) | jnp.isnan(x), x, got)  # -0 and subnormals stay


def precisely(f: Callable) -> Callable:
    """`f` in float64: XLA's gamma functions lose digits of float32 near their zeros, and its erf_inv is up to 64 ulp off."""
    return lambda x: f(_wide(x)).astype(x.dtype)


def _lgamma(x: Any) -> Any:
    """Stirling's series from 8 on; below, that of z + 8 over z (z + 1) ... (z + 7); left of 1/2, the reflected value."""
    w = _wide(x)
    left = w < 0.5
    z = jnp.where(left, 1 - w, w)
    small = z < 8
    product = jnp.where(small, z, 1)
    for k in range(1, 8):
        product = product * jnp.where(small, z + k, 1)
    z = jnp.where(small, z + 8, z)
    inverse = 1 / z
    series = (z - 0.5) * jnp.log(z) - z + (math.log(2 * math.pi) / 2 + inverse * _polynomial(_STIRLING, inverse * inverse))
    f = w - jnp.round(w)
    sine = jnp.abs(f * _polynomial(_SIN_PI, f * f))
    got = jnp.log(jnp.where(left, math.pi * product / sine, 1 / product)) + jnp.where(left, -series, series)
    got = jnp.where(((w <= 0) & (f == 0)) | jnp.isinf(w), np.inf, jnp.where((w == 1) | (w == 2), 0, got))
    return got.astype(np.float32)


def _half_exp(a: Any) -> Any:
    """e^a / 2 for a >= 1, finite as far as sinh is; the difference is exact, where XLA's own sinh adds log(1 / 2) and rounds."""
    return jnp.exp(a - 1) * np.float32(math.e / 2)


def _sinh(x: Any) -> Any:
    a = jnp.abs(x)
    small, large = _expm1(jnp.minimum(a, 1)), _half_exp(a)
    got = jnp.where(a < 1, 0.5 * (small + small / (1 + small)), large - 0.25 / large)
    return jnp.where(a < 1e-4, x, jnp.copysign(got, x))  # -0 and subnormals stay


def _cosh(x: Any) -> Any:
    a = jnp.abs(x)
    small, large = _expm1(jnp.minimum(a, 1)), _half_exp(a)
    return jnp.where(a < 1, 1 + small * small / (2 + 2 * small), large + 0.25 / large)


def _log1p(x: Any) -> Any:
    """log(u) with u = 1 + x, and what that sum was rounded by."""
    u = 1 + x
    lost = (jnp.minimum(x, 1) - (u - jnp.maximum(x, 1))) / u  # not x - (u - 1), of which XLA would make 0
    got = jnp.log(u) + jnp.where((u > 0) & (u < np.float32(2.0**25)), lost, 0)
    got = jnp.where(jnp.abs(x) < 1e-4, x - 0.5 * x * x, got)
    return jnp.where((jnp.abs(x) < 3e-8) | (x == np.inf), x, got)  # -0 and subnormals stay


def _fmod(x: Any, y: Any) -> Any:
    """x - y * trunc(x / y), exactly: a quotient of up to 29 bits times 24 bits is exact in float64."""
    a, b = _wide(x), _wide(y)
    size = jnp.abs(b)
    rest = jnp.abs(a)
    rest = rest - jnp.floor(rest / size) * size
    rest = jnp.where(rest < 0, rest + size, rest)  # the quotient was rounded up to a whole number
    return jnp.copysign(rest, a).astype(np.float32)


def _guarded(fast: Callable, slow: Callable, easy: Callable) -> Callable:
    """`fast` where all elements are `easy`, otherwise XLA's function."""

    def run(*args: Any) -> Any:
        return lax.cond(jnp.all(easy(*args)), fast, slow, *args)

    return run


def _few_turns(x: Any) -> Any:
    return jnp.abs(x) <= _MANY_TURNS


def _short_quotient(x: Any, y: Any) -> Any:
    return (jnp.abs(x) < jnp.abs(y) * np.float32(2.0**28)) & jnp.isfinite(y)


def _declared(slow: Callable, fast: Callable, *derivatives: Callable, least: int = _MANY) -> Callable:
    """The function on arrays: `fast`, with its partial derivatives, where it applies (see `applies`); otherwise `slow`."""
    quick = partials(*derivatives)(fast) if derivatives else fast

    @wraps(slow)
    def run(*args: Any) -> Any:
        return quick(*args) if applies(*args, least=least) else slow(*args)

    return run


def _over_root(x: Any, result: Any) -> Any:
    return lax.rsqrt((1 - x) * (1 + x))


sin: Callable = _declared(jnp.sin, _guarded(_sin, jnp.sin, _few_turns), lambda x, result: cos(x))
cos: Callable = _declared(jnp.cos, _guarded(_cos, jnp.cos, _few_turns), lambda x, result: -sin(x))
tan: Callable = _declared(jnp.tan, _guarded(_tan, jnp.tan, _few_turns), lambda x, result: 1 + result * result)
asin: Callable = _declared(jnp.arcsin, _asin, _over_root)
acos: Callable = _declared(jnp.arccos, _acos, lambda x, result: -_over_root(x, result))
atan: Callable = _declared(jnp.arctan, _atan, lambda x, result: 1 / (1 + x * x))
atan2: Callable = _declared(jnp.arctan2, _atan2)  # without derivatives: at the origin they are PyTorch's, not jnp's
tanh: Callable = _declared(jnp.tanh, _tanh, lambda x, result: 1 - result * result, least=0)  # a value is the same in any array
erf: Callable = _declared(lax.erf, _erf, lambda x, result: 2 / math.sqrt(math.pi) * jnp.exp(-x * x), least=0)
expm1: Callable = _declared(jnp.expm1, _expm1, lambda x, result: result + 1, least=0)
erf_inv: Callable = _declared(lax.erf_inv, precisely(lax.erf_inv), least=0)  # without its derivative, which the operation states
sinh: Callable = _declared(jnp.sinh, _sinh, lambda x, result: cosh(x), least=0)
cosh: Callable = _declared(jnp.cosh, _cosh, lambda x, result: sinh(x), least=0)
lgamma: Callable = _declared(precisely(lax.lgamma), _lgamma, least=0)  # the operation states its derivative
log1p: Callable = _declared(jnp.log1p, _log1p, lambda x, result: 1 / (1 + x), least=0)
fmod: Callable = _declared(
    jnp.fmod, _guarded(_fmod, lax.rem, _short_quotient), lambda x, y, result: jnp.ones_like(x), lambda x, y, result: -jnp.trunc(x / y)
)
