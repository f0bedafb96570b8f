"""What is raised when a function that is being captured looks at a value, in PyTorch's words."""

from __future__ import annotations

import sys
import traceback
from types import FrameType

import torchish
from torchish._dynamo.exc import Unsupported

_PACKAGE = torchish.__path__[0] + "/"
_SITE = "https://meta-pytorch.github.io/compile-graph-break-site/gb/"
_FUNDAMENTAL = (
    "This graph break is fundamental - it is unlikely that Dynamo will ever be able to trace through your code. Consider finding a "
    "workaround."
)
# By the method that looks: the kind, an explanation, hints, the context, the number of PyTorch's page about it.
_ITEM = (
    "Unsupported Tensor.item() call with capture_scalar_outputs=False",
    "Dynamo does not support tracing `Tensor.item()` with config.capture_scalar_outputs=False.",
    (
        "Set `torch._dynamo.config.capture_scalar_outputs = True` or `export TORCHDYNAMO_CAPTURE_SCALAR_OUTPUTS=1` to include "
        "these operations in the captured graph.",
    ),
    "call_method TensorVariable() item () {}",
    "gb0124",
)
_BRANCH = (
    "Data-dependent branching",
    "Detected data-dependent branching (e.g. `if my_tensor.sum() > 0:`). Dynamo does not support tracing dynamic control flow.",
    (_FUNDAMENTAL, "Use `torch.cond` to express dynamic control flow."),
    "attempted to jump with TensorVariable()",
    "gb0170",
)
_LIST = (
    "Tensor.tolist() with non-integer tensor",
    "Dynamo currently does not support tracing `tolist()` on non-integer tensors.",
    ("Ensure the input tensor to `tolist()` is an integer type (e.g., int8, int16, int32, int64).",),
    "call_method TensorVariable() to_list",
    "gb0109",
)
_PRINT = (
    "Failed to trace builtin operator",
    "Dynamo does not know how to trace builtin operator `print` with argument types ['Tensor'] (has_kwargs False)",
    (
        "Avoid calling builtin `print` with argument types ['Tensor']. Consider using an equivalent alternative function/method to "
        "`print`.",
        "If you are attempting to call a logging function (e.g. `print`), you can try adding it to "
        "`torch._dynamo.config.reorderable_logging_functions`.",
        "Please report an issue to PyTorch.",
    ),
    "builtin print [<class 'torch._dynamo.variables.tensor.TensorVariable'>] False",
    "gb0059",
)
_NUMPY = (
    "Tensor.numpy() with trace_numpy=False",
    "`Tensor.numpy()` was called, but the `trace_numpy` configuration was manually disabled.",
    ("Set `torch._dynamo.config.trace_numpy = True` to allow Dynamo to trace through NumPy.",),
    "call_method TensorVariable() numpy",
    "gb0105",
)
_SHAPE = (
    "Dynamic shape operator",
    "Operator's output shape depends on input Tensor data.",
    ("Enable tracing of dynamic shape operators with `torch._dynamo.config.capture_dynamic_output_shape_ops = True`",),
    "an operator whose output shape depends on data",
    "gb0036",
)
_METHODS: dict[str, tuple[str, str, tuple[str, ...], str, str]] = {
    "__bool__": _BRANCH, "__contains__": _BRANCH, "tolist": _LIST, "__repr__": _PRINT, "__format__": _PRINT, "numpy": _NUMPY,
    "__array__": _NUMPY, "item": _ITEM, "__int__": _ITEM, "__float__": _ITEM, "__complex__": _ITEM, "__index__": _ITEM, "jax": _NUMPY,
}  # fmt: skip
_SHAPE_FILES = ("_tensor/indexing.py", "_tensor/scatter.py", "_tensor/join.py", "_tensor/search.py", "_tensor/sequences.py")
_AROUND_METHODS = "_tensor/builtin_methods.py"  # its frames are the methods' own


def looked_at() -> Unsupported | None:
    """The error for the look at a value that is going on; None when nothing that the user asks for is looked at."""
    frame: FrameType | None = sys._getframe(2)
    what: tuple[str, str, tuple[str, ...], str, str] | None = None
    asked = None
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        file = frame.f_code.co_filename.removeprefix(_PACKAGE)
        if file != _AROUND_METHODS:
            asked = _METHODS.get(frame.f_code.co_name)  # counts where the user's code calls it
        if what is None and file in _SHAPE_FILES:
            what = _SHAPE
        frame = frame.f_back
    what = asked or what
    config = torchish._dynamo.config
    if what is None or frame is None or (what is _SHAPE and config.capture_dynamic_output_shape_ops):
        return None
    if what in (_ITEM, _LIST, _NUMPY) and config.capture_scalar_outputs:
        return None
    return _error(what, frame)


def break_asked_for(msg: str) -> Unsupported | None:
    """The error for a `torch._dynamo.graph_break()` that is going on; None when nothing is being captured."""
    frame: FrameType | None = sys._getframe(2)
    names = []
    while frame is not None:
        names.append(frame.f_code.co_filename)
        frame = frame.f_back
    if not any(n.startswith(_PACKAGE + "_compile/") for n in names):
        return None
    what = (
        "Call to `torch._dynamo.graph_break()`",
        "User-inserted graph break. Message: None",  # PyTorch looks for one by keyword only
        ("Remove the `torch._dynamo.graph_break()` call.",),
        f"Called `torch._dynamo.graph_break()` with args `[{f'ConstantVariable(str: {msg!r})' if msg else ''}]`, kwargs `{{}}`",
        "gb0025",
    )
    return _error(what, sys._getframe(2))


def _error(what: tuple[str, str, tuple[str, ...], str, str], frame: FrameType | None) -> Unsupported:
    kind, explanation, hints, context, page = what
    lines = [kind, f"  Explanation: {explanation}", *(f"  Hint: {h}" for h in hints), "", f"  Developer debug context: {context}", ""]
    lines.append(f" For more details about this graph break, please visit: {_SITE}{page}.html")
    stack = traceback.StackSummary.extract(_user_frames(frame))
    text = "".join(traceback.format_list(list(reversed(stack))))
    return Unsupported("\n".join(lines) + f"\n\nfrom user code:\n {text}\n", kind)


def _user_frames(frame: FrameType | None):
    """The frames of the function being captured, innermost first."""
    while frame is not None and not frame.f_code.co_filename.startswith(_PACKAGE + "_compile/"):
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            yield frame, frame.f_lineno
        frame = frame.f_back
