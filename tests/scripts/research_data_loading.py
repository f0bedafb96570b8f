"""Datasets, samplers, batches, workers, and what they refuse."""
import torch, random, warnings, itertools
from torch.utils.data import *
from torch.utils.data import default_collate, get_worker_info
from torch.utils.data._utils.collate import default_convert
from collections import namedtuple, OrderedDict
import numpy as np
torch.manual_seed(11); random.seed(0); np.random.seed(0)
P = namedtuple('P', 'a b')
class DS(Dataset):
    def __init__(self, n): self.n = n
    def __len__(self): return self.n
    def __getitem__(self, i): return {'x': torch.full((2,), float(i)), 'y': i, 'z': float(i), 's': f's{i}', 't': (i, [i, i + .5]), 'p': P(i, torch.tensor(i)), 'n': np.array([i, i]), 'nf': np.float32(i), 'by': b'ab', 'bo': i % 2 == 0}
dl = DataLoader(DS(5), batch_size=2, shuffle=True); print(len(dl), dl.batch_size, dl.sampler, type(dl.batch_sampler).__name__, dl.drop_last, dl.num_workers, dl.dataset.n)
for b in dl: print(b)
for b in DataLoader(DS(3), batch_size=None): print(b)
class It(IterableDataset):
    def __iter__(self):
        w = get_worker_info(); r = range(7) if w is None else range(w.id, 7, w.num_workers); return iter(r)
print(list(DataLoader(It(), batch_size=3)), list(DataLoader(It(), batch_size=3, drop_last=True)), list(DataLoader(It(), batch_size=2, num_workers=2)))
def pad(batch):
    xs, ys = zip(*batch); return torch.nn.utils.rnn.pad_sequence(xs, batch_first=True, padding_value=-1), torch.tensor(ys), torch.tensor([len(x) for x in xs])
