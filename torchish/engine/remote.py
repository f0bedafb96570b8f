"""Computing for forked processes, where JAX must not run.

A process that uses JAX has threads; a fork of it has their locks but not them, so that compiling or running a program
there hangs. Loading data in forked workers is what people do, though, and their transforms compute. So after a fork
from a process whose JAX is in use, programs are run by an evaluator: a fresh process, connected by a socket.

A *zygote* makes the evaluators (see `evaluator`). It is started by the first process that needs it, is shared by all,
and ends with the last of them. Nobody needs it, nobody pays: at a fork all that happens is a pair of sockets.

    door    a socket pair that forked processes inherit; who wants an evaluator sends a socket through it
    state   a file in memory with locks: byte 0 is held while starting a zygote, byte 1 by the zygote all its life
"""

from __future__ import annotations

import atexit
import fcntl
import importlib
import os
import select
import socket
import subprocess
import sys
import tempfile
import weakref

import jax
import numpy as np

from torchish.engine import channel, program
from torchish.engine.channel import Channel, Closed
from torchish.engine.expr import CPU, Aval, AvalTuple, Expr, Spec, is_projection, projection_spec

_PLANS = 1024  # graphs that an evaluator remembers
_KEEP = 1 << 16  # bytes from which on an input that comes again is kept by the evaluator

_door: tuple[socket.socket, socket.socket] | None = None  # the processes' end, the zygote's end
_state = -1
_forked = False
_client: _Client | None = None
_zygote: subprocess.Popen | None = None  # when this process has started it


def is_forked() -> bool:
    """Whether this process was forked from one that used JAX."""
    return _forked


def backend_is_up() -> bool:
    """Whether JAX has started its threads in this process."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    return bridge is not None and bridge.backends_are_initialized()


def prefer_cpu() -> None:
    """In a worker process: if JAX starts here, then on the CPU alone; accelerators belong to the main process."""
    if not _forked and not backend_is_up():
        jax.config.update("jax_platforms", "cpu")


def settle() -> None:
    """Before a fork: compute what is pending in this thread and wait for what is running, as the child could not."""
    if not backend_is_up():
        return
    program.evaluate_all()
    for a in jax.live_arrays("cpu"):
        if not a.is_deleted():
            a.block_until_ready()


# --- at a fork ---------------------------------------------------------------------------------------------


def _before_fork() -> None:
    global _door, _state
    settle()
    program.LOCK.acquire()  # no other thread is in the middle of anything then
    if _door is None and backend_is_up():
        _door = socket.socketpair()
        if hasattr(os, "memfd_create"):
            _state = os.memfd_create("torchish", os.MFD_CLOEXEC)
        else:
            with tempfile.TemporaryFile() as f:
                _state = os.dup(f.fileno())


def _after_in_child() -> None:
    global _forked, _client, _zygote
    program.LOCK.release()
    _client = _zygote = None
    if _door is not None:
        _forked = True
        program.REMOTE = _run


@atexit.register
def _close_door() -> None:
    for s in _door or ():
        s.close()  # the zygote ends when all of these are closed


os.register_at_fork(before=_before_fork, after_in_parent=lambda: program.LOCK.release(), after_in_child=_after_in_child)


# --- the forked process ------------------------------------------------------------------------------------


def _run(key: tuple, nodes: list[Expr], leaves: list[Expr], outputs: list[Expr], numbers: tuple, device: str) -> None:
    """`program._run`'s last step, elsewhere: compute `outputs` and mark everything as done."""
    global _client
    if device != CPU:
        raise RuntimeError(
            "Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you must use the "
            "'spawn' start method"
        )
    if _client is None:
        _client = _Client()
    try:
        results = _client.evaluate(key, nodes, leaves, outputs, numbers)
    except Closed:
        _client = _Client()  # the evaluator was killed; another one knows nothing yet, and is told everything
        results = _client.evaluate(key, nodes, leaves, outputs, numbers)
    for e, r in zip(outputs, results, strict=True):
        e.value = r
    for e in leaves:
        e.uses = 0
    for e in nodes:
        e.inputs = ()
        e.spec = e.owner = None
        e.uses = 0
        e.mark = -1


