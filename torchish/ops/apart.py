"""What XLA and LLVM may not merge with what is made of it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


@jax.custom_jvp
def apart(v: jax.Array) -> jax.Array:
    """Floats that are rounded, and overflow, before anything is made of them, as PyTorch's results are.

    XLA makes fused multiply-adds of products and sums, `a / (b * c)` of `a / b / c`, and `x` of `log(exp(x))`, through barriers and
    `lax.reduce_precision` too; but not through a choice that it cannot foresee.
    """
    if jnp.issubdtype(v.dtype, jnp.complexfloating):
        return lax.complex(apart(v.real), apart(v.imag))
    return jnp.where(v != v, np.asarray(np.nan, v.dtype), v) if jnp.issubdtype(v.dtype, jnp.floating) else v


apart.defjvp(lambda primals, tangents: (apart(*primals), *tangents))


def root(x: jax.Array) -> jax.Array:
    """The square root, rounded: of `1 / sqrt(x)` XLA would make an estimate."""
    return apart(jnp.sqrt(apart(x)))


__all__ = ["apart", "root"]
