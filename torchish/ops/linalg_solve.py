"""Determinants, inverses and the solution of linear systems."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from torchish.ops.declare import op
from torchish.ops.linalg_common import (
    broadcast_batch,
    check_float,
    check_kernel,
    check_same_dtype,
    check_solver,
    check_square,
    diag,
    eye_like,
    factor,
    lu_info,
    mH,
    mm,
    mT,
    solve_factored,
    solve_with,
    triangular,
    with_diag,
)
from torchish.ops.precision import type_name

_hidden: dict[str, Any] = {"method": False, "function": False, "out": False}


# --- determinants ------------------------------------------------------------------------------------------


def _parity(pivots):
    swaps = jnp.sum(pivots != jnp.arange(pivots.shape[-1], dtype=pivots.dtype), -1)
    return jnp.where(swaps % 2 == 1, -1, 1)


@jax.custom_jvp
def _det(a):
    lu, pivots, _ = lax.linalg.lu(a)
    return _parity(pivots).astype(a.dtype) * jnp.prod(diag(lu), -1)


@_det.defjvp
def _(primals, tangents):
    # JAX's rule goes by cofactors, which exist for singular matrices too.
    value = _det(*primals)
    return value, jax.jvp(jnp.linalg.det, primals, tangents)[1] if primals[0].size else jnp.zeros_like(value)


@op("linalg.det(Tensor A)", aliases=("det", "Tensor.det"), grad="LinalgDetBackward0",
    flat=lambda name, statics, a: 0 in a.shape)  # fmt: skip
def det(A):
    """The determinant of square matrices."""
    check_square(A, "linalg.det")
    check_float(A, "linalg.det", low_precision=True)
    check_kernel(A, "lu_cpu")
    return _det(A)


@det.backward
def _(grad, A):
    # PyTorch solves A^H G = conj(det) I with the factors at hand, exact zeros of U moved away from 0: a singular
    # matrix whose determinant is exactly 0 gets the gradient 0.
    lu, pivots, perm = lax.linalg.lu(A)
    eps = jnp.finfo(A.dtype).eps
    d = diag(lu)
    value = _parity(pivots).astype(A.dtype) * jnp.prod(d, -1)
    lu = with_diag(lu, jnp.where(d == 0, eps, d))
    return solve_factored(lu, perm, eye_like(A) * (grad * jnp.conj(value))[..., None, None], adjoint=True)


def _real_sign(statics: tuple, avals: tuple) -> tuple[int, ...]:
    return () if avals[0].category == 3 else (0,)


@op(
    "linalg.slogdet(Tensor A)", returns="sign logabsdet", grad="LinalgSlogdetBackward0", cuts=_real_sign,
)  # fmt: skip
def slogdet(A):
    """Sign and logarithm of the absolute value of the determinant."""
    return _slogdet(A)


@op("slogdet(Tensor input)", returns="sign logabsdet", grad="LinalgSlogdetBackward0", cuts=_real_sign)
def slogdet_top(input):
    """Sign and logarithm of the absolute value of the determinant."""
    return _slogdet(input)


def _slogdet(a):
    check_square(a, "linalg.slogdet")
    check_float(a, "linalg.slogdet")
    lu, pivots, perm = factor(a)
    d = diag(lu)
    size = jnp.abs(d)
    sign = _parity(pivots).astype(a.dtype) * jnp.prod(jnp.where(size == 0, 0, d / jnp.where(size == 0, 1, size)), -1)
    value = jnp.sum(jnp.log(size), -1)
    return _with_log_derivative(a, lu, perm, sign, value)


@jax.custom_jvp
def _with_log_derivative(a, lu, perm, sign, value):
    return sign, value


@_with_log_derivative.defjvp
def _(primals, tangents):
    a, lu, perm, _, _ = primals
    sign, value = _with_log_derivative(*primals)
    change = jnp.trace(solve_with(a, lu, perm, tangents[0], False), axis1=-2, axis2=-1)
    if jnp.issubdtype(a.dtype, jnp.complexfloating):
        return (sign, value), ((change - jnp.real(change)) * sign, jnp.real(change))
    return (sign, value), (jnp.zeros_like(sign), change)


# --- inverses ----------------------------------------------------------------------------------------------


@op("_linalg_inv_ex(Tensor A)", grad="LinalgInvExBackward0", **_hidden)
def inv_ex(A):
    """The inverse, and LAPACK's info (int32)."""
    check_square(A, "linalg.inv")
    check_float(A, "linalg.inv")
    lu, _, perm = factor(A)
    return solve_with(A, lu, perm, eye_like(A), False), lu_info(lu)


