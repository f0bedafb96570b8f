"""The functions that read or write at positions along a dimension: arguments checked, positions in range, then one
operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish._dtypes import NUMBER_KINDS
from torchish._tensor.apply import apply, apply_inplace, refuse_dynamic
from torchish._tensor.creation import from_host
from torchish._tensor.data import warn_once
from torchish._tensor.dispatch import composite
from torchish._tensor.indexing import check_value, fitting
from torchish._tensor.positions import check_positions
from torchish._tensor.refusals import check_leaf, check_overlap
from torchish._tensor.tensor import Tensor
from torchish.engine.expr import TRACED, Expr
from torchish.ops import index as ix
from torchish.ops import scatter as sc
from torchish.ops.declare import broadcast_shapes
from torchish.ops.dims import wrap_dim
from torchish.ops.rules import BOOL, COMPLEX

INTEGERS = (dt.int64, dt.int32)


def name_of(t: Tensor) -> str:
    return dt.SCALAR_TYPE_NAMES[t._aval.torch_dtype]


def _both_forms(signature: str, prepare: Callable) -> None:
    """Declare `f` and `f_`: `prepare` gives the operation's spec and inputs."""
    name, _, rest = signature.partition("(")
    read = 3 if name == "index_fill" else None  # arguments whose memory is read while that of the first is written

    def f(*args, **kwargs):
        return apply(*prepare(*args, **kwargs))

    def f_(*args, **kwargs):
        check_leaf(args[0], any(isinstance(x, Tensor) and x._needs() for x in args))
        prepared = prepare(*args, **kwargs)
        for x in args[1:read]:
            if isinstance(x, Tensor):
                check_overlap(args[0], x, same=False)
        return apply_inplace(*prepared)

    f.__doc__, f_.__doc__ = (
        prepare.__doc__,
        f"In place: {(prepare.__doc__ or '')[:1].lower()}{(prepare.__doc__ or '')[1:]}",
    )
    composite(signature, out=True)(f)
    composite(f"{name}_({rest}", function=False)(f_)


def _forms(signature: str) -> Callable:
    def wrap(prepare: Callable) -> Callable:
        _both_forms(signature, prepare)
        return prepare

    return wrap


# --- reading -------------------------------------------------------------------------------------------------


def _dims(t: Tensor) -> int:
    return max(t._aval.ndim, 1)


def _wide(t: Tensor) -> tuple[int, ...]:
    return t._aval.shape or (1,)


def _along_range(index: Tensor, n: int, dim: int) -> None:
    check_positions(index, n, lambda i: RuntimeError(f"index {i} is out of bounds for dimension {dim} with size {n}"))


@composite("gather(Tensor input, int dim, Tensor index, *, bool sparse_grad=False)", out=True)
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """The elements at `index` along `dim`; every other coordinate is the index's own."""
    dim = wrap_dim(dim, input._aval.ndim)
    if index._aval.size:
        if index._aval.torch_dtype not in INTEGERS:
            raise RuntimeError("gather(): Expected dtype int32/int64 for index")
        if _dims(index) != _dims(input):
            raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
        for d, (k, n) in enumerate(zip(_wide(index), _wide(input), strict=True)):
            if d != dim and k > n:
                raise RuntimeError(
                    f"Size does not match at dimension {d} expected index {list(index.shape)} to be no larger than "
                    "self "
                    f"{list(input.shape)} apart from dimension {dim}"
                )
        _along_range(index, _wide(input)[dim], dim)
    return apply(ix.gather.spec(("T", "T"), (dim,)), (input, index))


