"""`torch.special`: special functions."""

from torchish._runner import missing_attribute
from torchish._tensor import namespace

globals().update(namespace.functions("special"))


def __getattr__(name: str):
    raise missing_attribute(__name__, name)
