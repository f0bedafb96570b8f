"""The tape: one `GradFn` per recorded operation, and the walk that sends gradients back.

A `GradFn` knows its operation, the saved expressions its backward needs, and its edges to the functions
that made its inputs. Walking it is ordinary expression building: each backward is a pure operation, so a whole
backward pass lands in one program, and with `create_graph` it is recorded in its turn.
"""

from __future__ import annotations

import heapq
import itertools
import re
import threading
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

from torchish._dtypes import LEGACY_NAMES
from torchish.autograd.grad_mode import STATE
from torchish.engine.expr import TRACED, AvalTuple, Expr, emit, pend, results_of
from torchish.ops.declare import flat_names, saved_inputs, vjp_spec

_sequence = itertools.count()


def next_sequence() -> int:
    """The number of the next function: later ones have larger numbers, and edges lead to smaller ones."""
    return next(_sequence)


SECOND_TIME = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already "
    "been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). "
    "Specify retain_graph=True if you need to backward through the graph a second time or if you need to access "
    "saved tensors after calling backward."
)

SAVED_INFERENCE = (
    "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in computation "
    "tracked by autograd. To work around this, you can make a clone to get a normal tensor and use it in autograd, or use "
    "`torch.no_grad()` instead of `torch.inference_mode()`."
)


SAVED_DETACHED = (
    "Trying to use a saved tensor that has been detached in-place, i.e. with .detach_().This is not supported, please use out-of-place "
    "`.detach()` instead"
)


class Node:
    """A point of the backward graph: where a gradient arrives, and the edges it leaves by.

    `_targets[i]` is the node that the gradient of an input goes to, as that of its output `_numbers[i]`; None and 0 where
    there is none. `_avals` are those of the outputs, whose gradients this node receives. The names have underscores since
    a user's Function keeps what it likes under any other name in the same object.
    """

    __module__ = "torch.autograd.graph"
    requires_grad = True
    _display: str | None = None  # what `name()` gives where that is not the class's name
    _targets: tuple[Node | None, ...] = ()
    _numbers: tuple[int, ...] = ()
    _avals: tuple = ()
    _seq = 0

    _pre_hooks: dict | None = None  # on the incoming gradients: tensor hooks and register_prehook
    _post_hooks: dict | None = None
    _retained: list | None = None  # (weak tensor, output number) whose .grad is kept
    _metadata: dict | None = None

    @property
    def next_functions(self):
        return tuple(zip(self._targets, self._numbers, strict=True))

    def _lead(self, edges: list) -> None:
        """Send the gradients of the inputs along these edges, each a node (or None) and the number of its output."""
        self._targets = tuple([target for target, _ in edges])
        self._numbers = tuple([number for _, number in edges])

    def name(self) -> str:
        """The function's name, such as `MulBackward0`."""
        return self._display or type(self).__name__

    @property
    def metadata(self) -> dict:
        if self._metadata is None:
            self._metadata = {}
        return self._metadata

    def _sequence_nr(self) -> int:
        return self._seq

    def register_hook(self, hook):
        """Call `hook(grad_inputs, grad_outputs)` after this function ran; returns a removable handle."""
        from torchish.utils.hooks import add_hook

        LeafHooks.any = LeafHooks.any or type(self) is AccumulateGrad
        if self._post_hooks is None:
            self._post_hooks = {}
        return add_hook(self._post_hooks, hook)

    def register_prehook(self, hook):
        """Call `hook(grad_outputs)` before this function runs; returns a removable handle."""
        from torchish.utils.hooks import add_hook

        LeafHooks.any = LeafHooks.any or type(self) is AccumulateGrad
        if self._pre_hooks is None:
            self._pre_hooks = {}
        return add_hook(self._pre_hooks, ("all", hook))

    def _add_tensor_hook(self, number: int, hook) -> Any:
        """Hook the gradient of output `number` (what `Tensor.register_hook` does)."""
        from torchish.utils.hooks import add_hook

        if self._pre_hooks is None:
            self._pre_hooks = {}
        return add_hook(self._pre_hooks, (number, hook))

    def __call__(self, *grads: Any, **kwargs: Any) -> Any:
        """The gradients of the inputs for those of the outputs: this step of the backward pass alone, without hooks.

        One tensor where there is one input, else a tuple of as many.
        """
        if kwargs:
            raise TypeError("keyword arguments are not supported")
        differentiable = sum(a.torch_dtype.is_floating_point or a.torch_dtype.is_complex for a in self._avals)
        if len(grads) != differentiable:
            raise TypeError(f"expected {differentiable} arguments, got {len(grads)} instead")
        for i, g in enumerate(grads):
            if g is not None and not hasattr(g, "_read"):
                raise TypeError(f"argument {i} is not a Variable")
        if all(g is None for g in grads):
            out = [None] * len(self._targets)
        else:
            record = STATE.enabled
            given: list = [None] * len(self._avals)
            for i, g in enumerate(grads):
                if g is not None:
                    given[i] = TENSORS.cast(g if record else g._read(), self._avals[i], record)
            out = self._run(given, record)
            out = [g if g is None or record else TENSORS.wrap(g) for g in out]
            out += [None] * (len(self._targets) - len(out))
        return out[0] if len(out) == 1 else tuple(out)

    def _run(self, grads: list, record: bool) -> list:
        """Gradients of the inputs, one per edge, from those of the outputs (None where there is none)."""
        raise NotImplementedError

    def _release(self) -> None:
        """Free what was saved."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {hex(id(self))}>"


_classes: dict[str, type] = {}
# Those that PyTorch has not generated, which `name()` gives with their namespace.
_IN_NAMESPACE = ("CopyBackwards", "CopySlices", "NotImplemented")


def named(name: str, base: type) -> type:
    """The subclass of `base` called `name`: PyTorch shows a function's name as its type, which is in no module."""
    key = f"{base.__name__}:{name}"
    c = _classes.get(key)
    if c is None:
        c = _classes[key] = type(
            name, (base,), {"__module__": "builtins"} | ({"_display": f"torch::autograd::{name}"} if name in _IN_NAMESPACE else {})
        )
    return c


