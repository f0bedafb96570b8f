"""Making tensors: from data, filled, in sequences, and the legacy constructors."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchish import _dtypes as dt
from torchish._dtypes import NUMBER_KINDS
from torchish._tensor.data import checked_ndarray, convert, is_sequence, to_array, triggered, warn_once
from torchish._tensor.dispatch import plain
from torchish._tensor.errors import counts_arguments, type_name
from torchish._tensor.size import device_of, resolve
from torchish._tensor.storage import Memory, Storage, VersionCounter, contiguous_strides
from torchish._tensor.tensor import Tensor, TensorMeta
from torchish.autograd.grad_mode import STATE
from torchish.engine.devices import devices_of
from torchish.engine.expr import CPU, TRACED, Aval, Expr, aval, emit, leaf
from torchish.engine.program import to_device, without_data
from torchish.ops.declare import op, to_dtype

_new = object.__new__


def from_host(array: np.ndarray, where: str = CPU, requires_grad: bool = False) -> Tensor:
    """A tensor that owns `array` (nobody else may write it)."""
    if where == CPU:
        e = leaf(array, CPU)
    elif where == "meta":
        e = without_data(array.shape, array.dtype)
    else:
        e = leaf(to_device(array, where), where)
    t = Tensor._wrap(e)
    if requires_grad:
        t._as_leaf()
    return t


@counts_arguments
def tensor(
    data: Any, *, dtype: dt.dtype | None = None, device=None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:
    """A new leaf tensor with a copy of `data` (nested sequences, numbers, NumPy arrays, tensors)."""
    dtype = _checked_dtype("tensor", dtype)
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
            stacklevel=3,
        )
        with _unasked():
            t = data.detach().clone()
            if dtype is not None or device is not None:
                t = t.to(device=device or data.device, dtype=dtype or data.dtype)
    elif isinstance(data, jax.Array):
        t = from_jax(data)
        t = t if dtype is None else t.to(dtype)
    elif isinstance(data, Memory):
        t = data._elements(dtype, "{}")
    else:
        t = _copied(data, dtype, resolve(device))
    if requires_grad:
        t._as_leaf()
    return t


def _copied(data: Any, d: dt.dtype | None, where: str) -> Tensor:
    """A tensor with a copy of `data`; that of a NumPy array keeps the array's order in memory."""
    t = from_host(to_array(data, d), where)
    if isinstance(data, np.ndarray) and data.ndim:
        strides = tuple(s // data.itemsize for s in data.strides)
        if strides != contiguous_strides(data.shape):
            from torchish._tensor.layout import copied_strides

            t._strides = t._storage.strides = copied_strides(data.shape, strides)
    return t


def _unasked() -> Any:
    """A block in which instances of subclasses are tensors like any other: no `__torch_function__` is asked."""
    from torchish._tensor.subclasses import DisableTorchFunctionSubclass

    return DisableTorchFunctionSubclass()


def from_jax(array) -> Tensor:
    """A tensor that holds a JAX array or tracer (never written)."""
    if isinstance(array, jax.core.Tracer):
        return Tensor._wrap(leaf(array, TRACED))
    (d,) = array.devices() if len(array.devices()) == 1 else (next(iter(array.devices())),)
    name = CPU if d.platform == "cpu" else f"{'cuda' if d.platform in ('gpu', 'cuda') else 'xla'}:{d.id}"
    return Tensor._wrap(leaf(array, name))


@counts_arguments
def as_tensor(data: Any, *, dtype: dt.dtype | None = None, device=None) -> Tensor:
    """`data` as a tensor, sharing its memory when it is a tensor or NumPy array of that dtype and device."""
    dtype = _checked_dtype("as_tensor", dtype)
    if isinstance(data, Tensor):
        with _unasked():
            return data.to(device=device if device is not None else data.device, dtype=dtype or data.dtype)
    if isinstance(data, np.ndarray):
        t = from_numpy(data)
        return t.to(device=device if device is not None else "cpu", dtype=dtype or t.dtype)
    return tensor(data, dtype=dtype, device=device)


def _checked_dtype(function: str, dtype: Any) -> dt.dtype | None:
    if dtype is None:
        return None
    if (d := dt.as_dtype(dtype)) is not None:
        return d
    raise TypeError(f"{function}(): argument 'dtype' must be torch.dtype, not {type_name(dtype)}")


@counts_arguments
def asarray(
    obj: Any, *, dtype=None, device=None, copy: bool | None = None, requires_grad: bool | None = None
) -> Tensor:
    """`obj` as a tensor; `copy` True always copies, False never (ValueError when it would have to)."""
    d = _checked_dtype("asarray", dtype)
    if isinstance(obj, Tensor):
        t = obj
    elif isinstance(obj, np.ndarray):
        t = from_numpy(obj)
    elif isinstance(obj, (bytes, bytearray, memoryview)) or (
        hasattr(obj, "__buffer__") and not isinstance(obj, np.generic)
    ):
        t = frombuffer(obj, dtype=d or dt.get_default_dtype())
    elif hasattr(obj, "__dlpack__") and not isinstance(obj, np.generic):
        t = from_dlpack(obj)
    else:
        if copy is False:
            raise ValueError("can't alias arbitrary sequence into a tensor.")
        t = tensor(obj, dtype=d, device=device)
        copy = None
    where = t._aval.device if device is None else resolve(device)
    if copy is False:
        if where != t._aval.device:
            raise ValueError(f"can't alias tensor from device '{t.device}' to '{device_of(where)}'.")
        if d is not None and d is not t._aval.torch_dtype:
            names = dt.SCALAR_TYPE_NAMES
            raise ValueError(f"can't alias tensor with dtype '{names[t._aval.torch_dtype]}' into dtype '{names[d]}'.")
    with _unasked():
        moved = t.to(device=device_of(where), dtype=d or t.dtype)
    if copy and moved is t:
        moved = t.clone()
    if requires_grad is None:
        if isinstance(obj, Tensor) and obj._needs():
            warn_once(
                "torch.asarray: unspecified requires_grad now defaults to obj.requires_grad instead of False. Pass "
                "requires_grad=False explicitly to get the old behavior and silence this warning."
            )
        return moved
    if not requires_grad:
        return moved.detach() if moved._needs() else moved
    return moved if moved._needs() else moved._as_leaf()


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor that shares memory with `array`: each sees the other's later writes."""
    if not isinstance(array, np.ndarray):
        kind = type(array)
        name = f"numpy.{kind.__name__}" if kind.__module__ == "numpy" else kind.__name__
        raise TypeError(f"expected np.ndarray (got {name})")
    checked_ndarray(array)
    d = dt.from_np(array.dtype)
    if not array.flags.writeable:
        warn_once(
            "The given NumPy array is not writable, and PyTorch does not support non-writable tensors. This means "
            "writing "
            "to this tensor will result in undefined behavior. You may want to copy the array to protect its data or "
            "make "
            "it writable before converting it to a tensor. This type of warning will be suppressed for the rest of "
            "this "
            "program." + triggered("torch/csrc/utils/tensor_numpy.cpp:213"),
        )
        array = array.copy()
    item = array.dtype.itemsize
    if any(s % item for s in array.strides):
        raise ValueError(
            "given numpy array strides not a multiple of the element byte size. Copy the numpy array to reallocate "
            "the memory."
        )
    strides = tuple(s // item for s in array.strides)
    shape = array.shape
    if shape and 0 in shape:
        t = from_host(np.zeros(shape, d.np))
        t._strides = None if strides == contiguous_strides(shape) else strides
        return t
    t = _new(Tensor)
    st = Storage(Expr(None, (), aval(shape, array.dtype, CPU), None))
    dense = None if strides == contiguous_strides(shape) else strides
    st.strides = dense
    st.adopt(array, strides)
    t._storage, t._aval, t._vc = st, st.expr.aval, VersionCounter()
    t._strides = dense
    if STATE.inference:
        t._inference = True
    return t


def frombuffer(buffer, *, dtype: dt.dtype, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A 1-d tensor over a buffer object's memory (a copy where the buffer is read-only)."""
    d = _checked_dtype("frombuffer", dtype)
    assert d is not None
    try:
        memory = memoryview(buffer)
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    length, size = memory.nbytes, d.itemsize
    if length == 0 or count == 0:
        raise ValueError(f"both buffer length ({length}) and count ({count}) must not be 0")
    if not 0 <= offset < length:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({length} bytes) minus 1"
        )
    if count > 0 and offset + count * size > length:
        raise ValueError(
            f"requested buffer length ({count} * {size} bytes) after offset ({offset} bytes) must not be greater "
            "than actual buffer "
            f"length ({length} bytes)"
        )
    if count < 0 and (length - offset) % size:
        raise ValueError(
            f"buffer length ({length - offset} bytes) after offset ({offset} bytes) must be a multiple of element "
            f"size ({size})"
        )
    array = np.frombuffer(memory.cast("B"), np.uint8, -1 if count < 0 else count * size, offset).view(d.np)
    if memory.readonly:
        warn_once(
            "The given buffer is not writable, and PyTorch does not support non-writable tensors. This means you can "
            "write to the "
            "underlying (supposedly non-writable) buffer using the tensor. You may want to copy the buffer to "
            "protect its data or "
            "make it writable before converting it to a tensor. This type of warning will be suppressed for the rest "
            "of this program." + triggered("torch/csrc/utils/tensor_new.cpp:1556")
        )
        array = array.copy()
    t = from_numpy(array)
    return t._as_leaf() if requires_grad else t


# --- DLPack ------------------------------------------------------------------------------------------------


def _dlpack(self: Tensor, *, stream=None, max_version=None, dl_device=None, copy=None):
    """A DLPack capsule of this tensor's memory."""
    if self._needs():
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if self._aval.device == CPU and self._aval.torch_dtype.name in np.sctypeDict:
        return self.numpy().__dlpack__(max_version=max_version, copy=copy)
    return self.jax().__dlpack__()


def _dlpack_device(self: Tensor):
    if self._aval.device == CPU:
        return np.empty(0).__dlpack_device__()
    array: Any = self.jax()
    return array.__dlpack_device__()


Tensor.__dlpack__, Tensor.__dlpack_device__ = _dlpack, _dlpack_device  # type: ignore[attr-defined]


@plain("from_dlpack", "utils.dlpack.from_dlpack")
def from_dlpack(ext_tensor: Any, *, device=None, copy: bool | None = None) -> Tensor:
    """An external array that speaks DLPack as a tensor, sharing host memory."""
    if isinstance(ext_tensor, Tensor):
        if ext_tensor._needs():
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        made = ext_tensor.detach()
    elif isinstance(ext_tensor, jax.Array):
        made = from_jax(ext_tensor)
    else:
        source = ext_tensor if hasattr(ext_tensor, "__dlpack__") else _Capsule(ext_tensor)
        made = from_numpy(np.from_dlpack(source))
    if copy:
        made = made.clone()
    return made if device is None else made.to(device)


class _Capsule:
    """A bare DLPack capsule (of host memory) in the form that NumPy takes."""

    def __init__(self, capsule: Any):
        if type(capsule).__name__ != "PyCapsule":
            raise RuntimeError(
                "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so "
                "you might have "
                "already constructed a tensor from it once."
            )
        self.capsule = capsule

    def __dlpack__(self, **kwargs):
        return self.capsule

    def __dlpack_device__(self):
        return np.empty(0).__dlpack_device__()


@plain("to_dlpack", "utils.dlpack.to_dlpack")
def to_dlpack(tensor: Tensor):
    """A DLPack capsule of a tensor's memory."""
    return tensor.__dlpack__(max_version=(1, 0))  # type: ignore[attr-defined]  # whose memory may be written to


# --- filled ------------------------------------------------------------------------------------------------


@op("_full(int[] size, Number fill_value, any dtype, str device)", method=False, function=False, out=False)
def full_op(fill_value, size, dtype, device):
    return jnp.broadcast_to(to_dtype(fill_value, dtype), size)


def repeated(value, a: Aval) -> Expr:
    """One number everywhere, made on the device."""
    spec = full_op.spec((NUMBER_KINDS[type(value)],), (a.shape, a.dtype, a.device))
    spec.infer_cache[(type(value),)] = a
    return emit(spec, (value,))


def filled(size, value, d: dt.dtype, where: str, requires_grad: bool = False, strides=None) -> Tensor:
    """A tensor of one repeated value."""
    n = 1
    for s in size:
        n *= s
    if where == "meta":
        t = Tensor._wrap(without_data(tuple(size), d.np), strides)
    elif n > 1 << 16 or where != CPU or len(size) > 64:
        # large constants are computed on the device rather than carried there; NumPy's arrays have 64 dimensions
        t = Tensor._wrap(repeated(value, aval(tuple(size), d.np, where)), strides)
    else:
        with np.errstate(all="ignore"):
            plain = value == 0 and not np.signbit([value.real, value.imag]).any()  # and no -0.0
            array = np.zeros(size, d.np) if plain else convert(np.full(size, value), d)
        t = from_host(array, where)
        if strides is not None:
            t._strides = t._storage.strides = strides
    if requires_grad:
        t._as_leaf()
    return t


def check_size(size) -> tuple[int, ...]:
    for s in size:
        if s < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {s}: {list(size)}")
    return tuple(size)


def like_strides(t: Tensor, memory_format=None):
    """The strides of a dense tensor laid out as `t` (None: contiguous)."""
    if t._strides is None or (memory_format is not None and str(memory_format) == "torch.contiguous_format"):
        return None
    from torchish._tensor.layout import copied_strides

    return copied_strides(t._aval.shape, t._strides)


# --- legacy ------------------------------------------------------------------------------------------------


def legacy_constructor(cls, args: tuple, kwargs: dict) -> Tensor:
    """`torch.Tensor(2, 3)`, `torch.FloatTensor([1, 2])`: sizes give memory, data gives a copy, a storage is shared."""
    d = getattr(cls, "_legacy_dtype", None) or dt.get_default_dtype()
    where = getattr(cls, "_legacy_device", CPU)
    if where.startswith("cuda") and not devices_of("cuda"):
        raise TypeError(f"type {cls.__module__}.{cls.__name__} not available. Torch not compiled with CUDA enabled.")
    if wrong := sorted(kwargs.keys() - {"device"}):
        got = ", ".join([type(a).__name__ for a in args] + [f"{k}={type_name(v)}" for k, v in kwargs.items()])
        raise TypeError(
            f"new() received an invalid combination of arguments - got ({got}), but expected one of:\n"
            f" * (*, torch.device device = None)\n      didn't match because some of the keywords were incorrect: {', '.join(wrong)}\n"
            " * (Tensor other)\n * (tuple of ints size, *, torch.device device = None)\n"
            " * (object data, *, torch.device device = None)\n"
        )
    if len(args) == 1 and isinstance(args[0], Tensor):
        src = args[0]
        if src._aval.torch_dtype is not d and cls is not Tensor and hasattr(cls, "_legacy_dtype"):
            raise TypeError(f"expected {_options(d)} (got {_options(src._aval.torch_dtype)})")
        t = src._alias()
    elif len(args) == 1 and isinstance(args[0], Memory):
        t = args[0]._elements(d, "type {} for argument 1 'storage'")
    elif len(args) == 1 and not _is_size(args[0]) and (is_sequence(args[0]) or isinstance(args[0], np.ndarray)):
        t = _copied(args[0], d, where)
    elif len(args) == 1 and _is_size(args[0]):
        t = filled(tuple(args[0]), 0.0, d, where)
    elif not args:
        t = from_host(np.zeros((0,), d.np), where)
    elif isinstance(args[0], (int, np.integer)) and not isinstance(args[0], bool):
        for i, a in enumerate(args):
            if not hasattr(a, "__index__") or (isinstance(a, Tensor) and (a._aval.ndim or a._aval.category > 1)):
                raise TypeError(
                    f"new(): argument 'size' failed to unpack the object at pos {i + 1} with error "
                    f'"type must be tuple of ints,but got {type(a).__name__}"'
                )
        t = filled(check_size([int(a) for a in args]), 0.0, d, where)
    else:
        got = ", ".join(type_name(a) for a in args)
        raise TypeError(
            f"new(): data must be a sequence (got {type_name(args[0])})"
            if len(args) == 1
            else f"new() received an invalid combination of arguments - got ({got}), but expected one of:\n"
            " * (*, torch.device device = None)\n * (tuple of ints size, *, torch.device device = None)\n"
            " * (object data, *, torch.device device = None)\n"
        )
    if issubclass(cls, Tensor) and cls is not Tensor and not hasattr(cls, "_legacy_dtype"):
        t.__class__ = cls
    return t


def _options(d: dt.dtype) -> str:
    return (
        f"TensorOptions(dtype={dt.cpp_name(d)}, device=cpu, layout=Strided, requires_grad=false (default), "
        "pinned_memory=false (default), memory_format=(nullopt))"
    )


def _new_method(self: Tensor, *args, device=None) -> Tensor:
    """`tensor.new(2, 3)`, `tensor.new([1, 2])`: the legacy constructor for this tensor's dtype and device."""
    if len(args) == 1 and isinstance(args[0], Tensor):
        return args[0]._alias()
    made = legacy_constructor(_LEGACY_CLASSES[self._aval.torch_dtype], args, {})
    return made if self._aval.device in (CPU, TRACED) else made.to(self.device)


Tensor.new = _new_method  # type: ignore[attr-defined]


def _is_size(x) -> bool:
    from torchish._tensor.size import Size

    return isinstance(x, Size)


class _LegacyMeta(TensorMeta):
    _legacy_dtype: Any
    _legacy_device: str

    def __instancecheck__(cls, x):
        return (
            isinstance(x, Tensor)
            and x._aval.torch_dtype is cls._legacy_dtype
            and (x._aval.device != CPU) == (cls._legacy_device != CPU)
        )

    def __call__(cls, *args, **kwargs):
        return legacy_constructor(cls, args, kwargs)

    def __repr__(cls):
        return f"<class '{cls.__module__}.{cls.__name__}'>"


_LEGACY_CLASSES: dict = {}


def legacy_types(prefix: str = "torch", where: str = CPU) -> dict[str, type]:
    """The classes `FloatTensor`, `LongTensor`… of a device."""
    made: dict[str, type] = {}
    for d, name in dt.LEGACY_NAMES.items():
        made[name] = _LegacyMeta(
            name,
            (Tensor,),
            {"__module__": prefix, "_legacy_dtype": d, "_legacy_device": where, "dtype": d, "__torch_function__": None},
        )
        if where == CPU:
            _LEGACY_CLASSES[d] = made[name]
    return made
