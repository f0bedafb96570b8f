"""Optimizers with a learning rate per element: Adagrad, Adadelta, RMSprop, Rprop, ASGD, Adafactor, Muon."""

from __future__ import annotations

from typing import Any

import torchish as torch
from torchish._tensor.tensor import Tensor
from torchish.optim import transforms
from torchish.optim.optimizer import FusedOptimizer, step_tensor


def _check_lr(lr: Any, message: str = "Invalid learning rate") -> None:
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not 0.0 <= lr:
        raise ValueError(f"{message}: {lr}")


def _check_not_negative(**values: Any) -> None:
    names = {"eps": "epsilon"}
    for name, v in values.items():
        if not 0.0 <= v:
            raise ValueError(f"Invalid {names.get(name, name)} value: {v}")


def _zeros(p: Tensor, *names: str) -> dict[str, Tensor]:
    return {k: torch.zeros_like(p).detach() for k in names}


def _scalar(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value


class Adagrad(FusedOptimizer):
    """Adagrad (Duchi et al. 2011)."""

    _transform = staticmethod(transforms.adagrad)
    _numbers = ("lr", "lr_decay", "weight_decay", "eps")
    _flags = ("maximize",)
    _slots = ("sum",)

    def __init__(self, params, lr: float | Tensor = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
                 initial_accumulator_value: float = 0, eps: float = 1e-10, foreach: bool | None = None, *, maximize: bool = False,
                 differentiable: bool = False, fused: bool | None = None):  # fmt: skip
        _check_lr(lr)
        _check_not_negative(
            lr_decay=lr_decay, weight_decay=weight_decay, initial_accumulator_value=initial_accumulator_value, eps=eps
        )
        defaults = {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, defaults)
        if fused:
            if differentiable:
                raise RuntimeError("`fused` does not support `differentiable`")
            if foreach:
                raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p].update(self._init_state(p, group))

    def _init_state(self, p: Tensor, group: dict) -> dict[str, Any]:
        value = self.defaults["initial_accumulator_value"]
        value = complex(value, value) if p.is_complex() else value
        return {"step": step_tensor(0.0), "sum": torch.full_like(p, value).detach()}

    def share_memory(self) -> None:
        """Nothing to do: processes do not share tensors here."""


