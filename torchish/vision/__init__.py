"""`torchvision`'s API: what `import torchvision` gives under `python -m torchish`.

    datasets    images and labels from files
    transforms  what is done to images before a network sees them
    models      networks, with the parameter names of the published weights
    ops         boxes, regions of interest, losses and layers
    io          images from and to files, as tensors
    tv_tensors  tensors that say what they hold
    utils       images for people to look at

Images are read and written with Pillow, which is needed only when that is asked for.
"""

import importlib

from torchish._runner import missing_attribute
from torchish.vision.version import __version__

_SUBMODULES = ("datasets", "io", "models", "ops", "transforms", "tv_tensors", "utils")


def get_image_backend() -> str:
    """The package that loads images: always Pillow."""
    return "PIL"


def set_image_backend(backend: str) -> None:
    """ValueError for anything but "PIL"."""
    if backend != "PIL":
        raise ValueError(f"Invalid backend '{backend}'. Options are 'PIL' (torchish has no other)")


def __getattr__(name: str):
    # loaded when first asked for: the import stays short
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise missing_attribute(__name__, name)


__all__ = ["__version__", "get_image_backend", "set_image_backend", *_SUBMODULES]
