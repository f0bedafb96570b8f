"""Products of matrices and vectors.

All of them are one `lax.dot_general`: 16-bit floats are summed in float32 and rounded once, float32 is multiplied in
full float32 on every platform (PyTorch's default, where an accelerator would take fewer bits).
"""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchish import _dtypes as dt
from torchish.ops import declare
from torchish.ops.apart import apart
from torchish.ops.declare import broadcast_shapes, op
from torchish.ops.dims import size_of
from torchish.ops.precision import factor, is_half, type_name, type_text, widen

Dims = tuple[tuple[tuple[int, ...], tuple[int, ...]], tuple[tuple[int, ...], tuple[int, ...]]]


# "high" and "medium" let an accelerator take fewer bits (TensorFloat32 on GPUs, bfloat16 on TPUs); a CPU takes all of them.
PRECISIONS = {"highest": lax.Precision.HIGHEST, "high": lax.Precision.HIGH, "medium": lax.Precision.DEFAULT}
_setting = ["highest"]


def float32_precision() -> lax.Precision:
    """The precision of float32 products, as `torch.set_float32_matmul_precision` set it."""
    return PRECISIONS[_setting[0]]


def float32_setting() -> str:
    """The name of the precision of float32 products: "highest", "high" or "medium"."""
    return _setting[0]


def set_float32_setting(name: str) -> None:
    """Set the precision of float32 products; what was specialised under another one is forgotten."""
    if name != _setting[0]:
        _setting[0] = name
        declare.VARIANT[0] = "" if name == "highest" else f"/{name}"
        for ops in declare.REGISTRY.values():
            for o in ops:
                o.specs.clear()


def dot(a, b, dims: Dims):
    """`lax.dot_general` with PyTorch's accumulation. `dims` is ((contracted), (batch)) as there."""
    return wide_dot(a, b, dims).astype(a.dtype)


def wide_dot(a, b, dims: Dims):
    """`dot` before it is rounded to 16-bit floats: float32 for those. Where each sum is one product, that is rounded."""
    kind = jnp.float32 if is_half(a.dtype) else a.dtype
    precision = float32_precision() if a.dtype in (jnp.float32, jnp.complex64) else None
    made = lax.dot_general(a, b, dims, precision=precision, preferred_element_type=kind)
    return apart(made) if math.prod([a.shape[d] for d in dims[0][0]]) == 1 else made


NN: Dims = (((1,), (0,)), ((), ()))  # a @ b
NT: Dims = (((1,), (1,)), ((), ()))  # a @ b.T
TN: Dims = (((0,), (0,)), ((), ()))  # a.T @ b
BNN: Dims = (((2,), (1,)), ((0,), (0,)))
BNT: Dims = (((2,), (2,)), ((0,), (0,)))
BTN: Dims = (((1,), (1,)), ((0,), (0,)))


def meta_name(x) -> str:
    """The C++ name of an array's dtype in PyTorch's matrix product messages."""
    return dt.cpp_name(dt.FROM_NP[np.dtype(x.dtype)])


def no_bool(kernel: str, *operands) -> None:
    """There is no product of truth values; of matrices without elements, nobody notices."""
    if operands[0].dtype == jnp.bool_ and all(x.size or x.ndim == 1 == len(operands) for x in operands):
        raise NotImplementedError(f"\"{kernel}\" not implemented for 'Bool'")


def scaled(alpha, x):
    """`alpha * x` in the dtype of x (float32 for 16-bit floats); a Python number that is None is 1."""
    return x if alpha is None else factor(alpha, x.dtype) * x


def weighted(beta, input, shape, dtype):
    """`beta * input` broadcast to `shape`; zero, whatever `input` holds, where beta is 0."""
    if input.shape != shape:
        expandable(input, shape)
    if beta is None:
        return input.astype(dtype)
    beta = factor(beta, dtype)
    return jnp.where(beta == 0, jnp.zeros((), dtype), beta * input.astype(dtype))


