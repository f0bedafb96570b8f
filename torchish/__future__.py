"""`torch.__future__`: how modules put converted and loaded values in the place of their parameters."""

_overwrite = False
_swap = False


def set_overwrite_module_params_on_conversion(value: bool) -> None:
    """Whether converting a module gives it new parameters; else the parameters there are get new data."""
    global _overwrite
    _overwrite = value


def get_overwrite_module_params_on_conversion() -> bool:
    """Whether converting a module gives it new parameters."""
    return _overwrite


def set_swap_module_params_on_conversion(value: bool) -> None:
    """Whether converting a module, and loading its state, swaps its parameters with new ones (`torch.utils.swap_tensors`)."""
    global _swap
    _swap = value


def get_swap_module_params_on_conversion() -> bool:
    """Whether converting a module, and loading its state, swaps its parameters with new ones."""
    return _swap
