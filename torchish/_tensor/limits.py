"""Python numbers that not every dtype can hold: refused at the call, or given in a form that programs take.

Programs take signed integers of 64 bits. PyTorch also takes those up to 2**64 - 1, as operands of dtype uint64, which wrap where the
other operands are integers; some operations convert their numbers with a check instead.
"""

from __future__ import annotations

from typing import Any

from torchish import _dtypes as dt
from torchish._dtypes import NUMBER_KINDS
from torchish._tensor.tensor import Tensor
from torchish.engine.expr import Spec
from torchish.ops.declare import FLOAT

# Promoting operations that convert a number among their operands to the common dtype with a check.
_CHECKED = frozenset(("pow", "clamp", "clamp_min", "clamp_max", "where"))


def within_range(spec: Spec, flat: tuple) -> tuple[Spec, tuple] | None:
    """The operation and its inputs with numbers that its program can take, where these cannot be; PyTorch's error for those it refuses."""
    from torchish._tensor.indexing import fitting

    op = spec.op
    plain = spec.memo.get("wraps")
    if plain is None:
        plain = spec.memo["wraps"] = getattr(op, "schema", None) is None or _wraps(spec)
    if plain and all(type(x) is not int or -(2**63) <= x < 2**63 for x in flat):
        return None
    names = _flat_parts(spec)
    wide = [type(x) is int and not -(2**63) <= x < 2**63 for x in flat]
    for x, w, (_, _, type_) in zip(flat, wide, names, strict=True):
        if w and type_ == "Index":
            raise ValueError("Overflow when unpacking long long")
        if w and not 0 <= x < 2**64:
            raise OverflowError("int too big to convert" if x > 0 else "can't convert negative int to unsigned")
    values, kinds = list(flat), list(spec.kinds)
    common = _common(op, flat, names)
    for i, (x, w, (name, part, type_)) in enumerate(zip(flat, wide, names, strict=True)):
        if type(x) not in (int, float) or type_ == "Index":
            continue
        checked = (op.promote is None and op.name != "isin") or part != "join" or (op.name in _CHECKED and name != "self")
        if common is None or (common.category == 0 and part == "join" and op.promote is not None):
            if w and op.name not in ("sub", "rsub"):  # which refuse bools in their own words
                other = "UInt64 and Long" if common is None else "Bool and UInt64"
                raise RuntimeError(f"Promotion for uint16, uint32, uint64 types is not supported, attempted to promote {other}")
            continue
        if type(x) is float:
            if checked and common.category == 2 and common.itemsize < 4 and op.name in _CHECKED and op.name != "where":
                fitting(x, common)
            continue
        if checked and (w or common.category == 1) and op.promote != FLOAT:
            x = fitting(x, common if common.category == 1 else dt.float64 if common.category > 1 else common)
        elif w and (common.category > 1 or op.promote == FLOAT):
            x = float(x)
        if type(x) is int and x >= 2**63:
            x -= 2**64  # the same bits
        if type(x) is not type(flat[i]):
            kinds[_place(spec, i)] = NUMBER_KINDS[type(x)]
        values[i] = x
    if not any(wide):
        return None
    return op.spec(tuple(kinds), spec.statics), tuple(values)


def _wraps(spec: Spec) -> bool:
    """Whether the numbers given to an operation of 64 bits are fine without a check."""
    op = spec.op
    if op.promote is None or op.name in _CHECKED:
        return False
    return all(part == "join" for part, k in zip(op.part, spec.kinds, strict=True) if k == "i")


def _flat_parts(spec: Spec) -> list[tuple[str, str, str]]:
    """Name, part in promotion and declared type of each flat input."""
    op = spec.op
    types = [p.type for p in op.schema.params if p.dynamic]
    found = []
    for name, part, type_, k in zip(op.dynamic, op.part, types, spec.kinds, strict=True):
        n = k if type(k) is int else sum(k) if type(k) is tuple else int(k != "N")
        found += [(name, part, type_)] * n
    return found


def _place(spec: Spec, i: int) -> int:
    """Which dynamic argument the flat input `i` is."""
    at = 0
    for place, k in enumerate(spec.kinds):
        at += k if type(k) is int else sum(k) if type(k) is tuple else int(k != "N")
        if at > i:
            return place
    raise IndexError(i)


def _common(op: Any, flat: tuple, names: list) -> dt.dtype | None:
    """The dtype that the tensors, and the numbers of 64 bits beside them, promote to."""
    operands = []
    for x, (_, part, _) in zip(flat, names, strict=True):
        if isinstance(x, Tensor):
            if op.promote is None:
                return x._aval.torch_dtype
            if part == "join":
                operands.append((x._aval.torch_dtype, 2 if x._aval.ndim else 1))
        elif part == "join" and op.promote is not None and type(x) in (float, complex):
            operands.append((dt.number_dtype(NUMBER_KINDS[type(x)]), 0))
    return dt.result_type(operands) if operands else None


def promoted(spec: Spec, flat: tuple) -> dt.dtype | None:
    """The dtype that the operands of a promoting operation are brought to; None for other operations."""
    if spec.op.promote is None or getattr(spec.op, "schema", None) is None:
        return None
    operands = []
    for x, (_, part, _) in zip(flat, _flat_parts(spec), strict=True):
        if part == "join" and isinstance(x, Tensor):
            operands.append((x._aval.torch_dtype, 2 if x._aval.ndim else 1))
        elif part == "join":
            operands.append((dt.number_dtype(NUMBER_KINDS[type(x)]), 0))
    return dt.result_type(operands)
