"""`torch.autograd.Function` inside function transforms: the user's `jvp` and `vmap`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torchish._tensor import levels as crossing
from torchish._tensor.tensor import Tensor
from torchish.engine.levels import Level, levels_of

_MORE = "For more details, please see https://pytorch.org/docs/main/notes/extending.func.html"


class VmapInfo(NamedTuple):
    """What a `vmap` staticmethod is told about the batch."""

    batch_size: int
    randomness: str


def youngest_level(args: tuple) -> Level | None:
    """The level that a call with these arguments belongs to first; None outside of all."""
    found = {v for a in args if isinstance(a, Tensor) for v in levels_of(a._read())}
    return max(found, key=lambda v: v.number) if found else None


def call(cls: Any, args: tuple, kwargs: dict, level: Level, overridden: Any) -> Any:
    """Apply a custom function at a level: by its `jvp`, its `vmap`, or (where it says so) simply by running it on batches."""
    if not level.imperative and not overridden("setup_context"):
        raise RuntimeError(
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), it must override the "
            f"setup_context staticmethod. {_MORE}"
        )
    if level.size is None:
        return _forward_mode(cls, args, kwargs, level, overridden)
    name = cls.__name__
    own = overridden("vmap")
    if cls.generate_vmap_rule:
        if own:
            raise RuntimeError(
                f"You tried to vmap over {name}, but it has both generate_vmap_rule=True and an overridden vmap staticmethod. Please set "
                f"generate_vmap_rule=False or delete the overridden vmap staticmethod to avoid ambiguity. {_MORE}"
            )
        return cls._call(args, kwargs)[0]
    if not own:
        raise RuntimeError(
            f"You tried to vmap over {name}, but it does not have vmap support. Please override and implement the vmap staticmethod or set "
            f"generate_vmap_rule=True. {_MORE}"
        )
    return batched(cls.vmap, args, kwargs, level)


def batched(rule: Callable, args: tuple, kwargs: dict, level: Level) -> Any:
    """What a `vmap` rule makes of arguments at a level: it gets whole batches."""
    from torchish.engine.levels import belongs
    from torchish.func._tree import flatten, spread, unflatten

    values, structure = flatten(args)
    mine = [isinstance(x, Tensor) and belongs(level, x._read()) for x in values]
    whole = [crossing.leave_batch(level, x, 0) if m else x for x, m in zip(values, mine, strict=True)]
    in_dims = unflatten([0 if m else None for m in mine], structure)
    got = rule(VmapInfo(level.size or 0, level.randomness), in_dims, *unflatten(whole, structure), **kwargs)
    if not (isinstance(got, tuple) and len(got) == 2):
        raise RuntimeError(
            "Expected the vmap staticmethod to have two returns, an output and out_dims with pytree structure compatible with the output. "
            f"Got a {type(got)} instead"
        )
    out, out_dims = got
    results, out_structure = flatten(out)
    dims = spread(out_dims, out_structure)
    if dims is None:
        raise RuntimeError(
            f"The vmap staticmethod returned an out_dims of structure {flatten(out_dims)[1]}, which does not fit its output's "
            f"{out_structure}"
        )
    inside = [x if d is None else crossing.enter_batch(level, x, d % x.dim()) for x, d in zip(results, dims, strict=True)]
    return unflatten(inside, out_structure)


def _forward_mode(cls: Any, args: tuple, kwargs: dict, level: Level, overridden: Any) -> Any:
    import torchish

    if not overridden("jvp"):
        raise NotImplementedError("You must implement the jvp function for custom autograd.Function to use it with forward mode AD.")
    primals: list = []
    tangents: list = []
    for a in args:
        if not isinstance(a, Tensor):
            primals.append(a)
            tangents.append(None)
            continue
        t = crossing.tangent_part(level, a)
        primals.append(a if t is None else crossing.primal_part(level, a))
        tangents.append(torchish.zeros_like(primals[-1]) if t is None and a._aval.category >= 2 else t)
    out, ctx = cls._call(tuple(primals), kwargs)
    outs = out if isinstance(out, tuple) else (out,)
    kept = getattr(ctx, "saved_for_forward", None)
    ctx._in_forward = kept if kept is not None else ()
    try:
        got = cls.jvp(ctx, *tangents)
    finally:
        ctx._in_forward = None
    slopes = got if isinstance(got, tuple) else (got,)
    if len(slopes) != len(outs):
        raise RuntimeError(
            f"Function's jvp returned an invalid number of forward gradients (expected {len(outs)} but got {len(slopes)})"
        )
    made = []
    for o, t in zip(outs, slopes, strict=True):
        if isinstance(o, Tensor) and t is not None and o._aval.category >= 2:
            changed = next((a for a, p in zip(args, primals, strict=True) if p is o and p is not a), None)
            o = crossing.dual(level, o, t)
            if changed is not None:  # an input that was changed in place
                changed._write(o._read())
                o = changed
        made.append(o)
    pairs = [(p, a) for p, a in zip(primals, args, strict=True) if p is not a] + list(zip(outs, made, strict=True))
    for s in ctx._saved:
        for number, (p, a) in enumerate(pairs, len(outs) - len(pairs)):  # results have numbers, inputs negative ones
            if s is not None and (s.tensor is p or (s.number is not None and number == s.number)):
                s.inside.insert(0, (level, a))
    return tuple(made) if isinstance(out, tuple) else made[0]
