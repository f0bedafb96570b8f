"""Trees of tensors, taken apart along a dimension and put together again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchish import stack
from torchish.func._tree import LEAF, Structure, flatten, unflatten


class Stacked:
    """What the calls of a loop return, collected as one tree of stacked tensors."""

    def __init__(self) -> None:
        self._rows: list[list] = []
        self._structure = LEAF

    def add(self, tree: Any) -> None:
        row, self._structure = flatten(tree)
        self._rows.append(row)

    def tree(self, dim: int = 0, reverse: bool = False) -> Any:
        rows = self._rows[::-1] if reverse else self._rows
        return unflatten([stack(column, dim) for column in zip(*rows, strict=True)], self._structure)


def slices(values: list, structure: Structure, dim: int) -> tuple[int, Callable[[int], Any]]:
    """How many parts a tree has along a dimension, and a function that gives each."""
    n = values[0].size(dim) if values else 0
    return n, lambda i: unflatten([v.select(dim, i) for v in values], structure)