@inv_ex.backward
def _(grad, result):
    adjoint = mH(result[0])
    return (-mm(adjoint, mm(grad[0], adjoint)),)


def _inverses(values, atol, rtol, dtype):
    """1 / values, or 0 where they do not exceed max(atol, rtol * the largest)."""
    size = jnp.abs(values)
    keep = size > jnp.maximum(atol, rtol * jnp.max(size, -1))[..., None]
    return jnp.where(keep, 1 / jnp.where(keep, values, 1), 0).astype(dtype)


@jax.custom_jvp
def _pinv(a, atol, rtol):
    u, s, vh = lax.linalg.svd(a, full_matrices=False)
    return mm(mH(vh) * _inverses(s, atol, rtol, a.dtype)[..., None, :], mH(u))


@jax.custom_jvp
def _pinv_hermitian(a, atol, rtol):
    v, w = lax.linalg.eigh(a, symmetrize_input=False)
    return mm(v * _inverses(w, atol, rtol, a.dtype)[..., None, :], mH(v))


def _pinv_jvp(f):
    @f.defjvp
    def _(primals, tangents):
        # Golub and Pereyra 1973: the derivative at constant rank.
        a, da = primals[0], tangents[0]
        p = f(*primals)
        ph, dah = mH(p), mH(da)
        change = -mm(p, mm(da, p))
        left = mm(mm(p, ph), dah)
        change = change + left - mm(mm(left, a), p)
        right = mm(dah, mm(ph, p))
        return p, change + right - mm(p, mm(a, right))


_pinv_jvp(_pinv)
_pinv_jvp(_pinv_hermitian)


@op("_linalg_pinv(Tensor A, Tensor|Number atol, Tensor|Number rtol, bool hermitian)", grad="LinalgPinvBackward0",
    indices=("atol", "rtol"), **_hidden)  # fmt: skip
def pinv(A, atol, rtol, hermitian):
    """The pseudo-inverse; singular values up to max(atol, rtol * the largest) count as zero."""
    if not A.size:
        return jnp.zeros((*A.shape[:-2], A.shape[-1], A.shape[-2]), A.dtype)
    atol, rtol = (lax.stop_gradient(jnp.asarray(t).astype(jnp.finfo(A.dtype).dtype)) for t in (atol, rtol))
    return (_pinv_hermitian if hermitian else _pinv)(A, atol, rtol)


# --- systems -----------------------------------------------------------------------------------------------


def is_vector(a_shape, b_shape) -> bool:
    """Whether B is a (batch of) vectors in A X = B, as PyTorch decides it."""
    return len(b_shape) == 1 or (len(a_shape) - 1 == len(b_shape) and b_shape == a_shape[:-1])


@op("_linalg_solve_ex(Tensor A, Tensor B, bool left)", grad="LinalgSolveExBackward0", **_hidden)
def solve_ex(A, B, left):
    """The solution X of A X = B (X A = B), and info."""
    check_float(A, "linalg.solve", low_precision=True)
    check_same_dtype(A, B, "linalg.solve")
    vector = is_vector(A.shape, B.shape)
    b = B[..., None] if vector else B
    check_solver(A, b, left, "linalg.solve")
    if vector and not left:
        raise RuntimeError(
            "linalg.solve: Vector broadcasting of the left hand side is not supported for left=False. In this case "
            "linalg.solve is equivalent to B / A.squeeze(-1)"
        )
    check_kernel(A, "lu_cpu")
    a, b = broadcast_batch(A, b)
    return _solve(a, b, left, vector)


def _solve(a, b, left, vector):
    lu, _, perm = factor(a)
    # X A = B is A^H X^H = B^H
    x = solve_with(a, lu, perm, b, False) if left else mH(solve_with(a, lu, perm, mH(b), True))
    return x[..., 0] if vector else x, lu_info(lu)


@solve_ex.backward
def _(grad, result, A, B, left):
    vector = is_vector(A.shape, B.shape)
    x, g = result[0], grad[0]
    if vector:
        x, g = x[..., None], g[..., None]
    a = jnp.broadcast_to(A, x.shape[:-2] + A.shape[-2:])
    lu, _, perm = factor(a)
    if left:
        gb = solve_with(a, lu, perm, g, True)
        ga = -mm(gb, mH(x))
    else:
        gb = mH(solve_with(a, lu, perm, mH(g), False))
        ga = -mm(mH(x), gb)
    return ga, gb[..., 0] if vector else gb


