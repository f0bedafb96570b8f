"""Arithmetic: sums, products, quotients, signs, absolute values, limits of a range, selection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from torchish import _dtypes as dt
from torchish.ops import elementary
from torchish.ops.declare import ARITH, FLOAT, PREDICATE, Op, flat_if_real, op
from torchish.ops.precision import not_converted, product, quotient
from torchish.ops.rules import (
    BOOL,
    COMPLEX,
    FLOATING,
    INTEGER,
    Check,
    Given,
    both,
    partials,
    refuse,
    refuse_with,
    same_dtype,
)  # fmt: skip

_EACH_OTHER: dict[str, Any] = {"input": ("other",), "other": ("input",)}


def times(factor, x):
    """`factor * x`, where None stands for 1: the default needs no multiplication."""
    return x if factor is None else factor * x


def check_alpha(common: dt.dtype, given: Given) -> None:
    """What `alpha` may be beside operands of a dtype."""
    kind = given.get("alpha", ("i",))[0]
    if kind == "b" and common.category != BOOL:
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if kind in "fc" and common.category < FLOATING:
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    if kind == "c" and common.category < COMPLEX:
        raise RuntimeError("For non-complex input tensors, argument alpha must not be a complex number.")


def real_beside_real(number: str) -> Check:
    """RuntimeError for a complex number where a kernel for real operands wants one."""

    def check(common: dt.dtype, given: Given) -> None:
        if given.get(number, ("i",))[0] == "c" and common.category < COMPLEX:
            raise RuntimeError(not_converted(common))

    return check


def check_subtraction(common: dt.dtype, given: Given) -> None:
    """Boolean tensors cannot be subtracted."""
    bools = [given[n][1].category == BOOL for n in ("input", "other")]
    if all(bools):
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
            "operator instead."
        )
    if any(bools):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, "
            "use the `~` or `logical_not()` operator instead."
        )
    check_alpha(common, given)


# --- sums --------------------------------------------------------------------------------------------------


@op(
    "add(Tensor|Number input, Tensor|Number other, *, Number alpha=1)",
    promote=ARITH, inplace=True, saves=(), omit=("alpha",), check=check_alpha, passes=("input", "other*alpha"),
)  # fmt: skip
def add(input, other, alpha):
    """`input + alpha * other`."""
    return input + times(alpha, other)


@op(
    "sub(Tensor|Number input, Tensor|Number other, *, Number alpha=1)",
    promote=ARITH, inplace=True, saves=(), omit=("alpha",), check=check_subtraction, aliases=("subtract",), passes=("input",),
)  # fmt: skip
def sub(input, other, alpha):
    """`input - alpha * other`."""
    return input - times(alpha, other)


def _rsub(input, other, alpha):
    """`other - alpha * input`."""
    return other - times(alpha, input)


_RSUB: dict[str, Any] = dict(promote=ARITH, saves=(), omit=("alpha",), check=check_subtraction, method=False, out=False)
rsub = op("rsub(Tensor input, Tensor other, *, Number alpha=1)", passes=("other",), **_RSUB)(_rsub)
rsub.turned = True
rsub_number = op("rsub(Tensor input, Number other, Number alpha=1)", grad="RsubBackward1", apart=("alpha",), **_RSUB)(
    _rsub
)


NO_NEGATIVE_BOOL = (
    "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` or "
    "`logical_not()` operator instead."
)


@op(
    "neg(Tensor input)", promote=ARITH, inplace=True, saves=(), aliases=("negative",),
    check=refuse_with(RuntimeError(NO_NEGATIVE_BOOL), BOOL),
)  # fmt: skip
def neg(input):
    """`-input`; unsigned integers wrap around."""
    return -input


# --- products and quotients --------------------------------------------------------------------------------


@op(
    "mul(Tensor|Number input, Tensor|Number other)",
    promote=ARITH, inplace=True, saves=_EACH_OTHER, aliases=("multiply",),
)  # fmt: skip
def mul(input, other):
    """`input * other`; a conjunction for bools."""
    return input & other if input.dtype == jnp.bool_ else product(input, other)


@mul.backward
def _(grad, input, other):
    return product(grad, jnp.conj(other)), product(grad, jnp.conj(input))


@op(
    "div(Tensor|Number input, Tensor|Number other)",
    promote=FLOAT, inplace=True, saves={"other": ("input", "other"), "input": ("other",)},
    aliases=("divide", "true_divide"),
)  # fmt: skip
def div(input, other):
    """`input / other`; integers give floats."""
    return quotient(input, other)


@div.backward
def _(grad, input, other, half):
    # JAX's rule squares the divisor, which overflows earlier
    return quotient(grad, jnp.conj(other)), -grad * jnp.conj(half(quotient(half(quotient(input, other)), other)))


@op(
    "div(Tensor|Number input, Tensor|Number other, *, str? rounding_mode)",
    promote=ARITH, inplace=True, saves=("other",), flat=("input", "other"), grad="DivBackward2", aliases=("divide",),
)  # fmt: skip
def div_rounded(input, other, rounding_mode, half):
    """The quotient rounded to -inf ("floor") or to zero ("trunc"); RuntimeError for integers divided by zero."""
    return lax.stop_gradient(_floor_quotient(input, other) if rounding_mode == "floor" else _trunc_quotient(input, other, half))


def _trunc_quotient(x, y, half):
    if jnp.issubdtype(x.dtype, jnp.integer):
        return lax.div(*jnp.broadcast_arrays(x, y))
    return jnp.trunc(half(quotient(x, y)) if y.ndim else quotient(x, y))  # PyTorch divides 16-bit floats by one number in float32


def _floor_quotient(x, y):
    if jnp.issubdtype(x.dtype, jnp.integer):
        return jnp.floor_divide(x, y)
    # From the remainder, which is exact: x / y may round up to an integer.
    rest = elementary.fmod(x, y)
    q = (x - rest) / y
    q = jnp.where((rest != 0) & ((y < 0) != (rest < 0)), q - 1, q)
    whole = jnp.floor(q)
    whole = jnp.where(q - whole > 0.5, whole + 1, whole)
    whole = jnp.where(q == 0, jnp.copysign(jnp.zeros_like(q), x / y), whole)
    return jnp.where(y == 0, x / y, whole)


@op(
    "floor_divide(Tensor|Number input, Tensor|Number other)",
    promote=ARITH, inplace=True, saves=(), grad="NotImplemented", check=refuse("div_floor_cpu", BOOL, COMPLEX),
)  # fmt: skip
def floor_divide(input, other):
    """The quotient rounded to -inf; RuntimeError for integers divided by zero."""
    return lax.stop_gradient(_floor_quotient(input, other))


def not_differentiable(name: str):
    """A gradient rule that refuses, as PyTorch does for operations without a derivative."""

    def rule(grad):
        raise RuntimeError(f"derivative for aten::{name} is not implemented")

    return rule


floor_divide.backward(not_differentiable("floor_divide"))


def _remainder(input, other):
    """What is left of `input` after division by `other`, with the sign of `other` (Python's `%`)."""
    return jnp.remainder(input, other) if jnp.issubdtype(input.dtype, jnp.integer) else _float_remainder(input, other)


@partials(lambda x, y, result: jnp.ones_like(x), lambda x, y, result: -_floor_quotient(x, y))
def _float_remainder(x, y):
    rest = elementary.fmod(x, y)
    return jnp.where((rest != 0) & ((y < 0) != (rest < 0)), rest + y, rest)


_REMAINDER: dict[str, Any] = dict(promote=ARITH, passes=("input",), check=refuse("remainder_cpu", BOOL, COMPLEX))
_BOTH_FOR_OTHER: dict[str, Any] = {"input": ("other",), "other": ("other",)}
remainder = op(
    "remainder(Tensor input, Tensor other)",
    inplace=True,
    grad="RemainderBackward1",
    saves=_BOTH_FOR_OTHER,
    **_REMAINDER,
)(_remainder)
remainder_number = op("remainder(Tensor input, Number other)", inplace=True, saves=(), **_REMAINDER)(_remainder)
remainder_of_number = op(
    "remainder(Number self, Tensor other)", method=False, out=False, grad="NotImplemented", saves=(), **_REMAINDER
)(_remainder)
remainder_of_number.backward(not_differentiable("remainder"))


def _fmod(input, other):
    """What is left of `input` after division by `other`, with the sign of `input` (C's `fmod`)."""
    return elementary.fmod(input, other)


_FMOD: dict[str, Any] = dict(promote=ARITH, inplace=True, passes=("input",), check=refuse("fmod_cpu", BOOL, COMPLEX))
fmod = op("fmod(Tensor input, Tensor other)", grad="FmodBackward1", saves=_BOTH_FOR_OTHER, **_FMOD)(_fmod)


@fmod.backward
def _(grad, input, other, half):
    return grad, -grad * _trunc_quotient(input, other, half)


fmod_number = op("fmod(Tensor input, Number other)", saves=(), **_FMOD)(_fmod)


@op("reciprocal(Tensor input)", promote=FLOAT, inplace=True)
def reciprocal(input):
    """`1 / input`."""
    return 1 / input


@reciprocal.backward
def _(grad, result):
    return -grad * jnp.conj(result * result)


@op(
    "addcmul(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value=1)",
    promote=ARITH, inplace=True, passes=("input",), omit=("value",), check=both(refuse("addcmul_cpu_out", BOOL), real_beside_real("value")),
    saves={"tensor1": ("tensor2",), "tensor2": ("tensor1",)},
)  # fmt: skip
def addcmul(input, tensor1, tensor2, value):
    """`input + value * tensor1 * tensor2`."""
    return input + times(value, tensor1) * tensor2


@addcmul.backward
def _(grad, tensor1, tensor2, value):
    return grad, grad * jnp.conj(times(value, tensor2)), grad * jnp.conj(times(value, tensor1))


def _check_addcdiv(common: dt.dtype, given: Given) -> None:
    if given["tensor1"][1].category < FLOATING and given["tensor2"][1].category < FLOATING:
        raise RuntimeError(  # two spaces after "future": so does PyTorch
            "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform "
            "a true division of tensor1 and tensor2. The historic addcdiv behavior can be implemented as (input "
            "+ value * torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as (input + value "
            "* tensor1 / tensor2) for float inputs. The future addcdiv behavior is just the latter "
            "implementation: (input + value * tensor1 / tensor2), for all dtypes."
        )


@op(
    "addcdiv(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value=1)",
    promote=ARITH, inplace=True, passes=("input",), omit=("value",), check=both(_check_addcdiv, real_beside_real("value")),
    saves={"tensor1": ("tensor2",), "tensor2": ("tensor1", "tensor2")},
)  # fmt: skip
def addcdiv(input, tensor1, tensor2, value):
    """`input + value * tensor1 / tensor2`; TypeError for integers."""
    return input + quotient(times(value, tensor1), tensor2)


@addcdiv.backward
def _(grad, tensor1, tensor2, value):
    slope = quotient(jnp.ones_like(tensor2) if value is None else value, tensor2)
    return grad, grad * jnp.conj(slope), -grad * jnp.conj(quotient(times(value, tensor1), tensor2 * tensor2))


def between(input, end, weight):
    """`input + weight * (end - input)`."""
    near = jnp.abs(weight) < 0.5
    step = end - input
    return jnp.where(near, input + weight * step, end - step * (1 - weight))


@op(
    "lerp(Tensor input, Tensor end, Tensor weight)", promote=ARITH, inplace=True, grad="LerpBackward1",
    check=both(same_dtype("input", "end", "weight"), refuse("lerp_kernel_tensor", BOOL, INTEGER)),
    saves={"input": ("weight",), "end": ("weight",), "weight": ("input", "end")},
)  # fmt: skip
def lerp(input, end, weight):
    """`input + weight * (end - input)`."""
    return between(input, end, weight)


@lerp.backward
def _(grad, input, end, weight):
    w = jnp.conj(weight)
    return grad * (1 - w), grad * w, grad * jnp.conj(end - input)


@op(
    "lerp(Tensor input, Tensor end, Number weight)", promote=ARITH, inplace=True, apart=("weight",), saves=(),
    check=both(same_dtype("input", "end"), refuse("lerp_kernel_scalar", BOOL, INTEGER), real_beside_real("weight")),
)  # fmt: skip
def lerp_number(input, end, weight):
    """`input + weight * (end - input)`."""
    return between(input, end, weight)


@lerp_number.backward
def _(grad, weight):
    w = jnp.conj(weight)
    return grad * (1 - w), grad * w


# The old order of the arguments, with the factor in the middle; PyTorch warns and takes it.


@op(
    "add(Tensor input, Number alpha, Tensor other)",
    promote=ARITH,
    inplace=True,
    saves=(),
    apart=("alpha",),
    check=check_alpha,
)
def add_deprecated(input, alpha, other):
    """`input + alpha * other`."""
    return input + alpha * other


@op(
    "sub(Tensor input, Number alpha, Tensor other)",
    promote=ARITH,
    inplace=True,
    saves=(),
    apart=("alpha",),
    check=check_subtraction,
)
def sub_deprecated(input, alpha, other):
    """`input - alpha * other`."""
    return input - alpha * other


@op(
    "addcmul(Tensor input, Number value, Tensor tensor1, Tensor tensor2)",
    promote=ARITH, inplace=True, apart=("value",),
    check=refuse("addcmul_cpu_out", BOOL), saves={"tensor1": ("tensor2",), "tensor2": ("tensor1",)},
)  # fmt: skip
def addcmul_deprecated(input, value, tensor1, tensor2):
    """`input + value * tensor1 * tensor2`."""
    return input + value * tensor1 * tensor2


@op(
    "addcdiv(Tensor input, Number value, Tensor tensor1, Tensor tensor2)",
    promote=ARITH, inplace=True, apart=("value",),
    check=_check_addcdiv, saves={"tensor1": ("tensor2",), "tensor2": ("tensor1", "tensor2")},
)  # fmt: skip
def addcdiv_deprecated(input, value, tensor1, tensor2):
    """`input + value * tensor1 / tensor2`."""
    return input + quotient(value * tensor1, tensor2)


DEPRECATED = (add_deprecated, sub_deprecated, addcmul_deprecated, addcdiv_deprecated)
for _op in DEPRECATED:
    _op.deprecated = True


# --- signs -------------------------------------------------------------------------------------------------


@op(
    "abs(Tensor input)",
    promote=ARITH,
    result="real",
    inplace=True,
    aliases=("absolute",),
    check=refuse("abs_cpu", BOOL),
)
def abs(input):
    """The absolute value; the modulus of complex numbers. Its gradient at 0 is 0."""
    if not jnp.issubdtype(input.dtype, jnp.complexfloating):
        return _real_abs(input)
    infinite = jnp.isinf(jnp.real(input)) | jnp.isinf(jnp.imag(input))  # even beside nan
    return jnp.where(infinite, jnp.inf, _modulus(input))


@jax.custom_jvp
def _modulus(z):
    return jnp.abs(z)


@_modulus.defjvp
def _(primals, tangents):
    (z,), (t,) = primals, tangents
    return jnp.abs(z), jnp.real(jnp.conj(direction(z)) * t)  # its derivatives at 0 are 0, too


def _sign(x):
    return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)


