"""`torch.testing.assert_close`: what two values must have in common, and what the message says when they have not."""

from __future__ import annotations

import cmath
import contextlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import torchish as torch

# {dtype: (rtol, atol)}; other dtypes must be equal
TOLERANCES: dict[Any, tuple[float, float]] = {
    torch.float16: (0.001, 1e-5),
    torch.bfloat16: (0.016, 1e-5),
    torch.float32: (1.3e-6, 1e-5),
    torch.float64: (1e-7, 1e-7),
    torch.complex64: (1.3e-6, 1e-5),
    torch.complex128: (1e-7, 1e-7),
}
_NUMBERS: dict[type, Any] = {int: torch.int64, float: torch.float64, complex: torch.complex128}
_SMALL_UNSIGNED = ("uint16", "uint32", "uint64")

Identifier = str | Callable[[str], str] | None


class Mismatch(Exception):
    """A comparison that failed: the error to raise, and the place in the inputs."""

    def __init__(self, kind: type[Exception], text: str, place: tuple):
        super().__init__(text)
        self.kind, self.text, self.place = kind, text, place

    def error(self, message: Identifier = None) -> Exception:
        """The exception that users see, with their message in place of the text (or made from it)."""
        if isinstance(message, str):
            return self.kind(message)
        text = self.text
        if self.place:
            text += f"\n\nThe failure occurred for item {''.join(str([i]) for i in self.place)}"
        return self.kind(message(text) if callable(message) else text)


def default_tolerances(*inputs: Any, dtype_precisions: dict | None = None) -> tuple[float, float]:
    """The loosest (rtol, atol) of these tensors or dtypes."""
    table = dtype_precisions or TOLERANCES
    found = []
    for x in inputs:
        if not isinstance(x, (torch.Tensor, torch.dtype)):
            raise TypeError(f"Expected a torch.Tensor or a torch.dtype, but got {type(x)} instead.")
        found.append(table.get(x.dtype if isinstance(x, torch.Tensor) else x, (0.0, 0.0)))
    return max(r for r, _ in found), max(a for _, a in found)


class Options:
    """The options of one comparison."""

    def __init__(self, rtol: float | None, atol: float | None, equal_nan: bool, allow_subclasses: bool, check_device: bool,
                 check_dtype: bool, check_layout: bool, check_stride: bool):  # fmt: skip
        self.rtol, self.atol, self.equal_nan, self.allow_subclasses = rtol, atol, equal_nan, allow_subclasses
        self.check_device, self.check_dtype, self.check_layout, self.check_stride = check_device, check_dtype, check_layout, check_stride

    def tolerances(self, place: tuple, *inputs: Any) -> tuple[float, float]:
        """(rtol, atol) for these tensors or dtypes: those given, or the defaults."""
        if (self.rtol is None) != (self.atol is None):
            missing = "rtol" if self.rtol is None else "atol"
            raise Mismatch(ValueError, f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}.", place)
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        return default_tolerances(*inputs)


# --- messages ----------------------------------------------------------------------------------------------


def _named(default: str, identifier: Identifier) -> str:
    return default if identifier is None else identifier(default) if callable(identifier) else identifier


def _differences(what: str, extra: str, absolute: float, relative: float, at: tuple | None, rtol: float, atol: float) -> str:
    equal = rtol == 0 and atol == 0

    def line(kind: str, difference: float, place: tuple | None, tolerance: float) -> str:
        text = f"{kind.title()} difference: {difference}" if place is None else f"Greatest {kind} difference: {difference} at index {place}"
        return text if equal else f"{text} (up to {tolerance} allowed)"

    first, second = at if at is not None else (None, None)
    return (
        f"{what} are not {'equal' if equal else 'close'}!\n\n{extra}\n"
        f"{line('absolute', absolute, first, atol)}\n{line('relative', relative, second, rtol)}"
    )


def make_scalar_mismatch_msg(actual, expected, *, rtol: float, atol: float, identifier: Identifier = None) -> str:
    """The message for two numbers that differ."""
    absolute = abs(actual - expected)
    relative = float("inf") if expected == 0 else absolute / abs(expected)
    what = _named("Scalars", identifier)
    return _differences(what, f"Expected {expected} but got {actual}.", absolute, relative, None, rtol, atol)


