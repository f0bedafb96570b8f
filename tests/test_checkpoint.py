"""`torch.utils.checkpoint` next to PyTorch's: values, gradients, random numbers, errors."""

import importlib
import warnings

import numpy as np
import pytest
import torch as pytorch

import torchish

LIBRARIES = {"pytorch": pytorch, "torchish": torchish}


def both(f):
    """What `f` gives (or raises) with either library, the same for both."""
    outcomes = []
    for torch in LIBRARIES.values():
        torch.manual_seed(0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = f(torch, importlib.import_module(torch.__name__ + ".utils.checkpoint"))
                result = [x.detach().numpy() if hasattr(x, "detach") else x for x in result]
            except Exception as error:
                result = [type(error).__name__, str(error).partition("\nTip:")[0]]
        outcomes.append([*result, *(str(w.message) for w in caught)])
    theirs, ours = outcomes
    assert len(theirs) == len(ours)
    for a, b in zip(theirs, ours, strict=True):
        if isinstance(a, np.ndarray):
            np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)
        else:
            assert a == b
    return ours


def model(torch):
    nn = torch.nn
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("preserve", [True, False])
def test_gradients_and_random_numbers(reentrant, preserve):
    def run(torch, ck):
        m = model(torch)
        x = torch.linspace(0, 1, 12).reshape(4, 3).requires_grad_()
        h = ck.checkpoint(m[:4], x, use_reentrant=reentrant, preserve_rng_state=preserve)
        y = m[4:](h)
        y.sum().backward()
        return [y, type(h.grad_fn).__name__ if reentrant else "", x.grad, *(p.grad for p in m.parameters()), torch.rand(3)]

    both(run)


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("segments", [1, 2, 3])
def test_sequential(reentrant, segments):
    def run(torch, ck):
        m = model(torch)
        x = torch.ones(4, 3, requires_grad=True)
        y = ck.checkpoint_sequential(m, segments, x, use_reentrant=reentrant)
        y.pow(2).sum().backward()
        return [y, x.grad, *(p.grad for p in m.parameters())]

    both(run)


def test_the_gradients_are_those_without_a_checkpoint():
    def run(torch, ck, how):
        torch.manual_seed(1)
        m = model(torch)
        x = torch.ones(4, 3, requires_grad=True)
        (ck.checkpoint(m, x, use_reentrant=how) if how is not None else m(x)).sum().backward()
        return [x.grad.numpy(), *(p.grad.numpy() for p in m.parameters())]

    import torchish.utils.checkpoint as ck

    plain, *checked = (run(torchish, ck, how) for how in (None, True, False))
    for grads in checked:
        for a, b in zip(plain, grads, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-6, atol=1e-7)


def test_calls_are_made_again_only_in_backward():
    def run(torch, ck):
        calls = []

        def f(x):
            calls.append(torch.is_grad_enabled())
            return (x * x).sin()

        x = torch.ones(2, requires_grad=True)
        y = ck.checkpoint(f, x, use_reentrant=False)
        before = len(calls)
        (g,) = torch.autograd.grad(y.sum(), x, retain_graph=True)
        (g2,) = torch.autograd.grad(y.sum(), x)
        with torch.no_grad():
            ck.checkpoint(f, x, use_reentrant=False)
        return [g, g2, before, str(calls)]

    both(run)


def test_nested_keywords_and_several_results():
    def run(torch, ck):
        w = torch.full((3,), 2.0, requires_grad=True)
        x = torch.ones(3, requires_grad=True)

        def inner(x, scale):
            return (x * w).exp() * scale, x.cos()

        def outer(x, *, scale):
            a, b = ck.checkpoint(inner, x, scale, use_reentrant=False)
            return a * b

        y = ck.checkpoint(outer, x, scale=3.0, use_reentrant=False)
        y.sum().backward()
        return [y, x.grad, w.grad]

    both(run)


