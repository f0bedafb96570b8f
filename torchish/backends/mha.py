"""`torch.backends.mha`: the fast path of attention layers, which is the only one here."""

_enabled = [True]


def get_fastpath_enabled() -> bool:
    """What was set; True at first."""
    return _enabled[0]


def set_fastpath_enabled(value: bool) -> None:
    """Accepted; attention is one XLA computation."""
    _enabled[0] = value
