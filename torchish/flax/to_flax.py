"""torchish modules as Flax modules, of `flax.linen` and of `flax.nnx`."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import flax.linen as linen
import jax
from flax import nnx
from flax.errors import InvalidRngError

from torchish.flax import _call
from torchish.nn.modules.module import Module

STATISTICS, BUFFERS = "batch_stats", "buffers"


def to_flax(module: Module, api: str = "linen") -> tuple[Any, Any]:
    """A Flax module that computes what `module` does, and its variables with the present values.

    `api="linen"`: (flax.linen.Module, {"params": …, "batch_stats": …, "buffers": …}), the last two where the module has such
    state. `apply(variables, *inputs, train=False)`; in training give `rngs={"dropout": key}` and `mutable=["batch_stats"]` as with
    any Flax module. `api="nnx"`: (flax.nnx.Module, its nnx.State).
    Names, shapes and layouts are PyTorch's. The torchish module is copied, and shares nothing with the result.
    """
    module = copy.deepcopy(module)
    if api == "nnx":
        net = NNXModule(module)
        return net, nnx.state(net)
    if api != "linen":
        raise ValueError(f"api must be 'linen' or 'nnx', got {api!r}")
    statistics, others = _call.buffers_of(module)
    variables = {"params": _call.nested(_values(_call.parameters_of(module)))}
    for collection, tensors in ((STATISTICS, statistics), (BUFFERS, others)):
        if tensors:
            variables[collection] = _call.nested(_values(tensors))
    return LinenModule(module), variables


def _values(tensors: dict) -> dict[str, jax.Array]:
    return {name: _call.value_of(t) for name, t in tensors.items()}


def to_torch(module: Module, variables: Any) -> Module:
    """A copy of a torchish module with the values that a Flax module of `to_flax` has come to.

    `variables`: those of `flax.linen`, or an nnx module or its state.
    """
    import torchish

    module = copy.deepcopy(module)
    if isinstance(variables, Mapping):
        values = {k: v for tree in variables.values() for k, v in _call.flat(tree).items()}
    else:
        state = nnx.state(variables) if isinstance(variables, nnx.Module) else variables
        values = {".".join(map(str, path)): _raw(v) for path, v in nnx.to_flat_state(state)}
    with torchish.no_grad():
        for name, t in [*module.named_parameters(), *module.named_buffers()]:
            t.copy_(_call.to_tensors(values[name]))
    return module


def _raw(v: Any) -> Any:
    return v.get_value() if isinstance(v, nnx.Variable) else v


class LinenModule(linen.Module):
    """A torchish module as a `flax.linen.Module`. `train` puts it in training mode for the call."""

    torch: Any

    @linen.compact
    def __call__(self, *args: Any, train: bool = False, **kwargs: Any) -> Any:
        module = self.torch
        statistics, others = _call.buffers_of(module)
        values: dict[str, Any] = {}
        for name, start in _call.nested(_call.parameters_of(module)).items():
            values |= _call.flat({name: self.param(name, lambda key, start=start: _starting(start))})
        held = {}
        for collection, tensors in ((STATISTICS, statistics), (BUFFERS, others)):
            for name, start in _call.nested(tensors).items():
                held[collection, name] = variable = self.variable(collection, name, lambda start=start: _starting(start))
                values |= _call.flat({name: variable.value})
        output, buffers = _call.run(module, values, args, kwargs, train, lambda: self.make_rng("dropout"))
        if not self.is_initializing():
            tree = _call.nested(buffers)
            for (collection, name), variable in held.items():
                if self.is_mutable_collection(collection):
                    old = _call.flat({name: variable.value})
                    new = _call.flat({name: _part(tree[name], variable.value)})
                    made = {k: v.astype(old[k].dtype) for k, v in new.items()}
                    variable.value = _call.nested(made)[name]
        return output


def _starting(tree: Any) -> Any:
    """A tree of tensors as arrays: what a Flax module made of a torchish one starts from."""
    return _call.nested(_values(_call.flat(tree))) if isinstance(tree, Mapping) else _call.value_of(tree)


def _part(tree: Any, like: Any) -> Any:
    """What of nested dictionaries has a counterpart in others."""
    return {k: _part(tree[k], v) for k, v in like.items()} if isinstance(like, Mapping) else tree


class _Level(nnx.Module):
    """The state of one submodule."""


class NNXModule(nnx.Module):
    """A torchish module as a `flax.nnx.Module`: `nnx.Param`, `nnx.BatchStat` and `nnx.Variable` under PyTorch's names.

    `train()` and `eval()` choose the mode, from PyTorch's on; `rngs`, an `nnx.Rngs` with a "dropout" or a default stream, is needed
    where the module draws.
    """

    def __init__(self, module: Module, rngs: nnx.Rngs | None = None):
        self.torch = _Held(module)
        self.deterministic = not module.training
        self.rngs = nnx.data(rngs)
        statistics, _ = _call.buffers_of(module)
        for tensors, kind in ((_call.parameters_of(module), nnx.Param), (dict(module.named_buffers()), None)):
            for name, t in tensors.items():
                made = (kind or (nnx.BatchStat if name in statistics else nnx.Variable))(_call.value_of(t))
                *path, leaf = name.split(".")
                level: Any = self
                for part in path:
                    if not hasattr(level, part):
                        setattr(level, part, _Level())
                    level = getattr(level, part)
                setattr(level, leaf, made)

    def _variable(self, name: str) -> Any:
        level: Any = self
        for part in name.split("."):
            level = getattr(level, part)
        return level

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        module = self.torch.module
        names = [*_call.parameters_of(module), *dict(module.named_buffers())]
        values = {name: self._variable(name).get_value() for name in names}
        output, buffers = _call.run(module, values, args, kwargs, not self.deterministic, self._key)
        if not self.deterministic:
            for name, value in buffers.items():
                variable = self._variable(name)
                variable.set_value(value.astype(variable.get_value().dtype))
        return output

    def _key(self) -> Any:
        if self.rngs is None:
            raise InvalidRngError("the module draws random numbers: give it rngs=nnx.Rngs(...), by `net.rngs = nnx.Rngs(0)`")
        return self.rngs.dropout() if hasattr(self.rngs, "dropout") else self.rngs()


class _Held:
    """A torchish module as a static part of an nnx module, equal to itself alone."""

    def __init__(self, module: Module):
        self.module = module
