"""Tensors from what checkpoints say of them: storages from bytes, where they go, and the functions that pickles call.

Every argument is checked before it is used: in a weights-only load these functions are what a hostile file can call.
"""

from __future__ import annotations

import math
import re
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish._tensor import methods
from torchish._tensor.creation import from_host
from torchish._tensor.geometry import root_steps
from torchish._tensor.layout import STRIDED
from torchish._tensor.size import device, resolve
from torchish._tensor.storage import Storage, VersionCounter, as_strided, contiguous_strides
from torchish._tensor.storages import TypedStorage, UntypedStorage
from torchish._tensor.tensor import Tensor
from torchish.engine.expr import CPU, Expr, aval, leaf
from torchish.nn.parameter import Parameter

_MAX_DIMS = 64  # NumPy's limit
_MAX_NUMEL = 2**62
_FRESH: weakref.WeakSet[Storage] = weakref.WeakSet()  # read, but used by no tensor yet


def storage_of_bytes(data: Any, d: dt.dtype) -> TypedStorage:
    """A storage of elements of dtype `d` on the CPU over a buffer that nobody writes."""
    array = np.frombuffer(data, np.uint8) if not isinstance(data, np.ndarray) else data
    st = Storage(leaf(array.view(d.np), CPU))
    _FRESH.add(st)
    return TypedStorage._over(st)


def meta_storage(nbytes: int, d: dt.dtype) -> TypedStorage:
    """A storage of which only the size is known."""
    n = nbytes // d.itemsize
    zero = np.broadcast_to(np.zeros((), d.np), (n,))
    return TypedStorage._over(Storage(Expr(None, (), aval((n,), d.np, "meta"), zero)))


# --- where storages go ---------------------------------------------------------------------------------------------


def _cpu(storage: Any, location: str) -> Any:
    return storage if location == "cpu" else None


def _accelerator(kind: str, storage: Any, location: str) -> Any:
    if location != kind and not re.match(f"{kind}(:|[0-9]+)", location):
        return None
    import torchish
    from torchish.engine.devices import devices_of

    name = kind.upper()
    advice = "please use torch.load with map_location=torch.device('cpu') to map your storages to the CPU."
    if not devices_of(kind):
        if kind == "cuda":
            raise RuntimeError(
                f"Attempting to deserialize object on a {name} device but torch.{kind}.is_available() is False. "
                f"If you are running on a CPU-only machine, {advice}"
            )
        raise RuntimeError(f"The {name} device module is not registered. If you are running on a CPU-only machine, {advice}")
    d = torchish.device(location)
    if (d.index or 0) >= len(devices_of(kind)):
        raise RuntimeError(
            f"Attempting to deserialize object on {name} device {d.index} but torch.{kind}.device_count() is "
            f"{len(devices_of(kind))}. Please use torch.load with map_location to map your storages to an existing device."
        )
    result = storage.to(device=d)
    _FRESH.add(result._storage)
    return result


def _meta(storage: Any, location: str) -> Any:
    return meta_storage(storage.nbytes(), dt.uint8).untyped() if location == "meta" else None


# (priority, tag of a storage or None, restore a storage or None)
PACKAGES: list[tuple[int, Callable, Callable]] = [
    (10, lambda s: "cpu" if s.device.type == "cpu" else None, _cpu),
    (20, lambda s: f"cuda:{s.device.index}" if s.device.type == "cuda" else None, lambda s, where: _accelerator("cuda", s, where)),
    (22, lambda s: "meta" if s.device.type == "meta" else None, _meta),
]


def location_tag(storage: Any) -> str:
    """The name of the place where a storage lies, as checkpoints record it."""
    for _, tagger, _ in PACKAGES:
        tag = tagger(storage)
        if tag:
            return tag
    raise RuntimeError("don't know how to determine data location of torch.storage.UntypedStorage")


def default_restore_location(storage: Any, location: str) -> Any:
    """The storage, moved to where the tag `location` says; RuntimeError for tags that nobody knows."""
    for _, _, restore in PACKAGES:
        result = restore(storage, location)
        if result is not None:
            return result
    raise RuntimeError(f"don't know how to restore data location of torch.storage.UntypedStorage (tagged with {location})")


def restore_function(map_location: Any) -> Callable[[Any, str], Any]:
    """What `map_location` (None, a device or its name, a dictionary, a function) does with a storage and its tag."""
    if map_location is None:
        return default_restore_location
    if isinstance(map_location, dict):
        return lambda storage, where: default_restore_location(storage, map_location.get(where, where))
    if isinstance(map_location, (str, bytes, device)):
        fixed = map_location if isinstance(map_location, bytes) else str(map_location)
        if isinstance(fixed, bytes):
            raise TypeError("cannot use a string pattern on a bytes-like object")
        return lambda storage, where: default_restore_location(storage, fixed)

    def restore(storage: Any, where: str) -> Any:
        result = map_location(storage, where)
        return default_restore_location(storage, where) if result is None else result

    return restore


