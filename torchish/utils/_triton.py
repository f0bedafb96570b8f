"""Whether there is Triton, the compiler of PyTorch's own GPU kernels: no, programs are compiled by XLA."""

from __future__ import annotations

from importlib.util import find_spec


def has_triton_package() -> bool:
    """Whether the package `triton` is installed."""
    return find_spec("triton") is not None


def has_triton() -> bool:
    """Whether Triton compiles for a device that there is: never."""
    return False
