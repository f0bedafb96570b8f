"""`torch.library.custom_op`: a Python function as an operator."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from torchish.library._infer import infer_schema
from torchish.library._operators import ANY_DEVICE, OpOverload, add
from torchish.library._schema import parse

DEFINITIONS: dict[str, CustomOpDef] = {}


def device_types_of(types: str | Iterable[str] | None) -> list[str]:
    """The names of kernels: of kinds of devices, or of all."""
    if types is None:
        return [ANY_DEVICE]
    return [t.lower() for t in ([types] if isinstance(types, str) else types)]


def tags_of(tags: Any) -> tuple:
    """Tags as a tuple. NotImplementedError for those that give an operator another kind of result."""
    from torchish.library import Tag

    found = () if tags is None else (tags,) if isinstance(tags, Tag) else tuple(tags)
    if {Tag.inplace, Tag.out} & set(found):
        raise NotImplementedError("torchish: operators that return an argument (torch.Tag.inplace, torch.Tag.out) are not supported")
    return found


class CustomOpDef:
    """An operator made of a Python function: call it, and register what else there is to know about it."""

    __module__ = "torch._library.custom_ops"

    def __init__(self, namespace: str, name: str, schema: str, fn: Callable, tags: Any = ()):
        self._namespace, self._name, self._schema, self._init_fn = namespace, name, schema, fn
        self._disabled: set[str] = set()
        parsed = parse(self._qualname + schema)
        if any(a.kwarg_only and a.type.is_tensor for a in parsed.arguments):
            raise NotImplementedError(
                f"custom_op with kwarg-only Tensor args. Please make your tensors not kwarg-only. Got: {name}{schema}"
            )
        self._opoverload = add(OpOverload(parsed, tags_of(tags), isolated=True))
        self._opoverload.refusal = self._no_fake
        if not parsed.returns:
            self._opoverload.fake = lambda *args, **kwargs: None
        DEFINITIONS[self._qualname] = self

    @property
    def _qualname(self) -> str:
        return f"{self._namespace}::{self._name}"

    def _no_fake(self) -> Exception:
        return RuntimeError(
            f"There was no fake impl registered for {self}. This is necessary for torch.compile/export/fx tracing to work. Please use "
            f"`{self._init_fn.__name__}.register_fake` to add an fake impl."
        )

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._opoverload(*args, **kwargs)

    def register_kernel(self, device_types: str | Sequence[str] | None, fn: Callable | None = None, /) -> Callable:
        """Give arguments on such devices a kernel of their own (None: on all without one); a decorator when no function is given."""
        kinds = device_types_of(device_types)

        def register(fn: Callable) -> Callable:
            arguments = self._opoverload._schema.arguments
            if device_types is not None and not any(a.type.base in ("Tensor", "Device") for a in arguments):
                raise ValueError("Functions without tensor inputs are required to have a `device: torch.device` argument")
            for kind in kinds:
                self._opoverload.kernels[kind] = self._switch(kind, fn)
            return fn

        return register if fn is None else register(fn)

    def _switch(self, kind: str, fn: Callable) -> Callable:
        def kernel(*args: Any, **kwargs: Any) -> Any:
            return (self._init_fn if kind in self._disabled else fn)(*args, **kwargs)

        kernel.__module__ = fn.__module__
        return kernel

    @contextlib.contextmanager
    def _restored(self, before: set[str]) -> Iterator[None]:
        try:
            yield
        finally:
            self._disabled = before

    def set_kernel_enabled(self, device_type: str, enabled: bool = True) -> contextlib.AbstractContextManager[None]:
        """Use the kernel that was registered for a kind of device, or the function that the operator was made of, from now on or in a
        `with` block."""
        before = set(self._disabled)
        if enabled:
            self._disabled.discard(device_type)
        else:
            self._disabled.add(device_type)
        return self._restored(before)

    def register_fake(self, fn: Callable, /) -> Callable:
        """Say what results have for shapes and dtypes: what the operator gives for tensors on the meta device."""
        self._opoverload.fake = fn
        return fn

    def register_autograd(self, backward: Callable, /, *, setup_context: Callable | None = None) -> None:
        """Give the operator a gradient: `backward(ctx, *grads)`, for which `setup_context(ctx, inputs, output)` saves what it needs."""
        self._opoverload.set_gradient(backward, setup_context, str(self))

    def register_vmap(self, func: Callable | None = None) -> Any:
        """Give the operator a rule for `torch.vmap`: `func(info, in_dims, *args)` returns (results, their batch dimensions)."""
        if func is None:
            return self.register_vmap
        self._opoverload.vmap = func
        return None

    def register_autocast(self, device_type: str, cast_inputs: Any) -> None:
        """Have arguments cast to a dtype inside `torch.autocast` for a kind of device."""
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        self._opoverload.set_autocast(device_type, cast_inputs)


def custom_op(
    name: str,
    fn: Callable | None = None,
    /,
    *,
    mutates_args: str | Iterable[str],
    device_types: str | Sequence[str] | None = None,
    schema: str | None = None,
    tags: Any = None,
) -> Any:
    """The operator `namespace::name` made of a function with annotations; a decorator when none is given.

    `mutates_args` names the arguments that the function changes. Results must not share memory with arguments.
    """

    def make(fn: Callable) -> CustomOpDef:
        text = infer_schema(fn, mutates_args=mutates_args) if schema is None else schema
        space, operator = name.split("::")
        made = CustomOpDef(space, operator, text, fn, tags)
        if schema is not None:
            expected = {a.name for a in made._opoverload._schema.arguments if a.is_write}
            if expected != set(mutates_args):
                raise ValueError(
                    f"Attempted to create a custom op with `mutates_args={mutates_args}` and `schema={schema}. The schema suggests that "
                    f"the op mutates {expected}which is different from what was provided to us in `mutates_args`. Please make these "
                    "consistent."
                )
        made.register_kernel(device_types)(fn)
        return made

    return make if fn is None else make(fn)
