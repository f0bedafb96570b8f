"""`torch.cpu`: what lets a program treat the CPU like any other device."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import jax

from torchish._runner import missing_attribute
from torchish.engine.program import evaluate_all


class Stream:
    """The order of work on the CPU, which is the order of calls."""

    def __init__(self, priority: int = -1):
        pass

    def wait_stream(self, stream: Any) -> None:
        """Nothing to wait for."""

    def record_event(self) -> None:
        """Nothing to record."""

    def wait_event(self, event: Any) -> None:
        """Nothing to wait for."""


class Event:
    """A point in the work on the CPU."""

    def query(self) -> bool:
        """Whether the work before it is done."""
        return True

    def record(self, stream: Any = None) -> None:
        """Nothing to record."""

    def synchronize(self) -> None:
        """Nothing to wait for."""

    def wait(self, stream: Any = None) -> None:
        """Nothing to wait for."""


_current = [Stream()]


def is_available() -> bool:
    """True."""
    return True


def is_initialized() -> bool:
    """True."""
    return True


def device_count() -> int:
    """One CPU, whatever its number of cores."""
    return 1


def current_device() -> str:
    """"cpu"."""
    return "cpu"


def set_device(device: Any) -> None:
    """Nothing to choose between."""


def synchronize(device: Any = None) -> None:
    """Wait until everything that was called for has been computed."""
    evaluate_all()
    for a in jax.live_arrays("cpu"):  # which takes a third of `jax.block_until_ready`'s time
        a.block_until_ready()


def current_stream(device: Any = None) -> Stream:
    """The stream of this point of the program."""
    return _current[-1]


@contextlib.contextmanager
def stream(stream: Stream | None) -> Iterator[None]:
    """A block in which `stream` is the current one."""
    if stream is None:
        yield
        return
    _current.append(stream)
    try:
        yield
    finally:
        _current.pop()


StreamContext = stream


def __getattr__(name: str) -> Any:
    if name == "amp":  # it is built on this module
        return import_module("torchish.cpu.amp")
    raise missing_attribute(__name__, name)
