"""`torch.autograd`: backward passes, grad modes, custom functions."""

from __future__ import annotations

import contextlib
from typing import Any

from torchish._runner import missing_attribute
from torchish.autograd import functional as functional
from torchish.autograd import grad_mode, graph
from torchish.autograd import profiler as profiler
from torchish.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from torchish.autograd.function import Function
from torchish.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from torchish.autograd.grad_mode import is_grad_enabled as is_grad_enabled


def _as_tuple(x) -> tuple:
    """One tensor, or a sequence of them, as a tuple; TypeError for anything else."""
    from torchish._tensor.tensor import Tensor

    return (x,) if isinstance(x, Tensor) or x is None or hasattr(x, "_edge") else tuple(x)


def _differentiated(t):
    from torchish._tensor.tensor import Tensor

    if not isinstance(t, Tensor) and not hasattr(t, "_edge"):
        raise RuntimeError(f"all inputs have to be Tensors or GradientEdges, but got {type(t).__name__}")
    return t


def _grad_outputs(outputs: tuple, gradients: tuple) -> list:
    """The starting gradients: given ones checked, missing ones one for a scalar."""
    from torchish._tensor.tensor import Tensor

    out: list = []
    for i, (t, g) in enumerate(zip(outputs, gradients, strict=False)):
        if isinstance(g, Tensor):
            if g._aval.shape != t._aval.shape:
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[{i}] has a shape of {g.shape} and output[{i}] has a shape of {t.shape}."
                )
            if (g._aval.category == 3) != (t._aval.category == 3):
                raise RuntimeError(
                    f"For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
                    f"grad_output[{i}] has a dtype of {g.dtype} and output[{i}] has a dtype of {t.dtype}."
                )
            out.append(g)
        elif g is None:
            if not t._needs():
                out.append(None)
                continue
            if t._aval.size != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            if t._aval.category == 3:
                raise RuntimeError("grad can be implicitly created only for real scalar outputs but got " + repr(t.dtype))
            out.append(_one(t))
        else:
            raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
    if len(outputs) > len(gradients):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(gradients)} gradients")
    return out


def _one(t):
    import numpy as np

    from torchish._tensor.tensor import Tensor
    from torchish.engine.expr import Expr, aval

    a = t._aval
    device = "cpu" if a.device == "traced" else a.device
    return Tensor._wrap(Expr(None, (), aval(a.shape, a.dtype, device), np.ones(a.shape, a.dtype)))


def _inside(tensors: tuple) -> Any:
    """What a backward pass from tensors inside function transforms runs under; nothing for plain tensors."""
    from torchish.engine.expr import Expr

    for t in tensors:
        if hasattr(t, "_storage") and type(t._storage.expr) is not Expr:
            from torchish._tensor.levels import inside_of

            return inside_of(tensors)
    return _NOTHING


_NOTHING = contextlib.nullcontext()


def _roots(tensors: tuple) -> list:
    roots = []
    for i, t in enumerate(tensors):
        node, number = t._edge()
        if node is None:
            raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
        roots.append((node, number))
    return roots


def backward(
    tensors: Any, grad_tensors: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
    grad_variables: Any = None, inputs: Any = None,
) -> None:  # fmt: skip
    """Accumulate into the leaves the gradients of the sum of `tensors`, weighted by `grad_tensors`."""
    from torchish._tensor.data import triggered, warn_once
    from torchish._tensor.tensor import Tensor
    from torchish.engine import policy

    if inputs is not None and not isinstance(inputs, Tensor) and not (inputs := tuple(inputs)):
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    tensors = _as_tuple(tensors)
    given = (None,) * len(tensors) if grad_tensors is None else _as_tuple(grad_tensors)
    if retain_graph is None:
        retain_graph = create_graph
    roots = _roots(tensors)
    grads = _grad_outputs(tensors, given)
    if create_graph and not any(isinstance(g, Tensor) and g._needs() for g in grads):
        warn_once(
            "Using backward() with create_graph=True will create a reference cycle between the parameter and its gradient "
            "which can cause a memory leak. We recommend using autograd.grad when creating the graph to avoid this. If you "
            "have to use this function, make sure to reset the .grad fields of your parameters to None after use to break "
            "the cycle and avoid the leak." + triggered("torch/csrc/autograd/engine.cpp:1307")
        )
    only = None
    targets: list = []
    if inputs is not None:
        only = set()
        for t in _as_tuple(inputs):
            node, number = _differentiated(t)._edge()
            if node is None and t._needs():
                continue
            if node is None:
                raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
            if t.grad_fn is None:
                only.add(node)
            else:
                targets.append((t, node))
    values = [g if create_graph else g._read() for g in grads]
    for t, node in targets:
        t.retain_grad()
        only = (only or set()) | {node}
    policy.before_backward()
    with policy.unlimited(), _inside(tensors):
        graph.run_backward(roots, values, retain_graph, create_graph, accumulate_only=only)
    policy.after_backward()


