"""A convolutional network learns handwritten digits from files in MNIST's format.

The files are read by torchvision's `MNIST` from ROOT/MNIST/raw (`--download` fetches them). With `--digits` the data are the
1,797 small digits that come with scikit-learn instead, and nothing is fetched and torchvision is not needed. Writes a
figure with the loss and the test images that the network is least sure of.

    python -m torchish examples/mnist.py --digits                     # on torchish
    python -m torchish examples/mnist.py --root data --download
    python examples/mnist.py --digits                                 # on PyTorch
"""

import argparse

import matplotlib
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Subset, TensorDataset
from tqdm import tqdm

matplotlib.use("Agg")
import matplotlib.pyplot as plt

MEAN, STD = 0.1307, 0.3081  # of MNIST's training images


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3)
        self.conv2 = nn.Conv2d(16, 32, 3)
        self.dropout = nn.Dropout(0.25)
        self.fc1 = nn.Linear(32 * 5 * 5, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = self.dropout(torch.flatten(x, 1))
        x = self.dropout(F.relu(self.fc1(x)))
        return F.log_softmax(self.fc2(x), dim=1)


def load_mnist(root, download):
    """The training and the test set, of 1x28x28 images."""
    from torchvision import datasets, transforms

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))])
    return [datasets.MNIST(root, train=train, download=download, transform=transform) for train in (True, False)]


def load_digits():
    """scikit-learn's digits as training and test sets of 1x28x28 images: 8x8 pixels enlarged to 20x20, in a frame like MNIST's."""
    from PIL import Image
    from sklearn import datasets

    digits = datasets.load_digits()
    images = np.zeros((len(digits.images), 1, 28, 28), np.float32)
    for framed, image in zip(images, digits.images, strict=True):
        framed[0, 4:24, 4:24] = Image.fromarray(image.astype(np.float32) / 16).resize((20, 20), Image.BILINEAR)
    images = (torch.from_numpy(images) - MEAN) / STD
    labels = torch.from_numpy(digits.target)
    return TensorDataset(images[:1437], labels[:1437]), TensorDataset(images[1437:], labels[1437:])


def train(model, loader, epochs, learning_rate):
    """Returns the loss of every step."""
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    losses = []
    with tqdm(total=epochs * len(loader), desc="training", unit="step") as progress:
        for epoch in range(1, epochs + 1):
            for images, labels in loader:
                optimizer.zero_grad()
                loss = F.nll_loss(model(images), labels)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
                progress.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
                progress.update()
            scheduler.step()
            tqdm.write(f"epoch {epoch:2d}  loss {sum(losses[-len(loader):]) / len(loader):.4f}")
    return losses


def test(model, loader):
    """The images, their labels, and the probabilities of the ten digits."""
    model.eval()
    batches = []
    with torch.no_grad():
        for images, labels in loader:
            batches.append((images, labels, model(images).exp()))
    return [torch.cat(column) for column in zip(*batches, strict=True)]


def draw(losses, images, labels, probabilities, path):
    """The loss, and the images whose own digit seemed least likely, each with the digit that seemed likeliest."""
    predicted = probabilities.argmax(1)
    wrong = (predicted != labels).sum().item()
    sure = probabilities.gather(1, labels.unsqueeze(1)).squeeze(1)

    figure = plt.figure(figsize=(12.5, 5.6), layout="constrained")
    left, grid = figure.subfigures(1, 2, width_ratios=(1, 1.4))
    axes = left.subplots()
    axes.semilogy(losses, color="tab:blue", alpha=0.3, linewidth=0.8, label="each step")
    window = min(20, len(losses))
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    axes.plot(np.arange(window - 1, len(losses)), smooth, color="tab:blue", label=f"mean of {window} steps")
    axes.set(xlabel="step", ylabel="loss", title="Training loss")
    axes.grid(alpha=0.3)
    axes.legend()

    grid.suptitle(f"{wrong} of {len(labels)} wrong (red). The images that it finds hardest, and what it takes them for")
    for axes, i in zip(grid.subplots(4, 8).flat, sure.argsort().tolist(), strict=False):
        axes.imshow(images[i, 0], cmap="gray_r")
        axes.set_axis_off()
        right = predicted[i] == labels[i]
        share = f"{100 * probabilities[i, predicted[i]]:.0f}%"
        title = f"{predicted[i]}, {share}" if right else f"{predicted[i]}, {share}\n(is {labels[i]})"
        axes.set_title(title, fontsize=9, color="black" if right else "red")
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description="Train a convolutional network on MNIST.")
    parser.add_argument("--root", default="data", help="the folder that MNIST/raw is in")
    parser.add_argument("--download", action="store_true", help="fetch the files if they are not there")
    parser.add_argument("--digits", action="store_true", help="scikit-learn's digits instead of MNIST")
    parser.add_argument("--limit", type=int, help="use no more training images than this")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--test-batch-size", type=int, default=500)
    parser.add_argument("--lr", type=float, default=0.002)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", metavar="FILE", help="save the trained parameters")
    parser.add_argument("--out", default="mnist.png", help="where to write the figure")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    train_set, test_set = load_digits() if args.digits else load_mnist(args.root, args.download)
    if args.limit:
        train_set = Subset(train_set, range(min(args.limit, len(train_set))))
    print(f"{len(train_set)} images to learn from, {len(test_set)} to test on")

    model = Net()
    losses = train(model, DataLoader(train_set, args.batch_size, shuffle=True, drop_last=True), args.epochs, args.lr)
    images, labels, probabilities = test(model, DataLoader(test_set, args.test_batch_size))
    right = (probabilities.argmax(1) == labels).sum().item()
    print(f"accuracy: {100 * right / len(labels):.1f}%")
    if args.save:
        torch.save(model.state_dict(), args.save)

    draw(losses, images, labels, probabilities, args.out)
    print(f"figure: {args.out}")


if __name__ == "__main__":
    main()
