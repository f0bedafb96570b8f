"""`torchvision.tv_tensors`: tensors that say what they hold, so that transforms know what to do with them.

Operations on them give plain tensors, except `clone`, `to`, `detach`, `requires_grad_` and `pin_memory` (and all of them after
`set_return_type("TVTensor")`).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import Any

import torchish as torch
from torchish._tensor import dispatch, subclasses
from torchish.vision._optional import is_pil


class _Returned:
    """Whether operations give such tensors, and the block at whose end that is as before."""

    kept = False

    def __init__(self, before: bool):
        self.before = before

    def __enter__(self) -> _Returned:
        return self

    def __exit__(self, *exc: Any) -> None:
        _return_kept(self.before)


def _return_kept(kept: bool) -> None:
    _Returned.kept = kept
    if kept and not isinstance(vars(TVTensor)["__torch_function__"], classmethod):
        # Only now are calls of functions asked for: until then they cost such tensors nothing.
        TVTensor.__torch_function__ = classmethod(_answer)  # type: ignore[assignment, method-assign]
        for cls in list(subclasses._asked):
            if issubclass(cls, TVTensor):
                del subclasses._asked[cls]
        for cls in (TVTensor, *_all_subclasses(TVTensor)):
            subclasses.prepare(cls)
        dispatch.forget_plans()


def _all_subclasses(cls: type) -> list[type]:
    below: list[type] = cls.__subclasses__()
    return [c for direct in below for c in (direct, *_all_subclasses(direct))]


def set_return_type(return_type: str) -> _Returned:
    """What operations on these tensors give, "Tensor" or "TVTensor": from now on, or as a block. ValueError for others."""
    kinds = {"tensor": False, "tvtensor": True}
    if return_type.lower() not in kinds:
        raise ValueError(f"return_type must be 'TVTensor' or 'Tensor', got {return_type}")
    block = _Returned(_Returned.kept)
    _return_kept(kinds[return_type.lower()])
    return block


def _answer(cls: type, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None) -> Any:
    """Call a function with such tensors as plain ones."""
    if not all(issubclass(cls, t) for t in types):
        return NotImplemented
    with subclasses.DisableTorchFunctionSubclass():
        result = func(*args, **(kwargs or {}))
    if not _Returned.kept:
        return result
    like: Any = next(x for x in _flat((*args, *(kwargs or {}).values())) if isinstance(x, cls))
    return _wrapped(result, like)


def _flat(values: Iterable[Any]) -> Iterable[Any]:
    for x in values:
        if isinstance(x, list | tuple):
            yield from _flat(x)
        else:
            yield x


def _wrapped(result: Any, like: TVTensor) -> Any:
    if isinstance(result, torch.Tensor) and not isinstance(result, type(like)):
        return like._like(result)
    if isinstance(result, list | tuple):
        return type(result)(_wrapped(r, like) for r in result)
    return result


def _plain(data: Any, dtype: Any, device: Any, requires_grad: bool | None) -> torch.Tensor:
    if requires_grad is None:
        requires_grad = data.requires_grad if isinstance(data, torch.Tensor) else False
    return torch.as_tensor(data, dtype=dtype, device=device).requires_grad_(requires_grad)


class TVTensor(torch.Tensor):
    """What these classes share; the class to derive one's own from."""

    __module__ = "torchvision.tv_tensors._tv_tensor"
    __torch_function__ = subclasses.disabled_torch_function  # type: ignore[assignment]
    _carried: tuple[str, ...] = ()  # what an instance knows besides its values

    @classmethod
    def wrap(cls, tensor: torch.Tensor, like: Any, **kwargs: Any) -> Any:
        """A tensor as one of this class, knowing what `like` knows and `kwargs` say."""
        known = {name: kwargs.get(name, getattr(like, name)) for name in cls._carried}
        out = tensor.as_subclass(cls)  # type: ignore[attr-defined]
        for name, value in known.items():
            setattr(out, name, value)
        return out

    def _like(self, tensor: torch.Tensor) -> Any:
        return tensor if type(tensor) is type(self) else wrap(tensor, like=self)

    def clone(self, *args: Any, **kwargs: Any) -> Any:
        return self._like(torch.Tensor.clone(self, *args, **kwargs))

    def to(self, *args: Any, **kwargs: Any) -> Any:
        return self._like(torch.Tensor.to(self, *args, **kwargs))

    def detach(self) -> Any:
        return self._like(torch.Tensor.detach(self))

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        return self._like(torch.Tensor.requires_grad_(self, requires_grad))

    def pin_memory(self, *args: Any, **kwargs: Any) -> Any:
        return self._like(torch.Tensor.pin_memory(self, *args, **kwargs))

    def __deepcopy__(self, memo: dict) -> Any:
        return self.detach().clone().requires_grad_(self.requires_grad)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if globals().get(type(self).__name__) is not type(self):
            return super().__reduce_ex__(protocol)
        known = {k: v for k, v in vars(self).items() if k[:1] != "_"}
        return _unpickled, (type(self).__name__, self.as_subclass(torch.Tensor), known)  # type: ignore[attr-defined]

    def _described(self) -> str:
        text = super().__repr__()
        return f"{text[:-1]}, {', '.join(f'{name}={getattr(self, name)}' for name in self._carried)})"


