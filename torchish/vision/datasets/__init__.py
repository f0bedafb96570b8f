"""`torchvision.datasets`.

    vision   what every dataset of images has
    mnist    MNIST and the datasets of its format
    cifar    CIFAR-10 and CIFAR-100
    svhn     Street View House Numbers
    folder   one folder per class
    made     without files: random images, scikit-learn's digits
    utils    files fetched, checked and unpacked
"""

from torchish._runner import missing_attribute
from torchish.vision.datasets import utils as utils
from torchish.vision.datasets.cifar import CIFAR10, CIFAR100
from torchish.vision.datasets.folder import DatasetFolder, ImageFolder
from torchish.vision.datasets.made import Digits, FakeData
from torchish.vision.datasets.mnist import EMNIST, KMNIST, MNIST, QMNIST, FashionMNIST
from torchish.vision.datasets.svhn import SVHN
from torchish.vision.datasets.vision import VisionDataset


def __getattr__(name: str):
    raise missing_attribute(__name__, name)


__all__ = [
    "CIFAR10",
    "CIFAR100",
    "EMNIST",
    "KMNIST",
    "MNIST",
    "QMNIST",
    "SVHN",
    "DatasetFolder",
    "Digits",
    "FakeData",
    "FashionMNIST",
    "ImageFolder",
    "VisionDataset",
]
