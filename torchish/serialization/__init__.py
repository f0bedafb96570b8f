"""Checkpoints in PyTorch's formats: `torch.save` and `torch.load`, and `torch.serialization`.

    _zip         the container that files since PyTorch 1.6 are
    _pickler     what is written into its pickle, under PyTorch's names (`_names`)
    _restricted  the unpickler of weights-only loads, which calls nothing that is not in its table
    _rebuild     tensors from storages, and where storages go
    _legacy      the format before 1.6
    _tar         the format before 0.1.10
    _files       atomic replacement
"""

from __future__ import annotations

import io
import os
import pickle
import re
import sys
import warnings
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish.serialization import _files, _legacy, _names, _pickler, _rebuild, _restricted, _tar, _zip
from torchish.serialization._names import StorageType
from torchish.serialization._rebuild import _get_layout as _get_layout
from torchish.serialization._rebuild import default_restore_location, location_tag

DEFAULT_PROTOCOL = 2

UNSAFE_MESSAGE = (
    "In PyTorch 2.6, we changed the default value of the `weights_only` argument in `torch.load` "
    "from `False` to `True`. Re-running `torch.load` with `weights_only` set to `False` will likely succeed, "
    "but it can result in arbitrary code execution. Do it only if you got the file from a "
    "trusted source."
)
_DOCS_MESSAGE = (
    "\n\nCheck the documentation of torch.load to learn more about types accepted by default with "
    "weights_only https://pytorch.org/docs/stable/generated/torch.load.html."
)


class LoadEndianness(Enum):
    NATIVE = 1
    LITTLE = 2
    BIG = 3


class SourceChangeWarning(Warning):
    """PyTorch's warning for a module whose source differs from the checkpoint's; torchish does not compare sources."""


class _Options:
    endianness: LoadEndianness | None = None
    checksums = True
    mmap_flags: int | None = 2  # MAP_PRIVATE


def get_default_load_endianness() -> LoadEndianness | None:
    """The byte order taken for files that do not say theirs; None: little."""
    return _Options.endianness


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Choose the byte order of files that do not say theirs."""
    if not isinstance(endianness, LoadEndianness) and endianness is not None:
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    _Options.endianness = endianness


def get_crc32_options() -> bool:
    """Whether `save` computes checksums."""
    return _Options.checksums


def set_crc32_options(compute_crc32: bool) -> None:
    """Have `save` compute checksums, or not."""
    _Options.checksums = compute_crc32


def get_default_mmap_options() -> int | None:
    """The flags that files are mapped with; torchish maps them read-only and copies on write."""
    return _Options.mmap_flags


class set_default_mmap_options:
    """Choose MAP_PRIVATE or MAP_SHARED for later loads, or within a block."""

    def __init__(self, flags: int):
        if flags not in (1, 2):
            raise ValueError(
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE or mmap.MAP_SHARED, "
                f"but got {flags}"
            )
        self.prev = _Options.mmap_flags
        _Options.mmap_flags = flags

    def __enter__(self) -> None: ...

    def __exit__(self, *exc: Any) -> None:
        _Options.mmap_flags = self.prev


# --- what weights-only loads may make ----------------------------------------------------------------------------


def add_safe_globals(safe_globals: list) -> None:
    """Let weights-only loads make these classes and call these functions, given as such or as (object, full name)."""
    _restricted.add(safe_globals)


def get_safe_globals() -> list:
    """What `add_safe_globals` was given."""
    return list(_restricted._user)


def clear_safe_globals() -> None:
    """Forget what `add_safe_globals` was given."""
    _restricted._user.clear()


class safe_globals:
    """Within the block weights-only loads may make these too."""

    def __init__(self, safe_globals: list):
        self.safe_globals = safe_globals

    def __enter__(self) -> None:
        self._added = [f for f in self.safe_globals if f not in _restricted._user]
        _restricted.add(self.safe_globals)

    def __exit__(self, *exc: Any) -> None:
        _restricted.remove(self._added)


def get_unsafe_globals_in_checkpoint(f: Any) -> list[str]:
    """The names in a checkpoint that a weights-only load would refuse as things stand."""
    import pickletools

    with _Opened(f) as stream:
        if not _is_zip(stream):
            raise ValueError("Expected input to be a checkpoint returned by torch.save")
        reader = _zip.Reader(stream)
        if reader.has("constants.pkl"):
            raise ValueError("Expected input to be a checkpoint returned by torch.save but got a torchscript checkpoint")
        data = reader.read("data.pkl")
    known = {*_restricted._allowed(), *_restricted.allowed_by_user()}
    found: dict[str, None] = {}
    for code, arg, _ in pickletools.genops(data):
        if code.name == "GLOBAL":
            module, _, name = str(arg).partition(" ")
            found[f"{_restricted._PYTHON_2.get(module, module)}.{name}"] = None
    return [name for name in found if name not in known]


def register_package(priority: int, tagger: Callable, deserializer: Callable) -> None:
    """Teach `save` and `load` another place for storages: a function that names it, and one that moves storages there."""
    _rebuild.PACKAGES.append((priority, tagger, deserializer))
    _rebuild.PACKAGES.sort(key=lambda package: package[0])


# --- saving --------------------------------------------------------------------------------------------------------


def save(
    obj: object,
    f: Any,
    pickle_module: Any = pickle,
    pickle_protocol: int = DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Write `obj` to a path or a binary stream, in a file that PyTorch reads too.

    Tensors that share memory share it in the file. A path is replaced as a whole: whatever happens, it holds the old
    file or the new one.
    """
    _files.check_writable(f)
    is_zip = _use_new_zipfile_serialization
    if _files.is_path(f):
        path = os.fspath(f)
        path = path.decode() if isinstance(path, bytes) else path
        name = os.path.basename(path)
        folder = (name.rpartition(".")[0] if "." in name else name) if path.isascii() else ""
        with _files.replacing(path) as stream:
            _write(obj, stream, folder or "archive", pickle_module, pickle_protocol, is_zip, _disable_byteorder_record)
        return
    _write(obj, f, "archive", pickle_module, pickle_protocol, is_zip, _disable_byteorder_record)
    if hasattr(f, "flush"):
        f.flush()


