"""`torch.fft`."""

from torchish._runner import missing_attribute
from torchish._tensor import namespace

globals().update(namespace.functions("fft"))


def __getattr__(name: str):
    raise missing_attribute(__name__, name)