def make_tensor_mismatch_msg(actual, expected, matches, *, rtol: float, atol: float, identifier: Identifier = None) -> str:
    """The message for two tensors of one shape that differ where `matches` is False."""
    total = matches.numel()
    wrong = total - int(torch.sum(matches))
    extra = f"Mismatched elements: {wrong} / {total} ({wrong / total:.1%})"
    a, b, same = actual.flatten(), expected.flatten(), matches.flatten()
    if not actual.dtype.is_floating_point and not actual.dtype.is_complex:
        a, b = a.to(torch.int64), b.to(torch.int64)
    absolute = torch.abs(a - b)
    absolute[same] = 0
    relative = absolute / torch.abs(b)
    relative[same] = 0
    found = []
    for d in (absolute, relative):
        value, position = torch.max(d, 0)
        found.append((value.item(), tuple(int(i) for i in np.unravel_index(int(position), tuple(matches.shape))) if matches.shape else ()))
    (worst, at), (worst_relative, at_relative) = found
    return _differences(_named("Tensor-likes", identifier), extra, worst, worst_relative, (at, at_relative), rtol, atol)


# --- comparing ---------------------------------------------------------------------------------------------


def _compare_none(actual, expected, options: Options, place: tuple) -> Callable[[], None] | None:
    if actual is not None and expected is not None:
        return None

    def compare() -> None:
        if actual is not expected:
            raise Mismatch(AssertionError, f"None mismatch: {actual} is not {expected}", place)

    return compare


def _compare_bools(actual, expected, options: Options, place: tuple) -> Callable[[], None] | None:
    if not all(isinstance(x, (bool, np.bool_)) for x in (actual, expected)):
        return None
    a, b = bool(actual), bool(expected)

    def compare() -> None:
        if a is not b:
            raise Mismatch(AssertionError, f"Booleans mismatch: {a} is not {b}", place)

    return compare


def _compare_numbers(actual, expected, options: Options, place: tuple) -> Callable[[], None] | None:
    if not all(isinstance(x, (int, float, complex, np.number)) for x in (actual, expected)):
        return None
    a, b = (x.item() if isinstance(x, np.number) else x for x in (actual, expected))
    rtol, atol = options.tolerances(place, _NUMBERS[type(a)], _NUMBERS[type(b)])

    def compare() -> None:
        if options.check_dtype and type(a) is not type(b):
            raise Mismatch(AssertionError, f"The (d)types do not match: {type(a)} != {type(b)}.", place)
        if a == b or (options.equal_nan and cmath.isnan(a) and cmath.isnan(b)):
            return
        difference = abs(a - b)
        if not (cmath.isfinite(difference) and difference <= atol + rtol * abs(b)):
            raise Mismatch(AssertionError, make_scalar_mismatch_msg(a, b, rtol=rtol, atol=atol), place)

    return compare


def _compare_tensors(actual, expected, options: Options, place: tuple) -> Callable[[], None] | None:
    if not (isinstance(actual, type(expected)) or isinstance(expected, type(actual))):
        return None
    if not options.allow_subclasses and type(actual) is not type(expected):
        return None
    try:
        a, b = (x if isinstance(x, torch.Tensor) else torch.as_tensor(x) for x in (actual, expected))
    except Exception:  # whatever an object's conversion raises: it is not like a tensor
        return None
    rtol, atol = options.tolerances(place, a, b)
    return lambda: _check_tensors(a, b, options, rtol, atol, place)


def _check_tensors(a, b, options: Options, rtol: float, atol: float, place: tuple) -> None:
    def require(name: str, x: Any, y: Any) -> None:
        if x != y:
            raise Mismatch(AssertionError, f"The values for attribute '{name}' do not match: {x} != {y}.", place)

    require("shape", a.shape, b.shape)
    if options.check_layout:
        require("layout", a.layout, b.layout)
    if options.check_stride:
        require("stride()", a.stride(), b.stride())
    if options.check_device:
        require("device", a.device, b.device)
    if options.check_dtype:
        require("dtype", a.dtype, b.dtype)
    if "meta" in (a.device.type, b.device.type):
        return
    if a.device != b.device:
        a, b = a.cpu(), b.cpu()
    if a.dtype != b.dtype:
        common = torch.promote_types(*[torch.int64 if x.dtype.name in _SMALL_UNSIGNED else x.dtype for x in (a, b)])
        a, b = a.to(common), b.to(common)
    matches = torch.isclose(a, b, rtol=rtol, atol=atol, equal_nan=options.equal_nan)
    if torch.all(matches):
        return
    if a.ndim:
        raise Mismatch(AssertionError, make_tensor_mismatch_msg(a, b, matches, rtol=rtol, atol=atol), place)
    raise Mismatch(AssertionError, make_scalar_mismatch_msg(a.item(), b.item(), rtol=rtol, atol=atol), place)


