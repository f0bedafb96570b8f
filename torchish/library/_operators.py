"""Operators by name: `torch.ops.<namespace>.<name>.<overload>`, their kernels and their gradients.

A kernel is Python code that may do anything with the values it gets, so it runs at every call: a step that `torch.compile` captures
is run uncaptured when it comes to an operator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torchish
from torchish import ops
from torchish._tensor.size import device
from torchish._tensor.tensor import Tensor
from torchish.amp.autocast_mode import is_autocast_available
from torchish.autograd.function import Function
from torchish.autograd.grad_mode import STATE
from torchish.engine.expr import LOCAL, Expr
from torchish.library._schema import FunctionSchema

ANY_DEVICE = "default"  # the kernel of devices without one of their own
_ALIASES = (
    "The output of this custom operator (1) must not also be an input to this custom operator and (2) may not alias any inputs to this "
    "custom operator or other returns. The most common way to trigger this error is if we have y = custom_op(x) and y and x are the same "
    "Tensor. Please instead return a clone of the offending output tensor(s) (e.g. return x.clone()) or refactor the custom operator to "
    "not return y."
)


def tensors_of(values: Any) -> list[Tensor]:
    """The tensors among values, in lists too."""
    return [t for v in values for t in (v if isinstance(v, (list, tuple)) else (v,)) if isinstance(t, Tensor)]


class OpOverload:
    """One operator with one schema."""

    __module__ = "torch._ops"

    def __init__(self, schema: FunctionSchema, tags: tuple = (), isolated: bool = False):
        self._schema = schema
        self.tags = list(tags)
        self.isolated = isolated  # custom_op's: kernels are opaque to autograd, and their results are checked
        self.namespace, _, self._opname = schema.name.partition("::")
        self._overloadname = schema.overload_name or "default"
        self.__name__ = f"{self._opname}.{self._overloadname}"
        self.kernels: dict[str, Callable] = {}
        self.fake: Callable | None = None
        self.backward: Callable | None = None
        self.setup_context: Callable | None = None
        self.vmap: Callable | None = None
        self.autocast: dict[str, Any] = {}  # the dtype of arguments, by the kind of device
        self.refusal: Callable[[], Exception] = self._no_fake
        self._function = _generated(self)

    def name(self) -> str:
        """`namespace::name.overload`."""
        return self._schema.name + (f".{self._schema.overload_name}" if self._schema.overload_name else "")

    @property
    def overloadpacket(self) -> OpOverloadPacket:
        """The operator with all its overloads."""
        return getattr(NAMESPACES[self.namespace], self._opname)

    def __str__(self) -> str:
        return f"{self.namespace}.{self._opname}.{self._overloadname}"

    def __repr__(self) -> str:
        return f"<OpOverload(op='{self.namespace}.{self._opname}', overload='{self._overloadname}')>"

    @property
    def has_autograd(self) -> bool:
        """Whether its gradient is that of `register_autograd`, not that of what the kernel does."""
        return self.isolated or self.backward is not None

    def set_gradient(self, backward: Callable, setup_context: Callable | None, shown: str) -> None:
        """Take the formula of `register_autograd`. RuntimeError, which names the operator `shown`, if it changes its arguments."""
        if self._schema.is_mutable:
            raise RuntimeError(
                f"Cannot register autograd formula for non-functional operator {shown} with schema {self._schema}. Please create a "
                "functional operator and register an autograd formula for that."
            )
        self.backward, self.setup_context = backward, setup_context

    def set_autocast(self, device_type: str, cast_inputs: Any) -> None:
        """Have arguments cast to a dtype inside `torch.autocast`. ValueError for a type of device that has none."""
        if not is_autocast_available(device_type):
            raise ValueError(f"Device type '{device_type}' does not support autocast.")
        self.autocast.setdefault(device_type, cast_inputs)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if (capture := LOCAL.capture) is not None:
            capture.unrepeatable(f"it calls {self.name()}, whose kernel is Python code")
            capture.abandon()
        return self._call(*self._schema.bind(args, kwargs))

    def _call(self, args: tuple, named: dict) -> Any:
        tensors = tensors_of((*args, *named.values()))
        if self.autocast and (cast := self._lowered(args)) is not None:
            kind, args = cast
            with torchish.autocast(kind, enabled=False):
                return self._call(args, named)
        if any(type(t._storage.expr) is not Expr for t in tensors):
            from torchish.autograd import function_levels

            level = function_levels.youngest_level(tuple(tensors))
            if level is not None:
                return self._in_transform(level, args, named)
        if self.has_autograd and STATE.enabled and any(t._needs() for t in tensors):
            return self._apply(args, named)
        return self.run(args, named)

    def _in_transform(self, level: Any, args: tuple, named: dict) -> Any:
        from torchish.autograd import function_levels

        if level.size is not None:
            return function_levels.batched(self.vmap or self._each, args, named, level)
        raise NotImplementedError(f"{self} has no derivative for forward mode: register_autograd gives reverse mode one")

    def _each(self, info: Any, in_dims: tuple, *args: Any, **named: Any) -> tuple:
        """The operator for each example of a batch: what `vmap` does where no rule is registered."""
        if self._schema.is_mutable:
            raise NotImplementedError(f"vmap over {self}, which changes its arguments, needs a rule: see register_vmap")

        def pick(x: Any, d: Any, i: int) -> Any:
            if isinstance(x, list):
                return [pick(v, e, i) for v, e in zip(x, d, strict=True)]
            return x if d is None else x.select(d, i)

        def join(found: list) -> Any:
            first = found[0]
            if isinstance(first, (list, tuple)):
                return type(first)(join([f[k] for f in found]) for k in range(len(first)))
            return torchish.stack(found)

        every = [self._call(tuple(pick(x, d, i) for x, d in zip(args, in_dims, strict=True)), named) for i in range(info.batch_size)]
        return join(every), 0

    def _lowered(self, args: tuple) -> tuple[str, tuple] | None:
        """(kind of device, arguments in its lower precision) inside autocast; None outside."""

        def cast(x: Any, kind: str, to: Any) -> Any:
            if isinstance(x, list):
                return [cast(v, kind, to) for v in x]
            lower = isinstance(x, Tensor) and x.is_floating_point() and x.dtype != torchish.float64 and x.device.type == kind
            return x.to(to) if lower else x

        for kind, to in self.autocast.items():
            if torchish.is_autocast_enabled(kind):
                return kind, tuple(cast(x, kind, to) for x in args)
        return None

    def _kernel(self, args: tuple, named: dict) -> tuple[Callable, bool]:
        """The kernel for these arguments, and whether it is the one for tensors without values."""
        values = (*args, *named.values())
        where = next((t.device.type for t in tensors_of(values)), None) or next((d.type for d in values if isinstance(d, device)), "cpu")
        if where == "meta" and self.fake is not None:
            return self.fake, True
        if where == "meta" and self.isolated:
            raise self.refusal()
        kernel = self.kernels.get(where) or self.kernels.get(ANY_DEVICE)
        if kernel is None:
            raise NotImplementedError(
                f"Could not run '{self.name()}' with arguments from the '{where.upper()}' backend. This could be because the operator "
                "doesn't exist for this backend, or was omitted during the selective/custom build process (if using custom build). "
                f"'{self.name()}' is only available for these backends: [{', '.join(k.upper() for k in self.kernels)}]."
            )
        return kernel, False

    def _no_fake(self) -> Exception:
        return NotImplementedError(f"{self.name()}: attempted to run this operator with Meta tensors, but there was no fake impl")

    def run(self, args: tuple, named: dict) -> Any:
        """What the kernel gives, checked; arguments that the schema says it changes have a new version."""
        kernel, is_fake = self._kernel(args, named)
        if not self.isolated:
            return self._returned(kernel(*args, **named))
        before, STATE.enabled = STATE.enabled, False
        try:
            result = kernel(*args, **named)
        finally:
            STATE.enabled = before
        if not is_fake:
            self._check_aliases((*args, *named.values()), result, kernel)
        result = self._returned(result)
        changed = [v for a, v in zip(self._schema.arguments, (*args, *named.values()), strict=True) if a.is_write]
        for t in tensors_of(changed):
            t._vc.version += 1
        return result

    def _check_aliases(self, values: tuple, result: Any, kernel: Callable) -> None:
        seen = {id(t._storage) for t in tensors_of(values)}
        for t in tensors_of(result if isinstance(result, (list, tuple)) else (result,)):
            if id(t._storage) in seen:
                raise RuntimeError(f"{self._opname} (with implementation in {kernel.__module__}): {_ALIASES}")
            seen.add(id(t._storage))

    def _returned(self, result: Any) -> Any:
        """A kernel's result as the schema has it."""
        returns = self._schema.returns
        if not returns:
            if result is not None:
                raise RuntimeError(f"Expected PythonKernelHolder for {self.name()} to return None but it returned something else instead.")
            return None
        if len(returns) == 1:
            return _checked(result, returns[0])
        if not isinstance(result, (list, tuple)):
            raise TypeError(f"Object of type '{type(result).__name__}' is not an instance of 'sequence'")
        if len(result) != len(returns):
            raise RuntimeError(f"{self.name()} returned {len(result)} values, where its schema has {len(returns)}: {self._schema}")
        return tuple(_checked(x, r) for x, r in zip(result, returns, strict=True))

    def _apply(self, args: tuple, named: dict) -> Any:
        flat = tuple(v for a in args for v in (a if _is_tensors(a) else (a,)))
        call = _Call(tuple(len(a) if _is_tensors(a) else -1 for a in args), named)
        return call.result(self._function.apply(*flat, call))


