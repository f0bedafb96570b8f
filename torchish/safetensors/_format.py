"""The safetensors format: eight bytes of length, a JSON header, then the tensors' bytes (huggingface.co/docs/safetensors)."""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

DTYPES: dict[str, np.dtype] = {
    name: np.dtype(d)
    for name, d in {
        "BOOL": np.bool_, "U8": np.uint8, "I8": np.int8, "I16": np.int16, "U16": np.uint16, "F16": np.float16, "BF16": ml_dtypes.bfloat16,
        "I32": np.int32, "U32": np.uint32, "F32": np.float32, "F64": np.float64, "I64": np.int64, "U64": np.uint64, "C64": np.complex64,
        "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2, "F8_E8M0": ml_dtypes.float8_e8m0fnu,
        "F8_E4M3FNUZ": ml_dtypes.float8_e4m3fnuz, "F8_E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
    }.items()
}  # fmt: skip
NAMES = {d: n for n, d in DTYPES.items()}
_MAX_HEADER = 100_000_000


class SafetensorError(Exception):
    """A file that is not what the format says."""

    __module__ = "safetensors"


class Entry(NamedTuple):
    dtype: np.dtype
    shape: tuple[int, ...]
    start: int
    stop: int


class Header:
    """What a file says of its tensors, checked against its size."""

    def __init__(self, head: bytes, size: int, read: Callable[[int, int], Any]):
        if len(head) < 8:
            raise SafetensorError("Error while deserializing header: header too small")
        (length,) = struct.unpack("<Q", head[:8])
        if length > _MAX_HEADER:
            raise SafetensorError("Error while deserializing header: header too large")
        if 8 + length > size:
            raise SafetensorError("Error while deserializing header: invalid header length")
        try:
            text = bytes(read(8, length)).decode("utf-8")
        except UnicodeDecodeError:
            raise SafetensorError("Error while deserializing header: invalid UTF-8 in header") from None
        try:
            table = json.loads(text)
        except (ValueError, RecursionError) as e:
            raise SafetensorError(f"Error while deserializing header: invalid JSON in header: {e}") from None
        if not isinstance(table, dict):
            raise SafetensorError("Error while deserializing header: invalid JSON in header: a table is expected")
        self.start = 8 + length
        self.metadata = table.pop("__metadata__", None)
        if self.metadata is not None and not (
            isinstance(self.metadata, dict) and all(isinstance(v, str) for v in self.metadata.values())
        ):
            raise SafetensorError("Error while deserializing header: invalid metadata")
        self.entries = {name: _entry(name, e) for name, e in table.items()}
        at = 0
        for name, entry in sorted(self.entries.items(), key=lambda item: (item[1].start, item[1].stop)):
            if entry.start != at:
                raise SafetensorError(f"Error while deserializing header: invalid offset for tensor `{name}`")
            at = entry.stop
        if at != size - self.start:
            raise SafetensorError("Error while deserializing header: incomplete metadata, file not fully covered")


def _entry(name: str, e: Any) -> Entry:
    try:
        d, shape, (start, stop) = DTYPES[e["dtype"]], tuple(e["shape"]), e["data_offsets"]
    except (KeyError, TypeError, ValueError):
        raise SafetensorError(f"Error while deserializing header: invalid entry for tensor `{name:.100}`") from None
    if not all(type(n) is int and n >= 0 for n in (*shape, start, stop)) or len(shape) > 64:
        raise SafetensorError(f"Error while deserializing header: invalid entry for tensor `{name:.100}`")
    if math.prod(shape) * d.itemsize != stop - start:
        raise SafetensorError("Error while deserializing header: info data offsets mismatch")
    return Entry(d, shape, start, stop)


def parse(data: Any) -> tuple[Header, memoryview]:
    """The header of a file in memory, and its tensors' bytes."""
    view = memoryview(data).cast("B")
    header = Header(bytes(view[:8]), view.nbytes, lambda at, n: view[at : at + n])
    return header, view[header.start :]


def array(header: Header, name: str, body: Any) -> np.ndarray:
    """One tensor of a file in memory (its bytes, not copied)."""
    e = header.entries[name]
    return np.frombuffer(body, np.uint8, e.stop - e.start, e.start).view(e.dtype).reshape(e.shape)


def pieces(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None) -> list[Any]:
    """The buffers of which a file consists; large elements first, then by name, so that everything is aligned."""
    header: dict[str, Any] = {}
    if metadata is not None:
        if not all(isinstance(k, str) and isinstance(v, str) for k, v in metadata.items()):
            raise SafetensorError("metadata must be strings by strings")
        header["__metadata__"] = dict(metadata)
    at, body = 0, []
    for name in sorted(arrays, key=lambda n: (-arrays[n].dtype.itemsize, n)):
        a = np.ascontiguousarray(arrays[name])
        if a.dtype not in NAMES:
            raise SafetensorError(f"the format has no dtype {a.dtype}")
        header[name] = {"dtype": NAMES[a.dtype], "shape": list(arrays[name].shape), "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
        body.append(a.reshape(-1).view(np.uint8))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return [struct.pack("<Q", len(text)), text, *body]


def write(path: Any, parts: list[Any]) -> None:
    """Replace a file, whole."""
    from torchish.serialization._files import replacing

    with replacing(os.fspath(path)) as stream:
        for part in parts:
            stream.write(part)


def read(path: Any) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()
