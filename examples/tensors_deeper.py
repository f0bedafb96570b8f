"""Tensors in more depth: seeds, shapes, types, mathematics, memory, copies, devices, and the bridge to NumPy.

python -m torchish examples/tensors_deeper.py
"""

import argparse
import math

import numpy as np
import torch


def title(text):
    """Print a section's heading."""
    print(f"\n{text}\n{'-' * len(text)}")


def refused(function):
    """Show the error that a mistake ends in."""
    try:
        function()
    except RuntimeError as error:
        print("RuntimeError:", error)


def making():
    title("Making tensors")
    x = torch.empty(3, 4)
    print("whatever was in memory:", type(x), x.shape)
    print(torch.zeros(2, 3), torch.ones(2, 3), sep="\n")

    torch.manual_seed(1729)
    draws = [torch.rand(2, 3) for _ in range(2)]
    torch.manual_seed(1729)
    print("a seed repeats every draw:", [torch.equal(torch.rand(2, 3), draw) for draw in draws])

    x = torch.empty(2, 2, 3)
    for like in (torch.empty_like, torch.zeros_like, torch.ones_like, torch.rand_like):
        print(f"{like.__name__}:", like(x).shape)
    print(torch.tensor([[3.1415926, 2.71828], [1.61803, 0.0072897]]))
    print(torch.tensor((2, 3, 5, 7, 11, 13, 17, 19)), torch.tensor(((2, 4, 6), [3, 6, 9])), sep="\n")


def types():
    title("Types")
    a = torch.ones((2, 3), dtype=torch.int16)
    b = torch.rand((2, 3), dtype=torch.float64) * 20.0
    print(a, b, b.to(torch.int32), sep="\n")
    names = ("bool", "int8", "uint8", "int16", "int32", "int64", "half", "float", "double", "bfloat16")
    print("all of them:", [getattr(torch, name) for name in names])


def arithmetic_and_broadcasting():
    title("Arithmetic and broadcasting")
    ones, twos = torch.zeros(2, 2) + 1, torch.ones(2, 2) * 2
    threes, fours = (torch.ones(2, 2) * 7 - 1) / 2, twos**2
    print("1, 2, 3, 4 and a root of 2:", [t[0, 0].item() for t in (ones, twos, threes, fours, twos**0.5)])
    print("powers:\n", twos ** torch.tensor([[1, 2], [3, 4]]))
    print("fives:\n", ones + fours, "\ndozens:\n", threes * fours)
    refused(lambda: torch.rand(2, 3) * torch.rand(3, 2))

    rand = torch.rand(2, 4)
    print("one row meets both:\n", rand, "\n", rand * (torch.ones(1, 4) * 2))
    a = torch.ones(4, 3, 2)
    for other in ((3, 2), (3, 1), (1, 2)):
        print((4, 3, 2), "*", other, "->", (a * torch.rand(other)).shape)
    for other in ((4, 3), (2, 3), (0,)):
        print((4, 3, 2), "*", other, end=" -> ")
        refused(lambda other=other: a * torch.rand(other))


def mathematics():
    title("Mathematics")
    a = torch.rand(2, 4) * 2 - 1
    print(a, torch.abs(a), torch.ceil(a), torch.floor(a), torch.clamp(a, -0.5, 0.5), sep="\n")
    angles = torch.tensor([0, math.pi / 4, math.pi / 2, 3 * math.pi / 4])
    sines = torch.sin(angles)
    print("sine and back:", angles, sines, torch.asin(sines), sep="\n")
    print("xor:", torch.bitwise_xor(torch.tensor([1, 5, 11]), torch.tensor([2, 7, 10])))
    d = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    print("equal to one:\n", torch.eq(d, torch.ones(1, 2)))
    print("largest", torch.max(d), torch.max(d).item(), "mean", torch.mean(d), "deviation", torch.std(d))
    print("product", torch.prod(d), "different values", torch.unique(torch.tensor([1, 2, 1, 2, 1, 2])))
    x_axis, y_axis = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])
    print("y cross x:", torch.cross(y_axis, x_axis, dim=0))
    m1, m2 = torch.rand(2, 2), torch.tensor([[3.0, 0.0], [0.0, 3.0]])
    m3 = torch.matmul(m1, m2)
    u, s, v = torch.svd(m3)
    print("three times m1:\n", m3, "\nrebuilt from its singular values:", torch.allclose(u @ torch.diag(s) @ v.t(), m3))


def memory():
    title("Memory")
    a = torch.tensor([0, math.pi / 4, math.pi / 2, 3 * math.pi / 4])
    print("sin() leaves a alone:", torch.sin(a), a)
    print("sin_() does not:", torch.sin_(a), a)
    a, b = torch.ones(2, 2), torch.rand(2, 2)
    print("a.add_(b):\n", a.add_(b), "\nb.mul_(b):\n", b.mul_(b))

    a, b, c = torch.rand(2, 2), torch.rand(2, 2), torch.zeros(2, 2)
    identity = id(c)
    d = torch.matmul(a, b, out=c)
    assert c is d and id(c) == identity
    torch.rand(2, 2, out=c)
    assert id(c) == identity
    print("one tensor took two results in turn:\n", c)

    a = torch.ones(2, 2)
    alias, copy = a, a.clone()
    assert copy is not a and torch.eq(a, copy).all()
    a[0][1] = 561
    print("another name sees the change:\n", alias, "\na clone does not:\n", copy)
    a = torch.rand(2, 2, requires_grad=True)
    print("a clone is in the graph:\n", a.clone(), "\ndetached first, it is not:\n", a.detach().clone(), "\na:\n", a)


def devices():
    title("Devices")
    print("We have a GPU!" if torch.cuda.is_available() else "CPU only.", torch.cuda.device_count())
    device = torch.device("cuda") if torch.cuda.is_available() else torch.device("cpu")
    x, y = torch.rand(2, 2, device=device), torch.rand(2, 2).to(device)
    print("on", device, "the sum is\n", x + y)
    refused(lambda: torch.rand(2, 2, device="gpu"))


def shapes():
    title("Shapes")
    picture = torch.rand(3, 226, 226)
    print("a batch of one:", picture.shape, "->", picture.unsqueeze(0).shape)
    print("five dimensions, one number:", torch.rand(1, 1, 1, 1, 1))
    a = torch.rand(1, 20)
    print(a.shape, "->", a.squeeze(0).shape, "; nothing to squeeze in", torch.rand(2, 2).squeeze(0).shape)
    a, b = torch.ones(4, 3, 2), torch.rand(3)
    refused(lambda: a * b)
    print("after unsqueeze(1) they meet:", (a * b.unsqueeze(1)).shape)
    picture.unsqueeze_(0)
    print("in place:", picture.shape, "and back:", picture.squeeze_(0).shape)
    output3d = torch.rand(6, 20, 20)
    flat = output3d.reshape(6 * 20 * 20)
    print(output3d.shape, "->", flat.shape, "=", torch.reshape(output3d, (6 * 20 * 20,)).shape)
    output3d[0, 0, 0] = 7
    print("reshape gave a view:", flat[0])


def numpy_bridge():
    title("The bridge to NumPy")
    array = np.ones((2, 3))
    tensor = torch.from_numpy(array)
    array[1, 1] = 23
    print("the tensor sees the array's change:\n", tensor)
    tensor = torch.rand(2, 3)
    array = tensor.numpy()
    tensor[1, 1] = 17
    print("and the array the tensor's:\n", array)


def main():
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    for section in (making, types, arithmetic_and_broadcasting, mathematics, memory, devices, shapes, numpy_bridge):
        section()


if __name__ == "__main__":
    main()
