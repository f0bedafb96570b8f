"""The contract of ``torchish._random``: PyTorch's values, and PyTorch's generator state, after every call."""

import math
import pickle
import random as pyrandom
import threading
import warnings

import ml_dtypes
import numpy as np
import pytest
import torch

from torchish import _random as R

DTYPES = {
    torch.float32: np.float32,
    torch.float64: np.float64,
    torch.float16: np.float16,
    torch.bfloat16: ml_dtypes.bfloat16,
    torch.complex64: np.complex64,
    torch.complex128: np.complex128,
    torch.bool: np.bool_,
    torch.uint8: np.uint8,
    torch.int8: np.int8,
    torch.int16: np.int16,
    torch.int32: np.int32,
    torch.int64: np.int64,
    torch.uint16: np.uint16,
    torch.uint32: np.uint32,
    torch.uint64: np.uint64,
}
DTYPES = {t: np.dtype(n) for t, n in DTYPES.items()}
FLOATING = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
COMPLEX = [torch.complex64, torch.complex128]
INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]

# () and sizes on both sides of every switch: the pairs below 16, whole and broken blocks of 16, scalar and array
# pairs, few and bulk draws, one and several blocks of 16384 pairs and of 32768 draws
SHAPES = [(), (0,), (1,), (2, 2), (15,), (16,), (17,), (5, 7), (64,), (3, 1000), (70001,)]
MEDIUM = [(1,), (7,), (3, 100)]


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    if tensor.dtype == torch.bfloat16:
        return tensor.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def to_torch(array: np.ndarray) -> torch.Tensor:
    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def generators(seed: int = 1729) -> tuple[torch.Generator, R.MT19937Generator]:
    return torch.Generator().manual_seed(seed), R.MT19937Generator(seed)


def assert_same_state(theirs: torch.Generator, ours: R.MT19937Generator) -> None:
    np.testing.assert_array_equal(ours.get_state(), theirs.get_state().numpy())


# With AVX-512 NumPy takes double logarithms, sines and so on from a library other than the C one PyTorch calls.
_LOG = np.lib.introspect.opt_func_info(func_name="^log$", signature="float64")["log"]
SAME_LIBM = not any(name in kernel["current"] for kernel in _LOG.values() for name in ("AVX512", "X86_V4"))


def assert_same(expected: torch.Tensor, actual: np.ndarray) -> None:
    """Equal shape, dtype and values: equal to the last bit, but for doubles under another libm."""
    expected = to_numpy(expected)
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    if SAME_LIBM or actual.dtype not in (np.float64, np.complex128):
        np.testing.assert_array_equal(actual, expected)
    else:
        np.testing.assert_allclose(actual, expected, rtol=1e-14)


def check(theirs, ours, seed: int = 1729) -> None:
    """Both calls, twice in a row on their generators of one seed, give the same values and end in the same state."""
    g, h = generators(seed)
    for _ in range(2):
        assert_same(theirs(g), ours(h))
        assert_same_state(g, h)


def empty(shape, dtype) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype)


# ---- the generator


@pytest.mark.parametrize("seed", [0, 1, 1729, 2**31, 2**32 - 1, 2**32 + 5, 2**64 - 1, -1, -5, -(2**63)])
def test_seeding(seed):
    g, h = generators(seed)
    assert h.initial_seed() == g.initial_seed()
    assert_same_state(g, h)
    assert_same(torch.rand(700, generator=g), R.rand(h, (700,)))
    assert_same_state(g, h)


def test_a_fresh_generator_has_pytorchs_default_seed():
    assert R.MT19937Generator().initial_seed() == torch.Generator().initial_seed()


def test_seed_returns_a_new_seed_and_restarts_from_it():
    h = R.MT19937Generator(3)
    first, second = h.seed(), h.seed()
    assert first != second and h.initial_seed() == second
    np.testing.assert_array_equal(R.rand(h, (5,)), R.rand(R.MT19937Generator(second), (5,)))


