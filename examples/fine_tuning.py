"""What a network has learned about some digits helps it to learn others from very few examples.

A small CNN learns the digits 0 to 4 of scikit-learn's, wherever they stand on a sheet, and is saved to a checkpoint. It is loaded
again, gets a new last layer, and learns the digits 5 to 9 from 2 to 20 examples of each: once with its features frozen, once with
all of it learning. A network that has seen nothing learns from the same examples. Writes a figure: how the three do on held-out
digits, and what those that learned from five examples of each take digits for.

    python -m torchish examples/fine_tuning.py          # on torchish
    python examples/fine_tuning.py                      # on PyTorch
"""

import argparse

import matplotlib
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, RandomSampler, TensorDataset
from tqdm import tqdm

matplotlib.use("Agg")
import matplotlib.pyplot as plt

WAYS = ["frozen features", "fine-tuned", "from scratch"]
COUNTS = [2, 5, 10, 20]  # of examples of each digit
SHOWN = 5  # of them, for the details


class DigitNet(nn.Module):
    """Images (N, 1, 16, 16) become the logits of five classes."""

    def __init__(self, classes=5):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(),
        )
        self.head = nn.Linear(64 * 2 * 2, classes)

    def forward(self, x):
        return self.head(self.features(x))


def scatter(images):
    """Put 8x8 digits somewhere on sheets of 16x16: images (N, 1, 16, 16)."""
    sheets = np.zeros((len(images), 1, 16, 16), dtype=np.float32)
    for sheet, image, (y, x) in zip(sheets, images, torch.randint(9, (len(images), 2)).tolist(), strict=True):
        sheet[0, y : y + 8, x : x + 8] = image / 16
    return torch.from_numpy(sheets)


def load_data():
    """Digits 0 to 4 in four places each, then 5 to 9 in one, in random order: images and labels from 0 to 4."""
    digits = load_digits()
    order = torch.randperm(len(digits.target)).numpy()
    images, labels = digits.images[order], torch.from_numpy(digits.target[order])
    low = labels < 5
    old = images[low.numpy()]
    return (scatter(np.concatenate([old] * 4)), labels[low].repeat(4)), (scatter(images[~low.numpy()]), labels[~low] - 5)


def first_of_each(labels, count):
    """The indices of the first `count` examples of each class."""
    return torch.cat([torch.nonzero(labels == c).flatten()[:count] for c in range(5)])


def accuracy(net, images, labels):
    net.eval()
    with torch.no_grad():
        return (net(images).argmax(dim=1) == labels).float().mean().item()


def train(net, images, labels, steps, learning_rate, test=None):
    """Adam on the parameters that want gradients. Returns the loss of each step, and test accuracies, 20 steps apart."""
    data = TensorDataset(images, labels)
    loader = DataLoader(data, batch_size=25, sampler=RandomSampler(data, replacement=True, num_samples=25 * steps))
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=learning_rate)
    losses, curve = [], []
    for step, (x, y) in enumerate(loader):
        if test is not None and step % 20 == 0:
            curve.append(accuracy(net, *test))
        net.train()
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    if test is not None:
        curve.append(accuracy(net, *test))
    return losses, curve


def from_checkpoint(path, freeze):
    """The saved network with a new last layer, which alone will learn if the features are frozen."""
    net = DigitNet()
    net.load_state_dict(torch.load(path)["model"])
    if freeze:
        for parameter in net.features.parameters():
            parameter.requires_grad_(False)
    net.head = nn.Linear(net.head.in_features, 5)
    return net


def beginner(way, checkpoint):
    """A network that is about to learn in one of the three ways, and its learning rate."""
    if way == "from scratch":
        return DigitNet(), 2e-3
    freeze = way == "frozen features"
    return from_checkpoint(checkpoint, freeze), 5e-3 if freeze else 2e-3


