"""Special functions: gamma, error, zeta and entropy functions, modified Bessel functions with a gradient."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
from jax import lax

from torchish import _dtypes as dt
from torchish.ops import elementary
from torchish.ops.declare import FLOAT, op
from torchish.ops.rules import BOOL, COMPLEX, HALVES, INTEGER, Given, both, partials, refuse, refuse_with

_SQRT_PI = math.sqrt(math.pi)


def _no_complex(kernel: str):
    return refuse(kernel, COMPLEX)


def _full_precision(kernel: str):
    real = _no_complex(kernel)

    def check(common: dt.dtype, given: Given) -> None:
        real(common, given)
        if common.category == 2 and common.itemsize < 4:
            raise NotImplementedError(f"\"{kernel}\" not implemented for '{dt.SCALAR_TYPE_NAMES[common]}'")

    return check


# --- error functions ---------------------------------------------------------------------------------------


@op("erf(Tensor input)", promote=FLOAT, inplace=True, aliases=("special.erf",), check=_no_complex("erf_vml_cpu"))
def erf(input):
    """The error function."""
    return elementary.erf(input)


@op("erfc(Tensor input)", promote=FLOAT, inplace=True, aliases=("special.erfc",), check=_no_complex("erfc_vml_cpu"))
def erfc(input):
    """`1 - erf(input)`, accurate for large `input`."""
    return lax.erfc(input)


@op(
    "erfinv(Tensor input)",
    promote=FLOAT,
    inplace=True,
    aliases=("special.erfinv",),
    check=_no_complex("erfinv_vml_cpu"),
)
def erfinv(input):
    """The inverse of the error function."""
    return _erfinv(input)


_erfinv = partials(lambda x, result: _SQRT_PI / 2 * jnp.exp(result * result))(elementary.erf_inv)


@partials(lambda x, result: 2 * x * result - 2 / _SQRT_PI)
def _erfcx(x):
    single = x.dtype == jnp.float32
    # Below the limit from erfc, with x * x split so that its rounding is not magnified by exp; above it from Laplace's
    # continued fraction, which has converged there.
    limit = 4.0 if single else 8.0
    small = jnp.where(x > limit, 0, x)
    head = jnp.round(small * 64) / 64
    direct = jnp.exp(head * head) * jnp.exp((small - head) * (small + head)) * lax.erfc(small)
    direct = jnp.where(small < (-9.5 if single else -26.7), jnp.inf, direct)
    large = jnp.where(x > limit, x, limit)
    tail = large
    for k in range(40, 0, -1):
        tail = large + k / 2 / tail
    return jnp.where(x > limit, 1 / (_SQRT_PI * tail), direct)


@op("special.erfcx(Tensor input)", promote=FLOAT, method=False, check=_full_precision("erfcx_cpu"))
def erfcx(input):
    """`exp(input ** 2) * erfc(input)`, without overflow."""
    return _erfcx(input)


@op("special.ndtr(Tensor input)", promote=FLOAT, method=False, grad="MulBackward1", check=_no_complex("erf_vml_cpu"))
def ndtr(input):
    """The normal distribution function."""
    return (elementary.erf(input * math.sqrt(0.5)) + 1) * 0.5


@op("special.ndtri(Tensor input)", promote=FLOAT, method=False, check=_full_precision("ndtri_cpu"))
def ndtri(input):
    """The inverse of the normal distribution function."""
    return _ndtri(input)


@partials(lambda x, result: math.sqrt(2 * math.pi) * jnp.exp(result * result / 2))
def _ndtri(p):
    from jax.scipy.special import ndtri

    inside = (p > 0) & (p < 1)
    ends = jnp.where(p == 0, -jnp.inf, jnp.where(p == 1, jnp.inf, jnp.nan))
    return jnp.where(inside, ndtri(jnp.where(inside, p, 0.5)), ends)


@partials(lambda x, result: jnp.exp(-(result + x * x / 2)) / math.sqrt(2 * math.pi))
def _log_ndtr(x):
    t = x * math.sqrt(0.5)
    low = x < -1
    far = jnp.log(_erfcx(jnp.where(low, -t, 0)) / 2) - t * t
    return jnp.where(low, far, elementary.log1p(-lax.erfc(jnp.where(low, 0, t)) / 2))


@op("special.log_ndtr(Tensor input)", promote=FLOAT, method=False, check=_full_precision("log_ndtr_cpu"))
def log_ndtr(input):
    """The logarithm of the normal distribution function."""
    return _log_ndtr(input)


@op("special.entr(Tensor input)", promote=FLOAT, method=False, check=_no_complex("entr_cpu"))
def entr(input):
    """`-input * log(input)`, 0 at 0 and -inf below."""
    return _entr(input)


@partials(lambda x, result: -(1 + jnp.log(x)))
def _entr(x):
    positive = x > 0
    value = -x * jnp.log(jnp.where(positive, x, 1))
    return jnp.where(positive | jnp.isnan(x), value, jnp.where(x == 0, 0, -jnp.inf))


# --- gamma functions ---------------------------------------------------------------------------------------


def _zeta_tail(s, q):
    value = lax.zeta(s, q)
    # of an enormous s the first term is all there is
    return jnp.where(jnp.isnan(value) & (q <= 1), lax.pow(q, -s), value)


def zeta_value(s, q):
    """Hurwitz' zeta function as PyTorch defines it for all q."""
    pole = (q <= 0) & (q == jnp.floor(q))
    outside = (q <= 0) & (s != jnp.floor(s))
    # XLA's zeta is for q > 0: sum the terms before that one by one
    start = jnp.where(pole | outside, 1, q)

    def add_term(state):
        k, q, total = state
        before = q < 1
        term = jnp.where(before, lax.pow(jnp.where(before, q, 1), -s), 0)
        return k + 1, jnp.where(before, q + 1, q), total + term

    _, shifted, head = lax.while_loop(
        lambda state: (state[0] < 100_000) & jnp.any(state[1] < 1), add_term, (0, start, jnp.zeros_like(start))
    )
    value = jnp.where(pole, jnp.inf, jnp.where(outside, jnp.nan, _zeta_tail(s, shifted) + head))
    return jnp.where(s == 1, jnp.inf, jnp.where(s < 1, jnp.nan, value))


