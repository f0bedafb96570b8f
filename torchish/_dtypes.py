"""`torch.dtype` objects, the default dtype, `finfo`/`iinfo`, and the map to NumPy dtypes.

A dtype here is a thin name around a NumPy dtype (ml_dtypes supplies bfloat16 and the float8 family); JAX
arrays carry the NumPy dtype, tensors answer with the torch dtype.
"""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np


class dtype:
    """A tensor element type, printed as ``torch.float32``; one instance per type."""

    __slots__ = ("name", "np", "is_floating_point", "is_complex", "is_signed", "itemsize", "category", "__weakref__")
    __module__ = "torch"

    def __init__(self, name: str, np_dtype: Any = None, category: int = 0, signed: bool = True):
        if np_dtype is None:
            raise TypeError("cannot create 'torch.dtype' instances")
        self.name = name
        self.np = np.dtype(np_dtype)
        self.category = category  # 0 bool, 1 integer, 2 floating, 3 complex
        self.is_floating_point = category == 2
        self.is_complex = category == 3
        self.is_signed = signed
        self.itemsize = self.np.itemsize

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self):
        return (_by_name, (self.name,))

    def to_complex(self) -> dtype:
        return _TO_COMPLEX.get(self, complex64)

    def to_real(self) -> dtype:
        return _TO_REAL.get(self, self)


def _by_name(name: str) -> dtype:
    return BY_NAME[name]


_by_name.__module__ = "torchish._dtypes"

bool_ = dtype("bool", np.bool_, 0, False)
uint8 = dtype("uint8", np.uint8, 1, False)
int8 = dtype("int8", np.int8, 1)
int16 = dtype("int16", np.int16, 1)
int32 = dtype("int32", np.int32, 1)
int64 = dtype("int64", np.int64, 1)
uint16 = dtype("uint16", np.uint16, 1, False)
uint32 = dtype("uint32", np.uint32, 1, False)
uint64 = dtype("uint64", np.uint64, 1, False)
float16 = dtype("float16", np.float16, 2)
bfloat16 = dtype("bfloat16", ml_dtypes.bfloat16, 2)
float32 = dtype("float32", np.float32, 2)
float64 = dtype("float64", np.float64, 2)
float8_e4m3fn = dtype("float8_e4m3fn", ml_dtypes.float8_e4m3fn, 2)
float8_e4m3fnuz = dtype("float8_e4m3fnuz", ml_dtypes.float8_e4m3fnuz, 2)
float8_e5m2 = dtype("float8_e5m2", ml_dtypes.float8_e5m2, 2)
float8_e5m2fnuz = dtype("float8_e5m2fnuz", ml_dtypes.float8_e5m2fnuz, 2)
float8_e8m0fnu = dtype("float8_e8m0fnu", ml_dtypes.float8_e8m0fnu, 2)
complex64 = dtype("complex64", np.complex64, 3)
complex128 = dtype("complex128", np.complex128, 3)

ALL = (
    bool_, uint8, int8, int16, int32, int64, uint16, uint32, uint64,
    float16, bfloat16, float32, float64,
    float8_e4m3fn, float8_e4m3fnuz, float8_e5m2, float8_e5m2fnuz, float8_e8m0fnu,
    complex64, complex128,
)  # fmt: skip
BY_NAME = {d.name: d for d in ALL}
FROM_NP: dict[np.dtype, dtype] = {d.np: d for d in ALL}

# PyTorch's second names.
ALIASES = {
    "half": float16, "float": float32, "double": float64, "short": int16, "int": int32, "long": int64,
    "cfloat": complex64, "cdouble": complex128,
}  # fmt: skip

OF_PYTHON: dict[type, dtype] = {bool: bool_, int: int64, float: float64, complex: complex128}  # what Python's types mean as dtypes


def as_dtype(x: Any) -> dtype | None:
    """A dtype, or the one that a type of Python's means; None for anything else."""
    if isinstance(x, dtype):
        return x
    return OF_PYTHON.get(x) if isinstance(x, type) else None


_LEAST = {float8_e4m3fnuz.np: 2.0**-10, float8_e5m2fnuz.np: 2.0**-17}  # the smallest numbers but zero


