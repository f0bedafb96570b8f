"""Random permutations: ``torch.randperm`` (``randperm_cpu``)."""

from __future__ import annotations

import functools

import numpy as np

from .compiled import Program
from .generator import MT19937Generator
from .numerics import FLOATING, MANTISSA_BITS, bfloat16, cast, int64, not_implemented, scalar_type_name

_LARGE = (2**32 - 1) // 20  # from this n on PyTorch takes 64-bit numbers, to keep their remainders uniform
_INTEGERS = tuple(map(np.dtype, ("uint8", "int8", "int16", "int32", "int64")))

# Lengths up to which swapping in a list is quicker than the sort. Measured: 27 against 38 us at 300, 49 against 43 us
# at 500, 103 against 62 us at 1000.
_SHORT = 400


def randperm(generator: MT19937Generator, n: int, dtype: np.dtype = int64) -> np.ndarray:
    """``torch.randperm(n)``: a random permutation of 0 .. n - 1, as an array of shape (n,) and that dtype.

    A Fisher-Yates shuffle of n - 1 draws. Raises RuntimeError for a negative n or one that the dtype cannot count
    to, NotImplementedError for dtypes other than the floating and the signed or 8-bit integer ones.
    """
    dtype = np.dtype(dtype)
    _check(n, dtype)
    if n == 0:
        return np.empty(0, dtype)
    with generator.lock:
        if n >= _LARGE:
            return cast(_inside_out(generator, n), dtype)
        draws = generator.random(n - 1)
    if n > _LONG and (program := _program(n.bit_length()).get(n)):
        return cast(_long_shuffle(draws, program), dtype)
    # at step i the elements i and target(i) are swapped
    steps = np.arange(n - 1, dtype=np.uint32)
    targets = (draws % (np.uint32(n) - steps) + steps).astype(int64)
    return cast(_shuffle(targets) if n > _SHORT else _swap(targets), dtype)


def _swap(targets: np.ndarray) -> np.ndarray:
    out = list(range(len(targets) + 1))
    for i, j in enumerate(targets.tolist()):
        out[i], out[j] = out[j], out[i]
    return np.array(out, int64)


def _shuffle(targets: np.ndarray) -> np.ndarray:
    """The outcome of the swaps (i, targets[i]), i = 0, 1, ..., without making them one by one.

    Step i settles element i as what is at j = targets[i], and leaves at j what was at i, which is called carried[i].
    So what is at j at step i is carried[k] for the latest earlier step k with the same target, or else j itself;
    and carried[i] is likewise carried[k] for the latest k with targets[k] = i, or else i: a chain to its root.
    """
    n = len(targets) + 1
    steps = np.arange(n - 1)
    # sorting by (target, step) brings each step next to the latest earlier one with the same target
    key = np.sort(targets << 32 | steps)
    key_step = key & 0xFFFFFFFF
    repeats = (key[1:] >> 32) == (key[:-1] >> 32)
    earlier = np.full(n - 1, -1)
    earlier[key_step[1:][repeats]] = key_step[:-1][repeats]

    parent = np.arange(n)
    moved = targets != steps
    parent[targets[moved]] = steps[moved]  # of several assignments the last one stays
    while True:  # pointer jumping: chains are about log(n) long, so a handful of rounds
        grandparent = parent[parent]
        if np.array_equal(grandparent, parent):
            break
        parent = grandparent
    carried = parent

    out = np.empty(n, int64)
    out[:-1] = np.where(earlier >= 0, carried[earlier], np.where(moved, targets, carried[:-1]))
    out[-1] = carried[-1]
    return out


# Lengths from which on a compiled loop makes the swaps: 25 instead of 100 ms at a million.
_LONG = 1 << 16


def _long_shuffle(draws: np.ndarray, program) -> np.ndarray:
    n = len(draws) + 1
    padded = np.zeros(1 << n.bit_length(), np.uint32)
    padded[: n - 1] = draws
    out = np.empty(n, int64)
    out[program(padded, n)[:n]] = np.arange(n)
    return out


def _positions(draws, n):
    """Where the swaps leave each of 0 .. n - 1, from the last swap to the first.

    The swap (i, j), made before those that are done here, has them find i where they would find j, and j at i. (So that each step
    reads one place before it writes two; where both are read and written, XLA copies the array.)
    """
    import jax.numpy as jnp
    from jax import lax

    def step(state):
        i, places = state
        j = i + (draws.at[i].get(mode="promise_in_bounds") % (n - i).astype(np.uint32)).astype(np.int32)
        places = places.at[i].set(places.at[j].get(mode="promise_in_bounds"), mode="promise_in_bounds")
        return i - 1, places.at[j].set(i, mode="promise_in_bounds")

    n = n.astype(np.int32)
    # the last is where it is, the others come in turn
    return lax.while_loop(lambda state: state[0] >= 0, step, (n - 2, jnp.full(len(draws), n - 1, np.int32)))[1]


@functools.cache
def _program(bits: int) -> Program:
    """The loop for lengths of this many bits."""
    return Program(_positions, (np.empty(1 << bits, np.uint32), 0), 1_000_000)


def _inside_out(generator: MT19937Generator, n: int) -> np.ndarray:
    """The shuffle for n >= 214748364: grows the permutation by one element a step, from 64-bit numbers."""
    out = np.empty(n, int64)
    for start in range(0, n, 1 << 20):
        stop = min(n, start + (1 << 20))
        targets = generator.random64(stop - start) % np.arange(start + 1, stop + 1, dtype=np.uint64)
        for i, j in enumerate(targets.tolist(), start):
            out[i] = out[j] if j < i else i
            out[j] = i
    return out


def _check(n: int, dtype: np.dtype) -> None:
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    if dtype in FLOATING:
        limit = 2 ** MANTISSA_BITS[dtype] + 1
        if dtype != bfloat16 and n > limit:
            shown = {11: "2049", 24: "2^24+1", 53: "2^53+1"}[MANTISSA_BITS[dtype]]
            raise RuntimeError(f"n cannot be greater than {shown} for {scalar_type_name(dtype)} type.")
    elif dtype.kind in "iu" and n - 1 > np.iinfo(dtype).max:
        raise RuntimeError(f"value cannot be converted to type {dtype.name}_t without overflow")
    if dtype not in FLOATING and dtype not in _INTEGERS:
        raise not_implemented("randperm", dtype)
