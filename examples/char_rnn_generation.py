"""A recurrent network makes up words: dinosaurs, minerals, English villages, islands of the Pacific.

At every letter a GRU is told the kind of word and the letter before, and says how likely each letter is to be next; words
are then drawn letter by letter. Learns from one word at a time. Writes a figure with the loss and a table of new words.

    python -m torchish examples/char_rnn_generation.py         # on torchish
    python examples/char_rnn_generation.py                     # on PyTorch
"""

import argparse
import string

import matplotlib
import torch
import torch.nn as nn
import torch.nn.functional as F
from tqdm import tqdm

matplotlib.use("Agg")
import matplotlib.pyplot as plt

WORDS = {
    "dinosaur": """allosaurus ankylosaurus apatosaurus baryonyx brachiosaurus carnotaurus ceratosaurus coelophysis
        compsognathus corythosaurus deinonychus dilophosaurus diplodocus edmontosaurus euoplocephalus gallimimus
        giganotosaurus hadrosaurus herrerasaurus heterodontosaurus hypsilophodon iguanodon kentrosaurus lambeosaurus
        maiasaura megalosaurus microraptor ornithomimus oviraptor pachycephalosaurus parasaurolophus pentaceratops
        plateosaurus protoceratops psittacosaurus spinosaurus stegosaurus styracosaurus suchomimus tarbosaurus
        therizinosaurus torosaurus triceratops troodon tyrannosaurus utahraptor velociraptor""",
    "mineral": """anatase andalusite anhydrite apatite aragonite augite azurite barite biotite calcite cassiterite celestite
        chalcopyrite chlorite chromite cinnabar corundum cryolite cuprite diopside dolomite epidote fluorite galena garnet
        glauconite goethite graphite gypsum halite hematite hornblende ilmenite jadeite kaolinite kyanite lazurite
        magnetite malachite marcasite microcline molybdenite muscovite olivine orthoclase pyrite quartz rhodonite rutile
        serpentine siderite sillimanite sphalerite staurolite talc topaz tourmaline wolframite zircon""",
    "village": """abbotsham alderbury appledore ashwell aldbourne barrington bibury blakeney bradfield brockenhurst broughton
        burnham castleton charlbury chiddingfold chilham clovelly corfe cranbrook dedham dunsford elmdon finchingfield
        fordwich grassington hambledon hartington hawkshead hemingford hinton kersey lacock lavenham longparish malham
        minster lambourn nettlecombe northleach painswick ripley rodmell selworthy shalford shere stanton thaxted
        tissington turville uffington walberswick welford wherwell winchelsea woolsthorpe""",
    "island": """aitutaki anuta apia atafu atiu efate fakaofo fatuhiva funafuti futuna hawaii huahine kauai kiritimati
        kosrae lanai lifou majuro makatea malaita manihiki manono maupiti mangaia mangareva mauke maui molokai moorea
        nanumea nauru niihau niue nukufetau nukunonu nukulaelae oahu ofu olosega ouvea palau pohnpei rakahanga raiatea
        rapanui rarotonga rotuma savaii tabuaeran tahaa tahiti tahuata takutea tanna tarawa tikopia tongatapu tutuila
        upolu vaitupu vavau yap""",
}
# A word is told to the network between two marks.
ALPHABET = "." + string.ascii_lowercase
MARK = 0


def encode(word):
    """The numbers of a word's letters, between marks."""
    return torch.tensor([ALPHABET.index(letter) for letter in f".{word}."])


class Generator(nn.Module):
    def __init__(self, kinds, hidden_size):
        super().__init__()
        self.kinds = kinds
        self.gru = nn.GRU(kinds + len(ALPHABET), hidden_size)
        self.dropout = nn.Dropout(0.1)
        self.linear = nn.Linear(hidden_size, len(ALPHABET))

    def forward(self, kind, letters, hidden=None):
        """Scores of the next letter after each of `letters`, letters x alphabet, and the hidden state."""
        kinds = F.one_hot(torch.tensor(kind), self.kinds).expand(len(letters), -1)
        inputs = torch.cat((kinds, F.one_hot(letters, len(ALPHABET))), 1).float()
        output, hidden = self.gru(inputs, hidden)
        return self.linear(self.dropout(output)), hidden


