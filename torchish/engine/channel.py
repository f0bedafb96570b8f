"""Objects between processes: small ones through a socket, large ones through shared memory.

A message is a pickle and, apart from it, the memory of the arrays in it. Up to `INLINE` bytes it goes through the
socket; beyond, it is written to a nameless file in memory whose descriptor goes through the socket, and which the
receiver maps. Nothing has a name, so nothing can be left behind: whoever is killed, the kernel frees what nobody holds.
"""

from __future__ import annotations

import copyreg
import errno
import io
import mmap
import os
import pickle
import select
import socket
import struct
import sys
import tempfile
import weakref
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np

from torchish import _dtypes as dt

# How often, in seconds, both sides look whether the other is still alive.
CHECK_INTERVAL = 5.0

# Bytes up to which a message goes through the socket. Measured, request to reply, in microseconds through the socket
# and through memory: 4 KB 130 and 205, 48 KB 165 and 265, 128 KB 210 and 375, 256 KB 330 and 620, 1 MB 970 and 1930.
# But what is larger than a socket holds keeps the sender waiting and the receiver copying, when it wants to go on.
INLINE = 1 << 18
SOCKET_BUFFER = 1 << 22  # asked for; the system gives what it allows

# Mapped messages that may be alive at a time: Python's maps each hold a file descriptor. Beyond, they are copied.
MAX_MAPS = 256

_HEADER = struct.Struct("<QIIQ")  # bytes of the body, buffers, whether the body is in a file, bytes of the pickle
_ALIGN = 64  # what XLA wants of memory that it uses without a copy
_PADDING = bytes(_ALIGN)
_maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


class Closed(EOFError):
    """The other side is gone."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets."""
    ends = socket.socketpair()
    for s in ends:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
    return ends


# --- objects to bytes --------------------------------------------------------------------------------------


# How types travel, besides what pickle and multiprocessing know: like `copyreg.dispatch_table`.
REDUCERS: dict[type, Callable] = {}


def _reduce_array(a: np.ndarray):
    d = dt.FROM_NP.get(a.dtype)
    if d is None:
        return a.__reduce_ex__(5)
    # as bytes: not every dtype's arrays have a buffer of their own
    flat = np.ascontiguousarray(a).reshape(-1).view(np.uint8)
    return _array, (pickle.PickleBuffer(flat.data), d.name, a.shape)


def _array(buffer, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.ndarray(shape, dt.BY_NAME[dtype].np, buffer)


REDUCERS[np.ndarray] = _reduce_array


def _dumps(obj: Any) -> tuple[bytes, list]:
    """The pickle of `obj`, and the buffers that it refers to."""
    file = io.BytesIO()
    buffers: list[pickle.PickleBuffer] = []
    pickler = pickle.Pickler(file, 5, buffer_callback=buffers.append)
    extra = getattr(ForkingPickler, "_extra_reducers", {})
    pickler.dispatch_table = {**copyreg.dispatch_table, **extra, **REDUCERS}
    pickler.dump(obj)
    return file.getvalue(), [b.raw() for b in buffers]


def _encode(obj: Any) -> tuple[bytes, list, int]:
    """A message: its header, the parts of its body, the length of the body."""
    text, buffers = _dumps(obj)
    table = struct.pack(f"<{len(buffers)}Q", *[b.nbytes for b in buffers])
    parts: list = [table, text]
    size = len(table) + len(text)
    for b in buffers:
        gap = -size % _ALIGN
        if gap:
            parts.append(_PADDING[:gap])
        parts.append(b)
        size += gap + b.nbytes
    return _HEADER.pack(size, len(buffers), size > INLINE, len(text)), parts, size


def _decode(body: memoryview, n_buffers: int, n_text: int) -> Any:
    start = 8 * n_buffers
    sizes = struct.unpack_from(f"<{n_buffers}Q", body)
    text = body[start : start + n_text]
    position = start + n_text
    buffers = []
    for n in sizes:
        position += -position % _ALIGN
        buffers.append(body[position : position + n])
        position += n
    return pickle.loads(text, buffers=buffers)


# --- memory ------------------------------------------------------------------------------------------------


def _memory_file(parts: list, size: int) -> int:
    """The descriptor of a nameless file that holds `parts`."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("torchish", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as f:
            fd = os.dup(f.fileno())
    try:
        left = [memoryview(p).cast("B") for p in parts if len(p)]
        while left:
            n = os.writev(fd, left[:512])
            left = _rest(left, n)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _rest(parts: list, n: int) -> list:
    """What is left of `parts` after their first `n` bytes."""
    for i, p in enumerate(parts):
        if n < len(p):
            return [p[n:], *parts[i + 1 :]]
        n -= len(p)
    return []


def _map(fd: int, size: int) -> memoryview:
    """The file's contents as writable memory."""
    if len(_maps) < MAX_MAPS:
        try:
            m = mmap.mmap(fd, size, flags=mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0))
            _maps.add(m)
            return memoryview(m)
        except OSError as e:
            if e.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                raise
    body = _aligned(size)
    with open(fd, "rb", buffering=0, closefd=False) as f:
        f.seek(0)
        _fill(f.readinto, body)
    return body


