"""Distributions sampled by rejection, element by element: Poisson, binomial, gamma, Dirichlet.

How many draws an element takes depends on the draws, so these are loops over Python floats, which are C doubles:
``sample_poisson``, ``sample_binomial`` and ``sample_gamma`` of PyTorch's ``Distributions.cpp`` / ``Distributions.h``.
Where PyTorch computes in the tensor's own dtype first, so do they. Many Poisson counts of rates below 10 come from a compiled loop:
40 instead of 780 ms a million.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing

import numpy as np

from .compiled import Program
from .generator import MT19937Generator
from .normals import normal_pair
from .numerics import FLOATING, cast, float32, float64, not_implemented, scalar_type_name
from .uniforms import uniforms64


def poisson(generator: MT19937Generator, rate: np.ndarray) -> np.ndarray:
    """``torch.poisson(rate)``: counts in the floating dtype and the shape of ``rate``.

    Raises RuntimeError at the first negative or NaN rate.
    """
    if rate.dtype not in FLOATING and rate.size:
        raise not_implemented("poisson_cpu", rate.dtype)
    rates = rate.ravel().astype(float64)
    if np.all((rates >= 0) & (rates < _KNUTH)) and (program := _KNUTH_PROGRAM.get(rates.size)):
        with generator.lock:
            counts = _knuth(generator, rates, program)
    else:
        with generator.lock, closing(generator.uniform64_iter(8 * rates.size)) as uniforms:
            counts = np.array([_poisson(r, uniforms) for r in rates.tolist()], float64)
    return cast(counts, rate.dtype).reshape(rate.shape)


def binomial(generator: MT19937Generator, count: np.ndarray, prob: np.ndarray) -> np.ndarray:
    """``torch.binomial(count, prob)``: successes in ``count`` trials, for broadcasting float32 or float64 arrays.

    Raises ValueError for arguments that are not floating, RuntimeError if their dtypes differ.
    """
    for name, value in (("count", count), ("prob", prob)):
        if value.dtype not in FLOATING:
            raise ValueError(
                f"binomial only supports floating-point dtypes for {name}, got: {scalar_type_name(value.dtype)}"
            )
    if count.dtype != prob.dtype:
        raise RuntimeError(f"Found dtype {scalar_type_name(prob.dtype)} but expected {scalar_type_name(count.dtype)}")
    if count.dtype not in (float32, float64):
        raise not_implemented("binomial_cpu", count.dtype)
    counts, probs = np.broadcast_arrays(count, prob)
    with generator.lock, closing(generator.uniform64_iter(8 * counts.size)) as uniforms:
        out = [_binomial(n, p, uniforms) for n, p in zip(counts.ravel(), probs.ravel(), strict=True)]
    return np.array(out, float64).astype(count.dtype).reshape(counts.shape)


def standard_gamma(generator: MT19937Generator, alpha: np.ndarray) -> np.ndarray:
    """``torch._standard_gamma(alpha)``: gamma of shape ``alpha`` and unit rate, for float32 or float64 arrays."""
    if alpha.dtype not in (float32, float64):
        raise not_implemented("gamma_cpu", alpha.dtype)
    with np.errstate(over="ignore"):
        out = np.array(_gammas(generator, alpha)).astype(alpha.dtype).reshape(alpha.shape)
    # not np.maximum, which would keep the NaN of a negative alpha
    return np.where(out > np.finfo(alpha.dtype).tiny, out, np.finfo(alpha.dtype).tiny)


def dirichlet(generator: MT19937Generator, alpha: np.ndarray) -> np.ndarray:
    """``torch._sample_dirichlet(alpha)``: points of the simplex along the last axis, for float32 or float64 arrays.

    Gamma draws are made and normalised in double.
    """
    if alpha.dtype not in (float32, float64):
        raise not_implemented("dirichlet", alpha.dtype)
    gamma = standard_gamma(generator, alpha.astype(float64))
    out = (gamma / gamma.sum(axis=-1, keepdims=True)).astype(alpha.dtype)
    info = np.finfo(alpha.dtype)
    return np.clip(out, info.tiny, np.nextafter(alpha.dtype.type(1), alpha.dtype.type(0)))


_KNUTH = 10  # the rate from which on counts are not found by multiplying uniforms
_AT_ONCE = 1 << 16  # counts, and uniforms, that the compiled loop takes at a time


def _knuth(generator: MT19937Generator, rates: np.ndarray, program) -> np.ndarray:
    """Counts of rates below `_KNUTH`, as float64."""
    counts = np.zeros(rates.shape, float64)
    positive = np.flatnonzero(rates)  # a rate of 0 takes no uniforms
    bounds, found = np.exp(-rates[positive]), np.empty(len(positive), np.int64)
    mark, uniforms, used = generator.mark(), np.empty(_AT_ONCE, float64), _AT_ONCE
    product, count = 1.0, 0
    for start in range(0, len(bounds), _AT_ONCE):
        part = found[start : start + _AT_ONCE]
        limits = np.zeros(_AT_ONCE, float64)
        limits[: len(part)] = bounds[start : start + _AT_ONCE]
        done = 0
        while done < len(part):
            if used == _AT_ONCE:
                mark, uniforms, used = generator.mark(), uniforms64(generator, _AT_ONCE), 0
            first = done
            made, *state = program(limits, uniforms, len(part), done, used, count, product)
            done, used, count = map(int, state[:3])
            product = float(state[3])
            part[first:done] = made[first:done]
    if used < _AT_ONCE:
        generator.rewind(mark, 2 * used)
    counts[positive] = found
    return counts


def _knuth_loop(bounds, uniforms, end, done, used, count, product):
    """Multiply uniforms, from the one at `used` on, until there are no more or counts for all bounds up to `end`.

    Returns the counts, those from `done` on new, and the state that the next call continues from: done, used, count, product.
    """
    import jax.numpy as jnp
    from jax import lax

    def unfinished(state):
        _, done, used, _, _ = state
        return (done < end) & (used < len(uniforms))

    def step(state):
        made, done, used, count, product = state
        product = product * uniforms.at[used].get(mode="promise_in_bounds")
        below = product <= bounds.at[done].get(mode="promise_in_bounds")
        made = made.at[done].set(count, mode="promise_in_bounds")
        return made, done + below, used + 1, jnp.where(below, 0, count + 1), jnp.where(below, 1.0, product)

    made = jnp.zeros(bounds.shape, np.int64)
    return lax.while_loop(unfinished, step, (made, done, used, count, product))


_KNUTH_PROGRAM = Program(
    _knuth_loop, (np.empty(_AT_ONCE, float64), np.empty(_AT_ONCE, float64), 0, 0, 0, 0, 1.0), 200_000
)


def _poisson(rate: float, uniforms: Iterator[float]) -> int:
    if not rate >= 0:
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    if rate == 0:
        return 0
    if rate < _KNUTH:  # Knuth: uniforms are multiplied until the product falls below exp(-rate)
        bound, product = math.exp(-rate), 1.0
        for count, u in enumerate(uniforms):
            product *= u
            if product <= bound:
                return count
    # transformed rejection (Hoermann 1993, PTRS)
    log_rate = math.log(rate)
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inv_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2)
    while True:
        u = next(uniforms) - 0.5
        v = next(uniforms)
        us = 0.5 - abs(u)
        if us == 0:
            continue
        k = math.floor((2 * a / us + b) * u + rate + 0.43)
        if us >= 0.07 and v <= v_r:
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        if v == 0 or math.log(v) + math.log(inv_alpha) - math.log(a / (us * us) + b) <= (
            -rate + k * log_rate - math.lgamma(k + 1)
        ):
            return k


def _binomial(count: np.floating, prob: np.floating, uniforms: Iterator[float]) -> float:
    """One sample; ``count`` and ``prob`` are NumPy scalars, whose products round to their dtype as PyTorch's do."""
    if count <= 0 or prob <= 0:
        return 0.0
    if prob >= 1:
        return float(count)
    if np.isnan(prob) or np.isnan(count):
        return math.nan
    if prob > 0.5:
        return float(count) - _few_successes(count, type(prob)(1.0 - float(prob)), uniforms)
    return _few_successes(count, prob, uniforms)