class Recipe:
    """What recording an operation takes that depends on its spec, its inputs' avals and on which of them need gradients only."""

    __slots__ = ("cls", "needs", "avals", "saved", "edges", "watched", "frees", "mask", "edge_needs", "firsts", "saves_result", "results",
                 "deaf", "watches_all", "unchanged", "saves_all", "passes", "backwards")  # fmt: skip

    def __init__(self, spec, needs: tuple[bool, ...], given: tuple, name: str):
        cut = set(cuts(spec.statics, given)) if (cuts := getattr(spec.op, "cuts", None)) is not None else ()
        if cut:
            needs = tuple([need and n not in cut for need, (n, _) in zip(needs, flat_names(spec), strict=True)])
        self.needs = needs
        self.avals = given
        self.mask = saved_inputs(spec, needs)
        self.passes = passed_on(spec, needs)
        self.cls = named(
            name,
            PartGradFn if cut else PassingGradFn if self.passes else ReachingGradFn if getattr(spec.op, "reaches", ()) else GradFn,
        )
        self.deaf = tuple(k for k in cut if type(k) is int)
        self.saved = tuple(i for i, s in enumerate(self.mask) if s)
        self.edges = edge_positions(spec)
        self.edge_needs = tuple(needs[i] for i in self.edges)
        self.firsts = (0,) * len(self.edges)  # the output numbers of inputs that are their functions' first or only ones
        kinds = flat_names(spec)
        # the saved tensors, whose versions are watched; whether freeing the graph leaves something missing
        self.watched = tuple((i, k) for k, i in enumerate(self.saved) if kinds[i][1] == "T")
        self.watches_all = [i for i, _ in self.watched] == list(range(len(kinds)))
        self.unchanged = (0,) * len(self.watched)  # the versions of tensors that were never changed
        self.saves_all = all(self.mask)
        self.saves_result = spec.op.saves_result
        self.results = spec.op.results if self.saves_result else ()  # the numbers of those that are saved; None: all
        self.backwards: dict[Any, tuple] = {}  # by the aval of the one gradient: the backward operation and the aval of its result
        self.frees = spec.op.saves_result or any(kinds[i][0] in spec.op.saves for i in self.saved)
        from torchish.autograd import saved  # it is built on this module

        saved.show(spec)


