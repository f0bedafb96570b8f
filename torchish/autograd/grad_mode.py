"""Which operations are recorded: `no_grad`, `enable_grad`, `set_grad_enabled`, `inference_mode`."""

from __future__ import annotations

import functools
import inspect
import threading
from typing import Any


class _State(threading.local):
    enabled = True
    inference = False


STATE = _State()


def is_grad_enabled() -> bool:
    """Whether operations are recorded for differentiation in this thread."""
    return STATE.enabled


def is_inference_mode_enabled() -> bool:
    """Whether inference mode is on in this thread."""
    return STATE.inference


class _Mode:
    """A context manager that decorates functions, generators and classes' methods too."""

    def __call__(self, function):
        if inspect.isclass(function):
            function.__init__ = self(function.__init__)
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

    __module__ = "torch"

    def __new__(cls, function=None):
        self = super().__new__(cls)
        return self if function is None else self(function)

    def __enter__(self):
        self._previous = STATE.enabled
        STATE.enabled = False

    def __exit__(self, *exc):
        STATE.enabled = self._previous


class enable_grad(_Mode):
    """Operations inside are recorded, also within `no_grad`. Context manager and decorator."""

    __module__ = "torch"

    def __new__(cls, function=None):
        self = super().__new__(cls)
        return self if function is None else self(function)

    def __enter__(self):
        self._previous = STATE.enabled
        STATE.enabled = True

    def __exit__(self, *exc):
        STATE.enabled = self._previous


class set_grad_enabled(_Mode):
    """Switch recording on or off: as a function at once, as a context manager until its end."""

    __module__ = "torch"

    def __init__(self, mode: bool):
        self._previous = STATE.enabled
        self.mode = mode
        STATE.enabled = bool(mode)

    def __call__(self, function):
        STATE.enabled = self._previous
        return super().__call__(function)

    def __enter__(self):
        STATE.enabled = bool(self.mode)

    def __exit__(self, *exc):
        STATE.enabled = self._previous

    def _clone(self):
        return type(self)(self.mode)

    def __repr__(self):
        return f"torch.set_grad_enabled(mode={self.mode})"


class inference_mode(_Mode):
    """Like `no_grad`, and the tensors made inside can never enter autograd. Context manager and decorator."""

    __module__ = "torch"

    def __new__(cls, mode=True):
        self = super().__new__(cls)
        if isinstance(mode, bool):
            self.mode = mode
            return self
        self.mode = True
        return self(mode)

    def __enter__(self):
        self._previous = STATE.enabled, STATE.inference
        STATE.inference = self.mode
        if self.mode:
            STATE.enabled = False
        else:
            STATE.enabled = True

    def __exit__(self, *exc):
        STATE.enabled, STATE.inference = self._previous

    def _clone(self):
        return type(self)(self.mode)
