"""The names of PyTorch's code generator that programs touch: options, and a cache of compiled code."""

from torchish._inductor import config, utils
from torchish._runner import missing_attribute


def __getattr__(name: str):
    raise missing_attribute(__name__, name)


__all__ = ["config", "utils"]
