"""Imports every family of operations, so that their declarations are registered."""

# ruff: noqa: F401
from torchish._tensor import creation, methods, random, views
from torchish.ops import pointwise
from torchish._tensor import fill, indexing, join, manipulate, scatter
from torchish._tensor import linalg as _linalg, products
from torchish._tensor import search as _search, softmax as _softmax, statistics as _statistics
from torchish.ops import reduce, scan, search, softmax, sort, statistics
from torchish.ops import bitwise, compare, exponential, rounding, trigonometric
from torchish._tensor import pointwise as _pointwise
from torchish._tensor.nn_functional import convolution as _convolution
from torchish._tensor.nn_functional import dropout, loss, normalization, pooling, sparse
from torchish._tensor.nn_functional import activation, attention, vision
