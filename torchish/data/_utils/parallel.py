"""The iterator over batches that worker processes load.

Each worker has a connection of its own to the loader: requests `(number, indices)` go out, `(number, batch)` come
back. `prefetch_factor` requests per worker are on their way at any time. The death of a worker closes its connection,
which is how the loader learns of it at once; the end of the loader closes all connections, on which workers exit.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import multiprocessing
import multiprocessing.connection  # Process.join imports it, which may be in the middle of somebody else's import of it
import os
import pickle
import re
import select
import signal
import time
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

from torchish.data._utils import transport
from torchish.data._utils.errors import ExceptionWrapper
from torchish.data._utils.transport import CHECK_INTERVAL, Channel, Closed
from torchish.data._utils.worker import LOADER_ENDS, Job, _IterableDatasetStopIteration, _ResumeIteration, _worker_loop
from torchish.data.dataloader import DataLoader, _BaseDataLoaderIter
from torchish.engine.program import FORK_WARNING

_NOT_YET = object()


# What both warnings are about, threads that do not exist in the child, is what `engine.remote` is for.
_FORKING = (
    ("ignore", re.compile(FORK_WARNING), RuntimeWarning, None, 0),
    ("ignore", re.compile(".*use of fork"), DeprecationWarning, None, 0),
)


@contextlib.contextmanager
def _ignored(filters: tuple) -> Iterator[None]:
    """`catch_warnings` with these filters, but Python does not forget which of the user's warnings it has shown."""
    warnings.filters[:0] = filters  # type: ignore[index]
    try:
        yield
    finally:
        for f in filters:
            with contextlib.suppress(ValueError):  # another thread put its own list back meanwhile
                warnings.filters.remove(f)  # type: ignore[attr-defined]


class _Worker:
    """A worker process and the connection to it."""

    def __init__(self, context, job: Job) -> None:
        ours, theirs = transport.pair()
        self.channel = Channel(ours)
        LOADER_ENDS.add(self.channel)
        # `spawn` and `forkserver` give the worker another parent than this process
        method = context.get_start_method()
        try:
            self.process = context.Process(target=_start, args=(theirs, job))
            self.process.daemon = True
            with _ignored(_FORKING if method == "fork" else ()):
                self.process.start()
        except BaseException:
            self.channel.close()
            raise
        finally:
            theirs.close()
        self.pid: int = self.process.pid  # type: ignore[assignment]
        self.active = True  # has more to give in this epoch
        self.tasks = 0  # batches asked for and not yet given to the user

    def why_dead(self) -> RuntimeError:
        """What the process ended with, as PyTorch reports it."""
        self.process.join(CHECK_INTERVAL)
        code = self.process.exitcode
        if code is not None and code < 0:
            name = signal.strsignal(-code) or signal.Signals(-code).name
            return RuntimeError(f"DataLoader worker (pid {self.pid}) is killed by signal: {name}. ")
        return RuntimeError(
            f"DataLoader worker (pid {self.pid}) exited unexpectedly with exit code {code}. Details are lost due to "
            "multiprocessing. Rerunning with num_workers=0 may give better error trace."
        )


