"""Tensors and the tape inside function transforms: how histories cross the border of a level.

What enters or leaves a level (`make_dual`, `unpack_dual`, the arguments and results of `vmap`) is a linear map, and so is using a
value from outside inside. Each is recorded as a `Linear` node, whose gradient is its transpose and which can be differentiated again.
See `torchish.engine.levels` for how cotangents of dual numbers are written.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

from torchish._tensor.tensor import Tensor
from torchish.autograd.grad_mode import STATE
from torchish.autograd.graph import GradFn, Node, named, next_sequence
from torchish.engine import levels
from torchish.engine.expr import Aval, Expr
from torchish.engine.levels import Dual, Level, Wrapped, belongs, dual_parts, levels_of, make_batched, make_dual, move, physical


class _Passes(threading.local):
    # Levels that the running backward pass started inside of: its gradients are values of the level like any others.
    inside: frozenset = frozenset()


PASSES = _Passes()


class inside_of:
    """A backward pass from these tensors: it stays inside the levels that they belong to."""

    def __init__(self, tensors: tuple):
        self.levels = frozenset(v for t in tensors if isinstance(t, Tensor) for v in levels_of(t._read()))

    def __enter__(self):
        self._previous = PASSES.inside
        PASSES.inside = self.levels

    def __exit__(self, *exc):
        PASSES.inside = self._previous


Map = Callable[[Expr], Expr | None]


class Linear(Node):
    """The history of a linear map `f` with the transpose `ft`."""

    def __init__(self, f: Map, ft: Map, a: Aval, edge: tuple, level: Level):
        self._seq = next_sequence()
        self.f, self.ft, self.level = f, ft, level
        self._avals = (a,)
        self._lead([edge])

    def _run(self, grads: list, record: bool) -> list:
        g = grads[0]
        if self.level in PASSES.inside:
            return [g]
        return [through(self.ft, self.f, g, record, self.level)]


def through(f: Map, ft: Map, g: Any, record: bool, level: Level) -> Any:
    """`f(g)`, of an expression or (recorded) of a tensor."""
    if not record:
        return f(g)
    e = f(g._read())
    return None if e is None else linear(f, ft, g, e, level)


def linear(f: Map, ft: Map, t: Tensor, e: Expr, level: Level, name: str | None = None) -> Tensor:
    """The tensor of `e`, which is `f` of the value of `t`, with its history."""
    made = Tensor._wrap(e)
    if STATE.enabled and e.aval.category >= 2 and t._needs():
        edge = t._edge()
        if name is None:  # PyTorch shows the function behind the value
            name = type(edge[0]).__name__ if isinstance(edge[0], (GradFn, Linear)) else "AliasBackward0"
        made._grad_fn = named(name, Linear)(f, ft, e.aval, edge, level)
    if level.imperative:
        register(made)
    return made


class Lowered(Linear):
    """Where gradients leave a level for a value from outside it."""


def _same(e: Expr) -> Expr:
    return e


# --- crossing into and out of a level ----------------------------------------------------------------------


def lowered(flat: tuple, inputs: tuple, positions: tuple, edges: tuple, exprs: tuple) -> list:
    """The edges of an operation inside levels: gradients for inputs from outside are brought out of the levels."""
    of_result = set().union(*[levels_of(e) for e in exprs])
    out = []
    for i, edge in zip(positions, edges, strict=True):
        out.append(edge if edge[0] is None else _lowered(of_result, inputs[i], edge))
    return out


def _lowered(of_result: set, e: Expr, edge: tuple) -> tuple:
    done = set()
    node = edge[0]
    while isinstance(node, Lowered):  # a saved value, whose edge has been through this
        done.add(node.level)
        node = node._targets[0]
    for v in sorted(of_result, key=lambda v: v.number):
        if v not in done and not belongs(v, e):
            edge = (_lower(v, e.aval, edge), 0)
    return edge


def _lower(level: Level, a: Aval, edge: tuple) -> Node:
    def down(g: Expr) -> Expr | None:
        return levels.lower(level, g, a)

    return Lowered(_same, down, a, edge, level)


def enter_batch(level: Level, t: Tensor, dim: int) -> Tensor:
    """One example of `t`, whose dimension `dim` is the batch."""

    def f(e: Expr) -> Expr:
        return make_batched(level, move(e, dim, 0))

    def ft(g: Expr) -> Expr:
        return move(physical(level, g), 0, dim)

    return linear(f, ft, t, f(t._read()), level)


def leave_batch(level: Level, t: Tensor, dim: int) -> Tensor:
    """All examples of `t`, in dimension `dim`."""

    def f(e: Expr) -> Expr:
        return move(physical(level, e), 0, dim)

    def ft(g: Expr) -> Expr:
        return make_batched(level, move(g, dim, 0))

    return linear(f, ft, t, f(t._read()), level)


def write_back(t: Tensor, value: Tensor, recorded: bool) -> None:
    """Give a transform's argument the value that its inner form was changed to."""
    previous = STATE.enabled
    STATE.enabled = previous and recorded
    try:
        t.copy_(value)
    finally:
        STATE.enabled = previous