_real_abs = partials(lambda x, result: _sign(x))(jnp.abs)


@op(
    "sign(Tensor input)", promote=ARITH, inplace=True, saves=(), flat=("input",),
    check=refuse_with(
        NotImplementedError(
            "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead."
        ),
        COMPLEX,
    ),
)  # fmt: skip
def sign(input):
    """-1, 0 or 1."""
    return input if input.dtype == jnp.bool_ else _sign(input)


@op("sgn(Tensor input)", promote=ARITH, inplace=True, flat=flat_if_real)
def sgn(input):
    """The sign; for complex numbers `input / abs(input)`, and 0 at 0."""
    if input.dtype == jnp.bool_:
        return input
    if not jnp.issubdtype(input.dtype, jnp.complexfloating):
        return _sign(input)
    return direction(input)


def direction(z):
    """`z / abs(z)` of complex numbers, and 0 at 0."""
    zero = z == 0
    return jnp.where(zero, 0, z / jnp.abs(jnp.where(zero, 1, z)))


@op(
    "signbit(Tensor input)", promote=PREDICATE, differentiable=False,
    check=refuse_with(NotImplementedError("signbit is not implemented for complex tensors."), COMPLEX),
)  # fmt: skip
def signbit(input):
    """Whether the sign bit is set (true for -0.)."""
    return jnp.signbit(input) if jnp.issubdtype(input.dtype, jnp.floating) else input < 0


