"""The view methods: they check their arguments, work out strides, and put one more view on the storage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from torchish import _dtypes as dt
from torchish._tensor.apply import apply, attach_view, check_inplace, make_view, named, set_history
from torchish._tensor.dispatch import composite
from torchish._tensor.size import Size
from torchish._tensor.storage import contiguous_strides
from torchish._tensor.tensor import Tensor, ViewStep, readonly
from torchish.autograd.grad_mode import STATE, no_grad
from torchish.autograd.graph import TENSORS, GradFn, Node, next_sequence
from torchish.engine.expr import Expr, emit
from torchish.ops import views as v
from torchish.ops.dims import wrap_dim

Shape = tuple[int, ...]


def strided_steps(geometry: tuple, size: Shape, stride: Shape, start: int, target) -> tuple[ViewStep, ...]:
    """The views that lead from a tensor to any geometry, of any dtype, over its memory.

    `geometry` is the tensor's (shape, strides, offset, dtype); `start` counts elements of dtype `target`.
    """
    shape, strides, offset, dtype = geometry
    if dtype == target:
        return (ViewStep(v.as_strided.spec(("T",), (shape, strides, size, stride, start - offset))),)
    n = memory_span(shape, strides)
    steps = [ViewStep(v.as_strided.spec(("T",), (shape, strides, (n,), (1,), 0)))]
    ratio = dtype.itemsize / target.itemsize
    n, offset = int(n * ratio), int(offset * ratio)
    if dtype.kind == "c" and ratio == 2:
        steps += [ViewStep(v.view_as_real.spec(("T",), ())), ViewStep(v.view.spec(("T",), ((n,),)))]
    elif target.kind == "c" and ratio == 0.5:
        steps += [ViewStep(v.view.spec(("T",), ((n, 2),))), ViewStep(v.view_as_complex.spec(("T",), ()))]
    else:
        steps.append(ViewStep(v.view_dtype.spec(("T",), (target,))))
    steps.append(ViewStep(v.as_strided.spec(("T",), ((n,), (1,), size, stride, start - offset))))
    return tuple(steps)


def root_steps(t: Tensor, size: Shape, stride: Shape, start: int) -> tuple[ViewStep, ...]:
    """The views that lead from the root of the storage of `t` to a geometry over its memory, in the dtype of `t`."""
    st = t._storage
    steps = strided_steps((st.shape, st.root_strides(), 0, st.expr.aval.dtype), size, stride, start, t._aval.dtype)
    return steps + conjugations(t._chain)


def conjugations(steps: tuple[ViewStep, ...]) -> tuple[ViewStep, ...]:
    """What remains of the conjugations among some views: one, or none."""
    return (ViewStep(v.conj.spec(("T",), ())),) if sum(s.spec.name == "conj" for s in steps) % 2 else ()


def memory_span(shape: Shape, strides: Shape) -> int:
    """How many elements of memory a strided array reaches over."""
    return 0 if 0 in shape else 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))


# --- geometry ----------------------------------------------------------------------------------------------


def infer_size(size: Sequence[int], numel: int) -> Shape:
    """Replace one -1 in a requested shape; RuntimeError with PyTorch's messages when it does not fit."""
    unknown, product = None, 1
    for i, s in enumerate(size):
        if s == -1:
            if unknown is not None:
                raise RuntimeError("only one dimension can be inferred")
            unknown = i
        elif s < 0:
            raise RuntimeError(f"invalid shape dimension {s} at index {i} of shape {list(size)}")
        else:
            product *= s
    if unknown is not None:
        if product == 0:
            if numel == 0:
                raise RuntimeError(
                    f"cannot reshape tensor of 0 elements into shape {list(size)} because the unspecified dimension size "
                    "-1 can be any value and is ambiguous"
                )
        elif numel % product == 0:
            return tuple(numel // product if s == -1 else s for s in size)
    elif product == numel:
        return tuple(size)
    raise RuntimeError(f"shape '{list(size)}' is invalid for input of size {numel}")


def view_strides(old_shape: Shape, old_strides: Shape, new_shape: Shape) -> Shape | None:
    """Strides that show memory in a new shape, or None when no strides can."""
    if 0 in old_shape:
        return old_strides if old_shape == new_shape else contiguous_strides(new_shape)
    if not old_shape:
        return (1,) * len(new_shape)
    out = [0] * len(new_shape)
    view_d = len(new_shape) - 1
    chunk_base = old_strides[-1]
    tensor_numel = view_numel = 1
    for d in range(len(old_shape) - 1, -1, -1):
        tensor_numel *= old_shape[d]
        if d == 0 or (old_shape[d - 1] != 1 and old_strides[d - 1] != tensor_numel * chunk_base):
            while view_d >= 0 and (view_numel < tensor_numel or new_shape[view_d] == 1):
                out[view_d] = view_numel * chunk_base
                view_numel *= new_shape[view_d]
                view_d -= 1
            if view_numel != tensor_numel:
                return None
            if d > 0:
                chunk_base = old_strides[d - 1]
                tensor_numel = view_numel = 1
    return tuple(out) if view_d == -1 else None


def _without(t: Shape, i: int) -> Shape:
    return t[:i] + t[i + 1 :]


# --- the primitives ----------------------------------------------------------------------------------------


@composite("view(Tensor input, int[]* size)", function=False)
def view(input: Tensor, size: Shape) -> Tensor:
    """The same memory in another shape; RuntimeError when the strides do not allow it."""
    size = infer_size(size, input._aval.size)
    strides = view_strides(input._aval.shape, input.stride(), size)
    if strides is None:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        )
    return make_view(input, v.view.spec(("T",), (size,)), (), size, strides, input._offset)


