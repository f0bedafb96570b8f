"""torch.nn.functional against PyTorch: values, gradients, gradient function names and error texts."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch as real

import torchish as torch
from torchish.ops import lowering

RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 4, 6, 6))
Y = RNG.standard_normal((2, 4, 6, 6))
W = RNG.standard_normal((6, 4, 3, 3))
LABELS = RNG.integers(0, 4, (2, 6, 6))
GRID = RNG.uniform(-1.2, 1.2, (2, 5, 5, 2))
KINKS = np.array([-np.inf, -6.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0, 25.0, np.nan]).reshape(1, 12)


def both(call, *arrays, grad=True):
    """`call(torch, F, *tensors)` in both libraries: results, gradient function names, gradients."""
    seen = []
    for t in (torch, real):
        tensors = [t.tensor(a, requires_grad=grad and a.dtype.kind == "f") for a in arrays]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = call(t, t.nn.functional, *tensors)
        outs = out if isinstance(out, (tuple, list)) else (out,)
        names = [o.grad_fn.name() if o.grad_fn is not None else None for o in outs]
        values = [o.detach().numpy() for o in outs]
        grads = []
        if grad and outs[0].requires_grad:
            (outs[0] * outs[0]).sum().backward()
            grads = [None if v.grad is None else v.grad.numpy() for v in tensors]
        seen.append((names, values, grads))
    return seen


def agree(call, *arrays, grad=True, rtol=1e-7):
    (names, values, grads), (names2, values2, grads2) = both(call, *arrays, grad=grad)
    assert names == names2
    for a, b in zip(values + grads, values2 + grads2, strict=True):
        if a is None or b is None:
            assert a is b
            continue
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-9)


UNARY = [
    "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "softsign", "softshrink",
    "hardshrink", "tanhshrink", "hardtanh", "hardsigmoid", "hardswish", "logsigmoid", "rrelu",
]  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_activation_at_its_kinks(name):
    agree(lambda t, F, x: getattr(F, name)(x), KINKS[:, 1:-1])
    agree(lambda t, F, x: getattr(F, name)(x), KINKS, grad=False)


@pytest.mark.parametrize("name", ["relu", "relu6", "leaky_relu", "elu", "silu", "mish", "hardtanh", "hardswish", "dropout"])
def test_inplace_writes_into_the_input(name):
    t = torch.tensor(X)
    out = getattr(torch.nn.functional, name)(t, inplace=True)
    assert out is t
    assert t._version == 1


CALLS = {
    "conv2d": lambda t, F, x, w: F.conv2d(x, w),
    "conv2d strided": lambda t, F, x, w: F.conv2d(x, w, stride=2, padding=1, dilation=2),
    "conv2d same, even kernel": lambda t, F, x, w: F.conv2d(x, w[:, :, :2, :2], padding="same"),
    "conv2d groups": lambda t, F, x, w: F.conv2d(x, w[:, :2], groups=2),
    "conv2d unbatched": lambda t, F, x, w: F.conv2d(x[0], w),
    "conv_transpose2d": lambda t, F, x, w: F.conv_transpose2d(x, w[:4], stride=2, padding=1, output_padding=1),
    "conv_transpose2d groups": lambda t, F, x, w: F.conv_transpose2d(x, w[:4], groups=2, dilation=2),
    "max_pool2d": lambda t, F, x, w: F.max_pool2d(x, 2),
    "max_pool2d overlapping": lambda t, F, x, w: F.max_pool2d(x, 3, 2, 1, ceil_mode=True, return_indices=True),
    "max_pool2d dilated": lambda t, F, x, w: F.max_pool2d(x, 2, 1, 1, 2, return_indices=True),
    "max_pool2d remainder": lambda t, F, x, w: F.max_pool2d(x[..., :5, :], 2),
    "max_pool1d": lambda t, F, x, w: F.max_pool1d(x[0], 2),
    "max_pool3d": lambda t, F, x, w: F.max_pool3d(x, 2, return_indices=True),
    "max_pool2d large": lambda t, F, x, w: F.max_pool2d(t.cat([x, x], -1), (6, 12), return_indices=True),
    "avg_pool2d": lambda t, F, x, w: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
    "avg_pool3d": lambda t, F, x, w: F.avg_pool3d(x, 2),
    "adaptive_avg_pool2d": lambda t, F, x, w: F.adaptive_avg_pool2d(x, (4, 3)),
    "adaptive_avg_pool2d to 1": lambda t, F, x, w: F.adaptive_avg_pool2d(x, 1),
    "adaptive_max_pool2d": lambda t, F, x, w: F.adaptive_max_pool2d(x, (4, 3), return_indices=True),
    "lp_pool2d": lambda t, F, x, w: F.lp_pool2d(x, 2, 2),
    "batch_norm": lambda t, F, x, w: F.batch_norm(x, None, None, w[:4, 0, 0, 0], w[:4, 0, 0, 1], training=True),
    "layer_norm": lambda t, F, x, w: F.layer_norm(x, (6,), w[:, 0, 0, 0], w[:, 0, 0, 1]),
    "group_norm": lambda t, F, x, w: F.group_norm(x, 2, w[:4, 0, 0, 0]),
    "instance_norm": lambda t, F, x, w: F.instance_norm(x, weight=w[:4, 0, 0, 0]),
    "rms_norm": lambda t, F, x, w: F.rms_norm(x, (6,), w[:, 0, 0, 0]),
    "local_response_norm": lambda t, F, x, w: F.local_response_norm(x, 3),
    "normalize": lambda t, F, x, w: F.normalize(x),
    "bilinear": lambda t, F, x, w: F.interpolate(x, scale_factor=1.7, mode="bilinear"),
    "bilinear, one dimension as it was": lambda t, F, x, w: F.interpolate(x, scale_factor=(1.7, 1.1), mode="bilinear"),
    "bicubic": lambda t, F, x, w: F.interpolate(x, size=(9, 4), mode="bicubic", align_corners=True),
    "antialias": lambda t, F, x, w: F.interpolate(x, size=(3, 4), mode="bilinear", antialias=True),
    "antialias of one dimension": lambda t, F, x, w: F.interpolate(x, size=(6, 15), mode="bicubic", antialias=True),
    "bicubic, far up": lambda t, F, x, w: F.interpolate(x, size=(100, 7), mode="bicubic"),
    "bilinear, down": lambda t, F, x, w: F.interpolate(x, size=(2, 1), mode="bilinear"),
    "nearest, down": lambda t, F, x, w: F.interpolate(x, scale_factor=0.4),
    "nearest": lambda t, F, x, w: F.interpolate(x, scale_factor=2),
    "nearest-exact": lambda t, F, x, w: F.interpolate(x, size=(4, 9), mode="nearest-exact"),
    "area": lambda t, F, x, w: F.interpolate(x, scale_factor=0.5, mode="area"),
    "pixel_shuffle": lambda t, F, x, w: F.pixel_shuffle(x, 2),
    "pixel_unshuffle": lambda t, F, x, w: F.pixel_unshuffle(x, 3),
    "channel_shuffle": lambda t, F, x, w: F.channel_shuffle(x, 2),
    "unfold": lambda t, F, x, w: F.unfold(x, 3, 2, 1, 2),
    "fold": lambda t, F, x, w: F.fold(F.unfold(x, 3, 1, 1, 2), (6, 6), 3, 1, 1, 2),
    "glu": lambda t, F, x, w: F.glu(x, 1),
    "prelu": lambda t, F, x, w: F.prelu(x, w[:4, 0, 0, 0]),
    "attention": lambda t, F, x, w: F.scaled_dot_product_attention(x, x, x, is_causal=True),
    "attention, composed": lambda t, F, x, w: F.scaled_dot_product_attention(x[0], x[0], x[0]),
}


@pytest.mark.parametrize("name", CALLS)
def test_value_gradient_and_name(name):
    agree(CALLS[name], X, W)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_attention_that_may_see_nothing(dropout):
    """Zeros, and no gradient."""
    seen = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1]], bool)

    def call(t, F, x):
        t.manual_seed(0)
        return F.scaled_dot_product_attention(x, x, x, t.tensor(seen), dropout)

    agree(call, X.reshape(-1)[:24].reshape(1, 2, 3, 4))


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_grid_sample(mode, padding):
    agree(lambda t, F, x, g: F.grid_sample(x, g, mode, padding, align_corners=False), X, GRID)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("shape", [(2, 3, 5, 20), (2, 3, 4, 5, 6)])
def test_grid_sample_of_16_bits_reads_the_same_places(dtype, shape):
    """Each step to a place rounds as in PyTorch's kernels; nearest values are the same, the others but for the rounding of a sum."""
    n = len(shape) - 2
    x = RNG.standard_normal(shape).astype(np.float32)
    grid = RNG.uniform(-1.5, 1.5, (2, *[7] * n, n)).astype(np.float32)
    for mode in ("nearest", "bilinear", "bicubic")[: 5 - n]:
        for padding in ("zeros", "border", "reflection"):
            want, have = (
                t.nn.functional.grid_sample(
                    *(t.tensor(v).to(getattr(t, dtype)) for v in (x, grid)), mode, padding, align_corners=padding == "border"
                ).float().numpy()
                for t in (real, torch)
            )  # fmt: skip
            error = 0 if mode == "nearest" else 2e-2 if dtype == "bfloat16" else 3e-3
            np.testing.assert_allclose(have, want, rtol=error, atol=error)


