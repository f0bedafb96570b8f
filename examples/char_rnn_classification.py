"""A recurrent network reads a surname letter by letter and says which language it comes from.

The network is written out of linear layers, and learns from one surname at a time, each as long as it is. A fifth of the
surnames are held out. Writes a figure with the confusion matrix of those, the loss, and how likely each language seemed.

    python -m torchish examples/char_rnn_classification.py         # on torchish
    python examples/char_rnn_classification.py                     # on PyTorch
"""

import argparse
import random
import string

import matplotlib
import torch
import torch.nn as nn
import torch.nn.functional as F
from tqdm import tqdm

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SURNAMES = {
    "Italian": """Abruzzi Amadori Bellini Benedetti Bianchi Bonetti Bruni Calabrese Caputo Castelli Cattaneo Colombo D'Amico
        De Luca Esposito Fabbri Ferrari Fontana Gallo Gentile Giordano Greco Guerra Leone Lombardi Mancini Marchetti Martinelli
        Mazza Moretti Negri Orlando Palumbo Pellegrini Ricci Rinaldi Rossi Russo Santoro Serra Silvestri Testa Valentini
        Villa Vitale""",
    "Japanese": """Abe Arai Endo Fujimoto Fujita Goto Hara Harada Hasegawa Hayashi Hirano Ikeda Inoue Ishii Ishikawa Ito
        Kaneko Kato Kimura Kobayashi Kondo Kudo Maeda Matsuda Matsumoto Mori Murakami Nakajima Nakamura Nishimura Ogawa Okada
        Ono Saito Sakai Sasaki Shimizu Suzuki Takagi Takahashi Tamura Tanaka Ueda Wada Watanabe Yamamoto Yoshida""",
    "Polish": """Adamczyk Baran Borkowski Chmielewski Czarnecki Dudek Dziedzic Gajewski Glowacki Grabowski Jablonski
        Jankowski Jaworski Kaczmarek Kalinowski Kaminski Kowalczyk Kowalski Kozlowski Krawczyk Kubiak Kucharski Lewandowski
        Maciejewski Majewski Malinowski Mazurek Michalak Nowakowski Olszewski Ostrowski Pawlak Pawlowski Piotrowski
        Przybylski Sikorski Sobczak Szczepanski Szymanski Tomaszewski Walczak Wieczorek Wisniewski Wojciechowski Zawadzki
        Zielinski""",
    "Greek": """Alexiou Anagnostou Angelopoulos Antoniou Athanasiou Christodoulou Christou Dimitriou Dimopoulos Economou
        Fotopoulos Galanis Georgiou Hatzis Ioannidis Kalogeropoulos Karagiannis Karamanlis Katsaros Konstantinidis Kyriakou
        Lambropoulos Makris Manolas Michailidis Mitropoulos Nikolaidis Pagonis Panagopoulos Papadakis Papadopoulos
        Papageorgiou Papanikolaou Pappas Paraskevas Petridis Samaras Sideris Spanos Stavrou Theodorou Tsakalos Vasilakis
        Vlachos Xenakis Zervas""",
    "Dutch": """Bakker Boersma Bosman Brouwer De Boer De Groot De Haan De Vries Dekker Dijkstra Groeneveld Haanstra
        Hendriks Hoekstra Huisman Jansen Kok Koster Kramer Kuiper Maas Mulder Peeters Postma Prins Rietveld Schouten
        Smit Terpstra Timmermans Van Beek Van Dam Van Dijk Van Leeuwen Van Vliet Van der Meer Van den Berg Veenstra
        Verbeek Verhoeven Vermeulen Visser Vos Willems Zijlstra""",
    "Irish": """Brady Brennan Byrne Callaghan Carroll Cassidy Connolly Corcoran Daly Delaney Doherty Donnelly Doyle Duffy
        Fitzgerald Fitzpatrick Flanagan Flynn Gallagher Geraghty Healy Hennessy Hogan Kavanagh Keane Kearney Kelly Kennedy
        Maguire McCarthy McDermott McGrath McLoughlin Moloney Mulligan Murphy Nolan O'Brien O'Connell O'Donoghue O'Neill
        O'Sullivan Quinn Rafferty Sheehan Sweeney""",
}
PARTICLES = {"De", "Van", "der", "den"}
LETTERS = string.ascii_letters + " '"


def surnames_of(text):
    """The surnames in a text: "De Luca" and "Van der Meer" are one each."""
    surnames, particles = [], []
    for word in text.split():
        particles.append(word)
        if word not in PARTICLES:
            surnames.append(" ".join(particles))
            particles = []
    return surnames


def split_data(seed, longest):
    """Pairs (language, surname) to learn from and to test on: of every language one in five is for the test."""
    rng = random.Random(seed)
    train, test = [], []
    for language, text in SURNAMES.items():
        pairs = [(language, surname) for surname in surnames_of(text) if len(surname) <= longest]
        rng.shuffle(pairs)
        held_out = len(pairs) // 5
        test += pairs[:held_out]
        train += pairs[held_out:]
    return train, test


def one_hot(surname):
    """A surname as letters x 1 x alphabet, each letter a one among zeros."""
    tensor = torch.zeros(len(surname), 1, len(LETTERS))
    for i, letter in enumerate(surname):
        tensor[i][0][LETTERS.index(letter)] = 1
    return tensor


