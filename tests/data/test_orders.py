"""The same seed gives PyTorch's batches in PyTorch's order, and leaves the generator where PyTorch's stands."""

import itertools
import warnings

import numpy as np
import pytest
import torch

import torchish

BOTH = (torchish, torch)


def state_of(lib, generator=None):
    return (generator.get_state() if generator else lib.get_rng_state()).tolist()


def tensors(lib, n=11):
    x = np.arange(n * 3, dtype=np.float32).reshape(n, 3)
    return lib.utils.data.TensorDataset(lib.tensor(x), lib.arange(n))


def plain(x):
    """A batch as nested lists, to compare."""
    if isinstance(x, (torchish.Tensor, torch.Tensor)):
        return [str(x.dtype), x.tolist()]
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    return [plain(v) for v in x] if isinstance(x, (list, tuple)) else x


def epochs(lib, own_generator=False, n=11, count=3, **options):
    """The batches of some epochs, and the generator's state after each."""
    lib.manual_seed(5)
    generator = lib.Generator().manual_seed(7) if own_generator else None
    loader = lib.utils.data.DataLoader(tensors(lib, n), generator=generator, **options)
    seen = [len(loader)]
    for _ in range(count):
        seen.append([plain(batch) for batch in loader])
        seen.append(state_of(lib, generator))
    seen.append(state_of(lib))
    return seen


SINGLE = [
    dict(batch_size=b, shuffle=s, drop_last=d, own_generator=g)
    for b, s, d, g in itertools.product((1, 4, 20), (False, True), (False, True), (False, True))
]


@pytest.mark.parametrize("options", [*SINGLE, dict(batch_size=None), dict(batch_size=None, shuffle=True)], ids=str)
def test_epochs_are_pytorchs(options):
    ours, theirs = (epochs(lib, **options) for lib in BOTH)
    assert ours == theirs


