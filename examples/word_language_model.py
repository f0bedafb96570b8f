"""A language model, LSTM or Transformer, that learns a small English grammar from its sentences.

The sentences come from rules with known probabilities, so the best perplexity that any model can reach is known too. A verb
agrees with its noun, which may stand several words before it. Prints the perplexity on a text that was held out and
writes a figure with its course, and new sentences, in which verbs that do not agree are red.

    python -m torchish examples/word_language_model.py --model lstm            # on torchish
    python -m torchish examples/word_language_model.py --model transformer
    python examples/word_language_model.py                                     # on PyTorch
"""

import argparse
import math
import random

import matplotlib
import torch
import torch.nn as nn
import torch.nn.functional as F
from tqdm import tqdm

matplotlib.use("Agg")
import matplotlib.pyplot as plt

# A rule lists what may stand in its place, each as likely as its number says; words are in lower case. No two ways
# through the rules give the same sentence, so a sentence is as likely as the way that was taken.
RULES = {
    "SENTENCE": [(3, "ONE RUNS1 ."), (3, "MANY RUNSN ."), (1, "WHEN ONE RUNS1 , MANY RUNSN .")],
    "WHEN": [(2, "when"), (1, "because"), (1, "while")],
    "ONE": [(3, "THE NOUN1"), (2, "THE ADJECTIVE NOUN1"), (1, "THE NOUN1 that RUNS1"), (1, "THE NOUN1 that MANY SEESN")],
    "MANY": [(3, "SOME NOUNN"), (2, "SOME ADJECTIVE NOUNN"), (1, "SOME NOUNN that RUNSN"), (1, "SOME NOUNN that ONE SEES1")],
    "RUNS1": [(2, "SLEEPS1"), (1, "SLEEPS1 WHERE"), (2, "SEES1 MANY")],
    "RUNSN": [(2, "SLEEPSN"), (1, "SLEEPSN WHERE"), (2, "SEESN ONE")],
    "THE": [(4, "the"), (2, "a"), (1, "every")],
    "SOME": [(3, "some"), (2, "many"), (1, "two"), (1, "three")],
    "ADJECTIVE": [(3, "small"), (3, "old"), (2, "clever"), (1, "hungry"), (1, "grey"), (1, "quiet")],
    "NOUN1": [(4, "cat"), (3, "dog"), (2, "bird"), (2, "sailor"), (1, "fox"), (1, "child"), (1, "judge"), (1, "gardener")],
    "NOUNN": [(4, "cats"), (3, "dogs"), (2, "birds"), (2, "sailors"), (1, "foxes"), (1, "children"), (1, "judges"), (1, "gardeners")],
    "SLEEPS1": [(3, "sleeps"), (2, "sings"), (1, "waits"), (1, "laughs")],
    "SLEEPSN": [(3, "sleep"), (2, "sing"), (1, "wait"), (1, "laugh")],
    "SEES1": [(3, "sees"), (2, "follows"), (1, "likes"), (1, "teaches")],
    "SEESN": [(3, "see"), (2, "follow"), (1, "like"), (1, "teach")],
    "WHERE": [(2, "here"), (1, "in the garden"), (1, "under the old tree"), (1, "at night")],
}  # fmt: skip
VOCABULARY = sorted({w for rule in RULES.values() for _, words in rule for w in words.split() if w not in RULES})
SINGULAR = {w for name in ("SLEEPS1", "SEES1") for _, w in RULES[name]}
PLURAL = {w for name in ("SLEEPSN", "SEESN") for _, w in RULES[name]}


def speak(rng, symbol="SENTENCE"):
    """A sentence of the grammar as a list of words, and its log-probability."""
    if symbol not in RULES:
        return [symbol], 0.0
    weights = [weight for weight, _ in RULES[symbol]]
    choice = rng.choices(range(len(weights)), weights)[0]
    words, log_probability = [], math.log(weights[choice] / sum(weights))
    for part in RULES[symbol][choice][1].split():
        more, also = speak(rng, part)
        words += more
        log_probability += also
    return words, log_probability


def write(count, seed):
    """A text of at least `count` words as numbers, and the perplexity of the grammar itself on it."""
    rng = random.Random(seed)
    words, log_probability = [], 0.0
    while len(words) < count:
        sentence, more = speak(rng)
        words += sentence
        log_probability += more
    return torch.tensor([VOCABULARY.index(w) for w in words]), math.exp(-log_probability / len(words))


