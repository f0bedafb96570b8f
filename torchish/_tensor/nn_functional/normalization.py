"""Normalization functions: PyTorch's Python forms over `torchish.ops.norm`."""

from __future__ import annotations

import torchish as torch
from torchish import _dtypes as dt
from torchish._tensor.dispatch import composite
from torchish._tensor.nn_functional._call import ap, require, require_float, scalar_type, tensor_arg
from torchish._tensor.tensor import Tensor
from torchish.autograd.graph import GradFn, named
from torchish.engine.expr import emit_multi
from torchish.ops import norm as N


def _verify_batch_size(size) -> None:
    n = size[0]
    for s in size[2:]:
        n *= s
    if n == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {size}")


def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
    bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Normalize each channel of (N, C, ...); in training by the batch's statistics, which move the running ones."""
    if training:
        _verify_batch_size(input.size())
        if eps <= 0.0:
            raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    elif eps < 0.0:
        raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")
    if training and (running_mean is None) is not (running_var is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")
    if (training is not True and training is not False) or type(momentum) is not float or type(eps) is not float:
        require(_BATCH_NORM, input, weight, bias, running_mean, running_var, training, momentum, eps, False)
    return _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)


_BATCH_NORM = (
    "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, "
    "float eps, bool cudnn_enabled)"
)

_INSTANCE_NORM = _BATCH_NORM.replace("batch_norm", "instance_norm").replace("training", "use_input_stats")


def _check_dtypes(input: Tensor, *parameters: Tensor | None) -> None:
    """Parameters have the input's dtype, or all of them float32 beside an input of 16 bits: the first one tells which is meant."""
    kind = input._aval.torch_dtype
    given = [t for t in parameters if t is not None]
    if given and given[0]._aval.torch_dtype is not kind:
        if any(t._aval.torch_dtype is not torch.float32 for t in given):
            raise RuntimeError("mixed dtype (CPU): expect parameter to have scalar type of Float")
        if kind not in (torch.float16, torch.bfloat16):
            raise RuntimeError("mixed dtype (CPU): all inputs must share same datatype.")
        return
    for t in given:
        if t._aval.torch_dtype is not kind:
            raise RuntimeError(f"expected scalar type {scalar_type(input)} but found {scalar_type(t)}")


def _check_batch_norm(input, weight, bias, running_mean, running_var, training):
    a = input._aval
    if a.ndim == 1 and a.size:
        raise IndexError("Dimension out of range (expected to be in range of [-1, 0], but got 1)")
    channels = a.shape[1] if a.ndim > 1 else 0
    if not training:
        for name, t in (("running_mean", running_mean), ("running_var", running_var)):
            if t is None:
                raise RuntimeError(f"{name} must be defined in evaluation mode")
    named = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for name, t in named.items():
        if t is not None and not isinstance(t, Tensor):
            require(_BATCH_NORM, input, weight, bias, running_mean, running_var, training, 0.1, 1e-5, False)
        if t is not None and t._aval.size != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {t._aval.size}")
    require_float(input, "batch_norm")
    _check_dtypes(input, weight, bias, running_mean, running_var)


def _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps):
    tensor_arg("batch_norm", "input", 1, input)
    _check_batch_norm(input, weight, bias, running_mean, running_var, training)
    if not input._aval.size:
        # PyTorch's result for nothing to normalize keeps the history of all three
        out = input * weight[0] if weight is not None else input.clone()
        return out + bias[0] if bias is not None else out
    if not training:
        return ap(N.batch_norm_eval, (float(eps),), input, weight, bias, running_mean, running_var)
    out, mean, var = ap(N.batch_norm_train, (float(eps),), input, weight, bias)
    if running_mean is not None and running_var is not None:
        shape = input._aval.shape
        count = input._aval.size // shape[1] if shape[1] else 0
        spec = N.running_stats.spec(("T", "T", "T", "T", "f"), (count,))
        old = (running_mean._read(), running_var._read(), mean._read(), var._read(), float(momentum))
        new_mean, new_var = emit_multi(spec, old)
        # (PyTorch's kernel does not count this as an in-place change either)
        running_mean._write(new_mean)
        running_var._write(new_var)
    return out


