"""Programs are drafts at first: the same values, and compiled with care once they stay."""

from __future__ import annotations

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchish as torch
from torchish.engine import drafts, pieces, program
from torchish.engine import work as estimate


@pytest.fixture
def built(monkeypatch):
    """Whether each graph that is compiled, or loaded, is a draft."""
    program.CACHE.clear()
    pieces._LATEST.clear()
    found, build = [], program._build

    def watching(*args):
        made = build(*args)
        found.append(made.draft_runs > 0)
        return made

    monkeypatch.setattr(program, "_build", watching)
    return found


def spread(x):
    return ((x - x.mean(0)).exp().cumsum(0) / (1 + x.abs())).sum().item()


def numpy_spread(x):
    return (np.exp(x - x.mean(0)).cumsum(0) / (1 + np.abs(x))).sum()


def test_new_shapes_are_drafts_with_the_same_values(built):
    rows = [torch.arange(3.0 * n).reshape(n, 3).sin() for n in (4, 7, 5, 9, 4)]
    del built[:]
    for x in rows:
        np.testing.assert_allclose(spread(x), numpy_spread(np.asarray(x)), rtol=1e-5)
    assert built == [True] * 4


def test_gradients_of_drafts(built):
    for n in (4, 7, 5, 9):
        x = torch.linspace(-1, 1, n, requires_grad=True)
        ((x * 3).tanh() ** 2).sum().backward()
        t = np.tanh(3 * np.linspace(-1, 1, n))
        np.testing.assert_allclose(x.grad.numpy(), 6 * t * (1 - t * t), rtol=1e-4, atol=1e-6)
    assert built and all(built)


def test_a_draft_that_stays_is_compiled_with_care(built, monkeypatch):
    monkeypatch.setattr(drafts, "RUNS", 5)
    monkeypatch.setattr(drafts, "_MOST", 1)
    x = torch.arange(12.0).reshape(4, 3).sin()
    x.sum().item()
    del built[:]
    values = []
    for _ in range(12):
        values.append(spread(x))
        assert len(built) == 1 + (len(values) > 6)
    np.testing.assert_allclose(values, numpy_spread(np.asarray(x)), rtol=1e-5)
    assert built == [True, False]


def test_a_loop_in_pieces_waits_for_its_drafts(built, monkeypatch):
    """A training step that is an update and a known rest is compiled with care once: as one program."""
    monkeypatch.setattr(drafts, "RUNS", 8)
    monkeypatch.setattr(drafts, "_MOST", 1)
    monkeypatch.setattr(pieces, "FEW_RUNS", 3)
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.LayerNorm(16), torch.nn.Linear(16, 4))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    x, losses = torch.randn(6, 8), []
    del built[:]
    for _ in range(30):
        optimizer.zero_grad()
        losses.append(net(x).square().mean())
        losses[-1].backward()
        optimizer.step()
    assert losses[-1].item() < losses[0].item()
    assert built.count(False) == 1, built


def test_what_computes_much_is_no_draft(built):
    n = drafts.WORK
    many = torch.ones(4 * n)
    (many + 1).sum().item()
    torch.conv2d(torch.ones(1, 3, 40, 40), torch.ones(64, 3, 11, 11)).sum().item()  # few results of many products
    torch.ones(300, 300, dtype=torch.long).mm(torch.ones(300, 300, dtype=torch.long)).sum().item()
    many.to(torch.float64).numpy()  # little to compute, many to write
    torch.zeros(3, 2 * n).numpy()
    assert built[-5:] == [False] * 5
    torch.ones(2, 300).mm(torch.ones(300, 90)).sum().item()  # a library's
    assert built[-1] is True


def test_captured_steps_are_no_drafts(built):
    step = torch.compile(lambda x: (x.exp() + 1).sum(), fullgraph=True)
    del built[:]
    for n in (3, 8, 6):
        step(torch.ones(n))
    assert built.count(False) == 3


