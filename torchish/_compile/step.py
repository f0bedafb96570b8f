"""`Step`: a function as captured programs, one for each way its arguments and surroundings can be."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable
from sys import getrefcount
from typing import Any

import numpy as np

from torchish._compile import errors
from torchish._compile.arguments import Call, Special, inactive, modes
from torchish._compile.guards import Changes, Guards, Snapshot, Unstable
from torchish._compile.results import Fresh, Slot, is_live, plan, tensors_in
from torchish._compile.walk import Walk
from torchish._dynamo.exc import Unsupported
from torchish._tensor.generator import default_generator
from torchish._tensor.tensor import Tensor
from torchish.engine.capture import Missing, Recorder, Replay, assign, made_leaf
from torchish.engine.expr import LOCAL, Aval, Expr, leaf
from torchish.engine.program import LOCK, Run, evaluate_all, force, run_pending
from torchish.nn.modules import _hooks
from torchish.optim import optimizer

MOST = 64  # captures kept for each function
ATTEMPTS, MOST_USELESS = 8, 64  # captures in a row that were of no use, of one key and of all, after which they become rare
MOST_KEYS = 1024


# What every module and optimizer calls.
HOOKS = tuple(v for space in (vars(_hooks), vars(optimizer)) for k, v in space.items() if k.startswith("_global_") and isinstance(v, dict))


class Step:
    """Calls of `f`: the first ones are captured, later ones run the captured program."""

    def __init__(self, f: Callable):
        self.f = f
        self.captures: OrderedDict[Any, Capture] = OrderedDict()
        self.by_key: dict[tuple, list[Capture]] = {}
        self.names: set[str] = set()
        self.attempts: dict[tuple, int] = {}  # by key, captures since a captured program was last run
        self.useless = 0  # the same for all keys
        self.reason: str | None = None  # why the last captured call cannot be repeated
        self.replays = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if inactive():
            return self.f(*args, **kwargs)
        try:
            call = Call(args, kwargs)
            known = self.by_key.get(call.key)
        except (Special, TypeError):
            return self.f(*args, **kwargs)
        if known:
            if LOCAL.pending:
                evaluate_all()
            with LOCK:
                for capture in known:
                    if capture.holds(call):
                        done, result = capture.run(call)
                        if done:
                            self.replays += 1
                            if self.useless:
                                self.useless = 0
                                self.attempts.pop(call.key, None)
                            return result
        if self._tired(call.key):
            return self.f(*args, **kwargs)
        return self._capture(call, args, kwargs)

    def _tired(self, key: tuple) -> bool:
        """Whether to skip a capture: after some that were of no use only each 64th call is one."""
        if len(self.attempts) > MOST_KEYS:
            self.attempts.clear()
        n = self.attempts[key] = self.attempts.get(key, 0) + 1
        self.useless += 1
        return (n > ATTEMPTS or self.useless > MOST_USELESS) and self.useless % 64 != 0

    def _capture(self, call: Call, args: tuple, kwargs: dict) -> Any:
        """Call `f` with nothing run until its end, then run all as one program, and keep what it takes to run that again."""
        evaluate_all()
        for t in call.tensors:
            if t._chain:
                force(t._read())
        start = Walk(self.names, (self.f, *HOOKS, *call.objects))
        places = _places(start, call)
        snapshot: Snapshot | None = Snapshot(start, call.tensors)
        before = [(t._storage, t._storage.writes, t._vc, t._vc.version) for t in (*start.tensors, *call.tensors)]
        streams = _host_streams()
        generator, mode = default_generator.get_state(), modes()
        recorder = Recorder(places, [t for t in call.tensors if t._chain], _refuse)
        try:
            with recorder:
                result = self.f(*args, **kwargs)
                if not recorder.abandoned:
                    returned = tensors_in(result)
                    live = any(is_live(t._grad_fn) for t in returned)
                    if not live:
                        for t in returned:
                            t._read()
        except Unsupported:
            if snapshot is not None:
                snapshot.restore()
            default_generator.set_state(generator)
            raise
        snapshot = None
        if recorder.abandoned or live:
            self.attempts[call.key] = ATTEMPTS
            self.reason = recorder.reason or "it returns a tensor whose gradient is still to be computed"
            return result
        run, complete = run_pending()
        try:
            if recorder.reason is not None or not complete or run is None:
                raise Unstable(recorder.reason or "it computes nothing, or on several devices")
            if recorder.draws_asked != len(recorder.draws):
                raise Unstable("it draws random numbers in a way that cannot be repeated")
            if streams != _host_streams() or mode != modes():
                raise Unstable("it uses random numbers of Python's or NumPy's, or changes a setting")
            end = Walk(self.names, (self.f, *HOOKS, *call.objects))
            capture = Capture(call, start, end, before, recorder, run, result)
        except (Unstable, Missing) as e:
            self.reason = str(e)
            return result
        self.reason = None
        self._keep(capture)
        return result

    def _keep(self, capture: Capture) -> None:
        with LOCK:
            self.captures[id(capture)] = capture
            self.by_key.setdefault(capture.key, []).insert(0, capture)
            while len(self.captures) > MOST:
                _, old = self.captures.popitem(last=False)
                left = [c for c in self.by_key[old.key] if c is not old]
                if left:
                    self.by_key[old.key] = left
                else:
                    del self.by_key[old.key]


def _host_streams() -> tuple:
    """Where Python's and NumPy's own random numbers stand."""
    _, words, *rest = np.random.get_state()
    return random.getstate(), np.asarray(words).tobytes(), rest


def _refuse(recorder: Recorder, e: Expr) -> None:
    """A value is looked at while capturing: PyTorch's error, or (inside an operation) an end of the capture."""
    error = errors.looked_at()
    if error is not None:
        raise error
    recorder.abandon()


