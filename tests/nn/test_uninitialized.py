"""What lazy parameters, embedding bags and devices refuse, and in which words."""

from __future__ import annotations

import copy
import pickle
import re

import pytest
import torch as pytorch

import torchish


def outcome(torch, function):
    """The value as text, or the error, with addresses and the library's name taken out."""
    try:
        text = repr(function(torch))
    except Exception as e:
        text = f"{type(e).__name__}: {e}"
    return re.sub(r"0x[0-9a-f]+", "0x", text).replace("torchish", "torch")


def lazy(torch):
    return torch.nn.LazyLinear(3).weight


UNINITIALIZED = {
    "operator": lambda t: lazy(t) + 1, "reflected": lambda t: 1 - lazy(t), "matmul": lambda t: lazy(t) @ lazy(t),
    "function": lambda t: t.add(lazy(t), 1), "in a list": lambda t: t.cat([lazy(t), lazy(t)]), "method": lambda t: lazy(t).sum(),
    "python method": lambda t: lazy(t).backward(), "in place": lambda t: lazy(t).add_(1), "index": lambda t: lazy(t)[0],
    "bool": lambda t: bool(lazy(t)), "equal": lambda t: lazy(t) == 1, "len": lambda t: len(lazy(t)), "detach": lambda t: lazy(t).detach(),
    "buffer": lambda t: t.nn.parameter.UninitializedBuffer() * 2, "size": lambda t: lazy(t).size(), "shape": lambda t: lazy(t).shape,
    "dtype": lambda t: lazy(t).double().dtype, "data": lambda t: lazy(t).data, "text": lambda t: lazy(t),
    "deepcopy": lambda t: copy.deepcopy(lazy(t)), "optimizer": lambda t: t.optim.SGD(t.nn.LazyLinear(2).parameters(), lr=0.1),
    "afterwards": lambda t: (t.nn.LazyLinear(3)(t.ones(4, 2)) + 1).shape,
}  # fmt: skip


@pytest.mark.parametrize("name", UNINITIALIZED)
def test_uninitialized_parameters(name):
    assert outcome(torchish, UNINITIALIZED[name]) == outcome(pytorch, UNINITIALIZED[name])


def test_uninitialized_parameters_are_pickled():
    assert repr(pickle.loads(pickle.dumps(lazy(torchish)))) == "<UninitializedParameter>"


def bag(torch, indices, offsets, dtype="float32", **settings):
    weight = torch.arange(15.0, dtype=getattr(torch, dtype)).view(5, 3)
    return torch.nn.functional.embedding_bag(torch.tensor(indices), weight, torch.tensor(offsets), **settings).tolist()


BAGS = [
    ([0, 1], [1]), ([0, 1], [0, 3]), ([0, 1], [0.0]), ([7], [0]), ([0, -1], [0], "float64"), ([7], [0], "float32", 1),
    ([0, 1], [0], "float32", 5),
    ([0, 1, 1], [0, 2], "float32", -4), ([0, 1, 4], [0, 1]),
]  # fmt: skip


@pytest.mark.parametrize("case", BAGS, ids=str)
def test_embedding_bags(case):
    def function(torch):
        return bag(torch, *case[:3], padding_idx=case[3] if len(case) > 3 else None)

    assert outcome(torchish, function) == outcome(pytorch, function)


@pytest.mark.parametrize(
    "args", [(True,), (1.5,), ([],), (), ("cpu", 0), ("cpu", -1), ("cpu", True), ("cpu", 0, 1), (None, 1)], ids=str
)
def test_device_arguments(args):
    assert outcome(torchish, lambda t: t.device(*args)) == outcome(pytorch, lambda t: t.device(*args))


@pytest.mark.parametrize("settings", [{"device": "cpu"}, {"device": 1.5}, {"device": True}, {"typ": 1}, {"index": 1}], ids=str)
def test_device_keywords(settings):
    assert outcome(torchish, lambda t: t.device(**settings)) == outcome(pytorch, lambda t: t.device(**settings))
