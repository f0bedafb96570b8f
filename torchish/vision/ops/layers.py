"""Layers that several models share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torchish as torch
from torchish import nn


class FrozenBatchNorm2d(nn.Module):
    """Batch normalization (N, C, H, W) by fixed statistics and factors, none of which are trained."""

    def __init__(self, num_features: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", torch.ones(num_features))
        self.register_buffer("bias", torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any, **kwargs: Any) -> None:
        state_dict.pop(prefix + "num_batches_tracked", None)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def forward(self, x: Any) -> Any:
        w, b, mean, var = (v.reshape(1, -1, 1, 1) for v in (self.weight, self.bias, self.running_mean, self.running_var))
        scale = w * (var + self.eps).rsqrt()
        return x * scale + (b - mean * scale)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.weight.shape[0]}, eps={self.eps})"


class ConvNormActivation(nn.Sequential):
    """A convolution, its normalization and its activation; either may be None."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any = 3,
        stride: Any = 1,
        padding: Any = None,
        groups: int = 1,
        norm_layer: Callable[..., nn.Module] | None = nn.BatchNorm2d,
        activation_layer: Callable[..., nn.Module] | None = nn.ReLU,
        dilation: Any = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
        conv_layer: Callable[..., nn.Module] = nn.Conv2d,
    ):
        if padding is None:
            if isinstance(kernel_size, int) and isinstance(dilation, int):
                padding = (kernel_size - 1) // 2 * dilation
            else:
                dims = len(kernel_size) if isinstance(kernel_size, Sequence) else len(dilation)
                sizes = kernel_size if isinstance(kernel_size, Sequence) else (kernel_size,) * dims
                steps = dilation if isinstance(dilation, Sequence) else (dilation,) * dims
                padding = tuple((k - 1) // 2 * d for k, d in zip(sizes, steps, strict=True))
        bias = norm_layer is None if bias is None else bias
        layers = [conv_layer(in_channels, out_channels, kernel_size, stride, padding, dilation=dilation, groups=groups, bias=bias)]
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(activation_layer(**({} if inplace is None else {"inplace": inplace})))
        super().__init__(*layers)
        self.out_channels = out_channels


class Conv2dNormActivation(ConvNormActivation):
    """ConvNormActivation of images."""


class Conv3dNormActivation(ConvNormActivation):
    """ConvNormActivation of volumes."""

    def __init__(self, *args: Any, norm_layer: Callable[..., nn.Module] | None = nn.BatchNorm3d, **kwargs: Any):
        how: dict[str, Any] = {**kwargs, "norm_layer": norm_layer, "conv_layer": nn.Conv3d}
        super().__init__(*args, **how)


class SqueezeExcitation(nn.Module):
    """Each channel scaled by what the means of all channels say of it (arXiv 1709.01507)."""

    def __init__(
        self,
        input_channels: int,
        squeeze_channels: int,
        activation: Callable[..., nn.Module] = nn.ReLU,
        scale_activation: Callable[..., nn.Module] = nn.Sigmoid,
    ):
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation, self.scale_activation = activation(), scale_activation()

    def forward(self, input: Any) -> Any:
        return self.scale_activation(self.fc2(self.activation(self.fc1(self.avgpool(input))))) * input


class MLP(nn.Sequential):
    """Linear layers, each but the last with normalization, activation and dropout; dropout after the last."""

    def __init__(
        self,
        in_channels: int,
        hidden_channels: list[int],
        norm_layer: Callable[..., nn.Module] | None = None,
        activation_layer: Callable[..., nn.Module] | None = nn.ReLU,
        inplace: bool | None = None,
        bias: bool = True,
        dropout: float = 0.0,
    ):
        how: dict = {} if inplace is None else {"inplace": inplace}
        layers: list[nn.Module] = []
        before = in_channels
        for channels in hidden_channels[:-1]:
            layers.append(nn.Linear(before, channels, bias=bias))
            layers += [norm_layer(channels)] if norm_layer is not None else []
            layers += [activation_layer(**how)] if activation_layer is not None else []
            layers.append(nn.Dropout(dropout, **how))
            before = channels
        super().__init__(*layers, nn.Linear(before, hidden_channels[-1], bias=bias), nn.Dropout(dropout, **how))


class Permute(nn.Module):
    """`torch.permute` as a layer."""

    def __init__(self, dims: list[int]):
        super().__init__()
        self.dims = dims

    def forward(self, x: Any) -> Any:
        return torch.permute(x, self.dims)


def stochastic_depth(input: Any, p: float, mode: str, training: bool = True) -> Any:
    """The input zeroed with probability `p`, all of it ("batch") or each row ("row"), and scaled to keep its mean."""
    if p < 0.0 or p > 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}")
    if mode not in ("batch", "row"):
        raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode}")
    if not training or p == 0.0:
        return input
    rows = input.shape[0] if mode == "row" else 1
    shape = [rows] + [1] * (input.ndim - 1)
    noise = torch.empty(shape, dtype=input.dtype, device=input.device).bernoulli_(1.0 - p)
    return input * (noise.div_(1.0 - p) if p < 1.0 else noise)


class StochasticDepth(nn.Module):
    """`stochastic_depth` as a layer (arXiv 1603.09382)."""

    def __init__(self, p: float, mode: str):
        super().__init__()
        self.p, self.mode = p, mode

    def forward(self, input: Any) -> Any:
        return stochastic_depth(input, self.p, self.mode, self.training)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, mode={self.mode})"