@composite("view(Tensor input, dtype dtype)", function=False)
def view_dtype(input: Tensor, dtype: dt.dtype) -> Tensor:
    """The same memory read as another dtype."""
    a = input._aval
    old, new = a.dtype.itemsize, dtype.itemsize
    shape, strides, offset = a.shape, input.stride(), input._offset
    if old != new:
        if not shape:
            raise RuntimeError(f"self.dim() cannot be 0 to view {_name(a.torch_dtype)} as {_name(dtype)} (different element sizes)")
        if strides[-1] != 1:
            raise RuntimeError(
                f"self.stride(-1) must be 1 to view {_name(a.torch_dtype)} as {_name(dtype)} (different element sizes), "
                f"but got {strides[-1]}"
            )
        if new < old:
            r = old // new
            shape = (*shape[:-1], shape[-1] * r)
            strides = (*(s * r for s in strides[:-1]), 1)
            offset *= r
        else:
            r = new // old
            if shape[-1] % r:
                raise RuntimeError(
                    f"self.size(-1) must be divisible by {r} to view {_name(a.torch_dtype)} as {_name(dtype)} (different "
                    f"element sizes), but got {shape[-1]}"
                )
            shape = (*shape[:-1], shape[-1] // r)
            strides = (*(s // r for s in strides[:-1]), 1)
            offset //= r
    return make_view(input, v.view_dtype.spec(("T",), (dtype.np,)), (), shape, strides, offset, dtype.np)


def _name(d: dt.dtype) -> str:
    return dt.SCALAR_TYPE_NAMES[d]


@composite("view_as(Tensor input, Tensor other)", function=False)
def view_as(input, other):
    return view(input, other._aval.shape)


@composite("reshape(Tensor input, int[]* shape)")
def reshape(input: Tensor, shape: Shape) -> Tensor:
    """A view in another shape where strides allow one, else a copy."""
    shape = infer_size(shape, input._aval.size)
    if input._strides is None:
        return view(input, shape)
    if view_strides(input._aval.shape, input.stride(), shape) is not None:
        made = view(input, shape)
        if made._grad_fn is not None and not input.is_contiguous():
            made._grad_fn.__class__ = named("ReshapeAliasBackward0", GradFn)
        return made
    made = view(input.clone(memory_format="contiguous"), shape)
    if made._grad_fn is not None:
        made._grad_fn.__class__ = named("UnsafeViewBackward0", GradFn)
    made._base, made._steps = None, ()
    return made


@composite("reshape_as(Tensor input, Tensor other)", function=False)
def reshape_as(input, other):
    return reshape(input, other._aval.shape)


@composite("select(Tensor input, int dim, int index)")
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """One index of a dimension, which goes away. A view."""
    a = input._aval
    if not a.ndim:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, a.ndim)
    n = a.shape[dim]
    if not -n <= index < n:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(a.shape)} at dimension {dim}")
    index += n if index < 0 else 0
    s = input.stride()
    return make_view(
        input, v.select.spec(("T", "i"), (dim,)), (index,), _without(a.shape, dim), _without(s, dim),
        input._offset + index * s[dim],
    )  # fmt: skip


def slice_dim(input: Tensor, dim: int, start: int, length: int, step: int = 1, *, multi: bool = False, fn: Node | None = None,
              number: int = 0) -> Tensor:  # fmt: skip
    """`length` indices of a dimension from `start` in steps of `step` (already in range). A view."""
    a = input._aval
    s = input.stride()
    shape = (*a.shape[:dim], length, *a.shape[dim + 1 :])
    strides = (*s[:dim], s[dim] * step, *s[dim + 1 :])
    return make_view(
        input, v.slice_.spec(("T", "i"), (dim, length, step)), (start,), shape, strides,
        input._offset + start * s[dim], multi=multi, fn=fn, number=number,
    )  # fmt: skip


def slice_bounds(n: int, start: int | None, end: int | None, step: int) -> tuple[int, int]:
    """Start and length of a slice of a dimension of size n, clamped as PyTorch clamps."""
    start = 0 if start is None else start
    end = n if end is None else end
    start = max(start + n, 0) if start < 0 else start
    end = end + n if end < 0 else end
    start = min(start, n)
    end = min(max(end, start), n)
    return start, (end - start + step - 1) // step


@composite("narrow(Tensor input, int dim, int start, int length)")
def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """`length` indices of a dimension from `start`. A view."""
    a = input._aval
    if not a.ndim:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    dim = wrap_dim(dim, a.ndim)
    n = a.shape[dim]
    if not -n <= start <= n:
        raise IndexError(f"start out of range (expected to be in range of [{-n}, {n}], but got {start})")
    start += n if start < 0 else 0
    if start > n - length:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({n}).")
    return slice_dim(input, dim, start, length)


@composite("permute(Tensor input, int[]* dims)")
def permute(input: Tensor, dims: Shape) -> Tensor:
    """Dimensions in another order. A view."""
    a = input._aval
    if len(dims) != a.ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {a.ndim} is not equal to len(dims) = {len(dims)}"
        )
    dims = tuple(wrap_dim(d, a.ndim) for d in dims)
    if len(set(dims)) != len(dims):
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    s = input.stride()
    return make_view(
        input, v.permute.spec(("T",), (dims,)), (), tuple(a.shape[d] for d in dims), tuple(s[d] for d in dims), input._offset
    )


