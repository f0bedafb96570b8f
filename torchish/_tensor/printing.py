"""The text of a tensor, character for character as PyTorch 2.13 prints it.

A tensor's text is made in three steps, and the functions below follow in that order of use:

1. *cells*: every number that will be shown becomes a string, all of one width. How (``2.``, ``2.0000``
   or ``2.0000e+00``) is decided once for the whole tensor, from the numbers shown.
2. *layout*: cells become rows that wrap at ``linewidth``, rows become bracketed blocks. A dimension longer
   than ``2 * edgeitems`` of a tensor with more than ``threshold`` elements shows only its two ends.
3. *suffixes*: ``device``, ``size``, ``dtype``, ``grad_fn`` and so on follow where they say something that the
   reader could not assume, on a new line where they no longer fit.

Nothing here knows the Tensor class: the functions take a host NumPy array and strings. The contract is the
behaviour of ``torch/_tensor_str.py``; ``tests/test_printing.py`` compares the texts.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

__all__ = [
    "PRINT_OPTS",
    "PrintOptions",
    "format_object",
    "format_parameter",
    "format_tensor",
    "get_printoptions",
    "printoptions",
    "set_printoptions",
]


# ---------------------------------------------------------------------------------------------------------
# Options
# ---------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class PrintOptions:
    """How tensors are printed; :func:`set_printoptions` explains each field."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


PRINT_OPTS = PrintOptions()
"""The options in force, changed in place by :func:`set_printoptions`."""

