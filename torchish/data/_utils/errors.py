"""Exceptions that cross from a worker process to its loader."""

from __future__ import annotations

import sys
import traceback
from typing import Any, NoReturn

from torchish._runner import _tracebacks
from torchish._runner._finder import is_installed


class KeyErrorMessage(str):
    """A KeyError shows the repr of its argument; this one's is the text itself, line breaks and all."""

    def __repr__(self) -> str:
        return str(self)


class ExceptionWrapper:
    """The exception being handled, as its type and its formatted traceback."""

    def __init__(self, exc_info=None, where: str = "in background") -> None:
        kind, value, trace = exc_info or sys.exc_info()
        if value is not None and is_installed():  # formatted here, the frames are beyond the reach of who reports the error
            value.__traceback__ = trace
            _tracebacks.shorten(value)
            trace = value.__traceback__
        self.exc_type: Any = kind
        self.exc_msg = "".join(traceback.format_exception(kind, value, trace))
        self.where = where

    def reraise(self) -> NoReturn:
        """Raise an exception of the same type that tells where it came from; a RuntimeError if that cannot be made."""
        text = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:
            raise KeyError(KeyErrorMessage(text))
        if getattr(self.exc_type, "message", None):
            raise self.exc_type(message=text)
        try:
            error = self.exc_type(text)
        except Exception:  # its constructor wants something else, and may say so in any way
            raise RuntimeError(text) from None
        raise error
