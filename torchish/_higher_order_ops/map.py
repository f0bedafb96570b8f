"""A function of each row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchish import Tensor
from torchish._higher_order_ops._slices import Stacked, slices
from torchish.func._tree import flatten


def map(f: Callable, xs: Any, *args: Any) -> Any:
    """`f(row, *args)` of each row of the tensors in the tree `xs`, stacked."""
    values, structure = flatten(xs)
    if not all(isinstance(v, Tensor) for v in values):
        raise RuntimeError(f"Mapped xs can only consist of tensors. Got xs {values}.")
    shapes = [v.shape for v in values]
    if len({s[0] for s in shapes}) > 1:
        raise RuntimeError(f"Leading dimensions of mapped xs must be consistent. Got shapes {shapes}.")
    n, row = slices(values, structure, 0)
    if n == 0:
        raise RuntimeError("Leading dimensions of mapped xs cannot be 0.")
    results = Stacked()
    for i in range(n):
        results.add(f(row(i), *args))
    return results.tree()


__all__ = ["map"]
