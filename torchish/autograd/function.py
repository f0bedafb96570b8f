"""`torch.autograd.Function`: operations whose backward the user writes."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from typing import Any

from torchish.autograd.grad_mode import STATE
from torchish.autograd.graph import (
    ANOMALY,
    HOOKS,
    SAVED_INFERENCE,
    SECOND_TIME,
    TENSORS,
    Node,
    call_site,
    changed,
    modified_inplace,
    next_sequence,
)  # fmt: skip
from torchish.engine.expr import Expr


class _Saved:
    """A tensor kept for backward, with the version it had. Of an output only its memory is kept, so as to make no cycle."""

    __slots__ = ("tensor", "version", "number", "packed", "inside")

    def __init__(self, tensor, number: int | None = None):
        if tensor._inference:
            raise RuntimeError(SAVED_INFERENCE)
        self.packed = None
        self.inside: list = []  # the same tensor with its tangent, for gradients taken inside a forward level
        if HOOKS.any and HOOKS.stack:
            from torchish.autograd.saved import Packed

            self.packed = Packed(tensor, HOOKS.stack[-1])
            return
        self.tensor = tensor if number is None else tensor._alias()
        self.version = tensor._vc.version
        self.number = number

    def unpack(self, ctx):
        if self.inside:
            from torchish._tensor.levels import PASSES

            for level, t in self.inside:
                if level in PASSES.inside:
                    return t
        if self.packed is not None:
            return self.packed.tensor()
        t = self.tensor
        if t._vc.version != self.version:
            raise modified_inplace(t, self.version) if self.number is None else changed(t, ctx.name(), self.number, self.version)
        if self.number is None:
            return t
        t = t._alias()
        t._grad_fn, t._out_nr = ctx, self.number
        return t


class FunctionCtx:
    """What `forward` leaves for `backward`: saved tensors and attributes of any kind."""

    __module__ = "torch.autograd.function"
    materialize_grads = True
    needs_input_grad: tuple = ()

    def save_for_backward(self, *tensors) -> None:
        """Keep tensors for `backward`, where `saved_tensors` gives them back."""
        self.to_save = tensors

    def save_for_forward(self, *tensors) -> None:
        for t in tensors:
            if t is not None and not hasattr(t, "_aval"):
                raise AssertionError(
                    "save_for_forward expects all arguments to be tensors; you should save non-tensors as attributes on ctx."
                )
        self.saved_for_forward = tensors

    def mark_dirty(self, *tensors) -> None:
        """Say that `forward` changed these inputs in place."""
        self.dirty_tensors = tensors

    def mark_non_differentiable(self, *tensors) -> None:
        """Say that these outputs have no gradient."""
        self.non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether missing output gradients arrive as zeros (default) or None."""
        self.materialize_grads = value

    @property
    def saved_tensors(self) -> tuple:
        if (kept := getattr(self, "_in_forward", None)) is not None:
            return tuple(kept)
        if getattr(self, "_freed", False):
            raise RuntimeError(SECOND_TIME)
        return tuple(None if s is None else s.unpack(self) for s in getattr(self, "_saved", ()))


class BackwardFunction(Node, FunctionCtx):
    """The gradient function of a user's Function: also its context."""

    _function: Any = None
    _n_inputs: int
    _tensor_inputs: list

    def __init__(self):
        self._saved: list = []
        self._freed = False

    def __repr__(self) -> str:
        return f"<torch.autograd.function.{type(self).__name__} object at {hex(id(self))}>"

    def apply(self, *args):
        return self._function.backward(self, *args)

    def _run(self, grads: list, record: bool) -> list:
        from torchish._tensor.tensor import Tensor

        given: list = []
        for g, a in zip(grads, self._avals, strict=True):
            if g is None:
                given.append(Tensor._wrap(TENSORS.zeros(a, False)) if self.materialize_grads and a is not None else None)
            else:
                given.append(g if record else Tensor._wrap(g))
        previous = STATE.enabled
        STATE.enabled = record
        try:
            f = self._function
            if f.backward is not Function.backward and f.vjp is not Function.vjp:
                raise RuntimeError(
                    "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement one of "
                    "them."
                )
            method = f.backward if f.backward is not Function.backward else f.vjp
            if method is Function.vjp or method is Function.backward:
                raise NotImplementedError(
                    "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
                    "backward mode AD."
                )
            got = method(self, *given)
        finally:
            STATE.enabled = previous
        if not isinstance(got, (tuple, list)):
            got = (got,)
        n = self._n_inputs
        if len(got) > n and all(g is None for g in got[n:]):
            got = got[:n]
        if len(got) != n:
            raise RuntimeError(
                f"function {type(self).__name__} returned an incorrect number of gradients (expected {n}, got {len(got)})"
            )
        out = []
        for position, shape_aval in self._tensor_inputs:
            g = got[position]
            if g is not None and not isinstance(g, Tensor):
                raise RuntimeError(f"expected Variable or None (got {type(g).__name__})")
            if g is not None and g._aval.shape != shape_aval.shape:
                g = _reduced(g, shape_aval, type(self).__name__, position)
            out.append(None if g is None else g if record else g._read())
        return out

    def _release(self) -> None:
        if self._saved:
            self._freed = True
            self._saved = []


