"""Recurrent layers, cells and packing against PyTorch's: outputs, states, gradients, names."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import torchish

CASES = [
    ("RNN", {}), ("RNN", {"nonlinearity": "relu", "num_layers": 2, "bidirectional": True}), ("LSTM", {"batch_first": True}),
    ("LSTM", {"num_layers": 2, "bidirectional": True, "proj_size": 2}), ("LSTM", {"bias": False}), ("GRU", {"num_layers": 2}),
    ("GRU", {"bidirectional": True, "batch_first": True}), ("LSTM", {"num_layers": 3, "dropout": 0.4}),
]  # fmt: skip


def outcome(t, name, kwargs, packed):
    t.manual_seed(3)
    net = getattr(t.nn, name)(3, 4, **kwargs)
    x = t.tensor(np.random.default_rng(0).standard_normal((5, 2, 3)).astype("f"), requires_grad=True)
    inputs = x.transpose(0, 1) if kwargs.get("batch_first") else x
    if packed:
        inputs = t.nn.utils.rnn.pack_padded_sequence(inputs, [3, 5], kwargs.get("batch_first", False), enforce_sorted=False)
    out, state = net(inputs)
    if packed:
        name_of = out.data.grad_fn.name()
        out, lengths = t.nn.utils.rnn.pad_packed_sequence(out, batch_first=True, padding_value=-1.0, total_length=6)
        assert lengths.tolist() == [3, 5]
    else:
        name_of = out.grad_fn.name()
    states = state if isinstance(state, tuple) else (state,)
    sum((s.sin() * (i + 2)).sum() for i, s in enumerate((out, *states))).backward()
    values = [v.detach().numpy() for v in (out, *states, x.grad, *(p.grad for p in net.parameters()))]
    return values, name_of, [s.grad_fn.name() for s in states], float(t.rand(()))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=lambda v: v if isinstance(v, str) else "")
def test_layers(name, kwargs, packed):
    want, got = outcome(torch, name, kwargs, packed), outcome(torchish, name, kwargs, packed)
    for a, b in zip(got[0], want[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    if not packed:
        assert got[1:3] == want[1:3]
    assert got[3] == want[3]


@pytest.mark.parametrize(("name", "kwargs"), [CASES[0], CASES[3], CASES[6]], ids=lambda v: v if isinstance(v, str) else "")
def test_second_order(name, kwargs):
    def gradients(t):
        t.manual_seed(0)
        net = getattr(t.nn, name)(3, 4, dtype=t.float64, **kwargs)
        inputs = [t.randn(5, 2, 3, dtype=t.float64).requires_grad_(), *net.parameters()]
        first = t.autograd.grad(net(inputs[0])[0].square().sum(), inputs, create_graph=True)
        return first + t.autograd.grad(sum((g**3).sum() for g in first), inputs)

    for theirs, ours in zip(gradients(torch), gradients(torchish), strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-9, atol=1e-12)


def test_gradients_per_sample_and_forward():
    net = torchish.nn.GRU(3, 4, batch_first=True)
    weights, x = dict(net.named_parameters()), torchish.randn(3, 5, 3)
    func = torchish.func

    def loss(weights, x):
        return func.functional_call(net, weights, (x,))[0].square().sum()

    each = func.vmap(lambda x: func.grad(loss)(weights, x[None]))(x)
    whole = func.grad(loss)(weights, x)
    _, along = func.jvp(lambda w: loss(weights | {"weight_hh_l0": w}, x), (weights["weight_hh_l0"],), (torchish.ones(12, 4),))
    for name in weights:
        torchish.testing.assert_close(each[name].sum(0), whole[name], rtol=1e-4, atol=1e-5)
    torchish.testing.assert_close(along, whole["weight_hh_l0"].sum(), rtol=1e-4, atol=1e-5)


def test_unbatched_and_given_state():
    def run(t):
        t.manual_seed(0)
        net, cell = t.nn.LSTM(3, 4), t.nn.LSTMCell(3, 4)
        x, h, c = t.ones(5, 3), t.full((1, 4), 0.5), t.full((1, 4), -0.5)
        out, (h1, c1) = net(x, (h, c))
        h2, c2 = cell(x[0], (h[0], c[0]))
        g = t.nn.GRUCell(3, 4)(x)
        r = t.nn.RNNCell(3, 4, nonlinearity="relu")(x, g.detach())
        return [v.detach().numpy() for v in (out, h1, c1, h2, c2, g, r)], [v.grad_fn.name() for v in (out, h1, h2, c2, g, r)]

    want, got = run(torch), run(torchish)
    for a, b in zip(got[0], want[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert got[1] == want[1]


def test_packing_text_and_lists():
    def run(t):
        u = t.nn.utils.rnn
        a, b, c = t.arange(6.0).reshape(3, 2), t.arange(8.0).reshape(4, 2), t.ones(1, 2)
        packed = u.pack_sequence([a, b, c], enforce_sorted=False)
        padded = u.pad_sequence([a, b, c], padding_value=-1.0, padding_side="left")
        return (
            str(packed), str(padded), str(u.unpack_sequence(packed)), str(u.pad_sequence([a, b], batch_first=True)),
            str(packed.to(t.float64).data.dtype), str(u.invert_permutation(t.tensor([2, 0, 1]))),
        )  # fmt: skip

    assert run(torchish) == run(torch)


@pytest.mark.parametrize("lengths", [[2, 3], [3, 0], [3]])
def test_packing_errors(lengths):
    def run(t):
        try:
            t.nn.utils.rnn.pack_padded_sequence(t.zeros(5, 2, 3), t.tensor(lengths))
        except Exception as e:
            return type(e), str(e)
        return None

    assert run(torchish) == run(torch)


def test_length_does_not_change_the_size_of_the_program():
    from torchish.ops.rnn import rnn

    spec = rnn.spec(("T", "T", "N", 4, 0, "N"), ("GRU", True, False, False))
    import jax

    sizes = []
    for n in (3, 300):
        args = [np.zeros(s, "f") for s in ((n, 2, 3), (1, 2, 4), (12, 3), (12, 4), (12,), (12,))]
        sizes.append(str(jax.make_jaxpr(spec.run)(*args)).count("="))
    assert sizes[0] == sizes[1]


def test_batches_of_packed_sequences_share_the_layers_program():
    """Lengths differ from batch to batch; the recurrent layers, forward and backward, are compiled once for all of them."""
    from torchish.engine import program

    layers = torchish.nn.LSTM(3, 4, 2, bidirectional=True)
    build, compiled = program._build, []

    def watching(nodes, *rest):
        compiled.extend(e.spec.name for e in nodes)
        return build(nodes, *rest)

    program._build = watching
    try:
        for lengths in ([7, 5, 2], [8, 6, 1], [5, 5, 5], [6, 2, 2]):
            packed = torchish.nn.utils.rnn.pack_padded_sequence(torchish.randn(max(lengths), 3, 3), torchish.tensor(lengths))
            output, (h, _) = layers(packed)
            (h.sum() + output.data.square().sum()).backward()
    finally:
        program._build = build
    assert compiled.count("_rnn") == 1 and compiled.count("_rnn_backward") == 1


@pytest.mark.parametrize("lengths", [[1], [2, 1], [1, 3], [3, 3, 2]])
def test_short_packed_sequences(lengths):
    def run(t):
        t.manual_seed(0)
        layers = t.nn.LSTM(2, 3, 2, bidirectional=True)
        x = t.randn(max(lengths), len(lengths), 2)
        output, (h, _) = layers(t.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False))
        return output.data.detach().numpy(), h.detach().numpy()

    for ours, theirs in zip(run(torchish), run(torch), strict=True):
        np.testing.assert_allclose(ours, theirs, 1e-5, 1e-6)
