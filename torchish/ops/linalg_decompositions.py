"""Factorizations of matrices: Cholesky, QR, LU, SVD, eigenvalues, Householder reflectors, and the exponential.

Values come from LAPACK through `lax.linalg` (signs and phases are LAPACK's, as PyTorch's are); the gradient rules are
PyTorch's, written from the results so that nothing is factored twice.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from torchish.ops.declare import op
from torchish.ops.linalg_common import (
    check_float,
    check_kernel,
    check_matrix,
    check_square,
    diag,
    eye_like,
    factor,
    lu_info,
    mH,
    mm,
    mT,
    solve_with,
    triangular,
    with_diag,
)
from torchish.ops.linalg_signs import eigenvector_signs, needs_signs, null_rows, pair_signs, singular_signs, wide_is_direct
from torchish.ops.matrix_exp import exponential
from torchish.ops.precision import type_name

_hidden: dict[str, Any] = {"method": False, "function": False, "out": False}


def _is_complex(a) -> bool:
    return bool(jnp.issubdtype(a.dtype, jnp.complexfloating))


def _half_real_diag(a):
    """`a` with the real part of its diagonal halved."""
    d = diag(a)
    return with_diag(a, d - jnp.real(d).astype(d.dtype) / 2)


# --- Cholesky ----------------------------------------------------------------------------------------------


def _failing_minor(a):
    """The order of the first leading minor that is not positive (the lower triangle of `a` counts)."""
    n = a.shape[-1]

    def step(k, state):
        m, info = state
        pivot = jnp.real(lax.dynamic_index_in_dim(diag(m), k, -1, keepdims=False))
        info = jnp.where((info == 0) & ~(pivot > 0), k + 1, info)
        column = lax.dynamic_index_in_dim(m, k, -1, keepdims=False)
        column = jnp.where(jnp.arange(n) > k, column, 0)
        safe = jnp.where(pivot > 0, pivot, 1).astype(a.dtype)
        return m - column[..., :, None] * jnp.conj(column)[..., None, :] / safe[..., None, None], info

    return lax.fori_loop(0, n, step, (a, jnp.zeros(a.shape[:-2], jnp.int32)))[1].astype(jnp.int32)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _cholesky(a, upper: bool):
    lower = lax.linalg.cholesky(mH(a) if upper else a, symmetrize_input=False)
    return mH(lower) if upper else lower


@_cholesky.defjvp
def _(upper, primals, tangents):
    # PyTorch takes the tangent as it is, the triangle that the function does not read too
    result = _cholesky(*primals, upper)
    low = mH(result) if upper else result
    inner = triangular(low, triangular(low, tangents[0], upper=False), upper=False, left=False, adjoint=True)
    inner = jnp.tril(inner)
    change = mm(low, with_diag(inner, diag(inner) / 2))
    return result, mH(change) if upper else change


@op("_linalg_cholesky_ex(Tensor A, bool upper)", grad="LinalgCholeskyExBackward0", **_hidden)
def cholesky_ex(A, upper):
    """The Cholesky factor, and info: the order of the first minor that is not positive-definite, or 0."""
    check_square(A, "linalg.cholesky")
    check_float(A, "linalg.cholesky", low_precision=True)
    check_kernel(A, "cholesky_cpu")
    return _with_info(A, upper)


@op("_cholesky(Tensor A, bool upper)", grad="CholeskyBackward0", **_hidden)
def cholesky(A, upper):
    """The same under the name of `torch.cholesky`."""
    check_square(A, "cholesky")
    check_kernel(A, "cholesky_cpu")
    return _with_info(A, upper)


def _with_info(a, upper: bool):
    if not a.size:
        return a, jnp.zeros(a.shape[:-2], jnp.int32)
    factor_ = _cholesky(a, upper)
    fixed = lax.stop_gradient(a)
    failed = jnp.any(jnp.isnan(lax.stop_gradient(factor_)))
    info = lax.cond(
        failed, lambda m: _failing_minor(mH(m) if upper else m), lambda m: jnp.zeros(m.shape[:-2], jnp.int32), fixed
    )
    return factor_, info


def _cholesky_backward(grad, result, upper):
    g, low = grad[0], result[0]
    if upper:
        g, low = mH(g), mH(low)
    phi = jnp.tril(mm(mH(low), g))
    phi = phi + mH(jnp.tril(phi, -1))  # PyTorch's formula: a complex diagonal keeps its imaginary part
    x = triangular(low, phi, upper=False, adjoint=True)  # L^-H phi
    return (triangular(low, x, upper=False, left=False) / 2,)  # ... L^-1


cholesky_ex.backward(_cholesky_backward)
cholesky.backward(_cholesky_backward)


# --- QR ----------------------------------------------------------------------------------------------------


@op("_linalg_qr(Tensor A, str mode='reduced')", grad="LinalgQrBackward0", **_hidden)
def qr(A, mode):
    """A = Q R with orthonormal columns in Q; `mode` is "reduced", "complete" or "r" (Q is then empty)."""
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    return _qr(A, mode)


@op("_qr(Tensor input, bool some)", grad="LinalgQrBackward0", **_hidden)
def qr_old(input, some):
    """The same, as `torch.qr` asks for it."""
    return _qr(input, "reduced" if some else "complete")


def _qr(a, mode: str):
    check_matrix(a, "linalg.qr")
    check_float(a, "linalg.qr", low_precision=True)
    check_kernel(a, "geqrf_cpu")
    m, n = a.shape[-2:]
    k = m if mode == "complete" else min(m, n)
    if a.size == 0:
        q = jnp.broadcast_to(jnp.eye(m, k, dtype=a.dtype), (*a.shape[:-2], m, k))
        r = jnp.zeros((*a.shape[:-2], k, n), a.dtype)
    else:
        q, r = lax.linalg.qr(a, full_matrices=mode == "complete")
        r = jnp.triu(r)
    return (jnp.zeros((0,), a.dtype) if mode == "r" else q), r


def _qr_backward(grad, result, mode):
    (gq, gr), (q, r) = grad, result
    if mode == "r":
        raise RuntimeError(
            "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use linalg.qr(A, "
            "mode='reduced') if you are going to differentiate through linalg.qr."
        )
    m, n = q.shape[-2], r.shape[-1]
    if mode == "complete" and m > n:
        raise RuntimeError("The QR decomposition is not differentiable when mode='complete' and nrows > ncols.")
    if m >= n:
        x = jnp.triu(mm(gr, mH(r)) - mm(mH(q), gq))
        x = _half_real_diag(x + mH(x))
        return (triangular(r, gq + mm(q, x), upper=True, left=False, adjoint=True),)
    x = mm(mH(q), gq) - mm(gr, mH(r))
    x = jnp.tril(x - mH(x))
    if jnp.issubdtype(x.dtype, jnp.complexfloating):  # its diagonal is imaginary, and half of it counts
        x = jnp.where(jnp.eye(m, dtype=bool), x / 2, x)
    x = triangular(r[..., :m], x, upper=True, left=False, adjoint=True)
    x = jnp.concatenate([x, jnp.zeros((*x.shape[:-1], n - m), x.dtype)], -1)
    return (mm(q, x + gr),)


qr.backward(_qr_backward)


@qr_old.backward
def _(grad, result, some):
    return _qr_backward(grad, result, "reduced" if some else "complete")


@op("_geqrf(Tensor input)", grad="GeqrfBackward0", **_hidden)
def geqrf(input):
    """LAPACK's QR: R above, the Householder reflectors below the diagonal, and their factors tau."""
    if input.ndim < 2:
        raise RuntimeError("torch.geqrf: input must have at least 2 dimensions.")
    check_kernel(input, "geqrf_cpu")
    if input.size == 0:
        return input, jnp.zeros((*input.shape[:-2], min(input.shape[-2:])), input.dtype)
    h, tau = jnp.linalg.qr(input, mode="raw")
    return mT(h), tau


