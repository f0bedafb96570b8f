"""Collectives that give new tensors and have gradients, for a group of one: each is the identity, and so is its gradient."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, cast

from torchish import distributed as dist
from torchish._tensor.layout import MEMORY_FORMATS
from torchish._tensor.tensor import Tensor
from torchish.autograd.function import Function
from torchish.distributed import ReduceOp, group


class _Collective(Function):
    """What `run` gives of the tensors of the group's member; their gradients come back as they are."""

    @staticmethod
    def forward(ctx: Any, run: Callable, *tensors: Tensor) -> Any:
        return run(*tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return None, *grads


# PyTorch has a class for each, whose name is the result's `grad_fn`.
_Broadcast, _Gather, _Scatter, _Reduce, _Reduce_Scatter, _AllGather, _AlltoAll, _AlltoAllSingle, _AllReduce = (
    cast(type[Function], type(name, (_Collective,), {"__module__": __name__}))
    for name in "_Broadcast _Gather _Scatter _Reduce _Reduce_Scatter _AllGather _AlltoAll _AlltoAllSingle _AllReduce".split()
)


def _deprecated(name: str, instead: str) -> None:
    warnings.warn(
        f"torch.distributed.nn.functional.{name} is deprecated, use torch.distributed._functional_collectives.{instead} instead.",
        FutureWarning,
        stacklevel=3,
    )


def broadcast(tensor: Tensor, src: int, group: Any = group.WORLD) -> Tensor:
    """A copy of the tensor of rank `src`; deprecated."""
    _deprecated("broadcast", "broadcast")

    def run(tensor: Tensor) -> Tensor:
        copy = tensor.clone()  # type: ignore[operator]
        dist.broadcast(copy, src, group=group)
        return copy

    return _Broadcast.apply(run, tensor)


def gather(tensor: Tensor, dst: int = 0, group: Any = group.WORLD) -> tuple[Tensor, ...]:
    """The members' tensors on rank `dst`."""

    def run(tensor: Tensor) -> tuple[Tensor, ...]:
        gathered = [tensor.clone()]  # type: ignore[operator]
        dist.gather(tensor, gathered, dst, group=group)
        return tuple(gathered)

    return _Gather.apply(run, tensor)


def scatter(tensors: Sequence[Tensor], src: int = 0, group: Any = group.WORLD) -> Tensor:
    """The member's tensor of the list that rank `src` has."""

    def run(*tensors: Tensor) -> Tensor:
        received = tensors[0].clone()  # type: ignore[operator]
        dist.scatter(received, list(tensors), src, group=group)
        return received

    return _Scatter.apply(run, *tensors)


def reduce(tensor: Tensor, dst: int, op: ReduceOp = ReduceOp.SUM, group: Any = group.WORLD) -> Tensor:
    """The members' tensors combined on rank `dst`."""

    def run(tensor: Tensor) -> Tensor:
        copy = tensor.clone()  # type: ignore[operator]
        dist.reduce(copy, dst, op=op, group=group)
        return copy

    return _Reduce.apply(run, tensor)


def reduce_scatter(output: Tensor, input_list: Sequence[Tensor], op: ReduceOp = ReduceOp.SUM, group: Any = group.WORLD) -> Tensor:
    """Combine the members' lists and write the member's tensor of the result into `output`; deprecated."""
    _deprecated("reduce_scatter", "reduce_scatter_single")

    def run(*tensors: Tensor) -> Tensor:
        dist.reduce_scatter(output, list(tensors), op=op, group=group)
        return output

    return _Reduce_Scatter.apply(run, *input_list)


def all_gather(tensor: Tensor, group: Any = group.WORLD) -> tuple[Tensor, ...]:
    """The members' tensors on every rank; deprecated."""
    _deprecated("all_gather", "all_gather_single")

    def run(tensor: Tensor) -> tuple[Tensor, ...]:
        gathered = [tensor.clone(memory_format=MEMORY_FORMATS["contiguous_format"])]  # type: ignore[operator]
        dist.all_gather(gathered, tensor, group=group)
        return tuple(gathered)

    return _AllGather.apply(run, tensor)


def all_to_all(output_tensor_list: list[Tensor], input_tensor_list: Sequence[Tensor], group: Any = group.WORLD) -> tuple[Tensor, ...]:
    """Write what the members have for this one into a list of tensors."""

    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        dist.all_to_all(output_tensor_list, list(tensors), group=group)
        return tuple(output_tensor_list)

    return _AlltoAll.apply(run, *input_tensor_list)


def all_to_all_single(
    output: Tensor, input: Tensor, output_split_sizes: Any = None, input_split_sizes: Any = None, group: Any = group.WORLD
) -> Tensor:
    """Write the parts that the members have for this one into `output`; deprecated."""
    _deprecated("all_to_all_single", "all_to_all_single")

    def run(tensor: Tensor) -> Tensor:
        dist.all_to_all_single(output, tensor, output_split_sizes, input_split_sizes, group=group)
        return output

    return _AlltoAllSingle.apply(run, input)


def all_reduce(tensor: Tensor, op: ReduceOp = ReduceOp.SUM, group: Any = group.WORLD) -> Tensor:
    """The members' tensors combined on every rank; deprecated."""
    _deprecated("all_reduce", "all_reduce")

    def run(tensor: Tensor) -> Tensor:
        copy = tensor.clone(memory_format=MEMORY_FORMATS["contiguous_format"])  # type: ignore[operator]
        dist.all_reduce(copy, op=op, group=group)
        return copy

    return _AllReduce.apply(run, tensor)


__all__ = ["all_gather", "all_reduce", "all_to_all", "all_to_all_single", "broadcast", "gather", "reduce", "reduce_scatter", "scatter"]
