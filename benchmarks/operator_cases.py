"""The operators that `python -m benchmarks.operators` times, each on tensors of about `size` elements.

A case is a function of the library and of tensors, and the tensors' descriptions. Operators whose work grows faster than their
tensors (matrix products, decompositions, convolutions) get sizes at which they take some milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Input:
    """One tensor: values drawn by `draw(generator, shape)`; floating ones get gradients."""

    shape: tuple[int, ...]
    draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]

    def array(self, generator: np.random.Generator) -> np.ndarray:
        return self.draw(generator, self.shape)


def normal(*shape: int) -> Input:
    return Input(shape, lambda g, s: g.standard_normal(s, np.float32))


def positive(*shape: int) -> Input:
    return Input(shape, lambda g, s: g.random(s, np.float32) + np.float32(0.5))


def small(*shape: int) -> Input:
    """Weights: what keeps products near 1."""
    return Input(shape, lambda g, s: (g.standard_normal(s, np.float32) / math.sqrt(math.prod(s[1:]) or 1)).astype(np.float32))


def definite(*shape: int) -> Input:
    """Symmetric positive definite matrices."""

    def draw(g: np.random.Generator, s: tuple[int, ...]) -> np.ndarray:
        a = g.standard_normal(s, np.float32)
        return (a @ a.swapaxes(-1, -2) / s[-1] + np.eye(s[-1], dtype=np.float32)).astype(np.float32)

    return Input(shape, draw)


def integers(high: int, *shape: int) -> Input:
    return Input(shape, lambda g, s: g.integers(0, high, s))


def permutation(n: int) -> Input:
    return Input((n,), lambda g, s: g.permutation(n))


def truths(*shape: int) -> Input:
    return Input(shape, lambda g, s: g.random(s) < 0.5)


def inside(*shape: int) -> Input:
    """Places in [-1, 1], as grids hold them."""
    return Input(shape, lambda g, s: g.random(s, np.float32) * 2 - 1)


Case = tuple[Callable[..., Any], tuple[Input, ...]]


def cases(size: int) -> dict[str, Case]:
    """name -> (function of the library and the tensors, descriptions of the tensors)."""
    n = size
    side = max(32, math.isqrt(n))
    image = max(8, math.isqrt(n // 256))  # (8, 32, image, image) has about n elements
    x, y, p = normal(side, side), normal(side, side), positive(side, side)
    flat, picture = normal(n), normal(8, 32, image, image)
    rows = integers(side, side)
    table: dict[str, Case] = {}

    def add(name: str, f: Callable[..., Any], *inputs: Input) -> None:
        assert name not in table, name
        table[name] = (f, inputs)

    # pointwise
    for name in ("exp", "log", "sqrt", "rsqrt", "log1p", "digamma", "lgamma"):
        add(name, lambda t, a, name=name: getattr(t, name)(a), p)
    for name in ("tanh", "sigmoid", "sin", "cos", "tan", "sinh", "erf", "abs", "square", "reciprocal", "floor", "sign", "expm1", "sinc",
                 "atan", "isnan"):  # fmt: skip
        add(name, lambda t, a, name=name: getattr(t, name)(a), x)
    for name in ("gelu", "relu", "silu", "softplus", "elu", "leaky_relu", "hardtanh", "mish", "logsigmoid"):
        add(name, lambda t, a, name=name: getattr(t.nn.functional, name)(a), x)
    add("asin", lambda t, a: a.asin(), inside(side, side))
    add("acos", lambda t, a: a.acos(), inside(side, side))
    add("add", lambda t, a, b: a + b, x, y)
    add("mul", lambda t, a, b: a * b, x, y)
    add("div", lambda t, a, b: a / b, x, p)
    add("add a row", lambda t, a, b: a + b, x, normal(side))
    add("pow 2", lambda t, a: a**2, x)
    add("pow 3", lambda t, a: a**3, x)
    add("pow 2.5", lambda t, a: a**2.5, p)
    add("pow of tensors", lambda t, a, b: a**b, p, y)
    add("atan2", lambda t, a, b: t.atan2(a, b), x, y)
    add("maximum", lambda t, a, b: t.maximum(a, b), x, y)
    add("remainder", lambda t, a, b: t.remainder(a, b), x, p)
    add("floor_divide, integers", lambda t, a, b: a // (b + 1), integers(1000, side, side), integers(30, side, side))
    add("where", lambda t, m, a, b: t.where(m, a, b), truths(side, side), x, y)
    add("clamp", lambda t, a: a.clamp(-0.5, 0.5), x)
    add("lerp", lambda t, a, b: t.lerp(a, b, 0.3), x, y)
    add("to float64", lambda t, a: a.double(), x)
    add("to int64", lambda t, a: a.long(), x)
    add("to bfloat16", lambda t, a: a.bfloat16(), x)
    add("transposed copy", lambda t, a: a.t().contiguous(), x)
    add("comparison", lambda t, a, b: a > b, x, y)

    # reductions
    for name in ("sum", "mean", "max", "prod", "norm", "std", "var", "amax", "argmax", "median", "count_nonzero"):
        add(name, lambda t, a, name=name: getattr(t, name)(a), x if name != "prod" else p)
    for name in ("sum", "mean", "max", "prod", "std", "amax", "argmax", "median", "mode", "logsumexp", "norm", "all"):
        for d in (0, 1):
            source = truths(side, side) if name == "all" else p if name == "prod" else x
            call = (lambda t, a, d=d: a.norm(dim=d)) if name == "norm" else (lambda t, a, name=name, d=d: getattr(t, name)(a, d))
            add(f"{name}, dimension {d}", call, source)
    add("mode of integers", lambda t, a: t.mode(a, 1), integers(50, side, side))
    add("quantile", lambda t, a: t.quantile(a, 0.3, 1), x)
    add("kthvalue", lambda t, a: t.kthvalue(a, side // 3, 1), x)
    add("nanmedian", lambda t, a: t.nanmedian(a), x)
    add("allclose", lambda t, a, b: t.isclose(a, b).all(), x, y)
    add("cdist", lambda t, a, b: t.cdist(a, b), normal(side, 64), normal(side, 64))

    # scans, order
    for name in ("cumsum", "cumprod", "cummax", "logcumsumexp"):
        for d in (0, 1):
            add(f"{name}, dimension {d}", lambda t, a, name=name, d=d: getattr(t, name)(a, d), p)
    add("cumsum of a vector", lambda t, a: a.cumsum(0), flat)
    add("cumsum of integers", lambda t, a: a.cumsum(1), integers(9, side, side))
    add("diff", lambda t, a: a.diff(dim=1), x)
    add("sort, dimension 0", lambda t, a: a.sort(0), x)
    add("sort, dimension 1", lambda t, a: a.sort(1), x)
    add("sort of a vector", lambda t, a: a.sort(), flat)
    add("argsort of integers", lambda t, a: a.argsort(1), integers(n, side, side))
    add("topk 5", lambda t, a: a.topk(5), x)
    add("topk 5 of a vector", lambda t, a: a.topk(5), flat)
    add("topk 100", lambda t, a: a.topk(min(100, side)), x)
    add("topk 1000 of a vector", lambda t, a: a.topk(1000), flat)
    add("unique", lambda t, a: a.unique(), integers(1000, n))
    add("unique, inverse and counts", lambda t, a: a.unique(return_inverse=True, return_counts=True), integers(1000, n))
    add("unique_consecutive", lambda t, a: a.unique_consecutive(), integers(3, n))
    add("bincount", lambda t, a: t.bincount(a), integers(1000, n))
    add("histc", lambda t, a: t.histc(a, 100), x)
    add("searchsorted", lambda t, a, b: t.searchsorted(t.sort(a)[0], b), normal(1000), x)
    add("bucketize", lambda t, a: t.bucketize(a, t.linspace(-3, 3, 50)), x)
    add("isin", lambda t, a, b: t.isin(a, b), integers(1000, n), integers(1000, 100))

    # positions
    add("index_select, dimension 0", lambda t, a, i: a.index_select(0, i), x, rows)
    add("index_select, dimension 1", lambda t, a, i: a.index_select(1, i), x, rows)
    add("index by a tensor", lambda t, a, i: a[i], x, rows)
    add("index by two tensors", lambda t, a, i, j: a[i, j], x, integers(side, n), integers(side, n))
    add("index by a mask", lambda t, a, m: a[m], x, truths(side, side))
    add("slice with steps", lambda t, a: a[::2, 1::3].contiguous(), x)
    add("gather, dimension 0", lambda t, a, i: a.gather(0, i), x, integers(side, side, side))
    add("gather, dimension 1", lambda t, a, i: a.gather(1, i), x, integers(side, side, side))
    add("take", lambda t, a, i: t.take(a, i), x, integers(n // 2, n))
    add("take_along_dim", lambda t, a, i: t.take_along_dim(a, i, 1), x, integers(side, side, 10))
    add("scatter", lambda t, a, i, b: a.scatter(1, i, b), x, integers(side, side, side), y)
    add("scatter_add, dimension 0", lambda t, a, i, b: a.scatter_add(0, i, b), x, integers(side, side, side), y)
    add("scatter_add, dimension 1", lambda t, a, i, b: a.scatter_add(1, i, b), x, integers(side, side, side), y)
    add("scatter_reduce amax", lambda t, a, i, b: a.scatter_reduce(1, i, b, "amax"), x, integers(side, side, side), y)
    add("scatter_reduce mean", lambda t, a, i, b: a.scatter_reduce(1, i, b, "mean"), x, integers(side, side, side), y)
    add("index_add, dimension 0", lambda t, a, i, b: a.index_add(0, i, b), x, rows, y)
    add("index_add, dimension 1", lambda t, a, i, b: a.index_add(1, i, b), x, rows, y)
    add("index_add of numbers", lambda t, a, i, b: a.index_add(0, i, b), normal(1000), integers(1000, n), flat)
    add("index_copy", lambda t, a, i, b: a.index_copy(0, i, b), x, permutation(side), y)
    add("index_fill", lambda t, a, i: a.index_fill(0, i, 2.0), x, rows)
    add("index_put", lambda t, a, i, b: a.index_put((i,), b), x, permutation(side), y)
    add("index_put, adding", lambda t, a, i, j, b: a.index_put((i, j), b, accumulate=True),
        x, integers(side, n), integers(side, n), flat)  # fmt: skip
    add("masked_select", lambda t, a, m: a.masked_select(m), x, truths(side, side))
    add("masked_fill", lambda t, a, m: a.masked_fill(m, 2.0), x, truths(side, side))
    add("masked_scatter", lambda t, a, m, b: a.masked_scatter(m, b), x, truths(side, side), y)
    add("nonzero", lambda t, m: m.nonzero(), truths(side, side))
    add("embedding", lambda t, w, i: t.nn.functional.embedding(i, w), normal(10000, 64), integers(10000, n // 64))
    add("embedding of few rows", lambda t, w, i: t.nn.functional.embedding(i, w), normal(100, 64), integers(100, n // 64))
    add("embedding_bag", lambda t, w, i: t.nn.functional.embedding_bag(i, w), normal(10000, 64), integers(10000, n // 640, 10))
    add("one_hot", lambda t, i: t.nn.functional.one_hot(i, 100), integers(100, n // 100))
    add("roll", lambda t, a: a.roll(7, 1), x)
    add("flip", lambda t, a: a.flip(1), x)
    add("cat", lambda t, a, b: t.cat([a, b], 1), x, y)
    add("stack", lambda t, a, b: t.stack([a, b], 2), x, y)
    add("repeat_interleave", lambda t, a: a.repeat_interleave(3, 1), normal(side, side // 3))
    add("repeat", lambda t, a: a.repeat(3, 1), normal(side // 3, side))
    add("tril", lambda t, a: a.tril(), x)
    add("pad by reflection", lambda t, a: t.nn.functional.pad(a, (2, 3, 4, 5), "reflect"), picture)

    # products
    k = max(32, side // 2)
    add("mm", lambda t, a, b: a @ b, normal(k, k), normal(k, k))
    add("mm of a transpose", lambda t, a, b: a @ b.t(), normal(k, k), normal(k, k))
    add("bmm", lambda t, a, b: t.bmm(a, b), normal(16, 128, 128), normal(16, 128, 128))
    add("bmm of small matrices", lambda t, a, b: t.bmm(a, b), normal(n // 64, 8, 8), normal(n // 64, 8, 8))
    add("mv", lambda t, a, b: t.mv(a, b), x, normal(side))
    add("dot", lambda t, a, b: t.dot(a, b), flat, normal(n))
    add("outer", lambda t, a, b: t.outer(a, b), normal(side), normal(side))
    add("einsum bhid,bhjd->bhij", lambda t, a, b: t.einsum("bhid,bhjd->bhij", a, b), normal(4, 8, 128, 64), normal(4, 8, 128, 64))
    add("linear", lambda t, a, w, b: t.nn.functional.linear(a, w, b), normal(256, 512), small(512, 512), normal(512))
    add("attention", lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(q, k, v),
        normal(4, 8, 128, 64), normal(4, 8, 128, 64), normal(4, 8, 128, 64))  # fmt: skip
    add("mm of integers", lambda t, a, b: a @ b, integers(9, 200, 200), integers(9, 200, 200))

    # convolutions
    conv = {"plain": (32, 1, 1, 3), "stride 2": (32, 2, 1, 3), "groups 4": (32, 1, 4, 3), "depthwise": (32, 1, 32, 3),
            "1x1": (32, 1, 1, 1), "7x7": (32, 1, 1, 7)}  # fmt: skip
    for name, (out, stride, groups, kernel) in conv.items():
        add(f"conv2d, {name}", lambda t, a, w, s=stride, g=groups, k=kernel: t.nn.functional.conv2d(a, w, None, s, k // 2, 1, g),
            picture, small(out, 32 // groups, kernel, kernel))  # fmt: skip
    add("conv2d, dilated", lambda t, a, w: t.nn.functional.conv2d(a, w, padding=2, dilation=2), picture, small(32, 32, 3, 3))
    add("conv1d", lambda t, a, w: t.nn.functional.conv1d(a, w, padding=2), normal(16, 32, n // 512), small(32, 32, 5))
    add("conv1d, depthwise", lambda t, a, w: t.nn.functional.conv1d(a, w, padding=2, groups=32), normal(16, 32, n // 512), small(32, 1, 5))
    cube = max(6, round((n / 64) ** (1 / 3)))
    add("conv3d", lambda t, a, w: t.nn.functional.conv3d(a, w, padding=1), normal(4, 16, cube, cube, cube), small(16, 16, 3, 3, 3))
    half = normal(8, 32, image // 2, image // 2)
    add("conv_transpose2d", lambda t, a, w: t.nn.functional.conv_transpose2d(a, w, stride=2), half, small(32, 32, 2, 2))
    add("conv_transpose2d, 4x4", lambda t, a, w: t.nn.functional.conv_transpose2d(a, w, stride=2, padding=1), half, small(32, 32, 4, 4))
    add("conv_transpose2d, stride 1", lambda t, a, w: t.nn.functional.conv_transpose2d(a, w, padding=1), picture, small(32, 32, 3, 3))
    add("conv_transpose2d, groups 4", lambda t, a, w: t.nn.functional.conv_transpose2d(a, w, stride=2, padding=1, groups=4),
        half, small(32, 8, 4, 4))  # fmt: skip
    add("conv_transpose1d", lambda t, a, w: t.nn.functional.conv_transpose1d(a, w, stride=2), normal(16, 32, n // 1024), small(32, 32, 4))

    # windows and images
    pools = {"max_pool2d": (2,), "avg_pool2d": (2,), "lp_pool2d": (2.0, 2), "adaptive_avg_pool2d": (7,), "adaptive_max_pool2d": (7,)}
    for name, arguments in pools.items():
        add(name, lambda t, a, name=name, arguments=arguments: getattr(t.nn.functional, name)(a, *arguments), picture)
    add("max_pool2d, 3x3 with stride 2", lambda t, a: t.nn.functional.max_pool2d(a, 3, 2, 1), picture)
    add("max_pool2d, 5x5 with stride 1", lambda t, a: t.nn.functional.max_pool2d(a, 5, 1, 2), picture)
    add("avg_pool2d, 3x3 with stride 1", lambda t, a: t.nn.functional.avg_pool2d(a, 3, 1, 1), picture)
    add("max_pool1d", lambda t, a: t.nn.functional.max_pool1d(a, 3), normal(16, 32, n // 512))
    add("max_pool3d", lambda t, a: t.nn.functional.max_pool3d(a, 2), normal(4, 16, cube, cube, cube))
    add("max_unpool2d", lambda t, a: t.nn.functional.max_unpool2d(*t.nn.functional.max_pool2d(a, 2, return_indices=True), 2), picture)
    add("unfold", lambda t, a: t.nn.functional.unfold(a, 3, padding=1), normal(8, 4, image, image))
    add("fold", lambda t, a: t.nn.functional.fold(a, (image, image), 3, padding=1), normal(8, 36, image * image))
    for mode in ("nearest", "bilinear", "bicubic", "area"):
        add(f"interpolate, {mode}", lambda t, a, mode=mode: t.nn.functional.interpolate(a, scale_factor=2, mode=mode), half)
    add("interpolate down, bilinear", lambda t, a: t.nn.functional.interpolate(a, size=(image // 3, image // 3), mode="bilinear"), picture)
    add("interpolate, antialias", lambda t, a: t.nn.functional.interpolate(
        a, size=(image // 3, image // 3), mode="bilinear", antialias=True), picture)  # fmt: skip
    for mode in ("bilinear", "nearest", "bicubic"):
        add(f"grid_sample, {mode}", lambda t, a, g, mode=mode: t.nn.functional.grid_sample(a, g, mode, align_corners=False),
            picture, inside(8, image, image, 2))  # fmt: skip
    add("affine_grid", lambda t, a: t.nn.functional.affine_grid(a, (8, 3, 2 * image, 2 * image), align_corners=False), normal(8, 2, 3))
    add("pixel_shuffle", lambda t, a: t.nn.functional.pixel_shuffle(a, 2), picture)
    add("pixel_unshuffle", lambda t, a: t.nn.functional.pixel_unshuffle(a, 2), normal(8, 32, image // 2 * 2, image // 2 * 2))

    # normalizations and losses
    add("softmax", lambda t, a: a.softmax(1), x)
    add("softmax, dimension 0", lambda t, a: a.softmax(0), x)
    add("log_softmax", lambda t, a: a.log_softmax(1), x)
    add("cross_entropy", lambda t, a, i: t.nn.functional.cross_entropy(a, i), x, rows)
    add("cross_entropy of images", lambda t, a, i: t.nn.functional.cross_entropy(a, i), picture, integers(32, 8, image, image))
    add("nll_loss", lambda t, a, i: t.nn.functional.nll_loss(a, i), x, rows)
    add("mse_loss", lambda t, a, b: t.nn.functional.mse_loss(a, b), x, y)
    add("smooth_l1_loss", lambda t, a, b: t.nn.functional.smooth_l1_loss(a, b), x, y)
    add("binary_cross_entropy_with_logits", lambda t, a, b: t.nn.functional.binary_cross_entropy_with_logits(a, b), x, p)
    add("kl_div", lambda t, a, b: t.nn.functional.kl_div(a, b, reduction="batchmean"), x, p)
    add("ctc_loss", lambda t, a, i: t.nn.functional.ctc_loss(a.log_softmax(2), i + 1, [50] * 16, [20] * 16),
        normal(50, 16, 30), integers(29, 16, 20))  # fmt: skip
    add("cosine_similarity", lambda t, a, b: t.nn.functional.cosine_similarity(a, b), x, y)
    add("normalize", lambda t, a: t.nn.functional.normalize(a), x)
    add("batch_norm", lambda t, a, w, b: t.nn.functional.batch_norm(a, None, None, w, b, True), picture, positive(32), normal(32))
    add("batch_norm, evaluation", lambda t, a, m, v: t.nn.functional.batch_norm(a, m.detach(), v.detach()),
        picture, normal(32), positive(32))  # fmt: skip
    add("layer_norm", lambda t, a, w, b: t.nn.functional.layer_norm(a, (side,), w, b), x, positive(side), normal(side))
    add("rms_norm", lambda t, a, w: t.nn.functional.rms_norm(a, (side,), w), x, positive(side))
    add("group_norm", lambda t, a, w, b: t.nn.functional.group_norm(a, 4, w, b), picture, positive(32), normal(32))
    add("instance_norm", lambda t, a: t.nn.functional.instance_norm(a), picture)
    add("local_response_norm", lambda t, a: t.nn.functional.local_response_norm(a, 5), picture)

    # recurrent layers: 32 steps, batch 32, width 128
    for name, gates in (("lstm", 4), ("gru", 3), ("rnn_tanh", 1)):
        state = (normal(1, 32, 128),) * (2 if name == "lstm" else 1)
        add(name, lambda t, a, w, u, b, c, *h, name=name: getattr(t, name)(
            a, h if len(h) == 2 else h[0], [w, u, b, c], True, 1, 0.0, False, False, False)[0],
            normal(32, 32, 128), small(gates * 128, 128), small(gates * 128, 128), normal(gates * 128), normal(gates * 128),
            *state)  # fmt: skip

    # random numbers
    for name in ("rand", "randn"):
        add(name, lambda t, name=name: getattr(t, name)(n))
    add("randint", lambda t: t.randint(0, 1000, (n,)))
    add("randperm", lambda t: t.randperm(n))
    add("normal", lambda t, a: t.normal(a, 2.0), x)
    add("bernoulli", lambda t, a: t.bernoulli(a / 2), p)
    add("dropout", lambda t, a: t.nn.functional.dropout(a), x)
    add("exponential_", lambda t: t.empty(n).exponential_())
    add("multinomial", lambda t, a: t.multinomial(a.detach(), min(100, side)), p)
    add("poisson", lambda t, a: t.poisson(a.detach()), p)

    # linear algebra
    m = 300 if n >= 10**5 else 60
    for name in ("det", "inv", "cholesky", "slogdet", "eigvalsh", "svdvals", "pinv"):
        add(f"linalg.{name}", lambda t, a, name=name: getattr(t.linalg, name)(a), definite(m, m))
    for name in ("svd", "qr", "eigh"):
        add(f"linalg.{name}", lambda t, a, name=name: getattr(t.linalg, name)(a), definite(m // 2, m // 2))
    add("linalg.eig", lambda t, a: t.linalg.eigvals(a), normal(m // 2, m // 2))
    add("linalg.solve", lambda t, a, b: t.linalg.solve(a, b), definite(m, m), normal(m, 10))
    add("linalg.solve_triangular", lambda t, a, b: t.linalg.solve_triangular(a, b, upper=False), definite(m, m), normal(m, 10))
    add("linalg.lstsq", lambda t, a, b: t.linalg.lstsq(a, b)[0], normal(m, m // 3), normal(m, 10))
    add("linalg.matrix_exp", lambda t, a: t.linalg.matrix_exp(a), small(m, m))
    for name in ("det", "inv", "cholesky", "svdvals", "eigvalsh", "qr"):
        add(f"linalg.{name} of 1000 4x4", lambda t, a, name=name: getattr(t.linalg, name)(a), definite(1000, 4, 4))
    add("linalg.solve of 1000 4x4", lambda t, a, b: t.linalg.solve(a, b), definite(1000, 4, 4), normal(1000, 4, 2))

    # transforms
    add("fft", lambda t, a: t.fft.fft(a), x)
    add("rfft", lambda t, a: t.fft.rfft(a), x)
    add("fft2", lambda t, a: t.fft.fft2(a), x)
    add("stft", lambda t, a: t.stft(a, 256, window=t.ones(256), return_complex=True), flat)
    return table
