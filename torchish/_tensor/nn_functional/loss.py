"""Loss functions: PyTorch's Python forms over `torchish.ops.loss` and ordinary operations."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

import torchish as torch
from torchish import _dtypes as dt
from torchish._tensor.errors import plain_type_name
from torchish._tensor.nn_functional._call import ap, require, require_float, scalar_type
from torchish._tensor.nn_functional._reduction import legacy, reduction_of
from torchish._tensor.positions import rearranges
from torchish._tensor.tensor import Tensor
from torchish.autograd.graph import GradFn, named
from torchish.engine.expr import CPU, LOCAL
from torchish.engine.program import force
from torchish.ops import loss as L
from torchish.ops.declare import broadcast_shapes
from torchish.ops.pointwise import NO_NEGATIVE_BOOL
from torchish.ops.precision import HALF, REAL, require_kernel
from torchish.ops.softmax import log_softmax


def _reduced(loss: Tensor, reduction: str) -> Tensor:
    return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss


def _same_size(input: Tensor, target: Tensor) -> None:
    if target.size() != input.size():
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}). "
            "This will likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            stacklevel=4,
        )


def _expanded(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    if isinstance(input, Tensor) and isinstance(target, Tensor) and input._aval.shape == target._aval.shape:
        return input, target
    return torch.broadcast_tensors(input, target)


def _weighted(errors: Tensor, input: Tensor, weight: Tensor, reduction: str, by_weight: bool) -> Tensor:
    if weight.size() != input.size():
        raise ValueError("Weights and input must have the same size.")
    errors = errors * weight
    if reduction == "none":
        return errors
    if reduction == "sum":
        return errors.sum()
    if reduction == "mean":
        return errors.sum() / weight.sum() if by_weight else errors.mean()
    raise ValueError(f"Invalid reduction mode: {reduction}. Expected one of 'none', 'mean', 'sum'.")


def _require_float(input: Tensor, target: Tensor, kernel: str) -> None:
    if target._aval.category == 3:
        input = target
    if input._aval.category == 3 or input._aval.category < 2 and target._aval.category < 2:
        require_float(input, kernel)


def _no_target_gradient(name: str, target: Tensor) -> None:
    """RuntimeError where PyTorch has no derivative in the target."""
    if target._aval.category >= 2 and target._needs() and torch.is_grad_enabled():
        raise RuntimeError(
            f"The function '{name}' is not differentiable with respect to argument 'target'. This input cannot have requires_grad True."
        )


# --- regression --------------------------------------------------------------------------------------------


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The mean of squared differences."""
    _same_size(input, target)
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce)
    x, t = _expanded(input, target)
    if weight is not None:
        return _weighted(torch.pow(x - t, 2), input, weight, reduction, True)
    reduction = reduction_of(reduction)
    _require_float(x, t, "mse_cpu")
    return ap(L.mse_loss, (reduction,), x, t)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The mean of absolute differences."""
    _same_size(input, target)
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce)
    x, t = _expanded(input, target)
    if weight is not None:
        return _weighted(torch.abs(x - t), input, weight, reduction, True)
    return _reduced(torch.abs(x - t), reduction_of(reduction))


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """Squared below `beta`, absolute above."""
    _same_size(input, target)
    reduction = reduction_of(reduction, size_average, reduce)
    x, t = _expanded(input, target)
    if type(beta) is not float:
        require("smooth_l1_loss(Tensor input, Tensor target, int reduction, float beta)", x, t, 1, beta)
    if beta == 0:
        return _reduced(torch.abs(x - t), reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    _require_float(x, t, "smooth_l1_cpu")
    return ap(L.smooth_l1_loss, (reduction, float(beta)), x, t)


def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None) -> Tensor:
    """Squared up to `delta`, delta times absolute above."""
    _same_size(input, target)
    x, t = _expanded(input, target)
    if type(delta) is not float:
        require("huber_loss(Tensor input, Tensor target, int reduction, float delta)", x, t, 1, delta)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    _require_float(x, t, "huber_cpu")
    if x._aval.category < 2:
        raise RuntimeError(f"result type {scalar_type(t)} can't be cast to the desired output type {scalar_type(x)}")
    if weight is not None:
        return _weighted(ap(L.huber_loss, ("none", float(delta)), x, t), input, weight, reduction, False)
    loss = ap(L.huber_loss, (reduction_of(reduction), float(delta)), x, t)
    return loss if loss._aval.dtype is x._aval.dtype else loss.to(x.dtype)


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool = True, full: bool = False, size_average: bool | None = None,
    eps: float = 1e-8, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Negative log likelihood of a Poisson distribution whose rate (or its logarithm) is the input."""
    reduction = reduction_of(reduction, size_average, reduce)
    require("poisson_nll_loss(Tensor input, Tensor target, bool log_input, bool full, float eps)", input, target, log_input, full, eps)
    if log_input:
        loss = torch.exp(input) - target * input
    else:
        loss = input - target * torch.log(input + eps)
    if full:
        stirling = target * torch.log(target) - target + 0.5 * torch.log(2 * math.pi * target)
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return _reduced(loss, reduction)


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Tensor | float, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """Negative log likelihood of normal distributions with means `input` and variances `var`."""
    if isinstance(var, float):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        variance: Any = var * torch.ones_like(input)
    elif torch.any(var < 0):
        raise ValueError("var has negative entry/entries")
    else:
        variance = var
    if variance.size() != input.size():
        if input.size()[:-1] == variance.size():
            variance = torch.unsqueeze(variance, -1)
        elif not (input.ndim == variance.ndim and sum(y for x, y in zip(input.size(), variance.size(), strict=True) if x != y) == 1):
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    variance = variance.clone()
    with torch.no_grad():
        variance.clamp_(min=eps)
    loss = 0.5 * (torch.log(variance) + (input - target) ** 2 / variance)
    if full:
        loss += 0.5 * math.log(2 * math.pi)
    return _reduced(loss, reduction)


