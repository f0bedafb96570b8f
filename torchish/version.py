"""`torch.version`: the PyTorch release whose behaviour torchish keeps."""

__version__ = "2.13.0+cpu"
debug = False
cuda = None
hip = None
xpu = None
git_version = "torchish"