def test_work_counts_what_is_computed():
    def work(f, *shapes):
        return estimate.work(jax.make_jaxpr(f)(*[jnp.zeros(shape) for shape in shapes]).jaxpr)

    assert work(lambda x: x + 1, (5, 4)) == 20
    assert work(jnp.sum, (5, 4)) == 20
    assert work(lambda x: x[2], (5, 4)) <= 16
    assert work(jnp.matmul, (5, 4), (4, 6)) == 30
    assert work(jax.jit(lambda x: jax.lax.scan(lambda c, r: (c + r, r), x[0], x)[0]), (5, 4)) <= 5 * 4 * 2
    assert work(lambda x: jax.lax.while_loop(lambda x: x.sum() < 9, lambda x: x + 1, x), (2,)) == float("inf")
    assert 7 <= work(lambda x: jax.lax.cond(x[0] > 0, jnp.sin, lambda x: x, x), (7,)) <= 20
    assert 100 < work(jnp.sort, (100,)) < 1e4
    assert 1000 < work(lambda x: jax.lax.erf_inv(x), (100,)) < 1e4


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


def test_tiny_drafts_stay_longer(built, monkeypatch):
    monkeypatch.setattr(drafts, "RUNS", 2)
    assert drafts.runs(10, 1) == 2 * drafts._MOST and drafts.runs(drafts.WORK, 1) == 2 and drafts.runs(drafts.WORK + 1, 1) == 0
    x = torch.ones(3)
    del built[:]
    for _ in range(2 * drafts._MOST + 2):
        (x + 1).tolist()
    assert built == [True, False]


def test_deterministic_algorithms_do_without(built):
    x = torch.arange(12.0).reshape(4, 3).sin()
    spread(x)
    assert all(built)
    torch.use_deterministic_algorithms(True)
    try:
        spread(x)
        assert built[-1] is False
    finally:
        torch.use_deterministic_algorithms(False)


def run(code, **environment):
    result = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "JAX_PLATFORMS": "cpu", **environment}, capture_output=True, text=True, check=True
    )
    return result.stdout.split()


def test_what_is_on_disk_changes_no_numbers(tmp_path):
    """Also when a captured step, which is compiled with care, has left the same program there."""
    code = """
import torchish as torch
torch.manual_seed(0)
x = torch.randn(8, 32)
f = lambda: torch.nn.functional.cross_entropy(x, torch.arange(8))
if {captured}:
    torch.compile(f, fullgraph=True)()
print(f().item().hex(), torch.nn.functional.layer_norm(x, (32,)).sum().item().hex())
"""
    alone = run(code.format(captured=False), TORCHISH_CACHE_DIR=str(tmp_path / "a"))
    assert run(code.format(captured=False), TORCHISH_CACHE_DIR=str(tmp_path / "a")) == alone
    run(code.format(captured=True), TORCHISH_CACHE_DIR=str(tmp_path / "b"))
    assert run(code.format(captured=False), TORCHISH_CACHE_DIR=str(tmp_path / "b")) == alone


@pytest.mark.parametrize(
    ("flags", "before", "expected"),
    [
        ("", "", "0"),
        ("--xla_force_host_platform_device_count=2", "", "0"),
        ("--xla_backend_extra_options=-fast-isel=false", "", "0"),
        ("--xla_backend_extra_options=-time-passes=false", "", "1"),  # the user's own are left alone
        ("", "import jax", "0"),
        ("", "import jax; jax.devices()", "1"),  # XLA has read its flags
    ],
)
def test_code_is_written_without_optimizations_where_xla_can_be_told_how(flags, before, expected):
    code = f"""
{before}
import os
import torchish as torch
from torchish.engine import compiling
assert (torch.ones(3) + 1).tolist() == [2, 2, 2]
print(compiling._DRAFT["xla_backend_optimization_level"], os.environ.get("XLA_FLAGS", ""))
"""
    level, *told = run(code, XLA_FLAGS=flags)
    assert level == expected
    assert set(flags.split()) <= set(told)
    assert ("--xla_backend_extra_options=-fast-isel=false" in told) == (expected == "0")
