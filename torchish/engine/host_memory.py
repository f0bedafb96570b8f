"""How the process keeps the memory that a program has used for the next one.

XLA asks the C library for the memory of every run of a program and gives it back afterwards. By default glibc returns large blocks to
the system at once, so that each run has all of its pages handed out, and cleared, anew: half of the time of a step with large
convolutions. Blocks of one heap are kept instead.
"""

from __future__ import annotations

import ctypes
import os
import sys

KEPT_SHARE = 1 / 16
"""Of the machine's memory: what lies free at the heap's end is returned to the system above this."""

# glibc's malloc.h: the number of a parameter for mallopt, and the environment's name of it, which has precedence.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_CHOICES = {
    _ARENA_MAX: ("ARENA_MAX", 1),  # other arenas than the first cannot hold large blocks
    _MMAP_MAX: ("MMAP_MAX_", 0),
    _TRIM_THRESHOLD: ("TRIM_THRESHOLD_", None),
    _TOP_PAD: ("TOP_PAD_", 1 << 24),
}
_INT_MAX = 2**31 - 1


def keep_freed_memory() -> None:
    """Tell glibc to keep freed memory; nothing happens elsewhere, or where the user has set glibc's own variables (MALLOC_…)."""
    if not sys.platform.startswith("linux") or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or any(f"MALLOC_{name}" in os.environ for name, _ in _CHOICES.values()):
        return
    kept = int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * KEPT_SHARE)
    for parameter, (_, value) in _CHOICES.items():
        mallopt(parameter, min(kept, _INT_MAX) if value is None else value)
