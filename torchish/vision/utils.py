"""`torchvision.utils`: images for people to look at."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

import torchish as torch
from torchish._tensor.creation import from_host
from torchish._tensor.tensor import Tensor
from torchish.vision._optional import pil


def make_grid(
    tensor: Any,
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """One image (C, H, W) of images (N, C, H, W), or a list of them: `nrow` in a row, `padding` pixels around each.

    `normalize` spreads `value_range` (the least and the greatest value; with `scale_each`, of each image) over 0…1.
    """
    if not (isinstance(tensor, Tensor) or (isinstance(tensor, list) and all(isinstance(t, Tensor) for t in tensor))):
        kinds = f"of type {type(tensor)}" if not isinstance(tensor, list) else "a list containing something else"
        raise TypeError(f"tensor or list of tensors expected, got {kinds}")
    images = torch.stack(tensor, 0) if isinstance(tensor, list) else tensor
    if images.dim() == 2:
        images = images.unsqueeze(0)
    if images.dim() == 3:
        images = images.unsqueeze(0) if images.size(0) in (1, 3) else images.unsqueeze(1)
    if images.size(1) == 1:
        images = torch.cat((images, images, images), 1)
    device, a = images.device, images.detach().cpu().numpy()
    if normalize:
        if value_range is not None and not isinstance(value_range, tuple):
            raise TypeError("value_range has to be a tuple (min, max) if specified. min and max are numbers")
        a = np.stack([_spread(x, value_range) for x in a]) if scale_each else _spread(a, value_range)
    elif scale_each:
        a = a.copy()
    if a.shape[0] == 1:
        return from_host(np.array(a[0])).to(device)
    count, channels = a.shape[:2]
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    high, wide = a.shape[2] + padding, a.shape[3] + padding
    grid = np.full((channels, high * rows + padding, wide * columns + padding), pad_value, a.dtype)
    for k in range(count):
        y, x = (k // columns) * high + padding, (k % columns) * wide + padding
        grid[:, y : y + high - padding, x : x + wide - padding] = a[k]
    return from_host(grid).to(device)


def _spread(a: np.ndarray, bounds: tuple[float, float] | None) -> np.ndarray:
    low, top = (float(a.min()), float(a.max())) if bounds is None else bounds
    return (np.clip(a, low, top) - a.dtype.type(low)) / a.dtype.type(max(top - low, 1e-5))


def save_image(tensor: Any, fp: Any, format: str | None = None, **kwargs: Any) -> None:
    """Images, between 0 and 1, as one image file; `kwargs` are make_grid's."""
    grid = make_grid(tensor, **kwargs).cpu().numpy()
    values = np.clip(grid * grid.dtype.type(255) + grid.dtype.type(0.5), 0, 255).astype(np.uint8)
    pil().fromarray(np.ascontiguousarray(values.transpose(1, 2, 0))).save(fp, format=format)


def _palette(count: int) -> list[tuple[int, ...]]:
    bases = (2**25 - 1, 2**15 - 1, 2**21 - 1)
    return [tuple((i * b) % 255 for b in bases) for i in range(count)]


def _colors(colors: Any, count: int) -> list[tuple[int, ...]]:
    if colors is None:
        made: list = _palette(count)
    elif isinstance(colors, list):
        if len(colors) < count:
            raise ValueError(f"Number of colors must be equal or larger than the number of objects, but got {len(colors)} < {count}.")
        made = colors
    else:
        made = [colors] * count
    return [pil("ImageColor").getrgb(c) if isinstance(c, str) else tuple(c) for c in made]


