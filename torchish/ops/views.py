"""View operations as pure functions: reading through a view, and writing a value back through it.

Each view is an `Op` (its gradient is `jax.vjp`'s, and needs no saved values) with a `write`: a function of the base's
value and the new value of the view, giving the base's new value.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchish.engine import parts
from torchish.engine.expr import Spec
from torchish.ops.declare import Op, op


def _view(signature: str, **traits) -> Callable[[Callable], Op]:
    return op(signature, saves=(), out=False, method=False, function=False, **traits)


WRITES: dict[str, Callable] = {}


def _writes(view: Op) -> Callable:
    def wrap(f: Callable) -> Callable:
        WRITES[view.name] = f
        return f

    return wrap


def write_spec(spec: Spec) -> Spec:
    """The write-back of a view spec: (base, value, *dynamic arguments) -> new base."""
    made = spec.memo.get("write")
    if made is None:
        bound = dict(zip(spec.op.static, spec.statics, strict=True))
        f = WRITES.get(spec.op.name)
        if f is None:

            def run(base, value, *dynamic):
                return _scatter(spec, base, value, dynamic)
        else:

            def run(base, value, *dynamic):
                return f(base, value, *dynamic, **bound)

        stable = None if spec.stable is None else f"write({spec.stable})"
        made = spec.memo["write"] = Spec(run, spec.name + "_write", stable)
        made.recipe = (write_spec, (spec,))
    return made


def _scatter(spec: Spec, base, value, dynamic):
    # Any view is a map of positions: view the positions, then scatter the value there.
    positions = spec.run(jnp.arange(base.size).reshape(base.shape), *dynamic)
    return base.reshape(-1).at[positions.reshape(-1)].set(value.reshape(-1)).reshape(base.shape)


@_view("select(Tensor input, int dim, Index index)")
def select(input, index, dim):
    return lax.dynamic_index_in_dim(input, index, dim, keepdims=False)


@_writes(select)
def _(base, value, index, dim):
    return lax.dynamic_update_index_in_dim(base, value, index, dim)


@_view("slice(Tensor input, int dim, Index start, int length, int step)")
def slice_(input, start, dim, length, step):
    span = (length - 1) * step + 1 if length else 0
    part = lax.dynamic_slice_in_dim(input, start, span, dim)
    return part if step == 1 else lax.slice_in_dim(part, 0, span, step, dim)


@_writes(slice_)
def _(base, value, start, dim, length, step):
    if step == 1:
        return lax.dynamic_update_slice_in_dim(base, value, start, dim)
    index = (slice(None),) * dim + (start + step * jnp.arange(length),)
    return base.at[index].set(value)


@_view("permute(Tensor input, int[] dims)")
def permute(input, dims):
    return lax.transpose(input, dims)


@_writes(permute)
def _(base, value, dims):
    return lax.transpose(value, tuple(int(i) for i in np.argsort(dims)))


@_view("transpose(Tensor input, int dim0, int dim1)")
def transpose(input, dim0, dim1):
    return jnp.swapaxes(input, dim0, dim1)


@_writes(transpose)
def _(base, value, dim0, dim1):
    return jnp.swapaxes(value, dim0, dim1)


@_view("t(Tensor input)")
def t(input):
    return input.T


@_writes(t)
def _(base, value):
    return value.T


@_view("view(Tensor input, int[] size)")
def view(input, size):
    return lax.reshape(input, size)


@_writes(view)
def _(base, value, size):
    return lax.reshape(value, base.shape)


@_view("alias(Tensor input)")
def alias(input):
    return input


@_writes(alias)
def _(base, value):
    return value


@_view("detached(Tensor input)", differentiable=False)
def detached(input):
    return input


@_writes(detached)
def _(base, value):
    return value


@_view("expand(Tensor input, int[] size)")
def expand(input, size):
    return jnp.broadcast_to(input, size)


@expand.backward
def _(grad):
    return grad


@_view("squeeze(Tensor input, int[] dims)")
def squeeze(input, dims):
    return lax.squeeze(input, dims)


@_writes(squeeze)
def _(base, value, dims):
    return lax.reshape(value, base.shape)


@_view("unsqueeze(Tensor input, int dim)")
def unsqueeze(input, dim):
    return lax.expand_dims(input, (dim,))


@_writes(unsqueeze)
def _(base, value, dim):
    return lax.reshape(value, base.shape)


@_view("diagonal(Tensor input, int offset, int dim1, int dim2)")
def diagonal(input, offset, dim1, dim2):
    return jnp.diagonal(input, offset, dim1, dim2)


@_view("unfold(Tensor input, int dimension, int size, int step)")
def unfold(input, dimension, size, step):
    if input.ndim == 0:
        return input.reshape((1,))[:size]
    count = (input.shape[dimension] - size) // step + 1
    index = step * np.arange(count)[:, None] + np.arange(size)[None, :]
    windows = jnp.take(input, index.reshape(-1), axis=dimension)
    windows = windows.reshape(input.shape[:dimension] + (count, size) + input.shape[dimension + 1 :])
    return jnp.moveaxis(windows, dimension + 1, -1)


@_view("as_strided(Tensor input, int[] root_shape, int[] root_strides, int[] size, int[] stride, int storage_offset)")
def as_strided(input, root_shape, root_strides, size, stride, storage_offset):
    flat = to_memory(input, root_strides)
    index = memory_positions(size, stride, storage_offset)
    inside = (index >= 0) & (index < flat.size)
    if inside.all():
        return flat[jnp.asarray(index)]
    # memory that the input does not show: nothing is known of it, and its gradient goes nowhere
    return jnp.where(inside, flat[jnp.asarray(np.where(inside, index, 0))], jnp.zeros((), flat.dtype))


@_writes(as_strided)
def _(base, value, root_shape, root_strides, size, stride, storage_offset):
    flat = to_memory(base, root_strides)
    index = memory_positions(size, stride, storage_offset).reshape(-1)
    inside = np.flatnonzero((index >= 0) & (index < flat.size))
    flat = flat.at[jnp.asarray(index[inside])].set(value.reshape(-1)[jnp.asarray(inside)])
    return flat[jnp.asarray(memory_positions(base.shape, root_strides, 0))] if base.size else base


def memory_positions(size, stride, offset: int) -> np.ndarray:
    """The place in memory of every element of a strided array."""
    index = np.asarray(offset, np.int64)
    for n, s in zip(size, stride, strict=True):
        index = index[..., None] + np.arange(n) * s
    return index


def to_memory(root, strides):
    """The root's elements in memory order, as a flat array (holes, where strides leave any, are zero).

    Elements that share a place are taken as their mean, which sends each an equal part of the gradient.
    """
    if not root.size:
        return jnp.zeros((1,), root.dtype)
    order = sorted(range(root.ndim), key=lambda i: (-strides[i], i))
    shape = tuple(root.shape[i] for i in order)
    span = 1 + sum((n - 1) * s for n, s in zip(root.shape, strides, strict=True))
    if span == root.size and len({strides[i] for i in range(root.ndim) if root.shape[i] > 1}) == sum(n > 1 for n in root.shape):
        return lax.transpose(root, order).reshape(-1)
    positions = np.zeros(shape, np.int64)
    for axis, i in enumerate(order):
        positions += (np.arange(root.shape[i]) * strides[i]).reshape((-1,) + (1,) * (len(shape) - axis - 1))
    positions = positions.reshape(-1)
    values = lax.transpose(root, order).reshape(-1)
    counts = np.bincount(positions, minlength=span)
    if counts.max() > 1 and jnp.issubdtype(root.dtype, jnp.inexact):
        return jnp.zeros((span,), root.dtype).at[positions].add(values) / np.maximum(counts, 1).astype(root.dtype)
    return jnp.zeros((span,), root.dtype).at[positions].set(values)


@op("_join_parts(Tensor[] parts, int dim, bool new_dim)", out=False, method=False, function=False, saves=(), grad="CatBackward0")
def join_parts(parts, dim, new_dim):
    return jnp.stack(parts, dim) if new_dim else jnp.concatenate(parts, dim)


@_view("conj(Tensor input)")
def conj(input):
    return jnp.conj(input)


@_writes(conj)
def _(base, value):
    return jnp.conj(value)


@_view("view_as_real(Tensor input)")
def view_as_real(input):
    return jnp.stack([jnp.real(input), jnp.imag(input)], -1)


@_writes(view_as_real)
def _(base, value):
    return lax.complex(value[..., 0], value[..., 1])


@_view("view_as_complex(Tensor input)")
def view_as_complex(input):
    return lax.complex(input[..., 0], input[..., 1])


@_writes(view_as_complex)
def _(base, value):
    return jnp.stack([jnp.real(value), jnp.imag(value)], -1)


@_view("view_dtype(Tensor input, any dtype)", differentiable=False)
def view_dtype(input, dtype):
    return _bitcast(input, dtype)


@_writes(view_dtype)
def _(base, value, dtype):
    return _bitcast(value, base.dtype)


def _cut_out(view: Op, fits: Callable[..., bool] = lambda *statics: True) -> Callable[[Callable], None]:
    """How a view is taken of a NumPy array, as a view, where `fits` says of the static arguments that NumPy can."""

    def wrap(f: Callable) -> None:
        view.cut_out = lambda statics: (lambda array, *places: f(array, *places, *statics)) if fits(*statics) else None

    return wrap


@_cut_out(select)
def _(array, index, dim):
    return array[(slice(None),) * dim + (index, ...)]


@_cut_out(slice_)
def _(array, start, dim, length, step):
    return array[(slice(None),) * dim + (slice(start, start + length * step, step),)]


_cut_out(view, fits=lambda size: len(size) <= parts.DEEPEST)(np.reshape)
_cut_out(squeeze)(np.squeeze)
_cut_out(unsqueeze)(np.expand_dims)
for _op in (alias, detached):
    _cut_out(_op)(lambda array: array)

for _op in (permute, transpose, t, view, alias, expand, squeeze, unsqueeze):
    _op.arranges = True


def _bitcast(v, dtype):
    """Reinterpret the last dimension's memory as another dtype."""
    old, new = np.dtype(v.dtype), np.dtype(dtype)
    if old == new:
        return v
    as_bool = new == np.bool_
    if as_bool:
        new = np.dtype(np.uint8)
    if old == np.bool_:
        v, old = v.astype(np.uint8), np.dtype(np.uint8)
    if jnp.issubdtype(old, jnp.complexfloating):
        part = jnp.stack([jnp.real(v), jnp.imag(v)], -1)
        v = _joined(part) if v.ndim else part
        old = np.dtype(v.dtype)
    if jnp.issubdtype(new, jnp.complexfloating):
        half = np.dtype(np.float32 if new == np.complex64 else np.float64)
        v = _grouped(_bitcast(v, half), 2)
        return lax.complex(v[..., 0], v[..., 1])
    if new.itemsize > old.itemsize:
        out = lax.bitcast_convert_type(_grouped(v, new.itemsize // old.itemsize), new)
    elif new.itemsize < old.itemsize:
        out = _joined(lax.bitcast_convert_type(v, new))
    else:
        out = lax.bitcast_convert_type(v, new)
    return out != 0 if as_bool else out


def _joined(v):
    """The last two dimensions as one. (Of no elements `-1` could be any size.)"""
    return v.reshape(*v.shape[:-2], v.shape[-2] * v.shape[-1])


def _grouped(v, n: int):
    """The last dimension as groups of `n`."""
    return v.reshape(*v.shape[:-1], v.shape[-1] // n, n)


__all__ = ["WRITES", "jax", "to_memory", "write_spec"]
