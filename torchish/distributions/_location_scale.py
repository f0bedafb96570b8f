"""Distributions of real numbers with a location and a scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torchish as torch
from torchish.distributions import constraints
from torchish.distributions._gammas import Chi2
from torchish.distributions.distribution import EMPTY, Distribution
from torchish.distributions.exp_family import ExponentialFamily
from torchish.distributions.utils import lazy_property, standard_normal, uniform_numbers

_LOCATION_SCALE: dict[str, Any] = {"loc": constraints.real, "scale": constraints.positive}


class _LocationScale(Distribution):
    """loc + scale * a standard variable."""

    arg_constraints = _LOCATION_SCALE
    support = constraints.real
    has_rsample = True
    loc: Any
    scale: Any

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self._declare(validate_args, loc=loc, scale=scale)

    def _standard(self, value: Any) -> Any:
        return (self._checked(value) - self.loc) / self.scale

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        return self.stddev.pow(2)


class Normal(_LocationScale, ExponentialFamily):
    """The normal distribution of mean `loc` and standard deviation `scale`."""

    _mean_carrier_measure = 0  # type: ignore[assignment]

    @property
    def stddev(self) -> Any:
        return self.scale

    def sample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            return torch.normal(self.loc.expand(shape), self.scale.expand(shape))

    def rsample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        return self.loc + standard_normal(self._extended_shape(sample_shape), self.loc) * self.scale

    def log_prob(self, value: Any) -> Any:
        return -0.5 * self._standard(value).square() - self.scale.log() - 0.5 * math.log(2 * math.pi)

    def cdf(self, value: Any) -> Any:
        return 0.5 * (1 + torch.erf(self._standard(value) / math.sqrt(2)))

    def icdf(self, value: Any) -> Any:
        return self.loc + self.scale * torch.erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self) -> Any:
        return 0.5 + 0.5 * math.log(2 * math.pi) + torch.log(self.scale)

    @property
    def _natural_params(self) -> tuple:
        precision = self.scale.pow(2).reciprocal()
        return self.loc * precision, -0.5 * precision

    def _log_normalizer(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        return -0.25 * x.pow(2) / y + 0.5 * torch.log(-math.pi / y)


class Laplace(_LocationScale):
    """Density exp(-|x - loc| / scale) / (2 scale)."""

    @property
    def variance(self) -> Any:
        return 2 * self.scale.pow(2)

    @property
    def stddev(self) -> Any:
        return math.sqrt(2) * self.scale

    def rsample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        u = torch.empty(self._extended_shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device)
        u = u.uniform_(torch.finfo(self.loc.dtype).eps - 1, 1)
        return self.loc - self.scale * u.sign() * torch.log1p(-u.abs())

    def log_prob(self, value: Any) -> Any:
        return -torch.log(2 * self.scale) - torch.abs(self._checked(value) - self.loc) / self.scale

    def cdf(self, value: Any) -> Any:
        z = self._standard(value)
        return 0.5 - 0.5 * z.sign() * torch.expm1(-z.abs())

    def icdf(self, value: Any) -> Any:
        centred = value - 0.5
        return self.loc - self.scale * centred.sign() * torch.log1p(-2 * centred.abs())

    def entropy(self) -> Any:
        return 1 + torch.log(2 * self.scale)


class Cauchy(_LocationScale):
    """The ratio of two normal variables: a Lorentzian of half width `scale` at `loc`. It has no moments."""

    @property
    def mean(self) -> Any:
        return torch.full(self._extended_shape(), math.nan, dtype=self.loc.dtype, device=self.loc.device)

    @property
    def variance(self) -> Any:
        return torch.full(self._extended_shape(), math.inf, dtype=self.loc.dtype, device=self.loc.device)

    @property
    def stddev(self) -> Any:
        return self.variance.sqrt()

    def rsample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        noise = torch.empty(self._extended_shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device).cauchy_()
        return self.loc + noise * self.scale

    def log_prob(self, value: Any) -> Any:
        return -math.log(math.pi) - self.scale.log() - self._standard(value).square().log1p()

    def cdf(self, value: Any) -> Any:
        return torch.atan(self._standard(value)) / math.pi + 0.5

    def icdf(self, value: Any) -> Any:
        return torch.tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def entropy(self) -> Any:
        return math.log(4 * math.pi) + self.scale.log()


class StudentT(Distribution):
    """Student's t with `df` degrees of freedom, shifted and scaled."""

    arg_constraints = {"df": constraints.positive, **_LOCATION_SCALE}
    support = constraints.real
    has_rsample = True
    df: Any
    loc: Any
    scale: Any

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None) -> None:
        self._declare(validate_args, df=df, loc=loc, scale=scale)
        self._chi2 = Chi2(self.df)

    def _parts(self, batch_shape: Any) -> dict[str, Any]:
        return {"_chi2": self._chi2.expand(batch_shape)}

    @property
    def mean(self) -> Any:
        return torch.where(self.df <= 1, math.nan, self.loc)

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        df = self.df
        finite = self.scale.square() * df / torch.where(df > 2, df - 2, 1.0)
        return torch.where(df > 2, finite, torch.where(df > 1, math.inf, math.nan).to(df.dtype))

    def rsample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        normal = standard_normal(self._extended_shape(sample_shape), self.df)
        return self.loc + self.scale * (normal * torch.rsqrt(self._chi2.rsample(sample_shape) / self.df))

    def _log_norm(self) -> Any:
        """log of the standard density at 0, negated."""
        return 0.5 * self.df.log() + 0.5 * math.log(math.pi) + torch.lgamma(0.5 * self.df) - torch.lgamma(0.5 * (self.df + 1))

    def log_prob(self, value: Any) -> Any:
        z = (self._checked(value) - self.loc) / self.scale
        return -0.5 * (self.df + 1) * torch.log1p(z.square() / self.df) - self._log_norm() - self.scale.log()

    def entropy(self) -> Any:
        half = 0.5 * (self.df + 1)
        return self.scale.log() + half * (torch.digamma(half) - torch.digamma(0.5 * self.df)) + self._log_norm()


