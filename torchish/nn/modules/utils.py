"""Small helpers that the layers share."""

from __future__ import annotations

import collections
from itertools import repeat
from typing import Any

import torchish as torch
from torchish.nn.parameter import Parameter


def _ntuple(n: int, name: str = "parse"):
    def parse(x: Any) -> tuple:
        if isinstance(x, collections.abc.Iterable):
            return tuple(x)
        return tuple(repeat(x, n))

    parse.__name__ = name
    return parse


_single = _ntuple(1, "_single")
_pair = _ntuple(2, "_pair")
_triple = _ntuple(3, "_triple")
_quadruple = _ntuple(4, "_quadruple")


def _reverse_repeat_tuple(t: tuple, n: int) -> tuple:
    """`(a, b)` as `(b, b, a, a)` for n = 2: the order in which `F.pad` wants its sizes."""
    return tuple(x for x in reversed(t) for _ in range(n))


def _list_with_default(out_size: list, defaults: list) -> list:
    if isinstance(out_size, int):
        return out_size
    if len(defaults) <= len(out_size):
        raise ValueError(f"Input dimension should be at least {len(out_size) + 1}")
    return [v if v is not None else d for v, d in zip(out_size, defaults[-len(out_size) :], strict=False)]


def consume_prefix_in_state_dict_if_present(state_dict: dict[str, Any], prefix: str) -> None:
    """Strip `prefix` (such as `module.`) from the keys of a state dictionary and of its metadata, in place."""
    for key in list(state_dict):
        if key.startswith(prefix):
            state_dict[key.removeprefix(prefix)] = state_dict.pop(key)
    metadata = getattr(state_dict, "_metadata", {})
    for key in list(metadata):
        if key and (key == prefix.replace(".", "") or key.startswith(prefix)):  # the wrapper's own entry, and those below
            metadata[key[len(prefix) :]] = metadata.pop(key)


def new_parameter(shape, device=None, dtype=None) -> Parameter:
    """A parameter of this shape whose values are still to be set."""
    return Parameter(torch.empty(shape, device=device, dtype=dtype))


def flag(name: str, on: bool, separator: str = "") -> str:
    """`name=True` for an extra_repr when the flag is on, else nothing."""
    return f"{separator}{name}=True" if on else ""
