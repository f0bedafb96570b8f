"""Random tensors. On the CPU they are PyTorch's own streams (`torchish._random`); elsewhere `jax.random`'s.

CPU numbers are drawn on the host at the call, and enter programs as inputs: no random call ever recompiles.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from torchish import _dtypes as dt
from torchish import _random as streams
from torchish._tensor.apply import apply, make_grad_fn
from torchish._tensor.creation import check_size, from_host, like_strides
from torchish._tensor.dispatch import composite
from torchish._tensor.drawing import KEYS, as_examples, draw_numbers, drawn, for_batches, in_memory_order, jax_uniform, keyed, open_batches
from torchish._tensor.generator import Generator, generator_for
from torchish._tensor.size import resolve
from torchish._tensor.tensor import Tensor
from torchish.autograd.grad_mode import STATE
from torchish.engine.expr import CPU, LOCAL, Expr, leaf
from torchish.engine.levels import ACTIVE, Dual, Wrapped, levels_of, physical
from torchish.engine.program import force, to_device, without_data
from torchish.ops.declare import op


def _new(shape, dtype, device, requires_grad, generator, host, accelerator, d=None) -> Tensor:
    t = Tensor._wrap(draw_numbers(check_size(shape), dtype or d or dt.get_default_dtype(), resolve(device), generator, host, accelerator))
    if requires_grad:
        t._as_leaf()
    return t


_KW = (
    "generator? generator=None, dtype? dtype=None, any layout=None, device? device=None, bool? pin_memory=False, "
    "bool? requires_grad=False"
)
_LIKE = (
    "dtype? dtype=None, any layout=None, device? device=None, bool? requires_grad=False, bool? pin_memory=False, "
    "format? memory_format=None, generator? generator=None"
)


@composite(f"rand(int[]* size, *, {_KW})", method=False, out=True)
def rand(size, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Uniform numbers on [0, 1), of shape `size`."""
    return _new(size, dtype, device, requires_grad, generator, streams.rand, jax_uniform)