@op(
    "_solve_triangular(Tensor A, Tensor B, *, bool upper, bool left=True, bool unitriangular=False)",
    saves={"A": ("A", "B"), "B": ("A",)}, grad="LinalgSolveTriangularBackward0", **_hidden,
)  # fmt: skip
def solve_triangular(A, B, upper, left, unitriangular):
    """The solution X of A X = B (X A = B) for triangular A."""
    check_same_dtype(A, B, "linalg.solve_triangular")
    check_solver(A, B, left, "linalg.solve_triangular")
    check_kernel(A, "triangular_solve_cpu")
    a, b = broadcast_batch(A, B)
    return triangular(a, b, upper=upper, left=left, unit=unitriangular)


@op(
    "_triangular_solve(Tensor input, Tensor A, bool upper, bool transpose, bool unitriangular)",
    grad="TriangularSolveBackward0", **_hidden,
)  # fmt: skip
def triangular_solve(input, A, upper, transpose, unitriangular):
    """The solution X of A X = b (A^T X = b), and a copy of A."""
    if input.ndim < 2:
        raise RuntimeError(
            f"torch.triangular_solve: Expected b to have at least 2 dimensions, but it has {input.ndim} dimensions "
            "instead"
        )
    if A.ndim < 2:
        raise RuntimeError(
            f"torch.triangular_solve: Expected A to have at least 2 dimensions, but it has {A.ndim} dimensions instead"
        )
    check_solve_sizes(input, A, "triangular_solve")
    check_kernel(A, "triangular_solve_cpu")
    a, b = broadcast_batch(A, input)
    return _triangular_solve(a, b, upper, transpose, unitriangular), a


@functools.partial(jax.custom_jvp, nondiff_argnums=(2, 3, 4))
def _triangular_solve(a, b, upper, transpose, unit):
    return lax.linalg.triangular_solve(a, b, left_side=True, lower=not upper, transpose_a=transpose, unit_diagonal=unit)


@_triangular_solve.defjvp
def _(upper, transpose, unit, primals, tangents):
    # As PyTorch has it: forward, the other triangle of the matrix counts, which the function does not read.
    (a, _), (da, db) = primals, tangents
    x = _triangular_solve(*primals, upper, transpose, unit)
    return x, _triangular_solve(a, db - mm(mT(da) if transpose else da, x), upper, transpose, unit)


@triangular_solve.backward
def _(grad, result, A, upper, transpose, unitriangular):
    gx, ga = grad
    a = jnp.broadcast_to(A, result[1].shape)
    part = functools.partial(jnp.triu, k=int(unitriangular)) if upper else functools.partial(jnp.tril, k=-int(unitriangular))
    used = part(a) + eye_like(a) if unitriangular else part(a)  # only this triangle has a gradient, at any order
    gb = _triangular_solve(jnp.conj(used), gx, upper, not transpose, unitriangular)
    x = result[0]
    return gb, ga - part(mm(jnp.conj(x), mT(gb)) if transpose else mm(gb, mH(x)))


def check_solve_sizes(b, a, name: str) -> None:
    """The checks of PyTorch's older solvers."""
    if a.dtype != b.dtype:
        raise RuntimeError(
            f"Expected b and A to have the same dtype, but found b of type {type_name(b)} and A of type "
            f"{type_name(a)} instead."
        )
    if a.shape[-1] != a.shape[-2]:
        raise RuntimeError(
            f"A must be batches of square matrices, but they are {a.shape[-2]} by {a.shape[-1]} matrices"
        )
    if a.shape[-1] != b.shape[-2]:
        n = a.shape[-1]
        raise RuntimeError(
            f"Incompatible matrix sizes for {name}: each A matrix is {n} by {n} but each b matrix is {b.shape[-2]} by "
            f"{b.shape[-1]}"
        )