def primal_part(level: Level, t: Tensor) -> Tensor:
    """The value of a tensor without its tangent."""

    def f(e: Expr) -> Expr:
        return dual_parts(level, e)[0]

    def ft(g: Expr) -> Expr:
        return make_dual(level, levels.zeros(g.aval), g)

    return linear(f, ft, t, f(t._read()), level, "Identity" if level.imperative else "AliasBackward0")


def tangent_part(level: Level, t: Tensor) -> Tensor | None:
    """The tangent of a tensor; None when it has none."""

    def f(e: Expr) -> Expr | None:
        return dual_parts(level, e)[1]

    e = f(t._read())
    return None if e is None else linear(f, _same, t, e, level)


class MakeDual(Node):
    """The history of a dual number: the cotangents of value and tangent."""

    def __init__(self, level: Level, a: Aval, edges: list):
        self._seq = next_sequence()
        self.level, self._avals = level, (a,)
        self._lead(edges)

    def _run(self, grads: list, record: bool) -> list:
        g, level = grads[0], self.level
        if level in PASSES.inside:
            return [g, None]

        def value(e: Expr) -> Expr:
            return dual_parts(level, e)[0]

        def tangent(e: Expr) -> Expr | None:
            return dual_parts(level, e)[1]

        def lift(e: Expr) -> Expr:
            return make_dual(level, levels.zeros(e.aval), e)

        return [through(tangent, _same, g, record, level), through(value, lift, g, record, level)]


def dual(level: Level, primal: Tensor, tangent: Tensor) -> Tensor:
    """`primal` with a tangent (of the same shape and dtype) at a level."""
    e = make_dual(level, primal._read(), tangent._read())
    made = Tensor._wrap(e, primal._strides)
    if STATE.enabled and (primal._needs() or tangent._needs()):
        around = levels_of(e) - {level}
        edges = [(_lowered(around, x._read(), x._edge()) if x._needs() else (None, 0)) for x in (primal, tangent)]
        made._grad_fn = named("ViewBackward0", MakeDual)(level, e.aval, edges)
    if level.imperative:
        register(made)
    return made


# --- leaving a forward level -------------------------------------------------------------------------------


def register(t: Tensor) -> None:
    """Remember a tensor that may have tangents of levels entered by `forward_ad`, which end when those are left."""
    e = t._storage.expr
    if isinstance(e, Wrapped):
        for level in levels_of(e):
            if level.imperative and level.active:
                level.tensors.append(weakref.ref(t))


