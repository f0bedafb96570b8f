"""Applying operations to tensors: out of place, in place, and as views, with the tape kept.

The order is always the same: read the inputs as expressions, emit the operation, wrap the result, record the
gradient function. Errors come from emitting, before anything has changed.
"""

from __future__ import annotations

import weakref
from typing import Any

from torchish import _dtypes as dt
from torchish._dtypes import SMALL_FLOAT, SMALL_INT
from torchish._tensor.calls import learn
from torchish._tensor.chains import ChainOp, chain_spec
from torchish._tensor.layout import result_strides
from torchish._tensor.refusals import check_inplace, check_overlap, refused_view
from torchish._tensor.size import device_of
from torchish._tensor.storage import contiguous_strides
from torchish._tensor.tensor import Tensor, ViewStep, repeats
from torchish.autograd.grad_mode import STATE
from torchish.autograd.graph import (
    HOOKS,
    TENSORS,
    GradFn,
    GradFnPattern,
    Node,
    input_avals,
    named,
    recipe,
)
from torchish.engine.expr import (
    CPU,
    TRACED,
    Aval,
    AvalTuple,
    Expr,
    MixedDevices,
    Spec,
    aval,
    emit,
    emit_keyed,
    emit_multi,
    leaf,
    results_of,
)
from torchish.engine.program import force
from torchish.ops.declare import broadcast_shapes, op, to_dtype
from torchish.ops.views import write_spec

_new = object.__new__


# Set while a profiler is active: called as PROFILER(function, spec, flat, …) around each operation.
PROFILER: Any = None


def apply(spec: Spec, flat: tuple) -> Any:
    """Apply an operation to its flat inputs (tensors and Python numbers): a tensor, or a tuple of tensors."""
    if PROFILER is not None:
        return PROFILER(_apply, spec, flat)
    straight = spec.straight
    return _apply(spec, flat) if straight is None else straight(spec, flat)


def _apply(spec: Spec, flat: tuple) -> Any:
    op_ = spec.op
    recording = STATE.enabled and op_.differentiable
    strided = wrapped = False
    ins, key, carry = [], [], []
    for x in flat:
        if isinstance(x, Tensor):
            st = x._storage
            v = st.expr if not x._chain and st.buffer is None else x._read()
            ins.append(v)
            if type(v) is Expr:
                key.append(v.aval)
            else:
                key.append(type(v))
                wrapped = True
            if x._strides is not None:
                strided = True
            carry.append(
                recording
                and (x._grad_fn is not None or x._requires_grad or (x._base is not None and x._aval.category >= 2 and x._needs()))
            )
        else:
            ins.append(x)
            key.append(kind := type(x))
            carry.append(False)
            if kind is int and not -SMALL_INT < x < SMALL_INT or kind is float and not -SMALL_FLOAT <= x <= SMALL_FLOAT:
                fitted = within_range(spec, flat)
                if fitted is not None:
                    return _apply(*fitted)
    inputs = tuple(ins)
    try:
        e = emit_keyed(spec, inputs, tuple(key))
    except MixedDevices as error:
        inputs = align_devices(spec, flat, inputs, error)
        e = emit(spec, inputs)
        wrapped = True  # not what the key says
    a = e.aval
    if type(a) is AvalTuple:
        exprs = results_of(e)
        ordered = strided and op_.layout != "contiguous"
        out = tuple([Tensor._wrap(r, result_strides(spec, flat, r.aval) if ordered else None) for r in exprs])
        if type(e) is not Expr:
            for t in out:
                transforms().register(t)
        if True in carry:
            record(spec, flat, inputs, exprs, out)
        return out
    t = Tensor._wrap(e, result_strides(spec, flat, a) if strided and op_.layout != "contiguous" else None)
    if type(e) is not Expr:
        transforms().register(t)
    if True in carry:
        if a.category >= 2:
            fn = _grad_fn(spec, flat, inputs, tuple(carry), input_avals(inputs) if wrapped else tuple(key), (e,), a.single)
            if fn is not None:
                t._grad_fn = fn
                if op_.saves_result:
                    fn.watch_result(t, 0)
        elif op_.name in _ACCUMULATING:
            raise RuntimeError(f"Autograd not support dtype: {dt.SCALAR_TYPE_NAMES[a.torch_dtype]}")
    if not wrapped:
        learn(spec, tuple(key), tuple(carry), t, _apply)
    return t


