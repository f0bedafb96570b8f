"""The import hook: `import torch` and `from torch.nn import Linear` find torchish's modules.

`sys.modules["torch.nn"]` is then the very object `torchish.nn`, not a copy of it, so that classes are the same
classes whichever name they were imported by, and are pickled by either.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
import threading
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import FrameType, ModuleType
from typing import Any

from torchish._runner import _interactive, _names, _workers


class _AliasLoader(Loader):
    """Loads a torchish module under PyTorch's name for it."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._own_spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._target)
        self._own_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The module ran when torchish imported it. All that importing it again did was to overwrite its spec.
        module.__spec__ = self._own_spec
        _answer_for_missing_names(module)
        if self._target == "torchish":
            _alias_loaded_modules()


class _OwnLoader(SourceFileLoader):
    """Loads a torchish module that another part of torchish imports, and has it speak of itself as PyTorch's."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        _answer_for_missing_names(module)


class _PyTorchFinder(MetaPathFinder):
    """Answers for every module of `_names.ROOTS`, with torchish's counterpart or with an error that says so."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not _names.is_pytorch_name(fullname):
            return _own_spec(fullname, path) if _is_public(fullname) else None
        ours = _names.torchish_name(fullname)
        spec = _find(ours) if ours is not None else None
        if ours is None or spec is None:
            # A later finder would search torchish's own folders for it and load a second copy of a module that has
            # another name in PyTorch. A question, though, is not an import, and deserves an answer.
            if _asked_by_find_spec():
                return None
            raise _names.missing_module(fullname)
        is_package = spec.submodule_search_locations is not None
        return ModuleSpec(fullname, _AliasLoader(ours), origin=spec.origin, is_package=is_package)


_FINDER = _PyTorchFinder()
_LOCK = threading.RLock()
_ASIDE: dict[str, ModuleType] = {}  # modules of the safetensors package that were imported before `install`


def install() -> None:
    """Make `import torch` and `import torchvision` mean torchish in this process and the workers it starts.

    Calling it again changes nothing. `python -m torchish SCRIPT` does this before the script starts.

    Raises:
        RuntimeError: PyTorch itself is already imported.
    """
    with _LOCK:
        if _FINDER in sys.meta_path:
            return
        # An entry of None blocks an import (`sys.modules["torch"] = None`): that was PyTorch's, not ours.
        for name in _pytorch_modules():
            if name.partition(".")[0] == "safetensors":  # no part of PyTorch: it steps aside, until `uninstall`
                _ASIDE[name] = sys.modules[name]
            elif sys.modules[name] is not None:
                raise RuntimeError(
                    f"PyTorch itself is already imported in this process ({name!r} is in sys.modules), and a process "
                    "has room for one `torch`. Call torchish.install() before anything imports torch, or start the "
                    "script with `python -m torchish SCRIPT`."
                )
        for name in _pytorch_modules():
            del sys.modules[name]
        sys.meta_path.insert(0, _FINDER)
        _workers.install()
        _interactive.install()
        _quieten_jax()


def uninstall() -> None:
    """Undo `install`: PyTorch's names are free again, for PyTorch where it is installed.

    Modules and objects that were imported meanwhile keep working; they are torchish's own.
    """
    with _LOCK:
        if _FINDER not in sys.meta_path:
            return
        sys.meta_path.remove(_FINDER)
        _workers.uninstall()
        _interactive.uninstall()
        _quieten_jax(undo=True)
        for name in _pytorch_modules():
            del sys.modules[name]
        sys.modules.update(_ASIDE)
        _ASIDE.clear()


def _quieten_jax(undo: bool = False) -> None:
    """A script that logs what it does (`logging.basicConfig(level=...)`) does not want to hear how JAX compiles it.

    Whoever gives JAX's logger a level of its own (`jax_logging_level` does) has asked for that.
    """
    logger = logging.getLogger("jax")
    ours, level = (logging.WARNING, logging.NOTSET) if undo else (logging.NOTSET, logging.WARNING)
    if logger.level == ours:
        logger.setLevel(level)


def is_installed() -> bool:
    """Whether `import torch` means torchish now."""
    return _FINDER in sys.meta_path


def _pytorch_modules() -> list[str]:
    return [name for name in list(sys.modules) if _names.is_pytorch_name(name)]


def _find(name: str) -> ModuleSpec | None:
    """The spec of torchish's module `name`, None where there is no such module."""
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        # No such parent, or a parent that is no package. Anything else that is missing is the caller's to know.
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            return None
        raise


def _is_public(name: str) -> bool:
    """Whether torchish's module `name` stands for a module that PyTorch's users know."""
    alias = _names.pytorch_name(name)
    return alias != name and not any(part.startswith("_") for part in alias.split("."))


def _own_spec(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    spec = PathFinder.find_spec(name, path)
    if spec is not None and type(spec.loader) is SourceFileLoader:
        spec.loader = _OwnLoader(spec.loader.name, spec.loader.path)
    return spec


def _answer_for_missing_names(module: ModuleType) -> None:
    """Give a module without a `__getattr__` one whose error speaks of the module by PyTorch's name.

    A file that stands for a package of PyTorch's says that it is one: `import` of a module below it then asks the finder.
    """
    if not _is_public(module.__name__):
        return
    if "__path__" not in vars(module) and _names.pytorch_name(module.__name__) in _names.pytorch_packages():
        module.__path__ = []
    if "__getattr__" not in vars(module):
        name = module.__name__

        def __getattr__(attribute: str) -> Any:
            raise _names.missing_attribute(name, attribute)

        module.__getattr__ = __getattr__  # type: ignore[method-assign]


def _asked_by_find_spec() -> bool:
    """Whether `importlib.util.find_spec` wants to know if a module exists, rather than `import` wanting it."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename == "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None and frame.f_globals.get("__name__") == "importlib.util"


def _alias_loaded_modules() -> None:
    """PyTorch's `import torch` leaves its usual submodules in `sys.modules`; so does torchish's."""
    for name, module in list(sys.modules.items()):
        if _is_public(name):
            sys.modules.setdefault(_names.pytorch_name(name), module)
            _answer_for_missing_names(module)
