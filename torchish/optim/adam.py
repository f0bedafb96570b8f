"""Adam and its relatives."""

from __future__ import annotations

from typing import Any

import torchish as torch
from torchish._tensor.tensor import Tensor
from torchish.optim import transforms
from torchish.optim.optimizer import FusedOptimizer, step_tensor


def check_common(lr: Any, eps: float, betas: tuple, weight_decay: Any = 0) -> None:
    """ValueError for settings that no optimizer of this family takes."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not 0.0 <= lr:
        raise ValueError(f"Invalid learning rate: {lr}")
    if not 0.0 <= eps:
        raise ValueError(f"Invalid epsilon value: {eps}")
    for i in (0, 1):
        if not 0.0 <= betas[i] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")
    if not 0.0 <= weight_decay:
        raise ValueError(f"Invalid weight_decay value: {weight_decay}")


class _AdamFamily(FusedOptimizer):
    """Optimizers with `betas`, whose state is a step count and tensors like the parameter."""

    _numbers: tuple[str, ...] = ("lr", "beta1", "beta2", "eps", "weight_decay")

    def _values(self, group: dict) -> tuple:
        beta1, beta2 = group["betas"]
        return (group["lr"], beta1, beta2, *[group[k] for k in self._numbers[3:]])

    def _writes(self, group: dict) -> int:
        return 2 if group.get("decoupled_weight_decay") and group["weight_decay"] else 1

    def _hyper(self, numbers: dict[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
        numbers = dict(numbers)
        betas = (numbers.pop("beta1"), numbers.pop("beta2"))
        return {**numbers, "betas": betas, **flags}

    def _zero_slots(self, group: dict) -> tuple[str, ...]:
        return self._slots

    def _init_state(self, p: Tensor, group: dict) -> dict[str, Any]:
        return {"step": step_tensor(0.0)} | {k: torch.zeros_like(p).detach() for k in self._zero_slots(group)}


class Adam(_AdamFamily):
    """Adam (arXiv:1412.6980), with AMSGrad and decoupled weight decay as options."""

    _transform = staticmethod(transforms.adam)
    _flags = ("amsgrad", "maximize", "decoupled_weight_decay")
    _slots = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")

    def __init__(self, params, lr: float | Tensor = 1e-3, betas: tuple = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
                 amsgrad: bool = False, *, foreach: bool | None = None, maximize: bool = False, capturable: bool = False,
                 differentiable: bool = False, fused: bool | None = None, decoupled_weight_decay: bool = False):  # fmt: skip
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_common(lr, eps, betas, weight_decay)
        if not (all(isinstance(b, float) for b in betas) or all(isinstance(b, Tensor) for b in betas)):
            raise ValueError("betas must be either both floats or both Tensors")
        for i, b in enumerate(betas):
            if isinstance(b, Tensor):
                if not capturable and foreach:
                    raise ValueError(f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True")
                if b.numel() != 1:
                    raise ValueError(f"Tensor betas[{i}] must be 1-element")
        defaults = {
            "lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad, "maximize": maximize,
            "foreach": foreach, "capturable": capturable, "differentiable": differentiable, "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults)
        if fused:
            if differentiable:
                raise RuntimeError("`fused` does not support `differentiable`")
            if foreach:
                raise RuntimeError("`fused` and `foreach` cannot be `True` together.")

    def _zero_slots(self, group: dict) -> tuple[str, ...]:
        return self._slots if group["amsgrad"] else self._slots[:2]


class AdamW(Adam):
    """Adam with decoupled weight decay (arXiv:1711.05101)."""

    def __init__(self, params, lr: float | Tensor = 1e-3, betas: tuple = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False, foreach: bool | None = None,
                 capturable: bool = False, differentiable: bool = False, fused: bool | None = None):  # fmt: skip
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
            differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
        )  # fmt: skip

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True


class Adamax(_AdamFamily):
    """Adam with the infinity norm (arXiv:1412.6980)."""

    _transform = staticmethod(transforms.adamax)
    _flags = ("maximize",)
    _slots = ("exp_avg", "exp_inf")

    def __init__(self, params, lr: float | Tensor = 2e-3, betas: tuple = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
                 foreach: bool | None = None, *, maximize: bool = False, differentiable: bool = False,
                 capturable: bool = False):  # fmt: skip
        check_common(lr, eps, betas, weight_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)


class NAdam(_AdamFamily):
    """Adam with Nesterov momentum (Dozat 2016)."""

    _transform = staticmethod(transforms.nadam)
    _numbers = ("lr", "beta1", "beta2", "eps", "weight_decay", "momentum_decay")
    _flags = ("decoupled_weight_decay", "maximize")
    _slots = ("exp_avg", "exp_avg_sq", "mu_product")

    def __init__(self, params, lr: float | Tensor = 2e-3, betas: tuple = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
                 momentum_decay: float = 4e-3, decoupled_weight_decay: bool = False, *, foreach: bool | None = None,
                 maximize: bool = False, capturable: bool = False, differentiable: bool = False):  # fmt: skip
        check_common(lr, eps, betas, weight_decay)
        if not 0.0 <= momentum_decay:
            raise ValueError(f"Invalid momentum_decay value: {momentum_decay}")
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize, "foreach": foreach, "capturable": capturable,
            "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _writes(self, group: dict) -> int:
        return 1 + super()._writes(group)

    def _init_state(self, p: Tensor, group: dict) -> dict[str, Any]:
        zeros = {k: torch.zeros_like(p).detach() for k in self._slots[:2]}
        return {"step": step_tensor(0.0), "mu_product": step_tensor(1.0), **zeros}


class RAdam(_AdamFamily):
    """Rectified Adam (arXiv:1908.03265)."""

    _transform = staticmethod(transforms.radam)
    _flags = ("decoupled_weight_decay", "maximize")
    _slots = ("exp_avg", "exp_avg_sq")

    def __init__(self, params, lr: float | Tensor = 1e-3, betas: tuple = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
                 decoupled_weight_decay: bool = False, *, foreach: bool | None = None, maximize: bool = False,
                 capturable: bool = False, differentiable: bool = False):  # fmt: skip
        check_common(lr, eps, betas, weight_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize, "foreach": foreach,
            "capturable": capturable, "decoupled_weight_decay": decoupled_weight_decay, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)


class SparseAdam(_AdamFamily):
    """Adam that leaves rows without gradient as they are; gradients are dense here, their zero rows stand for absence."""

    _transform = staticmethod(transforms.sparse_adam)
    _numbers = ("lr", "beta1", "beta2", "eps")
    _flags = ("maximize",)
    _slots = ("exp_avg", "exp_avg_sq")

    def __init__(self, params, lr: float | Tensor = 1e-3, betas: tuple = (0.9, 0.999), eps: float = 1e-8, maximize: bool = False):
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not 0.0 < lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 < eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_common(lr, eps, betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        found = [[i, j] for i, g in enumerate(self.param_groups) for j, p in enumerate(g["params"]) if p.is_complex()]
        if found:
            raise ValueError(f"Complex params at indices {found}: SparseAdam does not support complex parameters")