class Uniform(Distribution):
    """Uniform on [low, high)."""

    has_rsample = True
    low: Any
    high: Any

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        return {"low": constraints.less_than(self.high), "high": constraints.greater_than(self.low)}

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self._declare(validate_args, low=low, high=high)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        return constraints.interval(self.low, self.high)

    @property
    def mean(self) -> Any:
        return (self.high + self.low) / 2

    @property
    def mode(self) -> Any:
        return math.nan * self.high

    @property
    def stddev(self) -> Any:
        return (self.high - self.low) / math.sqrt(12)

    @property
    def variance(self) -> Any:
        return (self.high - self.low).square() / 12

    def rsample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        return self.low + uniform_numbers(self._extended_shape(sample_shape), self.low) * (self.high - self.low)

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        inside = (self.low <= value) & (value < self.high)
        return torch.log(inside.type_as(self.low)) - torch.log(self.high - self.low)

    def cdf(self, value: Any) -> Any:
        return ((self._checked(value) - self.low) / (self.high - self.low)).clamp(min=0, max=1)

    def icdf(self, value: Any) -> Any:
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Any:
        return torch.log(self.high - self.low)


class GeneralizedPareto(Distribution):
    """Excesses over a threshold `loc`: survival (1 + concentration z)^(-1 / concentration), exp(-z) for a concentration of 0."""

    arg_constraints = {**_LOCATION_SCALE, "concentration": constraints.real}
    has_rsample = True
    loc: Any
    scale: Any
    concentration: Any

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self._declare(validate_args, loc=loc, scale=scale, concentration=concentration)

    def _shape(self) -> tuple[Any, Any]:
        """Where the concentration is 0, and the concentration with 1 in its place."""
        zero = torch.isclose(self.concentration, torch.zeros_like(self.concentration))
        return zero, torch.where(zero, torch.ones_like(self.concentration), self.concentration)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        ends = self.concentration < 0
        end = self.loc - self.scale / torch.where(ends, self.concentration, -1.0)
        return constraints.interval(self.loc, torch.where(ends, end, math.inf))

    def rsample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        return self.icdf(uniform_numbers(self._extended_shape(sample_shape), self.loc))

    def log_survival_function(self, value: Any) -> Any:
        """log of the probability of more than `value`."""
        z = (self._checked(value) - self.loc) / self.scale
        zero, k = self._shape()
        return torch.where(zero, -z, -torch.log1p(k * z) / k)

    def log_prob(self, value: Any) -> Any:
        z = (self._checked(value) - self.loc) / self.scale
        zero, k = self._shape()
        return torch.where(zero, -z, -(1 + 1 / k) * torch.log1p(k * z)) - self.scale.log()

    def log_cdf(self, value: Any) -> Any:
        """log of the probability of at most `value`."""
        return torch.log1p(-torch.exp(self.log_survival_function(value)))

    def cdf(self, value: Any) -> Any:
        return torch.exp(self.log_cdf(value))

    def icdf(self, value: Any) -> Any:
        zero, k = self._shape()
        left = torch.log1p(-value)
        return self.loc + self.scale * torch.where(zero, -left, torch.expm1(-k * left) / k)

    @property
    def mean(self) -> Any:
        k = self.concentration
        return torch.where(k < 1, self.loc + self.scale / (1 - torch.where(k < 1, k, 0.0)), math.inf)

    @property
    def variance(self) -> Any:
        k = torch.where(self.concentration < 0.5, self.concentration, 0.0)
        return torch.where(self.concentration < 0.5, self.scale.square() / ((1 - k).square() * (1 - 2 * k)), math.inf)

    @property
    def mode(self) -> Any:
        return self.loc

    def entropy(self) -> Any:
        return (torch.log(self.scale) + self.concentration + 1).expand(self._batch_shape)


