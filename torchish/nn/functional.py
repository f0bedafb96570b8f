"""torch.nn.functional: what the declarations put there, and PyTorch's Python forms over them."""

from __future__ import annotations

from torchish._tensor import namespace as _namespace
from torchish._tensor.nn_functional import (
    activation as _activation,
    attention as _attention,
    dropout as _dropout,
    loss as _loss,
    normalization as _normalization,
    pooling as _pooling,
    sparse as _sparse,
    vision as _vision,
)
from torchish._tensor.nn_functional._reduction import legacy as _legacy  # noqa: F401


def _collect() -> None:
    found = dict(_namespace.functions("nn.functional"))
    for module in (_activation, _attention, _dropout, _loss, _normalization, _pooling, _sparse, _vision):
        for name, value in vars(module).items():
            own = callable(value) and getattr(value, "__module__", None) in (module.__name__, __name__)
            if own and not name.startswith("_") and name not in _INTERNAL and name not in found:
                value.__module__ = __name__
                found[name] = value
    globals().update(found)


# Helpers that the modules share with each other, and torch.* forms that nn.functional spells differently.
_INTERNAL = {"check_classes", "batch_norm_aten", "instance_norm_aten"}

_collect()