# With an integer dtype asked for, these refuse tensors that require a gradient.
_ACCUMULATING = frozenset(("sum", "nansum", "prod", "cumsum", "cumprod"))


def record(spec: Spec, flat: tuple, inputs: tuple, exprs: tuple, outs: tuple) -> GradFn | None:
    """Put a gradient function behind `outs` (None when no output can carry a gradient)."""
    differentiable = [o._aval.category >= 2 for o in outs]
    if not any(differentiable):
        return None
    fn = make_grad_fn(spec, flat, inputs, exprs)
    if fn is not None:
        if spec.op.saves_result and not spec.op.hidden_results:
            for i, o in enumerate(outs):
                fn.watch_result(o, i)
        for i, o in enumerate(outs):
            if differentiable[i]:
                o._grad_fn = fn
                o._out_nr = i
    return fn


def make_grad_fn(spec: Spec, flat: tuple, inputs: tuple, exprs: tuple, *, inplace: bool = False) -> GradFn | None:
    """The gradient function of one application of `spec`; None when no input can take a gradient."""
    needs = tuple(
        [
            isinstance(x, Tensor)
            and (x._grad_fn is not None or x._requires_grad or (x._base is not None and x._aval.category >= 2 and x._needs()))
            for x in flat
        ]
    )
    return _grad_fn(spec, flat, inputs, needs, input_avals(inputs), exprs, tuple([e.aval for e in exprs]), inplace)


def _grad_fn(
    spec: Spec, flat: tuple, inputs: tuple, needs: tuple[bool, ...], given: tuple, exprs: tuple, avals: tuple, inplace: bool = False
) -> GradFn | None:
    """`make_grad_fn` where it is known which inputs take a gradient; `given`: their avals, types for numbers."""
    if True not in needs:
        return None
    name = spec.op.grad_name
    if name.__class__ is not str:
        name = name(spec, flat)
    made = spec.memo.get((needs, given, name)) or recipe(spec, needs, given, name)
    targets: list = []
    numbers: tuple[int, ...] | None = made.firsts
    for i in made.edges:
        if needs[i]:
            t = flat[i]
            f = t._grad_fn if t._base is None else t.grad_fn  # `_edge` without its tuple
            targets.append(f if f is not None or not t._requires_grad else t._accumulate_node())
            if t._out_nr:
                numbers = None
        else:
            targets.append(None)
    if numbers is None:
        numbers = tuple([flat[i]._edge()[1] if needs[i] else 0 for i in made.edges])
    fn = made.cls(spec, inputs, tuple(targets), numbers, avals, exprs, made)
    for e in exprs:
        if type(e) is not Expr:
            fn._lead(transforms().lowered(flat, inputs, made.edges, fn.next_functions, exprs))
            break
    if made.watched:
        fn.watch(flat, not inplace)
        if HOOKS.any and HOOKS.stack:
            from torchish.autograd.saved import pack_inputs

            pack_inputs(fn, flat)
    return fn


def transforms() -> Any:
    """The module for tensors inside function transforms, which is built on this one."""
    from torchish._tensor import levels

    return levels


def within_range(spec: Spec, flat: tuple) -> tuple[Spec, tuple] | None:
    """Numbers that do not fit every dtype, dealt with: see `limits`, which is built on this module."""
    from torchish._tensor import limits

    return limits.within_range(spec, flat)


