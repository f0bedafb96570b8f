"""What a call is given: its tensors in order, and a key of all that its way may depend on."""

from __future__ import annotations

from typing import Any

from torchish import _dtypes as dt
from torchish import _settings
from torchish._compile.walk import SCALARS
from torchish._tensor import apply as applying
from torchish._tensor import autocast
from torchish._tensor.drawing import KEYS
from torchish._tensor.size import DEFAULT
from torchish._tensor.tensor import Tensor
from torchish.autograd import graph
from torchish.autograd.grad_mode import STATE
from torchish.autograd.graph import ANOMALY, HOOKS
from torchish.engine import expr, program
from torchish.engine.expr import LOCAL, TRACED, Expr
from torchish.engine.levels import ACTIVE
from torchish.ops import matmul


class Special(Exception):
    """A call that is not captured: with traced values, say."""


def inactive() -> bool:
    """Whether calls run plainly here: inside another capture, a transform, a profiler, a forked process…"""
    return bool(
        LOCAL.capture is not None or ACTIVE.stack or program.ON_RUN or expr.EAGER or program.REMOTE is not None or ANOMALY.enabled
        or applying.PROFILER is not None or graph.PROFILER is not None or HOOKS.any and HOOKS.stack or KEYS.sources
    )  # fmt: skip


def modes() -> tuple:
    """The thread's settings that decide how operations are recorded and computed."""
    auto = autocast.STATE
    on: tuple = auto.on and (*auto.on, *[auto.dtypes[d] for d in auto.on], auto.cache_enabled)
    return (
        STATE.enabled, STATE.inference, STATE.asked, dt._default, DEFAULT[-1], on, _settings._deterministic["mode"],
        matmul.float32_setting(),
    )  # fmt: skip


class Call:
    """The arguments of one call: `tensors`, `objects` (others than numbers and texts), and the key."""

    __slots__ = ("key", "tensors", "objects")

    def __init__(self, args: tuple, kwargs: dict[str, Any]):
        self.tensors: list[Tensor] = []
        self.objects: list[Any] = []
        parts: list[Any] = []
        for a in args:
            # nothing but a value
            if type(a) is Tensor and len(a.__dict__) == 3 and a._storage.buffer is None and type(a._storage.expr) is Expr:
                parts.append(a._aval)
                self.tensors.append(a)
            else:
                self._add(a, parts)
        for k, v in kwargs.items():
            parts.append(k)
            self._add(v, parts)
        self.key = (*parts, len(args), *modes())

    def _add(self, x: Any, parts: list[Any]) -> None:
        cls = type(x)
        if isinstance(x, Tensor):
            if x._aval.device is TRACED or type(x._storage.expr) is not Expr:
                raise Special
            if cls is Tensor and not x._needs():
                shared = x._storage.buffer is not None and x._storage.is_shared()
                place = (x._storage.strides, x._offset, x._storage.expr.aval) if shared else bool(x._chain)
                parts.append((x._aval, x._strides, shared, place, x._grad is None, x._inference))
                self.tensors.append(x)
                return
            if x._grad_fn is not None and STATE.enabled:
                raise Special
            parts.append((cls, id(x)))  # a parameter: the step is captured for this very one
            self.objects.append(x)
        elif isinstance(x, SCALARS):
            parts += (cls, x)
        elif cls in (list, tuple) or (isinstance(x, tuple) and hasattr(cls, "_make")):
            parts += (cls, len(x))
            for v in x:
                self._add(v, parts)
        elif isinstance(x, dict):
            parts += (cls, *x, len(x))
            for v in x.values():
                self._add(v, parts)
        else:
            parts.append((cls, id(x)))
            self.objects.append(x)