_copysign = partials(lambda x, y, result: jnp.where(x == 0, 0, result / jnp.where(x == 0, 1, x)), None)(jnp.copysign)


def _copysign_body(input, other):
    """The magnitude of `input` with the sign of `other`."""
    return _copysign(input, other)


_COPYSIGN: dict[str, Any] = dict(promote=FLOAT, inplace=True, flat=("other",), check=refuse("copysign_cpu", COMPLEX))
copysign = op("copysign(Tensor input, Tensor other)", **_COPYSIGN)(_copysign_body)
copysign_number = op("copysign(Tensor input, Number other)", grad="CopysignBackward1", **_COPYSIGN)(_copysign_body)


def _check_heaviside(common: dt.dtype, given: Given) -> None:
    if given["input"][1].is_complex or given["values"][1].is_complex:
        raise RuntimeError("heaviside is not yet implemented for complex tensors.")
    if given["input"][1] is not given["values"][1]:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")


@op(
    "heaviside(Tensor input, Tensor values)", promote=ARITH, inplace=True, check=_check_heaviside,
    grad="NotImplemented", saves=(),
)  # fmt: skip
def heaviside(input, values):
    """0 below zero, 1 above, `values` at zero."""
    return jnp.where(input == 0, values, (input > 0).astype(values.dtype))


