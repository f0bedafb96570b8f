"""Several view operations in a row as one: what reads a view of a view, and writes through it, in one node."""

from __future__ import annotations

from collections.abc import Callable

from jax import lax

from torchish.engine import parts
from torchish.engine.expr import Spec
from torchish.ops.views import write_spec


def chain_spec(steps: tuple) -> tuple[Spec, tuple]:
    """Several view steps as one operation, and its dynamic arguments."""
    if len(steps) == 1:
        return steps[0].spec, steps[0].dynamic
    key = tuple(s.spec for s in steps)
    made = _CHAINS.get(key)
    if made is None:
        made = _CHAINS[key] = _chain(key)
    return made, tuple(x for s in steps for x in s.dynamic)


_CHAINS: dict[tuple, Spec] = {}


class ChainOp:
    """Stands for the operation in the spec of a chain of views."""

    rule = None
    rule_params = ()
    saves_result = False
    saves: dict = {}
    differentiable = True
    layout = "contiguous"
    returns = ()
    promote = None
    name = "view_chain"
    grad_name = "AsStridedBackward0"

    def __init__(self, n_dynamic: int, arranges: bool, cut_out: Callable | None = None):
        self.arranges = arranges
        self.cut_out = cut_out
        self.dynamic = ("input", *(f"i{k}" for k in range(n_dynamic)))


def _chain(specs: tuple[Spec, ...]) -> Spec:
    counts = [len(s.kinds) - 1 for s in specs]

    def run(base, *dynamic):
        it = iter(dynamic)
        for s, n in zip(specs, counts, strict=True):
            base = s.run(base, *[next(it) for _ in range(n)])
        return base

    def write(base, value, *dynamic):
        it = iter(dynamic)
        args = [[next(it) for _ in range(n)] for n in counts]
        if all(s.op.name == "select" or s.op.name == "slice" and s.statics[2] == 1 for s in specs):
            return _write_block(specs, base, value, [a[0] for a in args])
        bases = [base]
        for s, a in zip(specs[:-1], args, strict=False):
            bases.append(s.run(bases[-1], *a))
        for s, b, a in zip(reversed(specs), reversed(bases), reversed(args), strict=True):
            value = write_spec(s).run(b, value, *a)
        return value

    stable = None if any(s.stable is None for s in specs) else f"chain{[s.stable for s in specs]}"
    def cut_out(array, *dynamic):
        it = iter(dynamic)
        for s, n in zip(specs, counts, strict=True):
            array = s.cut_out(array, *[next(it) for _ in range(n)])  # type: ignore[misc]
        return array

    known = all(s.cut_out is not None for s in specs) and len(specs) <= parts.DEEPEST
    op = ChainOp(sum(counts), all(s.arranges for s in specs), (lambda statics: cut_out) if known else None)
    made = Spec(run, "view_chain", stable, op, (), ("T",) + ("i",) * sum(counts))
    made.memo["write"] = Spec(write, "view_chain_write", None if stable is None else f"write({stable})")
    made.recipe, made.memo["write"].recipe = (_chain, (specs,)), (write_spec, (made,))
    return made


def _write_block(specs: tuple[Spec, ...], base, value, starts: list):
    """Selections and slices of step 1 show a block, which is written at once."""
    dims = list(range(base.ndim))  # those that are still there
    corner: list = [0] * base.ndim
    sizes = list(base.shape)
    for s, start in zip(specs, starts, strict=True):
        d = dims[s.statics[0]]
        corner[d] = corner[d] + start
        if s.op.name == "select":
            sizes[d] = 1
            dims.remove(d)
        else:
            sizes[d] = s.statics[1]
    return lax.dynamic_update_slice(base, value.reshape(sizes), corner)
