"""`torch.linalg` and its older relatives: what PyTorch composes, and what it checks after computing.

A singular matrix is an error at the call, so the functions that can fail read LAPACK's info there and then (unless the
values live inside a jax transform). Matrices come out of LAPACK column by column, and their strides say so.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish._tensor import views
from torchish._tensor.apply import apply
from torchish._tensor.creation import from_host
from torchish._tensor.data import triggered, warn_once
from torchish._tensor.dispatch import call, composite
from torchish._tensor.levels import without_derivative
from torchish._tensor.tensor import Tensor
from torchish.autograd.grad_mode import STATE
from torchish.engine.expr import TRACED, Aval
from torchish.engine.program import force
from torchish.ops import linalg_decompositions as d
from torchish.ops import linalg_solve as s
from torchish.ops.linalg_common import check_float, check_kernel, check_matrix, check_square
from torchish.return_types import make


class LinAlgError(RuntimeError):
    """A linear algebra routine could not do its work for these values: singular, not positive-definite, not finite."""


LinAlgError.__name__ = LinAlgError.__qualname__ = "_LinAlgError"
LinAlgError.__module__ = "torch._C"


def value(t: Tensor) -> Any:
    """A tensor's value on the host, or None inside a jax transform."""
    if t._aval.device is TRACED:
        return None
    return np.asarray(force(t._read()))


def check_info(info: Tensor, name: str) -> None:
    """Raise PyTorch's error for the first nonzero LAPACK info of a batch."""
    v = value(info)
    if v is None or not v.any():
        return
    where = ""
    if v.ndim:
        k = int(np.flatnonzero(v)[0])
        where, n = f": (Batch element {k})", int(v.reshape(-1)[k])
    else:
        n = int(v)
    if "inv" in name:
        what = (
            f"The diagonal element {n} is zero, the inversion could not be completed because the input matrix is singular."
        )
    elif "solve" in name:
        what = "The solver failed because the input matrix is singular."
    elif "cholesky" in name:
        what = (
            "The factorization could not be completed because the input is not positive-definite (the leading minor of "
            f"order {n} is not positive-definite)."
        )
    elif "ldl" in name:
        what = f"The diagonal block {n} is singular."
    else:
        raise RuntimeError(
            f"{name}{where}: U[{n},{n}] is zero and using it on lu_solve would result in a division by zero. If you "
            "still "
            "want to perform the factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)"
        )
    raise LinAlgError(f"{name}{where}: {what}")


def by_columns(t: Tensor) -> Tensor:
    """A fresh result with its matrices in column-major memory."""
    shape = t._aval.shape
    n = len(shape)
    if n >= 2:
        strides, k = [0] * n, 1
        for i in (n - 2, n - 1, *range(n - 3, -1, -1)):
            strides[i] = k
            k *= max(shape[i], 1)
        t._strides = t._storage.strides = tuple(strides)
    return t


def _recorded(*tensors: Tensor) -> bool:
    return STATE.enabled and any(t._needs() for t in tensors)


def deprecated(text: str, file: str) -> None:
    """PyTorch's once-per-process deprecation warning."""
    warn_once(text + triggered(f"aten/src/ATen/native/{file}"))


def _public(signature: str, o, fields: str = "", plain: str = "") -> None:
    """The public form of a hidden operation: column-major results, in a named tuple if there are `fields`.

    The results named in `plain` have no gradient.
    """
    name = signature.partition("(")[0].replace(".", "_")
    names = tuple(fields.split())
    results = make(name, names) if names else None

    def f(*args, **kwargs):
        got = call(o, *args, **kwargs)
        if results is None:
            return by_columns(got)
        for t, n in zip(got, names, strict=True):
            if n in plain.split():
                without_derivative(t)
            by_columns(t)
        return results(got)

    f.__doc__ = o.body.__doc__
    f.__name__ = name
    composite(signature, out=True)(f)


# --- determinants and inverses -----------------------------------------------------------------------------

_INV = s.inv_ex.spec(("T",), ())


