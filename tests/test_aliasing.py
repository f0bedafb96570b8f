"""Views, in-place writes, NumPy sharing and autograd, mixed at random: torchish does what PyTorch does.

A program is a list of steps, each an operation and four small numbers that pick its operands and arguments. It runs on
both libraries; after each step every tensor must agree in geometry, version, autograd state and in which tensors share
memory, and at the end in values and gradients. Errors must be of the same type and text.

`TORCHISH_FUZZ=5000 pytest tests/test_aliasing.py` runs that many programs per test instead of what a commit's check runs.
"""

from __future__ import annotations

import os
import re
import warnings

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import torchish
from torchish.engine import disk_cache, expr
from torchish.engine.program import evaluate_all

EXAMPLES = int(os.environ.get("TORCHISH_FUZZ", "60"))
POOL = 9  # tensors that a program keeps

STEPS: dict[str, list] = {"view": [], "write": [], "grad": [], "numpy": [], "mode": []}


class Skip(Exception):
    """The step makes no sense, or has no defined result, in this state."""


class World:
    """One library's side of a program."""

    def __init__(self, lib, bases):
        self.lib = lib
        self.pool: list = []
        self.arrays: list = []
        self.modes: list = []
        self.log: list = []
        self.graphs: list = []
        for b in bases:
            self.pool.extend(BASES[b](lib))

    def tensor(self, i):
        return self.pool[i % len(self.pool)]

    def keep(self, got):
        for t in got if isinstance(got, (tuple, list)) else (got,):
            if isinstance(t, self.lib.Tensor):
                if len(self.pool) >= POOL:
                    self.pool.pop(0)
                self.pool.append(t)

    def close(self):
        while self.modes:
            self.modes.pop().__exit__(None, None, None)


def step(kind):
    def wrap(f):
        STEPS[kind].append(f)
        return f

    return wrap


# --- base tensors ------------------------------------------------------------------------------------------


def _arange(lib, *shape):
    n = int(np.prod(shape))
    return lib.from_numpy((np.arange(n, dtype=np.float32) % 5 - 1.5).reshape(shape)).clone()


BASES = [
    lambda lib: [_arange(lib, 2, 3)],
    lambda lib: [_arange(lib, 2, 3).requires_grad_()],
    lambda lib: [_arange(lib, 2, 3).requires_grad_() * 2],
    lambda lib: [_arange(lib, 3, 2).t()],
    lambda lib: [_arange(lib, 4).requires_grad_()],
    lambda lib: [x := _arange(lib, 4).requires_grad_(), x + 1],
    lambda lib: [_arange(lib, 2, 1, 3)[:, :, 1:]],
    lambda lib: [lib.complex(_arange(lib, 2, 2), _arange(lib, 2, 2))],
    lambda lib: [lib.complex(_arange(lib, 2, 2), _arange(lib, 2, 2)).requires_grad_() * 2],
    lambda lib: [_arange(lib, 1).reshape(())],
    lambda lib: [x := _arange(lib, 2, 3).requires_grad_(), (x * 1)[:, 1:]],
]


# --- views -------------------------------------------------------------------------------------------------


def _dim(t, c):
    return c % (2 * t.dim()) - t.dim() if t.dim() else 0


@step("view")
def select(w, a, b, c, d):
    t = w.tensor(a)
    return t.select(_dim(t, b), c % 3 - 1)


@step("view")
def index(w, a, b, c, d):
    t = w.tensor(a)
    return t[[0, -1, slice(None), slice(1, None), slice(0, 2), slice(None, None, 2), None, Ellipsis][b % 8]]


@step("view")
def index_two(w, a, b, c, d):
    t = w.tensor(a)
    parts = [0, slice(None), slice(1, None), None, Ellipsis, slice(None, None, 2), -1]
    i, j = parts[b % 7], parts[c % 7]
    if i is Ellipsis and j is Ellipsis:
        raise Skip
    return t[i, j]


@step("view")
def narrow(w, a, b, c, d):
    t = w.tensor(a)
    return t.narrow(_dim(t, b), c % 3, d % 3)


@step("view")
def transposes(w, a, b, c, d):
    t = w.tensor(a)
    return [
        lambda: t.t(), lambda: t.transpose(_dim(t, b), _dim(t, c)), lambda: t.T if t.dim() == 2 else t.mT,
        lambda: t.permute(*range(t.dim())[::-1]),
    ][d % 4]()  # fmt: skip


