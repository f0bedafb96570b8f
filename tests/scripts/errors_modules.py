"""Bad input: modules, layers, losses, optimizers, datasets, loaders."""
import re

import torch


def case(label, function):
    """Print what a piece of bad input ends in: the error, or the value where there is none."""
    try:
        value = function()
    except Exception as e:
        line = re.sub(r"(?<!\w)0x[0-9a-f]+", "0x...", str(e).splitlines()[0] if str(e) else "")
        print(f"{label}: {type(e).__name__}: {line}")
    else:
        print(f"{label}: no error: {value}")


import torch.nn.functional as F
from torch import nn, optim
from torch.utils.data import ConcatDataset, DataLoader, RandomSampler, Subset, TensorDataset, random_split

linear, conv = nn.Linear(3, 2), nn.Conv2d(1, 2, 3)

# layers given a wrong input
case("Linear, width", lambda: linear(torch.ones(4, 5)))
case("Linear, width of a vector", lambda: linear(torch.ones(5)))
case("Linear, integers", lambda: linear(torch.ones(4, 3, dtype=torch.long)))
case("Linear, doubles", lambda: linear(torch.ones(4, 3, dtype=torch.double)))
case("Linear, a list", lambda: linear([1.0, 2.0, 3.0]))
case("Linear, nothing", lambda: linear())
case("Linear, two arguments", lambda: linear(torch.ones(3), torch.ones(3)))
case("Conv2d, channels", lambda: conv(torch.ones(1, 3, 8, 8)))
case("Conv2d, dimensions", lambda: conv(torch.ones(8, 8)))
case("Conv2d, too small", lambda: conv(torch.ones(1, 1, 2, 2)))
case("Conv2d, bytes", lambda: conv(torch.ones(1, 1, 8, 8, dtype=torch.uint8)))
case("Conv2d, groups", lambda: nn.Conv2d(3, 4, 3, groups=2))
case("Conv2d, out groups", lambda: nn.Conv2d(2, 3, 3, groups=2))
case("Conv2d, padding", lambda: nn.Conv2d(1, 1, 3, padding="some"))
case("Conv2d, same with stride", lambda: nn.Conv2d(1, 1, 3, stride=2, padding="same"))
case("Conv2d, padding_mode", lambda: nn.Conv2d(1, 1, 3, padding_mode="some"))
case("F.conv2d, channels", lambda: F.conv2d(torch.ones(1, 2, 4, 4), torch.ones(1, 3, 2, 2)))
case("MaxPool2d, too small", lambda: nn.MaxPool2d(3)(torch.ones(1, 1, 2, 2)))
case("MaxPool2d, dimensions", lambda: nn.MaxPool2d(2)(torch.ones(4)))
case("MaxPool2d, padding", lambda: nn.MaxPool2d(2, padding=2)(torch.ones(1, 1, 4, 4)))
case("BatchNorm2d, channels", lambda: nn.BatchNorm2d(3)(torch.ones(1, 2, 4, 4)))
case("BatchNorm2d, dimensions", lambda: nn.BatchNorm2d(3)(torch.ones(2, 3)))
case("BatchNorm1d, one value", lambda: nn.BatchNorm1d(2)(torch.ones(1, 2)))
case("Dropout, p", lambda: nn.Dropout(1.5))
case("Dropout, negative p", lambda: nn.Dropout(-0.1))
case("Flatten of a vector", lambda: nn.Flatten()(torch.ones(3)))
case("Sequential, sizes", lambda: nn.Sequential(nn.Linear(2, 3), nn.Linear(4, 1))(torch.ones(1, 2)))
case("Sequential of a string", lambda: nn.Sequential("relu"))
case("Sequential, index", lambda: nn.Sequential(nn.ReLU())[1])
case("ModuleList, index", lambda: nn.ModuleList([nn.ReLU()])[2])
case("ModuleList called", lambda: nn.ModuleList([nn.ReLU()])(torch.ones(1)))
case("ModuleDict, key", lambda: nn.ModuleDict()["a"])
case("Embedding, range", lambda: nn.Embedding(3, 2)(torch.tensor([3])))
case("Embedding, floats", lambda: nn.Embedding(3, 2)(torch.tensor([1.0])))
case("LayerNorm, width", lambda: nn.LayerNorm(3)(torch.ones(2, 4)))
case("Linear, sizes", lambda: nn.Linear("3", 2))
case("Linear, a missing size", lambda: nn.Linear(3))

