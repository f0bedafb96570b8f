"""What runs in a worker process."""

from __future__ import annotations

import gc
import os
import random
import socket
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np

from torchish._tensor.generator import manual_seed
from torchish.data._utils.errors import ExceptionWrapper
from torchish.data._utils.transport import CHECK_INTERVAL, Channel, Closed
from torchish.engine import remote
from torchish.engine.expr import LOCAL
from torchish.engine.program import evaluate_all


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """Who a worker is: its number, how many there are, its seed, its copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any
    rng: Any = None
    worker_method: str | None = "multiprocessing"


_worker_info: WorkerInfo | None = None

# The loaders' ends of connections, for a forked worker to close: it inherits those of the workers before it.
LOADER_ENDS: weakref.WeakSet[Channel] = weakref.WeakSet()


def get_worker_info() -> WorkerInfo | None:
    """In a loader's worker process, its `WorkerInfo`; None elsewhere."""
    return _worker_info


@dataclass(frozen=True)
class _IterableDatasetStopIteration:
    """A worker's stream has ended."""

    worker_id: int


@dataclass(frozen=True)
class _ResumeIteration:
    """Sent to a persistent worker to begin an epoch, and back when it is ready."""


def _generate_state(base_seed: int, worker_id: int) -> list[int]:
    """Four 32-bit words that seed NumPy in a worker: NumPy's own `SeedSequence` of these numbers."""
    words = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    return np.random.SeedSequence(words).generate_state(4).tolist()


def _seed_everything(base_seed: int, worker_id: int) -> None:
    random.seed(base_seed + worker_id)
    manual_seed(base_seed + worker_id)
    np.random.seed(_generate_state(base_seed, worker_id))


@dataclass
class Job:
    """What a worker has to do."""

    dataset_kind: int
    dataset: Any
    auto_collation: bool
    collate_fn: Any
    drop_last: bool
    base_seed: int
    init_fn: Any
    worker_id: int
    num_workers: int

    def fetcher(self):
        from torchish.data.dataloader import _DatasetKind

        return _DatasetKind.create_fetcher(
            self.dataset_kind, self.dataset, self.auto_collation, self.collate_fn, self.drop_last
        )


def _worker_loop(sock: socket.socket, job: Job, parent: int) -> None:
    """Seed, then answer the loader's requests until it closes the connection or is gone."""
    global _worker_info
    if remote.is_forked():
        gc.freeze()  # what the loader's process made is not for this one to collect
        for channel in list(LOADER_ENDS):
            channel.sock.close()
    remote.prefer_cpu()
    channel = Channel(sock)
    try:
        _seed_everything(job.base_seed, job.worker_id)
        _worker_info = WorkerInfo(job.worker_id, job.num_workers, job.base_seed + job.worker_id, job.dataset)
        _serve(channel, job, parent)
    except (KeyboardInterrupt, Closed):
        pass  # the loader's process raises its own KeyboardInterrupt
    finally:
        sock.close()


def _serve(channel: Channel, job: Job, parent: int) -> None:
    where = f"in DataLoader worker process {job.worker_id}"
    failed: ExceptionWrapper | None = None
    fetcher = None
    try:
        if job.init_fn is not None:
            job.init_fn(job.worker_id)
        fetcher = job.fetcher()
    except Exception:  # whatever it is, the loader raises it
        failed = ExceptionWrapper(where=where)
    ended = False
    while True:
        while not channel.poll(CHECK_INTERVAL):
            if os.getppid() != parent:
                return
        request = channel.receive()
        if request is None:
            return
        if isinstance(request, _ResumeIteration):
            ended = False
            _reply(channel, request, None, where)
            try:
                fetcher = job.fetcher()
            except Exception:  # as above
                failed = ExceptionWrapper(where=where)
            continue
        if ended:
            continue
        number, index = request
        data: Any
        if failed is not None:
            data, failed = failed, None
        else:
            try:
                data = fetcher.fetch(index)  # type: ignore[union-attr]
            except StopIteration:
                if _is_stream(job):
                    data, ended = _IterableDatasetStopIteration(job.worker_id), True
                else:
                    data = ExceptionWrapper(where=where)
            except Exception:  # as above
                data = ExceptionWrapper(where=where)
        _reply(channel, number, data, where)
        del data, index, request


def _is_stream(job: Job) -> bool:
    from torchish.data.dataloader import _DatasetKind

    return job.dataset_kind == _DatasetKind.Iterable


def _reply(channel: Channel, number, data, where: str) -> None:
    try:
        if LOCAL.pending:
            evaluate_all()  # all tensors of the batch in one go, rather than one by one as they are pickled
        channel.send((number, data))
    except (Closed, KeyboardInterrupt):
        raise
    except Exception as error:  # the batch cannot be pickled, or its values cannot be computed
        if isinstance(data, ExceptionWrapper):  # its type is a local class
            data.exc_type = RuntimeError
        else:
            data = ExceptionWrapper((type(error), error, error.__traceback__), where)
        channel.send((number, data))