@geqrf.backward
def _(grad):
    raise NotImplementedError("the derivative for 'geqrf' is not implemented.")


def _reflectors(a, tau):
    """The Householder vectors in the columns of `a`, one per entry of tau, as (k, ..., m), and (k, ...) factors."""
    k = tau.shape[-1]
    v = jnp.tril(a[..., :k], -1) + jnp.eye(a.shape[-2], k, dtype=a.dtype)
    return jnp.moveaxis(v, -1, 0), jnp.moveaxis(tau, -1, 0)


def _apply_reflectors(a, tau, c, adjoint: bool = False):
    """Q C (Q^H C) where Q = H_1 ... H_k is the product of the reflectors."""
    v, factors = _reflectors(a, tau)
    if adjoint:
        factors = jnp.conj(factors)

    def step(c, vt):
        x, t = vt
        return c - t[..., None, None] * x[..., :, None] * mm(jnp.conj(x)[..., None, :], c), None

    return lax.scan(step, c, (v, factors), reverse=not adjoint)[0]


@op("_householder_product(Tensor a, Tensor tau)", grad="LinalgHouseholderProductBackward0",
    cuts=lambda statics, avals: ("a", "tau") if 0 in avals[0].shape + avals[1].shape else (), **_hidden)  # fmt: skip
