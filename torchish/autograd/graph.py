"""The tape: one `GradFn` per recorded operation, and the walk that sends gradients back.

A `GradFn` knows its operation, the saved expressions its backward needs, and its edges to the functions
that made its inputs. Walking it is ordinary expression building: each backward is a pure operation, so a whole
backward pass lands in one program, and with `create_graph` it is recorded in its turn.
"""

from __future__ import annotations

import heapq
import itertools
import weakref
from typing import Any

from torchish._dtypes import LEGACY_NAMES
from torchish.autograd.grad_mode import STATE
from torchish.engine.expr import Expr, emit, emit_multi
from torchish.ops.declare import flat_names, saved_inputs, vjp_spec

_sequence = itertools.count()

SECOND_TIME = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already "
    "been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). "
    "Specify retain_graph=True if you need to backward through the graph a second time or if you need to access "
    "saved tensors after calling backward."
)


class Node:
    """A point of the backward graph: where a gradient arrives, and the edges it leaves by.

    `edges[i]` is (node, output number) or (None, 0) for each input that may have a gradient. `avals` are those of
    the outputs, whose gradients this node receives.
    """

    __module__ = "torch.autograd.graph"
    edges: list = []
    avals: tuple = ()
    seq = 0

    pre_hooks: dict | None = None  # on the incoming gradients: tensor hooks and register_prehook
    post_hooks: dict | None = None
    retained: list | None = None  # (weak tensor, output number) whose .grad is kept
    _metadata: dict | None = None

    @property
    def next_functions(self):
        return tuple(self.edges)

    def name(self) -> str:
        """The function's name, such as `MulBackward0`."""
        return type(self).__name__

    @property
    def metadata(self) -> dict:
        if self._metadata is None:
            self._metadata = {}
        return self._metadata

    def _sequence_nr(self) -> int:
        return self.seq

    def register_hook(self, hook):
        """Call `hook(grad_inputs, grad_outputs)` after this function ran; returns a removable handle."""
        from torchish.utils.hooks import RemovableHandle

        if self.post_hooks is None:
            self.post_hooks = {}
        handle = RemovableHandle(self.post_hooks)
        self.post_hooks[handle.id] = hook
        return handle

    def register_prehook(self, hook):
        """Call `hook(grad_outputs)` before this function runs; returns a removable handle."""
        from torchish.utils.hooks import RemovableHandle

        if self.pre_hooks is None:
            self.pre_hooks = {}
        handle = RemovableHandle(self.pre_hooks)
        self.pre_hooks[handle.id] = ("all", hook)
        return handle

    def add_tensor_hook(self, number: int, hook) -> Any:
        """Hook the gradient of output `number` (what `Tensor.register_hook` does)."""
        from torchish.utils.hooks import RemovableHandle

        if self.pre_hooks is None:
            self.pre_hooks = {}
        handle = RemovableHandle(self.pre_hooks)
        self.pre_hooks[handle.id] = (number, hook)
        return handle

    def run(self, grads: list, record: bool) -> list:
        """Gradients of the inputs, one per edge, from those of the outputs (None where there is none)."""
        raise NotImplementedError

    def release(self) -> None:
        """Free what was saved."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {hex(id(self))}>"


_classes: dict[str, type] = {}


def named(name: str, base: type) -> type:
    """The subclass of `base` called `name`: PyTorch shows a function's name as its type."""
    key = f"{base.__name__}:{name}"
    c = _classes.get(key)
    if c is None:
        c = _classes[key] = type(name, (base,), {})
    return c


class GradFn(Node):
    """The backward of one operation of the registry."""

    where: str | None = None  # the traceback of the forward call, in anomaly mode

    def __init__(self, spec, inputs: tuple, needs: tuple[bool, ...], edges: list, avals: tuple, results: tuple):
        self.seq = next(_sequence)
        self.spec = spec
        self.needs = needs  # per flat input
        self.edges = edges  # per flat input that is a tensor argument, (None, 0) where no gradient goes
        self.avals = avals
        self.input_avals = tuple([x.aval if type(x) is Expr else None for x in inputs])
        mask = saved_inputs(spec, needs)
        self.saved: tuple | None = tuple([x for x, s in zip(inputs, mask, strict=True) if s])
        self.saved_edges: tuple = ()
        self.results = results if spec.op.saves_result else ()
        if ANOMALY.enabled:
            self.where = call_site()
        self.versions: list = []

    def saved_mask(self) -> tuple[bool, ...]:
        return saved_inputs(self.spec, self.needs)

    def save_versions(self, tensors: list) -> None:
        """Remember the version of each saved tensor (given with its position), to notice later in-place changes."""
        self.versions = [(t._vc, t._vc.value, self.describe(t, t._out_nr)) for t, _ in tensors]

    @staticmethod
    def describe(t, number: int) -> tuple:
        return t._aval, t._grad_fn if t._grad_fn is None else t._grad_fn.name(), number

    def check_versions(self) -> None:
        for counter, version, (a, function, number) in self.versions:
            if counter.value != version:
                raise _modified(a, function, number, counter.value, version)

    def run(self, grads: list, record: bool) -> list:
        if self.saved is None:
            raise RuntimeError(SECOND_TIME)
        if self.versions:
            self.check_versions()
        given = tuple([g is not None for g in grads])
        spec = vjp_spec(self.spec, self.needs, given, self.input_avals, self.avals)
        present = tuple([g for g in grads if g is not None])
        if record:
            made = TENSORS.apply_recorded(spec, (*TENSORS.unpack_saved(self), *present))
        else:
            made = emit_multi(spec, self.saved + self.results + present)
        if len(made) == len(self.edges):
            return list(made)
        it = iter(made)
        return [next(it) if self.needs[i] else None for i in edge_positions(self.spec)]

    def release(self) -> None:
        if self.results or any(n in self.spec.op.saves for (n, _), m in zip(flat_names(self.spec), self.saved_mask(), strict=True) if m):
            self.saved = None
            self.results = ()
            self.versions = []


