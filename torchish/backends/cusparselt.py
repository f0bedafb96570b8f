"""`torch.backends.cusparselt`: a library that XLA does without."""


def is_available() -> bool:
    """False."""
    return False
