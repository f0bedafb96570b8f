"""Bags of many lengths: PyTorch's sums, means, maxima and gradients, without a program for each total length."""

import numpy as np
import pytest
import torch as pytorch

import torchish
from torchish.engine.program import program_count


def bags(m, n, draw, **how):
    rows, places = draw.integers(0, 9, n), np.sort(draw.integers(0, n + 1, 5))
    table = m.tensor(np.random.default_rng(1).normal(size=(9, 3)).astype(np.float32), requires_grad=True)
    layer = m.nn.EmbeddingBag.from_pretrained(table, freeze=False, **how)
    last = [n] if layer.include_last_offset else []
    out = layer(m.tensor(rows), m.tensor(np.diff([0, 0, *places, *last], prepend=0)).cumsum(0))
    (out * out).sum().backward()
    return out.detach().numpy(), layer.weight.grad.numpy()


@pytest.mark.parametrize("n", [3, 15, 17, 37, 100, 131])
@pytest.mark.parametrize("how", [{}, {"padding_idx": 2}, {"padding_idx": 0}, {"include_last_offset": True}], ids=str)
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_of_many_lengths(mode, how, n):
    ours, theirs = (bags(m, n, np.random.default_rng(n), mode=mode, **how) for m in (torchish, pytorch))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_lengths_share_programs():
    draw = np.random.default_rng(0)
    bags(torchish, 1100, draw)
    before = program_count()
    for n in range(1025, 1152, 16):
        bags(torchish, n, draw)
    assert program_count() == before
