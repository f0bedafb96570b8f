"""Long graphs run in pieces: few programs for all lengths, the same values, nothing kept alive for longer than it is needed."""

from __future__ import annotations

import jax
import numpy as np
import pytest
import torch as pytorch

import torchish as torch
from torchish import nn
from torchish.engine import drafts, pieces, program


@pytest.fixture(autouse=True)
def forget():
    program.evaluate_all()
    pieces.KNOWN.clear()
    pieces._STRETCHES.clear()
    pieces._LATEST.clear()
    program.CACHE.clear()


def compiled():
    """How many programs there have been, compiled or loaded."""
    return program.STATS.compiled + program.STATS.loaded


def train_on_sequences(lengths):
    """Losses of a GRU cell in a Python loop over sequences of these lengths."""
    torch.manual_seed(0)
    cell, head = nn.GRUCell(5, 7), nn.Linear(7, 3)
    optimizer = torch.optim.Adam([*cell.parameters(), *head.parameters()], lr=0.01)
    losses = []
    for length in lengths:
        x, h = torch.randn(length, 2, 5), torch.zeros(2, 7)
        optimizer.zero_grad()
        for i in range(length):
            h = cell(x[i], h)
        losses.append(head(h).square().sum())
        losses[-1].backward()
        optimizer.step()
    return [loss.item() for loss in losses]


def test_lengths_share_programs_and_values_are_those_of_the_whole(monkeypatch):
    monkeypatch.setattr(drafts, "RUNS", 1000)
    lengths = [9, 5, 12, 7, 6, 11, 5]
    before = compiled()
    got = train_on_sequences(lengths)
    some = compiled() - before
    train_on_sequences([13, 14, 15])
    assert compiled() - before - some <= 3  # a new length's own program takes its steps out of the input, and nothing else
    monkeypatch.setattr(pieces, "plan", lambda nodes, outputs: None)
    program.CACHE.clear()
    np.testing.assert_allclose(got, train_on_sequences(lengths), rtol=2e-5)


def test_too_few_repetitions_are_made_of_known_stretches(monkeypatch):
    train_on_sequences([9, 8])
    sizes = watch_sizes(monkeypatch)
    got = train_on_sequences([9, 8, 4, 3])
    assert max(sizes, default=0) < pieces.SMALLEST, sizes
    monkeypatch.setattr(pieces, "plan", lambda nodes, outputs: None)
    program.CACHE.clear()
    np.testing.assert_allclose(got, train_on_sequences([9, 8, 4, 3]), rtol=2e-5)
    assert max(sizes) > 2 * pieces.SMALLEST


def test_known_stretches_are_bounded():
    """Also those that begin alike; nothing is held of those that are too short."""
    for i in range(2 * pieces.MOST_STRETCHES):
        pieces._learn_stretch((7, i, *range(pieces.SHORTEST)))
    assert 0 < sum(map(len, pieces._STRETCHES.values())) <= pieces.MOST_STRETCHES
    pieces._STRETCHES.clear()
    pieces._learn_stretch((8, 0))
    assert not pieces._STRETCHES


def test_equal_layers_are_one_program(monkeypatch):
    """Also behind a sum that looks like the one at a layer's end, but takes other shapes."""
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 9), nn.GELU(), nn.Linear(9, 8), nn.Tanh(), nn.Linear(8, 8)) for _ in range(6)]
    x, position = torch.randn(1, 5, 8), torch.randn(5, 8)
    torch.optim.SGD([p for layer in layers for p in layer.parameters()])  # what is pending runs
    sizes = watch_sizes(monkeypatch)
    with torch.no_grad():
        x = x.exp() + position
        for layer in layers:
            x = x + layer(x)
    assert np.isfinite(x.sum().item())
    assert len(sizes) <= 3, sizes


def watch_sizes(monkeypatch):
    """A list of the lengths of the graphs that are compiled from now on."""
    sizes, build = [], program._build
    monkeypatch.setattr(program, "_build", lambda nodes, *rest: sizes.append(len(nodes)) or build(nodes, *rest))
    return sizes


