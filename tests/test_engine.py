"""The engine: how many programs a loop takes, what is donated, what memory does, and that laziness is invisible."""

from __future__ import annotations

import gc
import math
import os
import subprocess
import sys
import threading
import tracemalloc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchish as torch
from torchish import nn
from torchish._compile import step
from torchish.engine import capture, disk_cache, drafts, expr, pieces, policy, program
from torchish.nn import functional as F


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(-1, 400)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(8, 16), nn.Linear(16, 4)

    def forward(self, x):
        return self.fc2(torch.tanh(self.fc1(x)))


def programs() -> int:
    """Programs built so far in this process, compiled or loaded."""
    return program.STATS.compiled + program.STATS.loaded


def train(model, steps: int, read: str, shape=(4, 3, 32, 32), classes: int = 10, lr_of=None):
    """The seed's training loop; returns the losses that it read."""
    opt = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    losses, running = [], 0.0
    for i in range(steps):
        x, y = torch.randn(*shape), torch.randint(0, classes, (shape[0],))
        if lr_of is not None:
            opt.param_groups[0]["lr"] = lr_of(i)
        opt.zero_grad()
        loss = criterion(model(x), y)
        if read == "before backward":
            losses.append(loss.item())
        loss.backward()
        if read == "before step":
            losses.append(loss.item())
        opt.step()
        if read == "after step":
            losses.append(loss.item())
        if read == "accumulated":
            running = running + loss.detach()
    if read == "accumulated":
        losses.append(float(running))
    return losses


READS = ["before backward", "before step", "after step", "accumulated", "never"]


@pytest.mark.parametrize("read", READS)
def test_a_loop_compiles_a_constant_number_of_programs(read):
    torch.manual_seed(0)
    model = Tiny()
    train(model, drafts.RUNS + pieces.FEW_RUNS + 4, read, (4, 8), 4)
    before = programs()
    train(model, 30, read, (4, 8), 4)
    # a new optimizer starts without momentum buffers, so its first steps differ; nothing after them does
    assert programs() - before <= 2
    before = programs()
    train(model, 60, read, (4, 8), 4)
    assert programs() - before <= 1


def test_a_step_of_the_loop_is_two_programs():
    torch.manual_seed(0)
    model = Tiny()
    train(model, 5, "after step", (4, 8), 4)
    before = program.STATS.runs
    train(model, 40, "after step", (4, 8), 4)
    assert program.STATS.runs - before <= 82


def test_a_large_step_of_the_loop_is_one_program():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(600, 600), nn.ReLU(), nn.Linear(600, 700), nn.ReLU(), nn.Linear(700, 4))
    train(model, pieces.FEW_RUNS + 4, "after step", (8, 600), 4)
    before = program.STATS.runs
    train(model, 40, "after step", (8, 600), 4)
    assert program.STATS.runs - before <= 42


def test_a_large_step_is_one_program_though_a_small_one_began_and_ended_alike():
    def net(width):
        wide = [nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 64), nn.ReLU()]
        return nn.Sequential(nn.Flatten(), *wide, nn.Linear(64, 4))

    torch.manual_seed(0)
    train(net(16), 2, "after step", (8, 8, 8), 4)
    model = net(900)
    train(model, pieces.FEW_RUNS + 4, "after step", (8, 8, 8), 4)
    before = program.STATS.runs
    train(model, 40, "after step", (8, 8, 8), 4)
    assert program.STATS.runs - before <= 42


def test_numbers_are_inputs_of_programs():
    torch.manual_seed(0)
    model = Tiny()
    train(model, 6, "after step", (4, 8), 4)
    before = programs()
    train(model, 30, "after step", (4, 8), 4, lr_of=lambda i: 0.1 / (i + 1))
    x = torch.arange(12.0).reshape(3, 4)
    for i in range(3):
        for j in range(4):
            assert x[i, j].item() == 4 * i + j
            (x * (1.5 + i) + j).tolist()
    assert programs() - before <= 6


