"""`torch.utils`."""

from torchish import data
from torchish.utils import hooks

__all__ = ["data", "hooks"]
