"""`torch.backends`: the switches that scripts set; XLA chooses its own algorithms."""

from torchish.backends import cpu, cuda, cudnn, mkl, mkldnn, mps, openmp

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp"]
