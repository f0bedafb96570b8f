"""Variance and standard deviation, norms, distances and renormalisation."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from torchish import _dtypes as dt
from torchish.ops.declare import op, to_dtype
from torchish.ops.dims import wrap_dim, wrap_dims
from torchish.ops.folds import greatest, least, total
from torchish.ops.pointwise import check_subtraction
from torchish.ops.precision import is_complex, quotient, stepwise, type_name, widen
from torchish.ops.reduce import mean_gradient, restored

# --- variance ----------------------------------------------------------------------------------------------


def _moments(input, axes, correction: float, keepdim: bool):
    """Variance and mean over axes, in two passes; of float32 on a CPU in float64, as in PyTorch."""
    x = widen(input)
    if jax.default_backend() == "cpu" and input.dtype == jnp.float32:
        x = x.astype(jnp.float64)
    n = math.prod(input.shape[a] for a in axes)
    center = (
        total(x, axes, True) / n
        if n
        else jnp.full([1 if i in axes else s for i, s in enumerate(x.shape)], jnp.nan, x.dtype)
    )
    off = x - center
    squares = jnp.real(off) ** 2 + jnp.imag(off) ** 2 if is_complex(off) else off * off
    sums = total(squares, axes, keepdim)
    # a number of the array's dtype: division by zero gives inf or nan, as PyTorch's does
    variance = sums / np.asarray(max(0.0, n - correction), sums.dtype)
    if n == 0:
        variance = jnp.full(variance.shape, jnp.nan, variance.dtype)
    return variance, center if keepdim else jnp.squeeze(center, axes)


@jax.custom_jvp
def _root(v):
    return jnp.sqrt(v)


@_root.defjvp
def _(primals, tangents):
    # PyTorch's standard deviation has gradient 0 where it is 0.
    r = _root(primals[0])
    safe = jnp.where(r == 0, 1, r)
    return r, jnp.where(r == 0, 0, tangents[0] / (2 * safe))


def _var_gradient(grad, input, dim, correction, keepdim):
    x, rounded = widen(input), stepwise(input.dtype)
    full = dim is None or input.ndim == 0
    axes = wrap_dims(dim, input.ndim)
    n = math.prod(input.shape[a] for a in axes)
    dof = n - correction
    center = rounded(quotient(total(x, axes, True), x.dtype.type(n)))
    grad = restored(widen(grad), axes, keepdim, input.ndim)
    if full and dof <= 0:
        return grad * jnp.where(x == center, jnp.nan, jnp.inf)
    return rounded(np.asarray(np.float64(2) / dof if dof else np.inf, grad.dtype) * grad) * rounded(x - center)


def _std_gradient(grad, result, input, dim, correction, keepdim):
    r, rounded = widen(result), stepwise(input.dtype)
    zero = r == 0
    return _var_gradient(
        jnp.where(zero, 0, rounded(widen(grad) / rounded(2 * jnp.where(zero, 1, r)))), input, dim, correction, keepdim
    )


_MOMENT = "(Tensor input, int[]? dim, float correction, bool keepdim)"


@op(f"_var{_MOMENT}", grad="VarBackward0", method=False, function=False)
def var(input, dim, correction, keepdim):
    return _moments(input, wrap_dims(dim, input.ndim), correction, keepdim)[0].astype(_real(input))


@var.backward
def _(grad, input, dim, correction, keepdim):
    return _var_gradient(grad, input, dim, correction, keepdim)


@op(f"_std{_MOMENT}", grad="StdBackward0", method=False, function=False)
def std(input, dim, correction, keepdim):
    return _root(_moments(input, wrap_dims(dim, input.ndim), correction, keepdim)[0]).astype(_real(input))


@std.backward
def _(grad, result, input, dim, correction, keepdim):
    return _std_gradient(grad, result, input, dim, correction, keepdim)


@op(f"_var_mean{_MOMENT}", grad="VarMeanBackward0", method=False, function=False)
def var_mean(input, dim, correction, keepdim):
    variance, center = _moments(input, wrap_dims(dim, input.ndim), correction, keepdim)
    return variance.astype(_real(input)), center.astype(input.dtype)


@var_mean.backward
def _(grad, input, dim, correction, keepdim):
    axes = wrap_dims(dim, input.ndim)
    return _var_gradient(grad[0], input, dim, correction, keepdim) + mean_gradient(grad[1], input.shape, axes, keepdim)


@op(f"_std_mean{_MOMENT}", grad="StdMeanBackward0", method=False, function=False)
def std_mean(input, dim, correction, keepdim):
    variance, center = _moments(input, wrap_dims(dim, input.ndim), correction, keepdim)
    return _root(variance).astype(_real(input)), center.astype(input.dtype)


@std_mean.backward
def _(grad, result0, input, dim, correction, keepdim):
    axes = wrap_dims(dim, input.ndim)
    return _std_gradient(grad[0], result0, input, dim, correction, keepdim) + mean_gradient(grad[1], input.shape, axes, keepdim)


def _real(x) -> np.dtype:
    return dt.FROM_NP[np.dtype(x.dtype)].to_real().np


# --- norms -------------------------------------------------------------------------------------------------


def _norm_value(x, p: float, axes: tuple[int, ...], keepdim: bool):
    size = jnp.abs(x)
    if p == 0:
        return jnp.sum(x != 0, axes, keepdims=keepdim).astype(size.dtype)
    if p == math.inf:
        return greatest(size, axes, keepdim)
    if p == -math.inf:
        return least(size, axes, keepdim)
    if p == 1:
        return jnp.sum(size, axes, keepdims=keepdim)
    if p == 2:
        squares = jnp.real(x) ** 2 + jnp.imag(x) ** 2 if is_complex(x) else x * x
        return jnp.sqrt(jnp.sum(squares, axes, keepdims=keepdim))
    q = np.asarray(p, size.dtype)
    return jnp.sum(size**q, axes, keepdims=keepdim) ** (1 / q)


def _sign(x):
    """The sign, 0 of nan; of complex numbers `x / abs(x)`, whose derivative JAX's own sign leaves out."""
    if not is_complex(x):
        return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)
    zero = x == 0
    return jnp.where(zero, 0, x / jnp.abs(jnp.where(zero, 1, x)))


