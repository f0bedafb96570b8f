"""`torch.accelerator`: the GPU, if JAX sees one, without its name."""

from __future__ import annotations

from typing import Any

from torchish import cuda
from torchish._dtypes import BY_NAME
from torchish._streams import Stream
from torchish._tensor.size import device as _device


def is_available() -> bool:
    """Whether there is an accelerator."""
    return cuda.is_available()


def device_count() -> int:
    """How many accelerators there are."""
    return cuda.device_count()


def current_accelerator(check_available: bool = False) -> _device | None:
    """The device of the accelerator, without an index; None if there is none."""
    return _device("cuda") if cuda.is_available() else None


def _needed() -> None:
    if not cuda.is_available():
        raise RuntimeError("Cannot access accelerator device when none is available.")


def current_device_index() -> int:
    """The index of the accelerator in use; RuntimeError if there is none."""
    _needed()
    return cuda.current_device()


current_device_idx = current_device_index


def set_device_index(device: Any) -> None:
    """Choose the accelerator in use; RuntimeError if there is none."""
    _needed()
    cuda.set_device(device)


set_device_idx = set_device_index


class device_index:
    """The accelerator in use within a block; None changes nothing. RuntimeError if there is none."""

    def __init__(self, device: int | None, /) -> None:
        self.idx = device
        self.prev_idx = -1

    def __enter__(self) -> None:
        if self.idx is not None:
            self.prev_idx = current_device_index()
            set_device_index(self.idx)

    def __exit__(self, *exc: object) -> None:
        if self.idx is not None:
            set_device_index(self.prev_idx)


def get_device_capability(device: Any = None, /) -> dict[str, Any]:
    """The dtypes that tensors on the accelerator may have, as `supported_dtypes`; RuntimeError if there is none."""
    if not cuda.is_available():
        raise RuntimeError("Accelerator expected")
    return {"supported_dtypes": set(BY_NAME.values())}


def current_stream(device: Any = None) -> Stream:
    """The stream of this point of the program; RuntimeError if there is no accelerator."""
    _needed()
    return Stream("cuda" if device is None else device)


def synchronize(device: Any = None) -> None:
    """Wait until everything that was called for has been computed; RuntimeError if there is no accelerator."""
    _needed()
    cuda.synchronize(device)


def empty_cache() -> None:
    """Nothing to do: XLA manages the memory."""


def memory_allocated(device: Any = None) -> int:
    """The bytes of device memory in use; 0 if there is no accelerator."""
    return cuda.memory_allocated(device)


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes of device memory ever in use; 0 if there is no accelerator."""
    return cuda.max_memory_allocated(device)


memory_reserved, max_memory_reserved = memory_allocated, max_memory_allocated


def get_memory_info(device: Any = None, /) -> tuple[int, int]:
    """(free, total) bytes of the accelerator; RuntimeError if there is none."""
    _needed()
    return cuda.mem_get_info(device)


def reset_peak_memory_stats(device: Any = None) -> None:
    """Accepted; XLA keeps its own peak."""
