"""What the tape keeps for the backward pass, as users see and change it (`torch.autograd.graph`).

Saved-tensor hooks, `grad_fn._saved_self`, gradient edges, hooks on several gradients, and leave to change saved tensors.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from torchish.autograd.grad_mode import STATE
from torchish.autograd.graph import HOOKS, SECOND_TIME, TENSORS, AccumulateGrad, GradFn, Node, tasks
from torchish.engine.expr import Expr, Spec
from torchish.ops.declare import flat_names

# --- saved tensors ------------------------------------------------------------------------------------------


class Packed:
    """A saved tensor in the form that a pack hook gave it."""

    __slots__ = ("value", "unpack")

    def __init__(self, tensor: Any, hooks: tuple):
        pack, self.unpack = hooks
        version = tensor._vc.version
        previous = STATE.enabled
        STATE.enabled = False
        try:
            self.value = pack(tensor)
        finally:
            STATE.enabled = previous
        if tensor._vc.version != version:
            raise RuntimeError(
                "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook cannot be modified by "
                "in-place operations as this can lead to unexpected side-effects. Please open an issue if you need to perform in-place "
                "operations on the input to a pack hook."
            )

    def tensor(self) -> Any:
        """The tensor again; TypeError when the hook gives something else."""
        t = self.unpack(self.value)
        if not hasattr(t, "_aval"):
            raise TypeError(f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {type(t).__name__}")
        return t


def public_name(name: str) -> str:
    """PyTorch's name of an argument: the first one is `self`."""
    return "self" if name == "input" else name


def pack_inputs(fn: GradFn, flat: tuple) -> None:
    """Hand the saved inputs of a new gradient function to the hooks; the function keeps what they give."""
    hooks = HOOKS.stack[-1]
    names = flat_names(fn.spec)
    found = sorted((public_name(names[i][0]), i, k) for i, k in fn.recipe.watched)
    for _, i, k in found:
        _set_packed(fn, ("saved", k), Packed(flat[i], hooks))
    fn.tensors = fn.versions = ()


def pack_result(fn: GradFn, t: Any, k: int) -> None:
    """The same for a saved result, the k-th of them."""
    shown = t._alias()
    if shown._aval.category >= 2:
        shown._grad_fn, shown._out_nr = fn, _number(fn, k)  # the tensor itself would keep its own history alive
    _set_packed(fn, ("results", k), Packed(shown, HOOKS.stack[-1]))


def _number(fn: GradFn, k: int) -> int:
    """The number that the k-th saved result has among all results."""
    return k if fn.recipe.results is None else fn.recipe.results[k]


def _set_packed(fn: GradFn, place: tuple, packed: Packed) -> None:
    if fn.packed is None:
        fn.packed = {}
    fn.packed[place] = packed
    kept = getattr(fn, place[0])
    missing = Expr(None, (), kept[place[1]].aval)  # the value is the hooks' business now
    setattr(fn, place[0], (*kept[: place[1]], missing, *kept[place[1] + 1 :]))


def unpacked(fn: GradFn) -> tuple[tuple, tuple]:
    """The saved inputs and results of a function, those that hooks hold unpacked."""
    saved, results = list(fn.saved or ()), list(fn.results)
    for (kind, k), packed in (fn.packed or {}).items():
        (saved if kind == "saved" else results)[k] = packed.tensor()._read()
    return tuple(saved), tuple(results)


class SavedTensor:
    """A saved tensor before it is unpacked (`grad_fn._raw_saved_self`)."""

    __module__ = "torch._C._autograd"

    def __init__(self, fn: GradFn, place: tuple, name: str):
        self._fn, self._place, self._name = fn, place, name

    def register_hooks(self, pack_hook: Callable, unpack_hook: Callable) -> None:
        """Keep what `pack_hook` makes of the tensor; RuntimeError when hooks are set already or the tensor is gone."""
        fn = self._fn
        if fn.saved is None:
            raise RuntimeError(SECOND_TIME)
        if fn.packed is not None and self._place in fn.packed:
            raise RuntimeError(_HOOKED)
        t = saved_value(fn, self._name)
        _set_packed(fn, self._place, Packed(t, (pack_hook, unpack_hook)))
        if self._place[0] == "saved":
            fn.tensors = tuple(
                None if k == self._place[1] else t for t, (_, k) in zip(fn.tensors, fn.recipe.watched, strict=True)
            )


_HOOKED = "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only one pair of hooks is allowed at a time."


def _places(fn: GradFn, name: str) -> list[tuple]:
    """Where a function keeps the saved value of this name: ("saved", k), ("results", k) or ("static", i)."""
    names = flat_names(fn.spec)
    found: list[tuple] = [("saved", k) for k, i in enumerate(fn.recipe.saved) if public_name(names[i][0]) == name]
    op = fn.spec.op
    if not found and op.saves_result:
        fields = _fields(op)
        if name in fields or (name.startswith("result") and len(fields) == 1):
            found = [("results", fields.index(name) if name in fields else 0)]
    if not found and name in getattr(op, "static", ()):
        found = [("static", op.static.index(name))]
    return found


