"""Derivatives of derivatives: create_graph, double backward, gradient penalties, checks against finite differences."""
import torch

torch.manual_seed(7)

x = torch.tensor(2.0, requires_grad=True)
y = x ** 4
derivatives = [y]
for _ in range(5):
    (d,) = torch.autograd.grad(derivatives[-1], x, create_graph=True)
    derivatives.append(d)
print([d.item() for d in derivatives])
print(derivatives[1], derivatives[2])

# sin's derivatives
t = torch.linspace(0.1, 3, 5, requires_grad=True)
value = t.sin()
for _ in range(4):
    print(value)
    (value,) = torch.autograd.grad(value.sum(), t, create_graph=True)

# backward with create_graph gives gradients that have a graph
a = torch.tensor([1.0, 2.0], requires_grad=True)
(a ** 3).sum().backward(create_graph=True)
print(a.grad.detach(), a.grad.requires_grad)
g = a.grad
a.grad = None
(g ** 2).sum().backward()
print(a.grad)

# a Hessian by rows, a Hessian-vector product
def rosenbrock(v):
    return 100 * (v[1] - v[0] ** 2) ** 2 + (1 - v[0]) ** 2


v = torch.tensor([0.5, -0.5], requires_grad=True)
(grad,) = torch.autograd.grad(rosenbrock(v), v, create_graph=True)
hessian = torch.stack([torch.autograd.grad(grad[i], v, retain_graph=True)[0] for i in range(2)])
direction = torch.tensor([1.0, -1.0])
(product,) = torch.autograd.grad(grad @ direction, v)
print(grad, hessian, product, torch.allclose(hessian @ direction, product))

# Newton's method
v = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
for step in range(6):
    loss = rosenbrock(v)
    (grad,) = torch.autograd.grad(loss, v, create_graph=True)
    hessian = torch.stack([torch.autograd.grad(g, v, retain_graph=True)[0] for g in grad])
    with torch.no_grad():
        v -= torch.linalg.solve(hessian, grad)
    print(step, f"{loss.item():.5f}", [f"{c:.4f}" for c in v.tolist()])

# a gradient penalty
model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
data = torch.randn(5, 3, requires_grad=True)
out = model(data)
(gradient,) = torch.autograd.grad(out, data, grad_outputs=torch.ones_like(out), create_graph=True)
penalty = ((gradient.norm(2, dim=1) - 1) ** 2).mean()
print(gradient.detach(), penalty)
penalty.backward()
for name, p in model.named_parameters():
    print(name, p.grad.norm() if p.grad is not None else None)

# the Jacobian of a vector function, a row at a time and in one batch
def f(u):
    return torch.stack([u[0] * u[1], u[1] ** 2, u.sum().exp()])


u = torch.tensor([0.5, 1.5], requires_grad=True)
out = f(u)
rows = [torch.autograd.grad(out, u, grad_outputs=row, retain_graph=True)[0] for row in torch.eye(3)]
print(torch.stack(rows))
(batched,) = torch.autograd.grad(out, u, grad_outputs=(torch.eye(3),), is_grads_batched=True)
print(batched)
print(torch.autograd.grad([u.sum(), (u ** 2).sum()], u))
print(torch.autograd.grad(u[0] ** 2, [u, a], allow_unused=True), torch.autograd.grad(u[0] ** 2, [u, a], allow_unused=True, materialize_grads=True))

# gradients agree with finite differences
inputs = (torch.randn(3, 2, dtype=torch.double, requires_grad=True), torch.randn(2, dtype=torch.double, requires_grad=True))
print(torch.autograd.gradcheck(lambda m, w: torch.tanh(m @ w).sum(), inputs, eps=1e-6, atol=1e-4))
print(torch.autograd.gradgradcheck(lambda m, w: (m.sin() * w).sum(), inputs))
print(torch.autograd.gradcheck(lambda m, w: torch.nn.functional.softmax(m, 1) * w, inputs))


class Wrong(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return grad * 3


try:
    torch.autograd.gradcheck(Wrong.apply, (torch.ones(1, dtype=torch.double, requires_grad=True),))
except Exception as e:
    print(type(e).__name__, str(e).splitlines()[0])
print(torch.autograd.gradcheck(Wrong.apply, (torch.ones(1, dtype=torch.double, requires_grad=True),), raise_exception=False))

# ties and corners
c = torch.tensor([1.0, 1.0, -1.0, 0.0], requires_grad=True)
for name, f in {
    "max": lambda c: c.max(), "amax": lambda c: c.amax(), "max dim": lambda c: c.max(0).values, "abs": lambda c: c.abs().sum(),
    "relu": lambda c: c.relu().sum(), "clamp": lambda c: c.clamp(-1, 1).sum(), "sign": lambda c: c.sign().sum(), "sqrt": lambda c: c.clamp(min=0.25).sqrt().sum(),
    "prod": lambda c: c.prod(), "norm": lambda c: c.norm(), "norm of 0": lambda c: (c * 0).norm(), "median": lambda c: c.median(), "maximum": lambda c: torch.maximum(c, c.detach()).sum(),
    "sort": lambda c: (c.sort().values * torch.arange(4.0)).sum(), "cumprod": lambda c: c.cumprod(0).sum(), "std": lambda c: c.std(), "pow 0": lambda c: (c ** 0).sum(), "where": lambda c: torch.where(c > 0, c, 0.0).sum(),
}.items():
    print(name, torch.autograd.grad(f(c), c)[0])