def inv(A: Tensor) -> Tensor:
    """The inverse of square matrices; LinAlgError when one is singular."""
    inverse, info = apply(_INV, (A,))
    check_info(info, "linalg.inv")
    return by_columns(inverse)


composite("linalg.inv(Tensor A)", out=True, aliases=("linalg.inverse",))(inv)
composite("inverse(Tensor input)", out=True)(inv)


@composite("linalg.inv_ex(Tensor A, *, bool check_errors=False)", out=True)
def inv_ex(A: Tensor, *, check_errors: bool = False):
    """The inverse and LAPACK's info; raises for singular matrices only if asked to."""
    inverse, info = apply(_INV, (A,))
    if check_errors:
        check_info(info, "linalg.inv_ex")
    return make("linalg_inv_ex")((by_columns(inverse), info))


@composite("logdet(Tensor input)")
def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant: nan where it is negative."""
    check_square(input._aval, "logdet")
    check_float(input._aval, "logdet")
    sign, logabs = call(s.slogdet, input)
    if input._aval.category == 3:
        return sign.log() + logabs
    import torchish as torch

    return torch.where(sign == -1.0, float("nan"), logabs)


# --- systems -----------------------------------------------------------------------------------------------


def _solve(A: Tensor, B: Tensor, left: bool):
    result, info = call(s.solve_ex, A, B, left)
    vector = s.is_vector(A._aval.shape, B._aval.shape)
    return (result if vector else by_columns(result) if left else result), info


@composite("linalg.solve(Tensor A, Tensor B, *, bool left=True)", out=True)
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """The solution X of A X = B (X A = B); LinAlgError when A is singular."""
    result, info = _solve(A, B, left)
    check_info(info, "torch.linalg.solve")
    return result


@composite("linalg.solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False)", out=True)
def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False):
    """The solution of A X = B and LAPACK's info."""
    result, info = _solve(A, B, left)
    if check_errors:
        check_info(info, "torch.linalg.solve_ex")
    return make("linalg_solve_ex")((result, info))


@composite(
    "triangular_solve(Tensor input, Tensor A, bool upper=True, bool transpose=False, bool unitriangular=False)",
    out=True,
)
def triangular_solve(input, A, upper=True, transpose=False, unitriangular=False):
    """The solution of A X = b for triangular A (deprecated: `linalg.solve_triangular`)."""
    deprecated(
        "torch.triangular_solve is deprecated in favor of torch.linalg.solve_triangularand will be removed in a future "
        "PyTorch release.\ntorch.linalg.solve_triangular has its arguments reversed and does not return a copy of "
        "one of "
        "the inputs.\nX = torch.triangular_solve(B, A).solution\nshould be replaced with\n"
        "X = torch.linalg.solve_triangular(A, B).",
        "BatchLinearAlgebra.cpp:2273",
    )
    x, copy = call(s.triangular_solve, input, A, upper, transpose, unitriangular)
    return make("triangular_solve")((by_columns(x), by_columns(copy)))


@composite("lu_solve(Tensor input, Tensor LU_data, Tensor LU_pivots)", out=True)
def lu_solve(input, LU_data, LU_pivots):
    """The solution of A X = b from `linalg.lu_factor(A)` (deprecated: `linalg.lu_solve`)."""
    deprecated(
        "torch.lu_solve is deprecated in favor of torch.linalg.lu_solveand will be removed in a future PyTorch "
        "release.\n"
        "Note that torch.linalg.lu_solve has its arguments reversed.\nX = torch.lu_solve(B, LU, pivots)\nshould be "
        "replaced with\nX = torch.linalg.lu_solve(LU, pivots, B)",
        "BatchLinearAlgebra.cpp:2230",
    )
    return by_columns(call(s.lu_solve, LU_data, LU_pivots, input, left=True, adjoint=False))


