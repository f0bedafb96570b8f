"""Activation functions: PyTorch's Python forms, with `inplace=`, over `torchish.ops.activation`."""

from __future__ import annotations

import sys
import warnings

import torchish as torch
from torchish._tensor import autocast, subclasses
from torchish._tensor.errors import plain_type_name
from torchish._tensor.indexing import fitting
from torchish._tensor.nn_functional._call import ap, ap_, into, number_arg, require, require_float, scalar_type, tensor_arg
from torchish._tensor.tensor import Tensor
from torchish.ops import activation as A
from torchish.ops.dims import wrap_dim
from torchish.ops.precision import REAL, require_kernel


def _apply(name, op, kernel, statics, input, inplace=False, complex_too=False):
    tensor_arg(name, "input", 1, input)
    if kernel is not None:
        require_float(input, kernel, complex_too=complex_too)
    return ap_(op, statics, input) if inplace else ap(op, statics, input)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(0, x)."""
    return torch.relu_(input) if inplace else torch.relu(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where positive, else negative_slope * x."""
    slope = number_arg("leaky_relu", "negative_slope", 2, negative_slope)
    return _apply("leaky_relu", A.leaky_relu, "leaky_relu_cpu", (slope,), input, inplace)


def _hardtanh(name, input, low, high, inplace):
    tensor_arg(name, "input", 1, input)
    low, high = number_arg(name, "min_val", 2, low), number_arg(name, "max_val", 3, high)
    a = input._aval
    if a.category == 0:
        raise RuntimeError("Bool inputs not supported for hardtanh")
    if a.category == 3:
        raise NotImplementedError("clamp is not supported for complex types")
    if a.category == 1:
        low, high = fitting(int(low), a.torch_dtype), fitting(int(high), a.torch_dtype)
        if a.dtype.kind == "u" and (low < 0 or high < 0):
            raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")
    else:
        low, high = float(low), float(high)
    return (ap_ if inplace else ap)(A.hardtanh, (low, high), input)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x held between min_val and max_val."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return _hardtanh("hardtanh", input, min_val, max_val, inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(0, x), 6)."""
    return _hardtanh("relu6", input, 0, 6, inplace)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, else alpha * (exp(x) - 1)."""
    return _apply("elu", A.elu, "elu_cpu", (number_arg("elu", "alpha", 2, alpha), 1.0, 1.0), input, inplace)


_SELU = (1.6732632423543772848170429916717, 1.0507009873554804934193349852946, 1.0)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """The self-normalizing ELU (Klambauer et al., 2017)."""
    return _apply("selu", A.elu, "elu_cpu", _SELU, input, inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """max(0, x) + min(0, alpha * (exp(x / alpha) - 1))."""
    alpha = number_arg("celu", "alpha", 2, alpha)
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _apply("celu", A.celu, "elu_cpu", (alpha,), input, inplace)


def gelu(input: Tensor, *, approximate: str = "none", out: Tensor | None = None) -> Tensor:
    """x * Phi(x), by erf or (approximate="tanh") by tanh."""
    if out is not None:
        return into("gelu", out, gelu, input, approximate=approximate)
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    return _apply("gelu", A.gelu, "GeluKernelImpl", (approximate,), input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x)."""
    return _apply("silu", A.silu, "silu_cpu", (), input, inplace, complex_too=True)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x))."""
    return _apply("mish", A.mish, "mish_cpu", (), input, inplace)


def softplus(input: Tensor, beta: float = 1, threshold: float = 20, *, out: Tensor | None = None) -> Tensor:
    """log(1 + exp(beta * x)) / beta; x itself where beta * x > threshold."""
    if out is not None:
        return into("softplus", out, softplus, input, beta, threshold)
    statics = number_arg("softplus", "beta", 2, beta), number_arg("softplus", "threshold", 3, threshold)
    return _apply("softplus", A.softplus, "softplus_cpu", statics, input)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return input / (input.abs() + 1)


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x)."""
    return input - input.tanh()


def softshrink(input: Tensor, lambd: float = 0.5, *, out: Tensor | None = None) -> Tensor:
    """x moved towards 0 by lambd."""
    if out is not None:
        return into("softshrink", out, softshrink, input, lambd)
    tensor_arg("softshrink", "input", 1, input)
    require_float(input, "softshrink_check")
    lambd = number_arg("softshrink", "lambd", 2, lambd)
    top = torch.finfo(input.dtype).max
    if not 0 <= lambd <= top:
        raise RuntimeError(f"lambda must be in range [0, {top:g}] for input dtype {scalar_type(input)}, but found {lambd:g}")
    return ap(A.softshrink, (lambd,), input)


