"""The view methods: they check their arguments, work out strides, and put one more view on the storage."""

from __future__ import annotations

import numpy as np

from torchish import _dtypes as dt
from torchish._tensor.apply import make_strided_view, make_view
from torchish._tensor.dispatch import composite
from torchish._tensor.geometry import Shape, conjugations, infer_size, root_steps, strided_steps, view_strides, without
from torchish._tensor.layout import CONTIGUOUS
from torchish._tensor.storage import contiguous_strides
from torchish._tensor.tensor import Tensor
from torchish.autograd.grad_mode import no_grad
from torchish.autograd.graph import GradFn, Node, named
from torchish.engine.expr import Expr, aval
from torchish.ops import views as v
from torchish.ops.dims import wrap_dim, wrap_dims

# --- the primitives ----------------------------------------------------------------------------------------


@composite("view(Tensor input, int[]* size)", function=False)
def view(input: Tensor, size: Shape) -> Tensor:
    """The same memory in another shape; RuntimeError when the strides do not allow it."""
    a = input._aval
    key = (a, input._strides, size)
    found = _GEOMETRIES.get(key)
    if found is None:
        size = infer_size(size, a.size)
        strides = view_strides(a.shape, input.stride(), size)
        if strides is None:
            raise RuntimeError(
                "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
                "contiguous subspaces). Use .reshape(...) instead."
            )
        found = _known_geometry(key, v.view.spec(("T",), (size,)), a, size, strides)
    return make_strided_view(input, found[0], (), found[1], found[2], input._offset)


# What views of a given tensor geometry come to: (spec, aval, strides). Loops make the same few over and over.
_GEOMETRIES: dict[tuple, tuple] = {}
_GEOMETRIES_MAX = 4096


def _known_geometry(key: tuple, spec, a, shape: Shape, strides: tuple[int, ...]) -> tuple:
    if len(_GEOMETRIES) >= _GEOMETRIES_MAX:
        _GEOMETRIES.clear()
    found = (spec, aval(shape, a.dtype, a.device), None if strides == contiguous_strides(shape) else strides)
    _GEOMETRIES[key] = found
    return found


@composite("view(Tensor input, dtype dtype)", function=False)
def view_dtype(input: Tensor, dtype: dt.dtype) -> Tensor:
    """The same memory read as another dtype."""
    a = input._aval
    old, new = a.dtype.itemsize, dtype.itemsize
    shape, strides, offset = a.shape, input.stride(), input._offset
    if old != new:
        sizes = f"to view {_name(a.torch_dtype)} as {_name(dtype)} (different element sizes)"
        if not shape:
            raise RuntimeError(f"self.dim() cannot be 0 {sizes}")
        if strides[-1] != 1:
            raise RuntimeError(f"self.stride(-1) must be 1 {sizes}, but got {strides[-1]}")
        if new < old:
            r = old // new
            shape = (*shape[:-1], shape[-1] * r)
            strides = (*(s * r for s in strides[:-1]), 1)
            offset *= r
        else:
            r = new // old
            aligned = [("size(-1)", shape[-1]), ("storage_offset()", offset), *[(f"stride({i})", s) for i, s in enumerate(strides[:-1])]]
            for name, value in aligned:
                if value % r:
                    raise RuntimeError(f"self.{name} must be divisible by {r} {sizes}, but got {value}")
            shape = (*shape[:-1], shape[-1] // r)
            strides = (*(s // r for s in strides[:-1]), 1)
            offset //= r
    made = make_view(input, v.view_dtype.spec(("T",), (dtype.np,)), (), shape, strides, offset, dtype.np)
    made._base, made._steps, made._creation, made._grad_fn = None, (), None, None  # autograd does not know of it
    return made


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
    made = view(input.clone(memory_format=CONTIGUOUS), shape)
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
    n = a.shape[dim] if -a.ndim <= dim < a.ndim else 0
    if not -n <= index < n:
        dim = wrap_dim(dim, a.ndim)
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(a.shape)} at dimension {dim}")
    s = input._strides if input._strides is not None else contiguous_strides(a.shape)
    key = (a, input._strides, "select", dim)
    found = _GEOMETRIES.get(key)
    if found is None:
        at = wrap_dim(dim, a.ndim)
        found = _known_geometry(key, v.select.spec(("T", "i"), (at,)), a, without(a.shape, at), without(s, at))
    index += n if index < 0 else 0
    return make_strided_view(input, found[0], (index,), found[1], found[2], input._offset + index * s[dim])


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


@composite("narrow(Tensor input, int dim, Tensor start, int length)")
def narrow_tensor(input: Tensor, dim: int, start: Tensor, length: int) -> Tensor:
    """`narrow` with a start that is an integer tensor without dimensions; RuntimeError for any other."""
    a = start._aval
    if a.ndim or a.category != 1:
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    return narrow(input, dim, int(start.item()), length)


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


@composite("swapaxes(Tensor input, int axis0, int axis1)")
@composite("transpose(Tensor input, int dim0, int dim1)", aliases=("swapdims",))
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions swapped. A view."""
    n = input._aval.ndim
    dim0, dim1 = wrap_dim(dim0, n), wrap_dim(dim1, n)
    return _transposed(input, v.transpose.spec(("T",), (dim0, dim1)) if n else v.alias.spec(("T",), ()), dim0, dim1)


def _transposed(input: Tensor, spec, i: int, j: int) -> Tensor:
    key = (input._aval, input._strides, spec)
    found = _GEOMETRIES.get(key)
    if found is None:
        shape, s = list(input._aval.shape), list(input.stride())
        if shape:
            shape[i], shape[j] = shape[j], shape[i]
            s[i], s[j] = s[j], s[i]
        found = _known_geometry(key, spec, input._aval, tuple(shape), tuple(s))
    made = make_strided_view(input, spec, (), found[1], found[2], input._offset)
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
            f"expand({dt.TYPE_TEXTS[a.torch_dtype]}{{{list(a.shape)}}}, size={list(size)}): the number of sizes provided ({len(size)}) "
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
            strides.append(shape[-2] * strides[-1] if n == 1 and a.ndim else 0)
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


@composite("expand_as(Tensor input, Tensor other)", function=False)
def expand_as(input, other):
    return expand(input, other._aval.shape)


@composite("broadcast_to(Tensor input, int[!] size)")
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


@composite("as_strided(Tensor input, int[!] size, int[!] stride, int? storage_offset=None)")
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
    if a.torch_dtype is dt.float16:  # there is no complex32
        raise NotImplementedError("\"view_as_complex\" not implemented for 'Half'")
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
            made = make_view(input, v.detached.spec(("T",), ()), (), input._aval.shape, input.stride(), input._offset)
        made._base, made._steps, made._creation = None, (), None
        return made
    return input._alias()


def alias(input: Tensor) -> Tensor:
    """The whole tensor as a view of itself."""
    return make_view(input, v.alias.spec(("T",), ()), (), input._aval.shape, input.stride(), input._offset)


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


@composite("unflatten(Tensor input, int dim, int[!] sizes)")
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


@composite("movedim(Tensor input, int source, int destination)", aliases=("moveaxis",))
def move_one(input: Tensor, source: int, destination: int) -> Tensor:
    """One dimension moved to a new position, the others in order. A view."""
    return movedim(input, (source,), (destination,))


@composite("movedim(Tensor input, int[!] source, int[!] destination)", aliases=("moveaxis",))
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
