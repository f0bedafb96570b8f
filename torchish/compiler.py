"""`torch.compile` and `torch.compiler`: every call here is compiled already, so compiling changes no result."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from torchish.nn import Module


class _Mode(threading.local):
    compiling = False  # inside a call of what `torch.compile` gave


_MODE = _Mode()


_OWN = frozenset({"_orig_mod", "forward", "__dict__"})


class OptimizedModule(Module):
    """A module that `torch.compile` was given: `_orig_mod` is that module, and everything else is passed on to it."""

    __module__ = "torch._dynamo.eval_frame"

    def __init__(self, mod: Module, fullgraph: bool = False):
        object.__setattr__(self, "_ready", False)
        super().__init__()
        self._modules["_orig_mod"] = mod
        object.__setattr__(self, "_call", _captured(mod) if fullgraph else _wrapped(mod))
        object.__setattr__(self, "_ready", True)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's own call."""
        return self.__dict__["_call"](*args, **kwargs)

    @property
    def training(self) -> bool:
        """Whether the module is in training mode."""
        return self._modules["_orig_mod"].training if self.__dict__["_ready"] else True

    @training.setter
    def training(self, value: bool) -> None:
        if self.__dict__["_ready"]:
            self._modules["_orig_mod"].training = value

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return self._modules["_orig_mod"]
        return getattr(self._modules["_orig_mod"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        if not self.__dict__["_ready"] or name == "training" or name in _OWN:
            super().__setattr__(name, value)
        else:
            setattr(self._modules["_orig_mod"], name, value)

    def __delattr__(self, name: str) -> None:
        if name in _OWN:
            super().__delattr__(name)
        else:
            delattr(self._modules["_orig_mod"], name)

    def __len__(self) -> int:
        mod = self._modules["_orig_mod"]
        if hasattr(mod, "__len__"):
            return len(mod)
        raise TypeError(f"{type(mod).__name__} does not support len()")

    def __getstate__(self) -> dict:
        return {**super().__getstate__(), "_call": hasattr(self.__dict__["_call"], "_step")}

    def __setstate__(self, state: dict) -> None:
        mod = state["_modules"]["_orig_mod"]
        self.__dict__.update(state, _call=_captured(mod) if state["_call"] else _wrapped(mod))

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._modules["_orig_mod"])})


def compile(model: Callable | None = None, *, fullgraph: bool = False, dynamic: bool | None = None, backend: Any = None,
            mode: str | None = None, options: dict | None = None, name: str | None = None, disable: bool = False,
            recompile_limit: int | None = None, isolate_recompiles: bool = False, shapes_spec: Any = None) -> Any:  # fmt: skip
    """`model` (a module, a function; a decorator when none is given) with PyTorch's wrapper around it.

    With `fullgraph` each call of it is one program, which later calls run again without running `model`'s Python; looking at
    a value inside is then an error (`torch._dynamo.exc.Unsupported`). Without, calls are as ever. The arguments that tune
    PyTorch's compiler are accepted. RuntimeError when both `mode` and `options` are given.
    """
    if mode is not None and options is not None:
        raise RuntimeError("Either mode or options can be specified, but both can't be specified at the same time.")
    if model is None:
        return functools.partial(compile, fullgraph=fullgraph, backend=backend, mode=mode, options=options, disable=disable)
    if disable:
        return model
    if isinstance(model, OptimizedModule):
        return model
    if isinstance(model, Module):
        return OptimizedModule(model, fullgraph)
    if not callable(model):
        raise AssertionError(f"A callable function is expected, but {type(model)} is provided.")
    if isinstance(model, type):
        return model
    return _captured(model) if fullgraph else _wrapped(model)


def _captured(f: Callable) -> Callable:
    from torchish._compile.step import Step  # nothing of it is needed before

    step = Step(f)
    call = _wrapped(f, step)
    call._step = step  # type: ignore[attr-defined]
    return call


