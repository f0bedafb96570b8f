"""When pending work is run: the decisions between one fused program and several smaller ones.

Reads (`item`, `print`, …) run what they need. Beyond that:

- After `backward()` everything pending runs, as one program with whatever was pending before it (usually the
  optimizer's update of the step before).
- A thread's pending list never grows past `LIMIT` nodes: loops that nobody looks at run in equal pieces.
"""

from __future__ import annotations

from torchish.engine import expr
from torchish.engine.program import evaluate_all

# A chain whose intermediate results all stay alive compiles in time quadratic in its length; 2,000 nodes is
# more than the forward and backward pass of a ResNet-50.
LIMIT = 2000


def after_backward() -> None:
    """A backward pass has been written down: run it with all that is pending."""
    evaluate_all()


def overflow() -> None:
    evaluate_all()


expr.PENDING_LIMIT = LIMIT
expr.on_overflow = overflow
