"""Pooling over windows: maximum, average, adaptive, fractional, and the inverse of maximum pooling.

A window's elements are read as strided slices of the input, one slice for each place in the window, and folded.
XLA's reduce_window is not used: on CPU its gradient takes six times as long (see `lowering`).
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchish.ops.declare import op
from torchish.ops.precision import FULL, INTEGERS, LONG, REAL, is_half, quotient, require_kernel, widen

_NAMES = {1: "T", 2: "HW", 3: "THW"}


def lowest(dtype):
    """What a maximum starts from: -inf, or the least integer."""
    return -jnp.inf if jnp.issubdtype(dtype, jnp.floating) else np.iinfo(np.dtype(dtype)).min


def output_size(n: int, kernel: int, low: int, high: int, stride: int, dilation: int, ceil_mode: bool) -> int:
    """How many windows fit; in ceil mode also a last one that starts inside the input or its left padding."""
    span = n + low + high - dilation * (kernel - 1) - 1
    out = (span + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (out - 1) * stride >= n + low:
        out -= 1
    return out


def _sizes(shape, kernel, stride, padding, dilation, ceil_mode):
    return tuple(
        output_size(n, k, p, p, s, d, ceil_mode)
        for n, k, s, p, d in zip(shape, kernel, stride, padding, dilation, strict=True)
    )


def check_window(name, input, kernel, stride, padding, dilation, sizes):
    """PyTorch's errors for windows that do not fit, shared by maximum and average pooling."""
    n = len(kernel)
    if min(kernel) <= 0:
        raise RuntimeError(
            "kernel size should be greater than zero, but got "
            + " ".join(f"k{a}: {k}" for a, k in zip(_NAMES[n], kernel, strict=True))
        )
    if min(stride) <= 0:
        raise RuntimeError(
            "stride should be greater than zero, but got "
            + " ".join(f"d{a}: {k}" for a, k in zip(_NAMES[n], stride, strict=True))
        )
    if min(dilation) <= 0:
        raise RuntimeError(
            "dilation should be greater than zero, but got "
            + " ".join(f"dilation{a}: {k}" for a, k in zip(_NAMES[n], dilation, strict=True))
        )
    ok = input.ndim in (n + 1, n + 2) and 0 not in input.shape[1:] and (input.ndim == n + 2 or input.shape[0])
    if not ok and n == 3:
        if input.ndim not in (4, 5):
            raise RuntimeError("non-empty 4D or 5D (batch mode) tensor expected for input")
        kernel_name = "avg_pool3d" if name == "avg_pool3d" else "max_pool3d_with_indices_out_cpu_template"
        raise RuntimeError(
            f"{kernel_name}(): Expected input's non-batch dimensions to have positive length, but input has a shape of "
            f"{list(input.shape)} and non-batch dimension 0 has length zero!"
        )
    if not ok:
        raise RuntimeError(
            f"Expected {n + 1}D or {n + 2}D (batch mode) tensor with optional 0 dim batch size for input, but got:"
            f"{list(input.shape)}"
        )
    for k, p in zip(kernel, padding, strict=True):
        if n == 3 and 2 * p > k:
            raise RuntimeError(
                "pad should be smaller than or equal to half of kernel size, but got "
                f"kT: {kernel[0]} kW: {kernel[2]} kH: {kernel[1]} padT: {padding[0]} padW: {padding[2]} padH: "
                f"{padding[1]}"
            )
    if name == "avg_pool3d" and any(k > s for k, s in zip(kernel, input.shape[-3:], strict=True)):
        image = " ".join(f"{a}: {s}" for a, s in zip("THW", input.shape[-3:], strict=True))
        window = " ".join(f"k{a}: {k}" for a, k in zip("THW", kernel, strict=True))
        raise RuntimeError(f"input image ({image}) smaller than kernel size ({window})")
    if min(sizes) < 1:
        channels = input.shape[-n - 1]
        given = "x".join(str(s) for s in (channels, *input.shape[-n:]))
        made = "x".join(str(s) for s in (channels, *sizes))
        raise RuntimeError(f"Given input size: ({given}). Calculated output size: ({made}). Output size is too small")


# --- windows as slices -------------------------------------------------------------------------------------


