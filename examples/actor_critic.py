"""An actor and a critic learn together to keep a pole upright on a cart.

One network with two heads: the actor says how likely it is to push left or right, the critic what reward a state still
promises. Every few steps, what was done is made likelier by how much better it went than the critic had thought (advantage
actor-critic). Writes a figure with how long the pole stayed up, and where the actor pushes.

    python -m torchish examples/actor_critic.py         # on torchish
    python examples/actor_critic.py                     # on PyTorch
"""

import argparse
import math
from collections import namedtuple

import matplotlib
import torch
import torch.nn as nn
import torch.nn.functional as F
from cartpole import LEAN, CartPole, draw_run
from torch.distributions import Categorical
from tqdm import tqdm

matplotlib.use("Agg")
import matplotlib.pyplot as plt

# What is remembered of a step: the log-probability of the push, the actor's entropy, the critic's value of the state, the
# reward, whether the pole fell, and the critic's value of the state in which an episode's time was over (else None).
Moment = namedtuple("Moment", "log_prob entropy value reward fell cut")


class ActorCritic(nn.Module):
    def __init__(self, hidden_size):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, hidden_size), nn.Tanh(), nn.Linear(hidden_size, hidden_size), nn.Tanh())
        self.register_buffer("scale", torch.tensor((0.5, 0.5, 6.0, 1.0)))  # metres and radians to numbers near 1
        self.actor = nn.Linear(hidden_size, 2)
        self.critic = nn.Linear(hidden_size, 1)

    def forward(self, state):
        """The distribution of the push, and the value of the state."""
        features = self.body(state * self.scale)
        return Categorical(logits=self.actor(features)), self.critic(features).squeeze(-1)


def value_of(model, state):
    with torch.no_grad():
        return model(torch.tensor(state))[1].item()


def returns_of(moments, after, discount):
    """What each step was worth: its reward and the discounted rewards after it, then what the critic says of the end.

    In units of what staying up for ever is worth.
    """
    returns, future = [], after
    for moment in reversed(moments):
        if moment.fell:
            future = 0.0
        elif moment.cut is not None:
            future = moment.cut
        future = (1 - discount) * moment.reward + discount * future
        returns.append(future)
    return torch.tensor(returns[::-1])


def train(model, world, args):
    """Returns the step at which each episode ended, and how long it lasted."""
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, total_iters=args.steps // args.rollout)
    ends, lengths = [], []
    state, length = world.reset(), 0
    with tqdm(total=args.steps // args.rollout * args.rollout, desc="training", unit="step") as progress:
        for update in range(1, args.steps // args.rollout + 1):
            moments = []
            for _ in range(args.rollout):
                distribution, value = model(torch.tensor(state))
                action = distribution.sample()
                log_prob, entropy = distribution.log_prob(action), distribution.entropy()
                state, reward, fell, over = world.step(action.item())
                cut = value_of(model, state) if over and not fell else None
                moments.append(Moment(log_prob, entropy, value, reward, fell, cut))
                length += 1
                if fell or over:
                    ends.append((update - 1) * args.rollout + len(moments))
                    lengths.append(length)
                    state, length = world.reset(), 0

            returns = returns_of(moments, value_of(model, state), args.discount)
            values = torch.stack([m.value for m in moments])
            advantages = returns - values.detach()
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-3)
            actor_loss = -(torch.stack([m.log_prob for m in moments]) * advantages).mean()
            critic_loss = 5 * F.mse_loss(values, returns)
            entropy = torch.stack([m.entropy for m in moments]).mean()
            loss = actor_loss + critic_loss - 0.01 * entropy

            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            progress.update(args.rollout)
            if update % 10 == 0:
                recent = lengths[-10:]
                steps = sum(recent) / max(1, len(recent))
                progress.set_postfix(steps=f"{steps:.0f}", refresh=False)
                tqdm.write(f"update {update:4d}  loss {loss.item():8.4f}  steps of an episode, mean of 10: {steps:.1f}")
    return ends, lengths


def play(model, world):
    """Play an episode with the likelier push each time. Returns the states."""
    states, fell, over = [list(world.reset())], False, False
    with torch.no_grad():
        while not (fell or over):
            state, _, fell, over = world.step(model(torch.tensor(states[-1]))[0].logits.argmax().item())
            states.append(state)
    return states


def draw(model, ends, lengths, limit, states, path):
    """How long the pole stayed up; where the actor pushes right; and the run at the end."""
    figure, (curve, pushes, strip) = plt.subplots(1, 3, figsize=(15, 4.8), width_ratios=(1.4, 1, 1), layout="constrained")
    window = min(10, len(lengths))
    smooth = [sum(lengths[i - window : i]) / window for i in range(window, len(lengths) + 1)]
    curve.plot(ends, lengths, ".", color="tab:blue", alpha=0.35, label="each episode")
    curve.plot(ends[window - 1 :], smooth, color="tab:blue", label=f"mean of {window} episodes")
    curve.axhline(limit, color="black", linestyle="--", linewidth=1, label="an episode ends here")
    curve.set(xlabel="steps of training", ylabel="steps until the pole fell", title="Actor and critic on the cart-pole", ylim=(0, None))
    curve.grid(alpha=0.3)
    curve.legend(loc="lower right")

    angle, spin = torch.linspace(-LEAN, LEAN, 61), torch.linspace(-1.5, 1.5, 61)
    grid = torch.zeros(61, 61, 4)
    grid[:, :, 2], grid[:, :, 3] = angle, spin.unsqueeze(1)
    with torch.no_grad():
        distribution, _ = model(grid)
    extent = (-math.degrees(LEAN), math.degrees(LEAN), -1.5, 1.5)
    picture = pushes.imshow(distribution.probs[:, :, 1], origin="lower", extent=extent, aspect="auto", cmap="RdBu", vmin=0, vmax=1)
    figure.colorbar(picture, ax=pushes, label="probability of a push to the right")
    pushes.set(xlabel="angle (degrees)", ylabel="angular speed (rad/s)", title="The actor, with the cart at rest amid the track")

    draw_run(strip, states, f"After training: {len(states) - 1} steps")
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description="Learn to balance a pole with an actor and a critic.")
    parser.add_argument("--steps", type=int, default=20000, help="steps of training, over all episodes")
    parser.add_argument("--rollout", type=int, default=64, help="steps between two updates")
    parser.add_argument("--limit", type=int, default=200, help="the most steps of an episode")
    parser.add_argument("--hidden", type=int, default=64, help="units of each hidden layer")
    parser.add_argument("--discount", type=float, default=0.98, help="what a reward one step later is worth")
    parser.add_argument("--lr", type=float, default=0.004)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="actor_critic.png", help="where to write the figure")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    world = CartPole(args.seed, args.limit)
    model = ActorCritic(args.hidden)
    ends, lengths = train(model, world, args)
    states = play(model, world)
    print(f"steps at first: {sum(lengths[:10]) / len(lengths[:10]):.1f}")
    print(f"steps: {sum(lengths[-10:]) / len(lengths[-10:]):.1f}")

    draw(model, ends, lengths, args.limit, states, args.out)
    print(f"figure: {args.out}")


if __name__ == "__main__":
    main()
