"""`torch._logging`: the switches of the logs of PyTorch's compiler."""

from __future__ import annotations

from typing import Any


def set_logs(**logs: Any) -> None:
    """Accepted, without effect: what writes these logs, PyTorch's tracer and its code generators, is not there.

    `JAX_LOG_COMPILES=1` shows what XLA compiles.
    """
