"""Calls that were seen before take a shorter way (`torchish._tensor.calls`), on which everything must come out as on the general one."""

import itertools

import pytest

import torchish as torch
from torchish._tensor import apply as applying
from torchish._tensor import calls


def inputs_of(kind: str) -> tuple:
    """Three 2x3 tensors of a kind."""
    a, b, c = (torch.arange(6.0).reshape(2, 3) + k for k in (1, 2, 3))
    if kind == "plain":
        return a, b, c
    if kind == "leaves":
        return a.requires_grad_(), b.requires_grad_(), c.requires_grad_()
    if kind == "one leaf":
        return a, b.requires_grad_(), c
    if kind == "results":
        leaf = torch.ones(3, requires_grad=True)
        return a * leaf, b + leaf, c
    if kind == "second results":
        leaf = torch.ones(4, 3, requires_grad=True)
        return leaf.split(2)[1], (leaf * 2).chunk(2)[1], c
    if kind == "views":
        leaf = torch.ones(3, 2, requires_grad=True)
        return leaf.t(), (leaf * 2).t(), c
    if kind == "transposed":
        return a.reshape(3, 2).t(), b.reshape(3, 2).t(), c
    if kind == "changed":
        leaf = torch.ones(2, 3, requires_grad=True)
        r = leaf * 2
        return a.add_(1), r.mul_(b), c
    if kind == "view that was changed":
        base = torch.zeros(4, 3, requires_grad=True) * 1
        view = base[1:3]
        view.add_(a)
        return view, b, base[:2]
    if kind == "parameters":
        return a, torch.nn.Parameter(b), torch.nn.Parameter(c)
    if kind == "shared with NumPy":
        array = b.numpy()
        array += 1
        return a, b, c
    if kind == "detached in place":
        leaf = torch.ones(2, 3, requires_grad=True)
        r = (leaf * 2).detach_().requires_grad_()
        return r, b, c
    assert kind == "other shapes and dtypes"
    return a.double(), b[0].int(), torch.tensor(2.0)


KINDS = ["plain", "leaves", "one leaf", "results", "second results", "views", "transposed", "changed", "view that was changed",
         "parameters", "shared with NumPy", "detached in place", "other shapes and dtypes"]  # fmt: skip
CALLS = {
    "x * y": lambda x, y, z: x * y,
    "x / y": lambda x, y, z: x / y,
    "2.5 - x": lambda x, y, z: 2.5 - x,
    "x + 3": lambda x, y, z: x + 3,
    "x * 1000": lambda x, y, z: x * 1000,
    "x > y": lambda x, y, z: x > y,
    "x.exp()": lambda x, y, z: x.exp(),
    "x.sum(1)": lambda x, y, z: x.sum(1),
    "torch.add(x, y, alpha=2)": lambda x, y, z: torch.add(x, y, alpha=2),
    "torch.addcmul(x, y, z)": lambda x, y, z: torch.addcmul(x, y, z),
    "torch.where(x > 2, y, z)": lambda x, y, z: torch.where(x > 2, y, z),
    "torch.nn.functional.softplus(x)": lambda x, y, z: torch.nn.functional.softplus(x),
    "x.clamp(max=4.0)": lambda x, y, z: x.clamp(max=4.0),
}


def described(t: torch.Tensor) -> tuple:
    """All that a result is, and where its history leads."""
    fn = t.grad_fn
    history = None
    if fn is not None:
        after = [(None if f is None else f.name(), n) for f, n in fn.next_functions]
        saved = {n: getattr(fn, n) for n in dir(fn) if n.startswith("_saved_")}
        saved = {n: v.tolist() if isinstance(v, torch.Tensor) else v for n, v in saved.items()}
        history = fn.name(), after, saved, fn.versions, fn._avals
    return t.dtype, t.shape, t.stride(), t.tolist(), t.requires_grad, t.is_leaf, t.is_inference(), t._vc.version, history


def gradients(t: torch.Tensor, inputs: tuple) -> list:
    """Those of the inputs that require one, twice over."""
    wanted = [x for x in inputs if x.requires_grad]
    if not t.requires_grad:
        return []
    made = torch.autograd.grad((t * t).sum(), wanted, allow_unused=True, retain_graph=True)
    return [None if g is None else g.tolist() for g in made]


@pytest.mark.parametrize("mode", ["recorded", "no_grad", "inference"])
@pytest.mark.parametrize("call", CALLS)
def test_a_call_seen_before_gives_what_the_first_one_gave(monkeypatch, call, mode):
    mode = {"recorded": torch.enable_grad, "no_grad": torch.no_grad, "inference": torch.inference_mode}[mode]
    for kind in KINDS:
        inputs = inputs_of(kind)
        if kind == "other shapes and dtypes" and "addcmul" in call:
            continue  # takes one dtype only
        found = []
        for general in (True, False, False):
            with monkeypatch.context() as patch:
                if general:
                    patch.setattr(applying, "PROFILER", lambda f, *args: f(*args))
                with mode():
                    t = CALLS[call](*inputs)
            found.append((described(t), gradients(t, inputs)))
        assert found[0] == found[1] == found[2], kind


def test_calls_are_learnt_by_all_they_depend_on():
    x = torch.ones(2, requires_grad=True)
    for y, enabled in itertools.product((torch.ones(2), torch.ones(3, 2), torch.ones(2).double(), x), (True, False, True)):
        with torch.set_grad_enabled(enabled):
            r = x * y
        assert (r.shape, r.dtype, r.requires_grad) == (y.shape, y.dtype, enabled)


def test_hooks_and_function_transforms_take_the_general_way():
    x = torch.ones(3, requires_grad=True)
    packed = []
    for n in (2, 4):
        with torch.autograd.graph.saved_tensors_hooks(lambda t: packed.append(t) or t, lambda t: t):
            (x * x).sum().backward()
        assert len(packed) == n
        assert torch.func.vmap(lambda t: t * t)(torch.arange(3.0)).tolist() == [0, 1, 4]
        assert torch.func.grad(lambda t: (t * t).sum())(torch.ones(3)).tolist() == [2, 2, 2]
        assert (x * x).grad_fn.next_functions[0][0].variable is x


def test_changed_tensors_and_numbers_that_do_not_fit_are_refused_by_known_calls():
    x, y = torch.ones(2, requires_grad=True), torch.ones(2)
    for _ in range(3):
        r = (x * y).sum()
        y.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            r.backward()
    small = torch.ones(2, dtype=torch.uint8)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="value cannot be converted to type uint8_t without overflow"):
            small.clamp(max=300)
        assert (small.clamp(max=100) + 2).tolist() == [3, 3]
        assert (small + 1000).tolist() == [233, 233]
    with torch.inference_mode():
        made = torch.ones(2)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
            x * made


def test_every_pattern_is_its_own_function():
    a = calls.straight_call(("T", "T"), (0, 1), True, applying._apply)
    assert a is calls.straight_call(("T", "T"), (0, 1), True, applying._apply)
    assert a is not calls.straight_call(("T", "f"), (0, 1), True, applying._apply)


def test_saved_results_that_become_dual_numbers_take_the_general_way():
    x = torch.ones(3, requires_grad=True)
    for _ in range(3):
        y = x.exp()
        with torch.autograd.forward_ad.dual_level():
            y.data.copy_(torch.autograd.forward_ad.make_dual(torch.full((3,), 2.0), torch.ones(3)))
            (g,) = torch.autograd.grad(y.sum(), x)
            assert torch.autograd.forward_ad.unpack_dual(g).primal.tolist() == [2, 2, 2]
