"""Random tensors. On the CPU they are PyTorch's own streams (`torchish._random`); elsewhere `jax.random`'s.

CPU numbers are drawn on the host at the call, and enter programs as inputs: no random call ever recompiles.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchish import _dtypes as dt
from torchish import _random as streams
from torchish._tensor.apply import make_grad_fn, write_inplace
from torchish._tensor.creation import check_size, from_host, like_strides
from torchish._tensor.dispatch import FILLS, composite
from torchish._tensor.refusals import check_inplace
from torchish._tensor.size import device as Device
from torchish._tensor.size import device_of, resolve
from torchish._tensor.tensor import Tensor
from torchish.autograd.grad_mode import STATE
from torchish.engine.devices import jax_device
from torchish.engine.expr import CPU, LOCAL, TRACED, Expr, aval, emit, leaf
from torchish.engine.levels import ACTIVE, Dual, Wrapped, levels_of, make_batched, physical
from torchish.engine.program import force, to_device
from torchish.ops.declare import op
from torchish.ops.views import permute


class Generator:
    """A source of random numbers with a seed and a state; `device="cpu"` is PyTorch's mt19937 stream."""

    __module__ = "torch"

    def __init__(self, device="cpu"):
        name = resolve(device)
        self._where = name
        self._cpu = streams.MT19937Generator()
        self._count = 0  # draws made from an accelerator's stream

    @property
    def device(self) -> Device:
        return device_of(self._where)

    def manual_seed(self, seed: int) -> Generator:
        """Start again from `seed`; returns the generator."""
        _touched()
        self._cpu.manual_seed(_seed(seed))
        self._count = 0
        return self

    def seed(self) -> int:
        """Seed from the system; returns the seed."""
        _touched()
        self._count = 0
        return self._cpu.seed()

    def initial_seed(self) -> int:
        return self._cpu.initial_seed()

    def get_state(self) -> Tensor:
        """The state as a uint8 tensor, byte for byte PyTorch's."""
        _touched()
        state = self._cpu.get_state()
        if self._where != CPU:
            state = np.concatenate([state, np.frombuffer(np.int64(self._count).tobytes(), np.uint8)])
        return from_host(np.array(state))

    def set_state(self, new_state: Tensor) -> Generator:
        """Continue from a state that `get_state` (or PyTorch's) gave."""
        if not isinstance(new_state, Tensor) or new_state._aval.torch_dtype is not dt.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        _touched()
        state = np.array(new_state._host())
        if self._where != CPU:
            self._count = int(np.frombuffer(state[-8:].tobytes(), np.int64)[0])
            state = state[:-8]
        self._cpu.set_state(state)
        return self

    def clone_state(self) -> Generator:
        g = Generator(self._where)
        g._cpu = self._cpu.clone_state()
        g._count = self._count
        return g

    graphsafe_get_state = clone_state

    def key(self):
        """The next JAX random key of an accelerator's stream."""
        self._count += 1
        seed = self._cpu.initial_seed() & (2**63 - 1)
        with jax.enable_x64(True), jax.ensure_compile_time_eval():
            return jax.random.fold_in(jax.random.key(seed), self._count)

    def __setstate__(self, state: tuple) -> None:  # as PyTorch's checkpoints have it: seed, offset, state
        self.manual_seed(state[0])
        self.set_state(state[2])

    def __reduce__(self):
        return _rebuild_generator, (str(self._where), self.get_state())


def _touched() -> None:
    """A generator was used other than by a draw that can be drawn again."""
    if LOCAL.capture is not None:
        LOCAL.capture.unrepeatable("it seeds a random generator, or reads its state")


def _rebuild_generator(where, state):
    g = Generator(where)
    g.set_state(state)
    return g


def _seed(seed) -> int:
    if isinstance(seed, Tensor):
        seed = seed.item()
    seed = int(seed)
    if not -(2**63) <= seed < 2**64:
        raise RuntimeError("Overflow when unpacking long long")
    return seed


default_generator = Generator()
_device_generators: dict[str, Generator] = {}


