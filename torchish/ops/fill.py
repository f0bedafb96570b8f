"""Filling with one value, and the constant patterns of a matrix."""

from __future__ import annotations

import jax.numpy as jnp

from torchish.ops.declare import op, to_dtype


def _fill_name(first: int):
    return lambda spec, flat: f"FillBackward{first + (spec.kinds[1] == 'T')}"


def _filled(input, value):
    return jnp.broadcast_to(to_dtype(value, input.dtype), input.shape)


@op(
    "_fill_(Tensor input, Tensor|Number value)",
    out=False,
    method=False,
    function=False,
    saves=(),
    flat=("input",),
    grad=_fill_name(2),
    layout="pointwise",
)
def fill_inplace(input, value):
    return _filled(input, value)


@op(
    "_fill(Tensor input, Tensor|Number value)",
    out=False,
    method=False,
    function=False,
    saves=(),
    flat=("input",),
    grad=_fill_name(0),
    layout="pointwise",
)
def fill(input, value):
    return _filled(input, value)


@op(
    "_assign(Tensor input, Tensor|Number value)",
    out=False,
    method=False,
    function=False,
    saves=(),
    flat=("input",),
    grad="FillBackward3",
    layout="pointwise",
)
def assign(input, value):
    """`x[...] = number`: PyTorch makes the number a tensor first, which the gradient function's name shows."""
    return _filled(input, value)


@op("_zero_(Tensor input)", out=False, method=False, function=False, saves=(), flat=("input",), grad="ZeroBackward0", layout="pointwise")
def zero_inplace(input):
    return jnp.zeros_like(input)


fill_inplace.overwrites = assign.overwrites = zero_inplace.overwrites = True
