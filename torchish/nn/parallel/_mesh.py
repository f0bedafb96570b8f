"""Data parallelism: one process drives all devices that JAX has, each with a part of the batch.

The module becomes one program over a `jax.sharding.Mesh`: parameters on every device, inputs divided along the batch. XLA adds what has
to be exchanged, so results are those of one device, those of batch normalization too (its statistics are over the whole batch).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import torchish
from torchish._tensor.creation import from_jax
from torchish._tensor.tensor import Tensor
from torchish.autograd.function import Function, once_differentiable
from torchish.engine.devices import devices_of
from torchish.engine.expr import TRACED
from torchish.nn import _pure
from torchish.nn.modules.module import Module


def _devices(module: Module, device_ids: Any) -> list:
    """The JAX devices to use: those asked for, else all of the kind that the module's parameters are on."""
    where = next((p._aval.device for p in module.parameters()), "cpu")
    found = devices_of(where.partition(":")[0]) if where not in (TRACED, "meta") else []
    if device_ids is None:
        return found
    chosen = [torchish.device(d) if not isinstance(d, int) else d for d in device_ids]
    indices = [d if isinstance(d, int) else d.index or 0 for d in chosen]
    return [found[i] for i in indices if i < len(found)] if where != "cpu" or len(found) > 1 else []


class _Program:
    """One way of calling a module (structure of the arguments, mode, settings) on several devices."""

    def __init__(self, module: Module, layout: tuple):
        self.structure: Any = None  # of the module's output, once it was traced

        def compute(floats: list, rest: list, names: tuple, places: tuple, key: Any) -> Any:
            arrays: list = [None] * len(places)
            sources = (iter(floats), iter(rest))
            for i, is_float in enumerate(places):
                arrays[i] = next(sources[0 if is_float else 1])
            values = dict(zip(names, arrays[: len(names)], strict=True))
            args, kwargs = _filled(layout, arrays[len(names) :])
            output, buffers = _pure.run(module, values, args, kwargs, None, lambda: key)
            leaves, self.structure = jax.tree.flatten(output)
            return [x for x in leaves if _pure.is_array(x)], buffers

        def forward(floats: list, rest: list, names: tuple, places: tuple, key: Any) -> Any:
            return jax.vjp(lambda f: compute(f, rest, names, places, key), floats, has_aux=True)

        self.plain = jax.jit(compute, static_argnames=("names", "places"))
        self.forward = jax.jit(forward, static_argnames=("names", "places"))


_pull_back = jax.jit(lambda pull_back, cotangents: pull_back(cotangents)[0])


def _filled(layout: tuple, arrays: list) -> tuple[tuple, dict]:
    structure, fixed, n = layout
    leaves: list = [None] * n
    for i, x in fixed:
        leaves[i] = x
    it = iter(arrays)
    known = dict(fixed)
    return jax.tree.unflatten(structure, [known[i] if i in known else next(it) for i in range(n)])