def refuse_cast(spec: Spec, flat: tuple, t: Tensor) -> None:
    """RuntimeError when the result of a promoting operation would not fit the tensor that it is to be stored in."""
    from torchish._tensor import limits

    have = limits.promoted(spec, flat)
    if have is not None and not dt.can_cast(have, t._aval.torch_dtype):
        raise RuntimeError(
            f"result type {dt.SCALAR_TYPE_NAMES[have]} can't be cast to the desired output type "
            f"{dt.SCALAR_TYPE_NAMES[t._aval.torch_dtype]}"
        )


def refuse_size(spec: Spec, flat: tuple, t: Tensor) -> None:
    """RuntimeError when the result of a pointwise operation has another shape than the tensor that it is to be stored in."""
    if spec.op.layout == "pointwise":
        shape = broadcast_shapes([x._aval.shape for x in flat if isinstance(x, Tensor)])
        if shape != t._aval.shape:
            raise RuntimeError(f"output with shape {list(t.shape)} doesn't match the broadcast shape {list(shape)}")


def refuse_dynamic(t: Tensor, name: str) -> None:
    """RuntimeError when the values that decide a result's shape are a batch's."""
    from torchish.engine.levels import DYNAMIC

    transforms().refuse_batched(t, DYNAMIC.format(name=name))


def align_devices(spec: Spec, flat: tuple, inputs: tuple, error: MixedDevices) -> tuple:
    """Let zero-dimensional CPU tensors join an operation on another device, as PyTorch does; else its error."""
    targets = [x._aval.device for x in flat if isinstance(x, Tensor) and not (x._aval.ndim == 0 and x._aval.device == CPU)]
    if spec.op.layout == "pointwise" and len(set(targets)) == 1:
        from torchish.engine.program import to_device

        return tuple(
            leaf(to_device(x_, targets[0]), targets[0])
            if isinstance(x, Tensor) and x._aval.device == CPU and (x_ := force(e)) is not None
            else e
            for x, e in zip(flat, inputs, strict=True)
        )
    names = []
    for x in flat:
        if isinstance(x, Tensor):
            d = str(device_of(x._aval.device))
            if d not in names:
                names.append(d)
    raise RuntimeError(
        f"Expected all tensors to be on the same device, but found at least two devices, {names[-1]} and {names[0]}!"
        if len(names) > 1
        else str(error)
    ) from None


# --- views -------------------------------------------------------------------------------------------------


def make_view(t: Tensor, spec: Spec, dynamic: tuple, shape: tuple[int, ...], strides: tuple[int, ...], offset: int,
              dtype=None, *, multi: bool = False, fn: Node | None = None, number: int = 0) -> Tensor:  # fmt: skip
    """A tensor on the storage of `t`, seen through one more view operation."""
    a = t._aval
    return make_strided_view(
        t, spec, dynamic, aval(shape, dtype or a.dtype, a.device), None if strides == contiguous_strides(shape) else strides,
        offset, multi=multi, fn=fn, number=number,
    )  # fmt: skip


def make_strided_view(t: Tensor, spec: Spec, dynamic: tuple, a: Aval, strides: tuple[int, ...] | None, offset: int, *,
                      multi: bool = False, fn: Node | None = None, number: int = 0) -> Tensor:  # fmt: skip
    """`make_view` for an aval and strides (None: contiguous) that are known."""
    step = ViewStep(spec, dynamic)
    v = _new(Tensor)
    v._storage = t._storage
    v._vc = t._vc
    v._chain = (*t._chain, step)
    v._aval = a
    v._strides = strides
    v._offset = offset
    if t._inference:  # autograd does not know these tensors
        v._inference = True
        return v
    base = t._base
    if base is None:
        v._base = t
        v._steps = (step,)
    else:
        v._base = base
        v._steps = (*t._steps, step)
    v._attr_version = t._vc.version
    if not STATE.enabled:
        v._creation = "inference" if STATE.inference else "no_grad"
        recorded = False
    else:
        v._creation = "multi" if multi else t._creation
        recorded = t._grad_fn is not None or t._requires_grad or (base is not None and base._needs())
    if fn is not None:
        v._grad_fn, v._out_nr = fn, number
    elif recorded:
        v._grad_fn = view_grad_fn(spec, dynamic, t)
    return v


