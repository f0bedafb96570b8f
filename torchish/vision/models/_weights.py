"""The published weights of each model: where they are, and what images they expect."""

from __future__ import annotations

import enum
import functools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torchish as torch
from torchish import nn
from torchish.hub import load_state_dict_from_url
from torchish.vision.transforms import functional as F
from torchish.vision.transforms.functional import InterpolationMode

_SITE = "https://download.pytorch.org/models/"


class ImageClassification(nn.Module):
    """What an image goes through before a classifier: resized, its middle cropped, scaled to 0…1, normalized."""

    def __init__(
        self,
        *,
        crop_size: int,
        resize_size: int = 256,
        mean: tuple[float, ...] = (0.485, 0.456, 0.406),
        std: tuple[float, ...] = (0.229, 0.224, 0.225),
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ):
        super().__init__()
        self.crop_size, self.resize_size = [crop_size], [resize_size]
        self.mean, self.std, self.interpolation, self.antialias = list(mean), list(std), interpolation, antialias

    def forward(self, img: Any) -> Any:
        img = F.center_crop(F.resize(img, self.resize_size, self.interpolation, antialias=self.antialias), self.crop_size)
        if not isinstance(img, torch.Tensor):
            img = F.pil_to_tensor(img)
        return F.normalize(F.convert_image_dtype(img, torch.float32), self.mean, self.std)

    def __repr__(self) -> str:
        names = ("crop_size", "resize_size", "mean", "std", "interpolation")
        return f"{type(self).__name__}(" + "".join(f"\n    {n}={getattr(self, n)}" for n in names) + "\n)"


@dataclass
class Weights:
    """A file of weights, the transforms for its images, and facts about it."""

    url: str
    transforms: Callable
    meta: dict[str, Any] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Weights) and self.url == other.url


class WeightsEnum(enum.Enum):
    """The published weights of one model."""

    @classmethod
    def verify(cls, obj: Any) -> Any:
        """`obj`, or the member of that name; TypeError for another enum's."""
        if obj is None:
            return None
        if isinstance(obj, str):
            return cls[obj.replace(cls.__name__ + ".", "")]
        if not isinstance(obj, cls):
            raise TypeError(f"Invalid Weight class provided; expected {cls.__name__} but received {obj.__class__.__name__}.")
        return obj

    @property
    def url(self) -> str:
        return self.value.url

    @property
    def transforms(self) -> Callable:
        return self.value.transforms

    @property
    def meta(self) -> dict[str, Any]:
        return self.value.meta

    def get_state_dict(self, *args: Any, **kwargs: Any) -> Mapping[str, Any]:
        """The weights by name, as `torch.hub.load_state_dict_from_url` finds them; files that hold more than weights are refused."""
        return load_state_dict_from_url(self.url, *args, **{"weights_only": True, **kwargs})

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.name))


IMAGENET_CLASSES = 1000


def _value(row: list[str]) -> Weights:
    file, params, crop, resize, how, top1, top5, smallest, kind = row[4:13]
    features = kind == "features"  # trained for detection: other means
    own: dict = {"mean": (0.48235, 0.45882, 0.40784), "std": (1 / 255,) * 3} if features else {}
    made = functools.partial(
        ImageClassification, crop_size=int(crop), resize_size=int(resize), interpolation=InterpolationMode(how), **own
    )
    meta = {
        "num_params": int(params),
        "min_size": tuple(int(n) for n in smallest.split("x")),
        "_metrics": {"ImageNet-1K": {"acc@1": float(top1), "acc@5": float(top5)}},
    }
    return Weights(_SITE + file, made, meta)


def _enums() -> dict[str, Any]:
    """The enum of weights of each model."""
    rows = [line.split() for line in (Path(__file__).parent / "published.txt").read_text().splitlines()]
    made: dict[str, Any] = {}
    for model in dict.fromkeys(row[0] for row in rows):
        own = [row for row in rows if row[0] == model]
        members = [(row[2], _value(row)) for row in own]
        default = next(v for row, (_, v) in zip(own, members, strict=True) if row[3] == "*")
        made[model] = WeightsEnum(own[0][1], [*members, ("DEFAULT", default)], module="torchvision.models")  # type: ignore[arg-type, call-arg]
    return made


ENUMS = _enums()
_BUILDERS: dict[str, Callable] = {}


