"""Calls that no signature takes: PyTorch's exception and its text, word for word."""

from __future__ import annotations

import pytest
import torch as pytorch

import torchish

CALLS = {
    "numbers": lambda t, x: t.bitwise_and(1, 2),
    "no tensors": lambda t, x: t.max(1, 2),
    "a string": lambda t, x: t.hsplit(x, "a"),
    "keyword": lambda t, x: t.mean(x, foo=1),
    "keywords": lambda t, x: t.std(x, dim="a", keepdim=1),
    "a wrong keyword among others": lambda t, x: t.min(x, "a", keepdim=3),
    "too many": lambda t, x: x.sum("a", True, 3, 4),
    "method": lambda t, x: x.view("a"),
    "method of two": lambda t, x: x.scatter(0, "a", 1),
    "in place": lambda t, x: x.fill_("a"),
    "choice": lambda t, x: t.where(1, 2),
    "factory": lambda t, x: t.linspace("a", 1, 2),
    "unbiased": lambda t, x: t.std(x, "a"),
    "sorted": lambda t, x: x.sort("a"),
    "decimals": lambda t, x: t.round(x, decimals="a"),
}


@pytest.mark.parametrize("name", CALLS)
def test_text(name):
    texts = []
    for t in (pytorch, torchish):
        with pytest.raises(TypeError) as caught:
            CALLS[name](t, t.ones(2, 3))
        texts.append(str(caught.value))
    assert texts[1] == texts[0]
