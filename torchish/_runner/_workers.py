"""Carries `install` into worker processes, whichever way `multiprocessing` starts them.

A forked worker inherits everything. A worker of the other two kinds, spawned or from the fork server, is a fresh
interpreter: it reads the preparation data that its parent pickled, imports the parent's script, and unpickles the
work. The import hook must be there before the script is imported, so it travels in the preparation data, as an
object whose unpickling installs it.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Callable
from multiprocessing import spawn
from typing import Any

_IN_WORKER = os.path.join(os.path.dirname(__file__), "_in_worker.py")
_PACKAGE_PARENT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

_active = False
_original: Callable[[str], dict[str, Any]] | None = None  # what ours stands in front of, None while it does not


class _InstallInWorker:
    """Pickles as the call that runs `_in_worker.py`.

    By its path, not by its name: the worker's `sys.path` is not set up yet, and torchish may not be on it.
    """

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        # First comes this very torchish: the script's `sys.path` may lack it, or have another one.
        return runpy.run_path, (_IN_WORKER, {"search_path": [_PACKAGE_PARENT, *sys.path]})


def _preparation_data(name: str) -> dict[str, Any]:
    assert _original is not None
    data = _original(name)
    if not _active:
        return data
    data["torchish"] = _InstallInWorker()
    if sys._getframe(1).f_globals.get("__name__") == "multiprocessing.forkserver":
        # The fork server asks for what it should preload. It takes only the path of the script from this data, and
        # would import the script without the hook. Its workers import the script themselves.
        data.pop("init_main_from_path", None)
        data.pop("main_path", None)
    return data


def install() -> None:
    global _active, _original
    _active = True
    if _original is None:
        _original = spawn.get_preparation_data
        spawn.get_preparation_data = _preparation_data


def uninstall() -> None:
    global _active, _original
    _active = False
    # Where somebody has put their own function in front of ours since, ours stays and passes the data on.
    if spawn.get_preparation_data is _preparation_data and _original is not None:
        spawn.get_preparation_data = _original  # type: ignore[assignment]
        _original = None
