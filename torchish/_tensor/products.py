"""Matrix products that PyTorch composes of others: matmul, linear, einsum, tensordot, kron, powers and chains.

Where a gradient is recorded the composition is PyTorch's, so that views and gradient functions are the same (but for
the batched product of equal batches, one operation under the composition's name); where none is, one operation does
the whole.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from torchish import _dtypes as dt
from torchish._tensor import views
from torchish._tensor.apply import apply
from torchish._tensor.data import triggered, warn_once
from torchish._tensor.dispatch import call, composite, plain
from torchish._tensor.errors import not_a_tensor, plain_type_name
from torchish._tensor.geometry import view_strides
from torchish._tensor.layout import permuted_strides
from torchish._tensor.nn_functional._call import require
from torchish._tensor.storage import contiguous_strides
from torchish._tensor.tensor import Tensor
from torchish.autograd.grad_mode import STATE
from torchish.autograd.graph import GradFn, named
from torchish.ops import matmul as m
from torchish.ops.declare import broadcast_shapes
from torchish.ops.dims import wrap_dim

Shape = tuple[int, ...]

_MM = m.mm.spec(("T", "T"), ())
_BMM = m.bmm.spec(("T", "T"), ())
_MV = m.mv.spec(("T", "T"), ())
_DOT = m.dot_.spec(("T", "T"), ())
_ADDMM = m.addmm.spec(("T", "T", "T"), ())
_BATCHES = m.matmul_batches.spec(("T", "T"), ())
_MATMUL = m.matmul.spec(("T", "T"), ())
_LINEAR = m.linear.spec(("T", "T", "T"), ())
_LINEAR_NO_BIAS = m.linear.spec(("T", "T", "N"), ())


def renamed(t: Tensor, name: str) -> Tensor:
    """`t` with its gradient function called `name`."""
    if t._grad_fn is not None:
        t._grad_fn.__class__ = named(name, GradFn)
    return t


def unsafe_view(t: Tensor, shape: Shape) -> Tensor:
    """A fresh result in another shape: not a view of anything."""
    made = renamed(views.view(t, shape), "UnsafeViewBackward0")
    made._base, made._steps, made._creation = None, (), None
    return made


# --- matmul ------------------------------------------------------------------------------------------------


@composite("matmul(Tensor input, Tensor other)", out=True, aliases=("linalg.matmul",))
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product: dot, matrix-vector, matrix-matrix or batched by the numbers of dimensions, with broadcasting.

    RuntimeError when sizes or dtypes do not fit.
    """
    a, b = input._aval, other._aval
    if a.ndim == 2 and b.ndim == 2:
        return apply(_MM, (input, other))
    if not a.ndim or not b.ndim:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {a.ndim}D and {b.ndim}D"
        )
    if a.ndim == 1 and b.ndim == 1:
        return apply(_DOT, (input, other))
    if a.ndim == 2 and b.ndim == 1:
        return apply(_MV, (input, other))
    x, y = a.shape, b.shape
    if len(x) == len(y) > 2 and x[:-2] == y[:-2] and x[-1] == y[-2] and a.dtype == b.dtype:
        return apply(_BATCHES, (input, other))
    if a.dtype is b.dtype and not (STATE.enabled and (input._needs() or other._needs())):
        if m.matmul_shape(a.shape, b.shape) is not None:
            return apply(_MATMUL, (input, other))
    if a.ndim == 1 and b.ndim == 2:
        return renamed(views.squeeze_dim(apply(_MM, (views.unsqueeze(input, 0), other)), 0), "SqueezeBackward4")
    if _should_fold(input, other):
        return _folded(input, other)
    return _batched(input, other)


def _should_fold(a: Tensor, b: Tensor) -> bool:
    # Folding the larger operand's batch into rows needs no copy, or saves expanding the smaller one for its gradient.
    larger, smaller = (a, b) if a._aval.ndim >= b._aval.ndim else (b, a)
    if larger._aval.ndim < 3 or smaller._aval.ndim > 2:
        return False
    if smaller._needs():
        return True
    if a._aval.ndim == 2:
        return False
    if larger._aval.size == 0:
        return True
    shape, strides = larger._aval.shape, larger.stride()
    if larger is b:
        shape, strides = (*shape[:-2], shape[-1], shape[-2]), (*strides[:-2], strides[-1], strides[-2])
    return all(strides[i] == strides[i + 1] * shape[i + 1] for i in range(len(shape) - 2))


