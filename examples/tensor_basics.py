"""Tensors from first principles: making them, their types, arithmetic, shapes, reductions, indexing, gradients.

python -m torchish examples/tensor_basics.py      # or python, where PyTorch is installed
"""

import argparse

import numpy as np
import torch


def title(text):
    """Print a section's heading."""
    print(f"\n{text}\n{'-' * len(text)}")


def devices():
    title("Is an accelerator there?")
    print("available:", torch.cuda.is_available(), " devices:", torch.cuda.device_count())
    if torch.cuda.is_available():
        print(torch.cuda.get_device_name(), "is", torch.cuda.get_device_name(0))


def making():
    title("Making tensors")
    print("from a list     ", torch.tensor([6, 2]))
    print("with a type     ", torch.tensor([6, 2], dtype=torch.int32))
    print("from a tuple    ", torch.tensor((6, 2)))
    print("from an array   ", torch.tensor(np.array([6, 2])))
    print("uniform, a tuple for the shape\n", torch.rand((2, 3)))
    print("uniform, the shape as numbers\n", torch.rand(2, 3))
    print("standard normal\n", torch.randn(2, 3))
    print("standard normal, a tuple\n", torch.randn((2, 3)))
    print("normal around 10\n", torch.normal(10.0, 0.1, (2, 3)))
    print("ones\n", torch.ones(2, 3))
    print("zeros\n", torch.zeros(2, 3))
    print("sevens\n", torch.full((2, 3), 7.0))
    print("identity\n", torch.eye(3))
    print("a range", torch.arange(0, 10, 2))


def attributes():
    title("Shapes and types")
    x = torch.zeros(2, 3, 4)
    print(x)
    print("shape:", x.shape, " size():", x.size(), " size(0):", x.size(0))
    for dtype in (torch.float32, torch.float64, torch.int16, torch.int32, torch.int64):
        print(f"{str(dtype):14} takes {torch.zeros(1, dtype=dtype).element_size()} bytes an element")
    array = np.random.RandomState(0).randn(2, 3)
    shared = torch.from_numpy(array)
    array[0, 0] = 100
    print("from_numpy shares memory, so the tensor sees the array's new corner:\n", shared)
    print("and numpy() leads back to the very same numbers:\n", shared.numpy())


def arithmetic():
    title("Arithmetic")
    t = torch.ones(2, 3)
    print("a number meets every element:\n", t + 3)
    print("the same, as a function:", torch.equal(torch.add(t, 3), t + 3))
    u = torch.ones(2, 3)
    print("element by element:\n", u + t)
    print("add() leaves its tensor as it was:", u.add(t).sum().item(), "and", u.sum().item())
    print("add_() changes it:", u.add_(t).sum().item(), "and", u.sum().item())
    m = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
    print("an inverse:\n", torch.inverse(m), "\nundoes its matrix:\n", torch.inverse(m) @ m)
    try:
        torch.inverse()
    except TypeError as error:
        print("TypeError:", error)


def shapes_and_reductions():
    title("Shapes and reductions")
    t = torch.arange(6.0)
    grid = t.reshape(3, 2)
    print("six numbers as 3 rows of 2:\n", grid, "\nor as 2 rows of 3:\n", t.view(2, 3))
    grid[0, 0] = 10
    print("all of them are views of one memory:", t)
    print("mean:", t.mean(), " sum:", t.sum(), " a Python number:", t.sum().item())
    print("row sums:", grid.sum(dim=1), " column sums:", grid.sum(dim=0))


def indexing():
    title("Indexing")
    a = torch.randn(3, 4)
    print(a, "\nfirst row:", a[0], "\nits first three:", a[0, :3])
    pictures = torch.rand(32, 224, 224, 3)
    print("32 colour pictures:", pictures.shape, " the red of the first:", pictures[0, :, :, 0].shape)
    print("a large tensor prints its corners:\n", pictures[0, :, :, 0])


def products():
    title("Products")
    a, b = torch.randn(2, 3), torch.randn(3, 5)
    print(torch.matmul(a, b))
    print("the operator does the same:", torch.equal(a @ b, torch.matmul(a, b)))
    v, w = torch.rand(5), torch.rand(5)
    print("dot:", v.dot(w), " by hand:", (v * w).sum())


def gradients():
    title("Gradients")
    x = torch.ones(2, 3, requires_grad=True)
    y = x + 2
    z = y.mean()
    print("x:\n", x, "\ny = x + 2:\n", y, "\nz = mean(y):", z)
    print("y follows x:", y.requires_grad)
    z.backward()
    print("dz/dx, a sixth each:\n", x.grad)

    x.grad = None
    y = x + 2
    y.retain_grad()  # y is no leaf: without this its gradient is dropped
    f = 3 * y * y
    out = f.mean()
    out.backward()
    print("f = 3 y^2:\n", f, "\nmean(f):", out, " tracked:", f.requires_grad)
    print("d mean(f) / dy = 6 y / 6 = y:\n", y.grad, "\nand so for x:", torch.equal(x.grad, y.grad))

    print("a graph is recorded:", (x**2).requires_grad)
    with torch.no_grad():
        print("not under no_grad:", (x**2).requires_grad, " though x itself still asks for it:", x.requires_grad)
    print("nor through detach():", x.detach().requires_grad, (x.detach() ** 2 + 2).requires_grad)
    d = torch.randn(2, 2) * 3 + 2
    print("from a plain tensor:", d.requires_grad, " to a tracked one:\n", d.requires_grad_(True))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0, help="seed of the random numbers (default 0)")
    torch.manual_seed(parser.parse_args().seed)
    for section in (devices, making, attributes, arithmetic, shapes_and_reductions, indexing, products, gradients):
        section()


if __name__ == "__main__":
    main()
