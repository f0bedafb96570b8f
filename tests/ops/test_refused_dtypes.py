"""Convolutions, pools, searches, special functions, … take the dtypes that PyTorch compiled them for, and refuse the rest in its words."""

from __future__ import annotations

import pytest
import torch as pytorch

import torchish

DTYPES = ["float32", "float16", "int64", "int32", "uint8", "bool", "complex64"]
_POOLS = {
    "max_pool": (2,),
    "avg_pool": (2,),
    "adaptive_max_pool": (2,),
    "adaptive_avg_pool": (2,),
    "adaptive_avg_pool to one": (1,),
    "fractional_max_pool": (2, 3),
}


def first(result):
    return result[0] if isinstance(result, tuple) else result


def _calls():
    for n in (1, 2, 3):
        for kind in ("conv", "conv_transpose"):
            for dilation in (1, 2):

                def convolve(t, d, batch, kind=kind, n=n, dilation=dilation):
                    x, w, b = (t.ones(s).to(d) for s in ((batch, 2, *(5,) * n), (2, 2, *(2,) * n), (2,)))
                    return getattr(t.nn.functional, f"{kind}{n}d")(x, w, b, dilation=dilation)

                yield f"{kind}{n}d dilated by {dilation}", convolve
        for name, arguments in _POOLS.items():
            if n > 1 or name != "fractional_max_pool":

                def pool(t, d, batch, name=name, n=n, arguments=arguments):
                    return getattr(t.nn.functional, f"{name.split()[0]}{n}d")(t.ones(batch, 2, *(5,) * n).to(d), *arguments)

                yield f"{name} {n}d", pool
    for mode in ("reflect", "replicate"):
        yield mode, lambda t, d, batch, mode=mode: t.nn.functional.pad(t.ones(batch, 2, 4).to(d), (1, 1), mode=mode)
    yield "unfold", lambda t, d, batch: t.nn.functional.unfold(t.ones(batch, 2, 4, 4).to(d), 2)
    yield "fold", lambda t, d, batch: t.nn.functional.fold(t.ones(batch, 4, 4).to(d), (3, 3), 2)
    for name in ("unique", "unique_consecutive", "kthvalue", "nanmean"):
        arguments = (1,) if name == "kthvalue" else ()
        yield name, lambda t, d, batch, name=name, arguments=arguments: first(getattr(t, name)(t.ones(batch, 2).to(d), *arguments))
    yield "unique rows", lambda t, d, batch: t.unique(t.ones(batch, 2).to(d), dim=0)
    yield "conv_tbc", lambda t, d, batch: t.conv_tbc(*(t.ones(s).to(d) for s in ((4, batch, 3), (2, 3, 5), (5,))))


CALLS = dict(_calls())


def outcome(call, t, *arguments):
    t.manual_seed(0)
    try:
        result = call(t, *arguments)
    except Exception as error:
        return type(error), str(error)
    return str(result.dtype), tuple(result.shape), result.stride()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CALLS)
def test_dtypes(name, dtype):
    for batch in (2, 0):
        theirs, ours = (outcome(CALLS[name], t, getattr(t, dtype), batch) for t in (pytorch, torchish))
        assert ours == theirs


