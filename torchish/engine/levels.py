"""Expressions inside function transforms: dual numbers (forward mode) and batches (`vmap`).

A transform opens a `Level`. The values that it puts in are wrapped: a `Dual` is a value and its tangent, a `Batched` a
value with one dimension more than the function sees. `emit` applied to wrapped inputs peels the youngest level off, applies the
operation's `jax.jvp` or `jax.vmap` to what is inside, and wraps the results; so transforms nest in any order, and all that
reaches a program are ordinary expressions. Plain expressions never come here.

In a backward pass that starts outside a level which the tape reaches into, cotangents are wrapped too. For a `Dual` result
(y, y') with cotangents (c, c') the pair travels as the dual number c' + c*eps: with the linear map J of an operation that depends
on a dual number, J^T (c' + c*eps) is exactly the cotangent pair of its input.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchish.engine import expr
from torchish.engine.expr import CPU, TRACED, Aval, AvalTuple, Expr, Spec, aval, emit

_numbers = itertools.count(1)


class Level:
    """One active transform. Levels opened later have larger numbers, and their wrappers lie outside."""

    def __init__(self, size: int | None = None, randomness: str = "error", imperative: bool = False):
        self.number = next(_numbers)
        self.size = size  # of the batch; None for forward mode
        self.randomness = randomness
        self.imperative = imperative  # entered by `forward_ad.enter_dual_level`
        self.active = True
        self.tensors: list = []  # weak references to tensors with tangents of this level


class _Active(threading.local):
    def __init__(self):
        self.stack: list[Level] = []


ACTIVE = _Active()  # the levels of this thread, oldest first


class Wrapped(Expr):
    """An expression that belongs to a level."""

    __slots__ = ("level",)

    def _setup(self, level: Level, a: Any) -> None:
        self.level = level
        self.spec, self.inputs, self.aval = None, (), a
        self.uses, self.mark, self.donatable, self.owner = 0, -1, False, None

    def compute(self) -> None:
        """Make the value known (what `force` asks for); RuntimeError where it cannot be."""
        raise NotImplementedError

    def results(self) -> tuple[Expr, ...]:
        raise NotImplementedError


class Dual(Wrapped):
    """A value and its tangent, of the same shape and dtype."""

    __slots__ = ("primal", "tangent")

    def __init__(self, level: Level, primal: Expr, tangent: Expr):
        self._setup(level, primal.aval)
        self.primal, self.tangent = primal, tangent

    @property
    def value(self):  # type: ignore[override]
        return self.primal.value

    @value.setter
    def value(self, v) -> None:
        self.primal.value = v

    def compute(self) -> None:
        from torchish.engine.program import force

        force(self.primal)


BRANCH = (
    "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We don't support that yet, please "
    "file an issue at https://github.com/pytorch/pytorch/issues ."
)
NO_MEMORY = "Cannot access data pointer of Tensor that doesn't have storage"
DYNAMIC = (
    "vmap: We do not support batching operators that can output dynamic shape. Attempted to vmap over aten::{name}. Please file an "
    "issue at https://github.com/pytorch/pytorch/issues if you need this feature."
)
BATCHED_VALUE = (
    "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a Tensor, please try "
    "to rewrite what you're doing with other operations. If error is occurring somewhere inside PyTorch internals, please file "
    "a bug report."
)


class Batched(Wrapped):
    """One value per example: `physical` has the batch as its first dimension, `aval` is what the function sees."""

    __slots__ = ("physical",)

    def __init__(self, level: Level, physical: Expr):
        a = physical.aval
        device = TRACED if a.device in (CPU, TRACED) else a.device  # values that nobody can look at, as in a jax transform
        self._setup(level, aval(a.shape[1:], a.dtype, device))
        self.physical = physical

    @property
    def value(self):  # type: ignore[override]
        return None

    @value.setter
    def value(self, v) -> None:
        raise AssertionError("a batch has no value of its own")

    def compute(self) -> None:
        raise RuntimeError(BATCHED_VALUE)


class Many(Expr):
    """The results of an operation with several, wrapped or not."""

    __slots__ = ("exprs",)

    def __init__(self, exprs: tuple[Expr, ...]):
        super().__init__(None, (), AvalTuple(tuple([e.aval for e in exprs]), exprs[0].aval.device))
        self.exprs = exprs

    def results(self) -> tuple[Expr, ...]:
        return self.exprs


def results_of(e: Expr) -> tuple[Expr, ...]:
    return expr.results_of(e)


DETACHED = "detached"  # the view that leaves tangents behind


# --- applying an operation ---------------------------------------------------------------------------------


def emit_wrapped(spec: Spec, inputs: tuple) -> Expr:
    """`emit` where some input is wrapped."""
    top = max((x.level for x in inputs if isinstance(x, Wrapped)), key=lambda level: level.number)
    if top.size is None:
        return _emit_dual(spec, inputs, top)
    return _emit_batched(spec, inputs, top)


def _emit_dual(spec: Spec, inputs: tuple, level: Level) -> Expr:
    mine = [isinstance(x, Dual) and x.level is level for x in inputs]
    primals = tuple([x.primal if m else x for x, m in zip(inputs, mine, strict=True)])
    out = emit(spec, primals)
    if spec.name == DETACHED:
        return out
    which = tuple([i for i, m in enumerate(mine) if m])
    several = type(out.aval) is AvalTuple
    outs = results_of(out) if several else (out,)
    inexact = [o.aval.category >= 2 for o in outs]
    if not any(inexact):
        return Many(outs) if several else out
    made = emit(jvp_spec(spec, which), primals + tuple([inputs[i].tangent for i in which]))
    tangents = iter(results_of(made) if type(made.aval) is AvalTuple else (made,))
    wrapped = tuple([Dual(level, o, next(tangents)) if yes else o for o, yes in zip(outs, inexact, strict=True)])
    constant = getattr(spec.op, "constant", ())
    if True in constant:
        wrapped = tuple([o if same else w for o, w, same in zip(outs, wrapped, constant, strict=True)])
    return Many(wrapped) if several else wrapped[0]


def _emit_batched(spec: Spec, inputs: tuple, level: Level) -> Expr:
    flags = tuple([isinstance(x, Batched) and x.level is level for x in inputs])
    out = emit(vmap_spec(spec, flags, level.size), tuple([x.physical if f else x for x, f in zip(inputs, flags, strict=True)]))
    if type(out.aval) is AvalTuple:
        return Many(tuple([Batched(level, o) for o in results_of(out)]))
    return Batched(level, out)


class DerivedOp:
    """Stands for the operation in the spec of a pushforward or a batched operation."""

    rule = None
    rule_params = ()
    saves_result = False
    differentiable = True
    layout = "contiguous"
    returns = ()
    promote = None
    indices: frozenset = frozenset()

    def __init__(self, base: Any, name: str, n_inputs: int):
        self.name = name
        self.dynamic = tuple(map(str, range(n_inputs)))
        self.saves = dict.fromkeys(self.dynamic, self.dynamic)
        self.grad_name = getattr(base, "grad_name", None) if isinstance(getattr(base, "grad_name", None), str) else "MulBackward0"


def jvp_spec(spec: Spec, which: tuple[int, ...]) -> Spec:
    """The pushforward of `spec`: its inputs, then tangents of those in `which`; gives tangents of the inexact results."""
    key = ("jvp", which)
    made = spec.memo.get(key)
    if made is not None:
        return made
    f = getattr(spec.op, "jvp_run", None)
    pushforward = f(spec) if f is not None else spec.run

    def run(*values):
        n = len(values) - len(which)
        primals = values[:n]
        # an input of an integer dtype among a mixed list carries no tangent
        tangents = [jnp.asarray(t).astype(primals[i].dtype) for i, t in zip(which, values[n:], strict=True)]

        def g(*diff):
            full = list(primals)
            for i, v in zip(which, diff, strict=True):
                full[i] = v
            out = pushforward(*full)
            outs = out if isinstance(out, (tuple, list)) else (out,)
            return [o for o in outs if jnp.issubdtype(o.dtype, jnp.inexact)]

        _, out = jax.jvp(g, [primals[i] for i in which], tangents)
        return out[0] if len(out) == 1 else tuple(out)

    made = Spec(
        run, f"{spec.name}_jvp", None if spec.stable is None else f"jvp({spec.stable};{which})",
        DerivedOp(spec.op, f"{spec.name}_jvp", len(spec.kinds) + len(which)), (), (*spec.kinds, *("T" for _ in which)),
    )  # fmt: skip
    made.recipe = (jvp_spec, (spec, which))
    spec.memo[key] = made
    return made


def vmap_spec(spec: Spec, flags: tuple[bool, ...], size: int | None) -> Spec:
    """`spec` applied to each example of the inputs in `flags` (which have the batch first, as the results do)."""
    key = ("vmap", flags, size)
    made = spec.memo.get(key)
    if made is not None:
        return made
    mapped = jax.vmap(spec.run, tuple([0 if f else None for f in flags]), 0, axis_size=size)
    made = Spec(
        mapped, f"{spec.name}_vmap", None if spec.stable is None else f"vmap({spec.stable};{flags};{size})",
        DerivedOp(spec.op, f"{spec.name}_vmap", len(flags)), (), spec.kinds,
    )  # fmt: skip
    made.recipe = (vmap_spec, (spec, flags, size))
    spec.memo[key] = made
    return made


# --- wrapping and unwrapping -------------------------------------------------------------------------------


def _pure(name: str, run: Callable) -> Spec:
    return Spec(run, name, name, DerivedOp(None, name, 1), (), ("T",))


_SWAP = _pure("levels_swap", lambda v: jnp.swapaxes(v, 0, 1))
_SUM = _pure("levels_sum", lambda v: v.sum(0, dtype=v.dtype))
_SPREAD: dict[int, Spec] = {}
_MOVES: dict[tuple, Spec] = {}


def spread(x: Expr, n: int) -> Expr:
    """`x` repeated in a new first dimension of size `n`."""
    spec = _SPREAD.get(n)
    if spec is None:
        spec = _SPREAD[n] = _pure(f"levels_spread{n}", lambda v: jnp.broadcast_to(v, (n, *v.shape)))
    return emit(spec, (x,))


def move(x: Expr, source: int, to: int) -> Expr:
    """`x` with one dimension moved elsewhere."""
    if source == to:
        return x
    spec = _MOVES.get((source, to))
    if spec is None:
        spec = _MOVES[source, to] = _pure(f"levels_move{source},{to}", lambda v: jnp.moveaxis(v, source, to))
    return emit(spec, (x,))


def zeros(a: Aval) -> Expr:
    device = CPU if a.device is TRACED else a.device
    return Expr(None, (), aval(a.shape, a.dtype, device), np.zeros(a.shape, a.dtype))


def _above(level: Level, *exprs: Expr) -> Level | None:
    """The youngest level above `level` that wraps one of these."""
    found = [x.level for x in exprs if isinstance(x, Wrapped) and x.level.number > level.number]
    return max(found, key=lambda v: v.number) if found else None


def physical(level: Level, x: Expr) -> Expr:
    """All examples of `x` at a batch level, in a first dimension."""
    if not isinstance(x, Wrapped) or x.level.number < level.number:
        return spread(x, level.size)  # type: ignore[arg-type]
    if x.level is level:
        return x.physical  # type: ignore[attr-defined]
    if isinstance(x, Dual):
        return Dual(x.level, physical(level, x.primal), physical(level, x.tangent))
    assert isinstance(x, Batched)
    return Batched(x.level, emit(_SWAP, (physical(level, x.physical),)))


def make_batched(level: Level, x: Expr) -> Expr:
    """`x`, whose first dimension is the batch, as one example of it at `level`."""
    if not isinstance(x, Wrapped) or x.level.number < level.number:
        return Batched(level, x)
    if isinstance(x, Dual):
        return Dual(x.level, make_batched(level, x.primal), make_batched(level, x.tangent))
    assert isinstance(x, Batched)
    return Batched(x.level, make_batched(level, emit(_SWAP, (x.physical,))))


def dual_parts(level: Level, x: Expr) -> tuple[Expr, Expr | None]:
    """Value and tangent (None where there is none) of `x` at a forward level."""
    if not isinstance(x, Wrapped) or x.level.number < level.number:
        return x, None
    if x.level is level:
        assert isinstance(x, Dual)
        return x.primal, x.tangent
    if isinstance(x, Dual):
        p, t = dual_parts(level, x.primal)
        p2, t2 = dual_parts(level, x.tangent)
        if t is None and t2 is None:
            return x, None
        t, t2 = t if t is not None else zeros(p.aval), t2 if t2 is not None else zeros(p.aval)
        return Dual(x.level, p, p2), Dual(x.level, t, t2)
    assert isinstance(x, Batched)
    p, t = dual_parts(level, x.physical)
    return Batched(x.level, p), None if t is None else Batched(x.level, t)


def make_dual(level: Level, p: Expr, t: Expr) -> Expr:
    """The dual number of a value and a tangent at a forward level."""
    top = _above(level, p, t)
    if top is None:
        return Dual(level, p, t)
    if top.size is not None:
        return Batched(top, make_dual(level, physical(top, p), physical(top, t)))
    a, b = dual_parts(top, p)
    c, d = dual_parts(top, t)
    return Dual(
        top, make_dual(level, a, c), make_dual(level, zeros(a.aval) if b is None else b, zeros(a.aval) if d is None else d)
    )


def belongs(level: Level, x: Expr) -> bool:
    """Whether `x` is wrapped at `level`, at any depth."""
    while isinstance(x, Wrapped):
        if x.level is level:
            return True
        if isinstance(x, Dual):
            if belongs(level, x.tangent):
                return True
            x = x.primal
        else:
            x = x.physical  # type: ignore[attr-defined]
    return False


def levels_of(x: Expr) -> set[Level]:
    """All levels that `x` is wrapped at."""
    found: set[Level] = set()
    stack = [x]
    while stack:
        y = stack.pop()
        if isinstance(y, Dual):
            found.add(y.level)
            stack += (y.primal, y.tangent)
        elif isinstance(y, Batched):
            found.add(y.level)
            stack.append(y.physical)
    return found


def lower(level: Level, g: Expr, a: Aval) -> Expr | None:
    """A cotangent that leaves `level` towards a value that does not belong to it."""
    if level.size is None:
        return dual_parts(level, g)[1]  # (see above: the cotangent of the value itself is the tangent part)
    return emit(_SUM, (physical(level, g),))


__all__ = [
    "ACTIVE", "Batched", "Dual", "Level", "Many", "Wrapped", "belongs", "dual_parts", "emit_wrapped", "jvp_spec", "levels_of", "lower",
    "make_batched", "make_dual", "move", "physical", "vmap_spec", "zeros",
]  # fmt: skip
