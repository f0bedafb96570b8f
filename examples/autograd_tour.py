"""Autograd: the graph and its gradients, a training step, switching it off, its profiler, whole Jacobians.

python -m torchish examples/autograd_tour.py --out autograd.png
"""

import argparse
import math

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import torch
from matplotlib import ticker


def title(text):
    """Print a section's heading."""
    print(f"\n{text}\n{'-' * len(text)}")


def sine_and_its_slope(path):
    title("A small graph")
    a = torch.linspace(0.0, 2.0 * math.pi, steps=25, requires_grad=True)
    b = torch.sin(a)
    c = 2 * b
    d = c + 1
    out = d.sum()
    print("b =", b, "\nout =", out)
    node, step = d.grad_fn, 0
    while node is not None:
        print("  " * step + node.name())
        node = node.next_functions[0][0] if node.next_functions else None
        step += 1
    print("a is a leaf, so it has no grad_fn:", a.grad_fn)
    out.backward()
    print("only leaves keep gradients:", a.grad is not None, a.is_leaf, c.is_leaf)
    print("the slope is 2 cos(a):", torch.allclose(a.grad, 2 * torch.cos(a.detach())))

    figure, axis = plt.subplots(figsize=(8, 4.2), layout="constrained")
    axis.plot(a.detach(), d.detach(), "o-", color="#3b6ea5", markersize=4, label="2 sin(a) + 1")
    axis.plot(a.detach(), a.grad.detach(), "o-", color="#ee4c2c", markersize=4, label="its gradient, by autograd")
    axis.axhline(0, color="0.6", linewidth=0.8)
    axis.xaxis.set_major_locator(ticker.MultipleLocator(math.pi / 2))
    names = dict(enumerate(("0", "π/2", "π", "3π/2", "2π")))
    axis.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: names.get(round(x / math.pi * 2))))
    axis.set(xlabel="a", title="A function and the gradient that backward() left in a.grad")
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25)
    axis.legend(frameon=False)
    figure.savefig(path, dpi=130)
    print("figure:", path)


class TinyModel(torch.nn.Module):
    """1000 -> 100 -> 10, with a ReLU between."""

    def __init__(self):
        super().__init__()
        self.layer1 = torch.nn.Linear(1000, 100)
        self.relu = torch.nn.ReLU()
        self.layer2 = torch.nn.Linear(100, 10)

    def forward(self, x):
        """(N, 1000) -> (N, 10)."""
        return self.layer2(self.relu(self.layer1(x)))


def training_step():
    title("One step of training")
    some_input = torch.randn(16, 1000, requires_grad=False)
    ideal_output = torch.randn(16, 10, requires_grad=False)
    model = TinyModel()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    weight = model.layer2.weight
    print("before:  ", weight[0][0:4], weight.grad)
    loss = (ideal_output - model(some_input)).pow(2).sum()
    loss.backward()
    print("gradient:", weight.grad[0][0:4], "of the loss", loss.item())
    optimizer.step()
    print("after:   ", weight[0][0:4])
    for _ in range(5):
        (ideal_output - model(some_input)).pow(2).sum().backward()
    print("five more without zero_grad():", weight.grad[0][0:4])
    optimizer.zero_grad(set_to_none=False)
    print("zeroed:  ", weight.grad[0][0:4])


@torch.no_grad()
def quiet_sum(x, y):
    """A sum that leaves no graph."""
    return x + y


def switching():
    title("Off and on")
    a = torch.ones(2, 3, requires_grad=True)
    print("tracked:", (2 * a).grad_fn is not None, end="; ")
    a.requires_grad = False
    print("the flag cleared:", (2 * a).grad_fn)
    a, b = torch.ones(2, 3, requires_grad=True) * 2, torch.ones(2, 3, requires_grad=True) * 3
    with torch.no_grad():
        quiet = a + b
        with torch.enable_grad():
            loud = a + b
    print("no_grad:", quiet.requires_grad, " enable_grad inside it:", loud.requires_grad)
    print("after both:", (a * b).requires_grad)
    print("as a decorator:", quiet_sum(a, b).requires_grad)
    x = torch.rand(5, requires_grad=True)
    print("detached:", x.detach())
    try:
        torch.sin_(torch.linspace(0.0, 2.0 * math.pi, steps=25, requires_grad=True))
    except RuntimeError as error:
        print("RuntimeError:", error)


def profile():
    title("Where the time goes")
    on_gpu = torch.cuda.is_available()
    x = torch.randn(2, 3, requires_grad=True)
    y = torch.rand(2, 3, requires_grad=True)
    z = torch.ones(2, 3, requires_grad=True)
    with torch.autograd.profiler.profile(use_cuda=on_gpu) as profiler:
        for _ in range(1000):
            z = (z / x) * y
    print(profiler.key_averages().table(sort_by="self_cpu_time_total"))


def doubling(x):
    """x doubled until its length reaches 1000."""
    y = x * 2
    while y.data.norm() < 1000:
        y = y * 2
    return y


def exp_adder(x, y):
    return 2 * x.exp() + 3 * y


def jacobians():
    title("Jacobians and Hessians")
    x = torch.randn(3, requires_grad=True)
    y = doubling(x)
    v = torch.tensor([0.1, 1.0, 0.0001], dtype=torch.float)
    y.backward(v)
    print("y =", y, "\nv times its Jacobian:", x.grad)

    functional = torch.autograd.functional
    single, triple = (torch.rand(1), torch.rand(1)), (torch.rand(3), torch.rand(3))
    print("jacobian of 2 exp(x) + 3 y:", functional.jacobian(exp_adder, single))
    print("for three of each:", *functional.jacobian(exp_adder, triple), sep="\n")
    inputs = torch.randn(3)
    print("vjp:", functional.vjp(doubling, inputs, v=v))
    print("jvp:", functional.jvp(doubling, inputs, v=v))

    def cubes(x):
        return (x**3).sum()

    at, direction = torch.arange(1.0, 4.0), torch.ones(3)
    print("hessian of a sum of cubes:\n", functional.hessian(cubes, at))
    print("vhp:", functional.vhp(cubes, at, v=direction), "\nhvp:", functional.hvp(cubes, at, v=direction))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", default="autograd_tour.png", help="where the figure goes (%(default)s)")
    options = parser.parse_args()
    torch.manual_seed(0)
    sine_and_its_slope(options.out)
    training_step()
    switching()
    profile()
    jacobians()


if __name__ == "__main__":
    main()
