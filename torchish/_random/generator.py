"""The CPU generator: PyTorch's ``at::CPUGeneratorImpl`` on NumPy's Mersenne Twister.

Both libraries run the same mt19937 with the same seeding, so one 32-bit draw of NumPy is one 32-bit draw of
PyTorch. What PyTorch keeps beside the twister is kept here too: the 64-bit seed, and the second value of the last
Box-Muller pair, waiting to be returned by the next call.
"""

from __future__ import annotations

import threading
from collections.abc import Generator

import numpy as np

DEFAULT_SEED = 67280421310721  # c10::default_rng_seed_val, the seed of a fresh torch.Generator()

_N = 624  # words in the twister's state
_INT64_MIN, _UINT64_MAX = -(2**63), 2**64 - 1

# From this many draws on, Generator.integers (3.6 ns a draw, 7 us a call) beats random_raw, which returns uint64
# (4.3 ns a draw, 1.4 us a call).
BULK = 4096

_32 = np.uint64(32)

# at::detail::CPUGeneratorImplState, the struct whose bytes torch.get_rng_state() returns.
_STATE = np.dtype(
    [
        ("seed", "<u8"),
        ("left", "<i4"),
        ("seeded", "<i4"),
        ("next", "<u8"),
        ("words", "<u8", (_N,)),
        ("normal_x", "<f8"),
        ("normal_y", "<f8"),
        ("normal_rho", "<f8"),
        ("normal_is_valid", "<i4"),
        ("_pad0", "<i4"),
        ("next_float_normal", "<f4"),
        ("next_float_normal_is_valid", "?"),
        ("_pad1", "V3"),
    ]
)
assert _STATE.itemsize == 5056


