"""`torch.autograd.Function`: operations whose backward the user writes."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from typing import Any

from torchish.autograd.grad_mode import STATE
from torchish.autograd.graph import SECOND_TIME, TENSORS, Node, named


class _Saved:
    """A tensor kept for backward, with the version it had."""

    __slots__ = ("tensor", "version", "expr", "output_of")

    def __init__(self, tensor, output_of: int | None = None):
        self.tensor = tensor
        self.version = tensor._vc.value
        self.output_of = output_of

    def unpack(self):
        t = self.tensor
        if t._vc.value != self.version:
            from torchish.autograd.graph import modified_inplace

            raise modified_inplace(t, self.version)
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
                raise AssertionError("save_for_forward expects all arguments to be tensors; you should save non-tensors as attributes on ctx.")
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
        if getattr(self, "_freed", False):
            raise RuntimeError(SECOND_TIME)
        return tuple(None if s is None else s.unpack() for s in getattr(self, "_saved", ()))


class BackwardFunction(Node, FunctionCtx):
    """The gradient function of a user's Function: also its context."""

    _function: Any = None

    def __init__(self):
        from torchish.autograd.graph import _sequence

        self.seq = next(_sequence)
        self._saved: list = []
        self._freed = False

    def name(self) -> str:
        return type(self).__name__

    def apply(self, *args):
        return self._function.backward(self, *args)

    def run(self, grads: list, record: bool) -> list:
        from torchish._tensor.tensor import Tensor

        given: list = []
        for g, a in zip(grads, self.avals, strict=True):
            if g is None:
                given.append(Tensor._wrap(TENSORS.zeros(a, False)) if self.materialize_grads else None)
            else:
                given.append(g if record else Tensor._wrap(g))
        previous = STATE.enabled
        STATE.enabled = record
        try:
            f = self._function
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
                raise TypeError(f"function {type(self).__name__} returned a gradient different than None at position {position + 1}, but the corresponding forward input was not a Variable") if not hasattr(g, "_aval") and not isinstance(g, Tensor) and shape_aval is None else TypeError(f"expected Variable or None (got {type(g).__name__})")
            if g is not None and g._aval.shape != shape_aval.shape:
                g = _reduced(g, shape_aval, type(self).__name__, position)
            out.append(None if g is None else g if record else g._read())
        return out

    def release(self) -> None:
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
    return g.sum_to_size(*a.shape)


class _FunctionMeta(type):
    def __init__(cls, name, bases, attrs):
        super().__init__(name, bases, attrs)
        cls._backward_cls = named(name + "Backward", BackwardFunction) if name != "Function" else BackwardFunction


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

    @classmethod
    def apply(cls, *args, **kwargs):
        """Run `forward` and record `backward`."""
        from torchish._tensor.tensor import Tensor

        ctx = cls._backward_cls()
        ctx._function = cls
        split = cls.setup_context is not Function.setup_context
        if split and kwargs:
            args = tuple(inspect.signature(cls.forward).bind(*args, **kwargs).args)
            kwargs = {}
        tensors = [(i, a) for i, a in enumerate(args) if isinstance(a, Tensor)]
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a._needs() for a in args)
        recording = STATE.enabled and any(ctx.needs_input_grad)
        edges = [t._edge() if t._needs() else (None, 0) for _, t in tensors] if recording else []
        previous = STATE.enabled
        STATE.enabled = False
        try:
            if split:
                output = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, output)
            else:
                output = cls.forward(ctx, *args, **kwargs)
        finally:
            STATE.enabled = previous
        outs = output if isinstance(output, tuple) else (output,)
        fixed = _outputs(ctx, outs, tensors, recording)
        if recording:
            ctx.edges = edges
            ctx._n_inputs = len(args)
            ctx._tensor_inputs = [(i, t._aval) for i, t in tensors]
            ctx.avals = tuple(o._aval for o in fixed if isinstance(o, Tensor))
            _connect(ctx, fixed)
            ctx._saved = [None if t is None else _Saved(_saved_tensor(t, outs, fixed)) for t in getattr(ctx, "to_save", ())]
        else:
            ctx._saved = [None if t is None else _Saved(t) for t in getattr(ctx, "to_save", ())]
        return tuple(fixed) if isinstance(output, tuple) else fixed[0]


def _saved_tensor(t, outs, fixed):
    for o, f in zip(outs, fixed, strict=True):
        if o is t:
            return f
    return t


def _outputs(ctx, outs: tuple, tensors: list, recording: bool) -> list:
    """The results as tensors that may get a history: inputs returned as they are become views of themselves."""
    from torchish._tensor.tensor import Tensor

    dirty = {id(t) for t in getattr(ctx, "dirty_tensors", ())}
    inputs = {id(t) for _, t in tensors}
    fixed: list = []
    for o in outs:
        if isinstance(o, Tensor) and id(o) in inputs and id(o) not in dirty and recording:
            fixed.append(o._alias())
        elif isinstance(o, Tensor) and o._base is not None and recording and id(o) not in dirty:
            alias = o._alias()
            fixed.append(alias)
        else:
            fixed.append(o)
    return fixed


def _connect(ctx, outs: list) -> None:
    from torchish._tensor.apply import rebase_history
    from torchish._tensor.tensor import Tensor

    skip = {id(t) for t in getattr(ctx, "non_differentiable", ())}
    dirty = {id(t) for t in getattr(ctx, "dirty_tensors", ())}
    number = 0
    for o in outs:
        if not isinstance(o, Tensor):
            continue
        if id(o) in dirty:
            if o._requires_grad and o._grad_fn is None:
                raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
            rebase_history(o, ctx, number)
        elif id(o) not in skip and o._aval.category >= 2:
            o._grad_fn, o._out_nr = ctx, number
        number += 1


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

        class DelayedError(Node):
            edges: list = []

            def run(self, grads, record):
                raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")

        result = []
        for o in outs:
            if isinstance(o, Tensor):
                o = o.detach()
                node = DelayedError()
                node.avals = (o._aval,)
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
