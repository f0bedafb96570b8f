"""Lazy expressions: the graph that a torchish program builds before XLA sees it.

An `Expr` is either a leaf that holds a value (a NumPy or JAX array) or a pending application of a `Spec` (an
operation with its static arguments bound) to other expressions and Python numbers. Making one costs a shape
lookup and an append; values are computed by `torchish.engine.program` when someone looks.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np

from torchish import _dtypes as dt

CPU = "cpu"
TRACED = "traced"  # the device of values that live inside a jax transform: they are computed at once


class Aval:
    """Shape, dtype and device of an array, interned: equal avals are one object, compared by identity."""

    __slots__ = ("shape", "dtype", "device", "ndim", "size", "torch_dtype", "category", "uid", "struct", "single", "__weakref__")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, device: str, uid: int):
        self.shape = shape
        self.torch_dtype = dt.FROM_NP[dtype]
        self.dtype = dtype = self.torch_dtype.np  # one object: a program that was loaded comes with copies
        self.device = device
        self.ndim = len(shape)
        n = 1
        for s in shape:
            n *= s
        if not 0 <= n * dtype.itemsize < 2**63:  # XLA would end the process
            raise RuntimeError(f"Storage size calculation overflowed with sizes={list(shape)}")
        self.size = n
        self.category = self.torch_dtype.category
        self.uid = uid
        self.struct = jax.ShapeDtypeStruct(shape, dtype)
        self.single = (self,)  # the avals of an operation with one result, at hand for its record

    def __repr__(self) -> str:
        return f"{self.dtype.name}{list(self.shape)}@{self.device}"

    def __reduce__(self):
        return aval, (self.shape, self.dtype, self.device)


class AvalTuple:
    """What an operation with several results makes; `projection` picks one."""

    __slots__ = ("avals", "device")

    def __init__(self, avals: tuple[Aval, ...], device: str):
        self.avals = avals
        self.device = device


_avals: dict[tuple, Aval] = {}
# Numbers for avals and specs, each given once: a length or a sum could be read by two threads, and keys of programs be those of others.
_uids = itertools.count(1)


def aval(shape: tuple[int, ...], dtype: np.dtype, device: str = CPU) -> Aval:
    """The interned aval of this shape, dtype and device."""
    a = _avals.get((shape, dtype, device))
    if a is None:
        a = _avals.setdefault((shape, dtype, device), Aval(shape, dtype, device, next(_uids)))
    return a


class Spec:
    """An operation with everything static bound; what two nodes share when only their inputs differ.

    `run(*values)` is the pure function on arrays. `kinds` says what each dynamic argument is: "T" an array,
    "b" "i" "f" "c" a Python number (passed as a 0-d bool/int64/float64/complex128), "N" None, an int n a list of
    n arrays. `stable` is a string that names the computation across processes, or None when there is none.
    """

    __slots__ = ("run", "name", "stable", "uid", "infer_cache", "op", "statics", "kinds", "shape_rule", "memo", "recipe", "alone",
                 "replaces", "arranges", "cut_out", "straight", "calls")  # fmt: skip

    def __init__(self, run: Callable, name: str, stable: str | None = None, op: Any = None, statics: tuple = (),
                 kinds: tuple = (), shape_rule: Callable | None = None, replaces: tuple[int | None, ...] | None = None):  # fmt: skip
        self.run = run
        self.name = name
        self.stable = stable
        self.op = op
        self.statics = statics
        self.kinds = kinds
        self.shape_rule = shape_rule
        self.infer_cache: dict[tuple, Aval | AvalTuple] = {}
        self.arranges = getattr(op, "arranges", False)  # whether it only arranges its input's elements, each of which it keeps
        cut_out = getattr(op, "cut_out", None)
        self.cut_out: Callable | None = cut_out and cut_out(statics)  # see `torchish.engine.parts`
        self.replaces = replaces  # for each of several results, the input that it is the new value of
        # How tensors call it when such a call has been seen (`torchish._tensor.calls`), and the seen ones: their results' avals and tapes.
        self.straight: Callable | None = None
        self.calls: dict[tuple, tuple] = {}
        self.memo: dict = {}  # derived specs (vjp, jvp) by key
        self.recipe: tuple[Callable, tuple] | None = None  # of a derived spec: what another process makes it with
        self.alone = False  # compiled as a program of its own, since it takes long and its neighbours' shapes vary
        self.uid = next(_uids)

    def __repr__(self) -> str:
        return f"<{self.name}{list(self.statics) or ''}>"

    def infer(self, inputs: tuple) -> Aval | AvalTuple:
        """The result's aval for these inputs (the slow path behind `infer_cache`). Raises the operation's errors."""
        device = None
        for x in inputs:
            if type(x) is Expr:
                d = x.aval.device
                if device is None or device == d or (d == TRACED):
                    device = d
                elif device != TRACED:
                    raise MixedDevices(device, d)
        device = device or CPU
        if self.shape_rule is not None:
            shape, dtype = self.shape_rule(*[x.aval if type(x) is Expr else _NUMBER_AVALS[type(x)] for x in inputs])
            return aval(shape, dtype, device)
        args = [struct_of(x) for x in inputs]
        try:
            with jax.enable_x64(True):
                out = jax.eval_shape(self.run, *args)
        except Exception as error:
            # An operation's own complaint: what JAX adds about its hidden frames says nothing to the user.
            error.__notes__ = [n for n in getattr(error, "__notes__", ()) if "JAX" not in n]
            raise explain(error).with_traceback(None) from None
        if isinstance(out, (tuple, list)):
            return AvalTuple(tuple(aval(tuple(o.shape), o.dtype, device) for o in out), device)
        return aval(tuple(out.shape), out.dtype, device)


def explain(error: Exception) -> Exception:
    """An operation's error in PyTorch's words; `torchish.ops.declare`, which knows them, puts its own function here."""
    return error


class MixedDevices(RuntimeError):
    """Inputs on two devices; the tensor layer turns it into PyTorch's message."""

    def __init__(self, a: str, b: str):
        super().__init__(f"Expected all tensors to be on the same device, but found at least two devices, {a} and {b}!")


