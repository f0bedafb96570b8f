"""Compiled programs kept on disk, so that a script's second run does not compile.

A file holds one serialized XLA executable under a hash of the program's canonical text, the versions of torchish,
JAX and the operations' source, and the machine. The folder is bounded in size (oldest use goes first). It is ours
alone: JAX's own compilation cache and its settings are not touched.

`TORCHISH_CACHE=0` switches it off; `TORCHISH_CACHE_DIR` moves it; `TORCHISH_CACHE_MB` bounds it (default 1024).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pickle
import platform
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import jax
from jax.experimental import serialize_executable

from torchish.engine.compiling import QUICK_FLAG
from torchish.engine.devices import jax_device

ENABLED = os.environ.get("TORCHISH_CACHE", "1") not in ("", "0")
_DEFAULT_MB = 1024


def directory() -> Path:
    """Where compiled programs are kept."""
    given = os.environ.get("TORCHISH_CACHE_DIR")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "torchish" / "programs"


@functools.cache
def _environment() -> bytes:
    """What a compiled program depends on besides its text: sources, versions, processor, XLA flags."""
    h = hashlib.sha256()
    root = Path(__file__).resolve().parent.parent
    for folder in ("ops", "engine", "optim"):
        for path in sorted((root / folder).rglob("*.py")):
            h.update(path.name.encode())
            h.update(path.read_bytes())
    import jaxlib

    h.update(f"{jax.__version__}{jaxlib.__version__}{platform.machine()}{_flags_of_user()}".encode())
    try:
        flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
    except (OSError, StopIteration):
        flags = platform.processor()
    h.update(flags.encode())
    for name in ("jax_default_matmul_precision", "jax_cpu_enable_fast_math", "jax_num_cpu_devices"):
        h.update(f"{getattr(jax.config, name, '')}".encode())
    return h.digest()


def _flags_of_user() -> str:
    return os.environ.get("XLA_FLAGS", "").replace(QUICK_FLAG, "").strip()


def _path(text: str) -> Path:
    return directory() / (hashlib.sha256(_environment() + text.encode()).hexdigest()[:40] + ".xla")


def load(text: str, device: str) -> tuple[Any, float] | None:
    """The compiled program stored under `text`, for a device, and what has been noted about it. A file that cannot be read is removed."""
    if not ENABLED:
        return None
    path = _path(text)
    try:
        data = path.read_bytes()
    except OSError:
        return None
    try:
        if b"lapack" in data:
            _initialize_lapack()
        target = jax_device(device)  # said explicitly: otherwise JAX takes the program for one of all devices
        stored, arguments, results, note = pickle.loads(data)
        call = serialize_executable.deserialize_and_load(stored, arguments, results, backend=target.client, execution_devices=[target])
        os.utime(path)
        return call, note
    except Exception:  # a damaged or foreign file: whatever it raises, compiling again is right
        path.unlink(missing_ok=True)
        return None


@functools.cache
def _initialize_lapack() -> None:
    """Connect XLA's LAPACK calls to SciPy's library, which JAX itself does only when it traces such a call."""
    from jaxlib import lapack

    lapack._lapack.initialize()


_STAMP = "trimmed"  # a file whose time says when the folder was last looked over
_TRIM_BYTES = 32 << 20
_stored_bytes = 0  # by this process, since it last looked over the folder


@functools.cache
def _warn(text: str) -> None:
    """Say it once."""
    warnings.warn(text, RuntimeWarning, stacklevel=2)


@functools.cache
def _limit() -> int:
    """The folder's bound in bytes."""
    text = os.environ.get("TORCHISH_CACHE_MB", "")
    if text and not text.isdecimal():
        _warn(f"TORCHISH_CACHE_MB={text} is no number of megabytes; {_DEFAULT_MB} are used")
    return (int(text) if text.isdecimal() else _DEFAULT_MB) << 20


def store(text: str, compiled: Any, note: float = 0) -> None:
    """Keep a compiled program, and a note. Failing to (full disk, read-only home) is no error, but said where the folder was chosen."""
    global _stored_bytes
    if not ENABLED:
        return
    try:
        data = pickle.dumps((*serialize_executable.serialize(compiled), note))
    except (ValueError, TypeError, NotImplementedError, RuntimeError):
        return  # this backend or program cannot be serialized
    path = _path(text)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(fd, "wb") as f:
            f.write(data)
        os.replace(temporary, path)
    except OSError as error:
        if "TORCHISH_CACHE_DIR" in os.environ:  # somebody wants them there
            _warn(f"Compiled programs cannot be kept in TORCHISH_CACHE_DIR={directory()}: {error.strerror}")
        return
    _stored_bytes += len(data)
    if _stored_bytes > _TRIM_BYTES or _trimmed_long_ago():
        _trim()
        _stored_bytes = 0


def _trimmed_long_ago() -> bool:
    """Whether no process has looked over the folder for an hour: with thousands of files that takes half a second."""
    try:
        return time.time() - (directory() / _STAMP).stat().st_mtime > 3600
    except OSError:
        return True


def _trim() -> None:
    """Remove the least recently used programs until the folder is within its bound."""
    with contextlib.suppress(OSError):
        (directory() / _STAMP).touch()
    entries = []
    for path in directory().glob("*.xla"):
        try:
            s = path.stat()
        except OSError:
            continue
        entries.append((s.st_mtime, s.st_size, path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries, key=lambda t: t[0]):
        if total <= _limit():
            break
        path.unlink(missing_ok=True)
        total -= size
