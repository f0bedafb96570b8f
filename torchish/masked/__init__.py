"""`torch.masked`: reductions and normalizations of tensors under a mask."""

from importlib import import_module

from torchish._runner import missing_attribute
from torchish.masked._ops import (
    amax,
    amin,
    argmax,
    argmin,
    cumprod,
    cumsum,
    log_softmax,
    logaddexp,
    logsumexp,
    mean,
    median,
    norm,
    normalize,
    prod,
    softmax,
    softmin,
    std,
    sum,
    var,
)

_MASKED_TENSORS = ("MaskedTensor", "as_masked_tensor", "is_masked_tensor", "masked_tensor")

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean", "median", "norm",
    "normalize", "prod", "softmax", "softmin", "std", "sum", "var", *_MASKED_TENSORS,
]  # fmt: skip


def __getattr__(name: str):
    if name in _MASKED_TENSORS:  # a class that answers calls itself is made only where it is used
        return getattr(import_module("torchish.masked._maskedtensor"), name)
    raise missing_attribute(__name__, name)
