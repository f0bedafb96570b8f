"""`torch.optim`: optimizers and learning-rate schedulers; `transforms` has the optimizers as Optax transformations."""

from torchish.optim import transforms
from torchish.optim.adam import Adam, Adamax, AdamW, NAdam, RAdam, SparseAdam
from torchish.optim.adaptive import ASGD, Adadelta, Adafactor, Adagrad, Muon, RMSprop, Rprop
from torchish.optim.lbfgs import LBFGS
from torchish.optim.optimizer import Optimizer
from torchish.optim.sgd import SGD

__all__ = [
    "ASGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "LBFGS", "Muon", "NAdam", "Optimizer", "RAdam",
    "RMSprop", "Rprop", "SGD", "SparseAdam", "transforms",
]  # fmt: skip