def _padded(x, kernel, stride, padding, dilation, sizes, fill):
    """The input with `fill` around it, as far as the windows reach."""
    lead = x.ndim - len(kernel)
    config = [(0, 0, 0)] * lead
    for n, k, s, p, d, o in zip(x.shape[lead:], kernel, stride, padding, dilation, sizes, strict=True):
        config.append((p, max((o - 1) * s + d * (k - 1) + 1 - n - p, 0), 0))
    if all(c == (0, 0, 0) for c in config):
        return x
    return lax.pad(x, jnp.asarray(fill, x.dtype), config)


def _slice(x, place, stride, dilation, sizes):
    """The elements at one place of every window."""
    lead = x.ndim - len(place)
    start = (0,) * lead + tuple(k * d for k, d in zip(place, dilation, strict=True))
    limit = x.shape[:lead] + tuple(b + (o - 1) * s + 1 for b, o, s in zip(start[lead:], sizes, stride, strict=True))
    return lax.slice(x, start, limit, (1,) * lead + tuple(stride))


def _inside(shape, place, stride, padding, dilation, sizes):
    """Which windows have this place inside the input (a NumPy mask over windows), or None when all have."""
    masks = []
    everywhere = True
    for n, k, s, p, d, o in zip(shape, place, stride, padding, dilation, sizes, strict=True):
        at = np.arange(o) * s - p + k * d
        m = (at >= 0) & (at < n)
        everywhere &= bool(m.all())
        masks.append(m)
    return None if everywhere else functools.reduce(np.logical_and, _spread(masks))


def _spread(vectors):
    """Vectors as an open mesh: the i-th along the i-th dimension."""
    n = len(vectors)
    return [v.reshape((-1,) + (1,) * (n - 1 - i)) for i, v in enumerate(vectors)]


def max_windows(x, kernel, stride, padding, dilation, sizes):
    """The maximum of each window and its place in the window (its number in row-major order).

    The first of equal maxima wins and a nan beats everything, the last nan the others; places in the padding never win.
    """
    shape = x.shape[x.ndim - len(kernel) :]
    padded = _padded(x, kernel, stride, padding, dilation, sizes, lowest(x.dtype))
    best: Any = None
    where: Any = None
    seen: Any = None
    for number, place in enumerate(np.ndindex(*kernel)):
        value = _slice(padded, place, stride, dilation, sizes)
        inside = _inside(shape, place, stride, padding, dilation, sizes)
        if best is None:
            best, where = value, jnp.zeros(value.shape, np.int32)
            seen = np.ones(sizes, bool) if inside is None else np.broadcast_to(inside, sizes)
            continue
        wins = value > best
        if jnp.issubdtype(x.dtype, jnp.floating):
            wins |= value != value
        if not seen.all():
            now = np.ones(sizes, bool) if inside is None else np.broadcast_to(inside, sizes)
            wins |= jnp.asarray(now & ~seen)
            seen = seen | now
        best = jnp.where(wins, value, best)
        where = jnp.where(wins, np.int32(number), where)
    return best, where


def _flat_index(where, shape, kernel, stride, padding, dilation, sizes):
    """Places in windows as positions in the flattened spatial input."""
    index = jnp.zeros((), np.int64)
    rest = where.astype(np.int64)
    n = len(kernel)
    places = []
    for k in reversed(kernel):
        places.append(rest % k)
        rest = rest // k
    for i, place in enumerate(reversed(places)):
        start = (np.arange(sizes[i]) * stride[i] - padding[i]).reshape((-1,) + (1,) * (n - 1 - i))
        index = index * shape[i] + (start + place * dilation[i])
    return index


def _made_apart(where):
    """Numbers that are not negative, in a loop of their own: XLA's CPU backend fuses across optimization barriers, not into branches."""
    if jax.default_backend() != "cpu" or 0 in where.shape:
        return where
    first = lax.index_in_dim(where.reshape(-1), 0, keepdims=False)
    return lax.cond(first >= 0, lambda x: x, jnp.zeros_like, where)


