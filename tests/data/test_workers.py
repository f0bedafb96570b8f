"""Worker processes: their batches, seeds, errors, deaths and ends; and tensor operations inside them."""

import gc
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import torchish
from torchish.data import DataLoader, Dataset, IterableDataset, TensorDataset, get_worker_info

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True, scope="module")
def jax_in_use():
    """JAX's threads run, as in a script that trains."""
    (torchish.rand(3) * 2).sum().item()


@pytest.fixture(autouse=True)
def nothing_left():
    """No test may leave a process, a descriptor or a warning about forking behind."""
    before = descriptors()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*fork")
        yield
    gc.collect()
    assert children() == []
    assert descriptors() <= before + 3  # the pair of sockets and the locks of `engine.remote`


def children():
    """Live or zombie children of this process, other than multiprocessing's own helpers."""
    found = []
    for task in os.listdir("/proc/self/task"):
        for pid in Path(f"/proc/self/task/{task}/children").read_text().split():
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"forkserver" not in command and b"resource_tracker" not in command:
                found.append(int(pid))
    return found


def descriptors():
    return len(os.listdir("/proc/self/fd"))


class Map(Dataset):
    """A dataset of a function."""

    def __init__(self, f, n=8):
        self.f, self.n = f, n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return self.f(i)


def values(loader):
    return [b.tolist() if isinstance(b, torchish.Tensor) else b for b in loader]


# --- batches ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 100, 40_000, 1_000_000])
def test_batches_of_any_size_arrive_whole(size):
    x = torchish.from_numpy(np.random.default_rng(0).random((6, size), np.float32))
    for (batch,), expected in zip(DataLoader(TensorDataset(x), 2, num_workers=2), x.split(2), strict=True):
        assert np.array_equal(batch.numpy(), expected.numpy())
        batch += 1  # the memory is the batch's own


def test_kinds_of_values_that_travel():
    sample = {"half": torchish.ones(2, dtype=torchish.bfloat16), "array": np.arange(3), "text": "a", "none": None,
              "empty": torchish.zeros(0, 3), "scalar": torchish.tensor(2), "leaf": torchish.ones(2, requires_grad=True),
              "complex": torchish.ones(1, dtype=torchish.complex64), "size": torchish.Size([1, 2]), "device": torchish.device("cpu"),
              "parameter": torchish.nn.Parameter(torchish.zeros(1)), "dtype": torchish.int8}  # fmt: skip
    (got,) = DataLoader(Map(lambda i: sample, 1), None, num_workers=1, collate_fn=lambda x: x)
    assert {k: repr(v) for k, v in got.items()} == {k: repr(v) for k, v in sample.items()}


def test_many_large_batches_may_be_kept():
    kept = list(DataLoader(TensorDataset(torchish.arange(300.0)[:, None].repeat(1, 40_000)), 1, num_workers=1))
    assert [int(b[0, 0]) for (b,) in kept] == list(range(300))


def test_requests_larger_than_a_socket_holds():
    loader = DataLoader(range(400_000), 100_000, num_workers=2, prefetch_factor=4)
    assert [len(b) for b in loader] == [100_000] * 4


