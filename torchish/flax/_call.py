"""What both directions of `torchish.flax` need: a module's state by name, as Flax nests it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchish._tensor.tensor import Tensor
from torchish.nn._pure import is_array, run, to_arrays, to_tensors
from torchish.nn.modules.batchnorm import _NormBase
from torchish.nn.modules.module import Module


def parameters_of(module: Module) -> dict[str, Tensor]:
    """Parameters by name; tied ones once."""
    return dict(module.named_parameters())


def buffers_of(module: Module) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(statistics of normalization layers, other buffers) by name."""
    layers = {name: m for name, m in module.named_modules() if isinstance(m, _NormBase)}
    statistics: dict[str, Tensor] = {}
    others: dict[str, Tensor] = {}
    for name, t in module.named_buffers():
        (statistics if name.rpartition(".")[0] in layers else others)[name] = t
    return statistics, others


def value_of(t: Tensor) -> jax.Array:
    """A copy of a tensor's value in the dtype that JAX has for it under its present settings."""
    return jnp.asarray(np.array(t.detach().resolve_conj().cpu()._host()))


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted names as nested dictionaries."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *path, leaf = name.split(".")
        level = tree
        for part in path:
            level = level.setdefault(part, {})
        level[leaf] = value
    return tree


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as dotted names."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + str(name)] = value
    return found


__all__ = ["buffers_of", "flat", "is_array", "nested", "parameters_of", "run", "to_arrays", "to_tensors", "value_of"]