def _checked(x: Any, r: Any) -> Any:
    if r.type.is_list:
        return [_checked_tensor(v) if r.type.is_tensor else v for v in x]
    return _checked_tensor(x) if r.type.is_tensor else x


def _checked_tensor(x: Any) -> Any:
    if x is not None and not isinstance(x, Tensor):
        raise RuntimeError(f"Unable to cast {x} to Tensor")
    return x


def _is_tensors(x: Any) -> bool:
    return isinstance(x, list) and all(v is None or isinstance(v, Tensor) for v in x)


def _grouped(flat: Any, counts: tuple) -> tuple:
    """Values with lists put together again: of so many; -1 is one that is in no list."""
    values = iter(flat)
    return tuple(next(values) if n < 0 else [next(values) for _ in range(n)] for n in counts)


class _Call:
    """One recorded call: how its arguments and results are grouped, and its keyword-only arguments."""

    def __init__(self, counts: tuple, named: dict):
        self.counts, self.named = counts, named
        self.out_counts: tuple = ()
        self.is_tuple = False

    def flatten(self, result: Any) -> tuple:
        self.is_tuple = isinstance(result, tuple)
        results = result if self.is_tuple else (result,)
        self.out_counts = tuple(len(r) if _is_tensors(r) else -1 for r in results)
        return tuple(v for r in results for v in (r if _is_tensors(r) else (r,)))

    def result(self, flat: tuple) -> Any:
        results = _grouped(flat, self.out_counts)
        return results if self.is_tuple else results[0]

    def gradients(self, got: tuple) -> tuple:
        """The gradients of the arguments, one after the other."""
        if all(n < 0 for n in self.counts):
            return got
        if len(got) != len(self.counts) or any((len(g) if _is_tensors(g) else -1) != n for g, n in zip(got, self.counts, strict=True)):
            raise RuntimeError(
                "Expected the return from backward to be of the same structure as the inputs. Got: "
                f"{_structure(tuple(len(g) if _is_tensors(g) else -1 for g in got))} (return from backward), "
                f"{_structure(self.counts)} (inputs)"
            )
        return tuple(v for g, n in zip(got, self.counts, strict=True) for v in (g if n >= 0 else (g,)))


