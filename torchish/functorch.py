"""`functorch`, the package in which `torch.func` began: its deprecated functions, for programs that still import them."""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torchish
from torchish import func as _func
from torchish._tensor.tensor import Tensor
from torchish.nn.modules.module import Module
from torchish.nn.parameter import Parameter
from torchish.nn.utils import stateless

__version__ = torchish.__version__


def _deprecated(new: str) -> Callable[[Callable], Callable]:
    """A decorator: calls of the function warn that PyTorch's function `new` is the one to use."""

    def decorate(f: Callable) -> Callable:
        message = (
            f"We've integrated functorch into PyTorch. As the final step of the integration, `functorch.{f.__name__}` is deprecated as of "
            f"PyTorch 2.0 and will be deleted in a future version of PyTorch >= 2.3. Please use `{new}` instead; see the PyTorch 2.0 "
            "release notes and/or the `torch.func` migration guide for more details https://pytorch.org/docs/main/func.migrating.html"
        )

        @functools.wraps(f)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            warnings.warn(message, FutureWarning, stacklevel=2)
            return f(*args, **kwargs)

        wrapper.__module__ = "torch._functorch.deprecated"
        return wrapper

    return decorate


functionalize, grad, grad_and_value, hessian, jacfwd, jacrev, jvp, vjp = (
    _deprecated(f"torch.func.{f.__name__}")(f)
    for f in (_func.functionalize, _func.grad, _func.grad_and_value, _func.hessian, _func.jacfwd, _func.jacrev, _func.jvp, _func.vjp)
)
vmap = _deprecated("torch.vmap")(_func.vmap)


def _take(model: Module, tables: str, found: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors found, by name; `meta` tensors take their places in the model's tables (`_parameters` or `_buffers`)."""
    taken = dict(found)
    places: dict[int, Tensor] = {}
    for module in model.modules():
        table = getattr(module, tables)
        for name, t in table.items():
            if t is not None:
                if id(t) not in places:
                    place = torchish.empty_like(t, device="meta")
                    places[id(t)] = Parameter(place) if isinstance(t, Parameter) else place
                table[name] = places[id(t)]
    return taken


class _Functional(Module):
    """A module as a function of the tensors that are its state."""

    def __init__(self, stateless_model: Module, param_names: Iterable[str], buffer_names: Iterable[str] = ()) -> None:
        super().__init__()
        self.stateless_model = stateless_model
        self.param_names = tuple(param_names)
        self.buffer_names = tuple(buffer_names)

    def _call(self, values: Iterable[Tensor], args: tuple, kwargs: dict[str, Any]) -> Any:
        names = self.param_names + self.buffer_names
        return stateless._functional_call(self.stateless_model, dict(zip(names, values, strict=False)), args, kwargs)


class FunctionalModule(_Functional):
    """What `make_functional` returns: called with the parameters and the module's arguments."""

    def forward(self, params: Iterable[Tensor], *args: Any, **kwargs: Any) -> Any:
        return self._call(params, args, kwargs)


class FunctionalModuleWithBuffers(_Functional):
    """What `make_functional_with_buffers` returns: called with the parameters, the buffers and the module's arguments."""

    def forward(self, params: Iterable[Tensor], buffers: Iterable[Tensor], *args: Any, **kwargs: Any) -> Any:
        return self._call((*params, *buffers), args, kwargs)


for _c in (FunctionalModule, FunctionalModuleWithBuffers):
    _c.__module__ = "functorch"


def _split(model: Module, untracked: bool) -> tuple[FunctionalModuleWithBuffers, tuple[Tensor, ...], tuple[Tensor, ...]]:
    stateless_model = copy.deepcopy(model)
    params = _take(stateless_model, "_parameters", stateless_model.named_parameters())
    buffers = _take(stateless_model, "_buffers", stateless_model.named_buffers())
    if untracked:
        for p in params.values():
            p.requires_grad_(False)
    return FunctionalModuleWithBuffers(stateless_model, params, buffers), tuple(params.values()), tuple(buffers.values())


@_deprecated("torch.func.functional_call")
def make_functional(model: Module, disable_autograd_tracking: bool = False) -> tuple[FunctionalModule, tuple[Tensor, ...]]:
    """(func, params): a copy of a module as a function of its parameters, and copies of these.

    `disable_autograd_tracking`: they do not require gradients. Raises RuntimeError for a module with buffers.
    """
    if any(True for _ in model.buffers()):
        raise RuntimeError("make_functional(model): `model` has buffers. Please use make_functional_with_buffers(model) instead.")
    func, params, _ = _split(model, disable_autograd_tracking)
    return FunctionalModule(func.stateless_model, func.param_names), params


@_deprecated("torch.func.functional_call")
def make_functional_with_buffers(
    model: Module, disable_autograd_tracking: bool = False
) -> tuple[FunctionalModuleWithBuffers, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """(func, params, buffers): a copy of a module as a function of its state, and copies of this; see `make_functional`."""
    return _split(model, disable_autograd_tracking)


@_deprecated("torch.func.stack_module_state")
def combine_state_for_ensemble(
    models: Sequence[Module],
) -> tuple[FunctionalModuleWithBuffers, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """(func, params, buffers) of several modules of one class, whose tensors are stacked in a new first dimension.

    Raises RuntimeError for no modules, or modules of different classes or modes.
    """
    if len(models) == 0:
        raise RuntimeError("combine_state_for_ensemble: Expected at least one model, got 0.")
    if not (all(m.training for m in models) or all(not m.training for m in models)):
        raise RuntimeError("combine_state_for_ensemble: Expected all models to have the same training/eval mode.")
    if not all(type(m) is type(models[0]) for m in models):
        raise RuntimeError("combine_state_for_ensemble: Expected all models to be of the same class.")
    parts = [_split(m, untracked=False) for m in models]
    params, buffers = (tuple(torchish.stack(shards).detach() for shards in zip(*(p[k] for p in parts), strict=True)) for k in (1, 2))
    return parts[0][0], params, buffers


__all__ = [
    "FunctionalModule", "FunctionalModuleWithBuffers", "combine_state_for_ensemble", "functionalize", "grad", "grad_and_value", "hessian",
    "jacfwd", "jacrev", "jvp", "make_functional", "make_functional_with_buffers", "vjp", "vmap",
]  # fmt: skip
