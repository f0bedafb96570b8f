"""Pointwise arithmetic and functions."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax

from torchish.ops.declare import ARITH, FLOAT, op

_MUL = {"input": ("other",), "other": ("input",)}


@op("add(Tensor|Number input, Tensor|Number other, *, Number alpha=1)", promote=ARITH, inplace=True, saves=())
def add(input, other, alpha):
    return input + alpha * other


@op("sub(Tensor|Number input, Tensor|Number other, *, Number alpha=1)", promote=ARITH, inplace=True, saves=(), aliases=("subtract",))
def sub(input, other, alpha):
    return input - alpha * other


@op("mul(Tensor|Number input, Tensor|Number other)", promote=ARITH, inplace=True, saves=_MUL, aliases=("multiply",))
def mul(input, other):
    if input.dtype == jnp.bool_:
        return input & other
    return input * other


@op("div(Tensor|Number input, Tensor|Number other)", promote=FLOAT, inplace=True, saves={"other": ("input", "other"), "input": ("other",)}, aliases=("divide", "true_divide"))
def div(input, other):
    return input / other


@op("neg(Tensor input)", promote=ARITH, inplace=True, saves=(), aliases=("negative",))
def neg(input):
    return -input


@op("exp(Tensor input)", promote=FLOAT, inplace=True)
def exp(input):
    return jnp.exp(input)


@exp.backward
def _(grad, result):
    return grad * jnp.conj(result)


@op("sin(Tensor input)", promote=FLOAT, inplace=True)
def sin(input):
    return jnp.sin(input)


__all__ = ["lax"]
