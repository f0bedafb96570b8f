"""`torch.jit`: what is scripted or traced runs as Python, whose operations XLA compiles in any case.

There is no TorchScript: no graph, no code and no files of it. The package gives the objects that programs use in passing:
functions and modules that compute and print what PyTorch's do, and its warnings.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import os
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, NoReturn
from typing import Final as Final

from torchish._runner import missing_attribute
from torchish._tensor.warn import warn_user
from torchish.futures import Future
from torchish.jit import _trace as _tracing
from torchish.jit._modules import RecursiveScriptModule as RecursiveScriptModule
from torchish.jit._modules import ScriptModule, frozen, scripted
from torchish.jit._modules import TopLevelTracedModule as TopLevelTracedModule
from torchish.jit._modules import TracedModule as TracedModule
from torchish.jit._state import ScriptFunction, absent, is_scripting, say_deprecated
from torchish.jit._state import is_tracing as is_tracing
from torchish.jit._trace import TracerWarning as TracerWarning
from torchish.jit._trace import TracingCheckError as TracingCheckError
from torchish.nn import Module


class Error(Exception):
    """An error within TorchScript; here errors are Python's own."""


class ScriptWarning(Warning):
    """A warning of TorchScript's compiler."""


class Attribute(NamedTuple):
    """A value and its type."""

    value: Any
    type: Any


def _warn_of_optimize(optimize: Any) -> None:
    if optimize is not None:
        warn_user("`optimize` is deprecated and has no effect. Use `with torch.jit.optimized_execution()` instead", FutureWarning)


def script(obj: Any, optimize: Any = None, _frames_up: int = 0, _rcb: Any = None, example_inputs: Any = None) -> Any:
    """A function or module that computes what `obj` does; classes and containers are given back."""
    say_deprecated("script", "switch to `torch.compile` or `torch.export`")
    _warn_of_optimize(optimize)
    if builtins.isinstance(obj, (Module, ScriptFunction)):
        return scripted(obj) if builtins.isinstance(obj, Module) else obj
    if inspect.isclass(obj):
        if issubclass(obj, Module):
            raise RuntimeError(f"Type '{obj}' cannot be compiled since it inherits from nn.Module, pass an instance instead")
        return obj
    if inspect.isroutine(obj):
        return ScriptFunction(obj, obj.__name__, scripted=True)
    if type(obj).__module__ == "builtins" and not builtins.isinstance(obj, (list, dict)):
        raise TypeError(f"{type(obj)} is a built-in class")
    return obj


def trace(
    func: Any, example_inputs: Any = None, optimize: Any = None, check_trace: bool = True, check_inputs: Any = None,
    check_tolerance: float = 1e-5, strict: bool = True, _force_outplace: bool = False, _module_class: Any = None,
    _compilation_unit: Any = None, example_kwarg_inputs: dict | None = None, _store_inputs: bool = True,
) -> Any:  # fmt: skip
    """A function or module that computes what `func` does, which is called with the examples as PyTorch calls it."""
    say_deprecated("trace", "switch to `torch.compile` or `torch.export`")
    _warn_of_optimize(optimize)
    if builtins.isinstance(func, (ScriptModule, ScriptFunction)):
        warn_user("The input to trace is already a ScriptModule, tracing it is a no-op. Returning the object as is.")
        return func
    check = check_tolerance if check_trace else None
    if builtins.isinstance(func, Module):
        return _tracing.module(func, {"forward": example_inputs}, check, strict, example_kwarg_inputs)
    owner = getattr(func, "__self__", None)
    if builtins.isinstance(owner, Module) and func.__name__ == "forward":
        return _tracing.module(owner, {"forward": example_inputs}, check, strict, example_kwarg_inputs)
    return _tracing.function(func, example_inputs, check, strict, example_kwarg_inputs)


