"""The share of a dataset that one of several training processes reads."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from typing import TypeVar

from torchish._tensor.generator import Generator
from torchish.data.dataset import Dataset, permutation
from torchish.data.sampler import Sampler

T_co = TypeVar("T_co", covariant=True)


def process_group():
    """`torch.distributed`, where there is one."""
    try:
        return importlib.import_module("torchish.distributed")
    except ModuleNotFoundError:
        return None


def _of_group(name: str) -> int:
    group = process_group()
    if group is None:
        raise ValueError("Default process group has not been initialized, please make sure to call init_process_group.")
    if not group.is_available():
        raise RuntimeError("Requires distributed package to be available")
    return getattr(group, name)()


class DistributedSampler(Sampler[T_co]):
    """Every `num_replicas`-th index of a (shuffled) dataset, from `rank` on; every process gets equally many.

    The order depends on `seed` and the epoch (`set_epoch`) alone, so that all processes agree on it. What does not
    divide evenly is left out when `drop_last`, and otherwise filled up with indices from the start.
    """

    def __init__(
        self,
        dataset: Dataset,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        num_replicas = _of_group("get_world_size") if num_replicas is None else num_replicas
        rank = _of_group("get_rank") if rank is None else rank
        if not 0 <= rank < num_replicas:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        n = len(dataset)  # type: ignore[arg-type]
        self.num_samples = n // num_replicas if drop_last else math.ceil(n / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[T_co]:
        n = len(self.dataset)  # type: ignore[arg-type]
        if self.shuffle:
            indices = permutation(n, Generator().manual_seed(self.seed + self.epoch))
        else:
            indices = list(range(n))
        if not self.drop_last:
            indices = indices * math.ceil(self.total_size / len(indices)) if indices else indices
        indices = indices[: self.total_size]
        if len(indices) != self.total_size:
            raise AssertionError(f"Number of indices ({len(indices)}) does not match total_size ({self.total_size})")
        return iter(indices[self.rank :: self.num_replicas])  # type: ignore[arg-type]

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch: with `shuffle` each has an order of its own."""
        self.epoch = epoch


__all__ = ["DistributedSampler"]