def view_grad_fn(spec: Spec, dynamic: tuple, t: Tensor, name: str | None = None) -> GradFn:
    """The gradient function of a view of `t`."""
    edge = t._edge()
    key = ("view_grad_fn", t._aval, name)
    known = spec.memo.get(key)
    if known is not None:
        return known.like(edge)
    inputs = (leaf_of(t._aval), *dynamic)
    out = view_aval(spec, inputs)
    needs = (True,) + (False,) * len(dynamic)
    fn = GradFn.called(name or spec.op.grad_name, spec, inputs, needs, edge, out)
    if not fn.recipe.saved and not fn.recipe.frees:
        spec.memo[key] = GradFnPattern(fn)
    return fn


def leaf_of(a) -> Expr:
    """An expression of this aval without a value: where only shape and dtype matter."""
    return Expr(None, (), a)


def view_aval(spec: Spec, inputs: tuple):
    key = tuple([x.aval if type(x) is Expr else type(x) for x in inputs])
    out = spec.infer_cache.get(key)
    if out is None:
        out = spec.infer_cache[key] = spec.infer(inputs)
    return out


def steps_from_base(v: Tensor) -> tuple[ViewStep, ...]:
    """The view operations from its base to `v`, as the base is now."""
    base = v._base
    assert base is not None
    if not base._reshaped and not repeats(v._steps[:-1]):
        return v._steps
    from torchish._tensor.geometry import conjugations, strided_steps

    geometry = base._aval.shape, base.stride(), base._offset, base._aval.dtype
    return strided_steps(geometry, v._aval.shape, v.stride(), v._offset, v._aval.dtype) + conjugations(v._steps)


def regenerate_view(v: Tensor) -> None:
    """Give a view whose base was changed in place the gradient function of the base's present value."""
    base = v._base
    assert base is not None
    if v._creation is not None:
        raise refused_view(v, indirect=True)
    v._attr_version = v._vc.version
    spec, dynamic = chain_spec(steps_from_base(v))
    # where the dtype changes PyTorch repeats the view instead of striding over the base
    last = v._steps[-1].spec.op
    name = last.grad_name if last.name in ("view_as_real", "view_as_complex", "view_dtype", "conj") else "AsStridedBackward0"
    set_history(v, view_grad_fn(spec, dynamic, base, name), 0)


# --- in place ----------------------------------------------------------------------------------------------


@op("_cast(Tensor input, any dtype)", out=False, method=False, function=False, saves=(), grad="ToCopyBackward0", layout="copy")
def cast(input, dtype):
    return to_dtype(input, dtype)


@op("_expand_to(Tensor input, int[] size)", out=False, method=False, function=False, saves=(), grad="ExpandBackward0")
def expand_to(input, size):
    import jax.numpy as jnp

    return jnp.broadcast_to(input, size)


def cast_expr(e: Expr, np_dtype) -> Expr:
    """`e` converted to a dtype (itself when it has it)."""
    return e if e.aval.dtype == np_dtype else emit(cast.spec(("T",), (np_dtype,)), (e,))


def apply_inplace(spec: Spec, flat: tuple, target: Tensor | None = None) -> Tensor:
    """Apply an operation and store its result into its first tensor (`name_`)."""
    if PROFILER is not None:
        return PROFILER(_apply_inplace, spec, flat, target)
    return _apply_inplace(spec, flat, target)


