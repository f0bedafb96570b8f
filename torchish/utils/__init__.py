"""`torch.utils`."""

import importlib
import weakref
from typing import Any

from torchish._runner import missing_attribute

_SUBMODULES = {"data": "torchish.data"}


def __getattr__(name: str):
    # submodules are loaded when first asked for: an import of torchish stays short
    target = _SUBMODULES.get(name, f"torchish.utils.{name}")
    try:
        module = importlib.import_module(target)
    except ModuleNotFoundError as e:
        if e.name != target:
            raise
        raise missing_attribute(__name__, name) from None
    globals()[name] = module
    return module


def swap_tensors(t1: Any, t2: Any) -> None:
    """Exchange what two tensors are, their classes, attributes, gradients and hooks; who holds one sees the other from now on.

    RuntimeError for a tensor with weak references.
    """
    for name, t in (("t1", t1), ("t2", t2)):
        if weakref.getweakrefs(t):
            raise RuntimeError(f"Cannot swap {name} because it has weakref associated with it")
    t1.__class__, t2.__class__ = t2.__class__, t1.__class__
    t1.__dict__, t2.__dict__ = t2.__dict__, t1.__dict__
