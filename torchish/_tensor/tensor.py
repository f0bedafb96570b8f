"""`torch.Tensor`: a handle on a storage, with a view of it and a place in the autograd graph.

The methods that are operations are derived from the registry (`dispatch.py`); this file holds what a tensor is.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from torchish import _dtypes as dt
from torchish._tensor import printing
from torchish._tensor.chains import chain_spec
from torchish._tensor.size import Size, device, device_of
from torchish._tensor.storage import Storage, VersionCounter, as_strided, contiguous_strides
from torchish.autograd.grad_mode import STATE
from torchish.autograd.graph import AccumulateGrad, Node
from torchish.engine import program
from torchish.engine.expr import CPU, LOCAL, TRACED, Aval, Expr, count_write, emit, leaf
from torchish.engine.program import force, force_jax, to_device
from torchish.ops.views import write_spec


class ViewStep:
    """One view operation applied: its spec and dynamic arguments, and the gradient function's name."""

    __slots__ = ("spec", "dynamic")

    def __init__(self, spec, dynamic: tuple = ()):
        self.spec = spec
        self.dynamic = dynamic


def repeats(steps: tuple[ViewStep, ...]) -> bool:
    """Whether some of these views can show one place of memory more than once."""
    return any(s.spec.name in ("expand", "unfold", "as_strided") for s in steps)


def readonly(get: Any) -> property:
    """A property that cannot be assigned or deleted, in PyTorch's words."""

    def refuse(self, value=None):
        raise AttributeError(f"attribute '{get.__name__}' of 'torch._C.TensorBase' objects is not writable")

    return property(get, refuse, refuse, get.__doc__)


def _complete() -> bool:
    from torchish._tensor.namespace import complete

    return complete()


class TensorMeta(type):
    """The class of `Tensor`, which lists the methods of families that are not loaded yet, too."""

    if TYPE_CHECKING:

        def __getattr__(cls, name: str) -> Any: ...

    def __dir__(cls) -> list[str]:
        _complete()
        return [name for name in super().__dir__() if hasattr(cls, name)]