@pytest.mark.parametrize("draws", [0, 1, 623, 624, 625, 1247, 1248, 5000])
@pytest.mark.parametrize("normals", [0, 1, 2])
def test_state_travels_both_ways(draws, normals):
    g, h = generators()
    torch.rand(draws, generator=g)
    R.rand(h, (draws,))
    torch.randn(normals, generator=g)
    R.randn(h, (normals,))
    assert_same_state(g, h)
    from_theirs = R.MT19937Generator().set_state(g.get_state().numpy())
    from_ours = torch.Generator()
    from_ours.set_state(torch.from_numpy(h.get_state()))
    for n in (3, 20, 700):
        expected = torch.randn(n, generator=g)
        assert torch.equal(torch.randn(n, generator=from_ours), expected)
        assert_same(expected, R.randn(from_theirs, (n,)))
    assert_same_state(from_ours, from_theirs)
    assert from_theirs.initial_seed() == g.initial_seed()


def test_clone_state_is_independent():
    h = R.MT19937Generator(5)
    R.randn(h, (3,))
    twin = h.clone_state()
    expected = R.randn(h, (9,))
    np.testing.assert_array_equal(R.randn(twin, (9,)), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(h)).get_state(), h.get_state())


def test_concurrent_calls_take_turns():
    """Whatever the order of the threads, each call sees an unbroken run of the stream."""
    h = R.MT19937Generator(11)
    results = []
    threads = [threading.Thread(target=lambda: results.append(R.rand(h, (100_000,)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together = R.rand(R.MT19937Generator(11), (4, 100_000))
    assert {r.tobytes() for r in results} == {r.tobytes() for r in together}


def test_bad_states_and_seeds():
    h = R.MT19937Generator()
    with pytest.raises(ValueError, match="Overflow when unpacking long long"):
        h.manual_seed(2**64)
    with pytest.raises(TypeError, match="expected a torch.ByteTensor, but got list"):
        h.set_state([1])
    with pytest.raises(TypeError, match="RNG state must be a torch.ByteTensor"):
        h.set_state(np.zeros(5))
    with pytest.raises(RuntimeError, match="CPUGeneratorImplState of size 5056 but found .* size to be 5$"):
        h.set_state(np.zeros(5, np.uint8))
    with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
        h.set_state(np.zeros(5056, np.uint8))
    with pytest.raises(RuntimeError, match="does not use offset"):
        h.get_offset()
    with pytest.raises(RuntimeError, match="does not use offset"):
        h.set_offset(3)


# ---- uniform and normal


@pytest.mark.parametrize("dtype", FLOATING + COMPLEX)
@pytest.mark.parametrize("shape", SHAPES)
def test_rand(shape, dtype):
    check(lambda g: torch.rand(shape, dtype=dtype, generator=g), lambda h: R.rand(h, shape, DTYPES[dtype]))


@pytest.mark.parametrize("dtype", FLOATING + COMPLEX)
@pytest.mark.parametrize("low, high", [(0.0, 1.0), (0.0, 0.1), (-0.3, 1.7), (2.0, 2.0), (1.0, 1.01), (-6e4, 5e3)])
def test_uniform(low, high, dtype):
    check(
        lambda g: empty((3, 2000), dtype).uniform_(low, high, generator=g),
        lambda h: R.uniform(h, (3, 2000), DTYPES[dtype], low, high),
    )


@pytest.mark.parametrize("dtype", FLOATING + COMPLEX)
@pytest.mark.parametrize("shape", SHAPES)
def test_randn(shape, dtype):
    check(lambda g: torch.randn(shape, dtype=dtype, generator=g), lambda h: R.randn(h, shape, DTYPES[dtype]))


@pytest.mark.parametrize("dtype", FLOATING + COMPLEX)
@pytest.mark.parametrize("mean, std", [(0.0, 0.02), (0.3, 1.7), (-2.0, 1.0), (5.0, 0.0)])
@pytest.mark.parametrize("shape", [(5,), (21,), (333,)])
def test_normal(shape, mean, std, dtype):
    check(
        lambda g: empty(shape, dtype).normal_(mean, std, generator=g),
        lambda h: R.normal(h, shape, DTYPES[dtype], mean, std),
    )


@pytest.mark.parametrize("dtype", FLOATING + COMPLEX)
@pytest.mark.parametrize("n", [3, 40, 333])
def test_normal_of_a_tensor_that_is_not_contiguous(n, dtype):
    check(
        lambda g: empty((n, 2), dtype)[:, 0].normal_(0.3, 1.7, generator=g),
        lambda h: R.normal(h, (n,), DTYPES[dtype], 0.3, 1.7, contiguous=False),
    )


@pytest.mark.parametrize("mean_dtype", FLOATING + [torch.complex64])
@pytest.mark.parametrize("std_dtype", FLOATING + [torch.int64])
@pytest.mark.parametrize("shape", [(2, 3), (4, 50)])
def test_normal_from_arrays(shape, mean_dtype, std_dtype):
    values = np.linspace(-2, 3, math.prod(shape)).reshape(shape)
    mean, std = torch.tensor(values, dtype=mean_dtype), torch.tensor(np.abs(values[:1]) + 1, dtype=std_dtype)
    mean_np, std_np = to_numpy(mean), to_numpy(std)
    check(lambda g: torch.normal(mean, std, generator=g), lambda h: R.normal_from(h, mean_np, std_np))
    check(lambda g: torch.normal(mean, 1.3, generator=g), lambda h: R.normal_from(h, mean_np, 1.3))
    if std_dtype.is_floating_point:
        check(lambda g: torch.normal(0.7, std, generator=g), lambda h: R.normal_from(h, 0.7, std_np))


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("shape", MEDIUM)
@pytest.mark.parametrize("parameter", [0.3, 1.0, 1.7])
@pytest.mark.parametrize("name", ["exponential", "cauchy", "log_normal"])
def test_continuous(name, parameter, shape, dtype):
    arguments = (parameter,) if name == "exponential" else (0.1, parameter)
    check(
        lambda g: getattr(empty(shape, dtype), name + "_")(*arguments, generator=g),
        lambda h: getattr(R, name)(h, shape, DTYPES[dtype], *arguments),
    )


# ---- integers


@pytest.mark.parametrize("dtype", INTEGERS + FLOATING + [torch.bool])
@pytest.mark.parametrize("shape", SHAPES)
def test_random_without_bounds(shape, dtype):
    check(lambda g: empty(shape, dtype).random_(generator=g), lambda h: R.random_(h, shape, DTYPES[dtype]))


RANGES = [(0, 1), (0, 2), (0, 10), (-7, 100), (0, 128), (-128, 128), (5, None), (0, 2**11 - 1), (0, 65504)]
WIDE_RANGES = [(0, 2**28 - 1), (0, 2**28), (-5, 2**30 + 7), (0, 2**31), (-(2**62), 2**62 + 1), (0, 2**63 - 1)]
WIDE_RANGES += [(-(2**63), None), (-(2**63), 2**63 - 1), (2**24 + 1, 2**24 + 9)]


@pytest.mark.parametrize("dtype", INTEGERS + FLOATING + [torch.bool, torch.uint16, torch.uint32, torch.uint64])
@pytest.mark.parametrize("low, high", RANGES + WIDE_RANGES)
@pytest.mark.parametrize("shape", [(3,), (40_000,)])
def test_random_from(shape, low, high, dtype):
    """Where PyTorch raises, the same type with the same message."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same_outcome(
            lambda g: empty(shape, dtype).random_(low, high, generator=g),
            lambda h: R.random_from(h, shape, DTYPES[dtype], low, high),
        )


def test_inexact_ranges_warn():
    with pytest.warns(UserWarning, match=r"to - 1 is out of bounds \[-\(2\^11\), 2\^11\]. Due to .* c10::Half can"):
        R.randint(R.MT19937Generator(), 0, 5000, (3,), np.dtype(np.float16))


def test_loader_seeds_and_shuffles():
    """The two calls of RandomSampler, random_split and DataLoader."""
    check(
        lambda g: torch.empty((), dtype=torch.int64).random_(generator=g),
        lambda h: R.random_(h, (), np.int64),
    )
    check(lambda g: torch.randperm(60, generator=g), lambda h: R.randperm(h, 60))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 127, 399, 400, 401, 402, 625, 1500, 4097, 60_000, 300_001])
def test_randperm(n):
    check(lambda g: torch.randperm(n, generator=g), lambda h: R.randperm(h, n))


@pytest.mark.parametrize("dtype", INTEGERS + FLOATING + [torch.bool, torch.uint16, torch.complex64])
@pytest.mark.parametrize("n", [2, 128, 129, 256, 257, 2049, 2050, 32_769])
def test_randperm_dtypes(n, dtype):
    same_outcome(lambda g: torch.randperm(n, dtype=dtype, generator=g), lambda h: R.randperm(h, n, DTYPES[dtype]))


# ---- Bernoulli, dropout, geometric


@pytest.mark.parametrize("dtype", INTEGERS + FLOATING + [torch.bool])
@pytest.mark.parametrize("shape", SHAPES)
def test_bernoulli_of_a_number(shape, dtype):
    check(
        lambda g: empty(shape, dtype).bernoulli_(0.3, generator=g),
        lambda h: R.bernoulli_scalar(h, shape, 0.3, DTYPES[dtype]),
    )


@pytest.mark.parametrize("out", [torch.float32, torch.float64, torch.float16, torch.bool, torch.int64])
@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("shape", MEDIUM + [(40_000,)])
def test_bernoulli_of_an_array(shape, dtype, out):
    p = torch.linspace(0, 1, math.prod(shape)).reshape(shape).to(dtype)
    check(lambda g: torch.bernoulli(p, generator=g), lambda h: R.bernoulli(h, to_numpy(p)))
    check(
        lambda g: empty(shape, out).bernoulli_(p, generator=g),
        lambda h: R.bernoulli(h, to_numpy(p), DTYPES[out]),
    )


def test_bernoulli_raises_where_pytorch_does():
    """At the first bad element, with those before it drawn."""
    p = np.full(100, 0.5, np.float32)
    p[60] = 1.5
    g, h = generators()
    with pytest.raises(RuntimeError, match="Expected p_in >= 0") as theirs:
        torch.bernoulli(torch.from_numpy(p), generator=g)
    with pytest.raises(RuntimeError) as ours:
        R.bernoulli(h, p)
    assert str(ours.value) == str(theirs.value).split("\n")[0]
    assert_same_state(g, h)


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("p", [0.1, 0.5, 0.83])
@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 4, 5)])
def test_dropout_noise(shape, p, dtype):
    """Dropout of ones is its noise; the noise of the feature variants broadcasts over the maps."""
    ones, np_dtype = torch.ones(shape, dtype=dtype), DTYPES[dtype]
    feature = R.feature_noise_shape(shape)

    def alpha(h, noise_shape):
        factor, shift = R.alpha_dropout_noise(h, noise_shape, p, np_dtype)
        return np.broadcast_to(factor + shift, shape)

    g, h = torch.default_generator, R.MT19937Generator(7)
    torch.manual_seed(7)
    for theirs, ours in [
        (torch.dropout, lambda: R.dropout_noise(h, shape, p, np_dtype)),
        (torch.feature_dropout, lambda: np.broadcast_to(R.dropout_noise(h, feature, p, np_dtype), shape)),
        (torch.alpha_dropout, lambda: alpha(h, shape)),
        (torch.feature_alpha_dropout, lambda: alpha(h, feature)),
    ]:
        assert_same(theirs(ones, p, True), ours())
        assert_same_state(g, h)


@pytest.mark.parametrize("dtype", INTEGERS + FLOATING)
@pytest.mark.parametrize("p", [0.2, 0.9])
def test_geometric(p, dtype):
    check(
        lambda g: empty((5, 300), dtype).geometric_(p, generator=g),
        lambda h: R.geometric(h, (5, 300), p, DTYPES[dtype]),
    )


# ---- categories and rejection


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("rows", [None, 1, 4])
@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("samples", [1, 2, 9])
def test_multinomial(samples, replacement, rows, dtype):
    shape = (12,) if rows is None else (rows, 12)
    weights = torch.rand(shape, generator=torch.Generator().manual_seed(2)).to(dtype)
    check(
        lambda g: torch.multinomial(weights, samples, replacement, generator=g),
        lambda h: R.multinomial(h, to_numpy(weights), samples, replacement),
    )


@pytest.mark.parametrize("replacement", [False, True])
def test_multinomial_of_many(replacement):
    weights = torch.rand(5000, generator=torch.Generator().manual_seed(2))
    check(
        lambda g: torch.multinomial(weights, 3000, replacement, generator=g),
        lambda h: R.multinomial(h, to_numpy(weights), 3000, replacement),
    )


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("highest", [0, 60])  # a rate of zero draws nothing
@pytest.mark.parametrize("n", [1, 20, 3000])
def test_poisson(n, highest, dtype):
    rate = torch.linspace(0, highest, n).to(dtype)
    check(lambda g: torch.poisson(rate, generator=g), lambda h: R.poisson(h, to_numpy(rate)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("trials", [0, 1, 9, 100, 1001])
def test_binomial(trials, dtype):
    count, prob = torch.full((300, 1), trials, dtype=dtype), torch.linspace(-0.1, 1.1, 13, dtype=dtype)
    check(
        lambda g: torch.binomial(count.expand(300, 13).contiguous(), prob, generator=g),
        lambda h: R.binomial(h, to_numpy(count), to_numpy(prob)),
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [1, 30, 3000])
def test_standard_gamma(n, dtype):
    alpha = torch.linspace(-0.1, 8, n, dtype=dtype)
    check(lambda g: torch._standard_gamma(alpha, generator=g), lambda h: R.standard_gamma(h, to_numpy(alpha)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(3,), (4, 5), (30, 100)])
def test_dirichlet(shape, dtype):
    """The sums along the last axis may be rounded in another order; the stream is the same."""
    alpha = torch.linspace(0.2, 4, math.prod(shape), dtype=dtype).reshape(shape)
    g, h = generators()
    expected, actual = torch._sample_dirichlet(alpha, generator=g), R.dirichlet(h, to_numpy(alpha))
    np.testing.assert_allclose(actual, expected.numpy(), rtol=1.2e-7 if dtype == torch.float32 else 1e-15)
    assert_same_state(g, h)


# ---- bad arguments


def outcome(call):
    try:
        return call()
    except Exception as error:  # whatever it is, it is compared
        return type(error), str(error).split("\n")[0]


def same_outcome(theirs, ours) -> None:
    """Equal values, or equal errors, and equal states."""
    g, h = generators()
    expected, actual = outcome(lambda: theirs(g)), outcome(lambda: ours(h))
    if isinstance(expected, tuple):
        assert actual == expected
    else:
        assert_same(expected, actual)
    assert_same_state(g, h)


NAN, INF = float("nan"), float("inf")
f32, f16, c64, i64, b = torch.float32, torch.float16, torch.complex64, torch.int64, torch.bool
BAD_CALLS = [
    *[("normal", d, (0.0, s)) for d in (f32, f16, c64) for s in (-1, -0.123456789, NAN)],
    *[("normal", d, ()) for d in (i64, b)],
    *[("uniform", f32, a) for a in [(2, 1), (0, 1e39), (-3e38, 3e38), (NAN, 1), (0, NAN), (0, INF)]],
    *[("uniform", f16, a) for a in [(0, 1e6), (-6e4, 6e4)]],
    *[("uniform", d, a) for d in (i64, b, c64) for a in [(), (2, 1)]],
    ("uniform", torch.float64, (-1.7e308, 1.7e308)),
    *[("exponential", d, (a,)) for d in (f32, i64, c64) for a in (1.0, 0.0, -1.0, NAN, INF)],
    *[("cauchy", d, (0.0, a)) for d in (f32, i64, c64, b) for a in (1.0, 0.0, -1.0, NAN)],
    *[("log_normal", d, (0.0, a)) for d in (f32, i64, c64) for a in (1.0, 0.0, -1.0, NAN)],
    *[("random", d, ()) for d in (c64, torch.uint16, torch.uint64)],
]
BAD_SCALARS = [("bernoulli", p) for p in (2, -0.1, NAN, 0.5)] + [("geometric", p) for p in (0, 1, 1.5, NAN, 0.5)]


@pytest.mark.parametrize("shape", [(3,), (0,)])
@pytest.mark.parametrize("name, dtype, arguments", BAD_CALLS)
def test_messages_of_inplace_fills(name, dtype, arguments, shape):
    ours = {"random": R.random_}.get(name) or getattr(R, name)
    same_outcome(
        lambda g: getattr(empty(shape, dtype), name + "_")(*arguments, generator=g),
        lambda h: ours(h, shape, DTYPES[dtype], *arguments),
    )


@pytest.mark.parametrize("shape", [(3,), (0,)])
@pytest.mark.parametrize("dtype", [f32, i64, b, c64, torch.uint16])
@pytest.mark.parametrize("name, p", BAD_SCALARS)
def test_messages_of_probabilities(name, p, dtype, shape):
    ours = R.bernoulli_scalar if name == "bernoulli" else R.geometric
    same_outcome(
        lambda g: getattr(empty(shape, dtype), name + "_")(p, generator=g),
        lambda h: ours(h, shape, p, DTYPES[dtype]),
    )


ONES, NOTHING = torch.ones(3), torch.ones(0)


@pytest.mark.parametrize(
    "name, arguments",
    [
        *[("multinomial", (ONES, n)) for n in (0, -1, 4)],
        *[("multinomial", (w, 1, r)) for r in (False, True) for w in (-ONES, 0 * ONES, ONES * NAN, ONES * INF)],
        *[("multinomial", (ONES.to(d), 1)) for d in (i64, c64)],
        ("multinomial", (torch.ones(2, 2, 2), 1)),
        ("multinomial", (torch.tensor(1.0), 1)),
        ("multinomial", (torch.ones(0, 3), 2)),
        ("multinomial", (torch.ones(3, 0), 1, True)),
        ("multinomial", (torch.tensor([[1.0, 2.0], [0.0, 0.0]]), 1)),
        *[("poisson", (x,)) for x in (-ONES, ONES * NAN, ONES.long(), NOTHING)],
        *[("binomial", a) for a in [(ONES, ONES.double()), (ONES.long(), ONES), (ONES, ONES.long())]],
        ("binomial", (ONES.half(), ONES.half())),
        ("bernoulli", (ONES.long(),)),
        ("bernoulli", (ONES.to(c64),)),
        ("bernoulli", (NOTHING,)),
        ("normal", (ONES, -1.0)),
        ("normal", (ONES, -ONES)),
        ("normal", (ONES, ONES.to(c64))),
        ("normal", (ONES, torch.ones(4))),
        ("normal", (ONES.long(), 1.0)),
        ("normal", (0.0, ONES.long())),
        ("normal", (NOTHING, 1.0)),
        ("randperm", (-1,)),
    ],
)
def test_messages_of_functions(name, arguments):
    ours = {"normal": R.normal_from}.get(name) or getattr(R, name)
    same_outcome(
        lambda g: getattr(torch, name)(*arguments, generator=g),
        lambda h: ours(h, *(to_numpy(a) if isinstance(a, torch.Tensor) else a for a in arguments)),
    )


@pytest.mark.parametrize("p", [2.0, -0.1, NAN])
def test_messages_of_dropout(p):
    assert outcome(lambda: torch.dropout(ONES, p, True)) == outcome(lambda: R.check_dropout_probability(p))
    assert outcome(lambda: torch.feature_dropout(ONES, 0.5, True)) == outcome(lambda: R.feature_noise_shape((3,)))


# ---- all together


def random_call(rng: pyrandom.Random):
    """One of the streams with arguments at random: the PyTorch call and ours."""
    shape = rng.choice([(), (1,), (3,), (2, 5), (16,), (4, 9), (7, 60), (5000,)])
    dtype = rng.choice(FLOATING)
    d, n = DTYPES[dtype], rng.randint(0, 1200)
    p = torch.rand(shape, generator=torch.Generator().manual_seed(n)).to(dtype)
    rate, real = p * 20, p.float()
    return rng.choice(
        [
            (lambda g: torch.rand(shape, dtype=dtype, generator=g), lambda h: R.rand(h, shape, d)),
            (lambda g: torch.randn(shape, dtype=dtype, generator=g), lambda h: R.randn(h, shape, d)),
            (lambda g: empty(shape, dtype).log_normal_(generator=g), lambda h: R.log_normal(h, shape, d)),
            (lambda g: torch.randint(-3, 9, shape, generator=g), lambda h: R.randint(h, -3, 9, shape)),
            (lambda g: torch.randperm(n, generator=g), lambda h: R.randperm(h, n)),
            (lambda g: torch.bernoulli(p, generator=g), lambda h: R.bernoulli(h, to_numpy(p))),
            (lambda g: empty(shape, dtype).exponential_(generator=g), lambda h: R.exponential(h, shape, d)),
            (lambda g: torch.poisson(rate, generator=g), lambda h: R.poisson(h, to_numpy(rate))),
            (
                lambda g: torch._standard_gamma(real, generator=g),
                lambda h: R.standard_gamma(h, to_numpy(real)),
            ),
            (lambda g: empty(shape, dtype).random_(generator=g), lambda h: R.random_(h, shape, d)),
        ]
    )


@pytest.mark.parametrize("seed", range(6))
def test_random_programs(seed):
    """Sixty calls in random order on one generator: values and state agree after each."""
    rng = pyrandom.Random(seed)
    g, h = generators(seed)
    for _ in range(60):
        theirs, ours = random_call(rng)
        assert_same(theirs(g), ours(h))
        assert_same_state(g, h)


# ---- what is compiled once much has been drawn


@pytest.mark.parametrize("mean, std", [(0.0, 1.0), (0.3, 1.0), (-1.7, 2.1), (5.0, 0.0)])
@pytest.mark.parametrize("n", [65536, 200003])
def test_compiled_normals(monkeypatch, n, mean, std):
    from torchish._random import boxmuller

    monkeypatch.setattr(boxmuller._PROGRAM, "_asked", 10**9)
    check(lambda g: torch.empty(n).normal_(mean, std, generator=g), lambda h: R.normal(h, (n,), np.float32, mean, std))
    assert boxmuller._PROGRAM._run is not None, "not compiled, or its results are not NumPy's on this machine"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("highest", [1.0, 9.9])
@pytest.mark.parametrize("n", [1, 1000, 150000])
def test_compiled_poisson(monkeypatch, n, highest, dtype):
    from torchish._random import rejection

    monkeypatch.setattr(rejection._KNUTH_PROGRAM, "_asked", 10**9)
    rate = (torch.rand(n, generator=torch.Generator().manual_seed(n)) * highest).to(dtype)
    rate[::7] = 0
    check(lambda g: torch.poisson(rate, generator=g), lambda h: R.poisson(h, to_numpy(rate)))
    check(lambda g: torch.poisson(rate * 0, generator=g), lambda h: R.poisson(h, to_numpy(rate * 0)))
    assert rejection._KNUTH_PROGRAM._run is not None


@pytest.mark.parametrize("dtype", [torch.int64, torch.float64])
@pytest.mark.parametrize("n", [65537, 131071, 131072, 150000])
def test_compiled_permutations(monkeypatch, n, dtype):
    from torchish._random import permutation

    program = permutation._program(n.bit_length())
    monkeypatch.setattr(program, "_asked", 10**9)
    check(lambda g: torch.randperm(n, generator=g, dtype=dtype), lambda h: R.randperm(h, n, DTYPES[dtype]))
    assert program._run is not None


def test_forked_processes_compile_nothing(monkeypatch):
    from torchish._random import compiled

    program = compiled.Program(lambda x: x + 1, (0,), 0)
    monkeypatch.setattr(compiled, "_in_fork", True)
    assert program.get(10) is None
    monkeypatch.setattr(compiled, "_in_fork", False)
    assert program.get(10)(41) == 42


def test_programs_of_other_bits_are_not_used():
    from torchish._random.compiled import Program

    program = Program(lambda x: x + 1, (0,), 5, lambda run: run(1) == 3)
    assert [program.get(5) for _ in range(3)] == [None] * 3
