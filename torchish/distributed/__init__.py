"""`torch.distributed` for scripts that run as one process: rank 0 of 1.

JAX drives all devices from one process: `nn.parallel.DistributedDataParallel` divides the batch among them. So a group has one member,
collectives give back what they are given, and a group of several processes is refused.
"""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Sequence
from datetime import timedelta
from enum import Enum
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from torchish._runner import missing_attribute
from torchish._tensor.tensor import Tensor

default_pg_timeout = timedelta(minutes=30)

_NO_GROUP = "Default process group has not been initialized, please make sure to call init_process_group."


class ReduceOp(Enum):
    """How a collective combines the members' tensors."""

    SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR, PREMUL_SUM = range(9)

    def __str__(self) -> str:
        return f"RedOpType.{self.name}"

    def __repr__(self) -> str:
        return f"<RedOpType.{self.name}: {self.value}>"


class Work:
    """A collective that was started with `async_op=True`; it is done already."""

    def wait(self, timeout: Any = None) -> bool:
        return True

    def is_completed(self) -> bool:
        return True

    def is_success(self) -> bool:
        return True


class ProcessGroup:
    """A group with one member, this process."""

    def __init__(self, backend: str):
        self._backend = backend

    def rank(self) -> int:
        return 0

    def size(self) -> int:
        return 1

    def name(self) -> str:
        return self._backend


class Backend(str):
    """The name of a way to communicate, in lower case."""

    GLOO, NCCL, MPI, UCC, XCCL, UNDEFINED = "gloo", "nccl", "mpi", "ucc", "xccl", "undefined"

    def __new__(cls, name: str) -> Backend:
        if not isinstance(name, str):
            raise ValueError(f"Backend constructor parameter must be string-ish, got: {name}")
        return super().__new__(cls, name.lower())


class _GroupMeta(type):
    @property
    def WORLD(cls) -> ProcessGroup | None:
        return _State.group


class group(metaclass=_GroupMeta):
    """`group.WORLD` is the default group."""


class GroupMember(metaclass=_GroupMeta):
    NON_GROUP_MEMBER = -100


class _State:
    group: ProcessGroup | None = None


# --- the group -----------------------------------------------------------------------------------------------------


def is_available() -> bool:
    """True: this module is."""
    return True


def is_initialized() -> bool:
    """Whether `init_process_group` was called."""
    return _State.group is not None


def is_gloo_available() -> bool:
    return True


def is_nccl_available() -> bool:
    """Whether JAX has GPUs, which it makes communicate by itself."""
    from torchish.engine.devices import devices_of

    return bool(devices_of("cuda"))


def is_mpi_available() -> bool:
    return False


def is_ucc_available() -> bool:
    return False


def is_xccl_available() -> bool:
    return False


def is_backend_available(backend: str) -> bool:
    """Whether `init_process_group` takes this backend."""
    return {"gloo": True, "nccl": is_nccl_available()}.get(backend.lower(), False)


def is_torchelastic_launched() -> bool:
    """Whether `torchrun` started this process."""
    return os.getenv("TORCHELASTIC_RUN_ID") is not None


def init_process_group(
    backend: str | None = None, init_method: str | None = None, timeout: Any = None, world_size: int = -1, rank: int = -1,
    store: Any = None, group_name: str = "", pg_options: Any = None, device_id: Any = None,
) -> None:  # fmt: skip
    """Become rank 0 of 1. RuntimeError for groups of several processes."""
    if _State.group is not None:
        raise ValueError("trying to initialize the default process group twice!")
    names = [part.rpartition(":")[2].lower() for part in (backend or "gloo").split(",")]
    if names == ["mpi"]:
        raise RuntimeError(
            "Distributed package doesn't have MPI built in. MPI is only included if you build PyTorch from source on a host that has MPI "
            "installed."
        )
    if names == ["nccl"] and timeout is None and not is_nccl_available():
        warnings.warn("Attempted to get default timeout for nccl backend, but NCCL support is not compiled", stacklevel=2)
    address = urlsplit("env://" if init_method is None else init_method)
    scheme = address.scheme
    if store is None and scheme not in ("env", "file", "tcp"):
        raise RuntimeError(f"No rendezvous handler for {scheme}://")
    if store is None and scheme == "env":
        rank = _from_environment("RANK") if rank < 0 else rank
        world_size = _from_environment("WORLD_SIZE") if world_size < 0 else world_size
        for name in ("MASTER_ADDR", "MASTER_PORT"):
            _from_environment(name)
    elif store is None:
        given = dict(parse_qsl(address.query))  # an address may end in the two
        rank = int(given["rank"]) if "rank" in given and rank < 0 else rank
        world_size = int(given["world_size"]) if "world_size" in given and world_size < 0 else world_size
        for value, name in ((rank, "rank"), (world_size, "world size")):
            if value < 0:
                raise ValueError(f"Error initializing torch.distributed using {scheme}:// rendezvous: {name} parameter missing")
    if world_size not in (1, -1) or rank not in (0, -1):
        raise RuntimeError(
            f"torchish runs one process, and was asked for a group of {world_size}: it drives all devices from it. Start the script once, "
            "without torchrun or with --nproc-per-node 1."
        )
    for name in names:
        if not is_backend_available(name):
            if name in ("nccl", "ucc", "xccl"):
                raise RuntimeError(f"Distributed package doesn't have {name.upper()} built in")
            raise AssertionError(f"Unknown backend type {name}")
    _State.group = ProcessGroup(names[0])


