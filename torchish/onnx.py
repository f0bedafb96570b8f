"""`torch.onnx`: modules ask it whether they are being exported. There is no exporter: `jax.export` saves programs."""

from __future__ import annotations


def is_in_onnx_export() -> bool:
    """False: nothing is ever exported."""
    return False


__all__ = ["is_in_onnx_export"]
