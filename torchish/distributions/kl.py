"""Kullback-Leibler divergences: a registry of rules by the classes of two distributions."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from torchish.distributions.distribution import Distribution

__all__ = ["kl_divergence", "register_kl"]

_KL_REGISTRY: dict[tuple[type, type], Callable] = {}
_KL_MEMOIZE: dict[tuple[type, type], Callable | None] = {}


def register_kl(type_p: type[Distribution], type_q: type[Distribution]) -> Callable:
    """Register the decorated function of (p, q) for two classes and their subclasses; TypeError for other things than classes."""
    for which, given in (("p", type_p), ("q", type_q)):
        if not isinstance(given, type):
            raise TypeError("issubclass() arg 1 must be a class")
        if not issubclass(given, Distribution):
            raise TypeError(f"Expected type_{which} to be a Distribution subclass but got {given}")

    def register(rule: Callable) -> Callable:
        _KL_REGISTRY[type_p, type_q] = rule
        _KL_MEMOIZE.clear()
        return rule

    return register


def _find(type_p: type, type_q: type) -> Callable | None:
    """The rule of the nearest classes; a RuntimeWarning if p's nearest and q's nearest are of different rules."""
    pairs = [pair for pair in _KL_REGISTRY if issubclass(type_p, pair[0]) and issubclass(type_q, pair[1])]
    if not pairs:
        return None
    p_order, q_order = type_p.__mro__.index, type_q.__mro__.index
    left = min(pairs, key=lambda pair: (p_order(pair[0]), q_order(pair[1])))
    right = min(pairs, key=lambda pair: (q_order(pair[1]), p_order(pair[0])))
    if _KL_REGISTRY[left] is not _KL_REGISTRY[right]:
        names = [c.__name__ for c in (type_p, type_q, left[0], right[1])]
        warnings.warn("Ambiguous kl_divergence({}, {}). Please register_kl({}, {})".format(*names), RuntimeWarning, stacklevel=3)
    return _KL_REGISTRY[left]


def kl_divergence(p: Distribution, q: Distribution) -> Any:
    """KL(p || q), one for each batch element; NotImplementedError where no rule is registered."""
    kinds = type(p), type(q)
    if kinds not in _KL_MEMOIZE:
        _KL_MEMOIZE[kinds] = _find(*kinds)
    rule = _KL_MEMOIZE[kinds]
    if rule is None:
        raise NotImplementedError(f"No KL(p || q) is implemented for p type {p.__class__.__name__} and q type {q.__class__.__name__}")
    return rule(p, q)
