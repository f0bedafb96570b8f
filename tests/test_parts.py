"""Parts of values that are there are copied: as PyTorch's, without a program, and without a hold on what they are parts of."""

import pytest
import torch as pytorch

import torchish
from torchish.engine.program import STATS

READS = {
    "rows": lambda t, x: [r.tolist() for r in x],
    "numbers": lambda t, x: [x[i, j, 1].item() for i in range(4) for j in range(3)],
    "slices": lambda t, x: [x[i : i + 2, ::2].tolist() for i in range(3)],
    "nothing": lambda t, x: [x[2:2].tolist(), x[:, 3:].shape],
    "from the end": lambda t, x: [x[-1].tolist(), x[:, -2:].tolist(), x[..., -1].tolist()],
    "shapes": lambda t, x: [x[1].view(2, 6).tolist(), x[1:2].squeeze(0).tolist(), x[1].unsqueeze(1).tolist(), x[0].flatten()[5].item()],
    "unbind": lambda t, x: [p.tolist() for p in x.unbind(2)],
    "chunks": lambda t, x: [p.tolist() for p in x.chunk(2, 2)],
    "parts of parts": lambda t, x: [q.item() for p in x[1:] for r in p for q in r],
    "diagonals and transposed": lambda t, x: [x[0].T[1].tolist(), x.permute(2, 0, 1)[1].tolist(), x[0].diagonal().tolist()],
}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "complex64", "bool", "int16", "float64"])
@pytest.mark.parametrize("read", READS)
def test_reads(read, dtype):
    def made(t):
        x = (t.arange(48).reshape(4, 3, 4) * 3 % 11).to(getattr(t, dtype))
        return READS[read](t, x * 1)

    assert made(torchish) == made(pytorch)


def test_no_program_for_rows():
    for n in range(5, 12):
        x = torchish.arange(float(n)) * 2
        x.tolist()
        before = STATS.compiled + STATS.loaded
        assert [v.item() for v in x] == [2.0 * i for i in range(n)]
        assert [float(x[i]) for i in range(n)] == [2.0 * i for i in range(n)]
        assert STATS.compiled + STATS.loaded == before


def loop(t):
    x = t.arange(12.0).reshape(4, 3).clone()
    x.sum().item()
    first, row = x[0, 1], x[2]
    told = [first.item(), row.tolist()]
    x.mul_(2)  # in the memory that the parts came from
    told += [first.item(), row.tolist(), x.tolist()]
    row[1] = -1
    told += [x[2].tolist(), x[2, 1].item(), row.tolist()]
    kept = x[3].clone()
    kept.tolist()
    x.zero_()
    return [*told, kept.tolist(), x[3].tolist()]


def test_writes():
    assert loop(torchish) == loop(pytorch)


@pytest.mark.parametrize("n", [20, 33, 70])
def test_losses_of_parts(n):
    """One loss for each row, joined: what the parts are parts of has another length each time."""

    def run(t):
        t.manual_seed(n)
        w = t.randn(3, requires_grad=True)
        x, rewards = t.randn(n, 3), t.arange(float(n))
        rewards = (rewards - rewards.mean()) / (rewards.std() + 1e-3)
        losses = [-(w * row).sum().reshape(1) * r for row, r in zip(x, rewards, strict=True)]
        total = t.cat(losses).sum()
        total.backward()
        return total.item(), w.grad.tolist(), [r.item() for r in rewards]

    for _ in range(3):
        for ours, theirs in zip(run(torchish), run(pytorch), strict=True):
            assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("torch", [torchish, pytorch], ids=lambda t: t.__name__)
def test_more_dimensions_than_numpy_holds(torch):
    x = torch.arange(3.0)
    assert x.view((1,) * 69 + (3,)).reshape(-1).tolist() == [0.0, 1.0, 2.0]
    for _ in range(69):
        x = x.unsqueeze(0)
    assert [row.item() for row in x.flatten()] == [0.0, 1.0, 2.0]
    for _ in range(69):
        x = x[0]
    assert x[1].item() == 1.0
