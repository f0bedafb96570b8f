"""A small convolutional network makes print readable again whose resolution is three times too low.

It works on the low-resolution image and writes nine values for each pixel, which nn.PixelShuffle lays out as 3x3 pixels: the
sub-pixel convolution of Shi et al. (2016). What it adds them to is the bicubic enlargement. It learns from pages of random
letters, in fonts that come with matplotlib, and is tested on sentences. Writes a figure: those in low resolution, enlarged
without and with the network, and as they are printed.

    python -m torchish examples/super_resolution.py     # on torchish
    python examples/super_resolution.py                 # on PyTorch
"""

import argparse
import string
from pathlib import Path

import matplotlib
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SCALE = 3
FONTS = ["DejaVuSans.ttf", "DejaVuSerif-Italic.ttf"]
PIECE = 48  # the side of the squares to learn from
SENTENCES = ["Sphinx of black quartz,", "judge my vow! How vexingly", "quick daft zebras jump;", "28 jugs, 15 boxes, 7 foxes."]


class SubPixelNet(nn.Module):
    """Images (N, 1, H, W) become images (N, 1, 3 H, 3 W)."""

    def __init__(self, scale=SCALE, width=32):
        super().__init__()
        self.scale = scale
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 5, padding=2, padding_mode="replicate"),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, padding_mode="replicate"),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, padding_mode="replicate"),
            nn.ReLU(),
            nn.Conv2d(width, scale**2, 3, padding=1, padding_mode="replicate"),
            nn.PixelShuffle(scale),
        )

    def forward(self, x):
        return enlarge(x, self.scale) + self.body(1 - x)


def enlarge(images, scale=SCALE):
    return F.interpolate(images, scale_factor=scale, mode="bicubic", align_corners=False)


def reduce(images, scale=SCALE):
    """Low resolution: each pixel the mean of those that it stands for."""
    return F.avg_pool2d(images, scale)


def psnr(images, truth):
    """The peak signal-to-noise ratio in decibels, of images whose values go from 0 to 1."""
    return -10 * torch.log10(F.mse_loss(images.clamp(0, 1), truth)).item()


def print_page(lines, font, width, height, leading=30):
    """Lines of black print on white, as an image (1, height, width) of values from 0 to 1."""
    page = Image.new("L", (width, height), 255)
    face = ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts/ttf", font)), 21)
    for i, line in enumerate(lines):
        ImageDraw.Draw(page).text((6, 2 + leading * i), line, fill=0, font=face)
    return torch.from_numpy(np.array(page)).unsqueeze(0).float() / 255


def load_data():
    """Pieces of pages (N, 1, 48, 48) to learn from, and the sentences (2, 1, 123, 324) to be tested on."""
    letters = string.ascii_letters + string.digits + " " * 12 + ",.;!"
    pieces = []
    for font in FONTS:
        for _ in range(4):
            lines = ["".join(letters[i] for i in torch.randint(len(letters), (28,)).tolist()) for _ in range(12)]
            page = print_page(lines, font, 408, 360)
            tiles = page.unfold(1, PIECE, PIECE - 10).unfold(2, PIECE, PIECE - 10)
            pieces.append(tiles.reshape(-1, 1, PIECE, PIECE))
    return torch.cat(pieces), torch.stack([print_page(SENTENCES, font, 324, 123) for font in FONTS])


def train(net, pieces, sentences, epochs, batch_size, learning_rate):
    """Adam, its rate falling to zero. Returns the PSNR of the sentences before training and after every epoch."""
    loader = DataLoader(TensorDataset(pieces), batch_size=batch_size, shuffle=True, drop_last=True)
    optimizer = torch.optim.Adam(net.parameters(), lr=learning_rate)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(loader))
    curve = [measure(net, sentences)]
    with tqdm(total=epochs * len(loader), desc="training", unit="step") as progress:
        for epoch in range(1, epochs + 1):
            net.train()
            total = 0.0
            for (truth,) in loader:
                optimizer.zero_grad()
                loss = F.mse_loss(net(reduce(truth)), truth)
                loss.backward()
                optimizer.step()
                scheduler.step()
                total += loss.item()
                progress.update()
            curve.append(measure(net, sentences))
            progress.set_postfix(psnr=f"{curve[-1]:.2f} dB", refresh=False)
            if epoch <= 3 or epoch % 5 == 0:
                progress.write(f"epoch {epoch:2d}  loss {total / len(loader):.6f}  PSNR {curve[-1]:.2f} dB")
    return curve


@torch.no_grad()
def measure(net, sentences):
    net.eval()
    return psnr(net(reduce(sentences)), sentences)


@torch.no_grad()
def draw(net, sentences, curve, bicubic, path):
    low = reduce(sentences)
    versions = {
        "low resolution": F.interpolate(low, scale_factor=SCALE, mode="nearest"),
        "bicubic": enlarge(low),
        "network": net(low),
        "truth": sentences,
    }
    figure = plt.figure(figsize=(15, 8.6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(3.2, 1))
    for row, (title, images) in zip(left.subplots(len(versions), len(FONTS)), versions.items(), strict=True):
        for axes, image, truth in zip(row, images, sentences, strict=True):
            axes.imshow(image[0].clamp(0, 1).numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes.set_title(title if title == "truth" else f"{title}: {psnr(image, truth):.2f} dB")
            axes.set_xticks([])
            axes.set_yticks([])

    curve_axes, error_axes = right.subplots(2, 1)
    curve_axes.axhline(bicubic, color="gray", linestyle="--", label="bicubic")
    curve_axes.plot(curve, color="tab:blue", label="network")
    curve_axes.set(xlabel="epoch", ylabel="PSNR (dB)", title="The sentences while learning")
    bins = np.linspace(-0.6, 0.6, 81)
    for title, color in (("bicubic", "gray"), ("network", "tab:blue")):
        error_axes.hist((versions[title] - sentences).flatten().numpy(), bins, histtype="step", color=color, label=title)
    error_axes.set(xlabel="error of a pixel (white is 1)", ylabel="pixels", title="How far off the pixels are", yscale="log")
    for axes in (curve_axes, error_axes):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description="Train a sub-pixel convolutional network to enlarge print three times.")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="super_resolution.png", help="where to write the figure")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    pieces, sentences = load_data()
    print(f"{len(pieces)} pieces to learn from")
    net = SubPixelNet()
    curve = train(net, pieces, sentences, args.epochs, args.batch_size, args.lr)
    bicubic = psnr(enlarge(reduce(sentences)), sentences)
    print(f"PSNR: {curve[-1]:.2f} dB (bicubic: {bicubic:.2f} dB)")

    draw(net, sentences, curve, bicubic, args.out)
    print(f"figure: {args.out}")


if __name__ == "__main__":
    main()
