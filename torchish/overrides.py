"""`torch.overrides`: objects that say themselves what PyTorch's functions do with them (`__torch_function__`)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from torchish._tensor import subclasses
from torchish._tensor.tensor import Tensor


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether any of the objects is of a class that answers calls with its own `__torch_function__`."""
    return not subclasses.STATE.disabled and bool(subclasses.overloaded(tuple(relevant_args)))


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
