"""How tensors print: modes, widths, summaries, options, suffixes, small formats."""
import torch

torch.manual_seed(21)

# integer mode, fixed mode, scientific mode
for values in (
    [1.0, 2.0], [1.0, 2.5], [0.001, 0.002], [0.0001, 0.0002], [1e-5, 1.0], [1000.0, 0.5], [10000.0, 0.5], [99999.0, 1.0], [1e8, 1.0], [1e8, 1.5], [123456789.0], [0.1], [1e-10], [1e10], [1e38, 1.0], [1e-40],
    [-1.0, 10.0], [-0.5, 100.25], [1.0, float("nan")], [1.5, float("inf")], [float("-inf"), 0.0001], [float("nan")], [float("inf"), -float("inf")], [0.0, -0.0], [1e5, 1e-5], [3.0, 1e6], [1 / 3, 2 / 3], [999.9999], [99999.996], [0.00012345],
):
    print(torch.tensor(values), torch.tensor(values[0]), torch.tensor(values, dtype=torch.float64))
print(torch.tensor([1, -20, 300]), torch.tensor([[1], [-1000]]), torch.tensor(7), torch.tensor(-7, dtype=torch.int8), torch.tensor([2 ** 40, 1]))
print(torch.tensor([True, False]), torch.tensor(True), torch.tensor([[True], [False]]))
print(torch.tensor([1 + 2j, -0.5j]), torch.tensor(3 - 1.5j), torch.tensor([1e-6 + 1e6j]), torch.tensor([[1 + 0j]]), torch.tensor([1j], dtype=torch.complex128))
print(torch.tensor([0.1, 1 / 3], dtype=torch.float16), torch.tensor([0.1, 300.0], dtype=torch.bfloat16), torch.tensor([65504.0], dtype=torch.float16))

# dimensions, empties
print(torch.zeros(2, 2, 2), torch.zeros(1, 1, 1, 1), torch.zeros(2, 1, 2, 1), sep="\n")
print(torch.zeros(0), torch.zeros(2, 0), torch.zeros(0, 3, 2), torch.zeros(0, dtype=torch.int32), torch.zeros(3, 0, dtype=torch.float64), torch.tensor([[]]))
print(torch.zeros(0, requires_grad=True), torch.zeros(2, 0).requires_grad_() * 2)

# long lines wrap, big tensors are summarised
print(torch.arange(30), torch.arange(40.0) / 7, sep="\n")
print(torch.arange(1000), torch.arange(1001), torch.arange(1001.0) * 1.5, sep="\n")
print(torch.arange(2000).view(20, 100), torch.arange(10000.0).view(10, 10, 100), torch.zeros(5, 400) == 0, sep="\n")
print(torch.arange(1200).view(300, 4), torch.ones(4, 4, 4, 40)[:1], torch.randn(2000), torch.eye(40), sep="\n")

# suffixes
w = torch.tensor([1.0, 2.0], requires_grad=True)
print(w, w * 2, w.sum(), w[0], (w > 1), w.detach(), w.view(2, 1), w.double(), w.half() * 2)
print(torch.nn.Parameter(torch.ones(2, 2)), torch.nn.Parameter(torch.tensor(1.0)), torch.nn.Parameter(torch.zeros(2), requires_grad=False), repr(torch.nn.Parameter(torch.ones(1))))
print(torch.arange(24.0).requires_grad_(), torch.arange(24.0).requires_grad_() * 1.0, torch.randn(3, 7, dtype=torch.float64, requires_grad=True), sep="\n")
print(torch.rand(2, 11), torch.rand(2, 12, requires_grad=True).sin(), torch.arange(25, dtype=torch.int16), torch.rand(1, 9, dtype=torch.double) + 1j, sep="\n")

# str, repr, format, containers
t = torch.tensor([1.0])
print(str(t), repr(t), f"{t}", [t, t], (t,), {"a": t}, t.shape, repr(t.shape), str(t.size()), t.dtype, t.device, t.layout, type(t), sep=" | ")
print(torch.Size([]), torch.Size([1, 2]) + torch.Size([3]), torch.Size([2, 3]).numel(), torch.Size([2, 3])[1:], torch.Size([4, 5]) == (4, 5), list(torch.Size([6])), torch.zeros(2, 3).size(-1), torch.zeros(3).shape[0])
print(torch.device("cpu"), repr(torch.device("cpu")), torch.device("cuda", 1), torch.device("cuda:0").index, torch.device("cpu").type, torch.device("cpu") == torch.device("cpu"), repr(torch.float16), repr(torch.strided))
print(torch.max(torch.tensor([[1, 2], [4, 3]]), 1), torch.sort(torch.tensor([2.0, 1.0])), sep="\n")
print(t.grad_fn, (t.requires_grad_() + 1).grad_fn.name(), torch.finfo(torch.float32), torch.iinfo(torch.int16), sep="\n")

# options
x = torch.randn(3, 3) * 100
y = torch.arange(2000.0)
for options in (
    dict(precision=2), dict(precision=8), dict(sci_mode=True), dict(sci_mode=False), dict(linewidth=40), dict(threshold=5), dict(edgeitems=1, threshold=10), dict(profile="short"), dict(profile="full"), dict(profile="default"), dict(precision=0),
):
    torch.set_printoptions(**options)
    print(options)
    print(x, torch.tensor(1 / 3), torch.tensor([1e-8, 1.0]), torch.arange(12))
    if options.get("profile") != "full":
        print(y)
    torch.set_printoptions(profile="default", linewidth=80)
torch.set_printoptions(precision=3, sci_mode=False, linewidth=100)
print(torch.tensor([1e-5, 123456.789]), torch.rand(2, 20))
torch.set_printoptions(profile="default", linewidth=80, sci_mode=None)
print(torch.tensor([1e-5, 123456.789]), x)
