"""`torch.utils`."""

from torchish.utils import hooks

__all__ = ["hooks"]