_public("linalg.lu_solve(Tensor LU, Tensor pivots, Tensor B, *, bool left=True, bool adjoint=False)", s.lu_solve)
_public(
    "linalg.solve_triangular(Tensor input, Tensor B, *, bool upper, bool left=True, bool unitriangular=False)",
    s.solve_triangular,
)
_public("cholesky_solve(Tensor input, Tensor input2, bool upper=False)", s.cholesky_solve)
_public("cholesky_inverse(Tensor input, bool upper=False)", s.cholesky_inverse)


@composite("linalg.tensorinv(Tensor input, int ind=2)", out=True)
def tensorinv(input: Tensor, ind: int = 2) -> Tensor:
    """The inverse for `tensordot`: the first `ind` dimensions against the others."""
    shape = input._aval.shape
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    if ind > len(shape):
        raise RuntimeError(f"ArrayRef: invalid slice, N = {ind}; size = {len(shape)}")
    rows, columns = _product(shape[:ind]), _product(shape[ind:])
    if rows != columns:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
            f"{columns} != {rows}"
        )
    inverse, info = apply(_INV, (views.reshape(input, (rows, columns)),))
    check_info(info, "inv")
    return views.reshape(by_columns(inverse), (*shape[ind:], *shape[:ind]))


def _product(shape) -> int:
    n = 1
    for k in shape:
        n *= k
    return n


@composite("linalg.tensorsolve(Tensor input, Tensor other, int[!]? dims=None)", out=True)
def tensorsolve(A: Tensor, B: Tensor, dims=None) -> Tensor:
    """The solution X of tensordot(A, X, X.ndim) = B; `dims` of A are moved to its end first."""
    n = A._aval.ndim
    if dims is not None:
        A = views.movedim(A, tuple(dims), tuple(range(n - len(dims), n)))
    shape = A._aval.shape
    out = shape[B._aval.ndim :]
    rows, columns = B._aval.size, _product(out)
    if rows != columns:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            "prod(self.shape[:other.ndim]), but "
            f"got {columns} != {rows}"
        )
    flat = views.reshape(A, (rows, columns))
    result, info = call(s.solve_ex, flat, views.reshape(B, (-1,)), True)
    check_info(info, "torch.linalg.solve")
    return views.reshape(result, out)


_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


@composite("linalg.lstsq(Tensor input, Tensor b, float? rcond=None, *, str? driver=None)", out=True)
def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None):
    """Least squares: solution, residuals (for full rank and more rows than columns), rank, singular values."""
    a, b = A._aval, B._aval
    name = "torch.linalg.lstsq"
    if a.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if b.ndim < 1:
        raise RuntimeError(f"{name}: other must have at least 1 dimension.")
    difference = a.ndim - b.ndim
    if not 0 <= difference <= 1 and b.ndim > a.ndim:
        raise RuntimeError(
            f"{name}: input.dim() must be greater or equal to other.dim() and (input.dim() - other.dim()) <= 1"
        )
    if a.dtype != b.dtype:
        raise RuntimeError(
            f"{name}: Expected input and other to have the same dtype, but got input's dtype "
            f"{dt.SCALAR_TYPE_NAMES[a.torch_dtype]} and other's dtype {dt.SCALAR_TYPE_NAMES[b.torch_dtype]}"
        )
    vector = s.is_lstsq_vector(a.shape, b.shape)
    if vector and a.shape[-2] != b.shape[-1]:
        raise RuntimeError(f"{name}: input.size(-2) should match other.size(-1)")
    if not vector and a.shape[-2] != b.shape[-2]:
        raise RuntimeError(f"{name}: input.size(-2) should match other.size(-2)")
    driver = "gelsy" if driver is None else driver
    if driver not in _DRIVERS:
        raise RuntimeError(f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)")
    m, n = a.shape[-2:]
    if rcond is None:
        rcond = _epsilon(a) * max(m, n)
    check_kernel(a, "linalg_lstsq_cpu")
    full = m > n and driver != "gelsy"
    got = call(s.lstsq, A, B, rcond, driver, full)
    solution, residuals, rank, singular = got
    real = residuals._aval.dtype
    if full and driver != "gels":
        known = value(rank)
        if known is not None and (known != n).any():
            residuals = from_host(np.zeros((0,), real))
    without_derivative(singular)
    if driver == "gels":
        rank = from_host(np.zeros((0,), np.int64))
    if driver in ("gels", "gelsy"):
        singular = from_host(np.zeros((0,), real))
    return make("linalg_lstsq")((solution if vector else by_columns(solution), residuals, rank, singular))