def recipe(spec, needs: tuple[bool, ...], given: tuple, name: str) -> Recipe:
    """The recipe of this operation, made once; `given`: the inputs' avals, types for Python numbers."""
    key = (needs, given, name)
    made = spec.memo.get(key)
    if made is None:
        made = spec.memo[key] = Recipe(spec, needs, given, name)
    return made


def passed_on(spec, needs: tuple[bool, ...]) -> tuple[int, ...]:
    """The flat inputs whose gradient is the result's own if they have its aval."""
    passes = getattr(spec.op, "passes", None)
    if not passes:
        return ()
    names = flat_names(spec)
    given = {n for n, _ in names}
    return tuple(i for i, (n, k) in enumerate(names) if needs[i] and k == "T" and passes.get(n, n) not in given)


def input_avals(inputs: tuple) -> tuple:
    """The avals of an operation's flat inputs; types for Python numbers."""
    return tuple([x.aval if isinstance(x, Expr) else type(x) for x in inputs])


class GradFn(Node):
    """The backward of one operation of the registry."""

    _where: str | None = None  # the traceback of the forward call, in anomaly mode
    packed: dict | None = None  # saved values that hooks hold, by place
    # The saved tensors that are watched, in the order of the recipe's `watched` (None: not this one), and their versions. Few
    # tuples, of numbers where it can be: the garbage collector looks at every container of a graph.
    tensors: tuple = ()
    versions: tuple[int, ...] = ()
    result_versions: tuple = ()
    plain = False  # whether everything saved is known to be outside function transforms, also what `check_versions` puts in its place

    def __init__(self, spec, inputs: tuple, targets: tuple, numbers: tuple[int, ...], avals: tuple, results: tuple, made: Recipe):
        self._seq = next(_sequence)
        self.spec = spec
        self._targets = targets  # one per flat input that is a tensor argument
        self._numbers = numbers
        self._avals = avals
        self.recipe = made
        # a tuple of its own, even of all inputs: reference counts tell what is needed after the operation has run
        self.saved: tuple | None = (*inputs,) if made.saves_all else tuple([inputs[i] for i in made.saved]) if made.saved else ()
        self.results = results if made.results is None else tuple([results[k] for k in made.results])
        if ANOMALY.enabled:
            self._where = call_site()

    def saved_mask(self) -> tuple[bool, ...]:
        return self.recipe.mask

    def saved_results(self) -> Iterator[tuple[int, Any]]:
        """The saved results, with their numbers."""
        numbers = self.recipe.results
        return zip(numbers, self.results, strict=True) if numbers is not None else enumerate(self.results)

    def watch_result(self, t, number: int, alias=None) -> None:
        """Notice later changes of a result if it is saved; `alias` shows its memory where that is part of a larger one."""
        numbers = self.recipe.results
        if numbers is not None:
            if number not in numbers:
                return
            number = numbers.index(number)  # its place among those that are saved
        if HOOKS.any and HOOKS.stack:
            from torchish.autograd.saved import pack_result

            return pack_result(self, t, number)
        st = t._storage
        self.result_versions = (*self.result_versions, (t._vc, t._vc.version, st, st.writes, number, alias))

    def watch(self, flat: tuple, first: bool) -> None:
        """Notice later changes of the saved tensors, the first input apart unless asked for."""
        made = self.recipe
        if made.watches_all and first:
            tensors = flat
        else:
            tensors = tuple([flat[i] if i or first else None for i, _ in made.watched])
        versions: tuple[int, ...] | None = made.unchanged
        for t in tensors:
            if t is not None:
                if t._inference:
                    raise RuntimeError(SAVED_INFERENCE)
                if t._vc.version:
                    versions = None
        self.tensors = tensors
        self.versions = tuple([t._vc.version if t is not None else 0 for t in tensors]) if versions is None else versions

    def watched(self) -> Iterator[tuple]:
        """Each watched tensor with its version and its place in `saved`."""
        if not self.tensors:
            return
        for t, version, (_, k) in zip(self.tensors, self.versions, self.recipe.watched, strict=True):
            if t is not None:
                yield t, version, k

    def _came_from_function(self, k: int) -> bool:
        """Whether the k-th saved value was a function's result when it was saved."""
        i = self.recipe.saved[k]
        node = self._targets[self.recipe.edges.index(i)] if i in self.recipe.edges else None
        return node is not None and type(node) is not AccumulateGrad

    def check_versions(self) -> None:
        """Refuse saved tensors that were changed in place; take over changes that leave no trace (`.data`, NumPy)."""
        saved: Any = self.saved
        for t, version, (_, k) in zip(self.tensors, self.versions, self.recipe.watched, strict=False):  # all or none are there
            if t is None:
                continue
            if t._detached and t._grad_fn is None and self._came_from_function(k):
                raise RuntimeError(SAVED_DETACHED)
            if t._vc.version != version:
                raise modified_inplace(t, version)
            st = t._storage
            value = st.expr if not t._chain and st.buffer is None else t._read()
            if value is not saved[k] and saved[k].aval is t._aval:
                self.saved = saved = (*saved[:k], value, *saved[k + 1 :])
                self.plain = self.plain and type(value) is Expr
        for counter, version, st, writes, k, alias in self.result_versions:
            a = self.results[k].aval
            if counter.version != version:
                number = k if self.recipe.results is None else self.recipe.results[k]
                raise _changed(a, self.name() if a.category >= 2 else None, number, counter.version, version)
            if st.writes != writes or st.buffer is not None:
                value = st.read() if alias is None else alias._read()
                if value.aval is a:
                    self.results = (*self.results[:k], value, *self.results[k + 1 :])
                    self.plain = self.plain and type(value) is Expr

    @classmethod
    def called(cls, name: str, spec, inputs: tuple, needs: tuple[bool, ...], edge: tuple, aval) -> Any:
        """The function of this name behind one result, which it does not save, with one edge."""
        made = recipe(spec, needs, input_avals(inputs), name)
        return named(name, cls)(spec, inputs, edge[:1], edge[1:], (aval,), (), made)

    def _run(self, grads: list, record: bool) -> list:
        if self.saved is None:
            raise RuntimeError(SECOND_TIME)
        if self.tensors or self.result_versions:
            self.check_versions()
        if self.packed is not None:
            return self._run_unpacked(grads, record)
        how = self.recipe
        g = grads[0] if len(grads) == 1 else None
        plain = self.plain and not record and type(g) is Expr
        known = how.backwards.get(g.aval) if plain else None  # type: ignore[union-attr]
        if known is None:
            given = tuple([g is not None for g in grads])
            present = tuple([g for g in grads if g is not None])
            spec = vjp_spec(self.spec, how.needs, given, how.avals, self._avals)
        if record:
            made = TENSORS.apply_recorded(spec, (*TENSORS.unpack_saved(self), *present))
        else:
            if known is not None:
                e = pend(known[0], (*self.saved, *self.results, g), known[1])
            else:
                e = emit(spec, self.saved + self.results + present)
                if plain and e.aval.device is not TRACED:
                    how.backwards[g.aval] = spec, e.aval  # type: ignore[union-attr]
            if len(self._targets) == 1 and type(e.aval) is not AvalTuple:
                return [e]
            if type(e.aval) is AvalTuple:
                made = results_of(e)
            else:
                made = (e,)
        if len(made) == len(self._targets):
            return list(made)
        it = iter(made)
        return [next(it) if need else None for need in how.edge_needs]

    def _run_for(self, needs: tuple[bool, ...], grads: list, record: bool) -> list:
        """The gradients of some of the inputs only, for which the same is saved."""
        made = self.recipe
        self.recipe = recipe(self.spec, needs, made.avals, type(self).__name__)
        try:
            return GradFn._run(self, grads, record)
        finally:
            self.recipe = made

    def _run_unpacked(self, grads: list, record: bool) -> list:
        from torchish.autograd.saved import unpacked

        kept = self.saved, self.results, self.packed
        saved, results = unpacked(self)
        self.saved, self.results, self.packed = saved, results, None
        try:
            return self._run(grads, record)
        finally:
            self.saved, self.results, self.packed = kept

    def _release(self) -> None:
        if self.packed is not None:
            self.packed = {}
        if self.recipe.frees:
            self.saved = None
            self.results = ()
            self.tensors = self.result_versions = ()
            self.versions = ()

    def __dir__(self) -> list[str]:
        from torchish.autograd import saved

        own = [name for name in super().__dir__() if not name.startswith(("_saved_", "_raw_saved_"))]
        return [*own, *saved.saved_names(self)]


