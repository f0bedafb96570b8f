"""Collation and conversion of nested structures, as PyTorch's."""

import collections

import numpy as np
import pytest
import torch

import torchish

Point = collections.namedtuple("Point", "x y")


class Keyed(collections.UserDict):
    """A mutable mapping that carries more than its items."""

    unit = "m"


class Row(collections.UserList):
    pass


class Frozen(collections.abc.Mapping):
    def __init__(self, items):
        self.items_ = dict(items)

    def __getitem__(self, k):
        return self.items_[k]

    def __iter__(self):
        return iter(self.items_)

    def __len__(self):
        return len(self.items_)


def described(x):
    """Types, dtypes and values of a structure, the same text for both libraries."""
    if isinstance(x, (torchish.Tensor, torch.Tensor)):
        return f"tensor {x.dtype} {tuple(x.shape)} {x.tolist()} {x.requires_grad}"
    if isinstance(x, collections.abc.Mapping):
        return f"{type(x).__name__} {[(k, described(x[k])) for k in x]}"
    if isinstance(x, (list, tuple, collections.UserList)):
        return f"{type(x).__name__} {[described(v) for v in x]}"
    return f"{type(x).__name__} {x!r}"


BATCHES = {
    "tensors": lambda t: [t.ones(2), t.zeros(2)],
    "views": lambda t: list(t.arange(12).view(4, 3)),
    "strided views": lambda t: list(t.arange(12).view(4, 3).T),
    "one tensor": lambda t: [t.ones(2, 3)],
    "0-d tensors": lambda t: [t.tensor(1), t.tensor(2)],
    "empty tensors": lambda t: [t.zeros(0, 2), t.zeros(0, 2)],
    "computed tensors": lambda t: [t.ones(2) * 3, t.ones(2) + 1],
    "bfloat16": lambda t: [t.ones(2, dtype=t.bfloat16), t.zeros(2, dtype=t.bfloat16)],
    "bool tensors": lambda t: [t.tensor([True]), t.tensor([False])],
    "mixed dtypes": lambda t: [t.ones(2), t.ones(2, dtype=t.int64)],
    "gradients": lambda t: [t.ones(2, requires_grad=True), t.ones(2)],
    "arrays": lambda t: [np.ones(2), np.zeros(2)],
    "integer arrays": lambda t: [np.arange(2, dtype=np.int16), np.arange(2, dtype=np.int16)],
    "scalars": lambda t: [np.float32(1), np.float32(2)],
    "0-d arrays": lambda t: [np.array(1), np.array(2)],
    "ints": lambda t: [1, 2],
    "large ints": lambda t: [2**62, -(2**62)],
    "bools": lambda t: [True, False],
    "floats": lambda t: [1.5, 2.5],
    "strings": lambda t: ["a", "b"],
    "bytes": lambda t: [b"a", b"b"],
    "tuples": lambda t: [(1, 2.0), (3, 4.0)],
    "lists": lambda t: [[1, t.ones(2)], [2, t.zeros(2)]],
    "dicts": lambda t: [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
    "default dict": lambda t: [collections.defaultdict(list, a=1), collections.defaultdict(list, a=2)],
    "ordered dict": lambda t: [collections.OrderedDict(b=1, a=2), collections.OrderedDict(b=3, a=4)],
    "mapping": lambda t: [Keyed(a=1), Keyed(a=2)],
    "read-only mapping": lambda t: [Frozen({"a": 1}), Frozen({"a": 2})],
    "named tuples": lambda t: [Point(1, t.ones(1)), Point(2, t.zeros(1))],
    "sequence": lambda t: [Row([1, 2]), Row([3, 4])],
    "ranges": lambda t: [range(2), range(2)],
    "nested": lambda t: [{"a": [(1, [2.0]), "s"], "p": Point(np.ones(1), {"q": 3})}] * 2,
    "different lengths": lambda t: [[1, 2], [3]],
    "different shapes": lambda t: [t.zeros(2), t.zeros(3)],
    "different keys": lambda t: [{"a": 1}, {"b": 2}],
    "None": lambda t: [None, None],
    "objects": lambda t: [object, object],
    "string arrays": lambda t: [np.array(["a"]), np.array(["b"])],
    "sets": lambda t: [{1}, {2}],
}


def outcome(f):
    try:
        return described(f())
    except Exception as e:
        return type(e).__name__, str(e)


@pytest.mark.parametrize("make", BATCHES.values(), ids=BATCHES)
def test_default_collate(make):
    ours, theirs = (outcome(lambda t=t: t.utils.data.default_collate(make(t))) for t in (torchish, torch))
    assert ours == theirs


CONVERTED = {
    "int": lambda t: 1,
    "string": lambda t: "a",
    "array": lambda t: np.arange(3),
    "scalar": lambda t: np.float32(1.5),
    "NumPy string": lambda t: np.str_("a"),
    "string array": lambda t: np.array(["a"]),
    "tensor": lambda t: t.ones(2),
    "tuple": lambda t: (np.ones(1), 2),
    "named tuple": lambda t: Point(np.ones(1), 2),
    "dict": lambda t: {"a": np.ones(1), "b": [np.zeros(1), "s"]},
    "mapping": lambda t: Keyed(a=np.ones(1)),
    "range": lambda t: range(2),
    "None": lambda t: None,
}


@pytest.mark.parametrize("make", CONVERTED.values(), ids=CONVERTED)
def test_default_convert(make):
    ours, theirs = (outcome(lambda t=t: t.utils.data.default_convert(make(t))) for t in (torchish, torch))
    assert ours == theirs


def test_a_mapping_keeps_what_it_carries():
    sample = Keyed(a=1)
    sample.unit = "km"
    assert torchish.utils.data.default_collate([sample, Keyed(a=2)]).unit == "km"


def test_own_types_in_the_map():
    class Pair:
        def __init__(self, a, b):
            self.a, self.b = a, b

    collate = torchish.utils.data._utils.collate

    def pairs(batch, *, collate_fn_map=None):
        return Pair(*[collate.collate([getattr(p, n) for p in batch], collate_fn_map=collate_fn_map) for n in "ab"])

    functions = {**collate.default_collate_fn_map, Pair: pairs}
    made = collate.collate([Pair(1, 2.0), Pair(3, 4.0)], collate_fn_map=functions)
    assert (made.a.tolist(), made.b.tolist()) == ([1, 3], [2.0, 4.0])


def test_a_changed_tensor_function_is_used(monkeypatch):
    data = torchish.utils.data
    functions = data._utils.collate.default_collate_fn_map
    monkeypatch.setitem(functions, torchish.Tensor, lambda batch, *, collate_fn_map=None: list(batch))
    (batch,) = data.DataLoader(data.TensorDataset(torchish.arange(3)), batch_size=3)
    assert batch == [[0, 1, 2]]