def _trigamma(x):
    low = x < 0.5
    reflected = jnp.where(low, (math.pi / jnp.sin(math.pi * jnp.where(low, x, 0.5))) ** 2, 0)
    y = jnp.where(low, 1 - x, x)
    total = jnp.zeros_like(y)
    for _ in range(6):
        total = total + 1 / (y * y)
        y = y + 1
    r = 1 / (y * y)
    total = total + (1 + 1 / (2 * y) + r * (1 / 6 - r * (1 / 30 - r / 42))) / y
    return jnp.where(low, reflected - total, total)


def polygamma_value(n: int, x):
    """The n-th derivative of digamma."""
    if n == 0:
        return digamma_value(x)

    @partials(lambda x, result: polygamma_value(n + 1, x))
    def value(x):
        if n == 1:
            return _trigamma(x)
        sign = 1 if n % 2 else -1
        return sign * math.gamma(n + 1) * zeta_value(jnp.full_like(x, n + 1), x)

    return value(x)


@partials(lambda x, result: polygamma_value(1, x))
def digamma_value(x):
    """The derivative of lgamma: -inf at 0, nan at the other poles."""
    zero = x == 0
    pole = (x < 0) & (x == jnp.trunc(x))
    value = elementary.precisely(lax.digamma)(jnp.where(zero | pole, 1, x))
    return jnp.where(zero, jnp.copysign(jnp.inf, -x), jnp.where(pole, jnp.nan, value))


_lgamma = partials(lambda x, result: digamma_value(x))(elementary.lgamma)


@op(
    "lgamma(Tensor input)",
    promote=FLOAT,
    inplace=True,
    aliases=("special.gammaln",),
    check=_no_complex("lgamma_vml_cpu"),
)
def lgamma(input):
    """The logarithm of the absolute value of the gamma function."""
    return _lgamma(input)


@op(
    "digamma(Tensor input)",
    promote=FLOAT,
    inplace=True,
    aliases=("special.digamma", "special.psi"),
    check=_no_complex("digamma"),
)
def digamma(input):
    """The logarithmic derivative of the gamma function."""
    return digamma_value(input)


@digamma.backward
def _(grad, input, half):
    return grad * half(polygamma_value(1, input))


@op("_polygamma(Tensor input, int n)", promote=FLOAT, method=False, function=False, grad="PolygammaBackward0",
    inplace_grad="PolygammaBackward1", check=_no_complex("polygamma"))  # fmt: skip
def polygamma(input, n):
    """The n-th derivative of digamma."""
    return polygamma_value(n, input)


@polygamma.backward
def _(grad, input, n, half):
    return grad * half(polygamma_value(n + 1, input))


@op("mvlgamma(Tensor input, int p)", promote=FLOAT, inplace=True, aliases=("special.multigammaln",), layout="contiguous",
    check=both(_no_complex("arange_cpu"), refuse_with(RuntimeError("The input tensor may not be a boolean tensor."), BOOL)))  # fmt: skip
def mvlgamma(input, p):
    """The logarithm of the multivariate gamma function of dimension p."""
    total = jnp.full_like(input, p * (p - 1) / 4 * math.log(math.pi))
    for i in range(p):
        total = total + _lgamma(input - i / 2)
    return total


_NOT_FLOATING = (BOOL, INTEGER, COMPLEX)


def _gamma_slope(sign: int, name: str):
    def rule(grad, input, other, needs):
        if needs[0]:
            raise NotImplementedError(f"the derivative for '{name}: input' is not implemented.")
        slope = jnp.exp((input - 1) * jnp.log(other) - other - lax.lgamma(input))
        return None, sign * grad * slope

    return rule