def householder_product(a, tau):
    """The first columns of the product of the Householder reflectors that `geqrf` makes."""
    name = "torch.linalg.householder_product"
    if a.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if a.shape[-2] < a.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if a.shape[-1] < tau.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if a.ndim - tau.ndim != 1:
        raise RuntimeError(
            f"{name}: Expected tau to have one dimension less than input, but got tau.ndim equal to {tau.ndim} and "
            f"input.ndim is equal to {a.ndim}"
        )
    if a.shape[:-2] != tau.shape[:-1]:
        raise RuntimeError(
            f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got {list(tau.shape[:-1])}"
        )
    if a.dtype != tau.dtype:
        raise RuntimeError(
            f"{name}: tau dtype {type_name(tau)} does not match input dtype {type_name(a)}"
        )
    check_kernel(a, "orgqr_cpu")
    if a.size == 0:
        return jnp.broadcast_to(jnp.eye(a.shape[-2], a.shape[-1], dtype=a.dtype), a.shape)
    eye = jnp.broadcast_to(jnp.eye(a.shape[-2], a.shape[-1], dtype=a.dtype), a.shape)
    return _apply_reflectors(a, tau, eye)


def _no_reflectors(statics: tuple, avals: tuple) -> tuple[str, ...]:
    return ("input", "tau") if 0 in avals[0].shape + avals[1].shape else ()


@op(
    "_ormqr(Tensor input, Tensor tau, Tensor other, bool left=True, bool transpose=False)",
    saves={"input": ("input", "tau", "other"), "tau": ("input", "tau", "other"), "other": ("input", "tau")},
    cuts=_no_reflectors, selects=_no_reflectors, grad="OrmqrBackward0", **_hidden,
)  # fmt: skip
def ormqr(input, tau, other, left, transpose):
    """Q C, C Q or with Q^H, where Q is the full product of the reflectors that `geqrf` makes."""
    for x, name in ((input, "input"), (other, "other")):
        if x.ndim < 2:
            raise RuntimeError(f"torch.ormqr: {name} must have at least 2 dimensions.")
    size = other.shape[-2 if left else -1]
    side = -2 if left else -1
    if input.shape[-2] != size:
        raise RuntimeError(f"torch.ormqr: other.shape[{side}] must be equal to input.shape[-2]")
    if not tau.ndim:
        raise IndexError("Dimension specified as -1 but tensor has no dimensions")
    if tau.shape[-1] != min(size, input.shape[-1]):
        raise RuntimeError(f"torch.ormqr: tau.shape[-1] must be equal to min(other.shape[{side}], input.shape[-1])")
    if tau.ndim != input.ndim - 1:
        raise RuntimeError(
            f"torch.ormqr: Expected tau to have one dimension less than input, but got tau.ndim equal to {tau.ndim} and input.ndim is "
            f"equal to {input.ndim}"
        )
    if other.ndim != input.ndim:
        raise RuntimeError(
            f"torch.ormqr: Expected other to have the same number of dimensions as input, but got other.ndim equal to {other.ndim} and "
            f"input.ndim is equal to {input.ndim}"
        )
    for name, batch in (("tau", tau.shape[:-1]), ("other", other.shape[:-2])):
        if batch != input.shape[:-2]:
            raise RuntimeError(
                f"torch.ormqr: Expected batch dimensions of {name} to be equal to input.shape[:-2], but got {list(batch)}"
            )
    for x, name in ((tau, "tau"), (other, "other")):
        if x.dtype != input.dtype:
            raise RuntimeError(
                f"torch.ormqr: Expected input and {name} to have the same dtype, but input has dtype{type_name(input)} and {name} has "
                f"dtype {type_name(x)}"
            )
    check_kernel(input, "ormqr_cpu")
    if left:
        return _apply_reflectors(input, tau, other, adjoint=transpose)
    return mH(_apply_reflectors(input, tau, mH(other), adjoint=not transpose))


