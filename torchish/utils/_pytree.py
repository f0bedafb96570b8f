"""`torch.utils._pytree`: nested containers as flat lists of leaves, and back.

Lists, tuples, dicts, named tuples, deques and the results of operations are containers, and so is what is registered.
Everything else is a leaf, None too: unlike in `jax.tree_util`. Dicts keep the order of their keys.
"""

from __future__ import annotations

import types
import warnings
from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from torchish._runner import missing_attribute
from torchish._tensor.size import Size

PyTree: TypeAlias = Any
Context: TypeAlias = Any
IsLeaf: TypeAlias = Callable[[Any], bool] | None


# --- what leads to a leaf ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class MappingKey:
    """The value of a dict."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"

    def get(self, mapping: Any) -> Any:
        return mapping[self.key]


@dataclass(frozen=True)
class SequenceKey:
    """An item of a sequence."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"

    def get(self, sequence: Any) -> Any:
        return sequence[self.idx]


@dataclass(frozen=True)
class GetAttrKey:
    """An attribute."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"

    def get(self, obj: Any) -> Any:
        return getattr(obj, self.name)


KeyPath: TypeAlias = tuple[Any, ...]


def keystr(kp: KeyPath) -> str:
    """A path as Python code: `['a'][0].x`."""
    return "".join(map(str, kp))


def key_get(obj: Any, kp: KeyPath) -> Any:
    """What a path leads to."""
    for k in kp:
        obj = k.get(obj)
    return obj


# --- containers --------------------------------------------------------------------------------------------


class NodeDef(NamedTuple):
    """A kind of container: what it holds and how it is made again, `keys` from its context and how many it holds."""

    type: Any
    flatten_fn: Callable[[Any], tuple[Iterable[Any], Context]]
    unflatten_fn: Callable[[Iterable[Any], Context], Any]
    flatten_with_keys_fn: Callable[[Any], tuple[Iterable[tuple[Any, Any]], Context]] | None


SUPPORTED_NODES: dict[Any, NodeDef] = {}
_DICTS = (dict, OrderedDict, defaultdict)


def register_pytree_node(
    cls: type, flatten_fn: Callable[[Any], tuple[Iterable[Any], Context]], unflatten_fn: Callable[[Iterable[Any], Context], Any], *,
    serialized_type_name: str | None = None, to_dumpable_context: Callable | None = None, from_dumpable_context: Callable | None = None,
    flatten_with_keys_fn: Callable[[Any], tuple[Iterable[tuple[Any, Any]], Context]] | None = None,
) -> None:  # fmt: skip
    """Have instances of `cls` taken apart by `flatten_fn` and made again by `unflatten_fn`; ValueError for a class that is registered."""
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    SUPPORTED_NODES[cls] = NodeDef(cls, flatten_fn, unflatten_fn, flatten_with_keys_fn)


def _keyed(key: Callable[[Any], Any], flatten: Callable, names: Callable[[Any, list], Iterable]) -> Callable:
    def with_keys(tree: Any) -> tuple[list[tuple[Any, Any]], Context]:
        items, context = flatten(tree)
        items = list(items)
        return [(key(k), x) for k, x in zip(names(context, items), items, strict=True)], context

    return with_keys


def _register(cls: Any, flatten: Callable, unflatten: Callable, key: Callable, names: Callable) -> None:
    SUPPORTED_NODES[cls] = NodeDef(cls, flatten, unflatten, _keyed(key, flatten, names))


def _places(context: Context, items: list) -> Iterable:
    return range(len(items))


_register(tuple, lambda t: (t, None), lambda items, _: tuple(items), SequenceKey, _places)
_register(list, lambda t: (t, None), lambda items, _: list(items), SequenceKey, _places)
_register(Size, lambda t: (tuple(t), None), lambda items, _: Size(items), SequenceKey, _places)
_register(deque, lambda t: (t, t.maxlen), lambda items, maxlen: deque(items, maxlen=maxlen), SequenceKey, _places)
_register(dict, lambda t: (t.values(), list(t)), lambda items, keys: dict(zip(keys, items, strict=True)), MappingKey, lambda c, _: c)
_register(
    OrderedDict, lambda t: (t.values(), list(t)), lambda items, keys: OrderedDict(zip(keys, items, strict=True)), MappingKey,
    lambda c, _: c,
)  # fmt: skip
_register(
    defaultdict, lambda t: (t.values(), [t.default_factory, list(t)]),
    lambda items, context: defaultdict(context[0], zip(context[1], items, strict=True)), MappingKey, lambda c, _: c[1],
)  # fmt: skip
_register(namedtuple, lambda t: (t, type(t)), lambda items, cls: cls(*items), GetAttrKey, lambda c, _: c._fields)


def is_structseq_class(cls: type) -> bool:
    """Whether a class is that of an operation's results, or of Python's own such tuples (`os.stat_result`)."""
    return isinstance(cls, type) and issubclass(cls, tuple) and isinstance(getattr(cls, "n_sequence_fields", None), int)


def is_namedtuple_class(cls: type) -> bool:
    """Whether a class is a named tuple."""
    if not (isinstance(cls, type) and issubclass(cls, tuple)) or is_structseq_class(cls):
        return False
    fields = getattr(cls, "_fields", None)
    return (isinstance(fields, tuple) and all(isinstance(f, str) for f in fields)
            and callable(getattr(cls, "_make", None)) and callable(getattr(cls, "_asdict", None)))  # fmt: skip


def is_structseq_instance(obj: object) -> bool:
    return is_structseq_class(type(obj))


def is_namedtuple_instance(obj: object) -> bool:
    return is_namedtuple_class(type(obj))


def is_structseq(obj: object | type) -> bool:
    return is_structseq_class(obj if isinstance(obj, type) else type(obj))


def is_namedtuple(obj: object | type) -> bool:
    return is_namedtuple_class(obj if isinstance(obj, type) else type(obj))


def _node(tree: Any) -> NodeDef | None:
    """How a container is taken apart; None for a leaf."""
    cls = type(tree)
    found = SUPPORTED_NODES.get(cls)
    if found is None and is_namedtuple_class(cls):
        return SUPPORTED_NODES[namedtuple]
    if found is None and is_structseq_class(cls):
        return NodeDef(cls, lambda t: (tuple(t), None), lambda items, _: cls(items), _keyed(SequenceKey, lambda t: (t, None), _places))
    return found


def tree_is_leaf(tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """Whether a tree is a leaf."""
    return (is_leaf is not None and is_leaf(tree)) or _node(tree) is None


# --- structures --------------------------------------------------------------------------------------------


class TreeSpec:
    """The structure of a tree: what is left when its leaves are taken out. It prints leaves as `*`."""

    def __init__(self, type: Any, context: Context, children: Iterable[TreeSpec] = ()) -> None:
        self.type = type
        self.context = context
        self._children = list(children)
        self.num_nodes: int = 1 + sum(c.num_nodes for c in self._children)
        self.num_leaves: int = 1 if type is None else sum(c.num_leaves for c in self._children)
        self.num_children = len(self._children)

    def is_leaf(self) -> bool:
        return self.type is None

    def children(self) -> list[TreeSpec]:
        return self._children.copy()

    def child(self, index: int) -> TreeSpec:
        return self._children[index]

    @property
    def children_specs(self) -> list[TreeSpec]:
        warnings.warn(
            "`treespec.children_specs` is deprecated. Use `treespec.child(index)` to access a single child, or "
            "`treespec.children()` to get all children.",
            FutureWarning,
            stacklevel=2,
        )
        return self._children

    def __repr__(self, indent: int = 0) -> str:
        if self.is_leaf():
            return "*"
        children = f",\n{' ' * (indent + 2)}".join(c.__repr__(indent + 2) for c in self._children)
        return f"TreeSpec({self.type.__name__}, {self.context}, [{children}])"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TreeSpec):
            return NotImplemented
        return self.type is other.type and self.context == other.context and self._children == other._children

    def __hash__(self) -> int:
        return hash((self.type, str(self.context), tuple(self._children)))

    def flatten_up_to(self, tree: PyTree) -> list[PyTree]:
        """The parts of `tree` in the places of this structure's leaves; ValueError where it has another structure above them."""
        found: list[PyTree] = []
        self._collect(tree, found)
        return found

    def _collect(self, tree: PyTree, found: list[PyTree]) -> None:
        if self.is_leaf():
            found.append(tree)
            return
        node = _node(tree)
        theirs = type(tree) if node is None else node.type
        dicts = self.type in _DICTS and theirs in _DICTS
        if node is None or (theirs is not self.type and not dicts):
            raise ValueError(f"Node type mismatch; expected {self.type!r}, but got {theirs!r}.")
        items, context = node.flatten_fn(tree)
        items = list(items)
        if len(items) != self.num_children:
            raise ValueError(f"Node arity mismatch; expected {self.num_children}, but got {len(items)}.")
        if dicts:
            keys = self.context[1] if self.type is defaultdict else self.context
            missing, extra = {k for k in keys if k not in tree}, {k for k in tree if k not in keys}
            if missing or extra:
                message = f"; missing key(s): {missing}" if missing else ""
                message += f"; extra key(s): {extra}" if extra else ""
                raise ValueError(f"Node keys mismatch{message}.")
            items = [tree[k] for k in keys]
        elif self.type is not deque and context != self.context:
            raise ValueError(f"Node context mismatch for custom node type {self.type!r}.")
        for child, item in zip(self._children, items, strict=True):
            child._collect(item, found)

    def unflatten(self, leaves: Iterable[Any]) -> PyTree:
        """The tree of this structure with these leaves; ValueError unless there are as many as it has."""
        leaves = list(leaves)
        if len(leaves) != self.num_leaves:
            raise ValueError(
                f"treespec.unflatten(leaves): `leaves` has length {len(leaves)} but the spec refers to a pytree that holds "
                f"{self.num_leaves} items ({self})."
            )
        return self._filled(iter(leaves))

    def _filled(self, leaves: Iterator[Any]) -> PyTree:
        if self.is_leaf():
            return next(leaves)
        items = [c._filled(leaves) for c in self._children]
        if self.type not in SUPPORTED_NODES:  # an operation's results
            return self.type(items)
        return SUPPORTED_NODES[self.type].unflatten_fn(items, self.context)


