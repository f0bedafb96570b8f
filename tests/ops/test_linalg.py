"""Matrix products, linear algebra and Fourier transforms against PyTorch, beyond what its operator database covers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import torchish

LIBRARIES = (torch, torchish)
rng = np.random.default_rng(0)


def both(f):
    """f(library) on PyTorch and on torchish."""
    return [f(m) for m in LIBRARIES]


def host(x):
    return x.detach().resolve_conj().numpy()


def chain(fn, depth: int = 3) -> str:
    if fn is None:
        return "None"
    name = fn.name().replace("torch::autograd::", "")
    if depth and fn.next_functions:
        name += "(" + ", ".join(chain(f, depth - 1) for f, _ in fn.next_functions) + ")"
    return name


def matrix(*shape, dtype="float64"):
    x = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


# --- products ----------------------------------------------------------------------------------------------

SHAPES = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((2, 5, 3), (3, 4)), ((2, 5, 3), (3,)),
    ((3,), (2, 3, 5)), ((4, 3), (2, 3, 5)), ((2, 4, 3), (1, 3, 5)), ((1, 4, 3), (2, 3, 5)), ((2, 2, 4, 3), (2, 3, 5)),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_matmul_is_composed_as_pytorch_composes_it(a, b):
    x, y = matrix(*a), matrix(*b)

    def run(m):
        p, q = m.tensor(x, requires_grad=True), m.tensor(y, requires_grad=True)
        out = p @ q
        out.sum().backward()
        return host(out), host(p.grad), host(q.grad), chain(out.grad_fn), out.stride()

    want, got = both(run)
    for w, g in zip(want[:3], got[:3], strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-10, atol=1e-12)
    assert got[3:] == want[3:]


@pytest.mark.parametrize(("shape", "bias"), [((2, 3), True), ((3,), True), ((2, 5, 3), True), ((2, 5, 3), False)])
def test_linear_has_pytorchs_gradient_functions(shape, bias):
    x, w, b = matrix(*shape), matrix(4, 3), matrix(4)

    def run(m):
        args = [m.tensor(v, requires_grad=True) for v in ((x, w, b) if bias else (x, w))]
        return chain(m.nn.functional.linear(*args).grad_fn)

    want, got = both(run)
    assert got == want


def test_products_of_narrow_floats_are_summed_in_float32():
    x = torchish.ones(1, 4096, dtype=torchish.bfloat16) * 0.01
    assert (x @ x.T).item() == torch.mm(*(2 * [torch.ones(1, 4096, dtype=torch.bfloat16) * 0.01])[:1],
                                        (torch.ones(1, 4096, dtype=torch.bfloat16) * 0.01).T).item()  # fmt: skip


@pytest.mark.parametrize("equation", ["ij,jk->ik", "bij,bjk", "i,j->ij", "ii->i", "...ij,...jk->...ik", "ij,ij->", "ji"])
def test_einsum(equation):
    terms = equation.split("->")[0].split(",")
    sizes = {"b": 2, "i": 3, "j": 3, "k": 4}
    arrays = [matrix(*(sizes[c] for c in t.replace("...", "b"))) for t in terms]

    def run(m):
        ts = [m.tensor(a, requires_grad=True) for a in arrays]
        out = m.einsum(equation, *ts)
        (out * out).sum().backward()
        return [host(out), *(host(t.grad) for t in ts), out.grad_fn.name()]

    want, got = both(run)
    for w, g in zip(want[:-1], got[:-1], strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-10, atol=1e-12)
    assert got[-1] == want[-1]


EINSUM_LAYOUTS = [
    "ij,jk->ik", "ij,jk->ki", "ijb,jbk->ibk", "ibk,jbk->ijb", "bik,jk->bij", "ik,bjk->bij", "i,j->ji", "ij,kj->ijk", "bi,bi->ib",
    "bij,j->bji", "aij,jk->ika",
]  # fmt: skip


@pytest.mark.parametrize("equation", EINSUM_LAYOUTS)
@pytest.mark.parametrize("one", ["", "b"])
@pytest.mark.parametrize("turned", [False, True])
def test_einstein_sums_lie_in_memory_as_pytorchs(equation, one, turned):
    """A batched matrix product's result is permuted, not copied; that of a product without a sum lies as its operands do."""
    sizes = {"a": 1, "b": 2, "i": 3, "j": 4, "k": 5} | dict.fromkeys(one, 1)

    def run(m):
        ts = [m.ones(*(sizes[c] for c in term)) for term in equation.split("->")[0].split(",")]
        if turned:
            ts = [t.transpose(0, -1).contiguous().transpose(0, -1) for t in ts]
        out = m.einsum(equation, *ts)
        return [s for s, n in zip(out.stride(), out.shape, strict=True) if n != 1], m.nn.functional.relu(out).stride(), out.is_contiguous()

    want, got = both(run)
    assert got == want