@composite("transpose(Tensor input, int dim0, int dim1)", aliases=("swapaxes", "swapdims"))
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions swapped. A view."""
    n = input._aval.ndim
    dim0, dim1 = wrap_dim(dim0, n), wrap_dim(dim1, n)
    return _transposed(input, v.transpose.spec(("T",), (dim0, dim1)) if n else v.alias.spec(("T",), ()), dim0, dim1)


def _transposed(input: Tensor, spec, i: int, j: int) -> Tensor:
    shape, s = list(input._aval.shape), list(input.stride())
    if shape:
        shape[i], shape[j] = shape[j], shape[i]
        s[i], s[j] = s[j], s[i]
    made = make_view(input, spec, (), tuple(shape), tuple(s), input._offset)
    if spec.op is v.alias and made._grad_fn is not None:
        made._grad_fn.__class__ = named("TransposeBackward0", GradFn)
    return made


@composite("t(Tensor input)")
def t(input: Tensor) -> Tensor:
    """A matrix transposed (a vector or scalar as it is). A view."""
    n = input._aval.ndim
    if n > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {n}D")
    return _transposed(input, v.t.spec(("T",), ()), 0, n - 1)


@composite("expand(Tensor input, int[]* size)", function=False)
def expand(input: Tensor, size: Shape) -> Tensor:
    """Dimensions of size 1 repeated without copying (stride 0). A view."""
    a = input._aval
    pad = len(size) - a.ndim
    if pad < 0:
        raise RuntimeError(
            f"expand({_legacy(a)}{{{list(a.shape)}}}, size={list(size)}): the number of sizes provided ({len(size)}) "
            f"must be greater or equal to the number of dimensions in the tensor ({a.ndim})"
        )
    shape: list = []
    strides: list = []
    s = input.stride()
    for i, n in reversed(list(enumerate(size))):
        if i < pad:
            if n < 0:
                raise RuntimeError(
                    f"The expanded size of the tensor ({n}) isn't allowed in a leading, non-existing dimension {i}"
                )
            shape.append(n)
            strides.append(0 if n != 1 else (s[0] * a.shape[0] if a.ndim else 1))
            continue
        old = a.shape[i - pad]
        if n == -1:
            n = old
        if old != n:
            if old != 1:
                raise RuntimeError(
                    f"The expanded size of the tensor ({n}) must match the existing size ({old}) at non-singleton dimension "
                    f"{i}.  Target sizes: {list(size)}.  Tensor sizes: {list(a.shape)}"
                )
            strides.append(0)
        else:
            strides.append(s[i - pad])
        shape.append(n)
    out = tuple(reversed(shape))
    return make_view(input, v.expand.spec(("T",), (out,)), (), out, tuple(reversed(strides)), input._offset)


def _legacy(a) -> str:
    name = dt.LEGACY_NAMES[a.torch_dtype]
    return f"CPU{name.replace('Tensor', 'Type')}" if a.category == 3 else f"torch.{name}"


@composite("expand_as(Tensor input, Tensor other)", function=False)
def expand_as(input, other):
    return expand(input, other._aval.shape)


@composite("broadcast_to(Tensor input, int[] size)")
def broadcast_to(input, size):
    return expand(input, size)


@composite("squeeze(Tensor input)")
def squeeze(input: Tensor) -> Tensor:
    """All dimensions of size 1 removed. A view."""
    return _squeezed(input, tuple(i for i, n in enumerate(input._aval.shape) if n == 1), "SqueezeBackward0")


@composite("squeeze(Tensor input, int dim)")
def squeeze_dim(input: Tensor, dim: int) -> Tensor:
    """Dimension `dim` removed if its size is 1. A view."""
    dim = wrap_dim(dim, input._aval.ndim)
    shape = input._aval.shape
    return _squeezed(input, (dim,) if shape and shape[dim] == 1 else (), "SqueezeBackward1")


@composite("squeeze(Tensor input, int[] dim)")
def squeeze_dims(input: Tensor, dim: Shape) -> Tensor:
    """Those of the given dimensions that have size 1 removed. A view."""
    from torchish.ops.dims import wrap_dims

    shape = input._aval.shape
    dims = wrap_dims(dim, len(shape)) if dim else ()
    return _squeezed(input, tuple(sorted(d for d in dims if shape and shape[d] == 1)), "SqueezeBackward2")


def _squeezed(input: Tensor, dims: Shape, name: str) -> Tensor:
    shape, s = input._aval.shape, input.stride()
    made = make_view(
        input, v.squeeze.spec(("T",), (dims,)), (), tuple(n for i, n in enumerate(shape) if i not in dims),
        tuple(n for i, n in enumerate(s) if i not in dims), input._offset,
    )  # fmt: skip
    if made._grad_fn is not None:
        made._grad_fn.__class__ = named(name, GradFn)
    return made


@composite("unsqueeze(Tensor input, int dim)")
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A dimension of size 1 inserted at `dim`. A view."""
    shape, s = input._aval.shape, input.stride()
    dim = wrap_dim(dim, len(shape) + 1)
    new = shape[dim] * s[dim] if dim < len(shape) else 1
    return make_view(
        input, v.unsqueeze.spec(("T",), (dim,)), (), (*shape[:dim], 1, *shape[dim:]), (*s[:dim], new, *s[dim:]), input._offset
    )