class Tensor(metaclass=TensorMeta):
    """A multi-dimensional array of one dtype on one device (shape `Size`, strides in elements)."""

    __module__ = "torch"
    __array_priority__ = 1000

    # What most tensors share; an instance sets only what differs.
    _chain: tuple[ViewStep, ...] = ()  # from the storage's root to this tensor
    _cached: Expr | None = None  # a view's value when the storage had `_stamp` writes
    _stamp = -1
    _strides: tuple[int, ...] | None = None  # None: contiguous
    _offset = 0
    _grad_fn: Node | None = None
    _out_nr = 0
    _requires_grad = False
    _detached = False  # whether `detach_` took its history away
    _grad: Tensor | None = None
    _base: Tensor | None = None  # the tensor that this is a (differentiable) view of
    _steps: tuple[ViewStep, ...] = ()  # from `_base` to this tensor
    _reshaped = False  # whether the geometry was changed in place, so that steps of views from here no longer hold
    _attr_version = 0  # the version at which a view's `_grad_fn` was right
    _creation: str | None = None  # why a view must not be changed in place: "multi", "no_grad", "inference"
    _accumulator: Any = None  # weak reference to the leaf's AccumulateGrad
    _leaf_hooks: dict | None = None
    _post_accumulate: dict | None = None
    _inference = False
    _retains = False
    _names = None

    _storage: Storage
    _aval: Aval
    _vc: VersionCounter

    if TYPE_CHECKING:  # the methods that are derived from the declarations

        def __getattr__(self, name: str) -> Any: ...
        def __add__(self, other: Any) -> Any: ...
        __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __pow__ = __rpow__ = __add__
        __matmul__ = __mod__ = __floordiv__ = __and__ = __or__ = __xor__ = __add__
        __lt__ = __le__ = __gt__ = __ge__ = __add__

        def __eq__(self, other: object) -> Any: ...
        def __ne__(self, other: object) -> Any: ...
        def __pos__(self) -> Any: ...
        def __neg__(self) -> Any: ...
        def __invert__(self) -> Any: ...
        def __getitem__(self, index: Any) -> Any: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...

    def __new__(cls, *args, **kwargs):
        from torchish._tensor.creation import legacy_constructor

        return legacy_constructor(cls, args, kwargs)

    def __init__(self, *args, **kwargs):
        pass

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        register_pytree(cls)
        if vars(cls).get("__torch_function__", cls) is not None:
            from torchish._tensor.subclasses import prepare

            prepare(cls)

    # --- making -----------------------------------------------------------------------------------------------

    @staticmethod
    def _wrap(expr: Expr, strides: tuple[int, ...] | None = None) -> Tensor:
        """A new tensor with its own storage holding `expr`."""
        t = Tensor._wrap_recorded(expr)
        if strides is not None:
            t._strides = t._storage.strides = strides
        if STATE.inference:
            t._inference = True
        return t

    @staticmethod
    def _wrap_recorded(expr: Expr) -> Tensor:
        """`_wrap` for contiguous results where operations are recorded, so not in inference mode."""
        t = _new(Tensor)
        t._storage = t._vc = Storage(expr)
        t._aval = expr.aval
        return t

    def _alias(self, cls: type | None = None) -> Tensor:
        """A tensor on the same storage with the same geometry and no autograd history."""
        t: Tensor = _new(cls or Tensor)
        t._storage = self._storage
        t._aval = self._aval
        t._vc = self._vc
        t._chain = self._chain
        t._strides = self._strides
        t._offset = self._offset
        t._cached, t._stamp = self._cached, self._stamp
        if self._inference:
            t._inference = True
        return t

    def _become(self, other: Tensor) -> None:
        """Take over another tensor's storage, geometry and history (in-place shape changes, `set_`)."""
        for name in ("_storage", "_aval", "_vc", "_chain", "_strides", "_offset", "_cached", "_stamp"):
            setattr(self, name, getattr(other, name))
        self._reshaped = True

    # --- values -----------------------------------------------------------------------------------------------

    def _read(self) -> Expr:
        """The present value as an expression."""
        st = self._storage
        if st.buffer is not None and st.is_shared():
            if self._on_buffer():
                return st.snapshot(self._aval.shape, self.stride(), self._offset)
            st.expr = st.snapshot(st.shape, st.root_strides(), 0)
            st.writes += 1
        if not self._chain:
            return st.expr
        if self._stamp != st.writes:
            e = st.expr
            if program.REMOTE is not None and e.value is not None and st.strides is None and self._on_buffer():
                # in a forked process a part of an array is cut out here: only what is needed travels to be computed with
                flat = np.asarray(e.value).reshape(-1)
                e = leaf(as_strided(flat, self._aval.shape, self.stride(), self._offset), e.aval.device)
            else:
                chain = self._chain
                if LOCAL.capture is not None:
                    e, chain = LOCAL.capture.nearest(self, e, chain)
                spec, dynamic = chain_spec(chain)
                e = emit(spec, (e, *dynamic))
            self._cached, self._stamp = e, st.writes
        return self._cached  # type: ignore[return-value]

    def _on_buffer(self) -> bool:
        """Whether this view is plain strided memory of the storage's own dtype."""
        return self._storage.expr.aval.dtype == self._aval.dtype and not any(
            s.spec.name in ("conj", "view_as_complex") for s in self._chain
        )

    def _write(self, expr: Expr) -> None:
        """Replace the value (same shape and dtype); every alias sees it. The version is the caller's business."""
        st = self._storage
        if type(expr) is not Expr:
            from torchish._tensor.levels import check_write

            check_write(self, expr)
        if st.buffer is not None and st.is_shared():
            if self._on_buffer():
                st.write_shared(np.asarray(force(expr)), self._aval.shape, self.stride(), self._offset)
                return
            st.expr = st.snapshot(st.shape, st.root_strides(), 0)
            new = self._written(st.expr, expr)
            st.write_shared(np.asarray(force(new)), st.shape, st.root_strides(), 0)
            return
        if not self._chain:
            st.expr = expr
            st.writes += 1
            return
        st.expr = self._written(st.expr, expr)
        st.writes += 1
        self._cached, self._stamp = expr, st.writes
        count_write()

    def _written(self, root: Expr, expr: Expr) -> Expr:
        """The root's value after `expr` is written through the chain of views."""
        chain = self._chain
        if repeats(chain[:-1]):
            # places that a view shows twice would be written back twice, once with the old value
            from torchish._tensor.geometry import root_steps

            chain = root_steps(self, self._aval.shape, self.stride(), self._offset)
        spec, dynamic = chain_spec(chain)
        return emit(write_spec(spec), (root, expr, *dynamic))

    def _host(self) -> np.ndarray:
        """The value as a host array (possibly read-only)."""
        if self._aval.device == "meta":
            raise NotImplementedError("Cannot copy out of meta tensor; no data!")
        return np.asarray(force(self._read()))

    # --- what it is -------------------------------------------------------------------------------------------

    @readonly
    def shape(self) -> Size:
        return _size(self._aval.shape)

    @readonly
    def dtype(self) -> dt.dtype:
        return self._aval.torch_dtype

    @readonly
    def device(self) -> device:
        return device_of(self._aval.device)

    @readonly
    def ndim(self) -> int:
        return self._aval.ndim

    def dim(self) -> int:
        return self._aval.ndim

    def ndimension(self) -> int:
        return self._aval.ndim

    def numel(self) -> int:
        return self._aval.size

    def nelement(self) -> int:
        return self._aval.size

    def element_size(self) -> int:
        return self._aval.dtype.itemsize

    @readonly
    def itemsize(self) -> int:
        return self._aval.dtype.itemsize

    @readonly
    def nbytes(self) -> int:
        return self._aval.size * self._aval.dtype.itemsize

    def stride(self, *dim: int | None, **named: Any):
        """Strides in elements: all, or that of one dimension."""
        if not dim and not named:
            return self._strides if self._strides is not None else contiguous_strides(self._aval.shape)
        from torchish._tensor.view_methods import stride_of

        return stride_of(self, *dim, **named)

    def storage_offset(self) -> int:
        return self._offset

    def is_complex(self) -> bool:
        return self._aval.category == 3

    def is_floating_point(self) -> bool:
        return self._aval.category == 2

    def is_signed(self) -> bool:
        return self._aval.torch_dtype.is_signed

    # --- autograd ---------------------------------------------------------------------------------------------

    def _needs(self) -> bool:
        """Whether gradients flow to this tensor."""
        return self._requires_grad or self._grad_fn is not None or (self._base is not None and self._base._needs())

    @property
    def requires_grad(self) -> bool:
        return self._needs()

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise RuntimeError("requires_grad must be a bool")
        if value and self._aval.category < 2:
            raise RuntimeError("only Tensors of floating point and complex dtype can require gradients")
        self.requires_grad_(value)

    @requires_grad.deleter
    def requires_grad(self) -> None:
        raise RuntimeError("requires_grad must be a bool")

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Record operations on this tensor from now on (a leaf of a floating or complex dtype)."""
        if not isinstance(requires_grad, bool):
            raise TypeError(
                "requires_grad_(): argument 'requires_grad' (position 1) must be bool, not "
                f"{type(requires_grad).__name__}"
            )
        if requires_grad and self._aval.category < 2:
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        if self._grad_fn is not None:
            if not requires_grad:
                raise RuntimeError(
                    "you can only change requires_grad flags of leaf variables. If you want to use a computed variable "
                    "in a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
                )
            return self
        if requires_grad and self._inference and not STATE.inference:
            raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
        self._requires_grad = bool(requires_grad)
        return self

    def _as_leaf(self) -> Tensor:
        """Record operations on this new tensor (what `requires_grad=True` asks of a constructor)."""
        if self._aval.category < 2:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        self._requires_grad = True
        return self

    @readonly
    def grad_fn(self) -> Node | None:
        base = self._base
        if base is not None and self._attr_version != self._vc.version and (self._grad_fn is not None or base._needs()):
            from torchish._tensor.apply import regenerate_view

            regenerate_view(self)
        return self._grad_fn

    @readonly
    def is_leaf(self) -> bool:
        return self.grad_fn is None

    @readonly
    def output_nr(self) -> int:
        return self._out_nr

    @readonly
    def _version(self) -> int:
        if self._inference:
            raise RuntimeError("Inference tensors do not track version counter.")
        return self._vc.version

    def _is_view(self) -> bool:
        return self._base is not None

    def is_inference(self) -> bool:
        return self._inference

    @readonly
    def retains_grad(self) -> bool:
        return self._retains

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient of a leaf (or of a tensor that retains it)."""
        if self._grad is None and not self._requires_grad and self._grad_fn is not None and not self._retains:
            import warnings

            from torchish._tensor.data import triggered

            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't "
                "be populated during autograd.backward(). If you indeed want the .grad field to be populated for a "
                "non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by "
                "mistake, make sure you access the leaf Tensor instead. See github.com/pytorch/pytorch/pull/30531 for "
                "more information." + triggered("build/aten/src/ATen/core/TensorBody.h:493"),
                stacklevel=2,
            )
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}")
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad")
            if value._aval.shape != self._aval.shape:
                raise RuntimeError(
                    f"attempting to assign a gradient of size '{list(value._aval.shape)}' to a tensor of size "
                    f"'{list(self._aval.shape)}'. Please ensure that the gradient and the tensor are the same size"
                )
            if value._aval.dtype != self._aval.dtype:
                from torchish._tensor.fill import _C_TYPES

                given, own = value._aval.torch_dtype, self._aval.torch_dtype
                raise RuntimeError(
                    f"attempting to assign a gradient with dtype '{_C_TYPES.get(given.name, given.name)}' to a tensor with "
                    f"grad_dtype '{dt.SCALAR_TYPE_NAMES[own]}'. The gradient must match the tensor's grad_dtype (defaults to "
                    "the tensor's dtype). You can set the tensor's grad_dtype attribute with a specific dtype, or None to "
                    "allow any dtype. Set grad_dtype with caution. Diverging the dtypes of a tensor and its gradient may "
                    "break downstream systems that assume they match."
                )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def _edge(self) -> tuple[Node | None, int]:
        """Where this tensor's gradient goes: its function, or a leaf's accumulator."""
        f = self._grad_fn if self._base is None else self.grad_fn
        if f is not None:
            return f, self._out_nr
        return (self._accumulate_node(), 0) if self._requires_grad else (None, 0)

    def _accumulate_node(self) -> AccumulateGrad:
        ref = self._accumulator
        node = ref() if ref is not None else None
        if node is None:
            node = AccumulateGrad(self)
            if self._leaf_hooks is not None:
                node._pre_hooks = self._leaf_hooks
            self._accumulator = weakref.ref(node)
        return node

    @property
    def data(self) -> Tensor:
        """The same memory outside autograd, with a version counter of its own."""
        t = self._alias()
        t._vc = VersionCounter()
        return t

    @data.setter
    def data(self, other: Tensor) -> None:
        if not isinstance(other, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(other).__name__}")
        if self._needs() and other._aval.category < 2:
            raise RuntimeError(
                "data set to a tensor that requires gradients must be floating point or complex dtype"
            )
        counter = self._vc.apart()
        self._become(other)
        self._vc = counter
        node = self._accumulator() if self._accumulator is not None else None
        if node is not None:
            node._avals = (self._aval,)

    @data.deleter
    def data(self) -> None:
        raise RuntimeError("Deleting tensor data is not allowed. Delete tensor instead!")

    # --- Python's protocols -----------------------------------------------------------------------------------

    def __repr__(self, *, tensor_contents=None) -> str:
        return self._text(tensor_contents)

    def _text(self, tensor_contents=None, tangent: str | None = None) -> str:
        a = self._aval
        if a.device is TRACED and type(self._storage.expr) is Expr:
            return f"tensor(<traced {a.dtype.name}{list(a.shape)}>)"
        meta = a.device == "meta"
        f = self.grad_fn
        name = None
        if f is not None:
            name = type(f).__name__
        cls = type(self)
        plain = cls is Tensor or "_prints_as_tensor" in vars(cls)
        if type(self._storage.expr) is not Expr:
            from torchish._tensor.levels import text

            if (inside := text(self)) is not None:
                return inside
        return printing.format_tensor(
            None if meta else np.asarray(force(self.detach()._read())),
            dtype=f"torch.{a.torch_dtype.name}",
            default_dtype=f"torch.{dt._default.name}",
            shape=a.shape,
            device=None if a.device == CPU else a.device,
            grad_fn=name,
            requires_grad=self._needs(),
            tangent=tangent,
            class_name=None if plain else cls.__name__,
            is_parameter=getattr(self, "_is_param", False),
            tensor_contents=tensor_contents,
        )

    def __format__(self, spec: str) -> str:
        scalar = self._aval.ndim == 0 and self._aval.device != "meta" and type(self) is Tensor
        return printing.format_object(self, self.item() if scalar else None, spec)

    def item(self):
        """The value of a one-element tensor as a Python number."""
        if self._aval.size != 1:
            if type(self._storage.expr) is not Expr:
                _refuse_batched(self, "BATCHED_VALUE")
            raise RuntimeError(f"a Tensor with {self._aval.size} elements cannot be converted to Scalar")
        if self._aval.device == "meta":
            raise RuntimeError("Tensor.item() cannot be called on meta tensors")
        v = force(self._read())
        return _to_python(np.asarray(v).reshape(()).item())

    def tolist(self):
        """The values as (nested lists of) Python numbers."""
        if type(self._storage.expr) is not Expr:
            _refuse_batched(self, "NO_MEMORY")
        a = self._host()
        if a.dtype.kind == "V" or a.dtype.name not in np.sctypeDict:
            a = a.astype(np.float32)
        return a.tolist()

    def __bool__(self) -> bool:
        if self._aval.size == 0:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        if self._aval.size > 1:
            raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
        if type(self._storage.expr) is not Expr:
            _refuse_batched(self, "BRANCH")
        return bool(self.item())

    def __int__(self) -> int:
        v = self._scalar()
        if isinstance(v, complex):
            if v.imag:
                raise RuntimeError("value cannot be converted to type int64_t without overflow")
            v = v.real
        return int(v)

    def __float__(self) -> float:
        if STATE.enabled and self._needs():
            from torchish._tensor.data import triggered, warn_once

            warn_once(
                "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
                "Consider using tensor.detach() first." + triggered("torch/csrc/autograd/generated/python_variable_methods.cpp:822")
            )
        v = self._scalar()
        if isinstance(v, complex):
            if v.imag:
                raise RuntimeError("value cannot be converted to type double without overflow")
            v = v.real
        return float(v)

    def __complex__(self) -> complex:
        return complex(self._scalar())

    def _scalar(self):
        if self._aval.size != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return self.item()

    def __index__(self) -> int:
        if self._aval.size != 1 or self._aval.category > 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __len__(self) -> int:
        if not self._aval.ndim:
            raise TypeError("len() of a 0-d tensor")
        return self._aval.shape[0]

    def __iter__(self):
        if not self._aval.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __contains__(self, element) -> bool:
        if isinstance(element, (Tensor, bool, int, float, complex)):
            return bool((self == element).any().item())
        raise RuntimeError(
            f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}."
        )

    def __hash__(self) -> int:
        return id(self)

    def __dir__(self):
        _complete()
        known = set(dir(type(self)))
        return sorted({name for name in object.__dir__(self) if name in known or name in vars(self)})

    def jax(self) -> jax.Array:
        """The value as a JAX array (shared: never written by torchish afterwards)."""
        e = self._read()
        v = force_jax(e)
        e.donatable = False
        return v

    def __jax_array__(self):
        return self.jax()


