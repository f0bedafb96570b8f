"""`torch.cuda.amp.GradScaler`, which is deprecated in favour of `torch.amp.GradScaler`."""

from __future__ import annotations

import warnings

from torchish import amp
from torchish.amp.grad_scaler import OptState as OptState

__all__ = ["GradScaler"]


class GradScaler(amp.GradScaler):
    """`torch.amp.GradScaler("cuda")`; deprecated."""

    __module__ = "torch.cuda.amp.grad_scaler"

    def __init__(self, init_scale: float = 2.0**16, growth_factor: float = 2.0, backoff_factor: float = 0.5,
                 growth_interval: int = 2000, enabled: bool = True) -> None:  # fmt: skip
        warnings.warn(
            "`torch.cuda.amp.GradScaler(args...)` is deprecated. Please use `torch.amp.GradScaler('cuda', args...)` instead.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
