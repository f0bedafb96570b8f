"""Histograms: PyTorch's checks (some need the values) and argument forms, on the operations of `ops/histogram.py`."""

from __future__ import annotations

import math

from torchish import _dtypes as dt
from torchish._tensor.dispatch import NoMatch, call, composite, number
from torchish._tensor.tensor import Tensor
from torchish.engine.expr import TRACED
from torchish.ops import histogram as h
from torchish.ops.precision import FULL, REAL, require_kernel
from torchish.return_types import make


def _finite_range(input: Tensor) -> tuple[float, float]:
    """The values' range, (0, 0) where it cannot be known yet."""
    if input._aval.device in (TRACED, "meta") or not input._aval.size:
        return 0.0, 0.0
    array = input._host()
    return float(array.min()), float(array.max())


def _text(x: float) -> str:
    return f"{x:g}"


@composite("histc(Tensor input, int bins=100, scalar min=0, scalar max=0)", out=True)
def histc(input, bins, min, max):
    """Counts of the elements in `bins` equal bins of [min, max] (of their own range when both are equal)."""
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    ranged = min == max
    if input.dtype.category == 3:
        require_kernel("aminmax_cpu" if ranged else "histogram_cpu", input._aval, REAL)
    low, high = _finite_range(input) if ranged else (min, max)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"torch.histc: range of [{_text(low)}, {_text(high)}] is not finite")
    if low > high:
        raise RuntimeError("torch.histc: max must be larger than min")
    require_kernel("histogram_cpu" if input.dtype.category else "linspace_cpu", input._aval, REAL)
    return call(h.histc, input, bins, min, max)


def _check_input(input: Tensor, n_bins: int, edges_given: bool, range_given: bool) -> None:
    if not (edges_given or range_given) and input._aval.size:  # the values' range is found by a function of fewer dtypes
        require_kernel("histogramdd", input._aval, FULL)
    require_kernel("histogram_cpu" if edges_given or input.dtype.category else "linspace_cpu", input._aval, REAL)
    if input.ndim < 2:
        raise RuntimeError("torch.histogramdd: input tensor should have at least 2 dimensions")
    columns = input._aval.shape[-1]
    if n_bins != columns:
        raise RuntimeError(
            f"torch.histogramdd: expected {columns} sequences of bin edges for a {columns}-dimensional "
            f"histogram but got {n_bins}"
        )


def _check_weight(input: Tensor, weight: Tensor | None) -> None:
    if weight is None:
        return
    if weight.dtype is not input.dtype:
        raise RuntimeError(
            "torch.histogramdd: if weight tensor is provided, input tensor and weight tensor should have "
            "the same dtype, but "
            f"got input({_c_name(input)}), and weight({_c_name(weight)})"
        )
    if weight._aval.shape != input._aval.shape[:-1]:
        raise RuntimeError(
            "torch.histogramdd: if weight tensor is provided it should have the same shape as the input "
            "tensor excluding its "
            f"innermost dimension, but got input with shape {list(input.shape)} and weight with shape "
            f"{list(weight.shape)}"
        )


def _c_name(t: Tensor) -> str:
    return dt.cpp_name(t.dtype)


def counted(input: Tensor, bins: tuple[int, ...], range) -> tuple[Tensor, ...]:
    """The bin edges for these numbers of bins."""
    for i, n in enumerate(bins):
        if n <= 0:
            raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {n} for dimension {i}")
    d = len(bins)
    rows = input.reshape(-1, d)
    if range is not None:
        if len(range) != 2 * d:
            raise RuntimeError(
                f"torch.histogramdd: for a {d}-dimensional histogram range should have {2 * d} elements, "
                f"but got {len(range)}"
            )
        limits = list(zip(range[::2], range[1::2], strict=True))
    elif rows._aval.size and rows._aval.device not in (TRACED, "meta"):
        array = rows._host()
        limits = list(zip(array.min(0).tolist(), array.max(0).tolist(), strict=True))
    else:
        limits = [(0.0, 1.0)] * d
        range = None if rows._aval.size else (0.0, 1.0) * d
    for i, (low, high) in enumerate(limits):
        if not (math.isfinite(low) and math.isfinite(high)):
            raise RuntimeError(f"torch.histogramdd: dimension {i}'s range [{_text(low)}, {_text(high)}] is not finite")
        if low > high:
            raise RuntimeError(
                f"torch.histogramdd: min should not exceed max, but got min {_text(low)} max {_text(high)} "
                f"for dimension {i}"
            )
    return call(h.bin_edges, rows, bins, range)


def _check_edges(input: Tensor, edges) -> None:
    for i, e in enumerate(edges):
        if e.dtype is not input.dtype:
            raise RuntimeError(
                "torch.histogramdd: input tensor and bins tensors should have the same dtype, but got input with dtype "
                f"{_c_name(input)} and bins for dimension {i} with dtype {_c_name(e)}"
            )
        if e.ndim != 1:
            raise RuntimeError(
                f"torch.histogramdd: bins tensor should have one dimension, but got {e.ndim} dimensions in "
                "the bins tensor for "
                f"dimension {i}"
            )
        if not e.numel():
            raise RuntimeError(
                "torch.histogramdd: bins tensor should have at least 1 element, but got 0 elements in the bins tensor for "
                f"dimension {i}"
            )
        if e.numel() < 2:
            raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {e.numel() - 1} for dimension {i}")


def _histogram(input: Tensor, bins, range, weight, density: bool) -> tuple[Tensor, tuple[Tensor, ...]]:
    tensors = bool(bins) and isinstance(bins[0], Tensor)
    _check_input(input, len(bins), tensors, range is not None)
    if tensors:
        _check_edges(input, bins)
        edges = tuple(bins)
    _check_weight(input, weight)
    if not tensors:
        edges = counted(input, bins, range)
    rows = input.reshape(-1, len(bins))
    return call(h.histogramdd, rows, edges, None if weight is None else weight.reshape(-1), density), edges


@composite("histogram(Tensor input, Tensor bins, *, Tensor? weight=None, bool density=False)", out=True)
def histogram_of_edges(input, bins, *, weight, density):
    """Weights of the elements between given bin edges."""
    hist, _ = _histogram(input.reshape(-1, 1), (bins,), None, None if weight is None else weight.reshape(-1), density)
    return make("histogram")((hist, bins))


@composite(
    "histogram(Tensor input, int bins=100, *, float[]? range=None, Tensor? weight=None, bool density=False)", out=True
)
def histogram(input, bins, *, range, weight, density):
    """Weights of the elements in equal bins over a range, and the bin edges."""
    hist, edges = _histogram(
        input.reshape(-1, 1), (bins,), range, None if weight is None else weight.reshape(-1), density
    )
    return make("histogram")((hist, edges[0]))


@composite(
    "histogramdd(Tensor input, any bins, float[]? range=None, Tensor? weight=None, bool density=False)", method=False
)
def histogramdd(input, bins, range, weight, density):
    """Weights of the points (last dimension: coordinates) in the cells of a grid, and the grid's edges."""
    if not isinstance(bins, (tuple, list)):
        try:
            bins = (int(number(bins)),) * (input._aval.shape[-1] if input.ndim else 1)
        except NoMatch:
            raise TypeError("histogramdd(): bins must be an int, ints, or tensors") from None
    bins = tuple(bins)
    if input.ndim >= 2 and not isinstance(bins[0], Tensor) and len(bins) != input._aval.shape[-1]:
        raise RuntimeError("histogramdd: The size of bins must be equal to the innermost dimension of the input.")
    hist, edges = _histogram(input, bins, range, weight, density)
    return make("histogramdd")((hist, edges))
