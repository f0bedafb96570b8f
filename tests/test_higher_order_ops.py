"""`torch._higher_order_ops`: loops as functions of functions."""

import torch as pytorch

import torchish


def grid(m):
    return m.arange(6.0).reshape(3, 2)


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
