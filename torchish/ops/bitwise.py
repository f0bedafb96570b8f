"""Operations on the bits of integers and on bools; greatest common divisors and least common multiples."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchish import _dtypes as dt
from torchish.ops.declare import ARITH, op
from torchish.ops.dims import wrap_dims
from torchish.ops.rules import BOOL, COMPLEX, FLOATING, refuse

_OPERANDS = ("Tensor input, Tensor other", "Tensor input, Number other", "Number self, Tensor other")


def _bitwise(name: str, kernel: str, doc: str, f, *refused) -> list:
    def body(input, other):
        return f(input, other)

    body.__doc__ = doc
    made = []
    for operands in _OPERANDS:
        tensor = operands.startswith("Tensor")
        declare = op(
            f"{name}({operands})", promote=ARITH, inplace=tensor, method=tensor, out=tensor, differentiable=False,
            check=refuse(kernel, FLOATING, COMPLEX, *refused),
        )  # fmt: skip
        made.append(declare(body))
    return made


@op(
    "bitwise_not(Tensor input)",
    promote=ARITH,
    inplace=True,
    differentiable=False,
    check=refuse("bitwise_not_cpu", FLOATING, COMPLEX),
)
def bitwise_not(input):
    """The complement of each bit; the logical not of bools."""
    return ~input


def _bits(x) -> int:
    return x.dtype.itemsize * 8


def _left(x, y):
    # Shifting by the width or more, or by a negative number, leaves nothing.
    inside = (y >= 0) & (y < _bits(x))
    return jnp.where(inside, jnp.left_shift(x, jnp.where(inside, y, 0)), 0)


def _right(x, y):
    inside = (y >= 0) & (y < _bits(x))
    return jnp.right_shift(x, jnp.where(inside, y, _bits(x) - 1).astype(x.dtype)) if jnp.issubdtype(
        x.dtype, jnp.signedinteger
    ) else jnp.where(inside, jnp.right_shift(x, jnp.where(inside, y, 0)), 0)  # fmt: skip


bitwise_and = _bitwise("bitwise_and", "bitwise_and_cpu", "The conjunction of the bits.", lambda x, y: x & y)
bitwise_or = _bitwise("bitwise_or", "bitwise_or_cpu", "The disjunction of the bits.", lambda x, y: x | y)
bitwise_xor = _bitwise("bitwise_xor", "bitwise_xor_cpu", "The exclusive disjunction of the bits.", lambda x, y: x ^ y)
bitwise_left_shift = _bitwise("bitwise_left_shift", "lshift_cpu", "`input * 2 ** other`, modulo the width.", _left, BOOL)
bitwise_right_shift = _bitwise("bitwise_right_shift", "rshift_cpu", "`input / 2 ** other`, rounded down.", _right, BOOL)


@op("gcd(Tensor input, Tensor other)", promote=ARITH, inplace=True, differentiable=False,
    check=refuse("gcd_cpu", BOOL, FLOATING, COMPLEX))  # fmt: skip
def gcd(input, other):
    """The greatest common divisor of two integers."""
    return jnp.gcd(input, other)


@op("lcm(Tensor input, Tensor other)", promote=ARITH, inplace=True, differentiable=False,
    check=refuse("lcm_cpu", BOOL, FLOATING, COMPLEX))  # fmt: skip
def lcm(input, other):
    """The least common multiple of two integers."""
    return jnp.lcm(input, other)


@op("hash_tensor(Tensor input, int[] dim=(), *, bool keepdim=False, int mode=0)", differentiable=False)
def hash_tensor(input, dim, keepdim, mode):
    """The exclusive or, over `dim` (all when empty), of the bits of the elements as float64 or int64: uint64."""
    kind = dt.FROM_NP[np.dtype(input.dtype)]
    axes = wrap_dims(dim, input.ndim)
    if mode != 0:
        raise RuntimeError(f"Unknown hash_tensor mode: {mode}")
    if not input.size:
        if not dim:
            raise RuntimeError(
                "hash_tensor: Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with "
                "the 'dim' argument."
            )
        for d in axes:
            if input.ndim and not input.shape[d]:
                raise IndexError(f"hash_tensor: Expected reduction dim {d} to have non-zero size.")
    if kind.category == 3 or kind is dt.uint64:
        raise NotImplementedError(f"\"xor_sum_cpu\" not implemented for '{dt.SCALAR_TYPE_NAMES[kind]}'")
    wide = input.astype(np.float64 if kind.category == 2 else np.int64)
    bits = lax.bitcast_convert_type(wide, np.uint64)
    made = lax.reduce(bits, np.uint64(0), lax.bitwise_xor, axes)
    return jnp.expand_dims(made, axes) if keepdim else made
