"""`torch.mps`: Apple's GPUs, of which JAX has none under this name."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """How many there are: none."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing to seed."""


def _without(call: str) -> Callable[..., NoReturn]:
    def f(*args: object) -> NoReturn:
        """RuntimeError: there is no such device."""
        raise RuntimeError(f"Cannot execute {call}() without MPS backend.")

    return f


synchronize = _without("deviceSynchronize")
empty_cache = _without("emptyCache")
current_allocated_memory = _without("getCurrentAllocatedMemory")
driver_allocated_memory = _without("getDriverAllocatedMemory")

__all__ = ["current_allocated_memory", "device_count", "driver_allocated_memory", "empty_cache", "is_available", "manual_seed",
           "synchronize"]  # fmt: skip
