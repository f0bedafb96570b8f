"""Fills the public namespaces (torch, Tensor, torch.linalg, …) from the declarations."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from torchish import _families
from torchish._runner._names import pytorch_names
from torchish._tensor.autocast import listed
from torchish._tensor.dispatch import COMPOSITES, PLAIN, make_function, make_inplace, overloads_of
from torchish._tensor.docstrings import document
from torchish._tensor.tensor import Tensor
from torchish.ops.declare import REGISTRY


def names() -> list[str]:
    """Every public name that something declares, "linalg.det" style for namespaces below torch."""
    return sorted(set(REGISTRY) | set(COMPOSITES))


def _traits(name: str) -> list:
    ops = [(o.function, o.method, o.inplace) for o in REGISTRY.get(name, ())]
    return ops + [(t["function"], t["method"], t["inplace"]) for _, _, t in COMPOSITES.get(name, ())]


def functions(namespace: str = "") -> dict[str, Callable]:
    """The functions of a namespace: "" for torch itself, else "linalg", "special", "nn.functional"…"""
    if namespace:
        complete()
    made = {}
    prefix = namespace + "." if namespace else ""
    for name in names():
        head, _, short = name.rpartition(".")
        if head != namespace or short.startswith("_"):
            continue
        usable = [o for o in overloads_of(name) if _is_function(o, name)]
        if usable:
            made[short] = document(make_function(prefix + short, usable), short, usable)
            if any(o.op is not None and o.op.inplace for o in usable) and not namespace:
                made[short + "_"] = document(make_inplace(short + "_", usable), short + "_", usable)
    for name, f in PLAIN.items():
        head, _, short = name.rpartition(".")
        if head == namespace:
            made[short] = listed(short, f)
    return made


def _is_function(o, name: str) -> bool:
    if o.op is not None:
        return o.op.function
    return any(t["function"] and f is o.call and s is o.schema for s, f, t in COMPOSITES[name])


def _is_method(o, name: str) -> bool:
    if o.op is not None:
        return o.op.method
    return any(t["method"] and f is o.call and s is o.schema for s, f, t in COMPOSITES[name])


def _is_free(name: str) -> bool:
    return name not in vars(Tensor) or type(vars(Tensor)[name]) is Absent


def install_methods() -> None:
    """Give `Tensor` its methods: those declared, with their in-place forms."""
    for name in names():
        head, _, short = name.rpartition(".")
        if head not in ("", "Tensor") or short.startswith("_"):
            continue
        usable = [o for o in overloads_of(name) if _is_method(o, name)]
        if not usable:
            continue
        if _is_free(short):
            setattr(Tensor, short, document(make_function(short, usable, method=True), short, usable, method=True))
        if any(o.op is not None and o.op.inplace for o in usable) and _is_free(short + "_"):
            setattr(Tensor, short + "_", document(make_inplace(short + "_", usable), short + "_", usable, method=True))


class Absent:
    """An attribute of PyTorch's tensors that comes with a family that is not loaded yet, or that torchish's do not have.

    Looking it up loads the families, or says whose fault it is. A `__getattr__` would make every other attribute three to ten times slower.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, tensor: Tensor | None, cls: type) -> Any:
        complete()
        found = vars(Tensor)[self._name]
        if found is not self:
            bind = getattr(type(found), "__get__", None)
            return found if bind is None else bind(found, tensor, cls)
        whose = f"type object {cls.__name__!r}" if tensor is None else f"{cls.__name__!r} object"
        raise AttributeError(f"{whose} has no attribute {self._name!r} (torchish does not have it)")


def mark_absent() -> None:
    """Give `Tensor` the attributes of PyTorch's that it does not have yet."""
    # the private one is not in the list of public names: how programs make classes with `__torch_dispatch__`
    for name in (*pytorch_names()["torch.Tensor"], "_make_wrapper_subclass"):
        if not hasattr(Tensor, name):
            setattr(Tensor, name, Absent(name))


_lock = threading.RLock()
_state = "common"  # "common" families loaded, "loading" the others, "complete"


def complete() -> bool:
    """Load the families that the import left out and install what they declare; whether there may be new names now."""
    global _state
    if _state == "complete":
        return False
    with _lock:
        if _state != "common":  # another thread has just done it, or a family asks for a name while they load
            return _state == "complete"
        import torchish

        _state = "loading"
        _families.load_others()
        for name, f in functions().items():
            vars(torchish).setdefault(name, f)
        install_methods()
        _state = "complete"
    return True