def generator_for(where: str, given: Generator | None = None) -> Generator:
    """The generator to use on an engine device: the given one, or that device's default."""
    if given is not None:
        if not isinstance(given, Generator):
            raise TypeError(f"argument 'generator' must be torch.Generator, not {type(given).__name__}")
        kind = where.partition(":")[0]
        if given._where.partition(":")[0] != kind and where not in ("traced", "meta"):
            raise RuntimeError(f"Expected a '{kind}' device type for generator but found '{given.device.type}'")
        return _counted(given)
    if where in (CPU, "traced", "meta"):
        return _counted(default_generator)
    g = _device_generators.get(where)
    if g is None:
        g = _device_generators[where] = Generator(where)
        g._cpu.manual_seed(default_generator.initial_seed())
    return _counted(g)


def _counted(g: Generator) -> Generator:
    if LOCAL.capture is not None:
        LOCAL.capture.draws_asked += 1
    return g


def manual_seed(seed) -> Generator:
    """Seed the generators of every device; returns the CPU's."""
    seed = _seed(seed)
    default_generator.manual_seed(seed)
    for g in _device_generators.values():
        g.manual_seed(seed)
    return default_generator


def seed() -> int:
    """Seed every generator from the system; returns the seed."""
    s = default_generator.seed()
    for g in _device_generators.values():
        g.manual_seed(s)
    return s


def initial_seed() -> int:
    """The seed that the CPU's generator started from."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the CPU's generator as a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Set the state of the CPU's generator."""
    default_generator.set_state(new_state)


class fork_rng:
    """Within the block draws are as usual; after it the generators are as before."""

    def __init__(self, devices=None, enabled: bool = True, _caller="fork_rng", _devices_kw="devices", device_type="cuda"):
        self.enabled = enabled

    def __enter__(self):
        if self.enabled:
            self._states = [(g, g.get_state()) for g in (default_generator, *_device_generators.values())]

    def __exit__(self, *exc):
        if self.enabled:
            for g, state in self._states:
                g.set_state(state)

    def __call__(self, f):
        import functools

        @functools.wraps(f)
        def wrapped(*args, **kwargs):
            with fork_rng(enabled=self.enabled):
                return f(*args, **kwargs)

        return wrapped


# --- drawing -----------------------------------------------------------------------------------------------


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


def _keyed(value: Any, where: str, dtype: np.dtype) -> Expr:
    """Numbers drawn from a key, which may be traced."""
    from torchish._tensor.apply import cast_expr

    return cast_expr(leaf(value, TRACED if isinstance(value, jax.core.Tracer) else CPU if where == TRACED else where), dtype)


def _draw(shape: tuple, d: dt.dtype, where: str, generator, host: Callable, accelerator: Callable) -> Expr:
    """Numbers as an expression: `host(generator, shape, dtype)` on the CPU, `accelerator(key, shape, dtype)` elsewhere."""
    if ACTIVE.stack and (batches := _batches()):
        _DRAWING.batched = True
        try:
            return _as_examples(_draw((*[v.size for v in batches], *shape), d, where, generator, host, accelerator), batches)
        finally:
            _DRAWING.batched = False
    if generator is None and (key := KEYS.next()) is not None:
        # in the caller's number of bits: what is drawn becomes part of the caller's program
        return _keyed(accelerator(key, shape, jax.dtypes.canonicalize_dtype(d.np)), where, d.np)
    g = generator_for(where, generator)
    if where == "meta":
        return Expr(None, (), aval(shape, d.np, where), np.zeros(shape, d.np))
    if where in (CPU, "traced"):
        where = CPU

        def draw():
            return np.asarray(host(g._cpu, shape, d.np))
    else:

        def draw():
            with jax.enable_x64(True), jax.default_device(jax_device(where)):
                return jax.device_put(accelerator(g.key(), shape, d.np), jax_device(where))

    return _drawn(draw, where)


def _drawn(draw: Callable[[], Any], where: str) -> Expr:
    """What `draw()` gives, as an expression: a captured step calls it again each time."""
    e = leaf(draw(), where)
    if LOCAL.capture is not None:
        LOCAL.capture.drawn((e,), lambda: (draw(),))
    return e


class _Drawing(threading.local):
    batched = False  # inside a draw for whole batches