def _unpickled(name: str, tensor: torch.Tensor, known: dict[str, Any]) -> Any:
    """One of the classes here, which go by names that are not always importable."""
    out = tensor.as_subclass(globals()[name])  # type: ignore[attr-defined]
    vars(out).update(known)
    return out


def _plainly(name: str) -> Callable:
    """A method that gives the tensor itself where nothing is to be done, as one that then gives it as a plain tensor."""
    method = getattr(torch.Tensor, name)

    def call(self: TVTensor, *args: Any, **kwargs: Any) -> Any:
        result = method(self, *args, **kwargs)
        return result.as_subclass(torch.Tensor) if result is self and not _Returned.kept else result

    call.__name__, call.__doc__ = name, method.__doc__
    return call


for _name in ("contiguous", "cpu", "cuda", "double", "float", "half", "int", "long", "type_as", "expand_as", "view_as"):
    setattr(TVTensor, _name, _plainly(_name))


class Image(TVTensor):
    """An image (…, C, H, W), of a Pillow image or whatever `torch.as_tensor` takes."""

    __module__ = "torchvision.tv_tensors._image"
    __repr__ = TVTensor._described  # type: ignore[assignment]

    def __new__(cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None) -> Any:
        if is_pil(data):
            from torchish.vision.transforms import functional

            data = functional.pil_to_tensor(data)
        tensor = _plain(data, dtype, device, requires_grad)
        if tensor.ndim < 2:
            raise ValueError(f"Tensor must be 2D or higher, got {tensor.ndim}D tensor.")
        return (tensor.unsqueeze(0) if tensor.ndim == 2 else tensor).as_subclass(cls)  # type: ignore[attr-defined]


class Video(TVTensor):
    """Images in time (…, T, C, H, W)."""

    __module__ = "torchvision.tv_tensors._video"
    __repr__ = TVTensor._described  # type: ignore[assignment]

    def __new__(cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None) -> Any:
        tensor = _plain(data, dtype, device, requires_grad)
        if tensor.ndim < 4:
            raise ValueError(f"Tensor must be 4D or higher, got {tensor.ndim}D tensor.")
        return tensor.as_subclass(cls)  # type: ignore[attr-defined]


class Mask(TVTensor):
    """Masks (…, H, W): of segmentation, or one for each object."""

    __module__ = "torchvision.tv_tensors._mask"

    def __new__(cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None) -> Any:
        if is_pil(data):
            from torchish.vision.transforms import functional

            data = functional.pil_to_tensor(data)
        return _plain(data, dtype, device, requires_grad).as_subclass(cls)  # type: ignore[attr-defined]


