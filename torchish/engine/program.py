"""From a pending graph to one compiled XLA program.

`evaluate` takes the pending list of a thread, keeps what is needed, writes it in canonical form (a flat tuple of
small integers: operations, input positions, leaf avals, which results are kept, which buffers may be reused),
looks the form up, compiles it when it is new, and runs it.

Which results are kept is decided by Python itself: an expression is an output when something besides the graph
refers to it, which its reference count tells. The same count says when an input buffer is dead and can be donated.
"""

from __future__ import annotations

import contextlib
import functools
import math
import operator
import re
import threading
import time
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import starmap
from sys import getrefcount
from typing import Any, NamedTuple

import jax
import numpy as np

from torchish.engine import disk_cache, drafts, parts, pieces
from torchish.engine.compiling import QUICK_CODE, any_small_floats, compile_lowered
from torchish.engine.devices import jax_device
from torchish.engine.donation import takeovers
from torchish.engine.expr import CPU, LOCAL, TRACED, Aval, AvalTuple, Expr, Pending, Spec, aval, avals_of
from torchish.engine.process_memory import is_crowded
from torchish.engine.rounding import Rounding, rounding, zero

LOCK = threading.RLock()
CACHE_SIZE = 1024
LOOK_EVERY = 32  # programs between two looks at the mappings, which take some 10 ms

FORK_WARNING = r"os\.fork\(\) was called"  # JAX's; forked processes compute elsewhere (see `remote`)

# Codes of Python numbers in a canonical key; leaves are encoded as ~position, nodes as position.
_NUMBER_CODE = {float: 1 << 40, int: 2 << 40, bool: 3 << 40, complex: 4 << 40}


class Program:
    """One compiled canonical graph and how often it ran."""

    __slots__ = ("call", "arrange", "takes", "constants", "n_nodes", "runs", "ops", "out_avals", "draft_runs", "__weakref__")

    def __init__(self, call, arrange, takes, constants, n_nodes, ops, out_avals, draft_runs):
        self.call = call
        self.arrange = arrange  # from the order of its results to that of the graph's, where they differ
        self.takes = takes  # the leaves whose memory it takes over, by number
        self.constants = constants  # its last arguments
        self.n_nodes = n_nodes
        self.runs = 0
        self.ops = ops
        self.out_avals = out_avals
        self.draft_runs = draft_runs  # how often it serves, if it is a draft

    def launch(self, args: list, made: list, only_jax: bool = False) -> None:
        """Run it, its results to be `made[0]`; `only_jax`: no argument is NumPy's, whose 64-bit types JAX has to be told to keep.

        That is one step as far as interrupts from the keyboard go: Python looks for those between its own instructions, so they come
        before the program has taken over any memory, or when its results are there (from the second run on: the first one goes
        through JAX's Python).
        """
        args += self.constants
        if only_jax:
            made.extend(starmap(self.call, (args,)))
        else:
            with jax.enable_x64(True):
                made.extend(starmap(self.call, (args,)))
        if not self.runs:
            self.call = getattr(self.call, "_call", None) or self.call
        self.runs += 1

    def arranged(self, results: list) -> list:
        """The results in the order of the graph's."""
        return results if self.arrange is None else self.arrange(results)


class Makeshift:
    """A program that serves the first runs of a graph, in which nothing more is compiled: a draft, or one of a graph that is the same but
    for what it could take over.

    The second step of a loop works on what the first has made, whose memory is free to be taken; the first step's was the user's.
    """

    __slots__ = ("program", "patience")

    def __init__(self, program: Program, patience: int):
        self.program = program
        self.patience = patience

    def take_turn(self) -> bool:
        """Count a run; False if it has had all of its own."""
        self.patience -= 1
        return self.patience >= 0


class Statistics:
    """Counters of the engine: programs compiled and run, nodes executed."""

    compiled = 0
    loaded = 0
    runs = 0
    nodes = 0


STATS = Statistics()
CACHE: OrderedDict[tuple, Program | Makeshift | pieces.Pieces] = OrderedDict()
_ALIKE: weakref.WeakValueDictionary[tuple, Program] = weakref.WeakValueDictionary()  # by keys that do not say what may be taken over
# Observers of runs (the profiler): called with (program, start_ns, end_ns).
ON_RUN: list = []
# In a forked process, where JAX must not run: what runs programs elsewhere (see `torchish.engine.remote`).
REMOTE: Callable | None = None


