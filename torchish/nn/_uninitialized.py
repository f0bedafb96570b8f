"""What parameters and buffers without a shape refuse: everything but changing dtype and device, and getting a shape."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

from torchish._tensor.builtin_methods import BuiltInMethod
from torchish._tensor.subclasses import disabled_torch_function
from torchish._tensor.tensor import Tensor

# The methods that may be called.
_ALLOWED = frozenset(
    "size copy_ is_complex is_floating_point half float double char short int long cuda cpu to get_device "
    "materialize share_memory_".split()
)

# Methods that PyTorch has written in Python show as functions of Tensor.
_OF_PYTHON = frozenset(
    "backward dim_order index istft module_load norm register_hook register_post_accumulate_grad_hook resize resize_as split "
    "stft storage storage_type to_sparse_coo unflatten unique unique_consecutive".split()
)

# What PyTorch's operators show as: a method of another name, or a function of Tensor ("=").
_OPERATORS = {
    "__abs__": "abs", "__add__": "add", "__radd__": "add", "__iadd__": "add_", "__sub__": "sub", "__isub__": "sub_", "__rsub__": "=",
    "__mul__": "mul", "__rmul__": "mul", "__imul__": "mul_", "__truediv__": "div", "__itruediv__": "div_", "__rtruediv__": "=__rdiv__",
    "__floordiv__": "=", "__rfloordiv__": "=", "__ifloordiv__": "floor_divide_", "__mod__": "remainder", "__imod__": "remainder_",
    "__rmod__": "=", "__pow__": "pow", "__ipow__": "pow_", "__rpow__": "=", "__matmul__": "matmul", "__rmatmul__": "matmul",
    "__neg__": "neg", "__pos__": "positive",
    "__lt__": "lt", "__le__": "le", "__gt__": "gt", "__ge__": "ge", "__ne__": "ne", "__rand__": "bitwise_and",
    "__ror__": "bitwise_or", "__rxor__": "bitwise_xor", "__rlshift__": "=", "__rrshift__": "=", "__iter__": "dim", "__len__": "=",
    "__contains__": "=", "__reversed__": "=", "__format__": "=", "__array__": "=",
    **{f"__{n}__": f"__{n}__" for n in "and or xor lshift rshift iand ior ixor ilshift irshift invert eq".split()},
    **{n: n for n in ("__bool__", "__int__", "__float__", "__complex__", "__index__")},
}  # fmt: skip


def _unusable(shown: str, kind: type) -> ValueError:
    return ValueError(
        f"Attempted to use an uninitialized parameter in {shown}. This error happens when you are using a `LazyModule` or explicitly "
        f"manipulating `torch.nn.parameter.{kind.__name__}` objects. When using LazyModules Call `forward` with a dummy batch to "
        "initialize the parameters before calling torch functions"
    )


def _shown_method(name: str) -> str:
    if name.startswith("=") or name in _OF_PYTHON:
        return f"<function Tensor.{name.lstrip('=')} at {hex(id(_shown_method))}>"
    return f"<method '{name}' of 'torch._C.TensorBase' objects>"


def _refusing(shown: str) -> Callable:
    def refuse(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise _unusable(shown, type(self))

    return refuse


def _torch_function(cls: type, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
    """Refuse a call; `Tensor`'s own methods that are allowed ask nothing."""
    import torchish
    from torchish.nn import functional

    name = func.__name__
    method = getattr(Tensor, name, None) is func
    if method and name in _ALLOWED:
        return disabled_torch_function(func, types, args, kwargs)
    of_python = getattr(functional, name, None) is func and getattr(torchish, name, None) is not func
    at = hex(id(func))
    shown = f"<function {name} at {at}>" if of_python else f"<built-in method {name} of type object at {at}>"
    if method:
        shown = _shown_method(name)
    raise _unusable(shown, cls)


class Refusing:
    """A tensor class whose instances let nothing be computed with them."""

    __torch_function__: Any = classmethod(_torch_function)
    _refuses = True  # its methods need no wrapping

    def __getattribute__(self, name: str) -> Any:
        if name[:1] != "_" and name not in _ALLOWED:
            found = getattr(type(self), name, None)
            if isinstance(found, FunctionType | BuiltInMethod) and getattr(Tensor, name, None) is found:
                return _refusing(_shown_method(name)).__get__(self)
        return super().__getattribute__(name)

    __hash__ = Tensor.__hash__


for _name, _as in _OPERATORS.items():
    setattr(Refusing, _name, _refusing(_shown_method("=" + (_as[1:] or _name) if _as[0] == "=" else _as)))
for _name in ("__getitem__", "__setitem__"):
    setattr(Refusing, _name, _refusing(f"<slot wrapper '{_name}' of 'torch._C.TensorBase' objects>"))
