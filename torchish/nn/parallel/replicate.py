"""Copies of a module, one on each of several GPUs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from torchish._tensor.tensor import Tensor
from torchish.nn.modules.module import Module
from torchish.nn.parallel import comm


def _copies(tensors: Sequence[Tensor], devices: Sequence, detach: bool) -> list[list[Tensor]]:
    if not tensors:
        return []
    if detach:
        return comm.broadcast_coalesced([t.detach() for t in tensors], devices)
    if any(t.device.type == "cpu" for t in tensors):
        raise AssertionError("Broadcast function not implemented for CPU tensors")
    return comm.broadcast_coalesced(tensors, devices)


def replicate(network: Module, devices: Sequence, detach: bool = False) -> list:
    """`network` on each of `devices`; gradients of the copies' parameters reach its own, unless `detach`."""
    if not devices:
        return []
    indices = [comm.index_of(d) for d in devices]
    params, buffers = list(network.parameters()), list(network.buffers())
    tracked = [b for b in buffers if b.requires_grad and not detach]
    fixed = [b for b in buffers if not (b.requires_grad and not detach)]
    groups = ((params, detach), (tracked, detach), (fixed, True))
    by_device: list[dict[int, Tensor]] = [{} for _ in indices]
    for tensors, apart in groups:
        for known, copies in zip(by_device, _copies(tensors, indices, apart), strict=False):
            known.update(zip(map(id, tensors), copies, strict=True))
    return [_replica(network, known, {}) for known in by_device]


def _replica(module: Module, copies: dict[int, Tensor], made: dict[int, Any]) -> Any:
    """`module` with `copies` (by the identity of the tensors) as plain attributes: they are no leaves, so no parameters."""
    replica = made.get(id(module))
    if replica is not None:
        return replica
    replica = made[id(module)] = module._replicate_for_data_parallel()
    replica._former_parameters = OrderedDict()
    for key, child in module._modules.items():
        replica._modules[key] = None if child is None else _replica(child, copies, made)
    for key, param in module._parameters.items():
        if param is None:
            replica._parameters[key] = None
        else:
            setattr(replica, key, copies[id(param)])
            replica._former_parameters[key] = copies[id(param)]
    for key, buffer in module._buffers.items():
        replica._buffers[key] = None if buffer is None else copies[id(buffer)]
    return replica
