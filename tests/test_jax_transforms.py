"""torchish inside JAX's transformations: a Tensor is a pytree, and operations on tracers are applied at once."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchish as torch


def close(a, b, tol=1e-5):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), tol, tol)


def inplace(x):
    y = x * 2
    y[0] += 10.0
    y[1:].mul_(3)
    y.t().sub_(1)
    return y + x


def views(x):
    a, b = x.split([1, 2], 1)
    return (a.expand(2, 2) + b.flip(0)).reshape(-1)[1:].unsqueeze(0)


def reductions(x):
    return torch.stack([x.sum(), x.mean(), x.std(), x.max(), (x @ x.t()).trace()])


def indexing(x):
    i = torch.tensor([0, 1, 1])
    return x[i] + torch.where(x > 2, x, -x)[i] + x[0, None] * x[:, None, 1].sum()


def masked(x):
    y = x.clone()
    y[y > 2] = 0.0
    return y.masked_fill(y < 1, -5)


FUNCTIONS = [inplace, views, reductions, indexing, masked]
x0 = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize("f", FUNCTIONS)
def test_jit(f):
    """A jitted function of tensors gives tensors with the values of the plain one, and is traced once."""
    count = []

    @jax.jit
    def g(x):
        count.append(1)
        assert isinstance(x, torch.Tensor)
        return f(x)

    x = torch.tensor(x0)
    got = g(x)
    assert isinstance(got, torch.Tensor)
    expected = f(torch.tensor(x0))
    close(got, expected)
    assert got.dtype == expected.dtype and got.shape == expected.shape
    g(x + 1)
    assert len(count) == 1
    close(x, x0)


@pytest.mark.parametrize("f", FUNCTIONS)
def test_grad_agrees_with_backward(f):
    """`jax.grad` through tensors and the tape's `backward()` are the same gradient."""
    x = torch.tensor(x0, requires_grad=True)
    (f(x) * f(x)).sum().backward()
    got = jax.grad(lambda t: (f(t) * f(t)).sum().jax())(torch.tensor(x0))
    assert isinstance(got, torch.Tensor)
    close(got, x.grad)
    close(jax.jit(jax.grad(lambda t: (f(t) * f(t)).sum().jax()))(torch.tensor(x0)), x.grad)


@pytest.mark.parametrize("f", FUNCTIONS)
def test_vmap(f):
    """`jax.vmap` over the first dimension gives the stacked results."""
    batch = np.stack([x0, x0 + 1, -x0])
    got = jax.vmap(f)(torch.tensor(batch))
    close(got, torch.stack([f(torch.tensor(b)) for b in batch]), 1e-4)


def test_nested_transformations():
    def loss(p, x):
        return ((x @ p["w"] + p["b"]).tanh() ** 2).mean().jax()

    p = {"w": torch.full((3, 2), 0.1), "b": torch.zeros(2)}
    x = torch.tensor(x0)
    per_example = jax.jit(jax.vmap(jax.jit(jax.grad(loss)), (None, 0)))(p, x)
    assert per_example["w"].shape == (2, 3, 2)
    whole = jax.grad(loss)(p, x)
    close(per_example["w"].mean(0), whole["w"])
    hessian = jax.hessian(lambda b: loss({"w": p["w"], "b": b}, x))(p["b"])
    leaf = jax.tree_util.tree_leaves(hessian)[0]
    assert leaf.shape == (2, 2)


def test_captured_parameters_are_constants():
    model = torch.nn.Linear(3, 2)
    x = torch.tensor(x0)
    close(jax.jit(lambda t: model(t))(x), model(x).detach())

    def f(w, t):
        return (torch.nn.functional.linear(t, w) ** 2).sum().jax()

    model.zero_grad()
    (torch.nn.functional.linear(x, model.weight) ** 2).sum().backward()
    close(jax.grad(f)(model.weight, x), model.weight.grad)
    assert isinstance(jax.tree_util.tree_map(lambda a: a, model.weight), torch.nn.Parameter)


def test_backward_inside_jit():
    """The tape works on tracers too: a training step with `backward()` can be jitted."""

    @jax.jit
    def step(w, x):
        w = w.detach().requires_grad_()
        loss = ((x @ w) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
        return w.detach(), loss.detach()

    w, x = torch.full((3,), 0.5), torch.tensor(x0)
    got, loss = step(w, x)
    v = torch.full((3,), 0.5, requires_grad=True)
    expected = ((x @ v) ** 2).mean()
    expected.backward()
    close(got, (v - 0.1 * v.grad).detach())
    close(loss, expected.detach())


def test_dtypes_and_pytrees():
    """64-bit types and trees survive with JAX's own setting at 32 bits, which stays as it was."""
    assert not jax.config.jax_enable_x64
    t = torch.tensor([1.0, 2.0], dtype=torch.float64)
    n = torch.tensor([1, 2])
    leaves, tree = jax.tree_util.tree_flatten({"a": t, "b": [n, 3]})
    assert [getattr(v, "dtype", None) for v in leaves] == [np.float64, np.int64, None]
    back = jax.tree_util.tree_unflatten(tree, leaves)
    assert back["a"].dtype == torch.float64 and back["b"][0].dtype == torch.int64
    got = jax.jit(lambda a: a * 2 + 1)(torch.tensor([1.0, 2.0]))
    close(got, [3, 5])
    assert jnp.ones(2, jnp.float64 if jax.config.jax_enable_x64 else jnp.float32).dtype == np.float32
    mapped = jax.tree_util.tree_map(lambda v: v * 0, {"a": t})
    assert isinstance(mapped["a"], torch.Tensor) and mapped["a"].tolist() == [0.0, 0.0]


def test_jax_arrays_meet_tensors():
    """JAX functions take tensors as arrays; a tensor made from a tracer leaves the trace as an array."""
    t = torch.tensor(x0)
    close(jnp.sin(t.jax()), np.sin(x0))
    close(jnp.sum(jnp.asarray(t)), x0.sum())

    @jax.jit
    def f(a):
        y = torch.from_jax(a)
        y = y * 2
        y[0] = 1.0
        return y.jax()

    expected = x0 * 2
    expected[0] = 1
    close(f(jnp.asarray(x0)), expected)


def test_a_tracer_does_not_leak():
    """What was computed outside stays usable after a trace that used it failed."""
    t = torch.tensor(x0) * 2  # pending

    def fails(a):
        (a + t).sum()
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        jax.jit(fails)(torch.tensor(x0))
    close(t, x0 * 2)
    with pytest.raises((jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError)):
        jax.jit(lambda a: float(a.sum()))(torch.tensor(x0))
    with pytest.raises((jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError)):
        jax.jit(lambda a: 1 if a.sum() > 0 else 2)(torch.tensor(x0))
    close(t + 1, x0 * 2 + 1)


def test_gradients_of_calls_recorded_outside_take_tracers():
    x, w = torch.ones(3, requires_grad=True), torch.arange(3.0)
    for _ in range(3):
        y = x * w
        grad = jax.jit(lambda g, y=y: torch.autograd.grad(y, x, torch.from_jax(g), retain_graph=True)[0].jax())
        assert grad(jnp.full(3, 2.0)).tolist() == [0, 2, 4]
    (y.sum()).backward()
    assert x.grad.tolist() == [0, 1, 2]