LOSSES = [
    "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "soft_margin_loss", "poisson_nll_loss", "kl_div",
    "hinge_embedding_loss", "binary_cross_entropy_with_logits", "multilabel_soft_margin_loss",
]  # fmt: skip


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_loss_of_two_tensors(name, reduction):
    agree(lambda t, F, x, y: getattr(F, name)(x, y.detach(), reduction=reduction), X, Y)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_gradient_of_soft_margin_loss_overflows(dtype, reduction):
    """Where the exponential is infinite, which takes 12 in float16, the gradient is nan."""
    grads = []
    for t in (real, torch):
        kind = getattr(t, dtype)
        x = t.tensor([1.0, -2, 8, -11.5, 5, -100, 12, -1000], dtype=kind, requires_grad=True)
        y = t.tensor([0.5, -3, 2, 2, -1, 1, -1, 1], dtype=kind)
        t.nn.functional.soft_margin_loss(x, y, reduction=reduction).backward()
        grads.append(x.grad.double().numpy())
    np.testing.assert_allclose(grads[1], grads[0], {"float64": 1e-12, "float32": 1e-6}.get(dtype, 1e-3), 1e-300)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("options", [{}, {"ignore_index": 1}, {"label_smoothing": 0.1}, {"label_smoothing": 0.1, "ignore_index": 2}])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy(reduction, options, weighted):
    weight = np.array([0.5, 1.0, 2.0, 0.1])

    def call(t, F, x, y):
        w = t.tensor(weight) if weighted else None
        return F.cross_entropy(x, y, w, reduction=reduction, **options)

    agree(call, X, LABELS)
    agree(call, X[..., 0, 0], LABELS[:, 0, 0])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("rows", "classes"), [(6, 4), (300, 100), (5000, 20)])