def close(level: Level) -> None:
    """Leave a forward level: tensors keep their values and lose their tangents."""
    for ref in level.tensors:
        t = ref()
        if t is None:
            continue
        node, number = t._grad_fn, t._out_nr
        st = t._storage
        if belongs(level, st.expr):
            st.expr = dual_parts(level, st.expr)[0]
            st.writes += 1
        if node is not None and not (isinstance(node, Linear) and node.level is level):

            def down(e: Expr) -> Expr:
                return dual_parts(level, e)[0]

            def up(g: Expr) -> Expr:
                return make_dual(level, levels.zeros(g.aval), g)

            t._grad_fn, t._out_nr = named(type(node).__name__, Linear)(down, up, t._aval, (node, number), level), 0
    level.tensors.clear()
    level.active = False


MUTATED = (
    "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in extra_args that has more "
    "elements than `self`. This happened due to `other` being vmapped over but `self` not being vmapped over in a vmap. Please try to "
    "use out-of-place operators instead of inplace arithmetic. If said operator is being called inside the PyTorch framework, please "
    "file a bug report instead."
)


def spread_like(e: Expr, t: Tensor) -> None:
    """Give a new tensor a value for every example of the batches that `e` belongs to."""
    value = t._storage.expr
    for v in sorted((v for v in levels_of(e) if v.size is not None), key=lambda v: v.number):
        value = make_batched(v, levels.spread(value, v.size))  # type: ignore[arg-type]
    t._storage.expr, t._aval = value, value.aval


def text(t: Tensor) -> str | None:
    """How a tensor inside transforms prints: a batch whole, a dual number with its tangent; None where nothing is special."""
    e = t._read()
    if isinstance(e, levels.Batched):
        value = repr(Tensor._wrap(e.physical)).replace("\n", "\n    ")
        return f"BatchedTensor(lvl={_depth(e.level)}, bdim=0, value=\n    {value}\n)"
    if isinstance(e, Dual):
        parts = [repr(Tensor._wrap(x)) for x in (e.primal, e.tangent)]
        if not e.level.imperative:
            return f"GradTrackingTensor(lvl={_depth(e.level)}, value=\n    {parts[0]}\n)"
        plain = Tensor._wrap(e.primal)
        plain._grad_fn, plain._requires_grad = t.grad_fn, t._requires_grad
        return plain._text(tangent=parts[1])
    return None


def _depth(level: Level) -> int:
    stack = [v for v in levels.ACTIVE.stack if not v.imperative]
    return stack.index(level) + 1 if level in stack else -2


def without_derivative(t: Tensor) -> Tensor:
    """A new tensor as one that no derivative reaches, backward or forward."""
    t._grad_fn = None
    e = t._storage.expr
    if isinstance(e, Wrapped):
        for level in levels_of(e):
            if level.size is None:
                e = dual_parts(level, e)[0]
        t._storage.expr = e
    return t


def refuse_batched(t: Tensor, message: str) -> None:
    """RuntimeError with this message for a tensor whose values are a batch's."""
    e = t._storage.expr
    if any(v.size is not None for v in levels_of(e)):
        raise RuntimeError(message)


def _batches(e: Expr) -> set[Level]:
    """The batches that a value belongs to itself, its tangents apart."""
    found = set()
    while isinstance(e, (Dual, levels.Batched)):
        if isinstance(e, Dual):
            e = e.primal
        else:
            found.add(e.level)
            e = e.physical
    return found


def check_write(t: Tensor, e: Expr) -> None:
    """Refuse to write a batch into a tensor that is not one; note tensors that get a tangent, which may be a batch."""
    if not _batches(e) <= _batches(t._storage.expr):
        raise RuntimeError(MUTATED)
    if levels.ACTIVE.stack:
        for level in levels_of(e):
            if level.size is None and level.active:
                level.tensors.append(weakref.ref(t))


__all__ = ["MUTATED", "PASSES", "Linear", "close", "dual", "enter_batch", "inside_of", "leave_batch", "lowered", "primal_part", "register",
           "tangent_part", "without_derivative"]  # fmt: skip