def _from_environment(name: str) -> int:
    value = os.environ.get(name)
    if value is None:
        raise ValueError(
            f"Error initializing torch.distributed using env:// rendezvous: environment variable {name} expected, but not set"
        )
    return int(value) if value.isdigit() else 0


def destroy_process_group(group: Any = None) -> None:
    """Leave the group. AssertionError when there is none."""
    if _State.group is None:
        raise AssertionError("Process group cannot be None")
    if group is None or group is _State.group:
        _State.group = None


def _need_group(group: Any = None) -> ProcessGroup:
    if _State.group is None:
        raise ValueError(_NO_GROUP)
    return group if isinstance(group, ProcessGroup) else _State.group


def get_rank(group: Any = None) -> int:
    """0. ValueError before `init_process_group`."""
    return _need_group(group).rank()


def get_world_size(group: Any = None) -> int:
    """1. ValueError before `init_process_group`."""
    return _need_group(group).size()


def get_backend(group: Any = None) -> str:
    return _need_group(group).name()


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """The rank among the processes of this machine, which the launcher sets in LOCAL_RANK."""
    if "LOCAL_RANK" in os.environ:
        return int(os.environ["LOCAL_RANK"])
    if fallback_rank is not None:
        return int(fallback_rank)
    raise RuntimeError("LOCAL_RANK is not in the environment. Consider passing fallback_rank to allow `get_node_local_rank` to work")


def get_process_group_ranks(group: Any = None) -> list[int]:
    _need_group(group)
    return [0]


def get_global_rank(group: Any, group_rank: int) -> int:
    return group_rank


def get_group_rank(group: Any, global_rank: int) -> int:
    return global_rank


def new_group(ranks: Sequence[int] | None = None, timeout: Any = None, backend: str | None = None, *args: Any, **kwargs: Any) -> Any:
    """A further group, of this process alone; GroupMember.NON_GROUP_MEMBER when it is not in it."""
    world = _need_group()
    for r in ranks or ():
        if r != 0:
            raise ValueError("the new group's world size should be less or equal to the world size set by init_process_group")
    return ProcessGroup(backend or world.name()) if ranks is None or list(ranks) else GroupMember.NON_GROUP_MEMBER


# --- collectives ---------------------------------------------------------------------------------------------------


def _check(name: str, t: Any) -> None:
    if not isinstance(t, Tensor):
        raise TypeError(
            f"Invalid function argument. Expected parameter `{name}` of type torch.Tensor\n             but got {type(t)} instead."
        )


def _check_all(name: str, tensors: Any) -> None:
    if not isinstance(tensors, (list, tuple)) or not all(isinstance(t, Tensor) for t in tensors):
        raise TypeError(
            f"Invalid function argument. Expected parameter `{name}` of type List[torch.Tensor]\n             but got {type(tensors)} "
            "with elements of type " + str([type(t) for t in tensors] if isinstance(tensors, (list, tuple)) else None) + "."
        )


def _root(name: str, rank: Any) -> None:
    if rank not in (0, None):
        raise RuntimeError(f"ProcessGroupGloo::{name}: invalid root rank: {rank}")


def _done(async_op: bool) -> Work | None:
    return Work() if async_op else None


def _write(out: Tensor, value: Tensor) -> None:
    from torchish.autograd.grad_mode import no_grad

    with no_grad():
        out.copy_(value.reshape(out.shape))  # type: ignore[operator]


def barrier(group: Any = None, async_op: bool = False, device_ids: Any = None) -> Work | None:
    """Wait for all members: none to wait for."""
    _need_group(group)
    return _done(async_op)


def monitored_barrier(group: Any = None, timeout: Any = None, wait_all_ranks: bool = False) -> None:
    _need_group(group)


def all_reduce(tensor: Tensor, op: ReduceOp = ReduceOp.SUM, group: Any = None, async_op: bool = False) -> Work | None:
    """Combine the members' tensors in place: one is its own sum, mean, product, least and greatest."""
    _check("tensor", tensor)
    _need_group(group)
    return _done(async_op)


def broadcast(
    tensor: Tensor, src: int | None = None, group: Any = None, async_op: bool = False, group_src: int | None = None
) -> Work | None:
    """Give all members the tensor of rank `src`."""
    _check("tensor", tensor)
    _need_group(group)
    _root("broadcast", src)
    return _done(async_op)


def reduce(tensor: Tensor, dst: int | None = None, op: ReduceOp = ReduceOp.SUM, group: Any = None, async_op: bool = False,
           group_dst: int | None = None) -> Work | None:  # fmt: skip
    """Combine the members' tensors on rank `dst`."""
    _check("tensor", tensor)
    _need_group(group)
    _root("reduce", dst)
    return _done(async_op)


