"""Forward mode with dual tensors, and custom functions inside transforms: PyTorch's values, texts and errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch as pytorch
from torch.testing._internal.common_methods_invocations import op_db

import torchish

BOTH = [torchish, pytorch]


def outcome(f, t):
    """What a case prints on a library, or its exception."""
    t.manual_seed(0)
    try:
        return repr(f(t, t.autograd.forward_ad)).replace("torchish.", "torch.")
    except Exception as e:
        return f"{type(e).__name__}: {e}"


def duals(t, fw):
    x, v = t.randn(3), t.randn(3)
    with fw.dual_level():
        d = fw.make_dual(x, v)
        u = fw.unpack_dual(d)
        return d, d * 2, u.tangent is v, fw.unpack_dual(d.sin()), fw.unpack_dual(x), type(u).__name__, fw.unpack_dual(d > 0)


def ends_with_the_level(t, fw):
    with fw.dual_level():
        d = fw.make_dual(t.ones(2), t.ones(2))
        e = d * 3
    return fw.unpack_dual(d), e, e + 1


def views_and_writes(t, fw):
    with fw.dual_level():
        d = fw.make_dual(t.randn(3, 4), t.randn(3, 4))
        y = t.zeros(3)
        y[0] = d[0, 1]
        z = d.t()[1:].clone()
        z[0].mul_(2)
        z.view(-1)[3:].sub_(z[0, 0])
        a, b = d.split([1, 3], 1)
        return y, z, t.cat([a, b.flip(1)], 1).sum(0), d.detach()


def decomposed(t, fw):
    nn = t.nn
    net = nn.Sequential(nn.Conv1d(2, 3, 2), nn.BatchNorm1d(3), nn.GELU(), nn.Flatten(), nn.LayerNorm(9), nn.Linear(9, 2), nn.LogSoftmax(1))
    with t.no_grad(), fw.dual_level():
        return fw.unpack_dual(net(fw.make_dual(t.randn(2, 2, 4), t.randn(2, 2, 4)))).tangent.numpy().round(3).tolist()


def reverse_over_forward(t, fw):
    x = t.randn(3, requires_grad=True)
    with fw.dual_level():
        tangent = fw.unpack_dual((fw.make_dual(x, t.ones(3)).sin() * x).sum()).tangent
        return t.autograd.grad(tangent, x)


def forward_over_reverse(t, fw):
    x = t.randn(3, requires_grad=True)
    with fw.dual_level():
        d = fw.make_dual(x, t.ones(3))
        (g,) = t.autograd.grad((d.sin() * d).sum(), d)
        return fw.unpack_dual(g)


def backward_after_the_level(t, fw):
    x = t.randn(3, requires_grad=True)
    with fw.dual_level():
        y = (fw.make_dual(x, t.ones(3)) ** 3).sum()
    y.backward()
    return x.grad


ERRORS = {
    "size": lambda t, fw: fw.make_dual(t.ones(3), t.ones(2)),
    "integers": lambda t, fw: fw.make_dual(t.arange(3), t.ones(3)),
    "integer tangent": lambda t, fw: fw.make_dual(t.ones(3), t.arange(3)),
    "twice": lambda t, fw: fw.make_dual(fw.make_dual(t.ones(3), t.ones(3)), t.ones(3)),
    "tangent with tangent": lambda t, fw: fw.make_dual(t.ones(3), fw.make_dual(t.ones(3), t.ones(3))),
    "nested": lambda t, fw: fw.enter_dual_level(),
    "exit": lambda t, fw: fw.exit_dual_level(level=3),
}
CASES = [duals, ends_with_the_level, views_and_writes, decomposed, reverse_over_forward, forward_over_reverse, backward_after_the_level]


@pytest.mark.parametrize("f", CASES, ids=lambda f: f.__name__)
def test_dual_tensors(f):
    assert outcome(f, torchish) == outcome(f, pytorch)


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    def f(t, fw):
        with fw.dual_level():
            return ERRORS[name](t, fw)

    assert outcome(f, torchish) == outcome(f, pytorch)


def test_outside_of_levels():
    cases = lambda t, fw: fw.make_dual(t.ones(1), t.ones(1)), lambda t, fw: fw.exit_dual_level(), lambda t, fw: fw.unpack_dual(t.ones(2))
    for f in cases:
        assert outcome(f, torchish) == outcome(f, pytorch)


# One of each kind of operation.
OPS = "addmm amax atan2 cumprod fft.rfft index_select linalg.solve logsumexp nn.functional.conv2d nn.functional.gelu norm sort".split()


@pytest.mark.parametrize("name", OPS)
def test_operations(name):
    """Tangents of PyTorch's own samples."""
    info = next(o for o in op_db if o.name == name)
    pytorch.manual_seed(0)
    for sample in list(info.sample_inputs("cpu", pytorch.float64))[:3]:
        tangent = pytorch.randn(sample.input.shape, dtype=sample.input.dtype)
        got = []
        for t in BOTH:
            f = t
            for part in name.split("."):
                f = getattr(f, part)

            def move(x, t=t):
                return t.tensor(x.numpy()) if isinstance(x, pytorch.Tensor) else x

            fw = t.autograd.forward_ad
            with t.no_grad(), fw.dual_level():
                x = fw.make_dual(move(sample.input.detach()), move(tangent))
                out = f(x, *[move(a) for a in sample.args], **{k: move(v) for k, v in sample.kwargs.items()})
                got.append(np.asarray(fw.unpack_dual(out if isinstance(out, t.Tensor) else out[0]).tangent.resolve_conj().numpy()))
        np.testing.assert_allclose(got[0], got[1], 1e-7, 1e-9)


