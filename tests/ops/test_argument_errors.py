"""Calls that no signature takes: PyTorch's exception and its text, word for word."""

from __future__ import annotations

import pytest
import torch as pytorch

import torchish

CALLS = {
    "numbers": lambda t, x: t.bitwise_and(1, 2),
    "no tensors": lambda t, x: t.max(1, 2),
    "a string": lambda t, x: t.hsplit(x, "a"),
    "keyword": lambda t, x: t.mean(x, foo=1),
    "keywords": lambda t, x: t.std(x, dim="a", keepdim=1),
    "a wrong keyword among others": lambda t, x: t.min(x, "a", keepdim=3),
    "too many": lambda t, x: x.sum("a", True, 3, 4),
    "method": lambda t, x: x.view("a"),
    "method of two": lambda t, x: x.scatter(0, "a", 1),
    "in place": lambda t, x: x.fill_("a"),
    "choice": lambda t, x: t.where(1, 2),
    "factory": lambda t, x: t.linspace("a", 1, 2),
    "unbiased": lambda t, x: t.std(x, "a"),
    "sorted": lambda t, x: x.sort("a"),
    "decimals": lambda t, x: t.round(x, decimals="a"),
    "no self": lambda t, x: t.Tensor.mul(),
    "too many of some": lambda t, x: t.amax(x, 1, 2, 3, 4),
    "two missing": lambda t, x: t.mul(),
    "a list of numbers": lambda t, x: t.remainder([1.0], x),
    "too many for a hidden signature": lambda t, x: t.add(x, x, 1, 2, 3, 4),
    "names": lambda t, x: t.randn(1, 2, names=("a", "b")),
    "one by one": lambda t, x: t.reshape(x, -1),
    "flip": lambda t, x: t.flip(x, 0),
    "strings by keyword": lambda t, x: t.sum(x, dim=("a", "b")),
    "order": lambda t, x: t.norm(x, (0, 9)),
    "order of linalg": lambda t, x: t.linalg.norm(x, (0, 9)),
    "equation": lambda t, x: t.einsum(None, x),
    "operand": lambda t, x: t.einsum("i", None),
    "a wrong one before a missing one": lambda t, x: t.cumsum([1.0]),
    "sizes one by one": lambda t, x: t.rand(2, [3]),
    "a tensor for a size": lambda t, x: t.zeros(x, 3),
    "a float": lambda t, x: x.uniform_("a"),
    "a bound": lambda t, x: x.random_(1.5, 2),
    "more than it takes": lambda t, x: x.geometric_(0.5, 1),
    "a dimension in place": lambda t, x: x.transpose_(0, None),
    "a dimension to drop": lambda t, x: x.squeeze_(1.5),
    "a dimension of a size": lambda t, x: x.size("a"),
    "a dimension of a stride": lambda t, x: x.stride(1.5),
    "sizes to resize to": lambda t, x: x.resize_(2, "a"),
    "another type": lambda t, x: x.type_as(None),
    "a norm's order": lambda t, x: t.linalg.vector_norm(x, "a"),
    "a matrix norm's order": lambda t, x: t.linalg.matrix_norm(x, [1.0]),
    "a tolerance": lambda t, x: t.isclose(x, x, "a"),
    "functions of Python": lambda t, x: t.tensordot(x, foo=1),
    "their methods": lambda t, x: x.split(),
    "a split of no size": lambda t, x: t.split(x, 1, None),
    "lengths": lambda t, x: t.nn.functional.ctc_loss(x[None], x.long(), 1.5, x),
    "a product of many": lambda t, x: t.chain_matmul(x, None),
    "a corner": lambda t, x: t.nn.functional.grid_sample(x[None, None], x[None, None], align_corners=1),
    "half of a dimension": lambda t, x: t.nn.functional.glu(x, "a"),
    "arguments where none are taken": lambda t, x: x.dim(5),
    "keywords where none are taken": lambda t, x: x.data_ptr(a=1),
    "two sizes": lambda t, x: x.size(1, 2),
    "a dimension of a stride by keyword": lambda t, x: x.stride(dim="a"),
    "a format by position": lambda t, x: x.is_contiguous(3),
    "no format": lambda t, x: x.contiguous(memory_format=1),
    "a keyword of to": lambda t, x: x.to(foo=1),
    "the same memory as nothing": lambda t, x: x.is_set_to(),
    "a class's methods": lambda t, x: x.is_shared(1),
    "frames": lambda t, x: t.stft(x[0], 4.5),
    "frames of a window": lambda t, x: x[0].stft(4, window=3, center=False),
    "a padding of frames": lambda t, x: t.stft(x[0], 2, return_complex=True, pad_mode=3),
    "sizes of a split": lambda t, x: t.split(x, t.tensor([1, 1])),
    "dimensions of a product": lambda t, x: t.tensordot(x, x, (1, 2)),
    "factors": lambda t, x: t.nn.functional.interpolate(x[None, None], scale_factor=["a", 2]),
    "a factor among others": lambda t, x: t.nn.functional.interpolate(x[None, None], scale_factor=[2, None]),
    "a size that is no integer": lambda t, x: t.nn.functional.interpolate(x[None, None], size=3.5),
}


