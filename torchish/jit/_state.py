"""Functions that were scripted or traced, and whether one is running."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn


class _Mode(threading.local):
    scripting = False  # inside a call of something scripted
    tracing = False  # inside the call that traces


_MODE = _Mode()


def is_scripting() -> bool:
    """Whether this is inside a call of a scripted function or module."""
    return _MODE.scripting


def is_tracing() -> bool:
    """Whether this is inside the call that traces a function or module."""
    return _MODE.tracing


@contextmanager
def running(scripting: bool = False, tracing: bool = False) -> Iterator[None]:
    """What `is_scripting` and `is_tracing` say within the block."""
    before = _MODE.scripting, _MODE.tracing
    _MODE.scripting, _MODE.tracing = scripting, tracing
    try:
        yield
    finally:
        _MODE.scripting, _MODE.tracing = before


def say_deprecated(name: str, instead: str) -> None:
    """PyTorch's warning. As there, its place is the library, so that Python does not show it unless asked to."""
    if sys.version_info >= (3, 14) and "torch.export" in instead:
        text = f"`torch.jit.{name}` is not supported in Python 3.14+ and may break. Please {instead}."
    else:
        text = f"`torch.jit.{name}` is deprecated. Please {instead}" + ("." if "torch.export" in instead else " instead.")
    warnings.warn(text, DeprecationWarning, stacklevel=2)


def absent(name: str) -> NoReturn:
    """The error for what needs TorchScript itself."""
    raise NotImplementedError(
        f"{name}: torchish has no TorchScript; use torch.compile to compile, and torch.save of the state_dict to store a model"
    )


def _needs_graph(name: str) -> Any:
    def refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
        absent(f"{type(self).__name__}.{name}")

    refuse.__name__ = refuse.__qualname__ = name
    return refuse


def needs_graph(cls: type) -> type:
    """Gives a class the names that need TorchScript itself, each of which raises NotImplementedError."""
    for name in ("graph", "inlined_graph", "code", "code_with_constants"):
        setattr(cls, name, property(_needs_graph(name)))
    for name in ("save", "save_to_buffer", "graph_for", "get_debug_state"):
        setattr(cls, name, _needs_graph(name))
    return cls


@needs_graph
class ScriptFunction:
    """
    Functionally equivalent to a :class:`ScriptModule`, but represents a single
    function and does not have any attributes or Parameters.
    """

    __module__ = "torch.jit"

    def __init__(self, function: Callable, name: str, scripted: bool = False):
        self._function, self.name, self._scripted = function, name, scripted
        if scripted:
            self.__name__, self.__qualname__, self.__doc__ = "ScriptFunction", "torch.jit.ScriptFunction", function.__doc__

    @property
    def qualified_name(self) -> str:
        """The name with the place of its definition."""
        return f"__torch__.{getattr(self._function, '__module__', '')}.{self.name}".replace("__torch__.__main__.", "__torch__.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self._scripted:
            return self._function(*args, **kwargs)
        with running(scripting=True):
            return self._function(*args, **kwargs)