def agrees(words):
    """For each word of a sentence, False if it is a verb that does not agree with its noun."""
    one = {w for _, w in RULES["NOUN1"]}
    many = {w for _, w in RULES["NOUNN"]}
    transitive = {w for name in ("SEES1", "SEESN") for _, w in RULES[name]}
    waiting = []  # the nouns whose verbs are still to come: is each one, or many?
    before = noun = None  # what a noun would stand behind, and the last noun
    fine = []
    for word in words:
        good = True
        if word in one | many:
            noun = word in one
            if before == "that":
                waiting.pop()  # "the dog that some cats see": the clause is about the cats
            if before != "transitive":
                waiting.append(noun)
            before = None
        elif word == "that" and noun is not None:
            waiting.append(noun)
            before = "that"
        elif word in SINGULAR | PLURAL:
            good = bool(waiting) and waiting.pop() == (word in SINGULAR)
            before = "transitive" if word in transitive else None
        fine.append(good)
    return fine


class LSTMModel(nn.Module):
    def __init__(self, words, size, layers, dropout):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.embedding = nn.Embedding(words, size)
        self.lstm = nn.LSTM(size, size, layers, dropout=dropout)
        self.decoder = nn.Linear(size, words)
        self.decoder.weight = self.embedding.weight  # the same vectors for words read and words written
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, words, state=None):
        output, state = self.lstm(self.drop(self.embedding(words)), state)
        return self.decoder(self.drop(output)), tuple(s.detach() for s in state)


class PositionalEncoding(nn.Module):
    """Adds sines and cosines of many wavelengths to tell the places apart (Vaswani et al., 2017)."""

    def __init__(self, size, dropout, longest=512):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        place = torch.arange(longest).unsqueeze(1)
        frequency = torch.exp(torch.arange(0, size, 2) * (-math.log(10000.0) / size))
        encoding = torch.zeros(longest, 1, size)
        encoding[:, 0, 0::2] = torch.sin(place * frequency)
        encoding[:, 0, 1::2] = torch.cos(place * frequency)
        self.register_buffer("encoding", encoding)

    def forward(self, x):
        return self.dropout(x + self.encoding[: x.size(0)])


class TransformerModel(nn.Module):
    def __init__(self, words, size, layers, dropout, heads=4):
        super().__init__()
        self.size = size
        self.embedding = nn.Embedding(words, size)
        self.position = PositionalEncoding(size, dropout)
        layer = nn.TransformerEncoderLayer(size, heads, 2 * size, dropout)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.decoder = nn.Linear(size, words)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)

    def forward(self, words, state=None):
        """A Transformer has no state but the words themselves."""
        mask = nn.Transformer.generate_square_subsequent_mask(len(words))
        x = self.position(self.embedding(words) * math.sqrt(self.size))
        return self.decoder(self.encoder(x, mask=mask, is_causal=True)), None


def batchify(text, columns):
    """The text as columns that are read side by side, length x columns."""
    length = len(text) // columns
    return text[: length * columns].view(columns, length).t().contiguous()


def windows(text, length):
    """Windows of the columns, each with the words that follow. All are of one length: an odd end is left out."""
    for start in range(0, len(text) - length, length):
        yield text[start : start + length], text[start + 1 : start + length + 1]


def evaluate(model, text, length):
    """The perplexity on a text."""
    model.eval()
    losses, state = [], None
    with torch.no_grad():
        for words, following in windows(text, length):
            scores, state = model(words, state)
            losses.append(F.cross_entropy(scores.flatten(0, 1), following.flatten()).item())
    return math.exp(sum(losses) / len(losses))


def train(model, text, held_out, args):
    """Returns the perplexities, on this text and on one held out, of every epoch."""
    steps = len(list(windows(text, args.window)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total_steps=args.epochs * steps)
    course = []
    with tqdm(total=args.epochs * steps, desc="training", unit="step") as progress:
        for epoch in range(1, args.epochs + 1):
            model.train()
            total, state = 0.0, None
            for words, following in windows(text, args.window):
                optimizer.zero_grad()
                scores, state = model(words, state)
                loss = F.cross_entropy(scores.flatten(0, 1), following.flatten())
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 0.5)
                optimizer.step()
                scheduler.step()
                total += loss.item()
                progress.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
                progress.update()
            course.append((math.exp(total / steps), evaluate(model, held_out, args.window)))
            tqdm.write("epoch {:3d}  perplexity {:.3f}  held out {:.3f}".format(epoch, *course[-1]))
    return course


