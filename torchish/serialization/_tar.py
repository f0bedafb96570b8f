"""Checkpoints as PyTorch wrote them before version 0.1.10: a tar archive of storages, tensors and the pickle that refers to them."""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Callable
from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish.serialization import _legacy, _rebuild
from torchish.serialization._names import StorageType


def is_tar(data: bytes) -> bool:
    """Whether a file starts with the header of a tar archive."""
    return data[257:262] == b"ustar"


class _Stream(io.BytesIO):
    """A record of the archive; RuntimeError where it ends too early."""

    def numbers(self, n: int, kind: str = "q") -> tuple[int, ...]:
        return struct.unpack(f"<{n}{kind}", self.bytes(n * struct.calcsize(f"<{kind}")))

    def bytes(self, n: int) -> bytes:
        data = self.read(n) if 0 <= n <= len(self.getbuffer()) else b""
        if len(data) != n:
            raise RuntimeError("unexpected EOF. The file might be corrupted.")
        return data


def load(data: bytes, map_location: Any, unpickler: Callable, options: dict) -> Any:
    """The object in such an archive. `unpickler(stream, **options)` reads its pickles, which may run code."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:", format=tarfile.PAX_FORMAT) as tar:
            records = {name: _Stream(_record(tar, name)) for name in ("storages", "tensors", "pickle")}
    except tarfile.TarError as e:
        raise RuntimeError(f"the file starts as a .tar archive, but is none: {e}") from None
    made = _storages(records["storages"], _rebuild.restore_function(map_location), lambda f: unpickler(f, **options).load())
    _tensors(records["tensors"], made, lambda f: unpickler(f, **options).load())
    reader = unpickler(records["pickle"], **options)
    # a class comes with its source beside it
    reader.persistent_load = lambda pid: pid[0] if isinstance(pid, tuple) else made[int(pid)]
    return reader.load()


def _record(tar: tarfile.TarFile, name: str) -> bytes:
    stream = tar.extractfile(name) if name in tar.getnames() else None
    if stream is None:
        raise KeyError(f"filename {name!r} not found")
    return stream.read()


def _storages(f: _Stream, restore: Callable, load: Callable) -> dict[int, Any]:
    """The storages by key: those with bytes, then views of parts of them."""
    made: dict[int, Any] = {}
    arrays: dict[int, tuple[np.ndarray, dt.dtype, str]] = {}
    for _ in range(load(f)):
        key, location, kind = load(f)
        d = kind.dtype if isinstance(kind, StorageType) else dt.uint8
        (count,) = f.numbers(1)
        array = np.frombuffer(f.bytes(count * d.itemsize), np.uint8)
        location = _legacy._text(location)
        arrays[key] = array, d, location
        made[key] = _rebuild.moved(_rebuild.storage_of_bytes(array, d), location, restore)
    for key, root, offset, count in load(f):
        array, d, location = arrays[root]
        part = array[offset * d.itemsize : (offset + count) * d.itemsize]
        made[key] = _rebuild.moved(_rebuild.storage_of_bytes(part, d), location, restore)
    return made


def _tensors(f: _Stream, made: dict[int, Any], load: Callable) -> None:
    """Add the tensors, each after its key, its storage's key and its class."""
    for _ in range(load(f)):
        key, storage, _ = load(f)
        ndim, _ = f.numbers(2, "i")  # written as eight bytes, the upper four of which are undefined
        size, stride = f.numbers(ndim), f.numbers(ndim)
        (offset,) = f.numbers(1)
        made[key] = _rebuild._rebuild_tensor(made[storage], offset, size, stride)
