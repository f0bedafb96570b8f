"""One program run again and again: where its inputs come from, and where its results go.

While a function is captured nothing runs. A `Recorder` notes what the graph alone does not tell: random draws, copies of NumPy
memory, numbers that follow from other values. After the function the graph is run as any pending graph is, and a `Replay` is
made of that run: it gathers the inputs anew, calls the compiled program, and stores the results.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import repeat
from operator import attrgetter, is_
from sys import getrefcount
from typing import Any

import jax
import numpy as np

from torchish.engine import program
from torchish.engine.expr import LOCAL, Aval, Expr, leaf
from torchish.engine.program import Run, to_device

_made_by_user = Expr.__init__
_recording = 0
_recording_lock = threading.Lock()


def _noting(self, spec, inputs, aval, value=None, owner=None):
    _made_by_user(self, spec, inputs, aval, value, owner)
    if value is not None and LOCAL.capture is not None:
        LOCAL.capture.made[id(self)] = self


class Recorder:
    """What happens in this thread while a function is captured: used as a context.

    `places` says where the expressions that exist beforehand are found: by id, a tuple that `Replay` understands.
    `on_read(recorder, e)` is called when the value of an expression is asked for on the host.
    """

    def __init__(self, places: dict[int, tuple], views: list, on_read: Callable[[Recorder, Expr], None]):
        self.places = places
        self.views = views  # the arguments that are views: theirs are taken from them, wherever in its base each lies
        self.made: dict[int, Expr] = {}  # leaves made meanwhile: constants, unless something else is noted below
        self.draws: list[Callable[[], tuple]] = []
        self.draws_asked = 0
        self.drawn_at: dict[int, tuple[int, int]] = {}
        self.copies: dict[int, tuple] = {}
        self.counts: list[tuple[Expr, float, Expr]] = []
        self.settings: list[tuple[float, dict, Any, int | None]] = []
        self.checks: list[tuple[Expr, Callable[[Any], None]]] = []
        self.reason: str | None = None  # why the call cannot be run again without the function
        self.abandoned = False
        self._on_read = on_read

    def __enter__(self) -> Recorder:
        global _recording
        with _recording_lock:
            _recording += 1
            Expr.__init__ = _noting  # type: ignore[method-assign]
        self._limit = LOCAL.limit
        LOCAL.limit = 1 << 30  # all is one program
        LOCAL.capture = self
        return self

    def __exit__(self, *exc: Any) -> None:
        global _recording
        LOCAL.capture = None
        LOCAL.limit = self._limit
        LOCAL.writes = 0
        with _recording_lock:
            _recording -= 1
            if not _recording:
                Expr.__init__ = _made_by_user  # type: ignore[method-assign]

    def unrepeatable(self, reason: str) -> None:
        """The function has to run at each call: why."""
        self.reason = self.reason or reason

    def abandon(self) -> None:
        """Go on as if nothing were captured."""
        self.abandoned = True
        self.unrepeatable("it computes with values on the host")
        LOCAL.capture = None
        LOCAL.limit = self._limit

    def host_read(self, e: Expr) -> None:
        """The value of `e` is asked for on the host."""
        if id(e) not in self.made or id(e) in self.drawn_at or id(e) in self.copies:
            self._on_read(self, e)

    def nearest(self, t: Any, base: Expr, chain: tuple) -> tuple[Expr, tuple]:
        """What a view is read from, and by which steps: an argument that it is a view of, or else its base."""
        for given in self.views:
            own = given._chain
            if given._storage is t._storage and given._stamp == t._storage.writes and len(own) < len(chain):
                if all(map(is_, own, chain)):
                    return given._cached, chain[len(own) :]
        return base, chain

    def drawn(self, exprs: tuple[Expr, ...], draw: Callable) -> None:
        """`draw()` gave the values of these leaves."""
        for i, e in enumerate(exprs):
            self.drawn_at[id(e)] = (len(self.draws), i)
        self.draws.append(draw)

    def redrawn(self, old: Expr, new: Expr, f: Callable) -> None:
        """The value of `new` is `f` of the value drawn for `old`."""
        j, i = self.drawn_at[id(old)]
        draw = self.draws[j]
        self.draws[j] = lambda: (f(draw()[i]),)
        self.drawn_at[id(new)] = (j, 0)

    def copied(self, e: Expr, storage: Any, shape: tuple, strides: tuple, offset: int) -> None:
        """The leaf `e` is a copy of NumPy memory."""
        self.copies[id(e)] = ("copy", storage, shape, strides, offset)

    def counted(self, first: Expr, number: float, new: Expr) -> None:
        """`number` is one more than the value of `first`, and the leaf `new` holds it."""
        self.counts.append((first, number, new))

    def setting(self, number: float, container: dict, key: Any, index: int | None = None) -> None:
        """A number (an object of its own) that goes into the program as it is found in `container[key]`, or in that tuple."""
        self.settings.append((number, container, key, index))

    def check(self, e: Expr, f: Callable[[Any], None]) -> None:
        """`f` raises for a value that must not be; what is still to be computed is not checked."""
        if e.value is not None:
            f(e.value)
            if id(e) not in self.made or id(e) in self.drawn_at or id(e) in self.copies:
                self.checks.append((e, f))

    def place(self, e: Expr) -> tuple | None:
        """Where the value of the leaf `e` is found at the next call; None when that is not known."""
        n = id(e)
        if n in self.drawn_at:
            return ("draw", *self.drawn_at[n])
        if n in self.copies:
            return self.copies[n]
        for j, (_, _, new) in enumerate(self.counts):
            if new is e:
                return ("count", j)
        if n in self.made:
            return ("constant", e)
        return self.places.get(n)


class Missing(Exception):
    """A value of a captured run cannot be found again."""


class Replay:
    """A program bound to the places of its inputs.

    Places: ("storage", s, …) the present value of a storage (of each of several, which must agree), ("argument", i) the i-th
    tensor given, ("slot", container, key) the tensor found there, ("copy", s, …) NumPy memory of a storage, or of the i-th
    argument's, ("draw", j, i), ("count", j), ("constant", e).
    """

    def __init__(self, run: Run, recorder: Recorder, settings: list[tuple]):
        """Raises Missing when an input's place is not known."""
        self.program = run.program
        self.device = run.device
        self.nodes = run.program.n_nodes
        self.draws = list(recorder.draws)
        self.storages: list[tuple[int, Any]] = []
        self.given: list[tuple[int, int]] = []
        self.slots: list[tuple[int, dict, Any]] = []
        self.copies: list[tuple[int, Any, tuple]] = []
        self.drawn: list[tuple[int, int, int]] = []
        self.shared: list[tuple] = []  # storages that held one expression
        self.counts: list[tuple[Any, Aval]] = []
        self.checks = [(self._plain(recorder, e), f) for e, f in recorder.checks]
        self.counted: list[tuple[int, int]] = []
        template: list[Any] = [None] * len(run.leaves)
        self.leaf_numbers: dict[int, int] = {}
        for n, e in enumerate(run.leaves):
            if type(e.aval) is not Aval:
                raise Missing("a part of a result is among its inputs")
            self.leaf_numbers[id(e)] = n
            place = self._plain(recorder, e)
            kind = place[0]
            if kind == "storage":
                self.storages.append((n, place[1]))
            elif kind == "argument":
                self.given.append((n, place[1]))
            elif kind == "slot":
                self.slots.append((n, place[1], place[2]))
            elif kind == "copy":
                self.copies.append((n, place[1], place[2:]))
            elif kind == "draw":
                self.drawn.append((n, place[1], place[2]))
            elif kind == "count":
                self.counted.append((n, place[1]))
            else:
                template[n] = e.value if not isinstance(e.value, np.ndarray) else to_device(e.value, run.device)
        for first, _, new in recorder.counts:
            place = self._plain(recorder, first)
            if place[0] != "storage":
                raise Missing("its optimizer counts steps in a tensor that is not kept")
            self.counts.append((place[1], new.aval))
        self.numbers: list[tuple[int, np.ndarray, list, list]] = []
        self.settings: list[tuple[dict, Any, int | None]] = []  # those that are among the numbers
        self._numbers(run, recorder, template, settings)
        self._template = template
        where = dict(self.storages)
        self.donated = [(n, where.get(n)) for n in run.donated]
        self.plain = [s for _, s in self.storages]  # storages that no NumPy array may share

    def _plain(self, recorder: Recorder, e: Expr) -> tuple:
        place = recorder.place(e)
        if place is None:
            raise Missing("it uses a tensor that cannot be reached from the function's variables and arguments")
        if place[0] == "storage" and len(place) > 2:
            self.shared.append(place[1:])
        return place

    def _numbers(self, run: Run, recorder: Recorder, template: list, settings: list) -> None:
        """The vectors of Python numbers: fixed ones, and those with counts or settings in them."""
        vectors: tuple[list, ...] = run.numbers
        for values, d in zip(vectors, (np.float64, np.int64, np.complex128), strict=True):
            if not values:
                continue
            counts = [(i, j) for i, x in enumerate(values) for j, (_, number, _) in enumerate(recorder.counts) if x is number]
            found = [(i, c, k, n) for i, x in enumerate(values) for number, c, k, n in settings if x is number]
            self.settings += [(c, k, n) for _, c, k, n in found]
            vector: np.ndarray = np.array(values, d)
            if counts or found:
                self.numbers.append((len(template), vector, counts, found))
                template.append(None)
            else:
                template.append(to_device(vector, run.device))

    def run(self, given: list, results: list) -> tuple[list, list[Expr], list] | None:
        """(inputs, expressions of the counts, draws), or None when the function has to run instead; `results[0]` are to be the results."""
        for group in self.shared:
            e = group[0].expr
            for s in group:
                if s.expr is not e:
                    return None
        if not all(map(is_, map(_buffer, self.plain), repeat(None))):
            if any(s.is_shared() for s in self.plain):
                return None
        args = self._template.copy()
        for n, s in self.storages:
            v = args[n] = s.expr.value
            if v is None or v.__class__ is np.ndarray:
                args[n] = _on_device(s.expr, self.device)
        for n, i in self.given:
            args[n] = _argument(given[i]._read(), self.device)
        for n, c, k in self.slots:
            args[n] = _on_device(c[k]._storage.expr, self.device)
        for n, s, geometry in self.copies:
            if (v := _copy(s, geometry, given)) is None:
                return None
            args[n] = v
        try:
            for place, f in self.checks:
                f(self._look(place, given))
        except Exception:  # the function raises it at the right place
            return None
        counts, made = [], []
        for s, a in self.counts:
            count = float(s.expr.value) + 1.0
            counts.append(count)
            made.append(Expr(None, (), a, np.asarray(count, a.dtype)))
        for n, j in self.counted:
            args[n] = made[j].value
        for n, vector, numbered, found in self.numbers:
            vector = vector.copy()
            for i, j in numbered:
                vector[i] = counts[j]
            for i, c, k, index in found:
                vector[i] = c[k] if index is None else c[k][index]
            args[n] = vector
        v = None
        if self.donated:
            self._own(args)
        draws = [draw() for draw in self.draws]
        for n, j, i in self.drawn:
            args[n] = draws[j][i]
        self.program.launch(args, results)
        stats = program.STATS
        stats.runs += 1
        stats.nodes += self.nodes
        return args, made, draws

    def _look(self, place: tuple, given: list) -> Any:
        kind = place[0]
        if kind == "argument":
            return given[place[1]]._read().value
        if kind == "storage":
            return place[1].expr.value
        if kind == "slot":
            return place[1][place[2]]._storage.expr.value
        if kind == "copy":
            return _copy(place[1], place[2:], given)
        return np.zeros((1,), np.int64)  # drawn anew: in range by its draw

    def _own(self, args: list) -> None:
        """Inputs that the program takes over must belong to nobody else: what does is copied."""
        for n, s in self.donated:
            # references: the storage, getrefcount's argument; the expression, `args`, getrefcount's argument
            if s is None or not s.expr.donatable or getrefcount(s.expr) > 2 or getrefcount(args[n]) > 3:
                with jax.enable_x64(True):
                    args[n] = jax.numpy.array(args[n], copy=True)


