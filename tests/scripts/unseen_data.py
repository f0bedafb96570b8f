"""Datasets and loaders: orders from a seed, batches, collation, splits, samplers, workers."""
import torch
from torch.utils.data import BatchSampler, ConcatDataset, DataLoader, Dataset, IterableDataset, RandomSampler, SequentialSampler, Subset, TensorDataset, WeightedRandomSampler, random_split

torch.manual_seed(15)


def attempt(label, function):
    try:
        print(label, function())
    except Exception as e:
        print(label, type(e).__name__, str(e).splitlines()[0])


class Squares(Dataset):
    def __init__(self, n, transform=None):
        self.n, self.transform = n, transform

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if i >= self.n:
            raise IndexError(i)
        x = torch.tensor([float(i), float(i * i)])
        return (self.transform(x) if self.transform else x), i % 3


data = Squares(7)
print(len(data), data[2], Squares(3, transform=lambda x: x / 2)[2])
for x, y in DataLoader(data, batch_size=3):
    print(x, y)
print([y.tolist() for _, y in DataLoader(data, batch_size=3, drop_last=True)], len(DataLoader(data, batch_size=3)), len(DataLoader(data, batch_size=3, drop_last=True)))
print(next(iter(DataLoader(data))), len(DataLoader(data)))

# the order of a shuffle comes from the seed
for _ in range(2):
    torch.manual_seed(16)
    loader = DataLoader(data, batch_size=2, shuffle=True)
    print([x[:, 0].int().tolist() for x, _ in loader], [x[:, 0].int().tolist() for x, _ in loader], torch.rand(1))
g = torch.Generator().manual_seed(17)
print([y.tolist() for _, y in DataLoader(data, batch_size=4, shuffle=True, generator=g)])

# tensors, concatenation, subsets, splits
features, labels = torch.arange(10.0).view(5, 2), torch.arange(5)
pairs = TensorDataset(features, labels)
print(len(pairs), pairs[1], pairs[1:3], pairs[-1], next(iter(DataLoader(pairs, batch_size=2))), pairs.tensors[1])
both = ConcatDataset([pairs, pairs])
print(len(both), both[6], both[-1], both.cumulative_sizes, len(pairs + pairs))
part = Subset(pairs, [4, 0])
print(len(part), part[0], part[1], part.indices)
train, test = random_split(range(10), [7, 3], generator=torch.Generator().manual_seed(42))
print(list(train), list(test), train.indices)
torch.manual_seed(18)
a, b, c = random_split(pairs, [0.5, 0.3, 0.2])
print(len(a), len(b), len(c), a.indices, b.indices, c.indices)

# samplers
print(list(SequentialSampler(range(4))), list(BatchSampler(SequentialSampler(range(5)), 2, False)), list(BatchSampler(SequentialSampler(range(5)), 2, True)))
torch.manual_seed(19)
print(list(RandomSampler(range(6))), list(RandomSampler(range(4), replacement=True, num_samples=8)), list(WeightedRandomSampler([0.1, 0.9, 0.5], 5)))
print([y.tolist() for _, y in DataLoader(data, sampler=[6, 0, 3], batch_size=2)], [y.tolist() for _, y in DataLoader(data, batch_sampler=[[0, 1], [5]])])


# collation
class Mixed(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        return {"number": i, "real": i / 2, "name": f"n{i}", "pair": (torch.ones(2) * i, [i, i + 1]), "flag": i > 1}


print(next(iter(DataLoader(Mixed(), batch_size=2))))
print(next(iter(DataLoader(data, batch_size=3, collate_fn=lambda items: [y for _, y in items]))), next(iter(DataLoader([1.5, 2.5], batch_size=2))), next(iter(DataLoader(range(3), batch_size=None))))
print(torch.utils.data.default_collate([torch.zeros(2), torch.ones(2)]), torch.utils.data.default_collate([(1, 2.0), (3, 4.0)]))
attempt("sizes that differ", lambda: next(iter(DataLoader([torch.zeros(2), torch.zeros(3)], batch_size=2))))


class Count(IterableDataset):
    def __iter__(self):
        return iter(range(5))


print([batch.tolist() for batch in DataLoader(Count(), batch_size=2)])

# worker processes give the same batches in the same order
for workers in (0, 2):
    torch.manual_seed(20)
    loader = DataLoader(Squares(8), batch_size=2, shuffle=True, num_workers=workers)
    print([[y.tolist() for _, y in loader] for _ in range(2)], torch.rand(1))
iterator = iter(DataLoader(Squares(4), batch_size=2, num_workers=1))
print(next(iterator)[1], next(iterator)[1], next(iterator, "the end"))
for i, (x, y) in enumerate(DataLoader(pairs, batch_size=2, num_workers=2), 0):
    print(i, x.sum(), y, x.dtype)

attempt("shuffle and sampler", lambda: DataLoader(data, shuffle=True, sampler=[0]))
attempt("batch size 0", lambda: DataLoader(data, batch_size=0))
attempt("negative workers", lambda: DataLoader(data, num_workers=-1))
attempt("tensors of other lengths", lambda: TensorDataset(torch.zeros(2), torch.zeros(3)))
attempt("split sizes", lambda: random_split(range(5), [3, 3]))
attempt("no __getitem__", lambda: Dataset()[0])
attempt("empty concatenation", lambda: ConcatDataset([]))