def force(e: Expr) -> Any:
    """The value of `e` as an array (NumPy or JAX; a tracer inside jax transforms), computing it when pending."""
    if LOCAL.capture is not None:
        LOCAL.capture.host_read(e)
    if e.value is None:
        evaluate(e)
    return e.value


def force_jax(e: Expr) -> Any:
    """The value of `e` as a JAX array on its device."""
    v = force(e)
    if isinstance(v, np.ndarray | np.generic):
        v = to_device(v, e.aval.device)
        e.value = v
    return v


def to_device(v: np.ndarray | np.generic, device: str):
    """Copy a host array to a device, keeping 64-bit types, outside of any surrounding jax trace."""
    if device == "meta":
        return _blank(v)
    if REMOTE is not None and not device.startswith("cpu"):
        raise RuntimeError(
            "Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you must use the "
            "'spawn' start method"
        )
    with jax.enable_x64(True), jax.ensure_compile_time_eval():
        return jax.device_put(v, jax_device(device))


def evaluate_all() -> None:
    """Run everything pending in this thread that something still refers to (not while a step is captured, which is one program)."""
    if LOCAL.capture is not None:
        return
    pending = LOCAL.pending
    while pending:
        before = len(pending)
        views = _evaluate(pending, None)
        if len(pending) >= before or len(pending) == views:  # only other devices' graphs, or views, were left untouched
            break


def evaluate(root: Expr) -> None:
    """Compute `root` and what it depends on; other pending expressions stay pending."""
    if type(root) is not Expr:
        root.compute()  # type: ignore[attr-defined]  # a value inside a function transform
        return
    with LOCK:
        if root.value is None:
            if root.owner is None:
                raise RuntimeError("torchish: an expression was lost before it was computed")
            _evaluate(root.owner, root)


def _evaluate(pending: Pending, root: Expr | None) -> int:
    """Run what `_select` chooses; how many views it leaves for whoever needs them."""
    with LOCK:
        try:
            nodes, keep, views, device, start = _select(pending, root)
            if views:
                with _kept_pending(views):
                    _run(nodes, device)
            elif nodes:
                _run(nodes, device)
        except BaseException:
            _reset(pending)
            raise
        if views:
            stay = {id(e) for e in (*keep, *views) if e.value is None}
            keep = [e for e in pending[start:] if id(e) in stay]
        _keep(pending, start, keep)
        if not pending and pending is LOCAL.pending:
            LOCAL.writes = 0
        return len(views)


def _keep(pending: Pending, start: int, nodes: list[Expr]) -> None:
    """What is left of the pending list, all of which from `start` on was looked at."""
    pending[start:] = nodes
    pending.settled = len(pending)
    if start:
        pending.reads += 1
    else:
        pending.whole, pending.reads = len(pending), 0


def _reset(nodes: Pending) -> None:
    """Forget a run that failed or was interrupted, also while it was chosen: what is pending stays so, unmarked."""
    for e in nodes:
        e.mark, e.uses = -1, 0
        for x in e.inputs or ():
            if type(x) is Expr:
                x.mark, x.uses = -1, 0
    nodes[:] = [e for e in nodes if e.spec is not None]  # not those that were dead, or are computed
    nodes.settled = nodes.whole = 0


_FEW = 64  # pending expressions
_READS = 64


def _settled(pending: Pending) -> int:
    """How much at the front of the pending list a read may leave unseen, if it needs nothing of it.

    What has died there holds on to its inputs until all are looked at: when there are twice as many, or after so many reads.
    """
    n = len(pending)
    return pending.settled if _FEW < n <= 2 * pending.whole and pending.reads < _READS else 0


