"""Short programs at the edges of functions: both libraries print the same text, or raise the same error."""

import re

import numpy as np
import pytest
import torch
import torch.nn.utils.prune

import torchish

SAVING = """
class F(L.autograd.Function):
    @staticmethod
    def forward(ctx, x, y=1):
        ctx.save_for_backward(x, y)
        return x * 2.0

"""
PROGRAMS = [
    # sizes and memory order of results
    *[f"print([t.shape for t in {f}(L.tensor(3.), return_inverse=True)])" for f in ("L.unique", "L.unique_consecutive")],
    "for t in (*x.t().sort(0), *x.t().sort(stable=True), x.t().argsort(0)): print(t.stride())",
    "for t in (x.t().diff(), x.t().diff(n=2, dim=0), x.t().diff(prepend=L.ones(4, 1))): print(t.stride())",
    # Einstein sums that are products promote, those that contract do not
    *[
        f"print(L.einsum('{equation}', {operands}))"
        for equation, operands in (
            ("h,ij->hij", "L.tensor([.5, .25]), L.arange(6).view(2, 3)"), ("ij,j->ij", "L.arange(6).view(2, 3), x[0, :3]"),
            ("ij,j->i", "L.arange(6).view(2, 3), x[0, :3]"), ("i,->i", "x[0], L.tensor(2.).double()"),
            ("i,i,i->i", "x[0], L.arange(4), x[1].double()"), ("ij,k->k", "L.arange(6).view(2, 3), x[0]"),
        )
    ],
    # warnings
    """
import warnings
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter('always')
    L.distributions.Wishart(L.tensor(3.), L.eye(2)).sample()
print([str(w.message) for w in seen])
""",
    # a batch has no value for item, whatever its size
    "L.vmap(lambda a: a.item())(x)",
    "L.vmap(lambda a: a.sum().item())(x)",
    # arguments
    *[f"L.Tensor({args})" for args in ("2, 'a'", "2, 3.5", "2, None", "2, [3]", "'a'", "2, x")],
    "print(L.Tensor(2, True).shape, L.Tensor(2, L.tensor(3)).shape, L.Tensor(0, 3).shape, L.Tensor().shape)",
    "L.linalg.cross(L.tensor(1.), L.tensor(1.))",
    "L.cross(L.tensor(1.), L.tensor(1.), dim=0)",
    "print(L.tensor([1 + 2j, 0j], dtype=L.bool), L.tensor(1j, dtype=L.bool))",
    "x.argsort(0, stable=True)",
    "print(x.argsort(dim=0, stable=True))",
    "L.add(x.aminmax(), 1)",
    *[f"L.nn.{kind}(3, 4, bidirectional=True)(L.zeros(0, 2, 3))" for kind in ("RNN", "LSTM", "GRU")],
    # a leaf is refused before the other arguments are looked at
    *[
        f"L.ones(3, requires_grad=True).{call}"
        for call in (
            "__setitem__(L.tensor([0, 1]), L.ones(3))",
            "__setitem__(L.tensor([7]), 1.0)",
            "index_put_((L.tensor([0, 1]),), L.ones(3))",
            "masked_fill_(L.ones(2).bool(), 1.0)",
            "masked_scatter_(L.ones(2).bool(), L.ones(1))",
            "scatter_(4, L.tensor([0]), 1.0)",
            "index_add_(0, L.tensor([0]), L.ones(5))",
            "index_copy_(0, L.tensor([0]), L.ones(5))",
            "index_fill_(3, L.tensor([0]), 3)",
            "put_(L.tensor([9]), L.ones(3))",
        )
    ],
    # of the overloads of `to`, one has to take all arguments
    *[
        f"print(x.to({given})); print(L.nn.Linear(1, 1).to({given}).weight.dtype)"
        for given in (
            "float", "dtype=complex", "None, L.half", "'cpu', L.half, True", "L.ones(1).half()", "tensor=L.ones(1).half()", "1.5",
            "L.half, 'cpu'", "L.half, device='cpu'", "L.half, dtype=L.half", "L.half, None", "L.half, copy=1", "L.ones(1), L.half",
            "'cpu', True", "'cpu', L.half, True, False, 3", "dtype='float'", "device=3.5", "L.half, copy=True", "L.half, other=x",
            "L.half, memory_format=3", "[]",
        )
    ],
    # methods have no `out`
    *[f"x.{call}" for call in ("add(1, out=x)", "exp(out=None)", "sum(axis=0, out=x)", "sum(axis=None, out=None)", "max(axis=None)")],
    *[f"N.{call}" for call in ("sum(x)", "mean(x, axis=0)", "max(x)")],
    "print(N.isnan(x), N.isfinite(L.tensor(1.)), N.sqrt(x))",
    *[f"{make}(L.{d})" for make in ("L.finfo", "L.iinfo") for d in ("int8", "float32", "bool")],
    *[
        f"print({make}({d}))"
        for make in ("L.finfo", "L.iinfo")
        for d in ("int", "float", "bool", "complex", "3", "'float32'", "x", "type=int")
    ],
    "x.to(L.channels_last)",
    "x.to(L.strided)",
    "print(L.nn.functional.relu6(L.tensor([-0., 0., 6., 7., L.nan])), L.nn.functional.hardtanh(L.tensor([-0., 2.]), -0.5, 0.))",
    *[f"L.manual_seed({seed})" for seed in ("2**64", "-2**63 - 1")],
    "for t in (x[0, :2], L.ones(0), L.ones(2, device='meta')): print(t.untyped_storage()); print(t.storage())",
    "print(L.cuda.amp.GradScaler, L.cuda.amp.autocast)",
    *[
        f"print(L.nn.functional.adaptive_avg_pool{n}d(L.ones({shape}), 1))"
        for n in (1, 2, 3)
        for shape in ("3", "2, 0, 3", "1, 2, 1, 1, 2, 0, 2")
    ],
    # normalized weights
    *[
        f"for f in (L.nn.utils.weight_norm, L.nn.utils.parametrizations.weight_norm): m = f(L.nn.Conv1d(2, 3, 4).double(), dim={dim}); "
        "print(m.weight.grad_fn.name()); m.weight.cos().sum().backward(); print([p.grad for p in m.parameters()])"
        for dim in (0, 1, 2, None)
    ],
    "m = L.nn.Linear(2, 2); P = L.nn.utils.prune; P.identity(m, 'weight')\n"
    "for amount in (1.5, 2):\n"
    "    try: P.l1_unstructured(m, 'weight', amount)\n"
    "    except Exception as e: print(type(e), e)",
    # gradients
    *[
        f"a = L.ones(2, 3, requires_grad=True); print([n for n in dir(({f}).grad_fn) if n.startswith(('_saved', '_raw'))])"
        for f in (
            "a * 2", "a * a", "a**2", "2**a", "a.exp()", "a.relu()", "a.log()", "a.std()", "a.clamp(0, 1)", "a.max()", "a.roll(1)",
            "L.where(x[:2, :3] > 0, a, 0)", "L.nn.functional.mse_loss(a, x[:2, :3])", "a.clone()",
        )
    ],
    *[f"t = L.ones(2, 2, device='meta'); t.{read}" for read in ("tolist()", "sum().item()", "numpy()", "to('cpu')")],
    "L.nn.Linear(2, 2, device='meta').to('cpu')",
    # a view as another dtype can be written where there are no elements
    *[
        f"x = L.zeros({shape}, dtype=L.{old}); v = x.view(L.{new}); v.zero_(); v += 1; print(x, v, x._version)"
        for shape in ((0, 0), (0, 8), (2, 0, 4), (1, 8))
        for old, new in (("cdouble", "int64"), ("float64", "int32"), ("uint8", "float32"), ("float32", "cfloat"), ("cfloat", "bool"))
    ],
    # ... and takes memory that fits
    *[
        f"x = L.zeros(4, 8, dtype=L.uint8); v = {f}.view(L.float32); print(v, v.stride(), v.storage_offset())"
        for f in ("x[:, 4:]", "x[::2]", "x[:, 2:6]", "x[:, :6]", "x.reshape(-1)[2:26].view(4, 6)[:, 2:]", "x[0, 0]", "x[:, :4]")
    ],
    # what has no derivative says so in two ways
    *[
        f"x = L.ones(3, 3, requires_grad=True); {f}.sum().backward()"
        for f in ("(x // 2)", "x.floor_divide(x)", "x.unique()", "x.unique(dim=0)", "x.unique_consecutive()")
    ],
    # shapes without values take no memory, and no random numbers
    *[
        f"e = L.empty(1024, 3, 65536, 65536, device='meta'); t = {f}; print(t, t.stride(), L.get_rng_state().sum())"
        for f in (
            "L.ones(e.shape, device='meta')", "L.randn(e.shape, device='meta')", "L.randint(9, e.shape, device='meta')",
            "L.full_like(e, 2)", "e.normal_()", "L.nn.functional.dropout(e).bernoulli()", "L.nn.Conv2d(3, 5, 2, device='meta')(e)",
            "L.randperm(5, device='meta')", "e[0, 0].multinomial(2)", "L.ones(1).expand(e.shape).to('meta')",
            "L.nn.Embedding(2**30, 2**12, device='meta').weight",
        )
    ],
    *[
        f"L.autograd.gradcheck(lambda a: {f}, L.full((2,), 2., requires_grad=True, dtype=L.{d}))"
        for f, d in (("a**3", "float32"), ("a.double()**4", "float32"), ("a.detach()*a*(1 + 2j)", "float64"), ("a.detach()*a", "cdouble"))
    ],
    *[f"{SAVING}print(F.apply({args}))" for args in ("3", "x, 2", "x.requires_grad_(), 2", "x.requires_grad_(), None")],
    "w = L.ones(2, requires_grad=True); v = w.view(L.int32); v.add_(1); print(v, v._is_view(), w)",
    "for p in (0.5, L.tensor(0.5)): print((L.ones(1, requires_grad=True) * 0.5).bernoulli_(p).grad_fn.name())",
    "z = L.ones(3, dtype=L.complex64, requires_grad=True); z[0].abs().backward(); print(z.grad)",
    *[
        f"v = L.tensor([float('nan'), 0., -0., -1., 2.], requires_grad=True); g, = L.autograd.grad(L.nn.functional.{f}(v).sum(), v, "
        "create_graph=True); h, = L.autograd.grad(g.sum(), v); print(g.detach(), h)"
        for f in ("elu", "celu", "selu")
    ],
    # tangents and gradients of arrays that fill vectors, and of shorter ones
    *[
        f"v = L.tensor([float('nan'), 0., -0., -1., 1., 0.5, -0.5, 6.] * {n}); f = lambda v: L.nn.functional.{f}\n"
        "print(f(v)[:8], L.func.jvp(f, (v,), (L.ones_like(v),))[1][:8], L.autograd.grad(f(v.requires_grad_()).sum(), v)[0][:8])"
        for f in ("elu(v)", "celu(v)", "hardtanh(v)", "relu6(v)", "hardshrink(v)", "softshrink(v)", "prelu(v, L.tensor([0.25]))")
        for n in (1, 40)
    ],
]


