"""Exponential families: densities exp(<natural parameters, statistics> - log normaliser + carrier)."""

from __future__ import annotations

from typing import Any

import torchish as torch
from torchish.distributions.distribution import Distribution
from torchish.distributions.utils import sum_rightmost

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """A distribution with natural parameters, whose entropy follows from the gradient of its log normaliser."""

    @property
    def _natural_params(self) -> tuple:
        raise NotImplementedError

    def _log_normalizer(self, *natural_params: Any) -> Any:
        """The logarithm of the normaliser, a function of the natural parameters."""
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self) -> Any:
        """The expectation of the carrier's logarithm."""
        raise NotImplementedError

    def entropy(self) -> Any:
        """The normaliser less <natural parameters, its gradient>, less the mean carrier."""
        result = -self._mean_carrier_measure
        natural = [p.detach().requires_grad_() for p in self._natural_params]
        normaliser = self._log_normalizer(*natural)
        gradients = torch.autograd.grad(normaliser.sum(), natural, create_graph=True)
        result = result + normaliser
        for parameter, gradient in zip(natural, gradients, strict=True):
            result = result - sum_rightmost(parameter * gradient, len(self._event_shape))
        return result