def test_ignored_targets_take_no_part(rows, classes, weighted, reduction):
    """Whatever the values at an ignored class are."""
    generator = np.random.default_rng(0)
    x, y, w = generator.standard_normal((rows, classes)), generator.integers(0, classes, rows), generator.random(classes)
    y[:2], x[0, 2], x[1, 2] = 2, np.nan, -np.inf
    got = []
    for t in (real, torch):
        values, weight = t.tensor(x, requires_grad=True), t.tensor(w) if weighted else None
        loss = t.nn.functional.nll_loss(values, t.tensor(y), weight, ignore_index=2, reduction=reduction)
        loss.sum().backward()
        got.append((loss.detach().numpy(), values.grad.numpy()))
    for want, have in zip(*got, strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-12, atol=1e-15)


def test_cross_entropy_of_probabilities():
    agree(lambda t, F, x, y: F.cross_entropy(x, y.softmax(1), label_smoothing=0.2), X, Y)


def test_ctc_loss_of_varying_lengths():
    logits = RNG.standard_normal((7, 3, 5))
    targets = np.array([[1, 1, 2], [3, 4, 0], [0, 0, 0]])

    def call(t, F, x, y):
        return F.ctc_loss(x.log_softmax(-1), y, (7, 5, 4), (3, 2, 0), reduction="none")

    agree(call, logits, targets)


