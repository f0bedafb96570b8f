"""One of two functions."""

from torchish import cond

__all__ = ["cond"]
