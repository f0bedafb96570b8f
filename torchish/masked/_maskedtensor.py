"""`torch.masked.MaskedTensor`: a tensor some of whose elements do not count."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import torchish as torch
from torchish import masked
from torchish._tensor.subclasses import DisableTorchFunctionSubclass
from torchish._tensor.tensor import Tensor
from torchish._tensor.warn import warn_user

# Element by element: the mask stays.
_UNARY = frozenset(
    "abs absolute acos arccos acosh arccosh angle asin arcsin asinh arcsinh atan arctan atanh arctanh bitwise_not ceil clamp clip "
    "conj_physical cos cosh deg2rad digamma erf erfc erfinv exp exp2 expm1 fix floor frac lgamma log log10 log1p log2 logit i0 isnan "
    "nan_to_num neg negative positive pow rad2deg reciprocal round rsqrt sigmoid sign sgn signbit sin sinc sinh sqrt square tan tanh "
    "trunc detach clone to type float double half bool int long short char ones_like zeros_like contiguous to_dense "
    "requires_grad_".split()
)
# Element by element of two: masked tensors among them must have one mask.
_BINARY = frozenset(
    "add atan2 arctan2 bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift div divide floor_divide fmod logaddexp "
    "logaddexp2 mul multiply nextafter remainder sub subtract rsub true_divide eq ne le ge greater greater_equal gt less_equal lt less "
    "maximum minimum fmax fmin not_equal".split()
)
# Of places: what happens to the elements happens to the mask.
_VIEWS = frozenset(
    "select transpose swapaxes swapdims split chunk t __getitem__ expand expand_as view reshape view_as flatten unflatten cat stack "
    "unsqueeze squeeze unfold permute movedim narrow index_select unbind ravel repeat flip roll".split()
)
_REDUCTIONS = frozenset("sum mean amin amax argmin argmax prod all norm var std".split())
# Of the tensor as a whole: the mask has no say.
_PLAIN = frozenset(
    "__get__ __set__ __repr__ __len__ backward dim ndimension size numel nelement stride is_contiguous is_floating_point is_complex "
    "is_signed element_size register_hook retain_grad storage_offset get_device data_ptr is_same_size".split()
)
_DTYPES = (
    torch.float16, torch.float32, torch.float64, torch.bool, torch.int8, torch.int16, torch.int32, torch.int64,
)  # fmt: skip


def is_masked_tensor(obj: Any, /) -> bool:
    """Whether an object is a MaskedTensor."""
    return isinstance(obj, MaskedTensor)


class MaskedTensor(torch.Tensor):
    """The elements of `data` where `mask` (of the same shape, bool) is true; the others do not count.

    Functions of elements keep the mask, those of places apply to it too, reductions leave out what is masked.
    """

    __module__ = "torch.masked.maskedtensor.core"
    _masked_mask: Tensor

    @staticmethod
    def __new__(cls: type, data: Any, mask: Any, requires_grad: bool = False) -> MaskedTensor:
        for name, x in (("data", data), ("mask", mask)):
            if is_masked_tensor(x) or not torch.is_tensor(x):
                raise TypeError(f"{name} must be a Tensor")
        _warn(data)
        _check(data, mask)
        with DisableTorchFunctionSubclass():
            made = _wrap(data.detach().clone(), mask.clone())
            if requires_grad:
                made.requires_grad_()
            return made

    def __init__(self, data: Any, mask: Any, requires_grad: bool = False):
        pass

    @classmethod
    def __torch_function__(cls, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None) -> Any:
        """What PyTorch's functions do with masked tensors; TypeError for those that have no meaning for them."""
        name, kwargs = func.__name__, kwargs or {}
        with DisableTorchFunctionSubclass():
            if name == "register_hook":
                return _register_hook(*args)
            if name in _PLAIN:
                result = func(*args, **kwargs)
                keeps = name == "__get__" and isinstance(result, Tensor) and result.shape == args[0].shape
                return _wrap(result, args[0]._masked_mask) if keeps and not is_masked_tensor(result) else result
            if name == "where":
                return _where(*args, **kwargs)
            if name == "item":
                return _item(*args)
            if name in ("tolist", "numpy"):
                _refuse_host(args[0], name)
            if name in ("softmax", "log_softmax"):
                filled = _data(args[0]).masked_fill(~args[0]._masked_mask, float("-inf"))
                return _wrap(func(filled, *args[1:], **kwargs), args[0]._masked_mask)
            if name in _REDUCTIONS:
                return _reduce(name, *args, **kwargs)
            if name in _VIEWS:
                return _wrap_all(*(func(*_each(args, part), **_each(kwargs, part)) for part in (_data, _mask)))
            if name in _UNARY or name in _BINARY:
                mask = _common_mask(args)
                args = tuple([_leads_to(x, mask) if type(x) is not MaskedTensor else x for x in args])
                result = func(*_each(args, _data), **_each(kwargs, _data))
                return _wrap(result, mask.expand_as(result))
            if name[-1:] == "_" and (name[:-1] in _UNARY or name[:-1] in _BINARY):
                _common_mask(args)
                func(*_each(args, _data), **_each(kwargs, _data))
                return args[0]
        warnings.warn(
            f"{name} is not implemented in __torch_dispatch__ for MaskedTensor.\n"
            "If you would like this operator to be supported, please file an issue for a feature request at "
            "https://github.com/pytorch/maskedtensor/issues with a minimal reproducible code snippet.\n"
            "In the case that the semantics for the operator are not trivial, it would be appreciated "
            "to also include a proposal for the semantics.",
            stacklevel=2,
        )
        return NotImplemented

    def __repr__(self) -> str:  # type: ignore[override]
        data, mask = self.get_data().detach(), self._masked_mask
        if self.dim() == 0:
            return f"MaskedTensor({_element(data.item()) if mask.item() else '--'}, {mask.item()})"
        lines = _text(data, mask).split("\n")
        return "MaskedTensor(\n" + "\n".join("  " + line for line in lines) + "\n)"

    def get_data(self) -> Tensor:
        """The elements, those that are masked out too, as an ordinary tensor."""
        with DisableTorchFunctionSubclass():
            return _data(self)

    def get_mask(self) -> Tensor:
        """Which elements count."""
        return self._masked_mask

    def _formed_gradient(self, gradient: Tensor) -> Tensor:
        return gradient if is_masked_tensor(gradient) else _wrap(gradient, self._masked_mask)

    def to_tensor(self, value: Any) -> Tensor:
        """The elements that count, and `value` in the place of the others."""
        return self.get_data().masked_fill(~self._masked_mask, value)

    def is_sparse_coo(self) -> bool:
        """False: the elements are dense."""
        return False

    def is_sparse_csr(self) -> bool:  # type: ignore[override]
        """False: the elements are dense."""
        return False