def test_max_pool_gives_the_gradient_to_the_first_maximum():
    agree(lambda t, F, x: F.max_pool2d(x, 2), np.ones((1, 1, 4, 4)))
    agree(lambda t, F, x: F.max_pool2d(x, 3, 1, 1), np.ones((1, 1, 4, 4)))
    agree(lambda t, F, x: F.max_pool2d(x, 2, return_indices=True), np.full((1, 1, 4, 4), np.nan), grad=False)
    agree(lambda t, F, x: F.max_pool2d(x, 3, 2, 1, return_indices=True), np.full((1, 1, 4, 4), -np.inf), grad=False)


def test_batch_norm_moves_the_running_statistics():
    def call(t, F, x):
        mean, var = t.zeros(4, dtype=t.float64), t.ones(4, dtype=t.float64)
        F.batch_norm(x, mean, var, training=True, momentum=0.3)
        return mean, var, F.batch_norm(x, mean, var)

    agree(call, X, grad=False)


def test_second_order_gradient():
    def call(t, F, x, w):
        y = F.avg_pool2d(F.max_pool2d(F.gelu(F.conv2d(x, w)), 2), 2).sum()
        (g,) = t.autograd.grad(y, x, create_graph=True)
        return (g * g).sum()

    seen = []
    for t in (torch, real):
        x, w = t.tensor(X, requires_grad=True), t.tensor(W, requires_grad=True)
        call(t, t.nn.functional, x, w).backward()
        seen.append((x.grad.numpy(), w.grad.numpy()))
    for a, b in zip(*seen, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("batch, size, channels, block", [(64, 20, 2, 4), (64, 25, 3, 5), (40, 19, 3, 4)])
def test_blocked_convolution_is_the_convolution(batch, size, channels, block):
    x, w = RNG.standard_normal((batch, channels, size, size)), RNG.standard_normal((5, channels, 3, 3))
    if lowering.jax.default_backend() == "cpu":
        assert lowering.choose(x, w, (1, 1), ((1, 1), (1, 1)), (1, 1), 1, "weight") == block
    agree(lambda t, F, x, w: F.conv2d(x, w, padding=1), x, w)


@pytest.mark.parametrize("kernel, stride, dilation", [(3, 1, 1), (3, 2, 1), (1, 2, 1), ((2, 3), (1, 2), (2, 1))])
@pytest.mark.parametrize("most", [1 << 24, 5000], ids=["at once", "in parts"])
def test_convolution_as_a_product_of_windows(monkeypatch, kernel, stride, dilation, most):
    """The weight's gradient of many channels, also where the windows of some images are all that is made at once."""
    monkeypatch.setattr(lowering, "WINDOWS_MAX", most)
    x, w = RNG.standard_normal((7, 17, 9, 8)), RNG.standard_normal((5, 17, *(kernel if isinstance(kernel, tuple) else (kernel, kernel))))
    agree(lambda t, F, x, w: F.conv2d(x, w, stride=stride, padding=1, dilation=dilation), x, w)
    agree(lambda t, F, x, w: F.conv_transpose2d(x, w, stride=stride, dilation=dilation), RNG.standard_normal((7, 5, 9, 8)), w)
    agree(lambda t, F, x, w: F.conv3d(x, w), x[:6].reshape(2, 17, 3, 9, 8), w[:, :, None])
    agree(lambda t, F, x, w: F.conv2d(x, w, groups=2), np.concatenate([x, x], 1), np.concatenate([w, w[:3]]))


@pytest.mark.parametrize("stride, padding, dilation, groups", [(2, 1, 1, 1), ((2, 1, 3), 0, (1, 2, 1), 1), (1, 2, 1, 2)])
def test_transposed_convolutions_of_volumes(stride, padding, dilation, groups):
    """They are sums over the planes of the kernel: as one convolution with a dilated image they were a hundred times slower."""
    x, w = RNG.standard_normal((2, 4, 5, 4, 6)), RNG.standard_normal((4, 3, 4, 3, 2))
    more = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    agree(lambda t, F, x, w: F.conv_transpose3d(x, w, **more), x, w)
    agree(lambda t, F, x, w: F.conv_transpose3d(x, w, output_padding=(0, 1, 0), **more | {"stride": 2}), x, w)


@pytest.mark.parametrize(
    "image, kernel, padding",
    [((2, 2), (3, 3), 1), ((3, 4), (5, 5), 2), ((1, 1), (3, 3), 1), ((4, 4), (3, 3), 0), ((3,), (5,), 2), ((2, 2, 2), (3, 3, 3), 1)],
)
def test_convolutions_of_images_smaller_than_the_kernel(image, kernel, padding):
    """Or with such outputs, as in the gradient: XLA would change image and kernel over, and be a hundred times slower."""
    n = len(image)
    x, w = RNG.standard_normal((6, 4, *image)), RNG.standard_normal((8, 4, *kernel))
    agree(lambda t, F, x, w: getattr(F, f"conv{n}d")(x, w, padding=padding), x, w)
    agree(lambda t, F, x, w: getattr(F, f"conv_transpose{n}d")(x, w, padding=padding), np.concatenate([x, x], 1), w)


@pytest.mark.parametrize(
    "image, kernel, padding, dilation",
    [((4, 6), (2, 4), 1, 1), ((1, 4), (2, 2), 1, 1), ((2, 3), (2, 3), (1, 2), (1, 2)), ((5,), (4,), 1, 1), ((5, 6, 4), (3, 2, 3), 1, 1)],
)
def test_strided_convolutions_with_few_outputs(image, kernel, padding, dilation):
    """Their gradients, which XLA's simplifier cannot do as convolutions, and those of transposed ones."""
    n = len(image)
    x, w = RNG.standard_normal((6, 4, *image)), RNG.standard_normal((8, 4, *kernel))
    agree(lambda t, F, x, w: getattr(F, f"conv{n}d")(x, w, stride=2, padding=padding, dilation=dilation), x, w)
    y = RNG.standard_normal((6, 8, *[min(size, 3) for size in image]))
    agree(lambda t, F, y, w: getattr(F, f"conv_transpose{n}d")(y, w, stride=2, padding=1, output_padding=1, dilation=dilation), y, w)
    whole = [
        getattr(t.nn.functional, f"conv_transpose{n}d")(*(t.tensor(np.round(4 * v).astype(np.int64)) for v in (y, w)), stride=2).numpy()
        for t in (real, torch)
    ]
    np.testing.assert_array_equal(*whole)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stride", [2, 4])
def test_transposed_convolutions_of_16_bits(n, groups, dtype, stride):
    """In float16, and with an output padding of the stride or more, PyTorch's own kernel rounds each product and sum."""
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(shape) for shape in ((2, 2, *(5, 6, 4)[:n]), (2, 2, *(3, 2, 4)[:n]), 2 * groups))
    want, got = (
        getattr(t.nn.functional, f"conv_transpose{n}d")(
            *(t.tensor(v).to(getattr(t, dtype)) for v in (x, w, b)),
            stride=stride, padding=1, output_padding=(1, 2, 3)[3 - n :], dilation=4, groups=groups,
        ).float().numpy()
        for t in (real, torch)
    )  # fmt: skip
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("padding_mode", ["zeros", "reflection"])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("shape, out", [((3, 8, 9, 11), (30, 31)), ((1, 8, 9, 7), (40, 60)), ((2, 5, 6, 7, 8), (12, 12, 14))])
def test_many_sampled_places(shape, out, mode, padding_mode):
    """What is computed plane by plane; one image, several, volumes."""
    x, grid = RNG.standard_normal(shape), RNG.random((shape[0], *out, len(out))) * 2.6 - 1.3
    agree(lambda t, F, x, g: F.grid_sample(x, g, mode, padding_mode, align_corners=False), x, grid)


