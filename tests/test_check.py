"""`python -m torchish check`: finds what a script uses and torchish lacks, and nothing else."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from torchish._runner import _names
from torchish._runner._check import as_html, as_json, as_text, check, look_up, main
from torchish._runner._uses import uses_in_source

ROOT = Path(__file__).parents[1]

TEN = '''
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim, frobnicate
from torch.export import export

try:
    import torch.nested
    from torchvision import transforms
except ImportError:
    transforms = None

relu = F.relu
bad = F.no_such_activation

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 3)
        self.other = self.fc.no_such_attribute

    def forward(self, x, F=None):
        F.a_parameter_of_that_name(x.no_such_method())
        return torch.no_such_function(relu(self.fc(x)))

@torch.no_such_decorator
def f(x: torch.NoSuchType) -> torch.Tensor:
    torch = object()
    return torch.an_attribute_of_something_else(x)

def g():
    optim.NoSuchOptimizer([])
    torch.Tensor.no_such_method
    if hasattr(torch, "npu"):
        torch.npu.is_available()
    getattr(torch, "asked_for", None)
    torch.my_flag = 1
    return torch.my_flag, [optim.guess for optim in (1, 2)]

print(getattr(torch.nn.functional, "no_such_loss"), transforms.Compose)
print(torch.no_such_function, (lambda nn: nn.Anything), torch.linalg.no_such_norm)
'''
LACKING = {
    "torch.frobnicate": [5],
    "torch.export.export": [6],
    "torch.nn.functional.no_such_activation": [15],
    "torch.no_such_function": [25, 42],
    "torch.no_such_decorator": [27],
    "torch.NoSuchType": [28],
    "torch.optim.NoSuchOptimizer": [33],
    "torch.Tensor.no_such_method": [34],
    "torch.nn.functional.no_such_loss": [41],
    "torch.linalg.no_such_norm": [42],
}


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(TEN)
    return path


def test_ten_names_that_torchish_lacks(script):
    report = check([script])
    assert {n.name: [use.line for _, use in n.uses] for n in report.missing if not n.name.startswith("torchvision")} == LACKING
    assert {"torch.nested", "torch.npu", "torch.asked_for"} <= {n.name for n in report.optional}
    assert {"torch.nn.Linear", "torch.nn.functional.relu", "torch.Tensor", "torch.optim"} <= {n.name for n in report.present}


@pytest.mark.parametrize("folder", ["tests/scripts", "examples"])
def test_no_false_alarms(folder):
    """Whatever is called missing is missing in PyTorch too: scripts that show what an error looks like."""
    for n in check([ROOT / folder]).missing:
        module, _, name = n.name.rpartition(".")
        assert not hasattr(importlib.import_module(module), name), n.places()


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import torch.nn.functional as F; F.relu", "torch.nn.functional torch.nn.functional.relu"),
        ("import torch.nn; torch.nn.Linear(1, 2).weight.data", "torch.nn torch.nn.Linear"),
        ("from torch import nn as n; n.Linear", "torch.nn torch.nn.Linear"),
        ("from torch.nn import *; Linear(1, 2); print(Other)", "torch.nn torch.nn.Linear"),
        ("import torch as t\ndef f():\n    return t.add\n", "torch torch.add"),
        ("import torch\ndef f(torch): return torch.add", "torch"),
        ("def f():\n    import torch\n    return torch.add\ntorch.sub", "torch torch.add"),
        ("import torch\ncls = torch.nn\ncls.Linear", "torch torch.nn torch.nn.Linear"),
        ("import torch\nd = torch.float32 if x else torch.bfloat16\nd.anything", "torch torch.bfloat16 torch.float32"),
        ("import torch\ntorch.backends.cudnn.benchmark = True", "torch torch.backends.cudnn"),
        ("import torch\nclass A:\n    nn = 1\n    def f(self): return nn.x", "torch"),
        ("import torch\nf'{torch.add!r}'", "torch torch.add"),
        ("import torch\n[torch.add for _ in torch.arange(3)]", "torch torch.add torch.arange"),
        ("import torch.optim as o\no = o.Adam(\n[o.Muon])\no.step(); lambda: o.zero_grad", "torch.optim torch.optim.Adam torch.optim.Muon"),
        ("from .torch import nn; nn.Linear", ""),
        ("import torchmetrics, mytorch; mytorch.nn", ""),
        ("x.torch.add; self.nn.Linear", ""),
        ("import numpy as torch; torch.array", ""),
    ],
)
def test_names_are_followed(source, names):
    assert " ".join(sorted({look_up(u.name)[0] for u in uses_in_source(source)})) == names


@pytest.mark.parametrize(
    ("name", "known", "present"),
    [
        ("torch.float32.is_complex", "torch.float32", True),
        ("torch.nn.Linear.__init__", "torch.nn.Linear.__init__", True),
        ("torch.ops", "torch.ops", hasattr(importlib.import_module("torchish"), "ops") and _names.torchish_name("torch.ops") is not None),
        ("torch.data", "torch.data", False),
        ("torch.utils.data.DataLoader", "torch.utils.data.DataLoader", True),
        ("torchvision.no_such.Thing.member", "torchvision.no_such.Thing", False),
    ],
)
def test_look_up(name, known, present):
    assert look_up(name) == (known, present)


def test_notebook(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["import torch"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "import torch\n", "!ls\n", "torch.no_such"]},
        {"cell_type": "code", "source": ["%%bash\n", "not python"]},
    ]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    (n,) = check([path]).missing
    assert (n.name, n.places()) == ("torch.no_such", f"{path}:cell 2 line 4")


def test_folders_skip_environments(tmp_path):
    for name in ("a.py", "inner/b.py", ".venv/c.py", "env/pyvenv.cfg", "env/d.py", "__pycache__/e.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("import torch")
    assert [Path(f).name for f in check([tmp_path]).files] == ["a.py", "b.py"]


def test_a_file_given_twice_counts_once(tmp_path):
    script = tmp_path / "a.py"
    script.write_text("import torch\ntorch.frobnicate()\n")
    report = check([script, tmp_path])
    assert report.files == [str(script)] and [len(n.uses) for n in report.missing] == [1]


def test_formats(script):
    report = check([script])
    text = as_text(report)
    assert re.search(rf"^  torch\.no_such_function +{re.escape(str(script))}:25, 42  ", text, re.M)
    assert text.startswith("missing:\n") and text.splitlines()[-1] == report.summary()
    data = json.loads(as_json(report))
    assert data["missing"] == len(report.missing)
    entry = next(u for u in data["uses"] if u["name"] == "torch.Tensor.no_such_method")
    assert (entry["torchish"], entry["pytorch"], entry["uses"][0]["line"]) == (False, False, 34)
    page = as_html(report)
    assert "torch.no_such_decorator" in page and "http" not in page and page.count("<table") == page.count("</table>")


@pytest.mark.parametrize(
    ("source", "status"), [("import torch; torch.add", 0), ("import torch; torch.no_such", 1), ("import torch; (", 2)]
)
def test_status(source, status, tmp_path, capsys):
    (tmp_path / "a.py").write_text(source)
    assert main([str(tmp_path / "a.py"), "--html", str(tmp_path / "page.html")]) == status
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")
    assert capsys.readouterr().err.startswith(f"{tmp_path}/a.py: SyntaxError" if status == 2 else "")


def test_command_line(script):
    done = subprocess.run([sys.executable, "-m", "torchish", "check", "--json", str(script)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1 and json.loads(done.stdout)["missing"] >= len(LACKING)
