"""`torch.cuda`: JAX's GPUs under PyTorch's names."""

from __future__ import annotations

from collections import OrderedDict
from importlib import import_module
from typing import Any

import jax

from torchish._dtypes import LEGACY_NAMES
from torchish._runner import missing_attribute
from torchish._settings import OutOfMemoryError
from torchish._tensor.creation import legacy_types
from torchish._tensor.size import device as _device
from torchish._tensor.warn import warn_user
from torchish.cuda import random as random
from torchish.cuda import streams as streams
from torchish.cuda.random import (
    get_rng_state,
    get_rng_state_all,
    initial_seed,
    manual_seed,
    manual_seed_all,
    seed,
    seed_all,
    set_rng_state,
    set_rng_state_all,
)
from torchish.cuda.streams import Event, Stream, StreamContext, current_stream, default_stream, set_stream, stream
from torchish.engine.devices import devices_of


def _gpus() -> list:
    return devices_of("cuda")


def is_available() -> bool:
    """Whether JAX sees a GPU."""
    return bool(_gpus())


def device_count() -> int:
    """How many GPUs JAX sees."""
    return len(_gpus())


def _lazy_init() -> None:
    if not is_available():
        raise AssertionError("Torch not compiled with CUDA enabled")


init = _lazy_init


def is_initialized() -> bool:
    return is_available()


def _index(d: Any = None) -> int:
    if d is None:
        return _current[0]
    if isinstance(d, int):
        return d
    d = _device(d)
    if d.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {d}")
    return _current[0] if d.index is None else d.index


_current = [0]


def current_device() -> int:
    """The index of the GPU that `device("cuda")` means."""
    _lazy_init()
    return _current[0]


def set_device(d: Any) -> None:
    """Choose the GPU that `device("cuda")` means (the first one, in torchish)."""
    i = _index(d)
    if i >= 0:
        _lazy_init()


class device:
    """Within the block this is the current GPU."""

    def __init__(self, d: Any):
        self.idx = _index(d)

    def __enter__(self):
        _lazy_init()

    def __exit__(self, *exc):
        return False


class _Properties:
    """What is known about a GPU."""

    def __init__(self, d):
        self._device = d
        self.name = d.device_kind
        capability = str(getattr(d, "compute_capability", "0.0")).split(".")
        self.major, self.minor = int(capability[0]), int(capability[-1])
        stats = d.memory_stats() or {}
        self.total_memory = stats.get("bytes_limit", 0)
        self.multi_processor_count = getattr(d, "core_count", 0)

    def __repr__(self) -> str:
        return (
            f"_CudaDeviceProperties(name='{self.name}', major={self.major}, minor={self.minor}, "
            f"total_memory={self.total_memory // 2**20}MB, multi_processor_count={self.multi_processor_count})"
        )


def get_device_properties(d: Any = None) -> _Properties:
    """Name, capability and memory of a GPU."""
    _lazy_init()
    i = _index(d)
    if not 0 <= i < device_count():
        raise AssertionError("Invalid device id")
    return _Properties(_gpus()[i])


def get_device_name(d: Any = None) -> str:
    """The name of a GPU."""
    return get_device_properties(d).name


def get_device_capability(d: Any = None) -> tuple[int, int]:
    """Compute capability (major, minor) of a GPU."""
    p = get_device_properties(d)
    return p.major, p.minor


def synchronize(d: Any = None) -> None:
    """Wait until everything that was started has finished."""
    from torchish.engine.program import evaluate_all

    _lazy_init()
    evaluate_all()
    for gpu in _gpus():
        jax.device_put(0, gpu).block_until_ready()


def empty_cache() -> None:
    """Nothing to do: XLA manages device memory."""


def _memory(name: str, d: Any) -> int:
    if not is_available():
        return 0
    return int((_gpus()[_index(d)].memory_stats() or {}).get(name, 0))


def memory_allocated(d: Any = None) -> int:
    """Bytes in use on a GPU."""
    return _memory("bytes_in_use", d)


def max_memory_allocated(d: Any = None) -> int:
    """The most bytes that were in use on a GPU."""
    return _memory("peak_bytes_in_use", d)


memory_reserved = memory_allocated
max_memory_reserved = max_memory_allocated


def reset_peak_memory_stats(d: Any = None) -> None:
    """Accepted; XLA keeps its own peak."""


def _under_an_old_name(name: str, replacement: Any, text: str) -> Any:
    def old(device: Any = None) -> Any:
        warn_user(text, FutureWarning)
        return replacement(device)

    old.__name__ = old.__qualname__ = name
    return old


_RESETS = "torch.cuda.{} now calls torch.cuda.reset_peak_memory_stats, which resets /all/ peak memory stats."
_RENAMED = "`torch.cuda.{}memory_cached` has been renamed to `torch.cuda.{}memory_reserved`"
reset_max_memory_allocated = _under_an_old_name(
    "reset_max_memory_allocated", reset_peak_memory_stats, _RESETS.format("reset_max_memory_allocated")
)
reset_max_memory_cached = _under_an_old_name(
    "reset_max_memory_cached", reset_peak_memory_stats, _RESETS.format("reset_max_memory_cached")
)
memory_cached = _under_an_old_name("memory_cached", memory_reserved, _RENAMED.format("", ""))
max_memory_cached = _under_an_old_name("max_memory_cached", max_memory_reserved, _RENAMED.format("max_", "max_"))


def memory_stats(d: Any = None) -> OrderedDict[str, int]:
    """What XLA knows of a GPU's memory, under PyTorch's names; empty where there is no GPU."""
    if not is_available():
        return OrderedDict()
    use = {"current": memory_allocated(d), "peak": max_memory_allocated(d)}
    return OrderedDict((f"{kind}_bytes.all.{when}", n) for kind in ("allocated", "reserved") for when, n in use.items())


def mem_get_info(d: Any = None) -> tuple[int, int]:
    """(free, total) bytes of a GPU."""
    _lazy_init()
    total = _memory("bytes_limit", d)
    return total - memory_allocated(d), total


def is_bf16_supported(including_emulation: bool = True) -> bool:
    return is_available()


globals().update(legacy_types("torch.cuda", "cuda:0"))

__all__ = ["Event", "Stream", "get_rng_state", "get_rng_state_all", "initial_seed", "manual_seed", "manual_seed_all", "seed", "seed_all",
           "set_rng_state", "set_rng_state_all", "StreamContext", "current_stream", "default_stream", "memory_reserved", "memory_stats",
           "max_memory_reserved", "reset_max_memory_allocated", "reset_max_memory_cached", "reset_peak_memory_stats", "set_stream",
           "stream", "OutOfMemoryError", "is_initialized", "is_bf16_supported", "init", "memory_cached", "max_memory_cached",
           "current_device", "device", "device_count", "empty_cache", "get_device_capability", "get_device_name",
           "get_device_properties", "is_available", "max_memory_allocated", "mem_get_info",
           "memory_allocated", "set_device", "synchronize", *LEGACY_NAMES.values()]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "amp":  # it is built on this module
        return import_module("torchish.cuda.amp")
    if name == "_initialized":  # private, but older code for checkpoints and reversible layers asks for it
        return is_initialized()
    raise missing_attribute(__name__, name)