@pytest.mark.parametrize("name", CALLS)
def test_text(name):
    texts = []
    for t in (pytorch, torchish):
        with pytest.raises(TypeError) as caught:
            CALLS[name](t, t.ones(2, 3))
        texts.append(str(caught.value))
    assert texts[1] == texts[0]


def test_too_large_a_dimension():
    for t in (pytorch, torchish):
        for _ in range(2):
            with pytest.raises(ValueError, match="Overflow when unpacking long long"):
                t.ones(2, 3).sum(10**20)
            t.ones(2, 3).sum(1)


def test_names_of_swapaxes():
    for t in (pytorch, torchish):
        assert t.swapaxes(t.ones(2, 3), axis0=0, axis1=1).shape == t.swapdims(t.ones(2, 3), dim0=0, dim1=1).shape == (3, 2)
        assert t.amax(t.ones(2, 3), None) == 1


REFUSED = {
    "a table of sections": lambda t, f, x: t.tensor_split(x, t.tensor([[1]])),
    "a tensor of dimensions": lambda t, f, x: t.tensordot(x, x, t.tensor([[1, 2]])),
    "an infinite factor": lambda t, f, x: f.interpolate(x[None, None], scale_factor=float("inf")),
    "sides of a power pool": lambda t, f, x: f.lp_pool2d(x[None], 2, (2,)),
    "sides to pool back": lambda t, f, x: f.max_unpool2d(x[None], x[None].long(), (2, 2, 2)),
    "reflectors of another dtype": lambda t, f, x: t.ormqr(x.mT, t.ones(2, dtype=t.float64), x.mT),
    "a batch of reflectors": lambda t, f, x: t.ormqr(x.mT, t.ones(2), x.mT[None]),
    "too many indices": lambda t, f, x: t.linalg.tensorinv(x, ind=5),
    "a solution of another size": lambda t, f, x: t.linalg.tensorsolve(x, x[0]),
    "halves to factor": lambda t, f, x: t.linalg.lu_factor(x.half()),
    "a vector to factor": lambda t, f, x: t.linalg.lu_factor(x[0]),
    "integers of some rank": lambda t, f, x: t.linalg.matrix_rank(x.int()),
    "halves beyond a margin": lambda t, f, x: f.multi_margin_loss(x.half(), t.tensor([0, 1])),
    "a sum in place": lambda t, f, x: t.ones(1).addmm_(x, x.mT),
    "growing what NumPy has": lambda t, f, x: (x.numpy(), x.resize_(9, 9)),
    "joined into a part": lambda t, f, x: t.cat((e := t.zeros(0), x[0]), out=e),
    "classes": lambda t, f, x: f.cross_entropy(x, "a"),
    "weights of classes": lambda t, f, x: f.nll_loss(x, t.tensor([0, 1]), 3),
    "grid": lambda t, f, x: f.grid_sample(x, None),
    "indices": lambda t, f, x: f.embedding(None, x),
    "number of classes": lambda t, f, x: f.one_hot(t.tensor([0, 1]), "a"),
    "blocks": lambda t, f, x: f.unfold(x, "ab"),
    "blocks of a vector": lambda t, f, x: f.unfold(x[0], 2),
    "corners": lambda t, f, x: t.meshgrid(x[0], 3),
    "types": lambda t, f, x: x.type(3),
    "no tensor": lambda t, f, x: t.tensordot(None, x, 1),
    "a size": lambda t, f, x: f.layer_norm(x, 3),
    "a pad": lambda t, f, x: f.pad(x, 1),
    "groups": lambda t, f, x: f.group_norm(t.ones(1, 3, 2), 1.5),
    "statistics": lambda t, f, x: f.batch_norm(x, None, t.ones(3), training=True),
    "training": lambda t, f, x: f.batch_norm(x, t.ones(3), t.ones(3), training=1),
    "whole divergence": lambda t, f, x: f.kl_div(x, x.long()),
    "complex loss": lambda t, f, x: f.mse_loss(x.to(t.complex64), x),
    "whole logits": lambda t, f, x: f.binary_cross_entropy_with_logits(x.long(), x),
    "flat images": lambda t, f, x: f.interpolate(x, scale_factor=2.0),
    "batches": lambda t, f, x: t.baddbmm(x, x, x),
    "a mask": lambda t, f, x: t.masked_fill(x, t.tensor([0, 1]), 1.0),
    "dtypes before shapes": lambda t, f, x: t.addmm(x, x.double(), x),
    "dimensions of both kinds": lambda t, f, x: t.movedim(x, (0,), 0),
    "boundaries": lambda t, f, x: t.bucketize(x, x[0].to(t.complex64)),
    "whole norms": lambda t, f, x: t.renorm(x.long(), 2, 0, 1),
    "half determinants": lambda t, f, x: t.linalg.det(t.eye(2, dtype=t.float16)),
    "places of a table": lambda t, f, x: f.embedding(t.tensor([True]), x),
    "a table's padding": lambda t, f, x: f.embedding(t.tensor([0]), x, padding_idx=1.5),
    "a table's numbers": lambda t, f, x: f.embedding(t.tensor([0]), x.long(), max_norm=1.0),
    "a place beyond a table to scale": lambda t, f, x: f.embedding(t.tensor([4]), x, max_norm=1.0),
    "a place beyond a plain table": lambda t, f, x: t.embedding(x, t.tensor([7])),
    "empty bags": lambda t, f, x: f.embedding_bag(t.zeros(2, 0, dtype=t.int64), x),
    "a place beyond bags": lambda t, f, x: f.embedding_bag(t.tensor([[1, 5]]), x),
    "a place beyond wide bags": lambda t, f, x: f.embedding_bag(t.tensor([[1, 5]]), x.double()),
    "bags of integers": lambda t, f, x: f.embedding_bag(t.tensor([[1, 0]]), x.long()),
    "frequencies in bags": lambda t, f, x: f.embedding_bag(t.tensor([[1, 0]]), x, scale_grad_by_freq=1),
    "weights in bags": lambda t, f, x: f.embedding_bag(t.tensor([[1, 0]]), x, mode="sum", per_sample_weights=t.ones(1, 2).double()),
    "the last offset": lambda t, f, x: f.embedding_bag(t.tensor([1, 0]), x, t.tensor([0, 2]), include_last_offset=1),
    "the smallest norm of nothing": lambda t, f, x: t.linalg.matrix_norm(t.zeros(0, 0), -2),
    "the least of nothing": lambda t, f, x: t.amin(t.zeros(2, 0), (0, -1)),
    "a difference the other way round": lambda t, f, x: t.rsub(x, t.ones(4)),
    "frames of a short signal": lambda t, f, x: t.stft(x[0], 8, window=t.ones(8)),
    "a window of another shape": lambda t, f, x: t.stft(t.ones(16), 4, window=x + 0j),
    "half a transform of complex numbers": lambda t, f, x: t.fft.rfft2(x + 0j),
    "a transform over nothing": lambda t, f, x: t.fft.irfft2(x, dim=()),
    "a mode that is no string": lambda t, f, x: f.interpolate(x[None, None], scale_factor=2, mode=None),
    "a dropout of none": lambda t, f, x: f.dropout(x, None),
    "many quantiles": lambda t, f, x: t.quantile(x, x.double()),
    "places in a shape": lambda t, f, x: t.unravel_index(t.tensor([1]), 1.5),
    "same of another shape": lambda t, f, x: f.conv2d(t.ones(1, 1, 4, 3), t.ones(1, 2, 2), padding="same"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    caught = []
    for t in (pytorch, torchish):
        with pytest.raises(Exception) as info:
            REFUSED[name](t, t.nn.functional, t.ones(2, 3))
        caught.append((info.type, str(info.value)))
    assert caught[1] == caught[0]


LOSSES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy", "margin_ranking_loss", "kl_div", "nll_loss")


def _losses():
    for name in LOSSES:
        more = 1 + (name == "margin_ranking_loss")
        yield lambda f, x, other, name=name, more=more: getattr(f, name)(x, *(other,) * more)
        yield lambda f, x, other, name=name, more=more: getattr(f, name)(other, *(x,) * more)


def test_tensors_of_pytorch():
    x, other = torchish.rand(2, 3), pytorch.rand(2, 3)
    assert other not in [x] and x != other
    f = torchish.nn.functional
    calls = [
        *(lambda loss=loss: loss(f, x, other) for loss in _losses()),
        lambda: x + other,
        lambda: x @ other.T,
        lambda: x < other,
        lambda: x.add_(other),
        lambda: f.max_pool1d(other, 2),
        lambda: f.group_norm(other, 1),
        lambda: f.layer_norm(x, (3,), other[0]),
        lambda: f.interpolate(other[None], 2),
        lambda: torchish.stack([x, other]),
        lambda: torchish.einsum("ij,ij", x, other),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=r"got a tensor of PyTorch's; torchish.tensor\(x\) makes one of torchish's"):
            call()


@pytest.mark.parametrize("bound", [1.5, "tensor"])
def test_limits_that_do_not_fit_in_place_run_at_once_too(bound, monkeypatch):
    """Where nothing is lazy a result has no operation to ask."""
    from torchish.engine import expr

    monkeypatch.setattr(expr, "EAGER", True)
    said = []
    for lib in (pytorch, torchish):
        limit = lib.tensor([1.5, 2.0]) if bound == "tensor" else bound
        with pytest.raises(RuntimeError) as error:
            lib.ones(2, dtype=lib.int32).clamp_(limit)
        said.append(str(error.value))
    assert said[0] == said[1]
