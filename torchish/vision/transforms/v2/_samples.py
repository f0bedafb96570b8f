"""Samples of any structure, and transforms of what is in them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torchish as torch
from torchish import nn
from torchish.vision import tv_tensors
from torchish.vision._optional import is_pil
from torchish.vision.transforms.v2 import functional as F
from torchish.vision.transforms.v2._kernels import is_pure_tensor, kernel_of


def is_array(x: Any) -> bool:
    """Whether it is a NumPy array."""
    return type(x).__module__ == "numpy" and type(x).__name__ == "ndarray"


def leaves_of(sample: Any) -> list[Any]:
    """The parts of a sample in order."""
    if isinstance(sample, tuple | list):
        return [leaf for x in sample for leaf in leaves_of(x)]
    if isinstance(sample, dict):
        return [leaf for x in sample.values() for leaf in leaves_of(x)]
    return [sample]


def rebuilt(sample: Any, leaves: Any) -> Any:
    """A sample of the same structure with other parts, from an iterator."""
    if isinstance(sample, tuple) and hasattr(sample, "_fields"):
        return type(sample)(*[rebuilt(x, leaves) for x in sample])
    if isinstance(sample, tuple | list):
        return type(sample)(rebuilt(x, leaves) for x in sample)
    if isinstance(sample, dict):
        return type(sample)((k, rebuilt(x, leaves)) for k, x in sample.items())
    return next(leaves)


# What a sample has ------------------------------------------------------------------------------------------------------


def check_type(obj: Any, types_or_checks: Iterable[Any]) -> bool:
    """Whether it is an instance of one of the types, or passes one of the checks."""
    return any(isinstance(obj, t) if isinstance(t, type) else t(obj) for t in types_or_checks)


def has_any(flat_inputs: list[Any], *types_or_checks: Any) -> bool:
    return any(check_type(x, types_or_checks) for x in flat_inputs)


def has_all(flat_inputs: list[Any], *types_or_checks: Any) -> bool:
    return all(any(check_type(x, (t,)) for x in flat_inputs) for t in types_or_checks)


def _first(flat_inputs: list[Any], cls: type, name: str) -> Any:
    for x in flat_inputs:
        if isinstance(x, cls):
            return x
    raise ValueError(f"No {name} were found in the sample")


def get_bounding_boxes(flat_inputs: list[Any]) -> Any:
    """The sample's boxes. ValueError without any."""
    return _first(flat_inputs, tv_tensors.BoundingBoxes, "bounding boxes")


def get_keypoints(flat_inputs: list[Any]) -> Any:
    return _first(flat_inputs, tv_tensors.KeyPoints, "keypoints")


_IMAGES = (is_pure_tensor, tv_tensors.Image, tv_tensors.Video, is_pil)


def _one(found: set[tuple], what: str, of: str) -> tuple:
    if not found:
        raise TypeError(f"No {of} was found in the sample")
    if len(found) > 1:
        raise ValueError(f"Found multiple {what} dimensions in the sample: {', '.join(map(str, sorted(found)))}")
    return found.pop()


def query_chw(flat_inputs: list[Any]) -> tuple:
    """Channels, height and width of the sample's images. ValueError when they differ."""
    return _one({tuple(F.get_dimensions(x)) for x in flat_inputs if check_type(x, _IMAGES)}, "CxHxW", "image or video")


def query_size(flat_inputs: list[Any]) -> tuple:
    """Height and width of the sample's images, and of those that its masks, boxes and points belong to."""
    kinds = (*_IMAGES, tv_tensors.Mask, tv_tensors.BoundingBoxes, tv_tensors.KeyPoints)
    sizes = {tuple(F.get_size(x)) for x in flat_inputs if check_type(x, kinds)}
    return _one(sizes, "HxW", "image, video, mask, bounding box of keypoint")