def _folded(a: Tensor, b: Tensor) -> Tensor:
    swap = b._aval.ndim > a._aval.ndim
    t1 = views.transpose(b, -2, -1) if swap else a
    t2 = (views.t(a) if a._aval.ndim == 2 else a) if swap else b
    shape = t1._aval.shape
    rows = 1
    for n in shape[:-1]:
        rows *= n
    flat = views.reshape(t1, (rows, shape[-1]))
    if t2._aval.ndim == 1:
        return unsafe_view(apply(_MV, (flat, t2)), shape[:-1])
    out = unsafe_view(apply(_MM, (flat, t2)), (*shape[:-1], t2._aval.shape[1]))
    return views.transpose(out, -2, -1).contiguous() if swap else out


def _batched(a: Tensor, b: Tensor) -> Tensor:
    x, y = a._aval.shape, b._aval.shape
    if len(x) == 3 and len(y) == 3 and x[0] != y[0]:
        if x[0] == 1 and a._needs():
            return matmul(views.squeeze_dim(a, 0), b)
        if y[0] == 1 and b._needs():
            return matmul(a, views.squeeze_dim(b, 0))
    n = x[-2:-1] or (1,)
    batch = broadcast_shapes([x[:-2], y[:-2]])
    count = 1
    for k in batch:
        count *= k
    a3 = views.reshape(views.expand(a, (*batch, *n, x[-1])), (count, *n, x[-1]))
    if len(y) == 1:
        b3 = views.unsqueeze(views.reshape(views.expand(b, (*batch, y[0])), (count, y[0])), 2)
        return unsafe_view(views.squeeze_dim(apply(_BMM, (a3, b3)), -1), (*batch, *x[-2:-1]))
    b3 = views.reshape(views.expand(b, (*batch, *y[-2:])), (count, *y[-2:]))
    return unsafe_view(apply(_BMM, (a3, b3)), (*batch, *x[-2:-1], y[-1]))


# --- linear and bilinear -----------------------------------------------------------------------------------


@composite("nn.functional.linear(Tensor input, Tensor weight, Tensor? bias=None)", out=True)
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.T + bias: (*, in), (out, in) and (out) to (*, out)."""
    a, w = input._aval, weight._aval
    recorded = STATE.enabled and (input._needs() or weight._needs() or (bias is not None and bias._needs()))
    if not recorded and w.ndim == 2 and a.ndim and a.shape[-1] == w.shape[1] and a.dtype is w.dtype:
        if bias is None:
            return apply(_LINEAR_NO_BIAS, (input, weight))
        if bias._aval.dtype is a.dtype and bias._aval.shape == w.shape[:1]:
            return apply(_LINEAR, (input, weight, bias))
    if not a.ndim or not w.ndim:
        raise RuntimeError(f"both arguments to linear need to be at least 1D, but they are {a.ndim}D and {w.ndim}D")
    turned = views.t(weight)
    if bias is None:
        return matmul(input, turned)
    if a.ndim == 1 == w.ndim == bias._aval.ndim:
        raise RuntimeError("mat2 must be a matrix, got 1-D tensor")
    if a.ndim == 1 and bias._aval.ndim > 1 and bias._aval.shape[-1] in (1, w.shape[0]):
        raise RuntimeError(f"output with shape {list(w.shape[:1])} doesn't match the broadcast shape {list(bias.shape)}")
    if a.ndim == 2:
        return apply(_ADDMM, (bias, input, turned))
    if bias._aval.ndim == 1 and w.ndim == 2 and input.is_contiguous():
        flat = views.view(input, (-1, a.shape[-1]) if a.size else (_rows(a.shape), a.shape[-1]))
        return views.view(apply(_ADDMM, (bias, flat, turned)), (*a.shape[:-1], w.shape[0]))
    return matmul(input, turned) + bias


def _rows(shape: Shape) -> int:
    n = 1
    for k in shape[:-1]:
        n *= k
    return n


@composite(
    "nn.functional.bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None)",
    aliases=("bilinear",), method=False,
)  # fmt: skip
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x1 @ weight[k] @ x2 + bias[k] for each k: (*, n), (*, m), (k, n, m), (k) to (*, k)."""
    x, y, w = input1._aval.shape, input2._aval.shape, weight._aval.shape
    given = {"input1": input1, "input2": input2, "weight": weight, **({} if bias is None else {"bias": bias})}
    if len({t._aval.torch_dtype for t in given.values()}) > 1:
        kinds = ", ".join(f"{what}: {dt.cpp_name(t._aval.torch_dtype)}" for what, t in given.items())
        raise RuntimeError(f"All tensors must have the same dtype, got {kinds}")
    if len(x) != len(y):
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {len(x)} and {len(y)}")
    for i in range(len(x) - 1):
        if x[i] != y[i]:
            raise RuntimeError(f"bilinear(): input batch dimensions do not match at dim {i}: got {x[i]} and {y[i]}")
    if x[-1] != w[1]:
        raise RuntimeError(f"bilinear(): input1 size does not match weight size: got {x[-1]} but expected {w[1]}")
    if y[-1] != w[2]:
        raise RuntimeError(f"bilinear(): input2 size does not match weight size: got {y[-1]} but expected {w[2]}")
    if bias is not None and bias._aval.shape[0] != w[0]:
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {bias._aval.shape[0]} but expected {w[0]}"
        )
    out = call(m.bilinear, input1, weight, input2)
    return out if bias is None else out + bias