def test_unpicklable_datasets_and_functions():
    class Local(Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            return i

    loader = DataLoader(Local(), 2, num_workers=1, collate_fn=lambda b: [x + 1 for x in b])
    assert values(loader) == [[1, 2], [3, 4]]


def test_a_gradient_cannot_travel():
    loader = DataLoader(Map(lambda i: torchish.ones(1, requires_grad=True) * 2), None, num_workers=1)
    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor which requires_grad"):
        list(loader)


# --- seeds and who is who --------------------------------------------------------------------------------------


def test_random_numbers_are_those_of_pytorchs_workers():
    def run(lib):
        def sample(i):
            return [lib.rand(1).item(), random.random(), np.random.rand(), lib.randint(10, (1,)).item()]

        lib.manual_seed(11)
        data = type("D", (lib.utils.data.Dataset,), {"__len__": lambda s: 6, "__getitem__": lambda s, i: sample(i)})()
        loader = lib.utils.data.DataLoader(data, None, num_workers=2)
        return [list(loader), list(loader)]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own forks
        theirs = run(torch)
    assert run(torchish) == theirs


def test_worker_info():
    def who(i):
        w = get_worker_info()
        return w.id, w.num_workers, w.seed, w.dataset.n, w.worker_method

    assert get_worker_info() is None
    torchish.manual_seed(1)
    rows = list(DataLoader(Map(who, 4), None, num_workers=2, collate_fn=tuple))
    assert [r[:2] for r in rows] == [(0, 2), (1, 2), (0, 2), (1, 2)]
    assert rows[1][2] == rows[0][2] + 1 and rows[0][3:] == (4, "multiprocessing")


def test_worker_init_fn_comes_after_seeding():
    def init(worker):
        get_worker_info().dataset.extra = (worker, random.random())

    data = Map(lambda i: get_worker_info().dataset.extra, 2)
    torchish.manual_seed(2)
    rows = list(DataLoader(data, None, num_workers=2, worker_init_fn=init, collate_fn=tuple))
    torchish.manual_seed(2)
    again = list(DataLoader(data, None, num_workers=2, worker_init_fn=init, collate_fn=tuple))
    assert [r[0] for r in rows] == [0, 1] and rows == again


class Stream(IterableDataset):
    def __init__(self, n, share=True):
        self.n, self.share = n, share

    def __iter__(self):
        w = get_worker_info()
        return iter(range(w.id, self.n, w.num_workers) if w and self.share else range(self.n))


@pytest.mark.parametrize("options", [{}, {"batch_size": 2}, {"batch_size": 2, "drop_last": True}, {"batch_size": None}], ids=str)
@pytest.mark.parametrize("share", [True, False])
def test_streams(share, options):
    def run(lib):
        w = lib.utils.data.get_worker_info

        def items(self):
            return iter(range(w().id, 7, w().num_workers) if share else range(7))

        data = type("S", (lib.utils.data.IterableDataset,), {"__iter__": items})()
        loader = lib.utils.data.DataLoader(data, num_workers=2, **options)
        return [[b.tolist() if hasattr(b, "tolist") else b for b in loader] for _ in range(2)]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own forks
        theirs = run(torch)
    assert run(torchish) == theirs


def test_a_stream_of_persistent_workers_starts_again():
    loader = DataLoader(Stream(5), 2, num_workers=2, persistent_workers=True)
    assert values(loader) == values(loader) == [[0, 2], [1, 3], [4]]
    del loader


def test_persistent_workers_stay():
    loader = DataLoader(Map(lambda i: os.getpid()), 2, num_workers=2, persistent_workers=True)
    first, second = ({p for b in loader for p in b.tolist()} for _ in range(2))
    assert first == second and len(first) == 2
    it = iter(loader)
    next(it)  # an epoch left early
    assert len(list(loader)) == 4
    assert iter(loader) is it
    del loader, it


def test_out_of_order():
    def slow(i):
        time.sleep(0.3 if i == 0 else 0)
        return i

    loader = DataLoader(Map(slow, 6), None, num_workers=2, in_order=False)
    got = list(loader)
    assert sorted(got) == list(range(6)) and got[0] != 0


# --- errors and deaths -----------------------------------------------------------------------------------------


def fail(error):
    def f(i):
        if i == 3:
            raise error
        return i

    return f


class NeedsTwo(Exception):
    def __init__(self, a, b):
        super().__init__(a, b)


@pytest.mark.parametrize(
    "error, kind",
    [(ValueError("no such thing"), ValueError), (KeyError("k"), KeyError), (NeedsTwo(1, 2), RuntimeError)],
    ids=str,
)
def test_an_error_comes_with_the_workers_traceback(error, kind):
    it = iter(DataLoader(Map(fail(error)), 2, num_workers=2))
    assert next(it).tolist() == [0, 1]
    with pytest.raises(kind) as caught:
        next(it)
    text = str(caught.value)
    assert text.startswith(
        f"Caught {type(error).__name__} in DataLoader worker process 1.\nOriginal Traceback (most recent call last):\n"
    )
    assert "in f\n    raise error" in text
    assert next(it).tolist() == [4, 5]  # loading goes on


def test_errors_of_local_types_and_in_init():
    class Local(Exception):
        pass

    with pytest.raises(RuntimeError, match="Caught .* in DataLoader worker process 0.*\n(.*\n)*.*Local"):
        list(DataLoader(Map(fail(Local("x"))), 4, num_workers=1))

    def init(worker):
        raise ValueError("not here")

    with pytest.raises(ValueError, match="(?s)Caught ValueError in DataLoader worker process 0.*not here"):
        list(DataLoader(Map(fail(None)), 2, num_workers=1, worker_init_fn=init))


def test_what_cannot_be_pickled_is_an_error():
    with pytest.raises((AttributeError, TypeError, RuntimeError), match="(?s)in DataLoader worker process 0.*pickle"):
        list(DataLoader(Map(lambda i: threading.Lock()), None, num_workers=1, collate_fn=lambda x: x))


@pytest.mark.parametrize("batch", [1, 400_000], ids=["small", "large"])
def test_a_killed_worker_is_an_error(batch):
    x = torchish.zeros(16, batch)
    it = iter(DataLoader(TensorDataset(x), 1, num_workers=2))
    next(it)
    pid = it._workers[1].pid
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match=rf"DataLoader worker \(pid\(s\) {pid}\) exited unexpectedly") as caught:
        for _ in range(20):
            next(it)
    assert str(caught.value.__cause__) == f"DataLoader worker (pid {pid}) is killed by signal: Killed. "