def _norm_gradient(g, x, norm, p: float, axes: tuple[int, ...], half: Callable):
    """The gradient of a norm (its reduced axes kept) by `x`, in PyTorch's convention: 0 at 0, shared among maxima.

    Its steps are PyTorch's, each of which `half` rounds: large and small powers leave the range of 16-bit floats.
    """
    none = norm == 0
    safe = jnp.where(none, 1, norm)
    if p == 0:
        return jnp.zeros_like(x)
    if p == 1:
        return half(_sign(x) * g)
    if p == 2:
        return half(g * jnp.where(none, 0, half(x / norm)))  # unguarded: PyTorch's second derivative at 0 is nan
    size = jnp.where(x == 0, 1, jnp.abs(jnp.where(x == 0, 1, x)))
    if math.isinf(p):
        magnitude = jnp.abs(jax.lax.stop_gradient(x))
        if is_complex(x):  # the program that made the norm may have rounded the roots otherwise
            norm = (greatest if p > 0 else least)(magnitude, axes, True)
        at = (magnitude == norm) | jnp.isnan(magnitude)
        return half(_sign(x) * (half(g / jnp.sum(at, axes, keepdims=True).astype(norm.dtype)) * at))
    q = np.asarray(p, norm.dtype)
    if p < 1:
        return half(half(jnp.where(x == 0, 0, _sign(x) * half(size ** (q - 1))) * g) * half(norm ** (1 - q)))
    scaled = _sign(x) * half(size ** (q - 1)) if p < 2 else half(x * half(size ** (q - 2)))
    return half(jnp.where(x == 0, 0, scaled) * jnp.where(none, 0, half(g / half(safe ** (q - 1)))))


@partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def p_norm(x, p: float, axes: tuple[int, ...]):
    """The p-norm over axes, which are kept; differentiable everywhere by PyTorch's conventions."""
    return _norm_value(x, p, axes, True)


@p_norm.defjvp
def _(p, axes, primals, tangents):
    (x,), (t,) = primals, tangents
    norm = p_norm(x, p, axes)
    product = jnp.real(jnp.conj(_norm_gradient(jnp.ones((), norm.dtype), x, norm, p, axes, lambda v: v)) * t)
    return norm, jnp.sum(product, axes, keepdims=True)


