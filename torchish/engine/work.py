"""How much a traced operation computes, about: what decides whether its program is worth LLVM's optimizations."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn, Literal

_CALLS = frozenset(("checkpoint", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "jit", "pjit"))
_FREE = frozenset(("broadcast_in_dim", "convert_element_type", "iota", "optimization_barrier", "reshape", "squeeze", "stop_gradient"))
_PARTS = frozenset(("dynamic_slice", "gather", "slice", "split"))  # what they take part of may be large
# What an element takes, in additions, about: as much longer as it takes when LLVM does not optimize it.
_STEPS = {
    **dict.fromkeys(("gather", "transpose"), 4),
    **dict.fromkeys(("digamma", "lgamma"), 8),
    **dict.fromkeys(("cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum", "erf_inv", "sort", "top_k"), 32),
    **dict.fromkeys(("igamma", "igamma_grad_a", "igammac", "polygamma", "random_gamma_grad", "regularized_incomplete_beta", "zeta"), 256),
}
_COMPLEX = 16  # times that
_COMPLEXES = (np.dtype(np.complex64), np.dtype(np.complex128))
# Products and convolutions of these are calls of libraries.
_MULTIPLIED = (np.dtype(np.float32), np.dtype(np.float64))
_CONVOLVED = (np.dtype(np.float32),)


def work(jaxpr: Jaxpr) -> float:
    """How many elements are computed, about, those of sums once for each that is added; infinite where a loop runs until some value."""
    return sum(map(_work, jaxpr.eqns))


def called(e: JaxprEqn) -> Jaxpr | None:
    """The function that an equation calls with its inputs."""
    if e.primitive.name not in _CALLS:
        return None
    function = e.params.get("jaxpr") or e.params["call_jaxpr"]
    return getattr(function, "jaxpr", function)


def _work(e: JaxprEqn) -> float:
    function = called(e)
    if function is not None:
        return work(function)
    name, made = e.primitive.name, _size(e.outvars)
    given: Any = [v.aval for v in e.invars]
    if name == "while":
        return math.inf
    if name == "scan":
        return e.params["length"] * work(e.params["jaxpr"].jaxpr)
    if name == "cond":
        return max(work(branch.jaxpr) for branch in e.params["branches"])
    if name == "dot_general" and given[0].dtype not in _MULTIPLIED:
        (contracted, _), _ = e.params["dimension_numbers"]
        return made * math.prod(given[0].shape[d] for d in contracted)
    if name == "conv_general_dilated" and (given[0].dtype not in _CONVOLVED or e.params["batch_group_count"] > 1):
        kernel = given[1].shape
        return made * math.prod(kernel) / max(kernel[e.params["dimension_numbers"].rhs_spec[0]], 1)
    if "window_dimensions" in e.params:
        return max(made, _size(e.invars)) * math.prod(e.params["window_dimensions"])
    if name in _FREE:
        return 0
    size = made if name in _PARTS else max(made, _size(e.invars))
    return size * _STEPS.get(name, 1) * (_COMPLEX if any(getattr(a, "dtype", None) in _COMPLEXES for a in given) else 1)


def _size(variables: Iterable) -> int:
    """The elements of the largest."""
    return max([math.prod(getattr(v.aval, "shape", ())) for v in variables if type(v) is not Literal], default=0)


__all__ = ["called", "work"]