def expandable(x, shape: tuple[int, ...]) -> None:
    """RuntimeError with `Tensor.expand`'s message when x does not broadcast to `shape`."""
    pad = len(shape) - x.ndim
    if pad < 0:
        raise RuntimeError(
            f"expand({type_text(x)}{{{list(x.shape)}}}, size={list(shape)}): the number of sizes provided "
            f"({len(shape)}) must be greater or equal to the number of dimensions in the tensor ({x.ndim})"
        )
    for i in range(len(shape) - 1, pad - 1, -1):
        n = x.shape[i - pad]
        if n not in (1, shape[i]):
            raise RuntimeError(
                f"The expanded size of the tensor ({shape[i]}) must match the existing size ({n}) at non-singleton "
                "dimension "
                f"{i}.  Target sizes: {list(shape)}.  Tensor sizes: {list(x.shape)}"
            )


def _product(a, b, alpha, dims):
    """alpha * (a @ b) before rounding: float32 for 16-bit floats."""
    return scaled(alpha, wide_dot(a, b, dims))


def _grads(grad, a, b, needs_a, needs_b, nt, tn):
    """The gradients of a @ b."""
    return (
        dot(grad, jnp.conj(b), nt) if needs_a else None,
        dot(jnp.conj(a), grad, tn) if needs_b else None,
    )


# --- matrices ----------------------------------------------------------------------------------------------


def _check_shapes(a, b) -> None:
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and {b.shape[0]}x{b.shape[1]})"
        )


@op("mm(Tensor input, Tensor mat2)", saves={"input": ("mat2",), "mat2": ("input",)})
def mm(input, mat2):
    """The product of two matrices, (n, m) and (m, p)."""
    if input.ndim != 2:
        raise RuntimeError("self must be a matrix")
    if mat2.ndim != 2:
        raise RuntimeError("mat2 must be a matrix")
    _check_shapes(input, mat2)
    if input.dtype != mat2.dtype:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {meta_name(input)} != {meta_name(mat2)}"
        )
    no_bool("addmm_impl_cpu_", input, mat2)
    return dot(input, mat2, NN)


@mm.backward
def _(grad, input, mat2, needs):
    return _grads(grad, input, mat2, needs[0], needs[1], NT, TN)


def _check_batches(a, b) -> None:
    if a.ndim != 3:
        raise RuntimeError("batch1 must be a 3D tensor")
    if b.ndim != 3:
        raise RuntimeError("batch2 must be a 3D tensor")
    if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{a.shape[0]}, {a.shape[2]}] but got: "
            f"[{b.shape[0]}, {b.shape[1]}]."
        )


@op("bmm(Tensor input, Tensor mat2)", saves={"input": ("mat2",), "mat2": ("input",)})
def bmm(input, mat2):
    """The products of two batches of matrices, (b, n, m) and (b, m, p)."""
    _check_batches(input, mat2)
    if input.dtype != mat2.dtype:
        raise RuntimeError(f"expected scalar type {type_name(input)} but found {type_name(mat2)}")
    no_bool("bmm", input, mat2)
    return dot(input, mat2, BNN)


@bmm.backward
def _(grad, input, mat2, needs):
    return _grads(grad, input, mat2, needs[0], needs[1], BNT, BTN)


_SAVES_MATS = {"mat1": ("mat2",), "mat2": ("mat1",)}
_SAVES_BATCHES = {"batch1": ("batch2",), "batch2": ("batch1",)}


def _addmm(input, mat1, mat2, beta, alpha):
    _same(input, mat2, "self and mat2")
    _same(mat1, mat2, "mat1 and mat2")
    if mat1.ndim != 2:
        raise RuntimeError(f"mat1 must be a matrix, got {mat1.ndim}-D tensor")
    if mat2.ndim != 2:
        raise RuntimeError(f"mat2 must be a matrix, got {mat2.ndim}-D tensor")
    shape = (mat1.shape[0], mat2.shape[1])
    _check_shapes(mat1, mat2)
    expandable(input, shape)
    no_bool("addmm_impl_cpu_", mat1, mat2)
    product = _product(mat1, mat2, alpha, NN)
    return (product + weighted(beta, input, shape, product.dtype)).astype(mat1.dtype)