# --- signs -------------------------------------------------------------------------------------------------

SIZES = [(2, 2), (3, 3), (8, 8), (26, 26), (3, 2), (12, 5), (2, 3), (3, 5), (3, 9), (2, 4, 11)]


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_singular_vectors_have_pytorchs_signs(shape, dtype):
    if dtype == "complex128" and shape[-1] > shape[-2] + 1:
        shape = (*shape[:-1], shape[-2] + 1)  # the rest of a complex basis is not fixed up to a sign
    x = matrix(*shape, dtype=dtype)
    want, got = both(lambda m: m.linalg.svd(m.tensor(x)))
    for w, g in zip(want, got, strict=True):
        np.testing.assert_allclose(host(g), host(w), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("n", [2, 3, 4, 7, 16, 25, 26])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("uplo", ["L", "U"])
def test_eigenvectors_have_pytorchs_signs(n, dtype, uplo):
    x = matrix(2, n, n, dtype=dtype)
    want, got = both(lambda m: m.linalg.eigh(m.tensor(x), uplo))
    for w, g in zip(want, got, strict=True):
        np.testing.assert_allclose(host(g), host(w), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("x", [np.diag([3.0, 1.0, 2.0]), np.eye(4), np.zeros((3, 3)), np.ones((5, 5))])
def test_eigenvectors_of_degenerate_matrices_are_orthonormal(x):
    w, v = torchish.linalg.eigh(torchish.tensor(x))
    np.testing.assert_allclose(host(v @ torchish.diag(w) @ v.T), x, atol=1e-12)
    np.testing.assert_allclose(host(v.T @ v), np.eye(len(x)), atol=1e-12)


# --- errors ------------------------------------------------------------------------------------------------

NAN = float("nan")
ERRORS = [
    lambda m: m.mm(m.zeros(2, 3), m.zeros(4, 5)),
    lambda m: m.spmm(m.zeros(2, 3), m.zeros(4, 5)),
    lambda m: m.mm(m.zeros(2, 3), m.zeros(3, 5, dtype=m.float64)),
    lambda m: m.mv(m.zeros(2, 3), m.zeros(4)),
    lambda m: m.dot(m.zeros(3), m.zeros(4)),
    lambda m: m.bmm(m.zeros(2, 3, 4), m.zeros(2, 5, 6)),
    lambda m: m.addmm(m.zeros(3), m.zeros(2, 3), m.zeros(3, 5)),
    lambda m: m.zeros(2, 3, dtype=m.bool) @ m.zeros(3, 2, dtype=m.bool),
    lambda m: m.einsum("ij,jk->ik", m.zeros(2, 3), m.zeros(4, 5)),
    lambda m: m.einsum("ij->ik", m.zeros(2, 3)),
    lambda m: m.linalg.multi_dot([m.zeros(2, 3), m.zeros(4, 5)]),
    lambda m: m.linalg.inv(m.zeros(2, 2)),
    lambda m: m.linalg.inv(m.zeros(3, 2, 2)),
    lambda m: m.linalg.inv(m.zeros(2, 3)),
    lambda m: m.linalg.solve(m.zeros(2, 2), m.zeros(2)),
    lambda m: m.linalg.solve(m.zeros(2, 2), m.zeros(3, 2)),
    lambda m: m.linalg.cholesky(m.tensor([[[1.0, 0], [0, 1]], [[1, 2], [2, 1]]])),
    lambda m: m.linalg.lu_factor(m.zeros(2, 2)),
    lambda m: m.linalg.svd(m.tensor([[NAN, 1], [1, 2]])),
    lambda m: m.linalg.eig(m.tensor([[NAN, 1], [1, 2]])),
    lambda m: m.linalg.matrix_norm(m.zeros(3, 3), 3),
    lambda m: m.linalg.norm(m.zeros(3, 3, 3), 2),
    lambda m: m.linalg.cond(m.zeros(3, 3), "x"),
    lambda m: m.linalg.cross(m.zeros(2, 4), m.zeros(2, 4)),
    lambda m: m.cdist(m.zeros(2, 3), m.zeros(2, 4)),
    lambda m: m.det(m.zeros(2, 2, dtype=m.int64)),
    lambda m: m.fft.fft(m.zeros(4), n=0),
    lambda m: m.fft.rfft(m.zeros(4, dtype=m.complex64)),
    lambda m: m.fft.fftn(m.zeros(4, 4), dim=(0, 0)),
    lambda m: m.stft(m.zeros(16), 4),
    lambda m: m.stft(m.zeros(16), 4, hop_length=0, return_complex=True),
]


@pytest.mark.parametrize("call", range(len(ERRORS)))
def test_errors_are_pytorchs(call):
    def run(m):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(Exception) as info:
                ERRORS[call](m)
        return type(info.value).__name__, str(info.value).split("\nException raised")[0]

    want, got = both(run)
    assert got == want


def test_linalgerror_is_a_runtime_error():
    with pytest.raises(torchish.linalg.LinAlgError, match="is singular"):
        torchish.inverse(torchish.zeros(2, 2))
    assert issubclass(torchish.linalg.LinAlgError, RuntimeError) and torchish._C._LinAlgError is torchish.linalg.LinAlgError


# --- gradients ---------------------------------------------------------------------------------------------

SINGULAR = [[[1.0, 2.0], [2.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]], [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]


@pytest.mark.parametrize("x", SINGULAR)
def test_gradient_of_det_at_singular_matrices(x):
    def run(m):
        a = m.tensor(x, dtype=m.float64, requires_grad=True)
        m.det(a).backward()
        return host(a.grad)

    want, got = both(run)
    np.testing.assert_allclose(got, want, atol=1e-12)


def test_singular_values_alone_are_differentiable_where_they_repeat():
    def run(m):
        a = m.eye(3, dtype=m.float64).requires_grad_()
        m.linalg.svdvals(a).sum().backward()
        return host(a.grad)

    want, got = both(run)
    np.testing.assert_allclose(got, want, atol=1e-12)


SECOND_ORDER = [
    lambda m, a: m.linalg.inv(a), lambda m, a: m.linalg.det(a), lambda m, a: m.linalg.svdvals(a),
    lambda m, a: m.linalg.eigvalsh(a + a.mT), lambda m, a: m.linalg.cholesky(a @ a.mT + 3 * m.eye(3, dtype=a.dtype)),
    lambda m, a: m.linalg.solve(a, a * a), lambda m, a: m.linalg.qr(a)[1], lambda m, a: m.linalg.slogdet(a)[1],
    lambda m, a: m.linalg.pinv(a), lambda m, a: m.linalg.matrix_exp(a), lambda m, a: m.fft.rfft(a).abs(),
]  # fmt: skip


@pytest.mark.parametrize("f", SECOND_ORDER)
def test_second_derivatives(f):
    x = matrix(3, 3)

    def run(m):
        a = m.tensor(x, requires_grad=True)
        out = f(m, a)
        (g,) = m.autograd.grad((out * out).sum(), a, create_graph=True)
        (h,) = m.autograd.grad((g * g).sum(), a)
        return host(g), host(h)

    want, got = both(run)
    for w, g in zip(want, got, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-6, atol=1e-8)


# --- transforms --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("center", [False, True])
def test_istft_inverts_stft(normalized, center):
    x = matrix(2, 64)
    options = dict(hop_length=4, normalized=normalized, center=center)

    def run(m):
        a, w = m.tensor(x), m.ones(16, dtype=m.float64)
        spectrum = m.stft(a, 16, window=w, return_complex=True, **options)
        return host(spectrum), host(m.istft(spectrum, 16, window=w, **options))

    want, got = both(run)
    for w, g in zip(want, got, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(got[1], x[:, : got[1].shape[1]], atol=1e-11)


@pytest.mark.parametrize("call", [
    lambda m: m.fft.fftfreq(7, 0.1), lambda m: m.fft.rfftfreq(6), lambda m: m.fft.fftshift(m.arange(5.0)),
    lambda m: m.fft.ifftshift(m.arange(5.0)),
])  # fmt: skip
def test_frequency_helpers(call):
    want, got = both(call)
    np.testing.assert_array_equal(host(got), host(want))


@pytest.mark.parametrize("kind", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("scale", [1e-9, 1e-5, 1e-2, 0.1, 0.5, 3, 10])
def test_exponentials_of_all_sizes(kind, scale):
    """One polynomial for each range of norms, PyTorch's, so that the rounding errors of large matrices are the same."""
    r = np.random.RandomState(0)
    a = (scale * (r.standard_normal((4, 4)) + (1j * r.standard_normal((4, 4)) if "complex" in kind else 0))).astype(kind)
    want, got = (t.linalg.matrix_exp(t.tensor(a)).numpy() for t in LIBRARIES)
    assert np.abs(want - got).max() <= 100 * np.finfo(kind).eps * np.abs(want).max()


@pytest.mark.parametrize("shape", [(2, 2), (1, 5, 5), (3, 5, 5), (2, 3, 7, 7)])
@pytest.mark.parametrize("scale", [0.01, 0.3, 1, 5])
def test_exponentials_of_small_matrices_have_the_same_bits(shape, scale):
    """Several matrices take the highest degree whatever their norms; products are rounded before they are added."""
    a = scale * np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    want, got = (t.linalg.matrix_exp(t.tensor(a)).numpy() for t in LIBRARIES)
    np.testing.assert_allclose(got, want, 0, np.spacing(np.abs(want).max()) / 1000)


def test_keywords_of_factorizations():
    x = torchish.eye(2)
    assert torchish.linalg.eigh(input=x)[0].tolist() == torchish.linalg.matrix_exp(input=0 * x).diagonal().tolist()
    assert torchish.linalg.lstsq(input=x, b=x)[0].tolist() == torchish.linalg.solve_triangular(input=x, B=x, upper=True).tolist()


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (2, 0, 3)])
@pytest.mark.parametrize("order", [1, 2, float("inf"), -1, "fro", "nuc"])
def test_norms_and_condition_of_empty_matrices(shape, order):
    """The largest of no values is 0; the least of none is an error."""
    calls = [
        lambda m, x: m.linalg.matrix_norm(x, order),
        lambda m, x: m.linalg.norm(x, order, (-1, -2), True),
        lambda m, x: m.linalg.cond(x, order),
    ]

    def run(m):
        results = []
        for call in calls:
            try:
                results.append(call(m, m.zeros(shape)).tolist())
            except (IndexError, RuntimeError) as error:
                results.append(str(error))
        return results

    theirs, ours = both(run)
    assert theirs == ours


# --- least squares -----------------------------------------------------------------------------------------

SYSTEMS = [((6, 4), (6, 2)), ((6, 4), (6, 9)), ((4, 4), (4,)), ((4, 6), (4, 3)), ((1, 5, 3), (4, 5, 2)), ((4, 5, 3), (4, 5)),
           ((2, 1, 3, 5), (2, 3, 3, 1)), ((0, 3), (0, 2)), ((3, 0), (3, 2)), ((2, 0, 3), (2, 0, 2))]  # fmt: skip


@pytest.mark.parametrize("driver", ["gels", "gelsy", "gelsd", "gelss"])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize(("a", "b"), SYSTEMS)
def test_least_squares(a, b, dtype, driver):
    """Full rank: many and few right-hand sides, tall and wide, batches that broadcast."""
    x, y = matrix(*a, dtype=dtype), matrix(*b, dtype=dtype)

    def run(m):
        p, q = m.tensor(x, requires_grad=True), m.tensor(y, requires_grad=True)
        got = m.linalg.lstsq(p, q, driver=driver)
        grads = m.autograd.grad(got.solution.abs().sum(), [p, q])
        return [host(v) for v in (*got, *grads)]

    for theirs, ours in zip(*both(run), strict=True):
        assert theirs.shape == ours.shape and theirs.dtype == ours.dtype
        np.testing.assert_allclose(theirs, ours, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("driver", ["gelsy", "gelsd", "gelss"])
@pytest.mark.parametrize("shape", [(6, 4), (4, 4), (3, 5)])
def test_least_squares_of_lower_rank(shape, driver):
    """The solution of least norm, which is that of the pseudo-inverse; `rcond` says what counts as zero."""
    x, y = matrix(*shape), matrix(shape[0], 2)
    x[1] = x[0]
    x[:, 1] = x[:, 0]
    got = torchish.linalg.lstsq(torchish.tensor(x), torchish.tensor(y), driver=driver)
    assert got.rank.item() == np.linalg.matrix_rank(x) < min(shape)
    np.testing.assert_allclose(host(got.solution), np.linalg.pinv(x) @ y, atol=1e-9)
    u, s, vh = np.linalg.svd(matrix(*shape), full_matrices=False)
    x = u * (s := np.linspace(1, 0.1, len(s))) @ vh
    got = torchish.linalg.lstsq(torchish.tensor(x), torchish.tensor(y), rcond=0.5, driver=driver)
    assert got.rank.item() == (s > 0.5).sum()
    np.testing.assert_allclose(host(got.solution), np.linalg.pinv(x, 0.5) @ y, atol=1e-9)


@pytest.mark.parametrize("name", ["fft", "rfft2", "hfft", "irfftn"])
def test_transforms_of_integers_are_rounded_once(name):
    x = np.random.default_rng(0).integers(-100, 100, (9, 16))
    want, got = (getattr(m.fft, name)(m.tensor(x)) for m in LIBRARIES)
    assert str(got.dtype) == str(want.dtype)
    exact = getattr(torchish.fft, name)(torchish.tensor(x).double()).to(got.dtype)
    np.testing.assert_array_equal(host(got), host(exact))
    np.testing.assert_allclose(host(got), host(want), 1e-4, 1e-3)
