"""Rearranging elements: repeating, flipping, rolling, triangles, diagonals, padding."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchish.ops import views
from torchish.ops.declare import op, to_dtype
from torchish.ops.dims import wrap_dim, wrap_dims
from torchish.ops.folds import total
from torchish.ops.precision import COMPLEX, INTEGERS, REAL, is_half, require_kernel


@op("_repeat(Tensor input, int[] repeats)", out=False, method=False, function=False, saves=(), grad="RepeatBackward0",
    flat=lambda name, statics, a: 0 in statics[0])  # fmt: skip
def repeat(input, repeats):
    shape = (1,) * (len(repeats) - input.ndim) + input.shape
    if any(r < 0 for r in repeats):
        size = [n * r for n, r in zip(shape, repeats, strict=True)]
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(size)}: {size}")
    return jnp.tile(input.reshape(shape), repeats)


@repeat.backward
def _(grad, input_shape, repeats):
    # only the repeated dimensions are cut in two: XLA sums over scattered ones of length 1 twenty times slower
    shape: list[int] = []
    summed: list[int] = []
    for r, n in zip(repeats, (1,) * (len(repeats) - len(input_shape)) + tuple(input_shape), strict=True):
        if r != 1:
            summed.append(len(shape))
            shape.append(r)
        shape.append(n)
    return total(grad.reshape(shape), tuple(summed)).reshape(input_shape)


@op("flip(Tensor input, int[]* dims)", out=False, saves=(), layout="copy")
def flip(input, dims):
    """The elements in reverse order along the given dimensions."""
    dims = wrap_dims(dims, input.ndim) if dims else ()
    return lax.rev(input, dims) if input.ndim else input


@op("fliplr(Tensor input)", out=False, saves=(), grad="FlipBackward0", layout="copy")
def fliplr(input):
    """The columns in reverse order (dimension 1)."""
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return lax.rev(input, (1,))


@op("flipud(Tensor input)", out=False, saves=(), grad="FlipBackward0", layout="copy")
def flipud(input):
    """The rows in reverse order (dimension 0)."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return lax.rev(input, (0,))


@op("_rot90(Tensor input, int k, int[] dims)", out=False, method=False, function=False, saves=(), grad="Rot90Backward0")
def rot90(input, k, dims):
    return jnp.rot90(input, k, dims)


@op("roll(Tensor input, int[] shifts, int[]? dims=None)", out=False, saves=(), layout="rolled")
def roll(input, shifts, dims):
    """Elements moved along dimensions (none given: along the flattened tensor), those that fall off coming back in."""
    dims = dims or ()
    if not dims and len(shifts) == 1:
        return jnp.roll(input.reshape(-1), shifts[0]).reshape(input.shape)
    if not shifts:
        raise RuntimeError("`shifts` required")
    if len(shifts) != len(dims):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    if not input.size:
        return input
    dims = tuple(wrap_dim(d, input.ndim, scalar=False) for d in dims)
    return jnp.roll(input, shifts, dims)


# --- triangles and diagonals ---------------------------------------------------------------------------------


def _triangle(input, diagonal, lower: bool, name: str):
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
    n, m = input.shape[-2:]
    offset = jnp.arange(m)[None, :] - jnp.arange(n)[:, None]
    keep = offset <= diagonal if lower else offset >= diagonal
    return jnp.where(keep, input, jnp.zeros((), input.dtype))


@op("tril(Tensor input, Index diagonal=0)", inplace=True, saves=())
def tril(input, diagonal):
    """The lower triangle of matrices; zeros above `diagonal`."""
    return _triangle(input, diagonal, True, "tril")


@op("triu(Tensor input, Index diagonal=0)", inplace=True, saves=())
def triu(input, diagonal):
    """The upper triangle of matrices; zeros below `diagonal`."""
    return _triangle(input, diagonal, False, "triu")