def _same(a, b, names: str) -> None:
    if a.dtype != b.dtype:
        raise RuntimeError(f"{names} must have the same dtype, but got {type_name(a)} and {type_name(b)}")


@op("addmm(Tensor input, Tensor mat1, Tensor mat2)", inplace=True, saves=_SAVES_MATS, passes=("input",))
def addmm(input, mat1, mat2):
    """input + mat1 @ mat2; `input` broadcasts to (n, p)."""
    return _addmm(input, mat1, mat2, None, None)


@addmm.backward
def _(grad, mat1, mat2, needs):
    return (grad, *_grads(grad, mat1, mat2, needs[1], needs[2], NT, TN))


@op(
    "addmm(Tensor input, Tensor mat1, Tensor mat2, *, Number beta=1, Number alpha=1)",
    inplace=True, saves=_SAVES_MATS,
)  # fmt: skip
def addmm_scaled(input, mat1, mat2, beta, alpha):
    """beta * input + alpha * (mat1 @ mat2)."""
    return _addmm(input, mat1, mat2, beta, alpha)


@addmm_scaled.backward
def _(grad, mat1, mat2, beta, alpha, needs):
    a, b = _grads(grad, mat1, mat2, needs[1], needs[2], NT, TN)
    return _conj_scaled(beta, grad), *(None if g is None else _conj_scaled(alpha, g) for g in (a, b))


def _conj_scaled(number, g):
    return (jnp.conj(number).astype(widen(g).dtype) * widen(g)).astype(g.dtype)


def _baddbmm(input, batch1, batch2, beta, alpha):
    expandable(input, (size_of(batch1, 0), size_of(batch1, 1), size_of(batch2, 2)))
    if not input.dtype == batch1.dtype == batch2.dtype:
        raise RuntimeError(
            f"Input dtypes must be the same, got: input {meta_name(input)}, batch1: {meta_name(batch1)}, batch2: "
            f"{meta_name(batch2)}"
        )
    _check_batches(batch1, batch2)
    no_bool("baddbmm", batch1, batch2)
    product = _product(batch1, batch2, alpha, BNN)
    return (product + weighted(beta, input, product.shape, product.dtype)).astype(batch1.dtype)


@op(
    "baddbmm(Tensor input, Tensor batch1, Tensor batch2, *, Number beta=1, Number alpha=1)",
    inplace=True, saves=_SAVES_BATCHES,
)  # fmt: skip
def baddbmm(input, batch1, batch2, beta, alpha):
    """beta * input + alpha * (batch1 @ batch2), matrix by matrix; `input` broadcasts to (b, n, p)."""
    return _baddbmm(input, batch1, batch2, beta, alpha)


@baddbmm.backward
def _(grad, batch1, batch2, beta, alpha, needs):
    a, b = _grads(grad, batch1, batch2, needs[1], needs[2], BNT, BTN)
    return _conj_scaled(beta, grad), *(None if g is None else _conj_scaled(alpha, g) for g in (a, b))