def _modified(a, function: str | None, number: int, now: int, version: int) -> RuntimeError:
    kind = f"torch.{'cuda.' if a.device.startswith('cuda') else ''}{LEGACY_NAMES[a.torch_dtype]}"
    source = f", which is output {number} of {function}," if function else ""
    return RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[{kind} {list(a.shape)}]{source} is at version {now}; expected version {version} instead. Hint: "
        + (
            "the backtrace further above shows the operation that failed to compute its gradient. The variable in question "
            "was changed in there or anywhere later. Good luck!"
            if ANOMALY.enabled
            else "enable anomaly detection to find the operation that failed to compute its gradient, with "
            "torch.autograd.set_detect_anomaly(True)."
        )
    )


def modified_inplace(t, version: int) -> RuntimeError:
    """The error for a saved tensor that was changed after it was saved."""
    return _modified(t._aval, None if t._grad_fn is None else t._grad_fn.name(), t._out_nr, t._vc.value, version)


def call_site() -> str:
    """The user's stack at this point, as text."""
    import traceback

    frames = [f for f in traceback.extract_stack() if "/torchish/" not in f.filename]
    return "".join(traceback.format_list(frames))


# Set while a profiler is active: called as PROFILER(name, run, grads, record) around each function.
PROFILER: Any = None


class Anomaly:
    """Anomaly mode: remember where operations were recorded, and check gradients for nan."""

    enabled = False
    check_nan = True


ANOMALY = Anomaly()


def edge_positions(spec) -> tuple[int, ...]:
    """The flat inputs of `spec` that have an edge: those of tensor arguments, Python numbers given for them too."""
    positions = spec.memo.get("edges")
    if positions is None:
        types = {p.name: p.type for p in spec.op.schema.params} if hasattr(spec.op, "schema") else {}
        skip = spec.op.indices if types else ()
        positions = spec.memo["edges"] = tuple(
            i for i, (n, k) in enumerate(flat_names(spec)) if (k == "T" or "Tensor" in types.get(n, "")) and n not in skip
        )
    return positions


class AccumulateGrad(Node):
    """Where the gradient of a leaf arrives."""

    def __init__(self, variable):
        self.seq = 1 << 62  # leaves accumulate as soon as their gradient is complete
        self.variable = variable
        self.avals = (variable._aval,)

    def run(self, grads: list, record: bool) -> list:
        if grads[0] is not None:
            TENSORS.accumulate(self.variable, grads[0], record)
        return []


class TensorInterface:
    """What the tensor layer provides to this one (it sits above, so it fills these in)."""

    apply_recorded: Any  # (spec, tensors and numbers) -> list of tensors, recorded
    unpack_saved: Any  # GradFn -> its saved inputs and results as tensors
    accumulate: Any  # (leaf, gradient, record) -> None
    wrap: Any  # Expr -> Tensor
    add: Any  # (a, b, record) -> a + b
    call_hook: Any  # (hook, gradient, record) -> gradient
    call_all_hook: Any
    store_grad: Any
    has_nan: Any  # (gradient, record) -> whether it holds a nan
    zeros: Any  # (aval, record) -> a zero gradient
    cast: Any  # (gradient, aval, record) -> gradient of that dtype and shape


TENSORS = TensorInterface()


