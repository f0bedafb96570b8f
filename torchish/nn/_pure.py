"""A module as a pure function: state and inputs in, outputs and new state out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchish._tensor.creation import from_jax
from torchish._tensor.drawing import drawing_from
from torchish._tensor.tensor import Tensor
from torchish.nn.modules.module import Module
from torchish.nn.utils.stateless import _reparametrize_module


def is_array(x: Any) -> bool:
    return isinstance(x, (jax.Array, np.ndarray, np.generic))


def is_tensor(x: Any) -> bool:
    return isinstance(x, Tensor)


def to_tensors(tree: Any) -> Any:
    """A tree's arrays as tensors; everything else as it is."""
    return jax.tree.map(lambda x: from_jax(jnp.asarray(x)) if is_array(x) else x, tree, is_leaf=is_tensor)


def to_arrays(tree: Any) -> Any:
    """A tree's tensors as JAX arrays; everything else as it is."""
    return jax.tree.map(lambda x: x.jax() if isinstance(x, Tensor) else x, tree, is_leaf=is_tensor)


def run(
    module: Module, values: Mapping[str, Any], args: tuple, kwargs: dict, train: bool | None, key: Callable[[], Any]
) -> tuple[Any, dict[str, jax.Array]]:
    """Call `module` with `values` (arrays by name) for its parameters and buffers: (output, buffers after the call).

    `train` puts it in training or evaluation mode for the call; None leaves that alone. `key()` gives a JAX random key; it is called
    when the module first draws. The module itself is as before when this returns.
    """
    tensors = {name: from_jax(jnp.asarray(v)) for name, v in values.items()}
    names = [name for name, _ in module.named_buffers() if name in tensors]
    modes = [(m, m.training) for m in module.modules()]
    with ExitStack() as stack:
        stack.callback(_restore, modes)
        stack.enter_context(drawing_from(key))
        stack.enter_context(_reparametrize_module(module, tensors, tie_weights=True))
        if train is not None:
            module.train(train)
        output = to_arrays(module(*to_tensors(args), **to_tensors(kwargs)))
    return output, {name: tensors[name].jax() for name in names}


def _restore(modes: list[tuple[Module, bool]]) -> None:
    for m, mode in modes:
        m.training = mode
