"""Operations on images and feature maps: resampling, grids, unfolding, channel rearrangement."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchish.ops.declare import op
from torchish.ops.precision import BOOL, COMPLEX, HALF, REAL, is_half, require_kernel, stepwise, widen
from torchish.ops.spacing import centres


def _op(signature, **traits):
    return op(signature, method=False, function=False, out=False, **traits)


# --- resampling by a fixed factor --------------------------------------------------------------------------


def _upsample_name(spec, flat):
    mode, n = spec.statics[1], flat[0]._aval.ndim - 2
    antialias = "Aa" if spec.statics[4] else ""
    return f"Upsample{_MODE_NAMES[mode]}{n}D{antialias}Backward0"


_MODE_NAMES = {
    "nearest": "Nearest", "nearest-exact": "NearestExact", "linear": "Linear", "bilinear": "Bilinear",
    "trilinear": "Trilinear", "bicubic": "Bicubic", "lanczos": "Lanczos",
}  # fmt: skip


@_op(
    "upsample(Tensor input, int[] size, str mode, bool align_corners, any scales, bool antialias)", saves=(),
    grad=_upsample_name, layout="windows",
)  # fmt: skip
def upsample(input, size, mode, align_corners, scales, antialias):
    """(N, C, *spatial) resampled to `size`, one dimension after the other; `scales` (or None) as the user gave them."""
    x = widen(input)
    one = _resample_bytes if jnp.issubdtype(x.dtype, jnp.integer) and not mode.startswith("nearest") else _resample
    for i in reversed(range(len(size))):
        x = one(x, 2 + i, size[i], mode, align_corners, None if scales is None else scales[i], antialias)
    return x.astype(input.dtype)


@upsample.backward
def _(grad, input_shape, size, mode, align_corners, scales, antialias):
    if antialias:
        require_kernel(f"upsample_{mode}2d_aa_backward_cpu", grad, REAL - HALF)
    g = widen(grad)
    for i in range(len(size)):
        g = _spread(g, 2 + i, input_shape[2 + i], mode, align_corners, None if scales is None else scales[i], antialias)
    return g.astype(grad.dtype)


def _resample_bytes(x, axis, out, mode, align_corners, scale, antialias):
    """Of bytes, in whole numbers, rounded after each dimension."""
    n = x.shape[axis]
    if n == out:
        return x
    matrix, bits = byte_weights(n, out, mode, align_corners, scale, antialias)
    total = jnp.moveaxis(jnp.moveaxis(x, axis, -1).astype(np.int32) @ matrix.T, -1, axis)
    return jnp.clip((total + (1 << (bits - 1))) >> bits, 0, 255).astype(np.uint8)


def byte_weights(n, out, mode, align_corners, scale, antialias):
    """The weights (out, n) of bytes as whole numbers, int32, and how many bits of them are the fraction."""
    matrix = resampling_matrix(n, out, mode, align_corners, scale, antialias, np.dtype(np.float64))
    bits = 0
    while bits < 22 and int(0.5 + matrix.max() * (1 << (bits + 1))) < 1 << 15:
        bits += 1
    return np.trunc(matrix * (1 << bits) + np.copysign(0.5, matrix)).astype(np.int32), bits


def resampling_matrix(n, out, mode, align_corners, scale, antialias, dtype):
    """The weights (out, n) with which a smooth mode makes `out` values of `n`."""
    index, weight = _taps(n, out, mode, align_corners, scale, antialias, dtype)
    matrix = np.zeros((out, n), dtype)
    np.add.at(matrix, (np.arange(out)[:, None], index), weight.astype(dtype))
    return matrix


def _taps(n, out, mode, align_corners, scale, antialias, dtype):
    """Where each of `out` values comes from among `n`, and with which weights: two arrays (out, taps)."""
    if mode in ("nearest", "nearest-exact"):
        index = _nearest_index(n, out, scale, mode == "nearest-exact")[:, None]
        return index, np.ones(index.shape)
    if antialias:
        return _antialias_taps(n, out, mode, align_corners, scale, dtype)
    if mode == "bicubic":
        return _cubic_taps(n, out, align_corners, scale, dtype)
    if n == out:  # whatever the scale
        return np.arange(n)[:, None], np.ones((n, 1))
    return _linear_taps(n, out, align_corners, scale, dtype)


def _resample(x, axis, out, mode, align_corners, scale, antialias):
    n = x.shape[axis]
    index, weight = _taps(n, out, mode, align_corners, scale, antialias, np.dtype(x.dtype))
    if index.shape[1] == 1 and (weight == 1).all():
        if out == n and (index[:, 0] == np.arange(n)).all():
            return x
        if out % n == 0 and (index[:, 0] == np.arange(out) // (out // n)).all():
            return jnp.repeat(x, out // n, axis)
        return jnp.take(x, index[:, 0], axis=axis)
    return _weighted(x, axis, index, weight)


def _weighted(x, axis, index, weight, exists=None):
    """Sums of the elements along an axis that lie at `index` (results, terms), by weight, without those that do not exist."""
    shape = [1] * x.ndim
    shape[axis] = len(index)
    total = None
    for k in range(index.shape[1]):
        part = jnp.take(x, index[:, k], axis=axis) * weight[:, k].astype(x.dtype).reshape(shape)
        if exists is not None and not exists[:, k].all():
            part = jnp.where(exists[:, k].reshape(shape), part, 0)
        total = part if total is None else total + part
    return total


MOST_GATHERED = 16
"""Terms of a gradient that are looked up, where XLA's CPU code for the transpose of the lookups would scatter each result: 2 ns an element
of each term against 0.3."""


def _spread(g, axis, n, mode, align_corners, scale, antialias):
    """The gradient of `_resample` for its input, of which `n` elements lie along the axis."""
    out, dtype = g.shape[axis], np.dtype(g.dtype)
    index, weight = _taps(n, out, mode, align_corners, scale, antialias, dtype)
    # the pairs of an element and a result of it, in order: their sums of weights, and the place of each among those of its element
    pairs, number = np.unique((index * out + np.arange(out)[:, None])[weight != 0], return_inverse=True)
    weights = np.bincount(number, weights=weight[weight != 0], minlength=len(pairs))
    element, result = pairs // out, pairs % out
    counts = np.bincount(element, minlength=n)
    terms = int(counts.max(initial=0))
    if not 0 < terms <= MOST_GATHERED:
        given = jax.ShapeDtypeStruct((*g.shape[:axis], n, *g.shape[axis + 1 :]), dtype)
        return jax.linear_transpose(lambda x: _resample(x, axis, out, mode, align_corners, scale, antialias), given)(g)[0]
    place = np.arange(len(pairs)) - np.repeat(np.cumsum(counts) - counts, counts)
    sources, factors, exists = np.zeros((n, terms), np.int64), np.zeros((n, terms)), np.zeros((n, terms), bool)
    sources[element, place], factors[element, place], exists[element, place] = result, weights, True
    return _weighted(g, axis, sources, factors, exists)


def _ratio(n, out, align_corners, scale, dtype):
    """How far apart in the input neighbouring results lie, in the precision that PyTorch computes it in."""
    if align_corners:
        return dtype.type(n - 1) / dtype.type(out - 1) if out > 1 else dtype.type(0)
    return dtype.type(1.0 / scale) if scale is not None and scale > 0 else dtype.type(n) / dtype.type(out)


def _source(n, out, align_corners, scale, dtype, cubic):
    ratio = _ratio(n, out, align_corners, scale, dtype)
    i = np.arange(out).astype(dtype)
    if align_corners:
        return ratio * i
    source = ratio * (i + dtype.type(0.5)) - dtype.type(0.5)
    return source if cubic else np.maximum(source, 0)


def _nearest_index(n, out, scale, exact):
    # float32 throughout, as PyTorch computes nearest indices
    f = np.float32
    ratio = f(1.0 / scale) if scale is not None and scale > 0 else f(n) / f(out)
    i = np.arange(out).astype(f)
    source = np.floor((i + f(0.5)) * ratio) if exact else np.floor(i * ratio)
    return np.minimum(source.astype(np.int64), n - 1)


def _linear_taps(n, out, align_corners, scale, dtype):
    source = _source(n, out, align_corners, scale, dtype, False)
    low = np.minimum(source.astype(np.int64), n - 1)
    high = np.minimum(low + 1, n - 1)
    part = np.clip(source - low.astype(dtype), 0, 1)
    return np.stack([low, high], 1), np.stack([1 - part, part], 1)


def cubic_weights(t, a=-0.75, half=lambda v: v):
    """Weights of the four neighbours at a fraction t past the second (cubic convolution; Keys, 1981); `half` rounds each step."""

    def near(x):
        return half(half(half(half(half((a + 2) * x) - (a + 3)) * x) * x) + 1)

    def far(x):
        return half(half(half(half(half(half(a * x) - 5 * a) * x) + 8 * a) * x) - 4 * a)

    return [far(half(t + 1)), near(t), near(half(1 - t)), far(half(2 - t))]


def _cubic_taps(n, out, align_corners, scale, dtype):
    source = _source(n, out, align_corners, scale, dtype, True)
    low = np.floor(source)
    weight = np.stack(cubic_weights(source - low), 1)
    index = low.astype(np.int64)[:, None] + np.arange(-1, 3)
    return np.clip(index, 0, n - 1), weight


def _antialias_taps(n, out, mode, align_corners, scale, dtype):
    ratio = float(_ratio(n, out, align_corners, scale, np.dtype(np.float64) if dtype == np.float64 else dtype))
    half = {"bilinear": 1.0, "bicubic": 2.0, "lanczos": 3.0}[mode]
    support = half * ratio if ratio >= 1 else half
    inverse = 1 / ratio if ratio >= 1 else 1.0
    filter_ = {"bilinear": _triangle, "bicubic": _keys, "lanczos": _lanczos}[mode]
    width = math.ceil(support) * 2 + 1
    center = ratio * (np.arange(out) + 0.5)
    start = np.maximum((center - support + 0.5).astype(np.int64), 0)
    count = np.clip(np.minimum((center + support + 0.5).astype(np.int64), n) - start, 0, width)
    tap = np.arange(width)
    place = start[:, None] + tap
    weight = np.where(tap < count[:, None], filter_((place - center[:, None] + 0.5) * inverse), 0.0)
    total = weight.sum(1, keepdims=True)
    return np.clip(place, 0, n - 1), weight / np.where(total == 0, 1, total)


def _triangle(x):
    return np.maximum(1 - np.abs(x), 0.0)


def _keys(x, a=-0.5):
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _lanczos(x):
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


# --- sampling at given places ------------------------------------------------------------------------------


@_op("grid_sampler(Tensor input, Tensor grid, str mode, str padding_mode, bool align_corners)",
     selects=lambda statics, avals: ("input",) if statics[0] == "nearest" else (),
     grad=lambda spec, flat: f"GridSampler{flat[0]._aval.ndim - 2}DBackward0")  # fmt: skip
def grid_sampler(input, grid, mode, padding_mode, align_corners):
    """Values of (N, C, *spatial) at grid places (N, *out, dimensions) in [-1, 1], x first.

    Places and weights of 16-bit floats are rounded at each step, in the order of PyTorch's kernels, of which the one for images and
    the one for volumes are written differently; the weighted values are summed in float32.
    """
    require_kernel("grid_sampler_2d_cpu_kernel_impl" if input.ndim == 4 else "grid_sampler3d_cpu", input, REAL)
    return _sample(input, grid, mode, padding_mode, align_corners, _by_planes)


@grid_sampler.backward
def _(grad, input, grid, mode, padding_mode, align_corners, needs):
    given = (input, grid)
    stepped = mode == "bicubic" and is_half(input.dtype) and needs[1]
    which = [i for i in (0, 1) if needs[i] and not (i and stepped)]

    def sample(*chosen):
        image, places = (chosen[which.index(i)] if i in which else given[i] for i in (0, 1))
        return _sample(image, places, mode, padding_mode, align_corners, _by_rows)

    found = jax.vjp(sample, *[given[i] for i in which])[1](grad.astype(input.dtype)) if which else ()
    places = _bicubic_slopes(grad, input, grid, padding_mode, align_corners) if stepped else None
    return tuple(found[which.index(i)] if i in which else (None, places)[i] for i in (0, 1))


def _sample(input, grid, mode, padding_mode, align_corners, combine):
    g, x = widen(grid), widen(input)
    spatial = input.shape[2:]
    n = len(spatial)
    steps = _ImageSteps(input.dtype, align_corners) if n == 2 else _VolumeSteps(input.dtype, align_corners)
    places = [steps.unnormalize(g[..., n - 1 - i], spatial[i]) for i in range(n)]
    if mode == "bicubic":
        rows = jnp.moveaxis(x, 1, -1)  # all channels of a place are read at once
        return jnp.moveaxis(_sample_bicubic(rows, places, padding_mode, steps), -1, 1).astype(input.dtype)
    finite = [jnp.isfinite(p) for p in places]
    places = [_folded(p, s, padding_mode, steps) for p, s in zip(places, spatial, strict=True)]
    if mode == "nearest":
        index = [jnp.round(lax.stop_gradient(p)).astype(np.int64) for p in places]
        return combine(x, [(index, None)]).astype(input.dtype)
    half = steps.half
    low = [jnp.floor(lax.stop_gradient(p)) for p in places]
    weights = [steps.weights(p, f) for p, f in zip(places, low, strict=True)]
    if n == 2 and padding_mode == "zeros":  # PyTorch's loop over images weighs with nan even what is outside
        weights = [tuple(jnp.where(known, w, jnp.nan) for w in pair) for pair, known in zip(weights, finite, strict=True)]
    corners = []
    for corner in np.ndindex(*(2,) * n):
        weight: Any = 1
        for w, c in zip(reversed(weights), reversed(corner), strict=True):
            weight = half(weight * w[c])
        corners.append(([(f + c).astype(np.int64) for f, c in zip(low, corner, strict=True)], weight))
    return combine(x, corners).astype(input.dtype)


def _by_rows(x, corners):
    """The weighted sum of what (N, C, *spatial) has at several places for each output, all channels of a place read at once."""
    x = jnp.moveaxis(x, 1, -1)
    total: Any = None
    for index, weight in corners:
        part = _fetch(x, index) if weight is None else _fetch(x, index) * weight[..., None]
        total = part if total is None else total + part
    return jnp.moveaxis(total, -1, 1)


PLANES_MIN = 1 << 14  # outputs from which on the loop of `_by_planes` pays


def _by_planes(x, corners):
    """The same in a loop over the images, before which positions and weights are made: in one program XLA would make them anew for
    each channel. (8, 32, 62, 62) take 2.4 instead of 9 ms on CPU, with four corners 11 instead of 30. Its gradient would scatter
    single numbers, where that of `_by_rows` scatters rows.
    """
    (n, channels), spatial, out = x.shape[:2], x.shape[2:], corners[0][0][0].shape[1:]
    few = n * channels * math.prod(out) < PLANES_MIN or x.size == 0 or channels * math.prod(spatial) > np.iinfo(np.int32).max
    if few or jax.default_backend() != "cpu":
        return _by_rows(x, corners)
    at = jnp.stack([_flat(index, spatial).reshape(n, -1) for index, _ in corners], 1)
    weights = [w.reshape(n, -1) for _, w in corners if w is not None]

    def image(given):
        planes, at, *weights = given
        starts = (jnp.arange(len(planes), dtype=np.int32) * planes.shape[1])[:, None]
        total: Any = None
        for k in range(len(corners)):
            found = planes.reshape(-1).at[jnp.maximum(at[k], 0) + starts].get(mode="promise_in_bounds")
            found = jnp.where(at[k] >= 0, found, 0)
            found = found * weights[k] if weights else found
            total = found if total is None else total + found
        return total

    planes = x.reshape(n, channels, -1)
    if n == 1:  # a loop that runs once would be none
        return lax.map(lambda plane: image((plane, at[0], *[w[0] for w in weights])), planes.swapaxes(0, 1)).reshape(1, channels, *out)
    return lax.map(image, (planes, at, *weights)).reshape(n, channels, *out)


def _flat(index, spatial):
    """Positions per dimension as one int32 in an image, -1 outside."""
    inside: Any = True
    flat: Any = 0
    for i, size in zip(index, spatial, strict=True):
        inside = inside & (i >= 0) & (i < size)
        flat = flat * size + jnp.clip(i, 0, size - 1).astype(np.int32)
    return jnp.where(inside, flat, -1)


class _Steps:
    """The arithmetic of places along one dimension, in the operands' dtype."""

    def __init__(self, dtype, align_corners: bool):
        self.align_corners = align_corners
        self.half = stepwise(dtype)
        self._dtype = dtype

    def number(self, v, p):
        """A Python number as the operands' dtype holds it."""
        return np.asarray(v, self._dtype).astype(p.dtype)