class VonMises(Distribution):
    """The circular normal distribution: density proportional to exp(concentration cos(x - loc))."""

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    has_rsample = False
    loc: Any
    concentration: Any

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self._declare(validate_args, loc=loc, concentration=concentration)

    def log_prob(self, value: Any) -> Any:
        angle = self._checked(value) - self.loc
        log_bessel = torch.special.i0e(self.concentration).log() + self.concentration
        return self.concentration * torch.cos(angle) - math.log(2 * math.pi) - log_bessel

    @lazy_property
    def _proposal(self) -> Any:
        """The parameter of the wrapped Cauchy distribution that proposes (Best and Fisher, 1979)."""
        k = self.concentration.to(torch.float64)
        tau = 1 + (1 + 4 * k**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * k)
        # 1/k + k is its series for small concentrations, where the quotient cancels
        return torch.where(k < 1e-5, 1 / k + k, (1 + rho**2) / (2 * rho))

    def _parts(self, batch_shape: Any) -> dict[str, Any]:
        return {"_proposal": self._proposal.expand(batch_shape)}

    def sample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        with torch.no_grad():
            loc, k, r = self.loc.to(torch.float64), self.concentration.to(torch.float64), self._proposal
            shape = self._extended_shape(sample_shape)
            angle = torch.zeros(shape, dtype=torch.float64, device=loc.device)
            done = torch.zeros(shape, dtype=torch.bool, device=loc.device)
            while not done.all():
                first, second, third = torch.rand((3, *shape), dtype=torch.float64, device=loc.device).unbind()
                z = torch.cos(math.pi * first)
                cosine = (1 + r * z) / (r + z)
                c = k * (r - cosine)
                accept = (c * (2 - c) > second) | (torch.log(c / second) + 1 - c >= 0)
                angle = torch.where(accept, (third - 0.5).sign() * cosine.acos(), angle)
                done = done | accept
            return ((angle + math.pi + loc) % (2 * math.pi) - math.pi).to(self.loc.dtype)

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @lazy_property
    def variance(self) -> Any:
        """The circular variance, 1 - E[cos(x - loc)]."""
        return 1 - torch.special.i1e(self.concentration) / torch.special.i0e(self.concentration)
