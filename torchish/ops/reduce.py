"""Reductions to sums, products, extrema and truth values."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchish import _dtypes as dt
from torchish.ops.compare import maximum, minimum
from torchish.ops.declare import REGISTRY, op, to_dtype
from torchish.ops.dims import refuse_many_dims, wrap_dim, wrap_dims
from torchish.ops.folds import greatest, least, total
from torchish.ops.order import first_where, positions
from torchish.ops.precision import is_complex, is_half, quotient, stepwise, type_name, widen


def is_float(x) -> bool:
    return bool(jnp.issubdtype(x.dtype, jnp.floating))


def restored(g, axes: tuple[int, ...], keepdim: bool, ndim: int):
    """A reduced array with its reduced dimensions back, of length 1."""
    return g if keepdim or g.ndim == ndim else jnp.expand_dims(g, axes)


# --- sums and products -------------------------------------------------------------------------------------


def _accumulated(input, dtype):
    """What a sum or product runs over: the requested dtype, int64 for integers."""
    if dtype is not None:
        return to_dtype(input, dtype.np)
    return input if jnp.issubdtype(input.dtype, jnp.inexact) else input.astype(np.int64)


def _sum(input, axes, keepdim, dtype):
    x = _accumulated(input, dtype)
    if x.dtype == np.bool_:
        return jnp.any(x, axes, keepdims=keepdim)
    return total(widen(x), axes, keepdim).astype(x.dtype)


@op("sum(Tensor input, *, dtype? dtype=None)", saves=(), grad="SumBackward0", out=False)
def sum_(input, dtype):
    return _sum(input, None, False, dtype)


@op("sum(Tensor input, int[]? dim, bool keepdim=False, *, dtype? dtype=None)", saves=(), grad="SumBackward1")
def sum_dim(input, dim, keepdim, dtype):
    return _sum(input, wrap_dims(dim, input.ndim), keepdim, dtype)


@op("nansum(Tensor input, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None)", selects=("input",))
def nansum(input, dim, keepdim, dtype):
    axes = wrap_dims(dim, input.ndim)
    if is_complex(input):
        raise RuntimeError("nansum on CPU does not support complex inputs")
    x = jnp.where(jnp.isnan(input), jnp.zeros_like(input), input) if is_float(input) else input
    return _sum(x, axes, keepdim, dtype)


@nansum.backward
def _(grad, input, dim, keepdim):
    return _known_only(restored(widen(grad), wrap_dims(dim, input.ndim), keepdim, input.ndim), ~jnp.isnan(input))


def _known_only(grad, known):
    # PyTorch multiplies by the mask; XLA would make a plain choice of that, where an infinite cotangent makes nan
    return jnp.where(known, grad, grad * 0)


def _mean(input, axes, keepdim, dtype):
    kind = dt.FROM_NP[np.dtype(input.dtype)] if dtype is None else dtype
    if kind.category < 2:
        what = "Input dtype must" if dtype is None else "Optional dtype must"
        raise RuntimeError(
            f"mean(): could not infer output dtype. {what} be either a floating point or complex dtype. "
            f"Got: {dt.SCALAR_TYPE_NAMES[kind]}"
        )
    x = to_dtype(input, kind.np)
    wide = widen(x)
    count = np.prod([x.shape[a] for a in (range(x.ndim) if axes is None else axes)], dtype=np.int64)
    return quotient(total(wide, axes, keepdim), wide.dtype.type(count)).astype(x.dtype)


def mean_gradient(grad, shape, axes, keepdim):
    count = np.prod([shape[a] for a in axes], dtype=np.int64)
    g = widen(restored(grad, axes, keepdim, len(shape)))
    return jnp.broadcast_to(quotient(g, g.dtype.type(count)), shape)


@op("mean(Tensor input, *, dtype? dtype=None)", saves=(), grad="MeanBackward0")
def mean(input, dtype):
    return _mean(input, None, False, dtype)


@mean.backward
def _(grad, input_shape):
    return mean_gradient(grad, input_shape, tuple(range(len(input_shape))), False)


@op("mean(Tensor input, int[]? dim, bool keepdim=False, *, dtype? dtype=None)", saves=(), grad="MeanBackward1")
def mean_dim(input, dim, keepdim, dtype):
    return _mean(input, wrap_dims(dim, input.ndim), keepdim, dtype)


@mean_dim.backward
def _(grad, input_shape, dim, keepdim):
    return mean_gradient(grad, input_shape, wrap_dims(dim, len(input_shape)), keepdim)


@op("nanmean(Tensor input, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None)", selects=("input",), grad="DivBackward0")
def nanmean(input, dim, keepdim, dtype):
    if not jnp.issubdtype(input.dtype, jnp.inexact):
        raise RuntimeError(
            f"nanmean(): expected input to have floating point or complex dtype but got {type_name(input)}"
        )
    if is_complex(input):
        raise RuntimeError("nansum on CPU does not support complex inputs")
    axes = wrap_dims(dim, input.ndim)
    nan = jnp.isnan(input)
    x = to_dtype(input, input.dtype if dtype is None else dtype.np)
    wide = widen(x)
    count = jnp.sum(~nan, axes, keepdims=keepdim).astype(wide.dtype)
    return (total(jnp.where(nan, jnp.zeros_like(wide), wide), axes, keepdim) / count).astype(x.dtype)


@nanmean.backward
def _(grad, input, dim, keepdim):
    axes = wrap_dims(dim, input.ndim)
    known = ~jnp.isnan(input)
    g = restored(widen(grad), axes, keepdim, input.ndim)
    return _known_only(g / jnp.sum(known, axes, keepdims=True).astype(g.dtype), known)


# XLA multiplies a row one element after the other, but rows side by side: 1e6 float32 take 0.96 ms, in rows of 4000 0.11, (1000, 1000)
# along its rows 0.29, in parts of 50 0.12 (PyTorch 0.09). Below LONG elements there is nothing to win.
LONG, ROWS, PARTS = 1 << 15, range(4096, 63, -1), range(64, 15, -1)


def _side_by_side(x, axes):
    """`x` with the last of the axes that it is to be multiplied along shortened, and the axes that are left to multiply along."""
    if x.size < LONG or jax.default_backend() != "cpu":
        return x, axes
    if axes is None:
        row = next((r for r in ROWS if x.size % r == 0), ROWS[0])
        rest = -x.size % row
        x = jnp.concatenate([x.reshape(-1), jnp.ones(rest, x.dtype)]) if rest else x
        return lax.optimization_barrier(jnp.prod(x.reshape(-1, row), 0)), None
    n = x.shape[-1]
    part = next((p for p in PARTS if n % p == 0), n)
    if axes == (x.ndim - 1,) and part < n:
        x = lax.optimization_barrier(jnp.prod(x.reshape(*x.shape[:-1], n // part, part), -2))
    return x, axes


def _prod(input, axes, keepdim, dtype):
    x = _accumulated(input, dtype)
    if x.dtype == np.bool_:
        return jnp.all(x, axes, keepdims=keepdim)
    if is_half(x.dtype):  # each product is rounded, as in PyTorch
        axes = tuple(range(x.ndim)) if axes is None else axes
        got = lax.reduce_prod(x, axes)
        return jnp.expand_dims(got, axes) if keepdim else got
    x, axes = _side_by_side(x, axes)
    return jnp.prod(x, axes, keepdims=keepdim, dtype=x.dtype)


def _number(statics: tuple, avals: tuple) -> tuple[str, ...]:
    return () if avals[0].ndim else ("input", "result")


@op("prod(Tensor input, *, dtype? dtype=None)", grad="ProdBackward0", out=False, selects=_number)
def prod(input, dtype):
    return _prod(input, None, False, dtype)


@op("prod(Tensor input, int dim, bool keepdim=False, *, dtype? dtype=None)", grad="ProdBackward1", selects=_number)
def prod_dim(input, dim, keepdim, dtype):
    return _prod(input, wrap_dims(dim, input.ndim), keepdim, dtype)


def _prod_gradient(grad, result, input, axes, keepdim, dtype):
    """The product divided by each factor, as PyTorch has it, which overflows with the product; without divisions where one is 0."""
    if not input.ndim:
        return grad
    x = _accumulated(input, dtype)
    half = stepwise(x.dtype)

    def divided():
        g, r = (widen(restored(v, axes, keepdim, x.ndim)) for v in (grad, result))
        return half(g * jnp.conj(half(r / widen(x)))).astype(x.dtype)

    def multiplied():
        _, pull = jax.vjp(lambda x: _prod(x, axes, keepdim, None), x)
        return jnp.conj(pull(jnp.conj(grad))[0])

    return lax.cond(jnp.any(x == 0), multiplied, divided)


@prod.backward
def _(grad, result, input, dtype):
    return _prod_gradient(grad, result, input, tuple(range(input.ndim)), False, dtype)


@prod_dim.backward
def _(grad, result, input, dim, keepdim, dtype):
    return _prod_gradient(grad, result, input, (wrap_dim(dim, input.ndim),) if input.ndim else (), keepdim, dtype)


@op("count_nonzero(Tensor input, int[]? dim=None)", differentiable=False, out=False)
def count_nonzero(input, dim):
    return jnp.sum(input != 0, wrap_dims(dim, input.ndim), dtype=np.int64)


# --- truth -------------------------------------------------------------------------------------------------


def _truth(reduce, input, dim, keepdim):
    # PyTorch's uint8 counts as a truth value of its own: the result stays uint8.
    axes = () if dim == () else wrap_dims(dim, input.ndim)  # no dimensions are none here, not all of them
    got = reduce(input != 0, axes, keepdims=keepdim)
    return got.astype(np.uint8) if input.dtype == np.uint8 else got


@op("all(Tensor input, int[]? dim=None, bool keepdim=False)", differentiable=False)
def all_(input, dim, keepdim):
    return _truth(jnp.all, input, dim, keepdim)


@op("any(Tensor input, int[]? dim=None, bool keepdim=False)", differentiable=False)
def any_(input, dim, keepdim):
    return _truth(jnp.any, input, dim, keepdim)


# --- extrema -----------------------------------------------------------------------------------------------


def _refuse(input, kernel: str) -> None:
    if is_complex(input) and input.size:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{type_name(input)}'")


def _refuse_empty(input, dim, axes, name: str) -> None:
    """PyTorch's errors for extrema of nothing."""
    if input.size == 0:
        if not dim:
            raise RuntimeError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim "
                "with the 'dim' argument."
            )
        for d in dim:  # (as they were given)
            if input.ndim and input.shape[d] == 0:
                raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")