@op(
    "addbmm(Tensor input, Tensor batch1, Tensor batch2, *, Number beta=1, Number alpha=1)",
    inplace=True, saves=_SAVES_BATCHES,
)  # fmt: skip
def addbmm(input, batch1, batch2, beta, alpha):
    """beta * input + alpha * the sum of the products batch1[i] @ batch2[i]; `input` broadcasts to (n, p)."""
    expandable(input, (size_of(batch1, 1), size_of(batch2, 2)))
    if batch1.ndim != 3:
        raise RuntimeError("batch1 must be a 3D tensor")
    if batch2.ndim != 3:
        raise RuntimeError("batch2 must be a 3D tensor")
    if batch1.shape[0] != batch2.shape[0]:
        raise RuntimeError(
            f"batch1 and batch2 must have same number of batches, got {batch1.shape[0]} and {batch2.shape[0]}"
        )
    if batch1.shape[2] != batch2.shape[1]:
        raise RuntimeError(
            f"Incompatible matrix sizes for bmm ({batch1.shape[1]}x{batch1.shape[2]} and "
            f"{batch2.shape[1]}x{batch2.shape[2]})"
        )
    _same(batch1, batch2, "mat1 and mat2")
    _same(input, batch2, "self and mat2")
    no_bool("addmm_impl_cpu_", batch1, batch2)
    if is_half(input.dtype) and batch1.shape[0]:
        # one product after the other, each sum rounded, as PyTorch goes through the batch
        shape = (batch1.shape[1], batch2.shape[2])
        start = weighted(beta, input, shape, jnp.float32) + _product(batch1[0], batch2[0], alpha, NN)

        def add(total, pair):
            return (total.astype(jnp.float32) + _product(pair[0], pair[1], alpha, NN)).astype(total.dtype), None

        return lax.scan(add, start.astype(input.dtype), (batch1[1:], batch2[1:]))[0]
    product = _product(batch1, batch2, alpha, (((0, 2), (0, 1)), ((), ())))
    return (product + weighted(beta, input, product.shape, product.dtype)).astype(batch1.dtype)


# --- vectors -----------------------------------------------------------------------------------------------


def _mat_vec(mat, vec, kernel: str):
    no_bool(kernel, mat, vec)
    return wide_dot(mat, vec, NN)


def _check_mv(input_size, mat, vec, input_ndim: int = 1) -> None:
    if mat.ndim != 2 or vec.ndim != 1 or input_ndim > 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {input_ndim}, {mat.ndim}, {vec.ndim}")
    n = mat.shape[0] if input_size is None else input_size
    if mat.shape[1] != vec.shape[0] or n not in (1, mat.shape[0]):
        raise RuntimeError(
            f"size mismatch, got input ({n}), mat ({mat.shape[0]}x{mat.shape[1]}), vec ({vec.shape[0]})"
        )


@op("mv(Tensor input, Tensor vec)", saves={"input": ("vec",), "vec": ("input",)})
def mv(input, vec):
    """A matrix (n, m) times a vector (m)."""
    if input.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got 1, {input.ndim}, {vec.ndim}")
    _check_mv(None, input, vec)
    if input.dtype != vec.dtype:
        raise RuntimeError(
            f"addmv input tensors must have the same dtype, but got {type_name(vec)}, {type_name(input)}, and "
            f"{type_name(vec)}"
        )
    return _mat_vec(input, vec, "addmv_impl_cpu").astype(input.dtype)


@op(
    "addmv(Tensor input, Tensor mat, Tensor vec, *, Number beta=1, Number alpha=1)",
    inplace=True, saves={"mat": ("vec",), "vec": ("mat",)},
)  # fmt: skip
def addmv(input, mat, vec, beta, alpha):
    """beta * input + alpha * (mat @ vec); `input` broadcasts to (n)."""
    _check_mv(input.shape[0] if input.ndim else 1, mat, vec, input.ndim)
    if not input.dtype == mat.dtype == vec.dtype:
        raise RuntimeError(
            f"addmv input tensors must have the same dtype, but got {type_name(input)}, {type_name(mat)}, and "
            f"{type_name(vec)}"
        )
    product = scaled(alpha, _mat_vec(mat, vec, "addmv_impl_cpu"))
    return (product + weighted(beta, input, product.shape, product.dtype)).astype(mat.dtype)


def _check_dot(a, b, kernel: str) -> None:
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors")
    if a.dtype != b.dtype:
        raise RuntimeError(
            f"dot : expected both vectors to have same dtype, but found {type_name(a)} and {type_name(b)}"
        )
    if a.shape != b.shape:
        n, m = a.shape[0], b.shape[0]
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{n}] and src [{m}] to have the same number of elements, but "
            "got "
            f"{n} and {m} elements respectively"
        )
    no_bool(kernel, a)


_INNER: Dims = (((0,), (0,)), ((), ()))


@op("dot(Tensor input, Tensor tensor)", saves={"input": ("tensor",), "tensor": ("input",)})
def dot_(input, tensor):
    """The sum of the products of two vectors of one length."""
    _check_dot(input, tensor, "dot")
    return dot(input, tensor, _INNER)