def _places(start: Walk, call: Call) -> dict[int, tuple]:
    """Where the present values of what is reachable are found, by the id of their expression."""
    storages: dict[int, list] = {}
    tensors = {id(t) for t in call.tensors}
    for t in start.tensors:
        if t._chain:
            t._stamp = -1  # views are taken anew inside the program
        if id(t) not in tensors:
            found = storages.setdefault(id(t._storage.expr), [])
            if all(s is not t._storage for s in found):
                found.append(t._storage)
    places: dict[int, tuple] = {n: ("storage", *found) for n, found in storages.items()}
    given = {id(t._storage) for t in call.tensors}
    for i, t in enumerate(call.tensors):
        n = id(t._cached) if t._chain else id(t._storage.expr)
        # values that two tensors have in common could come from either later
        clash = n in places or len(given) < len(call.tensors)
        places[n] = ("clash",) if clash else ("argument", i)
    return places


class Capture:
    """One captured call: when it may be run again, and what to do then."""

    def __init__(self, call: Call, start: Walk, end: Walk, before: list, recorder: Recorder, run: Run, result: Any):
        """Raises Unstable or Missing when the call cannot be repeated."""
        changes = Changes(start, end)
        self.key = call.key
        self.objects = call.objects  # their ids are in the key
        self._alone = {id(t._storage) for t in start.tensors if id(t) not in changes.old}
        if any(id(t._storage) in self._alone for t in call.tensors):
            raise Unstable("an argument shares memory with a tensor that the function refers to")
        slots: dict[int, tuple] = {}
        for c, k, old, _ in changes.replaced:
            slots[id(old._storage)] = ("slot", c, k)
        for n, place in recorder.places.items():
            if place[0] == "clash":
                recorder.places[n] = ("",)
            elif place[0] == "storage" and id(place[1]) in slots:
                recorder.places[n] = slots[id(place[1])] if len(place) == 2 else ("",)
        for e in (*run.leaves, *(e for e, _ in recorder.checks)):
            if recorder.place(e) == ("",):
                raise Missing("two of its tensors have one value in common")
        given = {id(t._storage): i for i, t in enumerate(call.tensors)}
        for n, place in recorder.copies.items():
            recorder.copies[n] = ("copy", given.get(id(place[1]), place[1]), *place[2:])
        settings = [] if "param_groups" in start.names else recorder.settings
        self._replay = Replay(run, recorder, settings)
        self._guards = Guards(changes.fixed, start, self._replay.settings)
        self._codes = {id(e): n for n, e in enumerate(run.outputs)}
        self._counts = {id(new): j for j, (_, _, new) in enumerate(recorder.counts)}
        self._recorder: Recorder | None = recorder
        self._bind_writes(call, changes, before)
        self._bind_slots(changes)
        self._bind_result(call, start, changes, result)
        _account(run, [*end.tensors, *call.tensors, *tensors_in(result)])
        self._recorder = None
        del self._codes, self._counts
        self._replay.plain += [s for s, _, _ in self._stores]

    # --- where results go ---

    def _code(self, e: Expr) -> Any:
        """How `e` is found after a run: the number of a result, ~ the number of an input, a count, a constant."""
        n = id(e)
        if n in self._codes:
            return self._codes[n]
        if n in self._counts:
            return ("count", self._counts[n])
        if n in self._replay.leaf_numbers:
            return ~self._replay.leaf_numbers[n]
        if self._recorder is not None and n in self._recorder.drawn_at:
            j, i = self._recorder.drawn_at[n]
            return ("draw", j, i)
        if self._recorder is not None and n in self._recorder.made and n not in self._recorder.copies:
            return ("constant", e)
        raise Unstable("it stores a value that is not its program's")

    def _bind_writes(self, call: Call, changes: Changes, before: list) -> None:
        """Storages that were there before and have another value now, and version counters that moved."""
        self._stores: list[tuple[Any, Any, int]] = []
        self._given_stores: list[tuple[int, Any, int, int]] = []
        self._versions: list[tuple[Any, int]] = []
        replaced = {id(t._storage) for _, _, t, _ in changes.replaced}
        first = len(before) - len(call.tensors)
        seen: set[int] = set()
        counted: set[int] = set()
        for n, (st, writes, counter, version) in enumerate(before):
            if n >= first:
                if st.writes != writes or counter.version != version:
                    t = call.tensors[n - first]
                    if t._chain or st.buffer is not None:
                        raise Unstable("it writes into a view, or into NumPy's memory, that it is given")
                    self._given_stores.append((n - first, self._code(st.expr), st.writes - writes, counter.version - version))
                continue
            if id(st) not in seen and st.writes != writes:
                if id(st) in replaced:
                    raise Unstable("it writes to a tensor that it replaces")
                if st.buffer is not None:
                    raise Unstable("it writes into NumPy's memory")
                self._stores.append((st, self._code(st.expr), st.writes - writes))
            if id(counter) not in counted and counter.version != version:
                self._versions.append((counter, counter.version - version))
            seen.add(id(st))
            counted.add(id(counter))

    def _bind_slots(self, changes: Changes) -> None:
        self._slots: list[Slot] = []
        self._made: dict[int, Slot] = {}
        places: dict[int, int] = {}
        for _, _, _, t in changes.replaced:
            places[id(t._storage)] = places.get(id(t._storage), 0) + 1
        for c, k, _, t in changes.replaced:
            code = self._code(t._storage.expr)
            if type(code) is not int or code < 0:
                raise Unstable("it puts in a place a tensor that it did not compute")
            if places[id(t._storage)] > 1:
                raise Unstable("it puts one tensor in several places")
            slot = Slot(c, k, Fresh(t, code, id(t._storage)), True)
            self._slots.append(slot)
            self._made[id(t)] = slot

    def _bind_result(self, call: Call, start: Walk, changes: Changes, result: Any) -> None:
        own = {id(t): t for t in start.tensors if id(t) not in changes.old}
        given = {id(t): i for i, t in enumerate(call.tensors)}
        known = self._alone | {id(t._storage) for t in call.tensors} | {id(s.container[s.key]._storage) for s in self._slots}

        def bind(t: Tensor) -> Callable[[Any], Any]:
            if id(t) in own:
                return lambda ready: t
            if id(t) in given:
                i = given[id(t)]
                return lambda ready: ready[0][i]
            if id(t) in self._made:
                slot = self._made[id(t)]
                slot.alone = False
                return lambda ready: slot.container[slot.key]
            if id(t._storage) in known:
                raise Unstable("it returns a view of a tensor that it refers to")
            fresh = Fresh(t, self._code(t._storage.expr), id(t._storage))
            value_of = self._value_of
            return lambda ready: fresh.make(value_of(fresh.code, ready), ready[4])

        self._result = plan(result, bind)

    # --- the next calls ---

    def holds(self, call: Call) -> bool:
        """Whether everything is as it was when the call was captured."""
        if call.tensors:
            storages = {id(t._storage) for t in call.tensors}
            if len(storages) < len(call.tensors) or not storages.isdisjoint(self._alone):
                return False
        if not self._guards.hold():
            return False
        return all(slot.fits() for slot in self._slots)

    def _value_of(self, code: Any, ready: tuple) -> Any:
        """The value for a code, an array or (not to be written to) an expression."""
        if type(code) is int:
            if code >= 0:
                return ready[2][code]
            return leaf(ready[1][~code], self._replay.device)
        if code[0] == "count":
            return ready[3][code[1]]
        if code[0] == "draw":
            return leaf(ready[5][code[1]][code[2]], self._replay.device)
        return code[1]

    def run(self, call: Call) -> tuple[bool, Any]:
        """Run the program on this call: (True, what the function returns), or (False, None) when the function has to run."""
        launched: list = []
        try:
            return self._run(call, launched)
        except BaseException:
            if launched:  # interrupted: what the program took over is gone, so what it made takes its place
                results = self._replay.program.arranged(launched[0])
                for st, code, _ in self._stores:
                    if code.__class__ is int and code >= 0:
                        assign(st, results[code], 0)
                for slot in self._slots:
                    slot.put(results[slot.fresh.code], {})
            raise

    def _run(self, call: Call, launched: list) -> tuple[bool, Any]:
        got = self._replay.run(call.tensors, launched)
        if got is None:
            return False, None
        args, counts, draws = got
        results = self._replay.program.arranged(launched[0])
        made: dict[int, Any] = {}
        ready = (call.tensors, args, results, counts, made, draws)
        for st, code, writes in self._stores:
            if code.__class__ is int and code >= 0:
                assign(st, results[code], writes)
            else:
                st.expr = _expr(self._value_of(code, ready), st.expr.aval)
                st.writes += writes
        for counter, n in self._versions:
            counter.version += n
        for i, code, writes, n in self._given_stores:
            t = call.tensors[i]
            t._storage.expr = _expr(self._value_of(code, ready), t._storage.expr.aval)
            t._storage.writes += writes
            t._vc.version += n
        for slot in self._slots:
            slot.put(results[slot.fresh.code], made)
        return True, self._result(ready)


def _account(run: Run, tensors: list[Tensor]) -> None:
    """Raise Unstable when a result of the program is kept by something other than these tensors: no later call would renew it."""
    held: dict[int, int] = {}
    for n in [id(st.expr) for st in {id(t._storage): t._storage for t in tensors}.values()]:
        held[n] = held.get(n, 0) + 1
    for n in [id(t._cached) for t in {id(t): t for t in tensors}.values()]:
        held[n] = held.get(n, 0) + 1
    for i in range(len(run.outputs)):
        e = run.outputs[i]
        # references: the run's list, the local name, getrefcount's argument
        if type(e.aval) is not Aval or getrefcount(e) - 3 > held.get(id(e), 0):
            raise Unstable("something that cannot be reached from it keeps a value that it computes")


def _expr(value: Any, a: Any) -> Expr:
    return value if type(value) is Expr else made_leaf(a, value)


__all__ = ["Step"]
