"""Several views of a tensor at once: its slices, its chunks."""

from __future__ import annotations

from collections.abc import Sequence

from torchish import _dtypes as dt
from torchish._tensor.apply import apply, make_view
from torchish._tensor.dispatch import composite
from torchish._tensor.geometry import Shape, without
from torchish._tensor.nn_functional._call import require
from torchish._tensor.tensor import Tensor
from torchish._tensor.views import slice_bounds, slice_dim
from torchish.autograd.grad_mode import STATE
from torchish.autograd.graph import TENSORS, Node, named, next_sequence
from torchish.engine.expr import emit
from torchish.ops import views as v
from torchish.ops.dims import wrap_dim


@composite("unbind(Tensor input, int dim=0)")
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All indices of a dimension, as views."""
    a, s = input._aval, input.stride()
    if not a.ndim:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions") if dim in (0, -1) else IndexError(
            f"Dimension specified as {dim} but tensor has no dimensions"
        )
    dim = wrap_dim(dim, a.ndim)
    shape, strides = without(a.shape, dim), without(s, dim)
    spec = v.select.spec(("T", "i"), (dim,))
    fn = _parts_function(input, "UnbindBackward0", dim, True)
    out = tuple(
        make_view(input, spec, (i,), shape, strides, input._offset + i * s[dim], multi=True, fn=fn, number=i)
        for i in range(a.shape[dim])
    )
    if fn is not None:
        fn._avals = tuple(t._aval for t in out)
    return out


class PartsFn(Node):
    """The history of views made together, which are parts of one tensor: joined, their gradients are its gradient."""

    def __init__(self, edge: tuple, dim: int, new_dim: bool):
        self._lead([edge])
        self._seq = next_sequence()
        self.dim, self.new_dim = dim, new_dim

    def _run(self, grads: list, record: bool) -> list:
        parts = tuple([TENSORS.zeros(a, record) if g is None else g for g, a in zip(grads, self._avals, strict=True)])
        spec = v.join_parts.spec((len(parts),), (self.dim, self.new_dim))
        return [apply(spec, parts) if record else emit(spec, parts)]


def _parts_function(input: Tensor, name: str, dim: int, new_dim: bool) -> PartsFn | None:
    if not (STATE.enabled and input._needs()):
        return None
    return named(name, PartsFn)(input._edge(), dim, new_dim)


def split_sizes(input: Tensor, sizes: Sequence[int], dim: int, name: str) -> tuple[Tensor, ...]:
    out = []
    start = 0
    fn = _parts_function(input, name, dim, False)
    for i, n in enumerate(sizes):
        out.append(slice_dim(input, dim, start, n, multi=True, fn=fn, number=i))
        start += n
    if fn is not None:
        fn._avals = tuple(t._aval for t in out)
    return tuple(out)


@composite("split(Tensor input, int split_size, int dim=0)", method=False)
def split(input: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Consecutive chunks of `split_size` (the last may be smaller), as views."""
    return _split(input, split_size, dim)


@composite("split(Tensor input, int[!] split_size_or_sections, int dim=0)", method=False)
def split_sections(input: Tensor, split_sizes_: Shape, dim: int = 0) -> tuple[Tensor, ...]:
    """Consecutive chunks of the given sizes, as views."""
    a = input._aval
    if not a.ndim:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    dim = wrap_dim(dim, a.ndim)
    n = a.shape[dim]
    if any(s < 0 for s in split_sizes_):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={list(split_sizes_)}"
        )
    if sum(split_sizes_) != n:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size at dimension {dim}), but got "
            f"split_sizes={list(split_sizes_)}"
        )
    return split_sizes(input, split_sizes_, dim, "SplitWithSizesBackward0")


