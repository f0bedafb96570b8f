"""`torch.library.infer_schema`: the schema that a function's annotations describe."""

from __future__ import annotations

import collections.abc
import inspect
import typing
from collections.abc import Callable, Iterable
from typing import Any

import torchish
from torchish._tensor.size import device
from torchish._tensor.tensor import Tensor
from torchish.types import Number

_LISTS: tuple[Any, ...] = (typing.Sequence, typing.List, collections.abc.Sequence, list)  # noqa: UP006
# For each type: its name in schemas, whether there are lists of it, lists of optional ones, and optional lists.
_BASES: tuple[tuple[Any, str, bool, bool, bool], ...] = (
    (Tensor, "Tensor", True, True, False),
    (int, "SymInt", True, False, True),
    (float, "float", True, False, True),
    (bool, "bool", True, False, True),
    (str, "str", False, False, False),
    (Number, "Scalar", True, False, False),
    (torchish.dtype, "ScalarType", False, False, False),
    (device, "Device", False, False, False),
)
_RETURNS: dict[Any, str] = {
    Tensor: "Tensor", typing.List[Tensor]: "Tensor[]", list[Tensor]: "Tensor[]", int: "SymInt", float: "float", bool: "bool",  # noqa: UP006
    Number: "Scalar",
}  # fmt: skip


def _parameters() -> dict[Any, str]:
    found: dict[Any, str] = {}
    for base, name, lists, of_optional, optional_lists in _BASES:
        found[base] = name
        found[base | None] = f"{name}?"
        if lists:
            found.update({kind[base]: f"{name}[]" for kind in _LISTS})
        if of_optional:
            found.update({kind[base | None]: f"{name}?[]" for kind in _LISTS})
        if optional_lists:
            found.update({kind[base] | None: f"{name}[]?" for kind in _LISTS})
    return found


_PARAMETERS = _parameters()


def infer_schema(prototype_function: Callable, /, *, mutates_args: str | Iterable[str], op_name: str | None = None, tags: Any = ()) -> str:
    """The schema of a function with annotations; `mutates_args` names what it changes ("unknown": it may change all tensors).

    ValueError in PyTorch's words for annotations and default values that schemas have no words for.
    """
    signature = inspect.signature(prototype_function)
    unknown = mutates_args == "unknown"
    changed = () if unknown else tuple(mutates_args)

    def fail(what: str) -> typing.NoReturn:
        raise ValueError(f"infer_schema(func): {what} Got func with signature {signature})")

    def evaluated(annotation: Any) -> Any:
        if not isinstance(annotation, str):
            return annotation
        try:
            return eval(annotation, prototype_function.__globals__)  # what `from __future__ import annotations` leaves
        except Exception as e:
            fail(f"Unsupported type annotation {annotation}. It is not a type. ({type(e).__name__}: {e})")

    written: list[str] = []
    for i, (name, p) in enumerate(signature.parameters.items()):
        if p.kind not in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
            fail("We do not support positional-only args, varargs, or varkwargs.")
        if p.kind is p.KEYWORD_ONLY and "*" not in written:
            written.append("*")
        if p.annotation is p.empty:
            fail(f"Parameter {name} must have a type annotation.")
        annotation = evaluated(p.annotation)
        kind = _PARAMETERS.get(annotation) if isinstance(annotation, collections.abc.Hashable) else None
        if kind is None:
            why = f"Parameter {name} has unsupported type {p.annotation}. "
            if typing.get_origin(annotation) is tuple:
                why += "We do not support Tuple inputs in schema. As a workaround, please try to use List instead. "
            fail(f"{why}The valid types are: {_PARAMETERS.keys()}.")
        if isinstance(mutates_args, str) and not unknown:
            raise ValueError(
                "mutates_args must either be a sequence of the names of the arguments that are mutated or the string 'unknown'. "
            )
        is_tensor = kind.startswith("Tensor")
        if name in changed and not is_tensor:
            fail(f"Parameter {name} is in mutable_args but only Tensors or collections of Tensors can be mutated")
        if name in changed or (unknown and is_tensor):
            kind = f"Tensor(a{i}!){kind.removeprefix('Tensor')}"
        written.append(f"{kind} {name}" if p.default is p.empty else f"{kind} {name}={_default(name, p.default, fail)}")
    if missing := set(changed) - set(signature.parameters):
        fail(
            f"{missing} in mutates_args were not found in the custom op's signature. mutates_args should contain the names of all args "
            "that the custom op mutates, or just the string 'unknown' if you don't know."
        )
    return f"{op_name or ''}({', '.join(written)}) -> {_returned(evaluated(signature.return_annotation), fail)}"


def _default(name: str, value: Any, fail: Callable[[str], typing.NoReturn]) -> str:
    if value is None or isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (str, device)):
        return f'"{value}"'
    if isinstance(value, torchish.dtype):
        return str(value).removeprefix("torch.")
    fail(f"Parameter {name} has an unsupported default value type {type(value)}. Please file an issue on GitHub so we can prioritize this.")


def _returned(annotation: Any, fail: Callable[[str], typing.NoReturn]) -> str:
    if annotation is None:
        return "()"
    if annotation is inspect.Signature.empty:
        fail("No return type annotation was provided. Please add one.")
    several = typing.get_origin(annotation) is tuple
    parts = typing.get_args(annotation) if several else (annotation,)
    if any(p not in _RETURNS for p in parts):
        fail(f"Return has unsupported type {annotation}. The valid types are: {_RETURNS}.")
    text = ", ".join(_RETURNS[p] for p in parts)
    return f"({text})" if several else text