class _ImageSteps(_Steps):
    last_for_nan = False  # nan is clipped to the first place

    def unnormalize(self, p, size):
        p = self.half(p + 1)
        if self.align_corners:
            return self.half(p * (self.number(size - 1, p) / 2))
        return self.half(self.half(p * (self.number(size, p) / 2)) - 0.5)

    def reflect(self, p, size):
        low = 0.0 if self.align_corners else -0.5
        if self.align_corners and size == 1:
            return jnp.zeros_like(p)
        span = self.number(size - 1 if self.align_corners else size, p) * 2  # there and back
        shifted = self.half(p - low)
        distance = jnp.where(shifted < 0, -shifted, shifted)
        flips = jnp.trunc(self.half(lax.stop_gradient(distance) / span))
        there = self.half(distance - self.half(flips * span))
        back = self.half(span - there)
        return self.half(jnp.where(there > back, back, there) + low)

    def weights(self, p, low):
        after = self.half(p - low)
        return self.half(1 - after), after


class _VolumeSteps(_Steps):
    last_for_nan = True

    def unnormalize(self, p, size):
        p = self.half(p + 1)
        if self.align_corners:
            return self.half(self.half(p / 2) * self.number(size - 1, p))
        return self.half(self.half(self.half(p * self.number(size, p)) - 1) / 2)

    def reflect(self, p, size):
        low = 0.0 if self.align_corners else -0.5
        if self.align_corners and size == 1:
            return jnp.zeros_like(p)
        span = self.number(size - 1 if self.align_corners else size, p)
        shifted = self.half(p - low)
        distance = jnp.where(shifted < 0, -shifted, shifted)
        flips = jnp.floor(self.half(lax.stop_gradient(distance) / span))
        extra = lax.rem(distance, jnp.full_like(distance, span))
        return self.half(jnp.where(flips % 2 == 0, extra, self.half(span - extra)) + low)

    def weights(self, p, low):
        return self.half(self.half(low + 1) - p), self.half(p - low)


