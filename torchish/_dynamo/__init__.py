"""The names of PyTorch's tracer that programs touch; `torchish.compiler` has them all."""

from __future__ import annotations

from types import SimpleNamespace

from torchish._dynamo import eval_frame, exc
from torchish.compiler import (
    OptimizedModule,
    allow_in_graph,
    assume_constant_result,
    disable,
    is_compiling,
    list_backends,
    reset,
    substitute_in_graph,
)

# Options that are set and read, and change nothing.
config = SimpleNamespace(
    suppress_errors=False, cache_size_limit=8, recompile_limit=8, accumulated_recompile_limit=256, capture_scalar_outputs=False,
    capture_dynamic_output_shape_ops=False, verbose=False, dynamic_shapes=True, assume_static_by_default=True,
    automatic_dynamic_shapes=True, optimize_ddp=True, inline_inbuilt_nn_modules=True, disable=False,
)  # fmt: skip


def graph_break(msg: str = "") -> None:
    """Nothing to break: nothing is traced."""


def mark_dynamic(t, index, **options) -> None:
    """Nothing to mark: every shape has its own program."""


mark_static = maybe_mark_dynamic = mark_static_address = mark_dynamic

__all__ = [
    "OptimizedModule", "allow_in_graph", "assume_constant_result", "config", "disable", "eval_frame", "exc", "graph_break", "is_compiling",
    "list_backends", "mark_dynamic", "mark_static", "mark_static_address", "maybe_mark_dynamic", "reset", "substitute_in_graph",
]  # fmt: skip
