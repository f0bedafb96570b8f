"""Imports the families of operations, so that their declarations are registered.

The common families come with `import torchish`. The others are loaded, all at once, when a name is asked for that the
common ones lack: an import of torchish stays short.
"""

from __future__ import annotations

from importlib import import_module

from torchish._tensor import (
    creation,
    factories,
    fill,
    indexing,
    join,
    manipulate,
    methods,
    products,
    random,
    random_inplace,
    scatter,
    sequences,
    split,
    tape,
    view_methods,
    views,
)
from torchish._tensor import pointwise as _pointwise
from torchish.ops import bitwise, compare, exponential, pointwise, reduce, rounding, scan, sort, trigonometric

_OTHERS = (
    "torchish.ops.bessel",
    "torchish.ops.calculus",
    "torchish.ops.histogram",
    "torchish.ops.polynomials",
    "torchish.ops.search",
    "torchish.ops.softmax",
    "torchish.ops.special",
    "torchish.ops.statistics",
    "torchish._tensor.calculus",
    "torchish._tensor.fft",
    "torchish._tensor.histogram",
    "torchish._tensor.layouts",
    "torchish._tensor.linalg",
    "torchish._tensor.linalg_norms",
    "torchish._tensor.recurrent",
    "torchish._tensor.removed",
    "torchish._tensor.search",
    "torchish._tensor.segments",
    "torchish._tensor.statistics",
    "torchish._tensor.storages",
    "torchish._tensor.windows",
    "torchish._tensor.nn_functional.activation",
    "torchish._tensor.nn_functional.aten",
    "torchish._tensor.nn_functional.attention",
    "torchish._tensor.nn_functional.convolution",
    "torchish._tensor.nn_functional.ctc",
    "torchish._tensor.nn_functional.dropout",
    "torchish._tensor.nn_functional.loss",
    "torchish._tensor.nn_functional.native",
    "torchish._tensor.nn_functional.normalization",
    "torchish._tensor.nn_functional.pooling",
    "torchish._tensor.nn_functional.sparse",
    "torchish._tensor.nn_functional.vision",
)


def load_others() -> None:
    """Load the families that an import of torchish leaves out."""
    for name in _OTHERS:
        import_module(name)
