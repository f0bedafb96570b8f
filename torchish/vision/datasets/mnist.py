"""MNIST and the datasets of its format."""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
import string
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from torchish._tensor.creation import from_host
from torchish._tensor.host import host_view
from torchish._tensor.tensor import Tensor
from torchish.vision._optional import pil
from torchish.vision.datasets import _elsewhere
from torchish.vision.datasets.utils import check_integrity, download_and_extract_archive, download_url, extract_archive, verify_str_arg
from torchish.vision.datasets.vision import VisionDataset

# The IDX format: two zero bytes, a code for the type of the numbers, the count of dimensions, the sizes, the numbers,
# all big-endian.
_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def _open(path: str | Path) -> Any:
    opened: Any = {".gz": gzip.open, ".xz": lzma.open}.get(Path(path).suffix, open)
    return opened(path, "rb")


def _read_idx(path: str | Path) -> np.ndarray:
    """The array in an IDX file, which may be compressed. ValueError when it is no such file, or not all of it."""
    try:
        with _open(path) as f:
            content = f.read()
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError) as e:
        raise ValueError(f"{path} is corrupt: {e}") from e
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise ValueError(f"{path} is not an IDX file")
    dims = content[3]
    shape = np.frombuffer(content, ">u4", dims, 4)
    kind, start = np.dtype(_TYPES[content[2]]), 4 + 4 * dims
    count = int(shape.prod(dtype=np.int64))
    if len(content) != start + count * kind.itemsize:
        raise ValueError(f"{path} is corrupt: {len(content)} bytes, but its header says {start + count * kind.itemsize}")
    return np.frombuffer(content, kind, count, start).astype(kind.newbyteorder("=")).reshape(tuple(map(int, shape)))


def _is_whole(path: str) -> bool:
    """Whether a file has the length that its IDX header says (of a compressed one, that it is there)."""
    if not os.path.isfile(path):
        return False
    if path.endswith((".gz", ".xz")):
        return True
    with open(path, "rb") as f:
        head = f.read(4)
        if len(head) < 4 or head[2] not in _TYPES:
            return False
        shape = np.frombuffer(f.read(4 * head[3]), ">u4")
    whole = 4 + 4 * head[3] + int(shape.prod(dtype=np.int64)) * np.dtype(_TYPES[head[2]]).itemsize
    return len(shape) == head[3] and os.path.getsize(path) == whole


def read_image_file(path: str | Path) -> Tensor:
    """The images (N, H, W), uint8, of an IDX file."""
    images = _read_idx(path)
    if images.dtype != np.uint8 or images.ndim != 3:
        raise TypeError(f"x should have 3 dimensions of dtype torch.uint8 instead of {images.ndim} of {images.dtype}")
    return from_host(images)


def read_label_file(path: str | Path) -> Tensor:
    """The labels (N,) of an IDX file, as int64."""
    return from_host(_read_idx(path).astype(np.int64))


def read_sn3_pascalvincent_tensor(path: str | Path, strict: bool = True) -> Tensor:
    """The tensor in an IDX file."""
    return from_host(_read_idx(path))


