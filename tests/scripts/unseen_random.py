"""Random streams: every sampler from a seed, generators, saved states, positions after each call."""
import torch
import torch.nn as nn
import torch.nn.functional as F

for seed in (0, 1, 42, 1729, -1, 2 ** 40):
    torch.manual_seed(seed)
    print(seed, torch.rand(3), torch.randn(3), torch.randint(10, (4,)), torch.randperm(5), torch.initial_seed())

# after each call one rand() tells where the stream is
torch.manual_seed(3)
for name, draw in {
    "rand": lambda: torch.rand(2, 3), "rand double": lambda: torch.rand(3, dtype=torch.float64), "rand half": lambda: torch.rand(3, dtype=torch.float16), "rand bfloat16": lambda: torch.rand(3, dtype=torch.bfloat16),
    "randn 1": lambda: torch.randn(1), "randn 5": lambda: torch.randn(5), "randn 16": lambda: torch.randn(16), "randn 20": lambda: torch.randn(20), "randn double": lambda: torch.randn(3, dtype=torch.float64),
    "randn double 17": lambda: torch.randn(17, dtype=torch.float64), "randn 2 7": lambda: torch.randn(2, 7), "randn ()": lambda: torch.randn(()), "rand 0": lambda: torch.rand(0), "randn 0": lambda: torch.randn(0),
    "randint": lambda: torch.randint(0, 100, (5,)), "randint low": lambda: torch.randint(-5, 5, (2, 3)), "randint int8": lambda: torch.randint(3, (4,), dtype=torch.int8), "randint float": lambda: torch.randint(0, 3, (3,), dtype=torch.float32),
    "randint large": lambda: torch.randint(2 ** 40, (2,)), "randperm": lambda: torch.randperm(10), "randperm 1": lambda: torch.randperm(1), "randperm int32": lambda: torch.randperm(4, dtype=torch.int32),
    "normal": lambda: torch.normal(2.0, 3.0, (4,)), "normal means": lambda: torch.normal(torch.arange(1.0, 5.0)), "normal both": lambda: torch.normal(mean=torch.zeros(3), std=torch.tensor([1.0, 2.0, 3.0])), "normal std": lambda: torch.normal(1.0, torch.ones(2)),
    "bernoulli": lambda: torch.bernoulli(torch.tensor([0.1, 0.5, 0.9, 0.5])), "bernoulli p": lambda: torch.bernoulli(torch.zeros(6), 0.5), "bernoulli_": lambda: torch.empty(8).bernoulli_(0.3), "bernoulli_ tensor": lambda: torch.empty(3).bernoulli_(torch.tensor([0.2, 0.5, 0.8])),
    "multinomial": lambda: torch.multinomial(torch.tensor([1.0, 2.0, 3.0, 4.0]), 2), "multinomial replaced": lambda: torch.multinomial(torch.tensor([1.0, 2.0, 3.0]), 6, replacement=True), "multinomial rows": lambda: torch.multinomial(torch.ones(2, 3), 1),
    "uniform_": lambda: torch.empty(3).uniform_(-1, 1), "normal_": lambda: torch.empty(3).normal_(), "normal_ mean": lambda: torch.empty(17).normal_(1, 0.1), "exponential_": lambda: torch.empty(3).exponential_(), "exponential_ rate": lambda: torch.empty(2).exponential_(2.0),
    "random_": lambda: torch.empty(3).random_(10), "random_ low": lambda: torch.zeros(3, dtype=torch.long).random_(5, 8), "random_ all": lambda: torch.zeros(2, dtype=torch.uint8).random_(), "geometric_": lambda: torch.empty(3).geometric_(0.5), "log_normal_": lambda: torch.empty(3).log_normal_(),
    "cauchy_": lambda: torch.empty(3).cauchy_(), "poisson": lambda: torch.poisson(torch.tensor([0.5, 3.0, 20.0])), "rand_like": lambda: torch.rand_like(torch.zeros(2)), "randn_like": lambda: torch.randn_like(torch.zeros(2, dtype=torch.double)), "randint_like": lambda: torch.randint_like(torch.zeros(3), 2, 9),
    "dropout": lambda: F.dropout(torch.ones(10), 0.5), "dropout p": lambda: nn.Dropout(0.2)(torch.arange(8.0)), "dropout off": lambda: F.dropout(torch.ones(3), 0.5, training=False), "dropout 1": lambda: F.dropout(torch.ones(3), 1.0), "dropout 0": lambda: F.dropout(torch.ones(3), 0.0),
    "linear": lambda: nn.Linear(2, 2).weight.data, "conv": lambda: nn.Conv2d(1, 1, 2).bias.data, "long rand": lambda: torch.rand(1000)[-3:], "long randn": lambda: torch.randn(1000)[-3:], "long perm": lambda: torch.randperm(1000)[:5], "rand columns": lambda: torch.rand(3, 2).t(),
}.items():
    print(name, draw(), f"{torch.rand(1).item():.6f}")

# a generator of one's own leaves the global stream alone
torch.manual_seed(5)
g = torch.Generator()
print(g.manual_seed(7) is g, g.initial_seed(), torch.rand(2, generator=g), torch.randn(2, generator=g), torch.randperm(4, generator=g), torch.randint(9, (3,), generator=g))
print(torch.rand(1), torch.empty(2).uniform_(generator=g), torch.multinomial(torch.ones(4), 2, generator=g), torch.bernoulli(torch.full((3,), 0.5), generator=g), torch.rand(1), g.device)
h = torch.Generator().manual_seed(7)
print(torch.equal(torch.rand(2, generator=h), torch.rand(2, generator=torch.Generator().manual_seed(7))))

# states
state = torch.get_rng_state()
a = torch.randn(4)
torch.set_rng_state(state)
print(torch.equal(a, torch.randn(4)), state.dtype, state.shape)
own = g.get_state()
b = torch.rand(3, generator=g)
g.set_state(own)
print(torch.equal(b, torch.rand(3, generator=g)))
with torch.random.fork_rng():
    torch.manual_seed(99)
    print(torch.rand(2))
print(torch.rand(2))
torch.seed()
print(torch.initial_seed() != 5)
torch.manual_seed(0)
print(torch.default_generator.initial_seed(), torch.rand(1), torch.manual_seed(0) is torch.default_generator)
for _ in range(2):
    torch.manual_seed(8)
    x = torch.rand(700)  # past the generator's 624 numbers
    print(x[622:627], torch.rand(1))
