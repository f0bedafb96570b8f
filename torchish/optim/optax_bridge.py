"""Any Optax transformation behind PyTorch's `Optimizer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from torchish._tensor.tensor import Tensor
from torchish.autograd.grad_mode import STATE
from torchish.engine.expr import Expr, Spec, aval, emit_multi
from torchish.optim.optimizer import Optimizer, store


class OptaxOptimizer(Optimizer):
    """Drives parameters with an `optax.GradientTransformation`; parameters without a gradient get a zero one.

    A transformation made with `optax.inject_hyperparams` takes its learning rate from `param_groups[0]["lr"]`, so
    that schedulers work.
    """

    def __init__(self, params: Any, tx: Any):
        self.tx = tx
        self._arrays: list[Tensor] | None = None
        self._specs: dict[tuple, Spec] = {}
        super().__init__(params, {})
        if len(self.param_groups) != 1:
            raise ValueError("an Optax transformation has one parameter group")

    def _initial(self) -> None:
        params = self.param_groups[0]["params"]
        with jax.enable_x64(True):
            state = self.tx.init([p.detach().jax() for p in params])
        leaves, self._tree = jax.tree.flatten(state)
        self._arrays = []
        for v in leaves:
            v = np.asarray(v) if not isinstance(v, jax.Array) else v
            self._arrays.append(Tensor._wrap(Expr(None, (), aval(tuple(v.shape), np.dtype(v.dtype), params[0]._aval.device), v)))
        self.state["optax"] = {"leaves": self._arrays}
        rates = getattr(state, "hyperparams", {})
        if "learning_rate" in rates:
            self.param_groups[0].setdefault("lr", float(rates["learning_rate"]))

    def step(self, closure: Callable | None = None) -> Any:
        """Apply one update of the transformation."""
        loss = None
        if closure is not None:
            enabled, STATE.enabled = STATE.enabled, True
            try:
                loss = closure()
            finally:
                STATE.enabled = enabled
        if self._arrays is None:
            self._initial()
        group = self.param_groups[0]
        params = group["params"]
        arrays = self.state["optax"]["leaves"]
        has_grad = tuple([p._grad is not None for p in params])
        rate = "lr" in group
        inputs = [p._read() for p in params] + [p._grad._read() for p in params if p._grad is not None]
        inputs += [t._read() for t in arrays] + ([float(group["lr"])] if rate else [])
        spec = self._specs.get((has_grad, rate))
        if spec is None:
            spec = self._specs[has_grad, rate] = self._make_spec(has_grad, rate, len(arrays))
        results = emit_multi(spec, tuple(inputs))
        for t, e in zip([*params, *arrays], results, strict=True):
            store(t, e)
        return loss

    def _make_spec(self, has_grad: tuple[bool, ...], rate: bool, n_arrays: int) -> Spec:
        n, tx, tree = len(has_grad), self.tx, self._tree

        def run(*values):
            it = iter(values)
            params = [next(it) for _ in range(n)]
            grads = [next(it) if has else p * 0 for p, has in zip(params, has_grad, strict=True)]
            leaves = [next(it) for _ in range(n_arrays)]
            state = jax.tree.unflatten(tree, leaves)
            if rate:
                old = state.hyperparams["learning_rate"]
                state = state._replace(hyperparams={**state.hyperparams, "learning_rate": next(it).astype(old.dtype)})
            updates, new = tx.update(grads, state, params)
            after = jax.tree.leaves(new)
            kept = [v.astype(old.dtype) for v, old in zip(after, leaves, strict=True)]
            return (*((p + u).astype(p.dtype) for p, u in zip(params, updates, strict=True)), *kept)

        first = n + sum(has_grad)
        return Spec(run, "optax.step", replaces=(*range(n), *range(first, first + n_arrays)))


def from_optax(params: Any, tx: Any) -> OptaxOptimizer:
    """An optimizer that drives `params` with the Optax transformation `tx`."""
    return OptaxOptimizer(params, tx)
