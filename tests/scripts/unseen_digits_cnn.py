"""A convolutional network with batch normalisation and dropout on handwritten digits, as a quickstart trains it."""
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset, random_split

torch.manual_seed(26)
device = "cuda" if torch.cuda.is_available() else "cpu"


class Digits(Dataset):
    def __init__(self, transform=None, target_transform=None):
        digits = load_digits()
        self.images = torch.from_numpy(digits.images).float().unsqueeze(1) / 16
        self.labels = torch.from_numpy(digits.target)
        self.transform, self.target_transform = transform, target_transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, idx):
        image, label = self.images[idx], self.labels[idx]
        if self.transform:
            image = self.transform(image)
        if self.target_transform:
            label = self.target_transform(label)
        return image, label


data = Digits(transform=lambda im: (im - 0.5) / 0.5)
train_set, test_set, _ = random_split(data, [600, 200, 997])
train_loader = DataLoader(train_set, batch_size=50, shuffle=True)
test_loader = DataLoader(test_set, batch_size=100)
for X, y in test_loader:
    print(f"Shape of X [N, C, H, W]: {X.shape}")
    print(f"Shape of y: {y.shape} {y.dtype}")
    break


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3)
        self.drop = nn.Dropout(0.25)
        self.fc1 = nn.Linear(16 * 3 * 3, 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(self.drop(x), 1)
        return F.log_softmax(self.fc2(F.relu(self.fc1(x))), dim=1)


model = Net().to(device)
print(model, sum(p.numel() for p in model.parameters() if p.requires_grad))
optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)


def train(epoch):
    model.train()
    for batch_idx, (data, target) in enumerate(train_loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        output = model(data)
        loss = F.nll_loss(output, target)
        loss.backward()
        optimizer.step()
        if batch_idx % 4 == 0:
            done = 100.0 * batch_idx / len(train_loader)
            print(f"Train Epoch: {epoch} [{batch_idx * len(data)}/{len(train_loader.dataset)} ({done:.0f}%)]\tLoss: {loss.item():.3f}")


@torch.no_grad()
def test():
    model.eval()
    test_loss, correct = 0.0, 0
    for data, target in test_loader:
        output = model(data.to(device))
        test_loss += F.nll_loss(output, target, reduction="sum").item()
        pred = output.argmax(dim=1, keepdim=True)
        correct += pred.eq(target.view_as(pred)).sum().item()
    size = len(test_loader.dataset)
    print(f"Test set: Average loss: {test_loss / size:.3f}, Accuracy: {correct}/{size} ({100.0 * correct / size:.0f}%)")


for epoch in range(1, 3):
    train(epoch)
    test()
    scheduler.step()
print(optimizer.param_groups[0]["lr"], model.bn1.num_batches_tracked, model.bn1.running_mean)
model.eval()
image, label = data[0]
with torch.no_grad():
    logits = model(image.unsqueeze(0))
print(logits.exp().sum(), logits[0].argmax().item() == label.item(), label, torch.topk(logits.exp(), 3).indices[0, 0].item())
state = model.state_dict()
fresh = Net()
print(fresh.load_state_dict(state), torch.allclose(fresh.eval()(image[None]), model(image[None])))
print([(k, tuple(v.shape)) for k, v in state.items()])
per_class = torch.zeros(10, dtype=torch.long)
for _, target in test_loader:
    per_class += torch.bincount(target, minlength=10)
print(per_class, per_class.sum())