_DRAWING = _Drawing()


def _batches() -> list:
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


def _for_batches(draw: Callable, batches: list) -> Expr:
    """What `draw()` gives, once for every example of the batches."""
    _DRAWING.batched = True
    try:
        values = [np.asarray(draw()) for _ in range(math.prod(v.size for v in batches))]
    finally:
        _DRAWING.batched = False
    whole = np.stack(values)
    return _as_examples(leaf(whole.reshape(*[v.size for v in batches], *whole.shape[1:]), CPU), batches)


def _as_examples(e: Expr, batches: list) -> Expr:
    """An expression whose first dimensions are the batches, as one example."""
    for v in batches:
        e = make_batched(v, e)
    return e


def _jax_uniform(key, shape, dtype, low=0.0, high=1.0):
    if dtype.kind == "c":
        half = np.dtype(np.float32 if dtype == np.complex64 else np.float64)
        a, b = jax.random.split(key)
        return jax.lax.complex(jax.random.uniform(a, shape, half), jax.random.uniform(b, shape, half))
    return jax.random.uniform(key, shape, dtype, low, high)


def _new(shape, dtype, device, requires_grad, generator, host, accelerator, d=None) -> Tensor:
    t = Tensor._wrap(_draw(check_size(shape), dtype or d or dt.get_default_dtype(), resolve(device), generator, host, accelerator))
    if requires_grad:
        t._as_leaf()
    return t


_KW = (
    "generator? generator=None, dtype? dtype=None, any layout=None, device? device=None, bool? pin_memory=False, "
    "bool? requires_grad=False, any names=None"
)
_LIKE = (
    "dtype? dtype=None, any layout=None, device? device=None, bool? requires_grad=False, bool? pin_memory=False, "
    "any memory_format=None, generator? generator=None"
)


@composite(f"rand(int[]* size, *, {_KW})", method=False, out=True)
def rand(size, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, names=None):
    """Uniform numbers on [0, 1), of shape `size`."""
    return _new(size, dtype, device, requires_grad, generator, streams.rand, _jax_uniform)


@composite(f"randn(int[]* size, *, {_KW})", method=False, out=True)
def randn(size, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, names=None):
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
def randint(high, size, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, names=None):
    """Integers on [0, high), of shape `size`."""
    return _randint(0, high, size, generator, dtype, device, requires_grad)


@composite(f"randint(int low, int high, int[!] size, *, {_KW})", method=False, out=True)
def randint_low(low, high, size, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False,
                names=None):  # fmt: skip
    """Integers on [low, high), of shape `size`."""
    return _randint(low, high, size, generator, dtype, device, requires_grad)


@composite(f"randperm(int n, *, {_KW})", method=False, out=True)
def randperm(n, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, names=None):
    """A random permutation of 0 … n - 1."""
    where = resolve(device)
    if ACTIVE.stack and (batches := _batches()):
        g = generator_for(where, generator)._cpu
        return Tensor._wrap(_for_batches(lambda: streams.randperm(g, n, (dtype or dt.int64).np), batches))
    if where in (CPU, "meta"):
        source = generator_for(where, generator)._cpu
        t = Tensor._wrap(_drawn(lambda: streams.randperm(source, n, (dtype or dt.int64).np), where))
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
        t = Tensor._wrap(_draw(shape, d, where, generator, host, accelerator))
    else:
        t = Tensor._wrap(_in_memory_order(shape, strides, d, where, generator, host, accelerator), strides)
    if requires_grad:
        t._as_leaf()
    return t


def _in_memory_order(shape, strides, d, where, generator, host, accelerator) -> Expr:
    """PyTorch fills dense tensors in the order of their memory."""
    order = sorted(range(len(shape)), key=lambda i: (-strides[i], i))
    e = _draw(tuple(shape[i] for i in order), d, where, generator, host, accelerator)
    back = np.argsort(order)
    if isinstance(e, Wrapped):
        return emit(permute.spec(("T",), (tuple(int(i) for i in back),)), (e,))

    def ordered(value):
        return np.ascontiguousarray(value.transpose(back)) if isinstance(value, np.ndarray) else value.transpose(back)

    ordered_e = leaf(ordered(e.value), CPU if isinstance(e.value, np.ndarray) else where)
    if LOCAL.capture is not None:
        LOCAL.capture.redrawn(e, ordered_e, ordered)
    return ordered_e


