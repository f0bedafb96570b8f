"""torch.nn.init and torch.nn.utils against PyTorch's."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch
import torch.nn.utils.prune

import torchish

INITS = [
    ("uniform_", (-1, 2), {}), ("normal_", (1.0, 2.0), {}), ("trunc_normal_", (), {}), ("trunc_normal_", (0.0, 1.0, 3.0, 4.0), {}),
    ("constant_", (3,), {}), ("ones_", (), {}), ("zeros_", (), {}), ("eye_", (), {}), ("xavier_uniform_", (2.0,), {}),
    ("xavier_normal_", (), {}), ("kaiming_uniform_", (), {"mode": "fan_out", "nonlinearity": "relu"}), ("kaiming_normal_", (0.1,), {}),
    ("orthogonal_", (2.0,), {}), ("sparse_", (0.3,), {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "kwargs"), INITS, ids=lambda v: v if isinstance(v, str) else "")
@pytest.mark.parametrize("shape", [(7, 5), (3, 6)])
def test_initial_values(name, args, kwargs, shape):
    def run(t):
        t.manual_seed(5)
        p = t.nn.Parameter(t.empty(shape))
        got = getattr(t.nn.init, name)(p, *args, **kwargs)
        assert got is p and p.requires_grad and p.grad_fn is None
        return p.detach().numpy(), float(t.rand(()))

    (want, after), (got, mine) = run(torch), run(torchish)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    assert mine == after


def test_dirac_gain_and_errors():
    def run(t):
        i = t.nn.init
        seen = [i.dirac_(t.empty(6, 2, 3, 3), 2).numpy().tolist(), i.calculate_gain("leaky_relu", 0.2), i.calculate_gain("tanh")]
        for f in (
            lambda: i.calculate_gain("x"), lambda: i.calculate_gain("leaky_relu", True), lambda: i.xavier_uniform_(t.empty(3)),
            lambda: i.kaiming_normal_(t.empty(3, 3), mode="x"), lambda: i.eye_(t.empty(3)), lambda: i.dirac_(t.empty(3, 3)),
            lambda: i.dirac_(t.empty(3, 3, 3), 2), lambda: i.orthogonal_(t.empty(3)), lambda: i.sparse_(t.empty(3), 0.1),
        ):  # fmt: skip
            with pytest.raises(Exception) as e:
                f()
            seen.append((e.type, str(e.value)))
        return seen

    assert run(torchish) == run(torch)


def net(t):
    t.manual_seed(0)
    m = t.nn.Sequential(t.nn.Conv2d(2, 3, 3), t.nn.Flatten(), t.nn.Linear(12, 4))
    m(t.linspace(-1, 1, 64).reshape(2, 2, 4, 4)).pow(2).sum().backward()
    return m


@pytest.mark.parametrize("norm", [2.0, 1.0, float("inf")])
def test_clipping(norm):
    def run(t):
        m = net(t)
        total = t.nn.utils.clip_grad_norm_(m.parameters(), 0.5, norm)
        first = [p.grad.numpy().copy() for p in m.parameters()]
        t.nn.utils.clip_grad_value_(m.parameters(), 0.01)
        return [total.numpy(), *first, *(p.grad.numpy() for p in m.parameters())]

    for a, b in zip(run(torchish), run(torch), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_vector_round_trip_and_tied_memory():
    def run(t):
        m = net(t)
        v = t.nn.utils.parameters_to_vector(m.parameters())
        t.nn.utils.vector_to_parameters(v.detach() * 2, m.parameters())
        return v.detach().numpy(), m[2].bias.detach().numpy(), v.grad_fn.name()

    for a, b in zip(run(torchish)[:2], run(torch)[:2], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert run(torchish)[2] == run(torch)[2]


def changed(t, how):
    m = net(t)
    u = t.nn.utils
    layer = m[2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if how == "weight_norm_hook":
            u.weight_norm(layer)
        elif how == "spectral_norm_hook":
            u.spectral_norm(layer)
        elif how == "weight_norm":
            u.parametrizations.weight_norm(layer, dim=None)
        elif how == "spectral_norm":
            u.parametrizations.spectral_norm(m[0])
        elif how == "orthogonal":
            u.parametrizations.orthogonal(layer)
        elif how == "cayley":
            u.parametrizations.orthogonal(t.nn.Linear(3, 3), orthogonal_map="cayley")
            u.parametrizations.orthogonal(layer, orthogonal_map="cayley")
        elif how == "l1":
            u.prune.l1_unstructured(layer, "weight", 0.4)
            u.prune.ln_structured(layer, "weight", 1, 2, 0)
        elif how == "random":
            u.prune.random_unstructured(layer, "weight", 7)
            u.prune.random_structured(m[0], "weight", 1, 1)
        elif how == "global":
            u.prune.global_unstructured([(m[0], "weight"), (layer, "weight")], u.prune.L1Unstructured, amount=20)
    return m


HOW = ["weight_norm_hook", "spectral_norm_hook", "weight_norm", "spectral_norm", "orthogonal", "cayley", "l1", "random", "global"]


@pytest.mark.parametrize("how", HOW)
def test_reparametrized_modules(how):
    def run(t):
        m = changed(t, how)
        m.zero_grad()
        x = t.linspace(-1, 1, 64).reshape(2, 2, 4, 4)
        out = m(x)
        out.pow(2).sum().backward()
        m.eval()
        grads = [p.grad.numpy() for p in m.parameters()]
        return repr(m), list(m.state_dict()), [out.detach().numpy(), m(x).detach().numpy(), *grads]

    want, got = run(torch), run(torchish)
    assert got[:2] == want[:2]
    for a, b in zip(got[2], want[2], strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


def test_parametrize_assign_cache_remove():
    def run(t):
        P = t.nn.utils.parametrize

        class Symmetric(t.nn.Module):
            def forward(self, x):
                return x.triu() + x.triu(1).transpose(-1, -2)

            def right_inverse(self, a):
                return a.triu()

        t.manual_seed(0)
        layer = t.nn.Linear(3, 3)
        P.register_parametrization(layer, "weight", Symmetric())
        text = repr(layer)
        layer.weight = t.arange(9.0).reshape(3, 3)
        with P.cached():
            same = layer.weight is layer.weight
        copied = copy.deepcopy(layer).weight.detach().numpy().tolist()
        kinds = (P.is_parametrized(layer), P.is_parametrized(layer, "bias"), P.type_before_parametrizations(layer).__name__)
        P.remove_parametrizations(layer, "weight")
        return text, same, kinds, layer.weight.detach().numpy().tolist(), copied, repr(layer), type(layer).__name__

    assert run(torchish) == run(torch)


def test_fusion_and_functional_call():
    def run(t):
        t.manual_seed(0)
        conv, bn, linear = t.nn.Conv2d(2, 3, 3), t.nn.BatchNorm2d(3), t.nn.Linear(3, 3)
        x = t.linspace(-1, 1, 64).reshape(2, 2, 4, 4)
        bn(conv(x))
        fused = t.nn.utils.fuse_conv_bn_eval(conv.eval(), bn.eval())
        out = t.nn.utils.stateless._functional_call(linear, {"weight": t.ones(3, 3)}, t.ones(1, 3))
        return fused(x).detach().numpy(), out.detach().numpy(), repr(fused)

    want, got = run(torch), run(torchish)
    np.testing.assert_allclose(got[0], want[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got[1], want[1], rtol=1e-5)
    assert got[2] == want[2]


@pytest.mark.parametrize("kept", ["_orig _u _v", "_orig _u", "_orig", "_orig _u _v "])
def test_old_states_of_spectral_norm(kept):
    """From before version 1 they have the normalized weight in place of the vector v."""
    results = []
    for t in (torchish, torch):
        t.manual_seed(0)
        linear, x = t.nn.utils.spectral_norm(t.nn.Linear(3, 4)), t.ones(2, 3)
        linear(x)
        linear.eval()
        result = linear(x)
        now = dict(linear.state_dict())
        state = {"bias": now["bias"], **{"weight" + k: now["weight" + k] for k in kept.split()}}
        if kept != "_orig _u _v":
            state["weight"] = linear.weight.detach().clone()
        other = t.nn.utils.spectral_norm(t.nn.Linear(3, 4)).eval()
        try:
            other.load_state_dict(state)
            np.testing.assert_allclose(other(x).detach().numpy(), result.detach().numpy(), 1e-4, 1e-5)
            results.append(sorted(other.state_dict()))
        except RuntimeError as error:
            results.append(str(error))
    assert results[0] == results[1]
