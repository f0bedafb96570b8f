"""The torchvision release whose API `torchish.vision` follows: the one for PyTorch 2.13."""

__version__ = "0.28.0"