_NUMBER_STRUCTS = {
    float: jax.ShapeDtypeStruct((), np.dtype(np.float64)),
    int: jax.ShapeDtypeStruct((), np.dtype(np.int64)),
    bool: jax.ShapeDtypeStruct((), np.dtype(np.bool_)),
    complex: jax.ShapeDtypeStruct((), np.dtype(np.complex128)),
}
_NUMBER_AVALS = {
    float: aval((), np.dtype(np.float64)),
    int: aval((), np.dtype(np.int64)),
    bool: aval((), np.dtype(np.bool_)),
    complex: aval((), np.dtype(np.complex128)),
}
_NUMBERS = frozenset(_NUMBER_STRUCTS)


class Expr:
    """A value: a leaf (`value` is set) or the pending `spec(*inputs)`.

    `uses` and `mark` are scratch for the scheduler. `donatable` says that the array was made by one of our own
    programs and has never been handed out, so its buffer may be reused once nothing refers to it.
    """

    __slots__ = ("spec", "inputs", "aval", "value", "uses", "mark", "donatable", "owner", "__weakref__")

    def __init__(self, spec, inputs, aval, value=None, owner=None):
        self.spec = spec
        self.inputs = inputs
        self.aval = aval
        self.value = value
        self.uses = 0
        self.mark = -1
        self.donatable: bool | None = False
        self.owner = owner

    def __repr__(self) -> str:
        return f"Expr({'leaf' if self.value is not None else self.spec}, {self.aval})"


def struct_of(x: Any) -> Any:
    """What JAX traces an expression's value, or a Python number, by; a tuple of that for several results."""
    if type(x) is not Expr:
        return _NUMBER_STRUCTS[type(x)]
    return tuple([a.struct for a in x.aval.avals]) if type(x.aval) is AvalTuple else x.aval.struct


def avals_of(nodes: Iterable[Expr]) -> list[Aval]:
    """Those of all results."""
    return [a for e in nodes for a in (e.aval.avals if type(e.aval) is AvalTuple else (e.aval,))]


def leaf(value: Any, device: str = CPU) -> Expr:
    """An expression that holds `value`, a NumPy or JAX array (or a tracer, whose device is TRACED)."""
    return Expr(None, (), aval(tuple(value.shape), np.dtype(value.dtype), device), value)


PENDING_LIMIT = 2048  # explained in the policy module
WRITE_LIMIT = 32