_buffer = attrgetter("buffer")


def _on_device(e: Expr, device: str) -> Any:
    """The value of `e` as an array of the device, where it stays."""
    v = program.force(e)
    if isinstance(v, np.ndarray):
        v = e.value = to_device(v, device)
    return v


def _argument(e: Expr, device: str) -> Any:
    """The value of an argument: a host array is passed as it is the first time, and brought to the device the second."""
    v = e.value
    if v is None:
        v = program.force(e)
    if v.__class__ is np.ndarray:
        if e.donatable is None:
            e.donatable = False
            return _on_device(e, device)
        e.donatable = None
    return v


def _copy(s: Any, geometry: tuple, given: list) -> np.ndarray | None:
    """A copy of memory that a NumPy array shares; None when none does any more."""
    s = given[s]._storage if type(s) is int else s
    return s.snapshot(*geometry).value if s.is_shared() else None


def assign(s: Any, value: Any, writes: int) -> None:
    """Give a storage the array that a program made."""
    e = s.expr
    if getrefcount(e) == 3 and e.value is not None:  # the storage, the local name, getrefcount's argument
        e.value = value
        e.donatable = True
    else:
        s.expr = made_leaf(e.aval, value)
    s.writes += writes


def made_leaf(a: Aval, value: Any) -> Expr:
    """An expression that holds an array which a program made."""
    e = Expr(None, (), a, value)
    e.donatable = True
    return e


__all__ = ["Missing", "Recorder", "Replay", "assign", "leaf", "made_leaf"]
