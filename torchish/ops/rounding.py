"""Rounding, and taking numbers apart."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax

from torchish.ops.declare import ARITH, op
from torchish.ops.precision import quotient
from torchish.ops.rules import BOOL, COMPLEX, INTEGER, both, flat, partials, refuse, refuse_with


def _whole(name: str):
    return both(
        refuse_with(NotImplementedError(f"{name} is not supported for complex inputs"), COMPLEX),
        refuse(f"{name}_vml_cpu", BOOL),
    )


def _unless_integer(f, x):
    return x if jnp.issubdtype(x.dtype, jnp.integer) else lax.stop_gradient(f(x))


@op("floor(Tensor input)", promote=ARITH, inplace=True, saves=(), flat=("input",), check=_whole("floor"))
def floor(input):
    """The largest whole number that is not above `input`."""
    return _unless_integer(jnp.floor, input)


@op("ceil(Tensor input)", promote=ARITH, inplace=True, saves=(), flat=("input",), check=_whole("ceil"))
def ceil(input):
    """The smallest whole number that is not below `input`."""
    return _unless_integer(jnp.ceil, input)


@op("trunc(Tensor input)", promote=ARITH, inplace=True, saves=(), flat=("input",), aliases=("fix",), check=_whole("trunc"))
def trunc(input):
    """`input` without its fraction."""
    return _unless_integer(jnp.trunc, input)


@op("frac(Tensor input)", promote=ARITH, inplace=True, saves=(), check=refuse("frac_cpu", BOOL, INTEGER, COMPLEX))
def frac(input):
    """The fraction of `input`, with its sign."""
    return input - lax.stop_gradient(jnp.trunc(input))


@op("round(Tensor input)", promote=ARITH, inplace=True, saves=(), flat=("input",), check=refuse("round_vml_cpu", BOOL, COMPLEX))
def round(input):
    """The nearest whole number; halves go to the even one."""
    return _unless_integer(jnp.round, input)


@op(
    "round(Tensor input, *, int decimals=0)", promote=ARITH, inplace=True, saves=(), grad="RoundBackward1", flat=("input",),
    aliases=("special.round",), check=refuse("round_cpu", BOOL, INTEGER, COMPLEX),
)  # fmt: skip
def round_decimals(input, decimals):
    """`input` rounded to a number of decimal places."""
    scale = input.dtype.type(10.0 ** abs(decimals))
    return _scaled(input, scale, decimals < 0)


@flat
def _scaled(x, scale, up):
    return jnp.round(quotient(x, scale)) * scale if up else quotient(jnp.round(x * scale), scale)


@op("frexp(Tensor input)", layout="copy", returns="mantissa exponent", selects=("input",))
def frexp(input):
    """Mantissa in [0.5, 1) and exponent of 2; RuntimeError for integers and complex numbers."""
    if not jnp.issubdtype(input.dtype, jnp.floating):
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    wide = input.astype(jnp.float32) if input.dtype.itemsize < 4 else input
    return _mantissa(wide).astype(input.dtype), _exponent(wide)


def _exponent(x):
    return jnp.frexp(lax.stop_gradient(x))[1].astype(jnp.int32)


@partials(lambda x, result: jnp.ldexp(jnp.ones_like(x), -_exponent(x)))
def _mantissa(x):
    return jnp.where(jnp.isfinite(x) & (x != 0), jnp.frexp(x)[0], x)
