"""Reading by every kind of index."""
import torch

t = torch.arange(24).reshape(2, 3, 4)
m = torch.arange(12.0).view(3, 4)

# integers, slices, None, Ellipsis
print(t[0], t[1, 2], t[1, 2, 3], t[-1, -1, -1], t[0][1][2])
print(t[:, 1], t[..., 0], t[0, ...], t[:, :, 1:3], t[..., -2:], t[:, ::2, ::3], t[1:, :, 3], t[:1].shape)
print(m[:2], m[1:], m[::2], m[:, -1], m[1:1], m[5:], m[:-1, 1:-1], m[True].shape, m[False].shape)
print(m[None].shape, m[:, None].shape, m[..., None].shape, m[None, :, None, 1].shape, t[..., None, :, 0].shape)
print(m[1].item(), sep="") if m[1].numel() == 1 else print(m[1].tolist(), m[1, 2].item(), float(m[2, 3]), int(t[0, 1, 1]))
print(m[slice(0, 2), slice(None, None, 2)], m[torch.tensor(1)], m[torch.tensor(1), torch.tensor(2)])

# integer tensors and lists
idx = torch.tensor([2, 0, 2])
print(m[idx], m[:, idx], m[[0, 2]], m[[0, 2], [1, 3]], m[[-1]], m[idx, 1], m[1, idx], m[idx, :2])
print(t[[0, 1], :, [1, 2]], t[:, [0, 2], [1, 3]], t[0, [1, 2]], t[:, [[0, 1], [1, 2]]].shape, t[[0], [1]].shape)
print(t[torch.tensor([[0], [1]]), torch.tensor([0, 2])], t[..., torch.tensor([0, 3])].shape, t[1, :, idx].shape)
print(m[torch.tensor([0, 1, 2]), torch.tensor([3, 2, 1])], m[range(2)], m[(0, 1)], m[torch.tensor([], dtype=torch.long)])

# boolean masks
print(m[m > 5], m[m % 2 == 0], m[(m > 2) & (m < 7)], t[t > 20], m[torch.tensor([True, False, True])])
print(m[:, torch.tensor([True, False, False, True])], m[torch.tensor([True, False, True]), 1], m[m < 0], m[m > 100].shape)
print(t[torch.tensor([True, False])].shape, t[:, torch.tensor([True, False, True])].shape, t[torch.tensor([[True, False, True], [False, True, False]])])

# functions that pick
print(torch.index_select(m, 0, torch.tensor([2, 1])), m.index_select(1, torch.tensor([3, 0])))
print(torch.masked_select(m, m > 8), m.masked_select(m.ge(10)), torch.take(m, torch.tensor([0, 5, -1])), m.take(torch.tensor([[1, 2], [3, 4]])))
print(torch.gather(m, 1, torch.tensor([[0, 1], [1, 2], [2, 3]])), m.gather(0, torch.tensor([[2, 1, 0, 1]])))
print(torch.take_along_dim(m, m.argmax(dim=1, keepdim=True), dim=1))
print(m.narrow(0, 1, 2), torch.narrow(m, 1, 1, 2), m.select(0, 1), torch.select(m, 1, 2))
print(torch.nonzero(m > 9), (m > 9).nonzero(as_tuple=True), torch.nonzero(torch.tensor([0, 1, 2])), torch.argwhere(m > 10))
print(torch.where(m > 5, m, -m), torch.where(m > 10), torch.where(m > 5, 1.0, 0.0), m.where(m > 5, torch.tensor(0.0)))
print(m.diagonal(), torch.diagonal(t, 0, 1, 2), torch.diag(m[:, :3]), m.diag(1), t.diagonal(offset=1, dim1=-2, dim2=-1))

# splitting
print(torch.split(m, 2), m.split([1, 3], dim=1), torch.chunk(torch.arange(7), 3), m.unbind(), torch.unbind(m, dim=1))
print(torch.tensor_split(torch.arange(7), 3), torch.tensor_split(torch.arange(7), (1, 4)), torch.hsplit(m, 2), torch.vsplit(m, 3)[0], torch.dsplit(t.float(), 2)[1].shape)
print([row.sum().item() for row in m], len(m), list(m[0]), [int(v) for v in t[0, 0]], 3.0 in m, 99 in m)
a, b, c = m
print(a, b + c, sum(m), max(m[0]), *m[2, :2])

# searching and counting
s = torch.tensor([1, 3, 5, 7, 9])
print(torch.searchsorted(s, torch.tensor([3, 6, 9])), torch.searchsorted(s, 3, right=True), torch.bucketize(torch.tensor([0, 4, 10]), s))
print(torch.bincount(torch.tensor([0, 1, 1, 3])), torch.count_nonzero(m), torch.count_nonzero(m, dim=0), torch.isin(s, torch.tensor([3, 9])))
