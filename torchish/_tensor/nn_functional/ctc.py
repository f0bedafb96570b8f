"""Connectionist temporal classification loss."""

from __future__ import annotations

import numpy as np

import torchish as torch
from torchish._tensor.nn_functional._call import ap, require_one
from torchish._tensor.nn_functional._reduction import reduction_of
from torchish._tensor.tensor import Tensor
from torchish.ops import loss as L
from torchish.ops.precision import FULL, require_kernel

_SIGNATURES = tuple(
    f"ctc_loss(Tensor log_probs, Tensor targets, {kind} input_lengths, {kind} target_lengths, int blank=0, int reduction=1, "
    "bool zero_infinity=False)"
    for kind in ("int[!]", "Tensor")
)


def ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths, target_lengths, blank: int = 0, reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """Connectionist temporal classification: log_probs (T, N, C) or (T, C), targets (N, S) or all in one row."""
    reduction = reduction_of(reduction)
    require_one(_SIGNATURES, log_probs, targets, input_lengths, target_lengths, blank, 0, zero_infinity)
    for name, lengths in (("input", input_lengths), ("target", target_lengths)):
        if isinstance(lengths, Tensor) and lengths._aval.category != 1:
            raise RuntimeError(f"{name}_lengths must be integral")
    if not log_probs._aval.size:
        raise RuntimeError("log_probs tensor must not be empty")
    require_kernel("ctc_loss_cpu", log_probs._aval, FULL)
    single = log_probs.dim() != 3
    if single:
        log_probs = torch.unsqueeze(log_probs, 1)
    for tensor, least, most, shown in ((log_probs, 3, 3, "#1 'log_probs'"), (targets, 1, 2, "#2 'targets'")):
        if not least <= tensor.dim() <= most:
            expected = f"{most}-dimensional tensor" if least == most else f"{least} to {most} dimensions"
            raise RuntimeError(
                f"Expected {expected}, but got {tensor.dim()}-dimensional tensor for argument {shown} (while checking arguments for "
                "ctc_loss_allocate_outputs)"
            )
    t, n, classes = log_probs._aval.shape
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    ins, outs = _lengths(input_lengths, log_probs), _lengths(target_lengths, log_probs)
    where = "(while checking arguments for ctc_loss_allocate_outputs)"
    if len(ins) != n:
        raise RuntimeError("input_lengths must be of size batch_size")
    if len(outs) != n:
        raise RuntimeError("target_lengths must be of size batch_size")
    for length in outs:
        if length < 0:
            raise RuntimeError(f"Expected target_lengths to have value at least 0, but got value {length} {where}")
    if targets._aval.ndim == 1:
        total = sum(outs)
        if targets._aval.shape[0] != total and not single:
            raise RuntimeError(
                f"Expected tensor to have size {total} at dimension 0, but got size {targets._aval.shape[0]} for "
                "argument #2 "
                f"'targets' {where}"
            )
        targets = _as_rows(targets, outs)
    elif targets._aval.shape[0] != n:
        raise RuntimeError(
            f"Expected tensor to have size {n} at dimension 0, but got size {targets._aval.shape[0]} for argument #2 'targets' {where}"
        )
    elif targets._aval.shape[1] < max(outs, default=0):
        raise RuntimeError(
            f"Expected tensor to have size at least {max(outs)} at dimension 1, but got size {targets._aval.shape[1]} "
            "for "
            f"argument #2 'targets' {where}"
        )
    for length in ins:
        if length < 0:
            raise RuntimeError(f"Expected input_lengths to have value at least 0, but got value {length} {where}")
        if length > t:
            raise RuntimeError(f"Expected input_lengths to have value at most {t}, but got value {length} {where}")
    if targets._aval.category != 1:
        targets = targets.to(torch.int64)
    targets = torch.clamp(targets, 0, classes - 1)
    lengths = torch.tensor(outs, dtype=torch.int64, device=log_probs.device)
    steps = torch.tensor(ins, dtype=torch.int64, device=log_probs.device)
    loss = ap(L.ctc_loss, (blank, bool(zero_infinity)), log_probs, targets, steps, lengths)
    if reduction == "mean":
        return (loss / lengths.clamp_min(1).to(loss.dtype)).mean()
    if reduction == "sum":
        return loss.sum()
    return loss.squeeze(0) if single else loss


def _lengths(lengths, like) -> list[int]:
    if isinstance(lengths, Tensor):
        lengths = lengths.flatten().tolist()
    return [int(i) for i in lengths] if isinstance(lengths, (list, tuple)) else [int(lengths)]


def _as_rows(targets: Tensor, lengths: list[int]) -> Tensor:
    """Concatenated targets as rows (N, S), filled up with whatever follows."""
    width = max(lengths, default=0)
    if not width:
        return torch.zeros((len(lengths), 0), dtype=torch.int64, device=targets.device)
    starts = np.cumsum([0, *lengths[:-1]])
    at = np.minimum(starts[:, None] + np.arange(width), targets._aval.shape[0] - 1)
    return targets[torch.tensor(at.tolist(), device=targets.device)]
