"""Every family of functions that makes tensors."""
import numpy as np
import torch

torch.manual_seed(1)

# from data
print(torch.tensor(3.14), torch.tensor([]), torch.tensor([[], []]))
print(torch.tensor([1, 2.5]), torch.tensor([True, False]), torch.tensor([1 + 2j, 3]))
print(torch.tensor([[1, 2], [3, 4]], dtype=torch.float64, requires_grad=True))
print(torch.as_tensor([1, 2, 3]), torch.as_tensor(np.arange(3, dtype=np.int16)))
print(torch.asarray([1.5, 2.5]), torch.scalar_tensor(2))
data = [[1, 2], [3, 4]]
x_data = torch.tensor(data)
x_np = torch.from_numpy(np.array(data))
print(x_data, x_np)
print(torch.tensor(np.float32(1.5)), torch.tensor(np.array([1, 2], dtype=np.uint8)), torch.tensor(np.arange(2.0)))
print(torch.tensor(torch.Size([2, 3])), torch.tensor(range(4)), torch.tensor([torch.tensor(1), torch.tensor(2)]))
print(torch.Tensor([1, 2, 3]), torch.Tensor(2, 0), torch.Tensor([[1, 2]]).shape)
print(torch.FloatTensor([1, 2]), torch.LongTensor([1, 2]), torch.DoubleTensor([1]), torch.IntTensor([3]))
print(torch.ByteTensor([1, 255]), torch.BoolTensor([1, 0]), torch.HalfTensor([1.5]), torch.FloatTensor(2, 3).shape)

# constants
print(torch.zeros(2), torch.zeros((2, 3), dtype=torch.int), torch.zeros(()), torch.zeros(0, 3), torch.zeros([1, 2]))
print(torch.ones(3, dtype=torch.bool), torch.ones(2, 2, dtype=torch.complex64))
print(torch.full((2, 2), 3.5), torch.full((2,), True), torch.full((3,), 7), torch.full((2,), 1, dtype=torch.half))
print(torch.eye(2), torch.eye(2, 3), torch.eye(3, 2, dtype=torch.long))
print(torch.empty(2, 3).shape, torch.empty((4,), dtype=torch.uint8).dtype, torch.empty(0), torch.empty(2, 0, 3))

# sequences
print(torch.arange(5), torch.arange(1, 4), torch.arange(1, 2.5, 0.5), torch.arange(5, 0, -2), torch.arange(3.0))
print(torch.arange(0, 1, 0.25, dtype=torch.float64), torch.arange(10, dtype=torch.float16), torch.arange(2, 2))
print(torch.linspace(0, 1, 5), torch.linspace(-10, 10, steps=3), torch.linspace(3, 10, 4, dtype=torch.int64))
print(torch.linspace(1, 2, 1), torch.linspace(0, 1, 0), torch.linspace(1, 0, 3, dtype=torch.double))
print(torch.logspace(0, 2, 3), torch.logspace(start=0, end=3, steps=4, base=2), torch.logspace(-2, 2, 5))

# like another tensor
base = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
print(torch.zeros_like(base), torch.ones_like(base, dtype=torch.int32), torch.full_like(base, 9))
print(torch.empty_like(base).shape, torch.empty_like(base, dtype=torch.int8).dtype)
print(torch.rand_like(base), torch.randn_like(base, dtype=torch.float32), torch.randint_like(base, 10))
print(base.new_zeros(2), base.new_ones((1, 2)), base.new_full((2,), 5), base.new_tensor([1, 2]))
print(base.new_empty(3).dtype, base.new_zeros(2, dtype=torch.int), torch.zeros(2, dtype=torch.int).new_tensor([1.5]))

# grids and combinations
x, y = torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")
print(x, y)
xs, ys = torch.meshgrid(torch.arange(2), torch.arange(3), indexing="xy")
print(xs, ys)
print(torch.tril_indices(3, 3), torch.triu_indices(2, 3, offset=1))
print(torch.diag(torch.tensor([1, 2])), torch.complex(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])))

# defaults
print(torch.get_default_dtype(), torch.tensor(1.0).dtype)
torch.set_default_dtype(torch.float64)
print(torch.tensor([1.0]), torch.zeros(1).dtype, torch.arange(0, 1, 0.5), torch.tensor([1.0], dtype=torch.float32))
torch.set_default_dtype(torch.float32)
print(torch.is_tensor(base), torch.is_tensor(3), torch.numel(base), base.numel(), base.nelement(), base.element_size())
print(torch.is_floating_point(base), base.is_floating_point(), torch.is_complex(base), base.dim(), base.ndim, base.ndimension())
