"""A first tour: tensors, LeNet, datasets and loaders, and a network trained on ten kinds of drawn pictures.

    python -m torchish examples/intro_tour.py --out intro_tour.png

The pictures are 32x32 and in colour, drawn with NumPy, so that nothing needs to be downloaded.
"""

import argparse

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.utils.data import ConcatDataset, DataLoader, Dataset

KINDS = ("disc", "ring", "square", "frame", "cross", "plus", "rows", "columns", "checks", "corner")


def tensors():
    """Making tensors, repeating random ones, and a handful of the operations on them."""
    z = torch.zeros(5, 3)
    print(z, z.dtype)
    print(torch.ones((5, 3), dtype=torch.int16))

    torch.manual_seed(1729)
    first, second = torch.rand(2, 2), torch.rand(2, 2)
    torch.manual_seed(1729)
    print("the same seed, the same numbers:", torch.equal(torch.rand(2, 2), first), torch.equal(first, second))

    twos = torch.ones(2, 3) * 2
    print("one and two are", torch.ones(2, 3) + twos, twos.shape)
    try:
        torch.rand(2, 3) + torch.rand(3, 2)
    except RuntimeError as error:
        print("RuntimeError:", error)

    r = (torch.rand(2, 2) - 0.5) * 2
    print("r, between -1 and 1:\n", r)
    print("absolute value:\n", torch.abs(r), "\narcsine:\n", torch.asin(r))
    print("determinant:", torch.det(r), "\nsingular values:", torch.svd(r).S)
    print("deviation and mean:", torch.std_mean(r), "\nlargest:", torch.max(r))


