"""torchish: PyTorch's API on pure-functional JAX. Use it as `import torchish as torch`."""

from __future__ import annotations

import gc
import importlib
from types import ModuleType as _ModuleType

from torchish.engine import process_memory

process_memory.pace_garbage_collector()
process_memory.keep_freed_memory()  # before JAX has threads, each of which would take an arena of its own

# What an import makes lives on; collecting in the middle of it would walk all of JAX's objects for nothing.
_collecting = gc.isenabled()
gc.disable()
try:
    from torchish import _dtypes, _families
finally:
    if _collecting:
        gc.enable()

from torchish._dtypes import dtype, finfo, get_default_dtype, iinfo, set_default_dtype
from torchish._runner import install, load_ipython_extension, missing_attribute, uninstall, unload_ipython_extension
from torchish._tensor import methods, namespace, operators, subclasses
from torchish._tensor.creation import as_tensor, asarray, from_jax, from_numpy, frombuffer, tensor
from torchish._tensor.generator import Generator, default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from torchish._tensor.layout import MEMORY_FORMATS, layout, memory_format
from torchish._tensor.layout import STRIDED as strided
from torchish._tensor.printing import set_printoptions
from torchish._tensor.size import Size, device
from torchish._tensor.storages import TypedStorage, UntypedStorage
from torchish._tensor.tensor import Tensor
from torchish.autograd.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from torchish.engine import policy as _policy
from torchish.engine import remote as _remote  # from here on processes may be forked
from torchish.torch_version import __version__

inf, nan, pi, e, newaxis = float("inf"), float("nan"), 3.141592653589793, 2.718281828459045, None


_functions = namespace.functions()
globals().update(_dtypes.BY_NAME, **_dtypes.ALIASES)
globals().update(_functions)
globals().update(methods.LEGACY)
globals().update(MEMORY_FORMATS)
namespace.install_methods()
operators.install(_functions)

# These come after the namespace that they use.
from torchish import _settings, _tensor_str, autograd, random, return_types, utils, version
from torchish._settings import *

Tensor.__module__ = "torch"
namespace.mark_absent()


# Submodules that are loaded when first asked for, so that an import of torchish stays short.
_LAZY = frozenset(
    "__future__ _C _dynamo _higher_order_ops _inductor _logging accelerator amp backends compiler cpu cuda data distributed "
    "distributions fft flax func functional functorch futures hub jit library linalg masked mps multiprocessing nn onnx optim overrides "
    "profiler safetensors serialization signal special storage testing types vision xpu".split()
)
_FROM = {
    "load": "serialization", "save": "serialization", "vmap": "func", "compile": "compiler", "Stream": "_streams", "Event": "_streams",
    "GradScaler": "amp", "Tag": "library",
    "DisableTorchFunctionSubclass": "_tensor.subclasses", "DisableTorchFunction": "_tensor.subclasses",
    **dict.fromkeys(
        "autocast autocast_decrement_nesting autocast_increment_nesting clear_autocast_cache get_autocast_cpu_dtype get_autocast_dtype "
        "get_autocast_gpu_dtype is_autocast_cache_enabled is_autocast_cpu_enabled is_autocast_enabled set_autocast_cache_enabled "
        "set_autocast_cpu_dtype set_autocast_cpu_enabled set_autocast_dtype set_autocast_enabled set_autocast_gpu_dtype".split(),
        "amp.autocast_mode",
    ),
    **dict.fromkeys(
        "SymBool SymFloat SymInt sym_constrain_range sym_constrain_range_for_size sym_float sym_fresh_size sym_int sym_ite sym_max "
        "sym_min sym_not sym_sqrt sym_sum".split(),
        "_symbolic",
    ),
    **dict.fromkeys(
        "_check _check_index _check_is_size _check_not_implemented _check_tensor_all _check_tensor_all_with _check_type _check_value "
        "_check_with".split(),
        "_checks",
    ),
}  # fmt: skip
_NOT_PYTORCH = frozenset(
    "MEMORY_FORMATS annotations install load_ipython_extension missing_attribute uninstall unload_ipython_extension".split()
)


def __getattr__(name: str):
    if name in _LAZY:
        return importlib.import_module(f"torchish.{name}")
    if name in _FROM:
        return getattr(importlib.import_module(f"torchish.{_FROM[name]}"), name)
    if name[:9] == "_foreach_" and (found := vars(importlib.import_module("torchish._foreach")).get(name)) is not None:
        return found
    if name == "__all__":  # what `from torch import *` gives: also what is made when first asked for, and no modules
        hidden = _LAZY | _NOT_PYTORCH
        return [n for n in __dir__() if n[:1] != "_" and n not in hidden and not isinstance(globals().get(n), _ModuleType)]
    if name[:1] != "_" and namespace.complete() and name in globals():
        return globals()[name]
    raise missing_attribute(__name__, name)


def __dir__() -> list[str]:
    namespace.complete()
    return sorted({*globals(), *_LAZY, *_FROM})
