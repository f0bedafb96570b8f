"""Making tensors: from data, filled, in sequences, and the legacy constructors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish._tensor.apply import apply, cast, cast_expr
from torchish._tensor.dispatch import composite
from torchish._tensor.errors import type_name
from torchish._tensor.size import device, device_of, resolve
from torchish._tensor.storage import Storage, VersionCounter, contiguous_strides
from torchish._tensor.tensor import Tensor
from torchish.engine.expr import CPU, TRACED, Expr, aval, emit, leaf
from torchish.engine.program import force, to_device
from torchish.ops.declare import op

import jax
import jax.numpy as jnp

_new = object.__new__


def from_host(array: np.ndarray, where: str = CPU, requires_grad: bool = False) -> Tensor:
    """A tensor that owns `array` (nobody else may write it)."""
    if where == CPU:
        e = leaf(array, CPU)
    elif where == "meta":
        e = Expr(None, (), aval(array.shape, array.dtype, "meta"), array)
    else:
        e = leaf(to_device(array, where), where)
    t = Tensor._wrap(e)
    if requires_grad:
        t._as_leaf()
    return t


def _infer_dtype(data: Any) -> dt.dtype:
    """The dtype of nested Python data: the widest category among its numbers."""
    best: dt.dtype | None = None
    stack = [data]
    while stack:
        x = stack.pop()
        if isinstance(x, (list, tuple)):
            stack.extend(x)
            continue
        if isinstance(x, Tensor):
            d = x._aval.torch_dtype
        elif isinstance(x, (bool, np.bool_)):
            d = dt.bool_
        elif isinstance(x, np.generic):
            d = dt.from_np(x.dtype)
        elif isinstance(x, int):
            d = dt.int64
        elif isinstance(x, float):
            d = dt.get_default_dtype()
        elif isinstance(x, complex):
            d = dt.get_default_dtype().to_complex()
        elif isinstance(x, np.ndarray):
            d = dt.from_np(x.dtype)
        else:
            raise RuntimeError(f"Could not infer dtype of {type(x).__name__}")
        best = d if best is None else dt.promote_types(best, d)
    return dt.get_default_dtype() if best is None else best


def _shape_of(data: Any) -> tuple[int, ...]:
    shape = []
    while isinstance(data, (list, tuple)):
        shape.append(len(data))
        if not data:
            break
        data = data[0]
    if isinstance(data, Tensor):
        shape.extend(data._aval.shape)
    elif isinstance(data, np.ndarray):
        shape.extend(data.shape)
    return tuple(shape)


def _check_nested(data: Any, shape: tuple[int, ...], depth: int = 0) -> None:
    if depth == len(shape):
        if isinstance(data, (list, tuple)):
            raise TypeError(f"not a sequence")
        return
    if not isinstance(data, (list, tuple)):
        if isinstance(data, (Tensor, np.ndarray)):
            if tuple(data.shape) != shape[depth:]:
                raise ValueError(
                    f"expected sequence of length {shape[depth]} at dim {depth} (got {len(data)})"
                )
            return
        raise TypeError(f"new(): data must be a sequence (got {type(data).__name__})" if depth == 0 else f"len() of unsized object" if False else f"object of type '{type(data).__name__}' has no len()")
    if len(data) != shape[depth]:
        raise ValueError(f"expected sequence of length {shape[depth]} at dim {depth} (got {len(data)})")
    for x in data:
        _check_nested(x, shape, depth + 1)


_PLAIN = {bool: 0, int: 1, float: 2}


def _to_array(data: Any, dtype: dt.dtype | None) -> np.ndarray:
    """Nested Python data as a fresh NumPy array of the (inferred) dtype."""
    if isinstance(data, np.ndarray) or isinstance(data, np.generic):
        array = np.array(data)
        d = dtype or dt.from_np(array.dtype)
        return _convert(array, d)
    if isinstance(data, (bool, int, float, complex)):
        d = dtype or _infer_dtype(data)
        return _convert_scalar(data, d)
    if not isinstance(data, (list, tuple)):
        if isinstance(data, str):
            raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
        if hasattr(data, "__array__") or hasattr(data, "__array_interface__"):
            return _to_array(np.asarray(data), dtype)
        if hasattr(data, "__len__") and hasattr(data, "__getitem__"):
            return _to_array(list(data), dtype)
        raise RuntimeError(f"Could not infer dtype of {type(data).__name__}")
    shape = _shape_of(data)
    _check_nested(data, shape)
    d = dtype or _infer_dtype(data)
    if _has_tensors(data):
        data = _unwrapped(data)
    if 0 in shape:
        return np.zeros(shape, d.np)
    if d.is_complex:
        return np.array(data, np.complex128).astype(d.np)
    if d.category == 2:
        flat = np.array(data)
        if flat.dtype == object:
            flat = np.array(data, np.float64)
        return _convert(flat, d)
    array = np.array(data)
    if array.dtype == object:
        raise RuntimeError("Overflow when unpacking long long")
    return _convert(array, d)


def _has_tensors(data) -> bool:
    while isinstance(data, (list, tuple)) and data:
        if any(isinstance(x, Tensor) for x in data):
            return True
        data = data[0]
    return False


def _unwrapped(data):
    if isinstance(data, Tensor):
        return data.tolist()
    if isinstance(data, (list, tuple)):
        return [_unwrapped(x) for x in data]
    return data


def _convert(array: np.ndarray, d: dt.dtype) -> np.ndarray:
    if array.dtype == d.np:
        return array
    if array.dtype.kind == "c" and not d.is_complex:
        array = array.real
    with np.errstate(all="ignore"):
        if array.dtype.kind in "iu" and d.category == 1 and array.size:
            info = np.iinfo(d.np)
            low, high = int(array.min()), int(array.max())
            if (low < info.min or high > info.max) and array.dtype == np.uint64:
                raise RuntimeError(f"value cannot be converted to type {_C_TYPES.get(d.name, d.name)} without overflow")
        if array.dtype.kind == "f" and d.category == 1:
            array = np.trunc(array)
            return array.astype(np.int64).astype(d.np)
        return array.astype(d.np)


_C_TYPES = {"int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "int32": "int", "int64": "int64_t", "float32": "float", "float16": "at::Half", "bfloat16": "at::BFloat16"}


def _convert_scalar(x, d: dt.dtype) -> np.ndarray:
    if isinstance(x, complex) and not d.is_complex:
        if x.imag:
            raise RuntimeError(f"value cannot be converted to type {_C_TYPES.get(d.name, d.name)} without overflow")
        x = x.real
    if d.category == 1:
        if isinstance(x, float) and not math.isfinite(x):
            raise RuntimeError(f"value cannot be converted to type {_C_TYPES.get(d.name, d.name)} without overflow")
        n = int(x)
        info = np.iinfo(d.np)
        low = info.min if d.is_signed else -int(info.max)  # PyTorch lets a negative number wrap into an unsigned type
        if not low <= n <= info.max:
            if not -(2**63) <= n < 2**64:
                raise RuntimeError("Overflow when unpacking long long")
            raise RuntimeError(f"value cannot be converted to type {_C_TYPES.get(d.name, d.name)} without overflow")
        return np.array(n & (2 ** (8 * d.itemsize) - 1) if n < 0 and not d.is_signed else n, d.np)
    if d.category == 0:
        return np.array(bool(x))
    with np.errstate(over="ignore"):
        if isinstance(x, int) and d.category >= 2:
            x = float(x)
        return np.array(x).astype(d.np)


def tensor(data: Any, *, dtype: dt.dtype | None = None, device=None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:
    """A new leaf tensor with a copy of `data` (nested sequences, numbers, NumPy arrays, tensors)."""
    if isinstance(data, Tensor):
        import warnings

        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
            stacklevel=2,
        )
        t = data.detach().clone()
        if dtype is not None or device is not None:
            t = t.to(device=device or data.device, dtype=dtype or data.dtype)
    elif isinstance(data, jax.Array):
        t = from_jax(data)
        t = t if dtype is None else t.to(dtype)
    else:
        t = from_host(_to_array(data, dtype), resolve(device))
    if requires_grad:
        t._as_leaf()
    return t


def from_jax(array) -> Tensor:
    """A tensor that holds a JAX array or tracer (never written)."""
    if isinstance(array, jax.core.Tracer):
        return Tensor._wrap(leaf(array, TRACED))
    (d,) = array.devices() if len(array.devices()) == 1 else (next(iter(array.devices())),)
    name = CPU if d.platform == "cpu" else f"{'cuda' if d.platform in ('gpu', 'cuda') else 'xla'}:{d.id}"
    return Tensor._wrap(leaf(array, name))


def as_tensor(data: Any, dtype: dt.dtype | None = None, device=None) -> Tensor:
    """`data` as a tensor, sharing its memory when it is a tensor or NumPy array of that dtype and device."""
    if isinstance(data, Tensor):
        return data.to(device=device if device is not None else data.device, dtype=dtype or data.dtype)
    if isinstance(data, np.ndarray):
        t = from_numpy(data)
        return t.to(device=device if device is not None else "cpu", dtype=dtype or t.dtype)
    return tensor(data, dtype=dtype, device=device)


def asarray(obj: Any, *, dtype=None, device=None, copy: bool | None = None, requires_grad: bool = False) -> Tensor:
    """`obj` as a tensor; `copy` True always copies, False never (ValueError when it would have to)."""
    t = as_tensor(obj, dtype, device)
    shares = isinstance(obj, (Tensor, np.ndarray)) and (t is obj or dtype is None or dtype is (obj.dtype if isinstance(obj, Tensor) else dt.from_np(obj.dtype)))
    if copy and shares:
        t = t.detach().clone() if not t._needs() else t.clone()
    if copy is False and not shares:
        raise ValueError("can't alias object with a different dtype or device" if isinstance(obj, (Tensor, np.ndarray)) else "can't alias arbitrary sequence into a tensor.")
    if requires_grad:
        t._as_leaf()
    elif shares and isinstance(obj, Tensor) and t._needs() and not requires_grad:
        t = t.detach()
    return t


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor that shares memory with `array`: each sees the other's later writes."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    d = dt.from_np(array.dtype)
    if not array.dtype.isnative:
        raise ValueError("given numpy array has byte order different from the native byte order. Conversion between byte orders is currently not supported.")
    if any(s < 0 for s in array.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are not currently "
            "supported. (You can probably work around this by making a copy of your array  with array.copy().) "
        )
    if not array.flags.writeable:
        import warnings

        warnings.warn(
            "The given NumPy array is not writable, and PyTorch does not support non-writable tensors. This means writing "
            "to this tensor will result in undefined behavior. You may want to copy the array to protect its data or make "
            "it writable before converting it to a tensor. This type of warning will be suppressed for the rest of this "
            "program.",
            stacklevel=2,
        )
        array = array.copy()
    item = array.dtype.itemsize
    if any(s % item for s in array.strides):
        raise ValueError("given numpy array strides not a multiple of the element byte size. Copy the numpy array to reallocate the memory.")
    strides = tuple(s // item for s in array.strides)
    shape = array.shape
    if shape and 0 in shape:
        return from_host(np.zeros(shape, d.np))
    t = _new(Tensor)
    st = Storage(Expr(None, (), aval(shape, array.dtype, CPU), None))
    dense = None if strides == contiguous_strides(shape) else strides
    st.strides = dense
    st.adopt(array, strides)
    t._storage, t._aval, t._vc = st, st.expr.aval, VersionCounter()
    t._strides = dense
    return t


def frombuffer(buffer, *, dtype: dt.dtype, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A 1-d tensor over a buffer object's memory."""
    array = np.frombuffer(buffer, dtype.np, count, offset)
    t = from_numpy(array if array.flags.writeable else array.copy())
    return t._as_leaf() if requires_grad else t


