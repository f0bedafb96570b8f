"""Mixed precision under `torch.cuda`, which is deprecated in favour of `torch.amp`."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from torchish import amp
from torchish._dtypes import dtype, float16
from torchish.amp import autocast_mode
from torchish.cuda import is_available
from torchish.cuda.amp.grad_scaler import GradScaler

__all__ = ["GradScaler", "amp_definitely_not_available", "autocast", "custom_bwd", "custom_fwd"]


class autocast(autocast_mode.autocast):
    """`torch.autocast("cuda")`; deprecated."""

    __module__ = "torch.cuda.amp.autocast_mode"

    def __init__(self, enabled: bool = True, dtype: dtype = float16, cache_enabled: bool = True):
        warnings.warn(
            "`torch.cuda.amp.autocast(args...)` is deprecated. Please use `torch.amp.autocast('cuda', args...)` instead.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__("cuda", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


def _deprecated(name: str, instead: str) -> Callable:
    """A decorator that warns at each call of a function."""

    def decorate(f: Callable) -> Callable:
        @functools.wraps(f)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            warnings.warn(
                f"`torch.cuda.amp.{name}(args...)` is deprecated. Please use `{instead}` instead.", FutureWarning, stacklevel=2
            )
            return f(*args, **kwargs)

        return wrapped

    return decorate


def amp_definitely_not_available() -> bool:
    """Whether there is no GPU for mixed precision."""
    return not is_available()


@_deprecated("custom_fwd", "torch.amp.custom_fwd(args..., device_type='cuda')")
def custom_fwd(fwd: Callable | None = None, *, cast_inputs: dtype | None = None) -> Any:
    """`torch.amp.custom_fwd` for "cuda"; deprecated."""
    return amp.custom_fwd(fwd, device_type="cuda", cast_inputs=cast_inputs)


@_deprecated("custom_bwd", "torch.amp.custom_bwd(args..., device_type='cuda')")
def custom_bwd(bwd: Callable) -> Any:
    """`torch.amp.custom_bwd` for "cuda"; deprecated."""
    return amp.custom_bwd(bwd, device_type="cuda")