# --- outer, inner, tensordot, kron -------------------------------------------------------------------------


@composite("outer(Tensor input, Tensor vec2)", out=True, aliases=("ger",))
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of the elements of two vectors: (n) and (m) to (n, m)."""
    for x, name in ((input, "self"), (vec2, "vec2")):
        if x._aval.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {x._aval.ndim}-D")
    return views.reshape(input, (input._aval.shape[0], 1)) * vec2


@composite("inner(Tensor input, Tensor other)", out=True)
def inner(input: Tensor, other: Tensor) -> Tensor:
    """The sums of products over the last dimensions."""
    a, b = input._aval, other._aval
    if not a.ndim or not b.ndim:
        return input * other
    if a.shape[-1] != b.shape[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but got shapes {list(a.shape)} and "
            f"{list(b.shape)}"
        )
    return _tensordot(input, other, (-1,), (-1,))


@composite("tensordot(Tensor a, Tensor b, any? dims=2)", method=False, out=True)
def tensordot(a: Tensor, b: Tensor, dims=2) -> Tensor:
    """Sums of products over the last `dims` dimensions of a and the first of b, or over two lists of dimensions."""
    if isinstance(dims, Tensor):
        if dims._aval.size > 1 and dims.shape[0] != 2:
            raise AssertionError(f"dims tensor must have size 2 in first dimension, got {dims.shape[0]}")
        dims = dims.tolist() if dims._aval.size > 1 else int(dims.item())
    if isinstance(dims, (tuple, list)):
        d1, d2 = dims
        require("tensordot(Tensor input, Tensor other, int[!] dims_self, int[!] dims_other)", a, b, d1, d2)
        return _tensordot(a, b, d1, d2)
    if not isinstance(dims, int):
        raise RuntimeError(
            f"tensordot expects dims to be int or tuple[list[int], list[int]] or list[list[int]] containing two lists, but got dims={dims}"
        )
    if dims < 0:
        raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
    if dims > min(a._aval.ndim, b._aval.ndim):
        raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
    return _tensordot(a, b, tuple(range(-dims, 0)), tuple(range(dims)))


def _tensordot(a: Tensor, b: Tensor, dims1: Sequence[int], dims2: Sequence[int]) -> Tensor:
    if len(dims1) != len(dims2):
        raise RuntimeError("both dimension lists should have same length")
    if a._aval.dtype != b._aval.dtype:
        raise RuntimeError("both inputs should have same dtype")
    x, y = a._aval.shape, b._aval.shape
    p, q = [], []
    for i, j in zip(dims1, dims2, strict=True):
        d, e = wrap_dim(i, len(x)), wrap_dim(j, len(y))
        n, k = x[d], y[e]
        if k == 1 and n != 1:  # a dimension of size 1 is contracted with all of the other one
            a = a.sum(d, keepdim=True, dtype=a.dtype)
        elif n == 1 and k != 1:
            b = b.sum(e, keepdim=True, dtype=b.dtype)
        elif n != k:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {n} in dim {i} and second has size {k} in "
                f"dim {j}"
            )
        p.append(d)
        q.append(e)
    x, y = a._aval.shape, b._aval.shape
    free1 = [i for i in range(len(x)) if i not in p]
    free2 = [i for i in range(len(y)) if i not in q]
    n = m_ = k = 1
    for i in free1:
        n *= x[i]
    for i in free2:
        m_ *= y[i]
    for i in p:
        k *= x[i]
    t1 = views.permute(a, (*free1, *p))
    t2 = views.permute(b, (*q, *free2))
    shape = (*(x[i] for i in free1), *(y[i] for i in free2))
    if not free1 and not free2 and (len(p) == 1 or a._aval.category == 0):
        return views.reshape(apply(_DOT, (views.reshape(t1, (k,)), views.reshape(t2, (k,)))), shape)
    return views.reshape(apply(_MM, (views.reshape(t1, (n, k)), views.reshape(t2, (k, m_)))), shape)


@composite("kron(Tensor input, Tensor other)", out=True)
def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: blocks input[i] * other."""
    x, y = input._aval.shape, other._aval.shape
    n = max(len(x), len(y))
    x, y = (1,) * (n - len(x)) + x, (1,) * (n - len(y)) + y
    left = unsafe_view(input.contiguous(), tuple(k for i in x for k in (i, 1)))
    right = unsafe_view(other.contiguous(), tuple(k for i in y for k in (1, i)))
    return unsafe_view(left * right, tuple(i * j for i, j in zip(x, y, strict=True)))