class MNIST(VisionDataset):
    """28x28 grey images of handwritten digits, as Pillow images, and their labels; in `root/MNIST/raw`, packed or not.

    `download=True` fetches what is missing or not whole; if its servers do not answer, from TensorFlow Datasets.

    Raises:
        RuntimeError: the files are not there, or not whole.
    """

    mirrors = ["https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"]
    resources: Any = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    training_file = "training.pt"
    test_file = "test.pt"
    classes = [f"{i} - {w}" for i, w in enumerate("zero one two three four five six seven eight nine".split())]

    _tfds_name: str | None = "mnist"

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
        loaded = None
        if download:
            try:
                self.download()
            except (OSError, RuntimeError) as e:
                if self._tfds_name is None:
                    raise
                images, labels = _elsewhere.arrays(self._tfds_name, "train" if train else "test", e)
                loaded = from_host(self._upright(images.reshape(len(images), *images.shape[1:3]))), from_host(labels)
        if loaded is None:
            if not self._check_exists():
                raise RuntimeError(self._missing())
            loaded = self._load_data()
        self.data, self.targets = loaded

    @staticmethod
    def _upright(images: np.ndarray) -> np.ndarray:
        """The images as this dataset's own files have them."""
        return images

    def _files(self) -> tuple[str, str]:
        """The names of the files of images and labels, unpacked."""
        prefix = "train" if self.train else "t10k"
        return f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"

    def _path(self, name: str) -> str | None:
        """Where a file of that name is, packed or not."""
        paths = [os.path.join(self.raw_folder, name + suffix) for suffix in ("", ".gz", ".xz")]
        return next((p for p in paths if _is_whole(p)), None)

    def _missing(self) -> str:
        """What to say when a file is not there, or not whole."""
        paths = [os.path.join(self.raw_folder, name + suffix) for name in self._files() for suffix in ("", ".gz", ".xz")]
        broken = [p for p in paths if os.path.exists(p) and not _is_whole(p)]
        if broken:
            return f"Dataset not found or corrupted. You can use download=True to download it (not whole: {', '.join(broken)})"
        return "Dataset not found. You can use download=True to download it"

    def _load_data(self) -> tuple[Tensor, Tensor]:
        images, labels = (self._path(name) for name in self._files())
        assert images is not None and labels is not None
        try:
            return read_image_file(images), read_label_file(labels)
        except ValueError as e:
            raise RuntimeError(f"Dataset not found or corrupted. You can use download=True to download it ({e})") from e

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """The image and label at `index`."""
        data, targets = host_view(self.data), host_view(self.targets)
        image = self.data[index].numpy() if data is None else data[index]
        target = int(self.targets[index] if targets is None else targets[index])
        return self._transformed(pil().fromarray(image), target)

    def __len__(self) -> int:
        return len(self.data)

    @property
    def raw_folder(self) -> str:
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def processed_folder(self) -> str:
        return os.path.join(self.root, type(self).__name__, "processed")

    @property
    def class_to_idx(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.classes)}

    # torchvision's names of long ago
    @property
    def train_labels(self) -> Tensor:
        warnings.warn("train_labels has been renamed targets", stacklevel=2)
        return self.targets

    @property
    def test_labels(self) -> Tensor:
        warnings.warn("test_labels has been renamed targets", stacklevel=2)
        return self.targets

    @property
    def train_data(self) -> Tensor:
        warnings.warn("train_data has been renamed data", stacklevel=2)
        return self.data

    @property
    def test_data(self) -> Tensor:
        warnings.warn("test_data has been renamed data", stacklevel=2)
        return self.data

    def _check_exists(self) -> bool:
        return all(self._path(name) is not None for name in self._files())

    def download(self) -> None:
        """Fetch the files that are missing or not whole, and unpack them."""
        os.makedirs(self.raw_folder, exist_ok=True)
        for filename, md5 in self.resources:
            packed = os.path.join(self.raw_folder, filename)
            if _is_whole(os.path.splitext(packed)[0]):
                continue
            errors = []
            for mirror in self.mirrors:
                try:
                    download_url(mirror + filename, self.raw_folder, filename, md5)
                except (OSError, RuntimeError) as e:
                    errors.append(f"Tried {mirror}, got:\n{e}\n")
                    continue
                extract_archive(packed, os.path.splitext(packed)[0])
                break
            else:
                raise RuntimeError(f"Error downloading {filename}:\n" + "".join(errors))

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"


class FashionMNIST(MNIST):
    """28x28 grey images of clothes, in MNIST's format, in `root/FashionMNIST/raw`."""

    mirrors = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    resources = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
    _tfds_name = "fashion_mnist"


class KMNIST(MNIST):
    """28x28 grey images of cursive Japanese characters, in MNIST's format, in `root/KMNIST/raw`."""

    mirrors = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
    _tfds_name = "kmnist"


