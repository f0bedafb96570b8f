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
    "no self": lambda t, x: t.Tensor.mul(),
    "too many of some": lambda t, x: t.amax(x, 1, 2, 3, 4),
    "two missing": lambda t, x: t.mul(),
    "a list of numbers": lambda t, x: t.remainder([1.0], x),
    "too many for a hidden signature": lambda t, x: t.add(x, x, 1, 2, 3, 4),
    "one by one": lambda t, x: t.reshape(x, -1),
    "flip": lambda t, x: t.flip(x, 0),
    "strings by keyword": lambda t, x: t.sum(x, dim=("a", "b")),
    "order": lambda t, x: t.norm(x, (0, 9)),
    "order of linalg": lambda t, x: t.linalg.norm(x, (0, 9)),
    "equation": lambda t, x: t.einsum(None, x),
    "operand": lambda t, x: t.einsum("i", None),
}


@pytest.mark.parametrize("name", CALLS)
def test_text(name):
    texts = []
    for t in (pytorch, torchish):
        with pytest.raises(TypeError) as caught:
            CALLS[name](t, t.ones(2, 3))
        texts.append(str(caught.value))
    assert texts[1] == texts[0]


def test_too_large_a_dimension():
    for t in (pytorch, torchish):
        for _ in range(2):
            with pytest.raises(ValueError, match="Overflow when unpacking long long"):
                t.ones(2, 3).sum(10**20)
            t.ones(2, 3).sum(1)


def test_names_of_swapaxes():
    for t in (pytorch, torchish):
        assert t.swapaxes(t.ones(2, 3), axis0=0, axis1=1).shape == t.swapdims(t.ones(2, 3), dim0=0, dim1=1).shape == (3, 2)
        assert t.amax(t.ones(2, 3), None) == 1
