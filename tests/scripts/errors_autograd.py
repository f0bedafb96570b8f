"""Bad input: automatic differentiation."""
import re

import torch


def case(label, function):
    """Print what a piece of bad input ends in: the error, or the value where there is none."""
    try:
        value = function()
    except Exception as e:
        line = re.sub(r"(?<!\w)0x[0-9a-f]+", "0x...", str(e).splitlines()[0] if str(e) else "")
        print(f"{label}: {type(e).__name__}: {line}")
    else:
        print(f"{label}: no error: {value}")


x = torch.tensor([1.0, 2.0], requires_grad=True)
y = torch.tensor([3.0, 4.0], requires_grad=True)

# backward
case("backward of a vector", lambda: (x * 2).backward())
case("backward of a leaf that needs none", lambda: torch.ones(1).backward())
case("backward under no_grad", lambda: torch.no_grad()(lambda: (x * 2).sum())().backward())
case("backward of a detached result", lambda: (x * 2).sum().detach().backward())
case("gradient of another shape", lambda: (x * 2).backward(torch.ones(3)))
case("gradient of another type", lambda: (x * 2).backward(torch.ones(2, dtype=torch.long)))
case("gradient that is no tensor", lambda: (x * 2).backward([1.0, 1.0]))
case("gradient None", lambda: (x * 2).backward(None))
case("backward of an integer tensor", lambda: torch.tensor([1]).sum().backward())
s = (x ** 2).sum()
s.backward()
case("second backward", lambda: s.backward())
t = (x * y).sum()
torch.autograd.grad(t, x)
case("second grad", lambda: torch.autograd.grad(t, x))
u = (x + y).sum()  # nothing saved, nothing freed
u.backward()
case("second backward of a sum", lambda: u.backward())
shared = x.exp()
first, second = shared.sum(), (shared * 2).sum()
first.backward()
case("second backward through a shared part", lambda: second.backward())
case("backward of several, gradients missing", lambda: torch.autograd.backward([x * 2, y * 2]))
case("backward of several, count", lambda: torch.autograd.backward([x.sum(), y.sum()], [None]))
case("backward with no inputs", lambda: (x * 2).sum().backward(inputs=[]))

# grad
case("grad of a vector", lambda: torch.autograd.grad(x * 2, x))
case("grad of an unused", lambda: torch.autograd.grad(x.sum(), y))
case("grad of what needs none", lambda: torch.autograd.grad(x.sum(), torch.ones(2)))
case("grad without inputs", lambda: torch.autograd.grad(x.sum(), []))
case("grad of a constant", lambda: torch.autograd.grad(torch.ones(1), x))
case("grad_outputs of another shape", lambda: torch.autograd.grad(x * 2, x, grad_outputs=torch.ones(1)))
case("second derivative without create_graph", lambda: torch.autograd.grad(torch.autograd.grad((x ** 3).sum(), x)[0].sum(), x))

# in place
case("leaf", lambda: x.add_(1))
case("leaf, setitem", lambda: x.__setitem__(0, 5.0))
case("leaf, torch.sin_", lambda: torch.sin_(x))
case("leaf, iadd", lambda: x.__iadd__(1))
case("leaf, zero_", lambda: x.zero_())
case("leaf, uniform_", lambda: x.uniform_())
case("leaf, copy_", lambda: x.copy_(y))
case("view of a leaf", lambda: x[0].mul_(2))
case("view of a leaf, view()", lambda: x.view(2, 1).fill_(0))
case("parameter", lambda: torch.nn.Linear(1, 1).weight.fill_(0))
print(x, y)


def modified(make, change):
    """Change a saved intermediate in place, then backward."""
    w = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    a = w * 2
    result = make(a)
    change(a, result)
    result.sum().backward()
    return w.grad


