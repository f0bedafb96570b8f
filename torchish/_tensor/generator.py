"""Random generators: their states, seeds, and which one draws."""

from __future__ import annotations

import jax
import numpy as np

from torchish import _dtypes as dt
from torchish import _random as streams
from torchish._tensor.creation import from_host
from torchish._tensor.size import device as Device
from torchish._tensor.size import device_of, resolve
from torchish._tensor.tensor import Tensor
from torchish.engine.expr import CPU, LOCAL


class Generator:
    """A source of random numbers with a seed and a state; `device="cpu"` is PyTorch's mt19937 stream."""

    __module__ = "torch._C"

    def __init__(self, device="cpu"):
        name = resolve(device)
        self._where = name
        self._cpu = streams.MT19937Generator()
        self._count = 0  # draws made from an accelerator's stream

    @property
    def device(self) -> Device:
        return device_of(self._where)

    def manual_seed(self, seed: int) -> Generator:
        """Start again from `seed`; returns the generator."""
        _touched()
        self._cpu.manual_seed(_seed(seed))
        self._count = 0
        return self

    def seed(self) -> int:
        """Seed from the system; returns the seed."""
        _touched()
        self._count = 0
        return self._cpu.seed()

    def initial_seed(self) -> int:
        return self._cpu.initial_seed()

    def get_state(self) -> Tensor:
        """The state as a uint8 tensor, byte for byte PyTorch's."""
        _touched()
        state = self._cpu.get_state()
        if self._where != CPU:
            state = np.concatenate([state, np.frombuffer(np.int64(self._count).tobytes(), np.uint8)])
        return from_host(np.array(state))

    def set_state(self, new_state: Tensor) -> Generator:
        """Continue from a state that `get_state` (or PyTorch's) gave."""
        if not isinstance(new_state, Tensor) or new_state._aval.torch_dtype is not dt.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        _touched()
        state = np.array(new_state._host())
        if self._where != CPU:
            self._count = int(np.frombuffer(state[-8:].tobytes(), np.int64)[0])
            state = state[:-8]
        self._cpu.set_state(state)
        return self

    def clone_state(self) -> Generator:
        g = Generator(self._where)
        g._cpu = self._cpu.clone_state()
        g._count = self._count
        return g

    graphsafe_get_state = clone_state

    def key(self):
        """The next JAX random key of an accelerator's stream."""
        self._count += 1
        seed = self._cpu.initial_seed() & (2**63 - 1)
        with jax.enable_x64(True), jax.ensure_compile_time_eval():
            return jax.random.fold_in(jax.random.key(seed), self._count)

    def __setstate__(self, state: tuple) -> None:  # as PyTorch's checkpoints have it: seed, offset, state
        self.manual_seed(state[0])
        self.set_state(state[2])

    def __reduce__(self):
        return _rebuild_generator, (str(self._where), self.get_state())


def _touched() -> None:
    """A generator was used other than by a draw that can be drawn again."""
    if LOCAL.capture is not None:
        LOCAL.capture.unrepeatable("it seeds a random generator, or reads its state")


def _rebuild_generator(where, state):
    g = Generator(where)
    g.set_state(state)
    return g


def _seed(seed) -> int:
    if isinstance(seed, Tensor):
        seed = seed.item()
    seed = int(seed)
    if not -(2**63) <= seed < 2**64:
        raise ValueError("Overflow when unpacking long long")
    return seed


default_generator = Generator()
device_generators: dict[str, Generator] = {}


def generator_for(where: str, given: Generator | None = None) -> Generator:
    """The generator to use on an engine device: the given one, or that device's default."""
    if given is not None:
        if not isinstance(given, Generator):
            raise TypeError(f"argument 'generator' must be torch.Generator, not {type(given).__name__}")
        kind = where.partition(":")[0]
        if given._where.partition(":")[0] != kind and where not in ("traced", "meta"):
            raise RuntimeError(f"Expected a '{kind}' device type for generator but found '{given.device.type}'")
        return counted(given)
    if where in (CPU, "traced", "meta"):
        return counted(default_generator)
    g = device_generators.get(where)
    if g is None:
        g = device_generators[where] = Generator(where)
        g._cpu.manual_seed(default_generator.initial_seed())
    return counted(g)


def counted(g: Generator) -> Generator:
    if LOCAL.capture is not None:
        LOCAL.capture.draws_asked += 1
    return g


def manual_seed(seed) -> Generator:
    """Seed the generators of every device; returns the CPU's."""
    seed = _seed(seed)
    default_generator.manual_seed(seed)
    for g in device_generators.values():
        g.manual_seed(seed)
    return default_generator


def seed() -> int:
    """Seed every generator from the system; returns the seed."""
    s = default_generator.seed()
    for g in device_generators.values():
        g.manual_seed(s)
    return s


def initial_seed() -> int:
    """The seed that the CPU's generator started from."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the CPU's generator as a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Set the state of the CPU's generator."""
    default_generator.set_state(new_state)


class fork_rng:
    """Within the block draws are as usual; after it the generators are as before."""

    def __init__(self, devices=None, enabled: bool = True, _caller="fork_rng", _devices_kw="devices", device_type="cuda"):
        self.enabled = enabled

    def __enter__(self):
        if self.enabled:
            self._states = [(g, g.get_state()) for g in (default_generator, *device_generators.values())]

    def __exit__(self, *exc):
        if self.enabled:
            for g, state in self._states:
                g.set_state(state)

    def __call__(self, f):
        import functools

        @functools.wraps(f)
        def wrapped(*args, **kwargs):
            with fork_rng(enabled=self.enabled):
                return f(*args, **kwargs)

        return wrapped
