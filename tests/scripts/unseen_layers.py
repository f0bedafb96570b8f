"""The other layers of torch.nn: what they say of themselves, and what they compute."""
import torch
from torch import nn

torch.manual_seed(12)

for layer in (
    nn.Linear(3, 4, bias=False), nn.Bilinear(2, 3, 4), nn.Conv1d(1, 2, 3), nn.Conv2d(3, 6, (3, 5), stride=(2, 1), padding=(4, 2), dilation=2, groups=3),
    nn.Conv2d(1, 1, 3, padding="same", padding_mode="circular"), nn.MaxPool2d(2), nn.MaxPool2d((3, 2), stride=(2, 1), ceil_mode=True), nn.AvgPool2d(3), nn.AdaptiveAvgPool2d((5, 7)),
    nn.MaxPool1d(2), nn.ReLU(inplace=True), nn.LeakyReLU(0.1), nn.Softplus(), nn.GELU(), nn.Hardtanh(), nn.Softmax(dim=-1), nn.LogSoftmax(dim=1), nn.Sigmoid(), nn.SiLU(),
    nn.Dropout(0.2), nn.Dropout2d(), nn.BatchNorm1d(4), nn.BatchNorm2d(3, momentum=0.2, affine=False), nn.LayerNorm(5), nn.LayerNorm((2, 3), eps=1e-6), nn.GroupNorm(2, 4),
    nn.Flatten(), nn.Flatten(0, 1), nn.Unflatten(1, (2, 2)), nn.Identity(), nn.Embedding(10, 3), nn.Embedding(5, 2, padding_idx=0), nn.ZeroPad2d(1), nn.Upsample(scale_factor=2),
    nn.MSELoss(), nn.L1Loss(), nn.CrossEntropyLoss(), nn.NLLLoss(), nn.BCELoss(), nn.BCEWithLogitsLoss(), nn.SmoothL1Loss(), nn.HuberLoss(), nn.KLDivLoss(),
    nn.RNN(3, 4), nn.LSTM(3, 4, num_layers=2), nn.GRU(3, 4, batch_first=True),
):
    print(layer, sum(p.numel() for p in layer.parameters()))

x = torch.randn(2, 3)
image = torch.arange(16.0).view(1, 1, 4, 4)
print(nn.LayerNorm(3)(x), nn.BatchNorm1d(3)(x), nn.Unflatten(1, (1, 3))(x).shape, nn.GroupNorm(1, 3)(x))
print(nn.AvgPool2d(2)(image), nn.AdaptiveAvgPool2d(1)(image), nn.ZeroPad2d(1)(image).shape, nn.Upsample(scale_factor=2)(image).shape)
print(nn.Embedding(4, 2)(torch.tensor([[0, 3], [1, 1]])), nn.Bilinear(3, 3, 2)(x, x), nn.PReLU()(x), nn.Softplus()(x))
out, h = nn.RNN(3, 2)(torch.randn(4, 1, 3))
print(out, h)
out, (h, c) = nn.LSTM(3, 2)(torch.randn(4, 1, 3))
print(out, h, c)
out, h = nn.GRU(3, 2, batch_first=True)(torch.randn(2, 3, 3))
print(out, h.shape)
w = torch.empty(3, 5)
print(nn.init.trunc_normal_(w).clone(), nn.init.orthogonal_(torch.empty(2, 2)).abs().sum() > 0, nn.init.dirac_(torch.empty(1, 1, 3)))
