"""The memory order of results whose strides are PyTorch's own choice: empty ones, expanded ones, views of one result."""

import pytest
import torch as pytorch

import torchish

RESULTS = {
    "coordinates": lambda t: t.unravel_index(t.arange(4), (2, 3, 4)),
    "coordinates in nothing": lambda t: t.unravel_index(t.arange(4), ()),
    "nonzero": lambda t: [t.nonzero(t.ones(shape)) for shape in ((3,), (2, 3), (1,), ())],
    "nothing that is nonzero": lambda t: [t.nonzero(t.zeros(shape)) for shape in ((3,), (2, 3), (2, 0, 3), ())],
    "new dimensions of size 1": lambda t: [t.ones(2).expand(1, 3, 2), t.ones(()).expand(1, 1), t.ones(3, 1).expand(1, 1, 3, 1)],
    "no matrices": lambda t: [t.linalg.inv(t.ones(0, 3, 3)), t.cholesky_inverse(t.ones(0, 2, 2)), t.linalg.svd(t.ones(3, 5, 0))[2]],
    "quantiles": lambda t: t.rand(3, 2, 4).quantile(t.tensor([0.1, 0.5]), 1, True),
}


@pytest.mark.parametrize("name", RESULTS)
def test_strides(name):
    def geometry(t):
        return [(tuple(x.shape), x.stride(), x.storage_offset(), x._base is None) for x in RESULTS[name](t)]

    assert geometry(torchish) == geometry(pytorch)