# --- filled ------------------------------------------------------------------------------------------------

_FACTORY = "dtype? dtype=None, any layout=None, device? device=None, bool? requires_grad=False, bool? pin_memory=False, any memory_format=None"
_LIKE = "dtype? dtype=None, any layout=None, device? device=None, bool? requires_grad=False, bool? pin_memory=False, any memory_format=None"


@op("_full(int[] size, Number fill_value, any dtype, str device)", method=False, function=False, out=False)
def full_op(fill_value, size, dtype, device):
    return jnp.full(size, fill_value).astype(dtype)


def filled(size, value, d: dt.dtype, where: str, requires_grad: bool = False, strides=None) -> Tensor:
    """A tensor of one repeated value."""
    n = 1
    for s in size:
        n *= s
    if n > 1 << 16 and where != "meta" or where not in (CPU, "meta"):
        # large constants are computed on the device rather than carried there
        spec = full_op.spec(({float: "f", int: "i", bool: "b", complex: "c"}[type(value)],), (tuple(size), d.np, where))
        spec.infer_cache[(type(value),)] = aval(tuple(size), d.np, where)
        t = Tensor._wrap(emit(spec, (value,)), strides)
    else:
        with np.errstate(all="ignore"):
            array = np.full(size, value).astype(d.np) if value else np.zeros(size, d.np)
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


