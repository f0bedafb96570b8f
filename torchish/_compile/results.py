"""What a captured call returns and leaves in places: tensors that each call makes anew, and how to make them."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from sys import getrefcount
from typing import Any

from torchish._compile.guards import Unstable
from torchish._compile.walk import SCALARS
from torchish._tensor.apply import CopySlices
from torchish._tensor.split import PartsFn
from torchish._tensor.storage import Storage, VersionCounter
from torchish._tensor.tensor import Tensor
from torchish.autograd.function import BackwardFunction
from torchish.autograd.graph import AccumulateGrad, GradFn, Node
from torchish.engine.capture import assign, made_leaf
from torchish.engine.expr import Expr

_new = object.__new__


def is_live(fn: Node | None) -> bool:
    """Whether a backward pass from here would need values of this very call."""
    stack, seen = [fn] if fn is not None else [], set()
    while stack:
        node = stack.pop()
        if id(node) in seen or type(node) is AccumulateGrad:
            continue
        seen.add(id(node))
        if node._pre_hooks or node._post_hooks or node._retained or node._metadata:
            return True
        if isinstance(node, GradFn):
            if node.packed or node.results or any(isinstance(x, Expr) for x in node.saved or ()):
                return True
        elif isinstance(node, CopySlices):
            stack.append(node.fn)
        elif isinstance(node, BackwardFunction):
            if node._saved or not node._freed and any(isinstance(v, Tensor) for v in vars(node).values()):
                return True
        elif not isinstance(node, PartsFn):
            return True
        stack += [child for child in node._targets if child is not None]
    return False


class Fresh:
    """A tensor that every call makes: from the value `code` (see `value_of`) of its storage's root."""

    __slots__ = ("code", "aval", "root_strides", "writes", "version", "state", "group")

    def __init__(self, t: Tensor, code: int, group: int):
        """Raises Unstable for tensors that cannot be made from values alone."""
        if type(t) is not Tensor or is_live(t._grad_fn) or (t._base is not None and t._needs()):
            raise Unstable("it makes a tensor whose gradient is still to be computed")
        st = t._storage
        if st.buffer is not None:
            raise Unstable("it makes a tensor that NumPy shares")
        self.code, self.group = code, group
        self.aval, self.root_strides, self.writes = st.expr.aval, st.strides, st.writes
        self.version = t._vc.version
        skip = ("_storage", "_vc", "_cached", "_stamp", "_grad", "_base", "_accumulator", "_steps", "_creation", "_attr_version")
        if t._grad is not None or t._leaf_hooks or t._post_accumulate:
            raise Unstable("it makes a tensor with a gradient or hooks of its own")
        self.state = {k: v for k, v in t.__dict__.items() if k not in skip}

    def make(self, value: Any, storages: dict[int, Storage]) -> Tensor:
        """The tensor; results that share memory share it again."""
        t = _new(Tensor)
        d = t.__dict__
        st = storages.get(self.group)
        if st is None:
            st = storages[self.group] = Storage(value if type(value) is Expr else made_leaf(self.aval, value), self.root_strides)
            st.writes = self.writes
        d["_storage"] = st
        d.update(self.state)
        d["_vc"] = counter = VersionCounter()
        counter.version = self.version
        return t


class Slot:
    """A place (`container[key]`) whose tensor every call replaces: the old one is used again when nobody else has it."""

    __slots__ = ("container", "key", "fresh", "alone")

    def __init__(self, container: Any, key: Any, fresh: Fresh, alone: bool):
        self.container, self.key, self.fresh = container, key, fresh
        # whether the tensor is in this place only, and shows all of its memory
        self.alone = alone and not fresh.state.get("_chain") and "_grad_fn" not in fresh.state

    def fits(self) -> bool:
        """Whether the tensor that is here now is like the one that was."""
        t = self.container.get(self.key)
        if type(t) is not Tensor:
            return False
        return t._aval is self.fresh.state["_aval"] and not t._chain and not t._requires_grad and t._storage.buffer is None

    def put(self, value: Any, storages: dict[int, Storage]) -> None:
        """Store a value that a program made."""
        f = self.fresh
        if self.alone:
            t = self.container[self.key]
            st = t._storage
            # references: the container, the name here, getrefcount's argument; the tensor (perhaps also as counter), the name, the argument
            alone = getrefcount(t) == 3 and getrefcount(st) == 3 + (t._vc is st)
            if alone and st.strides == f.root_strides and len(t.__dict__) == len(f.state) + 2:
                assign(st, value, 1)
                t._vc.version = f.version
                return
        self.container[self.key] = f.make(value, storages)


def plan(x: Any, bind: Callable[[Tensor], Any]) -> Callable[[Any], Any]:
    """A function of what `bind`'s results need that rebuilds a result. Raises Unstable for what cannot be made anew."""
    if isinstance(x, Tensor):
        return bind(x)
    if isinstance(x, SCALARS):
        return lambda given: x
    cls = type(x)
    if cls in (list, tuple):
        parts = [plan(v, bind) for v in x]
        return lambda given: cls([p(given) for p in parts])
    if isinstance(x, tuple) and hasattr(cls, "_make"):
        parts = [plan(v, bind) for v in x]
        return lambda given: cls._make([p(given) for p in parts])
    if cls in (dict, OrderedDict):
        entries = [(k, plan(v, bind)) for k, v in x.items()]
        return lambda given: cls([(k, p(given)) for k, p in entries])
    if cls is defaultdict:
        entries = [(k, plan(v, bind)) for k, v in x.items()]
        return lambda given: defaultdict(x.default_factory, [(k, p(given)) for k, p in entries])
    raise Unstable(f"it returns a {cls.__name__}")


def tensors_in(x: Any) -> list[Tensor]:
    """The tensors of a result."""
    if isinstance(x, Tensor):
        return [x]
    if isinstance(x, (list, tuple)):
        return [t for v in x for t in tensors_in(v)]
    if isinstance(x, dict):
        return [t for v in x.values() for t in tensors_in(v)]
    return []
