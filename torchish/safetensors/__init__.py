"""The safetensors format, for torchish tensors and NumPy arrays, without the package of that name.

`torchish.safetensors.torch` answers to `safetensors.torch` where `torchish.install` is in force.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from torchish.safetensors import _format
from torchish.safetensors._format import SafetensorError


class safe_open:
    """A file whose tensors are read one at a time: `framework` is "pt" or "np"."""

    def __init__(self, filename: Any, framework: str = "pt", device: Any = "cpu"):
        if framework not in ("pt", "torch", "pytorch", "np", "numpy"):
            raise SafetensorError(f"framework {framework} is invalid")
        self._numpy, self._device = framework in ("np", "numpy"), device
        self._memory = np.memmap(filename, np.uint8, "r")
        self._header, self._body = _format.parse(self._memory)

    def __enter__(self) -> safe_open:
        return self

    def __exit__(self, *exc: Any) -> None: ...

    def metadata(self) -> dict[str, str] | None:
        """The strings that were saved beside the tensors."""
        return self._header.metadata

    def keys(self) -> list[str]:
        """The tensors' names, in order."""
        return sorted(self._header.entries)

    def offset_keys(self) -> list[str]:
        """The tensors' names in the order of their bytes."""
        return sorted(self._header.entries, key=lambda n: self._header.entries[n].start)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def get_tensor(self, name: str) -> Any:
        """One tensor. SafetensorError when there is none of that name."""
        return self._give(np.array(self._array(name)))

    def get_slice(self, name: str) -> _Slice:
        """One tensor of which only what is indexed is read."""
        return _Slice(self, self._array(name))

    def _array(self, name: str) -> np.ndarray:
        if name not in self._header.entries:
            raise SafetensorError(f"File does not contain tensor {name}")
        return _format.array(self._header, name, self._body)

    def _give(self, array: np.ndarray) -> Any:
        if self._numpy:
            return array
        from torchish._tensor.creation import from_host

        return from_host(array).to(self._device)


class _Slice:
    def __init__(self, file: safe_open, array: np.ndarray):
        self._file, self._array = file, array

    def get_shape(self) -> list[int]:
        return list(self._array.shape)

    def get_dtype(self) -> str:
        return _format.NAMES[self._array.dtype]

    def __getitem__(self, index: Any) -> Any:
        return self._file._give(np.array(self._array[index]))


__all__ = ["SafetensorError", "safe_open"]