def _structure(counts: tuple) -> str:
    return f"({', '.join('*' if n < 0 else str(['*'] * n).replace(chr(39), '') for n in counts)})"


def _generated(op: OpOverload) -> Any:
    """The autograd function of an operator."""
    schema = op._schema

    def forward(ctx: Any, *flat: Any) -> tuple:
        call = flat[-1]
        args = _grouped(flat[:-1], call.counts)
        result = op.run(args, call.named)
        ctx._operator_call = call
        if op.setup_context is not None:
            if any(a.kwarg_only for a in schema.arguments):
                op.setup_context(ctx=ctx, inputs=args, keyword_only_inputs=call.named, output=result)
            else:
                op.setup_context(ctx=ctx, inputs=args, output=result)
        return call.flatten(result)

    def backward(ctx: Any, *grads: Any) -> tuple:
        if op.backward is None:
            raise RuntimeError(
                f"Trying to backward through {op} but no autograd formula was registered. Please use register_autograd to add one."
            )
        call, needs = ctx._operator_call, ctx.needs_input_grad
        ctx.needs_input_grad = _grouped(needs[:-1], call.counts)
        try:
            got = op.backward(ctx, *_grouped(grads, call.out_counts))
        finally:
            ctx.needs_input_grad = needs
        return (*call.gradients(got if isinstance(got, tuple) else (got,)), None)

    name = f"GeneratedBackwardFor_{op.namespace}_{op._opname}_{op._overloadname}"
    return type(name, (Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})