def _incomplete(a, x, *, lower: bool):
    inside = (a > 0) & (x > 0) & jnp.isfinite(a) & jnp.isfinite(x)
    f = lax.igamma if lower else lax.igammac
    value = f(jnp.where(inside, a, 1), jnp.where(inside, x, 1))
    # the lower function at the edges of its domain, in the order in which PyTorch asks
    edge = jnp.where(jnp.isinf(x), 1.0, jnp.nan)
    edge = jnp.where(jnp.isinf(a), jnp.where(jnp.isinf(x), jnp.nan, 0.0), edge)
    edge = jnp.where(x == 0, 0.0, edge)
    edge = jnp.where(a == 0, jnp.where(x > 0, 1.0, jnp.nan), edge)
    edge = jnp.where((a < 0) | (x < 0), jnp.nan, edge).astype(value.dtype)
    return jnp.where(inside, value, edge if lower else 1 - edge)


@op("igamma(Tensor input, Tensor other)", promote=FLOAT, inplace=True, aliases=("special.gammainc",),
    check=refuse("igamma_cpu", *_NOT_FLOATING))  # fmt: skip
def igamma(input, other):
    """The regularized lower incomplete gamma function."""
    return _incomplete(*jnp.broadcast_arrays(input, other), lower=True)


@op("igammac(Tensor input, Tensor other)", promote=FLOAT, inplace=True, aliases=("special.gammaincc",),
    check=refuse("igammac_cpu", *_NOT_FLOATING))  # fmt: skip
def igammac(input, other):
    """The regularized upper incomplete gamma function."""
    return _incomplete(*jnp.broadcast_arrays(input, other), lower=False)


igamma.backward(_gamma_slope(1, "igamma"))
igammac.backward(_gamma_slope(-1, "igammac"))


# --- zeta --------------------------------------------------------------------------------------------------


@partials(None, lambda s, q, result: -s * _zeta(s + 1, q))
def _zeta(s, q):
    return zeta_value(s, q)


def _zeta_body(input, other):
    """Hurwitz' zeta function: the sum of (k + other) ** -input over k >= 0."""
    return _zeta(input, other)


_ZETA: dict[str, Any] = dict(promote=FLOAT, method=False, check=refuse("zeta_cpu", COMPLEX, *HALVES))
zeta = op("special.zeta(Tensor input, Tensor other)", **_ZETA)(_zeta_body)
zeta_number = op("special.zeta(Tensor input, Number other)", grad="SpecialZetaBackward2", **_ZETA)(_zeta_body)
zeta_of_number = op("special.zeta(Number self, Tensor other)", grad="SpecialZetaBackward1", **_ZETA)(_zeta_body)


def _no_zeta_derivative(grad, input, other, needs):
    if needs[0]:
        raise NotImplementedError("the derivative for 'zeta' is not implemented.")
    return None, grad * -input * zeta_value(input + 1, other)


zeta.backward(_no_zeta_derivative)


# --- modified Bessel functions of the first kind -----------------------------------------------------------


def _near_zero(x):
    return ~(jnp.abs(x) > jnp.finfo(x.dtype).eps)  # a nan too, as in PyTorch


def _i1_slope(x, result):
    near = _near_zero(x)
    return jnp.where(near, 0.5, i0_value(x) - result / jnp.where(near, 1, x))


def _i1e_slope(x, result):
    near = _near_zero(x)
    return jnp.where(near, 0.5, i0e_value(x) - result * (jnp.sign(x) + 1 / jnp.where(near, 1, x)))


@partials(lambda x, result: i1_value(x))
def i0_value(x):
    """The modified Bessel function of order 0."""
    return jnp.exp(jnp.abs(x)) * lax.bessel_i0e(x)


@partials(_i1_slope)
def i1_value(x):
    """The modified Bessel function of order 1."""
    return jnp.exp(jnp.abs(x)) * lax.bessel_i1e(x)


@partials(lambda x, result: i1e_value(x) - jnp.sign(x) * result)
def i0e_value(x):
    """`exp(-abs(x)) * i0(x)`."""
    return lax.bessel_i0e(x)


@partials(_i1e_slope)
def i1e_value(x):
    """`exp(-abs(x)) * i1(x)`."""
    return lax.bessel_i1e(x)


@op("i0(Tensor input)", promote=FLOAT, inplace=True, aliases=("special.i0",), check=_no_complex("i0_vml_cpu"))
def i0(input):
    """The modified Bessel function of the first kind of order 0."""
    return i0_value(input)


@op("special.i0e(Tensor input)", promote=FLOAT, method=False, check=_no_complex("i0e_cpu"))
def i0e(input):
    """`exp(-abs(input)) * i0(input)`."""
    return i0e_value(input)


@op("special.i1(Tensor input)", promote=FLOAT, method=False, check=_no_complex("i1_cpu"))
def i1(input):
    """The modified Bessel function of the first kind of order 1."""
    return i1_value(input)


@op("special.i1e(Tensor input)", promote=FLOAT, method=False, check=_no_complex("i1e_cpu"))
def i1e(input):
    """`exp(-abs(input)) * i1(input)`."""
    return i1e_value(input)
