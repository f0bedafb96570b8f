"""torchish modules as Flax modules and back: the same outputs, gradients, statistics and trained parameters as PyTorch."""

from __future__ import annotations

import copy

import flax.linen as linen
import flax_models as models
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch as pytorch
from flax import nnx

import torchish
from torchish.flax import LeNet, from_flax, to_flax, to_torch, variables_of

STEPS = 10
RNG = np.random.default_rng(0)
INPUTS = {
    "lenet": RNG.standard_normal((8, 1, 32, 32)).astype(np.float32),
    "resnet18": RNG.standard_normal((8, 3, 16, 16)).astype(np.float32),
    "transformer": RNG.integers(0, 20, (8, 12)),
}
LABELS = RNG.integers(0, 5, 8)


def optimizers(name, torch, parameters):
    """The same optimizer in PyTorch's form and in Optax's."""
    if name == "lenet":
        return torch.optim.Adam(parameters, lr=1e-3) if torch else optax.adam(1e-3)
    return torch.optim.SGD(parameters, lr=0.02, momentum=0.9) if torch else optax.sgd(0.02, momentum=0.9)


def train(torch, name, model, steps=STEPS, x=None):
    """(losses, first gradients) of a PyTorch-style loop."""
    opt = optimizers(name, torch, model.parameters())
    x, y = torch.tensor(INPUTS[name] if x is None else x), torch.tensor(LABELS)
    losses, grads = [], None
    for _ in range(steps):
        opt.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        grads = grads or {k: p.grad.numpy().copy() for k, p in model.named_parameters()}
        opt.step()
        losses.append(loss.item())
    return losses, grads


def state(model):
    return {k: v.detach().numpy().copy() for k, v in model.state_dict().items()}


def flat(tree, prefix=""):
    found = {}
    for k, v in tree.items():
        found |= flat(v, f"{prefix}{k}.") if isinstance(v, dict) else {prefix + k: np.asarray(v)}
    return found


def train_linen(name, net, variables, steps=STEPS, x=None):
    """(losses, first gradients, variables afterwards) of a pure JAX loop."""
    tx, x = optimizers(name, None, None), jnp.asarray(INPUTS[name] if x is None else x)
    rest = {k: v for k, v in variables.items() if k != "params"}

    @jax.jit
    def step(params, rest, opt, x, y):
        def loss_of(params):
            logits, new = net.apply({"params": params, **rest}, x, train=True, mutable=list(rest))
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), new

        (loss, new), grads = jax.value_and_grad(loss_of, has_aux=True)(params)
        updates, opt = tx.update(grads, opt, params)
        return optax.apply_updates(params, updates), {**rest, **new}, opt, loss, grads

    params, opt, losses, first = variables["params"], tx.init(variables["params"]), [], None
    for _ in range(steps):
        params, rest, opt, loss, grads = step(params, rest, opt, x, jnp.asarray(LABELS))
        first = flat(grads) if first is None else first
        losses.append(float(loss))
    return losses, first, {"params": params, **rest}


def close(a, b, rtol=1e-3, atol=1e-5):
    assert a.keys() == b.keys()
    for k in a:
        np.testing.assert_allclose(a[k], b[k], rtol, atol, err_msg=k)


@pytest.mark.parametrize("name", INPUTS)
def test_three_libraries_agree(name):
    """PyTorch, torchish and the torchish module in Flax (linen and nnx): outputs, gradients, and all state after ten steps."""
    nets = {}
    for torch in (pytorch, torchish):
        torch.manual_seed(0)
        nets[torch] = getattr(models, name)(torch)
    theirs, ours = nets[pytorch], nets[torchish]
    close(state(theirs), state(ours), 1e-6, 1e-7)  # the same seed
    net, variables = to_flax(ours)
    nnx_net, _ = to_flax(ours, api="nnx")
    for mode in (True, False):
        want = copy.deepcopy(theirs).train(mode)(pytorch.tensor(INPUTS[name])).detach().numpy()
        mutable = ["batch_stats"] if mode else False
        got = jax.jit(lambda v, x, mode=mode, mutable=mutable: net.apply(v, x, train=mode, mutable=mutable))(variables, INPUTS[name])
        np.testing.assert_allclose(got[0] if mode else got, want, 1e-4, 1e-5)
        ours_now = copy.deepcopy(ours).train(mode)(torchish.tensor(INPUTS[name])).detach().numpy()
        np.testing.assert_allclose(ours_now, want, 1e-4, 1e-5)
    losses, grads = train(pytorch, name, theirs)
    our_losses, our_grads = train(torchish, name, ours)
    flax_losses, flax_grads, after = train_linen(name, net, variables)
    np.testing.assert_allclose(our_losses, losses, 1e-3)
    np.testing.assert_allclose(flax_losses, losses, 1e-3)
    close(our_grads, grads, 1e-3, 1e-4)
    close(flax_grads, grads, 1e-3, 1e-4)
    want = state(theirs)
    tolerance = 2e-3 if name == "resnet18" else 2e-4
    close(state(ours), want, 1e-2, tolerance)
    close({k: v for collection in after.values() for k, v in flat(collection).items()}, want, 1e-2, tolerance)
    back = to_torch(ours, after)
    final = theirs.eval()(pytorch.tensor(INPUTS[name])).detach().numpy()
    np.testing.assert_allclose(back.eval()(torchish.tensor(INPUTS[name])).detach().numpy(), final, 0.05, 0.02)

    if name == "resnet18":  # nnx is told apart from linen by the other two
        return
    nnx_net.train()
    optimizer = nnx.Optimizer(nnx_net, optimizers(name, None, None), wrt=nnx.Param)

    @nnx.jit
    def step(net, optimizer, x, y):
        loss, grads = nnx.value_and_grad(lambda n: optax.softmax_cross_entropy_with_integer_labels(n(x), y).mean())(net)
        optimizer.update(net, grads)
        return loss

    nnx_losses = [float(step(nnx_net, optimizer, jnp.asarray(INPUTS[name]), jnp.asarray(LABELS))) for _ in range(STEPS)]
    np.testing.assert_allclose(nnx_losses, losses, 1e-3)
    close(state(to_torch(ours, nnx_net)), want, 1e-2, tolerance)


