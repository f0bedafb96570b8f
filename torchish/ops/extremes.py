"""The greatest and the least value along axes, nan where there is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def _with_nan(reduce: Callable) -> Callable:
    """`reduce`, with nan wherever it meets one: XLA's CPU backend loses it in large arrays (jaxlib 0.10.2, openxla/xla's YNNPACK)."""

    def reduced(x: Any, axes: Any = None, keepdims: bool = False) -> Any:
        value = reduce(x, axes, keepdims=keepdims)
        if jax.default_backend() != "cpu" or not jnp.issubdtype(x.dtype, jnp.floating):
            return value
        return jnp.where(jnp.isnan(x).any(axes, keepdims=keepdims), jnp.nan, value)

    return reduced


greatest: Callable = _with_nan(jnp.max)
least: Callable = _with_nan(jnp.min)

__all__ = ["greatest", "least"]
