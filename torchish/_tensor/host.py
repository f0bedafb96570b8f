"""Tensors as host arrays, without computing anything.

Loading is host work: samples are cut out of arrays and put together again with NumPy, also in worker processes,
where JAX must not run. A tensor whose value is yet to be computed has no host array; then operations take over.

So is joining many tensors whose values are known (a data set's images, a replay memory's transitions): XLA takes 4 s to compile a
join of 1000 arrays, and another program for each pattern in which two joins share some of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from torchish._tensor import apply
from torchish._tensor.creation import from_host
from torchish._tensor.layout import is_channels_last
from torchish._tensor.storage import as_strided
from torchish._tensor.tensor import Tensor
from torchish.autograd.grad_mode import STATE
from torchish.engine.expr import CPU, LOCAL, Expr


def host_view(t: Tensor) -> np.ndarray | None:
    """The present values of a CPU tensor, over its own memory (do not write); None when they must be computed first."""
    st = t._storage
    if st.device is not CPU and st.device != CPU:
        return None
    if st.buffer is not None and st.is_shared():
        return as_strided(st.buffer, t._aval.shape, t.stride(), t._offset) if t._on_buffer() else None
    chain = t._chain
    if chain and t._stamp == st.writes and t._cached is not None and t._cached.value is not None:
        return _array(t._cached.value)
    value = _array(st.expr.value)
    if value is None or not chain:
        return value
    return as_strided(value.reshape(-1), t._aval.shape, t.stride(), t._offset) if _is_plain(t) else None


def known(t: Tensor, compute: bool = False) -> np.ndarray | None:
    """`host_view` of an argument, which may be a value inside a function transform or of a step that is captured: None then.

    `compute`: a value that is pending is computed now.
    """
    if type(t._storage.expr) is not Expr or LOCAL.capture is not None:
        return None
    value = host_view(t)
    return t._host() if value is None and compute and t._aval.device == CPU else value


def _is_plain(view: Tensor) -> bool:
    """Whether a view's strides are those of the array that its storage holds."""
    return view._storage.strides is None and view._on_buffer()


def _array(value) -> np.ndarray | None:
    if value is None or type(value) is np.ndarray:
        return value
    if isinstance(value, jax.core.Tracer):
        return None
    return np.asarray(value)  # a finished JAX array on the CPU: no copy


def stacked(batch: Sequence[Tensor]) -> Tensor | None:
    """`torch.stack(batch)` of plain host tensors of one shape and dtype; None for anything else."""
    first = batch[0]
    if type(first) is not Tensor:
        return None
    a = first._aval
    out = np.empty((len(batch), *a.shape), a.dtype)
    storage = None
    flat: Any = None  # rows of one tensor, the usual case, find its memory once
    for i, t in enumerate(batch):
        # interned: one object for equal shapes, dtypes and devices
        if type(t) is not Tensor or t._aval is not a or (STATE.enabled and t._needs()):
            return None
        st = t._storage
        if st is storage and t._chain and st.buffer is None and t._stamp != st.writes and _is_plain(t):
            out[i] = as_strided(flat, a.shape, t.stride(), t._offset)
            continue
        value = host_view(t)
        if value is None:
            return None
        out[i] = value
        if t._chain and st.buffer is None and st.expr.value is not None:
            storage, flat = st, np.asarray(st.expr.value).reshape(-1)
    return from_host(out)


MANY = 16  # tensors, from which on they may be `joined`; fewer are joined by a program, with what comes before and after


def joined(tensors: Sequence[Tensor], dim: int, join: Callable[[list[np.ndarray], int], np.ndarray]) -> Tensor | None:
    """`join`, NumPy's `concatenate` or `stack`, of many plain host tensors of one dtype; None for anything else, and what does not fit."""
    if apply.PROFILER is not None or is_channels_last(tensors[0]):
        return None
    dtype = tensors[0]._aval.dtype
    recording = STATE.enabled
    values = []
    for t in tensors:
        if type(t) is not Tensor or t._aval.dtype != dtype or (recording and t._needs()):
            return None
        value = known(t)
        if value is None or value.shape == (0,):
            return None
        values.append(value)
    try:
        return from_host(join(values, dim))
    except ValueError:
        return None


def rows(t: Tensor, indices: Sequence[int]) -> Tensor | None:
    """The rows of a host tensor at `indices`, in a new tensor; None where that is not plain copying."""
    if type(t) is not Tensor or (STATE.enabled and t._needs()) or not isinstance(indices, list | tuple):
        return None
    value = host_view(t)
    if value is None or not value.ndim:
        return None
    return from_host(value.take(indices, 0))
