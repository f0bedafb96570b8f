"""`torch.SymInt` and the `sym_` functions: here sizes are plain numbers, so nothing is ever an instance of these classes."""

from __future__ import annotations

import math
from typing import Any


class SymInt:
    """A size that torch.export does not know yet."""

    __module__ = "torch"


class SymFloat:
    """A number that torch.export does not know yet."""

    __module__ = "torch"


class SymBool:
    """A condition that torch.export does not know yet."""

    __module__ = "torch"


def sym_not(a: Any) -> bool:
    """`not a`."""
    return not a


def sym_float(a: Any) -> float:
    """`a` as a float."""
    return float(a)


def sym_int(a: Any) -> int:
    """`a` as an int, rounded towards zero."""
    return int(a)


def _of(a: Any, b: Any, chosen: Any) -> Any:
    return float(chosen) if isinstance(a, float) or isinstance(b, float) else chosen


def sym_max(a: Any, b: Any) -> Any:
    """The greater of two numbers, a float if either is one."""
    return _of(a, b, max(a, b))


def sym_min(a: Any, b: Any) -> Any:
    """The lesser of two numbers, a float if either is one."""
    return _of(a, b, min(a, b))


def sym_ite(b: bool, t: Any, f: Any) -> Any:
    """`t if b else f`, two values of one type."""
    if type(t) is not type(f):
        raise AssertionError(f"type mismatch: {type(t)} vs {type(f)}")
    return t if b else f


def sym_sum(args: Any) -> Any:
    """The sum of some numbers."""
    return sum(args)


def sym_sqrt(a: Any) -> float:
    """The square root of a number."""
    return math.sqrt(a)


def sym_fresh_size(expr: Any) -> Any:
    """The size itself, which is known."""
    return expr


def sym_constrain_range(size: Any, *, min: int | None = None, max: int | None = None) -> None:
    """RuntimeError unless a size lies between two bounds."""
    low, high = -(2**63) if min is None else min, 2**63 - 1 if max is None else max
    if low > high:
        raise RuntimeError(f"Max must be greater than or equal to min, got min {low} and max {high}.")
    if not low <= size <= high:
        raise RuntimeError(f"Invalid value range for {int(size)} between [{low}, {high}].")


sym_constrain_range_for_size = sym_constrain_range
