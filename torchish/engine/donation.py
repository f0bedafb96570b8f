"""Which result of a program takes over which dead input's buffer.

XLA writes a result into a donated input's buffer only after all reads of that input, and copies the input first where the order of
the two is open. So an input should go to what is made of it last: a parameter to its updated value, not to a gradient of the same
shape, which is there before the update.
"""

from __future__ import annotations

from collections.abc import Sequence

from torchish.engine.expr import AvalTuple, Expr, is_projection


def takeovers(nodes: Sequence[Expr], outputs: Sequence[Expr], dead: Sequence[Expr]) -> list[tuple[int, int]]:
    """Pairs (index in `dead`, index in `outputs`) of the same shape and dtype, each index at most once, in the order of `dead`."""
    last: dict[int, Expr] = {}  # the last reader
    parts: dict[tuple[int, str], Expr] = {}  # the results of nodes that have several
    for e in nodes:
        for x in e.inputs:
            last[id(x)] = e
        if is_projection(e.spec):
            parts[id(e.inputs[0]), e.spec.name] = e
    free = {id(e): i for i, e in enumerate(outputs) if type(e.aval) is not AvalTuple}
    pairs: list[tuple[int, int]] = []
    left = []
    for n, leaf in enumerate(dead):
        if type(leaf.aval) is AvalTuple:
            continue
        heir = _successor(leaf, last, parts)
        while heir is not None and id(heir) not in free:
            heir = _successor(heir, last, parts)
        if heir is None:
            left.append(n)
        else:
            pairs.append((n, free.pop(id(heir))))
    if left and free:
        pairs += _later(nodes, outputs, sorted(free.values()), dead, left)
    return sorted(pairs)


def _later(nodes: Sequence[Expr], outputs: Sequence[Expr], free: list[int], dead: Sequence[Expr], left: list[int]) -> list[tuple[int, int]]:
    """Pairs of other results, each with an input that all has been read of when the result is made."""
    place = {id(e): i for i, e in enumerate(nodes)}
    before: list[int] = []  # of each node, a bit for each node that it is made of
    readers: dict[int, int] = {}
    for i, e in enumerate(nodes):
        ancestors = 0
        for x in e.inputs:
            if (k := place.get(id(x))) is not None:
                ancestors |= before[k] | 1 << k
            else:
                readers[id(x)] = readers.get(id(x), 0) | 1 << i
        before.append(ancestors)
    pairs = []
    for n in left:
        for i in free:
            e = outputs[i]
            # What makes it may read the input as long as it writes. (Several results at once may have been made in an earlier program.)
            made = place.get(id(e.inputs[0]), place[id(e)]) if is_projection(e.spec) else place[id(e)]
            if e.aval == dead[n].aval and not readers.get(id(dead[n]), 0) & ~before[made]:
                pairs.append((n, i))
                free.remove(i)
                break
    return pairs


def _successor(e: Expr, last: dict[int, Expr], parts: dict[tuple[int, str], Expr]) -> Expr | None:
    """What the last reader of `e` makes of it, when that has the same shape and dtype."""
    reader = last.get(id(e))
    if reader is None:
        return None
    if type(reader.aval) is AvalTuple:
        i = next(i for i, x in enumerate(reader.inputs) if x is e)
        if reader.spec.replaces is None or i not in reader.spec.replaces:
            return None
        reader = parts.get((id(reader), f"projection{reader.spec.replaces.index(i)}"))
    return reader if reader is not None and reader.aval == e.aval else None
