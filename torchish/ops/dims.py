"""Dimension arguments: wrapping negatives, checking ranges, with PyTorch's messages."""

from __future__ import annotations

from collections.abc import Sequence


def wrap_dim(dim: int, ndim: int, *, scalar: bool = True) -> int:
    """A dimension index in [0, ndim); IndexError when out of range. A 0-d tensor counts as 1-d when `scalar`."""
    if ndim <= 0:
        if not scalar:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        ndim = 1
    if not -ndim <= dim < ndim:
        if not -(2**63) <= dim < 2**63:
            raise ValueError("Overflow when unpacking long long")
        raise IndexError(f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {dim})")
    return dim + ndim if dim < 0 else dim


def size_of(x, dim: int) -> int:
    """The size of a dimension; IndexError where there is none, as PyTorch's kernels ask for it before they check."""
    return x.shape[wrap_dim(dim, x.ndim, scalar=False)]


def refuse_many_dims(ndim: int) -> None:
    """RuntimeError for tensors of which PyTorch cannot reduce some dimensions: it keeps sets of dimensions in 64 bits."""
    if ndim > 64:
        raise RuntimeError("only tensors with up to 64 dims are supported")


def wrap_dims(dims: int | Sequence[int] | None, ndim: int, *, unique: bool = True) -> tuple[int, ...]:
    """Wrap several dimensions (None or empty: all); RuntimeError when one appears twice."""
    if dims is None or (not isinstance(dims, int) and len(dims) == 0):
        return tuple(range(ndim))
    refuse_many_dims(ndim)
    if isinstance(dims, int):
        dims = (dims,)
    out = tuple(wrap_dim(int(d), ndim) for d in dims)
    if unique:
        seen: set[int] = set()
        for d in out:
            if d in seen:
                raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
            seen.add(d)
    return out if ndim else ()