def all_gather(tensor_list: list[Tensor], tensor: Tensor, group: Any = None, async_op: bool = False) -> Work | None:
    """Write the members' tensors into a list of them."""
    _check_all("tensor_list", tensor_list)
    _check("tensor", tensor)
    _need_group(group)
    if len(tensor_list) != 1:
        raise RuntimeError(
            f"ProcessGroupGloo::allgather: invalid output tensor list at index 0 (expected length 1, got {len(tensor_list)})"
        )
    _write(tensor_list[0], tensor)
    return _done(async_op)


def all_gather_into_tensor(output_tensor: Tensor, input_tensor: Tensor, group: Any = None, async_op: bool = False) -> Work | None:
    """Write the members' tensors into one, after another."""
    _check("output_tensor", output_tensor)
    _check("input_tensor", input_tensor)
    _need_group(group)
    _write(output_tensor, input_tensor)
    return _done(async_op)


def gather(tensor: Tensor, gather_list: list[Tensor] | None = None, dst: int | None = None, group: Any = None, async_op: bool = False,
           group_dst: int | None = None) -> Work | None:  # fmt: skip
    """Write the members' tensors into a list on rank `dst`."""
    _check("tensor", tensor)
    _root("gather", dst)
    if not gather_list:
        raise ValueError("Argument ``gather_list`` must be specified on destination rank.")
    return all_gather(gather_list, tensor, group, async_op)


def scatter(tensor: Tensor, scatter_list: list[Tensor] | None = None, src: int | None = None, group: Any = None, async_op: bool = False,
            group_src: int | None = None) -> Work | None:  # fmt: skip
    """Give each member one tensor of rank `src`'s list."""
    _check("tensor", tensor)
    _need_group(group)
    _root("scatter", src)
    if not scatter_list:
        raise ValueError("Argument ``scatter_list`` must be specified on source rank.")
    _write(tensor, scatter_list[0])
    return _done(async_op)


def reduce_scatter(output: Tensor, input_list: list[Tensor], op: ReduceOp = ReduceOp.SUM, group: Any = None,
                   async_op: bool = False) -> Work | None:  # fmt: skip
    """Combine lists of tensors, each member gets one."""
    _check("output", output)
    _check_all("input_list", input_list)
    _need_group(group)
    _write(output, input_list[0])
    return _done(async_op)


def reduce_scatter_tensor(
    output: Tensor, input: Tensor, op: ReduceOp = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """Combine tensors, each member gets a part."""
    return all_gather_into_tensor(output, input, group, async_op)


def all_to_all(output_tensor_list: list[Tensor], input_tensor_list: list[Tensor], group: Any = None, async_op: bool = False) -> Work | None:
    """Each member gives each one tensor."""
    _check_all("output_tensor_list", output_tensor_list)
    _check_all("input_tensor_list", input_tensor_list)
    _need_group(group)
    for out, value in zip(output_tensor_list, input_tensor_list, strict=True):
        _write(out, value)
    return _done(async_op)


def all_to_all_single(output: Tensor, input: Tensor, output_split_sizes: Any = None, input_split_sizes: Any = None, group: Any = None,
                      async_op: bool = False) -> Work | None:  # fmt: skip
    """Each member gives each a part of a tensor."""
    return all_gather_into_tensor(output, input, group, async_op)


def all_gather_object(object_list: list, obj: Any, group: Any = None) -> None:
    """Write the members' objects into a list."""
    _need_group(group)
    object_list[0] = copy.deepcopy(obj)


def gather_object(
    obj: Any, object_gather_list: list | None = None, dst: int | None = None, group: Any = None, group_dst: int | None = None
) -> None:
    """Write the members' objects into a list on rank `dst`."""
    _need_group(group)
    _root("gather", dst)
    if not object_gather_list:
        raise ValueError("Argument ``gather_list`` must be specified on destination rank.")
    object_gather_list[0] = copy.deepcopy(obj)


def broadcast_object_list(
    object_list: list, src: int | None = None, group: Any = None, device: Any = None, group_src: int | None = None
) -> None:
    """Give all members the objects of rank `src`."""
    _need_group(group)
    _root("broadcast", src)


def scatter_object_list(scatter_object_output_list: list, scatter_object_input_list: list | None = None, src: int | None = None,
                        group: Any = None, group_src: int | None = None) -> None:  # fmt: skip
    """Give each member one object of rank `src`'s list."""
    _need_group(group)
    _root("scatter", src)
    if not scatter_object_input_list:
        raise ValueError("Expected argument scatter_object_input_list to be a list with one element")
    scatter_object_output_list[0] = scatter_object_input_list[0]


def _no_peer(*args: Any, **kwargs: Any) -> Any:
    """Point-to-point messages need a second process."""
    _need_group()
    raise ValueError("Invalid destination rank: destination rank should not be the same as the rank of the current process.")


send = recv = isend = irecv = _no_peer


def __getattr__(name: str) -> Any:
    if name == "algorithms":  # it is built on this module
        return import_module("torchish.distributed.algorithms")
    raise missing_attribute(__name__, name)
