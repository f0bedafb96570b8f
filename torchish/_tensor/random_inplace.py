"""Tensors filled with random numbers in place: `uniform_`, `normal_`, `random_`, …"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from torchish import _dtypes as dt
from torchish import _random as streams
from torchish._tensor.apply import make_grad_fn, write_inplace
from torchish._tensor.creation import check_size, like_strides
from torchish._tensor.dispatch import FILLS, takes
from torchish._tensor.drawing import draw_numbers, in_memory_order, jax_uniform
from torchish._tensor.generator import Generator
from torchish._tensor.random import bernoulli, beside, no_gradient, normal, normal_size, normal_std, rand, randint, randint_low, randn
from torchish._tensor.refusals import check_inplace
from torchish._tensor.tensor import Tensor
from torchish.autograd.grad_mode import STATE
from torchish.engine.expr import Expr, emit


def _fill(t: Tensor, name: str, generator, host: Callable, accelerator: Callable, variant: int = 0) -> Tensor:
    """Replace the values of `t` by draws, in the order of its memory where it is dense."""
    check_inplace(t, STATE.enabled and t._needs(), name)
    a = t._aval
    strides = t._strides
    if strides is not None and like_strides(t) == strides:
        e = in_memory_order(a.shape, strides, a.torch_dtype, a.device, generator, host, accelerator)
    else:
        e = draw_numbers(a.shape, a.torch_dtype, a.device, generator, host, accelerator)
    if type(t._storage.expr) is not Expr:
        e = emit(beside.spec(("T", 1), ()), (e, t._read()))
    fn = None
    if STATE.enabled and t._needs() and a.category >= 2:
        spec = no_gradient.spec(("T",), ())
        fn = make_grad_fn(spec, (t,), (t._read(),), (e,), inplace=True)
        from torchish.autograd.graph import GradFn, named

        if fn is not None:
            fn.__class__ = named("".join(p.capitalize() for p in name.rstrip("_").split("_")) + f"Backward{variant}", GradFn)
    write_inplace(t, e, fn, t._needs())
    return t


@takes("uniform_(Tensor input, float from=0.0, float to=1.0, *, generator? generator=None)")
def uniform_(self: Tensor, low: float, high: float, *, generator=None) -> Tensor:
    """Fill with uniform numbers on [from, to)."""
    return _fill(
        self, "uniform_", generator, lambda g, s, d: streams.uniform(g, s, d, low, high),
        lambda k, s, d: jax_uniform(k, s, d, low, high),
    )  # fmt: skip


@takes("normal_(Tensor input, float mean=0.0, float std=1.0, *, generator? generator=None)")
def normal_(self: Tensor, mean: float, std: float, *, generator=None) -> Tensor:
    """Fill with normal numbers."""
    contiguous = self._strides is None  # other layouts take PyTorch's element-by-element path
    return _fill(
        self, "normal_", generator, lambda g, s, d: streams.normal(g, s, d, float(mean), float(std), contiguous),
        lambda k, s, d: mean + std * jax.random.normal(k, s, d),
    )  # fmt: skip


@takes(
    "random_(Tensor input, *, generator? generator=None)",
    "random_(Tensor input, int to, *, generator? generator=None)",
    "random_(Tensor input, int from, int? to, *, generator? generator=None)",
)
def random_(self: Tensor, *bounds: Any, generator=None) -> Tensor:
    """Fill with integers: `random_()`, `random_(to)`, `random_(from, to)`."""
    low, high = bounds if len(bounds) == 2 else (0, *bounds) if bounds else (0, None)
    if not bounds:
        return _fill(
            self, "random_", generator, streams.random_,
            lambda k, s, d: jax.random.randint(k, s, 0, _random_limit(d), np.int64).astype(d),
        )  # fmt: skip
    return _fill(
        self, "random_", generator, lambda g, s, d: streams.random_from(g, s, d, low, high),
        lambda k, s, d: jax.random.randint(k, s, low, _random_limit(d) if high is None else high, np.int64).astype(d),
    )  # fmt: skip


def _random_limit(d: np.dtype) -> int:
    if d.kind in "iu":
        return min(int(np.iinfo(d).max) + 1, 2**63 - 1)
    return 2 if d.kind == "b" else 2 ** (np.finfo(d).nmant + 1) + 1


@takes(
    "bernoulli_(Tensor input, Tensor p, *, generator? generator=None)",
    "bernoulli_(Tensor input, float p=0.5, *, generator? generator=None)",
)
def bernoulli_(self: Tensor, p, *, generator=None) -> Tensor:
    """Fill with zeros and ones; `p` is the probability of one, a number or a tensor."""
    if isinstance(p, Tensor):
        probabilities = p.detach().expand(self._aval.shape)._host()
        return _fill(
            self, "bernoulli_", generator, lambda g, s, d: np.asarray(streams.bernoulli(g, probabilities, d)).reshape(s),
            lambda k, s, d: jax.random.bernoulli(k, probabilities).reshape(s).astype(d), 1,
        )  # fmt: skip
    return _fill(
        self, "bernoulli_", generator, lambda g, s, d: streams.bernoulli_scalar(g, s, float(p), d),
        lambda k, s, d: jax.random.bernoulli(k, p, s).astype(d), 2,
    )  # fmt: skip


@takes("exponential_(Tensor input, float lambd=1.0, *, generator? generator=None)")
def exponential_(self: Tensor, lambd: float, *, generator=None) -> Tensor:
    """Fill with exponential numbers of rate `lambd`."""
    return _fill(
        self, "exponential_", generator, lambda g, s, d: streams.exponential(g, s, d, float(lambd)),
        lambda k, s, d: jax.random.exponential(k, s, d) / lambd,
    )  # fmt: skip


@takes("cauchy_(Tensor input, float median=0.0, float sigma=1.0, *, generator? generator=None)")
def cauchy_(self: Tensor, median: float, sigma: float, *, generator=None) -> Tensor:
    """Fill with Cauchy numbers."""
    return _fill(
        self, "cauchy_", generator, lambda g, s, d: streams.cauchy(g, s, d, float(median), float(sigma)),
        lambda k, s, d: median + sigma * jax.random.cauchy(k, s, d),
    )  # fmt: skip


@takes("log_normal_(Tensor input, float mean=1.0, float std=2.0, *, generator? generator=None)")
def log_normal_(self: Tensor, mean: float, std: float, *, generator=None) -> Tensor:
    """Fill with numbers whose logarithm is normal."""
    return _fill(
        self, "log_normal_", generator, lambda g, s, d: streams.log_normal(g, s, d, float(mean), float(std)),
        lambda k, s, d: jax.numpy.exp(mean + std * jax.random.normal(k, s, d)),
    )  # fmt: skip


@takes("geometric_(Tensor input, float p, *, generator? generator=None)")
def geometric_(self: Tensor, p: float, *, generator=None) -> Tensor:
    """Fill with the number of trials up to the first success of probability `p`."""
    return _fill(
        self, "geometric_", generator, lambda g, s, d: streams.geometric(g, s, float(p), d),
        lambda k, s, d: jax.numpy.ceil(jax.numpy.log(jax.random.uniform(k, s)) / math.log1p(-p)).astype(d),
    )  # fmt: skip


for _f in (uniform_, normal_, random_, bernoulli_, exponential_, cauchy_, log_normal_, geometric_):
    setattr(Tensor, _f.__name__, _f)


# --- out= ----------------------------------------------------------------------------------------------------


def _filling(name: str, shape: Callable, fill: Callable) -> Callable:
    """For `FILLS`: a random function's `out=` takes its shape and is then filled, in the order of its memory."""

    def into(out: Tensor) -> Callable:
        def run(*args, dtype=None, **kwargs):
            if dtype is not None and dtype is not out.dtype:
                have, got = dt.SCALAR_TYPE_NAMES[dtype], dt.SCALAR_TYPE_NAMES[out.dtype]
                raise RuntimeError(f"dtype {have} does not match dtype of out parameter ({got})")
            if STATE.enabled and any(isinstance(x, Tensor) and x._needs() for x in (*args, out)):
                if name == "randn":
                    raise RuntimeError("cannot resize variables that require grad")
                unknown = "aten::" if not any(isinstance(x, Tensor) for x in args) else ""
                raise RuntimeError(
                    f"{unknown}{name}(): functions with out=... arguments don't support automatic differentiation, but one of the "
                    "arguments requires grad."
                )
            version = out._vc.version
            fill(out.resize_(shape(*args)), kwargs.get("generator"), *args)
            out._vc.version = version + 1
            return out

        return run

    return into