def test_workers_that_end_themselves():
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="exited unexpectedly") as caught:
        list(DataLoader(Map(lambda i: os._exit(3)), 2, num_workers=1))
    assert "exit code 3" in str(caught.value.__cause__)
    assert time.monotonic() - start < 4


def test_timeout():
    it = iter(DataLoader(Map(lambda i: time.sleep(1 if i else 0)), None, num_workers=1, timeout=0.3, collate_fn=str))
    assert next(it) == "None"
    with pytest.raises(RuntimeError, match="DataLoader timed out after 0.3 seconds"):
        next(it)


def test_an_iterator_dropped_in_the_middle_ends_its_workers():
    it = iter(DataLoader(TensorDataset(torchish.zeros(100, 50_000)), 1, num_workers=2))
    next(it)
    pids = [w.pid for w in it._workers]
    del it
    assert not any(os.path.exists(f"/proc/{p}") for p in pids)


def script(code, *args, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # what runs in the background is started with Ctrl-C ignored
    head = "import torchish as torch, os, signal, sys, time; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    command = [sys.executable, *args, "-c", head + textwrap.dedent(code)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **options
    )


INTERRUPTED = """
    class Data(torch.utils.data.Dataset):
        def __len__(self):
            return 1000
        def __getitem__(self, i):
            time.sleep(0.05)
            return torch.ones(2) * i if OPERATIONS else torch.ones(2)
    (torch.ones(1) + 1).item()
    loader = torch.utils.data.DataLoader(Data(), num_workers=2)
    it = iter(loader)
    next(it)
    print(*[w.pid for w in it._workers], flush=True)
    for batch in it:
        pass
"""


def gone(pids, seconds=20):
    end = time.monotonic() + seconds
    while any(os.path.exists(f"/proc/{p}/exe") for p in pids) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(os.path.exists(f"/proc/{p}/exe") for p in pids)


@pytest.mark.parametrize("number, to_all", [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGKILL, False)])
def test_workers_end_with_their_loader(number, to_all):
    """Ctrl-C reaches all processes of a terminal, a kill the loader's alone."""
    p = script(INTERRUPTED.replace("OPERATIONS", str(number == signal.SIGKILL)))
    pids = p.stdout.readline().split()
    assert len(pids) == 2
    evaluators = members(p.pid)
    assert bool(evaluators) == (number == signal.SIGKILL)
    (os.killpg if to_all else os.kill)(p.pid, number)
    _, errors = p.communicate(timeout=30)
    assert p.returncode == -number
    assert errors.count("Traceback") == (number == signal.SIGINT) and "fork" not in errors
    assert gone([*pids, *evaluators])


