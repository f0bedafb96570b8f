"""`DataParallel`, and `data_parallel`, which does the same for one call."""

from __future__ import annotations

from typing import Any

from torchish.nn.modules.module import Module
from torchish.nn.parallel._mesh import Parallel


class DataParallel(Parallel):
    """Runs `module` on all devices of its kind that JAX has, or on those of `device_ids`; inputs are divided along `dim`.

    Where the batch is no multiple of their number, as many devices are used as divide it. Random numbers are drawn by `jax.random`,
    from torch's seed and the number of the call.
    """

    __module__ = "torch.nn.parallel.data_parallel"

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0) -> None:
        super().__init__()
        self.dim = dim
        self._start(module, device_ids)
        self.output_device = output_device


def data_parallel(module: Module, inputs: Any, device_ids: Any = None, output_device: Any = None, dim: int = 0,
                  module_kwargs: dict | None = None) -> Any:  # fmt: skip
    """Call `module` on `inputs` (a tensor or a tuple), divided among devices."""
    if not isinstance(inputs, tuple):
        inputs = () if inputs is None else (inputs,)
    return DataParallel(module, device_ids, output_device, dim)(*inputs, **(module_kwargs or {}))
