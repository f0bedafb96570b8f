"""Broadcasting, results written in place, and a gradient worked out twice: by autograd and on paper.

python -m torchish examples/broadcasting_autograd.py
"""

import torch


def broadcasting():
    """Shapes line up from the right; a dimension of 1, or none, repeats."""
    for left, right in (((6, 4), (4,)), ((3, 1), (1, 4)), ((5, 1, 4), (3, 1)), ((2, 3), ()), ((3, 2), (3,))):
        try:
            shape = (torch.ones(left) + torch.ones(right)).shape
        except RuntimeError as error:
            shape = error
        print(f"{left!s:10} + {right!s:7} -> {shape}")
    weights, bias = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([10.0, 20.0])
    points = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    print("f(x) = w x + b at three points, b repeated for each:\n", points @ weights.t() + bias)


def three_ways_to_add():
    x = torch.randn(5, 3, dtype=torch.float)
    y = torch.randn(5, 3)
    result = torch.empty(5, 3)
    torch.add(x, y, out=result)
    print("written into a tensor that was there before:\n", result)
    print("the operator agrees:", torch.equal(x + y, result))
    print("add_ overwrites y itself:", y.add_(x) is y, torch.equal(y, result))
    print("integers print as integers:\n", torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]]))


def gradient():
    """out = mean(2 (x + 1)^2) over four elements, so d out / dx = x + 1."""
    x = torch.ones(2, 2, requires_grad=True)
    y = x + 1
    z = y * y * 2
    out = z.mean()
    print("x:\n", x, "\nz:\n", z, "\nout:", out)
    out.backward()
    print("autograd says\n", x.grad, "\nand paper", torch.equal(x.grad, x.detach() + 1))
    # what broadcasting repeats, the gradient sums
    bias = torch.zeros(3, requires_grad=True)
    (torch.ones(4, 3) * 2 + bias).sum().backward()
    print("a bias that four rows share collects four gradients:", bias.grad)


if __name__ == "__main__":
    torch.manual_seed(0)
    broadcasting()
    three_ways_to_add()
    gradient()
