"""Graphs whose shapes keep changing are compiled as drafts: sooner, but with fewer of XLA's and LLVM's optimizations.

A text that grows by a letter a step, words of all lengths, masks that leave another number of rows each time: every new shape is a new
program, which mostly runs a few times. XLA spends three quarters of its time on making programs fast. A four-layer Transformer that
writes letter by letter waits 0.6 s for a new length with careful programs, 0.35 s with drafts (on 2 cores, with what `pieces` does
besides).

A graph is a draft if two of the same operations, however many of each, had other shapes, and its arrays are small: a training step and
its last, smaller batch are compiled with care. A draft that goes on being used is compiled again. Counts decide, not clocks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torchish.engine.compiling import any_small_floats
from torchish.engine.expr import CPU, avals_of

if TYPE_CHECKING:
    from torchish.engine.expr import Expr

CAREFUL = 2  # sets of shapes for which a graph is compiled with care
SMALL = 1 << 19  # elements of everything that a graph computes
RUNS = 64  # of a draft, before it is compiled with care
_SIZE = 4096
_SHAPES: OrderedDict[frozenset[str], list[int]] = OrderedDict()  # the first sets of shapes of each graph, by its operations


def hurried(nodes: Sequence[Expr], leaves: Sequence[Expr], device: str) -> bool:
    """Whether a graph that is about to be compiled is to be a draft."""
    if device != CPU:
        return False
    shapes = hash((*[e.aval for e in nodes], *[x.aval for x in leaves]))
    known = _SHAPES.setdefault(frozenset([e.spec.name for e in nodes]), [])
    if shapes in known:
        return False
    if len(known) < CAREFUL:
        known.append(shapes)
        if len(_SHAPES) > _SIZE:
            _SHAPES.popitem(last=False)
        return False
    made = avals_of(nodes)
    return not any_small_floats(made) and sum([a.size for a in made]) <= SMALL  # subnormals of small floats are lost in drafts


__all__ = ["hurried"]
