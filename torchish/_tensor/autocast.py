"""Mixed precision: which functions cast their arguments inside `torch.autocast`, and how the casts get into their calls.

PyTorch's lists go by the names of its C++ operations; they are given here by the names of functions, with those functions
added that PyTorch composes of listed ones (`einsum` ends in `bmm`). A function is diverted the first time that a region is
entered, so a program that never uses autocast does not pay for it.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

from torchish import _dtypes as dt
from torchish._tensor import dispatch
from torchish._tensor.size import device_of
from torchish._tensor.tensor import Tensor
from torchish.autograd.grad_mode import STATE as GRAD_MODE
from torchish.engine.expr import CPU

# What happens to float tensors, float64 aside, that are arguments of a function.
LOWER = "lower"  # cast to the region's dtype
FLOAT32 = "float32"  # cast to float32
SUMMED = "summed"  # cast to float32, unless the call names a dtype itself
WIDEST = "widest"  # cast to float32 when one of them is float32, else to the region's dtype
RECURRENT = "recurrent"  # cast to the region's dtype; the results get the dtype of the state given
NARROWED = "narrowed"  # computed as it is, its result cast to the region's dtype
BANNED = "banned"

DEFAULT_DTYPES = {
    "cpu": dt.bfloat16, "cuda": dt.float16, "ipu": dt.float16, "xpu": dt.float16, "maia": dt.bfloat16, "xla": dt.bfloat16,
    "mps": dt.float16, "hpu": dt.bfloat16, "mtia": dt.float16, "privateuseone": dt.float16,
}  # fmt: skip

_PRODUCTS = (
    "addbmm addmm baddbmm bmm chain_matmul conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d "
    "linalg_multi_dot linalg_vecdot linear matmul mm prelu scaled_dot_product_attention linalg_matmul linalg_matrix_exp "
    "matrix_exp lstm rnn_tanh rnn_relu rnn_tanh_cell rnn_relu_cell"
)
_CPU_FLOAT32 = (
    "adaptive_avg_pool3d adaptive_max_pool3d adaptive_max_pool3d_with_indices avg_pool3d binary_cross_entropy "
    "binary_cross_entropy_with_logits cdist cholesky cholesky_inverse cholesky_solve cosine_embedding_loss cross_entropy ctc_loss "
    "fft_fft fft_fft2 fft_fftn fft_hfft fft_ifft fft_ifft2 fft_ifftn fft_ihfft fft_irfft fft_irfft2 fft_irfftn fft_rfft fft_rfft2 "
    "fft_rfftn fractional_max_pool2d fractional_max_pool3d fractional_max_pool2d_with_indices fractional_max_pool3d_with_indices "
    "geqrf grid_sample grid_sampler grid_sampler_2d grid_sampler_3d hinge_embedding_loss huber_loss inverse kl_div l1_loss "
    "linalg_cholesky linalg_cholesky_ex linalg_cond linalg_eig linalg_eigh linalg_eigvals linalg_eigvalsh "
    "linalg_householder_product linalg_inv linalg_inv_ex linalg_lstsq linalg_matrix_rank linalg_qr linalg_solve linalg_svd "
    "linalg_svdvals linalg_tensorinv linalg_tensorsolve linalg_solve_ex linear_cross_entropy lobpcg lu "
    "lu_solve margin_ranking_loss max_unpool1d max_unpool2d max_unpool3d mse_loss multi_margin_loss "
    "multilabel_margin_loss nanquantile nll_loss orgqr ormqr pca_lowrank pinverse poisson_nll_loss polar prod qr "
    "quantile reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d replication_pad3d smooth_l1_loss "
    "soft_margin_loss stft svd svd_lowrank trace triangular_solve triplet_margin_loss view_as_complex"
)
_CUDA_FLOAT32 = (
    "acos arccos asin arcsin binary_cross_entropy_with_logits cdist cosh cosine_embedding_loss cosine_similarity cross_entropy dist "
    "erfinv special_erfinv exp expm1 special_expm1 frobenius_norm group_norm hinge_embedding_loss huber_loss interpolate kl_div "
    "l1_loss layer_norm log log10 log1p special_log1p log2 logsumexp special_logsumexp margin_ranking_loss mse_loss "
    "multi_margin_loss multilabel_margin_loss native_layer_norm nll_loss norm nuclear_norm pdist poisson_nll_loss pow reciprocal "
    "renorm rms_norm rsqrt sinh smooth_l1_loss soft_margin_loss softplus tan triplet_margin_loss"
)
_PADDED = {"reflect": (3, 4), "replicate": (3, 4, 5)}  # by mode, for how many padded dimensions' worth of input


def _pad(args: tuple, kwargs: dict) -> str | None:
    mode = kwargs.get("mode", args[2] if len(args) > 2 else "constant")
    pads = kwargs.get("pad", args[1] if len(args) > 1 else ())
    return FLOAT32 if len(pads) // 2 + 2 in _PADDED.get(mode, ()) else None


def _einsum(args: tuple, kwargs: dict) -> str | None:
    return LOWER if sum(1 for _ in _tensors(args)) > 1 else None


def _inner(args: tuple, kwargs: dict) -> str | None:
    return LOWER if all(t._aval.ndim for t in _tensors((args, tuple(kwargs.values())))) else None


def _matrix_power(args: tuple, kwargs: dict) -> str | None:
    n = kwargs.get("n", args[-1])
    return LOWER if n > 1 else FLOAT32 if n == -1 else NARROWED if n < -1 else None


def _max_pool3d(args: tuple, kwargs: dict) -> str | None:
    indices = kwargs.get("return_indices", args[6] if len(args) > 6 else False)
    return None if indices is True else FLOAT32


# By device type: what each function does with its arguments.
RULES: dict[str, dict[str, Any]] = {
    "cpu": {
        **dict.fromkeys(_PRODUCTS.split(), LOWER),
        **dict.fromkeys(_CPU_FLOAT32.split(), FLOAT32),
        **dict.fromkeys(("tensordot", "cov", "corrcoef"), LOWER),
        **dict.fromkeys(("cat", "concat", "concatenate", "stack", "index_copy"), WIDEST),
        **dict.fromkeys(("gru", "gru_cell", "lstm_cell"), RECURRENT),
        "linalg_pinv": NARROWED,
        "pad": _pad,
        "einsum": _einsum,
        "inner": _inner,
        "linalg_matrix_power": _matrix_power,
        "matrix_power": _matrix_power,
        "max_pool3d": _max_pool3d,
    },
    "cuda": {
        **dict.fromkeys(_PRODUCTS.split(), LOWER),
        **dict.fromkeys(("addmv", "addr", "mv", "gru", "gru_cell", "lstm_cell"), LOWER),
        **dict.fromkeys(_CUDA_FLOAT32.split(), FLOAT32),
        **dict.fromkeys(
            ("cumprod", "cumsum", "linalg_matrix_norm", "linalg_vector_norm", "log_softmax", "prod", "softmax", "sum"), SUMMED
        ),
        **dict.fromkeys(
            ("addcdiv", "addcmul", "atan2", "arctan2", "bilinear", "cross", "dot", "grid_sample", "grid_sampler", "index_put",
             "scatter_add", "tensordot", "vdot"), WIDEST,
        ),
        "binary_cross_entropy": BANNED,
        "einsum": LOWER,
    },
}  # fmt: skip
NAMES = frozenset(RULES["cpu"]) | frozenset(RULES["cuda"])


class _State(threading.local):
    """What autocast does in this thread."""

    def __init__(self) -> None:
        self.enabled: dict[str, bool] = {}
        self.on: tuple[str, ...] = ()  # the device types with autocast on and lists of their own
        self.dtypes: dict[str, dt.dtype] = dict(DEFAULT_DTYPES)
        self.cache_enabled = True
        self.nesting = 0
        self.inside = False  # in the call of a listed function: those that it calls take what they get


STATE = _State()
# Casts of parameters, so that each is cast once in a region: by tensor and dtype, with the tensor kept so that its id is.
_cache: dict[tuple[int, dt.dtype, bool], tuple[Tensor, Tensor]] = {}
clear_cache = _cache.clear


def set_enabled(device_type: str, enabled: bool) -> None:
    """Switch autocast on or off for a device type, in this thread."""
    STATE.enabled[device_type] = enabled
    STATE.on = tuple(d for d in RULES if STATE.enabled.get(d))
    if enabled and not _installed:
        _install()


def _device_type(t: Tensor) -> str:
    device = t._aval.device
    return "cpu" if device == CPU else device_of(device).type


def _tensors(values: Any) -> Iterator[Tensor]:
    for x in values:
        if isinstance(x, Tensor):
            yield x
        elif isinstance(x, (tuple, list)):
            yield from _tensors(x)


def _eligible(t: Tensor, device_type: str) -> bool:
    a = t._aval
    return a.category == 2 and a.torch_dtype is not dt.float64 and _device_type(t) == device_type


def _cast(x: Any, device_type: str, to: dt.dtype) -> Any:
    """The argument with its eligible tensors in another dtype."""
    if isinstance(x, Tensor):
        if not _eligible(x, device_type) or x._aval.torch_dtype is to:
            return x
        lowered = to is STATE.dtypes[device_type] and x._aval.torch_dtype is dt.float32
        if not (lowered and STATE.cache_enabled and x._requires_grad and x._grad_fn is None and x._base is None):
            return x.to(to)
        key = id(x), to, GRAD_MODE.enabled
        known = _cache.get(key)
        if known is None:
            known = _cache[key] = x, x.to(to)
        return known[1]
    if type(x) in (tuple, list):
        return type(x)([_cast(v, device_type, to) for v in x])
    return x


def _widest(tensors: Iterator[Tensor], device_type: str) -> dt.dtype:
    """float32 if one of the tensors is, else the dtype of the region; RuntimeError for any other."""
    lower = widest = STATE.dtypes[device_type]
    for t in tensors:
        if _eligible(t, device_type):
            d = t._aval.torch_dtype
            if d is dt.float32:
                widest = d
            elif d is not lower and widest is not dt.float32:
                raise RuntimeError("Unexpected floating ScalarType in at::autocast::prioritize")
    return widest


_BCE = (
    "torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast.\n"
    "Many models use a sigmoid layer right before the binary cross entropy layer.\n"
    "In this case, combine the two layers using torch.nn.functional.binary_cross_entropy_with_logits\n"
    "or torch.nn.BCEWithLogitsLoss.  binary_cross_entropy_with_logits and BCEWithLogits are\n"
    "safe to autocast."
)


def call(name: str, f: Callable, args: tuple, kwargs: dict) -> Any:
    """Call the listed function `f` as autocast says."""
    if not STATE.on or STATE.inside or kwargs.get("out") is not None:
        return f(*args, **kwargs)
    present = {_device_type(t) for t in _tensors((args, tuple(kwargs.values())))}
    device_type = next((d for d in reversed(STATE.on) if d in present), None)
    rule = RULES[device_type].get(name) if device_type is not None else None
    if callable(rule):
        rule = rule(args, kwargs)
    if rule is SUMMED and any(isinstance(x, dt.dtype) for x in (*args, *kwargs.values())):
        rule = None
    if rule is None:
        return f(*args, **kwargs)
    assert device_type is not None
    if rule is BANNED:
        raise RuntimeError(_BCE)
    to = STATE.dtypes[device_type]
    if rule is NARROWED:
        return _cast(_inside(f, args, kwargs), device_type, to)
    if rule is RECURRENT:
        state = next(_tensors(args[1:2]), args[0])._aval.torch_dtype
        done = _inside(f, _cast(args, device_type, to), kwargs)
        return _cast(done, device_type, state)
    if rule is WIDEST:
        to = _widest(_tensors((args, tuple(kwargs.values()))), device_type)
    elif rule is not LOWER:
        to = dt.float32
    return _inside(f, _cast(args, device_type, to), {k: _cast(v, device_type, to) for k, v in kwargs.items()})


def _inside(f: Callable, args: tuple, kwargs: dict) -> Any:
    STATE.inside = True
    try:
        return f(*args, **kwargs)
    finally:
        STATE.inside = False


# --- the way into the calls --------------------------------------------------------------------------------

_installed: list[bool] = []


class _Plans:
    """Stands in for the plans of one diverted function: whatever the arguments' types, autocast has a look first."""

    __slots__ = ("plan",)

    def __init__(self, name: str, direct: Callable):
        self.plan = lambda args, kwargs: call(name, direct, args, kwargs)

    def get(self, key: tuple) -> Callable:
        return self.plan


def _install() -> None:
    """Divert the listed functions: those made so far, and those to come."""
    from torchish._tensor import operators

    _installed.append(True)
    for name in NAMES:
        dispatch.DIVERTED[name] = _Plans
        for divert in dispatch.DIVERTS.get(name, ()):
            divert(name, _Plans)
    operators.use_power()


def listed(name: str, f: Callable) -> Callable:
    """`f`, an ordinary function called `name`, with a look at autocast if it is on one of the lists."""
    if name not in NAMES:
        return f

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if _installed:
            return call(name, f, args, kwargs)
        return f(*args, **kwargs)

    return wrapped