def split_number(input: Tensor, split_size: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Consecutive chunks of the size that is the only element of a tensor."""
    if split_size._aval.size != 1:
        require("split_with_sizes(Tensor input, int[!] split_sizes, int dim=0)", input, split_size, dim)
    return _split(input, int(split_size), dim)


composite("split(Tensor input, int split_size, int dim=0)", function=False)(split)
composite("split(Tensor input, int[!] split_size, int dim=0)", function=False)(split_sections)
composite("split(Tensor input, Tensor split_size, int dim=0)")(split_number)
composite("split_with_sizes(Tensor input, int[!] split_sizes, int dim=0)")(split_sections)


def _split(input: Tensor, split_size: int, dim: int, name: str = "SplitBackward0") -> tuple[Tensor, ...]:
    a = input._aval
    if not a.ndim:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    if split_size < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={split_size}")
    dim = wrap_dim(dim, a.ndim)
    n = a.shape[dim]
    if split_size == 0 and n != 0:
        raise RuntimeError(
            f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}"
        )
    count = max((n + split_size - 1) // split_size, 1) if split_size else 1
    sizes = [split_size] * (count - 1) + [n - split_size * (count - 1)]
    return split_sizes(input, sizes, dim, name)


@composite("chunk(Tensor input, int chunks, int dim=0)")
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` consecutive chunks of equal size, as views."""
    a = input._aval
    if not a.ndim:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    dim = wrap_dim(dim, a.ndim)
    n = a.shape[dim]
    size = (n + chunks - 1) // chunks
    if size == 0 and n == 0:
        return split_sizes(input, [0] * chunks, dim, "SplitWithSizesBackward0")
    return _split(input, size, dim)


@composite("tensor_split(Tensor input, int sections, int dim=0)")
def tensor_split(input: Tensor, sections: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`sections` chunks of nearly equal size, as views."""
    a = input._aval
    if not a.ndim:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    dim = wrap_dim(dim, a.ndim)
    if sections <= 0:
        raise RuntimeError(f"number of sections must be larger than 0, got {sections}")
    n = a.shape[dim]
    q, r = divmod(n, sections)
    out, start = [], 0
    for i in range(sections):
        length = q + (i < r)
        out.append(slice_dim(input, dim, start, length))
        start += length
    return tuple(out)


@composite("tensor_split(Tensor input, int[] indices, int dim=0)")
def tensor_split_indices(input: Tensor, indices: Shape, dim: int = 0) -> tuple[Tensor, ...]:
    """Chunks between the given indices, as views."""
    a = input._aval
    if not a.ndim:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    dim = wrap_dim(dim, a.ndim)
    n = a.shape[dim]
    out, start = [], 0
    for end in (*indices, n):
        s, length = slice_bounds(n, start, end, 1)
        out.append(slice_dim(input, dim, s, length))
        start = end
    return tuple(out)


@composite("tensor_split(Tensor input, Tensor tensor_indices_or_sections, int dim=0)")
def tensor_split_tensor(input, tensor_indices_or_sections, dim=0):
    x = tensor_indices_or_sections
    if x._aval.torch_dtype is not dt.int64:
        kind = dt.SCALAR_TYPE_NAMES[x._aval.torch_dtype]
        raise RuntimeError(f"tensor_split expected tensor_indices_or_sections to have dtype of long, but got {kind}")
    if x._aval.ndim == 0:
        return tensor_split(input, int(x.item()), dim)
    if x._aval.ndim > 1:
        raise RuntimeError(
            "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, but got a tensor with "
            f"{x._aval.ndim} dims"
        )
    return tensor_split_indices(input, tuple(x.tolist()), dim)


def _axis_split(name: str, axis_of, need: int):
    def f(input, indices_or_sections):
        n = input._aval.ndim
        if n < need:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {need} dimension, but got a tensor with {n} dimensions!"
            )
        axis = axis_of(n)
        if isinstance(indices_or_sections, int):
            if indices_or_sections <= 0 or input._aval.shape[axis] % indices_or_sections:
                raise RuntimeError(
                    f"torch.{name} attempted to split along dimension {axis}, but the size of the dimension "
                    f"{input._aval.shape[axis]} is not divisible by the split_size {indices_or_sections}!"
                )
            return tensor_split(input, indices_or_sections, axis)
        return tensor_split_indices(input, tuple(indices_or_sections), axis)

    composite(f"{name}(Tensor input, int sections)")(f)
    composite(f"{name}(Tensor input, int[] indices)")(f)


_axis_split("hsplit", lambda n: 0 if n == 1 else 1, 1)
_axis_split("vsplit", lambda n: 0, 2)
_axis_split("dsplit", lambda n: 2, 3)