def _reduced(g, a, name: str, position: int):
    """Sum a gradient over the dimensions in which its input was broadcast."""
    shape = g._aval.shape
    lead = len(shape) - len(a.shape)
    fits = lead >= 0 and all(n == m or n == 1 for n, m in zip(a.shape, shape[lead:], strict=True))
    if not fits:
        raise RuntimeError(
            f"Function {name} returned an invalid gradient at index {position} - got {list(shape)} but expected shape "
            f"compatible with {list(a.shape)}"
        )
    if lead:
        g = g.sum(tuple(range(lead)))
    dims = tuple(i for i, (n, m) in enumerate(zip(a.shape, g._aval.shape, strict=True)) if n != m)
    return g.sum(dims, True) if dims else g


class _FunctionMeta(type):
    def __init__(cls, name, bases, attrs):
        super().__init__(name, bases, attrs)
        cls._backward_cls = type(name + "Backward", (BackwardFunction,), {"__module__": "torch.autograd.function"})


class Function(metaclass=_FunctionMeta):
    """Subclass it with static methods `forward(ctx, …)` and `backward(ctx, *grads)`, and call `apply`.

    `forward` may leave out `ctx` when `setup_context(ctx, inputs, output)` is defined.
    """

    __module__ = "torch.autograd.function"

    def __init__(self, *args, **kwargs):
        import warnings

        warnings.warn(
            f"{self.__class__} should not be instantiated. Methods on autograd functions are all static, so you should invoke "
            "them on the class itself. Instantiating an autograd function will raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args, **kwargs):
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd function with "
            "static forward method. (Example: https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    @staticmethod
    def forward(*args, **kwargs):
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx, inputs, output):
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx, *grad_outputs):
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD."
        )

    vjp = backward
    generate_vmap_rule = False  # whether `vmap` simply runs `forward` and `backward` on batches

    @staticmethod
    def jvp(ctx, *grad_inputs):
        """The tangents of the results, from those of the inputs (None for inputs that are no tensors)."""
        raise NotImplementedError("You must implement the jvp function for custom autograd.Function to use it with forward mode AD.")

    @staticmethod
    def vmap(info, in_dims, *args):
        """(results, their batch dimensions) for whole batches; `in_dims` says where each argument has the batch (None: nowhere)."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap static method or set generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args, **kwargs):
        """Run `forward` and record `backward`."""
        for a in args:
            storage = getattr(a, "_storage", None)
            if storage is not None and type(storage.expr) is not Expr:
                from torchish.autograd import function_levels

                level = function_levels.youngest_level(args)
                if level is not None:
                    return function_levels.call(cls, args, kwargs, level, cls._overrides)
        return cls._call(args, kwargs)[0]

    @classmethod
    def _overrides(cls, name: str) -> bool:
        return getattr(cls, name) is not getattr(Function, name)

    @classmethod
    def _call(cls, args: tuple, kwargs: dict) -> tuple[Any, Any]:
        """The result of `apply`, and the context that it left."""
        from torchish._tensor.tensor import Tensor

        ctx = cls._backward_cls()
        ctx._function = cls
        split = cls.setup_context is not Function.setup_context
        if split:
            bound = inspect.signature(cls.forward).bind(*args, **kwargs)
            bound.apply_defaults()
            args = bound.args
        elif kwargs:
            args = inspect.signature(cls.forward).bind(ctx, *args, **kwargs).args[1:]
        tensors = [(i, a) for i, a in enumerate(args) if isinstance(a, Tensor)]
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a._needs() for a in args)
        recording = STATE.enabled and any(ctx.needs_input_grad)
        ctx._lead([t._edge() if t._needs() else (None, 0) for _, t in tensors] if recording else [])
        if ANOMALY.enabled:
            ctx._where = call_site()
        ctx._seq = next_sequence()  # after the edges: reading one can make a function
        previous = STATE.enabled
        STATE.enabled = False
        try:
            if split:
                output = cls.forward(*args)
                cls.setup_context(ctx, args, output)
            else:
                output = cls.forward(ctx, *args)
        finally:
            STATE.enabled = previous
        outs = output if isinstance(output, tuple) else (output,)
        ctx._n_inputs = len(args)
        ctx._tensor_inputs = [(i, t._aval) for i, t in tensors]
        fixed = _outputs(ctx, outs, [t for _, t in tensors], recording)
        if recording:
            saved = getattr(ctx, "to_save", ())
            for i, t in enumerate(saved):
                if t is not None and not isinstance(t, Tensor):
                    raise TypeError(f"save_for_backward can only save variables, but argument {i} is of type {type(t).__name__}")
            ctx._avals = tuple(o._aval if isinstance(o, Tensor) else None for o in fixed)
            numbers = {id(o): k for k, o in enumerate(outs) if isinstance(o, Tensor)}
            ctx._saved = [None if t is None else _Saved(t, numbers.get(id(t))) for t in saved]
        for name in ("to_save", "dirty_tensors", "non_differentiable"):
            ctx.__dict__.pop(name, None)  # outputs among them would make a cycle with their history
        return tuple(fixed) if isinstance(output, tuple) else fixed[0], ctx


def _outputs(ctx, outs: tuple, inputs: list, recording: bool) -> list:
    """The results with their history: `ctx` behind those that are differentiable.

    Inputs returned as they are become views of themselves; inputs changed in place get a new history.
    """
    from torchish._tensor.apply import rebase_history
    from torchish._tensor.tensor import Tensor
    from torchish._tensor.views import alias

    skip = {id(t) for t in getattr(ctx, "non_differentiable", ())}
    dirty = {id(t) for t in getattr(ctx, "dirty_tensors", ())}
    given = {id(t) for t in inputs}
    if dirty - {id(o) for o in outs}:
        raise RuntimeError(
            "Some elements marked as dirty during the forward method were not returned as output. The inputs that are modified "
            "inplace must all be outputs of the Function."
        )
    fixed: list = []
    views: list = []
    count = 0
    for number, o in enumerate(outs):
        if not isinstance(o, Tensor):
            fixed.append(o)
            continue
        differentiable = recording and id(o) not in skip and o._aval.category >= 2
        count += differentiable
        if id(o) in dirty:
            o._vc.version += 1
            if recording:
                _check_dirty(o)
            if differentiable:
                rebase_history(o, ctx, number)
        elif not differentiable:
            if id(o) in given and o._needs():
                o = o._alias()
        else:
            if id(o) in given:
                previous, STATE.enabled = STATE.enabled, False
                o = alias(o)
                STATE.enabled = previous
            o._grad_fn, o._out_nr, o._attr_version = ctx, number, o._vc.version
            if o._base is not None:
                o._creation = "function"
                views.append(o)
        fixed.append(o)
    if count > 1:
        for o in views:
            o._creation = "multi"
    return fixed


def _check_dirty(t) -> None:
    if t._base is not None:
        if t._needs() and t._base.grad_fn is None and t._base._needs():
            raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")
    elif t._requires_grad and t._grad_fn is None:
        raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")


class DelayedError(Node):
    """The history of a gradient that cannot be differentiated."""

    def _run(self, grads: list, record: bool) -> list:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


def once_differentiable(fn):
    """Mark a backward as not differentiable itself: differentiating its result raises."""
    import functools

    @functools.wraps(fn)
    def wrapper(ctx, *args):
        from torchish._tensor.tensor import Tensor

        recording = STATE.enabled
        previous = STATE.enabled
        STATE.enabled = False
        try:
            outputs = fn(ctx, *args)
        finally:
            STATE.enabled = previous
        if not recording or not any(isinstance(a, Tensor) and a._needs() for a in args):
            return outputs
        outs = outputs if isinstance(outputs, tuple) else (outputs,)

        result = []
        for o in outs:
            if isinstance(o, Tensor):
                o = o.detach()
                node = DelayedError()
                node._seq = next_sequence()
                node._avals = (o._aval,)
                if o._aval.category >= 2:
                    o._grad_fn = node
            result.append(o)
        return tuple(result) if isinstance(outputs, tuple) else result[0]

    return wrapper


class InplaceFunction(Function):
    """A Function with an `inplace` flag."""

    __module__ = "torch.autograd.function"

    def __init__(self, inplace: bool = False):
        self.inplace = inplace


__all__ = ["BackwardFunction", "Function", "FunctionCtx", "InplaceFunction", "OrderedDict", "once_differentiable"]
