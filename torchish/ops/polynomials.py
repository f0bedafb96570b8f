"""The orthogonal polynomials of `torch.special`; PyTorch gives them no gradient."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax

from torchish.ops.declare import FLOAT, op
from torchish.ops.precision import quotient
from torchish.ops.rules import COMPLEX, HALVES, refuse


def _degree(n):
    return jnp.where(jnp.isfinite(n), n, -1).astype(jnp.int64)


def _recurrence(x, n, first, step: Callable):
    """The polynomial of degree n, from those of degrees 0 (1) and 1, and `step(k, p(k), p(k - 1))` = p(k + 1)."""
    top = jnp.max(n, initial=0)

    def unfinished(state):
        k, p, q, r = state
        return (k < top) & jnp.any((n > k) & ~jnp.isnan(q))

    def advance(state):
        k, p, q, r = state
        p, q = q, step(k.astype(x.dtype), q, p)
        return k + 1, p, q, jnp.where(k < n, q, r)

    one = jnp.ones_like(x)
    start = (jnp.ones((), jnp.int64), one, first, jnp.where(n == 0, one, first))
    return lax.while_loop(unfinished, advance, start)[3]


def _family(name: str, f: Callable, doc: str) -> list:
    def body(x, n):
        x, n = jnp.broadcast_arrays(x, n)
        n = _degree(n)
        return jnp.where(n < 0, 0, f(x, n)).astype(x.dtype)

    body.__doc__ = doc
    body.__module__ = __name__
    return [
        op(f"special.{name}({operands})", promote=FLOAT, method=False, differentiable=False, saves=(),
           check=refuse(f"{name}_cpu", COMPLEX, *HALVES))(body)
        for operands in ("Tensor x, Tensor n", "Tensor x, Number n", "Number x, Tensor n")
    ]  # fmt: skip


# --- Chebyshev ---------------------------------------------------------------------------------------------


def _chebyshev(y, n, first, at_one, at_minus_one, direct, above: int):
    """A Chebyshev polynomial at y: given values at +-1, a trigonometric form inside for high degrees, else steps."""
    even = n % 2 == 0
    inside = (n > above) & (jnp.abs(y) < 1)
    value = _recurrence(y, jnp.where(inside, 0, n), first, lambda k, q, p: (y + y) * q - p)
    value = jnp.where(inside, direct(jnp.arccos(jnp.where(inside, y, 0))), value)
    value = jnp.where(y == 1, at_one, value)
    return jnp.where(y == -1, jnp.where(even, at_minus_one, -at_minus_one), value)


def _t(y, n, above=6):
    one = jnp.ones_like(y)
    return _chebyshev(y, n, y, one, one, lambda a: jnp.cos(n * a), above)


def _u(y, n, above=8):
    end = (n + 1).astype(y.dtype)
    return _chebyshev(y, n, y + y, end, end, lambda a: _quotient(jnp.sin((n + 1) * a), jnp.sin(a), end), above)


def _v(y, n, above=8):
    end = (n + n + 1).astype(y.dtype)
    return _chebyshev(
        y, n, y + y - 1, jnp.ones_like(y), end, lambda a: _quotient(jnp.cos((n + 0.5) * a), jnp.cos(a / 2), end), above
    )


def _w(y, n, above=8):
    end = (n + n + 1).astype(y.dtype)
    return _chebyshev(
        y, n, y + y + 1, end, jnp.ones_like(y), lambda a: _quotient(jnp.sin((n + 0.5) * a), jnp.sin(a / 2), end), above
    )


def _quotient(a, b, limit):
    return jnp.where(b == 0, limit, a / jnp.where(b == 0, 1, b))


_family("chebyshev_polynomial_t", _t, "Chebyshev polynomials of the first kind.")
_family("chebyshev_polynomial_u", _u, "Chebyshev polynomials of the second kind.")
_family("chebyshev_polynomial_v", _v, "Chebyshev polynomials of the third kind.")
_family("chebyshev_polynomial_w", _w, "Chebyshev polynomials of the fourth kind.")


def _shifted(f: Callable, above: int) -> Callable:
    return lambda x, n: f(x + x - 1, n, above)


_family("shifted_chebyshev_polynomial_t", _shifted(_t, 6), "Chebyshev polynomials of the first kind on [0, 1].")
_family("shifted_chebyshev_polynomial_u", _shifted(_u, 6), "Chebyshev polynomials of the second kind on [0, 1].")
_family("shifted_chebyshev_polynomial_v", _shifted(_v, 6), "Chebyshev polynomials of the third kind on [0, 1].")
_family("shifted_chebyshev_polynomial_w", _shifted(_w, 4), "Chebyshev polynomials of the fourth kind on [0, 1].")


# --- Hermite, Laguerre, Legendre ---------------------------------------------------------------------------


def _hermite(x, n, first, step: Callable):
    limit = 128 if x.dtype == jnp.float32 else 512
    return jnp.where(n > limit, jnp.nan, _recurrence(x, jnp.minimum(n, limit), first, step))


def _h(x, n):
    return _hermite(x, n, x + x, lambda k, q, p: (x + x) * q - 2 * k * p)


def _he(x, n):
    return _hermite(x, n, x, lambda k, q, p: x * q - k * p)


def _laguerre(x, n):
    value = _recurrence(x, n, 1 - x, lambda k, q, p: quotient(((k + k) + (1 - x)) * q - k * p, k + 1))
    return jnp.where(x == 0, 1, value)


def _legendre(x, n):
    value = _recurrence(x, n, x, lambda k, q, p: quotient((k + k + 1) * x * q - k * p, k + 1))
    return jnp.where(jnp.abs(x) == 1, jnp.where((x > 0) | (n % 2 == 0), 1, -1), value)


_family("hermite_polynomial_h", _h, "The physicist's Hermite polynomials.")
_family("hermite_polynomial_he", _he, "The probabilist's Hermite polynomials.")
_family("laguerre_polynomial_l", _laguerre, "Laguerre polynomials.")
_family("legendre_polynomial_p", _legendre, "Legendre polynomials.")