@pytest.mark.parametrize("read", READS)
def test_where_the_loss_is_read_changes_nothing(read):
    results = []
    for where in (read, "after step"):
        torch.manual_seed(3)
        model = Tiny()
        train(model, 10, where, (4, 8), 4)
        results.append(model.fc1.weight.detach().numpy().copy())
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6, atol=1e-7)


def test_lazy_and_eager_agree():
    got = []
    for eager in (False, True):
        previous, expr.EAGER = expr.EAGER, eager
        try:
            torch.manual_seed(1)
            model = LeNet()
            losses = train(model, 3, "after step")
            got.append((losses, [p.detach().numpy().copy() for p in model.parameters()]))
        finally:
            expr.EAGER = previous
    np.testing.assert_allclose(got[0][0], got[1][0], rtol=1e-5)
    for a, b in zip(got[0][1], got[1][1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_eager_mode_runs_each_operation_at_once():
    previous, expr.EAGER = expr.EAGER, True
    try:
        before, pending = program.STATS.runs, len(expr.LOCAL.pending)
        x = torch.ones(3) + 1
        x = x * 2
        assert program.STATS.runs - before == 2
        assert len(expr.LOCAL.pending) == pending
        assert x.tolist() == [4.0, 4.0, 4.0]
    finally:
        expr.EAGER = previous


def test_dead_work_is_never_run():
    x = torch.ones(3)
    program.evaluate_all()
    before = program.STATS.nodes
    y = x + 1
    for _ in range(10):
        y * 3
    assert y.tolist() == [2.0, 2.0, 2.0]
    assert program.STATS.nodes - before == 1


def test_a_read_runs_only_what_it_needs():
    a, b = torch.ones(3), torch.ones(3)
    p, q = a + 1, b * 5
    program_nodes = program.STATS.nodes
    p.tolist()
    assert program.STATS.nodes - program_nodes == 1
    assert q.tolist() == [5.0, 5.0, 5.0]


def test_dead_buffers_are_donated():
    x = torch.ones(512, 512)
    x = x * 1.0
    x.tolist()
    pointers = set()
    for _ in range(4):
        x = x * 0.5
        program.evaluate_all()
        pointers.add(x._read().value.unsafe_buffer_pointer())
    assert len(pointers) == 1


def test_new_values_of_parameters_and_momentum_take_over_the_old_ones_buffers(monkeypatch):
    """Gradients have the same shapes, and are there before the old values have been read for the last time."""
    takeovers, seen = program.takeovers, []

    def watching(nodes, outputs, dead):
        pairs = takeovers(nodes, outputs, dead)
        step = next((e for e in nodes if e.spec.name == "SGD.step"), None)
        if step is not None:
            place = {id(x): i for i, x in enumerate(step.inputs)}
            seen.append({(place.get(id(dead[n])), outputs[i].spec.name) for n, i in pairs})
        return pairs

    monkeypatch.setattr(program, "takeovers", watching)
    net = nn.Sequential(*[nn.Linear(7, 7, bias=False) for _ in range(3)])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    x = torch.randn(2, 7)

    @torch.compile(fullgraph=True)
    def step():
        optimizer.zero_grad()
        net(x).square().sum().backward()
        optimizer.step()

    for _ in range(3):
        step()
    places = [*range(3), *range(6, 9)]  # of the parameters and of the momentum, around the gradients
    assert seen[-1] == {(i, f"projection{k}") for k, i in enumerate(places)}


def test_a_forward_pass_keeps_no_transposed_weights():
    layer = nn.Linear(11, 13)
    for _ in range(2):
        y = layer(layer(torch.randn(3, 11))[:, :11]).tanh()
        program.evaluate_all()
        kept = {a.shape for a in next(reversed(program.CACHE.values())).program.out_avals}
        assert (13, 11) not in kept and (11, 13) not in kept and (3, 13) in kept
        y.sum().backward()
        assert layer.weight.grad.shape == (13, 11)


def test_a_view_that_stays_pending_shows_the_values_of_its_time():
    x = torch.randn(3, 4)
    x.tolist()
    y = x.t()
    z = y + 1
    z.tolist()
    seen = y.tolist()
    x.add_(1)
    assert y.tolist() == (np.asarray(seen) + 1).astype("f").tolist() and z.tolist() == (np.asarray(seen) + 1).astype("f").tolist()


def test_a_buffer_that_was_handed_out_is_never_donated():
    x = torch.ones(64, 64) * 1.0
    array = x.jax()
    for _ in range(3):
        x = x + 1
        program.evaluate_all()
    np.testing.assert_array_equal(np.asarray(array), np.ones((64, 64), np.float32))


def test_the_program_cache_is_bounded(monkeypatch):
    monkeypatch.setattr(program, "CACHE_SIZE", 8)
    for n in range(1, 20):
        (torch.ones(n) + 1).tolist()
    assert program.program_count() <= 8


def test_the_pending_list_is_bounded():
    x = torch.ones(2)
    for _ in range(policy.LIMIT + 500):
        x = x * 1.0001
    assert len(expr.LOCAL.pending) <= policy.LIMIT + 1
    assert x[0].item() == pytest.approx(1.0001 ** (policy.LIMIT + 500), rel=1e-3)


@pytest.mark.parametrize("steps", [int(os.environ.get("TORCHISH_TEST_STEPS", "1500"))])
def test_memory_is_flat_over_many_steps(steps):
    """`TORCHISH_TEST_STEPS=20000` runs the long form."""
    torch.manual_seed(0)
    model = Tiny()
    train(model, 50, "after step", (4, 8), 4)
    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        train(model, 50, "after step", (4, 8), 4)
        start = tracemalloc.get_traced_memory()[0]
        arrays = len(jax.live_arrays())
        cached = program.program_count()
        train(model, steps, "after step", (4, 8), 4)
        grown = tracemalloc.get_traced_memory()[0] - start
    finally:
        tracemalloc.stop()
        gc.enable()
    assert grown < 300_000
    assert len(jax.live_arrays()) <= arrays + 40
    assert program.program_count() <= cached + 4
    assert len(expr.LOCAL.pending) < policy.LIMIT


def test_threads_that_make_avals_at_once_number_them_differently(monkeypatch):
    """Their numbers stand for them in the keys of programs."""
    meeting = threading.Barrier(2, timeout=60)
    struct = jax.ShapeDtypeStruct

    def wait_for_the_other(*args):
        meeting.wait()
        return struct(*args)

    monkeypatch.setattr(jax, "ShapeDtypeStruct", wait_for_the_other)
    made: list = []
    threads = [threading.Thread(target=lambda n=n: made.append(expr.aval((n, 12345), np.dtype(np.float32)))) for n in (3, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len({a.uid for a in made}) == 2


def test_threads_work_side_by_side():
    torch.manual_seed(0)
    shared = torch.randn(16, 16)
    results: dict[int, float] = {}
    errors: list = []

    def work(k: int) -> None:
        try:
            w = (torch.ones(16, 16) * (k + 1)).requires_grad_()
            for _ in range(20):
                loss = ((w @ shared) ** 2).mean()
                loss.backward()
                with torch.no_grad():
                    w -= 0.01 * w.grad
                w.grad = None
            results[k] = loss.item()
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    alone = dict(results)
    results.clear()
    for k in range(3):
        work(k)
    assert not errors
    assert {k: pytest.approx(v, rel=1e-5) for k, v in results.items()} == alone


def test_a_failed_call_changes_nothing():
    x = torch.ones(2, 3)
    y = x + 1
    with pytest.raises(RuntimeError, match="must match the size"):
        y.add_(torch.ones(2, 4))
    assert y._version == 0
    assert y.tolist() == [[2.0] * 3] * 2


def test_other_jax_code_keeps_its_defaults():
    assert jnp.arange(3).dtype == np.int32
    torch.ones(3).double().sum().item()
    assert jnp.arange(3).dtype == np.int32
    assert jnp.ones(3).dtype == np.float32


SCRIPT = """
import torchish as torch
from torchish.engine import program
x = torch.arange(6.0).reshape(2, 3)
print((x @ x.t()).sum().item(), torch.sort(x.flatten() * -1.5)[0].tolist())
a = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
print(torch.inverse(a).tolist(), torch.linalg.eigvalsh(a).tolist(), torch.fft.fft(torch.arange(4.0)).tolist())
print(torch.linalg.svdvals(a).tolist(), torch.linalg.eigvals(a).tolist(), torch.linalg.cholesky(a).tolist())
w = torch.ones(3, requires_grad=True)
(w * x).sum().backward()
print(w.grad.tolist())
import sys
print(program.STATS.compiled, program.STATS.loaded, file=sys.stderr)
"""


def run_script(cache: str, **env) -> tuple[str, int, int]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=120,
        env={**os.environ, "TORCHISH_CACHE_DIR": cache, **env},
    )  # fmt: skip
    compiled, loaded = done.stderr.split()[-2:]
    return done.stdout, int(compiled), int(loaded)


def test_a_second_process_loads_its_programs_from_disk(tmp_path):
    first, compiled, loaded = run_script(str(tmp_path))
    assert compiled > 0 and loaded == 0
    files = list(tmp_path.glob("*.xla"))
    assert len(files) == compiled
    second, compiled_again, loaded = run_script(str(tmp_path))
    assert (second, compiled_again, loaded) == (first, 0, compiled)
    files[0].write_bytes(b"damaged")
    files[1].write_bytes(files[1].read_bytes()[:100])
    third, compiled_again, loaded = run_script(str(tmp_path))
    assert (third, compiled_again, loaded) == (first, 2, compiled - 2)
    off, compiled_again, loaded = run_script(str(tmp_path / "other"), TORCHISH_CACHE="0")
    assert (off, compiled_again, loaded) == (first, compiled, 0)
    assert not (tmp_path / "other").exists()


def test_dtypes_of_avals_are_one_object():
    """Programs that were loaded come with copies; whoever compares by identity takes another way with those."""
    copy = np.dtype(np.float32).newbyteorder("=")
    assert copy is not np.dtype(np.float32)
    assert expr.aval((3, 1, 4, 1, 5), copy).dtype is np.dtype(np.float32) is expr.aval((3, 1, 4, 1, 5), copy).struct.dtype


def test_the_disk_cache_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHISH_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TORCHISH_CACHE_MB", "1")
    for i in range(6):
        path = tmp_path / f"{i}.xla"
        path.write_bytes(b"x" * 400_000)
        os.utime(path, (i, i))
    disk_cache._limit.cache_clear()
    disk_cache._trim()
    assert sorted(p.name for p in tmp_path.glob("*.xla")) == ["4.xla", "5.xla"]
    disk_cache._limit.cache_clear()


def test_a_chosen_folder_that_cannot_be_used_is_said_once(tmp_path):
    (tmp_path / "file").write_text("")
    script = "import torchish as t; print([(t.ones(3) * 2).sum().item(), t.ones(4).exp().sum().item()])"
    env = {**os.environ, "TORCHISH_CACHE_DIR": str(tmp_path / "file" / "programs"), "TORCHISH_CACHE_MB": "much"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120, env=env)
    assert done.stdout.startswith("[6.0, 10.87")
    said = f"RuntimeWarning: Compiled programs cannot be kept in TORCHISH_CACHE_DIR={tmp_path}/file/programs: Not a directory"
    assert done.stderr.count(said) == 1


@pytest.mark.parametrize("library", [torch, pytest.importorskip("torch")])
def test_meta_tensors_go_on_past_every_limit_and_through_training(library):
    """Nothing that is pending of them is run, however much it is."""
    with library.device("meta"):
        x = library.ones(2)
        for _ in range(2 * expr.PENDING_LIMIT):
            x = x + 1
        net = library.nn.Sequential(library.nn.Linear(2, 3), library.nn.LSTM(3, 3))
        opt = library.optim.Adam(net.parameters())
        top, _ = net(x[None])[0].max(0)
        top.sum().backward()
        opt.step()
    assert x.device.type == net[0].weight.grad.device.type == opt.state[net[0].weight]["exp_avg"].device.type == "meta"
    assert top.shape == (3,)


def test_an_interrupt_while_the_graph_is_chosen_leaves_it_whole():
    """KeyboardInterrupt at each line of the search: what was pending is computed the next time, and nothing is taken over wrongly."""
    x = torch.arange(3.0)
    interrupted = 0

    def search(frame, event, arg):
        return line if frame.f_code is program._select.__code__ else None

    def line(frame, event, arg):
        nonlocal left
        left -= event == "line"
        if left < 0:
            raise KeyboardInterrupt
        return line

    for at in range(120):
        left = at
        kept = x * 2
        y, _ = kept + 1, kept * 3
        z = (y * kept).sum()
        before = sys.gettrace()
        sys.settrace(search)
        try:
            z.item()
        except KeyboardInterrupt:
            interrupted += 1
        finally:
            sys.settrace(before)
        assert (z.item(), y.tolist(), kept.tolist(), x.tolist()) == (26.0, [1.0, 3.0, 5.0], [0.0, 2.0, 4.0], [0.0, 1.0, 2.0])
    assert interrupted > 50


@pytest.mark.parametrize("captured", [False, True])
def test_an_interrupt_in_an_update_loses_no_parameter(captured):
    """KeyboardInterrupt at each line between the program's call and the storing of its results: they are stored all the same."""
    codes = {capture.assign.__code__, step.Capture._run.__code__} if captured else {program._finish.__code__}
    left = 0

    def search(frame, event, arg):
        return line if frame.f_code in codes else None

    def line(frame, event, arg):
        nonlocal left
        left -= event == "line" and (not captured or bool(frame.f_locals.get("launched", True)))  # once the program has run
        if left == 0:
            left = -1
            raise KeyboardInterrupt
        return line

    net = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    def train(x):
        optimizer.zero_grad()
        net(x).square().sum().backward()
        optimizer.step()

    update = torch.compile(train, fullgraph=True) if captured else train
    x = torch.ones(4, 3)
    for _ in range(6):
        update(x)
        net.weight.sum().item()
    interrupted = 0
    for at in range(1, 60):
        left = at
        before = sys.gettrace()
        sys.settrace(search)
        try:
            update(x)
            net.weight.sum().item()
        except KeyboardInterrupt:
            interrupted += 1
        finally:
            sys.settrace(before)
        assert not jax.config.jax_enable_x64
        state = [v["momentum_buffer"] for v in optimizer.state.values()]
        gradients = [p.grad for p in net.parameters() if p.grad is not None]
        assert all(v.isfinite().all() for v in (*net.parameters(), *state, *gradients))
    assert interrupted > 10


def test_a_read_looks_at_what_it_needs_only(monkeypatch):
    looked = 0

    def counting(x):
        nonlocal looked
        looked += 1
        return sys.getrefcount(x) - 1  # this function's own

    x = torch.ones(3)
    kept = [x * i for i in range(500)]
    (x + 1).sum().item()  # now all are known to be kept
    monkeypatch.setattr(program, "getrefcount", counting)
    for i in range(20):
        kept.append((x - i).exp())
        assert (x + i).sum().item() == 3 + 3 * i
    assert looked < 20 * 20
    assert torch.stack(kept[:500]).sum().item() == 3 * sum(range(500))
    assert kept[510].tolist() == pytest.approx([math.exp(-9)] * 3)


def test_what_dies_among_what_is_kept_lets_go_of_its_inputs():
    base = torch.ones(3)
    inputs = [base + i for i in range(100)]
    torch.stack(inputs).sum().item()
    kept = [x * 2 for x in inputs]
    alive = [weakref.ref(x._read()) for x in inputs]
    (base + 1).sum().item()
    del kept[:], inputs[:]
    others = [base - i for i in range(10)]
    for i in range(100):
        (base + i).sum().item()
    assert others[3].tolist() == [-2, -2, -2]
    assert not any(x() for x in alive)