def _factory(name: str, value):
    def f(size, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None):
        return filled(check_size(size), value, dtype or dt.get_default_dtype(), resolve(device), bool(requires_grad))

    f.__doc__ = f"A tensor of {value:g}s with shape `size`."
    composite(f"{name}(int[]* size, *, {_FACTORY})", method=False, out=True)(f)

    def like(input, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None):
        return filled(
            input._aval.shape, value, dtype or input.dtype, input._aval.device if device is None else resolve(device),
            bool(requires_grad), like_strides(input, memory_format),
        )  # fmt: skip

    like.__doc__ = f"A tensor of {value:g}s with the shape, dtype and device of `input`."
    composite(f"{name}_like(Tensor input, *, {_LIKE})", method=False)(like)

    def new(self, size, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None):
        return filled(check_size(size), value, dtype or self.dtype, self._aval.device if device is None else resolve(device), bool(requires_grad))

    composite(f"new_{name}(Tensor input, int[]* size, *, {_FACTORY})", function=False)(new)


def like_strides(t: Tensor, memory_format=None):
    """The strides of a dense tensor laid out as `t` (None: contiguous)."""
    if t._strides is None or (memory_format is not None and str(memory_format) == "torch.contiguous_format"):
        return None
    from torchish._tensor.apply import permuted_strides

    return permuted_strides(t._aval.shape, [list(t._strides)])


