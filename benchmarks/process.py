"""A process that measures: it answers lines with JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


class Process:
    """`python -m module arguments...` at work, with caches of its own, and the lines it answers with."""

    def __init__(self, name: str, command: list[str], caches: Path):
        environment = {
            **os.environ, "TORCHISH_CACHE_DIR": str(caches / "torchish"), "TORCHINDUCTOR_CACHE_DIR": str(caches / "inductor"),
            "JAX_COMPILATION_CACHE_DIR": str(caches / "jax"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", *command], cwd=ROOT, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._name = name

    def answer(self) -> Any:
        """The next JSON line; RuntimeError with the process's own words if it died."""
        assert self._process.stdout and self._process.stderr
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name} stopped:\n{self._process.stderr.read()}")
        return json.loads(line)

    def ask(self, line: str) -> Any:
        """Send a line and return the answer."""
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self.answer()

    def finish(self) -> Any:
        """The closing figures; the process has ended."""
        got = self.ask("")
        self._process.communicate()
        return got