def _few_successes(count: np.floating, prob: np.floating, uniforms: Iterator[float]) -> float:
    """A binomial sample with prob <= 1/2."""
    n = float(count)
    if count * prob >= 10:
        return _btrs(count, prob, uniforms)
    # inversion: geometric gaps between successes are laid end to end until they pass the last trial
    log_fail, total, successes = float(np.log1p(-prob)), 0.0, 0.0
    for u in uniforms:
        total += math.ceil(math.log(u) / log_fail) if u > 0 else math.inf
        if total > n:
            break
        successes += 1
    return successes


def _btrs(count: np.floating, prob: np.floating, uniforms: Iterator[float]) -> float:
    """Transformed rejection (Hoermann 1993, BTRS)."""
    one = type(prob)(1)
    n, p = float(count), float(prob)
    mean = float(count * prob)
    stddev = float(np.sqrt(count * prob * (one - prob)))
    b = 1.15 + 2.53 * stddev
    a = -0.0873 + 0.0248 * b + 0.01 * p
    c = mean + 0.5
    v_r = 0.92 - 4.2 / b
    r = float(prob / (one - prob))
    alpha = (2.83 + 5.1 / b) * stddev
    m = math.floor((count + one) * prob)
    while True:
        u = next(uniforms) - 0.5
        v = next(uniforms)
        us = 0.5 - abs(u)
        if us == 0:
            continue
        k = float(math.floor((2 * a / us + b) * u + c))
        if k < 0 or k > n:
            continue
        if us >= 0.07 and v <= v_r:
            return k
        bound = (
            (m + 0.5) * math.log((m + 1) / (r * (n - m + 1)))
            + (n + 1) * math.log((n - m + 1) / (n - k + 1))
            + (k + 0.5) * math.log(r * (n - k + 1) / (k + 1))
            + _stirling_tail(m)
            + _stirling_tail(n - m)
            - _stirling_tail(k)
            - _stirling_tail(n - k)
        )
        if v == 0 or math.log(v * alpha / (a / (us * us) + b)) <= bound:
            return k