class Pending(list):
    """The pending expressions of a thread, in the order in which they were made.

    Reads look at all of them only now and then, where much is kept for later (the losses of an episode, say): `settled` at the front
    were kept by an earlier read, `whole` were left when all were last looked at, since when `reads` have not done so.
    """

    __slots__ = ("settled", "whole", "reads")

    def __init__(self):
        self.settled = self.whole = self.reads = 0


class _Local(threading.local):
    def __init__(self):
        self.pending = Pending()
        self.limit = PENDING_LIMIT
        self.writes = 0  # writes through views since the pending list was last run
        self.capture: Any = None  # the recorder of the step that is being captured, see `torchish.engine.capture`


LOCAL = _Local()
EAGER = os.environ.get("TORCHISH_EAGER", "0") not in ("", "0")


def on_overflow() -> None:
    """Called when a thread reaches one of the limits; the policy module sets it."""


def emit(spec: Spec, inputs: tuple) -> Expr:
    """Apply `spec` to expressions and Python numbers, giving a pending expression (or a computed one in eager mode)."""
    return emit_keyed(spec, inputs, tuple([x.aval if type(x) is Expr else type(x) for x in inputs]))


def emit_keyed(spec: Spec, inputs: tuple, key: tuple) -> Expr:
    """`emit` for inputs whose avals (types, for numbers and values inside function transforms) are at hand."""
    out = spec.infer_cache.get(key)
    if out is None:
        for x in inputs:
            if type(x) is not Expr and isinstance(x, Expr):
                return _emit_wrapped(spec, inputs)
        out = spec.infer(inputs)
        spec.infer_cache[key] = out
    if out.device is TRACED:
        return _apply_now(spec, inputs, out)
    return pend(spec, inputs, out)


def pend(spec: Spec, inputs: tuple, out: Aval | AvalTuple) -> Expr:
    """The pending `spec(*inputs)`, whose aval is known (a computed one in eager mode)."""
    if EAGER:
        return _apply_now(spec, inputs, out)
    pending = LOCAL.pending
    e = Expr(spec, inputs, out, None, pending)
    pending.append(e)
    if len(pending) > PENDING_LIMIT and len(pending) > LOCAL.limit:  # which is never lower, and takes longer to look up
        on_overflow()
    return e


def _emit_wrapped(spec: Spec, inputs: tuple) -> Expr:
    from torchish.engine.levels import emit_wrapped  # it is built on this module

    return emit_wrapped(spec, inputs)


def count_write() -> None:
    """A write through a view was recorded."""
    LOCAL.writes += 1
    if LOCAL.writes > WRITE_LIMIT:
        on_overflow()


def emit_multi(spec: Spec, inputs: tuple) -> tuple[Expr, ...]:
    """Like `emit` for an operation with several results."""
    return results_of(emit(spec, inputs))


def results_of(e: Expr) -> tuple[Expr, ...]:
    """The results of an operation with several, each as an expression."""
    if type(e) is not Expr:
        return e.results()  # type: ignore[attr-defined]  # of values inside a function transform
    if e.value is not None:
        return tuple([Expr(None, (), a, v) for v, a in zip(e.value, e.aval.avals, strict=True)])
    return tuple([projection(e, i) for i in range(len(e.aval.avals))])


_PROJECTIONS: list[Spec] = []


def projection_spec(i: int) -> Spec:
    """Picks the i-th of several results."""
    while len(_PROJECTIONS) <= i:
        k = len(_PROJECTIONS)
        _PROJECTIONS.append(Spec(lambda t, k=k: t[k], f"projection{k}", f"projection{k}"))
    return _PROJECTIONS[i]


def projection(node: Expr, i: int) -> Expr:
    """The i-th result of an operation with several."""
    pending = node.owner  # the list of the thread that made the node
    e = Expr(projection_spec(i), (node,), node.aval.avals[i], None, pending)
    pending.append(e)
    return e


def is_projection(spec: Spec) -> bool:
    return spec.name.startswith("projection")


def _apply_now(spec: Spec, inputs: tuple, out: Aval | AvalTuple) -> Expr:
    from torchish.engine.program import force, run_one

    if out.device is TRACED:
        values = []
        with jax.enable_x64(True):
            for x in inputs:
                values.append(force(x) if type(x) is Expr else np.asarray(x, _NUMBER_STRUCTS[type(x)].dtype))
            result = spec.run(*values)
        if isinstance(result, (tuple, list)):
            result = tuple(result)
        return Expr(None, (), out, result)
    return run_one(spec, inputs, out)
