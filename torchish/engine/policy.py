"""When pending work is run: the decisions between one fused program and several smaller ones.

Reads (`item`, `print`, …) run what they need. Beyond that:

- After `backward()` everything pending runs: the optimizer's update of the step before, the forward and the backward pass. Nobody
  waits for it.
- A forward pass that is not little, and whose arrays fit into the processor's caches, runs before that: then Python writes the backward
  pass down while the forward pass runs, and the next forward pass while the backward pass runs; `loss.item()` waits for the forward
  pass only. A larger one computes on all cores, so that Python would only take its turn from it, and its values would have to go
  to memory and come back.
- Making an optimizer runs everything pending too, which is what the parameters begin with.
- A graph that ends with one that is compiled already, or that repeats itself, runs in pieces (`torchish.engine.pieces`).
- Outside a backward pass a thread's pending list never grows past `PENDING_LIMIT` nodes, so loops that nobody looks
  at run in equal pieces, compiled once: what is left of an incomplete repetition waits for the next run.
- A thread runs after `WRITE_LIMIT` writes through views (`x[i] = 1` in a loop): XLA takes some 5 ms to compile each
  dynamic-update-slice of a chain, so 800 of them in one program take seconds, and 25 runs of one of 32 take none.
"""

from __future__ import annotations

from torchish.engine import expr
from torchish.engine.expr import CPU, LOCAL, PENDING_LIMIT, Aval, Expr
from torchish.engine.pieces import leading_updates, loose_end, repeats
from torchish.engine.program import evaluate_all

LIMIT = PENDING_LIMIT
WORTH_A_PROGRAM = 10  # nodes of a forward pass
# Elements of the arrays of a forward pass, its inputs among them, that the caches hold. In milliseconds per step on 2 cores, split and
# whole: LeNet at batch 4 1.07 and 1.23, 32 3.4 and 3.0, 64 6.8 and 5.8, 512 53 and 43; MLPs of 784-512-512-10 at batch 16 1.05 and
# 1.10, 64 2.3 and 2.2, 1024 19.8 and 19.4; ResNet-18 481 and 452, in 1068 and 755 MiB.
CACHED = 750_000


def before_backward() -> None:
    """A backward pass is about to be written down: what comes before it can run meanwhile, if that is worth a program of its own."""
    pending = LOCAL.pending
    start = leading_updates(pending)
    if len(pending) - start >= WORTH_A_PROGRAM and not _large(pending, start) and not repeats(pending):
        evaluate_all()


_known: dict[tuple, bool] = {}  # looking at every array of a small graph would take longer than what is to be decided saves
_MOST_KNOWN = 1024


def _large(pending: list[Expr], start: int) -> bool:
    """Whether a graph on the CPU has more elements than the caches hold; graphs whose nodes have the same avals are taken for one."""
    nodes = pending[start:]
    key = tuple([e.aval for e in nodes])
    known = _known.get(key)
    if known is None:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        known = _known[key] = nodes[-1].aval.device == CPU and _elements(nodes) > CACHED
    return known


def _elements(nodes: list[Expr]) -> int:
    """How many elements the arrays of a graph have, its inputs among them."""
    made = [e.aval for e in nodes if e.spec is not None and not e.spec.arranges]
    inputs = {x for e in nodes for x in e.inputs or () if type(x) is Expr} - set(nodes)
    return sum([a.size for a in (*made, *[x.aval for x in inputs]) if type(a) is Aval])


def after_backward() -> None:
    """A backward pass has been written down: run it with all that is pending."""
    LOCAL.writes = 0
    evaluate_all()


def before_training() -> None:
    """An optimizer is made: the initial values of its parameters are no part of the first step, so that steps are alike."""
    evaluate_all()


def overflow() -> None:
    """A pending list has reached a limit: run it, but for a repetition at its end that is not complete yet."""
    LOCAL.writes = 0
    pending = LOCAL.pending
    kept = pending[len(pending) - loose_end(pending) :]
    del pending[len(pending) - len(kept) :]
    try:
        evaluate_all()
    finally:
        pending.extend(kept)


class unlimited:
    """While a backward pass is written down its expressions belong together: no limit splits them."""

    def __enter__(self):
        self._limit = LOCAL.limit
        LOCAL.limit = 1 << 30

    def __exit__(self, *exc):
        LOCAL.limit = self._limit


expr.on_overflow = overflow

__all__ = ["LIMIT", "after_backward", "before_backward", "before_training", "overflow", "unlimited"]