def test_second_derivative():
    def run(torch, ck):
        x = torch.ones(3, requires_grad=True)
        y = ck.checkpoint(lambda x: (x * x).exp(), x, use_reentrant=False)
        (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        g.sum().backward()
        return [g, x.grad]

    both(run)


@pytest.mark.parametrize("early_stop", [True, False])
def test_early_stop(early_stop):
    def run(torch, ck):
        calls = []

        def f(x):
            y = x.sin().exp()
            calls.append(1)
            return y

        x = torch.ones(3, requires_grad=True)
        with ck.set_checkpoint_early_stop(early_stop):
            y = ck.checkpoint(f, x, use_reentrant=False)
        y.sum().backward()
        return [x.grad, len(calls)]

    both(run)


ERRORS = {
    "grad with reentrant": lambda torch, ck, x: torch.autograd.grad(ck.checkpoint(torch.sin, x, use_reentrant=True).sum(), x),
    "no gradient inside": lambda torch, ck, x: ck.checkpoint(lambda x: x.detach() * 2, x, use_reentrant=True).sum().backward(),
    "nothing requires a gradient": lambda torch, ck, x: [ck.checkpoint(torch.sin, x.detach(), use_reentrant=True).requires_grad],
    "not said which": lambda torch, ck, x: [ck.checkpoint(torch.sin, x)],
    "not said which, sequential": lambda torch, ck, x: [ck.checkpoint_sequential([torch.sin, torch.cos], 2, x)],
    "keywords": lambda torch, ck, x: ck.checkpoint(torch.sin, x, use_reentrant=True, scale=3),
    "context": lambda torch, ck, x: ck.checkpoint(torch.sin, x, use_reentrant=True, context_fn=lambda: None),
    "check": lambda torch, ck, x: ck.checkpoint(torch.sin, x, use_reentrant=False, determinism_check="often"),
    "detach": lambda torch, ck, x: ck.detach_variable([x]),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    both(lambda torch, ck: ERRORS[case](torch, ck, torch.ones(3, requires_grad=True)))


@pytest.mark.parametrize("change", ["shape", "fewer", "more"])
def test_recomputation_that_differs(change):
    def run(torch, ck):
        calls = []

        def f(x):
            calls.append(1)
            again = len(calls) > 1
            if change == "shape":
                return (x[:2] if again else x).sin().sum()
            n = {"fewer": 3 - 2 * again, "more": 1 + 2 * again}[change]
            for _ in range(n):
                x = x.sin()
            return x.sum()

        x = torch.ones(3, requires_grad=True)
        ck.checkpoint(f, x, use_reentrant=False, early_stop=False).backward()
        return []

    shown = both(run)
    assert shown[0] == "CheckpointError"


def test_a_group_of_backward_passes_computes_once():
    def run(torch, ck):
        calls = []

        def f(x):
            calls.append(1)
            return x.sin(), x.exp()

        x = torch.ones(3, requires_grad=True)
        a, b = ck.checkpoint(f, x, use_reentrant=False)
        with ck.GraphExecGroup():
            a.sum().backward()
            b.sum().backward()
        return [x.grad, len(calls)]

    both(run)


def test_groups_are_not_nested():
    def run(torch, ck):
        with ck.GraphExecGroup():
            try:
                with ck.GraphExecGroup():
                    pass
            except RuntimeError as error:
                return [str(error).partition(" Already")[0]]

    both(run)


def test_selective_checkpoints_have_the_same_gradients():
    def run(torch, ck):
        def policy(ctx, op, *args, **kwargs):
            return ck.CheckpointPolicy.PREFER_RECOMPUTE

        x = torch.ones(3, requires_grad=True)
        contexts = lambda: ck.create_selective_checkpoint_contexts(policy)  # noqa: E731
        y = ck.checkpoint(lambda x: x.sin().exp(), x, use_reentrant=False, context_fn=contexts)
        y.sum().backward()
        return [x.grad]

    both(run)
    both(lambda torch, ck: ck.create_selective_checkpoint_contexts(3))
