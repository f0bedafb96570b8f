"""What a binary function makes of all slices so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchish._higher_order_ops._slices import Stacked, slices
from torchish.func._tree import flatten


def associative_scan(combine_fn: Callable, xs: Any, dim: int, reverse: bool = False, combine_mode: str = "pointwise") -> Any:
    """The slices of `xs` along `dim`, each combined with all before it (behind it, with `reverse`)."""
    if not callable(combine_fn):
        raise ValueError(f"Combine_fn must be a callable, but got {combine_fn}")
    if combine_mode not in ("pointwise", "generic"):
        raise ValueError(f"Combine_mode must either 'pointwise' or 'generic', but got {combine_mode}")
    values, structure = flatten(xs)
    if combine_mode == "pointwise" and not all(v.device.type in ("cuda", "xpu") for v in values):
        raise ValueError("For combine_mode='pointwise', all input tensors need to be on CUDA or XPU")
    n, part = slices(values, structure, dim)
    results, so_far = Stacked(), None
    for i in reversed(range(n)) if reverse else range(n):
        so_far = part(i) if so_far is None else combine_fn(so_far, part(i))
        results.add(so_far)
    return results.tree(dim, reverse)


__all__ = ["associative_scan"]
