"""Learning-rate schedulers: call `step()` after each epoch (or batch) of `optimizer.step()`."""

from torchish.optim.lr_scheduler._base import EPOCH_DEPRECATION_WARNING as EPOCH_DEPRECATION_WARNING
from torchish.optim.lr_scheduler._base import LRScheduler
from torchish.optim.lr_scheduler._base import _format_param as _format_param
from torchish.optim.lr_scheduler._base import _LRScheduler as _LRScheduler
from torchish.optim.lr_scheduler._base import _update_param_group_val as _update_param_group_val
from torchish.optim.lr_scheduler._chained import ChainedScheduler, SequentialLR
from torchish.optim.lr_scheduler._cycles import CyclicLR, OneCycleLR
from torchish.optim.lr_scheduler._epochs import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from torchish.optim.lr_scheduler._plateau import ReduceLROnPlateau
from torchish.optim.optimizer import Optimizer as Optimizer

__all__ = [
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "ExponentialLR", "LRScheduler",
    "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR", "OneCycleLR", "PolynomialLR", "ReduceLROnPlateau", "SequentialLR",
    "StepLR",
]  # fmt: skip
