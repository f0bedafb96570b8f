"""Schemas of operators: what they are called with and what they give, as text, as objects, and as checks of calls."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

import torchish
from torchish._tensor.size import device
from torchish._tensor.tensor import Tensor

REQUIRED = object()
_UNABLE = (
    "Unable to cast Python instance of type {} to C++ type '?' (#define PYBIND11_DETAILED_ERROR_MESSAGES or compile in debug mode for "
    "details)"
)


class _Uncastable(Exception):
    """A value of another type; the text is PyTorch's detail line."""


def _tensor(x: Any) -> Tensor:
    if not isinstance(x, Tensor):
        raise _Uncastable(f"Cast error details: Unable to cast {x!s} to Tensor")
    return x


def _unable(x: Any) -> _Uncastable:
    return _Uncastable(f"Cast error details: {_UNABLE.format(type(x))}")


def _number(kind: type) -> Callable[[Any], Any]:
    """Numbers and tensors of one element as a `kind`; no float is an int."""
    refused = (str, bytes, list, tuple, dict) + ((float, np.floating) if kind is int else ())

    def convert(x: Any) -> Any:
        if isinstance(x, refused) or not (isinstance(x, (bool, int, float, np.generic)) or (isinstance(x, Tensor) and x.numel() == 1)):
            raise _unable(x)
        return kind(x)

    return convert


def _scalar(x: Any) -> Any:
    if not isinstance(x, (bool, int, float, complex, np.generic)):
        raise _Uncastable(f"Cast error details: Cannot cast {x!s} to number")
    return x.item() if isinstance(x, np.generic) else x


def _text(x: Any) -> str:
    if not isinstance(x, str):
        raise _unable(x)
    return x


def _dtype(x: Any) -> Any:
    if not isinstance(x, torchish.dtype):
        raise _unable(x)
    return x


def _device(x: Any) -> device:
    if not isinstance(x, (str, device)):
        raise _unable(x)
    return device(x)


# By the name in a schema: the name in errors, and the conversion.
_BASES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "Tensor": ("Tensor", _tensor), "int": ("int", _number(int)), "SymInt": ("int", _number(int)), "float": ("float", _number(float)),
    "bool": ("bool", _number(bool)), "str": ("str", _text), "Scalar": ("number", _scalar), "ScalarType": ("int", _dtype),
    "Device": ("Device", _device),
}  # fmt: skip


@dataclass(frozen=True)
class Type:
    """`base` with what is written behind it: "?" (may be None), "[]" (a list), "[2]" (a list, or one for all two)."""

    base: str
    suffixes: tuple[str, ...] = ()

    def __str__(self) -> str:
        name = _BASES[self.base][0]
        for s in self.suffixes:
            name = f"Optional[{name}]" if s == "?" else f"List[{name}]"
        return name

    @property
    def is_list(self) -> bool:
        return any(s != "?" for s in self.suffixes)

    @property
    def is_tensor(self) -> bool:
        return self.base == "Tensor"

    def convert(self, x: Any) -> Any:
        """The value as kernels get it. _Uncastable for what is of another type."""
        if not self.suffixes:
            # PyTorch takes None for an undefined tensor
            return None if x is None and self.is_tensor else _BASES[self.base][1](x)
        last, inner = self.suffixes[-1], Type(self.base, self.suffixes[:-1])
        if last == "?":
            return None if x is None else inner.convert(x)
        if last != "[]" and not isinstance(x, (list, tuple)):
            return [inner.convert(x)] * int(last[1:-1])
        if isinstance(x, Tensor):
            raise _unable(x)
        if not isinstance(x, Iterable):
            raise _Uncastable(f" Python error details: TypeError: '{type(x).__name__}' object is not iterable")
        if isinstance(x, str):
            raise _unable(x)
        if self.is_tensor and not all(isinstance(v, Tensor) or (v is None and "?" in inner.suffixes) for v in x):
            raise _unable(x)
        return [inner.convert(v) for v in x]


@dataclass(frozen=True)
class Argument:
    """One argument, or (without a name) one result."""

    name: str
    type: Type
    alias: str = ""  # "a!" for what is changed
    default_value: Any = REQUIRED
    kwarg_only: bool = False

    @property
    def is_write(self) -> bool:
        """Whether the operator changes it."""
        return self.alias.endswith("!")

    def has_default_value(self) -> bool:
        """Whether calls may leave it out."""
        return self.default_value is not REQUIRED

    def __str__(self) -> str:
        text = self.type.base + (f"({self.alias})" if self.alias else "") + "".join(self.type.suffixes)
        if self.name:
            text += f" {self.name}"
        return text if self.default_value is REQUIRED else f"{text}={_shown(self.default_value, self.type.base)}"


def _shown(value: Any, base: str) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_shown(v, base) for v in value)}]"
    if isinstance(value, (str, device)):
        return f'"{value}"'
    if isinstance(value, float) or (base == "float" and type(value) is int):
        text = f"{value:.17g}"
        return text if set(text) & set(".en") else text + "."
    return str(value).removeprefix("torch.")


