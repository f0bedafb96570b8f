"""Programs are compiled as drafts first: several times sooner, but without LLVM's optimizations.

Most programs run once or a few times: the statements of a notebook, the first steps of a loop, a text that grows by a letter a step, words
of all lengths. LLVM takes most of the time that XLA needs for them, to make them fast. (Milliseconds on average of 2,400 programs of
scripts and tests, with care and as drafts: of 1 node 18 and 12, of 5 to 8 nodes 59 and 26, of 17 to 32 nodes 208 and 48, of 33 to 64
nodes 369 and 76.)

A graph is a draft if it computes little for its length. A draft that goes on being used is compiled again, with care. Counts decide, not
clocks, so a script's numbers are the same each time it runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn, Literal

RUNS = 64  # of a draft, before it is compiled with care
# Elements per node: at some 1.1 ns more for each, 64 runs take the 11 ms that a draft's node is compiled sooner. (LeNet at batch 4: 1.3 ms
# more per step, 0.5 s less for the first.)
WORK = 150_000

_CALLS = frozenset(("checkpoint", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "jit", "pjit"))
_FREE = frozenset(("broadcast_in_dim", "convert_element_type", "iota", "optimization_barrier", "reshape", "squeeze", "stop_gradient"))
_PARTS = frozenset(("dynamic_slice", "gather", "slice", "split"))  # what they take part of may be large
_STEPS = {
    **dict.fromkeys(("cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum", "sort", "top_k"), 16),
    **dict.fromkeys(("igamma", "igamma_grad_a", "igammac", "polygamma", "random_gamma_grad", "regularized_incomplete_beta", "zeta"), 256),
}  # for each element, about
_IN_LIBRARY = (np.dtype(np.float32), np.dtype(np.float64))  # the matrix products of these; float32 convolutions too


def light(work: float, nodes: int) -> bool:
    """Whether a graph of so many nodes computes little enough to be a draft."""
    return work <= WORK * nodes


def work(jaxpr: Jaxpr) -> float:
    """How many elements are computed, about, those of sums once for each that is added; infinite where it depends on values."""
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
    if name == "dot_general" and given[0].dtype not in _IN_LIBRARY:
        (contracted, _), _ = e.params["dimension_numbers"]
        return made * math.prod(given[0].shape[d] for d in contracted)
    if name == "conv_general_dilated" and (given[0].dtype != np.float32 or e.params["batch_group_count"] > 1):
        kernel = given[1].shape
        return made * math.prod(kernel) / max(kernel[e.params["dimension_numbers"].rhs_spec[0]], 1)
    if "window_dimensions" in e.params:
        return max(made, _size(e.invars)) * math.prod(e.params["window_dimensions"])
    if name in _FREE:
        return 0
    if name in _PARTS:
        return made
    return max(made, _size(e.invars)) * _STEPS.get(name, 1)


def _size(variables: Iterable) -> int:
    """The elements of the largest."""
    return max([math.prod(getattr(v.aval, "shape", ())) for v in variables if type(v) is not Literal], default=0)


__all__ = ["called", "light", "work"]
