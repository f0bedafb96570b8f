"""torch.nn.functional: what the declarations put there, and PyTorch's Python forms over them."""

from __future__ import annotations

from enum import Enum as _Enum
from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from torchish._tensor import namespace as _namespace
from torchish._tensor.autocast import listed as _listed

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...


_MODULES = (
    "activation", "attention", "convolution", "ctc", "dropout", "loss", "normalization", "pooling", "sparse", "vision",
)  # fmt: skip
# Helpers that those modules share with each other, and torch.* forms that nn.functional spells differently.
_INTERNAL = {"check_classes", "batch_norm_aten", "instance_norm_aten", "known_indices", "renorm"}


def _collect() -> None:
    """Put the public functions of the modules here; where a declaration has the same name, it goes first."""
    found = dict(_namespace.functions("nn.functional"))
    for short in _MODULES:
        module = _import_module(f"torchish._tensor.nn_functional.{short}")
        for name, value in vars(module).items():
            own = callable(value) and getattr(value, "__module__", None) in (module.__name__, __name__)
            if own and not name.startswith("_") and name not in _INTERNAL and name not in found:
                value.__module__ = __name__
                found[name] = _listed(name, value)
    globals().update(found)


_collect()

GRID_SAMPLE_INTERPOLATION_MODES = {"bilinear": 0, "nearest": 1, "bicubic": 2}
GRID_SAMPLE_PADDING_MODES = {"zeros": 0, "border": 1, "reflection": 2}


class ScalingType(_Enum):
    """How finely a quantised operand is scaled."""

    TensorWise = 0
    RowWise = 1
    BlockWise1x16 = 2
    BlockWise1x32 = 3
    BlockWise1x128 = 4
    BlockWise128x128 = 5


class SwizzleType(_Enum):
    """How the scales of a quantised operand lie in memory."""

    NO_SWIZZLE = 0
    SWIZZLE_32_4_4 = 1
