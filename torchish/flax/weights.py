"""Weights of convolutions and dense layers between PyTorch's state dictionaries and Flax's variables.

A dense `weight` (out, in) is Flax's `kernel` (in, out); a convolution's `weight` (out, in, *window) is its
`kernel` (*window, in, out). `bias` is the same in both.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from torchish._tensor.creation import from_jax
from torchish._tensor.tensor import Tensor


def _array(t: Any):
    return t.detach().jax() if isinstance(t, Tensor) else jnp.asarray(np.asarray(t))


def variables_from_state_dict(state_dict: Mapping[str, Any]) -> dict:
    """Flax variables {"params": …} from a state dictionary of `Linear` and `Conv` layers (dotted names nest)."""
    params: dict = {}
    for name, value in state_dict.items():
        *path, leaf = name.split(".")
        array = _array(value)
        if leaf == "weight":
            leaf, array = "kernel", _to_kernel(array, name)
        elif leaf != "bias":
            raise KeyError(f"no Flax counterpart for the state {name!r}: only weight and bias of Linear and Conv layers carry over")
        level = params
        for part in path:
            level = level.setdefault(part, {})
        level[leaf] = array
    return {"params": params}


def state_dict_from_variables(variables: Mapping[str, Any]) -> OrderedDict[str, Tensor]:
    """A state dictionary for `load_state_dict` from Flax variables {"params": …} (or the params themselves)."""
    out: OrderedDict[str, Tensor] = OrderedDict()

    def walk(level: Mapping[str, Any], prefix: str) -> None:
        for leaf in ("kernel", "bias"):
            if leaf in level and not isinstance(level[leaf], Mapping):
                array = jnp.asarray(level[leaf])
                if leaf == "kernel":
                    array = _from_kernel(array)
                out[prefix + ("weight" if leaf == "kernel" else "bias")] = from_jax(array)
        for name, value in level.items():
            if isinstance(value, Mapping):
                walk(value, f"{prefix}{name}.")
            elif name not in ("kernel", "bias"):
                raise KeyError(f"no PyTorch counterpart for the Flax parameter {prefix + name!r}")

    walk(variables.get("params", variables), "")
    return out


def _to_kernel(weight, name: str):
    if weight.ndim < 2:
        raise KeyError(f"no Flax counterpart for the state {name!r}: a kernel has at least two dimensions")
    return jnp.moveaxis(weight, (0, 1), (-1, -2))


def _from_kernel(kernel):
    return jnp.moveaxis(kernel, (-1, -2), (0, 1))
