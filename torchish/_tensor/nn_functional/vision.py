"""Interpolation, grid sampling, folding: PyTorch's Python forms over `torchish.ops.vision`."""

from __future__ import annotations

import warnings

import numpy as np

from torchish._tensor.errors import invalid_combination, plain_type_name
from torchish._tensor.nn_functional._call import ap, require, scalar_type, tensor_arg
from torchish._tensor.nn_functional.pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from torchish._tensor.tensor import Tensor
from torchish.engine.expr import aval
from torchish.ops import vision as V
from torchish.ops.precision import HALF, REAL, require_kernel

_ANTIALIASED = (REAL - HALF) | {"uint8"}
_NEEDS = {"linear": 3, "bilinear": 4, "trilinear": 5, "bicubic": 4, "lanczos": 4}


def _is_integer(x) -> bool:
    return isinstance(x, (int, np.integer)) or (isinstance(x, Tensor) and not x.is_floating_point())


def _sizes(input: Tensor, size, scale_factor, dims: int):
    """(output size, scales): exactly one of them None."""
    shape = list(input.shape[2:])
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        if not isinstance(size, (list, tuple)):
            return [size] * dims, None
        if len(size) != dims:
            raise ValueError(
                "Input and output must have the same number of spatial dimensions, but got input with spatial "
                "dimensions of "
                f"{shape} and output size of {size}. Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
                "output "
                "size in (o1, o2, ...,oK) format."
            )
        if not all(_is_integer(x) for x in size):
            raise TypeError(
                "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, int], but got "
                "size with "
                f"types {[type(x) for x in size]}"
            )
        return list(size), None
    if scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if not isinstance(scale_factor, (list, tuple)):
        return None, [scale_factor] * dims
    if len(scale_factor) != dims:
        raise ValueError(
            "Input and scale_factor must have the same number of spatial dimensions, but got input with spatial "
            "dimensions of "
            f"{shape} and scale_factor of shape {scale_factor}. Please provide input tensor in (N, C, d1, d2, ...,dK) "
            "format "
            "and scale_factor in (s1, s2, ...,sK) format."
        )
    return None, list(scale_factor)


def interpolate(
    input: Tensor, size=None, scale_factor=None, mode: str = "nearest", align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None, antialias: bool = False,
) -> Tensor:  # fmt: skip
    """(N, C, *spatial) resampled to a size or by a factor."""
    ndim = input.dim()
    if not isinstance(mode, str):
        raise _unsupported(ndim, mode)
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError("align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear")
    elif align_corners is None:
        align_corners = False
    if ndim < 3 and (isinstance(size, int) or isinstance(scale_factor, (int, float))):
        raise _unsupported(ndim, mode)
    output, scales = _sizes(input, size, scale_factor, ndim - 2)
    if recompute_scale_factor and size is not None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    if scales is not None and (recompute_scale_factor or mode == "area"):
        output, scales = [int(n * s) for n, s in zip(input.shape[2:], scales, strict=True)], None
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and ndim == 4):
        raise ValueError("Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input")
    if mode == "area" and ndim in (3, 4, 5):
        pool = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[ndim - 3]
        tensor_arg(f"adaptive_avg_pool{ndim - 2}d", "input", 1, input)
        return pool(input, tuple(output))
    if ndim not in (3, 4, 5) or (mode not in _NEEDS and not mode.startswith("nearest")):
        raise _unsupported(ndim, mode)
    if mode in _NEEDS and _NEEDS[mode] != ndim:
        if mode in ("linear", "bilinear", "trilinear"):
            raise NotImplementedError(f"Got {ndim}D input, but {mode} mode needs {_NEEDS[mode]}D input")
        raise _unsupported(ndim, mode)
    if mode == "lanczos":
        if align_corners:
            raise ValueError("Lanczos mode does not support align_corners=True")
        if not antialias:
            raise ValueError("Lanczos mode requires antialias=True")
    return _upsample(input, output, scales, mode, bool(align_corners), antialias)


def _unsupported(ndim: int, mode: str) -> NotImplementedError:
    return NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {ndim}D) for the modes: nearest | linear | "
        "bilinear | "
        f"bicubic | trilinear | lanczos | area | nearest-exact (got {mode})"
    )


def _check_upsample(kernel: str, input: Tensor, output, aligned: tuple, scales) -> None:
    """PyTorch's refusal of sizes that are no integers and of factors that are no numbers."""
    sides = [f"float scales{s} = None" for s in {3: ("",), 4: ("_h", "_w"), 5: ("_d", "_h", "_w")}[input.dim()]]
    start = ", ".join(["Tensor input", "tuple of ints output_size", *(["bool align_corners"] if aligned else [])])
    shown = [f"({start}, tuple of floats scale_factors)", f"({start}, {', '.join(sides)}, *, Tensor out = None)"]
    sized = output is None or all(isinstance(o, (int, np.integer)) or hasattr(o, "__index__") and not isinstance(o, Tensor) for o in output)
    if not sized or (scales is not None and not isinstance(scales[0], (int, float, complex, np.number))):
        raise invalid_combination(kernel, shown, (input, output, *aligned, scales), {})
    for i, s in enumerate(scales or ()):
        if not isinstance(s, (int, float, np.integer, np.floating)):
            found = f"found element of type {plain_type_name(s)} at pos {i + 1}"
            raise TypeError(f"{kernel}(): argument 'scale_factors' must be tuple of floats, but {found}")


