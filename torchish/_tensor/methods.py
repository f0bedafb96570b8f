"""Tensor methods that are not operations: copies and conversions, NumPy, autograd, storage."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish._tensor import size as size_module
from torchish._tensor.apply import apply, cast, make_grad_fn, write_inplace
from torchish._tensor.creation import filled, from_host, from_numpy, legacy_types, like_strides, tensor
from torchish._tensor.data import warn_of_real_part
from torchish._tensor.dispatch import NoMatch, Overload, bind, composite, plain, takes
from torchish._tensor.errors import counts_arguments, invalid_arguments, invalid_combination, plain_type_name
from torchish._tensor.layout import STRIDED, is_channels_last, memory_format, permuted_strides
from torchish._tensor.out import resize
from torchish._tensor.refusals import check_inplace, check_overlap
from torchish._tensor.size import resolve
from torchish._tensor.storage import Memory, Storage, VersionCounter, as_strided, contiguous_strides
from torchish._tensor.tensor import Tensor, readonly
from torchish.autograd.anomaly_mode import is_anomaly_check_nan_enabled, is_anomaly_enabled
from torchish.autograd.grad_mode import STATE, is_grad_enabled
from torchish.autograd.graph import GradFn, LeafHooks, named
from torchish.engine.expr import CPU, Expr, emit, leaf
from torchish.engine.program import force, to_device, without_data
from torchish.ops.declare import broadcast_shapes, op
from torchish.ops.schema import parse


@op("clone(Tensor input)", out=False, method=False, function=False, saves=(), passes=("input",))
def clone_op(input):
    return input


@op("copy_(Tensor input, Tensor src)", out=False, method=False, function=False, saves=(), flat=("input",), passes=("src",),
    grad="CopyBackwards")  # fmt: skip
def copy_op(input, src):
    import jax.numpy as jnp

    from torchish.ops.declare import to_dtype

    return jnp.broadcast_to(to_dtype(src, input.dtype), input.shape)


def format_strides(t: Tensor, fmt) -> tuple[int, ...] | None:
    """Dense strides of a copy of `t` in a memory format (None: contiguous)."""
    name = fmt if isinstance(fmt, str) else getattr(fmt, "name", "preserve_format")
    if name in ("preserve_format", "preserve"):
        return like_strides(t)
    shape = t._aval.shape
    if name in ("channels_last", "channels_last_3d"):
        n = 4 if name == "channels_last" else 5
        if len(shape) != n:
            raise RuntimeError(f"required rank {n} tensor to use {name} format")
        order = [0, *range(2, n), 1]
        strides, k = [0] * n, 1
        for d in reversed(order):
            strides[d] = k
            k *= max(shape[d], 1)
        out = tuple(strides)
        return None if out == contiguous_strides(shape) else out
    return None


@composite("clone(Tensor input, *, format? memory_format=None)")
def clone(input: Tensor, *, memory_format=None) -> Tensor:
    """A copy with memory of its own; gradients flow back to the original."""
    strides = format_strides(input, memory_format or "preserve_format")
    t = apply(clone_op.spec(("T",), ()), (input,))
    if strides is not None:
        t._strides = t._storage.strides = strides
    return t


def is_contiguous(self: Tensor, memory_format=None) -> bool:
    """Whether the memory is in row-major order (or in the given memory format)."""
    name = getattr(memory_format, "name", "contiguous_format")
    if name == "contiguous_format":
        if self._strides is None:
            return True
        expected = 1
        if self._aval.size == 0:
            return True
        for n, s in zip(reversed(self._aval.shape), reversed(self._strides), strict=True):
            if n != 1:
                if s != expected:
                    return False
                expected *= n
        return True
    if self._aval.ndim != (4 if name == "channels_last" else 5):
        return False
    want = format_strides(self, memory_format) or contiguous_strides(self._aval.shape)
    return all(n == 1 or a == b for n, a, b in zip(self._aval.shape, self.stride(), want, strict=True))


Tensor.is_contiguous = is_contiguous  # type: ignore[attr-defined]


@composite("contiguous(Tensor input, *, format? memory_format=None)", function=False)
def contiguous(input: Tensor, *, memory_format=None) -> Tensor:
    """The tensor itself when its memory is in order, else a copy that is."""
    if is_contiguous(input, memory_format):
        return input
    return clone(input, memory_format=memory_format or "contiguous_format")


# --- conversion --------------------------------------------------------------------------------------------


def _suggested_format(t: Tensor) -> str:
    """The name of the memory format that PyTorch takes a tensor's memory to be in."""
    if t._strides is None or not is_channels_last(t):
        return "contiguous_format"
    return "channels_last" if t._aval.ndim == 4 else "channels_last_3d"