def _fields(op: Any) -> tuple[str, ...]:
    """The names of the results that are saved."""
    if not op.returns:
        return ("result",)
    return op.returns if op.results is None else tuple([op.returns[k] for k in op.results])


def _optional(fn: GradFn) -> list[str]:
    """The tensors that the gradient needs for some arguments only."""
    saves, tensors = getattr(fn.spec.op, "saves", {}), set(getattr(fn.spec.op, "tensors", ()))
    return [public_name(n) for n, for_ in saves.items() if set(for_) != tensors]


def saved_names(fn: GradFn) -> list[str]:
    """The attributes that give saved values, which `dir` lists."""
    names, op = flat_names(fn.spec), fn.spec.op
    kept = {public_name(names[i][0]): _type(fn, i).startswith("Tensor") for i in fn.recipe.saved}
    needed = [public_name(n) for n in getattr(op, "saves", kept)]
    kept = {n: of for n, of in kept.items() if not of or n in needed} | dict.fromkeys(_optional(fn), True)  # others are numbers
    if op.saves_result:
        kept |= dict.fromkeys(_fields(op), True)
    tensors = [name for name, of in kept.items() if of]
    return [*(f"_raw_saved_{n}" for n in tensors), *(f"_saved_{n}" for n in (*kept, *getattr(op, "static", ())) if n != "whole")]


def show(spec: Spec) -> None:
    """Give gradient functions the attributes that show what one of this operation has saved, also for arguments that were not given.

    All functions get them, and those that have saved nothing by such a name raise AttributeError. A `__getattr__` would be shorter, and
    make every other attribute three to ten times slower.
    """
    op: Any = spec.op
    results = _fields(op) if op.saves_result and op.returns else ("result", "result0")
    for name in {*map(public_name, op.dynamic), *getattr(op, "static", ()), *results}:
        if not hasattr(GradFn, f"_saved_{name}"):
            setattr(GradFn, f"_saved_{name}", property(functools.partial(saved_value, name=name)))
            setattr(GradFn, f"_raw_saved_{name}", property(functools.partial(raw_saved_value, name=name)))


def saved_value(fn: GradFn, name: str) -> Any:
    """What `grad_fn._saved_<name>` gives: a tensor, a number, or a tuple for a list of tensors."""
    places = _places(fn, name)
    if not places:
        if name in _optional(fn):  # PyTorch keeps it, but not for the gradients that are asked for here
            return None
        raise AttributeError(f"'{type(fn).__name__}' object has no attribute '_saved_{name}'")
    if places[0][0] == "static":
        v, op = fn.spec.statics[places[0][1]], fn.spec.op
        return int(v) if "whole" in op.static and fn.spec.statics[op.static.index("whole")] else v
    if fn.saved is None:
        raise RuntimeError(SECOND_TIME)
    fn.check_versions()
    made = [_value(fn, place) for place in places]
    return made[0] if len(made) == 1 else tuple(made)


def _value(fn: GradFn, place: tuple) -> Any:
    kind, k = place
    if fn.packed is not None and place in fn.packed:
        return fn.packed[place].tensor()
    if kind == "saved":
        for t, _, j in fn.watched():
            if j == k:
                return t
        x = fn.saved[k]  # type: ignore[index]
        if isinstance(x, Expr):
            return TENSORS.wrap(x)
        return _operand(x) if _type(fn, fn.recipe.saved[k]).startswith("Tensor") else x
    t = TENSORS.wrap(fn.results[k])
    if t._aval.category >= 2:
        t._grad_fn, t._out_nr = fn, _number(fn, k)
    return t


def _type(fn: GradFn, i: int) -> str:
    """The declared type of a flat input."""
    name = flat_names(fn.spec)[i][0]
    return next((p.type for p in fn.spec.op.schema.params if p.name == name), "") if hasattr(fn.spec.op, "schema") else ""


def _operand(x: Any) -> Any:
    """A Python number that stood for a tensor, as PyTorch keeps it."""
    from torchish import _dtypes as dt
    from torchish._tensor.creation import tensor

    return tensor(x, dtype={float: dt.float64, complex: dt.complex128}.get(type(x)))


def raw_saved_value(fn: GradFn, name: str) -> SavedTensor:
    """What `grad_fn._raw_saved_<name>` gives."""
    places = [p for p in _places(fn, name) if p[0] != "static"]
    if not places:
        raise AttributeError(f"'{type(fn).__name__}' object has no attribute '_raw_saved_{name}'")
    return SavedTensor(fn, places[0], name)


