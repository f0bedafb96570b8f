"""The signature language of operation declarations.

    add(Tensor input, Tensor|Number other, *, Number alpha=1)
    sum(Tensor input, int[]? dim, bool keepdim=False, *, dtype? dtype=None)

Types: Tensor, Tensor?, Tensor[], Number, Tensor|Number (dynamic: program inputs), Index (a dynamic integer), real (a dynamic
number that PyTorch's messages call a float), scalar (a static float that they call a Number), int,
int[], int[]* (may be given as separate positional integers), int[!] (never a single integer), bool, float, str, dtype,
device, generator, format (of memory), any, each with an optional `?`. Everything that is not dynamic is static: it becomes part of
the operation's identity.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

REQUIRED = object()
DYNAMIC = frozenset(
    {"Tensor", "Tensor?", "Tensor[]", "Tensor?[]", "Number", "Number?", "real", "real?", "Tensor|Number", "Tensor|Number?", "Index"}
)

_DISPLAY = {
    "Tensor": "Tensor", "Tensor?": "Tensor", "Tensor[]": "tuple of Tensors", "Tensor?[]": "tuple of Tensors",
    "Number": "Number", "Number?": "Number", "scalar": "Number", "scalar?": "Number", "real": "float", "real?": "float",
    "Tensor|Number": "Tensor", "Tensor|Number?": "Tensor", "Index": "int", "int": "int", "int?": "int",
    "int[!]": "tuple of ints", "int[!]?": "tuple of ints",
    "int[]": "tuple of ints", "int[]?": "tuple of ints", "int[]*": "tuple of ints", "bool": "bool", "bool?": "bool",
    "float": "float", "float?": "float", "float[]?": "tuple of floats", "str": "str", "str?": "str",
    "dtype": "torch.dtype", "dtype?": "torch.dtype", "device?": "torch.device", "generator?": "torch.Generator",
    "format?": "torch.memory_format", "any": "object", "any?": "object",
}  # fmt: skip


@dataclasses.dataclass(slots=True)
class Param:
    """One parameter of a signature."""

    type: str
    name: str
    default: Any
    keyword_only: bool
    dynamic: bool

    @property
    def varargs(self) -> bool:
        return self.type == "int[]*"

    def display(self) -> str:
        """How PyTorch's error messages list it."""
        text = f"{'torch.layout' if self.name == 'layout' else _DISPLAY.get(self.type, self.type)} {self.name}"
        if self.default is REQUIRED:
            return text
        return f'{text} = "{self.default}"' if isinstance(self.default, str) else f"{text} = {self.default}"


@dataclasses.dataclass(slots=True)
class Schema:
    """A parsed signature."""

    name: str
    params: tuple[Param, ...]
    positional: int  # how many parameters may be given by position

    def display(self, method: bool, out: bool) -> str:
        """`(Tensor input, Tensor other, *, Number alpha = 1)` as PyTorch's messages print it."""
        parts: list[str] = []
        star = False
        for p in self.params[1:] if method else self.params:
            if p.keyword_only and not star:
                parts.append("*")
                star = True
            parts.append(p.display())
        if out and not method:
            if not star:
                parts.append("*")
            parts.append("Tensor out = None")
        return f"({', '.join(parts)})"

    @property
    def drawn(self) -> bool:
        """Whether this makes a tensor of random numbers, which PyTorch has two signatures for."""
        return any(p.name == "generator" for p in self.params) and any(p.name == "layout" for p in self.params)

    def displays(self, method: bool, out: bool) -> list[str]:
        """`display`, as the one or two signatures that PyTorch has."""
        if not self.drawn or method:
            return [self.display(method, out)]
        shown = [p for p in self.params if p.name != "generator"]
        sizes = ", ".join(p.display() for p in shown if not p.keyword_only)
        rest = ", ".join([*(["Tensor out = None"] if out else []), *(p.display() for p in shown if p.keyword_only)])
        return [f"({sizes}, *, torch.Generator generator, {rest})", f"({sizes}, *, {rest})"]


_HEAD = re.compile(r"^\s*([\w.]+)\s*\((.*)\)\s*$", re.S)


def parse(text: str) -> Schema:
    """Parse a signature; ValueError on a malformed one."""
    m = _HEAD.match(text)
    if not m:
        raise ValueError(f"malformed signature: {text!r}")
    name, body = m.groups()
    params: list[Param] = []
    keyword_only = False
    for part in _split(body):
        if part == "*":
            keyword_only = True
            continue
        left, eq, right = part.partition("=")
        kind, _, pname = left.strip().rpartition(" ")
        default = eval(right, {"__builtins__": {}}, {"inf": float("inf")}) if eq else REQUIRED
        params.append(Param(kind.strip(), pname, default, keyword_only, kind.strip() in DYNAMIC))
    positional = sum(not p.keyword_only for p in params)
    return Schema(name, tuple(params), positional)


def _split(body: str) -> list[str]:
    parts, depth, current = [], 0, ""
    for c in body:
        if c == "," and depth == 0:
            parts.append(current.strip())
            current = ""
            continue
        depth += c in "(["
        depth -= c in ")]"
        current += c
    if current.strip():
        parts.append(current.strip())
    return parts