def convert(t: Tensor, d: dt.dtype | None = None, where: str | None = None, copy_: bool = False, memory_format=None) -> Tensor:
    """`t` with another dtype, device or memory format (itself when nothing changes and no copy is asked for)."""
    if where is not None and where != t._aval.device and t._aval.device != "traced":
        t = _moved(t, where)
        copy_ = False
    if d is not None and d is not t._aval.torch_dtype:
        if t._aval.category == 3:
            warn_of_real_part(t._aval, d)
        made = apply(cast.spec(("T",), (d.np,)), (t,))
        if getattr(memory_format, "name", "preserve_format") != "preserve_format":
            made._strides = made._storage.strides = format_strides(made, memory_format)
        return made
    if copy_ or getattr(memory_format, "name", "preserve_format") not in ("preserve_format", _suggested_format(t)):
        made = clone(t, memory_format=memory_format)
        if made._grad_fn is not None:
            made._grad_fn.__class__ = named("ToCopyBackward0", GradFn)
        return made
    return t


@op("_to_device(Tensor input, str device)", out=False, method=False, function=False, saves=(), grad="ToCopyBackward0")
def move_op(input, device):
    return input


class DeviceMove(GradFn):
    """The backward of a move between devices: the gradient moves back."""

    source = CPU

    def _run(self, grads: list, record: bool) -> list:
        g = grads[0]
        if record:
            return [_moved(g, self.source)]
        return [leaf(_on(force(g), self.source), self.source)]


def _on(value, where: str):
    return np.asarray(value) if where == CPU else to_device(value, where)


def _moved(t: Tensor, where: str) -> Tensor:
    if t._aval.device == "meta" and where != "meta":
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")
    e = t._read()
    if where == "meta":
        made = Tensor._wrap(without_data(e.aval.shape, e.aval.dtype), like_strides(t))
    else:
        made = Tensor._wrap(leaf(_on(force(e), where), where), like_strides(t))
    if STATE.enabled and t._needs() and t._aval.category >= 2:
        fn = DeviceMove.called("ToCopyBackward0", move_op.spec(("T",), (where,)), (e,), (True,), t._edge(), made._aval)
        fn.source = t._aval.device
        made._grad_fn = fn
    return made


_TO = [
    Overload(parse(f"to({first}, bool non_blocking=False, bool copy=False, *, format? memory_format=None)"), None, None, False)
    for first in ("device? device=None, dtype? dtype=None", "dtype dtype", "Tensor|Number tensor")
]


def to(self: Tensor, *args, **kwargs) -> Tensor:
    """`to(dtype)`, `to(device)`, `to(device, dtype)`, `to(other)`; keywords non_blocking, copy, memory_format."""
    return convert(self, *parse_to(args, kwargs))


def parse_to(args: tuple, kwargs: dict) -> tuple[dt.dtype | None, str | None, bool, Any]:
    """The dtype, the device, whether to copy, and the memory format that the arguments of `to` ask for."""
    for o in _TO:
        try:
            *first, _, copy_, fmt = bind(o.schema, args, kwargs, o.converters)
        except NoMatch:
            continue
        if len(first) == 2:
            where, d = first
            return d, None if where is None else resolve(where), copy_, fmt
        (x,) = first
        if isinstance(x, dt.dtype):
            return x, None, copy_, fmt
        other = x if isinstance(x, Tensor) else tensor(x, dtype=dt.OF_PYTHON[type(x)])
        return other._aval.torch_dtype, other._aval.device, copy_, fmt
    raise invalid_arguments("to", _TO, args, kwargs, False)


