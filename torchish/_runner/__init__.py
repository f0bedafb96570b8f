"""PyTorch's names, answered by torchish: `install`, `uninstall` and the script runner behind `python -m torchish`.

    _names       which torchish module stands for which PyTorch module
    _finder      the import hook, `install` and `uninstall`
    _workers     carries the hook into worker processes (`_in_worker` is what runs there)
    _interactive notebooks and the REPL: the IPython extension
    _check       lists the names of PyTorch's that a script uses, which `_uses` finds
    _tracebacks  what a script's user sees of an error
    _script      runs a script, a module or a string as `__main__`

Nothing here imports JAX or any other part of torchish: a script's `import torch` decides when that happens.
"""

from torchish._runner._finder import install, uninstall
from torchish._runner._interactive import load_ipython_extension, unload_ipython_extension
from torchish._runner._names import missing_attribute
from torchish._runner._script import main

__all__ = ["install", "load_ipython_extension", "main", "missing_attribute", "uninstall", "unload_ipython_extension"]