def _same_shape_with(input: Tensor, other: Tensor) -> None:
    """RuntimeError unless the loss of each element of `input` has room for what `other` makes of it."""
    want, shape = list(input.size()), list(broadcast_shapes([input._aval.shape, other._aval.shape]))
    if want != shape:
        raise RuntimeError(f"output with shape {want} doesn't match the broadcast shape {shape}")


def _refuse_cast(other: Tensor, input: Tensor) -> None:
    if other._aval.category == 3 > input._aval.category:
        raise RuntimeError(f"result type {scalar_type(other)} can't be cast to the desired output type {scalar_type(input)}")


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Kullback-Leibler divergence of `target` from log-probabilities `input`."""
    how = reduction
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        require("kl_div(Tensor input, Tensor target, int reduction=1, *, bool log_target=False)", input, target)
    if size_average is not None or reduce is not None:
        how = legacy(size_average, reduce)
    elif reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
            "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
            stacklevel=3,
        )
    how = "sum" if how == "batchmean" else reduction_of(how)
    kinds = input._aval.category, target._aval.category
    if kinds != (2, 2):
        raise RuntimeError(f"kl_div: {'Complex' if 3 in kinds else 'Integral'} inputs not supported.")
    if not isinstance(log_target, bool):
        raise TypeError(f"kl_div(): argument 'log_target' must be bool, not {plain_type_name(log_target)}")
    if log_target:
        loss = torch.exp(target) * (target - input)
    else:
        loss = torch.xlogy(target, target) - target * input
    loss = _reduced(loss, how)
    if reduction == "batchmean" and input.dim():
        loss = loss / input.size()[0]
    return loss


# --- classification ----------------------------------------------------------------------------------------


def _host_values(t: Tensor) -> np.ndarray | None:
    """The values of a tensor when they are at hand on the host; None when they would have to be computed."""
    if t._chain:
        return None
    value = t._read().value
    return value if type(value) is np.ndarray else None


def check_classes(target: Tensor, classes: int, ignore_index: int) -> None:
    """IndexError for a target that is no class, when the targets are known already."""
    values = _host_values(target)
    if values is None or not values.size:
        return

    def check(values: Any) -> None:
        if type(values) is not np.ndarray:
            return
        # (read as unsigned, a negative class is larger than any)
        if (values.view(np.uint64) if values.dtype == np.int64 else values).max() < classes:
            return
        wrong = values[((values < 0) | (values >= classes)) & (values != ignore_index)]
        if wrong.size:
            raise IndexError(f"Target {int(wrong.flat[0])} is out of bounds.")

    if LOCAL.capture is not None:
        LOCAL.capture.check(target._read(), check)
    check(values)


def _check_class_weight(input, weight, classes, name=""):
    if weight is None:
        return
    if weight._aval.shape != (classes,):
        raise RuntimeError(
            f"{name}weight tensor should be defined either for all {classes} classes or no classes but got weight "
            "tensor of "
            f"shape: {list(weight.shape)}"
        )


_WEIGHTED = "Tensor input, Tensor target, Tensor? weight=None, int reduction=1, int ignore_index=-100"


def _nll(input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, ignore_index: int) -> Tensor:
    a, b = input._aval, target._aval
    if not a.ndim:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    if a.ndim > 1 and (not b.ndim or a.shape[0] != b.shape[0]):
        raise ValueError(f"Expected input batch_size ({a.shape[0]}) to match target batch_size ({b.shape[0] if b.ndim else 0}).")
    classes = a.shape[1] if a.ndim > 1 else a.shape[0]
    if a.ndim <= 2:
        if b.ndim > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if a.ndim == 1 and b.ndim == 1:
            if b.shape[0] != 1:
                raise ValueError(f"For 1D input, 1D target must have size 1, but got target size: {b.shape[0]}")
            input = torch.unsqueeze(input, 0) if reduction == "none" else input
            target = target if reduction == "none" else torch.reshape(target, ())
    elif a.ndim == 4:
        if b.ndim != 3:
            raise RuntimeError(f"only batches of spatial targets supported (3D tensors) but got targets of dimension: {b.ndim}")
        if b.shape[1:] != a.shape[2:]:
            raise RuntimeError(f"size mismatch (got input: {list(a.shape)} , target: {list(b.shape)}")
    elif b.shape[1:] != a.shape[2:]:
        raise RuntimeError(f"Expected target size {[a.shape[0], *a.shape[2:]]}, got {list(b.shape)}")
    if b.torch_dtype not in (dt.int64, dt.uint8):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {scalar_type(target)}")
    require_float(input, "nll_loss2d_forward_out_frame" if a.ndim > 2 else "nll_loss_out_frame")
    _check_class_weight(input, weight, classes)
    if weight is not None and weight._aval.dtype != a.dtype:
        raise RuntimeError(f"expected scalar type {scalar_type(input)} but found {scalar_type(weight)}")
    check_classes(target, classes, ignore_index)
    return ap(L.nll_loss, (reduction, ignore_index), input, target, weight)


def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    ignore_index: int = -100, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Minus the log-probability (N, C, ...) of each target class (N, ...)."""
    if not (isinstance(input, Tensor) and isinstance(target, Tensor) and (weight is None or isinstance(weight, Tensor))):
        require(f"nll_loss_nd({_WEIGHTED})", input, target, weight)
    if type(ignore_index) is not int:
        require(f"nll_loss_nd({_WEIGHTED})", input, target, weight, 1, ignore_index)
    return _nll(input, target, weight, reduction_of(reduction, size_average, reduce), ignore_index)


def cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    ignore_index: int = -100, reduce: bool | None = None, reduction: str = "mean", label_smoothing: float = 0.0,
) -> Tensor:  # fmt: skip
    """Cross entropy of logits (N, C, ...) with class indices (N, ...) or class probabilities (N, C, ...)."""
    reduction = reduction_of(reduction, size_average, reduce)
    if not (isinstance(input, Tensor) and isinstance(target, Tensor) and (weight is None or isinstance(weight, Tensor))):
        require(f"cross_entropy_loss({_WEIGHTED}, float label_smoothing=0.0)", input, target, weight)
    if type(ignore_index) is not int or type(label_smoothing) is not float:
        require(f"cross_entropy_loss({_WEIGHTED}, float label_smoothing=0.0)", input, target, weight, 1, ignore_index, label_smoothing)
    dim = 0 if input._aval.ndim == 1 else 1
    if input._aval.shape == target._aval.shape:
        return _cross_entropy_probabilities(input, target, weight, reduction, ignore_index, label_smoothing, dim)
    if label_smoothing == 0:
        return _nll(_log_softmax(input, dim), target, weight, reduction, ignore_index)
    if not 0 < label_smoothing <= 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")
    return _cross_entropy_smooth(input, target, weight, reduction, ignore_index, label_smoothing, dim)


def _log_softmax(input: Tensor, dim: int) -> Tensor:
    last = dim == input._aval.ndim - 1
    require_float(input, "log_softmax_lastdim_kernel_impl" if last else "softmax_kernel_impl")
    if input._aval.ndim and dim >= input._aval.ndim:
        raise IndexError(f"Dimension out of range (expected to be in range of [-1, 0], but got {dim})")
    return ap(log_softmax, (dim, None), input)