def _refuse_batched(t: Tensor, message: str) -> None:
    from torchish._tensor.levels import refuse_batched
    from torchish.engine import levels

    refuse_batched(t, getattr(levels, message))


_new = object.__new__
_sizes: dict[tuple, Size] = {}


def _size(shape: tuple[int, ...]) -> Size:
    s = _sizes.get(shape)
    if s is None:
        if len(_sizes) > 10000:
            _sizes.clear()
        s = _sizes[shape] = Size(shape)
    return s


def _to_python(v):
    return float(v) if not isinstance(v, (bool, int, float, complex)) else v


def _flatten(t: Tensor):
    e = t._read()
    v = force(e) if e.aval.device is not TRACED else e.value
    if isinstance(v, (np.ndarray, np.generic)):
        v = to_device(v, t._aval.device)
        e.value = v
    e.donatable = False
    return (v,), None  # requires_grad stays behind: parameters and their gradients are trees of one kind


def register_pytree(cls: type) -> None:
    """Make JAX see tensors of this class as a tree with one leaf, their value."""

    def unflatten(_, children):
        (v,) = children
        if not hasattr(v, "dtype") or not hasattr(v, "shape") or isinstance(v, (jax.ShapeDtypeStruct, Tensor)):
            return v  # a placeholder of a tree transformation, or a tree inside a tree, not an array
        t = Tensor._wrap(leaf(v, TRACED if isinstance(v, jax.core.Tracer) else CPU))
        if cls is not Tensor:
            t.__class__ = cls
        return t

    jax.tree_util.register_pytree_node(cls, _flatten, unflatten)


register_pytree(Tensor)
