"""SGD and Adam: every option, parameter groups, state, closures, schedulers, repr."""
import copy

import torch
from torch import nn, optim

torch.manual_seed(14)
data, target = torch.randn(16, 3), torch.randn(16, 1)
start = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def attempt(label, function):
    try:
        print(label, function())
    except Exception as e:
        print(label, type(e).__name__, str(e).splitlines()[0])


def train(make, steps=5):
    model = copy.deepcopy(start)
    optimizer = make(model.parameters())
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(data), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, model[2].weight.data


for options in (
    dict(lr=0.1), dict(lr=0.1, momentum=0.9), dict(lr=0.1, momentum=0.9, nesterov=True), dict(lr=0.1, momentum=0.5, dampening=0.3), dict(lr=0.1, weight_decay=0.1),
    dict(lr=0.01, maximize=True), dict(lr=0.05, momentum=0.9, weight_decay=0.01, nesterov=True),
):
    print("SGD", options, *train(lambda p, o=options: optim.SGD(p, **o)))
for options in (
    dict(), dict(lr=0.1), dict(lr=0.05, betas=(0.5, 0.9)), dict(lr=0.05, eps=0.1), dict(lr=0.05, weight_decay=0.1), dict(lr=0.05, amsgrad=True), dict(lr=0.05, maximize=True),
):
    print("Adam", options, *train(lambda p, o=options: optim.Adam(p, **o)))

# what an optimizer says
model = copy.deepcopy(start)
sgd = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
print(sgd, optim.Adam(model.parameters()))
print(len(sgd.param_groups), sorted(sgd.param_groups[0]), len(sgd.param_groups[0]["params"]), sgd.defaults["lr"], len(sgd.state))

# groups with their own options
groups = optim.SGD([{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 1e-3, "weight_decay": 0.1}], lr=1e-2, momentum=0.9)
print(groups)
groups.param_groups[0]["lr"] = 0.5
model(data).pow(2).mean().backward()
before = [p.detach().clone() for p in model.parameters()]
groups.step()
print([(p - q).abs().max().item() for p, q in zip(model.parameters(), before)])
extra = nn.Linear(1, 1)
groups.add_param_group({"params": extra.parameters(), "lr": 7.0})
print(len(groups.param_groups), groups.param_groups[2]["lr"], groups.param_groups[2]["momentum"])

# zero_grad
print(all(p.grad is not None for p in model.parameters()), groups.zero_grad(), all(p.grad is None for p in model.parameters()))
model(data).sum().backward()
groups.zero_grad(set_to_none=False)
print(model[2].bias.grad)

# state out and in: the copy goes on as the original does
first = optim.Adam(model.parameters(), lr=0.01)
for _ in range(3):
    first.zero_grad()
    nn.functional.mse_loss(model(data), target).backward()
    first.step()
state = first.state_dict()
print(state["param_groups"], list(state["state"]), {k: v if v.ndim == 0 else v.shape for k, v in state["state"][0].items()})
print(state["state"][3]["exp_avg"], state["state"][3]["step"])
twin = copy.deepcopy(model)
second = optim.Adam(twin.parameters(), lr=99.0)
second.load_state_dict(copy.deepcopy(state))
for m, o in ((model, first), (twin, second)):
    o.zero_grad()
    nn.functional.mse_loss(m(data), target).backward()
    o.step()
print(torch.equal(model[2].weight, twin[2].weight), second.param_groups[0]["lr"])

# a closure, one parameter by hand, a parameter without a gradient
w = torch.tensor([3.0], requires_grad=True)
idle = torch.tensor([1.0], requires_grad=True)
opt = optim.SGD([w, idle], lr=0.1)


def closure():
    opt.zero_grad()
    loss = (w ** 2).sum()
    loss.backward()
    return loss


print([opt.step(closure).item() for _ in range(3)], w, idle)

# schedulers change the rate
opt = optim.SGD([w], lr=1.0)
scheduler = optim.lr_scheduler.StepLR(opt, step_size=2, gamma=0.1)
rates = []
for _ in range(6):
    rates.append(opt.param_groups[0]["lr"])
    opt.step()
    scheduler.step()
print(rates, scheduler.get_last_lr())
opt = optim.Adam([w], lr=0.1)
decay = optim.lr_scheduler.ExponentialLR(opt, 0.9)
for _ in range(3):
    opt.step()
    decay.step()
print(decay.get_last_lr(), decay.last_epoch)

attempt("no parameters", lambda: optim.SGD([], lr=0.1))
attempt("negative rate", lambda: optim.SGD([w], lr=-1))
attempt("negative momentum", lambda: optim.SGD([w], lr=1, momentum=-1))
attempt("nesterov alone", lambda: optim.SGD([w], lr=1, nesterov=True))
attempt("beta", lambda: optim.Adam([w], betas=(1.0, 0.9)))
attempt("eps", lambda: optim.Adam([w], eps=-1))
attempt("a tensor", lambda: optim.SGD(w, lr=1))
attempt("not a leaf", lambda: optim.SGD([w * 2], lr=1))
attempt("numbers", lambda: optim.SGD([1, 2], lr=1))
attempt("twice", lambda: optim.SGD([{"params": [w]}, {"params": [w]}], lr=1))