def _scatter_windows(grad, where, shape, kernel, stride, padding, dilation, sizes):
    """The gradient of `max_windows`: each window's cotangent at the place that won."""
    lead = grad.ndim - len(kernel)
    if all(s == k and p == 0 and d == 1 for k, s, p, d in zip(kernel, stride, padding, dilation, strict=True)):
        # Windows side by side: each element compares its window's winner with its own place. Winners as numbers of the
        # gradient's dtype let XLA's CPU loops use vectors, and made apart they are not found anew for every element of a
        # window: 512 images of 6x28x28 take 2 ms, not 10 to 30.
        inner = [(o, k) for o, k in zip(sizes, kernel, strict=True)]
        full = grad.shape[:lead] + tuple(o * k for o, k in inner)
        winner = _made_apart(where.astype(grad.dtype if math.prod(kernel) <= 256 else np.int32))
        own = jnp.zeros(full, np.int32)
        for i, k in enumerate(kernel):
            own = own * k + lax.broadcasted_iota(np.int32, full, lead + i) % k

        def spread(x):
            wide = x.reshape(grad.shape[:lead] + tuple(n for o in sizes for n in (o, 1)))
            return jnp.broadcast_to(wide, grad.shape[:lead] + tuple(n for pair in inner for n in pair)).reshape(full)

        g = jnp.where(spread(winner) == own.astype(winner.dtype), spread(grad), 0)
        config = [(0, 0, 0)] * lead + [(0, n - o * k, 0) for n, (o, k) in zip(shape, inner, strict=True)]
        return g if all(c[1] == 0 for c in config) else lax.pad(g, jnp.zeros((), g.dtype), config)
    total: Any = None
    reach = [max(n + p, (o - 1) * s + d * (k - 1) + 1) for n, p, o, s, d, k in
             zip(shape, padding, sizes, stride, dilation, kernel, strict=True)]  # fmt: skip
    for number, place in enumerate(np.ndindex(*kernel)):
        part = jnp.where(where == number, grad, 0)
        config = [(0, 0, 0)] * lead
        for o, s, d, at, r in zip(sizes, stride, dilation, place, reach, strict=True):
            config.append((at * d, r - at * d - ((o - 1) * s + 1), s - 1))
        part = lax.pad(part, jnp.zeros((), part.dtype), config)
        total = part if total is None else total + part
    return total[(...,) + tuple(slice(p, p + n) for p, n in zip(padding, shape, strict=True))]


# --- maximum -----------------------------------------------------------------------------------------------

_FEW = 64  # windows of more elements are folded one dimension after the other


def _max_grad_name(spec, flat):
    return f"MaxPool{len(spec.statics[0])}DWithIndicesBackward0"


def _max_pool(input, kernel, stride, padding, dilation, ceil_mode):
    n = len(kernel)
    shape = input.shape[input.ndim - n :]
    sizes = _sizes(shape, kernel, stride, padding, dilation, ceil_mode) if input.ndim > n else (1,) * n
    if min(padding) < 0:
        raise RuntimeError(f"pad must be non-negative, but got pad: {min(padding)}")
    for k, p, d in zip(kernel, padding, dilation, strict=True):
        if p > ((k - 1) * d + 1) // 2:
            raise RuntimeError(
                f"pad should be at most half of effective kernel size, but got pad={p}, kernel_size={k} and "
                f"dilation={d}"
            )
    check_window(f"max_pool{n}d", input, kernel, stride, padding, dilation, sizes)
    require_kernel(f"max_pool{n}d", input, REAL | INTEGERS)
    return (kernel, stride, padding, dilation, sizes), shape


_MAX = "(Tensor input, int[] kernel_size, int[] stride, int[] padding, int[] dilation, bool ceil_mode)"


@op("max_pool_nd" + _MAX, method=False, function=False, grad=_max_grad_name, layout="windows")
def max_pool(input, kernel_size, stride, padding, dilation, ceil_mode):
    """The maximum of each window of the last dimensions."""
    window, _ = _max_pool(input, kernel_size, stride, padding, dilation, ceil_mode)
    if math.prod(kernel_size) > _FEW:
        return _max_separable(input, window)[0]
    return max_windows(input, *window)[0]


@max_pool.backward
def _(grad, input, kernel_size, stride, padding, dilation, ceil_mode):
    return _max_pool_grad(grad, input, kernel_size, stride, padding, dilation, ceil_mode)


@op("max_pool_nd_with_indices" + _MAX, method=False, function=False, grad=_max_grad_name, layout="windows")
def max_pool_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode):
    """The maximum of each window, and its position in the flattened spatial input."""
    window, shape = _max_pool(input, kernel_size, stride, padding, dilation, ceil_mode)
    if math.prod(kernel_size) > _FEW:
        return _max_separable(input, window)
    best, where = max_windows(input, *window)
    return best, _flat_index(where, shape, *window)


