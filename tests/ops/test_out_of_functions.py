"""`out=` of the functions of nn.functional that are C functions in PyTorch, and of copies of views."""

import numpy as np
import pytest
import torch as pytorch

import torchish

X = np.random.RandomState(0).randn(3, 4).astype("float32")
CALLS = {
    "linear": lambda m, x, out: m.nn.functional.linear(x, x, out=out),
    "gelu": lambda m, x, out: m.nn.functional.gelu(x, approximate="tanh", out=out),
    "softplus": lambda m, x, out: m.nn.functional.softplus(x, 2, out=out),
    "softshrink": lambda m, x, out: m.nn.functional.softshrink(x, out=out),
    "hardshrink": lambda m, x, out: m.nn.functional.hardshrink(x, 0.2, out=out),
    "torch.hardshrink": lambda m, x, out: m.hardshrink(x, 0.2, out=out),
    "logsigmoid": lambda m, x, out: m.nn.functional.logsigmoid(x, out=out),
}


def attempt(f):
    try:
        return f()
    except Exception as e:
        return type(e).__name__, str(e)


@pytest.mark.parametrize("name", CALLS)
def test_results_go_into_out(name):
    found = []
    for m in (pytorch, torchish):
        out = m.empty(0)
        assert CALLS[name](m, m.tensor(X), out) is out
        found.append(out.numpy())
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["int64", "float64"])
@pytest.mark.parametrize("name", CALLS)
def test_out_of_another_dtype_is_refused(name, dtype):
    errors = [attempt(lambda m=m: CALLS[name](m, m.tensor(X), m.empty(0, dtype=getattr(m, dtype)))) for m in (pytorch, torchish)]
    assert errors[0] == errors[1]


@pytest.mark.parametrize("name", CALLS)
def test_out_is_refused_where_a_gradient_is_asked_for(name):
    errors = [attempt(lambda m=m: CALLS[name](m, m.tensor(X, requires_grad=True), m.empty(0))) for m in (pytorch, torchish)]
    assert errors[0] == errors[1]


def test_parts_go_into_lists():
    found = []
    for m in (pytorch, torchish):
        x = m.tensor(X)
        rows, parts = [m.empty(4) for _ in range(3)], [m.empty(0), m.empty(0)]
        assert m.unbind_copy(x, out=rows) is None
        assert m.split_with_sizes_copy(x, [1, 3], 1, out=parts) is None
        found.append([t.tolist() for t in rows + parts])
    assert found[0] == found[1]
