"""Writing by every kind of index, and the functions that scatter."""
import torch

m = torch.zeros(3, 4)
m[0] = 1
m[1, 2] = 5
m[:, 3] = torch.tensor([7.0, 8.0, 9.0])
m[2, :2] = torch.tensor([-1, -2])
print(m)
m[..., 0] += 10
m[1] *= 2
m[-1, -1] -= 0.5
print(m)
m[[0, 2], [1, 2]] = torch.tensor([100.0, 200.0])
m[torch.tensor([1])] = torch.arange(4.0)
m[m > 50] = 0
m[m == 0] = -3.0
print(m)
m[:, torch.tensor([True, False, False, True])] = 4
m[torch.tensor([True, False, True]), 1] = torch.tensor([11.0, 12.0])
m[None, 1, 1:3] = torch.ones(1, 2)
m[:] = m.flip(0).clone()
m[1:1] = 99
print(m)
m[0, 0], m[0, 1] = m[0, 1].item(), m[0, 0].item()
m[1][2] = 55
m[2][:2] = 6
print(m)

t = torch.zeros(2, 3, 4, dtype=torch.int64)
t[0, 1] = torch.arange(4)
t[:, 2, ::2] = torch.tensor([[1], [2]])
t[..., -1] = t[..., 0] + 1
t[1, [0, 2], 1] = 7
t[:, [0, 1], [1, 2]] = torch.tensor([[3, 4], [5, 6]])
t[t == 0] = -1
t[1, 1, 1] = 2.9
print(t)

# the same index twice: the last write of += wins, accumulate adds
c = torch.zeros(3)
c[torch.tensor([0, 0, 1])] += 1
print(c)
print(torch.zeros(3).index_put_((torch.tensor([0, 0, 1]),), torch.ones(3), accumulate=True))
print(torch.zeros(2, 3).index_put((torch.tensor([0, 1]), torch.tensor([2, 0])), torch.tensor([5.0, 6.0])))

# scatter and friends
src = torch.arange(1.0, 11.0).reshape(2, 5)
index = torch.tensor([[0, 1, 2, 0]])
print(torch.zeros(3, 5).scatter_(0, index, src), torch.zeros(3, 5).scatter(0, torch.tensor([[0, 1, 2, 0, 0]]), 8.0))
print(torch.zeros(2, 4).scatter_(1, torch.tensor([[3], [0]]), 1.23), torch.ones(3, 5).scatter_add_(0, torch.tensor([[0, 1, 2, 0, 0], [2, 0, 0, 1, 2]]), src))
labels = torch.tensor([2, 0, 1])
print(torch.zeros(3, 3).scatter_(1, labels.unsqueeze(1), 1), torch.nn.functional.one_hot(labels, 4))
x = torch.ones(3, 3)
print(x.index_add_(0, torch.tensor([0, 2]), torch.tensor([[1.0, 2, 3], [4, 5, 6]])))
print(x.index_fill_(1, torch.tensor([0]), -1), torch.index_add(x, 1, torch.tensor([2, 2]), torch.ones(3, 2), alpha=2))
print(x.index_copy_(0, torch.tensor([1]), torch.tensor([[9.0, 9.0, 9.0]])), x.masked_fill(x > 4, 0))
print(x.masked_fill_(x < 0, 0.5))
print(x.masked_scatter_(x == 9, torch.tensor([1.0, 2.0, 3.0])))
print(x.put_(torch.tensor([0, 4]), torch.tensor([1.0, 2.0])))
print(x.fill_diagonal_(0))
print(x.fill_(3).sum(), x.zero_().sum())

# writes while autograd looks on
w = torch.ones(4, requires_grad=True)
y = w * 2
y[1] = 0
y[2:] *= 3
y.sum().backward()
print(y, w.grad)
w = torch.arange(3.0, requires_grad=True)
out = torch.zeros(5)
out[1:4] = w ** 2
out[torch.tensor([0, 4])] = w[0]
print(out)
(out * torch.arange(5.0)).sum().backward()
print(w.grad)
base = torch.zeros(2, 2)
v = torch.tensor([1.0, 2.0], requires_grad=True)
base[0] = v
base[1].copy_(v * 3)
print(base)
base.pow(2).sum().backward()
print(v.grad)