class PartGradFn(GradFn):
    """The backward of an operation some of whose inputs get no gradient, or some of whose results do not pass theirs on."""

    def _run(self, grads: list, record: bool) -> list:
        if self.saved is None:
            raise RuntimeError(SECOND_TIME)
        heard = [None if k in self.recipe.deaf else g for k, g in enumerate(grads)]
        if True not in self.recipe.needs or all(g is None for g in heard):
            return [None] * len(self._targets)
        return super()._run(heard, record)


class PassingGradFn(GradFn):
    """The backward of an operation that hands its gradient on to some inputs as it is, as a sum does, which takes no operation."""

    def _run(self, grads: list, record: bool) -> list:
        made = self.recipe
        g = grads[0]
        a = g._aval if record else g.aval
        same = [i for i in made.passes if made.avals[i] is a]
        if not same:
            return super()._run(grads, record)
        needs = tuple([need and i not in same for i, need in enumerate(made.needs)])
        if True not in needs:
            return [g if i in same else None for i in made.edges]
        out = self._run_for(needs, grads, record)
        for k, i in enumerate(made.edges):
            if i in same:
                out[k] = g
        return out


class ReachingGradFn(GradFn):
    """The backward of a backward with several gradients: inputs that those in question do not depend on get none."""

    def _run(self, grads: list, record: bool) -> list:
        heard = {k for k, g in enumerate(grads) if g is not None}
        made = self.recipe
        needs = tuple([need and not heard.isdisjoint(reached) for need, reached in zip(made.needs, self.spec.op.reaches, strict=True)])
        if needs == made.needs:
            return super()._run(grads, record)
        if True not in needs:
            return [None] * len(self._targets)
        return self._run_for(needs, grads, record)