def _warn(data: Tensor) -> None:
    warn_user(
        "The PyTorch API of MaskedTensors is in prototype stage and will change in the near future. Please open a Github issue "
        "for features requests and see our documentation on the torch.masked module for further information about the project."
    )
    if data.requires_grad:
        warn_user(
            "It is not recommended to create a MaskedTensor with a tensor that requires_grad. To avoid this, you can use "
            "data.detach().clone()"
        )


def _check(data: Tensor, mask: Tensor) -> None:
    if type(data) is not type(mask):
        raise TypeError(f"data and mask must have the same type. Got {type(data)} and {type(mask)}")
    if mask.dtype is not torch.bool:
        raise TypeError("mask must have dtype bool.")
    if data.dtype not in _DTYPES:
        raise TypeError(f"{data.dtype} is not supported in MaskedTensor.")
    if data.dim() != mask.dim():
        raise ValueError("data.dim() must equal mask.dim()")
    if data.size() != mask.size():
        raise ValueError("data.size() must equal mask.size()")


def masked_tensor(data: Any, mask: Any, requires_grad: bool = False) -> MaskedTensor:
    """A leaf with copies of `data` and `mask`."""
    return MaskedTensor(data, mask, requires_grad)


def as_masked_tensor(data: Any, mask: Any) -> MaskedTensor:
    """`data` with a mask, through which gradients flow back to it."""
    for name, x in (("data", data), ("mask", mask)):
        if is_masked_tensor(x) or not torch.is_tensor(x):
            raise TypeError(f"{name} must be a Tensor")
    _warn(data)
    _check(data, mask)
    return _wrap(_leads_to(data, mask).clone(), mask.clone())


# --- gradients ---------------------------------------------------------------------------------------------


class _MaskedGradient:
    """On a leaf whose elements were given a mask: the gradient that comes by the mask has it too."""

    def __init__(self) -> None:
        self.mask: Tensor | None = None  # that of the pass that is running

    def formed(self, gradient: Tensor) -> Tensor:
        """The gradient as a masked tensor, if it has come so."""
        mask, self.mask = self.mask, None
        return gradient if mask is None or is_masked_tensor(gradient) else _wrap(gradient, mask)

    def __call__(self, leaf: Tensor) -> None:
        if leaf.grad is not None:
            leaf.grad = self.formed(leaf.grad)


def _leads_to(x: Any, mask: Tensor) -> Any:
    """A tensor, expanded to the mask's shape, through which no gradient comes back of what is masked out; a leaf gets a masked one."""
    if not isinstance(x, Tensor) or not (x.requires_grad and torch.is_grad_enabled()) or not _reaches(x, mask):
        return x
    mask = mask.detach()
    seen = x.expand(mask.shape)
    if x.is_leaf:
        if x._post_accumulate is None:
            x._post_accumulate = {}
        form = x._post_accumulate.setdefault("mask", _MaskedGradient())

        def note(gradients: Any) -> None:
            form.mask = mask.sum_to_size(x.shape) > 0

        seen.grad_fn.register_prehook(note)
    seen.register_hook(lambda gradient: gradient.masked_fill(~mask, 0))
    return seen