@pytest.mark.parametrize(
    "options",
    [
        dict(batch_size=3, shuffle=True, num_workers=2),
        dict(batch_size=2, shuffle=True, num_workers=1, own_generator=True, prefetch_factor=4),
        dict(batch_size=3, num_workers=2, persistent_workers=True, shuffle=True),
        dict(batch_size=None, num_workers=2),
    ],
    ids=str,
)
def test_epochs_with_workers_are_pytorchs(options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's forks make JAX warn; ours must not, see test_workers
        ours, theirs = (epochs(lib, count=2, **options) for lib in BOTH)
    assert ours == theirs


def test_an_epoch_left_early_has_drawn_what_pytorchs_has():
    def run(lib):
        lib.manual_seed(1)
        loader = lib.utils.data.DataLoader(tensors(lib), batch_size=4, shuffle=True)
        first = [plain(next(iter(loader))) for _ in range(3)]
        return first, state_of(lib)

    assert run(torchish) == run(torch)


SAMPLERS = {
    "sequential": lambda d, g: d.SequentialSampler(range(7)),
    "random": lambda d, g: d.RandomSampler(range(9)),
    "random, generator": lambda d, g: d.RandomSampler(range(9), generator=g),
    "more than there are": lambda d, g: d.RandomSampler(range(4), num_samples=10),
    "fewer": lambda d, g: d.RandomSampler(range(9), num_samples=4, generator=g),
    "replacement": lambda d, g: d.RandomSampler(range(9), replacement=True),
    "replacement, many": lambda d, g: d.RandomSampler(range(5), replacement=True, num_samples=70, generator=g),
    "subset": lambda d, g: d.SubsetRandomSampler([3, 1, 4, 1, 5]),
    "subset, generator": lambda d, g: d.SubsetRandomSampler("abcdef", generator=g),
    "weights": lambda d, g: d.WeightedRandomSampler([0.1, 0.9, 0.4, 0.7, 3.0, 0.6], 5),
    "weights, once each": lambda d, g: d.WeightedRandomSampler([0.9, 0.4, 0.05, 0.2], 3, replacement=False, generator=g),
    "batches": lambda d, g: d.BatchSampler(d.RandomSampler(range(10)), 3, False),
    "batches, whole": lambda d, g: d.BatchSampler(d.SequentialSampler(range(10)), 3, True),
    "distributed": lambda d, g: d.DistributedSampler(range(10), 3, 1),
    "distributed, in order": lambda d, g: d.DistributedSampler(range(10), 4, 3, shuffle=False),
    "distributed, whole": lambda d, g: d.DistributedSampler(range(10), 3, 2, seed=4, drop_last=True),
    "distributed, few": lambda d, g: d.DistributedSampler(range(2), 5, 4),
}


@pytest.mark.parametrize("make", SAMPLERS.values(), ids=SAMPLERS)
def test_samplers(make):
    def run(lib):
        lib.manual_seed(3)
        generator = lib.Generator().manual_seed(4)
        sampler = make(lib.utils.data, generator)
        if hasattr(sampler, "set_epoch"):
            sampler.set_epoch(2)
        orders = [list(sampler) for _ in range(2)]
        return orders, len(sampler), state_of(lib), state_of(lib, generator)

    assert run(torchish) == run(torch)


@pytest.mark.parametrize("lengths", [[7, 3], [0.5, 0.25, 0.25], [0.1, 0.9], [10], [0.33, 0.33, 0.34]], ids=str)
def test_random_split(lengths):
    def run(lib):
        lib.manual_seed(8)
        split = lib.utils.data.random_split
        parts = split(range(10), lengths) + split(range(10), lengths, generator=lib.Generator().manual_seed(42))
        return [list(p) for p in parts], [p.indices for p in parts], state_of(lib)

    assert run(torchish) == run(torch)


def test_splits_load_as_pytorchs():
    def run(lib):
        lib.manual_seed(2)
        train, _ = lib.utils.data.random_split(tensors(lib, 20), [0.75, 0.25])
        return [plain(b) for b in lib.utils.data.DataLoader(train, batch_size=4, shuffle=True)]

    assert run(torchish) == run(torch)


@pytest.mark.parametrize("workers", [0, 2])
def test_samples_from_memory_shared_with_numpy(workers):
    """Batches show what the array holds when they are made, as PyTorch's do."""
    x = np.zeros((6, 2), np.float32)
    loader = torchish.utils.data.DataLoader(
        torchish.utils.data.TensorDataset(torchish.from_numpy(x)), batch_size=3, num_workers=workers
    )
    x[:] = np.arange(12).reshape(6, 2)
    assert [b.tolist() for (b,) in loader] == [x[:3].tolist(), x[3:].tolist()]


def test_a_batch_does_not_alias_the_dataset():
    data = tensors(torchish)
    (batch, _) = next(iter(torchish.utils.data.DataLoader(data, batch_size=4)))
    batch.zero_()
    assert data.tensors[0].tolist() == tensors(torchish).tensors[0].tolist()


def test_a_sample_aliases_the_dataset():
    data = tensors(torchish)
    data[1][0].zero_()
    assert data.tensors[0][1].tolist() == [0, 0, 0]


def test_gradients_reach_a_dataset_that_requires_them():
    x = torchish.ones(4, 2, requires_grad=True)
    for (batch,) in torchish.utils.data.DataLoader(torchish.utils.data.TensorDataset(x), batch_size=3):
        batch.sum().backward()
    assert x.grad.tolist() == [[1, 1]] * 4


def test_rows_by_other_indices():
    data = tensors(torchish)
    loader = torchish.utils.data.DataLoader(data, batch_sampler=[(1, 0), [-1], torchish.tensor([2, 3])])
    assert [y.tolist() for _, y in loader] == [[1, 0], [10], [2, 3]]
    with pytest.raises(IndexError, match="index 11 is out of bounds for dimension 0 with size 11"):
        list(torchish.utils.data.DataLoader(data, sampler=[11]))
