"""The page of the names' coverage is up to date, and each name that is absent has a reason."""

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from torchish._runner._names import pytorch_names, torchish_name

spec = importlib.util.spec_from_file_location("coverage_page", Path(__file__).parents[1] / "docs" / "coverage.py")
coverage = importlib.util.module_from_spec(spec)
spec.loader.exec_module(coverage)
ROWS = [coverage.survey(ns) for ns in coverage.NAMESPACES]


def test_the_page_is_up_to_date():
    assert coverage.PAGE.read_text() == coverage.page(ROWS), "run python docs/coverage.py"


def test_each_absent_name_has_a_reason():
    assert not [f"{r.namespace}.{n}" for r in ROWS for n in r.absent.get(coverage.UNEXPLAINED, ())]


def test_each_absent_module_has_a_reason():
    assert not coverage.absent_modules().get(coverage.UNEXPLAINED)


def test_each_reason_is_used():
    assert not coverage.unused_patterns()


def test_nearly_every_name_that_counts_is_there():
    assert not [r.namespace for r in ROWS if r.share < 0.98]


@pytest.mark.parametrize("name", ["torch", "torch.autograd", "torch.nn", "torch.nn.parallel", "torch.optim", "torch.utils.data"])
def test_what_an_import_of_everything_gives(name):
    """Each of PyTorch's names that there is, those made when first asked for too, and no modules but PyTorch's."""

    def everything(module):
        names: dict = {}
        exec(f"from {module} import *", names)
        return names

    ours = importlib.import_module(name.replace("torch", "torchish", 1))
    given, expected = everything(ours.__name__), everything(name)
    assert not [n for n in expected if n not in given and n[:1] != "_" and hasattr(ours, n)]
    assert not [n for n, v in given.items() if isinstance(v, ModuleType) and n not in expected]


PUBLIC = """autograd.anomaly_mode autograd.grad_mode autograd.graph backends.cuda compiler futures jit nn.init nn.parameter
nn.utils.clip_grad nn.utils.fusion nn.utils.memory_format nn.utils.parametrizations nn.utils.parametrize nn.utils.rnn
nn.utils.spectral_norm nn.utils.stateless nn.utils.weight_norm optim.lr_scheduler optim.swa_utils overrides""".split()


@pytest.mark.parametrize("name", PUBLIC)
def test_an_import_of_everything_gives_pytorchs_names_alone(name):
    theirs, ours = (importlib.import_module(f"{library}.{name}") for library in ("torch", "torchish"))
    names: dict = {}
    exec(f"from torchish.{name} import *", names)
    del names["__builtins__"]
    assert names.keys() <= set(theirs.__all__)
    assert not [n for n in theirs.__all__ if n not in names and n in vars(ours)]


ATTRIBUTES = """
import functools, sys
torch = __import__(sys.argv[1])
for name in sys.stdin.read().split():
    try:
        functools.reduce(getattr, name.split("."), torch)
        print(name)
    except AttributeError:
        pass
"""


def test_modules_are_attributes_where_pytorchs_are():
    """`torch.autograd.forward_ad` is there after `import torch` alone, as in PyTorch."""
    names = sorted(pytorch_names()["modules"])

    def reached(library):
        run = [sys.executable, "-W", "ignore", "-c", ATTRIBUTES, library]
        return set(subprocess.run(run, input="\n".join(names), capture_output=True, text=True, check=True).stdout.split())

    def is_here(name):
        target = torchish_name(f"torch.{name}")
        try:
            return target is not None and importlib.util.find_spec(target) is not None
        except ModuleNotFoundError:
            return False

    lost = {n for n in reached("torch") - reached("torchish") if is_here(n)}
    assert not lost
