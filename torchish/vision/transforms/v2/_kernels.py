"""Which function does a transform's work on what kind of input."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torchish as torch
from torchish.vision import tv_tensors
from torchish.vision._optional import is_pil

_KERNELS: dict[Any, dict[type, Callable]] = {}  # by public function, the kernels for subclasses of TVTensor
_OF_IMAGES: dict[Any, Callable] = {}  # by public function, what it does to plain tensors and Pillow images
_OWN = (tv_tensors.Image, tv_tensors.Video, tv_tensors.Mask, tv_tensors.BoundingBoxes, tv_tensors.KeyPoints)


def is_pure_tensor(inpt: Any) -> bool:
    """Whether it is a tensor that does not say what it holds."""
    return isinstance(inpt, torch.Tensor) and not isinstance(inpt, tv_tensors.TVTensor)


def plain(inpt: Any) -> Any:
    return inpt.as_subclass(torch.Tensor)


def _like(out: Any, like: Any) -> Any:
    if isinstance(out, tuple):
        return tuple(tv_tensors.wrap(o, like=like) for o in out)
    return tv_tensors.wrap(out, like=like)


def function(
    body: Callable | None = None, *, mask: Callable | bool = False, boxes: Callable | None = None, points: Callable | None = None
) -> Any:
    """Make a function of plain tensors and Pillow images one of everything.

    `mask` does the work for masks (True: the body does); `boxes` and `points` for boxes and key points, from the tensor to
    a host array and what else changed. They take the same further arguments as the body.
    """
    if body is None:
        return functools.partial(function, mask=mask, boxes=boxes, points=points)

    @functools.wraps(body)
    def public(inpt: Any, *args: Any, **kwargs: Any) -> Any:
        kernel = kernel_of(public, type(inpt), inpt)
        if kernel is None:
            supported = [torch.Tensor, *_KERNELS[public]]
            raise TypeError(f"Functional F.{body.__name__} supports inputs of type {supported}, but got {type(inpt)} instead.")
        return kernel(inpt, *args, **kwargs)

    def images(inpt: Any, *args: Any, **kwargs: Any) -> Any:
        return _like(body(plain(inpt), *args, **kwargs), inpt)

    kernels: dict[type, Callable] = {tv_tensors.Image: images, tv_tensors.Video: images}
    if mask:
        of_masks = body if mask is True else mask

        def masks(inpt: Any, *args: Any, **kwargs: Any) -> Any:
            flat = inpt.ndim < 3
            out = of_masks(plain(inpt).unsqueeze(0) if flat else plain(inpt), *args, **kwargs)  # type: ignore[operator]
            return _like(out.squeeze(0) if flat else out, inpt)

        kernels[tv_tensors.Mask] = masks
    for cls, moved in ((tv_tensors.BoundingBoxes, boxes), (tv_tensors.KeyPoints, points)):
        if moved is not None:
            kernels[cls] = functools.partial(_moved, moved)
    _OF_IMAGES[public], _KERNELS[public] = body, kernels
    public.__module__ = "torchvision.transforms.v2.functional"
    return public


def _moved(work: Callable, inpt: Any, *args: Any, **kwargs: Any) -> Any:
    array, known = work(inpt, *args, **kwargs)
    return tv_tensors.wrap(torch.from_numpy(array).to(inpt.device), like=inpt, **known)


def kernel_of(public: Any, cls: type, inpt: Any = None) -> Callable | None:
    """What does the work on instances of `cls`; None when nothing does."""
    if public not in _KERNELS:
        raise ValueError(f"No kernel registered for functional {public.__name__}.")
    for c in cls.__mro__:
        if c in _KERNELS[public]:
            return _KERNELS[public][c]
        if c is tv_tensors.TVTensor:
            return None
    return _OF_IMAGES[public] if issubclass(cls, torch.Tensor) or is_pil(inpt) else None


def register_kernel(functional: Any, tv_tensor_cls: Any) -> Callable:
    """A decorator: the function does the work of `functional` (or of its name) on tensors of one's own subclass of TVTensor."""
    if isinstance(functional, str):
        from torchish.vision.transforms.v2 import functional as module

        name = functional
        functional = getattr(module, name, None)
        if functional is None:
            raise ValueError(f"Could not find functional with name '{name}' in torchvision.transforms.v2.functional.")
    elif functional not in _KERNELS:
        raise ValueError(
            "Kernels can only be registered on functionals from the torchvision.transforms.v2.functional namespace, "
            f"but got {functional}."
        )
    if not (isinstance(tv_tensor_cls, type) and issubclass(tv_tensor_cls, tv_tensors.TVTensor)):
        raise ValueError(
            f"Kernels can only be registered for subclasses of torchvision.tv_tensors.TVTensor, but got {tv_tensor_cls}."
        )
    if tv_tensor_cls in _OWN:
        raise ValueError(f"Kernels cannot be registered for the builtin tv_tensor classes, but got {tv_tensor_cls}")

    def register(kernel: Callable) -> Callable:
        _KERNELS[functional][tv_tensor_cls] = kernel
        return kernel

    return register
