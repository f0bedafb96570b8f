"""The container of a checkpoint: a zip archive as `torch.save` lays it out.

Records are stored uncompressed, each one's bytes at a multiple of 64 so that a file can be mapped. The reader trusts nothing:
what the directory says is held against the size of the file before memory is asked for.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from typing import IO, Any, NamedTuple

ALIGNMENT = 64
_LOCAL, _ENTRY, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_END64, _LOCATOR64, _DESCRIPTOR = b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08"
_MAX32 = 0xFFFFFFFF
_FLAGS = 0x0808  # names in UTF-8, sizes after the data
_MAX_EXPANSION = 64  # of compressed records, beyond _FREE_EXPANSION bytes; torch.save compresses nothing
_FREE_EXPANSION = 64 << 20

_HINT = (
    "This is an internal miniz error. If you are seeing this error, there is a high likelihood that your checkpoint file is "
    "corrupted. This can happen if the checkpoint was not saved properly, was transferred incorrectly, or the file was modified "
    "after saving."
)


def _corrupt(what: str) -> RuntimeError:
    return RuntimeError(f"PytorchStreamReader failed {what}. {_HINT}")


class _Written(NamedTuple):
    name: bytes
    crc: int
    size: int
    offset: int


class Writer:
    """Writes records in order to a binary stream that need not be seekable."""

    def __init__(self, stream: IO[bytes], folder: str, with_checksums: bool = True):
        self._stream = stream
        self._folder = folder
        self._with_checksums = with_checksums
        self._at = 0
        self._written: list[_Written] = []

    def _put(self, data: Any) -> None:
        self._stream.write(data)
        self._at += memoryview(data).nbytes

    def write(self, name: str, data: Any) -> None:
        """Add the record `name` with the bytes of a buffer."""
        full = f"{self._folder}/{name}".encode()
        view = memoryview(data)
        view = view.cast("B") if view.nbytes else memoryview(b"")
        size, start = view.nbytes, self._at
        wide = struct.pack("<HHQQ", 1, 16, size, size) if size >= _MAX32 else b""
        # a field of padding puts the data at a multiple of 64
        pad = -(start + 30 + len(full) + len(wide) + 4) % ALIGNMENT
        padding = b"FB" + struct.pack("<H", pad) + b"Z" * pad
        sizes = (_MAX32, _MAX32) if wide else (0, 0)
        self._put(struct.pack("<4sHHHHHIIIHH", _LOCAL, 0, _FLAGS, 0, 0, 0, 0, *sizes, len(full), len(wide) + len(padding)))
        self._put(full + wide + padding)
        crc = zlib.crc32(view) if self._with_checksums else 0
        for i in range(0, size, 1 << 26):
            self._put(view[i : i + (1 << 26)])
        if size:
            self._put(struct.pack("<4sIQQ" if size >= _MAX32 or start >= _MAX32 else "<4sIII", _DESCRIPTOR, crc, size, size))
        self._written.append(_Written(full, crc, size, start))

    def checksums(self) -> list[tuple[str, int]]:
        """The names and checksums of the records so far."""
        return [(r.name.decode(), r.crc) for r in self._written]

    def finish(self) -> None:
        """Write the directory."""
        start = self._at
        for r in self._written:
            wide = b""
            size, offset = r.size, r.offset
            if size >= _MAX32 or offset >= _MAX32:
                long = b""
                if size >= _MAX32:
                    long += struct.pack("<QQ", size, size)
                    size = _MAX32
                if offset >= _MAX32:
                    long += struct.pack("<Q", offset)
                    offset = _MAX32
                wide = struct.pack("<HH", 1, len(long)) + long
            fields = (0, 0, _FLAGS, 0, 0, 0, r.crc, size, size, len(r.name), len(wide), 0, 0, 0, 0, offset)
            self._put(struct.pack("<4sHHHHHHIIIHHHHHII", _ENTRY, *fields) + r.name + wide)
        length, n = self._at - start, len(self._written)
        end = self._at
        self._put(struct.pack("<4sQHHIIQQQQ", _END64, 44, 0x031E, 45, 0, 0, n, n, length, start))
        self._put(struct.pack("<4sIQI", _LOCATOR64, 0, end, 1))
        self._put(struct.pack("<4sHHHHIIH", _END, 0, 0, min(n, 0xFFFF), min(n, 0xFFFF), min(length, _MAX32), min(start, _MAX32), 0))


class _Entry(NamedTuple):
    method: int
    flags: int
    crc: int
    packed: int
    size: int
    offset: int


class Reader:
    """Reads records of an archive in a seekable binary stream, which starts where the stream stands."""

    def __init__(self, stream: IO[bytes]):
        self._stream = stream
        self._base = stream.tell()
        self._length = stream.seek(0, io.SEEK_END) - self._base
        self._entries: dict[str, _Entry] = {}
        try:
            self._read_directory()
        except (struct.error, UnicodeDecodeError, IndexError):
            raise _corrupt("reading zip archive: invalid header or archive is corrupted") from None
        self._check_overlaps()

    def _at(self, offset: int, n: int) -> bytes:
        if offset < 0 or offset + n > self._length:
            raise _corrupt("reading zip archive: invalid header or archive is corrupted")
        self._stream.seek(self._base + offset)
        data = self._stream.read(n)
        if len(data) != n:
            raise _corrupt("reading zip archive: file read failed")
        return data

    def _read_directory(self) -> None:
        if self._length < 22:
            raise _corrupt("reading zip archive: not a ZIP archive")
        tail_start = max(0, self._length - 22 - 0xFFFF)
        tail = self._at(tail_start, self._length - tail_start)
        at = tail.rfind(_END)
        while at >= 0 and len(tail) - at < 22:
            at = tail.rfind(_END, 0, at)
        if at < 0:
            raise _corrupt("reading zip archive: failed finding central directory")
        _, _, _, _, n, length, start, _ = struct.unpack_from("<4sHHHHIIH", tail, at)
        end = tail_start + at
        if (n == 0xFFFF or length == _MAX32 or start == _MAX32) and end >= 20:
            locator = self._at(end - 20, 20)
            if locator.startswith(_LOCATOR64):
                (end64,) = struct.unpack_from("<Q", locator, 8)
                record = self._at(end64, 56)
                if not record.startswith(_END64):
                    raise _corrupt("reading zip archive: invalid header or archive is corrupted")
                n, length, start = struct.unpack_from("<QQQ", record, 32)
                end = end64
        if start + length > end or n * 46 > length:
            raise _corrupt("reading zip archive: invalid header or archive is corrupted")
        directory = self._at(start, length)
        at = 0
        for _ in range(n):
            signature, _, _, flags, method, _, _, crc, packed, size, name_n, extra_n, note_n, _, _, _, offset = struct.unpack_from(
                "<4sHHHHHHIIIHHHHHII", directory, at
            )
            if signature != _ENTRY or at + 46 + name_n + extra_n + note_n > length:
                raise _corrupt("reading zip archive: invalid header or archive is corrupted")
            name = directory[at + 46 : at + 46 + name_n].decode("utf-8")
            extra = directory[at + 46 + name_n : at + 46 + name_n + extra_n]
            size, packed, offset = _wide(extra, size, packed, offset)
            self._entries[name] = _Entry(method, flags, crc, packed, size, offset)
            at += 46 + name_n + extra_n + note_n
        if not self._entries:
            raise _corrupt("reading zip archive: no records")
        self._end_of_data = start
        self._folder = next(iter(self._entries)).partition("/")[0]

    def _check_overlaps(self) -> None:
        """Records that share bytes would let a small file ask for much memory."""
        entries = sorted((e.offset, e.packed) for e in self._entries.values())
        for (offset, packed), (following, _) in zip(entries, [*entries[1:], (self._end_of_data, 0)], strict=True):
            if offset + 30 + packed > following:
                raise _corrupt("reading zip archive: invalid header or archive is corrupted (records overlap)")

    def names(self) -> list[str]:
        """All records, without the archive's folder."""
        return [n.removeprefix(self._folder + "/") for n in self._entries]

    def has(self, name: str) -> bool:
        return f"{self._folder}/{name}" in self._entries

    def _entry(self, name: str) -> _Entry:
        e = self._entries.get(f"{self._folder}/{name}")
        if e is None:
            raise _corrupt(f"locating file {name}: file not found")
        if e.flags & 1 or e.method not in (0, 8):
            raise _corrupt(f"reading file {name}: unsupported method or encrypted")
        if e.method == 0 and e.size != e.packed:
            raise _corrupt(f"reading file {name}: invalid header or archive is corrupted")
        if e.method == 8 and e.size > _FREE_EXPANSION and e.size > _MAX_EXPANSION * e.packed:
            raise RuntimeError(
                f"PytorchStreamReader failed reading file {name}: {e.packed} compressed bytes claim to hold {e.size}, refused"
            )
        return e

    def size(self, name: str) -> int:
        """A record's size in bytes."""
        return self._entry(name).size

    def offset(self, name: str) -> int:
        """Where an uncompressed record's bytes start in the stream."""
        e = self._entry(name)
        header = self._at(e.offset, 30)
        if not header.startswith(_LOCAL):
            raise _corrupt(f"reading file {name}: invalid header or archive is corrupted")
        name_n, extra_n = struct.unpack_from("<HH", header, 26)
        start = e.offset + 30 + name_n + extra_n
        if start + e.packed > self._length:
            raise _corrupt(f"reading file {name}: file read failed")
        return self._base + start

    def is_stored(self, name: str) -> bool:
        """Whether the record's bytes lie in the file as they are."""
        return self._entry(name).method == 0

    def read(self, name: str) -> bytes:
        """A record's bytes, their checksum verified (0 stands for none)."""
        e = self._entry(name)
        data = self._at(self.offset(name) - self._base, e.packed)
        if e.method == 8:
            unpacker = zlib.decompressobj(-15)
            try:
                data = unpacker.decompress(data, e.size + 1)
            except zlib.error:
                raise _corrupt(f"reading file {name}: decompression failed or archive is corrupted") from None
            if len(data) != e.size:
                raise _corrupt(f"reading file {name}: decompression failed or archive is corrupted")
        if e.crc and zlib.crc32(data) != e.crc:
            raise _corrupt(f"reading file {name}: CRC-32 check failed")
        return data


def _wide(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Sizes and offset with what a zip64 field says instead of those that read all ones."""
    at = 0
    while at + 4 <= len(extra):
        tag, n = struct.unpack_from("<HH", extra, at)
        if tag == 1:
            values = list(struct.unpack_from(f"<{min(n, len(extra) - at - 4) // 8}Q", extra, at + 4))
            size = values.pop(0) if size == _MAX32 and values else size
            packed = values.pop(0) if packed == _MAX32 and values else packed
            offset = values.pop(0) if offset == _MAX32 and values else offset
        at += 4 + n
    return size, packed, offset


def serialization_id(records: list[tuple[str, int]]) -> str:
    """Forty digits that tell archives apart by the names and checksums of their records."""
    digest = hashlib.sha256(repr(records).encode()).digest()
    return f"{int.from_bytes(digest, 'big') % 10**40:040d}"
