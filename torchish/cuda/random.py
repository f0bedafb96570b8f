"""The generators of GPUs. Where there is no GPU, what would set them waits for one, as PyTorch's: nothing happens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torchish import cuda
from torchish._tensor.generator import device_generators, generator_for
from torchish._tensor.tensor import Tensor


def _of(device: Any) -> Any:
    return generator_for(f"cuda:{cuda._index(device)}")


def get_rng_state(device: Any = "cuda") -> Tensor:
    """The state of a GPU's generator."""
    cuda._lazy_init()
    return _of(device).get_state()


def get_rng_state_all() -> list[Tensor]:
    """The states of all GPUs' generators."""
    return [get_rng_state(i) for i in range(cuda.device_count())]


def set_rng_state(new_state: Tensor, device: Any = "cuda") -> None:
    """Set the state of a GPU's generator."""
    if cuda.is_available():
        _of(device).set_state(new_state)


def set_rng_state_all(new_states: Iterable[Tensor]) -> None:
    """Set the states of all GPUs' generators."""
    for i, state in enumerate(new_states):
        set_rng_state(state, i)


def manual_seed(seed: int) -> None:
    """Seed the current GPU's generator."""
    if cuda.is_available():
        _of("cuda").manual_seed(seed)
    else:
        device_generators.clear()


def manual_seed_all(seed: int) -> None:
    """Seed the generators of all GPUs."""
    for i in range(cuda.device_count()):
        _of(i).manual_seed(seed)


def seed() -> None:
    """Seed the current GPU's generator with a number of the system's."""
    if cuda.is_available():
        _of("cuda").seed()


def seed_all() -> None:
    """Seed the generators of all GPUs with one number of the system's."""
    if cuda.is_available():
        manual_seed_all(_of("cuda").seed())


def initial_seed() -> int:
    """What the current GPU's generator was seeded with."""
    cuda._lazy_init()
    return _of("cuda").initial_seed()


__all__ = ["get_rng_state", "get_rng_state_all", "initial_seed", "manual_seed", "manual_seed_all", "seed", "seed_all", "set_rng_state",
           "set_rng_state_all"]  # fmt: skip