def functions(t):
    """Custom functions with a `jvp`, a `vmap`, and with a generated one."""

    class Power(t.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x, k):
            return x**2 * k

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0])
            ctx.save_for_forward(inputs[0])
            ctx.k = inputs[1]

        @staticmethod
        def backward(ctx, g):
            return g * 2 * ctx.saved_tensors[0] * ctx.k, None

        @staticmethod
        def jvp(ctx, x, k):
            assert k is None
            return 2 * ctx.saved_tensors[0] * ctx.k * x

    class Product(t.autograd.Function):
        @staticmethod
        def forward(x, y):
            return x * y

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            return g * b, g * a

        @staticmethod
        def jvp(ctx, x, y):
            a, b = ctx.saved_tensors
            return x * b + y * a

        @staticmethod
        def vmap(info, in_dims, x, y):
            assert info.batch_size == 3 and info.randomness == "error" and in_dims[0] == 0
            return Product.apply(x, y if in_dims[1] == 0 else y.unsqueeze(0)), 0

    return Power, Product


FUNCTION_CASES = {
    "jvp": lambda t, P, Q, x: t.func.jvp(lambda x: P.apply(x, 2.0), (x,), (x,)),
    "jvp of one of two": lambda t, P, Q, x: t.func.jvp(lambda a: Q.apply(a, x), (x,), (x,)),
    "generated vmap": lambda t, P, Q, x: t.vmap(lambda a: P.apply(a, 2.0))(x),
    "vmap": lambda t, P, Q, x: (t.vmap(Q.apply)(x, x), t.vmap(Q.apply, (0, None))(x, x[0])),
    "grad": lambda t, P, Q, x: t.vmap(t.func.grad(lambda a: P.apply(a, 2.0).sum()))(x),
    "hessian": lambda t, P, Q, x: t.func.hessian(lambda a: P.apply(a, 2.0).sum())(x),
    "both modes": lambda t, P, Q, x: t.func.grad(lambda a: t.func.jvp(lambda b: P.apply(b, 2.0), (a,), (x,))[1].sum())(x),
    "jacobians": lambda t, P, Q, x: (t.func.jacrev(lambda a: P.apply(a, 2.0))(x), t.func.jacfwd(lambda a: Q.apply(a, a).exp())(x)),
}


