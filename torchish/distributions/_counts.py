"""Distributions of outcomes and counts of independent trials, and of events at a rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torchish as torch
from torchish.distributions import constraints
from torchish.distributions._gammas import Gamma
from torchish.distributions._odds import BINARY, Odds
from torchish.distributions.distribution import EMPTY
from torchish.distributions.exp_family import ExponentialFamily
from torchish.distributions.utils import clamp_probs, lazy_property, uniform_numbers
from torchish.nn.functional import binary_cross_entropy_with_logits, logsigmoid


def _broadcast_cross_entropy(logits: Any, value: Any) -> Any:
    logits, value = torch.broadcast_tensors(logits, value)
    return binary_cross_entropy_with_logits(logits, value, reduction="none")


class Bernoulli(Odds, ExponentialFamily):
    """1 with probability `probs`, else 0."""

    arg_constraints = BINARY
    support = constraints.boolean
    has_enumerate_support = True
    _mean_carrier_measure = 0  # type: ignore[assignment]

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._declare_either(validate_args, probs, logits)

    @property
    def mean(self) -> Any:
        return self.probs

    @property
    def mode(self) -> Any:
        return torch.where(self.probs == 0.5, math.nan, (self.probs >= 0.5).to(self.probs))

    @property
    def variance(self) -> Any:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        with torch.no_grad():
            return torch.bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Any) -> Any:
        value = self._checked(value)  # before logits are made of probs, which an error's text would show
        return -_broadcast_cross_entropy(self.logits, value)

    def entropy(self) -> Any:
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Any:
        return self._enumerated(torch.arange(2, dtype=self._param.dtype, device=self._param.device), expand)

    @property
    def _natural_params(self) -> tuple:
        return (torch.logit(self.probs),)

    def _log_normalizer(self, x: Any) -> Any:  # type: ignore[override]
        return torch.log1p(torch.exp(x))


class Binomial(Odds):
    """Successes in `total_count` trials."""

    arg_constraints = {"total_count": constraints.nonnegative_integer, **BINARY}
    has_enumerate_support = True
    total_count: Any

    def __init__(self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._declare_either(validate_args, probs, logits, total_count=total_count)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Any:
        return self.total_count * self.probs

    @property
    def mode(self) -> Any:
        return torch.minimum(((self.total_count + 1) * self.probs).floor(), self.total_count)

    @property
    def variance(self) -> Any:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            return torch.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Any) -> Any:
        n, k = self.total_count, self._checked(value)
        choices = torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)
        return choices + k * self.logits + n * logsigmoid(-self.logits)

    def _one_count(self, caller: str) -> int:
        count = int(self.total_count.max())
        if int(self.total_count.min()) != count:
            raise NotImplementedError(f"Inhomogeneous total count not supported by `{caller}`.")
        return count

    def entropy(self) -> Any:
        self._one_count("entropy")
        log_probs = self.log_prob(self.enumerate_support(False))
        return -(log_probs.exp() * log_probs).sum(0)

    def enumerate_support(self, expand: bool = True) -> Any:
        count = self._one_count("enumerate_support")
        return self._enumerated(torch.arange(1 + count, dtype=self._param.dtype, device=self._param.device), expand)


class Geometric(Odds):
    """Failures before the first success."""

    arg_constraints = BINARY
    support = constraints.nonnegative_integer

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._declare_either(validate_args, probs, logits)
        if self._validate_args and probs is not None:
            value = self.probs
            if not (value > 0).all():
                raise ValueError(
                    f"Expected parameter probs ({type(value).__name__} of shape {tuple(value.shape)}) of distribution {self!r} "
                    f"to be positive but found invalid values:\n{value.detach()[~(value > 0)]}"
                )

    @property
    def mean(self) -> Any:
        return 1 / self.probs - 1

    @property
    def mode(self) -> Any:
        return torch.zeros_like(self.probs)

    @property
    def variance(self) -> Any:
        return (1 / self.probs - 1) / self.probs

    def sample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        p = self.probs
        with torch.no_grad():
            u = torch.empty(self._extended_shape(sample_shape), dtype=p.dtype, device=p.device).uniform_(torch.finfo(p.dtype).tiny, 1)
            return (u.log() / (-p).log1p()).floor()

    def log_prob(self, value: Any) -> Any:
        value, p = torch.broadcast_tensors(self._checked(value), self.probs)
        certain = (p == 1) & (value == 0)  # 0 * log(0) is 0
        return value * torch.log1p(-torch.where(certain, 0.0, p)) + self.probs.log()

    def entropy(self) -> Any:
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs


class NegativeBinomial(Odds):
    """Successes of probability `probs` before `total_count` failures."""

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer
    total_count: Any

    def __init__(self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._declare_either(validate_args, probs, logits, total_count=total_count)

    def _parts(self, batch_shape: Any) -> dict[str, Any]:
        return {"_gamma": self._gamma.expand(batch_shape)} if "_gamma" in self.__dict__ else {}

    @property
    def mean(self) -> Any:
        return self.total_count * torch.exp(self.logits)

    @property
    def mode(self) -> Any:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self) -> Any:
        return self.mean / torch.sigmoid(-self.logits)

    @lazy_property
    def _gamma(self) -> Any:
        """The distribution of the rate of a Poisson variable that has this distribution."""
        return Gamma(concentration=self.total_count, rate=torch.exp(-self.logits), validate_args=False)

    def sample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        with torch.no_grad():
            return torch.poisson(self._gamma.sample(sample_shape))

    def log_prob(self, value: Any) -> Any:
        n = self.total_count
        self._checked(value)
        choices = torch.lgamma(n + value) - torch.lgamma(1.0 + value) - torch.lgamma(n)
        choices = choices.masked_fill(n + value == 0.0, 0.0)
        return n * logsigmoid(-self.logits) + value * logsigmoid(self.logits) + choices


class Poisson(ExponentialFamily):
    """Events of a rate in unit time."""

    arg_constraints = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer
    rate: Any

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        self._declare(validate_args, rate=rate)

    @property
    def mean(self) -> Any:
        return self.rate

    @property
    def mode(self) -> Any:
        return self.rate.floor()

    @property
    def variance(self) -> Any:
        return self.rate

    def sample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        with torch.no_grad():
            return torch.poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Any) -> Any:
        rate, value = torch.broadcast_tensors(self.rate, self._checked(value))
        return torch.xlogy(value, rate) - rate - torch.lgamma(value + 1)

    @property
    def _natural_params(self) -> tuple:
        return (torch.log(self.rate),)

    def _log_normalizer(self, x: Any) -> Any:  # type: ignore[override]
        return torch.exp(x)


class ContinuousBernoulli(Odds, ExponentialFamily):
    """Numbers of [0, 1] with density proportional to probs^x (1 - probs)^(1 - x).

    Within `lims` of 1/2, where the closed forms are quotients of small numbers, their Taylor series are used.
    """

    arg_constraints = BINARY
    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0  # type: ignore[assignment]

    def __init__(
        self, probs: Any = None, logits: Any = None, lims: tuple[float, float] = (0.499, 0.501), validate_args: bool | None = None
    ) -> None:
        self._lims = lims
        if probs is not None and logits is None:
            probs = probs if isinstance(probs, torch.Tensor) else torch.tensor(float(probs))
            if validate_args is not None and not constraints.unit_interval.check(probs).all():
                raise ValueError("The parameter probs has invalid values")
            probs = clamp_probs(probs)
        self._declare_either(validate_args, probs, logits)

    def _away(self) -> tuple[Any, Any]:
        """Where the closed forms hold, and probabilities for which they hold everywhere."""
        away = (self.probs <= self._lims[0]) | (self.probs > self._lims[1])
        return away, torch.where(away, self.probs, torch.full_like(self.probs, self._lims[0]))

    def _cont_bern_log_norm(self) -> Any:
        """log of the factor that makes the density integrate to 1: 2 artanh(1 - 2 probs) / (1 - 2 probs)."""
        away, p = self._away()
        exact = torch.log(torch.abs(torch.log1p(-p) - torch.log(p))) - torch.log(torch.abs(1 - 2 * p))
        square = (self.probs - 0.5).square()
        return torch.where(away, exact, math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * square) * square)

    @property
    def mean(self) -> Any:
        away, p = self._away()
        x = self.probs - 0.5
        return torch.where(away, p / (2 * p - 1) + 1 / (torch.log1p(-p) - torch.log(p)), 0.5 + (1 / 3 + 16 / 45 * x.square()) * x)

    @property
    def variance(self) -> Any:
        away, p = self._away()
        square = (self.probs - 0.5).square()
        exact = p * (p - 1) / (1 - 2 * p).square() + 1 / (torch.log1p(-p) - torch.log(p)).square()
        return torch.where(away, exact, 1 / 12 - (1 / 15 - 128 / 945 * square) * square)

    def sample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        with torch.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        return self.icdf(uniform_numbers(self._extended_shape(sample_shape), self.probs))

    def log_prob(self, value: Any) -> Any:
        value = self._checked(value)
        return self._cont_bern_log_norm() - _broadcast_cross_entropy(self.logits, value)

    def cdf(self, value: Any) -> Any:
        self._checked(value)
        away, p = self._away()
        inside = torch.where(away, (p.pow(value) * (1 - p).pow(1 - value) + p - 1) / (2 * p - 1), value)
        return torch.where(value <= 0, 0.0, torch.where(value >= 1, 1.0, inside))

    def icdf(self, value: Any) -> Any:
        away, p = self._away()
        return torch.where(away, (torch.log1p(-p + value * (2 * p - 1)) - torch.log1p(-p)) / (torch.log(p) - torch.log1p(-p)), value)

    def entropy(self) -> Any:
        fails, succeeds = torch.log1p(-self.probs), torch.log(self.probs)
        return self.mean * (fails - succeeds) - self._cont_bern_log_norm() - fails

    @property
    def _natural_params(self) -> tuple:
        return (self.logits,)

    def _log_normalizer(self, x: Any) -> Any:  # type: ignore[override]
        away = (x <= self._lims[0] - 0.5) | (x > self._lims[1] - 0.5)
        cut = torch.where(away, x, torch.full_like(x, self._lims[0] - 0.5))
        exact = torch.log(torch.abs(torch.expm1(cut))) - torch.log(torch.abs(cut))
        return torch.where(away, exact, 0.5 * x + x.square() / 24.0 - x.pow(4) / 2880.0)
