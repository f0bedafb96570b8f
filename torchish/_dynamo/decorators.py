"""What programs tell PyTorch's tracer about their functions and tensors. Functions stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from torchish.compiler import allow_in_graph, assume_constant_result, disable, is_compiling, set_stance, substitute_in_graph
from torchish.engine.expr import LOCAL


def graph_break(msg: str = "") -> None:
    """Nothing to break but where one program was asked for: an error then."""
    if LOCAL.capture is not None:
        from torchish._compile.errors import break_asked_for

        if (error := break_asked_for(msg)) is not None:
            raise error


def skip_frame(msg: str = "") -> None:
    """Nothing to skip."""


def mark_dynamic(t: Any, index: Any = None, **options: Any) -> None:
    """Nothing to mark: every shape has its own program."""


mark_static = maybe_mark_dynamic = mark_static_address = mark_unbacked = mark_dynamic


def nonstrict_trace(traceable_fn: Callable) -> Callable:
    """The function; TypeError for what cannot be called."""
    if not callable(traceable_fn):
        raise TypeError("nonstrict_trace expects a callable")
    return traceable_fn


def dont_skip_tracing(fn: Callable | None = None) -> Callable:
    """The function; a decorator when none is given."""
    return dont_skip_tracing if fn is None else fn


def disallow_in_graph(fn: Any) -> Any:
    """The function, or the list of functions."""
    return fn


forbid_in_graph = disallow_in_graph


@contextmanager
def error_on_graph_break(error_on_graph_break: bool):
    """A `with` block or a decorator that changes nothing: there are no graph breaks."""
    yield


def patch_dynamo_config(name: Any = None, value: Any = None, **options: Any) -> AbstractContextManager:
    """Other values of `torch._dynamo.config` within a `with` block or a decorated function."""
    from torchish._dynamo import config

    return config.patch(name, value, **options)


__all__ = [
    "allow_in_graph", "assume_constant_result", "disable", "disallow_in_graph", "dont_skip_tracing", "error_on_graph_break",
    "forbid_in_graph", "graph_break", "is_compiling", "mark_dynamic", "mark_static", "mark_static_address", "mark_unbacked",
    "maybe_mark_dynamic", "nonstrict_trace", "patch_dynamo_config", "set_stance", "skip_frame", "substitute_in_graph",
]  # fmt: skip