def _changed(a, function: str | None, number: int, now: int, version: int) -> RuntimeError:
    kind = f"torch.{'cuda.' if a.device.startswith('cuda') else ''}{LEGACY_NAMES[a.torch_dtype]}"
    if a.category == 3:
        kind = f"CPU{LEGACY_NAMES[a.torch_dtype].replace('Tensor', 'Type')}"
    source = f", which is output {number} of {forward_name(function)}," if function else ""
    return RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[{kind} {list(a.shape)}]{source} is at version {now}; expected version {version} instead. Hint: "
        + (
            "the backtrace further above shows the operation that failed to compute its gradient. The variable in question "
            "was changed in there or anywhere later. Good luck!"
            if ANOMALY.enabled
            else "enable anomaly detection to find the operation that failed to compute its gradient, with "
            "torch.autograd.set_detect_anomaly(True, check_nan=False)."
        )
    )


def modified_inplace(t, version: int) -> RuntimeError:
    """The error for a saved tensor that was changed after it was saved."""
    f = t.grad_fn
    return _changed(t._aval, None if f is None else f.name(), t._out_nr, t._vc.version, version)


def changed(t, function: str, number: int, version: int) -> RuntimeError:
    """The same for a saved result: output `number` of `function`."""
    return _changed(t._aval, function, number, t._vc.version, version)


