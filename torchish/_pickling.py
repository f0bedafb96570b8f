"""Pickling of objects whose classes go by PyTorch's names, which `import` finds only while torchish answers for torch."""

from __future__ import annotations

from typing import Any


class Empty:
    """Makes instances of a class without initialising them. Itself it is copied as it is, and pickled by the class's name."""

    __slots__ = ("cls",)

    def __init__(self, cls: type):
        self.cls = cls

    def __call__(self, *args: Any) -> Any:
        return self.cls.__new__(self.cls, *args)  # type: ignore[call-overload]  # a class, not a metaclass

    def __reduce__(self) -> tuple:
        return _empty, (self.cls.__module__, self.cls.__qualname__)


def _empty(module: str, name: str) -> Empty:
    from torchish.serialization._names import find

    return Empty(find(module, name))


def reduce_ex(self: Any, protocol: Any) -> Any:
    """`__reduce_ex__` of such classes: their subclasses in torchish go by PyTorch's names, users' own are as any other."""
    cls = type(self)
    if cls.__module__.partition(".")[0] != "torch":
        return object.__reduce_ex__(self, protocol)
    return Empty(cls), (), self.__getstate__()


def reduce_fields(self: Any, protocol: Any) -> Any:
    """`reduce_ex` of named tuples."""
    cls = type(self)
    if cls.__module__.partition(".")[0] != "torch":
        return object.__reduce_ex__(self, protocol)
    return Empty(cls), tuple(self)


def name_classes(*modules: str) -> None:
    """Give the classes that these modules define the names of PyTorch's: `torch.utils.data.dataset.Subset`."""
    import sys

    from torchish._runner._names import pytorch_name

    for module in modules:
        for cls in vars(sys.modules[module]).values():
            if isinstance(cls, type) and cls.__module__ == module:
                cls.__module__ = pytorch_name(module)
