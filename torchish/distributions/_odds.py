"""Distributions of outcomes that have a probability: given as `probs` or as `logits`, of which the other follows."""

from __future__ import annotations

from typing import Any

from torchish.distributions import constraints
from torchish.distributions.distribution import Distribution
from torchish.distributions.utils import broadcast_all, lazy_property, logits_to_probs, probs_to_logits


def one_of(probs: Any, logits: Any) -> str:
    """"probs" or "logits", whichever is given; ValueError for none or both."""
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")
    return "probs" if logits is None else "logits"


class Odds(Distribution):
    """A distribution with a probability or logit for each batch element (`_binary`) or for each of several outcomes."""

    _binary = True
    _given: str

    def _declare_either(self, validate_args: bool | None, probs: Any, logits: Any, **others: Any) -> None:
        """Declare the one that is given, and other parameters in its dtype."""
        self._given = one_of(probs, logits)
        *rest, chosen = broadcast_all(*others.values(), probs if logits is None else logits)
        for name, value in zip(others, rest, strict=True):
            setattr(self, name, value.type_as(chosen))
        setattr(self, self._given, chosen)
        Distribution.__init__(self, chosen.shape, validate_args=validate_args)

    @lazy_property
    def logits(self) -> Any:
        return probs_to_logits(self.probs, is_binary=self._binary)

    @lazy_property
    def probs(self) -> Any:
        return logits_to_probs(self.logits, is_binary=self._binary)

    @property
    def _param(self) -> Any:
        return getattr(self, self._given)

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter that was given."""
        return self._param.size()


BINARY: dict[str, Any] = {"probs": constraints.unit_interval, "logits": constraints.real}
SEVERAL: dict[str, Any] = {"probs": constraints.simplex, "logits": constraints.real_vector}
