"""`torch.backends.mkldnn`: a library that XLA brings or does without, as it likes."""

import contextlib
from collections.abc import Iterator

from torchish.backends._precision import Float32Precision

VERBOSE_OFF = 0
VERBOSE_ON = 1
VERBOSE_ON_CREATION = 2
enabled = False
deterministic = False
allow_tf32 = True
fp32_precision = "none"
matmul = Float32Precision("mkldnn", "none")
conv = Float32Precision("mkldnn", "none")
rnn = Float32Precision("mkldnn", "none")


def is_available() -> bool:
    return False


def is_built() -> bool:
    return False


class verbose:
    """Accepted for scripts that use it: there are no messages to show."""

    def __init__(self, enable: int):
        self.enable = enable

    def __enter__(self) -> "verbose":
        return self

    def __exit__(self, *exc: object) -> None:
        pass


@contextlib.contextmanager
def flags(enabled: bool = False, deterministic: bool = False, allow_tf32: bool = True, fp32_precision: str = "none") -> Iterator[None]:
    """Accepted for scripts that set it; a context manager without effect."""
    yield