SPECIAL = "erfcx ndtri log_ndtr bessel_j0 modified_bessel_k1 airy_ai spherical_bessel_j0 i0 i1e ndtr entr".split()
MATRICES = {
    **{name: lambda t, x, name=name: getattr(t.special, name)(x) for name in SPECIAL},
    "zeta": lambda t, x: t.special.zeta(x, 2.0),
    "a polynomial": lambda t, x: t.special.chebyshev_polynomial_t(x, 3),
    "polygamma": lambda t, x: t.polygamma(1, x),
    "mvlgamma": lambda t, x: t.mvlgamma(x, 1),
    "polar": lambda t, x: t.polar(x, x),
    "prelu": lambda t, x: t.nn.functional.prelu(x, x[0]),
    "rrelu": lambda t, x: t.nn.functional.rrelu(x, training=True),
    "hardtanh": lambda t, x: t.nn.functional.hardtanh(x, -0.5, 3.5),
    "hardtanh beyond": lambda t, x: t.nn.functional.hardtanh(x, 2, 1000),
    "cdist": lambda t, x: t.cdist(x, x),
    "cdist of nothing": lambda t, x: t.cdist(x[:0], x),
    "pdist": lambda t, x: t.nn.functional.pdist(x),
    "dist": lambda t, x: t.dist(x, x),
    "norm": lambda t, x: t.norm(x, dim=2),
    "ctc_loss": lambda t, x: t.nn.functional.ctc_loss(x[:, None], t.tensor([[1]]), t.tensor([2]), t.tensor([1])),
    "hinge_embedding_loss": lambda t, x: t.nn.functional.hinge_embedding_loss(x, x, 2.5, reduction="sum"),
    "margin_ranking_loss": lambda t, x: t.nn.functional.margin_ranking_loss(x, x, x),
    "interpolate a line": lambda t, x: t.nn.functional.interpolate(x[None], scale_factor=2.0, mode="linear"),
    "interpolate the nearest": lambda t, x: t.nn.functional.interpolate(x[None], scale_factor=2.0),
    "clamp": lambda t, x: t.clamp(x, x, x),
    "clamp by numbers": lambda t, x: t.clamp(x, False, True),
    "clamp from below": lambda t, x: t.clamp_min(x, x),
    "clamp in place": lambda t, x: x.clamp_(max=0.5),
    "bucketize": lambda t, x: t.bucketize(x, x[0]),
    "histc": lambda t, x: t.histc(x, 4),
    "histogram": lambda t, x: t.histogram(x, 4)[0],
    "histogram over a range": lambda t, x: t.histogram(x, 4, range=(0.0, 2.0))[0],
    "unique_consecutive rows": lambda t, x: t.unique_consecutive(x, dim=0),
    "index_reduce": lambda t, x: t.index_reduce(x, 0, t.tensor([0, 1]), x, "amax"),
    "scatter_reduce": lambda t, x: t.scatter_reduce(x, 0, t.tensor([[0, 1]]), x, "amax"),
    "vander": lambda t, x: t.linalg.vander(x),
    "trapezoid": lambda t, x: t.trapezoid(x),
    "trapezoid at points": lambda t, x: t.trapezoid(x, x),
    "cumulative_trapezoid of nothing": lambda t, x: t.cumulative_trapezoid(x[:, :0]),
    "trapezoid of a number": lambda t, x: t.trapezoid(x[0, 0]),
    "renorm": lambda t, x: t.renorm(x[0], 1, 0, 1.0),
    "trace": lambda t, x: t.trace(x[0]),
    "bilinear": lambda t, x: t.nn.functional.bilinear(x, x, x.expand(3, 2, 2)),
    "tensordot": lambda t, x: t.tensordot(x, x, 2),
    "a product over nothing": lambda t, x: x[:, :0] @ x[:0],
    "einsum": lambda t, x: t.einsum("ij,jk->ik", x, x),
    "einsum without a sum": lambda t, x: t.einsum("ij,ij->ij", x, x),
    "kthvalue of a number": lambda t, x: t.kthvalue(x[0, 0], 1)[0],
    "cummax of a number": lambda t, x: t.cummax(x[0, 0], 0)[0],
    "mode of nothing": lambda t, x: t.mode(x[:0])[0],
    "median of nothing": lambda t, x: t.median(x[:0]),
    "max of nothing": lambda t, x: t.max(x[:0]),
    "amax of nothing": lambda t, x: t.amax(x[:, :0], dim=1),
    "nansum": lambda t, x: t.nansum(x, dim=2),
    "topk of too many": lambda t, x: t.topk(x, 3)[0],
    "masked.amax": lambda t, x: t.masked.amax(x, 1, mask=t.tensor([[True, False]])),
}


@pytest.mark.parametrize("dtype", [*DTYPES, "bfloat16"])
@pytest.mark.parametrize("name", MATRICES)
def test_dtypes_of_matrices(name, dtype):
    def call(t):
        return MATRICES[name](t, t.tensor([[1, 0], [1, 1]]).to(getattr(t, dtype)))

    assert outcome(call, torchish) == outcome(call, pytorch)