# --- LU ----------------------------------------------------------------------------------------------------

_NO_PIVOT = "linalg.lu_factor: LU without pivoting is not implemented on the CPU"


def _lu(a, name: str):
    if a.ndim < 2:
        raise RuntimeError(f"{name}: Expected tensor with 2 or more dimensions. Got size: {list(a.shape)} instead")
    check_kernel(a, "lu_cpu")
    if a.size == 0:
        k = min(a.shape[-2:])
        rows = jnp.broadcast_to(jnp.arange(a.shape[-2], dtype=jnp.int32), a.shape[:-1])
        return a, jnp.broadcast_to(jnp.arange(k, dtype=jnp.int32), (*a.shape[:-2], k)), rows
    return lax.linalg.lu(a)


@op("_linalg_lu_factor_ex(Tensor A, bool pivot)", grad="LinalgLuFactorExBackward0", **_hidden)
def lu_factor_ex(A, pivot):
    """LU in one matrix, LAPACK's 1-based pivots (int32), and info."""
    if not pivot:
        raise RuntimeError(_NO_PIVOT)
    lu, pivots, _ = _lu(A, "torch.lu_factor")
    return lu, pivots + 1, lu_info(lu)


def _permutation_matrix(perm, dtype):
    """P with A = P L U, from A[perm] = L U."""
    n = perm.shape[-1]
    return (perm[..., None, :] == jnp.arange(n, dtype=perm.dtype)[:, None]).astype(dtype)


def _split(lu):
    m, n = lu.shape[-2:]
    k = min(m, n)
    low = jnp.tril(lu[..., :, :k], -1) + jnp.eye(m, k, dtype=lu.dtype)
    return low, jnp.triu(lu[..., :k, :])


@op("_linalg_lu(Tensor A, *, bool pivot=True)", grad="LinalgLuBackward0", **_hidden)
def lu(A, pivot):
    """A = P L U: a permutation, a unit lower and an upper triangular matrix."""
    if not pivot:
        raise RuntimeError(_NO_PIVOT)
    packed, _, perm = _lu(A, "linalg.lu")
    return _permutation_matrix(perm, A.dtype), *_split(packed)


@op(
    "_lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, bool unpack_pivots=True)",
    grad="LuUnpackBackward0", saves=(), **_hidden,
)  # fmt: skip
def lu_unpack(LU_data, LU_pivots, unpack_data, unpack_pivots):
    """P, L and U from `linalg.lu_factor`'s results; what is not asked for is empty."""
    if unpack_pivots and LU_pivots.dtype != jnp.int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\n"
            "Note: this function is intended to be used with the output produced by torch.linalg.lu_factor"
        )
    empty = jnp.zeros((0,), LU_data.dtype)
    low, up = _split(LU_data) if unpack_data else (empty, empty)
    if not unpack_pivots:
        return empty, low, up
    m = LU_data.shape[-2]
    if LU_pivots.shape[-1] == 0 or m == 0:
        perm = jnp.broadcast_to(jnp.arange(m, dtype=jnp.int32), (*LU_data.shape[:-2], m))
    else:
        perm = lax.linalg.lu_pivots_to_permutation(LU_pivots - 1, m)
    return _permutation_matrix(perm, LU_data.dtype), low, up


