"""The fourth seed document: tensors and NumPy, autograd's attributes, regression by hand-made gradient steps."""
import os
import tempfile

import matplotlib
import numpy as np
import torch

matplotlib.use("Agg")
figures = tempfile.mkdtemp()
torch.manual_seed(0)
np.random.seed(0)

x = torch.rand(5, 3)
y = torch.randn(5, 3)
z = torch.ones(2, 5, 3)
print(x, y, z)
print(x.mm(y.t()))
print(x.mm(y.T))
print(x * y)

x = torch.randn(2, 3)
y = np.random.rand(2, 3)
x_np = x.numpy()
y_torch = torch.from_numpy(y)
print(repr(x_np))
print(y_torch)

if torch.cuda.is_available():
    x = x.cuda()
    y = y_torch.cuda()
    print((x + y).cpu())
else:
    print(x + y_torch)
print(x.cpu())

x = torch.ones(2, 2, requires_grad=True)
print(x.data, x.grad, x.grad_fn)
y = x + 1
print(y.data, y.grad_fn)
y.sum().backward()
print(x.grad)

from matplotlib import pyplot as plot
import torch
from sklearn.model_selection import train_test_split


class Sample():
    def exec(self):
        self.prepare_data()
        self.train()
        self.predict()
        self.plot()

    def prepare_data(self):
        self.x = torch.linspace(1, 100, 100).type(torch.FloatTensor)
        rand = torch.randn(100) * 10
        self.y = self.x + rand
        # self.data = train_test_split(self.x, self.y)
        self.data = self.x[:-10], self.x[-10:], self.y[:-10], self.y[-10:]
        self.a = torch.rand(1, requires_grad=True)
        self.b = torch.rand(1, requires_grad=True)
        self.learning_rate = 0.0001

    def train(self):
        for i in range(2000):
            prediction = self.a.expand_as(self.data[0]) * self.data[0] + self.b.expand_as(self.data[0])
            loss = torch.mean((prediction - self.data[2]) ** 2)
            if i % 200 == 0:
                print(f'loss: {loss}')
            loss.backward()
            self.a.data.add_( - self.learning_rate * self.a.grad.data)
            self.b.data.add_( - self.learning_rate * self.b.grad.data)
            self.a.grad.data.zero_()
            self.b.grad.data.zero_()
        print(self.a, self.b, self.a.grad, self.b.grad)

    def predict(self):
        self.pred = self.a.expand_as(self.data[1]) * self.data[1] + self.b.expand_as(self.data[1])
        print(self.pred)

    def plot(self):
        plot.figure(figsize=(10, 8))
        plot.plot(self.data[0].data, self.data[2].data, 'o')
        plot.plot(self.data[1].data, self.data[3].data, 's')
        plot.plot(self.data[0], self.data[0] * self.a.data + self.b.data)
        plot.plot(self.data[1], self.pred.detach().numpy(), 'o')
        plot.xlabel('x')
        plot.ylabel('y')
        plot.savefig(os.path.join(figures, 'regression.png'))
        plot.show()
        print(os.path.exists(os.path.join(figures, 'regression.png')))


def main():
    Sample().exec()
    pass


if __name__ == '__main__':
    main()
    pieces = train_test_split(torch.arange(8.), torch.arange(8.) * 2, random_state=0)
    print(*pieces)

# add() gives a new tensor, add_() changes its own
b = torch.zeros(1, requires_grad=True)
print(b.data.add(1), b)
print(b.data.add_(1), b)
