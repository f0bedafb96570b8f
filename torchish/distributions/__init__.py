"""`torch.distributions`: probability distributions, transforms of variables, constraints, divergences."""

import sys

from torchish._pickling import name_classes
from torchish.distributions import (  # noqa: F401
    _categories,
    _cross_divergences,
    _divergences,
    _transform,
    constraint_registry,
    constraints,
    kl,
    transforms,
    utils,
)
from torchish.distributions._categories import Categorical, Multinomial, OneHotCategorical, OneHotCategoricalStraightThrough
from torchish.distributions._counts import Bernoulli, Binomial, ContinuousBernoulli, Geometric, NegativeBinomial, Poisson
from torchish.distributions._derived import (
    Gumbel,
    HalfCauchy,
    HalfNormal,
    InverseGamma,
    Kumaraswamy,
    LogisticNormal,
    LogNormal,
    Pareto,
    RelaxedBernoulli,
    RelaxedOneHotCategorical,
    Weibull,
)
from torchish.distributions._gammas import Beta, Chi2, Dirichlet, Exponential, FisherSnedecor, Gamma
from torchish.distributions._location_scale import Cauchy, GeneralizedPareto, Laplace, Normal, StudentT, Uniform, VonMises
from torchish.distributions._matrices import LKJCholesky, LowRankMultivariateNormal, MultivariateNormal, Wishart
from torchish.distributions.constraint_registry import biject_to, transform_to
from torchish.distributions.distribution import Distribution
from torchish.distributions.exp_family import ExponentialFamily
from torchish.distributions.independent import Independent
from torchish.distributions.kl import kl_divergence, register_kl
from torchish.distributions.mixture_same_family import MixtureSameFamily
from torchish.distributions.transformed_distribution import TransformedDistribution
from torchish.distributions.transforms import *  # noqa: F403

__all__ = [
    "Bernoulli", "Beta", "Binomial", "Categorical", "Cauchy", "Chi2", "ContinuousBernoulli", "Dirichlet", "Distribution", "Exponential",
    "ExponentialFamily", "FisherSnedecor", "Gamma", "GeneralizedPareto", "Geometric", "Gumbel", "HalfCauchy", "HalfNormal", "Independent",
    "InverseGamma", "Kumaraswamy", "LKJCholesky", "Laplace", "LogNormal", "LogisticNormal", "LowRankMultivariateNormal",
    "MixtureSameFamily", "Multinomial", "MultivariateNormal", "NegativeBinomial", "Normal", "OneHotCategorical",
    "OneHotCategoricalStraightThrough", "Pareto", "RelaxedBernoulli", "RelaxedOneHotCategorical", "StudentT", "Poisson", "Uniform",
    "VonMises", "Weibull", "Wishart", "TransformedDistribution", "biject_to", "kl_divergence", "register_kl", "transform_to",
    *transforms.__all__,
]  # fmt: skip

# PyTorch has a module for every distribution; here they are those of the families.
_MODULES = {
    "_categories": "categorical multinomial one_hot_categorical",
    "_counts": "bernoulli binomial continuous_bernoulli geometric negative_binomial poisson",
    "_derived": "gumbel half_cauchy half_normal inverse_gamma kumaraswamy log_normal logistic_normal pareto relaxed_bernoulli "
    "relaxed_categorical weibull",
    "_gammas": "beta chi2 dirichlet exponential fishersnedecor gamma",
    "_location_scale": "cauchy generalized_pareto laplace normal studentT uniform von_mises",
    "_matrices": "lkj_cholesky lowrank_multivariate_normal multivariate_normal wishart",
}
for _family, _names in _MODULES.items():
    _module = sys.modules[f"{__name__}.{_family}"]
    _classes = {_n.lower(): _c for _n, _c in vars(_module).items() if isinstance(_c, type) and _c.__module__ == _module.__name__}
    for _name in _names.split():
        globals()[_name] = sys.modules[f"{__name__}.{_name}"] = _module
        if _name.replace("_", "").lower() in _classes:
            _classes[_name.replace("_", "").lower()].__module__ = f"torch.distributions.{_name}"
RelaxedOneHotCategorical.__module__ = "torch.distributions.relaxed_categorical"
OneHotCategoricalStraightThrough.__module__ = OneHotCategorical.__module__
_categories.ExpRelaxedCategorical.__module__ = RelaxedOneHotCategorical.__module__
_categories.LogitRelaxedBernoulli.__module__ = RelaxedBernoulli.__module__
for _name in transforms.__all__:
    if isinstance(_class := getattr(transforms, _name), type):
        _class.__module__ = "torch.distributions.transforms"
_transform._InverseTransform.__module__ = "torch.distributions.transforms"
name_classes(*(f"{__name__}.{_m}" for _m in (
    "constraint_registry", "constraints", "distribution", "exp_family", "independent", "mixture_same_family", "transformed_distribution",
    "utils",
)))  # fmt: skip


def __dir__() -> list[str]:
    """The names of PyTorch's module: not the families, nor what they are gathered with."""
    own = {"sys", "name_classes", "__dir__", "__getattr__"}
    return sorted(name for name in globals() if name not in own and (not name.startswith("_") or name.startswith("__")))
