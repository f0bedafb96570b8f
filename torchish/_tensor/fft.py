"""`torch.fft`, `stft` and `istft`: sizes, dimensions and normalization; the transforms themselves are operations."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish._tensor import views
from torchish._tensor.creation import from_host
from torchish._tensor.data import triggered, warn_once
from torchish._tensor.dispatch import call, composite
from torchish._tensor.layout import transformed_strides
from torchish._tensor.manipulate import pad
from torchish._tensor.nn_functional._call import require
from torchish._tensor.products import renamed
from torchish._tensor.storage import contiguous_strides
from torchish._tensor.tensor import Tensor
from torchish.engine.expr import TRACED
from torchish.ops import fft as f
from torchish.ops.dims import wrap_dim

Shape = tuple[int, ...]
_FLOATS = (dt.float32, dt.float64)
_COMPLEX = (dt.complex64, dt.complex128)


def _mode(norm: str | None, forward: bool) -> int:
    if norm is None or norm == "backward":
        return 0 if forward else 2
    if norm == "ortho":
        return 1
    if norm == "forward":
        return 2 if forward else 0
    raise RuntimeError(f'Invalid normalization mode: "{norm}"')


def _promoted(x: Tensor, need_complex: bool = False) -> Tensor:
    d = x._aval.torch_dtype
    if d.category < 2:
        d = dt.get_default_dtype()
    if d not in _FLOATS and d not in _COMPLEX:
        raise RuntimeError(f"Unsupported dtype {dt.SCALAR_TYPE_NAMES[d]}")
    if need_complex:
        d = d.to_complex()
    return x if d is x._aval.torch_dtype else x.to(d)


def _real(x: Tensor, name: str) -> Tensor:
    if x._aval.category == 3:
        raise RuntimeError(f"{name} expects a real input tensor, but got {dt.SCALAR_TYPE_NAMES[x._aval.torch_dtype]}")
    return _promoted(x)


def _points(n: int) -> int:
    if n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return n


def _resized(x: Tensor, dims: Shape, sizes: Shape) -> Tensor:
    """Dimensions cut or filled with zeros at their ends to the given sizes."""
    shape = x._aval.shape
    amounts = [0] * len(shape)
    for d, n in zip(dims, sizes, strict=True):
        if n < shape[d]:
            x = views.slice_dim(x, d, 0, n)
        amounts[d] = max(n - shape[d], 0)
    return call(f.pad, x, tuple(amounts)) if any(amounts) else x


def _complex(x: Tensor, dims: Shape, mode: int, forward: bool) -> Tensor:
    """A transform of complex numbers. The memory of it, as of the others, is in PyTorch's order."""
    return _laid(call(f.c2c, x, dims, mode, forward), x.stride(), _by_stride(x.stride(), dims))


def _from_real(x: Tensor, dims: Shape, mode: int, onesided: bool) -> Tensor:
    return _laid(call(f.r2c, x, dims, mode, onesided), x.stride(), (*_by_stride(x.stride(), dims[:-1]), dims[-1]))


def _to_real(x: Tensor, dims: Shape, mode: int, last: int) -> Tensor:
    strides = x.stride()
    if len(dims) > 1:  # PyTorch transforms the last one by itself
        strides = transformed_strides(strides, _by_stride(strides, dims[:-1]), x._aval.shape)
    return _laid(call(f.c2r, x, dims, mode, last), strides, dims[-1:])


def _by_stride(strides: Shape, dims: Shape) -> Shape:
    return tuple(sorted(dims, key=lambda d: -strides[d]))


def _laid(out: Tensor, strides: Shape, dims: Shape) -> Tensor:
    """`out`, the transform over `dims` of a tensor with these strides, in its memory order."""
    order = transformed_strides(strides, dims, out._aval.shape)
    if order != contiguous_strides(out._aval.shape):
        out._strides = out._storage.strides = order
    return out


# --- one dimension -----------------------------------------------------------------------------------------


def _c2c_1d(x: Tensor, n, dim: int, norm, forward: bool) -> Tensor:
    d = wrap_dim(dim, x._aval.ndim, scalar=False)
    n = _points(x._aval.shape[d] if n is None else n)
    return _complex(_resized(x, (d,), (n,)), (d,), _mode(norm, forward), forward)