@pytest.mark.parametrize("name", FUNCTION_CASES)
def test_custom_functions(name):
    got = [outcome(lambda t, fw: FUNCTION_CASES[name](t, *functions(t), t.tensor([1.0, 2.0, 3.0])), t) for t in BOTH]
    assert got[0] == got[1] and "Error" not in got[0]


def test_custom_functions_without_rules():
    for t in BOTH:

        class Plain(t.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 2

            @staticmethod
            def backward(ctx, g):
                return g * 2

        class Split(Plain):
            @staticmethod
            def forward(x):
                return x * 2

            @staticmethod
            def setup_context(ctx, inputs, output):
                pass

        x = t.ones(2)
        with pytest.raises(RuntimeError, match="it must override the setup_context staticmethod"):
            t.vmap(Plain.apply)(x)
        with pytest.raises(RuntimeError, match="but it does not have vmap support"):
            t.vmap(Split.apply)(x)
        with t.autograd.forward_ad.dual_level(), pytest.raises(NotImplementedError, match="You must implement the jvp function"):
            Plain.apply(t.autograd.forward_ad.make_dual(x, x))


@pytest.mark.parametrize("n", [0, 3, 4, 12])
def test_a_tangent_prints_as_in_torch(n):
    """On the value's last line, or on one of its own where it would pass the line's width."""

    def text(t):
        from_numpy, forward_ad = t.from_numpy, t.autograd.forward_ad
        with forward_ad.dual_level():
            return repr(forward_ad.make_dual(from_numpy(np.full(n, 1.5, np.float32)), from_numpy(np.full(n, 0.25, np.float32))))

    assert text(torchish) == text(pytorch)


_SQUARE = np.random.RandomState(0).standard_normal((3, 3)) + 4 * np.eye(3)
_CHANGE = np.random.RandomState(1).standard_normal((3, 3))


@pytest.mark.parametrize(
    "f",
    [
        lambda t, x: t.linalg.cholesky(x @ x.mT),
        lambda t, x: t.linalg.cholesky(x),
        lambda t, x: t.linalg.cholesky(x, upper=True),
        lambda t, x: t.linalg.eigh(x)[0],
        lambda t, x: t.linalg.eigh(x, UPLO="U")[1].abs(),
        lambda t, x: t.triangular_solve(x, x)[0],
        lambda t, x: t.linalg.lu(x)[0],
        lambda t, x: t.linalg.matrix_power(x, 0),
    ],
)
def test_tangents_of_factorizations(f):
    """A tangent counts whole, also where the function reads one triangle of the matrix only."""
    got = []
    for t in (pytorch, torchish):
        with t.autograd.forward_ad.dual_level():
            x = t.autograd.forward_ad.make_dual(t.tensor(_SQUARE), t.tensor(_CHANGE))
            got.append(t.autograd.forward_ad.unpack_dual(f(t, x)).tangent)
    assert (got[0] is None) == (got[1] is None)
    if got[0] is not None:
        np.testing.assert_allclose(got[1].numpy(), got[0].numpy(), 1e-9, 1e-12)


def test_constant_gradients_have_no_tangent():
    for t in (pytorch, torchish):
        with t.autograd.forward_ad.dual_level():
            x = t.autograd.forward_ad.make_dual(t.tensor([0.5, -1.5], requires_grad=True), t.ones(2))
            (g,) = t.autograd.grad(x.floor(), x, t.ones(2))
            assert t.autograd.forward_ad.unpack_dual(g).tangent is None


def tangent_of_the_gradient(t, f, x, create_graph=True):
    fw = t.autograd.forward_ad
    with fw.dual_level():
        d = fw.make_dual(t.tensor(x, requires_grad=True), t.tensor(np.random.RandomState(1).standard_normal(x.shape)))
        y = f(t, d)
        cotangents = [np.random.RandomState(k).standard_normal(tuple(y.shape)) for k in (2, 3)]
        (g,) = t.autograd.grad(y, d, fw.make_dual(*map(t.tensor, cotangents)), create_graph=create_graph)
        return fw.unpack_dual(g).tangent.detach().numpy()


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize(
    "f",
    [
        lambda t, x: t.cumprod(x, 0),
        lambda t, x: t.logdet(x @ x.mT),
        lambda t, x: t.linalg.det(x),
        lambda t, x: t.linalg.slogdet(x)[1],
        lambda t, x: t.linalg.solve(x, x[:, :2]),
        lambda t, x: t.linalg.tensorsolve(x, x[0]),
        lambda t, x: t.logcumsumexp(x, 1),
    ],
)
def test_forward_over_reverse(f, create_graph):
    """As PyTorch has it where the gradient keeps its graph (without it, its formulas leave tangents out), and so with none."""
    x = np.array([[2.0, 0.5, -1.0], [0.0, 1.5, 0.7], [0.3, 0.0, -2.0]])
    np.testing.assert_allclose(
        tangent_of_the_gradient(torchish, f, x, create_graph), tangent_of_the_gradient(pytorch, f, x), 1e-8, 1e-10
    )


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("name", ["cholesky_inverse", "triangular_solve"])
def test_tangents_by_differences(name, upper):
    """Two that PyTorch's own rules get wrong, or only for transposed matrices."""
    r = np.random.RandomState(0)
    x, dx = ((np.triu if upper else np.tril)(r.standard_normal((3, 3)) + k * np.eye(3)) for k in (3, 0))

    def f(t, m):
        return t.cholesky_inverse(m, upper=upper) if name == "cholesky_inverse" else t.triangular_solve(m, m, upper, transpose=True)[0]

    fw, step = torchish.autograd.forward_ad, 1e-6
    with fw.dual_level():
        got = fw.unpack_dual(f(torchish, fw.make_dual(torchish.tensor(x), torchish.tensor(dx)))).tangent.numpy()
    ahead, behind = (f(pytorch, pytorch.tensor(x + s * dx)).numpy() for s in (step, -step))
    np.testing.assert_allclose(got, (ahead - behind) / (2 * step), 1e-6, 1e-8)


@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 4)])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_tangents_of_singular_vectors(dtype, full, shape):
    """Their phases and the vectors beyond the rank are free: as PyTorch chooses them."""
    r = np.random.RandomState(0)
    a, da = (r.standard_normal(shape) + (1j * r.standard_normal(shape) if dtype == "complex128" else 0) for _ in range(2))
    found = []
    for t in (torchish, pytorch):
        values, tangents = t.func.jvp(lambda x, t=t: tuple(t.linalg.svd(x, full_matrices=full)), (t.tensor(a),), (t.tensor(da),))
        # (whose products do not depend on the vectors' signs)
        found.append([(x * dx.conj()).resolve_conj().numpy() for x, dx in zip(values, tangents, strict=True)])
    for got, expected in zip(*found, strict=True):
        np.testing.assert_allclose(got, expected, 1e-9, 1e-10)


def draws(t, fw):
    with fw.dual_level():
        p = fw.make_dual(t.full((3,), 0.5), t.ones(3))
        drawn = [t.bernoulli(p), t.poisson(p), t.normal(p, 1.0)]
        drawn += [p.clone().uniform_(), p.clone().bernoulli_(0.3), p.clone().copy_(t.zeros(3))]
        norm = t.native_batch_norm(fw.make_dual(t.randn(4, 3), t.randn(4, 3)), None, None, None, None, True, 0.1, 1e-5)
        return [fw.unpack_dual(x) for x in drawn], [fw.unpack_dual(x).tangent is None for x in norm]


def test_draws_have_tangents_of_zero():
    assert outcome(draws, torchish) == outcome(draws, pytorch)


def test_random_numbers_of_a_single_dual_tensor():
    for t in (pytorch, torchish):
        with t.autograd.forward_ad.dual_level():
            x = t.autograd.forward_ad.make_dual(t.tensor(0.3, requires_grad=True), t.tensor(1.0))
            y = t.bernoulli(x)
            tangent = t.autograd.forward_ad.unpack_dual(y).tangent
            assert y.shape == () and (tangent is None or tangent.item() == 0)
            assert t.autograd.grad(y, x)[0].item() == 0