Tensor.to = to  # type: ignore[attr-defined]


def _caster(name: str, d: dt.dtype):
    def f(self: Tensor, *args, **kwargs) -> Tensor:
        if not args and not kwargs:
            return convert(self, d)
        if args:
            raise TypeError(f"{name}() takes 0 positional arguments but {len(args)} {'was' if len(args) == 1 else 'were'} given")
        layout = kwargs.pop("memory_format", None)
        if kwargs:
            raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(kwargs))}'")
        if layout is not None and not isinstance(layout, memory_format):
            raise TypeError(f"{name}(): argument 'memory_format' must be torch.memory_format, not {type(layout).__name__}")
        return convert(self, d, memory_format=layout)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"The tensor as {d}."
    setattr(Tensor, name, f)


for _name, _d in {
    "float": dt.float32, "double": dt.float64, "half": dt.float16, "bfloat16": dt.bfloat16, "int": dt.int32,
    "long": dt.int64, "short": dt.int16, "char": dt.int8, "byte": dt.uint8, "bool": dt.bool_,
    "cfloat": dt.complex64, "cdouble": dt.complex128,
}.items():  # fmt: skip
    _caster(_name, _d)


def cpu(self: Tensor, memory_format=None) -> Tensor:
    """The tensor on the CPU."""
    return convert(self, where=CPU, memory_format=memory_format)


def _mover(kind: str):
    def move(self: Tensor, device=None, non_blocking: bool = False, memory_format=None) -> Tensor:
        where = size_module.device(kind if device is None else device)
        if where.type != kind:
            raise RuntimeError(f"Invalid device, must be {kind.upper() if kind == 'mtia' else kind} device")
        return convert(self, where=resolve(where), memory_format=memory_format)

    move.__name__ = kind
    move.__doc__ = f"The tensor on a device of kind {kind}; its error where there is none."
    return move


cuda, xpu, ipu, mtia = _mover("cuda"), _mover("xpu"), _mover("ipu"), _mover("mtia")


def type_(self: Tensor, dtype=None, non_blocking: bool = False):
    """The legacy type's name, or the tensor as another type (a dtype, a legacy class or its name)."""
    a = self._aval
    if dtype is None:
        prefix = "torch." if a.device in (CPU, "traced") else f"torch.{a.device.partition(':')[0]}."
        return prefix + dt.LEGACY_NAMES[a.torch_dtype]
    if isinstance(dtype, dt.dtype):
        return convert(self, dtype)
    if not isinstance(dtype, str | type):
        raise TypeError("dtype must be a type, str, or dtype object")
    made, where = _legacy_type(dtype)
    return convert(self, made, resolve(where))


def _legacy_type(kind: Any) -> tuple[dt.dtype, str]:
    """The dtype and the device of a legacy type, given by its class or its name; `torch.Tensor` is the default type."""
    if kind is Tensor or kind == "torch.Tensor":
        return dt.get_default_dtype(), CPU
    if hasattr(kind, "_legacy_dtype"):
        return kind._legacy_dtype, kind._legacy_device.partition(":")[0]
    if isinstance(kind, type):
        raise ValueError(f"invalid type: '{kind.__name__}'")
    module, _, short = kind.rpartition(".")
    for d, name in dt.LEGACY_NAMES.items():
        if name == short and module in ("torch", "torch.cuda"):
            return d, CPU if module == "torch" else "cuda"
    raise ValueError(f"invalid type: '{kind}'")


@takes("type_as(Tensor input, Tensor other)")
def type_as(self: Tensor, other: Tensor) -> Tensor:
    return convert(self, other._aval.torch_dtype, other._aval.device)


Tensor.cpu, Tensor.cuda, Tensor.type, Tensor.type_as = cpu, cuda, type_, type_as  # type: ignore[attr-defined]
Tensor.xpu, Tensor.ipu, Tensor.mtia = xpu, ipu, mtia  # type: ignore[attr-defined]


