"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

import torchish as torch
from torchish._tensor.tensor import Tensor
from torchish.nn.modules.module import _typename


def _check_one_device(parameters: list[Tensor]) -> None:
    if len({p.device for p in parameters}) > 1:
        raise TypeError("Found two parameters on different devices, this is currently not supported.")


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters flattened, one after another."""
    parameters = list(parameters)
    _check_one_device(parameters)
    return torch.cat([p.view(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give the parameters the values (and memory) of consecutive parts of a vector."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {_typename(vec)}")
    parameters = list(parameters)
    _check_one_device(parameters)
    start = 0
    for p in parameters:
        n = p.numel()
        p.data = vec[start : start + n].view_as(p).data
        start += n
