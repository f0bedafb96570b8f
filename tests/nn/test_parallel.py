"""`nn.parallel` and moves to devices, on a machine without GPUs: the same results and the same exceptions as PyTorch's."""

import pytest
import torch as reference

import torchish as torch


def outcome(function, lib):
    """The result as text, or the exception."""
    try:
        return repr(function(lib, lib.nn.parallel))
    except Exception as error:
        return type(error).__name__, str(error)


def linear(lib):
    return lib.nn.Linear(2, 2)


CALLS = {
    "scatter on the CPU": lambda t, p: p.scatter(t.ones(2, 2), ["cpu"]),
    "scatter": lambda t, p: p.scatter([t.ones(2, 2), 3], [0]),
    "scatter without tensors": lambda t, p: p.scatter({"a": (1, "b")}, [0, 1]),
    "scatter_kwargs": lambda t, p: p.scatter_gather.scatter_kwargs((1,), {}, [0, 1]),
    "gather": lambda t, p: p.gather([t.ones(2), t.ones(2)], 0),
    "gather in dicts": lambda t, p: p.gather([{"a": 1}, {}], 0),
    "gather None": lambda t, p: p.gather([None, None], 0),
    "gather numbers": lambda t, p: p.gather([1.0, 2.0], 0),
    "replicate": lambda t, p: p.replicate(linear(t), [0]),
    "replicate detached": lambda t, p: p.replicate(linear(t), [0], detach=True),
    "replicate without state": lambda t, p: p.replicate(t.nn.Sequential(t.nn.ReLU(), t.nn.Sequential(t.nn.ReLU())), [0, 1]),
    "replicate to the CPU": lambda t, p: p.replicate(linear(t), [t.device("cpu")]),
    "parallel_apply": lambda t, p: p.parallel_apply([linear(t)], [t.ones(2)]),
    "parallel_apply to too few": lambda t, p: p.parallel_apply([linear(t)], []),
    "parallel_apply to too many": lambda t, p: p.parallel_apply([linear(t)], [1], None, [0, 1]),
    "parallel_apply on the CPU": lambda t, p: p.parallel_apply([linear(t)], [1], None, ["cpu"]),
    "broadcast": lambda t, p: p.comm.broadcast(t.ones(2), [0]),
    "reduce_add": lambda t, p: p.comm.reduce_add([t.ones(2)]),
    **{f"Module.{kind}": lambda t, p, kind=kind: getattr(linear(t), kind)() for kind in ("cuda", "ipu", "xpu", "mtia")},
    **{f"Module.{kind}(0)": lambda t, p, kind=kind: getattr(linear(t), kind)(0) for kind in ("cuda", "ipu", "xpu", "mtia")},
    **{f"to {kind}": lambda t, p, kind=kind: t.ones(2).to(kind) for kind in ("cuda", "xpu", "ipu", "vulkan", 0)},
    "cuda(cpu)": lambda t, p: t.ones(2).cuda("cpu"),
    "device(0)": lambda t, p: t.device(0),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.skipif(torch.cuda.is_available() or reference.cuda.is_available(), reason="states what happens without GPUs")
def test_without_gpus(name):
    assert outcome(CALLS[name], torch) == outcome(CALLS[name], reference)
