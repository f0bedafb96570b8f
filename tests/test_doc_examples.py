"""The examples in PyTorch's docstrings print on torchish what they print on PyTorch; `python tests/doc_examples.py` runs them all."""

import pytest
from doc_examples import differing, exempt, sources

EVERY = 30  # so many are sampled here
ALL = {name: statements for name, statements in sources().items() if not exempt(name)}


@pytest.mark.parametrize("half", [0, 1])
def test_examples_of_docstrings(half):
    names = sorted(ALL)[half * EVERY // 2 :: EVERY]
    found = differing({name: ALL[name] for name in names})
    assert len(names) > 20 and not found, found