# --- SVD ---------------------------------------------------------------------------------------------------


@op("_linalg_svd(Tensor A, bool full_matrices, bool compute_uv)", grad="LinalgSvdBackward0", **_hidden)
def svd(A, full_matrices, compute_uv):
    """U, S, Vh; the singular values alone when `compute_uv` is false."""
    check_matrix(A, "linalg.svd")
    check_float(A, "linalg.svd", low_precision=True)
    check_kernel(A, "linalg_svd_cpu")
    m, n = A.shape[-2:]
    k = min(m, n)
    if not compute_uv:
        if not A.size:
            return _real_zeros(A, (*A.shape[:-2], k))
        return lax.linalg.svd(A, full_matrices=False, compute_uv=False)
    if not A.size:
        u, v = (m, n) if full_matrices else (k, k)
        return (
            jnp.broadcast_to(jnp.eye(m, u, dtype=A.dtype), (*A.shape[:-2], m, u)),
            _real_zeros(A, (*A.shape[:-2], k)),
            jnp.broadcast_to(jnp.eye(v, n, dtype=A.dtype), (*A.shape[:-2], v, n)),
        )
    u, s, vh = _svd(A, full_matrices)
    if not _is_complex(A) and wide_is_direct(m, n):
        signs = singular_signs(A, u)
        u = u * signs[..., None, :]
        rest = null_rows(A, vh[..., m:, :]) if full_matrices else vh[..., m:, :]
        vh = jnp.concatenate([vh[..., :m, :] * signs[..., :, None], rest], -2)
    return u, s, vh


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _svd(a, full: bool):
    return lax.linalg.svd(a, full_matrices=full)


@_svd.defjvp
def _(full, primals, tangents):
    # What is free is chosen as PyTorch does: U and V share the phases of complex vectors evenly, and the vectors that complete a
    # full basis have tangents of zero
    (a,), (da,) = primals, tangents
    all_u, s, all_vh = _svd(a, full)
    k = s.shape[-1]
    u, vh = all_u[..., :k], all_vh[..., :k, :]
    dp = mm(mH(u), mm(da, mH(vh)))
    along = diag(dp)
    ds = along.real if _is_complex(a) else along
    wide = s.astype(a.dtype)
    dp = with_diag(dp, along - ds)
    squares = wide * wide
    e = with_diag(squares[..., None, :] - squares[..., :, None], 1)
    du, dvh = dp * wide[..., None, :], wide[..., :, None] * dp
    du, dvh = (du + mH(du)) / e, -(dvh + mH(dvh)) / e
    if _is_complex(a):
        phase = diag(dp) / (2 * wide)
        du, dvh = with_diag(du, diag(du) + phase), with_diag(dvh, diag(dvh) + phase)
    du, dvh = mm(u, du), mm(dvh, vh)
    m, n = a.shape[-2:]
    if m > n:
        rest = mm(da, mH(vh)) / wide[..., None, :]
        du = du + rest - mm(u, mm(mH(u), rest))
    if m < n:
        rest = mm(mH(u), da) / wide[..., :, None]
        dvh = dvh + rest - mm(mm(rest, mH(vh)), vh)
    du = jnp.concatenate([du, jnp.zeros_like(all_u[..., k:])], -1)
    dvh = jnp.concatenate([dvh, jnp.zeros_like(all_vh[..., k:, :])], -2)
    return (all_u, s, all_vh), (du, ds, dvh)


def _real_zeros(a, shape):
    return jnp.zeros(shape, jnp.finfo(a.dtype).dtype)