@composite("take_along_dim(Tensor input, Tensor indices, int? dim=None)", out=True)
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """The elements at `indices` along `dim`, both broadcast in the other dimensions (no dim: both flattened)."""
    if dim is not None and indices._aval.ndim != input._aval.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input._aval.ndim} dimensions for input, and {indices._aval.ndim} dimensions for indices"
        )
    if indices._aval.torch_dtype is not dt.int64:
        raise RuntimeError(f"torch.take_along_dim(): dtype of indices should be Long but got {name_of(indices)}")
    if dim is None:
        return gather(input.reshape(-1), 0, indices.reshape(-1))
    dim = wrap_dim(dim, input._aval.ndim)
    a, b = list(input._aval.shape), list(indices._aval.shape)
    own_a, own_b = a[dim], b[dim]
    a[dim] = b[dim] = 1
    shape = list(broadcast_shapes([tuple(a), tuple(b)]))
    wide_a, wide_b = (*shape[:dim], own_a, *shape[dim + 1 :]), (*shape[:dim], own_b, *shape[dim + 1 :])
    input, indices = input.expand(wide_a), indices.expand(wide_b)
    indices = apply(ix.wrapped.spec(("T",), (own_a,)), (indices,))
    return apply(ix.gather.spec(("T", "T"), (dim,)), (input, indices))


@composite("index_select(Tensor input, int dim, Tensor index)", out=True)
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices of a dimension at `index`, in that order."""
    dim = wrap_dim(dim, input._aval.ndim)
    if index._aval.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if index._aval.torch_dtype not in INTEGERS:
        raise RuntimeError("index_select(): Expected dtype int32 or int64 for index")
    if not input._aval.ndim and index._aval.size != 1:
        raise RuntimeError(f"index_select(): Index to scalar can have only 1 value, got {index._aval.size} value(s)")
    n = _wide(input)[dim]
    if n == 0 and index._aval.size:
        raise RuntimeError("index_select(): self indexing axis dim should be positive")
    check_positions(index, n, lambda i: IndexError("index out of range in self"))
    return apply(ix.index_select.spec(("T", "T"), (dim,)), (input, index))


@composite("take(Tensor input, Tensor index)", out=True)
def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements at `index` of the flattened tensor, in the shape of `index`."""
    if index._aval.torch_dtype is not dt.int64:
        raise RuntimeError(f"take(): Expected a long tensor for index, but got {name_of(index)}")
    n = input._aval.size
    if not n and index._aval.size:
        raise IndexError("take(): tried to take from an empty tensor")
    _flat_range(index, n)
    return apply(ix.take.spec(("T", "T"), ()), (input, index))


def _flat_range(index: Tensor, n: int) -> None:
    check_positions(
        index,
        n,
        lambda i: IndexError(f"out of range: tried to access index {i} on a tensor of {n} elements."),
        negative=True,
    )


