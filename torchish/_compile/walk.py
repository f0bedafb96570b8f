"""What a function can see: the tensors, numbers and containers that its next call may find changed.

A walk starts at the function and its arguments and follows closures, the globals and attributes that code names, containers,
modules and optimizers. It gives *slots* (a container, a key, the value found there), the lengths of containers, and tensors.
"""

from __future__ import annotations

import functools
import sys
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from operator import getitem
from typing import Any

import numpy as np

from torchish import _dtypes as dt
from torchish._tensor.generator import Generator
from torchish._tensor.size import Size
from torchish._tensor.size import device as Device
from torchish._tensor.tensor import Tensor
from torchish.autograd.grad_mode import _Mode
from torchish.nn import Module
from torchish.optim.optimizer import Optimizer

SCALARS = (int, float, bool, str, complex, bytes, type(None), dt.dtype, Device, Size, range, slice, type(...))
MOST_SLOTS = 200_000
SMALL_ARRAY = 1 << 16  # bytes of a NumPy array that may be compared at each call
_FOREIGN = frozenset(sys.stdlib_module_names - {"__main__"}) | {"torchish", "torch", "jax", "jaxlib", "numpy", "optax", "flax"}
_DICTS = (dict, OrderedDict, defaultdict)
# What is read of a tensor: of an optimizer's state, of one that requires a gradient, of any other. The rest follows, or is a cache.
_OF_STATE = ("_storage", "_aval")
_OF_LEAVES = ("_storage", "_aval", "_requires_grad", "_grad", "_leaf_hooks", "_post_accumulate")
_OF_OTHERS = ("_storage", "_aval", "_requires_grad", "_grad_fn")
# What a module's call does not look at.
_NOT_CALLED = frozenset((
    "_non_persistent_buffers_set", "_is_full_backward_hook", "_state_dict_hooks", "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
))  # fmt: skip
GET: Callable = dict.get  # slots of dictionaries


def is_foreign(thing: Any) -> bool:
    """Whether code or a class belongs to a library whose own state is not looked at."""
    root = (getattr(thing, "__module__", None) or "").partition(".")[0]
    return root in _FOREIGN


