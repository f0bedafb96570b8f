"""What torchish.vision uses when it is installed, imported when it is first needed."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


def pil(name: str = "Image") -> ModuleType:
    """A module of Pillow. ImportError that says what to install when it is missing."""
    try:
        return importlib.import_module(f"PIL.{name}")
    except ModuleNotFoundError as e:
        raise ImportError("torchish.vision reads and writes images with Pillow, which is missing: pip install pillow", name="PIL") from e


def is_pil(image: Any) -> bool:
    """Whether `image` is Pillow's; False where Pillow was never imported."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def progress_bar(total: int | None, label: str, shown: bool = True) -> Any:
    """A tqdm bar of bytes; None when tqdm is missing or no bar is wanted."""
    if not shown:
        return None
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        return None
    return tqdm(total=total, desc=label, unit="B", unit_scale=True, unit_divisor=1024)
