"""`torch.func`: transforms of functions of tensors (derivatives, batches), which nest at will."""

from __future__ import annotations

from torchish.func._grad import functionalize, grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp
from torchish.func._modules import functional_call, replace_all_batch_norm_modules_, stack_module_state
from torchish.func._rearrange import rearrange
from torchish.func._vmap import debug_unwrap, vmap

for _f in (debug_unwrap, functional_call, functionalize, grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, rearrange,
           replace_all_batch_norm_modules_, stack_module_state, vjp, vmap):  # fmt: skip
    _f.__module__ = "torch.func"

__all__ = [
    "debug_unwrap", "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize",
    "rearrange", "replace_all_batch_norm_modules_", "stack_module_state", "vjp", "vmap",
]  # fmt: skip