class LeNet(nn.Module):
    """LeNet-5 for one-channel 32x32 images."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        """(N, 1, 32, 32) -> (N, 10) scores."""
        x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(-1, self.num_flat_features(x))
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)

    def num_flat_features(self, x):
        """How many numbers one item of the batch holds."""
        count = 1
        for size in x.size()[1:]:
            count *= size
        return count


class Net(nn.Module):
    """The same idea for three colours, its pooling a layer."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        """(N, 3, 32, 32) -> (N, 10) scores."""
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(-1, 16 * 5 * 5)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class Pictures(Dataset):
    """Drawn pictures of ten kinds: kind, colours, place and noise are random, from a seed."""

    def __init__(self, count, seed, transform):
        rng = np.random.RandomState(seed)
        self.transform = transform
        self.labels = rng.randint(0, 10, count).tolist()
        self.images = np.stack([self.draw(kind, rng) for kind in self.labels])

    @staticmethod
    def draw(kind, rng):
        """One (32, 32, 3) image of bytes."""
        y, x = np.mgrid[0:32, 0:32] - rng.randint(12, 20, (2, 1, 1))
        size, step = rng.randint(6, 11), rng.randint(3, 5)
        far, near = np.maximum(abs(x), abs(y)), np.minimum(abs(x), abs(y))
        radius = np.hypot(x, y)
        mask = (
            radius < size,
            abs(radius - size) < 2,
            far < size - 1,
            abs(far - size) < 2,
            (abs(abs(x) - abs(y)) < 2) & (far < size),
            (near < 2) & (far < size),
            y // step % 2 == 0,
            x // step % 2 == 0,
            (x // step + y // step) % 2 == 0,
            (x > 0) & (y > 0),
        )[kind]
        back, front = rng.uniform(0.0, 0.45, 3), rng.uniform(0.55, 1.0, 3)
        image = np.where(mask[..., None], front, back) + rng.normal(0, 0.04, (32, 32, 3))
        return (255 * image.clip(0, 1)).astype(np.uint8)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.transform(self.images[index]), self.labels[index]


def to_tensor(image):
    """(H, W, C) bytes -> (C, H, W) floats in [0, 1]."""
    return torch.from_numpy(image.transpose(2, 0, 1)).contiguous().float().div(255)


def normalised(image):
    """to_tensor, then from [0, 1] to [-1, 1]."""
    return (to_tensor(image) - 0.5) / 0.5


def make_grid(images, border=2):
    """A batch side by side, with a white border around each picture."""
    count, channels, height, width = images.shape
    grid = torch.ones(channels, height + 2 * border, count * (width + border) + border)
    for k in range(count):
        left = border + k * (width + border)
        grid[:, border : border + height, left : left + width] = images[k]
    return grid


def train(net, loader, epochs, rate):
    """Momentum SGD on the cross entropy; the loss of every step."""
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=rate, momentum=0.9)
    history = []
    for epoch in range(epochs):
        running_loss = 0.0
        for i, data in enumerate(loader, 0):
            inputs, labels = data
            optimizer.zero_grad()
            outputs = net(inputs)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
            history.append(loss.item())
            if i % 100 == 99:
                print(f"[{epoch + 1}, {i + 1:4}] loss: {running_loss / 100:.3f}")
                running_loss = 0.0
    return history


def evaluate(net, loader):
    """The share of pictures whose kind the network names."""
    correct = total = 0
    with torch.no_grad():
        for images, labels in loader:
            _, predicted = torch.max(net(images).data, 1)
            total += labels.size(0)
            correct += (predicted == labels).sum().item()
    return correct / total


def draw_results(net, dataset, history, accuracy, path):
    """One new picture of each kind with the network's answer, and the loss."""
    images = torch.stack([dataset[dataset.labels.index(kind)][0] for kind in range(10)])
    predicted = net(images).argmax(dim=1)
    figure = plt.figure(figsize=(11, 5), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 2.4))
    for axis, image, kind, guess in zip(top.subplots(1, 10), images, KINDS, predicted, strict=True):
        axis.imshow(np.transpose((image / 2 + 0.5).numpy(), (1, 2, 0)))
        right = KINDS[guess] == kind
        text = KINDS[guess] if right else f"{KINDS[guess]} ({kind})"
        axis.set_title(text, color="#2e7d32" if right else "#c62828", fontsize=10)
        axis.axis("off")
    axis = bottom.subplots()
    smooth = np.convolve(history, np.ones(50) / 50, "valid")
    axis.plot(history, color="#ee4c2c", alpha=0.18, linewidth=0.8)
    axis.plot(range(49, len(history)), smooth, color="#ee4c2c", linewidth=2, label="mean of 50 steps")
    axis.set(xlabel="step", ylabel="cross entropy", title=f"accuracy on new pictures: {accuracy:.1%}")
    axis.set_ylim(0, 3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25)
    axis.legend(frameon=False)
    figure.savefig(path, dpi=130)
    print("figure:", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", default="intro_tour.png", help="where the figure goes (%(default)s)")
    parser.add_argument("--epochs", type=int, default=2, help="training epochs (default 2)")
    parser.add_argument("--pictures", type=int, default=2000, help="pictures to train on (default 2000)")
    parser.add_argument("--workers", type=int, default=2, help="loader processes (default 2)")
    options = parser.parse_args()
    tensors()

    torch.manual_seed(0)
    net = LeNet()
    print(net)
    output = net(torch.rand(1, 1, 32, 32))
    print("raw output:", output, output.shape)

    plain = Pictures(200, 0, to_tensor)
    x = torch.stack([sample[0] for sample in ConcatDataset([plain])])
    print("mean and deviation of each colour:", torch.mean(x, dim=(0, 2, 3)), torch.std(x, dim=(0, 2, 3)))

    trainset, testset = Pictures(options.pictures, 1, normalised), Pictures(400, 2, normalised)
    trainloader = DataLoader(trainset, batch_size=4, shuffle=True, num_workers=options.workers)
    testloader = DataLoader(testset, batch_size=8, shuffle=False, num_workers=options.workers)
    images, labels = next(iter(trainloader))
    print("a batch:", images.shape, " as one picture:", make_grid(images).shape)
    print(" ".join(f"{KINDS[labels[j]]:8}" for j in range(4)))

    net = Net()
    history = train(net, trainloader, options.epochs, rate=0.005)
    accuracy = evaluate(net, testloader)
    print(f"accuracy on {len(testset)} new pictures: {accuracy:.1%}")
    draw_results(net, testset, history, accuracy, options.out)


if __name__ == "__main__":
    main()