class OpOverloadPacket:
    """An operator with its overloads as attributes. A call goes to the first one that takes the arguments."""

    __module__ = "torch._ops"

    def __init__(self, namespace: str, name: str):
        self.__name__ = name
        self._qualified_op_name = f"{namespace}::{name}"
        self._overloads: dict[str, OpOverload] = {}

    def overloads(self) -> list[str]:
        """The names of the overloads."""
        return list(self._overloads)

    def __getattr__(self, name: str) -> OpOverload:
        found = self.__dict__.get("_overloads", {}).get(name)
        if found is None:
            dotted = self._qualified_op_name.replace("::", ".")
            raise AttributeError(f"The underlying op of '{dotted}' has no overload name '{name}'")
        return found

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if len(self._overloads) == 1:
            (only,) = self._overloads.values()
            return only(*args, **kwargs)
        reasons = []
        for op in self._overloads.values():
            try:
                op._schema.bind(args, kwargs)
            except RuntimeError as e:
                reasons.append(f"{e}\n\n")
            else:
                return op(*args, **kwargs)
        raise RuntimeError("Overloaded torch operator invoked from Python failed to match any schema:\n" + "".join(reasons))

    def __repr__(self) -> str:
        return "<OpOverloadPacket(op='{}.{}')>".format(*self._qualified_op_name.split("::"))


class Namespace:
    """`torch.ops.<name>`: the operators that were defined there."""

    def __init__(self, name: str):
        self.__dict__.update(name=name, __name__=f"torch.ops.{name}")

    def __getattr__(self, name: str) -> OpOverloadPacket:
        if name == "__file__":
            return "torch.ops"  # type: ignore[return-value]
        raise AttributeError(f"'_OpNamespace' '{self.__dict__['name']}' object has no attribute '{name}'")

    def __repr__(self) -> str:
        return f"<module '{self.__name__}' from 'torch.ops'>"


NAMESPACES: dict[str, Namespace] = {}


def namespace(name: str) -> Namespace:
    """The namespace; made when first asked for."""
    if name not in NAMESPACES:
        NAMESPACES[name] = Namespace(name)
    return NAMESPACES[name]


def add(op: OpOverload) -> OpOverload:
    """Put an operator where its name says, in place of one with the same name."""
    if op.namespace == "aten" or ops._is_family(op.namespace):
        raise NotImplementedError(f"torchish: '{op.namespace}' cannot be a namespace of operators: torchish has functions of its own there")
    space = namespace(op.namespace)
    packet = vars(space).get(op._opname)
    if packet is None:
        packet = vars(space)[op._opname] = OpOverloadPacket(op.namespace, op._opname)
    packet._overloads[op._overloadname] = op
    return op


def remove(op: OpOverload) -> None:
    """Take an operator away."""
    space = vars(namespace(op.namespace))
    packet = space.get(op._opname)
    if packet is not None and packet._overloads.get(op._overloadname) is op:
        del packet._overloads[op._overloadname]
        if not packet._overloads:
            del space[op._opname]


def find(qualified_name: str) -> OpOverload | None:
    """The operator `namespace::name.overload`; None if there is none."""
    space, _, rest = qualified_name.partition("::")
    name, _, overload = rest.partition(".")
    packet = vars(namespace(space)).get(name)
    return packet._overloads.get(overload or "default") if packet is not None else None
