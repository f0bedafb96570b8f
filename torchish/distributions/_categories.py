"""Distributions over several outcomes: one of them, counts of them, and relaxations of one of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torchish as torch
from torchish.distributions import constraints
from torchish.distributions._counts import Binomial
from torchish.distributions._odds import SEVERAL, Odds, one_of
from torchish.distributions.distribution import EMPTY, Distribution
from torchish.distributions.utils import clamp_probs, uniform_numbers
from torchish.nn.functional import log_softmax, one_hot


class Categorical(Odds):
    """An index of the last dimension of `probs` (which need not sum to 1) or `logits`."""

    arg_constraints = SEVERAL
    has_enumerate_support = True
    _binary = False

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._given = one_of(probs, logits)
        given = probs if logits is None else logits
        if given.dim() < 1:
            raise ValueError(f"`{self._given}` parameter must be at least one-dimensional.")
        if logits is None:
            self.probs = probs / probs.sum(-1, keepdim=True)
        else:
            self.logits = logits - logits.logsumexp(dim=-1, keepdim=True)
        self._num_events = given.shape[-1]
        super().__init__(given.shape[:-1], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self._num_events - 1)

    def _undefined(self) -> Any:
        return torch.full(self._extended_shape(), math.nan, dtype=self.probs.dtype, device=self.probs.device)

    @property
    def mean(self) -> Any:
        return self._undefined()

    @property
    def mode(self) -> Any:
        return self.probs.argmax(dim=-1)

    @property
    def variance(self) -> Any:
        return self._undefined()

    def sample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        rows = self.probs.detach().reshape(-1, self._num_events)
        return torch.multinomial(rows, math.prod(sample_shape), True).T.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value: Any) -> Any:
        index, logits = torch.broadcast_tensors(self._checked(value).long().unsqueeze(-1), self.logits)
        return logits.gather(-1, index[..., :1]).squeeze(-1)

    def entropy(self) -> Any:
        logits = torch.clamp(self.logits, min=torch.finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Any:
        return self._enumerated(torch.arange(self._num_events, dtype=torch.long, device=self._param.device), expand)


class _OfCategories(Distribution):
    """A distribution of vectors with an entry for each outcome of a `Categorical`."""

    arg_constraints = SEVERAL
    _categorical: Categorical

    def _declare_categories(self, probs: Any, logits: Any, validate_args: bool | None) -> None:
        self._categorical = Categorical(probs, logits)
        Distribution.__init__(self, self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args=validate_args)

    def _parts(self, batch_shape: Any) -> dict[str, Any]:
        return {"_categorical": self._categorical.expand(batch_shape)}

    @property
    def _param(self) -> Any:
        return self._categorical._param

    @property
    def probs(self) -> Any:
        return self._categorical.probs

    @property
    def logits(self) -> Any:
        return self._categorical.logits

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter that was given."""
        return self._categorical.param_shape


class OneHotCategorical(_OfCategories):
    """A categorical variable as a vector of one 1 and zeros."""

    support = constraints.one_hot
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._declare_categories(probs, logits, validate_args)

    @property
    def mean(self) -> Any:
        return self.probs

    @property
    def mode(self) -> Any:
        return one_hot(self._categorical.mode, self._categorical._num_events).to(self.probs)

    @property
    def variance(self) -> Any:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        return one_hot(self._categorical.sample(sample_shape), self._categorical._num_events).to(self.probs.detach())

    def log_prob(self, value: Any) -> Any:
        return self._categorical.log_prob(self._checked(value).argmax(-1))

    def entropy(self) -> Any:
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Any:
        n = self.event_shape[0]
        values = torch.eye(n, dtype=self._param.dtype, device=self._param.device).reshape(n, *[1] * len(self.batch_shape), n)
        return values.expand(n, *self.batch_shape, n) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """One-hot samples whose gradient is that of the probabilities."""

    has_rsample = True

    def rsample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        return self.sample(sample_shape) + (self.probs - self.probs.detach())


class Multinomial(_OfCategories):
    """Counts of outcomes in `total_count` independent trials."""

    def __init__(self, total_count: int = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._declare_categories(probs, logits, validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        return constraints.multinomial(self.total_count)

    @property
    def mean(self) -> Any:
        return self.probs * self.total_count

    @property
    def variance(self) -> Any:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        outcomes = self._categorical.sample((self.total_count, *sample_shape)).movedim(0, -1)
        counts = torch.zeros(self._extended_shape(sample_shape), dtype=outcomes.dtype, device=outcomes.device)
        return counts.scatter_add(-1, outcomes, torch.ones_like(outcomes)).type_as(self.probs)

    def log_prob(self, value: Any) -> Any:
        value = self._checked(value)
        logits, value = torch.broadcast_tensors(self.logits, value)
        logits = torch.where((value == 0) & (logits == -math.inf), 0.0, logits)
        return torch.lgamma(value.sum(-1) + 1) - torch.lgamma(value + 1).sum(-1) + (logits * value).sum(-1)

    def entropy(self) -> Any:
        n = self.total_count
        each = Binomial(n, self.probs)  # of every outcome's count
        counts = each.enumerate_support(expand=False)[1:]
        repeats = (each.log_prob(counts).exp() * torch.lgamma(counts + 1)).sum((0, -1))
        return n * self._categorical.entropy() - math.lgamma(n + 1) + repeats


class ExpRelaxedCategorical(_OfCategories):
    """The logarithm of a `RelaxedOneHotCategorical` variable."""

    support = constraints.real_vector
    has_rsample = True

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self.temperature = temperature
        self._declare_categories(probs, logits, validate_args)

    def rsample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        uniforms = clamp_probs(uniform_numbers(self._extended_shape(sample_shape), self.logits))
        return log_softmax((self.logits - (-uniforms.log()).log()) / self.temperature, dim=-1)

    def log_prob(self, value: Any) -> Any:
        k = self._categorical._num_events
        scores = log_softmax(self.logits - self._checked(value) * self.temperature, dim=-1)
        return scores.sum(-1) + math.lgamma(k) + (k - 1) * torch.as_tensor(self.temperature).log()


class LogitRelaxedBernoulli(Odds):
    """The logit of a `RelaxedBernoulli` variable."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.real
    has_rsample = True

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self.temperature = temperature
        self._declare_either(validate_args, probs, logits)

    def rsample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        shape = self._extended_shape(sample_shape)
        p = clamp_probs(self.probs.expand(shape))
        u = clamp_probs(uniform_numbers(shape, p))
        return (u.log() - (-u).log1p() + p.log() - (-p).log1p()) / self.temperature

    def log_prob(self, value: Any) -> Any:
        from torchish.nn.functional import logsigmoid

        difference = self.logits - self._checked(value) * self.temperature
        return torch.as_tensor(self.temperature).log() + logsigmoid(difference) + logsigmoid(-difference)
