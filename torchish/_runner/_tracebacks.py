"""What the user of a script sees of an error: the script's own lines, without the library's below and above them.

PyTorch's operations are compiled code and leave no frame in a traceback; its users see the line that was wrong, then
the message. torchish's operations are Python, and leave a dozen frames each, of torchish and of JAX. The runner
drops those. `TORCHISH_FULL_TRACEBACK=1` keeps them: ask for it when you suspect torchish rather than the script.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep

# Dropped too where torchish calls into them; a script that calls JAX itself sees JAX's frames.
_CALLEES = frozenset({"importlib", "jax", "jaxlib"})


def report_as_script_error(error: BaseException, traceback: TracebackType | None) -> None:
    """Have the interpreter report `error`, once it gets there, as an error of the script.

    The interpreter still does the rest, in its own order: `sys.last_exc`, the exit code, the signal that a
    KeyboardInterrupt ends in. A `sys.excepthook` that the script has set is called as usual.
    """
    script_hook = getattr(sys, "excepthook", sys.__excepthook__)

    def hook(kind: type[BaseException], value: BaseException, full: TracebackType | None) -> None:
        if value is not error:
            script_hook(kind, value, full)
            return
        value.__traceback__ = traceback
        shorten(value)
        sys.last_traceback = value.__traceback__
        script_hook(kind, value, value.__traceback__)

    sys.excepthook = hook


def shorten(error: BaseException) -> None:
    """Drop torchish's frames, unless TORCHISH_FULL_TRACEBACK asks for them."""
    if os.environ.get("TORCHISH_FULL_TRACEBACK", "0") in ("", "0"):
        hide_library_frames(error)


def hide_library_frames(error: BaseException) -> None:
    """Drop torchish's frames from the tracebacks of `error`, of its causes and of the errors that it groups."""
    pending, seen = [error], set()
    while pending:
        exception = pending.pop()
        if id(exception) in seen:
            continue
        seen.add(id(exception))
        exception.__traceback__ = _without_library_frames(exception.__traceback__)
        pending += [e for e in (exception.__cause__, exception.__context__) if e is not None]
        if isinstance(exception, BaseExceptionGroup):
            pending += exception.exceptions


def _without_library_frames(traceback: TracebackType | None) -> TracebackType | None:
    kept: list[TracebackType] = []
    in_library = False
    while traceback is not None:
        code, module = traceback.tb_frame.f_code, traceback.tb_frame.f_globals.get("__name__", "")
        is_ours = code.co_filename.startswith(_PACKAGE) and module != "__main__"
        in_library = is_ours or (in_library and module.partition(".")[0] in _CALLEES)
        if not in_library:
            kept.append(traceback)
        traceback = traceback.tb_next
    shortened: TracebackType | None = None
    for entry in reversed(kept):
        shortened = TracebackType(shortened, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return shortened
