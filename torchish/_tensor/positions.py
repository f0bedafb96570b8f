"""Checking that index tensors stay in range, at the call, as PyTorch does on the CPU.

That needs the positions' values. An index whose values are on the host, or that is made of such (labels, `arange`, a
batch put together by the loader), costs a look. A pending index whose range follows from the operation that makes it
(`argmax` along a dimension of the right size) is not computed for the check. Any other pending index is computed: an
error at the call is worth more than one program for the whole step. On accelerators, and inside jax transforms,
nothing is checked: positions are clamped there (PyTorch stops the device).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from torchish._tensor.tensor import Tensor
from torchish.engine.expr import CPU, LOCAL, Expr, is_projection
from torchish.engine.program import force

Range = tuple[int, int]

# Operations that rearrange or repeat elements: the result's range is that of the first input.
_SAME = frozenset(
    "select slice permute transpose t view alias expand squeeze unsqueeze diagonal unfold clone _expand_to _to_device "
    "copy_ _repeat flip roll _gather _index _index_select _take contiguous".split()
)
_UNION = frozenset({"cat", "stack"})
# Operations whose results are positions along a dimension of their input.
_POSITIONS = frozenset("argmax argmin argsort sort topk max min median mode kthvalue cummax cummin".split())


def known_range(e: Expr, depth: int = 16) -> Range | None:
    """The least and greatest value that `e` can have, when that is known without computing anything."""
    v = e.value
    if v is not None:
        if type(v) is tuple or not e.aval.size:
            return None
        if e.aval.ndim == 0:
            n = int(v)
            return n, n
        host = np.asarray(v)
        return int(host.min()), int(host.max())
    if not depth or e.spec is None:
        return None
    spec, name = e.spec, e.spec.name
    if name in _SAME:
        return known_range(e.inputs[0], depth - 1)
    if name in _UNION:
        parts = [known_range(x, depth - 1) for x in e.inputs if x.aval.size]
        if not parts or None in parts:
            return None
        return min(p[0] for p in parts), max(p[1] for p in parts)  # type: ignore[index]
    if name == "_cast":
        return (
            known_range(e.inputs[0], depth - 1) if e.inputs[0].aval.category < 2 and e.aval.dtype.itemsize > 1 else None
        )
    if is_projection(spec) and name == "projection1":
        e = e.inputs[0]
        if e.spec is not None and e.spec.name == "max_pool_nd_with_indices":
            return 0, max(math.prod(e.inputs[0].aval.shape[-len(e.spec.statics[0]) :]) - 1, 0)
        if e.spec is None or e.spec.name not in _POSITIONS:
            return None
        return _along(e)
    if name in ("argmax", "argmin", "argsort"):
        return _along(e)
    return None


def rearranges(e: Expr, names: frozenset[str], depth: int = 16) -> bool:
    """Whether all elements of the pending `e` are results of operations with one of these names."""
    while e.value is None and e.spec is not None and depth and e.spec.name in _SAME:
        e, depth = e.inputs[0], depth - 1
    return e.value is None and e.spec is not None and e.spec.name in names


def _along(e: Expr) -> Range | None:
    bound = dict(zip(e.spec.op.static, e.spec.statics, strict=True))
    a, dim = e.inputs[0].aval, bound.get("dim")
    if dim is None:
        n = a.size
    elif type(dim) is int:
        n = a.shape[dim] if a.ndim else 1
    else:
        return None
    return (0, max(n - 1, 0))


def check_positions(index: Tensor, n: int, error: Callable[[int], Exception], *, negative: bool = False, last: bool = False) -> None:
    """Raise `error(position)` for the first (or `last`) element of `index` outside [0, n) (or [-n, n) when `negative`)."""
    a = index._aval
    if not a.size or a.device != CPU:
        return
    e = index._read()
    low = -n if negative else 0
    found = known_range(e)
    if found is not None and found[0] >= low and found[1] < n:
        return

    def check(value: Any) -> None:
        values = np.asarray(value).reshape(-1)
        bad = values[(values < low) | (values >= n)]
        if bad.size:
            raise error(int(bad[-1 if last else 0]))

    if LOCAL.capture is not None:
        LOCAL.capture.check(e, check)
    else:
        check(force(e))


def in_range(index: Tensor, n: int) -> bool:
    """Whether all of `index` is known, or turns out, to be in [-n, n)."""
    e = index._read()
    found = known_range(e)
    if found is not None and found[0] >= -n and found[1] < n:
        return True

    def check(value: Any) -> None:
        values = np.asarray(value)
        if ((values < -n) | (values >= n)).any():
            raise IndexError

    try:
        if LOCAL.capture is not None:
            LOCAL.capture.check(e, check)
        else:
            check(force(e))
    except IndexError:
        return False
    return True
