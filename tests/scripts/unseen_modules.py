"""nn.Module: registration, names, buffers, hooks, state_dict, modes, apply, copies, repr."""
import collections
import copy
import pickle

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(11)


def attempt(label, function):
    try:
        print(label, function())
    except Exception as e:
        print(label, type(e).__name__, e)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.scale = nn.Parameter(torch.ones(width))
        self.register_buffer("count", torch.zeros(1, dtype=torch.long))
        self.register_buffer("scratch", torch.zeros(2), persistent=False)
        self.register_parameter("extra", None)
        self.width = width

    def forward(self, x):
        if self.training:
            self.count += 1
        return torch.tanh(self.linear(x)) * self.scale

    def extra_repr(self):
        return f"width={self.width}"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 3)
        self.blocks = nn.ModuleList([Block(3) for _ in range(2)])
        self.head = nn.Sequential(nn.ReLU(), nn.Dropout(p=0.5), nn.Linear(3, 2, bias=False))

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


net = Net()
print(net)
print([name for name, _ in net.named_parameters()], sum(p.numel() for p in net.parameters()))
print([name for name, _ in net.named_modules()], [name for name, _ in net.named_children()], len(list(net.modules())), len(list(net.children())))
print([(name, b.shape) for name, b in net.named_buffers()], len(list(net.buffers())))
print(list(net.state_dict()), type(net.state_dict()).__name__)
print(net.first.weight, net.first.bias.data, net.first.weight.shape, type(net.first.weight).__name__)
print(dict(net.named_parameters(prefix="net", recurse=False)), list(dict(net.blocks[0].named_parameters(recurse=False))))
print(net.get_parameter("first.bias").shape, net.get_submodule("blocks.1.linear"), net.get_buffer("blocks.0.count"))

# modes
x = torch.ones(2, 4)
print(net.training, net.eval().training, net.head[1].training, net(x), net.blocks[0].count)
net.train()
print(net.training, net.blocks[1].training, net(x).shape, net.blocks[0].count, net.head.train(False).training, net.head[0].training)

# state_dict out and in
state = copy.deepcopy(net.state_dict())
other = Net()
print(torch.equal(other.first.weight, net.first.weight), other.load_state_dict(state), torch.equal(other.first.weight, net.first.weight))
state["first.weight"][0, 0] = 99
print(net.first.weight[0, 0].item() != 99, net.state_dict()["first.weight"].data_ptr() == net.first.weight.data_ptr())
del state["first.bias"]
state["surplus"] = torch.zeros(1)
print(other.load_state_dict(state, strict=False))
attempt("missing and unexpected", lambda: other.load_state_dict(state))
attempt("another size", lambda: nn.Linear(2, 2).load_state_dict({"weight": torch.zeros(3, 2), "bias": torch.zeros(2)}))

# attributes
attempt("no such attribute", lambda: net.third)
attempt("before __init__", lambda: type("Early", (nn.Module,), {"__init__": lambda self: setattr(self, "l", nn.Linear(1, 1))})())
attempt("a tensor for a parameter", lambda: setattr(net.first, "weight", torch.zeros(3, 4)))
attempt("no forward", lambda: type("Empty", (nn.Module,), {})()(1))
attempt("not a module", lambda: net.add_module("bad", 3))
attempt("buffer over attribute", lambda: net.blocks[0].register_buffer("width", torch.zeros(1)))
net.added = nn.Identity()
net.register_module("named", nn.Flatten())
del net.added
print(hasattr(net, "added"), "named" in dict(net.named_children()), isinstance(net.first.weight, nn.Parameter), isinstance(net.first.weight, torch.Tensor))


# apply, initialisation, types
def init(m):
    if isinstance(m, nn.Linear):
        nn.init.constant_(m.weight, 0.5)
        if m.bias is not None:
            nn.init.zeros_(m.bias)


other.apply(init)
print(other.first.weight[0], other.head[2].weight, other.eval()(torch.ones(1, 4)))
print(other.double()(x.double()).dtype, other.first.weight.dtype, other.blocks[0].count.dtype, other.float().first.weight.dtype, other.to(torch.float16).first.bias.dtype, other.half().to("cpu", torch.float32).first.bias.dtype)
print(other.zero_grad(), other.requires_grad_(False).first.weight.requires_grad, other.requires_grad_(True).first.weight.requires_grad)

# hooks
log = []
handles = [
    net.first.register_forward_hook(lambda m, inp, out: log.append(("forward", type(m).__name__, inp[0].shape, out.shape))),
    net.first.register_forward_pre_hook(lambda m, inp: log.append(("pre", len(inp)))),
    net.first.register_full_backward_hook(lambda m, gi, go: log.append(("backward", [g if g is None else g.shape for g in gi], go[0].shape))),
]
net(x).sum().backward()
print(log)
for handle in handles:
    handle.remove()
net(x)
print(len(log))
double = net.first.register_forward_hook(lambda m, inp, out: out * 0 + 1)
print(net.first(x))
double.remove()
shift = nn.Linear(1, 1)
shift.register_forward_pre_hook(lambda m, inp: (inp[0] * 0,))
print(torch.equal(shift(torch.ones(1, 1))[0], shift.bias))

# copies
twin = copy.deepcopy(net)
print(twin.first.weight is net.first.weight, torch.equal(twin.first.weight, net.first.weight))
again = pickle.loads(pickle.dumps(nn.Linear(2, 1)))
print(again, again.weight.shape, again.weight.requires_grad)
p = nn.Parameter(torch.tensor([1.0, 2.0]))
print(p, nn.Parameter(torch.zeros(1), requires_grad=False), copy.deepcopy(p), p * 2, p.data, p.is_leaf, nn.Parameter(torch.ones(1)) is not None)
print(isinstance(net.state_dict(), collections.OrderedDict), torch.nn.utils.parameters_to_vector(nn.Linear(1, 1).parameters()).shape)
print(torch.nn.utils.clip_grad_norm_(net.parameters(), 0.1) > 0, F.relu(torch.tensor([-1.0, 1.0])))
