"""Modules that were scripted, traced or frozen.

Each has a copy of the module that it was made of, with the same parameters and buffers, and with children that were made the same
way; calls and attributes are that copy's. It is no instance of the module's class, as in PyTorch, and prints as PyTorch's.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from torchish.jit._state import absent, needs_graph, running
from torchish.nn import Module

_HOOKS = ("_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks",
          "_forward_pre_hooks_with_kwargs")  # fmt: skip


class _ScriptMeta(type):
    """Scripts the children of a user's ScriptModule, once it is made."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        made = super().__call__(*args, **kwargs)
        if not isinstance(made, _Made):
            made._modules.update({name: m if m is None else scripted(m) for name, m in made._modules.items()})
        return made


@needs_graph
class ScriptModule(Module, metaclass=_ScriptMeta):
    """A module that a program writes for TorchScript; it runs as any module does."""

    def define(self, src: str) -> None:
        """NotImplementedError: sources are not compiled."""
        absent("ScriptModule.define")


class _Made(ScriptModule):
    """A module made of another one, whose copy `_inner` does the work."""

    def __init__(self, module: Module, memo: dict[int, Module]):
        super().__init__()
        memo[id(module)] = self
        inner = object.__new__(type(module))
        d = self.__dict__
        d["_inner"] = inner
        inner.__dict__.update(module.__dict__)
        d["_parameters"], d["_buffers"] = dict(module._parameters), dict(module._buffers)
        d["_modules"] = {name: self._of_child(m, memo) for name, m in module._modules.items()}
        d["_non_persistent_buffers_set"] = set(module._non_persistent_buffers_set)
        d["training"] = module.training
        d.update((name, copy.copy(module.__dict__[name])) for name in _HOOKS)
        inner.__dict__.update((name, d[name]) for name in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"))

    @classmethod
    def _of_child(cls, module: Module | None, memo: dict[int, Module]) -> Module | None:
        if module is None or isinstance(module, ScriptModule):
            return module
        return memo[id(module)] if id(module) in memo else cls(module, memo)

    @property
    def original_name(self) -> str:
        """The name of the class that this was made of."""
        return type(self.__dict__["_inner"]).__name__

    def extra_repr(self) -> str:
        """The original's name."""
        return f"original_name={self.original_name}"

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The original's own."""
        return self.__dict__["_inner"].forward(*args, **kwargs)

    def _apply(self, *args: Any, **kwargs: Any) -> Any:
        self.__dict__["_inner"]._apply(*args, **kwargs)
        return self

    def __getattr__(self, name: str) -> Any:
        inner = self.__dict__.get("_inner")
        if inner is None or (name[:2] == "__" and name[-2:] == "__"):
            return super().__getattr__(name)
        try:
            return getattr(inner, name)
        except AttributeError:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'") from None

    def __setattr__(self, name: str, value: Any) -> None:
        d = self.__dict__
        inner = d.get("_inner")
        if inner is None:
            super().__setattr__(name, value)
        elif name == "training":
            self._set_training(value)
        elif name in d["_modules"] and not isinstance(value, ScriptModule):
            raise RuntimeError(
                f"Cannot re-assign modules in a ScriptModule with non-scripted module, tried to replace existing module '{name}': {value}"
            )
        elif any(name in held for held in (d["_parameters"], d["_buffers"], d["_modules"], inner.__dict__)):
            setattr(inner, name, value)
        else:
            super().__setattr__(name, value)

    def _set_training(self, value: bool) -> None:
        self.__dict__["training"] = value

    def __iter__(self) -> Iterator:
        return iter(self.__dict__["_inner"])

    def __len__(self) -> int:
        return len(self.__dict__["_inner"])

    def __getitem__(self, index: Any) -> Any:
        return self.__dict__["_inner"][index]

    def __contains__(self, key: Any) -> bool:
        return key in self.__dict__["_inner"]

    def __bool__(self) -> bool:
        return True

    def __deepcopy__(self, memo: dict) -> Module:
        made = object.__new__(type(self))
        memo[id(self)] = made
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return made

    def __reduce_ex__(self, protocol: Any) -> Any:
        where = type(self.__dict__["_inner"]).__module__
        name = ".".join(["__torch__", *([] if where == "__main__" else [where]), self.original_name])
        raise RuntimeError(f"Tried to serialize object {name} which does not have a __getstate__ method defined!")


class RecursiveScriptModule(_Made):
    """What `torch.jit.script` makes of a module."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The original's own."""
        with running(scripting=True):
            return self.__dict__["_inner"].forward(*args, **kwargs)

    def _set_training(self, value: bool) -> None:
        self.__dict__["training"] = self.__dict__["_inner"].training = value


class TracedModule(_Made):
    """A part of what `torch.jit.trace` makes of a module: it goes on in the mode, training or not, that it was traced in."""

    def _get_name(self) -> str:
        return self.original_name


class TopLevelTracedModule(TracedModule):
    """What `torch.jit.trace` makes of a module."""

    @classmethod
    def _of_child(cls, module: Module | None, memo: dict[int, Module]) -> Module | None:
        return TracedModule._of_child(module, memo)


def scripted(module: Module) -> Module:
    """The module as `torch.jit.script` gives it."""
    return module if isinstance(module, ScriptModule) else RecursiveScriptModule(module, {})


class _Constant:
    """What a frozen module calls: nothing of it shows but what is to be preserved."""

    def __init__(self, module: Module, preserved: Iterable[str]):
        self._module = module
        self.__dict__.update((name, getattr(module, name)) for name in preserved)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._module(*args, **kwargs)

    def _apply(self, *args: Any, **kwargs: Any) -> None:
        """Constants stay where they are."""


def frozen(module: Module, preserved: Iterable[str]) -> Module:
    """The module as `torch.jit.freeze` gives it."""
    name = module.original_name if isinstance(module, _Made) else type(module).__name__
    made = object.__new__(RecursiveScriptModule)
    Module.__init__(made)
    del made.__dict__["training"]
    made.__dict__["_inner"] = type(name, (_Constant,), {})(copy.deepcopy(module).requires_grad_(False), preserved)
    return made


for _cls in (ScriptModule, RecursiveScriptModule):
    _cls.__module__ = "torch.jit._script"
for _cls in (TracedModule, TopLevelTracedModule):
    _cls.__module__ = "torch.jit._trace"
