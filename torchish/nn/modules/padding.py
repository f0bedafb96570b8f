"""Padding layers."""

from __future__ import annotations

from torchish._tensor.tensor import Tensor
from torchish.nn import functional as F
from torchish.nn.modules.module import Module
from torchish.nn.modules.utils import _ntuple


class _PadNd(Module):
    """Pads the last `_n` dimensions by `padding`, a number or (left, right, top, bottom, ...)."""

    __constants__ = ["padding"]
    _n: int
    _mode: str

    def __init__(self, padding) -> None:
        super().__init__()
        self.padding = _ntuple(2 * self._n)(padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def _check_input_dim(self, input: Tensor) -> None:
        n = self._n
        if input.dim() not in (n + 1, n + 2):
            raise ValueError(f"expected {n + 1}D or {n + 2}D input (got {input.dim()}D input)")

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        return super().forward(input)


class CircularPad1d(_CircularPadNd):
    """Pads by going round the other end."""

    _n = 1


class CircularPad2d(_CircularPadNd):
    """Pads by going round the other end."""

    _n = 2


class CircularPad3d(_CircularPadNd):
    """Pads by going round the other end."""

    _n = 3


class _ConstantPadNd(Module):
    __constants__ = ["padding", "value"]
    _n: int

    def __init__(self, padding, value: float) -> None:
        super().__init__()
        self.value = value
        self.padding = _ntuple(2 * self._n)(padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """Pads with one value."""

    _n = 1

    def __init__(self, padding, value: float) -> None:
        super().__init__(padding, value)


class ConstantPad2d(_ConstantPadNd):
    """Pads with one value."""

    _n = 2

    def __init__(self, padding, value: float) -> None:
        super().__init__(padding, value)


class ConstantPad3d(_ConstantPadNd):
    """Pads with one value."""

    _n = 3

    def __init__(self, padding, value: float) -> None:
        super().__init__(padding, value)


class _ReflectionPadNd(_PadNd):
    _mode = "reflect"


class ReflectionPad1d(_ReflectionPadNd):
    """Pads by reflection at the border."""

    _n = 1


class ReflectionPad2d(_ReflectionPadNd):
    """Pads by reflection at the border."""

    _n = 2


class ReflectionPad3d(_ReflectionPadNd):
    """Pads by reflection at the border."""

    _n = 3


class _ReplicationPadNd(_PadNd):
    _mode = "replicate"


class ReplicationPad1d(_ReplicationPadNd):
    """Pads with the border's value."""

    _n = 1


class ReplicationPad2d(_ReplicationPadNd):
    """Pads with the border's value."""

    _n = 2


class ReplicationPad3d(_ReplicationPadNd):
    """Pads with the border's value."""

    _n = 3


class ZeroPad1d(ConstantPad1d):
    """Pads with zeros."""

    def __init__(self, padding) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(ConstantPad2d):
    """Pads with zeros."""

    def __init__(self, padding) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad3d(ConstantPad3d):
    """Pads with zeros."""

    def __init__(self, padding) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"