@op("diag_embed(Tensor input, int offset=0, int dim1=-2, int dim2=-1)", out=False, saves=())
def diag_embed(input, offset, dim1, dim2):
    """The last dimension put on the diagonal of two new dimensions; zeros elsewhere."""
    n = input.ndim + 1
    d1, d2 = wrap_dim(dim1, n), wrap_dim(dim2, n)
    if d1 == d2:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    k = input.shape[-1]
    size = k + abs(offset)
    row, column = max(-offset, 0), max(offset, 0)
    eye = jnp.arange(k)[:, None] == jnp.arange(k)[None, :]
    square = jnp.where(eye, input[..., None], jnp.zeros((), input.dtype))
    pad = [(0, 0)] * (input.ndim - 1) + [(row, size - k - row), (column, size - k - column)]
    return jnp.moveaxis(jnp.pad(square, pad), (-2, -1), (d1, d2))


@op("trace(Tensor input)", saves=(), out=False)
def trace(input):
    """The sum of a matrix's diagonal; integers give int64."""
    if input.dtype == jnp.bool_:
        raise NotImplementedError("\"trace\" not implemented for 'Bool'")
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    integral = jnp.issubdtype(input.dtype, jnp.integer)
    diagonal = jnp.diagonal(input.astype(jnp.int64) if integral else input)
    wide = jnp.float32 if is_half(diagonal.dtype) else jnp.float64
    return diagonal.astype(wide).sum().astype(input.dtype) if jnp.issubdtype(input.dtype, jnp.floating) else diagonal.sum()


# --- padding -------------------------------------------------------------------------------------------------