def hardshrink(input: Tensor, lambd: float = 0.5, *, out: Tensor | None = None) -> Tensor:
    """x, or 0 where |x| <= lambd."""
    if out is not None:
        return into("hardshrink", out, hardshrink, input, lambd)
    return _apply("hardshrink", A.hardshrink, "hardshrink_cpu", (number_arg("hardshrink", "lambd", 2, lambd),), input)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """relu6(x + 3) / 6."""
    return _apply("hardsigmoid", A.hardsigmoid, "hardsigmoid_cpu", (), input, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * relu6(x + 3) / 6."""
    return _apply("hardswish", A.hardswish, "hardswish_cpu", (), input, inplace)


def _threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where it is above the threshold, else value."""
    tensor_arg("threshold", "input", 1, input)
    number = int if input._aval.category == 1 else float
    threshold, value = number_arg("threshold", "threshold", 2, threshold), number_arg("threshold", "value", 3, value)
    if input._aval.category in (0, 3):
        raise NotImplementedError(f"\"threshold_cpu\" not implemented for '{scalar_type(input)}'")
    return (ap_ if inplace else ap)(A.threshold, (number(threshold), number(value)), input)


threshold = _threshold


def logsigmoid(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log(sigmoid(x))."""
    if out is not None:
        return into("log_sigmoid_forward", out, logsigmoid, input)
    return _apply("log_sigmoid", A.log_sigmoid, "log_sigmoid_cpu", (), input)


logsigmoid.__name__ = logsigmoid.__qualname__ = "log_sigmoid"  # as PyTorch's built-in calls itself


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where positive, else weight * x; one weight, or one for each channel (dimension 1)."""
    tensor_arg("prelu", "input", 1, input)
    tensor_arg("prelu", "weight", 2, weight)
    if input._aval.dtype != weight._aval.dtype:
        raise RuntimeError(f"prelu: Type promoting not supported. Got {scalar_type(input)} and {scalar_type(weight)}")
    ndim, w = input._aval.ndim, weight._aval
    if w.size != 1:
        if not ndim:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input._aval.shape[1] if ndim > 1 else 1
        if channels != w.size:
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {w.size} and channel size = {channels}."
            )
    if w.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {w.ndim}")
    shape = [1] * ndim
    if ndim > 1:
        shape[1] = w.size
    if ndim:
        weight = torch.reshape(weight, shape) if w.shape != tuple(shape) else weight
    elif w.ndim:
        weight = torch.reshape(weight, ())
    require_float(input, "prelu_cpu")
    return ap(A.prelu, (), input, weight)


def rrelu(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False) -> Tensor:
    """Leaky ReLU whose slopes are drawn from [lower, upper) in training; else their mean."""
    tensor_arg("rrelu", "input", 1, input)
    lower, upper = number_arg("rrelu", "lower", 2, lower), number_arg("rrelu", "upper", 3, upper)
    if not isinstance(training, bool):
        raise TypeError(f"rrelu(): argument 'training' (position 4) must be bool, not {plain_type_name(training)}")
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training:
        require_float(input, "leaky_relu_cpu")
        return (ap_ if inplace else ap)(A.rrelu_eval, ((lower + upper) / 2,), input)
    require_kernel("rrelu_with_noise_out_cpu", input._aval, REAL - {"float16"})
    # PyTorch draws a slope, in double precision, for each element that needs one
    noise = torch.ones_like(input)
    low = input.detach() <= 0
    slopes = torch.empty(int(low.sum()), dtype=torch.float64, device=input.device).uniform_(float(lower), float(upper))
    noise[low] = slopes.to(input.dtype)
    return (ap_ if inplace else ap)(A.rrelu_with_noise, (), input, noise)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half of a dimension times the sigmoid of the second."""
    if not input.dim():
        raise RuntimeError("glu does not support scalars because halving size must be even")
    require("glu(Tensor input, int dim=-1)", input, dim)
    d = wrap_dim(dim, input._aval.ndim)
    if input._aval.shape[d] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {d} is size {input._aval.shape[d]}")
    require_float(input, "glu_cpu")
    return ap(A.glu, (d,), input)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A sample of the Gumbel-softmax distribution; `hard` gives one-hot values with the soft gradient."""
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    gumbels = -torch.empty_like(logits).exponential_().log()
    soft = ((logits + gumbels) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    return torch.zeros_like(logits).scatter_(dim, index, 1.0) - soft.detach() + soft


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return input.tanh()


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return input.sigmoid()


_LOOKS_FIRST = (autocast.__file__, subclasses.__file__)  # whose functions may lie between a function and who called it


def _softmax_dim(name: str, ndim: int, stacklevel: int) -> int:
    above = sys._getframe(1).f_back
    while above is not None and above.f_code.co_filename in _LOOKS_FIRST:
        stacklevel += 1
        above = above.f_back
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """exp(x) normalized to sum 1 along a dimension."""
    if dim is None:
        dim = _softmax_dim("softmax", input.dim(), _stacklevel)
    return input.softmax(dim) if dtype is None else input.softmax(dim, dtype=dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """softmax of -x."""
    if dim is None:
        dim = _softmax_dim("softmin", input.dim(), _stacklevel)
    return (-input).softmax(dim) if dtype is None else (-input).softmax(dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """The logarithm of softmax along a dimension."""
    if dim is None:
        dim = _softmax_dim("log_softmax", input.dim(), _stacklevel)
    return input.log_softmax(dim) if dtype is None else input.log_softmax(dim, dtype=dtype)


# --- in-place forms ----------------------------------------------------------------------------------------


def relu_(input: Tensor) -> Tensor:
    """In-place relu."""
    return torch.relu_(input)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place elu."""
    return elu(input, alpha, True)


def selu_(input: Tensor) -> Tensor:
    """In-place selu."""
    return selu(input, True)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place celu."""
    return celu(input, alpha, True)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """In-place leaky_relu."""
    return leaky_relu(input, negative_slope, True)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """In-place hardtanh."""
    return hardtanh(input, min_val, max_val, True)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """In-place threshold."""
    return _threshold(input, threshold, value, True)


def rrelu_(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """In-place rrelu."""
    return rrelu(input, lower, upper, training, True)
