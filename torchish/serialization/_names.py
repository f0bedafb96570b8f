"""The names that classes and functions go by in a checkpoint: PyTorch's, whichever of torchish's modules they live in."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

from torchish import _dtypes as dt
from torchish._runner import _names

# The class that a storage of each dtype goes by. Other dtypes are saved as bytes with a dtype beside them.
STORAGES = {
    "DoubleStorage": dt.float64, "FloatStorage": dt.float32, "HalfStorage": dt.float16, "LongStorage": dt.int64,
    "IntStorage": dt.int32, "ShortStorage": dt.int16, "CharStorage": dt.int8, "ByteStorage": dt.uint8,
    "BoolStorage": dt.bool_, "BFloat16Storage": dt.bfloat16, "ComplexDoubleStorage": dt.complex128,
    "ComplexFloatStorage": dt.complex64,
}  # fmt: skip
STORAGE_NAMES = {d: n for n, d in STORAGES.items()}


class Global:
    """A name to be written into a pickle as it is, of a class or a function."""

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str):
        self.module, self.name = module, name

    def __call__(self) -> None:  # picklers ask that what makes an object be callable
        raise AssertionError(f"{self} is a name")

    def __repr__(self) -> str:
        return f"{self.module}.{self.name}"


class StorageType:
    """What the name of a typed storage's class stands for: its dtype."""

    def __init__(self, name: str):
        self._dtype = STORAGES[name]

    @property
    def dtype(self) -> dt.dtype:
        return self._dtype

    def __str__(self) -> str:
        return f"StorageType(dtype={self.dtype})"


@functools.cache
def storage_type(name: str) -> StorageType:
    return StorageType(name)


_FUNCTION_HOMES = ("torchish.nn.functional", "torchish", "torchish.linalg", "torchish.special", "torchish.fft", "torchish.nn.init")


def name_of(obj: Any) -> Global | None:
    """PyTorch's name for one of torchish's classes or functions; None for what is not torchish's or has no name."""
    module, name = getattr(obj, "__module__", None), getattr(obj, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    root = module.partition(".")[0]
    if isinstance(obj, FunctionType) and root in ("torch", "torchish"):
        for home in _FUNCTION_HOMES:
            if getattr(importlib.import_module(home), name, None) is obj:
                return Global(_names.pytorch_name(home), name)
    if root == "torchish":
        return Global(_names.pytorch_name(module), name)
    return Global(module, name) if root == "torch" else None


def find(module: str, name: str) -> Any:
    """What PyTorch's `module.name` is in torchish, for an unrestricted load.

    Raises ModuleNotFoundError or AttributeError.
    """
    special = _special().get((module, name))
    if special is not None:
        return special
    if module in ("torch", "torch.storage", "torch.cuda") and name in STORAGES:
        return storage_type(name)
    if module == "torch.return_types":
        made = getattr(_import("torchish.return_types"), name)
        return lambda values, named=None: made(values)
    if module == "torch" and (d := dt.BY_NAME.get(name) or dt.ALIASES.get(name)):
        return d
    ours = _names.torchish_name(module)
    try:
        home: Any = importlib.import_module(ours) if ours is not None else None
        if home is not None:
            return functools.reduce(getattr, name.split("."), home)
    except (ImportError, AttributeError):
        pass
    for cls in _classes():
        if cls.__module__ == module and cls.__qualname__ == name:
            return cls
    if isinstance(home_of := _import(ours), ModuleType):
        raise AttributeError(f"Can't get attribute {name!r} on {home_of!r}")
    raise _names.missing_module(module)


def _import(name: str | None) -> ModuleType | None:
    try:
        return importlib.import_module(name) if name is not None else None
    except ImportError:
        return None


def _classes() -> Iterator[type]:
    """torchish's public classes: modules, optimizers and whatever else pickles refer to by PyTorch's names."""
    from torchish._tensor.tensor import Tensor

    seen: set[type] = set()
    homes = [importlib.import_module(f"torchish.{n}") for n in ("nn.modules", "nn.parameter", "optim", "optim.lr_scheduler", "data")]
    found = [c for home in homes for c in vars(home).values() if isinstance(c, type) and not issubclass(c, type)]
    pending: list[type] = [*found, Tensor]
    while pending:
        cls = pending.pop()
        if cls in seen:
            continue
        seen.add(cls)
        yield cls
        pending += cls.__subclasses__()


@functools.cache
def _special() -> dict[tuple[str, str], Any]:
    import torchish
    from torchish._tensor.generator import Generator
    from torchish.serialization import _rebuild

    found: dict[tuple[str, str], Any] = {("torch._utils", f.__name__): f for f in _rebuild.FUNCTIONS}
    found["torch._tensor", "_rebuild_from_type_v2"] = _rebuild._rebuild_from_type_v2
    found["torch.serialization", "_get_layout"] = _rebuild._get_layout
    found["torch._C", "Generator"] = Generator
    found["torch._C", "_VariableFunctionsClass"] = torchish
    found["torch.storage", "UntypedStorage"] = torchish.UntypedStorage
    found["torch", "UntypedStorage"] = torchish.UntypedStorage
    found["torch.storage", "TypedStorage"] = torchish.TypedStorage
    found["torch.tensor", "Tensor"] = found["torch._tensor", "Tensor"] = torchish.Tensor
    for name in ("gelu", "softplus", "leaky_relu", "elu_", "log_sigmoid", "hardswish", "softshrink", "hardsigmoid", "one_hot"):
        if hasattr(torchish.nn.functional, name):
            found["torch._C._nn", name] = getattr(torchish.nn.functional, name)
    return found
