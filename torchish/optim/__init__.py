"""`torch.optim`: optimizers and learning-rate schedulers; `transforms` has the optimizers as Optax transformations."""

from torchish.optim import lr_scheduler, swa_utils
from torchish.optim import transforms as transforms
from torchish.optim._swap import swap_in_optimizer_params_and_state
from torchish.optim.adam import Adam, Adamax, AdamW, NAdam, RAdam, SparseAdam
from torchish.optim.adaptive import ASGD, Adadelta, Adafactor, Adagrad, Muon, RMSprop, Rprop
from torchish.optim.lbfgs import LBFGS
from torchish.optim.optax_bridge import from_optax
from torchish.optim.optimizer import Optimizer
from torchish.optim.sgd import SGD

__all__ = [
    "ASGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "LBFGS", "Muon", "NAdam", "Optimizer", "RAdam",
    "RMSprop", "Rprop", "SGD", "SparseAdam", "from_optax", "lr_scheduler", "swa_utils",
    "swap_in_optimizer_params_and_state",
]  # fmt: skip


def _name_as_pytorch() -> None:
    """Give the classes the module names that PyTorch shows, such as `torch.optim.sgd.SGD`."""
    names = {"NAdam": "nadam", "RAdam": "radam", "AdamW": "adamw", "Adamax": "adamax", "SparseAdam": "sparse_adam"}
    names |= {n: n.lower() for n in ("ASGD", "Adadelta", "Adagrad", "RMSprop", "Rprop")}
    for module in (lr_scheduler, swa_utils):
        for cls in vars(module).values():
            if isinstance(cls, type) and cls.__module__.startswith(module.__name__):
                cls.__module__ = module.__name__.replace("torchish", "torch", 1)
    # programs tell schedulers from other callables by `scheduler.__module__ == lr_scheduler.__name__`
    lr_scheduler.__name__ = lr_scheduler.LRScheduler.__module__
    for name in __all__:
        cls = globals()[name]
        if isinstance(cls, type):
            short = names.get(name)
            cls.__module__ = f"torch.optim.{short}" if short else cls.__module__.replace("torchish", "torch", 1)
    Adafactor.__module__ = Muon.__module__ = "torch.optim"


_name_as_pytorch()