def _select(pending: Pending, root: Expr | None, leave_views: bool = True):
    """Split the pending list, from some position on, into the nodes to run (in creation order, marked) and those that stay.

    A node runs when it is the root, or feeds one that runs, or (with no root) when anything outside the graph
    refers to it. Dead nodes release their inputs at once, so that the counts of earlier nodes are exact. Views that run
    but are also kept for later (for a gradient, mostly) are no results of the program when what they are views of is there
    anyway: they stay pending too.
    """
    if root is not None:
        root.mark = -2
    run: list[Expr] = []
    keep: list[Expr] = []
    views: list[Expr] = []
    device = root.aval.device if root is not None else None
    i = len(pending)
    settled = _settled(pending) if root is not None else 0
    missing = 1  # nodes that are wanted and have not been met yet, the root first (or those without a root)
    x: Any
    while i and (missing or i > settled):
        i -= 1
        e = pending[i]
        if e.value is not None or e.inputs is None:
            continue
        if e.uses or e is root:
            missing -= 1
        # references: the pending list, the local name, getrefcount's argument, and the inputs of nodes that run
        external = getrefcount(e) - 3 - e.uses
        if e.mark == -2:
            external = 1 if e is not root else max(external, 1)
        wanted = e.uses or e is root or (root is None and external > 0)
        if wanted and device is not None and e.aval.device != device and not e.uses and e is not root:
            wanted = False  # another device's graph: its own program
        if not wanted:
            if external <= 0:
                e.inputs = None  # dead: nothing will ever ask
                e.spec = None
            else:
                keep.append(e)
            continue
        if device is None:
            device = e.aval.device
        e.mark = 1 if (external > 0) else 0
        run.append(e)
        if leave_views and external > 0 and e.uses and e is not root and e.spec.arranges:
            views.append(e)
        for x in e.inputs:
            if type(x) is Expr:
                if x.value is None and x.owner is not pending:
                    _evaluate(x.owner, x)  # made by another thread: its value becomes a leaf here
                if x.value is None and not x.uses:
                    missing += 1
                x.uses += 1
        x = None  # or it would count as a reference to the last input
    run.reverse()
    keep.reverse()
    if views:
        views = [e for e in views if _leave(e.inputs[0], e)]
    return run, keep, views, device, i


def _leave(base: Expr, view: Expr) -> bool:
    """Make a view that runs no result of the program, if what it is a view of is known or will be."""
    if base.value is None and base.mark != 1:
        return False
    view.mark = 0
    base.uses -= 1  # from now on an input of something outside
    return True


def _blank(a: Any) -> np.ndarray:
    """Zeros of an array's or an aval's shape and type, which take no memory: the value of a meta tensor."""
    return np.broadcast_to(np.zeros((), a.dtype), a.shape)


def without_data(shape: tuple, dtype: Any) -> Expr:
    """The leaf of a meta tensor."""
    a = aval(shape, dtype, "meta")
    return Expr(None, (), a, _blank(a))


def _settle(nodes: list[Expr]) -> None:
    """Give meta tensors, which are shapes only, zeros that take no memory as their values: nobody reads those."""
    for e in nodes:
        a = e.aval
        blanks = [_blank(b) for b in (a.avals if type(a) is AvalTuple else (a,))]
        e.value = tuple(blanks) if type(a) is AvalTuple else blanks[0]
    _release(nodes)


def _release(nodes: Iterable[Expr]) -> None:
    """Let computed nodes go of what they were made of."""
    for e in nodes:
        e.inputs = ()
        e.spec = e.owner = None
        e.uses = 0
        e.mark = -1


