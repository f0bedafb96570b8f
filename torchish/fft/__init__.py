"""`torch.fft`: discrete Fourier transforms and their helpers."""

from torchish._tensor import namespace as _namespace

_functions = _namespace.functions("fft")
globals().update(_functions)
__all__ = list(_functions)
