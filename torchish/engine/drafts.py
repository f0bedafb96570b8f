"""Programs are compiled as drafts first: in a half to a fifth of the time, but without LLVM's optimizations.

Most programs run once or a few times: the statements of a notebook, the first steps of a loop, a text that grows by a letter a step, words
of all lengths. LLVM takes most of the time that XLA needs for them, to make them fast. (Milliseconds on average, with care and as
drafts, of the 2,400 programs of some of the tests: of 1 node 18 and 12, of 5 to 8 nodes 59 and 26, of 17 to 32 nodes 208 and 48, of 33 to
64 nodes 369 and 76.)

A graph is a draft if it computes little for its length. A draft that goes on being used is compiled again, with care, which can change the
last bits of its results. Counts decide, not clocks, so a script's numbers are the same each time it runs.

`TORCHISH_DRAFTS=0`, and `torch.use_deterministic_algorithms(True)`, do without.
"""

from __future__ import annotations

import os

RUNS = 64  # of a draft, before it is compiled with care
# Elements per node. At some 1.1 ns more for each, 64 runs take 2 ms more than with care, of the 11 that a draft's node is compiled sooner.
# With five times as many the two would be equal, but who trains a network waits for the second compilation too: LeNet at batch 4, with
# 57,000, would take its first step after 0.5 s instead of 1.0, and its 66th after another second.
WORK = 32_000
# Graphs that are hardly faster with care are compiled so after up to 64 times as many runs; it would still not have paid by then.
_SMALL_SHARE = 1 / 2
_MOST = 64

ENABLED = os.environ.get("TORCHISH_DRAFTS", "1") not in ("", "0")
_allowed = True


def allow(yes: bool) -> None:
    """Whether there are to be drafts from now on."""
    global _allowed
    _allowed = yes


def wanted() -> bool:
    """Whether there are drafts at all."""
    return ENABLED and _allowed


def runs(work: float, nodes: int, before: int = 0) -> int:
    """How often a graph of so many nodes is to run as a draft, after so many runs in pieces; 0 if it computes too much to be one."""
    if work > WORK * nodes:
        return 0
    return max(0, int(RUNS * min(max(_SMALL_SHARE * WORK * nodes / max(work, 1), 1), _MOST)) - before)


__all__ = ["allow", "runs", "wanted"]