_factory("zeros", 0.0)
_factory("ones", 1.0)
_factory("empty", 0.0)


@composite(f"full(int[] size, Number fill_value, *, {_FACTORY})", method=False, out=True)
def full(size, fill_value, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None):
    """A tensor of `fill_value`s with shape `size`."""
    d = dtype or _infer_dtype(fill_value)
    return filled(check_size(size), fill_value, d, resolve(device), bool(requires_grad))


@composite(f"full_like(Tensor input, Number fill_value, *, {_LIKE})", method=False)
def full_like(input, fill_value, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None):
    """A tensor of `fill_value`s like `input`."""
    where = input._aval.device if device is None else resolve(device)
    return filled(input._aval.shape, fill_value, dtype or input.dtype, where, bool(requires_grad), like_strides(input, memory_format))


@composite(f"new_full(Tensor input, int[] size, Number fill_value, *, {_FACTORY})", function=False)
def new_full(input, size, fill_value, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None):
    where = input._aval.device if device is None else resolve(device)
    return filled(check_size(size), fill_value, dtype or input.dtype, where, bool(requires_grad))


@composite("new_tensor(Tensor input, any data, *, dtype? dtype=None, device? device=None, bool requires_grad=False, any layout=None, bool pin_memory=False)", function=False)
def new_tensor(input, data, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    if isinstance(data, Tensor):
        return tensor(data, dtype=dtype, device=device or input.device, requires_grad=requires_grad)
    return tensor(data, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


@composite(f"empty_strided(int[] size, int[] stride, *, {_FACTORY})", method=False)
def empty_strided(size, stride, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None):
    if len(size) != len(stride):
        raise RuntimeError(f"dimensionality of sizes ({len(size)}) must match dimensionality of strides ({len(stride)})")
    strides = None if stride == contiguous_strides(size) else stride
    return filled(check_size(size), 0.0, dtype or dt.get_default_dtype(), resolve(device), bool(requires_grad), strides)


@composite(f"eye(int n, int? m=None, *, {_FACTORY})", method=False, out=True)
def eye(n, m=None, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None):
    """The identity matrix (n, m)."""
    if n < 0:
        raise RuntimeError(f"n must be greater or equal to 0, got {n}")
    if m is not None and m < 0:
        raise RuntimeError(f"m must be greater or equal to 0, got {m}")
    return from_host(np.eye(n, m).astype((dtype or dt.get_default_dtype()).np), resolve(device), bool(requires_grad))


# --- sequences ---------------------------------------------------------------------------------------------


def _arange(start, end, step, dtype, device, requires_grad):
    numbers = (start, end, step)
    if dtype is None:
        dtype = dt.get_default_dtype() if any(isinstance(x, float) for x in numbers) else dt.int64
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if any(isinstance(x, float) and not math.isfinite(x) for x in (start, end)):
        raise RuntimeError(f"unsupported range: {float(start):g} -> {float(end):g}")
    if (step > 0 and start > end) or (step < 0 and start < end):
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if all(isinstance(x, int) for x in numbers) or dtype.category == 1:
        s, e, k = (int(x) for x in numbers) if dtype.category == 1 else numbers
        n = -((s - e) // k) if k > 0 else -((e - s) // -k)
        n = max(n, 0) if dtype.category != 1 or all(isinstance(x, int) for x in numbers) else max(math.ceil((float(end) - float(start)) / float(step)), 0)
        array = (s + k * np.arange(n, dtype=np.int64)).astype(dtype.np)
    else:
        n = math.ceil((float(end) - float(start)) / float(step))
        i = np.arange(n)
        if dtype is dt.float64 or dtype.category != 2:
            array = (start + step * i.astype(np.float64)).astype(dtype.np)
        else:
            # PyTorch steps in double precision for float32 too, then rounds
            array = (start + step * i.astype(np.float64)).astype(dtype.np)
    return from_host(array, resolve(device), bool(requires_grad))


_SEQ = "dtype? dtype=None, any layout=None, device? device=None, bool? requires_grad=False, bool? pin_memory=False"


@composite(f"arange(Number end, *, {_SEQ})", method=False, out=True)
def arange(end, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """0, 1, … up to but without `end`."""
    return _arange(0, end, 1, dtype, device, requires_grad)


@composite(f"arange(Number start, Number end, Number step=1, *, {_SEQ})", method=False, out=True)
def arange_start(start, end, step=1, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """start, start + step, … up to but without `end`."""
    return _arange(start, end, step, dtype, device, requires_grad)


@composite(f"range(Number start, Number end, Number step=1, *, {_SEQ})", method=False, out=True)
def range_(start, end, step=1, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    import warnings

    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with Python's "
        "range builtin. Instead, use torch.arange, which produces values in [start, end).",
        stacklevel=3,
    )
    n = math.floor((end - start) / step) + 1
    d = dtype or dt.get_default_dtype()
    return from_host((start + step * np.arange(n, dtype=np.float64)).astype(d.np), resolve(device), bool(requires_grad))


def _linspace(start, end, steps: int, d: dt.dtype) -> np.ndarray:
    """PyTorch's rule: the first half counts up from `start`, the second half down from `end`."""
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    if steps == 0:
        return np.zeros((0,), d.np)
    if steps == 1:
        return np.array([start]).astype(d.np)
    if d.category == 1:
        s, e = np.float64(int(start)), np.float64(int(end))
        step = np.float32((e - s) / (steps - 1)) if False else (e - s) / (steps - 1)
        i = np.arange(steps)
        half = steps // 2
        return np.where(i < half, s + step * i, e - step * (steps - i - 1)).astype(np.int64).astype(d.np)
    work = np.dtype(np.float32) if d.category == 2 and d.itemsize < 8 else d.np
    s, e = np.array(start).astype(work), np.array(end).astype(work)
    step = ((e - s) / work.type(steps - 1)).astype(work)
    i = np.arange(steps).astype(work if d.category == 2 else np.float64).astype(work)
    half = steps // 2
    up, down = s + step * i, e - step * (work.type(steps) - i - work.type(1))
    return np.where(np.arange(steps) < half, up, down).astype(d.np)


@composite(f"linspace(Tensor|Number start, Tensor|Number end, int steps, *, {_SEQ})", method=False, out=True)
def linspace(start, end, steps, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """`steps` numbers evenly from `start` to `end`, both included."""
    start, end = (_bound(x, "start" if i == 0 else "end") for i, x in enumerate((start, end)))
    complex_ = isinstance(start, complex) or isinstance(end, complex)
    d = dtype or (dt.get_default_dtype().to_complex() if complex_ else dt.get_default_dtype())
    return from_host(_linspace(start, end, steps, d), resolve(device), bool(requires_grad))


def _bound(x, name):
    if isinstance(x, Tensor):
        if x._aval.ndim:
            raise RuntimeError("linspace only supports 0-dimensional start and end tensors, but got " + f"{name} with {x._aval.ndim} dimension(s).")
        return x.item()
    return x


@composite(f"logspace(Tensor|Number start, Tensor|Number end, int steps, float base=10.0, *, {_SEQ})", method=False, out=True)
def logspace(start, end, steps, base=10.0, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """`steps` powers of `base`, the exponents evenly from `start` to `end`."""
    start, end = _bound(start, "start"), _bound(end, "end")
    complex_ = isinstance(start, complex) or isinstance(end, complex)
    d = dtype or (dt.get_default_dtype().to_complex() if complex_ else dt.get_default_dtype())
    work = dt.float64 if d.category < 3 else dt.complex128
    array = np.power(float(base) if base >= 0 else complex(base), _linspace(start, end, steps, work))
    if steps == 1:
        array = np.power(base, np.array([start]).astype(work.np))
    if d.category < 3:
        array = np.real(array)
    return from_host(array.astype(d.np), resolve(device), bool(requires_grad))


# --- legacy ------------------------------------------------------------------------------------------------


def legacy_constructor(cls, args: tuple, kwargs: dict) -> Tensor:
    """`torch.Tensor(2, 3)`, `torch.FloatTensor([1, 2])`: sizes give memory, data gives a copy."""
    d = getattr(cls, "_legacy_dtype", None) or dt.get_default_dtype()
    where = getattr(cls, "_legacy_device", CPU)
    kwargs.pop("device", None)
    if len(args) == 1 and isinstance(args[0], Tensor):
        src = args[0]
        if src._aval.torch_dtype is not d and cls is not Tensor and hasattr(cls, "_legacy_dtype"):
            raise TypeError(f"expected {cls.__name__} (got {src.type()})")
        t = src._alias()
    elif len(args) == 1 and isinstance(args[0], (list, tuple, np.ndarray)) and not _is_size(args[0]):
        t = from_host(_to_array(args[0], d), where)
    elif len(args) == 1 and _is_size(args[0]):
        t = filled(tuple(args[0]), 0.0, d, where)
    elif all(isinstance(a, (int, np.integer)) and not isinstance(a, bool) for a in args):
        t = filled(check_size([int(a) for a in args]), 0.0, d, where) if args else from_host(np.zeros((0,), d.np), where)
    else:
        got = ", ".join(type_name(a) for a in args)
        raise TypeError(
            f"new(): data must be a sequence (got {type_name(args[0])})" if len(args) == 1
            else f"new() received an invalid combination of arguments - got ({got}), but expected one of:\n * (*, torch.device device = None)\n * (tuple of ints size, *, torch.device device = None)\n * (object data, *, torch.device device = None)\n"
        )
    if issubclass(cls, Tensor) and cls is not Tensor and not hasattr(cls, "_legacy_dtype"):
        t.__class__ = cls
    return t


def _is_size(x) -> bool:
    from torchish._tensor.size import Size

    return isinstance(x, Size)


class _LegacyMeta(type(Tensor)):
    def __instancecheck__(cls, x):
        return isinstance(x, Tensor) and x._aval.torch_dtype is cls._legacy_dtype and (x._aval.device != CPU) == (cls._legacy_device != CPU)

    def __call__(cls, *args, **kwargs):
        return legacy_constructor(cls, args, kwargs)

    def __repr__(cls):
        return f"<class '{cls.__module__}.{cls.__name__}'>"


def legacy_types(prefix: str = "torch", where: str = CPU) -> dict[str, type]:
    """The classes `FloatTensor`, `LongTensor`… of a device."""
    made = {}
    for d, name in dt.LEGACY_NAMES.items():
        made[name] = _LegacyMeta(name, (Tensor,), {"__module__": prefix, "_legacy_dtype": d, "_legacy_device": where, "dtype": d})
    return made


__all__ = ["apply", "cast", "cast_expr", "contiguous_strides", "device", "device_of", "force"]
