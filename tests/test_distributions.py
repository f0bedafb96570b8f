"""torch.distributions: every class, transform and divergence gives what PyTorch's gives."""

import itertools
import warnings

import numpy as np
import pytest
import torch as pytorch

import torchish as torch

BOTH = (torch, pytorch)
NAN, INF = float("nan"), float("inf")
COVARIANCE = [[2.0, 0.5, 0.1], [0.5, 1.5, 0.2], [0.1, 0.2, 1.0]]
FACTOR = [[1.2, 0.0, 0.0], [0.5, 1.1, 0.0], [0.1, -0.2, 0.9]]
PROBS = [[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]
LOGITS = [[0.2, -0.3, 0.5], [-0.6, 1.3, 0.1]]

# What makes each distribution, of the module `D` and of `t`, which makes a parameter of nested lists.
CASES = {
    "Bernoulli": lambda D, t: D.Bernoulli(t([0.3, 0.8])),
    "Bernoulli-logits": lambda D, t: D.Bernoulli(logits=t([0.3, -0.8])),
    "Beta": lambda D, t: D.Beta(t([2.0, 0.7]), t([3.0, 1.5])),
    "Binomial": lambda D, t: D.Binomial(5, t([0.3, 0.8])),
    "Binomial-logits": lambda D, t: D.Binomial(30, logits=t([0.3, -0.8])),
    "Categorical": lambda D, t: D.Categorical(t(PROBS)),
    "Categorical-logits": lambda D, t: D.Categorical(logits=t(LOGITS)),
    "Cauchy": lambda D, t: D.Cauchy(t([0.5, -1.0]), t([1.0, 2.0])),
    "Chi2": lambda D, t: D.Chi2(t([2.0, 3.5])),
    "ContinuousBernoulli": lambda D, t: D.ContinuousBernoulli(t([0.3, 0.8, 0.5])),
    "ContinuousBernoulli-logits": lambda D, t: D.ContinuousBernoulli(logits=t([0.3, -0.8])),
    "Dirichlet": lambda D, t: D.Dirichlet(t([[2.0, 1.5, 0.7], [3.0, 1.2, 5.0]])),
    "Exponential": lambda D, t: D.Exponential(t([2.0, 0.5])),
    "FisherSnedecor": lambda D, t: D.FisherSnedecor(t([3.0, 5.0]), t([6.0, 7.5])),
    "Gamma": lambda D, t: D.Gamma(t([2.0, 0.7]), t([3.0, 1.5])),
    "GeneralizedPareto": lambda D, t: D.GeneralizedPareto(t([0.0, 1.0, 0.0]), t([1.0, 2.0, 1.0]), t([0.2, -0.3, 0.0])),
    "Geometric": lambda D, t: D.Geometric(t([0.3, 0.8])),
    "Geometric-logits": lambda D, t: D.Geometric(logits=t([0.3, -0.8])),
    "Gumbel": lambda D, t: D.Gumbel(t([0.5, -1.0]), t([1.0, 2.0])),
    "HalfCauchy": lambda D, t: D.HalfCauchy(t([1.0, 2.0])),
    "HalfNormal": lambda D, t: D.HalfNormal(t([1.0, 2.0])),
    "Independent": lambda D, t: D.Independent(D.Normal(t([[0.5, -1.0, 0.0]]), t([[1.0, 2.0, 3.0]])), 1),
    "InverseGamma": lambda D, t: D.InverseGamma(t([2.5, 3.7]), t([3.0, 1.5])),
    "Kumaraswamy": lambda D, t: D.Kumaraswamy(t([2.0, 1.7]), t([3.0, 1.5])),
    "LKJCholesky": lambda D, t: D.LKJCholesky(3, t([0.5, 2.0])),
    "Laplace": lambda D, t: D.Laplace(t([0.5, -1.0]), t([1.0, 2.0])),
    "LogNormal": lambda D, t: D.LogNormal(t([0.5, -1.0]), t([1.0, 0.5])),
    "LogisticNormal": lambda D, t: D.LogisticNormal(t([0.5, -1.0]), t([1.0, 2.0])),
    "LowRankMultivariateNormal": lambda D, t: D.LowRankMultivariateNormal(
        t([[0.5, -1.0, 0.0]] * 2), t([[1.0], [0.3], [-0.5]]), t([1.0, 2.0, 0.5])
    ),
    "MixtureSameFamily": lambda D, t: D.MixtureSameFamily(
        D.Categorical(t(PROBS)), D.Normal(t([[0.0, 1.0, 2.0]] * 2), t([[1.0, 2.0, 0.5]] * 2))
    ),
    "MixtureSameFamily-vectors": lambda D, t: D.MixtureSameFamily(
        D.Categorical(t([0.3, 0.7])), D.Independent(D.Normal(t([[0.0, 1.0, 2.0]] * 2), t([[1.0, 2.0, 0.5]] * 2)), 1)
    ),
    "Multinomial": lambda D, t: D.Multinomial(4, t(PROBS)),
    "MultivariateNormal": lambda D, t: D.MultivariateNormal(t([[0.5, -1.0, 0.0]] * 2), t(COVARIANCE)),
    "MultivariateNormal-precision": lambda D, t: D.MultivariateNormal(t([0.5, -1.0, 0.0]), precision_matrix=t(COVARIANCE)),
    "MultivariateNormal-tril": lambda D, t: D.MultivariateNormal(t([0.5, -1.0, 0.0]), scale_tril=t([FACTOR] * 2)),
    "NegativeBinomial": lambda D, t: D.NegativeBinomial(5, t([0.3, 0.8])),
    "NegativeBinomial-logits": lambda D, t: D.NegativeBinomial(5, logits=t([0.3, -0.8])),
    "Normal": lambda D, t: D.Normal(t([0.5, -1.0]), t([1.0, 2.0])),
    "Normal-numbers": lambda D, t: D.Normal(0.5, 2),
    "OneHotCategorical": lambda D, t: D.OneHotCategorical(t(PROBS)),
    "OneHotCategoricalStraightThrough": lambda D, t: D.OneHotCategoricalStraightThrough(t(PROBS)),
    "Pareto": lambda D, t: D.Pareto(t([1.0, 2.0]), t([3.0, 1.5])),
    "Poisson": lambda D, t: D.Poisson(t([2.0, 13.0])),
    "RelaxedBernoulli": lambda D, t: D.RelaxedBernoulli(t(0.7), t([0.3, 0.8])),
    "RelaxedOneHotCategorical": lambda D, t: D.RelaxedOneHotCategorical(t(0.7), t(PROBS)),
    "StudentT": lambda D, t: D.StudentT(t([3.0, 1.5]), t([0.5, -1.0]), t([1.0, 2.0])),
    "TransformedDistribution": lambda D, t: D.TransformedDistribution(
        D.Normal(t([0.5, -1.0]), t([1.0, 2.0])), [D.SigmoidTransform(), D.AffineTransform(t(1.0), t([-2.0, 1.0]))]
    ),
    "Uniform": lambda D, t: D.Uniform(t([0.5, -1.0]), t([1.0, 2.0])),
    "VonMises": lambda D, t: D.VonMises(t([0.5, -1.0]), t([1.0, 20.0])),
    "Weibull": lambda D, t: D.Weibull(t([1.0, 2.0]), t([3.0, 1.5])),
    "Wishart": lambda D, t: D.Wishart(t([4.0, 5.5]), t(COVARIANCE)),
    "Wishart-tril": lambda D, t: D.Wishart(t(4.0), scale_tril=t(FACTOR)),
}  # fmt: skip
# PyTorch's value is not the mode: log1p of a negated shape parameter is NaN (test_mode_of_kumaraswamy has the mathematics).
NOT_COMPARED = {("Kumaraswamy", "mode")}
SINGLE = {"GeneralizedPareto"}  # PyTorch's takes no float64 parameters


def made(name, lib, dtype="float64"):
    """The distribution and its parameters."""
    parameters = []
    dtype = "float32" if name in SINGLE else dtype

    def t(values):
        parameters.append(lib.tensor(values, dtype=getattr(lib, dtype), requires_grad=True))
        return parameters[-1]

    return CASES[name](lib.distributions, t), parameters


def array(value):
    return np.asarray(value.detach().numpy() if hasattr(value, "detach") else value)


def outcome(f):
    """What a call gives: arrays, or the error's type and text."""
    try:
        return f()
    except Exception as error:
        return (type(error).__name__, str(error).replace("torchish", "torch"))


def agree(ours, theirs, **tolerance):
    if isinstance(theirs, tuple) and theirs and isinstance(theirs[0], str):
        assert ours == theirs
        return
    assert not (isinstance(ours, tuple) and ours and isinstance(ours[0], str)), ours
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.shape == b.shape and a.dtype == b.dtype
            np.testing.assert_allclose(a, b, **{"rtol": 1e-6, "atol": 1e-7, **tolerance})


@pytest.fixture(autouse=True)
def validated():
    """PyTorch stops to validate arguments once its compiler is imported, which other tests do."""
    for lib in BOTH:
        lib.distributions.Distribution.set_default_validate_args(True)


def value_and_gradients(lib, value, parameters):
    if not value.requires_grad or not parameters:
        return [array(value)]
    finite = lib.where(lib.isfinite(value), value, lib.zeros_like(value))
    return [array(value), *[None if g is None else array(g) for g in lib.autograd.grad(finite.sum(), parameters, allow_unused=True)]]


def some_values(name):
    """Values in the support, drawn by PyTorch."""
    pytorch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return made(name, pytorch)[0].sample((4,)).detach().numpy()


@pytest.mark.parametrize("name", CASES)
def test_log_prob_and_gradients(name):
    def values(lib):
        d, parameters = made(name, lib)
        return value_and_gradients(lib, d.log_prob(lib.tensor(some_values(name))), parameters)

    agree(values(torch), values(pytorch), rtol=1e-5)


@pytest.mark.parametrize("of", ["mean", "variance", "stddev", "mode", "entropy", "perplexity"])
@pytest.mark.parametrize("name", CASES)
def test_moments(name, of):
    if (name, of) in NOT_COMPARED:
        return

    def values(lib):
        d, parameters = made(name, lib)
        found = getattr(d, of)
        return value_and_gradients(lib, found() if callable(found) else found, parameters)

    agree(outcome(lambda: values(torch)), outcome(lambda: values(pytorch)), rtol=1e-5)


@pytest.mark.parametrize("of", ["cdf", "icdf"])
@pytest.mark.parametrize("name", CASES)
def test_cdf(name, of):
    given = some_values(name) if of == "cdf" else np.linspace(0.1, 0.9, 4)[:, None]
    given = given.astype("float32") if name in SINGLE else given

    def values(lib):
        d, parameters = made(name, lib)
        return value_and_gradients(lib, getattr(d, of)(lib.tensor(given)), parameters)

    theirs = outcome(lambda: values(pytorch))
    if isinstance(theirs, tuple):
        assert outcome(lambda: values(torch))[0] == theirs[0]
    else:
        if name in ("Gamma", "Chi2"):  # of the regularised incomplete gamma function PyTorch has no derivative in the shape
            theirs = theirs[:1]
            agree(value_and_gradients(torch, getattr(made(name, torch)[0], of)(torch.tensor(given)).detach(), []), theirs)
        else:
            agree(outcome(lambda: values(torch)), theirs, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:Singular sample")
def test_samples_of_a_seed(name, dtype):
    def values(lib):
        lib.manual_seed(5)
        d, _ = made(name, lib, dtype)
        samples = [d.sample(), d.sample((3, 2))]
        assert not any(s.requires_grad for s in samples)
        return [array(s) for s in samples]

    agree(values(torch), values(pytorch), rtol=2e-5 if dtype == "float32" else 1e-7, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:Singular sample")
def test_rsample_and_gradients(name):
    def values(lib):
        lib.manual_seed(7)
        d, parameters = made(name, lib)
        assert d.has_rsample == made(name, torch)[0].has_rsample
        samples = d.rsample((3,))
        weights = lib.arange(samples.numel(), dtype=samples.dtype).reshape(samples.shape) + 1
        return value_and_gradients(lib, samples * weights, [] if name.startswith("Wishart") else parameters)

    # PyTorch's samples of Wishart have no gradients: it writes into what their gradients need.
    # PyTorch approximates implicit gradients of gamma and beta samples to about three digits
    agree(outcome(lambda: values(torch)), outcome(lambda: values(pytorch)), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("name", CASES)
def test_shapes_and_texts(name):
    def facts(lib):
        d, _ = made(name, lib)
        wide = d.expand((3, *d.batch_shape))
        found = [repr(d), d.batch_shape, d.event_shape, d.has_rsample, d.has_enumerate_support, repr(d.arg_constraints), repr(d.support)]
        found += [type(d).__name__, wide.batch_shape, wide.event_shape, repr(wide), type(wide).__name__]
        lib.manual_seed(3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = wide.sample((2,))
        return [*map(str, found), *map(str, (value.shape, wide.log_prob(value).shape, outcome(lambda: wide.mean.shape)))]

    assert facts(torch) == facts(pytorch)


@pytest.mark.parametrize("name", ["Bernoulli", "Binomial", "Categorical", "OneHotCategorical", "Independent", "Poisson"])
@pytest.mark.parametrize("expand", [True, False])
def test_enumerate_support(name, expand):
    def values(lib):
        return [array(made(name, lib)[0].enumerate_support(expand=expand))]

    agree(outcome(lambda: values(torch)), outcome(lambda: values(pytorch)))


def test_mode_of_kumaraswamy():
    d = made("Kumaraswamy", torch)[0]
    x = torch.linspace(0.001, 0.999, 999, dtype=torch.float64).unsqueeze(-1)
    best = x[d.log_prob(x).argmax(0), 0]
    np.testing.assert_allclose(array(d.mode), array(best), atol=1e-3)


ERRORS = {
    "nan": "D.Normal(t.tensor([float('nan'), 1.0]), t.tensor(1.0))",
    "negative scale": "D.Normal(0.0, -1.0)",
    "not a number": "D.Normal('a', 1.0)",
    "value is no tensor": "D.Normal(0.0, 1.0).log_prob('a')",
    "value outside": "D.Uniform(0.0, 1.0).log_prob(t.tensor(2.0))",
    "value of another batch": "D.Normal(t.zeros(3), 1.0).log_prob(t.zeros(2))",
    "value of another event": "D.MultivariateNormal(t.zeros(3), t.eye(3)).log_prob(t.zeros(2))",
    "nothing": "D.Bernoulli()",
    "both": "D.Categorical(t.ones(2), t.ones(2))",
    "a number of outcomes": "D.Categorical(t.tensor(1.0))",
    "never succeeds": "D.Geometric(t.tensor([0.0, 0.5]))",
    "a number of concentrations": "D.Dirichlet(t.tensor(1.0))",
    "no matrix": "D.MultivariateNormal(t.ones(1))",
    "vector for matrix": "D.MultivariateNormal(t.ones(1), precision_matrix=t.ones(1))",
    "not definite": "D.MultivariateNormal(t.ones(2), t.tensor([[1.0, 2.0], [2.0, 1.0]]))",
    "low rank": "D.LowRankMultivariateNormal(t.ones(1), t.ones(2, 1), t.ones(1))",
    "few degrees": "D.Wishart(t.tensor(1.0), t.eye(3))",
    "small": "D.LKJCholesky(1)",
    "turned around": "D.Uniform(1.0, 0.0)",
    "too many dimensions": "D.Independent(D.Normal(0.0, 1.0), 1)",
    "components": "D.MixtureSameFamily(D.Categorical(t.ones(2)), D.Normal(t.zeros(3), 1.0))",
    "counts differ": "D.Binomial(t.tensor([1, 2]), t.ones(2)).enumerate_support()",
    "no transform": "D.TransformedDistribution(D.Normal(0.0, 1.0), 3)",
    "too few dimensions": "D.TransformedDistribution(D.Normal(0.0, 1.0), D.StickBreakingTransform())",
    "no divergence": "D.kl_divergence(D.Normal(0.0, 1.0), D.Categorical(t.ones(2)))",
    "no bijection": "D.biject_to(D.constraints.lower_cholesky)",
    "no constraint": "D.biject_to.register(3, 4)",
    "no such method": "D.Poisson(1.0).rsample()",
    "no mode": "D.Distribution().mode",
    "dependent": "D.constraints.dependent.check(3)",
    "unknown": "D.constraints.dependent.event_dim",
    "independent": "D.constraints.independent(D.constraints.real, 2).check(t.ones(3))",
    "sizes": "D.ReshapeTransform((2,), (3,))",
    "shape": "D.ReshapeTransform((2,), (1, 2)).forward_shape((3,))",
    "not triangular": "D.CorrCholeskyTransform().forward_shape((2,))",
    "cache": "D.ExpTransform(cache_size=2)",
    "no jacobian": "D.AbsTransform().log_abs_det_jacobian(t.ones(1), t.ones(1))",
}


@pytest.mark.parametrize("code", ERRORS.values(), ids=ERRORS)
@pytest.mark.filterwarnings("ignore:.*does not define")
def test_errors(code):
    ours, theirs = [outcome(lambda lib=lib: eval(code, {"D": lib.distributions, "t": lib})) for lib in BOTH]
    assert isinstance(theirs, tuple) and ours == theirs


def test_validation_can_be_left_out():
    D = torch.distributions
    assert D.Normal(0.0, -1.0, validate_args=False).log_prob(torch.tensor(1.0)).isnan()
    D.Distribution.set_default_validate_args(False)
    try:
        D.Normal(0.0, -1.0)
    finally:
        D.Distribution.set_default_validate_args(True)


def test_properties_are_computed_once():
    d = torch.distributions.Bernoulli(torch.tensor([0.3]))
    assert "logits" not in d.__dict__ and d.logits is d.logits and "logits" in d.__dict__
    assert isinstance(torch.distributions.Bernoulli.logits, torch.distributions.utils.lazy_property)


# --- transforms ------------------------------------------------------------------------------------------------

VECTOR, MATRIX = [[0.3, -0.7, 1.1], [0.1, 0.5, -2.0]], [[[0.3, -0.7], [1.1, 0.4]]]
POSITIVE = [[0.3, 0.7, 1.1]]
TRANSFORMS = {
    "Exp": ("D.ExpTransform()", VECTOR),
    "Exp inverse": ("D.ExpTransform().inv", POSITIVE),
    "Power": ("D.PowerTransform(t.tensor(2.5).double())", POSITIVE),
    "Sigmoid": ("D.SigmoidTransform()", VECTOR),
    "Softplus": ("D.SoftplusTransform()", VECTOR),
    "Tanh": ("D.TanhTransform()", VECTOR),
    "Abs": ("D.AbsTransform()", VECTOR),
    "Affine": ("D.AffineTransform(1.0, -2.0)", VECTOR),
    "Affine tensors": ("D.AffineTransform(t.ones(3).double(), t.tensor([2.0, -3.0, 0.5]).double(), event_dim=1)", VECTOR),
    "Softmax": ("D.SoftmaxTransform()", VECTOR),
    "StickBreaking": ("D.StickBreakingTransform()", VECTOR),
    "LowerCholesky": ("D.LowerCholeskyTransform()", MATRIX),
    "PositiveDefinite": ("D.PositiveDefiniteTransform()", MATRIX),
    "CorrCholesky": ("D.CorrCholeskyTransform()", VECTOR),
    "Reshape": ("D.ReshapeTransform((3,), (3, 1))", VECTOR),
    "Independent": ("D.IndependentTransform(D.ExpTransform(), 1)", VECTOR),
    "Compose": ("D.ComposeTransform([D.ExpTransform(), D.AffineTransform(1.0, 2.0), D.StickBreakingTransform()])", VECTOR),
    "identity": ("D.identity_transform", VECTOR),
    "Cat": ("D.CatTransform([D.ExpTransform(), D.identity_transform], dim=1, lengths=[1, 2])", VECTOR),
    "Stack": ("D.StackTransform([D.ExpTransform(), D.AffineTransform(1.0, 2.0), D.TanhTransform()], dim=1)", VECTOR),
    "CumulativeDistribution": ("D.CumulativeDistributionTransform(D.Normal(0.5, 2.0))", VECTOR),
    **{f"to {c}": (f"D.biject_to(D.constraints.{c})", VECTOR) for c in (
        "positive", "nonnegative", "greater_than(1.5)", "less_than(2.0)", "unit_interval", "interval(-1.0, 2.0)", "simplex", "real_vector",
        "half_open_interval(0.0, 2.0)", "corr_cholesky", "independent(D.constraints.positive, 1)", "real",
        "stack([D.constraints.real, D.constraints.positive, D.constraints.real], 1)",
        "cat([D.constraints.real, D.constraints.positive], 1, [1, 2])",
    )},
    **{f"transform to {c}": (f"D.transform_to(D.constraints.{c})", MATRIX) for c in (
        "simplex", "lower_cholesky", "positive_definite", "positive_semidefinite", "unit_interval",
    )},
}  # fmt: skip


@pytest.mark.parametrize(("code", "given"), TRANSFORMS.values(), ids=TRANSFORMS)
def test_transforms(code, given):
    def values(lib):
        t = eval(code, {"D": lib.distributions, "t": lib})
        x = lib.tensor(given, dtype=lib.float64, requires_grad=True)
        y = t(x)
        back = t.inv(y.detach())
        jacobian = outcome(lambda: [array(t.log_abs_det_jacobian(x, y))])
        (gradient,) = lib.autograd.grad((y * (1 + lib.arange(y.numel()).reshape(y.shape))).sum(), x)
        shapes = tuple(t.forward_shape(x.shape)), tuple(t.inverse_shape(y.shape)), tuple(t.inv.forward_shape(y.shape))
        facts = [repr(t), t.bijective, repr(t.domain), repr(t.codomain), t.domain.event_dim, t.codomain.event_dim, shapes]
        facts.append(outcome(lambda: str(t.sign)))
        return [array(y), array(back), array(gradient)], jacobian, facts

    ours, theirs = values(torch), values(pytorch)
    agree(ours[0], theirs[0])
    agree(ours[1], theirs[1])
    assert [str(f).replace("torchish", "torch") for f in ours[2]] == [str(f) for f in theirs[2]]


def test_transforms_compare_and_cache():
    D = torch.distributions
    assert D.ExpTransform() == D.ExpTransform() and D.AffineTransform(0, 1) != D.AffineTransform(0, 2)
    assert D.ComposeTransform([D.ExpTransform()]) == D.ComposeTransform([D.ExpTransform()])
    t = D.TanhTransform(cache_size=1)
    x = torch.tensor([0.3])
    y = t(x)
    assert t.inv(y) is x and t(x) is y and t.inv.inv is t
    assert D.ComposeTransform([D.ExpTransform()]).with_cache().parts[0]._cache_size == 1


CHECKS = {
    "boolean": [[0.0, 1.0, 2.0]], "one_hot": [[0.0, 1.0], [1.0, 1.0]], "simplex": [[0.5, 0.5], [0.7, 0.7]], "real": [1.0, NAN, INF],
    "nonnegative_integer": [0.0, -1.0, 1.5], "positive_integer": [0.0, 1.0], "positive": [0.0, 1.0], "nonnegative": [0.0, -1.0],
    "integer_interval(0, 2)": [0.0, 3.0, 1.5], "half_open_interval(0, 1)": [0.0, 1.0], "unit_interval": [0.0, 1.0, 1.1],
    "less_than(1)": [0.0, 1.0], "greater_than_eq(1)": [0.0, 1.0], "multinomial(3)": [[1.0, 1.0], [2.0, 2.0]],
    "lower_triangular": [[[1.0, 0.0], [1.0, -1.0]], [[1.0, 1.0], [0.0, 1.0]]], "real_vector": [[1.0, 2.0], [NAN, 1.0]],
    "lower_cholesky": [[[1.0, 0.0], [1.0, -1.0]], [[1.0, 0.0], [1.0, 1.0]]], "corr_cholesky": [[[1.0, 0.0], [0.6, 0.8]]],
    "square": [[[1.0, 0.0]]], "symmetric": [[[1.0, 2.0], [2.0, 1.0]]],
    "positive_definite": [[[1.0, 2.0], [2.0, 1.0]], [[3.0, 2.0], [2.0, 3.0]]],
    "positive_semidefinite": [[[1.0, 1.0], [1.0, 1.0]], [[-1.0, 0.0], [0.0, 1.0]]],
    "MixtureSameFamilyConstraint(D.constraints.positive)": [1.0, -1.0],
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKS)
def test_constraints(name):
    def facts(lib):
        c = eval(f"D.constraints.{name}", {"D": lib.distributions})
        return repr(c), c.is_discrete, c.event_dim, c.check(lib.tensor(CHECKS[name], dtype=lib.float64)).tolist()

    assert facts(torch) == facts(pytorch)


# --- divergences -----------------------------------------------------------------------------------------------

MORE = {
    "HalfNormal": lambda D, t: D.HalfNormal(t([1.5, 0.3])),
    "Independent": lambda D, t: D.Independent(D.Normal(t([[1.5, 1.0, 0.2]]), t([[2.0, 1.0, 0.3]])), 1),
    "TransformedDistribution": lambda D, t: D.LogNormal(t([0.1, 0.2]), t([0.7, 1.5])),
    "Binomial": lambda D, t: D.Binomial(5, t([0.5, 0.2])),
    "Pareto": lambda D, t: D.Pareto(t([0.5, 0.9]), t([2.5, 3.5])),
    "Uniform": lambda D, t: D.Uniform(t([0.1, 0.2]), t([0.8, 0.9])),
    "MultivariateNormal": lambda D, t: D.MultivariateNormal(t([0.1, 0.2, 0.3]), scale_tril=t([FACTOR] * 2)),
    "LowRankMultivariateNormal": lambda D, t: D.LowRankMultivariateNormal(
        t([0.1, 0.2, 0.3]), t([[0.5, 0.2], [0.3, 1.0], [-0.5, 0.4]]), t([1.5, 0.2, 0.5])
    ),
}
DISTRIBUTIONS = {"TransformedDistribution": "LogNormal", "ExponentialFamily": "Wishart"}
PAIRS = sorted({(p.__name__, q.__name__) for p, q in pytorch.distributions.kl._KL_REGISTRY})


def other(name, lib):
    """A distribution of the class with other parameters, and those."""
    if name in MORE:
        parameters = []

        def t(values):
            parameters.append(lib.tensor(values, dtype=lib.float64, requires_grad=True))
            return parameters[-1]

        return MORE[name](lib.distributions, t), parameters
    return made(DISTRIBUTIONS.get(name, name), lib)


def test_pairs_are_pytorchs():
    ours = sorted({(p.__name__, q.__name__) for p, q in torch.distributions.kl._KL_REGISTRY})
    assert ours == PAIRS


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_divergences(pair):
    def values(lib):
        if pair[0] == "ExponentialFamily":
            return [np.zeros(())]
        p, own = made(DISTRIBUTIONS.get(pair[0], pair[0]), lib)
        q, others = other(pair[1], lib)
        if p.batch_shape == (3,):
            p = lib.distributions.ContinuousBernoulli(own[0][:2])
        if q.batch_shape == (3,):
            q = lib.distributions.ContinuousBernoulli(others[0][1:])
        return value_and_gradients(lib, lib.distributions.kl_divergence(p, q), own + others)

    agree(outcome(lambda: values(torch)), outcome(lambda: values(pytorch)), rtol=1e-5)


FAMILIES = ["Bernoulli", "Gamma", "Normal", "Beta", "Dirichlet", "Exponential", "Poisson", "ContinuousBernoulli-logits"]


@pytest.mark.parametrize("name", FAMILIES)
def test_divergence_of_exponential_families(name):
    def values(lib):
        p, _ = made(name, lib)
        rule = lib.distributions.kl._KL_REGISTRY[(lib.distributions.ExponentialFamily,) * 2]
        return [array(rule(p, p.expand((2, *p.batch_shape))))]

    agree(outcome(lambda: values(torch)), outcome(lambda: values(pytorch)), atol=1e-7)


def test_registering_divergences():
    D = torch.distributions

    class Mine(D.Normal):
        pass

    p = Mine(0.0, 1.0)
    assert D.kl_divergence(p, p) == 0

    @D.register_kl(Mine, D.Normal)
    def _(p, q):
        return 42

    try:
        assert D.kl_divergence(p, D.Normal(0.0, 1.0)) == 42
    finally:
        D.kl._KL_REGISTRY.pop((Mine, D.Normal))
        D.kl._KL_MEMOIZE.clear()


def test_divergences_outside_the_support():
    def values(lib):
        D, t = lib.distributions, lib.tensor
        unit, wide = D.Uniform(t([0.0, 0.2]), t([1.0, 0.8])), D.Uniform(t([-1.0, 0.5]), t([2.0, 1.5]))
        others = D.Beta(2.0, 3.0), D.Exponential(2.0), D.Gamma(2.0, 1.0), D.Pareto(t([0.1, 0.3]), t([2.0, 3.0]))
        pairs = [*itertools.product((unit, wide), (*others, unit, wide)), *((o, u) for o in others[:1] for u in (unit, wide))]
        pairs += [(others[3], D.Pareto(t([0.2, 0.2]), t(1.0))), (D.Bernoulli(t([0.0, 1.0])), D.Bernoulli(t([0.0, 0.5])))]
        return [array(D.kl_divergence(p, q)) for p, q in pairs]

    agree(values(torch), values(pytorch), rtol=1e-4, atol=1e-6)


def test_helpers():
    def facts(lib):
        u = lib.distributions.utils
        vector = lib.arange(6.0)
        found = [u.vec_to_tril_matrix(vector), u.vec_to_tril_matrix(vector, -1), u.tril_matrix_to_vec(lib.ones(3, 3), 1)]
        found += [*u.broadcast_all(1.0, lib.zeros(2)), u.probs_to_logits(lib.tensor([0.0, 1.0]), True), u.logits_to_probs(vector)]
        return [array(f) for f in found]

    agree(facts(torch), facts(pytorch))
    errors = [outcome(lambda lib=lib: lib.distributions.utils.vec_to_tril_matrix(lib.ones(5))) for lib in BOTH]
    assert errors[0] == errors[1]


def test_names():
    """`dir` lists PyTorch's names, and nothing of how torchish gathers them."""
    assert dir(torch.distributions) == dir(pytorch.distributions)