def _check_norm_dtype(input, dtype) -> None:
    if not jnp.issubdtype(input.dtype, jnp.inexact):
        raise RuntimeError(
            f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {type_name(input)}"
        )
    if dtype is not None:
        if is_complex(input) and not dtype.is_complex:
            raise RuntimeError(
                f"linalg.vector_norm: dtype should be complex for complex inputs, but got {dt.SCALAR_TYPE_NAMES[dtype]}"
            )
        if dtype.category < 2:
            raise RuntimeError(
                f"linalg.vector_norm: dtype should be floating point or complex. Got {dt.SCALAR_TYPE_NAMES[dtype]}"
            )
        if not is_complex(input) and dtype.is_complex:
            raise RuntimeError(
                f"linalg.vector_norm: dtype should be real for real inputs, but got {dt.SCALAR_TYPE_NAMES[dtype]}"
            )


def _check_norm(input, p: float, axes, dim) -> None:
    if (p < 0 or p == math.inf) and not input.size:
        text = "inf" if p == math.inf else "-inf" if p == -math.inf else f"{p:g}"
        if dim is None or not dim:
            raise RuntimeError(
                f"linalg.vector_norm cannot compute the {text} norm on an empty tensor because the operation does not "
                "have an identity"
            )
        for d, a in zip(dim, axes, strict=True):
            if input.shape[a] == 0:
                raise RuntimeError(
                    f"linalg.vector_norm cannot compute the {text} norm on the dimension {d}because this dimension is "
                    "empty and the operation does not have an identity"
                )


@op("linalg.vector_norm(Tensor input, scalar ord=2, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None)",
    grad="LinalgVectorNormBackward0", cuts=lambda statics, avals: ("input",) if statics[0] == 0 else ())  # fmt: skip
def vector_norm(input, ord, dim, keepdim, dtype):
    """The `ord`-norm of all elements or over dimensions."""
    _check_norm_dtype(input, dtype)
    axes = wrap_dims(dim, input.ndim)
    _check_norm(input, ord, axes, dim)
    x = input if dtype is None else to_dtype(input, dtype.np)
    out = _real(x)
    norm = p_norm(widen(x), ord, axes).astype(out)
    return norm if keepdim else jnp.squeeze(norm, axes)


@vector_norm.backward
def _(grad, input, result, ord, dim, keepdim):
    axes = wrap_dims(dim, input.ndim)
    norm, g = (widen(restored(v, axes, keepdim, input.ndim)) for v in (result, grad))
    return _norm_gradient(g, widen(input), norm, ord, axes, stepwise(input.dtype))


@op("dist(Tensor input, Tensor other, scalar p=2)", out=False)
def dist(input, other, p):
    """The p-norm of the difference of two broadcast tensors: 0-d, real."""
    kinds = [(dt.FROM_NP[np.dtype(x.dtype)], 2 if x.ndim else 1) for x in (input, other)]
    common = dt.result_type(kinds)
    check_subtraction(common, {"input": ("t", kinds[0][0]), "other": ("t", kinds[1][0])})
    off = input.astype(common.np) - other.astype(common.np)
    if not common.category > 1:
        raise RuntimeError(f"norm(): input dtype should be either floating point or complex. Got {type_name(off)} instead.")
    _check_norm(off, p, None, None)
    return p_norm(widen(off), p, tuple(range(off.ndim))).reshape(()).astype(_real(off))


@op("renorm(Tensor input, scalar p, int dim, scalar maxnorm)", inplace=True)
def renorm(input, p, dim, maxnorm):
    """Scale down each slice along `dim` whose p-norm exceeds `maxnorm`."""
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    if not jnp.issubdtype(input.dtype, jnp.inexact):
        raise RuntimeError(f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {type_name(input)}")
    d = wrap_dim(dim, input.ndim)
    x = widen(input)
    norm = p_norm(x, p, tuple(i for i in range(x.ndim) if i != d))
    factor = jnp.where(norm > maxnorm, maxnorm / (norm + 1e-7), 1).astype(norm.dtype)
    return (x * factor).astype(input.dtype)


@op("_nuclear_norm(Tensor input, int[] dim, bool keepdim)", method=False, function=False, grad="SumBackward1")
def nuclear_norm(input, dim, keepdim):
    """The sum of the singular values of the matrices in two dimensions."""
    axes = wrap_dims(dim, input.ndim)
    matrices = jnp.moveaxis(widen(input), axes, (-2, -1))
    total = jnp.sum(jnp.linalg.svd(matrices, compute_uv=False), -1).astype(_real(input))
    return jnp.expand_dims(total, axes) if keepdim else total
