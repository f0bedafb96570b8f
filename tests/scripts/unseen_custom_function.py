"""torch.autograd.Function: forward and backward written by hand."""
import math

import torch
from torch.autograd import Function

torch.manual_seed(8)


class Exp(Function):
    @staticmethod
    def forward(ctx, i):
        result = i.exp()
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, grad_output):
        (result,) = ctx.saved_tensors
        return grad_output * result


x = torch.tensor([0.0, 1.0, 2.0], requires_grad=True)
y = Exp.apply(x)
print(y, y.grad_fn, y.grad_fn.name())
y.sum().backward()
print(x.grad)


class LinearFunction(Function):
    @staticmethod
    def forward(ctx, input, weight, bias=None):
        ctx.save_for_backward(input, weight, bias)
        output = input.mm(weight.t())
        if bias is not None:
            output += bias.unsqueeze(0).expand_as(output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, bias = ctx.saved_tensors
        grad_input = grad_weight = grad_bias = None
        print("needs", ctx.needs_input_grad)
        if ctx.needs_input_grad[0]:
            grad_input = grad_output.mm(weight)
        if ctx.needs_input_grad[1]:
            grad_weight = grad_output.t().mm(input)
        if bias is not None and ctx.needs_input_grad[2]:
            grad_bias = grad_output.sum(0)
        return grad_input, grad_weight, grad_bias


class Linear(torch.nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(n_out, n_in).uniform_(-0.1, 0.1))
        self.bias = torch.nn.Parameter(torch.zeros(n_out))

    def forward(self, input):
        return LinearFunction.apply(input, self.weight, self.bias)

    def extra_repr(self):
        return f"n_in={self.weight.size(1)}, n_out={self.weight.size(0)}"


layer = Linear(3, 2)
print(layer)
out = layer(torch.randn(4, 3))
print(out)
out.pow(2).sum().backward()
print(layer.weight.grad, layer.bias.grad)
inputs = (torch.randn(4, 3, dtype=torch.double, requires_grad=True), torch.randn(2, 3, dtype=torch.double, requires_grad=True))
print(LinearFunction.apply(*inputs).shape)


class MulConstant(Function):
    @staticmethod
    def forward(ctx, tensor, constant):
        ctx.constant = constant
        return tensor * constant

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.constant, None


w = torch.ones(2, requires_grad=True)
MulConstant.apply(w, 5).sum().backward()
print(w.grad)


class LegendrePolynomial3(Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return 0.5 * (5 * input ** 3 - 3 * input)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        return grad_output * 1.5 * (5 * input ** 2 - 1)


x = torch.linspace(-math.pi, math.pi, 2000)
y = torch.sin(x)
a, b, c, d = (torch.full((), value, requires_grad=True) for value in (0.0, -1.0, 0.0, 0.3))
learning_rate = 5e-6
for t in range(500):
    y_pred = a + b * LegendrePolynomial3.apply(c + d * x)
    loss = (y_pred - y).pow(2).sum()
    if t % 100 == 99:
        print(t, f"{loss.item():.3f}")
    loss.backward()
    with torch.no_grad():
        for p in (a, b, c, d):
            p -= learning_rate * p.grad
            p.grad = None
print(f"Result: y = {b.item():.4f} * P3({d.item():.4f} x)")


class TwoOutputs(Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        order = torch.argsort(x)
        ctx.mark_non_differentiable(order)
        return x * y, x + y, order

    @staticmethod
    def backward(ctx, g1, g2, g3):
        x, y = ctx.saved_tensors
        return g1 * y + g2, g1 * x + g2


p, q = torch.tensor([3.0, 1.0], requires_grad=True), torch.tensor([5.0, 7.0], requires_grad=True)
prod, total, order = TwoOutputs.apply(p, q)
print(prod, total, order, order.requires_grad)
(prod.sum() + 10 * total.sum()).backward()
print(p.grad, q.grad)


class Cube(Function):  # differentiable twice: its backward is made of differentiable operations
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x ** 3

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * 3 * x ** 2


z = torch.tensor(2.0, requires_grad=True)
(first,) = torch.autograd.grad(Cube.apply(z), z, create_graph=True)
(second,) = torch.autograd.grad(first, z)
print(first, second, torch.autograd.gradcheck(Cube.apply, torch.ones(2, dtype=torch.double, requires_grad=True)))


class StraightThrough(Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, grad):
        return grad


s = torch.tensor([0.2, 1.7], requires_grad=True)
StraightThrough.apply(s).mul(torch.tensor([1.0, 2.0])).sum().backward()
print(s.grad, StraightThrough.apply(s), StraightThrough.apply(s.detach()).requires_grad)
with torch.no_grad():
    print(StraightThrough.apply(s))
try:
    MulConstant()(w, 2)
except Exception as e:
    print(type(e).__name__, str(e).splitlines()[0])


class BadCount(MulConstant):
    @staticmethod
    def backward(ctx, grad_output):
        return grad_output, None, None, grad_output


try:
    BadCount.apply(w, 2).sum().backward()
except Exception as e:
    print(type(e).__name__, str(e).splitlines()[0])
