"""Which kernel may compute `scaled_dot_product_attention`: refused as in PyTorch where none is left; else XLA's compiler chooses."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator

from torchish._tensor.nn_functional.attention import WANTED

WARN_FOR_UNFUSED_KERNELS = False


class SDPBackend(enum.IntEnum):
    """PyTorch's kernels of scaled dot-product attention."""

    __module__ = "torch.nn.attention"

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    __str__ = enum.Enum.__str__
    __repr__ = enum.Enum.__repr__


_FLAGS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "mem_efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
}


@contextlib.contextmanager
def sdpa_kernel(backends: list[SDPBackend] | SDPBackend, set_priority: bool = False) -> Iterator[dict]:
    """A block in which the flags of `torch.backends.cuda` name `backends`; AssertionError for what is neither a backend nor a list."""
    if not isinstance(backends, (list, SDPBackend)):
        raise AssertionError(
            f"Backend must be an instance of SDPBackend or a list of SDPBackend instances, got {type(backends).__name__}"
        )
    before = dict(WANTED)
    chosen = backends if isinstance(backends, list) else [backends]
    WANTED.update((name, backend in chosen) for name, backend in _FLAGS.items())
    try:
        yield {}
    finally:
        WANTED.update(before)


__all__ = ["SDPBackend", "WARN_FOR_UNFUSED_KERNELS", "sdpa_kernel"]
