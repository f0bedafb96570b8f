"""Imports every family of operations, so that their declarations are registered."""

# ruff: noqa: F401
from torchish._tensor import creation, methods, random, views
from torchish.ops import pointwise
from torchish._tensor import factories, fill, indexing, join, manipulate, scatter, sequences, windows
from torchish._tensor import fft as _fft, linalg as _linalg, linalg_norms, products
from torchish._tensor import calculus as _calculus, histogram as _histogram, search as _search
from torchish._tensor import statistics as _statistics
from torchish.ops import calculus, histogram, reduce, scan, search, softmax, sort, statistics
from torchish.ops import bessel, bitwise, compare, exponential, polynomials, rounding, special, trigonometric
from torchish._tensor import pointwise as _pointwise
from torchish._tensor.nn_functional import convolution as _convolution
from torchish._tensor.nn_functional import dropout, loss, normalization, pooling, sparse
from torchish._tensor.nn_functional import activation, attention, vision
from torchish._tensor import recurrent
