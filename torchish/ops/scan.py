"""Cumulative sums, products, extrema and log-sums."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchish.ops.declare import op, to_dtype, whole
from torchish.ops.dims import wrap_dim
from torchish.ops.precision import is_complex, stepwise, type_name, widen
from torchish.ops.running import running, running_extreme


def _accumulate(kind, input, dim, dtype):
    d = wrap_dim(dim, input.ndim)
    if dtype is not None:
        if dtype.np == np.bool_ and input.ndim and input.size:
            raise NotImplementedError(f"\"cum{kind}_out_cpu\" not implemented for 'Bool'")
        x = to_dtype(input, dtype.np)
    else:
        x = input if jnp.issubdtype(input.dtype, jnp.inexact) else input.astype(np.int64)
    if not input.ndim or not input.size:
        return x
    return running(kind, widen(x), d, x.dtype).astype(x.dtype)


@op("cumsum(Tensor input, int dim, *, dtype? dtype=None)", saves=(), inplace=True)
def cumsum(input, dim, dtype):
    return _accumulate("sum", input, dim, dtype)


def _from_the_end(x, d: int):
    """The running sum that begins at the end of an axis."""
    return jnp.flip(running("sum", jnp.flip(widen(x), d), d, x.dtype), d).astype(x.dtype)


@cumsum.backward
def _(grad, dim):
    return _from_the_end(grad, wrap_dim(dim, grad.ndim)) if grad.ndim and grad.size else grad


def _one_factor(statics: tuple, avals: tuple) -> tuple[str, ...]:
    shape = avals[0].shape
    return ("input", "result") if not shape or 0 in shape or shape[statics[0]] == 1 else ()


@op("cumprod(Tensor input, int dim, *, dtype? dtype=None)", inplace=True, selects=_one_factor)
def cumprod(input, dim, dtype):
    return _accumulate("prod", input, dim, dtype)


@cumprod.backward
def _(grad, result, input, dim, dtype):
    if not grad.ndim or not grad.size:
        return grad
    d = wrap_dim(dim, grad.ndim)
    x = input.astype(result.dtype)

    def divided():
        return _from_the_end(grad * jnp.conj(result), d) / jnp.conj(x)

    def multiplied():  # where a zero is among the factors
        _, pull = jax.vjp(lambda x: running("prod", widen(x), d, x.dtype).astype(x.dtype), x)
        return jnp.conj(pull(jnp.conj(grad))[0])

    return lax.cond(jnp.any(x == 0), multiplied, divided)


def _extreme(input, dim, kind):
    if not input.ndim and dim not in (-1, 0):
        raise IndexError(f"cum{kind}(): Expected reduction dim -1 or 0 for scalar but got {dim}")
    if is_complex(input) and input.size and input.ndim:
        raise NotImplementedError(f"\"cum{kind}_cpu\" not implemented for '{type_name(input)}'")
    d = wrap_dim(dim, input.ndim)
    if not input.ndim or not input.size:
        return input, jnp.zeros(input.shape, np.int64)
    x = input.astype(np.uint8) if input.dtype == np.bool_ else widen(input)
    best, at = running_extreme(kind, x, d)
    return best.astype(input.dtype), at


@op("cummax(Tensor input, int dim)", returns="values indices", selects=("result",))
def cummax(input, dim):
    return _extreme(input, dim, "max")


@op("cummin(Tensor input, int dim)", returns="values indices", selects=("result",))
def cummin(input, dim):
    return _extreme(input, dim, "min")


def _scatter_back(g, at, dim):
    if not g.ndim or not g.size:
        return g
    index = jnp.indices(g.shape, sparse=True)
    d = wrap_dim(dim, g.ndim)
    return jnp.zeros_like(g).at[(*index[:d], at, *index[d + 1 :])].add(g)


@cummax.backward
def _(grad, result1, dim):
    return _scatter_back(grad[0], result1, dim)


@cummin.backward
def _(grad, result1, dim):
    return _scatter_back(grad[0], result1, dim)


def _nothing_of_the_result(statics: tuple, avals: tuple) -> tuple[str, ...]:
    return ("result", *whole("input")(statics, avals))


@op("logcumsumexp(Tensor input, int dim)", selects=_nothing_of_the_result)
def logcumsumexp(input, dim):
    """log(cumsum(exp(x))) without overflow."""
    if not jnp.issubdtype(input.dtype, jnp.inexact):
        raise NotImplementedError(f"\"logcumsumexp_out_cpu\" not implemented for '{type_name(input)}'")
    return _logcumsumexp(input, dim)


def _logcumsumexp(x, dim):
    d = wrap_dim(dim, x.ndim)
    if not x.ndim or not x.size:
        return x
    return _complex_logcumsumexp(x, d) if is_complex(x) else running("logsumexp", widen(x), d, x.dtype).astype(x.dtype)


@logcumsumexp.backward
def _(grad, result, input, dim):
    if not grad.ndim or not grad.size:
        return grad

    def exact(grad, x):
        _, pull = jax.vjp(lambda x: _logcumsumexp(x, dim), x)
        return jnp.conj(pull(jnp.conj(grad))[0])

    if is_complex(input):
        return exact(grad, input)

    # By logarithms, as PyTorch: what is lost in them is lost there too. Its derivatives would lose those at gradients of 0.
    @jax.custom_jvp
    def by_logarithms(grad, x, result):
        return _by_logarithms(grad, result, x, wrap_dim(dim, grad.ndim))

    by_logarithms.defjvp(lambda primals, tangents: (by_logarithms(*primals), jax.jvp(exact, primals[:2], tangents[:2])[1]))
    return by_logarithms(grad, input, lax.stop_gradient(result))


def _by_logarithms(grad, result, x, d: int):
    """The gradient of `logcumsumexp`: the log-sums, from the end, of what is positive in `grad` less those of what is negative."""
    dtype, half = x.dtype, stepwise(x.dtype)
    grad, result, x = widen(grad), widen(result), widen(x)
    nothing = np.asarray(jnp.finfo(dtype).min, x.dtype)

    def passed(signed):
        there = signed > 0
        log = jnp.where(there, half(jnp.log(jnp.where(there, signed, 1))), nothing)
        tail = jnp.flip(running("logsumexp", jnp.flip(half(log - result), d), d, dtype), d)
        return half(jnp.exp(half(half(tail) + x)))

    return (passed(grad) - passed(-grad)).astype(dtype)


def _complex_logcumsumexp(x, d: int):
    # One after the other, as PyTorch does: the imaginary part is not wrapped, so it depends on the order.
    rows = jnp.moveaxis(x, d, 0)

    def join(a, b):
        low = jnp.where(jnp.real(a) < jnp.real(b), a, b)
        high = jnp.where(jnp.real(a) < jnp.real(b), b, a)
        nothing = jnp.isneginf(jnp.real(high))
        gap = jnp.where(nothing, 0, low - jnp.where(nothing, 0, high))
        got = jnp.where(nothing, low, jnp.log1p(jnp.exp(gap)) + high)
        return got, got

    _, rest = lax.scan(join, rows[0], rows[1:])
    return jnp.moveaxis(jnp.concatenate([rows[:1], rest]), 0, d)