def train(model, examples, epochs, learning_rate):
    """Updates the model after every word. Returns the loss per letter of every epoch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    losses = []
    with tqdm(total=epochs * len(examples), desc="training", unit="word") as progress:
        for epoch in range(1, epochs + 1):
            total = letters = 0
            for i in torch.randperm(len(examples)).tolist():
                kind, word = examples[i]
                line = encode(word)
                scores, _ = model(kind, line[:-1])
                loss = F.cross_entropy(scores, line[1:])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item() * (len(line) - 1)
                letters += len(line) - 1
                progress.update()
            losses.append(total / letters)
            progress.set_postfix(loss=f"{losses[-1]:.3f}")
            tqdm.write(f"epoch {epoch:3d}  loss per letter {losses[-1]:.4f}")
    return losses


def make_up(model, kind, temperature, longest=20):
    """Draw a word of a kind, letter by letter. A low temperature makes likely letters likelier still."""
    word, letter, hidden = "", MARK, None
    while len(word) < longest:
        scores, hidden = model(kind, torch.tensor([letter]), hidden)
        letter = torch.multinomial(torch.softmax(scores[0] / temperature, 0), 1).item()
        if letter == MARK:
            break
        word += ALPHABET[letter]
    return word


def draw(losses, made_up, path):
    """The loss, and the words that were made up; the ones that are in the data are grey."""
    known = {word for text in WORDS.values() for word in text.split()}
    figure, (curve, table) = plt.subplots(1, 2, figsize=(12, 5), width_ratios=(1, 1.5), layout="constrained")
    curve.plot(range(1, len(losses) + 1), losses)
    curve.set(xlabel="epoch", ylabel="loss per letter (nats)", title="Training loss", xlim=(1, max(2, len(losses))))
    curve.grid(alpha=0.3)
    table.set(xlim=(0, len(made_up)), ylim=(len(next(iter(made_up.values()))), -1.2), title="Words made up (grey: in the data)")
    table.set_axis_off()
    for column, (kind, words) in enumerate(made_up.items()):
        table.text(column + 0.05, -0.6, kind, fontsize=13, fontweight="bold", color=f"C{column}", va="center")
        for row, word in enumerate(words):
            table.text(column + 0.05, row + 0.4, word, fontsize=10.5, va="center", color="0.6" if word in known else "black")
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description="Learn to make up words of several kinds.")
    parser.add_argument("--epochs", type=int, default=14, help="times that every word is read")
    parser.add_argument("--hidden", type=int, default=96, help="size of the hidden state")
    parser.add_argument("--longest", type=int, default=30, help="leave out words of more letters than this")
    parser.add_argument("--lr", type=float, default=0.003)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--words", type=int, default=16, help="how many words of each kind to make up")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="char_rnn_generation.png", help="where to write the figure")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    examples = [(kind, word) for kind, text in enumerate(WORDS.values()) for word in text.split() if len(word) <= args.longest]
    print(f"{len(examples)} words")
    model = Generator(len(WORDS), args.hidden)
    losses = train(model, examples, args.epochs, args.lr)

    model.eval()
    with torch.no_grad():
        made_up = {
            name: [make_up(model, kind, args.temperature) for _ in range(args.words)] for kind, name in enumerate(WORDS)
        }
    for name, words in made_up.items():
        print(f"{name}: {', '.join(words[:6])}")
    print(f"loss per letter: {losses[-1]:.3f}")

    draw(losses, made_up, args.out)
    print(f"figure: {args.out}")


if __name__ == "__main__":
    main()
