"""`torch.amp`: mixed precision."""

from torchish.amp.autocast_mode import autocast, custom_bwd, custom_fwd, is_autocast_available
from torchish.amp.grad_scaler import GradScaler

autocast.__module__ = "torch.amp.autocast_mode"
GradScaler.__module__ = "torch.amp.grad_scaler"

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
