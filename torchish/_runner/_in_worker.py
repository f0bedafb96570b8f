"""Runs in a fresh worker process, by path, before anything of the parent's is unpickled (see `_workers`)."""

import sys

# Handed over by `runpy.run_path`. `multiprocessing` goes on to set the path that the parent has.
sys.path[:] = globals()["search_path"]

from torchish._runner import install  # noqa: E402

install()
