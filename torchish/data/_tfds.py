"""TensorFlow Datasets as a source of data, without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchish.data.dataset import Dataset


def _library() -> Any:
    try:
        import tensorflow_datasets
    except ModuleNotFoundError as e:
        raise ImportError("TensorFlow Datasets is missing: pip install tensorflow-datasets", name="tensorflow_datasets") from e
    return tensorflow_datasets


class TFDSDataset(Dataset):
    """A split of TensorFlow Datasets, by index: dictionaries, or (image, label) with `as_supervised`."""

    def __init__(self, source: Any, transform: Callable | None, keys: tuple[str, str] | None):
        self.source, self.transform, self.keys = source, transform, keys

    def __getitem__(self, index: int) -> Any:
        """The row at `index`: NumPy arrays and numbers, through `transform`."""
        row = self.source[index]
        if self.keys is not None:
            row = tuple(row[k] for k in self.keys)
        return row if self.transform is None else self.transform(row)

    def __len__(self) -> int:
        return len(self.source)


def tfds(
    name: str,
    split: str = "train",
    *,
    transform: Callable | None = None,
    download: bool = True,
    data_dir: Any = None,
    as_supervised: bool = False,
) -> TFDSDataset:
    """The split `split` of the dataset `name` at TensorFlow Datasets, a map-style dataset for DataLoader.

    `transform` is given each row: a dictionary of NumPy arrays, or with `as_supervised` the pair of input and target.

    Raises:
        ImportError: tensorflow_datasets is missing.
    """
    library = _library()
    source = library.data_source(name, split=split, data_dir=data_dir, download=download)
    keys = None
    if as_supervised:
        if source.dataset_info.supervised_keys is None:
            raise ValueError(f"{name} has no pair of input and target: leave as_supervised out")
        keys = tuple(source.dataset_info.supervised_keys)
    return TFDSDataset(source, transform, keys)


def class_names(name: str, label: str = "label") -> list[str]:
    """The names of the classes of a dataset's label."""
    return list(_library().builder(name).info.features[label].names)
