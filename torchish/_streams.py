"""`torch.Stream` and `torch.Event`: XLA orders the work on a device itself, so both have nothing left to do."""

from __future__ import annotations

import time
from typing import Any

from torchish._tensor.size import device as _device
from torchish.engine.program import evaluate_all


class Stream:
    """The order of work on a device, which is the order of calls."""

    __module__ = "torch"

    def __init__(self, device: Any = None, *, priority: int = 0):
        self.device = _device("cpu" if device is None else device)
        self.device_index = -1 if self.device.index is None else self.device.index
        self.device_type, self.stream_id = (0 if self.device.type == "cpu" else 1), 0

    def query(self) -> bool:
        """Whether all work is done; the work that was put off is done now."""
        evaluate_all()
        return True

    def synchronize(self) -> None:
        """Wait until all work is done."""
        evaluate_all()

    def is_capturing(self) -> bool:
        """False: programs are compiled, not captured."""
        return False

    def wait_event(self, event: Event) -> None:
        """Nothing to wait for: work happens in the order of calls."""

    def wait_stream(self, stream: Stream) -> None:
        """Nothing to wait for: work happens in the order of calls."""

    def record_event(self, event: Event | None = None) -> Event:
        """An event at this point of the work; RuntimeError on the CPU."""
        made = Event(self.device) if event is None else event
        made.record(self)
        return made

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exc: Any) -> None:
        pass

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and other.device == self.device

    def __hash__(self) -> int:
        return hash(self.device)

    def __repr__(self) -> str:
        return f"torch.Stream device_type={self.device.type}, device_index={self.device_index}, stream_id={self.stream_id}"


class Event:
    """A point in the work on a device."""

    __module__ = "torch"

    def __init__(self, device: Any = None, *, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False):
        self.device = _device("cpu" if device is None else device)
        self.enable_timing, self.event_id = enable_timing, 0
        self._time: float | None = None

    def record(self, stream: Stream | None = None) -> None:
        """Mark this point: the work before it is done first. RuntimeError on the CPU."""
        if self.device.type == "cpu":
            raise RuntimeError("cpu backend doesn't support events.")
        evaluate_all()
        self._time = time.perf_counter()

    def query(self) -> bool:
        """Whether the work before the event is done."""
        return True

    def synchronize(self) -> None:
        """Wait until the work before the event is done."""

    def wait(self, stream: Stream | None = None) -> None:
        """Nothing to wait for: work happens in the order of calls."""

    def elapsed_time(self, end_event: Event) -> float:
        """The milliseconds from this event to another; ValueError unless both keep time."""
        if not (self.enable_timing and end_event.enable_timing):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._time is None or end_event._time is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        return (end_event._time - self._time) * 1e3

    def __repr__(self) -> str:
        index = -1 if self.device.index is None else self.device.index
        return f"torch.Event device_type={self.device.type}, device_index={index}, event_flag=0, event_id={self.event_id}"
