"""A translator of dates: "Thursday, 4th of March 1982" becomes "1982-03-04".

A GRU reads the letters in both directions, another writes the translation letter by letter, and before each letter it
chooses with additive attention (Bahdanau et al., 2015) where in the input to look. Nobody tells it where: the figure shows what it found.

    python -m torchish examples/seq2seq_attention.py         # on torchish
    python examples/seq2seq_attention.py                     # on PyTorch
"""

import argparse
import datetime
import random
import string

import matplotlib
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PAD, START = 0, 0  # the input's filling, and what the translator is told before its first letter
INPUT = ["", *string.ascii_lowercase, *string.digits, *" ,./-'"]
OUTPUT = ["", *string.digits, "-"]
MONTHS = "january february march april may june july august september october november december".split()
DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()


def ordinal(n):
    return f"{n}{'th' if n in (11, 12, 13) else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"


STYLES = [
    lambda d: f"{d.day} {MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{MONTHS[d.month - 1]} {ordinal(d.day)}, {d.year}",
    lambda d: f"{DAYS[d.weekday()]}, {ordinal(d.day)} of {MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{DAYS[d.weekday()][:3]} {d.day} {MONTHS[d.month - 1][:3]} {d.year}",
    lambda d: f"{d.day}.{d.month}.{d.year}",
    lambda d: f"{d.day:02}/{d.month:02}/{d.year % 100:02}",
    lambda d: f"{MONTHS[d.month - 1][:3]} {d.day} '{d.year % 100:02}",
]


LONGEST = len("wednesday, 30th of september 2049")


def encode(source):
    """The numbers of a date's letters, filled up to the length of the longest date."""
    return torch.tensor([INPUT.index(c) for c in source] + [PAD] * (LONGEST - len(source)))


class Dates(Dataset):
    """Pairs of a date in one of the styles, and the same date as ISO 8601 has it; of 1950 to 2049."""

    def __init__(self, count, seed):
        rng = random.Random(seed)
        first = datetime.date(1950, 1, 1).toordinal()
        last = datetime.date(2049, 12, 31).toordinal()
        dates = [datetime.date.fromordinal(rng.randint(first, last)) for _ in range(count)]
        self.pairs = [(rng.choice(STYLES)(date), date.isoformat()) for date in dates]

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, i):
        source, target = self.pairs[i]
        return encode(source), torch.tensor([OUTPUT.index(c) for c in target])


class Attention(nn.Module):
    """Weights over the places of the input, from how well each goes with the decoder's state."""

    def __init__(self, size):
        super().__init__()
        self.query = nn.Linear(size, size, bias=False)
        self.score = nn.Linear(size, 1, bias=False)

    def forward(self, state, memory, keys, filling):
        scores = self.score(torch.tanh(self.query(state).unsqueeze(1) + keys)).squeeze(2)
        weights = F.softmax(scores.masked_fill(filling, float("-inf")), dim=1)
        return torch.bmm(weights.unsqueeze(1), memory).squeeze(1), weights


class Translator(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.input_embedding = nn.Embedding(len(INPUT), 32, padding_idx=PAD)
        self.output_embedding = nn.Embedding(len(OUTPUT), 16)
        self.encoder = nn.GRU(32, size // 2, batch_first=True, bidirectional=True)
        self.keys = nn.Linear(size, size)
        self.attention = Attention(size)
        self.decoder = nn.GRUCell(16 + size, size)
        self.start = nn.Linear(size, size)
        self.write = nn.Linear(2 * size, len(OUTPUT))

    def forward(self, source, length, target=None):
        """Scores of each letter of the translation, batch x length x letters, and the weights of the attention.

        With a target, each letter is written as if those before it had been right; without, after the model's own.
        """
        memory, last = self.encoder(self.input_embedding(source))
        keys, filling = self.keys(memory), source == PAD
        state = torch.tanh(self.start(torch.cat((last[0], last[1]), 1)))
        letter = torch.full_like(source[:, 0], START)
        scores, maps = [], []
        for i in range(length):
            context, weights = self.attention(state, memory, keys, filling)
            state = self.decoder(torch.cat((self.output_embedding(letter), context), 1), state)
            scores.append(self.write(torch.cat((state, context), 1)))
            maps.append(weights)
            letter = scores[-1].argmax(1) if target is None else target[:, i]
        return torch.stack(scores, 1), torch.stack(maps, 1)


def train(model, loader, epochs, learning_rate):
    """Returns the loss of every step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=epochs * len(loader))
    losses = []
    with tqdm(total=epochs * len(loader), desc="training", unit="step") as progress:
        for epoch in range(1, epochs + 1):
            for source, target in loader:
                scores, _ = model(source, target.shape[1], target)
                loss = F.cross_entropy(scores.flatten(0, 1), target.flatten())
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                scheduler.step()
                losses.append(loss.item())
                progress.set_postfix(loss=f"{losses[-1]:.4f}", refresh=False)
                progress.update()
            tqdm.write(f"epoch {epoch:3d}  loss {sum(losses[-len(loader):]) / len(loader):.4f}")
    return losses


def translate(model, source):
    """Translations of the sources of a batch, as texts, and the weights of the attention."""
    with torch.no_grad():
        scores, weights = model(source, len("2000-01-01"))
    return ["".join(OUTPUT[i] for i in row) for row in scores.argmax(2).tolist()], weights


def draw(model, losses, test, path):
    """Where the model looked for each letter, for a date of each style; and the loss."""
    figure = plt.figure(figsize=(13.5, 6.5), layout="constrained")
    grid = figure.subplots(2, 4)
    style = dict(zip([4, 5, 6, 3, 0, 1, 2], grid.flat, strict=False))
    date = datetime.date.fromisoformat(max(iso for _, iso in test.pairs))
    for number, axes in style.items():
        source = STYLES[number](date)
        (said,), weights = translate(model, encode(source).unsqueeze(0))
        axes.imshow(weights[0, :, : len(source)], cmap="magma", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(source)), source, fontsize=9 if len(source) < 20 else 7, family="monospace")
        axes.set_yticks(range(len(said)), said, fontsize=9, family="monospace")
        axes.set_title(source if said == date.isoformat() else f"{source} (wrong)", fontsize=10)
    last = grid[-1, -1]
    last.semilogy(losses, linewidth=0.8)
    last.set(title="Training loss", xlabel="step")
    last.grid(alpha=0.3)
    figure.suptitle("Which letters of the input (across) it looks at to write each letter of the translation (down)")
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description="Translate dates with attention.")
    parser.add_argument("--examples", type=int, default=6400, help="how many dates to learn from")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--size", type=int, default=96, help="size of the hidden states")
    parser.add_argument("--lr", type=float, default=0.005)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="seq2seq_attention.png", help="where to write the figure")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    train_set, test_set = Dates(args.examples, seed=args.seed), Dates(500, seed=args.seed + 1)
    model = Translator(args.size)
    loader = DataLoader(train_set, batch_size=args.batch_size, shuffle=True, drop_last=True)
    losses = train(model, loader, args.epochs, args.lr)

    model.eval()
    said, _ = translate(model, torch.stack([source for source, _ in test_set]))
    for (text, _), translation in list(zip(test_set.pairs, said, strict=True))[:5]:
        print(f"{text:>34} -> {translation}")
    right = sum(translation == iso for (_, iso), translation in zip(test_set.pairs, said, strict=True))
    print(f"accuracy: {100 * right / len(test_set):.1f}%")

    draw(model, losses, test_set, args.out)
    print(f"figure: {args.out}")


if __name__ == "__main__":
    main()
