"""Pointwise functions that look at their arguments first, or are made of other operations."""

from __future__ import annotations

import numpy as np

from torchish import _dtypes as dt
from torchish._dtypes import NUMBER_KINDS
from torchish._tensor.apply import apply_inplace
from torchish._tensor.data import triggered, warn_once
from torchish._tensor.dispatch import call, composite
from torchish._tensor.tensor import Tensor
from torchish.engine.expr import TRACED
from torchish.engine.program import force
from torchish.ops import exponential as e
from torchish.ops import pointwise as p
from torchish.ops import special
from torchish.ops import trigonometric as trig
from torchish.ops.compare import isclose as isclose_op
from torchish.ops.rules import name_of

# --- what a call is refused or redirected for --------------------------------------------------------------


def _whole(x) -> bool:
    """Whether an operand is an integer (tensor or number)."""
    return x._aval.category < 2 if isinstance(x, Tensor) else isinstance(x, int)


def _refuse_zero_divisor(values: list) -> None:
    """Integer division by zero is an error, which takes the divisor's value to know."""
    x, y = values[0], values[1]
    if not (_whole(x) and _whole(y)) or (isinstance(x, Tensor) and not x._aval.size):
        return
    if isinstance(y, Tensor):
        if y._aval.device == TRACED or (y._aval.category == 0 and (not isinstance(x, Tensor) or x._aval.category == 0)):
            return
        if y._aval.size and not np.asarray(force(y._read())).all():
            raise RuntimeError("ZeroDivisionError")
    elif not y:
        raise RuntimeError("ZeroDivisionError")


for _op in (p.floor_divide, p.remainder, p.remainder_number, p.remainder_of_number, p.fmod, p.fmod_number):
    _op.refine = _refuse_zero_divisor


def _warn_deprecated(name: str, old: str, new: str):
    def warn(values: list) -> None:
        text = (
            f"This overload of {name} is deprecated:\n\t{name}({old})\n"
            f"Consider using one of the following signatures instead:\n\t{name}({new})"
        )
        warn_once(text + triggered("torch/csrc/utils/python_arg_parser.cpp:1841"), like="This overload is deprecated")

    return warn


for _op in p.DEPRECATED:
    _name = _op.name
    _product = _name.startswith("addc")
    _rest = "Tensor tensor1, Tensor tensor2" if _product else "Tensor other"
    _factor = "value" if _product else "alpha"
    _op.refine = _warn_deprecated(
        _name, f"Tensor input, Number {_factor}, {_rest}, *, Tensor out = None",
        f"Tensor input, {_rest}, *, Number {_factor} = 1, Tensor out = None",
    )  # fmt: skip


def _choose_rounding(values: list):
    x, y, mode = values
    if mode is None:
        kinds = tuple([NUMBER_KINDS.get(type(v), "T") for v in (x, y)])
        return p.div.spec(kinds, ()), (x, y)
    if mode not in ("floor", "trunc"):
        raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{mode}'")
    common = dt.result_type([(v._aval.torch_dtype, 2 if v._aval.ndim else 1) if isinstance(v, Tensor)
                             else (dt.number_dtype(NUMBER_KINDS[type(v)]), 0) for v in (x, y)])  # fmt: skip
    if common.category in (0, 3):
        raise NotImplementedError(f"\"div_{mode}_cpu\" not implemented for '{name_of(common)}'")
    _refuse_zero_divisor(values)
    return None


p.div_rounded.refine = _choose_rounding


def special_power(x: Tensor, exponent):
    """The spec of `x ** exponent` when the number is one that has a program of its own, else None.

    RuntimeError for negative powers of integers.
    """
    category = x._aval.category
    if category >= 2:
        if exponent in e.SPECIAL_EXPONENTS and type(exponent) is not complex:
            if x._aval.torch_dtype is dt.float16 and exponent not in (0, 1, 2):
                return None  # where PyTorch has no shortcuts, which round in between
            return e.pow_special.spec(("T",), (float(exponent), type(exponent) is int))
        return None
    if type(exponent) in (int, bool):
        if category == 0 and type(exponent) is bool:  # no kernel is asked for
            return e.pow_special.spec(("T",), (float(exponent), type(exponent) is int))
        if exponent < 0:
            raise RuntimeError("Integers to negative integer powers are not allowed.")
        if category == 1 and exponent in (0, 1, 2, 3):
            return e.pow_special.spec(("T",), (float(exponent), type(exponent) is int))
    return None