@max_pool_with_indices.backward
def _(grad, input, kernel_size, stride, padding, dilation, ceil_mode):
    return _max_pool_grad(grad[0], input, kernel_size, stride, padding, dilation, ceil_mode)


def _max_pool_grad(grad, input, kernel_size, stride, padding, dilation, ceil_mode):
    window, shape = _max_pool(input, kernel_size, stride, padding, dilation, ceil_mode)
    if math.prod(kernel_size) > _FEW:
        return scatter_positions(grad, _max_separable(input, window)[1], shape)
    where = max_windows(input, *window)[1]
    return _scatter_windows(widen(grad), where, shape, *window).astype(input.dtype)


def _max_separable(x, window):
    """`max_pool_with_indices` for large windows: along the last dimension, then the one before, …"""
    kernel, stride, padding, dilation, sizes = window
    n = len(kernel)
    lead = x.ndim - n
    cells = [math.prod(x.shape[lead + i + 1 :]) for i in range(n)]
    position = None
    for i in reversed(range(n)):
        axis = lead + i
        at = np.arange(sizes[i])[:, None] * stride[i] - padding[i] + np.arange(kernel[i])[None] * dilation[i]
        inside = (at >= 0) & (at < x.shape[axis])
        at = np.clip(at, 0, x.shape[axis] - 1)
        x, position = _first_max(x, position, axis, at, inside, cells[i])
    return x, position


def _first_max(x, position, axis, at, inside, cells):
    """Along one axis, the first maximum among the elements `at` (windows, places) that are `inside`, and its position: that along the
    axis, in steps of `cells`, and the `position` that the element has itself (None: the first of them)."""
    rest = (1,) * (x.ndim - axis - 1)
    values = jnp.take(x, at.reshape(-1), axis=axis).reshape(x.shape[:axis] + at.shape + x.shape[axis + 1 :])
    mask = inside.reshape(inside.shape + rest)
    best = jnp.max(values, axis + 1, where=mask, initial=lowest(x.dtype), keepdims=True)
    places = np.arange(at.shape[1], dtype=np.int32).reshape((-1, *rest))
    place = jnp.min(jnp.where(mask & (values == best), places, at.shape[1] - 1), axis + 1)
    if jnp.issubdtype(x.dtype, jnp.floating):
        nan = jnp.max(jnp.where(mask & (values != values), places, -1), axis + 1)
        place = jnp.where(nan < 0, place, nan)
    chosen = jnp.asarray(at)[np.arange(len(at)).reshape((-1, *rest)), place]
    x = jnp.take_along_axis(x, chosen, axis)
    return x, chosen * cells + (0 if position is None else jnp.take_along_axis(position, chosen, axis))


def scatter_positions(grad, position, shape):
    """Cotangents added up at their positions in the flattened spatial dimensions."""
    lead = grad.ndim - len(shape)
    rows = math.prod(grad.shape[:lead])
    cells = math.prod(shape)
    flat = position.reshape(rows, math.prod(position.shape[lead:])) + (jnp.arange(rows) * cells)[:, None]
    out = jnp.zeros((rows * cells,), grad.dtype).at[flat.reshape(-1)].add(grad.reshape(-1))
    return out.reshape(grad.shape[:lead] + tuple(shape))


def gather_positions(x, position, n):
    """The elements at positions in the last `n` dimensions, flattened."""
    lead = x.ndim - n
    flat = x.reshape(x.shape[:lead] + (math.prod(x.shape[lead:]),))
    at = position.reshape(position.shape[:lead] + (math.prod(position.shape[lead:]),))
    return jnp.take_along_axis(flat, at, -1).reshape(position.shape)


# --- average -----------------------------------------------------------------------------------------------