seqs = [(torch.arange(n), n % 2) for n in (3, 1, 4, 2, 5)]
for b in DataLoader(seqs, batch_size=2, collate_fn=pad, sampler=SequentialSampler(seqs)): print(b)
g = torch.Generator().manual_seed(3)
print(list(RandomSampler(range(6), generator=g)), list(RandomSampler(range(6), replacement=True, num_samples=8, generator=g)), list(WeightedRandomSampler([.1, .9, .5], 6, generator=g)), list(WeightedRandomSampler([1., 2., 3.], 2, replacement=False, generator=g)), list(SubsetRandomSampler([3, 5, 7], generator=g)), list(BatchSampler(SequentialSampler(range(7)), 3, True)), list(BatchSampler(range(7), 3, False)))
class Bucket(Sampler):
    def __init__(self, lens, bs): self.lens, self.bs = lens, bs
    def __iter__(self):
        o = sorted(range(len(self.lens)), key=lambda i: self.lens[i]); bs = [o[i:i + self.bs] for i in range(0, len(o), self.bs)]; random.shuffle(bs); yield from bs
    def __len__(self): return -(-len(self.lens) // self.bs)
print([b for b in DataLoader(range(10, 15), batch_sampler=Bucket([3, 1, 2, 5, 4], 2))], list(DataLoader(range(6), batch_size=4, generator=torch.Generator().manual_seed(0), shuffle=True)))
td = TensorDataset(torch.arange(10).view(5, 2), torch.arange(5)); print(td[1:3], td[[0, 2]], len(td)); a, b = random_split(td, [3, 2], generator=torch.Generator().manual_seed(42)); print(a.indices, b.indices, a[0], [len(s) for s in random_split(range(11), [.5, .3, .2])]); cd = ConcatDataset([td, td]); print(len(cd), cd[7], cd.cumulative_sizes, cd[-1]); print((td + td)[5], Subset(td, [4, 0])[0]); print(len(ChainDataset([It(), It()]).datasets), list(ChainDataset([It(), It()]))); sd = StackDataset(a=td, b=range(5)); print(sd[1], len(sd), StackDataset(range(3), range(3))[2])
print(default_collate([1, 2]), default_collate([1., 2]), default_collate(['a', 'b']), default_collate([(1, 'x'), (2, 'y')]), default_collate([{'a': 1}, {'a': 2}]), default_collate([np.ones(2), np.zeros(2)]), default_collate([torch.ones(1, 2)] * 2), default_collate([OrderedDict(k=1), OrderedDict(k=2)]), default_convert({'a': np.arange(2), 'b': [1, 'c']}), default_collate([True, False]), default_collate([np.int16(3), np.int16(4)]))
class Bad(Dataset):
    def __getitem__(self, i): raise ValueError(f'bad index {i}')
    def __len__(self): return 2
for f in [lambda: next(iter(DataLoader(Bad()))), lambda: next(iter(DataLoader(Bad(), num_workers=1))), lambda: DataLoader(td, batch_size=2, batch_sampler=Bucket([1], 1)), lambda: DataLoader(td, shuffle=True, sampler=SequentialSampler(td)), lambda: DataLoader(It(), shuffle=True), lambda: len(DataLoader(It())), lambda: DataLoader(td, batch_size=0), lambda: DataLoader(td, num_workers=-1), lambda: DataLoader(td, timeout=-1), lambda: DataLoader(td, prefetch_factor=2), lambda: DataLoader(td, persistent_workers=True), lambda: DataLoader(td, batch_size=None, drop_last=True), lambda: RandomSampler([]), lambda: RandomSampler(td, num_samples=0), lambda: RandomSampler(td, replacement=1), lambda: WeightedRandomSampler([1], 0), lambda: WeightedRandomSampler([[1.]], 1), lambda: BatchSampler(td, 0, False), lambda: BatchSampler(td, 1, 'a'), lambda: random_split(td, [1, 2]), lambda: random_split(td, [.9, .2]), lambda: TensorDataset(torch.ones(2), torch.ones(3)), lambda: ConcatDataset([]), lambda: ConcatDataset([It()]), lambda: cd[-99], lambda: StackDataset(range(2), range(3)), lambda: StackDataset(), lambda: default_collate([torch.ones(2), torch.ones(3)]), lambda: default_collate([[1, 2], [1]]), lambda: default_collate([None, None]), lambda: default_collate([np.array(['a'])]), lambda: default_collate([object()]), lambda: next(iter(DataLoader(seqs, batch_size=2))), lambda: Dataset()[0], lambda: len(Dataset()), lambda: next(iter(IterableDataset())), lambda: next(iter(DataLoader([1, 'a'], batch_size=2))), lambda: DataLoader(td).__setattr__('batch_size', 3), lambda: DataLoader(td, multiprocessing_context='foo', num_workers=1), lambda: DataLoader(td, batch_size='a'), lambda: default_collate([])]:
    try: print(f())
    except Exception as e: print(type(e).__name__, str(e).split('Traceback')[0][:300], '|', str(e).strip().splitlines()[-1] if str(e).strip() else '')
with warnings.catch_warnings(record=True) as w:
    warnings.simplefilter('always')
    class L(IterableDataset):
        def __iter__(self): return iter(range(5))
        def __len__(self): return 3
    print(list(DataLoader(L()))); print(len(DataLoader(L(), batch_size=2)))
print([str(x.message)[:250] for x in w if 'cpu' not in str(x.message)])
def seedw(i): np.random.seed(torch.initial_seed() % 2**32)
class R(Dataset):
    def __len__(self): return 4
    def __getitem__(self, i): return i, torch.rand(1).item(), random.random(), get_worker_info().id, get_worker_info().seed % 1000
dl = DataLoader(R(), num_workers=2, worker_init_fn=seedw, generator=torch.Generator().manual_seed(9), persistent_workers=True)
for ep in range(2):
    for b in dl: print([round(v.item(), 4) for v in b])
print(torch.rand(2), torch.initial_seed()); it = iter(DataLoader(range(3))); print(next(it), it, len(it)); print(list(it)); 
try: next(it)
except StopIteration: print('stop')
