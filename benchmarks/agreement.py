"""How long training agrees with PyTorch: LeNet, an LSTM classifier and a Transformer encoder, dropout on, from one seed.

    python -m benchmarks.agreement [--steps 500] [--only lenet lstm transformer] [--double]

Both libraries run the same code with the same seed: initial values, data, batches and dropout masks are drawn by each
itself. Prints, for each network, the losses along the way, the greatest relative difference, and the first step where it passes 1 %.
With --double both train in float64 too, from the same draws: what then agrees, and how soon each library's float32 leaves its own
float64, tells rounding from differences of another kind.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

CLASSES = 4


def lenet(torch: Any) -> Any:
    """LeNet with dropout behind its dense layers; images (N, 1, 32, 32)."""
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Dropout(0.5), nn.Linear(120, 84), nn.ReLU(), nn.Dropout(0.2), nn.Linear(84, CLASSES),
    )  # fmt: skip


def lstm(torch: Any) -> Any:
    """Two LSTM layers with dropout between them; the last step is classified. Tokens (N, 12)."""
    nn = torch.nn

    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.lstm = nn.Embedding(20, 16), nn.LSTM(16, 32, 2, batch_first=True, dropout=0.3)
            self.dropout, self.head = nn.Dropout(0.2), nn.Linear(32, CLASSES)

        def forward(self, tokens: Any) -> Any:
            return self.head(self.dropout(self.lstm(self.embedding(tokens))[0][:, -1]))

    return Classifier()


def transformer(torch: Any) -> Any:
    """Two encoder layers with dropout; the mean over positions is classified. Tokens (N, 12)."""
    nn = torch.nn

    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.positions = nn.Embedding(20, 32), nn.Parameter(torch.randn(12, 32) * 0.1)
            layer = nn.TransformerEncoderLayer(32, 4, 64, 0.1, batch_first=True)
            self.encoder, self.head = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(32, CLASSES)

        def forward(self, tokens: Any) -> Any:
            return self.head(self.encoder(self.embedding(tokens) + self.positions).mean(1))

    return Classifier()


NETWORKS = {"lenet": lenet, "lstm": lstm, "transformer": transformer}


def dataset(torch: Any, name: str, n: int = 4096, dtype: str = "float32") -> Any:
    """(inputs, labels) with something to learn and something that cannot be, drawn by the library in float32, computed in `dtype`.

    Enough examples that none is seen often: of a network that learns its data by heart the loss goes to zero, and says nothing.
    """
    labels = torch.randint(CLASSES, (n,))
    if name == "lenet":
        precision = getattr(torch, dtype)
        patterns = torch.randn(CLASSES, 1, 32, 32).to(precision)
        inputs = patterns[labels] * 0.3 + torch.randn(n, 1, 32, 32).to(precision)
    else:
        tokens = torch.randint(20, (n, 12))
        inputs = torch.where(torch.rand(n, 12) < 0.3, labels[:, None], tokens)
    wrong = torch.rand(n) < 0.2  # labels that are noise keep the loss away from zero
    return inputs, torch.where(wrong, torch.randint(CLASSES, (n,)), labels)


class Run:
    """One library training one network: everything from one seed, batches from a shuffling loader."""

    def __init__(self, torch: Any, name: str, seed: int = 0, examples: int = 4096, dtype: str = "float32"):
        self.torch = torch
        torch.manual_seed(seed)
        self.model = NETWORKS[name](torch).to(getattr(torch, dtype))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        data = torch.utils.data.TensorDataset(*dataset(torch, name, examples, dtype))
        self.loader = torch.utils.data.DataLoader(data, batch_size=32, shuffle=True)

    def train(self, steps: int) -> list[float]:
        """The loss of each of the next steps."""
        losses: list[float] = []
        while True:
            for x, y in self.loader:
                if len(losses) == steps:
                    return losses
                self.optimizer.zero_grad()
                loss = self.torch.nn.functional.cross_entropy(self.model(x), y)
                loss.backward()
                self.optimizer.step()
                losses.append(loss.item())

    def state(self) -> dict:
        """What a checkpoint of this run holds."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "rng": self.torch.get_rng_state()}

    def resume(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.torch.set_rng_state(state["rng"])


def differences(ours: list[float], theirs: list[float]) -> np.ndarray:
    """Relative differences of losses, step by step."""
    a, b = np.array(ours), np.array(theirs)
    return np.abs(a - b) / np.abs(b)


def compared(ours: list[float], theirs: list[float]) -> str:
    """The greatest relative difference of two runs, and where it passes 1 %, in words."""
    d = differences(ours, theirs)
    over = np.flatnonzero(d > 0.01)
    parted = f"over 1 % from step {over[0] + 1}" if over.size else "never over 1 %"
    return f"greatest difference {d.max():.1e} (step {d.argmax() + 1}), {parted}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--double", action="store_true", help="train in float64 too")
    options = parser.parse_args()
    import torch

    import torchish

    shown = sorted({1, *range(100, options.steps + 1, 100), options.steps})
    for name in options.only:
        theirs, ours = (Run(library, name).train(options.steps) for library in (torch, torchish))
        print(f"{name}: {compared(ours, theirs)}")
        so_far = np.maximum.accumulate(differences(ours, theirs))
        for i in shown:
            print(f"  step {i:4d}  PyTorch {theirs[i - 1]:.6f}  torchish {ours[i - 1]:.6f}  greatest difference so far {so_far[i - 1]:.1e}")
        if options.double:
            exact, ours64 = (Run(library, name, dtype="float64").train(options.steps) for library in (torch, torchish))
            print(f"  torchish and PyTorch in float64: {compared(ours64, exact)}")
            print(f"  PyTorch's float32 and float64:   {compared(theirs, exact)}")
            print(f"  torchish's float32 and float64:  {compared(ours, ours64)}", flush=True)


if __name__ == "__main__":
    main()
