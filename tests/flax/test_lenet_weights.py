"""LeNet in PyTorch, torchish and Flax: the same weights give the same loss, gradients and steps in all three."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch as pytorch

import torchish
from torchish.flax import LeNet, state_dict_from_variables, variables_from_state_dict


def build(torch, channels: int):
    """The seeds' LeNet, written once for both libraries."""
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(channels, 6, 5), nn.Conv2d(6, 16, 5)
            self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
            x = F.max_pool2d(F.relu(self.conv2(x)), 2)
            return self.fc3(F.relu(self.fc2(F.relu(self.fc1(torch.flatten(x, 1))))))

    return Net()


def batch(channels: int):
    rng = np.random.default_rng(0)
    return rng.standard_normal((8, channels, 32, 32)).astype(np.float32), rng.integers(0, 10, 8)


@pytest.mark.parametrize("channels", [1, 3])
def test_three_libraries_agree(channels):
    images, labels = batch(channels)
    runs = {}
    for name, torch in (("pytorch", pytorch), ("torchish", torchish)):
        torch.manual_seed(0)
        net = build(torch, channels)
        start = {k: v.detach().numpy().copy() for k, v in net.state_dict().items()}
        opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
        losses, grads = [], None
        for _ in range(5):
            opt.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(torch.tensor(images)), torch.tensor(labels))
            loss.backward()
            grads = grads or {k: p.grad.numpy().copy() for k, p in net.named_parameters()}
            opt.step()
            losses.append(loss.item())
        runs[name] = start, losses, grads, {k: v.detach().numpy().copy() for k, v in net.state_dict().items()}

    start = runs["pytorch"][0]
    lenet = LeNet(in_channels=channels)
    variables = variables_from_state_dict(start)

    def loss_of(v):
        logits = lenet.apply(v, jnp.asarray(images))
        return optax.softmax_cross_entropy_with_integer_labels(logits, jnp.asarray(labels)).mean()

    tx = optax.sgd(0.05, momentum=0.9)
    state, losses, grads = tx.init(variables), [], None
    for _ in range(5):
        loss, g = jax.value_and_grad(loss_of)(variables)
        grads = grads or {k: v.numpy().copy() for k, v in state_dict_from_variables(g).items()}
        updates, state = tx.update(g, state)
        variables = optax.apply_updates(variables, updates)
        losses.append(float(loss))
    runs["flax"] = start, losses, grads, {k: v.numpy().copy() for k, v in state_dict_from_variables(variables).items()}

    for name in ("torchish", "flax"):
        np.testing.assert_allclose(runs[name][1], runs["pytorch"][1], rtol=1e-4, err_msg=f"losses of {name}")
        for part, tolerance in ((0, 0), (2, 2e-5), (3, 2e-4)):
            assert runs[name][part].keys() == runs["pytorch"][part].keys()
            for k, want in runs["pytorch"][part].items():
                np.testing.assert_allclose(runs[name][part][k], want, rtol=tolerance, atol=tolerance, err_msg=f"{name}: {k}")


def test_weights_travel_both_ways():
    torchish.manual_seed(0)
    net = build(torchish, 1)
    variables = variables_from_state_dict(net.state_dict())
    back = state_dict_from_variables(variables)
    assert list(back) and set(back) == set(net.state_dict())
    other = build(torchish, 1)
    other.load_state_dict(back)
    for a, b in zip(net.parameters(), other.parameters(), strict=True):
        assert torchish.equal(a, b)
    made = LeNet(in_channels=1).init(jax.random.key(0), jnp.zeros((1, 1, 32, 32)))
    shapes = jax.tree.map(jnp.shape, made)
    assert shapes == jax.tree.map(jnp.shape, variables)


def test_what_cannot_carry_over_is_named():
    with pytest.raises(KeyError, match="running_mean"):
        variables_from_state_dict({"bn.running_mean": np.zeros(3)})
    with pytest.raises(KeyError, match="scale"):
        state_dict_from_variables({"params": {"norm": {"scale": np.ones(3)}}})