def moved(storage: TypedStorage, where: str, restore: Callable) -> TypedStorage:
    """A freshly read storage after `map_location` had its say."""
    untyped = storage.untyped()
    result = restore(untyped, where)
    if result is untyped:
        return storage
    if not isinstance(result, UntypedStorage):
        raise TypeError(f"map_location returned {type(result).__name__}, expected a storage")
    if result.device.type == "meta":
        return meta_storage(result.nbytes(), storage.dtype)
    return TypedStorage._over(result._storage)


# --- tensors -------------------------------------------------------------------------------------------------------


def _is_int(x: Any) -> bool:
    return type(x) is int


def _geometry(offset: Any, size: Any, stride: Any) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    if not isinstance(size, (tuple, list)) or not isinstance(stride, (tuple, list)):
        raise TypeError("a tensor's size and stride must be tuples of integers")
    if not (_is_int(offset) and all(map(_is_int, size)) and all(map(_is_int, stride))):
        raise TypeError("a tensor's storage offset, size and stride must be integers")
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    if len(size) > _MAX_DIMS:
        raise RuntimeError(f"tensors of {len(size)} dimensions are not supported")
    numel = 1
    for s in size:
        numel *= max(s, 1)
    if offset < 0 or min((*size, *stride, 0)) < 0 or numel > _MAX_NUMEL or max((*stride, offset)) > _MAX_NUMEL:
        raise RuntimeError(f"setStorage: invalid geometry: sizes {list(size)}, strides {list(stride)}, storage offset {offset}")
    return offset, tuple(size), tuple(stride)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, d: dt.dtype) -> Tensor:
    if not isinstance(storage, UntypedStorage):
        raise TypeError(f"a tensor needs a storage, got {type(storage).__name__}")
    offset, size, stride = _geometry(offset, size, stride)
    st = storage._storage
    span = 0 if 0 in size else 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    have, item = storage.nbytes(), d.itemsize
    if span and (offset + span) * item > have:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize {item} requiring a "
            f"storage size of {(offset + span) * item} are out of bounds for storage of size {have}"
        )
    if st.device == "meta":
        return _rebuild_meta_tensor_no_storage(d, size, stride, False)
    contiguous = stride == contiguous_strides(size)
    numel = math.prod(size)
    if st in _FRESH:
        _FRESH.discard(st)
        _take_shape(st, offset, size, stride, d)
    t: Tensor = object.__new__(Tensor)
    t._storage, t._aval, t._vc = st, aval(size, d.np, st.device), VersionCounter()
    if not contiguous:
        t._strides = stride
    if offset:
        t._offset = offset
    if st.expr.aval is not t._aval or offset or (stride != st.root_strides() and numel):
        t._chain = root_steps(t, size, stride, offset)
        if st.device == CPU and st.expr.value is not None and item and numel * item <= have and span:
            # its value is at hand: no program has to cut it out until somebody writes into the storage
            root = np.asarray(st.expr.value)
            if st.strides is None and have % item == 0:
                flat = root.reshape(-1).view(d.np)
                t._cached, t._stamp = leaf(np.ascontiguousarray(as_strided(flat, size, stride, offset)), CPU), st.writes
    return t


def _take_shape(st: Storage, offset: int, size: tuple, stride: tuple, d: dt.dtype) -> None:
    """Give a storage that no tensor uses yet the shape of its first tensor, where that shows all of it."""
    flat: Any = st.expr.value
    if offset or math.prod(size) * d.itemsize != flat.nbytes or (flat.dtype != d.np and not isinstance(flat, np.ndarray)):
        return
    if stride == contiguous_strides(size):
        st.expr = leaf((flat if flat.dtype == d.np else flat.view(d.np)).reshape(size), st.device)
    elif isinstance(flat, np.ndarray) and _is_dense(size, stride):
        st.expr = leaf(np.ascontiguousarray(as_strided(flat.view(d.np), size, stride, 0)), st.device)
        st.strides = stride


def _is_dense(size: tuple, stride: tuple) -> bool:
    """Whether the dimensions are stored without gaps, in some order."""
    n = 1
    for s, k in sorted((s, k) for k, s in zip(size, stride, strict=True) if k != 1):
        if s != n:
            return False
        n *= k
    return True


def _finish(t: Tensor, requires_grad: Any, metadata: Any) -> Tensor:
    if metadata:
        if not isinstance(metadata, dict) or not metadata.keys() <= {"conj", "neg"}:
            raise RuntimeError("unknown metadata of a tensor")
        if metadata.get("conj"):
            t = t.conj()
        if metadata.get("neg"):
            t = -t
    if requires_grad:
        t.requires_grad_(True)
    return t


def _rebuild_tensor(storage, storage_offset, size, stride):
    return _tensor(storage, storage_offset, size, stride, _dtype_of(storage))


def _dtype_of(storage: Any) -> dt.dtype:
    return storage.dtype if isinstance(storage, TypedStorage) else dt.uint8