def _cross_entropy_probabilities(input, target, weight, reduction, ignore_index, label_smoothing, dim):
    if target._aval.category != 2:
        raise RuntimeError(f"Expected floating point type for target with class probabilities, got {scalar_type(target)}")
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    classes = input._aval.shape[dim] if input._aval.ndim else 1
    if weight is not None and (weight._aval.ndim != 1 or weight._aval.size != classes):
        _check_class_weight(input, weight, classes, "cross_entropy: ")
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")
    logits = _log_softmax(input, dim if input._aval.ndim else 0)
    if label_smoothing > 0:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    product = logits * target
    if weight is not None:
        shape = [1] * input._aval.ndim
        shape[dim] = classes
        product = product * torch.reshape(weight, shape)
    if reduction == "none":
        return -product.sum(dim)
    total = -product.sum()
    if reduction == "sum":
        return total
    if input._aval.size == 0:
        return total.fill_(math.nan)
    mean = total / (input._aval.size // classes)
    if mean._grad_fn is not None:
        # PyTorch divides by a C++ number here, which has a name of its own
        mean._grad_fn.__class__ = named("DivBackward1", GradFn)
    return mean


def _cross_entropy_smooth(input, target, weight, reduction, ignore_index, label_smoothing, dim):
    logits = _log_softmax(input, dim)
    nll = _nll(logits, target, weight, reduction, ignore_index)
    classes = input._aval.shape[dim]
    if weight is not None:
        shape = [1] * input._aval.ndim
        shape[dim] = classes
        smooth = -(logits * torch.reshape(weight, shape)).sum(dim)
    else:
        smooth = -logits.sum(dim)
    ignored = target == ignore_index
    if ignore_index >= 0 or weight is not None or reduction == "mean":
        smooth = smooth.masked_fill(ignored, 0.0)
    if reduction == "mean":
        if weight is not None:
            # the classes' weights, 0 for what is ignored
            safe = target.masked_fill(ignored, 0)
            kept = weight[safe].masked_fill(ignored, 0.0).sum()
            smooth = smooth.sum() / kept
        else:
            smooth = smooth.sum() / (~ignored).sum()
    elif reduction == "sum":
        smooth = smooth.sum()
    return (1 - label_smoothing) * nll + smooth * (label_smoothing / classes)


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options=None,
) -> Tensor:
    """cross_entropy of linear(input, linear_weight): input (N, in) or (in,), weight (C, *out, in).

    `options` says how PyTorch splits the batch to save memory; here XLA decides that, and they change nothing.
    """
    if not 1 <= input.dim() <= 2:
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.dim()}")
    if linear_weight.dim() < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {linear_weight.dim()}")
    batch, features = tuple(input.shape[:-1]), input.shape[-1]
    if features != linear_weight.shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), "
            f"got {features} and {linear_weight.shape[-1]}, respectively"
        )
    classes, *out = linear_weight.shape[:-1]
    if linear_bias is not None and tuple(linear_bias.shape) != (classes, *out):
        raise RuntimeError(f"expected linear_bias shape {(classes, *out)}, got {tuple(linear_bias.shape)}")
    if out and not batch:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} requires batched input, "
            "(N, "
            f"{features}), got unbatched input with shape {tuple(input.shape)}"
        )
    shape = (*batch, classes, *out)
    if tuple(target.shape) == shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    if out:
        linear_weight = linear_weight.reshape(-1, features)
        linear_bias = None if linear_bias is None else linear_bias.reshape(-1)
    logits = torch.nn.functional.linear(input, linear_weight, linear_bias).reshape(shape)
    return cross_entropy(
        logits, target, weight, ignore_index=-100 if ignore_index is None else ignore_index, reduction=reduction,
        label_smoothing=label_smoothing,
    )  # fmt: skip


def _probable(values: np.ndarray | None) -> bool:
    return values is None or not values.size or bool(values.min() >= 0 and values.max() <= 1)


_PROBABILITIES = frozenset({"sigmoid", "softmax", "hardsigmoid"})