def _run(nodes: list[Expr], device: str, whole: bool = False, exact: bool = False) -> Run | None:
    """Write the canonical key of `nodes`, find or build its program, run it and store the results.

    None when another process ran it, or it ran in pieces, which it does not when asked for as a whole; `exact`: nor by a program that
    takes over less than it could.
    """
    if device == "meta":
        _settle(nodes)
        return None
    if nodes[-1].spec.cut_out is not None and not whole and device == CPU and parts.are_known(nodes):
        _copy_parts(nodes)
        return None
    key: list = [device]
    add = key.append
    leaves: list[Expr] = []
    floats: list[float] = []
    ints: list[int] = []
    complexes: list[complex] = []
    outputs: list[Expr] = []
    position = 0
    for e in nodes:
        add(e.spec.uid)
        for x in e.inputs:
            if type(x) is Expr:
                if x.value is None:
                    add(x.mark)
                else:
                    if x.mark >= -1:
                        leaves.append(x)
                        x.mark = -2 - len(leaves)
                    add(x.mark)
            else:
                code = _NUMBER_CODE[type(x)]
                add(code)
                if code == 1 << 40:
                    floats.append(x)
                elif code == 4 << 40:
                    complexes.append(x)
                else:
                    ints.append(x)
        if e.mark:
            outputs.append(e)
            add(-1)
        e.mark = position
        position += 1
    donated = []
    x = None
    end = len(key)
    for n in range(len(leaves)):  # no enumerate: its tuple would hold one more reference
        x = leaves[n]
        a = x.aval
        add(a.uid if type(a) is Aval else tuple(b.uid for b in a.avals))
        # references: `leaves`, the local name, getrefcount's argument, the inputs; the array: the leaf, the argument
        if x.donatable and getrefcount(x) - 3 - x.uses <= 0 and getrefcount(x.value) <= 2:
            donated.append(n)
            add(-1)
        x.mark = -1
    cache_key = tuple(key)
    if REMOTE is not None:
        REMOTE(cache_key, nodes, leaves, outputs, (floats, ints, complexes), device)
        return None
    program = CACHE.get(cache_key)
    makeshift = None
    if type(program) is not Program:
        x = None
        if program is None and not exact:
            program = _lent(cache_key, _alike(key[:end], leaves), donated)
        if type(program) is Makeshift and not exact and program.take_turn():
            makeshift = program
            program = program.program
        if not whole and (program is None or type(program) is pieces.Pieces):
            how = program if type(program) is pieces.Pieces else pieces.plan(nodes, outputs)
            if how is not None:
                CACHE[cache_key] = how
                CACHE.move_to_end(cache_key)  # it holds the programs of its pieces
                if how.take_turn():
                    _run_pieces(nodes, leaves, how, device, donated)
                    return None
    lasting = isinstance(program, Program)
    if isinstance(program, Program):
        CACHE.move_to_end(cache_key)
    else:
        soon = device == CPU and not exact and type(program) is not Makeshift and drafts.wanted()
        ran = program.runs if type(program) is pieces.Pieces else 0
        program = _build(nodes, leaves, outputs, donated, device, (len(floats), len(ints), len(complexes)), ran if soon else None)
        pieces.learn(nodes)
        _ALIKE[_alike(key[:end], leaves)] = program
        CACHE[cache_key] = Makeshift(program, program.draft_runs) if program.draft_runs else program
        _make_room()
    x = None
    _launch(program, nodes, leaves, outputs, (floats, ints, complexes), device)
    return Run(program, leaves, donated, outputs, (floats, ints, complexes), device, lasting, makeshift)


def _launch(program: Program, nodes: list[Expr], leaves: list[Expr], outputs: list[Expr], numbers: Sequence[list], device: str) -> None:
    """Run a program on the values of the leaves and store the results."""
    args: list = []
    floats, ints, complexes = numbers
    only_jax = not (floats or ints or complexes)
    x: Any
    for x in leaves:
        v = x.value
        x.uses = 0
        if type(v) is tuple:
            args.extend(v)
        else:
            if type(v) is np.ndarray:
                # A small host array is cheapest passed as it is, if it is used once.
                if x.donatable is None or v.nbytes > 4096:
                    v = x.value = to_device(v, device)
                    x.donatable = False
                else:
                    x.donatable = None
                    only_jax = False
            elif isinstance(v, (np.ndarray, np.generic)):
                only_jax = False
            args.append(v)
    if floats:
        args.append(np.array(floats, np.float64))
    if ints:
        args.append(np.array(ints, np.int64))
    if complexes:
        args.append(np.array(complexes, np.complex128))
    v = x = None
    start = time.perf_counter_ns() if ON_RUN else 0
    made: list = []
    try:
        program.launch(args, made, only_jax)
        del args
        _finish(program, nodes, outputs, made[0])
    except BaseException:
        if made:  # what it took over is gone: its results are there all the same
            _finish(program, nodes, outputs, made[0])
        raise
    STATS.runs += 1
    STATS.nodes += len(nodes)
    if ON_RUN:
        jax.block_until_ready(made)
        end = time.perf_counter_ns()
        for f in ON_RUN:
            f(program, start, end)


def _finish(program: Program, nodes: list[Expr], outputs: list[Expr], results: list) -> None:
    """Store what a program gave; nothing is lost when it is done anew."""
    for e, r in zip(outputs, program.arranged(results), strict=True):
        e.value = r
        e.donatable = True
    _release(nodes)


