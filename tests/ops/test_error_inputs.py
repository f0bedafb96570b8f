"""The calls that PyTorch's operator database lists as wrong: PyTorch's exception and text, and arguments that are as they were."""

from __future__ import annotations

import types
from collections import Counter

import pytest
import torch as pytorch
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils import _pytree as pytree

import torchish

# Methods of numbers, in words about PyTorch's C++ classes; private names; and programs of CUDA.
ELSEWHERE = "__radd__ __rdiv__ __rmul__ __rand__ __ror__ __rxor__ _chunk_cat jiterator_binary jiterator_binary_return_by_ref".split()
INFOS = [info for info in op_db if info.error_inputs_func is not None and info.name not in ELSEWHERE]


def tensors(tree, t):
    return [x for x in pytree.tree_leaves(tree, is_leaf=lambda x: isinstance(x, t.Tensor)) if isinstance(x, t.Tensor)]


def moved(tree):
    """The same arguments for torchish, views of the same memory where they were."""
    ours = {}
    sharing = Counter(x.untyped_storage()._cdata for x in {id(x): x for x in tensors(tree, pytorch) if x.device.type == "cpu"}.values())

    def leaf(x):
        if isinstance(x, (pytorch.dtype, pytorch.layout)):
            return getattr(torchish, str(x).removeprefix("torch."))
        if isinstance(x, pytorch.device):
            return torchish.device(str(x))
        if not isinstance(x, pytorch.Tensor):
            return x
        if id(x) not in ours:
            if x.device.type != "cpu":
                ours[id(x)] = torchish.empty(tuple(x.shape), dtype=leaf(x.dtype), device=str(x.device))
            elif sharing[x.untyped_storage()._cdata] == 1 and x.is_contiguous():
                flat = torchish.tensor(x.detach().reshape(-1).tolist(), dtype=leaf(x.dtype))
                ours[id(x)] = flat.reshape(tuple(x.shape)).requires_grad_(x.requires_grad)
            else:
                memory = x.untyped_storage()
                if memory._cdata not in ours:
                    whole = pytorch.empty(0, dtype=x.dtype).set_(memory, 0, (memory.nbytes() // x.element_size(),), (1,))
                    ours[memory._cdata] = torchish.tensor(whole.tolist(), dtype=leaf(x.dtype))
                ours[id(x)] = ours[memory._cdata].as_strided(tuple(x.shape), x.stride(), x.storage_offset())
        return ours[id(x)]

    return pytree.tree_map(leaf, tree, is_leaf=lambda x: isinstance(x, pytorch.Tensor))


def function(info):
    f, t = info.op, torchish
    if isinstance(f, types.FunctionType) and f.__module__.startswith("torch.testing"):
        return types.FunctionType(f.__code__, f.__globals__ | {"torch": torchish}, f.__name__, f.__defaults__, f.__closure__)
    for part in info.name.split("."):
        t = getattr(t, part) if hasattr(t, part) else getattr(t.Tensor, part)
    return t


def state(tree):
    return [(x.shape, x.stride(), x._version, x.reshape(-1).tolist() if x.device.type == "cpu" else None) for x in tensors(tree, torchish)]


@pytest.mark.parametrize("k", range(len(INFOS)), ids=[f"{info.name}.{info.variant_test_name}" for info in INFOS])
def test_error_inputs(k):
    info = INFOS[k]
    for wrong in info.error_inputs("cpu"):
        sample = wrong.sample_input
        tree = (sample.input, sample.args, sample.kwargs)
        if pytorch.sparse_coo in pytree.tree_leaves(tree):
            continue
        try:
            info.op(tree[0], *tree[1], **tree[2])
        except Exception as error:
            ours = moved(tree)
            before = repr(state(ours))
            with pytest.raises(type(error)) as got:
                function(info)(ours[0], *ours[1], **ours[2])
            assert (type(got.value).__name__, str(got.value)) == (type(error).__name__, str(error))
            assert repr(state(ours)) == before
