"""Views: which operations alias, what writing through them does, strides, contiguity, version counters."""
import torch

base = torch.arange(12.0)
m = base.view(3, 4)
m[0, 0] = 100
base[11] = -1
print(m, base)
print(m.data_ptr() == base.data_ptr(), m.stride(), m.storage_offset(), m[1].storage_offset(), m[:, 1].stride(), m.is_contiguous())

t = m.t()
t[3, 0] = 33
print(m[0], t.stride(), t.is_contiguous(), t.contiguous().stride(), t.shape, m.T.shape, m.mT.shape)
try:
    t.view(12)
except RuntimeError as e:
    print(type(e).__name__, e)
copy = t.reshape(12)  # not a view: the layout does not allow it
copy[0] = 777
print(m[0, 0].item(), copy[0].item(), t.contiguous().view(12)[:4])
r = m.reshape(2, 6)
r[1, 5] = 55
print(base[11], r.data_ptr() == m.data_ptr())

row = m[1]
row += 10
col = m[:, 2]
col.mul_(2)
block = m[1:, 1:3]
block.fill_(0)
block[0, 0] = 4
print(m)
m[::2, ::2].zero_()
m[:, -1].copy_(torch.tensor([1.0, 2.0, 3.0]))
print(base)

# chains of views
x = torch.zeros(2, 3, 4)
x.permute(2, 0, 1)[1].t()[2, 0] = 5
x.transpose(0, 2)[3, 1].add_(7)
x.unsqueeze(0).squeeze()[1].flatten()[2] = 9
x.movedim(0, -1)[0, 0, 0] = 1
x.swapaxes(0, 1)[2, 1, 3] = 8
x.select(0, 1).narrow(1, 0, 1).sub_(1)
print(x)
print(x.permute(2, 0, 1).stride(), x.transpose(0, 2).shape, x.movedim(0, -1).stride(), x.view(-1).shape, x.view(6, -1).stride())
print(x[:, None].shape, x[..., None].stride(), x.flatten(1).shape, x.unflatten(2, (2, 2)).shape, torch.ravel(x).shape)

for part in torch.arange(6.0).split(2):
    part.add_(10)
whole = torch.zeros(6)
for k, part in enumerate(whole.chunk(3)):
    part.fill_(k)
for k, part in enumerate(whole.view(2, 3).unbind(1)):
    part[1] = -k
print(whole)
d = torch.zeros(3, 3)
d.diagonal().copy_(torch.tensor([1.0, 2.0, 3.0]))
d.diagonal(1).fill_(5)
print(d)

# expand repeats without memory, repeat copies
e = torch.tensor([[1.0], [2.0]]).expand(2, 3)
print(e, e.stride(), e.is_contiguous(), e.repeat(1, 2), e.clone().stride(), torch.tensor([1, 2]).expand(2, -1), torch.tensor([1, 2]).repeat(2, 2))
print(torch.tensor(3.0).expand(2, 2), torch.broadcast_to(torch.tensor([1, 2]), (2, 2)), torch.tensor([1, 2]).repeat_interleave(2), torch.ones(1).expand_as(e))

# detach and .data share memory, clone does not
w = torch.ones(3, requires_grad=True)
w.detach()[0] = 4
w.data[1] = 5
w.clone().detach()[2] = 6
print(w, w.data.requires_grad, w.detach().data_ptr() == w.data_ptr())
print(w.is_leaf, (w * 2).is_leaf, w.detach().is_leaf, w._version)
v = torch.zeros(3)
before = v._version
v.add_(1)
v[0] = 2
v.view(3, 1).mul_(2)
print(v, v._version - before, v.view(3, 1)._version == v._version)
print(m._is_view(), base._is_view(), m._base is base, torch.zeros(2)._base)

# complex numbers as pairs
print(torch.view_as_real(torch.tensor([1 + 2j])), torch.tensor([1 + 2j, 3 + 4j]).real.mul_(2))
a = torch.arange(4).reshape(2, 2)
b = a.flip(0)
b[0, 0] = 99
print(a, b, torch.rot90(a), torch.roll(a, 1), torch.roll(a, 1, 0), a.fliplr(), a.flipud())
print(torch.cat([a, b]), torch.stack([a, b], dim=1).shape, torch.hstack([a, b]), torch.vstack([a[0], b[0]]), torch.dstack([a, b]).shape)
print(torch.cat([torch.tensor([1]), torch.tensor([2.5])]), torch.concat([a, a], dim=1))
print(torch.movedim(torch.zeros(1, 2, 3), 0, 2).shape, torch.atleast_2d(torch.tensor(1)), torch.squeeze(torch.zeros(1, 2, 1)).shape, torch.squeeze(torch.zeros(1, 2, 1), -1).shape, torch.zeros(2).unsqueeze(-1).shape)