def _upsample(input: Tensor, output, scales, mode: str, align_corners: bool, antialias: bool) -> Tensor:
    kernel = f"{'_' if '-' in mode or antialias else ''}upsample_{mode.replace('-', '_')}{input.dim() - 2}d{'_aa' if antialias else ''}"
    tensor_arg(kernel, "input", 1, input)
    _check_upsample(kernel, input, output, () if "nearest" in mode else (align_corners,), scales)
    shape = input._aval.shape
    if scales is not None:
        scales = tuple(float(s) for s in scales)
        output = [n * s for n, s in zip(shape[2:], scales, strict=True)]
        if not all(abs(o) < 2**63 for o in output):
            raise RuntimeError("value cannot be converted to type int64_t without overflow")
    output = tuple(int(o) for o in output)
    if min(shape[2:]) <= 0 or min(output) <= 0:
        names = {1: ("W",), 2: ("H", "W"), 3: ("D", "H", "W")}[len(output)]

        def show(values):
            return ", ".join(f"{n}: {v}" for n, v in zip(names, values, strict=True))

        raise RuntimeError(f"Input and output sizes should be greater than 0, but got input ({show(shape[2:])}) output ({show(output)})")
    if 0 in shape[1:]:
        raise RuntimeError(f"Non-empty {len(shape)}D data tensor expected but got a tensor with sizes {list(shape)}")
    a = input._aval
    kind, images = mode.replace("-exact", ""), len(output) == 2
    if antialias:
        if output != tuple(shape[2:]):
            require_kernel("compute_index_ranges_weights", a, _ANTIALIASED)
    elif a.category != 2 and (a.dtype != np.uint8 or not (images or kind == "nearest")):
        kernel = f"upsample_{kind}2d_channels_last"
        if not images or kind == "bicubic":
            kernel = f"compute_indices_weights_{kind.removeprefix('bi').removeprefix('tri')}"
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_type(input)}'")
    aval((*shape[:2], *output), a.dtype, a.device)  # refuses what is too large
    return ap(V.upsample, (output, mode, align_corners, scales, antialias), input)


def upsample(input: Tensor, size=None, scale_factor=None, mode: str = "nearest", align_corners: bool | None = None) -> Tensor:
    """interpolate under its old name."""
    warnings.warn("`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size=None, scale_factor=None) -> Tensor:
    """interpolate with mode="nearest", under its old name."""
    warnings.warn("`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size=None, scale_factor=None) -> Tensor:
    """interpolate with mode="bilinear" and align_corners, under its old name."""
    warnings.warn("`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


# --- grids -------------------------------------------------------------------------------------------------

GRID_SAMPLE_INTERPOLATION_MODES = {"bilinear": 0, "nearest": 1, "bicubic": 2}
GRID_SAMPLE_PADDING_MODES = {"zeros": 0, "border": 1, "reflection": 2}


def _default_corners(align_corners: bool | None, stacklevel: int = 3) -> bool:
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please "
            "specify "
            "align_corners=True if the old behavior is desired. See the documentation of grid_sample for details.",
            stacklevel=stacklevel,
        )
        return False
    return align_corners


_GRID_SAMPLER = "grid_sampler(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners)"


def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Tensor:
    """Values of (N, C, *spatial) at grid places in [-1, 1] (N, *out, dimensions), x first."""
    if not isinstance(mode, str) or mode not in GRID_SAMPLE_INTERPOLATION_MODES:
        raise ValueError(f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'")
    if not isinstance(padding_mode, str) or padding_mode not in GRID_SAMPLE_PADDING_MODES:
        raise ValueError(
            f"nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: '{padding_mode}'"
        )
    align_corners = _default_corners(align_corners, 4)
    if not (isinstance(input, Tensor) and isinstance(grid, Tensor) and type(align_corners) is bool):
        require(_GRID_SAMPLER, input, grid, 0, 0, align_corners)
    a, g = input._aval, grid._aval
    if not (a.ndim and g.ndim):
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    if a.ndim != g.ndim and a.ndim in (4, 5) and a.shape[0] == g.shape[0]:
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes "
            f"{list(a.shape)} and grid with sizes {list(g.shape)}"
        )
    if a.shape[0] != g.shape[0]:
        raise RuntimeError(
            "grid_sampler(): expected grid and input to have same batch size, but got input with sizes "
            f"{list(a.shape)} and grid with sizes {list(g.shape)}"
        )
    if g.shape[-1] != a.ndim - 2:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {a.ndim - 2} in last dimension, but got grid with sizes {list(g.shape)}"
        )
    for i, n in enumerate(a.shape[2:], 2):
        if n <= 0:
            raise RuntimeError(
                "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes "
                f"{list(a.shape)} with "
                f"dimension {i} being empty"
            )
    if a.ndim not in (4, 5):
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes "
            f"{list(a.shape)} and grid with sizes {list(g.shape)}"
        )
    if mode == "bicubic" and a.ndim != 4:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if a.dtype != g.dtype:
        raise RuntimeError(f"expected scalar type {scalar_type(input)} but found {scalar_type(grid)}")
    return ap(V.grid_sampler, (mode, padding_mode, bool(align_corners)), input, grid)