def drawn(net, x):
    """Variables as `net.init` has them, drawn by NumPy: compiling JAX's draws of a ResNet-18 takes 45 s."""
    rng, ends = np.random.default_rng(0), {"scale": 1.0, "var": 1.0, "bias": 0.0, "mean": 0.0}

    def leaf(path, like):
        if path[-1].key in ends:
            return np.full(like.shape, ends[path[-1].key], like.dtype)
        return (rng.standard_normal(like.shape) / np.prod(like.shape[:-1]) ** 0.5).astype(like.dtype)

    return jax.tree_util.tree_map_with_path(leaf, jax.eval_shape(net.init, jax.random.key(0), jnp.asarray(x)))


FLAX = {"lenet": LeNet, "resnet18": models.ResNet18, "transformer": models.Transformer}


@pytest.mark.parametrize("name", FLAX)
def test_flax_modules_train_as_torch_modules(name):
    """A module written in Flax: the same under Optax and, from `from_flax`, under torch.optim."""
    x = np.moveaxis(INPUTS[name], 1, -1) if name == "resnet18" else INPUTS[name]
    net = FLAX[name]()
    if name == "transformer":  # compared without dropout, which draws from other streams
        net = type("Still", (models.Transformer,), {"__call__": lambda self, t, train=False: models.Transformer.__call__(self, t)})()
    variables = drawn(net, x)
    model = from_flax(net, variables)
    np.testing.assert_allclose(model.eval()(torchish.tensor(x)).detach().numpy(), jax.jit(net.apply)(variables, x), 1e-5, 1e-5)
    model.train()
    if name == "lenet":
        net = type("L", (LeNet,), {"__call__": lambda self, t, train=False: LeNet.__call__(self, t)})()
    want, want_grads, after = train_linen(name, net, variables, x=x)
    got, grads = train(torchish, name, model, x=x)
    np.testing.assert_allclose(got, want, 1e-3)
    close(grads, want_grads, 1e-3, 1e-4)
    close(flat(variables_of(model)), flat(after), 1e-2, 2e-3)


class Dropped(linen.Module):
    @linen.compact
    def __call__(self, x, deterministic: bool = True):
        return linen.Dropout(0.5, deterministic=deterministic)(linen.Dense(64)(x))


class NNX(nnx.Module):
    def __init__(self, rngs):
        self.first, self.norm = nnx.Linear(4, 8, rngs=rngs), nnx.BatchNorm(8, rngs=rngs)
        self.dropout, self.last = nnx.Dropout(0.5, rngs=rngs), nnx.Linear(8, 2, rngs=rngs)

    def __call__(self, x):
        return self.last(nnx.relu(self.dropout(self.norm(self.first(x)))))


def test_dropout_and_modes_of_flax_modules():
    torchish.manual_seed(0)
    model = from_flax(Dropped(), torchish.ones(2, 4))
    x = torchish.ones(2, 4, requires_grad=True)
    a, b = model(x), model(x)
    assert 30 < (a == 0).sum() < 100 and not torchish.equal(a, b)  # every call draws anew
    a.sum().backward()
    assert ((model.Dense_0.bias.grad == 0) == (a == 0).all(0)).all()  # the gradient has the mask of its call
    torchish.manual_seed(0)
    again = from_flax(Dropped(), torchish.ones(2, 4))
    assert torchish.equal(again(x), a)  # and the seed decides
    assert torchish.equal(model.eval()(x), model(x)) and not (model(x) == 0).any()
    assert torchish.equal(model(x, deterministic=True), model.train()(x, deterministic=True))