@op(
    "_linalg_lu_solve(Tensor LU, Tensor pivots, Tensor B, *, bool left=True, bool adjoint=False)",
    saves={"LU": ("LU", "B"), "pivots": ("LU", "B"), "B": ("LU",)}, grad="LinalgLuSolveBackward0", **_hidden,
)  # fmt: skip
def lu_solve(LU, pivots, B, left, adjoint):
    """The solution X of A X = B (X A = B; with A^H when `adjoint`) from `linalg.lu_factor(A)`."""
    check_float(LU, "torch.linalg.lu_solve", low_precision=True)
    check_square(LU, "torch.linalg.lu_solve")
    if LU.dtype != B.dtype:
        raise RuntimeError(
            f"linalg.lu_solve: Expected LU and B to have the same dtype, but found LU of type {type_name(LU)} and B of "
            f"type {type_name(B)} instead"
        )
    if pivots.dtype != jnp.int32:
        raise RuntimeError("linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32")
    check_solver(LU, B, left, "linalg.lu_solve")
    if pivots.shape[-1] != LU.shape[-1]:
        raise RuntimeError("linalg.lu_solve: Number of pivots per batch should be same as the dimension of the matrix")
    if pivots.shape[:-1] != LU.shape[:-2]:
        raise RuntimeError(
            f"linalg.lu_solve: Expected LU.shape[:-1] and pivots.shape to be the same, but got pivots with shape "
            f"{list(pivots.shape)} instead"
        )
    check_kernel(LU, "linalg.lu_solve_cpu")
    lu, b = broadcast_batch(LU, B)
    n = LU.shape[-1]
    perm = lax.linalg.lu_pivots_to_permutation(pivots - 1, n)
    perm = jnp.broadcast_to(perm, lu.shape[:-1])
    if left:
        return solve_factored(lu, perm, b, adjoint)
    return mH(solve_factored(lu, perm, mH(b), not adjoint))


@op("_cholesky_solve(Tensor input, Tensor L, bool upper=False)", grad="CholeskySolveBackward0", **_hidden)
def cholesky_solve(input, L, upper):
    """The solution X of A X = input from the Cholesky factor of A."""
    if input.ndim < 2:
        raise RuntimeError(f"b should have at least 2 dimensions, but has {input.ndim} dimensions instead")
    if L.ndim < 2:
        raise RuntimeError(f"u should have at least 2 dimensions, but has {L.ndim} dimensions instead")
    check_solve_sizes(input, L, "cholesky_solve")
    check_kernel(input, "cholesky_solve_cpu")
    c, b = broadcast_batch(L, input)
    return _cholesky_solve(c, b, upper)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _cholesky_solve(c, b, upper):
    x = triangular(c, b, upper=upper, adjoint=upper)
    return triangular(c, x, upper=upper, adjoint=not upper)


@_cholesky_solve.defjvp
def _(upper, primals, tangents):
    # As PyTorch has it: the other triangle of the factor, which the function does not read, counts here.
    (c, b), (dc, db) = primals, tangents
    x = _cholesky_solve(c, b, upper)
    da = mm(mH(dc), c) if upper else mm(dc, mH(c))
    return x, _cholesky_solve(c, db - mm(da + mH(da), x), upper)


@cholesky_solve.backward
def _(grad, result, L, upper):
    # PyTorch's formula: the other triangle of the factor, which the function does not read, gets a gradient too.
    c = jnp.broadcast_to(L, grad.shape[:-2] + L.shape[-2:])
    g = _cholesky_solve(c, grad, upper)
    common = mm(g, mH(result))
    common = common + mH(common)
    return g, -mm(c, common) if upper else -mm(common, c)


@op("_cholesky_inverse(Tensor input, bool upper=False)", grad="CholeskyInverseBackward0", **_hidden)
def cholesky_inverse(input, upper):
    """The inverse of A from its Cholesky factor."""
    check_square(input, "cholesky_inverse")
    check_kernel(input, "cholesky_inverse_out_cpu")
    return _cholesky_inverse(input, upper)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _cholesky_inverse(c, upper):
    half = triangular(c, eye_like(c), upper=upper)
    return mm(half, mH(half)) if upper else mm(mH(half), half)


@_cholesky_inverse.defjvp
def _(upper, primals, tangents):
    # As PyTorch has it: the other triangle of the factor, which the function does not read, counts here.
    (c,), (dc,) = primals, tangents
    x = _cholesky_inverse(c, upper)
    da = mm(mH(dc), c) if upper else mm(dc, mH(c))
    return x, -mm(x, mm(da + mH(da), x))


@cholesky_inverse.backward
def _(grad, result, input, upper):
    common = mm(result, mm(grad + mH(grad), result))
    return (-mm(input, common) if upper else -mm(common, input),)


# --- least squares -----------------------------------------------------------------------------------------