_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed from now on (``torch.set_printoptions``).

    Args:
        precision: digits after the decimal point of floating-point numbers (at first 4).
        threshold: a tensor with more elements than this is summarised (at first 1000).
        edgeitems: items shown at each end of a summarised dimension (at first 3).
        linewidth: characters per line, after which rows are wrapped (at first 80).
        profile: ``"default"``, ``"short"`` or ``"full"``: a set of the four above, which then override it.
        sci_mode: scientific notation always (True), never (False), or where the numbers call for it (None).

    Every option that is None keeps its value, except ``sci_mode``: as in PyTorch, a call that does not name
    it sets it back to None. A profile of another name is ignored, also as in PyTorch.

    >>> set_printoptions(precision=2)
    >>> format_tensor(np.array([1.12345], np.float32), dtype="torch.float32")
    'tensor([1.12])'
    >>> set_printoptions(profile="default")
    """
    chosen = dict(_PROFILES.get(profile or "", {}))
    named = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    chosen.update({option: value for option, value in named.items() if value is not None})
    for option, value in chosen.items():
        setattr(PRINT_OPTS, option, value)
    PRINT_OPTS.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """Return the options in force, as keyword arguments for :func:`set_printoptions`."""
    return dataclasses.asdict(PRINT_OPTS)


@contextlib.contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Set options, named as in :func:`set_printoptions`, for the length of a ``with`` block."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


# ---------------------------------------------------------------------------------------------------------
# The texts that a Tensor class asks for
# ---------------------------------------------------------------------------------------------------------


def format_tensor(
    array: np.ndarray | None,
    *,
    dtype: str,
    default_dtype: str = "torch.float32",
    shape: Sequence[int] | None = None,
    device: str | None = None,
    grad_fn: str | None = None,
    requires_grad: bool = False,
    tangent: str | None = None,
    class_name: str | None = None,
    is_parameter: bool = False,
    tensor_contents: str | None = None,
) -> str:
    """Return ``repr`` of a tensor. Only the elements that are shown are read from ``array``.

    Args:
        array: the values, any shape, on the host; None for a meta tensor, which has no values. Element types:
            bool, every integer, float16/32/64, complex64/128, and the bfloat16 and float8 types of ml_dtypes.
            A ``torch.complex32`` tensor comes as complex64.
        dtype: the tensor's dtype as it prints, such as ``"torch.float32"``.
        default_dtype: ``str(torch.get_default_dtype())``; a dtype that follows from it is not shown.
        shape: the tensor's shape; needed only where ``array`` is None.
        device: the device as it prints, such as ``"cuda:0"`` or ``"meta"``. None where it is not to be shown:
            on the CPU and on the current CUDA device when CUDA is the default.
        grad_fn: name of the tensor's grad_fn, such as ``"AddBackward0"``; None for a leaf. Shown as
            ``grad_fn=<AddBackward0>``, in which case ``requires_grad`` is not.
        requires_grad: shown as ``requires_grad=True`` where it is set.
        tangent: text of the tangent of a forward-mode dual tensor.
        class_name: name of a proper subclass of Tensor, which then stands for ``tensor``. None for Tensor
            itself, nn.Parameter and nn.Buffer.
        is_parameter: whether the tensor is an nn.Parameter; shown only with a ``class_name``, as in
            ``Parameter(Sub([1., 2.]))``. ``nn.Parameter.__repr__`` itself is this text passed through
            :func:`format_parameter`.
        tensor_contents: text to stand in place of the values.

    >>> format_tensor(np.array([[1, 2], [3, 40]]), dtype="torch.int64")
    'tensor([[ 1,  2],\\n        [ 3, 40]])'
    >>> format_tensor(None, shape=(2, 3), dtype="torch.float32", device="meta")
    "tensor(..., device='meta', size=(2, 3))"
    """
    if shape is None:
        if array is None:
            raise ValueError("format_tensor() needs a shape where it is given no array")
        shape = array.shape
    options = PRINT_OPTS
    prefix = (class_name or "tensor") + "("
    indent = len(prefix)

    size_note = f"size={tuple(shape)}"
    dtype_note = f"dtype={dtype}"
    notes: list[str] = []
    if device is not None:
        notes.append(f"device='{device}'")
    if array is None or 0 in shape:
        # No element tells the reader that the tensor holds integers, say: only the default goes unsaid.
        if array is None or len(shape) != 1:
            notes.append(size_note)
        if dtype != default_dtype:
            notes.append(dtype_note)
        contents = "..." if array is None else "[]"
    else:
        if not options.edgeitems:
            notes.append(size_note)
        if not _follows_from_values(dtype, default_dtype):
            notes.append(dtype_note)
        contents = _format_values(array, indent, options) if tensor_contents is None else ""
    if tensor_contents is not None:
        contents = tensor_contents
    if grad_fn is not None:
        notes.append(f"grad_fn=<{grad_fn}>")
    elif requires_grad:
        notes.append("requires_grad=True")
    if tangent is not None:
        notes.append(f"tangent={tangent}")

    text = _append_notes(prefix + contents, notes, indent, options.linewidth) + ")"
    return f"Parameter({text})" if is_parameter and class_name is not None else text


def format_parameter(text: str) -> str:
    """Return ``repr`` of an nn.Parameter, given the :func:`format_tensor` text of its tensor."""
    return "Parameter containing:\n" + text


def format_object(tensor: object, item: bool | int | float | complex | None, spec: str) -> str:
    """Return ``format(tensor, spec)``, the text of ``f"{tensor:spec}"``.

    Args:
        tensor: the tensor.
        item: its value where it is zero-dimensional, not on the meta device, and of type Tensor exactly;
            otherwise None (so for an nn.Parameter).
        spec: what follows the colon. Anything but an empty one applies only to an ``item``.

    Raises:
        TypeError: ``unsupported format string passed to Tensor.__format__``.
    """
    return object.__format__(tensor, spec) if item is None else format(item, spec)


def _follows_from_values(dtype: str, default_dtype: str) -> bool:
    """Whether a reader who sees the values and knows the default dtype can tell ``dtype``."""
    default_complex = "torch.complex128" if default_dtype == "torch.float64" else "torch.complex64"
    return dtype in (default_dtype, default_complex, "torch.int64", "torch.bool")


def _append_notes(text: str, notes: Sequence[str], indent: int, linewidth: float) -> str:
    """Append ``, note`` for each note, breaking the line before one that would pass ``linewidth``."""
    # PyTorch counts two characters more than the last line of ``text`` has: room for the closing brackets.
    column = len(text) - text.rfind("\n") + 1
    parts = [text]
    for note in notes:
        if column + len(note) + 2 > linewidth:
            parts.append(",\n" + " " * indent + note)
            column = indent + len(note)
        else:
            parts.append(", " + note)
            column += len(note) + 2
    return "".join(parts)


# ---------------------------------------------------------------------------------------------------------
# Values: summarise, make cells, lay them out
# ---------------------------------------------------------------------------------------------------------


def _format_values(array: np.ndarray, indent: int, options: PrintOptions) -> str:
    """Return the values as nested brackets; ``array`` is not empty, ``indent`` is the first line's column."""
    elided = (False,) * array.ndim
    if array.size > options.threshold and array.ndim > 0:
        edge = options.edgeitems
        if not edge:
            return "[...]"
        elided = tuple(length > 2 * edge for length in array.shape)
        array = _edges(array, elided, edge)
    cells, width = _make_cells(array, options)
    return _layout(cells, array.shape, elided, width, indent, options)


def _edges(array: np.ndarray, elided: Sequence[bool], edge: int) -> np.ndarray:
    """Return the first and last ``edge`` items along each elided dimension. Reads no other element."""
    index = [
        np.r_[:edge, length - edge : length] if cut else np.arange(length)
        for length, cut in zip(array.shape, elided, strict=True)
    ]
    ends: np.ndarray = array[np.ix_(*index)]
    return ends