@step("view")
def view(w, a, b, c, d):
    t = w.tensor(a)
    shape = [(-1,), (t.numel(),), (1, -1), (2, -1), (3, -1), (-1, 1), (2, 3), ()][b % 8]
    return t.view(shape) if c % 2 else t.reshape(shape)


@step("view")
def flatten(w, a, b, c, d):
    t = w.tensor(a)
    return [lambda: t.flatten(), lambda: t.ravel(), lambda: t.contiguous(), lambda: t.flatten(0, 1)][b % 4]()


@step("view")
def squeeze(w, a, b, c, d):
    t = w.tensor(a)
    return [lambda: t.squeeze(), lambda: t.squeeze(_dim(t, c)), lambda: t.unsqueeze(_dim(t, c)), lambda: t.unsqueeze(0)][b % 4]()


@step("view")
def expand(w, a, b, c, d):
    t = w.tensor(a)
    return [
        lambda: t.expand(2, *t.shape), lambda: t.expand(*(3 if n == 1 else -1 for n in t.shape)), lambda: t.broadcast_to((2, 2, 3)),
    ][b % 3]()  # fmt: skip


@step("view")
def diagonal(w, a, b, c, d):
    return w.tensor(a).diagonal(c % 3 - 1)


@step("view")
def unfold(w, a, b, c, d):
    t = w.tensor(a)
    return t.unfold(_dim(t, b), 1 + c % 2, 1 + d % 2)


@step("view")
def as_strided(w, a, b, c, d):
    t = w.tensor(a)
    size, stride = [((2,), (1,)), ((2, 2), (1, 2)), ((3,), (0,)), ((2, 2), (1, 1)), ((), ())][b % 5]
    return t.as_strided(size, stride, None if c % 3 == 0 else c % 3 - 1)


@step("view")
def parts(w, a, b, c, d):
    t = w.tensor(a)
    if t.is_complex():
        return [lambda: t.real, lambda: t.imag, lambda: w.lib.view_as_real(t), lambda: t.conj()][b % 4]()
    return [lambda: t.real, lambda: w.lib.view_as_complex(t), lambda: t.detach(), lambda: t.conj()][b % 4]()


@step("view")
def several(w, a, b, c, d):
    t = w.tensor(a)
    return [
        lambda: t.unbind(_dim(t, c)), lambda: t.split(1 + d % 2, _dim(t, c)), lambda: t.chunk(2, _dim(t, c)),
        lambda: t.tensor_split(2, _dim(t, c)),
    ][b % 4]()[:3]  # fmt: skip


@step("view")
def outside(w, a, b, c, d):
    t = w.tensor(a)
    return [lambda: t.detach(), lambda: t.data, lambda: t.view_as(t), lambda: t.clone()][b % 4]()


# --- writes ------------------------------------------------------------------------------------------------


def _places(t):
    places = [t.storage_offset()]
    for n, s in zip(t.shape, t.stride(), strict=True):
        places = [p + i * s for p in places for i in range(n)]
    return places


def _writable(t):
    """Refuse targets whose elements overlap other than by expansion: the outcome depends on the order of writes."""
    places = _places(t)
    if len(set(places)) < len(places) and not any(s == 0 and n > 1 for s, n in zip(t.stride(), t.shape, strict=True)):
        raise Skip


def _apart(t, other):
    """Refuse operands that overlap the target partly, unless both are dense (which is an error)."""
    if other is t or t.untyped_storage().data_ptr() != other.untyped_storage().data_ptr():
        return
    if (t.storage_offset(), t.stride(), t.shape, t.dtype) == (other.storage_offset(), other.stride(), other.shape, other.dtype):
        return
    raise Skip


@step("write")
def add_number(w, a, b, c, d):
    t = w.tensor(a)
    _writable(t)
    return [lambda: t.add_(1), lambda: t.mul_(2), lambda: t.sub_(0.5), lambda: t.neg_(), lambda: t.exp_(), lambda: t.__iadd__(2)][b % 6]()


@step("write")
def add_tensor(w, a, b, c, d):
    t, other = w.tensor(a), w.tensor(b)
    _writable(t)
    _apart(t, other)
    return [lambda: t.add_(other), lambda: t.mul_(other), lambda: t.sub_(other), lambda: t.copy_(other)][c % 4]()


@step("write")
def fill(w, a, b, c, d):
    t = w.tensor(a)
    return [lambda: t.fill_(3), lambda: t.zero_(), lambda: t.fill_(w.tensor(c).detach().real.sum())][b % 3]()


