"""Comparisons, extrema of two tensors, tests of single elements, logical operations."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchish import _dtypes as dt
from torchish.ops.declare import ARITH, COMPARE, PREDICATE, op
from torchish.ops.rules import COMPLEX, name_of, partials, refuse, refuse_with


def _comparison(name: str, alias: str, doc: str, f, ordered: bool):
    def body(input, other):
        return f(input, other)

    body.__doc__ = doc
    body.__module__ = __name__
    traits: dict[str, Any] = dict(
        promote=COMPARE, inplace=True, differentiable=False, aliases=(alias,) if alias else (),
        check=refuse(f"{name}_cpu", COMPLEX) if ordered else None,
    )  # fmt: skip
    made = [op(f"{name}(Tensor input, {other} other)", **traits)(body) for other in ("Tensor", "Number")]
    for o in made:
        o.narrows = frozenset(("other",))
    return made


eq = _comparison("eq", "", "Whether elements are equal.", lambda x, y: x == y, False)
ne = _comparison("ne", "not_equal", "Whether elements differ.", lambda x, y: x != y, False)
lt = _comparison("lt", "less", "Whether `input` is below `other`.", lambda x, y: x < y, True)
le = _comparison("le", "less_equal", "Whether `input` is at most `other`.", lambda x, y: x <= y, True)
gt = _comparison("gt", "greater", "Whether `input` is above `other`.", lambda x, y: x > y, True)
ge = _comparison("ge", "greater_equal", "Whether `input` is at least `other`.", lambda x, y: x >= y, True)


# --- extrema -----------------------------------------------------------------------------------------------


def _real_only(name: str):
    return refuse_with(RuntimeError(f"{name} not implemented for complex tensors."), COMPLEX)


def _share(loses, equal):
    """The gradient's share of an operand: none, half of it, or all (also beside a nan)."""
    return jnp.where(equal, 0.5, jnp.where(loses, 0, 1))


_maximum = partials(lambda x, y, r: _share(x < y, x == y), lambda x, y, r: _share(x > y, x == y))(jnp.maximum)
_minimum = partials(lambda x, y, r: _share(x > y, x == y), lambda x, y, r: _share(x < y, x == y))(jnp.minimum)


@op("maximum(Tensor input, Tensor other)", promote=ARITH, selects=("input", "other"), check=_real_only("maximum"))
def maximum(input, other):
    """The larger of two elements, nan if one is; equal ones share the gradient evenly."""
    return _maximum(input, other) if jnp.issubdtype(input.dtype, jnp.floating) else jnp.maximum(input, other)


@op("minimum(Tensor input, Tensor other)", promote=ARITH, selects=("input", "other"), check=_real_only("minimum"))
def minimum(input, other):
    """The smaller of two elements, nan if one is; equal ones share the gradient evenly."""
    return _minimum(input, other) if jnp.issubdtype(input.dtype, jnp.floating) else jnp.minimum(input, other)


@op("fmax(Tensor input, Tensor other)", promote=ARITH, selects=("input", "other"), check=_real_only("fmax"))
def fmax(input, other):
    """The larger of two elements, the number if one is nan; of equal ones `input` gets the gradient."""
    return jnp.where((input >= other) | (other != other), input, other)


@op("fmin(Tensor input, Tensor other)", promote=ARITH, selects=("input", "other"), check=_real_only("fmin"))
def fmin(input, other):
    """The smaller of two elements, the number if one is nan; of equal ones `input` gets the gradient."""
    return jnp.where((input <= other) | (other != other), input, other)


@op("nextafter(Tensor input, Tensor other)", layout="pointwise", inplace=True, flat=("other",), selects=("input", "other"),
    saves=("input", "other"))  # fmt: skip
def nextafter(input, other):
    """The next representable number from `input` towards `other`."""
    # computed in the operands' own dtype: its grid is what the question is about
    d = dt.result_type([(dt.FROM_NP[np.dtype(x.dtype)], 2 if x.ndim else 1) for x in (input, other)]).np
    if not jnp.issubdtype(d, jnp.floating):
        raise NotImplementedError(f"\"nextafter_cpu\" not implemented for '{name_of(dt.FROM_NP[d])}'")
    return _nextafter(input.astype(d), other.astype(d))


