"""A photograph is painted anew with the brush strokes and colours of another picture.

As Gatys et al. (2016) do it: the photograph gets the painting's colours, and L-BFGS moves its pixels until the features of a
convolutional network correlate as they do in the painting, the coarser ones staying where they are in the photograph. The
network's filters are random; at several resolutions that is enough to describe a texture (Ustyuzhaninov et al., 2017). Without
`--content` and `--style`, the photograph is scikit-learn's of a Chinese pagoda, and the painting is swirls of paint, made by the
program. Writes a figure: content, style, the result and how it came.

    python -m torchish examples/neural_style.py         # on torchish
    python examples/neural_style.py                     # on PyTorch
"""

import argparse

import matplotlib
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from PIL import Image
from sklearn.datasets import load_sample_image
from tqdm import tqdm

matplotlib.use("Agg")
import matplotlib.pyplot as plt


class RandomFeatures(nn.Module):
    """What random filters see of an image (1, 3, H, W) at several resolutions: a list of tensors (1, C, H', W')."""

    def __init__(self, levels=4, channels=64, kernel=7):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, channels, kernel, bias=False) for _ in range(levels))
        for conv in self.convs:
            nn.init.normal_(conv.weight)
            # A few filters see colours, most see nothing but change.
            conv.weight.data[8:] -= conv.weight.data[8:].mean(dim=(2, 3), keepdim=True)
            conv.weight.data /= conv.weight.data.flatten(1).norm(dim=1)[:, None, None, None]
        self.requires_grad_(False)

    def forward(self, x):
        x = 2 * x - 1
        return [F.relu(conv(x if level == 0 else F.avg_pool2d(x, 2**level))) for level, conv in enumerate(self.convs)]


def gram(features):
    """How the channels of (1, C, H, W) go together, whatever the place: a matrix (C, C)."""
    flat = features.flatten(2).squeeze(0)
    return flat @ flat.T / flat.shape[1]


def roughness(image):
    """The total variation: how much neighbouring pixels differ."""
    return (image[..., 1:, :] - image[..., :-1, :]).abs().mean() + (image[..., :, 1:] - image[..., :, :-1]).abs().mean()


def load_image(source, size):
    """An image file, or an array (H, W, 3), as a square (1, 3, size, size) of values from 0 to 1."""
    picture = Image.open(source).convert("RGB") if isinstance(source, str) else Image.fromarray(source)
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    picture = picture.crop((left, top, left + side, top + side)).resize((size, size), Image.LANCZOS)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).unsqueeze(0).contiguous().float() / 255


