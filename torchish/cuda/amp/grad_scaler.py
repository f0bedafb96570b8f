"""`torch.cuda.amp.GradScaler`, which is deprecated in favour of `torch.amp.GradScaler`."""

from __future__ import annotations

from torchish.amp.grad_scaler import DeprecatedGradScaler
from torchish.amp.grad_scaler import OptState as OptState

__all__ = ["GradScaler"]


class GradScaler(DeprecatedGradScaler):
    """`torch.amp.GradScaler("cuda")`; deprecated."""

    __module__ = "torch.cuda.amp.grad_scaler"
    _kind = "cuda"
