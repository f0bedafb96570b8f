"""Turning recording off and on: no_grad, enable_grad, set_grad_enabled, inference_mode, detach, requires_grad_."""
import torch

torch.manual_seed(9)


def attempt(label, function):
    try:
        print(label, function())
    except Exception as e:
        print(label, type(e).__name__, str(e).splitlines()[0])


x = torch.ones(2, requires_grad=True)
print(torch.is_grad_enabled(), torch.is_inference_mode_enabled())
with torch.no_grad():
    print(torch.is_grad_enabled(), x * 2, (x * 2).requires_grad)
    with torch.enable_grad():
        print(torch.is_grad_enabled(), x * 2)
    made = torch.ones(1, requires_grad=True)
    print(made, made.requires_grad, torch.nn.Linear(1, 1).weight.requires_grad)
    x.mul_(3)
print(torch.is_grad_enabled(), x)

with torch.set_grad_enabled(False):
    print((x * 2).requires_grad)
torch.set_grad_enabled(False)
print((x * 2).requires_grad)
torch.set_grad_enabled(True)
for train in (True, False):
    with torch.set_grad_enabled(train):
        print(train, (x * 2).requires_grad)


@torch.no_grad()
def evaluate(t):
    """Evaluate without a graph."""
    return t * 2


@torch.enable_grad()
def record(t):
    return t * 2


@torch.inference_mode()
def infer(t):
    return t * 2


@torch.no_grad
def bare(t):
    return t * 2


print(evaluate(x), evaluate.__name__, evaluate.__doc__, bare(x).requires_grad)
with torch.no_grad():
    print(record(x))
print(infer(x), infer(x).is_inference(), infer(x).requires_grad)

with torch.inference_mode():
    y = x * 2
    print(y, torch.is_inference_mode_enabled(), torch.is_grad_enabled(), y.is_inference())
    y.add_(1)
print(y, y.is_inference(), (y + 1).is_inference())
attempt("inference tensor saved", lambda: (x * y).sum().backward())
attempt("inference tensor in place", lambda: y.add_(1))
with torch.inference_mode(False):
    print(torch.is_inference_mode_enabled())

try:
    with torch.no_grad():
        raise ValueError("inside")
except ValueError as e:
    print(e, torch.is_grad_enabled())

# a generator under no_grad, and modes that nest
@torch.no_grad()
def halves(t):
    for _ in range(2):
        t = t / 2
        yield t


for h in halves(x):
    print(h, torch.is_grad_enabled())

# parameters updated by hand
w = torch.tensor([1.0, 2.0], requires_grad=True)
(w ** 2).sum().backward()
with torch.no_grad():
    w -= 0.1 * w.grad
    w.grad.zero_()
print(w, w.grad, w.is_leaf)
attempt("in place on a leaf", lambda: w.sub_(0.1))
attempt("view of a leaf in place", lambda: w[0].mul_(2))
w.data -= 1
print(w)

# detach, requires_grad_
d = (w * 2).detach()
print(d, d.requires_grad, d.requires_grad_().requires_grad, d.is_leaf)
d.sum().backward()
print(d.grad, w.grad)
n = torch.ones(2)
n.requires_grad = True
n.requires_grad_(False)
print(n.requires_grad)
attempt("requires_grad of a result", lambda: setattr(w * 2, "requires_grad", False))
attempt("integers", lambda: torch.tensor([1, 2], requires_grad=True))
attempt("integers later", lambda: torch.tensor([1, 2]).requires_grad_())
attempt("integers by assignment", lambda: setattr(torch.tensor([1]), "requires_grad", True))
u = w * 2
attempt("detach_ makes it a leaf", lambda: (u.detach_(), u.is_leaf))

# frozen parts of a model
model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
for p in model[0].parameters():
    p.requires_grad_(False)
out = model(torch.ones(1, 2)).sum()
out.backward()
print([(name, p.requires_grad, p.grad is not None) for name, p in model.named_parameters()])
model.requires_grad_(True)
print(all(p.requires_grad for p in model.parameters()))
with torch.autograd.set_detect_anomaly(False):
    print(torch.is_anomaly_enabled())
with torch.autograd.detect_anomaly(check_nan=True):
    print(torch.is_anomaly_enabled())
    z = torch.tensor([0.0], requires_grad=True)
    attempt("nan in backward", lambda: (z.sqrt() * 0).sum().backward())
with torch.autograd.grad_mode.no_grad():
    print((x * 1).requires_grad)
