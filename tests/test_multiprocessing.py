"""`torch.multiprocessing`: a function in several processes, their errors, and forks of a process that has computed."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

FORKED = """
    import multiprocessing, torch

    def work(i, queue):
        queue.put((torch.ones(3) * i).sum().item())

    print(torch.ones(2).sum())  # JAX's threads run from here on
    queue = multiprocessing.get_context("fork").Queue()
    processes = [multiprocessing.get_context("fork").Process(target=work, args=(i, queue)) for i in range(2)]
    [p.start() for p in processes]
    print(sorted(queue.get(timeout=100) for _ in processes))
    [p.join() for p in processes]
"""
SPAWNED = """
    import os, sys
    import torch
    import torch.multiprocessing as mp

    def work(rank, size, x):
        if rank == 1:
            sys.exit(3)
        if rank == 2:
            raise ValueError("a bad rank" * 20_000)  # more than a pipe holds
        print(rank, size, x + 1, flush=True)

    if __name__ == "__main__":
        mp.set_sharing_strategy("file_system")
        print(mp.get_sharing_strategy(), sorted(mp.get_all_sharing_strategies()))
        context = mp.spawn(work, args=(1, torch.ones(2)), join=False)
        assert context.pids() == [context.processes[0].pid]
        while not context.join():
            pass
        for rank in (1, 2):
            try:
                mp.start_processes(lambda i, *args: work(i + rank, *args), (1, torch.ones(2)), start_method="fork")
            except mp.ProcessExitedException as e:
                print(type(e).__name__, e, e.error_index, e.exit_code, e.signal_name)
            except mp.ProcessRaisedException as e:
                print(type(e).__name__, str(e).splitlines()[2], str(e).splitlines()[-1][:21], len(str(e).splitlines()[-1]), e.error_index)
"""


@pytest.mark.parametrize("script", [FORKED, SPAWNED], ids=["fork", "spawn"])
def test_prints_the_same(script, tmp_path):
    file = tmp_path / "script.py"
    file.write_text(textwrap.dedent(script))
    printed = []
    for start in ([], ["-m", "torchish"]):
        done = subprocess.run([sys.executable, *start, str(file)], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0 and "Warning" not in done.stderr, done.stderr
        printed.append(done.stdout)
    assert printed[0] == printed[1] != ""
