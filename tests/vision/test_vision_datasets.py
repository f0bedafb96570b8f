"""torchish.vision.datasets reads the published formats, and says what torchvision says when files are missing or broken."""

import gzip
import hashlib
import pickle
import struct

import numpy as np
import pytest
from PIL import Image

import torchish as torch
from torchish.vision import datasets
from torchish.vision import transforms as T

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (5, 28, 28), np.uint8)
LABELS = np.array([3, 1, 4, 1, 5], np.uint8)


def idx(a):
    return struct.pack(">BBBB", 0, 0, 8, a.ndim) + struct.pack(f">{a.ndim}I", *a.shape) + a.tobytes()


def write_mnist(root, name="MNIST", packed=False):
    folder = root / name / "raw"
    folder.mkdir(parents=True)
    for prefix in ("train", "t10k"):
        for kind, a in (("images-idx3", IMAGES), ("labels-idx1", LABELS)):
            path = folder / f"{prefix}-{kind}-ubyte"
            if packed:
                path.with_suffix(".gz").write_bytes(gzip.compress(idx(a)))
            else:
                path.write_bytes(idx(a))
    return folder


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("cls", [datasets.MNIST, datasets.FashionMNIST, datasets.KMNIST])
def test_mnist(cls, packed, tmp_path):
    write_mnist(tmp_path, cls.__name__, packed)
    data = cls(str(tmp_path), train=False, transform=T.ToTensor())
    assert len(data) == 5 and data.targets.tolist() == LABELS.tolist()
    image, label = data[2]
    assert label == 4 and np.array_equal(image.numpy()[0], IMAGES[2].astype(np.float32) / np.float32(255))
    assert repr(data) == (
        f"Dataset {cls.__name__}\n    Number of datapoints: 5\n    Root location: {tmp_path}\n    Split: Test\n"
        "    StandardTransform\nTransform: ToTensor()"
    )
    batch = next(iter(torch.utils.data.DataLoader(data, batch_size=5)))
    assert batch[0].shape == (5, 1, 28, 28)


def test_mnists_names_of_long_ago(tmp_path):
    write_mnist(tmp_path)
    data = datasets.MNIST(str(tmp_path), train=False)
    for old, new in [("train_data", "data"), ("test_data", "data"), ("train_labels", "targets"), ("test_labels", "targets")]:
        with pytest.warns(UserWarning, match=f"^{old} has been renamed {new}$"):
            assert getattr(data, old) is getattr(data, new)


def test_a_half_written_file_counts_as_missing(tmp_path):
    folder = write_mnist(tmp_path)
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RuntimeError, match="^Dataset not found or corrupted. You can use download=True .*train-images-idx3-ubyte"):
        datasets.MNIST(tmp_path)


def test_download_refetches_what_is_broken(tmp_path, monkeypatch):
    site = write_mnist(tmp_path / "site", packed=True)
    resources = [(p.name, hashlib.md5(p.read_bytes()).hexdigest()) for p in sorted(site.iterdir())]
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["file:///nowhere/", site.as_uri() + "/"])
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    raw = tmp_path / "root" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08")
    (raw / "train-images-idx3-ubyte.gz").write_bytes(b"half")
    data = datasets.MNIST(tmp_path / "root", download=True)
    assert np.array_equal(data.data.numpy(), IMAGES)


def test_mirrors_that_all_fail_are_told_as_torchvision_does(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["file:///nowhere/", "file:///elsewhere/"])
    missing = r"<urlopen error \[Errno 2\] No such file or directory: '/{}/train-images-idx3-ubyte.gz'>\n"
    tried = "Tried file:///nowhere/, got:\n" + missing.format("nowhere") + "Tried file:///elsewhere/, got:\n" + missing.format("elsewhere")
    with pytest.raises(RuntimeError, match=f"^Error downloading train-images-idx3-ubyte.gz:\n{tried}\n"):  # a note of torchish's follows
        datasets.MNIST(tmp_path, download=True)