@pytest.mark.parametrize("shape", [(2, 0, 5, 5), (0, 0, 5, 5), (0, 2, 5, 5)])
@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
def test_sampled_places_of_no_channels(shape, mode):
    x, grid = np.zeros(shape), np.zeros((shape[0], 3, 4, 2))
    agree(lambda t, F, x, g: F.grid_sample(x, g, mode, align_corners=False), x, grid)


def test_embedding_gradient():
    index = np.array([[0, 2, 2], [1, 0, 3]])
    agree(lambda t, F, i, w: F.embedding(i, w, padding_idx=2, scale_grad_by_freq=True), index, W[:, :, 0, 0])
    agree(lambda t, F, i, w: F.embedding_bag(i, w, mode="max"), index, W[:, :, 0, 0])


@pytest.mark.parametrize("padding_idx", [None, 2])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("each", [1, 3, 40])
def test_bags_of_one_size(each, mode, padding_idx):
    """Few indices a bag, which are taken place by place, and many."""
    rows, index = RNG.standard_normal((6, 5)), np.sort(RNG.integers(0, 6, (4, each)), 0)
    index[0] = 2  # a bag of nothing but padding
    agree(lambda t, F, i, w: F.embedding_bag(i, w, mode=mode, padding_idx=padding_idx), index, rows)
    if mode == "sum":
        factors = RNG.standard_normal((4, each))
        agree(lambda t, F, i, w, f: F.embedding_bag(i, w, mode=mode, padding_idx=padding_idx, per_sample_weights=f), index, rows, factors)