@composite(f"randn(int[]* size, *, {_KW})", method=False, out=True)
def randn(size, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Standard normal numbers, of shape `size`."""
    return _new(size, dtype, device, requires_grad, generator, streams.randn, jax.random.normal)


def _randint(low, high, size, generator, dtype, device, requires_grad):
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    return _new(
        size, dtype, device, requires_grad, generator,
        lambda g, s, d: streams.randint(g, low, high, s, d),
        lambda k, s, d: jax.random.randint(k, s, low, high, np.int64).astype(d), dt.int64,
    )  # fmt: skip


@composite(f"randint(int high, int[!] size, *, {_KW})", method=False, out=True)
def randint(high, size, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Integers on [0, high), of shape `size`."""
    return _randint(0, high, size, generator, dtype, device, requires_grad)


@composite(f"randint(int low, int high, int[!] size, *, {_KW})", method=False, out=True)
def randint_low(low, high, size, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Integers on [low, high), of shape `size`."""
    return _randint(low, high, size, generator, dtype, device, requires_grad)


@composite(f"randperm(int n, *, {_KW})", method=False, out=True)
def randperm(n, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """A random permutation of 0 … n - 1."""
    where = resolve(device)
    if ACTIVE.stack and (batches := open_batches()):
        g = generator_for(where, generator)._cpu
        return Tensor._wrap(for_batches(lambda: streams.randperm(g, n, (dtype or dt.int64).np), batches))
    if where in (CPU, "meta"):
        d = (dtype or dt.int64).np
        if where == "meta":
            t = Tensor._wrap(without_data((n,), d))
        else:
            source = generator_for(where, generator)._cpu
            t = Tensor._wrap(drawn(lambda: streams.randperm(source, n, d), where))
        return t._as_leaf() if requires_grad else t
    return _new(
        (n,), dtype, device, requires_grad, generator, streams.rand,
        lambda k, s, d: jax.random.permutation(k, n).astype(d), dt.int64,
    )  # fmt: skip


def _like(input, dtype, device, requires_grad, memory_format, generator, host, accelerator) -> Tensor:
    where = input._aval.device if device is None else resolve(device)
    d = dtype or input.dtype
    strides = like_strides(input, memory_format)
    shape = input._aval.shape
    if strides is None:
        t = Tensor._wrap(draw_numbers(shape, d, where, generator, host, accelerator))
    else:
        t = Tensor._wrap(in_memory_order(shape, strides, d, where, generator, host, accelerator), strides)
    if requires_grad:
        t._as_leaf()
    return t


@composite(f"rand_like(Tensor input, *, {_LIKE})", method=False)
def rand_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None, generator=None):
    """Uniform numbers on [0, 1) with the shape, dtype and device of `input`."""
    return _like(input, dtype, device, requires_grad, memory_format, generator, streams.rand, jax_uniform)


@composite(f"randn_like(Tensor input, *, {_LIKE})", method=False)
def randn_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None, generator=None):
    """Standard normal numbers with the shape, dtype and device of `input`."""
    ordered = like_strides(input, memory_format) is None  # other layouts take PyTorch's element-by-element path

    def host(g, s, d):
        return streams.normal(g, s, d, contiguous=ordered)

    return _like(input, dtype, device, requires_grad, memory_format, generator, host, jax.random.normal)


def _randint_like(input, low, high, dtype, device, requires_grad, memory_format, generator):
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    return _like(
        input, dtype, device, requires_grad, memory_format, generator,
        lambda g, s, d: streams.randint(g, low, high, s, d),
        lambda k, s, d: jax.random.randint(k, s, low, high, np.int64).astype(d),
    )  # fmt: skip


@composite(f"randint_like(Tensor input, int high, *, {_LIKE})", method=False)
def randint_like(input, high, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False,
                 memory_format=None, generator=None):  # fmt: skip
    """Integers on [0, high) with the shape, dtype and device of `input`."""
    return _randint_like(input, 0, high, dtype, device, requires_grad, memory_format, generator)


@composite(f"randint_like(Tensor input, int low, int high, *, {_LIKE})", method=False)
def randint_like_low(input, low, high, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False,
                     memory_format=None, generator=None):  # fmt: skip
    """Integers on [low, high) with the shape, dtype and device of `input`."""
    return _randint_like(input, low, high, dtype, device, requires_grad, memory_format, generator)


# --- distributions -------------------------------------------------------------------------------------------


def _parameter(x):
    return x.detach()._host() if isinstance(x, Tensor) else float(x)


@composite("normal(Tensor mean, Tensor|Number std=1, *, generator? generator=None)", method=False, out=True)
def normal(mean, std=1, *, generator=None):
    """Normal numbers with these means and standard deviations."""
    both = isinstance(std, Tensor)
    return _zero_gradient(
        _normal(mean, std, generator), (mean, std) if both else mean, "NormalBackward3" if both else "NormalBackward1"
    )


@composite("normal(Number mean, Tensor std, *, generator? generator=None)", method=False, out=True)
def normal_std(mean, std, *, generator=None):
    """Normal numbers with these means and standard deviations."""
    return _zero_gradient(_normal(mean, std, generator), std, "NormalBackward2")


def _normal(mean, std, generator):
    where = (mean if isinstance(mean, Tensor) else std)._aval.device
    g = generator_for(where, generator)
    if where in (CPU, "traced"):
        return from_host(np.asarray(streams.normal_from(g._cpu, _parameter(mean), _parameter(std))))
    first = mean if isinstance(mean, Tensor) else std
    shape = np.broadcast_shapes(np.shape(_parameter(mean)), np.shape(_parameter(std)))
    z = Tensor._wrap(draw_numbers(tuple(shape), first.dtype, where, generator, streams.randn, jax.random.normal))
    return (z * std + mean).detach()


@composite(f"normal(Number mean, Number std, int[!] size, *, {_KW})", method=False, out=True)
def normal_size(mean, std, size, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """Normal numbers of shape `size`."""
    return _new(
        size, dtype, device, requires_grad, generator,
        lambda g, s, d: streams.normal(g, s, d, float(mean), float(std)),
        lambda k, s, d: mean + std * jax.random.normal(k, s, d),
    )  # fmt: skip


def _from_values(t: Tensor, generator, host: Callable, accelerator: Callable) -> Tensor:
    """Draws whose parameters are the values of a tensor."""
    where = t._aval.device
    if generator is None and (key := KEYS.next()) is not None:
        return Tensor._wrap(keyed(accelerator(key, t.detach().jax()), where, t._aval.dtype))
    g = generator_for(where, generator)
    if ACTIVE.stack:
        batches = open_batches()
        if isinstance(t._read(), Wrapped):
            return _from_examples(t, batches, g, host)
        if batches:
            return Tensor._wrap(for_batches(lambda: host(g._cpu, np.asarray(t.detach()._host(), order="C")), batches))
    if where in (CPU, "traced"):
        return from_host(np.asarray(host(g._cpu, np.asarray(t.detach()._host(), order="C"))))
    if where == "meta":
        with jax.enable_x64(True):
            made = jax.eval_shape(accelerator, jax.random.key(0), jax.ShapeDtypeStruct(t._aval.shape, t._aval.dtype))
        return Tensor._wrap(without_data(made.shape, made.dtype))
    with jax.enable_x64(True):
        return Tensor._wrap(leaf(to_device(np.asarray(accelerator(g.key(), t.detach().jax())), where), where))


def _from_examples(t: Tensor, batches: list, g: Generator, host: Callable) -> Tensor:
    """Draws from parameters that are batches, each example's from its own."""
    e = t._read()
    inside = sorted((v for v in levels_of(e) if v.size is not None), key=lambda v: v.number)
    if any(v not in batches for v in inside):
        raise RuntimeError("vmap: Cannot ask for same randomness when the parameters of the distribution are batched")
    for v in reversed(batches):
        e = physical(v, e)
    while isinstance(e, Dual):
        e = e.primal
    return Tensor._wrap(as_examples(leaf(np.asarray(host(g._cpu, np.asarray(force(e), order="C"))), CPU), batches))


def _zero_gradient(out: Tensor, of: Tensor | tuple[Tensor, ...], name: str) -> Tensor:
    """Random results are recorded with a gradient of zero, and have a tangent of zero, as PyTorch does."""
    given = of if isinstance(of, tuple) else (of,)
    if any(type(t._storage.expr) is not Expr for t in given):
        out = apply(beside.spec(("T", len(given)), ()), (out, *given))
    if STATE.enabled and any(t._needs() for t in given) and out._aval.category >= 2:
        spec = no_gradient.spec((len(given),), ())
        fn = make_grad_fn(spec, given, tuple(t._read() for t in given), (out._read(),))
        if fn is not None:
            from torchish.autograd.graph import GradFn, named

            fn.__class__ = named(name, GradFn)
            out._grad_fn = fn
    return out


@op("_beside(Tensor drawn, Tensor[] inputs)", method=False, function=False, out=False, saves=(), flat=("inputs",))
def beside(drawn, inputs):
    return drawn


@op("_no_gradient(Tensor[] inputs)", method=False, function=False, out=False, saves=(), flat=("inputs",))
def no_gradient(inputs):
    return jax.lax.stop_gradient(jnp.broadcast_arrays(*inputs)[0])


@composite("bernoulli(Tensor input, *, generator? generator=None)", out=True)
def bernoulli(input, *, generator=None):
    """Zeros and ones, one with the probability that `input` gives."""
    made = _from_values(
        input, generator, lambda g, p: streams.bernoulli(g, p), lambda k, p: jax.random.bernoulli(k, p).astype(p.dtype)
    )
    return _zero_gradient(made, input, "BernoulliBackward0")


@composite("bernoulli(Tensor input, float p, *, generator? generator=None)")
def bernoulli_p(input, p, *, generator=None):
    """Zeros and ones like `input`, one with probability `p`."""
    where = input._aval.device
    return Tensor._wrap(
        draw_numbers(
            input._aval.shape, input.dtype, where, generator, lambda g, s, d: streams.bernoulli_scalar(g, s, p, d),
            lambda k, s, d: jax.random.bernoulli(k, p, s).astype(d),
        )
    )  # fmt: skip


@composite("multinomial(Tensor input, int num_samples, bool replacement=False, *, generator? generator=None)", out=True)
def multinomial(input, num_samples, replacement=False, *, generator=None):
    """Category numbers drawn in proportion to the weights in each row of `input`."""
    return _from_values(
        input, generator, lambda g, p: streams.multinomial(g, p, num_samples, replacement),
        lambda k, p: jax.random.choice(k, p.shape[-1], (num_samples,), replacement, p / p.sum())
        if p.ndim == 1
        else jax.vmap(lambda kk, q: jax.random.choice(kk, q.shape[-1], (num_samples,), replacement, q / q.sum()))(
            jax.random.split(k, p.shape[0]), p
        ),
    )  # fmt: skip


@composite("poisson(Tensor input, generator? generator=None)", method=False)
def poisson(input, generator=None):
    """Poisson counts with these rates."""
    made = _from_values(input, generator, streams.poisson, lambda k, r: jax.random.poisson(k, r).astype(r.dtype))
    return _zero_gradient(made, input, "PoissonBackward0")


@composite("binomial(Tensor count, Tensor prob, generator? generator=None)", method=False)
def binomial(count, prob, generator=None):
    """Successes in `count` trials of probability `prob`."""
    g = generator_for(count._aval.device, generator)
    made = from_host(np.asarray(streams.binomial(g._cpu, count.detach()._host(), prob.detach()._host())))
    return _zero_gradient(made, prob, "BinomialBackward0")


@composite("_standard_gamma(Tensor input, generator? generator=None)")
def standard_gamma(input, generator=None):
    """Gamma numbers of shape `input` and unit rate, differentiable in the shape."""
    made = _from_values(input, generator, streams.standard_gamma, lambda k, a: jax.random.gamma(k, a))
    if STATE.enabled and input._needs():
        from torchish._tensor.apply import apply

        return apply(gamma_sample.spec(("T", "T"), ()), (input, made))
    return made


@op("_gamma_sample(Tensor input, Tensor sample)", method=False, function=False, out=False, grad="StandardGammaBackward0")
def gamma_sample(input, sample):
    return sample


@gamma_sample.backward
def _(grad, input, sample):
    return grad * jax.lax.random_gamma_grad(input, sample), None


@composite("_sample_dirichlet(Tensor input, generator? generator=None)")
def sample_dirichlet(input, generator=None):
    return _from_values(input, generator, streams.dirichlet, lambda k, a: jax.random.dirichlet(k, a))


def bernoulli_mask(t: Tensor, p: float) -> Tensor:
    """The factors of dropout for a tensor like `t`: 0 with probability p in (0, 1), else 1 / (1 - p)."""
    return dropout_factors(t, t._aval.shape, p)


def dropout_factors(t: Tensor, shape: tuple[int, ...], p: float) -> Tensor:
    """Dropout's factors in a shape that broadcasts to `t` (feature dropout draws one per channel)."""

    def accelerator(k, s, d):
        return jax.random.bernoulli(k, 1 - p, s).astype(d) / (1 - p)

    def host(g, s, d):
        return streams.dropout_noise(g, s, p, d)

    strides = like_strides(t) if shape == t._aval.shape else None
    if strides is None:
        return Tensor._wrap(draw_numbers(shape, t.dtype, t._aval.device, None, host, accelerator))
    return Tensor._wrap(in_memory_order(shape, strides, t.dtype, t._aval.device, None, host, accelerator), strides)


def alpha_dropout_terms(t: Tensor, shape: tuple[int, ...], p: float) -> tuple[Tensor, Tensor]:
    """Factor and shift of alpha dropout for a tensor like `t`."""
    if (key := KEYS.next()) is not None:
        keep = jax.random.bernoulli(key, 1 - p, shape).astype(jax.dtypes.canonicalize_dtype(t._aval.dtype))
        bound = -1.7580993408473766  # what SELU tends to
        scale = ((1 - p) * (1 + p * bound**2)) ** -0.5
        low = bound * scale * (1 - keep) - bound * scale * p
        return tuple(Tensor._wrap(keyed(v, t._aval.device, t._aval.dtype)) for v in (keep * scale, low))  # type: ignore[return-value]
    g = generator_for(t._aval.device)
    if ACTIVE.stack and (batches := open_batches()):
        whole = (*[v.size for v in batches], *shape)
        parts = streams.alpha_dropout_noise(g._cpu, whole, p, t._aval.dtype)
        first, second = [Tensor._wrap(as_examples(leaf(np.asarray(x), CPU), batches)) for x in parts]
        return first, second
    where = t._aval.device if t._aval.device != "traced" else CPU

    def draw():
        noise = [np.asarray(x) for x in streams.alpha_dropout_noise(g._cpu, shape, p, t_dtype)]
        return noise if where == CPU else [to_device(x, where) for x in noise]

    t_dtype = t._aval.dtype
    terms = [leaf(x, where) for x in draw()]
    if LOCAL.capture is not None:
        LOCAL.capture.drawn(tuple(terms), draw)
    return Tensor._wrap(terms[0]), Tensor._wrap(terms[1])
