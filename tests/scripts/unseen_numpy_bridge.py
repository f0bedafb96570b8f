"""NumPy arrays and tensors: shared memory both ways, conversions, tensors inside NumPy and matplotlib."""
import os
import tempfile

import matplotlib
import numpy as np
import torch

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def attempt(label, function):
    try:
        print(label, function())
    except Exception as e:
        print(label, type(e).__name__, str(e).splitlines()[0])


# from_numpy shares, tensor copies, as_tensor shares where it can
n = np.ones(5)
t = torch.from_numpy(n)
np.add(n, 1, out=n)
print(t, n)
copy, view, other = torch.tensor(n), torch.as_tensor(n), torch.as_tensor(n, dtype=torch.float32)
t.mul_(10)
n[0] = -1
print(n, t, copy, view, other)

# numpy() shares too, whichever side writes
t = torch.ones(2, 3)
n = t.numpy()
t.add_(1)
n[0, 0] = 9
t[1] = torch.tensor([7.0, 8.0, 9.0])
print(t, n, type(n), n.dtype, n.flags["OWNDATA"])
row = t[0].numpy()
row *= 2
col = n[:, 1]
col += 100
print(t, n, t.sum(), t @ t.T)
back = torch.from_numpy(n)
back.zero_()
print(t, back.data_ptr() == t.data_ptr())
transposed = torch.arange(6.0).view(2, 3).t()
print(transposed.numpy(), transposed.numpy().strides, torch.from_numpy(np.arange(6).reshape(2, 3).T).stride(), torch.from_numpy(np.arange(10)[::2]))

# types
for dtype in (np.float64, np.float32, np.float16, np.int64, np.int32, np.int16, np.int8, np.uint8, np.bool_, np.complex64):
    array = np.array([0, 1, 2]).astype(dtype)
    print(np.dtype(dtype), torch.from_numpy(array), torch.from_numpy(array).numpy().dtype)
attempt("strings", lambda: torch.from_numpy(np.array(["a"])))
attempt("a list", lambda: torch.from_numpy([1, 2]))
attempt("objects", lambda: torch.tensor(np.array([None])))
attempt("negative strides", lambda: torch.from_numpy(np.arange(3)[::-1]))
attempt("requires grad", lambda: torch.ones(2, requires_grad=True).numpy())
attempt("bfloat16", lambda: torch.ones(2, dtype=torch.bfloat16).numpy())
print(torch.ones(2, requires_grad=True).detach().numpy(), torch.ones(2, requires_grad=True).numpy(force=True), torch.tensor(3).numpy(), torch.tensor([1.5]).item(), torch.zeros(2, 0).numpy().shape)

# tensors as NumPy's arguments
t = torch.tensor([[1.0, 4.0], [9.0, 16.0]])
print(np.array(t), np.asarray(t).dtype, np.sqrt(t), np.sum(t.numpy(), axis=0), np.mean(t.numpy()), np.array([t[0], t[1]]), np.array(t, dtype=np.float64), t.__array__().shape)
print(np.allclose(t, t.numpy()), np.dot(t.numpy(), np.ones(2)), np.concatenate([t, t]).shape, np.max(t.numpy()), [float(v) for v in t.flatten()], list(t[0].numpy()))
print(torch.tensor([np.float64(1.5), np.float64(2)]), torch.tensor(np.float32(2.5)) + np.float32(1), torch.ones(2) * np.float64(2), torch.ones(2) + np.int64(1), torch.tensor([1, 2])[np.int64(1)], torch.arange(3)[np.array([2, 0])], torch.arange(3)[np.array([True, False, True])])
print(torch.tensor([np.array([1, 2]), np.array([3, 4])]), torch.tensor(np.eye(2)), torch.stack([torch.from_numpy(a) for a in np.ones((2, 2))]), torch.Tensor(np.array([1, 2])), torch.FloatTensor(np.array([1.0], dtype=np.float32)))
print(t.tolist(), torch.tensor(2.5).tolist(), torch.tensor([True]).tolist(), torch.tensor([[1], [2]]).tolist(), int(torch.tensor(7)), float(torch.tensor([2.5])), bool(torch.tensor(0)), complex(torch.tensor(1 + 2j)), range(5)[torch.tensor(2)], [10, 20][torch.tensor(1)], round(float(torch.tensor(2.345)), 2))
print(f"{torch.tensor(3.14159):.2f} {torch.tensor(5)} {torch.tensor([1.0, 2.0])} {torch.tensor(42):>6d}|{torch.tensor(True)}", "%.3f %d" % (torch.tensor(0.5), torch.tensor(3)), "{}".format(torch.tensor(1.5)))

# a picture
x = torch.linspace(0, 2 * torch.pi, 50)
y = torch.sin(x).requires_grad_()
plt.figure()
(line,) = plt.plot(x, y.detach(), label="sin")
plt.scatter(x[::5], x[::5].cos())
plt.imshow(torch.rand(4, 4))
plt.hist(torch.arange(10.0))
plt.axhline(torch.tensor(0.5).item())
print(type(line).__name__, line.get_xdata()[:3], line.get_ydata().shape)
attempt("a graph in a plot", lambda: plt.plot(x, y))
path = os.path.join(tempfile.mkdtemp(), "figure.png")
plt.savefig(path)
print(os.path.getsize(path) > 1000)
