"""What the pointwise families share: derivatives by PyTorch's conventions, and the dtypes that operations refuse."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero

from torchish import _dtypes as dt

BOOL, INTEGER, FLOATING, COMPLEX = range(4)  # dtype categories
HALVES = (dt.float16, dt.bfloat16)

Given = dict[str, tuple[str, dt.dtype]]
Check = Callable[[dt.dtype, Given], None]


def partials(*derivatives: Callable | None) -> Callable[[Callable], Callable]:
    """Give a pointwise function its partial derivatives: functions of (*arguments, result), None where there is none.

    Forward and reverse mode and every higher order follow from them.
    """

    def wrap(f: Callable) -> Callable:
        ruled = jax.custom_jvp(f)

        def rule(primals, tangents):
            result = ruled(*primals)
            total = jnp.zeros_like(result)
            for derivative, t in zip(derivatives, tangents, strict=True):
                if derivative is not None and not isinstance(t, SymbolicZero):
                    total = total + (derivative(*primals, result) * t).astype(result.dtype)
            return result, total

        ruled.defjvp(rule, symbolic_zeros=True)
        if len(derivatives) == 1:
            return wraps(f)(lambda x: ruled(x))

        @wraps(f)
        def broadcasting(*args):
            return ruled(*jnp.broadcast_arrays(*args))

        return broadcasting

    return wrap


def flat(f: Callable) -> Callable:
    """A function whose gradient is zero: rounding, signs."""

    @wraps(f)
    def body(*args, **kwargs):
        return lax.stop_gradient(f(*args, **kwargs))

    return body


def name_of(d: dt.dtype) -> str:
    """The name of a dtype in PyTorch's C++ messages."""
    return dt.SCALAR_TYPE_NAMES[d]


def refuse(kernel: str, *kinds: int | dt.dtype) -> Check:
    """A check: `"kernel" not implemented for 'Bool'` for common dtypes of these categories, and these dtypes."""

    def check(common: dt.dtype, given: Given) -> None:
        if common.category in kinds or common in kinds:
            raise NotImplementedError(f"\"{kernel}\" not implemented for '{name_of(common)}'")

    return check


def refuse_with(error: Exception, *categories: int) -> Check:
    """A check that raises `error` for common dtypes of these categories."""

    def check(common: dt.dtype, given: Given) -> None:
        if common.category in categories:
            raise type(error)(*error.args)

    return check


def both(*checks: Check) -> Check:
    """Several checks, one after another."""

    def check(common: dt.dtype, given: Given) -> None:
        for c in checks:
            c(common, given)

    return check


def same_dtype(first: str, *others: str) -> Check:
    """A check that some tensors have the dtype of the first: `expected dtype float for `end` but got dtype double`."""

    def check(common: dt.dtype, given: Given) -> None:
        kind, d = given[first]
        for name in others:
            k, other = given[name]
            if k == "T" and other is not d:
                raise RuntimeError(f"expected dtype {dt.cpp_name(d)} for `{name}` but got dtype {dt.cpp_name(other)}")

    return check


_IN_ONE_THREAD = 32768  # elements; PyTorch divides larger arrays, each part of which may leave some over


def left_over(x, n: int) -> Any:
    """Which elements do not fill n vectors of 64 bytes, as many as PyTorch's loop takes at a time: the last ones, or all."""
    whole = x.size - x.size % (64 * n // x.dtype.itemsize)
    if whole in (0, x.size) or x.size > _IN_ONE_THREAD:
        return whole == 0
    return lax.iota(np.int32, x.size).reshape(x.shape) >= whole