@dataclass(frozen=True)
class FunctionSchema:
    """`name.overload_name(arguments) -> returns`."""

    name: str
    overload_name: str
    arguments: tuple[Argument, ...]
    returns: tuple[Argument, ...]

    def __str__(self) -> str:
        shown = [str(a) for a in self.arguments]
        at = next((i for i, a in enumerate(self.arguments) if a.kwarg_only), None)
        if at is not None:
            shown.insert(at, "*")
        results = ", ".join(str(r) for r in self.returns)
        results = results if len(self.returns) == 1 and not self.returns[0].name else f"({results})"
        return f"{self.name}{'.' * bool(self.overload_name)}{self.overload_name}({', '.join(shown)}) -> {results}"

    __repr__ = __str__

    @property
    def is_mutable(self) -> bool:
        """Whether it changes one of its arguments."""
        return any(a.is_write for a in self.arguments)

    @property
    def has_lists(self) -> bool:
        """Whether lists of tensors go in or out."""
        return any(a.type.is_tensor and a.type.is_list for a in (*self.arguments, *self.returns))

    def bind(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """All arguments as kernels get them: by position, and those that are keyword only.

        RuntimeError in PyTorch's words for a call that does not fit.
        """
        space, declaration = f"{self.name}()", f"Declaration: {self}"
        total, given = len(self.arguments), len(args) + len(kwargs)
        by_position = sum(not a.kwarg_only for a in self.arguments)
        if given > total:
            raise RuntimeError(f"{space} expected at most {total} argument(s) but received {given} argument(s). {declaration}")
        if len(args) > by_position:
            raise RuntimeError(f"{space} takes {by_position} positional argument(s) but {len(args)} was/were given.  {declaration}")
        values: list = []
        named: dict = {}
        used = 0
        for i, a in enumerate(self.arguments):
            if i < len(args):
                value = args[i]
            elif a.name in kwargs:
                value = kwargs[a.name]
                used += 1
            elif a.default_value is not REQUIRED:
                value = a.default_value
            else:
                raise RuntimeError(f"{space} is missing value for argument '{a.name}'. {declaration}")
            try:
                value = a.type.convert(value)
            except _Uncastable as e:
                raise RuntimeError(
                    f"{space} Expected a value of type '{a.type}' for argument '{a.name}' but instead found type "
                    f"'{type(value).__name__}'.\nPosition: {i}\nValue: {value!r}\n{declaration}\n{e}"
                ) from None
            if a.kwarg_only:
                named[a.name] = value
            else:
                values.append(value)
        if used < len(kwargs):
            wrong = next(k for k in kwargs if all(k != a.name for a in self.arguments[len(args) :]))
            raise RuntimeError(f"Unknown keyword argument '{wrong}' for operator '{self.name}'. Schema: {self}")
        return tuple(values), named


_NAME = re.compile(r"\s*([\w:.]*)\s*\(")
_TYPE = re.compile(r"\s*(\w+)(?:\(([\w!|]+)\))?((?:\?|\[\d*\])*)\s*")
_IDENTIFIER = re.compile(r"\s*(\w+)\s*")
_VALUE = re.compile(r"""\s*(\[[^\]]*\]|"[^"]*"|'[^']*'|[^,)\s]+)\s*""")


class _Reader:
    def __init__(self, text: str):
        self.text, self.at = text, 0

    def take(self, pattern: re.Pattern) -> re.Match | None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def skip(self, token: str) -> bool:
        rest = self.text[self.at :].lstrip()
        if not rest.startswith(token):
            return False
        self.at = len(self.text) - len(rest) + len(token)
        return True

    def error(self, what: str) -> RuntimeError:
        return RuntimeError(f"{what} here:\n{self.text}\n{' ' * self.at}~ <--- HERE\n")

    def type(self) -> tuple[Type, str]:
        start, found = self.at, self.take(_TYPE)
        if not found or found[1] not in _BASES:
            self.at = start
            raise self.error("unknown type specifier. Common valid schema types include Tensor, SymInt, int, float, bool, Scalar")
        return Type(found[1], tuple(re.findall(r"\?|\[\d*\]", found[3]))), found[2] or ""

    def value(self, kind: Type) -> Any:
        found = self.take(_VALUE)
        if not found:
            raise self.error("expected a default value")
        return _literal(found[1], kind)

    def argument(self, kwarg_only: bool) -> Argument:
        kind, alias = self.type()
        name = self.take(_IDENTIFIER)
        if not name:
            raise self.error("expected the name of an argument")
        return Argument(name[1], kind, alias, self.value(kind) if self.skip("=") else REQUIRED, kwarg_only)

    def result(self) -> Argument:
        kind, alias = self.type()
        name = self.take(_IDENTIFIER)
        return Argument(name[1] if name else "", kind, alias)


def _literal(text: str, kind: Type) -> Any:
    if text.startswith("["):
        return [_literal(v.strip(), kind) for v in text[1:-1].split(",") if v.strip()]
    if text == "None":
        return None
    if text[0] in "\"'":
        return text[1:-1]
    if kind.base == "ScalarType":
        return getattr(torchish, text)
    if text in ("True", "False"):
        return text == "True"
    return float(text) if kind.base == "float" or not text.lstrip("+-").isdigit() else int(text)


def parse(text: str) -> FunctionSchema:
    """The schema that `name.overload(Type name=default, *, ...) -> Type` describes. RuntimeError for anything else."""
    reader = _Reader(text)
    head = reader.take(_NAME)
    if not head:
        raise reader.error("expected the name of an operator and '('")
    name, _, overload = head[1].partition(".")
    arguments: list[Argument] = []
    kwarg_only = False
    while not reader.skip(")"):
        if reader.skip("*"):
            kwarg_only = True
        else:
            arguments.append(reader.argument(kwarg_only))
        if not reader.skip(",") and not reader.text[reader.at :].lstrip().startswith(")"):
            raise reader.error("expected ',' or ')'")
    if not reader.skip("->"):
        raise reader.error("expected '->'")
    returns: list[Argument] = []
    if reader.skip("("):
        while not reader.skip(")"):
            returns.append(reader.result())
            reader.skip(",")
    else:
        returns.append(reader.result())
    if reader.text[reader.at :].strip():
        raise reader.error("expected the end of the schema")
    return FunctionSchema(name, overload, tuple(arguments), tuple(returns))
