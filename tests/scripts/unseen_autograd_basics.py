"""backward(): accumulation, leaves, hooks, retained graphs, the graph that is left behind."""
import torch

torch.manual_seed(6)


def attempt(label, function):
    try:
        print(label, function())
    except Exception as e:
        print(label, type(e).__name__, str(e).splitlines()[0])


a = torch.tensor([2.0, 3.0], requires_grad=True)
b = torch.tensor([6.0, 4.0], requires_grad=True)
Q = 3 * a ** 3 - b ** 2
print(Q)
Q.backward(gradient=torch.tensor([1.0, 1.0]))
print(9 * a ** 2 == a.grad, -2 * b == b.grad, a.grad, b.grad)

# gradients accumulate until they are cleared
for _ in range(2):
    (a * b).sum().backward()
    print(a.grad, b.grad)
a.grad.zero_()
b.grad = None
(a + 2 * b).sum().backward()
print(a.grad, b.grad)

# requires_grad spreads; leaves are what the user made
x, y, z = torch.rand(5, 5), torch.rand(5, 5), torch.rand((5, 5), requires_grad=True)
print((x + y).requires_grad, (x + z).requires_grad, z.is_leaf, (x + z).is_leaf, x.is_leaf, (x + z).detach().is_leaf)
print(z.grad, z.grad_fn, (x + z).grad_fn.name(), type((x + z).grad_fn).__name__)

# grad_fn of many operations
w = torch.rand(3, 3, requires_grad=True)
for result in (
    w + 1, w - w, 2 - w, w * w, w / 2, 1 / w, w ** 2, 2 ** w, -w, w.abs(), w.exp(), w.log(), w.sqrt(), w.sin(), w.cos(), w.tanh(), w.sigmoid(),
    w.relu(), w.sum(), w.sum(0), w.mean(), w.mean(1), w.max(), w.max(0).values, w.min(), w.prod(), w.std(), w.var(), w.norm(), w @ w, w.mm(w),
    w.mv(w[0]), w[0].dot(w[1]), w.t(), w.view(9), w.reshape(9), w.transpose(0, 1), w.permute(1, 0), w.unsqueeze(0), w[None].squeeze(0), w.expand(2, 3, 3),
    w[0], w[:2], w[:, 1], w[[0, 1]], w[w > 0.5], w[None], w.clone(), w.flatten(), torch.cat([w, w]), torch.stack([w, w]), w.chunk(3)[0], w.split(2)[0],
    w.clamp(0, 1), w.double(), w.softmax(0), w.log_softmax(0), torch.where(w > 0, w, w), w.gather(0, torch.zeros(1, 3, dtype=torch.long)), w.sort().values,
    w.topk(2).values, w.cumsum(0), w.diagonal(), w.trace(), w.inverse(), w.det(), w.masked_fill(w > 1, 0), w.index_select(0, torch.tensor([0])), w.pow(w),
    w.repeat(2, 1), w.flip(0), w.roll(1), w.triu(), w.logsumexp(0), w.t().contiguous(), w.round(), w.floor(), w.sign(), w.unbind()[0],
    w.mul(2).add_(1), w.select(0, 1), w.narrow(0, 0, 2), w.median(), w.amax(), torch.maximum(w, w), torch.atan2(w, w), w.square(), w.rsqrt(), w.reciprocal(),
):
    print(result.grad_fn.name(), list(result.shape))

# the graph, walked
c = (w * 2 + w).sum()
print(c.grad_fn, c.grad_fn.next_functions, c.grad_fn.next_functions[0][0].next_functions)
accumulate = c.grad_fn.next_functions[0][0].next_functions[1][0]
print(accumulate, accumulate.variable is w)

# twice through the same graph
s = (a ** 2).sum()
s.backward(retain_graph=True)
s.backward()
print(a.grad)
attempt("third", lambda: s.backward())

# gradients of intermediate results
u = a * 2
v = u ** 2
u.retain_grad()
v.sum().backward()
print(u.grad, u.retains_grad, v.grad, a.retains_grad)

# hooks see the gradient, and may replace it
seen = []
h = a.register_hook(lambda grad: seen.append(grad.clone()))
double = b.register_hook(lambda grad: grad * 2)
a.grad = b.grad = None
(a * b).sum().backward()
print(seen, a.grad, b.grad)
h.remove()
double.remove()
(a * b).sum().backward()
print(len(seen), a.grad, b.grad)
k = a * 3
k.register_hook(lambda grad: print("through k:", grad))
k.sum().backward()

# which leaves, and what for
p, q = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
(p * 2 + q * 3).sum().backward(inputs=[p])
print(p.grad, q.grad)
print(torch.autograd.grad((p * q).sum(), (p, q)), torch.autograd.grad(p.sum(), q, allow_unused=True))
torch.autograd.backward([p.sum(), (q * 5).sum()])
print(p.grad, q.grad)
attempt("a vector", lambda: (p * q).backward())
attempt("no graph", lambda: torch.ones(1).backward())
attempt("unused", lambda: torch.autograd.grad(p.sum(), q))
attempt("wrong gradient", lambda: (p * q).backward(torch.ones(3)))

# control flow
def f(t):
    y = t * 2
    steps = 0
    while y.norm() < 100:
        y, steps = y * 2, steps + 1
    return y if y.sum() > 0 else -y, steps


t = torch.tensor([0.3, -0.5, 1.0], requires_grad=True)
out, steps = f(t)
out.sum().backward()
print(out, steps, t.grad)
