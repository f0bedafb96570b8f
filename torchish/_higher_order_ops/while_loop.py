"""A function repeated as long as another gives true."""

from torchish import while_loop

__all__ = ["while_loop"]
