"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from torchish._tensor.tensor import Tensor
from torchish.optim import transforms
from torchish.optim.optimizer import FusedOptimizer


class SGD(FusedOptimizer):
    """p -= lr * g, with momentum, dampening, Nesterov's form and weight decay."""

    _transform = staticmethod(transforms.sgd)
    _numbers = ("lr", "momentum", "dampening", "weight_decay")
    _flags = ("nesterov", "maximize")
    _slots = ("momentum_buffer",)
    _counts = False

    def __init__(self, params, lr: float | Tensor = 1e-3, momentum: float = 0, dampening: float = 0, weight_decay: float | Tensor = 0,
                 nesterov: bool = False, *, maximize: bool = False, foreach: bool | None = None, differentiable: bool = False,
                 fused: bool | None = None):  # fmt: skip
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov,
            "maximize": maximize, "foreach": foreach, "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, defaults)
        if fused and differentiable:
            raise RuntimeError("`fused` does not support `differentiable`")
        if fused and foreach:
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")

    def _init_state(self, p: Tensor, group: dict) -> dict[str, Any] | None:
        return None if group["momentum"] == 0 else {}

    def _emit(self, group: dict, params: list[Tensor], states: list[dict], count: float) -> None:
        # A buffer is there from the second update on: the number is then no longer that of the first.
        super()._emit(group, params, states, 2.0)

    def _after(self, present: tuple[bool, ...], zeros: tuple[bool, ...], n: int) -> tuple[bool, ...]:
        momentum = not zeros[1]
        return tuple(momentum or there for there in present)
