"""Dropout functions. The noise is PyTorch's own stream: see `torchish._random.dropout`."""

from __future__ import annotations

import warnings

from torchish._tensor.dispatch import composite
from torchish._tensor.nn_functional._call import ap, ap_, scalar_type, tensor_arg
from torchish._tensor.tensor import Tensor
from torchish.ops.activation import dropout_apply


def _checked(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _dropout(input: Tensor, p: float, train: bool, inplace: bool, *, feature: bool = False, alpha: bool = False) -> Tensor:
    """What every dropout comes to; outside training, or with p = 0, the input itself."""
    import torchish as torch
    from torchish._random import check_dropout_probability, feature_noise_shape
    from torchish._tensor.random import alpha_dropout_terms, dropout_factors

    name = f"{'feature_' if feature else ''}{'alpha_' if alpha else ''}dropout"
    tensor_arg(name, "input", 1, input)
    if not isinstance(train, bool):
        raise TypeError(f"{name}(): argument 'train' (position 3) must be bool, not {type(train).__name__}")
    check_dropout_probability(p)
    if not train or p == 0 or not input._aval.size:
        return input
    if p == 1:
        return input.mul_(torch.zeros((), dtype=input.dtype)) if inplace else input * torch.zeros((), dtype=input.dtype)
    if input._aval.category < 2:
        raise RuntimeError(f"result type Float can't be cast to the desired output type {scalar_type(input)}")
    shape = feature_noise_shape(input._aval.shape) if feature else input._aval.shape
    if alpha:
        factor, shift = alpha_dropout_terms(input, shape, p)
        return ap_(dropout_apply, (), input, factor).add_(shift) if inplace else ap(dropout_apply, (), input, factor) + shift
    return (ap_ if inplace else ap)(dropout_apply, (), input, dropout_factors(input, shape, p))


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability p and scale the rest by 1 / (1 - p)."""
    _checked(p)
    return _dropout(input, p, training, inplace)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that keeps the mean and variance of SELU activations."""
    _checked(p)
    return _dropout(input, p, training, inplace, alpha=True)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """alpha_dropout of whole channels."""
    _checked(p)
    return _dropout(input, p, training, inplace, feature=True, alpha=True)


def _channels(input: Tensor, p: float, training: bool, inplace: bool, batched: bool) -> Tensor:
    if batched:
        return _dropout(input, p, training, inplace, feature=True)
    if inplace:
        return _dropout(input.unsqueeze_(0), p, training, True, feature=True).squeeze_(0)
    return _dropout(input.unsqueeze(0), p, training, False, feature=True).squeeze(0)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of (N, C, L) or (C, L)."""
    _checked(p)
    n = input.dim()
    if n not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {n}D input. Note that dropout1d exists to provide "
            "channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional batch "
            "dimension "
            "(i.e. 2D or 3D inputs)."
        )
    return _channels(input, p, training, inplace, n == 3)


def _unusual(name: str, n: int, spatial: int, dims: str) -> None:
    warnings.warn(
        f"{name}: Received a {n}-D input to {name}, which is deprecated and will result in an error in a future "
        "release. To "
        f"retain the behavior and silence this warning, please use dropout instead. Note that {name} exists to provide "
        f"channel-wise dropout on inputs with {spatial} spatial dimensions, a channel dimension, and an optional batch "
        f"dimension (i.e. {dims} inputs).",
        stacklevel=3,
    )


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of (N, C, H, W)."""
    _checked(p)
    n = input.dim()
    if n not in (3, 4):
        _unusual("dropout2d", n, 2, "3D or 4D")
    if n == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is "
            "desired - input "
            "is interpreted as shape (N, C, L), where C is the channel dim. This behavior will change in a future "
            "release to "
            "interpret the input as one without a batch dimension, i.e. shape (C, H, W). To maintain the 1D "
            "channel-wise "
            "dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _dropout(input, p, training, inplace, feature=True)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    _checked(p)
    n = input.dim()
    if n not in (4, 5):
        _unusual("dropout3d", n, 3, "4D or 5D")
    return _channels(input, p, training, inplace, n == 5)


def _aten(name: str, **how) -> None:
    def out_of_place(input, p, train):
        return _dropout(input, p, train, False, **how)

    def in_place(input, p, train):
        return _dropout(input, p, train, True, **how)

    composite(f"{name}(Tensor input, float p, bool train)", method=False)(out_of_place)
    composite(f"{name}_(Tensor input, float p, bool train)", method=False)(in_place)


_aten("dropout")
_aten("feature_dropout", feature=True)
_aten("alpha_dropout", alpha=True)
_aten("feature_alpha_dropout", alpha=True, feature=True)