def _skew(a):
    return a - mH(a)


@svd.backward
def _(grad, result, given):
    # Townsend, "Differentiating the singular value decomposition"; which of U, S, V have a gradient decides the
    # terms, so that S alone is differentiable at repeated singular values.
    (gu, gs, gvh), (u, s, vh) = grad, result
    has_u, has_s, has_v = given
    k = s.shape[-1]
    u, gu, vh, gvh = u[..., :k], gu[..., :k], vh[..., :k, :], gvh[..., :k, :]
    m, n = u.shape[-2], vh.shape[-1]
    if not (has_u or has_v):
        return (mm(u, gs[..., :, None] * vh) if m >= n else mm(u * gs[..., None, :], vh),)
    s = s.astype(u.dtype)
    squares = s * s
    e = with_diag(squares[..., None, :] - squares[..., :, None], 1)
    uh_gu = _skew(mm(mH(u), gu)) if has_u else None
    vh_gv = _skew(mm(vh, mH(gvh))) if has_v else None
    if has_u and has_v:
        inner = (uh_gu * s[..., None, :] + s[..., :, None] * vh_gv) / e
    elif has_u:
        inner = (uh_gu / e) * s[..., None, :]
    else:
        inner = s[..., :, None] * (vh_gv / e)
    d = diag(inner)
    if has_s:
        d = d + gs
    if _is_complex(u) and has_u and has_v:
        d = d + diag(uh_gu) / (2 * s)
    inner = with_diag(inner, d)
    if m > k and has_u:
        g = mm(u, inner)
        gus = gu / s[..., None, :]
        return (mm(g + gus - mm(u, mm(mH(u), gus)), vh),)
    if n > k and has_v:
        g = mm(inner, vh)
        sgv = gvh / s[..., :, None]
        return (mm(u, g + sgv - mm(mm(sgv, mH(vh)), vh)),)
    return (mm(u, mm(inner, vh)),)


# --- eigenvalues -------------------------------------------------------------------------------------------


def _eig_backward(gl, gv, values, v, has_l, has_v, *, hermitian: bool):
    def back(x):
        """V^-H x V^H."""
        if hermitian:
            return mm(v, mm(x, mH(v)))
        vh = mH(v)
        lu, _, perm = factor(vh)
        return solve_with(vh, lu, perm, mm(x, vh), False)

    if not has_v:
        if hermitian:
            return mm(v * gl[..., None, :].astype(v.dtype), mH(v))
        return back(gl[..., :, None].astype(v.dtype) * eye_like(v))
    inner = mm(mH(v), gv)
    if hermitian:
        inner = (inner - mH(inner)) / 2
    else:
        inner = inner - mm(mH(v), v * jnp.real(diag(inner)).astype(v.dtype)[..., None, :])
    gaps = values[..., None, :] - values[..., :, None]
    inner = inner / with_diag(gaps if hermitian else jnp.conj(gaps), 1).astype(v.dtype)
    return back(with_diag(inner, gl.astype(v.dtype) if has_l else 0))


@op("_linalg_eigh(Tensor A, str UPLO, bool signed)", grad="LinalgEighBackward0", **_hidden)
def eigh(A, UPLO, signed):
    """Eigenvalues (ascending) and eigenvectors of Hermitian matrices, of which one triangle is read.

    `signed`: whether the vectors' signs, which take 4 times as long for small matrices, are to be PyTorch's.
    """
    check_square(A, "linalg.eigh")
    check_kernel(A, "linalg_eigh_cpu")
    if not A.size:
        return _real_zeros(A, A.shape[:-1]), A
    return _eigh(A, UPLO == "L", signed)


@partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _eigh(a, lower: bool, signed: bool):
    v, w = lax.linalg.eigh(a, lower=lower, symmetrize_input=False)  # hand LAPACK the triangle that PyTorch does
    if signed and needs_signs(a.shape[-1]):
        v = v * eigenvector_signs(a, lower)[..., None, :]
    return w, v


