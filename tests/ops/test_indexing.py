"""Indexing as PyTorch indexes: values, strides, aliasing, gradient functions, gradients and errors."""

import random
import warnings
from functools import partial

import numpy as np
import pytest
import torch

import torchish

ROUNDS = 60


def random_index(rng: random.Random, shape: tuple[int, ...], *, valid: bool = True):
    """An index as a function of the library (index tensors are made by it), of every kind PyTorch knows."""
    entries: list = []
    dim, used_ellipsis = 0, False
    broadcast = rng.choice([(2,), (3,), (2, 2), (1,), (2, 3), ()])
    limit = len(shape) if valid else len(shape) + 1
    while dim < limit and rng.random() < 0.85:
        n = shape[dim] if dim < len(shape) else 2
        kind = rng.choice(
            ["int", "int", "slice", "slice", "none", "ellipsis", "tensor", "list", "mask", "bool", "np", "0d"]
        )
        extra = 0 if valid else rng.choice([0, 0, 0, 1])
        if kind == "int" and n:
            entries.append(("plain", rng.randrange(-n, n + extra)))
        elif kind == "np" and n:
            entries.append(("plain", np.int64(rng.randrange(-n, n + extra))))
        elif kind == "0d" and n:
            entries.append(("tensor", np.array(rng.randrange(-n, n + extra), rng.choice([np.int64, np.int32]))))
        elif kind == "slice":
            ends = [None, *range(-n - 1, n + 2)]
            entries.append(("plain", slice(rng.choice(ends), rng.choice(ends), rng.choice([None, 1, 2, 3]))))
        elif kind == "none":
            entries.append(("plain", None))
            continue
        elif kind == "bool":
            if rng.random() < 0.3:
                entries.append(("plain", rng.random() < 0.8))
            continue
        elif kind == "ellipsis":
            if used_ellipsis:
                continue
            used_ellipsis = True
            entries.append(("plain", ...))
            rest = len(shape) - dim
            dim += rng.randrange(0, rest + 1)
            # what follows must still index the right dimensions: go on from the end
            tail = len(shape) - dim
            for k in range(tail):
                if rng.random() < 0.5:
                    break
                m = shape[len(shape) - tail + k]
                if not m:
                    break
            break
        elif kind in ("tensor", "list") and n:
            values = np.array([rng.randrange(-n, n + extra) for _ in range(int(np.prod(broadcast)))], np.int64).reshape(
                broadcast
            )
            if kind == "list" and broadcast:
                entries.append(("plain", values.tolist()))
            else:
                entries.append(("tensor", values.astype(rng.choice([np.int64, np.int64, np.int32]))))
        elif kind == "mask":
            k = rng.choice([1, 1, 2])
            if dim + k > len(shape):
                continue
            mask = np.random.default_rng(rng.randrange(1 << 30)).random(shape[dim : dim + k]) < 0.5
            entries.append((rng.choice(["tensor", "array"]), mask))
            dim += k
            continue
        else:
            continue
        dim += 1

    def build(lib):
        made = [lib.tensor(x) if kind == "tensor" else np.array(x) if kind == "array" else x for kind, x in entries]
        return made[0] if len(made) == 1 and len(entries) == 1 else tuple(made)

    return build, entries


