"""The workloads as PyTorch code: `NAME(torch, wrap_model, wrap_step)` builds one and returns its step.

`torch` is PyTorch or torchish. `wrap_model` is applied to the model and `wrap_step` to what a step computes before its loss is
read; both are the identity for a plain loop. A step ends with its result on the host, as `loss.item()` gives it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Wrap = Callable[[Any], Any]
Step = Callable[[], Any]


def _training(torch: Any, model: Any, optimizer: Any, criterion: Any, data: tuple | Iterator, wrap_step: Wrap) -> Step:
    """The loop of the tutorials: gradients to zero, forward, loss, backward, update, `loss.item()`; `data`: a batch, or an iterator."""

    def train(inputs, labels):
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)
        loss.backward()
        optimizer.step()
        return loss

    train = wrap_step(train)
    return lambda: train(*(data if isinstance(data, tuple) else next(data))).item()


def lenet(torch: Any, wrap_model: Wrap, wrap_step: Wrap, batch: int) -> Step:
    """LeNet on 3x32x32 images, SGD with momentum: the training loop of PyTorch's introductory tutorial."""
    data = torch.randn(batch, 3, 32, 32), torch.randint(0, 10, (batch,))
    return _training(torch, *_lenet(torch, wrap_model), data, wrap_step)


def lenet_loader(torch: Any, wrap_model: Wrap, wrap_step: Wrap, batch: int) -> Step:
    """LeNet, fed by a DataLoader with two worker processes that make each image from its bytes."""
    pixels = torch.randint(0, 256, (64 * batch, 3, 32, 32), dtype=torch.uint8)

    class Images(torch.utils.data.Dataset):
        def __len__(self):
            return len(pixels)

        def __getitem__(self, i):
            return (pixels[i].float() / 255 - 0.5) / 0.5, i % 10

    def batches():
        loader = torch.utils.data.DataLoader(Images(), batch, shuffle=True, num_workers=2, persistent_workers=True)
        while True:
            yield from loader

    return _training(torch, *_lenet(torch, wrap_model), batches(), wrap_step)


def _lenet(torch: Any, wrap_model: Wrap) -> tuple[Any, Any, Any]:
    """The model, its optimizer and its loss."""
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.pool, self.conv2 = nn.Conv2d(3, 6, 5), nn.MaxPool2d(2, 2), nn.Conv2d(6, 16, 5)
            self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

        def forward(self, x):
            x = self.pool(F.relu(self.conv1(x)))
            x = self.pool(F.relu(self.conv2(x)))
            x = x.view(-1, 16 * 5 * 5)
            return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))

    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    return wrap_model(net), optimizer, nn.CrossEntropyLoss()


def mlp(torch: Any, wrap_model: Wrap, wrap_step: Wrap, batch: int) -> Step:
    """784-512-512-10 with ReLU, SGD with momentum."""
    nn = torch.nn
    net = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    data = torch.randn(batch, 784), torch.randint(0, 10, (batch,))
    return _training(torch, wrap_model(net), optimizer, nn.CrossEntropyLoss(), data, wrap_step)


def transformer(torch: Any, wrap_model: Wrap, wrap_step: Wrap) -> Step:
    """A Transformer encoder (2 layers, 4 heads, width 128, 64 tokens, batch 16, no dropout) that labels sequences, AdamW."""
    nn = torch.nn

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.position = nn.Embedding(1000, 128), nn.Parameter(torch.randn(1, 64, 128) * 0.02)
            layer = nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, batch_first=True)
            self.encoder, self.head = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(128, 10)

        def forward(self, tokens):
            return self.head(self.encoder(self.embedding(tokens) + self.position).mean(1))

    net = Classifier()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    data = torch.randint(0, 1000, (16, 64)), torch.randint(0, 10, (16,))
    return _training(torch, wrap_model(net), optimizer, nn.CrossEntropyLoss(), data, wrap_step)


def lstm(torch: Any, wrap_model: Wrap, wrap_step: Wrap) -> Step:
    """An LSTM classifier (2 layers, 128 wide, 32 steps, batch 32), Adam."""
    nn = torch.nn

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = nn.LSTM(64, 128, num_layers=2, batch_first=True), nn.Linear(128, 10)

        def forward(self, x):
            return self.head(self.lstm(x)[0][:, -1])

    net = Classifier()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    data = torch.randn(32, 32, 64), torch.randint(0, 10, (32,))
    return _training(torch, wrap_model(net), optimizer, nn.CrossEntropyLoss(), data, wrap_step)


