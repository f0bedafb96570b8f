"""Which operations are recorded: `no_grad`, `enable_grad`, `set_grad_enabled`, `inference_mode`."""

from __future__ import annotations

import functools
import inspect
import threading
from typing import Any


class _State(threading.local):
    enabled = True  # whether operations are recorded: grad mode, and no inference mode
    inference = False
    asked = False  # grad mode as it is set inside inference mode, where it has no effect


STATE = _State()


def is_grad_enabled() -> bool:
    """Whether grad mode is on in this thread."""
    return STATE.asked if STATE.inference else STATE.enabled


def _set_grad_enabled(value: bool) -> None:
    if STATE.inference:
        STATE.asked = value
    else:
        STATE.enabled = value


def is_inference_mode_enabled() -> bool:
    """Whether inference mode is on in this thread."""
    return STATE.inference


class _Mode:
    """A context manager that decorates functions, generators and classes' methods too."""

    def __call__(self, function):
        if inspect.isclass(function):
            function.__init__ = self(function.__init__)  # type: ignore[method-assign]
            return function
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args, **kwargs):
                g = function(*args, **kwargs)
                sent = None
                while True:
                    with self._clone():
                        try:
                            item = g.send(sent)
                        except StopIteration as stop:
                            return stop.value
                    sent = yield item

            return generator

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            with self._clone():
                return function(*args, **kwargs)

        return wrapped

    def _clone(self) -> Any:
        return type(self)()


class no_grad(_Mode):
    """Operations inside are not recorded. Context manager and decorator."""

    __module__ = "torch.autograd.grad_mode"

    def __new__(cls, function=None):
        self = super().__new__(cls)
        return self if function is None else self(function)

    def __enter__(self):
        self._previous = is_grad_enabled()
        _set_grad_enabled(False)

    def __exit__(self, *exc):
        _set_grad_enabled(self._previous)


class enable_grad(_Mode):
    """Operations inside are recorded, also within `no_grad`. Context manager and decorator."""

    __module__ = "torch.autograd.grad_mode"

    def __new__(cls, function=None):
        self = super().__new__(cls)
        return self if function is None else self(function)

    def __enter__(self):
        self._previous = is_grad_enabled()
        _set_grad_enabled(True)

    def __exit__(self, *exc):
        _set_grad_enabled(self._previous)


class set_grad_enabled(_Mode):
    """Switch recording on or off: as a function at once, as a context manager until its end."""

    __module__ = "torch.autograd.grad_mode"

    def __init__(self, mode: bool):
        self._previous = is_grad_enabled()
        self.mode = mode
        _set_grad_enabled(bool(mode))

    def __call__(self, function):
        _set_grad_enabled(self._previous)
        return super().__call__(function)

    def __enter__(self):
        _set_grad_enabled(bool(self.mode))

    def __exit__(self, *exc):
        _set_grad_enabled(self._previous)

    def _clone(self):
        return type(self)(self.mode)

    def __repr__(self):
        return f"torch.autograd.grad_mode.set_grad_enabled(mode={self.mode})"


class inference_mode(_Mode):
    """Like `no_grad`, and the tensors made inside can never enter autograd. Context manager and decorator."""

    __module__ = "torch.autograd.grad_mode"
    mode: bool

    def __new__(cls, mode=True):
        self = super().__new__(cls)
        if isinstance(mode, bool):
            self.mode = mode
            return self
        self.mode = True
        return self(mode)

    def __enter__(self):
        self._previous = STATE.enabled, STATE.inference, STATE.asked
        STATE.inference = self.mode
        STATE.enabled = not self.mode
        STATE.asked = False

    def __exit__(self, *exc):
        STATE.enabled, STATE.inference, STATE.asked = self._previous

    def _clone(self):
        return type(self)(self.mode)


__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled", "set_multithreading_enabled"]  # noqa: F822