def _choose_power(values: list):
    spec = special_power(values[0], values[1])
    return None if spec is None else (spec, (values[0],))


e.pow_number.refine = _choose_power


def _square(values: list):
    x = values[0]
    return (e.pow_number.spec(("T", "i"), ()), (x, 2)) if x._aval.category == 0 else None


e.square.refine = _square


# --- powers ------------------------------------------------------------------------------------------------


def _power_dtype(*operands) -> dt.dtype:
    """The dtype of `float_power`: double precision, complex when an operand is."""
    for x in operands:
        if x._aval.category == 3 if isinstance(x, Tensor) else isinstance(x, complex):
            return dt.complex128
    return dt.float64


def _wide(x, d: dt.dtype):
    return x.to(d) if isinstance(x, Tensor) else complex(x) if d is dt.complex128 else float(x)


@composite("float_power(Number self, Tensor exponent)", out=True, method=False)
@composite("float_power(Tensor input, Number exponent)", out=True)
@composite("float_power(Tensor input, Tensor exponent)", out=True)
def float_power(input, exponent) -> Tensor:
    """`input ** exponent` in double precision."""
    d = _power_dtype(input, exponent)
    x, y = _wide(input, d), _wide(exponent, d)
    if not isinstance(x, Tensor):
        return call(e.pow_of_number, x, y)
    return call(e.pow if isinstance(y, Tensor) else e.pow_number, x, y)


@composite("float_power_(Tensor input, Tensor|Number exponent)", function=False)
def float_power_(input: Tensor, exponent) -> Tensor:
    """`input ** exponent` in place; RuntimeError unless `input` has the double precision that it needs."""
    d = _power_dtype(input, exponent)
    if input._aval.torch_dtype is not d:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {name_of(input._aval.torch_dtype)} but the operation's result "
            f"requires dtype {name_of(d)}"
        )
    return input.pow_(_wide(exponent, d))


# --- selection ---------------------------------------------------------------------------------------------


@composite("where(Tensor condition)", method=False)
def where(condition):
    """`condition.nonzero(as_tuple=True)`."""
    return condition.nonzero(as_tuple=True)


@composite("where(Tensor input, Tensor condition, Tensor|Number other)", function=False)
def where_method(input: Tensor, condition: Tensor, other) -> Tensor:
    """`input` where `condition` is true, else `other`."""
    return call(p.where, condition, input, other)


# --- comparison --------------------------------------------------------------------------------------------


def _check_closeness(input: Tensor, other: Tensor, rtol, atol) -> None:
    a, b = input._aval.torch_dtype, other._aval.torch_dtype
    if a is not b:
        raise RuntimeError(f"{name_of(a)} did not match {name_of(b)}")
    for name, v in (("rtol", rtol), ("atol", atol)):
        if v < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {v:g}")


isclose_op.refine = lambda values: _check_closeness(*values[:4])


@composite("allclose(Tensor input, Tensor other, real rtol=1e-05, real atol=1e-08, bool equal_nan=False)")
def allclose(input: Tensor, other: Tensor, rtol, atol, equal_nan: bool) -> bool:
    """Whether `isclose` holds for all elements."""
    close = call(isclose_op, input.detach(), other.detach(), rtol, atol, equal_nan)
    return bool(close._host().all())