def _apply_inplace(spec: Spec, flat: tuple, target: Tensor | None = None) -> Tensor:
    t = target if target is not None else flat[0]
    recording = STATE.enabled and spec.op.differentiable and any(isinstance(x, Tensor) and x._needs() for x in flat)
    check_inplace(t, recording, spec.name if spec.name != "_fill_" or spec.kinds[1] != "T" else "fill_")
    if spec.op.name in _ACCUMULATING:
        spec = _in_own_dtype(spec, t)
    if spec.op.layout == "pointwise":
        for x in flat:
            if x is not t and isinstance(x, Tensor) and x._storage is t._storage:
                check_overlap(t, x)
    for x in flat:
        if (kind := type(x)) is int and not -SMALL_INT < x < SMALL_INT or kind is float and not -SMALL_FLOAT <= x <= SMALL_FLOAT:
            fitted = within_range(spec, flat)
            if fitted is not None:
                return _apply_inplace(*fitted, target)
    blank = _blank(spec, t, flat) if spec.op.overwrites else None
    inputs = tuple([x._read() if isinstance(x, Tensor) else x for x in flat]) if blank is None else (leaf_of(t._aval), *flat[1:])
    try:
        e = blank or emit(spec, inputs)
    except NotImplementedError:
        refuse_size(spec, flat, t)  # PyTorch asks for a kernel after it has seen that the result fits
        refuse_cast(spec, flat, t)
        raise
    except MixedDevices as error:
        inputs = align_devices(spec, flat, inputs, error)
        e = emit(spec, inputs)
    if type(e.aval) is AvalTuple:
        e = emit_multi(spec, inputs)[0]
    e_out = checked_result(e, t, spec)
    fn = None
    if recording and t._aval.category >= 2:
        fn = make_grad_fn(spec, flat, inputs, (e,), inplace=True)
        if fn is not None and spec.op.inplace_grad is not None:
            fn.__class__ = named(spec.op.inplace_grad, GradFn)
    write_inplace(t, e_out, fn, recording)
    if fn is not None and spec.op.saves_result:
        fn.watch_result(t, 0, t._alias())
    return t


def _in_own_dtype(spec: Spec, t: Tensor) -> Spec:
    """An operation with a static `dtype`, in the dtype of the tensor it writes to; RuntimeError when it is asked for another."""
    own, at = t._aval.torch_dtype, spec.op.static.index("dtype")
    asked = spec.statics[at]
    if asked not in (None, own):
        names = [dt.cpp_name(d) for d in (own, asked)]
        raise RuntimeError(f"Bad in-place call: input tensor dtype {names[0]} and output tensor dtype {names[1]} should match")
    return spec.op.spec(spec.kinds, (*spec.statics[:at], own, *spec.statics[at + 1 :]))


def _blank(spec: Spec, t: Tensor, flat: tuple) -> Expr | None:
    """What an operation that overwrites its target with one real number leaves there, made without reading the target."""
    a = t._aval
    value = flat[1] if len(flat) > 1 else 0.0
    if type(value) not in (float, int, bool) or type(t._storage.expr) is not Expr or a.device is TRACED:
        return None
    from torchish._tensor.creation import repeated  # it is built on this module

    return repeated(value, a)


# What in-place operations say in words of their own about sizes and dtypes that do not fit.
_SIZES = {
    **dict.fromkeys(("addmm", "addmv", "baddbmm"), "Bad in-place call: input tensor size {} and output tensor size {} should match"),
    "addr": "2D tensor expected, got {2}D tensor for input",
}
_CASTS = {
    "ldexp": "ldexp can't be cast to the desired output type {1}",
    "mvlgamma": "mvlgamma: result type {1} can't be cast to the desired output type {0}",
    **dict.fromkeys(("clamp", "clamp_min", "clamp_max"), "result type {0} can't be cast to the desired output type {2}"),  # by numbers
}


