"""Warnings that PyTorch gives once in a process, and the lines that are blamed."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch as pytorch

import torchish

# What warns once unless `set_warn_always(True)` was called, and one that always does once.
CALLS = {
    "reversed": lambda t: t.ones(2, 3, 4).T,
    "deprecated": lambda t: t.qr(t.eye(2)),
    "frames": lambda t: t.istft(t.ones(3, 4, dtype=t.complex64), 4),
    "an old order of arguments": lambda t: (t.add(t.ones(2), 2, t.ones(2)), t.addcmul(t.ones(2), 2, t.ones(2), t.ones(2))),
    "storage": lambda t: t.ones(2).storage(),
    "values to be copied": lambda t: t.searchsorted(t.arange(12.0).reshape(3, 4), t.ones(4, 3).t()),
    "boundaries to be copied": lambda t: t.bucketize(t.ones(3), t.arange(10.0)[::2]),
    "a sorter to be copied": lambda t: t.searchsorted(t.ones(3, 4), t.ones(3, 4), sorter=t.arange(4).expand(3, 4)),
    "an array in a list": lambda t: t.tensor([np.ones(2)]),
    "arrays in lists": lambda t: t.FloatTensor([[np.ones(2)], [[1.0, 2.0]]]),
    "arrays of nothing": lambda t: t.tensor([np.ones(0)]),
}


@pytest.mark.parametrize("name", CALLS)
def test_once_or_always(name):
    found = []
    for t in (torchish, pytorch):
        counts = []
        for always in (False, True, False):
            t.set_warn_always(always)
            assert t.is_warn_always_enabled() == always
            if not counts:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    CALLS[name](t)
            with warnings.catch_warnings(record=True) as given:
                warnings.simplefilter("always")
                for _ in range(3):
                    CALLS[name](t)
            counts.append([str(w.message) for w in given])
            if t is torchish:
                assert all(w.filename == __file__ for w in given)
        found.append(counts)
    assert found[0] == found[1]


def test_set_warn_always_takes_a_bool():
    for t in (torchish, pytorch):
        with pytest.raises(RuntimeError, match="setWarnOnlyOnce expects a bool, but got int"):
            t.set_warn_always(1)


@pytest.mark.parametrize("library", ["torch", "torchish"])
def test_python_shows_a_warning_of_one_place_once(library):
    """Nothing that runs meanwhile, neither the first compilation nor a worker's start, makes Python forget what it has shown."""
    code = f"""
import {library} as torch
for _ in range(3):
    list(torch.utils.data.DataLoader([0.0, 1.0], num_workers=1))
    print(torch.nn.functional.softmax(torch.ones(2, 2), _stacklevel=2).sum().item())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "2.0\n" * 3
    assert done.stderr.count("Implicit dimension choice for softmax has been deprecated") == 1


def within_autocast(t, f):
    with t.autocast("cpu"):
        return f()


def within_mode(t, f):
    class Mode(t.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            return func(*args, **(kwargs or {}))

    with Mode():
        return f()


OF_THE_LIBRARY = {
    "dropout of one layer": lambda t: t.nn.LSTM(3, 3, dropout=0.5),
    "size_average of a function": lambda t: t.nn.functional.mse_loss(t.ones(3), t.ones(3), size_average=False),
    "size_average of another": lambda t: t.nn.functional.cross_entropy(t.ones(3, 4), t.tensor([0, 1, 2]), size_average=True),
    "reduce of a module": lambda t: t.nn.CrossEntropyLoss(reduce=False),
    "elementwise_mean": lambda t: t.nn.functional.l1_loss(t.ones(3), t.ones(3), reduction="elementwise_mean"),
    "dimension of a module": lambda t: t.nn.Softmax()(t.ones(3, 4)),
    "dimension of a function": lambda t: t.nn.functional.softmax(t.ones(3, 4)),
    "dimension under autocast": lambda t: within_autocast(t, lambda: t.nn.functional.log_softmax(t.ones(3, 4))),
    "dimension after autocast": lambda t: (within_autocast(t, lambda: None), t.nn.functional.softmin(t.ones(3, 4))),
    "dimension under a mode": lambda t: within_mode(t, lambda: t.nn.functional.softmax(t.ones(3, 4))),
    "dimension after a mode": lambda t: (within_mode(t, lambda: None), t.nn.functional.softmax(t.ones(3, 4))),
    "dimension of a module under autocast": lambda t: within_autocast(t, lambda: t.nn.Softmax()(t.ones(3, 4))),
    "weight_norm": lambda t: t.nn.utils.weight_norm(t.nn.Linear(3, 3)),
    "get_lr": lambda t: t.optim.lr_scheduler.StepLR(t.optim.SGD([t.ones(1)], 0.1), 1).get_lr(),
    "shapes of a loss": lambda t: t.nn.MSELoss()(t.ones(3, 4), t.ones(3, 1)),
    "an old initializer": lambda t: t.nn.init.constant(t.ones(3), 1.0),
}


@pytest.mark.parametrize("what", OF_THE_LIBRARY)
def test_who_is_blamed(what):
    """Python shows a warning once for each line that is blamed: one of the library's, or one of the user's."""

    def blamed(t):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            OF_THE_LIBRARY[what](t)
        return [(w.category.__name__, str(w.message), w.filename == __file__) for w in caught]

    assert blamed(torchish) == blamed(pytorch)