def sample(model, count, window):
    """New sentences, drawn word by word."""
    model.eval()
    stop = VOCABULARY.index(".")
    text = [stop]
    sentences = 0
    with torch.no_grad():
        while sentences < count and len(text) < 30 * count:
            # The same number of words each time: what stands before the last `window` is forgotten.
            words = torch.tensor([stop] * (window - len(text)) + text[-window:]).unsqueeze(1)
            scores, _ = model(words)
            text.append(torch.multinomial(F.softmax(scores[-1, 0], 0), 1).item())
            sentences += text[-1] == stop
    sentence, said = [], []
    for number in text[1:]:
        sentence.append(VOCABULARY[number])
        if number == stop:
            said.append(sentence)
            sentence = []
    return said


def draw(course, floor, sentences, name, path):
    """The course of the perplexity, and the sentences."""
    figure, (curve, page) = plt.subplots(1, 2, figsize=(13, 5), width_ratios=(1, 1.7), layout="constrained")
    epochs = range(1, len(course) + 1)
    for label, values in zip(("training (with dropout)", "held out"), zip(*course, strict=True), strict=True):
        curve.plot(epochs, values, marker=".", label=label)
    curve.axhline(floor, color="black", linestyle="--", linewidth=1, label=f"the grammar itself: {floor:.2f}")
    curve.set(xlabel="epoch", ylabel="perplexity", title=f"Perplexity of the {name}", yscale="log")
    curve.yaxis.set_major_formatter("{x:g}")
    curve.yaxis.set_minor_formatter("{x:g}")
    curve.grid(alpha=0.3, which="both")
    curve.legend()

    page.set(xlim=(0, 100), ylim=(len(sentences) + 0.5, -0.5), title="New sentences; a verb that does not agree is red")
    page.set_axis_off()
    for row, words in enumerate(sentences):
        column = 1
        for word, good in zip(words, agrees(words), strict=True):
            column -= word in (".", ",")
            if column + 1.15 * len(word) > 96:
                word = "…"  # too long for the page
            color = "black" if good else "red"
            page.text(column, row + 0.5, word, family="monospace", fontsize=9.5, va="center", color=color, in_layout=False)
            column += 1.15 * len(word) + 1.15
            if word == "…":
                break
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description="Learn a small grammar from its sentences.")
    parser.add_argument("--model", choices=("lstm", "transformer"), default="lstm")
    parser.add_argument("--words", type=int, default=60000, help="length of the text to learn from")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--window", type=int, default=32, help="how many words are read at a time")
    parser.add_argument("--size", type=int, default=96, help="size of the vectors of words")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--lr", type=float, default=0.005)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="word_language_model.png", help="where to write the figure")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    text, _ = write(args.words, args.seed)
    held_out, floor = write(max(5000, args.words // 6), args.seed + 1)
    print(f"{len(text)} words to learn from, {len(held_out)} held out, {len(VOCABULARY)} different ones")
    kind = {"lstm": LSTMModel, "transformer": TransformerModel}[args.model]
    model = kind(len(VOCABULARY), args.size, args.layers, args.dropout)
    print(f"{sum(p.numel() for p in model.parameters())} parameters")
    course = train(model, batchify(text, args.batch_size), batchify(held_out, args.batch_size), args)

    sentences = sample(model, 14, args.window)
    for words in sentences[:5]:
        print(" ".join(words))
    verbs = [good for words in sentences for word, good in zip(words, agrees(words), strict=True) if word in SINGULAR | PLURAL]
    print(f"{sum(verbs)} of {len(verbs)} verbs agree with their nouns")
    print(f"perplexity: {course[-1][1]:.3f} (the grammar itself: {floor:.3f})")

    draw(course, floor, sentences, args.model, args.out)
    print(f"figure: {args.out}")


if __name__ == "__main__":
    main()