heaviside.backward(not_differentiable("heaviside"))


# --- a range -----------------------------------------------------------------------------------------------

_NO_COMPLEX_CLAMP = refuse_with(NotImplementedError("clamp is not supported for complex types"), COMPLEX)


def _check_clamp(common: dt.dtype, given: Given) -> None:
    if "min" not in given and "max" not in given:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    bounds = [given[n] for n in ("min", "max") if n in given]
    if given["input"][1].category != 3 and any(kind != "T" and d.category == 3 for kind, d in bounds):
        raise RuntimeError("value cannot be converted to type double without overflow")
    _NO_COMPLEX_CLAMP(common, given)
    if common.category == BOOL:
        ends = [name for name in ("min", "max") if name in given]
        if given[ends[0]][0] != "T" or len(ends) == 2:
            kernel = ("clamp" if len(ends) == 2 else f"clamp_{ends[0]}") + ("_cpu" if given[ends[0]][0] == "T" else "_scalar_cpu")
            raise NotImplementedError(f"\"{kernel}\" not implemented for 'Bool'")


def _low_limit(x, low):
    return jnp.where((x < low) | (low != low), low, x)  # a nan bound wins


def _high_limit(x, high):
    return jnp.where((x > high) | (high != high), high, x)


# Tangents at a bound and at nan: those of `clamp` with one tensor are the bound's, with two the input's.
_at_least = partials(lambda x, low, result: x >= low, lambda x, low, result: ~(x >= low))(_low_limit)
_at_most = partials(lambda x, high, result: x <= high, lambda x, high, result: ~(x <= high))(_high_limit)
_above = partials(lambda x, low, result: x > low, lambda x, low, result: ~(x > low))(_low_limit)
_below = partials(lambda x, high, result: x < high, lambda x, high, result: ~(x < high))(_high_limit)


