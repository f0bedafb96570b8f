"""Results put into the tensors given as `out=`, and tensors resized over their memory."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from torchish._tensor import out_rules
from torchish._tensor.apply import cast_expr, set_history
from torchish._tensor.data import triggered
from torchish._tensor.errors import not_a_tensor
from torchish._tensor.layout import is_dense
from torchish._tensor.refusals import INFERENCE_INPLACE, check_overlap, refuse_repeats
from torchish._tensor.size import device_of
from torchish._tensor.storage import contiguous_strides, empty_like_aval
from torchish._tensor.tensor import Tensor
from torchish._tensor.warn import warn_user
from torchish.autograd.grad_mode import STATE
from torchish.autograd.graph import Node, named, next_sequence
from torchish.engine.expr import Aval, aval, leaf


def apply_out(name: str, results: Any, out: Any, flat: tuple, position: int = 0) -> Any:
    """Put the results of an operation into the tensor(s) given as `out=`, resizing them when needed.

    `position` is where the signature has `out`, for the errors.
    """
    several = not isinstance(results, Tensor)
    if not isinstance(out, (tuple, list) if several else Tensor):
        raise TypeError(f"{name}(): argument 'out' must be {'tuple of Tensors' if several else 'Tensor'}, not {type(out).__name__}")
    outs = out if several else (out,)
    got = results if several else (results,)
    for i, o in enumerate(outs):
        if not isinstance(o, Tensor):
            raise not_a_tensor(i, position, o)
    if len(outs) != len(got):
        raise TypeError(f"expected tuple of {len(got)} elements but got {len(outs)}")
    inputs = [t for x in flat for t in (x if isinstance(x, (tuple, list)) else (x,)) if isinstance(t, Tensor)]
    rule = out_rules.overload(name, flat)
    copied = rule in out_rules.COPY_IN
    history = None if copied else refuse_history(out_rules.recorded(rule, flat), inputs, outs, got)
    for o, r in zip(outs, got, strict=True):
        out_rules.check_dtype(rule, r._aval.torch_dtype, o._aval.torch_dtype)
        refuse_repeats(o)
        if name not in out_rules.OVERLAP:
            resized = None if o._aval.shape == r._aval.shape else r._aval.size
            for x in inputs:
                check_overlap(o, x, same=name not in out_rules.NO_OVERLAP, resized=resized)
        if o._aval.device != r._aval.device:
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but found at least two devices, "
                f"{device_of(o._aval.device)} and {device_of(r._aval.device)}!"
            )
    for o, r in zip(outs, got, strict=True):
        if o._inference and not STATE.inference:
            raise RuntimeError(INFERENCE_INPLACE)
        if copied and o._needs() and STATE.enabled and (o._aval.shape != r._aval.shape or name == "lu"):
            raise RuntimeError("cannot resize variables that require grad")
        if o._aval.shape != r._aval.shape:
            if o._aval.size:
                warn_user(
                    f"An output with one or more elements was resized since it had shape {list(o.shape)}, which does not "
                    f"match the required output shape {list(r.shape)}. This behavior is deprecated, and in a future "
                    "PyTorch release outputs will not be resized unless they have zero elements. You can explicitly "
                    "reuse an out tensor t by resizing it, inplace, to zero elements with t.resize_(0)."
                    + triggered("aten/src/ATen/native/Resize.cpp:30")
                )
            follow = r._strides is not None and name not in out_rules.COPIED and is_dense(r)
            resize(o, r._aval.shape, r._strides if follow else None)
        if copied:
            o.copy_(r)
            continue
        o._write(cast_expr(r._read(), o._aval.dtype))
        o._vc.version += 1
        if history is not None and o._aval.category >= 2:
            set_history(o, history(o._aval), 0)
    if name in ("unbind_copy", "split_with_sizes_copy"):
        return None  # as in PyTorch
    fields = getattr(type(results), "_fields", None)
    if fields is not None:
        from torchish.return_types import make

        return make(type(results).__name__ + "_out", fields)(outs)
    return out


class NoDerivative(Node):
    """The history of what an operation without a derivative has put into `out`."""

    def __init__(self, name: str, result: Aval):
        self._seq = next_sequence()
        self._avals = (result,)
        self._operation = name

    def _run(self, grads: list, record: bool) -> list:
        raise RuntimeError(f"derivative for aten::{self._operation} is not implemented")


def refuse_history(name: str, inputs: list, outs: Any, results: Any) -> Callable[[Aval], Node] | None:
    """RuntimeError where an operation that autograd would have to record writes to `out`; the history to give where it may."""
    if not STATE.enabled or name in out_rules.NO_HISTORY or all(r._aval.category < 2 for r in results):
        return None
    unknown = name in out_rules.NO_DERIVATIVE
    if any(x._needs() for x in (outs if unknown else (*inputs, *outs))):
        raise RuntimeError(
            f"{'aten::' if unknown else ''}{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    return functools.partial(named("NotImplemented", NoDerivative), name) if unknown and any(x._needs() for x in inputs) else None


def resize(t: Tensor, shape: tuple[int, ...], strides: tuple[int, ...] | None = None) -> None:
    """Give `t` a new shape over its memory (more memory when needed), as `resize_` does; `strides`: dense ones, None: contiguous."""
    if tuple(shape) == t._aval.shape:
        return
    t._reshaped = True
    st = t._storage
    fresh = empty_like_aval(shape, t._aval.dtype, t._aval.device)
    n = fresh.aval.size
    memory = t._memory()
    keep = memory[t._offset : t._offset + n]
    if keep.size < n:
        if not st.resizable:
            raise RuntimeError("Trying to resize storage that is not resizable")
        full = np.zeros((n,), keep.dtype)
        full[: keep.size] = keep
        st.expr = leaf(full.reshape(shape), t._aval.device)
        st.strides = strides
        st.writes += 1
        t._chain, t._strides, t._offset = (), strides, 0
        t._aval = st.expr.aval
        return
    from torchish._tensor.geometry import root_steps

    t._chain = root_steps(t, tuple(shape), strides or contiguous_strides(tuple(shape)), t._offset)
    t._aval = aval(tuple(shape), t._aval.dtype, t._aval.device)
    t._strides = strides
    t._stamp = -1