@op(
    "avg_pool_nd(Tensor input, int[] kernel_size, int[] stride, int[] padding, bool ceil_mode, bool count_include_pad, "
    "int? divisor_override)",
    method=False, function=False, grad=lambda spec, flat: f"AvgPool{len(spec.statics[0])}DBackward0", layout="planes",
)  # fmt: skip
def avg_pool(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """The mean of each window of the last dimensions."""
    n = len(kernel_size)
    ones = (1,) * n
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    if n > 1:
        if min(padding) < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {min(padding)}")
        for k, p in zip(kernel_size, padding, strict=True):
            if p > k // 2 and k > 0:
                raise RuntimeError(
                    f"pad should be at most half of effective kernel size, but got pad={p}, kernel_size={k} and "
                    "dilation=1"
                )
    shape = input.shape[input.ndim - n :]
    sizes = _sizes(shape, kernel_size, stride, padding, ones, ceil_mode) if input.ndim > n else ones
    check_window(f"avg_pool{n}d", input, kernel_size, stride, padding, ones, sizes)
    if n == 3:
        require_kernel("avg_pool3d_out_frame", input, FULL | LONG)
    else:
        require_kernel("avg_pool2d", input, REAL | LONG)
    x = widen(input)
    total = sum_windows(x, kernel_size, stride, padding, sizes)
    if divisor_override is not None:
        count = divisor_override
    else:
        counts = []
        for m, k, s, p, o in zip(shape, kernel_size, stride, padding, sizes, strict=True):
            start = np.arange(o) * s - p
            end = np.minimum(start + k, m + p)
            counts.append(end - start if count_include_pad else np.minimum(end, m) - np.maximum(start, 0))
        count = functools.reduce(np.multiply, _spread(counts))
        if (count == count.flat[0]).all():
            count = int(count.flat[0])
    if jnp.issubdtype(x.dtype, jnp.integer):
        total = lax.div(total, jnp.broadcast_to(jnp.asarray(count, x.dtype), total.shape))
    else:
        total = quotient(total, jnp.asarray(count, x.real.dtype))
    return total.astype(input.dtype)


def sum_windows(x, kernel, stride, padding, sizes):
    """The sum of each window: one dimension after the other."""
    n = len(kernel)
    lead = x.ndim - n
    ones = (1,) * n
    if (
        tuple(kernel) == tuple(stride)
        and not any(padding)
        and all(o * k <= m for o, k, m in zip(sizes, kernel, x.shape[lead:], strict=True))
    ):
        x = x[(...,) + tuple(slice(0, o * k) for o, k in zip(sizes, kernel, strict=True))]
        x = x.reshape(x.shape[:lead] + tuple(m for o, k in zip(sizes, kernel, strict=True) for m in (o, k)))
        return x.sum(tuple(range(lead + 1, x.ndim, 2)))
    x = _padded(x, kernel, stride, padding, ones, sizes, 0)
    for i in reversed(range(n)):
        total = None
        for place in range(kernel[i]):
            part = lax.slice_in_dim(x, place, place + (sizes[i] - 1) * stride[i] + 1, stride[i], lead + i)
            total = part if total is None else total + part
        x = total
    return x


# --- adaptive ----------------------------------------------------------------------------------------------


def _bins(n: int, out: int) -> tuple[np.ndarray, np.ndarray]:
    """Start and end of each of `out` bins that cover `n` elements."""
    i = np.arange(out)
    return i * n // out, -((-(i + 1) * n) // out)


def _check_adaptive(name, n, input, output_size, colon):
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(f"{name}(): Expected {n + 1}D or {n + 2}D tensor, but got{colon} {list(input.shape)}")
    for i in range(1 if input.ndim == n + 2 else 0, input.ndim):
        if input.shape[i] == 0 and i >= (1 if colon or n == 3 else input.ndim - n):
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes "
                f"{list(input.shape)} with dimension {i} being empty"
            )
    negative = min((*output_size, 0))
    if negative < 0 and colon:  # the maximum's result is made first
        first = next(o for o in output_size if o < 0)
        raise RuntimeError(f"Trying to create tensor with negative dimension {first}: {[*input.shape[:-n], *output_size]}")
    if negative < 0:
        sizes = str(output_size[0]) + "".join(f"{',' if i == 2 else ', '}{o}" for i, o in enumerate(output_size) if i)  # (as it is there)
        raise RuntimeError(f"{name}: elements of output_size must be greater than or equal to 0 but received {{{sizes}}}")


def _refuse_empty_gradients(name: str, grad):
    """RuntimeError where a pool had no bins."""
    for i in range(1, grad.ndim):
        if grad.shape[i] == 0:
            raise RuntimeError(
                f"{name}_backward(): Expected grad_output to have non-zero size for non-batch dimensions, but grad_output has sizes "
                f"{[*grad.shape]} with dimension {i} being empty"
            )


