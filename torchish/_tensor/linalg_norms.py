"""Matrix norms and condition numbers, cross products and distances, low-rank approximations, LDL."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish._tensor import linalg as la
from torchish._tensor import views
from torchish._tensor.creation import from_host
from torchish._tensor.dispatch import call, composite, number
from torchish._tensor.errors import invalid_arguments
from torchish._tensor.products import matmul
from torchish._tensor.tensor import Tensor
from torchish.ops import distance as ds
from torchish.ops.declare import broadcast_shapes
from torchish.ops.dims import wrap_dim
from torchish.ops.linalg_common import check_float, check_kernel, check_matrix, check_same_dtype, check_square
from torchish.ops.precision import FULL, require_kernel
from torchish.return_types import make

Shape = tuple[int, ...]


# --- norms -------------------------------------------------------------------------------------------------


def _vector_norm(A: Tensor, order: float, dim, keepdim: bool, dtype) -> Tensor:
    import torchish as torch

    return torch.linalg.vector_norm(A, order, dim, keepdim, dtype=dtype)


def _shown(order) -> str:
    return str(order) if isinstance(order, str) else f"{float(order):g}"


def _is_number(order) -> bool:
    return not isinstance(order, str) and order is not None


def _order(x) -> float:
    x = number(x.item() if isinstance(x, Tensor) and not x._aval.ndim else x)
    if isinstance(x, complex):
        raise RuntimeError("linalg.matrix_norm: Expected a non-complex scalar as the order of norm.")
    return float(x)


def _matrix_norm(A: Tensor, order, dim, keepdim: bool, dtype) -> Tensor:
    a = A._aval
    name = "linalg.matrix_norm"
    if _is_number(order):
        order = _order(order)
        if abs(order) not in (1.0, 2.0, math.inf):
            raise RuntimeError(f"{name}: Order {_shown(order)} not supported.")
    elif order not in ("fro", "nuc"):
        raise RuntimeError(f"{name}: Order {order} not supported.")
    check_matrix(a, name)
    dim = (dim,) if isinstance(dim, int) else tuple(dim)
    if len(dim) != 2:
        raise RuntimeError(f"{name}: dim must be a 2-tuple. Got {', '.join(map(str, dim))}")
    check_float(a, name, low_precision=order not in (2.0, -2.0, "nuc"))
    d0, d1 = (wrap_dim(d, a.ndim) for d in dim)
    if d0 == d1:
        raise RuntimeError(f"{name}: dims must be different. Got ({dim[0]}, {dim[1]})")
    if order == "fro":
        return _vector_norm(A, 2.0, (d0, d1), keepdim, dtype)
    if order == "nuc" or abs(order) == 2.0:
        rest = [i for i in range(a.ndim) if i not in (d0, d1)]
        moved = views.permute(A if dtype is None else A.to(dtype), (*rest, d0, d1))
        values = la.svdvals(moved)
        out = values.sum(-1, keepdim) if order == "nuc" else _extreme(values, order, -1, keepdim)
        if keepdim:
            order_back = [0] * a.ndim
            for k, i in enumerate((*rest, d0, d1)):
                order_back[i] = k
            out = views.permute(views.unsqueeze(out, -1), tuple(order_back))
        return out
    if abs(order) == math.inf:
        d0, d1 = d1, d0
    if not keepdim and d0 < d1:
        second = d1 - 1
    else:
        second = d1
    return _extreme(_vector_norm(A, 1.0, (d0,), keepdim, dtype), order, second, keepdim)


def _extreme(x: Tensor, order: float, dim: int, keepdim: bool) -> Tensor:
    if order > 0 and not x._aval.shape[dim]:
        return x.sum(dim, keepdim)  # of nothing: 0
    return x.amax(dim, keepdim) if order > 0 else x.amin(dim, keepdim)


@composite(
    "linalg.matrix_norm(Tensor input, any ord='fro', int[] dim=(-2, -1), bool keepdim=False, *, dtype? dtype=None)", out=True
)
def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    """A norm of matrices: "fro", "nuc", inf, -inf, 1, -1, 2 or -2."""
    if not isinstance(ord, (str, int, float, complex, np.number)) and not (isinstance(ord, Tensor) and not ord._aval.ndim):
        raise invalid_arguments("linalg_matrix_norm", [], (A, ord), {}, False)
    return _matrix_norm(A, ord, dim, keepdim, dtype)


def _number(order: Any) -> Any:
    """The number in a tensor without dimensions; anything else as it is."""
    return order.item() if isinstance(order, Tensor) and not order._aval.ndim and not order._needs() else order


@composite("linalg.norm(Tensor input, any ord=None, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None)", out=True)
def norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):
    """A vector norm (one dimension) or matrix norm (two); without `ord` the 2-norm of all elements."""
    a = A._aval
    ord = _number(ord)
    if ord is not None and not isinstance(ord, (str, int, float, complex, np.number)):
        raise invalid_arguments("linalg_norm", [], (A, ord), {}, False)
    if dim is not None:
        if len(dim) not in (1, 2):
            raise RuntimeError(
                f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got [{', '.join(map(str, dim))}]"
            )
    elif ord is not None and a.ndim not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {a.ndim}D."
        )
    if isinstance(ord, str):
        return _matrix_norm(A, ord, (0, 1) if dim is None else dim, keepdim, dtype)
    if ord is not None and (len(dim) == 2 if dim is not None else a.ndim == 2):
        return _matrix_norm(A, ord, (0, 1) if dim is None else dim, keepdim, dtype)
    return _vector_norm(A, 2.0 if ord is None else _order(ord), dim, keepdim, dtype)


@composite("linalg.cond(Tensor input, any p=None)", out=True)
def cond(A: Tensor, p=None) -> Tensor:
    """The condition number in a matrix norm (default 2)."""
    a = A._aval
    p = _number(p)
    if p is not None and not isinstance(p, (str, int, float, complex, np.number)):
        raise invalid_arguments("linalg_cond", [], (A, p), {}, False)
    if isinstance(p, str):
        check_matrix(a, f"linalg.cond(ord={p})")
        check_square(a, f"linalg.cond(ord={p})")
    elif a.ndim < 2:
        raise RuntimeError("linalg.cond: The input tensor must have at least 2 dimensions.")
    order = 2.0 if p is None else p if isinstance(p, str) else _order(p)
    bad = order not in ("fro", "nuc") if isinstance(order, str) else abs(order) not in (1.0, 2.0, math.inf)
    if bad:
        raise RuntimeError(f"linalg.cond got an invalid norm type: {_shown(order)}")
    if not a.size:
        if isinstance(order, str):
            check_square(a, f"linalg.cond(ord={_shown(order)})")
        return from_host(np.zeros(a.shape[:-2], a.torch_dtype.to_real().np))
    if not isinstance(order, str) and abs(order) == 2.0:
        values = la.svdvals(A)
        n = values._aval.shape[-1]
        last, first = (values._aval.ndim - 1,) * 2
        top, low = views.slice_dim(values, first, 0, 1), views.slice_dim(values, last, n - 1, 1)
        return views.squeeze_dim(top / low if order > 0 else low / top, -1)
    check_square(a, f"linalg.cond(ord={_shown(order)})")
    if order == "nuc":
        values = la.svdvals(A)
        return values.sum(-1) * values.reciprocal().sum(-1)
    inverse, info = la.inv_ex(A)
    singular = views.unsqueeze(views.unsqueeze(info > 0, -1), -1)
    inverse = inverse.masked_fill(singular, math.inf)
    product = _matrix_norm(A, order, (-2, -1), False, None) * _matrix_norm(inverse, order, (-2, -1), False, None)
    return product.nan_to_num(math.inf, math.inf, -math.inf)


@composite("nuclear_norm(Tensor input, bool keepdim=False)", method=False, out=True)
def nuclear_norm(input, keepdim=False):
    """The sum of the singular values (deprecated: `linalg.matrix_norm`)."""
    return _nuclear(input, (0, 1), keepdim)


@composite("nuclear_norm(Tensor input, int[] dim, bool keepdim=False)", method=False, out=True)
def nuclear_norm_dims(input, dim, keepdim=False):
    """The same over two dimensions."""
    return _nuclear(input, dim, keepdim)


def _nuclear(A: Tensor, dim, keepdim: bool) -> Tensor:
    la.deprecated(
        "at::nuclear_norm is deprecated and it is just left for JIT compatibility. It will be removed in a future "
        "PyTorch "
        "release. Please use `linalg.matrix_norm(A, 'nuc', dim, keepdim)` instead",
        "LinearAlgebra.cpp:3229",
    )
    return _matrix_norm(A, "nuc", dim, keepdim, None)


# --- vectors -----------------------------------------------------------------------------------------------


@composite("cross(Tensor input, Tensor other, int? dim=None)", out=True)
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross product along `dim` (deprecated default: the first dimension of size 3)."""
    if dim is None:
        la.deprecated(
            "Using torch.cross without specifying the dim arg is deprecated.\nPlease either pass the dim explicitly or "
            "simply use torch.linalg.cross.\nThe default value of dim will change to agree with that of "
            "linalg.cross in a "
            "future release.",
            "Cross.cpp:63",
        )
        dim = next((i for i, n in enumerate(input._aval.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    return call(ds.cross, input, other, dim=dim)


@composite("linalg.vecdot(Tensor x, Tensor y, *, int dim=-1)", out=True)
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The dot products conj(x) · y along a dimension, with broadcasting."""
    check_float(x._aval, "linalg.vecdot", low_precision=True)
    check_same_dtype(x._aval, y._aval, "linalg.vecdot", "x", "y")
    return (views.conj(x) * y).sum(dim)


_MODES = {"use_mm_for_euclid_dist_if_necessary": 0, "use_mm_for_euclid_dist": 1, "donot_use_mm_for_euclid_dist": 2}


@composite(
    "cdist(Tensor x1, Tensor x2, float p=2.0, str compute_mode='use_mm_for_euclid_dist_if_necessary')",
    aliases=("functional.cdist",), method=False,
)  # fmt: skip
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Tensor:
    """All p-norm distances between the rows of (*, n, m) and (*, k, m): (*, n, k)."""
    if compute_mode not in _MODES:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    mode = _MODES[compute_mode]
    a, b = x1._aval, x2._aval
    for x, name in ((a, "X1"), (b, "X2")):
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
    if a.shape[-1] != b.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {a.shape[-1]} X2: {b.shape[-1]}"
        )
    for x, name in ((a, "X1"), (b, "X2")):
        if x.category != 2:
            raise RuntimeError(
                f"cdist only supports floating-point dtypes, {name} got: {dt.SCALAR_TYPE_NAMES[x.torch_dtype]}"
            )
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    if a.size:
        require_kernel("cdist", a, FULL)
    if a.dtype != b.dtype:
        raise RuntimeError(
            f"expected scalar type {dt.SCALAR_TYPE_NAMES[a.torch_dtype]} but found "
            f"{dt.SCALAR_TYPE_NAMES[b.torch_dtype]}"
        )
    n, k = a.shape[-2], b.shape[-2]
    batch = broadcast_shapes([a.shape[:-2], b.shape[:-2]])
    x1 = x1 if a.shape[:-2] == batch else views.expand(x1, (*batch, *a.shape[-2:]))
    x2 = x2 if b.shape[:-2] == batch else views.expand(x2, (*batch, *b.shape[-2:]))
    if p == 2.0 and a.shape[-1] and (mode == 1 or (mode == 0 and (n > 25 or k > 25))):
        return views.view(call(ds.euclidean_dist, x1, x2), (*batch, n, k))
    return call(ds.cdist, x1, x2, p)


# --- low-rank approximations -------------------------------------------------------------------------------


def _basis(A: Tensor, q: int, niter: int, M: Tensor | None) -> Tensor:
    import torchish as torch

    def less(x: Tensor, m: Tensor | None, r: Tensor) -> Tensor:
        return x if m is None else x - matmul(m, r)

    kind = A._aval.torch_dtype if A._aval.category >= 2 else dt.float32
    R = torch.randn(A._aval.shape[-1], q, dtype=kind, device=A.device)
    Q = torch.linalg.qr(less(matmul(A, R), M, R))[0]
    for _ in range(niter):
        Q = torch.linalg.qr(less(matmul(A.mH, Q), None if M is None else M.mH, Q))[0]
        Q = torch.linalg.qr(less(matmul(A, Q), M, Q))[0]
    return Q


@composite("svd_lowrank(Tensor A, int? q=6, int? niter=2, Tensor? M=None)", method=False)
def svd_lowrank(A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None):
    """U, S, V of a randomized rank-q approximation (Halko et al. 2009, algorithm 5.1)."""
    q = 6 if q is None else q
    m, n = A._aval.shape[-2:]
    if M is not None:
        M = views.expand(M, A._aval.shape)
    if m < n:
        A = A.mH
        M = None if M is None else M.mH
    Q = _basis(A, q, 2 if niter is None else niter, M)
    B = matmul(Q.mH, A)
    if M is not None:
        B = B - matmul(Q.mH, M)
    U, S, Vh = la.linalg_svd(B, False)
    V, U = Vh.mH, matmul(Q, U)
    return (V, S, U) if m < n else (U, S, V)


@composite("pca_lowrank(Tensor A, int? q=None, bool center=True, int niter=2)", method=False)
def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2):
    """U, S, V of a randomized low-rank approximation of the (centred) samples in the rows of A."""
    m, n = A._aval.shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean((-2,), keepdim=True) if center else A, q, niter)


@composite(
    "lobpcg(Tensor A, int? k=None, Tensor? B=None, Tensor? X=None, int? n=None, Tensor? iK=None, int? niter=None, "
    "float? tol=None, bool? largest=None, str? method=None, any tracker=None, any ortho_iparams=None, "
    "any ortho_fparams=None, any ortho_bparams=None)",
    method=False,
)
def lobpcg(A, k=None, B=None, X=None, n=None, iK=None, niter=None, tol=None, largest=None, method=None, tracker=None,
           ortho_iparams=None, ortho_fparams=None, ortho_bparams=None):  # fmt: skip
    """The k largest (or smallest) eigenvalues and their vectors of A x = λ x or A x = λ B x.

    Computed by a dense eigendecomposition, which is exact where PyTorch's iteration stops at `tol`; the random start
    is drawn all the same, so that the generator moves as PyTorch's does.
    """
    import torchish as torch

    shape = A._aval.shape
    m = shape[-1]
    if shape[-2] != m:
        raise AssertionError(f"A must be square, got shape {A.shape}")
    if B is not None and B._aval.shape != shape:
        raise AssertionError(f"A and B must have same shape, got {A.shape} vs {B.shape}")
    k = (1 if X is None else X._aval.shape[-1]) if k is None else k
    n = (k if n is None else n) if X is None else X._aval.shape[-1]
    if m < 3 * n:
        raise ValueError(
            f"LOBPCG algorithm is not applicable when the number of A rows (={m}) is smaller than 3 x the number of "
            f"requested eigenpairs (={n})"
        )
    if X is None:
        for _ in range(math.prod(shape[:-2])):
            torch.randn((m, n), dtype=A.dtype, device=A.device)
    if B is None:
        values, vectors = la.eigh((A + A.mT) / 2)
    else:
        low = la.linalg_cholesky(B)
        half = torch.linalg.solve_triangular(low, A, upper=False)
        middle = torch.linalg.solve_triangular(low, half.mT, upper=False)
        values, vectors = la.eigh((middle + middle.mT) / 2)
        vectors = torch.linalg.solve_triangular(low.mT, vectors, upper=True)
    if largest is None or largest:
        values, vectors = values.flip(-1), vectors.flip(-1)
    return values[..., :k], vectors[..., :k]


# --- LDL ---------------------------------------------------------------------------------------------------
# XLA has no Bunch-Kaufman factorization, and PyTorch no derivative of it: LAPACK is called on the host.


def _lapack(base: str, dtype, hermitian: bool):
    from scipy.linalg import lapack

    letter = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}[np.dtype(dtype).name]
    kind = "he" if hermitian and letter in "cz" else "sy"
    return getattr(lapack, letter + kind + base)


def _no_derivative(name: str, *tensors: Tensor) -> None:
    if any(t._aval.device == "traced" for t in tensors):
        raise NotImplementedError(f"{name} runs LAPACK on the host, which a jax transform cannot trace")


def _ldl(A: Tensor, hermitian: bool):
    a = A._aval
    name = "torch.linalg.ldl_factor_ex"
    check_square(a, name)
    check_float(a, name, low_precision=True)
    check_kernel(a, "ldl_factor_kernel_cpu")
    _no_derivative("linalg.ldl_factor", A)
    values = la.value(A)
    flat = values.reshape(math.prod(a.shape[:-2]), *a.shape[-2:])
    factor = _lapack("trf", a.dtype, hermitian)
    made, pivots = np.zeros_like(flat), np.zeros(flat.shape[:-1], np.int32)
    info = np.zeros(flat.shape[:1], np.int32)
    for i, matrix in enumerate(flat):
        if matrix.size:
            ld, pivot, info[i] = factor(matrix, lower=1)
            made[i], pivots[i] = np.tril(ld), pivot
    return (
        la.by_columns(from_host(made.reshape(values.shape))),
        from_host(pivots.reshape(a.shape[:-1])),
        from_host(info.reshape(a.shape[:-2])),
    )


@composite("linalg.ldl_factor_ex(Tensor input, *, bool hermitian=False, bool check_errors=False)", out=True)
def ldl_factor_ex(A, *, hermitian=False, check_errors=False):
    """LAPACK's compact LDL factors of a symmetric (Hermitian) matrix, its pivots, and info."""
    ld, pivots, info = _ldl(A, hermitian)
    if check_errors:
        la.check_info(info, "torch.linalg.ldl_factor_ex")
    return make("linalg_ldl_factor_ex")((ld, pivots, info))


@composite("linalg.ldl_factor(Tensor input, *, bool hermitian=False)", out=True)
def ldl_factor(A, *, hermitian=False):
    """LAPACK's compact LDL factors and pivots."""
    ld, pivots, info = _ldl(A, hermitian)
    la.check_info(info, "torch.linalg.ldl_factor")
    return make("linalg_ldl_factor")((ld, pivots))


@composite("linalg.ldl_solve(Tensor LD, Tensor pivots, Tensor B, *, bool hermitian=False)", out=True)
def ldl_solve(LD, pivots, B, *, hermitian=False):
    """The solution X of A X = B from `linalg.ldl_factor(A)`."""
    a, p, b = LD._aval, pivots._aval, B._aval
    name = "torch.linalg.ldl_solve"
    check_square(a, name)
    check_float(a, name, low_precision=True)
    if b.ndim < 2:
        raise RuntimeError(f"{name}: Expected B to have at least 2 dimensions, but it has {b.ndim} dimensions instead")
    if p.shape != a.shape[:-1]:
        raise RuntimeError(
            f"{name}: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with shape "
            f"{list(p.shape)} instead"
        )
    if p.category != 1:
        raise RuntimeError(f"{name}: Expected pivots to be integers. Got {dt.SCALAR_TYPE_NAMES[p.torch_dtype]}")
    if a.dtype != b.dtype:
        raise RuntimeError(
            f"ldl_solve: Expected LD and B to have the same dtype, but found LD of type "
            f"{dt.SCALAR_TYPE_NAMES[a.torch_dtype]} and B of type {dt.SCALAR_TYPE_NAMES[b.torch_dtype]} instead"
        )
    check_kernel(a, "ldl_solve_kernel_cpu")
    _no_derivative("linalg.ldl_solve", LD, pivots, B)
    batch = broadcast_shapes([a.shape[:-2], b.shape[:-2]])
    count = math.prod(batch)
    ld = np.broadcast_to(la.value(LD), batch + a.shape[-2:]).reshape(count, *a.shape[-2:])
    pv = np.broadcast_to(la.value(pivots), batch + p.shape[-1:]).reshape(count, p.shape[-1])
    rhs = np.broadcast_to(la.value(B), batch + b.shape[-2:]).reshape(count, *b.shape[-2:])
    solver = _lapack("trs", a.dtype, hermitian)
    made = np.zeros_like(rhs)
    for i in range(len(rhs)):
        if rhs[i].size:
            made[i] = solver(ld[i], pv[i], rhs[i], lower=1)[0]
    return la.by_columns(from_host(made.reshape(*batch, *b.shape[-2:])))