@composite("equal(Tensor input, Tensor other)")
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and equal elements."""
    if input._aval.shape != other._aval.shape:
        return False
    same = input.detach() == other.detach()
    return bool(same._host().all())


# --- what is returned as it is -----------------------------------------------------------------------------


@composite("positive(Tensor input)")
def positive(input: Tensor) -> Tensor:
    """`input` itself; RuntimeError for bools."""
    if input._aval.category == 0:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


@composite("conj_physical(Tensor input)", out=True)
def conj_physical(input: Tensor) -> Tensor:
    """The complex conjugate; real tensors themselves."""
    return call(trig.conj_physical, input) if input._aval.category == 3 else input


@composite("conj_physical_(Tensor input)")
def conj_physical_(input: Tensor) -> Tensor:
    """The complex conjugate, in place."""
    return apply_inplace(trig.conj_physical.spec(("T",), ()), (input,))


@composite("resolve_neg(Tensor input)")
def resolve_neg(input: Tensor) -> Tensor:
    """`input` itself: negation is never kept pending here."""
    return input


# --- gamma functions ---------------------------------------------------------------------------------------


def _check_order(n: int, input: Tensor) -> None:
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    if n < 2 and input._aval.category == 3:  # these are functions of their own
        raise NotImplementedError(f"\"{('digamma', 'trigamma')[n]}\" not implemented for '{name_of(input._aval.torch_dtype)}'")


def _polygamma(n: int, input: Tensor) -> Tensor:
    _check_order(n, input)
    return call(special.polygamma, input, n)


@composite("polygamma(int n, Tensor input)", method=False, out=True, aliases=("special.polygamma",))
def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of digamma."""
    return _polygamma(n, input)


@composite("polygamma(Tensor input, int n)", function=False)
def polygamma_method(input: Tensor, n: int) -> Tensor:
    """The n-th derivative of digamma."""
    return _polygamma(n, input)


@composite("polygamma_(Tensor input, int n)", function=False)
def polygamma_(input: Tensor, n: int) -> Tensor:
    """The n-th derivative of digamma, in place."""
    _check_order(n, input)
    return apply_inplace(special.polygamma.spec(("T",), (n,)), (input,))


def _refuse_dimension(values: list) -> None:
    if values[1] < 1:
        raise RuntimeError("p has to be greater than or equal to 1")


special.mvlgamma.refine = _refuse_dimension


# --- dtypes ------------------------------------------------------------------------------------------------


@composite("result_type(Tensor|Number tensor1, Tensor|Number tensor2)", method=False)
def result_type(tensor1, tensor2) -> dt.dtype:
    """The dtype that an arithmetic operation on the two gives."""
    return dt.result_type(
        [
            (x._aval.torch_dtype, 2 if x._aval.ndim else 1)
            if isinstance(x, Tensor)
            else (dt.number_dtype(NUMBER_KINDS[type(x)]), 0)
            for x in (tensor1, tensor2)
        ]
    )


@composite("can_cast(dtype from_, dtype to)", method=False)
def can_cast(from_: dt.dtype, to: dt.dtype) -> bool:
    """Whether promotion allows converting one dtype to the other."""
    return dt.can_cast(from_, to)


@composite("promote_types(dtype type1, dtype type2)", method=False)
def promote_types(type1: dt.dtype, type2: dt.dtype) -> dt.dtype:
    """The smallest dtype that holds both."""
    return dt.promote_types(type1, type2)


@composite("is_floating_point(Tensor input)", method=False)
def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a floating-point one."""
    return input._aval.category == 2


@composite("is_complex(Tensor input)", method=False)
def is_complex(input: Tensor) -> bool:
    """Whether the dtype is complex."""
    return input._aval.category == 3


@composite("is_signed(Tensor input)")
def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    return input._aval.torch_dtype.is_signed


@composite("is_conj(Tensor input)")
def is_conj(input: Tensor) -> bool:
    """False: conjugation is never kept pending here."""
    return False


@composite("is_neg(Tensor input)")
def is_neg(input: Tensor) -> bool:
    """False: negation is never kept pending here."""
    return False


@composite("is_nonzero(Tensor input)")
def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is nonzero; RuntimeError when there is none or more than one."""
    return bool(input)


@composite("is_same_size(Tensor input, Tensor other)")
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether the shapes are equal."""
    return input._aval.shape == other._aval.shape


@composite("numel(Tensor input)", method=False)
def numel(input: Tensor) -> int:
    """The number of elements."""
    return input._aval.size