PyTreeSpec = TreeSpec


class _Leaf(type):
    def __instancecheck__(cls, instance: object) -> bool:
        warnings.warn(
            "`isinstance(treespec, LeafSpec)` is deprecated, use `isinstance(treespec, TreeSpec) and treespec.is_leaf()` instead.",
            FutureWarning,
            stacklevel=2,
        )
        return isinstance(instance, TreeSpec) and instance.is_leaf()


class LeafSpec(metaclass=_Leaf):
    """The structure of a leaf."""

    def __new__(cls) -> TreeSpec:  # type: ignore[misc]
        return TreeSpec(None, None)


# --- trees -------------------------------------------------------------------------------------------------


def _flatten(tree: PyTree, leaves: list[Any], is_leaf: IsLeaf) -> TreeSpec:
    node = None if is_leaf is not None and is_leaf(tree) else _node(tree)
    if node is None:
        leaves.append(tree)
        return TreeSpec(None, None)
    items, context = node.flatten_fn(tree)
    return TreeSpec(node.type, context, [_flatten(x, leaves, is_leaf) for x in items])


def tree_flatten(tree: PyTree, is_leaf: IsLeaf = None) -> tuple[list[Any], TreeSpec]:
    """The leaves of a tree, and its structure."""
    leaves: list[Any] = []
    spec = _flatten(tree, leaves, is_leaf)
    return leaves, spec


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> PyTree:
    """The tree of a structure with these leaves."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(f"Expected `treespec` to be an instance of PyTreeSpec but got item of type {type(treespec)}.")
    return treespec.unflatten(leaves)


def tree_iter(tree: PyTree, is_leaf: IsLeaf = None) -> Iterator[Any]:
    """The leaves of a tree, one by one."""
    node = None if is_leaf is not None and is_leaf(tree) else _node(tree)
    if node is None:
        yield tree
        return
    for x in node.flatten_fn(tree)[0]:
        yield from tree_iter(x, is_leaf)


def tree_leaves(tree: PyTree, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves of a tree."""
    return list(tree_iter(tree, is_leaf))


