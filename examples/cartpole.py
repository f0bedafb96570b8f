"""A pole on a cart: push the cart left or right so that the pole stays up. For `reinforce.py` and `actor_critic.py`.

The equations of motion and the sizes are those of Barto, Sutton and Anderson, "Neuronlike adaptive elements that can
solve difficult learning control problems", 1983.
"""

import math
import random

GRAVITY = 9.8
CART, POLE = 1.0, 0.1  # masses, kg
HALF = 0.5  # half the pole's length, m
FORCE = 10.0  # N
STEP = 0.02  # s
TRACK = 2.4  # m to either side
LEAN = math.radians(12)


class CartPole:
    """Gives a reward of 1 for each step, until the pole leans too far, the track ends, or `limit` steps are over."""

    def __init__(self, seed, limit=200):
        self.random = random.Random(seed)
        self.limit = limit

    def reset(self):
        """Start nearly upright. Returns the state: place, speed, angle and angular speed, in m, m/s, rad, rad/s."""
        self.state = [self.random.uniform(-0.05, 0.05) for _ in range(4)]
        self.steps = 0
        return self.state

    def step(self, action):
        """Push left (0) or right (1) for a step. Returns the state, the reward, whether it fell, and whether time is over."""
        x, v, angle, spin = self.state
        force = FORCE if action == 1 else -FORCE
        sin, cos = math.sin(angle), math.cos(angle)
        push = (force + POLE * HALF * spin**2 * sin) / (CART + POLE)
        spin_up = (GRAVITY * sin - cos * push) / (HALF * (4 / 3 - POLE * cos**2 / (CART + POLE)))
        speed_up = push - POLE * HALF * spin_up * cos / (CART + POLE)
        self.state = [x + STEP * v, v + STEP * speed_up, angle + STEP * spin, spin + STEP * spin_up]
        self.steps += 1
        fell = abs(self.state[0]) > TRACK or abs(self.state[2]) > LEAN
        return self.state, 1.0, fell, self.steps >= self.limit


def draw_run(axes, states, title):
    """Draw a run as a strip: the cart and its pole every few steps, from the top of the picture to its bottom."""
    every = max(1, len(states) // 12)
    shown = states[::every]
    for row, (x, _, angle, _) in enumerate(shown):
        axes.plot((-TRACK, TRACK), (-row, -row), color="0.85", linewidth=1, zorder=0)
        axes.plot((x - 0.2, x + 0.2), (-row, -row), color="black", linewidth=5, solid_capstyle="butt")
        axes.plot((x, x + 0.8 * math.sin(angle)), (-row, -row + 0.8 * math.cos(angle)), color="tab:orange", linewidth=3)
    axes.set(xlim=(-TRACK, TRACK), ylim=(-len(shown), 1.2), xlabel="place on the track (m)", ylabel="step", title=title)
    axes.set_yticks([-row for row in range(len(shown))], [row * every for row in range(len(shown))])