def _clip(p, size, steps):
    # the gradient is 0 at the bounds too
    inside = (p > 0) & (p < size - 1)
    high = ~(p <= 0) if steps.last_for_nan else p >= size - 1
    edge = jnp.where(high, jnp.asarray(size - 1, p.dtype), 0)
    return jnp.where(inside, p, lax.stop_gradient(edge))


def _folded(p, size, padding_mode, steps):
    """A place brought inside the image as the padding mode says."""
    if padding_mode == "border":
        return _clip(p, size, steps)
    if padding_mode == "reflection":
        return _clip(steps.reflect(p, size), size, steps)
    # far away or not finite: outside in any case, and safe to convert to an integer
    safe = (p > -(2.0**30)) & (p < 2.0**30)
    return jnp.where(safe, p, -100.0)


def _fetch(x, index):
    """Elements of (N, *spatial, C) at integer places (N, *out) per dimension: (N, *out, C), 0 outside."""
    spatial = x.shape[1:-1]
    inside: Any = True
    flat: Any = jnp.arange(x.shape[0]).reshape((-1,) + (1,) * len(spatial))
    for i, size in zip(index, spatial, strict=True):
        inside = inside & (i >= 0) & (i < size)
        flat = flat * size + jnp.clip(i, 0, size - 1)
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    return jnp.where(inside[..., None], rows.at[flat].get(mode="promise_in_bounds"), 0)


