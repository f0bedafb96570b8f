"""Tensors in messages between a loader and its workers (see `torchish.engine.channel`)."""

from __future__ import annotations

from multiprocessing.reduction import ForkingPickler

import numpy as np

from torchish._tensor import host
from torchish._tensor.creation import from_host
from torchish._tensor.size import Size, device
from torchish._tensor.tensor import Tensor
from torchish.engine.channel import CHECK_INTERVAL, REDUCERS, Channel, Closed, pair
from torchish.nn.parameter import Parameter

# By functions of this module, not by the classes themselves: those are found under PyTorch's names, which mean
# torchish only where `install` was called.


def _reduce(t: Tensor):
    if not t.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not support crossing "
            "process boundaries.  If you just want to transfer the data, call detach() on the tensor before serializing "
            "(e.g., putting it on the queue)."
        )
    value = host.host_view(t)
    return _rebuild, (t._host() if value is None else value, t._requires_grad, type(t) is Parameter)


def _rebuild(array: np.ndarray, requires_grad: bool, is_parameter: bool) -> Tensor:
    t = from_host(array)
    if is_parameter:
        return Parameter(t, requires_grad)
    return t.requires_grad_() if requires_grad else t


def _size(*shape: int) -> Size:
    return Size(shape)


def _device(name: str) -> device:
    return device(name)


REDUCERS[Tensor] = REDUCERS[Parameter] = _reduce
REDUCERS[Size] = lambda s: (_size, tuple(s))
REDUCERS[device] = lambda d: (_device, (str(d),))
for _type in (Tensor, Parameter, Size, device):
    ForkingPickler.register(_type, REDUCERS[_type])

__all__ = ["CHECK_INTERVAL", "Channel", "Closed", "pair"]