class Walk:
    """One walk. `names` are the names that code reached so far uses; it grows, and is kept from walk to walk."""

    def __init__(self, names: set[str], roots: Iterable[Any]):
        self.names = names
        while True:
            before = len(names)
            self.slots: list[tuple[Callable, Any, Any, Any]] = []  # (how to read, container, key, value)
            self.lengths: list[tuple[Any, int]] = []
            self.arrays: list[tuple[np.ndarray, bytes]] = []
            self.sets: list[tuple[set, frozenset]] = []
            self.tensors: list[Tensor] = []
            self.obstacle: str | None = None  # why what is seen cannot be compared at a later call
            self.seen: dict[int, Any] = {}
            self._todo = deque(roots)
            while self._todo:
                if len(self.slots) > MOST_SLOTS:
                    self.obstacle = "it refers to too many objects"
                    break
                self._visit(self._todo.popleft())
            if len(names) == before:
                break

    def _slot(self, read: Callable, container: Any, key: Any, value: Any) -> None:
        self.slots.append((read, container, key, value))
        if not isinstance(value, SCALARS):
            self._todo.append(value)

    def _dict(self, d: dict, named_only: bool = False) -> None:
        """The entries of a dictionary; of an object's attributes those that code names."""
        self.seen[id(d)] = d
        self.lengths.append((d, len(d)))
        for k, v in list(d.items()):
            if not named_only or k in self.names:
                self._slot(GET, d, k, v)

    def _visit(self, x: Any) -> None:
        if isinstance(x, SCALARS) or id(x) in self.seen:
            return
        self.seen[id(x)] = x
        cls = type(x)
        if isinstance(x, Tensor):
            self._tensor(x)
        elif isinstance(x, Module):
            self._module(x)
        elif isinstance(x, Optimizer):
            for state in list(x.state.values()):
                if isinstance(state, dict):
                    for t in state.values():
                        if type(t) is Tensor and id(t) not in self.seen:
                            self.seen[id(t)] = t
                            self._tensor(t, _OF_STATE)
            self._dict(vars(x))
            self._class(cls)
        elif isinstance(x, types.FunctionType):
            self._function(x)
        elif isinstance(x, types.MethodType):
            self._todo += (x.__func__, x.__self__)
        elif isinstance(x, functools.partial):
            self._todo += (x.func, *x.args, *x.keywords.values())
        elif isinstance(x, type):
            self._class(x)
            if not is_foreign(x) and isinstance(make := getattr(x, "__init__", None), types.FunctionType):
                self._todo.append(make)
        elif isinstance(x, types.ModuleType):
            if x.__name__.partition(".")[0] not in _FOREIGN:
                space = vars(x)
                for n in sorted(self.names & space.keys()):
                    self._slot(GET, space, n, space[n])
        elif cls in _DICTS or isinstance(x, dict):
            self._dict(x)
        elif isinstance(x, (list, deque)):
            self.lengths.append((x, len(x)))
            for i, v in enumerate(x):
                self._slot(getitem, x, i, v)
        elif isinstance(x, (tuple, frozenset)):
            self._todo += x
        elif isinstance(x, set):
            self.sets.append((x, frozenset(x)))
            self._todo += x
        elif isinstance(x, np.ndarray):
            if x.nbytes <= SMALL_ARRAY and x.dtype != object:
                self.arrays.append((x, x.tobytes()))
            else:
                self.obstacle = self.obstacle or "it refers to a NumPy array too large to compare at each call"
        elif isinstance(x, (types.BuiltinFunctionType, types.MethodWrapperType)):
            if not isinstance(owner := getattr(x, "__self__", None), types.ModuleType) and owner is not None:
                self._todo.append(owner)
        elif isinstance(x, Iterator):
            self.obstacle = self.obstacle or f"it refers to an iterator ({cls.__name__})"
        elif not isinstance(x, (Generator, _Mode, property, np.generic)):
            self._object(x)

    def _object(self, x: Any) -> None:
        """Any other object: its attributes, those that code names where the class is the user's."""
        cls = type(x)
        own = not is_foreign(cls)
        if cls.__module__ == "random" or cls.__module__.startswith(("torchish.data", "torch.utils.data", "numpy.random")):
            self.obstacle = self.obstacle or f"it refers to a {cls.__name__}, which changes unseen"
            return
        if isinstance(space := getattr(x, "__dict__", None), dict):
            library = cls.__module__.partition(".")[0] in ("torch", "torchish") or cls is types.SimpleNamespace
            if own or library:
                self._dict(space, named_only=not library)
        if own:
            for c in cls.__mro__:
                for n in vars(c).get("__slots__", ()) if isinstance(vars(c).get("__slots__", ()), (tuple, list)) else ():
                    if n in self.names and hasattr(x, n):
                        self._slot(getattr, x, n, getattr(x, n))
            self._class(cls)

    def _tensor(self, t: Tensor, keys: tuple[str, ...] | None = None) -> None:
        self.tensors.append(t)
        d = t.__dict__
        if keys is None:
            keys = _OF_LEAVES if t._requires_grad or t._grad is not None else _OF_OTHERS
        for k in keys:
            v = d.get(k)
            self.slots.append((GET, d, k, v))
            if k in _OF_LEAVES[3:] and v is not None:
                self._todo.append(v)

    def _module(self, m: Module) -> None:
        cls = type(m)
        d = m.__dict__
        self.lengths.append((d, len(d)))
        own = not is_foreign(cls)
        for k, v in d.items():
            if k in _NOT_CALLED or (own and not k.startswith("_") and k != "training" and k not in self.names):
                continue
            if k[0] == "_" and type(v) in _DICTS:  # what is in them may change, not which they are
                self._dict(v)
            else:
                self._slot(GET, d, k, v)
        if own:
            self._class(cls)

    def _class(self, cls: type) -> None:
        """A user's class: those of its methods and attributes that code names, or that are called without being named."""
        for c in cls.__mro__:
            if is_foreign(c) or c is object or (id(c) in self.seen and c is not cls):
                continue
            self.seen[id(c)] = c
            for k, v in vars(c).items():
                if isinstance(v, (staticmethod, classmethod)):
                    v = v.__func__
                if k not in self.names and (not k.startswith("__") or k in ("__init__", "__repr__", "__del__")) and k != "forward":
                    continue
                if isinstance(v, types.FunctionType):
                    self._todo.append(v)
                elif isinstance(v, property):
                    self._todo += [f for f in (v.fget, v.fset) if f is not None]
                elif not k.startswith("__"):
                    self._slot(getattr, c, k, getattr(c, k))

    def _function(self, f: types.FunctionType) -> None:
        if hasattr(f, "_step") and hasattr(f, "_torchdynamo_orig_callable"):  # captured by itself elsewhere; here it is what it stands for
            self._todo.append(f._torchdynamo_orig_callable)  # type: ignore[attr-defined]
            return
        wrapped = getattr(f, "__wrapped__", None) or getattr(f, "_torchdynamo_orig_callable", None)
        if wrapped is not None:
            self._todo.append(wrapped)
        if f.__module__ is not None and is_foreign(f) and wrapped is None:
            return
        for value in (*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()):
            self._todo.append(value)
        for cell in f.__closure__ or ():
            try:
                self._slot(getattr, cell, "cell_contents", cell.cell_contents)
            except ValueError:  # an empty cell
                continue
        if is_foreign(f):
            return
        space = f.__globals__
        for n in _names(f.__code__):
            self.names.add(n)
            if n in space:
                self._slot(GET, space, n, space[n])


@functools.lru_cache(4096)
def _names(code: types.CodeType) -> tuple[str, ...]:
    """The names and texts in code and in the functions defined in it."""
    found = {*code.co_names, *(c for c in code.co_consts if isinstance(c, str) and c.isidentifier())}
    for c in code.co_consts:
        if isinstance(c, types.CodeType):
            found.update(_names(c))
    return tuple(sorted(found))
