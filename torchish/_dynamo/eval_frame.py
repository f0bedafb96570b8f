"""Where PyTorch keeps the class of compiled modules."""

from torchish.compiler import OptimizedModule

__all__ = ["OptimizedModule"]