def tree_structure(tree: PyTree, is_leaf: IsLeaf = None) -> TreeSpec:
    """The structure of a tree."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf = None) -> PyTree:
    """The tree of what `func` makes of the leaves, each with what `rests` have in its place."""
    leaves, spec = tree_flatten(tree, is_leaf)
    return spec.unflatten(map(func, leaves, *[spec.flatten_up_to(r) for r in rests]))


def tree_map_(func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf = None) -> PyTree:
    """Call `func` on the leaves, as `tree_map` does, for what it changes; gives back `tree`."""
    leaves, spec = tree_flatten(tree, is_leaf)
    for args in zip(leaves, *[spec.flatten_up_to(r) for r in rests], strict=True):
        func(*args)
    return tree


def _predicate(what: Any) -> Callable[[Any], bool]:
    if isinstance(what, (type, tuple, types.UnionType)):
        return lambda x: isinstance(x, what)
    if callable(what):
        return what
    raise TypeError("Argument must be a type, a tuple of types, or a callable.")


def map_only(type_or_types_or_pred: Any, /) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """A decorator: the function is called on what is of these types, or fulfils the predicate; the rest stays."""
    wanted = _predicate(type_or_types_or_pred)
    return lambda func: lambda x: func(x) if wanted(x) else x


def tree_map_only(type_or_types_or_pred: Any, /, func: Callable[[Any], Any], tree: PyTree, is_leaf: IsLeaf = None) -> PyTree:
    """`tree_map` on the leaves of these types, or that fulfil the predicate."""
    return tree_map(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_map_only_(type_or_types_or_pred: Any, /, func: Callable[[Any], Any], tree: PyTree, is_leaf: IsLeaf = None) -> PyTree:
    """`tree_map_` on the leaves of these types, or that fulfil the predicate."""
    return tree_map_(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """Whether all leaves fulfil `pred`."""
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """Whether a leaf fulfils `pred`."""
    return any(map(pred, tree_iter(tree, is_leaf)))


def tree_all_only(type_or_types: Any, /, pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """Whether all leaves of these types fulfil `pred`."""
    return all(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, type_or_types))


def tree_any_only(type_or_types: Any, /, pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """Whether a leaf of these types fulfils `pred`."""
    return any(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, type_or_types))


# --- trees and paths ---------------------------------------------------------------------------------------


def _paths(path: KeyPath, tree: PyTree, is_leaf: IsLeaf) -> Iterator[tuple[KeyPath, Any]]:
    node = None if is_leaf is not None and is_leaf(tree) else _node(tree)
    if node is None:
        yield path, tree
        return
    if node.flatten_with_keys_fn is None:
        raise ValueError(
            f"Did not find a flatten_with_keys_fn for type: {node.type}. Please pass a flatten_with_keys_fn argument to "
            "register_pytree_node."
        )
    for key, x in node.flatten_with_keys_fn(tree)[0]:
        yield from _paths((*path, key), x, is_leaf)


def tree_leaves_with_path(tree: PyTree, is_leaf: IsLeaf = None) -> list[tuple[KeyPath, Any]]:
    """The leaves of a tree, each after the keys that lead to it."""
    return list(_paths((), tree, is_leaf))


def tree_flatten_with_path(tree: PyTree, is_leaf: IsLeaf = None) -> tuple[list[tuple[KeyPath, Any]], TreeSpec]:
    """The leaves of a tree, each after the keys that lead to it, and its structure."""
    return tree_leaves_with_path(tree, is_leaf), tree_structure(tree, is_leaf)


def tree_map_with_path(func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf = None) -> PyTree:
    """`tree_map` of a function that gets the path to a leaf first."""
    found, spec = tree_flatten_with_path(tree, is_leaf)
    paths, leaves = zip(*found, strict=True) if found else ((), ())
    return spec.unflatten(map(func, paths, leaves, *[spec.flatten_up_to(r) for r in rests]))


def __getattr__(name: str):
    raise missing_attribute(__name__, name)


__all__ = [
    "Context", "GetAttrKey", "KeyPath", "LeafSpec", "MappingKey", "PyTree", "PyTreeSpec", "SUPPORTED_NODES", "SequenceKey", "TreeSpec",
    "is_namedtuple", "is_namedtuple_class", "is_namedtuple_instance", "is_structseq", "is_structseq_class", "is_structseq_instance",
    "key_get", "keystr", "map_only", "register_pytree_node", "tree_all", "tree_all_only", "tree_any", "tree_any_only", "tree_flatten",
    "tree_flatten_with_path", "tree_is_leaf", "tree_iter", "tree_leaves", "tree_leaves_with_path", "tree_map", "tree_map_", "tree_map_only",
    "tree_map_only_", "tree_map_with_path", "tree_structure", "tree_unflatten",
]  # fmt: skip