def _is_on(kind: str):
    def get(self):
        return self._aval.device.startswith(kind)

    get.__name__ = f"is_{kind}"
    return readonly(get)


Tensor.is_cuda = _is_on("cuda")  # type: ignore[attr-defined]
Tensor.is_cpu = property(lambda self: self._aval.device in (CPU, "traced"))  # type: ignore[attr-defined]
Tensor.is_meta = _is_on("meta")  # type: ignore[attr-defined]
Tensor.is_xla = _is_on("xla")  # type: ignore[attr-defined]
for _n in (
    "is_sparse", "is_sparse_csr", "is_quantized", "is_nested", "is_mkldnn", "is_mps", "is_xpu", "is_ipu", "is_vulkan", "is_maia",
    "is_mtia",
):  # fmt: skip
    setattr(Tensor, _n, False)
Tensor.get_device = lambda self: -1 if self._aval.device in (CPU, "traced", "meta") else int(self._aval.device.partition(":")[2])  # type: ignore[attr-defined]


# --- copies into ---------------------------------------------------------------------------------------------


def copy_(self: Tensor, other: Any, non_blocking: bool = False) -> Tensor:
    """Write the values of `other` (broadcast, converted) into this tensor."""
    src = other
    if not isinstance(src, Tensor):
        if type(src) not in (int, float, bool, complex) and not isinstance(src, np.generic):
            raise TypeError(f"copy_(): argument 'other' (position 1) must be Tensor, not {plain_type_name(src)}")
        src = tensor(src)
    if type(non_blocking) is not bool:
        raise TypeError(f"copy_(): argument 'non_blocking' (position 2) must be bool, not {plain_type_name(non_blocking)}")
    recording = STATE.enabled and (src._needs() or self._needs())
    check_inplace(self, recording, "copy_" if src is not self else "set_")  # onto itself nothing is written
    check_overlap(self, src)
    if src._aval.device != self._aval.device and "traced" not in (src._aval.device, self._aval.device):
        src = _moved(src, self._aval.device)
    a, b = self._aval, src._aval
    value = src._read()
    if a.shape != b.shape or a.dtype != b.dtype or type(self._storage.expr) is not Expr:  # (what is dual stays so)
        warn_of_real_part(b, a.torch_dtype)
        if a.shape != b.shape and (whole := broadcast_shapes([a.shape, b.shape])) != a.shape:
            raise RuntimeError(f"output with shape {list(a.shape)} doesn't match the broadcast shape {list(whole)}")
        value = emit(copy_op.spec(("T", "T"), ()), (self._read(), value))
    fn = None
    if recording and a.category >= 2:
        fn = make_grad_fn(copy_op.spec(("T", "T"), ()), (self, src), (self._read(), src._read()), (value,), inplace=True)
    write_inplace(self, value, fn, recording)
    return self


Tensor.copy_ = copy_  # type: ignore[attr-defined]


_SET_FORMS = [
    "()", *(
        f"({kind} source{rest})" for kind in ("torch.Storage", "Tensor")
        for rest in ("", ", int storage_offset, tuple of ints size, tuple of ints stride = None")
    ),
]  # fmt: skip


