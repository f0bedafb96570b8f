"""One contender on one workload, in a process of its own: `python -m benchmarks.contender CONTENDER WORKLOAD`.

Prints a JSON line with the first step's seconds; then, for each line "n" that it reads, one with the seconds per step over n
steps, until all of their results have been computed. Half as many before them are not counted: while others had their turn this process
slept, and processors take some tenth of a second to be as fast again. An empty line ends it, with a last JSON line: peak memory in bytes
and the number of programs compiled.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

CONTENDERS = ("PyTorch eager", "torch.compile", "Flax + Optax + jit", "torchish", "torchish captured")
# workload -> arguments, and whether `torch.compile` and a hand-written JAX version exist for it
WORKLOADS: dict[str, tuple[str, dict]] = {
    "LeNet, batch 4": ("lenet", {"batch": 4}),
    "LeNet, batch 64": ("lenet", {"batch": 64}),
    "LeNet, batch 512": ("lenet", {"batch": 512}),
    "LeNet, batch 64, DataLoader with 2 workers": ("lenet_loader", {"batch": 64}),
    "MLP, batch 64": ("mlp", {"batch": 64}),
    "MLP, batch 1024": ("mlp", {"batch": 1024}),
    "Transformer encoder": ("transformer", {}),
    "LSTM": ("lstm", {}),
    "regression by hand, 200 updates": ("regression", {}),
    "product chain, 1000 times": ("product_chain", {}),
    "character RNN, 60 words": ("char_rnn", {}),
    "(x + y).sum().item(), 3x3": ("small_sum", {}),
    "ResNet-18, batch 16": ("resnet18", {}),
}


def takes_part(contender: str, workload: str) -> bool:
    """Whether a contender has a version of the workload."""
    name = WORKLOADS[workload][0]
    if contender == "Flax + Optax + jit":
        return name not in ("product_chain", "char_rnn", "lenet_loader")
    if contender == "torch.compile":  # what has a model to compile
        return name in ("lenet", "mlp", "transformer", "lstm", "resnet18")
    return contender != "torchish captured" or name != "product_chain"


def build(contender: str, workload: str, threads: int) -> Any:
    """The workload's step for a contender; imports what it needs and nothing else."""
    name, kwargs = WORKLOADS[workload]
    if contender == "Flax + Optax + jit":
        from benchmarks import flax_workloads

        return getattr(flax_workloads, name)(**kwargs)
    from benchmarks import workloads

    torch: Any
    if contender.startswith("torchish"):
        import torchish as torch
    else:
        import torch

        torch.set_num_threads(threads)
    torch.manual_seed(0)

    def same(f: Any) -> Any:
        return f

    model = torch.compile if contender == "torch.compile" else same
    step = (lambda f: torch.compile(f, fullgraph=True)) if contender == "torchish captured" else same
    return getattr(workloads, name)(torch, model, step, **kwargs)


def wait() -> None:
    """Wait for what was called for and has not been computed yet: the update after a loss that has been read."""
    if "torchish" in sys.modules:
        sys.modules["torchish"].cpu.synchronize()


def programs_compiled() -> int | None:
    """How many programs torchish compiled or loaded in this process; None for other contenders."""
    if "torchish" not in sys.modules:
        return None
    from torchish.engine.program import STATS

    return STATS.compiled + STATS.loaded


def main(contender: str, workload: str, threads: str) -> None:
    """Serve measurements on standard input and output."""
    start = time.perf_counter()
    step = build(contender, workload, int(threads))
    built = time.perf_counter()
    step()
    print(json.dumps({"start": built - start, "first": time.perf_counter() - built}), flush=True)
    for _ in range(5):
        step()
    wait()
    for line in sys.stdin:
        if not line.strip():
            break
        n = int(line)
        for _ in range(n // 2):
            step()
        wait()
        start = time.perf_counter()
        for _ in range(n):
            step()
        wait()
        print(json.dumps((time.perf_counter() - start) / n), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"peak": peak, "programs": programs_compiled()}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
