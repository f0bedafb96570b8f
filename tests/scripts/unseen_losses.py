"""The usual losses and activations, as modules and as functions, with their options and gradients."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(13)


def attempt(label, function):
    try:
        print(label, function())
    except Exception as e:
        print(label, type(e).__name__, str(e).splitlines()[0])


logits = torch.randn(4, 3, requires_grad=True)
target = torch.tensor([0, 2, 1, 2])
print(logits, nn.CrossEntropyLoss()(logits, target), F.cross_entropy(logits, target, reduction="sum"), F.cross_entropy(logits, target, reduction="none"))
print(F.nll_loss(F.log_softmax(logits, dim=1), target), nn.NLLLoss(reduction="sum")(logits.log_softmax(1), target), -logits.log_softmax(1)[range(4), target].mean())
print(nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0]))(logits, target), nn.CrossEntropyLoss(label_smoothing=0.1)(logits, target), nn.CrossEntropyLoss(ignore_index=2)(logits, target))
print(F.cross_entropy(logits, F.softmax(torch.randn(4, 3), 1)), F.cross_entropy(torch.randn(2, 3, 4), torch.zeros(2, 4, dtype=torch.long)))
nn.CrossEntropyLoss()(logits, target).backward()
print(logits.grad, torch.allclose(logits.grad, (logits.softmax(1) - F.one_hot(target, 3)).detach() / 4, atol=1e-6))

p, t = torch.rand(3, 2, requires_grad=True), torch.rand(3, 2).round()
for loss in (
    nn.MSELoss(), nn.MSELoss(reduction="sum"), nn.MSELoss(reduction="none"), nn.L1Loss(), nn.L1Loss(reduction="sum"), nn.BCELoss(),
    nn.BCELoss(weight=torch.tensor([1.0, 2.0])), nn.BCEWithLogitsLoss(), nn.BCEWithLogitsLoss(reduction="none"),
):
    value = loss(p, t)
    print(type(loss).__name__, value, torch.autograd.grad(value.sum(), p)[0])
x = torch.tensor([-3.0, -1.0, -0.2, 0.3, 1.0, 4.0], requires_grad=True)
for f in (F.relu, F.leaky_relu, F.logsigmoid, torch.relu, torch.sigmoid, torch.tanh, F.sigmoid, F.tanh):
    y = f(x)
    print(f.__name__, y, torch.autograd.grad(y.sum(), x)[0])
print(F.softmax(x, dim=0), F.log_softmax(x, dim=-1), F.one_hot(torch.tensor([0, 2]), num_classes=3), F.linear(p, torch.ones(4, 2), torch.zeros(4)).shape)
print(F.mse_loss(p, t), F.l1_loss(p, t), F.binary_cross_entropy(p, t), F.binary_cross_entropy_with_logits(p, t), F.dropout(torch.ones(10), p=0.3, training=False))
print(F.max_pool2d(torch.arange(16.0).view(1, 1, 4, 4), 2), F.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2)), F.relu(torch.tensor([-1.0, 1.0]), inplace=True))

attempt("classes out of range", lambda: F.cross_entropy(torch.zeros(2, 3), torch.tensor([0, 3])))
attempt("batch sizes", lambda: F.cross_entropy(torch.zeros(2, 3), torch.tensor([0])))
attempt("float classes", lambda: F.cross_entropy(torch.zeros(2, 3), torch.zeros(2)))
attempt("int32 classes", lambda: F.cross_entropy(torch.zeros(2, 3), torch.zeros(2, dtype=torch.int32)))
attempt("probabilities over 1", lambda: F.binary_cross_entropy(torch.tensor([1.5]), torch.tensor([1.0])))
attempt("sizes", lambda: F.binary_cross_entropy(torch.rand(2), torch.rand(3)))
attempt("mse sizes", lambda: F.mse_loss(torch.rand(2), torch.rand(3)))
attempt("reduction", lambda: F.mse_loss(torch.rand(2), torch.rand(2), reduction="average"))
attempt("integers", lambda: F.mse_loss(torch.tensor([1]), torch.tensor([2])))
attempt("mixed types", lambda: F.linear(torch.ones(1, 2), torch.ones(2, 2, dtype=torch.double)))
