"""Joins of many tensors, whose values are mostly known: `cat` and `stack` are PyTorch's, and no program is compiled for them."""

import random

import pytest
import torch as pytorch

import torchish
from torchish.engine.program import program_count

N = 40


def rows(m):
    return [m.tensor([[float(i), -0.0, 2.0]]) for i in range(N)]


PARTS = {
    "leaves": rows,
    "views": lambda m: [m.arange(3.0).add(i).unsqueeze(0) for i in range(N)],
    "columns": lambda m: list(m.arange(6.0 * N).reshape(3, -1, 2)[:, :, 1].t()),
    "transposed": lambda m: [m.arange(6).reshape(2, 3).t()] * N,
    "sizes": lambda m: [m.ones(i % 4, 2, dtype=m.float16) for i in range(N)],
    "empty": lambda m: [*rows(m), m.tensor([])],
    "dtypes": lambda m: [*rows(m), m.tensor([[1, 2, 3]])],
    "numbers": lambda m: [m.tensor(i) for i in range(N)],
    "shapes": lambda m: [*rows(m), m.ones(2, 2)],
    "dimensions": lambda m: [*rows(m), m.ones(2)],
    "gradient": lambda m: [*rows(m), m.ones(1, 3, requires_grad=True)],
    "images": lambda m: [m.arange(48.0).reshape(2, 2, 3, 4).to(memory_format=m.channels_last)] * N,
    "complex": lambda m: [m.tensor([1 + 2j]).conj()] * N,
    "bytes": lambda m: [m.tensor([i], dtype=m.uint8)[None].expand(2, 3) for i in range(N)],
}


@pytest.mark.parametrize("dim", [0, 1, -1, 3])
@pytest.mark.parametrize("name", ["cat", "stack", "vstack", "hstack"])
@pytest.mark.parametrize("parts", PARTS)
def test_many_tensors_are_joined_as_by_pytorch(parts, name, dim):
    seen = []
    for m in (torchish, pytorch):
        try:
            r = getattr(m, name)(PARTS[parts](m), **({"dim": dim} if name in ("cat", "stack") else {}))
            seen.append((str(r.dtype), r.shape, r.stride(), str(r.grad_fn)[:12], r.tolist()))
        except Exception as e:
            seen.append((type(e), str(e)))
    assert seen[0] == seen[1]


def test_what_is_joined_is_a_copy():
    for m in (torchish, pytorch):
        parts = rows(m)
        joined, out = m.cat(parts), m.empty(N, 3)
        m.cat(parts, out=out)
        parts[0].fill_(7)
        joined[1] = 5
        assert joined[0, 0] == out[0, 0] == 0 and parts[1][0, 0] == 1


def test_samples_of_a_memory_are_joined_without_compiling():
    memory = [torchish.tensor([float(i), 1.0]).unsqueeze(0) for i in range(200)]
    draw = random.Random(0)

    def batch():
        sample = draw.sample(range(199), 64)
        return float((torchish.cat([memory[i] for i in sample]) - torchish.cat([memory[i + 1] for i in sample])).sum())

    assert batch() == -64
    before = program_count()
    assert [batch() for _ in range(5)] == [-64] * 5 and program_count() == before
