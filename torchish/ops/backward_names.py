"""What PyTorch calls the gradient function of a gradient: the last operation of its derivative formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_DIV, _EXPAND, _MASK, _MUL, _NEG, _SCATTER, _VIEW, _WHERE = (
    f"{name}Backward0" for name in ("Div", "Expand", "MaskedFill", "Mul", "Neg", "Scatter", "View", "Where")
)
_SUMMED = "SumBackward1"


def _reduced(inputs: tuple, results: tuple) -> str:
    """How the gradient of what was broadcast ends: a sum that keeps its dimensions, and a view without the new ones."""
    return _VIEW if len(inputs[0].shape) < len(results[0].shape) else _SUMMED


# By the name of the function that is differentiated. Of two names the second counts where the first input takes no gradient.
_LAST: dict[str, str | tuple[str, str] | Callable[[tuple, tuple], str]] = {
    **dict.fromkeys(map("{}Backward0".format, (
        "AsStrided", "ChannelShuffle", "CholeskySolve", "ConstantPadNd", "Flip", "IndexFill", "IndexPut", "LinalgCross", "MaskedFill",
        "Mm", "Neg", "Permute", "Roll", "Rot90", "T", "ToCopy", "Transpose", "Tril", "Triu", "View", "Where",
    )), ""),  # themselves
    **dict.fromkeys(map("{}Backward0".format, (
        "Atan", "Atanh", "Cumprod", "Frexp", "Hypot", "Log", "Log10", "Log2", "Logaddexp", "Logaddexp2", "Sqrt",
    )), _DIV),
    **dict.fromkeys(map("{}Backward0".format, (
        "Amax", "Amin", "Dist", "Dot", "LinalgVectorNorm", "Logsumexp", "NanToNum", "Nansum", "Prod", "Std", "Var", "Vdot",
    )), _MUL),
    **dict.fromkeys(map("{}Backward0".format, ("Kthvalue", "Max", "Min", "Mode", "Sort", "Topk")), _SCATTER),
    **dict.fromkeys(map("{}Backward0".format, (
        "Clamp", "ClampMax", "ClampMin", "Logit", "Nextafter", "Renorm", "Sinc",
    )), _WHERE),
    **dict.fromkeys(("ClampBackward1", "ClampMaxBackward1", "ClampMinBackward1"), _WHERE),
    **dict.fromkeys(map("{}Backward0".format, ("Fmax", "Fmin", "MaskedScatter", "SpecialXlog1Py", "Xlogy")), _MASK),
    **dict.fromkeys(map("{}Backward0".format, ("LinalgEigh", "LinalgLuFactorEx", "LinalgSvd")), "MmBackward0"),
    **dict.fromkeys(map("{}Backward0".format, ("LinalgHouseholderProduct", "Ormqr")), "TrilBackward0"),
    **dict.fromkeys(("CholeskyBackward0", "LinalgCholeskyExBackward0"), "LinalgSolveTriangularBackward0"),
    **dict.fromkeys(("ComplexBackward0", "PolarBackward0"), "SelectBackward0"),
    **dict.fromkeys(("CummaxBackward0", "CumminBackward0"), "ScatterAddBackward0"),
    **dict.fromkeys(("Deg2RadBackward0", "MulBackward1", "Rad2DegBackward0"), "MulBackward1"),
    **dict.fromkeys(("MaxUnpool2DBackward0", "MaxUnpool3DBackward0"), _VIEW),
    **dict.fromkeys(("MaxBackward1", "MedianBackward0", "MinBackward1"), "MaskedFillBackward1"),
    **dict.fromkeys(("MaximumBackward0", "MinimumBackward0"), _MASK),
    **dict.fromkeys(("MeanBackward0", "MeanBackward1", "BinaryCrossEntropyWithLogitsBackward0"), "DivBackward1"),
    **dict.fromkeys(("SqueezeBackward0", "SqueezeBackward1", "SqueezeBackward2"), "UnsqueezeBackward0"),
    **dict.fromkeys(("SumBackward0", "SumBackward1"), _EXPAND),
    **dict.fromkeys(("BmmBackward0", "BaddbmmBackward0"), "BmmBackward0"),
    **dict.fromkeys(("TraceBackward0", "UnsafeViewBackward0"), _VIEW),
    "AddmmBackward0": "MmBackward0",
    **dict.fromkeys(("BlockDiagBackward0", "CatBackward0", "LinalgMatrixExpBackward0"), "SliceBackward0"),
    "AsStridedScatterBackward0": "AsStridedBackward0",
    "CholeskyInverseBackward0": _NEG,
    "CeluBackward0": "EluBackwardBackward0",
    "CumsumBackward0": "FlipBackward0",
    "DivBackward0": (_DIV, _MUL),
    "EmbeddingBackward0": "EmbeddingDenseBackwardBackward0",
    "Exp2Backward0": "MulBackward1",
    "ExpandBackward0": _reduced,
    "GatherBackward0": "ScatterAddBackward0",
    "HardsigmoidBackward0": "NotImplemented",
    "Im2ColBackward0": "Col2ImBackward0",
    "IndexCopyBackward0": "IndexFillBackward0",
    "IndexBackward0": "IndexPutImplBackward0",
    "IndexSelectBackward0": "IndexAddBackward0",
    "LerpBackward0": "MulBackward1",
    "LinalgDetBackward0": "LinalgSolveExBackward0",
    "LinalgInvExBackward0": _NEG,
    "LinalgSolveExBackward0": (_NEG, "LinalgSolveExBackward0"),
    "MaskedSelectBackward0": "MaskedScatterBackward0",
    "Log1PBackward0": _DIV,
    "LogSoftmaxBackward0": "LogSoftmaxBackwardDataBackward0",
    "LogcumsumexpBackward0": "SubBackward0",
    "MedianBackward1": _SCATTER,
    "NanmedianBackward0": "MaskedFillBackward1",
    "NanmedianBackward1": _SCATTER,
    "PixelShuffleBackward0": "PixelUnshuffleBackward0",
    "PixelUnshuffleBackward0": "PixelShuffleBackward0",
    "MvBackward0": (_MUL, "MvBackward0"),
    "PowBackward1": (_WHERE, _MUL),
    "ProdBackward1": _MUL,
    "ReluBackward0": "ThresholdBackwardBackward0",
    "RepeatBackward0": _SUMMED,
    "RsubBackward0": (_NEG, _MUL),
    "RsubBackward1": _NEG,
    "ScatterAddBackward0": ("ScatterAddBackward0", "GatherBackward0"),
    "ScatterBackward0": "ScatterBackward1",
    "ScatterBackward1": "ScatterBackward1",
    "SoftmaxBackward0": "SoftmaxBackwardDataBackward0",
    "StackBackward0": "SelectBackward0",
    "SubBackward0": (_MUL, _NEG),
    "TakeBackward0": "PutBackward0",
    "UnbindBackward0": "StackBackward0",
    "UnsqueezeBackward0": "SqueezeBackward1",
    "ViewAsComplexBackward0": "ViewAsRealBackward0",
}  # fmt: skip

# Pointwise functions whose gradient is one function of PyTorch's, not a product.
_WHOLE = frozenset(map("{}Backward0".format, (
    "Elu", "Gelu", "Hardshrink", "Hardswish", "Hardtanh", "LeakyRelu", "LogSigmoid", "PreluKernel", "Sigmoid", "Softplus", "Softshrink",
    "Tanh", "Threshold",
)))  # fmt: skip


def backward_name(name: str, pointwise: bool, needs: tuple[bool, ...], inputs: tuple[Any, ...], results: tuple[Any, ...]) -> str:
    """The name for the gradient of the function `name`, given which inputs take one and the avals on both sides."""
    first = needs.index(True)
    if pointwise and inputs[first].shape != results[0].shape:
        return _reduced(inputs[first:], results)
    last = _LAST.get(name)
    if last is None:
        return _MUL if pointwise and name not in _WHOLE else name.replace("Backward", "BackwardBackward")
    if isinstance(last, tuple):
        return last[first > 0]
    return last(inputs, results) if callable(last) else last or name
