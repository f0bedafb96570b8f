"""Two LSTM cells learn to continue waves, with L-BFGS.

The network sees a wave value by value and says what comes next; then it goes on from its own guesses. All the training waves
are one batch, and each step of L-BFGS calls the closure as often as its line search asks for. Writes a figure with the continuations of
waves that were held out, and the loss of each evaluation.

    python -m torchish examples/time_series_lbfgs.py         # on torchish
    python examples/time_series_lbfgs.py                     # on PyTorch
"""

import argparse
import math

import matplotlib
import torch
import torch.nn as nn
from tqdm import tqdm

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SURE = 4  # so many guesses do not count: what has been heard by then may be several waves


def make_waves(count, length):
    """Waves of a period of 22 to 28 values, and any phase, count x length."""
    period = 22 + 6 * torch.rand(count, 1, dtype=torch.float64)
    phase = 2 * math.pi * torch.rand(count, 1, dtype=torch.float64)
    return torch.sin(2 * math.pi * torch.arange(length) / period + phase)


class Continuer(nn.Module):
    def __init__(self, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.lower = nn.LSTMCell(1, hidden_size)
        self.upper = nn.LSTMCell(hidden_size, hidden_size)
        self.linear = nn.Linear(hidden_size, 1)

    def forward(self, waves, future=0):
        """What comes after each value, and then `future` more from the network's own guesses, count x (length + future)."""
        lower = upper = None
        guesses = []
        for value in waves.split(1, dim=1):
            lower = self.lower(value, lower)
            upper = self.upper(lower[0], upper)
            guesses.append(self.linear(upper[0]))
        for _ in range(future):
            lower = self.lower(guesses[-1], lower)
            upper = self.upper(lower[0], upper)
            guesses.append(self.linear(upper[0]))
        return torch.cat(guesses, dim=1)


def train(model, waves, steps, learning_rate):
    """Returns the loss of every evaluation, and the number of evaluations before each step."""
    criterion = nn.MSELoss()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=learning_rate, max_iter=10, line_search_fn="strong_wolfe")
    losses, before = [], []
    with tqdm(total=steps, desc="training", unit="step") as progress:

        def closure():
            optimizer.zero_grad()
            loss = criterion(model(waves[:, :-1])[:, SURE:], waves[:, 1 + SURE :])
            loss.backward()
            losses.append(loss.item())
            progress.set_postfix(loss=f"{losses[-1]:.6f}")
            return loss

        for step in range(1, steps + 1):
            before.append(len(losses))
            loss = optimizer.step(closure)
            progress.update()
            tqdm.write(f"step {step:2d}  loss {loss.item():.8f}")
    return losses, before


def draw(losses, before, truth, guessed, seen, path):
    """The held-out waves with what the network made of them, and the losses."""
    shown = min(4, len(truth))
    figure, axes = plt.subplots(shown + 1, 1, figsize=(11, 2 * (shown + 1)), height_ratios=[1] * shown + [1.3], layout="constrained")
    for i in range(shown):
        color = f"C{i}"
        axes[i].plot(truth[i], color="0.75", linewidth=4, label="the wave")
        axes[i].plot(range(1, seen), guessed[i, : seen - 1], color=color, linewidth=1.2, label="guesses of the next value")
        axes[i].plot(range(seen, len(truth[i])), guessed[i, seen - 1 :], ":", color=color, linewidth=2.5, label="continued alone")
        axes[i].axvline(seen - 0.5, color="black", linewidth=1)
        axes[i].set(xlim=(0, len(truth[i]) - 1), ylim=(-1.15, 1.15))
        axes[i].legend(loc="lower left", ncols=3, fontsize=8, framealpha=0.9)
    axes[0].set_title("Waves that it has not seen; right of the line it hears only itself")
    axes[-1].semilogy(losses)
    axes[-1].plot(before, [losses[i] for i in before], "k.", label="a step begins")
    axes[-1].set(xlabel="evaluation of the closure", ylabel="mean squared error")
    axes[-1].grid(alpha=0.3)
    axes[-1].legend()
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description="Learn to continue waves, with L-BFGS.")
    parser.add_argument("--waves", type=int, default=60, help="how many waves to learn from")
    parser.add_argument("--length", type=int, default=80, help="how many values of each are seen")
    parser.add_argument("--future", type=int, default=80, help="how many values to continue them by")
    parser.add_argument("--steps", type=int, default=15, help="steps of L-BFGS, of up to 10 iterations")
    parser.add_argument("--hidden", type=int, default=32, help="size of the states of the cells")
    parser.add_argument("--lr", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="time_series_lbfgs.png", help="where to write the figure")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    waves = make_waves(args.waves, args.length)
    held_out = make_waves(8, args.length + args.future)
    model = Continuer(args.hidden).double()
    losses, before = train(model, waves, args.steps, args.lr)

    with torch.no_grad():
        guessed = model(held_out[:, : args.length], args.future - 1)
    errors = (guessed - held_out[:, 1:]) ** 2
    print(f"next value, error: {errors[:, SURE : args.length - 1].mean().item():.6f}")
    print(f"continued, error: {errors[:, args.length - 1 :].mean().item():.6f}")
    print(f"loss: {losses[-1]:.6f}")

    draw(losses, before, held_out, guessed, args.length, args.out)
    print(f"figure: {args.out}")


if __name__ == "__main__":
    main()
