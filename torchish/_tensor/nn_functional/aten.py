"""The torch.* forms of functions that nn.functional wraps: C++ signatures, with reductions as numbers.

PyTorch documents their default reduction as the mean, but its argument parser makes it 0: none.
"""

from __future__ import annotations

from torchish._tensor.dispatch import composite
from torchish._tensor.nn_functional import activation as A
from torchish._tensor.nn_functional import loss as L
from torchish._tensor.nn_functional import vision as V
from torchish._tensor.nn_functional._reduction import from_enum
from torchish._tensor.nn_functional.ctc import ctc_loss as _ctc_loss


def _function(signature: str, method: bool = False, out: bool = False):
    return composite(signature, method=method, out=out)


_function("celu(Tensor input, scalar alpha=1.0)")(A.celu)
_function("celu_(Tensor input, scalar alpha=1.0)")(A.celu_)
_function("selu(Tensor input)")(A.selu)
_function("selu_(Tensor input)")(A.selu_)
_function("rrelu(Tensor input, float lower=0.125, float upper=0.3333333333333333, bool training=False)")(A.rrelu)
_function("rrelu_(Tensor input, float lower=0.125, float upper=0.3333333333333333, bool training=False)")(A.rrelu_)
_function("threshold(Tensor input, Number threshold, Number value)")(A.threshold)
_function("threshold_(Tensor input, Number threshold, Number value)")(A.threshold_)
_function("prelu(Tensor input, Tensor weight)", method=True)(A.prelu)
_function("hardshrink(Tensor input, scalar lambd=0.5)", method=True, out=True)(A.hardshrink)


@_function("binary_cross_entropy_with_logits(Tensor input, Tensor target, Tensor? weight=None, Tensor? pos_weight=None, int reduction=0)")
def binary_cross_entropy_with_logits(input, target, weight, pos_weight, reduction):
    """nn.functional.binary_cross_entropy_with_logits with the reduction as a number."""
    return L.binary_cross_entropy_with_logits(input, target, weight, reduction=from_enum(reduction), pos_weight=pos_weight)


@_function("cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, int reduction=0)")
def cosine_embedding_loss(input1, input2, target, margin, reduction):
    """nn.functional.cosine_embedding_loss with the reduction as a number."""
    return L.cosine_embedding_loss(input1, input2, target, margin, reduction=from_enum(reduction))


@_function("hinge_embedding_loss(Tensor input, Tensor target, float margin=1.0, int reduction=0)")
def hinge_embedding_loss(input, target, margin, reduction):
    """nn.functional.hinge_embedding_loss with the reduction as a number."""
    return L.hinge_embedding_loss(input, target, margin, reduction=from_enum(reduction))


@_function("margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, int reduction=0)")
def margin_ranking_loss(input1, input2, target, margin, reduction):
    """nn.functional.margin_ranking_loss with the reduction as a number."""
    return L.margin_ranking_loss(input1, input2, target, margin, reduction=from_enum(reduction))


@_function("kl_div(Tensor input, Tensor target, int reduction=0, *, bool log_target=False)")
def kl_div(input, target, reduction, *, log_target):
    """nn.functional.kl_div with the reduction as a number."""
    loss = L.kl_div(input, target, reduction="sum" if reduction else "none", log_target=log_target)
    return loss / input.numel() if reduction == 1 else loss


@_function("poisson_nll_loss(Tensor input, Tensor target, bool log_input, bool full, float eps, int reduction)")
def poisson_nll_loss(input, target, log_input, full, eps, reduction):
    """nn.functional.poisson_nll_loss with the reduction as a number."""
    return L.poisson_nll_loss(input, target, log_input, full, eps=eps, reduction=from_enum(reduction))


@_function(
    "triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1.0, float p=2.0, "
    "float eps=1e-06, bool swap=False, int reduction=0)"
)
def triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction):
    """nn.functional.triplet_margin_loss with the reduction as a number."""
    return L.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction=from_enum(reduction))


@_function(
    "ctc_loss(Tensor log_probs, Tensor targets, any input_lengths, any target_lengths, int blank=0, int reduction=0, "
    "bool zero_infinity=False)"
)
def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity):
    """nn.functional.ctc_loss with the reduction as a number."""
    return _ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, from_enum(reduction), zero_infinity)


@_function("grid_sampler(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners)")
def grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners):
    """nn.functional.grid_sample with the modes as numbers."""
    mode = tuple(V.GRID_SAMPLE_INTERPOLATION_MODES)[interpolation_mode]
    return V.grid_sample(input, grid, mode, tuple(V.GRID_SAMPLE_PADDING_MODES)[padding_mode], align_corners)


@_function("grid_sampler_2d(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners)")
def grid_sampler_2d(input, grid, interpolation_mode, padding_mode, align_corners):
    """nn.functional.grid_sample of 4-d input with the modes as numbers."""
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


@_function("grid_sampler_3d(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners)")
def grid_sampler_3d(input, grid, interpolation_mode, padding_mode, align_corners):
    """nn.functional.grid_sample of 5-d input with the modes as numbers."""
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)
