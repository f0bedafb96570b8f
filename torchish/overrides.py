"""`torch.overrides`: objects that say themselves what PyTorch's functions do with them (`__torch_function__`)."""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

from torchish._tensor import subclasses
from torchish._tensor.tensor import Tensor


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether a mode, or any of the objects, answers calls with its own `__torch_function__`."""
    args = tuple(relevant_args)
    return bool(args) and (bool(subclasses.STATE.modes) or (not subclasses.STATE.disabled and bool(subclasses.overloaded(args))))


def has_torch_function_unary(x: Any) -> bool:
    """`has_torch_function` of one object."""
    return has_torch_function((x,))


def has_torch_function_variadic(*args: Any) -> bool:
    """`has_torch_function` of its arguments."""
    return has_torch_function(args)


def handle_torch_function(public_api: Callable, relevant_args: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
    """What the first of `relevant_args` to answer makes of the call; TypeError when none does."""
    candidates = subclasses.overloaded(tuple(relevant_args))
    types = tuple(map(type, candidates))
    result = subclasses.answer_of_mode(public_api, types, args, kwargs)
    if result is not NotImplemented:
        return result
    for x in candidates:
        result = x.__torch_function__(public_api, types, args, kwargs)
        if result is not NotImplemented:
            return result
    name = f"{public_api.__module__}.{public_api.__name__}"
    raise TypeError(f"no implementation found for '{name}' on types that implement __torch_function__: {list(types)}")


def wrap_torch_function(dispatcher: Callable) -> Callable:
    """A decorator that lets the objects that `dispatcher` picks from the arguments answer a function's calls."""

    def decorate(f: Callable) -> Callable:
        @functools.wraps(f)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return f(*args, **kwargs)

        return wrapped

    return decorate


def is_tensor_like(inp: Any) -> bool:
    """Whether an object is a tensor or has `__torch_function__`."""
    return isinstance(inp, Tensor) or hasattr(inp, "__torch_function__")


def is_tensor_method_or_property(func: Callable) -> bool:
    """Whether a function is one of Tensor's methods."""
    name = getattr(func, "__name__", "")
    return vars(Tensor).get(name) is func or name == "__get__"


class TorchFunctionMode:
    """A block in which every call of PyTorch's functions, of Tensor's methods and properties too, is answered by `__torch_function__`.

    That is called with the function, the classes among the arguments that answer calls themselves, the arguments, and the keyword
    arguments (None where there are none). Blocks nest: the inner one answers first, and what it calls goes to the outer one. From the
    first block on, a program's calls take somewhat longer.
    """

    def __torch_function__(self, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None) -> Any:
        raise NotImplementedError

    def __enter__(self) -> Self:
        subclasses.open_modes()
        subclasses.STATE.entered.append(self)
        return self

    def __exit__(self, *exc: Any) -> None:
        subclasses.STATE.entered.pop()


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that calls each function as it is."""

    def __torch_function__(self, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None) -> Any:
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def enable_reentrant_dispatch() -> Iterator[None]:
    """A block in a `__torch_function__` in which calls are answered again."""
    disabled, subclasses.STATE.disabled = subclasses.STATE.disabled, False
    try:
        yield
    finally:
        subclasses.STATE.disabled = disabled


def get_overridable_functions() -> dict[Any, list[Callable]]:
    """The functions that `__torch_function__` is asked about, by the module or class that holds them."""
    return {
        holder: [f.__get__ if isinstance(f, property) else getattr(holder, name) for name, f in functions]
        for _, holder, functions in _held()
    }


def _held() -> Iterator[tuple[str, Any, list[tuple[str, Any]]]]:
    """The namespaces of what can be overridden: their names, the modules or classes, and what of theirs it is."""
    for space, functions in subclasses.overridable().items():
        yield space, functools.reduce(getattr, space.split(".")[1:], importlib.import_module("torchish")), functions


@functools.cache
def _names(opened: int) -> dict[Any, str]:
    known: dict[Any, str] = {}
    for space, holder, functions in _held():
        for name, own in functions:
            if isinstance(own, property):
                known[own.__get__], known[own.__set__] = f"{space}.{name}.__get__", f"{space}.{name}.__set__"
            else:
                known[getattr(holder, name)] = f"{space}.{name}"
    return known


def resolve_name(f: Any) -> str | None:
    """The name under which programs find a function that `__torch_function__` is asked about; None for other functions."""
    return _names(subclasses.open_modes.cache_info().currsize).get(f)


__all__ = [
    "enable_reentrant_dispatch", "get_overridable_functions", "handle_torch_function", "has_torch_function", "is_tensor_like",
    "is_tensor_method_or_property", "resolve_name", "wrap_torch_function",
]  # fmt: skip
