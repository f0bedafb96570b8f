"""A loop that carries values along a dimension."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchish import Tensor
from torchish._higher_order_ops._slices import Stacked, slices
from torchish.func._tree import flatten


def scan(combine_fn: Callable, init: Any, xs: Any, *, dim: int = 0, reverse: bool = False) -> tuple[Any, Any]:
    """`carry, y = combine_fn(carry, x)` for each slice `x` along `dim`: the last carry, and all `y`, stacked like the slices."""
    if not callable(combine_fn):
        raise RuntimeError(f"Combine_fn must be a callable, but got {combine_fn}")
    wrong = next((v for v in flatten(init)[0] if not isinstance(v, Tensor)), None)
    if wrong is not None:
        raise RuntimeError(f"All init leaves must be a Tensor but got {wrong}")
    values, structure = flatten(xs)
    if not values:
        return init, []
    n, part = slices(values, structure, dim)
    carry, results = init, Stacked()
    for i in reversed(range(n)) if reverse else range(n):
        carry, y = combine_fn(carry, part(i))
        results.add(y)
    return carry, results.tree(dim, reverse)


__all__ = ["scan"]