def test_nnx_modules():
    net = NNX(nnx.Rngs(0))
    model = from_flax(net)
    assert sorted(n for n, _ in model.named_parameters()) == sorted(
        ["first.kernel", "first.bias", "norm.scale", "norm.bias", "last.kernel", "last.bias"]
    )
    x = RNG.standard_normal((16, 4)).astype(np.float32)
    y = model(torchish.tensor(x))
    net.train()
    np.testing.assert_allclose(y.detach().numpy(), net(x), 1e-5, 1e-6)  # the same random stream, too
    np.testing.assert_allclose(model.norm.mean.numpy(), net.norm.mean.get_value(), 1e-5)
    net.eval()
    np.testing.assert_allclose(model.eval()(torchish.tensor(x)).detach().numpy(), net(x), 1e-5, 1e-6)
    optimizer = torchish.optim.Adam(model.train().parameters(), 0.05)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = (model(torchish.tensor(x)) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    assert isinstance(variables_of(model), nnx.State)
    copied = copy.deepcopy(model).requires_grad_(False)
    assert copied(torchish.tensor(x)).requires_grad is False


def test_dropout_and_statistics_of_torchish_modules():
    """In Flax dropout takes its key, statistics are a collection, and nothing is drawn from torch's generator."""
    torchish.manual_seed(0)
    nn = torchish.nn
    model = nn.Sequential(nn.Linear(4, 64), nn.BatchNorm1d(64), nn.Dropout(0.5), nn.AlphaDropout(0.2))
    net, variables = to_flax(model)
    x = RNG.standard_normal((16, 4)).astype(np.float32)
    before = torchish.get_rng_state()
    apply = jax.jit(lambda k: net.apply(variables, x, train=True, mutable=["batch_stats"], rngs={"dropout": k}))
    (a, new), (b, _), (c, _) = apply(jax.random.key(0)), apply(jax.random.key(0)), apply(jax.random.key(1))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c) and torchish.equal(torchish.get_rng_state(), before)
    assert jax.tree.structure(new["batch_stats"]) == jax.tree.structure(variables["batch_stats"])
    assert int(new["batch_stats"]["1"]["num_batches_tracked"]) == 1 and int(variables["batch_stats"]["1"]["num_batches_tracked"]) == 0
    with pytest.raises(Exception, match="dropout"):
        net.apply(variables, x, train=True, mutable=["batch_stats"])
    assert jax.tree.structure(net.init(jax.random.key(0), x)) == jax.tree.structure(variables)
    net.apply(variables, x)  # evaluation needs neither
    nnx_net, _ = to_flax(model, api="nnx")
    with pytest.raises(Exception, match="rngs"):
        nnx_net(x)
    nnx_net.rngs = nnx.Rngs(0)
    assert not np.array_equal(nnx_net(x), nnx_net(x))
    per_example = jax.vmap(jax.grad(lambda p, e: net.apply({**variables, "params": p}, e[None]).sum()), (None, 0))(variables["params"], x)
    assert per_example["0"]["weight"].shape == (16, 64, 4)
    assert model.training and not hasattr(model[0], "missing")


def test_tied_and_structured():
    """Tied parameters stay one; tuples, dictionaries and keyword arguments pass."""

    class Tied(torchish.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.out = torchish.nn.Embedding(5, 3), torchish.nn.Linear(3, 5, bias=False)
            self.out.weight = self.embedding.weight
            self.lstm = torchish.nn.LSTM(3, 3, batch_first=True)

        def forward(self, tokens, scale=1.0):
            y, (h, _) = self.lstm(self.embedding(tokens))
            return {"logits": self.out(y) * scale, "state": h}

    model = Tied()
    net, variables = to_flax(model)
    assert sorted(variables["params"]) == ["embedding", "lstm"]
    tokens = np.array([[1, 2, 3]])
    got = jax.jit(net.apply)(variables, tokens, scale=2.0)
    want = model(torchish.tensor(tokens), scale=2.0)
    for k in want:
        np.testing.assert_allclose(got[k], want[k].detach().numpy(), 1e-5, 1e-6)
    grads = jax.grad(lambda p: net.apply({"params": p}, tokens)["logits"].sum())(variables["params"])
    want["logits"].sum().backward()
    np.testing.assert_allclose(grads["embedding"]["weight"] * 2, model.embedding.weight.grad.numpy(), 1e-4, 1e-5)
    with pytest.raises(ValueError, match="linen"):
        to_flax(model, api="haiku")
    with pytest.raises(TypeError, match="flax"):
        from_flax(model)
