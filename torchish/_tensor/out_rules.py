"""What `out=` may be: its dtype, its place in memory and its history, operation by operation, in PyTorch's words.

Most operations take any dtype that their result can be cast to. Those listed here want the dtype of the result itself, or say in words
of their own that they do not. Likewise most refuse an `out` that partly overlaps an input; some work through a copy and allow it.
"""

from __future__ import annotations

from typing import Any

from torchish import _dtypes as dt

CAST = "result type {have} can't be cast to the desired output type {got}"

# message -> operations; {have} is the dtype of the result and {got} that of `out`, {c_have} and {c_got} in C++.
_SAME_DTYPE = {
    "Expected out tensor to have dtype {c_have}, but got {c_got} instead": """
        addmm addmv baddbmm bmm cross expand_copy diagonal_copy alias_copy isin lu_unpack lu_solve max min softmax aminmax
        as_strided_copy avg_pool2d avg_pool3d linear topk mm view_copy permute_copy qr split_with_sizes_copy slice_scatter
        triangular_solve svd matmul matrix_power diag_embed gather index_copy index_add index_reduce sort scatter scatter_add unbind_copy
        unfold_copy msort renorm squeeze_copy take_along_dim unsqueeze_copy transpose_copy tril triu log_softmax norm t_copy argmax argmin
        scatter_reduce
        linalg_cross linalg_det linalg_cholesky linalg_cholesky_ex linalg_eigh linalg_eigvalsh linalg_ldl_factor
        linalg_ldl_factor_ex linalg_ldl_solve linalg_qr linalg_slogdet linalg_vector_norm linalg_lu_factor linalg_lu_factor_ex
        linalg_lu linalg_lu_solve linalg_inv linalg_inv_ex linalg_solve linalg_solve_ex linalg_svd linalg_svdvals
        """,
    "Found dtype {got} but expected {have}": """
        abs ceil conj_physical frac floor neg round sign sgn trunc softshrink hardshrink gelu softplus lerp_tensor
        """,
    "self and mat2 must have the same dtype, but got {got} and {have}": "addbmm",
    "addmv input tensors must have the same dtype, but got {got}, {have}, and {have}": "mv matmul_mv",
    "the output given to float_power has dtype {got} but the operation's result requires dtype {have}": "float_power",
    "result dtype {got} does not match input dtype {have}": "dot vdot matmul_dot",
    "expected scalar_type {have} but found {got}": "cummax cummin diff logcumsumexp",
    "expected scalar type {have} but found {got}": "linalg_solve_triangular log_sigmoid log_sigmoid_forward",
    "torch.frexp() expects mantissa to have dtype {c_have} but got {c_got}": "frexp",
    "output values must be of same type as input": "kthvalue",
    "{name}(): self and result must have the same scalar type": "masked_select index_select",
    "quantile() out tensor must be same dtype as the input tensor": "quantile nanquantile",
    "heaviside is not yet implemented for tensors with different dtypes.": "heaviside",
    "expected scalar type '{have}' but got '{got}' for values output": "mode",
    "Expected self.dtype() == output.dtype() to be true, but got false.  (Could this error message be improved?  If so, please "
    "report an enhancement request to PyTorch.)": "narrow_copy",
    "torch.ormqr: Expected input and result to have the same dtype, but input has dtype{have} and result has dtype {got}": "ormqr",
    "Expected object of scalar type {have} but got scalar type {got} for argument 'out'": "complex polar",
    "nan_to_num: dtype of out: {got} should be same as input: {have}": "nan_to_num",
    "take(): self and out expected to have the same dtype, but got self.dtype = {have} and out.dtype = {got}": "take",
    "torch.histogram: input tensor and hist tensor should have the same dtype, but got input {c_have} and hist {c_got}": "histogram histc",
    "tensordot: Expected the output tensor to have dtype {have}, but got an output tensor with dtype {got}": "tensordot",
    "Expected the dtype for input and out to match, but got {have} for input's dtype and {got} for out's dtype.": "amax amin",
    "linalg.vecdot: Expected out of dtype{have} but found {got}": "linalg_vecdot",
    "multi_dot(): expected out tensor to have dtype {c_have} but got {c_got}": "linalg_multi_dot",
    "linalg.{short} expected out tensor dtype {have} but got: {got}": "linalg_matrix_norm linalg_norm",
    "multinomial expects Long tensor out, got: {got}": "multinomial",
    "{name} does not support non-boolean outputs.": "signbit isposinf isneginf",
    "nonzero: Expected out tensor to have scalar type {have} but got scalar type{got}": "nonzero",
    "torch.searchsorted(): output tensor's dtype is wrong, it can only be Int(int32) or Long(int64) depending on whether out_int32 "
    "flag is True, but we got output tensor's dtype {got} and out_int32 flag is {int32}": "searchsorted bucketize",
    "Expected result to be of dtype uint64, but got {got}": "hash_tensor",
}  # fmt: skip
_CASTABLE = {
    "{name}: Expected result to be safely castable from {have} dtype, but got result with dtype {got}": """
        cholesky cholesky_inverse cholesky_solve
        """,
    "linalg.{short}: Expected result to be safely castable from {have} dtype, but got result with dtype {got}": "linalg_cond linalg_pinv",
    "{short}: Expected result to be safely castable from {have} dtype, but got result with dtype {got}": """
        linalg_matrix_power linalg_tensorinv linalg_tensorsolve
        """,
    "torch.linalg.{short}: Expected eigenvalues to be safely castable from {have} dtype, but got eigenvalues with dtype {got}": """
        linalg_eig linalg_eigvals
        """,
    "torch.linalg.{short}: Expected result to be safely castable from {have} dtype, but got result with dtype {got}": """
        linalg_householder_product linalg_matrix_rank
        """,
    "torch.linalg.{short}: Expected solution to be safely castable from {have} dtype, but got solution with dtype {got}": "linalg_lstsq",
    "torch.geqrf: Expected a to be safely castable from {have} dtype, but got a with dtype {got}": "geqrf",
    "matrix_power: Expected result to be safely castable from {have} dtype, but got result with dtype {got}": "matrix_power",
    "diag: result type {have} can't be cast to the desired out= type {got}": "diag_embed",
    "ldexp can't be cast to the desired output type {got}": "ldexp",
    "mvlgamma: result type {have} can't be cast to the desired output type {have}": "mvlgamma",
    "logsumexp(): Expected floating point type for result tensor, but got: {got}": "logsumexp",
    "torch.cat(): input types can't be cast to the desired output type {got}": """
        cat concat concatenate hstack vstack dstack column_stack stack
        """,
    "{short} expects a complex output tensor, but got {got}": "fft_fft fft_fftn fft_rfft fft_rfftn fft_ifft fft_ihfft fft_ihfftn",
    "fftn expects a complex output tensor, but got {got}": "fft_fft2 fft_ifft2 fft_ifftn",
    "rfftn expects a complex output tensor, but got {got}": "fft_rfft2",
    "ihfftn expects a complex output tensor, but got {got}": "fft_ihfft2",
    "{short} expects a floating point output tensor, but got {got}": "fft_hfft fft_hfftn fft_irfft fft_irfftn",
    "hfftn expects a floating point output tensor, but got {got}": "fft_hfft2",
    "irfftn expects a floating point output tensor, but got {got}": "fft_irfft2",
    "{name} only supports bool tensor for result, got: {got}": "all any",
    "Expected canCast( typeMetaToScalarType(self.dtype()), typeMetaToScalarType(out.dtype())) to be true, but got false.  (Could this "
    "error message be improved?  If so, please report an enhancement request to PyTorch.)": "max_all min_all",
}  # fmt: skip

