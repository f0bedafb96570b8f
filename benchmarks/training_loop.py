"""The tutorial's training loop (LeNet on 3x32x32, momentum SGD, `loss.item()` each step), per step.

    python -m benchmarks.training_loop [--batch 4 64 512] [--rounds 7] [--threads 2]

PyTorch eager and torchish run the same unedited script; the third column is Flax, Optax and one `jax.jit`, written by
hand. The processes take turns, a round each, so that a slow spell of the machine hits all of them; medians are shown.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

LOOP = """
import sys, time
import numpy as np
batch, threads = int(sys.argv[1]), int(sys.argv[2])
if sys.argv[3] == "torchish":
    import torchish as torch
else:
    import torch
    torch.set_num_threads(threads)
nn, F = torch.nn, torch.nn.functional


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.pool, self.conv2 = nn.Conv2d(3, 6, 5), nn.MaxPool2d(2, 2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(-1, 16 * 5 * 5)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


torch.manual_seed(0)
net, criterion = Net(), nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
images, labels = torch.randn(batch, 3, 32, 32), torch.randint(0, 10, (batch,))


def step():
    optimizer.zero_grad()
    loss = criterion(net(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()
"""

JAX = """
import sys, time
import jax, jax.numpy as jnp, numpy as np, optax
import flax.linen as nn
batch = int(sys.argv[1])


class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.max_pool(nn.relu(nn.Conv(6, (5, 5), padding="VALID")(x)), (2, 2), (2, 2))
        x = nn.max_pool(nn.relu(nn.Conv(16, (5, 5), padding="VALID")(x)), (2, 2), (2, 2))
        x = x.reshape(x.shape[0], -1)
        return nn.Dense(10)(nn.relu(nn.Dense(84)(nn.relu(nn.Dense(120)(x)))))


net, tx = Net(), optax.sgd(0.001, momentum=0.9)
rng = np.random.default_rng(0)
images, labels = jnp.asarray(rng.standard_normal((batch, 32, 32, 3)), jnp.float32), jnp.asarray(rng.integers(0, 10, batch))
params = net.init(jax.random.key(0), images)
state = tx.init(params)


@jax.jit
def update(params, state, images, labels):
    def loss_of(p):
        return optax.softmax_cross_entropy_with_integer_labels(net.apply(p, images), labels).mean()

    loss, grads = jax.value_and_grad(loss_of)(params)
    updates, state = tx.update(grads, state)
    return optax.apply_updates(params, updates), state, loss


def step():
    global params, state
    params, state, loss = update(params, state, images, labels)
    return float(loss)
"""

ROUNDS = """
start = time.perf_counter()
step()
print(time.perf_counter() - start, flush=True)
for _ in range(10):
    step()
n = max(3, 200 // batch)
for line in sys.stdin:
    start = time.perf_counter()
    for _ in range(n):
        step()
    print((time.perf_counter() - start) / n, flush=True)
"""


def measure(batch: int, rounds: int, threads: int) -> dict[str, tuple[float, float]]:
    """(first step, median of the later ones) in milliseconds by contender."""
    running = {}
    for name, code in (("PyTorch eager", LOOP), ("torchish", LOOP), ("Flax + Optax + jit", JAX)):
        kind = "torchish" if name == "torchish" else "torch"
        running[name] = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code + ROUNDS, str(batch), str(threads), kind],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    first = {name: float(p.stdout.readline()) * 1e3 for name, p in running.items() if p.stdout}
    times: dict[str, list[float]] = {name: [] for name in running}
    for _ in range(rounds):
        for name, p in running.items():
            assert p.stdin and p.stdout
            p.stdin.write("\n")
            p.stdin.flush()
            times[name].append(float(p.stdout.readline()) * 1e3)
    for p in running.values():
        p.communicate()
    return {name: (first[name], statistics.median(t)) for name, t in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, nargs="+", default=[4, 64, 512])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    print("| batch | contender | first step, ms | step, ms | to PyTorch |\n|---|---|---|---|---|")
    for batch in args.batch:
        got = measure(batch, args.rounds, args.threads)
        base = got["PyTorch eager"][1]
        for name, (first, step) in got.items():
            print(f"| {batch} | {name} | {first:.0f} | {step:.2f} | {step / base:.2f} |", flush=True)


if __name__ == "__main__":
    main()