@op("vdot(Tensor input, Tensor other)", saves={"input": ("other",), "other": ("input",)}, aliases=())
def vdot(input, other):
    """The sum of conj(input) * other over two vectors."""
    _check_dot(input, other, "vdot" if jnp.issubdtype(input.dtype, jnp.complexfloating) else "dot")
    return dot(jnp.conj(input), other, _INNER)


def _integral(x) -> bool:
    return not jnp.issubdtype(x.dtype, jnp.inexact)


@op(
    "addr(Tensor input, Tensor vec1, Tensor vec2, *, Number beta=1, Number alpha=1)",
    inplace=True, saves={"vec1": ("vec2",), "vec2": ("vec1",)}, layout="outer",
)  # fmt: skip
def addr(input, vec1, vec2, beta, alpha):
    """beta * input + alpha * (the outer product of vec1 and vec2); `input` broadcasts to (n, m)."""
    for v, name in ((vec1, "vec1"), (vec2, "vec2")):
        if v.ndim != 1:
            raise RuntimeError(f"addr: Expected 1-D argument {name}, but got {v.ndim}-D")
    shape = (vec1.shape[0], vec2.shape[0])
    expandable(input, shape)
    out = jnp.promote_types(jnp.promote_types(input.dtype, vec1.dtype), vec2.dtype)
    if not jnp.issubdtype(out, jnp.inexact):
        for number, name in ((beta, "beta"), (alpha, "alpha")):
            if not _integral(number):
                raise RuntimeError(f"For integral input tensors, argument {name} must not be a floating point number.")
    if out == jnp.bool_:
        product = (vec1[:, None] & vec2[None, :]) & (alpha != 0)
        return product | (jnp.broadcast_to(input, shape) & (beta != 0))
    kind = jnp.float32 if is_half(out) else out
    product = scaled(alpha, vec1.astype(kind)[:, None] * vec2.astype(kind)[None, :])
    return (product + weighted(beta, input, shape, kind)).astype(out)


# --- whole compositions at once ----------------------------------------------------------------------------
# What PyTorch composes of views and the products above is one operation where no gradient function is to be shown.