def run_backward(
    roots: list,  # (node, output number)
    gradients: list,
    keep_graph: bool,
    record: bool,
    targets: list | None = None,  # (node, output number) whose gradients are returned instead of accumulated
    accumulate_only: set | None = None,  # accumulate into these leaf nodes only
) -> list:
    """Send `gradients` from `roots` to the leaves, each node once, in reverse order of creation."""
    buffers: dict[Node, list] = {}
    for (node, number), g in zip(roots, gradients, strict=True):
        buf = buffers.setdefault(node, [None] * max(len(node.avals), 1))
        buf[number] = g if buf[number] is None else TENSORS.add(buf[number], g, record)

    captured: dict[tuple, Any] = {}
    wanted: dict[Node, list[int]] = {}
    for node, number in targets or ():
        wanted.setdefault(node, []).append(number)
    restrict = targets is not None or accumulate_only is not None

    # How many gradients each reachable node waits for, and (when restricted) whether it leads to a target.
    pending: dict[Node, int] = {}
    stack = list(buffers)
    seen = set(stack)
    order: list[Node] = []
    while stack:
        node = stack.pop()
        order.append(node)
        for child, _ in node.edges:
            if child is not None:
                pending[child] = pending.get(child, 0) + 1
                if child not in seen:
                    seen.add(child)
                    stack.append(child)
    useful = _leads_to(order, set(wanted) | (accumulate_only or set())) if restrict else None

    heap = [(-n.seq, id(n), n) for n in buffers if not pending.get(n)]
    heapq.heapify(heap)
    previous = STATE.enabled
    STATE.enabled = record
    try:
        while heap:
            _, _, node = heapq.heappop(heap)
            grads = buffers.pop(node, None)
            out: list = []
            if grads is not None and (useful is None or node in useful) and any(g is not None for g in grads):
                for i, g in enumerate(grads):
                    if g is not None and i < len(node.avals):
                        grads[i] = TENSORS.cast(g, node.avals[i], record)
                if node.pre_hooks:
                    grads = _run_pre_hooks(node, grads, record)
                if node.retained:
                    for ref, number in node.retained:
                        if (t := ref()) is not None and grads[number] is not None:
                            TENSORS.store_grad(t, grads[number], record)
                for number in wanted.get(node, ()):
                    captured[node, number] = grads[number]
                if not (type(node) is AccumulateGrad and restrict and node not in (accumulate_only or ())):
                    if useful is None or any(c in useful for c, _ in node.edges if c) or type(node) is AccumulateGrad:
                        run = node.run if not ANOMALY.enabled else _watched(node)
                        out = run(grads, record) if PROFILER is None else PROFILER(node.name(), run, grads, record)
                        if node.post_hooks:
                            out = _run_post_hooks(node, out, grads, record)
                        if not keep_graph:
                            node.release()
            for k, (child, number) in enumerate(node.edges):
                if child is None:
                    continue
                g = out[k] if k < len(out) else None
                if g is not None:
                    buf = buffers.setdefault(child, [None] * max(len(child.avals), 1))
                    buf[number] = g if buf[number] is None else TENSORS.add(buf[number], g, record)
                pending[child] -= 1
                if pending[child] == 0:
                    heapq.heappush(heap, (-child.seq, id(child), child))
    finally:
        STATE.enabled = previous
    return [captured.get(t) for t in targets or ()]


def _watched(node: Node) -> Any:
    """`node.run` in anomaly mode: a failure shows the forward call, and a nan gradient is a failure."""
    import warnings

    def report():
        where = getattr(node, "where", None)
        text = (
            f"Error detected in {node.name()}. Traceback of forward call that caused the error:\n{where}"
            if where
            else f"Error detected in {node.name()}. No forward pass information available. Enable detect anomaly during "
            "forward pass for more information."
        )
        warnings.warn(text, stacklevel=5)

    def run(grads: list, record: bool) -> list:
        try:
            out = node.run(grads, record)
        except Exception:
            report()
            raise
        if ANOMALY.check_nan:
            for i, g in enumerate(out):
                if g is not None and TENSORS.has_nan(g, record):
                    report()
                    raise RuntimeError(f"Function '{node.name()}' returned nan values in its {i}th output.")
        return out

    return run


def _leads_to(order: list[Node], goals: set) -> set:
    """The nodes from which some goal can be reached (goals included)."""
    useful = set(goals)
    parents: dict[Node, list[Node]] = {}
    for node in order:
        for child, _ in node.edges:
            if child is not None:
                parents.setdefault(child, []).append(node)
    stack = list(goals)
    while stack:
        for p in parents.get(stack.pop(), ()):
            if p not in useful:
                useful.add(p)
                stack.append(p)
    return useful


def _run_pre_hooks(node: Node, grads: list, record: bool) -> list:
    for which, hook in list(node.pre_hooks.values()):
        if which == "all":
            grads = TENSORS.call_all_hook(hook, grads, record)
        elif grads[which] is not None:
            grads[which] = TENSORS.call_hook(hook, grads[which], record)
    return grads


def _run_post_hooks(node: Node, out: list, grads: list, record: bool) -> list:
    for hook in list(node.post_hooks.values()):
        out = TENSORS.call_all_hook(hook, out, record, grads)
    return out


def weak(t) -> weakref.ref:
    return weakref.ref(t)


__all__ = ["AccumulateGrad", "GradFn", "Node", "SECOND_TIME", "TENSORS", "emit", "named", "run_backward"]