@composite(f"rand_like(Tensor input, *, {_LIKE})", method=False)
def rand_like(input, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, memory_format=None, generator=None):
    """Uniform numbers on [0, 1) with the shape, dtype and device of `input`."""
    return _like(input, dtype, device, requires_grad, memory_format, generator, streams.rand, _jax_uniform)


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
    z = Tensor._wrap(_draw(tuple(shape), first.dtype, where, generator, streams.randn, jax.random.normal))
    return (z * std + mean).detach()


@composite(f"normal(Number mean, Number std, int[!] size, *, {_KW})", method=False, out=True)
def normal_size(mean, std, size, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False,
                names=None):  # fmt: skip
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
        return Tensor._wrap(_keyed(accelerator(key, t.detach().jax()), where, t._aval.dtype))
    g = generator_for(where, generator)
    if ACTIVE.stack:
        batches = _batches()
        if isinstance(t._read(), Wrapped):
            return _from_examples(t, batches, g, host)
        if batches:
            return Tensor._wrap(_for_batches(lambda: host(g._cpu, np.ascontiguousarray(t.detach()._host())), batches))
    if where in (CPU, "traced"):
        return from_host(np.asarray(host(g._cpu, np.asarray(t.detach()._host(), order="C"))))
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
    return Tensor._wrap(_as_examples(leaf(np.asarray(host(g._cpu, np.ascontiguousarray(force(e)))), CPU), batches))


def _zero_gradient(out: Tensor, of: Tensor | tuple[Tensor, ...], name: str) -> Tensor:
    """Random results are recorded with a gradient of zero, as PyTorch does."""
    given = of if isinstance(of, tuple) else (of,)
    if STATE.enabled and any(t._needs() for t in given) and out._aval.category >= 2:
        spec = no_gradient.spec((len(given),), ())
        fn = make_grad_fn(spec, given, tuple(t._read() for t in given), (out._read(),))
        if fn is not None:
            from torchish.autograd.graph import GradFn, named

            fn.__class__ = named(name, GradFn)
            out._grad_fn = fn
    return out


@op("_no_gradient(Tensor[] inputs)", method=False, function=False, out=False, saves=())
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
        _draw(
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
        return Tensor._wrap(_draw(shape, t.dtype, t._aval.device, None, host, accelerator))
    return Tensor._wrap(_in_memory_order(shape, strides, t.dtype, t._aval.device, None, host, accelerator), strides)


def alpha_dropout_terms(t: Tensor, shape: tuple[int, ...], p: float) -> tuple[Tensor, Tensor]:
    """Factor and shift of alpha dropout for a tensor like `t`."""
    if (key := KEYS.next()) is not None:
        keep = jax.random.bernoulli(key, 1 - p, shape).astype(jax.dtypes.canonicalize_dtype(t._aval.dtype))
        bound = -1.7580993408473766  # what SELU tends to
        scale = ((1 - p) * (1 + p * bound**2)) ** -0.5
        low = bound * scale * (1 - keep) - bound * scale * p
        return tuple(Tensor._wrap(_keyed(v, t._aval.device, t._aval.dtype)) for v in (keep * scale, low))  # type: ignore[return-value]
    g = generator_for(t._aval.device)
    if ACTIVE.stack and (batches := _batches()):
        whole = (*[v.size for v in batches], *shape)
        parts = streams.alpha_dropout_noise(g._cpu, whole, p, t._aval.dtype)
        first, second = [Tensor._wrap(_as_examples(leaf(np.asarray(x), CPU), batches)) for x in parts]
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


# --- in place ------------------------------------------------------------------------------------------------


def _fill(t: Tensor, name: str, generator, host: Callable, accelerator: Callable) -> Tensor:
    """Replace the values of `t` by draws, in the order of its memory where it is dense."""
    check_inplace(t, STATE.enabled and t._needs(), name)
    a = t._aval
    strides = t._strides
    if strides is not None and like_strides(t) == strides:
        e = _in_memory_order(a.shape, strides, a.torch_dtype, a.device, generator, host, accelerator)
    else:
        e = _draw(a.shape, a.torch_dtype, a.device, generator, host, accelerator)
    fn = None
    if STATE.enabled and t._needs() and a.category >= 2:
        spec = no_gradient.spec(("T",), ())
        fn = make_grad_fn(spec, (t,), (t._read(),), (e,), inplace=True)
        from torchish.autograd.graph import GradFn, named

        if fn is not None:
            fn.__class__ = named("".join(p.capitalize() for p in name.rstrip("_").split("_")) + "Backward0", GradFn)
    write_inplace(t, e, fn, t._needs())
    return t


def uniform_(self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator=None, **kwargs) -> Tensor:
    """Fill with uniform numbers on [from, to)."""
    low, high = float(kwargs.pop("from", from_)), float(to)
    return _fill(
        self, "uniform_", generator, lambda g, s, d: streams.uniform(g, s, d, low, high),
        lambda k, s, d: _jax_uniform(k, s, d, low, high),
    )  # fmt: skip


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator=None) -> Tensor:
    """Fill with normal numbers."""
    contiguous = self._strides is None  # other layouts take PyTorch's element-by-element path
    return _fill(
        self, "normal_", generator, lambda g, s, d: streams.normal(g, s, d, float(mean), float(std), contiguous),
        lambda k, s, d: mean + std * jax.random.normal(k, s, d),
    )  # fmt: skip


