"""Sequences of numbers: `arange`, `range`, `linspace`, `logspace`, to the last bit as PyTorch's CPU kernels make
them."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish._tensor.creation import from_host
from torchish._tensor.dispatch import composite
from torchish._tensor.factories import OPTIONS, factory_dtype, into
from torchish._tensor.indexing import fitting
from torchish._tensor.size import resolve
from torchish._tensor.tensor import Tensor
from torchish._tensor.warn import warn_user
from torchish.ops.spacing import evenly
from torchish.ops.spacing import fma as _fma

_VECTOR_BYTES = 32  # PyTorch's kernel here is that for AVX2 on machines with AVX-512 too


# --- arange --------------------------------------------------------------------------------------------------


def _arange_values(start: Any, step: Any, n: int, d: dt.dtype) -> np.ndarray:
    """start + i * step as PyTorch's kernel computes it: in blocks of two vectors, each counted from its first
    element."""
    if d.category == 1:
        with np.errstate(all="ignore"):
            return (np.int64(int(start)) + np.arange(n, dtype=np.int64) * np.int64(int(step))).astype(d.np)
    work = np.dtype(np.float64 if d.itemsize >= 4 else np.float32)
    first, k = work.type(start), work.type(step)
    values = _fma(np.arange(n).astype(work), k, first, work)
    out = values.astype(d.np)
    width = _VECTOR_BYTES // d.itemsize
    whole = n - n % (2 * width)
    if whole:
        base = values[:whole:width].astype(d.np).astype(work)
        lanes = np.arange(width).astype(work)[None, :]
        # bfloat16's vectors are filled without fused multiply-adds
        filled = base[:, None] + lanes * k if d is dt.bfloat16 else _fma(lanes, k, base[:, None], work)
        out[:whole] = filled.astype(d.np).reshape(-1)
    return out


def _plain(x: Any) -> Any:
    return int(x) if isinstance(x, bool) else x


def _arange(start, end, step, dtype, out, device, requires_grad) -> Tensor:
    numbers = [_plain(x) for x in (start, end, step)]
    if any(isinstance(x, complex) for x in numbers):
        raise RuntimeError("value cannot be converted to type double without overflow")
    start, end, step = numbers
    inferred = dt.get_default_dtype() if any(isinstance(x, float) for x in numbers) else dt.int64
    d = factory_dtype(dtype, out, inferred)
    if d.category in (0, 3):
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{dt.SCALAR_TYPE_NAMES[d]}'")
    if step == 0 or step != step:
        raise RuntimeError("step must be nonzero")
    if not all(math.isfinite(x) for x in (start, end)):
        raise RuntimeError(f"unsupported range: {start:g} -> {end:g}")
    if (step > 0 and start > end) or (step < 0 and start < end):
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if d is dt.int64:
        start, end, step = int(start), int(end), int(step)
        if step == 0:
            raise ValueError("step must be nonzero")
        n = max(-((start - end) // step), 0)
    else:
        size = math.ceil((float(end) - float(start)) / float(step))
        if not 0 <= size <= 2**63 - 1:
            raise RuntimeError("invalid size, possible overflow?")
        n = size
    if n > 2**48:
        raise RuntimeError("invalid size, possible overflow?")
    if out is not None and out._aval.size not in (0, n):
        warnings.warn(
            f"The number of elements in the out tensor of shape {list(out.shape)} is {out.numel()} which does not "
            "match the "
            f"computed number of elements {n}. Note that this may occur as a result of rounding error. The out "
            "tensor will be "
            f"resized to a tensor of shape ({n},).",
            stacklevel=5,
        )
    return into("arange", out, from_host(_arange_values(start, step, n, d), resolve(device), bool(requires_grad)))


@composite(f"arange(Number end, *, Tensor? out=None, {OPTIONS})", method=False)
def arange(end, *, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    """0, 1, … up to but without `end`."""
    return _arange(0, end, 1, dtype, out, device, requires_grad)


@composite(f"arange(Number start, Number end, Number step=1, *, Tensor? out=None, {OPTIONS})", method=False)
def arange_from(
    start, end, step=1, *, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
):
    """start, start + step, … up to but without `end`."""
    return _arange(start, end, step, dtype, out, device, requires_grad)


@composite(f"range(Number start, Number end, Number step=1, *, Tensor? out=None, {OPTIONS})", method=False)
def range_(
    start, end, step=1, *, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
):
    """start, start + step, … up to and with `end` (deprecated by PyTorch)."""
    warn_user(
        "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with "
        "Python's "
        "range builtin. Instead, use torch.arange, which produces values in [start, end)."
    )
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not all(math.isfinite(x) for x in (start, end)):
        raise RuntimeError(f"unsupported range: {start:g} -> {end:g}")
    if (step > 0 and start > end) or (step < 0 and start < end):
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    d = factory_dtype(dtype, out)
    if d.category in (0, 3):
        raise NotImplementedError(f"\"range_cpu\" not implemented for '{dt.SCALAR_TYPE_NAMES[d]}'")
    n = math.floor((end - start) / step) + 1
    if d.category == 1:
        values = int(start) + np.arange(n, dtype=np.int64) * int(step)
    else:
        values = _fma(np.arange(n, dtype=np.float64), float(step), float(start), np.dtype(np.float64))
    return into("range", out, from_host(values.astype(d.np), resolve(device), bool(requires_grad)))


# --- linspace and logspace -------------------------------------------------------------------------------------


def _linspace(start: Any, end: Any, steps: int, d: dt.dtype) -> np.ndarray:
    """`steps` numbers: the first half counts up from `start`, the second half down from `end`."""
    if steps == 0:
        return np.zeros((0,), d.np)
    if steps == 1:
        return np.array([_as(start, d)])
    i = np.arange(steps)
    first_half, back = i < steps // 2, steps - 1 - i
    s, e = _as(start, d), _as(end, d)
    if d.category == 1:
        f64 = np.dtype(np.float64)
        step = (np.float64(e) - np.float64(s)) / (steps - 1)
        made = np.where(first_half, _fma(i, step, np.float64(s), f64), _fma(-back, step, np.float64(e), f64))
        return made.astype(np.int64).astype(d.np)
    if d.category == 3:
        step = ((e - s) / d.np.type(steps - 1)).astype(d.np)
        part = np.zeros((), d.np).real.dtype
        return np.where(first_half, s + step * i.astype(part), e - step * back.astype(part)).astype(d.np)
    return evenly(s, e, steps, d.np)


def _as(x: Any, d: dt.dtype):
    """A Python number in dtype `d` (integers wrap)."""
    with np.errstate(all="ignore"):
        if d.category == 1:
            return np.array(int(fitting(x, d))).astype(d.np)[()]
        if d.category < 3 and isinstance(x, complex):
            x = x.real
        return np.array(x).astype(d.np)[()]


def _bounds(name: str, start: Any, end: Any) -> tuple[Any, Any]:
    tensors = [(n, x) for n, x in (("start", start), ("end", end)) if isinstance(x, Tensor)]
    if any(x._aval.ndim for _, x in tensors):
        text = " and ".join(f"{n} with {x._aval.ndim} dimension(s)" for n, x in tensors)
        raise RuntimeError(f"{name} only supports 0-dimensional start and end tensors, but got {text}.")
    return tuple(x.item() if isinstance(x, Tensor) else _plain(x) for x in (start, end))  # type: ignore[return-value]


def _space_dtype(name: str, start: Any, end: Any, steps: int, dtype: dt.dtype | None, out: Tensor | None) -> dt.dtype:
    default = dt.get_default_dtype()
    if isinstance(start, complex) or isinstance(end, complex):
        default = default.to_complex()
        asked = dtype or (out._aval.torch_dtype if out is not None else None)
        if asked is not None and not asked.is_complex:
            kind = "c10::complex<double>" if default is dt.complex128 else "c10::complex<float>"
            raise RuntimeError(
                f"torch.{name}(): inferred dtype {kind} can't be safely cast to passed dtype "
                f"{dt.SCALAR_TYPE_NAMES[asked]}"
            )
    d = factory_dtype(dtype, out, default)
    if d is dt.bool_ and steps > 1:
        raise NotImplementedError(f"\"{name}_cpu\" not implemented for 'Bool'")
    return d


def _check_steps(steps: int) -> None:
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")


def _each_kind(signature: str):
    """Declare a function of two bounds, each a number or a tensor, as PyTorch lists it: four signatures."""

    def wrap(f):
        for a, b in (("Tensor", "Tensor"), ("Tensor", "Number"), ("Number", "Tensor"), ("Number", "Number")):
            composite(signature.format(a=a, b=b, options=OPTIONS), method=False)(f)
        return f

    return wrap


@_each_kind("linspace({a} start, {b} end, int steps, *, Tensor? out=None, {options})")
def linspace(
    start, end, steps, *, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
):
    """`steps` numbers evenly from `start` to `end`, both included."""
    given = start, end
    start, end = _bounds("linspace", start, end)
    _check_steps(steps)
    d = _space_dtype("linspace", start, end, steps, dtype, out)
    return into("linspace", out, from_host(_linspace(start, end, steps, d), resolve(device), bool(requires_grad)), *given)


@_each_kind("logspace({a} start, {b} end, int steps, float base=10.0, *, Tensor? out=None, {options})")
def logspace(start, end, steps, base=10.0, *, out=None, dtype=None, layout=None, device=None, pin_memory=False,
             requires_grad=False):  # fmt: skip
    """`steps` powers of `base`, the exponents evenly from `start` to `end`."""
    given = start, end
    start, end = _bounds("logspace", start, end)
    _check_steps(steps)
    d = _space_dtype("logspace", start, end, steps, dtype, out)
    with np.errstate(all="ignore"):
        if d.category == 3:
            values = np.power(d.np.type(base), _linspace(start, end, steps, d))
        else:
            # exponents in double precision, between the bounds as the dtype holds them
            values = np.power(np.float64(base), _linspace(float(_as(start, d)), float(_as(end, d)), steps, dt.float64))
        values = values.astype(np.int64).astype(d.np) if d.category == 1 else values.astype(d.np)
    return into("logspace", out, from_host(values, resolve(device), bool(requires_grad)), *given)
