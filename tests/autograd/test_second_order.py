"""Gradients of gradients on PyTorch's own samples: their values, and which inputs they reach at all."""

from __future__ import annotations

import types

import numpy as np
import pytest
import torch as pytorch
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils import _pytree as pytree

import torchish

# One of each kind: smooth, piecewise, selecting, rounding, reducing, decomposing, windowed.
SECOND_ORDER = """
    mul.  atan2.  clamp.  maximum.  floor.  copysign.  fill.  div.floor_rounding  sort.  kthvalue.  max.reduction_no_dim  amax.  median.
    cumprod.  linalg.vector_norm.  quantile.  scatter.  masked_select.  linalg.solve.  linalg.cholesky.  lu_solve.  stft.
    nn.functional.pad.reflect  nn.functional.avg_pool1d.  nn.functional.adaptive_avg_pool1d.  nn.functional.adaptive_max_pool2d.
    nn.functional.conv1d.
    nn.functional.layer_norm.  nn.functional.huber_loss.  nn.functional.gelu.
""".split()


def moved(x):
    if not isinstance(x, pytorch.Tensor):
        return x
    return torchish.tensor(x.detach().resolve_conj().numpy()).requires_grad_(x.requires_grad)


def function(info, t):
    """The operation on a library."""
    f = info.op
    if t is pytorch:
        return f
    if isinstance(f, types.FunctionType) and f.__module__.startswith("torch.testing"):
        return types.FunctionType(f.__code__, f.__globals__ | {"torch": t}, f.__name__, f.__defaults__, f.__closure__)
    for part in info.name.split("."):
        t = getattr(t, part) if hasattr(t, part) else getattr(t.Tensor, part)
    return t


def drawn(t, x, seed):
    return t.tensor(np.random.RandomState(seed).standard_normal(tuple(x.shape)), dtype=t.float64)


def second_order(t, f, tree):
    """Gradients, and gradients of those for the inputs and the first cotangents (None where there is no way)."""
    leaves = [x for x in pytree.tree_leaves(tree, is_leaf=lambda x: isinstance(x, t.Tensor)) if isinstance(x, t.Tensor)]
    inputs = [x for x in leaves if x.requires_grad]
    got = f(tree[0], *tree[1], **tree[2])
    outs = [x for x in (got if isinstance(got, (tuple, list)) else (got,)) if x.requires_grad and x.is_floating_point()]
    if not outs:
        return []
    cots = [drawn(t, x, i).requires_grad_() for i, x in enumerate(outs)]
    first = t.autograd.grad(outs, inputs, cots, create_graph=True, allow_unused=True)
    alive = [x for x in first if x is not None and x.requires_grad]
    second = ()
    if alive:
        second = t.autograd.grad(alive, inputs + cots, [drawn(t, x, i) for i, x in enumerate(alive)], allow_unused=True)
    return [None if x is None else np.asarray(x.detach().numpy()) for x in (*first, None, *second)]


@pytest.mark.parametrize("name", SECOND_ORDER)
def test_second_order(name):
    info = next(o for o in op_db if name in (f"{o.name}.{o.variant_test_name}", o.name + "."))
    pytorch.manual_seed(0)
    for sample in list(info.sample_inputs("cpu", pytorch.float64, requires_grad=True))[1:2]:
        tree = (sample.input, tuple(sample.args), dict(sample.kwargs))
        ours = pytree.tree_map(moved, tree, is_leaf=lambda x: isinstance(x, (pytorch.Tensor, pytorch.Size)))
        want, got = second_order(pytorch, function(info, pytorch), tree), second_order(torchish, function(info, torchish), ours)
        assert [x is None for x in got] == [x is None for x in want]
        for x, y in zip(want, got, strict=True):
            if x is not None:
                np.testing.assert_allclose(y, x, 1e-6, 1e-7)


