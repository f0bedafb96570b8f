"""Calls of several modules, each on its own device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torchish import accelerator
from torchish._tensor.tensor import Tensor
from torchish.nn.modules.module import Module
from torchish.nn.parallel.comm import index_of


def get_a_var(obj: Any) -> Tensor | None:
    """The first tensor in nested containers."""
    if isinstance(obj, Tensor):
        return obj
    if isinstance(obj, (list, tuple, dict)):
        for x in obj.items() if isinstance(obj, dict) else obj:
            found = get_a_var(x)
            if found is not None:
                return found
    return None


def parallel_apply(modules: Sequence[Module], inputs: Sequence, kwargs_tup: Sequence[dict] | None = None,
                   devices: Sequence | None = None) -> list:  # fmt: skip
    """What each of `modules` gives for its input; RuntimeError without an accelerator. JAX's devices work at the same time anyway."""
    count = f"The number of modules {len(modules)} is not equal to the number of "
    for what, of in (("inputs", inputs), ("kwargs_tup", kwargs_tup), ("devices", devices)):
        if of is not None and len(modules) != len(of):
            raise AssertionError(f"{count}{what} {len(of)}")
    indices = [index_of(d, "cuda") for d in devices] if devices is not None else [None] * len(modules)
    for index in indices:
        accelerator.current_stream(index)
    return [
        module(*(args if isinstance(args, (list, tuple)) else (args,)), **kwargs)
        for module, args, kwargs in zip(modules, inputs, kwargs_tup or ({},) * len(modules), strict=True)
    ]