def _start(sock, job: Job) -> None:
    _worker_loop(sock, job, os.getppid())


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Gives batches in the order of their indices (or, without `in_order`, as they come)."""

    def __init__(self, loader: DataLoader) -> None:
        self._workers: list[_Worker] = []
        self._owner = os.getpid()
        self._shutdown = False
        super().__init__(loader)
        self._prefetch_factor: int = loader.prefetch_factor  # type: ignore[assignment]
        self._in_order = loader.in_order
        if self._num_workers <= 0:
            raise AssertionError("num_workers must be greater than 0 for MultiProcessingDataLoaderIter")
        if self._prefetch_factor <= 0:
            raise AssertionError("prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter")
        context = loader.multiprocessing_context or multiprocessing.get_context()
        for i in range(self._num_workers):
            job = Job(
                self._dataset_kind, self._dataset, self._auto_collation, self._collate_fn, self._drop_last,
                self._base_seed, loader.worker_init_fn, i, self._num_workers,
            )  # fmt: skip
            try:
                self._workers.append(_Worker(context, job))
            except (TypeError, AttributeError, pickle.PicklingError):
                warnings.warn(
                    "Got pickle error when attempting to start a worker Process. This might be because the worker "
                    "Process arguments are not picklable. Python 3.14+ changed the multiprocessing start method in "
                    "non-Mac POSIX platforms to 'forkserver', which requires the worker Process arguments to be "
                    "picklable. You can also try multiprocessing.set_start_method('fork').",
                    stacklevel=2,
                )
                raise
        self._by_fd = {w.channel.fileno(): w for w in self._workers}
        self._poll = select.poll()
        for fd in self._by_fd:
            self._poll.register(fd, select.POLLIN)
        _LIVE.add(self)
        self._reset(loader, first_iter=True)

    def _reset(self, loader: DataLoader, first_iter: bool = False) -> None:
        super()._reset(loader, first_iter)
        self._sent = 0  # number of the next request
        self._received = 0  # number of the next batch to give
        self._tasks: dict[int, tuple[_Worker, Any]] = {}  # number -> worker, batch if it is here already
        self._turns = itertools.cycle(self._workers)
        for w in self._workers:
            w.active, w.tasks = True, 0
        if not first_iter:
            gone = [w for w in self._workers if w.channel.fileno() not in self._by_fd]
            if gone:
                self._fail(gone)
            for w in self._workers:
                self._post(w, _ResumeIteration())
            ready = 0
            while ready < len(self._workers):  # batches of an epoch that was left early come first
                number, _ = self._message()
                ready += isinstance(number, _ResumeIteration)
        for _ in range(self._prefetch_factor * self._num_workers):
            self._request()

    # --- requests

    def _request(self) -> None:
        """Ask the next worker in turn for the next batch, if there are both."""
        try:
            index = next(self._sampler_iter)
        except StopIteration:
            return
        room = self._prefetch_factor * self._num_workers // max(sum(w.active for w in self._workers), 1)
        for w in itertools.islice(self._turns, self._num_workers):
            if w.active and (self._in_order or w.tasks < room):
                break
        else:
            return
        self._tasks[self._sent] = (w, _NOT_YET)
        self._post(w, (self._sent, index))
        w.tasks += 1
        self._sent += 1

    def _post(self, w: _Worker, obj: Any) -> None:
        w.channel.post(obj)
        if w.channel.is_waiting:
            self._poll.modify(w.channel.fileno(), select.POLLIN | select.POLLOUT)

    # --- replies

    def _message(self) -> tuple[Any, Any]:
        """The next message of any worker; errors of workers that died, or of waiting longer than the timeout."""
        end = time.monotonic() + self._timeout if self._timeout else None
        while True:
            wait = CHECK_INTERVAL if end is None else max(min(CHECK_INTERVAL, end - time.monotonic()), 0)
            events = self._poll.poll(wait * 1000)
            for fd, event in events:
                w = self._by_fd[fd]
                if event & select.POLLOUT:
                    w.channel.flush()
                    if not w.channel.is_waiting:
                        self._poll.modify(fd, select.POLLIN)
                if event & ~select.POLLOUT:
                    try:
                        return w.channel.receive()
                    except Closed:
                        self._fail([w])
            if not events:
                # A connection may outlive its worker: in a process that the worker has started.
                dead = [w for w in self._workers if w.active and not w.process.is_alive()]
                if dead:
                    self._fail(dead)
                if end is not None and time.monotonic() >= end:
                    raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")

    def _fail(self, dead: list[_Worker]) -> None:
        reason = dead[0].why_dead()
        for w in dead:
            self._retire(w)
        pids = ", ".join(str(w.pid) for w in dead)
        raise RuntimeError(f"DataLoader worker (pid(s) {pids}) exited unexpectedly") from reason

    def _retire(self, w: _Worker) -> None:
        """Let a worker exit that has no more to give."""
        w.active = False
        fd = w.channel.fileno()
        if self._by_fd.pop(fd, None) is not None:
            self._poll.unregister(fd)
            w.channel.close()

    def _next_data(self) -> Any:
        while True:
            # batches that an ended stream will never give are passed over
            while self._received < self._sent:
                task = self._tasks.get(self._received)
                if task is not None:
                    if task[0].active or task[1] is not _NOT_YET:
                        break
                    del self._tasks[self._received]
                self._received += 1
            else:
                if not self._persistent_workers:
                    self._shutdown_workers()
                raise StopIteration
            if task[1] is not _NOT_YET:
                return self._give(self._received, task[1])
            number, data = self._message()
            if isinstance(data, _IterableDatasetStopIteration):
                w = self._workers[data.worker_id]
                w.active = False
                if not self._persistent_workers:
                    self._retire(w)
                self._request()
            elif number == self._received or not self._in_order:
                return self._give(number, data)
            else:
                self._tasks[number] = (self._tasks[number][0], data)

    def _give(self, number: int, data: Any) -> Any:
        w, _ = self._tasks.pop(number)
        w.tasks -= 1
        if number == self._received:
            self._received += 1
        self._request()
        if isinstance(data, ExceptionWrapper):
            data.reraise()
        return data

    # --- the end

    def _shutdown_workers(self, patience: float = CHECK_INTERVAL) -> None:
        """Have the workers exit; end those that take longer than that many seconds."""
        if self._shutdown or os.getpid() != self._owner:
            return  # a forked process has a copy of this object, but they are not its workers
        self._shutdown = True
        for w in self._workers:
            w.active = False
            w.channel.close()
        end = time.monotonic() + patience
        for w in self._workers:
            w.process.join(max(end - time.monotonic(), 0))
            if w.process.is_alive():
                w.process.terminate()
                w.process.join(CHECK_INTERVAL)
            if w.process.is_alive():
                w.process.kill()
                w.process.join()

    def __del__(self) -> None:
        self._shutdown_workers()


_LIVE: weakref.WeakSet[_MultiProcessingDataLoaderIter] = weakref.WeakSet()


@atexit.register
def _at_exit() -> None:
    for iterator in list(_LIVE):
        iterator._shutdown_workers(patience=0.5)


__all__ = ["_MultiProcessingDataLoaderIter"]
