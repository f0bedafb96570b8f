"""torch.distributed with one member, and modules on eight devices (virtual ones, in a process of their own)."""

from __future__ import annotations

import copy
import importlib
import os
import subprocess
import sys
import textwrap
import warnings

import pytest
import torch as pytorch

import torchish as torch
from torchish import distributed as dist


@pytest.fixture
def group(monkeypatch):
    for name, value in {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1", "RANK": "0", "WORLD_SIZE": "1"}.items():
        monkeypatch.setenv(name, value)
    dist.init_process_group("gloo")
    yield
    dist.destroy_process_group()


def test_before_initialization(monkeypatch):
    assert dist.is_available() and not dist.is_initialized()
    for f in (dist.get_rank, dist.get_world_size, dist.barrier, lambda: dist.all_reduce(torch.ones(1))):
        with pytest.raises(ValueError, match="Default process group has not been initialized"):
            f()
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ValueError, match="environment variable RANK expected, but not set"):
        dist.init_process_group("gloo")
    with pytest.raises(RuntimeError, match="one process"):
        dist.init_process_group("gloo", init_method="tcp://127.0.0.1:1", rank=0, world_size=2)
    for method, error, text in [
        ("...", RuntimeError, "No rendezvous handler for ://"),
        ("tcp://127.0.0.1:1", ValueError, "tcp:// rendezvous: rank parameter missing"),
        ("tcp://127.0.0.1:1?world_size=1", ValueError, "tcp:// rendezvous: rank parameter missing"),
        ("tcp://127.0.0.1:1?rank=1&world_size=2", RuntimeError, "torchish runs one process"),
    ]:  # fmt: skip
        with pytest.raises(error, match=text):
            dist.init_process_group("gloo", init_method=method)
    not_compiled = pytest.warns(UserWarning, match="get default timeout for nccl backend, but NCCL support is not compiled")
    with not_compiled, pytest.raises(ValueError, match="environment variable RANK expected"):
        dist.init_process_group("nccl")
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    for backend, error, text in [
        ("cpu:gloo,cuda:nccl", RuntimeError, "NCCL built in"), ("mpi", RuntimeError, "MPI built in. MPI is only included"),
        ("other", AssertionError, "Unknown backend type other"),
    ]:  # fmt: skip
        with pytest.raises(error, match=text):
            dist.init_process_group(backend)
    assert not dist.is_initialized()


def test_collectives(group):
    assert (dist.get_rank(), dist.get_world_size(), dist.get_backend()) == (0, 1, "gloo")
    t, out = torch.arange(3.0), torch.zeros(3)
    assert dist.all_reduce(t) is None and dist.all_reduce(t, op=dist.ReduceOp.MAX, async_op=True).wait()
    dist.barrier()
    dist.broadcast(t, 0)
    dist.all_gather([out], t)
    assert out.tolist() == t.tolist() == [0, 1, 2]
    objects = [None]
    dist.all_gather_object(objects, {"a": 1})
    assert objects == [{"a": 1}] and str(dist.ReduceOp.SUM) == "RedOpType.SUM"
    with pytest.raises(ValueError, match="twice"):
        dist.init_process_group("gloo")
    with pytest.raises(RuntimeError, match="invalid root rank: 1"):
        dist.broadcast(t, 1)
    with pytest.raises(RuntimeError, match="not needed"):
        torch.nn.parallel.DistributedDataParallel(torch.nn.ReLU())
    sampler = torch.utils.data.distributed.DistributedSampler(range(10), shuffle=False)
    assert list(sampler) == list(range(10))


COLLECTIVES = {
    "all_reduce": lambda m, f, x: f.all_reduce(x, op=m.distributed.ReduceOp.MAX),
    "broadcast": lambda m, f, x: f.broadcast(x, 0),
    "gather": lambda m, f, x: f.gather(x),
    "scatter": lambda m, f, x: f.scatter([x]),
    "reduce": lambda m, f, x: f.reduce(x, 0),
    "all_gather": lambda m, f, x: f.all_gather(x),
    "reduce_scatter": lambda m, f, x: f.reduce_scatter(m.zeros(3, 2), [x.contiguous()]),
    "all_to_all": lambda m, f, x: f.all_to_all([m.zeros(3, 2)], [x.contiguous()]),
    "all_to_all_single": lambda m, f, x: f.all_to_all_single(m.zeros(3, 2), x.contiguous()),
}


def test_collectives_with_gradients(tmp_path):
    told = []
    for m in (pytorch, torch):
        f = importlib.import_module(f"{m.__name__}.distributed.nn")
        m.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/{m.__name__}", rank=0, world_size=1)
        for name, call in COLLECTIVES.items():
            x = m.arange(6.0).reshape(2, 3).t().requires_grad_()
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                result = call(m, f, x)
            one = result[0] if isinstance(result, tuple) else result
            (one * 3).sum().backward()
            told.append((name, repr(result), one.stride(), x.grad.tolist(), [(w.filename, w.category, str(w.message)) for w in caught]))
        m.distributed.destroy_process_group()
    half = len(COLLECTIVES)
    assert told[:half] == told[half:]
    with pytest.raises(ValueError, match="Default process group has not been initialized"), pytest.warns(FutureWarning):
        importlib.import_module("torchish.distributed.nn").all_reduce(torch.ones(1))


