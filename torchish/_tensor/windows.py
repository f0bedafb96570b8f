"""Window functions: `torch.hann_window` and its kin, and `torch.signal.windows`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish._tensor.creation import filled, from_host
from torchish._tensor.dispatch import composite, plain
from torchish._tensor.factories import OPTIONS
from torchish._tensor.sequences import _linspace
from torchish._tensor.size import resolve
from torchish._tensor.tensor import Tensor
from torchish.ops import windows as ops

# --- torch.*_window ------------------------------------------------------------------------------------------


def _window(name: str, window_length: int, dtype: dt.dtype | None, device: Any, requires_grad: bool, periodic: bool,
            values: Callable[[int, Callable], np.ndarray]) -> Tensor:  # fmt: skip
    d = dtype or dt.get_default_dtype()
    if d.category < 2 or d.category == 3:
        names = {
            dt.int64: "long int",
            dt.int32: "int",
            dt.int16: "short int",
            dt.int8: "signed char",
            dt.uint8: "unsigned char",
        }
        raise RuntimeError(
            f"{name} expects floating point dtypes, got: TensorOptions(dtype={names.get(d, d.name)}, device=cpu, "
            "layout=Strided "
            "(default), requires_grad=false (default), pinned_memory=false, memory_format=(nullopt))"
        )
    if window_length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={window_length}")
    if window_length <= 1:
        return filled((window_length,), 1.0, d, resolve(device), bool(requires_grad))
    made = values(window_length + periodic, _steps_in(d))[:window_length].astype(d.np)
    return from_host(made, resolve(device), bool(requires_grad))


def _steps_in(d: dt.dtype) -> Callable:
    """Rounding after each operation: to the dtype, 16-bit ones held in float32."""
    if d.itemsize >= 4:
        return lambda x: np.asarray(x).astype(d.np)
    return lambda x: np.asarray(x, np.float32).astype(d.np).astype(np.float32)


def _declare(name: str, parameters: tuple[tuple[str, float], ...], values: Callable) -> None:
    """The overloads of a window: its length, then `periodic`, then its own parameters one after another."""

    def f(
        window_length, periodic=True, *own, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
    ):
        given = [v if i >= len(own) else own[i] for i, (_, v) in enumerate(parameters)]
        return _window(name, window_length, dtype, device, requires_grad, periodic, lambda n, r: values(n, r, *given))

    f.__doc__ = f"The {name.removesuffix('_window')} window; periodic ones are cut from a window one longer."
    composite(f"{name}(int window_length, *, {OPTIONS})", method=False)(f)
    composite(f"{name}(int window_length, bool periodic, *, {OPTIONS})", method=False)(f)
    text = ""
    for p, _ in parameters:
        text += f", float {p}"
        composite(f"{name}(int window_length, bool periodic{text}, *, {OPTIONS})", method=False)(f)


def _hamming(n: int, r: Callable, alpha: float = 0.54, beta: float = 0.46) -> np.ndarray:
    k = r(np.arange(n))
    return r(r(r(np.cos(r(k * r(math.pi * 2.0 / (n - 1))))) * r(-beta)) + r(alpha))


def _blackman(n: int, r: Callable) -> np.ndarray:
    k = r(np.arange(n))
    k = r(k * r(math.pi / (n - 1)))
    return r(r(r(r(np.cos(r(k * r(4)))) * r(0.08)) - r(r(np.cos(r(k * r(2)))) * r(0.5))) + r(0.42))


def _bartlett(n: int, r: Callable) -> np.ndarray:
    k = r(np.arange(n))
    k = r(k * r(2.0 / (n - 1)))
    middle = ((n - 1) >> 1) + 1
    return np.where(np.arange(n) < middle, k, r(r(2) - k))


def _kaiser(n: int, r: Callable, beta: float = 12.0) -> np.ndarray:
    x = np.arange(n).astype(np.float64)
    ratio = (x - (n - 1) / 2.0) / ((n - 1) / 2.0)
    largest = np.finfo(r(0.0).dtype).max
    above = ops.bessel_i0(beta * np.sqrt(np.maximum(1 - ratio * ratio, 0)), largest)
    with np.errstate(invalid="ignore"):
        return r(above / ops.bessel_i0(np.float64(beta), largest))


_declare("hann_window", (), lambda n, r: _hamming(n, r, 0.5, 0.5))
_declare("hamming_window", (("alpha", 0.54), ("beta", 0.46)), _hamming)
_declare("blackman_window", (), _blackman)
_declare("bartlett_window", (), _bartlett)
_declare("kaiser_window", (("beta", 12.0),), _kaiser)


# --- torch.signal.windows ------------------------------------------------------------------------------------


def _checked(name: str, M: int, dtype: dt.dtype | None, layout: Any) -> dt.dtype:
    d = dtype if dtype is not None else dt.get_default_dtype()
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if layout is not None and str(layout) != "torch.strided":
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    if d not in (dt.float32, dt.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {d}")
    return d


def _signal(
    name: str, body: Callable, check: Callable | None = None, one: bool = False, defaults: dict | None = None
) -> Callable:
    """A function of `torch.signal.windows`; `body(M, sym, d, **own)` gives the values, `one` says that M = 1 gives
    1."""
    own = defaults or {}

    def window(M: int, *, sym: bool = True, dtype=None, layout=None, device=None, requires_grad: bool = False, **given):
        unknown = [k for k in given if k not in own]
        if unknown:
            raise TypeError(f"{name}() got an unexpected keyword argument '{unknown[0]}'")
        settings = {**own, **given}
        missing = [k for k, v in settings.items() if v is _REQUIRED]
        if missing:
            raise TypeError(f"{name}() missing 1 required keyword-only argument: '{missing[0]}'")
        base = "general_cosine" if name in _COSINES else name
        d = _checked(base, M, dtype, layout)
        if check is not None:
            check(sym=sym, **settings)
        M = int(M) if type(M) is bool else M
        if M == 0 or (one and M == 1):
            return filled((M,), 1.0, d, resolve(device), bool(requires_grad))
        with np.errstate(all="ignore"):
            values = body(M, sym, d, **settings).astype(d.np)
        return from_host(values, resolve(device), bool(requires_grad))

    window.__name__ = window.__qualname__ = name
    window.__doc__ = f"The {name.replace('_', ' ')} window of M samples; `sym=False` gives the periodic one."
    plain(f"signal.windows.{name}")(window)
    return window


_REQUIRED = object()
_COSINES = frozenset({"general_cosine", "general_hamming", "hamming", "hann", "nuttall"})


def _line(start: float, end: float, M: int, d: dt.dtype) -> np.ndarray:
    return _linspace(float(start), float(end), M, d)


def _general_cosine(M: int, sym: bool, d: dt.dtype, a: Any) -> np.ndarray:
    if not isinstance(a, Iterable):
        raise TypeError("Coefficients must be a list/tuple")
    a = list(a)
    if not a:
        raise ValueError("Coefficients cannot be empty")
    k = _line(0, (M - 1) * (2 * math.pi / (M if not sym else M - 1)), M, d)
    signed = np.array([(-1) ** i * w for i, w in enumerate(a)]).astype(d.np)
    i = np.arange(len(a)).astype(d.np)
    return (signed[:, None] * np.cos(i[:, None] * k)).sum(0)


def _gaussian(M: int, sym: bool, d: dt.dtype, std: float) -> np.ndarray:
    start = -(M if not sym and M > 1 else M - 1) / 2.0
    constant = 1 / (std * math.sqrt(2))
    k = _line(start * constant, (start + (M - 1)) * constant, M, d)
    return np.exp(-(k**2))


def _exponential(M: int, sym: bool, d: dt.dtype, center: float | None, tau: float) -> np.ndarray:
    middle = (M if not sym and M > 1 else M - 1) / 2.0 if center is None else center
    return np.exp(-np.abs(_line(-middle / tau, (-middle + (M - 1)) / tau, M, d)))


def _cosine(M: int, sym: bool, d: dt.dtype) -> np.ndarray:
    constant = math.pi / (M + 1 if not sym and M > 1 else M)
    return np.sin(_line(0.5 * constant, (0.5 + (M - 1)) * constant, M, d))


def _signal_bartlett(M: int, sym: bool, d: dt.dtype) -> np.ndarray:
    constant = 2 / (M if not sym else M - 1)
    return 1 - np.abs(_line(-1, -1 + (M - 1) * constant, M, d))


def _signal_kaiser(M: int, sym: bool, d: dt.dtype, beta: float) -> np.ndarray:
    b = d.np.type(beta)
    constant = d.np.type(2.0) * b / d.np.type(M if not sym else M - 1)
    k = _line(-b, min(b, -b + d.np.type(M - 1) * constant), M, d)
    largest = np.finfo(d.np).max
    with np.errstate(invalid="ignore"):
        return ops.bessel_i0(np.sqrt(b * b - k * k), largest) / ops.bessel_i0(b, largest)


def _check_gaussian(sym: bool, std: float) -> None:
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")


def _check_exponential(sym: bool, center: float | None, tau: float) -> None:
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")


def _check_kaiser(sym: bool, beta: float) -> None:
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")


def _of_coefficients(*a: float) -> Callable:
    return lambda M, sym, d: _general_cosine(M, sym, d, a)


_signal("general_cosine", _general_cosine, one=True, defaults={"a": _REQUIRED})
_signal(
    "general_hamming",
    lambda M, sym, d, alpha: _general_cosine(M, sym, d, [alpha, 1 - alpha]),
    one=True,
    defaults={"alpha": 0.54},
)
_signal("hamming", _of_coefficients(0.54, 0.46), one=True)
_signal("hann", _of_coefficients(0.5, 0.5), one=True)
_signal("blackman", _of_coefficients(0.42, 0.5, 0.08), one=True)
_signal("nuttall", _of_coefficients(0.3635819, 0.4891775, 0.1365995, 0.0106411), one=True)
_signal("gaussian", _gaussian, _check_gaussian, defaults={"std": 1.0})
_signal("exponential", _exponential, _check_exponential, defaults={"center": None, "tau": 1.0})
_signal("cosine", _cosine)
_signal("bartlett", _signal_bartlett, one=True)
_signal("kaiser", _signal_kaiser, _check_kaiser, one=True, defaults={"beta": 12.0})
