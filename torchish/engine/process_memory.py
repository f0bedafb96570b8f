"""What torchish sets for the process's memory: glibc's allocator, and the pace of Python's garbage collector.

XLA asks the C library for the memory of every run of a program and gives it back afterwards. By default glibc returns large blocks to
the system at once, so that each run has all of its pages handed out, and cleared, anew: half of the time of a step with large
convolutions. Blocks of one heap are kept instead.

The garbage collector looks for cycles among new containers often, and among all that there are, JAX's 100,000 included, after some 70,000
new ones. A recorded operation is eight containers where PyTorch has one or two, so the searches of everything came as much earlier: a
third of the time of a loop of small operations.

The system bounds how many mappings a process may have, mostly to 65,530, and ends it when LLVM gets none for the code of a program, which
takes 10 to 200 of them.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys

KEPT_SHARE = 1 / 16
"""Of the machine's memory: what lies free at the heap's end is returned to the system above this."""

_INT_MAX = 2**31 - 1  # mallopt's largest value


def keep_freed_memory() -> None:
    """Tell glibc to keep freed memory; nothing happens elsewhere, or where the user has set glibc's own variables (MALLOC_…)."""
    if not sys.platform.startswith("linux") or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    kept = int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * KEPT_SHARE)
    # the environment's names of glibc's parameters, their numbers in its malloc.h, and what they are set to
    choices = {
        "MALLOC_ARENA_MAX": (-8, 1),  # other arenas than the first cannot hold large blocks
        "MALLOC_MMAP_MAX_": (-4, 0),
        "MALLOC_TRIM_THRESHOLD_": (-1, min(kept, _INT_MAX)),
        "MALLOC_TOP_PAD_": (-2, 1 << 24),
    }
    if mallopt is None or choices.keys() & os.environ.keys():
        return
    for parameter, value in choices.values():
        mallopt(parameter, value)


_DEFAULT_THRESHOLDS = {(700, 10, 10), (2000, 10, 10)}  # CPython's to 3.12, and from 3.13
SEARCHES = 100
"""Searches of the middle generation to one of everything: then there are about as many operations between two of those as with PyTorch."""


def pace_garbage_collector() -> None:
    """Let the collector search everything as often per operation as it does with PyTorch, unless the user has set a pace already."""
    if gc.get_threshold() in _DEFAULT_THRESHOLDS:
        gc.set_threshold(*gc.get_threshold()[:2], SEARCHES)


MAPPED_SHARE = 1 / 2
"""Of the mappings that the system allows: with more of them, programs are given up."""


def is_crowded() -> bool:
    """Whether so many mappings are in use that compiling more programs could end the process."""
    try:
        with open("/proc/sys/vm/max_map_count", "rb") as most, open("/proc/self/maps", "rb") as used:
            return used.read().count(b"\n") > MAPPED_SHARE * int(most.read())
    except OSError:  # not Linux
        return False