class EMNIST(MNIST):
    """Handwritten letters and digits, in one of six `splits`, in `root/EMNIST/raw`; the images lie on their side.

    Raises:
        ValueError: an unknown split.
        RuntimeError: the files are not there.
    """

    url = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    md5 = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    _merged_classes = set("cijklmopsuvwxyz")
    _all_classes = list(string.digits + string.ascii_letters[26:] + string.ascii_letters[:26])
    classes_split_dict = {
        "byclass": sorted(_all_classes),
        "bymerge": sorted(set(_all_classes) - _merged_classes),
        "balanced": sorted(set(_all_classes) - _merged_classes),
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }

    def __init__(self, root: str | Path, split: str, **kwargs: Any) -> None:
        self.split = verify_str_arg(split, "split", self.splits)
        self.training_file, self.test_file = f"training_{split}.pt", f"test_{split}.pt"
        self._tfds_name = f"emnist/{split}"
        super().__init__(root, **kwargs)
        self.classes = self.classes_split_dict[split]

    def _files(self) -> tuple[str, str]:
        prefix = f"emnist-{self.split}-{'train' if self.train else 'test'}"
        return f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"

    def download(self) -> None:
        if self._check_exists():
            return
        os.makedirs(self.raw_folder, exist_ok=True)
        download_and_extract_archive(self.url, self.raw_folder, md5=self.md5)
        unpacked = os.path.join(self.raw_folder, "gzip")
        for packed in os.listdir(unpacked):
            if packed.endswith(".gz"):
                extract_archive(os.path.join(unpacked, packed), os.path.join(self.raw_folder, packed.removesuffix(".gz")))
        shutil.rmtree(unpacked)


class QMNIST(MNIST):
    """MNIST with all 60,000 test images: `what` is "train", "test", "test10k", "test50k" or "nist", in `root/QMNIST/raw`.

    With `compat=False` a label is all of the eight numbers that the file has for an image.
    """

    _SITE = "https://raw.githubusercontent.com/facebookresearch/qmnist/master/"
    subsets = {"train": "train", "test": "test", "test10k": "test", "test50k": "test", "nist": "nist"}
    resources = {
        "train": [
            (_SITE + "qmnist-train-images-idx3-ubyte.gz", "ed72d4157d28c017586c42bc6afe6370"),
            (_SITE + "qmnist-train-labels-idx2-int.gz", "0058f8dd561b90ffdd0f734c6a30e5e4"),
        ],
        "test": [
            (_SITE + "qmnist-test-images-idx3-ubyte.gz", "1394631089c404de565df7b7aeaf9412"),
            (_SITE + "qmnist-test-labels-idx2-int.gz", "5b5b05890a5e13444e108efe57b788aa"),
        ],
        "nist": [
            (_SITE + "xnist-images-idx3-ubyte.xz", "7f124b3b8ab81486c9d8c2749c17f834"),
            (_SITE + "xnist-labels-idx2-int.xz", "5ed0e788978e45d4a8bd4b7caec3d79d"),
        ],
    }
    _tfds_name = None

    def __init__(
        self, root: str | Path, what: str | None = None, compat: bool = True, train: bool = True, **kwargs: Any
    ) -> None:
        self.what = verify_str_arg(what or ("train" if train else "test"), "what", tuple(self.subsets))
        self.compat = compat
        super().__init__(root, train, **kwargs)

    def _files(self) -> tuple[str, str]:
        images, labels = (os.path.splitext(os.path.basename(url))[0] for url, _ in self.resources[self.subsets[self.what]])
        return images, labels

    def _load_data(self) -> tuple[Tensor, Tensor]:
        images, labels = (_read_idx(self._path(name) or name) for name in self._files())
        part = {"test10k": slice(0, 10000), "test50k": slice(10000, None)}.get(self.what, slice(None))
        return from_host(images[part]), from_host(labels[part].astype(np.int64))

    def download(self) -> None:
        for url, md5 in self.resources[self.subsets[self.what]]:
            packed = os.path.join(self.raw_folder, os.path.basename(url))
            if not check_integrity(os.path.splitext(packed)[0]):
                download_and_extract_archive(url, self.raw_folder, os.path.splitext(packed)[0], md5=md5)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        target = self.targets[index]
        return self._transformed(pil().fromarray(self.data[index].numpy()), int(target[0]) if self.compat else target)

    def extra_repr(self) -> str:
        return f"Split: {self.what}"
