"""The precision of float32 arithmetic, as `fp32_precision` sets it."""

from __future__ import annotations


class Float32Precision:
    """The `fp32_precision` of one kind of operation: kept, and without effect. Only products have a setting in XLA."""

    def __init__(self, backend: str, precision: str) -> None:
        self._backend = backend
        self._precision = precision

    @property
    def fp32_precision(self) -> str:
        return self._precision

    @fp32_precision.setter
    def fp32_precision(self, value: str) -> None:
        self._set(value)

    def _set(self, value: str) -> None:
        if value not in ("ieee", "tf32", "bf16", "none"):
            raise RuntimeError(f"Unknown precision: {value}")
        if value == "bf16" and self._backend == "cuda":
            raise RuntimeError("backend 'cuda' does not support precision 'bf16'")
        self._precision = value
