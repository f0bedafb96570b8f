"""`torch.vmap`: a function of one example applied to a whole batch at once."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

from torchish._tensor import levels as crossing
from torchish._tensor.tensor import Tensor
from torchish.engine.levels import ACTIVE, Level, belongs
from torchish.func._tree import flatten, spread, unflatten


def name_of(f: Callable) -> str:
    """The name that messages call a function by."""
    if hasattr(f, "__name__"):
        return f.__name__
    if isinstance(f, functools.partial):
        return f"functools.partial({name_of(f.func)}, ...)"
    return repr(f)


class batch_level:
    """A level for a batch of `size` examples, active inside the block."""

    def __init__(self, size: int, randomness: str):
        self.level = Level(size, randomness)

    def __enter__(self) -> Level:
        ACTIVE.stack.append(self.level)
        return self.level

    def __exit__(self, *exc) -> None:
        self.level.active = False
        ACTIVE.stack.remove(self.level)


def _inputs(f: Callable, in_dims: Any, args: tuple) -> tuple:
    """(batch size, dimension per value, values, structure) of the arguments; ValueError when they do not fit."""
    called = f"vmap({name_of(f)}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"{called}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, got: "
            f"{type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({name_of(f)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a function "
            "with no inputs. The latter is unsupported."
        )
    values, structure = flatten(args)
    dims = spread(in_dims, structure)
    if dims is None:
        raise ValueError(
            f"{called}: in_dims is not compatible with the structure of `inputs`. in_dims has structure {flatten(in_dims)[1]} but "
            f"inputs has structure {structure}."
        )
    sizes = []
    for i, (x, d) in enumerate(zip(values, dims, strict=True)):
        if d is None:
            continue
        if not isinstance(d, int):
            raise ValueError(f"{called}: Got in_dim={d} for an input but in_dim must be either an integer dimension or None.")
        if not isinstance(x, Tensor):
            raise ValueError(
                f"{called}: Got in_dim={d} for an input but the input is of type {type(x)}. We cannot vmap over non-Tensor arguments, "
                "please use None as the respective in_dim"
            )
        n = x.dim()
        if not -n <= d < n:
            raise ValueError(
                f"{called}: Got in_dim={d} for some input, but that input is a Tensor of dimensionality {n} so expected in_dim to "
                f"satisfy -{n} <= in_dim < {n}."
            )
        dims[i] = d % n
        sizes.append(x.shape[dims[i]])
    return check_sizes(sizes), dims, values, structure


def check_sizes(sizes: list[int]) -> int:
    """The common batch size; ValueError when there is none."""
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if any(n != sizes[0] for n in sizes):
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the mapped dimension"
        )
    return sizes[0]


def _outputs(f: Callable, out: Any, out_dims: Any, level: Level) -> Any:
    values, structure = flatten(out)
    dims: Any
    if isinstance(out, Tensor):
        dims = [out_dims] if isinstance(out_dims, int) or out_dims is None else None
        if isinstance(out_dims, tuple) and len(out_dims) == 1:
            dims = list(out_dims)
    else:
        dims = spread(out_dims, structure)
    if dims is None:
        raise ValueError(
            f"vmap({name_of(f)}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the structure of `outputs`. "
            f"out_dims has structure {flatten(out_dims)[1]} but outputs has structure {structure}."
        )
    return unflatten([_output(f, x, d, level) for x, d in zip(values, dims, strict=True)], structure)


def _output(f: Callable, x: Any, dim: int | None, level: Level) -> Any:
    name = name_of(f)
    if dim is None:
        if isinstance(x, Tensor) and belongs(level, x._read()):
            raise ValueError(f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None")
        return x
    if not isinstance(x, Tensor):
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(x)}. Did you mean to set out_dims= to None for output?"
        )
    n = x.dim() + 1
    if not -n <= dim < n:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})")
    return crossing.leave_batch(level, x, dim % n)


def _run(f: Callable, size: int, dims: list, values: list, structure: Any, out_dims: Any, randomness: str, kwargs: dict) -> Any:
    with batch_level(size, randomness) as level:
        inside = [x if d is None else crossing.enter_batch(level, x, d) for x, d in zip(values, dims, strict=True)]
        before = [None if d is None else (t._storage.expr, t._grad_fn) for t, d in zip(inside, dims, strict=True)]
        out = f(*unflatten(inside, structure), **kwargs)
        for x, d, t, old in zip(values, dims, inside, before, strict=True):
            if old is not None and t._storage.expr is not old[0]:  # changed in place: so is the argument
                crossing.write_back(x, crossing.leave_batch(level, t, d), t._grad_fn is not old[1])
        return _outputs(f, out, out_dims, level)


def _run_in_chunks(f: Callable, parts: Any, dims: list, structure: Any, out_dims: Any, randomness: str, kwargs: dict) -> Any:
    import torchish

    state = torchish.get_rng_state() if randomness == "same" else None
    rows = []
    made: Any = None
    for values in parts:
        size = check_sizes([x.shape[d] for x, d in zip(values, dims, strict=True) if d is not None])
        if not size:
            continue
        if state is not None:
            torchish.set_rng_state(state)
        got, made = flatten(_run(f, size, dims, list(values), structure, out_dims, randomness, kwargs))
        rows.append(got)
    joined = spread(out_dims, made)
    assert joined is not None
    return unflatten([torchish.cat(list(c), dim=d) for c, d in zip(zip(*rows, strict=True), joined, strict=True)], made)


def vmap(func: Callable, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: int | None = None) -> Callable:
    """The function that applies `func`, written for one example, to batches.

    `in_dims`: the batch dimension of each argument (an int, or a tree that agrees with the arguments; None: not a batch).
    `out_dims`: where the batch goes in each result. `randomness`: "error", "same" (numbers for all examples) or "different".
    `chunk_size`: at most so many examples at once. Raises ValueError for dimensions that do not fit the arguments or results,
    RuntimeError where `func` asks for the value of an example.
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func, updated=())
    def wrapped(*args, **kwargs):
        for d in flatten(out_dims)[0]:
            if d is not None and not isinstance(d, int):
                raise ValueError(
                    f"vmap({name_of(func)}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a python collection of ints "
                    "representing where in the outputs the vmapped dimension should appear."
                )
        size, dims, values, structure = _inputs(func, in_dims, args)
        if chunk_size is None:
            return _run(func, size, dims, values, structure, out_dims, randomness, kwargs)
        starts = list(itertools.accumulate([chunk_size] * (size // chunk_size)))
        if not starts or starts[-1] != size:
            starts.append(size)
        columns = [
            [x] * len(starts) if d is None else x.tensor_split(starts, dim=d)[: len(starts)] for x, d in zip(values, dims, strict=True)
        ]
        return _run_in_chunks(func, zip(*columns, strict=True), dims, structure, out_dims, randomness, kwargs)

    return wrapped


vmap.__module__ = "torch.func"

__all__ = ["batch_level", "vmap"]


def debug_unwrap(tensor: Tensor, *, recurse: bool = True) -> Tensor:
    """The tensor around which transforms have put theirs (with `recurse=False`, one transform off), to look at it."""
    from torchish.engine.levels import Batched, Dual

    e = tensor._read()
    while isinstance(e, (Batched, Dual)):
        e = e.physical if isinstance(e, Batched) else e.primal
        if not recurse:
            break
    return tensor if e is tensor._read() else Tensor._wrap(e)