SAME_DTYPE = {name: text for text, names in _SAME_DTYPE.items() for name in names.split()}
CASTABLE = {name: text for text, names in _CASTABLE.items() for name in names.split()}

# These compute in the dtype of `out`, whatever it is, unless a dtype is given; then it must be that one.
ANY_DTYPE = frozenset(("sum", "prod", "cumsum", "cumprod", "lu"))

# Operations that go through a copy, so that `out` may partly overlap an input.
OVERLAP = frozenset(
    """
    alias_copy amax amin as_strided_copy bmm cholesky cholesky_inverse cholesky_solve cummax cummin diag diagonal_copy expand_copy
    fft_hfft fft_hfft2 fft_hfftn fft_irfft fft_irfft2 fft_irfftn geqrf linalg_cholesky linalg_cholesky_ex linalg_cond linalg_eigh
    linalg_eigvalsh linalg_householder_product linalg_inv linalg_inv_ex linalg_ldl_factor linalg_ldl_factor_ex linalg_ldl_solve
    linalg_lstsq linalg_lu linalg_lu_factor linalg_lu_factor_ex linalg_lu_solve linalg_matrix_norm linalg_matrix_power linalg_pinv
    linalg_qr linalg_solve linalg_solve_ex linalg_solve_triangular linalg_svd linalg_svdvals linalg_tensorinv linalg_tensorsolve
    linalg_vector_norm linear log_sigmoid log_softmax logsumexp lu lu_solve lu_unpack matmul mean mm mv mvlgamma nanmean nanquantile
    nansum narrow_copy norm ormqr permute_copy qr quantile slice_scatter softmax special_ndtr squeeze_copy std svd t_copy tensordot
    transpose_copy triangular_solve tril triu unfold_copy unsqueeze_copy var view_copy
    """.split()
)
# Operations that read elsewhere than they write: `out` may not be an input either.
NO_OVERLAP = frozenset(
    "cat concat concatenate cross gather index_select kthvalue linalg_cross masked_select take take_along_dim".split()
)
# Operations whose result is copied to an `out` of its shape; elsewhere an `out` that is resized takes the result's memory order.
COPIED = frozenset(
    "cholesky cholesky_solve fft_fft fft_fft2 fft_fftn fft_hfft fft_hfft2 fft_hfftn fft_ifft2 fft_ifftn fft_irfft fft_irfft2 fft_irfftn "
    "fft_rfft fft_rfft2 fft_rfftn lu".split()
)