def outcome(library, program, capsys):
    library.manual_seed(0)
    space = {"L": library, "N": np, "x": library.arange(12.0).reshape(3, 4)}
    try:
        exec(program, space)
    except Exception as error:
        print(type(error).__name__, error)
    return re.sub("torchish", "torch", capsys.readouterr().out)


@pytest.mark.parametrize("program", PROGRAMS)
def test_both_libraries_do_the_same(program, capsys):
    assert outcome(torchish, program, capsys) == outcome(torch, program, capsys)


@pytest.mark.parametrize(
    "use",
    [
        lambda m: m[m > 0], lambda m: m.nonzero(), lambda m: m.masked_select(m > 0), lambda m: m.unique(), lambda m: torchish.equal(m, m),
        lambda m: torchish.where(m > 0), lambda m: m.long().flatten().bincount(), lambda m: m.tolist(),
    ],
)  # fmt: skip
def test_meta_tensors_have_no_values_to_look_at(use):
    with pytest.raises(NotImplementedError):
        use(torchish.ones(2, 3, device="meta"))


def test_meta_tensors_meet_numbers_of_the_cpu_and_are_drawn_from():
    m = torchish.ones(2, 3, device="meta")
    for made in (m + torchish.tensor(1.0), torchish.tensor(2.0) * m, torchish.where(m > 0, m, torchish.tensor(0.0)), m.bernoulli()):
        assert made.is_meta and made.shape == (2, 3)
    assert m.multinomial(1).shape == (2, 1)


def test_modes_are_asked_about_functions_of_special_only():
    functions = torchish.overrides.get_overridable_functions()[torchish.special]
    names = [torchish.overrides.resolve_name(f).rpartition(".")[2] for f in functions]
    assert names and all(hasattr(torch.special, name) for name in names)
