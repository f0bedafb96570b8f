"""Standard deviation, variance and norms: the argument forms of PyTorch, on the operations of `ops/statistics.py`."""

from __future__ import annotations

from torchish._tensor.data import triggered
from torchish._tensor.dispatch import call, composite
from torchish._tensor.errors import plain_type_name
from torchish._tensor.tensor import Tensor
from torchish._tensor.warn import warn_user
from torchish.ops import statistics as s
from torchish.ops.dims import wrap_dims
from torchish.ops.linalg_common import check_float


def _spread(name: str, op, input: Tensor, dim, correction, keepdim: bool):
    a = input._aval
    if a.category < 2:
        raise RuntimeError(
            f"{name} only support floating point and complex dtypes"
            if name.endswith("_mean")
            else "std and var only support floating point and complex dtypes"
        )
    correction = 1.0 if correction is None else float(correction)
    axes = wrap_dims(dim, a.ndim)
    count = outputs = 1
    for i, n in enumerate(a.shape):
        if i in axes:
            count *= n
        else:
            outputs *= n
    if (count if outputs else 0) - correction <= 0:
        warn_user(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor "
            "(input numel divided by output numel)." + triggered("aten/src/ATen/native/ReduceOps.cpp:1861"),
        )
    return call(op, input, dim or None, correction, keepdim)


def _declare(name: str, op, method: bool) -> None:
    @composite(f"{name}(Tensor input, bool unbiased=True)", method=method)
    def full(input, unbiased):
        return _spread(name, op, input, None, float(unbiased), False)

    @composite(f"{name}(Tensor input, int[]? dim, bool unbiased=True, bool keepdim=False)", method=method, out=True)
    def over_dims(input, dim, unbiased, keepdim):
        return _spread(name, op, input, dim, float(unbiased), keepdim)

    @composite(
        f"{name}(Tensor input, int[]? dim=None, *, Number? correction=None, bool keepdim=False)",
        method=method,
        out=True,
    )
    def corrected(input, dim, *, correction, keepdim):
        return _spread(name, op, input, dim, correction, keepdim)

    for f in (full, over_dims, corrected):
        f.__doc__ = f"The {name} over all elements or dimensions, with `correction` (1: unbiased) taken from the count."


_declare("std", s.std, True)
_declare("var", s.var, True)
_declare("std_mean", s.std_mean, False)
_declare("var_mean", s.var_mean, False)


@composite("norm(Tensor input, any? p='fro', int[]? dim=None, bool keepdim=False, *, dtype? dtype=None)", out=True)
def norm(input, p, dim, keepdim, *, dtype=None):
    """The vector norm of order `p` over dimensions; 'fro' is the 2-norm, 'nuc' the nuclear norm of matrices."""
    if isinstance(p, str) and not (p == "fro" and (dim is None or len(dim) <= 2)):
        dims = tuple(range(input.ndim)) if dim is None else dim
        if p not in ("fro", "nuc"):
            raise RuntimeError(f"linalg.matrix_norm: Order {p} not supported.")
        if len(dims) != 2:
            raise RuntimeError("linalg.matrix_norm: dim must be a 2-tuple. Got " + " ".join(map(str, dims)))
        check_float(input._aval, "linalg.matrix_norm")
        return call(s.nuclear_norm, input if dtype is None else input.to(dtype), dims, keepdim)
    order = 2.0 if p is None or isinstance(p, str) else p.item() if isinstance(p, Tensor) and p.ndim == 0 else p
    if not isinstance(order, (int, float, complex)):
        raise TypeError(f"linalg_vector_norm(): argument 'ord' (position 2) must be Number, not {plain_type_name(order)}")
    if isinstance(order, complex):
        raise RuntimeError("linalg.vector_norm: Expected a non-complex scalar as the order of norm.")
    return call(s.vector_norm, input, order, dim, keepdim, dtype=dtype)


@composite("norm(Tensor input, any? p, int[]? dim, bool keepdim, dtype? dtype)", function=False)
def norm_method(input, p, dim, keepdim, dtype):
    return norm(input, p, dim, keepdim, dtype=dtype)