_nextafter = partials(lambda x, y, result: x != y, None)(lax.nextafter)


@op("isclose(Tensor input, Tensor other, real rtol=1e-05, real atol=1e-08, bool equal_nan=False)",
    layout="pointwise", differentiable=False, out=False)  # fmt: skip
def isclose(input, other, rtol, atol, equal_nan):
    """Whether `abs(input - other) <= atol + rtol * abs(other)`."""
    close = input == other
    if jnp.issubdtype(input.dtype, jnp.inexact) and equal_nan:
        close = close | ((input != input) & (other != other))
    if input.dtype == jnp.bool_:
        input, other = input.astype(jnp.uint8), other.astype(jnp.uint8)
    wide = jnp.float32 if input.dtype.itemsize < 8 else jnp.float64
    real = wide if not jnp.issubdtype(input.dtype, jnp.inexact) else jnp.real(input).dtype
    allowed = atol.astype(real) + jnp.abs(
        rtol.astype(real) * (other if jnp.issubdtype(other.dtype, jnp.inexact) else other.astype(real))
    )
    actual = jnp.abs(input - other)
    return close | (jnp.isfinite(actual) & (actual <= allowed))


# --- tests of elements -------------------------------------------------------------------------------------


@op("isnan(Tensor input)", promote=PREDICATE, differentiable=False, out=False)
def isnan(input):
    """Whether elements are nan."""
    return input != input


@op("isinf(Tensor input)", promote=PREDICATE, differentiable=False, out=False)
def isinf(input):
    """Whether elements are infinite."""
    return jnp.isinf(input) if jnp.issubdtype(input.dtype, jnp.inexact) else jnp.zeros(input.shape, jnp.bool_)


@op("isfinite(Tensor input)", promote=PREDICATE, differentiable=False, out=False)
def isfinite(input):
    """Whether elements are neither infinite nor nan."""
    return jnp.isfinite(input) if jnp.issubdtype(input.dtype, jnp.inexact) else jnp.ones(input.shape, jnp.bool_)


def _infinite(input, value):
    return input == value if jnp.issubdtype(input.dtype, jnp.floating) else jnp.zeros(input.shape, jnp.bool_)


@op("isposinf(Tensor input)", promote=PREDICATE, differentiable=False,
    check=refuse_with(RuntimeError("isposinf does not support complex inputs."), COMPLEX))  # fmt: skip
def isposinf(input):
    """Whether elements are +inf."""
    return _infinite(input, jnp.inf)


@op("isneginf(Tensor input)", promote=PREDICATE, differentiable=False,
    check=refuse_with(RuntimeError("isneginf does not support complex inputs."), COMPLEX))  # fmt: skip
def isneginf(input):
    """Whether elements are -inf."""
    return _infinite(input, -jnp.inf)


@op("isreal(Tensor input)", promote=PREDICATE, differentiable=False, out=False)
def isreal(input):
    """Whether elements have no imaginary part."""
    return (
        jnp.imag(input) == 0 if jnp.issubdtype(input.dtype, jnp.complexfloating) else jnp.ones(input.shape, jnp.bool_)
    )


# --- logic -------------------------------------------------------------------------------------------------


@op("logical_not(Tensor input)", promote=PREDICATE, inplace=True, differentiable=False)
def logical_not(input):
    """Whether elements are zero."""
    return input == 0


@op("logical_and(Tensor input, Tensor other)", promote=PREDICATE, inplace=True, differentiable=False)
def logical_and(input, other):
    """Whether both elements are nonzero."""
    return (input != 0) & (other != 0)


@op("logical_or(Tensor input, Tensor other)", promote=PREDICATE, inplace=True, differentiable=False)
def logical_or(input, other):
    """Whether one of two elements is nonzero."""
    return (input != 0) | (other != 0)


@op("logical_xor(Tensor input, Tensor other)", promote=PREDICATE, inplace=True, differentiable=False)
def logical_xor(input, other):
    """Whether exactly one of two elements is nonzero."""
    return (input != 0) ^ (other != 0)
