"""Graphs of many shapes are compiled as drafts: the same values, and with care once they stay."""

from __future__ import annotations

import numpy as np
import pytest

import torchish as torch
from torchish.engine import drafts, program


@pytest.fixture
def built(monkeypatch):
    """Whether each graph that is compiled is a draft."""
    drafts._SHAPES.clear()
    program.CACHE.clear()
    found, build = [], program._build
    monkeypatch.setattr(program, "_build", lambda *args: found.append(args[-1]) or build(*args))
    return found


def spread(x):
    return ((x - x.mean(0)).exp().cumsum(0) / (1 + x.abs())).sum().item()


def numpy_spread(x):
    return (np.exp(x - x.mean(0)).cumsum(0) / (1 + np.abs(x))).sum()


def test_the_third_shape_is_a_draft_with_the_same_values(built):
    rows = [torch.arange(3.0 * n).reshape(n, 3).sin() for n in (4, 7, 5, 9, 4)]
    del built[:]
    for x in rows:
        np.testing.assert_allclose(spread(x), numpy_spread(np.asarray(x)), rtol=1e-5)
    assert built == [False, False, True, True]


def test_gradients_of_drafts(built):
    for n in (4, 7, 5, 9):
        x = torch.linspace(-1, 1, n, requires_grad=True)
        ((x * 3).tanh() ** 2).sum().backward()
        t = np.tanh(3 * np.linspace(-1, 1, n))
        np.testing.assert_allclose(x.grad.numpy(), 6 * t * (1 - t * t), rtol=1e-4, atol=1e-6)
    assert True in built


def test_a_draft_that_stays_is_compiled_with_care(built, monkeypatch):
    monkeypatch.setattr(drafts, "RUNS", 5)
    for n in (4, 7, 5):
        x = torch.arange(3.0 * n).reshape(n, 3).sin()
        x.sum().item()
        del built[:]
        values = [spread(x) for _ in range(12)]
        np.testing.assert_allclose(values, numpy_spread(np.asarray(x)), rtol=1e-5)
    assert built == [True, False]


def test_large_arrays_and_captured_steps_are_no_drafts(built):
    for n in (4, 7, 5, drafts.SMALL):
        (torch.ones(n).exp() + 1).sum().item()
    assert built[-1] is False
    step = torch.compile(lambda x: (x.exp() + 1).sum(), fullgraph=True)
    del built[:]
    for n in (3, 8, 6):
        step(torch.ones(n))
    assert True not in built


def test_what_a_draft_computes_twice_is_the_same(built):
    """An extreme and what it is an extreme of, in one program: PyTorch's masks and gradients count on it."""
    for n in (7, 9, 33, *[40] * 20, 200, 300):
        x, y = torch.randn(n, n), torch.randn(n, n)
        x.sum().item(), y.sum().item()
        rows = torch.nn.functional.layer_norm(x * y + x, (n,))
        assert (rows == rows.amax(-1, keepdim=True)).any(-1).all()
        z = torch.complex(x, y).requires_grad_()
        (z / torch.linalg.vector_norm(z, float("inf"), 0)).abs().sum().backward()
        assert z.grad.isfinite().all()
    assert True in built
