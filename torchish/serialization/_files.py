"""Files for checkpoints: whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tempfile
from collections.abc import Iterator
from typing import IO, Any


def is_path(f: Any) -> bool:
    return isinstance(f, (str, os.PathLike))


@contextlib.contextmanager
def replacing(path: str) -> Iterator[IO[bytes]]:
    """A file to be written that takes the place of `path` at the end of the block, if it ends well.

    What is written goes to a temporary file in the same folder, which is flushed to the disk and renamed: at every moment
    `path` holds the old contents or the new ones, whole.
    """
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {os.path.dirname(path)} does not exist.")
    if not name or os.path.isdir(target):
        raise RuntimeError(f"File {path} cannot be opened: it is a directory.")
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        mode = stat.S_IFREG | (0o666 & ~mask)
    if not stat.S_ISREG(mode):  # a device or a pipe is written to, not replaced
        with open(target, "wb") as direct:
            yield direct
        return
    try:
        number, temporary = tempfile.mkstemp(prefix=f".{name[:100]}.", suffix=".tmp", dir=folder)
    except PermissionError:  # a folder that takes no new files: the old file itself may still be writable
        with open(target, "wb") as direct:
            yield direct
        return
    try:
        with open(number, "wb") as stream:
            yield stream
            stream.flush()
            os.fchmod(number, stat.S_IMODE(mode)) if hasattr(os, "fchmod") else None
            os.fsync(number)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Have the rename itself on the disk, where the system can say so."""
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def check_seekable(f: Any) -> None:
    """Raise PyTorch's error for a stream that cannot seek."""
    try:
        f.seek(f.tell())
    except (io.UnsupportedOperation, AttributeError) as e:
        if "seek" in str(e) or "tell" in str(e):
            raise type(e)(
                f"{e}. You can only torch.load from a file that is seekable. Please pre-load the data into a buffer like "
                "io.BytesIO and try to load from it instead."
            ) from None
        raise


def check_writable(f: Any) -> None:
    """Raise PyTorch's error for what cannot be saved to."""
    if not is_path(f) and not hasattr(f, "write"):
        raise AttributeError("expected 'f' to be string, path, or a file-like object with a 'write' attribute")
    if not is_path(f) and not callable(f.write):
        raise TypeError(f"Buffer of {str(type(f)).strip('<>')} has no callable attribute 'write'")
