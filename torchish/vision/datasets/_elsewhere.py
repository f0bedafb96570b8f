"""A dataset's copy at TensorFlow Datasets, for when its own server does not answer."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np


def arrays(name: str, split: str, error: Exception, image: str = "image", label: str = "label") -> tuple[np.ndarray, np.ndarray]:
    """The images and labels of `name`'s `split`; raises `error` again, with the reason, when that cannot be had either."""
    if importlib.util.find_spec("tensorflow_datasets") is None:
        error.add_note("TensorFlow Datasets has a copy: pip install tensorflow-datasets, and it is used")
        raise error
    from torchish.data._tfds import tfds

    try:
        source: Any = tfds(name, split, download=True)
    except Exception as e:
        error.add_note(f"TensorFlow Datasets' copy, {name!r}, could not be had either: {type(e).__name__}: {e}")
        raise error from e
    rows = [source[i] for i in range(len(source))]
    return np.stack([np.asarray(r[image]) for r in rows]), np.array([int(r[label]) for r in rows], np.int64)