@composite("diagonal(Tensor input, int offset=0, int dim1=0, int dim2=1)")
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two dimensions as the last dimension. A view."""
    shape, s = input._aval.shape, input.stride()
    n = len(shape)
    d1, d2 = wrap_dim(dim1, n), wrap_dim(dim2, n)
    if d1 == d2:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    size = max(min(shape[d1], shape[d2] - offset) if offset >= 0 else min(shape[d1] + offset, shape[d2]), 0)
    start = input._offset
    if size:
        start += offset * s[d2] if offset >= 0 else -offset * s[d1]
    keep = [i for i in range(n) if i not in (d1, d2)]
    return make_view(
        input, v.diagonal.spec(("T",), (offset, d1, d2)), (), (*(shape[i] for i in keep), size),
        (*(s[i] for i in keep), s[d1] + s[d2]), start,
    )  # fmt: skip


@composite("unfold(Tensor input, int dimension, int size, int step)", function=False)
def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows of `size` every `step` along a dimension, as a new last dimension. A view."""
    shape, s = input._aval.shape, input.stride()
    d = wrap_dim(dimension, len(shape))
    n = shape[d] if shape else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > n:
        raise RuntimeError(f"maximum size for tensor at dimension {d} is {n} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    spec = v.unfold.spec(("T",), (d, size, step))
    if not shape:
        return make_view(input, spec, (), (size,), (1,), input._offset)
    count = (n - size) // step + 1
    return make_view(
        input, spec, (), (*shape[:d], count, *shape[d + 1 :], size), (*s[:d], s[d] * step, *s[d + 1 :], s[d]), input._offset
    )


@composite("as_strided(Tensor input, int[] size, int[] stride, int? storage_offset=None)")
def as_strided(input: Tensor, size: Shape, stride: Shape, storage_offset: int | None = None) -> Tensor:
    """The storage's memory with any strides. A view."""
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(s < 0 for s in stride):
        raise RuntimeError("as_strided: Negative strides are not supported at the moment, got strides: " + str(list(stride)))
    offset = input._offset if storage_offset is None else storage_offset
    st = input._storage
    need = (offset + 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True))) if 0 not in size else 0
    b = input._aval.dtype.itemsize
    have = st.n_elements() * st.expr.aval.dtype.itemsize // b
    if need > have:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize {b} requiring a "
            f"storage size of {need * b} are out of bounds for storage of size {have * b}"
        )
    size, stride = tuple(size), tuple(stride)
    # the values come from the storage; the gradient goes through the tensor, which shows a part of it
    own = strided_steps((input._aval.shape, input.stride(), input._offset, input._aval.dtype), size, stride, offset, input._aval.dtype)
    made = make_view(input, own[0].spec, (), size, stride, offset)
    made._chain = root_steps(input, size, stride, offset)
    base = input._base
    if base is not None:
        geometry = base._aval.shape, base.stride(), base._offset, base._aval.dtype
        made._steps = strided_steps(geometry, size, stride, offset, input._aval.dtype) + conjugations(input._steps)
    return made