def trace_module(
    mod: Any, inputs: Any, optimize: Any = None, check_trace: bool = True, check_inputs: Any = None, check_tolerance: float = 1e-5,
    strict: bool = True, _force_outplace: bool = False, _module_class: Any = None, _compilation_unit: Any = None,
    example_inputs_is_kwarg: bool = False, _store_inputs: bool = True,
) -> Any:  # fmt: skip
    """`trace` of several methods of a module: `inputs` are examples by the method's name."""
    _warn_of_optimize(optimize)
    kwargs = next(iter(inputs.values())) if example_inputs_is_kwarg else None
    return _tracing.module(mod, inputs, check_tolerance if check_trace else None, strict, kwargs)


def _require_script_module(mod: Any, what: str) -> None:
    if not builtins.isinstance(mod, ScriptModule):
        raise RuntimeError(
            f"{what} expects a ScriptModule as input. Please use torch.jit.script or torch.jit.trace to script your 'nn.Module'."
        )


def freeze(mod: Any, preserved_attrs: list[str] | None = None, optimize_numerics: bool = True) -> Any:
    """A copy of a module in evaluation mode whose parameters are constants."""
    say_deprecated("freeze", "use `torch.compile`")
    _require_script_module(mod, "Freezing")
    if mod.training:
        raise RuntimeError(
            "Freezing is currently only implemented for modules in eval mode. Please call .eval() on your module before freezing."
        )
    return frozen(mod, preserved_attrs or ())


def optimize_for_inference(mod: Any, other_methods: list[str] | None = None) -> Any:
    """The module frozen, if it is not yet."""
    say_deprecated("optimize_for_inference", "use `torch.compile`")
    _require_script_module(mod, "optimize_for_inference")
    return freeze(mod.eval(), other_methods) if hasattr(mod, "training") else mod


def script_if_tracing(fn: Callable) -> Callable:
    """A function that computes what `fn` does."""

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    wrapper.__original_fn = fn  # type: ignore[attr-defined]
    wrapper.__script_if_tracing_wrapper = True  # type: ignore[attr-defined]
    return wrapper


def script_method(fn: Callable) -> Callable:
    """Marks a method of a ScriptModule; it stays as it is."""
    say_deprecated("script_method", "switch to `torch.compile` or `torch.export`")
    return fn


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """Marks a function that TorchScript leaves to Python; it stays as it is."""
    if callable(drop):
        return drop
    if not builtins.isinstance(drop, bool):
        raise RuntimeError(f"Argument to @torch.jit.ignore must be a bool or a function but got {drop}")
    old = "drop_on_export=True" if kwargs.get("drop_on_export") else "True" if drop else ""
    if old:
        warn_user(
            f"ignore({old}) has been deprecated. TorchScript will now drop the function call on compilation. "
            "Use torch.jit.unused now. {}",
            FutureWarning,
        )
    return lambda fn: fn


def unused(fn: Any) -> Any:
    """Marks a method that TorchScript leaves out; it stays as it is."""
    return fn


def export(fn: Any) -> Any:
    """Marks a method that TorchScript compiles too; it stays as it is."""
    return fn


def interface(obj: Any) -> Any:
    """Marks a class that says which methods others have; it stays as it is."""
    say_deprecated("interface", "use `torch.compile`")
    if not inspect.isclass(obj):
        raise RuntimeError("interface must be applied to a class")
    if len(obj.mro()) > 2 and not (issubclass(obj, Module) and len(obj.mro()) == 3):
        raise RuntimeError("TorchScript interface does not support inheritance yet. Please directly inherit from 'object' or 'nn.Module'.")
    return obj


def _overload(fn: Any) -> Any:
    return fn


_overload_method = _overload


def annotate(the_type: Any, the_value: Any) -> Any:
    """`the_value`."""
    return the_value


def fork(func: Callable, *args: Any, **kwargs: Any) -> Future:
    """The future of `func`'s value, which is computed at once."""
    say_deprecated("fork", "use `torch.compile`")
    future: Future = Future()
    future.set_result(func(*args, **kwargs))
    return future


def wait(future: Future) -> Any:
    """A future's value."""
    say_deprecated("wait", "use `torch.compile`")
    return future.wait()


_fork, _wait = fork, wait

_WITHOUT_CONTENTS = {
    list: "list", dict: "dict", tuple: "tuple", typing.List: "List", typing.Dict: "Dict", typing.Tuple: "Tuple",  # noqa: UP006
    typing.Optional: "Optional",
}  # fmt: skip


