"""Dividing the arguments of a module among GPUs, and joining its results."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torchish
from torchish._tensor.tensor import Tensor
from torchish.nn.parallel import comm


def _is_namedtuple(x: Any) -> bool:
    return isinstance(x, tuple) and hasattr(x, "_asdict") and hasattr(x, "_fields")


def scatter(inputs: Any, target_gpus: Sequence, dim: int = 0) -> Any:
    """`inputs` once for each GPU: tensors divided along `dim`, containers of them likewise, everything else as it is."""
    if isinstance(inputs, Tensor):
        return comm.scatter(inputs, target_gpus, None, dim)
    if _is_namedtuple(inputs):
        return [type(inputs)(*args) for args in zip(*(scatter(x, target_gpus, dim) for x in inputs), strict=False)]
    if isinstance(inputs, (tuple, list, dict)) and len(inputs) > 0:
        items = inputs.items() if isinstance(inputs, dict) else inputs
        parts = zip(*(scatter(x, target_gpus, dim) for x in items), strict=False)
        return list(parts) if isinstance(inputs, tuple) else [(type(inputs) if isinstance(inputs, dict) else list)(p) for p in parts]
    return [inputs for _ in target_gpus]


def scatter_kwargs(inputs: tuple, kwargs: dict | None, target_gpus: Sequence, dim: int = 0) -> tuple[tuple, tuple]:
    """Positional and named arguments for each GPU, as many of one kind as of the other."""
    args = list(scatter(inputs, target_gpus, dim)) if inputs else []
    named = list(scatter(kwargs, target_gpus, dim)) if kwargs else []
    args.extend(() for _ in range(len(named) - len(args)))
    named.extend({} for _ in range(len(args) - len(named)))
    return tuple(args), tuple(named)


def gather(outputs: Any, target_device: Any, dim: int = 0) -> Any:
    """The results of several GPUs as one: tensors joined along `dim` (0-d ones to a vector), containers of them likewise."""
    first = outputs[0]
    if isinstance(first, Tensor):
        return _joined(outputs, target_device, dim)
    if first is None:
        return None
    if isinstance(first, dict):
        if not all(len(first) == len(d) for d in outputs):
            raise ValueError("All dicts must have the same number of keys")
        return type(first)((k, gather([d[k] for d in outputs], target_device, dim)) for k in first)
    parts = (gather(x, target_device, dim) for x in zip(*outputs, strict=True))
    return type(first)._make(parts) if _is_namedtuple(first) else type(first)(parts)


def _joined(tensors: Sequence[Tensor], target_device: Any, dim: int) -> Tensor:
    if any(t.device.type == "cpu" for t in tensors):
        raise AssertionError("Gather function not implemented for CPU tensors")
    if all(t.dim() == 0 for t in tensors) and dim == 0:
        tensors = [t.view(1) for t in tensors]
        warnings.warn(
            "Was asked to gather along dimension 0, but all input tensors were scalars; will instead unsqueeze and return a vector.",
            stacklevel=2,
        )
    return comm.gather(tensors, dim, "cpu" if target_device == "cpu" else torchish.device("cuda", comm.index_of(target_device) or 0))