def paint_swirls(size):
    """Strokes of paint along a stream without sources, (1, 3, size, size): dark blue to light yellow."""
    line = torch.linspace(-1, 1, size)
    start = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1).unsqueeze(0)
    waves, phases = 5 * torch.randn(10, 2), 2 * torch.pi * torch.rand(10)
    stream = torch.sin(start @ waves.T + phases).sum(dim=-1).unsqueeze(0)
    stream = stream / stream.std()
    dy, dx = torch.gradient(stream[0, 0])
    flow = torch.stack([dy, -dx], dim=-1) / torch.hypot(dx, dy).clamp(min=1e-6).unsqueeze(-1)

    # Each pixel is the mean of noise along the stream line through it (line integral convolution).
    grain = F.interpolate(torch.randn(1, 1, size // 3, size // 3), size=(size, size), mode="bicubic", align_corners=False)
    strokes = torch.zeros(1, 1, size, size)
    for direction in (1, -1):
        place = start
        for _ in range(14):
            along = F.grid_sample(flow.permute(2, 0, 1).unsqueeze(0), place, padding_mode="border", align_corners=True)
            place = place + direction * along.permute(0, 2, 3, 1) * 2 / size
            strokes = strokes + F.grid_sample(grain, place, padding_mode="border", align_corners=True)
    shade = torch.sigmoid(1.2 * strokes / strokes.std() + 1.1 * stream)

    palette = torch.tensor([[8, 16, 52], [22, 52, 120], [52, 110, 180], [140, 190, 205], [242, 214, 110], [250, 240, 190]]) / 255
    position = shade[0, 0].clamp(0, 0.999) * (len(palette) - 1)
    below = position.long()
    mix = (position - below).unsqueeze(-1)
    return torch.lerp(palette[below], palette[below + 1], mix).permute(2, 0, 1).unsqueeze(0).contiguous()


def recolour(content, style):
    """The content in the colours of the style: the darkest pixel gets the darkest colour there is, and so on."""
    weights = torch.tensor([0.299, 0.587, 0.114])
    pixels, colours = content[0].flatten(1), style[0].flatten(1)
    recoloured = torch.empty_like(pixels)
    recoloured[:, (weights @ pixels).argsort()] = colours[:, (weights @ colours).argsort()]
    return recoloured.reshape(content.shape)


def transfer(content, style, steps, style_weight, smoothness):
    """The image that L-BFGS makes of `content`, what it was like on the way, and the loss at every step."""
    net = RandomFeatures()
    content = recolour(content, style)
    contents = net(content)
    grams = [gram(features) for features in net(style)]
    # So that fine changes count as much as broad ones, each channel is measured by its size in the style.
    scales = [g.diagonal().clamp(min=1e-3).sqrt() for g in grams]
    sizes = [torch.outer(scale, scale) for scale in scales]
    unbounded = torch.logit(content, eps=0.02).requires_grad_()  # of which the image is the sigmoid
    optimizer = torch.optim.LBFGS([unbounded], max_iter=10, history_size=20, line_search_fn="strong_wolfe")
    losses, snapshots = [], []
    with tqdm(total=steps, desc="painting", unit="step") as progress:

        def closure():
            optimizer.zero_grad()
            image = torch.sigmoid(unbounded)
            found = net(image)
            in_content = sum((f - c).square().mean() / c.square().mean() for f, c in zip(found[1:], contents[1:], strict=True))
            in_style = sum(((gram(f) - g) / size).square().mean() for f, g, size in zip(found, grams, sizes, strict=True))
            loss = in_content + style_weight * in_style + smoothness * roughness(image)
            loss.backward()
            return loss

        for step in range(1, steps + 1):
            losses.append(optimizer.step(closure).item())
            progress.set_postfix(loss=f"{losses[-1]:.4f}", refresh=False)
            progress.update()
            if step <= 3 or step % 5 == 0:
                progress.write(f"step {step:2d}  loss {losses[-1]:.5f}")
            if step in (1, 3, steps):
                snapshots.append((step, torch.sigmoid(unbounded.detach())))
    return recolour(snapshots[-1][1], style), snapshots, losses


def draw(content, style, result, snapshots, losses, path):
    figure = plt.figure(figsize=(14, 8.6), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.75, 1))
    for axes, title, image in zip(top.subplots(1, 3), ("content", "style", "result"), (content, style, result), strict=True):
        axes.imshow(image[0].permute(1, 2, 0).numpy())
        axes.set_title(title)
        axes.set_axis_off()
    *axes, curve = bottom.subplots(1, len(snapshots) + 1)
    for on_the_way, (step, image) in zip(axes, snapshots, strict=True):
        on_the_way.imshow(image[0].permute(1, 2, 0).numpy())
        on_the_way.set_title(f"after step {step}")
        on_the_way.set_axis_off()
    curve.plot(range(1, len(losses) + 1), losses)
    curve.set(xlabel="step (of 10 iterations of L-BFGS)", title="Loss", yscale="log")
    curve.grid(alpha=0.3, which="both")
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description="Paint a photograph in the style of another picture.")
    parser.add_argument("--content", metavar="IMAGE", help="a file to paint anew (a square from its middle)")
    parser.add_argument("--style", metavar="IMAGE", help="a file to take the style from")
    parser.add_argument("--size", type=int, default=128, help="of the result, in pixels")
    parser.add_argument("--steps", type=int, default=8, help="of 10 iterations of L-BFGS each")
    parser.add_argument("--style-weight", type=float, default=4.0)
    parser.add_argument("--smoothness", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="neural_style.png", help="where to write the figure")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    content = load_image(args.content or load_sample_image("china.jpg")[20:370, 35:385], args.size)
    style = load_image(args.style, args.size) if args.style else paint_swirls(args.size)
    result, snapshots, losses = transfer(content, style, args.steps, args.style_weight, args.smoothness)
    print(f"loss: {losses[0]:.4f} at first, {losses[-1]:.4f} at last")

    draw(content, style, result, snapshots, losses, args.out)
    print(f"figure: {args.out}")


if __name__ == "__main__":
    main()
