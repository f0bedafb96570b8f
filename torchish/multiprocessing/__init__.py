"""`torch.multiprocessing`: Python's `multiprocessing`, and processes that run one function with their rank.

Tensors that go to another process are copied: JAX's arrays are immutable, so there is no memory to share, and a model that
processes train stays as it is in the process that started them (`Tensor.share_memory_` has no effect).
"""

from __future__ import annotations

import multiprocessing
from multiprocessing import *  # noqa: F403

from torchish.multiprocessing import spawn as _spawn

_STRATEGIES = {"file_descriptor", "file_system"}
_strategy = ["file_descriptor"]


def get_all_sharing_strategies() -> set[str]:
    """The names that `set_sharing_strategy` takes."""
    return set(_STRATEGIES)


def get_sharing_strategy() -> str:
    """What `set_sharing_strategy` was given, "file_descriptor" at first."""
    return _strategy[0]


def set_sharing_strategy(new_strategy: str) -> None:
    """Accepted and remembered: tensors are copied to other processes, not shared."""
    if new_strategy not in _STRATEGIES:
        raise AssertionError(f"Unknown sharing strategy '{new_strategy}', available: {_STRATEGIES}")
    _strategy[0] = new_strategy


ProcessContext, SpawnContext = _spawn.ProcessContext, _spawn.SpawnContext
ProcessRaisedException, ProcessExitedException = _spawn.ProcessRaisedException, _spawn.ProcessExitedException
start_processes, spawn = _spawn.start_processes, _spawn.spawn

__all__ = [*multiprocessing.__all__, "set_sharing_strategy", "get_sharing_strategy", "get_all_sharing_strategies"]