def forward_name(function: str) -> str:
    """A gradient function's name as PyTorch's errors give it: without `Backward`, and the number if it is 0."""
    return re.sub(r"Backward0?$|Backward(?=\d+$)", "", function)


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


class GradFnPattern:
    """Makes gradient functions that save nothing and differ in where their gradients go only: those of views."""

    __slots__ = ("cls", "spec", "avals", "recipe")

    def __init__(self, fn: GradFn):
        self.cls, self.spec, self.avals, self.recipe = type(fn), fn.spec, fn._avals, fn.recipe

    def like(self, edge: tuple) -> GradFn:
        return self.cls(self.spec, (), edge[:1], edge[1:], self.avals, (), self.recipe)


class AccumulateGrad(Node):
    """Where the gradient of a leaf arrives."""

    __module__ = "builtins"
    _display = "torch::autograd::AccumulateGrad"
    closed = False  # whether the leaf was made by a function transform that has ended

    def __init__(self, variable):
        self._seq = 1 << 62  # leaves accumulate as soon as their gradient is complete
        self.variable = variable
        self._avals = (variable._aval,)

    def _run(self, grads: list, record: bool) -> list:
        if grads[0] is not None and self.variable._requires_grad:
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


class SavedTensorHooks:
    """The hooks on saved tensors in force, per thread, and the message while they are refused."""

    any = False  # whether any thread has some

    def __init__(self) -> None:
        self._local = threading.local()

    @property
    def stack(self) -> list:
        stack = getattr(self._local, "stack", None)
        if stack is None:
            stack = self._local.stack = []
        return stack

    @property
    def disabled(self) -> str | None:
        return getattr(self._local, "disabled", None)

    @disabled.setter
    def disabled(self, message: str | None) -> None:
        self._local.disabled = message


HOOKS = SavedTensorHooks()


class Task:
    """One backward pass that is running: its number, and which nodes it will visit."""

    _numbers = itertools.count()

    def __init__(self, roots: list, goals: set | None):
        self.number = next(Task._numbers)
        self.roots, self.goals = roots, goals
        self._visited: set | None = None

    def runs(self, node: Node) -> bool:
        """Whether this pass computes the gradient that arrives at `node`."""
        if self._visited is None:
            order: list[Node] = []
            seen: set[Node] = set()
            stack = [n for n, _ in self.roots]
            while stack:
                n = stack.pop()
                if n is not None and n not in seen:
                    seen.add(n)
                    order.append(n)
                    stack += n._targets
            self._visited = seen if self.goals is None else _leads_to(order, self.goals) & seen
        return node in self._visited


tasks: list[Task] = []  # the innermost last


class LeafHooks:
    """Whether any hook was ever put on a leaf: then leaves are visited in PyTorch's order, which takes counting."""

    any = False