def test_steps_share_what_follows_the_update(monkeypatch):
    """The first three steps differ in what makes and updates the optimizer's state; the rest is compiled once."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.LayerNorm(16), nn.Linear(16, 12), nn.Tanh(), nn.Linear(12, 4))
    x, y = torch.randn(6, 8), torch.randint(0, 4, (6,))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    sizes = watch_sizes(monkeypatch)
    for _ in range(6):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
    loss.item()
    assert len(sizes) == 4 and max(sizes) < 30, sizes  # forward, backward, two kinds of updates


def test_what_follows_a_start_of_changing_shape_is_known(monkeypatch):
    """A text that grows, of which a network sees the last letters."""
    weight = torch.rand(4, 4)
    weight.sum().item()

    def last(text):
        x = text[-4:]
        for f in (torch.sin, torch.cos, torch.tanh, torch.exp, torch.sigmoid, torch.atan, torch.asinh, torch.log1p, torch.erf):
            x = f(x) @ weight
        return x.sum().item()

    for n in (5, 6):
        last(torch.cat([torch.ones(n - 1), torch.zeros(1)]))
    sizes = watch_sizes(monkeypatch)
    for n in (7, 8, 9):
        last(torch.cat([torch.ones(n - 1), torch.zeros(1)]))
    assert max(sizes) < 8, sizes


def test_updates_are_compiled_once_for_all_shapes(monkeypatch):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.LayerNorm(16), nn.Linear(16, 12), nn.Tanh(), nn.Linear(12, 4))
    optimizer, sizes, build = torch.optim.Adam(net.parameters()), [], program._build
    monkeypatch.setattr(program, "_build", lambda nodes, *rest: sizes.append([e.spec.name for e in nodes]) or build(nodes, *rest))
    for n in (6, 7, 5, 9, 8):
        x, y = torch.ones(n, 8), torch.zeros(n, dtype=torch.long)
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    assert len([names for names in sizes if "Adam.step" in names]) == 1


def test_a_step_becomes_one_program_in_the_end(monkeypatch):
    monkeypatch.setattr(pieces, "FEW_RUNS", 3)
    monkeypatch.setattr(drafts, "RUNS", 4)
    monkeypatch.setattr(drafts, "_MOST", 1)
    w = torch.ones(4, requires_grad=True)
    velocity = None
    runs = []
    for _ in range(12):
        before = program.STATS.runs
        loss = w
        for f in (torch.sin, torch.cos, torch.tanh, torch.exp, torch.sigmoid, torch.atan, torch.asinh, torch.log1p, torch.erf):
            loss = f(loss)
        loss.sum().backward()
        with torch.no_grad():
            velocity = w.grad.clone() if velocity is None else velocity * 0.9 + w.grad
            w -= 0.1 * velocity
            w.grad = None
        runs.append(program.STATS.runs - before)
    assert runs[0] == 2 and runs[3] == 3 and runs[-1] == 2, runs


def test_an_unread_loop_runs_in_equal_pieces():
    """Chunks that end within a repetition would be another program at each phase."""
    x, z = torch.rand(5), torch.ones(5)
    before = compiled()
    for _ in range(3000):
        z = torch.sin(z * x) + 0.5 - x / 3
    z.sum().item()
    assert compiled() - before <= 10


def test_what_keeps_running_in_pieces_is_kept():
    """The programs that were used longest ago are given up first; those of pieces are held by the graph that they are of."""

    def run():
        h = torch.ones(4)
        for _ in range(60):
            h = (h * 0.9).sin()
        return h.tolist()

    found = [run() for _ in range(drafts.RUNS + 3)]
    (torch.ones(5) * 2 + 1).tolist()
    found.append(run())
    last = next(reversed(program.CACHE.values()))
    assert type(last) is pieces.Pieces and last.steps is not None
    assert all(values == found[0] for values in found)


def test_values_between_pieces_are_freed(monkeypatch):
    run, held = program._run, []

    def watching(nodes, device, whole=False):
        result = run(nodes, device, whole)
        held.append(sum(a.shape == (999,) for a in jax.live_arrays()))
        return result

    monkeypatch.setattr(program, "_run", watching)
    x = torch.ones(999)
    for _ in range(100):
        x = torch.sin(x * 1.5) + x
    x.sum().item()
    assert len(held) >= 5 and max(held) <= 4, held


def test_an_error_in_a_piece_leaves_the_rest_to_be_run(monkeypatch):
    x = torch.ones(3)
    for _ in range(60):
        x = torch.sin(x * 1.5) + x
    run, calls = program._run, []

    def failing(nodes, device, whole=False):
        calls.append(whole)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return run(nodes, device, whole)

    monkeypatch.setattr(program, "_run", failing)
    with pytest.raises(KeyboardInterrupt):
        x.tolist()
    monkeypatch.setattr(program, "_run", run)
    want = torch.ones(3)
    for _ in range(60):
        want = torch.sin(want * 1.5) + want
    assert x.tolist() == want.tolist()


def test_what_a_gradient_needs_outlives_the_pieces():
    grads = []
    for library in (torch, pytorch):
        x = library.linspace(0.5, 1, 4).requires_grad_()
        y = x
        for _ in range(40):
            y = library.nn.functional.leaky_relu_(y * x - 0.1, 0.2)  # what it takes is nowhere else
        assert y.sum().item() < 0
        y.sum().backward()
        grads.append(x.grad.tolist())
    assert grads[0] == pytest.approx(grads[1], rel=1e-5)


def steps_with_transposed_weights(library, w, bias, n):
    """A loop whose steps use a transposed matrix, and whose gradients do."""
    h, x = library.zeros(2, 11), library.ones(2, 2)
    for _ in range(n):
        h = library.tanh(library.addmm(bias, library.cat([h, x], 1), w.t()))
    return h


def test_views_of_what_is_there_are_made_again_in_each_piece():
    """They are no results of pieces, which would write the same transposed matrix once for each step."""
    grads = []
    for library in (torch, pytorch):
        w, bias = library.linspace(-0.5, 0.5, 143).reshape(11, 13).requires_grad_(), library.linspace(0, 1, 11)
        steps_with_transposed_weights(library, w, bias, 60).sum().backward()
        grads.append(w.grad.tolist())
    assert any(type(how) is pieces.Pieces and any(how.again) for how in program.CACHE.values())
    made = [a for p in program.CACHE.values() if type(p) is not pieces.Pieces for a in getattr(p, "program", p).out_avals]
    assert made and not any(getattr(a, "shape", None) == (13, 11) for a in made)
    np.testing.assert_allclose(grads[0], grads[1], rtol=1e-4, atol=1e-6)


VIEWS = {
    "t": lambda w: w.t(), "mT": lambda w: w.mT, "permute": lambda w: w.permute(1, 0), "reshape": lambda w: w.reshape(121).view(11, 11),
    "twice": lambda w: w.t().t(), "unsqueeze": lambda w: w.unsqueeze(0).squeeze(0),
}  # fmt: skip


def loop_with_one_view(library, view, then):
    """A state of the weights' shape, which could take over their memory, after steps that share one view of them."""
    w = (library.arange(121.0).reshape(11, 11) * 0.01).sin()
    w.sum().item()  # an array of our own
    p = library.nn.Parameter(w) if then in ("mul_", "rebind") else w
    del w
    v, h = view(p), library.zeros(11, 11)
    if then == "drop":
        del p
    for _ in range(60):
        h = library.tanh(h @ v) + 0.1
    if then == "mul_":
        p.data.mul_(0.5)
        p.sum().item()
    elif then == "rebind":
        p.data = p.data * 0.5
    s = h.sum()
    del v
    found = [s.item()]
    if then == "rebind":
        s.backward()
        found.append(p.grad.sum().item())
    return found


@pytest.mark.parametrize("then", ["drop", "keep", "mul_", "rebind"])
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_no_piece_takes_over_what_a_later_one_sees_through_a_view(view, then):
    for _ in range(3):
        assert loop_with_one_view(torch, view, then) == pytest.approx(loop_with_one_view(pytorch, view, then), rel=1e-4)


@pytest.mark.parametrize("when", [2, 3, 4])
@pytest.mark.parametrize("after", [False, True])
def test_an_error_leaves_the_views_that_later_pieces_make(monkeypatch, when, after):
    w, bias = torch.linspace(-0.5, 0.5, 143).reshape(11, 13), torch.linspace(0, 1, 11)
    want = steps_with_transposed_weights(torch, w, bias, 60).tolist()
    h = steps_with_transposed_weights(torch, w + 0, bias, 60)
    run, calls = program._run, []

    def failing(nodes, device, whole=False):
        calls.append(whole)
        if len(calls) == when and not after:
            raise KeyboardInterrupt
        result = run(nodes, device, whole)
        if len(calls) == when:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(program, "_run", failing)
    with pytest.raises(KeyboardInterrupt):
        h.tolist()
    monkeypatch.setattr(program, "_run", run)
    assert h.tolist() == want
