"""Flax modules as torchish modules: one operation of PyTorch's graph each, trained with PyTorch's optimizers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import torchish
from torchish._tensor.creation import from_host, from_jax
from torchish._tensor.dispatch import call
from torchish._tensor.tensor import Tensor
from torchish.flax import _call
from torchish.nn.modules.module import Module
from torchish.nn.parameter import Parameter
from torchish.ops.declare import op


@op("_jax_function(Tensor[] inputs, any function)", method=False, function=False, out=False, grad="JaxFunctionBackward0")
def jax_function(inputs, function):
    return tuple(function(*inputs))


def from_flax(flax_module: Any, variables: Any = None, *inputs: Any) -> Module:
    """A torch.nn.Module that computes what a Flax module does, with its variables as parameters and buffers.

    `variables` are those of a `flax.linen` module, or an example input to initialize it with, followed by further ones; an
    `nnx.Module` brings its own. In training mode the module is called as Flax modules are called in training (`train`, `training`,
    `deterministic` or `use_running_average`, whichever it knows), its mutable collections are written back, and its random streams are
    seeded from torch's generator.
    """
    if isinstance(flax_module, nnx.Module):
        return _FromNNX(flax_module)
    if not isinstance(flax_module, linen.Module):
        raise TypeError(f"expected a flax.linen.Module or a flax.nnx.Module, got {type(flax_module).__name__}")
    if not isinstance(variables, Mapping) or "params" not in variables:
        examples = _call.to_arrays((variables, *inputs))
        keys = jax.random.split(jax.random.wrap_key_data(_key_data(_new_key())), 2)
        variables = flax_module.init({"params": keys[0], "dropout": keys[1]}, *examples)
    return _FromLinen(flax_module, variables)


def variables_of(module: Module) -> Any:
    """The present variables of a module made by `from_flax`: of linen {"params": …}, of nnx its nnx.State."""
    if not isinstance(module, _FromFlax):
        raise TypeError("expected a module made by torchish.flax.from_flax")
    return module._variables()


def _new_key() -> Tensor:
    """The data of a JAX random key, drawn from torch's generator."""
    return torchish.randint(0, 2**32, (2,), dtype=torchish.int64)


def _key_data(t: Tensor) -> jax.Array:
    return jnp.asarray(np.asarray(t._host()).astype(np.uint32))


def _is_key(v: Any) -> bool:
    return hasattr(v, "dtype") and jnp.issubdtype(v.dtype, jax.dtypes.prng_key)


def _stored(v: Any) -> Tensor:
    if _is_key(v):
        v = jax.random.key_data(v)
    return from_host(np.array(v))


class _Level(Module):
    """The state of one submodule of a Flax module."""


class _Call:
    """One way of calling the Flax module (mode, structure of the arguments) as a function of a flat list of arrays."""

    def __init__(self, run: Callable):
        self._run = run
        self.structure: Any = None  # of the results, once the function was traced

    def __call__(self, *arrays: Any) -> tuple:
        # Flax code is written for JAX's usual 32-bit types; 64-bit ones stay where the caller uses them
        if any(a.dtype in (np.float64, np.complex128) for a in arrays):
            leaves, self.structure = jax.tree.flatten(self._run(*arrays))
            return tuple(leaves)
        with jax.enable_x64(False):
            narrow = [a.astype({"int64": "int32", "uint64": "uint32"}.get(str(a.dtype), a.dtype)) for a in arrays]
            leaves, self.structure = jax.tree.flatten(self._run(*narrow))
            return tuple(leaves)


class _FromFlax(Module):
    """What both kinds have in common: state in a hierarchy of modules, and calls that are one operation."""

    _flax: Any

    def __init__(self, flax_module: Any):
        super().__init__()
        object.__setattr__(self, "_flax", flax_module)
        object.__setattr__(self, "_calls", {})
        object.__setattr__(self, "_names", {})  # path in Flax's variables -> name of the parameter or buffer

    def _hold(self, path: tuple, value: Any, is_parameter: bool, where: tuple[str, ...]) -> None:
        level: Module = self
        for part in where[:-1]:
            if part not in level._modules:
                level.add_module(part, _Level())
            level = level._modules[part]  # type: ignore[assignment]
        t = _stored(value)
        if is_parameter:
            level.register_parameter(where[-1], Parameter(t, t.is_floating_point() or t.is_complex()))
        else:
            level.register_buffer(where[-1], t)
        self._names[path] = ".".join(where)

    def _state(self) -> dict[tuple, Tensor]:
        tensors = {**dict(self.named_parameters(remove_duplicate=False)), **dict(self.named_buffers(remove_duplicate=False))}
        return {path: tensors[name] for path, name in self._names.items()}

    def _compute(self, key: Any, make: Callable[[list, Any], Callable], extra: list[Tensor], args: tuple, kwargs: dict) -> Any:
        """Run the Flax module on state, `extra` and the tensors among the arguments; `key` tells ways of calling apart."""
        state = self._state()
        leaves, structure = jax.tree.flatten((args, kwargs), is_leaf=lambda x: isinstance(x, Tensor))
        leaves = [from_jax(jnp.asarray(x)) if _call.is_array(x) else x for x in leaves]
        dynamic = [i for i, x in enumerate(leaves) if isinstance(x, Tensor)]
        fixed = tuple((i, x) for i, x in enumerate(leaves) if not isinstance(x, Tensor))
        way = (key, structure, tuple(dynamic), fixed)
        function = self._calls.get(way)
        if function is None:
            run = make(list(state), (structure, len(leaves), dynamic, fixed))
            function = self._calls[way] = _Call(run)
        # buffers go in as they are now: writing them below must not spoil what the gradient needs
        given = [t if isinstance(t, Parameter) else Tensor._wrap(t._read()) for t in state.values()]
        inputs = [*given, *extra, *(leaves[i] for i in dynamic)]
        results = call(jax_function, inputs, function)
        results = results if isinstance(results, (tuple, list)) else (results,)
        output, new = jax.tree.unflatten(function.structure, list(results))
        with torchish.no_grad():
            for path, value in new.items():
                state[path].copy_(value.detach())
        return output

    def __deepcopy__(self, memo: dict) -> Any:
        import copy

        made = type(self).__new__(type(self))
        memo[id(self)] = made
        state = {k: v for k, v in self.__dict__.items() if k not in ("_flax", "_calls")}
        made.__dict__.update(copy.deepcopy(state, memo), _flax=self._flax, _calls={})
        return made

    def _variables(self) -> Any:
        raise NotImplementedError

    def extra_repr(self) -> str:
        return type(self._flax).__name__


