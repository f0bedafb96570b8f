"""`torch.autocast`: regions in which products run in a lower precision and sensitive functions in float32."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish import cuda
from torchish._tensor import autocast as _casts
from torchish._tensor.size import device as _device
from torchish._tensor.tensor import Tensor

__all__ = ["autocast", "autocast_decorator", "custom_bwd", "custom_fwd", "is_autocast_available"]

_STATE = _casts.STATE


# --- the state, as the torch namespace shows it --------------------------------------------------------------


def _known(device_type: str, message: str) -> str:
    """The device type; RuntimeError for those without autocast."""
    kind = _type(device_type)
    if kind not in _casts.DEFAULT_DTYPES:
        raise RuntimeError(message)
    return kind


def _type(device_type: str) -> str:
    # the devices that torchish has no name for still have a setting
    return device_type if device_type in _casts.DEFAULT_DTYPES else _device(device_type).type


_NO_KEY = "unknown device type for autocast in get_autocast_dispatch_key_from_device_type"


def is_autocast_available(device_type: str) -> bool:
    """Whether a type of device has autocast."""
    if not isinstance(device_type, str):
        kind = type(device_type).__name__
        raise TypeError(f"_is_autocast_available(): argument 'device_type' (position 1) must be str, not {kind}")
    return _type(device_type) in _casts.DEFAULT_DTYPES


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether autocast is on for a type of device ("cuda" if none is named)."""
    return _STATE.enabled.get(_known("cuda" if device_type is None else device_type, _NO_KEY), False)


def _setter(name: str, kind: type, args: tuple, what: str, device_type: str) -> tuple[str, Any]:
    if not 1 <= len(args) <= 2:
        raise TypeError(f"{name}() takes one or two arguments ({len(args)} given)")
    value = args[-1]
    if not isinstance(value, kind):
        raise TypeError(
            f"{name}(): argument '{what}' (position {len(args)}) must be {'bool' if kind is bool else 'torch.dtype'}, "
            f"not {type(value).__name__}"
        )
    return _known(args[0] if len(args) == 2 else device_type, _NO_KEY), value


def set_autocast_enabled(*args: Any, **kwargs: Any) -> None:
    """Switch autocast on or off: `(device_type, enabled)`, or `(enabled)` for "cuda"."""
    args += tuple(kwargs[k] for k in ("device_type", "enabled") if k in kwargs)
    _casts.set_enabled(*_setter("set_autocast_enabled", bool, args, "enabled", "cuda"))


def get_autocast_dtype(device_type: str) -> dt.dtype:
    """The dtype that products have inside autocast."""
    return _STATE.dtypes[_known(device_type, "unsupported scalarType")]


def set_autocast_dtype(device_type: str, dtype: dt.dtype) -> None:
    """Set the dtype that products have inside autocast."""
    kind, value = _setter("set_autocast_dtype", dt.dtype, (device_type, dtype), "dtype", "cuda")
    _STATE.dtypes[kind] = value


