"""Datasets, and what their constructors and the loader's refuse, with PyTorch's messages and warnings."""

import warnings

import pytest
import torch

import torchish


def outcome(lib, f):
    """The result of `f(lib)` or its error, and its warnings, as text."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = f(lib)
        except Exception as e:
            result = f"{type(e).__name__}: {e}"
    return str(result), [(w.category.__name__, str(w.message)) for w in caught]


def table(lib):
    return lib.utils.data.TensorDataset(lib.arange(6).view(3, 2), lib.arange(3))


def stream(lib, n=5, length=None):
    class Stream(lib.utils.data.IterableDataset):
        def __iter__(self):
            return iter(range(n))

        def __repr__(self):
            return "Stream"

        if length is not None:

            def __len__(self):
                return length

    return Stream()


def stacked(lib, **kw):
    return lib.utils.data.StackDataset(**kw)


def loader(*args, **kw):
    return lambda lib: lib.utils.data.DataLoader(table(lib), *args, **kw) and "made"


def listed(batches):
    return [b.tolist() if hasattr(b, "tolist") else b for b in batches]


class Half:
    """A dataset by duck typing."""

    def __len__(self):
        return 3

    def __getitem__(self, i):
        return i / 2


CASES = {
    "sample": lambda t: table(t)[1],
    "slice": lambda t: table(t)[1:],
    "sizes that differ": lambda t: t.utils.data.TensorDataset(t.zeros(2), t.zeros(3)),
    "no tensors": lambda t: len(t.utils.data.TensorDataset()),
    "abstract": lambda t: t.utils.data.Dataset()[0],
    "generic": lambda t: t.utils.data.Dataset[int].__name__,
    "concatenation": lambda t: [(d := table(t) + table(t)), len(d), d[4], d[-1], d[-6], d.cumulative_sizes][1:],
    "old spelling": lambda t: (table(t) + table(t)).cummulative_sizes,
    "concatenation, out of range": lambda t: (table(t) + table(t))[-7],
    "concatenation, empty": lambda t: t.utils.data.ConcatDataset([]),
    "concatenation, stream": lambda t: t.utils.data.ConcatDataset([stream(t)]),
    "chain": lambda t: list(stream(t, 3) + stream(t, 2)),
    "chain, length": lambda t: len(stream(t, 3, 3) + stream(t, 2, 2)),
    "chain, no stream": lambda t: list(t.utils.data.ChainDataset([stream(t, 1), [1]])),
    "stack": lambda t: [(d := t.utils.data.StackDataset(range(3), "abc"))[1], len(d), d.__getitems__([2, 0])],
    "stack, by name": lambda t: [(d := stacked(t, a=range(3), b=Half()))[1], d.__getitems__([2, 0])],
    "stack, nothing": lambda t: t.utils.data.StackDataset(),
    "stack, both": lambda t: t.utils.data.StackDataset(range(2), a=range(2)),
    "stack, sizes": lambda t: t.utils.data.StackDataset(range(2), range(3)),
    "stack loads": lambda t: list(t.utils.data.DataLoader(stacked(t, a=range(3), b=table(t)), batch_size=2)),
    "subset": lambda t: [(d := t.utils.data.Subset(table(t), [2, 0]))[0], d[[0, 1]], d.__getitems__([1]), len(d)],
    "subset of subset": lambda t: list(t.utils.data.Subset(t.utils.data.Subset(range(9), [3, 5, 7]), [2, 0])),
    "subset, half overridden": lambda t: type("S", (t.utils.data.Subset,), {"__getitem__": lambda s, i: i})(range(2), [0]),
    "split, sum": lambda t: t.utils.data.random_split(range(5), [3, 3]),
    "split, fractions": lambda t: t.utils.data.random_split(range(5), [1.5, -0.5]),
    "split, empty part": lambda t: [len(p) for p in t.utils.data.random_split(range(1), [0.5, 0.5])],
    "split, too little": lambda t: t.utils.data.random_split(range(10), [0.5, 0.4]),
    "batches of 0": lambda t: t.utils.data.BatchSampler(range(3), 0, False),
    "batches of True": lambda t: t.utils.data.BatchSampler(range(3), True, False),
    "drop_last 1": lambda t: t.utils.data.BatchSampler(range(3), 2, 1),
    "num_samples 0": lambda t: t.utils.data.RandomSampler(range(3), num_samples=0),
    "nothing to sample": lambda t: t.utils.data.RandomSampler([]),
    "replacement 1": lambda t: t.utils.data.RandomSampler(range(3), replacement=1),
    "weights, 2-d": lambda t: t.utils.data.WeightedRandomSampler([[1.0]], 1),
    "weights, none": lambda t: t.utils.data.WeightedRandomSampler([1.0], 0),
    "weights, too many": lambda t: list(t.utils.data.WeightedRandomSampler([1.0], 2, replacement=False)),
    "weights, infinite": lambda t: list(t.utils.data.WeightedRandomSampler([float("inf"), 1.0], 2)),
    "weights, nan": lambda t: list(t.utils.data.WeightedRandomSampler([float("nan"), 1.0], 2)),
    "weights, zero": lambda t: list(t.utils.data.WeightedRandomSampler([0.0, 0.0], 2)),
    "weights, nan, one": lambda t: list(t.utils.data.WeightedRandomSampler([float("nan"), 1.0], 1)),
    "weights, negative": lambda t: list(t.utils.data.WeightedRandomSampler([-1.0], 2)),
    "rank": lambda t: t.utils.data.DistributedSampler(range(3), 2, 2),
    "no process group": lambda t: t.utils.data.DistributedSampler(range(3)),
    "abstract sampler": lambda t: list(t.utils.data.Sampler()),
    "negative workers": loader(num_workers=-1),
    "negative timeout": loader(timeout=-1),
    "prefetch without workers": loader(prefetch_factor=2),
    "negative prefetch": loader(num_workers=1, prefetch_factor=-1),
    "persistent without workers": loader(persistent_workers=True),
    "sampler and shuffle": loader(sampler=[0], shuffle=True),
    "batch_sampler and batch_size": loader(2, batch_sampler=[[0]]),
    "batch_size None and drop_last": loader(None, drop_last=True),
    "batch_size 0": loader(0),
    "batch_size 2.0": loader(2.0),
    "context without workers": loader(multiprocessing_context="fork"),
    "unknown context": loader(num_workers=1, multiprocessing_context="thread"),
    "no context": loader(num_workers=1, multiprocessing_context=3),
    "many workers": loader(num_workers=100000),
    "stream, shuffle": lambda t: t.utils.data.DataLoader(stream(t), shuffle=True),
    "stream, sampler": lambda t: t.utils.data.DataLoader(stream(t), sampler=[0]),
    "stream, batch_sampler": lambda t: t.utils.data.DataLoader(stream(t), batch_sampler=[[0]]),
    "stream, shuffle False": lambda t: listed(t.utils.data.DataLoader(stream(t), shuffle=False, batch_size=2)),
    "stream, drop_last": lambda t: listed(t.utils.data.DataLoader(stream(t), batch_size=2, drop_last=True)),
    "stream, singly": lambda t: listed(t.utils.data.DataLoader(stream(t), batch_size=None)),
    "stream, no length": lambda t: len(t.utils.data.DataLoader(stream(t), batch_size=2)),
    "stream, length": lambda t: [len(t.utils.data.DataLoader(stream(t, 5, 5), 2, drop_last=d)) for d in (True, False)],
    "stream, wrong length": lambda t: [len(d := t.utils.data.DataLoader(stream(t, 5, 3))), listed(d)],
    "set afterwards": lambda t: setattr(t.utils.data.DataLoader(table(t)), "batch_size", 3),
    "set num_workers": lambda t: setattr(t.utils.data.DataLoader(table(t)), "num_workers", 3),
    "pinned": lambda t: listed(t.utils.data.DataLoader(range(2), pin_memory=True)),
    "duck typing": lambda t: listed(t.utils.data.DataLoader(Half(), batch_size=2)),
    "no length": lambda t: len(t.utils.data.DataLoader(Half(), sampler=iter([1]))),
    "own collate": lambda t: list(t.utils.data.DataLoader(range(4), 3, collate_fn=sum)),
    "timeout without workers": lambda t: iter(t.utils.data.DataLoader(range(4), timeout=1)),
}


@pytest.mark.parametrize("f", CASES.values(), ids=CASES)
def test_as_pytorch(f):
    ours, theirs = outcome(torchish, f), outcome(torch, f)
    assert ours == theirs


def test_one_module_under_two_names():
    import torchish.utils.data.sampler

    import torchish.data.sampler

    assert torchish.utils.data is torchish.data
    assert torchish.utils.data.sampler is torchish.data.sampler


def test_a_name_that_is_missing():
    with pytest.raises(AttributeError, match="module 'torch.utils.data' has no attribute 'Foo'"):
        _ = torchish.data.Foo
