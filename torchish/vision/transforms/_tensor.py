"""What transforms do to tensors (…, C, H, W): on the host where that is where the image is, by operations otherwise."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

import torchish as torch
import torchish.nn.functional as nnf
from torchish._tensor.creation import from_host
from torchish._tensor.host import host_view
from torchish._tensor.tensor import Tensor
from torchish.autograd.grad_mode import STATE
from torchish.ops import vision as sampling


def on_host(image: Tensor) -> np.ndarray | None:
    """The image's values, when they are on the host and no gradient is to flow through what is done to them."""
    if type(image) is not Tensor or (STATE.enabled and image._needs()):
        return None
    return host_view(image)


def check(image: Tensor) -> None:
    if image.dim() < 2:
        raise TypeError("Tensor is not a torch image.")


def hflip(image: Tensor) -> Tensor:
    a = on_host(image)
    return image.flip(-1) if a is None else from_host(np.ascontiguousarray(a[..., ::-1]))


def vflip(image: Tensor) -> Tensor:
    a = on_host(image)
    return image.flip(-2) if a is None else from_host(np.ascontiguousarray(a[..., ::-1, :]))


def crop(image: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """The rectangle; what of it lies outside the image is 0."""
    h, w = image.shape[-2:]
    right, bottom = left + width, top + height
    a = on_host(image)
    inside = (slice(max(top, 0), max(bottom, 0)), slice(max(left, 0), max(right, 0)))
    part: Any = image[..., inside[0], inside[1]] if a is None else from_host(np.ascontiguousarray(a[..., inside[0], inside[1]]))
    if left < 0 or top < 0 or right > w or bottom > h:
        outside = (max(-left + min(0, right), 0), max(-top + min(0, bottom), 0))
        beyond = (max(right - max(w, left), 0), max(bottom - max(h, top), 0))
        return pad(part, (outside[0], outside[1], beyond[0], beyond[1]), 0, "constant")
    return part


_PAD_MODES = {"constant": "constant", "edge": "edge", "reflect": "reflect", "symmetric": "symmetric"}


def pad(image: Tensor, padding: Sequence[int], fill: float | Sequence[float], mode: str) -> Tensor:
    """`padding` is left, top, right, bottom."""
    left, top, right, bottom = padding
    if isinstance(fill, list | tuple):
        fill = fill[0] if len(fill) == 1 else fill
    a = on_host(image)
    if a is not None and not isinstance(fill, list | tuple) and min(padding) >= 0:
        widths = [(0, 0)] * (a.ndim - 2) + [(top, bottom), (left, right)]
        kwargs: dict = {"constant_values": np.asarray(fill).astype(a.dtype)} if mode == "constant" else {}
        return from_host(np.pad(a, widths, _PAD_MODES[mode], **kwargs))  # type: ignore[call-overload]
    if isinstance(fill, list | tuple):
        channels = [pad(image[..., i : i + 1, :, :], padding, f, mode) for i, f in enumerate(fill)]
        return torch.cat(channels, -3)
    if mode == "constant":
        return nnf.pad(image, [left, right, top, bottom], value=float(fill))  # type: ignore[arg-type]
    h, w = image.shape[-2:]
    indices = [np.pad(np.arange(n), around, _PAD_MODES[mode]) for n, around in ((h, (top, bottom)), (w, (left, right)))]  # type: ignore[call-overload]
    return image.index_select(-2, from_host(indices[0])).index_select(-1, from_host(indices[1]))


def normalize(image: Tensor, mean: Any, std: Any, inplace: bool) -> Tensor:
    if not image.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {image.dtype}.")
    if image.ndim < 3:
        raise ValueError(f"Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = {image.size()}")
    a = None if inplace else on_host(image)
    if a is not None and not isinstance(mean, Tensor) and not isinstance(std, Tensor) and a.dtype in (np.float32, np.float64):
        m, s = (np.asarray(v, a.dtype).reshape(-1, 1, 1) for v in (mean, std))
        if (s == 0).any():
            raise ValueError(f"std evaluated to zero after conversion to {image.dtype}, leading to division by zero.")
        return from_host((a - m) / s)
    mean, std = (torch.as_tensor(v, dtype=image.dtype, device=image.device) for v in (mean, std))
    if bool((std == 0).any()):
        raise ValueError(f"std evaluated to zero after conversion to {image.dtype}, leading to division by zero.")
    mean, std = (v.view(-1, 1, 1) if v.ndim == 1 else v for v in (mean, std))
    out = image if inplace else image.clone()
    return out.sub_(mean).div_(std)


def max_value(dtype: Any) -> int:
    """The value of white: 1 for floating point."""
    return 1 if dtype.is_floating_point or dtype is torch.bool else int(torch.iinfo(dtype).max)


def convert_dtype(image: Tensor, dtype: Any, multiplied: bool = False) -> Tensor:
    """The image in another dtype, its values scaled to that dtype's range: of integers divided, or `multiplied` by the inverse."""
    if image.dtype == dtype:
        return image
    if image.is_floating_point():
        if dtype.is_floating_point:
            return image.to(dtype)
        unsafe = {torch.float32: (torch.int32, torch.int64), torch.float64: (torch.int64,)}
        if dtype in unsafe.get(image.dtype, ()):
            raise RuntimeError(f"The cast from {image.dtype} to {dtype} cannot be performed safely.")
        scale = max_value(dtype) + 1.0 - 1e-3
        a = on_host(image)
        return image.mul(scale).to(dtype) if a is None else from_host((a * a.dtype.type(scale)).astype(dtype.np))
    whites = max_value(image.dtype), max_value(dtype)
    if dtype.is_floating_point:
        a = on_host(image)
        if a is not None and dtype in (torch.float32, torch.float64):
            x, white = a.astype(dtype.np), dtype.np.type(whites[0])
            return from_host(x * dtype.np.type(1.0 / whites[0]) if multiplied else x / white)
        return image.to(dtype) * (1.0 / whites[0]) if multiplied else image.to(dtype) / whites[0]
    if whites[0] > whites[1]:
        return torch.div(image, (whites[0] + 1) // (whites[1] + 1), rounding_mode="floor").to(dtype)
    return image.to(dtype) * ((whites[1] + 1) // (whites[0] + 1))


def _as_float(image: Tensor) -> Tensor:
    return image if image.is_floating_point() else image.to(torch.float32)


def _back(image: Tensor, dtype: Any) -> Tensor:
    return _rounded(_Tensors, image, dtype)


def _batched(image: Tensor) -> Tensor:
    """(N, C, H, W) of an image of any number of leading dimensions."""
    return image.reshape(-1, *image.shape[-3:]) if image.dim() != 3 else image.unsqueeze(0)


def resize(image: Tensor, size: Sequence[int], mode: str, antialias: bool, whole: bool = False) -> Tensor:
    """The image of this height and width; with `whole`, bytes are resized in whole numbers."""
    check(image)
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    smooth = mode in ("bilinear", "bicubic", "lanczos")
    if not smooth and mode not in ("nearest", "nearest-exact"):
        raise NotImplementedError(f"Got interpolation mode '{mode}', which tensors do not have")
    a = on_host(image)
    if a is not None and (a.dtype in (np.float32, np.uint8) or not smooth):
        # images come in all sizes: one compiled program for each would take longer than all their pixels
        return from_host(_host_resize(a, size, mode, antialias and smooth, whole))
    x = _batched(image if whole and image.dtype == torch.uint8 else _as_float(image))
    x = nnf.interpolate(x, size=list(size), mode=mode, align_corners=False if smooth else None, antialias=antialias and smooth)
    return _back(x.reshape(*image.shape[:-2], *size), image.dtype)


def _banded(a: np.ndarray, matrix: np.ndarray, axis: int) -> np.ndarray:
    """`matrix` (out, n) times the values along `axis` (-1 or -2), by blocks of rows: each row is zero but for a few neighbours."""
    parts = []
    for block in (matrix[i : i + 16] for i in range(0, len(matrix), 16)):
        used = np.flatnonzero(block.any(0))
        span = slice(used[0], used[-1] + 1) if len(used) else slice(0, 1)
        parts.append(np.matmul(a[..., span], block[:, span].T) if axis == -1 else np.matmul(block[:, span], a[..., span, :]))
    return np.concatenate(parts, axis)


def _host_resize(a: np.ndarray, size: Sequence[int], mode: str, antialias: bool, whole: bool) -> np.ndarray:
    if mode.startswith("nearest"):
        rows, columns = (sampling._nearest_index(n, out, None, mode == "nearest-exact") for n, out in zip(a.shape[-2:], size, strict=True))
        return np.ascontiguousarray(a[..., rows[:, None], columns])
    if whole and a.dtype == np.uint8:
        for axis, out in ((-1, size[1]), (-2, size[0])):
            if out != a.shape[axis]:
                matrix, bits = sampling.byte_weights(a.shape[axis], out, mode, False, None, antialias)
                # exact: sums of 24 bits at most, in float64 for the sake of a matrix product
                total = _banded(a, matrix.astype(np.float64), axis)
                a = np.clip(np.floor((total + (1 << (bits - 1))) / (1 << bits)), 0, 255).astype(np.uint8)
        return a
    x = a.astype(np.float32, copy=False)
    for axis, out in ((-1, size[1]), (-2, size[0])):
        if out != x.shape[axis]:
            matrix = sampling.resampling_matrix(x.shape[axis], out, mode, False, None, antialias, np.dtype(np.float32))
            x = _banded(x, matrix, axis)
    return x if a.dtype == np.float32 else np.clip(np.round(x), 0, 255).astype(np.uint8)


# Values: written once, of host arrays and of tensors -----------------------------------------------------------------------


class _Arrays:
    """What the functions below need of NumPy."""

    where, maximum, minimum, floor, fmod = np.where, np.maximum, np.minimum, np.floor, np.fmod
    clip, round = np.clip, np.round

    @staticmethod
    def stack(parts: Any) -> Any:
        return np.stack(parts, -3)

    @staticmethod
    def cast(x: Any, dtype: Any) -> Any:
        return x.astype(dtype.np, copy=False)

    @staticmethod
    def dtype(x: Any) -> Any:
        return torch.from_numpy(np.empty(0, x.dtype)).dtype

    @staticmethod
    def over(x: Any, what: str, dims: tuple[int, ...]) -> Any:
        return getattr(np, what)(x, dims, keepdims=True)

    @staticmethod
    def added(x: Any, y: Any, alpha: float) -> Any:
        """x + alpha · y, rounded once, as `add_` does: what is cut off to whole numbers afterwards shows the difference."""
        return (x.astype(np.float64) + np.float64(x.dtype.type(alpha)) * y).astype(x.dtype)

    @staticmethod
    def scaled(x: Any, dtype: Any) -> Any:
        return np.asarray(convert_dtype(from_host(np.ascontiguousarray(x)), dtype).numpy())


class _Tensors:
    """What the functions below need of tensors."""

    where, maximum, minimum, floor, fmod = torch.where, torch.maximum, torch.minimum, torch.floor, torch.fmod
    clip, round = torch.clamp, torch.round

    @staticmethod
    def stack(parts: Any) -> Any:
        return torch.stack(parts, -3)

    @staticmethod
    def cast(x: Any, dtype: Any) -> Any:
        return x.to(dtype)

    @staticmethod
    def dtype(x: Any) -> Any:
        return x.dtype

    @staticmethod
    def over(x: Any, what: str, dims: tuple[int, ...]) -> Any:
        return getattr(torch, what)(x, dims, keepdim=True)

    @staticmethod
    def added(x: Any, y: Any, alpha: float) -> Any:
        return x.add(y, alpha=alpha)

    @staticmethod
    def scaled(x: Any, dtype: Any) -> Any:
        return convert_dtype(x, dtype)


def _of_values(body: Any) -> Any:
    """A function of the image's values, with NumPy where those are on the host: images come in all sizes, and one compiled
    program for each size takes longer than all their pixels."""

    @functools.wraps(body)
    def call(image: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        a = on_host(image)
        if a is None:
            return body(_Tensors, image, *args, **kwargs)
        out = body(_Arrays, a, *args, **kwargs)
        return image.clone() if out is a else from_host(np.ascontiguousarray(out))

    return call


def _floating(xp: Any, image: Any) -> Any:
    return image if xp.dtype(image).is_floating_point else xp.cast(image, torch.float32)


# `fused`: by in-place additions, as transforms.v2 does it.


def _gray(xp: Any, image: Any, fused: bool) -> Any:
    """One channel of three, of whole values where those of the image are."""
    r, g, b = (image[..., i : i + 1, :, :] for i in range(3))
    if not xp.dtype(image).is_floating_point:
        r, g, b = (xp.cast(c, torch.float32) for c in (r, g, b))
    gray = xp.added(xp.added(0.2989 * r, g, 0.587), b, 0.114) if fused else 0.2989 * r + 0.587 * g + 0.114 * b
    return xp.cast(gray, xp.dtype(image))


@_of_values
def grayscale(xp: Any, image: Any, channels: int, fused: bool = False) -> Any:
    """The image in shades of grey, in one channel or three."""
    if image.shape[-3] == 1 and not fused:  # where v2 repeats the channel
        return image
    gray = _gray(xp, image, fused) if image.shape[-3] == 3 else image
    return xp.stack([gray[..., 0, :, :]] * channels)


def _blend(xp: Any, image: Any, other: Any, ratio: float, fused: bool) -> Any:
    """`ratio` of the image and the rest of `other`, within the range of the dtype."""
    dtype, ratio = xp.dtype(image), float(ratio)
    kept, other = ratio * _floating(xp, image), _floating(xp, other)
    mixed = xp.added(kept, other, 1.0 - ratio) if fused else kept + (1.0 - ratio) * other
    return xp.cast(xp.clip(mixed, 0, max_value(dtype)), dtype)


@_of_values
def brightness(xp: Any, image: Any, factor: float, fused: bool = False) -> Any:
    dtype = xp.dtype(image)
    return xp.cast(xp.clip(float(factor) * _floating(xp, image), 0, max_value(dtype)), dtype)


@_of_values
def contrast(xp: Any, image: Any, factor: float, fused: bool = False) -> Any:
    gray = _gray(xp, image, fused) if image.shape[-3] == 3 else image
    return _blend(xp, image, xp.over(_floating(xp, gray), "mean", (-3, -2, -1)), factor, fused)


@_of_values
def saturation(xp: Any, image: Any, factor: float, fused: bool = False) -> Any:
    return image if image.shape[-3] == 1 else _blend(xp, image, _gray(xp, image, fused), factor, fused)


@_of_values
def hue(xp: Any, image: Any, factor: float) -> Any:
    """Colours turned by `factor` of the circle."""
    if image.shape[-3] == 1:
        return image
    x = xp.scaled(image, torch.float32)
    r, g, b = (x[..., i, :, :] for i in range(3))
    top, low = xp.maximum(xp.maximum(r, g), b), xp.minimum(xp.minimum(r, g), b)
    span = top - low
    grey = top == low
    s = span / xp.where(grey, xp.cast(grey, torch.float32), top)
    d = xp.where(grey, xp.cast(grey, torch.float32), span)
    rc, gc, bc = ((top - c) / d for c in (r, g, b))
    h = xp.where(top == r, bc - gc, xp.where(top == g, 2.0 + rc - bc, 4.0 + gc - rc))
    h = xp.fmod(h / 6.0 + 1.0, 1.0)
    h = (h + factor) % 1.0
    sector = xp.floor(h * 6.0)
    f = h * 6.0 - sector
    p, q, t = (xp.clip(top * (1.0 - k), 0.0, 1.0) for k in (s, s * f, s * (1.0 - f)))
    i = xp.cast(sector, torch.int32) % 6
    v = top
    red, green, blue = (v, q, p, p, t, v), (t, v, v, q, p, p), (p, p, t, v, v, q)
    out = []
    for column in (red, green, blue):
        value = column[0]
        for k in range(1, 6):
            value = xp.where(i == k, column[k], value)
        out.append(value)
    return xp.scaled(xp.stack(out), xp.dtype(image))


@_of_values
def gamma(xp: Any, image: Any, exponent: float, gain: float) -> Any:
    dtype = xp.dtype(image)
    x = image if dtype.is_floating_point else xp.scaled(image, torch.float32)
    return xp.scaled(xp.clip(gain * x**exponent, 0, 1), dtype)


@_of_values
def invert(xp: Any, image: Any) -> Any:
    return max_value(xp.dtype(image)) - image


@_of_values
def posterize(xp: Any, image: Any, bits: int) -> Any:
    if xp.dtype(image) != torch.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {xp.dtype(image)}")
    return image & ((1 << 8) - (1 << (8 - bits)) if bits else 0)


@_of_values
def solarize(xp: Any, image: Any, threshold: float) -> Any:
    white = max_value(xp.dtype(image))
    if threshold > white:
        raise TypeError("Threshold should be less than bound of img.")
    return xp.where(image >= threshold, white - image, image)


def _weighted(parts: Any, weights: Any) -> Any:
    total: Any = None
    for part, weight in zip(parts, weights, strict=True):
        total = part * weight if total is None else total + part * weight
    return total


def _rounded(xp: Any, x: Any, dtype: Any) -> Any:
    """Rounded and in the range of `dtype` when that is one of integers."""
    if dtype.is_floating_point:
        return xp.cast(x, dtype)
    info = torch.iinfo(dtype)
    return xp.cast(xp.clip(xp.round(x), info.min, info.max), dtype)


@_of_values
def sharpness(xp: Any, image: Any, factor: float, fused: bool = False) -> Any:
    h, w = image.shape[-2:]
    if h <= 2 or w <= 2:
        return image
    x, dtype = _floating(xp, image), xp.dtype(image)
    around = [x[..., i : i + h - 2, j : j + w - 2] for i in range(3) for j in range(3)]
    inner = _rounded(xp, _weighted(around, [float(np.float32(5 if k == 4 else 1) / np.float32(13)) for k in range(9)]), dtype)
    if fused:
        inner = xp.added(x[..., 1:-1, 1:-1], _floating(xp, inner) - x[..., 1:-1, 1:-1], 1.0 - factor)
    smooth = x.clone() if xp is _Tensors else x.copy()
    smooth[..., 1:-1, 1:-1] = _floating(xp, inner)
    return xp.cast(xp.clip(smooth, 0, max_value(dtype)), dtype) if fused else _blend(xp, image, smooth, factor, False)


@_of_values
def autocontrast(xp: Any, image: Any, divided: bool = False) -> Any:
    """Each channel stretched from black to white: times a factor, or `divided` by its inverse."""
    dtype = xp.dtype(image)
    white = max_value(dtype)
    x = _floating(xp, image)
    low, top = xp.over(x, "amin", (-2, -1)), xp.over(x, "amax", (-2, -1))
    flat = low == top
    span = xp.where(flat, xp.cast(flat, xp.dtype(x)), top - low)
    black = xp.where(flat, 0.0 * low, low)
    if divided:
        stretched = (x - black) / xp.where(flat, span, span * (1.0 / white))
    else:
        stretched = (x - black) * xp.where(flat, span, white * (1.0 / span))
    return xp.cast(xp.clip(stretched, 0, white), dtype)


def equalize(image: Tensor) -> Tensor:
    """Each channel's shades made about equally frequent."""
    if image.dtype != torch.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {image.dtype}")
    a = image.numpy()
    out = np.empty_like(a)
    for index in np.ndindex(*a.shape[:-2]):
        counts = np.bincount(a[index].ravel(), minlength=256)
        step = (counts.sum() - counts[np.nonzero(counts)[0][-1]]) // 255
        if step == 0:
            out[index] = a[index]
            continue
        table = np.clip((np.concatenate([[0], counts.cumsum()[:-1]]) + step // 2) // step, 0, 255)
        out[index] = table.astype(np.uint8)[a[index]]
    return from_host(out).to(image.device)


def gaussian_kernel(size: int, sigma: float) -> np.ndarray:
    x = np.linspace(-(size - 1) * 0.5, (size - 1) * 0.5, size, dtype=np.float32)
    weights = np.exp(-0.5 * (x / np.float32(sigma)) ** 2)
    return weights / weights.sum()


def gaussian_blur(image: Tensor, size: Sequence[int], sigma: Sequence[float]) -> Tensor:
    """`size` and `sigma` along x and y."""
    h, w = image.shape[-2:]
    if size[0] // 2 >= w or size[1] // 2 >= h:
        position, dim, k = (4, 3, size[0] // 2) if size[0] // 2 >= w else (6, 2, size[1] // 2)
        raise RuntimeError(
            f"Argument #{position}: Padding size should be less than the corresponding input dimension, but got: "
            f"padding ({k}, {k}) at dimension {dim} of input {list(_batched(image).shape)}"
        )
    return _blurred(image, *(gaussian_kernel(k, s).tolist() for k, s in zip(size, sigma, strict=True)))


@_of_values
def _blurred(xp: Any, image: Any, across: list[float], down: list[float]) -> Any:
    """Weighted sums of neighbours, of the image reflected at its edges."""
    x = _floating(xp, image)
    for axis, weights in ((-1, across), (-2, down)):
        n, half = x.shape[axis], len(weights) // 2
        place = np.pad(np.arange(n), half, "reflect")
        spread = x.take(place, axis) if xp is _Arrays else x.index_select(axis, from_host(place).to(x.device))
        parts = (spread[..., k : k + n] if axis == -1 else spread[..., k : k + n, :] for k in range(len(weights)))
        x = _weighted(parts, weights)
    return _rounded(xp, x, xp.dtype(image))


def erase(image: Tensor, i: int, j: int, h: int, w: int, v: Any, inplace: bool) -> Tensor:
    a = None if inplace else on_host(image)
    value = on_host(v) if isinstance(v, Tensor) else np.asarray(v)
    if a is not None and value is not None:
        out = a.copy()
        out[..., i : i + h, j : j + w] = value.astype(a.dtype)
        return from_host(out)
    if not inplace:
        image = image.clone()
    image[..., i : i + h, j : j + w] = v
    return image


# Places ------------------------------------------------------------------------------------------------------------------


def elastic(image: Tensor, displacement: Tensor, mode: str, fill: Any) -> Tensor:
    """The image with each place showing what lies `displacement` (1, H, W, 2) from it."""
    h, w = image.shape[-2:]
    x, y = (np.linspace((-n + 1) / n, (n - 1) / n, n, dtype=np.float32) for n in (w, h))
    return sample(image, np.stack(np.meshgrid(x, y), -1) + displacement[0].detach().cpu().numpy(), mode, fill)


def _host_sample(x: np.ndarray, grid: np.ndarray, mode: str) -> np.ndarray:
    """grid_sample of (N, C, H, W) at the places (H, W, 2) of `grid`, nearest or bilinear, zeros outside."""
    h, w = x.shape[-2:]
    px, py = (((grid[..., i] + 1) * n - 1) / 2 for i, n in ((0, w), (1, h)))

    def at(col: np.ndarray, row: np.ndarray) -> np.ndarray:
        inside = (col >= 0) & (col < w) & (row >= 0) & (row < h)
        return np.where(inside, x[:, :, np.clip(row, 0, h - 1).astype(np.int64), np.clip(col, 0, w - 1).astype(np.int64)], 0)

    if mode == "nearest":
        return at(np.rint(px), np.rint(py)).astype(x.dtype)
    left, top = np.floor(px), np.floor(py)
    right, bottom = px - left, py - top
    total = at(left, top) * ((1 - right) * (1 - bottom)) + at(left + 1, top) * (right * (1 - bottom))
    return (total + at(left, top + 1) * ((1 - right) * bottom) + at(left + 1, top + 1) * (right * bottom)).astype(x.dtype)


def sample(image: Tensor, grid: np.ndarray, mode: str, fill: Sequence[float] | None) -> Tensor:
    """The image at the places (H, W, 2) of `grid`, in grid_sample's coordinates; `fill` where those are outside."""
    a = on_host(image)
    shape = (*image.shape[:-2], *grid.shape[:2])
    if a is not None and mode in ("nearest", "bilinear"):
        host = a.reshape(-1, *a.shape[-3:]).astype(a.dtype if a.dtype.kind == "f" else np.float32, copy=False)
        if fill is not None:
            host = np.concatenate([host, np.ones_like(host[:, :1])], 1)
        y = _host_sample(host, grid.astype(host.dtype), mode)
        if fill is not None:
            y, mask = y[:, :-1], y[:, -1:]
            color = np.array(fill, y.dtype).reshape(1, -1, 1, 1)
            y = np.where(mask < 0.5, color, y) if mode == "nearest" else y * mask + (1.0 - mask) * color
        return from_host(np.ascontiguousarray(_rounded(_Arrays, y.reshape(shape), image.dtype)))
    x: Any = _batched(_as_float(image))
    where = torch.as_tensor(grid, dtype=x.dtype, device=x.device).expand(x.shape[0], *grid.shape)
    if fill is not None:
        x = torch.cat([x, torch.ones_like(x[:, :1])], 1)
    x = nnf.grid_sample(x, where, mode=mode, padding_mode="zeros", align_corners=False)
    if fill is not None:
        x, mask = x[:, :-1], x[:, -1:]
        color = torch.tensor([float(f) for f in fill], dtype=x.dtype, device=x.device).view(1, -1, 1, 1)
        x = torch.where(mask < 0.5, color, x) if mode == "nearest" else x * mask + (1.0 - mask) * color
    return _back(x.reshape(shape), image.dtype)
