"""`torch.backends.mkl`: a library that XLA brings or does without, as it likes."""

VERBOSE_OFF = 0
VERBOSE_ON = 1


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