ERRORS = {
    "channels": lambda t, F: F.conv2d(t.zeros(1, 3, 32, 32), t.zeros(6, 1, 5, 5)),
    "kernel": lambda t, F: F.conv2d(t.zeros(1, 3, 2, 4), t.zeros(6, 3, 5, 5), padding=1, dilation=2),
    "dimensions": lambda t, F: F.conv2d(t.zeros(3, 32), t.zeros(6, 1, 5, 5)),
    "bias": lambda t, F: F.conv2d(t.zeros(1, 3, 8, 8), t.zeros(6, 3, 5, 5), t.zeros(5)),
    "dtypes": lambda t, F: F.conv2d(t.zeros(1, 3, 8, 8).double(), t.zeros(6, 3, 5, 5), t.zeros(6)),
    "transposed": lambda t, F: F.conv_transpose2d(t.zeros(1, 3, 8, 8), t.zeros(4, 3, 5, 5)),
    "no output": lambda t, F: F.max_pool2d(t.zeros(1, 1, 1, 1), 2),
    "padding": lambda t, F: F.max_pool2d(t.zeros(1, 1, 8, 8), 2, padding=2),
    "batch of one": lambda t, F: F.batch_norm(t.zeros(1, 3), None, None, training=True),
    "layer_norm": lambda t, F: F.layer_norm(t.zeros(2, 3), (4,)),
    "group_norm": lambda t, F: F.group_norm(t.zeros(2, 3), 2),
    "target": lambda t, F: F.cross_entropy(t.zeros(2, 3), t.tensor([1, 5])),
    "target dtype": lambda t, F: F.cross_entropy(t.zeros(2, 3), t.tensor([1.0, 2.0])),
    "target size": lambda t, F: F.cross_entropy(t.zeros(2, 3), t.tensor([1, 2, 0])),
    "class weight": lambda t, F: F.cross_entropy(t.zeros(2, 3), t.tensor([1, 2]), t.zeros(2)),
    "reduction": lambda t, F: F.mse_loss(t.zeros(2), t.zeros(2), reduction="x"),
    "bce range": lambda t, F: F.binary_cross_entropy(t.zeros(2), t.tensor([2.0, 0.0])),
    "index": lambda t, F: F.embedding(t.tensor([5]), t.zeros(3, 2)),
    "one_hot": lambda t, F: F.one_hot(t.tensor([5]), 3),
    "dropout": lambda t, F: F.dropout(t.zeros(2), 1.5),
    "integers": lambda t, F: F.gelu(t.zeros(2, dtype=t.int64)),
    "interpolate": lambda t, F: F.interpolate(t.zeros(1, 1, 4, 4)),
    "antialias": lambda t, F: F.interpolate(t.zeros(1, 1, 4, 4).bfloat16(), 3, mode="bilinear", antialias=True),
    "antialias, gradient": lambda t, F: F.interpolate(
        t.zeros(1, 1, 4, 4, dtype=t.half, requires_grad=True), 4, mode="bicubic", antialias=True
    ).sum().backward(),
    "fold": lambda t, F: F.fold(t.zeros(1, 4, 5), (4, 4), 2),
    "attention": lambda t, F: F.scaled_dot_product_attention(t.zeros(4), t.zeros(4), t.zeros(4)),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error_text(name):
    with pytest.raises(Exception) as ours:
        ERRORS[name](torch, torch.nn.functional)
    with pytest.raises(Exception) as theirs:
        ERRORS[name](real, real.nn.functional)
    assert type(ours.value).__name__ == type(theirs.value).__name__
    assert str(ours.value) == str(theirs.value)


RANDOM = {
    "dropout": lambda t, F: F.dropout(t.ones(50), 0.3),
    "dropout2d": lambda t, F: F.dropout2d(t.ones(2, 3, 4, 4), 0.3),
    "alpha_dropout": lambda t, F: F.alpha_dropout(t.ones(50), 0.3, True),
    "feature_alpha_dropout": lambda t, F: F.feature_alpha_dropout(t.ones(2, 3, 4), 0.3, True),
    "rrelu": lambda t, F: F.rrelu(t.linspace(-1, 1, 40), training=True),
    "gumbel_softmax": lambda t, F: F.gumbel_softmax(t.ones(3, 7), hard=True),
    "fractional_max_pool2d": lambda t, F: F.fractional_max_pool2d(t.arange(288.0).view(2, 4, 6, 6).sin(), 2, output_size=4),
}


@pytest.mark.parametrize("name", RANDOM)
def test_same_seed_same_numbers(name):
    seen = []
    for t in (torch, real):
        t.manual_seed(3)
        seen.append((RANDOM[name](t, t.nn.functional).numpy(), t.rand(3).numpy()))
    np.testing.assert_allclose(seen[0][0], seen[1][0], rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(seen[0][1], seen[1][1])


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("place", [float("nan"), float("inf"), 1e20])
def test_grid_sample_at_places_that_are_none(dims, padding_mode, mode, place):
    x = np.arange(1.0, 1 + 4**dims).reshape(1, 1, *(4,) * dims)
    grid = np.full((1, *(3,) * dims, dims), 0.3)
    grid[0, 0, ..., 0] = grid[0, 1, ..., 1] = place
    for corners in (True, False):
        ours, theirs = (
            t.nn.functional.grid_sample(t.tensor(x), t.tensor(grid), mode, padding_mode, corners).numpy() for t in (torch, real)
        )
        np.testing.assert_allclose(ours, theirs)


@pytest.mark.parametrize("margin", [None, 1])
def test_margins_are_floats(margin):
    """Whole margins, and the one that is left out, make floats of integers."""
    more = {} if margin is None else {"margin": margin}
    want, got = (
        t.nn.functional.margin_ranking_loss(t.tensor([3, 1]), t.tensor([1, 4]), t.tensor([-1, 1]), reduction="none", **more)
        for t in (real, torch)
    )
    assert (str(want.dtype), want.tolist()) == (str(got.dtype), got.tolist())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("mode", ["zeros", "border", "reflection"])
def test_gradients_of_bicubic_grids_have_the_same_bits(dtype, mode):
    """PyTorch rounds each of 16 additions for each channel."""
    rng = np.random.default_rng(0)
    x, places, g = 3 * rng.standard_normal((2, 3, 5, 9)), rng.random((2, 6, 7, 2)) * 2.4 - 1.2, rng.standard_normal((2, 3, 6, 7))
    grads = []
    for t in (real, torch):
        a, b, c = (t.tensor(v).to(getattr(t, dtype)) for v in (x, places, g))
        b.requires_grad_()
        t.nn.functional.grid_sample(a, b, mode="bicubic", padding_mode=mode, align_corners=mode == "border").backward(c)
        grads.append(b.grad.float().numpy())
    np.testing.assert_array_equal(*grads)


IN_PLACE = {
    "leaky_relu": lambda f, x: f.leaky_relu_(x),
    "elu": lambda f, x: f.elu_(x),
    "selu": lambda f, x: f.selu_(x),
    "celu": lambda f, x: f.celu_(x),
    "rrelu": lambda f, x: f.rrelu_(x),
    "threshold": lambda f, x: f.threshold_(x, 0.1, 20.0),
    "polygamma": lambda f, x: x.polygamma_(1),
    "conj_physical": lambda f, x: x.conj_physical_(),
    "hardtanh": lambda f, x: f.hardtanh_(x),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_gradient_functions_in_place(name):
    assert len({IN_PLACE[name](t.nn.functional, t.ones(3, requires_grad=True) * 2).grad_fn.name() for t in (torch, real)}) == 1


@pytest.mark.parametrize("order", [float("inf"), -float("inf"), 1, 2, 3.0])
def test_power_pooling(order):
    got, expected = (
        [f.lp_pool1d(x[0], order, 3, 2, True), f.lp_pool2d(x, order, 2), f.lp_pool3d(x[None], order, (1, 2, 2))]
        for f, x in ((t.nn.functional, t.arange(64.0).view(1, 1, 8, 8) + 1) for t in (torch, real))
    )
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), 1e-5)


@pytest.mark.parametrize("center", [False, True])
def test_unpooling_refuses_positions_outside(center):
    for t in (torch, real):
        f, x = t.nn.functional, t.arange(16.0).view(1, 1, 4, 4)
        values, where = f.max_pool2d(x, 2, return_indices=True)
        assert f.max_unpool2d(values, where, 2).sum() == values.sum()
        where = t.zeros_like(where)
        where[0, 0, 1, 1] = -1 if center else 16
        with pytest.raises(RuntimeError, match=f"Found an invalid max index: {where[0, 0, 1, 1]} .output volumes are of size 4x4"):
            f.max_unpool2d(values, where, 2)


@pytest.mark.parametrize("length", [4, 5, 7, 8])
def test_frames_aligned_to_the_window(length):
    got, expected = (
        t.stft(
            t.arange(12.0), 8, 2, length, t.arange(1.0, length + 1), center=False, return_complex=True, align_to_window=True
        ).numpy()
        for t in (torch, real)
    )
    np.testing.assert_allclose(got, expected, 1e-5, 1e-5)


def test_moments_of_a_group_norm_have_gradients():
    found = []
    for t in (torch, real):
        x = t.arange(12.0, dtype=t.float64).view(2, 3, 2).sin().requires_grad_()
        out = t.native_group_norm(x, None, None, 2, 3, 2, 3, 0.1)
        found.append(t.autograd.grad(sum((o * o).sum() for o in out), x)[0].numpy())
        assert [o.requires_grad for o in t.native_batch_norm(x, None, None, None, None, True, 0.1, 0.1)] == [True, False, False]
    np.testing.assert_allclose(*found, 1e-9)


@pytest.mark.parametrize(
    "name", "elu selu celu hardsigmoid softshrink hardshrink hardtanh relu6 hardswish leaky_relu softplus logsigmoid silu mish".split()
)
def test_activations_at_the_edges(name):
    x = np.tile([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 3.0, -3.0, 6.0, 30.0, -30.0], 64)  # whole vectors
    seen = []
    for t in (torch, real):
        leaf = t.tensor(x, requires_grad=True)
        y = getattr(t.nn.functional, name)(leaf)
        y.sum().backward()
        seen.append((y.detach().numpy(), leaf.grad.numpy()))
    for g, w in zip(*seen, strict=True):
        np.testing.assert_allclose(g, w, 2e-7)


@pytest.mark.parametrize(
    "f",
    [
        lambda t, F, x, y: F.smooth_l1_loss(x, y, reduction="none"),
        lambda t, F, x, y: F.smooth_l1_loss(x, y, reduction="none", beta=2.0),
        lambda t, F, x, y: F.huber_loss(x, y, reduction="none", delta=0.5),
        lambda t, F, x, y: F.margin_ranking_loss(x, y, t.ones_like(x), reduction="none"),
        lambda t, F, x, y: F.prelu(x.view(-1, 7), y[:7]),
        lambda t, F, x, y: x.view(-1, 7).logsumexp(1),
        lambda t, F, x, y: x.view(-1, 7).nansum(1) / (y[::7].abs() + 1),
        lambda t, F, x, y: x.view(-1, 7).nanmean(1),
    ],
)
def test_derivatives_at_infinities_and_nan(f):
    x, y = (np.tile(v.ravel(), 16) for v in np.meshgrid(*[[np.nan, np.inf, -np.inf, 0.0, 1.0, -3.0, 0.5]] * 2, indexing="ij"))
    seen = []
    for t in (torch, real):
        leaves = [t.tensor(v, requires_grad=True) for v in (x, y)]
        out = f(t, t.nn.functional, *leaves)
        out.sum().backward()
        seen.append([v.numpy() for v in (out.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None))])
    for g, w in zip(*seen, strict=True):
        np.testing.assert_allclose(g, w, 1e-12)