@step("write")
def setitem(w, a, b, c, d):
    t = w.tensor(a)
    _writable(t)
    index = [
        0, slice(1, None), slice(None), Ellipsis, (slice(None), 0), (slice(None), slice(None, None, 2)), slice(None, None, 2), -1,
    ][b % 8]  # fmt: skip
    if d % 2:
        t[index] = float(c)
    else:
        other = w.tensor(c)
        if other.untyped_storage().data_ptr() == t.untyped_storage().data_ptr():
            raise Skip
        t[index] = other


@step("write")
def setmask(w, a, b, c, d):
    t = w.tensor(a)
    if any(s == 0 and n > 1 for s, n in zip(t.stride(), t.shape, strict=True)) or t.is_complex():
        raise Skip
    _writable(t)
    mask = t.detach() > 0
    if d % 2:
        t[mask] = 7.0
    else:
        t.masked_fill_(mask, -1)


@step("write")
def setindex(w, a, b, c, d):
    t = w.tensor(a)
    if any(s == 0 and n > 1 for s, n in zip(t.stride(), t.shape, strict=True)):
        raise Skip
    _writable(t)
    if t.dim() and len(t) < 2:
        raise Skip  # PyTorch writes a part before it notices
    t[w.lib.tensor([0, 1])] = float(b)


@step("write")
def reshape_inplace(w, a, b, c, d):
    t = w.tensor(a)
    return [
        lambda: t.t_(), lambda: t.transpose_(_dim(t, c), _dim(t, d)), lambda: t.squeeze_(), lambda: t.unsqueeze_(0),
        lambda: t.squeeze_(_dim(t, c)),
    ][b % 5]()  # fmt: skip


@step("write")
def out(w, a, b, c, d):
    t, x = w.tensor(a), w.tensor(b)
    _writable(t)
    _apart(t, x)
    if t.shape != x.shape:
        raise Skip
    w.lib.mul(x, 2, out=t)


@step("write")
def set_(w, a, b, c, d):
    t, other = w.tensor(a), w.tensor(b)
    if t.requires_grad or other.requires_grad or t.dtype != other.dtype or t._is_view() or t.is_inference() != other.is_inference():
        raise Skip
    t.set_(other)


@step("write")
def resize_(w, a, b, c, d):
    t = w.tensor(a)
    shape = [(2,), (1, 2), (), (0,)][b % 4]
    if not t.is_contiguous() or int(np.prod(shape)) > t.numel():
        raise Skip
    return t.resize_(shape)


@step("write")
def data_write(w, a, b, c, d):
    t = w.tensor(a)
    _writable(t)
    [lambda: t.data.add_(1), lambda: t.detach().mul_(2)][b % 2]()


@step("write")
def assign_data(w, a, b, c, d):
    t, other = w.tensor(a), w.tensor(b)
    if t.is_inference() != other.is_inference() or t._is_view():
        raise Skip
    if t.shape != other.shape and not t.is_leaf:
        raise Skip  # its history does not fit any more
    t.data = other


# --- autograd ------------------------------------------------------------------------------------------------


@step("grad")
def compute(w, a, b, c, d):
    t, other = w.tensor(a), w.tensor(b)
    return [
        lambda: t * other, lambda: t + other, lambda: t * 3, lambda: t.exp(), lambda: t * t, lambda: t.sin(), lambda: t / 2,
        lambda: (t * 2).relu() if not t.is_complex() else t,
    ][c % 8]()  # fmt: skip


@step("grad")
def requires_grad_(w, a, b, c, d):
    t = w.tensor(a)
    t.requires_grad_(bool(b % 2))


@step("grad")
def detach_(w, a, b, c, d):
    w.tensor(a).detach_()


@step("grad")
def retain_grad(w, a, b, c, d):
    w.tensor(a).retain_grad()


@step("grad")
def hook(w, a, b, c, d):
    log = w.log

    def f(g):
        log.append(g)
        return g * 2 if b % 2 else None

    w.tensor(a).register_hook(f)


def _loss(w, a, b):
    t, other = w.tensor(a), w.tensor(b)
    s = t.sum() if b % 2 else (t.sum() + (other * other).sum())
    return s.abs() if s.is_complex() else s


@step("grad")
def backward(w, a, b, c, d):
    loss = _loss(w, a, b)
    w.graphs.append(loss)
    loss.backward(retain_graph=bool(c % 2))


