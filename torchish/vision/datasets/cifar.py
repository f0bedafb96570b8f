"""CIFAR-10 and CIFAR-100."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from torchish.vision._optional import pil
from torchish.vision.datasets import _elsewhere
from torchish.vision.datasets.utils import check_integrity, download_and_extract_archive
from torchish.vision.datasets.vision import VisionDataset


class CIFAR10(VisionDataset):
    """32x32 colour images of ten kinds of things, as Pillow images, in `root/cifar-10-batches-py`.

    `data` is an array (N, 32, 32, 3), uint8; `targets` a list. `download=True` fetches the files where they are missing
    or not as published; if the server does not answer, from TensorFlow Datasets.

    Raises:
        RuntimeError: the files are not there, or their MD5 is another.
    """

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list = [["test_batch", "40351d587109b95175f43aff81a1287e"]]
    meta = {"filename": "batches.meta", "key": "label_names", "md5": "5ff9c542aee3614f3951f8cda6e48888"}
    _tfds_name, _label = "cifar10", "label"

    def __init__(
        self,
        root: str | Path,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        self.data: Any
        self.targets: list
        if download:
            try:
                self.download()
            except (OSError, RuntimeError) as e:
                self._load_elsewhere(e)
                return
        if not self._check_integrity():
            raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")
        batches = [self._unpickled(name) for name, _ in (self.train_list if train else self.test_list)]
        rows = np.vstack([b["data"] for b in batches])
        self.data = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        self.targets = [int(label) for b in batches for label in (b["labels"] if "labels" in b else b["fine_labels"])]
        self._load_meta()

    def _unpickled(self, name: str) -> dict:
        with open(os.path.join(self.root, self.base_folder, name), "rb") as f:
            return pickle.load(f, encoding="latin1")  # written by Python 2

    def _load_meta(self) -> None:
        if not check_integrity(os.path.join(self.root, self.base_folder, self.meta["filename"]), self.meta["md5"]):
            raise RuntimeError("Dataset metadata file not found or corrupted. You can use download=True to download it")
        self._name_classes(self._unpickled(self.meta["filename"])[self.meta["key"]])

    def _name_classes(self, names: list[str]) -> None:
        self.classes = names
        self.class_to_idx = {name: i for i, name in enumerate(names)}

    def _load_elsewhere(self, error: Exception) -> None:
        self.data, labels = _elsewhere.arrays(self._tfds_name, "train" if self.train else "test", error, label=self._label)
        self.targets = labels.tolist()
        from torchish.data._tfds import class_names

        self._name_classes(class_names(self._tfds_name, self._label))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """The image and label at `index`."""
        return self._transformed(pil().fromarray(self.data[index]), self.targets[index])

    def __len__(self) -> int:
        return len(self.data)

    def _check_integrity(self) -> bool:
        folder = os.path.join(self.root, self.base_folder)
        return all(check_integrity(os.path.join(folder, name), md5) for name, md5 in self.train_list + self.test_list)

    def download(self) -> None:
        """Fetch and unpack the archive, unless all its files are there and whole."""
        if not self._check_integrity():
            download_and_extract_archive(self.url, self.root, filename=self.filename, md5=self.tgz_md5)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"


class CIFAR100(CIFAR10):
    """32x32 colour images of a hundred kinds of things, in `root/cifar-100-python`."""

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list = [["train", "16019d7e3df5f24257cddd939b257f8d"]]
    test_list = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]
    meta = {"filename": "meta", "key": "fine_label_names", "md5": "7973b15100ade9c7d40fb424638fde48"}
    _tfds_name = "cifar100"
