"""`Parameter` and `Buffer`: tensors that a module owns."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from torchish._tensor.layout import MEMORY_FORMATS
from torchish._tensor.printing import format_parameter
from torchish._tensor.size import Size
from torchish._tensor.subclasses import disabled_torch_function, listen
from torchish._tensor.tensor import Tensor, TensorMeta
from torchish.nn._uninitialized import Refusing


class _ParameterMeta(TensorMeta):
    def __instancecheck__(cls, instance):
        if type.__instancecheck__(cls, instance):
            return True
        return isinstance(instance, Tensor) and getattr(instance, "_is_param", False) and cls is Parameter


class Parameter(Tensor, metaclass=_ParameterMeta):
    """A tensor that is registered as a parameter when it is assigned to a module's attribute."""

    __module__ = "torch.nn.parameter"
    __torch_function__ = disabled_torch_function
    _prints_as_tensor = _is_param = True

    def __new__(cls, data: Any = None, requires_grad: bool = True):
        if data is None:
            import torchish

            data = torchish.empty(0)
        if type(data) is not Tensor and not isinstance(data, Parameter) and isinstance(data, Tensor):
            t = data.detach().requires_grad_(requires_grad)
            if type(t) is not type(data):
                raise RuntimeError(
                    f"Creating a Parameter from an instance of type {type(data).__name__} requires that detach() returns an "
                    f"instance of the same type, but return type {type(t).__name__} was found instead. To use the type as a "
                    "Parameter, please correct the detach() semantics defined by its __torch_dispatch__() implementation."
                )
            t._is_param = True  # type: ignore[attr-defined]
            return t
        if not isinstance(data, Tensor):
            raise AttributeError(f"'{type(data).__name__}' object has no attribute 'detach'")
        p = data._alias(cls)
        if requires_grad:
            p._as_leaf()
        return p

    def __deepcopy__(self, memo: dict):
        if id(self) in memo:
            return memo[id(self)]
        result = type(self)(self.data.clone(memory_format=MEMORY_FORMATS["preserve_format"]), self.requires_grad)
        memo[id(self)] = result
        return result

    def __repr__(self, *, tensor_contents=None) -> str:  # type: ignore[override]
        return format_parameter(super().__repr__(tensor_contents=tensor_contents))  # type: ignore[call-arg]

    def __reduce_ex__(self, protocol):
        extra = {k: copy.copy(v) for k, v in self.__dict__.items() if not k.startswith("_")}
        cls = None if type(self) is Parameter else type(self)
        return _rebuild_parameter, (cls, self.data, self.requires_grad, extra)


def _rebuild_parameter(cls, data, requires_grad, extra):
    p = (cls or Parameter)(data, requires_grad)
    p.__dict__.update(extra)
    return p


class _BufferMeta(TensorMeta):
    def __instancecheck__(cls, instance):
        if cls is Buffer:
            return isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)
        return type.__instancecheck__(cls, instance)


class Buffer(Tensor, metaclass=_BufferMeta):
    """A tensor that is registered as a buffer when it is assigned to a module's attribute."""

    __module__ = "torch.nn.parameter"
    __torch_function__ = disabled_torch_function

    def __new__(cls, data: Any = None, *, persistent: bool = True):
        if data is None:
            import torchish

            data = torchish.empty(0)
        t = data.detach().requires_grad_(data.requires_grad)
        t.persistent = persistent
        t._is_buffer = True
        return t


class UninitializedTensorMixin(Refusing):
    """What uninitialized parameters and buffers share: a dtype and device, but no shape yet."""

    cls_to_become: Any

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def materialize(self, shape, device=None, dtype=None) -> None:
        """Give the parameter its shape (undefined values, here zeros)."""
        import torchish

        made = torchish.empty(shape, device=device or self.device, dtype=dtype or self.dtype)
        self._become(made)
        self.__class__ = self.cls_to_become

    @property
    def shape(self):
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in `load_state_dict` when "
            "trying to load an uninitialized parameter into an initialized one. Call `forward` to initialize the parameters "
            "before accessing their attributes."
        )

    def share_memory_(self):
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize the parameters before "
            "calling `module.share_memory()`."
        )

    def size(self, dim: int | None = None):
        return Size((0,)) if dim is None else 0

    def __repr__(self) -> str:
        return f"<{self.__class__.__name__}>"

    def __reduce_ex__(self, protocol):
        return _uninitialized, (isinstance(self, Parameter), self.requires_grad)


class UninitializedParameter(UninitializedTensorMixin, Parameter):  # type: ignore[misc]
    """A parameter of a lazy module before its first call."""

    __module__ = "torch.nn.parameter"
    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device=None, dtype=None):
        import torchish

        listen()
        p = torchish.empty(0, device=device, dtype=dtype)._alias(cls)
        p._requires_grad = requires_grad
        return p

    def __deepcopy__(self, memo: dict):
        if id(self) not in memo:
            memo[id(self)] = type(self)(self._requires_grad, self.device, self.dtype)
        return memo[id(self)]


class UninitializedBuffer(UninitializedTensorMixin, Tensor):  # type: ignore[misc]
    """A buffer of a lazy module before its first call."""

    __module__ = "torch.nn.parameter"
    cls_to_become = Tensor
    _is_buffer = True

    def __new__(cls, requires_grad: bool = False, device=None, dtype=None, persistent: bool = True):
        import torchish

        listen()
        t = torchish.empty(0, device=device, dtype=dtype)._alias(cls)
        t._requires_grad = requires_grad
        t.persistent = persistent
        t._is_buffer = True
        return t


def _uninitialized(is_parameter: bool, requires_grad: bool) -> Any:
    return UninitializedParameter(requires_grad) if is_parameter else UninitializedBuffer(requires_grad)


def is_lazy(param: Any) -> bool:
    """Whether a parameter or buffer has no shape yet."""
    return isinstance(param, UninitializedTensorMixin)


__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "UninitializedTensorMixin", "is_lazy"]
