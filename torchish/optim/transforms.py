"""PyTorch's optimizers as pure Optax gradient transformations.

    tx = torchish.optim.transforms.adam(lr=1e-3)
    state = tx.init(params)
    updates, state = tx.update(grads, state, params)
    params = optax.apply_updates(params, updates)

Formulas, defaults, the order of operations and what is rounded are PyTorch's. Hyperparameters may be Python numbers or traced
arrays; a Python zero (no momentum, no weight decay) leaves the term out of the program. `torchish.optim.Optimizer`
runs the same transformations over tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from torchish.ops.apart import apart, root
from torchish.ops.pointwise import between
from torchish.ops.precision import quotient


class State(NamedTuple):
    """The state of a transformation: updates made so far, and per slot ("exp_avg") a tree like the parameters."""

    count: Any
    slots: dict[str, Any]


# A rule maps one parameter, its gradient, its slots (absent ones are None) and the number of this update (from 1) to
# the new parameter and slots.
Rule = Callable[[Any, Any, dict[str, Any], Any], tuple[Any, dict[str, Any]]]


def _transformation(rule: Rule, init: Callable[[Any], dict[str, Any]], slots: tuple[str, ...], real: bool = True) -> Any:
    """Apply `rule` to every leaf; with `real`, complex parameters are treated as pairs of real numbers.

    Its `update` gives the new parameters instead of their changes when asked for the `whole`: a sum with a change is rounded once more.
    """
    from optax import GradientTransformation

    def none(x) -> bool:
        return x is None

    def init_fn(params) -> State:
        leaves, tree = jax.tree.flatten(params)
        made = [init(p) for p in leaves]
        return State(jnp.zeros((), jnp.int32), {k: jax.tree.unflatten(tree, [m.get(k) for m in made]) for k in slots})

    def update_fn(grads, state: State, params=None, *, whole: bool = False):
        if params is None:
            raise ValueError("this transformation needs the parameters: call update(grads, state, params)")
        tree: Any
        leaves, tree = jax.tree.flatten(params)
        flat_grads = tree.flatten_up_to(grads)
        flat = {k: jax.tree.flatten(state.slots[k], is_leaf=none)[0] for k in slots}
        count = state.count + 1
        changes, after = [], []
        for i, (p, g) in enumerate(zip(leaves, flat_grads, strict=True)):
            own = {k: flat[k][i] for k in slots}
            q, s = (_on_pairs if real and jnp.iscomplexobj(p) else _widened)(rule, p, g, own, count)
            changes.append(q.astype(p.dtype) if whole else q - p.astype(q.dtype))
            after.append(s)
        new = {k: jax.tree.unflatten(tree, [a.get(k) for a in after]) for k in slots}
        return jax.tree.unflatten(tree, changes), State(count, new)

    return GradientTransformation(init_fn, update_fn)


def _widened(rule: Rule, p, g, slots: dict, count):
    """16-bit parameters are updated in float32 and rounded once."""
    if p.dtype.itemsize >= 4:
        return rule(p, g, slots, count)
    wide = {k: v if v is None or v.ndim == 0 and p.ndim else v.astype(jnp.float32) for k, v in slots.items()}
    q, new = rule(p.astype(jnp.float32), g.astype(jnp.float32), wide, count)
    return q.astype(jnp.float32), {k: v if v is None or v.ndim == 0 and p.ndim else v.astype(p.dtype) for k, v in new.items()}


def _on_pairs(rule: Rule, p, g, slots: dict, count):
    def pair(x):
        return jnp.stack([x.real, x.imag], -1) if x is not None and jnp.iscomplexobj(x) else x

    def back(x):
        return jax.lax.complex(x[..., 0], x[..., 1]) if x is not None and x.ndim == p.ndim + 1 else x

    q, new = rule(pair(p), pair(g), {k: pair(v) for k, v in slots.items()}, count)
    return back(q), {k: back(v) for k, v in new.items()}


def _zeros(*names: str) -> Callable[[Any], dict[str, Any]]:
    return lambda p: {k: jnp.zeros_like(p) for k in names}


def _on(x: Any) -> bool:
    """Whether a hyperparameter takes part: not a Python zero."""
    return not (isinstance(x, (int, float)) and x == 0)


def _as(x: Any, like) -> Any:
    """A scalar in the dtype of an array, so that it does not promote it."""
    return jnp.asarray(x).astype(like.dtype)


# PyTorch's kernels: one rounding for a product and a sum in one kernel, one for each kernel.


def _mul(x, factor):
    return apart(x * _as(factor, x))


def _add(x, y, alpha):
    return x + _as(alpha, y) * y


def _addcmul(x, y, z, value):
    return x + (_as(value, y) * y) * z


def _addcdiv(x, y, z, value):
    return x + quotient(_as(value, y) * y, z)


def _lerp(x, end, weight):
    return between(x, end, _as(weight, x))


def _grad(p, g, weight_decay: Any, maximize: bool):
    g = -g if maximize else g
    return _add(g, p, weight_decay) if _on(weight_decay) else g


def _decay(p, lr: Any, weight_decay: Any):
    return _mul(p, 1 - lr * weight_decay) if _on(weight_decay) else p


def _decay_square(v, g, beta):
    return _addcmul(_mul(v, beta), g, g, 1 - beta)


def _correction(beta: Any, count: Any) -> Any:
    """1 - beta ** count; exact also where float32 powers are not."""
    if _wide() == jnp.float64:
        return 1 - jnp.asarray(beta, jnp.float64) ** jnp.asarray(count, jnp.float64)
    return -jnp.expm1(count * (math.log(beta) if isinstance(beta, float) and beta > 0 else jnp.log(jnp.asarray(beta))))


def _wide():
    return jnp.float64 if jax.config.jax_enable_x64 else jnp.float32  # type: ignore[attr-defined]


def sgd(lr: Any = 1e-3, momentum: Any = 0, dampening: Any = 0, weight_decay: Any = 0, nesterov: bool = False,
        maximize: bool = False) -> Any:  # fmt: skip
    """Stochastic gradient descent; the first momentum buffer is the gradient itself."""

    def rule(p, g, s, count):
        g = _grad(p, g, weight_decay, maximize)
        new: dict[str, Any] = {}
        if _on(momentum):
            buf = s["momentum_buffer"]
            if buf is None:
                buf = g
            elif _on(dampening):
                buf = jnp.where(count == 1, g, _add(_mul(buf, momentum), g, 1 - dampening))
            else:
                buf = _mul(buf, momentum) + g
            new["momentum_buffer"] = buf
            g = _add(g, buf, momentum) if nesterov else buf
        return _add(p, g, -lr), new

    return _transformation(rule, _zeros("momentum_buffer") if _on(momentum) else _zeros(), ("momentum_buffer",), real=False)


def adam(lr: Any = 1e-3, betas: tuple = (0.9, 0.999), eps: Any = 1e-8, weight_decay: Any = 0, amsgrad: bool = False,
         maximize: bool = False, decoupled_weight_decay: bool = False) -> Any:  # fmt: skip
    """Adam (arXiv:1412.6980), AMSGrad, and AdamW with decoupled weight decay."""
    beta1, beta2 = betas

    def rule(p, g, s, count):
        g = _grad(p, g, 0 if decoupled_weight_decay else weight_decay, maximize)
        m = _lerp(s["exp_avg"], g, 1 - beta1)
        v = _decay_square(s["exp_avg_sq"], g, beta2)
        new = {"exp_avg": m, "exp_avg_sq": v}
        if amsgrad:
            v = new["max_exp_avg_sq"] = jnp.maximum(s["max_exp_avg_sq"], v)
        denominator = quotient(root(v), _as(jnp.sqrt(_correction(beta2, count)), p)) + _as(eps, p)
        q = _decay(p, lr, weight_decay) if decoupled_weight_decay else p
        return _addcdiv(q, m, denominator, -(lr / _correction(beta1, count))), new

    names = ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if amsgrad else ()))
    return _transformation(rule, _zeros(*names), names)


def adamw(lr: Any = 1e-3, betas: tuple = (0.9, 0.999), eps: Any = 1e-8, weight_decay: Any = 1e-2, amsgrad: bool = False,
          maximize: bool = False) -> Any:  # fmt: skip
    """Adam with decoupled weight decay (arXiv:1711.05101)."""
    return adam(lr, betas, eps, weight_decay, amsgrad, maximize, decoupled_weight_decay=True)


def adamax(lr: Any = 2e-3, betas: tuple = (0.9, 0.999), eps: Any = 1e-8, weight_decay: Any = 0, maximize: bool = False) -> Any:
    """Adam with the infinity norm (arXiv:1412.6980)."""
    beta1, beta2 = betas

    def rule(p, g, s, count):
        g = _grad(p, g, weight_decay, maximize)
        m = _lerp(s["exp_avg"], g, 1 - beta1)
        u = jnp.maximum(_mul(s["exp_inf"], beta2), jnp.abs(g) + _as(eps, p))
        return _addcdiv(p, m, u, -(lr / _correction(beta1, count))), {"exp_avg": m, "exp_inf": u}

    return _transformation(rule, _zeros("exp_avg", "exp_inf"), ("exp_avg", "exp_inf"))


def nadam(lr: Any = 2e-3, betas: tuple = (0.9, 0.999), eps: Any = 1e-8, weight_decay: Any = 0, momentum_decay: Any = 4e-3,
          decoupled_weight_decay: bool = False, maximize: bool = False) -> Any:  # fmt: skip
    """Adam with Nesterov momentum (Dozat 2016)."""
    beta1, beta2 = betas

    def rule(p, g, s, count):
        g = _grad(p, g, 0 if decoupled_weight_decay else weight_decay, maximize)
        q = _decay(p, lr, weight_decay) if decoupled_weight_decay else p
        count = jnp.asarray(count, _wide())
        mu = beta1 * (1.0 - 0.5 * 0.96 ** (count * momentum_decay))
        mu_next = beta1 * (1.0 - 0.5 * 0.96 ** ((count + 1) * momentum_decay))
        product = s["mu_product"] * _as(mu, s["mu_product"])
        m = _lerp(s["exp_avg"], g, 1 - beta1)
        v = _decay_square(s["exp_avg_sq"], g, beta2)
        denominator = root(quotient(v, _as(_correction(beta2, count), p))) + _as(eps, p)
        so_far = product.astype(_wide())
        q = _addcdiv(q, g, denominator, -lr * (1.0 - mu) / (1.0 - so_far))
        q = _addcdiv(q, m, denominator, -lr * mu_next / (1.0 - so_far * mu_next))
        return q, {"exp_avg": m, "exp_avg_sq": v, "mu_product": product}

    def init(p):
        return {**_zeros("exp_avg", "exp_avg_sq")(p), "mu_product": jnp.ones((), jnp.float32)}

    return _transformation(rule, init, ("exp_avg", "exp_avg_sq", "mu_product"))


def radam(lr: Any = 1e-3, betas: tuple = (0.9, 0.999), eps: Any = 1e-8, weight_decay: Any = 0,
          decoupled_weight_decay: bool = False, maximize: bool = False) -> Any:  # fmt: skip
    """Rectified Adam (arXiv:1908.03265)."""
    beta1, beta2 = betas

    def rule(p, g, s, count):
        g = _grad(p, g, 0 if decoupled_weight_decay else weight_decay, maximize)
        m = _lerp(s["exp_avg"], g, 1 - beta1)
        v = _decay_square(s["exp_avg_sq"], g, beta2)
        count = jnp.asarray(count, _wide())
        correction2 = _correction(beta2, count)
        rho_inf = 2 / (1 - beta2) - 1
        rho = rho_inf - 2 * count * beta2**count / correction2
        adapts = rho > 5.0
        safe = jnp.where(adapts, rho, 6.0)
        rectified = jnp.sqrt((safe - 4) * (safe - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * safe))
        adaptive = _mul(apart(1 / (root(v) + _as(eps, p))), jnp.sqrt(correction2))
        step = _mul(quotient(m, _as(_correction(beta1, count), p)), lr)
        step = jnp.where(adapts, _mul(apart(step * adaptive), rectified), step)
        q = _decay(p, lr, weight_decay) if decoupled_weight_decay else p
        return q - step, {"exp_avg": m, "exp_avg_sq": v}

    return _transformation(rule, _zeros("exp_avg", "exp_avg_sq"), ("exp_avg", "exp_avg_sq"))


def adagrad(lr: Any = 1e-2, lr_decay: Any = 0, weight_decay: Any = 0, initial_accumulator_value: float = 0, eps: Any = 1e-10,
            maximize: bool = False) -> Any:  # fmt: skip
    """Adagrad (Duchi et al. 2011)."""

    def rule(p, g, s, count):
        g = _grad(p, g, weight_decay, maximize)
        total = s["sum"] + g * g
        rate = lr / (1 + (count - 1) * lr_decay) if _on(lr_decay) else lr
        return _addcdiv(p, g, root(total) + _as(eps, p), -rate), {"sum": total}

    return _transformation(rule, lambda p: {"sum": jnp.full_like(p, initial_accumulator_value)}, ("sum",))


def adadelta(lr: Any = 1.0, rho: Any = 0.9, eps: Any = 1e-6, weight_decay: Any = 0, maximize: bool = False) -> Any:
    """Adadelta (arXiv:1212.5701)."""

    def rule(p, g, s, count):
        g = _grad(p, g, weight_decay, maximize)
        square = _decay_square(s["square_avg"], g, rho)
        delta = apart(quotient(root(s["acc_delta"] + _as(eps, p)), root(square + _as(eps, p))) * g)
        return _add(p, delta, -lr), {"square_avg": square, "acc_delta": _decay_square(s["acc_delta"], delta, rho)}

    return _transformation(rule, _zeros("square_avg", "acc_delta"), ("square_avg", "acc_delta"))


def rmsprop(lr: Any = 1e-2, alpha: Any = 0.99, eps: Any = 1e-8, weight_decay: Any = 0, momentum: Any = 0, centered: bool = False,
            maximize: bool = False) -> Any:  # fmt: skip
    """RMSprop (Hinton), optionally centered, with momentum behind the scaling."""

    def rule(p, g, s, count):
        g = _grad(p, g, weight_decay, maximize)
        square = _decay_square(s["square_avg"], g, alpha)
        new = {"square_avg": square}
        if centered:
            mean = new["grad_avg"] = _lerp(s["grad_avg"], g, 1 - alpha)
            scale = root(_addcmul(square, mean, mean, -1)) + _as(eps, p)
        else:
            scale = root(square) + _as(eps, p)
        if _on(momentum):
            buf = new["momentum_buffer"] = _addcdiv(_mul(s["momentum_buffer"], momentum), g, scale, 1)
            return _add(p, buf, -lr), new
        return _addcdiv(p, g, scale, -lr), new

    names = ("square_avg", *(("momentum_buffer",) if _on(momentum) else ()), *(("grad_avg",) if centered else ()))
    return _transformation(rule, _zeros(*names), names)


def rprop(lr: Any = 1e-2, etas: tuple = (0.5, 1.2), step_sizes: tuple = (1e-6, 50), maximize: bool = False) -> Any:
    """Resilient backpropagation: step sizes that grow and shrink with the sign of the gradient."""
    shrink, grow = etas
    low, high = step_sizes

    def rule(p, g, s, count):
        g = -g if maximize else g
        agreement = jnp.sign(g * s["prev"])
        factor = jnp.where(agreement > 0, _as(grow, p), jnp.where(agreement < 0, _as(shrink, p), jnp.ones_like(p)))
        size = jnp.clip(s["step_size"] * factor, _as(low, p), _as(high, p))
        g = jnp.where(agreement < 0, 0, g)  # after a change of sign the step is left out
        return p - jnp.sign(g) * size, {"prev": g, "step_size": size}

    def init(p):
        size = jax.lax.complex(jnp.real(p) * 0 + lr, jnp.imag(p) * 0 + lr) if jnp.iscomplexobj(p) else jnp.full_like(p, lr)
        return {"prev": jnp.zeros_like(p), "step_size": size}

    return _transformation(rule, init, ("prev", "step_size"))


def asgd(lr: Any = 1e-2, lambd: Any = 1e-4, alpha: Any = 0.75, t0: Any = 1e6, weight_decay: Any = 0, maximize: bool = False) -> Any:
    """Averaged stochastic gradient descent (Polyak & Juditsky 1992); the average is the slot "ax"."""

    def rule(p, g, s, count):
        g = _grad(p, g, weight_decay, maximize)
        eta, mu, ax = s["eta"], s["mu"], s["ax"]
        new = _add(_mul(p, 1 - lambd * eta.astype(_wide())), g, -eta)
        ax = jnp.where(mu == 1, new, ax + _mul(new - ax, mu))
        count = jnp.asarray(count, _wide())
        next_eta = lr / (1 + lambd * lr * count) ** alpha
        next_mu = 1 / jnp.maximum(1.0, count - t0)
        return new, {"eta": _as(next_eta, eta), "mu": _as(next_mu, mu), "ax": ax}

    def init(p):
        return {"eta": jnp.asarray(lr, jnp.float32), "mu": jnp.ones((), jnp.float32), "ax": jnp.zeros_like(p)}

    return _transformation(rule, init, ("eta", "mu", "ax"))


def adafactor(lr: Any = 1e-2, beta2_decay: Any = -0.8, eps: tuple = (None, 1e-3), d: Any = 1.0, weight_decay: Any = 0.0,
              maximize: bool = False) -> Any:  # fmt: skip
    """Adafactor (arXiv:1804.04235): second moments of matrices as a row times a column."""
    eps1, eps2 = eps

    def rule(p, g, s, count):
        g = -g if maximize else g
        floor = jnp.finfo(p.dtype).eps if eps1 is None else eps1
        count = jnp.asarray(count, _wide())
        keep = count**beta2_decay
        size = jnp.linalg.norm(p.ravel()).astype(_wide()) / p.size**0.5
        alpha = jnp.maximum(eps2, size) * jnp.minimum(lr, 1 / jnp.sqrt(count))
        new: dict[str, Any] = {}
        if g.ndim > 1:
            row = new["row_var"] = _lerp(s["row_var"], jnp.mean(g * g, -1, keepdims=True), keep)
            col = new["col_var"] = _lerp(s["col_var"], jnp.mean(g * g, -2, keepdims=True), keep)
            variance = row @ col / jnp.maximum(jnp.mean(row, -2, keepdims=True), _as(floor, p))
        else:
            variance = new["variance"] = _lerp(s["variance"], g * g, keep)
        update = jax.lax.rsqrt(jnp.maximum(variance, _as(floor * floor, p))) * g
        norm = jnp.linalg.norm(update.ravel()).astype(_wide())
        alpha = alpha / jnp.maximum(1.0, norm / (update.size**0.5 * d))
        return _add(_decay(p, lr, weight_decay), update, -alpha), new

    def init(p):
        if p.ndim > 1:
            return {
                "row_var": jnp.zeros((*p.shape[:-1], 1), p.dtype),
                "col_var": jnp.zeros((*p.shape[:-2], 1, p.shape[-1]), p.dtype),
            }
        return {"variance": jnp.zeros_like(p)}

    return _transformation(rule, init, ("row_var", "col_var", "variance"))


def muon(lr: Any = 1e-3, weight_decay: Any = 0.1, momentum: Any = 0.95, nesterov: bool = True,
         ns_coefficients: tuple = (3.4445, -4.775, 2.0315), eps: Any = 1e-7, ns_steps: int = 5,
         adjust_lr_fn: str | None = None) -> Any:  # fmt: skip
    """Muon: momentum whose update is made orthogonal by Newton-Schulz iterations; for matrices only."""

    def orthogonal(x):
        a, b, c = (_as(k, jnp.zeros((), jnp.float32)) for k in ns_coefficients)
        y = x.astype(jnp.bfloat16)
        tall = x.shape[0] > x.shape[1]
        y = y.T if tall else y
        norm = jnp.linalg.norm(y.astype(jnp.float32).ravel()).astype(jnp.bfloat16)
        y = y / jnp.maximum(norm, _as(eps, y))

        def mix(base, beta, m1, m2, alpha):  # PyTorch's addmm on bfloat16: float32 inside, rounded once
            product = m1.astype(jnp.float32) @ m2.astype(jnp.float32)
            return (beta * base.astype(jnp.float32) + alpha * product).astype(jnp.bfloat16)

        for _ in range(ns_steps):
            gram = (y.astype(jnp.float32) @ y.T.astype(jnp.float32)).astype(jnp.bfloat16)
            y = mix(y, a, mix(gram, b, gram, gram, c), y, 1.0)
        return y.T if tall else y

    def rule(p, g, s, count):
        buf = _lerp(s["momentum_buffer"], g, 1 - momentum)
        update = orthogonal(_lerp(g, buf, momentum) if nesterov else buf)
        rows, cols = p.shape
        if adjust_lr_fn == "match_rms_adamw":
            ratio = 0.2 * math.sqrt(max(rows, cols))
        else:
            ratio = math.sqrt(max(1, rows / cols))
        return _add(_decay(p, lr, weight_decay), update.astype(p.dtype), -(lr * ratio)), {"momentum_buffer": buf}

    return _transformation(rule, _zeros("momentum_buffer"), ("momentum_buffer",))


def sparse_adam(lr: Any = 1e-3, betas: tuple = (0.9, 0.999), eps: Any = 1e-8, maximize: bool = False) -> Any:
    """Adam that leaves rows without gradient, and their moments, as they are."""
    beta1, beta2 = betas

    def rule(p, g, s, count):
        g = -g if maximize else g
        used = (g != 0).any(tuple(range(1, g.ndim)), keepdims=True) if g.ndim else g != 0
        m = jnp.where(used, _lerp(s["exp_avg"], g, 1 - beta1), s["exp_avg"])
        v = jnp.where(used, _lerp(s["exp_avg_sq"], g * g, 1 - beta2), s["exp_avg_sq"])
        step_size = lr * jnp.sqrt(_correction(beta2, count)) / _correction(beta1, count)
        step = _mul(quotient(m, root(v) + _as(eps, p)), step_size)
        return jnp.where(used, p - step, p), {"exp_avg": m, "exp_avg_sq": v}

    return _transformation(rule, _zeros("exp_avg", "exp_avg_sq"), ("exp_avg", "exp_avg_sq"))
