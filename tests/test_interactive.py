"""Notebooks and the REPL: `%load_ext torchish`, and errors without torchish's frames."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(code, *options, **environment):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(
        [sys.executable, *options], input=code, env=environment, capture_output=True, text=True, timeout=200, cwd=ROOT / "tests"
    )
    return done.stdout + done.stderr


NOTEBOOK = """
import sys
from IPython.core.interactiveshell import InteractiveShell
from IPython.testing.globalipapp import get_ipython
shell = InteractiveShell.instance(colors="NoColor")
def cell(code): return shell.run_cell(code, store_history=True)
cell("%load_ext torchish")
cell("import torch\\nfrom torch import nn\\nprint(torch.__name__, nn.Linear)")
cell("x = torch.ones(2, 3)\\nx @ x")
cell("%unload_ext torchish")
cell("import sys\\nprint(any(m == 'torch' for m in sys.modules) , 'showtraceback' in vars(get_ipython()))")
"""


def test_ipython_extension():
    pytest.importorskip("IPython")
    shown = run(NOTEBOOK, "-")
    assert "torchish <class 'torch.nn.modules.linear.Linear'>" in shown
    assert "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)" in shown
    assert "torchish/" not in shown and "x @ x" in shown
    assert shown.rstrip().endswith("False False")


REPL = """
import torchish
torchish.install()
import torch
x = torch.ones(2, 3)
x @ x
torchish.uninstall()
x @ x
"""


def test_repl_shows_the_users_lines():
    first, _, second = run(REPL, "-i").partition("RuntimeError: mat1 and mat2")
    assert first.count("  File ") == 1 and 'File "<stdin>", line 1, in <module>' in first
    assert "torchish" in second and second.count("  File ") > 1


def test_repl_shows_all_frames_when_asked():
    first = run(REPL, "-i", TORCHISH_FULL_TRACEBACK="1").partition("RuntimeError: mat1 and mat2")[0]
    assert first.count("  File ") > 1