def _r2c_1d(x: Tensor, n, dim: int, norm, forward: bool, onesided: bool) -> Tensor:
    d = wrap_dim(dim, x._aval.ndim, scalar=False)
    n = _points(x._aval.shape[d] if n is None else n)
    out = _from_real(_resized(x, (d,), (n,)), (d,), _mode(norm, forward), onesided)
    return out if forward else views.conj(out)


def _c2r_1d(x: Tensor, n, dim: int, norm, forward: bool) -> Tensor:
    d = wrap_dim(dim, x._aval.ndim, scalar=False)
    n = _points(2 * (x._aval.shape[d] - 1) if n is None else n)
    x = _resized(x, (d,), (n // 2 + 1,))
    if forward:
        x = views.conj(x)
    return _to_real(x, (d,), _mode(norm, forward), n)


def _run(transform, x: Tensor, *how) -> Tensor:
    """A transform; that of integers in double precision, rounded once, since in float32 small sums of large ones lose their digits."""
    if x._aval.category >= 2 or dt.get_default_dtype() is not dt.float32:
        return transform(x, *how)
    got = transform(x.to(dt.float64), *how)
    return got.to(dt.complex64 if got._aval.category == 3 else dt.float32)


def _one(name: str, text: str, transform) -> None:
    def g(input, n=None, dim=-1, norm=None):
        return _run(transform, input, n, dim, norm)

    g.__doc__ = text
    composite(f"fft.{name}(Tensor input, int? n=None, int dim=-1, str? norm=None)", out=True)(g)


def _either(forward: bool):
    def transform(x, n, dim, norm):
        x = _promoted(x)
        return _c2c_1d(x, n, dim, norm, forward) if x._aval.category == 3 else _r2c_1d(x, n, dim, norm, forward, False)

    return transform


_one("fft", "The discrete Fourier transform of one dimension.", _either(True))
_one("ifft", "The inverse discrete Fourier transform of one dimension.", _either(False))
_one("rfft", "Half of the transform of real numbers.", lambda x, n, d, s: _r2c_1d(_real(x, "rfft"), n, d, s, True, True))
_one("irfft", "The inverse of `rfft`: n real numbers.", lambda x, n, d, s: _c2r_1d(_promoted(x, True), n, d, s, False))
_one("hfft", "The real transform of half a Hermitian signal.", lambda x, n, d, s: _c2r_1d(_promoted(x, True), n, d, s, True))
_one("ihfft", "The inverse of `hfft`.", lambda x, n, d, s: _r2c_1d(_real(x, "ihfft"), n, d, s, False, True))


# --- several dimensions ------------------------------------------------------------------------------------


def _arguments(x: Tensor, s, dim) -> tuple[Shape, Shape]:
    """Dimensions to transform and their sizes."""
    shape = x._aval.shape
    n = len(shape)
    dims: Shape = ()
    if dim is not None:
        dims = tuple(wrap_dim(d, n, scalar=False) for d in dim)
        if len(set(dims)) != len(dims):
            raise RuntimeError("FFT dims must be unique")
    if s is not None:
        if dim is not None and len(dim) != len(s):
            raise RuntimeError("When given, dim and shape arguments must have the same length")
        if len(s) > n:
            raise RuntimeError(f"Got shape with {len(s)} values but input tensor only has {n} dimensions.")
        if dim is None:
            dims = tuple(range(n - len(s), n))
        sizes = tuple(shape[d] if k == -1 else k for d, k in zip(dims, s, strict=True))
    else:
        if dim is None:
            dims = tuple(range(n))
        sizes = tuple(shape[d] for d in dims)
    for k in sizes:
        _points(k)
    return dims, sizes


def _half_arguments(x: Tensor, s, dim, name: str) -> tuple[Shape, Shape, int]:
    """The same for an input that is half of a Hermitian one; also the size of the last dimension of the result."""
    dims, sizes = _arguments(x, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    last = 2 * (x._aval.shape[dims[-1]] - 1) if s is None or s[-1] == -1 else s[-1]
    _points(last)
    return dims, (*sizes[:-1], last // 2 + 1), last


def _c2c(x: Tensor, s, dim, norm, forward: bool) -> Tensor:
    x = _promoted(x, True)
    dims, sizes = _arguments(x, s, dim)
    if not dims:
        return x.clone()
    return _complex(_resized(x, dims, sizes), dims, _mode(norm, forward), forward)


def fftn(x, s, dim, norm):
    return _c2c(x, s, dim, norm, True)


def ifftn(x, s, dim, norm):
    return _c2c(x, s, dim, norm, False)


def rfftn(x, s, dim, norm):
    if x._aval.category == 3:
        raise RuntimeError(f"rfftn expects a real-valued input tensor, but got {dt.SCALAR_TYPE_NAMES[x._aval.torch_dtype]}")
    x = _promoted(x)
    dims, sizes = _arguments(x, s, dim)
    if not dims:
        raise RuntimeError("rfftn must transform at least one axis")
    return _from_real(_resized(x, dims, sizes), dims, _mode(norm, True), True)


def irfftn(x, s, dim, norm):
    x = _promoted(x, True)
    dims, sizes, last = _half_arguments(x, s, dim, "irfftn")
    return _to_real(_resized(x, dims, sizes), dims, _mode(norm, False), last)


def hfftn(x, s, dim, norm):
    x = _promoted(x, True)
    dims, sizes, last = _half_arguments(x, s, dim, "hfftn")
    x = _resized(x, dims, sizes)
    mode = _mode(norm, True)
    if len(dims) > 1:
        x = _complex(x, dims[:-1], mode, True)
    return _to_real(views.conj(x), dims[-1:], mode, last)


def ihfftn(x, s, dim, norm):
    if x._aval.category == 3:
        raise RuntimeError(f"Only supports floating-point dtypes, but found: {dt.SCALAR_TYPE_NAMES[x._aval.torch_dtype]}")
    x = _promoted(x)
    dims, sizes = _arguments(x, s, dim)
    if not dims:
        raise RuntimeError("ihfftn must transform at least one axis")
    mode = _mode(norm, False)
    out = views.conj(_from_real(_resized(x, dims, sizes), dims[-1:], mode, True))
    return _complex(out, dims[:-1], mode, False) if len(dims) > 1 else out


_TEXTS = {
    "fft": "The discrete Fourier transform", "ifft": "The inverse discrete Fourier transform",
    "rfft": "Half of the transform of real numbers", "irfft": "The inverse of `rfft`, real",
    "hfft": "The transform of a Hermitian signal given by half, real", "ihfft": "The inverse of `hfft`",
}  # fmt: skip


def _several(base: str, transform) -> None:
    def two(input, s=None, dim=(-2, -1), norm=None):
        return _run(transform, input, s, dim, norm)

    def many(input, s=None, dim=None, norm=None):
        return _run(transform, input, s, dim, norm)

    two.__doc__ = _TEXTS[base] + " over two dimensions."
    many.__doc__ = _TEXTS[base] + " over several dimensions."
    composite(f"fft.{base}2(Tensor input, int[]? s=None, int[] dim=(-2, -1), str? norm=None)", out=True)(two)
    composite(f"fft.{base}n(Tensor input, int[]? s=None, int[]? dim=None, str? norm=None)", out=True)(many)


for _name, _transform in (
    ("fft", fftn), ("ifft", ifftn), ("rfft", rfftn), ("irfft", irfftn), ("hfft", hfftn), ("ihfft", ihfftn),
):  # fmt: skip
    _several(_name, _transform)


# --- helpers -----------------------------------------------------------------------------------------------

_OPTIONS = "dtype? dtype=None, any layout=None, device? device=None, bool requires_grad=False, bool pin_memory=False"


def _frequencies(values: np.ndarray, n: int, d: float, dtype, device, requires_grad: bool) -> Tensor:
    kind = dtype or dt.get_default_dtype()
    out = values.astype(kind.np) * np.asarray(1.0 / (n * d), kind.np)
    t = from_host(out.astype(kind.np))
    if device is not None:
        t = t.to(device)
    return t.requires_grad_() if requires_grad else t


@composite(f"fft.fftfreq(int n, float d=1.0, *, {_OPTIONS})", out=True)
def fftfreq(n, d=1.0, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """The frequencies of `fft`'s results for n samples at distance d: 0, 1, …, -1 over n d."""
    half = (n + 1) // 2
    values = np.concatenate([np.arange(half), np.arange(-(n // 2), 0)])
    return _frequencies(values, n, d, dtype, device, requires_grad)


@composite(f"fft.rfftfreq(int n, float d=1.0, *, {_OPTIONS})", out=True)
def rfftfreq(n, d=1.0, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """The frequencies of `rfft`'s results for n samples at distance d: 0, 1, …, n / 2 over n d."""
    return _frequencies(np.arange(n // 2 + 1), n, d, dtype, device, requires_grad)


@composite("fft.fftshift(Tensor input, int[]? dim=None)")
def fftshift(input, dim=None):
    """The zero frequency moved to the middle."""
    return _shifted(input, dim, lambda n: n // 2)


@composite("fft.ifftshift(Tensor input, int[]? dim=None)")
def ifftshift(input, dim=None):
    """The inverse of `fftshift`."""
    return _shifted(input, dim, lambda n: (n + 1) // 2)


def _shifted(x: Tensor, dim, amount) -> Tensor:
    shape = x._aval.shape
    dims = tuple(range(len(shape))) if dim is None else tuple(wrap_dim(d, len(shape)) for d in dim)
    return x.roll(tuple(amount(shape[d]) for d in dims), dims)


# --- short-time transforms ---------------------------------------------------------------------------------


def _warn_once(text: str, line: int) -> None:
    warn_once(text + triggered(f"aten/src/ATen/native/SpectralOps.cpp:{line}"))


def _describe(shown: str, n_fft: int, hop: int, win: int, window: Tensor | None, **more) -> str:
    """The arguments as PyTorch's messages list them."""
    w = "None" if window is None else f"{dt.TYPE_TEXTS[window._aval.torch_dtype]}{{{list(window._aval.shape)}}}"
    rest = ", ".join(f"{k}={int(v) if isinstance(v, bool) else v}" for k, v in more.items())
    return f"({shown}, n_fft={n_fft}, hop_length={hop}, win_length={win}, window={w}, {rest})"


_NATIVE_STFT = (
    "stft(Tensor input, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool normalized=False, "
    "bool? onesided=None, bool? return_complex=None, bool? align_to_window=None)"
)


@composite(
    "stft(any input, any n_fft, any? hop_length=None, any? win_length=None, any? window=None, any? center=True, "
    "any? pad_mode='reflect', any? normalized=False, any? onesided=None, any? return_complex=None, "
    "any? align_to_window=None)",
    aliases=("functional.stft",),
)
def stft(input, n_fft, hop_length=None, win_length=None, window=None, center=True, pad_mode="reflect", normalized=False,
         onesided=None, return_complex=None, align_to_window=None):  # fmt: skip
    """The short-time Fourier transform of (time) or (batch, time): (batch, frequency, frame), complex.

    RuntimeError with PyTorch's text when sizes do not fit.
    """
    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false")
    ndim = input.dim() if center else 0
    padding = int(n_fft // 2) if center else 0
    if center:
        require("pad(Tensor input, int[!] pad, str mode='constant', float? value=None)", input, (padding, padding), pad_mode)
    if center and (ndim not in (1, 2) or input._aval.shape[-1] <= padding or input._aval.category == 0):
        pad(input.reshape((1,) * (3 - ndim) + input._aval.shape), (padding, padding), pad_mode)  # mostly refused
    require(_NATIVE_STFT, input, n_fft, hop_length, win_length, window, normalized, onesided, return_complex, align_to_window)
    if window is None:
        _warn_once(
            "A window was not provided. A rectangular window will be applied,which is known to cause spectral leakage. "
            "Other windows such as torch.hann_window or torch.hamming_window are recommended to reduce spectral "
            "leakage."
            "To suppress this warning and use a rectangular window, explicitly set `window=torch.ones(n_fft, "
            "device=<device>)`.",
            835,
        )
    hop = n_fft // 4 if hop_length is None else hop_length
    win = n_fft if win_length is None else win_length
    ndim = input._aval.ndim
    complex_input = input._aval.category == 3 or (window is not None and window._aval.category == 3)
    if return_complex is None and not complex_input:
        raise RuntimeError(
            "stft requires the return_complex parameter be given for real inputs, and will further require that "
            "return_complex=True in a future PyTorch release."
        )
    as_complex = True if return_complex is None else return_complex
    if not as_complex:
        _warn_once(
            "stft with return_complex=False is deprecated. In a future pytorch release, stft will return complex "
            "tensors "
            "for all inputs, and return_complex=False will raise an error.\nNote: you can still call "
            "torch.view_as_real "
            "on the complex output to recover the old return format.",
            874,
        )
    padded = [*input._aval.shape[:-1], input._aval.shape[-1] + 2 * padding] if input._aval.ndim else []
    what = "stft" + _describe(
        f"{dt.TYPE_TEXTS[input._aval.torch_dtype]}{padded}", n_fft, hop, win, window, normalized=normalized,
        onesided=onesided, return_complex=return_complex, align_to_window=align_to_window,
    )  # fmt: skip
    what += " "
    if input._aval.category < 2:
        raise RuntimeError(f"{what}: expected a tensor of floating point or complex values")
    if not 1 <= ndim <= 2:
        raise RuntimeError(f"{what}: expected a 1D or 2D tensor")
    x = views.unsqueeze(input, 0) if ndim == 1 else input
    length = x._aval.shape[1] + 2 * padding
    if not 0 < n_fft <= length:
        raise RuntimeError(f"{what}: expected 0 < n_fft < {length}, but got n_fft={win}")
    if hop <= 0:
        raise RuntimeError(f"{what}: expected hop_length > 0, but got hop_length={hop}")
    if not 0 < win <= n_fft:
        raise RuntimeError(f"{what}: expected 0 < win_length <= n_fft, but got win_length={win}")
    if window is not None and window._aval.shape != (win,):
        raise RuntimeError(
            f"{what}: expected a 1D window tensor of size equal to win_length={win}, but got window with size "
            f"{list(window._aval.shape)}"
        )
    w = _centered(window, win, n_fft, x)
    if align_to_window:  # frames of the window's length, each with zeros around it up to n_fft points
        x = pad(x, ((n_fft - win) // 2, n_fft - win - (n_fft - win) // 2))
    if padding and pad_mode != "constant":
        x, padding = pad(x, (padding, padding), pad_mode), 0
    x = call(f.frames, x, n_fft, hop, padding)
    if w is not None:
        x = x * w
    if x._aval.category == 3:
        if onesided:
            raise RuntimeError("Cannot have onesided output if window or input is complex")
        out = call(f.c2c, x, (2,), int(normalized), True)
    else:
        out = call(f.r2c, x, (2,), int(normalized), onesided is None or onesided)
    out = renamed(views.transpose(out, 1, 2), "TransposeBackward1")
    if ndim == 1:
        out = renamed(views.squeeze_dim(out, 0), "SqueezeBackward4")
    return out if as_complex else views.view_as_real(out)


def _centered(window: Tensor | None, win: int, n_fft: int, like: Tensor) -> Tensor | None:
    """The window with zeros around it up to n_fft points."""
    if win == n_fft:
        return window
    left = (n_fft - win) // 2
    if window is None:
        real = like._aval.torch_dtype.to_real()
        host = np.zeros((n_fft,), real.np)
        host[left : left + win] = 1
        return from_host(host)
    full = window.new_zeros((n_fft,))
    views.slice_dim(full, 0, left, win).copy_(window)
    return full


@composite(
    "istft(Tensor input, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool center=True, "
    "bool normalized=False, bool? onesided=None, int? length=None, bool return_complex=False)",
    aliases=("functional.istft",),
)
def istft(input, n_fft, hop_length=None, win_length=None, window=None, center=True, normalized=False, onesided=None,
          length=None, return_complex=False):  # fmt: skip
    """The inverse of `stft`, by overlap and add: (batch, frequency, frame) to (batch, time).

    RuntimeError with PyTorch's text when sizes do not fit or the windows leave gaps.
    """
    if window is None:
        _warn_once(
            "A window was not provided. A rectangular window will be applied.Please provide the same window used by "
            "stft "
            "to make the inversion lossless.To suppress this warning and use a rectangular window, explicitly set "
            "`window=torch.ones(n_fft, device=<device>)`.",
            1035,
        )
    hop = n_fft // 4 if hop_length is None else hop_length
    win = n_fft if win_length is None else win_length
    if input._aval.category != 3:
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with return_complex=True."
        )
    shown = f"CPU{dt.SCALAR_TYPE_NAMES[input._aval.torch_dtype]}Type{list(input._aval.shape)}"
    what = "istft" + _describe(
        shown, n_fft, hop, win, window, center=center, normalized=normalized, onesided=onesided, length=length,
        return_complex=return_complex,
    )  # fmt: skip
    given, what = what, what + " "
    shape = input._aval.shape
    if input._aval.size == 0:
        raise RuntimeError(f"{what}: input tensor cannot be empty.")
    if len(shape) not in (2, 3):
        raise RuntimeError(f"{what}: expected a tensor with 2 or 3 dimensions, but got {len(shape)}")
    frequencies, count = shape[-2:]
    if onesided is None:
        onesided = frequencies != n_fft
    if onesided and n_fft // 2 + 1 != frequencies:
        raise RuntimeError(
            f"{what}: expected the frequency dimension (3rd to the last) of the input tensor to match n_fft / 2 + 1 "
            "when "
            f"onesided=True, but got {frequencies}"
        )
    if not onesided and n_fft != frequencies:
        raise RuntimeError(
            f"{what}: expected the frequency dimension (3rd to the last) of the input tensor to match n_fft when "
            f"onesided=False, but got {frequencies}"
        )
    if not 0 < hop <= win:
        raise RuntimeError(f"{what}: expected 0 < hop_length <= win_length")
    if not 0 < win <= n_fft:
        raise RuntimeError(f"{what}: expected 0 < win_length <= n_fft")
    if window is not None and window._aval.shape != (win,):
        raise RuntimeError(f"{what}: Invalid window shape. window has to be 1D and length of `win_length`")
    x = views.unsqueeze(input, 0) if len(shape) == 2 else input
    x = views.transpose(x, 1, 2)
    real = input._aval.torch_dtype.to_real()
    w: Any = window if window is not None else from_host(np.ones((win,), real.np))
    w = _centered(w, win, n_fft, x)
    mode = 1 if normalized else 2
    if return_complex:
        if onesided:
            raise RuntimeError("Cannot have onesided output if window or input is complex")
        x = call(f.c2c, x, (2,), mode, False)
    else:
        if window is not None and window._aval.category == 3:
            raise RuntimeError("Complex windows are incompatible with return_complex=False")
        if not onesided:
            x = views.slice_dim(x, 2, 0, n_fft // 2 + 1)
        x = call(f.c2r, x, (2,), mode, n_fft)
    total = n_fft + hop * (count - 1)
    y = call(f.overlap_add, x * views.view(w, (1, 1, n_fft)), hop, total)
    envelope = call(f.overlap_add, views.expand(w * w, (1, count, n_fft)), hop, total)
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else total - n_fft // 2 if center else total
    stop = min(end, total)
    y = views.slice_dim(y, 1, start, stop - start)
    envelope = views.slice_dim(envelope, 1, start, stop - start)
    if envelope._aval.device is not TRACED:
        low = envelope.detach().abs().min().item()
        if low < 1e-11:
            raise RuntimeError(f"{given} window overlap add min: 1\n[ CPUBoolType{{}} ]")
    y = y / envelope
    if len(shape) == 2:
        y = views.squeeze_dim(y, 0)
    if end > total:
        _warn_once(
            "The length of signal is shorter than the length parameter. Result is being padded with zeros in the tail. "
            "Please check your center and hop_length settings.",
            1164,
        )
        y = call(f.pad, y, (0,) * (y._aval.ndim - 1) + (end - total,))
    return y
