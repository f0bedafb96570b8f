"""The second seed document: first tensors, linear regression, a CNN's definition, NumPy beside tensors."""
import os
import tempfile

import matplotlib

matplotlib.use("Agg")
figures = tempfile.mkdtemp()

import torch

torch.manual_seed(0)

# is it installed?
import torch
print(torch.__version__.split('+')[0])

# first tensors
x = torch.empty(3, 3)
print(x.shape, x.dtype)
x = torch.rand(3, 3)
print(x)
x = torch.zeros(3, 3)
print(x)
# addition
x = torch.rand(3, 3)
y = torch.rand(3, 3)
z = x + y
print(z)
# multiplication
z = x * y
print(z)
# transpose
x = torch.rand(3, 3)
print(x.T)
# device
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
x = torch.rand(3, 3).to(device)
print(device, x.device.type, x.cpu())

# tensor() keeps the data's type, zeros() is float32
print(torch.tensor([1, 2, 3]).dtype, torch.zeros(2, 3, 4).dtype)
print(torch.zeros(2, 3, 4))
x = torch.empty(2, 3, 4, dtype=torch.float64)
print(x.shape, x.dtype)

import torch
tensor1 = torch.tensor([1, 2, 3])
tensor2 = torch.zeros(2, 3)
result = tensor1 + tensor2
print(result)

import torch
A = torch.tensor([[1, 2, 3], [4, 5, 6]])
B = torch.tensor([[7, 8, 9], [10, 11, 12]])
C = A + B
print(C)

import torch
matrix = torch.zeros(2, 3)
vector = torch.tensor([1, 2, 3])
result = matrix + vector
print(result)

# linear regression
import torch
import torch.nn as nn
import numpy as np
import matplotlib.pyplot as plt
X = torch.randn(100, 1)
y = 2 * X + 3 + torch.randn(100, 1)  # y = 2x + 3 + noise
model = nn.Linear(1, 1)
criterion = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for epoch in range(1000):
    outputs = model(X)
    loss = criterion(outputs, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"Slope: {model.weight.item()}, Intercept: {model.bias.item()}")
plt.scatter(X.squeeze(), y.squeeze())
try:
    plt.plot(X.squeeze(), outputs.squeeze(), 'r-')
except RuntimeError as e:
    print(type(e).__name__, e)

# the mean squared error, by hand
y_pred, y_true = torch.tensor([2.5, 3.2, 1.8]), torch.tensor([3.0, 3.5, 2.0])
print(nn.MSELoss()(y_pred, y_true), ((y_pred - y_true) ** 2).sum() / 3)

# a CNN for images
import torch
import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 4 * 4, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(-1, 16 * 4 * 4)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        x = self.fc3(x)
        return x


net = Net()
print(net)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
print(optimizer)
images, labels = torch.rand(4, 1, 28, 28), torch.tensor([3, 1, 4, 1])
for step in range(3):
    optimizer.zero_grad()
    loss = criterion(net(images), labels)
    loss.backward()
    optimizer.step()
    print(step, loss.item())

# NumPy
import numpy as np
arr = np.ones((3,3))
print(arr)
print(torch.from_numpy(arr))
img_array = np.random.RandomState(0).randint(0, 256, (4, 5, 3)).astype(np.uint8)
gray_array = np.dot(img_array[...,:3], [0.2989, 0.5870, 0.1140])
print(gray_array.astype(np.uint8))
print(torch.from_numpy(gray_array.astype(np.uint8)))
theta_X = np.array([[1, 2], [1, 4], [1, 6], [1, 8]])
theta_y = np.array([5, 11, 17, 23])
theta = np.linalg.inv(theta_X.T @ theta_X) @ theta_X.T @ theta_y
print(f"Slope: {theta[1]:.6f}, Intercept: {theta[0]:.6f}")

# linear layers of other sizes
for n_in, n_out in ((1, 1), (2, 1), (2, 2), (3, 2), (2, 3)):
    layer = nn.Linear(n_in, n_out)
    print(layer, layer.weight.shape, layer.bias.shape, layer(torch.ones(1, n_in)))

# the errors that the document meets
outputs = model(X)
try:
    outputs.numpy()
except RuntimeError as e:
    print(type(e).__name__, e)
outputs_np = outputs.detach().squeeze().numpy()
plt.plot(X.squeeze().numpy(), outputs_np, "r-")
plt.savefig(os.path.join(figures, "regression.png"))
plt.show()
print(outputs_np.shape, os.path.exists(os.path.join(figures, "regression.png")))
slope = model.weight.detach().item()
intercept = model.bias.detach().item()
print(slope, intercept)
