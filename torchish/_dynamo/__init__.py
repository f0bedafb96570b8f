"""The names of PyTorch's tracer that programs touch; `torchish.compiler` has them all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from torchish._dynamo import decorators, eval_frame, exc
from torchish._dynamo.decorators import (
    disallow_in_graph,
    dont_skip_tracing,
    error_on_graph_break,
    forbid_in_graph,
    graph_break,
    mark_dynamic,
    mark_static,
    mark_static_address,
    maybe_mark_dynamic,
    nonstrict_trace,
    patch_dynamo_config,
    skip_frame,
)
from torchish._runner import missing_attribute
from torchish.compiler import (
    OptimizedModule,
    allow_in_graph,
    assume_constant_result,
    disable,
    is_compiling,
    list_backends,
    reset,
    set_stance,
    substitute_in_graph,
)


class _Config(SimpleNamespace):
    """Options that are set and read, most of which change nothing."""

    @contextmanager
    def patch(self, name: Any = None, value: Any = None, **options: Any) -> Iterator[None]:
        """Other values within a `with` block or a decorated function."""
        changes = {name: value} if isinstance(name, str) else {**(name or {}), **options}
        before = {k: getattr(self, k) for k in changes}
        self.__dict__.update(changes)
        try:
            yield
        finally:
            self.__dict__.update(before)


config = _Config(
    suppress_errors=False, cache_size_limit=8, recompile_limit=8, accumulated_recompile_limit=256, accumulated_cache_size_limit=256,
    capture_scalar_outputs=False, capture_dynamic_output_shape_ops=False, verbose=False, dynamic_shapes=True,
    assume_static_by_default=True, automatic_dynamic_shapes=True, optimize_ddp=True, inline_inbuilt_nn_modules=True, disable=False,
    error_on_recompile=False, fail_on_recompile_limit_hit=False, specialize_int=False, specialize_float=False,
    force_parameter_static_shapes=True, guard_nn_modules=True, raise_on_ctx_manager_usage=True, reorderable_logging_functions=set(),
    ignore_logging_functions=set(), nested_graph_breaks=False, allow_ignore_mark_dynamic=False, log_file_name=None, repro_after=None,
    replay_record_enabled=False,
)  # fmt: skip


def __getattr__(name: str):
    raise missing_attribute(__name__, name)


__all__ = [
    "OptimizedModule", "allow_in_graph", "assume_constant_result", "config", "decorators", "disable", "disallow_in_graph",
    "dont_skip_tracing", "error_on_graph_break", "eval_frame", "exc", "forbid_in_graph", "graph_break", "is_compiling", "list_backends",
    "mark_dynamic", "mark_static", "mark_static_address", "maybe_mark_dynamic", "nonstrict_trace", "patch_dynamo_config", "reset",
    "set_stance", "skip_frame", "substitute_in_graph",
]  # fmt: skip
