"""Bessel and Airy functions of `torch.special`; PyTorch gives them no gradient."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import lax

from torchish.ops import cephes
from torchish.ops.declare import FLOAT, op
from torchish.ops.elementary import precisely
from torchish.ops.rules import COMPLEX, HALVES, refuse
from torchish.ops.special import i0_value, i1_value


def _function(name: str, argument: str = "input"):
    return op(
        f"special.{name}(Tensor {argument})", promote=FLOAT, method=False, differentiable=False, saves=(),
        check=refuse(f"{name}_cpu", COMPLEX, *HALVES),
    )  # fmt: skip


def _poly(coefficients: tuple[float, ...], x):
    """A polynomial, the highest order first."""
    value = jnp.zeros_like(x)
    for c in coefficients:
        value = value * x + c
    return value


def _ratio(numerator: tuple[float, ...], denominator: tuple[float, ...], x):
    return _poly(numerator, x) / _poly(denominator, x)


def _chebyshev(coefficients: tuple[float, ...], x):
    """A Chebyshev series at x / 2, the highest order first (Clenshaw's recurrence)."""
    a = jnp.full_like(x, coefficients[0])
    p = q = jnp.zeros_like(x)
    for c in coefficients[1:]:
        p, q = q, a
        a = x * q - p + c
    return 0.5 * (a - p)


_SQRT_2_OVER_PI = math.sqrt(2 / math.pi)


def _asymptotic(x, order: int) -> tuple:
    """Modulus parts (p, q) and phase of J and Y for x > 5."""
    if order == 0:
        z = 25 / (x * x)
        p = _ratio(cephes.J0_PP, cephes.J0_PQ, z)
        q = _ratio(cephes.J0_QP, cephes.J0_QQ, z)
        phase = x - math.pi / 4
    else:
        z = 5 / x * (5 / x)
        p = _ratio(cephes.J1_PP, cephes.J1_PQ, z)
        q = _ratio(cephes.J1_QP, cephes.J1_QQ, z)
        phase = x - 3 * math.pi / 4
    return p, 5 / x * q, phase


def _split(x, limit: float):
    """(whether x is at most the limit, x there, x elsewhere), with harmless values in the places that do not count."""
    low = x <= limit
    return low, jnp.where(low, x, limit), jnp.where(low, limit, x)


def _j(x, order: int):
    low, near, far = _split(jnp.abs(x), 5.0)
    z = near * near
    if order == 0:
        inside = (
            (z - 5.78318596294678452118e00) * (z - 3.04712623436620863991e01) * _ratio(cephes.J0_RP, cephes.J0_RQ, z)
        )
        inside = jnp.where(near < 1e-5, 1 - z / 4, inside)
    else:
        inside = (
            _ratio(cephes.J1_RP, cephes.J1_RQ, z)
            * near
            * (z - 1.46819706421238932572e01)
            * (z - 4.92184563216946036703e01)
        )
    p, q, phase = _asymptotic(far, order)
    outside = (p * jnp.cos(phase) - q * jnp.sin(phase)) * _SQRT_2_OVER_PI / jnp.sqrt(far)
    value = jnp.where(low, inside, outside)
    return jnp.where(x < 0, -value, value) if order else value


def _y(x, order: int):
    low, near, far = _split(x, 5.0)
    near = jnp.where(near > 0, near, 1)
    z = near * near
    if order == 0:
        inside = _ratio(cephes.Y0_YP, cephes.Y0_YQ, z) + 2 / math.pi * jnp.log(near) * _j(near, 0)
    else:
        inside = near * _ratio(cephes.Y1_YP, cephes.Y1_YQ, z) + 2 / math.pi * (_j(near, 1) * jnp.log(near) - 1 / near)
    p, q, phase = _asymptotic(far, order)
    outside = (p * jnp.sin(phase) + q * jnp.cos(phase)) * _SQRT_2_OVER_PI / jnp.sqrt(far)
    return _from_zero(x, jnp.where(low, inside, outside), -jnp.inf)


def _from_zero(x, value, at_zero: float):
    """`value` for positive x, its limit at 0, nan below."""
    return jnp.where(x == 0, at_zero, jnp.where(x < 0, jnp.nan, value))


def _k(x, order: int, scaled: bool):
    low, near, far = _split(x, 2.0)
    near = jnp.where(near > 0, near, 1)
    t = near * near - 2
    if order == 0:
        inside = _chebyshev(cephes.K0_A, t) - jnp.log(0.5 * near) * i0_value(near)
        outside = _chebyshev(cephes.K0_B, 8 / far - 2) / jnp.sqrt(far)
    else:
        inside = jnp.log(0.5 * near) * i1_value(near) + _chebyshev(cephes.K1_A, t) / near
        outside = _chebyshev(cephes.K1_B, 8 / far - 2) / jnp.sqrt(far)
    value = (
        jnp.where(low, inside * jnp.exp(near), outside) if scaled else jnp.where(low, inside, jnp.exp(-far) * outside)
    )
    return _from_zero(x, value, jnp.inf)


@_function("bessel_j0")
def bessel_j0(input):
    """The Bessel function of the first kind of order 0."""
    return _j(input, 0)


@_function("bessel_j1")
def bessel_j1(input):
    """The Bessel function of the first kind of order 1."""
    return _j(input, 1)


@_function("bessel_y0")
def bessel_y0(input):
    """The Bessel function of the second kind of order 0."""
    return _y(input, 0)


@_function("bessel_y1")
def bessel_y1(input):
    """The Bessel function of the second kind of order 1."""
    return _y(input, 1)


@_function("modified_bessel_i0")
def modified_bessel_i0(input):
    """The modified Bessel function of the first kind of order 0."""
    return i0_value(input)


@_function("modified_bessel_i1")
def modified_bessel_i1(input):
    """The modified Bessel function of the first kind of order 1."""
    return i1_value(input)


@_function("modified_bessel_k0")
def modified_bessel_k0(input):
    """The modified Bessel function of the second kind of order 0."""
    return _k(input, 0, False)


@_function("modified_bessel_k1")
def modified_bessel_k1(input):
    """The modified Bessel function of the second kind of order 1."""
    return _k(input, 1, False)


@_function("scaled_modified_bessel_k0", "x")
def scaled_modified_bessel_k0(x):
    """`exp(x)` times the modified Bessel function of the second kind of order 0."""
    return _k(x, 0, True)


@_function("scaled_modified_bessel_k1", "x")
def scaled_modified_bessel_k1(x):
    """`exp(x)` times the modified Bessel function of the second kind of order 1."""
    return _k(x, 1, True)


@_function("spherical_bessel_j0", "x")
def spherical_bessel_j0(x):
    """`sin(x) / x`."""
    z = x * x
    series = jnp.ones_like(x)
    for n in (13, 11, 9, 7, 5, 3):
        series = 1 - z / (n * (n - 1)) * series
    small = jnp.abs(x) < 0.5
    return jnp.where(jnp.isinf(x), 0, jnp.where(small, series, jnp.sin(x) / jnp.where(small, 1, x)))


@_function("airy_ai", "x")
def airy_ai(x):
    """Airy's function Ai."""
    below, above = x < -2.09, x > 8.3203353
    middle = _airy_series(jnp.where(below | above | jnp.isnan(x), 0, x))
    middle = jnp.where(x >= 2.09, _airy_right(jnp.where(x >= 2.09, x, 2.09)), middle)
    value = jnp.where(below, precisely(_airy_left)(jnp.where(below, x, -3)), middle)
    value = jnp.where(x > 103.892, 0, value)
    return jnp.where(jnp.isinf(x) | jnp.isnan(x), jnp.nan, value)


_INVERSE_SQRT_PI = 5.64189583547756286948e-01


def _airy_left(x):
    t = -2 * x * jnp.sqrt(-x) / 3
    z = 1 / t
    f = 1 + z * z * _ratio(cephes.AIRY_AFN, cephes.AIRY_AFD, z * z)
    g = z * _ratio(cephes.AIRY_AGN, cephes.AIRY_AGD, z * z)
    angle = t + 0.25 * math.pi
    return _INVERSE_SQRT_PI / jnp.sqrt(jnp.sqrt(-x)) * (jnp.sin(angle) * f - jnp.cos(angle) * g)


def _airy_right(x):
    t = 2 * x * jnp.sqrt(x) / 3
    return _INVERSE_SQRT_PI * _ratio(cephes.AIRY_AN, cephes.AIRY_AD, 1 / t) / (2 * jnp.sqrt(jnp.sqrt(x)) * jnp.exp(t))


def _airy_series(x):
    """Ai by its Taylor series; 60 terms reach the precision of a double for -2.09 <= x <= 2.09."""
    z = x * x * x

    def term(i, state):
        f, g, m, n = state
        k = (1 + 3 * i).astype(x.dtype)
        m = m * z / ((k + 1) * (k + 2))
        n = n * z / ((k + 2) * (k + 3))
        return f + m, g + n, m, n

    one = jnp.ones_like(x)
    f, g, _, _ = lax.fori_loop(0, 60, term, (one, x, one, x))
    return 0.355028053887817239260 * f - 0.258819403792806798405 * g