# The operation that another one hands its `out` to: the error about gradients has its name.
_RECORDED = {
    "div": "true_divide", "mul": "inner outer ger kron", "sub": "diff_sub", "pow": "float_power square", "max": "max_all",
    "min": "min_all", "lerp": "lerp_tensor",
    "matmul": "matmul_dot matmul_mv linalg_matmul matrix_power", "cat": "column_stack hstack vstack dstack row_stack concat concatenate",
    "sort": "msort", "gather": "take_along_dim", "clamp": "clip", "mvlgamma": "special_multigammaln", "round": "special_round",
    "logsumexp": "special_logsumexp", "norm": "frobenius_norm", "linalg_householder_product": "orgqr",
    "nansum": "nanmean", "vdot": "linalg_vecdot", "sum": "linalg_vecdot_of_rows", "mm": "linalg_multi_dot chain_matmul",
    "linalg_vector_norm": "norm", "linalg_cross": "cross",
    "linalg_lu_solve": "lu_solve", "linalg_qr": "qr", "linalg_cholesky_ex": "linalg_cholesky", "linalg_lu_factor_ex": "linalg_lu_factor",
    "linalg_inv_ex": "linalg_inv inverse matrix_power_of_inverse",
    "_linalg_eigh": "linalg_eigh linalg_eigvalsh", "_linalg_svd": "linalg_svd linalg_svdvals svd",
    "_linalg_solve_ex": "linalg_solve linalg_solve_ex", "_linalg_det": "linalg_det det", "_linalg_slogdet": "linalg_slogdet slogdet",
    "linalg_ldl_factor_ex": "linalg_ldl_factor",
    "_fft_c2c": "fft_fft fft_fft2 fft_fftn fft_ifft fft_ifft2 fft_ifftn fft_ihfft2 fft_ihfftn",
    "_fft_r2c": "fft_rfft fft_rfft2 fft_rfftn", "_fft_c2r": "fft_irfft fft_irfft2 fft_irfftn fft_hfft fft_hfft2 fft_hfftn",
    "conj_physical": "fft_ihfft",
}  # fmt: skip
RECORDED = {name: entry for entry, names in _RECORDED.items() for name in names.split()}
# Transforms in one dimension do otherwise with real numbers.
_OF_REAL = {"fft_fft": "_fft_r2c", "fft_ifft": "conj_physical"}
# Operations whose form with `out=` has no derivative: only an `out` that requires a gradient is refused, and inputs that do leave behind
# a result whose gradient cannot be computed.
SEQUENCES = frozenset(("arange", "range", "linspace", "logspace"))
NO_DERIVATIVE = SEQUENCES | frozenset(
    "zeros ones full eye alias_copy as_strided_copy conj_physical diag_embed diagonal_copy expand_copy floor_divide heaviside "
    "histogram linalg_eigvals linalg_ldl_factor_ex linalg_ldl_solve log_softmax permute_copy slice_scatter softmax squeeze_copy t_copy "
    "transpose_copy unfold_copy unsqueeze_copy view_copy".split()
)
# Operations that give `out` a copy of their result, which is recorded as such.
COPY_IN = frozenset(
    "chain_matmul_of_one diff linalg_cond linalg_matrix_norm linalg_matrix_power linalg_norm linalg_tensorinv linalg_tensorsolve lu "
    "nanquantile norm_nuclear nuclear_norm quantile special_ndtr tensordot".split()
)
# Operations that never take part in autograd.
NO_HISTORY = frozenset(
    "fft_ihfft_along_one histc matrix_power_of_zero split_with_sizes_copy unbind_copy "
    "special_airy_ai special_bessel_j0 special_bessel_j1 special_bessel_y0 special_bessel_y1 "
    "special_chebyshev_polynomial_t special_chebyshev_polynomial_u special_chebyshev_polynomial_v special_chebyshev_polynomial_w "
    "special_hermite_polynomial_h special_hermite_polynomial_he special_laguerre_polynomial_l special_legendre_polynomial_p "
    "special_modified_bessel_i0 special_modified_bessel_i1 special_modified_bessel_k0 special_modified_bessel_k1 "
    "special_scaled_modified_bessel_k0 special_scaled_modified_bessel_k1 special_shifted_chebyshev_polynomial_t "
    "special_shifted_chebyshev_polynomial_u special_shifted_chebyshev_polynomial_v special_shifted_chebyshev_polynomial_w "
    "special_spherical_bessel_j0".split()
)


