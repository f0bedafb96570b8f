"""Copies of tensors between GPUs. Without any, these functions raise what PyTorch's build for CPUs raises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torchish
from torchish import cuda
from torchish._tensor.size import device as _device
from torchish._tensor.tensor import Tensor


def index_of(device: Any, kind: str = "non cpu") -> int | None:
    """The index of a device (None: the present one); ValueError for one that is not of this kind ("cuda", "non cpu")."""
    if isinstance(device, str):
        device = _device(device)
    if isinstance(device, _device):
        if device.type == "cpu" or kind not in ("non cpu", device.type):
            raise ValueError(f"Expected a {kind} device, but got: {device}")
        return device.index
    return device


def _needed(name: str) -> None:
    if not cuda.is_available():
        raise AttributeError(f"module 'torch._C' has no attribute '_{name}'")


def _placed(tensor: Tensor, index: int | None) -> Tensor:
    return tensor.to(_device("cuda", index or 0))


def broadcast(tensor: Tensor, devices: Sequence | None = None, *, out: Sequence[Tensor] | None = None) -> tuple[Tensor, ...]:
    """`tensor` on each of `devices`, or copied to each tensor of `out`."""
    if not ((devices is None) ^ (out is None)):
        raise RuntimeError(f"Exactly one of 'devices' and 'out' must be specified, but got devices={devices} and out={out}")
    if devices is not None:
        indices = [index_of(d) for d in devices]
        _needed("broadcast")
        return tuple(_placed(tensor, i) for i in indices)
    _needed("broadcast_out")
    return tuple(t.copy_(tensor) for t in out or ())


def broadcast_coalesced(tensors: Sequence[Tensor], devices: Sequence, buffer_size: int = 10485760) -> list[list[Tensor]]:
    """All `tensors` on each of `devices`."""
    indices = [index_of(d) for d in devices]
    _needed("broadcast_coalesced")
    return [[_placed(t, i) for t in tensors] for i in indices]


def reduce_add(inputs: Sequence[Tensor], destination: Any = None) -> Tensor:
    """The sum of tensors of one shape on different GPUs, on `destination` (the present one)."""
    index = index_of(destination)
    for i, t in enumerate(inputs):
        if t.device.type == "cpu":
            raise AssertionError(f"reduce_add expects all inputs to be on GPUs, but input {i} is on CPU")
        if t.size() != inputs[0].size():
            got, expected = "x".join(map(str, t.size())), "x".join(map(str, inputs[0].size()))
            raise ValueError(f"input {i} has invalid size: got {got}, but expected {expected}")
    total = _placed(inputs[0], index)
    for t in inputs[1:]:
        total = total + _placed(t, index)
    return total


def reduce_add_coalesced(inputs: Sequence[Sequence[Tensor]], destination: Any = None, buffer_size: int = 10485760) -> tuple[Tensor, ...]:
    """The sums of the tensors that stand at the same place in each of `inputs`."""
    return tuple(reduce_add(tensors, destination) for tensors in zip(*inputs, strict=True))


def scatter(tensor: Tensor, devices: Sequence | None = None, chunk_sizes: Sequence[int] | None = None, dim: int = 0, streams: Any = None,
            *, out: Sequence[Tensor] | None = None) -> tuple[Tensor, ...]:  # fmt: skip
    """`tensor` divided along `dim` (evenly, or as `chunk_sizes` say) among `devices`, or into the tensors of `out`."""
    if out is not None:
        if devices is not None:
            raise RuntimeError(f"'devices' must not be specified when 'out' is specified, but got devices={devices}")
        if chunk_sizes is not None:
            raise RuntimeError(f"'chunk_sizes' must not be specified when 'out' is specified, but got chunk_sizes={chunk_sizes}")
        _needed("scatter_out")
        parts = tensor.split([t.size(dim) for t in out], dim)
        return tuple(t.copy_(part) for t, part in zip(out, parts, strict=True))
    indices = [index_of(d) for d in devices or ()]
    _needed("scatter")
    parts = tensor.chunk(len(indices), dim) if chunk_sizes is None else tensor.split(list(chunk_sizes), dim)
    return tuple(_placed(part, i) for part, i in zip(parts, indices, strict=False))


def gather(tensors: Sequence[Tensor], dim: int = 0, destination: Any = None, *, out: Tensor | None = None) -> Tensor:
    """`tensors` joined along `dim`, on `destination` (a GPU, or the CPU), or in `out`."""
    if out is not None:
        if destination is not None:
            raise RuntimeError(f"'destination' must not be specified when 'out' is specified, but got destination={destination}")
        _needed("gather_out")
        return out.copy_(torchish.cat([t.to(out.device) for t in tensors], dim))
    _needed("gather")
    where = _device("cuda") if destination in (None, -1) else _device(destination)
    return torchish.cat([t.to(where) for t in tensors], dim)