class BoundingBoxFormat(enum.Enum):
    """How the numbers of a box are meant: corners, a corner and the size, the centre and the size; turned ones end in R (degrees)."""

    XYXY = "XYXY"
    XYWH = "XYWH"
    CXCYWH = "CXCYWH"
    XYWHR = "XYWHR"
    CXCYWHR = "CXCYWHR"
    XYXYXYXY = "XYXYXYXY"


_TURNED = ("XYWHR", "CXCYWHR", "XYXYXYXY")


def is_rotated_bounding_format(format: Any) -> bool:
    """Whether boxes of this format can be turned. ValueError unless it is a format or its name."""
    if not isinstance(format, BoundingBoxFormat | str):
        raise ValueError(f"format should be str or BoundingBoxFormat, got {type(format)}")
    return getattr(format, "value", format) in _TURNED


class BoundingBoxes(TVTensor):
    """Boxes (N, 4), or (N, 5) and (N, 8) of turned ones, in an image of size `canvas_size` (height, width).

    `clamping_mode` says what becomes of what a transform moves out of the image: None leaves it, "soft" and "hard" cut it off.
    """

    __module__ = "torchvision.tv_tensors._bounding_boxes"
    __repr__ = TVTensor._described  # type: ignore[assignment]
    _carried = ("format", "canvas_size", "clamping_mode")
    format: BoundingBoxFormat
    canvas_size: tuple[int, int]
    clamping_mode: str | None

    def __new__(
        cls,
        data: Any,
        *,
        format: Any,
        canvas_size: tuple[int, int],
        clamping_mode: str | None = "soft",
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> Any:
        tensor = _plain(data, dtype, device, requires_grad)
        if is_rotated_bounding_format(format) and not tensor.is_floating_point():
            raise ValueError(f"Rotated bounding boxes should be floating point tensors, got {tensor.dtype}.")
        if tensor.ndim == 1:
            tensor = tensor.unsqueeze(0)
        elif tensor.ndim != 2:
            raise ValueError(f"Expected a 1D or 2D tensor, got {tensor.ndim}D")
        if clamping_mode not in (None, "hard", "soft"):
            raise ValueError(f"clamping_mode must be None, hard or soft, got {clamping_mode}.")
        out = tensor.as_subclass(cls)  # type: ignore[attr-defined]
        out.format = BoundingBoxFormat[format.upper()] if isinstance(format, str) else format
        out.canvas_size, out.clamping_mode = canvas_size, clamping_mode
        return out


class KeyPoints(TVTensor):
    """Places (…, 2), x and y, in an image of size `canvas_size` (height, width)."""

    __module__ = "torchvision.tv_tensors._keypoints"
    __repr__ = TVTensor._described  # type: ignore[assignment]
    _carried = ("canvas_size",)
    canvas_size: tuple[int, int]

    def __new__(
        cls, data: Any, *, canvas_size: tuple[int, int], dtype: Any = None, device: Any = None, requires_grad: bool | None = None
    ) -> Any:
        tensor = _plain(data, dtype, device, requires_grad)
        if tensor.ndim == 1:
            tensor = tensor.unsqueeze(0)
        elif tensor.shape[-1] != 2:
            raise ValueError(f"Expected a tensor of shape (..., 2), not {tensor.shape}")
        out = tensor.as_subclass(cls)  # type: ignore[attr-defined]
        out.canvas_size = canvas_size
        return out


def wrap(wrappee: torch.Tensor, *, like: Any, **kwargs: Any) -> Any:
    """A tensor as one of `like`'s class that knows what `like` knows, and what `kwargs` say."""
    return type(like).wrap(wrappee, like, **kwargs)


__all__ = ["BoundingBoxFormat", "BoundingBoxes", "Image", "KeyPoints", "Mask", "TVTensor", "Video"]
__all__ += ["is_rotated_bounding_format", "set_return_type", "wrap"]
