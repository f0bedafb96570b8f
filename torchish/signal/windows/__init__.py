"""`torch.signal.windows`."""

from torchish._tensor import namespace

_functions = namespace.functions("signal.windows")
globals().update(_functions)
__all__ = sorted(_functions)