def _sizes_of(*parameters: Any) -> tuple[int, ...]:
    return tuple(np.broadcast_shapes(*[p._aval.shape for p in parameters if isinstance(p, Tensor)]))


def _normal_into(out: Tensor, generator: Generator | None, mean: Any, std: Any = 1, *_size: Any) -> Tensor:
    numbers = not isinstance(mean, Tensor) and not isinstance(std, Tensor)
    return normal_(out, mean, std, generator=generator) if numbers else normal_(out, generator=generator).mul_(std).add_(mean)


FILLS.update({
    rand: _filling("rand", check_size, lambda o, g, size: uniform_(o, generator=g)),
    randn: _filling("randn", check_size, lambda o, g, size: normal_(o, generator=g)),
    randint: _filling("randint", lambda high, size: check_size(size), lambda o, g, high, size: random_(o, 0, high, generator=g)),
    randint_low: _filling(
        "randint", lambda low, high, size: check_size(size), lambda o, g, low, high, size: random_(o, low, high, generator=g)
    ),
    normal: _filling("normal", _sizes_of, _normal_into),
    normal_std: _filling("normal", _sizes_of, _normal_into),
    normal_size: _filling("normal", lambda mean, std, size: check_size(size), _normal_into),
    bernoulli: _filling("bernoulli", _sizes_of, lambda o, g, p: bernoulli_(o, p, generator=g)),
})  # fmt: skip
