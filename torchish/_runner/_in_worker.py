"""Runs in a fresh worker process, by path, before anything of the parent's is unpickled (see `_workers`)."""

import sys

# The parent's, handed over by `runpy.run_path`. `multiprocessing` is going to set it too, only later.
sys.path[:] = globals()["search_path"]

from torchish._runner import install  # noqa: E402

install()