def _rebuild_tensor_v2(storage, storage_offset, size, stride, requires_grad, backward_hooks, metadata=None):
    return _finish(_tensor(storage, storage_offset, size, stride, _dtype_of(storage)), requires_grad, metadata)


def _rebuild_tensor_v3(storage, storage_offset, size, stride, requires_grad, backward_hooks, dtype, metadata=None):
    if not isinstance(dtype, dt.dtype):
        raise TypeError(f"a tensor needs a dtype, got {type(dtype).__name__}")
    return _finish(_tensor(storage, storage_offset, size, stride, dtype), requires_grad, metadata)


def _rebuild_meta_tensor_no_storage(dtype, size, stride, requires_grad):
    if not isinstance(dtype, dt.dtype):
        raise TypeError(f"a tensor needs a dtype, got {type(dtype).__name__}")
    _, size, stride = _geometry(0, size, stride)
    t = Tensor._wrap(Expr(None, (), aval(size, dtype.np, "meta"), np.broadcast_to(np.zeros((), dtype.np), size)))
    if stride != contiguous_strides(size):
        t._strides = t._storage.strides = stride
    return _finish(t, requires_grad, None)


def _need_tensor(data: Any) -> Tensor:
    if not isinstance(data, Tensor):
        raise TypeError(f"a parameter needs a tensor, got {type(data).__name__}")
    return data


def _rebuild_parameter(data, requires_grad, backward_hooks):
    return Parameter(_need_tensor(data), bool(requires_grad))


def _rebuild_parameter_with_state(data, requires_grad, backward_hooks, state):
    return _set_state(Parameter(_need_tensor(data), bool(requires_grad)), state)


def _rebuild_device_tensor_from_cpu_tensor(data, dtype, device, requires_grad):
    where = MAP_LOCATION[-1] if MAP_LOCATION else None
    if isinstance(where, dict):
        where = where.get(str(device), device)
    target = device if where is None or callable(where) else where
    return _finish(_need_tensor(data).to(device=target, dtype=dtype), requires_grad, None)


def _rebuild_device_tensor_from_numpy(data, dtype, device, requires_grad):
    if not isinstance(data, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(data).__name__})")
    return _rebuild_device_tensor_from_cpu_tensor(from_host(np.array(data)), dtype, device, requires_grad)


def _lacking(what: str, name: str) -> Callable:
    def rebuild(*args):
        raise RuntimeError(f"the checkpoint holds a {what} tensor, which torchish does not have")

    rebuild.__name__ = name
    return rebuild


def _rebuild_from_type_v2(func, new_type, args, state):
    if func not in FUNCTIONS or not isinstance(args, tuple):
        raise TypeError("a tensor can only be rebuilt by PyTorch's own functions")
    t = func(*args)
    if type(t) is not new_type:
        if not (isinstance(new_type, type) and issubclass(new_type, Tensor)):
            raise TypeError("a tensor can only be rebuilt as a subclass of Tensor")
        t = t.as_subclass(new_type)
    setter = getattr(type(t), "__setstate__", None)
    if setter is not None and setter is not getattr(Tensor, "__setstate__", None):
        setter(t, state)
        return t
    return _set_state(t, state)


def _set_state(t: Tensor, state: Any) -> Tensor:
    parts = state if isinstance(state, tuple) else (state,)
    if len(parts) > 2:
        raise RuntimeError("Invalid serialized state: a tuple of two is expected")
    for part in parts:
        for k, v in (part or {}).items():
            if not isinstance(k, str) or k in _RESERVED or k.startswith("__") or callable(getattr(Tensor, k, None)):
                raise RuntimeError("Invalid serialized state: a tensor cannot be given such attributes")
            setattr(t, k, v)
    return t


_RESERVED = frozenset({*methods._OWN, *Tensor.__annotations__, "data", "grad", "shape", "dtype", "device"})


def _get_layout(name):
    if name != "torch.strided":
        raise RuntimeError(f"the checkpoint holds the layout {name!r:.40}, which torchish does not have")
    return STRIDED


FUNCTIONS = (
    _rebuild_tensor, _rebuild_tensor_v2, _rebuild_tensor_v3, _rebuild_parameter, _rebuild_parameter_with_state,
    _rebuild_meta_tensor_no_storage, _rebuild_device_tensor_from_cpu_tensor, _rebuild_device_tensor_from_numpy,
    _lacking("quantized", "_rebuild_qtensor"), _lacking("sparse", "_rebuild_sparse_tensor"),
    _lacking("nested", "_rebuild_nested_tensor"), _lacking("wrapper", "_rebuild_wrapper_subclass"),
)  # fmt: skip

MAP_LOCATION: list[Any] = []  # of the loads under way


def is_meta(map_location: Any) -> bool:
    """Whether everything goes to the meta device, so that no bytes need to be read."""
    return str(map_location) == "meta" if isinstance(map_location, (str, device)) else False


__all__ = ["FUNCTIONS", "default_restore_location", "location_tag", "resolve"]
