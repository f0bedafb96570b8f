"""What every distribution shares: shapes, declared parameters, validation, expansion, printing."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torchish as torch
from torchish._pickling import reduce_ex
from torchish.distributions import constraints
from torchish.distributions.utils import broadcast_all, lazy_property

__all__ = ["Distribution"]

EMPTY = torch.Size()


class Distribution:
    """A probability distribution over events of `event_shape`, `batch_shape` of them.

    A class declares its parameters once, in `arg_constraints`: attributes of these names are what is validated, printed, and
    expanded (all but the dimensions that belong to an event, which the constraint knows).
    """

    __reduce_ex__ = reduce_ex

    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions check their arguments unless told; ValueError for anything but a bool."""
        if value not in (True, False):
            raise ValueError
        Distribution._validate_args = value

    def __init__(self, batch_shape: Sequence[int] = EMPTY, event_shape: Sequence[int] = EMPTY, validate_args: bool | None = None) -> None:
        self._batch_shape = torch.Size(batch_shape)
        self._event_shape = torch.Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()
        super().__init__()

    def _declare(self, validate_args: bool | None, **parameters: Any) -> None:
        """Initialise a distribution of numbers: parameters of one shape, which is the batch's."""
        for name, value in zip(parameters, broadcast_all(*parameters.values()), strict=True):
            setattr(self, name, value)
        Distribution.__init__(self, value.shape, validate_args=validate_args)

    def _check_parameters(self) -> None:
        try:
            declared = self.arg_constraints
        except NotImplementedError:
            warnings.warn(
                f"{type(self)} does not define `arg_constraints`. Please set `arg_constraints = {{}}` or initialize the distribution "
                "with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        for name, constraint in declared.items():
            derived = name not in self.__dict__ and isinstance(getattr(type(self), name, None), lazy_property)
            if derived or constraints.is_dependent(constraint):
                continue
            value = getattr(self, name)
            if not constraint.check(value).all():
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution {self!r} "
                    f"to satisfy the constraint {constraint!r}, but found invalid values:\n{value}"
                )

    # --- shapes ------------------------------------------------------------------------------------------

    @property
    def batch_shape(self) -> Any:
        """The shape of independent, differently parametrised events."""
        return self._batch_shape

    @property
    def event_shape(self) -> Any:
        """The shape of one event."""
        return self._event_shape

    def _extended_shape(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        """The shape of samples: samples, batch, event."""
        return torch.Size((*sample_shape, *self._batch_shape, *self._event_shape))

    def _parts(self, batch_shape: Any) -> dict[str, Any]:
        """Attributes that an expanded copy has otherwise than this instance, besides the declared parameters."""
        return {}

    def _copied(self, changes: dict[str, Any], instance: Distribution | None = None) -> Any:
        new = type(self).__new__(type(self)) if instance is None else instance
        new.__dict__.update({**self.__dict__, **changes})
        return new

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its batch broadcast to a shape."""
        batch = torch.Size(batch_shape)
        changes: dict[str, Any] = {"_batch_shape": batch}
        for name, constraint in self.arg_constraints.items():
            value = self.__dict__.get(name)
            if isinstance(value, torch.Tensor):
                dims = constraint.event_dim
                changes[name] = value.expand(*batch, *value.shape[value.dim() - dims :])
        return self._copied({**changes, **self._parts(batch)}, _instance)

    # --- what classes define -----------------------------------------------------------------------------

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        """The parameters' names and the constraints they satisfy."""
        raise NotImplementedError

    @property
    def support(self) -> Any:
        """The constraint that samples satisfy."""
        raise NotImplementedError

    @property
    def mean(self) -> Any:
        raise NotImplementedError

    @property
    def mode(self) -> Any:
        raise NotImplementedError(f"{type(self)} does not implement mode")

    @property
    def variance(self) -> Any:
        raise NotImplementedError

    @property
    def stddev(self) -> Any:
        return self.variance.sqrt()

    def sample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        """Samples of shape sample_shape + batch_shape + event_shape, without a gradient."""
        with torch.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = EMPTY) -> Any:
        """Samples that are differentiable in the parameters; NotImplementedError where `has_rsample` is False."""
        raise NotImplementedError

    def sample_n(self, n: int) -> Any:
        """n samples; deprecated, `sample((n,))` gives the same."""
        warnings.warn("`sample_n(n)` will be deprecated. Use `sample((n,))` instead.", FutureWarning, stacklevel=2)
        return self.sample(torch.Size((n,)))

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the density (or mass) at values, one for each event; ValueError outside the support."""
        raise NotImplementedError

    def cdf(self, value: Any) -> Any:
        """The probability of at most `value`."""
        raise NotImplementedError

    def icdf(self, value: Any) -> Any:
        """The value whose `cdf` is this."""
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> Any:
        """All values of a finite support along a new first dimension; of singleton batch dimensions unless `expand`."""
        raise NotImplementedError

    def entropy(self) -> Any:
        """The entropy in nats, one for each batch element."""
        raise NotImplementedError

    def perplexity(self) -> Any:
        """exp(entropy)."""
        return torch.exp(self.entropy())

    # --- values ------------------------------------------------------------------------------------------

    def _validate_sample(self, value: Any) -> None:
        """ValueError for values of a shape or outside of the support that `log_prob` and `cdf` cannot take."""
        if not isinstance(value, torch.Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        dims = len(self._event_shape)
        event = value.shape[value.dim() - dims :] if dims <= value.dim() else value.shape
        if tuple(event) != tuple(self._event_shape):
            raise ValueError(f"The right-most size of value must match event_shape: {value.shape} vs {self._event_shape}.")
        expected = self._extended_shape()
        for given, own in zip(reversed(value.shape), reversed(expected), strict=False):
            if given != 1 and own != 1 and given != own:
                raise ValueError(f"Value is not broadcastable with batch_shape+event_shape: {value.shape} vs {expected}.")
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{type(self)} does not define `support` to enable sample validation. Please initialize the distribution with "
                "`validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        if not support.check(value).all():
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to be within the support ({support!r}) "
                f"of the distribution {self!r}, but found invalid values:\n{value}"
            )

    def _checked(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return value

    def _enumerated(self, values: Any, expand: bool) -> Any:
        """Values along a new first dimension, for every batch element if `expand`."""
        out = values.reshape(-1, *[1] * len(self._batch_shape))
        return out.expand(-1, *self._batch_shape) if expand else out

    def __repr__(self) -> str:
        shown = [n for n in self.arg_constraints if n in self.__dict__]
        parts = [f"{n}: {self.__dict__[n] if self.__dict__[n].numel() == 1 else self.__dict__[n].size()}" for n in shown]
        return type(self).__name__ + "(" + ", ".join(parts) + ")"