def labels_of(sample: Any) -> Any:
    """The labels of a sample: its second part, or a dictionary's entry named after labels (`label`, `labels`, …)."""
    part = sample[1] if isinstance(sample, tuple | list) else sample
    if is_pure_tensor(part):
        return part
    if not isinstance(part, Mapping):
        raise ValueError(
            "When using the default labels_getter, the input passed to forward must be a dictionary or a two-tuple "
            f"whose second item is a dictionary or a tensor, but got {part} instead."
        )
    for fits in (lambda key: key.lower() == "labels", lambda key: "label" in key.lower()):
        for key in part:
            if fits(key):
                return part[key]
    raise ValueError(
        "Could not infer where the labels are in the sample. Try passing a callable as the labels_getter parameter?"
        "If there are no labels in the sample by design, pass labels_getter=None."
    )


def labels_getter_of(labels_getter: Any) -> Callable:
    """The function that finds a sample's labels. ValueError unless it is "default", a function or None."""
    if labels_getter == "default":
        return labels_of
    if callable(labels_getter):
        return labels_getter
    if labels_getter is None:
        return lambda sample: None
    raise ValueError(f"labels_getter should either be 'default', a callable, or None, but got {labels_getter}.")


# Transforms -------------------------------------------------------------------------------------------------------------


class Transform(nn.Module):
    """What is done to the parts of a sample: `transform(part, params)`, with what `make_params(parts)` drew once for all of them.

    Parts are images (Pillow's, `tv_tensors.Image`, and, where there is none of those, the first plain tensor), videos, masks, boxes
    and key points; the rest passes through.
    """

    _transformed_types: tuple[Any, ...] = (torch.Tensor, is_pil)

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Raise an exception for samples that cannot be transformed."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """What is drawn once for all parts of a sample."""
        return {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        raise NotImplementedError

    def _call_kernel(self, functional: Any, inpt: Any, *args: Any, **kwargs: Any) -> Any:
        """`functional` of a part, or the part itself where that does nothing to its kind."""
        kernel = kernel_of(functional, type(inpt), inpt)
        return inpt if kernel is None else kernel(inpt, *args, **kwargs)

    def _needs_transform_list(self, flat_inputs: list[Any]) -> list[bool]:
        first = not has_any(flat_inputs, tv_tensors.Image, tv_tensors.Video, is_pil)
        needed = []
        for x in flat_inputs:
            needs = check_type(x, self._transformed_types)
            if needs and is_pure_tensor(x):
                needs, first = first, False
            needed.append(needs)
        return needed

    def _drawn(self) -> bool:
        """Whether anything is done this time."""
        return True

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = leaves_of(sample)
        self.check_inputs(leaves)
        if not self._drawn():
            return sample
        needed = self._needs_transform_list(leaves)
        params = self.make_params([x for x, needs in zip(leaves, needed, strict=True) if needs])
        return rebuilt(sample, iter([self.transform(x, params) if n else x for x, n in zip(leaves, needed, strict=True)]))

    def extra_repr(self) -> str:
        shown = (bool, int, float, str, tuple, list, enum.Enum)
        own = [(k, v) for k, v in self.__dict__.items() if not k.startswith("_") and k != "training"]
        return ", ".join(f"{k}={v}" for k, v in own if isinstance(v, shown))


class WithChance(Transform):
    """A transform that is done with probability `p`."""

    def __init__(self, p: float = 0.5):
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        super().__init__()
        self.p = p

    def _drawn(self) -> bool:
        return not bool(torch.rand(1) >= self.p)


def calling(functional: Any, *names: str) -> Callable:
    """A `transform` that calls `functional` with the attributes of these names and what was drawn."""

    def transform(self: Transform, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(functional, inpt, **params, **{name: getattr(self, name) for name in names})

    return transform


def check_fill(fill: Any) -> Any:
    """What fills new places, by kind of part: of one value, for all of them. TypeError for what is no number or sequence."""
    if isinstance(fill, dict):
        return {kind: value for kind, of_kind in fill.items() for value in check_fill(of_kind).values()}
    if fill is not None and not isinstance(fill, int | float | tuple | list):
        raise TypeError("Got inappropriate fill arg, only Numbers, tuples, lists and dicts are allowed.")
    return {"others": [float(v) for v in fill] if isinstance(fill, tuple | list) else fill}


def fill_for(fills: dict, inpt: Any) -> Any:
    return fills[type(inpt)] if type(inpt) in fills else fills.get("others")