def outcome(f):
    """What a call ends in: ("value", result) or ("error", type, message)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return "value", f()
        except Exception as e:
            return "error", type(e), str(e)


def read(build, lib, x):
    return x[build(lib)]


def write(build, lib, x, value):
    x[build(lib)] = value


def same_error(a, b):
    assert a[0] == b[0], (a, b)
    if a[0] == "error":
        assert a[1] is b[1], (a, b)
        assert a[2].splitlines()[0] == b[2].splitlines()[0]
        return True
    return False


def bases(lib, shape, seed: int, layout: str):
    values = np.random.default_rng(seed).standard_normal(shape)
    x = lib.tensor(values)
    if layout == "transposed" and len(shape) > 1:
        x = lib.tensor(values.swapaxes(0, -1).copy()).transpose(0, -1)
    elif layout == "sliced" and len(shape):
        wide = np.repeat(values, 2, 0)
        x = lib.tensor(wide)[::2]
    return x


def name_of(fn):
    return None if fn is None else type(fn).__name__


CASES = [(seed, layout) for layout in ("contiguous", "transposed", "sliced") for seed in range(ROUNDS // 3)]


def case(seed: int, *, valid: bool = True):
    rng = random.Random(seed)
    shape = tuple(rng.choice([1, 2, 3, 4]) for _ in range(rng.choice([1, 2, 2, 3, 3, 4])))
    if rng.random() < 0.05:
        shape = (*shape, 0)
    return (shape, *random_index(rng, shape, valid=valid))


@pytest.mark.parametrize("block", range(10))
def test_reading(block):
    for seed, layout in CASES[block::10]:
        shape, build, entries = case(seed)
        got = []
        for lib in (torch, torchish):
            x = bases(lib, shape, seed, layout).requires_grad_(True)
            got.append((outcome(partial(read, build, lib, x)), x))
        (a, x), (b, y) = got
        if same_error(a, b):
            continue
        r, s = a[1], b[1]
        context = (seed, layout, shape, entries)
        assert tuple(r.shape) == tuple(s.shape), context
        assert np.array_equal(r.detach().numpy(), s.detach().numpy()), context
        assert r.numel() == 0 or r.stride() == s.stride(), context
        assert name_of(r.grad_fn) == name_of(s.grad_fn), context
        assert r._is_view() == s._is_view(), context
        weights = np.random.default_rng(1).standard_normal(tuple(r.shape))
        r.backward(torch.tensor(weights))
        s.backward(torchish.tensor(weights))
        assert np.allclose(x.grad.numpy(), y.grad.numpy()), context


@pytest.mark.parametrize("block", range(5))
def test_views_alias(block):
    for seed, layout in CASES[block::5]:
        shape, build, entries = case(seed)
        got = []
        for lib in (torch, torchish):
            x = bases(lib, shape, seed, layout)
            kind, v = outcome(partial(read, build, lib, x))[:2]
            if kind == "value":
                v += 100
            got.append(x.numpy().copy())
        assert np.array_equal(*got), (seed, layout, shape, entries)


@pytest.mark.parametrize("block", range(10))
@pytest.mark.parametrize("what", ["number", "0d", "full", "ones", "row", "wrong"])
def test_writing(block, what):
    for seed, layout in CASES[block::20]:
        shape, build, entries = case(seed)
        got = []
        for lib in (torch, torchish):
            leaf = bases(lib, shape, seed, layout).requires_grad_(True)
            x = leaf * 1 if layout != "sliced" else leaf.clone()
            target = outcome(partial(read, build, lib, x))
            value = None
            if target[0] == "value":
                size = tuple(target[1].shape)
                size = {
                    "full": size,
                    "ones": (1,) * len(size),
                    "row": size[1:],
                    "0d": (),
                    "wrong": (*size[:-1], 7),
                }.get(what)
                if what == "number":
                    value = 2.5
                else:
                    values = np.random.default_rng(5).standard_normal(size)
                    value = lib.tensor(values).requires_grad_(True)
            del target
            end = outcome(partial(write, build, lib, x, value)) if value is not None else ("none",)
            got.append((end, x, leaf, value))
        (a, x, p, u), (b, y, q, v) = got
        context = (seed, layout, shape, entries, what)
        if same_error(a, b):
            continue
        assert np.array_equal(x.detach().numpy(), y.detach().numpy()), context
        assert name_of(x.grad_fn) == name_of(y.grad_fn), context
        weights = np.random.default_rng(1).standard_normal(shape)
        x.backward(torch.tensor(weights))
        y.backward(torchish.tensor(weights))
        assert np.allclose(p.grad.numpy(), q.grad.numpy()), context
        if what != "number" and u is not None:
            ug = np.zeros(tuple(u.shape)) if u.grad is None else u.grad.numpy()
            vg = np.zeros(tuple(u.shape)) if v.grad is None else v.grad.numpy()
            assert np.allclose(ug, vg), context


@pytest.mark.parametrize("block", range(5))
def test_errors(block):
    for seed, _ in CASES[block::5]:
        shape, build, entries = case(seed + 10_000, valid=False)
        results = []
        for lib in (torch, torchish):
            x = bases(lib, shape, seed, "contiguous")
            results.append(outcome(partial(read, build, lib, x)))
        if not same_error(*results):
            assert np.array_equal(results[0][1].numpy(), results[1][1].numpy()), (seed, shape, entries)


SCRIPTS = """
"
m['a']
m[1.5]
m[{}]
m[[1.5]]
m[np.float32(1)]
m[np.bool_(True)]
m[2**70]
m[0.5:2]
m[::-1]
m[::0]
m[[0, None]].shape
m[[[0, 1], [1, 2]]]
m[[slice(0, 1), 0]]
m[range(2)]
m[...,...].shape
m[()].shape
m[torch.tensor([0, 1], dtype=torch.int16)]
m[torch.tensor([0.0])]
m[torch.tensor([0, 1, 1], dtype=torch.uint8)]
m[torch.tensor(1, dtype=torch.uint8)].shape
m[torch.tensor(1, dtype=torch.int16)]
m[True, 0]
m[True, True].shape
torch.tensor(5)[0]
torch.tensor(5)[1]
torch.tensor(5)[:]
torch.tensor(5)[[0]]
torch.tensor(5)[None]
torch.tensor(5)[...]
torch.zeros(0, 3)[[0]]
torch.zeros(0, 3)[[]]
torch.zeros(2, 0)[:, [0]]
m[[]].shape
m[[[]]].shape
m[torch.ones(3, 3, dtype=torch.bool)]
m[:, torch.ones(3, dtype=torch.bool)]
m[torch.ones(3, 4, 1, dtype=torch.bool)]
m[torch.ones(3, dtype=torch.bool), torch.tensor([0, 1])]
m[[0, 1], [0, 1, 2]]
m[[9, 1], [0, 9]]
m[[0, 1], [0, 9]]
m.__setitem__(0, 'a')
m.__setitem__(0, None)
m.__setitem__(0, [1.0])
m.__setitem__(0, np.ones(4))
m.__setitem__(0, 1j)
m.__setitem__(0, 1e300)
m.__setitem__(0, 2**70)
m.__setitem__(0, np.float32(1))
m.__setitem__([0], torch.tensor([1]))
m.__setitem__(m > 5, torch.ones(3))
m.__setitem__([0], torch.ones(2, 4))
m.__setitem__(m > 5, torch.ones(7, dtype=torch.long))
m.__setitem__(m > 5, torch.tensor(1))
m.__setitem__(m > 5, torch.tensor(1j))
m.__setitem__(torch.tensor([1, 0, 1], dtype=torch.uint8), 1.0)
m.__setitem__(False, torch.ones(9))
m.__setitem__(5, 1)
m.__setitem__([5], 1)
m.__setitem__((0, 0, 0), 1)
m.__delitem__(0)
m.__setitem__(slice(1, None), m[:-1])
m.__setitem__(slice(0, 1), m[0:1])
m.__setitem__(0, torch.ones(2, 4))
i.__setitem__(0, 1.9)
i.__setitem__([0], 1.9)
i.__setitem__(0, 1j)
i.__setitem__(0, torch.tensor(2.7))
i.__setitem__(i > 0, 2.5)
b.__setitem__(0, 1.9)
b.__setitem__(0, 1j)
u.__setitem__(0, -1)
u.__setitem__(0, 256)
u.__setitem__(0, 1.5)
m.index_put((torch.tensor([0]),), torch.tensor(1.0), True)
m.index_put((torch.tensor([0]),) * 3, torch.tensor(1.0))
torch.zeros(3).index_put_((torch.tensor([0, 0, 1]),), torch.ones(3), accumulate=True)
b.index_put((torch.tensor([0]),), b[:1], True)
torch.zeros(1, 4).expand(3, 4).__setitem__(0, 1.0)
torch.zeros(1, 4).expand(3, 4).__setitem__([0], 1.0)
"""


@pytest.mark.parametrize("text", SCRIPTS.strip().splitlines())
def test_corner(text):
    results = []
    for lib in (torch, torchish):
        names = {"torch": lib, "np": np, "m": lib.tensor(np.arange(12, dtype=np.float32).reshape(3, 4))}
        names |= {"i": lib.tensor([1, 0, 2]), "b": lib.tensor([True, False]), "u": lib.tensor([1, 2], dtype=lib.uint8)}
        end = outcome(lambda names=names: eval(text, names))
        values = [names[k].numpy().tolist() for k in "mibu"]
        results.append((end, values))
    (a, before), (b, after) = results
    if not same_error(a, b):
        if hasattr(a[1], "numpy"):
            assert a[1].numpy().tolist() == b[1].numpy().tolist()
            assert a[1].shape == b[1].shape
        else:
            assert a[1] == b[1]
    assert before == after


def test_last_write_wins_and_a_loop_compiles_once():
    x = torchish.zeros(3)
    x[torchish.tensor([0, 0, 1, 0])] = torchish.tensor([1.0, 2.0, 3.0, 4.0])
    assert x.tolist() == [4.0, 3.0, 0.0]
    from torchish.engine.program import STATS

    t = torchish.arange(64.0)
    counts = []
    for i in range(6):
        t[i] = float(t[i + 1]) + 1.0
        t.tolist()
        counts.append(STATS.compiled + STATS.loaded)
    assert counts[2] == counts[-1]


def test_masked_assignment_does_not_read_the_mask():
    x = torchish.arange(6.0).reshape(2, 3) * 1
    mask = (x * 2) > 3
    x[mask] = 0
    x[mask] = torchish.tensor(1.5)
    assert mask._storage.expr.value is None
    assert x.tolist() == [[0.0, 1.0, 1.5], [1.5, 1.5, 1.5]]


def test_known_ranges_need_no_computation():
    scores = torchish.arange(12.0).reshape(3, 4) * 2
    best = scores.argmax(1)
    picked = scores[torchish.arange(3), best]
    assert best._storage.expr.value is None
    assert picked.tolist() == [6.0, 14.0, 22.0]


@pytest.mark.parametrize("index", [[0, None], [0, ...], [0, slice(1)], [[0, 1], [1, 0]], [None, [0]]])
def test_lists_that_index_as_tuples_are_warned_of(index):
    found = []
    for lib in (torch, torchish):
        with pytest.warns(UserWarning) as caught:
            shape = tuple(lib.arange(12).view(2, 2, 3)[index].shape)
        found.append((shape, [str(w.message).split("/torch/csrc/")[-1] for w in caught]))
    assert found[0] == found[1]


WRITES_TO_REPEATS = [
    "x.masked_fill_(x > 1.5, 9.0)", "x.__setitem__(x > 1.5, 9.0)", "x.__setitem__((T([0]),), 9.0)", "x.index_put_((T([0, 2]),), T(2.0))",
    "x.index_put_((T([0, 2]), T([1, 1])), T([[5.0, 1.0], [6.0, 3.0]]), accumulate=True)",
    "x.index_put_((T([0, 2]),), T(1.0), accumulate=True)",
    "x.__setitem__((slice(None), slice(None), T([1])), 7.0)", "x.__setitem__((T([0, 2]), slice(None), T([1, 0])), t.ones(2, 4) * 5)",
    "x.index_put_((T([0, 2]),), t.arange(16.0).view(2, 4, 2))", "x.index_put_((T([0, 2]),), t.arange(16.0).view(2, 4, 2), accumulate=True)",
    "x.__setitem__((T([0, 2]), None, T([[1], [0]])), 3.0)", "x.__setitem__((slice(None), T([4])), 3.0)",
    "x.index_put_((None, None, T([0])), t.ones(3, 4, 1) * 2, accumulate=True)",
]  # fmt: skip


@pytest.mark.parametrize("write", WRITES_TO_REPEATS)
def test_writes_to_an_expanded_tensor_show_everywhere(write):
    def f(lib):
        base = lib.arange(6.0).view(3, 1, 2)
        x = base.expand(3, 4, 2)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                eval(write, {"x": x, "t": lib, "T": lib.tensor})
            except Exception as error:
                return type(error).__name__, str(error)
        texts = [str(w.message).partition(" (Triggered")[0].strip() for w in caught]
        return x.tolist(), base.tolist(), texts

    assert f(torchish) == f(torch)