@partials(
    lambda x, low, high, result: ~((low > high) | (x < low) | (x > high)),
    lambda x, low, high, result: (x < low) & ~(low > high),
    lambda x, low, high, result: (low > high) | (x > high) & ~(x < low),
)
def _between(x, low, high):
    return _high_limit(_low_limit(x, low), high)


def _clamp(input, min, max):
    """`input` limited to [min, max] (None: no limit); at the limits the gradient passes, at nan it does not."""
    if max is None:
        return _above(input, min)
    return _below(input, max) if min is None else _between(input, min, max)


def _clamp_number(input, min, max):
    """`input` limited to [min, max] (None: no limit); at the limits the gradient passes, at nan it does not."""
    x = input if min is None else _at_least(input, min)
    return x if max is None else _at_most(x, max)


def _clamped_gradient(grad, x, low, high):
    within = True if low is None else x >= low
    return jnp.where(within if high is None else within & (x <= high), grad, 0)


def _low_gradient(grad, x, low, high):
    return jnp.where(x < low if high is None else (x < low) & (low < high), grad, 0)


def _high_gradient(grad, x, low, high):
    return jnp.where(x > high if low is None else (x > high) | (high < low), grad, 0)


_BOUNDS = ("input", "min", "max")
_CLAMP: dict[str, Any] = dict(promote=ARITH, inplace=True, aliases=("clip",), selects=_BOUNDS, check=_check_clamp)
clamp = op("clamp(Tensor input, Tensor? min=None, Tensor? max=None)", **_CLAMP)(_clamp)
clamp_number = op("clamp(Tensor input, Number? min=None, Number? max=None)", grad="ClampBackward1", **_CLAMP)(_clamp_number)


@clamp.backward
def _(grad, input, min, max):
    return (
        _clamped_gradient(grad, input, min, max),
        None if min is None else _low_gradient(grad, input, min, max),
        None if max is None else _high_gradient(grad, input, min, max),
    )


@clamp_number.backward
def _(grad, input, min, max):
    return _clamped_gradient(grad, input, min, max)


