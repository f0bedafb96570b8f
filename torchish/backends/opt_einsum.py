"""`torch.backends.opt_einsum`: opt_einsum chooses the order of contractions."""

from typing import Any

import opt_einsum

enabled = True
strategy = "auto"


def is_available() -> bool:
    """True: JAX brings it."""
    return True


def get_opt_einsum() -> Any:
    """The module `opt_einsum`."""
    return opt_einsum