@composite("masked_select(Tensor input, Tensor mask)", out=True)
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask is True (broadcast against each other), as a vector."""
    if mask._aval.torch_dtype is not dt.bool_:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    if type(mask._storage.expr) is not Expr:
        refuse_dynamic(mask, "masked_select")
    shape = broadcast_shapes([mask._aval.shape, input._aval.shape])
    picked = np.flatnonzero(np.broadcast_to(mask._host(), shape))
    if input._aval.shape != shape:
        # positions of the broadcast tensor, as positions of the tensor itself
        own = np.broadcast_to(np.arange(input._aval.size).reshape(input._aval.shape), shape)
        picked = own.reshape(-1)[picked]
    index = from_host(picked.astype(np.int64), input._aval.device)
    made = apply(ix.masked_select.spec(("T", "T"), ()), (input, index))
    return made


# --- scatter -------------------------------------------------------------------------------------------------


def _check_scatter(input: Tensor, dim: int, index: Tensor, src: Any, name: str = "scatter") -> int:
    dim = wrap_dim(dim, input._aval.ndim)
    tensor = isinstance(src, Tensor)
    if index._aval.size and index._aval.torch_dtype not in INTEGERS:
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    if tensor and src._aval.torch_dtype is not input._aval.torch_dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")
    if not index._aval.size:
        return dim
    if _dims(index) != _dims(input):
        raise RuntimeError("Index tensor must have the same number of dimensions as self tensor")
    if tensor and _dims(src) != _dims(index):
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    i, s = _wide(index), _wide(input)
    fits = all(d == dim or k <= n for d, (k, n) in enumerate(zip(i, s, strict=True)))
    if tensor:
        covered = all(k <= n for k, n in zip(i, _wide(src), strict=True))
        if not (fits and covered):
            raise RuntimeError(
                f"Expected index {list(index.shape)} to be no larger than self {list(input.shape)} apart from "
                f"dimension {dim} and "
                f"to be no larger size than src {list(src.shape)}"
            )
    elif not fits:
        raise RuntimeError(
            f"Expected index {list(index.shape)} to be no larger than self {list(input.shape)} apart from dimension "
            f"{dim}"
        )
    _along_range(index, s[dim], dim)
    return dim


def _check_reduce(reduce: str | None) -> None:
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")


@_forms("scatter(Tensor input, int dim, Tensor index, Tensor src, *, str? reduce=None)")
def _scatter_src(input: Tensor, dim: int, index: Tensor, src: Tensor, *, reduce: str | None = None):
    """`src` written to the positions `index` along `dim` (added or multiplied with `reduce`)."""
    _check_reduce(reduce)
    if reduce is not None:
        warn_once(
            "The reduce argument of torch.scatter with Tensor src is deprecated and will be removed in a future "
            "PyTorch "
            "release. Use torch.scatter_reduce instead for more reduction options."
        )
    dim = _check_scatter(input, dim, index, src)
    return sc.scatter.spec(("T", "T", "T"), (dim, reduce)), (input, index, src)


@_forms("scatter(Tensor input, int dim, Tensor index, Number value, *, str? reduce=None)")
def _scatter_value(input: Tensor, dim: int, index: Tensor, value: Any, *, reduce: str | None = None):
    """A number written to the positions `index` along `dim` (added or multiplied with `reduce`)."""
    _check_reduce(reduce)
    dim = _check_scatter(input, dim, index, value)
    value = fitting(value, input._aval.torch_dtype) if index._aval.size else 0
    return sc.scatter.spec(("T", "T", NUMBER_KINDS[type(value)]), (dim, reduce)), (input, index, value)


@_forms("scatter_add(Tensor input, int dim, Tensor index, Tensor src)")
def _scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor):
    """`src` added to the positions `index` along `dim`."""
    dim = _check_scatter(input, dim, index, src)
    return sc.scatter_add.spec(("T", "T", "T"), (dim,)), (input, index, src)


@_forms("scatter_reduce(Tensor input, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True)")
def _scatter_reduce(input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True):
    """`src` reduced (sum, prod, mean, amax, amin) into the positions `index` along `dim`."""
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    dim = _check_scatter(input, dim, index, src)
    if reduce == "mean" and not input._aval.category:
        kernel = "scatter_gather_tensor_cpu_reduce_mean" if index._aval.size else "div_floor_cpu"
        raise NotImplementedError(f"\"{kernel}\" not implemented for 'Bool'")
    if reduce in ("amax", "amin") and input._aval.category == COMPLEX and index._aval.size:
        raise NotImplementedError(f"\"scatter_gather_tensor_cpu_reduce_{reduce}\" not implemented for '{name_of(input)}'")
    return sc.scatter_reduce.spec(("T", "T", "T"), (dim, reduce, include_self)), (input, index, src)


# --- slices of a dimension -----------------------------------------------------------------------------------


def _check_rows(input: Tensor, dim: int, index: Tensor, source: Tensor, name: str) -> int:
    dim = wrap_dim(dim, input._aval.ndim)
    i, s = index._aval, source._aval
    if i.ndim > 1:
        raise IndexError(
            f"{name}(): Index is supposed to be a vector, but got dim: {i.ndim} with type: {name_of(index)} and size: "
            f"{list(index.shape)}"
        )
    if i.torch_dtype not in INTEGERS:
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index but got: {name_of(index)}")
    if s.torch_dtype is not input._aval.torch_dtype:
        raise RuntimeError(
            f"{name}(): self ({name_of(input)}) and source ({name_of(source)}) must have the same scalar type"
        )
    if dim and dim >= s.ndim:
        raise RuntimeError(f"{name}(): Indexing dim {dim} is out of bounds of the source tensor with dim {s.ndim}")
    if i.size != _wide(source)[dim]:
        if not s.ndim:
            raise IndexError("Dimension specified as 0 but tensor has no dimensions")
        raise RuntimeError(
            f"{name}(): Number of indices ({i.size}) should be equal to source.size(dim): ({_wide(source)[dim]}), "
            f"for dim: {dim}"
        )
    a, b = list(_wide(input)), list(_wide(source))
    if (a[:dim] + a[dim + 1 :] != b[:dim] + b[dim + 1 :]) or (name == "index_add_" and input._aval.ndim != s.ndim):
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
            f"{list(input.shape)} source.shape = {list(source.shape)}"
        )
    n = _wide(input)[dim]
    apart = name == "index_add_" and input._aval.ndim > 1  # slices, not elements: another kernel, another error

    def outside(i: int) -> Exception:
        if apart:
            return RuntimeError(f"index {i} is out of bounds for dimension {dim} with size {n}")
        return IndexError("index out of range in self")

    check_positions(index, n, outside)
    return dim


@_forms("index_add(Tensor input, int dim, Tensor index, Tensor source, *, Number alpha=1)")
def _index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1):
    """`alpha * source` added to the slices at `index` of a dimension."""
    dim = _check_rows(input, dim, index, source, "index_add_")
    return ix.index_add.spec(("T", "T", "T", NUMBER_KINDS[type(alpha)]), (dim,)), (input, index, source, alpha)


_REDUCE_BETA = "index_reduce() is in beta and the API may change at any time."


@_forms("index_reduce(Tensor input, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True)")
def _index_reduce(input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True):
    """`source` reduced (prod, mean, amax, amin) into the slices at `index` of a dimension."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    dim = wrap_dim(dim, input._aval.ndim)
    warn_once(_REDUCE_BETA)
    dim = _check_rows(input, dim, index, source, "index_reduce_")
    kernels: dict[Any, str] = {(BOOL, "mean"): "div_floor_cpu", (COMPLEX, "amax"): "maximum_cpu", (COMPLEX, "amin"): "minimum_cpu"}
    kind, kernel = input._aval.category, None
    if input._aval.ndim < 2:
        kernel = "index_func_" if kind in (BOOL, COMPLEX) else None
    elif index._aval.size:  # slices are reduced by pointwise operations
        kernel = kernels.get((kind, reduce))
    if kernel is not None:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{name_of(input)}'")
    return sc.index_reduce.spec(("T", "T", "T"), (dim, reduce, include_self)), (input, index, source)