def _sample_bicubic(x, places, padding_mode, steps):
    half = steps.half
    low = [jnp.floor(lax.stop_gradient(p)) for p in places]
    weights = [cubic_weights(half(p - f), half=half) for p, f in zip(places, low, strict=True)]
    total: Any = 0
    for ky in range(4):
        row: Any = 0
        for kx in range(4):
            index = []
            for f, k, size in zip(low, (ky, kx), x.shape[1:-1], strict=True):
                index.append(_folded(half(f + (k - 1)), size, padding_mode, steps).astype(np.int64))
            row = row + _fetch(x, index) * weights[1][kx][..., None]
        total = total + row * weights[0][ky][..., None]
    return total


def _cubic_slopes(t, half):
    """The derivatives of `cubic_weights` (with a = -3/4), but for their sign, in PyTorch's steps."""
    outer, left, right, far = half(-1 - t), -t, half(1 - t), half(2 - t)
    return (
        half(half(half(half(2.25 * outer) + 7.5) * outer) + 6),
        half(half(half(-3.75 * left) - 4.5) * left),
        half(half(half(3.75 * right) - 4.5) * right),
        half(half(half(half(-2.25 * far) + 7.5) * far) - 6),
    )


def _bicubic_slopes(grad, input, grid, padding_mode, align_corners):
    """The gradient of the bicubic `grid_sampler` by the grid in 16 bits: PyTorch adds channels and neighbours one by one, and rounds."""
    steps = _ImageSteps(input.dtype, align_corners)
    half, spatial, g = steps.half, input.shape[2:], widen(grid)
    places = [steps.unnormalize(g[..., 1 - i], s) for i, s in enumerate(spatial)]
    low = [jnp.floor(lax.stop_gradient(p)) for p in places]
    fractions = [half(p - f) for p, f in zip(places, low, strict=True)]
    (wy, wx), (sy, sx) = ([f(t, half=half) for t in fractions] for f in (cubic_weights, _cubic_slopes))
    rows = jnp.moveaxis(widen(input), 1, -1)
    neighbours = [(i, j) for i in range(4) for j in range(4)]  # along x, along y
    index = [
        [_folded(half(f + (k - 1)), s, padding_mode, steps).astype(np.int64) for f, k, s in zip(low, (j, i), spatial, strict=True)]
        for i, j in neighbours
    ]
    values = jnp.moveaxis(jnp.stack([_fetch(rows, at) for at in index]), -1, 0)

    def channel(total, given):
        gx, gy = total
        for (i, j), value in zip(neighbours, given[0], strict=True):
            passed = half(value * given[1])
            gx = half(gx - half(half(passed * sx[i]) * wy[j]))
            gy = half(gy - half(half(passed * sy[j]) * wx[i]))
        return (gx, gy), None

    zero = jnp.zeros_like(places[0])
    (gx, gy), _ = lax.scan(channel, (zero, zero), (values, jnp.moveaxis(widen(grad), 1, 0)))
    scales = [steps.number(s - align_corners, gx) / 2 for s in reversed(spatial)]
    return jnp.stack([half(v * s) for v, s in zip((gx, gy), scales, strict=True)], -1)


