"""Transforms from unconstrained numbers to a constraint's set: `biject_to` (bijective) and `transform_to` (any)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchish._pickling import reduce_ex
from torchish.distributions import constraints, transforms

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]


class ConstraintRegistry:
    """Factories of transforms by the class of a constraint."""

    __reduce_ex__ = reduce_ex

    def __init__(self) -> None:
        self._registry: dict[type, Callable] = {}
        super().__init__()

    def register(self, constraint: Any, factory: Callable | None = None) -> Any:
        """Register a factory for a constraint's class, also as a decorator; TypeError for anything but a constraint."""
        if factory is None:
            return lambda given: self.register(constraint, given)
        kind = type(constraint) if isinstance(constraint, constraints.Constraint) else constraint
        if not isinstance(kind, type) or not issubclass(kind, constraints.Constraint):
            raise TypeError(f"Expected constraint to be either a Constraint subclass or instance, but got {kind}")
        self._registry[kind] = factory
        return factory

    def __call__(self, constraint: Any) -> Any:
        """The transform to a constraint's set; NotImplementedError where none is registered."""
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints")
        return factory(constraint)


biject_to = ConstraintRegistry()
transform_to = ConstraintRegistry()


def _from_bound(constraint: Any) -> Any:
    return transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(constraint.lower_bound, 1)])


def _to_bound(constraint: Any) -> Any:
    return transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(constraint.upper_bound, -1)])


def _between(constraint: Any) -> Any:
    low, high = constraint.lower_bound, constraint.upper_bound
    if all(not hasattr(b, "shape") for b in (low, high)) and (low, high) == (0, 1):
        return transforms.SigmoidTransform()
    return transforms.ComposeTransform([transforms.SigmoidTransform(), transforms.AffineTransform(low, high - low)])


def _register() -> None:
    c, t = constraints, transforms
    both: list[tuple[Any, Callable]] = [
        (c.real, lambda _: t.identity_transform),
        (c.greater_than, _from_bound),
        (c.greater_than_eq, _from_bound),
        (c.less_than, _to_bound),
        (c.interval, _between),
        (c.half_open_interval, _between),
        (c.corr_cholesky, lambda _: t.CorrCholeskyTransform()),
    ]
    for registry in (biject_to, transform_to):
        for constraint, factory in both:
            registry.register(constraint, factory)
        registry.register(
            c.independent, lambda i, to=registry: t.IndependentTransform(to(i.base_constraint), i.reinterpreted_batch_ndims)
        )
        registry.register(c.cat, lambda j, to=registry: t.CatTransform([to(x) for x in j.cseq], j.dim, j.lengths))
        registry.register(c.stack, lambda j, to=registry: t.StackTransform([to(x) for x in j.cseq], j.dim))
    biject_to.register(c.simplex, lambda _: t.StickBreakingTransform())
    transform_to.register(c.simplex, lambda _: t.SoftmaxTransform())
    transform_to.register(c.lower_cholesky, lambda _: t.LowerCholeskyTransform())
    for matrices in (c.positive_definite, c.positive_semidefinite):
        transform_to.register(matrices, lambda _: t.PositiveDefiniteTransform())


_register()