def members(ancestor):
    """The processes below this one that compute for forked ones."""
    parents, found = {}, []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            parents[pid] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if b"torchish.engine.evaluator" in command:
            found.append(pid)

    def below(pid):
        return pid == ancestor or (pid in parents and below(parents[pid]))

    return set(filter(below, found))


def test_a_script_needs_no_main_guard_and_may_end_in_the_middle():
    p = script("""
        data = torch.utils.data.TensorDataset(torch.arange(8.0))
        (data.tensors[0] * 2).sum().item()
        loader = torch.utils.data.DataLoader(data, 2, num_workers=2, persistent_workers=True)
        print([b[0].tolist() for b in loader])
        print(next(iter(loader)))
    """)
    out, errors = p.communicate(timeout=60)
    assert (out.splitlines(), errors) == (["[[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]", "[tensor([0., 1.])]"], "")


# --- other ways to start them ----------------------------------------------------------------------------------


def square(i):
    return torchish.tensor([float(i)]) ** 2


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_start_methods(method):
    loader = DataLoader(Map(square, 4), 2, num_workers=1, multiprocessing_context=method)
    assert values(loader) == [[[0], [1]], [[4], [9]]]


# --- operations in workers ---------------------------------------------------------------------------------------


def transformed(t, x, i):
    """Samples whose making takes operations of all sorts."""
    x = (x[i].float() / 255 - 0.5) / 0.25
    if t.rand(1).item() < 0.5:
        x = x.flip(-1)
    x[0, 0] = i
    largest, where = x.max(0)
    w = t.ones(3, requires_grad=True)
    (w * w * x[:, 0, 0]).sum().backward()
    part = x[:, 1:3, 1:3]
    part += 1
    return x, largest, where, x.reshape(-1).sort()[0][:4], w.grad, t.cat([x[0, 0], t.randn(2)]), x.sum().item()


def test_operations_in_workers_give_what_pytorchs_give():
    pixels = np.random.default_rng(1).integers(0, 255, (12, 3, 6, 6), np.uint8)

    def run(lib):
        x = lib.from_numpy(pixels)
        lib.manual_seed(4)
        data = type(
            "D", (lib.utils.data.Dataset,), {"__len__": lambda s: 12, "__getitem__": lambda s, i: transformed(lib, x, i)}
        )()
        loader = lib.utils.data.DataLoader(data, 4, num_workers=2, shuffle=True)
        return [[t.double().numpy() for t in b] for _ in range(2) for b in loader]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own forks
        theirs = run(torch)
    for ours, expected in zip(run(torchish), theirs, strict=True):
        for a, b in zip(ours, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_errors_of_operations_in_workers():
    def bad(i):
        return torchish.linalg.inv(torchish.zeros(2, 2) * i)

    with pytest.raises(RuntimeError, match="(?s)in DataLoader worker process 0.*inv"):
        list(DataLoader(Map(bad), 2, num_workers=1))

    def shapes(i):
        return torchish.zeros(2) + torchish.zeros(3)

    with pytest.raises(RuntimeError, match=r"The size of tensor a \(2\) must match the size of tensor b \(3\)"):
        list(DataLoader(Map(shapes), 2, num_workers=1))


def test_a_killed_evaluator_is_replaced():
    here = os.getpid()

    def sample(i):
        before = (torchish.ones(2) * i).tolist()
        if i == 1:
            for pid in members(here):
                os.kill(pid, signal.SIGKILL)
        return before, (torchish.ones(2) + i).tolist()

    got = list(DataLoader(Map(sample, 3), None, num_workers=1, collate_fn=lambda x: x))
    assert got == [([i * 1.0] * 2, [1.0 + i] * 2) for i in range(3)]


def test_forks_that_are_no_workers():
    """Any forked process can compute."""
    x = torchish.arange(4.0)
    pending = x * 3
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a user's own fork
        pid = os.fork()
    if pid == 0:
        try:
            os.write(write, repr([(x * 2).tolist(), pending.sum().item()]).encode())
        finally:
            os._exit(0)
    os.close(write)
    assert os.read(read, 1000).decode() == "[[0.0, 2.0, 4.0, 6.0], 18.0]"
    os.close(read)
    os.waitpid(pid, 0)