# losses
case("CrossEntropyLoss, class", lambda: F.cross_entropy(torch.zeros(2, 3), torch.tensor([0, 5])))
case("CrossEntropyLoss, negative class", lambda: F.cross_entropy(torch.zeros(2, 3), torch.tensor([0, -1])))
case("CrossEntropyLoss, batch", lambda: F.cross_entropy(torch.zeros(2, 3), torch.tensor([0, 1, 2])))
case("CrossEntropyLoss, floats", lambda: F.cross_entropy(torch.zeros(2, 3), torch.tensor([0.0, 1.0])))
case("CrossEntropyLoss, shapes", lambda: F.cross_entropy(torch.zeros(2, 3), torch.zeros(2, 4)))
case("CrossEntropyLoss, weight", lambda: F.cross_entropy(torch.zeros(2, 3), torch.tensor([0, 1]), weight=torch.ones(2)))
case("NLLLoss, batch", lambda: F.nll_loss(torch.zeros(2, 3), torch.tensor([0])))
case("NLLLoss, class", lambda: F.nll_loss(torch.zeros(2, 3), torch.tensor([0, 3])))
case("NLLLoss, matrix of classes", lambda: F.nll_loss(torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.long)))
case("MSELoss, sizes", lambda: nn.MSELoss()(torch.ones(2), torch.ones(3)))
case("MSELoss, reduction", lambda: nn.MSELoss(reduction="all")(torch.ones(2), torch.ones(2)))
case("MSELoss, a number", lambda: nn.MSELoss()(torch.ones(2), 1.0))
case("BCELoss, sizes", lambda: nn.BCELoss()(torch.rand(2, 1), torch.ones(2)))
case("BCELoss, range", lambda: nn.BCELoss()(torch.tensor([-0.5]), torch.tensor([1.0])))
case("BCELoss, integers", lambda: nn.BCELoss()(torch.tensor([0.5]), torch.tensor([1])))
case("BCEWithLogitsLoss, sizes", lambda: nn.BCEWithLogitsLoss()(torch.rand(2), torch.ones(3)))
case("softmax, dim", lambda: F.softmax(torch.ones(2, 2), dim=2))

# modules
net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
before = net[0].weight.detach().clone()
state = net.state_dict()
case("load_state_dict, missing", lambda: net.load_state_dict({}))
case("load_state_dict, unexpected", lambda: net.load_state_dict({**state, "x": torch.ones(1)}))
case("load_state_dict, size", lambda: net.load_state_dict({**state, "0.weight": torch.ones(2, 2)}))
case("load_state_dict, a list", lambda: net.load_state_dict([1]))
case("load_state_dict, not a tensor", lambda: net.load_state_dict({**state, "0.bias": 3}))
case("load_state_dict, not strict", lambda: net.load_state_dict({"x": torch.ones(1)}, strict=False))
print(torch.equal(before, net[0].weight))
case("attribute", lambda: net.weight)
case("a tensor for a parameter", lambda: setattr(net[0], "weight", torch.ones(3, 2)))
case("a number for a module", lambda: setattr(net, "0", 3))
case("register_parameter, a tensor", lambda: net.register_parameter("p", torch.ones(1)))
case("register_parameter, a result", lambda: net.register_parameter("p", net[0].weight * 2))
case("register_parameter, a name with a dot", lambda: net.register_parameter("a.b", nn.Parameter(torch.ones(1))))
case("register_buffer, a list", lambda: net.register_buffer("b", [1]))
case("register_buffer, a name twice", lambda: net.register_buffer("training", torch.ones(1)))
case("add_module, not a module", lambda: net.add_module("m", 3))
case("add_module, an empty name", lambda: net.add_module("", nn.ReLU()))
case("get_parameter", lambda: net.get_parameter("0.wieght"))
case("get_submodule", lambda: net.get_submodule("7"))
case("train of a string", lambda: net.train("yes"))
case("to of integers", lambda: net.to(torch.long))
case("to of a wrong device", lambda: net.to("gpu"))
case("double module, float input", lambda: nn.Linear(2, 1).double()(torch.ones(1, 2)))
case("no forward", lambda: nn.Module()(1))
case("init of a vector", lambda: nn.init.xavier_uniform_(torch.empty(3)))
case("init, unknown gain", lambda: nn.init.calculate_gain("swish"))
case("init, mode", lambda: nn.init.kaiming_normal_(torch.empty(2, 2), mode="fan"))
case("eye_ of a vector", lambda: nn.init.eye_(torch.empty(3)))
case("clip_grad_norm_ of nothing", lambda: nn.utils.clip_grad_norm_([], 1.0))


class NoSuper(nn.Module):
    def __init__(self):
        self.layer = nn.Linear(1, 1)


class NoSuperParameter(nn.Module):
    def __init__(self):
        self.p = nn.Parameter(torch.ones(1))


class NoSuperNumber(nn.Module):
    def __init__(self):
        self.k = 3


case("super().__init__() missing, a module", NoSuper)
case("super().__init__() missing, a parameter", NoSuperParameter)
case("super().__init__() missing, a call", lambda: NoSuperNumber()(torch.ones(2)))
case("Sequential of a function", lambda: nn.Sequential(F.relu))