class saved_tensors_hooks:
    """Inside the block `pack_hook(tensor)` decides what the graph keeps of a saved tensor; `unpack_hook` makes the tensor again."""

    __module__ = "torch.autograd.graph"

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]):
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if HOOKS.disabled is not None:
            raise RuntimeError(HOOKS.disabled)
        HOOKS.stack.append((self.pack_hook, self.unpack_hook))
        HOOKS.any = True

    def __exit__(self, *args: object) -> None:
        HOOKS.stack.pop()
        HOOKS.any = bool(HOOKS.stack)


class save_on_cpu(saved_tensors_hooks):
    """Inside the block saved tensors wait on the CPU until the backward pass needs them."""

    __module__ = "torch.autograd.graph"

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        super().__init__(lambda t: (t.device, t.cpu()), lambda packed: packed[1].to(packed[0]))


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Inside the block saved-tensor hooks are refused with this message."""
    previous = HOOKS.disabled
    HOOKS.disabled = error_message
    try:
        yield
    finally:
        HOOKS.disabled = previous


class _Kept:
    """A saved value that later changes do not reach."""

    def __init__(self, tensor: Any):
        self.expr: Expr | None = tensor._read()


class _Context:
    """The values saved under one `allow_mutation_on_saved_tensors`."""

    def __init__(self):
        self.kept: weakref.WeakSet[_Kept] = weakref.WeakSet()

    def clear(self) -> None:
        """Let go of them."""
        for k in self.kept:
            k.expr = None
        self.kept.clear()


class _Allowed(threading.local):
    inside = False


_ALLOWED = _Allowed()


@contextlib.contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[_Context]:
    """Inside the block tensors that are saved for backward may be changed in place: backward sees the values they had."""
    if _ALLOWED.inside:
        raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
    context = _Context()

    def pack(t: Any) -> _Kept:
        kept = _Kept(t)
        context.kept.add(kept)
        return kept

    def unpack(kept: _Kept) -> Any:
        if kept.expr is None or not _ALLOWED.inside:
            raise AssertionError(
                "Trying to backward outside of the 'allow_mutation_on_saved_tensors' contextin which the graph was originally recorded."
            )
        return TENSORS.wrap(kept.expr)

    with saved_tensors_hooks(pack, unpack):
        _ALLOWED.inside = True
        try:
            yield context
        finally:
            _ALLOWED.inside = False
            context.clear()


# --- edges and hooks ---------------------------------------------------------------------------------------


class GradientEdge(NamedTuple):
    """Where a tensor's gradient arrives: a node and the number of its output."""

    node: Node
    output_nr: int
    ownership_token: Node | None = None

    def _edge(self) -> tuple[Node, int]:
        return self.node, self.output_nr

    def _needs(self) -> bool:
        return True

    @property
    def _aval(self) -> Any:
        return self.node._avals[self.output_nr]


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """The edge of a tensor: `autograd.grad(y, get_gradient_edge(x))` is `autograd.grad(y, x)` without keeping `x`."""
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    node, number = tensor._edge()
    return GradientEdge(node, number)


def increment_version(tensor: Any) -> None:
    """Say that a tensor (or several) was changed in place where nothing could notice."""
    for t in (tensor,) if hasattr(tensor, "_vc") else tensor:
        if not t._inference:
            t._vc.version += 1


class _MultiHandle:
    """Removes several hooks at once."""

    __module__ = "torch.autograd.graph"

    def __init__(self, handles: tuple):
        self.handles = handles

    def remove(self) -> None:
        """Take the hooks away."""
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> _MultiHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def register_multi_grad_hook(tensors: Sequence, fn: Callable, *, mode: str = "all") -> _MultiHandle:
    """Call `fn` with the gradients of several tensors, once per backward pass.

    "all": when every gradient that this pass computes is there (None for the others). "any": with the first one. Returns a handle
    whose `remove()` takes the hook away; ValueError for other modes.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of {('all', 'any')} but got {mode}")
    if mode == "any":
        done: set[int] = set()

        def first(grad: Any) -> None:
            task = tasks[-1].number
            if task not in done:
                done.add(task)
                fn(grad)

        return _MultiHandle(tuple(t.register_hook(first) for t in tensors if t.requires_grad))
    nodes = [t._edge()[0] for t in tensors]
    state: dict[int, list] = {}

    def collect(i: int) -> Callable:
        def hook(grad: Any) -> None:
            task = tasks[-1]
            if task.number not in state:
                state[task.number] = [sum(task.runs(n) for n in nodes), [None] * len(nodes)]
            entry = state[task.number]
            entry[0] -= 1
            entry[1][i] = grad
            if entry[0] == 0:
                del state[task.number]
                fn(entry[1])

        return hook

    return _MultiHandle(tuple(t.register_hook(collect(i)) for i, t in enumerate(tensors)))


__all__ = [
    "AccumulateGrad", "GradientEdge", "SavedTensor", "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks", "get_gradient_edge",
    "increment_version", "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks",
]  # fmt: skip
