"""From indices to batches, in the loader's process and in its workers alike."""

from __future__ import annotations

from typing import Any

from torchish._tensor.tensor import Tensor
from torchish.data._utils import collate, host
from torchish.data.dataset import Subset, TensorDataset, items_of
from torchish.engine.expr import CPU
from torchish.engine.program import force


class _BaseDatasetFetcher:
    def __init__(self, dataset, auto_collation: bool, collate_fn, drop_last: bool) -> None:
        self.dataset = dataset
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last

    def fetch(self, possibly_batched_index) -> Any:
        raise NotImplementedError


class _IterableDatasetFetcher(_BaseDatasetFetcher):
    """Takes the next samples of a stream; StopIteration when there are none (or, with `drop_last`, not enough)."""

    def __init__(self, dataset, auto_collation: bool, collate_fn, drop_last: bool) -> None:
        super().__init__(dataset, auto_collation, collate_fn, drop_last)
        self.dataset_iter = iter(dataset)
        self.ended = False

    def fetch(self, possibly_batched_index) -> Any:
        if self.ended:
            raise StopIteration
        if not self.auto_collation:
            return self.collate_fn(next(self.dataset_iter))
        data: list = []
        for _ in possibly_batched_index:
            try:
                data.append(next(self.dataset_iter))
            except StopIteration:
                self.ended = True
                break
        if not data or (self.drop_last and len(data) < len(possibly_batched_index)):
            raise StopIteration
        return self.collate_fn(data)


class _MapDatasetFetcher(_BaseDatasetFetcher):
    """Looks samples up by their indices."""

    def __init__(self, dataset, auto_collation: bool, collate_fn, drop_last: bool) -> None:
        super().__init__(dataset, auto_collation, collate_fn, drop_last)
        self.by_rows = auto_collation and collate_fn is collate.default_collate and _has_rows(dataset)

    def fetch(self, possibly_batched_index) -> Any:
        if not self.auto_collation:
            return self.collate_fn(self.dataset[possibly_batched_index])
        if self.by_rows:
            batch = _batch_of_rows(self.dataset, possibly_batched_index)
            if batch is not None:
                return batch
        return self.collate_fn(items_of(self.dataset, possibly_batched_index))


def _has_rows(dataset) -> bool:
    """Whether the dataset is a TensorDataset or a Subset of one, not of a user's subclass."""
    while type(dataset) is Subset:
        dataset = dataset.dataset
    return type(dataset) is TensorDataset


def _batch_of_rows(dataset, indices) -> list[Tensor] | None:
    """The collated batch of a TensorDataset, copied in one go rather than row by row; None to do it step by step."""
    if collate.default_collate_fn_map.get(Tensor) is not collate.collate_tensor_fn:
        return None
    try:
        while type(dataset) is Subset:
            of = dataset.indices
            indices = [of[i] for i in indices]
            dataset = dataset.dataset
        batch: list[Tensor] = []
        for t in dataset.tensors:
            if t._aval.device == CPU:
                e = t._storage.expr
                if e.value is None and t._storage.buffer is None:
                    force(e)  # once for the whole dataset, not with each batch
            made = host.rows(t, indices)
            if made is None:
                return None
            batch.append(made)
        return batch
    except (IndexError, TypeError, ValueError, KeyError):
        return None  # the lookup of single samples raises what there is to raise
