"""Anomaly mode: find the forward operation whose gradient failed or became nan."""

from __future__ import annotations

from torchish.autograd.graph import ANOMALY


class detect_anomaly:
    """While active, backward errors show the forward call, and nan gradients raise."""

    __module__ = "torch.autograd.anomaly_mode"

    def __init__(self, check_nan: bool = True):
        import warnings

        self.check_nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for debugging.",
            stacklevel=2,
        )

    def __enter__(self):
        self._previous = ANOMALY.enabled, ANOMALY.check_nan
        ANOMALY.enabled, ANOMALY.check_nan = True, self.check_nan

    def __exit__(self, *exc):
        ANOMALY.enabled, ANOMALY.check_nan = self._previous


class set_detect_anomaly:
    """Switch anomaly mode on or off, at once or for a `with` block."""

    __module__ = "torch.autograd.anomaly_mode"

    def __init__(self, mode: bool, check_nan: bool = True):
        self._previous = ANOMALY.enabled, ANOMALY.check_nan
        ANOMALY.enabled, ANOMALY.check_nan = bool(mode), check_nan

    def __enter__(self):
        pass

    def __exit__(self, *exc):
        ANOMALY.enabled, ANOMALY.check_nan = self._previous


def is_anomaly_enabled() -> bool:
    return ANOMALY.enabled


def is_anomaly_check_nan_enabled() -> bool:
    return ANOMALY.check_nan


__all__ = ["detect_anomaly", "set_detect_anomaly"]
