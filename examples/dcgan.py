"""Two convolutional networks play against each other until one of them draws handwritten digits.

The generator turns 32 random numbers into a 16x16 image by transposed convolutions; the discriminator tells such images from
scikit-learn's digits. Writes a figure: real digits, what the generator draws for the same random numbers as training goes on,
and how the two losses and the discriminator's opinion of either kind develop.

    python -m torchish examples/dcgan.py --epochs 30    # on torchish
    python examples/dcgan.py --epochs 30                # on PyTorch
"""

import argparse

import matplotlib
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

matplotlib.use("Agg")
import matplotlib.pyplot as plt

NOISE = 32


def generator(width=32):
    """Noise (N, 32, 1, 1) becomes images (N, 1, 16, 16), of values from -1 to 1."""
    return nn.Sequential(
        nn.ConvTranspose2d(NOISE, 2 * width, 4, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(True),
        nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(True),
        nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1),
        nn.Tanh(),
    )


def discriminator(width=32):
    """Images (N, 1, 16, 16) become one logit each: positive is real."""
    return nn.Sequential(
        nn.Conv2d(1, width, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(2 * width, 1, 4),
        nn.Flatten(0),
    )


def initialise(module):
    """Normal weights of standard deviation 0.02, as Radford, Metz and Chintala (2016) draw them."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def load_images():
    """The 1,797 digits, enlarged to (N, 1, 16, 16), of values from -1 to 1."""
    images = torch.from_numpy(load_digits().images).float().unsqueeze(1) / 8 - 1
    return F.interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)


def train(G, D, loader, epochs, learning_rate, fixed_noise, snapshots):
    """Train both networks by turns. Returns the history of each step, and the generator's images after some epochs."""
    optimizer_G = torch.optim.Adam(G.parameters(), lr=learning_rate, betas=(0.5, 0.999))
    optimizer_D = torch.optim.Adam(D.parameters(), lr=learning_rate / 2, betas=(0.5, 0.999))
    criterion = nn.BCEWithLogitsLoss()
    history, drawn = [], {}
    with tqdm(total=epochs * len(loader), desc="training", unit="step") as progress:
        for epoch in range(1, epochs + 1):
            for (real,) in loader:
                ones, zeros = torch.ones(len(real)), torch.zeros(len(real))

                # The discriminator: real images are 1 (0.9, lest it be too sure of itself), made ones 0.
                D.zero_grad()
                on_real = D(real)
                loss_real = criterion(on_real, 0.9 * ones)
                loss_real.backward()
                fake = G(torch.randn(len(real), NOISE, 1, 1))
                loss_fake = criterion(D(fake.detach()), zeros)
                loss_fake.backward()
                optimizer_D.step()

                # The generator: the better discriminator should take its images for real.
                G.zero_grad()
                on_fake = D(fake)
                loss_G = criterion(on_fake, ones)
                loss_G.backward()
                optimizer_G.step()

                opinions = torch.sigmoid(on_real).mean(), torch.sigmoid(on_fake).mean()
                history.append([value.item() for value in (loss_real + loss_fake, loss_G, *opinions)])
                progress.update()
            loss_D, loss_G, D_real, D_fake = np.mean(history[-len(loader) :], axis=0)
            progress.set_postfix(D=f"{loss_D:.2f}", G=f"{loss_G:.2f}", refresh=False)
            if epoch <= 3 or epoch % 10 == 0:
                progress.write(f"epoch {epoch:2d}  loss D {loss_D:.3f}  loss G {loss_G:.3f}  D(x) {D_real:.3f}  D(G(z)) {D_fake:.3f}")
            if epoch in snapshots:
                with torch.no_grad():
                    drawn[epoch] = G(fixed_noise)
    return np.array(history), drawn


def distance_to_nearest(images, real):
    """How far images lie from the most similar real digit: the root mean square of the pixels' difference, on average."""
    distances = torch.cdist(images.flatten(1), real.flatten(1)) / real[0].numel() ** 0.5
    return distances.min(dim=1).values.mean().item()


def show(axes, images, title):
    """Lay 64 images side by side on one set of axes."""
    framed = F.pad(images[:64].reshape(8, 8, 16, 16), (1, 1, 1, 1), value=-1)
    axes.imshow(framed.permute(0, 2, 1, 3).reshape(8 * 18, 8 * 18).numpy(), cmap="gray_r", vmin=-1, vmax=1)
    axes.set_title(title)
    axes.set_axis_off()


def draw(real, drawn, history, per_epoch, path):
    figure = plt.figure(figsize=(16, 8.2), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.3, 1))
    *panels, last = top.subplots(1, len(drawn) + 1)
    for axes, (epoch, images) in zip(panels, drawn.items(), strict=True):
        show(axes, images, f"generated, epoch {epoch}")
    show(last, real, "real")

    losses, opinions = bottom.subplots(1, 2)
    epochs = np.arange(1, len(history) + 1) / per_epoch
    window = min(per_epoch, len(history))
    smooth = [np.convolve(column, np.ones(window) / window, mode="valid") for column in history.T]
    for axes, curves in ((losses, {"discriminator": 0, "generator": 1}), (opinions, {"of real digits": 2, "of generated ones": 3})):
        for (label, column), color in zip(curves.items(), ("tab:blue", "tab:orange"), strict=True):
            axes.plot(epochs, history[:, column], color=color, alpha=0.25, linewidth=0.7)
            axes.plot(epochs[window - 1 :], smooth[column], color=color, label=label)
        axes.set(xlabel="epoch", xlim=(0, epochs[-1]))
        axes.grid(alpha=0.3)
        axes.legend()
    losses.set(title="Loss", ylabel="binary cross-entropy")
    opinions.set(title="The discriminator's opinion", ylabel="probability of being real", ylim=(0, 1))
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description="Train a small DCGAN on scikit-learn's handwritten digits.")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="dcgan.png", help="where to write the figure")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    real = load_images()
    loader = DataLoader(TensorDataset(real), batch_size=args.batch_size, shuffle=True, drop_last=True)
    G, D = generator().apply(initialise), discriminator().apply(initialise)
    fixed_noise = torch.randn(128, NOISE, 1, 1)

    snapshots = sorted({1, max(1, args.epochs // 8), args.epochs})
    history, drawn = train(G, D, loader, args.epochs, args.lr, fixed_noise, snapshots)

    generated, noise = (distance_to_nearest(images, real) for images in (drawn[args.epochs], torch.rand(128, 1, 16, 16) * 2 - 1))
    print(f"distance to the nearest real digit: {generated:.3f} (of noise: {noise:.3f})")

    draw(real, drawn, history, len(loader), args.out)
    print(f"figure: {args.out}")


if __name__ == "__main__":
    main()
