"""In-place operations and out=: who changes, who is returned, what is refused."""
import torch

torch.manual_seed(3)


def attempt(label, function):
    try:
        print(label, function())
    except Exception as e:
        print(label, type(e).__name__, str(e).splitlines()[0])


x = torch.tensor([1.0, -2.0, 3.0])
same = x
print(x.add_(1) is same, x)
for name, args in [
    ("sub_", (0.5,)), ("mul_", (2,)), ("div_", (4,)), ("pow_", (2,)), ("neg_", ()), ("abs_", ()), ("sqrt_", ()),
    ("exp_", ()), ("log_", ()), ("sin_", ()), ("cos_", ()), ("tanh_", ()), ("sigmoid_", ()), ("clamp_", (0.6, 0.7)),
    ("round_", ()), ("floor_", ()), ("fill_", (2.5,)), ("ceil_", ()), ("trunc_", ()), ("reciprocal_", ()), ("rsqrt_", ()),
    ("mul_", (1.1,)), ("square_", ()), ("add_", (0.3,)), ("relu_", ()), ("clamp_min_", (4,)), ("clamp_max_", (2,)), ("fmod_", (1.5,)), ("remainder_", (0.3,)),
    ("lerp_", (torch.ones(3), 0.5)), ("addcmul_", (torch.ones(3), torch.full((3,), 2.0))), ("zero_", ()),
    ("addcdiv_", (torch.ones(3), torch.full((3,), 4.0))), ("copy_", (torch.arange(3),)), ("ge_", (1,)), ("logical_not_", ()),
]:
    result = getattr(x, name)(*args)
    print(name, result is x, x)
x += 1
x -= torch.tensor([0.5, 0.5, 0.5])
x *= 3
x /= 2
x **= 2
x //= 1
x %= 4
print(x)
i = torch.tensor([6, 5, 4])
i &= 5
i |= 2
i ^= 1
i <<= 1
i >>= 1
print(i)
attempt("integer and float", lambda: torch.tensor([1, 2]).add_(1.5))
attempt("integer division", lambda: torch.tensor([1, 2]).div_(2))
attempt("broadcast self", lambda: torch.ones(3).add_(torch.ones(2, 3)))
attempt("broadcast other", lambda: torch.ones(2, 3).add_(torch.arange(3)))
attempt("float into int copy", lambda: torch.zeros(2, dtype=torch.int).copy_(torch.tensor([1.9, -1.9])))
attempt("in place on expanded", lambda: torch.zeros(1).expand(3).add_(1))

# shapes in place
s = torch.zeros(1, 2, 1)
print(s.squeeze_().shape, s.unsqueeze_(1).shape, s.t_().shape, s.transpose_(0, 1).shape, s.resize_(4).shape, s.resize_as_(torch.ones(2, 2)).shape)
print(torch.ones(2, 2).tril_(), torch.ones(2, 2).triu_(1), torch.ones(2).swapaxes_(0, 0))

# functions of torch in place
y = torch.tensor([0.0, 1.0])
print(torch.sin_(y), torch.exp_(y), torch.relu_(y), torch.sigmoid_(y), torch.abs_(y), y)

# out=
a, b = torch.rand(2, 3), torch.rand(2, 3)
out = torch.empty(2, 3)
print(torch.add(a, b, out=out) is out, torch.equal(out, a + b), torch.sub(a, b, alpha=2, out=out), torch.mul(a, 2, out=out))
print(torch.matmul(a, b.t(), out=torch.empty(2, 2)), torch.exp(a, out=out), torch.sum(a, dim=0, out=torch.empty(3)))
values, indices = torch.empty(2), torch.empty(2, dtype=torch.long)
print(torch.max(a, dim=1, out=(values, indices)), values, indices)
print(torch.sort(a, dim=1, out=(torch.empty(2, 3), torch.empty(2, 3, dtype=torch.long))).values, torch.cat([a, b], out=torch.empty(4, 3)).shape)
print(torch.arange(3, out=torch.empty(3)), torch.zeros(2, out=torch.ones(2)), torch.linspace(0, 1, 3, out=torch.empty(3)), torch.eye(2, out=torch.empty(2, 2)))
whole = torch.zeros(4, 3)
torch.add(a, 1, out=whole[1:3])
print(whole[0], whole[1].gt(1).all(), whole[3])
print(torch.rand(2, out=torch.empty(2)), torch.randn(2, 2, out=torch.empty(2, 2)), torch.full((2,), 3.0, out=torch.empty(2)))
attempt("out of another type", lambda: torch.add(torch.ones(2), 1, out=torch.empty(2, dtype=torch.long)))
attempt("out widened", lambda: torch.add(torch.ones(2), 1, out=torch.empty(2, dtype=torch.double)))
attempt("out resized", lambda: torch.add(torch.ones(2), 1, out=torch.empty(0)))
attempt("out requires grad", lambda: torch.add(torch.ones(2), 1, out=torch.empty(2, requires_grad=True)))
attempt("input requires grad", lambda: torch.add(torch.ones(2, requires_grad=True), 1, out=torch.empty(2)))

# three names for one thing
a = torch.ones(2, 2)
b = a
c = a.clone()
a[0][1] = 561
torch.add(a, 1, out=a)
print(a, b is a, c)
u, v = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
u, v = v, u
u.data, v.data = v.data, u.data
print(u, v)
