"""`safetensors.numpy`: files of NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchish.safetensors import _format


def save(tensor_dict: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> bytes:
    """The bytes of a file with these arrays."""
    return b"".join(bytes(p) for p in _format.pieces(tensor_dict, metadata))


def save_file(tensor_dict: dict[str, np.ndarray], filename: Any, metadata: dict[str, str] | None = None) -> None:
    """Write arrays to a file, which is replaced as a whole."""
    _format.write(filename, _format.pieces(tensor_dict, metadata))


def load(data: bytes) -> dict[str, np.ndarray]:
    """The arrays in the bytes of a file."""
    header, body = _format.parse(data)
    return {name: np.array(_format.array(header, name, body)) for name in header.entries}


def load_file(filename: Any) -> dict[str, np.ndarray]:
    """The arrays of a file."""
    return load(_format.read(filename))
