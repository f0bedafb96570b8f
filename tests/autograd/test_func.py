"""`torch.func` and `torch.vmap`: each case is written once and must give PyTorch's values, histories and errors."""

from __future__ import annotations

import contextlib
import importlib

import numpy as np
import pytest
import torch as pytorch

import torchish
from torchish.testing import agrees_with_torch

BOTH = [torchish, pytorch]
CASES = {}


def case(*inputs):
    def add(f):
        CASES[f.__name__] = agrees_with_torch(f, inputs=inputs, gradients=False, rtol=1e-4, atol=1e-5)
        return f

    return add


@case((3,))
def derivatives(torch, x):
    F = torch.func

    def f(x):
        return (x.sin() * x.exp()).sum()

    return F.grad(f)(x), F.grad_and_value(f)(x), F.grad(lambda x: F.grad(f)(x).pow(2).sum())(x), F.vjp(torch.sin, x)[1](x)


@case((3,), (3,))
def several_arguments(torch, x, y):
    F = torch.func

    def f(x, y):
        return (x * y.exp()).sum(), {"sum": x + y}

    return F.grad(f, argnums=(0, 1), has_aux=True)(x, y), F.jacrev(lambda x, y: x + y**2, argnums=(0, 1))(x, y)


@case((3,), (3,))
def forward(torch, x, v):
    F = torch.func
    out, push = F.linearize(torch.tanh, x)
    return F.jvp(torch.sin, (x,), (v,)), F.jvp(lambda x, y: x * y, (x, v), (v, x)), out, push(v), F.jacfwd(torch.sin)(x)


@case((3,), (3,))
def nested(torch, x, v):
    """Every order of forward and reverse mode, and both inside vmap."""
    F = torch.func

    def f(x):
        return (x.sin() * x.exp()).sum() * x[0]

    def slope(x):
        return F.jvp(f, (x,), (v,))[1]

    return (
        F.jvp(F.grad(f), (x,), (v,)), F.grad(slope)(x), F.jvp(slope, (x,), (v,)), F.hessian(f)(x), F.jacrev(F.jacrev(f))(x),
        F.jacfwd(F.jacfwd(f))(x), F.jacrev(F.jacfwd(f))(x), torch.vmap(F.hessian(f))(torch.stack([x, v])),
        torch.vmap(slope)(torch.stack([x, v])), F.vjp(slope, x)[1](torch.tensor(2.0)),
    )  # fmt: skip


@case((2, 3, 4), (3,))
def batches(torch, x, w):
    return (
        torch.vmap(lambda a: a.t() @ w)(x), torch.vmap(lambda a: (a * 2, {"s": a.sum(0)}), in_dims=1, out_dims=(2, {"s": -1}))(x),
        torch.vmap(torch.vmap(lambda a, b: a * b), in_dims=(0, None))(x, w), torch.vmap(torch.sort)(x),
        torch.vmap(lambda a: a, chunk_size=1)(x),
        torch.vmap(lambda a, i: a[i], (0, 0))(x, torch.tensor([0, 2])), torch.vmap(lambda a: torch.where(a > 0, a, -a).amax(0))(x),
        torch.vmap(torch.linalg.inv)(x[:, :3, :3] + 5 * torch.eye(3)),
        torch.vmap(lambda d: d["a"] + d["b"], ({"a": 0, "b": None},))({"a": x, "b": w[0]}),
    )  # fmt: skip


@case((4, 3))
def changes_in_place(torch, x):
    def f(x):
        y = x.clone()
        y[0] = y[1] * 2
        y.mul_(3)
        z = torch.zeros_like(y)
        z[1:] += y[:-1]
        return z

    F = torch.func
    return torch.vmap(f)(x), F.jvp(f, (x[0],), (x[1],)), F.jacrev(f)(x[0]), F.jacfwd(f)(x[0])


@case((3,))
def changes_new_tensors_in_place(torch, x):
    """Their values are the same for all directions, only their tangents are batches."""

    def f(x):
        y = torch.zeros(3)
        y[0] = x[1] ** 2
        y += x
        y.index_add_(0, torch.tensor([2, 2, 0]), x * x)
        return torch.zeros(3).copy_(y).mul_(x)

    F = torch.func
    return F.jacfwd(f)(x), F.jacfwd(F.jacfwd(f))(x), F.hessian(lambda x: f(x).pow(2).sum())(x)