def _clamp_min(input, min):
    """`input`, but at least `min`."""
    return _at_least(input, min)


def _clamp_max(input, max):
    """`input`, but at most `max`."""
    return _at_most(input, max)


def _one_sided(signature: str, body: Callable, check: Check, **traits: Any) -> Op:
    return op(signature, promote=ARITH, inplace=True, selects=_BOUNDS, check=check, **traits)(body)


_MIN1, _MAX1 = "ClampMinBackward1", "ClampMaxBackward1"
clamp_min = _one_sided("clamp_min(Tensor input, Tensor min)", _clamp_min, refuse("maximum_cpu", COMPLEX), grad=_MIN1)
clamp_min_number = _one_sided("clamp_min(Tensor input, Number min)", _clamp_min, _check_clamp)
clamp_max = _one_sided("clamp_max(Tensor input, Tensor max)", _clamp_max, refuse("minimum_cpu", COMPLEX), grad=_MAX1)
clamp_max_number = _one_sided("clamp_max(Tensor input, Number max)", _clamp_max, _check_clamp)


@clamp_min.backward
def _(grad, input, min):
    return _clamped_gradient(grad, input, min, None), _low_gradient(grad, input, min, None)


@clamp_min_number.backward
def _(grad, input, min):
    return _clamped_gradient(grad, input, min, None)


@clamp_max.backward
def _(grad, input, max):
    return _clamped_gradient(grad, input, None, max), _high_gradient(grad, input, None, max)


@clamp_max_number.backward
def _(grad, input, max):
    return _clamped_gradient(grad, input, None, max)


@op(
    "nan_to_num(Tensor input, real? nan=None, real? posinf=None, real? neginf=None)",
    layout="pointwise",
    inplace=True,
    selects=("input",),
)
def nan_to_num(input, nan, posinf, neginf):
    """Replace nan (by 0) and the infinities (by the dtype's limits)."""
    if not jnp.issubdtype(input.dtype, jnp.inexact):
        return input
    info = jnp.finfo(input.dtype)
    replacements = [
        jnp.asarray(default if v is None else v).astype(info.dtype)
        for v, default in ((nan, 0), (posinf, info.max), (neginf, info.min))
    ]
    if jnp.issubdtype(input.dtype, jnp.complexfloating):
        return lax.complex(_nan_to_num(jnp.real(input), *replacements), _nan_to_num(jnp.imag(input), *replacements))
    return _nan_to_num(input, *replacements)


def _nan_to_num(x, nan, posinf, neginf):
    x = jnp.where(jnp.isnan(x), nan, x)
    x = jnp.where(x == jnp.inf, posinf, x)
    return jnp.where(x == -jnp.inf, neginf, x)


# --- selection ---------------------------------------------------------------------------------------------


def _check_where(common: dt.dtype, given: Given) -> None:
    condition = given["condition"][1]
    if condition is not dt.bool_ and condition is not dt.uint8:
        raise RuntimeError(
            "where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{dt.SCALAR_TYPE_NAMES[condition]}"
        )


@op(
    "where(Tensor condition, Tensor|Number input, Tensor|Number other)", promote=ARITH, method=False,
    raw=("condition",), indices=("condition",), saves={"condition": ("input", "other")}, check=_check_where,
)  # fmt: skip
def where(condition, input, other):
    """`input` where `condition` is true, else `other`."""
    return jnp.where(condition if condition.dtype == jnp.bool_ else condition != 0, input, other)


@op(
    "relu(Tensor input)", promote=ARITH, inplace=True, out=False,
    check=both(
        refuse_with(RuntimeError("Boolean inputs not supported for relu"), BOOL),
        refuse_with(NotImplementedError("clamp is not supported for complex types"), COMPLEX),
    ),
)  # fmt: skip
def relu(input):
    """`max(input, 0)`; the gradient at 0 is 0."""
    return _relu(input)


@relu.backward
def _(grad, result):
    return jnp.where(result <= 0, 0, grad)


@partials(lambda x, result: jnp.where(result <= 0, 0, 1))
def _relu(x):
    return jnp.where(x < 0, 0, x)


for _op in (add, sub, rsub, rsub_number, fmod, fmod_number, remainder, remainder_number, remainder_of_number):
    _op.narrows = frozenset(_op.dynamic[:2])
for _op in (mul, div):  # a number that comes second stays as precise as it is
    _op.narrows = frozenset(("input",))