def to_8_bits(np: Any, v: Any, d: np.dtype) -> Any:
    """float32 numbers, an array of NumPy or of JAX (whose `np` is given), in a dtype of 8 bits, rounded as PyTorch does."""
    if d == float8_e4m3fn.np:  # which has no infinity
        v = np.clip(v, -448, 448)
    elif d == float8_e8m0fnu.np:  # powers of two: the sign is dropped, half-way numbers go up, from the smallest one down
        bits = v.view(np.uint32)
        exponent, fraction = (bits >> 23) & 0xFF, bits & 0x7FFFFF
        up = (exponent < 255) & ((fraction > 0x400000) | ((fraction == 0x400000) & (exponent > 0)))
        return (exponent + up).astype(np.uint8).view(d)
    elif d in _LEAST:  # these have no negative zero: its bits are nan's, which XLA may make of what is rounded to it
        v = np.where(np.abs(v) <= _LEAST[d] / 2, np.float32(0), v)
    return v.astype(d)


_TO_COMPLEX = {float64: complex128, float32: complex64, float16: complex64, complex64: complex64, complex128: complex128}
_TO_REAL = {complex64: float32, complex128: float64}

# What `tensor.type()` says, and the legacy constructors' names.
LEGACY_NAMES = {
    float32: "FloatTensor", float64: "DoubleTensor", float16: "HalfTensor", bfloat16: "BFloat16Tensor",
    uint8: "ByteTensor", int8: "CharTensor", int16: "ShortTensor", int32: "IntTensor", int64: "LongTensor",
    bool_: "BoolTensor", complex64: "ComplexFloatTensor", complex128: "ComplexDoubleTensor",
    uint16: "UInt16Tensor", uint32: "UInt32Tensor", uint64: "UInt64Tensor",
    float8_e4m3fn: "Float8_e4m3fnTensor", float8_e5m2: "Float8_e5m2Tensor",
    float8_e4m3fnuz: "Float8_e4m3fnuzTensor", float8_e5m2fnuz: "Float8_e5m2fnuzTensor",
    float8_e8m0fnu: "Float8_e8m0fnuTensor",
}  # fmt: skip

# The types of PyTorch's C++ code, as its compiler names them.
_CPP_NAMES = {
    bool_: "bool", uint8: "unsigned char", int8: "signed char", int16: "short int", int32: "int", int64: "long int",
    uint16: "short unsigned int", uint32: "unsigned int", uint64: "long unsigned int", float16: "c10::Half", bfloat16: "c10::BFloat16",
    float32: "float", float64: "double", complex64: "c10::complex<float>", complex128: "c10::complex<double>",
}  # fmt: skip


def cpp_name(d: dtype) -> str:
    """The name of a dtype's type in C++, which many error messages give."""
    return _CPP_NAMES.get(d) or f"c10::{d.name.capitalize()}"


def source_name(d: dtype) -> str:
    """The same as the source code says it, where integers but int have names with their widths."""
    return f"{d.name}_t" if d.category == 1 and d is not int32 else cpp_name(d)


# The names that PyTorch's C++ messages use ("result type Float can't be cast to ...").
SCALAR_TYPE_NAMES = {d: n.removesuffix("Tensor") for d, n in LEGACY_NAMES.items()}
# what errors from C++ call a type: the oldest ones by their Python classes
TYPE_TEXTS = {
    d: f"torch.{n}Tensor" if n in ("Byte", "Char", "Short", "Int", "Long", "Half", "Float", "Double") else f"CPU{n}Type"
    for d, n in SCALAR_TYPE_NAMES.items()
}

_default = float32


def get_default_dtype() -> dtype:
    """The dtype that Python floats become: float32 unless `set_default_dtype` changed it."""
    return _default


def set_default_dtype(d) -> None:
    """Make `d` (float16, bfloat16, float32 or float64) the dtype of Python floats."""
    global _default
    if not isinstance(d, dtype):
        raise TypeError("invalid dtype object: only floating-point types are supported as the default type")
    if not d.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    _default = d


def from_np(np_dtype) -> dtype:
    """The torch dtype of a NumPy dtype; TypeError with PyTorch's text when there is none."""
    try:
        return FROM_NP[np.dtype(np_dtype)]
    except KeyError:
        raise TypeError(
            f"can't convert np.ndarray of type {np.dtype(np_dtype).type.__module__}.{np.dtype(np_dtype).type.__name__}. "
            "The only supported types are: float64, float32, float16, complex64, complex128, int64, int32, int16, int8, "
            "uint64, uint32, uint16, uint8, and bool."
        ) from None

# --- promotion ---------------------------------------------------------------------------------------------

_RANK = {bool_: 0, uint8: 1, int8: 1, int16: 2, int32: 3, int64: 4,
         float16: 5, bfloat16: 5, float32: 6, float64: 7, complex64: 8, complex128: 9}  # fmt: skip
_BAREBONES_UNSIGNED = (uint16, uint32, uint64)


