"""Short programs at the edges of functions: both libraries print the same text, or raise the same error."""

import re

import pytest
import torch

import torchish

PROGRAMS = [
    # sizes and memory order of results
    *[f"print([t.shape for t in {f}(L.tensor(3.), return_inverse=True)])" for f in ("L.unique", "L.unique_consecutive")],
    "for t in (*x.t().sort(0), *x.t().sort(stable=True), x.t().argsort(0)): print(t.stride())",
    "for t in (x.t().diff(), x.t().diff(n=2, dim=0), x.t().diff(prepend=L.ones(4, 1))): print(t.stride())",
    # arguments
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
    # gradients
    "w = L.ones(2, requires_grad=True); v = w.view(L.int32); v.add_(1); print(v, v._is_view(), w)",
    "for p in (0.5, L.tensor(0.5)): print((L.ones(1, requires_grad=True) * 0.5).bernoulli_(p).grad_fn.name())",
    "z = L.ones(3, dtype=L.complex64, requires_grad=True); z[0].abs().backward(); print(z.grad)",
    *[
        f"v = L.tensor([float('nan'), 0., -0., -1., 2.], requires_grad=True); g, = L.autograd.grad(L.nn.functional.{f}(v).sum(), v, "
        "create_graph=True); h, = L.autograd.grad(g.sum(), v); print(g.detach(), h)"
        for f in ("elu", "celu", "selu")
    ],
]


def outcome(library, program, capsys):
    space = {"L": library, "x": library.arange(12.0).reshape(3, 4)}
    try:
        exec(program, space)
    except Exception as error:
        print(type(error).__name__, error)
    return re.sub("torchish", "torch", capsys.readouterr().out)


@pytest.mark.parametrize("program", PROGRAMS)
def test_both_libraries_do_the_same(program, capsys):
    assert outcome(torchish, program, capsys) == outcome(torch, program, capsys)