def _write(obj: object, stream: Any, folder: str, pickle_module: Any, protocol: int, is_zip: bool, hides_order: bool) -> None:
    if not is_zip:
        _legacy.save(obj, stream, pickle_module, protocol)
        return
    data, saved = _pickler.dumps(obj, pickle_module, protocol)
    writer = _zip.Writer(stream, folder, _Options.checksums)
    writer.write("data.pkl", data)
    writer.write(".format_version", b"1")
    writer.write(".storage_alignment", str(_zip.ALIGNMENT).encode())
    if not hides_order:
        writer.write("byteorder", sys.byteorder.encode())
    for key, storage in saved.storages.items():
        writer.write(f"data/{key}", _pickler.memory_of(storage))
    writer.write("version", b"3\n")
    writer.write(".data/serialization_id", _zip.serialization_id(writer.checksums()).encode())
    writer.finish()


# --- loading -------------------------------------------------------------------------------------------------------


class _Opened:
    """A path opened for reading, or a stream as it is."""

    def __init__(self, f: Any):
        self._own = _files.is_path(f)
        if not self._own:
            _files.check_seekable(f)
        self.stream = open(f, "rb") if self._own else f

    def __enter__(self) -> Any:
        return self.stream

    def __exit__(self, *exc: Any) -> None:
        if self._own:
            self.stream.close()


def _is_zip(stream: Any) -> bool:
    start = stream.tell()
    magic = stream.read(4)
    stream.seek(start)
    return magic == b"PK\x03\x04"


def _flag(name: str) -> bool:
    return os.getenv(name, "0").lower() in ("1", "y", "yes", "true")


