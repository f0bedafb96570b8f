"""`torch._higher_order_ops`: loops as functions of functions."""

import importlib

import pytest
import torch as pytorch

import torchish


def ops(m):
    return importlib.import_module(f"{m.__name__}._higher_order_ops")


def grid(m):
    return m.arange(6.0).reshape(3, 2)


def outcome(f, m):
    try:
        return repr(f(m, ops(m)))
    except Exception as e:
        return type(e).__name__, str(e)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "use",
    [
        lambda m, o: o.map(lambda r, y: (r + y, {"sum": r.sum()}), grid(m), m.ones(2)),
        lambda m, o: o.map(lambda r: r + 1, m.ones(0, 2)), lambda m, o: o.map(lambda r: r[0], (grid(m), m.ones(2, 2))),
        lambda m, o: o.scan(lambda c, x: ({"s": c["s"] + x}, c["s"] * 2), {"s": m.zeros(2)}, grid(m), reverse=True),
        lambda m, o: o.scan(lambda c, x: (c + x, c * 2), m.zeros(3), grid(m), dim=1), lambda m, o: o.scan(lambda c, x: c, 3, grid(m)),
        lambda m, o: o.scan(lambda c, x: (c, x), m.zeros(2), []),
        lambda m, o: o.associative_scan(lambda a, b: a + b, grid(m), 1, reverse=True, combine_mode="generic"),
        lambda m, o: o.associative_scan(
            lambda a, b: (a[0] * b[0], a[1] * b[0] + b[1]), (grid(m), grid(m)), 0, combine_mode="generic"
        ),
        lambda m, o: o.associative_scan(lambda a, b: a + b, grid(m), 0),
        lambda m, o: o.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2), (m.tensor(0), m.ones(2))),
        lambda m, o: o.while_loop(lambda i: i < 3, lambda i: i + 1, (m.tensor(0),)), lambda m, o: m.while_loop(3, 4, (m.ones(1),)),
    ],
)  # fmt: skip
def test_loops_are_pytorchs(use):
    assert outcome(use, torchish) == outcome(use, pytorch)


def test_gradients_go_through_loops():
    from torchish._higher_order_ops.scan import scan

    w = torchish.tensor([1.0, 2.0], requires_grad=True)
    carry, ys = scan(lambda c, x: (c * w + x, c * w), torchish.ones(2), grid(torchish))
    (carry.sum() + ys.sum()).backward()
    v = pytorch.tensor([1.0, 2.0], requires_grad=True)
    c, total = pytorch.ones(2), 0
    for x in grid(pytorch):
        total, c = total + (c * v).sum(), c * v + x
    (c.sum() + total).backward()
    assert w.grad.tolist() == v.grad.tolist()
