"""Blocks in which a program answers every call itself."""

import torch
import torch.nn.functional as F
from torch.overrides import BaseTorchFunctionMode, TorchFunctionMode, has_torch_function, resolve_name


class Log(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        print(resolve_name(func), [tuple(a.shape) if isinstance(a, torch.Tensor) else a for a in args])
        return func(*args, **(kwargs or {}))


class Count(TorchFunctionMode):
    calls = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.calls += 1
        return func(*args, **(kwargs or {}))


class Zeros(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.rand:
            return torch.zeros(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


class Refuses(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        return NotImplemented

    def __repr__(self):
        return "Refuses()"


class Own(torch.Tensor):
    pass


def work():
    x = torch.arange(6.0).reshape(2, 3)
    w = torch.ones(2, 3, requires_grad=True)
    y = F.linear(x, w) * 2 + 1 - x[:, :1]
    y[0] = 0
    loss = F.relu(1 - y).sum(0).mean()
    loss.backward()
    print(w.grad.tolist(), y.shape, loss.item(), (y > 1).any(), -y / 2, y @ y.t())
    y.detach().add_(1).mul_(2)
    torch.cat([torch.zeros(1), torch.stack((x, x)).view(-1)]).numel()
    torch.linalg.inv(torch.eye(2)), torch.fft.fft(x), torch.special.erf(x), torch.where(x > 1, x, 0 * x)
    return loss


with Log():
    work()
with Count() as outer:
    with Count() as inner:
        torch.ones(2) + 1
    torch.ones(2)
print(outer.calls, inner.calls)
with Zeros():
    print(torch.rand(3), has_torch_function(()))
print(has_torch_function(()))
with BaseTorchFunctionMode():
    print(torch.ones(2).as_subclass(Own) * 2)
with Log(), torch._C.DisableTorchFunctionSubclass():
    print(type(torch.ones(2).as_subclass(Own) * 2).__name__)
with Log(), torch._C.DisableTorchFunction():
    print(torch.ones(2))
try:
    with Refuses():
        torch.ones(1)
except TypeError as error:
    print(error)
try:
    with TorchFunctionMode():
        torch.ones(1)
except NotImplementedError:
    print("not implemented")
print(torch.ones(2) + 1, resolve_name(torch.add), resolve_name(torch.Tensor.add), resolve_name(F.relu), resolve_name(len))