# --- Cholesky and LU ---------------------------------------------------------------------------------------


@composite("linalg.cholesky_ex(Tensor input, *, bool upper=False, bool check_errors=False)", out=True)
def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False):
    """The Cholesky factor, and info: the order of the first minor that is not positive-definite, or 0."""
    low, info = call(d.cholesky_ex, A, upper)
    if check_errors:
        check_info(info, "linalg.cholesky_ex")
    return make("linalg_cholesky_ex")((by_columns(low), info))


@composite("linalg.cholesky(Tensor input, *, bool upper=False)", out=True)
def linalg_cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """L with A = L L^H (U with A = U^H U); LinAlgError when A is not positive-definite."""
    low, info = call(d.cholesky_ex, A, upper)
    check_info(info, "linalg.cholesky")
    return by_columns(low)


@composite("cholesky(Tensor input, bool upper=False)", out=True)
def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """The Cholesky factor (deprecated: `linalg.cholesky`)."""
    deprecated(
        "torch.cholesky is deprecated in favor of torch.linalg.cholesky and will be removed in a future PyTorch "
        "release.\nL = torch.cholesky(A)\nshould be replaced with\nL = torch.linalg.cholesky(A)\nand\n"
        "U = torch.cholesky(A, upper=True)\nshould be replaced with\nU = torch.linalg.cholesky(A).mH\n"
        "This transform will produce equivalent results for all valid (symmetric positive definite) inputs.",
        "BatchLinearAlgebra.cpp:1765",
    )
    low, info = call(d.cholesky, input, upper)
    check_info(info, "cholesky")
    return by_columns(low)


def _lu_factor(A: Tensor, pivot: bool):
    lu, pivots, info = call(d.lu_factor_ex, A, pivot)
    return by_columns(lu), pivots, info


@composite("linalg.lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False)", out=True)
def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False):
    """LU in one matrix, pivots (1-based, int32), and info."""
    lu, pivots, info = _lu_factor(A, pivot)
    if check_errors:
        check_info(info, "torch.linalg.lu_factor_ex")
    return make("linalg_lu_factor_ex")((lu, pivots, info))


@composite("linalg.lu_factor(Tensor A, *, bool pivot=True)", out=True)
def lu_factor(A: Tensor, *, pivot: bool = True):
    """LU in one matrix and pivots; RuntimeError when U has a zero on its diagonal."""
    lu, pivots, info = _lu_factor(A, pivot)
    check_info(info, "torch.linalg.lu_factor")
    return make("linalg_lu_factor")((lu, pivots))


@composite("lu(Tensor A, bool pivot=True, bool get_infos=False)", out=True, aliases=("functional.lu",))
def lu(A: Tensor, pivot: bool = True, get_infos: bool = False):
    """LU and pivots (deprecated: `linalg.lu_factor`)."""
    deprecated(
        "torch.lu is deprecated in favor of torch.linalg.lu_factor / torch.linalg.lu_factor_ex and will be removed "
        "in a "
        "future PyTorch release.\nLU, pivots = torch.lu(A, compute_pivots)\nshould be replaced with\n"
        "LU, pivots = torch.linalg.lu_factor(A, compute_pivots)\nand\n"
        "LU, pivots, info = torch.lu(A, compute_pivots, get_infos=True)\nshould be replaced with\n"
        "LU, pivots, info = torch.linalg.lu_factor_ex(A, compute_pivots)",
        "BatchLinearAlgebra.cpp:2073",
    )
    packed, pivots, info = _lu_factor(A, pivot)
    return make("_lu_with_info")((packed, pivots, info)) if get_infos else (packed, pivots)