@case((3,))
def decisions_on_values(torch, x):
    """Outside of vmap a transformed function may look at values."""

    def f(x):
        return x.sin() if x.sum().item() > 0 else x[x > 0].cos()

    return torch.func.grad(lambda x: f(x).sum())(x), torch.func.jvp(f, (x,), (x,))


@case((3,), (5, 3), (5,))
def the_tape_outside(torch, w, x, y):
    """Gradients flow through transforms to what requires them outside."""
    w.requires_grad_()
    inner = torch.func.grad(lambda w: ((x @ w - y) ** 2).mean())(w)
    first = torch.autograd.grad(((w - 0.1 * inner) ** 2).sum(), w)
    out = torch.vmap(lambda a: (a * w).exp().sum())(x)
    second = torch.autograd.grad(out.pow(2).sum(), w, create_graph=True)
    third = torch.autograd.grad(second[0].sum(), w)
    value, slope = torch.func.jvp(lambda a: (a.sin() * w).sum(), (x,), (x,))
    fourth = torch.autograd.grad(slope * 2 + value, w)
    free = torch.func.grad(lambda a: (a**2).sum() + w.sum())(x)
    return first, second, third, fourth, [out.requires_grad, inner.requires_grad, free.requires_grad]


@case((6, 1, 6, 6))
def per_example_gradients(torch, x):
    torch.manual_seed(0)
    nn, F = torch.nn, torch.nn.functional
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3))
    params = {k: v.detach() for k, v in net.named_parameters()}

    def loss(p, x, y):
        return F.cross_entropy(torch.func.functional_call(net, p, (x[None],)), y[None])

    return torch.vmap(torch.func.grad(loss), (None, 0, 0))(params, x, torch.arange(6) % 3)


@case((5, 3))
def an_ensemble(torch, x):
    torch.manual_seed(0)
    nets = [torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)) for _ in range(3)]
    params, buffers = torch.func.stack_module_state(nets)

    def call(p, b, x):
        return torch.func.functional_call(nets[0], (p, b), (x,))

    out = torch.vmap(call, (0, 0, None))(params, buffers, x)
    out.pow(2).sum().backward()
    return out, {k: p.grad for k, p in params.items()}, buffers


@case((3, 2))
def random_numbers(torch, x):
    """The same draws as PyTorch's: one for all examples, or one for each."""
    F = torch.nn.functional
    return [
        torch.vmap(f, randomness=how)(x)
        for how in ("same", "different")
        for f in (
            lambda a: a + torch.randn(2), lambda a: F.dropout(a, 0.5), lambda a: torch.rand_like(a), lambda a: a.clone().normal_(),
            lambda a: torch.randint(0, 9, (3,)),
        )
    ] + [torch.vmap(lambda a: torch.bernoulli(a.sigmoid()), randomness="different")(x)]  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_agrees(name):
    CASES[name]()


def outcome(f):
    try:
        return repr(f())
    except Exception as e:
        return f"{type(e).__name__}: {e}"


