"""Training agrees with PyTorch's from the same seed, and goes on with the same losses from the other library's checkpoint."""

from __future__ import annotations

import pathlib
import sys

import numpy as np
import pytest
import torch as pytorch

import torchish

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))
from benchmarks.agreement import NETWORKS, Run, differences


@pytest.mark.parametrize("name", NETWORKS)
def test_training_and_continuing(name, tmp_path):
    """Four epochs alike; then each library goes on for twenty from its own checkpoint, and from the other's."""
    runs = {torch: Run(torch, name, examples=256) for torch in (pytorch, torchish)}
    losses = {torch: run.train(32) for torch, run in runs.items()}  # four epochs
    assert differences(losses[torchish], losses[pytorch]).max() < 1e-3
    paths = {}
    for torch, run in runs.items():
        paths[torch] = tmp_path / f"{torch.__name__}.pt"
        torch.save(run.state(), paths[torch])
    after = {}
    for torch in runs:
        for source, path in paths.items():
            run = Run(torch, name, examples=256)
            run.resume(torch.load(path))
            after[torch, source] = run.train(20)
    want = after[pytorch, pytorch]
    for got in after.values():
        np.testing.assert_allclose(got, want, 2e-3)
    np.testing.assert_allclose(after[torchish, pytorch], want, 1e-3)  # the same start: closer
