"""Graphs with stretches that are compiled already, or that repeat themselves, run stretch by stretch.

The second step of a training loop is the first step's graph behind an update of the parameters that makes the optimizer's state, and
the third has another update. As wholes that would be three long compilations; as an update and a known rest, it is one.

A Python loop over letters, time steps or equal layers writes the same stretch of nodes again and again. As one program it would cost a
compilation per number of repetitions: a character RNN meets a new length with most of its words. So the first runs of such
a graph go stretch by stretch. The programs of the stretches are few, small, and the same for all lengths, also where there are too few
to be a repetition. Only a graph that keeps coming back is compiled as a whole, when the runs saved would have paid for it.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from torchish.engine import drafts
from torchish.engine.expr import AvalTuple

if TYPE_CHECKING:
    from torchish.engine.expr import Expr
    from torchish.engine.program import Makeshift

SMALLEST = 48  # nodes; below that a whole program compiles soon enough
REPEATS = 3  # a stretch counts from so many repetitions
LONGEST = 1024  # nodes in a stretch
SHORTEST = 9  # nodes that a repetition covers, all repeats together, or that do not change
# Nodes; shorter stretches are run several at a time, since a run costs some 50 us. A character RNN takes 12 % less with 32 than with 8,
# and compiles 41 programs for 37; a stretch of many repetitions, as loops of a thousand make, goes in larger ones.
PIECE = 32
LONG, LONG_PIECE = 512, 64
LARGEST = 512  # nodes of a graph that knows no repetition: XLA's time to compile grows faster than a program
PARTS = 64  # at a time
# Compiling costs some 4 ms per node and a run of a piece some 50 us, so after 80 runs per node and piece the whole has paid.
PATIENCE = 80
# A step in two pieces takes 3 to 35 % longer than as a whole (an MLP's at batch 64 3.1 ms instead of 2.3, LeNet's at batch 4 1.16 instead
# of 1.06): a loop of so many steps is worth the compilation, half a second for LeNet, two for the Transformer.
FEW_RUNS = 16
ALWAYS = 1 << 60


# The tokens of graphs that were compiled as wholes, latest last.
KNOWN: OrderedDict[tuple[int, ...], None] = OrderedDict()
_LATEST: OrderedDict[tuple[str, ...], tuple[int, ...]] = OrderedDict()  # the tokens of the last graph of each sequence of operations
_REPETITIONS: OrderedDict[tuple[int, ...], tuple[int, int, int]] = OrderedDict()
KNOWN_SIZE = 64
KNOWN_SHORTEST = 10
_STRETCHES: dict[int, list[tuple[int, ...]]] = {}  # the tokens of pieces of repeating graphs by their first one, longest first
MOST_STRETCHES = 512


class Step(NamedTuple):
    """The run of one piece: its program, which nodes (~i: leaves) it takes and which it gives, and where its numbers are."""

    program: Any
    takes: list[int]
    gives: list[int]
    numbers: list[list[tuple[int, int]]]


class Pieces:
    """How a graph is cut: the order of its nodes, which of them each piece runs, which ones later pieces need, and which values are done
    with after each piece.

    Views of what is there anyway (transposed weights) are no results that later pieces would get, but are made again where they are needed.
    """

    __slots__ = ("order", "members", "again", "kept", "done", "patience", "runs", "steps", "makeshifts")

    def __init__(self, order: list[int], ends: list[int], nodes: list[Expr], outputs: list[Expr], patience: int):
        n = len(nodes)
        self.order = order
        self.steps: list[Step | None] | None = None  # once all of them have programs; None for one that only copies parts
        self.makeshifts: list[Makeshift] = []  # those of them that serve for some runs only
        self.patience = patience
        self.runs = 0
        bounds = list(pairwise([0, *ends]))
        nodes = [nodes[i] for i in order]
        piece_of = np.repeat(np.arange(len(bounds)), [b - a for a, b in bounds]).tolist()
        position = {id(e): i for i, e in enumerate(nodes)}
        sources = [[j for x in e.inputs or () if (j := position.get(id(x))) is not None] for e in nodes]
        users: list[list[int]] = [[] for _ in nodes]
        for i, found in enumerate(sources):
            for j in found:
                users[j].append(i)
        wanted = {position[id(e)] for e in outputs}
        self.kept = [i in wanted or any(piece_of[j] != piece_of[i] for j in users[i]) for i in range(n)]
        views: set[int] = set()
        for i, e in enumerate(nodes):
            if self.kept[i] and i not in wanted and _is_view(e) and not any(nodes[j].spec.alone for j in users[i]):
                if all(self.kept[j] or j in views for j in sources[i]):
                    views.add(i)
                    self.kept[i] = False
        self.members: list[list[int]] = []
        last = piece_of.copy()  # the last piece that uses each
        for p, (start, end) in enumerate(bounds):
            members = set(range(start, end))
            missing = [j for i in members for j in sources[i] if j in views and j < start]
            while missing:
                j = missing.pop()
                if j not in members:
                    members.add(j)
                    missing += [k for k in sources[j] if k in views and k < start]
            self.members.append(sorted(members))
            for i in members:
                for j in sources[i]:
                    last[j] = p
        self.again: list[list[int]] = []  # the views among a piece's nodes that later ones make again
        for p, members_ in enumerate(self.members):
            self.again.append([i for i in members_ if i in views and last[i] > p])
        self.done: list[list[int]] = [[] for _ in bounds]
        for i in range(n):
            if self.kept[i] and i not in wanted:
                self.done[last[i]].append(i)

    def take_turn(self) -> bool:
        """Count a run; False if it has had all of its own, and those of its drafts, which were had for little."""
        if self.runs >= self.patience and not self._drafted():
            return False
        self.runs += 1
        return True

    def _drafted(self) -> bool:
        """Whether all pieces are drafts that have runs left."""
        programs = len(self.members) if self.steps is None else len(self.steps) - self.steps.count(None)
        return len(self.makeshifts) == programs and self.runs < drafts.RUNS and all(m.patience > 0 for m in self.makeshifts)

    def replay(self) -> bool:
        """Count a run of each makeshift among the pieces; False, and none is counted, if one has had all of its own."""
        if any(m.patience <= 0 for m in self.makeshifts):
            return False
        for m in self.makeshifts:
            m.patience -= 1
        return True


def _tokens(nodes: Iterable[Expr]) -> tuple[int, ...]:
    return tuple(hash((e.spec.uid, e.aval)) for e in nodes)


def _exact_tokens(nodes: Iterable[Expr]) -> tuple[int, ...]:
    """Tokens that also tell apart what takes other shapes: the sum that begins the first of equal layers, a slice of a longer text."""
    return tuple(hash((e.spec.uid, e.aval, *[x.aval for x in e.inputs or () if hasattr(x, "aval")])) for e in nodes)


def learn(nodes: list[Expr]) -> None:
    """A graph is compiled as a whole: later ones that end with it need not be."""
    if len(nodes) >= KNOWN_SHORTEST:
        KNOWN[_exact_tokens(nodes)] = None
        if len(KNOWN) > KNOWN_SIZE:
            KNOWN.popitem(last=False)


def _cut_unchanged(nodes: list[Expr], tokens: tuple[int, ...]) -> list[int]:
    """Remember a graph, and compare it with the last one of the same operations: the ends of the stretches that are equal and of those
    that are not, where at least half of the nodes are in equal ones, else nothing.

    Of a text that grows by a letter, what does not look at the letters before is equal.
    """
    n = len(nodes)
    if n < SMALLEST:
        return []
    names = tuple([e.spec.name for e in nodes])
    before = _LATEST.pop(names, tokens)
    _LATEST[names] = tokens
    if len(_LATEST) > KNOWN_SIZE:
        _LATEST.popitem(last=False)
    same = np.equal(before, tokens)
    edges = np.flatnonzero(np.diff(same, prepend=False, append=False)).tolist()
    stretches = [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if end - start >= SHORTEST]
    if 2 * sum([end - start for start, end in stretches]) < n or stretches == [(0, n)]:
        return []
    return sorted({n, *[i for bounds in stretches for i in bounds]} - {0})


def _known_end(tokens: tuple[int, ...]) -> tuple[int, bool]:
    """How many nodes at the end of a graph also end a known one, at most, and whether those are all of the known one's."""
    best = (0, False)
    for known in KNOWN:
        same = zip(reversed(known), reversed(tokens), strict=False)
        m = next((i for i, (a, b) in enumerate(same) if a != b), min(len(known), len(tokens)))
        best = max(best, (m, m == len(known)), key=lambda found: (found[1], found[0]))
    return best


