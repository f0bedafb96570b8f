"""Process-wide settings and queries: default device and dtype, threads, determinism, precision."""

from __future__ import annotations

import contextlib
import os
import re
import warnings
from typing import Any

from torchish import _dtypes as dt
from torchish._tensor import size as _size
from torchish._tensor.tensor import Tensor


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj: Any) -> bool:
    """Whether `obj` is a storage."""
    from torchish._tensor.storages import UntypedStorage

    return isinstance(obj, UntypedStorage)


def set_default_device(device: Any) -> None:
    """Where new tensors are made from now on (None: the CPU)."""
    d = _size.device("cpu" if device is None else device)
    _size.resolve(d)
    _size.DEFAULT[0] = d


def get_default_device() -> _size.device:
    """Where new tensors are made."""
    return _size.DEFAULT[-1]


def set_default_tensor_type(t: Any) -> None:
    """Make a legacy tensor type (a class or its name) the default."""
    from torchish._tensor.data import triggered, warn_once

    warn_once(
        "torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use torch.set_default_dtype() and "
        "torch.set_default_device() as alternatives." + triggered("torch/csrc/tensor/python_tensor.cpp:434")
    )
    if isinstance(t, str):
        name = t.rpartition(".")[2]
        found = [d for d, n in dt.LEGACY_NAMES.items() if n == name]
        if not found:
            raise TypeError(f"invalid type object: {t}")
        d = found[0]
    else:
        d = t._legacy_dtype
    if not d.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    dt.set_default_dtype(d)


_threads = os.cpu_count() or 1


def get_num_threads() -> int:
    """How many threads PyTorch would use; XLA sizes its own pool."""
    return _threads


def set_num_threads(n: int) -> None:
    """Accepted; XLA sizes its own thread pool."""
    global _threads
    if not isinstance(n, int):
        raise TypeError(f"set_num_threads expects an int, but got {type(n).__name__}")
    if n <= 0:
        raise RuntimeError("set_num_threads expects a positive integer")
    _threads = n


get_num_interop_threads = get_num_threads


def set_num_interop_threads(n: int) -> None:
    """Accepted; XLA sizes its own thread pool."""


_deterministic = {"mode": False, "warn_only": False}


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Equal programs give equal bits whenever they run: there are no drafts, whose last bits can change (`torchish.engine.drafts`)."""
    from torchish.engine import drafts, program

    _deterministic.update(mode=bool(mode), warn_only=warn_only)
    drafts.allow(not mode)
    if mode:
        program.forget_drafts()


def are_deterministic_algorithms_enabled() -> bool:
    return _deterministic["mode"]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    return _deterministic["warn_only"]


def set_deterministic_debug_mode(mode: int | str) -> None:
    """Set determinism by level: 0 or "default", 1 or "warn", 2 or "error"."""
    level = {"default": 0, "warn": 1, "error": 2}.get(mode, mode) if isinstance(mode, str) else mode
    use_deterministic_algorithms(bool(level), warn_only=level == 1)


def get_deterministic_debug_mode() -> int:
    return 0 if not _deterministic["mode"] else 1 if _deterministic["warn_only"] else 2


def is_warn_always_enabled() -> bool:
    """Whether warnings that are given once in a process are given each time."""
    from torchish._tensor.data import WARN_ALWAYS

    return WARN_ALWAYS[0]


def set_warn_always(b: bool) -> None:
    """Whether to give each time what is warned of once in a process otherwise."""
    from torchish._tensor.data import WARN_ALWAYS

    if not isinstance(b, bool):
        raise RuntimeError(f"setWarnOnlyOnce expects a bool, but got {type(b).__name__}")
    WARN_ALWAYS[0] = b


def set_flush_denormal(mode: bool) -> bool:
    """Not supported: XLA decides."""
    return False


def get_float32_matmul_precision() -> str:
    """How precisely float32 matrices are multiplied: "highest", "high" or "medium"."""
    from torchish.ops.matmul import float32_setting

    return float32_setting()


def set_float32_matmul_precision(precision: str) -> None:
    """Let accelerators multiply float32 matrices with fewer bits ("high", "medium"), or not ("highest")."""
    from torchish.engine.program import evaluate_all
    from torchish.ops.matmul import PRECISIONS, set_float32_setting

    if not isinstance(precision, str):
        raise RuntimeError(f"set_float32_matmul_precision expects a str, but got {type(precision).__name__}")
    if precision not in PRECISIONS:
        warnings.warn(
            f"{precision} is not one of 'highest', 'high', or 'medium'; the currentsetFloat32MatmulPrecision call has no effect.",
            stacklevel=2,
        )
        return
    evaluate_all()  # what was called before keeps the precision of before
    set_float32_setting(precision)


def get_device_module(device: Any = None) -> Any:
    """The module of a device, `torch.cpu` or `torch.cuda`; without one, the accelerator's, or the CPU's if there is none."""
    from importlib import import_module

    from torchish.accelerator import current_accelerator

    if device is None:
        kind = (current_accelerator() or _size.device("cpu")).type
    elif isinstance(device, (str, _size.device)):
        kind = _size.device(device).type if isinstance(device, str) else device.type
    else:
        raise RuntimeError(f"Invalid value of device '{device}', expect torch.device, str, or None")
    if kind not in ("cpu", "cuda"):
        raise RuntimeError(f"Device '{kind}' does not have a corresponding module registered as 'torch.{kind}'.")
    return import_module(f"torchish.{kind}")


# What PyTorch was built with; all of it is there, by way of XLA.
has_lapack = has_mkl = has_openmp = has_spectral = True


class OutOfMemoryError(RuntimeError):
    """Exception raised when device is out of memory"""

    __module__ = "torch"


class AcceleratorError(RuntimeError):
    """Exception raised while executing on device"""

    __module__ = "torch"


def typename(obj: Any) -> str:
    """The full name of an object's type; a tensor's is its legacy type."""
    if isinstance(obj, Tensor):
        return obj.type()
    named = obj if hasattr(obj, "__qualname__") or hasattr(obj, "__name__") else type(obj)
    name = getattr(named, "__qualname__", None) or named.__name__
    module = getattr(named, "__module__", "")
    return re.sub(r"^torchish\b", "torch", name if module in ("builtins", "", None) else f"{module}.{name}")


def compiled_with_cxx11_abi() -> bool:
    return True


def _no_op_context(*args: Any, **kwargs: Any) -> contextlib.AbstractContextManager:
    return contextlib.nullcontext()


__all__ = [
    "AcceleratorError", "OutOfMemoryError", "are_deterministic_algorithms_enabled", "compiled_with_cxx11_abi", "get_default_device",
    "get_deterministic_debug_mode", "get_device_module", "get_float32_matmul_precision", "get_num_interop_threads", "get_num_threads",
    "has_lapack", "has_mkl", "has_openmp", "has_spectral", "is_deterministic_algorithms_warn_only_enabled", "is_storage", "is_tensor",
    "is_warn_always_enabled", "set_default_device", "set_default_tensor_type", "set_deterministic_debug_mode",
    "set_float32_matmul_precision", "set_flush_denormal", "set_num_interop_threads", "set_num_threads", "set_warn_always", "typename",
    "use_deterministic_algorithms",
]  # fmt: skip