def register_model(name: str | None = None) -> Callable:
    """Decorates a function that builds a model: it is found by name, and has `weights=` and `progress=`.

    The function is called with the keywords given and what the weights imply (`num_classes`, `image_size`).
    """

    def decorate(build: Callable) -> Callable:
        key = name or build.__name__
        weights_of = ENUMS.get(key)

        @functools.wraps(build)
        def builder(*args: Any, **kwargs: Any) -> Any:
            _take_positions(args, kwargs)
            _take_pretrained(key, weights_of, kwargs)
            weights, progress = kwargs.pop("weights", None), kwargs.pop("progress", True)
            if weights is not None and weights_of is None:
                raise ValueError(f"No weights are published for {key}")
            weights = weights_of.verify(weights) if weights_of is not None else None
            if weights is not None:
                kwargs = _with("num_classes", IMAGENET_CLASSES, kwargs)
                if key.startswith("vit"):
                    kwargs = _with("image_size", weights.meta["min_size"][0], kwargs)
            model = build(_initialize=weights is None, **kwargs) if "_initialize" in build.__code__.co_varnames else build(**kwargs)
            if weights is not None:
                getattr(model, "_load_published", model.load_state_dict)(weights.get_state_dict(progress=progress, check_hash=True))
            return model

        _BUILDERS[key] = builder
        return builder

    return decorate


def _take_positions(args: tuple, kwargs: dict[str, Any]) -> None:
    """Make keywords of arguments by position, which builders took before torchvision 0.13."""
    taken = dict(zip(("weights", "progress", "kwargs"), args, strict=False))
    if taken:
        *head, last = [f"'{name}'" for name in taken]
        names = f"{', '.join(head)}{',' if len(head) > 1 else ''} and {last}" if head else last
        warnings.warn(
            f"Using {names} as positional parameter(s) is deprecated since 0.13 and may be removed in the future. Please use keyword "
            "parameter(s) instead.",
            stacklevel=3,
        )
        kwargs.update(taken)


def _take_pretrained(model: str, weights_of: Any, kwargs: dict[str, Any]) -> None:
    """Make weights of `pretrained=True`, or of any value in their place that says yes or no."""
    by_name = "weights" not in kwargs
    asked = kwargs.get("pretrained" if by_name else "weights")
    if (by_name and "pretrained" not in kwargs) or (
        not by_name and (asked is None or isinstance(asked, WeightsEnum) or (isinstance(asked, str) and asked != "legacy"))
    ):
        return
    weights = getattr(weights_of, "IMAGENET1K_V1", None) if asked else None
    if asked and weights is None:
        raise ValueError(f"No weights available for model {model}")
    if by_name:
        warnings.warn(
            "The parameter 'pretrained' is deprecated since 0.13 and may be removed in the future, please use 'weights' instead.",
            stacklevel=3,
        )
    newest = f" You can also use `weights={type(weights).__name__}.DEFAULT` to get the most up-to-date weights." if asked else ""
    warnings.warn(
        "Arguments other than a weight enum or `None` for 'weights' are deprecated since 0.13 and may be removed in the future. "
        f"The current behavior is equivalent to passing `weights={weights}`.{newest}",
        stacklevel=3,
    )
    kwargs.pop("pretrained", None)
    kwargs["weights"] = weights


def _with(name: str, value: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    if kwargs.get(name, value) != value:
        raise ValueError(f"The parameter '{name}' expected value {value} but got {kwargs[name]} instead.")
    return {**kwargs, name: value}


def list_models(module: Any = None, include: Any = None, exclude: Any = None) -> list[str]:
    """The names of the models, in order; those that match a pattern of `include` and none of `exclude`."""
    import fnmatch

    names = set(_BUILDERS) if module is None else {n for n in _BUILDERS if hasattr(module, n)}
    wanted = [include] if isinstance(include, str) else include
    if wanted:
        names = {n for n in names if any(fnmatch.fnmatch(n, p) for p in wanted)}
    for pattern in [exclude] if isinstance(exclude, str) else exclude or ():
        names -= set(fnmatch.filter(names, pattern))
    return sorted(names)


def get_model_builder(name: str) -> Callable:
    """The function that builds the model of that name. ValueError for an unknown one."""
    try:
        return _BUILDERS[name.lower()]
    except KeyError:
        raise ValueError(f"Unknown model {name}") from None


def get_model(name: str, **config: Any) -> Any:
    """The model of that name."""
    return get_model_builder(name)(**config)


def get_model_weights(name: Any) -> Any:
    """The enum of weights of a model, or of the function that builds it."""
    key = name if isinstance(name, str) else name.__name__
    get_model_builder(key)
    return ENUMS[key.lower()]


def get_weight(name: str) -> Any:
    """The weights of a name like "ResNet50_Weights.DEFAULT". ValueError for an unknown one."""
    enum_name, _, member = name.partition(".")
    if not member:
        raise ValueError(f"Invalid weight name provided: '{name}'.")
    for e in ENUMS.values():
        if e.__name__ == enum_name:
            return e[member]
    raise ValueError(f"The weight enum '{enum_name}' for the specific method couldn't be retrieved.")