def refuse_empty_dims(input, axes, name: str) -> None:
    """IndexError when a dimension that is reduced has no elements."""
    for a in axes:
        if input.ndim and input.shape[a] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {a} to have non-zero size.")


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def attained(input, value, axes: tuple[int, ...]):
    """`value`, which elements of `input` attain (its axes kept): they share its gradient evenly."""
    return value


@attained.defjvp
def _(axes, primals, tangents):
    (x, value), t = primals, tangents[0]
    at = x == value  # nan, as in PyTorch, has a tangent of nan
    tangent = jnp.sum(jnp.where(at, t, 0), axes, keepdims=True, dtype=t.dtype) / jnp.sum(
        at, axes, keepdims=True
    ).astype(t.dtype)
    return value, tangent


def extremum(input, axes: tuple[int, ...], keepdim: bool, largest: bool):
    """Maximum or minimum over axes; the gradient is shared evenly among the elements that attain it."""
    value = (greatest if largest else least)(lax.stop_gradient(input), axes, keepdims=True)
    if is_float(input):
        value = attained(input, value, axes)
    return value if keepdim else lax.squeeze(value, axes)


def shared_gradient(grad, input, value, axes, keepdim, nan_attains=True):
    """The gradient of an extremum: split evenly among the elements equal to it."""
    value, grad = (restored(v, axes, keepdim, input.ndim) for v in (value, grad))
    at = input == value
    if nan_attains:
        at |= (input != input) & (value != value)
    return jnp.where(at, grad, jnp.zeros_like(grad)) / jnp.sum(at, axes, keepdims=True).astype(grad.dtype)


