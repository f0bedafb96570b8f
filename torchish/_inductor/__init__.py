"""The names of PyTorch's code generator that programs touch: options, and a cache of compiled code."""

from torchish._inductor import config, utils

__all__ = ["config", "utils"]