def resnet18(torch: Any, wrap_model: Wrap, wrap_step: Wrap) -> Step:
    """ResNet-18 with a 3x3 stem on 3x32x32 images, batch 16, SGD with momentum."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, n, m, stride):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(n, m, 3, stride, 1, bias=False), nn.BatchNorm2d(m)
            self.conv2, self.bn2 = nn.Conv2d(m, m, 3, 1, 1, bias=False), nn.BatchNorm2d(m)
            self.relu, self.downsample = nn.ReLU(inplace=True), None
            if stride != 1 or n != m:
                self.downsample = nn.Sequential(nn.Conv2d(n, m, 1, stride, bias=False), nn.BatchNorm2d(m))

        def forward(self, x):
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            y += x if self.downsample is None else self.downsample(x)
            return self.relu(y)

    layers, n = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)], 64
    for m, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(n, m, stride), Block(m, m, 1)]
        n = m
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    data = torch.randn(16, 3, 32, 32), torch.randint(0, 10, (16,))
    return _training(torch, wrap_model(net), optimizer, nn.CrossEntropyLoss(), data, wrap_step)


def regression(torch: Any, wrap_model: Wrap, wrap_step: Wrap) -> Step:
    """A line fitted with gradients applied by hand; the loss is read after 200 updates."""
    x = torch.linspace(1, 100, 100).type(torch.FloatTensor)
    y = x + torch.randn(100) * 10
    a, b = torch.rand(1, requires_grad=True), torch.rand(1, requires_grad=True)
    rate = 0.0001

    def update(x, y):
        loss = torch.mean((a.expand_as(x) * x + b.expand_as(x) - y) ** 2)
        loss.backward()
        for parameter in (a, b):
            parameter.data.add_(-rate * parameter.grad.data)
            parameter.grad.data.zero_()
        return loss

    update = wrap_step(update)

    def step():
        for _ in range(200):
            loss = update(x, y)
        return loss.item()

    return step


def product_chain(torch: Any, wrap_model: Wrap, wrap_step: Wrap) -> Step:
    """`z = (z / x) * y`, 1000 times, on 2x3 tensors that require gradients: the profiler tutorial's loop."""

    def chain():
        x, y = torch.randn(2, 3, requires_grad=True), torch.rand(2, 3, requires_grad=True)
        z = torch.ones(2, 3, requires_grad=True)
        for _ in range(1000):
            z = (z / x) * y
        return z

    return lambda: chain().tolist()


def char_rnn(torch: Any, wrap_model: Wrap, wrap_step: Wrap) -> Step:
    """A character RNN over 60 words of 2 to 19 letters, one update per word, as in the tutorial on classifying names."""
    nn = torch.nn

    class RNN(nn.Module):
        def __init__(self, n_letters, n_hidden, n_classes):
            super().__init__()
            self.n_hidden = n_hidden
            self.i2h, self.i2o = nn.Linear(n_letters + n_hidden, n_hidden), nn.Linear(n_letters + n_hidden, n_classes)
            self.softmax = nn.LogSoftmax(dim=1)

        def forward(self, letter, hidden):
            combined = torch.cat((letter, hidden), 1)
            return self.softmax(self.i2o(combined)), self.i2h(combined)

    rnn, criterion = RNN(57, 128, 18), nn.NLLLoss()
    words = []
    for k in range(60):
        letters = torch.randint(0, 57, (2 + k * 17 // 59,))
        words.append((nn.functional.one_hot(letters, 57).float().unsqueeze(1), torch.randint(0, 18, (1,))))

    def update(word, label):
        hidden = torch.zeros(1, rnn.n_hidden)
        rnn.zero_grad()
        for i in range(word.size(0)):
            output, hidden = rnn(word[i], hidden)
        loss = criterion(output, label)
        loss.backward()
        for p in rnn.parameters():
            p.data.add_(p.grad.data, alpha=-0.005)
        return loss

    update = wrap_step(update)
    return lambda: [update(*pair).item() for pair in words]


def small_sum(torch: Any, wrap_model: Wrap, wrap_step: Wrap) -> Step:
    """`(x + y).sum().item()` on 3x3 tensors."""
    x, y = torch.rand(3, 3), torch.rand(3, 3)
    f = wrap_step(lambda x, y: (x + y).sum())
    return lambda: f(x, y).item()
