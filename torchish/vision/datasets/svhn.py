"""Street View House Numbers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from torchish.vision._optional import pil
from torchish.vision.datasets import _elsewhere
from torchish.vision.datasets.utils import check_integrity, download_url, verify_str_arg
from torchish.vision.datasets.vision import VisionDataset


class SVHN(VisionDataset):
    """32x32 colour images of house numbers' digits: `split` "train", "test" or "extra", in `root/<split>_32x32.mat`.

    `data` is an array (N, 3, 32, 32), uint8. The digit 0 has label 0 (10 in the files).

    Raises:
        ValueError: an unknown split.
        RuntimeError: the file is not there, or its MD5 is another.
    """

    _SITE = "http://ufldl.stanford.edu/housenumbers/"
    split_list = {
        "train": [_SITE + "train_32x32.mat", "train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"],
        "test": [_SITE + "test_32x32.mat", "test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"],
        "extra": [_SITE + "extra_32x32.mat", "extra_32x32.mat", "a93ce644f1a588dc4d68dda5feec44a7"],
    }

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", tuple(self.split_list))
        self.url, self.filename, self.file_md5 = self.split_list[split]
        if download:
            try:
                self.download()
            except (OSError, RuntimeError) as e:
                images, self.labels = _elsewhere.arrays("svhn_cropped", split, e)
                self.data = images.transpose(0, 3, 1, 2)
                return
        if not self._check_integrity():
            raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")
        from scipy.io import loadmat

        content = loadmat(os.path.join(self.root, self.filename))
        self.data = content["X"].transpose(3, 2, 0, 1)
        self.labels = content["y"].astype(np.int64).reshape(-1)
        self.labels[self.labels == 10] = 0

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """The image and label at `index`."""
        image = np.ascontiguousarray(self.data[index].transpose(1, 2, 0))
        return self._transformed(pil().fromarray(image), int(self.labels[index]))

    def __len__(self) -> int:
        return len(self.data)

    def _check_integrity(self) -> bool:
        return check_integrity(os.path.join(self.root, self.filename), self.file_md5)

    def download(self) -> None:
        """Fetch the split's file, unless it is there and whole."""
        download_url(self.url, self.root, self.filename, self.file_md5)

    def extra_repr(self) -> str:
        return f"Split: {self.split}"
