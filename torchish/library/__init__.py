"""`torch.library`: operators of one's own, written in Python.

_schema     schemas: `(Tensor x, int n=2) -> Tensor`, and the checks of calls
_infer      schemas from annotations
_operators  `torch.ops.<namespace>.<name>`: kernels, gradients, batches
_custom_op  `custom_op` and what it gives
_opcheck    tests for operators
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torchish._runner import missing_attribute
from torchish.library._custom_op import DEFINITIONS, CustomOpDef, custom_op, device_types_of, tags_of
from torchish.library._infer import infer_schema
from torchish.library._opcheck import opcheck
from torchish.library._operators import ANY_DEVICE, OpOverload, OpOverloadPacket, add, find, remove
from torchish.library._schema import parse
from torchish.library._tags import Tag

__all__ = [
    "CustomOpDef", "Library", "OpOverload", "Tag", "custom_op", "define", "get_ctx", "impl", "impl_abstract", "infer_schema", "opcheck",
    "register_autocast", "register_autograd", "register_fake", "register_kernel", "register_vmap",
]  # fmt: skip

_RESERVED = ("prim",)
# What a dispatch key is here: a kind of device. All others say how kernels and PyTorch's autograd work together.
_KEYS = {
    "": ANY_DEVICE, "compositeexplicitautograd": ANY_DEVICE, "compositeimplicitautograd": ANY_DEVICE, ANY_DEVICE: ANY_DEVICE, "cpu": "cpu",
    "cuda": "cuda", "xpu": "xpu", "mps": "mps", "xla": "xla", "meta": "meta",
}  # fmt: skip


class Library:
    """Operators of a namespace: kind "DEF" makes one, "FRAGMENT" adds to one, "IMPL" gives kernels to what is there."""

    _made: set[str] = set()

    def __init__(self, ns: str, kind: str, dispatch_key: str = ""):
        if kind not in ("IMPL", "DEF", "FRAGMENT"):
            raise ValueError(f"Unsupported kind: {kind}")
        if ns in _RESERVED and kind in ("DEF", "FRAGMENT"):
            raise ValueError(f"{ns} is a reserved namespace. Please try creating a library with another name.")
        if kind == "DEF":
            if ns in Library._made:
                raise RuntimeError(
                    f"Only a single TORCH_LIBRARY can be used to register the namespace {ns}; please put all of your definitions in a "
                    "single TORCH_LIBRARY block.  If you were trying to specify implementations, consider using TORCH_LIBRARY_IMPL (which "
                    "can be duplicated).  If you really intended to define operators for a single namespace in a distributed way, you can "
                    "use TORCH_LIBRARY_FRAGMENT to explicitly indicate this."
                )
            Library._made.add(ns)
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key
        self._defined: list[OpOverload] = []

    def __repr__(self) -> str:
        return f"Library(kind={self.kind}, ns={self.ns}, dispatch_key={self.dispatch_key})>"

    def define(self, schema: str, alias_analysis: str = "", *, tags: Any = ()) -> str:
        """Define `name(arguments) -> returns`; its name is given back."""
        parsed = parse(f"{self.ns}::{schema.strip()}")
        op = OpOverload(parsed, tags_of(tags))
        if find(op.name()) is not None:
            raise RuntimeError(
                f"Tried to register an operator ({parsed}) with the same name and overload name multiple times. Each overload's schema "
                "should only be registered with a single call to def()."
            )
        self._defined.append(add(op))
        return op._opname

    def impl(self, op_name: str | OpOverload, fn: Callable, dispatch_key: str = "", *, with_keyset: bool = False,
             allow_override: bool = False) -> None:  # fmt: skip
        """Make a function the kernel of an operator, for a kind of device ("CPU") or for all."""
        if not callable(fn):
            raise TypeError(f"Input function is required to be a callable but found type {type(fn)}")
        name = op_name.name() if isinstance(op_name, OpOverload) else op_name
        _set_kernel(name if "::" in name else f"{self.ns}::{name}", dispatch_key or self.dispatch_key, fn)

    def _destroy(self) -> None:
        for op in self._defined:
            remove(op)
        self._defined.clear()
        if self.kind == "DEF":
            Library._made.discard(self.ns)


def _set_kernel(name: str, key: str, fn: Callable) -> None:
    kind = _KEYS.get(key.lower())
    if kind is None:
        raise NotImplementedError(
            f"torchish has no kernels for the dispatch key '{key}': kernels are for kinds of devices, and gradients are those of "
            "torch.library.register_autograd"
        )
    op = _operator(name)
    if kind == "meta":
        op.fake = fn
    else:
        op.kernels[kind] = fn


def _operator(op: Any, who: str = "") -> OpOverload:
    if isinstance(op, CustomOpDef):
        return op._opoverload
    if isinstance(op, OpOverloadPacket):
        return op.default
    if isinstance(op, OpOverload):
        return op
    if not isinstance(op, str):
        raise ValueError(f"{who}({op}): got unexpected type for op: {type(op)}")
    found = find(op)
    if found is None:
        raise RuntimeError(f"operator {op} does not exist")
    return found


def _definition(op: OpOverload) -> CustomOpDef | None:
    found = DEFINITIONS.get(op.name())
    return found if found is not None and found._opoverload is op else None


def define(qualname: str, schema: str | None = None, *, lib: Library | None = None, tags: Any = ()) -> Any:
    """Define the operator `namespace::name` with a schema `(arguments) -> returns`."""
    if not isinstance(qualname, str):
        raise ValueError(f"define(qualname, schema): expected qualname to be instance of str, got {type(qualname)}")
    space, _, name = qualname.partition("::")
    if schema is None:
        raise TypeError("define() missing 1 required positional argument: 'schema'")
    (lib or Library(space, "FRAGMENT")).define(name + schema, tags=tags)


def impl(qualname: Any, types: str | Sequence[str], func: Any = None, *, lib: Library | None = None) -> Any:
    """Make a function the kernel of an operator for kinds of devices ("cpu", "default": all); a decorator when none is given.

    Also `impl(library, name, dispatch_key)`, a decorator.
    """
    if isinstance(qualname, Library):
        library, name, key = qualname, types, func or ""

        def wrap(f: Callable) -> Callable:
            library.impl(name, f, key)  # type: ignore[arg-type]
            return f

        return wrap

    def register(f: Callable) -> None:
        for kind in [types] if isinstance(types, str) else types:
            _set_kernel(qualname, kind, f)

    return register if func is None else register(func)


def register_kernel(
    op: Any, device_types: str | Sequence[str] | None, func: Callable | None = None, /, *, lib: Library | None = None
) -> Any:
    """Make a function the kernel of an operator for kinds of devices; a decorator when none is given."""
    found = _operator(op, "register_kernel")
    definition = _definition(found)

    def register(f: Callable) -> Callable:
        if definition is not None:
            return definition.register_kernel(device_types, f)
        for kind in device_types_of(device_types):
            found.kernels[kind] = f
        return f

    return register if func is None else register(func)


def register_fake(
    op: Any, func: Callable | None = None, /, *, lib: Library | None = None, _stacklevel: int = 1, allow_override: bool = False
) -> Any:
    """Say what an operator's results have for shapes and dtypes: what it gives for tensors on the meta device."""

    def register(f: Callable) -> Callable:
        _operator(op, "register_fake").fake = f
        return f

    if not isinstance(op, (str, OpOverload, CustomOpDef)):
        raise ValueError(f"register_fake({op}): got unexpected type for op: {type(op)}")
    return register if func is None else register(func)


