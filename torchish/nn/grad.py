"""Gradients of convolutions, given the sizes that a gradient itself does not tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torchish as torch
from torchish.nn import functional


def _gradient(rank: int, wanted: int) -> Callable:
    convolution = getattr(functional, f"conv{rank}d")

    def pulled_back(tensors: list, grad_output: Any, *settings: Any) -> Any:
        recorded = torch.is_grad_enabled() and any(t.requires_grad for t in (*tensors, grad_output))
        inputs = [t.detach().requires_grad_() if i == wanted else t for i, t in enumerate(tensors)]
        with torch.enable_grad():
            output = convolution(*inputs, None, *settings)
        return torch.autograd.grad(output, inputs[wanted], grad_output, create_graph=recorded)[0]

    if wanted == 0:

        def conv_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1):
            like = grad_output.new_zeros(1).expand(input_size)
            return pulled_back([like, weight], grad_output, stride, padding, dilation, groups)

        return conv_input

    def conv_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1):
        like = grad_output.new_zeros(1).expand(weight_size)
        return pulled_back([input, like], grad_output, stride, padding, dilation, groups)

    return conv_weight


def _named(rank: int, wanted: int, part: str) -> Callable:
    f = _gradient(rank, wanted)
    f.__name__ = f.__qualname__ = f"conv{rank}d_{part}"
    f.__doc__ = f"The gradient of conv{rank}d with respect to its {part}, of the size given."
    return f


conv1d_input, conv2d_input, conv3d_input = (_named(n, 0, "input") for n in (1, 2, 3))
conv1d_weight, conv2d_weight, conv3d_weight = (_named(n, 1, "weight") for n in (1, 2, 3))
