"""Changes that mislead no reader make a network misread digits; a network that trains on them learns to stand them.

The fast gradient sign method of Goodfellow et al. (2015) moves every pixel by epsilon in the direction that raises the loss. It
attacks two CNNs on digits that neither has seen: one trained as usual, one trained on attacked digits. Writes a figure: the
accuracy of both for each epsilon, and digits before and after the attack.

    python -m torchish examples/fgsm.py                 # on torchish
    python examples/fgsm.py                             # on PyTorch
"""

import argparse

import matplotlib
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, random_split
from tqdm import tqdm

matplotlib.use("Agg")
import matplotlib.pyplot as plt


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 24, 3, padding=1)
        self.conv2 = nn.Conv2d(24, 48, 3, padding=1)
        self.dropout = nn.Dropout(0.25)
        self.fc1 = nn.Linear(48 * 4 * 4, 96)
        self.fc2 = nn.Linear(96, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = self.dropout(torch.flatten(x, 1))
        x = F.relu(self.fc1(x))
        return F.log_softmax(self.fc2(x), dim=1)


def load_data():
    """1,437 digits to learn from and 360 for the test: images (1, 8, 8) of values from 0 to 1."""
    digits = load_digits()
    images = torch.from_numpy(digits.images).float().unsqueeze(1) / 16
    return random_split(TensorDataset(images, torch.from_numpy(digits.target)), [1437, 360])


def attack(net, images, labels, epsilon):
    """The images with every pixel moved by `epsilon` to where the network's loss grows, and kept within 0 to 1."""
    images = images.clone().requires_grad_()
    loss = F.nll_loss(net(images), labels)
    (gradient,) = torch.autograd.grad(loss, images)
    return torch.clamp(images.detach() + epsilon * gradient.sign(), 0, 1)


def train(net, loader, epochs, learning_rate, epsilon=0.0, name="training"):
    """Train on digits as they are, and with an epsilon above 0 on as many attacked ones."""
    optimizer = torch.optim.Adam(net.parameters(), lr=learning_rate)
    net.train()
    with tqdm(total=epochs * len(loader), desc=name, unit="step") as progress:
        for epoch in range(1, epochs + 1):
            total = 0.0
            for images, labels in loader:
                if epsilon > 0:
                    images = torch.cat([images, attack(net, images, labels, epsilon)])
                    labels = labels.repeat(2)
                optimizer.zero_grad()
                loss = F.nll_loss(net(images), labels)
                loss.backward()
                optimizer.step()
                total += loss.item()
                progress.update()
            progress.set_postfix(loss=f"{total / len(loader):.3f}", refresh=False)
            if epoch <= 3 or epoch % 10 == 0:
                progress.write(f"{name}, epoch {epoch:2d}  loss {total / len(loader):.4f}")


def evaluate(net, images, labels, epsilon):
    """The accuracy on attacked images, those images, and what the network takes them for."""
    net.eval()
    attacked = attack(net, images, labels, epsilon)
    with torch.no_grad():
        predicted = net(attacked).argmax(dim=1)
    return (predicted == labels).float().mean().item(), attacked, predicted


def draw(epsilons, results, images, labels, path):
    """Accuracy for each epsilon; and a row of attacked digits for some, with the readings of the network trained as usual."""
    figure = plt.figure(figsize=(14, 7.2), layout="constrained")
    left, grid = figure.subfigures(1, 2, width_ratios=(1, 1.35))

    axes = left.subplots()
    for (name, found), color in zip(results.items(), ("tab:red", "tab:blue"), strict=True):
        axes.plot(epsilons, [100 * accuracy for accuracy, _, _ in found], "o-", color=color, label=name)
    axes.axhline(10, color="gray", linestyle=":", label="guessing")
    axes.set(xlabel="epsilon (the change of each pixel; black is 1)", ylabel="right (%)", title="Accuracy under attack", ylim=(0, 102))
    axes.grid(alpha=0.3)
    axes.legend()

    usual = next(iter(results.values()))
    shown = range(0, len(epsilons), 2)
    # Those to show: read right as they are, and misread at some epsilon that is shown, one of each class.
    fooled = (usual[0][2] == labels) & torch.stack([usual[i][2] != labels for i in shown]).any(dim=0)
    columns = [torch.nonzero(fooled & (labels == digit)).flatten()[:1] for digit in range(10)]
    columns = torch.cat(columns).tolist()
    grid.suptitle("Attacked digits, and what the network trained as usual takes them for")
    for row, i in zip(grid.subplots(len(shown), len(columns), squeeze=False), shown, strict=True):
        _, attacked, predicted = usual[i]
        row[0].text(-0.25, 0.5, f"ε = {epsilons[i]:.2f}", rotation=90, va="center", ha="center", transform=row[0].transAxes)
        for axes, j in zip(row, columns, strict=True):
            axes.imshow(attacked[j, 0].numpy(), cmap="gray_r", vmin=0, vmax=1)
            axes.set_axis_off()
            right = predicted[j] == labels[j]
            title = f"{labels[j]}" if right else f"{labels[j]} → {predicted[j]}"
            axes.set_title(title, fontsize=10, color="black" if right else "red")
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description="Attack digit classifiers with the fast gradient sign method.")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--train-epsilon", type=float, default=0.2, help="of the attacks that the second network trains on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="fgsm.png", help="where to write the figure")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    train_set, test_set = load_data()
    images, labels = next(iter(DataLoader(test_set, batch_size=len(test_set))))
    epsilons = [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]
    results = {}
    for name, epsilon in (("trained as usual", 0), ("trained on attacks", args.train_epsilon)):
        net = Net()
        loader = DataLoader(train_set, batch_size=args.batch_size, shuffle=True, drop_last=True)
        train(net, loader, args.epochs, args.lr, epsilon, name)
        results[name] = [evaluate(net, images, labels, e) for e in epsilons]
        print(f"{name}:", ", ".join(f"{100 * a:.1f}% at {e}" for e, (a, _, _) in zip(epsilons, results[name], strict=True)))

    middle = epsilons.index(0.2)
    clean, attacked = (results["trained as usual"][i][0] for i in (0, middle))
    robust = results["trained on attacks"][middle][0]
    print(f"accuracy: {100 * clean:.1f}%, attacked {100 * attacked:.1f}%, trained on attacks {100 * robust:.1f}%")
    draw(epsilons, results, images, labels, args.out)
    print(f"figure: {args.out}")


if __name__ == "__main__":
    main()