_X = {"x": (1, 4, 4, 4), "w": (4, 4, 2, 2)}
CONVOLUTIONS = {
    "another dtype": lambda t, f, x, w: f.conv2d(x, w.half()),
    "another dtype of a bias": lambda t, f, x, w: f.conv2d(x, w, t.ones(4).double()),
    "another dtype in a batch": lambda t, f, x, w: f.conv2d(x.expand(2, 4, 4, 4), w.double()),
    "complex numbers": lambda t, f, x, w: f.conv2d(x + 0j, w),
    "a complex weight": lambda t, f, x, w: f.conv2d(x.expand(2, 4, 4, 4), w + 0j),
    "a transposed result that is too small": lambda t, f, x, w: f.conv_transpose1d(x[0, :1], w[..., 0], padding=4),
    "a transposed volume": lambda t, f, x, w: f.conv_transpose3d(x[None], w[None].expand(4, 4, 2, 2, 2), padding=4),
    "no dilation": lambda t, f, x, w: f.conv2d(x, w, dilation=0),
    "negative dilation": lambda t, f, x, w: f.conv_transpose2d(x, w, dilation=-1),
    "no kernel": lambda t, f, x, w: f.conv3d(x[None].expand(1, 4, 4, 4, 4), w[..., None][..., :0]),
    "no batch": lambda t, f, x, w: f.conv_transpose2d(x[:0], w, output_padding=3),
    "no batch and no size": lambda t, f, x, w: f.conv_transpose2d(x[:0], w, padding=5),
    "no batch, another dtype": lambda t, f, x, w: f.conv2d(x[:0], w.double()),
    "no channels": lambda t, f, x, w: f.conv2d(x[:, :0], w[:, :0]),
    "no places": lambda t, f, x, w: f.conv_transpose2d(x[..., :0], w, padding=1),
    "channels last": lambda t, f, x, w: f.conv2d(x.to(memory_format=t.channels_last), w[..., :1, :1]),
    "weights with the channels last": lambda t, f, x, w: f.conv2d(x, w.to(memory_format=t.channels_last)),
    "a volume with the channels last": lambda t, f, x, w: f.conv3d(
        x[None].expand(2, 4, 4, 4, 4).to(memory_format=t.channels_last_3d), w[None].expand(4, 4, 2, 2, 2)
    ),
    "a pool with the channels last": lambda t, f, x, w: f.max_pool2d(x.to(memory_format=t.channels_last), 2),
    "its indices": lambda t, f, x, w: f.max_pool2d(x.to(memory_format=t.channels_last), 2, return_indices=True)[1],
    "averages": lambda t, f, x, w: f.avg_pool2d(x.to(memory_format=t.channels_last), 2),
    "windows at random": lambda t, f, x, w: f.fractional_max_pool2d(x, 5, output_size=3),
    "random samples": lambda t, f, x, w: f.fractional_max_pool2d(x, 2, output_size=1, _random_samples=t.rand(1, 3, 2)),
    "sizes of windows": lambda t, f, x, w: f.fractional_max_pool3d(x[None], (2, 2), output_size=3),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_shapes(name):
    def call(t):
        return CONVOLUTIONS[name](t, t.nn.functional, t.ones(_X["x"]), t.ones(_X["w"]))

    assert outcome(call, torchish) == outcome(call, pytorch)


LAYOUTS = {
    "along the first dimension": lambda t, x: t.fft.fft(x, dim=0),
    "of a permuted tensor": lambda t, x: t.fft.rfft(x.permute(2, 0, 1)),
    "over two dimensions": lambda t, x: t.fft.rfftn(x, dim=(1, 0)),
    "back from two dimensions": lambda t, x: t.fft.irfftn(x, dim=(0, 1)),
    "of half a signal": lambda t, x: t.fft.ihfftn(x),
    "into a tensor": lambda t, x: t.fft.ifft(x, dim=0, out=t.empty(0, dtype=t.complex64)),
    "copied into a tensor": lambda t, x: t.fft.fft(x, dim=0, out=t.empty(0, dtype=t.complex64)),
    "an outer product": lambda t, x: t.addr(x[0].t(), t.ones(5), t.ones(3)),
    "a weight of one pixel": lambda t, x: x[..., None][:, :, :1].to(memory_format=t.channels_last),
    "a format with a dtype": lambda t, x: x[:, :1, :, None].to(t.float64, memory_format=t.channels_last),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_memory_order(name):
    assert LAYOUTS[name](torchish, torchish.ones(4, 3, 5)).stride() == LAYOUTS[name](pytorch, pytorch.ones(4, 3, 5)).stride()
