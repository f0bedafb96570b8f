"""Arithmetic and wording the streams share: C++ casts, fused multiply-add, dtype names in messages."""

from __future__ import annotations

import math
from collections.abc import Sequence

import ml_dtypes
import numpy as np

bfloat16 = np.dtype(ml_dtypes.bfloat16)
float16, float32, float64 = np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)
int64 = np.dtype(np.int64)
complex64, complex128 = np.dtype(np.complex64), np.dtype(np.complex128)
FLOATING = (float32, float64, float16, bfloat16)
REAL_OF_COMPLEX: dict[np.dtype, np.dtype] = {complex64: float32, complex128: float64}
MANTISSA_BITS = {float64: 53, float32: 24, float16: 11, bfloat16: 8}  # std::numeric_limits<T>::digits

LARGEST = {float64: float(np.finfo(float64).max), float32: float(np.finfo(float32).max)}
LARGEST |= {float16: 65504.0, bfloat16: float.fromhex("0x1.fep127")}  # std::numeric_limits<T>::max()

# dtype -> (c10::ScalarType name, C++ type name); PyTorch's messages use sometimes the one, sometimes the other.
_NAMES = {
    "bool": ("Bool", "bool"),
    "uint8": ("Byte", "unsigned char"),
    "int8": ("Char", "signed char"),
    "int16": ("Short", "short int"),
    "int32": ("Int", "int"),
    "int64": ("Long", "long int"),
    "uint16": ("UInt16", "short unsigned int"),
    "uint32": ("UInt32", "unsigned int"),
    "uint64": ("UInt64", "long unsigned int"),
    "float16": ("Half", "c10::Half"),
    "bfloat16": ("BFloat16", "c10::BFloat16"),
    "float32": ("Float", "float"),
    "float64": ("Double", "double"),
    "complex64": ("ComplexFloat", "c10::complex<float>"),
    "complex128": ("ComplexDouble", "c10::complex<double>"),
}


def scalar_type_name(dtype: np.dtype) -> str:
    """``Long`` for int64: how c10 prints a ScalarType."""
    return _NAMES.get(dtype.name, (dtype.name.capitalize(),))[0]


def cpp_type_name(dtype: np.dtype) -> str:
    """``long int`` for int64: how c10 prints a TypeMeta."""
    return _NAMES.get(dtype.name, (None, f"c10::{dtype.name.capitalize()}"))[1]


def not_implemented(kernel: str, dtype: np.dtype) -> NotImplementedError:
    """The error of ``AT_DISPATCH_*`` for a dtype the kernel does not cover."""
    return NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_type_name(dtype)}'")


def cpp_number(x: float) -> str:
    """A double as ``std::ostream`` prints it: six significant digits."""
    return f"{x:g}"


def numel(shape: Sequence[int]) -> int:
    """Elements of an array of that shape."""
    return math.prod(shape)


def cast(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """``static_cast<T>``; half and bfloat16 are reached through float, as c10's constructors do."""
    if values.dtype == dtype:
        return values
    if dtype in (float16, bfloat16) and values.dtype != float32:
        values = values.astype(float32)
    return values.astype(dtype)


def fma32(x: np.ndarray, a: float, b: float) -> np.ndarray:
    """``fmaf(x, a, b)`` for float32 ``x``, ``a``, ``b``: the product is exact in double, the sum nearly so."""
    out = x.astype(float64)
    out *= a
    out += b
    return out.astype(float32)


def fma64(x: np.ndarray, a: float, b: float) -> np.ndarray:
    """``fma(x, a, b)`` for doubles, rounded once, with Dekker's exact product and Knuth's exact sum."""
    product = x * a
    if b == 0.0 or a == 1.0 or not abs(a) < 2.0**900:  # one of the roundings is void (or Dekker would overflow)
        return product + b
    x_high, x_low = _split(x)
    a_high, a_low = _split(a)
    product_error = ((x_high * a_high - product) + x_high * a_low + x_low * a_high) + x_low * a_low
    total = product + b
    shadow = total - product
    total_error = (product - (total - shadow)) + (b - shadow)
    return total + (total_error + product_error)


def _split(x):
    """Veltkamp's split of doubles into two halves of 26 bits each."""
    scaled = x * 134217729.0  # 2**27 + 1
    high = scaled - (scaled - x)
    return high, x - high