class Adadelta(FusedOptimizer):
    """Adadelta (arXiv:1212.5701)."""

    _transform = staticmethod(transforms.adadelta)
    _numbers = ("lr", "rho", "eps", "weight_decay")
    _flags = ("maximize",)
    _slots = ("square_avg", "acc_delta")

    def __init__(self, params, lr: float | Tensor = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0,
                 foreach: bool | None = None, *, capturable: bool = False, maximize: bool = False,
                 differentiable: bool = False):  # fmt: skip
        _check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        _check_not_negative(eps=eps, weight_decay=weight_decay)
        defaults = {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize, "capturable": capturable,
            "foreach": foreach, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _init_state(self, p: Tensor, group: dict) -> dict[str, Any]:
        return {"step": step_tensor(0.0), **_zeros(p, *self._slots)}


class RMSprop(FusedOptimizer):
    """RMSprop (Hinton), optionally centered and with momentum."""

    _transform = staticmethod(transforms.rmsprop)
    _numbers = ("lr", "alpha", "eps", "weight_decay", "momentum")
    _flags = ("centered", "maximize")
    _slots = ("square_avg", "momentum_buffer", "grad_avg")

    def __init__(self, params, lr: float | Tensor = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0,
                 momentum: float = 0, centered: bool = False, capturable: bool = False, foreach: bool | None = None,
                 maximize: bool = False, differentiable: bool = False):  # fmt: skip
        _check_lr(lr)
        _check_not_negative(eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        defaults = {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered, "weight_decay": weight_decay,
            "capturable": capturable, "foreach": foreach, "maximize": maximize, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _init_state(self, p: Tensor, group: dict) -> dict[str, Any]:
        names = ["square_avg"]
        if group["momentum"] > 0:
            names.append("momentum_buffer")
        if group["centered"]:
            names.append("grad_avg")
        return {"step": step_tensor(0.0), **_zeros(p, *names)}


class Rprop(FusedOptimizer):
    """Resilient backpropagation."""

    _transform = staticmethod(transforms.rprop)
    _numbers = ("shrink", "grow", "low", "high")
    _flags = ("maximize",)
    _slots = ("prev", "step_size")

    def __init__(self, params, lr: float | Tensor = 1e-2, etas: tuple = (0.5, 1.2), step_sizes: tuple = (1e-6, 50), *,
                 capturable: bool = False, foreach: bool | None = None, maximize: bool = False,
                 differentiable: bool = False):  # fmt: skip
        _check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _init_state(self, p: Tensor, group: dict) -> dict[str, Any]:
        lr = _scalar(group["lr"])
        size = torch.full_like(p, complex(lr, lr) if p.is_complex() else lr).detach()
        return {"step": step_tensor(0.0), **_zeros(p, "prev"), "step_size": size}

    def _values(self, group: dict) -> tuple:
        return (*group["etas"], *group["step_sizes"])

    def _hyper(self, numbers: dict[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
        n = numbers
        return {"etas": (n["shrink"], n["grow"]), "step_sizes": (n["low"], n["high"]), **flags}


class ASGD(FusedOptimizer):
    """Averaged stochastic gradient descent; the average is in the state as "ax"."""

    _transform = staticmethod(transforms.asgd)
    _numbers = ("lr", "lambd", "alpha", "t0", "weight_decay")
    _flags = ("maximize",)
    _slots = ("eta", "mu", "ax")

    def __init__(self, params, lr: float | Tensor = 1e-2, lambd: float = 1e-4, alpha: float = 0.75, t0: float = 1e6,
                 weight_decay: float = 0, foreach: bool | None = None, maximize: bool = False, differentiable: bool = False,
                 capturable: bool = False):  # fmt: skip
        _check_lr(lr)
        _check_not_negative(weight_decay=weight_decay)
        defaults = {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _writes(self, group: dict) -> int:
        return 1 if group["foreach"] else 2

    def _init_state(self, p: Tensor, group: dict) -> dict[str, Any]:
        return {"step": step_tensor(0.0), "eta": step_tensor(float(group["lr"])), "mu": step_tensor(1.0), **_zeros(p, "ax")}


class Adafactor(FusedOptimizer):
    """Adafactor (arXiv:1804.04235)."""

    _transform = staticmethod(transforms.adafactor)
    _numbers = ("lr", "beta2_decay", "eps2", "d", "weight_decay")
    _flags = ("eps1", "maximize")
    _slots = ("row_var", "col_var", "variance")

    def __init__(self, params, lr: float | Tensor = 1e-2, beta2_decay: float = -0.8, eps: tuple = (None, 1e-3), d: float = 1.0,
                 weight_decay: float = 0.0, *, foreach: bool | None = None, maximize: bool = False):  # fmt: skip
        _check_lr(lr, "Learning rate should be >= 0 but is")
        if not 0.0 >= beta2_decay:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not 0.0 <= eps[0]:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not 0.0 <= eps[1]:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not 1.0 <= d:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        defaults = {
            "lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _check_group(self, group: dict, params: list[Tensor]) -> None:
        if any(p.is_complex() for p in params):
            raise RuntimeError("Adafactor does not support complex parameters")

    def _writes(self, group: dict) -> int:
        return 2 if group["weight_decay"] != 0 else 1

    def _init_state(self, p: Tensor, group: dict) -> dict[str, Any]:
        state: dict[str, Any] = {"step": step_tensor(0.0)}
        if p.dim() > 1:
            shape, grad = list(p.shape), p.grad
            assert grad is not None
            state["row_var"] = grad.new_zeros([*shape[:-1], 1])
            state["col_var"] = grad.new_zeros([*shape[:-2], 1, shape[-1]])
        else:
            state["variance"] = torch.zeros_like(p.grad)
        return state

    def _values(self, group: dict) -> tuple:
        return (group["lr"], group["beta2_decay"], group["eps"][1], group["d"], group["weight_decay"])

    def _flag_values(self, group: dict) -> tuple:
        return (group["eps"][0], group["maximize"])

    def _hyper(self, numbers: dict[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
        hyper = {**numbers, **flags}
        eps = (hyper.pop("eps1"), hyper.pop("eps2"))
        return {**hyper, "eps": eps}


class Muon(FusedOptimizer):
    """Momentum made orthogonal by Newton-Schulz iterations; for the matrices of hidden layers."""

    _transform = staticmethod(transforms.muon)
    _numbers = ("lr", "weight_decay", "momentum", "eps")
    _flags = ("nesterov", "ns_coefficients", "ns_steps", "adjust_lr_fn")
    _slots = ("momentum_buffer",)
    _counts = False

    def __init__(self, params, lr: float = 1e-3, weight_decay: float = 0.1, momentum: float = 0.95, nesterov: bool = True,
                 ns_coefficients: tuple = (3.4445, -4.775, 2.0315), eps: float = 1e-7, ns_steps: int = 5,
                 adjust_lr_fn: str | None = None):  # fmt: skip
        _check_lr(lr, "Learning rate should be >= 0 but is")
        if not 0.0 <= momentum:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn is not None and adjust_lr_fn not in ("original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults = {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
            "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn,
        }  # fmt: skip
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}")

    def _check_group(self, group: dict, params: list[Tensor]) -> None:
        if any(p.is_complex() for p in params):
            raise RuntimeError("Muon does not support complex parameters")
        if group["ns_steps"] >= 100:
            raise ValueError("Number of steps must be less than 100 for computational efficiency")
        if len(group["ns_coefficients"]) != 3:
            raise ValueError("Coefficients must be a tuple of exactly 3 values")

    def _flag_values(self, group: dict) -> tuple:
        return (group["nesterov"], tuple(group["ns_coefficients"]), group["ns_steps"], group["adjust_lr_fn"])

    def _writes(self, group: dict) -> int:
        return 2

    def _init_state(self, p: Tensor, group: dict) -> dict[str, Any]:
        return {"momentum_buffer": torch.zeros_like(p.grad)}
