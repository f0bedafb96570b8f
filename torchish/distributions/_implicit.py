"""Implicit derivatives of samples (Figurnov et al., 2018): how a sample moves with a parameter at a fixed quantile."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax
from jax.scipy.special import digamma

_TERMS = 20_000  # the series' terms fall as powers of min(x, 1 - x) once past about sqrt(a + b)


def _series(x, a, b, parameter):
    """S = sum of T_k = x^k (a+b)_k / (a)_{k+1}, and its derivative in the parameter ("a" or "b").

    The incomplete beta function is x^a (1-x)^b S: all terms are positive, so nothing cancels.
    """

    def more(state):
        k, _, _, total, _, last = state
        return (k < _TERMS) & jnp.any(last > jnp.finfo(x.dtype).eps * 1e-3 * total)

    def step(state):
        k, term, slope, total, total_slope, _ = state
        grows = 1 / (a + b + k)
        slope = slope + (grows - 1 / (a + k + 1) if parameter == "a" else grows)
        term = term * x * (a + b + k) / (a + k + 1)
        return k + 1, term, slope, total + term, total_slope + term * slope, term * (1 + jnp.abs(slope))

    first = 1 / a
    slope = -first if parameter == "a" else jnp.zeros_like(first)
    start = (jnp.zeros((), x.dtype), first, slope, first, first * slope, first)
    return lax.while_loop(more, step, start)[3:5]


def dirichlet_gradient(x, a, b):
    """dx/da / (1 - x) of a Beta(a, b) variable x at a fixed quantile; arrays of one shape."""
    dtype = x.dtype
    x, a, b = (v.astype(jnp.float64) for v in jnp.broadcast_arrays(x, a, b))
    wide = jnp.finfo(x.dtype)
    x = jnp.clip(x, wide.tiny, 1 - wide.eps)
    below = x <= a / (a + b)
    # The series of the nearer tail; the other's arguments are replaced so that it is short.
    low, low_slope = _series(jnp.where(below, x, 0.0), a, b, "a")
    high, high_slope = _series(jnp.where(below, 0.0, 1 - x), b, a, "b")
    total = jnp.where(below, low, high)
    slope = jnp.where(below, low_slope, high_slope)
    # d/da of the log of x^a / B(a, b), by which both tails are multiplied; the density's other factors divide out
    rate = jnp.log(x) - digamma(a) + digamma(a + b)
    return (jnp.where(below, -1.0, 1.0) * x * (rate * total + slope)).astype(dtype)