def _arguments(layout: Any, values: list) -> tuple[tuple, dict]:
    structure, n, dynamic, fixed = layout
    leaves: list = [None] * n
    for i, x in fixed:
        leaves[i] = x
    for i, x in zip(dynamic, values, strict=True):
        leaves[i] = x
    return jax.tree.unflatten(structure, leaves)


class _FromLinen(_FromFlax):
    def __init__(self, flax_module: linen.Module, variables: Mapping):
        super().__init__(flax_module)
        known = inspect.signature(type(flax_module).__call__).parameters
        object.__setattr__(self, "_modes", [n for n in ("train", "training", "is_training") if n in known])
        object.__setattr__(self, "_inverse_modes", [n for n in ("deterministic", "use_running_average") if n in known])
        for collection, tree in variables.items():
            for path, value in _paths(tree):
                self._hold((collection, *path), value, collection == "params", path)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        training = self.training
        for names, value in ((self._modes, training), (self._inverse_modes, not training)):
            for name in names:
                kwargs.setdefault(name, value)
        collections = sorted({path[0] for path in self._names} - {"params"}) if training else []

        def make(paths: list, layout: Any) -> Callable:
            def run(*arrays: Any) -> tuple:
                values = list(arrays)
                state = [values.pop(0) for _ in paths]
                rngs = {"dropout": jax.random.wrap_key_data(values.pop(0).astype(jnp.uint32))} if training else {}
                inner_args, inner_kwargs = _arguments(layout, values)
                variables = _tree(dict(zip(paths, state, strict=True)))
                if not collections:
                    return self._flax.apply(variables, *inner_args, rngs=rngs, **inner_kwargs), {}
                output, new = self._flax.apply(variables, *inner_args, rngs=rngs, mutable=collections, **inner_kwargs)
                return output, {path: _at(new, path) for path in paths if path[0] in collections}

            return run

        return self._compute(training, make, [_new_key()] if training else [], args, kwargs)

    def _variables(self) -> dict:
        return _tree({path: _call.value_of(t) for path, t in self._state().items()})


def _paths(tree: Any, prefix: tuple = ()) -> list[tuple[tuple, Any]]:
    if isinstance(tree, Mapping):
        return [pair for name, part in tree.items() for pair in _paths(part, (*prefix, str(name)))]
    return [(prefix, tree)]


def _tree(flat: Mapping[tuple, Any]) -> dict:
    tree: dict = {}
    for path, value in flat.items():
        level = tree
        for part in path[:-1]:
            level = level.setdefault(part, {})
        level[path[-1]] = value
    return tree


def _at(tree: Any, path: tuple) -> Any:
    for part in path:
        tree = tree[part]
    return tree


class _FromNNX(_FromFlax):
    def __init__(self, flax_module: nnx.Module):
        super().__init__(flax_module)
        graph, state = nnx.split(flax_module)
        self._graphs = {True: _graph(flax_module, True), False: _graph(flax_module, False)}
        del graph
        self._types: dict[tuple, Any] = {}
        for path, variable in nnx.to_flat_state(state):
            value = variable.get_value()
            self._types[path] = (type(variable), jax.random.key_impl(value) if _is_key(value) else None)
            self._hold(path, value, isinstance(variable, nnx.Param), tuple(map(str, path)))

    def _merged(self, training: bool, values: Mapping[tuple, Any]) -> Any:
        flat_state = []
        for path, value in values.items():
            kind, impl = self._types[path]
            made = value if impl is None else jax.random.wrap_key_data(value, impl=impl)
            flat_state.append((path, kind(made)))
        return nnx.merge(self._graphs[training], nnx.from_flat_state(flat_state))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        training = self.training

        def make(paths: list, layout: Any) -> Callable:
            def run(*arrays: Any) -> tuple:
                net = self._merged(training, dict(zip(paths, arrays[: len(paths)], strict=True)))
                inner_args, inner_kwargs = _arguments(layout, list(arrays[len(paths) :]))
                output = net(*inner_args, **inner_kwargs)
                after = {}
                for path, variable in nnx.to_flat_state(nnx.state(net)):
                    if not isinstance(variable, nnx.Param):
                        value = variable.get_value()
                        after[path] = jax.random.key_data(value) if _is_key(value) else value
                return output, after

            return run

        return self._compute(training, make, [], args, kwargs)

    def _variables(self) -> Any:
        net = self._merged(self.training, {path: _call.value_of(t) for path, t in self._state().items()})
        return nnx.state(net)


def _graph(net: nnx.Module, training: bool) -> Any:
    """The structure of an nnx module in training or evaluation mode."""
    copy = nnx.clone(net)
    if training:
        copy.train()
    else:
        copy.eval()
    return nnx.split(copy)[0]
