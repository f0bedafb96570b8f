"""`torch._foreach_*`: operations on lists of tensors, against PyTorch."""

import pytest
import torch as pytorch

import torchish

NAMES = [n for n in dir(pytorch) if n.startswith("_foreach")]


def tensors(m, scale=1.0):
    return [m.tensor([0.25, 0.5]) * scale, m.tensor([[0.75]]) * scale]


def outcome(f, m):
    """What can be compared as it is, and the numbers."""
    a, b = tensors(m), tensors(m, 3.0)
    try:
        made = f(m, a, b)
    except (RuntimeError, TypeError) as e:
        return (type(e).__name__, str(e).partition(" - ")[0]), []
    return (type(made).__name__, made is a, [(str(t.dtype), tuple(t.shape)) for t in made]), [t.tolist() for t in (*made, *a)]


def same(f):
    (want, numbers), (got, ours) = outcome(f, pytorch), outcome(f, torchish)
    assert got == want
    for x, y in zip(ours, numbers, strict=True):
        pytorch.testing.assert_close(x, y, rtol=1e-6, atol=1e-7)


def test_all_are_there():
    assert [n for n in NAMES if not hasattr(torchish, n)] == []
    assert not hasattr(torchish, "_foreach_frobnicate")


@pytest.mark.parametrize("name", [n for n in NAMES if n[9:].rstrip("_") in "abs exp frac lgamma neg reciprocal sigmoid sqrt tanh".split()])
def test_of_one_list(name):
    same(lambda m, a, b: getattr(m, name)(a))


@pytest.mark.parametrize(
    "f",
    [
        lambda m, a, b: m._foreach_add(a, 2), lambda m, a, b: m._foreach_add(a, b, alpha=0.5), lambda m, a, b: m._foreach_sub_(a, [1, 2.5]),
        lambda m, a, b: m._foreach_add_(a, m.tensor(3.0), alpha=2), lambda m, a, b: m._foreach_div(tuple(a), b),
        lambda m, a, b: m._foreach_mul_(a, 0.9), lambda m, a, b: m._foreach_maximum_(a, 0.4), lambda m, a, b: m._foreach_minimum(a, b),
        lambda m, a, b: m._foreach_clamp_min(a, b), lambda m, a, b: m._foreach_clamp_max_(a, 0.4), lambda m, a, b: m._foreach_pow(2.0, a),
        lambda m, a, b: m._foreach_pow(a, [2, 3]), lambda m, a, b: m._foreach_pow_(a, exponent=b),
        lambda m, a, b: m._foreach_lerp_(a, b, 0.1),
        lambda m, a, b: m._foreach_lerp(a, b, [0.5, 0.1]), lambda m, a, b: m._foreach_lerp(a, b, weight=0.5),
        lambda m, a, b: m._foreach_addcmul_(a, b, b, value=0.1), lambda m, a, b: m._foreach_addcdiv(a, b, b, [0.1, 0.2]),
        lambda m, a, b: m._foreach_addcdiv_(a, b, b, m.tensor([0.1, 0.2])), lambda m, a, b: m._foreach_norm(a),
        lambda m, a, b: m._foreach_norm(a, float("inf"), dtype=m.float64), lambda m, a, b: m._foreach_max(a),
        lambda m, a, b: m._foreach_powsum(a, 2), lambda m, a, b: m._foreach_copy_(a, b), lambda m, a, b: m._foreach_zero_(a),
        lambda m, a, b: m._foreach_clone(a), lambda m, a, b: m._foreach_mm(b[1:], a[1:]),
        lambda m, a, b: m._foreach_add(a, b[:1]), lambda m, a, b: m._foreach_add(a, [1.0]), lambda m, a, b: m._foreach_abs([]),
        lambda m, a, b: m._foreach_lerp(a, b), lambda m, a, b: m._foreach_lerp(a, b, scalars=[0.5, 0.1]),
        lambda m, a, b: m._foreach_add([1], 1), lambda m, a, b: m._foreach_add(a), lambda m, a, b: m._foreach_mul(a, m.ones(2)),
        lambda m, a, b: m._foreach_sqrt_([m.tensor([4])]), lambda m, a, b: m._foreach_add_([t.requires_grad_() for t in a], 1),
    ],
)  # fmt: skip
def test_of_lists_and_numbers(f):
    same(f)


def test_gradients_pass():
    def run(m):
        a = [t.requires_grad_() for t in tensors(m)]
        sum(t.sum() for t in m._foreach_mul(a, m._foreach_exp(a))).backward()
        return [t.grad.tolist() for t in a]

    for x, y in zip(run(torchish), run(pytorch), strict=True):
        pytorch.testing.assert_close(x, y)
