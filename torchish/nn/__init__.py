"""`torch.nn`: layers, losses, initial values and utilities."""

from torchish.nn import functional, init, modules, parameter
from torchish.nn.modules import *
from torchish.nn.modules import __all__ as _modules
from torchish.nn.parallel import DataParallel
from torchish.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

from torchish.nn import attention, common_types, grad, parallel, utils  # isort: skip

functional.grad = grad  # where PyTorch has it too


def factory_kwargs(kwargs: dict | None) -> dict:
    """The `device`, `dtype` and `memory_format` among `kwargs`, for creation functions; TypeError for others."""
    if kwargs is None:
        return {}
    simple = {"device", "dtype", "memory_format"}
    expected = simple | {"factory_kwargs"}
    if not kwargs.keys() <= expected:
        raise TypeError(f"unexpected kwargs {kwargs.keys() - expected}")
    found = dict(kwargs.get("factory_kwargs", {}))
    for k in simple & kwargs.keys():
        if k in found:
            raise TypeError(f"{k} specified twice, in **kwargs and in factory_kwargs")
        found[k] = kwargs[k]
    return found


__all__ = [
    *_modules, "Buffer", "DataParallel", "Parameter", "UninitializedBuffer", "UninitializedParameter",
    "attention", "common_types", "factory_kwargs", "functional", "grad", "init", "modules", "parallel", "parameter", "utils",
]  # fmt: skip
