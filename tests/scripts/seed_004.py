"""The fifth seed document: broadcasting, tensors and autograd."""
import torch

torch.manual_seed(0)

x = torch.randn(6, 4, dtype=torch.float)
print(x)
y = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])
print(y)

# addition
x0 = torch.randn(5, 3)
y0 = torch.randn(5, 3)
result = torch.empty(5, 3)
torch.add(x0, y0, out=result)
# the two are the same
print(result)
print(y0.add_(x0))

# Autograd
x1 = torch.ones(2, 2, requires_grad=True)
print(x1)
y1 = x1 + 1
z1 = y1 * y1 * 2
out1 = z1.mean()
print(z1, out1)
out1.backward()
print(x1.grad)

# the broadcasting rules that the document lists
print((torch.ones(3, 1) * torch.arange(4.)).shape, torch.ones(5, 1, 4).add(torch.ones(3, 1)).shape)
try:
    torch.ones(3, 2) + torch.ones(3)
except RuntimeError as e:
    print(type(e).__name__, e)
w, b = torch.tensor([[1., 2.], [3., 4.]]), torch.tensor([10., 20.])
print(torch.tensor([1., 1.]) @ w.t() + b)
