"""Powers and roots, exponentials and logarithms."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
from jax import lax

from torchish import _dtypes as dt
from torchish.ops import elementary
from torchish.ops.apart import apart, root
from torchish.ops.declare import ARITH, FLOAT, op
from torchish.ops.rules import BOOL, COMPLEX, INTEGER, Given, left_over, partials, refuse


def _is_complex(x) -> bool:
    return bool(jnp.issubdtype(x.dtype, jnp.complexfloating))


# --- powers ------------------------------------------------------------------------------------------------


def _by_base(x, y, result):
    # At exponent 0 the power is constant, also where x ** -1 is infinite.
    return jnp.where(y == 0, 0, y * _float_power(x, y - 1))


def _by_exponent(x, y, result):
    # At base 0 a power with a non-negative exponent stays 0 (or 1).
    still = (x == 0) & (jnp.real(y) >= 0) & (jnp.imag(y) == 0 if _is_complex(y) else True)
    return jnp.where(still, 0, result * jnp.log(jnp.where(still, 1, x)))


def _complex_power(x, y):
    # XLA's complex power is nan at base 0.
    zero = x == 0
    p = jnp.exp(y * jnp.log(jnp.where(zero, 1, x)))
    at_zero = jnp.where(
        y == 0, complex("nan+nanj"), jnp.where(jnp.real(y) > 0, 0, jnp.where(jnp.imag(y) == 0, complex("inf"), complex("nan+nanj")))
    )
    return jnp.where(zero, at_zero.astype(p.dtype), p)


@partials(_by_base, _by_exponent)
def _float_power(x, y):
    return _complex_power(x, y) if _is_complex(x) else lax.pow(x, y)


def _by_squaring(x, y):
    # jnp.power looks at the lowest 6 bits of an integer exponent; overflow must wrap for all of them
    def advance(state):
        square, rest, product = state
        return square * square, rest >> 1, jnp.where(rest & 1 == 1, product * square, product)

    return lax.while_loop(lambda state: jnp.any(state[1] > 0), advance, (x, y, jnp.ones_like(x)))[2]


def integer_power(x, y):
    """`x ** y` of integers; negative exponents give the truncated quotient 1 / x ** -y."""
    p = _by_squaring(x, jnp.maximum(y, 0))
    if jnp.issubdtype(y.dtype, jnp.unsignedinteger):
        return p
    odd = (y & 1) == 1
    small = jnp.where(x == 1, 1, jnp.where(x == -1, jnp.where(odd, -1, 1), 0)).astype(x.dtype)
    return jnp.where(y < 0, small, p)


def _pow(input, exponent):
    """`input ** exponent`."""
    if not jnp.issubdtype(input.dtype, jnp.inexact):
        return integer_power(*jnp.broadcast_arrays(input, exponent))
    return apart(_float_power(input, exponent))


_POW: dict[str, Any] = dict(promote=ARITH, check=refuse("pow", BOOL))
pow = op("pow(Tensor input, Tensor exponent)", inplace=True, grad="PowBackward1", **_POW)(_pow)
pow_number = op("pow(Tensor input, Number exponent)", inplace=True, **_POW)(_pow)
pow_of_number = op("pow(Number self, Tensor exponent)", method=False, grad="PowBackward2", layout="contiguous", **_POW)(_pow)

def _base_gradient(grad, x, y, half):
    return grad * jnp.conj(jnp.where(y == 0, 0, half(y * half(_float_power(x, jnp.where(y == 0, 1, y - 1))))))


def _exponent_gradient(grad, x, y, result, half, log):
    still = (x == 0) & (jnp.real(y) >= 0) & (jnp.imag(y) == 0 if _is_complex(y) else True)
    return grad * jnp.conj(jnp.where(still, 0, half(result * log(jnp.where(still, 1, x)))))


@pow.backward
def _(grad, input, exponent, result, needs, half):
    return (
        _base_gradient(grad, input, exponent, half) if needs[0] else None,
        _exponent_gradient(grad, input, exponent, result, half, lambda x: half(jnp.log(x))) if needs[1] else None,
    )


@pow_number.backward
def _(grad, input, exponent, half):
    return _base_gradient(grad, input, exponent, half)


@pow_of_number.backward
def _(grad, self, exponent, result, half):
    return _exponent_gradient(grad, self, exponent, result, half, jnp.log)


for _op in (pow, pow_number, pow_of_number):
    _op.narrows = frozenset(_op.dynamic)


def _power_of_root(x, half):
    r = root(x)
    return jnp.where(left_over(x, 4), 1 / half(r), 1 / r)  # two vectors of bfloat16


# The exponents that are worth a program of their own; any other number is an input of the program.
SPECIAL_EXPONENTS = {
    0.0: lambda x, half: jnp.ones_like(x),
    1.0: lambda x, half: x,
    2.0: lambda x, half: x * x,
    3.0: lambda x, half: half(x * x) * x,
    -1.0: lambda x, half: 1 / x,
    -2.0: lambda x, half: 1 / half(x * x),
    0.5: lambda x, half: root(x),
    -0.5: _power_of_root,
}


@op(
    "_pow_special(Tensor input, float exponent, bool whole)",
    promote=ARITH,
    function=False,
    method=False,
    out=False,
    grad="PowBackward0",
)
def pow_special(input, exponent, whole, half):
    """`input ** exponent` for one of the special exponents; `whole`: it was given as an integer."""
    return SPECIAL_EXPONENTS[exponent](input, half)


@pow_special.backward
def _(grad, input, exponent, half):
    if exponent == 0:
        return jnp.zeros_like(grad)
    lower = SPECIAL_EXPONENTS.get(exponent - 1, lambda x, half: _float_power(x, jnp.asarray(exponent - 1, x.dtype)))
    slope = half(exponent * half(lower(input, half)))
    if exponent != 2:  # whose doubling is exact
        slope = apart(slope)  # or XLA multiplies the exponent by a broadcast gradient
    return grad * jnp.conj(slope)


@op("square(Tensor input)", promote=ARITH, inplace=True, grad="PowBackward0")
def square(input):
    """`input ** 2`."""
    return input * input


@op("sqrt(Tensor input)", promote=FLOAT, inplace=True)
def sqrt(input):
    """The square root; nan for negative numbers."""
    return root(input)


@sqrt.backward
def _(grad, result):
    return grad / (2 * jnp.conj(result))


@op("rsqrt(Tensor input)", promote=FLOAT, inplace=True)
def rsqrt(input):
    """`1 / sqrt(input)`."""
    return 1 / root(input)  # XLA would estimate it; PyTorch rounds the root and the quotient


@rsqrt.backward
def _(grad, result):
    return -0.5 * grad * jnp.conj(result * result * result)


# --- exponentials ------------------------------------------------------------------------------------------


@op("exp(Tensor input)", promote=FLOAT, inplace=True)
def exp(input):
    """e to the power `input`."""
    return apart(jnp.exp(input))


@exp.backward
def _(grad, result):
    return grad * jnp.conj(result)


@partials(lambda x, result: result * math.log(2))
def _exp2(x):
    if _is_complex(x):
        return jnp.exp(x * math.log(2))
    # exact at integers: scale by the power of two of the nearest one
    n = jnp.clip(jnp.round(x), -2000, 2000)
    return jnp.where(jnp.isfinite(x), jnp.ldexp(jnp.exp((x - n) * math.log(2)), n.astype(jnp.int32)), jnp.exp(x))


@op("exp2(Tensor input)", promote=FLOAT, inplace=True, aliases=("special.exp2",))
def exp2(input):
    """2 to the power `input`."""
    return _exp2(input)


@op("expm1(Tensor input)", promote=FLOAT, inplace=True, aliases=("special.expm1",))
def expm1(input):
    """`exp(input) - 1`, accurate near 0."""
    return elementary.expm1(input)


@expm1.backward
def _(grad, result):
    return grad * jnp.conj(result + 1)


def _check_ldexp(common: dt.dtype, given: Given) -> None:
    if given["input"][1].category == 2 and given["other"][1].category == 0:
        raise NotImplementedError("\"ldexp_cpu_exp\" not implemented for 'Bool'")


@op("ldexp(Tensor input, Tensor other)", promote=FLOAT, inplace=True, check=_check_ldexp)
def ldexp(input, other, half):
    """`input * 2 ** other`."""
    return input * half(_exp2(other))


@ldexp.backward
def _(grad, other, result, half):
    return grad * jnp.conj(half(_exp2(other))), half(grad * jnp.conj(result)) * math.log(2)


# --- logarithms --------------------------------------------------------------------------------------------


@op("log(Tensor input)", promote=FLOAT, inplace=True)
def log(input):
    """The natural logarithm."""
    return jnp.log(input)


@log.backward
def _(grad, input):
    return grad / jnp.conj(input)


@op("log1p(Tensor input)", promote=FLOAT, inplace=True, aliases=("special.log1p",))
def log1p(input):
    """`log(1 + input)`, accurate near 0."""
    return elementary.log1p(input)


@log1p.backward
def _(grad, input):
    return grad / jnp.conj(input + 1)


def _scaled_log(x, base: float):
    """The logarithm of complex numbers; infinite parts leave the other part alone."""
    y = jnp.log(x)
    return lax.complex(jnp.real(y) / math.log(base), jnp.imag(y) / math.log(base))


@partials(lambda x, result: 1 / (x * math.log(2)))
def _log2(x):
    if _is_complex(x):
        return _scaled_log(x, 2)
    # exact at powers of two
    m, e = jnp.frexp(x)
    low = m < math.sqrt(0.5)
    m, e = jnp.where(low, 2 * m, m), jnp.where(low, e - 1, e)
    return jnp.where((x > 0) & (x < jnp.inf), e + jnp.log(m) / math.log(2), jnp.log(x))


@op("log2(Tensor input)", promote=FLOAT, inplace=True)
def log2(input):
    """The logarithm to base 2."""
    return _log2(input)


_POWERS_OF_TEN = [float(f"1e{k}") for k in range(-22, 23)]


@partials(lambda x, result: 1 / (x * math.log(10)))
def _log10(x):
    if _is_complex(x):
        return _scaled_log(x, 10)
    y = jnp.log(x) / math.log(10)
    # exact at powers of ten, which print as whole numbers
    limit = 22 if x.dtype == jnp.float64 else 10
    k = jnp.clip(jnp.nan_to_num(jnp.round(y)), -limit, limit)
    power = jnp.asarray(_POWERS_OF_TEN, x.dtype)[k.astype(jnp.int32) + 22]
    return jnp.where(power == x, k, y)


@op("log10(Tensor input)", promote=FLOAT, inplace=True)
def log10(input):
    """The logarithm to base 10."""
    return _log10(input)


_NO_INTEGERS = (BOOL, INTEGER)


@op("logaddexp(Tensor input, Tensor other)", promote=ARITH, check=refuse("logaddexp_cpu", *_NO_INTEGERS))
def logaddexp(input, other):
    """`log(exp(input) + exp(other))`, without overflow."""
    return _logaddexp(input, other)


@partials(lambda x, y, result: 1 / (1 + jnp.exp(y - x)), lambda x, y, result: 1 / (1 + jnp.exp(x - y)))
def _logaddexp(x, y):
    if _is_complex(x):
        larger = jnp.where(jnp.real(x) >= jnp.real(y), x, y)
        smaller = jnp.where(jnp.real(x) >= jnp.real(y), y, x)
        return larger + jnp.log(1 + jnp.exp(smaller - larger))
    larger = jnp.maximum(x, y)
    return jnp.where(jnp.isinf(x) & (x == y), x, larger + elementary.log1p(jnp.exp(-jnp.abs(x - y))))


@partials(lambda x, y, result: 1 / (1 + _exp2(y - x)), lambda x, y, result: 1 / (1 + _exp2(x - y)))
def _logaddexp2(x, y):
    larger = jnp.maximum(x, y)
    return jnp.where(jnp.isinf(x) & (x == y), x, larger + elementary.log1p(_exp2(-jnp.abs(x - y))) / math.log(2))


@op("logaddexp2(Tensor input, Tensor other)", promote=ARITH, check=refuse("logaddexp2_cpu", *_NO_INTEGERS, COMPLEX))
def logaddexp2(input, other):
    """`log2(2 ** input + 2 ** other)`, without overflow."""
    return _logaddexp2(input, other)


@partials(
    lambda x, y, result: jnp.where((x == 0) & (y <= 0), 0, jnp.log(y)),
    lambda x, y, result: x / y,
)
def _xlogy(x, y):
    return jnp.where(jnp.isnan(y), jnp.nan, jnp.where(x == 0, 0, x * jnp.log(y)))


def _xlogy_body(input, other):
    """`input * log(other)`, and 0 where `input` is 0."""
    return _xlogy(input, other)


_XLOGY: dict[str, Any] = dict(promote=FLOAT, aliases=("special.xlogy",), check=refuse("xlogy_cpu", COMPLEX))
xlogy = op("xlogy(Tensor input, Tensor other)", inplace=True, **_XLOGY)(_xlogy_body)
xlogy_of_number = op("xlogy(Number self, Tensor other)", method=False, grad="XlogyBackward1", **_XLOGY)(_xlogy_body)
xlogy_number = op("xlogy(Tensor input, Number other)", inplace=True, grad="XlogyBackward2", **_XLOGY)(_xlogy_body)


@partials(
    lambda x, y, result: jnp.where((x == 0) & (y <= -1), 0, elementary.log1p(y)),
    lambda x, y, result: x / (y + 1),
)
def _xlog1py(x, y):
    return jnp.where(jnp.isnan(y), jnp.nan, jnp.where(x == 0, 0, x * elementary.log1p(y)))


def _xlog1py_body(input, other):
    """`input * log1p(other)`, and 0 where `input` is 0."""
    return _xlog1py(input, other)


_XLOG1PY: dict[str, Any] = dict(promote=FLOAT, check=refuse("xlog1py_cpu", COMPLEX), method=False)
xlog1py = op("special.xlog1py(Tensor input, Tensor other)", **_XLOG1PY)(_xlog1py_body)
xlog1py_of_number = op("special.xlog1py(Number self, Tensor other)", grad="SpecialXlog1PyBackward1", **_XLOG1PY)(
    _xlog1py_body
)
xlog1py_number = op("special.xlog1py(Tensor input, Number other)", grad="SpecialXlog1PyBackward2", **_XLOG1PY)(
    _xlog1py_body
)


@op("sigmoid(Tensor input)", promote=FLOAT, inplace=True, aliases=("special.expit",))
def sigmoid(input):
    """`1 / (1 + exp(-input))`."""
    return 1 / (1 + jnp.exp(-input)) if _is_complex(input) else lax.logistic(input)


@sigmoid.backward
def _(grad, result):
    return grad * jnp.conj(result * (1 - result))


@op("logit(Tensor input, real? eps=None)", promote=FLOAT, inplace=True, apart=("eps",), aliases=("special.logit",),
    check=refuse("logit_cpu", COMPLEX))  # fmt: skip
def logit(input, eps):
    """`log(input / (1 - input))`, `input` first limited to [eps, 1 - eps]."""
    if eps is None:
        return _logit(input)
    z = jnp.where(input < eps, eps, jnp.where(input > 1 - eps, 1 - eps, input))
    return _logit(z)


@partials(lambda x, result: jnp.where((x < 0) | (x > 1), jnp.nan, 1 / (x * (1 - x))))
def _logit(x):
    return jnp.log(x / (1 - x))
