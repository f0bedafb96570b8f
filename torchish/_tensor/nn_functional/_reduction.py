"""The `reduction` argument of losses, and the two booleans that came before it."""

from __future__ import annotations

import warnings


def reduction_of(reduction: str, size_average: bool | None = None, reduce: bool | None = None) -> str:
    """ "none", "mean" or "sum"; the deprecated booleans win over `reduction`, with a warning.

    It points at the function that asks, as PyTorch's does, so that Python shows it once.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce, stacklevel=4)
    if reduction == "elementwise_mean":
        warnings.warn("reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.", stacklevel=3)
        return "mean"
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def legacy(size_average: bool | None, reduce: bool | None, emit_warning: bool = True, stacklevel: int = 2) -> str:
    """What the deprecated booleans mean as a reduction."""
    if reduce is None or reduce:
        made = "mean" if size_average is None or size_average else "sum"
    else:
        made = "none"
    if emit_warning:
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{made}' instead.",
            stacklevel=stacklevel,
        )
    return made


def enum(reduction: str) -> int:
    """PyTorch's number of a reduction: the C++ forms (torch.kl_div) take it."""
    return ("none", "mean", "sum").index(reduction_of(reduction))


def from_enum(number: int) -> str:
    """The reduction that a number stands for."""
    return ("none", "mean", "sum")[number]
