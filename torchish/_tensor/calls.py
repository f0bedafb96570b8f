"""Calls of operations as straight code, one function for each pattern of inputs (`x * y`, `x + 1`, three tensors, …).

What `apply` does in general loops over an operation's inputs, makes lists of what it finds, and looks up first the result's aval and
then the recipe of the gradient function. Once it has seen a call, all that is known: a function made for the number and the kinds of the
inputs, without loops, finds both in one look. It takes half the time, which small programs spend little else on. It does what the
general way does, in the same order, and hands over to that whatever is not everyday: avals it has not met, values inside function
transforms, hooks on saved tensors, anomaly mode, numbers that may not fit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from torchish._dtypes import SMALL_FLOAT, SMALL_INT
from torchish._tensor.layout import result_strides
from torchish._tensor.tensor import Tensor
from torchish.autograd.grad_mode import STATE
from torchish.autograd.graph import ANOMALY, HOOKS, edge_positions
from torchish.engine.expr import TRACED, Expr, Spec, pend
from torchish.ops.declare import flat_names

MOST_INPUTS = 8
# By the kind of a Python number: what it must be, or else it goes the general way, which looks whether it fits.
_NUMBERS = {
    "b": "type({0}) is bool",
    "i": f"type({{0}}) is int and -{SMALL_INT} < {{0}} < {SMALL_INT}",
    "f": f"type({{0}}) is float and -{SMALL_FLOAT} <= {{0}} <= {SMALL_FLOAT}",
    "c": "type({0}) is complex",
}


def learn(spec: Spec, avals: tuple, needs: tuple[bool, ...], t: Tensor, general: Callable) -> None:
    """Let later calls like this one, which gave `t`, go through straight code; `needs`: which inputs take a gradient."""
    if spec.straight is None:
        pattern = tuple([kind for _, kind in flat_names(spec)])
        usual = len(pattern) == len(avals) <= MOST_INPUTS and "T" in pattern
        usual = usual and all(kind == "T" or kind in _NUMBERS for kind in pattern)
        spec.straight = straight_call(pattern, edge_positions(spec), spec.op.differentiable, general) if usual else general
    if spec.straight is general:
        return
    fn: Any = t._grad_fn
    tensors = [i for i, a in enumerate(avals) if not isinstance(a, type)]
    if t._aval.device is not TRACED:
        spec.calls[*[avals[i] for i in tensors], *[needs[i] for i in tensors]] = t._aval, None if fn is None else fn.recipe


@functools.cache
def straight_call(pattern: tuple[str, ...], edges: tuple[int, ...], recorded: bool, general: Callable) -> Callable:
    """The function of a spec and its flat inputs, for inputs of these kinds ("T": a tensor), of which those at `edges` have an edge.

    `recorded`: whether the operation has a gradient; `general`: the function that takes all other calls.
    """
    tensors = [i for i, kind in enumerate(pattern) if kind == "T"]
    numbers = [_NUMBERS[kind].format(f"x{i}") for i, kind in enumerate(pattern) if kind != "T"]

    def each(text: str, between: str = "\n", of: Any = tensors) -> str:
        return between.join([text.replace("#", str(i)) for i in of])

    known = each("e#.aval, ", "") + each("n#, ", "")
    values = "".join([f"{'e' if kind == 'T' else 'x'}{i}, " for i, kind in enumerate(pattern)])
    targets = "".join([f"g{i}, " if i in tensors else "None, " for i in edges])
    outputs = "".join([f"x{i}._edge()[1] if n{i} else 0, " if i in tensors else "0, " for i in edges])
    source = f"""
def call(spec, flat):
    {each("x#, ", "", range(len(pattern)))} = flat
    if HOOKS.any or ANOMALY.enabled or not ({" and ".join([*numbers, "True"])}):
        return general(spec, flat)
    if {recorded} and STATE.enabled:
{each('''
        if x#._base is None:
            g# = x#._grad_fn
            n# = g# is not None or x#._requires_grad
        else:
            n# = x#._requires_grad or x#._grad_fn is not None or (x#._aval.category >= 2 and x#._needs())
            g# = None''')}
    else:
        {each("n# = ", "")} False
{each('''
    s# = x#._storage
    e# = s#.expr if not x#._chain and s#.buffer is None else x#._read()''')}
    known = spec.calls.get(({known}))
    if known is None or {each("type(e#) is not Expr", " or ")}:
        return general(spec, flat)
    a, made = known
    inputs = ({values})
    e = pend(spec, inputs, a)
    if ({each("x#._strides is not None", " or ")}) and spec.op.layout != "contiguous":
        t = wrap(e, result_strides(spec, flat, a))
    else:
        t = wrap_recorded(e) if made is not None else wrap(e)
    if made is not None:
{each('''
        if n# and g# is None:
            g# = x#._grad_fn if x#._base is None else x#.grad_fn
            if g# is None and x#._requires_grad:
                g# = x#._accumulate_node()''', of=[i for i in tensors if i in edges])}
        if {each("x#._out_nr", " or ")}:
            numbers = ({outputs})
        else:
            numbers = made.firsts
        fn = t._grad_fn = made.cls(spec, inputs, ({targets}), numbers, a.single, (e,), made)
        fn.plain = True
        if made.watched:
            if {each("x#._vc.version or x#._inference", " or ")}:
                fn.watch(flat, True)
            else:
                fn.tensors = flat if made.watches_all else tuple([flat[i] for i, _ in made.watched])
                fn.versions = made.unchanged
        if made.saves_result:
            fn.watch_result(t, 0)
    return t
"""
    names = {
        "ANOMALY": ANOMALY, "HOOKS": HOOKS, "STATE": STATE, "Expr": Expr, "general": general, "pend": pend,
        "result_strides": result_strides, "wrap": Tensor._wrap, "wrap_recorded": Tensor._wrap_recorded,
    }  # fmt: skip
    exec(compile(source, f"{__file__} {''.join(pattern)}", "exec"), names)  # a file of ours, as far as tracebacks go
    return names["call"]  # type: ignore[return-value]