# --- QR ----------------------------------------------------------------------------------------------------


@composite("qr(Tensor input, bool some=True)", out=True)
def qr(input: Tensor, some: bool = True):
    """Q and R (deprecated: `linalg.qr`)."""
    deprecated(
        "torch.qr is deprecated in favor of torch.linalg.qr and will be removed in a future PyTorch release.\n"
        "The boolean parameter 'some' has been replaced with a string parameter 'mode'.\nQ, R = torch.qr(A, some)\n"
        "should be replaced with\nQ, R = torch.linalg.qr(A, 'reduced' if some else 'complete')",
        "BatchLinearAlgebra.cpp:2505",
    )
    q, r = call(d.qr_old, input, some)
    return make("qr")((by_columns(q), by_columns(r)))


_public("linalg.qr(Tensor A, str mode='reduced')", d.qr, "Q R")
_public("geqrf(Tensor input)", d.geqrf, "a tau")
_public("linalg.householder_product(Tensor input, Tensor tau)", d.householder_product)
_public("orgqr(Tensor input, Tensor input2)", d.householder_product)
_public("ormqr(Tensor input, Tensor input2, Tensor input3, bool left=True, bool transpose=False)", d.ormqr)


def _without_p(got, name: str):
    without_derivative(got[0])  # a permutation
    return make(name)(got)


@composite("linalg.lu(Tensor A, *, bool pivot=True)", out=True)
def linalg_lu(A: Tensor, *, pivot: bool = True):
    """A = P L U: a permutation, a unit lower and an upper triangular matrix."""
    return _without_p(call(d.lu, A, pivot=pivot), "linalg_lu")


@composite(
    "lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, bool unpack_pivots=True)",
    method=False, out=True,
)  # fmt: skip
def lu_unpack(LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True):
    """P, L and U from `linalg.lu_factor`'s results; what is not asked for is empty."""
    return _without_p(call(d.lu_unpack, LU_data, LU_pivots, unpack_data, unpack_pivots), "lu_unpack")


# --- SVD ---------------------------------------------------------------------------------------------------


def _svd(A: Tensor, full: bool, uv: bool):
    got = call(d.svd, A, full, uv)
    values = value(got[1] if uv else got)
    if values is not None and np.isnan(values).any():
        given = value(A)
        if np.isnan(given).any():
            where = ""
            if given.ndim > 2:
                bad = np.isnan(given.reshape(-1, *given.shape[-2:])).any((-2, -1))
                where = f": (Batch element {int(np.flatnonzero(bad)[0])})"
            raise LinAlgError(
                f"linalg.svd{where}: The algorithm failed to converge because the input matrix contained non-finite "
                "values."
            )
    if uv:
        return by_columns(got[0]), got[1], by_columns(got[2])
    return got


def _no_driver(driver: str | None) -> None:
    if driver is not None:
        raise RuntimeError(
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend."
        )


@composite("linalg.svd(Tensor A, bool full_matrices=True, *, str? driver=None)", out=True)
def linalg_svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None):
    """U, S and Vh with A = U diag(S) Vh, singular values descending."""
    _no_driver(driver)
    return make("linalg_svd")(_svd(A, full_matrices, True))