def affine_grid(theta: Tensor, size, align_corners: bool | None = None) -> Tensor:
    """The sampling grid of affine maps theta: (N, 2, 3) for 4-d sizes, (N, 3, 4) for 5-d sizes."""
    align_corners = _default_corners(align_corners)
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if len(size) not in (4, 5):
        raise NotImplementedError(
            f"affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size {size}."
        )
    n = len(size) - 2
    if theta.dim() != 3 or theta.shape[-2] != n or theta.shape[-1] != n + 1:
        raise ValueError(f"Expected a batch of {n}D affine matrices of shape Nx{n}x{n + 1} for size {size}. Got {theta.shape}.")
    if align_corners and min(size[2:]) == 1:
        warnings.warn(
            "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when align_corners=True. This "
            "is not an "
            "intended use case of affine_grid. See the documentation of affine_grid for details.",
            stacklevel=2,
        )
    elif min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    require("affine_grid_generator(Tensor theta, int[] size, bool align_corners)", theta, size, align_corners)
    return ap(V.affine_grid_generator, (tuple(int(s) for s in size), align_corners), theta)


# --- folding -----------------------------------------------------------------------------------------------


def _pair(name: str, values) -> tuple[int, int]:
    if isinstance(values, int):
        return (values, values)
    values = tuple(int(v) for v in values)
    if len(values) == 1:
        return values * 2
    if len(values) != 2:
        raise RuntimeError(f"It is expected {name} equals to 2, but got size {len(values)}")
    return values


def _twice(*given) -> list:
    """The values as a native function gets them: each twice that is neither a tuple nor a list."""
    return [v if isinstance(v, (tuple, list)) else (v, v) for v in given]


def _check_blocks(kernel, stride, dilation, padding) -> None:
    for what, label, values in (
        ("kernel size", "kernel", kernel),
        ("stride", "stride", stride),
        ("dilation", "dilation", dilation),
    ):
        if min(values) <= 0:
            raise RuntimeError(f"{what} should be greater than zero, but got {label}_height: {values[0]} {label}_width: {values[1]}")
    if min(padding) < 0:
        raise RuntimeError(f"padding should be non-negative, but got pad_height: {padding[0]} pad_width: {padding[1]}")


def unfold(input: Tensor, kernel_size, dilation=1, padding=0, stride=1) -> Tensor:
    """Blocks of (N, C, H, W) as columns (N, C kh kw, L)."""
    sizes = _twice(kernel_size, dilation, padding, stride)
    require("im2col(Tensor input, int[] kernel_size, int[] dilation, int[] padding, int[] stride)", input, *sizes)
    k, d = _pair("kernel_size", kernel_size), _pair("dilation", dilation)
    p, s = _pair("padding", padding), _pair("stride", stride)
    _check_blocks(k, s, d, p)
    a = input._aval
    if a.ndim < 3:  # as the first size that is asked for is told
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-a.ndim}, {a.ndim - 1}], but got {a.ndim})"
            if a.ndim
            else "Dimension specified as 1 but tensor has no dimensions"
        )
    if a.ndim not in (3, 4) or 0 in a.shape[1:] or (a.ndim == 3 and not a.shape[0]):
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for "
            "input, but got: "
            f"{list(a.shape)}"
        )
    return ap(V.im2col, (k, d, p, s), input)


def fold(input: Tensor, output_size, kernel_size, dilation=1, padding=0, stride=1) -> Tensor:
    """Columns (N, C kh kw, L) added up into (N, C, H, W)."""
    sizes = _twice(output_size, kernel_size, dilation, padding, stride)
    require("col2im(Tensor input, int[] output_size, int[] kernel_size, int[] dilation, int[] padding, int[] stride)", input, *sizes)
    o, k, d = _pair("output_size", output_size), _pair("kernel_size", kernel_size), _pair("dilation", dilation)
    p, s = _pair("padding", padding), _pair("stride", stride)
    _check_blocks(k, s, d, p)
    a = input._aval
    if a.ndim not in (2, 3) or 0 in a.shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for "
            "input, but "
            f"got: {list(a.shape)}"
        )
    return ap(V.col2im, (o, k, d, p, s), input)
