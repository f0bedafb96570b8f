"""Docstrings of the functions made from declarations: how they are called, then what the declaration says.

They are written when they are first looked at: an import makes a thousand functions, and nobody reads most of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torchish.ops.schema import REQUIRED, Param, Schema

_TYPES = {
    "Tensor": "Tensor", "Tensor[]": "tuple of Tensors", "Tensor?[]": "tuple of Tensors", "Number": "Number", "Index": "int",
    "Tensor|Number": "Tensor or Number", "int": "int", "int[]": "int or tuple of ints", "int[]*": "int...", "int[!]": "tuple of ints",
    "bool": "bool", "float": "float", "float[]": "tuple of floats", "str": "str", "dtype": "torch.dtype", "device": "torch.device",
    "generator": "torch.Generator", "scalar": "Number", "real": "float",
}  # fmt: skip


class Docstring(str):
    """The docstring of the function `name`: a string that is written when it is first used."""

    __slots__ = ("_source",)
    _source: tuple[str, Sequence[Any], bool] | str  # what `_text` takes, or what it gave

    def __str__(self) -> str:
        source = self._source
        if type(source) is tuple:
            source = self._source = _text(*source)
        assert isinstance(source, str)
        return source

    def __getattribute__(self, name: str) -> Any:
        # The methods of `str` read the string itself, which is not the text: each is asked of the text instead.
        if name[0] != "_":
            return getattr(str(self), name)
        return str.__getattribute__(self, name)

    def __repr__(self) -> str:
        return repr(str(self))

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __len__(self) -> int:
        return len(str(self))

    def __iter__(self) -> Any:
        return iter(str(self))

    def __contains__(self, part: object) -> bool:
        return part in str(self)  # type: ignore[operator]

    def __getitem__(self, i: Any) -> str:
        return str(self)[i]

    def __eq__(self, other: object) -> bool:
        return str(self) == other

    def __hash__(self) -> int:
        return hash(str(self))

    def __add__(self, other: str) -> str:
        return str(self) + other

    def __radd__(self, other: str) -> str:
        return other + str(self)

    def __reduce__(self) -> tuple:
        return str, (str(self),)


def document(function: Callable, name: str, overloads: Sequence[Any], method: bool = False) -> Callable:
    """Give a function made from declarations its docstring."""
    doc = Docstring(function.__doc__ or "")  # what reads it past its methods gets the declaration's own docstring
    doc._source = (name, overloads, method)
    function.__doc__ = doc
    return function


def _text(name: str, overloads: Sequence[Any], method: bool) -> str:
    inplace = name.endswith("_") and not name.endswith("__")
    calls = [_call(name, o, method, inplace) for o in overloads]
    lines = ["", *dict.fromkeys(calls), ""]
    said = next((d for o in overloads if (d := o.op.body.__doc__ if o.op is not None else o.call.__doc__)), None)
    if inplace:
        lines += [f"In-place version of :meth:`~Tensor.{name[:-1]}`", ""]
    if said:
        lines += [said.strip(), ""]
    elif not inplace:
        lines += [f"PyTorch's ``{'Tensor' if method else 'torch'}.{name}``.", ""]
    seen: dict[str, Param] = {}
    for o in overloads:
        for p in o.schema.params[1:] if method else o.schema.params:
            seen.setdefault(p.name, p)
    for title, wanted in (("Args:", False), ("Keyword args:", True)):
        listed = [p for p in seen.values() if p.keyword_only is wanted]
        if listed:
            lines += [title, *(f"    {p.name} ({_type(p)})" for p in listed), ""]
    return "\n".join(lines)


def _call(name: str, overload: Any, method: bool, inplace: bool) -> str:
    """`add(input, other, *, alpha=1, out=None) -> Tensor`"""
    schema: Schema = overload.schema
    parts: list[str] = []
    for p in schema.params[1:] if method else schema.params:
        if p.keyword_only and "*" not in parts:
            parts.append("*")
        shown = "*" + p.name if p.varargs and p is schema.params[schema.positional - 1] and method else p.name
        parts.append(shown if p.default is REQUIRED else f"{p.name}={p.default!r}")
    if overload.has_out and not method and not inplace:
        parts += ["out=None"] if "*" in parts else ["*", "out=None"]
    returns = overload.op.returns if overload.op is not None else ()
    result = f"({', '.join(['Tensor'] * len(returns))})" if returns else "Tensor" if overload.op is not None else ""
    return f"{name}({', '.join(parts)})" + (f" -> {result}" if result else "")


def _type(p: Param) -> str:
    text = _TYPES.get(p.type.removesuffix("?"), "object")
    return text if p.default is REQUIRED else f"{text}, optional"