@op("affine_grid_generator(Tensor theta, int[] size, bool align_corners)", method=False, out=False, saves=())
def affine_grid_generator(theta, size, align_corners):
    """The grid (N, *spatial, dimensions) of an affine map theta (N, dimensions, dimensions + 1)."""
    spatial = size[2:]
    t = widen(theta)
    axes = [centres(s, align_corners, np.dtype(theta.dtype)) for s in spatial]
    mesh = np.meshgrid(*axes, indexing="ij")
    base = np.stack([*reversed(mesh), np.ones(spatial)], -1)
    out = jnp.einsum("...k,njk->n...j", base.astype(t.dtype), t, precision=lax.Precision.HIGHEST)
    return out.astype(theta.dtype)


# --- rearranging -------------------------------------------------------------------------------------------


@op("pixel_shuffle(Tensor input, int upscale_factor)", method=False, saves=(), layout="windows",
    aliases=("nn.functional.pixel_shuffle",))  # fmt: skip
def pixel_shuffle(input, upscale_factor):
    """(*, C r^2, H, W) as (*, C, H r, W r)."""
    r = upscale_factor
    if input.ndim < 3:
        raise RuntimeError(
            f"pixel_shuffle expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    *lead, c, h, w = input.shape
    if c % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            "but "
            f"input.size(-3)={c} is not divisible by {r * r}"
        )
    n = len(lead)
    x = input.reshape(*lead, c // (r * r), r, r, h, w)
    return x.transpose(*range(n), n, n + 3, n + 1, n + 4, n + 2).reshape(*lead, c // (r * r), h * r, w * r)


@op("pixel_unshuffle(Tensor input, int downscale_factor)", method=False, saves=(), layout="windows",
    aliases=("nn.functional.pixel_unshuffle",))  # fmt: skip
def pixel_unshuffle(input, downscale_factor):
    """(*, C, H r, W r) as (*, C r^2, H, W)."""
    r = downscale_factor
    if input.ndim < 3:
        raise RuntimeError(
            f"pixel_unshuffle expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    *lead, c, h, w = input.shape
    for name, at, size in (("height", -2, h), ("width", -1, w)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but input.size({at})={size} is "
                "not "
                f"divisible by {r}"
            )
    n = len(lead)
    x = input.reshape(*lead, c, h // r, r, w // r, r)
    return x.transpose(*range(n), n, n + 2, n + 4, n + 1, n + 3).reshape(*lead, c * r * r, h // r, w // r)


@op(
    "channel_shuffle(Tensor input, int groups)",
    layout="windows",
    method=False,
    saves=(),
    out=False,
    aliases=("nn.functional.channel_shuffle", "native_channel_shuffle", "nn.functional.native_channel_shuffle"),
)
def channel_shuffle(input, groups):
    """Channels (dimension 1) dealt out by groups."""
    if input.ndim < 3:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}")
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    c = input.shape[1]
    if c % groups:
        raise RuntimeError(f"Number of channels must be divisible by groups. Got {c} channels and {groups} groups.")
    x = input.reshape(input.shape[0], groups, c // groups, *input.shape[2:])
    return x.swapaxes(1, 2).reshape(input.shape)


def _columns(shape, kernel, dilation, padding, stride):
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, d, p, s in zip(shape, kernel, dilation, padding, stride, strict=True)
    )


@_op(
    "im2col(Tensor input, int[] kernel_size, int[] dilation, int[] padding, int[] stride)",
    saves=(),
    grad="Im2ColBackward0",
)
def im2col(input, kernel_size, dilation, padding, stride):
    """Blocks of (N, C, H, W) as columns (N, C kh kw, L)."""
    batched = input.ndim == 4
    x = input if batched else input[None]
    rows, columns = _columns(x.shape[2:], kernel_size, dilation, padding, stride)
    if rows < 1 or columns < 1:
        h, w = x.shape[2:]
        raise RuntimeError(
            f"Given input with spatial size ({h}, {w}), kernel_size=({kernel_size[0]}, {kernel_size[1]}), "
            f"dilation=({dilation[0]}, {dilation[1]}), padding=({padding[0]}, {padding[1]}), calculated shape of the "
            "array of "
            f"sliding blocks as ({rows}, {columns}), but its components must be at least one."
        )
    require_kernel("im2col_out_cpu", input, REAL | COMPLEX | BOOL)
    x = jnp.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    parts = []
    for i, j in np.ndindex(*kernel_size):
        a, b = i * dilation[0], j * dilation[1]
        limit = (a + (rows - 1) * stride[0] + 1, b + (columns - 1) * stride[1] + 1)
        parts.append(lax.slice(x, (0, 0, a, b), (*x.shape[:2], *limit), (1, 1, *stride)))
    out = jnp.stack(parts, 2).reshape(x.shape[0], x.shape[1] * len(parts), rows * columns)
    return out if batched else out[0]


@_op(
    "col2im(Tensor input, int[] output_size, int[] kernel_size, int[] dilation, int[] padding, int[] stride)", saves=(),
    grad="Col2ImBackward0",
)  # fmt: skip
def col2im(input, output_size, kernel_size, dilation, padding, stride):
    """Columns (N, C kh kw, L) added up into (N, C, H, W): the transpose of im2col."""
    batched = input.ndim == 3
    x = input if batched else input[None]
    size = kernel_size[0] * kernel_size[1]
    if x.shape[1] % size:
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got input.size(1)="
            f"{x.shape[1]} and kernel_size=({kernel_size[0]}, {kernel_size[1]})."
        )
    rows, columns = _columns(output_size, kernel_size, dilation, padding, stride)
    if x.shape[2] != rows * columns:
        raise RuntimeError(
            f"Given output_size=({output_size[0]}, {output_size[1]}), kernel_size=({kernel_size[0]}, "
            f"{kernel_size[1]}), "
            f"dilation=({dilation[0]}, {dilation[1]}), padding=({padding[0]}, {padding[1]}), stride=({stride[0]}, "
            f"{stride[1]}), "
            f"expected size of input's dimension 2 to match the calculated number of sliding blocks {rows} * "
            f"{columns} = "
            f"{rows * columns}, but got input.size(2)={x.shape[2]}."
        )
    require_kernel("col2im_out_cpu", input, REAL | COMPLEX | BOOL)
    n, c = x.shape[0], x.shape[1] // size
    x = widen(x).reshape(n, c, *kernel_size, rows, columns)
    full = [max(o + 2 * p, (m - 1) * s + d * (k - 1) + 1) for o, p, m, s, d, k in
            zip(output_size, padding, (rows, columns), stride, dilation, kernel_size, strict=True)]  # fmt: skip
    total: Any = None
    for i, j in np.ndindex(*kernel_size):
        config = [(0, 0, 0), (0, 0, 0)]
        for at, m, s, d, f in zip((i, j), (rows, columns), stride, dilation, full, strict=True):
            config.append((at * d, f - at * d - ((m - 1) * s + 1), s - 1))
        part = lax.pad(x[:, :, i, j], jnp.zeros((), x.dtype), config)
        total = part if total is None else total + part
    out = total[:, :, padding[0] : padding[0] + output_size[0], padding[1] : padding[1] + output_size[1]].astype(
        input.dtype
    )
    return out if batched else out[0]