def is_autocast_cache_enabled() -> bool:
    """Whether the casts of parameters are kept within a region."""
    return _STATE.cache_enabled


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Keep the casts of parameters within a region, or do not."""
    _STATE.cache_enabled = enabled


def clear_autocast_cache() -> None:
    """Forget the casts of parameters."""
    _casts.clear_cache()


def autocast_increment_nesting() -> int:
    """Enter one more region; how many there are."""
    _STATE.nesting += 1
    return _STATE.nesting


def autocast_decrement_nesting() -> int:
    """Leave a region; how many are left."""
    _STATE.nesting -= 1
    return _STATE.nesting


def _deprecated(old: str, new: str) -> None:
    warnings.warn(f"torch.{old} is deprecated. Please use torch.{new} instead.", DeprecationWarning, stacklevel=3)


def is_autocast_cpu_enabled() -> bool:
    """Whether autocast is on for the CPU; deprecated."""
    _deprecated("is_autocast_cpu_enabled()", "is_autocast_enabled('cpu')")
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """Switch autocast on or off for the CPU; deprecated."""
    _deprecated("set_autocast_cpu_enabled(enabled)", "set_autocast_enabled('cpu', enabled)")
    _casts.set_enabled("cpu", enabled)


def get_autocast_cpu_dtype() -> dt.dtype:
    """The dtype of products inside autocast on the CPU; deprecated."""
    _deprecated("get_autocast_cpu_dtype()", "get_autocast_dtype('cpu')")
    return _STATE.dtypes["cpu"]


def set_autocast_cpu_dtype(dtype: dt.dtype) -> None:
    """Set the dtype of products inside autocast on the CPU; deprecated."""
    _deprecated("set_autocast_cpu_dtype(dtype)", "set_autocast_dtype('cpu', dtype)")
    set_autocast_dtype("cpu", dtype)


def get_autocast_gpu_dtype() -> dt.dtype:
    """The dtype of products inside autocast on a GPU; deprecated."""
    _deprecated("get_autocast_gpu_dtype()", "get_autocast_dtype('cuda')")
    return _STATE.dtypes["cuda"]


def set_autocast_gpu_dtype(dtype: dt.dtype) -> None:
    """Set the dtype of products inside autocast on a GPU; deprecated."""
    _deprecated("set_autocast_gpu_dtype(dtype)", "set_autocast_dtype('cuda', dtype)")
    set_autocast_dtype("cuda", dtype)


# --- regions -----------------------------------------------------------------------------------------------


def autocast_decorator(autocast_instance: autocast, func: Callable) -> Callable:
    """`func`, whose calls are regions of `autocast_instance`."""

    @functools.wraps(func)
    def decorate_autocast(*args: Any, **kwargs: Any) -> Any:
        with autocast_instance:
            return func(*args, **kwargs)

    return decorate_autocast


class autocast:
    """A region, a `with` block or a decorated function, in which functions choose the dtypes that they compute in.

    `dtype` is that of products (the default is bfloat16 on the CPU and float16 on a GPU); regions nest, and
    `enabled=False` makes one without casts. Outside of it the tensors keep the dtypes that they got.
    """

    def __init__(self, device_type: str, dtype: dt.dtype | None = None, enabled: bool = True, cache_enabled: bool | None = None):
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        self.device = device_type
        if not is_autocast_available(device_type):
            raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
        self._cache_enabled = is_autocast_cache_enabled() if cache_enabled is None else cache_enabled
        supported = [dt.bfloat16, dt.float16]
        if enabled and device_type == "cuda":
            if not cuda.is_available():
                warnings.warn("CUDA is not available or torch_xla is imported. Disabling autocast.", stacklevel=2)
                enabled = False
        elif enabled and self.fast_dtype not in supported:
            name = device_type.upper()
            warnings.warn(
                f"In {name} autocast, but the target dtype is not supported. Disabling autocast.\n"
                f"{name} Autocast only supports dtypes of {', '.join(map(str, supported))} currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled

    def __enter__(self) -> autocast:
        self.prev_cache_enabled = is_autocast_cache_enabled()
        self.prev = is_autocast_enabled(self.device)
        self.prev_fastdtype = get_autocast_dtype(self.device)
        set_autocast_enabled(self.device, self._enabled)
        set_autocast_dtype(self.device, self.fast_dtype)
        autocast_increment_nesting()
        set_autocast_cache_enabled(self._cache_enabled)
        return self

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        if autocast_decrement_nesting() == 0:
            clear_autocast_cache()
        set_autocast_enabled(self.device, self.prev)
        set_autocast_dtype(self.device, self.prev_fastdtype)
        set_autocast_cache_enabled(self.prev_cache_enabled)

    def __call__(self, func: Callable) -> Callable:
        if not callable(func):
            raise TypeError(
                f"autocast()(func) requires a callable, but got {type(func).__name__}. "
                "Did you mean to use autocast as a context manager? For example:\n"
                "    with torch.autocast(device_type=...):\n"
                "        output = model(input)"
            )
        return autocast_decorator(self, func)


# --- functions with derivatives of their own -----------------------------------------------------------------


def _cast(value: Any, device_type: str, dtype: dt.dtype) -> Any:
    """A tensor, or the tensors in containers, in `dtype`, where they are float (not float64) and on such a device."""
    if isinstance(value, Tensor):
        eligible = value.is_floating_point() and value.device.type == device_type and value.dtype is not dt.float64
        return value.to(dtype) if eligible else value
    if isinstance(value, (str, bytes, np.ndarray)):
        return value
    if isinstance(value, Mapping):
        return {_cast(k, device_type, dtype): _cast(v, device_type, dtype) for k, v in value.items()}
    if isinstance(value, Iterable):
        made = (_cast(v, device_type, dtype) for v in value)
        return type(value)(made) if isinstance(value, (list, tuple)) else made  # type: ignore[call-arg]
    return value


def _check_device_type(device_type: Any) -> None:
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")


def custom_fwd(fwd: Callable | None = None, *, device_type: str, cast_inputs: dt.dtype | None = None) -> Any:
    """A decorator for `forward` of an `autograd.Function`: with `cast_inputs`, in a region, its float tensors come in that dtype
    and it runs without autocast."""
    _check_device_type(device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def decorate_fwd(*args: Any, **kwargs: Any) -> Any:
        args[0]._dtype = get_autocast_dtype(device_type)
        on = is_autocast_enabled(device_type)
        args[0]._fwd_used_autocast = on and cast_inputs is None
        if cast_inputs is None or not on:
            return fwd(*args, **kwargs)
        with autocast(device_type=device_type, enabled=False):
            return fwd(*_cast(args, device_type, cast_inputs), **_cast(kwargs, device_type, cast_inputs))

    return decorate_fwd


def custom_bwd(bwd: Callable | None = None, *, device_type: str) -> Any:
    """A decorator for `backward` of an `autograd.Function`: it runs with autocast as `forward` did."""
    _check_device_type(device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def decorate_bwd(*args: Any, **kwargs: Any) -> Any:
        with autocast(device_type=device_type, enabled=args[0]._fwd_used_autocast, dtype=args[0]._dtype):
            return bwd(*args, **kwargs)

    return decorate_bwd
