"""The first seed document: the basics of tensors, aggregation, indexing, products and automatic differentiation."""


def show(value):
    """Print a value as an interactive session echoes it."""
    print(repr(value))


def display(*values):
    """Print several values as a notebook's display() does."""
    for value in values:
        print(repr(value))


def attempt(function):
    """Echo a cell's value, or the error it ends in."""
    try:
        show(function())
    except Exception as e:
        print(f"{type(e).__name__}: {e}")


# 1. is PyTorch installed?
import torch

attempt(lambda: torch.cuda_version)
show(torch.cuda.is_available())
if torch.cuda.is_available():
    show(torch.cuda.get_device_name())
    show(torch.cuda.get_device_name(0))
else:
    attempt(lambda: torch.cuda.get_device_name())
    attempt(lambda: torch.cuda.get_device_name(0))

# 2. three ways to make a tensor
import torch
import numpy as np

torch.manual_seed(0)
np.random.seed(0)

show(torch.tensor([6,2]))
show(torch.tensor([6,2], dtype = torch.int32))
show(torch.tensor((6,2)))
show(torch.tensor(np.array([6,2])))
show(torch.tensor(np.array([6,2], dtype=np.int32)))
show(np.array([6, 2]))

# 2.4 the usual quick ways
show(torch.rand((2, 3)))
show(torch.rand(2, 3))
show(torch.randn(2,3))
show(torch.randn((2,3)))
show(torch.ones(2,3))
show(torch.zeros(2,3))
show(torch.full((2, 3), 7))
show(torch.eye(3))
show(torch.normal(0., 1., (2, 3)))
show(torch.arange(6))

# 3. attributes
x = torch.zeros(2, 3, 4)
display(x)
show(x.shape)
show(x.size())
show(x.size(0))

# 4. data types
for dtype in (torch.float32, torch.float64, torch.int32, torch.int16, torch.int64):
    show(dtype)
    show(torch.zeros(2, dtype=dtype))
n = np.random.randn(2, 3)
show(n)
a = torch.from_numpy(n)
show(a)
show(a.numpy())

# 5. arithmetic
t = torch.ones(2,3)
show(t)
show(t + 3)
show(torch.add(t, 3))
t1 = torch.ones(2,3)
t1
display(t, t1)
show(t1 + t)
show(t1.add(t))
show(t1)
show(t1.add_(t))
show(t1)
show(t)
attempt(lambda: torch.inverse())
show(torch.inverse(torch.tensor([[2., 1.], [1., 3.]])))

# 6. shapes
show(t)
show(t.reshape(3, 2))
show(t.view(3, 2))

# 7. aggregation
show(t)
show(t.mean())
show(t.sum())
x = t.sum(dim = 1)
show(x)
x1 = t.sum()
show(x1.item())

# 8. indexing
a = torch.randn(3, 4)
show(a)
show(a[0])
show(a[0, :3])
a1 = torch.rand(32, 224, 224, 3)
show(a1.shape)
show(a1)
show(a1[0, :, :, 0].shape)

# 9. matrix products
s1 = torch.randn(2, 3)
s2 = torch.randn(3, 5)
show(torch.matmul(s1, s2))
show(s1 @ s2)
b1 = torch.rand(5)
b2 = torch.rand(5)
print(b1, b2)
show(b1.dot(b2))
show((b1 * b2).sum())

# 10. automatic differentiation
x = torch.ones(2,3, requires_grad = True)
show(x)
y = x + 2
show(x.requires_grad)
show(y)
show(y.requires_grad)
z = y.mean()
show(z)
z.backward()
show(x.grad)

# 11. a composed function
show(y)
f = 3*y*y
show(f)
show(f.requires_grad)
out = f.mean()
show(out)
out.backward()
show(y.requires_grad)
show(x.grad)
show(y.retain_grad)
show(x.requires_grad)
show((x**2).requires_grad)
with torch.no_grad():
    print((x**2).requires_grad)
show(x.requires_grad)
show(x.detach())
y = x.detach()
show(y.requires_grad)
y = x.detach() ** 2 + 2
show(y.requires_grad)
d = torch.randn(2, 2)
d = d * 3 +2
print(d.requires_grad)
show(d.requires_grad_(True))
d.requires_grad_(True)
print(d.requires_grad)
