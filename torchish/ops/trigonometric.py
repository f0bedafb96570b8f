"""Trigonometric and hyperbolic functions, angles and polar form."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import lax

from torchish import _dtypes as dt
from torchish.ops import elementary
from torchish.ops.declare import FLOAT, flat_if_real, op
from torchish.ops.pointwise import direction
from torchish.ops.rules import BOOL, COMPLEX, INTEGER, Given, both, name_of, partials, refuse, refuse_with


@op("sin(Tensor input)", promote=FLOAT, inplace=True)
def sin(input):
    """The sine."""
    return elementary.sin(input)


@op("cos(Tensor input)", promote=FLOAT, inplace=True)
def cos(input):
    """The cosine."""
    return elementary.cos(input)


@op("tan(Tensor input)", promote=FLOAT, inplace=True)
def tan(input):
    """The tangent."""
    return elementary.tan(input)


@tan.backward
def _(grad, result, half):
    return grad * jnp.conj(half(1 + half(result * result)))


@op("asin(Tensor input)", promote=FLOAT, inplace=True, aliases=("arcsin",))
def asin(input):
    """The inverse sine."""
    return elementary.asin(input)


@op("acos(Tensor input)", promote=FLOAT, inplace=True, aliases=("arccos",))
def acos(input):
    """The inverse cosine."""
    return elementary.acos(input)


@op("atan(Tensor input)", promote=FLOAT, inplace=True, aliases=("arctan",))
def atan(input):
    """The inverse tangent."""
    return elementary.atan(input)


@op(
    "atan2(Tensor input, Tensor other)",
    promote=FLOAT,
    inplace=True,
    aliases=("arctan2",),
    check=refuse("atan2_cpu", COMPLEX),
)
def atan2(input, other):
    """The angle of the point (other, input), in (-pi, pi]; its gradient at the origin is 0."""
    return _atan2(input, other)


def _over_square(a, x, y):
    square = x * x + y * y
    return jnp.where(square == 0, 0, a / jnp.where(square == 0, 1, square))


_atan2 = partials(lambda y, x, result: _over_square(x, x, y), lambda y, x, result: _over_square(-y, x, y))(
    elementary.atan2
)


@op("sinh(Tensor input)", promote=FLOAT, inplace=True)
def sinh(input):
    """The hyperbolic sine."""
    return elementary.sinh(input)


@op("cosh(Tensor input)", promote=FLOAT, inplace=True)
def cosh(input):
    """The hyperbolic cosine."""
    return elementary.cosh(input)


@op("tanh(Tensor input)", promote=FLOAT, inplace=True)
def tanh(input):
    """The hyperbolic tangent."""
    return elementary.tanh(input)


@tanh.backward
def _(grad, result):
    return grad * jnp.conj(1 - result * result)


@op("asinh(Tensor input)", promote=FLOAT, inplace=True, aliases=("arcsinh",))
def asinh(input):
    """The inverse hyperbolic sine."""
    return jnp.arcsinh(input)


@op("acosh(Tensor input)", promote=FLOAT, inplace=True, aliases=("arccosh",))
def acosh(input):
    """The inverse hyperbolic cosine."""
    return jnp.arccosh(input)


@op("atanh(Tensor input)", promote=FLOAT, inplace=True, aliases=("arctanh",))
def atanh(input):
    """The inverse hyperbolic tangent."""
    return jnp.arctanh(input)


@op("hypot(Tensor input, Tensor other)", promote=FLOAT, inplace=True, check=refuse("hypot_cpu", BOOL, INTEGER, COMPLEX))
def hypot(input, other):
    """`sqrt(input ** 2 + other ** 2)`, without overflow."""
    return _hypot(input, other)


_hypot = partials(lambda x, y, r: x / r, lambda x, y, r: y / r)(jnp.hypot)


@op("sinc(Tensor input)", promote=FLOAT, inplace=True, aliases=("special.sinc",))
def sinc(input):
    """`sin(pi * input) / (pi * input)`, and 1 at 0."""
    return _sinc(input)


def _sinc_slope(x, result):
    zero = x == 0
    safe = jnp.where(zero, 1, x)
    return jnp.where(zero, 0, (jnp.cos(math.pi * safe) - result) / safe)


@partials(_sinc_slope)
def _sinc(x):
    zero = x == 0
    p = math.pi * jnp.where(zero, 1, x)
    return jnp.where(zero, 1, jnp.sin(p) / p)


@op("deg2rad(Tensor input)", promote=FLOAT, inplace=True, saves=(),
    check=refuse_with(RuntimeError("deg2rad is not supported for complex tensors."), COMPLEX))  # fmt: skip
def deg2rad(input):
    """Degrees to radians."""
    return input * (math.pi / 180)


@op("rad2deg(Tensor input)", promote=FLOAT, inplace=True, saves=(),
    check=refuse_with(RuntimeError("rad2deg is not supported for complex tensors."), COMPLEX))  # fmt: skip
def rad2deg(input):
    """Radians to degrees."""
    return input * (180 / math.pi)


# --- complex numbers ---------------------------------------------------------------------------------------


@op("angle(Tensor input)", promote=FLOAT, result="real", flat=flat_if_real)
def angle(input):
    """The argument of complex numbers; pi for negative real numbers. Its gradient at 0 is 0."""
    if jnp.issubdtype(input.dtype, jnp.complexfloating):
        zero = input == 0
        # a zero keeps the angle that its signs give, without a gradient
        return jnp.where(zero, lax.stop_gradient(jnp.angle(input)), jnp.angle(jnp.where(zero, 1, input)))
    return jnp.where(jnp.isnan(input), lax.stop_gradient(input), jnp.where(input < 0, math.pi, 0.0).astype(input.dtype))


def _check_parts(first: str, second: str):
    def check(common, given: Given) -> None:
        a, b = given[first][1], given[second][1]
        names = ("float16", "float32", "float64")
        if a.name not in names or b.name not in names:
            raise RuntimeError(
                f"Expected both inputs to be Half, Float or Double tensors but got {name_of(a)} and {name_of(b)}"
            )
        if a is not b:
            raise RuntimeError(
                f"Expected object of scalar type {name_of(a)} but got scalar type {name_of(b)} for second argument"
            )

    return check


@op(
    "complex(Tensor real, Tensor imag)",
    promote=FLOAT,
    result="body",
    method=False,
    saves=(),
    check=both(_check_parts("real", "imag"), refuse("complex", dt.float16)),  # there is no complex32
)
def complex(real, imag):
    """Complex numbers from their parts, of one dtype."""
    return lax.complex(*jnp.broadcast_arrays(real, imag))


@op("polar(Tensor abs, Tensor angle)", promote=FLOAT, result="body", method=False,
    check=both(_check_parts("abs", "angle"), refuse("polar_cpu", dt.float16)))  # fmt: skip
def polar(abs, angle):
    """Complex numbers from their moduli and arguments, of one dtype."""
    return lax.complex(abs * jnp.cos(angle), abs * jnp.sin(angle))


@polar.backward
def _(grad, result):
    """The direction of the modulus is that of the result: none at 0."""
    turned = lax.complex(-jnp.imag(result), jnp.real(result))
    return jnp.real(jnp.conj(grad) * direction(result)), jnp.real(jnp.conj(grad) * turned)


@op("_conj_physical(Tensor input)", layout="pointwise", inplace=True, saves=(), method=False, function=False,
    grad="ConjPhysicalBackward0", inplace_grad="ConjPhysicalBackward1")  # fmt: skip
def conj_physical(input):
    """The complex conjugate, computed at once."""
    return jnp.conj(input)