def grad(
    outputs: Any, inputs: Any, grad_outputs: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
    only_inputs: bool = True, allow_unused: bool | None = None, is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple:  # fmt: skip
    """The gradients of the sum of `outputs` (weighted by `grad_outputs`) with respect to `inputs`."""
    from torchish._tensor.tensor import Tensor
    from torchish.engine import policy

    if materialize_grads and allow_unused is False:
        raise ValueError("Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False.")
    if allow_unused is None:
        allow_unused = materialize_grads
    outputs, inputs = _as_tuple(outputs), _as_tuple(inputs)
    if not inputs:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    given: tuple[Any, ...] = (None,) * len(outputs) if grad_outputs is None else _as_tuple(grad_outputs)
    if retain_graph is None:
        retain_graph = create_graph
    if is_grads_batched:
        from torchish.func import vmap

        here = [i for i, g in enumerate(given) if g is not None]
        found: list = []

        def one(*gs):
            full = [None] * len(given)
            for i, g in zip(here, gs, strict=True):
                full[i] = g
            got = grad(outputs, inputs, full, True, create_graph, only_inputs, allow_unused, False, materialize_grads)
            found[:] = [i for i, g in enumerate(got) if g is not None]
            return tuple(got[i] for i in found)

        rows = vmap(one)(*[given[i] for i in here])
        table = dict(zip(found, rows, strict=True))
        return tuple(table.get(i) for i in range(len(inputs)))
    roots = _roots(outputs)
    grads = _grad_outputs(outputs, given)
    targets = []
    for t in inputs:
        node, number = _differentiated(t)._edge()
        if node is None:
            if not t._needs():
                raise RuntimeError("One of the differentiated Tensors does not require grad")
            node = graph.Node()  # a view without history of its own, which nothing reaches
        targets.append((node, number))
    values = [g if create_graph else g._read() for g in grads]
    with policy.unlimited(), _inside(outputs):
        got = graph.run_backward(roots, values, retain_graph, create_graph, targets=targets)
    result: list = []
    for i, (t, g) in enumerate(zip(inputs, got, strict=True)):
        if g is None:
            if not allow_unused:
                raise RuntimeError(
                    f"The differentiated Tensor at index {i} appears to not have been used in the graph. Set allow_unused=True "
                    "if this is the desired behavior."
                )
            if materialize_grads:
                import torchish

                result.append(torchish.zeros_like(t))
            else:
                result.append(None)
        else:
            result.append(_received(t, g if isinstance(g, Tensor) else Tensor._wrap(g)))
    return tuple(result)


def _received(t: Any, gradient: Any) -> Any:
    """A gradient in the form in which a tensor gets it: some subclasses, and what leads to them, have one of their own."""
    for hook in (getattr(t, "_post_accumulate", None) or {}).values():  # edges have no hooks
        if hasattr(hook, "formed"):
            gradient = hook.formed(gradient)
    form = getattr(type(t), "_formed_gradient", None)
    return gradient if form is None else form(t, gradient)


from torchish.autograd.gradcheck import gradcheck, gradgradcheck  # noqa: E402


class set_multithreading_enabled(grad_mode._Mode):
    """Accepted: a backward pass is one program here, whose threads are XLA's."""

    __module__ = "torch.autograd.grad_mode"
    enabled = True

    def __init__(self, mode: bool):
        self._previous, self.mode = set_multithreading_enabled.enabled, bool(mode)
        set_multithreading_enabled.enabled = self.mode

    def __enter__(self) -> None:
        set_multithreading_enabled.enabled = self.mode

    def __exit__(self, *exc) -> None:
        set_multithreading_enabled.enabled = self._previous

    def _clone(self):
        return type(self)(self.mode)


def is_multithreading_enabled() -> bool:
    """Whether backward passes may use several threads."""
    return set_multithreading_enabled.enabled


grad_mode.set_multithreading_enabled = set_multithreading_enabled  # type: ignore[attr-defined]


def __getattr__(name: str):
    if name in ("forward_ad", "variable", "Variable"):  # built on tensors, which come after this package
        from importlib import import_module

        module = import_module(f"torchish.autograd.{name.lower()}")
        return getattr(module, name) if name == "Variable" else module
    raise missing_attribute(__name__, name)


class enforce_grad_layout_policy(grad_mode._Mode):
    """Accepted as a call, a `with` block or a decorator: gradients always have the layout of their leaves."""

    def __init__(self, enable: bool = True):
        self.mode = enable

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: Any) -> None:
        pass

    def clone(self) -> enforce_grad_layout_policy:
        """Another one of the same mode."""
        return type(self)(self.mode)

    _clone = clone


def is_view_replay_enabled() -> bool:
    """False: the history of views is kept as gradient functions."""
    return False


__all__ = [
    "Function", "Variable", "backward", "detect_anomaly", "enable_grad", "enforce_grad_layout_policy", "grad", "grad_mode",
    "gradcheck", "gradgradcheck", "inference_mode", "no_grad", "set_detect_anomaly", "set_grad_enabled",
    "set_multithreading_enabled", "variable",
]  # fmt: skip
