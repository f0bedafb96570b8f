"""`torchvision.io.image`: images from and to files, as tensors (C, H, W), uint8, by Pillow."""

from __future__ import annotations

import enum
import io
from pathlib import Path
from typing import Any

import numpy as np

from torchish._runner import missing_attribute
from torchish._tensor.creation import from_host
from torchish._tensor.tensor import Tensor
from torchish.vision._optional import pil


class ImageReadMode(enum.Enum):
    """The channels that an image is read in; UNCHANGED: its own."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4


_PILLOW = {ImageReadMode.GRAY: "L", ImageReadMode.GRAY_ALPHA: "LA", ImageReadMode.RGB: "RGB", ImageReadMode.RGB_ALPHA: "RGBA"}


def read_file(path: str | Path) -> Tensor:
    """The bytes of a file, uint8."""
    return from_host(np.fromfile(path, np.uint8))


def write_file(filename: str | Path, data: Tensor) -> None:
    """A file of the bytes `data`, uint8."""
    Path(filename).write_bytes(data.numpy().tobytes())


def decode_image(input: Any, mode: Any = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False) -> Tensor:
    """The image (C, H, W), uint8, in a file or in its bytes; `mode` is an ImageReadMode or its name.

    Raises:
        RuntimeError: it is no image that Pillow knows.
    """
    image = pil()
    mode = ImageReadMode[mode.upper()] if isinstance(mode, str) else mode
    source: Any = input if isinstance(input, str | Path) else io.BytesIO(input.numpy().tobytes())
    try:
        with image.open(source) as opened:
            opened.load()
            picture = pil("ImageOps").exif_transpose(opened) if apply_exif_orientation else opened
            if mode is not ImageReadMode.UNCHANGED:
                picture = picture.convert(_PILLOW[mode])
            elif picture.mode == "P":
                picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
            elif picture.mode == "1":
                picture = picture.convert("L")
            values = np.array(picture)
    except image.UnidentifiedImageError as e:
        raise RuntimeError(
            "Unsupported image file. Only jpeg, png, webp and gif are currently supported. For avif and heic format, "
            "please rely on `decode_avif` and `decode_heic` directly."
        ) from e
    # PyTorch's decoders write whole pixels, one after another, and return a view
    return from_host(values[:, :, None] if values.ndim == 2 else values).permute(2, 0, 1)


read_image = decode_image


def decode_png(input: Tensor, mode: Any = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False) -> Tensor:
    return decode_image(input, mode, apply_exif_orientation)


def decode_jpeg(input: Tensor, mode: Any = ImageReadMode.UNCHANGED, device: Any = "cpu", apply_exif_orientation: bool = False) -> Tensor:
    return decode_image(input, mode, apply_exif_orientation).to(device)


def _encoded(image: Tensor, **how: Any) -> Tensor:
    if str(image.dtype) != "torch.uint8":
        raise RuntimeError("Input tensor dtype should be uint8")
    if image.ndim != 3:
        raise RuntimeError("Input data should be a 3-dimensional tensor")
    if image.shape[0] not in (1, 3):
        raise RuntimeError(f"The number of channels should be 1 or 3, got: {image.shape[0]}")
    values = image.cpu().numpy()
    out = io.BytesIO()
    pil().fromarray(values[0] if len(values) == 1 else np.ascontiguousarray(values.transpose(1, 2, 0))).save(out, **how)
    return from_host(np.frombuffer(out.getvalue(), np.uint8).copy())


def encode_png(input: Tensor, compression_level: int = 6) -> Tensor:
    """The bytes of a PNG file of an image (1 or 3, H, W), uint8."""
    if not 0 <= compression_level <= 9:
        raise RuntimeError("Compression level should be between 0 and 9")
    return _encoded(input, format="PNG", compress_level=compression_level)


def encode_jpeg(input: Tensor, quality: int = 75) -> Tensor:
    """The bytes of a JPEG file of an image (1 or 3, H, W), uint8."""
    if not 1 <= quality <= 100:
        raise ValueError("Image quality should be a positive number between 1 and 100")
    return _encoded(input, format="JPEG", quality=quality)


def write_png(input: Tensor, filename: str | Path, compression_level: int = 6) -> None:
    """A PNG file of an image (1 or 3, H, W), uint8."""
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input: Tensor, filename: str | Path, quality: int = 75) -> None:
    """A JPEG file of an image (1 or 3, H, W), uint8."""
    write_file(filename, encode_jpeg(input, quality))


def __getattr__(name: str):
    raise missing_attribute(__name__, name)
