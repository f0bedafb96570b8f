"""Containers, layers and their reprs, shared weights, initialisers."""
from collections import OrderedDict

import torch
from torch import nn

torch.manual_seed(12)

seq = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
print(seq, len(seq), seq[0], seq[-1], seq[:2], [type(m).__name__ for m in seq])
named = nn.Sequential(OrderedDict([("conv1", nn.Conv2d(1, 20, 5)), ("relu1", nn.ReLU()), ("conv2", nn.Conv2d(20, 64, 5, stride=2, padding=1, bias=False))]))
print(named, named.conv1.weight.shape, named.relu1)
seq.append(nn.Softmax(dim=1))
seq.add_module("last", nn.Identity())
seq[1] = nn.Tanh()
del seq[4]
print(seq, seq(torch.ones(1, 3)))
nested = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Sequential()), nn.Sequential(nn.Dropout(0.1)))
nested.add_module("net", nn.Linear(2, 1))
print(nested, nested[0][0].bias.data)

layers = nn.ModuleList([nn.Linear(2, 2)])
layers.append(nn.Linear(2, 1))
layers.extend([nn.ReLU(), nn.Sigmoid()])
layers.insert(0, nn.Flatten())
print(layers, len(layers), layers[-1], layers[1:3], [n for n, _ in layers.named_parameters()])
choices = nn.ModuleDict({"relu": nn.ReLU(), "linear": nn.Linear(1, 1)})
choices["tanh"] = nn.Tanh()
print(choices, list(choices.keys()), "relu" in choices, choices["relu"](torch.tensor([-1.0, 1.0])), len(choices))
params = nn.ParameterList([nn.Parameter(torch.ones(2)) for _ in range(2)])
print(params, len(params), nn.ParameterDict({"w": nn.Parameter(torch.zeros(1, 2))}), [n for n, _ in params.named_parameters()])
try:
    nn.Sequential(nn.Linear(1, 1), "not a module")
except TypeError as e:
    print(type(e).__name__, e)

# every layer of the introductory tutorials says what it is
for layer in (
    nn.Linear(3, 4, bias=False), nn.Conv2d(3, 6, (3, 5), stride=(2, 1), padding=(4, 2), dilation=2, groups=3), nn.Conv2d(1, 1, 3, padding="same"),
    nn.MaxPool2d(2), nn.MaxPool2d((3, 2), stride=(2, 1), ceil_mode=True), nn.ReLU(), nn.ReLU(inplace=True), nn.Flatten(), nn.Flatten(0, 1), nn.Dropout(0.2),
    nn.BatchNorm2d(3, momentum=0.2, affine=False), nn.Identity(), nn.Sigmoid(), nn.Tanh(), nn.Softmax(dim=-1), nn.LogSoftmax(dim=1),
    nn.MSELoss(), nn.L1Loss(), nn.CrossEntropyLoss(), nn.NLLLoss(), nn.BCELoss(), nn.BCEWithLogitsLoss(),
):
    print(layer, sum(p.numel() for p in layer.parameters()))

# a layer is its formula
x = torch.randn(2, 3)
linear = nn.Linear(3, 4)
print(torch.allclose(linear(x), x @ linear.weight.T + linear.bias), linear(x), nn.Flatten()(torch.zeros(2, 3, 4)).shape)
image = torch.arange(16.0).view(1, 1, 4, 4)
print(nn.MaxPool2d(2)(image), nn.MaxPool2d(3, stride=1)(image), nn.MaxPool2d(2, padding=1)(image), nn.MaxPool2d(2, return_indices=True)(image))
conv = nn.Conv2d(1, 2, 3)
print(conv(image), conv.weight.shape, conv.kernel_size, conv.stride, conv.in_channels, nn.Conv2d(1, 1, 3, padding=1)(image).shape)
print(nn.Conv2d(1, 1, 2, stride=2, bias=False)(image), nn.Conv2d(2, 4, 2, groups=2)(torch.ones(1, 2, 3, 3)).shape, nn.Conv2d(1, 1, 3, padding="same")(image).shape, conv(image[0]).shape)
bn = nn.BatchNorm2d(2)
bn(torch.randn(4, 2, 3, 3))
print(bn.running_mean, bn.running_var, bn.num_batches_tracked, bn.eval()(torch.ones(1, 2, 1, 1)), list(bn.state_dict()))

# one weight in two places
tied = nn.Linear(2, 2, bias=False)
model = nn.Sequential(tied, nn.Tanh(), tied)
print(len(list(model.parameters())), list(model.state_dict()), model)
model(torch.ones(1, 2)).sum().backward()
print(tied.weight.grad)
decoder = nn.Linear(2, 2, bias=False)
decoder.weight = tied.weight
print(decoder.weight is tied.weight)

# initial values, from the seed
w = torch.empty(3, 5)
for init in (
    nn.init.uniform_, nn.init.normal_, nn.init.xavier_uniform_, nn.init.xavier_normal_, nn.init.kaiming_uniform_, nn.init.kaiming_normal_, nn.init.ones_, nn.init.zeros_, nn.init.eye_,
):
    print(init.__name__, init(w))
print(nn.init.constant_(w, 0.3).clone(), nn.init.uniform_(w, -2, 2).clone(), nn.init.normal_(w, mean=1, std=0.1).clone())
print(nn.init.kaiming_uniform_(w, a=5 ** 0.5).clone(), nn.init.xavier_uniform_(w, gain=nn.init.calculate_gain("tanh")).clone(), nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"))
print(nn.init.calculate_gain("relu"), nn.init.calculate_gain("leaky_relu", 0.2))