def view_as_real(input: Tensor) -> Tensor:
    """Real and imaginary parts as a last dimension of size 2. A view."""
    if input._aval.category != 3:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    real = np.dtype(np.float32 if input._aval.dtype == np.complex64 else np.float64)
    return make_view(
        input, v.view_as_real.spec(("T",), ()), (), (*input._aval.shape, 2), (*(2 * s for s in input.stride()), 1),
        2 * input._offset, real,
    )  # fmt: skip


composite("view_as_real(Tensor input)", method=False)(view_as_real)


@composite("view_as_complex(Tensor input)", method=False)
def view_as_complex(input: Tensor) -> Tensor:
    """A last dimension of size 2 as complex numbers. A view."""
    a, s = input._aval, input.stride()
    if a.torch_dtype not in (dt.float32, dt.float64, dt.float16):
        raise RuntimeError(
            f"view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: "
            f"{_name(a.torch_dtype)}"
        )
    if not a.ndim:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if a.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    if s[-1] != 1:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    if any(n % 2 for n, size in zip(s[:-1], a.shape, strict=False) if size != 1):
        raise RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension")
    if input._offset % 2:
        raise RuntimeError("Tensor must have a storage_offset divisible by 2")
    out = np.dtype(np.complex64 if a.dtype == np.float32 else np.complex128)
    return make_view(
        input, v.view_as_complex.spec(("T",), ()), (), a.shape[:-1], tuple(n // 2 for n in s[:-1]), input._offset // 2, out
    )


@composite("real(Tensor input)", method=False)
def real(input: Tensor) -> Tensor:
    """The real part of a complex tensor (a view), or the tensor itself."""
    if input._aval.category != 3:
        return input
    return select(view_as_real(input), -1, 0)


@composite("imag(Tensor input)", method=False)
def imag(input: Tensor) -> Tensor:
    """The imaginary part of a complex tensor. A view."""
    if input._aval.category != 3:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return select(view_as_real(input), -1, 1)


@composite("conj(Tensor input)")
def conj(input: Tensor) -> Tensor:
    """The complex conjugate (a view that conjugates on reading), or a real tensor itself."""
    if input._aval.category != 3:
        return input
    return make_view(input, v.conj.spec(("T",), ()), (), input._aval.shape, input.stride(), input._offset)


@composite("detach(Tensor input)")
def detach(input: Tensor) -> Tensor:
    """The same memory outside autograd, sharing its version counter."""
    if type(input._storage.expr) is not Expr:  # inside a function transform: without its tangents
        with no_grad():
            return make_view(input, v.detached.spec(("T",), ()), (), input._aval.shape, input.stride(), input._offset)
    return input._alias()


def alias(input: Tensor) -> Tensor:
    """The whole tensor as a view of itself."""
    return make_view(input, v.alias.spec(("T",), ()), (), input._aval.shape, input.stride(), input._offset)


# --- several views at once ---------------------------------------------------------------------------------


@composite("unbind(Tensor input, int dim=0)")
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All indices of a dimension, as views."""
    a, s = input._aval, input.stride()
    if not a.ndim:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions") if dim in (0, -1) else IndexError(
            f"Dimension specified as {dim} but tensor has no dimensions"
        )
    dim = wrap_dim(dim, a.ndim)
    shape, strides = _without(a.shape, dim), _without(s, dim)
    spec = v.select.spec(("T", "i"), (dim,))
    fn = _parts_function(input, "UnbindBackward0", dim, True)
    out = tuple(
        make_view(input, spec, (i,), shape, strides, input._offset + i * s[dim], multi=True, fn=fn, number=i)
        for i in range(a.shape[dim])
    )
    if fn is not None:
        fn.avals = tuple(t._aval for t in out)
    return out


class PartsFn(Node):
    """The history of views made together, which are parts of one tensor: joined, their gradients are its gradient."""

    def __init__(self, edge: tuple, dim: int, new_dim: bool):
        self.edges = [edge]
        self.seq = next_sequence()
        self.dim, self.new_dim = dim, new_dim

    def run(self, grads: list, record: bool) -> list:
        parts = tuple([TENSORS.zeros(a, record) if g is None else g for g, a in zip(grads, self.avals, strict=True)])
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
        fn.avals = tuple(t._aval for t in out)
    return tuple(out)


@composite("split(Tensor input, int split_size, int dim=0)", method=False)
def split(input: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Consecutive chunks of `split_size` (the last may be smaller), as views."""
    return _split(input, split_size, dim)


@composite("split(Tensor input, int[] split_size_or_sections, int dim=0)", method=False, aliases=("split_with_sizes",))
def split_sections(input: Tensor, split_sizes_: Shape, dim: int = 0) -> tuple[Tensor, ...]:
    """Consecutive chunks of the given sizes, as views."""
    a = input._aval
    dim = wrap_dim(dim, a.ndim)
    n = a.shape[dim] if a.ndim else 0
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


composite("split(Tensor input, int split_size, int dim=0)", function=False)(split)
composite("split(Tensor input, int[] split_size, int dim=0)", function=False)(split_sections)
composite("split_with_sizes(Tensor input, int[] split_sizes, int dim=0)")(split_sections)


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
    if x._aval.ndim == 0:
        return tensor_split(input, int(x.item()), dim)
    return tensor_split_indices(input, tuple(x.tolist()), dim)


def _axis_split(name: str, axis_of, need: int):
    def f(input, indices_or_sections):
        n = input._aval.ndim
        if n < need:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {need} dimension{'s' if need > 1 else ''}, but got a tensor "
                f"with {n} dimensions!"
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


# --- made of the above -------------------------------------------------------------------------------------


@composite("flatten(Tensor input, int start_dim=0, int end_dim=-1)")
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim..end_dim joined into one (a view where possible)."""
    shape = input._aval.shape
    n = len(shape)
    start, end = wrap_dim(start_dim, n), wrap_dim(end_dim, n)
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if not n:
        return reshape(input, (1,))
    if start == end:
        return input
    joined = 1
    for s in shape[start : end + 1]:
        joined *= s
    return reshape(input, (*shape[:start], joined, *shape[end + 1 :]))


@composite("ravel(Tensor input)")
def ravel(input):
    return reshape(input.contiguous(), (-1,)) if input._aval.size else reshape(input, (0,))


@composite("unflatten(Tensor input, int dim, int[] sizes)")
def unflatten(input: Tensor, dim: int, sizes: Shape) -> Tensor:
    """One dimension split into several. A view."""
    shape = input._aval.shape
    dim = wrap_dim(dim, len(shape))
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    try:
        inner = infer_size(sizes, shape[dim])
    except RuntimeError as e:
        if "only one dimension" in str(e):
            raise
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} ({shape[dim]}) in the input "
            "tensor"
        ) from None
    return view(input, (*shape[:dim], *inner, *shape[dim + 1 :]))


@composite("movedim(Tensor input, int[] source, int[] destination)", aliases=("moveaxis",))
def movedim(input: Tensor, source: Shape, destination: Shape) -> Tensor:
    """Dimensions moved to new positions, the others in order. A view."""
    n = input._aval.ndim
    if len(source) != len(destination):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(source)} dims) should contain the same number of "
            f"dims as destination ({list(destination)} dims)"
        )
    src = [wrap_dim(d, n) for d in source]
    dst = [wrap_dim(d, n) for d in destination]
    if len(set(src)) != len(src):
        raise RuntimeError(f"movedim: repeated dim in `source` ({list(source)})")
    if len(set(dst)) != len(dst):
        raise RuntimeError(f"movedim: repeated dim in `destination` ({list(destination)})")
    if not n:
        return alias(input)
    order = [-1] * n
    for s, d in zip(src, dst, strict=True):
        order[d] = s
    rest = iter(i for i in range(n) if i not in src)
    return permute(input, tuple(next(rest) if o == -1 else o for o in order))


@composite("adjoint(Tensor input)")
def adjoint(input):
    return conj(transpose(input, -2, -1)) if input._aval.category == 3 else transpose(input, -2, -1)


@composite("view_as_real_copy(Tensor input)", method=False)
def view_as_real_copy(input):
    return view_as_real(input).clone()


def _transposed_property(name: str):
    def get(self: Tensor) -> Tensor:
        n = self._aval.ndim
        if n == 0 and name != "T":
            return self
        if name == "H" and n != 2:
            raise RuntimeError(f"tensor.{name} is only supported on matrices (2-D tensors). Got {n}-D tensor.")
        if name in ("mT", "mH") and n < 2:
            raise RuntimeError(
                f"tensor.{name} is only supported on matrices or batches of matrices. Got {n}-D tensor."
            )
        if name == "T":
            if n == 2:
                made = t(self)
                if made._grad_fn is not None:
                    made._grad_fn.__class__ = named("PermuteBackward0", GradFn)
                return made
            return permute(self, tuple(reversed(range(n))))
        out = transpose(self, -2, -1)
        return conj(out) if name in ("H", "mH") else out

    get.__name__ = name
    return readonly(get)


for _n in ("T", "H", "mT", "mH"):
    setattr(Tensor, _n, _transposed_property(_n))

Tensor.real = property(real, lambda self, value: real(self).copy_(value))  # type: ignore[attr-defined]
Tensor.imag = property(imag, lambda self, value: imag(self).copy_(value))  # type: ignore[attr-defined]


# --- in-place forms: the tensor itself gets the new geometry -------------------------------------------------


def _inplace(name: str, f, grad_name):
    def method(self: Tensor, *args):
        check_inplace(self, STATE.enabled and self._needs(), name)
        seen = f(self, *args)
        base, grad_fn = self._base, seen._grad_fn
        step = seen._chain[-1] if len(seen._chain) > len(self._chain) else None
        self._chain, self._aval, self._strides, self._offset = seen._chain, seen._aval, seen._strides, seen._offset
        self._cached, self._stamp = seen._cached, seen._stamp
        if base is not None and step is not None:
            self._steps = (*self._steps, step)
        self._reshaped = True
        if grad_fn is not None:
            grad_fn.__class__ = named(grad_name if isinstance(grad_name, str) else grad_name(*args), GradFn)
            set_history(self, grad_fn, 0)
        self._vc.value += 1
        if STATE.enabled:
            self._attr_version = self._vc.value
        return self

    method.__name__ = method.__qualname__ = name
    setattr(Tensor, name, method)


_inplace(
    "squeeze_",
    lambda t, dim=None: squeeze(t) if dim is None else squeeze_dims(t, dim) if isinstance(dim, (tuple, list)) else squeeze_dim(t, dim),
    lambda dim=None: f"SqueezeBackward{3 if dim is None else 5 if isinstance(dim, (tuple, list)) else 4}",
)
_inplace("unsqueeze_", unsqueeze, "UnsqueezeBackward1")
_inplace("transpose_", transpose, "TransposeBackward1")
_inplace("swapaxes_", transpose, "TransposeBackward1")
_inplace("swapdims_", transpose, "TransposeBackward1")
_inplace("t_", lambda x: t(x) if x.ndim <= 2 else _too_many(x), "TBackward1")
_inplace(
    "as_strided_",
    lambda t, size, stride, storage_offset=None: as_strided(t, tuple(size), tuple(stride), storage_offset),
    "AsStridedBackward1",
)


def _too_many(x: Tensor):
    raise RuntimeError(f"t_() expects a tensor with <= 2 dimensions, but self is {x.ndim}D")


def size(self: Tensor, dim: int | None = None):
    """The shape, or the size of one dimension."""
    if dim is None:
        return self.shape
    return self._aval.shape[wrap_dim(dim, self._aval.ndim, scalar=False)] if self._aval.ndim else _no_dims(dim)


def _no_dims(dim):
    raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")


Tensor.size = size  # type: ignore[attr-defined]

__all__ = ["Size", "attach_view", "slice_bounds", "slice_dim"]
