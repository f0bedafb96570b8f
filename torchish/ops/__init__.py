"""Every operation as a pure function of arrays, a file per family; also the public namespace `torch.ops`."""

from importlib import util as _util


def _is_family(name: str) -> bool:
    return _util.find_spec(f"{__name__}.{name}") is not None


def __getattr__(name: str):
    # what is no family of pure functions: torch.ops.aten, and the namespaces of custom operators
    if name == "aten":
        from torchish._tensor.aten import ATEN

        return ATEN
    if name == "load_library":
        raise AttributeError("module 'torch.ops' has no attribute 'load_library' (torchish loads no operators written in C++)")
    # a family that is still to be loaded is the import system's
    if name.startswith("__") or _is_family(name):
        raise AttributeError(f"module 'torch.ops' has no attribute '{name}'")
    from torchish.library._operators import NAMESPACES, namespace

    if name.startswith("_") and name not in NAMESPACES:  # what tools ask a module for
        raise AttributeError(f"module 'torch.ops' has no attribute '{name}'")
    made = globals()[name] = namespace(name)
    return made
