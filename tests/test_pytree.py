"""`torch.utils._pytree`: nested containers as lists of leaves, against PyTorch."""

from collections import OrderedDict, defaultdict, deque, namedtuple

import pytest
import torch as pytorch
import torch.utils._pytree as pytorch_pytree

import torchish
import torchish.utils._pytree as torchish_pytree

Point = namedtuple("Point", "x y")


class Pair:
    def __init__(self, a, b):
        self.a, self.b = a, b

    def __repr__(self):
        return f"Pair({self.a}, {self.b})"


for pytree in (pytorch_pytree, torchish_pytree):
    pytree.register_pytree_node(Pair, lambda p: ([p.a, p.b], "context"), lambda items, _: Pair(*items))

TREE = {
    "b": [1, (2, None)], "a": Point(3, {"z": 4}), "o": OrderedDict(q=1, p=2), "d": defaultdict(int, {"k": 5}),
    "q": deque([7, 8], maxlen=3), "pair": Pair(6, [7]), "e": [], "t": (),
}  # fmt: skip


def outcome(f, m, pytree):
    try:
        return repr(f(m, pytree))
    except Exception as e:
        return f"{type(e).__name__}: {e}"


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "f",
    [
        lambda m, p: p.tree_flatten(TREE),
        lambda m, p: p.tree_unflatten(p.tree_leaves(TREE), p.tree_structure(TREE)),
        lambda m, p: [getattr(p.tree_structure(TREE), n) for n in ("num_leaves", "num_nodes", "num_children", "type", "context")],
        lambda m, p: [p.tree_flatten(x) for x in (3, None, "ab", m.ones(2), m.Size([1, 2]), m.ones(2, 2).max(0))],
        lambda m, p: p.tree_map(lambda x: x + 1, m.ones(2, 2).max(0)),
        lambda m, p: p.tree_map(lambda x: x if x is None else x * 2, TREE),
        lambda m, p: p.tree_map(lambda x, y: (x, y), {"a": 1, "b": [2]}, {"b": [20], "a": (10, 11)}),
        lambda m, p: p.tree_map(max, [1, (2, 3)], [10, (20, 30, 40)]),
        lambda m, p: p.tree_map(max, [1, (2, 3)], [10, [20, 30]]),
        lambda m, p: p.tree_map(max, {"a": 1}, {"b": 1}),
        lambda m, p: p.tree_map(max, [1, 2], 5),
        lambda m, p: p.tree_flatten([1, (2, 3)], is_leaf=lambda x: isinstance(x, tuple)),
        lambda m, p: [p.tree_map_only(what, lambda x: -x, [1, "a", 2.0]) for what in (int, (int, float), lambda x: x == 1)],
        lambda m, p: p.tree_map_only(3, abs, [1]),
        lambda m, p: p.tree_map_(lambda t: t.add_(1), [m.ones(2), {"a": m.zeros(1)}]),
        lambda m, p: (p.tree_all(bool, [1, 0]), p.tree_any(bool, [1, 0])),
        lambda m, p: (p.tree_all_only(int, bool, [1, ""]), p.tree_any_only(str, bool, [1])),
        lambda m, p: p.tree_unflatten([1], p.tree_structure([1, (2, 3)])),
        lambda m, p: p.tree_unflatten([1], 3),
        lambda m, p: p.tree_structure([1, 2]).flatten_up_to([(1, 2), 3]),
        lambda m, p: (p.tree_structure([1]) == p.tree_structure([2]), p.tree_structure([1]) == p.tree_structure((1,)), p.LeafSpec()),
        lambda m, p: isinstance(p.tree_structure(1), p.LeafSpec),
        lambda m, p: p.tree_flatten_with_path({"a": [1, (2,)], "p": Point(1, 2)}),
        lambda m, p: p.tree_map_with_path(lambda path, x, y: (p.keystr(path), x, y), {"a": [1, (2,)]}, {"a": [3, (4,)]}),
        lambda m, p: p.key_get({"a": [1, (2,)]}, (p.MappingKey("a"), p.SequenceKey(1))),
        lambda m, p: p.register_pytree_node(Pair, None, None),
        lambda m, p: m.utils._pytree is p,
    ],
)
def test_trees(f):
    assert outcome(f, torchish, torchish_pytree) == outcome(f, pytorch, pytorch_pytree)