def _copy_parts(nodes: list[Expr]) -> None:
    """Run a marked graph of parts of what is there."""
    parts.copy(nodes)
    _release(nodes)


def _make_room() -> None:
    """Give up the programs that were used longest ago when there are too many, or when their code takes too much of what there is."""
    many = len(CACHE) - CACHE_SIZE
    if not (STATS.compiled + STATS.loaded) % LOOK_EVERY and is_crowded():
        many = len(CACHE) // 2
    for _ in range(many):
        CACHE.popitem(last=False)


def forget_drafts() -> None:
    """Compile with care what has been a draft until now."""
    with LOCK:
        for key in [key for key, held in CACHE.items() if type(held) is not Program]:
            del CACHE[key]
        _ALIKE.clear()


def _alike(graph: list, leaves: list[Expr]) -> tuple:
    """A key that does not say what may be taken over."""
    return (*graph, *[x.aval for x in leaves])


def _lent(key: tuple, alike: tuple, donated: list[int]) -> Makeshift | None:
    """The program of a graph that is the same but for what could be taken over, for the first runs of one that has none of its own."""
    program = _ALIKE.get(alike)
    if program is None or not program.takes.issubset(donated):
        return None
    CACHE[key] = lent = Makeshift(program, program.draft_runs or pieces.FEW_RUNS)
    return lent


def _run_pieces(nodes: list[Expr], leaves: list[Expr], how: pieces.Pieces, device: str, donated: list[int]) -> None:
    """Run a marked graph piece by piece, and let go of what lies between them when the last piece that needs it is done.

    `donated` are the leaves that the whole graph may take over, by number.
    """
    nodes = [nodes[i] for i in how.order]
    if how.steps is not None and how.replay():
        for step, members, again, done in zip(how.steps, how.members, how.again, how.done, strict=True):
            if step is None:
                _copy_parts(_marked(nodes, members, how.kept))
                continue
            inputs = [nodes[i] if i >= 0 else leaves[~i] for i in step.takes]
            numbers = [[nodes[i].inputs[j] for i, j in found] for found in step.numbers]
            with _kept_pending([nodes[i] for i in again]):
                _launch(step.program, [nodes[i] for i in members], inputs, [nodes[i] for i in step.gives], numbers, device)
            for i in done:
                nodes[i].value = None
        return
    where = {id(e): i for i, e in enumerate(nodes)} | {id(x): ~i for i, x in enumerate(leaves)}
    held = {id(x) for x in leaves} - {id(leaves[n]) for n in donated}
    while leaves:  # the list would count as a reference to those that are donated
        leaves.pop().uses = 0
    steps: list[pieces.Step | None] = []
    makeshifts: list[Makeshift] = []
    for members, again, done in zip(how.members, how.again, how.done, strict=True):
        piece = _marked(nodes, members, how.kept)
        if device == CPU and not again and not done and parts.are_known(piece):
            _copy_parts(piece)
            steps.append(None)
            continue
        places = _places_of_numbers(piece, members)
        _count_uses(piece, held.union([id(x) for i in again for x in nodes[i].inputs]))
        with _kept_pending([nodes[i] for i in again]):
            run = _run(piece, device, True)
        if run is not None and run.lasting:
            makeshifts += [run.makeshift] if run.makeshift is not None else []
            takes, gives = [where[id(x)] for x in run.leaves], [where[id(e)] for e in run.outputs]
            steps.append(pieces.Step(run.program, takes, gives, places))
        del piece
        run = None
        for i in done:
            nodes[i].value = None
    # What each piece takes, gives and may overwrite is the same whenever the graph runs.
    how.steps, how.makeshifts = (steps, makeshifts) if len(steps) == len(how.members) else (None, [])


def _marked(nodes: list[Expr], members: list[int], kept: list[bool]) -> list[Expr]:
    """Some nodes of a graph, marked whether they are kept."""
    for i in members:
        nodes[i].mark, nodes[i].uses = int(kept[i]), 0
    return [nodes[i] for i in members]


@contextlib.contextmanager
def _kept_pending(views: list[Expr]) -> Iterator[None]:
    """Views that are made again later stay pending when a program of which they are no results has made them."""
    saved = [(e, e.spec, e.inputs, e.owner) for e in views]
    try:
        yield
    finally:
        for e, spec, inputs, owner in saved:
            if e.value is None:
                e.spec, e.inputs, e.owner = spec, inputs, owner


