"""What a program has used of memory serves the next one; searches of everything for cycles are as rare as with PyTorch."""

import os
import platform
import subprocess
import sys

import pytest

PAGES = """
import resource
import torchish as torch

x = torch.ones(1200, 1200)

def new_pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    ((x @ x).exp() @ x).sum().item()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(min(new_pages() for _ in range(10)))
"""


def pages(**variables):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    return int(subprocess.check_output([sys.executable, "-c", PAGES], text=True, env=clean | variables))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have settings of their own")
def test_freed_memory_is_kept():
    """A run with 6 MB arrays, of 1,400 pages each, touches hardly a new page."""
    kept, returned = pages(), pages(MALLOC_TRIM_THRESHOLD_="131072", MALLOC_MMAP_THRESHOLD_="131072")
    assert kept < 140 < 1400 < returned


THRESHOLDS = """
import gc
before = gc.get_threshold()
{}
import torchish
print(before == gc.get_threshold(), gc.get_threshold())
"""


MAPPINGS = """
import torchish as torch
from torchish.engine import process_memory, program

process_memory.MAPPED_SHARE = 1 / 64
def mappings():
    return sum(1 for _ in open("/proc/self/maps"))
most, right = 0, True
for n in range(1, 301):
    right &= (torch.arange(n) * 2 + 1).sum().item() == n * n
    most = max(most, mappings())
print(right, len(program.CACHE) < 300, most - 32 * 40 < int(open("/proc/sys/vm/max_map_count").read()) / 64)
"""


@pytest.mark.skipif(not os.path.exists("/proc/sys/vm/max_map_count"), reason="other systems have no such bound")
def test_programs_are_given_up_before_the_system_has_no_mappings_left():
    """Each program's code takes some of the 65,530 that a process may have; without more of them LLVM ends the process."""
    clean = os.environ | {"TORCHISH_CACHE": "0"}
    assert subprocess.check_output([sys.executable, "-c", MAPPINGS], text=True, env=clean).split() == ["True"] * 3


@pytest.mark.parametrize(("chosen", "last"), [("", "100"), ("before = (50, 5, 5); gc.set_threshold(*before)", "5")])
def test_pace_of_the_garbage_collector(chosen, last):
    """The default pace is changed, one that the user has set is not."""
    said = subprocess.check_output([sys.executable, "-c", THRESHOLDS.format(chosen)], text=True).strip()
    assert said.startswith(f"{bool(chosen)} (") and said.endswith(f", {last})")


def test_cycles_are_collected():
    """Tensors in cycles that nobody refers to go without `gc.collect()`."""
    import weakref

    import torchish as torch

    class Box:
        pass

    boxes = []
    for _ in range(4000):
        box = Box()
        box.itself, box.tensor = box, torch.ones(3)
        boxes.append(weakref.ref(box))
    assert sum(b() is not None for b in boxes) < 3000