@op(
    "_linalg_lstsq(Tensor A, Tensor B, float rcond, str driver, bool residuals)",
    cuts=lambda statics, avals: () if statics[2] else (1,), grad="LinalgLstsqBackward0", **_hidden,
)  # fmt: skip
def lstsq(A, B, rcond, driver, residuals):
    """Least squares: solution, residuals (or nothing), rank, singular values (or nothing, where the driver has none), all of the batch."""
    vector = is_lstsq_vector(A.shape, B.shape)
    b = B[..., None] if vector else B
    a, b = broadcast_batch(A, b)
    share = 0.0 if driver == "gels" else rcond
    if driver in ("gelsd", "gelss"):
        s = lax.linalg.svd(lax.stop_gradient(A), full_matrices=False, compute_uv=False)
        rank = _rank(s, share)
    else:
        s = jnp.zeros((0,), jnp.finfo(A.dtype).dtype)
        rank = _rank_by_qr(lax.stop_gradient(A), lax.stop_gradient(a), lax.stop_gradient(b), share)
    x = _least_squares(a, b, share) if a.size and b.size else jnp.zeros((*a.shape[:-2], a.shape[-1], b.shape[-1]), a.dtype)
    if residuals:
        left = mm(a, x) - b
        rest = jnp.sum(jnp.real(left * jnp.conj(left)), -2)
        if driver == "gels" and not a.size:
            rest = jnp.zeros_like(rest)
    else:
        rest = jnp.zeros((0,), s.dtype)
    return x[..., 0] if vector else x, rest, rank, s


def _rank(s, share):
    """How many singular values are larger than this share of the largest."""
    top = s[..., :1] if s.shape[-1] else jnp.zeros(s.shape[:-1] + (1,), s.dtype)
    return jnp.sum(s > share * top, -1)


def _by_qr(a, b, share):
    """Whether all singular values of all A are certainly larger than this share of the largest, and the solution if they are."""
    m, n = a.shape[-2:]
    if m < n:
        q, r = lax.linalg.qr(mH(a), full_matrices=False)
    elif b.shape[-1] <= n:  # the triangle of [A B] has that of A and Q' B
        triangle = lax.linalg.qr(jnp.concatenate([a, b], -1), full_matrices=False)[1]
        r, projected = triangle[..., :n, :n], triangle[..., :n, n:]
    else:
        q, r = lax.linalg.qr(a, full_matrices=False)
        projected = mm(mH(q), b)
    inverse = triangular(r, eye_like(r), upper=True)
    lengths = [jnp.sqrt(jnp.sum(jnp.real(v * jnp.conj(v)), (-2, -1))) for v in (r, inverse)]  # at least the norms
    full = jnp.all(share * lengths[0] * lengths[1] < 1) & jnp.all(jnp.isfinite(inverse))
    return full, mm(q, mm(mH(inverse), b)) if m < n else mm(inverse, projected)


def _rank_by_qr(A, a, b, share):
    """`_rank` of matrices A, by what `_least_squares` computes for them as broadcast, if that tells."""

    def count(A):
        return _rank(lax.linalg.svd(A, full_matrices=False, compute_uv=False), share)

    if not (a.size and b.size):  # LAPACK's driver does not look at matrices without right-hand sides
        return jnp.zeros(A.shape[:-2], int)
    return lax.cond(_by_qr(a, b, share)[0], lambda A: jnp.full(A.shape[:-2], min(A.shape[-2:])), count, A)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _least_squares(a, b, share):
    """The solution of least norm of A X = B, batched; singular values up to this share of the largest count as zero.

    By QR where the rank is full, and else by the singular value decomposition, which takes 4 times as long.
    """

    def by_svd(a, b):
        return mm(_pinv(a, jnp.zeros((), b.real.dtype), jnp.asarray(share, b.real.dtype)), b)

    full, solution = _by_qr(a, b, share)
    return lax.cond(full, lambda a, b: solution, by_svd, a, b)


@_least_squares.defjvp
def _(share, primals, tangents):
    (a, b), (da, db) = primals, tangents
    p = _pinv(a, jnp.zeros((), b.real.dtype), jnp.asarray(share, b.real.dtype))
    x = mm(p, b)
    # Golub and Pereyra 1973, as for the pseudo-inverse
    change = mm(p, db - mm(da, x)) + mm(p, mm(mH(p), mm(mH(da), b - mm(a, x))))
    right = mm(mH(da), mm(mH(p), x))
    return x, change + right - mm(p, mm(a, right))


def is_lstsq_vector(a_shape, b_shape) -> bool:
    return len(b_shape) == 1 or (len(a_shape) - 1 == len(b_shape) and b_shape == a_shape[:-1])