def _places_of_numbers(nodes: list[Expr], positions: list[int]) -> list[list[tuple[int, int]]]:
    """Where a piece's floats, integers and complex numbers are: the nodes' positions, and those among their inputs."""
    places: list[list[tuple[int, int]]] = [[], [], []]
    for i, e in zip(positions, nodes, strict=True):
        for j, x in enumerate(e.inputs):
            if type(x) is not Expr:
                places[0 if type(x) is float else 2 if type(x) is complex else 1].append((i, j))
    return places


def _count_uses(nodes: list[Expr], held: set[int]) -> None:
    """Set how often the nodes use each value that is there already; those that are `held` (by their ids) no program may take over.

    What the whole graph may not take over none of its pieces may, and neither what a view holds that is made again later.
    """
    for e in nodes:
        for x in e.inputs or ():
            if type(x) is Expr and x.value is not None:
                x.uses = x.uses + 1 if id(x) not in held else _HELD


_HELD = -(1 << 30)  # a number of uses that leaves more references than there are to be somebody else's


class Run(NamedTuple):
    """One run of a program: what it was given and what it gave. `donated` are the leaves whose arrays it took over; `lasting`: whether it
    was there before, so that later runs will use it too (a makeshift, as long as that serves).
    """

    program: Program
    leaves: list[Expr]
    donated: list[int]
    outputs: list[Expr]
    numbers: tuple[list[float], list[int], list[complex]]
    device: str
    lasting: bool
    makeshift: Makeshift | None


def run_pending() -> tuple[Run | None, bool]:
    """Run everything pending in this thread as one program: what was run, and whether nothing is left for another device."""
    with LOCK:
        pending = LOCAL.pending
        run = None
        try:
            nodes, keep, _, device, _ = _select(pending, None, leave_views=False)
            if nodes:
                run = _run(nodes, device, True, True)
        except BaseException:
            _reset(pending)
            raise
        _keep(pending, 0, keep)
    return run, not keep


@functools.cache
def _expect_warnings() -> None:
    """What is donated is a guess, and forked processes compute elsewhere (see `remote`).

    Into the list itself, and once for all: `filterwarnings`, and `catch_warnings` around each compilation, would make Python forget
    which of the user's warnings it has shown, and show them again.
    """
    for message, category in (("Some donated buffers were not usable", Warning), (FORK_WARNING, RuntimeWarning)):
        warnings.filters.insert(0, ("ignore", re.compile(message), category, None, 0))  # type: ignore[attr-defined]