def _declare_extremum(name: str, largest: bool) -> None:
    """max and min in their three forms, argmax and argmin, amax and amin."""
    of_two = maximum if largest else minimum
    other = of_two.name

    @op(f"{name}(Tensor input)", grad=f"{name.capitalize()}Backward1", selects=("input", "result"))
    def full(input):
        axes = tuple(range(input.ndim))
        _refuse_empty(input, (), axes, name)
        _refuse(input, f"{name}_all")
        return extremum(input, axes, False, largest)

    @full.backward
    def _(grad, input, result):
        return shared_gradient(grad, input, result, tuple(range(input.ndim)), False)

    REGISTRY[name].append(of_two)  # max(input, other)
    full.__doc__ = f"The {other} of all elements; its gradient is split evenly among equal elements."

    @op(
        f"{name}(Tensor input, int dim, bool keepdim=False)",
        returns="values indices",
        grad=f"{name.capitalize()}Backward0",
        selects=("result",),
    )
    def dim_form(input, dim, keepdim):
        dim = wrap_dim(dim, input.ndim)
        refuse_empty_dims(input, (dim,), name)
        if is_complex(input):
            raise RuntimeError(f"{name}(): does not support complex input")
        refuse_many_dims(input.ndim)
        return selected(input, lambda x: _first_best(x, dim, largest), dim, keepdim)

    @dim_form.backward
    def _(grad, result1, input_shape, dim, keepdim):
        return one_hot_gradient(grad[0], result1, input_shape, dim, keepdim)

    dim_form.__doc__ = f"The {other} along a dimension and the position of its first occurrence."

    @op(f"arg{name}(Tensor input, int? dim=None, bool keepdim=False)", differentiable=False)
    def arg(input, dim, keepdim):
        for bad, what in ((is_complex(input), "complex"), (input.dtype == np.bool_, "bool")):
            if bad:
                raise RuntimeError(f"arg{name}(): does not support {what} input")
        if dim is None:
            if input.size == 0:
                raise IndexError(f"arg{name}(): Expected reduction dim to be specified for input.numel() == 0.")
            return _first_best(input.reshape(-1), 0, largest).reshape((1,) * input.ndim if keepdim else ())
        dim = wrap_dim(dim, input.ndim)
        refuse_empty_dims(input, (dim,), f"arg{name}")
        refuse_many_dims(input.ndim)
        if not input.ndim:
            return jnp.zeros((), np.int64)
        at = _first_best(input, dim, largest)
        return at if keepdim else jnp.squeeze(at, dim)

    @op(f"a{name}(Tensor input, int[]? dim=(), bool keepdim=False)", selects=("input", "result"))
    def a_form(input, dim, keepdim):
        axes = wrap_dims(dim, input.ndim)
        _refuse_empty(input, dim, axes, f"a{name}")
        _refuse(input, f"{name}_values_cpu")
        return extremum(input, axes, keepdim, largest)

    @a_form.backward
    def _(grad, input, result, dim, keepdim):
        return shared_gradient(grad, input, result, wrap_dims(dim, input.ndim), keepdim, nan_attains=False)


