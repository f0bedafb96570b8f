"""Storage: the memory that tensors alias, over immutable arrays.

A `Storage` holds the present value of its root tensor as an expression; a write replaces the expression. While a
NumPy array made by `numpy()` or given to `from_numpy` is alive, that array is the truth instead: reads take a
snapshot of it and writes go into it.
"""

from __future__ import annotations

import functools
import weakref
from sys import getrefcount
from typing import Any

import numpy as np

from torchish.engine.expr import CPU, LOCAL, Expr, aval, leaf
from torchish.engine.program import force


class VersionCounter:
    """Counts in-place changes; shared by a tensor, its views and its detached aliases.

    Mostly that is their storage itself: one object less for each tensor.
    """

    version = 0

    def apart(self) -> VersionCounter:
        """The counter that a tensor takes along when it leaves its storage."""
        return self


@functools.lru_cache(4096)
def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Row-major strides, in elements, as PyTorch gives them (a size of 0 counts as 1)."""
    strides = []
    n = 1
    for s in reversed(shape):
        strides.append(n)
        n *= max(s, 1)
    return tuple(reversed(strides))


_MADE: weakref.WeakValueDictionary[int, Storage] = weakref.WeakValueDictionary()  # by the memory made for `numpy()`


def _pointer(array) -> int:
    return array.__array_interface__["data"][0]


class Memory:
    """What tensors can be made of without a copy: the base of the storages that programs see."""

    def _elements(self, d: Any, about: str, named: str = "") -> Any:
        """The memory as elements of a dtype, or of the one that is taken where none was asked for.

        RuntimeError for typed elements of another dtype, with `about` saying where, for `{}` the dtype got, and `named` what the dtype
        wanted is called there.
        """
        raise NotImplementedError


class Storage(VersionCounter):
    """What aliasing tensors share.

    `expr` is the value in the root tensor's shape; `writes` counts replacements, so that views know
    when their cached value is stale; `strides` is the root's memory order (None: contiguous); `buffer` is the flat
    NumPy memory while it is shared.
    """

    # What most storages share; an instance sets only what differs.
    writes = 0
    strides: tuple[int, ...] | None = None
    buffer: np.ndarray | None = None
    array: np.ndarray | None = None  # the root's view of `buffer`
    owner: np.ndarray | None = None  # the array that owns the memory, and how many references to it are ours
    own = 0
    resizable = True  # NumPy has never shared it
    fixed: int | None = None  # the address, once somebody has asked for it

    def __init__(self, expr: Expr, strides: tuple[int, ...] | None = None):
        self.expr = expr
        if strides is not None:
            self.strides = strides

    def apart(self) -> VersionCounter:
        """Another counter with this count: the tensor would keep the storage alive."""
        counter = VersionCounter()
        counter.version = self.version
        return counter

    @property
    def device(self) -> str:
        return self.expr.aval.device

    @property
    def shape(self) -> tuple[int, ...]:
        return self.expr.aval.shape

    def root_strides(self) -> tuple[int, ...]:
        return self.strides if self.strides is not None else contiguous_strides(self.shape)

    def n_elements(self) -> int:
        """Elements of memory that the root spans."""
        if self.strides is None:
            return self.expr.aval.size
        return 1 + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True)) if self.expr.aval.size else 0

    def read(self) -> Expr:
        """The root's present value."""
        if self.buffer is not None and self.is_shared():
            return self.snapshot(self.shape, self.root_strides(), 0)
        return self.expr

    # --- NumPy sharing

    def share(self) -> np.ndarray:
        """The flat buffer that NumPy arrays and this storage share, made when there is none yet."""
        if self.buffer is None:
            value = np.asarray(force(self.expr))
            memory = np.empty(self.n_elements(), value.dtype)
            self._hold(memory, memory, self.shape, self.root_strides())
            self.array[...] = value  # type: ignore[index]
            _MADE[_pointer(memory)] = self
        return self.buffer  # type: ignore[return-value]

    def adopt(self, array: np.ndarray, strides: tuple[int, ...]) -> None:
        """Share the memory of a NumPy array (strides in elements), which is the root's from now on."""
        owner = array
        while isinstance(owner.base, np.ndarray):  # every array on this memory refers to the one that owns it
            owner = owner.base
        self._hold(owner, array, array.shape, strides)
        if owner.base is not None:
            self.own = -1  # the memory belongs to something else, which nothing here can count

    def _hold(self, owner: np.ndarray, memory: np.ndarray, shape, strides) -> None:
        self.resizable = False
        before = getrefcount(owner)
        span = 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        size = memory.itemsize
        if memory.ndim == 1 and memory.flags.c_contiguous:
            self.buffer = np.ndarray(memory.shape, memory.dtype, memory)
        elif owner.flags.c_contiguous or owner.flags.f_contiguous:
            # (no name for the bytes: it would count among the references)
            self.buffer = np.ndarray((span,), memory.dtype, owner.ravel("K").view(np.uint8), _pointer(memory) - _pointer(owner))
        else:
            self.buffer = np.lib.stride_tricks.as_strided(memory, (span,), (size,))
        self.array = as_strided(self.buffer, shape, strides, 0)
        self.owner = owner
        self.own = getrefcount(owner) - before

    def address(self) -> int:
        """A number for where the memory starts; storages on the same NumPy memory agree about it."""
        if self.fixed is None:
            if self.buffer is None:
                self.fixed = id(self) * 64
            else:
                start = _pointer(self.buffer)
                maker = _MADE.get(_pointer(self.owner))
                if maker is not None and maker is not self and maker.owner is self.owner:
                    start += maker.address() - _pointer(maker.buffer)
                self.fixed = start
        return self.fixed

    def is_shared(self) -> bool:
        """Whether some NumPy array still aliases this storage; when none does, sharing ends here."""
        if self.buffer is None:
            return False
        # references to the memory's owner: this storage's own, and getrefcount's argument
        if self.own < 0 or getrefcount(self.owner) > self.own + 1:
            return True
        array = self.array
        self.buffer = self.array = self.owner = None
        self.expr = leaf(np.array(array, order="C"), CPU)
        self.writes += 1
        return False

    def snapshot(self, shape, strides, offset) -> Expr:
        """A private copy of part of the shared memory, as a leaf."""
        part = as_strided(self.buffer, shape, strides, offset)
        e = leaf(np.array(part, order="C"), CPU)
        if LOCAL.capture is not None:
            LOCAL.capture.copied(e, self, shape, strides, offset)
        return e

    def write_shared(self, value: np.ndarray, shape, strides, offset) -> None:
        as_strided(self.buffer, shape, strides, offset)[...] = value
        self.writes += 1


def as_strided(buffer: Any, shape, strides, offset: int) -> np.ndarray:
    """A NumPy view of flat memory with the given geometry in elements."""
    n = buffer.itemsize
    if 0 in shape:  # may start beyond the memory's end
        return np.ndarray(shape, buffer.dtype)
    return np.ndarray(shape, buffer.dtype, buffer, offset * n, tuple(s * n for s in strides))


def empty_like_aval(shape, dtype, device) -> Expr:
    """A leaf of zeros: what `torch.empty` gives here."""
    a = aval(tuple(shape), np.dtype(dtype), device)
    return Expr(None, (), a, np.zeros(a.shape, a.dtype))
