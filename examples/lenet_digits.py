"""LeNet-5 learns to read handwritten digits.

The data are the 1,797 digits that come with scikit-learn, enlarged from 8x8 to the 32x32 pixels that LeNet was
designed for; 360 of them are held out for the test. Writes a figure with the loss curve and test digits, each with
what the network takes it for.

    python -m torchish examples/lenet_digits.py         # on torchish
    python examples/lenet_digits.py                     # on PyTorch
"""

import argparse

import matplotlib
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from PIL import Image
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, random_split
from tqdm import tqdm

matplotlib.use("Agg")
import matplotlib.pyplot as plt


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(-1, self.num_flat_features(x))
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)

    def num_flat_features(self, x):
        features = 1
        for size in x.size()[1:]:
            features *= size
        return features


def load_data():
    """The digits as a dataset of 1x32x32 images, of mean 0 and standard deviation 1, and their labels."""
    digits = load_digits()
    enlarged = [Image.fromarray(image.astype(np.float32)).resize((32, 32), Image.BILINEAR) for image in digits.images]
    images = torch.from_numpy(np.stack(enlarged)).unsqueeze(1)
    images = (images - images.mean()) / images.std()
    return TensorDataset(images, torch.from_numpy(digits.target))


def train(net, loader, epochs, learning_rate):
    """Train with momentum SGD, the learning rate falling to zero. Returns the loss of every step."""
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = optim.SGD(net.parameters(), lr=learning_rate, momentum=0.9)
    steps = epochs * len(loader)
    losses = []
    with tqdm(total=steps, desc="training", unit="step") as progress:
        for _ in range(epochs):
            for images, labels in loader:
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate * (1 - len(losses) / steps)
                optimizer.zero_grad()
                loss = criterion(net(images), labels)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
                progress.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
                progress.update()
    return losses


def predict(net, loader):
    """The network's predictions for every image, with the images and their labels."""
    batches = []
    net.eval()
    with torch.no_grad():
        for images, labels in loader:
            _, predicted = torch.max(net(images), 1)
            batches.append((images, labels, predicted))
    return [torch.cat(column) for column in zip(*batches, strict=True)]


def draw(losses, images, labels, predicted, path):
    """The loss curve, and a grid of test digits: the mistakes first."""
    rows, columns = 6, 8
    wrong = torch.nonzero(predicted != labels).flatten().tolist()
    right = torch.nonzero(predicted == labels).flatten().tolist()
    accuracy = 100 * len(right) / len(labels)

    figure = plt.figure(figsize=(12, 5.6), layout="constrained")
    left, grid = figure.subfigures(1, 2, width_ratios=(1, 1.25))

    axes = left.subplots()
    window = 20
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    axes.plot(losses, color="tab:blue", alpha=0.35, linewidth=0.8, label="each step")
    axes.plot(np.arange(window - 1, len(losses)), smooth, color="tab:blue", label=f"mean of {window} steps")
    axes.set(xlabel="step", ylabel="loss (cross-entropy, labels smoothed by 0.1)", title="Training loss")
    axes.set_xlim(0, len(losses))
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()

    grid.suptitle(f"Test digits and predictions: {accuracy:.1f}% right, {len(wrong)} of {len(labels)} wrong (in red)")
    for axes, i in zip(grid.subplots(rows, columns).flat, wrong + right, strict=False):
        axes.imshow(images[i, 0], cmap="gray_r")
        axes.set_axis_off()
        if predicted[i] == labels[i]:
            axes.set_title(f"{predicted[i]}", fontsize=11)
        else:
            axes.set_title(f"{predicted[i]} (is {labels[i]})", fontsize=11, color="red", fontweight="bold")
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description="Train LeNet-5 on scikit-learn's handwritten digits.")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=0.04)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="lenet_digits.png", help="where to write the figure")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    train_set, test_set = random_split(load_data(), [1437, 360])
    net = LeNet()
    print(net)

    train_loader = DataLoader(train_set, batch_size=args.batch_size, shuffle=True, drop_last=True)
    losses = train(net, train_loader, args.epochs, args.lr)

    images, labels, predicted = predict(net, DataLoader(test_set, batch_size=120))
    accuracy = (predicted == labels).float().mean().item()
    print(f"accuracy: {100 * accuracy:.1f}%")

    draw(losses, images, labels, predicted, args.out)
    print(f"figure: {args.out}")


if __name__ == "__main__":
    main()
