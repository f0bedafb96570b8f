"""The pickles inside checkpoints: PyTorch's names for torchish's objects, and storages by reference."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish._pickling import reduce_ex, reduce_fields
from torchish._tensor.generator import Generator
from torchish._tensor.layout import layout
from torchish._tensor.methods import _OWN
from torchish._tensor.size import Size, device
from torchish._tensor.storage import Storage
from torchish._tensor.storages import TypedStorage as _TypedStorage
from torchish._tensor.storages import UntypedStorage
from torchish._tensor.tensor import Tensor
from torchish.engine.expr import TRACED
from torchish.engine.program import evaluate_all, force
from torchish.nn.parameter import Parameter, UninitializedBuffer, UninitializedParameter
from torchish.serialization import _rebuild
from torchish.serialization._names import STORAGE_NAMES, Global, name_of

_BYTES = Global("torch.storage", "UntypedStorage")
_STORAGES = {d: Global("torch", n) for d, n in STORAGE_NAMES.items()}
_DTYPES = {d: Global("torch", d.name) for d in dt.ALL}
_REBUILD = {f.__name__: Global("torch._utils", f.__name__) for f in _rebuild.FUNCTIONS}
_GENERATOR = Global("torch._C", "Generator")
_LAYOUT = Global("torch.serialization", "_get_layout")
_FROM_TYPE = Global("torch._tensor", "_rebuild_from_type_v2")


class _Reference:
    """A storage as a pickle refers to it: the elements' dtype, or None for bytes."""

    __slots__ = ("storage", "dtype", "numel")

    def __init__(self, storage: Storage, dtype: dt.dtype | None):
        self.storage, self.dtype = storage, dtype
        item = storage.expr.aval.dtype.itemsize
        self.numel = storage.n_elements() * item // (1 if dtype is None else dtype.itemsize)


class Saved:
    """The storages that a pickle refers to, numbered in the order that they came in."""

    def __init__(self) -> None:
        self.storages: dict[str, Storage] = {}
        self.item_sizes: dict[str, int] = {}
        self._keys: dict[int, str] = {}
        self._dtypes: dict[int, dt.dtype] = {}

    def add(self, ref: _Reference, is_legacy: bool) -> tuple:
        """The persistent id of a storage; RuntimeError when tensors of two dtypes share it."""
        st, d = ref.storage, ref.dtype or dt.uint8
        if st.device != "meta" and ref.numel and self._dtypes.setdefault(id(st), d) is not d:
            raise RuntimeError("Cannot save multiple tensors or storages that view the same data as different types")
        key = self._keys.setdefault(id(st), str(len(self._keys)))
        self.storages[key] = st
        self.item_sizes.setdefault(key, d.itemsize)
        kind = _BYTES if ref.dtype is None else _STORAGES[ref.dtype]
        pid = ("storage", kind, key, _rebuild.location_tag(UntypedStorage._over(st)), ref.numel)
        return (*pid, None) if is_legacy else pid


def memory_of(st: Storage) -> np.ndarray:
    """A storage's bytes in memory order (uint8)."""
    if st.is_shared():
        flat: Any = np.array(st.buffer)
    else:
        flat = np.asarray(force(st.expr))
        if st.strides is not None:
            value, flat = flat, np.zeros((st.n_elements(),), flat.dtype)
            if value.size:
                np.lib.stride_tricks.as_strided(flat, st.shape, [s * flat.itemsize for s in st.strides])[...] = value
    return np.ascontiguousarray(flat).reshape(-1).view(np.uint8)


def dump(obj: Any, stream: Any, pickle_module: Any, protocol: int, is_legacy: bool = False) -> Saved:
    """Pickle `obj` into a stream; returns the storages that are to follow."""
    evaluate_all()
    saved = Saved()
    _pickler_class(pickle_module)(stream, protocol, saved, is_legacy).dump(obj)
    return saved


def dumps(obj: Any, pickle_module: Any, protocol: int) -> tuple[bytes, Saved]:
    """The pickle of `obj`, and its storages."""
    buffer = io.BytesIO()
    saved = dump(obj, buffer, pickle_module, protocol)
    return buffer.getvalue(), saved


def _pickler_class(pickle_module: Any) -> Any:
    base: Any = getattr(pickle_module, "Pickler", None)
    if not (isinstance(base, type) and issubclass(base, pickle._Pickler)):  # type: ignore[attr-defined]
        # the C pickler imports every name that it writes, and PyTorch's names need not be importable
        base = getattr(pickle_module, "_Pickler", pickle._Pickler)  # type: ignore[attr-defined]
    return type("Pickler", (_Mixin, base), {})