def join_blocks(m, folder):
    """What hooks of `Join` blocks are told."""
    algorithms = importlib.import_module(f"{m.__name__}.distributed.algorithms")
    m.distributed.init_process_group("gloo", init_method=f"file://{folder}/{m.__name__}", rank=0, world_size=1)
    said = []

    class Hook(algorithms.JoinHook):
        def post_hook(self, is_last_joiner):
            said.append(is_last_joiner)

    class Counter(algorithms.Joinable):
        join_device, join_process_group = m.device("cpu"), m.distributed.group.WORLD

        def __init__(self):
            super().__init__()

        def join_hook(self, **kwargs):
            said.append(kwargs)
            return Hook()

    counter, model = Counter(), m.nn.parallel.DistributedDataParallel(m.nn.Linear(2, 1))
    said.append((isinstance(model, algorithms.Joinable), type(algorithms.Join.notify_join_context(counter)).__name__))
    for enable in (True, False):
        with algorithms.Join([counter, model], enable=enable):
            said.append(algorithms.Join.notify_join_context(counter) is not None)
            model(m.ones(1, 2)).sum().backward()
    said.append(copy.deepcopy(model).process_group is m.distributed.group.WORLD)
    with pytest.raises(KeyError), algorithms.Join([counter], option=1):
        raise KeyError
    with pytest.raises(ValueError, match="requires at least one joinable"):
        algorithms.Join([])
    m.distributed.destroy_process_group()
    return said


def test_join_blocks_end_with_their_hooks(tmp_path):
    assert join_blocks(torch, tmp_path) == join_blocks(pytorch, tmp_path)


def test_one_device(group):
    """Where JAX has one device, the wrappers call the module itself."""
    model = torch.nn.Linear(2, 3)
    x = torch.ones(4, 2)
    for wrapped in (torch.nn.DataParallel(model), torch.nn.parallel.DistributedDataParallel(model)):
        assert torch.equal(wrapped(x), model(x)) and list(wrapped.state_dict()) == ["module.weight", "module.bias"]


EIGHT = textwrap.dedent("""
    import copy, io, os
    import jax, numpy as np
    import torchish as torch
    from torchish import nn, distributed as dist
    assert len(jax.devices()) == 8
    os.environ.update(MASTER_ADDR="x", MASTER_PORT="1", RANK="0", WORLD_SIZE="1")
    dist.init_process_group()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
            self.fc, self.frozen = nn.Linear(4 * 36, 5), nn.Parameter(torch.ones(5), requires_grad=False)

        def forward(self, x, index, scale=1.0):
            y = torch.relu(self.bn(self.conv(x)))
            return {"logits": self.fc(y.flatten(1)) * scale * self.frozen, "picked": y[:, index]}

    def train(model, batches):
        optimizer, losses = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.05, momentum=0.9), []
        for n in batches:
            x, y = torch.randn(n, 1, 8, 8), torch.randint(5, (n,))
            x.requires_grad_()
            optimizer.zero_grad()
            out = model(x, torch.tensor([0, 2]), scale=0.5)
            loss = nn.functional.cross_entropy(out["logits"], y) + out["picked"].mean()
            loss.backward()
            optimizer.step()
            losses.append((loss.item(), x.grad.abs().sum().item()))
        return losses

    batches = [16, 16, 16, 12, 9, 16]  # 12 goes to 6 devices, 9 to 3
    torch.manual_seed(0)
    base = Net()
    results = []
    for wrap in (lambda m: m, nn.DataParallel, nn.parallel.DistributedDataParallel, lambda m: nn.DataParallel(m, device_ids=[0, 1])):
        model = wrap(copy.deepcopy(base))
        used = []
        if hasattr(model, "_mesh_devices"):
            from torchish.nn import parallel
            place = parallel._mesh._ShardedCall.place
            def spied(self, tensors):
                arrays = place(self, tensors)
                used.append(max(len({s.device for s in a.addressable_shards if s.data.size < a.size}) for a in arrays))
                return arrays
            parallel._mesh._ShardedCall.place = spied
        torch.manual_seed(1)
        losses = train(model, batches)
        if used:
            parallel._mesh._ShardedCall.place = place
        state = {k.removeprefix("module."): v.detach().numpy() for k, v in model.state_dict().items()}
        results.append((losses, state, used))
    (losses, state, _), *others = results
    for other_losses, other_state, used in others:
        np.testing.assert_allclose(other_losses, losses, 1e-4)
        for k in state:
            np.testing.assert_allclose(other_state[k], state[k], 1e-3, 1e-5, err_msg=k)
    assert others[0][2] == others[1][2] == [8, 8, 8, 6, 3, 8] and others[2][2] == [2] * 5, others  # on two devices a batch of 9 stays whole
    model = nn.DataParallel(copy.deepcopy(base)).eval()
    with torch.no_grad():
        x, i = torch.randn(8, 1, 8, 8), torch.tensor([1])
        np.testing.assert_allclose(model(x, i)["logits"].numpy(), model.module(x, i)["logits"].numpy(), 1e-5, 1e-6)
    drop = nn.DataParallel(nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.5)))
    a, b = drop(torch.ones(8, 4)), drop(torch.ones(8, 4))
    assert not torch.equal(a, b) and not torch.equal(a[0] == 0, a[1] == 0)
    drop.module[1].p = 0.0  # a changed setting is another program
    assert (drop(torch.ones(8, 4)) != 0).all()
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    assert torch.load(buffer, weights_only=False)(x, i)["logits"].shape == (8, 5)
    print("ok")
""")


def test_eight_devices():
    """The same losses, input gradients, parameters and running statistics as on one device."""
    env = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    run = subprocess.run([sys.executable, "-c", EIGHT], capture_output=True, text=True, env=env)
    assert run.stdout == "ok\n", run.stdout + run.stderr[-3000:]
