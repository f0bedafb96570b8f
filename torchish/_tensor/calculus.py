"""`gradient` on the operations of `ops/calculus.py`; covariances, of the operations that PyTorch composes them of."""

from __future__ import annotations

from typing import Any

from torchish import _dtypes as dt
from torchish._tensor.data import triggered
from torchish._tensor.dispatch import NoMatch, _ints, call, composite, number
from torchish._tensor.errors import invalid_arguments, not_a_tensor
from torchish._tensor.tensor import Tensor
from torchish._tensor.warn import warn_user
from torchish.ops import calculus as c
from torchish.ops.dims import wrap_dims
from torchish.ops.trigonometric import complex as complex_op

_SPACING = "torch.gradient expected spacing to be unspecified, a scalar"


@composite("gradient(Tensor input, *, any spacing=None, any dim=None, int edge_order=1)", method=False)
def gradient(input, *, spacing, dim, edge_order):
    """Derivatives along dimensions at points given by a step, steps, or coordinates: one tensor per dimension."""
    try:
        dims = None if dim is None else _ints(dim)
        listed = isinstance(spacing, (tuple, list))
        coordinates = listed and any(isinstance(s, Tensor) for s in spacing)
        if coordinates:
            if not all(isinstance(s, Tensor) for s in spacing):
                i = next(i for i, s in enumerate(spacing) if not isinstance(s, Tensor))
                raise not_a_tensor(i, 1, spacing[i])
            steps: Any = list(spacing)
        elif listed:
            steps = [number(s) for s in spacing]
        else:
            steps = 1 if spacing is None else number(spacing.item() if isinstance(spacing, Tensor) else spacing)
    except NoMatch:
        kwargs = {k: v for k, v in (("spacing", spacing), ("dim", dim)) if v is not None}
        raise invalid_arguments("gradient", [], (input,), kwargs, False) from None
    if input.dtype is dt.uint8:
        raise RuntimeError("torch.gradient does not support uint8 input.")
    if listed:
        n = len(steps)
        if dims is None and n != input.ndim:
            raise RuntimeError(
                f"{_SPACING}, or a list of length equal to 'self.dim() = {input.ndim}', since dim argument "
                "was not given, but "
                f"got a list of length {n}"
            )
        if dims is not None and n != len(dims):
            raise RuntimeError(
                f"{_SPACING} or it's spacing and dim arguments to have the same length, but got a spacing "
                "argument of length "
                f"{n} and a dim argument of length {len(dims)}."
            )
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    axes = wrap_dims(dims, input.ndim)
    for a in axes:
        if input._aval.shape[a] < edge_order + 1:
            raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
    if coordinates:
        for s in steps:
            if s._aval.device != input._aval.device:
                raise RuntimeError(
                    f"torch.gradient expected each tensor to be on the same device, but got devices {input.device} and {s.device}!"
                )
        for s in steps:
            if s.ndim != 1:
                raise RuntimeError(
                    "torch.gradient expected each element of spacing to have one dimension, but got an element with "
                    f"{s.ndim} dimensions!"
                )
    if input.dtype is dt.bool_:
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
            "`logical_xor()` operator "
            "instead."
        )
    if not listed:
        steps = [steps] * len(axes)
    op = c.gradient_at if coordinates else c.uniform_gradient
    return tuple(call(op, input, s, a, edge_order) for a, s in zip(axes, steps, strict=True))


def _check_weights(name: str, kind: str, w: Tensor, n: int) -> None:
    if w.ndim > 1:
        raise RuntimeError(
            f"cov(): expected {name} to have one or fewer dimensions but got {name} with {w.ndim} dimensions"
        )
    if (w.dtype.category != 1) if kind == "integral" else (w.dtype.category != 2):
        raise RuntimeError(
            f"cov(): expected {name} to have {kind} dtype but got {name} with {dt.SCALAR_TYPE_NAMES[w.dtype]} dtype"
        )
    if w.numel() != n:
        raise RuntimeError(
            f"cov(): expected {name} to have the same numel as there are observations in the input but got "
            f"{w.numel()} != {n}"
        )
    if w._aval.device != "traced" and n and (w._host() < 0).any():
        raise RuntimeError(f"cov(): {name} cannot be negative")


@composite("cov(Tensor input, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None)")
def cov(input, *, correction, fweights, aweights):
    """The covariance matrix of the rows (variables) over the columns (observations), with weights."""
    if input.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions"
        )
    if input.dtype is dt.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = input.view(1, -1) if input.ndim < 2 else input
    n = x._aval.shape[1]
    w = fweights
    if fweights is not None:
        _check_weights("fweights", "integral", fweights, n)
    if aweights is not None:
        _check_weights("aweights", "floating point", aweights, n)
        w = aweights if w is None else w * aweights
    total = n if w is None else w.sum()
    known = w is None or w._aval.device != "traced"
    if w is not None and known and not total.item():
        raise RuntimeError("cov(): weights sum to zero, can't be normalized")
    x = x - ((x if w is None else x * w).sum(1) / total).unsqueeze(1)
    norm = total - correction
    if aweights is not None and correction:
        norm = total - correction * (w * aweights).sum() / total
    if known and (norm if w is None else norm.item()) <= 0:
        warn_user(
            "cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of observations."
            + triggered("aten/src/ATen/native/Correlation.cpp:129"),
        )
        norm = 0 if w is None else norm.zero_()
    return (x.mm((x if w is None else x * w).t().conj()) / norm).squeeze()


@composite("corrcoef(Tensor input)", out=False)
def corrcoef(input):
    """The correlation matrix of the rows, entries in [-1, 1]."""
    if input.ndim > 2:
        raise RuntimeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions"
        )
    c = cov(input, correction=1, fweights=None, aweights=None)
    if not c.ndim:
        return c / c
    deviation = (c.diag().real if c.is_complex() else c.diag()).sqrt()
    c = c / deviation.view(-1, 1) / deviation.view(1, -1)
    return call(complex_op, c.real.clip(-1, 1), c.imag.clip(-1, 1)) if c.is_complex() else c.clip(-1, 1)