def plan(nodes: list[Expr], outputs: list[Expr]) -> Pieces | None:
    """The pieces of a graph that has never run.

    None when less than half of it is as in the last graph of the same operations, it ends with nothing known, and is short or repeats
    itself over less than half of its length. Nodes that are to be
    compiled alone are pieces of their own, and so is an update, since what follows may have another shape in each step.
    """
    n = len(nodes)
    update = leading_updates(nodes)
    apart = {update} if KNOWN_SHORTEST <= update <= n - KNOWN_SHORTEST else set()
    alone = [i for i, e in enumerate(nodes) if e.spec.alone]
    if alone:
        bounds = {n, *apart, *alone, *[i + 1 for i in alone]}
        return Pieces(list(range(n)), sorted(bounds - {0}), nodes, outputs, ALWAYS)
    tokens = _exact_tokens(nodes)
    ends = _cut_unchanged(nodes, tokens)
    if ends:
        return Pieces(list(range(n)), ends, nodes, outputs, FEW_RUNS)
    how = _repeated(nodes, outputs, tokens)
    if how is not None:
        return how
    m, whole = _known_end(tokens)
    if m < n and (whole or m >= max(n // 2, KNOWN_SHORTEST) or m >= max(n // 4, SMALLEST)):
        return Pieces(list(range(n)), [n - m, n], nodes, outputs, FEW_RUNS)
    if apart:
        return Pieces(list(range(n)), [update, n], nodes, outputs, FEW_RUNS)
    if n > 2 * LARGEST:
        return Pieces(list(range(n)), [*range(LARGEST, n - LARGEST, LARGEST), n], nodes, outputs, PATIENCE * LARGEST)
    return None


def leading_updates(nodes: list[Expr]) -> int:
    """How many nodes at the start of a graph are updates of parameters and their projections."""
    n = 0
    while n < len(nodes) and type(a := nodes[n].aval) is AvalTuple:
        n += 1 + len(a.avals)
    return n


def loose_end(nodes: list[Expr]) -> int:
    """How many nodes at the end of an unfinished graph belong to a repetition that is not complete yet."""
    start, length, period = _known_repetition(nodes)
    return length % period if start + length == len(nodes) else 0


def repeats(nodes: list[Expr]) -> bool:
    """Whether a graph repeats itself over half of its length."""
    return len(nodes) >= SMALLEST and _known_repetition(nodes)[1] * 2 >= len(nodes)


def _known_repetition(nodes: list[Expr]) -> tuple[int, int, int]:
    tokens = _tokens(nodes)
    found = _REPETITIONS.get(tokens)
    if found is None:
        found = _REPETITIONS[tokens] = _repetition(np.array(tokens))
        if len(_REPETITIONS) > KNOWN_SIZE:
            _REPETITIONS.popitem(last=False)
    return found


def _repeated(nodes: list[Expr], outputs: list[Expr], tokens: tuple[int, ...]) -> Pieces | None:
    """The pieces of a graph that repeats itself over half of its length."""
    n = len(nodes)
    if n < SMALLEST:
        return None
    order, ends = _parts_early(nodes)
    given = ends[-1] if ends else 0
    ordered = np.array(tokens)[order]
    covered = _cut(ordered, given, n, ends)
    if covered * 2 < n - given:
        return None
    for start, end in pairwise([given, *[end for end in ends if end > given]]):
        _learn_stretch(tuple(ordered[start:end].tolist()))
    return Pieces(order, ends, nodes, outputs, PATIENCE * n // len(ends))


def _learn_stretch(tokens: tuple[int, ...]) -> None:
    """A piece of a repeating graph is compiled: one with fewer repetitions can be made of such pieces."""
    if len(tokens) < SHORTEST or tokens in _STRETCHES.get(tokens[0], ()):
        return
    if sum(map(len, _STRETCHES.values())) >= MOST_STRETCHES:
        _STRETCHES.clear()
    known = _STRETCHES.setdefault(tokens[0], [])
    known.append(tokens)
    known.sort(key=len, reverse=True)


def _cut_known(tokens: np.ndarray, low: int, high: int, ends: list[int]) -> int:
    """Append the ends of known stretches between `low` and `high`, and of what lies between them; how many nodes the former cover."""
    row = tokens[:high].tolist()
    covered, start, i = 0, low, low
    while i < high:
        known = next((s for s in _STRETCHES.get(row[i], ()) if tuple(row[i : i + len(s)]) == s), None)
        if known is None:
            i += 1
            continue
        ends += [i, i + len(known)] if i > start else [i + len(known)]
        covered += len(known)
        i = start = i + len(known)
    if high > start:
        ends.append(high)
    return covered


def _parts_early(nodes: list[Expr]) -> tuple[list[int], list[int]]:
    """An order of the nodes in which parts of a value (`word[i]`) follow it at once, and the ends of the pieces that are parts of what
    is given.

    A step that takes its part itself would be another program for each length of the whole, and so would be what takes the parts of
    two of them.
    """
    position = {id(e): i for i, e in enumerate(nodes)}
    given: dict[int, list[int]] = {}  # by what they are parts of
    parts: dict[int, list[int]] = {}  # of a node
    of_given: dict[int, int] = {}
    rest: list[int] = []
    for i, e in enumerate(nodes):
        whole = _whole(e)
        source = None if whole is None else position.get(id(whole))
        is_part = whole is not None and math.prod(e.aval.shape) < math.prod(whole.aval.shape)
        if source in of_given or (is_part and source is None):
            of_given[i] = id(whole) if source is None else of_given[source]
            given.setdefault(of_given[i], []).append(i)
        elif is_part and source is not None:
            parts.setdefault(source, []).append(i)
        else:
            rest.append(i)
    many = [found for found in given.values() if len(found) >= SHORTEST]
    few = sorted([i for found in given.values() if len(found) < SHORTEST for i in found])
    order: list[int] = []
    ends: list[int] = []
    for found in [*many, few]:
        ends += [len(order) + min(k + PARTS, len(found)) for k in range(0, len(found), PARTS)]
        order += found
    waiting = rest[::-1]
    while waiting:
        i = waiting.pop()
        order.append(i)
        waiting.extend(parts.get(i, ())[::-1])
    return order, ends


def _whole(e: Expr) -> Any:
    """The one array that a node takes (a part of), as `x[i]` does; None for any other node."""
    whole = _source(e)
    return whole if whole is not None and math.prod(e.aval.shape) <= math.prod(whole.aval.shape) else None


def _source(e: Expr) -> Any:
    """The one array that a node takes, where it gives one array; None for any other node."""
    arrays = [x for x in e.inputs or () if hasattr(x, "aval")]
    return arrays[0] if len(arrays) == 1 and hasattr(arrays[0].aval, "shape") and hasattr(e.aval, "shape") else None


def _is_view(e: Expr) -> bool:
    """Whether a node only arranges the elements of one array, and all of them: a part (`word[i]`) is passed on, for its program would be
    another one for each length of the whole."""
    whole = _source(e) if e.spec.arranges else None
    return whole is not None and math.prod(e.aval.shape) >= math.prod(whole.aval.shape)


def _cut(tokens: np.ndarray, low: int, high: int, ends: list[int]) -> int:
    """Append the ends of the pieces between `low` and `high`, in order; how many nodes repeated stretches cover."""
    start, length, period = _repetition(tokens[low:high])
    if not length:
        return _cut_known(tokens, low, high, ends)
    start += low
    repeats = length // period
    covered = _cut(tokens, low, start, ends) + repeats * period
    group = max(1, (PIECE if repeats * period < LONG else LONG_PIECE) // period)
    while repeats:
        while group > repeats:
            group //= 2  # what remains, in pieces that other lengths need too
        start += group * period
        repeats -= group
        ends.append(start)
    return covered + _cut(tokens, start, high, ends)


def _repetition(tokens: np.ndarray) -> tuple[int, int, int]:
    """The longest repetition: its start, its length, and its period; the shorter period among equally long ones."""
    n = len(tokens)
    best = (0, 0, 1)
    for period in range(1, min(n // REPEATS, LONGEST) + 1):
        same = np.flatnonzero(tokens[period:] != tokens[:-period])
        edges = np.concatenate(([-1], same, [n - period]))
        gaps = np.diff(edges) - 1
        k = int(gaps.argmax())
        length = int(gaps[k]) + period
        if length >= REPEATS * period and length > max(best[1] + best[2], SHORTEST - 1):
            best = (int(edges[k]) + 1, length, period)
    return best


__all__ = ["Pieces", "leading_updates", "learn", "loose_end", "plan", "repeats"]