class _Mixin:
    """What torchish's pickler adds to Python's."""

    proto: int
    save: Callable
    write: Callable
    memoize: Callable

    def __init__(self, stream: Any, protocol: int, saved: Saved, is_legacy: bool):
        super().__init__(stream, protocol)  # type: ignore[call-arg]
        self._saved, self._is_legacy = saved, is_legacy

    def persistent_id(self, obj: Any) -> tuple | None:
        if isinstance(obj, UntypedStorage):
            obj = _Reference(obj._storage, obj.dtype if isinstance(obj, _TypedStorage) and obj.dtype in _STORAGES else None)
        if type(obj) is _Reference:
            return self._saved.add(obj, self._is_legacy)
        return None

    def reducer_override(self, obj: Any) -> Any:
        kind: Any = type(obj)
        rule = _RULES.get(kind)
        if rule is not None:
            return rule(obj)
        if isinstance(obj, Tensor):
            return _reduce_tensor(obj) if kind.__reduce_ex__ in _TENSOR_REDUCES else NotImplemented
        if kind.__reduce_ex__ in (reduce_ex, reduce_fields):
            return object.__reduce_ex__(obj, 2)
        if kind.__module__ == "torch.return_types":
            return kind, (tuple(obj), {})
        return NotImplemented

    def save_global(self, obj: Any, name: str | None = None) -> None:
        found = obj if type(obj) is Global else _DTYPES[obj] if type(obj) is dt.dtype else name_of(obj)
        if found is None:
            super().save_global(obj, name)  # type: ignore[misc]
            return
        if self.proto >= 4:
            self.save(found.module)
            self.save(found.name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{found.module}\n{found.name}\n".encode())
        self.memoize(obj)


# --- how torchish's objects are made again ----------------------------------------------------------------------


def _dtype(t: Tensor) -> dt.dtype:
    return t._aval.torch_dtype


def _reduce_plain(t: Tensor, requires_grad: bool) -> tuple:
    """The values alone."""
    d, where = _dtype(t), t._aval.device
    if where == TRACED:
        raise RuntimeError("a tensor that is being traced by JAX has no value to save")
    size, stride = (*t._aval.shape,), (*t.stride(),)  # tuples of its own: what tensors share would be written once
    if where == "meta":
        return _REBUILD["_rebuild_meta_tensor_no_storage"], (d, size, stride, requires_grad)
    if where != "cpu" and not where.startswith("cuda"):
        # as PyTorch saves what lives on devices that it only knows from outside
        return _REBUILD["_rebuild_device_tensor_from_cpu_tensor"], (t.detach().cpu(), d, str(t.device), requires_grad)
    args: tuple = (_Reference(t._storage, d if d in _STORAGES else None), t._offset, size, stride, requires_grad, OrderedDict())
    metadata = ({"conj": True},) if t.is_conj() else ()
    if d in _STORAGES:
        return _REBUILD["_rebuild_tensor_v2"], (*args, *metadata)
    return _REBUILD["_rebuild_tensor_v3"], (*args, d, *metadata)


def _state(t: Tensor) -> dict:
    """The attributes that a user has given a tensor."""
    return {k: v for k, v in t.__dict__.items() if k not in _OWN and k not in _INTERNAL and not k.startswith("__")}


_INTERNAL = frozenset(Tensor.__annotations__)


def _reduce_tensor(t: Tensor) -> tuple:
    kind, state = type(t), _state(t)
    if kind is UninitializedParameter or kind is UninitializedBuffer:
        return kind, (t._requires_grad,)
    if kind is Parameter:
        data = t.detach()
        if not state:
            return _REBUILD["_rebuild_parameter"], (data, t._requires_grad, OrderedDict())
        return _REBUILD["_rebuild_parameter_with_state"], (data, t._requires_grad, OrderedDict(), state)
    plain = _reduce_plain(t, t._needs())
    return plain if kind is Tensor and not state else (_FROM_TYPE, (plain[0], kind, plain[1], state))


def _reduce_generator(g: Generator) -> tuple:
    return _GENERATOR, (g.device,), (g.initial_seed(), None, g.get_state())


_TENSOR_REDUCES = (Tensor.__reduce_ex__, Parameter.__reduce_ex__)

_RULES: dict[type, Callable[[Any], Any]] = {
    Global: lambda g: g.name,
    FunctionType: lambda f: f.__qualname__,  # `_Pickler` has a way of its own for functions, past `save_global`
    dt.dtype: lambda d: d.name,
    Size: lambda s: (Size, (tuple(s),)),
    device: lambda d: (device, (d.type,) if d.index is None else (d.type, d.index)),
    layout: lambda x: (_LAYOUT, (str(x),)),
    Generator: _reduce_generator,
    Tensor: _reduce_tensor,
    Parameter: _reduce_tensor,
}
