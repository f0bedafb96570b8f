"""`torch.futures`: values that are there later, on `concurrent.futures`."""

from __future__ import annotations

import concurrent.futures
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from torchish._tensor.size import device as _device

T = TypeVar("T")
S = TypeVar("S")


class Future(Generic[T]):
    """A value that is set once, by whoever computes it; `devices` are GPUs where its tensors may lie."""

    __module__ = "torch.jit"

    def __init__(self, *, devices: Iterable[Any] | None = None):
        for d in map(_device, devices or ()):
            if d.index is None:
                raise ValueError(f"Expected devices to have indices, got {d}")
        self._state: concurrent.futures.Future[T] = concurrent.futures.Future()

    def done(self) -> bool:
        """Whether there is a value or an error."""
        return self._state.done()

    def wait(self) -> T:
        """The value, as soon as it is there; its error is raised."""
        return self._state.result()

    def value(self) -> T:
        """The value, which must be there; its error is raised."""
        if not self.done():
            raise RuntimeError("the future has no value yet: call wait()")
        return self._state.result()

    def set_result(self, result: T) -> None:
        """Set the value, and run what waits for it. RuntimeError when there is one."""
        self._complete(lambda: self._state.set_result(result))

    def set_exception(self, result: Exception) -> None:
        """Set the error that `wait` and `value` raise, and run what waits for it."""
        if not isinstance(result, Exception):
            raise AssertionError(f"{result} is of type {type(result)}, not an Exception.")
        self._complete(lambda: self._state.set_exception(result))

    def _complete(self, how: Callable[[], None]) -> None:
        try:
            how()
        except concurrent.futures.InvalidStateError:
            raise RuntimeError(
                "Attempting to mark a completed Future as complete again. Note that a Future can only be marked completed once."
            ) from None

    def then(self, callback: Callable[[Future[T]], S]) -> Future[S]:
        """The future of `callback(self)`, which is called when this one is done."""
        following: Future[S] = Future()

        def run(_: Any) -> None:
            try:
                result = callback(self)
            except Exception as error:
                following.set_exception(RuntimeError(_failed(error)))
            else:
                following.set_result(result)

        self._state.add_done_callback(_callable(run, callback, "then"))
        return following

    def add_done_callback(self, callback: Callable[[Future[T]], None]) -> None:
        """Call `callback(self)` when this future is done; its errors are printed."""

        def run(_: Any) -> None:
            try:
                callback(self)
            except Exception as error:
                print(_failed(error), file=sys.stderr)

        self._state.add_done_callback(_callable(run, callback, "add_done_callback"))

    def __reduce__(self) -> Any:
        raise RuntimeError("Can not pickle torch.futures.Future")


def _callable(run: Callable[[Any], None], callback: Any, name: str) -> Callable[[Any], None]:
    if not callable(callback):
        raise TypeError(f"{name}(): incompatible function arguments: a callable is expected, not {callback!r}")
    return run


def _failed(error: Exception) -> str:
    """PyTorch's text for an error within a callback, with the places that it came through."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    places = "".join(f"  {f.filename}({f.lineno}): {f.name}\n" for f in reversed(frames))
    return f"Got the following error when running the callback: {type(error).__name__}: {error}" + (f"\n\nAt:\n{places}" if places else "")


def collect_all(futures: list[Future]) -> Future[list[Future]]:
    """The future of the list of `futures`: done when all of them are, with an error if one has one."""
    futures = list(futures)
    if not all(isinstance(f, Future) for f in futures):
        raise TypeError(f"_collect_all(): incompatible function arguments: futures are expected, not {futures!r}")
    everything: Future[list[Future]] = Future()
    lock, left = threading.Lock(), [len(futures)]

    def one_is_done(_: Any) -> None:
        with lock:
            left[0] -= 1
            if left[0]:
                return
        errors = [e for f in futures if (e := f._state.exception()) is not None]
        if errors:
            everything._state.set_exception(errors[0])
        else:
            everything.set_result(futures)

    for f in futures:
        f._state.add_done_callback(one_is_done)
    if not futures:
        everything.set_result(futures)
    return everything


def wait_all(futures: list[Future]) -> list:
    """The values of `futures`, when all are there; the first error is raised."""
    return [f.wait() for f in collect_all(futures).wait()]


__all__ = ["Future", "collect_all", "wait_all"]
