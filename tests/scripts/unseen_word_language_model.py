"""A word language model over a small text: LSTM with tied weights, truncated backpropagation, clipping, annealing, sampling."""

import math

import torch
import torch.nn as nn

torch.manual_seed(1111)
text = (
    "the quick brown fox jumps over the lazy dog . the dog sleeps and the fox runs away over the hill . "
    "a bird sings on the hill and the quick dog wakes . the fox and the bird run and sing over the brown hill . "
) * 6
words = text.split() + ["<eos>"]
idx2word = sorted(set(words))
word2idx = {w: i for i, w in enumerate(idx2word)}
corpus = torch.tensor([word2idx[w] for w in words]).type(torch.int64)


def batchify(data, bsz):
    nbatch = data.size(0) // bsz
    data = data.narrow(0, 0, nbatch * bsz)
    return data.view(bsz, -1).t().contiguous()


class RNNModel(nn.Module):
    def __init__(self, ntoken, ninp, nhid, nlayers, dropout=0.2, tie_weights=True):
        super().__init__()
        self.ntoken, self.nhid, self.nlayers = ntoken, nhid, nlayers
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(ntoken, ninp)
        self.rnn = nn.LSTM(ninp, nhid, nlayers, dropout=dropout)
        self.decoder = nn.Linear(nhid, ntoken)
        if tie_weights:
            self.decoder.weight = self.encoder.weight
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, input, hidden):
        emb = self.drop(self.encoder(input))
        output, hidden = self.rnn(emb, hidden)
        decoded = self.decoder(self.drop(output)).view(-1, self.ntoken)
        return nn.functional.log_softmax(decoded, dim=1), hidden

    def init_hidden(self, bsz):
        weight = next(self.parameters())
        return weight.new_zeros(self.nlayers, bsz, self.nhid), weight.new_zeros(self.nlayers, bsz, self.nhid)


def repackage_hidden(h):
    return h.detach() if isinstance(h, torch.Tensor) else tuple(repackage_hidden(v) for v in h)


bptt, lr = 8, 2.0
train_data = batchify(corpus, 4)
model = RNNModel(len(idx2word), 32, 32, 2)
print(model)
print(sum(p.numel() for p in model.parameters()), train_data.shape)
criterion = nn.NLLLoss()
for epoch in range(1, 4):
    model.train()
    total, hidden = 0.0, model.init_hidden(4)
    for batch, i in enumerate(range(0, train_data.size(0) - 1, bptt)):
        seq_len = min(bptt, len(train_data) - 1 - i)
        data, targets = train_data[i : i + seq_len], train_data[i + 1 : i + 1 + seq_len].view(-1)
        model.zero_grad()
        hidden = repackage_hidden(hidden)
        output, hidden = model(data, hidden)
        loss = criterion(output, targets)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        for p in model.parameters():
            p.data.add_(p.grad, alpha=-lr)
        total += loss.item()
        if batch % 3 == 2:
            print(f"| epoch {epoch} | {batch} batches | loss {total / 3:5.3f} | ppl {math.exp(total / 3):8.3f} | norm {norm:.3f}")
            total = 0.0
    lr /= 2

model.eval()
hidden, word = model.init_hidden(1), torch.randint(len(idx2word), (1, 1), dtype=torch.long)
with torch.no_grad():
    said = []
    for _ in range(12):
        output, hidden = model(word, hidden)
        weights = output.squeeze().div(1.0).exp()
        choice = torch.multinomial(weights, 1)[0]
        word.fill_(choice)
        said.append(idx2word[choice])
    print(len(said), all(w in word2idx for w in said))
