"""Memory that a program has used serves the next one, unless the user has told the C library otherwise."""

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
