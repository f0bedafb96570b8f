"""Parts of arrays that are in the host's memory, as `x[i]` and loops over `x` make them, are copied.

A program would be another one for each number of rows, and each of its results costs more than the copy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from torchish.engine.expr import Expr

LARGEST = 4096  # bytes: larger parts are better off where programs take them without another copy
DEEPEST = 32  # dimensions, half as many as NumPy holds: no chain of views gets beyond those on its way


def are_known(nodes: Sequence[Expr]) -> bool:
    """Whether these nodes of the CPU are all small parts of values that are there, or of one another."""
    made = set()
    for e in nodes:
        if e.spec.cut_out is None:
            return False
        base, *places = e.inputs
        if base.value is None and id(base) not in made or e.aval.size * e.aval.dtype.itemsize > LARGEST:
            return False
        if base.aval.ndim > DEEPEST or e.aval.ndim > DEEPEST:
            return False
        if not all(type(i) is int for i in places):
            return False
        made.add(id(e))
    return True


def copy(nodes: Sequence[Expr]) -> None:
    """Give those of the nodes that are marked as results their values."""
    views: dict[int, np.ndarray] = {}
    for e in nodes:
        base, *places = e.inputs
        found = views.get(id(base))
        view = views[id(e)] = e.spec.cut_out(np.asarray(base.value) if found is None else found, *places)
        base.uses = 0
        if e.mark:
            e.value = view.copy()
            e.donatable = False
