"""Notebooks and the REPL: torchish as an IPython extension, and errors without torchish's frames in both.

`%load_ext torchish` in a notebook installs the import hook; `torchish.install()` at a prompt does the same. While the hook is
there, tracebacks show the user's lines only, as they do for a script (`_tracebacks`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

from torchish._runner import _tracebacks

_hook: Callable[..., None] | None = None  # what `sys.excepthook` was before ours
_shell: Any = None  # the IPython shell that has our `showtraceback`


def load_ipython_extension(ipython: Any) -> None:
    """`%load_ext torchish`: `import torch` in the notebook finds torchish.

    Raises:
        RuntimeError: PyTorch itself is already imported.
    """
    from torchish._runner._finder import install

    install()
    _attach(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """`%unload_ext torchish`: PyTorch's names are free again."""
    from torchish._runner._finder import uninstall

    uninstall()


def install() -> None:
    """Shorten the tracebacks of the prompt that this process has, if it has one."""
    global _hook
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    if shell is not None:
        _attach(shell)
    elif _hook is None and (hasattr(sys, "ps1") or sys.flags.interactive):
        _hook, sys.excepthook = sys.excepthook, _excepthook


def uninstall() -> None:
    """Undo `install`."""
    global _hook, _shell
    if _shell is not None:
        vars(_shell).pop("showtraceback", None)
        _shell = None
    # Where somebody has put their own hook in front of ours since, ours stays and passes errors on as they are.
    if _hook is not None and sys.excepthook is _excepthook:
        sys.excepthook = _hook
        _hook = None


def _excepthook(kind: type[BaseException], value: BaseException, traceback: TracebackType | None) -> None:
    from torchish._runner._finder import is_installed

    if is_installed():
        _tracebacks.shorten(value)
        sys.last_traceback = traceback = value.__traceback__
    assert _hook is not None
    _hook(kind, value, traceback)


def _attach(shell: Any) -> None:
    global _shell
    if _shell is not None:
        return
    show = shell.showtraceback

    def showtraceback(exc_tuple: tuple | None = None, *args: Any, **kwargs: Any) -> Any:
        value = (exc_tuple or sys.exc_info())[1]
        if isinstance(value, BaseException):
            _tracebacks.shorten(value)
            exc_tuple = (type(value), value, value.__traceback__)
        return show(exc_tuple, *args, **kwargs)

    shell.showtraceback = showtraceback
    _shell = shell