def _wrapped(f: Callable, run: Callable | None = None, compiling: bool = True) -> Callable:
    """`f`, run by `run`, in PyTorch's wrapper; its code runs as compiled code or not."""
    run = run or f

    @functools.wraps(f, assigned=("__module__", "__name__", "__qualname__", "__doc__"), updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        if compiling and set_stance.now == "force_eager":
            return f(*args, **kwargs)
        before, _MODE.compiling = _MODE.compiling, compiling
        try:
            return run(*args, **kwargs)
        finally:
            _MODE.compiling = before

    call._torchdynamo_orig_callable = f  # type: ignore[attr-defined]
    return call


def disable(fn: Callable | None = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """The function, to be left alone by the compiler; a decorator when none is given."""
    if fn is None:
        return functools.partial(disable, recursive=recursive, reason=reason)
    return fn if isinstance(fn, (type, Module)) else _wrapped(fn, compiling=False)


def allow_in_graph(fn: Any) -> Any:
    """The function (or the list of functions): nothing is ever traced, so all are allowed."""
    return [allow_in_graph(f) for f in fn] if isinstance(fn, (list, tuple)) else fn


def assume_constant_result(fn: Callable) -> Callable:
    """The function: its result is computed at every call."""
    return fn


def substitute_in_graph(original_fn: Callable, *, can_constant_fold_through: bool = False, skip_signature_check: bool = False) -> Callable:
    """A decorator that leaves a function as it is: nothing is ever traced, so nothing is substituted."""
    return lambda traceable_fn: traceable_fn


def nested_compile_region(fn: Callable | None = None, **options: Any) -> Any:
    """The function; a decorator when none is given."""
    return nested_compile_region if fn is None else fn


def is_compiling() -> bool:
    """Whether this code runs in a call of what `torch.compile` gave."""
    return _MODE.compiling


def is_dynamo_compiling() -> bool:
    """Whether this code runs in a call of what `torch.compile` gave."""
    return _MODE.compiling


def is_exporting() -> bool:
    """False: no code runs under PyTorch's tracer."""
    return False


def reset() -> None:
    """Nothing to forget: compiled programs stay right."""


def cudagraph_mark_step_begin() -> None:
    """Nothing to mark: results are never overwritten by a later run."""


def list_backends(exclude_tags: tuple[str, ...] = ("debug", "experimental")) -> list[str]:
    """The compilers there are: XLA."""
    return ["openxla"]


_default_backend: list[Any] = ["inductor"]


def get_default_backend() -> Any:
    """The name that `set_default_backend` was given; PyTorch's "inductor" before. It is XLA that compiles."""
    return _default_backend[0]


def set_default_backend(backend: Any) -> None:
    """Remember a name for `get_default_backend`; None: PyTorch's own."""
    _default_backend[0] = "inductor" if backend is None else backend


class set_stance:
    """How what `torch.compile` gave is called from now on, in a `with` block or in the calls of a function: "force_eager" runs it as
    if it were not compiled. The other stances are accepted: they say when PyTorch's compiler is to run again.
    """

    now = "default"

    def __init__(self, stance: str = "default", *, skip_guard_eval_unsafe: bool = False, force_backend: Any = None):
        stances = ("default", "eager_then_compile", "aot_eager_then_compile", "force_eager", "eager_on_recompile", "fail_on_recompile")
        if stance not in stances:
            raise RuntimeError(f"invalid torch.compile stance '{stance}'")
        if force_backend is not None and stance != "default":
            raise RuntimeError("non-default stance cannot have force_backend set")
        self.stance, self.before = stance, set_stance.now
        set_stance.now = stance

    def __enter__(self) -> None:
        set_stance.now = self.stance

    def __exit__(self, *exc: Any) -> None:
        set_stance.now = self.before

    def __call__(self, fn: Callable) -> Callable:
        set_stance.now = self.before

        @functools.wraps(fn)
        def call(*args: Any, **kwargs: Any) -> Any:
            with set_stance(self.stance):
                return fn(*args, **kwargs)

        return call


__all__ = [
    "allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin", "disable", "get_default_backend", "is_compiling",
    "is_dynamo_compiling", "is_exporting", "list_backends", "nested_compile_region", "reset", "set_default_backend", "set_stance",
    "substitute_in_graph",
]  # fmt: skip
