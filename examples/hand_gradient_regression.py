"""A line fitted with nothing but tensors and autograd: the update of each step is written by hand.

python -m torchish examples/hand_gradient_regression.py --out hand_gradient.png
"""

import argparse

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch


def warm_up():
    """Products of matrices, NumPy both ways, and what a tracked tensor carries."""
    x, y, z = torch.rand(5, 3), torch.randn(5, 3), torch.ones(2, 5, 3)
    print("(5, 3) times (3, 5):", x.mm(y.t()).shape, " the same:", torch.equal(x.mm(y.t()), x.mm(y.T)))
    print("element by element:", (x * y).shape, " broadcast over a third dimension:", (x * z).shape)
    array = x.numpy()
    tensor = torch.from_numpy(np.random.RandomState(0).rand(2, 3))
    print("to NumPy:", array.dtype, " from NumPy:", tensor.dtype)
    if torch.cuda.is_available():
        print("summed on the GPU:", (x.cuda() + y.cuda()).cpu().shape)
    w = torch.ones(2, 2, requires_grad=True)
    print("data:", w.data, " grad:", w.grad, " grad_fn:", w.grad_fn)
    (w * 3).sum().backward()
    print("after backward, grad:", w.grad)


class LineFit:
    """y = a x + b through noisy points; the last ten are kept for prediction."""

    def __init__(self, rate=0.0001, steps=2000):
        self.rate, self.steps = rate, steps
        self.x = torch.linspace(1, 100, 100).type(torch.FloatTensor)
        self.y = self.x + torch.randn(100) * 10
        self.a = torch.rand(1, requires_grad=True)
        self.b = torch.rand(1, requires_grad=True)
        self.history = []

    def line(self, x):
        """The line's value at each x: a and b are expanded to x's shape."""
        return self.a.expand_as(x) * x + self.b.expand_as(x)

    def train(self):
        x, y = self.x[:-10], self.y[:-10]
        for step in range(self.steps):
            loss = torch.mean((self.line(x) - y) ** 2)
            loss.backward()
            self.history.append(loss.item())
            if step % 200 == 0:
                print(f"step {step:4}: loss {loss:.4f}")
            for parameter in (self.a, self.b):
                parameter.data.add_(-self.rate * parameter.grad.data)
                parameter.grad.data.zero_()  # or the next backward() would add to it

    def predict(self):
        return self.line(self.x[-10:])

    def draw(self, path):
        style = {"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25}
        plt.rcParams.update(style)
        figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained", width_ratios=(3, 2))
        x, y = self.x, self.y
        left.plot(x[:-10].data, y[:-10].data, "o", markersize=4, color="#3b6ea5", alpha=0.8, label="training points")
        left.plot(x[-10:].data, y[-10:].data, "s", markersize=5, color="#6a9f58", label="held out")
        left.plot(x, x * self.a.data + self.b.data, color="#ee4c2c", linewidth=2, label="fitted line")
        left.plot(x[-10:], self.predict().detach().numpy(), "D", markersize=4, color="#8a1c0b", label="predictions")
        left.set(xlabel="x", ylabel="y", title=f"y = {self.a.item():.3f} x + {self.b.item():.3f}")
        left.legend(frameon=False)
        right.plot(self.history, color="#ee4c2c")
        right.set(xlabel="step", ylabel="mean squared error", title="Loss", xscale="symlog", yscale="log")
        figure.savefig(path, dpi=130)
        print("figure:", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", default="hand_gradient_regression.png", help="where the figure goes (%(default)s)")
    options = parser.parse_args()
    torch.manual_seed(0)
    warm_up()
    fit = LineFit()
    fit.train()
    print("a:", fit.a, " b:", fit.b)
    error = (fit.predict() - fit.y[-10:]).abs().mean()
    print(f"mean error on the ten held-out points: {error.item():.2f}")
    fit.draw(options.out)


if __name__ == "__main__":
    main()
