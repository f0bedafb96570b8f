"""Data parallelism. XLA uses all cores of a device by itself; one process drives one device here."""

from __future__ import annotations

from typing import Any

from torchish.nn.modules.module import Module


class DataParallel(Module):
    """Runs `module` on its one device, as PyTorch's does when it finds no second GPU."""

    __module__ = "torch.nn.parallel.data_parallel"

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list = []
        self.dim = dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


def data_parallel(module: Module, inputs: Any, device_ids: Any = None, output_device: Any = None, dim: int = 0,
                  module_kwargs: dict | None = None) -> Any:  # fmt: skip
    """Call `module` on `inputs` (a tensor or a tuple)."""
    if not isinstance(inputs, tuple):
        inputs = (inputs,)
    return module(*inputs, **(module_kwargs or {}))