class _Sharded(Function):
    """A program on several devices, in torch's graph: its inputs are the module's state, then the tensors of the call."""

    @staticmethod
    def forward(ctx: Any, call: _ShardedCall, *tensors: Tensor) -> Any:
        arrays = call.place(tensors)
        places = tuple(t.is_floating_point() or t.is_complex() for t in tensors)
        floats = [a for a, is_float in zip(arrays, places, strict=True) if is_float]
        rest = [a for a, is_float in zip(arrays, places, strict=True) if not is_float]
        ctx.places = places
        with jax.enable_x64(True):
            if any(ctx.needs_input_grad):
                out, ctx.pull_back, call.buffers = call.program.forward(floats, rest, call.names, places, call.key)
            else:
                out, call.buffers = call.program.plain(floats, rest, call.names, places, call.key)
        ctx.call, ctx.like = call, out
        return tuple(call.gathered(a) for a in out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        call = ctx.call
        with jax.enable_x64(True):
            cotangents = [
                np.zeros(o.shape, jax.dtypes.float0)
                if not np.issubdtype(o.dtype, np.inexact)
                else jax.device_put(np.zeros(o.shape, o.dtype) if g is None else g.jax(), o.sharding)
                for g, o in zip(grads, ctx.like, strict=True)
            ]
            found = iter(_pull_back(ctx.pull_back, cotangents))
        return (None, *(call.gathered(next(found)) if is_float else None for is_float in ctx.places))


class _ShardedCall:
    """One call: which program, on which mesh, with which key."""

    def __init__(self, program: _Program, names: tuple, devices: Sequence, dim: int, batch: int, number: int):
        self.program, self.names, self.dim, self.batch = program, names, dim, batch
        self.mesh = Mesh(np.array(devices), ("batch",))
        self.home = devices[0]
        self.buffers: dict = {}
        with jax.enable_x64(True):
            # not drawn from the generator: the data that a script draws from it stay those of one device
            key = jax.random.fold_in(jax.random.key(torchish.initial_seed() & (2**63 - 1)), number)
            self.key = jax.device_put(key, NamedSharding(self.mesh, PartitionSpec()))

    def place(self, tensors: Sequence[Tensor]) -> list:
        """State on every device, inputs divided along the batch."""
        whole, divided = PartitionSpec(), PartitionSpec(*[None] * self.dim, "batch")
        with jax.enable_x64(True):
            return [
                jax.device_put(t.jax(), NamedSharding(self.mesh, divided if i >= len(self.names) and self._has_batch(t) else whole))
                for i, t in enumerate(tensors)
            ]

    def _has_batch(self, t: Tensor) -> bool:
        return t.dim() > self.dim and t.shape[self.dim] == self.batch

    def gathered(self, array: Any) -> Tensor:
        with jax.enable_x64(True):
            return from_jax(jax.device_put(array, self.home))


def _settings(module: Module) -> tuple:
    """What of a module's plain attributes a program may depend on: when they change, another is compiled."""
    plain = (bool, int, float, str, type(None))
    return tuple((name, k, v) for name, m in module.named_modules() for k, v in m.__dict__.items() if isinstance(v, plain))


class Parallel(Module):
    """What both kinds have in common."""

    module: Module
    dim = 0
    _calls = 0

    def _start(self, module: Module, device_ids: Any) -> None:
        self.module = module
        devices = _devices(module, device_ids)
        object.__setattr__(self, "_mesh_devices", devices)
        object.__setattr__(self, "_programs", {})
        self.device_ids = list(range(len(devices))) if device_ids is None and len(devices) > 1 else list(device_ids or [])

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        leaves, structure = jax.tree.flatten((inputs, kwargs), is_leaf=_pure.is_tensor)
        tensors = [x for x in leaves if isinstance(x, Tensor)]
        batch = next((t.shape[self.dim] for t in tensors if t.dim() > self.dim), 0)
        devices = self._mesh_devices
        count = next((n for n in range(len(devices), 0, -1) if batch and batch % n == 0), 1)
        if count == 1 or any(t._aval.device in (TRACED, "meta") for t in tensors):
            return self.module(*inputs, **kwargs)
        state = {**dict(self.module.named_parameters()), **dict(self.module.named_buffers())}
        fixed = tuple((i, x) for i, x in enumerate(leaves) if not isinstance(x, Tensor))
        way = (structure, fixed, _settings(self.module), count)
        program = self._programs.get(way)
        if program is None:
            if len(self._programs) > 16:
                self._programs.clear()
            program = self._programs[way] = _Program(self.module, (structure, fixed, len(leaves)))
        object.__setattr__(self, "_calls", self._calls + 1)
        call = _ShardedCall(program, tuple(state), devices[:count], self.dim, batch, self._calls)
        results = _Sharded.apply(call, *state.values(), *tensors)
        results = results if isinstance(results, tuple) else (results,)
        with torchish.no_grad():
            for name, t in self.module.named_buffers():
                if name in call.buffers:
                    t.copy_(call.gathered(call.buffers[name]))
        found = iter(results)
        return jax.tree.unflatten(program.structure, list(found))

    def __getstate__(self) -> dict:
        return {k: v for k, v in super().__getstate__().items() if k not in ("_mesh_devices", "_programs")}

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        object.__setattr__(self, "_mesh_devices", _devices(self.module, None))
        object.__setattr__(self, "_programs", {})