@_forms("index_copy(Tensor input, int dim, Tensor index, Tensor source)")
def _index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor):
    """`source` written to the slices at `index` of a dimension."""
    dim = wrap_dim(dim, input._aval.ndim)
    i, s, a = index._aval, source._aval, input._aval
    if i.ndim > 1:
        raise IndexError(f"index_copy_(): Index should have dimension 1 or 0 (got {i.ndim})")
    if s.ndim == 0 and i.size != 1:
        raise IndexError(f"index_copy_(): When source is scalar, index should have one element (got {i.size})")
    if s.ndim != a.ndim and s.ndim and a.ndim:
        raise IndexError(
            "index_copy_(): When source and destination are not scalars, their dimensionality must match. Source "
            "dimensionality "
            f"({s.ndim}), destination dimensionality ({a.ndim})"
        )
    if i.torch_dtype is not dt.int64:
        raise RuntimeError(f"index_copy_(): Expected a long tensor for index, but got {name_of(index)}")
    if s.torch_dtype is not a.torch_dtype:
        raise RuntimeError(
            f"index_copy_(): self and source expected to have the same dtype, but got (self) {name_of(input)} and "
            "(source) "
            f"{name_of(source)}"
        )
    own, given = list(a.shape), list(s.shape)
    if own:
        del own[dim]
    if given:
        del given[dim]
    if own != given and s.ndim:
        shown = " ".join(map(str, own)), " ".join(map(str, given))
        raise RuntimeError(
            "index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: "
            f"{shown[0]} at dimension {dim} and source slice shape: {shown[1]} at dimension 0."
        )
    if s.ndim and i.size != s.shape[dim]:
        raise IndexError(
            f"index_copy_(): Number of indices ({i.size}) should be equal to source.size(dim) ({s.shape[dim]})"
        )
    n = _wide(input)[dim]
    check_positions(
        index, n, lambda k: IndexError(f"index_copy_(): index {k} is out of bounds for dimension {dim} with size {n}")
    )
    return ix.index_copy.spec(("T", "T", "T"), (dim,)), (input, index, source)