class _Client:
    """A forked process's connection to its evaluator."""

    def __init__(self) -> None:
        self.channel = Channel(_connect())
        self.plans: dict[tuple, int] = {}
        self.numbers = 0
        self.specs: set[int] = set()
        self.seen: weakref.WeakKeyDictionary[Expr, int] = weakref.WeakKeyDictionary()
        self.dropped: list[int] = []
        self.tokens = 0

    def evaluate(self, key: tuple, nodes: list[Expr], leaves: list[Expr], outputs: list[Expr], numbers: tuple) -> list:
        """The values of `outputs`: arrays, or tuples of arrays."""
        number = self.plans.get(key)
        plan = None
        if number is None:
            plan = self._plan(nodes, leaves, outputs)
            if self.numbers >= _PLANS:
                self.plans.clear()
                self.numbers = 0
            number = self.plans[key] = self.numbers
            self.numbers += 1
        dropped, self.dropped = self.dropped, []
        request = (number, plan, [self._argument(e) for e in leaves], numbers, dropped)
        try:
            self.channel.send(request)
            error, results = self.channel.receive()
        except Closed:
            raise
        except BaseException:
            self._forget(key, plan)
            raise
        if error is not None:
            self._forget(key, plan)
            raise error
        return results

    def _forget(self, key: tuple, plan) -> None:
        """The evaluator may not have understood: tell it again next time."""
        self.plans.pop(key, None)
        if plan is not None:
            self.specs.difference_update(plan[0])

    def _plan(self, nodes: list[Expr], leaves: list[Expr], outputs: list[Expr]):
        position = {id(e): i for i, e in enumerate(nodes)}
        slots = {id(e): ~i for i, e in enumerate(leaves)}
        specs: dict[int, Spec] = {}
        steps = []
        for e in nodes:
            if e.spec.uid not in self.specs:
                specs[e.spec.uid] = e.spec
            inputs = [
                (position[id(x)] if id(x) in position else slots[id(x)]) if type(x) is Expr else type(x).__name__
                for x in e.inputs
            ]
            steps.append((e.spec.uid, inputs, _portable(e.aval)))
        try:
            for s in specs.values():
                channel.REDUCERS[Spec](s)
        except _Nameless as error:
            raise RuntimeError(
                f"torchish: the operation {error} was made from a Python function, and cannot be computed in a forked "
                "process. Compute it before the data loader's workers start, or start them with "
                "multiprocessing_context='spawn'."
            ) from None
        self.specs.update(specs)
        return specs, steps, [position[id(e)] for e in outputs]

    def _argument(self, e: Expr):
        """An input: its value; or, where it was large and sent before, what the evaluator keeps it under."""
        value = e.value
        if type(value) is tuple:
            return tuple(np.asarray(v) for v in value)
        value = np.asarray(value)
        if value.nbytes < _KEEP:
            return value
        token = self.seen.get(e)
        if token is None:
            self.seen[e] = 0  # once may be the only time
            return value
        if token:
            return Kept(token)
        self.tokens += 1
        self.seen[e] = self.tokens
        weakref.finalize(e, self.dropped_append, self.tokens)
        return Kept(self.tokens, value)

    def dropped_append(self, token: int) -> None:
        self.dropped.append(token)


class Kept:
    """An input that the evaluator keeps; `value` when it does not have it yet."""

    def __init__(self, token: int, value: np.ndarray | None = None) -> None:
        self.token = token
        self.value = value


def _connect() -> socket.socket:
    """A socket to a new evaluator; starts the zygote if there is none."""
    assert _door is not None
    ours, theirs = channel.pair()
    with theirs:
        _start_zygote()
        socket.send_fds(_door[0], [b"."], [theirs.fileno()])
    poll = select.poll()
    poll.register(ours, select.POLLIN)
    failures = 0
    while not poll.poll(2000):
        # a dead zygote's successor finds our socket still waiting at the door
        failures += _start_zygote()
        if failures > 2:
            break
    else:
        if ours.recv(1) == b"!":
            return ours
    raise RuntimeError("torchish: the process that computes for forked processes could not be started")


def _start_zygote() -> bool:
    """Start the zygote if it does not live; whether it did not."""
    global _zygote
    assert _door is not None
    fcntl.lockf(_state, fcntl.LOCK_EX, 1, 0)
    try:
        try:
            fcntl.lockf(_state, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 1)
        except OSError:
            return False  # it lives
        fcntl.lockf(_state, fcntl.LOCK_UN, 1, 1)
        door = _door[1].fileno()
        ready, signalled = os.pipe()
        path = [os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), *sys.path]
        code = (
            "import fcntl, os, sys\n"
            f"fcntl.lockf({_state}, fcntl.LOCK_EX, 1, 1)\n"
            f"os.close({signalled})\n"
            f"sys.path[:] = {path!r}\n"
            "from torchish.engine.evaluator import serve\n"
            f"serve({door})\n"
        )
        environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
        _zygote = subprocess.Popen(
            [sys.executable, "-c", code], pass_fds=(_state, door, signalled), stdin=subprocess.DEVNULL,
            start_new_session=True, env=environment,
        )  # fmt: skip
        os.close(signalled)
        os.read(ready, 1)  # the end of the pipe: it holds its lock, or is dead
        os.close(ready)
        return True
    finally:
        fcntl.lockf(_state, fcntl.LOCK_UN, 1, 0)


# --- operations by name ------------------------------------------------------------------------------------


class _Nameless(RuntimeError):
    """An operation that only its own process knows."""


def _reduce_spec(spec: Spec):
    if spec.recipe is not None:
        f, args = spec.recipe
        for a in args:
            for x in a if isinstance(a, tuple) else (a,):
                if isinstance(x, Spec):
                    _reduce_spec(x)
        return f, args
    if is_projection(spec):
        return projection_spec, (int(spec.name.removeprefix("projection")),)
    if spec.stable is None or spec.op is None:
        raise _Nameless(spec.name)
    from torchish.ops.declare import REGISTRY

    name = spec.op.schema.name
    alike = [o for o in REGISTRY[name] if o.source == spec.op.source and o.schema.name == name]
    default = spec.memo["default"]
    return _op_spec, (spec.op.source, name, alike.index(spec.op), spec.kinds, spec.statics, default)


def _op_spec(source: str, name: str, nth: int, kinds: tuple, statics: tuple, default) -> Spec:
    from torchish.ops.declare import REGISTRY

    importlib.import_module(source)
    op = [o for o in REGISTRY[name] if o.source == source and o.schema.name == name][nth]
    key = (kinds, statics, default)
    made = op.specs.get(key)
    if made is None:
        made = op.specs[key] = op._make_spec(kinds, statics, default)
    return made


channel.REDUCERS[Spec] = _reduce_spec


def _portable(a: Aval | AvalTuple):
    return (a.avals, a.device) if isinstance(a, AvalTuple) else a
