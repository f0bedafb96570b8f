"""torch.autograd.functional: jacobian, hessian and their products with vectors."""
import torch
from torch.autograd.functional import hessian, hvp, jacobian, jvp, vhp, vjp

torch.manual_seed(10)


def exp_reducer(x):
    return x.exp().sum(dim=1)


def pow_reducer(x):
    return x.pow(3).sum()


def adder(x, y):
    return 2 * x + 3 * y.exp()


def quadratic(x, y):
    return (x ** 2 * y).sum() + (y ** 3).sum()


inputs = torch.rand(2, 2)
pair = (torch.rand(2), torch.rand(2))
print(inputs, pair)
print(jacobian(exp_reducer, inputs), jacobian(exp_reducer, inputs).shape)
print(jacobian(exp_reducer, inputs, create_graph=True).detach())
print(jacobian(adder, pair), jacobian(adder, pair, vectorize=True))
print(jacobian(lambda x: (x * 2, x ** 2), torch.arange(1.0, 3.0)))
print(jacobian(lambda x: x[0] * x[1], torch.tensor([2.0, 3.0])), jacobian(torch.sin, torch.tensor(0.5)))

print(hessian(pow_reducer, inputs), hessian(quadratic, pair))
print(hessian(pow_reducer, inputs, create_graph=True).grad_fn is not None, hessian(pow_reducer, torch.tensor([1.0, 2.0])))

print(vjp(exp_reducer, inputs, v=torch.ones(2)))
print(vjp(adder, pair, v=torch.tensor([1.0, 10.0])))
print(vjp(pow_reducer, inputs), [t.detach() for t in vjp(exp_reducer, inputs, v=torch.ones(2), create_graph=True)])

print(jvp(exp_reducer, inputs, v=torch.ones(2, 2)))
print(jvp(adder, pair, v=(torch.ones(2), torch.zeros(2))))
print(jvp(lambda x: x ** 2, torch.tensor(3.0), torch.tensor(1.0)))

print(vhp(pow_reducer, inputs, v=torch.ones(2, 2)))
print(hvp(pow_reducer, inputs, v=torch.ones(2, 2)))
print(hvp(quadratic, pair, v=(torch.ones(2), torch.zeros(2))), vhp(quadratic, pair, v=(torch.ones(2), torch.zeros(2))))

# they agree with one another
J = jacobian(exp_reducer, inputs).reshape(2, 4)
v = torch.randn(2, 2)
print(torch.allclose(jvp(exp_reducer, inputs, v=v)[1], J @ v.reshape(4), atol=1e-5))
u = torch.randn(2)
print(torch.allclose(vjp(exp_reducer, inputs, v=u)[1].reshape(4), u @ J, atol=1e-5))
H = hessian(pow_reducer, inputs).reshape(4, 4)
print(torch.allclose(hvp(pow_reducer, inputs, v=v)[1].reshape(4), H @ v.reshape(4), atol=1e-4))

# inputs are not touched, results carry a graph only when asked to
x = torch.rand(2, requires_grad=True)
print(jacobian(torch.exp, x).requires_grad, jacobian(torch.exp, x, create_graph=True).requires_grad, x.grad)
jacobian(torch.exp, x, create_graph=True).sum().backward()
print(torch.allclose(x.grad, x.exp()))


def attempt(label, function):
    try:
        print(label, function())
    except Exception as e:
        print(label, type(e).__name__, str(e).splitlines()[0])


attempt("hessian of a vector function", lambda: hessian(torch.exp, torch.ones(2)))
attempt("vjp without v", lambda: vjp(torch.exp, torch.ones(2)))
attempt("v of another shape", lambda: vjp(torch.exp, torch.ones(2), v=torch.ones(3)))
attempt("not a tensor", lambda: jacobian(torch.exp, 3.0))
attempt("not a tensor result", lambda: jacobian(lambda x: 3.0, torch.ones(1)))
attempt("strict and independent", lambda: jacobian(lambda x: torch.ones(2), torch.ones(1), strict=True))
attempt("independent", lambda: jacobian(lambda x: torch.ones(2), torch.ones(1)))
