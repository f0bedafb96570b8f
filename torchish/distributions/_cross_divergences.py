"""Kullback-Leibler divergences between families of numbers.

KL(p || q) is -E[log q] - H(p). For every q below, E[log q] follows from a few expectations under p: so each family says what
those are (as p) and what it needs of them (as q), and the pairs are a table.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torchish as torch
from torchish.distributions._counts import Bernoulli, ContinuousBernoulli, Poisson
from torchish.distributions._derived import Gumbel, Pareto
from torchish.distributions._gammas import Beta, Exponential, Gamma
from torchish.distributions._location_scale import Laplace, Normal, Uniform
from torchish.distributions.kl import register_kl
from torchish.distributions.utils import euler_constant

# --- expectations under p ------------------------------------------------------------------------------------


def _mean_log_uniform(low: Any, high: Any) -> Any:
    return (torch.xlogy(high, high) - torch.xlogy(low, low)) / (high - low) - 1


MEAN_LOG: dict[type, Callable] = {  # E[log x]
    Beta: lambda p: torch.digamma(p.concentration1) - torch.digamma(p.concentration1 + p.concentration0),
    Exponential: lambda p: -euler_constant - p.rate.log(),
    Gamma: lambda p: torch.digamma(p.concentration) - p.rate.log(),
    Pareto: lambda p: p.scale.log() + p.alpha.reciprocal(),
    Uniform: lambda p: _mean_log_uniform(p.low, p.high),
}
MEAN_LOG_REST: dict[type, Callable] = {  # E[log(1 - x)]
    Uniform: lambda p: _mean_log_uniform(1 - p.high, 1 - p.low),
}
LOG_MEAN_EXP: dict[type, Callable] = {  # log E[exp(-x / s)]
    Exponential: lambda p, s: -torch.log1p(1 / (s * p.rate)),
    Gamma: lambda p, s: -p.concentration * torch.log1p(1 / (s * p.rate)),
    Gumbel: lambda p, s: -p.loc / s + torch.lgamma(1 + p.scale / s),
    Normal: lambda p, s: -p.loc / s + 0.5 * (p.scale / s).square(),
    Uniform: lambda p, s: -p.low / s + torch.log(-torch.expm1(-(p.high - p.low) / s) * s / (p.high - p.low)),
}
ENDS: dict[type, Callable] = {  # the least and the greatest value
    Beta: lambda p: (0.0, 1.0),
    ContinuousBernoulli: lambda p: (0.0, 1.0),
    Pareto: lambda p: (p.scale, math.inf),
    Uniform: lambda p: (p.low, p.high),
    Exponential: lambda p: (0.0, math.inf),
    Gamma: lambda p: (0.0, math.inf),
}

# --- E[log q] ------------------------------------------------------------------------------------------------


def _of_normal(p: Any, q: Any) -> Any:
    spread: Any = 0.0
    if isinstance(p, Pareto):  # without a variance at small alpha, where gradients are not to be NaN
        spread = torch.where(p.alpha <= 2, math.inf, torch.zeros_like(p.alpha))
        p = Pareto(p.scale, torch.where(p.alpha <= 2, 3.0, p.alpha), validate_args=False)
    spread = spread + (p.variance + (p.mean - q.loc).square()) / q.scale.square()
    return -0.5 * (spread + math.log(2 * math.pi)) - q.scale.log()


def _of_gamma(p: Any, q: Any) -> Any:
    a = q.concentration
    return a * q.rate.log() - torch.lgamma(a) + (a - 1) * MEAN_LOG[_family(p)](p) - q.rate * p.mean


def _of_gumbel(p: Any, q: Any) -> Any:
    z = (p.mean - q.loc) / q.scale
    return -z - torch.exp(LOG_MEAN_EXP[_family(p)](p, q.scale) + q.loc / q.scale) - q.scale.log()


def _of_beta(p: Any, q: Any) -> Any:
    a, b = q.concentration1, q.concentration0
    norm = torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)
    return (a - 1) * MEAN_LOG[_family(p)](p) + (b - 1) * MEAN_LOG_REST[_family(p)](p) - norm


MEAN_LOG_OF: dict[type, Callable] = {
    Beta: _of_beta,
    ContinuousBernoulli: lambda p, q: p.mean * q.logits + torch.log1p(-q.probs) + q._cont_bern_log_norm(),
    Exponential: lambda p, q: q.rate.log() - q.rate * p.mean,
    Gamma: _of_gamma,
    Gumbel: _of_gumbel,
    Normal: _of_normal,
    Pareto: lambda p, q: q.alpha.log() + q.alpha * q.scale.log() - (q.alpha + 1) * MEAN_LOG[_family(p)](p),
    Uniform: lambda p, q: -torch.log(q.high - q.low),
}

# --- pairs ---------------------------------------------------------------------------------------------------

FINITE: dict[type, tuple[type, ...]] = {
    Beta: (ContinuousBernoulli, Exponential, Gamma, Normal, Uniform),
    ContinuousBernoulli: (Exponential, Normal, Uniform),
    Exponential: (Gamma, Gumbel, Normal),
    Gamma: (Exponential, Gumbel, Normal),
    Gumbel: (Gumbel, Normal),
    Laplace: (Normal,),
    Normal: (Gumbel,),
    Pareto: (Pareto, Exponential, Gamma, Normal),
    Uniform: (Uniform, Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Normal, Pareto),
}
INFINITE: dict[type, tuple[type, ...]] = {  # p goes where q does not
    Beta: (Pareto,),
    ContinuousBernoulli: (Pareto,),
    Exponential: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gamma: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gumbel: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Laplace: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Normal: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Pareto: (Beta, ContinuousBernoulli, Uniform),
}


def _family(p: Any) -> type:
    return next(c for c in type(p).__mro__ if c in FINITE)


def _outside(p: Any, q: Any) -> Any:
    """Where p goes that q does not; None where it never does."""
    own, other = ENDS.get(_family(p)), next((ENDS[c] for c in type(q).__mro__ if c in ENDS), None)
    if own is None or other is None:
        return None
    (low, high), (q_low, q_high) = own(p), other(q)
    if isinstance(p, Uniform) and isinstance(q, ContinuousBernoulli):  # PyTorch leaves the ends out of this one
        out = (low <= q_low) | (high >= q_high)
    else:
        out = torch.as_tensor(low < q_low) | torch.as_tensor(high > q_high)
    return out if out.any() else None


def _cross(p: Any, q: Any) -> Any:
    expected = next(MEAN_LOG_OF[c] for c in type(q).__mro__ if c in MEAN_LOG_OF)
    divergence = -p.entropy() - expected(p, q)
    outside = _outside(p, q)
    return divergence if outside is None else torch.where(outside, math.inf, divergence)


def _infinite(p: Any, q: Any) -> Any:
    return torch.full_like(p.entropy().detach(), math.inf)


for _rule, _table in ((_cross, FINITE), (_infinite, INFINITE)):
    for _p, _qs in _table.items():
        for _q in _qs:
            register_kl(_p, _q)(_rule)


@register_kl(Normal, Laplace)
def _normal_laplace(p: Any, q: Any) -> Any:
    z = (p.loc - q.loc) / p.scale
    distance = p.scale * (math.sqrt(2 / math.pi) * torch.exp(-0.5 * z.square()) + z * torch.erf(z / math.sqrt(2)))
    return distance / q.scale + torch.log(2 * q.scale) - p.entropy()


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p: Any, q: Any) -> Any:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)