@composite("linalg.svdvals(Tensor A, *, str? driver=None)", out=True)
def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values, descending."""
    _no_driver(driver)
    return _svd(A, False, True)[1] if _recorded(A) else _svd(A, False, False)


@composite("svd(Tensor input, bool some=True, bool compute_uv=True)", out=True)
def svd(input: Tensor, some: bool = True, compute_uv: bool = True):
    """U, S and V (not its adjoint) with A = U diag(S) V^H."""
    if input._aval.ndim < 2:
        raise RuntimeError(
            f"linalg.svd: input should have at least 2 dimensions, but has {input._aval.ndim} dimensions instead"
        )
    fields = make("svd")
    if compute_uv:
        u, sv, vh = _svd(input, not some, True)
        return fields((u, sv, views.adjoint(vh)))
    a = input._aval
    m, n = a.shape[-2:]
    sv = svdvals(input)
    u = from_host(np.zeros((*a.shape[:-2], m, m), a.dtype))
    v = from_host(np.zeros((*a.shape[:-2], n, n), a.dtype))
    return fields((u, sv, v))


# --- eigenvalues -------------------------------------------------------------------------------------------


def _check_uplo(uplo: str) -> str:
    if uplo.upper() not in ("L", "U") or len(uplo) != 1:
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {uplo}")
    return uplo.upper()


@composite("linalg.eigh(Tensor input, str UPLO='L')", out=True)
def eigh(A: Tensor, UPLO: str = "L"):
    """Eigenvalues (real, ascending) and eigenvectors of Hermitian matrices, of which one triangle is read."""
    values, vectors = call(d.eigh, A, _check_uplo(UPLO), True)
    return make("linalg_eigh")((values, by_columns(vectors)))


@composite("linalg.eigvalsh(Tensor input, str UPLO='L')", out=True)
def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """Eigenvalues of Hermitian matrices, real and ascending."""
    return call(d.eigh, A, _check_uplo(UPLO), False)[0]


def _check_eig(A: Tensor, name: str) -> None:
    a = A._aval
    check_square(a, name)
    if a.category < 2:
        raise RuntimeError(f"Unknown Complex ScalarType for {dt.SCALAR_TYPE_NAMES[a.torch_dtype]}")


@composite("linalg.eig(Tensor input)", out=True)
def eig(A: Tensor):
    """Eigenvalues and eigenvectors of square matrices, both complex."""
    _check_eig(A, "linalg.eig")
    given = value(A)
    if given is not None and not np.isfinite(given).all():
        raise RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.")
    values, vectors = call(d.eig, A)
    return make("linalg_eig")((values, by_columns(vectors)))


@composite("linalg.eigvals(Tensor input)", out=True)
def eigvals(A: Tensor) -> Tensor:
    """Eigenvalues of square matrices, complex."""
    _check_eig(A, "linalg.eigvals")
    return call(d.eig, A)[0] if _recorded(A) else call(d.eigvals, A)


# --- made of these -----------------------------------------------------------------------------------------


def _epsilon(a: Aval) -> float:
    """The distance between 1 and the next number of a dtype, which sets default tolerances."""
    if a.torch_dtype.to_real() not in (dt.float32, dt.float64):
        raise RuntimeError("This function doesn't handle types other than float and double")
    return float(np.finfo(a.torch_dtype.to_real().np).eps)


def _tolerances(A: Tensor, atol, rtol) -> tuple[Tensor | float, Tensor | float]:
    """Absolute and relative tolerance, numbers or tensors of the real dtype, by PyTorch's defaults."""
    a = A._aval
    real = a.torch_dtype.to_real()
    if rtol is None:
        default = _epsilon(a) * max(a.shape[-2:])
        if isinstance(atol, Tensor):
            import torchish as torch

            rtol = torch.where(atol > 0.0, 0.0, default).to(real)
        else:
            rtol = 0.0 if atol is not None and atol > 0 else default
    if atol is None:
        atol = 0.0
    return tuple([t.to(real) if isinstance(t, Tensor) else t for t in (atol, rtol)])  # type: ignore[return-value]


def _check_tolerance(x, name: str, function: str) -> None:
    if isinstance(x, Tensor) and x._aval.category == 3:
        raise RuntimeError(f"{function}: {name} tensor of complex type is not supported. Got {_type(x)}")


def _type(x: Tensor) -> str:
    return dt.SCALAR_TYPE_NAMES[x._aval.torch_dtype]


def _pinv(A: Tensor, atol, rtol, hermitian: bool) -> Tensor:
    a = A._aval
    if a.ndim < 2 or a.category < 2 or a.dtype.itemsize < 4:
        raise RuntimeError(
            f"linalg.pinv({_type(A)}{{{list(a.shape)}}}): expected a tensor with 2 or more dimensions of float, double, "
            "cfloat or cdouble types"
        )
    _check_tolerance(atol, "atol", "torch.linalg.pinv")
    _check_tolerance(rtol, "rtol", "torch.linalg.pinv")
    return call(s.pinv, A, *_tolerances(A, atol, rtol), hermitian)