def _check_probabilities(input: Tensor) -> None:
    """RuntimeError for values outside [0, 1]; what a sigmoid gives needs no look, anything else is computed for it."""
    e = input._read()
    if not e.aval.size or e.aval.device != CPU or rearranges(e, _PROBABILITIES):
        return

    def check(values: Any) -> None:
        if not _probable(np.asarray(values)):
            raise RuntimeError("all elements of input should be between 0 and 1")

    if LOCAL.capture is not None:
        LOCAL.capture.check(e, check)
    else:
        check(force(e))


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Cross entropy of probabilities with targets between 0 and 1."""
    reduction = reduction_of(reduction, size_average, reduce)
    if target.size() != input.size():
        raise ValueError(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}) is "
            "deprecated. "
            "Please ensure they have the same size."
        )
    if weight is not None:
        weight = weight.expand(torch.broadcast_shapes(target.size(), weight.size()))
    require("binary_cross_entropy(Tensor input, Tensor target, Tensor? weight=None, int reduction=1)", input, target, weight)
    for other in (target, weight):
        if other is not None and other._aval.dtype != input._aval.dtype:
            raise RuntimeError(f"Found dtype {scalar_type(other)} but expected {scalar_type(input)}")
    require_float(input, "binary_cross_entropy")
    _check_probabilities(input)
    if not _probable(_host_values(target)):
        raise RuntimeError("all elements of target should be between 0 and 1")
    return ap(L.binary_cross_entropy, (reduction,), input, target, weight)


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean", pos_weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Cross entropy of sigmoid(input) with targets between 0 and 1."""
    reduction = reduction_of(reduction, size_average, reduce)
    if target.size() != input.size():
        raise ValueError(f"Target size ({target.size()}) must be the same as input size ({input.size()})")
    require(
        "binary_cross_entropy_with_logits(Tensor input, Tensor target, Tensor? weight=None, Tensor? pos_weight=None)",
        input, target, weight, pos_weight,
    )  # fmt: skip
    if target._aval.category < 2 <= input._aval.category:
        raise RuntimeError(f"result type {scalar_type(input)} can't be cast to the desired output type {scalar_type(target)}")
    require_float(input, "log_sigmoid_cpu")
    for factor in (pos_weight, weight):
        if factor is not None:
            _same_shape_with(input, factor)
            _refuse_cast(factor, input)
    return ap(L.binary_cross_entropy_with_logits, (reduction,), input, target, weight, pos_weight)