@_forms("index_fill(Tensor input, int dim, Tensor index, Tensor|Number value)")
def _index_fill(input: Tensor, dim: int, index: Tensor, value: Any):
    """One value written to the slices at `index` of a dimension."""
    if isinstance(value, Tensor):
        if value._aval.ndim:
            raise RuntimeError(
                "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value._aval.ndim} dimension(s)."
            )
        kind = "T"
    if index._aval.torch_dtype is not dt.int64:
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if (value._aval.category == 3 if isinstance(value, Tensor) else isinstance(value, complex)) and input._aval.category != 3:
        raise RuntimeError("index_fill_(): Converting complex Scalar to non-complex type is not supported")
    if not isinstance(value, Tensor):
        value = fitting(value, input._aval.torch_dtype)
        kind = NUMBER_KINDS[type(value)]
    else:
        check_value(input, value)
    dim = wrap_dim(dim, input._aval.ndim)
    if index._aval.ndim > 1:
        raise RuntimeError("Index has to be a vector/scalar")
    n = _wide(input)[dim]
    check_positions(
        index, n, lambda k: IndexError(f"index {k} is out of bounds for dimension {dim} with size {n}"), negative=True
    )
    return ix.index_fill.spec(("T", "T", kind), (dim,)), (input, index, value)


# --- flat positions and masks --------------------------------------------------------------------------------


@_forms("put(Tensor input, Tensor index, Tensor source, bool accumulate=False)")
def _put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False):
    """`source` written to (or added at) flat positions."""
    if index._aval.torch_dtype is not dt.int64:
        raise RuntimeError(f"put_(): Expected a long tensor for index, but got {name_of(index)}")
    if source._aval.torch_dtype is not input._aval.torch_dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = {name_of(input)} and "
            "source.dtype = "
            f"{name_of(source)}"
        )
    if source._aval.size != index._aval.size:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{source._aval.size}, index.numel() = {index._aval.size}"
        )
    if not input._aval.size and index._aval.size:
        raise IndexError("put_(): Tried to put elements into an empty tensor")
    _flat_range(index, input._aval.size)
    if source._aval.shape != index._aval.shape:
        source = source.reshape(index._aval.shape)
    return ix.put.spec(("T", "T", "T"), (accumulate,)), (input, index, source)


def _check_masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> None:
    if input._aval.torch_dtype is not source._aval.torch_dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got{name_of(input)} and "
            f"{name_of(source)}"
        )
    if mask._aval.torch_dtype is not dt.bool_:
        raise RuntimeError(f"masked_scatter_ only supports boolean masks, but got mask with dtype {name_of(mask)}")
    shape = broadcast_shapes([mask._aval.shape, input._aval.shape])
    count = 1
    for n in shape:
        count *= n
    if source._aval.size < count and mask._aval.device is not TRACED:
        # only a short source can run out, and only then is the mask read
        if int(np.broadcast_to(mask._host(), shape).sum()) > source._aval.size:
            raise RuntimeError("Number of elements of source < number of ones in mask")


@composite("masked_scatter(Tensor input, Tensor mask, Tensor source)")
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """The elements of `source`, in order, where the mask is True."""
    _check_masked_scatter(input, mask, source)
    return apply(ix.masked_scatter.spec(("T", "T", "T"), ()), (input, mask, source))


@composite("masked_scatter_(Tensor input, Tensor mask, Tensor source)", function=False)
def masked_scatter_(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Write the elements of `source`, in order, where the mask is True."""
    check_leaf(input, source._needs())
    if mask._aval.ndim > input._aval.ndim:
        raise RuntimeError(
            f"expand(CPUBoolType{{{list(mask.shape)}}}, size={list(input.shape)}): the number of sizes provided "
            f"({input._aval.ndim}) must be greater or equal to the number of dimensions in the tensor "
            f"({mask._aval.ndim})"
        )
    _check_masked_scatter(input, mask, source)
    return apply_inplace(ix.masked_scatter.spec(("T", "T", "T"), ()), (input, mask, source))