_KINDS = {"NonePair": _compare_none, "BooleanPair": _compare_bools, "NumberPair": _compare_numbers, "TensorLikePair": _compare_tensors}
_REPORT = (
    "resulted in the unexpected exception above. If you are a user and see this message during normal operation please file an issue "
    "at https://github.com/pytorch/pytorch/issues. If you are a developer and working on the comparison functions, please except the "
    "previous error and raise an expressive `ErrorMeta` instead."
)


def _comparisons(actual: Any, expected: Any, options: Options, place: tuple) -> list[Callable[[], None]]:
    """The comparisons to make, element by element; Mismatch when the structures differ."""
    if all(isinstance(x, Sequence) and not isinstance(x, str) for x in (actual, expected)):
        if len(actual) != len(expected):
            raise Mismatch(AssertionError, f"The length of the sequences mismatch: {len(actual)} != {len(expected)}", place)
        return [f for i in range(len(actual)) for f in _comparisons(actual[i], expected[i], options, (*place, i))]
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        a, b = set(actual), set(expected)
        if a != b:
            raise Mismatch(
                AssertionError,
                f"The keys of the mappings do not match:\nMissing keys in the actual mapping: {sorted(b - a)}\n"
                f"Additional keys in the actual mapping: {sorted(a - b)}",
                place,
            )
        keys: Any = a
        with contextlib.suppress(TypeError):
            keys = sorted(keys)
        return [f for k in keys for f in _comparisons(actual[k], expected[k], options, (*place, k))]
    for name, kind in _KINDS.items():
        try:
            made = kind(actual, expected, options, place)
        except Mismatch:
            raise
        except Exception as error:
            raise RuntimeError(
                f"Originating a {name}() at item {''.join(str([i]) for i in place)} with\n\n{type(actual).__name__}(): {actual}\n\nand\n\n"
                f"{type(expected).__name__}(): {expected}\n\n{_REPORT}"
            ) from error
        if made is not None:
            return [made]
    raise Mismatch(
        TypeError, f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.", place
    )


def assert_close(
    actual: Any, expected: Any, *, allow_subclasses: bool = True, rtol: float | None = None, atol: float | None = None,
    equal_nan: bool = False, check_device: bool = True, check_dtype: bool = True, check_layout: bool = True,
    check_stride: bool = False, msg: str | Callable[[str], str] | None = None,
) -> None:  # fmt: skip
    """Raise AssertionError unless |actual - expected| <= atol + rtol * |expected| everywhere.

    Tensors, arrays, numbers, and sequences and mappings of them. Devices, dtypes, layouts (and strides, when asked) must agree.
    Tolerances are those of the dtype unless both are given (ValueError for one). `msg` replaces the message, or is called with it.
    """
    __tracebackhide__ = True
    options = Options(rtol, atol, equal_nan, allow_subclasses, check_device, check_dtype, check_layout, check_stride)
    try:
        comparisons = _comparisons(actual, expected, options, ())
    except Mismatch as mismatch:
        raise mismatch.error() from None
    first: Mismatch | None = None
    for compare in comparisons:
        try:
            compare()
        except Mismatch as mismatch:
            first = first or mismatch
    if first is not None:
        raise first.error(msg)


_ALLCLOSE = {torch.float16: (1e-3, 1e-3), torch.float32: (1e-4, 1e-5), torch.float64: (1e-5, 1e-8)}


def assert_allclose(actual: Any, expected: Any, rtol: float | None = None, atol: float | None = None, equal_nan: bool = True,
                    msg: str = "") -> None:  # fmt: skip
    """The older, looser form of `assert_close`: nan equals nan, and dtypes may differ."""
    warnings.warn(
        "`torch.testing.assert_allclose()` is deprecated since 1.12 and will be removed in a future release. Please use "
        "`torch.testing.assert_close()` instead. You can find detailed upgrade instructions in "
        "https://github.com/pytorch/pytorch/issues/61844.",
        FutureWarning,
        stacklevel=2,
    )
    if not isinstance(actual, torch.Tensor):
        actual = torch.tensor(actual)
    if not isinstance(expected, torch.Tensor):
        expected = torch.tensor(expected, dtype=actual.dtype)
    if rtol is None and atol is None:
        rtol, atol = default_tolerances(actual, expected, dtype_precisions=_ALLCLOSE)
    assert_close(actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False, msg=msg or None)


__all__ = ["assert_allclose", "assert_close", "default_tolerances"]