# --- chains and powers -------------------------------------------------------------------------------------


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of several matrices in the cheapest order; the first and last may be vectors."""
    n = len(tensors)
    if n < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {n}")
    chain = list(tensors)
    shape: list[int] = []
    for i, t in enumerate(chain):
        d = t._aval.ndim
        if i in (0, n - 1):
            if d not in (1, 2):
                which = "first" if i == 0 else "last"
                raise RuntimeError(f"multi_dot(): the {which} tensor must be 1D or 2D but got {d}D")
        elif d != 2:
            raise RuntimeError(f"multi_dot(): tensor {i} must be 2D but got {d}D")
        if t._aval.dtype != chain[0]._aval.dtype:
            raise RuntimeError(
                f"multi_dot(): all tensors must have be the same dtype but tensor 0 is {m.meta_name(chain[0]._aval)} "
                "and "
                f"tensor {i} {m.meta_name(t._aval)}"
            )
    if chain[0]._aval.ndim == 1:
        chain[0] = views.unsqueeze(chain[0], 0)
    else:
        shape.append(chain[0]._aval.shape[0])
    if chain[-1]._aval.ndim == 1:
        chain[-1] = views.unsqueeze(chain[-1], -1)
    else:
        shape.append(chain[-1]._aval.shape[1])
    for i in range(n - 1):
        if chain[i]._aval.shape[1] != chain[i + 1]._aval.shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(tensors[i].shape)} and "
                f"{list(tensors[i + 1].shape)} cannot be multiplied"
            )
    return views.view(_multiply_chain(chain), tuple(shape))


def _multiply_chain(chain: list[Tensor]) -> Tensor:
    if len(chain) == 2:
        return apply(_MM, tuple(chain))
    sizes = [t._aval.shape[0] for t in chain] + [chain[-1]._aval.shape[1]]
    if len(chain) == 3:
        a, b, c, d = sizes
        left = a * b * c + a * c * d <= b * c * d + a * b * d
        x, y, z = chain
        return apply(_MM, (apply(_MM, (x, y)), z)) if left else apply(_MM, (x, apply(_MM, (y, z))))

    @functools.cache
    def best(i: int, j: int) -> tuple[int, int]:
        """(cost, split) of the product of matrices i..j."""
        if i == j:
            return 0, i
        return min((best(i, k)[0] + best(k + 1, j)[0] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j))

    def build(i: int, j: int) -> Tensor:
        if i == j:
            return chain[i]
        k = best(i, j)[1]
        return apply(_MM, (build(i, k), build(k + 1, j)))

    return build(0, len(chain) - 1)


@composite("linalg.multi_dot(Tensor[] tensors)", out=True)
def linalg_multi_dot(tensors):
    """The product of several matrices in the cheapest order; the first and last may be vectors."""
    return multi_dot(tensors)


@composite("spmm(Tensor input, Tensor mat2)", method=False, out=True, aliases=("dsmm",))
def spmm(input: Tensor, mat2: Tensor) -> Tensor:
    """`mm`, by the names that it has for products with sparse matrices; there are dense ones here."""
    return input.mm(mat2)


@plain("chain_matmul", "functional.chain_matmul")
def chain_matmul(*matrices, out=None):
    """The product of several matrices (deprecated: `torch.linalg.multi_dot`)."""
    warn_once(
        "torch.chain_matmul is deprecated and will be removed in a future PyTorch release. Use torch.linalg.multi_dot "
        "instead, which accepts a list of two or more tensors rather than multiple parameters."
        + triggered("aten/src/ATen/native/LinearAlgebra.cpp:1102")
    )
    if len(matrices) == 1 and isinstance(matrices[0], (list, tuple)):
        matrices = tuple(matrices[0])
    for i, t in enumerate(matrices):
        if not isinstance(t, Tensor):
            raise not_a_tensor(i, 0, t)
    if not matrices:
        raise RuntimeError("chain_matmul(): Expected one or more matrices")
    for t in matrices:
        if t._aval.ndim != 2:
            raise RuntimeError(f"Tensor dimension is {t._aval.ndim}, expected 2 instead.")
    result = matrices[0] if len(matrices) == 1 else multi_dot(matrices)
    if out is None:
        return result
    from torchish._tensor.out import apply_out

    return apply_out("chain_matmul", result, out, matrices)


def _power(a: Tensor, n: int) -> Tensor:
    shape = a._aval.shape
    if len(shape) < 2:
        raise RuntimeError("linalg.matrix_power: The input tensor A must have at least 2 dimensions.")
    if shape[-1] != shape[-2]:
        raise RuntimeError(
            f"linalg.matrix_power: A must be batches of square matrices, but they are {shape[-2]} by {shape[-1]} "
            "matrices"
        )
    if n == 0:
        import torchish as torch

        return a.clone().copy_(torch.eye(shape[-1], dtype=a.dtype, device=a.device))
    if n == 1:
        return a.clone()
    if n == -1:
        return _inverse(a)
    if n < 0:
        return _power(_inverse(a), -n) if n < -1 else _inverse(a)
    if n == 2:
        return matmul(a, a)
    if n == 3:
        return matmul(matmul(a, a), a)
    result: Any = None
    power: Any = None
    while n > 0:
        power = a if power is None else matmul(power, power)
        if n & 1:
            result = power if result is None else matmul(result, power)
        n >>= 1
    return result


def _inverse(a: Tensor) -> Tensor:
    from torchish._tensor.linalg import inv

    return inv(a)


@composite("linalg.matrix_power(Tensor input, int n)", out=True, aliases=("matrix_power",))
def matrix_power(input: Tensor, n: int) -> Tensor:
    """A square matrix (or a batch of them) to an integer power; negative powers invert it."""
    return _power(input, n)


# --- einsum ------------------------------------------------------------------------------------------------


@plain("einsum", "functional.einsum")
def einsum(*args) -> Tensor:
    """Sums of products by the Einstein convention: einsum("ij,jk->ik", a, b), or operands each with its subscript list.

    RuntimeError when subscripts and shapes do not agree.
    """
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its "
            "subscripts list"
        )
    if isinstance(args[0], Tensor):
        equation, operands = _from_lists(args)
    else:
        equation, operands = args[0], args[1:]
        if not isinstance(equation, str):
            raise TypeError(f"einsum(): argument 'equation' (position 1) must be str, not {plain_type_name(equation)}")
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    for i, t in enumerate(operands):
        if not isinstance(t, Tensor):
            raise not_a_tensor(i, 1, t)
    inputs, output = _labels(equation, tuple([t._aval.ndim for t in operands]))
    return _contract(list(operands), inputs, output)


def _from_lists(args: tuple) -> tuple[str, tuple]:
    def letter(s) -> str:
        if s is Ellipsis:
            return "..."
        if s < 0 or s >= 52:
            raise ValueError(
                "einsum(): subscript in subscript list is not within the valid range [0, 52)"
            )
        return chr(ord("A") + s) if s < 26 else chr(ord("a") + s - 26)

    text = ",".join("".join(map(letter, args[i])) for i in range(1, len(args), 2))
    if len(args) % 2 == 1:
        return text + "->" + "".join(map(letter, args[-1])), args[:-1:2]
    return text, args[::2]


_ELLIPSIS = 52  # labels are numbers: 0 to 51 the letters, from 52 on the dimensions of the ellipsis


@functools.lru_cache(maxsize=1024)
def _labels(equation: str, ndims: tuple[int, ...]) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """The labels of each operand's dimensions and of the output's, with the ellipsis written out."""
    lhs, arrow, rhs = equation.partition("->")
    terms = _operand_terms(lhs)
    if len(terms) != len(ndims):
        what = "fewer" if len(terms) > len(ndims) else "more"
        raise RuntimeError(f"einsum(): {what} operands were provided than specified in the equation")
    width = 0
    for i, (term, ndim) in enumerate(zip(terms, ndims, strict=True)):
        named_ = len(term) - term.count("...")
        if "..." in term:
            if ndim < named_:
                raise RuntimeError(
                    f"einsum(): the number of subscripts in the equation ({named_}) is more than the number of "
                    "dimensions "
                    f"({ndim}) for operand {i}"
                )
            width = max(width, ndim - named_)
        elif ndim != named_:
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({named_}) does not match the number of "
                "dimensions "
                f"({ndim}) for operand {i} and no ellipsis was given"
            )
    inputs = []
    for term, ndim in zip(terms, ndims, strict=True):
        own = ndim - (len(term) - 1)  # ellipses align on the right
        labels: list[int] = []
        for s in term:
            labels.extend(range(_ELLIPSIS + width - own, _ELLIPSIS + width) if s == "..." else (_number(s),))
        inputs.append(tuple(labels))
    flat = [x for labels in inputs for x in labels]
    dots = tuple(range(_ELLIPSIS, _ELLIPSIS + width))
    if not arrow:
        output = dots + tuple(sorted(x for x in set(flat) if x < _ELLIPSIS and flat.count(x) == 1))
        return tuple(inputs), output
    return tuple(inputs), _output_labels(rhs, len(lhs) + 2, set(flat), dots)


def _number(s: str) -> int:
    return ord(s) - ord("A") if s.isupper() else ord(s) - ord("a") + 26


def _operand_terms(lhs: str) -> list[list[str]]:
    terms: list[list[str]] = [[]]
    i = 0
    while i < len(lhs):
        c, where = lhs[i], len(terms) - 1
        if c == " ":
            pass
        elif c == ".":
            if "..." in terms[-1]:
                raise RuntimeError(f"einsum(): found '.' for operand {where} for which an ellipsis was already found")
            if lhs[i : i + 3] != "...":
                raise RuntimeError(f"einsum(): found '.' for operand {where} that is not part of any ellipsis")
            terms[-1].append("...")
            i += 2
        elif c == ",":
            terms.append([])
        elif c.isascii() and c.isalpha():
            terms[-1].append(c)
        else:
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {i} in the equation string, subscripts must be in [a-zA-Z]"
            )
        i += 1
    return terms


def _output_labels(rhs: str, start: int, known: set[int], dots: tuple[int, ...]) -> tuple[int, ...]:
    output: list[int] = []
    i, seen = 0, False
    while i < len(rhs):
        c = rhs[i]
        if c == " ":
            pass
        elif c == ".":
            if seen:
                raise RuntimeError("einsum(): found '.' for output but an ellipsis (...) was already found")
            if rhs[i : i + 3] != "...":
                raise RuntimeError("einsum(): found '.' for output that is not part of any ellipsis (...)")
            output.extend(dots)
            seen = True
            i += 2
        elif c.isascii() and c.isalpha():
            x = _number(c)
            if x in output:
                raise RuntimeError(f"einsum(): output subscript {c} appears more than once in the output")
            if x not in known:
                raise RuntimeError(
                    f"einsum(): output subscript {c} does not appear in the equation for any input operand"
                )
            output.append(x)
        else:
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {start + i} in the equation string, subscripts must be in "
                "[a-zA-Z]"
            )
        i += 1
    return tuple(output)


def _letter(x: int) -> str:
    return chr(ord("A") + x) if x < 26 else chr(ord("a") + x - 26) if x < _ELLIPSIS else "..."


def _contract(operands: list[Tensor], inputs: Sequence[tuple[int, ...]], output: tuple[int, ...]) -> Tensor:
    sizes: dict[int, int] = {}
    terms: list[list[int]] = []
    for i, labels in enumerate(inputs):
        t = operands[i]
        seen: list[int] = []
        for x in labels:  # a repeated label takes the diagonal
            if x in seen:
                d = seen.index(x)
                n, k = t._aval.shape[d], t._aval.shape[len(seen)]
                if n != k:
                    raise RuntimeError(
                        f"einsum(): subscript {_letter(x)} is repeated for operand {i} but the sizes don't match, "
                        f"{k} != {n}"
                    )
                t = views.movedim(views.diagonal(t, 0, d, len(seen)), (-1,), (d,))
            else:
                seen.append(x)
        operands[i] = t
        for x, n in zip(seen, t._aval.shape, strict=True):
            have = sizes.get(x, 1)
            if n != 1 and have not in (1, n):
                raise RuntimeError(
                    f"einsum(): subscript {_letter(x)} has size {n} for operand {i} which does not broadcast with "
                    f"previously seen size {have}"
                )
            sizes[x] = n if have == 1 else have
        terms.append(seen)
    if len(operands) == 1:
        return _rearranged(operands[0], terms[0], output)
    for i, (t, own) in enumerate(zip(operands, terms, strict=True)):
        # a dimension of size 1 that stands for a larger one takes no part in the sum
        stretched = [d for d, x in enumerate(own) if t._aval.shape[d] == 1 and sizes[x] != 1]
        if stretched:
            operands[i] = views.squeeze_dims(t, tuple(stretched))
            terms[i] = [x for d, x in enumerate(own) if d not in stretched]
    order = {x: k for k, x in enumerate(sizes)}
    equation = ",".join("".join(_symbol(order[x]) for x in t) for t in terms)
    equation += "->" + "".join(_symbol(order[x]) for x in output)
    contracts = len(set(sizes) - set(output)) > 0 and any(
        x not in output and sum(x in t for t in terms) > 1 for x in sizes
    ) or bool(set(terms[0]) & set().union(*terms[1:]) - set(output))
    first = operands[0]._aval
    different = [t._aval for t in operands[1:] if t._aval.dtype != first.dtype]
    if different and contracts:
        raise RuntimeError(f"expected scalar type {m.type_name(first)} but found {m.type_name(different[0])}")
    if different:  # a product promotes, and by then PyTorch has given numbers dimensions
        common = functools.reduce(dt.promote_types, (t.dtype for t in operands))
        operands = [t.to(common) for t in operands]
    alone = any(x not in output and sum(x in t for t in terms) == 1 for x in sizes)
    if alone and not contracts and operands[0]._aval.category < 2:
        operands[0] = operands[0].to(dt.int64)  # a sum of integers, which PyTorch takes before the product
    if contracts:
        m.no_bool("bmm", *(t._aval for t in operands))
    out = call(m.einsum_contraction if contracts else m.einsum_product, tuple(operands), equation)
    if len(operands) == 2:  # of more, the last two decide, and which they are depends on whether opt_einsum is beside PyTorch
        laid = _einsum_strides(operands, terms, (*output, *sorted(set(sizes) - set(output))), out._aval.shape, alone)
        if laid is not None and laid != contiguous_strides(out._aval.shape):
            out._strides = out._storage.strides = laid
    return out


def _einsum_strides(operands: list[Tensor], terms: list, labels: Shape, shape: Shape, alone: bool) -> Shape | None:
    """The memory order of an Einstein sum of two operands; `labels` are those that it keeps and then the others."""
    sizes, strides = [], []
    for t, term in zip(operands, terms, strict=True):
        found = dict(zip(term, zip(t._aval.shape, t.stride(), strict=True), strict=True))
        sizes.append(tuple([found.get(x, (1, 0))[0] for x in labels]))
        strides.append([0 if found.get(x, (1, 0))[0] == 1 else found[x][1] for x in labels])
    laid = _product_strides(tuple(sizes), len(shape))
    return permuted_strides(shape, strides) if laid is None and not alone else laid


@functools.lru_cache(maxsize=1024)
def _product_strides(shapes: tuple[Shape, ...], kept: int) -> Shape | None:
    """The memory order of an Einstein sum that is a batched matrix product, with the factors' sizes for all labels.

    None where there is nothing to sum. The labels that the result keeps come first.
    """
    left, right = ([n != 1 for n in shape] for shape in shapes)
    sums = [d for d in range(kept, len(left)) if left[d] and right[d]]
    if not sums:
        return None
    others = [d for d in range(len(left)) if d not in sums]
    both = [d for d in others if left[d] and right[d]]
    rows, columns = [d for d in others if left[d] and not right[d] and d < kept], [d for d in others if not left[d] or d >= kept]
    if rows and columns and columns[-1] < rows[0]:
        rows, columns = columns, rows
    shape = [max(pair) if 0 not in pair else 0 for pair in zip(*shapes, strict=True)]
    shape[kept:] = [1] * (len(shape) - kept)
    strides, n = [0] * len(shape), 1
    for d in reversed(both + rows + sums + columns):
        strides[d] = n
        n *= max(shape[d], 1)
    return view_strides(tuple(shape), tuple(strides), tuple(shape[:kept]))


def _symbol(k: int) -> str:
    return chr(ord("a") + k) if k < 26 else chr(ord("A") + k - 26)


def _rearranged(t: Tensor, labels: list[int], output: tuple[int, ...]) -> Tensor:
    """One operand: a permutation, and a sum over what the output does not name."""
    gone = [x for x in labels if x not in output]
    t = views.permute(t, tuple(labels.index(x) for x in (*output, *gone)))
    return t.sum(tuple(range(len(output), len(labels)))) if gone else t


# --- groups ------------------------------------------------------------------------------------------------


def _check_aligned(t: Tensor) -> None:
    """RuntimeError unless one of the last two dimensions is dense and the other's stride a multiple of 16 bytes."""
    a, strides = t._aval, t.stride()
    n, m = a.shape[-2:]
    for dense, other, length in ((1, 2, m), (2, 1, n)):
        if strides[-dense] == 1 and strides[-other] >= max(1, length):
            if strides[-other] * a.dtype.itemsize % 16:
                raise RuntimeError("strides should be multiple of 16 bytes")
            return
    raise RuntimeError(f"Invalid strides/sizes, got {list(strides)} for strides and {list(a.shape)} for sizes")