@op(
    "_constant_pad_nd(Tensor input, Number value, int[] pad)",
    out=False,
    method=False,
    function=False,
    saves=(),
    grad="ConstantPadNdBackward0",
    layout="padded",
)
def constant_pad_nd(input, value, pad):
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)}")
    if len(pad) > 2 * input.ndim:
        raise RuntimeError(
            "Length of pad should be no more than twice the number of dimensions of the input. Pad length is "
            f"{len(pad)}while the input has {input.ndim}dimensions."
        )
    widths = [(0, 0, 0)] * input.ndim
    for i in range(len(pad) // 2):
        low, high = pad[2 * i], pad[2 * i + 1]
        if input.shape[-1 - i] + min(low, 0) + min(high, 0) < 0:
            raise RuntimeError("narrow(): length must be non-negative.")
        if input.shape[-1 - i] + low + high < 0:
            raise RuntimeError(
                f"The input size {input.shape[-1 - i]}, plus negative padding {low} and {high} resulted in a "
                "negative output "
                f"size, which is invalid. Check dimension {input.ndim - 1 - i} of your input."
            )
        widths[-1 - i] = (low, high, 0)
    return lax.pad(input, to_dtype(value, input.dtype), widths)


_NP_MODES: dict[str, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _pad_name(spec, flat) -> str:
    pad, mode = spec.statics
    return f"{'Reflection' if mode == 'reflect' else 'Replication'}Pad{len(pad) // 2}DBackward0"


def _check_edges(input, widths, mode: str) -> None:
    """PyTorch's errors for shapes that have no edges, or of which nothing is left."""
    k = len(widths)
    if 0 in input.shape[input.ndim - k - 1 :]:
        raise RuntimeError(
            f"Expected {k + 1}D or {k + 2}D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for "
            f"input, but got: {list(input.shape)}"
        )
    sizes = [low + n + high for n, (low, high) in zip(input.shape[-k:], widths, strict=True)]
    if max(sizes) < 1:
        given = {1: "W: {}", 2: "H: {}, W: {}" + (" " if mode == "replicate" else ""), 3: "D: {} H: {}, W: {}"}[k].format(*input.shape[-k:])
        made = " ".join(f"{a}: {n}" for a, n in zip("DHW"[-k:], sizes, strict=True))
        raise RuntimeError(f"input ({given}) is too small. Calculated output {made}")
    if min(sizes) < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(sizes)}: {[*input.shape[:-k], *sizes]}")


def _pad_edges(input, pad, mode):
    """Padding whose values come from the tensor: reflected, repeated or wrapped around. Negative widths crop."""
    k = len(pad) // 2
    widths = [(0, 0)] * (input.ndim - k) + [(pad[2 * i], pad[2 * i + 1]) for i in reversed(range(k))]
    if mode != "circular":
        _check_edges(input, widths[-k:], mode)
    for d, (low, high) in enumerate(widths):
        n = input.shape[d]
        if (low > 0 or high > 0) and mode == "reflect" and (low >= n or high >= n):
            i = input.ndim - 1 - d
            raise RuntimeError(
                f"Argument #{4 + 2 * i}: Padding size should be less than the corresponding input dimension, but "
                "got: padding "
                f"({low}, {high}) at dimension {d} of input {list(input.shape)}"
            )
        if mode == "circular":
            if low > n or high > n:
                raise RuntimeError("Padding value causes wrapping around more than once.")
            if n + low + high < 0:
                raise RuntimeError("Negative padding value is resulting in an empty dimension")

    def crop(x):
        return x[tuple(slice(max(-low, 0), n - max(-high, 0)) for (low, high), n in zip(widths, x.shape, strict=True))]

    if mode != "circular":
        require_kernel(f"{'reflection' if mode == 'reflect' else 'replication'}_pad{k}d", input, REAL | COMPLEX | INTEGERS)
    else:  # what is left after cropping goes round
        input = crop(input)
    positive = [(max(low, 0), max(high, 0)) for low, high in widths]
    if any(p != (0, 0) for p in positive):
        input = jnp.pad(input, positive, mode=_NP_MODES[mode])
    return input if mode == "circular" else crop(input)


_PAD: dict[str, Any] = dict(out=False, method=False, function=False)
pad_edges = op("_pad_edges(Tensor input, int[] pad, str mode)", grad=_pad_name, layout="windows", **_PAD)(_pad_edges)
pad_around = op("_pad_around(Tensor input, int[] pad, str mode='circular')", saves=(), grad="CopySlices", **_PAD)(_pad_edges)


@op(
    "_as_strided_scatter(Tensor input, Tensor src, int[] root_strides, int[] size, int[] stride, int storage_offset)",
    out=False,
    method=False,
    function=False,
    grad="AsStridedScatterBackward0",
)
def as_strided_scatter(input, src, root_strides, size, stride, storage_offset):
    spec = views.as_strided.spec(("T",), (input.shape, root_strides, size, stride, storage_offset))
    return views.write_spec(spec).run(input, src)


@as_strided_scatter.backward
def _(grad, root_strides, size, stride, storage_offset):
    # PyTorch's formula: the input's gradient is kept where `src` was written, and dropped elsewhere
    spec = views.as_strided.spec(("T",), (grad.shape, root_strides, size, stride, storage_offset))
    part = spec.run(grad)
    return views.write_spec(spec).run(jnp.zeros_like(grad), part), part


@op("vander(Tensor x, int? N=None, bool increasing=False)", method=False, out=False, grad="FlipBackward0")
def vander(x, N, increasing):
    """The powers 0 to N - 1 of a vector as columns, the highest first unless `increasing`."""
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x.shape[0] if N is None else N
    if n < 0:
        raise RuntimeError("N must be non-negative.")
    dtype = jnp.int64 if jnp.issubdtype(x.dtype, jnp.integer) or x.dtype == jnp.bool_ else x.dtype
    x = x.astype(dtype)
    columns = [jnp.ones_like(x)]
    for _ in range(1, n):
        columns.append(columns[-1] * x)
    made = jnp.stack(columns[:n], 1) if n else jnp.zeros((x.shape[0], 0), dtype)
    return made if increasing else made[:, ::-1]


def tri_indices(row: int, col: int, offset: int, lower: bool) -> np.ndarray:
    """The (2, n) positions of a triangle of a (row, col) matrix, row by row."""
    f = np.tril_indices if lower else np.triu_indices
    return np.stack(f(row, offset, col)) if row and col else np.zeros((2, 0), np.int64)
