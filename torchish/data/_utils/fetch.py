"""From indices to batches, in the loader's process and in its workers alike."""

from __future__ import annotations

from typing import Any

from torchish._tensor import host
from torchish._tensor.tensor import Tensor
from torchish.data._utils import collate
from torchish.data.dataset import Subset, TensorDataset
from torchish.engine import program
from torchish.engine.expr import CPU, LOCAL


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
                data.append(computed(next(self.dataset_iter)))
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
        return self.collate_fn(_samples(self.dataset, possibly_batched_index))


def _samples(dataset, indices) -> list:
    while type(dataset) is Subset:
        of = dataset.indices
        indices = [of[i] for i in indices]
        dataset = dataset.dataset
    if callable(getattr(dataset, "__getitems__", None)):
        return [computed(x) for x in dataset.__getitems__(indices)]
    return [computed(dataset[i]) for i in indices]


def computed(sample: Any) -> Any:
    """The sample itself, the values of its tensors computed.

    Left pending, a batch would be one program that depends on what each of its samples happened to go through (a
    flip or none, one size or another), and hardly any two batches would be alike. By themselves, samples are.
    """
    if LOCAL.pending:
        if program.REMOTE is not None:
            program.evaluate_all()  # a worker has nothing else pending: all of a sample's tensors in one go
        else:
            _compute(sample)
    return sample


def _compute(x: Any) -> None:
    if isinstance(x, Tensor):
        if x._aval.device == CPU and host.host_view(x) is None:
            program.force(x._read())
    elif isinstance(x, tuple | list):
        for y in x:
            _compute(y)
    elif isinstance(x, dict):
        for y in x.values():
            _compute(y)


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
                    program.force(e)  # once for the whole dataset, not with each batch
            made = host.rows(t, indices)
            if made is None:
                return None
            batch.append(made)
        return batch
    except (IndexError, TypeError, ValueError, KeyError):
        return None  # the lookup of single samples raises what there is to raise
