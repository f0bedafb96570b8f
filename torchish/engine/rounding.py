"""Each operation rounds its result, as in PyTorch, though neighbours are computed in one loop.

LLVM makes one instruction, with one rounding, of a product and a sum that follows. Between two operations that would be felt: `x * w + b`
would differ from PyTorch's in the last bit, `x * x - y * y` of equal numbers not be 0, and a value that a program computes in two
loops not be the same in both, so that `u == u.amax(-1, keepdim=True)` had no element for some rows. So where a result ends in a product
and somebody adds to it, -0 is added first, which changes nothing: an argument of the program, since LLVM sees through constants, as
XLA does through barriers. Inside an operation products and sums may become one, as in PyTorch's kernels.

That is one operation more for each element, or none, as LLVM makes one instruction of that product and -0. (A choice that cannot be
foreseen, `where(x != x, nan, x)`, does the same without an argument, and counts as two: XLA starts a thread for programs of 1,000.)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import Jaxpr, Literal, jaxpr_as_fun

from torchish.engine.devices import jax_device
from torchish.engine.expr import AvalTuple, Expr, is_projection, struct_of
from torchish.engine.work import called, work

_PRODUCTS = frozenset(("div", "integer_pow", "mul", "square"))  # XLA multiplies by the inverse of some divisors
_SUMS = frozenset((
    "add", "add_any", "cumlogsumexp", "cumsum", "reduce", "reduce_sum", "reduce_window", "reduce_window_sum", "scatter-add", "sub",
))  # fmt: skip
_ARRANGEMENTS = frozenset((
    "broadcast_in_dim", "complex", "concatenate", "conj", "convert_element_type", "copy", "copy_p", "dynamic_slice",
    "dynamic_update_slice", "gather", "imag", "neg", "optimization_barrier", "pad", "real", "reshape", "rev", "select_n", "slice", "split",
    "squeeze", "tile", "transpose",
))  # fmt: skip
_LOOPS = frozenset(("cond", "scan", "while"))
_FUSED = frozenset(map(np.dtype, ("float32", "float64")))  # smaller floats are rounded on their way, and complex products are sums


class _Traced(NamedTuple):
    """An operation, traced for certain shapes, with a flag for each of its results or inputs (arrays; those of tuples one by one)."""

    run: Callable
    products: Sequence[bool]  # results that end in a product
    adds: Sequence[bool]  # inputs to which something is added
    passes: Sequence[bool]  # inputs whose elements are a result's
    work: float  # elements that it computes


class Rounding(NamedTuple):
    """How the nodes of a program are computed, each rounded."""

    runs: list[Callable]  # of `zero` and the node's inputs: arrays, tuples of them, and numbers
    needs_zero: bool  # as a last argument of the program, else it is None
    work: float  # elements that all of them compute


@functools.cache
def zero(device: str) -> jax.Array:
    """What changes nothing that it is added to, not even 0 and -0."""
    return jax.device_put(np.float32(-0.0), jax_device(device))


def rounding(nodes: Sequence[Expr]) -> Rounding:
    """How to compute the nodes of a program, in order."""
    operations = _operations(nodes)
    added: set[int] = set()  # nodes to which something is added
    for e, operation in zip(reversed(nodes), reversed(operations), strict=True):
        if operation is None:
            added |= {id(x) for x in e.inputs if id(e) in added}
            continue
        flags = zip(operation.adds, operation.passes, strict=True)
        for x in e.inputs:
            parts = list(islice(flags, len(x.aval.avals) if type(x) is Expr and type(x.aval) is AvalTuple else 1))
            if any(adds or (passes and id(e) in added) for adds, passes in parts):
                added.add(id(x))
    runs: list[Callable] = []
    needs_zero = False
    for e, operation in zip(nodes, operations, strict=True):
        if operation is None:
            runs.append(functools.partial(_run_plain, e.spec.run))
            continue
        products = operation.products if id(e) in added else [False] * len(operation.products)
        needs_zero |= any(products)
        runs.append(functools.partial(_run, operation.run, products, type(e.aval) is AvalTuple))
    return Rounding(runs, needs_zero, sum([operation.work for operation in operations if operation is not None]))


def _operations(nodes: Sequence[Expr]) -> list[_Traced | None]:
    """The nodes, traced; None for those that only pick one of several results."""
    known: dict[tuple, _Traced] = {}
    found: list[_Traced | None] = []
    for e in nodes:
        if is_projection(e.spec):
            found.append(None)
            continue
        key = (e.spec.uid, *[x.aval if type(x) is Expr else type(x) for x in e.inputs])
        if key not in known:
            known[key] = _trace(e.spec.run, [struct_of(x) for x in e.inputs])
        found.append(known[key])
    return found


def _run_plain(run: Callable, _: Any, *inputs: Any) -> Any:
    return run(*inputs)


def _run(run: Callable, products: Sequence[bool], several: bool, null: Any, *inputs: Any) -> Any:
    results = [
        v + null.astype(v.dtype) if is_product else v
        for v, is_product in zip(run(*jax.tree.leaves(inputs)), products, strict=True)
    ]
    return tuple(results) if several else results[0]


def _trace(run: Callable, inputs: Sequence[Any]) -> _Traced:
    closed = jax.make_jaxpr(run)(*inputs)  # JAX still knows it where it has told the result's shape
    n = len(closed.out_avals)
    return _Traced(
        jaxpr_as_fun(closed),
        _multiplied(closed.jaxpr, [False] * len(closed.in_avals)),
        _added(closed.jaxpr, [False] * n),
        _added(closed.jaxpr, [True] * n, frozenset()),
        work(closed.jaxpr),
    )


def _multiplied(jaxpr: Jaxpr, inputs: list[bool]) -> list[bool]:
    """Which results end in a product, where some inputs do."""
    found = {v for v, is_product in zip(jaxpr.invars, inputs, strict=True) if is_product}

    def given(variables: Iterable) -> list[bool]:
        return [type(v) is not Literal and v in found for v in variables]

    for e in jaxpr.eqns:
        function = called(e)
        if function is not None:
            flags = _multiplied(function, given(e.invars))
        else:
            name = e.primitive.name
            is_product = name in _PRODUCTS or (name in _ARRANGEMENTS and any(given(e.invars)))
            flags = [is_product] * len(e.outvars)
        found |= {v for v, is_product in zip(e.outvars, flags, strict=True) if is_product and getattr(v.aval, "dtype", None) in _FUSED}
    return given(jaxpr.outvars)


def _added(jaxpr: Jaxpr, results: list[bool], sums: frozenset[str] = _SUMS) -> list[bool]:
    """To which inputs something is added, where that is so for some results."""
    found = {v for v, is_added in zip(jaxpr.outvars, results, strict=True) if is_added and type(v) is not Literal}
    for e in reversed(jaxpr.eqns):
        flags = [v in found for v in e.outvars]
        function = called(e)
        if function is not None:
            into = _added(function, flags, sums)
        else:
            name = e.primitive.name
            is_added = name in sums or (name in _ARRANGEMENTS and any(flags)) or (bool(sums) and name in _LOOPS)
            into = [is_added] * len(e.invars)
        found |= {v for v, is_added in zip(e.invars, into, strict=True) if is_added and type(v) is not Literal}
    return [v in found for v in jaxpr.invars]


__all__ = ["Rounding", "rounding", "zero"]
