"""`torch.func.rearrange`: a tensor's dimensions split, joined and reordered as a pattern says."""

from __future__ import annotations

import functools
from typing import Any

import torchish as torch
from torchish._tensor.tensor import Tensor

_REST = "…"  # stands for "..." in a pattern


def _axis_problem(name: str) -> str:
    if not name.isidentifier():
        return "not a valid python identifier"
    return "axis name should should not start or end with underscore" if name[0] == "_" or name[-1] == "_" else ""


def _side(text: str) -> list[list[str] | str]:
    """One side of a pattern: the axes in each dimension, "…" where the rest of them goes."""
    if "." in text:
        if "..." not in text:
            raise ValueError("Expression may contain dots only inside ellipsis (...)")
        if text.count("...") != 1 or text.count(".") != 3:
            raise ValueError("Expression may contain dots only inside ellipsis (...); only one ellipsis for tensor ")
        text = text.replace("...", _REST)
    dims: list[list[str] | str] = []
    seen: set[str] = set()
    group: list[str] | None = None
    word = ""

    def add(name: str) -> None:
        if name in seen:
            raise ValueError(f"Indexing expression contains duplicate dimension '{name}'")
        if name.isdecimal():
            if int(name) < 1:
                raise ValueError(f"Anonymous axis should have positive length, not {int(name)}")
            if int(name) > 1:
                raise ValueError("rearrange only supports unnamed axes of size 1")
            if group is None:
                dims.append([])
            return
        if name != _REST and (reason := _axis_problem(name)):
            raise ValueError(f"Invalid axis identifier: {name}\n{reason}")
        seen.add(name)
        if group is not None:
            group.append(name)
        else:
            dims.append(_REST if name == _REST else [name])

    for c in text:
        if c in "() ":
            if word:
                add(word)
            word = ""
            if c == "(":
                if group is not None:
                    raise ValueError("Axis composition is one-level (brackets inside brackets not allowed)")
                group = []
            elif c == ")":
                if group is None:
                    raise ValueError("Brackets are not balanced")
                dims.append(group)
                group = None
        elif c.isalnum() or c in ("_", _REST):
            word += c
        else:
            raise ValueError(f"Unknown character '{c}'")
    if group is not None:
        raise ValueError(f"Imbalanced parentheses in expression: '{text}'")
    if word:
        add(word)
    return dims


def _axes(dims: list[list[str] | str]) -> list[str]:
    return [a for d in dims for a in ((d,) if isinstance(d, str) else d)]


@functools.lru_cache(256)
def _parse(pattern: str, ndim: int, given: tuple[str, ...]) -> tuple[list[list[str] | str], list[list[str] | str], int]:
    """Both sides, and for how many dimensions the ellipsis stands; ValueError when they do not go together."""
    parts = pattern.split("->")
    if len(parts) != 2:
        raise ValueError("Pattern must contain a single '->' separator")
    left, right = _side(parts[0]), _side(parts[1])
    a, b = set(_axes(left)), set(_axes(right))
    if _REST in b and _REST not in a:
        raise ValueError(f"Ellipsis found in right side, but not left side of a pattern {pattern}")
    if _REST in a and _REST not in left:
        raise ValueError(f"Ellipsis is parenthesis in the left side is not allowed: {pattern}")
    if a ^ b:
        raise ValueError(f"Identifiers only on one side of rearrange expression (should be on both): {a ^ b}")
    if unknown := set(given) - a:
        raise ValueError(f"Identifiers not found in rearrange expression: {unknown}")
    rest = 0
    if _REST in a:
        rest = ndim - (len(left) - 1)
        named = sum(not d for d in left) + len(a) - 1
        if named > ndim:
            raise ValueError(
                f"Number of dimensions in pattern ({named}) must be less than or equal to the number of dimensions in the tensor ({ndim})"
            )
    elif len(left) != ndim:
        raise ValueError(f"Number of dimensions in pattern ({len(left)}) must be equal to the number of dimensions in the tensor ({ndim})")
    return left, right, rest


def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Tensor:
    """The tensor (or several, stacked) as a pattern says: "b (h h1) w -> b h (h1 w)" splits, moves and joins dimensions.

    The sizes that the tensor's shape leaves open are given by name. ValueError for a pattern that cannot be followed.
    """
    if not isinstance(tensor, Tensor):
        tensor = torch.stack(tensor)
    for length in axes_lengths.values():
        if type(length) is not int:
            raise TypeError(f"rearrange axis lengths must be integers, got: {type(length)}")
    left, right, rest = _parse(pattern, tensor.ndim, tuple(axes_lengths))
    sizes: dict[str, tuple[int, ...]] = {}
    shape = iter(tensor.shape)
    for d in left:
        if isinstance(d, str):
            sizes[_REST] = tuple(next(shape) for _ in range(rest))
            continue
        size = next(shape)
        known = [axes_lengths[a] for a in d if a in axes_lengths]
        product = 1
        for n in known:
            product *= n
        open_ = [a for a in d if a not in axes_lengths]
        if len(open_) > 1 or (size % product if open_ else size != product):
            raise ValueError(f"a dimension of size {size} cannot be split into ({' '.join(d)}) with {axes_lengths}")
        sizes.update({a: (axes_lengths.get(a, size // product),) for a in d})
    apart = tensor.reshape([n for a in _axes(left) for n in sizes[a]])
    places: dict[str, list[int]] = {}
    at = 0
    for a in _axes(left):
        places[a] = list(range(at, at + len(sizes[a])))
        at += len(sizes[a])
    moved = apart.permute([p for a in _axes(right) for p in places[a]])
    shape_out: list[int] = []
    for d in right:
        if isinstance(d, str):
            shape_out += sizes[_REST]
        else:
            n = 1
            for a in d:
                for s in sizes[a]:
                    n *= s
            shape_out.append(n)
    return moved.reshape(shape_out)
