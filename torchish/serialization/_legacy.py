"""Checkpoints as PyTorch wrote them before version 1.6: pickles in a row, then the storages' bytes."""

from __future__ import annotations

import io
import pickle
import struct
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish._tensor.storages import TypedStorage
from torchish.serialization import _pickler, _rebuild, _restricted
from torchish.serialization._names import STORAGES, StorageType, storage_type

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001


def save(obj: Any, stream: Any, pickle_module: Any, protocol: int) -> None:
    """Write `obj` in the old format."""
    system = {
        "protocol_version": VERSION,
        "little_endian": sys.byteorder == "little",
        "type_sizes": {"short": 2, "int": 4, "long": struct.calcsize("=l")},
    }
    for head in (MAGIC, VERSION, system):
        pickle_module.dump(head, stream, protocol=protocol)
    saved = _pickler.dump(obj, stream, pickle_module, protocol, is_legacy=True)
    keys = sorted(saved.storages)
    pickle_module.dump(keys, stream, protocol=protocol)
    for key in keys:
        memory = _pickler.memory_of(saved.storages[key])
        stream.write(struct.pack("<q", memory.size // saved.item_sizes[key]))
        stream.write(memory)


class _Storages:
    """The storages of one file. They follow the pickle that refers to them, so it is read twice: to learn of them, and to use them."""

    def __init__(self, data: bytes, restore: Callable, is_meta: bool):
        self._data, self._restore, self._is_meta = data, restore, is_meta
        self._declared: dict[Any, tuple[int, dt.dtype, str]] = {}
        self._arrays: dict[Any, np.ndarray] | None = None
        self._made: dict[Any, TypedStorage] = {}

    def find(self, pid: Any) -> Any:
        """What a persistent id stands for: a storage, or a class with its source beside it."""
        if type(pid) is not tuple or not pid:
            raise pickle.UnpicklingError("saved_id must be a tuple")
        kind = _text(pid[0])
        if kind == "module" and len(pid) > 1:
            return pid[1]
        if kind != "storage" or len(pid) != 6:
            raise RuntimeError(f"Unknown saved id type: {kind!r:.40}")
        _, storage_type, key, location, numel, view = pid
        d = storage_type.dtype if isinstance(storage_type, StorageType) else dt.uint8
        if type(numel) is not int or numel < 0 or not isinstance(key, (str, int)) or not isinstance(_text(location), str):
            raise pickle.UnpicklingError("a storage's key, place and size are malformed")
        if self._arrays is None:
            self._declared[key] = (numel * d.itemsize, d, _text(location))
            return _rebuild.meta_storage(numel * d.itemsize, d)
        if view is None:
            return self._storage(key, self._arrays[key], d, _text(location))
        if type(view) is not tuple or len(view) != 3 or not all(type(x) is int and x >= 0 for x in view[1:]):
            raise pickle.UnpicklingError("a view of a storage is malformed")
        start, stop = view[1] * d.itemsize, (view[1] + view[2]) * d.itemsize
        if stop > self._arrays[key].size:
            raise RuntimeError("a view reaches beyond its storage: the file is corrupted")
        return self._storage(("view", str(view[0])), self._arrays[key][start:stop], d, _text(location))

    def _storage(self, key: Any, array: np.ndarray, d: dt.dtype, location: str) -> TypedStorage:
        made = self._made.get(key)
        if made is None:
            if self._is_meta:
                made = _rebuild.meta_storage(array.size, d)
            else:
                made = _rebuild.moved(_rebuild.storage_of_bytes(array, d), location, self._restore)
            self._made[key] = made
        return made

    def read(self, position: int, keys: Any, is_little: bool) -> int:
        """Read the bytes, which lie in the order of `keys`, and say where they end."""
        if not isinstance(keys, list):
            raise RuntimeError("the list of storages is malformed: the file is corrupted")
        self._arrays = {}
        for key in keys:
            if not isinstance(key, (str, int)) or key not in self._declared:
                raise AssertionError(f"storage key {key!r:.40} not found in deserialized_objects")
            declared, d, _ = self._declared[key]
            self._expect(position + 8)
            (count,) = struct.unpack_from("<q", self._data, position)
            if count * d.itemsize != declared:
                raise RuntimeError(f"storage has wrong byte size: expected {declared} got {count * d.itemsize}")
            position += 8
            self._expect(position + declared)
            array = np.frombuffer(self._data, np.uint8, declared, position)
            position += declared
            self._arrays[key] = array if is_little == (sys.byteorder == "little") else swapped(array, d)
        if missing := self._declared.keys() - self._arrays.keys():
            raise RuntimeError(f"the file does not hold the storage {next(iter(missing))!r:.40}")
        return position

    def _expect(self, end: int) -> None:
        if end > len(self._data):
            raise RuntimeError(f"unexpected EOF, expected {end - len(self._data)} more bytes. The file might be corrupted.")


def swapped(array: np.ndarray, d: dt.dtype) -> np.ndarray:
    """Bytes of elements of dtype `d` in the other byte order."""
    item = d.itemsize // 2 if d.is_complex else d.itemsize
    return np.ascontiguousarray(array.reshape(-1, item)[:, ::-1]).reshape(-1)


def _text(x: Any) -> Any:
    return x.decode("ascii", "replace") if isinstance(x, bytes) else x


class _Placeholder:
    """Stands for whatever a pickle makes while it is only looked through."""

    def __new__(cls, *args: Any, **kwargs: Any) -> _Placeholder:
        return object.__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any): ...
    def __setstate__(self, state: Any) -> None: ...
    def __setitem__(self, key: Any, value: Any) -> None: ...
    def append(self, item: Any) -> None: ...
    def extend(self, items: Any) -> None: ...
    def add(self, item: Any) -> None: ...


class _Scanner(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return storage_type(name) if name in STORAGES else _Placeholder


def load(data: bytes, restore: Callable, is_meta: bool, unpickler: Callable | None, options: dict) -> tuple[Any, int]:
    """The object in a file of the old format, and where it ends (another may follow).

    `unpickler(stream, **options)` reads its pickle, None: the restricted one.
    """
    storages = _Storages(data, restore, is_meta)
    pickles = _Pickles(data, storages.find, unpickler, options)
    if pickles.next() != MAGIC:
        raise RuntimeError("Invalid magic number; corrupt file?")
    if (version := pickles.next()) != VERSION:
        raise RuntimeError(f"Invalid protocol version: {version!r:.40}")
    system = pickles.next()
    start = pickles.position
    pickles.look_through()
    keys = pickles.next()
    end = storages.read(pickles.position, keys, not isinstance(system, dict) or bool(system.get("little_endian", True)))
    pickles.position = start
    return pickles.next(), end


class _Pickles:
    """The pickles of a file, one after another, read by `unpickler(stream, **options)`; None: the restricted one."""

    def __init__(self, data: bytes, find: Callable, unpickler: Callable | None, options: dict):
        self._data, self._find, self._unpickler, self._options = data, find, unpickler, options
        self.position = 0

    def next(self) -> Any:
        if self._unpickler is not None:
            return self._load(self._unpickler)
        reader = _restricted.Unpickler(self._data, self._find, self.position, self._options.get("encoding", "utf-8"))
        loaded = reader.load()
        self.position = reader.position
        return loaded

    def look_through(self) -> None:
        """Pass one that refers to storages, noting them."""
        if self._unpickler is not None:
            self._load(_Scanner)
        else:
            self.next()

    def _load(self, unpickler: Callable) -> Any:
        stream = io.BytesIO(self._data)
        stream.seek(self.position)
        reader = unpickler(stream, **self._options)
        reader.persistent_load = self._find
        loaded = reader.load()
        self.position = stream.tell()
        return loaded
