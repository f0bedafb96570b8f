"""Numbers drawn from generators, from JAX keys, or once for every example of a batch."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from torchish import _dtypes as dt
from torchish._tensor.generator import generator_for
from torchish.engine.devices import jax_device
from torchish.engine.expr import CPU, LOCAL, TRACED, Expr, emit, leaf
from torchish.engine.levels import ACTIVE, Wrapped, make_batched
from torchish.engine.program import without_data
from torchish.ops.views import permute


class _Keys(threading.local):
    """Where draws come from inside a call that is given JAX random keys, instead of from a generator."""

    def __init__(self) -> None:
        self.sources: list[Callable[[], Any]] = []

    def next(self) -> Any:
        """The next key of the innermost such call; None outside."""
        return self.sources[-1]() if self.sources and not ACTIVE.stack else None


KEYS = _Keys()


class drawing_from:
    """Within the block random numbers come from JAX keys: `key()` gives one, and is called when the first is drawn.

    What is drawn is then a pure function of the key, as `jax.jit` needs it; generators are left alone.
    """

    def __init__(self, key: Callable[[], Any]):
        self._make, self._count = key, 0
        self._key: Any = None

    def _next(self) -> Any:
        if self._key is None:
            self._key = self._make()
        self._count += 1
        return jax.random.fold_in(self._key, self._count)

    def __enter__(self) -> None:
        KEYS.sources.append(self._next)

    def __exit__(self, *exc: Any) -> None:
        KEYS.sources.pop()


def keyed(value: Any, where: str, dtype: np.dtype) -> Expr:
    """Numbers drawn from a key, which may be traced."""
    from torchish._tensor.apply import cast_expr

    return cast_expr(leaf(value, TRACED if isinstance(value, jax.core.Tracer) else CPU if where == TRACED else where), dtype)


def draw_numbers(shape: tuple, d: dt.dtype, where: str, generator, host: Callable, accelerator: Callable) -> Expr:
    """Numbers as an expression: `host(generator, shape, dtype)` on the CPU, `accelerator(key, shape, dtype)` elsewhere."""
    if ACTIVE.stack and (batches := open_batches()):
        _DRAWING.batched = True
        try:
            return as_examples(draw_numbers((*[v.size for v in batches], *shape), d, where, generator, host, accelerator), batches)
        finally:
            _DRAWING.batched = False
    if generator is None and (key := KEYS.next()) is not None:
        # in the caller's number of bits: what is drawn becomes part of the caller's program
        return keyed(accelerator(key, shape, jax.dtypes.canonicalize_dtype(d.np)), where, d.np)
    g = generator_for(where, generator)
    if where == "meta":
        return without_data(shape, d.np)
    if where in (CPU, "traced"):
        where = CPU

        def draw():
            return np.asarray(host(g._cpu, shape, d.np))
    else:

        def draw():
            with jax.enable_x64(True), jax.default_device(jax_device(where)):
                return jax.device_put(accelerator(g.key(), shape, d.np), jax_device(where))

    return drawn(draw, where)


def drawn(draw: Callable[[], Any], where: str) -> Expr:
    """What `draw()` gives, as an expression: a captured step calls it again each time."""
    e = leaf(draw(), where)
    if LOCAL.capture is not None:
        LOCAL.capture.drawn((e,), lambda: (draw(),))
    return e


class _Drawing(threading.local):
    batched = False  # inside a draw for whole batches


_DRAWING = _Drawing()


def open_batches() -> list:
    """The levels of `vmap` whose examples get numbers of their own, oldest first; RuntimeError where none may be drawn."""
    if _DRAWING.batched:
        return []
    found = [v for v in ACTIVE.stack if v.size is not None]
    if any(v.randomness == "error" for v in found):
        raise RuntimeError(
            "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' randomness flags "
            "on vmap or perform the randomness operation out of vmap"
        )
    return [v for v in found if v.randomness == "different"]


def for_batches(draw: Callable, batches: list) -> Expr:
    """What `draw()` gives, once for every example of the batches."""
    _DRAWING.batched = True
    try:
        values = [np.asarray(draw()) for _ in range(math.prod(v.size for v in batches))]
    finally:
        _DRAWING.batched = False
    whole = np.stack(values)
    return as_examples(leaf(whole.reshape(*[v.size for v in batches], *whole.shape[1:]), CPU), batches)


def as_examples(e: Expr, batches: list) -> Expr:
    """An expression whose first dimensions are the batches, as one example."""
    for v in batches:
        e = make_batched(v, e)
    return e


def jax_uniform(key, shape, dtype, low=0.0, high=1.0):
    if dtype.kind == "c":
        half = np.dtype(np.float32 if dtype == np.complex64 else np.float64)
        a, b = jax.random.split(key)
        return jax.lax.complex(jax.random.uniform(a, shape, half), jax.random.uniform(b, shape, half))
    return jax.random.uniform(key, shape, dtype, low, high)


def in_memory_order(shape, strides, d, where, generator, host, accelerator) -> Expr:
    """PyTorch fills dense tensors in the order of their memory."""
    order = sorted(range(len(shape)), key=lambda i: (-strides[i], i))
    e = draw_numbers(tuple(shape[i] for i in order), d, where, generator, host, accelerator)
    back = np.argsort(order)
    if isinstance(e, Wrapped):
        return emit(permute.spec(("T",), (tuple(int(i) for i in back),)), (e,))

    def ordered(value):
        return np.ascontiguousarray(value.transpose(back)) if isinstance(value, np.ndarray) else value.transpose(back)

    ordered_e = leaf(ordered(e.value), CPU if isinstance(e.value, np.ndarray) else where)
    if LOCAL.capture is not None:
        LOCAL.capture.redrawn(e, ordered_e, ordered)
    return ordered_e