def multi_margin_loss(
    input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None,
    size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Hinge loss of each wrong class against the target class."""
    reduction = reduction_of(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    require(
        "multi_margin_loss(Tensor input, Tensor target, Number p=1, Number margin=1, Tensor? weight=None)", input, target, p, margin, weight
    )
    a, b = input._aval, target._aval
    if a.ndim > 2 or (a.ndim and a.shape[-1] == 0):
        raise RuntimeError(f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(a.shape)}")
    n, classes = (a.shape[0], a.shape[1]) if a.ndim == 2 else (1, a.shape[0] if a.ndim else 1)
    if b.ndim > 1 or b.size != n:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples (batch "
            "size). "
            f"Expected target size [{n}], but got {list(b.shape)}. Input has shape {list(a.shape)}."
        )
    if weight is not None and weight._aval.size != classes:
        raise RuntimeError(f"inconsistent weight size, expected {classes} but got {list(weight.shape)}")
    require_kernel("multi_margin_loss_cpu_kernel", a, REAL - HALF)
    if weight is not None and weight.dtype is not input.dtype:
        raise RuntimeError(f"expected scalar type {scalar_type(input)} but found {scalar_type(weight)}")
    if target.dtype is not torch.int64:
        raise RuntimeError(f"expected scalar type Long but found {scalar_type(target)}")
    values = _host_values(target)
    if values is not None and values.size and not (values.min() >= 0 and values.max() < classes):
        raise RuntimeError("target out of range")
    return ap(L.multi_margin_loss, (float(p), float(margin), reduction), input, target, weight)


def multilabel_margin_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
) -> Tensor:
    """Hinge loss of every other class against every target class of a row; -1 ends a row's targets."""
    reduction = reduction_of(reduction, size_average, reduce)
    require("multilabel_margin_loss(Tensor input, Tensor target)", input, target)
    a, b = input._aval, target._aval
    if a.ndim > 2 or (a.ndim and a.shape[-1] == 0):
        raise RuntimeError(f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(a.shape)}")
    if (a.ndim == 2 and a.shape != b.shape) or (a.ndim < 2 and (b.ndim > 1 or b.size != a.size)):
        raise RuntimeError(f"inconsistent target size: {list(b.shape)} for input of size: {list(a.shape)}")
    if target._aval.category == 3 and b.size:
        raise NotImplementedError(f"\"min_all\" not implemented for '{scalar_type(target)}'")
    require_kernel("multilabel_margin_loss_forward_out_frame", a, REAL - HALF)
    values = _host_values(target)
    if values is not None and values.size:
        if values.min() < -1:
            raise RuntimeError("argument #2 'target' is out of range")
        if values.max() >= (a.shape[-1] if a.ndim else 1):
            raise RuntimeError("argument #2 'target' is out of range")
    if target.dtype is not dt.int64:
        raise RuntimeError(f"expected scalar type Long but found {scalar_type(target)}")
    return ap(L.multilabel_margin_loss, (reduction,), input, target)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Mean over classes of the binary cross entropy of sigmoid(input)."""
    from torchish._tensor.nn_functional.activation import logsigmoid

    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce)
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    last = input.dim() - 1
    loss = loss.sum(dim=last) / input.size(last)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    return _reduced(loss, reduction)


def soft_margin_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
) -> Tensor:
    """log(1 + exp(-target * input)), targets being 1 or -1."""
    require("soft_margin_loss(Tensor input, Tensor target)", input, target)
    _no_target_gradient("soft_margin_loss", target)
    if input._aval.category == 1:
        raise RuntimeError(f"result type Float can't be cast to the desired output type {scalar_type(input)}")
    if input._aval.category == 0:
        raise RuntimeError(NO_NEGATIVE_BOOL)
    _same_shape_with(input, target)
    _refuse_cast(target, input)
    loss = ap(L.soft_margin_loss, (reduction_of(reduction, size_average, reduce),), input, target)
    return loss if loss._aval.dtype is input._aval.dtype else loss.to(input.dtype)


# --- embeddings and ranking --------------------------------------------------------------------------------


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """input where the target is 1, max(0, margin - input) where it is -1."""
    reduction = reduction_of(reduction, size_average, reduce)
    require("hinge_embedding_loss(Tensor input, Tensor target, float margin)", input, target, margin)
    margin = float(margin)
    zeros = torch.zeros_like(input)
    far = torch.where(target != 1, torch.full_like(input, margin).sub_(input).clamp_min_(0), zeros)  # in the input's dtype
    near = torch.where(target != -1, input, zeros)
    return _reduced(far + near, reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, -target * (input1 - input2) + margin)."""
    reduction = reduction_of(reduction, size_average, reduce)
    if type(margin) is not float:
        require("margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin)", input1, input2, target, margin)
    if not input1.dim() == input2.dim() == target.dim():
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.size()}, input2: {input2.size()}, target: {target.size()} "
        )
    difference = input1 - input2
    return _reduced((-target * difference + float(margin)).clamp_min_(0), reduction)  # (a whole number too)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """1 - cosine where the target is 1, max(0, cosine - margin) where it is -1."""
    reduction = reduction_of(reduction, size_average, reduce)
    require("cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin)", input1, input2, target, margin)
    margin = float(margin)
    n = target._aval.ndim
    if n > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input1._aval.ndim != n + 1 or input2._aval.ndim != n + 1:
        raise RuntimeError(
            f"{n}D target tensor expects {n + 1}D input tensors, but found inputs with sizes {list(input1.shape)} and {list(input2.shape)}."
        )
    epsilon = 1e-12
    product = (input1 * input2).sum(n)
    size1 = (input1 * input1).sum(n) + epsilon
    size2 = (input2 * input2).sum(n) + epsilon
    cosine = product / (size1 * size2).sqrt_()
    zeros = torch.zeros_like(cosine)
    near = torch.where(target == 1, 1 - cosine, zeros)
    far = torch.where(target == -1, (cosine - margin).clamp_min_(0), zeros)
    return _reduced(near + far, reduction)


def _triplet_dims(anchor, positive, negative):
    a, p, n = anchor.ndim, positive.ndim, negative.ndim
    if not a == p == n:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {a}D, positive {p}D, and negative {n}D inputs"
        )


def _triplet(anchor, positive, negative, distance, margin, swap, reduction):
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = torch.minimum(far, distance(positive, negative))
    return _reduced(torch.clamp_min(margin + near - far, 0), reduction)


def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2, eps: float = 1e-6,
    swap: bool = False, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, d(anchor, positive) - d(anchor, negative) + margin) with p-norm distances."""
    reduction = reduction_of(reduction, size_average, reduce)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    require("triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin, float p, float eps, bool swap)",
            anchor, positive, negative, margin, p, eps, swap)  # fmt: skip
    _triplet_dims(anchor, positive, negative)

    def distance(a, b):
        return torch.pairwise_distance(a, b, p, eps)

    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, *, distance_function=None, margin: float = 1.0,
    swap: bool = False, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """triplet_margin_loss with any distance function."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    _triplet_dims(anchor, positive, negative)
    return _triplet(anchor, positive, negative, distance_function or torch.pairwise_distance, margin, swap, reduction)
