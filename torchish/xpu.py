"""`torch.xpu`: Intel's GPUs, of which JAX has none under this name."""

from __future__ import annotations

from typing import NoReturn


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False."""
    return False


def device_count() -> int:
    """How many there are: none."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing to seed."""


def manual_seed_all(seed: int) -> None:
    """Nothing to seed."""


def empty_cache() -> None:
    """Nothing to do."""


def _missing(*args: object) -> NoReturn:
    """AssertionError: there is no such device."""
    raise AssertionError("Torch not compiled with XPU enabled")


current_device = synchronize = get_device_name = get_device_properties = init = _missing

__all__ = ["current_device", "device_count", "empty_cache", "get_device_name", "get_device_properties", "init", "is_available",
           "is_bf16_supported", "is_initialized", "manual_seed", "manual_seed_all", "synchronize"]  # fmt: skip