@step("grad")
def backward_again(w, a, b, c, d):
    if not w.graphs:
        raise Skip
    w.graphs[a % len(w.graphs)].backward()


@step("grad")
def backward_inputs(w, a, b, c, d):
    _loss(w, a, b).backward(inputs=[w.tensor(c)])


@step("grad")
def grad(w, a, b, c, d):
    loss = _loss(w, a, b)
    (g,) = w.lib.autograd.grad(loss, w.tensor(c), create_graph=bool(d % 2), allow_unused=bool(d % 3))
    return None if g is None else g.clone(memory_format=w.lib.contiguous_format)  # strides of gradients are not a contract


@step("grad")
def clear(w, a, b, c, d):
    for t in w.pool:
        if t.is_leaf:
            t.grad = None


# --- NumPy ---------------------------------------------------------------------------------------------------


@step("numpy")
def numpy(w, a, b, c, d):
    t = w.tensor(a)
    w.arrays.append(t.detach().numpy() if b % 4 else t.numpy())


@step("numpy")
def from_numpy(w, a, b, c, d):
    if not w.arrays:
        w.arrays.append(np.arange(4, dtype=np.float32))
    x = w.arrays[a % len(w.arrays)]
    return w.lib.from_numpy([x, x[::2] if x.ndim else x, x.T][b % 3])


@step("numpy")
def write_array(w, a, b, c, d):
    if not w.arrays:
        raise Skip
    x = w.arrays[a % len(w.arrays)]
    if 0 in x.strides and x.size:
        raise Skip
    x[...] = c


@step("numpy")
def drop_array(w, a, b, c, d):
    if w.arrays:
        w.arrays.pop(a % len(w.arrays))


# --- modes ---------------------------------------------------------------------------------------------------


@step("mode")
def enter(w, a, b, c, d):
    m = [w.lib.no_grad, w.lib.enable_grad, w.lib.inference_mode, w.lib.no_grad][a % 4]()
    m.__enter__()
    w.modes.append(m)


@step("mode")
def leave(w, a, b, c, d):
    if w.modes:
        w.modes.pop().__exit__(None, None, None)


# --- running and comparing -----------------------------------------------------------------------------------


def outcome(f, w, numbers):
    """What a step gives on one side: "skip", ("ok", result) or ("error", type, text)."""
    try:
        return ("ok", f(w, *numbers))
    except Skip:
        return ("skip",)
    except Exception as e:
        text = re.sub(r"0x[0-9a-f]+", "0x…", str(e))
        return ("error", type(e).__name__, text.splitlines()[0] if text else "")


def state(t, lib) -> dict:
    """What a tensor shows of itself, values aside."""
    try:
        name = None if t.grad_fn is None else t.grad_fn.name()
    except RuntimeError as e:  # a view that its base's changes left without a gradient function
        return {"shape": tuple(t.shape), "error": str(e)}
    return {
        "shape": tuple(t.shape),
        "dtype": str(t.dtype),
        "stride": tuple(t.stride()),
        "offset": t.storage_offset(),
        "contiguous": t.is_contiguous(),
        "requires_grad": t.requires_grad,
        "is_leaf": t.is_leaf,
        "grad_fn": name,
        "output_nr": t.output_nr,
        "version": None if t.is_inference() else t._version,
        "view": t._is_view(),
        "inference": t.is_inference(),
        "retains": t.retains_grad,
        "conj": t.is_conj(),
    }


def sharing(ts) -> list:
    """Which tensors start at one address, which share storage, and which have which base."""
    addresses = [t.data_ptr() if t.numel() else -1 for t in ts]
    storages = [t.untyped_storage().data_ptr() for t in ts if t.numel()]
    bases = [next((i for i, x in enumerate(ts) if x is t._base), -1) if t._base is not None else None for t in ts]
    return [[addresses.index(x) for x in addresses], [storages.index(x) for x in storages], bases]


def value(t):
    return np.array(t.detach().resolve_conj().numpy(force=True) if hasattr(t, "detach") else t)


def same_values(x, y) -> bool:
    x, y = value(x), value(y)
    return x.shape == y.shape and x.dtype == y.dtype and np.allclose(x, y, 1e-4, 1e-5, equal_nan=True)


class PyTorchBroke(Exception):
    """One of PyTorch's own assertions has failed: what it does from there is no contract."""


def check_assertions(text):
    if "INTERNAL ASSERT FAILED" in str(text):
        raise PyTorchBroke