@pytest.mark.parametrize("cls", [datasets.CIFAR10, datasets.CIFAR100])
def test_cifar(cls, tmp_path, monkeypatch):
    folder = tmp_path / cls.base_folder
    folder.mkdir()
    rows = RANDOM.integers(0, 256, (2, 3072), np.uint8)
    key = "labels" if cls is datasets.CIFAR10 else "fine_labels"

    def written(name, content):
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
        return hashlib.md5((folder / name).read_bytes()).hexdigest()

    for which in ("train_list", "test_list"):
        entries = [[name, written(name, {"data": rows, key: [1, 0]})] for name, _ in getattr(cls, which)]
        monkeypatch.setattr(cls, which, entries)
    md5 = written(cls.meta["filename"], {cls.meta["key"]: ["cat", "dog"]})
    monkeypatch.setattr(cls, "meta", {**cls.meta, "md5": md5})
    data = cls(tmp_path, train=False)
    image, label = data[0]
    assert label == 1 and data.class_to_idx == {"cat": 0, "dog": 1}
    assert np.array_equal(np.array(image), rows[0].reshape(3, 32, 32).transpose(1, 2, 0))
    (folder / cls.test_list[0][0]).write_bytes(b"other")
    with pytest.raises(RuntimeError, match="^Dataset not found or corrupted. You can use download=True to download it$"):
        cls(tmp_path)


def test_svhn(tmp_path, monkeypatch):
    from scipy.io import savemat

    path = tmp_path / "train_32x32.mat"
    x = RANDOM.integers(0, 256, (32, 32, 3, 2), np.uint8)
    savemat(path, {"X": x, "y": np.array([[10], [2]], np.uint8)})
    entry = ["", path.name, hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(datasets.SVHN, "split_list", {**datasets.SVHN.split_list, "train": entry})
    image, label = datasets.SVHN(tmp_path)[0]
    assert label == 0 and np.array_equal(np.array(image), x[..., 0])


def test_image_folder(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
    Image.fromarray(IMAGES[0]).save(tmp_path / "cat" / "a.png")
    with pytest.raises(FileNotFoundError, match="^Found no valid file for the classes dog. Supported extensions are: .jpg, .jpeg, .png"):
        datasets.ImageFolder(tmp_path)
    whole = (tmp_path / "cat" / "a.png").read_bytes()
    (tmp_path / "dog" / "b.PNG").write_bytes(whole[: len(whole) // 2])
    data = datasets.ImageFolder(tmp_path)
    image, label = data[0]
    assert (image.mode, label, data.targets) == ("RGB", 0, [0, 1])
    with pytest.raises(OSError) as error:
        data[1]
    assert "b.PNG" in str(error.value) + "".join(getattr(error.value, "__notes__", []))


def test_no_class_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="^Couldn't find any class folder in "):
        datasets.ImageFolder(tmp_path)


def test_fake_data_leaves_the_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(2).tolist()
    torch.manual_seed(3)
    image, label = datasets.FakeData(3, (1, 4, 4), num_classes=3)[1]
    assert torch.rand(2).tolist() == expected and image.size == (4, 4) and label == 0  # torchvision 0.28 gives 0


def test_digits():
    train, test = datasets.Digits(), datasets.Digits(train=False, transform=T.ToTensor())
    assert (len(train), len(test)) == (1437, 360) and test[0][0].shape == (1, 8, 8)


def test_tensorflow_datasets():
    tfds = pytest.importorskip("tensorflow_datasets")
    from torchish.data import tfds as source

    with tfds.testing.mock_data(num_examples=3):
        data = source("mnist", "train", as_supervised=True, transform=lambda row: (T.ToTensor()(row[0]), int(row[1])))
        assert len(data) == 3 and data[0][0].shape == (1, 28, 28)


@pytest.mark.parametrize("kind", ["png", "jpg", "gray"])
def test_images_read_as_tensors(kind, tmp_path):
    """`io` and its module `image` are the same; an image is whole pixels in memory, as PyTorch's decoders write them."""
    from torchish.vision import io

    values = np.random.default_rng(0).integers(0, 256, (5, 7) if kind == "gray" else (5, 7, 3), np.uint8)
    path = tmp_path / f"a.{'png' if kind == 'gray' else kind}"
    Image.fromarray(values).save(path)
    for read in (io.read_image, io.image.read_image, lambda p: io.image.decode_image(io.read_file(p))):
        image = read(str(path))
        assert image.shape == ((1 if kind == "gray" else 3), 5, 7) and image.permute(1, 2, 0).is_contiguous()
        assert np.array_equal(image.permute(1, 2, 0).numpy().squeeze(), np.asarray(Image.open(path)))
    assert io.image.read_image(str(path), io.image.ImageReadMode.RGB).shape == (3, 5, 7)
    for write, name in ((io.write_png, "b.png"), (io.image.write_png, "c.png")):
        write(image, str(tmp_path / name))
        assert np.array_equal(np.asarray(Image.open(tmp_path / name)), np.asarray(Image.open(path)))
