"""torchish: PyTorch's API on pure-functional JAX."""

from __future__ import annotations

from torchish import _dtypes
from torchish._dtypes import dtype, finfo, get_default_dtype, iinfo, set_default_dtype
from torchish import _families
from torchish._tensor import creation, methods, namespace, operators
from torchish._tensor.size import Size, device
from torchish._tensor.tensor import Tensor
from torchish import autograd
from torchish.autograd.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from torchish.engine import policy


globals().update(_dtypes.BY_NAME)
globals().update(_dtypes.ALIASES)
_functions = namespace.functions()
globals().update(_functions)
namespace.install_methods()
operators.install(_functions)
globals().update(methods.LEGACY)
globals().update(methods.MEMORY_FORMATS)
tensor, as_tensor, asarray, from_numpy, frombuffer = (
    creation.tensor, creation.as_tensor, creation.asarray, creation.from_numpy, creation.frombuffer,
)
strided = methods.STRIDED
