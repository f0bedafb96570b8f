"""Computing 16-bit floats in float32, and bringing operands to PyTorch's common dtype."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero

from torchish import _dtypes as dt
from torchish.ops.apart import apart
from torchish.ops.declare import to_dtype


def is_half(d) -> bool:
    """Whether a dtype is a floating one of less than 32 bits."""
    return jnp.issubdtype(d, jnp.floating) and np.dtype(d).itemsize < 4


def is_complex(x) -> bool:
    """Whether an array holds complex numbers."""
    return jnp.issubdtype(x.dtype, jnp.complexfloating)


def factor(number, dtype):
    """A Python number as a scalar of a dtype, to multiply with; RuntimeError for a complex one beside real numbers."""
    if is_complex(number) and not jnp.issubdtype(dtype, jnp.complexfloating):
        raise RuntimeError(not_converted(dt.FROM_NP[np.dtype(dtype)]))
    return number.astype(dtype)


def not_converted(d: dt.dtype) -> str:
    """What PyTorch says of a complex number where one of a real dtype is needed; kernels take float32 for 16-bit floats."""
    return f"value cannot be converted to type {dt.source_name(dt.float32 if is_half(d.np) else d)} without overflow"


def widen(x):
    """A 16-bit float array as float32; others (and None) as they are."""
    return x.astype(np.float32) if x is not None and is_half(x.dtype) else x


def stepwise(d):
    """What rounds the steps of a computation to `d`, where that is a 16-bit float, as in PyTorch; its derivative is 1."""
    if not is_half(d):
        return lambda v: v

    @jax.custom_jvp
    def rounded(v):
        return v.astype(d).astype(v.dtype)

    rounded.defjvp(lambda primals, tangents: (rounded(*primals), *tangents))
    return rounded


def product(a, b):
    """`a * b`, of complex numbers with each of the four products rounded, so that `z * z.conj()` is real."""
    if not is_complex(a) and not is_complex(b):
        return a * b
    real = apart(a.real * b.real) - apart(a.imag * b.imag)
    return lax.complex(real, apart(a.real * b.imag) + apart(a.imag * b.real))


@jax.custom_jvp
def _quotient(a, b):
    known = a == a  # one comparison for both choices, of which the first is what `apart` makes
    return jnp.where(known, a, np.asarray(np.nan, a.dtype)) / jnp.where(lax.optimization_barrier(known), b, a)


@partial(_quotient.defjvp, symbolic_zeros=True)
def _(primals, tangents):
    (a, b), (da, db) = primals, tangents
    q = _quotient(a, b)
    d = None if type(da) is SymbolicZero else da
    if type(db) is not SymbolicZero:
        d = -db * q if d is None else d - db * q
    if d is None:
        return q, jnp.zeros_like(q)
    known = a == a
    return q, jnp.where(known, d / jnp.where(known, b, 1), d / b)  # what moves beside a nan is a number still


def quotient(a, b):
    """`a / b`, rounded once.

    XLA multiplies by the inverse of a divisor that is constant or broadcast, and 41 * (1 / 41) need not be 1; but not by one that
    is chosen place by place, and as long as it simplifies it cannot see through the barrier that all places choose alike.
    """
    real = jnp.issubdtype(a.dtype, jnp.floating) and jnp.issubdtype(b.dtype, jnp.floating)
    return _quotient(a, b) if real else a / b


def common(*xs) -> tuple[list, np.dtype]:
    """The arrays (None passes) in the dtype to compute in, and the dtype of the result, by PyTorch's promotion."""
    found = dt.result_type([(dt.FROM_NP[np.dtype(x.dtype)], 2 if x.ndim else 1) for x in xs if x is not None])
    compute = np.dtype(np.float32) if is_half(found.np) else found.np
    return [None if x is None else x if x.dtype == compute else to_dtype(x, compute) for x in xs], found.np


def type_name(x) -> str:
    """How PyTorch's messages name the dtype of an array: Float, Double, Long…"""
    return dt.SCALAR_TYPE_NAMES[dt.FROM_NP[np.dtype(x.dtype)]]


def type_text(x) -> str:
    """How C++ writes the type of an array's tensor: torch.FloatTensor, CPUBoolType…"""
    return dt.TYPE_TEXTS[dt.FROM_NP[np.dtype(x.dtype)]]


# Dtypes that PyTorch compiles its functions for.
HALF = frozenset(("float16", "bfloat16"))
FULL = frozenset(("float32", "float64"))
REAL = FULL | HALF
COMPLEX = frozenset(("complex64", "complex128"))
LONG = frozenset(("int64",))
INTEGERS = frozenset(("int8", "int16", "int32", "uint8")) | LONG
BOOL = frozenset(("bool",))


def require_kernel(name: str, x, dtypes: frozenset[str]) -> None:
    """NotImplementedError, as PyTorch's for a function that was not compiled for the dtype of `x` (an array or tensor's aval)."""
    if np.dtype(x.dtype).name not in dtypes:
        raise NotImplementedError(f"\"{name}\" not implemented for '{type_name(x)}'")