def random_(self: Tensor, *args, generator=None, **kwargs) -> Tensor:
    """Fill with integers: `random_()`, `random_(to)`, `random_(from, to)`."""
    low = kwargs.get("from", 0)
    high = kwargs.get("to")
    if len(args) == 1:
        if "from" in kwargs or "to" in kwargs:
            low, high = (args[0], high) if high is not None else (low, args[0])
        else:
            low, high = 0, args[0]
    elif len(args) == 2:
        low, high = args
    if not args and not kwargs:
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


def bernoulli_(self: Tensor, p=0.5, *, generator=None) -> Tensor:
    """Fill with zeros and ones; `p` is the probability of one, a number or a tensor."""
    if isinstance(p, Tensor):
        probabilities = np.broadcast_to(p.detach()._host(), self._aval.shape)
        return _fill(
            self, "bernoulli_", generator, lambda g, s, d: np.asarray(streams.bernoulli(g, probabilities, d)).reshape(s),
            lambda k, s, d: jax.random.bernoulli(k, probabilities).reshape(s).astype(d),
        )  # fmt: skip
    return _fill(
        self, "bernoulli_", generator, lambda g, s, d: streams.bernoulli_scalar(g, s, float(p), d),
        lambda k, s, d: jax.random.bernoulli(k, p, s).astype(d),
    )  # fmt: skip


def exponential_(self: Tensor, lambd: float = 1.0, *, generator=None) -> Tensor:
    """Fill with exponential numbers of rate `lambd`."""
    return _fill(
        self, "exponential_", generator, lambda g, s, d: streams.exponential(g, s, d, float(lambd)),
        lambda k, s, d: jax.random.exponential(k, s, d) / lambd,
    )  # fmt: skip


def cauchy_(self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator=None) -> Tensor:
    """Fill with Cauchy numbers."""
    return _fill(
        self, "cauchy_", generator, lambda g, s, d: streams.cauchy(g, s, d, float(median), float(sigma)),
        lambda k, s, d: median + sigma * jax.random.cauchy(k, s, d),
    )  # fmt: skip


def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator=None) -> Tensor:
    """Fill with numbers whose logarithm is normal."""
    return _fill(
        self, "log_normal_", generator, lambda g, s, d: streams.log_normal(g, s, d, float(mean), float(std)),
        lambda k, s, d: jax.numpy.exp(mean + std * jax.random.normal(k, s, d)),
    )  # fmt: skip


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
                raise RuntimeError(
                    f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the "
                    "arguments requires grad."
                )
            version = out._vc.value
            fill(out.resize_(shape(*args)), kwargs.get("generator"), *args)
            out._vc.value = version + 1
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
