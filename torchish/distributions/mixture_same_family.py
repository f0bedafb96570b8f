"""Mixtures of distributions of one family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torchish as torch
from torchish.distributions import constraints
from torchish.distributions._categories import Categorical
from torchish.distributions.distribution import EMPTY, Distribution

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """A component, the last batch dimension of a distribution, chosen by a categorical variable."""

    arg_constraints: dict[str, constraints.Constraint] = {}

    def __init__(self, mixture_distribution: Categorical, component_distribution: Distribution, validate_args: bool | None = None) -> None:
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(" The Mixture distribution needs to be an  instance of torch.distributions.Categorical")
        if not isinstance(component_distribution, Distribution):
            raise ValueError("The Component distribution needs to be an instance of torch.distributions.Distribution")
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        own, batch = mixture_distribution.batch_shape, component_distribution.batch_shape[:-1]
        for a, b in zip(reversed(own), reversed(batch), strict=False):
            if a != 1 and b != 1 and a != b:
                raise ValueError(
                    f"`mixture_distribution.batch_shape` ({own}) is not compatible with `component_distribution.batch_shape`({batch})"
                )
        chosen, components = mixture_distribution.logits.shape[-1], component_distribution.batch_shape[-1]
        if chosen != components:
            sizes = f"({chosen}) does not equal `component_distribution.batch_shape[-1]` ({components})"
            raise ValueError(f"`mixture_distribution component` {sizes}")
        self._num_component = components
        super().__init__(batch, component_distribution.event_shape, validate_args=validate_args)

    def _parts(self, batch_shape: Any) -> dict[str, Any]:
        return {
            "_mixture_distribution": self._mixture_distribution.expand(batch_shape),
            "_component_distribution": self._component_distribution.expand((*batch_shape, self._num_component)),
        }

    @property
    def mixture_distribution(self) -> Categorical:
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Distribution:
        return self._component_distribution

    @constraints.dependent_property
    def support(self) -> Any:
        return constraints.MixtureSameFamilyConstraint(self._component_distribution.support)

    def _axis(self) -> int:
        """The components' dimension, from the end."""
        return -1 - len(self._event_shape)

    def _weights(self) -> Any:
        return self._mixture_distribution.probs.reshape(self._mixture_distribution.probs.shape + (1,) * len(self._event_shape))

    @property
    def mean(self) -> Any:
        return (self._weights() * self._component_distribution.mean).sum(self._axis())

    @property
    def variance(self) -> Any:
        """By the law of total variance."""
        weights, parts = self._weights(), self._component_distribution
        within = (weights * parts.variance).sum(self._axis())
        return within + (weights * (parts.mean - self.mean.unsqueeze(self._axis())).square()).sum(self._axis())

    def cdf(self, x: Any) -> Any:
        return (self._component_distribution.cdf(x.unsqueeze(self._axis())) * self._mixture_distribution.probs).sum(-1)

    def log_prob(self, x: Any) -> Any:
        parts = self._component_distribution.log_prob(self._checked(x).unsqueeze(self._axis()))
        return torch.logsumexp(parts + torch.log_softmax(self._mixture_distribution.logits, dim=-1), dim=-1)

    def sample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        with torch.no_grad():
            chosen = self._mixture_distribution.sample(sample_shape)
            samples = self._component_distribution.sample(sample_shape)
            axis = len(sample_shape) + len(self._batch_shape)
            index = chosen.reshape(*chosen.shape, 1, *[1] * len(self._event_shape))
            return samples.gather(axis, index.expand(*samples.shape[:axis], 1, *self._event_shape)).squeeze(axis)

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self._mixture_distribution},\n  {self._component_distribution})"