_STIRLING_TAILS = (
    0.0810614667953272,
    0.0413406959554092,
    0.0276779256849983,
    0.02079067210376509,
    0.0166446911898211,
    0.0138761288230707,
    0.0118967099458917,
    0.0104112652619720,
    0.00925546218271273,
    0.00833056343336287,
)


def _stirling_tail(k: float) -> float:
    """log(k!) less Stirling's formula for it."""
    if k < len(_STIRLING_TAILS):
        return _STIRLING_TAILS[int(k)]
    square = (k + 1) * (k + 1)
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1)


def _gammas(generator: MT19937Generator, alpha: np.ndarray) -> list[float]:
    with generator.lock, closing(generator.uniform64_iter(5 * alpha.size)) as uniforms:
        return [_gamma(a, generator, uniforms) for a in alpha.ravel()]


def _gamma(alpha: np.floating, generator: MT19937Generator, uniforms: Iterator[float]) -> float:
    """One sample by Marsaglia and Tsang (2000), doi:10.1145/358407.358414; ``alpha`` is a NumPy scalar."""
    real = type(alpha)
    scale = 1.0
    if alpha < 1:  # sampled at alpha + 1, where more is accepted, and scaled down
        if alpha == 0:
            return 0.0
        with np.errstate(over="ignore"):  # np.float64's power gives inf where Python's raises
            scale = float(np.float64(1 - next(uniforms)) ** float(real(1) / alpha))
        alpha = alpha + real(1)
    # the constants are floats in PyTorch's source
    d = float(alpha - real(np.float32(1) / np.float32(3)))
    c = 1 / math.sqrt(9 * d) if d > 0 else math.nan
    while True:
        x = _next_normal(generator, uniforms)
        y = 1 + c * x
        if y <= 0:
            continue
        v = y * y * y
        u = 1 - next(uniforms)
        xx = x * x
        if u < 1 - _SQUEEZE * xx * xx or math.log(u) < 0.5 * xx + d * (1 - v + math.log(v)):
            return scale * d * v


_SQUEEZE = float(np.float32(0.0331))


def _next_normal(generator: MT19937Generator, uniforms: Iterator[float]) -> float:
    """A standard normal: the one that waits in the generator, or the first of a new pair."""
    waiting = generator.next_normal
    if waiting is None:
        first, generator.next_normal = normal_pair(next(uniforms), next(uniforms))
        return first
    generator.next_normal = None
    return waiting