def _aligned(size: int) -> memoryview:
    """Fresh memory at an address that XLA can use as it is."""
    raw = np.empty(size + _ALIGN, np.uint8)
    start = -raw.ctypes.data % _ALIGN
    return raw[start : start + size].data


def _fill(read, view: memoryview) -> None:
    while len(view):
        n = read(view)
        if not n:
            raise Closed("the other process closed the connection in the middle of a message")
        view = view[n:]


# --- connections -------------------------------------------------------------------------------------------


class Channel:
    """One end of a connection that carries messages both ways."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._unsent: list = []  # of `post`: parts of messages that the socket had no room for

    def fileno(self) -> int:
        return self.sock.fileno()

    def send(self, obj: Any) -> None:
        """Send a message, waiting for room. Raises `Closed` when the other side is gone."""
        header, parts, size = _encode(obj)
        try:
            if size > INLINE:
                fd = _memory_file(parts, size)
                try:
                    socket.send_fds(self.sock, [header], [fd])
                finally:
                    os.close(fd)
            else:
                self._send_all([header, *parts])
        except (BrokenPipeError, ConnectionResetError) as e:
            raise Closed(str(e)) from None

    def _send_all(self, parts: list) -> None:
        left = [memoryview(p).cast("B") for p in parts if len(p)]
        while left:
            left = _rest(left, self.sock.sendmsg(left[:512]))

    def post(self, obj: Any) -> None:
        """Send a message without ever waiting; what does not fit goes with the next `flush`. No error if closed."""
        header, parts, size = _encode(obj)
        if size > INLINE:
            self._unsent.append((header, _memory_file(parts, size)))
        else:
            self._unsent.append((b"".join([header, *parts]), -1))
        self.flush()

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to `flush`."""
        return bool(self._unsent)

    def flush(self) -> None:
        while self._unsent:
            data, fd = self._unsent[0]
            try:
                if fd >= 0:
                    n = socket.send_fds(self.sock, [data], [fd], socket.MSG_DONTWAIT)
                    os.close(fd)
                else:
                    n = self.sock.send(data, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                self._drop_unsent()
                return
            if n < len(data):
                self._unsent[0] = (data[n:], -1)
                return
            self._unsent.pop(0)

    def _drop_unsent(self) -> None:
        for _, fd in self._unsent:
            if fd >= 0:
                os.close(fd)
        self._unsent = []

    def poll(self, seconds: float) -> bool:
        """Whether a message (or the end) comes within that time."""
        p = select.poll()
        p.register(self.sock, select.POLLIN)
        return bool(p.poll(seconds * 1000))

    def receive(self) -> Any:
        """The next message; waits for it. Raises `Closed` when the other side is gone."""
        header = bytearray(_HEADER.size)
        try:
            n, ancillary, flags, _ = self.sock.recvmsg_into([header], socket.CMSG_SPACE(4))
            if n == 0:
                raise Closed("the other process closed the connection")
            _fill(lambda v: self.sock.recv_into(v), memoryview(header)[n:])
            size, n_buffers, in_file, n_text = _HEADER.unpack(header)
            if in_file:
                fd = _descriptor(ancillary, flags)
                try:
                    body = _map(fd, size)
                finally:
                    os.close(fd)
            else:
                body = _aligned(size)
                _fill(lambda v: self.sock.recv_into(v, len(v), socket.MSG_WAITALL), body)
        except ConnectionResetError as e:
            raise Closed(str(e)) from None
        return _decode(body, n_buffers, n_text)

    def close(self) -> None:
        """Close both directions, also for processes that have inherited this end."""
        self._drop_unsent()
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side was first
        self.sock.close()


def _descriptor(ancillary: list, flags: int) -> int:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS and len(data) >= 4:
            return int.from_bytes(data[:4], sys.byteorder)
    # the descriptor was there, but this process may have no more
    raise RuntimeError(
        "Too many open files. Communication with the workers is no longer possible. Please increase the limit using "
        "`ulimit -n` in the shell or change the sharing strategy by calling "
        "`torch.multiprocessing.set_sharing_strategy('file_system')` at the beginning of your code"
    )
