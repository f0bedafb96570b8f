"""PyTorch's CPU random streams, value by value, in NumPy.

Every function takes an ``MT19937Generator`` first, returns NumPy arrays, and leaves the generator where PyTorch
leaves its own: the same seed gives the same numbers, and ``get_state`` the same bytes, after any sequence of calls.
dtypes are NumPy's (with ml_dtypes' bfloat16), and errors have PyTorch's types and messages.

Order of elements: PyTorch fills a dense tensor in the order of its memory, any other in row-major order. The arrays
returned here are row-major; to fill a transposed tensor, fill its memory's shape and transpose.

This is the stream of PyTorch's own binaries on x86 CPUs with AVX2 or more. They use no MKL random streams
(``bernoulli_`` and ``exponential_`` draw from mt19937 everywhere) and have no AVX-512 kernels for any of this.
"""

from .categories import multinomial
from .continuous import cauchy, exponential
from .discrete import bernoulli, bernoulli_scalar, geometric, randint, random_, random_from
from .dropout import alpha_dropout_noise, check_dropout_probability, dropout_noise, feature_noise_shape
from .generator import DEFAULT_SEED, MT19937Generator
from .normals import log_normal, normal, normal_from, randn
from .permutation import randperm
from .rejection import binomial, dirichlet, poisson, standard_gamma
from .uniforms import rand, uniform

__all__ = [
    "DEFAULT_SEED",
    "MT19937Generator",
    "alpha_dropout_noise",
    "bernoulli",
    "bernoulli_scalar",
    "binomial",
    "cauchy",
    "check_dropout_probability",
    "dirichlet",
    "dropout_noise",
    "exponential",
    "feature_noise_shape",
    "geometric",
    "log_normal",
    "multinomial",
    "normal",
    "normal_from",
    "poisson",
    "rand",
    "randint",
    "randn",
    "random_",
    "random_from",
    "randperm",
    "standard_gamma",
    "uniform",
]
