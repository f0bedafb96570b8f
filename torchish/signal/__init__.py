"""`torch.signal`: window functions."""

from torchish.signal import windows

__all__ = ["windows"]
