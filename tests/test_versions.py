"""torch.__version__ is compared as a version, not as text; the modules of names for annotations and old places import."""

import importlib
import operator

import pytest
import torch
from torch.torch_version import TorchVersion as Theirs

import torchish
from torchish.torch_version import TorchVersion as Ours

VERSIONS = (
    "1.0 1.0.0 2.13.0+cpu 2.13 2.9 2.13.0a0+git1 2.13.0.dev20250101 2.13.0rc1 2.13.0.post1 2.13.0+cu121 2.13.0+cpu.2 parrot 1!1.0 1.0-1 "
    "1.0a 1.0.dev1 1.0a1.dev3 1.0+10 1.0+9 1.0+a v1.0 0 0.0".split()
)


@pytest.mark.parametrize("compare", [operator.lt, operator.le, operator.eq, operator.ge, operator.gt, operator.ne])
def test_versions_compare_as_pytorchs_do(compare):
    for a in VERSIONS:
        for b in (*VERSIONS, (1, 0), (2, 13, 0), (2, 9)):
            try:
                expected = compare(Theirs(a), b)
            except TypeError:  # a text that is no version, and a tuple
                with pytest.raises(TypeError):
                    compare(Ours(a), b)
                continue
            assert compare(Ours(a), b) == expected, (a, b)


def test_the_version_of_the_package():
    assert torchish.__version__ >= (2, 9) and torchish.__version__ > "2.9" and torchish.__version__ == torch.__version__
    assert hash(torchish.__version__) == hash(str(torch.__version__)) and repr(torchish.__version__) == repr(torch.__version__)
    with pytest.raises(TypeError, match="'>' not supported between instances of 'TorchVersion' and 'int'"):
        assert torchish.__version__ > 3


@pytest.mark.parametrize("name", ["functional", "storage", "types", "utils.model_zoo"])
def test_modules_of_names_have_those_of_pytorch(name):
    ours, theirs = (importlib.import_module(f"{library}.{name}") for library in ("torchish", "torch"))
    listed = getattr(theirs, "__all__", ["load_url"])
    assert set(listed) <= set(dir(ours))
