"""Warnings that PyTorch gives once in a process."""

import warnings

import pytest
import torch as pytorch

import torchish

# What warns once unless `set_warn_always(True)` was called, and one that always does once.
CALLS = {
    "reversed": lambda t: t.ones(2, 3, 4).T,
    "deprecated": lambda t: t.qr(t.eye(2)),
    "frames": lambda t: t.istft(t.ones(3, 4, dtype=t.complex64), 4),
    "storage": lambda t: t.ones(2).storage(),
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
