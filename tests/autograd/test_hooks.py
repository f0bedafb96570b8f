"""The order in which hooks see a gradient, and what of it is kept and returned."""

from __future__ import annotations

import warnings

import pytest
import torch as pytorch

import torchish

ADDED = {
    "tensor": lambda t, z: z.register_hook(lambda g: g * 2),
    "function": lambda t, z: z.grad_fn.register_prehook(lambda gs: (gs[0] + 1,)),
    "kept": lambda t, z: z.retain_grad(),
}


def gradients(t, names, how, recorded):
    x, y = (t.tensor([1.0, 2.0], requires_grad=True) for _ in "xy")
    z = x * y
    for name in names:
        ADDED[name](t, z)
    out = (z * 3).sum()
    if how.startswith("of "):
        got = t.autograd.grad(out, [{"x": x, "z": z}[c] for c in how.removeprefix("of ")], create_graph=recorded)
    else:
        out.backward(create_graph=recorded, inputs={"all": None, "x": [x], "z": [z]}[how])
        got = x.grad, y.grad
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [None if g is None else g.tolist() for g in (*got, z.grad)]


@pytest.mark.parametrize("names", [
    ["tensor"], ["function"], ["tensor", "function"], ["function", "tensor"],
    ["kept", "tensor", "function"], ["function", "kept", "tensor"],
])  # fmt: skip
@pytest.mark.parametrize("how", ["all", "x", "z", "of z", "of xz"])
@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.filterwarnings("ignore:Using backward")
def test_order_of_hooks(names, how, recorded):
    assert gradients(torchish, names, how, recorded) == gradients(pytorch, names, how, recorded)


def test_hooks_after_accumulation_return_nothing():
    def message(t):
        x = t.ones(2, requires_grad=True)
        x.register_post_accumulate_grad_hook(lambda p: p.grad)
        with pytest.raises(RuntimeError) as error:
            x.sum().backward()
        return str(error.value)

    assert message(torchish) == message(pytorch)


@pytest.mark.parametrize("t", [pytorch, torchish], ids=lambda t: t.__name__)
def test_a_pass_that_leads_nowhere_runs_the_hooks_it_begins_with(t):
    x, apart = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)
    seen = []
    y = x * 2
    z = y.sum()
    y.register_hook(lambda g: seen.append("y"))
    z.register_hook(lambda g: seen.append("z"))
    assert t.autograd.grad(z, apart, allow_unused=True) == (None,)
    assert seen == ["z"]


@pytest.mark.parametrize("t", [pytorch, torchish], ids=lambda t: t.__name__)
def test_of_several_beginnings_only_those_that_lead_somewhere_run_hooks(t):
    x, apart = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)
    seen = []
    y = x * 2
    y.retain_grad()
    for name, tensor in (("x", x), ("y", y)):
        tensor.register_hook(lambda g, name=name: seen.append(name))
    for root in (x, y):
        assert t.autograd.grad([root, apart * 2], [apart], [t.ones(2)] * 2)[0].tolist() == [2, 2]
        t.autograd.backward([root, apart * 2], [t.ones(2)] * 2, inputs=[apart])
    assert (seen, x.grad, y.grad, apart.grad.tolist()) == ([], None, None, [4, 4])


RETURNED = {"itself": lambda p: p.add_(1), "another": lambda p: p.grad, "a number": lambda p: 3, "nothing": lambda p: None}


@pytest.mark.parametrize("what", RETURNED)
def test_what_hooks_after_accumulation_return(what):
    told = []
    for t in (pytorch, torchish):
        x = t.zeros(2, requires_grad=True)
        x.register_post_accumulate_grad_hook(RETURNED[what])
        try:
            (x * 2).sum().backward()
            told.append((x.tolist(), x.grad.tolist()))
        except Exception as error:
            told.append((type(error).__name__, str(error)))
    assert told[0] == told[1]


@pytest.mark.parametrize("at", range(4))
def test_a_pass_that_fails_leaves_the_gradients_that_were_complete(at):
    def run(t):
        class Fails(t.autograd.Function):
            @staticmethod
            def forward(ctx, x, here):
                ctx.here = here
                return x.clone()

            @staticmethod
            def backward(ctx, g):
                if ctx.here:
                    raise ValueError("half-way")
                return g, None

        a, b, c, d = (t.full((2,), float(k), requires_grad=True) for k in range(1, 5))
        d.grad = t.ones(2)
        y = a * 2
        for k, w in enumerate((b, c, d, b)):
            y = Fails.apply(y, k == at) * w  # `b` gets its gradient at two places
        with pytest.raises(ValueError, match="half-way"):
            y.sum().backward()
        return [None if x.grad is None else x.grad.tolist() for x in (a, b, c, d)]

    assert run(torchish) == run(pytorch)