@composite("linalg.pinv(Tensor input, *, Tensor|Number? atol=None, Tensor|Number? rtol=None, bool hermitian=False)", out=True)
def pinv(A, *, atol=None, rtol=None, hermitian=False):
    """The Moore-Penrose pseudo-inverse; singular values up to max(atol, rtol * the largest) count as zero."""
    return _pinv(A, atol, rtol, hermitian)


@composite("linalg.pinv(Tensor input, Tensor|Number rcond, bool hermitian=False)", out=True)
def pinv_rcond(A, rcond, hermitian=False):
    """The same with the relative tolerance given by position."""
    return _pinv(A, 0.0, rcond, hermitian)


@composite("pinverse(Tensor input, float rcond=1e-15)")
def pinverse(input, rcond=1e-15):
    """The Moore-Penrose pseudo-inverse."""
    return _pinv(input, 0.0, rcond, False)


def _rank(A: Tensor, atol, rtol, hermitian: bool) -> Tensor:
    a = A._aval
    check_matrix(a, "torch.linalg.matrix_rank", "input")
    _check_tolerance(atol, "atol", "torch.linalg.matrix_rank")
    _check_tolerance(rtol, "rtol", "torch.linalg.matrix_rank")
    atol, rtol = _tolerances(A, atol, rtol)
    plain = A.detach()
    if not a.size:
        return from_host(np.zeros(a.shape[:-2], np.int64))
    if hermitian:
        values = eigvalsh(plain).abs()
        top = values.amax(-1)
    else:
        values = svdvals(plain)
        top = views.select(values, -1, 0)
    import torchish as torch

    bound = top * rtol
    bound = torch.maximum(atol, bound) if isinstance(atol, Tensor) else bound.clamp(min=atol)
    return (values > views.unsqueeze(bound, -1)).sum(-1)


@composite("linalg.matrix_rank(Tensor input, *, Tensor|Number? atol=None, Tensor|Number? rtol=None, bool hermitian=False)", out=True)
def matrix_rank(A, *, atol=None, rtol=None, hermitian=False):
    """How many singular values exceed max(atol, rtol * the largest)."""
    return _rank(A, atol, rtol, hermitian)


@composite("linalg.matrix_rank(Tensor input, Tensor|Number tol, bool hermitian=False)", out=True)
def matrix_rank_tol(A, tol, hermitian=False):
    """How many singular values exceed `tol`."""
    return _rank(A, tol, 0.0, hermitian)


@composite("linalg.vander(Tensor x, *, int? N=None)")
def vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """Powers 0 to N - 1 of the elements, as columns."""
    a = x._aval
    if a.torch_dtype in (dt.bool_, dt.float16, dt.bfloat16):
        raise RuntimeError(
            "linalg.vander supports floating point, complex, and integer tensors, but got "
            f"{dt.SCALAR_TYPE_NAMES[a.torch_dtype]}"
        )
    if not a.ndim:
        x = views.unsqueeze(x, -1)
        a = x._aval
    n = a.shape[-1] if N is None else N
    if n <= 1:
        raise RuntimeError("N must be greater than 1.")
    import torchish as torch

    kind = dt.int64 if a.torch_dtype is dt.bool_ or a.category == 1 else a.torch_dtype
    powers = views.expand(views.unsqueeze(x, -1), (*a.shape, n - 1)).cumprod(-1)
    ones = torch.ones((*a.shape, 1), dtype=kind, device=x.device)
    return torch.cat([ones, powers], -1)


@composite("linalg.diagonal(Tensor A, *, int offset=0, int dim1=-2, int dim2=-1)")
def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonal of the last two (or other) dimensions. A view."""
    return views.diagonal(A, offset, dim1, dim2)

