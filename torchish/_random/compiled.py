"""Long draws computed by XLA: what NumPy has to do in many passes, or Python one by one, as one loop of machine code.

A program is compiled for arrays of one size, for the CPU, when enough has been drawn that compiling pays; until then, and where
JAX must not run, in forked processes, there is none and NumPy serves. Both ways give the same numbers to the last bit.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

_in_fork = False


def _forked() -> None:
    global _in_fork
    _in_fork = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class Program:
    """A function of JAX arrays to be compiled for arguments like `arguments`, once `after` elements have been asked for.

    `agrees(program)` says whether this machine's program gives the right bits; one that does not is never used.
    """

    def __init__(
        self, function: Callable, arguments: tuple, after: int, agrees: Callable[[Callable], bool] = lambda program: True
    ) -> None:
        self._function, self._arguments, self._after, self._agrees = function, arguments, after, agrees
        self._lock = threading.Lock()
        self._asked = 0
        self._run: Callable | None = None
        self._unusable = False

    def get(self, elements: int) -> Callable[..., Any] | None:
        """The compiled function, of NumPy arrays and to NumPy arrays, for a draw of this many elements; or None."""
        if self._unusable or _in_fork:
            return None
        if self._run is None:
            self._asked += elements
            if self._asked < self._after:
                return None
            with self._lock:
                if self._run is None:
                    self._compile()
        return self._run

    def _compile(self) -> None:
        import jax  # not before it is needed: this package is NumPy's otherwise

        from torchish.engine import disk_cache
        from torchish.engine.devices import devices_of, jax_device
        from torchish.engine.expr import CPU

        if not devices_of(CPU):  # JAX may have been told to start without
            self._unusable = True
            return
        with jax.enable_x64(True), jax.default_device(jax_device(CPU)):
            lowered = jax.jit(self._function).lower(*self._arguments)
            text = lowered.as_text()
            known = disk_cache.load(text, CPU)
            compiled = lowered.compile() if known is None else known[0]
            if known is None:
                disk_cache.store(text, compiled)

        def run(*arguments):
            with jax.enable_x64(True):
                return jax.tree.map(np.asarray, compiled(*arguments))

        if self._agrees(run):
            self._run = run
        else:
            self._unusable = True
