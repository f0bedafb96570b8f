"""Which torchish module stands for which PyTorch module, and what to say when none does."""

from __future__ import annotations

import functools
from pathlib import Path

# PyTorch's name -> torchish's, for a module and everything below it; the longest match counts.
ALIASES = {
    "torch": "torchish",
    "torch.utils.data": "torchish.data",
    "torchvision": "torchish.vision",
    "functorch": "torchish.functorch",
    "safetensors": "torchish.safetensors",
}

# The top-level names that torchish answers for.
ROOTS = frozenset(name.partition(".")[0] for name in ALIASES)

# Parts of torchish that PyTorch has under another name, or not at all: `import torch.data` fails in PyTorch too.
TORCHISH_ONLY = frozenset(
    {
        "torchish.__main__",
        "torchish._runner",
        "torchish.data",
        "torchish.engine",
        "torchish.flax",
        "torchish.functorch",
        "torchish.interop",
        "torchish.safetensors",
        "torchish.vision",
    }
)


def is_pytorch_name(name: str) -> bool:
    """Whether the module `name` is PyTorch's, and so torchish's to answer."""
    return name.partition(".")[0] in ROOTS


def torchish_name(name: str) -> str | None:
    """The torchish module that stands for PyTorch's module `name`; None if there can be none."""
    prefix = max((p for p in ALIASES if _is_within(name, p)), key=len, default=None)
    if prefix is None:
        return None
    target = ALIASES[prefix] + name[len(prefix) :]
    if ALIASES[prefix] == "torchish" and any(_is_within(target, own) for own in TORCHISH_ONLY):
        return None
    return target


def pytorch_name(name: str) -> str:
    """PyTorch's name for the torchish module `name`; `name` itself if PyTorch has no such module."""
    for theirs, ours in sorted(ALIASES.items(), key=lambda pair: -len(pair[1])):
        if _is_within(name, ours):
            renamed = theirs + name[len(ours) :]
            return renamed if torchish_name(renamed) == name else name
    return name


def missing_module(name: str) -> ModuleNotFoundError:
    """The error for `import` of PyTorch's module `name` when torchish has no counterpart."""
    return ModuleNotFoundError(f"No module named {name!r} (torchish does not have it)", name=name)


def missing_attribute(module: str, name: str) -> AttributeError:
    """The error for a name that torchish lacks; for a module's `__getattr__`:

    >>> def __getattr__(name):
    ...     raise missing_attribute(__name__, name)
    """
    theirs = pytorch_name(module)
    names, full = pytorch_names(), f"{theirs}.{name}"
    # which names PyTorch's private modules have is not written down: those asked for are taken to be among them
    known = name in names.get(theirs, ()) or full in names or full.removeprefix("torch.") in names["modules"] or "._" in theirs
    ours = " (torchish does not have it)" if known else ""
    # Without `name=`: Python puts in the name and the module itself, and then suggests similar names.
    return AttributeError(f"module {theirs!r} has no attribute {name!r}{ours}")


@functools.cache
def pytorch_packages() -> frozenset[str]:
    """PyTorch's modules that have public modules below them."""
    return frozenset(f"torch.{name}".rpartition(".")[0] for name in pytorch_names()["modules"])


@functools.cache
def pytorch_names() -> dict[str, frozenset[str]]:
    """The public names of PyTorch 2.13 and torchvision 0.28 by module (and of the class torch.Tensor).

    Under "modules" PyTorch's modules, without `torch.`.
    """
    text = (Path(__file__).parent / "pytorch_names.txt").read_text()
    return {m: frozenset(names.split()) for m, _, names in (line.partition(": ") for line in text.splitlines())}


def _is_within(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")