def check_states(ref, our, trail):
    for i, (x, y) in enumerate(zip(ref.pool, our.pool, strict=True)):
        p, q = state(x, torch), state(y, torchish)
        check_assertions(p.get("error"))
        differ = [f"  {k}: torch {p.get(k)}, torchish {q.get(k)}" for k in {**p, **q} if p.get(k) != q.get(k)]
        assert p == q, f"tensor {i} after {trail}:\n" + "\n".join(differ)
    p, q = sharing(ref.pool), sharing(our.pool)
    assert p == q, f"sharing after {trail}: torch {p}, torchish {q}"


def check_values(ref, our, trail):
    for i, (x, y) in enumerate(zip(ref.pool, our.pool, strict=True)):
        assert same_values(x, y), f"tensor {i} after {trail}:\n{x}\n{y}"
    for i, (x, y) in enumerate(zip(ref.arrays, our.arrays, strict=True)):
        assert same_values(x, y) and x.strides == y.strides, f"array {i} after {trail}:\n{x}\n{y}"
    assert len(ref.log) == len(our.log), f"hooks called after {trail}: {len(ref.log)} and {len(our.log)} times"
    for x, y in zip(ref.log, our.log, strict=True):
        assert same_values(x, y), f"hook's gradient after {trail}:\n{x}\n{y}"
    for i, (x, y) in enumerate(zip(ref.pool, our.pool, strict=True)):
        g, h = x.grad, y.grad
        assert (g is None) == (h is None), f"grad of tensor {i} after {trail}: {g} and {h}"
        if g is not None:
            assert same_values(g, h), f"grad of tensor {i} after {trail}:\n{g}\n{h}"
            assert g.requires_grad == h.requires_grad, f"grad of tensor {i} after {trail}:\n{g}\n{h}"


def run(bases, program, eager=False):
    ref, our = World(torch, bases), World(torchish, bases)
    trail = [f"bases {bases}"]
    previous, expr.EAGER = expr.EAGER, eager
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_states(ref, our, trail)
            for kind, number, *numbers in program:
                f = STEPS[kind][number % len(STEPS[kind])]
                trail.append(f"{f.__name__}{tuple(numbers)}")
                p, q = outcome(f, ref, numbers), outcome(f, our, numbers)
                if p[0] == "skip" or q[0] == "skip":
                    assert p[0] == q[0], f"{trail}: {p} and {q}"
                    trail.pop()
                    continue
                if p[0] == "error":
                    check_assertions(p[2])
                assert p[0] == q[0] and p[1:] == q[1:] or p[0] == q[0] == "ok", f"{trail}:\n{p}\n{q}"
                if p[0] == "ok":
                    ref.keep(p[1])
                    our.keep(q[1])
                check_states(ref, our, trail)
            ref.close()
            our.close()
            evaluate_all()
            check_values(ref, our, trail)
    except PyTorchBroke:
        pass
    finally:
        ref.close()
        our.close()
        expr.EAGER = previous


small = st.integers(0, 11)


def programs(*kinds):
    one = st.tuples(st.sampled_from(kinds), st.integers(0, 14), small, small, small, small)
    return st.lists(one, min_size=1, max_size=7)


bases = st.lists(st.integers(0, len(BASES) - 1), min_size=1, max_size=2)


@pytest.fixture(autouse=True)
def no_disk_cache(monkeypatch):
    """Programs made at random are not worth keeping on disk."""
    monkeypatch.setattr(disk_cache, "ENABLED", False)


def fuzz(share=1.0):
    return settings(
        max_examples=max(int(EXAMPLES * share), 1), deadline=None, derandomize="TORCHISH_FUZZ" not in os.environ,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], database=None,
    )  # fmt: skip


@fuzz()
@given(bases, programs("view", "write", "write"))
def test_views_and_writes(bases, program):
    run(bases, program)


@fuzz()
@given(bases, programs("view", "write", "grad", "grad"))
def test_autograd_through_views_and_writes(bases, program):
    run(bases, program)


@fuzz()
@given(bases, programs("view", "write", "grad", "mode"))
def test_grad_modes(bases, program):
    run(bases, program)


@fuzz()
@given(bases, programs("view", "write", "numpy", "numpy"))
def test_numpy_sharing(bases, program):
    run(bases, program)


@fuzz(0.5)
@given(bases, programs("view", "write", "grad", "numpy", "mode"))
def test_eager_mode(bases, program):
    run(bases, program, eager=True)
