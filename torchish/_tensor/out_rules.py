"""What `out=` may be: its dtype and its place in memory, operation by operation, in PyTorch's words.

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
        triangular_solve svd gather index_copy index_add index_reduce sort scatter scatter_add unbind_copy unfold_copy msort renorm
        squeeze_copy take_along_dim unsqueeze_copy transpose_copy tril triu log_softmax norm t_copy argmax argmin scatter_reduce
        diag linalg_cross linalg_det linalg_cholesky linalg_cholesky_ex linalg_eigh linalg_eigvalsh linalg_ldl_factor
        linalg_ldl_factor_ex linalg_ldl_solve linalg_qr linalg_slogdet linalg_vector_norm linalg_lu_factor linalg_lu_factor_ex
        linalg_lu linalg_lu_solve linalg_inv linalg_inv_ex linalg_solve linalg_solve_ex linalg_svd linalg_svdvals
        """,
    "Found dtype {got} but expected {have}": """
        abs ceil conj_physical frac floor neg round sign sgn trunc softshrink hardshrink gelu softplus
        """,
    "self and mat2 must have the same dtype, but got {got} and {have}": "addbmm",
    "addmv input tensors must have the same dtype, but got {got}, {have}, and {have}": "mv",
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
    "linalg.matrix_norm expected out tensor dtype {have} but got: {got}": "linalg_matrix_norm",
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
        linalg_householder_product
        """,
    "torch.linalg.{short}: Expected solution to be safely castable from {have} dtype, but got solution with dtype {got}": "linalg_lstsq",
    "torch.geqrf: Expected a to be safely castable from {have} dtype, but got a with dtype {got}": "geqrf",
    "diag: result type {have} can't be cast to the desired out= type {got}": "diag_embed",
    "ldexp can't be cast to the desired output type {got}": "ldexp",
    "mvlgamma: result type {have} can't be cast to the desired output type {have}": "mvlgamma",
    "the output given to float_power has dtype {got} but the operation's result requires dtype {have}": "float_power",
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



def with_dtype(name: str, dtype: dt.dtype | None, got: dt.dtype) -> dt.dtype | None:
    """The dtype that an operation with a `dtype` argument computes in when its result goes into an `out` of dtype `got`."""
    if dtype is None:
        return got if name in ANY_DTYPE else None
    if dtype is not got and (name in ANY_DTYPE or name == "mean"):
        raise RuntimeError(f"Expected out tensor to have dtype {dt.cpp_name(dtype)}, but got {dt.cpp_name(got)} instead")
    return dtype


def check_dtype(name: str, have: dt.dtype, got: dt.dtype) -> None:
    """RuntimeError with the operation's own text when a result of dtype `have` may not go into an `out` of dtype `got`."""
    if have is got or name in ANY_DTYPE:
        return
    text = SAME_DTYPE.get(name)
    if text is None:
        if dt.can_cast(have, got) and (got is dt.bool_ or name not in ("all", "any") or got is dt.uint8):
            return
        text = CASTABLE.get(name, CAST)
    names: dict[str, Any] = {
        "name": name, "short": name.partition("_")[2], "have": dt.SCALAR_TYPE_NAMES[have], "got": dt.SCALAR_TYPE_NAMES[got],
        "c_have": dt.cpp_name(have), "c_got": dt.cpp_name(got), "int32": have is dt.int32,
    }  # fmt: skip
    error = TypeError if text.startswith("torch.cat") else RuntimeError
    raise error(text.format(**names))
