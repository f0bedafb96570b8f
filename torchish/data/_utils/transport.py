"""Tensors in messages between a loader and its workers (see `torchish.engine.channel`)."""

from __future__ import annotations

import numpy as np

from torchish._tensor.creation import from_host
from torchish._tensor.tensor import Tensor
from torchish.data._utils import host
from torchish.engine.channel import CHECK_INTERVAL, REDUCERS, Channel, Closed, pair


def _reduce(t: Tensor):
    if t._needs():
        return t.__reduce_ex__(5)  # keeps a leaf's requires_grad; refuses others, in PyTorch's words
    value = host.host_view(t)
    return _rebuild, (t._host() if value is None else value,)


def _rebuild(array: np.ndarray) -> Tensor:
    return from_host(array)


REDUCERS[Tensor] = _reduce

__all__ = ["CHECK_INTERVAL", "Channel", "Closed", "pair"]