def checked_result(e: Expr, t: Tensor, spec: Spec) -> Expr:
    """The result of an in-place operation, in the dtype of its target; RuntimeError when it does not fit there."""
    a, target = e.aval, t._aval
    if a.shape != target.shape:
        raise RuntimeError(
            _SIZES.get(spec.name, "output with shape {0} doesn't match the broadcast shape {1}").format(
                list(target.shape), list(a.shape), target.ndim
            )
        )
    if a.dtype != target.dtype:
        if not dt.can_cast(a.torch_dtype, target.torch_dtype):
            own = None if spec.name.startswith("clamp") and "T" in spec.kinds[1:] else _CASTS.get(spec.name)
            raise RuntimeError(
                (own or "result type {} can't be cast to the desired output type {}").format(
                    dt.SCALAR_TYPE_NAMES[a.torch_dtype], dt.SCALAR_TYPE_NAMES[target.torch_dtype], dt.cpp_name(target.torch_dtype)
                )
            )
        e = cast_expr(e, target.dtype)
    return e


def write_inplace(t: Tensor, e: Expr, fn: Node | None, recording: bool) -> None:
    """Store a new value into `t` and put the gradient function `fn` behind it (None: it has no history)."""
    t._write(e)
    t._vc.version += 1
    if not STATE.enabled:
        return
    if fn is not None:
        rebase_history(t, fn)
    elif recording and t._grad_fn is not None and t._base is None:
        t._grad_fn = None


def rebase_history(t: Tensor, fn: Node, number: int = 0) -> None:
    """Make `fn` the history of `t`; for a view, of the part of its base that it shows."""
    base = t._base
    if base is None:
        set_history(t, fn, number)
        return
    spec, dynamic = chain_spec(steps_from_base(t))
    old = base._edge()
    set_history(base, CopySlices(base._aval, spec, dynamic, fn, old), 0)
    regenerate_view(t)


def set_history(t: Tensor, fn: Node, number: int) -> None:
    """Put a new gradient function behind `t`; a gradient that is to be retained is now that of the new value."""
    old = t._grad_fn
    t._grad_fn, t._out_nr = fn, number
    if t._retains and old is not None and old._retained:
        old._retained = [r for r in old._retained if r[0]() is not t] or None
        fn._retained = [*(fn._retained or ()), (weakref.ref(t), number)]


class CopySlices(Node):
    """The history of a base after a view of it was changed in place: `fn` behind the view, the rest passes."""

    _display = "torch::autograd::CopySlices"

    def __init__(self, base_aval, spec: Spec, dynamic: tuple, fn: Node, old: tuple):
        from torchish.autograd.graph import next_sequence

        self._seq = next_sequence()
        self._avals = (base_aval,)
        self.spec, self.dynamic, self.fn = spec, dynamic, fn
        # the first edge of `fn` was the view's own history: it becomes the base's
        self._lead([old, *fn.next_functions[1:]])

    def _run(self, grads: list, record: bool) -> list:
        g = grads[0]
        if record:
            part = apply(self.spec, (g, *self.dynamic))
        else:
            part = emit(self.spec, (g, *self.dynamic))
        got = self.fn._run([part], record)
        inner = got[0] if got else None
        if inner is None:
            zero = view_aval(self.spec, (leaf_of(self._avals[0]), *self.dynamic))
            inner = TENSORS.zeros(zero, record)
        if record:
            rest = apply(scatter_spec(self.spec), (g, inner, *self.dynamic))
        else:
            rest = emit(write_spec(self.spec), (g, inner, *self.dynamic))
        return [rest, *got[1:]]

    def _release(self) -> None:
        self.fn._release()


def scatter_spec(spec: Spec) -> Spec:
    """The write-back of a view as a differentiable operation."""
    s = write_spec(spec)
    if s.op is None:
        s.op = ChainOp(0, False)
        s.kinds = ("T", "T", *spec.kinds[1:])
        s.op.dynamic = ("base", "value", *(f"i{k}" for k in range(len(spec.kinds) - 1)))
        s.op.grad_name = "CopySlicesBackward0"
    return s


# --- out= --------------------------------------------------------------------------------------------------
