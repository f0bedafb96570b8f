"""`torch.backends.cudnn`."""

enabled = True
benchmark = False
deterministic = False
allow_tf32 = True
benchmark_limit = 10


def is_available() -> bool:
    """Whether JAX sees a GPU (its XLA brings cuDNN)."""
    from torchish.cuda import is_available as gpu

    return gpu()


def version() -> int | None:
    return None


def flags(enabled: bool = False, benchmark: bool = False, benchmark_limit: int = 10, deterministic: bool = False, allow_tf32: bool = True):
    """Accepted for scripts that set it; a context manager without effect."""
    import contextlib

    return contextlib.nullcontext()