class MT19937Generator:
    """A stream of 32-bit draws equal to that of a CPU ``torch.Generator``.

    ``lock`` is held by every sampling function for its whole call, so that concurrent calls take turns and each
    sees an unbroken run of draws, as in PyTorch. ``next_normal`` (a double) and ``next_float_normal`` are the
    cached halves of a Box-Muller pair, or None; PyTorch's own CPU kernels only ever fill the double.
    """

    __slots__ = ("_bits", "_bulk", "_seed", "_untouched", "lock", "next_float_normal", "next_normal")

    def __init__(self, seed: int = DEFAULT_SEED) -> None:
        self.lock = threading.RLock()
        self._bits = np.random.MT19937(0)  # the state is overwritten by manual_seed on the next line
        self._bulk = np.random.Generator(self._bits)
        self.manual_seed(seed)

    # ---- seeding

    def manual_seed(self, seed: int) -> MT19937Generator:
        """Restarts the stream from ``seed``, an int in [-2**63, 2**64); only its low 32 bits choose the stream.

        Negative seeds are taken modulo 2**64. Raises ValueError outside that range.
        """
        seed = int(seed)
        if not _INT64_MIN <= seed <= _UINT64_MAX:
            raise ValueError("Overflow when unpacking long long")
        with self.lock:
            self._seed = seed & _UINT64_MAX
            # RandomState seeds with init_genrand(low 32 bits), as PyTorch does; MT19937's own constructor hashes.
            np.random.RandomState(self._bits).seed(self._seed & 0xFFFFFFFF)
            self._untouched = True
            self.next_normal: float | None = None
            self.next_float_normal: float | None = None
        return self

    def seed(self) -> int:
        """Restarts the stream from a number of the operating system's, and returns it."""
        # 53 bits, as c10::detail::getNonDeterministicRandom, so that the seed survives a trip through a double
        fresh = int.from_bytes(np.random.SeedSequence().generate_state(2, np.uint32).tobytes(), "little")
        self.manual_seed(fresh & (2**53 - 1))
        return self._seed

    def initial_seed(self) -> int:
        """The seed of the last ``manual_seed`` or ``seed``, in [0, 2**64)."""
        return self._seed

    # ---- raw draws

    def random(self, n: int) -> np.ndarray:
        """The next ``n`` draws: uint32 of shape (n,)."""
        if n < BULK:
            return self.random_wide(n).astype(np.uint32)
        self._untouched = False
        return self._bulk.integers(0, 2**32, size=n, dtype=np.uint32)

    def random_wide(self, n: int) -> np.ndarray:
        """``random``, but as uint64: the quicker way to fewer than ``BULK`` draws."""
        if n:
            self._untouched = False
        return self._bits.random_raw(n)

    def random64(self, n: int) -> np.ndarray:
        """The next ``n`` pairs of draws as uint64 of shape (n,), each pair's first draw in the high word."""
        if 2 * n < BULK:
            pairs = self.random_wide(2 * n)
            return pairs[::2] << _32 | pairs[1::2]
        out = self.random(2 * n).view("<u8")  # the first draw in the low word: swap them
        low = out >> _32
        out <<= _32
        out |= low
        return out

    def uniform64(self) -> float:
        """One double in [0, 1) from one pair of draws (``uniform_real_distribution<double>``)."""
        self._untouched = False
        raw = self._bits.random_raw
        return ((raw() & 0x1FFFFF) << 32 | raw()) * 2.0**-53

    def uniform64_iter(self, expected: int) -> Generator[float, None, None]:
        """Endless ``uniform64`` draws for samplers that reject, which cannot say beforehand how many they need.

        ``expected`` is a guess at the number wanted. Close the iterator when done: draws made ahead of use are
        then returned to the stream, so that its position is as if they had been made one by one.
        """
        if expected < 256:  # a save and a rewind cost about 150 us, 150 single draws
            while True:
                yield self.uniform64()
        chunk = min(expected, 1 << 16)
        used, mark = 0, self.mark()
        try:
            while True:
                used, mark = 0, self.mark()
                ahead = ((self.random64(chunk) & np.uint64(2**53 - 1)) * 2.0**-53).tolist()
                for u in ahead:
                    used += 1
                    yield u
        finally:
            self.rewind(mark, 2 * used)

    def mark(self) -> tuple:
        """A place in the stream to rewind to."""
        return self._bits.state, self._untouched

    def rewind(self, mark: tuple, used: int) -> None:
        """Go back to ``used`` draws after a mark."""
        self._bits.state, self._untouched = mark
        self.random(used)

    # ---- state

    def get_state(self) -> np.ndarray:
        """The state as ``torch.get_rng_state()`` lays it out: uint8 of shape (5056,)."""
        with self.lock:
            inner = self._bits.state["state"]
            pos = int(inner["pos"])
            state = np.zeros((), _STATE)
            state["seed"], state["seeded"], state["words"] = self._seed, 1, inner["key"]
            # A twister freshly seeded and one that has used up its 624 words both twist before the next draw;
            # PyTorch writes them as next = 0 and next = 624.
            state["left"], state["next"] = (1, 0) if self._untouched else (_N + 1 - pos, pos)
            if self.next_normal is not None:
                state["normal_is_valid"], state["normal_y"] = 1, self.next_normal
            if self.next_float_normal is not None:
                state["next_float_normal_is_valid"], state["next_float_normal"] = True, self.next_float_normal
        return np.frombuffer(bytearray(state.tobytes()), np.uint8)

    def set_state(self, new_state: np.ndarray) -> MT19937Generator:
        """Continues from a state of ``get_state`` or of ``torch.get_rng_state()``: uint8 of shape (5056,).

        Raises TypeError unless given uint8, and RuntimeError for a wrong size or a state no twister can be in.
        """
        if not isinstance(new_state, np.ndarray):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
        if new_state.dtype != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        if new_state.size != _STATE.itemsize:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {_STATE.itemsize} but found the input RNG state size "
                f"to be {new_state.size}"
            )
        state = np.frombuffer(new_state.tobytes(), _STATE)[0]
        left, pos = int(state["left"]), int(state["next"])
        untouched = (left, pos) == (1, 0)
        if not state["seeded"] or not (untouched or (0 < left <= _N and left + pos == _N + 1)):
            raise RuntimeError("Invalid mt19937 state")
        with self.lock:
            words = state["words"].astype(np.uint32)
            self._bits.state = {
                "bit_generator": "MT19937",
                "state": {"key": words, "pos": _N if untouched else pos},
            }
            self._seed, self._untouched = int(state["seed"]), untouched
            self.next_normal = float(state["normal_y"]) if state["normal_is_valid"] else None
            cached = state["next_float_normal"] if state["next_float_normal_is_valid"] else None
            self.next_float_normal = None if cached is None else float(cached)
        return self

    def clone_state(self) -> MT19937Generator:
        """A new generator that continues as this one would."""
        return MT19937Generator().set_state(self.get_state())

    def get_offset(self) -> int:
        """Raises RuntimeError: offsets belong to counter-based generators."""
        raise RuntimeError("CPU Generator does not use offset")

    def set_offset(self, offset: int) -> MT19937Generator:
        """Raises RuntimeError: offsets belong to counter-based generators."""
        raise RuntimeError("CPU Generator does not use offset")

    def __reduce__(self):
        return _from_state, (self.get_state(),)


def _from_state(state: np.ndarray) -> MT19937Generator:
    return MT19937Generator().set_state(state)