# optimizers
p = [nn.Parameter(torch.ones(2))]
case("SGD without a rate", lambda: optim.SGD(p))
case("SGD, negative rate", lambda: optim.SGD(p, lr=-0.1))
case("SGD, negative momentum", lambda: optim.SGD(p, lr=0.1, momentum=-0.5))
case("SGD, negative decay", lambda: optim.SGD(p, lr=0.1, weight_decay=-1))
case("SGD, nesterov", lambda: optim.SGD(p, lr=0.1, nesterov=True))
case("SGD, nesterov with dampening", lambda: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.1, nesterov=True))
case("SGD of nothing", lambda: optim.SGD([], lr=0.1))
case("SGD of a tensor", lambda: optim.SGD(torch.ones(1), lr=0.1))
case("SGD of a number", lambda: optim.SGD(3, lr=0.1))
case("SGD of strings", lambda: optim.SGD(["a"], lr=0.1))
case("SGD of a result", lambda: optim.SGD([p[0] * 2], lr=0.1))
case("SGD of a group without params", lambda: optim.SGD([{"lr": 1}], lr=0.1))
case("SGD of a set in a group", lambda: optim.SGD([{"params": {p[0]}}], lr=0.1))
case("SGD, the same twice in groups", lambda: optim.SGD([{"params": p}, {"params": p}], lr=0.1))
case("SGD, unknown option", lambda: optim.SGD(p, lr=0.1, speed=3))
case("Adam, rate", lambda: optim.Adam(p, lr=-1))
case("Adam, eps", lambda: optim.Adam(p, eps=-1))
case("Adam, beta 1", lambda: optim.Adam(p, betas=(1.0, 0.999)))
case("Adam, beta 2", lambda: optim.Adam(p, betas=(0.9, 1.5)))
case("Adam, decay", lambda: optim.Adam(p, weight_decay=-0.1))
sgd = optim.SGD(p, lr=0.1)
case("add_param_group, not a dict", lambda: sgd.add_param_group(p))
case("add_param_group, again", lambda: sgd.add_param_group({"params": p}))
case("load_state_dict, groups", lambda: sgd.load_state_dict({"state": {}, "param_groups": []}))
case("load_state_dict, sizes", lambda: sgd.load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]}))
case("StepLR of a module", lambda: optim.lr_scheduler.StepLR(net, 1))
case("step without gradients", lambda: (sgd.step(), p[0].data))

# data
pairs = TensorDataset(torch.arange(4), torch.arange(4))
case("TensorDataset, sizes", lambda: TensorDataset(torch.ones(2), torch.ones(3)))
case("TensorDataset, range", lambda: pairs[4])
case("random_split, sum", lambda: random_split(pairs, [1, 2]))
case("random_split, fractions", lambda: random_split(pairs, [0.5, 0.6]))
case("Subset, range", lambda: Subset(pairs, [7])[0])
case("ConcatDataset of nothing", lambda: ConcatDataset([]))
case("ConcatDataset, range", lambda: ConcatDataset([pairs])[-5])
case("DataLoader, batch_size", lambda: DataLoader(pairs, batch_size=-1))
case("DataLoader, batch_size of a string", lambda: DataLoader(pairs, batch_size="a"))
case("DataLoader, workers", lambda: DataLoader(pairs, num_workers=-1))
case("DataLoader, shuffle and sampler", lambda: DataLoader(pairs, shuffle=True, sampler=RandomSampler(pairs)))
case("DataLoader, batch_sampler and batch_size", lambda: DataLoader(pairs, batch_size=2, batch_sampler=[[0]]))
case("DataLoader, drop_last without batches", lambda: DataLoader(pairs, batch_size=None, drop_last=True))
case("DataLoader, unknown option", lambda: DataLoader(pairs, speed=1))
case("DataLoader, items of two sizes", lambda: list(DataLoader([torch.ones(1), torch.ones(2)], batch_size=2)))
case("DataLoader, items without a rule", lambda: list(DataLoader([None, None], batch_size=2)))
case("DataLoader, lists of two lengths", lambda: list(DataLoader([[1], [1, 2]], batch_size=2)))
case("DataLoader, batch_size set later", lambda: setattr(DataLoader(pairs), "batch_size", 2))
case("RandomSampler, num_samples", lambda: RandomSampler(pairs, num_samples=-1))
case("RandomSampler of nothing", lambda: RandomSampler([]))
case("next after the end", lambda: [next(it) for it in [iter(DataLoader(pairs, batch_size=4))] for _ in range(2)])
case("Dataset without __getitem__", lambda: torch.utils.data.Dataset()[0])
case("Dataset without __len__", lambda: len(torch.utils.data.Dataset()))


class Broken(torch.utils.data.Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, i):
        raise ValueError(f"item {i} is broken")


case("Dataset that raises", lambda: list(DataLoader(Broken())))
case("Dataset that raises in a worker", lambda: list(DataLoader(Broken(), num_workers=1)))