@op(
    "adaptive_avg_pool_nd(Tensor input, int[] output_size)",
    method=False, function=False, grad=lambda spec, flat: f"AdaptiveAvgPool{len(spec.statics[0])}DBackward0", layout="planes",
)  # fmt: skip
def adaptive_avg_pool(input, output_size):
    """The mean of each of `output_size` bins of the last dimensions."""
    n = len(output_size)
    _check_adaptive(f"adaptive_avg_pool{n}d", n, input, output_size, "")
    if input.size or n == 3:
        require_kernel("adaptive_avg_pool2d" if n == 2 else "adaptive_avg_pool3d_cpu", input, REAL)
    x = widen(input)
    lead = x.ndim - n
    for i in reversed(range(n)):
        axis, size, out = lead + i, x.shape[lead + i], output_size[i]
        if out == size:
            continue
        if out and size % out == 0:
            x = x.reshape(x.shape[:axis] + (out, size // out) + x.shape[axis + 1 :]).sum(axis + 1)
            x = quotient(x, np.asarray(size // out, x.dtype))
            continue
        start, end = _bins(size, out)
        parts = [
            quotient(lax.slice_in_dim(x, int(s), int(e), 1, axis).sum(axis, keepdims=True), np.asarray(e - s, x.dtype))
            for s, e in zip(start, end, strict=True)
        ]
        x = jnp.concatenate(parts, axis) if parts else jnp.zeros(x.shape[:axis] + (0,) + x.shape[axis + 1 :], x.dtype)
    return x.astype(input.dtype)


@adaptive_avg_pool.backward
def _(grad, input, output_size):
    """(It names the input, not just its shape: PyTorch's gradients of this gradient reach the input, as zeros.)"""
    g, n = widen(grad), len(output_size)
    _refuse_empty_gradients(f"adaptive_avg_pool{n}d", grad)
    for i in reversed(range(n)):
        axis, size, out = g.ndim - n + i, input.shape[input.ndim - n + i], output_size[i]
        if out == size:
            continue
        start, end = _bins(size, out)
        counts = (end - start).astype(g.dtype).reshape((-1,) + (1,) * (n - i - 1))
        at = np.arange(size)
        # each element is in a few bins that follow one another
        first, last = (np.searchsorted(bounds, at, "right") for bounds in (end, start))
        shares, total = quotient(g, counts), jnp.zeros((), g.dtype)
        for k in range(max((last - first).max(initial=0), 0)):
            inside = (first + k < last).reshape((-1, *counts.shape[1:]))
            total = total + jnp.where(inside, jnp.take(shares, np.minimum(first + k, out - 1), axis=axis), 0)
        g = jnp.broadcast_to(total, g.shape[:axis] + (size,) + g.shape[axis + 1 :])
    return g.astype(grad.dtype)


@op(
    "adaptive_max_pool_nd(Tensor input, int[] output_size)",
    method=False, function=False, grad=lambda spec, flat: f"AdaptiveMaxPool{len(spec.statics[0])}DBackward0", layout="planes",
)  # fmt: skip
def adaptive_max_pool(input, output_size):
    """The maximum of each of `output_size` bins of the last dimensions, and its position."""
    n = len(output_size)
    _check_adaptive(f"adaptive_max_pool{n}d", n, input, output_size, ":")
    require_kernel("adaptive_max_pool2d" if n == 2 else "adaptive_max_pool3d_cpu", input, REAL)
    lead = input.ndim - n
    x, position = input, None
    cells = [math.prod(x.shape[lead + i + 1 :]) for i in range(n)]
    if 0 in output_size or 0 in x.shape:
        shape = x.shape[:lead] + tuple(output_size)
        return jnp.zeros(shape, x.dtype), jnp.zeros(shape, np.int64)
    for i in reversed(range(n)):
        start, end = _bins(x.shape[lead + i], output_size[i])
        if len(start) <= _MOST_SLICES:
            x, position = _first_max_of_slices(x, position, lead + i, start, end, cells[i])
            continue
        at = start[:, None] + np.arange((end - start).max())[None]
        inside = at < end[:, None]
        x, position = _first_max(x, position, lead + i, np.minimum(at, x.shape[lead + i] - 1), inside, cells[i])
    return x, position


# (8, 32, 62, 62) float32 to 7x7 in 1.3 ms, where gathered windows take 8.8 and a running maximum over their places 3.6.
_MOST_SLICES = 64  # each is compiled apart


def _first_max_of_slices(x, position, axis, start, end, cells):
    """`_first_max` of elements that lie side by side."""
    found = [_first_max_of_all(lax.slice_in_dim(x, a, b, 1, axis), axis) for a, b in zip(start.tolist(), end.tolist(), strict=True)]
    chosen = jnp.concatenate([at + a for (_, at), a in zip(found, start, strict=True)], axis)
    x = jnp.concatenate([best for best, _ in found], axis)
    return x, chosen * cells + (0 if position is None else jnp.take_along_axis(position, chosen, axis))


def _first_max_of_all(x, axis):
    best = x.max(axis, keepdims=True)
    at = lax.broadcasted_iota(np.int32, x.shape, axis)
    first = jnp.min(jnp.where(x == best, at, x.shape[axis]), axis, keepdims=True)
    if jnp.issubdtype(x.dtype, jnp.floating):
        nan = jnp.max(jnp.where(x != x, at, -1), axis, keepdims=True)
        first = jnp.where(nan < 0, first, nan)
    return best, first.astype(np.int64)


@adaptive_max_pool.backward
def _(grad, result1, input, output_size):
    _refuse_empty_gradients(f"adaptive_max_pool{len(output_size)}d", grad[0])
    return scatter_positions(grad[0], result1, input.shape[input.ndim - len(output_size) :])


# --- fractional and inverse --------------------------------------------------------------------------------


def _check_fractional(input, samples, kernel_size, output_size):
    n = len(kernel_size)
    name = "fractional_max_pool2d()" if n == 2 else "fractional_max_pool3d_out()"
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(f"{name}: Expected {n + 1}D or {n + 2}D tensor, but got: {list(input.shape)}")
    if 0 in input.shape[1:]:
        raise RuntimeError(
            f"{name}: Expected input to have non-zero size for non-batch dimensions, but got{list(input.shape)} with dimension "
            f"{input.shape.index(0, 1)} being empty."
        )
    lead = input.ndim - n
    for i, axis in enumerate(("time", "height", "width")[3 - n :]):
        if output_size[i] + kernel_size[i] - 1 > input.shape[lead + i]:
            raise RuntimeError(f"{name}: pool {axis} {kernel_size[i]} too large relative to input {axis} {input.shape[lead + i]}")
    for size in output_size:
        if size < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {size}: {[*input.shape[:lead], *output_size]}")
    if samples.dtype != input.dtype:
        raise RuntimeError("Expect _random_samples to have the same dtype as input")
    if samples.ndim != 3:
        raise RuntimeError(f"Expect _random_samples to have 3 dimensions, got {samples.ndim}")
    if samples.shape[0] < (input.shape[0] if lead == 2 else 1):
        raise RuntimeError("Expect _random_samples.size(0) no less then input batch size.")
    if samples.shape[1] != input.shape[lead - 1]:
        raise RuntimeError("Expect _random_samples.size(1) equals to input channel size.")
    if samples.shape[2] != n:
        raise RuntimeError(f"Expect _random_samples.size(2) equals to {n}; got {samples.shape[2]}.")
    if input.size:
        require_kernel(f"fractional_max_pool{n}d_out_frame", input, REAL)


@op(
    "fractional_max_pool_nd(Tensor input, Tensor random_samples, int[] kernel_size, int[] output_size)",
    method=False, function=False, saves=("input",),
    grad=lambda spec, flat: f"FractionalMaxPool{len(spec.statics[0])}DBackward0",
)  # fmt: skip
def fractional_max_pool(input, random_samples, kernel_size, output_size):
    """Maxima of windows at pseudo-random places (Graham, 2014), and their positions; samples (N, C, dimensions)."""
    n = len(kernel_size)
    lead = input.ndim - n
    _check_fractional(input, random_samples, kernel_size, output_size)
    if not input.size:
        shape = (*input.shape[:lead], *output_size)
        return jnp.zeros(shape, input.dtype), jnp.zeros(shape, np.int64)
    u = random_samples[: input.shape[0]] if input.ndim == n + 2 else random_samples[0]
    u = u.reshape(input.shape[:lead] + (n,))
    x = input
    position = jnp.broadcast_to(jnp.arange(math.prod(x.shape[lead:])).reshape(x.shape[lead:]), x.shape)
    for i in reversed(range(n)):
        axis = lead + i
        # the samples are for width, height, time in that order
        sample = u[..., n - 1 - i] if n == 2 else u[..., i]
        start = _fractional_starts(sample, input.shape[axis], output_size[i], kernel_size[i])
        at = start[..., None] + jnp.arange(kernel_size[i])
        x, position = _dynamic_first_max(x, position, axis, at)
    return x, position


def _fractional_starts(sample, size, out, pool):
    # As PyTorch computes it: alpha in the samples' dtype, truncation of each product.
    if out == 1:
        return jnp.full((*sample.shape, 1), size - pool)
    alpha = jnp.asarray(size - pool, sample.dtype) / jnp.asarray(out - 1, sample.dtype)
    i = jnp.arange(out - 1).astype(sample.dtype)
    first = (sample * alpha).astype(np.int64)
    start = ((i + sample[..., None]) * alpha).astype(np.int64) - first[..., None]
    return jnp.concatenate([start, jnp.full((*sample.shape, 1), size - pool)], -1)


def _dynamic_first_max(x, position, axis, at):
    """`_first_max` with windows `at` (*lead, windows, places) that differ per leading element; all are inside."""
    lead = at.ndim - 2
    windows, places = at.shape[-2:]
    flat = at.reshape(at.shape[:lead] + (1,) * (axis - lead) + (windows * places,) + (1,) * (x.ndim - axis - 1))
    shape = x.shape[:axis] + (windows, places) + x.shape[axis + 1 :]
    values = jnp.take_along_axis(x, flat, axis).reshape(shape)
    positions = jnp.take_along_axis(position, flat, axis).reshape(shape)
    place = jnp.argmax(values, axis + 1)
    nan = values != values
    place = jnp.where(nan.any(axis + 1), places - 1 - jnp.argmax(jnp.flip(nan, axis + 1), axis + 1), place)
    place = jnp.expand_dims(place, axis + 1)
    return (
        jnp.take_along_axis(values, place, axis + 1).squeeze(axis + 1),
        jnp.take_along_axis(positions, place, axis + 1).squeeze(axis + 1),
    )


@fractional_max_pool.backward
def _(grad, result1, input, kernel_size, output_size):
    return scatter_positions(grad[0], result1, input.shape[input.ndim - len(kernel_size) :]), None


@op(
    "max_unpool_nd(Tensor input, Tensor indices, int[] output_size)",
    method=False,
    function=False,
    saves=("indices",),
    layout="planes",
    grad=lambda spec, flat: f"MaxUnpool{len(spec.statics[0])}DBackward0",
)
def max_unpool(input, indices, output_size):
    """Values put at their positions in a zero array of the given spatial size."""
    n = len(output_size)
    lead = input.ndim - n
    rows = math.prod(input.shape[:lead])
    cells = math.prod(output_size)
    flat = indices.reshape(rows, math.prod(input.shape[lead:])) + (jnp.arange(rows) * cells)[:, None]
    out = jnp.zeros((rows * cells,), input.dtype).at[flat.reshape(-1)].set(input.reshape(-1))
    return out.reshape(input.shape[:lead] + tuple(output_size))


@max_unpool.backward
def _(grad, indices, output_size):
    return gather_positions(grad, indices, len(output_size)), None


__all__ = ["avg_pool", "is_half"]


@op(
    "max_pool2d_with_indices_backward(Tensor grad_output, Tensor input, int[] kernel_size, int[] stride, int[] padding, "
    "int[] dilation, bool ceil_mode, Tensor indices)",
    method=False, function=False, indices=("indices",), saves={"indices": ("grad_output",)}, flat=("input",),
)  # fmt: skip
def max_pool2d_with_indices_backward(grad_output, input, indices, kernel_size, stride, padding, dilation, ceil_mode):
    """The gradient of max_pool2d_with_indices for its input, from the positions that it returned."""
    require_kernel("max_pool2d_backward", grad_output, REAL)
    return scatter_positions(grad_output, indices, input.shape[-2:])
