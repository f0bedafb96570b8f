"""`torchvision.io`: images from and to files, as tensors (C, H, W), uint8."""

from torchish._runner import missing_attribute
from torchish.vision.io import image
from torchish.vision.io.image import (
    ImageReadMode,
    decode_image,
    decode_jpeg,
    decode_png,
    encode_jpeg,
    encode_png,
    read_file,
    read_image,
    write_file,
    write_jpeg,
    write_png,
)


def __getattr__(name: str):
    raise missing_attribute(__name__, name)


__all__ = [
    "ImageReadMode",
    "decode_image",
    "decode_jpeg",
    "decode_png",
    "encode_jpeg",
    "encode_png",
    "image",
    "read_file",
    "read_image",
    "write_file",
    "write_jpeg",
    "write_png",
]