def draw_bounding_boxes(
    image: Tensor,
    boxes: Tensor,
    labels: list[str | None] | None = None,
    colors: Any = None,
    fill: bool | None = False,
    width: int = 1,
    font: str | None = None,
    font_size: int | None = None,
    label_colors: Any = None,
    label_background_colors: Any = None,
    fill_labels: bool = False,
) -> Tensor:
    """The image (1 or 3, H, W), uint8 or between 0 and 1, with boxes (N, 4): x1, y1, x2, y2. In three channels.

    Raises:
        TypeError: the image is no tensor.
        ValueError: its shape or dtype is another, a box's corners are exchanged, or the counts do not agree.
    """
    if not isinstance(image, Tensor):
        raise TypeError(f"Tensor expected, got {type(image)}")
    if not (image.dtype == torch.uint8 or image.is_floating_point()):
        raise ValueError(f"The image dtype must be uint8 or float, got {image.dtype}")
    if image.dim() != 3:
        raise ValueError("Pass individual images, not batches")
    if image.size(0) not in (1, 3):
        raise ValueError("Only grayscale and RGB images are supported")
    corners = boxes.tolist()
    if any(x1 > x2 or y1 > y2 for x1, y1, x2, y2 in corners):
        raise ValueError("Boxes need to be in (xmin, ymin, xmax, ymax) format. Use torchvision.ops.box_convert to convert them")
    if not corners:
        return image
    names = labels if labels is not None else [None] * len(corners)
    if len(names) != len(corners):
        raise ValueError(f"Number of boxes ({len(corners)}) and labels ({len(names)}) mismatch. Please specify labels for each box.")
    lines = _colors(colors, len(corners))
    texts = lines if label_colors is None else _colors(label_colors, len(corners))
    backs = lines if label_background_colors is None else _colors(label_background_colors, len(corners))
    a = image.detach().cpu().numpy()
    whole = a if a.dtype == np.uint8 else (a * 255).astype(np.uint8)
    picture = pil().fromarray(np.ascontiguousarray(np.broadcast_to(whole, (3, *whole.shape[1:])).transpose(1, 2, 0)))
    fonts = pil("ImageFont")
    letters = fonts.load_default() if font is None else fonts.truetype(font, font_size or 10)
    draw = pil("ImageDraw").Draw(picture, "RGBA" if fill else None)
    for box, name, line, text, back in zip(corners, names, lines, texts, backs, strict=False):
        draw.rectangle(box, width=width, outline=line, fill=(*line, 100) if fill else None)
        if name is not None:
            margin = width + 1
            place = (box[0] + margin, box[1] + margin)
            if fill_labels:
                draw.rectangle(draw.textbbox(place, name, font=letters), fill=back)
            draw.text(place, name, fill=text, font=letters)
    out = np.array(picture).transpose(2, 0, 1)
    made = from_host(np.ascontiguousarray(out) if a.dtype == np.uint8 else out.astype(a.dtype) / a.dtype.type(255))
    return made.to(image.device)


def draw_segmentation_masks(image: Tensor, masks: Tensor, alpha: float = 0.8, colors: Any = None) -> Tensor:
    """The image (3, H, W), uint8 or between 0 and 1, coloured at masks (N, H, W): `alpha` of the colour, black where two meet.

    Raises:
        TypeError: the image is no tensor.
        ValueError: its shape or dtype, or that of the masks, is another.
    """
    if not isinstance(image, Tensor):
        raise TypeError(f"The image must be a tensor, got {type(image)}")
    if not (image.dtype == torch.uint8 or image.is_floating_point()):
        raise ValueError(f"The image dtype must be uint8 or float, got {image.dtype}")
    if image.dim() != 3:
        raise ValueError("Pass individual images, not batches")
    if image.size(0) != 3:
        raise ValueError("Pass an RGB image. Other Image formats are not supported")
    if masks.ndim == 2:
        masks = masks[None]
    if masks.ndim != 3:
        raise ValueError("masks must be of shape (H, W) or (batch_size, H, W)")
    if masks.dtype != torch.bool:
        raise ValueError(f"The masks must be of dtype bool. Got {masks.dtype}")
    if masks.shape[-2:] != image.shape[-2:]:
        raise ValueError("The image and the masks must have the same height and width")
    if not len(masks):
        warnings.warn("masks doesn't contain any mask. No mask was drawn", stacklevel=2)
        return image
    a, places = image.detach().cpu().numpy(), masks.cpu().numpy()
    drawn, part = a.copy(), np.float32 if a.dtype == np.uint8 else a.dtype.type
    for place, color in zip(places, _colors(colors, len(places)), strict=False):
        color_of = np.array(color if a.dtype == np.uint8 else [c / 255 for c in color], a.dtype)
        drawn[:, place] = color_of[:, None]
    drawn[:, places.sum(0) > 1] = 0
    mixed = a.astype(part) * part(1 - alpha) + drawn.astype(part) * part(alpha)
    return from_host(mixed.astype(a.dtype)).to(image.device)