def _make_cells(array: np.ndarray, options: PrintOptions) -> tuple[list[str], int]:
    """Return the text of each element, in row-major order, and the width that a row reserves for one."""
    if array.dtype.kind == "c":
        real, real_width = _make_float_cells(np.real(array), options)
        imag, imag_width = _make_float_cells(np.imag(array), options)
        cells = [_join_complex(re, im) for re, im in zip(real, imag, strict=True)]
        return cells, real_width + imag_width + len("j")
    if array.dtype.kind in "biu":
        texts = [str(value) for value in array.ravel().tolist()]
        return _pad(texts, max(map(len, texts)))
    return _make_float_cells(array, options)


def _join_complex(real: str, imag: str) -> str:
    """Join the cells of a real and an imaginary part: ``1.+2.j``, ``1.-2.j``."""
    imag = imag.lstrip() + "j"
    return real + imag if imag[0] in "+-" else real + "+" + imag


def _make_float_cells(array: np.ndarray, options: PrintOptions) -> tuple[list[str], int]:
    """Make cells of real floating-point numbers of any width; double holds each of them exactly."""
    values = array.ravel().astype(np.float64)
    # Zeros, infinities and NaNs have no say in the notation or the width.
    if array.dtype.name == "float8_e8m0fnu":
        # A type without zero and infinity. PyTorch compares with zero rounded to it, which is its least
        # number, and takes its NaN for finite.
        telling = values != 2.0**-127
    else:
        telling = (values != 0) & np.isfinite(values)
    numbers = values[telling]
    if numbers.size == 0:
        return _pad([f"{value:.0f}" + "." * math.isfinite(value) for value in values.tolist()], 1)

    if _is_scientific(numbers, options.sci_mode):
        spec, point = f".{options.precision}e", ""
    elif (numbers == np.ceil(numbers)).all():
        spec, point = ".0f", "."
    else:
        spec, point = f".{options.precision}f", ""
    texts = [format(value, spec) for value in values.tolist()]
    if point:
        texts = [text + point if text[-1].isdigit() else text for text in texts]
    return _pad(texts, max(len(text) for text, counts in zip(texts, telling.tolist(), strict=True) if counts))


def _is_scientific(numbers: np.ndarray, sci_mode: bool | None) -> bool:
    """Whether finite, non-zero ``numbers`` are too large, too small or too far apart for plain decimals."""
    if sci_mode is not None:
        return sci_mode
    magnitudes = np.abs(numbers)
    # Python floats: unlike NumPy's, their quotient may be infinite without a warning.
    largest, smallest = float(magnitudes.max()), float(magnitudes.min())
    return largest / smallest > 1000.0 or largest > 1.0e8 or smallest < 1.0e-4


def _pad(texts: list[str], width: int) -> tuple[list[str], int]:
    """Right-align texts in ``width`` columns; a longer one stays as it is."""
    return [text.rjust(width) for text in texts], width


def _layout(
    cells: Sequence[str],
    shape: Sequence[int],
    elided: Sequence[bool],
    width: int,
    indent: int,
    options: PrintOptions,
) -> str:
    """Lay cells out as nested brackets.

    Args:
        cells: texts of the elements of an array of ``shape``, in row-major order.
        shape: the shape of what is shown; an elided dimension has length ``2 * edgeitems``.
        elided: for each dimension, whether ``...`` stands for its middle part.
        width: characters that a cell takes, without the separator.
        indent: column of the opening bracket.
        options: ``edgeitems`` and ``linewidth`` are used.
    """
    if not shape:
        return cells[0]
    if len(shape) == 1:
        row = _elide(cells, " ...") if elided[0] else list(cells)
        per_line = max(1, math.floor((options.linewidth - indent) / (width + len(", "))))
        lines = [", ".join(row[start : start + per_line]) for start in range(0, len(row), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    stride = len(cells) // shape[0]
    blocks = [
        _layout(cells[start : start + stride], shape[1:], elided[1:], width, indent + 1, options)
        for start in range(0, len(cells), stride)
    ]
    if elided[0]:
        blocks = _elide(blocks, "...")
    # One line break between rows, and one blank line more for each dimension further out.
    return "[" + ("," + "\n" * (len(shape) - 1) + " " * (indent + 1)).join(blocks) + "]"


def _elide(items: Sequence[str], ellipsis: str) -> list[str]:
    """Put ``ellipsis`` between the first and the second half of ``items``."""
    half = len(items) // 2
    return [*items[:half], ellipsis, *items[half:]]
