"""When pending work is run: the decisions between one fused program and several smaller ones.

Reads (`item`, `print`, …) run what they need. Beyond that:

- Before `backward()` everything pending runs, unless it is little: the forward pass, and with it the optimizer's update of the
  step before. After it everything runs again: the backward pass. Neither is waited for. Python writes the backward pass down
  while the forward pass runs, and the next forward pass while the backward pass runs; `loss.item()` waits for the forward
  pass only.
- Making an optimizer runs everything pending too, which is what the parameters begin with.
- A graph that ends with one that is compiled already, or that repeats itself, runs in pieces (`torchish.engine.pieces`).
- Outside a backward pass a thread's pending list never grows past `PENDING_LIMIT` nodes, so loops that nobody looks
  at run in equal pieces, compiled once: what is left of an incomplete repetition waits for the next run.
- A thread runs after `WRITE_LIMIT` writes through views (`x[i] = 1` in a loop): XLA takes some 5 ms to compile each
  dynamic-update-slice of a chain, so 800 of them in one program take seconds, and 25 runs of one of 32 take none.
"""

from __future__ import annotations

from torchish.engine import expr
from torchish.engine.expr import LOCAL, PENDING_LIMIT, AvalTuple
from torchish.engine.pieces import loose_end, repeats
from torchish.engine.program import evaluate_all

LIMIT = PENDING_LIMIT
WORTH_A_PROGRAM = 10  # nodes of a forward pass


def before_backward() -> None:
    """A backward pass is about to be written down: what comes before it can run meanwhile, if that is worth a program of its own."""
    pending = LOCAL.pending
    start = 0  # of the forward pass, behind updates of parameters and their projections, which a first step does not have
    while start < len(pending) and type(a := pending[start].aval) is AvalTuple:
        start += 1 + len(a.avals)
    if len(pending) - start >= WORTH_A_PROGRAM and not repeats(pending):
        evaluate_all()


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
    evaluate_all()
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
