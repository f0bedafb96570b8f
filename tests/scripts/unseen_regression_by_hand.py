"""Linear, logistic and softmax regression from bare tensors, by hand-made gradients and by autograd."""
import torch
import torch.nn.functional as F

torch.manual_seed(22)

# minibatches, a model, a loss and a step, all written out
true_w, true_b = torch.tensor([2.0, -3.4]), 4.2
features = torch.normal(0, 1, (200, 2))
labels = torch.matmul(features, true_w) + true_b
labels += torch.normal(0, 0.01, labels.shape)
labels = labels.reshape((-1, 1))
print(features[0], labels[0], features.shape, labels.shape)


def data_iter(batch_size, features, labels):
    indices = torch.randperm(len(features))
    for i in range(0, len(features), batch_size):
        batch = indices[i:min(i + batch_size, len(features))]
        yield features[batch], labels[batch]


for X, y in data_iter(5, features, labels):
    print(X, "\n", y)
    break
w = torch.normal(0, 0.01, size=(2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)


def linreg(X, w, b):
    return torch.matmul(X, w) + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()


for epoch in range(3):
    for X, y in data_iter(10, features, labels):
        loss = squared_loss(linreg(X, w, b), y)
        loss.sum().backward()
        sgd([w, b], 0.1, 10)
    with torch.no_grad():
        print(f"epoch {epoch + 1}, loss {float(squared_loss(linreg(features, w, b), labels).mean()):.4f}")
print(w.reshape(true_w.shape), b, (true_w - w.reshape(true_w.shape)).abs().max() < 0.05)

# gradients by hand agree with autograd's, and the normal equations with both
x = torch.linspace(0, 1, 50).unsqueeze(1)
y = 3 * x + 0.5 + 0.1 * torch.randn(50, 1)
slope, intercept = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
for _ in range(200):
    error = slope * x + intercept - y
    loss = error.pow(2).mean()
    slope.grad = intercept.grad = None
    loss.backward()
    hand = (2 * (error * x).mean(), 2 * error.mean())
    assert torch.allclose(slope.grad, hand[0], atol=1e-5) and torch.allclose(intercept.grad, hand[1], atol=1e-5)
    slope.data -= 0.5 * slope.grad
    intercept.data -= 0.5 * intercept.grad
X = torch.cat([x, torch.ones_like(x)], dim=1)
print(slope, intercept, torch.inverse(X.t() @ X) @ X.t() @ y, torch.linalg.lstsq(X, y).solution)

# logistic regression
points = torch.cat([torch.randn(40, 2) + 1.5, torch.randn(40, 2) - 1.5])
kind = torch.cat([torch.ones(40), torch.zeros(40)])
weight = torch.zeros(2, requires_grad=True)
bias = torch.zeros((), requires_grad=True)
for step in range(100):
    probability = torch.sigmoid(points @ weight + bias)
    loss = -(kind * probability.log() + (1 - kind) * (1 - probability).log()).mean()
    grads = torch.autograd.grad(loss, [weight, bias])
    with torch.no_grad():
        for p, g in zip((weight, bias), grads):
            p -= 0.5 * g
    if step % 25 == 0:
        print(step, f"{loss.item():.4f}", ((probability > 0.5).float() == kind).float().mean().item())
print(weight, bias, torch.allclose(loss, F.binary_cross_entropy(probability, kind)), F.binary_cross_entropy_with_logits(points @ weight + bias, kind))

# softmax regression on three clouds
centres = torch.tensor([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]])
cloud = torch.arange(90) % 3
data = centres[cloud] + 0.6 * torch.randn(90, 2)


def log_softmax(x):
    return x - x.exp().sum(-1).log().unsqueeze(-1)


W = (torch.randn(2, 3) / 2 ** 0.5).requires_grad_()
B = torch.zeros(3, requires_grad=True)
for epoch in range(40):
    order = torch.randperm(90)
    for chunk in order.split(30):
        loss = -log_softmax(data[chunk] @ W + B)[range(len(chunk)), cloud[chunk]].mean()
        loss.backward()
        with torch.no_grad():
            W -= W.grad * 0.2
            B -= B.grad * 0.2
            W.grad.zero_()
            B.grad.zero_()
prediction = (data @ W + B).argmax(dim=1)
print(loss, W, B, (prediction == cloud).sum().item(), torch.bincount(prediction), torch.stack([data[cloud == k].mean(0) for k in range(3)]))
confusion = torch.zeros(3, 3, dtype=torch.long)
for t, p in zip(cloud, prediction):
    confusion[t, p] += 1
print(confusion, confusion.diag().sum() / confusion.sum())
