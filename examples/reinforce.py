"""REINFORCE learns to keep a pole upright on a cart.

A small network says how likely it is to push left or right. After each episode, what it did is made likelier by how much
better things went afterwards than on average (Williams, 1992). Writes a figure with how long the pole stayed up.

    python -m torchish examples/reinforce.py         # on torchish
    python examples/reinforce.py                     # on PyTorch
"""

import argparse

import matplotlib
import torch
import torch.nn as nn
import torch.nn.functional as F
from cartpole import CartPole, draw_run
from torch.distributions import Categorical
from tqdm import tqdm

matplotlib.use("Agg")
import matplotlib.pyplot as plt


class Policy(nn.Module):
    """The probabilities of pushing left and right in a state."""

    def __init__(self, hidden_size):
        super().__init__()
        self.hidden = nn.Linear(4, hidden_size)
        self.action = nn.Linear(hidden_size, 2)

    def forward(self, state):
        return F.softmax(self.action(F.relu(self.hidden(state))), dim=-1)


def run_episode(policy, world):
    """Play until the pole falls. Returns the logarithms of the probabilities of what was done, and the rewards."""
    log_probs, rewards = [], []
    state, fell, over = world.reset(), False, False
    while not (fell or over):
        distribution = Categorical(policy(torch.tensor(state)))
        action = distribution.sample()
        log_probs.append(distribution.log_prob(action))
        state, reward, fell, over = world.step(action.item())
        rewards.append(reward)
    return log_probs, rewards


def returns_of(rewards, discount):
    """What followed each step: its reward, and the discounted rewards after it; of mean 0 and standard deviation 1."""
    returns, future = [], 0.0
    for reward in reversed(rewards):
        future = reward + discount * future
        returns.append(future)
    returns = torch.tensor(returns[::-1])
    return (returns - returns.mean()) / (returns.std() + 1e-6)


def train(policy, world, args):
    """Returns how many steps each episode lasted."""
    optimizer = torch.optim.Adam(policy.parameters(), lr=args.lr)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, total_iters=args.episodes)
    lengths = []
    with tqdm(total=args.episodes, desc="training", unit="episode") as progress:
        for episode in range(1, args.episodes + 1):
            log_probs, rewards = run_episode(policy, world)
            returns = returns_of(rewards, args.discount)
            loss = -(torch.stack(log_probs) * returns).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            lengths.append(len(rewards))
            recent = lengths[-20:]
            progress.set_postfix(steps=f"{sum(recent) / len(recent):.0f}", refresh=False)
            progress.update()
            if episode % 20 == 0:
                tqdm.write(f"episode {episode:4d}  loss {loss.item():9.4f}  steps, mean of 20: {sum(recent) / 20:.1f}")
    return lengths


def play(policy, world):
    """Play an episode with the likelier push each time. Returns the states."""
    states, fell, over = [list(world.reset())], False, False
    with torch.no_grad():
        while not (fell or over):
            state, _, fell, over = world.step(policy(torch.tensor(states[-1])).argmax().item())
            states.append(state)
    return states


def draw(lengths, limit, states, path):
    """How long the pole stayed up in each episode, and the run at the end."""
    figure, (curve, strip) = plt.subplots(1, 2, figsize=(12, 5), width_ratios=(1.7, 1), layout="constrained")
    window = min(20, len(lengths))
    smooth = [sum(lengths[i - window : i]) / window for i in range(window, len(lengths) + 1)]
    curve.plot(range(1, len(lengths) + 1), lengths, ".", color="tab:blue", alpha=0.35, label="each episode")
    curve.plot(range(window, len(lengths) + 1), smooth, color="tab:blue", label=f"mean of {window} episodes")
    curve.axhline(limit, color="black", linestyle="--", linewidth=1, label="an episode ends here")
    curve.set(xlabel="episode", ylabel="steps until the pole fell", title="REINFORCE on the cart-pole", ylim=(0, None))
    curve.grid(alpha=0.3)
    curve.legend(loc="lower right")
    draw_run(strip, states, f"After training: {len(states) - 1} steps")
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description="Learn to balance a pole with REINFORCE.")
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--limit", type=int, default=200, help="the most steps of an episode")
    parser.add_argument("--hidden", type=int, default=128, help="units of the hidden layer")
    parser.add_argument("--discount", type=float, default=0.99, help="what a reward one step later is worth")
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="reinforce.png", help="where to write the figure")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    world = CartPole(args.seed, args.limit)
    policy = Policy(args.hidden)
    lengths = train(policy, world, args)
    states = play(policy, world)
    print(f"steps at first: {sum(lengths[:20]) / len(lengths[:20]):.1f}")
    print(f"steps: {sum(lengths[-20:]) / len(lengths[-20:]):.1f}")

    draw(lengths, args.limit, states, args.out)
    print(f"figure: {args.out}")


if __name__ == "__main__":
    main()