class RNN(nn.Module):
    """A recurrent network of two linear layers. It takes one letter and the hidden state, and returns the state after it."""

    def __init__(self, input_size, hidden_size, output_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size + hidden_size, hidden_size)
        self.h2o = nn.Linear(hidden_size, output_size)

    def forward(self, letter, hidden):
        hidden = torch.tanh(self.i2h(torch.cat((letter, hidden), 1)))
        return F.log_softmax(self.h2o(hidden), dim=1), hidden

    def init_hidden(self):
        return torch.zeros(1, self.hidden_size)


def read(rnn, surname):
    """The log-probabilities of the languages after the last letter of a surname, 1 x languages."""
    hidden = rnn.init_hidden()
    for letter in one_hot(surname):
        output, hidden = rnn(letter, hidden)
    return output


def train(rnn, pairs, languages, epochs, learning_rate):
    """Updates the network after every surname. Returns the mean loss of every epoch."""
    criterion = nn.NLLLoss()
    optimizer = torch.optim.SGD(rnn.parameters(), lr=learning_rate)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    losses = []
    with tqdm(total=epochs * len(pairs), desc="training", unit="word") as progress:
        for epoch in range(1, epochs + 1):
            total = 0.0
            for i in torch.randperm(len(pairs)).tolist():
                language, surname = pairs[i]
                target = torch.tensor([languages.index(language)])
                optimizer.zero_grad()
                loss = criterion(read(rnn, surname), target)
                loss.backward()
                nn.utils.clip_grad_norm_(rnn.parameters(), 1.0)
                optimizer.step()
                total += loss.item()
                progress.update()
            scheduler.step()
            losses.append(total / len(pairs))
            progress.set_postfix(loss=f"{losses[-1]:.3f}")
            tqdm.write(f"epoch {epoch:3d}  loss {losses[-1]:.4f}")
    return losses


def probabilities(rnn, surname):
    """The probabilities of the languages of a surname."""
    with torch.no_grad():
        return read(rnn, surname)[0].exp()


def draw(losses, judged, languages, path):
    """The confusion matrix, the loss, and the probabilities of some surnames. `judged`: (language, surname, probabilities)."""
    counts = torch.zeros(len(languages), len(languages))
    for language, _, seems in judged:
        counts[languages.index(language), seems.argmax()] += 1
    shares = counts / counts.sum(1, keepdim=True)

    figure = plt.figure(figsize=(13, 6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.2))
    matrix, curve = left.subplots(2, 1, height_ratios=(2.4, 1))
    matrix.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    matrix.set_xticks(range(len(languages)), languages, rotation=30)
    matrix.set_yticks(range(len(languages)), languages)
    matrix.set(xlabel="taken for", ylabel="is", title=f"{len(judged)} surnames that it has not seen")
    for i, row in enumerate(counts.int().tolist()):
        for j, count in enumerate(row):
            if count:
                matrix.text(j, i, count, ha="center", va="center", color="white" if shares[i, j] > 0.5 else "black")
    curve.plot(range(1, len(losses) + 1), losses)
    curve.set(xlabel="epoch", ylabel="loss", xlim=(1, max(2, len(losses))), ylim=(0, None))
    curve.grid(alpha=0.3)

    right.suptitle("How likely each language seems, for the surnames that it got wrong (red) and others")
    wrong = [j for j in judged if languages[j[2].argmax()] != j[0]]
    fine = [j for j in judged if languages[j[2].argmax()] == j[0]]
    shown = (wrong + fine[:: max(1, len(fine) // 24)])[:32]
    for axes, part in zip(right.subplots(1, 2), (shown[::2], shown[1::2]), strict=True):
        axes.imshow(torch.stack([seems for _, _, seems in part]), cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(languages)), languages, rotation=30)
        axes.set_yticks(range(len(part)), [surname for _, surname, _ in part])
        for row, (label, (language, _, seems)) in enumerate(zip(axes.get_yticklabels(), part, strict=True)):
            label.set_color("black" if languages[seems.argmax()] == language else "red")
            axes.plot(languages.index(language), row, "o", markersize=5, markerfacecolor="white", markeredgecolor="black")
        axes.set_title("o: what it is", fontsize=9)
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description="Tell the language of a surname, letter by letter.")
    parser.add_argument("--epochs", type=int, default=15, help="times that every surname is read")
    parser.add_argument("--hidden", type=int, default=64, help="size of the hidden state")
    parser.add_argument("--longest", type=int, default=30, help="leave out surnames of more letters than this")
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="char_rnn_classification.png", help="where to write the figure")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    languages = list(SURNAMES)
    train_pairs, test_pairs = split_data(args.seed, args.longest)
    print(f"{len(train_pairs)} surnames to learn from, {len(test_pairs)} to test on")

    rnn = RNN(len(LETTERS), args.hidden, len(languages))
    losses = train(rnn, train_pairs, languages, args.epochs, args.lr)

    judged = [(language, surname, probabilities(rnn, surname)) for language, surname in test_pairs]
    right = 0
    for language, surname, seems in judged:
        said = languages[seems.argmax()]
        right += said == language
        if said != language:
            print(f"{surname} is {language}, taken for {said}")
    print(f"accuracy: {100 * right / len(judged):.1f}%")

    draw(losses, judged, languages, args.out)
    print(f"figure: {args.out}")


if __name__ == "__main__":
    main()
