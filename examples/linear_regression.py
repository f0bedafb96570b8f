"""A line through noisy points, learned by stochastic gradient descent; then a small CNN, defined and tried out.

python -m torchish examples/linear_regression.py --out regression.png
"""

import argparse

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


def first_steps():
    """The few operations that the rest stands on."""
    print("uninitialised, but of the right shape:", torch.empty(2, 3, 4, dtype=torch.float64).shape)
    x, y = torch.rand(3, 3), torch.rand(3, 3)
    print("sum:\n", x + y, "\nproduct, element by element:\n", x * y, "\ntranspose:\n", x.T)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print("on", device, "lies", x.to(device).shape)
    print("integers and floats make floats, rows repeat:\n", torch.zeros(2, 3) + torch.tensor([1, 2, 3]))
    print(torch.tensor([[1, 2, 3], [4, 5, 6]]) + torch.tensor([[7, 8, 9], [10, 11, 12]]))


def fit(epochs, rate):
    """Points around y = 2 x + 3, the model fitted to them, and the loss of each epoch."""
    X = torch.randn(100, 1)
    y = 2 * X + 3 + torch.randn(100, 1)
    model = nn.Linear(1, 1)
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    losses = []
    for _ in range(epochs):
        outputs = model(X)
        loss = criterion(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return X, y, model, losses


def compare_with_normal_equations(X, y, model):
    """Gradient descent ends where linear algebra says that it must."""
    A = np.hstack([np.ones((len(X), 1)), X.numpy()])
    theta = np.linalg.inv(A.T @ A) @ A.T @ y.numpy()
    slope, intercept = model.weight.detach().item(), model.bias.detach().item()
    print(f"descent:          y = {slope:.4f} x + {intercept:.4f}")
    print(f"normal equations: y = {theta[1, 0]:.4f} x + {theta[0, 0]:.4f}")


def draw(X, y, model, losses, path):
    outputs = model(X)
    try:
        plt.plot(X.squeeze(), outputs.squeeze())
    except RuntimeError as error:
        print("RuntimeError:", error)
    plt.close()

    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25})
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    left.scatter(X.squeeze(), y.squeeze(), s=22, color="#3b6ea5", alpha=0.75, label="data")
    order = X.squeeze().argsort()
    line = outputs.detach().squeeze().numpy()
    left.plot(X.squeeze()[order], line[order.numpy()], color="#ee4c2c", linewidth=2.2, label="learned line")
    left.plot(X.squeeze()[order], 2 * X.squeeze()[order] + 3, "--", color="0.45", linewidth=1.2, label="2 x + 3")
    left.set(xlabel="x", ylabel="y", title=f"y = {model.weight.item():.2f} x + {model.bias.item():.2f}")
    left.legend(frameon=False)
    right.plot(losses, color="#ee4c2c", linewidth=2)
    right.set(xlabel="epoch", ylabel="mean squared error", title="Loss", yscale="log")
    figure.savefig(path, dpi=130)
    print("figure:", path)


class Net(nn.Module):
    """Two convolutions and three linear layers for 28x28 grey images of ten kinds."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 4 * 4, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        """(N, 1, 28, 28) -> (N, 10) scores."""
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(-1, 16 * 4 * 4)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def try_network():
    net = Net()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    print(net, "\n", optimizer, sep="")
    images, labels = torch.rand(8, 1, 28, 28), torch.arange(8)
    for step in range(3):
        optimizer.zero_grad()
        loss = criterion(net(images), labels)
        loss.backward()
        optimizer.step()
        print(f"step {step}: loss {loss.item():.4f}")
    for inputs, outputs in ((1, 1), (2, 1), (2, 2), (3, 2), (2, 3)):
        layer = nn.Linear(inputs, outputs)
        print(layer, "weight", tuple(layer.weight.shape), "bias", tuple(layer.bias.shape))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", default="linear_regression.png", help="where the figure goes (%(default)s)")
    parser.add_argument("--epochs", type=int, default=1000, help="training epochs (default 1000)")
    parser.add_argument("--rate", type=float, default=0.01, help="learning rate (default 0.01)")
    options = parser.parse_args()
    torch.manual_seed(0)
    first_steps()
    X, y, model, losses = fit(options.epochs, options.rate)
    compare_with_normal_equations(X, y, model)
    draw(X, y, model, losses, options.out)
    try_network()


if __name__ == "__main__":
    main()
