"""L-BFGS, which evaluates the model as often as it needs within one step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torchish as torch
from torchish._tensor.tensor import Tensor
from torchish.autograd.grad_mode import enable_grad, no_grad
from torchish.engine.program import evaluate_all
from torchish.optim.lbfgs_history import History
from torchish.optim.optimizer import Optimizer


def _cubic_interpolate(x1, f1, g1, x2, f2, g2, bounds=None):
    """The minimum of the cubic through two points with slopes, within bounds."""
    low, high = bounds if bounds is not None else (x1, x2) if x1 <= x2 else (x2, x1)
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1**2 - g1 * g2
    if square < 0:
        return (low + high) / 2.0
    d2 = square**0.5
    if x1 <= x2:
        best = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    else:
        best = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(best, low), high)


def _strong_wolfe(evaluate, x, t, d, f, g, gtd, c1=1e-4, c2=0.9, tolerance_change=1e-9, max_ls=25):
    """A step length along `d` that meets the strong Wolfe conditions: loss, gradient, length, evaluations."""
    d_norm = d.abs().max().item()
    f_new, g_new, gtd_new = evaluate(x, t, d)
    evaluations = 1
    t_prev, f_prev, g_prev, gtd_prev = 0, f, g, gtd
    done = False
    iteration = 0
    # Widen the interval until it brackets a point that meets the conditions.
    while iteration < max_ls:
        if f_new > (f + c1 * t * gtd) or (iteration > 1 and f_new >= f_prev) or (not abs(gtd_new) <= -c2 * gtd and gtd_new >= 0):
            bracket, bracket_f = [t_prev, t], [f_prev, f_new]
            bracket_g, bracket_gtd = [g_prev, g_new], [gtd_prev, gtd_new]
            break
        if abs(gtd_new) <= -c2 * gtd:
            bracket, bracket_f, bracket_g = [t], [f_new], [g_new]
            done = True
            break
        shortest, longest = t + 0.01 * (t - t_prev), t * 10
        previous = t
        t = _cubic_interpolate(t_prev, f_prev, gtd_prev, t, f_new, gtd_new, bounds=(shortest, longest))
        t_prev, f_prev, g_prev, gtd_prev = previous, f_new, g_new, gtd_new
        f_new, g_new, gtd_new = evaluate(x, t, d)
        evaluations += 1
        iteration += 1
    if iteration == max_ls:
        bracket, bracket_f, bracket_g = [0, t], [f, f_new], [g, g_new]
    # Narrow it.
    stuck = False
    low, high = (0, 1) if bracket_f[0] <= bracket_f[-1] else (1, 0)
    while not done and iteration < max_ls:
        if abs(bracket[1] - bracket[0]) * d_norm < tolerance_change:
            break
        t = _cubic_interpolate(bracket[0], bracket_f[0], bracket_gtd[0], bracket[1], bracket_f[1], bracket_gtd[1])
        margin = 0.1 * (max(bracket) - min(bracket))
        if min(max(bracket) - t, t - min(bracket)) < margin:
            if stuck or t >= max(bracket) or t <= min(bracket):
                t = max(bracket) - margin if abs(t - max(bracket)) < abs(t - min(bracket)) else min(bracket) + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        f_new, g_new, gtd_new = evaluate(x, t, d)
        evaluations += 1
        iteration += 1
        if f_new > (f + c1 * t * gtd) or f_new >= bracket_f[low]:
            bracket[high], bracket_f[high], bracket_g[high], bracket_gtd[high] = t, f_new, g_new, gtd_new
            low, high = (0, 1) if bracket_f[0] <= bracket_f[1] else (1, 0)
        else:
            if abs(gtd_new) <= -c2 * gtd:
                done = True
            elif gtd_new * (bracket[high] - bracket[low]) >= 0:
                for values in (bracket, bracket_f, bracket_g, bracket_gtd):
                    values[high] = values[low]
            bracket[low], bracket_f[low], bracket_g[low], bracket_gtd[low] = t, f_new, g_new, gtd_new
    return bracket_f[low], bracket_g[low], bracket[low], evaluations


class LBFGS(Optimizer):
    """Limited-memory BFGS; `step(closure)` needs a closure that clears gradients, computes the loss and returns it."""

    def __init__(self, params, lr: float | Tensor = 1, max_iter: int = 20, max_eval: int | None = None, tolerance_grad: float = 1e-7,
                 tolerance_change: float = 1e-9, history_size: int = 100, line_search_fn: str | None = None):  # fmt: skip
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not 0.0 <= lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        defaults = {
            "lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size,
            "line_search_fn": line_search_fn,
        }  # fmt: skip
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]
        self._history: History | None = None

    def _gather_flat_grad(self) -> Tensor:
        views = []
        for p in self._params:
            v = p.new_zeros(p.numel()) if p.grad is None else p.grad.reshape(-1)
            views.append(torch.view_as_real(v).reshape(-1) if v.is_complex() else v)
        return torch.cat(views, 0)

    def _add_grad(self, step_size: float, update: Tensor) -> None:
        offset = 0
        for p in self._params:
            q = torch.view_as_real(p) if p.is_complex() else p
            n = q.numel()
            q.add_(update[offset : offset + n].view_as(q), alpha=step_size)
            offset += n

    def _evaluate(self, closure: Callable) -> tuple[float, Tensor]:
        """The loss and the flat gradient, computed by one program that is the same each time."""
        loss = closure()
        flat = self._gather_flat_grad()
        evaluate_all()
        return loss.item() if isinstance(loss, Tensor) else float(loss), flat

    def _directional_evaluate(self, closure: Callable, x: list[Tensor], t: float, d: Tensor) -> tuple[float, Tensor, float]:
        self._add_grad(t, d)
        loss, flat = self._evaluate(closure)
        for p, saved in zip(self._params, x, strict=True):
            p.copy_(saved)
        return loss, flat, flat.dot(d).item()

    def _direction(self, state: dict, flat_grad: Tensor, history_size: int) -> Tensor:
        """The next direction, from the history of steps and changes of the gradient."""
        if state["n_iter"] == 1:
            self._history = History(flat_grad, history_size)
            return flat_grad.neg()
        state.setdefault("al", [None] * history_size)  # PyTorch's room for coefficients
        if self._history is None:  # after a state dictionary was loaded
            old: list[Any] = [state.get(k) for k in ("old_dirs", "old_stps", "ro", "H_diag")]
            self._history = History(flat_grad, history_size, old[0], old[1], old[2], float(old[3]))
        return self._history.direction(flat_grad, state["prev_flat_grad"], state["d"], state["t"])

    def state_dict(self) -> dict[str, Any]:
        """The state in PyTorch's form: the history as lists of tensors."""
        state = self.state.get(self._params[0], {})
        if self._history is not None and "n_iter" in state:
            last = {k: state.pop(k) for k in list(state)[list(state).index("t") + 1 :]} if "t" in state else {}
            state["old_dirs"], state["old_stps"], state["ro"] = self._history.lists()
            state["H_diag"] = Tensor._wrap(self._history.diagonal) if state["old_dirs"] else 1
            for k, v in last.items():
                state.setdefault(k, v)
        return super().state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._history = None

    @no_grad()
    def step(self, closure: Callable) -> Any:  # type: ignore[override]
        """Minimize for up to `max_iter` iterations; returns the first loss."""
        group = self.param_groups[0]
        lr = group["lr"].item() if isinstance(group["lr"], Tensor) else group["lr"]
        max_iter, max_eval = group["max_iter"], group["max_eval"]
        tolerance_grad, tolerance_change = group["tolerance_grad"], group["tolerance_change"]
        search = group["line_search_fn"]
        closure = enable_grad()(closure)
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_step = "d" not in state
        first_loss = closure()
        loss, flat_grad = self._evaluate(lambda: first_loss)
        evaluations = 1
        state["func_evals"] += 1
        if flat_grad.abs().max() <= tolerance_grad:
            return first_loss
        n_iter = 0
        while n_iter < max_iter:
            n_iter += 1
            state["n_iter"] += 1
            d = state["d"] = self._direction(state, flat_grad, group["history_size"])
            state["prev_flat_grad"] = flat_grad
            previous_loss = state["prev_loss"] = loss
            t = state["t"] = min(1.0, 1.0 / flat_grad.abs().sum().item()) * lr if state["n_iter"] == 1 else lr
            gtd = flat_grad.dot(d).item()
            if gtd > -tolerance_change:
                break
            new_evaluations = 0
            if search is not None:
                if search != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                start = [p.clone() for p in self._params]

                def evaluate(x, t, d):
                    return self._directional_evaluate(closure, x, t, d)

                loss, flat_grad, t, new_evaluations = _strong_wolfe(
                    evaluate, start, t, d, loss, flat_grad, gtd, max_ls=max_eval - evaluations
                )
                state["t"] = t
                self._add_grad(t, d)
                converged = flat_grad.abs().max() <= tolerance_grad
            else:
                self._add_grad(t, d)
                converged = False
                if n_iter != max_iter:
                    loss, flat_grad = self._evaluate(closure)
                    converged = flat_grad.abs().max() <= tolerance_grad
                    new_evaluations = 1
            evaluations += new_evaluations
            state["func_evals"] += new_evaluations
            if n_iter == max_iter or evaluations >= max_eval or converged:
                break
            if d.mul(t).abs().max() <= tolerance_change or abs(loss - previous_loss) < tolerance_change:
                break
        if first_step:  # in the order in which PyTorch puts them there
            for k in ("d", "t", "prev_flat_grad", "prev_loss"):
                state[k] = state.pop(k)
        return first_loss