@composite(
    "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, "
    "float momentum, float eps, bool cudnn_enabled)",
    method=False,
)
def batch_norm_aten(input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled):
    """torch.batch_norm: the form that nn.functional.batch_norm ends in."""
    return _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)


def instance_norm(
    input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None, weight: Tensor | None = None,
    bias: Tensor | None = None, use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Normalize each channel of each sample of (N, C, ...)."""
    if use_input_stats:
        size, n = input.size(), 1
        for s in size[2:]:
            n *= s
        if n == 1:
            raise ValueError(f"Expected more than 1 spatial element when training, got input size {size}")
    return _instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps)


def _instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps):
    require(_INSTANCE_NORM, input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, False)
    if (running_mean is None) is not (running_var is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")
    if not use_input_stats and (running_mean is None or running_var is None):
        raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
    shape = input._aval.shape
    b, c = shape[0], shape[1]

    def repeated(t):
        return None if t is None else t.repeat(b)

    flat = input.contiguous().view(1, b * c, *shape[2:])
    mean, var = repeated(running_mean), repeated(running_var)
    out = _batch_norm(flat, repeated(weight), repeated(bias), mean, var, use_input_stats, momentum, eps)
    if use_input_stats:
        with torch.no_grad():
            for running, new in ((running_mean, mean), (running_var, var)):
                if running is not None:
                    running.copy_(new.view(b, c).mean(0))
    return out.view(shape)


@composite(
    "instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, "
    "bool use_input_stats, float momentum, float eps, bool cudnn_enabled)",
    method=False,
)
def instance_norm_aten(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enabled):
    """torch.instance_norm: the form that nn.functional.instance_norm ends in."""
    return _instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps)


def _check_normalized(input, shape, weight, bias, star):
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
            f"normalized_shape = {list(shape)}"
        )
    for name, t in (("weight", weight), ("bias", bias)):
        if t is not None and t._aval.shape != shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape {list(t.shape)} and "
                f"normalized_shape = {list(shape)}"
            )
    a = input._aval
    if a.ndim < len(shape) or a.shape[a.ndim - len(shape) :] != shape:
        inner = "".join(f", {s}" for s in shape) if star == ", " else ", ".join(str(s) for s in shape)
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*{inner}], but got input of size{list(a.shape)}"
        )


_LAYER_NORM = "layer_norm(Tensor input, int[!] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05)"


def layer_norm(input: Tensor, normalized_shape, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """Normalize over the last dimensions, whose sizes are `normalized_shape`."""
    require(_LAYER_NORM, input, normalized_shape, weight, bias, eps)
    shape = tuple(normalized_shape)
    _check_normalized(input, shape, weight, bias, ", ")
    _check_dtypes(input, weight, bias)
    require_float(input, "LayerNormKernelImpl")
    return ap(N.layer_norm, (len(shape), float(eps)), input, weight, bias)


composite(
    "layer_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enable=True)",
    method=False,
)(lambda input, normalized_shape, weight, bias, eps, cudnn_enable: layer_norm(input, normalized_shape, weight, bias, eps))


def rms_norm(input: Tensor, normalized_shape, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """Divide by the root mean square over the last dimensions, whose sizes are `normalized_shape`."""
    require("rms_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None)", input, normalized_shape, weight, eps)
    if isinstance(normalized_shape, int):
        raise TypeError("rms_norm(): argument 'normalized_shape' (position 2) must be tuple of ints, not int")
    shape = tuple(normalized_shape)
    if input._aval.ndim < len(shape):
        raise ValueError(f"Input tensor must have at least {len(shape)} dimensions, but got {input._aval.ndim}")
    _check_normalized(input, shape, weight, None, "")
    require_float(input, "rms_norm", complex_too=True)
    if eps is None:
        kind = input.dtype if input.dtype.itemsize > 2 else torch.float32
        eps = torch.finfo(kind if not kind.is_complex else kind.to_real()).eps
    out = ap(N.rms_norm, (len(shape), float(eps)), input, weight)
    return out if out._aval.dtype is input._aval.dtype else out.to(input.dtype)


composite("rms_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None)", method=False)(rms_norm)


def group_norm(input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """Normalize each of `num_groups` groups of channels of each sample of (N, C, ...)."""
    if input.dim() < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.dim()}")
    shape = input.size()
    _verify_batch_size([shape[0] * shape[1] // num_groups, num_groups, *shape[2:]])
    require("group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05)",
            input, num_groups, weight, bias, eps)  # fmt: skip
    return _group_norm(input, num_groups, weight, bias, eps)


def _group_norm(input, num_groups, weight, bias, eps):
    shape = input._aval.shape
    if num_groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    if shape[1] % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(shape)} and "
            f"num_groups={num_groups}"
        )
    for name, t in (("weight", weight), ("bias", bias)):
        if t is not None and t._aval.shape != (shape[1],):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of shape "
                f"{list(t.shape if weight is None else weight.shape)} and input of shape {list(shape)}"  # (PyTorch shows the weight's)
            )
    _check_dtypes(input, weight, bias)
    require_float(input, "GroupNormKernelImpl")
    return ap(N.group_norm, (num_groups, float(eps)), input, weight, bias)


composite(
    "group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enabled=True)",
    method=False,
)(lambda input, num_groups, weight, bias, eps, cudnn_enabled: _group_norm(input, num_groups, weight, bias, eps))


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Divide by (k + alpha * mean square over `size` neighbouring channels) ** beta."""
    from torchish._tensor.nn_functional.pooling import avg_pool2d, avg_pool3d

    shape = input.size()
    if len(shape) < 3:
        raise ValueError(f"Expected 3D or higher dimensionality                          input (got {len(shape)} dimensions)")
    if not input.numel():
        return input
    square = input.mul(input)
    edges = (size // 2, (size - 1) // 2)
    pad = torch.nn.functional.pad
    if len(shape) == 3:
        mean = avg_pool2d(pad(square.unsqueeze(1), (0, 0, *edges)), (size, 1), 1, 0, False, True, None).squeeze(1)
    else:
        square = square.view(shape[0], 1, shape[1], shape[2], -1)
        padded = pad(square, (0, 0, 0, 0, *edges))
        mean = avg_pool3d(padded, (size, 1, 1), 1, 0, False, True, None).squeeze(1).view(shape)
    return input / mean.mul(alpha).add(k).pow(beta)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None) -> Tensor:
    """Divide by the p-norm along a dimension, held at eps or more."""
    if not isinstance(p, str) and type(dim) is not int and isinstance(input, Tensor):
        require("linalg_vector_norm(Tensor input, scalar ord=2, int[]? dim=None, bool keepdim=False)", input, p, dim, True)
    norm = input.norm(p, dim, keepdim=True)
    if out is None:
        return input / norm.clamp_min(eps).expand_as(input)
    return torch.div(input, norm.clamp_min_(eps).expand_as(input), out=out)


@composite("cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08)", method=False,
           aliases=("nn.functional.cosine_similarity",))  # fmt: skip
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along a dimension, after broadcasting."""
    if x1._aval.shape != x2._aval.shape:
        x1, x2 = torch.broadcast_tensors(x1, x2)
    common = torch.promote_types(x1.dtype, x2.dtype)
    if not common.is_floating_point:
        raise RuntimeError("expected common dtype to be floating point, yet common dtype is " + dt.SCALAR_TYPE_NAMES[common])
    if eps < 0:
        raise RuntimeError(f"eps must be non-negative, got: {eps:g}")
    from torchish.ops.dims import wrap_dim

    return ap(N.cosine_similarity, (wrap_dim(dim, x1._aval.ndim), float(eps)), x1.to(common), x2.to(common))


@composite("pairwise_distance(Tensor x1, Tensor x2, float p=2, float eps=1e-06, bool keepdim=False)", method=False,
           aliases=("nn.functional.pairwise_distance",))  # fmt: skip
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last dimension."""
    dims = max(x1._aval.ndim, x2._aval.ndim)
    made = torch.norm(x1 - x2 + eps, p, dims - 1 if dims else 0, keepdim)
    if made._grad_fn is not None:
        made._grad_fn.__class__ = named("NormBackward1", GradFn)  # PyTorch calls the older kernel here
    return made