impl_abstract = register_fake


def register_autograd(op: Any, backward: Callable, /, *, setup_context: Callable | None = None, lib: Library | None = None) -> None:
    """Give an operator a gradient: `backward(ctx, *grads)`, for which `setup_context(ctx, inputs, output)` saves what it needs."""
    found = _operator(op, "register_autograd")
    found.set_gradient(backward, setup_context, repr(_definition(found) or found))


def register_vmap(op: Any, func: Callable | None = None, /, *, lib: Library | None = None) -> Any:
    """Give an operator a rule for `torch.vmap`: `func(info, in_dims, *args)` returns (results, their batch dimensions)."""
    found = _operator(op, "register_vmap")

    def register(f: Callable) -> None:
        found.vmap = f

    return register if func is None else register(func)


def register_autocast(op: Any, device_type: str, cast_inputs: Any, /, *, lib: Library | None = None) -> None:
    """Have an operator's arguments cast to a dtype inside `torch.autocast` for a kind of device."""
    _operator(op, "register_autocast").set_autocast(device_type, cast_inputs)


def get_ctx() -> Any:
    """RuntimeError: a fake runs on tensors of the meta device here, whose shapes are numbers; there are none that follow from data."""
    raise RuntimeError("get_ctx() needs shapes that depend on data, which tensors on the meta device do not have")


def __getattr__(name: str) -> Any:
    raise missing_attribute(__name__, name)