def _reaches(x: Tensor, mask: Tensor) -> bool:
    """Whether a tensor is broadcast to the mask's shape."""
    try:
        return torch.broadcast_shapes(x.shape, mask.shape) == mask.shape
    except RuntimeError:  # which the operation itself will say
        return False


def _register_hook(t: MaskedTensor, hook: Callable) -> Any:
    def masked_hook(gradient: Tensor) -> Any:
        changed = hook(t._formed_gradient(gradient))
        return _data(changed) if is_masked_tensor(changed) else changed

    return Tensor.register_hook(t, masked_hook)


# --- in and out --------------------------------------------------------------------------------------------


def _wrap(data: Tensor, mask: Tensor) -> MaskedTensor:
    made = Tensor.as_subclass(data, MaskedTensor)  # type: ignore[attr-defined]
    made._masked_mask = mask.detach()
    return made


def _wrap_all(data: Any, mask: Any) -> Any:
    if isinstance(data, (list, tuple)):
        return type(data)(_wrap_all(d, m) for d, m in zip(data, mask, strict=True))
    return _wrap(data, mask)


def _data(t: MaskedTensor) -> Tensor:
    return Tensor.as_subclass(t, Tensor)  # type: ignore[attr-defined]


def _mask(t: MaskedTensor) -> Tensor:
    return t._masked_mask


def _each(x: Any, part: Callable) -> Any:
    """The arguments with each masked tensor replaced by a part of it."""
    if is_masked_tensor(x):
        return part(x)
    if type(x) in (list, tuple):
        return type(x)([_each(y, part) for y in x])
    if type(x) is dict:
        return {k: _each(v, part) for k, v in x.items()}
    return x


def _common_mask(args: tuple) -> Tensor:
    masks = [x._masked_mask for x in args[:2] if is_masked_tensor(x)]
    if any(is_masked_tensor(x) for x in args[2:]):
        raise TypeError("MaskedTensor binary ops do not support Tensor arguments aside from the lhs and rhs")
    if len(masks) == 2 and not (masks[0].dim() == masks[1].dim() and bool(torch.eq(masks[0], masks[1]).all())):
        raise ValueError("Input masks must match. If you need support for this, please open an issue on Github.")
    return masks[0]


# --- functions with rules of their own -----------------------------------------------------------------------


def _where(cond: Tensor, input: Any, other: Any) -> MaskedTensor:
    """Where `cond`, the elements and mask of `input`, elsewhere those of `other`; all of what has no mask counts."""
    both = input, other
    data = [_data(x) if is_masked_tensor(x) else x for x in both]
    masks = [x._masked_mask if is_masked_tensor(x) else torch.ones_like(torch.as_tensor(x), dtype=torch.bool) for x in both]
    return _wrap(torch.where(cond, *data), torch.where(cond, *masks))


def _item(t: MaskedTensor) -> Any:
    """The only element; ValueError when it does not count."""
    if t.numel() == 1 and not t._masked_mask.item():
        raise ValueError("__torch_dispatch__, aten._local_scalar_dense: expected a mask tensor")
    return _data(t).item()


def _refuse_host(t: MaskedTensor, name: str) -> None:
    got = f", got {type(t).__name__}" if name == "tolist" else "."
    raise RuntimeError(f".{name}() is not supported for tensor subclasses{got}")


def _reduce(name: str, input: MaskedTensor, dim: Any = None, keepdim: bool = False, dtype: Any = None, **options: Any) -> MaskedTensor:
    """A reduction of what counts; its result counts where anything did."""
    data, mask = _data(input), input._masked_mask
    if name == "norm":
        ord_, dim = (dim, options.pop("axis", None)) if dim is not None and not isinstance(dim, tuple) else (2.0, dim)
        result = masked.norm(data, ord_, dim=dim, keepdim=keepdim, dtype=dtype, mask=mask)
    elif name == "all":
        filled = data.masked_fill(~mask, True)
        result = filled.all() if dim is None else filled.all(dim, keepdim)
    else:
        result = getattr(masked, name)(data, dim=dim, keepdim=keepdim, dtype=dtype, mask=mask, **options)
    return _wrap(result, mask.any() if dim is None else _any(mask, dim, keepdim))


def _any(mask: Tensor, dim: Any, keepdim: bool) -> Tensor:
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    for d in sorted((d % mask.dim() for d in dims), reverse=True):
        mask = mask.any(d, keepdim)
    return mask


# --- printing ----------------------------------------------------------------------------------------------


def _element(x: Any) -> str:
    return f"{x:8.4f}" if isinstance(x, float) else str(x)


def _text(data: Tensor, mask: Tensor) -> str:
    if data.dim() == 1:
        kept = mask.tolist()
        words = [_element(x) for x in data.tolist()]
        width = max(len(w) if k else 8 for w, k in zip(words, kept, strict=True))
        return "[" + ", ".join(w if k else "--".rjust(width) for w, k in zip(words, kept, strict=True)) + "]"
    parts = [_text(d, m) for d, m in zip(data, mask, strict=True)]
    return "[\n" + ",\n".join("\n".join("  " + line for line in p.split("\n")) for p in parts) + "\n]"
