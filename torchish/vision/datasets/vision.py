"""What every dataset of images has."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torchish.data.dataset import Dataset


def _described(transform: Callable, head: str) -> str:
    """`head` and the transform's repr, whose further lines start below its first."""
    return head + repr(transform).replace("\n", "\n" + " " * len(head))


class StandardTransform:
    """One transform for the input and one for the target."""

    def __init__(self, transform: Callable | None = None, target_transform: Callable | None = None) -> None:
        self.transform, self.target_transform = transform, target_transform

    def __call__(self, input: Any, target: Any) -> tuple[Any, Any]:
        return (
            input if self.transform is None else self.transform(input),
            target if self.target_transform is None else self.target_transform(target),
        )

    def __repr__(self) -> str:
        lines = [type(self).__name__]
        if self.transform is not None:
            lines.append(_described(self.transform, "Transform: "))
        if self.target_transform is not None:
            lines.append(_described(self.target_transform, "Target transform: "))
        return "\n".join(lines)


class VisionDataset(Dataset):
    """A dataset under the folder `root`: `transforms` of (input, target), or `transform` and `target_transform` of each.

    Raises:
        ValueError: both `transforms` and one of the others are given.
    """

    _repr_indent = 4

    def __init__(
        self,
        root: str | Path = None,  # type: ignore[assignment]
        transforms: Callable | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
    ) -> None:
        self.root = os.path.expanduser(root) if isinstance(root, str) else root
        separate = transform is not None or target_transform is not None
        if transforms is not None and separate:
            raise ValueError("Only transforms or transform/target_transform can be passed as argument")
        self.transform, self.target_transform = transform, target_transform
        self.transforms = StandardTransform(transform, target_transform) if separate else transforms

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def extra_repr(self) -> str:
        return ""

    def __repr__(self) -> str:
        body = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            body.append(f"Root location: {self.root}")
        body += self.extra_repr().splitlines()
        if self.transforms is not None:
            body.append(repr(self.transforms))
        indent = " " * self._repr_indent
        return "\n".join([f"Dataset {type(self).__name__}", *(indent + line for line in body)])

    def _transformed(self, image: Any, target: Any) -> tuple[Any, Any]:
        """`image` and `target` through the transforms of each."""
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target
