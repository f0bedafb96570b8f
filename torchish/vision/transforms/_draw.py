"""Random numbers for transforms, from PyTorch's default generator."""

from __future__ import annotations

import numpy as np

import torchish as torch


def uniform(low: float, high: float) -> float:
    return torch.empty(1).uniform_(low, high).item()


def integer(low: int, high: int) -> int:
    """From `low` to `high` - 1."""
    return torch.randint(low, high, size=(1,)).item()


def chance(p: float) -> bool:
    """Whether a number between 0 and 1 is below `p`, compared as float32."""
    return torch.rand(1).item() < float(np.float32(p))


def ratio(bounds: tuple[float, float]) -> float:
    """Between the bounds, uniform in the logarithm."""
    low, high = np.log(np.array(bounds, np.float32)).tolist()
    return float(np.exp(np.float32(uniform(low, high))))