def _run_plain(roots: list, gradients: list, keep_graph: bool) -> None:
    """The common backward pass: nothing recorded, no targets, no hooks on leaves.

    Every edge leads to an older function, so visiting functions from the youngest to the oldest visits each after
    all that send it gradients; leaves come last.
    """
    work: dict[int, tuple[Node, list]] = {}  # by sequence number: the function, and the gradients that have arrived
    leaves: dict[Node, Any] = {}
    heap: list[int] = []
    arrived: Any = [(child, number, g) for (child, number), g in zip(roots, gradients, strict=True)]
    node: Any = None  # the one that runs
    previous = STATE.enabled
    STATE.enabled = False
    try:
        while True:
            for child, number, g in arrived:
                if g is None or child is None:
                    continue
                if type(child) is AccumulateGrad:
                    old = leaves.pop(child, None)
                    leaves[child] = g if old is None else TENSORS.add(old, g, False)
                    continue
                s = child._seq
                if s in work:
                    grads = work[s][1]
                else:
                    grads = [None] * len(child._avals)
                    work[s] = child, grads
                    heapq.heappush(heap, -s)
                old = grads[number]
                grads[number] = g if old is None else TENSORS.add(old, g, False)
            if not heap:
                break
            node, grads = work.pop(-heapq.heappop(heap))
            for i, a in enumerate(node._avals):
                g = grads[i]
                if g is not None and g.aval is not a:
                    grads[i] = TENSORS.cast(g, a, False)
            if node._pre_hooks or node._retained:
                grads = _run_function_hooks(node, _run_tensor_hooks(node, grads, False), False)
            out = node._run(grads, False)
            if node._post_hooks:
                out = _run_post_hooks(node, out, grads, False)
            if not keep_graph:
                node._release()
            arrived = zip(node._targets, node._numbers, out, strict=False)
    except BaseException:
        missing = _unfinished(roots, node)
        _store([(leaf, g) for leaf, g in leaves.items() if leaf not in missing])
        raise
    else:
        _store(leaves.items())
    finally:
        STATE.enabled = previous


def _store(gradients: Iterable[tuple[Node, Any]]) -> None:
    """Accumulate the gradients that have arrived at these leaves."""
    for node, g in gradients:
        a = node._avals[0]
        node._run([g if g.aval is a else TENSORS.cast(g, a, False)], False)


def _unfinished(roots: list, last: Node | None) -> set[Node]:
    """Where a pass that failed at `last` had not sent all gradients yet: what that function and older ones lead to."""
    seen: set[Node] = set()
    unfinished: set[Node] = set()
    stack = [node for node, _ in roots]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        stack += node._targets
        if last is not None and node._seq <= last._seq:
            unfinished.update(node._targets)
    return unfinished


def _retain(node: Node, grads: list, record: bool) -> None:
    for ref, number in node._retained or ():
        if (t := ref()) is not None and grads[number] is not None:
            TENSORS.store_grad(t, grads[number], record)


def run_backward(
    roots: list,  # (node, output number)
    gradients: list,
    keep_graph: bool,
    record: bool,
    targets: list | None = None,  # (node, output number) whose gradients are returned instead of accumulated
    accumulate_only: set | None = None,  # accumulate into these leaf nodes only
) -> list:
    """Send `gradients` from `roots` to the leaves, each node once, in reverse order of creation."""
    restrict = targets is not None or accumulate_only is not None
    tasks.append(Task(roots, {n for n, _ in targets or ()} | (accumulate_only or set()) if restrict else None))
    try:
        if not (record or restrict or LeafHooks.any or ANOMALY.enabled or PROFILER):
            _run_plain(roots, gradients, keep_graph)
            return []
        return _run_counting(roots, gradients, keep_graph, record, targets, accumulate_only)
    finally:
        tasks.pop()


