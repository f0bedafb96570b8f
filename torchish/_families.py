"""Imports every family of operations, so that their declarations are registered."""

from torchish._tensor import calculus as _calculus
from torchish._tensor import (
    creation,
    factories,
    fill,
    indexing,
    join,
    linalg_norms,
    manipulate,
    methods,
    products,
    random,
    recurrent,
    scatter,
    sequences,
    views,
    windows,
)
from torchish._tensor import fft as _fft
from torchish._tensor import histogram as _histogram
from torchish._tensor import linalg as _linalg
from torchish._tensor import pointwise as _pointwise
from torchish._tensor import search as _search
from torchish._tensor import statistics as _statistics
from torchish._tensor.nn_functional import activation, attention, ctc, dropout, loss, normalization, pooling, sparse, vision
from torchish._tensor.nn_functional import aten as _aten
from torchish._tensor.nn_functional import convolution as _convolution
from torchish.ops import (
    bessel,
    bitwise,
    calculus,
    compare,
    exponential,
    histogram,
    pointwise,
    polynomials,
    reduce,
    rounding,
    scan,
    search,
    softmax,
    sort,
    special,
    statistics,
    trigonometric,
)
