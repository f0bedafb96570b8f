"""The processes that compute for forked ones (see `remote`).

The zygote is a new Python that has imported torchish. It forks evaluators; as it never uses JAX itself, JAX works in
them. An evaluator serves one forked process at a time. When that is gone it waits for the next, the programs that it
has compiled at hand: the workers of the next epoch mostly need the same.
"""

from __future__ import annotations

import importlib
import os
import select
import signal
import socket
import traceback
import warnings

import numpy as np

from torchish.engine import program
from torchish.engine.channel import Channel, Closed
from torchish.engine.expr import CPU, Aval, AvalTuple, Expr, Spec, aval, leaf
from torchish.engine.remote import Kept


def serve(door_fd: int) -> None:
    """The zygote: give each socket that comes through the door to an evaluator; return when all clients are gone."""
    warnings.simplefilter("ignore")  # of forking: this process has no threads
    importlib.import_module("torchish")  # all operations, before anyone asks

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # evaluators are nobody's to wait for
    door = socket.socket(fileno=door_fd)
    controls: dict[int, socket.socket] = {}
    idle: list[socket.socket] = []
    poll = select.poll()
    poll.register(door, select.POLLIN)
    while True:
        # evaluators first: one that has just become free can take what is at the door
        for fd, _ in sorted(poll.poll(), key=lambda event: event[0] == door_fd):
            if fd != door_fd:
                control = controls[fd]
                if control.recv(1):
                    idle.append(control)
                else:  # it is dead
                    poll.unregister(fd)
                    idle = [c for c in idle if c is not control]
                    controls.pop(fd).close()
                continue
            data, clients, _, _ = socket.recv_fds(door, 1, 1)
            if not data:
                return
            for client in clients:
                control = idle.pop() if idle else _fork_evaluator([door, *controls.values()])
                if control.fileno() not in controls:
                    controls[control.fileno()] = control
                    poll.register(control, select.POLLIN)
                try:
                    socket.send_fds(control, [b"."], [client])
                except OSError:
                    pass  # it has just died; its client notices, and asks again
                os.close(client)


def _fork_evaluator(others: list[socket.socket]) -> socket.socket:
    """Start an evaluator; the zygote's end of the connection that clients are handed over by."""
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        try:
            for s in (ours, *others):
                s.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _evaluate(theirs)
        finally:
            os._exit(0)
    theirs.close()
    return ours


def _evaluate(control: socket.socket) -> None:
    """An evaluator: serve one client after another until the zygote is gone."""
    while True:
        data, clients, _, _ = socket.recv_fds(control, 1, 1)
        if not data:
            return
        for fd in clients:
            with socket.socket(fileno=fd) as sock:
                _Session(sock).work()
        control.send(b".")


class _Session:
    """Runs the programs of one forked process, in the order in which they come."""

    def __init__(self, sock: socket.socket) -> None:
        self.channel = Channel(sock)
        sock.send(b"!")
        self.specs: dict[int, Spec] = {}
        self.plans: dict[int, tuple] = {}
        self.kept: dict[int, Expr] = {}

    def work(self) -> None:
        """Answer until the forked process is gone."""
        while True:
            request = None
            try:
                request = self.channel.receive()
                answer: tuple = (None, self.answer(*request))
            except Closed:
                return
            except Exception as error:  # whatever it is, the one who asked raises it
                answer = (error, None)
            del request
            try:
                self.channel.send(answer)
            except Closed:
                return
            except Exception:  # an error that cannot be pickled
                answer = (RuntimeError("".join(traceback.format_exception(answer[0]))), None)
                self.channel.send(answer)

    def answer(self, number: int, plan, arguments: list, numbers: tuple, dropped: list[int]) -> list:
        for token in dropped:
            self.kept.pop(token, None)
        if plan is not None:
            specs, steps, outputs = plan
            self.specs.update(specs)
            steps = [
                (self.specs[uid], inputs, a if type(a) is Aval else AvalTuple(*a)) for uid, inputs, a in steps
            ]
            self.plans[number] = (steps, frozenset(outputs))
        steps, outputs = self.plans[number]
        leaves = [self._leaf(a) for a in arguments]
        floats, ints, complexes = (iter(n) for n in numbers)
        take = {
            "float": lambda: next(floats),
            "int": lambda: next(ints),
            "bool": lambda: bool(next(ints)),
            "complex": lambda: next(complexes),
        }
        nodes: list[Expr] = []
        with program.LOCK:
            for i, (spec, inputs, a) in enumerate(steps):
                got = tuple(
                    [take[x]() if type(x) is str else nodes[x] if x >= 0 else leaves[~x] for x in inputs]
                )
                e = Expr(spec, got, a)
                e.mark = int(i in outputs)
                for x in got:
                    if type(x) is Expr:
                        x.uses += 1
                nodes.append(e)
            program._run(nodes, CPU)
        return [_host(nodes[i].value) for i in sorted(outputs)]

    def _leaf(self, given) -> Expr:
        if type(given) is not Kept:
            return _leaf(given)
        if given.value is not None:
            self.kept[given.token] = _leaf(given.value)
        return self.kept[given.token]


def _leaf(value) -> Expr:
    if type(value) is tuple:
        return Expr(None, (), AvalTuple(tuple(aval(v.shape, v.dtype) for v in value), CPU), value)
    return leaf(value)


def _host(value):
    return tuple(np.asarray(v) for v in value) if type(value) is tuple else np.asarray(value)