@composite(
    "nn.functional.grouped_mm(Tensor mat_a, Tensor mat_b, *, Tensor? offs=None, Tensor? bias=None, dtype? out_dtype=None)",
    aliases=("_grouped_mm",), method=False,
)  # fmt: skip
def grouped_mm(mat_a: Tensor, mat_b: Tensor, *, offs: Tensor | None, bias: Tensor | None, out_dtype: Any) -> Tensor:
    """Matrix products of groups: a batch of them, or the parts of a 2-d operand that end at `offs` (int32, one per group).

    float32, bfloat16 or float16; RuntimeError when dtypes, sizes or strides do not fit.
    """
    a, b = mat_a._aval, mat_b._aval
    for t, name in ((a, "mat_a"), (b, "mat_b")):
        if t.torch_dtype not in (dt.float32, dt.bfloat16, dt.float16):
            kind = dt.SCALAR_TYPE_NAMES[t.torch_dtype]
            raise RuntimeError(f"Expected {name} to be Float32, BFloat16 or Float16 matrix, got {kind}")
    for t, name in ((a, "mat_a"), (b, "mat_b")):
        if t.ndim not in (2, 3):
            raise RuntimeError(f"{name} has to be 2 or 3d")
    if a.shape[-1] != b.shape[-2]:
        raise RuntimeError("contraction dimension of mat_a and mat_b must match")
    _check_aligned(mat_a)
    _check_aligned(mat_b)
    if (offs is not None) == (a.ndim == b.ndim == 3):
        raise RuntimeError("Have to provide offsets if there is a 2d matrix, or no offset if both matrices are 3d")
    if offs is not None:
        if offs._aval.ndim != 1:
            raise RuntimeError("offs has to be 1D")
        if offs._aval.torch_dtype is not dt.int32:
            raise RuntimeError("Offsets have to be int32")
    if bias is not None:
        raise RuntimeError("Bias not supported yet")
    if out_dtype is not None and out_dtype is not a.torch_dtype:
        raise RuntimeError("Grouped gemm output dtype must match `mat_a` dtype")
    if a.torch_dtype is not b.torch_dtype:
        names = [dt.cpp_name(x.torch_dtype) for x in (a, b)]
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {names[0]} != {names[1]}")
    groups = offs._aval.shape[0] if offs is not None else a.shape[0]
    for t in (a, b):
        if t.ndim == 3 and t.shape[0] != groups:
            raise RuntimeError("batched dimension has to match" if offs is None else "matrix batch sizes have to match")
    if offs is None:
        return renamed(apply(_BMM, (mat_a, mat_b)), "GroupedMmBackward0")
    return call(m.grouped_mm, mat_a, mat_b, offs)
