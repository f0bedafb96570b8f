"""Datasets, samplers and loaders: `torch.utils.data`.

    dataset      Dataset, IterableDataset, and what is made of them
    sampler      orders of indices
    distributed  the share of one of several processes
    dataloader   DataLoader
    _tfds        TensorFlow Datasets as a source
    _utils       collation, fetching, worker processes
"""

from torchish._pickling import name_classes
from torchish._runner import missing_attribute
from torchish.data import _utils as _utils
from torchish.data import dataloader, dataset, distributed, sampler
from torchish.data._tfds import tfds
from torchish.data.dataloader import DataLoader, _DatasetKind, default_collate, default_convert, get_worker_info
from torchish.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from torchish.data.distributed import DistributedSampler
from torchish.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

name_classes(*(m.__name__ for m in (dataloader, dataset, distributed, sampler)))


def __getattr__(name: str):
    raise missing_attribute(__name__, name)


__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "DistributedSampler",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "_DatasetKind",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "random_split",
    "tfds",
]
