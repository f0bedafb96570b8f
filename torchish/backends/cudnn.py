"""`torch.backends.cudnn`."""

import contextlib
from collections.abc import Iterator

from torchish.backends._precision import Float32Precision

enabled = True
benchmark = False
deterministic = False
allow_tf32 = True
benchmark_limit = 10
fp32_precision = "none"
conv = Float32Precision("cuda", "tf32")
rnn = Float32Precision("cuda", "tf32")


def is_available() -> bool:
    """Whether JAX sees a GPU (its XLA brings cuDNN)."""
    from torchish.cuda import is_available as gpu

    return gpu()


def version() -> int | None:
    return None


def is_acceptable(tensor: object) -> bool:
    """Whether cuDNN takes this tensor: one on a GPU."""
    return enabled and getattr(getattr(tensor, "device", None), "type", None) == "cuda"


@contextlib.contextmanager
def flags(
    enabled: bool = False, benchmark: bool = False, benchmark_limit: int = 10, deterministic: bool = False, allow_tf32: bool = True
) -> Iterator[None]:
    """Inside the block the switches are set so; XLA chooses its own algorithms all the same."""
    wanted = {
        "enabled": enabled, "benchmark": benchmark, "benchmark_limit": benchmark_limit, "deterministic": deterministic,
        "allow_tf32": allow_tf32,
    }  # fmt: skip
    switches = globals()
    before = {name: switches[name] for name in wanted}
    switches.update(wanted)
    try:
        yield
    finally:
        switches.update(before)