case("saved input modified, pow", lambda: modified(lambda a: a ** 2, lambda a, r: a.add_(1)))
case("saved input modified, mul", lambda: modified(lambda a: a * a, lambda a, r: a.mul_(2)))
case("saved output modified, exp", lambda: modified(lambda a: a.exp(), lambda a, r: r.add_(1)))
case("saved output modified, sigmoid", lambda: modified(lambda a: a.sigmoid(), lambda a, r: r.zero_()))
case("saved output modified, relu", lambda: modified(lambda a: a.relu(), lambda a, r: r.neg_()))
case("saved input modified by index", lambda: modified(lambda a: a.sin(), lambda a, r: a.__setitem__(0, 1.0)))
case("saved input modified through a view", lambda: modified(lambda a: a.log(), lambda a, r: a[:2].add_(1)))
case("saved input modified through detach", lambda: modified(lambda a: a ** 2, lambda a, r: a.detach().add_(1)))
case("nothing saved, modified", lambda: modified(lambda a: a + 1, lambda a, r: a.mul_(2)))
case("output not saved, modified", lambda: modified(lambda a: a * 3, lambda a, r: r.add_(2)))
case("dot's input modified", lambda: modified(lambda a: a.dot(a), lambda a, r: a.add_(1)))
case("modified under no_grad", lambda: modified(lambda a: a ** 2, lambda a, r: torch.no_grad()(lambda: a.add_(1))()))
case("modified through data", lambda: modified(lambda a: a ** 2, lambda a, r: a.data.add_(1)))
case("expanded written", lambda: torch.zeros(1, requires_grad=True).mul(2).expand(3).add_(1))
case("view from unbind written", lambda: (x * 2).unbind()[0].add_(1))
case("view from split written", lambda: (x * 2).split(1)[0].mul_(2))


def view_of_no_grad():
    with torch.no_grad():
        v = x.view(2)
    return v.add_(1)


case("view made under no_grad, written", view_of_no_grad)

# numpy, requires_grad, data
case("numpy of a leaf", lambda: x.numpy())
case("numpy of a result", lambda: (x * 2).numpy())
case("__array__ of a result", lambda: __import__("numpy").array(x * 2))
case("integers that require grad", lambda: torch.tensor([1], requires_grad=True))
case("zeros of integers that require grad", lambda: torch.zeros(2, dtype=torch.long, requires_grad=True))
case("integers made to require grad", lambda: torch.tensor([1]).requires_grad_())
case("requires_grad of a result", lambda: setattr(x * 2, "requires_grad", False))
case("requires_grad_ of a result", lambda: (x * 2).requires_grad_(False))
case("grad of another shape assigned", lambda: setattr(x, "grad", torch.ones(3)))
case("grad of another type assigned", lambda: setattr(x, "grad", torch.ones(2, dtype=torch.double)))
case("grad that is no tensor assigned", lambda: setattr(x, "grad", 1.0))
case("grad set to itself", lambda: setattr(x, "grad", x))
case("data of another kind assigned", lambda: setattr(x, "data", 1.0))
case("retain_grad without grad", lambda: torch.ones(1).retain_grad())
case("hook without grad", lambda: torch.ones(1).register_hook(print))
case("deepcopy of a result", lambda: __import__("copy").deepcopy(x * 2))
case("parameter of integers", lambda: torch.nn.Parameter(torch.tensor([1])))
case("grad_fn assigned", lambda: setattr(x, "grad_fn", None))
case("is_leaf assigned", lambda: setattr(x, "is_leaf", True))
case("out with grad", lambda: torch.add(x, 1, out=torch.empty(2)))


# hooks and functions
def bad_hook():
    w = torch.ones(2, requires_grad=True)
    w.register_hook(lambda g: torch.ones(3))
    w.sum().backward()


case("hook changes the shape", bad_hook)
case("hook that is no tensor", lambda: (h := torch.ones(1, requires_grad=True), h.register_hook(lambda g: "a"), h.sum().backward()))


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x ** 2

    @staticmethod
    def backward(ctx, grad):
        return 2 * ctx.saved_tensors[0] * grad


class NoBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2


class BadShape(Square):
    @staticmethod
    def backward(ctx, grad):
        return torch.ones(5)


class NotATensor(Square):
    @staticmethod
    def forward(ctx, x):
        return 5


class SavesNumbers(Square):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(3)
        return x * 2


case("Function without backward", lambda: NoBackward.apply(x).sum().backward())
case("Function without forward", lambda: torch.autograd.Function.apply(x))
case("Function called", lambda: Square()(x))
case("Function whose gradient has another shape", lambda: BadShape.apply(x).sum().backward())
case("Function that returns a number", lambda: NotATensor.apply(x))
case("Function that saves numbers", lambda: SavesNumbers.apply(x).sum().backward())
q = Square.apply(x).sum()
q.backward()
case("Function, second backward", lambda: q.backward())
with torch.inference_mode():
    z = torch.ones(2)
case("inference tensor saved", lambda: x * z)
case("inference tensor written", lambda: z.add_(1))
case("inference tensor made to require grad", lambda: z.requires_grad_())
x.grad = y.grad = None
(x * y).sum().backward()
print(x, y, x.grad, y.grad)