def _first_best(x, dim: int, largest: bool):
    """The position (kept axis) of the first maximum or minimum, or of the first nan.

    Reductions that XLA turns into vector instructions; the one of pairs that `jnp.argmax` is takes 3 to 5 times as long on CPU.
    """
    value = (greatest if largest else least)(x, dim, keepdims=True)
    return first_where((x == value) | jnp.isnan(x) if is_float(x) else x == value, dim)


def selected(input, find, dim: int, keepdim: bool):
    """The element of each row at the position (kept axis) that `find` gives, and that position.

    A 0-d tensor is a row of one element.
    """
    x = input if input.ndim else input.reshape(1)
    at = find(lax.stop_gradient(x))
    values = jnp.take_along_axis(x, at, dim)
    if not input.ndim or not keepdim:
        values, at = jnp.squeeze(values, dim), jnp.squeeze(at, dim)
    return values, at


def one_hot_gradient(grad, indices, shape, dim: int, keepdim: bool):
    """The gradient of picking one element a row: an elementwise product, where a scatter is slow on XLA's CPU."""
    if not shape:
        return grad
    dim = wrap_dim(dim, len(shape))
    g, at = (restored(v, (dim,), keepdim, len(shape)) for v in (grad, indices))
    return jnp.where(positions(shape, dim) == at, g, jnp.zeros_like(g))


_declare_extremum("max", True)
_declare_extremum("min", False)


@op("aminmax(Tensor input, *, int? dim=None, bool keepdim=False)", returns="min max", selects=("input", "result"))
def aminmax(input, dim, keepdim):
    """Both extrema, of all elements or along a dimension; nan when there is one."""
    if dim is None:
        if input.size == 0:
            raise RuntimeError(
                "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
            )
        axes = tuple(range(input.ndim))
    else:
        d = wrap_dim(dim, input.ndim)
        if input.ndim and input.shape[d] == 0:
            raise IndexError(f"aminmax: Expected reduction dim {d} to have non-zero size.")
        refuse_many_dims(input.ndim)
        axes = (d,) if input.ndim else ()
    _refuse(input, "aminmax_cpu")
    return extremum(input, axes, keepdim, False), extremum(input, axes, keepdim, True)


@aminmax.backward
def _(grad, input, result, dim, keepdim):
    axes = wrap_dims(dim, input.ndim)
    low, high = (shared_gradient(g, input, value, axes, keepdim, nan_attains=False) for g, value in zip(grad, result, strict=True))
    return low + high
