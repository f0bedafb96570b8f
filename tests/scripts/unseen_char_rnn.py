"""A character-level recurrent network written with linear layers, on names of many lengths."""
import random
import string

import torch
import torch.nn as nn

torch.manual_seed(28)
random.seed(28)
names = {
    "Italian": "Rossi Russo Ferrari Esposito Bianchi Romano Colombo Ricci Marino Greco Bruno Gallo Conti Mancini Costa".split(),
    "English": "Smith Jones Taylor Brown Williams Wilson Johnson Davies Robinson Wright Thompson Evans Walker White Featherstonehaugh".split(),
    "Japanese": "Sato Suzuki Takahashi Tanaka Watanabe Ito Yamamoto Nakamura Kobayashi Kato Yoshida Yamada Sasaki Yamaguchi Mori".split(),
}
all_letters = string.ascii_letters + " .,;'"
n_letters = len(all_letters)
all_categories = list(names)
n_categories = len(all_categories)


def letter_to_tensor(letter):
    tensor = torch.zeros(1, n_letters)
    tensor[0][all_letters.find(letter)] = 1
    return tensor


def line_to_tensor(line):
    tensor = torch.zeros(len(line), 1, n_letters)
    for li, letter in enumerate(line):
        tensor[li][0][all_letters.find(letter)] = 1
    return tensor


print(letter_to_tensor("J"))
print(line_to_tensor("Jones").size())


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, output_size):
        super(RNN, self).__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size + hidden_size, hidden_size)
        self.i2o = nn.Linear(hidden_size, output_size)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, input, hidden):
        combined = torch.cat((input, hidden), 1)
        hidden = torch.tanh(self.i2h(combined))
        return self.softmax(self.i2o(hidden)), hidden

    def init_hidden(self):
        return torch.zeros(1, self.hidden_size)


rnn = RNN(n_letters, 32, n_categories)
output, next_hidden = rnn(line_to_tensor("Albert")[0], torch.zeros(1, 32))
print(output, rnn)


def category_from_output(output):
    top_n, top_i = output.topk(1)
    category_i = top_i[0].item()
    return all_categories[category_i], category_i


print(category_from_output(output))
criterion = nn.NLLLoss()
learning_rate = 0.05


def train(category, line):
    category_tensor = torch.tensor([all_categories.index(category)], dtype=torch.long)
    line_tensor = line_to_tensor(line)
    hidden = rnn.init_hidden()
    rnn.zero_grad()
    for i in range(line_tensor.size()[0]):
        output, hidden = rnn(line_tensor[i], hidden)
    loss = criterion(output, category_tensor)
    loss.backward()
    for p in rnn.parameters():
        p.data.add_(p.grad.data, alpha=-learning_rate)
    return output, loss.item()


current_loss, all_losses, right = 0, [], 0
for iteration in range(1, 241):
    category = random.choice(all_categories)
    line = random.choice(names[category])
    output, loss = train(category, line)
    current_loss += loss
    right += category_from_output(output)[0] == category
    if iteration % 40 == 0:
        guess, _ = category_from_output(output)
        print(f"{iteration} {loss:.3f} {line} / {guess} {'right' if guess == category else f'wrong ({category})'}")
        all_losses.append(current_loss / 40)
        current_loss = 0
print([f"{loss:.3f}" for loss in all_losses])


def evaluate(line):
    hidden = rnn.init_hidden()
    for letter in line_to_tensor(line):
        output, hidden = rnn(letter, hidden)
    return output


with torch.no_grad():
    for line in ("Moretti", "Fletcher", "Kimura"):
        topv, topi = evaluate(line).topk(n_categories, 1, True)
        print(line, [(f"{topv[0][i].item():.3f}", all_categories[topi[0][i].item()]) for i in range(2)])
    confusion = torch.zeros(n_categories, n_categories)
    for i, category in enumerate(all_categories):
        for line in names[category]:
            confusion[i][category_from_output(evaluate(line))[1]] += 1
    for i in range(n_categories):
        confusion[i] = confusion[i] / confusion[i].sum()
print(confusion.shape, confusion.sum(1) > 0.99)
