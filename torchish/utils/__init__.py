"""`torch.utils`."""

import importlib

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
