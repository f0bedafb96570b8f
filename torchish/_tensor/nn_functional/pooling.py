"""Pooling functions: PyTorch's argument forms over `torchish.ops.pool`."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterable
from typing import Any

import torchish as torch
from torchish._tensor.dispatch import composite
from torchish._tensor.layout import is_channels_last
from torchish._tensor.nn_functional._call import ap, require, require_float, tensor_arg
from torchish._tensor.positions import check_positions
from torchish._tensor.tensor import Tensor
from torchish._tensor.views import squeeze_dim, unsqueeze
from torchish.autograd.grad_mode import STATE
from torchish.ops import pool
from torchish.ops.precision import REAL, require_kernel

_WORDS = {1: "one int", 2: "two ints", 3: "three ints"}


def _ints(name: str, what: str, values, n: int, default: tuple | None = None) -> tuple[int, ...]:
    if hasattr(values, "__index__"):
        return (operator.index(values),) * n
    if values is None and default is None or isinstance(values, str):
        raise TypeError(f"{name}(): argument '{what}' (position 2) must be tuple of ints, not {type(values).__name__}")
    values = tuple(int(v) for v in values) if values is not None else ()
    if len(values) == n:
        return values
    if len(values) == 1:
        return values * n
    if not values and default is not None:
        return default
    if n == 1:
        raise RuntimeError(f"{name}() argument '{what}' should contain one int (got {len(values)})")
    omitted = "be omitted, " if what == "stride" else "be "
    if what in ("stride",):
        raise RuntimeError(f"{name}: {what} must either {omitted}a single int, or a tuple of {_WORDS[n]}")
    raise RuntimeError(f"{name}: {what} must either be a single int, or a tuple of {_WORDS[n]}")


def _max(name, n, input, kernel_size, stride, padding, dilation, ceil_mode, indices):
    require(
        f"{name}{'_with_indices' if indices else ''}(Tensor input, int[] kernel_size, int[] stride=(), int[] padding=0, int[] dilation=1, "
        "bool ceil_mode=False)",
        input, kernel_size, () if stride is None else stride, padding, dilation, ceil_mode,
    )  # fmt: skip
    k = _ints(name, "kernel_size", kernel_size, n)
    s = _ints(name, "stride", stride, n, k)
    p = _ints(name, "padding", padding, n)
    d = _ints(name, "dilation", dilation, n)
    if 0 in s and (n > 1 or indices):
        raise RuntimeError("stride should not be zero")
    ndim = input._aval.ndim
    if n > 1 and ndim not in (n + 1, n + 2):
        raise RuntimeError(f"non-empty {n + 1}D or {n + 2}D (batch mode) tensor expected for input")
    statics = (k, s, p, d, bool(ceil_mode))
    if n > 1:
        return ap(pool.max_pool_with_indices if indices else pool.max_pool, statics, input)
    return _max1(input, statics, indices)


def _check_max1(n: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> None:
    if kernel <= 0:
        raise RuntimeError(f"max_pool1d() kernel_size must be greater than zero, but got {kernel}")
    if stride <= 0:
        raise RuntimeError(f"max_pool1d() stride must be greater than zero, but got {stride}")
    if padding < 0:
        raise RuntimeError(f"max_pool1d() padding must be non-negative, but got {padding}")
    if padding > kernel // 2 and not (dilation > 1 and padding <= ((kernel - 1) * dilation + 1) // 2):
        raise RuntimeError(
            f"max_pool1d() padding should be at most half of kernel size, but got padding={padding} and kernel_size={kernel}"
        )
    if dilation <= 0:
        raise RuntimeError(f"max_pool1d() dilation must be greater than zero, but got {dilation}")
    size = pool.output_size(n, kernel, padding, padding, stride, dilation, ceil_mode)
    if size <= 0:
        raise RuntimeError(f"max_pool1d() Invalid computed output size: {size}")


def _max1(input, statics, indices):
    k, s, p, d, ceil_mode = statics
    shape = input._aval.shape
    if len(shape) not in (2, 3) or 0 in shape[-2:]:
        raise RuntimeError(
            f"max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but got:{list(shape)}"
        )
    if not indices:  # with them it is max_pool2d that checks
        _check_max1(shape[-1], k[0], s[0], p[0], d[0], ceil_mode)
        require_kernel("max_pool1d_impl", input._aval, REAL)
        if input._strides is not None and not (STATE.enabled and input._needs()):
            input = input.contiguous()  # PyTorch has a kernel of its own for this
    flat = unsqueeze(input, -2)
    spread = ((1, *k), (1, *s), (0, *p), (1, *d), ceil_mode)
    if not indices:
        return squeeze_dim(ap(pool.max_pool, spread, flat), -2)
    values, where = ap(pool.max_pool_with_indices, spread, flat)
    return squeeze_dim(values, -2), squeeze_dim(where, -2)


def _declare_max(n: int) -> None:
    name = f"max_pool{n}d"

    def with_indices(
        input: Tensor,
        kernel_size,
        stride=None,
        padding=0,
        dilation=1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ):
        """Maximum of each window, and its position in the flattened spatial input (int64)."""
        return _max(name, n, input, kernel_size, stride, padding, dilation, ceil_mode, True)

    def max_pool(
        input: Tensor,
        kernel_size,
        stride=None,
        padding=0,
        dilation=1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ):
        """Maximum of each window; with `return_indices` also its position in the flattened spatial input."""
        return _max(name, n, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)

    max_pool.__name__ = max_pool.__qualname__ = name
    with_indices.__name__ = with_indices.__qualname__ = name + "_with_indices"
    globals()[name] = max_pool
    globals()[name + "_with_indices"] = with_indices

    def plain(input, kernel_size, stride, padding, dilation, ceil_mode):
        return max_pool(input, kernel_size, stride, padding, dilation, ceil_mode)

    plain.__doc__ = max_pool.__doc__
    form = "(Tensor input, int[] kernel_size, int[] stride=(), int[] padding=0, int[] dilation=1, bool ceil_mode=False)"
    composite(name + form, method=False)(plain)
    if n == 1:

        def plain_indices(input, kernel_size, stride, padding, dilation, ceil_mode):
            return max_pool(input, kernel_size, stride, padding, dilation, ceil_mode, True)

        composite(f"{name}_with_indices{form}", method=False)(plain_indices)


for _n in (1, 2, 3):
    _declare_max(_n)


def _average(name, n, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    k = _ints(name, "kernel_size", kernel_size, n)
    s = _ints(name, "stride", stride, n, k)
    p = _ints(name, "padding", padding, n)
    if 0 in s:
        raise RuntimeError("stride should not be zero")
    if n == 1:
        ndim = input._aval.ndim
        if ndim not in (2, 3):
            raise RuntimeError(
                f"Expected 2 to 3 dimensions, but got {ndim}-dimensional tensor for argument #1 'self' "
                "(while checking arguments for avg_pool1d)"
            )
        if p[0] < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p[0]}")
        flat = unsqueeze(input, -2)
        return squeeze_dim(ap(pool.avg_pool, ((1, *k), (1, *s), (0, *p), ceil_mode, count_include_pad, None), flat), -2)
    ndim = input._aval.ndim
    if ndim < n + 1 and n == 2:
        raise IndexError(f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}], but got -3)")
    return ap(pool.avg_pool, (k, s, p, ceil_mode, count_include_pad, divisor_override), input)


@composite(
    "avg_pool1d(Tensor input, int[] kernel_size, int[]? stride=(), int[] padding=0, bool ceil_mode=False, "
    "bool count_include_pad=True)",
    method=False, aliases=("nn.functional.avg_pool1d",),
)  # fmt: skip
def avg_pool1d(input, kernel_size, stride, padding, ceil_mode, count_include_pad):
    """The mean of each window of (N, C, L) or (C, L)."""
    return _average("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


@composite(
    "nn.functional.avg_pool2d(Tensor input, int[] kernel_size, int[]? stride=None, int[] padding=0, bool "
    "ceil_mode=False, "
    "bool count_include_pad=True, int? divisor_override=None)",
    method=False, out=True,
)  # fmt: skip
def avg_pool2d(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """The mean of each window of (N, C, H, W) or (C, H, W)."""
    return _average("avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@composite(
    "nn.functional.avg_pool3d(Tensor input, int[] kernel_size, int[]? stride=None, int[] padding=0, bool "
    "ceil_mode=False, "
    "bool count_include_pad=True, int? divisor_override=None)",
    method=False, out=True,
)  # fmt: skip
def avg_pool3d(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W)."""
    return _average("avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


# --- adaptive ----------------------------------------------------------------------------------------------


def _adaptive_size(input: Tensor, output_size, n: int, name: str) -> tuple[int, ...]:
    shape, signature = input.size(), f"{name}(Tensor input, int[] output_size)"
    if isinstance(output_size, int):
        require(signature, input, output_size)
        return (output_size,) * n
    if len(shape) <= len(output_size):
        raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")
    size = tuple(s if o is None else o for o, s in zip(output_size, shape[len(shape) - len(output_size) :], strict=True))
    require(signature, input, size)
    size = tuple(map(int, size))
    if len(size) != n:
        if "avg" in name:
            raise RuntimeError(f"{name}: output_size must be {n}")
        if len(shape) not in (n + 1, n + 2):
            raise RuntimeError(f"{name}(): Expected {n + 1}D or {n + 2}D tensor, but got: {list(shape)}")
        raise RuntimeError(f"{name}(): internal error: output_size.size() must be {n}")
    return size


@composite("adaptive_avg_pool1d(Tensor input, int[] output_size)", method=False, aliases=("nn.functional.adaptive_avg_pool1d",))
def adaptive_avg_pool1d(input, output_size):
    """The mean of each of `output_size` bins of the last dimension."""
    if input._aval.ndim not in (2, 3):
        raise RuntimeError(
            f"Expected 2 to 3 dimensions, but got {input._aval.ndim}-dimensional tensor for argument #1 'self' "
            "(while checking arguments for adaptive_avg_pool1d)"
        )
    (size,) = _ints("adaptive_avg_pool1d", "output_size", output_size, 1)
    return squeeze_dim(adaptive_avg_pool2d(unsqueeze(input, -2), (1, size)), -2)


def _mean_of_all(input: Tensor, spatial: int) -> Tensor:
    """The mean over the last dimensions (of any tensor, as in PyTorch); strides say which order the input has: sizes of 1 leave it open."""
    mean = torch.mean(input, tuple(range(-1, -1 - spatial, -1)), keepdim=True)
    if input._aval.ndim == spatial + 2 and is_channels_last(input):
        n, channels = input._aval.shape[:2]
        mean.as_strided_(mean._aval.shape, (channels, 1, *[channels] * spatial))  # type: ignore[attr-defined]
    return mean


def adaptive_avg_pool2d(input: Tensor, output_size) -> Tensor:
    """The mean of each of (H, W) bins of the last two dimensions; None keeps a dimension's size."""
    size = _adaptive_size(input, output_size, 2, "adaptive_avg_pool2d")
    if size == (1, 1):
        return _mean_of_all(input, 2)
    return ap(pool.adaptive_avg_pool, (size,), input)


def adaptive_avg_pool3d(input: Tensor, output_size) -> Tensor:
    """The mean of each of (D, H, W) bins of the last three dimensions; None keeps a dimension's size."""
    size = _adaptive_size(input, output_size, 3, "adaptive_avg_pool3d")
    if size == (1, 1, 1):
        return _mean_of_all(input, 3)
    return ap(pool.adaptive_avg_pool, (size,), input)


def _adaptive_max1(input, output_size):
    require("adaptive_max_pool1d(Tensor input, int[] output_size)", input, output_size)
    ndim = input._aval.ndim
    if ndim not in (2, 3):
        raise RuntimeError(
            f"Expected 2 to 3 dimensions, but got {ndim}-dimensional tensor for argument #1 'self' "
            "(while checking arguments for adaptive_max_pool1d)"
        )
    (size,) = _ints("adaptive_max_pool1d", "output_size", output_size, 1)
    values, where = ap(pool.adaptive_max_pool, ((1, size),), unsqueeze(input, -2))
    return squeeze_dim(values, -2), squeeze_dim(where, -2)


composite("adaptive_max_pool1d(Tensor input, int[] output_size)", method=False)(_adaptive_max1)


def adaptive_max_pool1d_with_indices(input: Tensor, output_size, return_indices: bool = False):
    """The maximum of each of `output_size` bins, and its position."""
    return _adaptive_max1(input, output_size)


def adaptive_max_pool1d(input: Tensor, output_size, return_indices: bool = False):
    """The maximum of each of `output_size` bins of the last dimension."""
    values, where = _adaptive_max1(input, output_size)
    return (values, where) if return_indices else values


def adaptive_max_pool2d_with_indices(input: Tensor, output_size, return_indices: bool = False):
    """The maximum of each of (H, W) bins, and its position in the flattened plane."""
    return ap(pool.adaptive_max_pool, (_adaptive_size(input, output_size, 2, "adaptive_max_pool2d"),), input)


def adaptive_max_pool2d(input: Tensor, output_size, return_indices: bool = False):
    """The maximum of each of (H, W) bins of the last two dimensions."""
    both = adaptive_max_pool2d_with_indices(input, output_size)
    return both if return_indices else both[0]


def adaptive_max_pool3d_with_indices(input: Tensor, output_size, return_indices: bool = False):
    """The maximum of each of (D, H, W) bins, and its position in the flattened volume."""
    return ap(pool.adaptive_max_pool, (_adaptive_size(input, output_size, 3, "adaptive_max_pool3d"),), input)


def adaptive_max_pool3d(input: Tensor, output_size, return_indices: bool = False):
    """The maximum of each of (D, H, W) bins of the last three dimensions."""
    both = adaptive_max_pool3d_with_indices(input, output_size)
    return both if return_indices else both[0]


# --- power average -----------------------------------------------------------------------------------------


def _several(n: int, values: Any) -> tuple:
    return tuple(values) if isinstance(values, Iterable) else (values,) * n


def _lp_pool(n: int, input: Tensor, norm_type, kernel_size, stride, ceil_mode: bool) -> Tensor:
    sides = (kernel_size,)
    if n == 2:
        _, _ = sides = _several(2, kernel_size)
    elif n == 3:
        _, _, _ = sides = _several(3, kernel_size)
    if isinstance(norm_type, (int, float)) and math.isinf(norm_type):
        largest = getattr(torch.nn.functional, f"max_pool{n}d")
        if norm_type > 0:
            return largest(input.abs(), kernel_size, stride, 0, 1, ceil_mode)
        return -largest(-input.abs(), kernel_size, stride, 0, 1, ceil_mode)
    more = () if stride is None else (stride,)
    out = getattr(torch.nn.functional, f"avg_pool{n}d")(input.pow(norm_type), kernel_size, *more, padding=0, ceil_mode=ceil_mode)
    volume = functools.reduce(operator.mul, sides)
    return (torch.sign(out) * torch.relu(torch.abs(out))).mul(volume).pow(1.0 / norm_type)


def lp_pool1d(input: Tensor, norm_type: int | float, kernel_size, stride=None, ceil_mode: bool = False) -> Tensor:
    """The p-norm of each window of the last dimension."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input: Tensor, norm_type: int | float, kernel_size, stride=None, ceil_mode: bool = False) -> Tensor:
    """The p-norm of each window of the last two dimensions."""
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input: Tensor, norm_type: int | float, kernel_size, stride=None, ceil_mode: bool = False) -> Tensor:
    """The p-norm of each window of the last three dimensions."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


# --- fractional --------------------------------------------------------------------------------------------


def _fractional(n, input, kernel_size, output_size, output_ratio, random_samples):
    name = f"fractional_max_pool{n}d"
    tensor_arg(name, "input", 1, input)
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if output_size is None:
        ratio = (output_ratio,) * n if isinstance(output_ratio, (int, float)) else output_ratio
        output_size = tuple(int(input.size(i - n) * ratio[i]) for i in range(n))
    if random_samples is None:
        batch = 1 if input.dim() == n + 1 else input.size(0)
        random_samples = torch.rand(batch, input.size(-n - 1), n, dtype=input.dtype, device=input.device)
    native = f"{name}(Tensor input, int[] kernel_size, int[] output_size, Tensor random_samples)"
    require(native, input, kernel_size, output_size, random_samples)
    k = _fractional_ints(name, "kernel_size", kernel_size, n)
    o = _fractional_ints(name, "output_size", output_size, n)
    return ap(pool.fractional_max_pool, (k, o), input, random_samples)


def _fractional_ints(name: str, what: str, values, n: int) -> tuple[int, ...]:
    if hasattr(values, "__index__"):
        return (operator.index(values),) * n
    if len(values) != n:
        raise RuntimeError(f"{name}: {what} must either be a single Int or tuple of {'three Ints' if n == 3 else 'Ints'}")
    return tuple(map(int, values))


def fractional_max_pool2d_with_indices(
    input: Tensor, kernel_size, output_size=None, output_ratio=None, return_indices: bool = False, _random_samples=None
):
    """Maxima of windows at pseudo-random places, and their positions."""
    return _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool2d(
    input: Tensor, kernel_size, output_size=None, output_ratio=None, return_indices: bool = False, _random_samples=None
):
    """Maxima of windows at pseudo-random places (Graham, 2014)."""
    both = _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return both if return_indices else both[0]


def fractional_max_pool3d_with_indices(
    input: Tensor, kernel_size, output_size=None, output_ratio=None, return_indices: bool = False, _random_samples=None
):
    """Maxima of windows at pseudo-random places, and their positions."""
    return _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool3d(
    input: Tensor, kernel_size, output_size=None, output_ratio=None, return_indices: bool = False, _random_samples=None
):
    """Maxima of windows at pseudo-random places (Graham, 2014)."""
    both = _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return both if return_indices else both[0]


# --- inverse -----------------------------------------------------------------------------------------------


def _unpool_size(input, kernel_size, stride, padding, output_size):
    shape = input.size()
    n = len(kernel_size)
    default = [(shape[-n + d] - 1) * stride[d] + kernel_size[d] - 2 * padding[d] for d in range(n)]
    if output_size is None:
        return tuple(default)
    if len(output_size) == n + 2:
        output_size = output_size[2:]
    if len(output_size) != n:
        raise ValueError(
            f"output_size should be a sequence containing {n} or {n + 2} elements, but it has a length of '{len(output_size)}'"
        )
    for d in range(n):
        low, high = default[d] - stride[d], default[d] + stride[d]
        if not low < output_size[d] < high:
            raise ValueError(f'invalid output_size "{output_size}" (dim {d} must be between {low} and {high})')
    return tuple(output_size)


def _unpool(n, input, indices, kernel_size, stride, padding, output_size):
    k = _several(n, kernel_size)
    s = k if stride is None else _several(n, stride)
    p = _several(n, padding)
    size = _unpool_size(input, k, s, p, output_size)
    over = max(n, 2)  # the one-dimensional form goes through two dimensions
    more = (1,) if n == 1 else ()
    if n == 3:
        require("max_unpool3d(Tensor input, Tensor indices, int[] output_size, int[] stride, int[] padding)", input, indices, size, s, p)
    else:
        require("max_unpool2d(Tensor input, Tensor indices, int[] output_size)", input, indices, (*size, *more))
    if indices.dtype is not torch.int64:
        raise RuntimeError("elements in indices should be type int64" + (f" but got: {_short(indices)}" if n < 3 else ""))
    if n > 1 and len(size) != n:
        names = {2: "two elements (height, width)", 3: "three elements (depth, height, width)"}
        raise RuntimeError(f"There should be exactly {names[n]} in output_size, but got {len(size)} elements.")
    if input._aval.ndim not in (n + 1, n + 2):
        dims = input._aval.ndim + (n == 1)
        raise RuntimeError(
            f"Input to max_unpooling{over}d should be a {over + 1}d or {over + 2}d Tensor, but got a tensor with {dims} dimensions."
        )
    if n == 3 and min(s) <= 0:
        raise RuntimeError(f"strides should be greater than zero, but got stride: {list(s)}")
    if input._aval.shape != indices._aval.shape:
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({[*input.shape, *more]}) but got indices tensor "
            f"with shape: {[*indices.shape, *more]}"
        )
    if 0 in input._aval.shape[1:]:
        raise RuntimeError(
            f"max_unpooling{over}d_forward_out_cpu(): Expected input to have non-zero size for non-batch dimensions, but got "
            f"{[*input.shape, *more]} with dimension {input._aval.shape.index(0, 1)} being empty."
        )
    if input._aval.size:
        require_float(input, f"max_unpool{over}d")
    if places := math.prod(size):
        shown = "x".join(map(str, (*size, *more)))
        text = "Found an invalid max index: {} (output volumes are of size {})"
        check_positions(indices, places, lambda i: RuntimeError(text.format(i, shown)), last=True)
    if n > 1:
        return ap(pool.max_unpool, (size,), input, indices)
    return squeeze_dim(ap(pool.max_unpool, ((*size, 1),), unsqueeze(input, -1), unsqueeze(indices, -1)), -1)


def _short(t: Tensor) -> str:
    from torchish._tensor.nn_functional._call import scalar_type

    return scalar_type(t)


def max_unpool1d(input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None) -> Tensor:
    """The values of a max_pool1d put back at their positions among zeros."""
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None) -> Tensor:
    """The values of a max_pool2d put back at their positions among zeros."""
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None) -> Tensor:
    """The values of a max_pool3d put back at their positions among zeros."""
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)
