"""A variational autoencoder learns the plane on which handwritten digits lie.

The encoder sends each 8x8 digit of scikit-learn's to a Gaussian in two dimensions, the decoder draws a digit for every point
of that plane, and both learn to make the digits likely. Writes a figure: held-out digits and their reconstructions, where the
digits lie, new digits drawn from the prior, and what the decoder draws from one end of the plane to the other.

    python -m torchish examples/vae.py --epochs 150     # on torchish
    python examples/vae.py --epochs 150                 # on PyTorch
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


class VAE(nn.Module):
    def __init__(self, pixels=64, hidden=256, latent=2):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(pixels, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.mean = nn.Linear(hidden, latent)
        self.log_variance = nn.Linear(hidden, latent)
        self.decoder = nn.Sequential(
            nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, pixels)
        )

    def encode(self, x):
        h = self.encoder(x)
        return self.mean(h), self.log_variance(h)

    def decode(self, z):
        return torch.sigmoid(self.decoder(z))

    def forward(self, x):
        mean, log_variance = self.encode(x)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return self.decoder(z), mean, log_variance


def negative_elbo(model, x):
    """Nats per image: the cross-entropy of the pixels, and the divergence of the code from the prior N(0, 1)."""
    logits, mean, log_variance = model(x)
    reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    divergence = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
    return (reconstruction + divergence) / len(x)


def load_data(batch_size):
    """Loaders of the digits, as vectors of 64 values from 0 to 1: 1,437 to learn from and 360 for the test."""
    digits = load_digits()
    images = torch.from_numpy(digits.data).float() / 16
    train_set, test_set = random_split(TensorDataset(images, torch.from_numpy(digits.target)), [1437, 360])
    return DataLoader(train_set, batch_size=batch_size, shuffle=True, drop_last=True), DataLoader(test_set, batch_size=360)


def train(model, loader, epochs, learning_rate):
    """The loss of every epoch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    losses = []
    with tqdm(total=epochs * len(loader), desc="training", unit="step") as progress:
        for epoch in range(1, epochs + 1):
            total = 0.0
            for images, _ in loader:
                optimizer.zero_grad()
                loss = negative_elbo(model, images)
                loss.backward()
                optimizer.step()
                total += loss.item()
                progress.update()
            losses.append(total / len(loader))
            progress.set_postfix(loss=f"{losses[-1]:.2f}", refresh=False)
            if epoch <= 3 or epoch % 25 == 0:
                progress.write(f"epoch {epoch:3d}  loss {losses[-1]:.3f}")
    return losses


def show(axes, images, rows, columns):
    """Lay `rows` x `columns` digits side by side on one set of axes."""
    framed = F.pad(images.reshape(rows, columns, 8, 8), (1, 1, 1, 1))
    sheet = framed.permute(0, 2, 1, 3).reshape(rows * 10, columns * 10)
    axes.imshow(sheet.numpy(), cmap="gray_r", vmin=0, vmax=1)
    axes.set_axis_off()


@torch.no_grad()
def draw(model, images, labels, path):
    figure = plt.figure(figsize=(14, 8), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.05))
    pairs, plane, samples = left.subplots(3, 1, height_ratios=(1, 2.6, 1))

    mean, _ = model.encode(images)
    show(pairs, torch.cat([images[:16], model.decode(mean[:16])]), 2, 16)
    pairs.set_title("Held-out digits, and below them their reconstructions from two numbers")

    points = plane.scatter(*mean.T.numpy(), c=labels.numpy(), cmap="tab10", vmin=-0.5, vmax=9.5, s=18)
    left.colorbar(points, ax=plane, ticks=range(10))
    plane.set(title="Where the held-out digits lie", xlabel="$z_1$", ylabel="$z_2$")

    show(samples, model.decode(torch.randn(32, 2)), 2, 16)
    samples.set_title("New digits, from random points of the plane")

    # Equal shares of the prior lie between neighbours, so the grid shows digits about as often as samples do.
    steps = 18
    grid = torch.distributions.Normal(0, 1).icdf(torch.linspace(0.01, 0.99, steps))
    z = torch.stack([grid.repeat(steps), grid.flip(0).repeat_interleave(steps)], dim=1)
    axes = right.subplots()
    show(axes, model.decode(z), steps, steps)
    axes.set_title("The plane, from the 1st to the 99th percentile of each coordinate")
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description="Train a variational autoencoder on scikit-learn's handwritten digits.")
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="vae.png", help="where to write the figure")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    train_loader, test_loader = load_data(args.batch_size)
    model = VAE()
    train(model, train_loader, args.epochs, args.lr)

    images, labels = next(iter(test_loader))
    with torch.no_grad():
        loss = negative_elbo(model, images).item()
    print(f"test loss: {loss:.2f} nats per digit")

    draw(model, images, labels, args.out)
    print(f"figure: {args.out}")


if __name__ == "__main__":
    main()