def _decide(weights_only: bool | None, pickle_module: Any) -> bool:
    """Whether the load is restricted, from the argument and PyTorch's environment variables."""
    result = pickle_module is None if weights_only is None else bool(weights_only)
    force, force_not = _flag("TORCH_FORCE_WEIGHTS_ONLY_LOAD"), _flag("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    if force and force_not:
        raise RuntimeError(
            "Only one of `TORCH_FORCE_WEIGHTS_ONLY_LOAD` or `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD` should be set, but both were set."
        )
    if force:
        result = True
    elif force_not and weights_only is None:
        warnings.warn(
            "Environment variable TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD detected, since the"
            "`weights_only` argument was not explicitly passed to `torch.load`, forcing weights_only=False.",
            UserWarning,
            stacklevel=3,
        )
        result = False
    if result and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    return result


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """The object in a checkpoint that torchish or PyTorch saved, from a path or a seekable binary stream.

    By default only tensors, plain data and what `add_safe_globals` allows are made, and no code of the file runs.
    `weights_only=False` unpickles anything: for files from people you trust. `map_location` says where storages go:
    a device, its name, a dictionary of tags or a function of a storage and its tag. `mmap` maps the file instead of reading it.
    """
    restricted = _decide(weights_only, pickle_module)
    if pickle_load_args and restricted:
        warnings.warn("pickle_load_args only works if `weights_only=False`.", stacklevel=2)
    pickle_load_args.setdefault("encoding", "utf-8")
    if _files.is_path(f) and str(os.fspath(f)).endswith(".safetensors"):
        return _load_safetensors(f, map_location)
    with _Opened(f) as stream:
        try:
            if _is_zip(stream):
                return _load_zip(stream, f, map_location, pickle_module, restricted, bool(mmap), pickle_load_args)
            if mmap:
                name = f"{f}, " if isinstance(f, str) else ""
                raise RuntimeError(
                    f"mmap can only be used with files saved with `torch.save({name}_use_new_zipfile_serialization=True), "
                    "please torch.save your checkpoint with this option in order to use mmap."
                )
            start = stream.tell()
            data = stream.read()
            if _tar.is_tar(data) and restricted:
                raise RuntimeError("Cannot use ``weights_only=True`` with files saved in the legacy .tar format. " + UNSAFE_MESSAGE)
            if _tar.is_tar(data):
                return _within(map_location, _tar.load, data, map_location, _unpickler_class(pickle_module or pickle), pickle_load_args)
            unpickler = None if restricted else _unpickler_class(pickle_module or pickle)
            restore = _rebuild.restore_function(map_location)
            is_meta = _rebuild.is_meta(map_location)
            loaded, size = _within(map_location, _legacy.load, data, restore, is_meta, unpickler, pickle_load_args)
            stream.seek(start + size)
            return loaded
        except pickle.UnpicklingError as e:
            if restricted:
                raise pickle.UnpicklingError(_advice(str(e))) from None
            raise


def _within(map_location: Any, function: Callable, *args: Any) -> Any:
    _rebuild.MAP_LOCATION.append(map_location)
    try:
        return function(*args)
    finally:
        _rebuild.MAP_LOCATION.pop()


def _load_safetensors(f: Any, map_location: Any) -> Any:
    from torchish.safetensors.torch import load_file

    for kind, name in ((isinstance(map_location, dict), "dict"), (callable(map_location), "callable")):
        if kind:
            raise RuntimeError(
                f"Loading safetensors file with {name} map_location is not supported. Use a device string or torch.device instead."
            )
    return load_file(f, device="cpu" if map_location is None else str(map_location))


def _unpickler_class(pickle_module: Any) -> type:
    class Unpickler(pickle_module.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if "Storage" in name and name in _names.STORAGES:
                return _names.storage_type(name)
            if _names._names.is_pytorch_name(module):
                return _names.find(module, name)
            return super().find_class(module, name)

    return Unpickler


def _load_zip(stream: Any, f: Any, map_location: Any, pickle_module: Any, restricted: bool, mapped: bool, options: dict) -> Any:
    reader = _zip.Reader(stream)
    if reader.has("constants.pkl"):
        warnings.warn(
            "'torch.load' received a zip file that looks like a TorchScript archive dispatching to 'torch.jit.load' (call "
            "'torch.jit.load' directly to silence this warning)",
            UserWarning,
            stacklevel=3,
        )
        if restricted:
            raise RuntimeError("Cannot use ``weights_only=True`` with TorchScript archives passed to ``torch.load``. " + UNSAFE_MESSAGE)
        from torchish import jit

        jit.load(f, map_location)
    memory = None
    if mapped:
        if not _files.is_path(f):
            raise ValueError("f must be a file path in order to use the mmap argument")
        memory = np.memmap(os.fspath(f), np.uint8, "r")
    data = reader.read("data.pkl")
    storages = _Storages(reader, memory, map_location)
    if restricted:
        return _within(map_location, _restricted.Unpickler(data, storages.find, encoding=options["encoding"]).load)
    unpickler = _unpickler_class(pickle_module or pickle)(io.BytesIO(data), **options)
    unpickler.persistent_load = storages.find
    return _within(map_location, unpickler.load)


class _Storages:
    """The storages of an archive, read as the pickle asks for them."""

    def __init__(self, reader: _zip.Reader, memory: Any, map_location: Any):
        self._reader, self._memory = reader, memory
        self._restore = _rebuild.restore_function(map_location)
        self._is_meta = _rebuild.is_meta(map_location)
        self._made: dict[str, Any] = {}
        order = reader.read("byteorder") if reader.has("byteorder") else None
        if order not in (b"little", b"big", None):
            raise ValueError("Unknown endianness type: " + order[:20].decode("utf-8", "replace"))
        if order is None:
            order = {LoadEndianness.BIG: b"big", LoadEndianness.NATIVE: sys.byteorder.encode()}.get(_Options.endianness, b"little")  # type: ignore[call-overload, arg-type]
        self._swaps = order.decode() != sys.byteorder

    def find(self, pid: Any) -> Any:
        """The storage that a persistent id (kind, type, key, location tag, number of elements) stands for."""
        if type(pid) is not tuple or len(pid) != 5:
            raise pickle.UnpicklingError("saved_id must be a tuple of five")
        kind, storage_type, key, location, numel = (x.decode("ascii", "replace") if isinstance(x, bytes) else x for x in pid)
        if kind != "storage":
            raise AssertionError(f"Unknown typename for persistent_load, expected 'storage' but got {kind!r:.40}")
        d = storage_type.dtype if isinstance(storage_type, StorageType) else dt.uint8
        if not isinstance(key, str) or not isinstance(location, str) or type(numel) is not int or not 0 <= numel < 2**62:
            raise pickle.UnpicklingError("a storage's key, place and size are malformed")
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._read(d, numel * d.itemsize, f"data/{key}", location)
        return made

    def _read(self, d: dt.dtype, nbytes: int, name: str, location: str) -> Any:
        reader = self._reader
        if self._is_meta:
            return _rebuild.meta_storage(nbytes, d)
        size = reader.size(name)
        if size < nbytes:
            raise RuntimeError(f"PytorchStreamReader failed reading file {name}: {nbytes} bytes are needed, the file has {size}")
        data: Any
        if self._memory is not None and reader.is_stored(name):
            start = reader.offset(name)
            data = np.asarray(self._memory[start : start + nbytes])
        else:
            data = np.frombuffer(reader.read(name), np.uint8, nbytes)
        if self._swaps:
            data = _legacy.swapped(data, d)
        return _rebuild.moved(_rebuild.storage_of_bytes(data, d), location, self._restore)


def _advice(message: str) -> str:
    """PyTorch's words around the error of a weights-only load."""
    if re.search(r"GLOBAL (\S+) was not an allowed global by default.", message):
        return (
            "Weights only load failed. This file can still be loaded, to do so you have two options, "
            "\033[1mdo those steps only if you trust the source of the checkpoint\033[0m. "
            f"\n\t(1) {UNSAFE_MESSAGE}\n\t(2) Alternatively, to load with `weights_only=True` please check "
            "the recommended steps in the following error message.\n\tWeightsUnpickler error: " + message + _DOCS_MESSAGE
        )
    text = f"Weights only load failed. {UNSAFE_MESSAGE}\n"
    if not re.search(r"whose module (\S+) is blocked", message):
        text += (
            "Please file an issue with the following so that we can make "
            "`weights_only=True` compatible with your use case: WeightsUnpickler error: "
        )
    return text + "\n\n" + message + _DOCS_MESSAGE


__all__ = [
    "DEFAULT_PROTOCOL", "LoadEndianness", "SourceChangeWarning", "StorageType", "add_safe_globals", "clear_safe_globals",
    "default_restore_location", "get_crc32_options", "get_default_load_endianness", "get_default_mmap_options", "get_safe_globals",
    "get_unsafe_globals_in_checkpoint", "load", "location_tag", "register_package", "safe_globals", "save", "set_crc32_options",
    "set_default_load_endianness", "set_default_mmap_options",
]  # fmt: skip