def test_third_order():
    """A constant gradient ends the graph; what only selects takes no part in it at any order."""
    for t in (pytorch, torchish):
        x = t.tensor([1.5, -2.5, 0.5], requires_grad=True)
        (g,) = t.autograd.grad(x.floor().sum(), x, create_graph=True)
        assert not g.requires_grad and g.grad_fn is None
        (g,) = t.autograd.grad((x.clamp(-1, 1) * x**3).sum(), x, create_graph=True)
        (h,) = t.autograd.grad(g.sum(), x, create_graph=True)
        (k,) = t.autograd.grad(h.sum(), x)
        np.testing.assert_allclose(k.numpy(), [6.0, -6.0, 12.0])


def no_gradients(t):
    """Functions that do not depend on their argument, or not on all of it, and the orders of their gradients that exist."""
    x = t.tensor([[0.5, 2.0], [1.0, -3.0]], dtype=t.float64)
    z = t.tensor(2.0, dtype=t.float64)
    empty = t.zeros(0, 3, 3, dtype=t.float64)
    return [
        (lambda x: t.linalg.vector_norm(x, 0), x),
        (lambda x: t.nn.functional.normalize(x, p=0.0), x),
        (lambda x: t.linalg.slogdet(x)[0], x),
        (lambda x: t.linalg.slogdet(x)[1], x),
        (lambda x: t.linalg.lstsq(x, x, driver="gels").residuals, x),
        (t.linalg.det, empty),
        (lambda x: t.linalg.householder_product(x, x.sum(-1)), t.zeros(0, 0, dtype=t.float64)),
        (lambda x: t.cumprod(x, 0), z),
        (lambda x: t.cumprod(x, 0), x[:1]),
        (lambda x: t.prod(x, 0), z),
        (lambda x: t.logcumsumexp(x, 0), z),
        (lambda x: x.repeat(0, 2), x),
        (lambda x: t.linalg.matrix_power(x, 0), x),
        (lambda x: t.cat([x, t.ones(2, dtype=t.float64)]), t.zeros(0, dtype=t.float64)),
        (t.sgn, x.to(t.complex128)),
        (t.clone, x.to(t.complex128)),
        (lambda x: x.clone().fill_(3), x.to(t.complex128)),
    ]


@pytest.mark.parametrize("k", range(len(no_gradients(pytorch))))
def test_where_gradients_end(k):
    """None, zeros that need no gradient, and gradients that depend on something: at the same places as in PyTorch."""
    kinds = []
    for t in (pytorch, torchish):
        f, x = no_gradients(t)[k]
        x = x.detach().requires_grad_()
        y = f(x)
        c = t.ones_like(y).requires_grad_()
        (g,) = t.autograd.grad(y, x, c, create_graph=True, allow_unused=True)
        kind = [g is None or g.requires_grad]
        if g is not None and g.requires_grad:
            kind += [h is None for h in t.autograd.grad(g, (x, c), t.ones_like(g), allow_unused=True)]
        kinds.append([g is None, *kind])
    assert kinds[0] == kinds[1]


def test_an_unused_source_of_scatter_may_change():
    for t in (pytorch, torchish):
        x, s = t.zeros(3, requires_grad=True), t.ones(3, requires_grad=True) * 1
        y = x.scatter(0, t.tensor([2, 0, 1]), s)
        s.add_(1)
        y.sum().backward()
        assert x.grad.tolist() == [0, 0, 0]


@pytest.mark.parametrize("p", [0.5, 1.0, 1.5, 2.0, 3.0, float("inf")])
def test_norms_of_complex_numbers(p):
    values = np.random.RandomState(0).standard_normal((2, 3, 4))
    got = []
    for t in (pytorch, torchish):
        x = t.tensor(values[0] + 1j * values[1]).requires_grad_()
        (g,) = t.autograd.grad(t.linalg.vector_norm(x, p, 1).sum(), x, create_graph=True)
        got.append(t.autograd.grad(g, x, t.tensor(values[1] - 2j * values[0]))[0].resolve_conj().numpy())
    np.testing.assert_allclose(got[1], got[0], 1e-9, 1e-12)