def promote_types(a: dtype, b: dtype) -> dtype:
    """The smallest dtype that holds both `a` and `b`, by PyTorch's table."""
    if a is b:
        return a
    for x, y in ((a, b), (b, a)):
        if x.name.startswith("float8"):
            raise RuntimeError(
                "Promotion for Float8 Types is not supported, attempted to promote "
                f"{SCALAR_TYPE_NAMES[a]} and {SCALAR_TYPE_NAMES[b]}"
            )
        if x in _BAREBONES_UNSIGNED:
            if y.category >= 2:
                return y
            if y is bool_:
                return x
            raise RuntimeError(
                "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote "
                f"{SCALAR_TYPE_NAMES[a]} and {SCALAR_TYPE_NAMES[b]}"
            )
    if {a, b} == {uint8, int8}:
        return int16
    if {a, b} == {float16, bfloat16}:
        return float32
    if complex64 in (a, b) and float64 in (a, b):
        return complex128
    return a if _RANK[a] > _RANK[b] else b


def combine_categories(higher: dtype | None, lower: dtype | None) -> dtype | None:
    """Join the dtype of a higher-priority operand group with a lower one (dimensioned > 0-d > Python number)."""
    if higher is None or lower is None:
        return higher or lower
    if higher.is_complex:
        return higher
    if higher.is_floating_point:
        return higher.to_complex() if lower.is_complex else higher
    if higher is bool_ or lower.category >= 2:
        return promote_types(higher, lower)
    return higher


#: Python numbers below the first and up to the second, whatever their sign, go into any operation without a look at whether they fit.
SMALL_INT, SMALL_FLOAT = 128, 65504.0
#: The kind of a Python number by its type, as specifications of operations write it.
NUMBER_KINDS = {float: "f", int: "i", bool: "b", complex: "c"}


def number_dtype(kind: str, default: dtype | None = None) -> dtype:
    """The dtype of a Python number of kind b, i, f or c as a wrapped operand."""
    if kind == "i":
        return int64
    if kind == "b":
        return bool_
    d = default or _default
    return d if kind == "f" else d.to_complex()


def result_type(operands) -> dtype:
    """PyTorch's `result_type` of operands given as (dtype, priority): 2 dimensioned, 1 zero-dim, 0 Python number."""
    groups: list[dtype | None] = [None, None, None]
    for d, priority in operands:
        g = groups[priority]
        groups[priority] = d if g is None else promote_types(g, d)
    return combine_categories(groups[2], combine_categories(groups[1], groups[0]))  # type: ignore[return-value]


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether `from_` may be cast to `to` under PyTorch's promotion categories."""
    if from_.is_complex and not to.is_complex:
        return False
    if from_.is_floating_point and to.category < 2:
        return False
    return not (from_.category == 1 and to is bool_)


# --- numeric limits ----------------------------------------------------------------------------------------


def _limited(function: str, given: Any) -> dtype:
    """The dtype whose limits are asked for."""
    if (d := as_dtype(given)) is not None:
        return d
    raise TypeError(f"{function}(): argument 'type' (position 1) must be torch.dtype, not {type(given).__name__}")


class finfo:
    """Limits of a floating-point dtype: bits, eps, max, min, tiny, smallest_normal, resolution."""

    __module__ = "torch"

    def __init__(self, type: Any = None):
        d = _default if type is None else _limited("finfo", type)
        if d.category < 2:
            raise TypeError("torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'")  # sic
        self._d = d.to_real()
        i = ml_dtypes.finfo(self._d.np)
        self.bits = self._d.itemsize * 8
        self.eps, self.max, self.min = float(i.eps), float(i.max), float(i.min)
        self.tiny = self.smallest_normal = float(i.tiny)
        self.resolution = 10.0 ** -int(i.nmant * math.log10(2))  # of the decimal digits that survive
        self.dtype = self._d.name

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self._d.name})"
        )

    def __eq__(self, other):
        return isinstance(other, finfo) and other._d is self._d

    def __hash__(self):
        return hash(self._d)


class iinfo:
    """Limits of an integer dtype: bits, min, max."""

    __module__ = "torch"

    def __init__(self, type: Any):
        d = _limited("iinfo", type)
        if d.category >= 2:
            raise TypeError("torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo'")  # sic
        if d is bool_:
            raise TypeError("torch.bool is not supported by torch.iinfo")
        self._d = d
        i = np.iinfo(d.np)
        self.bits, self.min, self.max = d.itemsize * 8, int(i.min), int(i.max)
        self.dtype = d.name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self._d.name})"

    def __eq__(self, other):
        return isinstance(other, iinfo) and other._d is self._d

    def __hash__(self):
        return hash(self._d)