ERRORS = {
    "item": lambda t, x: t.vmap(lambda a: a.item())(x),
    "branch": lambda t, x: t.vmap(lambda a: a if a > 0 else -a)(x),
    "random": lambda t, x: t.vmap(lambda a: t.randn(2))(x),
    "dynamic": lambda t, x: t.vmap(lambda a: a.nonzero())(x),
    "out_dims": lambda t, x: t.vmap(lambda a: (a, a), out_dims=(0,))(x),
    "in_dims": lambda t, x: t.vmap(lambda a: a, in_dims=(0, 0))(x),
    "in_dim": lambda t, x: t.vmap(lambda a: a, in_dims=2)(x),
    "list": lambda t, x: t.vmap(lambda a: a, in_dims=[0])(x),
    "number": lambda t, x: t.vmap(lambda a: 3)(x),
    "nothing": lambda t, x: t.vmap(lambda: 3)(),
    "sizes": lambda t, x: t.vmap(lambda a, b: a)(x, t.ones(2)),
    "no tensor": lambda t, x: t.vmap(lambda a, b: a)(x, 2),
    "out_dim None": lambda t, x: t.vmap(lambda a: a, out_dims=None)(x),
    "chunks": lambda t, x: t.vmap(lambda a: a, chunk_size=0)(x),
    "randomness": lambda t, x: t.vmap(lambda a: a, randomness="a")(x),
    "no scalar": lambda t, x: t.func.grad(t.sin)(x),
    "argnums": lambda t, x: t.func.grad(t.sum, argnums=1)(x),
    "argnums twice": lambda t, x: t.func.grad(t.sum, argnums=(0, 0))(x),
    "integers": lambda t, x: t.func.grad(t.sum)(t.arange(3)),
    "aux of other kinds": lambda t, x: t.func.grad(lambda a: (a.sum(), 3), has_aux=True)(x),
    "aux": lambda t, x: t.func.grad(t.sum, has_aux=True)(x),
    "cotangents": lambda t, x: t.func.vjp(t.sin, x)[1]((x, x)),
    "bool result": lambda t, x: t.func.vjp(lambda a: a > 0, x),
    "None result": lambda t, x: t.func.vjp(lambda a: None, x),
    "primals": lambda t, x: t.func.jvp(t.sin, x, x),
    "structures": lambda t, x: t.func.jvp(t.sin, (x,), (x, x)),
    "tangent's shape": lambda t, x: t.func.jvp(t.sin, (x,), (t.ones(2),)),
    "strict": lambda t, x: t.func.jvp(lambda a: t.ones(2), (x,), (x,), strict=True),
    "complex": lambda t, x: t.func.jacrev(lambda a: a)(x * 1j),
    "linearize": lambda t, x: t.func.linearize(t.sin, x)[1](t.ones(2)),
    "names": lambda t, x: t.func.functional_call(t.nn.Linear(1, 1), [{"a": x}, {"a": x}], x),
    "no models": lambda t, x: t.func.stack_module_state([]),
    "seen inside": lambda t, x: t.vmap(lambda a: t.tensor(len(repr(a))), out_dims=0)(x),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    """Wrong uses raise PyTorch's exceptions, in its words."""
    got, expected = (outcome(lambda t=t: ERRORS[name](t, t.ones(3))).replace("\n", " ").replace("  ", " ") for t in BOTH)
    assert got == expected


def test_a_tensor_from_outside_is_not_changed():
    """A batch cannot be written into a tensor that is none; the refused write leaves it as it was."""
    y = torchish.zeros(3)

    def f(a):
        y.copy_(a)
        return a

    with pytest.raises(RuntimeError, match="being vmapped over but `self` not being vmapped over"):
        torchish.vmap(f)(torchish.ones(2, 3))
    assert y.tolist() == [0, 0, 0]


def test_a_transform_is_one_program():
    """Per-example gradients are built like any other graph: lazily, and compiled once."""
    from torchish.engine.program import STATS

    def f(w, x):
        return (w * x).tanh().sum()

    w, x = torchish.ones(3), torchish.randn(8, 3)
    per_example = torchish.vmap(torchish.func.grad(f), (None, 0))
    per_example(w, x).sum().item()
    compiled, runs = STATS.compiled + STATS.loaded, STATS.runs
    per_example(w, x + 1 - 1).sum().item()
    per_example(w, x + 1 - 1).sum().item()
    assert STATS.runs == runs + 2 and STATS.compiled + STATS.loaded <= compiled + 1


def test_inside_jax_transforms():
    """`torch.func` inside `jax.jit`, and the other way round."""
    import jax

    x = np.arange(3, dtype=np.float32)
    got = jax.jit(lambda t: torchish.func.hessian(lambda a: (a**3).sum())(t))(torchish.tensor(x))
    np.testing.assert_allclose(np.asarray(got), np.diag(6 * x))
    got = jax.jit(lambda t: torchish.vmap(torchish.sin)(t))(torchish.tensor(x))
    np.testing.assert_allclose(np.asarray(got), np.sin(x), 1e-6)


@pytest.mark.parametrize("used", [0, 1, 2])
def test_a_function_with_results_that_nothing_used(used):
    """The missing gradients of a custom function inside `vmap` are zeros like any others, which can be looked at."""

    def compute(t):
        class Cube(t.autograd.Function):
            generate_vmap_rule = True

            @staticmethod
            def forward(x):
                return x**3, 3 * x**2

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.save_for_backward(inputs[0], output[1])

            @staticmethod
            def backward(ctx, g, gdx):
                x, dx = ctx.saved_tensors
                return g * dx + gdx * 6 * x

        return t.func.vmap(t.func.grad(lambda x: Cube.apply(x)[used] if used < 2 else sum(Cube.apply(x))))(t.arange(4.0))

    assert repr(compute(torchish)) == repr(compute(pytorch))


FUNCTORCH = [pytest.param(importlib.import_module("torchish.functorch"), torchish, id="torchish"),
             pytest.param(importlib.import_module("functorch"), pytorch, id="pytorch")]  # fmt: skip


@pytest.mark.parametrize(("functorch", "torch"), FUNCTORCH)
@pytest.mark.filterwarnings("ignore:We've integrated functorch")
def test_modules_as_functions_of_their_state(functorch, torch):
    linear = torch.nn.Linear(3, 3)
    model = torch.nn.Sequential(linear, torch.nn.ReLU(), linear, torch.nn.BatchNorm1d(3))
    x = torch.randn(5, 3)
    f, params, buffers = functorch.make_functional_with_buffers(model)
    assert [type(p) for p in params] == [torch.nn.Parameter] * 4 and [b.dim() for b in buffers] == [1, 1, 0]
    assert f.param_names == ("0.weight", "0.bias", "3.weight", "3.bias") and f.stateless_model[0].weight.device.type == "meta"
    assert f.stateless_model[0].weight is f.stateless_model[2].weight
    out = f(params, buffers, x)
    assert buffers[2] == 1 and model[3].num_batches_tracked == 0  # the state is the caller's, and a copy
    assert torch.allclose(out, model(x), atol=1e-6)
    with pytest.raises(RuntimeError, match=r"^make_functional\(model\): `model` has buffers. Please use make_functional_with_buffers"):
        functorch.make_functional(model)

    f, params = functorch.make_functional(linear, disable_autograd_tracking=True)
    assert not any(p.requires_grad for p in params) and f.__class__.__name__ == "FunctionalModule"
    gradients = functorch.grad(lambda p, x: f(p, x).sum())(params, x)
    assert torch.allclose(gradients[0], x.sum(0).expand(3, 3), atol=1e-5)


@pytest.mark.parametrize(("functorch", "torch"), FUNCTORCH)
@pytest.mark.filterwarnings("ignore:We've integrated functorch")
def test_modules_are_combined_for_an_ensemble(functorch, torch):
    models, x = [torch.nn.Linear(3, 2) for _ in range(4)], torch.randn(5, 3)
    f, params, buffers = functorch.combine_state_for_ensemble(models)
    out = functorch.vmap(f, (0, 0, None))(params, buffers, x)
    assert [p.shape for p in params] == [(4, 2, 3), (4, 2)] and buffers == () and not params[0].requires_grad
    assert torch.allclose(out, torch.stack([m(x) for m in models]), atol=1e-6)
    with pytest.raises(RuntimeError, match="^combine_state_for_ensemble: Expected at least one model, got 0.$"):
        functorch.combine_state_for_ensemble([])
    with pytest.raises(RuntimeError, match="to be of the same class.$"):
        functorch.combine_state_for_ensemble([models[0], torch.nn.ReLU()])


def test_functions_of_functorch_warn_as_pytorchs_do():
    ours, theirs = (p.values[0] for p in FUNCTORCH)
    names = set(ours.__all__) - {"FunctionalModule", "FunctionalModuleWithBuffers"}
    assert {n for n, f in vars(theirs).items() if getattr(f, "__module__", "") == "torch._functorch.deprecated"} == names
    for name in names:
        seen = []
        for functorch in (ours, theirs):
            with pytest.warns(FutureWarning) as caught, contextlib.suppress(Exception):
                getattr(functorch, name)(*[None] * (3 if name == "jvp" else 1))
            seen.append([(str(w.message), w.filename) for w in caught])
        assert seen[0] == seen[1] == [(seen[0][0][0], __file__)]
