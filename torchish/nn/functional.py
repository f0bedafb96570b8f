"""torch.nn.functional: what the declarations put there, and PyTorch's Python forms over them."""

from __future__ import annotations

import torchish._tensor.nn_functional as _forms
from torchish._tensor import namespace as _namespace
from torchish._tensor.nn_functional import (
    activation,
    attention,
    convolution,
    ctc,
    dropout,
    loss,
    normalization,
    pooling,
    sparse,
    vision,
)

# Helpers that those modules share with each other, and torch.* forms that nn.functional spells differently.
_INTERNAL = {"check_classes", "batch_norm_aten", "instance_norm_aten"}
_MODULES = (
    "activation", "attention", "convolution", "ctc", "dropout", "loss", "normalization", "pooling", "sparse", "vision",
)  # fmt: skip


def _collect() -> None:
    """Put the public functions of the modules here in place of the modules themselves; declarations go first."""
    found = dict(_namespace.functions("nn.functional"))
    for short in _MODULES:
        module = getattr(_forms, short)
        globals().pop(short, None)
        for name, value in vars(module).items():
            own = callable(value) and getattr(value, "__module__", None) in (module.__name__, __name__)
            if own and not name.startswith("_") and name not in _INTERNAL and name not in found:
                value.__module__ = __name__
                found[name] = value
    globals().update(found)


_collect()

GRID_SAMPLE_INTERPOLATION_MODES = {"bilinear": 0, "nearest": 1, "bicubic": 2}
GRID_SAMPLE_PADDING_MODES = {"zeros": 0, "border": 1, "reflection": 2}