def set_(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Use another tensor's memory: `(source)`, `(source, storage_offset, size, stride)`; nothing: none."""
    given = {**dict(zip(("source", "storage_offset", "size", "stride"), args, strict=False)), **kwargs}
    source, storage_offset, size, stride = (given.get(k) for k in ("source", "storage_offset", "size", "stride"))
    parts = {"source", "storage_offset", "size"}
    complete = given.keys() in (set(), {"source"}, parts, parts | {"stride"}) and len(given) == len(args) + len(kwargs)
    if not complete or given and not isinstance(source, (Tensor, Memory)):
        raise invalid_combination("set_", _SET_FORMS, args, kwargs)
    if source is None:
        source = from_host(np.zeros((0,), self._aval.dtype))
    from torchish._tensor.fill import _C_TYPES

    if isinstance(source, Memory):
        source = source._elements(self.dtype, "type {} for argument 1 'storage'", _C_TYPES[self.dtype.name])
    if size is not None:
        source = source.as_strided(tuple(size), tuple(stride) if stride is not None else contiguous_strides(tuple(size)), storage_offset)
    check_inplace(self, STATE.enabled and (self._needs() or source._needs()), "set_")
    if source._aval.dtype != self._aval.dtype:
        raise RuntimeError(
            f"Could not set tensor of type {_C_TYPES[source._aval.torch_dtype.name]} to a tensor of type "
            f"{_C_TYPES[self._aval.torch_dtype.name]}"
        )
    counter = self._vc.apart()
    self._become(source)
    self._vc = counter
    counter.version += 1
    return self


@takes("resize_(Tensor input, int[]* size, *, format? memory_format=None)")
def resize_(self: Tensor, shape: tuple[int, ...], memory_format=None) -> Tensor:
    """Change the shape in place; new elements are undefined (here zero)."""
    if self._needs() and not STATE.inference:
        raise RuntimeError("cannot resize variables that require grad")
    if shape != self._aval.shape:
        resize(self, shape)
        self._vc.version += 1
    return self


def resize_as_(self: Tensor, other: Tensor, memory_format=None) -> Tensor:
    return resize_(self, other._aval.shape)


plain("resize_as_")(resize_as_)
Tensor.set_, Tensor.resize_, Tensor.resize_as_ = set_, resize_, resize_as_  # type: ignore[attr-defined]


def _memory(self: Tensor) -> np.ndarray:
    """A copy of the storage's elements in memory order."""
    st = self._storage
    if st.buffer is not None and st.is_shared():
        return np.array(st.buffer)
    value = np.asarray(force(st.expr))
    flat = np.zeros((st.n_elements(),), value.dtype)
    if value.size:
        as_strided(flat, st.shape, st.root_strides(), 0)[...] = value
    return flat


Tensor._memory = _memory  # type: ignore[attr-defined]


# --- NumPy -------------------------------------------------------------------------------------------------


def numpy(self: Tensor, *, force: bool = False) -> np.ndarray:
    """The tensor as a NumPy array that shares its memory. `force` detaches and copies to the host first."""
    if force:
        return numpy(self.detach().cpu().resolve_conj())
    if self._needs() and is_grad_enabled():
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
    a = self._aval
    if a.device not in (CPU, "traced"):
        raise TypeError(
            f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first."
        )
    if a.dtype.kind == "V" or a.torch_dtype.name == "bfloat16" or a.torch_dtype.name.startswith("float8"):
        raise TypeError(f"Got unsupported ScalarType {dt.SCALAR_TYPE_NAMES[a.torch_dtype]}")
    if any(s.spec.name == "conj" for s in self._chain):
        raise RuntimeError(
            "Can't call numpy() on Tensor that has conjugate bit set. Use tensor.resolve_conj().numpy() instead."
        )
    if not a.size:
        return np.empty(a.shape, a.dtype)
    st = self._storage
    if not self._on_buffer() or st.expr.aval.dtype != a.dtype:
        buffer = st.share()
        size = a.dtype.itemsize
        memory = buffer.view(np.uint8) if buffer.flags.c_contiguous else buffer
        return np.ndarray(a.shape, a.dtype, memory, self._offset * size, tuple(s * size for s in self.stride()))
    return as_strided(st.share(), a.shape, self.stride(), self._offset)


def __array__(self: Tensor, dtype=None, copy=None) -> np.ndarray:
    array = numpy(self)
    return array if dtype is None else array.astype(dtype, copy=False)


def __array_wrap__(self: Tensor, array, context=None, return_scalar=False):
    return from_numpy(np.array(array, dtype=np.uint8 if array.dtype == np.bool_ else None))  # as if there were no bool tensors


Tensor.numpy, Tensor.__array__, Tensor.__array_wrap__ = numpy, __array__, __array_wrap__  # type: ignore[attr-defined]


@composite("resolve_conj(Tensor input)")
def resolve_conj(input: Tensor) -> Tensor:
    """The tensor with a pending conjugation carried out."""
    return clone(input) if is_conj(input) else input


def is_conj(self: Tensor) -> bool:
    return sum(s.spec.name == "conj" for s in self._chain) % 2 == 1


Tensor.is_conj = is_conj  # type: ignore[attr-defined]
Tensor.is_neg = lambda self: False  # type: ignore[attr-defined]
composite("resolve_neg(Tensor input)")(lambda input: input)


# --- storage -----------------------------------------------------------------------------------------------


def data_ptr(self: Tensor) -> int:
    """A number that is equal for tensors that start at the same element of the same memory."""
    if not self._aval.size:
        return 0
    return self._storage.address() + self._offset * self._aval.dtype.itemsize


Tensor.data_ptr = data_ptr  # type: ignore[attr-defined]


@takes("is_set_to(Tensor input, Tensor tensor)")
def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    same = self._storage is tensor._storage and self._offset == tensor._offset
    return same and self.shape == tensor.shape and self.stride() == tensor.stride()


Tensor.is_set_to = is_set_to  # type: ignore[attr-defined]
Tensor.is_shared = lambda self: self._storage.buffer is not None  # type: ignore[attr-defined]
Tensor.share_memory_ = lambda self: self  # type: ignore[attr-defined]
Tensor.is_pinned = lambda self, device=None: False  # type: ignore[attr-defined]
Tensor.pin_memory = lambda self, device=None: self  # type: ignore[attr-defined]
Tensor.layout = property(lambda self: STRIDED)  # type: ignore[attr-defined]


# --- autograd ----------------------------------------------------------------------------------------------


def backward(self: Tensor, gradient=None, retain_graph=None, create_graph: bool = False, inputs=None) -> None:
    """Accumulate the gradients of this tensor into the leaves that it was computed from."""
    from torchish.autograd import backward as run

    run(self, gradient, retain_graph, create_graph, inputs=inputs)


def register_hook(self: Tensor, hook):
    """Call `hook(grad)` when this tensor's gradient is computed; a returned tensor replaces it."""
    from torchish.utils.hooks import add_hook

    if not self._needs():
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    f = self.grad_fn
    if f is not None:
        return f._add_tensor_hook(self._out_nr, hook)
    LeafHooks.any = True
    if self._leaf_hooks is None:
        self._leaf_hooks = {}
    node = self._accumulate_node()
    node._pre_hooks = self._leaf_hooks
    return add_hook(self._leaf_hooks, (0, hook))


def register_post_accumulate_grad_hook(self: Tensor, hook):
    """Call `hook(self)` after a gradient was accumulated into this leaf."""
    from torchish.utils.hooks import add_hook

    if not self._needs():
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if self.grad_fn is not None:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    LeafHooks.any = True
    if self._post_accumulate is None:
        self._post_accumulate = {}
    return add_hook(self._post_accumulate, hook)


def retain_grad(self: Tensor) -> None:
    """Keep the gradient of this non-leaf tensor in `.grad`."""
    import weakref

    if not self._needs():
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    f = self.grad_fn
    if f is None or self._retains:
        return
    if f._retained is None:
        f._retained = []
    f._retained.append((weakref.ref(self), self._out_nr))
    self._retains = True


def detach_(self: Tensor) -> Tensor:
    """Cut this tensor off from the graph that made it (nothing happens in inference mode)."""
    if STATE.inference:
        return self
    if self._base is not None:
        raise RuntimeError(
            "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for training, "
            "and gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence detach_() cannot be called "
            "on these gradients. To fix this error, please refer to the Optimizer.zero_grad() function in torch/optim/optimizer.py as "
            "the solution."
        )
    self._detached = self._grad_fn is not None or self._detached
    self._grad_fn, self._out_nr, self._requires_grad = None, 0, False
    return self


def check_subclass(cls: Any) -> None:
    """TypeError unless `cls` is a class of tensors."""
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise TypeError(
            "Creating a Tensor subclass from a class that does not inherit from Tensor is not possible. Make sure your class "
            "inherits from Tensor."
        )


@counts_arguments
def _make_subclass(cls: type, data: Tensor, require_grad: bool = False) -> Tensor:
    """`data` without its history as an instance of `cls`, made without calling the constructors of `cls`."""
    if not isinstance(cls, type):
        raise TypeError(f"cls must be a type (got {type(cls).__name__})")
    if not isinstance(data, Tensor):
        raise TypeError(f"_make_subclass(): argument 'data' (position 2) must be Tensor, not {plain_type_name(data)}")
    if type(require_grad) is not bool:
        raise TypeError(f"_make_subclass(): argument 'require_grad' (position 3) must be bool, not {plain_type_name(require_grad)}")
    check_subclass(cls)
    made = data._alias(cls)
    return made._as_leaf() if require_grad else made


plain("is_inference")(lambda input: input._inference)
plain("is_anomaly_enabled")(is_anomaly_enabled)
plain("is_anomaly_check_nan_enabled")(is_anomaly_check_nan_enabled)

for _f in (backward, register_hook, register_post_accumulate_grad_hook, retain_grad, detach_):
    setattr(Tensor, _f.__name__, _f)
Tensor._make_subclass = staticmethod(_make_subclass)  # type: ignore[attr-defined]


# --- copying and pickling ------------------------------------------------------------------------------------


def __deepcopy__(self: Tensor, memo: dict) -> Tensor:
    if id(self) in memo:
        return memo[id(self)]
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  If you "
            "were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, see "
            "https://github.com/pytorch/pytorch/pull/103001"
        )
    key = ("storage", id(self._storage))
    st = memo.get(key)
    if st is None:
        src = self._storage
        value = src.snapshot(src.shape, src.root_strides(), 0) if src.is_shared() else src.expr
        st = memo[key] = Storage(value, src.strides)
    t = object.__new__(type(self))
    t._storage, t._aval, t._vc = st, self._aval, VersionCounter()
    t._chain, t._strides, t._offset = self._chain, self._strides, self._offset
    t._requires_grad = self._requires_grad
    memo[id(self)] = t
    if self._grad is not None:
        t._grad = copy.deepcopy(self._grad, memo)
    for k, v in self.__dict__.items():
        if not k.startswith("_") or k not in _OWN:
            if k not in t.__dict__:
                t.__dict__[k] = copy.deepcopy(v, memo)
    return t