def _run_counting(
    roots: list, gradients: list, keep_graph: bool, record: bool, targets: list | None, accumulate_only: set | None
) -> list:
    """A backward pass that waits at each node for all its gradients, and goes only where it must."""
    buffers: dict[Node, list] = {}
    only = roots[0][0] if len(roots) == 1 else None  # PyTorch goes to it without asking where it leads, and so runs its tensor's hooks
    for (node, number), g in zip(roots, gradients, strict=True):
        buf = buffers.setdefault(node, [None] * max(len(node._avals), 1))
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
        for child in node._targets:
            if child is not None:
                pending[child] = pending.get(child, 0) + 1
                if child not in seen:
                    seen.add(child)
                    stack.append(child)
    useful = _leads_to(order, set(wanted) | (accumulate_only or set())) if restrict else None

    arrivals = itertools.count()  # leaves, whose numbers are the same, run in the order in which they are complete
    heap = [(-n._seq, next(arrivals), n) for n in buffers if not pending.get(n)]
    heapq.heapify(heap)
    previous = STATE.enabled
    STATE.enabled = record
    try:
        while heap:
            _, _, node = heapq.heappop(heap)
            grads = buffers.pop(node, None)
            out: list = []
            if grads is not None and (useful is None or node in useful or node is only) and any(g is not None for g in grads):
                for i, g in enumerate(grads):
                    if g is not None and i < len(node._avals):
                        grads[i] = TENSORS.cast(g, node._avals[i], record)
                runs = useful is None or any(c in useful for c in node._targets if c) or node in (accumulate_only or ())
                if type(node) is AccumulateGrad and restrict and node not in (accumulate_only or ()):
                    runs = False
                before = [*grads]
                grads = _run_tensor_hooks(node, grads, record)
                for number in wanted.get(node, ()):  # PyTorch looks before the hooks of functions that run
                    captured[node, number] = (before if runs else grads)[number]
                if runs:
                    grads = _run_function_hooks(node, grads, record)
                    run = node._run if not ANOMALY.enabled else _watched(node)
                    out = run(grads, record) if PROFILER is None else PROFILER(node.name(), run, grads, record)
                    if node._post_hooks:
                        out = _run_post_hooks(node, out, grads, record)
                    if not keep_graph:
                        node._release()
            for k, (child, number) in enumerate(zip(node._targets, node._numbers, strict=True)):
                if child is None:
                    continue
                g = out[k] if k < len(out) else None
                if g is not None:
                    buf = buffers.setdefault(child, [None] * max(len(child._avals), 1))
                    buf[number] = g if buf[number] is None else TENSORS.add(buf[number], g, record)
                pending[child] -= 1
                if pending[child] == 0:
                    heapq.heappush(heap, (-child._seq, next(arrivals), child))
    finally:
        STATE.enabled = previous
    return [captured.get(t) for t in targets or ()]


def _watched(node: Node) -> Any:
    """`node._run` in anomaly mode: a failure shows the forward call, and a nan gradient is a failure."""
    import warnings

    def report():
        where = getattr(node, "_where", None)
        text = (
            f"Error detected in {node.name()}. Traceback of forward call that caused the error:\n{where}"
            if where
            else f"Error detected in {node.name()}. No forward pass information available. Enable detect anomaly during "
            "forward pass for more information."
        )
        warnings.warn(text, stacklevel=5)

    def run(grads: list, record: bool) -> list:
        try:
            out = node._run(grads, record)
        except Exception:  # whatever it is, it goes on
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
        for child in node._targets:
            if child is not None:
                parents.setdefault(child, []).append(node)
    stack = list(goals)
    while stack:
        for p in parents.get(stack.pop(), ()):
            if p not in useful:
                useful.add(p)
                stack.append(p)
    return useful


def _run_tensor_hooks(node: Node, grads: list, record: bool) -> list:
    """The hooks on the outputs' gradients, of which those that are kept are what is left then."""
    for which, hook in list((node._pre_hooks or {}).values()):
        if which != "all" and grads[which] is not None:
            grads[which] = TENSORS.call_hook(hook, grads[which], record)
    if node._retained:
        _retain(node, grads, record)
    return grads


def _run_function_hooks(node: Node, grads: list, record: bool) -> list:
    for which, hook in list((node._pre_hooks or {}).values()):
        if which == "all":
            grads = TENSORS.call_all_hook(hook, grads, record)
    return grads


def _run_post_hooks(node: Node, out: list, grads: list, record: bool) -> list:
    for hook in list((node._post_hooks or {}).values()):
        out = TENSORS.call_all_hook(hook, out, record, grads)
    return out


def __getattr__(name: str) -> Any:
    from torchish.autograd import saved  # what users see of this module's data; it is built on this one

    if name in saved.__all__:
        return getattr(saved, name)
    raise AttributeError(f"module 'torch.autograd.graph' has no attribute '{name}'")


def weak(t) -> weakref.ref:
    return weakref.ref(t)


# Most are given by `__getattr__`.
__all__ = ["GradientEdge", "Node", "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks", "get_gradient_edge",  # noqa: F822
           "increment_version", "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks"]  # fmt: skip
