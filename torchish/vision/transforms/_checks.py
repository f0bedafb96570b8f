"""How transforms read their arguments."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any


def size_pair(size: Any, message: str) -> Any:
    """(height, width) of one number, one in a sequence, or both. ValueError(message) otherwise."""
    if isinstance(size, numbers.Number):
        return int(size), int(size)  # type: ignore[call-overload]
    if isinstance(size, Sequence) and len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(message)
    return size


def angles(x: Any, name: str, sizes: tuple[int, ...] = (2,)) -> list[float]:
    """The bounds [-x, x] of a number, or those given."""
    if isinstance(x, numbers.Number):
        if x < 0:  # type: ignore[operator]
            raise ValueError(f"If {name} is a single number, it must be positive.")
        return [-float(x), float(x)]  # type: ignore[arg-type]
    counted(x, name, sizes)
    return [float(v) for v in x]


def counted(x: Any, name: str, sizes: tuple[int, ...]) -> None:
    expected = " or ".join(map(str, sizes))
    if not isinstance(x, Sequence):
        raise TypeError(f"{name} should be a sequence of length {expected}.")
    if len(x) not in sizes:
        raise ValueError(f"{name} should be a sequence of length {expected}.")