_OWN = frozenset(
    "_storage _aval _vc _chain _cached _stamp _strides _offset _grad_fn _out_nr _requires_grad _grad _base _steps "
    "_attr_version _creation _accumulator _leaf_hooks _post_accumulate _inference _retains _view_number".split()
)


def __reduce_ex__(self: Tensor, protocol):
    extra = {k: v for k, v in self.__dict__.items() if k not in _OWN}
    cls = None if type(self) is Tensor else type(self)  # `torch.Tensor` may not be importable under that name
    if self._aval.device == "meta":
        made: Any = self.shape, self.dtype
    else:
        made = np.ascontiguousarray(self._host()).reshape(self._aval.shape)
    return _rebuild, (cls, made, self._strides, self._needs(), extra)


def _rebuild(cls, made: np.ndarray | tuple, strides, requires_grad: bool, extra: dict) -> Tensor:
    """The tensor of an array, or of the shape and dtype of a meta tensor."""
    t = from_host(made) if isinstance(made, np.ndarray) else filled(made[0], 0, made[1], "meta")
    if strides is not None:
        dense = permuted_strides(t._aval.shape, [list(strides)])
        t._strides = t._storage.strides = dense
    if cls is not None:
        t.__class__ = cls
    t._requires_grad = requires_grad
    t.__dict__.update(extra)
    return t


Tensor.__deepcopy__ = __deepcopy__  # type: ignore[attr-defined]
Tensor.__reduce_ex__ = __reduce_ex__  # type: ignore[method-assign, assignment]
Tensor.__copy__ = lambda self: _shallow(self)  # type: ignore[attr-defined]


def _shallow(self: Tensor) -> Tensor:
    t = object.__new__(type(self))
    t.__dict__.update(self.__dict__)
    return t


LEGACY = legacy_types()
