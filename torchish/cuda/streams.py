"""`torch.cuda.Stream` and `torch.cuda.Event`; XLA orders the work on a GPU itself."""

from __future__ import annotations

import time
from typing import Any

from torchish import _streams, cuda


class Stream(_streams.Stream):
    """The order of work on a GPU, which is the order of calls; RuntimeError where there is no GPU."""

    __module__ = "torch.cuda.streams"

    def __init__(self, device: Any = None, priority: int = 0, **kwargs: Any):
        if not cuda.is_available():
            raise RuntimeError("torch.cuda.Stream requires CUDA support")
        super().__init__(f"cuda:{cuda._index(device)}")
        self.cuda_stream, self.priority = 0, priority

    def record_event(self, event: Any = None) -> Any:
        """An event at this point of the work."""
        made = Event() if event is None else event
        made.record(self)
        return made

    def __hash__(self) -> int:
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and other.device == self.device

    def __repr__(self) -> str:
        return f"<torch.cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"


class Event(_streams.Event):
    """A point in the work on a GPU; RuntimeError where there is no GPU."""

    __module__ = "torch.cuda.streams"

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False, external: bool = False):
        if not cuda.is_available():
            raise RuntimeError("Tried to instantiate dummy base class Event")
        super().__init__(f"cuda:{cuda._index()}", enable_timing=enable_timing, blocking=blocking, interprocess=interprocess)

    def record(self, stream: Any = None) -> None:
        """Mark this point: an event that keeps time waits until the work before it is done."""
        if self.enable_timing:
            cuda.synchronize()
        self._time = time.perf_counter()

    def synchronize(self) -> None:
        """Wait until the work before the event is done."""
        cuda.synchronize()

    def __repr__(self) -> str:
        return f"<torch.cuda.Event {'uninitialized' if self._time is None else hex(id(self))}>"


class StreamContext:
    """A block whose work goes to a stream, which changes nothing."""

    __module__ = "torch.cuda"

    def __init__(self, stream: Stream | None):
        self.stream = stream

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: Any) -> None:
        pass


def stream(stream: Stream | None) -> StreamContext:
    """A block whose work goes to a stream, which changes nothing."""
    return StreamContext(stream)


def set_stream(stream: Stream | None) -> None:
    """Accepted: work happens in the order of calls."""


def current_stream(device: Any = None) -> Stream:
    """The one stream of a GPU."""
    cuda._lazy_init()
    return Stream(device)


default_stream = current_stream

__all__ = ["Event", "Stream"]