def _build(nodes, leaves, outputs, donated, device, n_numbers: tuple[int, int, int], ran: int | None) -> Program:
    """Trace the canonical graph, and compile it or load it from the disk cache.

    `n_numbers` are those of floats, integers and complex numbers; `ran` is how often it has run in pieces, or None: no draft.
    """
    n_floats, n_ints, n_complexes = n_numbers
    position = {id(e): i for i, e in enumerate(nodes)}
    leaf_position: dict[int, Any] = {}
    structs: list = []
    sharding = jax.sharding.SingleDeviceSharding(jax_device(device))
    for x in leaves:
        if type(x.aval) is AvalTuple:
            leaf_position[id(x)] = tuple(range(len(structs), len(structs) + len(x.aval.avals)))
            structs.extend(x.aval.avals)
        else:
            leaf_position[id(x)] = len(structs)
            structs.append(x.aval)
    pairs = takeovers(nodes, outputs, [leaves[n] for n in donated])
    donate = [leaf_position[id(leaves[donated[n]])] for n, _ in pairs]
    # jax.jit gives the donated inputs, in order, to the first results of their shape and dtype.
    order = [i for _, i in pairs]
    order += sorted(set(range(len(outputs))) - set(order))
    n_leaves = len(structs)
    avals = [jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=sharding) for a in structs]
    for n, d in ((n_floats, np.float64), (n_ints, np.int64), (n_complexes, np.complex128)):
        if n:
            avals.append(jax.ShapeDtypeStruct((n,), np.dtype(d), sharding=sharding))

    plan = []
    counts = {float: 0, int: 0, complex: 0}
    for e in nodes:
        inputs: list = []
        for x in e.inputs:
            if type(x) is not Expr:
                t = int if type(x) is bool else type(x)
                inputs.append(("n", t, counts[t], type(x) is bool))
                counts[t] += 1
            elif id(x) in leaf_position:
                inputs.append(("l", leaf_position[id(x)]))
            else:
                inputs.append(("e", position[id(x)]))
        plan.append((e.spec, inputs))
    out_positions = [position[id(outputs[i])] for i in order]
    stable = _stable_text(plan, out_positions, donate, structs, device, n_floats, n_ints, n_complexes)

    how: Rounding

    def program(*args):
        vectors = iter(args[n_leaves:])
        null = args[-1] if how.needs_zero else None
        numbers = {t: next(vectors) for t, n in ((float, n_floats), (int, n_ints), (complex, n_complexes)) if n}
        values: list = []
        for run, (_, inputs) in zip(how.runs, plan, strict=True):
            got = []
            for x in inputs:
                if x[0] == "e":
                    got.append(values[x[1]])
                elif x[0] == "l":
                    got.append(tuple(args[i] for i in x[1]) if type(x[1]) is tuple else args[x[1]])
                else:
                    v = numbers[x[1]][x[2]]
                    got.append(v.astype(np.bool_) if x[3] else v)
            values.append(run(null, *got))
        results = []
        for i in out_positions:
            v = values[i]
            results.append(tuple(v) if isinstance(v, (tuple, list)) else v)
        return results

    _expect_warnings()
    values = avals_of(nodes)
    if any_small_floats(values):  # their subnormals are lost in drafts
        ran = None
    # What may be a draft is looked for as such, so that a script's numbers do not depend on what else has run.
    name = stable and f"{stable}|{ran}|{ran is not None and QUICK_CODE}"
    known = disk_cache.load(name, device) if name else None
    if known is not None:
        call, work = known
        draft_runs = 0 if ran is None else drafts.runs(work, len(nodes), ran)
        STATS.loaded += 1
    else:
        with jax.enable_x64(True):
            how = rounding(nodes)
            # What only fills, converts or arranges counts where its elements are results.
            work = max(how.work, sum([math.prod(a.shape) for a in avals_of(outputs)]))
            draft_runs = 0 if ran is None else drafts.runs(work, len(nodes), ran)
            zeros = [jax.ShapeDtypeStruct((), np.float32, sharding=sharding)] * how.needs_zero
            lowered = jax.jit(program, donate_argnums=tuple(donate)).lower(*avals, *zeros)
            ops, edges = [spec.name for spec, _ in plan], [*structs, *avals_of(outputs)]
            call = compile_lowered(lowered, device, ops, edges, values, draft_runs > 0)
        STATS.compiled += 1
        if name:
            disk_cache.store(name, call, work)
    arrange = operator.itemgetter(*[order.index(i) for i in range(len(order))]) if order != sorted(order) else None
    takes = frozenset([donated[n] for n, _ in pairs])
    constants = [zero(device)] * (call.in_tree.num_leaves - len(avals))
    return Program(call, arrange, takes, constants, len(nodes), [s.name for s, _ in plan], [e.aval for e in outputs], draft_runs)


def _stable_text(plan, out_positions, donate, structs, device, *counts) -> str | None:
    """A text that names the program across processes, or None when some operation has no stable name."""
    parts = []
    for spec, inputs in plan:
        if spec.stable is None:
            return None
        parts.append(f"{spec.stable}{inputs}")
    return f"{parts}|{out_positions}|{donate}|{[(a.shape, a.dtype.name) for a in structs]}|{device}|{counts}"


def run_one(spec: Spec, inputs: tuple, out: Aval | AvalTuple) -> Expr:
    """Apply one operation at once (eager mode): a program of a single node."""
    e = Expr(spec, inputs, out)
    with LOCK:
        for x in inputs:
            if type(x) is Expr:
                if x.value is None:
                    evaluate(x)
                x.uses += 1
        e.mark = 1
        _run([e], out.device)
    return e


def program_count() -> int:
    """How many programs the cache holds."""
    return len(CACHE)


__all__ = ["STATS", "TRACED", "evaluate", "evaluate_all", "force", "force_jax", "program_count", "to_device"]