def draw(curves, nets, test, steps, path):
    """Accuracy by training step and by number of examples; and digits that not all networks read, as each reads them."""
    figure = plt.figure(figsize=(14, 9), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.25, 1))
    by_step, by_count = top.subplots(1, 2)
    at = np.minimum(np.arange(len(curves[WAYS[0], SHOWN][0])) * 20, steps)
    for way, color in zip(WAYS, ("tab:orange", "tab:green", "tab:blue"), strict=True):
        runs = 100 * np.array(curves[way, SHOWN])
        by_step.plot(at, runs.mean(0), color=color, label=way)
        by_step.fill_between(at, runs.min(0), runs.max(0), color=color, alpha=0.12, linewidth=0)
        last = 100 * np.array([[run[-1] for run in curves[way, count]] for count in COUNTS])
        by_count.plot(COUNTS, last.mean(1), "o-", color=color, label=way)
        by_count.fill_between(COUNTS, last.min(1), last.max(1), color=color, alpha=0.12, linewidth=0)
    by_step.set(xlabel="training step", ylabel="right (%)", title=f"Held-out digits 5 to 9, while learning from {SHOWN} of each")
    by_count.set(xlabel="examples of each digit", xscale="log", title="After learning: means, and the range of the runs")
    by_count.set_xticks(COUNTS, [str(count) for count in COUNTS])
    by_count.minorticks_off()
    for axes in (by_step, by_count):
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")

    images, labels = test
    with torch.no_grad():
        read = torch.stack([nets[way](images).argmax(dim=1) for way in WAYS])
    disputed = torch.nonzero((read == labels).any(dim=0) & (read != labels).any(dim=0)).flatten().tolist()[:14]
    bottom.suptitle(f"What each of the networks reads, having seen {SHOWN} of each (the truth is in the first row)")
    rows = bottom.subplots(1 + len(WAYS), 14, height_ratios=[4] + [1] * len(WAYS), squeeze=False)
    for axes in rows.flat:
        axes.set_axis_off()
    for row, way in zip(rows[1:], WAYS, strict=True):
        row[0].text(-0.6, 0.5, way, ha="right", va="center", transform=row[0].transAxes)
    for column, i in zip(rows.T, disputed, strict=False):
        column[0].imshow(images[i, 0].numpy(), cmap="gray_r")
        column[0].set_axis_on()
        column[0].tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
        column[0].set_title(f"{labels[i] + 5}", fontsize=13)
        for axes, answer in zip(column[1:], read[:, i], strict=True):
            color = "black" if answer == labels[i] else "red"
            axes.text(0.5, 0.5, f"{answer + 5}", fontsize=13, color=color, ha="center", va="center", transform=axes.transAxes)
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description="Fine-tune a digit classifier on digits that it has not seen.")
    parser.add_argument("--steps", type=int, default=100, help="training steps on the new digits")
    parser.add_argument("--runs", type=int, default=3, help="how often to repeat, with other examples and initial weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", default="digits_0_to_4.pt", help="where to save what was learned first")
    parser.add_argument("--out", default="fine_tuning.png", help="where to write the figure")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    (images, labels), (new_images, new_labels) = load_data()
    held_out, pool = slice(0, 300), slice(300, None)
    test = new_images[held_out], new_labels[held_out]

    net = DigitNet()
    losses, _ = train(net, images[held_out.stop :], labels[held_out.stop :], 6 * args.steps, 2e-3)
    score = accuracy(net, images[held_out], labels[held_out])
    torch.save({"model": net.state_dict(), "accuracy": score}, args.checkpoint)
    print(f"digits 0 to 4: loss {losses[0]:.4f} at first, {losses[-1]:.4f} at last; accuracy {100 * score:.1f}%")

    curves = {(way, count): [] for count in COUNTS for way in WAYS}
    nets = {}
    with tqdm(total=args.runs * len(curves), desc="digits 5 to 9", unit="network") as progress:
        for run in range(args.runs):
            order = torch.randperm(len(new_labels[pool]))
            pool_images, pool_labels = new_images[pool][order], new_labels[pool][order]
            for way, count in curves:
                chosen = first_of_each(pool_labels, count)
                net, learning_rate = beginner(way, args.checkpoint)
                losses, curve = train(net, pool_images[chosen], pool_labels[chosen], args.steps, learning_rate, test)
                curves[way, count].append(curve)
                if count == SHOWN:
                    nets[way] = net
                if run == 0:
                    progress.write(f"{count:2d} of each, {way:15s}: loss {losses[-1]:.4f}, accuracy {100 * curve[-1]:.1f}%")
                progress.update()

    means = [f"{100 * np.mean([curve[-1] for curve in curves[way, SHOWN]]):.1f}% ({way})" for way in WAYS]
    print(f"accuracy from {SHOWN} examples of each: {', '.join(means)}")
    draw(curves, nets, test, args.steps, args.out)
    print(f"figure: {args.out}")


if __name__ == "__main__":
    main()
