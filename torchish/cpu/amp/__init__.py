"""Mixed precision under `torch.cpu`, which is deprecated in favour of `torch.amp`."""

from __future__ import annotations

import warnings

from torchish._dtypes import bfloat16, dtype
from torchish.amp import autocast_mode
from torchish.amp.grad_scaler import DeprecatedGradScaler

__all__ = ["GradScaler", "autocast"]


class autocast(autocast_mode.autocast):
    """`torch.autocast("cpu")`; deprecated."""

    def __init__(self, enabled: bool = True, dtype: dtype = bfloat16, cache_enabled: bool = True):
        warnings.warn(
            "`torch.cpu.amp.autocast(args...)` is deprecated. Please use `torch.amp.autocast('cpu', args...)` instead.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__("cpu", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


class GradScaler(DeprecatedGradScaler):
    """`torch.amp.GradScaler("cpu")`; deprecated."""

    _kind = "cpu"