def isinstance(obj: Any, target_type: Any) -> bool:
    """Whether `obj` is of a type, which may say what containers hold."""
    if type(target_type) is tuple:
        return any(isinstance(obj, t) for t in target_type)
    name = _WITHOUT_CONTENTS.get(target_type)
    if name is not None:
        contents, example = ("contained types", "int, int") if name.endswith("ict") else ("a contained type", "int")
        raise RuntimeError(f"Attempted to use {name} without {contents}. Please add {contents}, e.g. {name}[{example}]")
    origin, of = typing.get_origin(target_type), typing.get_args(target_type)
    if origin is None:
        return builtins.isinstance(obj, target_type)
    if origin not in (list, dict, tuple):  # Optional and Union
        return any(isinstance(obj, t) for t in of)
    if builtins.isinstance(obj, (list, dict, tuple)) and not obj:
        warn_user(
            "The inner type of a container is lost when calling torch.jit.isinstance in eager mode. For example, List[int] would "
            "become list and therefore falsely return True for List[float] or List[str]."
        )
    if not builtins.isinstance(obj, origin):
        return False
    if origin is dict:
        return all(isinstance(k, of[0]) and isinstance(v, of[1]) for k, v in obj.items())
    if origin is list:
        return all(isinstance(v, of[0]) for v in obj)
    return len(obj) == len(of) and all(map(isinstance, obj, of))


class strict_fusion:
    """Accepted: XLA decides what it fuses."""

    def __init__(self) -> None:
        if not is_scripting():
            warn_user("Only works in script mode")

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: Any) -> None:
        pass


@contextmanager
def optimized_execution(should_optimize: bool) -> Iterator[None]:
    """Accepted: XLA optimizes everything."""
    yield


@contextmanager
def fuser(name: str) -> Iterator[None]:
    """Accepted: XLA decides what it fuses."""
    if name not in ("fuser0", "fuser1", "fuser2", "fuser3"):
        raise Exception(f"unrecognized fuser option (name: {name})")
    yield


_strategy = [("STATIC", 2), ("DYNAMIC", 10)]
_onednn = [False]


def set_fusion_strategy(strategy: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Accepted, without effect; gives the strategy before."""
    say_deprecated("set_fusion_strategy", "use `torch.compile`")
    before = list(_strategy)
    _strategy[:] = strategy
    return before


_set_fusion_strategy = set_fusion_strategy


def enable_onednn_fusion(enabled: bool) -> None:
    """Accepted, without effect."""
    _onednn[0] = enabled


def onednn_fusion_enabled() -> bool:
    """What `enable_onednn_fusion` was given last."""
    return _onednn[0]


def save(m: Any, f: Any, _extra_files: Any = None) -> NoReturn:
    """NotImplementedError: there are no files of TorchScript."""
    say_deprecated("save", "switch to `torch.export`")
    absent("torch.jit.save")


def load(f: Any, map_location: Any = None, _extra_files: Any = None, _restore_shapes: bool = False) -> NoReturn:
    """NotImplementedError: there are no files of TorchScript."""
    say_deprecated("load", "switch to `torch.export`")
    if builtins.isinstance(f, (str, os.PathLike)):
        if not os.path.exists(f):
            raise ValueError(f"The provided filename {f} does not exist")
        if os.path.isdir(f):
            raise ValueError(f"The provided filename {f} is a directory")
    absent("torch.jit.load")


Error.__module__ = strict_fusion.__module__ = "torch.jit"
ScriptWarning.__module__ = Attribute.__module__ = "torch.jit._script"


def __getattr__(name: str) -> Any:
    raise missing_attribute(__name__, name)


__all__ = [
    "Attribute", "Error", "Future", "ScriptFunction", "ScriptModule", "annotate", "enable_onednn_fusion", "export", "fork", "freeze",
    "ignore", "interface", "isinstance", "load", "onednn_fusion_enabled", "optimize_for_inference", "save", "script",
    "script_if_tracing", "set_fusion_strategy", "strict_fusion", "trace", "trace_module", "unused", "wait",
]  # fmt: skip
