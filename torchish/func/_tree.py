"""Nested tuples, lists and dictionaries of values, flattened and rebuilt (None is a value)."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any


class Structure:
    """The containers of a tree without its values; `*` prints for a value."""

    __slots__ = ("kind", "context", "children", "leaves")

    def __init__(self, kind: type | None, context: Any = None, children: tuple = ()):
        self.kind, self.context, self.children = kind, context, children
        self.leaves = 1 if kind is None else sum(c.leaves for c in children)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Structure) and self.kind is other.kind and self.context == other.context and self.children == other.children
        )

    __hash__ = None  # type: ignore[assignment]

    def text(self) -> str:
        """The structure as its containers would print: `(*, [*, *])`."""
        if self.kind is None:
            return "*"
        parts = [c.text() for c in self.children]
        if self.kind in (dict, OrderedDict, defaultdict):
            body = ", ".join(f"{k!r}: {p}" for k, p in zip(self.context, parts, strict=True))
            return f"{{{body}}}" if self.kind is dict else f"{self.kind.__name__}({{{body}}})"
        if self.kind is list:
            return f"[{', '.join(parts)}]"
        if self.kind is tuple:
            return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
        return f"{self.kind.__name__}({', '.join(parts)})"

    def __repr__(self) -> str:
        """PyTorch's text for a structure."""
        return self._text(0)

    def _text(self, indent: int) -> str:
        if self.kind is None:
            return "*"
        indent += 2
        inner = (",\n" + " " * indent).join([c._text(indent) for c in self.children])
        return f"TreeSpec({self.kind.__name__}, {self.context}, [{inner}])"


LEAF = Structure(None)


def flatten(tree: Any) -> tuple[list, Structure]:
    """The values of a tree in order, and its structure."""
    found: list = []
    return found, _flatten(tree, found)


def _flatten(x: Any, found: list) -> Structure:
    kind = type(x)
    if kind in (tuple, list, deque):
        return Structure(kind, None, tuple([_flatten(v, found) for v in x]))
    if kind in (dict, OrderedDict):
        return Structure(kind, list(x), tuple([_flatten(v, found) for v in x.values()]))
    if kind is defaultdict:
        return Structure(kind, list(x), tuple([_flatten(v, found) for v in x.values()]))
    if isinstance(x, tuple) and (hasattr(kind, "_fields") or hasattr(kind, "n_fields")):
        return Structure(kind, None, tuple([_flatten(v, found) for v in x]))
    found.append(x)
    return LEAF


def unflatten(values: Any, structure: Structure) -> Any:
    """The tree of this structure with these values."""
    return _build(structure, iter(values))


def _build(s: Structure, values) -> Any:
    if s.kind is None:
        return next(values)
    parts = [_build(c, values) for c in s.children]
    if s.kind in (dict, OrderedDict):
        return s.kind(zip(s.context, parts, strict=True))
    if s.kind is defaultdict:
        made: dict = defaultdict(None)
        made.update(zip(s.context, parts, strict=True))
        return made
    if hasattr(s.kind, "_fields"):
        return s.kind(*parts) if s.kind.__module__ != "torch.return_types" else s.kind(parts)
    return s.kind(parts)


def tree_map(f: Callable, tree: Any) -> Any:
    """The tree with `f` of each value."""
    values, s = flatten(tree)
    return unflatten([f(v) for v in values], s)


def spread(prefix: Any, s: Structure) -> list | None:
    """The values of a tree that agrees with the top of structure `s`, once for every value below; None where it does not."""
    if s.kind is None:
        return [prefix] if flatten(prefix)[1] is LEAF else None
    if flatten(prefix)[1] is LEAF:
        return [prefix] * s.leaves
    mine = flatten(prefix)[1]
    if mine.kind is not s.kind or len(mine.children) != len(s.children):
        return None
    if mine.kind in (dict, OrderedDict, defaultdict):
        if set(mine.context) != set(s.context):
            return None
        parts = [prefix[k] for k in s.context]
    else:
        parts = list(prefix)
    out: list = []
    for p, c in zip(parts, s.children, strict=True):
        got = spread(p, c)
        if got is None:
            return None
        out += got
    return out


__all__ = ["Structure", "flatten", "spread", "tree_map", "unflatten"]