def matmul_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of `a @ b`, or None where they cannot be multiplied."""
    if not a or not b:
        return None
    if a[-1] != (b[-2] if len(b) > 1 else b[-1]):
        return None
    try:
        batch = broadcast_shapes([a[:-2], b[:-2]])
    except RuntimeError:
        return None
    return batch + a[-2:-1] + (b[-1:] if len(b) > 1 else ())


@op("_matmul(Tensor input, Tensor other)", method=False, function=False, differentiable=False)
def matmul(input, other):
    """`input @ other` for any numbers of dimensions that fit."""
    no_bool("bmm" if input.ndim > 2 or other.ndim > 2 else "addmm_impl_cpu_", input, other)
    return _batched(input, other)


def _batched(a, b):
    if a.ndim <= 2 and b.ndim <= 2 or b.ndim <= 2:
        return dot(a, b, (((a.ndim - 1,), (max(b.ndim - 2, 0),)), ((), ())))
    if a.ndim == 1:
        return jnp.squeeze(_batched(a[None, :], b), -2)
    if a.ndim == 2:
        # contract first, then bring the rows in front of the columns
        return jnp.moveaxis(dot(a, b, (((1,), (b.ndim - 2,)), ((), ()))), 0, -2)
    batch = broadcast_shapes([a.shape[:-2], b.shape[:-2]])
    a = jnp.broadcast_to(a, batch + a.shape[-2:])
    b = jnp.broadcast_to(b, batch + b.shape[-2:])
    n = len(batch)
    dims = tuple(range(n))
    return dot(a, b, (((n + 1,), (n,)), (dims, dims)))


def _batch_dims(ndim: int, left: int, right: int) -> Dims:
    batch = tuple(range(ndim - 2))
    return ((ndim + left,), (ndim + right,)), (batch, batch)


@op(
    "_matmul_batches(Tensor input, Tensor other)", method=False, function=False, grad="UnsafeViewBackward0",
    saves={"input": ("other",), "other": ("input",)},
)  # fmt: skip
def matmul_batches(input, other):
    """`input @ other` for equal batch dimensions: what PyTorch does as expand, view, bmm and view.

    One recorded operation instead of six: 10 µs a call instead of 95.
    """
    no_bool("bmm", input, other)
    return dot(input, other, _batch_dims(input.ndim, -1, -2))


@matmul_batches.backward
def _(grad, input, other, needs):
    n = input.ndim
    return _grads(grad, input, other, needs[0], needs[1], _batch_dims(n, -1, -1), _batch_dims(n, -2, -2))


@op("_linear(Tensor input, Tensor weight, Tensor? bias)", method=False, function=False, differentiable=False)
def linear(input, weight, bias):
    """`input @ weight.T + bias` over the last dimension."""
    no_bool("addmm_impl_cpu_", input, weight)
    dims: Dims = (((input.ndim - 1,), (weight.ndim - 1,)), ((), ()))
    product = _product(input, weight, None, dims)
    if bias is not None:
        product = product + bias.astype(product.dtype)
    return product.astype(input.dtype)


@op("_bilinear(Tensor input1, Tensor weight, Tensor input2)", method=False, function=False, grad="ViewBackward0")
def bilinear(input1, weight, input2):
    """x1 @ weight[k] @ x2 for each k: (*, n), (k, n, m), (*, m) to (*, k)."""
    no_bool("bmm", input1, weight, input2)
    left = dot(input1, weight, (((input1.ndim - 1,), (1,)), ((), ())))  # (*, k, m)
    n = input1.ndim - 1
    batch = tuple(range(n))
    return dot(left, input2, (((n + 1,), (n,)), (batch, batch)))


def _einsum(equation: str, operands):
    kind = operands[0].dtype
    compute = jnp.float32 if is_half(kind) else kind
    precision = float32_precision() if compute in (jnp.float32, jnp.complex64) else None
    return jnp.einsum(equation, *operands, precision=precision, preferred_element_type=compute).astype(kind)


@op("_einsum_contraction(Tensor[] operands, str equation)", method=False, function=False, grad="ViewBackward0")
def einsum_contraction(operands, equation):
    """An Einstein sum that PyTorch ends with a batched matrix product."""
    return _einsum(equation, operands)


@op("_einsum_product(Tensor[] operands, str equation)", method=False, function=False, grad="MulBackward0")
def einsum_product(operands, equation):
    """An Einstein sum that PyTorch ends with a multiplication."""
    return _einsum(equation, operands)


# --- groups ------------------------------------------------------------------------------------------------


@op("_grouped_mm(Tensor self, Tensor mat2, Tensor offs)", method=False, function=False, indices=("offs",), grad="GroupedMmBackward0")
def grouped_mm(self, mat2, offs):
    """Products of groups of rows, columns or inner places, which end at `offs`; places after the last count as zero.

    (n, k) by (g, k, m) and (g, n, k) by (k, m) give (n, m); (n, k) by (k, m) gives (g, n, m).
    """
    ragged = self.shape[0] if mat2.ndim == 3 else mat2.shape[1] if self.ndim == 3 else self.shape[1]
    place = jnp.arange(ragged)[None]
    end = offs.astype(place.dtype)[:, None]
    start = jnp.concatenate([jnp.zeros((1, 1), end.dtype), end[:-1]])
    member = ((place >= start) & (place < end)).astype(self.dtype)  # (groups, places)
    a, b, member = widen(self), widen(mat2), widen(member)
    if mat2.ndim == 3:
        made = jnp.einsum("gn,nk,gkm->nm", member, a, b, precision=float32_precision())
    elif self.ndim == 3:
        made = jnp.einsum("gnk,km,gm->nm", a, b, member, precision=float32_precision())
    else:
        made = jnp.einsum("nk,gk,km->gnm", a, member, b, precision=float32_precision())
    return made.astype(self.dtype)