@_eigh.defjvp
def _(lower, signed, primals, tangents):
    # The tangent counts as it is: JAX's rule would bring the matrix to its Hermitian part first.
    w, v = _eigh(*primals, lower, signed)
    inner = mm(mH(v), mm(tangents[0], v))
    gaps = w[..., None, :] - w[..., :, None]
    turn = with_diag(inner / with_diag(gaps, 1).astype(v.dtype), 0)
    return (w, v), (jnp.real(diag(inner)), mm(v, turn))


@eigh.backward
def _(grad, result, given):
    return (_eig_backward(*grad, *result, *given, hermitian=True),)


def _check_half(a) -> None:
    if jnp.issubdtype(a.dtype, jnp.inexact):
        check_kernel(a, "linalg_eig_out_cpu")


@op("_linalg_eig(Tensor A)", grad="LinalgEigBackward0", **_hidden)
def eig(A):
    """Eigenvalues and eigenvectors (unit norm) of square matrices; both complex."""
    check_square(A, "linalg.eig")
    _check_half(A)
    kind = jnp.complex128 if A.dtype in (jnp.float64, jnp.complex128) else jnp.complex64
    if not A.size:
        return jnp.zeros(A.shape[:-1], kind), A.astype(kind)
    w, v = _eig(A)
    if not _is_complex(A) and A.shape[-1] > 1:
        v = v * pair_signs(A, w, v)[..., None, :]
    return w, v


@jax.custom_jvp
def _eig(a):
    return lax.linalg.eig(a, compute_left_eigenvectors=False)


@_eig.defjvp
def _(primals, tangents):
    # PyTorch's tangent of the vectors has no part along themselves but a turn of the phase; JAX's fixes the phase another way
    w, v = _eig(*primals)
    lu, _, perm = factor(v)
    inner = solve_with(v, lu, perm, mm(tangents[0].astype(v.dtype), v), False)
    gaps = w[..., None, :] - w[..., :, None]
    same = jnp.eye(w.shape[-1], dtype=bool)
    t = mm(v, jnp.where(same, 0, inner / jnp.where(same, 1, gaps)))
    t = t - v * jnp.sum(jnp.conj(v) * t, -2, keepdims=True).real
    return (w, v), (diag(inner), t)


@eig.backward
def _(grad, result, given):
    return (_eig_backward(*grad, *result, *given, hermitian=False),)


@op("_linalg_eigvals(Tensor A)", grad="LinalgEigBackward0", **_hidden)
def eigvals(A):
    """Eigenvalues of square matrices, complex."""
    check_square(A, "linalg.eigvals")
    _check_half(A)
    kind = jnp.complex128 if A.dtype in (jnp.float64, jnp.complex128) else jnp.complex64
    if not A.size:
        return jnp.zeros(A.shape[:-1], kind)
    return lax.linalg.eig(A, compute_left_eigenvectors=False, compute_right_eigenvectors=False)[0]


# --- the exponential ---------------------------------------------------------------------------------------


@op("matrix_exp(Tensor input)", aliases=("linalg.matrix_exp",), grad="LinalgMatrixExpBackward0", out=False)
def matrix_exp(input):
    """The exponential of square matrices."""
    return _matrix_exp(input)


def _matrix_exp(a):
    check_square(a, "linalg.matrix_exp")
    check_float(a, "linalg.matrix_exp", low_precision=True)
    if a.dtype.itemsize < 4:
        return exponential(a.astype(jnp.float32)).astype(a.dtype)
    return exponential(a)


def _matrix_exp_backward(a, grad):
    # Higham: the derivative of exp at A in direction G is the upper right block of exp([[A, G], [0, A]]).
    n = a.shape[-1]
    ah = mH(a)
    top = jnp.concatenate([ah, grad], -1)
    bottom = jnp.concatenate([jnp.zeros_like(ah), ah], -1)
    return (_matrix_exp(jnp.concatenate([top, bottom], -2))[..., :n, n:],)


@matrix_exp.backward
def _(grad, input):
    return _matrix_exp_backward(input, grad)