_REAL = frozenset("fft_hfft fft_hfft2 fft_hfftn fft_irfft fft_irfft2 fft_irfftn".split())


def overload(name: str, flat: tuple) -> str:
    """The name under which the rules for a call of these arguments are listed, where a function is several operations."""
    if name in ("max", "min"):
        if len(flat) == 1:
            return f"{name}_all"
        return f"{name}imum" if hasattr(flat[1], "_aval") else name
    if name == "matmul":
        kinds = [min(x._aval.ndim, 3) for x in flat]
        return "matmul_dot" if kinds == [1, 1] else "matmul_mv" if kinds[1] == 1 else name
    if name == "diag":
        return "diag_embed" if flat[0]._aval.ndim == 1 else "diagonal_copy"
    if name in ("linalg_matrix_power", "matrix_power"):
        powers = {0: "matrix_power_of_zero", 1: "linalg_matrix_power"}
        return powers.get(flat[1]) or ("matrix_power" if flat[1] > 0 else "matrix_power_of_inverse")
    if name in ("fft_ihfftn", "fft_ihfft2") and 1 == (len(flat[2] or flat[1] or ()) or flat[0]._aval.ndim):
        return "fft_ihfft_along_one"
    if name == "norm" and flat[1] == "nuc":
        return "norm_nuclear"
    if name == "linalg_vecdot" and not all(x._aval.ndim == 1 for x in flat[:2]):
        return "linalg_vecdot_of_rows"
    if name == "chain_matmul" and len(flat) == 1:
        return "chain_matmul_of_one"
    if name == "inner" and all(x._aval.ndim for x in flat):
        return "tensordot"
    if name == "lerp" and hasattr(flat[2], "_aval") and flat[2]._aval.ndim:
        return "lerp_tensor"
    return "diff_sub" if name == "diff" and flat[1] else name


def recorded(rule: str, flat: tuple) -> str:
    """The operation that autograd sees where this one writes to `out`."""
    if rule in _OF_REAL and flat[0]._aval.category < 3:
        return _OF_REAL[rule]
    return RECORDED.get(rule, rule)


def with_dtype(name: str, dtype: dt.dtype | None, got: dt.dtype) -> dt.dtype | None:
    """The dtype that an operation with a `dtype` argument computes in when its result goes into an `out` of dtype `got`."""
    if dtype is None:
        return got if name in ANY_DTYPE else None
    if dtype is not got and (name in ANY_DTYPE or name == "mean"):
        raise RuntimeError(f"Expected out tensor to have dtype {dt.cpp_name(dtype)}, but got {dt.cpp_name(got)} instead")
    return dtype


def check_known_dtype(name: str, input: Any, got: dt.dtype) -> None:
    """`check_dtype` before anything is computed, where PyTorch looks at the values of an `input` it can work on only after it."""
    if name == "multinomial" and input.dtype.is_floating_point and 1 <= input._aval.ndim <= 2:
        check_dtype(name, dt.int64, got)


def check_dtype(name: str, have: dt.dtype, got: dt.dtype) -> None:
    """RuntimeError with the operation's own text when a result of dtype `have` may not go into an `out` of dtype `got`."""
    if have is got or name in ANY_DTYPE:
        return
    text = SAME_DTYPE.get(name)
    if text is None or name in CASTABLE and not dt.can_cast(have, got):
        refused = name in ("all", "any") and got not in (dt.bool_, dt.uint8) or name in _REAL and got.is_complex
        if dt.can_cast(have, got) and not refused:
            return
        text = CASTABLE.get(name, CAST)
    names: dict[str, Any] = {
        "name": name, "short": name.partition("_")[2], "have": dt.SCALAR_TYPE_NAMES[have], "got": dt.SCALAR_TYPE_NAMES[got],
        "c_have": dt.cpp_name(have), "c_got": dt.cpp_name(got), "int32": have is dt.int32,
    }  # fmt: skip
    error = TypeError if text.startswith("torch.cat") else RuntimeError
    raise error(text.format(**names))
